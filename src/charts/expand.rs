//! Unpacks a chart into a folder of its own.
//!
//! The files are written to a new folder first, which gets its name when it is whole: no link that lies there already is
//! followed, and nothing is left of what fails.

use std::path::{Path, PathBuf};

use kiel_template::yaml;

use super::LoadError;
use super::error::ChartsError;

/// Unpacks an archive to `folder/NAME`, the chart's name, and tells the path.
///
/// # Errors
/// It is no chart, its name is no folder's, or there is something at its place.
pub fn expand(archive: &[u8], folder: &Path) -> Result<PathBuf, ChartsError> {
    let files = kiel_chart::unpack(archive)
        .map_err(|error| LoadError::Chart(kiel_chart::ChartError::Archive(error)))?;
    let chart_file = files.iter().find(|file| file.name == "Chart.yaml");
    let name = chart_file
        .map(|file| chart_name(&file.data))
        .transpose()?
        .unwrap_or_default();
    if name.is_empty() {
        return Err(ChartsError::text("chart name not specified"));
    }
    if name == "." || name == ".." {
        return Err(ChartsError::text(format!("chart name {name:?} is not allowed")));
    }
    if name.contains(['/', '\\']) {
        return Err(ChartsError::text(format!(
            "chart name {name:?} must not contain path separators"
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(ChartsError::text(format!(
            "chart name {name:?} holds control characters"
        )));
    }
    let target = folder.join(&name);
    let write = || -> std::io::Result<()> {
        fs_err::create_dir_all(folder)?;
        let temporary = tempfile::Builder::new().prefix(".kiel-").tempdir_in(folder)?;
        let inner = temporary.path().join("chart");
        fs_err::create_dir(&inner)?;
        for file in &files {
            let path = inner.join(&file.name);
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::write(path, &file.data)?;
        }
        fs_err::rename(&inner, &target)
    };
    write().map_err(|error| ChartsError::file("unpack the chart to", &target, error))?;
    Ok(target)
}

fn chart_name(data: &[u8]) -> Result<String, ChartsError> {
    let text = String::from_utf8_lossy(data);
    let json = yaml::to_json(&text)
        .map_err(|error| ChartsError::text(format!("cannot load Chart.yaml: {error}")))?;
    let name = json.get("name").and_then(serde_json::Value::as_str);
    Ok(name.unwrap_or_default().to_owned())
}
