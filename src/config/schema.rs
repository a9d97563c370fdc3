//! Every key that werf.yaml knows (werf v2 and v3): the one table that the reader, the JSON Schema and the reference use.
//!
//! An unknown key is a mistake with the nearest known one as hint.

mod image_spec;
mod images;
mod json;
mod meta;
mod page;

pub(crate) use self::images::{DOCKERFILE, STAPEL};
pub use self::json::json_schema;
pub(crate) use self::meta::META;
pub use self::page::{giterminism_page, page};

/// What stands behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A scalar, taken as text.
    Text,
    /// One of these words.
    Words(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A whole number that is not negative.
    Number,
    /// Texts, or one of them.
    Texts,
    /// Texts that are written as such, or one of them.
    Commands,
    /// A map of texts with free names.
    TextMap,
    /// A map with the keys below.
    Map,
    /// A list of such maps, or one.
    Maps,
    /// A list of Ansible's tasks.
    Tasks,
    /// Anything: nothing below is looked at.
    Any,
}

/// Whether a key is honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Support {
    /// It does what it says.
    Yes,
    /// It may stand in the file: it says what kiel does anyway, or concerns a command that kiel does not have yet.
    NoEffect,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    support: Support,
    pub(crate) kind: Kind,
    /// What holds without it, for the reference; empty for nothing.
    default: &'static str,
    /// What it means, for the reference.
    about: &'static str,
    /// The map that holds it, in YAML's flow style.
    example: &'static str,
    /// The keys below it.
    pub(crate) keys: &'static [Key],
    /// The key that says the same in werf v3.
    same_as: Option<&'static str>,
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
    example: &'static str,
) -> Key {
    Key {
        name,
        support: Support::Yes,
        kind,
        default,
        about,
        example,
        keys: &[],
        same_as: None,
    }
}

const fn map(
    name: &'static str,
    kind: Kind,
    about: &'static str,
    example: &'static str,
    keys: &'static [Key],
) -> Key {
    Key {
        keys,
        ..key(name, kind, "", about, example)
    }
}

/// Another spelling.
const fn alias(name: &'static str, kind: Kind, same_as: &'static str, example: &'static str) -> Key {
    Key {
        same_as: Some(same_as),
        ..key(name, kind, "", "", example)
    }
}

const fn no_effect(name: &'static str, kind: Kind, about: &'static str, example: &'static str) -> Key {
    Key {
        support: Support::NoEffect,
        ..key(name, kind, "", about, example)
    }
}

/// The key of that name.
pub(crate) fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}

/// The known key that is nearest to a misspelled one, if one is near enough to be meant.
pub(crate) fn nearest(keys: &'static [Key], name: &str) -> Option<&'static str> {
    let names: Vec<&'static str> = keys.iter().map(|key| key.name).collect();
    nearest_name(&names, name)
}

/// As [`nearest`], among these names.
pub(crate) fn nearest_name<'a>(names: &[&'a str], name: &str) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    names
        .iter()
        .map(|known| (distance(&wanted, &known.to_lowercase()), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}

/// How many letters have to be changed, added, dropped or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_key_names_its_neighbour() {
        for (wrong, want) in [
            ("dockefile", Some("dockerfile")),
            ("Target", Some("target")),
            ("contxet", Some("context")),
            ("arg", Some("args")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(DOCKERFILE, wrong), want, "{wrong}");
        }
    }
}
