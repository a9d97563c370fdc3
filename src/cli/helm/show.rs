//! `kiel helm show`: what a chart says about itself, as Helm prints it.

use clap::{Args, Subcommand};
use kiel_chart::{Chart, File};
use kiel_template::{Value, yaml};

use super::globals::HelmGlobals;
use super::remote::ChartPathArgs;
use super::{HelmError, HelmResult, json_path};
use crate::cli::Context;
use crate::ui;

/// What is shown.
#[derive(Debug, Subcommand)]
pub(crate) enum ShowCommands {
    /// Chart.yaml, values.yaml, the readme and the files of crds/
    All(Box<ShowArgs>),
    /// Chart.yaml
    Chart(Box<ShowArgs>),
    /// values.yaml
    Values(Box<ShowValues>),
    /// The readme
    Readme(Box<ShowArgs>),
    /// The files of crds/, those of dependencies too
    Crds(Box<ShowArgs>),
}

/// Of which chart.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Folder, archive, REPOSITORY/CHART, a URL, or oci://HOST/PATH
    #[arg(value_name = "CHART")]
    chart: String,
    #[command(flatten)]
    path: ChartPathArgs,
}

/// `show values`
#[derive(Debug, Args)]
pub(crate) struct ShowValues {
    #[command(flatten)]
    show: ShowArgs,
    /// Only what this template takes out of the values, such as '{.image.tag}'
    #[arg(
        long = "jsonpath",
        value_name = "TEMPLATE",
        default_value = "",
        hide_default_value = true
    )]
    json_path: String,
}

impl ShowCommands {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let (args, parts): (&ShowArgs, &[Part]) = match &self {
            Self::All(args) => (args, &[chart_file, values, readme, crds]),
            Self::Chart(args) => (args, &[chart_file]),
            Self::Values(command) => (&command.show, &[values]),
            Self::Readme(args) => (args, &[readme]),
            Self::Crds(args) => (args, &[crds]),
        };
        let chart = args.path.load(&args.chart, globals, context).await?;
        for warning in &chart.warnings {
            ui::print(&warning.to_string());
        }
        if let Self::Values(command) = &self
            && !command.json_path.is_empty()
        {
            ui::data(&json_path::render(&command.json_path, &chart.values)?)?;
            return Ok(());
        }
        let mut shown = String::new();
        for part in parts {
            let text = part(&chart)?;
            // A file of crds/ may begin with the line itself.
            if !shown.is_empty() && !text.is_empty() && !text.starts_with("---") {
                shown.push_str("---\n");
            }
            shown.push_str(&text);
        }
        ui::data(&shown)?;
        Ok(())
    }
}

/// A part of the output; nothing where the chart has none.
type Part = fn(&Chart) -> Result<String, HelmError>;

fn chart_file(chart: &Chart) -> Result<String, HelmError> {
    let metadata = Value::from_json(&chart.metadata.to_json());
    Ok(format!("{}\n", yaml::to_string(&metadata)?))
}

fn values(chart: &Chart) -> Result<String, HelmError> {
    let text = chart.values_text.as_deref().map(String::from_utf8_lossy);
    Ok(text.map(|text| format!("{text}\n")).unwrap_or_default())
}

fn readme(chart: &Chart) -> Result<String, HelmError> {
    let is_readme = |file: &&File| {
        let name = file.name.to_lowercase();
        matches!(name.as_str(), "readme.md" | "readme.txt" | "readme")
    };
    let found = chart.files.iter().find(is_readme);
    let text = found.map(|file| format!("{}\n", String::from_utf8_lossy(&file.data)));
    Ok(text.unwrap_or_default())
}

fn crds(chart: &Chart) -> Result<String, HelmError> {
    let mut shown = String::new();
    for file in chart.crd_files() {
        shown.push_str(&String::from_utf8_lossy(&file.data));
        shown.push('\n');
    }
    for dependency in &chart.dependencies {
        shown.push_str(&crds(dependency)?);
    }
    Ok(shown)
}
