//! What Git knows of a set of files: mode, path and blob id. No content.

use serde::{Deserialize, Serialize};

/// A file's kind and executable bit, as Git records them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileMode {
    /// `100644`
    Regular,
    /// `100755`
    Executable,
    /// `120000`; the blob holds the target.
    Link,
    /// `160000`, a submodule; the id is a commit's.
    Commit,
}

impl FileMode {
    /// Git's octal form, as in `git ls-tree`.
    #[must_use]
    pub fn as_octal(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
            Self::Commit => "160000",
        }
    }
}

/// One file of a [`Listing`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the listing's root, separated by `/`; bytes as Git has them, where they are UTF-8.
    pub path: String,
    /// Kind and executable bit.
    pub mode: FileMode,
    /// Lower-case hex id of the blob (40 digits for SHA-1, 64 for SHA-256 repositories).
    pub id: String,
}

/// Files in the order of their paths' bytes, each path once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Listing(Vec<FileEntry>);

impl Listing {
    /// Sorts by the bytes of the path; of entries with one path the last stays.
    #[must_use]
    pub fn new(mut entries: Vec<FileEntry>) -> Self {
        entries.reverse();
        entries.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        entries.dedup_by(|later, kept| later.path == kept.path);
        Self(entries)
    }

    /// The entries, sorted by path.
    #[must_use]
    pub fn entries(&self) -> &[FileEntry] {
        &self.0
    }

    /// Whether there is no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_and_keeps_the_last_of_a_path() {
        let entry = |path: &str, id: &str| FileEntry {
            path: path.into(),
            mode: FileMode::Regular,
            id: id.into(),
        };
        let listing = Listing::new(vec![entry("b", "1"), entry("a", "2"), entry("b", "3")]);
        assert_eq!(listing.entries(), [entry("a", "2"), entry("b", "3")]);
    }
}
