//! What Git knows of a set of files: mode, path and blob id. No content.

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

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

    /// Id of the tree that Git would write for these files, by the hash that their own ids are of.
    #[must_use]
    pub fn tree_id(&self) -> String {
        let is_sha256 = self.0.first().is_some_and(|entry| entry.id.len() == 64);
        let mut open = vec![Folder::default()];
        for entry in &self.0 {
            let (above, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
            let above: Vec<&str> = above.split('/').filter(|part| !part.is_empty()).collect();
            let common = above
                .iter()
                .zip(&open[1..])
                .take_while(|(part, folder)| **part == folder.name)
                .count();
            close(&mut open, common, is_sha256);
            open.extend(above[common..].iter().map(|name| Folder::named(name)));
            // Text that is no hex is in no commit; it counts as it stands.
            let id = hex::decode(&entry.id).unwrap_or_else(|_| entry.id.clone().into_bytes());
            if let Some(folder) = open.last_mut() {
                folder.add(entry.mode.as_octal(), name, &id);
            }
        }
        close(&mut open, 0, is_sha256);
        hex::encode(open.pop().unwrap_or_default().id(is_sha256))
    }
}

/// A tree object that is being written. The order of paths is that of Git's entries: a folder counts as `name/`.
#[derive(Default)]
struct Folder<'a> {
    name: &'a str,
    content: Vec<u8>,
}

impl<'a> Folder<'a> {
    fn named(name: &'a str) -> Self {
        let content = Vec::new();
        Self { name, content }
    }

    fn add(&mut self, mode: &str, name: &str, id: &[u8]) {
        for part in [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id] {
            self.content.extend_from_slice(part);
        }
    }

    fn id(&self, is_sha256: bool) -> Vec<u8> {
        fn hash<D: Digest>(content: &[u8]) -> Vec<u8> {
            let head = format!("tree {}\0", content.len());
            D::new()
                .chain_update(head)
                .chain_update(content)
                .finalize()
                .to_vec()
        }
        if is_sha256 {
            hash::<Sha256>(&self.content)
        } else {
            hash::<Sha1>(&self.content)
        }
    }
}

/// Ends the open folders below the first `depth`.
fn close(open: &mut Vec<Folder<'_>>, depth: usize, is_sha256: bool) {
    while open.len() > depth + 1
        && let Some(folder) = open.pop()
        && let Some(above) = open.last_mut()
    {
        above.add("40000", folder.name, &folder.id(is_sha256));
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

    #[test]
    fn the_id_is_that_of_gits_tree() {
        let entry = |path: &str, mode, id: &str| FileEntry {
            path: path.into(),
            mode,
            id: id.into(),
        };
        assert_eq!(
            Listing::default().tree_id(),
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        );
        // `git hash-object` of "a\n", "b\n"; `git write-tree` after `git update-index --add --cacheinfo`.
        let (a, b) = (
            "78981922613b2afb6025042ff6bd878ac1994e85",
            "61780798228d17af2d34fce4cfbdf35556832472",
        );
        let listing = Listing::new(vec![
            entry("a.b", FileMode::Regular, a),
            entry("a/c/d", FileMode::Executable, b),
            entry("a/c/e", FileMode::Link, a),
            entry("a0", FileMode::Regular, b),
            entry("a/f", FileMode::Regular, a),
        ]);
        assert_eq!(listing.tree_id(), "96295b7881ca66a8c788db42b4e5e9f6009da36e");
    }
}
