//! `kiel plan`: what converge would change.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::args::{DeployArgs, KubeArgs, ReportArgs};
use super::chart::ChartArgs;
use super::dependencies;
use super::error::{CommandError, CommandResult, EXIT_CHANGES_PLANNED};
use super::images::{self, DONE};
use super::project::Project;
use super::{Context, chart, deploy};
use crate::images::PlannedImages;
use crate::{build, ui};

/// Show what converge would change
///
/// Builds nothing and changes nothing: an image that is not built yet has its name already. Every object that is new or
/// differs is tried by a dry run on the server.
#[derive(Debug, Args)]
pub(crate) struct PlanCommand {
    #[command(flatten)]
    source: ChartArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    kube: KubeArgs,
    #[command(flatten)]
    deploy: DeployArgs,
    /// Time for the plan to be made, such as 90s, 5m or 300
    #[arg(long, short = 't', value_name = "DURATION", value_parser = super::args::parse_duration, help_heading = "Deploy")]
    timeout: Option<Duration>,
    /// Exit with 2 where there are changes
    #[arg(long)]
    exit_code: bool,
    /// Form of the plan: text or json
    #[arg(long, short = 'o', default_value = "text", value_name = "FORM", value_parser = ["text", "json"])]
    output: String,
}

impl PlanCommand {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let Some(limit) = self.timeout else {
            return self.show(context).await;
        };
        match tokio::time::timeout(limit, self.show(context)).await {
            Ok(result) => result,
            Err(_) => Err(CommandError::new(format!(
                "cannot make a plan within {} s: the registry or the cluster takes longer",
                limit.as_secs()
            ))),
        }
    }

    async fn show(&self, context: &Context) -> CommandResult {
        let mut project = Project::open(&self.source.project, context)?;
        project.look_up_latest(&self.source.registry, context).await?;
        project.warn_outdated(context);
        let target = deploy::target(&project, &self.source.release)?;
        let values = chart::read_values(&self.source.values, &project, &context.env)?;
        let secrets =
            self.source
                .secrets
                .read(&self.source.project.dir, &project, &self.source.registry, context)?;
        let saved = self.report.image_names(&project, context)?;
        let planned = match &saved {
            Some(_) => PlannedImages::default(),
            None => images::plan_images(&project, &[], context)?,
        };
        project.check_images(&planned.images)?;
        let loaded = dependencies::load_chart(
            &project,
            &self.source.registry,
            &self.source.dependencies,
            context,
        )
        .await?;
        let loaded = chart::with_defaults(loaded, &self.source.values);
        let cluster = deploy::connect(&self.kube, context).await?;
        let mut missing = Vec::new();
        let mut names = saved.unwrap_or_default();
        if !planned.images.is_empty() {
            let repository = images::repository(&self.source.registry)?;
            let registry = images::registry(&self.source.registry, context)?;
            let images = build::plan(planned, &registry, &repository, &project.commit.id).await?;
            missing = images
                .missing()
                .into_iter()
                .map(|image| image.title.clone())
                .collect();
            names = images::names_by_plan(&images);
        }
        let repo = self.source.registry.repo.as_deref();
        let chart = deploy::ChartSource {
            chart: &loaded,
            project: &project,
            values: &values,
            secrets: &secrets,
            repo,
            names,
            added: &self.source.add.read(&context.env)?,
        };
        let plan = deploy::plan(&cluster, &target, chart, &self.deploy, context).await?;
        if self.output == "json" {
            ui::report_json(&plan)?;
        } else {
            let built: String = missing
                .iter()
                .map(|name| format!("Build image {name}\n"))
                .collect();
            let separator = if built.is_empty() { "" } else { "\n" };
            ui::report(&format!("{built}{separator}{plan}"))?;
        }
        let changes = plan.has_changes() || !missing.is_empty();
        Ok(if self.exit_code && changes {
            ExitCode::from(EXIT_CHANGES_PLANNED)
        } else {
            DONE
        })
    }
}
