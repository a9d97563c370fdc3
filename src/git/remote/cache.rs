//! Bare repositories below one folder, one for each address: commits that were fetched, without their history.
//!
//! A commit counts from the moment when its reference `refs/kiel/ID` is there, which is written last: a run that was
//! killed leaves a pack that nothing names, and the next one fetches again. Only one run at a time writes into a
//! repository, under a lock of the file system that ends with its holder; readers need none, since packs are only added.

use std::io::{self, BufRead, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gix::progress::Discard;
use gix_pack::Bundle;
use gix_pack::bundle::write::Options;

use super::{Address, RemoteError, Shared};

/// No object of a pack may be larger once it is unpacked.
const LARGEST_OBJECT: usize = 1 << 30;

/// A server is told of so many commits that are here.
const MOST_COMMITS_TOLD: usize = 32;

/// All of them.
pub(super) struct Cache {
    folder: PathBuf,
}

/// One repository of the cache.
pub(super) struct Place {
    folder: PathBuf,
    is_sha256: bool,
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The place of a repository, which may not be there yet. Its name tells nothing of credentials.
    pub(super) fn place(&self, address: &Address, is_sha256: bool) -> Place {
        let hash = blake3::hash(address.to_string().as_bytes()).to_hex();
        let format = if is_sha256 { "-sha256" } else { "" };
        Place {
            folder: self.folder.join(format!("{}{format}.git", &hash[..32])),
            is_sha256,
        }
    }
}

impl Place {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether all of a commit is here; `id` is a whole id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.marks().join(id).is_file()
    }

    /// Commits that are here, the latest ones.
    pub(super) fn commits(&self) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.marks()) else {
            return Vec::new();
        };
        let mut found: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let time = entry.metadata().ok()?.modified().ok()?;
                crate::config::includes::is_id(&name).then_some((time, name))
            })
            .collect();
        found.sort();
        let latest = found.into_iter().rev().take(MOST_COMMITS_TOLD);
        latest.map(|(_, name)| name).collect()
    }

    /// Waits until no other run writes here. The lock ends with the value, and with the process.
    pub(super) fn lock(&self, shared: &Shared) -> Result<fs_err::File, RemoteError> {
        let path = self.folder.with_extension("lock");
        let taken = self.make_folder(self.folder.parent().unwrap_or(Path::new("/")));
        let opened = taken.and_then(|()| {
            let mut options = fs_err::OpenOptions::new();
            options.write(true).create(true).truncate(false).open(&path)
        });
        let error = |source| RemoteError::Cache {
            path: path.clone(),
            source,
        };
        let file = opened.map_err(error)?;
        let wait = move || file.file().lock().map(|()| file);
        let taken = shared.wait(|| tokio::task::spawn_blocking(wait))?;
        taken
            .map_err(io::Error::other)
            .and_then(|taken| taken)
            .map_err(error)
    }

    /// Makes the repository where it is not there, and removes what killed runs have left. Under the lock.
    pub(super) fn prepare(&self) -> Result<(), RemoteError> {
        self.try_prepare().map_err(|source| self.error(source))
    }

    fn try_prepare(&self) -> io::Result<()> {
        for folder in [self.packs(), self.marks()] {
            self.make_folder(&folder)?;
        }
        let config = if self.is_sha256 {
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = sha256\n"
        } else {
            "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
        };
        self.write("config", config)?;
        self.write("HEAD", "ref: refs/heads/none\n")?;
        for entry in fs_err::read_dir(self.packs())? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with("pack-") {
                fs_err::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Takes a pack in. Under the lock.
    pub(super) fn store(&self, pack: &mut dyn BufRead, address: &Address) -> Result<(), RemoteError> {
        let hash = if self.is_sha256 {
            gix::hash::Kind::Sha256
        } else {
            gix::hash::Kind::Sha1
        };
        let options = Options {
            alloc_limit_bytes: Some(LARGEST_OBJECT),
            ..Options::default()
        };
        let (mut progress, never) = (Discard, AtomicBool::new(false));
        let outcome = Bundle::write_to_directory(
            pack,
            Some(&self.packs()),
            &mut progress,
            &never,
            None::<gix::objs::find::Never>,
            hash,
            options,
        );
        let outcome = outcome.map_err(|error| super::broken(address, io::Error::other(error.to_string())))?;
        if let Some(keep) = outcome.keep_path {
            fs_err::remove_file(keep).map_err(|source| self.error(source))?;
        }
        Ok(())
    }

    /// Notes that all of a commit is here. Under the lock.
    pub(super) fn finish(&self, id: &str) -> Result<(), RemoteError> {
        let mut ids = self.all_commits();
        ids.push(id.to_owned());
        ids.sort();
        // Git itself must not look for what lies before them.
        let shallow = ids.join("\n") + "\n";
        let written = self
            .write("shallow", &shallow)
            .and_then(|()| self.write(&format!("refs/kiel/{id}"), &format!("{id}\n")));
        written.map_err(|source| self.error(source))
    }

    fn all_commits(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.marks()).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter(|name| crate::config::includes::is_id(name))
            .collect()
    }

    fn packs(&self) -> PathBuf {
        self.folder.join("objects/pack")
    }

    fn marks(&self) -> PathBuf {
        self.folder.join("refs/kiel")
    }

    /// Whole or not at all; nothing where it is so already.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.folder.join(name);
        if fs_err::read_to_string(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// What is in the cache may be private.
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
    }

    fn error(&self, source: io::Error) -> RemoteError {
        RemoteError::Cache {
            path: self.folder.clone(),
            source,
        }
    }
}
