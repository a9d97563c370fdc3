//! `kiel secret encrypt` and `decrypt`: one text from standard input.

use clap::Args;

use super::store::read_input;
use super::{DecryptArgs, EncryptArgs};
use crate::cli::Context;
use crate::cli::error::CommandResult;
use crate::cli::secrets::decrypt_file;

/// Encrypt standard input
///
/// On a terminal a line is asked for and not shown. Nothing is encrypted to nothing.
#[derive(Debug, Args)]
pub(crate) struct EncryptCommand {
    #[command(flatten)]
    how: EncryptArgs,
}

/// Decrypt standard input
#[derive(Debug, Args)]
pub(crate) struct DecryptCommand {
    #[command(flatten)]
    how: DecryptArgs,
}

impl EncryptCommand {
    pub(super) fn run(self, context: &Context) -> CommandResult {
        let key = self.how.key.find(context)?;
        let plain = read_input(None, "Enter secret: ")?;
        if plain.is_empty() {
            return self.how.output.write(b"");
        }
        let text = key.encrypt(self.how.cipher.given().unwrap_or_default(), &plain)?;
        self.how.output.write(format!("{text}\n").as_bytes())
    }
}

impl DecryptCommand {
    pub(super) fn run(self, context: &Context) -> CommandResult {
        let key = self.how.key.find(context)?;
        let text = read_input(None, "Enter secret: ")?;
        self.how
            .output
            .write(&decrypt_file("standard input", &text, &key, &context.mask)?)
    }
}
