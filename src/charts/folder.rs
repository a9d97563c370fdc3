//! A folder of the disk as a tree of files.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use kiel_chart::Warning;
use kiel_template::files::{Content, FileError, FileTree};

/// How deeply folders may nest: a link to a folder above it ends here.
const MAX_DEPTH: usize = 100;

/// Files that may not be looked at are read later from so many bytes on: for shorter ones it is not worth the while.
const MIN_LATER: u64 = 8 * 1024;

/// A folder; symbolic links are followed, and noted.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    links: Arc<Mutex<BTreeSet<(String, PathBuf)>>>,
    /// Whether files are read only when they are looked at, where that may never be.
    reads_late: bool,
}

impl Folder {
    /// The folder at `path`, which need not exist.
    pub fn new(path: &Path) -> Self {
        Self {
            path: std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| cleaned(&path)),
            links: Arc::default(),
            reads_late: false,
        }
    }

    /// The folder at `path`, for who asks all that was looked at for errors before it is used.
    pub fn read_late(path: &Path) -> Self {
        Self {
            reads_late: true,
            ..Self::new(path)
        }
    }

    /// What Helm says about the links that were met when the folder was listed.
    pub fn link_warnings(&self) -> Vec<Warning> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let links = links.iter().map(|(path, target)| {
            let text = format!(
                "found symbolic link in path: {} resolves to {}. Contents of linked file included and used",
                self.path.join(path).display(),
                target.display()
            );
            Warning::logged("walk.go:75", &text)
        });
        links.collect()
    }

    #[allow(clippy::disallowed_methods, reason = "the error is told in Helm's words")]
    fn kind(&self, path: &str) -> io::Result<std::fs::Metadata> {
        let path = self.path.join(path);
        // The message names the file that is wanted, Helm's words name what a link leads to.
        std::fs::metadata(&path).map_err(|error| match std::fs::read_link(&path) {
            Ok(_) if error.raw_os_error() == Some(nix::libc::ELOOP) => io::Error::other(format!(
                "error evaluating symlink {}: EvalSymlinks: too many links",
                path.display()
            )),
            Ok(target) => {
                let parent = path.parent().unwrap_or(&path);
                io::Error::other(format!(
                    "error evaluating symlink {}: lstat {}: no such file or directory",
                    path.display(),
                    cleaned(&parent.join(target)).display()
                ))
            }
            Err(_) => io::Error::other(format!("cannot read `{}`: {error}", path.display())),
        })
    }

    fn walk(&self, dir: &str, depth: usize, found: &mut Vec<String>) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other(format!(
                "folders nest more than {MAX_DEPTH} deep at `{dir}`"
            )));
        }
        for entry in fs_err::read_dir(self.path.join(dir))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| io::Error::other(format!("a name in `{dir}` is not UTF-8")))?;
            let path = if dir.is_empty() {
                name.to_owned()
            } else {
                format!("{dir}/{name}")
            };
            let mut kind = entry.file_type()?;
            if kind.is_symlink() {
                kind = self.kind(&path)?.file_type();
                let target = fs_err::canonicalize(self.path.join(&path))?;
                let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
                links.insert((path.clone(), target));
            }
            if kind.is_dir() {
                self.walk(&path, depth + 1, found)?;
            } else if kind.is_file() {
                found.push(path);
            } else {
                return Err(io::Error::other(format!(
                    "cannot load irregular file {path} as it has file mode type bits set"
                )));
            }
        }
        Ok(())
    }
}

/// Go: `filepath.Clean`, as far as parents go.
pub(super) fn cleaned(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = out.pop(),
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

fn failed(error: &io::Error) -> FileError {
    FileError(error.to_string())
}

/// The file and its size; nothing for what is no file.
fn open_file(path: &Path) -> io::Result<Option<(fs_err::File, u64)>> {
    // A named pipe must not make us wait for its writer.
    let opened = fs_err::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if path.is_file() => return Err(error),
        Err(_) => return Ok(None),
    };
    let kind = file.metadata()?;
    Ok(kind.is_file().then_some((file, kind.len())))
}

/// Reads a file into memory that can be shared as it is.
fn read_file(mut file: fs_err::File, size: u64) -> io::Result<Arc<[u8]>> {
    let size = usize::try_from(size).unwrap_or(0);
    let mut data: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
    let mut read = 0;
    if let Some(data) = Arc::get_mut(&mut data) {
        while read < size {
            match file.read(&mut data[read..]) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    if read == size && size > 0 {
        return Ok(data);
    }
    // Its size has changed, or is not known beforehand.
    let mut data = data[..read].to_vec();
    file.read_to_end(&mut data)?;
    Ok(data.into())
}

fn read(path: &Path) -> Result<Option<Arc<[u8]>>, FileError> {
    let read = || {
        open_file(path)?
            .map(|(file, size)| read_file(file, size))
            .transpose()
    };
    read().map_err(|error| failed(&error))
}

impl FileTree for Folder {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        read(&self.path.join(path))
    }

    fn open(&self, path: &str) -> Result<Option<Content>, FileError> {
        let path = self.path.join(path);
        let Some((file, size)) = open_file(&path).map_err(|error| failed(&error))? else {
            return Ok(None);
        };
        if !self.reads_late || size < MIN_LATER {
            let bytes = read_file(file, size).map_err(|error| failed(&error))?;
            return Ok(Some(bytes.into()));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(Some(Content::later(size, move || {
            let gone = || FileError(format!("cannot read `{}`: it is no longer there", path.display()));
            read(&path)?.ok_or_else(gone)
        })))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, FileError> {
        let mut found = Vec::new();
        self.walk(dir, 0, &mut found).map_err(|error| failed(&error))?;
        found.sort();
        Ok(found)
    }

    fn is_dir(&self, path: &str) -> Result<bool, FileError> {
        Ok(self.path.join(path).is_dir())
    }
}
