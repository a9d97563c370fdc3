//! A chart as it was loaded.

use std::sync::Arc;

use kiel_template::files::{Content, FileError};
use serde_json::{Value, json};

use crate::metadata::{Lock, Metadata};
use crate::warning::Warning;

/// A file of a chart, with its path from the chart's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path, separated by `/`.
    pub name: String,
    /// The content, without a byte order mark.
    pub data: Content,
}

/// A chart with the charts in its `charts/` folder.
///
/// It is plain data and can go from thread to thread. Dependencies are all there, switched on or
/// not: that depends on the values and happens when the chart is rendered.
#[derive(Debug, Clone)]
pub struct Chart {
    /// `Chart.yaml`.
    pub metadata: Metadata,
    /// `Chart.lock` (or `requirements.lock`), if there is one.
    pub lock: Option<Lock>,
    /// The files below `templates/`, in the order of a walk through the folders.
    pub templates: Vec<File>,
    /// The first document of `values.yaml`; null without any.
    pub values: Value,
    /// `values.yaml` as it is written, if there is one.
    pub values_text: Option<Arc<[u8]>>,
    /// `values.schema.json`, if there is one.
    pub schema: Option<Arc<[u8]>>,
    /// All files that have no other role; what `.Files` shows.
    pub files: Vec<File>,
    /// The charts in `charts/`, by name.
    pub dependencies: Vec<Chart>,
    /// What a user should know about how the chart is written.
    pub warnings: Vec<Warning>,
}

impl Chart {
    /// A chart that has a name and default values only.
    pub(crate) fn of_values(name: &str, values: &Value) -> Self {
        Self {
            metadata: Metadata {
                name: name.to_owned(),
                ..Metadata::default()
            },
            lock: None,
            templates: Vec::new(),
            values: values.clone(),
            values_text: None,
            schema: None,
            files: Vec::new(),
            dependencies: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Why the first file could not be read that was to be read when it was looked at, here or in a dependency.
    pub fn unreadable(&self) -> Option<&FileError> {
        let own = self.files.iter().find_map(|file| file.data.error());
        own.or_else(|| self.dependencies.iter().find_map(Self::unreadable))
    }

    /// The chart's name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The chart's version.
    pub fn version(&self) -> &str {
        &self.metadata.version
    }

    /// The version of the application in it.
    pub fn app_version(&self) -> &str {
        &self.metadata.app_version
    }

    /// The files below `crds/` that are manifests, of this chart only.
    pub fn crd_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| {
            let extension = file.name.rsplit_once('.').map_or("", |(_, extension)| extension);
            file.name.starts_with("crds/")
                && ["yaml", "yml", "json"]
                    .iter()
                    .any(|known| extension.eq_ignore_ascii_case(known))
        })
    }

    /// The `chart` member of Helm's release record; Helm keeps no subcharts in it.
    pub fn to_release_json(&self) -> Value {
        let values = kiel_template::Value::from_json(&self.values).to_json();
        json!({
            "metadata": self.metadata.to_json(),
            "lock": self.lock.as_ref().map(Lock::to_json),
            "templates": files_json(&self.templates),
            "values": values,
            "schema": self.schema.as_deref().map(encode),
            "files": files_json(&self.files),
        })
    }

    /// The chart without the charts below it, with the metadata and values that are in effect once dependencies are
    /// processed.
    pub(crate) fn alone(&self, metadata: Metadata, values: Value) -> Self {
        Self {
            metadata,
            lock: self.lock.clone(),
            templates: self.templates.clone(),
            values,
            values_text: None,
            schema: self.schema.clone(),
            files: self.files.clone(),
            dependencies: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Go: no files are null.
fn files_json(files: &[File]) -> Value {
    if files.is_empty() {
        return Value::Null;
    }
    files
        .iter()
        .map(|file| json!({"name": file.name, "data": encode(&file.data)}))
        .collect()
}

fn encode(data: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(data)
}
