//! A plain text in the user's editor: kept in memory where the machine has a place for that, for nobody else to read,
//! and gone when the editor ends, however it ends.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::error::SecretError;

/// What became of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// The editor was closed; the text as it is now.
    Done(Vec<u8>),
    /// The run was cancelled.
    Cancelled,
}

/// The first folder of these that is there and in memory, else the machine's folder for temporary files.
#[must_use]
pub fn private_folder(candidates: &[PathBuf]) -> PathBuf {
    candidates
        .iter()
        .find(|path| is_in_memory(path))
        .cloned()
        .unwrap_or_else(std::env::temp_dir)
}

#[cfg(target_os = "linux")]
fn is_in_memory(path: &Path) -> bool {
    use nix::sys::statfs::{TMPFS_MAGIC, statfs};
    let is_writable = nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok();
    is_writable && statfs(path).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}

/// Lets the user edit `text`. `editor` is a line for the shell, the file is appended; its name ends with `name`.
///
/// # Errors
/// The file cannot be kept, the editor cannot be run or fails.
pub async fn edit(
    text: &[u8],
    name: &str,
    editor: &str,
    folder: &Path,
    cancel: &CancellationToken,
) -> Result<Edited, SecretError> {
    // The folder, for what editors write beside a file.
    let private = tempfile::Builder::new()
        .prefix("kiel-secret-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder)
        .map_err(SecretError::Temporary)?;
    let path = private.path().join(name);
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(SecretError::Temporary)?;
    file.set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(text))
        .map_err(SecretError::Temporary)?;
    drop(file);
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(&path)
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| SecretError::Editor(format!("`{editor}`: {error}")))?;
    let status = tokio::select! {
        status = child.wait() => status.map_err(|error| SecretError::Editor(error.to_string()))?,
        () = cancel.cancelled() => {
            // The folder goes after the editor, which might write to it again.
            child.kill().await.map_err(|error| SecretError::Editor(error.to_string()))?;
            return Ok(Edited::Cancelled);
        }
    };
    if !status.success() {
        return Err(SecretError::Editor(format!(
            "`{editor}` ended with {status}; nothing was changed"
        )));
    }
    fs_err::read(&path)
        .map(Edited::Done)
        .map_err(SecretError::Temporary)
}
