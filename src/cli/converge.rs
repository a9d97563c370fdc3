//! `kiel converge`: from the commit to running pods.

use std::time::{Duration, Instant};

use clap::Args;

use super::args::{
    AddArgs, BuildArgs, DeployArgs, DeployReportArgs, FollowArgs, KubeArgs, ProjectArgs, RegistryArgs,
    ReleaseArgs, ValuesArgs,
};
use super::dependencies::{self, DependencyArgs};
use super::error::CommandResult;
use super::images::{self, DONE};
use super::project::Project;
use super::secrets::SecretArgs;
use super::{Context, chart, deploy};
use crate::deploy::{RunOptions, run_reported};
use crate::event::Event;
use crate::images::PlannedImages;

/// Build what is missing, apply the chart, wait until it is up
///
/// The commit at HEAD counts, not the work tree. What the registry has is not built, what the cluster has is not
/// applied; where nothing changes no revision is written.
#[derive(Debug, Args)]
pub(crate) struct ConvergeCommand {
    /// Names or globs of images to build, `!` before one excludes [default: all]
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    follow: FollowArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    build: BuildArgs,
    /// Build nothing: take the names and digests of images from the saved report of --build-report-path
    #[arg(long, help_heading = "Build")]
    use_build_report: bool,
    #[command(flatten)]
    release: ReleaseArgs,
    #[command(flatten)]
    values: ValuesArgs,
    #[command(flatten)]
    secrets: SecretArgs,
    #[command(flatten)]
    dependencies: DependencyArgs,
    #[command(flatten)]
    add: AddArgs,
    #[command(flatten)]
    kube: KubeArgs,
    #[command(flatten)]
    deploy: DeployArgs,
    #[command(flatten)]
    report: DeployReportArgs,
    /// Time for all resources to become ready, such as 90s, 5m or 300; without it as long as there is hope
    #[arg(long, short = 't', value_name = "DURATION", value_parser = super::args::parse_duration, help_heading = "Deploy")]
    timeout: Option<Duration>,
    /// Revisions of the release that are kept; 0 keeps all
    #[arg(long, default_value_t = 5, value_name = "NUMBER", help_heading = "Deploy")]
    releases_history_max: usize,
}

impl ConvergeCommand {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let written = [
            self.build.build_report_path.as_path(),
            self.report.deploy_report_path.as_path(),
        ];
        let once = async || self.run_once(context).await;
        self.follow.run(&self.project, written, context, once).await
    }

    async fn run_once(&self, context: &Context) -> CommandResult {
        let started = Instant::now();
        let report_path = deploy::report_path(&self.report)?;
        let mut project = Project::open(&self.project, context)?;
        project.look_up_latest(&self.registry, context).await?;
        project.warn_outdated(context);
        let target = deploy::target(&project, &self.release)?;
        let values = chart::read_values(&self.values, &project, &context.env)?;
        let added = self.add.read(&context.env)?;
        let secrets = self
            .secrets
            .read(&self.project.dir, &project, &self.registry, context)?;
        let planned = if self.use_build_report {
            PlannedImages::default()
        } else {
            images::plan_images(&project, &self.images, context)?
        };
        project.check_images(&planned.images)?;
        let loaded = dependencies::load_chart(&project, &self.registry, &self.dependencies, context).await?;
        let loaded = chart::with_defaults(loaded, &self.values);
        // A cluster that cannot be reached is known before anything is built.
        let cluster = deploy::connect(&self.kube, context).await?;
        let names = if self.use_build_report {
            images::names_of_saved(&self.build.build_report_path, &project, context)?
        } else if planned.images.is_empty() {
            Vec::new()
        } else {
            let report = images::build(&project, planned, &self.build, &self.registry, context).await?;
            images::names_by_report(&report)
        };
        let repo = self.registry.repo.as_deref();
        let chart = deploy::ChartSource {
            chart: &loaded,
            project: &project,
            values: &values,
            secrets: &secrets,
            repo,
            names,
            added: &added,
        };
        let plan = deploy::plan(&cluster, &target, chart, &self.deploy, context).await?;
        let options = RunOptions {
            timeout: self.timeout,
            history_max: self.releases_history_max,
            runner: deploy::runner(&context.env),
            ..RunOptions::default()
        };
        let (report, outcome) =
            run_reported(&cluster, plan, &options, &context.events, &context.cancel).await;
        if let Some(path) = &report_path {
            // How the run ended comes first.
            let saved = deploy::save_report(&report, path);
            outcome.as_ref().map_or(Ok(()), |_| saved)?;
        }
        let outcome = outcome?;
        context.events.send(Event::Summary);
        let seconds = started.elapsed().as_secs_f64();
        let Some(revision) = outcome.revision else {
            context
                .events
                .info(format!("release {target}: nothing to do, in {seconds:.1}s"));
            return Ok(DONE);
        };
        context.events.info(format!(
            "release {target} is up, revision {revision}, in {seconds:.1}s"
        ));
        if let Some(notes) = outcome.notes.filter(|notes| !notes.trim().is_empty()) {
            context.events.info(format!("notes:\n{}", notes.trim_end()));
        }
        Ok(DONE)
    }
}
