//! `kiel helm create`: a new chart to start from.
//!
//! The files and the keys of its values are those of `helm create`, so that what people know of it holds; their text is
//! kiel's own.

use clap::Args;
use kiel_template::format::quote_str;

use super::{HelmError, HelmResult, go_files};
use crate::ui;

/// Create a new chart
#[derive(Debug, Args)]
pub(crate) struct CreateCommand {
    /// The chart's folder; its last part is the chart's name
    #[arg(value_name = "NAME", required = true)]
    name: String,
    /// Not done by kiel: starters
    #[arg(long, short = 'p', value_name = "STARTER", hide = true)]
    starter: Option<String>,
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
    pub(super) fn run(self) -> HelmResult {
        if self.starter.is_some_and(|starter| !starter.is_empty()) {
            return Err(HelmError(
                "--starter: kiel creates charts from its own files only".to_owned(),
            ));
        }
        ui::data(&format!("Creating {}\n", self.name))?;
        let name = go_files::base(&self.name);
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
