//! `kiel secret file encrypt | decrypt | edit`: files that are encrypted as a whole.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::store::{read_file, read_input, write};
use super::{DecryptArgs, EditArgs, EncryptArgs, editor, private_folder};
use crate::cli::Context;
use crate::cli::error::{CommandError, CommandResult};
use crate::cli::secrets::{decrypt_file, hide_secret};
use crate::secrets::{Cipher, Edited, edit};

/// The commands below `secret file`.
#[derive(Debug, Subcommand)]
pub(crate) enum FileCommands {
    Encrypt(EncryptCommand),
    Decrypt(DecryptCommand),
    Edit(EditCommand),
}

/// Encrypt a file
#[derive(Debug, Args)]
pub(crate) struct EncryptCommand {
    /// File with the plain text [default: standard input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    how: EncryptArgs,
}

/// Decrypt a file
#[derive(Debug, Args)]
pub(crate) struct DecryptCommand {
    /// Encrypted file [default: standard input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    how: DecryptArgs,
}

/// Edit an encrypted file, or make one
///
/// The plain text lies in memory where the machine has a place for that, for nobody else to read, and is removed when
/// the editor ends.
#[derive(Debug, Args)]
pub(crate) struct EditCommand {
    /// Encrypted file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    how: EditArgs,
}

impl FileCommands {
    pub(super) async fn run(self, context: &Context) -> CommandResult {
        match self {
            Self::Encrypt(command) => command.run(context),
            Self::Decrypt(command) => command.run(context),
            Self::Edit(command) => command.run(context).await,
        }
    }
}

impl EncryptCommand {
    fn run(self, context: &Context) -> CommandResult {
        let key = self.how.key.find(context)?;
        let plain = read_input(self.file.as_deref(), "Enter secret: ")?;
        let text = key.encrypt(self.how.cipher.given().unwrap_or_default(), &plain)?;
        self.how.output.write(format!("{text}\n").as_bytes())
    }
}

impl DecryptCommand {
    fn run(self, context: &Context) -> CommandResult {
        let key = self.how.key.find(context)?;
        let text = read_input(self.file.as_deref(), "Enter secret: ")?;
        let name = self
            .file
            .map_or("standard input".to_owned(), |file| file.display().to_string());
        self.how
            .output
            .write(&decrypt_file(&name, &text, &key, &context.mask)?)
    }
}

impl EditCommand {
    async fn run(self, context: &Context) -> CommandResult {
        let key = self.how.key.find(context)?;
        let name = self.file.display().to_string();
        let (before, plain) = if self.file.exists() {
            let text = read_file(&self.file)?;
            let plain = decrypt_file(&name, &text, &key, &context.mask)?;
            (String::from_utf8(text).unwrap_or_default(), plain)
        } else {
            (String::new(), Vec::new())
        };
        let file_name = self
            .file
            .file_name()
            .map_or_else(|| "secret".into(), |name| name.to_string_lossy());
        let folder = private_folder(&context.env);
        let edited = edit(
            &plain,
            &file_name,
            &editor(&context.env),
            &folder,
            &context.cancel,
        )
        .await?;
        let Edited::Done(edited) = edited else {
            return Err(CommandError::interrupted());
        };
        hide_secret(&edited, &context.mask);
        if edited == plain {
            return Ok(ExitCode::SUCCESS);
        }
        let cipher = self.how.cipher.given().unwrap_or_else(|| Cipher::of(&before));
        let text = key.encrypt(cipher, &edited)?;
        write(&self.file, format!("{text}\n").as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
