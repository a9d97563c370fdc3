//! The folders in which something happens when a commit is made, or when a file changes that counts.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use gix::bstr::{BString, ByteSlice as _};
use gix::worktree::stack::state::ignore;

use super::submodules::DEPTH;
use super::{GitError, Repository};

impl Repository {
    /// The folders whose files say what is checked out: HEAD, refs, of a linked work tree too.
    #[must_use]
    pub fn watched_folders(&self) -> BTreeSet<PathBuf> {
        let repo = self.inner.to_thread_local();
        let common = repo.common_dir();
        let mut folders = BTreeSet::from([repo.git_dir().to_owned(), common.to_owned()]);
        for name in ["refs", "reftable"] {
            add_all(&common.join(name), &mut folders);
        }
        folders
    }

    /// The folders of the work tree that have files of the index, or may get files that Git does not ignore; with all
    /// that is watched of submodules which are checked out.
    ///
    /// # Errors
    /// The index or the rules of what is ignored cannot be read.
    pub fn work_tree_folders(&self) -> Result<BTreeSet<PathBuf>, GitError> {
        self.work_tree_folders_at(DEPTH)
    }

    fn work_tree_folders_at(&self, depth: usize) -> Result<BTreeSet<PathBuf>, GitError> {
        let mut folders = self.own_folders()?;
        if let Some(depth) = depth.checked_sub(1) {
            for (_, inner) in self.checked_out() {
                folders.extend(inner.watched_folders());
                folders.extend(inner.work_tree_folders_at(depth)?);
            }
        }
        Ok(folders)
    }

    fn own_folders(&self) -> Result<BTreeSet<PathBuf>, GitError> {
        let repo = self.inner.to_thread_local();
        let mut folders = BTreeSet::new();
        let Some(work_dir) = repo.workdir() else {
            return Ok(folders);
        };
        let index = repo.index_or_empty().map_err(|source| GitError::Index {
            dir: work_dir.to_owned(),
            source,
        })?;
        let source = ignore::Source::WorktreeThenIdMappingIfNotSkipped;
        let mut excludes = repo
            .excludes(&index, None, source)
            .map_err(|source| GitError::Index {
                dir: work_dir.to_owned(),
                source,
            })?;
        let mut tracked = BTreeSet::new();
        for entry in index.entries() {
            let mut path = entry.path(&index);
            while let Some(at) = path.rfind_byte(b'/') {
                path = path[..at].as_bstr();
                if !tracked.insert(path.to_owned()) {
                    break;
                }
            }
        }
        let mut left = vec![BString::default()];
        while let Some(folder) = left.pop() {
            let path = work_dir.join(OsStr::from_bytes(&folder));
            for name in folders_in(&path) {
                let mut below = folder.clone();
                if !below.is_empty() {
                    below.push(b'/');
                }
                below.extend_from_slice(&name);
                // Submodules are looked at by themselves, other repositories within are none of the project's.
                let is_repository =
                    name == ".git" || path.join(OsStr::from_bytes(&name)).join(".git").exists();
                if is_repository {
                    continue;
                }
                let mut is_ignored = || {
                    let found = excludes.at_entry(below.as_bstr(), Some(gix::index::entry::Mode::DIR));
                    found.map(|found| found.is_excluded())
                };
                if tracked.contains(&below) || !is_ignored().unwrap_or(true) {
                    left.push(below);
                }
            }
            folders.insert(path);
        }
        Ok(folders)
    }
}

fn add_all(folder: &Path, folders: &mut BTreeSet<PathBuf>) {
    if !folder.is_dir() {
        return;
    }
    folders.insert(folder.to_owned());
    for name in folders_in(folder) {
        add_all(&folder.join(OsStr::from_bytes(&name)), folders);
    }
}

/// The names of folders in one, links left out; what cannot be read has none.
fn folders_in(path: &Path) -> Vec<BString> {
    let Ok(entries) = fs_err::read_dir(path) else {
        return Vec::new();
    };
    let folders = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .map(|entry| BString::from(entry.file_name().into_vec()))
        .collect()
}
