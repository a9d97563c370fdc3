//! werf's `includePaths`, `excludePaths` and `stageDependencies`: lists of doublestar globs.
//!
//! A glob matches what it names and, where that is a folder, all that is below it: as it is, without its last stars
//! (`dir/**/*` is `dir`), and with `/**/*` behind it. A slash at its start changes nothing.

use super::clean::{clean, split};
use super::{Glob, PathMatch, PatternError};

/// Files that an include matches (all, where there is none) and no exclude does.
#[derive(Debug, Clone, Default)]
pub struct PathFilter {
    include: Vec<TreeGlob>,
    exclude: Vec<TreeGlob>,
}

#[derive(Debug, Clone)]
struct TreeGlob {
    /// As it is, where it ends in stars.
    whole: Option<Glob>,
    /// Without them: what it takes, with all that is below.
    trimmed: Glob,
    /// The leading parts without any special character.
    literal: Vec<String>,
    /// There are no others, but for stars at the end.
    is_literal: bool,
}

impl PathFilter {
    /// Reads both lists; paths and globs are relative to the same root, the mapping's `add`.
    ///
    /// # Errors
    /// A glob that doublestar does not allow.
    pub fn new<S: AsRef<str>>(include: &[S], exclude: &[S]) -> Result<Self, PatternError> {
        let read = |globs: &[S]| -> Result<Vec<TreeGlob>, PatternError> {
            globs.iter().map(|glob| TreeGlob::new(glob.as_ref())).collect()
        };
        Ok(Self {
            include: read(include)?,
            exclude: read(exclude)?,
        })
    }

    /// Whether the filter takes every path.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

impl PathMatch for PathFilter {
    fn matches(&self, path: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|glob| glob.matches(path)))
            && !self.exclude.iter().any(|glob| glob.matches(path))
    }

    fn may_match_below(&self, dir: &str) -> bool {
        dir.is_empty()
            || ((self.include.is_empty() || self.include.iter().any(|glob| glob.may_match_below(dir)))
                && !self.exclude.iter().any(|glob| glob.matches(dir)))
    }

    fn takes_all_below(&self, dir: &str) -> bool {
        let included = || !dir.is_empty() && self.include.iter().any(|glob| glob.matches(dir));
        let excluded = |glob: &TreeGlob| dir.is_empty() || glob.may_match_below(dir);
        (self.include.is_empty() || included()) && !self.exclude.iter().any(excluded)
    }
}

impl TreeGlob {
    fn new(pattern: &str) -> Result<Self, PatternError> {
        let cleaned = match pattern {
            "" | "." | "/" => String::new(),
            _ => clean(pattern),
        };
        let mut parts = split(&cleaned);
        while parts
            .last()
            .is_some_and(|part| part.chars().all(|char| char == '*'))
        {
            parts.pop();
        }
        let read = |glob: &str| {
            Glob::new(glob).map_err(|error| PatternError {
                pattern: pattern.into(),
                ..error
            })
        };
        let whole = read(&cleaned)?;
        let joined = parts.join("/");
        let trimmed = read(&joined)?;
        let special = |part: &String| part.contains(['*', '?', '[', '{', '\\']);
        let is_literal = !parts.iter().any(special);
        Ok(Self {
            whole: (joined != cleaned).then_some(whole),
            trimmed,
            literal: parts.into_iter().take_while(|part| !special(part)).collect(),
            is_literal,
        })
    }

    fn matches(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        let is_below = self.literal.iter().all(|literal| parts.next() == Some(literal));
        let is_taken = || {
            self.trimmed.matches_with_folders(path)
                || self.whole.as_ref().is_some_and(|glob| glob.matches(path))
        };
        is_below && (self.is_literal || is_taken())
    }

    /// Compares the parts that both have.
    fn may_match_below(&self, dir: &str) -> bool {
        dir.split('/')
            .zip(&self.literal)
            .all(|(part, literal)| part == literal)
    }
}

#[cfg(test)]
#[path = "path_filter_tests.rs"]
mod tests;
