//! Chart archives: gzip-compressed tar files whose entries lie in one folder.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use kiel_template::files::Content;

use crate::model::File;

/// Largest size of an unpacked chart, in bytes.
const MAX_CHART_SIZE: u64 = 100 * 1024 * 1024;
/// Largest file of an unpacked chart, in bytes.
const MAX_FILE_SIZE: u64 = 5 * 1024 * 1024;

/// Most entries of an archive.
const MAX_ENTRIES: usize = 100_000;
/// Largest head of an entry, with what extends it, in bytes.
const MAX_HEAD_SIZE: u64 = 1024 * 1024;

/// A reader that gives so much and then fails: heads of entries are read whole by the library.
struct Budget<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Budget<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.get().checked_sub(read as u64) {
            Some(left) => self.left.set(left),
            None => {
                let text = format!("the head of an entry is longer than {MAX_HEAD_SIZE} bytes");
                return Err(std::io::Error::other(text));
            }
        }
        Ok(read)
    }
}

/// Why an archive is no chart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive is damaged or none at all.
    #[error("{0}")]
    Damaged(String),
    /// An entry lies where no entry may.
    #[error("{0}")]
    Path(String),
    /// The archive unpacks to more than a chart may hold.
    #[error("{0}")]
    TooLarge(String),
    /// There are no files.
    #[error("no files in chart archive")]
    Empty,
}

impl From<std::io::Error> for ArchiveError {
    fn from(error: std::io::Error) -> Self {
        // Go: the words of its libraries for the two that users meet.
        Self::Damaged(match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
            _ if error.to_string() == "invalid gzip header" => "gzip: invalid header".to_owned(),
            _ => format!("cannot unpack chart archive: {error}"),
        })
    }
}

/// The files of an archive, without the folder that all of them lie in. Their paths lead nowhere else.
///
/// # Errors
/// It is none, is larger than charts may be, or an entry lies where none may.
pub fn unpack(data: &[u8]) -> Result<Vec<File>, ArchiveError> {
    let left = Rc::new(Cell::new(MAX_HEAD_SIZE));
    let mut archive = tar::Archive::new(Budget {
        inner: MultiGzDecoder::new(data),
        left: Rc::clone(&left),
    });
    let mut files = Vec::new();
    let mut room = MAX_CHART_SIZE;
    for (index, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if index >= MAX_ENTRIES {
            let text = format!("decompressed chart has more than the maximum of {MAX_ENTRIES} entries");
            return Err(ArchiveError::TooLarge(text));
        }
        left.set(MAX_HEAD_SIZE);
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if path.ends_with('/') {
            continue;
        }
        let name = inner_path(&path)?;
        let size = entry.size();
        if size > room {
            let text = format!("decompressed chart is larger than the maximum file size {MAX_CHART_SIZE}");
            return Err(ArchiveError::TooLarge(text));
        }
        if size > MAX_FILE_SIZE {
            return Err(ArchiveError::TooLarge(format!(
                "decompressed chart file {path:?} is larger than the maximum file size {MAX_FILE_SIZE}"
            )));
        }
        room -= size;
        let mut content = Vec::new();
        left.set(size + MAX_HEAD_SIZE);
        entry.read_to_end(&mut content)?;
        left.set(MAX_HEAD_SIZE);
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
        files.push(File {
            name,
            data: Content::from(content),
        });
    }
    if files.is_empty() {
        Err(ArchiveError::Empty)
    } else {
        Ok(files)
    }
}

/// An entry's path below the chart's folder, or why it may not be there.
fn inner_path(path: &str) -> Result<String, ArchiveError> {
    let refused = |text: &str| Err(ArchiveError::Path(text.to_owned()));
    // An archive made on Windows may use the other separator.
    let path = if path.contains('\\') {
        path.replace('\\', "/")
    } else {
        path.to_owned()
    };
    let (folder, rest) = path.split_once('/').unwrap_or((&path, ""));
    if rest.starts_with('/') {
        return refused("chart illegally contains absolute paths");
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.is_empty() => return refused("chart illegally references parent directory"),
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        if folder == "Chart.yaml" {
            return refused("chart yaml not in base directory");
        }
        return refused(&format!(
            "chart illegally contains content outside the base directory: {path:?}"
        ));
    }
    let name = parts.join("/");
    let mut start = name.chars();
    if start.next().is_some_and(|c| c.is_ascii_alphabetic()) && start.as_str().starts_with(":/") {
        return refused("chart contains illegally named files");
    }
    Ok(name)
}
