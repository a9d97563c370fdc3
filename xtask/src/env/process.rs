//! Processes that outlive this program: started in sessions of their own, remembered, ended by id.
//!
//! A record holds the process id and its start time, so that an id that the kernel gave to someone else in
//! the meantime is never touched.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    id: i32,
    started: u64,
}

impl Process {
    /// Starts a command in its own session with its output in `log`, and remembers it in `record`.
    pub(crate) fn start(command: &Command, log: &Path, record: &Path) -> Result<Self> {
        let file = fs_err::File::create(log)?.into_parts().0;
        // `setsid` replaces itself by the program: the id is the program's own.
        let mut detached = Command::new("setsid");
        detached.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => detached.env(name, value),
                None => detached.env_remove(name),
            };
        }
        detached
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = detached
            .spawn()
            .with_context(|| format!("cannot start `{}`", command.get_program().to_string_lossy()))?;
        let id = i32::try_from(child.id()).context("process id out of range")?;
        let process = Self {
            id,
            started: start_time(id).context("the process ended at once")?,
        };
        fs_err::write(record, format!("{} {}\n", process.id, process.started))?;
        Ok(process)
    }

    /// The process that a record names, if it is still alive.
    pub(crate) fn recorded(record: &Path) -> Option<Self> {
        let text = fs_err::read_to_string(record).ok()?;
        let (id, started) = text.trim().split_once(' ')?;
        let process = Self {
            id: id.parse().ok()?,
            started: started.parse().ok()?,
        };
        process.alive().then_some(process)
    }

    /// Its process id.
    pub(crate) fn id(self) -> i32 {
        self.id
    }

    /// Whether it still runs.
    pub(crate) fn alive(self) -> bool {
        start_time(self.id) == Some(self.started)
    }

    /// Ends it with a signal and waits until it is gone.
    pub(crate) fn end(self, signal: Signal) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        if self.alive() {
            kill(Pid::from_raw(self.id), signal)
                .with_context(|| format!("cannot end process {}", self.id))?;
        }
        while self.alive() {
            anyhow::ensure!(Instant::now() < deadline, "process {} does not end", self.id);
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// Start time in clock ticks since boot; `None` for a process that is gone or only waits to be reaped.
fn start_time(id: i32) -> Option<u64> {
    let text = fs_err::read_to_string(PathBuf::from(format!("/proc/{id}/stat"))).ok()?;
    // The program's name is in parentheses and may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    fields.get(19)?.parse().ok()
}
