//! `kiel helm verify`: whether a package is what somebody in the keyring has signed.

use clap::Args;

use super::HelmResult;
use super::signing::KeyringArgs;
use crate::cli::Context;
use crate::ui;

/// Check a package by the provenance file beside it
#[derive(Debug, Args)]
pub(crate) struct VerifyCommand {
    /// Package
    #[arg(value_name = "PATH", required = true)]
    path: String,
    #[command(flatten)]
    keyring: KeyringArgs,
}

impl VerifyCommand {
    pub(super) fn run(self, context: &Context) -> HelmResult {
        let verified = self.keyring.verify_file(&self.path, &context.env)?;
        ui::data(&verified.to_string())?;
        Ok(())
    }
}
