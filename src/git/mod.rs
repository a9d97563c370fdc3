//! The only place that names gix: commits and their trees, the state of the work tree, which paths count, and
//! layers made of Git content.
//!
//! Everything is read from the commit, by path, and never checked out; looking at the work tree
//! ([`Repository::uncommitted`]) costs as much as the paths that are asked for. Nothing is written to a repository,
//! no subprocess is started, and neither hooks, file-system monitors nor external filters of a repository ever run.
//!
//! Other repositories are [`remote`]'s, the one place that fetches. It deliberately does not follow history beyond
//! naming a commit.

mod checkout;
mod files;
mod index;
pub mod layer;
mod overlay;
pub mod patterns;
pub mod remote;
mod repository;
mod selection;
mod status;
mod submodules;
mod tree;
mod watched;

use std::path::PathBuf;

pub use files::CommitFiles;
pub use overlay::Included;
pub use repository::{Commit, Repository};
pub use selection::Selection;
pub use status::{Difference, Scope};
pub use tree::{Reads, SourceTree};

/// Why a repository could not be read, with what mends it where that is known.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// Neither the folder nor one above it is a repository.
    #[error(
        "cannot find a Git repository in `{}` or above it; kiel builds from commits: run `git init`, add the files \
         and commit them", .0.display()
    )]
    NoRepository(PathBuf),
    /// A project that is not in the work tree that was named.
    #[error("cannot use the work tree `{}`: the project's folder `{}` is not in it", work_tree.display(), dir.display())]
    OutsideWorkTree {
        /// The project's folder.
        dir: PathBuf,
        /// The work tree.
        work_tree: PathBuf,
    },
    /// There is something that looks like a repository and cannot be opened.
    #[error("cannot open the Git repository of `{}`", dir.display())]
    Open {
        /// The folder from where it was looked for.
        dir: PathBuf,
        /// gix's reason.
        #[source]
        source: gix::Error,
    },
    /// HEAD names a branch that has no commit.
    #[error(
        "cannot read the commit of `{}`: the repository has no commit yet; run `git add --all && git commit`",
        .0.display()
    )]
    NoCommit(PathBuf),
    /// HEAD is there and leads to no commit.
    #[error("cannot read HEAD of the repository `{}`", dir.display())]
    Head {
        /// The repository.
        dir: PathBuf,
        /// gix's reason.
        #[source]
        source: gix::Error,
    },
    /// A name leads to no commit.
    #[error(
        "cannot find the commit `{name}`; `git rev-parse {name}` should print it, `git fetch` may bring it"
    )]
    Revision {
        /// As it was given.
        name: String,
        /// gix's reason.
        #[source]
        source: gix::Error,
    },
    /// An object that a commit needs is not there or damaged.
    #[error("cannot read the object `{id}` of `{path}`: {remedy}")]
    Object {
        /// The object's id.
        id: String,
        /// Where the commit has it.
        path: String,
        /// Whether it is missing, and the commands that bring it.
        remedy: String,
        /// gix's reason.
        #[source]
        source: gix::Error,
    },
    /// A submodule's repository is not here.
    #[error(
        "cannot read the submodule `{path}` at its commit {commit}: it is not in this clone; run \
         `git submodule update --init --recursive {path}`"
    )]
    SubmoduleAbsent {
        /// Where it lies.
        path: String,
        /// The commit that is recorded.
        commit: String,
    },
    /// A submodule's repository has not the commit.
    #[error(
        "cannot read the submodule `{path}`: its clone has no commit {commit}; run `git submodule update --init {path}`; \
         where that does not find it either, nobody has pushed it"
    )]
    SubmoduleCommit {
        /// Where it lies.
        path: String,
        /// The commit that is recorded.
        commit: String,
    },
    /// A submodule of another repository cannot be fetched.
    #[error(
        "cannot read the submodule `{path}` at its commit {commit}: {reason}; where its files are not needed, exclude \
         them"
    )]
    SubmoduleFetch {
        /// Where it lies.
        path: String,
        /// The commit that is recorded.
        commit: String,
        /// Why.
        reason: String,
    },
    /// The list of submodules is not in Git's format.
    #[error("cannot read `.gitmodules`: {0}")]
    Gitmodules(String),
    /// A text that should be an object's id is none.
    #[error("cannot read `{0}` as the id of a Git object")]
    Id(String),
    /// A file's name is not UTF-8.
    #[error("cannot use the file `{0}`: its name is not UTF-8; rename it or exclude it")]
    Name(String),
    /// A link's target is outside of the commit's tree.
    #[error("cannot follow the link `{path}`: its target `{target}` is outside of the repository")]
    LinkLeaves {
        /// The link.
        path: String,
        /// What it holds.
        target: String,
    },
    /// Links lead to each other.
    #[error("cannot follow the link `{0}`: there are too many links behind it, it may lead back to itself")]
    LinkLoop(String),
    /// What a file is in Git, only a command of the repository's configuration can tell.
    #[error(
        "cannot take the file `{0}` as it is in the work tree: a filter of its attributes would change it, and kiel runs \
         no commands of a repository; commit it"
    )]
    ExternalFilter(String),
    /// The index cannot be read.
    #[error("cannot read the index of the repository `{}`; `git status` should show why", dir.display())]
    Index {
        /// The repository.
        dir: PathBuf,
        /// gix's reason.
        #[source]
        source: gix::Error,
    },
    /// A file of the work tree cannot be compared with the commit's.
    #[error("cannot compare the file `{path}` with its commit")]
    Compare {
        /// Relative to the work tree.
        path: String,
        /// gix's reason.
        #[source]
        source: gix::Error,
    },
    /// A file or folder of the work tree cannot be read.
    #[error("cannot look at `{path}` in the work tree")]
    WorkTree {
        /// Relative to the work tree.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}
