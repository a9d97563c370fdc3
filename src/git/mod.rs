//! The only place that names gix: commits, trees, the state of the work tree, path patterns, layers out of trees.

pub mod patterns;
