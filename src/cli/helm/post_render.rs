//! `--post-renderer`: a program that the manifests go through before they are printed.

use std::path::PathBuf;
use std::process::Stdio;

use clap::Args;
use kiel_template::format::quote_str;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{HelmError, go_files};
use crate::cli::env::Environment;

/// The program and what it is given.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PostRendererArgs {
    /// Program that gets the manifests and gives those that are printed; a path, or a name in $PATH
    #[arg(long, value_name = "PROGRAM", default_value = "", hide_default_value = true)]
    post_renderer: String,
    /// Argument of that program; may be repeated
    #[arg(long, value_name = "TEXT")]
    post_renderer_args: Vec<String>,
}

/// A program that was found.
#[derive(Debug)]
pub(super) struct PostRenderer {
    path: String,
    args: Vec<String>,
}

impl PostRendererArgs {
    /// Whether a program is named.
    pub(super) fn is_given(&self) -> bool {
        !self.post_renderer.is_empty()
    }

    /// Looks for the program.
    pub(super) fn find(&self, env: &Environment) -> Result<Option<PostRenderer>, HelmError> {
        let name = &self.post_renderer;
        if name.is_empty() {
            return Ok(None);
        }
        let path = if name.contains('/') {
            check(name).map(|()| name.clone())
        } else {
            let folders = env.get("PATH").unwrap_or_default();
            let places = std::env::split_paths(folders).map(|folder| folder.join(name));
            let found = places.map(|path: PathBuf| path.display().to_string());
            found
                .into_iter()
                .find(|path| check(path).is_ok())
                .ok_or_else(|| "executable file not found in $PATH".to_owned())
        };
        let path = path.map_err(|problem| {
            let name = quote_str(name.as_bytes());
            HelmError(format!(
                "invalid argument {name} for \"--post-renderer\" flag: unable to find binary at {}: exec: {name}: {problem}",
                self.post_renderer
            ))
        })?;
        Ok(Some(PostRenderer {
            path: go_files::absolute(&path)?,
            args: self.post_renderer_args.clone(),
        }))
    }
}

/// Whether the file can be run.
fn check(path: &str) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = fs_err::metadata(path).map_err(|_| format!("stat {path}: no such file or directory"))?;
    if found.is_dir() {
        return Err("is a directory".to_owned());
    }
    if found.permissions().mode() & 0o111 == 0 {
        return Err("permission denied".to_owned());
    }
    Ok(())
}

impl PostRenderer {
    /// What the program makes of the manifests.
    pub(super) async fn run(&self, manifests: &str) -> Result<String, HelmError> {
        let failed = |output: &str, problem: &str| {
            HelmError(format!(
                "error while running post render on files: error while running command {}. error output:\n{output}: {problem}",
                self.path
            ))
        };
        let mut child = Command::new(&self.path)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("", &error.to_string()))?;
        let input = child.stdin.take();
        let write = async {
            if let Some(mut input) = input {
                // A program may end without reading everything.
                drop(input.write_all(manifests.as_bytes()).await);
            }
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        let output = output.map_err(|error| failed("", &error.to_string()))?;
        if !output.status.success() {
            let problem = match output.status.code() {
                Some(code) => format!("exit status {code}"),
                None => output.status.to_string(),
            };
            return Err(failed(&String::from_utf8_lossy(&output.stderr), &problem));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
