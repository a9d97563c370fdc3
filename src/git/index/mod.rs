//! The entries of a repository's index that can matter to a question, without the others.
//!
//! An index is one long list of all files. Where a tree has many and few of them count, nearly all of a run would go
//! into values for entries that nobody looks at. So the list is gone through once, folder by folder: of folders that
//! a question is not about only the place in the file is kept, and they are read when a later question is about
//! them. What was read is given to gix in the file's own format: what an entry means is said in one place.
//!
//! All questions see one state of the file, as long as it is not replaced: Git writes a new file and renames it.
//!
//! An index that is split over two files, that has folders as entries (a sparse one), or that is not understood for
//! whatever reason, is gix's as a whole; so errors are gix's too.

mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use filetime::FileTime;
use gix::bstr::{BStr, ByteSlice};
use gix::index::decode::Options;

use self::scan::{Layout, Part};
use super::{GitError, Repository, Scope};

/// What a question is about. The entries beside and above it may be there too.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Folders with what counts of them.
    pub(super) scopes: &'a [&'a Scope<'a>],
    /// Single files.
    pub(super) files: &'a BTreeSet<String>,
}

/// An index of which those entries are there that were asked for.
pub(super) enum Index {
    Part(Arc<gix::index::File>),
    Whole(gix::worktree::Index),
}

impl Deref for Index {
    type Target = gix::index::File;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Part(index) => index,
            Self::Whole(index) => index,
        }
    }
}

/// What is known of a repository's index so far.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<State>>);

#[derive(Debug)]
enum State {
    Read(Read),
    /// Nothing for readers of single entries.
    Unfit(Identity),
}

/// A file that was not replaced since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    place: (u64, u64),
    size: u64,
    times: [(i64, i64); 2],
}

/// An index that was gone through.
#[derive(Debug)]
struct Read {
    identity: Identity,
    file: fs_err::File,
    layout: Layout,
    /// All entries in their order, read or not.
    parts: Vec<Part>,
    /// The trees of folders, in the file's format.
    trees: Vec<u8>,
    /// Of what was read.
    index: Arc<gix::index::File>,
}

impl Repository {
    /// The index with the entries that count, or more.
    pub(super) fn index(&self, asked: Asked<'_>) -> Result<Index, GitError> {
        let repo = self.inner.to_thread_local();
        let known = &self.index.0;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = part(&mut known, &repo, asked) {
            return Ok(Index::Part(index));
        }
        let whole = repo.index_or_empty().map_err(|source| GitError::Index {
            dir: repo.workdir().unwrap_or(repo.git_dir()).to_owned(),
            source,
        })?;
        Ok(Index::Whole(whole))
    }
}

fn part(
    known: &mut Option<State>,
    repo: &gix::Repository,
    asked: Asked<'_>,
) -> Option<Arc<gix::index::File>> {
    let path = repo.index_path();
    let identity = Identity::of(&fs_err::metadata(&path).ok()?);
    match known {
        Some(State::Unfit(unfit)) if *unfit == identity => return None,
        Some(State::Read(read)) if read.identity == identity => {
            if read.more(asked).is_none() {
                *known = Some(State::Unfit(identity));
            }
        }
        _ => {
            let read = Read::new(path, repo.object_hash(), asked);
            *known = Some(read.map_or(State::Unfit(identity), State::Read));
        }
    }
    match known {
        Some(State::Read(read)) => Some(Arc::clone(&read.index)),
        _ => None,
    }
}

impl Identity {
    fn of(found: &std::fs::Metadata) -> Self {
        Self {
            place: (found.dev(), found.ino()),
            size: found.size(),
            times: [
                (found.mtime(), found.mtime_nsec()),
                (found.ctime(), found.ctime_nsec()),
            ],
        }
    }
}

impl Read {
    fn new(path: std::path::PathBuf, hash: gix::hash::Kind, asked: Asked<'_>) -> Option<Self> {
        let file = fs_err::File::open(&path).ok()?;
        let found = file.metadata().ok()?;
        let (layout, count) = scan::header(&file, hash)?;
        let (parts, end) = layout.scan(&file, &Part::all(count), &mut |folder| asked.counts_in(folder))?;
        let trees = scan::trees(&file, end, found.len(), hash)?;
        let state = decoded(
            layout,
            &parts,
            &trees,
            FileTime::from_last_modification_time(&found),
        )?;
        Some(Self {
            identity: Identity::of(&found),
            file,
            layout,
            parts,
            trees,
            index: Arc::new(gix::index::File::from_state(state, path)),
        })
    }

    /// Reads what counts and was not read yet; nothing where the file is not what it seemed to be.
    fn more(&mut self, asked: Asked<'_>) -> Option<()> {
        let is_wanted = |part: &Part| match part {
            Part::Skipped(skipped) => asked.counts_in(skipped.folder()),
            Part::Entries { .. } => false,
        };
        if !self.parts.iter().any(is_wanted) {
            return Some(());
        }
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in std::mem::take(&mut self.parts) {
            match part {
                Part::Skipped(skipped) if asked.counts_in(skipped.folder()) => {
                    let counts = &mut |folder: &BStr| asked.counts_in(folder);
                    parts.extend(self.layout.scan(&self.file, &skipped, counts)?.0);
                }
                part => parts.push(part),
            }
        }
        let state = decoded(self.layout, &parts, &self.trees, self.index.timestamp())?;
        self.parts = parts;
        self.index = Arc::new(gix::index::File::from_state(state, self.index.path()));
        Some(())
    }
}

/// What gix makes of the parts that were read.
fn decoded(layout: Layout, parts: &[Part], trees: &[u8], timestamp: FileTime) -> Option<gix::index::State> {
    let content = layout.file(parts, trees)?;
    let options = Options {
        thread_limit: Some(1),
        ..Options::default()
    };
    let state = gix::index::State::from_bytes(&content, timestamp, layout.hash, options);
    state.ok().map(|(state, _)| state)
}

impl Asked<'_> {
    /// Whether a file directly in the folder may count, or one below it; the root is not asked for.
    fn counts_in(&self, folder: &BStr) -> bool {
        let folder = folder.to_str_lossy();
        let folder = folder.as_ref();
        let is_above = |path: &str| {
            path.strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let first_below = self.files.range(format!("{folder}/")..).next();
        if first_below.is_some_and(|file| is_above(file)) {
            return true;
        }
        self.scopes.iter().any(|scope| {
            let dir = scope.dir.trim_matches('/');
            if dir == folder || is_above(dir) {
                return true;
            }
            let inside = match dir {
                "" => Some(folder),
                dir => folder.strip_prefix(dir).and_then(|rest| rest.strip_prefix('/')),
            };
            inside.is_some_and(|inside| scope.filter.may_match_below(inside))
        })
    }
}
