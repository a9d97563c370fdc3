//! Label selectors, as `list --selector` takes them: `a=b,c!=d,e in (f,g),h,!i`.

use std::collections::BTreeMap;

use super::HelmError;

/// A selector: all of it has to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    /// The values of which one is wanted; none where any will do.
    values: Option<Vec<String>>,
    is_negated: bool,
}

impl Selector {
    /// Reads a selector; the empty one takes everything.
    pub(super) fn parse(text: &str) -> Result<Self, HelmError> {
        let mut parts = Vec::new();
        let (mut depth, mut start) = (0_usize, 0);
        for (at, c) in text.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    parts.push(&text[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
        }
        parts.push(&text[start..]);
        let parts = parts
            .iter()
            .map(|part| part.trim())
            .filter(|part| !part.is_empty());
        parts.map(requirement).collect::<Result<_, _>>().map(Self)
    }

    /// Whether labels meet it.
    pub(super) fn takes(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|wanted| {
            let found = labels.get(&wanted.key);
            let holds = match &wanted.values {
                None => found.is_some(),
                Some(values) => found.is_some_and(|found| values.contains(found)),
            };
            holds != wanted.is_negated
        })
    }
}

fn requirement(text: &str) -> Result<Requirement, HelmError> {
    let wrong = || {
        HelmError(format!(
            "unable to parse requirement: `{text}` is no label selector"
        ))
    };
    let of = |key: &str, values: Option<Vec<String>>, is_negated: bool| {
        let key = key.trim();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let is_valid = !key.is_empty() && key.chars().all(is_name);
        let key = key.to_owned();
        is_valid
            .then_some(Requirement {
                key,
                values,
                is_negated,
            })
            .ok_or_else(wrong)
    };
    let one = |value: &str| Some(vec![value.trim().to_owned()]);
    if let Some((key, value)) = text.split_once("!=") {
        return of(key, one(value), true);
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return of(key, one(value), false);
    }
    if let Some((head, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let values = Some(values.split(',').map(|value| value.trim().to_owned()).collect());
        let head = head.trim();
        return match (head.strip_suffix(" notin"), head.strip_suffix(" in")) {
            (Some(key), _) => of(key, values, true),
            (None, Some(key)) => of(key, values, false),
            (None, None) => Err(wrong()),
        };
    }
    match text.strip_prefix('!') {
        Some(key) => of(key, None, true),
        None => of(text, None, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected() {
        let labels = BTreeMap::from([
            ("a".to_owned(), "1".to_owned()),
            ("x.y/b".to_owned(), "2".to_owned()),
        ]);
        for (text, want) in [
            ("", true),
            ("a=1", true),
            ("a==1,x.y/b=2", true),
            ("a=2", false),
            ("a!=2", true),
            ("c!=2", true),
            ("a", true),
            ("!a", false),
            ("a in (0, 1),!c", true),
            ("a notin (0,1)", false),
        ] {
            let selector = Selector::parse(text);
            assert_eq!(
                selector.map(|found| found.takes(&labels)).ok(),
                Some(want),
                "{text}"
            );
        }
        assert!(Selector::parse("a b").is_err());
        assert!(Selector::parse("=1").is_err());
    }
}
