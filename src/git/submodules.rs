//! Submodules: their files in place of the links to their commits, as if they were folders of the repository.
//!
//! The commit that is recorded counts, whatever is checked out, but where the work tree is asked for; its objects are read from the checked-out folder's
//! repository or from `modules/` of the Git folder, where `git submodule update --init` has put them. Nothing is fetched:
//! what is not there is an error where a file of it counts, and none elsewhere. A link to a commit without an entry in
//! `.gitmodules` stays what it is in a checkout, an empty folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::bstr::BString;
use gix::objs::tree::EntryKind;
use gix::{ObjectId, ThreadSafeRepository};

use super::overlay::Overlay;
use super::patterns::PathMatch;
use super::repository::{CONFIG, read_commit};
use super::status::Differences;
use super::tree::{Entry, parse_id};
use super::{Difference, GitError, Repository, Scope, SourceTree};

/// As deep as submodules may lie within each other.
pub(super) const DEPTH: usize = 16;

const FILE: &str = ".gitmodules";

/// A submodule whose files are read.
#[derive(Debug, Clone)]
pub(super) struct Mounted {
    /// Relative to the root of the repository that has it.
    path: String,
    /// The files of its commit, with those of its own submodules.
    tree: SourceTree,
}

/// A submodule whose files are not here.
#[derive(Debug, Clone)]
pub(super) struct Absent {
    pub(super) path: String,
    commit: ObjectId,
    why: Absence,
}

/// Why a submodule's files are not here.
#[derive(Debug, Clone)]
pub(super) enum Absence {
    /// There is no clone of it.
    NoClone,
    /// The clone has not the commit.
    NoCommit,
    /// It could not be fetched.
    Fetch(String),
}

/// A submodule as a commit records it.
pub(super) struct Link {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) url: String,
    pub(super) commit: ObjectId,
}

/// What becomes of a link.
pub(super) enum Found {
    /// The files.
    Files(SourceTree),
    /// It stays a link.
    Nothing,
    /// An error where a file of it counts.
    Absent(Absence),
}

/// What a tree has beside the objects of its own repository.
#[derive(Debug, Default)]
pub(super) struct Submodules {
    /// The tree without them.
    pub(super) plain: Option<SourceTree>,
    pub(super) mounted: Vec<Mounted>,
    pub(super) absent: Vec<Absent>,
}

/// How submodules come into a tree.
#[derive(Clone, Copy)]
pub(super) struct Mounting<'a> {
    /// Which files are taken from the work trees of those that are checked out.
    pub(super) taken: Option<&'a dyn PathMatch>,
    /// Those that are there already, for another tree of the repository.
    pub(super) before: Option<&'a Submodules>,
    /// How deep they may lie.
    pub(super) depth: usize,
}

impl Default for Mounting<'_> {
    fn default() -> Self {
        Self {
            taken: None,
            before: None,
            depth: DEPTH,
        }
    }
}

impl Absent {
    pub(super) fn error(&self) -> GitError {
        let (path, commit) = (self.path.clone(), self.commit.to_string());
        match &self.why {
            Absence::NoClone => GitError::SubmoduleAbsent { path, commit },
            Absence::NoCommit => GitError::SubmoduleCommit { path, commit },
            Absence::Fetch(reason) => GitError::SubmoduleFetch {
                path,
                commit,
                reason: reason.clone(),
            },
        }
    }
}

impl Repository {
    /// The files of `tree` with those of its submodules.
    ///
    /// # Errors
    /// `.gitmodules` cannot be read, or an object.
    pub fn with_submodules(&self, tree: &SourceTree) -> Result<SourceTree, GitError> {
        self.mounted(tree, Mounting::default())
    }

    pub(super) fn mounted(&self, tree: &SourceTree, mounting: Mounting<'_>) -> Result<SourceTree, GitError> {
        mount(tree, |link| self.submodule(link, mounting))
    }

    fn submodule(&self, link: &Link, mounting: Mounting<'_>) -> Result<Found, GitError> {
        let (path, commit) = (&link.path, link.commit);
        let id = commit.to_string();
        let before = mounting.before.into_iter().flat_map(|before| &before.mounted);
        let mut same = before.filter(|known| known.path == *path && known.tree.commit().id == id);
        if let Some(known) = same.next() {
            return Ok(Found::Files(known.tree.clone()));
        }
        let Some(depth) = mounting.depth.checked_sub(1) else {
            return Ok(Found::Nothing);
        };
        let (inner, is_checked_out) = match self.open_submodule(&link.name, path, commit) {
            Ok(found) => found,
            Err(why) => return Ok(Found::Absent(why)),
        };
        let tree = inner.tree_of(commit)?;
        // At another commit, its changes are not those of this one.
        let is_taken = |filter: &&dyn PathMatch| {
            is_checked_out
                && filter.matches(path)
                && inner.head().is_ok_and(|head| head.id == tree.commit().id)
        };
        let below = match mounting.taken.filter(is_taken) {
            Some(filter) => {
                let within = Within { filter, folder: path };
                let taken = inner.with_work_tree_at(&tree, &within, depth);
                taken.map_err(|error| match error {
                    GitError::ExternalFilter(file) => GitError::ExternalFilter(format!("{path}/{file}")),
                    error => error,
                })
            }
            None => inner.mounted(
                &tree,
                Mounting {
                    depth,
                    ..Mounting::default()
                },
            ),
        };
        below.map(Found::Files)
    }

    /// The submodules that the work tree has, as repositories, with their paths.
    pub(super) fn checked_out(&self) -> Vec<(String, Self)> {
        let Some(work_dir) = self.work_dir() else {
            return Vec::new();
        };
        let text = fs_err::read(work_dir.join(FILE)).unwrap_or_default();
        let found = entries(&text).unwrap_or_default().into_iter();
        found
            .filter_map(|Section { path, .. }| {
                let folder = work_dir.join(&path);
                Some((path, Self::at(open(&folder)?, folder)))
            })
            .collect()
    }

    fn tree_of(&self, commit: ObjectId) -> Result<SourceTree, GitError> {
        let error = |source| GitError::Revision {
            name: commit.to_string(),
            source,
        };
        let repo = self.inner.to_thread_local();
        let commit = repo.find_commit(commit).map_err(error)?;
        Ok(self.source_tree(&read_commit(&commit).map_err(error)?))
    }

    /// The repository of a submodule that has the commit, and whether it is the one in the work tree.
    fn open_submodule(&self, name: &str, path: &str, commit: ObjectId) -> Result<(Self, bool), Absence> {
        let repo = self.inner.to_thread_local();
        let checked_out = repo.workdir().map(|dir| dir.join(path));
        let mut places: Vec<PathBuf> = checked_out.clone().into_iter().collect();
        // A name that leads elsewhere is an attack.
        if is_plain(name) {
            places.extend([repo.git_dir(), repo.common_dir()].map(|dir| dir.join("modules").join(name)));
        }
        let mut why = Absence::NoClone;
        for place in places {
            let Some(found) = open(&place) else { continue };
            why = Absence::NoCommit;
            if found.to_thread_local().find_commit(commit).is_ok() {
                let is_checked_out = checked_out.as_ref() == Some(&place);
                return Ok((Self::at(found, place), is_checked_out));
            }
        }
        Err(why)
    }
}

/// A commit's files with those of its submodules, each of which `find` finds.
pub(super) fn mount<E: From<GitError>>(
    tree: &SourceTree,
    mut find: impl FnMut(&Link) -> Result<Found, E>,
) -> Result<SourceTree, E> {
    let tree = tree.plain();
    let Some(Entry {
        kind: EntryKind::Blob | EntryKind::BlobExecutable,
        id,
    }) = tree.find(FILE)?
    else {
        return Ok(tree.clone());
    };
    let mut all = Submodules {
        plain: Some(tree.clone()),
        ..Submodules::default()
    };
    let repo = tree.repo();
    let mut overlay = Overlay::new(tree, &repo);
    let (mut changes, mut others) = (Vec::new(), tree.others().to_vec());
    for Section { name, path, url } in entries(&tree.read_blob(id, FILE)?)? {
        let Some(Entry {
            kind: EntryKind::Commit,
            id: commit,
        }) = tree.find(&path)?
        else {
            continue;
        };
        let link = Link {
            name,
            path,
            url,
            commit,
        };
        let found = find(&link)?;
        let path = link.path;
        match found {
            Found::Files(below) => {
                let root = parse_id(&below.commit().tree)?;
                others.push(below.shared_repo().clone());
                others.extend(below.others().iter().cloned());
                let within = |absent: &Absent| Absent {
                    path: format!("{path}/{}", absent.path),
                    ..absent.clone()
                };
                all.absent.extend(below.submodules().absent.iter().map(within));
                overlay.take(&below);
                changes.push((path.clone(), (EntryKind::Tree, root)));
                all.mounted.push(Mounted { path, tree: below });
            }
            Found::Nothing => {}
            Found::Absent(why) => all.absent.push(Absent { path, commit, why }),
        }
    }
    Ok(overlay.make(&changes, others, all)?)
}

fn open(place: &Path) -> Option<ThreadSafeRepository> {
    let options = gix::open::Options::default().config_overrides(CONFIG);
    ThreadSafeRepository::open_opts(place, options).ok()
}

/// Whether a path stays below where it begins.
fn is_plain(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// What `.gitmodules` says of a submodule.
struct Section {
    name: String,
    path: String,
    url: String,
}

fn entries(text: &[u8]) -> Result<Vec<Section>, GitError> {
    let metadata = gix::config::file::Metadata::default();
    let file = gix::config::File::from_bytes_no_includes(
        text,
        metadata,
        gix::config::file::init::Options::default(),
    )
    .map_err(|error| GitError::Gitmodules(error.to_string()))?;
    let sections = file.sections_by_name("submodule").into_iter().flatten();
    let read = sections.filter_map(|section| {
        let name = section.header().subsection_name()?.to_string();
        let path = section.value("path")?.to_string();
        let path = path.trim_end_matches('/').to_owned();
        let url = section
            .value("url")
            .map(|url| url.to_string())
            .unwrap_or_default();
        is_plain(&path).then_some(Section { name, path, url })
    });
    Ok(read.collect())
}

/// Sees the paths of a submodule as the filter of what lies around it does.
pub(super) struct Within<'a> {
    pub(super) filter: &'a dyn PathMatch,
    pub(super) folder: &'a str,
}

impl Within<'_> {
    fn outer(&self, path: &str) -> String {
        format!("{}/{path}", self.folder).trim_end_matches('/').to_owned()
    }
}

impl PathMatch for Within<'_> {
    fn matches(&self, path: &str) -> bool {
        self.filter.matches(&self.outer(path))
    }

    fn may_match_below(&self, dir: &str) -> bool {
        self.filter.may_match_below(&self.outer(dir))
    }

    fn takes_all_below(&self, dir: &str) -> bool {
        self.filter.takes_all_below(&self.outer(dir))
    }
}

impl Submodules {
    /// The repository of the submodule that a file is in, of those within each other the innermost.
    pub(super) fn repository_of(&self, file: &str) -> Option<gix::Repository> {
        let mounted = self.mounted.iter().find(|mounted| mounted.holds(file))?;
        let inner = below(&mounted.path, file)?;
        let deeper = mounted.tree.submodules().repository_of(inner);
        deeper.or_else(|| Some(mounted.tree.repo()))
    }
}

impl Mounted {
    /// Whether a file of the repository around it is one of the submodule.
    pub(super) fn holds(&self, file: &str) -> bool {
        below(&self.path, file).is_some()
    }

    /// Notes whether the submodule's folder is as its commit, as far as it matters.
    pub(super) fn differences(
        &self,
        work_dir: &Path,
        scopes: &[Scope<'_>],
        files: &[&str],
        changed: &mut Differences,
    ) -> Result<(), GitError> {
        let path = || BString::from(self.path.as_str());
        if changed.contains_key(&path()) {
            return Ok(());
        }
        let files: Vec<&str> = files.iter().filter_map(|file| below(&self.path, file)).collect();
        let filters: Vec<(&str, Within<'_>)> = scopes.iter().filter_map(|scope| self.scope(scope)).collect();
        let scopes: Vec<Scope<'_>> = filters
            .iter()
            .map(|(dir, filter)| Scope { dir, filter })
            .collect();
        if files.is_empty() && scopes.is_empty() {
            return Ok(());
        }
        let folder = work_dir.join(&self.path);
        if !folder.is_dir() {
            changed.insert(path(), Difference::SubmoduleDeleted);
            return Ok(());
        }
        // A folder without a repository is one that is not checked out.
        let Some(repo) = open(&folder) else {
            return Ok(());
        };
        let repo = Repository::at(repo, folder);
        if repo.head().is_ok_and(|head| head.id != self.tree.commit().id) {
            changed.insert(path(), Difference::SubmoduleMoved);
            return Ok(());
        }
        let found = repo.changes(&self.tree, &scopes, &files)?;
        let is_new = |kind: &Difference| *kind == Difference::Untracked;
        if found.values().any(is_new) {
            changed.insert(path(), Difference::SubmoduleUntracked);
        } else if found.values().any(|kind| *kind != Difference::Ignored) {
            changed.insert(path(), Difference::SubmoduleChanged);
        }
        Ok(())
    }

    /// What of the submodule a scope of the repository around it takes.
    fn scope<'a>(&'a self, scope: &Scope<'a>) -> Option<(&'a str, Within<'a>)> {
        let dir = scope.dir.trim_matches('/');
        let filter = scope.filter;
        if let Some(rest) = below(&self.path, dir) {
            return Some((rest, Within { filter, folder: "" }));
        }
        let folder = if dir.is_empty() {
            self.path.as_str()
        } else {
            below(dir, &self.path)?
        };
        filter
            .may_match_below(folder)
            .then_some(("", Within { filter, folder }))
    }
}

/// What of a path lies below a folder; the folder itself has nothing below.
fn below<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(folder)?;
    if rest.is_empty() {
        Some("")
    } else {
        rest.strip_prefix('/')
    }
}

impl SourceTree {
    /// The tree with links to commits in place of submodules' files.
    pub(super) fn plain(&self) -> &Self {
        self.submodules().plain.as_ref().unwrap_or(self)
    }

    /// Fails where a file below `dir` (empty for the root) of a submodule that is not here would count.
    pub(super) fn check_absent(&self, dir: &str, is_wanted: impl Fn(&str) -> bool) -> Result<(), GitError> {
        let absent = &self.submodules().absent;
        let here = |path: &str| {
            let path = if dir.is_empty() { path } else { below(dir, path)? };
            Some(is_wanted(path))
        };
        match absent.iter().find(|absent| here(&absent.path) == Some(true)) {
            Some(absent) => Err(absent.error()),
            None => Ok(()),
        }
    }
}

/// Shared by all trees without submodules.
pub(super) fn none() -> Arc<Submodules> {
    Arc::default()
}
