//! A folder of the disk as a tree of files.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use kiel_template::files::{FileError, FileTree};

/// How deeply folders may nest: a link to a folder above it ends here.
const MAX_DEPTH: usize = 100;

/// A folder; symbolic links are followed.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, which need not exist.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    #[allow(clippy::disallowed_methods, reason = "the error is told in Helm's words")]
    fn kind(&self, path: &str) -> io::Result<std::fs::Metadata> {
        let path = self.0.join(path);
        // The message names the file that is wanted, Helm's words name what a link leads to.
        std::fs::metadata(&path).map_err(|error| match std::fs::read_link(&path) {
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
        for entry in fs_err::read_dir(self.0.join(dir))? {
            let name = entry?.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| io::Error::other(format!("a name in `{dir}` is not UTF-8")))?;
            let path = if dir.is_empty() {
                name.to_owned()
            } else {
                format!("{dir}/{name}")
            };
            let kind = self.kind(&path)?;
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

impl FileTree for Folder {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        let path = self.0.join(path);
        if !path.is_file() {
            return Ok(None);
        }
        let data = fs_err::read(path).map_err(|error| failed(&error))?;
        Ok(Some(Arc::from(data)))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, FileError> {
        let mut found = Vec::new();
        self.walk(dir, 0, &mut found).map_err(|error| failed(&error))?;
        found.sort();
        Ok(found)
    }

    fn is_dir(&self, path: &str) -> Result<bool, FileError> {
        Ok(self.0.join(path).is_dir())
    }
}
