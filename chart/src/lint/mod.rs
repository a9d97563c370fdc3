//! `helm lint`: what is wrong with a chart, by Helm's rules and in Helm's words.
//!
//! Every chart is judged from the files that the caller hands over. As in Helm, all charts of a run share one table of the
//! user's values, which the check of `values.yaml` completes with the defaults of each chart: what it leaves there is seen
//! by the render, and by the charts that come later.

mod addresses;
mod chart_file;
mod deprecations;
mod documents;
mod object_names;
mod templates;
mod unpacked;

use std::fmt;
use std::sync::Arc;

use kiel_template::Value;
use kiel_template::files::FileTree;
use kiel_template::functions::Environment;
use kiel_template::value::Map;

use crate::capabilities::KubeVersion;
use crate::coalesce::{Coalescer, Nulls};
use crate::load::{Profile, load};
use crate::model::Chart;
use crate::render::{AddFunctions, RenderError, STACK_SIZE, add_warnings, joined_values};
use crate::schema;
use crate::tree::Tree;
use crate::values::{ValuesFile, ValuesInput};
use crate::warning::Warning;
use crate::yaml;

pub use self::unpacked::{UnpackError, UnpackedChart};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A recommendation.
    Info,
    /// Works, but breaks a convention.
    Warning,
    /// Will not work.
    Error,
}

/// A finding; prints as Helm prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file or folder it is about.
    pub path: String,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        };
        write!(f, "[{severity}] {}: {}", self.path, self.text)
    }
}

/// A chart to judge.
pub struct LintChart<'a> {
    /// Where its files are.
    pub files: &'a (dyn FileTree + Sync),
    /// Its folder in them; `""` is the root.
    pub dir: &'a str,
    /// How its folder is named in findings: Helm names the absolute path.
    pub shown_dir: String,
    /// Whose rules it follows.
    pub profile: Profile,
    /// The chart as loaded, where more belongs to it than the folder holds; without it the folder is loaded.
    pub loaded: Option<Chart>,
}

/// What a run depends on beside the charts.
#[derive(Clone)]
pub struct LintOptions<'a> {
    /// What the user says about values.
    pub values: &'a ValuesInput,
    /// Decrypted secret values; they win over the user's.
    pub secret_values: &'a [ValuesFile],
    /// Values that win over all others; null for none.
    pub service_values: &'a serde_json::Value,
    /// `.Release.Namespace`.
    pub namespace: &'a str,
    /// The Kubernetes version that charts see and whose deprecations count.
    pub kube_version: Option<KubeVersion>,
    /// Whether the rendered charts' values must meet their schemas.
    pub check_schemas: bool,
    /// Clock and entropy.
    pub environment: Arc<dyn Environment + Send + Sync>,
    /// Adds functions to Helm's, or replaces them.
    pub extra_functions: Option<AddFunctions>,
}

/// What was found in a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LintReport {
    /// The findings, in Helm's order.
    pub findings: Vec<Finding>,
    /// What `required` and `fail` would have said, and warnings about values: Helm logs them.
    pub log: Vec<Warning>,
}

impl LintReport {
    fn add(&mut self, severity: Severity, path: &str, text: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            path: path.to_owned(),
            text: text.into(),
        });
    }

    /// Notes the error, if it is one; says whether it is none.
    fn check(&mut self, severity: Severity, path: &str, outcome: Result<(), String>) -> bool {
        match outcome {
            Ok(()) => true,
            Err(text) => {
                self.add(severity, path, text);
                false
            }
        }
    }
}

/// Judges charts one after the other, on a thread with room for everything that templates could nest.
///
/// # Errors
/// When the user's values can't be joined, or the thread can't be started.
pub fn lint_on_own_stack(
    charts: &[LintChart<'_>],
    options: &LintOptions<'_>,
) -> Result<Vec<LintReport>, RenderError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("lint".to_owned())
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, || lint(charts, options))?;
        thread
            .join()
            .unwrap_or_else(|_| Err(RenderError::Panicked(String::new())))
    })
}

fn lint(charts: &[LintChart<'_>], options: &LintOptions<'_>) -> Result<Vec<LintReport>, RenderError> {
    let values = joined_values(options.values, options.secret_values, options.service_values)?;
    Ok(charts
        .iter()
        .map(|chart| lint_chart(chart, options, &values))
        .collect())
}

fn lint_chart(chart: &LintChart<'_>, options: &LintOptions<'_>, values: &Map) -> LintReport {
    let mut report = LintReport::default();
    chart_file::check(chart, &mut report);
    check_values(chart, values, &mut report);
    let loaded = match &chart.loaded {
        Some(loaded) => Ok(loaded.clone()),
        None => load(chart.files, chart.dir, &chart.profile).map_err(|error| error.to_string()),
    };
    templates::check(chart, &loaded, options, values, &mut report);
    match &loaded {
        Ok(loaded) => check_dependencies(loaded, &chart.shown_dir, &mut report),
        Err(error) => report.add(Severity::Error, "", format!("unable to load chart\n\t{error}")),
    }
    report
}

impl LintChart<'_> {
    /// A file's path in `files`.
    fn path(&self, name: &str) -> String {
        if self.dir.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.dir)
        }
    }

    /// A file's content; nothing where it can't be read.
    fn read(&self, name: &str) -> Option<Arc<[u8]>> {
        self.files.read(&self.path(name)).ok().flatten()
    }
}

fn check_values(chart: &LintChart<'_>, values: &Map, report: &mut LintReport) {
    const FILE: &str = "values.yaml";
    let Some(text) = chart.read(FILE) else {
        report.add(Severity::Info, FILE, "file does not exist");
        return;
    };
    let defaults = match yaml::to_table(&text) {
        Ok(table) => match Value::from_json(&table) {
            Value::Map(table) => table,
            _ => Map::new(),
        },
        Err(error) => {
            let error = error
                .to_string()
                .replace("map[string]interface {}", "chartutil.Values");
            report.add(Severity::Error, FILE, format!("unable to parse YAML: {error}"));
            return;
        }
    };
    let empty = Tree::without_charts();
    let mut coalescer = Coalescer::new(&empty);
    // Go: the tables below the first level stay those of the user's values, and are completed in place.
    let joined = Map::new();
    coalescer.tables(&joined, values, "", Nulls::Remove);
    coalescer.tables(&joined, &defaults, "", Nulls::Remove);
    report.log.extend(coalescer.into_warnings());
    let Some(schema) = chart
        .read("values.schema.json")
        .filter(|schema| !schema.is_empty())
    else {
        return;
    };
    let judgement = schema::judge(&schema, &Value::Map(joined).to_json());
    let name = chart.shown_dir.as_str();
    let warnings = judgement.warnings.iter().map(|warning| warning.about(name));
    report.log.extend(warnings);
    if let Some(reasons) = judgement.refused {
        report.add(Severity::Error, FILE, reasons);
    }
}

fn check_dependencies(chart: &Chart, dir: &str, report: &mut LintReport) {
    // Go: the chart is loaded once more.
    add_warnings(chart, &mut report.log);
    let required = &chart.metadata.dependencies;
    let loaded = &chart.dependencies;
    let unlisted: Vec<&str> = loaded
        .iter()
        .map(Chart::name)
        .filter(|name| !required.iter().any(|dependency| dependency.name == *name))
        .collect();
    let missing: Vec<&str> = required
        .iter()
        .map(|dependency| dependency.name.as_str())
        .filter(|name| !loaded.iter().any(|chart| chart.name() == *name))
        .collect();
    // That no two dependencies have one name is checked when the chart is loaded.
    if !unlisted.is_empty() {
        let names = unlisted.join(",");
        report.add(
            Severity::Error,
            dir,
            format!("chart metadata is missing these dependencies: {names}"),
        );
    }
    if !missing.is_empty() {
        let names = missing.join(",");
        report.add(
            Severity::Warning,
            dir,
            format!("chart directory is missing these dependencies: {names}"),
        );
    }
}

#[cfg(test)]
mod tests;
