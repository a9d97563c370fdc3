//! `kiel lint`: Helm's rules for the project's chart, or for charts on the disk.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use kiel_chart::Release;
use kiel_chart::lint::{self, LintChart, LintOptions};

use super::args::StubArgs;
use super::chart::{
    ChartArgs, ChartInput, ChartParts, chart_parts, read_values, render_chart, static_capabilities,
};
use super::clock::Clock;
use super::dependencies;
use super::error::{CommandError, CommandResult};
use super::helm::{HelmError, HelmValuesArgs, LintFlags, lint_paths, print_results};
use super::project::Project;
use super::{Context, chart, deploy};

/// Examine charts for possible issues
///
/// Without a path the project's chart, as the commit has it and with the values that a release of it would get; with
/// paths, or where there is no project, charts on the disk, with the files of --values from the disk too. The rules and
/// their words are Helm's. A project's chart without findings is rendered too, so that what `fail` and `required`
/// refuse fails here.
#[derive(Debug, Args)]
pub(crate) struct LintCommand {
    /// Folders or archives with charts
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    #[command(flatten)]
    flags: LintFlags,
    #[command(flatten)]
    source: ChartArgs,
    #[command(flatten)]
    stubs: StubArgs,
}

impl LintCommand {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let outcome = if !self.paths.is_empty() || self.is_plain_chart() {
            self.lint_disk()
        } else {
            let mut project = Project::open(&self.source.project, context)?;
            project.look_up_latest(&self.source.registry, context).await?;
            self.lint_project(&project, context).await?
        };
        match outcome {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the folder is a chart and no project.
    fn is_plain_chart(&self) -> bool {
        let has = |name: &str| self.source.project.dir.join(name).is_file();
        self.source.project.config.is_none() && has("Chart.yaml") && !has("werf.yaml") && !has("werf.yml")
    }

    fn lint_disk(&self) -> Result<(), HelmError> {
        let paths = if self.paths.is_empty() {
            vec![self.source.project.dir.display().to_string()]
        } else {
            self.paths.clone()
        };
        let paths = self.flags.with_subcharts(paths);
        let values = HelmValuesArgs::from(&self.source.values).read()?;
        let namespace = self.source.release.namespace.as_deref().unwrap_or("default");
        lint_paths(
            &paths,
            &values,
            namespace,
            self.flags.kube_version()?,
            &self.flags,
        )
    }

    /// The outer error is why the project can't be looked at, the inner one that its chart has failed.
    async fn lint_project(
        &self,
        project: &Project,
        context: &Context,
    ) -> Result<Result<(), HelmError>, CommandError> {
        let target = deploy::target(project, &self.source.release)?;
        let values = read_values(&self.source.values, project, &context.env)?;
        let secrets =
            self.source
                .secrets
                .read(&self.source.project.dir, project, &self.source.registry, context)?;
        let loaded =
            dependencies::load_chart(project, &self.source.registry, &self.source.dependencies, context)
                .await?;
        let loaded = chart::with_defaults(loaded, &self.source.values);
        let images = self.stubs.image_names(project, context)?;
        let namespace = target.namespace.to_string();
        let ChartParts {
            profile,
            service_values,
            functions,
        } = chart_parts(
            project,
            &namespace,
            self.stubs.repo(&self.source.registry),
            images.clone(),
            &secrets,
        );
        let dir = &project.config.meta.deploy.helm_chart_dir;
        let lint_chart = LintChart {
            files: &project.files,
            dir,
            shown_dir: dir.clone(),
            profile,
            loaded: Some(loaded.clone()),
        };
        let options = LintOptions {
            values: &values,
            secret_values: &secrets.values,
            service_values: &service_values,
            namespace: &namespace,
            kube_version: self.flags.kube_version()?,
            check_schemas: !self.flags.skip_schema_validation,
            environment: Arc::new(Clock),
            extra_functions: Some(functions),
        };
        let reports = lint::lint_on_own_stack(&[lint_chart], &options)?;
        let results = reports.into_iter().map(|report| (dir.clone(), Ok(report)));
        let judged = print_results(results.collect(), &self.flags, |warning| {
            warning.text().to_owned()
        });
        if judged.is_ok() {
            // What `fail` and `required` refuse is no finding, but would end a release.
            let input = ChartInput {
                chart: &loaded,
                values: &values,
                secrets: &secrets,
                release: Release {
                    name: target.name.to_string(),
                    namespace,
                    revision: 1,
                    is_upgrade: false,
                },
                repo: self.stubs.repo(&self.source.registry),
                images,
                capabilities: static_capabilities(self.flags.kube_version.as_deref(), &[])?,
                lookup: None,
                added: &self.source.add.read(&context.env)?.metadata,
            };
            render_chart(project, input)?;
        }
        Ok(judged)
    }
}
