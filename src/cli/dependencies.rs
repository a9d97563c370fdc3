//! The project's chart with the charts that it depends on, and where Helm keeps what belongs to a user.

use std::path::PathBuf;

use clap::Args;
use kiel_chart::{Chart, Profile};
use kiel_template::files::FileTree as _;

use super::Context;
use super::args::RegistryArgs;
use super::chart::chart_profile;
use super::env::Environment;
use super::error::CommandError;
use super::images;
use super::project::Project;
use crate::charts::{Charts, ChartsError, ChartsOptions, HelmFiles, LoadError};

/// How the charts are got that the chart depends on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Dependencies")]
pub(crate) struct DependencyArgs {
    /// Take the cached indexes of chart repositories as they are
    #[arg(long, short = 'L')]
    skip_dependencies_repo_refresh: bool,
}

/// Loads the project's chart from the commit and adds the dependencies that its lock file names.
pub(crate) async fn load_chart(
    project: &Project,
    registry: &RegistryArgs,
    args: &DependencyArgs,
    context: &Context,
) -> Result<Chart, CommandError> {
    let dir = &project.config.meta.deploy.helm_chart_dir;
    project.check_chart(dir)?;
    let chart = kiel_chart::load(&project.files, dir, &chart_profile(project))?;
    let files = helm_files(&context.env);
    let mut options = images::registry_options(registry, context)?;
    options.credential_files.push(files.registry_config.clone());
    let charts = Charts::new(ChartsOptions {
        registry: options,
        files,
        cache: Some(cache(&context.env)),
        skip_refresh: args.skip_dependencies_repo_refresh,
        ..ChartsOptions::default()
    });
    let local = |path: &str| -> Result<Chart, ChartsError> {
        let is_there = project.files.is_dir(path).map_err(LoadError::Folder)?;
        if !is_there {
            let text = format!("directory {path} not found in the commit");
            return Err(ChartsError::Text(text));
        }
        Ok(kiel_chart::load(&project.files, path, &Profile::Helm).map_err(LoadError::from)?)
    };
    tokio::select! {
        chart = charts.complete(chart, dir, &local) => Ok(chart?),
        () = context.cancel.cancelled() => Err(CommandError::interrupted()),
    }
}

/// Where charts are kept between runs.
pub(crate) fn cache(env: &Environment) -> PathBuf {
    env.state_home().join("charts")
}

/// Where Helm looks for a user's files when no flag says it.
pub(crate) fn helm_files(env: &Environment) -> HelmFiles {
    let base = |own: &str, shared: &str, default: &str| match (env.get(own), env.get(shared)) {
        (Some(own), _) => PathBuf::from(own),
        (None, Some(shared)) => PathBuf::from(shared).join("helm"),
        (None, None) => env.home().unwrap_or_default().join(default).join("helm"),
    };
    let config = base("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config");
    let cache = base("HELM_CACHE_HOME", "XDG_CACHE_HOME", ".cache");
    let given = |name: &str, path: PathBuf| env.get(name).map_or(path, PathBuf::from);
    HelmFiles {
        repository_config: given("HELM_REPOSITORY_CONFIG", config.join("repositories.yaml")),
        repository_cache: given("HELM_REPOSITORY_CACHE", cache.join("repository")),
        registry_config: given("HELM_REGISTRY_CONFIG", config.join("registry/config.json")),
    }
}
