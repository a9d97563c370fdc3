//! Which paths the lists of `werf-giterminism.yaml` are about.

use super::clean;
use crate::git::patterns::{Glob, PathMatch};

/// What some items of lists allow; folders that hold nothing of it are known without a look.
pub(super) struct Covered {
    patterns: Vec<Pattern>,
}

/// A path, which covers all that is in it too, and as a glob.
struct Pattern {
    path: String,
    glob: Option<Glob>,
}

impl Covered {
    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a String>) -> Self {
        Self {
            patterns: patterns.map(|pattern| Pattern::new(pattern)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl PathMatch for Covered {
    fn matches(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.covers(path))
    }

    fn may_match_below(&self, dir: &str) -> bool {
        dir.is_empty() || self.patterns.iter().any(|pattern| pattern.may_cover_below(dir))
    }
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        let path = clean(pattern);
        let glob = Glob::new(&path).ok();
        Self { path, glob }
    }

    fn covers(&self, path: &str) -> bool {
        self.has(path) || self.glob.as_ref().is_some_and(|glob| glob.matches(path))
    }

    fn may_cover_below(&self, dir: &str) -> bool {
        self.has(dir) || self.glob.as_ref().is_some_and(|glob| glob.may_match_below(dir))
    }

    /// Whether a path is this one, or in it.
    fn has(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.path);
        self.path.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether a rule's path, folder or glob covers a path.
pub(super) fn is_covered(pattern: &str, path: &str) -> bool {
    Pattern::new(pattern).covers(path)
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
