//! Which files of a context an instruction takes.

use kiel_stapel::listing::{FileMode, Listing};

/// The files of a context that some instructions take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sources {
    /// All of them: something was not understood.
    Whole,
    /// Those that a path or glob names; each as its components.
    Paths(Vec<Vec<String>>),
}

impl Default for Sources {
    fn default() -> Self {
        Self::Paths(Vec::new())
    }
}

impl Sources {
    /// What either of the two takes.
    pub(crate) fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Paths(mut paths), Self::Paths(others)) => {
                paths.extend_from_slice(others);
                Self::Paths(paths)
            }
            _ => Self::Whole,
        }
    }

    /// Takes everything.
    pub(crate) fn add_whole(&mut self) {
        *self = Self::Whole;
    }

    /// Takes what a source of COPY names.
    pub(crate) fn add(&mut self, source: &str) {
        if source.contains("**") || source.contains(['\\', '"', '\'']) {
            return self.add_whole();
        }
        let mut components: Vec<String> = Vec::new();
        for part in source.split('/') {
            match part {
                "" | "." => {}
                // Above the root is the root.
                ".." => drop(components.pop()),
                part => components.push(part.to_owned()),
            }
        }
        match self {
            _ if components.is_empty() => self.add_whole(),
            Self::Whole => {}
            Self::Paths(paths) => paths.push(components),
        }
    }

    /// The files of the filtered context that are taken. A source that is a link, or leads through one, takes all.
    pub(crate) fn select(&self, context: Listing) -> Listing {
        let Self::Paths(paths) = self else { return context };
        let through_link = context
            .entries()
            .iter()
            .filter(|entry| entry.mode == FileMode::Link)
            .any(|link| {
                let parts: Vec<&str> = link.path.split('/').collect();
                paths
                    .iter()
                    .any(|source| source.len() >= parts.len() && leads(source, &parts))
            });
        if through_link {
            return context;
        }
        let taken = context.entries().iter().filter(|entry| {
            let parts: Vec<&str> = entry.path.split('/').collect();
            paths
                .iter()
                .any(|source| source.len() <= parts.len() && leads(source, &parts))
        });
        Listing::new(taken.cloned().collect())
    }
}

/// Whether source and path agree in the components that both have.
fn leads(source: &[String], path: &[&str]) -> bool {
    source
        .iter()
        .zip(path)
        .all(|(pattern, part)| matches(pattern.as_bytes(), part.as_bytes()))
}

/// Go's `filepath.Match` for one component, without escapes. A malformed class matches nothing.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        Some((b'?', rest)) => char_length(name).is_some_and(|length| matches(rest, &name[length..])),
        Some((b'[', _)) => class(pattern, name),
        Some((byte, rest)) => name.first() == Some(byte) && matches(rest, &name[1..]),
    }
}

fn char_length(name: &[u8]) -> Option<usize> {
    std::str::from_utf8(name).ok()?.chars().next().map(char::len_utf8)
}

fn class(pattern: &[u8], name: &[u8]) -> bool {
    let (Ok(pattern), Ok(name)) = (std::str::from_utf8(pattern), std::str::from_utf8(name)) else {
        return false;
    };
    let Some(c) = name.chars().next() else {
        return false;
    };
    let body = &pattern[1..];
    let (negated, body) = body.strip_prefix('^').map_or((false, body), |rest| (true, rest));
    // Go: a `]` at the first place is malformed, so the first one ends the class.
    let Some((ranges, rest)) = body.split_once(']') else {
        return false;
    };
    let chars: Vec<char> = ranges.chars().collect();
    let (mut at, mut found) = (0, false);
    while at < chars.len() {
        let low = chars[at];
        let range = chars.get(at + 1) == Some(&'-');
        let Some(high) = (if range {
            chars.get(at + 2).copied()
        } else {
            Some(low)
        }) else {
            return false;
        };
        found |= (low..=high).contains(&c);
        at += if range { 3 } else { 1 };
    }
    found != negated && matches(rest.as_bytes(), &name.as_bytes()[c.len_utf8()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiel_stapel::listing::FileEntry;

    fn listing(paths: &[&str]) -> Listing {
        let entry = |path: &&str| {
            let (path, mode) = path
                .strip_suffix('@')
                .map_or((*path, FileMode::Regular), |path| (path, FileMode::Link));
            FileEntry {
                path: path.into(),
                mode,
                id: "0".into(),
            }
        };
        Listing::new(paths.iter().map(entry).collect())
    }

    fn check(sources: &[&str], context: &[&str], want: &[&str]) {
        let mut all = Sources::default();
        sources.iter().for_each(|source| all.add(source));
        let found = all.select(listing(context));
        let found: Vec<&str> = found.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(found, want, "{sources:?}");
    }

    #[test]
    fn sources_take_files_and_folders_by_whole_components() {
        let context = ["a/b/c", "a/bc", "ab", "x.rs", "y.rs", "z"];
        check(&["a"], &context, &["a/b/c", "a/bc"]);
        check(&["/a/b/"], &context, &["a/b/c"]);
        check(&["./a/../ab", "../z"], &context, &["ab", "z"]);
        check(&["*.rs"], &context, &["x.rs", "y.rs"]);
        check(&["[^x-x].rs", "?"], &context, &["a/b/c", "a/bc", "y.rs", "z"]);
        check(&["*/b"], &context, &["a/b/c"]);
        check(&["nope"], &context, &[]);
        check(&["."], &context, &context);
        check(&["**/c"], &context, &context);
    }

    #[test]
    fn a_source_through_a_link_takes_everything() {
        check(&["l/x"], &["d/x", "l@", "z"], &["d/x", "l", "z"]);
        check(&["l*"], &["d/x", "l@", "z"], &["d/x", "l", "z"]);
        check(&["d"], &["d/l@", "z"], &["d/l"]);
    }
}
