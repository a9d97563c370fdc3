//! Charts outside a commit: folders and archives on the disk, repositories, registries, and dependencies from all of
//! them.
//!
//! Hands the pure `kiel_chart` crate the files it loads. Follows symbolic links in folders, as Helm does. The way to what
//! is not on this machine is [`Charts`]; `docs/charts.md` says what is cached where and who sees a password.
//!
//! It renders nothing, and reads no environment.

mod build;
mod cache;
mod error;
mod expand;
mod folder;
mod locate;
mod manage;
mod oci;
mod provenance;
mod repositories;
mod source;
mod urls;

use std::path::{Path, PathBuf};

use bytes::Bytes;

use kiel_chart::{Chart, ChartError, Profile};

pub use self::build::LoadLocal;
pub use self::error::ChartsError;
pub use self::expand::expand;
pub use self::folder::Folder;
pub use self::locate::{ChartQuery, Downloaded, Located, Provenance};
pub use self::manage::{Manager, Verification};
pub use self::oci::ChartReference;
pub use self::provenance::{Keyring, SignatureError, SignedFile, Verified};
pub use self::repositories::{HelmFiles, Repositories, RepositoriesLock, RepositoryEntry};
pub use self::source::{Charts, ChartsOptions, read_index};
pub(crate) use self::urls::{is_oci, join as join_url, without_login};

/// Why a chart on the disk can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is nothing at the path.
    #[error("path {path:?} not found")]
    Missing {
        /// The path.
        path: String,
    },
    /// An archive can't be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is no archive; the text is Helm's.
    #[error("file '{path}' does not appear to be a gzipped archive; got '{found}'")]
    NotArchive {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        found: &'static str,
    },
    /// A file of YAML, perhaps values; the text is Helm's.
    #[error("file '{path}' seems to be a YAML file, but expected a gzipped archive")]
    Yaml {
        /// The file.
        path: PathBuf,
    },
    /// A folder can't be read.
    #[error(transparent)]
    Folder(kiel_template::files::FileError),
    /// What is there is no chart.
    #[error(transparent)]
    Chart(ChartError),
}

impl From<ChartError> for LoadError {
    fn from(error: ChartError) -> Self {
        match error {
            ChartError::Read { source, .. } => Self::Folder(source),
            error => Self::Chart(error),
        }
    }
}

/// Loads the chart in a folder or an archive.
pub fn load(path: &Path) -> Result<Chart, LoadError> {
    load_with(path, Folder::new)
}

/// As [`load`], where files that a render may not need are read when they are looked at. Ask [`Chart::unreadable`]
/// before what comes out of it is used.
pub fn load_late(path: &Path) -> Result<Chart, LoadError> {
    load_with(path, Folder::read_late)
}

fn load_with(path: &Path, folder: fn(&Path) -> Folder) -> Result<Chart, LoadError> {
    if path.is_dir() {
        let folder = folder(path);
        let mut chart = kiel_chart::load(&folder, "", &Profile::Helm)?;
        chart.warnings.splice(..0, folder.link_warnings());
        return Ok(chart);
    }
    if !path.exists() {
        return Err(LoadError::Missing {
            path: path.display().to_string(),
        });
    }
    let data = fs_err::read(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    check_archive(path, &data)?;
    Ok(kiel_chart::load_archive(&data)?)
}

/// Go: `ensureArchive`: another file given by mistake, as one with values, is told from a damaged archive.
fn check_archive(path: &Path, data: &[u8]) -> Result<(), LoadError> {
    if data.starts_with(&[0x1f, 0x8b, 0x08]) {
        return Ok(());
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if path.extension().is_some_and(|end| end == "yml" || end == "yaml") {
        return Err(LoadError::Yaml { path });
    }
    // Go: what is shorter than its buffer ends in zeros, which no text has.
    let is_text = data.len() >= SNIFFED && !data[..SNIFFED].iter().any(|byte| is_binary(*byte));
    let found = match data {
        [b'P', b'K', 3, 4, ..] => "application/zip",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [0xfe, 0xff, ..] => "text/plain; charset=utf-16be",
        [0xff, 0xfe, ..] => "text/plain; charset=utf-16le",
        [0xef, 0xbb, 0xbf, ..] => "text/plain; charset=utf-8",
        _ if is_text => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    Err(LoadError::NotArchive { path, found })
}

/// How much of a file tells what it is, in bytes.
const SNIFFED: usize = 512;

/// Whether no text has this byte, by the rules of browsers.
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

/// Packs a chart; `now` is a time by RFC 3339.
fn pack(chart: &Chart, now: &str) -> Result<Bytes, ChartsError> {
    let time = now
        .parse::<jiff::Timestamp>()
        .map_or(0, jiff::Timestamp::as_second);
    let archive = kiel_chart::package(chart, u64::try_from(time).unwrap_or_default());
    let archive = archive.map_err(|error| ChartsError::text(error.to_string()))?;
    Ok(archive.into())
}
