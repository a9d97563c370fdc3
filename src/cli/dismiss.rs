//! `kiel dismiss`: takes a release away again.

use clap::Args;

use super::Context;
use super::args::{KubeArgs, ProjectArgs, RegistryArgs, ReleaseArgs};
use super::deploy;
use super::error::CommandResult;
use super::images::DONE;
use super::project::Project;
use crate::deploy::{DismissOptions, dismiss};
use crate::event::Event;

/// Delete the release and what belongs to it
///
/// The images stay in the registry. Objects with the annotation `helm.sh/resource-policy: keep` stay in the cluster.
#[derive(Debug, Args)]
pub(crate) struct DismissCommand {
    #[command(flatten)]
    project: ProjectArgs,
    /// Taken so that pipelines can give every command the same flags
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    release: ReleaseArgs,
    #[command(flatten)]
    kube: KubeArgs,
    /// Delete the namespace too, unless other releases are in it
    #[arg(long)]
    with_namespace: bool,
    /// Delete the objects of hooks too
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set)]
    with_hooks: bool,
    /// Time for everything to be gone, such as 90s, 5m or 300
    #[arg(long, short = 't', value_name = "DURATION", value_parser = super::args::parse_duration)]
    timeout: Option<std::time::Duration>,
}

impl DismissCommand {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let project = Project::open(&self.project, context)?;
        let target = deploy::target(&project, &self.release)?;
        let cluster = deploy::connect(&self.kube, context).await?;
        let options = DismissOptions {
            with_namespace: self.with_namespace,
            with_hooks: self.with_hooks,
            timeout: self.timeout,
            runner: deploy::runner(&context.env),
        };
        dismiss(&cluster, &target, &options, &context.events, &context.cancel).await?;
        context.events.send(Event::Summary);
        Ok(DONE)
    }
}
