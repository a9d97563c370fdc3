//! `kiel secret values encrypt | decrypt | edit`: YAML files whose scalar values are encrypted.

use std::io::{IsTerminal as _, stdin};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::store::{read_file, read_input, write};
use super::{DecryptArgs, EditArgs, EncryptArgs, editor, private_folder};
use crate::cli::Context;
use crate::cli::error::{CommandError, CommandResult};
use crate::cli::secrets::hide_leaves;
use crate::secrets::{
    Cipher, Edited, Key, Leaf, SecretError, edit, encrypt_values, merge_edited, readable_values, tidy,
};
use crate::ui;

/// The commands below `secret values`.
#[derive(Debug, Subcommand)]
pub(crate) enum ValuesCommands {
    Encrypt(EncryptCommand),
    Decrypt(DecryptCommand),
    Edit(EditCommand),
}

/// Encrypt the values of a YAML file
#[derive(Debug, Args)]
pub(crate) struct EncryptCommand {
    /// File with plain values [default: standard input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    how: EncryptArgs,
}

/// Decrypt the values of a YAML file
#[derive(Debug, Args)]
pub(crate) struct DecryptCommand {
    /// File with encrypted values [default: standard input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    how: DecryptArgs,
}

/// Edit a YAML file with encrypted values, or make one
///
/// Values that are not changed keep their ciphertext; comments, order and anchors stay. The plain text lies in memory
/// where the machine has a place for that, for nobody else to read, and is removed when the editor ends.
#[derive(Debug, Args)]
pub(crate) struct EditCommand {
    /// File with encrypted values
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    how: EditArgs,
}

impl ValuesCommands {
    pub(super) async fn run(self, context: &Context) -> CommandResult {
        match self {
            Self::Encrypt(command) => command.run(context),
            Self::Decrypt(command) => command.run(context),
            Self::Edit(command) => command.run(context).await,
        }
    }
}

fn name(file: Option<&PathBuf>) -> String {
    file.map_or("standard input".to_owned(), |file| file.display().to_string())
}

fn to_text(content: Vec<u8>, file: &str) -> Result<String, SecretError> {
    String::from_utf8(content).map_err(|_| SecretError::Yaml {
        file: file.to_owned(),
        problem: "it is not UTF-8".to_owned(),
    })
}

impl EncryptCommand {
    fn run(self, context: &Context) -> CommandResult {
        let key = self.how.key.find(context)?;
        let file = name(self.file.as_ref());
        let text = to_text(read_input(self.file.as_deref(), "Enter values: ")?, &file)?;
        let encrypted = encrypt_values(&text, &file, &key, self.how.cipher.given().unwrap_or_default())?;
        self.how.output.write(tidy(&encrypted, &file)?.as_bytes())
    }
}

impl DecryptCommand {
    fn run(self, context: &Context) -> CommandResult {
        let key = self.how.key.find(context)?;
        let file = name(self.file.as_ref());
        let text = to_text(read_input(self.file.as_deref(), "Enter values: ")?, &file)?;
        let (plain, leaves) = readable_values(&text, &file, &key)?;
        hide_leaves(&leaves, &context.mask);
        self.how.output.write(tidy(&plain, &file)?.as_bytes())
    }
}

impl EditCommand {
    async fn run(self, context: &Context) -> CommandResult {
        let key = self.how.key.find(context)?;
        let file = self.file.display().to_string();
        let text = if self.file.exists() {
            to_text(read_file(&self.file)?, &file)?
        } else {
            String::new()
        };
        let (before, leaves) = readable_values(&text, &file, &key)?;
        hide_leaves(&leaves, &context.mask);
        let file_name = self
            .file
            .file_name()
            .map_or_else(|| "values.yaml".into(), |name| name.to_string_lossy());
        let folder = private_folder(&context.env);
        let mut shown = before.clone().into_bytes();
        loop {
            let edited = edit(
                &shown,
                &file_name,
                &editor(&context.env),
                &folder,
                &context.cancel,
            )
            .await?;
            let Edited::Done(edited) = edited else {
                return Err(CommandError::interrupted());
            };
            if edited == before.as_bytes() {
                return Ok(ExitCode::SUCCESS);
            }
            match self.encrypt(&edited, &leaves, &key, &file) {
                Ok(encrypted) => {
                    write(&self.file, encrypted.as_bytes())?;
                    return Ok(ExitCode::SUCCESS);
                }
                Err(error) if stdin().is_terminal() && wants_more(&error)? => shown = edited,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn encrypt(&self, edited: &[u8], leaves: &[Leaf], key: &Key, file: &str) -> Result<String, SecretError> {
        let edited = to_text(edited.to_vec(), file)?;
        let of_file = || {
            leaves
                .iter()
                .find(|leaf| !leaf.text.is_empty())
                .map(|leaf| Cipher::of(&leaf.text))
        };
        let cipher = self.how.cipher.given().or_else(of_file).unwrap_or_default();
        merge_edited(&edited, leaves, file, key, cipher)
    }
}

/// Whether the user wants to mend what was written.
fn wants_more(error: &SecretError) -> Result<bool, SecretError> {
    let question = format!("{error}. Edit again? [Y/n] ");
    let mut answer = String::new();
    ui::prompt(&question)
        .and_then(|()| stdin().read_line(&mut answer))
        .map_err(|error| SecretError::Editor(error.to_string()))?;
    Ok(!answer.trim().to_lowercase().starts_with('n'))
}
