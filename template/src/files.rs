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
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// Why a file could not be read although it may exist; the text names the path.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct FileError(pub String);

/// A tree of files.
pub trait FileTree {
    /// The file's content, or `None` where there is no regular file at `path`.
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError>;

    /// As [`FileTree::read`], for a file that may never be looked at.
    fn open(&self, path: &str) -> Result<Option<Content>, FileError> {
        Ok(self.read(path)?.map(Content::from))
    }

    /// Every regular file below `dir` (`""` is the root), as sorted paths relative to the tree's root.
    fn list(&self, dir: &str) -> Result<Vec<String>, FileError>;

    /// Those of [`FileTree::list`] that `matches` takes. Folders that `enters` refuses need not be looked at: nothing in
    /// them matches.
    fn list_some(
        &self,
        dir: &str,
        matches: &dyn Fn(&str) -> bool,
        enters: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<String>, FileError> {
        let _ = enters;
        let mut found = self.list(dir)?;
        found.retain(|path| matches(path));
        Ok(found)
    }

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

/// The bytes of a file, shared. They may be read only when they are looked at for the first time; what can't be read
/// then is empty, and [`Content::error`] says why.
#[derive(Clone)]
pub struct Content(Kind);

#[derive(Clone)]
enum Kind {
    There(Arc<[u8]>),
    Later(Arc<Later>),
}

struct Later {
    size: usize,
    read: Reader,
    content: OnceLock<Result<Arc<[u8]>, FileError>>,
}

type Reader = Box<dyn Fn() -> Result<Arc<[u8]>, FileError> + Send + Sync>;

impl Content {
    /// What will be read by `read`, and is expected to have so many bytes.
    pub fn later(
        size: usize,
        read: impl Fn() -> Result<Arc<[u8]>, FileError> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Later(Arc::new(Later {
            size,
            read: Box::new(read),
            content: OnceLock::new(),
        })))
    }

    /// How many bytes there are, or are expected where they were not looked at yet.
    pub fn size(&self) -> usize {
        match &self.0 {
            Kind::There(bytes) => bytes.len(),
            Kind::Later(later) => match later.content.get() {
                Some(content) => content.as_ref().map_or(0, |bytes| bytes.len()),
                None => later.size,
            },
        }
    }

    /// The bytes, to be kept elsewhere.
    pub fn to_shared(&self) -> Arc<[u8]> {
        match &self.0 {
            Kind::There(bytes) => Arc::clone(bytes),
            Kind::Later(later) => later.get().cloned().unwrap_or_else(|_| Arc::from(&[][..])),
        }
    }

    /// Why the bytes could not be read when they were looked at.
    pub fn error(&self) -> Option<&FileError> {
        match &self.0 {
            Kind::There(_) => None,
            Kind::Later(later) => later.content.get()?.as_ref().err(),
        }
    }

    /// The content with its bytes changed, now or when they are read.
    #[must_use]
    pub fn changed(self, change: impl Fn(Arc<[u8]>) -> Arc<[u8]> + Send + Sync + 'static) -> Self {
        match self.0 {
            Kind::There(bytes) => Self(Kind::There(change(bytes))),
            Kind::Later(later) => Self::later(later.size, move || {
                later.get().cloned().map(&change).map_err(Clone::clone)
            }),
        }
    }
}

impl Later {
    fn get(&self) -> Result<&Arc<[u8]>, &FileError> {
        self.content.get_or_init(|| (self.read)()).as_ref()
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kind::There(bytes) => bytes,
            Kind::Later(later) => later.get().map_or(&[], |bytes| bytes),
        }
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<B: Into<Arc<[u8]>>> From<B> for Content {
    fn from(bytes: B) -> Self {
        Self(Kind::There(bytes.into()))
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::from(&[][..])
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Content {}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_later() {
        let content = Content::later(3, || Ok(Arc::from(*b"abcd"))).changed(|bytes| bytes[1..].into());
        assert_eq!(content.size(), 3);
        let shared = content.clone();
        assert_eq!((&*content, shared.size()), (&b"bcd"[..], 3));
        assert_eq!(content, Content::from(*b"bcd"));

        let gone = Content::later(3, || Err(FileError("cannot read `a`: gone".to_owned())));
        let changed = gone.changed(|bytes| bytes);
        assert!(changed.error().is_none());
        assert!(changed.is_empty() && changed.to_shared().is_empty());
        assert_eq!(
            changed.error().map(ToString::to_string).as_deref(),
            Some("cannot read `a`: gone")
        );
        assert_eq!(changed.size(), 0);
    }
}
