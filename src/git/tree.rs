//! The files of a commit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix::bstr::{BStr, ByteSlice};
use gix::objs::TreeRefIter;
use gix::objs::tree::{EntryKind, EntryRef};
use gix::{ObjectId, ThreadSafeRepository};
use kiel_stapel::listing::{FileEntry, FileMode, Listing};

use super::patterns::PathMatch;
use super::submodules::Submodules;
use super::{Commit, GitError};

/// The files of one commit, read by path. Clones share what was read.
///
/// Paths are relative to the repository's root, separated by `/`, without `.` and `..`; the root is `""`.
/// Links are not followed here; [`CommitFiles`](super::CommitFiles) does.
#[derive(Debug, Clone)]
pub struct SourceTree {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    repo: ThreadSafeRepository,
    commit: Commit,
    trees_read: AtomicU64,
    blobs_read: AtomicU64,
    /// Trees on the way to paths that were asked for; one walk's trees are not kept.
    trees: Mutex<HashMap<ObjectId, Arc<[u8]>>>,
    /// Objects that are not in the repository.
    added: HashMap<ObjectId, Arc<[u8]>>,
    /// Other repositories, for objects that this one does not have.
    others: Vec<ThreadSafeRepository>,
    submodules: Arc<Submodules>,
}

/// How many objects were read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// Tree objects.
    pub trees: u64,
    /// Blobs: contents of files and targets of links.
    pub blobs: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: EntryKind,
    pub(super) id: ObjectId,
}

impl SourceTree {
    pub(super) fn new(repo: ThreadSafeRepository, commit: Commit) -> Self {
        Self::with_added(
            repo,
            commit,
            HashMap::new(),
            Vec::new(),
            super::submodules::none(),
        )
    }

    /// `added` are objects beside those of the repository, as are those of `others`.
    pub(super) fn with_added(
        repo: ThreadSafeRepository,
        commit: Commit,
        added: HashMap<ObjectId, Arc<[u8]>>,
        others: Vec<ThreadSafeRepository>,
        submodules: Arc<Submodules>,
    ) -> Self {
        let (trees_read, blobs_read, trees) = <(AtomicU64, AtomicU64, Mutex<_>)>::default();
        Self {
            inner: Arc::new(Inner {
                repo,
                commit,
                trees_read,
                blobs_read,
                trees,
                added,
                others,
                submodules,
            }),
        }
    }

    /// The same files, with the objects of these trees' repositories in reach: for layers that hold files of several.
    #[must_use]
    pub fn with_objects_of<'a>(&self, trees: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut others = self.inner.others.clone();
        for tree in trees {
            for repo in std::iter::once(&tree.inner.repo).chain(&tree.inner.others) {
                let is_known = |known: &ThreadSafeRepository| known.path() == repo.path();
                if !is_known(&self.inner.repo) && !others.iter().any(is_known) {
                    others.push(repo.clone());
                }
            }
        }
        let (repo, commit) = (self.inner.repo.clone(), self.inner.commit.clone());
        Self::with_added(
            repo,
            commit,
            self.inner.added.clone(),
            others,
            self.shared_submodules(),
        )
    }

    /// The commit.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.inner.commit
    }

    /// What was read through this tree and its clones.
    #[must_use]
    pub fn reads(&self) -> Reads {
        Reads {
            trees: self.inner.trees_read.load(Ordering::Relaxed),
            blobs: self.inner.blobs_read.load(Ordering::Relaxed),
        }
    }

    /// The files below `dir` that `filter` takes; the filter sees and the listing has paths relative to `dir`.
    /// Where `dir` is a file, the listing has it with the path `""`; where nothing is there, it is empty.
    ///
    /// # Errors
    /// A tree cannot be read, or a file that counts has a name that is not UTF-8.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that closures and references both read well"
    )]
    pub fn listing(&self, dir: &str, filter: impl PathMatch) -> Result<Listing, GitError> {
        let mut found = Vec::new();
        match self.find(dir)? {
            Some(Entry {
                kind: EntryKind::Tree,
                id,
            }) => {
                let repo = self.repo();
                let wanted = |path: &str| filter.matches(path) || filter.may_match_below(path);
                self.check_absent(dir.trim_matches('/'), wanted)?;
                let mut walk = Walk {
                    tree: self,
                    repo: &repo,
                    dir,
                    filter: &filter,
                    found: &mut found,
                };
                walk.folder(id, &mut String::new())?;
            }
            Some(Entry { kind, id }) if filter.matches("") => {
                found.push(file_entry(String::new(), kind, id));
            }
            _ => {}
        }
        Ok(Listing::new(found))
    }

    /// This commit and those before it, each by its first parent, as far as the clone has them: at most `limit`.
    #[must_use]
    pub fn line_of_commits(&self, limit: usize) -> Vec<Self> {
        let repo = self.inner.repo.to_thread_local();
        let mut line = vec![self.clone()];
        let mut id = ObjectId::from_hex(self.inner.commit.id.as_bytes()).ok();
        while line.len() < limit
            && let Some(commit) = id.and_then(|id| repo.find_commit(id).ok())
        {
            id = commit.parent_ids().next().map(gix::Id::detach);
            let parent = id.and_then(|id| repo.find_commit(id).ok());
            let Some(Ok(parent)) = parent.map(|parent| super::repository::read_commit(&parent)) else {
                break;
            };
            line.push(Self::new(self.inner.repo.clone(), parent));
        }
        line
    }

    /// Mode and id of the file, link or submodule at `path`; nothing for a folder.
    ///
    /// # Errors
    /// A tree on the way cannot be read.
    pub fn entry(&self, path: &str) -> Result<Option<(FileMode, String)>, GitError> {
        let entry = self.find(path)?;
        Ok(entry.and_then(|Entry { kind, id }| Some((file_mode(kind)?, id.to_string()))))
    }

    /// Id of the folder's tree; `""` is the root. Nothing where there is no folder.
    ///
    /// # Errors
    /// A tree on the way cannot be read.
    pub fn tree_id(&self, dir: &str) -> Result<Option<String>, GitError> {
        let entry = self.find(dir)?;
        Ok(entry
            .filter(|entry| entry.kind == EntryKind::Tree)
            .map(|entry| entry.id.to_string()))
    }

    /// A blob's content.
    ///
    /// # Errors
    /// `id` is no id, or there is no such blob in this clone.
    pub fn blob(&self, id: &str) -> Result<Vec<u8>, GitError> {
        self.read_blob(parse_id(id)?, id)
    }

    /// `path` is for the message.
    pub(super) fn read_blob(&self, id: ObjectId, path: &str) -> Result<Vec<u8>, GitError> {
        if let Some(content) = self.inner.added.get(&id) {
            return Ok(content.to_vec());
        }
        self.inner.blobs_read.fetch_add(1, Ordering::Relaxed);
        self.object(&self.repo(), id, path, |repo| Ok(repo.find_blob(id)?.take_data()))
    }

    /// The repository for all threads.
    pub(super) fn shared_repo(&self) -> &ThreadSafeRepository {
        &self.inner.repo
    }

    /// The repository, for one thread.
    pub(super) fn repo(&self) -> gix::Repository {
        let mut repo = self.inner.repo.to_thread_local();
        if !self.inner.others.is_empty() {
            // Many objects are in others: the folder of packs must not be looked through for each.
            repo.objects.refresh_never();
        }
        repo
    }

    /// An object of the repository, or of another one.
    fn object(
        &self,
        repo: &gix::Repository,
        id: ObjectId,
        path: &str,
        read: impl Fn(&gix::Repository) -> Result<Vec<u8>, gix::Error>,
    ) -> Result<Vec<u8>, GitError> {
        // Ids of another length are of other repositories.
        let fits = |repo: &gix::Repository| id.kind() == repo.object_hash();
        let source = match fits(repo).then(|| read(repo)) {
            Some(Ok(content)) => return Ok(content),
            Some(Err(source)) => Some(source),
            None => None,
        };
        for other in &self.inner.others {
            let other = other.to_thread_local();
            if let Some(Ok(content)) = fits(&other).then(|| read(&other)) {
                return Ok(content);
            }
        }
        Err(match source {
            Some(source) => {
                let submodule = self.inner.submodules.repository_of(path);
                GitError::Object {
                    remedy: remedy(submodule.as_ref().unwrap_or(repo), id),
                    id: id.to_string(),
                    path: path.into(),
                    source,
                }
            }
            None => GitError::Id(id.to_string()),
        })
    }

    /// The repositories beside its own.
    pub(super) fn others(&self) -> &[ThreadSafeRepository] {
        &self.inner.others
    }

    pub(super) fn shared_submodules(&self) -> Arc<Submodules> {
        self.inner.submodules.clone()
    }

    pub(super) fn submodules(&self) -> &Submodules {
        &self.inner.submodules
    }

    /// The objects that are in no repository.
    pub(super) fn added(&self) -> &HashMap<ObjectId, Arc<[u8]>> {
        &self.inner.added
    }

    pub(super) fn find(&self, path: &str) -> Result<Option<Entry>, GitError> {
        let mut entry = Entry {
            kind: EntryKind::Tree,
            id: parse_id(&self.inner.commit.tree)?,
        };
        for (start, name) in parts(path) {
            if entry.kind != EntryKind::Tree {
                let absent = &self.submodules().absent;
                let here = path[..start].trim_end_matches('/');
                return match absent.iter().find(|absent| absent.path == here) {
                    Some(absent) => Err(absent.error()),
                    None => Ok(None),
                };
            }
            let content = self.kept_tree(entry.id, path[..start].trim_end_matches('/'))?;
            let iter = TreeRefIter::from_bytes(&content, entry.id.kind());
            let Some(found) = iter
                .filter_map(Result::ok)
                .find(|found| found.filename == name.as_bytes())
            else {
                return Ok(None);
            };
            entry = Entry {
                kind: found.mode.kind(),
                id: found.oid.to_owned(),
            };
        }
        Ok(Some(entry))
    }

    pub(super) fn kept_tree(&self, id: ObjectId, path: &str) -> Result<Arc<[u8]>, GitError> {
        let trees = || self.inner.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = trees().get(&id) {
            return Ok(content.clone());
        }
        let content: Arc<[u8]> = self.read_tree(&self.repo(), id, path)?.into();
        trees().insert(id, content.clone());
        Ok(content)
    }

    pub(super) fn read_tree(
        &self,
        repo: &gix::Repository,
        id: ObjectId,
        path: &str,
    ) -> Result<Vec<u8>, GitError> {
        if let Some(content) = self.inner.added.get(&id) {
            return Ok(content.to_vec());
        }
        self.inner.trees_read.fetch_add(1, Ordering::Relaxed);
        self.object(repo, id, path, |repo| Ok(repo.find_tree(id)?.detach().data))
    }
}

struct Walk<'a, F> {
    tree: &'a SourceTree,
    repo: &'a gix::Repository,
    dir: &'a str,
    filter: &'a F,
    found: &'a mut Vec<FileEntry>,
}

impl<F: PathMatch> Walk<'_, F> {
    /// `prefix` is the folder's path below the walk's root, with a slash behind it, or empty.
    fn folder(&mut self, id: ObjectId, prefix: &mut String) -> Result<(), GitError> {
        let here = format!("{}/{prefix}", self.dir).trim_matches('/').to_owned();
        let content = self.tree.read_tree(self.repo, id, &here)?;
        for entry in entries(&content, id, &here) {
            let entry = entry?;
            let length = prefix.len();
            let Some(name) = name(self.filter, self.dir, entry.filename, entry.mode.kind(), prefix)? else {
                continue;
            };
            prefix.push_str(name);
            match entry.mode.kind() {
                EntryKind::Tree => {
                    if self.filter.may_match_below(prefix) {
                        prefix.push('/');
                        self.folder(entry.oid.to_owned(), prefix)?;
                    }
                }
                kind => {
                    if self.filter.matches(prefix) {
                        self.found
                            .push(file_entry(prefix.clone(), kind, entry.oid.to_owned()));
                    }
                }
            }
            prefix.truncate(length);
        }
        Ok(())
    }
}

pub(super) const DAMAGED: &str = "it is damaged; `git fsck` tells what else is";

/// What brings an object that a repository has not got. A partial clone gets single objects when git reads them, and
/// all of them only when its filter is set aside.
fn remedy(repo: &gix::Repository, id: ObjectId) -> String {
    if repo.has_object(id) {
        return DAMAGED.to_owned();
    }
    let git = match repo.workdir().filter(|dir| dir.is_dir()) {
        Some(dir) => format!("git -C {}", quoted(dir)),
        None => format!("git --git-dir {}", quoted(repo.git_dir())),
    };
    let config = repo.config_snapshot();
    let is_partial = |name: &str| {
        config
            .string(&format!("remote.{name}.partialclonefilter"))
            .is_some()
            || config.boolean(&format!("remote.{name}.promisor")) == Some(true)
    };
    let names = repo.remote_names();
    let partial = names.iter().map(|name| name.to_str_lossy());
    match partial.into_iter().find(|name| is_partial(name)) {
        Some(remote) => format!(
            "this partial clone has not got it; `{git} cat-file -e {id}` brings it, `{git} fetch --refetch --no-filter \
             {remote}` brings all that is missing"
        ),
        None => format!(
            "the repository has not got it; `{git} fetch --refetch` may bring it, `{git} fsck` tells what else is missing"
        ),
    }
}

/// A path as a shell takes it.
fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|c| c.is_alphanumeric() || "/._-+@".contains(c)) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The entries of a tree, `path` is for the message.
pub(super) fn entries<'a>(
    content: &'a [u8],
    id: ObjectId,
    path: &'a str,
) -> impl Iterator<Item = Result<EntryRef<'a>, GitError>> {
    let damaged = move |source| GitError::Object {
        id: id.to_string(),
        path: path.to_owned(),
        remedy: DAMAGED.to_owned(),
        source,
    };
    TreeRefIter::from_bytes(content, id.kind()).map(move |entry| entry.map_err(damaged))
}

/// The name as text; nothing where it is none and the filter leaves it out, as far as it can tell.
pub(super) fn name<'n>(
    filter: &impl PathMatch,
    dir: &str,
    name: &'n BStr,
    kind: EntryKind,
    prefix: &str,
) -> Result<Option<&'n str>, GitError> {
    if let Ok(name) = name.to_str() {
        return Ok(Some(name));
    }
    let path = format!("{prefix}{}", name.to_str_lossy());
    let counts = match kind {
        EntryKind::Tree => filter.may_match_below(&path),
        _ => filter.matches(&path),
    };
    if counts {
        let path = format!("{dir}/{prefix}{}", name.escape_ascii());
        return Err(GitError::Name(path.trim_matches('/').into()));
    }
    Ok(None)
}

/// A path's parts with where each begins.
fn parts(path: &str) -> impl Iterator<Item = (usize, &str)> {
    path.split('/')
        .scan(0, |start, part| {
            let this = *start;
            *start += part.len() + 1;
            Some((this, part))
        })
        .filter(|(_, part)| !part.is_empty())
}

pub(super) fn parse_id(id: &str) -> Result<ObjectId, GitError> {
    ObjectId::from_hex(id.as_bytes()).map_err(|_| GitError::Id(id.into()))
}

pub(super) fn file_mode(kind: EntryKind) -> Option<FileMode> {
    match kind {
        EntryKind::Tree => None,
        EntryKind::Blob => Some(FileMode::Regular),
        EntryKind::BlobExecutable => Some(FileMode::Executable),
        EntryKind::Link => Some(FileMode::Link),
        EntryKind::Commit => Some(FileMode::Commit),
    }
}

fn file_entry(path: String, kind: EntryKind, id: ObjectId) -> FileEntry {
    FileEntry {
        path,
        mode: file_mode(kind).unwrap_or(FileMode::Regular),
        id: id.to_string(),
    }
}
