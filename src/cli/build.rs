//! `kiel build`: every image that the repository lacks.

use clap::Args;

use super::Context;
use super::args::{BuildArgs, FollowArgs, ProjectArgs, RegistryArgs};
use super::error::CommandResult;
use super::images::{self, DONE};
use super::project::Project;
use crate::event::Event;

/// Build and push the images that the repository lacks
///
/// An image's tag is its key: a name made of everything that goes into it. What the repository has is not built again.
#[derive(Debug, Args)]
pub(crate) struct BuildCommand {
    /// Names or globs of images, `!` before one excludes [default: all]
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
}

impl BuildCommand {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let written = [self.build.build_report_path.as_path()];
        let once = async || self.run_once(context).await;
        self.follow.run(&self.project, written, context, once).await
    }

    async fn run_once(&self, context: &Context) -> CommandResult {
        let mut project = Project::open(&self.project, context)?;
        project.look_up_latest(&self.registry, context).await?;
        project.warn_outdated(context);
        let planned = images::plan_images(&project, &self.images, context)?;
        if planned.images.is_empty() {
            context.events.info("werf.yaml has no images: nothing to build");
            return Ok(DONE);
        }
        project.check_images(&planned.images)?;
        images::build(&project, planned, &self.build, &self.registry, context).await?;
        context.events.send(Event::Summary);
        Ok(DONE)
    }
}
