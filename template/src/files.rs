//! Read access to a tree of files, given from outside: this crate does no IO.
//!
//! A commit's tree, a folder or an archive implement it; `config` and `chart` read through it.
//! Paths are relative, separated by `/`, without `.` or `..` parts, and never begin with `/`.

use std::sync::Arc;

/// Why a file could not be read although it may exist; the text names the path.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct FileError(pub String);

/// A tree of files.
pub trait FileTree {
    /// The file's content, or `None` where there is no regular file at `path`.
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError>;

    /// Every regular file below `dir` (`""` is the root), as sorted paths relative to the tree's root.
    fn list(&self, dir: &str) -> Result<Vec<String>, FileError>;

    /// Whether `path` is a folder.
    fn is_dir(&self, path: &str) -> Result<bool, FileError>;
}
