//! The ephemeral engine: a buildkitd that runs as long as somebody uses it and leaves nothing behind.
//!
//! Three lock files in the state folder decide, and the kernel releases them however a process dies:
//! - `use.lock` is held shared by every client for life. Pid 1 of the engine waits to hold it alone: then the last
//!   client is gone, and it ends everything in its namespace, itself last.
//! - `start.lock` is held alone by the client that looks whether an engine runs, and starts one if none does.
//! - `alive.lock` is held alone by pid 1 for life: an engine that is about to end still has its socket.
//!
//! The engine lives in mount and PID namespaces of its own (and, for an ordinary user, in a user namespace with
//! the user's subordinate ids; for root in one with the same ids, where emulators have to be registered), so that a kill -9 of any of its processes, or of all clients, ends all of it. No
//! death signals: they fire when a thread ends. One state folder per user and configuration; concurrent runs share
//! the running engine and its cache.
//!
//! It deliberately does not install buildkitd, and does not watch an engine that it has not started itself.

mod config;
mod emulators;
mod requirements;
mod supervise;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

pub use emulators::{Emulator, emulators};

use super::{Address, Client};
use crate::registry::RegistryOptions;
use supervise::{IdMaps, Message, Start};

/// The version of BuildKit that kiel is tested with.
pub const BUILDKIT_VERSION: &str = "0.32.2";
/// What an engine may see of the environment of the process that starts it.
pub const ENVIRONMENT: [&str; 9] = [
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// By default an engine cuts the log of a step after 2 MiB, and drops what comes faster than 200 KiB a second.
const WHOLE_LOGS: [(&str, &str); 2] = [
    ("BUILDKIT_STEP_LOG_MAX_SIZE", "-1"),
    ("BUILDKIT_STEP_LOG_MAX_SPEED", "-1"),
];
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long an engine that does not answer has to end.
const END_LIMIT: Duration = Duration::from_secs(15);
/// Socket addresses are shorter than 108 bytes, with their final zero.
const SOCKET_LIMIT: usize = 107;

/// What an engine is started with. Two runs with equal options share one.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The folder under which engines keep their states; it must belong to the user alone.
    pub state_home: PathBuf,
    /// The program `buildkitd`.
    pub buildkitd: PathBuf,
    /// The program `runc` (or `buildkit-runc`).
    pub runc: PathBuf,
    /// How registries are reached; credentials don't go to the engine.
    pub registry: RegistryOptions,
    /// The registries of this run; the engine is told which of them may be reached over plain http, and the files of
    /// the certificate authorities of each.
    pub registry_hosts: BTreeSet<String>,
    /// Those of them that were found to speak TLS: on this machine itself an engine expects plain http.
    pub tls_hosts: BTreeSet<String>,
    /// The variables of [`ENVIRONMENT`] that are set.
    pub environment: BTreeMap<OsString, OsString>,
    /// What runs programs of other architectures, where the machine does not by itself.
    pub emulators: Vec<Emulator>,
    /// The kiel program, which becomes the engine's pid 1; without it the running program.
    pub kiel: Option<PathBuf>,
}

impl EngineOptions {
    /// The part about registries of the configuration that an engine with these options has. One that others have
    /// started needs the same in its own `buildkitd.toml`.
    #[must_use]
    pub fn registries(&self) -> String {
        config::registries(self)
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no buildkitd.
    #[error(
        "cannot find `{name}`: put buildkitd and runc of BuildKit {BUILDKIT_VERSION} on PATH (its release archives hold both), or set BUILDKIT_HOST to a running BuildKit"
    )]
    Program {
        /// The program that is missing.
        name: String,
    },
    /// The state folder cannot be used.
    #[error("cannot use engine state `{path}`: {reason}")]
    State {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// This user may not run an engine as the machine stands.
    #[error(
        "cannot start a rootless engine: {lack}; as root: `{remedy}`, or set BUILDKIT_HOST to a running BuildKit"
    )]
    Requirement {
        /// What is missing.
        lack: String,
        /// The command that grants it.
        remedy: String,
    },
    /// It did not come up.
    #[error("cannot start the engine: {reason}; its log is `{log}`{last_lines}")]
    Start {
        /// The cause.
        reason: String,
        /// The log file.
        log: PathBuf,
        /// The log's last lines, with a separator before them, or nothing.
        last_lines: String,
    },
}

/// A running engine, kept running while this value lives.
#[derive(Debug)]
pub struct Engine {
    address: Address,
    /// Whether this run has started it.
    pub started: bool,
    _in_use: File,
}

impl Engine {
    /// Joins the engine of these options, or starts it. It answers on its socket when this returns.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn ensure(options: &EngineOptions) -> Result<Self, EngineError> {
        let found = |path: &Path, name: &str| {
            if path.is_file() {
                Ok(())
            } else {
                Err(EngineError::Program {
                    name: name.to_owned(),
                })
            }
        };
        found(&options.buildkitd, "buildkitd")?;
        found(&options.runc, "runc")?;
        let config = config::render(options);
        let folder = options.state_home.join(config::state_name(&config));
        let socket = folder.join("sock");
        if socket.as_os_str().len() > SOCKET_LIMIT {
            let reason =
                format!("its socket's path is longer than {SOCKET_LIMIT} bytes; choose a shorter folder");
            return Err(EngineError::State { path: socket, reason });
        }
        make_folder(&folder)?;
        let in_use = lock(folder.join("use.lock"), File::lock_shared).await?;
        let starting = lock(folder.join("start.lock"), File::lock).await?;
        let address = Address::Unix(socket);
        let started = !joins(&folder, &address).await?;
        if started {
            start(options, &folder, &config).await?;
        }
        drop(starting);
        Ok(Self {
            address,
            started,
            _in_use: in_use,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

/// Whether an engine runs and answers; waits for the end of one that does not.
async fn joins(folder: &Path, address: &Address) -> Result<bool, EngineError> {
    let path = folder.join("alive.lock");
    if lock(path.clone(), |file| file.try_lock_shared().map_err(Into::into))
        .await
        .is_ok()
    {
        return Ok(false);
    }
    if Client::connect(address).await.is_ok() {
        return Ok(true);
    }
    let ended = tokio::time::timeout(END_LIMIT, lock(path.clone(), File::lock_shared)).await;
    ended.map_or_else(
        |_| {
            let reason = format!(
                "an engine that does not answer runs there and does not end within {} s; end its processes",
                END_LIMIT.as_secs()
            );
            Err(EngineError::State { path, reason })
        },
        |ended| ended.map(|_| false),
    )
}

/// The program of this name in a search path, as PATH is one.
#[must_use]
pub fn find_program(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_program = |path: &PathBuf| {
        fs_err::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(search_path)
        .map(|folder| folder.join(name))
        .find(is_program)
}

/// The start-up modes by which the program becomes a part of its own engine. To be called first in `main`, before
/// any thread exists; `None` when this is an ordinary start.
#[must_use]
pub fn hidden_mode(arguments: &[OsString]) -> Option<ExitCode> {
    supervise::run(arguments)
}

/// The engine's folder and those above it, for the user alone.
fn make_folder(folder: &Path) -> Result<(), EngineError> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.map_err(|error| EngineError::State {
        path: folder.to_owned(),
        reason: error.to_string(),
    })
}

async fn lock(path: PathBuf, take: fn(&File) -> std::io::Result<()>) -> Result<File, EngineError> {
    let fail = |path: &Path, error: std::io::Error| EngineError::State {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let locked = tokio::task::spawn_blocking(move || {
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(|error| fail(&path, error))?;
        take(&file).map_err(|error| fail(&path, error))?;
        Ok(file)
    });
    locked.await.expect("taking a lock does not panic")
}

/// Starts the engine's pid 1 and waits until the engine says that it is ready. The caller holds both locks.
async fn start(options: &EngineOptions, folder: &Path, config: &str) -> Result<(), EngineError> {
    let user_namespace = match (nix::unistd::getuid().is_root(), options.emulators.is_empty()) {
        (true, true) => None,
        (true, false) => Some(IdMaps::Same),
        (false, _) => {
            let search_path = options
                .environment
                .get(OsStr::new("PATH"))
                .cloned()
                .unwrap_or_default();
            Some(requirements::id_maps(&search_path)?)
        }
    };
    let log_path = folder.join("log");
    let state = |path: &Path, error: std::io::Error| EngineError::State {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    clear_leftovers(folder);
    let config_path = folder.join("buildkitd.toml");
    fs_err::write(&config_path, config).map_err(|error| state(&config_path, error))?;
    let log = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&log_path);
    let log = log.map_err(|error| state(&log_path, error))?;
    let kiel = options
        .kiel
        .clone()
        .unwrap_or_else(|| supervise::OWN_PROGRAM.into());
    let start = Start {
        folder: folder.to_owned(),
        buildkitd: options.buildkitd.clone(),
        runc: options.runc.clone(),
        user_namespace,
        emulators: options.emulators.clone(),
    };
    let launch = || {
        let log = log.try_clone().map_err(|error| state(&log_path, error))?;
        launch(&kiel, options, &start, log).map_err(|error| state(&kiel, error))
    };
    let mut message = read_message(launch()?).await;
    if matches!(message, Some(Message::Killed(_))) {
        // As an engine that is lost later: once more.
        message = read_message(launch()?).await;
    }
    let reason = match message {
        Some(Message::Ready) => return Ok(()),
        Some(Message::Lacks { lack, remedy }) => return Err(EngineError::Requirement { lack, remedy }),
        Some(Message::Failed(reason) | Message::Killed(reason)) => reason,
        None => format!("it was not ready within {} s", START_LIMIT.as_secs()),
    };
    let last_lines = last_lines(&log_path);
    Err(EngineError::Start {
        reason,
        log: log_path,
        last_lines,
    })
}

/// Starts the first of the engine's processes; tells the end of the pipe on which it reports.
fn launch(kiel: &Path, options: &EngineOptions, start: &Start, log: File) -> std::io::Result<OwnedFd> {
    let (told, report) = std::io::pipe()?;
    let mut child = Command::new(kiel)
        .arg0("kiel")
        .arg(supervise::NAMESPACES)
        .env_clear()
        .envs(&options.environment)
        .envs(WHOLE_LOGS)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(report)
        .stderr(log)
        .spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(&start.to_bytes())?;
    drop(stdin);
    // It ends as soon as the namespaces stand; its child is reparented, not ours.
    tokio::task::spawn_blocking(move || child.wait());
    Ok(told.into())
}

/// The one message of the engine's processes; its absence is a failure too.
async fn read_message(told: OwnedFd) -> Option<Message> {
    let read = async {
        let mut pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(told).ok()?;
        let mut bytes = Vec::new();
        // Pid 1 keeps the pipe open only until it has spoken.
        pipe.read_to_end(&mut bytes).await.ok()?;
        Some(Message::from_bytes(&bytes))
    };
    tokio::time::timeout(START_LIMIT, read).await.ok().flatten()
}

/// What a killed engine leaves: runtime folders of its steps and, as root, their empty cgroups.
fn clear_leftovers(folder: &Path) {
    drop(fs_err::remove_dir_all(
        folder.join("root/runc-overlayfs/executor"),
    ));
    drop(fs_err::remove_file(folder.join("sock")));
    if !nix::unistd::getuid().is_root() {
        return;
    }
    let controllers = fs_err::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let parents = controllers.map(|controller| controller.path().join("buildkit"));
    for parent in parents.chain([PathBuf::from("/sys/fs/cgroup/buildkit")]) {
        for group in fs_err::read_dir(parent).into_iter().flatten().flatten() {
            // A young one may be of a step of another engine that is just about to enter it; one that is in use
            // cannot be removed.
            let age = group
                .metadata()
                .and_then(|found| found.modified())
                .ok()
                .and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age > Duration::from_secs(60)) {
                drop(fs_err::remove_dir(group.path()));
            }
        }
    }
}

fn last_lines(log: &Path) -> String {
    let text = fs_err::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    let lines: Vec<String> = lines.into_iter().rev().map(super::error::clean).collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!(", which ends with:\n{}", lines.join("\n"))
    }
}
