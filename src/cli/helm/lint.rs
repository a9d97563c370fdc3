//! `kiel helm lint`: what is wrong with charts, as Helm prints it.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use kiel_chart::lint::{self, LintChart, LintOptions, LintReport, Severity, UnpackedChart};
use kiel_chart::{KubeVersion, Profile, ValuesInput, Warning};
use serde_json::Value;

use super::args::HelmValuesArgs;
use super::{HelmError, HelmGlobals, HelmResult, go_files};
use crate::charts::Folder;
use crate::cli::clock::Clock;
use crate::cli::env::Environment;
use crate::ui;

/// Examine charts for possible issues
#[derive(Debug, Args)]
pub(crate) struct LintCommand {
    /// Folders or archives [default: .]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    #[command(flatten)]
    flags: LintFlags,
    #[command(flatten)]
    values: HelmValuesArgs,
}

/// How strictly, and how much is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct LintFlags {
    /// Fail on warnings
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print only warnings and errors
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Examine the charts in charts/ too
    #[arg(long)]
    pub(crate) with_subcharts: bool,
    /// Do not check the values by values.schema.json when templates are rendered
    #[arg(long)]
    pub(crate) skip_schema_validation: bool,
    /// Kubernetes version that charts see and whose deprecations count, such as 1.34
    #[arg(long, value_name = "VERSION")]
    pub(crate) kube_version: Option<String>,
}

impl LintCommand {
    pub(super) fn run(self, globals: &HelmGlobals, env: &Environment) -> HelmResult {
        let kube_version = self.flags.kube_version()?;
        let paths = if self.paths.is_empty() {
            vec![".".to_owned()]
        } else {
            self.paths
        };
        let paths = self.flags.with_subcharts(paths);
        let values = self.values.read()?;
        lint_paths(
            &paths,
            &values,
            &globals.namespace(env),
            kube_version,
            &self.flags,
        )
    }
}

impl LintFlags {
    /// The wanted version of Kubernetes.
    pub(crate) fn kube_version(&self) -> Result<Option<KubeVersion>, HelmError> {
        let parse = |version: &String| {
            KubeVersion::parse(version).map_err(|_| {
                HelmError(format!(
                    "invalid kube version '{version}': could not parse \"{version}\" as version"
                ))
            })
        };
        self.kube_version
            .as_ref()
            .filter(|text| !text.is_empty())
            .map(parse)
            .transpose()
    }

    /// The charts and, where they are wanted, the charts in their `charts/`.
    pub(crate) fn with_subcharts(&self, mut paths: Vec<String>) -> Vec<String> {
        if self.with_subcharts {
            let mut below = Vec::new();
            for path in &paths {
                find_charts(&go_files::join(path, "charts"), &mut below);
            }
            paths.append(&mut below);
        }
        paths
    }
}

/// Go: `filepath.Walk`, which follows no links and goes by name.
fn find_charts(dir: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs_err::read_dir(dir) else {
        return;
    };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = go_files::join(dir, &name);
        if name == "Chart.yaml" {
            found.push(dir.to_owned());
        } else if is_archive(&path) {
            found.push(path.clone());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find_charts(&path, found);
        }
    }
}

fn is_archive(path: &str) -> bool {
    path.ends_with(".tgz") || path.ends_with(".tar.gz")
}

/// A chart that could be opened.
enum Opened {
    Folder { files: Folder, shown_dir: String },
    Archive { files: UnpackedChart, shown_dir: String },
}

impl Opened {
    fn open(path: &str) -> Result<Self, HelmError> {
        let wrap = |what: &str, text: &str| HelmError(format!("{what}: {text}"));
        if is_archive(path) {
            let data =
                go_files::read(path).map_err(|HelmError(text)| wrap("unable to open tarball", &text))?;
            let files = UnpackedChart::read(&data)
                .map_err(|error| wrap("unable to extract tarball", &error.to_string()))?;
            let shown_dir = go_files::absolute(path)?;
            return Ok(Self::Archive { files, shown_dir });
        }
        go_files::stat(&go_files::join(path, "Chart.yaml"))
            .map_err(|HelmError(text)| wrap("unable to check Chart.yaml file in chart", &text))?;
        Ok(Self::Folder {
            files: Folder::new(Path::new(path)),
            shown_dir: go_files::absolute(path)?,
        })
    }

    /// Go: the chart is loaded twice, so that it is said twice.
    fn link_warnings(&self) -> Vec<Warning> {
        match self {
            Self::Folder { files, .. } => [files.link_warnings(), files.link_warnings()].concat(),
            Self::Archive { .. } => Vec::new(),
        }
    }

    fn chart(&self) -> LintChart<'_> {
        let (files, shown_dir): (&(dyn kiel_template::files::FileTree + Sync), _) = match self {
            Self::Folder { files, shown_dir } => (files, shown_dir),
            Self::Archive { files, shown_dir } => (files, shown_dir),
        };
        LintChart {
            files,
            dir: "",
            shown_dir: shown_dir.clone(),
            profile: Profile::Helm,
            loaded: None,
        }
    }
}

/// Judges the charts at paths and prints what is found.
pub(crate) fn lint_paths(
    paths: &[String],
    values: &ValuesInput,
    namespace: &str,
    kube_version: Option<KubeVersion>,
    flags: &LintFlags,
) -> HelmResult {
    let opened: Vec<Result<Opened, HelmError>> = paths.iter().map(|path| Opened::open(path)).collect();
    let charts: Vec<LintChart<'_>> = opened.iter().flatten().map(Opened::chart).collect();
    let options = LintOptions {
        values,
        secret_values: &[],
        service_values: &Value::Null,
        namespace,
        kube_version,
        check_schemas: !flags.skip_schema_validation,
        environment: Arc::new(Clock),
        extra_functions: None,
    };
    let mut reports = lint::lint_on_own_stack(&charts, &options)?.into_iter();
    let results = paths.iter().zip(&opened).map(|(path, opened)| {
        let report = match opened {
            Ok(opened) => {
                let mut report = reports.next().unwrap_or_default();
                let links = opened.link_warnings();
                report.log.splice(..0, links);
                Ok(report)
            }
            Err(HelmError(text)) => Err(text.clone()),
        };
        (path.clone(), report)
    });
    print_results(results.collect(), flags, Warning::to_string)
}

/// Prints findings by chart, and warnings as `shown`; fails where a chart did. An `Err` is why a chart could not be opened.
pub(crate) fn print_results(
    results: Vec<(String, Result<LintReport, String>)>,
    flags: &LintFlags,
    shown: fn(&Warning) -> String,
) -> HelmResult {
    let lowest = if flags.strict {
        Severity::Warning
    } else {
        Severity::Error
    };
    let mut output = String::new();
    let (count, mut failed, mut noticed) = (results.len(), 0, false);
    for (path, result) in results {
        let report = result.as_ref().ok();
        let findings = report.map_or(&[][..], |report| &report.findings);
        for line in report.map_or(&[][..], |report| &report.log) {
            ui::print(&shown(line));
        }
        let noticeable = result.is_err() || findings.iter().any(|finding| finding.severity > Severity::Info);
        noticed |= noticeable;
        if flags.quiet && !noticeable {
            continue;
        }
        output.push_str(&format!("==> Linting {path}\n"));
        if let Err(text) = &result {
            output.push_str(&format!("Error {text}\n"));
        }
        for finding in findings {
            if !flags.quiet || finding.severity > Severity::Info {
                output.push_str(&format!("{finding}\n"));
            }
        }
        if result.is_err() || findings.iter().any(|finding| finding.severity >= lowest) {
            failed += 1;
        }
        output.push('\n');
    }
    let summary = format!("{count} chart(s) linted, {failed} chart(s) failed");
    if failed == 0 && (!flags.quiet || noticed) {
        output.push_str(&format!("{summary}\n"));
    }
    ui::report(&output)?;
    if failed > 0 {
        return Err(HelmError(summary));
    }
    Ok(())
}
