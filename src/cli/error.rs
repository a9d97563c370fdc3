//! How a command fails: `error:`, `caused by:`, `hint:` on standard error, and the exit code.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::build::BuildError;
use crate::charts::ChartsError;
use crate::deploy::DeployError;
use crate::secrets::SecretError;
use crate::ui::{LogFiles, plain_text};

/// Done.
pub const EXIT_OK: u8 = 0;
/// Something failed; wrong usage too.
pub const EXIT_FAILURE: u8 = 1;
/// `plan --exit-code`: there are changes.
pub const EXIT_CHANGES_PLANNED: u8 = 2;
/// Ended by Ctrl-C.
pub const EXIT_INTERRUPTED: u8 = 130;
/// Ended by SIGTERM.
pub const EXIT_TERMINATED: u8 = 143;

/// A failed command.
#[derive(Debug)]
pub(crate) struct CommandError {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    code: u8,
}

impl CommandError {
    /// A failure that is nobody's error but the command's own.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            error: text.into().into(),
            hint: None,
            code: EXIT_FAILURE,
        }
    }

    /// The same with a remedy.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error itself, if it is of this kind.
    pub(crate) fn cause<T: Error + 'static>(&self) -> Option<&T> {
        self.error.downcast_ref()
    }

    /// The run was interrupted by the user.
    pub(crate) fn interrupted() -> Self {
        Self {
            code: EXIT_INTERRUPTED,
            ..Self::new("interrupted")
        }
    }

    /// The error with its causes, in one line without colours: for places where it is part of another message.
    pub(crate) fn sentence(&self) -> String {
        let mut text = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text.replace('\n', " ")
    }

    /// Whether the user ended the run.
    pub(crate) fn is_interruption(&self) -> bool {
        self.code == EXIT_INTERRUPTED
    }

    /// The whole logs of what failed.
    pub(crate) fn logs(&self, files: &LogFiles) -> Vec<String> {
        let mut paths = Vec::new();
        if let Some(error) = self.error.downcast_ref::<BuildError>() {
            build_logs(error, files, &mut paths);
        }
        if let Some(DeployError::Failed { failures, .. }) = self.error.downcast_ref() {
            for failure in failures {
                let found = files.of_resource(&failure.resource);
                paths.extend(found.into_iter().map(|path| path.display().to_string()));
            }
        }
        paths
    }

    /// The error with its causes.
    pub(crate) fn message(&self) -> String {
        struct Message<'a>(&'a CommandError);
        impl fmt::Display for Message<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write_message(f)
            }
        }
        Message(self).to_string()
    }

    /// The remedy.
    pub(crate) fn hint_text(&self) -> Option<String> {
        let of_deploy = || self.error.downcast_ref().and_then(DeployError::hint);
        let of_build = || self.error.downcast_ref().and_then(BuildError::hint);
        let of_charts = || self.error.downcast_ref().and_then(ChartsError::hint);
        let of_secrets = || {
            self.error
                .downcast_ref()
                .and_then(SecretError::hint)
                .map(ToOwned::to_owned)
        };
        self.hint
            .clone()
            .or_else(of_deploy)
            .or_else(of_build)
            .or_else(of_charts)
            .or_else(of_secrets)
    }

    fn write_message(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(BuildError::Several(errors)) = self.error.downcast_ref() {
            for (index, error) in errors.iter().enumerate() {
                write!(f, "{}", if index > 0 { "\n" } else { "" })?;
                write_chain(f, error)?;
            }
            return Ok(());
        }
        write_chain(f, self.error.as_ref())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self {
            error: Box::new(error),
            hint: None,
            code: EXIT_FAILURE,
        }
    }
}

/// The error, its causes and its remedy, a line each. A text that begins with `error:` brings its own layout, one that
/// begins with `Error:` is werf's own sentence, which scripts look for.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_message(f)?;
        if let Some(hint) = self.hint_text() {
            let cyan = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
            write!(f, "\n{cyan}hint:{cyan:#} {}", plain_text(&hint))?;
        }
        Ok(())
    }
}

fn build_logs(error: &BuildError, files: &LogFiles, paths: &mut Vec<String>) {
    match error {
        BuildError::Solve { image, failure, .. } => {
            let step = failure.step.as_deref().unwrap_or_default();
            paths.extend(files.of_step(image, step).map(|path| path.display().to_string()));
        }
        BuildError::Several(errors) => errors.iter().for_each(|error| build_logs(error, files, paths)),
        _ => {}
    }
}

fn write_chain(f: &mut fmt::Formatter<'_>, error: &(dyn Error + 'static)) -> fmt::Result {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    // What servers and programs say is part of it.
    let text = plain_text(error.to_string().trim_end()).into_owned();
    match text.split_once(':') {
        Some((word @ ("error" | "Error"), rest)) => write!(f, "{red}{word}:{red:#}{rest}")?,
        _ => write!(f, "{red}error:{red:#} {text}")?,
    }
    let mut last = text;
    let mut source = error.source();
    while let Some(cause) = source {
        let text = plain_text(&cause.to_string()).into_owned();
        // Some libraries repeat their cause in their own text.
        if !last.contains(&text) {
            write!(f, "\n  caused by: {text}")?;
            last = text;
        }
        source = cause.source();
    }
    Ok(())
}

/// What a command returns.
pub(crate) type CommandResult = Result<ExitCode, CommandError>;
