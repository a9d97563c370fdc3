//! `kiel helm package`: a chart's folder to an archive.
//!
//! The archive is the same for the same chart: its entries bear `SOURCE_DATE_EPOCH`, or one fixed time without it.

use std::path::Path;

use clap::Args;
use kiel_chart::{Chart, DEFAULT_TIME, Profile};
use kiel_template::functions::semver::Version;

use super::remote::{AccessArgs, UnsafeArgs};
use super::signing::SignArgs;
use super::{HelmError, HelmGlobals, HelmResult, dependency, go_files};
use crate::charts::{Folder, LoadError};
use crate::cli::Context;
use crate::ui;

/// Package charts' folders into archives
#[derive(Debug, Args)]
pub(crate) struct PackageCommand {
    /// Charts' folders
    #[arg(value_name = "CHART_PATH")]
    charts: Vec<String>,
    /// Folder for the archives
    #[arg(long, short = 'd', default_value = ".", value_name = "DIR")]
    destination: String,
    /// Version of the chart in place of the one in Chart.yaml
    #[arg(long, value_name = "VERSION", default_value = "", hide_default_value = true)]
    version: String,
    /// Version of the application in place of the one in Chart.yaml
    #[arg(long, value_name = "VERSION", default_value = "", hide_default_value = true)]
    app_version: String,
    /// Get the charts that the chart depends on first
    #[arg(long, short = 'u')]
    dependency_update: bool,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    risks: UnsafeArgs,
    #[command(flatten)]
    signing: SignArgs,
}

impl PackageCommand {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        if self.charts.is_empty() {
            return Err(HelmError(
                "need at least one argument, the path to the chart".to_owned(),
            ));
        }
        self.signing.check(&context.env)?;
        let time = match context.env.get("SOURCE_DATE_EPOCH") {
            None => DEFAULT_TIME,
            Some(text) => text
                .parse()
                .map_err(|_| HelmError(format!("SOURCE_DATE_EPOCH: `{text}` is no number of seconds")))?,
        };
        for chart in &self.charts {
            go_files::stat(chart)?;
            if self.dependency_update {
                let access = (self.access.clone(), self.risks.clone());
                dependency::update(Path::new(chart), true, access, globals, context).await?;
            }
            let path = self.package(chart, time, context)?;
            ui::data(&format!("Successfully packaged chart and saved it to: {path}\n"))?;
        }
        Ok(())
    }

    fn package(&self, path: &str, time: u64, context: &Context) -> Result<String, HelmError> {
        let folder = Folder::new(Path::new(path));
        let mut chart = kiel_chart::load(&folder, "", &Profile::Helm).map_err(LoadError::from)?;
        for warning in folder.link_warnings().iter().chain(&chart.warnings) {
            ui::print(&warning.to_string());
        }
        if !self.version.is_empty() {
            chart.metadata.version.clone_from(&self.version);
        }
        Version::parse(&chart.metadata.version)?;
        if !self.app_version.is_empty() {
            chart.metadata.app_version.clone_from(&self.app_version);
        }
        check_dependencies(&chart)?;
        let archive = kiel_chart::package(&chart, time)
            .map_err(|error| HelmError(format!("failed to save: {error}")))?;
        let dir = if self.destination == "." {
            go_files::absolute(".")?
        } else {
            self.destination.clone()
        };
        let file = format!("{}-{}.tgz", chart.name(), chart.version());
        let target = go_files::join(&dir, &file);
        let parent = go_files::parent(&target);
        match go_files::stat(&parent) {
            Ok(found) if !found.is_dir() => {
                return Err(HelmError(format!("failed to save: is not a directory: {parent}")));
            }
            Ok(_) => {}
            Err(_) => go_files::make_folders(&parent)?,
        }
        go_files::write(&target, &archive)
            .map_err(|HelmError(text)| HelmError(format!("failed to save: {text}")))?;
        self.signing.sign(&target, &archive, context)?;
        Ok(target)
    }
}

/// Everything that `Chart.yaml` lists has to be there.
fn check_dependencies(chart: &Chart) -> HelmResult {
    let is_there = |name: &str| chart.dependencies.iter().any(|found| found.name() == name);
    let required = &chart.metadata.dependencies;
    let missing: Vec<&str> = required
        .iter()
        .map(|dependency| dependency.name.as_str())
        .filter(|name| !is_there(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(HelmError(format!(
        "found in Chart.yaml, but missing in charts/ directory: {}",
        missing.join(", ")
    )))
}
