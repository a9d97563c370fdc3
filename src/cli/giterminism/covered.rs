//! Which paths the lists of `werf-giterminism.yaml` are about.

use super::clean;
use crate::git::patterns::{Glob, PathMatch};

/// What some items of lists allow; folders that hold nothing of it are known without a look.
pub(super) struct Covered {
    patterns: Vec<String>,
}

impl Covered {
    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a String>) -> Self {
        Self {
            patterns: patterns.map(|pattern| clean(pattern)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl PathMatch for Covered {
    fn matches(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| is_covered(pattern, path))
    }

    fn may_match_below(&self, dir: &str) -> bool {
        dir.is_empty() || self.patterns.iter().any(|pattern| may_cover_below(pattern, dir))
    }
}

/// Whether a rule's path, folder or glob covers a path.
pub(super) fn is_covered(pattern: &str, path: &str) -> bool {
    let pattern = clean(pattern);
    let below = path
        .strip_prefix(pattern.as_str())
        .is_some_and(|rest| rest.starts_with('/'));
    pattern.is_empty() || pattern == path || below || Glob::new(&pattern).is_ok_and(|glob| glob.matches(path))
}

/// A folder covers all that is in it, a glob what it matches.
fn may_cover_below(pattern: &str, dir: &str) -> bool {
    let is_folder_of = |folder: &str, path: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    pattern.is_empty()
        || is_folder_of(pattern, dir)
        || Glob::new(pattern).is_ok_and(|glob| glob.may_match_below(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_left_out_that_hold_nothing_of_a_list() {
        for (pattern, path, want) in [
            ("base_images.yml", "base_images.yml", true),
            ("base_images.yml", "sub/base_images.yml", false),
            ("./tools/", "tools/a/b", true),
            ("tools/*", "tools/a", true),
            ("tools/*", "tools/a/b", false),
            ("charts/*.tgz", "charts/a.tgz", true),
            ("**/*.yaml", "a/b/c.yaml", true),
            ("{a,b/c}/x", "b/c/x", true),
            ("a?/x/*", "ab/x/y", true),
            ("a?/x/*", "b/x/y", false),
            ("/", "a", true),
        ] {
            let patterns = [pattern.to_owned()];
            let covered = Covered::new(patterns.iter());
            assert_eq!(covered.matches(path), want, "{pattern} {path}");
            for (end, _) in path.match_indices('/') {
                let is_open = covered.may_match_below(&path[..end]);
                assert!(is_open || !want, "{pattern} {path}");
            }
        }
        for (pattern, dir) in [
            ("base_images.yml", "node_modules"),
            ("tools/*", "tools/a"),
            ("charts/*.tgz", "node_modules"),
            ("a?/x/*", "b"),
        ] {
            let patterns = [pattern.to_owned()];
            assert!(
                !Covered::new(patterns.iter()).may_match_below(dir),
                "{pattern} {dir}"
            );
        }
    }
}
