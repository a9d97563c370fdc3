//! A repository and its commits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::bstr::ByteSlice;
use gix::{ThreadSafeRepository, sec};

use super::index::Known;
use super::{GitError, SourceTree};

/// Replaced objects are a matter of one clone; with them a commit would not be the same files everywhere. The index's
/// checksum is not verified, as Git itself does not: a quarter of a run that finds all done would go there.
pub(super) const CONFIG: [&str; 2] = ["core.useReplaceRefs=false", "index.skipHash=true"];

/// An opened repository: SHA-1 or SHA-256, a linked work tree, a bare one, shallow or not.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(super) inner: ThreadSafeRepository,
    dir: PathBuf,
    prefix: String,
    pub(super) index: Arc<Known>,
}

/// A commit, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Lower-case hex id.
    pub id: String,
    /// The committer's time in seconds since 1970.
    pub time: i64,
    /// The committer's offset from UTC in seconds.
    pub offset: i32,
    /// Id of its tree.
    pub tree: String,
    /// Its message as it stands, where it is UTF-8 (else with replacement characters).
    pub message: String,
}

impl Repository {
    /// Opens the repository that holds `dir`: there or in a folder above.
    ///
    /// # Errors
    /// There is none, or it cannot be opened. A repository without a commit opens; [`Self::head`] then fails.
    pub fn discover(dir: &Path) -> Result<Self, GitError> {
        let options = sec::trust::Mapping {
            full: gix::open::Options::default().config_overrides(CONFIG),
            reduced: gix::open::Options::default().config_overrides(CONFIG),
        };
        let inner =
            ThreadSafeRepository::discover_opts(dir, gix::discover::upwards::Options::default(), options)
                .map_err(|source| discover_error(dir, source))?;
        let prefix = inner
            .work_dir()
            .and_then(|work_dir| relative(work_dir, dir))
            .unwrap_or_default();
        Ok(Self {
            inner,
            dir: dir.to_owned(),
            prefix,
            index: Arc::default(),
        })
    }

    /// An opened one, with the folder that messages name.
    pub(super) fn at(inner: ThreadSafeRepository, dir: PathBuf) -> Self {
        Self {
            inner,
            dir,
            prefix: String::new(),
            index: Arc::default(),
        }
    }

    /// Opens the repository of a work tree, for a folder in it that may be in a nearer repository too.
    ///
    /// # Errors
    /// As [`Self::discover`]; and `dir` is not in the work tree.
    pub fn of_work_tree(work_tree: &Path, dir: &Path) -> Result<Self, GitError> {
        let outside = || GitError::OutsideWorkTree {
            dir: dir.to_owned(),
            work_tree: work_tree.to_owned(),
        };
        let found = Self::discover(work_tree)?;
        let root = found.work_dir().ok_or_else(outside)?;
        let prefix = relative(root, dir).ok_or_else(outside)?;
        Ok(Self { prefix, ..found })
    }

    /// The work tree's folder; none in a bare repository.
    #[must_use]
    pub fn work_dir(&self) -> Option<&Path> {
        self.inner.work_dir()
    }

    /// The folder that was given to [`Self::discover`], relative to the work tree, separated by `/`; empty for the
    /// work tree itself.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The commit that is checked out.
    ///
    /// # Errors
    /// There is no commit yet, or it cannot be read.
    pub fn head(&self) -> Result<Commit, GitError> {
        let repo = self.inner.to_thread_local();
        let error = |source| GitError::Head {
            dir: self.dir.clone(),
            source,
        };
        let head = repo.head().map_err(error)?;
        if head.is_unborn() {
            return Err(GitError::NoCommit(self.dir.clone()));
        }
        let mut head = head;
        read_commit(&head.peel_to_commit().map_err(error)?).map_err(error)
    }

    /// The commit that `name` (an id, a branch, a tag, `HEAD~2` …) leads to.
    ///
    /// # Errors
    /// It leads to none that is in this clone.
    pub fn commit(&self, name: &str) -> Result<Commit, GitError> {
        let repo = self.inner.to_thread_local();
        let error = |source| GitError::Revision {
            name: name.into(),
            source,
        };
        let object = repo
            .rev_parse_single(name)
            .and_then(|id| id.object())
            .map_err(error)?;
        read_commit(&object.peel_to_commit().map_err(error)?).map_err(error)
    }

    /// The files of a commit of this repository.
    #[must_use]
    pub fn source_tree(&self, commit: &Commit) -> SourceTree {
        SourceTree::new(self.inner.clone(), commit.clone())
    }
}

pub(super) fn read_commit(commit: &gix::Commit<'_>) -> Result<Commit, gix::Error> {
    let time = commit.time()?;
    Ok(Commit {
        id: commit.id().to_string(),
        time: time.seconds,
        offset: time.offset,
        tree: commit.tree_id()?.to_string(),
        message: commit.message_raw()?.to_str_lossy().into_owned(),
    })
}

fn discover_error(dir: &Path, source: gix::Error) -> GitError {
    use gix::discover::upwards::Error;
    let none_there = matches!(
        source.downcast_any_ref::<Error>(),
        Some(
            Error::NoGitRepository { .. }
                | Error::NoGitRepositoryWithinCeiling { .. }
                | Error::NoGitRepositoryWithinFs { .. }
        )
    );
    if none_there {
        GitError::NoRepository(dir.to_owned())
    } else {
        GitError::Open {
            dir: dir.to_owned(),
            source,
        }
    }
}

/// `dir` below `work_dir`, both with their links resolved.
fn relative(work_dir: &Path, dir: &Path) -> Option<String> {
    let (work_dir, dir) = (
        fs_err::canonicalize(work_dir).ok()?,
        fs_err::canonicalize(dir).ok()?,
    );
    let relative = dir.strip_prefix(work_dir).ok()?;
    Some(relative.to_str()?.to_owned())
}
