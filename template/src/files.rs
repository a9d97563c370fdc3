//! Read access to a tree of files, given from outside: this crate does no IO.
//!
//! A commit's tree, a folder or an archive implement it; a map of paths and contents is one as it is:
//!
//! ```
//! use std::collections::BTreeMap;
//! use kiel_template::files::FileTree;
//!
//! let files = BTreeMap::from([("a/b.txt", "text"), ("c.txt", "")]);
//! assert_eq!(files.list("a")?, ["a/b.txt"]);
//! assert_eq!(files.read("a/b.txt")?.as_deref(), Some(&b"text"[..]));
//! assert!(files.is_dir("a")? && !files.is_dir("c.txt")?);
//! # Ok::<(), kiel_template::files::FileError>(())
//! ```
//!
//! Paths are relative, separated by `/`, without `.` or `..` parts, and never begin with `/`.

use std::borrow::Borrow;
use std::collections::BTreeMap;
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

impl<P: Borrow<str> + Ord, C: AsRef<[u8]>> FileTree for BTreeMap<P, C> {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        Ok(self.get(path).map(|content| Arc::from(content.as_ref())))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, FileError> {
        let paths = self.keys().map(Borrow::borrow);
        Ok(paths
            .filter(|path| is_below(path, dir))
            .map(str::to_owned)
            .collect())
    }

    fn is_dir(&self, path: &str) -> Result<bool, FileError> {
        Ok(path.is_empty() || self.keys().any(|file| is_below(file.borrow(), path)))
    }
}

fn is_below(path: &str, dir: &str) -> bool {
    dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}
