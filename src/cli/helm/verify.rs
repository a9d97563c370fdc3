//! `kiel helm verify`: refused by name. Provenance files are OpenPGP; kiel has no such signatures.

use clap::Args;

use super::{HelmError, HelmResult};

/// Not done by kiel: checking a package's signature
#[derive(Debug, Args)]
pub(crate) struct VerifyCommand {
    /// Package
    #[arg(value_name = "PATH", required = true)]
    path: String,
    /// Keyring
    #[arg(long, value_name = "PATH")]
    keyring: Option<String>,
}

impl VerifyCommand {
    pub(super) fn run(self) -> HelmResult {
        let Self { path, keyring } = self;
        let keyring = keyring
            .map(|keyring| format!(" --keyring {keyring}"))
            .unwrap_or_default();
        Err(HelmError(format!(
            "cannot verify `{path}`: kiel does not read OpenPGP signatures; use helm verify {path}{keyring}, or gpg --verify {path}.prov and compare the SHA-256 in it"
        )))
    }
}
