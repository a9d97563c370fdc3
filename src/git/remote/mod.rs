//! Commits of other repositories: what includes and remote git mappings are read from.
//!
//! A repository of this machine is opened where it is. Of one behind HTTP or SSH single commits are kept, without their
//! history, in a bare repository of the [`cache`]; a commit that is there is never asked for again, and is read without
//! a network. What a branch, a tag or HEAD means is asked once in a run and pinned for all of it.
//!
//! A server can send files and nothing else: its references' names are compared and never used, its pack is bounded and
//! checked whole before anything of it counts, and the names in its trees must be names of files. Nothing that it sends
//! is run. It deliberately takes no credentials from helpers.

mod address;
mod cache;
mod http;
mod packet;
mod protocol;
mod ssh;
mod submodules;
mod verify;

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix::{ObjectId, ThreadSafeRepository};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub use self::address::{Address, Credentials};
use self::cache::{Cache, Place};
use self::protocol::Offer;
use super::repository::{CONFIG, read_commit};
use super::{GitError, SourceTree};
use crate::config::model::GitReference;

/// As long an offer or a list of references may be.
const TEXT_LIMIT: u64 = 64 << 20;

/// As large a pack may be: a commit's files without history.
const PACK_LIMIT: u64 = 4 << 30;

const OTHER_IDS: &str = "the repository's ids have another length";

/// Why a commit of another repository is not there.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// An address is none.
    #[error("cannot use `{url}` as a Git repository: {reason}")]
    Address {
        /// As written, without credentials.
        url: String,
        /// Why.
        reason: &'static str,
    },
    /// A request did not get through.
    #[error("cannot reach the Git repository `{url}`")]
    Http {
        /// The repository.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server wants other credentials.
    #[error(
        "cannot read the Git repository `{url}`: the server {}",
        if *.is_known { "does not take the given user and password" } else { "asks for credentials; add `basicAuth`" }
    )]
    Denied {
        /// The repository.
        url: String,
        /// Whether credentials were given.
        is_known: bool,
    },
    /// There is nothing, or nothing for this user.
    #[error(
        "cannot find the Git repository `{url}`: the server knows none there; private ones need `basicAuth`, and often \
         `.git` at the end"
    )]
    NotFound {
        /// The repository.
        url: String,
    },
    /// The server failed.
    #[error("cannot read the Git repository `{url}`: the server answers {status}")]
    Status {
        /// The repository.
        url: String,
        /// HTTP's number.
        status: u16,
    },
    /// The server sends the client somewhere where it does not go.
    #[error("cannot follow where the server of the Git repository `{url}` leads: write its present address")]
    Redirect {
        /// The repository.
        url: String,
    },
    /// `ssh` failed.
    #[error("cannot read the Git repository `{address}` by `ssh`; `ssh` must be installed and need no input")]
    Ssh {
        /// The repository.
        address: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The server's answer is not what was asked for.
    #[error("cannot fetch from the Git repository `{url}`")]
    Protocol {
        /// The repository.
        url: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no such branch, tag or commit.
    #[error("cannot find {kind} `{name}` in the Git repository `{url}`: reference not found")]
    NoReference {
        /// The repository.
        url: String,
        /// What it should be.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The server does not give a commit.
    #[error(
        "cannot get the commit `{id}` of the Git repository `{url}`: object not found; it may have been removed by a force \
         push"
    )]
    NoCommit {
        /// The repository.
        url: String,
        /// The commit.
        id: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A commit's id is not whole.
    #[error("cannot use `{0}` as a commit: write its whole id, 40 or 64 digits")]
    ShortCommit(String),
    /// What the server sent is no commit's files.
    #[error("cannot take what the Git repository `{url}` has sent: {reason}")]
    Unsound {
        /// The repository.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The cache cannot be used.
    #[error("cannot use the cache of Git repositories at `{}`", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A repository cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The user ended the run.
    #[error("interrupted")]
    Interrupted,
}

/// How other repositories are reached.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// Folder for what was fetched.
    pub cache: PathBuf,
    /// Keys for `ssh`; without one it takes what it finds, and its agent's.
    pub ssh_keys: Vec<PathBuf>,
    /// Ends what is under way.
    pub cancel: CancellationToken,
    /// Runs what waits for the network; several threads.
    pub runtime: Handle,
}

/// The other repositories of a run.
pub struct Remotes {
    shared: Shared,
    cache: Cache,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: HashMap<Address, Connection>,
    pins: HashMap<(Address, GitReference), String>,
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    requests: Arc<AtomicU64>,
    ssh_keys: Vec<PathBuf>,
    cancel: CancellationToken,
    runtime: Handle,
}

impl Shared {
    /// Waits for the network. Not for threads of the runtime.
    fn wait<F: Future>(&self, work: impl FnOnce() -> F) -> Result<F::Output, RemoteError> {
        self.runtime.block_on(async {
            tokio::select! {
                done = async { work().await } => Ok(done),
                () = self.cancel.cancelled() => Err(RemoteError::Interrupted),
            }
        })
    }
}

/// A way to a server: what it says first, and answers to questions.
trait Transport: Send {
    fn offer(&mut self, limit: u64) -> Result<Box<dyn Read + '_>, RemoteError>;
    fn ask(&mut self, question: &[u8], limit: u64) -> Result<Box<dyn Read + '_>, RemoteError>;
}

struct Connection {
    transport: Box<dyn Transport>,
    offer: Offer,
}

impl Remotes {
    /// Reaches nothing yet.
    #[must_use]
    pub fn new(options: RemoteOptions) -> Self {
        Self {
            shared: Shared {
                requests: Arc::default(),
                ssh_keys: options.ssh_keys,
                cancel: options.cancel,
                runtime: options.runtime,
            },
            cache: Cache::new(options.cache),
            state: Mutex::default(),
        }
    }

    /// How many requests, or starts of `ssh`, there were so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The id of the commit that a reference means in this run. Blocks.
    ///
    /// # Errors
    /// There is none, or the repository cannot be read.
    pub fn pin(
        &self,
        address: &Address,
        credentials: Option<&Credentials>,
        reference: &GitReference,
    ) -> Result<String, RemoteError> {
        if let Address::Local(path) = address {
            return local_id(path, reference);
        }
        if let GitReference::Commit(id) = reference {
            let is_whole = crate::config::includes::is_id(id);
            return is_whole
                .then(|| id.clone())
                .ok_or_else(|| RemoteError::ShortCommit(id.clone()));
        }
        let key = (address.clone(), reference.clone());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = state.pins.get(&key) {
            return Ok(id.clone());
        }
        let known = &mut *state;
        let id = self.alone(|| self.ask_reference(known, address, credentials, reference))?;
        state.pins.insert(key, id.clone());
        Ok(id)
    }

    /// The files of a commit, by its whole id: from the cache where it is there, else fetched into it. Blocks.
    ///
    /// # Errors
    /// The repository has no such commit, or cannot be read.
    pub fn tree(
        &self,
        address: &Address,
        credentials: Option<&Credentials>,
        id: &str,
    ) -> Result<SourceTree, RemoteError> {
        if let Address::Local(path) = address {
            return commit_tree(open(path)?, address, id);
        }
        if !crate::config::includes::is_id(id) {
            return Err(RemoteError::ShortCommit(id.to_owned()));
        }
        let place = self.cache.place(address, id.len() == 64);
        if place.has(id) {
            return commit_tree(open(place.folder())?, address, id);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        self.alone(|| {
            let _lock = place.lock(&self.shared)?;
            // Another run may have fetched it meanwhile.
            if !place.has(id) {
                self.fetch(state, address, credentials, id, &place)?;
            }
            commit_tree(open(place.folder())?, address, id)
        })
    }

    /// Runs something on a thread that is none of the runtime's. What fails after the user has ended the run is no
    /// failure.
    fn alone<T: Send>(&self, work: impl FnOnce() -> Result<T, RemoteError> + Send) -> Result<T, RemoteError> {
        let done = std::thread::scope(|scope| match scope.spawn(work).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        match done {
            Err(_) if self.shared.cancel.is_cancelled() => Err(RemoteError::Interrupted),
            done => done,
        }
    }

    fn ask_reference(
        &self,
        state: &mut State,
        address: &Address,
        credentials: Option<&Credentials>,
        reference: &GitReference,
    ) -> Result<String, RemoteError> {
        let (name, kind) = full_name(reference);
        let connection = self.connection(state, address, credentials)?;
        let broken = |source| broken(address, source);
        let found = if let Some(old) = &connection.offer.old {
            old.find(&name)
        } else {
            let question = protocol::references_request(&connection.offer, std::slice::from_ref(&name));
            let mut answer = connection.transport.ask(&question, TEXT_LIMIT)?;
            let found = protocol::read_references(&mut answer).map_err(broken)?;
            found.into_iter().find(|found| found.name == name)
        };
        let length = if connection.offer.is_sha256 { 64 } else { 40 };
        match found {
            Some(found) if found.id.len() == length && crate::config::includes::is_id(&found.id) => {
                Ok(found.id)
            }
            Some(found) => Err(broken(io::Error::other(format!(
                "`{}` is no id",
                found.id.escape_debug()
            )))),
            None => Err(RemoteError::NoReference {
                url: address.to_string(),
                kind,
                name: reference.name().to_owned(),
            }),
        }
    }

    fn fetch(
        &self,
        state: &mut State,
        address: &Address,
        credentials: Option<&Credentials>,
        id: &str,
        place: &Place,
    ) -> Result<(), RemoteError> {
        let connection = self.connection(state, address, credentials)?;
        if connection.offer.is_sha256 != (id.len() == 64) {
            return Err(RemoteError::NoCommit {
                url: address.to_string(),
                id: id.to_owned(),
                source: io::Error::other(OTHER_IDS),
            });
        }
        place.prepare()?;
        let question = protocol::pack_request(&connection.offer, id, &place.commits());
        let answer = connection.transport.ask(&question, PACK_LIMIT)?;
        let mut pack =
            protocol::read_pack(answer, &connection.offer).map_err(|source| RemoteError::NoCommit {
                url: address.to_string(),
                id: id.to_owned(),
                source,
            })?;
        place.store(&mut pack, address)?;
        verify::verify(&open(place.folder())?.to_thread_local(), id).map_err(|reason| {
            RemoteError::Unsound {
                url: address.to_string(),
                reason,
            }
        })?;
        place.finish(id)
    }

    fn connection<'s>(
        &self,
        state: &'s mut State,
        address: &Address,
        credentials: Option<&Credentials>,
    ) -> Result<&'s mut Connection, RemoteError> {
        use std::collections::hash_map::Entry;
        match state.connections.entry(address.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let mut transport: Box<dyn Transport> = match address {
                    Address::Http(url) => Box::new(http::Http::new(self.shared.clone(), url, credentials)?),
                    Address::Ssh { host, port, path } => {
                        Box::new(ssh::Ssh::start(&self.shared, host, *port, path)?)
                    }
                    Address::Local(_) => {
                        return Err(broken(address, io::ErrorKind::Unsupported.into()));
                    }
                };
                let offer = {
                    let mut first = transport.offer(TEXT_LIMIT)?;
                    protocol::read_offer(&mut first).map_err(|source| broken(address, source))?
                };
                Ok(new.insert(Connection { transport, offer }))
            }
        }
    }
}

fn broken(address: &Address, source: io::Error) -> RemoteError {
    RemoteError::Protocol {
        url: address.to_string(),
        source,
    }
}

/// The name that a server knows, and what messages call it.
fn full_name(reference: &GitReference) -> (String, &'static str) {
    match reference {
        GitReference::Default => ("HEAD".to_owned(), "the default branch"),
        GitReference::Branch(name) => (format!("refs/heads/{name}"), "branch"),
        GitReference::Tag(name) => (format!("refs/tags/{name}"), "tag"),
        GitReference::Commit(id) => (id.clone(), "commit"),
    }
}

/// Opens a repository by its own configuration alone.
fn open(path: &std::path::Path) -> Result<ThreadSafeRepository, RemoteError> {
    let options = gix::open::Options::isolated().config_overrides(CONFIG);
    ThreadSafeRepository::open_opts(path, options).map_err(|source| {
        RemoteError::Git(GitError::Open {
            dir: path.to_owned(),
            source,
        })
    })
}

fn local_id(path: &std::path::Path, reference: &GitReference) -> Result<String, RemoteError> {
    let repo = open(path)?.to_thread_local();
    let (name, kind) = full_name(reference);
    let none = || RemoteError::NoReference {
        url: path.display().to_string(),
        kind,
        name: reference.name().to_owned(),
    };
    let commit = match reference {
        GitReference::Commit(id) => repo
            .rev_parse_single(id.as_str())
            .and_then(|id| id.object())
            .and_then(gix::Object::peel_to_commit)
            .map_err(|_| none())?,
        GitReference::Default => repo.head_commit().map_err(|_| none())?,
        GitReference::Branch(_) | GitReference::Tag(_) => {
            let mut found = repo.find_reference(name.as_str()).map_err(|_| none())?;
            found.peel_to_commit().map_err(|_| none())?
        }
    };
    Ok(commit.id().to_string())
}

/// The files of a commit that is in a repository; the id of a tag that leads to it does too.
fn commit_tree(repo: ThreadSafeRepository, address: &Address, id: &str) -> Result<SourceTree, RemoteError> {
    let local = repo.to_thread_local();
    let none = |source: io::Error| RemoteError::NoCommit {
        url: address.to_string(),
        id: id.to_owned(),
        source,
    };
    let known = ObjectId::from_hex(id.as_bytes()).ok();
    let known = known.filter(|id| id.kind() == local.object_hash());
    let known = known.ok_or_else(|| none(io::Error::other(OTHER_IDS)))?;
    let object = local.find_object(known).and_then(gix::Object::peel_to_commit);
    let found = object.and_then(|commit| read_commit(&commit));
    let found = found.map_err(|error| none(io::Error::other(error.to_string())))?;
    Ok(SourceTree::new(repo, found))
}
