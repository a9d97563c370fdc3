//! Files to charts: which file has which role, in folders and in archives.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiel_template::files::{Content, FileError, FileTree};
use serde_json::Value;

use crate::archive::{self, ArchiveError};
use crate::decode::DecodeError;
use crate::ignore::{IgnoreError, IgnoreRules};
use crate::metadata::{Lock, Metadata, ValidationError};
use crate::model::{Chart, File};
use crate::version;
use crate::warning::Warning;
use crate::yaml::{self, YamlError};

/// Largest file that a chart may have, in bytes.
const MAX_FILE_SIZE: usize = 5 * 1024 * 1024;

/// Why a chart can't be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// A file of the chart can't be read.
    #[error("cannot read chart `{dir}`: {source}")]
    Read {
        /// The chart's folder.
        dir: String,
        /// Why.
        source: FileError,
    },
    /// There is no such folder.
    #[error("cannot find chart `{0}`: no such folder")]
    NoFolder(String),
    /// The chart's `.helmignore` is wrong.
    #[error("{source}")]
    Ignore {
        /// The file.
        path: String,
        /// Why.
        source: IgnoreError,
    },
    /// A file is larger than charts may hold.
    #[error("chart file {0:?} is larger than the maximum file size {MAX_FILE_SIZE}")]
    TooLarge(String),
    /// There is no `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    NoChartFile,
    /// One of the chart's own files is no YAML.
    #[error("cannot load {file}: {source}")]
    Yaml {
        /// The file's name.
        file: &'static str,
        /// Why.
        source: YamlError,
    },
    /// One of the chart's own files has a value of the wrong type.
    #[error("cannot load {file}: {source}")]
    Decode {
        /// The file's name.
        file: &'static str,
        /// Why.
        source: DecodeError,
    },
    /// `Chart.yaml` breaks a rule.
    #[error(transparent)]
    Invalid(#[from] ValidationError),
    /// An archive can't be unpacked.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A chart in `charts/` can't be loaded.
    #[error("error unpacking subchart {name} in {parent}: {source}")]
    Subchart {
        /// The folder or archive in `charts/`.
        name: String,
        /// The chart whose folder it is.
        parent: String,
        /// Why.
        source: Box<ChartError>,
    },
}

/// Whose rules a chart follows where Helm and werf differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// Helm's: `Chart.yaml` is required, `.helmignore` holds.
    Helm,
    /// werf's for a project's main chart: `Chart.yaml` may be missing and `.helmignore` is not read.
    Werf {
        /// The chart's name where `Chart.yaml` has none: the project's.
        name: String,
        /// The chart's version where `Chart.yaml` has none; `None` is `1.0.0`.
        version: Option<String>,
        /// Replaces the `appVersion` of `Chart.yaml`.
        app_version: Option<String>,
    },
}

/// Loads the chart in the folder `dir` of `files` (`""` is the root).
pub fn load(files: &dyn FileTree, dir: &str, profile: &Profile) -> Result<Chart, ChartError> {
    let found = read_folder(files, dir, profile)?;
    build(found, Some(profile))
}

/// Loads a chart from a packaged archive, as `helm package` writes it.
pub fn load_archive(data: &[u8]) -> Result<Chart, ChartError> {
    build(archive::unpack(data)?, None)
}

fn read_folder(files: &dyn FileTree, dir: &str, profile: &Profile) -> Result<Vec<File>, ChartError> {
    let failed = |source| ChartError::Read {
        dir: dir.to_owned(),
        source,
    };
    if !files.is_dir(dir).map_err(failed)? {
        return Err(ChartError::NoFolder(dir.to_owned()));
    }
    let prefix = if dir.is_empty() {
        String::new()
    } else {
        format!("{dir}/")
    };
    let rules = match profile {
        Profile::Helm => match files.read(&format!("{prefix}.helmignore")).map_err(failed)? {
            Some(text) => {
                IgnoreRules::parse(&String::from_utf8_lossy(&text)).map_err(|source| ChartError::Ignore {
                    path: format!("{prefix}.helmignore"),
                    source,
                })?
            }
            None => IgnoreRules::default(),
        },
        Profile::Werf { .. } => IgnoreRules::default(),
    };
    let rules = rules.with_defaults();
    let paths = files.list(dir).map_err(failed)?;
    let mut names = rules.kept(paths.iter().filter_map(|path| path.strip_prefix(&prefix)));
    // Go: a walk goes through each folder by name, which differs from the order of whole paths.
    names.sort_by(|a, b| by_parts(a).cmp(by_parts(b)));
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let path = format!("{prefix}{name}");
        let data = if is_needed(name) {
            files.read(&path).map_err(failed)?.map(Content::from)
        } else {
            files.open(&path).map_err(failed)?
        };
        let Some(data) = data else { continue };
        if data.size() > MAX_FILE_SIZE {
            return Err(ChartError::TooLarge(name.to_owned()));
        }
        found.push(File {
            name: name.to_owned(),
            data: data.changed(without_mark),
        });
    }
    Ok(found)
}

/// Whether a file is one that is read whatever the chart is used for.
fn is_needed(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or_default();
    let is_own = matches!(
        base,
        "Chart.yaml"
            | "Chart.lock"
            | "values.yaml"
            | "values.schema.json"
            | "requirements.yaml"
            | "requirements.lock"
    );
    is_own || base.ends_with(".tgz") || name.split('/').any(|part| part == "templates")
}

/// The bytes of a path, in which the end of a part comes before everything else.
fn by_parts(path: &str) -> impl Iterator<Item = u8> {
    path.bytes().map(|byte| if byte == b'/' { 0 } else { byte })
}

fn without_mark(data: Arc<[u8]>) -> Arc<[u8]> {
    match data.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => Arc::from(rest),
        None => data,
    }
}

/// Go: `loader.LoadFiles`. `profile` is given for the main chart only.
fn build(files: Vec<File>, profile: Option<&Profile>) -> Result<Chart, ChartError> {
    let mut chart = Chart {
        metadata: read_metadata(&files, profile)?,
        lock: None,
        templates: Vec::new(),
        values: Value::Null,
        values_text: None,
        schema: None,
        files: Vec::new(),
        dependencies: Vec::new(),
        warnings: Vec::new(),
    };
    let mut subcharts: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        if let Some(path) = file.name.strip_prefix("charts/")
            && !file.name.ends_with(".prov")
        {
            let path = path.to_owned();
            let name = path.split('/').next().unwrap_or_default().to_owned();
            subcharts.entry(name).or_default().push(File {
                name: path,
                data: file.data,
            });
        } else {
            place(&mut chart, file)?;
        }
    }
    chart.metadata.validate(&version::is_version)?;
    for (name, files) in subcharts
        .into_iter()
        .filter(|(name, _)| !name.starts_with(['_', '.']))
    {
        let subchart = build_subchart(&name, files).map_err(|source| ChartError::Subchart {
            name: name.clone(),
            parent: chart.metadata.name.clone(),
            source: Box::new(source),
        })?;
        chart.dependencies.push(subchart);
    }
    Ok(chart)
}

fn build_subchart(name: &str, files: Vec<File>) -> Result<Chart, ChartError> {
    if name.ends_with(".tgz") {
        let data = files.into_iter().next().map(|file| file.data).unwrap_or_default();
        return load_archive(&data);
    }
    let inside = files.into_iter().filter_map(|file| {
        let (_, rest) = file.name.split_once('/')?;
        Some(File {
            name: rest.to_owned(),
            data: file.data,
        })
    });
    build(inside.collect(), None)
}

fn read_metadata(files: &[File], profile: Option<&Profile>) -> Result<Metadata, ChartError> {
    let mut metadata = Metadata::default();
    let chart_file = files.iter().find(|file| file.name == "Chart.yaml");
    if let Some(file) = chart_file {
        read_into(&mut metadata, "Chart.yaml", file)?;
        if metadata.api_version.is_empty() {
            "v1".clone_into(&mut metadata.api_version);
        }
    }
    match profile {
        Some(Profile::Werf {
            name,
            version,
            app_version,
        }) => {
            if chart_file.is_none() {
                "v2".clone_into(&mut metadata.api_version);
            }
            if metadata.name.is_empty() {
                metadata.name.clone_from(name);
            }
            if metadata.version.is_empty() {
                metadata.version = version.clone().unwrap_or_else(|| "1.0.0".to_owned());
            }
            if let Some(app_version) = app_version {
                metadata.app_version.clone_from(app_version);
            }
        }
        _ if chart_file.is_none() => return Err(ChartError::NoChartFile),
        _ => {}
    }
    Ok(metadata)
}

fn read_into(metadata: &mut Metadata, name: &'static str, file: &File) -> Result<(), ChartError> {
    let tree = parse(name, &file.data)?;
    metadata
        .read(&tree)
        .map_err(|source| ChartError::Decode { file: name, source })
}

fn parse(file: &'static str, data: &[u8]) -> Result<Value, ChartError> {
    yaml::to_json(data).map_err(|source| ChartError::Yaml { file, source })
}

/// Puts a file that belongs to no subchart where its name says.
fn place(chart: &mut Chart, file: File) -> Result<(), ChartError> {
    match file.name.as_str() {
        "Chart.yaml" => {}
        "Chart.lock" => chart.lock = read_lock("Chart.lock", &file)?,
        "values.yaml" => {
            chart.values = yaml::to_table(&file.data).map_err(|source| ChartError::Yaml {
                file: "values.yaml",
                source,
            })?;
            chart.values_text = Some(file.data.to_shared());
        }
        "values.schema.json" => chart.schema = Some(file.data.to_shared()),
        "requirements.yaml" => {
            read_into(&mut chart.metadata, "requirements.yaml", &file)?;
            place_old(chart, file, OLD_DEPENDENCIES);
        }
        "requirements.lock" => {
            chart.lock = read_lock("requirements.lock", &file)?;
            place_old(chart, file, OLD_LOCK);
        }
        name if name.starts_with("templates/") => chart.templates.push(file),
        _ => chart.files.push(file),
    }
    Ok(())
}

/// What Helm logs about a `requirements.yaml` in a chart that has no use for it.
const OLD_DEPENDENCIES: &str = "load.go:120: Warning: Dependencies are handled in Chart.yaml since apiVersion \"v2\". We recommend migrating dependencies to Chart.yaml.";
/// Likewise about a `requirements.lock`.
const OLD_LOCK: &str = "load.go:138: Warning: Dependency locking is handled in Chart.lock since apiVersion \"v2\". We recommend migrating to Chart.lock.";

/// The dependency files of `v1` charts are among the files that templates can read.
fn place_old(chart: &mut Chart, file: File, line: &str) {
    if chart.metadata.api_version == "v1" {
        chart.files.push(file);
    } else {
        let text = format!(
            "chart `{}`: `{}` is a file of apiVersion v1 charts",
            chart.metadata.name, file.name
        );
        chart.warnings.push(Warning::logged_as(line, text));
    }
}

fn read_lock(name: &'static str, file: &File) -> Result<Option<Lock>, ChartError> {
    Lock::read(&parse(name, &file.data)?).map_err(|source| ChartError::Decode { file: name, source })
}

#[cfg(test)]
mod tests;
