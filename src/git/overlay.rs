//! A commit's files with some of the work tree's in place of its own, as if they had been committed.
//!
//! The new blobs and trees are held in memory; nothing is written to the repository. Since the trees are those that
//! Git would write, everything that is known by a tree's id is the same as after a commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::objs::tree::{Entry as TreeEntry, EntryKind};
use gix::objs::{Tree, WriteTo as _};
use gix::{ObjectId, ThreadSafeRepository};

use super::index::Asked;
use super::status::{Taken, WorkTree};
use super::submodules::{Mounting, Submodules};
use super::tree::{self, parse_id};
use super::{GitError, Repository, SourceTree};

/// What becomes of a path: an entry, or nothing.
type Change = Option<(EntryKind, ObjectId)>;

impl Repository {
    /// The files of `tree` with those at `paths` (relative to the repository's root) as the work tree has them.
    ///
    /// # Errors
    /// A file or an object cannot be read, or a file goes through an external filter.
    pub fn overlay(&self, tree: &SourceTree, paths: &[String]) -> Result<SourceTree, GitError> {
        let paths: BTreeSet<BString> = paths.iter().map(|path| path.as_str().into()).collect();
        self.overlay_of(tree, &paths)
    }

    /// As [`Self::overlay`], with names as they are.
    pub(super) fn overlay_of(
        &self,
        tree: &SourceTree,
        paths: &BTreeSet<BString>,
    ) -> Result<SourceTree, GitError> {
        let repo = self.inner.to_thread_local();
        let Some(work_dir) = repo.workdir().filter(|_| !paths.is_empty()) else {
            return Ok(tree.clone());
        };
        let error = |source| GitError::Index {
            dir: work_dir.to_owned(),
            source,
        };
        let files: BTreeSet<String> = paths
            .iter()
            .map(|path| path.to_str_lossy().into_owned())
            .collect();
        let index = self.index(Asked {
            scopes: &[],
            files: &files,
        })?;
        let mut work_tree = WorkTree::new(&repo, &index, work_dir).map_err(error)?;
        let with_submodules = tree;
        let tree = tree.plain();
        let mut overlay = Overlay::new(tree, &repo);
        let mut changes: Vec<(&BStr, Change)> = Vec::new();
        for path in paths {
            let path = path.as_bstr();
            let change = match work_tree.file(path)? {
                None => None,
                Some(Taken::Commit(id)) => Some((EntryKind::Commit, id)),
                Some(Taken::Blob(kind, content)) => {
                    let id = overlay.add(gix::objs::Kind::Blob, content, &path.to_str_lossy())?;
                    Some((kind, id))
                }
            };
            changes.push((path, change));
        }
        let overlaid = overlay.finish(&changes, tree.others().to_vec(), super::submodules::none())?;
        if std::ptr::eq(tree, with_submodules) {
            Ok(overlaid)
        } else {
            let before = Some(with_submodules.submodules());
            self.mounted(
                &overlaid,
                Mounting {
                    before,
                    ..Mounting::default()
                },
            )
        }
    }
}

/// A file, or link, of one tree on its way into another.
#[derive(Debug, Clone)]
pub struct Included {
    /// Where it goes, relative to the repository's root.
    pub to: String,
    /// Where it comes from.
    pub from: SourceTree,
    /// Its path there, relative to that repository's root.
    pub path: String,
}

impl SourceTree {
    /// These files, and those of `files` where there is nothing yet at a path, above it or below it. Of two of them
    /// that cannot stand side by side, the later one counts.
    ///
    /// # Errors
    /// An object cannot be read.
    pub fn with_included(&self, files: &[Included]) -> Result<Self, GitError> {
        let mut wanted: BTreeMap<&str, &Included> = BTreeMap::new();
        for file in files {
            for (end, _) in file.to.match_indices('/') {
                wanted.remove(&file.to[..end]);
            }
            let below = format!("{}/", file.to);
            let hidden = wanted.range(below.as_str()..);
            let hidden: Vec<&str> = hidden
                .map(|(path, _)| *path)
                .take_while(|path| path.starts_with(&below))
                .collect();
            for path in hidden {
                wanted.remove(path);
            }
            wanted.insert(&file.to, file);
        }
        let repo = self.repo();
        let mut overlay = Overlay::new(self, &repo);
        let mut others: Vec<ThreadSafeRepository> = self.others().to_vec();
        let mut changes: BTreeMap<&str, Change> = BTreeMap::new();
        for (path, file) in wanted {
            if self.is_taken(path)? {
                continue;
            }
            let Some(entry) = file.from.find(&file.path)? else {
                continue;
            };
            let id = if entry.id.kind() == repo.object_hash() {
                entry.id
            } else {
                let content = file.from.read_blob(entry.id, &file.path)?;
                overlay.add(gix::objs::Kind::Blob, content, path)?
            };
            changes.insert(path, Some((entry.kind, id)));
            let repository = file.from.shared_repo();
            if !others.iter().any(|other| other.path() == repository.path()) {
                others.push(repository.clone());
            }
        }
        if changes.is_empty() {
            return Ok(self.clone());
        }
        let changes: Vec<(&BStr, Change)> = changes
            .into_iter()
            .map(|(path, change)| (path.into(), change))
            .collect();
        overlay.finish(&changes, others, self.shared_submodules())
    }

    /// Whether there is something at a path, or a file where one of its folders would be.
    fn is_taken(&self, path: &str) -> Result<bool, GitError> {
        for (end, _) in path.match_indices('/') {
            match self.find(&path[..end])? {
                None => return Ok(false),
                Some(entry) if entry.kind != EntryKind::Tree => return Ok(true),
                Some(_) => {}
            }
        }
        Ok(self.find(path)?.is_some())
    }
}

/// A tree in the making.
pub(super) struct Overlay<'a> {
    tree: &'a SourceTree,
    repo: &'a gix::Repository,
    added: HashMap<ObjectId, Arc<[u8]>>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(tree: &'a SourceTree, repo: &'a gix::Repository) -> Self {
        Self {
            tree,
            repo,
            added: tree.added().clone(),
        }
    }

    /// Takes the objects that another tree has beside its repository.
    pub(super) fn take(&mut self, other: &SourceTree) {
        let added = other.added().iter().map(|(id, content)| (*id, content.clone()));
        self.added.extend(added);
    }

    /// The tree with submodules' trees at these paths.
    pub(super) fn make(
        mut self,
        trees: &[(String, (EntryKind, ObjectId))],
        others: Vec<ThreadSafeRepository>,
        submodules: Submodules,
    ) -> Result<SourceTree, GitError> {
        let mut changes: Vec<(&BStr, Change)> = trees
            .iter()
            .map(|(path, entry)| (path.as_str().into(), Some(*entry)))
            .collect();
        changes.sort_unstable();
        self.finish(&changes, others, Arc::new(submodules))
    }

    fn finish(
        &mut self,
        changes: &[(&BStr, Change)],
        others: Vec<ThreadSafeRepository>,
        submodules: Arc<Submodules>,
    ) -> Result<SourceTree, GitError> {
        let mut commit = self.tree.commit().clone();
        let root = parse_id(&commit.tree)?;
        let root = match self.folder(Some(root), "", changes)? {
            Some(root) => root,
            None => self.add(gix::objs::Kind::Tree, Vec::new(), "")?,
        };
        commit.tree = root.to_string();
        Ok(SourceTree::with_added(
            self.tree.shared_repo().clone(),
            commit,
            std::mem::take(&mut self.added),
            others,
            submodules,
        ))
    }

    fn add(&mut self, kind: gix::objs::Kind, content: Vec<u8>, path: &str) -> Result<ObjectId, GitError> {
        let hash = self.repo.object_hash();
        let id = gix::objs::compute_hash(hash, kind, &content).map_err(|source| GitError::Compare {
            path: path.to_owned(),
            source,
        })?;
        self.added.insert(id, content.into());
        Ok(id)
    }

    /// The folder after the changes, whose paths are relative to it and sorted; nothing where none of it is left.
    fn folder(
        &mut self,
        id: Option<ObjectId>,
        path: &str,
        changes: &[(&BStr, Change)],
    ) -> Result<Option<ObjectId>, GitError> {
        let mut entries: BTreeMap<BString, (EntryKind, ObjectId)> = BTreeMap::new();
        if let Some(id) = id {
            let content = self.tree.read_tree(self.repo, id, path)?;
            for entry in tree::entries(&content, id, path) {
                let entry = entry?;
                let kind = entry.mode.kind();
                entries.insert(entry.filename.to_owned(), (kind, entry.oid.to_owned()));
            }
        }
        let mut below: BTreeMap<&BStr, Vec<(&BStr, Change)>> = BTreeMap::new();
        for (rest, change) in changes {
            match rest.split_once_str("/") {
                Some((name, rest)) => below.entry(name.into()).or_default().push((rest.into(), *change)),
                None => match change {
                    Some(entry) => _ = entries.insert((*rest).to_owned(), *entry),
                    // A folder in its place brings changes of its own.
                    None if entries
                        .get(*rest)
                        .is_some_and(|(kind, _)| *kind != EntryKind::Tree) =>
                    {
                        _ = entries.remove(*rest);
                    }
                    None => {}
                },
            }
        }
        for (name, changes) in below {
            let before = entries.get(name).copied();
            let tree = before
                .filter(|(kind, _)| *kind == EntryKind::Tree)
                .map(|(_, id)| id);
            let adds = changes.iter().any(|(_, change)| change.is_some());
            // Files went with a folder that something else has replaced.
            if before.is_some() && tree.is_none() && !adds {
                continue;
            }
            match self.folder(tree, &format!("{path}/{name}"), &changes)? {
                Some(id) => _ = entries.insert(name.to_owned(), (EntryKind::Tree, id)),
                None => _ = entries.remove(name),
            }
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let entry = |(filename, (kind, oid)): (BString, (EntryKind, ObjectId))| TreeEntry {
            mode: kind.into(),
            filename,
            oid,
        };
        let mut entries: Vec<TreeEntry> = entries.into_iter().map(entry).collect();
        entries.sort();
        let mut content = Vec::new();
        Tree { entries }
            .write_to(&mut content)
            .map_err(|source| GitError::WorkTree {
                path: path.to_owned(),
                source,
            })?;
        self.add(gix::objs::Kind::Tree, content, path).map(Some)
    }
}
