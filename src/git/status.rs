//! What of the work tree is not as the commit has it.
//!
//! Only the paths that matter are looked at: the index tells which files are as they were (by size and times, as
//! Git itself trusts them), the others are read, converted in process as `git add` would (line endings, `ident`,
//! encodings) and hashed. Folders whose tree the index has recorded as the commit's are not compared file by file.
//! The index is never written.
//!
//! A file whose attributes name an external filter cannot be converted without running a command of the
//! repository's configuration; it counts as changed where size or times are not those of the index.

mod stat;
mod work_tree;

use std::collections::{BTreeMap, BTreeSet};

use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::index::entry::{Mode, Stage};
use gix::index::extension::Tree as RecordedTree;
use gix::objs::tree::EntryKind;
use kiel_stapel::listing::FileMode;

use self::work_tree::Ignored;
pub(in crate::git) use self::work_tree::{Taken, WorkTree};
use super::index::Asked;
use super::patterns::PathMatch;
use super::tree::{Entry, entries, file_mode, parse_id};
use super::{GitError, Repository, SourceTree};

/// Files that matter: those below `dir` that `filter` takes (it sees paths relative to `dir`).
pub struct Scope<'a> {
    /// Relative to the repository's root, `""` for all of it.
    pub dir: &'a str,
    /// Which of them.
    pub filter: &'a dyn PathMatch,
}

/// What commit and index say of a path.
#[derive(Default)]
struct Known {
    committed: Option<(FileMode, ObjectId)>,
    /// Its place in the index.
    staged: Option<usize>,
    conflict: bool,
}

/// How a file of the work tree differs from the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Changed or deleted, staged or not; new and staged.
    Changed,
    /// New.
    Untracked,
    /// New and ignored; only single files are found so.
    Ignored,
    /// A submodule that the commit has not.
    SubmoduleAdded,
    /// The folder of a submodule is gone.
    SubmoduleDeleted,
    /// A submodule is checked out at another commit than the recorded one.
    SubmoduleMoved,
    /// A submodule has new files that matter.
    SubmoduleUntracked,
    /// A submodule has changed files that matter.
    SubmoduleChanged,
}

pub(super) type Differences = BTreeMap<BString, Difference>;

type KnownFiles = BTreeMap<BString, Known>;

impl Repository {
    /// Files of the work tree that are not as `tree` has them: changed (content or mode), new and not ignored,
    /// deleted; staged or not. Sorted paths relative to the repository's root. Of `files`, single paths that matter
    /// wherever they are, a new one counts even when it is ignored, and the links on the way to one count too.
    ///
    /// A bare repository has none.
    ///
    /// # Errors
    /// The index, an object or a file of the work tree cannot be read.
    pub fn differences(
        &self,
        tree: &SourceTree,
        scopes: &[Scope<'_>],
        files: &[&str],
    ) -> Result<BTreeMap<String, Difference>, GitError> {
        let found = self.changes(tree, scopes, files)?.into_iter();
        Ok(found
            .map(|(path, kind)| (path.to_str_lossy().into_owned(), kind))
            .collect())
    }

    /// As [`Self::differences`], with names as they are.
    pub(super) fn changes(
        &self,
        tree: &SourceTree,
        scopes: &[Scope<'_>],
        files: &[&str],
    ) -> Result<Differences, GitError> {
        self.changes_with(tree, scopes, files, Ignored::LeftOut)
    }

    fn changes_with(
        &self,
        tree: &SourceTree,
        scopes: &[Scope<'_>],
        files: &[&str],
        ignored: Ignored,
    ) -> Result<Differences, GitError> {
        let repo = self.inner.to_thread_local();
        let Some(work_dir) = repo.workdir() else {
            return Ok(Differences::new());
        };
        let (tree, mounted) = (tree.plain(), &tree.submodules().mounted);
        let here = |path: &str| !mounted.iter().any(|submodule| submodule.holds(path));
        let around: Vec<&Scope<'_>> = scopes
            .iter()
            .filter(|scope| here(scope.dir.trim_matches('/')))
            .collect();
        let outer: Vec<&str> = files.iter().copied().filter(|file| here(file)).collect();
        let mut singles: BTreeSet<String> = outer.iter().map(|file| (*file).to_owned()).collect();
        for file in &outer {
            // A link that leads out is somebody else's error; here only its own state matters.
            singles.extend(tree.links(file).unwrap_or_default());
            singles.extend(tree.resolve(file).ok().flatten());
        }
        let asked = Asked {
            scopes: &around,
            files: &singles,
        };
        let index = self.index(asked)?;
        let mut gathered = Gathered::new(tree, &index);
        for scope in &around {
            gathered.scope(scope)?;
        }
        for file in &singles {
            gathered.file(file)?;
        }
        let mut work_tree = WorkTree::new(&repo, &index, work_dir).map_err(|source| GitError::Index {
            dir: work_dir.to_owned(),
            source,
        })?;
        work_tree.ignored = ignored;
        let mut changed = compared(work_tree, &index, gathered, asked)?;
        for submodule in mounted {
            submodule.differences(work_dir, scopes, files, &mut changed)?;
        }
        Ok(changed)
    }

    /// The paths of [`Self::differences`].
    ///
    /// # Errors
    /// As there.
    pub fn uncommitted(
        &self,
        tree: &SourceTree,
        scopes: &[Scope<'_>],
        files: &[&str],
    ) -> Result<Vec<String>, GitError> {
        Ok(self.differences(tree, scopes, files)?.into_keys().collect())
    }

    /// As [`Self::uncommitted`], with new files that Git ignores.
    ///
    /// # Errors
    /// As there.
    pub fn uncommitted_or_ignored(
        &self,
        tree: &SourceTree,
        scope: Scope<'_>,
    ) -> Result<Vec<String>, GitError> {
        let found = self.changes_with(tree, &[scope], &[], Ignored::Taken)?;
        let names = found.into_keys();
        Ok(names.map(|path| path.to_str_lossy().into_owned()).collect())
    }
}

/// What of the gathered paths the work tree has not as the commit has it, and what is new there.
fn compared(
    mut work_tree: WorkTree<'_>,
    index: &gix::index::State,
    gathered: Gathered<'_>,
    asked: Asked<'_>,
) -> Result<Differences, GitError> {
    let mut changed = Differences::new();
    let mut known = gathered.known;
    let look = work_tree.look();
    let suspects = look.beside(gathered.as_committed, || {
        let mut scopes = asked.scopes.iter();
        scopes.try_for_each(|scope| work_tree.new_files(scope, &known, &mut changed))
    })?;
    for at in suspects {
        let entry = index.entry(at);
        let known = known.entry(entry.path(index).to_owned()).or_default();
        known.staged = Some(at);
        known.committed = work_tree::file_mode(entry.mode).map(|mode| (mode, entry.id));
    }
    for (path, known) in &known {
        if work_tree.differs(path, known)? {
            let kind = kind_of(known, index, &work_tree.system_path(path.as_bstr())?);
            changed.insert(path.clone(), kind);
        }
    }
    for file in asked.files {
        let file = BString::from(file.as_str());
        if !known.contains_key(&file) && work_tree.is_file(file.as_bstr())? {
            let kind = if work_tree.is_ignored(file.as_bstr(), Mode::FILE)? {
                Difference::Ignored
            } else {
                Difference::Untracked
            };
            changed.insert(file, kind);
        }
    }
    Ok(changed)
}

/// How a path that differs does so.
fn kind_of(known: &Known, index: &gix::index::State, at: &std::path::Path) -> Difference {
    let is_submodule = known.committed.map(|(mode, _)| mode == FileMode::Commit);
    let is_staged = known
        .staged
        .is_some_and(|at| index.entry(at).mode == Mode::COMMIT);
    match is_submodule {
        None if is_staged => Difference::SubmoduleAdded,
        Some(true) if !at.is_dir() => Difference::SubmoduleDeleted,
        Some(true) => Difference::SubmoduleMoved,
        _ => Difference::Changed,
    }
}

/// The paths that matter, as commit and index have them.
struct Gathered<'a> {
    tree: &'a SourceTree,
    repo: gix::Repository,
    index: &'a gix::index::State,
    /// Places in the index of files that are in the commit as they are in the index.
    as_committed: Vec<usize>,
    /// Files of which that is not known.
    known: KnownFiles,
}

impl<'a> Gathered<'a> {
    fn new(tree: &'a SourceTree, index: &'a gix::index::State) -> Self {
        Self {
            tree,
            repo: tree.repo(),
            index,
            as_committed: Vec::new(),
            known: KnownFiles::new(),
        }
    }

    fn scope(&mut self, scope: &Scope<'_>) -> Result<(), GitError> {
        let dir = scope.dir.trim_matches('/');
        // `dir` itself may be a file.
        if !dir.is_empty() && scope.filter.matches("") {
            self.file(dir)?;
        }
        let id = self.tree.find(dir)?;
        let id = id
            .filter(|entry| entry.kind == EntryKind::Tree)
            .map(|Entry { id, .. }| id);
        let mut recorded = self.index.tree();
        for name in dir.split('/').filter(|name| !name.is_empty()) {
            recorded = recorded.and_then(|tree| child(tree, name.as_bytes()));
        }
        let mut path = BString::from(dir);
        if !dir.is_empty() {
            path.push(b'/');
        }
        let cut = path.len();
        self.folder(id, recorded, &mut path, cut, scope.filter)
    }

    fn file(&mut self, path: &str) -> Result<(), GitError> {
        if let Some((mode, id)) = self.tree.entry(path)? {
            self.known.entry(path.into()).or_default().committed = Some((mode, parse_id(&id)?));
        }
        let range = self.index.entry_range(path.as_bytes().as_bstr());
        for at in range.unwrap_or_default() {
            self.staged(at);
        }
        Ok(())
    }

    fn staged(&mut self, at: usize) {
        let entry = self.index.entry(at);
        let known = self.known.entry(entry.path(self.index).to_owned()).or_default();
        if entry.stage() == Stage::Unconflicted {
            known.staged = Some(at);
        } else {
            known.conflict = true;
        }
    }

    /// `path` ends in a slash or is empty; the filter sees what stands behind its first `cut` bytes.
    fn folder(
        &mut self,
        id: Option<ObjectId>,
        recorded: Option<&RecordedTree>,
        path: &mut BString,
        cut: usize,
        filter: &dyn PathMatch,
    ) -> Result<(), GitError> {
        let range = self
            .index
            .prefixed_entries_range(path.as_bstr())
            .unwrap_or_default();
        let is_recorded = recorded.is_some_and(|tree| {
            Some(tree.id) == id
                && tree
                    .num_entries
                    .is_some_and(|count| count as usize == range.len())
        });
        if is_recorded {
            let takes_all = filter.takes_all_below(path[cut..].to_str_lossy().trim_end_matches('/'));
            let index = self.index;
            let counts =
                |at: &usize| takes_all || filter.matches(&index.entry(*at).path(index)[cut..].to_str_lossy());
            self.as_committed.extend(range.filter(counts));
            return Ok(());
        }
        let mut folders: BTreeMap<BString, Option<ObjectId>> = BTreeMap::new();
        if let Some(id) = id {
            self.committed(id, path.as_bstr(), cut, filter, &mut folders)?;
        }
        let mut at = range.start;
        while at < range.end {
            let staged = self.index.entry(at).path(self.index);
            let rest = staged[path.len()..].as_bstr();
            if let Some(slash) = rest.find_byte(b'/') {
                let prefix = &staged[..=path.len() + slash];
                folders.entry(rest[..slash].to_owned()).or_default();
                let below = |entry: &gix::index::Entry| entry.path(self.index).starts_with(prefix);
                at += self.index.entries()[at..range.end].partition_point(below);
            } else {
                if filter.matches(&staged[cut..].to_str_lossy()) {
                    self.staged(at);
                }
                at += 1;
            }
        }
        for (name, id) in folders {
            let length = path.len();
            path.extend_from_slice(&name);
            if filter.may_match_below(&path[cut..].to_str_lossy()) {
                path.push(b'/');
                let recorded = recorded.and_then(|tree| child(tree, &name));
                self.folder(id, recorded, path, cut, filter)?;
            }
            path.truncate(length);
        }
        Ok(())
    }

    /// The files and folders of one tree of the commit.
    fn committed(
        &mut self,
        id: ObjectId,
        path: &BStr,
        cut: usize,
        filter: &dyn PathMatch,
        folders: &mut BTreeMap<BString, Option<ObjectId>>,
    ) -> Result<(), GitError> {
        let shown = path.to_str_lossy();
        let content = self.tree.read_tree(&self.repo, id, &shown)?;
        for entry in entries(&content, id, &shown) {
            let entry = entry?;
            let Some(mode) = file_mode(entry.mode.kind()) else {
                folders.insert(entry.filename.to_owned(), Some(entry.oid.to_owned()));
                continue;
            };
            let full = [path.as_bytes(), entry.filename].concat();
            if filter.matches(&full[cut..].to_str_lossy()) {
                let known = self.known.entry(full.into()).or_default();
                known.committed = Some((mode, entry.oid.to_owned()));
            }
        }
        Ok(())
    }
}

fn child<'a>(tree: &'a RecordedTree, name: &[u8]) -> Option<&'a RecordedTree> {
    tree.children.iter().find(|child| child.name.as_slice() == name)
}

fn work_tree_error(path: &BStr, source: std::io::Error) -> GitError {
    GitError::WorkTree {
        path: path.to_str_lossy().into(),
        source,
    }
}

fn compare_error(path: &BStr, source: gix::Error) -> GitError {
    GitError::Compare {
        path: path.to_str_lossy().into(),
        source,
    }
}
