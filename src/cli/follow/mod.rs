//! `--follow`: a command runs again whenever its input changes: with the next commit, with `--dev` also when a file of
//! the work tree does.
//!
//! Notifications of the file system say when to look ([`watch`]); what was found decides. A run that fails is told, and
//! the next change is waited for. Files that the run itself writes are no change.

mod watch;

use std::path::{Path, PathBuf};

use self::watch::Watch;
use super::Context;
use super::args::{FollowArgs, ProjectArgs};
use super::error::{CommandError, CommandResult};
use super::project::{Inputs, inputs, repository};

/// Which changes matter.
struct Follow<'a> {
    project: &'a ProjectArgs,
    /// Files that the command writes.
    own: Vec<&'a Path>,
}

impl Follow<'_> {
    /// Runs the command now and after each change, until it is interrupted.
    async fn run<F>(self, context: &Context, command: F) -> CommandResult
    where
        F: AsyncFn() -> CommandResult,
    {
        let own = absolute(&self.own);
        loop {
            // Watched before it is looked at: a change in between is seen.
            let mut watch = Watch::new(&repository(self.project)?, self.project.dev)?;
            let before = self.inputs(&own, context)?;
            match command().await {
                Ok(_) => {}
                Err(error) if context.cancel.is_cancelled() => return Err(error),
                Err(error) => context.events.warn(format!(
                    "the run failed, the next change is waited for\n{}",
                    error.message()
                )),
            }
            context.events.info(if self.project.dev {
                "waiting for a commit or a change of a file"
            } else {
                "waiting for a commit"
            });
            if let Some(reason) = watch.fallback() {
                context
                    .events
                    .warn(format!("changes are looked for every second: {reason}"));
            }
            // A repository in the middle of a change may have no readable state for a moment.
            while self.inputs(&own, context).map_or(true, |now| now == before) {
                tokio::select! {
                    changed = watch.changed() => changed?,
                    () = context.cancel.cancelled() => return Err(CommandError::interrupted()),
                }
                // A folder may be new.
                watch = Watch::new(&repository(self.project)?, self.project.dev)?;
            }
        }
    }

    /// What the next run would see.
    fn inputs(&self, own: &[PathBuf], context: &Context) -> Result<Inputs, CommandError> {
        tokio::task::block_in_place(|| inputs(self.project, own, context))
    }
}

fn absolute(paths: &[&Path]) -> Vec<PathBuf> {
    let full = |path: &&Path| {
        let path = std::path::absolute(path).ok()?;
        let folder = fs_err::canonicalize(path.parent()?).ok()?;
        Some(folder.join(path.file_name()?))
    };
    paths.iter().filter_map(full).collect()
}

impl FollowArgs {
    /// Runs the command once, or with each change; it writes these files, and the rendered configuration.
    pub(crate) async fn run<'a, F>(
        &self,
        project: &'a ProjectArgs,
        written: impl IntoIterator<Item = &'a Path>,
        context: &Context,
        command: F,
    ) -> CommandResult
    where
        F: AsyncFn() -> CommandResult,
    {
        if !self.follow {
            return command().await;
        }
        let written = written.into_iter().chain(project.config_render_path.as_deref());
        let follow = Follow {
            project,
            own: written.collect(),
        };
        follow.run(context, command).await
    }
}
