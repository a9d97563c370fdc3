//! `kiel helm dependency`: the charts that a chart depends on, listed, built from the lock file, or chosen anew.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use kiel_chart::{Chart, Dependency, parse_strict};
use kiel_template::functions::semver::{Constraints, Version};

use super::globals::HelmGlobals;
use super::remote::{AccessArgs, UnsafeArgs, charts, note, registry_of, say};
use super::signing::VerifyArgs;
use super::table::table;
use super::{HelmError, HelmResult, go_files, signing};
use crate::charts::{self, Manager, Verification};
use crate::cli::Context;
use crate::ui;

/// What is done with dependencies.
#[derive(Debug, Subcommand)]
pub(crate) enum DependencyCommands {
    /// Show what the chart depends on, and what of it is there
    #[command(visible_alias = "ls")]
    List(ListCommand),
    /// Fill charts/ with what the lock file says
    Build(BuildCommand),
    /// Choose versions anew, fill charts/ and write the lock file
    #[command(visible_alias = "up")]
    Update(BuildCommand),
}

/// Of which chart.
#[derive(Debug, Args)]
pub(crate) struct ListCommand {
    /// Folder or archive [default: .]
    #[arg(value_name = "CHART", default_value = ".", hide_default_value = true)]
    chart: String,
    /// Widest column
    #[arg(long, default_value_t = 80, value_name = "COLUMNS")]
    max_col_width: usize,
}

/// Of which chart, and how servers are reached.
#[derive(Debug, Args)]
pub(crate) struct BuildCommand {
    /// The chart's folder [default: .]
    #[arg(value_name = "CHART", default_value = ".", hide_default_value = true)]
    chart: String,
    /// Take cached indexes as they are
    #[arg(long)]
    skip_refresh: bool,
    #[command(flatten)]
    verification: VerifyArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    risks: UnsafeArgs,
}

impl DependencyCommands {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        match self {
            Self::List(command) => command.run(),
            Self::Build(command) => command.run(false, globals, context).await,
            Self::Update(command) => command.run(true, globals, context).await,
        }
    }
}

impl BuildCommand {
    async fn run(self, is_update: bool, globals: &HelmGlobals, context: &Context) -> HelmResult {
        self.run_telling(is_update, &say, globals, context).await
    }

    async fn run_telling(
        self,
        is_update: bool,
        say: &(dyn Fn(&str) + Sync),
        globals: &HelmGlobals,
        context: &Context,
    ) -> HelmResult {
        let folder = PathBuf::from(go_files::clean(&self.chart));
        let loaded = charts::load(&folder);
        let dependencies = loaded
            .map(|chart| chart.metadata.dependencies)
            .unwrap_or_default();
        let registries: Vec<String> = dependencies
            .iter()
            .filter_map(|one| registry_of(&format!("{}/x", one.repository.trim_end_matches('/'))))
            .collect();
        // Go: these flags are for registries; repositories are added with flags of their own.
        let entry = self.access.entry(&self.risks);
        let charts = charts(globals, &entry, self.risks.plain_http(), &registries, context);
        let keyring = self.verification.keyring(&context.env);
        let verification = keyring.map(|keyring| Verification {
            keyring: keyring.map_err(|HelmError(text)| text),
            is_required: is_update,
            now: signing::now(),
        });
        let manager = Manager {
            charts: &charts,
            folder,
            skip_refresh: self.skip_refresh,
            verification: verification.as_ref(),
            now: jiff::Timestamp::now().to_string(),
            say,
            note: &note,
        };
        if is_update {
            manager.update().await?;
        } else {
            manager.build().await?;
        }
        Ok(())
    }
}

/// Chooses and gets the dependencies of a chart in a folder, as `template --dependency-update` does; `package` does it
/// without a word.
pub(super) async fn update(
    folder: &Path,
    is_quiet: bool,
    (access, risks): (AccessArgs, UnsafeArgs),
    globals: &HelmGlobals,
    context: &Context,
) -> HelmResult {
    let command = BuildCommand {
        chart: folder.display().to_string(),
        skip_refresh: false,
        verification: VerifyArgs::default(),
        access,
        risks,
    };
    let tell = |text: &str| {
        if !is_quiet {
            say(text);
        }
    };
    Box::pin(command.run_telling(true, &tell, globals, context)).await
}

impl ListCommand {
    fn run(self) -> HelmResult {
        let path = PathBuf::from(go_files::clean(&self.chart));
        if !path.exists() {
            let path = path.display();
            return Err(HelmError(format!("stat {path}: no such file or directory")));
        }
        let chart = charts::load(&path)?;
        let folder = path.join("charts");
        if !chart.metadata.lists_dependencies {
            ui::data(&format!("WARNING: no dependencies at {}\n", folder.display()))?;
            return Ok(());
        }
        let wanted = &chart.metadata.dependencies;
        let mut rows = vec![
            ["NAME", "VERSION", "REPOSITORY", "STATUS"]
                .map(str::to_owned)
                .to_vec(),
        ];
        rows.extend(wanted.iter().map(|one| {
            let status = status(&folder, one, &chart);
            vec![
                one.name.clone(),
                one.version.clone(),
                one.repository.clone(),
                status.to_owned(),
            ]
        }));
        ui::data(&format!("{}\n\n", table(&rows, self.max_col_width)))?;
        tell_unlisted(&folder, wanted)
    }
}

/// Go: `dependencyStatus`.
fn status(folder: &Path, one: &Dependency, parent: &Chart) -> &'static str {
    let archives = archives(folder, &one.name);
    let version = |path: &PathBuf| {
        let stem = path.file_stem()?.to_str()?;
        parse_strict(stem.strip_prefix(&format!("{}-", one.name)).unwrap_or(stem))
    };
    let found: Vec<&PathBuf> = match archives.as_slice() {
        [only] => vec![only],
        several => several.iter().filter(|path| version(path).is_some()).collect(),
    };
    match found.as_slice() {
        [] => {}
        [archive] => return archive_status(archive, one),
        _ => return "too many matches",
    }
    // Go: of several charts of one name the last one counts.
    match parent.dependencies.iter().rfind(|chart| chart.name() == one.name) {
        None => "missing",
        Some(chart) => fit(one, chart.version()).unwrap_or("unpacked"),
    }
}

fn archive_status(archive: &Path, one: &Dependency) -> &'static str {
    match charts::load(archive) {
        Err(_) => "corrupt",
        Ok(chart) if chart.name() != one.name => "misnamed",
        Ok(chart) => fit(one, chart.version()).unwrap_or("ok"),
    }
}

/// What is wrong with a version, if anything is.
fn fit(one: &Dependency, version: &str) -> Option<&'static str> {
    if one.version == version {
        return None;
    }
    match (Constraints::parse(&one.version), Version::parse(version)) {
        (Ok(constraints), Ok(version)) if constraints.allow(&version) => None,
        (Ok(_), Ok(_)) => Some("wrong version"),
        _ => Some("invalid version"),
    }
}

/// Paths of `NAME-*.tgz`, in their order.
fn archives(folder: &Path, name: &str) -> Vec<PathBuf> {
    let start = format!("{name}-");
    let is_archive = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str());
        file.is_some_and(|file| file.starts_with(&start) && file.ends_with(".tgz"))
    };
    listed(folder).into_iter().filter(is_archive).collect()
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Go: `printMissing`: charts that are there and that nobody wants.
fn tell_unlisted(folder: &Path, wanted: &[Dependency]) -> HelmResult {
    for path in listed(folder) {
        let is_archive = path.extension().is_some_and(|extension| extension == "tgz");
        if !path.is_dir() && !is_archive {
            continue;
        }
        let shown = path.display().to_string();
        let problem = match charts::load(&path) {
            Err(_) => "is not a chart.",
            Ok(chart) if wanted.iter().any(|one| one.name == chart.name()) => continue,
            Ok(_) => "is not in Chart.yaml.",
        };
        ui::data(&format!("WARNING: {shown:?} {problem}\n"))?;
    }
    Ok(())
}
