//! Signatures of charts in Helm's commands: which keyring, passphrases, and how archives beside their provenance files
//! are signed and checked. What a signature is worth is `crate::charts`' matter.

use std::io::IsTerminal as _;
use std::os::unix::fs::FileTypeExt as _;

use clap::Args;
use kiel_chart::load_archive;

use super::registry::ask;
use super::{HelmError, HelmResult, go_files};
use crate::charts::{Downloaded, Keyring, Provenance, SignedFile, Verified};
use crate::cli::Context;
use crate::cli::env::Environment;
use crate::ui;

/// Where keys are.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct KeyringArgs {
    /// Keyring file, as `gpg --export` writes it [default: $GNUPGHOME/pubring.gpg, else ~/.gnupg/pubring.gpg]
    #[arg(long, value_name = "PATH")]
    keyring: Option<String>,
}

/// Whether charts have to be signed.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct VerifyArgs {
    /// Take charts only with a provenance file that a key of the keyring has signed
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    keyring: KeyringArgs,
}

/// How a package is signed.
#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// Write a provenance file beside the package: who has packaged it, signed with OpenPGP
    #[arg(long)]
    sign: bool,
    /// The key to sign with: its name, or a part of it
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    key: String,
    #[command(flatten)]
    keyring: KeyringArgs,
    /// File whose first line is the key's passphrase; - reads standard input
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    passphrase_file: String,
}

impl KeyringArgs {
    /// The file's path.
    pub(super) fn path(&self, env: &Environment) -> String {
        if let Some(path) = &self.keyring {
            return path.clone();
        }
        match env.get("GNUPGHOME") {
            Some(folder) => go_files::join(folder, "pubring.gpg"),
            None => {
                let home = env.home().map(|home| home.display().to_string());
                go_files::join(&home.unwrap_or_default(), ".gnupg/pubring.gpg")
            }
        }
    }

    fn load(&self, env: &Environment) -> Result<Keyring, HelmError> {
        Ok(Keyring::parse(&go_files::read(&self.path(env))?)?)
    }

    /// The keyring by which signatures are judged.
    pub(super) fn load_to_verify(&self, env: &Environment) -> Result<Keyring, HelmError> {
        self.load(env)
            .map_err(|HelmError(text)| HelmError(format!("failed to load keyring: {text}")))
    }

    /// Go: `VerifyChart`: checks an archive by the file beside it.
    pub(super) fn verify_file(&self, path: &str, env: &Environment) -> Result<Verified, HelmError> {
        if go_files::stat(path)?.is_dir() {
            return Err(HelmError("unpacked charts cannot be verified".to_owned()));
        }
        let name = go_files::base(path);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        if !extension.eq_ignore_ascii_case("tgz") {
            return Err(HelmError("chart must be a tgz file".to_owned()));
        }
        let beside = format!("{path}.prov");
        let kind = go_files::stat(&beside).map_err(|HelmError(text)| {
            HelmError(format!("could not load provenance file {beside}: {text}"))
        })?;
        let keyring = self.load_to_verify(env)?;
        if kind.is_dir() {
            return Err(HelmError(format!("{beside} cannot be a directory")));
        }
        let provenance = go_files::read(&beside)
            .map_err(|HelmError(text)| HelmError(format!("failed to decode signature: {text}")))?;
        let archive = go_files::read(path)?;
        let file = SignedFile {
            name,
            archive: &archive,
        };
        Ok(keyring.verify(file, &provenance, now())?)
    }
}

impl VerifyArgs {
    pub(super) fn is_wanted(&self) -> bool {
        self.verify
    }

    /// Checks a chart on this machine, if charts have to be signed.
    pub(super) fn check_file(&self, path: &str, env: &Environment) -> HelmResult {
        if self.verify {
            self.keyring.verify_file(&go_files::absolute(path)?, env)?;
        }
        Ok(())
    }

    /// Checks a chart that was downloaded, if charts have to be signed.
    pub(super) fn check_download(
        &self,
        found: &Downloaded,
        env: &Environment,
    ) -> Result<Option<Verified>, HelmError> {
        if !self.verify {
            return Ok(None);
        }
        let provenance = match &found.provenance {
            Provenance::Found(content) => content,
            Provenance::Missing { url, .. } => {
                return Err(HelmError(format!("failed to fetch provenance {url:?}")));
            }
            Provenance::Unwanted => {
                return Err(HelmError(format!(
                    "failed to fetch provenance of {}",
                    found.file_name
                )));
            }
        };
        let keyring = self.keyring.load_to_verify(env)?;
        let file = SignedFile {
            name: &found.file_name,
            archive: &found.archive,
        };
        Ok(Some(keyring.verify(file, provenance, now())?))
    }

    /// The keyring, if charts have to be signed.
    pub(super) fn keyring(&self, env: &Environment) -> Option<Result<Keyring, HelmError>> {
        self.verify.then(|| self.keyring.load_to_verify(env))
    }
}

impl SignArgs {
    /// Go: what has to be said to sign.
    pub(super) fn check(&self, env: &Environment) -> HelmResult {
        let missing = match self.sign {
            true if self.key.is_empty() => "--key",
            true if self.keyring.path(env).is_empty() => "--keyring",
            _ => return Ok(()),
        };
        Err(HelmError(format!("{missing} is required for signing a package")))
    }

    /// Writes the provenance file of an archive, if it is to be signed.
    pub(super) fn sign(&self, path: &str, archive: &[u8], context: &Context) -> HelmResult {
        if !self.sign {
            return Ok(());
        }
        let keyring = self.keyring.load(&context.env)?;
        // Go: the passphrase is read before anybody knows whether there is a key for it.
        let given = match self.passphrase_file.as_str() {
            "" => None,
            path => Some(first_line(path)?),
        };
        let passphrase = match (keyring.locked_name(&self.key)?, given) {
            (None, _) => Vec::new(),
            (Some(_), Some(given)) => given,
            (Some(name), None) => typed(name)?,
        };
        let file = SignedFile {
            name: go_files::base(path),
            archive,
        };
        let metadata = load_archive(archive)?.metadata;
        let text = keyring.sign(&self.key, &passphrase, file, &metadata, now())?;
        go_files::write(&format!("{path}.prov"), text.as_bytes())
    }
}

/// A passphrase that is typed; nobody can type where there is no terminal.
fn typed(name: &str) -> Result<Vec<u8>, HelmError> {
    let question = format!("Password for key {name:?} >  ");
    if !std::io::stdin().is_terminal() {
        ui::data(&format!("{question}\n"))?;
        return Err(HelmError("inappropriate ioctl for device".to_owned()));
    }
    Ok(ask(&question, true)?.into_bytes())
}

/// Go: `bufio.Reader.ReadLine`.
fn first_line(path: &str) -> Result<Vec<u8>, HelmError> {
    let path = match path {
        "-" if !go_files::stat("/dev/stdin")?.file_type().is_fifo() => {
            let text = "specified reading passphrase from stdin, without input on stdin";
            return Err(HelmError(text.to_owned()));
        }
        "-" => "/dev/stdin",
        path => path,
    };
    let mut content = go_files::read(path)?;
    if content.is_empty() {
        return Err(HelmError("EOF".to_owned()));
    }
    if let Some(end) = content.iter().position(|byte| *byte == b'\n') {
        content.truncate(end);
        if content.last() == Some(&b'\r') {
            content.pop();
        }
    }
    Ok(content)
}

/// The time by which keys and signatures are judged, in seconds since 1970.
pub(super) fn now() -> u32 {
    u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(u32::MAX)
}
