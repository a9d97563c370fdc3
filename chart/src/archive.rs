//! Chart archives: gzip-compressed tar files whose entries lie in one folder.

use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::model::File;

/// Largest size of an unpacked chart, in bytes.
const MAX_CHART_SIZE: u64 = 100 * 1024 * 1024;
/// Largest file of an unpacked chart, in bytes.
const MAX_FILE_SIZE: u64 = 5 * 1024 * 1024;

/// Why an archive is no chart.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The archive is damaged or none at all.
    #[error("cannot unpack chart archive: {0}")]
    Damaged(#[from] std::io::Error),
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

/// The files of an archive, without the folder that all of them lie in. Their paths lead nowhere else.
///
/// # Errors
/// It is none, is larger than charts may be, or an entry lies where none may.
pub fn unpack(data: &[u8]) -> Result<Vec<File>, ArchiveError> {
    // Headers have no limit of their own.
    let unpacked = MultiGzDecoder::new(data).take(2 * MAX_CHART_SIZE);
    let mut archive = tar::Archive::new(unpacked);
    let mut files = Vec::new();
    let mut room = MAX_CHART_SIZE;
    for entry in archive.entries()? {
        let mut entry = entry?;
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
        entry.read_to_end(&mut content)?;
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
        files.push(File {
            name,
            data: Arc::from(content),
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
