//! Which files of a context an instruction takes.

use crate::git::patterns::PathMatch;

/// The files of a context that some instructions take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

    /// Whether a source is the path, or leads through it.
    pub(crate) fn lead_through(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        self.any(|source| source.len() >= parts.len() && leads(source, &parts))
    }

    fn any(&self, test: impl Fn(&[String]) -> bool) -> bool {
        match self {
            Self::Whole => true,
            Self::Paths(paths) => paths.iter().any(|source| test(source)),
        }
    }
}

impl PathMatch for Sources {
    fn matches(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        self.any(|source| source.len() <= parts.len() && leads(source, &parts))
    }

    fn may_match_below(&self, dir: &str) -> bool {
        let parts: Vec<&str> = dir.split('/').collect();
        self.any(|source| leads(source, &parts))
    }

    fn takes_all_below(&self, dir: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Paths(_) => !dir.is_empty() && self.matches(dir),
        }
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

    /// A name that ends in `@` is a link's.
    fn check(sources: &[&str], context: &[&str], want: &[&str]) {
        let mut all = Sources::default();
        sources.iter().for_each(|source| all.add(source));
        let mut links = context.iter().filter_map(|path| path.strip_suffix('@'));
        if links.any(|link| all.lead_through(link)) {
            all = Sources::Whole;
        }
        let paths = context.iter().map(|path| path.trim_end_matches('@'));
        let found: Vec<&str> = paths.filter(|path| all.matches(path)).collect();
        assert_eq!(found, want, "{sources:?}");
        for path in &found {
            let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
            assert!(
                folders.clone().all(|folder| all.may_match_below(folder)),
                "{path}"
            );
        }
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
