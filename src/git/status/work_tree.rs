//! The files of the work tree: whether one is as the index has it, and which are new.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::filter::plumbing::pipeline::CrlfRoundTripCheck;
use gix::filter::plumbing::pipeline::convert::ToGitOutcome;
use gix::index::entry::{Flags, Mode, Stat};
use gix::index::fs::Metadata;
use gix::objs::tree::EntryKind;
use gix::worktree::stack::state::{attributes, ignore};
use kiel_stapel::listing::FileMode;

use super::stat::Look;
use super::{Difference, Differences, Known, KnownFiles, Scope, compare_error, work_tree_error};
use crate::git::GitError;
use crate::git::patterns::PathMatch;

/// What `git add` takes of a path.
pub(in crate::git) enum Taken {
    /// A file's content or a link's target.
    Blob(EntryKind, Vec<u8>),
    /// The commit of another repository.
    Commit(ObjectId),
}

/// What becomes of new files that Git ignores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignored {
    LeftOut,
    Taken,
}

/// The work tree with what is needed to compare its files.
pub(in crate::git) struct WorkTree<'a> {
    repo: &'a gix::Repository,
    index: &'a gix::index::File,
    root: &'a Path,
    stat: gix::index::entry::stat::Options,
    symlinks: bool,
    executable_bit: bool,
    pipeline: gix::filter::plumbing::Pipeline,
    filters: Vec<BString>,
    attributes: gix::AttributeStack<'a>,
    excludes: gix::AttributeStack<'a>,
    /// Folders that are folders, not links to some.
    folders: BTreeSet<BString>,
    /// Of new files in scopes.
    pub(super) ignored: Ignored,
}

impl<'a> WorkTree<'a> {
    pub(in crate::git) fn new(
        repo: &'a gix::Repository,
        index: &'a gix::index::File,
        root: &'a Path,
    ) -> Result<Self, gix::Error> {
        let mut options = gix::filter::Pipeline::options(repo)?;
        let external =
            |driver: &gix::filter::plumbing::Driver| driver.clean.is_some() || driver.process.is_some();
        let filters = options
            .drivers
            .iter()
            .filter(|driver| external(driver))
            .map(|d| d.name.clone())
            .collect();
        options.drivers.clear();
        options.crlf_roundtrip_check = CrlfRoundTripCheck::Skip;
        let pipeline =
            gix::filter::plumbing::Pipeline::new(repo.command_context()?, repo.object_hash(), options);
        let capabilities = repo.filesystem_options()?;
        Ok(Self {
            repo,
            index,
            root,
            stat: repo.stat_options()?,
            symlinks: capabilities.symlink,
            executable_bit: capabilities.executable_bit,
            pipeline,
            filters,
            attributes: repo.attributes_only(index, attributes::Source::WorktreeThenIdMapping)?,
            excludes: repo.excludes(index, None, ignore::Source::WorktreeThenIdMappingIfNotSkipped)?,
            folders: BTreeSet::new(),
            ignored: Ignored::LeftOut,
        })
    }

    /// For files of which only size, times and mode matter.
    pub(super) fn look(&self) -> Look<'a> {
        Look {
            root: self.root,
            index: self.index,
            stat: self.stat,
            symlinks: self.symlinks,
            executable_bit: self.executable_bit,
        }
    }

    pub(super) fn differs(&mut self, path: &BString, known: &Known) -> Result<bool, GitError> {
        let (Some((mode, id)), Some(at), false) = (known.committed, known.staged, known.conflict) else {
            // Only staged and gone again: the work tree is as the commit.
            return Ok(known.committed.is_some()
                || known.conflict
                || self.metadata(path.as_bstr())?.is_some());
        };
        let index = self.index;
        let entry = index.entry(at);
        if entry.id != id || entry.mode != index_mode(mode) {
            return Ok(true);
        }
        if entry.flags.intersects(Flags::ASSUME_VALID | Flags::SKIP_WORKTREE) {
            return Ok(false);
        }
        let Some(metadata) = self.metadata(path.as_bstr())? else {
            return Ok(true);
        };
        if entry.mode == Mode::COMMIT {
            return Ok(metadata.is_dir() && self.submodule_moved(path.as_bstr(), id));
        }
        if metadata.is_dir()
            || entry
                .mode
                .change_to_match_fs(&metadata, self.symlinks, self.executable_bit)
                .is_some()
        {
            return Ok(true);
        }
        let stat = Stat::from_fs(&metadata)
            .ok()
            .filter(|stat| stat.matches(&entry.stat, self.stat));
        // Git marks entries whose times cannot be trusted by the size 0.
        if let Some(stat) = stat.filter(|_| entry.stat.size > 0 || id.is_empty_blob()) {
            let racy = stat.is_racy(index.timestamp(), self.stat);
            if !racy || self.has_external_filter(path.as_bstr())? {
                return Ok(false);
            }
        }
        Ok(self.content_id(path.as_bstr(), &metadata)? != Some(id))
    }

    pub(super) fn system_path(&self, path: &BStr) -> Result<PathBuf, GitError> {
        Ok(self
            .root
            .join(gix::path::from_bstr(path).map_err(|source| compare_error(path, source))?))
    }

    /// What lies at `path`, if the folders on the way are none but folders.
    fn metadata(&mut self, path: &BStr) -> Result<Option<Metadata>, GitError> {
        let ends: Vec<usize> = path.find_iter("/").collect();
        for end in ends {
            let folder = path[..end].as_bstr();
            if self.folders.contains(folder) {
                continue;
            }
            match self.lookup(folder)? {
                Some(metadata) if metadata.is_dir() => self.folders.insert(folder.to_owned()),
                _ => return Ok(None),
            };
        }
        self.lookup(path)
    }

    fn lookup(&self, path: &BStr) -> Result<Option<Metadata>, GitError> {
        match Metadata::from_path_no_follow(&self.system_path(path)?) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(work_tree_error(path, source)),
        }
    }

    pub(super) fn is_file(&mut self, path: &BStr) -> Result<bool, GitError> {
        Ok(self
            .metadata(path)?
            .is_some_and(|metadata| metadata.is_file() || metadata.is_symlink()))
    }

    /// The id that `git add` would give; nothing where only an external filter knows.
    fn content_id(&mut self, path: &BStr, metadata: &Metadata) -> Result<Option<ObjectId>, GitError> {
        let kind = self.repo.object_hash();
        let id = |data: Vec<u8>| gix::objs::compute_hash(kind, gix::objs::Kind::Blob, &data);
        let content = self.content(path, metadata)?;
        content
            .map(id)
            .transpose()
            .map_err(|source| compare_error(path, source))
    }

    /// What `git add` would store; nothing where only an external filter knows.
    fn content(&mut self, path: &BStr, metadata: &Metadata) -> Result<Option<Vec<u8>>, GitError> {
        let file = self.system_path(path)?;
        let compare = |source| compare_error(path, source);
        if metadata.is_symlink() {
            let target = fs_err::read_link(&file).map_err(|source| work_tree_error(path, source))?;
            return Ok(Some(
                gix::path::into_bstr(target).map_err(compare)?.into_owned().into(),
            ));
        }
        let content = fs_err::read(&file).map_err(|source| work_tree_error(path, source))?;
        if self.has_external_filter(path)? {
            return Ok(None);
        }
        let platform = self.attributes.at_entry(path, None).map_err(compare)?;
        let (objects, index) = (&self.repo.objects, self.index);
        let relative = gix::path::from_bstr(path).map_err(compare)?;
        let converted = self.pipeline.convert_to_git(
            content.as_slice(),
            &relative,
            &mut |_, outcome| {
                platform.matching_attributes(outcome);
            },
            &mut |buffer| {
                use gix::objs::Find;
                let Some(entry) = index.entry_by_path(path) else {
                    return Ok(None);
                };
                Ok(objects.try_find(&entry.id, buffer)?.map(|_| ()))
            },
        );
        match converted.map_err(compare)? {
            ToGitOutcome::Unchanged(_) => Ok(Some(content)),
            ToGitOutcome::Buffer(buffer) => Ok(Some(buffer.to_vec())),
            ToGitOutcome::Process(_) => Ok(None),
        }
    }

    /// The file as `git add` would take it; nothing where there is none.
    pub(in crate::git) fn file(&mut self, path: &BStr) -> Result<Option<Taken>, GitError> {
        let Some(metadata) = self.metadata(path)? else {
            return Ok(None);
        };
        if metadata.is_dir() {
            return Ok(self.submodule_head(path).map(Taken::Commit));
        }
        let content = self.content(path, &metadata)?;
        let content = content.ok_or_else(|| GitError::ExternalFilter(path.to_str_lossy().into_owned()))?;
        let recorded = self.index.entry_by_path(path).map(|entry| entry.mode);
        let is_link = metadata.is_symlink() || !self.symlinks && recorded == Some(Mode::SYMLINK);
        let kind = if is_link {
            EntryKind::Link
        } else if self.executable_bit && metadata.is_executable()
            || !self.executable_bit && recorded == Some(Mode::FILE_EXECUTABLE)
        {
            EntryKind::BlobExecutable
        } else {
            EntryKind::Blob
        };
        Ok(Some(Taken::Blob(kind, content)))
    }

    fn has_external_filter(&mut self, path: &BStr) -> Result<bool, GitError> {
        if self.filters.is_empty() {
            return Ok(false);
        }
        let mut outcome = self.attributes.selected_attribute_matches(["filter"]);
        self.attributes
            .at_entry(path, None)
            .map_err(|source| compare_error(path, source))?
            .matching_attributes(&mut outcome);
        Ok(outcome.iter_selected().any(|found| {
            found
                .assignment
                .state
                .as_bstr()
                .is_some_and(|name| self.filters.iter().any(|filter| filter == name))
        }))
    }

    /// Whether a submodule that is checked out has another commit than the one recorded.
    fn submodule_moved(&self, path: &BStr, id: ObjectId) -> bool {
        self.submodule_head(path).is_some_and(|head| head != id)
    }

    /// The commit that is checked out in the repository at `path`.
    fn submodule_head(&self, path: &BStr) -> Option<ObjectId> {
        let folder = self.system_path(path).ok()?;
        let repo = gix::open::Options::default().open(folder).ok()?;
        Some(repo.to_thread_local().head_id().ok()?.detach())
    }

    pub(super) fn new_files(
        &mut self,
        scope: &Scope<'_>,
        known: &KnownFiles,
        changed: &mut Differences,
    ) -> Result<(), GitError> {
        let dir = scope.dir.trim_matches('/').as_bytes().as_bstr();
        let Some(metadata) = (if dir.is_empty() {
            self.lookup(dir)
        } else {
            self.metadata(dir)
        })?
        else {
            return Ok(());
        };
        if metadata.is_dir() {
            let mut prefix = dir.to_owned();
            if !dir.is_empty() {
                prefix.push(b'/');
            }
            let cut = prefix.len();
            return self.new_files_below(prefix.as_bstr(), cut, scope.filter, known, changed);
        }
        if scope.filter.matches("") && !known.contains_key(dir) && !self.leaves_out(dir, Mode::FILE)? {
            changed.insert(dir.to_owned(), Difference::Untracked);
        }
        Ok(())
    }

    /// `folder` ends in a slash or is empty; the filter sees what stands behind its first `cut` bytes.
    fn new_files_below(
        &mut self,
        folder: &BStr,
        cut: usize,
        filter: &dyn PathMatch,
        known: &KnownFiles,
        changed: &mut Differences,
    ) -> Result<(), GitError> {
        let folder_path = self.system_path(folder)?;
        let error = |source| work_tree_error(folder, source);
        let tracked = self.tracked_in(folder);
        for entry in fs_err::read_dir(folder_path).map_err(error)? {
            let entry = entry.map_err(error)?;
            let kind = entry.file_type().map_err(error)?;
            let name = entry.file_name();
            let tracked = tracked.get(name.as_bytes()).copied();
            if name == ".git" || (!kind.is_dir() && !kind.is_file() && !kind.is_symlink()) {
                continue;
            }
            if !kind.is_dir() && tracked.is_some_and(|mode| mode != Mode::DIR) {
                continue;
            }
            let mut path = folder.to_owned();
            path.extend_from_slice(name.as_bytes());
            if !kind.is_dir() {
                if !known.contains_key(&path)
                    && filter.matches(&path[cut..].to_str_lossy())
                    && !self.leaves_out(path.as_bstr(), Mode::FILE)?
                {
                    changed.insert(path, Difference::Untracked);
                }
                continue;
            }
            if tracked == Some(Mode::COMMIT) || !filter.may_match_below(&path[cut..].to_str_lossy()) {
                continue;
            }
            if tracked != Some(Mode::DIR) {
                if self.leaves_out(path.as_bstr(), Mode::DIR)? {
                    continue;
                }
                if entry.path().join(".git").exists() {
                    // Another repository: Git would record it as a whole.
                    if filter.matches(&path[cut..].to_str_lossy()) {
                        changed.insert(path, Difference::Untracked);
                    }
                    continue;
                }
            }
            path.push(b'/');
            self.new_files_below(path.as_bstr(), cut, filter, known, changed)?;
        }
        Ok(())
    }

    /// The names that the index has in a folder, with their modes.
    fn tracked_in(&self, folder: &BStr) -> HashMap<&'a [u8], Mode> {
        let (index, mut names) = (self.index, HashMap::new());
        let range = index.prefixed_entries_range(folder);
        let range = range.unwrap_or_default();
        let mut at = range.start;
        while at < range.end {
            let entry = index.entry(at);
            let path = entry.path(index);
            let rest = path[folder.len()..].as_bytes();
            match rest.find_byte(b'/') {
                Some(slash) => {
                    names.insert(&rest[..slash], Mode::DIR);
                    let prefix = &path[..=folder.len() + slash];
                    let below = |entry: &gix::index::Entry| entry.path(index).starts_with(prefix);
                    at += index.entries()[at..range.end].partition_point(below);
                }
                None => {
                    names.insert(rest, entry.mode);
                    at += 1;
                }
            }
        }
        names
    }

    fn leaves_out(&mut self, path: &BStr, mode: Mode) -> Result<bool, GitError> {
        Ok(self.ignored == Ignored::LeftOut && self.is_ignored(path, mode)?)
    }

    pub(super) fn is_ignored(&mut self, path: &BStr, mode: Mode) -> Result<bool, GitError> {
        let platform = self.excludes.at_entry(path, Some(mode));
        let platform = platform.map_err(|source| compare_error(path, source))?;
        Ok(platform.is_excluded())
    }
}

fn index_mode(mode: FileMode) -> Mode {
    match mode {
        FileMode::Regular => Mode::FILE,
        FileMode::Executable => Mode::FILE_EXECUTABLE,
        FileMode::Link => Mode::SYMLINK,
        FileMode::Commit => Mode::COMMIT,
    }
}

/// Nothing for what is no file.
pub(super) fn file_mode(mode: Mode) -> Option<FileMode> {
    match mode {
        Mode::FILE => Some(FileMode::Regular),
        Mode::FILE_EXECUTABLE => Some(FileMode::Executable),
        Mode::SYMLINK => Some(FileMode::Link),
        Mode::COMMIT => Some(FileMode::Commit),
        _ => None,
    }
}
