//! `--follow`: a command runs again whenever its input changes: with the next commit, with `--dev` also when a file of
//! the work tree does.
//!
//! Notifications of the file system say when to look ([`watch`]); what was found decides. A run that fails is told, and
//! the next change is waited for. Files that the run itself writes are no change.

mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::watch::Watch;
use super::Context;
use super::args::ProjectArgs;
use super::error::{CommandError, CommandResult};
use super::project::{Inputs, inputs, repository};

/// Which changes matter.
pub(crate) struct Follow<'a> {
    pub(crate) project: &'a ProjectArgs,
    /// Files that the command writes.
    pub(crate) own: Vec<&'a Path>,
}

impl Follow<'_> {
    /// Runs the command now and after each change, until it is interrupted.
    pub(crate) async fn run<F>(self, context: &Context, command: F) -> CommandResult
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

/// Runs the command once, or with each change.
pub(crate) async fn once_or_follow<F>(
    follows: bool,
    follow: Follow<'_>,
    context: &Context,
    command: F,
) -> Result<ExitCode, CommandError>
where
    F: AsyncFn() -> CommandResult,
{
    if follows {
        follow.run(context, command).await
    } else {
        command().await
    }
}
