//! A loaded chart as the archive that `helm package` writes: the same files in the same order, `Chart.yaml` and the lock
//! written anew.
//!
//! Unlike Helm's, the bytes are a function of the chart and of one time: all entries bear it, owner and mode are fixed,
//! and charts in `charts/` go by name, where Helm's own order changes from run to run.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use kiel_template::{Value, yaml};

use crate::model::Chart;

/// The time of all entries where nothing else is wanted: 1980-01-01, the first that all formats know.
pub const DEFAULT_TIME: u64 = 315_532_800;

/// Why a chart can't be packaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The chart's metadata break a rule.
    #[error("chart validation: {0}")]
    Invalid(String),
    /// The name would lead out of the folder.
    #[error("\"{0}\" is not a valid chart name")]
    Name(String),
    /// `values.schema.json` is no JSON.
    #[error("Invalid JSON in values.schema.json")]
    Schema,
    /// `Chart.yaml` or the lock can't be written.
    #[error("cannot write {file}: {reason}")]
    Write {
        /// The file.
        file: &'static str,
        /// Why.
        reason: String,
    },
    /// The archive can't be made.
    #[error("cannot write the archive: {0}")]
    Archive(#[from] std::io::Error),
}

/// The archive of a chart; `time` is that of its entries, in seconds since 1970.
///
/// # Errors
/// When the chart is none that Helm would package.
pub fn package(chart: &Chart, time: u64) -> Result<Vec<u8>, PackageError> {
    let mut metadata = chart.metadata.clone();
    metadata
        .validate(&crate::version::is_version)
        .map_err(|error| PackageError::Invalid(error.to_string()))?;
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (path, data) in package_files(chart)? {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(time);
        header.set_size(data.len().try_into().unwrap_or(u64::MAX));
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, path, data.as_slice())?;
    }
    let mut gzip = archive.into_inner()?;
    gzip.flush()?;
    Ok(gzip.finish()?)
}

/// The files of a chart's archive with their paths, in its order.
///
/// # Errors
/// When the chart is none that Helm would package.
fn package_files(chart: &Chart) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
    let mut files = Vec::new();
    add(chart, "", &mut files)?;
    Ok(files)
}

fn add(chart: &Chart, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), PackageError> {
    let name = chart.name();
    if name.contains('/') {
        return Err(PackageError::Name(name.to_owned()));
    }
    let base = format!("{prefix}{name}");
    let mut put = |name: &str, data: Vec<u8>| files.push((format!("{base}/{name}"), data));
    put("Chart.yaml", chart_file(chart)?);
    if chart.metadata.api_version == "v2"
        && let Some(lock) = &chart.lock
    {
        put("Chart.lock", to_yaml("Chart.lock", &lock.to_json())?);
    }
    if let Some(values) = &chart.values_text {
        put("values.yaml", values.to_vec());
    }
    if let Some(schema) = &chart.schema {
        let json: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(schema);
        if json.is_err() {
            return Err(PackageError::Schema);
        }
        put("values.schema.json", schema.to_vec());
    }
    for file in chart.templates.iter().chain(&chart.files) {
        put(&file.name, file.data.to_vec());
    }
    for dependency in &chart.dependencies {
        add(dependency, &format!("{base}/charts/"), files)?;
    }
    Ok(())
}

/// `Chart.yaml` as Helm writes it; a `v1` chart keeps its dependencies in `requirements.yaml`.
pub fn chart_file(chart: &Chart) -> Result<Vec<u8>, PackageError> {
    let mut metadata = chart.metadata.to_json();
    if chart.metadata.api_version == "v1"
        && let Some(object) = metadata.as_object_mut()
    {
        object.shift_remove("dependencies");
    }
    to_yaml("Chart.yaml", &metadata)
}

fn to_yaml(file: &'static str, value: &serde_json::Value) -> Result<Vec<u8>, PackageError> {
    let text = yaml::to_string(&Value::from_json(value)).map_err(|error| PackageError::Write {
        file,
        reason: error.to_string(),
    })?;
    Ok(text.into_bytes())
}
