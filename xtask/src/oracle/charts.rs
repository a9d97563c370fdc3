//! Which charts and values files there are, and charts made complete.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// One render: a chart with its defaults, or with a values file.
#[derive(Debug)]
pub(crate) struct Case {
    /// The chart's folder and the values file, for people.
    pub(crate) name: String,
    /// The chart, complete.
    pub(crate) chart: PathBuf,
    pub(crate) values: Option<PathBuf>,
    /// More of the command line.
    pub(crate) flags: Vec<String>,
}

/// Charts by name, for those that others need.
type Index = BTreeMap<String, PathBuf>;

/// All renders of all charts below the folders; charts that lack dependencies are completed in `stage`.
pub(crate) fn find_cases(dirs: &[PathBuf], flags: &[String], helm: &Path, stage: &Path) -> Result<Vec<Case>> {
    let mut charts = Vec::new();
    for dir in dirs {
        find_charts(dir, &mut charts)?;
    }
    charts.sort();
    let mut index = Index::new();
    for chart in &charts {
        index
            .entry(chart_name(chart)?.unwrap_or_default())
            .or_insert_with(|| chart.clone());
    }
    let mut cases = Vec::new();
    for (number, chart) in charts.iter().enumerate() {
        let complete = complete(chart, helm, &index, &stage.join(number.to_string()))?;
        let name = chart.display().to_string();
        cases.push(Case {
            name: name.clone(),
            chart: complete.clone(),
            values: None,
            flags: flags.to_vec(),
        });
        for values in values_files(chart)? {
            let shown = values.strip_prefix(chart).unwrap_or(&values).display();
            cases.push(Case {
                name: format!("{name} -f {shown}"),
                chart: complete.clone(),
                values: Some(values.clone()),
                flags: flags.to_vec(),
            });
        }
    }
    Ok(cases)
}

fn find_charts(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let is_chart = dir.join("Chart.yaml").is_file();
    if is_chart {
        found.push(dir.to_owned());
    }
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let inside = is_chart && matches!(entry.file_name().to_str(), Some("charts" | "templates"));
        if entry.file_type()?.is_dir() && !hidden && !inside {
            find_charts(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// The top-level `name` of `Chart.yaml`, as far as a line says it.
fn chart_name(chart: &Path) -> Result<Option<String>> {
    let text = String::from_utf8_lossy(&fs_err::read(chart.join("Chart.yaml"))?).into_owned();
    let name = text.lines().find_map(|line| line.strip_prefix("name:"));
    Ok(name.map(|name| name.trim().trim_matches(['"', '\'']).to_owned()))
}

fn values_files(chart: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in ["", "ci", "examples", "tests"] {
        let dir = chart.join(folder);
        if !dir.is_dir() {
            continue;
        }
        for entry in fs_err::read_dir(&dir)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
            let fits = if folder.is_empty() {
                name.contains("values") && name != "values.yaml"
            } else {
                name != "Chart.yaml"
            };
            if is_yaml && fits && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The chart, or a copy with the dependencies that Helm says it lacks.
fn complete(chart: &Path, helm: &Path, index: &Index, stage: &Path) -> Result<PathBuf> {
    let missing = missing_dependencies(chart, helm)?;
    if missing.is_empty() {
        return Ok(chart.to_owned());
    }
    let copy = stage.join(chart.file_name().unwrap_or_default());
    copy_folder(chart, &copy)?;
    add_dependencies(&copy, chart, missing, helm, index, 0)?;
    Ok(copy)
}

/// Names and repositories.
fn missing_dependencies(chart: &Path, helm: &Path) -> Result<Vec<(String, String)>> {
    let output = Command::new(helm)
        .args(["dependency", "list", "--max-col-width", "0"])
        .arg(chart)
        .output()
        .with_context(|| format!("cannot run `{}`", helm.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rows = text.lines().skip(1).filter_map(|line| {
        let columns: Vec<_> = line.split('\t').map(str::trim).collect();
        match columns.as_slice() {
            [name, _, repository, "missing", ..] => Some(((*name).to_owned(), (*repository).to_owned())),
            _ => None,
        }
    });
    Ok(rows.collect())
}

fn add_dependencies(
    copy: &Path,
    chart: &Path,
    missing: Vec<(String, String)>,
    helm: &Path,
    index: &Index,
    depth: usize,
) -> Result<()> {
    for (name, repository) in missing {
        let local = repository.strip_prefix("file://").map(|path| chart.join(path));
        let source = local
            .filter(|path| path.is_dir())
            .or_else(|| index.get(&name).cloned());
        let Some(source) = source.filter(|_| depth < 5) else {
            continue;
        };
        let target = copy.join("charts").join(&name);
        if target.exists() {
            continue;
        }
        copy_folder(&source, &target)?;
        let below = missing_dependencies(&source, helm)?;
        add_dependencies(&target, &source, below, helm, index, depth + 1)?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if fs_err::metadata(entry.path()).is_ok_and(|kind| kind.is_dir()) {
            copy_folder(&entry.path(), &target)?;
        } else if entry.path().exists() {
            fs_err::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
