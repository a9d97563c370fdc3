//! Why a chart, its dependencies or a repository can't be had. Where Helm has a text for it, it is Helm's: scripts match
//! on them.

use std::path::PathBuf;

use kiel_chart::{ChartError, IndexError, LockError};

use super::LoadError;
use super::provenance::SignatureError;
use crate::registry::{DownloadError, RegistryError};

/// Why charts or repositories can't be reached or used.
#[derive(Debug, thiserror::Error)]
pub enum ChartsError {
    /// A chart that is there can't be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A file from the web can't be had.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A registry refuses or fails.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A repository's index is none.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The lock file is out of date, or a version is no constraint.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A chart is not what somebody trusted has signed.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A file can't be read or written.
    #[error("cannot {action} `{path}`")]
    File {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file of repositories is broken.
    #[error("cannot read repositories file `{path}`: {reason}")]
    Repositories {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What was downloaded is not what the repository says it is.
    #[error(
        "cannot trust `{name}`: it has sha256 {found} in place of {wanted}, which the repository's index names"
    )]
    Digest {
        /// The archive's URL.
        name: String,
        /// Its digest.
        found: String,
        /// The digest in the index.
        wanted: String,
    },
    /// The archive of a dependency holds another chart.
    #[error("cannot use `{place}` as dependency `{wanted}`: it holds chart `{found}`")]
    OtherChart {
        /// Where it comes from.
        place: String,
        /// The dependency's name.
        wanted: String,
        /// The chart's name.
        found: String,
    },
    /// The archive of a dependency is no chart.
    #[error("cannot load dependency `{name}` from `{place}`")]
    Dependency {
        /// The dependency.
        name: String,
        /// Where it comes from.
        place: String,
        /// Why.
        source: Box<ChartError>,
    },
    /// There are dependencies, but neither the charts nor a lock file.
    #[error(
        "cannot build the dependencies of chart `{chart}`: there is no {lock}, and missing in charts/ directory: {names}"
    )]
    NoLock {
        /// The chart.
        chart: String,
        /// The lock file's name.
        lock: &'static str,
        /// The dependencies.
        names: String,
    },
    /// Helm's text for something else.
    #[error("{0}")]
    Text(String),
    /// Helm's text before that of a cause.
    #[error("{text}: {source}")]
    Wrapped {
        /// The text.
        text: String,
        /// The cause.
        source: Box<ChartsError>,
    },
}

impl ChartsError {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn wrapped(self, text: impl Into<String>) -> Self {
        Self::Wrapped {
            text: text.into(),
            source: Box::new(self),
        }
    }

    pub(super) fn file(action: &'static str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// What mends it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Lock(LockError::OutOfSync { .. }) | Self::NoLock { .. } => Some(
                "run `kiel helm dependency update` on the chart's folder and commit the lock file".to_owned(),
            ),
            Self::Wrapped { source, .. } => source.hint(),
            _ => None,
        }
    }
}
