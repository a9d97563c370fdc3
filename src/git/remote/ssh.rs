//! Git over SSH: the system's `ssh` runs `git-upload-pack` on the other machine.
//!
//! `ssh` is the user's own, with their configuration, agent and known hosts; it is never asked anything, and gets nothing
//! that a repository or a server has chosen but the address, which [`Address`](super::Address) has checked.

use std::io::{self, Read, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::Ordering;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::http::too_long;
use super::{RemoteError, Shared, Transport};

/// As much of what `ssh` complains about is told.
const LONGEST_COMPLAINT: u64 = 2000;

/// A running `ssh`.
pub(super) struct Ssh {
    address: String,
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    is_first: bool,
    /// Ends the watch over it.
    _watch: DropGuard,
}

impl Ssh {
    pub(super) fn start(
        shared: &Shared,
        host: &str,
        port: Option<u16>,
        path: &str,
    ) -> Result<Self, RemoteError> {
        let address = format!("ssh://{host}/{}", path.trim_start_matches('/'));
        let mut command = Command::new("ssh");
        command.args(["-o", "SendEnv=GIT_PROTOCOL", "-o", "BatchMode=yes", "-T"]);
        for key in &shared.ssh_keys {
            command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(key);
        }
        if let Some(port) = port {
            command.args(["-p", &port.to_string()]);
        }
        let quoted = path.replace('\'', "'\\''");
        command
            .args(["--", host])
            .arg(format!("git-upload-pack '{quoted}'"))
            .env("GIT_PROTOCOL", "version=2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let failed = |source| RemoteError::Ssh {
            address: address.clone(),
            source,
        };
        let mut child = command.spawn().map_err(failed)?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        let pid = i32::try_from(child.id()).map(Pid::from_raw).ok();
        let (cancel, done) = (shared.cancel.clone(), CancellationToken::new());
        let is_done = done.clone();
        shared.runtime.spawn(async move {
            tokio::select! {
                () = is_done.cancelled() => {}
                // Who reads its answers waits for nothing else.
                () = cancel.cancelled() => {
                    _ = pid.map(|pid| kill(pid, Signal::SIGTERM));
                }
            }
        });
        Ok(Self {
            address,
            child,
            to,
            from,
            is_first: true,
            _watch: done.drop_guard(),
        })
    }

    /// What `ssh` has said, when it ended without an answer.
    fn complaint(&mut self) -> io::Error {
        let mut said = Vec::new();
        if let Some(from) = self.child.stderr.take() {
            // Without its words the error says that the connection has ended.
            _ = from.take(LONGEST_COMPLAINT).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        let said: String = said
            .trim()
            .chars()
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect();
        match said.as_str() {
            "" => io::ErrorKind::UnexpectedEof.into(),
            said => io::Error::other(said),
        }
    }
}

/// Reads at most so much.
struct Bounded<'a> {
    from: &'a mut ChildStdout,
    left: u64,
    limit: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(to)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| too_long(self.limit))?;
        Ok(count)
    }
}

impl Transport for Ssh {
    fn offer(&mut self, limit: u64) -> Result<Box<dyn Read + '_>, RemoteError> {
        if std::mem::take(&mut self.is_first) {
            let mut first = [0; 4];
            if self.from.read_exact(&mut first).is_err() {
                return Err(RemoteError::Ssh {
                    address: self.address.clone(),
                    source: self.complaint(),
                });
            }
            let rest = Bounded {
                from: &mut self.from,
                left: limit,
                limit,
            };
            return Ok(Box::new(io::Cursor::new(first).chain(rest)));
        }
        Err(RemoteError::Ssh {
            address: self.address.clone(),
            source: io::ErrorKind::UnexpectedEof.into(),
        })
    }

    fn ask(&mut self, question: &[u8], limit: u64) -> Result<Box<dyn Read + '_>, RemoteError> {
        let failed = |source| RemoteError::Ssh {
            address: self.address.clone(),
            source,
        };
        self.to.write_all(question).map_err(failed)?;
        self.to.flush().map_err(failed)?;
        Ok(Box::new(io::BufReader::new(Bounded {
            from: &mut self.from,
            left: limit,
            limit,
        })))
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        // It may have ended; then there is nobody to end.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
