//! `kiel secret rotate-secret-key`: encrypts anew what the project has, with the key at hand.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::CipherArgs;
use super::store::{read_file, write};
use crate::cli::Context;
use crate::cli::args::ProjectArgs;
use crate::cli::error::{CommandError, CommandResult};
use crate::cli::project::Project;
use crate::cli::secrets::{SecretKeyArgs, decrypt_file};
use crate::secrets::{Cipher, Key, SecretError, rotate_values};

/// Encrypt the project's secrets with a new key
///
/// The old key comes from WERF_OLD_SECRET_KEY, the new one from where the key always comes from. The chart's
/// secret-values.yaml, all files in its secret folder and the files that are named are written anew, in the work tree.
/// Nothing is written where one of them cannot be decrypted.
#[derive(Debug, Args)]
pub(crate) struct RotateCommand {
    /// Further files with secret values
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The key that the secrets are encrypted with now; better given as a variable
    #[arg(long, value_name = "KEY")]
    old_secret_key: Option<String>,
    #[command(flatten)]
    key: SecretKeyArgs,
    #[command(flatten)]
    cipher: CipherArgs,
    #[command(flatten)]
    project: ProjectArgs,
}

impl RotateCommand {
    pub(super) fn run(self, context: &Context) -> CommandResult {
        let Some(old) = &self.old_secret_key else {
            return Err(CommandError::new(
                "cannot rotate the key: WERF_OLD_SECRET_KEY is not set, the key that the secrets are encrypted with",
            ));
        };
        context.mask.hide(old);
        let old = Key::parse(old, "$WERF_OLD_SECRET_KEY")?;
        let new = self.key.find(&self.project.dir, context)?;
        let project = Project::open(&self.project, context)?;
        let chart = self.project.dir.join(&project.config.meta.deploy.helm_chart_dir);
        let mut written: Vec<(PathBuf, String)> = Vec::new();
        let default = chart.join("secret-values.yaml");
        let default = default.is_file().then_some(default);
        for path in default.iter().chain(&self.files) {
            let file = path.display().to_string();
            let text = String::from_utf8(read_file(path)?).map_err(|_| SecretError::Yaml {
                file: file.clone(),
                problem: "it is not UTF-8".to_owned(),
            })?;
            let text = rotate_values(&text, &file, &old, &new, self.cipher.given())?;
            written.push((path.clone(), text));
        }
        let mut files = Vec::new();
        collect_files(&chart.join("secret"), &mut files)?;
        for path in files {
            let content = read_file(&path)?;
            let plain = decrypt_file(&path.display().to_string(), &content, &old, &context.mask)?;
            let of_file = || Cipher::of(&String::from_utf8_lossy(&content));
            let text = new.encrypt(self.cipher.given().unwrap_or_else(of_file), &plain)?;
            written.push((path, format!("{text}\n")));
        }
        for (path, text) in &written {
            write(path, text.as_bytes())?;
            context.events.info(format!("encrypted {} anew", path.display()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn collect_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_files(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
