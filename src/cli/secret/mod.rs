//! `kiel secret …`, also as `kiel helm secret …`: keys, encrypted values and files.
//!
//! What `decrypt` prints is what was asked for, so it is not masked; everything else is.

mod file;
mod rotate;
mod store;
mod text;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::Context;
use super::error::{CommandError, CommandResult};
use super::secrets::SecretKeyArgs;
use super::{env::Environment, print};
use crate::secrets::{self, Cipher, Key};

/// The commands below `secret`.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommands {
    GenerateSecretKey(GenerateCommand),
    Encrypt(text::EncryptCommand),
    Decrypt(text::DecryptCommand),
    /// Files that are encrypted as a whole
    #[command(subcommand)]
    File(file::FileCommands),
    /// YAML files whose values are encrypted
    #[command(subcommand)]
    Values(values::ValuesCommands),
    RotateSecretKey(Box<rotate::RotateCommand>),
}

/// Print a new key
///
/// For WERF_SECRET_KEY, or for .werf_secret_key of the project, which must not be committed.
#[derive(Debug, Args)]
pub(crate) struct GenerateCommand {
    /// Length of the key in bits: 128 as werf makes it, 192 or 256
    #[arg(long, default_value = "128", value_name = "BITS", value_parser = ["128", "192", "256"])]
    bits: String,
}

/// The key, and the project folder that may have it.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyArgs {
    /// Project folder
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    key: SecretKeyArgs,
}

impl KeyArgs {
    fn find(&self, context: &Context) -> Result<Key, CommandError> {
        Ok(self.key.find(&self.dir, context)?)
    }
}

/// Which cipher writes.
#[derive(Debug, Clone, Args)]
pub(crate) struct CipherArgs {
    /// How to encrypt: as werf does, or so that every change is noticed, which werf does not read [default: as in the
    /// file, else werf]
    #[arg(long, value_name = "CIPHER", value_enum)]
    secret_cipher: Option<CipherName>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CipherName {
    Werf,
    Authenticated,
}

impl CipherArgs {
    fn given(&self) -> Option<Cipher> {
        self.secret_cipher.map(|name| match name {
            CipherName::Werf => Cipher::Werf,
            CipherName::Authenticated => Cipher::Authenticated,
        })
    }
}

/// Where a result goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// Write to this file in place of standard output; only its owner may read it
    #[arg(long, short = 'o', value_name = "PATH")]
    output_file_path: Option<PathBuf>,
}

impl OutputArgs {
    fn write(&self, content: &[u8]) -> CommandResult {
        match &self.output_file_path {
            Some(path) => store::write(path, content)?,
            None => store::print_bytes(content)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How something is encrypted, and where the result goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct EncryptArgs {
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    cipher: CipherArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// How something is decrypted, and where the result goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct DecryptArgs {
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// How something is read and written again.
#[derive(Debug, Clone, Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    cipher: CipherArgs,
}

impl SecretCommands {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        match self {
            Self::GenerateSecretKey(command) => {
                let bits: usize = command.bits.parse().unwrap_or(128);
                print(&format!("{}\n", secrets::generate_key(bits / 8)?))
            }
            Self::Encrypt(command) => command.run(context),
            Self::Decrypt(command) => command.run(context),
            Self::File(command) => command.run(context).await,
            Self::Values(command) => command.run(context).await,
            Self::RotateSecretKey(command) => command.run(context),
        }
    }
}

/// The user's editor, as a line for the shell.
fn editor(env: &Environment) -> String {
    let names = ["KIEL_EDITOR", "EDITOR", "VISUAL"];
    let found = names.iter().find_map(|name| env.get(name));
    found.unwrap_or("vi").to_owned()
}

/// Where a plain text lies while it is edited.
fn private_folder(env: &Environment) -> PathBuf {
    let runtime = env.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let candidates: Vec<PathBuf> = runtime.into_iter().chain(["/dev/shm".into()]).collect();
    secrets::private_folder(&candidates)
}
