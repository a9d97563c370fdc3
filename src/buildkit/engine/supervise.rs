//! The engine's own processes: namespaces, id maps, pid 1.
//!
//! ```text
//! client ── __ns: setsid; [user namespace, with __map outside it]; mount and PID namespace
//!             └── __init, pid 1 of the namespace: /proc, buildkitd, reaping, the use lock
//!                   └── buildkitd
//! ```
//! `__ns` reads what to start from its standard input. Its standard output is the report pipe, handed on to pid 1,
//! which writes one message and closes it. Everything else goes to the log.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{Pid, setsid};
use serde::{Deserialize, Serialize};

use super::emulators::{self, Emulator};
use super::requirements;

/// This program, also when its file was replaced since it was started.
pub(super) const OWN_PROGRAM: &str = "/proc/self/exe";
pub(super) const NAMESPACES: &str = "__ns";
const MAPS: &str = "__map";
const INIT: &str = "__init";

/// How long buildkitd has for an orderly end.
const ORDERLY_END: std::time::Duration = std::time::Duration::from_secs(5);

/// What is to be started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) folder: PathBuf,
    pub(super) buildkitd: PathBuf,
    pub(super) runc: PathBuf,
    /// The maps of a user namespace, where it needs one.
    pub(super) user_namespace: Option<IdMaps>,
    /// What is registered in it.
    pub(super) emulators: Vec<Emulator>,
}

/// Which ids a user namespace has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum IdMaps {
    /// Those that root has here.
    Same,
    /// An ordinary user's own as root's, and the subordinate ones.
    Subordinate {
        uid: u32,
        gid: u32,
        uids: IdRange,
        gids: IdRange,
    },
}

/// A range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IdRange {
    pub(super) first: u32,
    pub(super) count: u32,
}

/// What the engine's processes report to the client that started them, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Message {
    Ready,
    Failed(String),
    /// Somebody has killed buildkitd before it was ready.
    Killed(String),
    Lacks {
        lack: String,
        remedy: String,
    },
}

impl Start {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Message {
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        serde_json::from_slice(first).unwrap_or_else(|_| Self::Failed("it ended without a word".to_owned()))
    }

    /// Writes it to the report pipe, which is standard output.
    fn report(&self) {
        let line = serde_json::to_string(self).unwrap_or_default();
        let mut out = std::io::stdout();
        // A client that is gone reads no reports.
        drop(writeln!(out, "{line}").and_then(|()| out.flush()));
    }
}

impl From<String> for Message {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// Runs a hidden mode, if the arguments name one.
pub(super) fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let mode = arguments.get(1)?.to_str()?;
    let result = match mode {
        NAMESPACES => namespaces(),
        MAPS => maps(),
        INIT => init(),
        _ => return None,
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            message.report();
            ExitCode::FAILURE
        }
    })
}

fn read_start() -> Result<Start, Message> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read what to start: {error}"))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("cannot read what to start: {error}").into())
}

/// This program again, in another mode, with `start` on its standard input.
fn again(mode: &str, start: &Start) -> Result<Child, Message> {
    let own = |error: std::io::Error| format!("cannot start this program again: {error}");
    let mut child = Command::new(OWN_PROGRAM)
        .arg0("kiel")
        .arg(mode)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(own)?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(&start.to_bytes()).map_err(own)?;
    // Maps wait for the end of their input, pid 1 only reads it.
    if mode == MAPS {
        child.stdin = Some(stdin);
    }
    Ok(child)
}

/// Leads a new session into new namespaces, leaves pid 1 there and ends.
fn namespaces() -> Result<(), Message> {
    let start = read_start()?;
    // A session of its own: a terminal's Ctrl-C is not for the engine.
    setsid().map_err(|error| format!("cannot start a session: {error}"))?;
    if start.user_namespace.is_some() {
        enter_user_namespace(&start)?;
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID).map_err(|error| {
        // AppArmor lets a user namespace be made and takes its rights away.
        let refused = start
            .user_namespace
            .and_then(|_| requirements::refused_namespace());
        match refused {
            Some((lack, remedy)) => Message::Lacks { lack, remedy },
            None => Message::Failed(format!(
                "cannot make mount and PID namespaces: {error}; in a container this needs CAP_SYS_ADMIN"
            )),
        }
    })?;
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_SLAVE,
        None::<&str>,
    )
    .map_err(|error| format!("cannot keep mounts to itself: {error}"))?;
    again(INIT, &start)?;
    Ok(())
}

/// A user namespace has its maps written from outside it: a helper process waits there until it exists.
fn enter_user_namespace(start: &Start) -> Result<(), Message> {
    let mut helper = again(MAPS, start)?;
    if let Err(error) = unshare(CloneFlags::CLONE_NEWUSER) {
        drop(helper.kill().and_then(|()| helper.wait()));
        return Err(match requirements::refused_namespace() {
            Some((lack, remedy)) => Message::Lacks { lack, remedy },
            None => format!("the kernel refuses a user namespace: {error}").into(),
        });
    }
    // The end of its input tells the helper to write.
    drop(helper.stdin.take());
    match helper.wait() {
        Ok(status) if status.success() => Ok(()),
        // The helper itself has reported why, and the first report counts.
        Ok(status) => Err(format!("the id maps were not written: {status}").into()),
        Err(error) => Err(format!("cannot wait for the id maps: {error}").into()),
    }
}

/// Outside the user namespace: waits for the unshare of its parent, then writes the parent's maps.
fn maps() -> Result<(), Message> {
    let start = read_start()?;
    let pid = nix::unistd::getppid().to_string();
    let (uid, gid, uids, gids) = match start.user_namespace {
        Some(IdMaps::Subordinate { uid, gid, uids, gids }) => (uid, gid, uids, gids),
        Some(IdMaps::Same) => return same_ids(&pid),
        None => return Err("there are no ids to map".to_owned().into()),
    };
    for (tool, own, range) in [("newuidmap", uid, uids), ("newgidmap", gid, gids)] {
        let mut command = Command::new(tool);
        command.arg(&pid).args(["0", &own.to_string(), "1"]);
        command.args(["1", &range.first.to_string(), &range.count.to_string()]);
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot run `{tool}`: {error}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Message::Lacks {
                lack: format!("`{tool}` may not map ids: {words}"),
                remedy: format!("chmod u+s $(command -v {tool})"),
            });
        }
    }
    Ok(())
}

/// Every id that is known here is the same one there. Root's stands alone: programs take a whole map in one line for that
/// of the machine itself, and buildkitd would then ask for rights that a user namespace never has.
fn same_ids(pid: &str) -> Result<(), Message> {
    for file in ["uid_map", "gid_map"] {
        let failed = |error: std::io::Error| format!("cannot map ids: {error}");
        let known = fs_err::read_to_string(format!("/proc/self/{file}")).map_err(failed)?;
        let mut map = String::from("0 0 1\n");
        for line in known.lines() {
            let fields: Vec<u32> = line
                .split_whitespace()
                .filter_map(|field| field.parse().ok())
                .collect();
            let [first, _, count] = fields[..] else { continue };
            let (first, count) = match first {
                0 => (1, count - 1),
                first => (first, count),
            };
            if count > 0 {
                map.push_str(&format!("{first} {first} {count}\n"));
            }
        }
        fs_err::write(format!("/proc/{pid}/{file}"), map).map_err(failed)?;
    }
    Ok(())
}

/// Pid 1 of the engine. When it ends, the kernel ends everything in the namespace.
fn init() -> Result<(), Message> {
    let start = read_start()?;
    if std::process::id() != 1 {
        return Err(
            "not pid 1 of a namespace: refusing, its kill would reach the whole machine"
                .to_owned()
                .into(),
        );
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).map_err(|error| {
        format!(
            "cannot mount /proc: {error}; a container needs an unmasked /proc (procMount: Unmasked) for it"
        )
    })?;
    if let Err(reason) = emulators::register(&start.emulators, &start.folder) {
        // Most of a build may need none: the command that does tells it.
        drop(writeln!(std::io::stderr(), "{reason}"));
    }
    let alive = start.folder.join("alive.lock");
    // Free by now: whoever starts an engine has seen the end of the one before.
    let _alive = open_lock(&alive)?;
    _alive
        .lock()
        .map_err(|error| format!("cannot lock `{}`: {error}", alive.display()))?;
    let lock = open_lock(&start.folder.join("use.lock"))?;
    let notify_path = start.folder.join("notify");
    drop(fs_err::remove_file(&notify_path));
    let notify =
        UnixDatagram::bind(&notify_path).map_err(|error| format!("cannot listen for readiness: {error}"))?;
    let buildkitd = spawn_buildkitd(&start, &notify_path)?;
    let buildkitd = Pid::from_raw(buildkitd.id().cast_signed());
    std::thread::spawn(move || wait_for_readiness(&notify));
    std::thread::spawn(move || end_with_last_client(&lock, buildkitd));
    reap(buildkitd);
    Ok(())
}

fn open_lock(path: &Path) -> Result<File, Message> {
    let opened = OpenOptions::new().read(true).append(true).open(path);
    opened.map_err(|error| format!("cannot open `{}`: {error}", path.display()).into())
}

fn spawn_buildkitd(start: &Start, notify: &Path) -> Result<Child, Message> {
    let folder = &start.folder;
    let log = File::options().append(true).open(folder.join("log"));
    let log = log.map_err(|error| format!("cannot open the log: {error}"))?;
    let mut command = Command::new(&start.buildkitd);
    command.arg("--config").arg(folder.join("buildkitd.toml"));
    command
        .arg("--addr")
        .arg(format!("unix://{}", folder.join("sock").display()));
    command.arg("--root").arg(folder.join("root"));
    // The default path is one for all engines of a user; two engines would fight for it.
    command.arg("--otel-socket-path").arg(folder.join("otel.sock"));
    command.arg("--oci-worker-binary").arg(&start.runc);
    // Its rootless defaults need a user that is not root and a runtime folder.
    command
        .env("USER", "kiel")
        .env("XDG_RUNTIME_DIR", folder)
        .env("HOME", folder)
        .env("NOTIFY_SOCKET", notify);
    let spawned = command.stdin(Stdio::null()).stdout(log).spawn();
    spawned.map_err(|error| format!("cannot run `{}`: {error}", start.buildkitd.display()).into())
}

/// buildkitd tells systemd's way that it listens.
fn wait_for_readiness(notify: &UnixDatagram) {
    let mut buffer = [0; 512];
    while let Ok(length) = notify.recv(&mut buffer) {
        if buffer[..length]
            .split(|byte| *byte == b'\n')
            .any(|line| line == b"READY=1")
        {
            Message::Ready.report();
            close_report();
            return;
        }
    }
}

/// Replaces the report pipe, so that its reader sees the end.
fn close_report() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _kept_open_on_failure = nix::unistd::dup2_stdout(null);
    }
}

/// Takes the use lock alone: granted when the last client is gone. Then everything in the namespace ends but pid 1,
/// which ends itself when nothing is left; until then the lock keeps new clients waiting.
///
/// buildkitd may end in order first: killed between two writes it leaves a snapshot's folder that its database does
/// not know, and a later build fails on that folder once.
fn end_with_last_client(lock: &File, buildkitd: Pid) {
    let granted = lock.lock();
    if kill(buildkitd, Signal::SIGTERM).is_ok() {
        // Its end is seen by who reaps, and ends pid 1 before this time is over.
        std::thread::sleep(ORDERLY_END);
    }
    kill_all();
    if granted.is_ok() {
        loop {
            std::thread::park();
        }
    }
}

/// Everything in this PID namespace but pid 1. Only pid 1 may call it.
fn kill_all() {
    let _nothing_left_to_kill = kill(Pid::from_raw(-1), Signal::SIGKILL);
}

/// Reaps whatever ends; without buildkitd the rest ends too.
fn reap(buildkitd: Pid) {
    loop {
        match wait() {
            Ok(status) if status.pid() == Some(buildkitd) => {
                let ended =
                    |how: i32| format!("buildkitd ended with {}", std::process::ExitStatus::from_raw(how));
                let message = match status {
                    WaitStatus::Exited(_, code) => Message::Failed(ended(code << 8)),
                    WaitStatus::Signaled(_, signal, _) => Message::Killed(ended(signal as i32)),
                    _ => continue,
                };
                // Nobody reads this any more if it was ready before.
                message.report();
                close_report();
                kill_all();
            }
            Err(Errno::ECHILD) => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_pipe() {
        for message in [
            Message::Ready,
            Message::Failed("a\nb".to_owned()),
            Message::Killed("x".to_owned()),
            Message::Lacks {
                lack: "x".to_owned(),
                remedy: "y".to_owned(),
            },
        ] {
            let mut bytes = serde_json::to_vec(&message).unwrap();
            bytes.push(b'\n');
            // What comes after the first message does not count.
            bytes.extend_from_slice(b"{}\n");
            assert_eq!(Message::from_bytes(&bytes), message);
        }
        assert!(matches!(Message::from_bytes(b""), Message::Failed(_)));
    }

    #[test]
    fn only_its_own_modes_are_hidden() {
        let arguments = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(run(&arguments(&["kiel"])).is_none());
        assert!(run(&arguments(&["kiel", "build"])).is_none());
    }
}
