//! When to look for a change: notifications of folders, and every second where there are none.
//!
//! Watched are the folder of the repository with its refs, and with `--dev` the folders of the work tree that have
//! files which count. A notification says that something may have changed, never what.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use tokio::io::unix::AsyncFd;

use crate::cli::error::CommandError;
use crate::git::Repository;

/// How often is looked where the system notifies of nothing.
const POLL: Duration = Duration::from_secs(1);
/// How long a burst of changes, as of a checkout, may go on before it is looked at.
const BURST: Duration = Duration::from_millis(50);
/// More folders than that are not watched.
const MAX_FOLDERS: usize = 65_536;

/// Tells of changes since it was made.
pub(super) struct Watch(Way);

enum Way {
    Notified(AsyncFd<OwnedFd>),
    Polled(String),
}

impl Watch {
    /// Watches a project's repository, and with `files` its work tree.
    pub(super) fn new(repository: &Repository, files: bool) -> Result<Self, CommandError> {
        let mut folders = repository.watched_folders();
        if files {
            folders.extend(repository.work_tree_folders()?);
        }
        Ok(Self(match notified(&folders) {
            Ok(inotify) => Way::Notified(inotify),
            Err(reason) => Way::Polled(reason),
        }))
    }

    /// Why there are no notifications.
    pub(super) fn fallback(&self) -> Option<&str> {
        match &self.0 {
            Way::Notified(_) => None,
            Way::Polled(reason) => Some(reason),
        }
    }

    /// Waits until something may have changed.
    pub(super) async fn changed(&mut self) -> Result<(), CommandError> {
        let Way::Notified(inotify) = &self.0 else {
            tokio::time::sleep(POLL).await;
            return Ok(());
        };
        take(inotify).await?;
        // More may follow: an editor writes a file in three steps, a checkout thousands of files.
        while tokio::time::timeout(BURST, take(inotify)).await.is_ok() {}
        Ok(())
    }
}

/// Takes the notifications that are there, after the first; none of them is looked at.
async fn take(inotify: &AsyncFd<OwnedFd>) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let mut ready = inotify.readable().await?;
        if let Ok(taken) = ready.try_io(|inotify| Ok(nix::unistd::read(inotify.get_ref(), &mut buffer)?)) {
            return taken.map(|_| ());
        }
    }
}

fn notified(folders: &BTreeSet<PathBuf>) -> Result<AsyncFd<OwnedFd>, String> {
    if folders.len() > MAX_FOLDERS {
        return Err(format!("there are {} folders", folders.len()));
    }
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
        .map_err(|error| format!("the system notifies of no changes: {error}"))?;
    let changes = AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_MOVE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_ATTRIB
        | AddWatchFlags::IN_ONLYDIR;
    for folder in folders {
        match inotify.add_watch(folder, changes) {
            // It was there when it was listed; what is gone is a change that is seen above it.
            Ok(_) | Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => {}
            Err(error) => return Err(format!("cannot watch `{}`: {error}", folder.display())),
        }
    }
    #[expect(
        deprecated,
        reason = "an OwnedFd is the same descriptor as long as it lives, which is what the new form has callers promise"
    )]
    AsyncFd::new(OwnedFd::from(inotify)).map_err(|error| error.to_string())
}
