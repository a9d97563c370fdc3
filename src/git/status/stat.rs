//! Many files at once: whether size, times and mode are those of the index, by all processors.
//!
//! It tells only what is unchanged for certain; the rest is looked at one by one by its caller.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gix::bstr::{BStr, ByteSlice};
use gix::index::entry::{Flags, Mode, Stat, stat};
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{FileStat, fstatat, lstat};

/// How many files a thread takes at once.
const CHUNK: usize = 512;

/// What files are compared with.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) root: &'a Path,
    pub(super) index: &'a gix::index::File,
    pub(super) stat: stat::Options,
    pub(super) symlinks: bool,
    pub(super) executable_bit: bool,
}

impl Look<'_> {
    /// The places in the index, of these, whose files may have changed; `other` runs meanwhile on this thread.
    pub(super) fn beside<E>(
        self,
        mut entries: Vec<usize>,
        other: impl FnOnce() -> Result<(), E>,
    ) -> Result<Vec<usize>, E> {
        // Scopes may overlap; neighbours share their folders.
        entries.sort_unstable();
        entries.dedup();
        let (next, suspects) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            let mut looker = Looker::new(self);
            let mut found = Vec::new();
            while let Some(chunk) = entries.chunks(CHUNK).nth(next.fetch_add(1, Ordering::Relaxed)) {
                found.extend(chunk.iter().copied().filter(|at| !looker.is_unchanged(*at)));
            }
            suspects
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(found);
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let helpers = (threads - 1).min(entries.len() / CHUNK);
        std::thread::scope(|scope| {
            for _ in 0..helpers {
                scope.spawn(work);
            }
            let done = other();
            work();
            done
        })?;
        Ok(suspects.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One thread's eyes.
struct Looker<'a> {
    look: Look<'a>,
    /// The folder of the file before, if it is one and not a link.
    folder: Option<(&'a BStr, Option<OwnedFd>)>,
    /// Folders that are folders.
    known: HashSet<&'a BStr>,
}

impl<'a> Looker<'a> {
    fn new(look: Look<'a>) -> Self {
        Self {
            look,
            folder: None,
            known: HashSet::new(),
        }
    }

    fn is_unchanged(&mut self, at: usize) -> bool {
        let index = self.look.index;
        let entry = index.entry(at);
        if entry.flags.intersects(Flags::ASSUME_VALID | Flags::SKIP_WORKTREE) {
            return true;
        }
        let path = entry.path(index);
        let (folder, name) = match path.rfind_byte(b'/') {
            Some(slash) => (path[..slash].as_bstr(), path[slash + 1..].as_bytes()),
            None => (b"".as_bstr(), path.as_bytes()),
        };
        if self.folder.as_ref().is_none_or(|(open, _)| *open != folder) {
            self.folder = Some((folder, self.open(folder)));
        }
        let Some((_, Some(open))) = &self.folder else {
            return false;
        };
        let Ok(found) = fstatat(open, name, AtFlags::AT_SYMLINK_NOFOLLOW) else {
            return false;
        };
        let stat = stat_of(&found);
        self.has_mode(entry.mode, &found)
            && stat.matches(&entry.stat, self.look.stat)
            // Git marks entries whose times cannot be trusted by the size 0.
            && (entry.stat.size > 0 || entry.id.is_empty_blob())
            && !stat.is_racy(index.timestamp(), self.look.stat)
    }

    fn has_mode(&self, mode: Mode, found: &FileStat) -> bool {
        const KIND: u32 = 0o170_000;
        match found.st_mode & KIND {
            0o100_000 => {
                let is_executable = found.st_mode & 0o100 != 0;
                match mode {
                    Mode::FILE => !self.look.executable_bit || !is_executable,
                    Mode::FILE_EXECUTABLE => !self.look.executable_bit || is_executable,
                    _ => false,
                }
            }
            0o120_000 => mode == Mode::SYMLINK && self.look.symlinks,
            _ => false,
        }
    }

    /// Opens a folder of the work tree; no part of its path may be a link.
    fn open(&mut self, folder: &'a BStr) -> Option<OwnedFd> {
        let root = self.look.root;
        for slash in folder.find_iter("/") {
            let above = folder[..slash].as_bstr();
            if !self.known.contains(above) {
                let found = lstat(&root.join(gix::path::from_bstr(above).ok()?)).ok()?;
                if found.st_mode & 0o170_000 != 0o040_000 {
                    return None;
                }
                self.known.insert(above);
            }
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let flags = if folder.is_empty() {
            flags - OFlag::O_NOFOLLOW
        } else {
            flags
        };
        let path = root.join(gix::path::from_bstr(folder).ok()?);
        open(&path, flags, nix::sys::stat::Mode::empty()).ok()
    }
}

/// As Git records it: the low 32 bits of everything.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only the low bits are compared"
)]
fn stat_of(found: &FileStat) -> Stat {
    let time = |secs: i64, nsecs: i64| stat::Time {
        secs: secs as u32,
        nsecs: nsecs as u32,
    };
    Stat {
        mtime: time(found.st_mtime, found.st_mtime_nsec),
        ctime: time(found.st_ctime, found.st_ctime_nsec),
        dev: found.st_dev as u32,
        ino: found.st_ino as u32,
        uid: found.st_uid,
        gid: found.st_gid,
        size: found.st_size as u32,
    }
}
