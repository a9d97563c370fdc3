//! A chart's archive as a tree of files, as `helm lint` unpacks it before it looks.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiel_template::files::{FileError, FileTree};
use kiel_template::format::quote_str;

use crate::archive;
use crate::metadata::Metadata;
use crate::yaml;

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
    /// Helm's text.
    pub fn read(data: &[u8]) -> Result<Self, String> {
        if data.is_empty() {
            return Err("EOF".to_owned());
        }
        if !data.starts_with(b"\x1f\x8b") {
            return Err("gzip: invalid header".to_owned());
        }
        let files = archive::unpack(data).map_err(|error| error.to_string())?;
        let mut name = String::new();
        for file in files.iter().filter(|file| file.name == "Chart.yaml") {
            let failed = |error: &dyn std::fmt::Display| format!("cannot load Chart.yaml: {error}");
            let tree = yaml::to_json(&file.data).map_err(|error| failed(&error))?;
            let mut metadata = Metadata::default();
            metadata.read(&tree).map_err(|error| failed(&error))?;
            name = metadata.name;
        }
        let quoted = quote_str(name.as_bytes());
        match name.as_str() {
            "" => return Err("chart name not specified".to_owned()),
            "." | ".." => return Err(format!("chart name {quoted} is not allowed")),
            _ if name.contains('/') => {
                return Err(format!("chart name {quoted} must not contain path separators"));
            }
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
        Ok(self.files.get(path).cloned())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, FileError> {
        let prefix = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        let below = self.files.keys().filter(|path| path.starts_with(&prefix));
        Ok(below.cloned().collect())
    }

    fn is_dir(&self, path: &str) -> Result<bool, FileError> {
        let prefix = format!("{path}/");
        Ok(path.is_empty() || self.files.keys().any(|file| file.starts_with(&prefix)))
    }
}
