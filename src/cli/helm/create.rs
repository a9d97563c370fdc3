//! `kiel helm create`: a new chart to start from.
//!
//! The files and the keys of its values are those of `helm create`, so that what people know of it holds; their text is
//! kiel's own.

use std::path::Path;

use clap::Args;
use kiel_template::format::quote_str;

use super::{HelmError, HelmResult, go_files};
use crate::charts;
use crate::cli::env::Environment;
use crate::ui;

/// Create a new chart
#[derive(Debug, Args)]
pub(crate) struct CreateCommand {
    /// The chart's folder; its last part is the chart's name
    #[arg(value_name = "NAME", required = true)]
    name: String,
    /// Chart to start from: a name in Helm's folder of starters, or a path
    #[arg(
        long,
        short = 'p',
        value_name = "STARTER",
        default_value = "",
        hide_default_value = true
    )]
    starter: String,
}

/// A path in the chart and the text, in the order of writing.
const FILES: [(&str, &str); 12] = [
    ("Chart.yaml", include_str!("scaffold/Chart.yaml")),
    ("values.yaml", include_str!("scaffold/values.yaml")),
    (".helmignore", include_str!("scaffold/helmignore")),
    (
        "templates/ingress.yaml",
        include_str!("scaffold/templates/ingress.yaml"),
    ),
    (
        "templates/httproute.yaml",
        include_str!("scaffold/templates/httproute.yaml"),
    ),
    (
        "templates/deployment.yaml",
        include_str!("scaffold/templates/deployment.yaml"),
    ),
    (
        "templates/service.yaml",
        include_str!("scaffold/templates/service.yaml"),
    ),
    (
        "templates/serviceaccount.yaml",
        include_str!("scaffold/templates/serviceaccount.yaml"),
    ),
    ("templates/hpa.yaml", include_str!("scaffold/templates/hpa.yaml")),
    (
        "templates/NOTES.txt",
        include_str!("scaffold/templates/NOTES.txt"),
    ),
    (
        "templates/_helpers.tpl",
        include_str!("scaffold/templates/_helpers.tpl"),
    ),
    (
        "templates/tests/test-connection.yaml",
        include_str!("scaffold/templates/tests/test-connection.yaml"),
    ),
];

/// Longest name of a chart.
const LONGEST: usize = 250;

impl CreateCommand {
    pub(super) fn run(self, env: &Environment) -> HelmResult {
        ui::data(&format!("Creating {}\n", self.name))?;
        let name = go_files::base(&self.name);
        if !self.starter.is_empty() {
            let starter = go_files::join(&starters(env)?, &self.starter);
            let starter = if self.starter.starts_with('/') {
                self.starter.clone()
            } else {
                starter
            };
            return create_from(&starter, &go_files::parent(&self.name), name);
        }
        check_name(name)?;
        let parent = go_files::absolute(&go_files::parent(&self.name))?;
        if !go_files::stat(&parent)?.is_dir() {
            return Err(HelmError(format!("no such directory {parent}")));
        }
        let dir = go_files::join(&parent, name);
        if go_files::stat(&dir).is_ok_and(|found| !found.is_dir()) {
            return Err(HelmError(format!(
                "file {dir} already exists and is not a directory"
            )));
        }
        for (path, text) in FILES {
            let path = go_files::join(&dir, path);
            if go_files::stat(&path).is_ok() {
                let path = quote_str(path.as_bytes());
                ui::data(&format!("WARNING: File {path} already exists. Overwriting.\n"))?;
            }
            go_files::make_folders(&go_files::parent(&path))?;
            go_files::write(&path, text.replace("<CHARTNAME>", name).as_bytes())?;
        }
        go_files::make_folders(&go_files::join(&dir, "charts"))
    }
}

/// Helm's folder of starters.
fn starters(env: &Environment) -> Result<String, HelmError> {
    let home = env
        .home()
        .map(|home| home.join(".local/share").display().to_string());
    let data = match (env.get("HELM_DATA_HOME"), env.get("XDG_DATA_HOME")) {
        (Some(data), _) if !data.is_empty() => data.to_owned(),
        (_, Some(data)) if !data.is_empty() => go_files::join(data, "helm"),
        _ => go_files::join(&home.unwrap_or_default(), "helm"),
    };
    Ok(go_files::join(&data, "starters"))
}

/// Writes the files of another chart with the new one's name.
fn create_from(starter: &str, parent: &str, name: &str) -> HelmResult {
    let chart = charts::load(Path::new(starter)).map_err(|error| {
        let text = match &error {
            charts::LoadError::Missing { path } => format!("stat {path}: no such file or directory"),
            error => error.to_string(),
        };
        HelmError(format!("could not load {starter}: {text}"))
    })?;
    let dir = go_files::join(parent, name);
    if go_files::stat(&dir).is_ok_and(|found| !found.is_dir()) {
        return Err(HelmError(format!(
            "file {dir} already exists and is not a directory"
        )));
    }
    go_files::make_folders(&dir)?;
    let named = |data: &[u8]| {
        String::from_utf8_lossy(data)
            .replace("<CHARTNAME>", name)
            .into_bytes()
    };
    let mut files = vec![("Chart.yaml", STARTED.replace("<CHARTNAME>", name).into_bytes())];
    files.extend(
        chart
            .values_text
            .as_deref()
            .map(|text| ("values.yaml", named(text))),
    );
    files.extend(
        chart
            .schema
            .as_deref()
            .map(|text| ("values.schema.json", text.to_vec())),
    );
    for file in &chart.templates {
        files.push((&file.name, named(&file.data)));
    }
    for file in &chart.files {
        files.push((&file.name, file.data.to_vec()));
    }
    for (path, data) in files {
        let path = go_files::join(&dir, path);
        go_files::make_folders(&go_files::parent(&path))?;
        go_files::write(&path, &data)?;
    }
    let packed = go_files::join(&dir, "charts");
    for part in &chart.dependencies {
        go_files::make_folders(&packed)?;
        let archive = kiel_chart::package(part, kiel_chart::DEFAULT_TIME)?;
        let file = format!("{}-{}.tgz", part.name(), part.version());
        go_files::write(&go_files::join(&packed, &file), &archive)?;
    }
    Ok(())
}

/// The `Chart.yaml` of a chart that has another's files.
const STARTED: &str = "apiVersion: v2\nappVersion: 0.1.0\ndescription: A Helm chart for Kubernetes\nname: <CHARTNAME>\ntype: application\nversion: 0.1.0\n";

fn check_name(name: &str) -> HelmResult {
    if name.is_empty() || name.len() > LONGEST {
        return Err(HelmError(format!(
            "chart name must be between 1 and {LONGEST} characters"
        )));
    }
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !name.bytes().all(is_valid) {
        return Err(HelmError(
            "chart name must match the regular expression \"^[a-zA-Z0-9._-]+$\"".to_owned(),
        ));
    }
    Ok(())
}
