//! `kiel render`: the chart's manifests, as Helm prints them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use kiel_chart::{HookOutput, KnownObjects, Lookup, Manifests, Release};

use super::args::{FollowArgs, StubArgs};
use super::chart::{ChartArgs, ChartInput, read_values, render_chart, with_family};
use super::dependencies;
use super::error::{CommandError, CommandResult};
use super::helm::write_files;
use super::project::Project;
use super::{Context, chart, deploy, print};

/// Print the chart's manifests
///
/// Needs no cluster and no registry: the images' names are computed from the commit. Their digests are known only where
/// they are built; before that the chart sees KNOWN_AFTER_BUILD. Without --repo names are REPO:TAG.
#[derive(Debug, Args)]
pub(crate) struct RenderCommand {
    #[command(flatten)]
    source: ChartArgs,
    #[command(flatten)]
    follow: FollowArgs,
    #[command(flatten)]
    stubs: StubArgs,
    /// Write to this file in place of standard output
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Write a file for each template to this folder, as helm template does
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    output_dir: Option<String>,
    /// Print objects in werf's form: sorted by kind, namespace and name, hooks first, with sorted keys and without
    /// comments
    #[arg(long)]
    normalize: bool,
    /// Only manifests of this template, such as templates/app.yaml; may be repeated
    #[arg(long, short = 's', value_name = "PATTERN")]
    show_only: Vec<String>,
    /// Print the documents of crds/ too
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set)]
    include_crds: bool,
    /// Kubernetes version that the chart sees, such as 1.34
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// API version that the chart sees beside the usual ones; may be repeated
    #[arg(long, value_name = "GROUP/VERSION")]
    extra_apiversions: Vec<String>,
    /// File with objects that lookup finds, as kubectl get -o yaml prints them; may be repeated. Without it lookup finds
    /// nothing
    #[arg(long, value_name = "PATH")]
    lookup_resources: Vec<String>,
    /// Print where a value comes from, such as image.tag, in place of manifests: the place that counts, then those that
    /// it overrides
    #[arg(long, value_name = "KEY")]
    show_origin: Option<String>,
}

impl RenderCommand {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let written = self.output.as_deref();
        let once = async || self.run_once(context).await;
        self.follow
            .run(&self.source.project, written, context, once)
            .await
    }

    async fn run_once(&self, context: &Context) -> CommandResult {
        let mut project = Project::open(&self.source.project, context)?;
        project.look_up_latest(&self.source.registry, context).await?;
        let target = deploy::target(&project, &self.source.release)?;
        let values = read_values(&self.source.values, &project, &context.env)?;
        let secrets =
            self.source
                .secrets
                .read(&self.source.project.dir, &project, &self.source.registry, context)?;
        let images = self.stubs.image_names(&project, context)?;
        let loaded = dependencies::load_chart(
            &project,
            &self.source.registry,
            &self.source.dependencies,
            context,
        )
        .await?;
        let loaded = chart::with_defaults(loaded, &self.source.values);
        if let Some(key) = &self.show_origin {
            return print(&chart::origins(&project, &loaded, &values, &secrets, key)?);
        }
        let manifests = render_chart(
            &project,
            ChartInput {
                chart: &loaded,
                values: &values,
                secrets: &secrets,
                release: Release {
                    name: target.name.to_string(),
                    namespace: target.namespace.to_string(),
                    revision: 1,
                    is_upgrade: false,
                },
                repo: self.stubs.repo(&self.source.registry),
                images,
                capabilities: chart::static_capabilities(
                    self.kube_version.as_deref(),
                    &with_family(&context.env, "extra-apiversions", &self.extra_apiversions),
                )?,
                lookup: self.known_objects(context)?,
                added: &self.source.add.read(&context.env)?.metadata,
            },
        )?;
        for warning in &manifests.warnings {
            context.events.warn(warning.text().to_owned());
        }
        if let Some(dir) = &self.output_dir {
            write_files(dir, &self.files(&manifests)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let text = self.text(&manifests)?;
        match &self.output {
            Some(path) => {
                fs_err::write(path, text)?;
                Ok(ExitCode::SUCCESS)
            }
            None => print(&text),
        }
    }

    /// What `lookup` finds.
    fn known_objects(
        &self,
        context: &Context,
    ) -> Result<Option<Arc<dyn Lookup + Send + Sync>>, CommandError> {
        let mut known = KnownObjects::default();
        for path in with_family(&context.env, "lookup-resources", &self.lookup_resources) {
            known.add(&path, &fs_err::read_to_string(&path)?)?;
        }
        Ok(Some(Arc::new(known)))
    }

    fn text(&self, manifests: &Manifests) -> Result<String, CommandError> {
        let text = if self.normalize {
            manifests.to_normalized_output(self.include_crds)?
        } else {
            manifests.to_template_output(self.include_crds, HookOutput::All)
        };
        if self.show_only.is_empty() {
            return Ok(text);
        }
        Ok(kiel_chart::show_only(&text, &self.show_only)?)
    }

    /// Templates' names and texts to add to their files.
    fn files(&self, manifests: &Manifests) -> Result<Vec<(String, String)>, CommandError> {
        if !self.normalize {
            return Ok(manifests.to_template_files(self.include_crds, HookOutput::All));
        }
        let files = manifests.to_normalized_files(self.include_crds)?;
        let with_head = |(source, text): (String, String)| {
            let text = format!("---\n# Source: {source}\n{text}");
            (source, text)
        };
        Ok(files.into_iter().map(with_head).collect())
    }
}
