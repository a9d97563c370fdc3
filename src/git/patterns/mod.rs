//! Which paths of a tree count: werf's include and exclude globs, and `.dockerignore`.
//!
//! Two dialects, each equal to its Go original on the tables beside it: [`PathFilter`] speaks doublestar as werf
//! uses it, [`DockerIgnore`] speaks moby's patternmatcher. Both only look at text: no file is touched here.

mod clean;
mod dockerignore;
mod doublestar;
mod path_filter;

pub use dockerignore::{DockerIgnore, IgnoreFileError};
pub use doublestar::Glob;
pub use path_filter::PathFilter;

/// A pattern that its dialect does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the pattern `{pattern}`: {reason}")]
pub struct PatternError {
    /// As the user wrote it.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Decides about the paths of a walk; they are relative to its root and separated by `/`.
pub trait PathMatch {
    /// Whether the file at `path` counts.
    fn matches(&self, path: &str) -> bool;

    /// Whether a file below the folder `dir` can count; `true` where that is not known.
    fn may_match_below(&self, dir: &str) -> bool {
        let _ = dir;
        true
    }

    /// Whether every file below the folder `dir` counts; `false` where that is not known.
    fn takes_all_below(&self, dir: &str) -> bool {
        let _ = dir;
        false
    }
}

/// No path.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl PathMatch for Nothing {
    fn matches(&self, _: &str) -> bool {
        false
    }

    fn may_match_below(&self, _: &str) -> bool {
        false
    }
}

impl<F: Fn(&str) -> bool> PathMatch for F {
    fn matches(&self, path: &str) -> bool {
        self(path)
    }
}

/// References, which the implementation for closures keeps from being covered at once.
macro_rules! by_reference {
    ($($kind:ty),*) => {$(
        impl PathMatch for $kind {
            fn matches(&self, path: &str) -> bool {
                (**self).matches(path)
            }

            fn may_match_below(&self, dir: &str) -> bool {
                (**self).may_match_below(dir)
            }

            fn takes_all_below(&self, dir: &str) -> bool {
                (**self).takes_all_below(dir)
            }
        }
    )*};
}

by_reference!(
    Box<dyn PathMatch + Send + Sync>,
    &dyn PathMatch,
    &(dyn PathMatch + Send + Sync),
    &PathFilter,
    &DockerIgnore
);
