//! Charts outside a commit: folders and archives on the disk.
//!
//! Hands the pure `kiel_chart` crate the files it loads. Follows symbolic links in folders, as Helm does.

mod folder;

use std::path::{Path, PathBuf};

use kiel_chart::{Chart, ChartError, Profile};

pub use self::folder::Folder;

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
    if path.is_dir() {
        return Ok(kiel_chart::load(&Folder::new(path), "", &Profile::Helm)?);
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
    Ok(kiel_chart::load_archive(&data)?)
}
