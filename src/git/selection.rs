//! Files of a commit as a filter takes them: known by one id, listed when somebody needs them one by one.
//!
//! A folder that the filter takes whole is not read: its tree's id says it all. The id of the rest is that of the
//! trees that Git would write for what counts; equal files have equal ids, however they were selected.

use std::fmt;
use std::sync::Arc;

use gix::ObjectId;
use gix::objs::tree::EntryKind;
use kiel_stapel::key::Files;
use kiel_stapel::listing::Listing;

use super::patterns::PathMatch;
use super::tree::{Entry, entries, file_mode};
use super::{GitError, SourceTree};

/// The files below a folder that a filter takes.
#[derive(Clone)]
pub struct Selection {
    tree: SourceTree,
    dir: String,
    filter: Arc<dyn PathMatch + Send + Sync>,
    files: Files,
}

impl Selection {
    /// What stands for the files in a key.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The files that it is one of.
    #[must_use]
    pub fn tree(&self) -> &SourceTree {
        &self.tree
    }

    /// The folder, relative to the repository's root.
    #[must_use]
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// Which of its files; it sees paths relative to the folder.
    #[must_use]
    pub fn filter(&self) -> &dyn PathMatch {
        &*self.filter
    }

    /// Each file, with its path relative to the folder. Reads every tree that counts: blocks.
    ///
    /// # Errors
    /// A tree cannot be read, or a file that counts has a name that is not UTF-8.
    pub fn listing(&self) -> Result<Listing, GitError> {
        self.tree.listing(&self.dir, &*self.filter)
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selection({}: {:?})", self.dir, self.files)
    }
}

/// The same files of the same folder.
impl PartialEq for Selection {
    fn eq(&self, other: &Self) -> bool {
        (&self.dir, &self.files) == (&other.dir, &other.files)
    }
}

impl Eq for Selection {}

impl SourceTree {
    /// The files below `dir` that `filter` takes, as [`Self::listing`] has them.
    ///
    /// # Errors
    /// A tree cannot be read, or a file in a folder that is not taken whole counts and its name is not UTF-8.
    pub fn select(
        &self,
        dir: &str,
        filter: impl PathMatch + Send + Sync + 'static,
    ) -> Result<Selection, GitError> {
        let dir = dir.trim_matches('/');
        let files = match self.find(dir)? {
            Some(Entry {
                kind: EntryKind::Tree,
                id,
            }) => {
                let wanted = |path: &str| filter.matches(path) || filter.may_match_below(path);
                self.check_absent(dir, wanted)?;
                let walk = Walk {
                    tree: self,
                    repo: &self.repo(),
                    dir,
                    filter: &filter,
                };
                let found = walk.folder(id, &mut String::new())?;
                found.map_or(Files::Nothing, |id| Files::Tree(id.to_string()))
            }
            Some(Entry { kind, id }) if filter.matches("") => match file_mode(kind) {
                Some(mode) => Files::File {
                    mode,
                    id: id.to_string(),
                },
                None => Files::Nothing,
            },
            _ => Files::Nothing,
        };
        Ok(Selection {
            tree: self.clone(),
            dir: dir.to_owned(),
            filter: Arc::new(filter),
            files,
        })
    }

    /// Whether there is a link below `dir` that `filter` takes.
    ///
    /// # Errors
    /// A tree cannot be read.
    pub fn has_link(&self, dir: &str, filter: &dyn PathMatch) -> Result<bool, GitError> {
        let dir = dir.trim_matches('/');
        match self.find(dir)? {
            Some(Entry {
                kind: EntryKind::Tree,
                id,
            }) => self.has_link_below(id, dir, &mut String::new(), filter),
            _ => Ok(false),
        }
    }

    fn has_link_below(
        &self,
        id: ObjectId,
        dir: &str,
        prefix: &mut String,
        filter: &dyn PathMatch,
    ) -> Result<bool, GitError> {
        let here = format!("{dir}/{prefix}").trim_matches('/').to_owned();
        let content = self.kept_tree(id, &here)?;
        for entry in entries(&content, id, &here) {
            let entry = entry?;
            let Ok(name) = std::str::from_utf8(entry.filename) else {
                continue;
            };
            let length = prefix.len();
            prefix.push_str(name);
            let found = match entry.mode.kind() {
                EntryKind::Link => filter.matches(prefix),
                EntryKind::Tree if filter.may_match_below(prefix) => {
                    prefix.push('/');
                    self.has_link_below(entry.oid.to_owned(), dir, prefix, filter)?
                }
                _ => false,
            };
            prefix.truncate(length);
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

struct Walk<'a, F> {
    tree: &'a SourceTree,
    repo: &'a gix::Repository,
    dir: &'a str,
    filter: &'a F,
}

impl<F: PathMatch> Walk<'_, F> {
    /// Id of the tree of what counts, if anything does. `prefix` is the folder's path below the walk's root, with a
    /// slash behind it, or empty.
    fn folder(&self, id: ObjectId, prefix: &mut String) -> Result<Option<ObjectId>, GitError> {
        if self.filter.takes_all_below(prefix.trim_end_matches('/')) {
            return Ok(Some(id).filter(|id| !id.is_empty_tree()));
        }
        let here = format!("{}/{prefix}", self.dir).trim_matches('/').to_owned();
        let content = self.tree.read_tree(self.repo, id, &here)?;
        let mut kept = Vec::with_capacity(content.len());
        let mut is_whole = true;
        for entry in entries(&content, id, &here) {
            let entry = entry?;
            let kind = entry.mode.kind();
            let length = prefix.len();
            let name = super::tree::name(self.filter, self.dir, entry.filename, kind, prefix)?;
            let mut found = None;
            if let Some(name) = name {
                prefix.push_str(name);
                found = match kind {
                    EntryKind::Tree if self.filter.may_match_below(prefix) => {
                        prefix.push('/');
                        self.folder(entry.oid.to_owned(), prefix)?
                    }
                    EntryKind::Tree => None,
                    _ => self.filter.matches(prefix).then(|| entry.oid.to_owned()),
                };
                prefix.truncate(length);
            }
            is_whole &= found.is_some_and(|found| *found == *entry.oid);
            if let Some(found) = found {
                let mode = file_mode(kind).map_or("40000", |mode| mode.as_octal());
                for part in [mode.as_bytes(), b" ", entry.filename, b"\0", found.as_bytes()] {
                    kept.extend_from_slice(part);
                }
            }
        }
        if is_whole || kept.is_empty() {
            return Ok(Some(id).filter(|_| !kept.is_empty()));
        }
        let hash = gix::objs::compute_hash(id.kind(), gix::objs::Kind::Tree, &kept);
        let hash = hash.map_err(|source| GitError::Object {
            id: id.to_string(),
            path: here,
            remedy: super::tree::DAMAGED.to_owned(),
            source,
        });
        hash.map(Some)
    }
}
