//! A chart's archive as a tree of files, as `helm lint` unpacks it before it looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiel_template::files::{FileError, FileTree};
use kiel_template::format::quote_str;

use crate::archive::{self, ArchiveError};
use crate::decode::DecodeError;
use crate::metadata::Metadata;
use crate::yaml::{self, YamlError};

/// Why an archive can't be unpacked; the texts are Helm's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// There is nothing in it.
    #[error("EOF")]
    Empty,
    /// It is not compressed as archives of charts are.
    #[error("gzip: invalid header")]
    NoGzip,
    /// It is no archive of a chart.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Its `Chart.yaml` is no YAML.
    #[error("cannot load Chart.yaml: {0}")]
    Yaml(#[from] YamlError),
    /// Its `Chart.yaml` has a value of the wrong type.
    #[error("cannot load Chart.yaml: {0}")]
    Decode(#[from] DecodeError),
    /// The chart has no name.
    #[error("chart name not specified")]
    NoName,
    /// No folder can have the chart's name.
    #[error("chart name {} is not allowed", quote_str(.0.as_bytes()))]
    Name(String),
    /// The chart's name leads to another folder.
    #[error("chart name {} must not contain path separators", quote_str(.0.as_bytes()))]
    Path(String),
}

/// The files of an archive.
#[derive(Debug, Clone)]
pub struct UnpackedChart {
    /// The chart's name: that of the folder that Helm unpacks it to.
    pub name: String,
    files: BTreeMap<String, Arc<[u8]>>,
}

impl UnpackedChart {
    /// Reads an archive.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub fn read(data: &[u8]) -> Result<Self, UnpackError> {
        if data.is_empty() {
            return Err(UnpackError::Empty);
        }
        if !data.starts_with(b"\x1f\x8b") {
            return Err(UnpackError::NoGzip);
        }
        let files = archive::unpack(data)?;
        let mut name = String::new();
        for file in files.iter().filter(|file| file.name == "Chart.yaml") {
            let mut metadata = Metadata::default();
            metadata.read(&yaml::to_json(&file.data)?)?;
            name = metadata.name;
        }
        match name.as_str() {
            "" => return Err(UnpackError::NoName),
            "." | ".." => return Err(UnpackError::Name(name)),
            _ if name.contains('/') => return Err(UnpackError::Path(name)),
            _ => {}
        }
        let files = files
            .into_iter()
            .map(|file| (file.name, file.data.to_shared()))
            .collect();
        Ok(Self { name, files })
    }
}

impl FileTree for UnpackedChart {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        self.files.read(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, FileError> {
        self.files.list(dir)
    }

    fn is_dir(&self, path: &str) -> Result<bool, FileError> {
        self.files.is_dir(path)
    }
}
