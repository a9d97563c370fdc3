//! Reads what is to be encrypted or decrypted, and writes results so that a crash leaves the old file.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::cli::error::CommandError;
use crate::ui;

/// A file, or standard input without one. On a terminal one line is asked for, and not shown.
pub(super) fn read_input(path: Option<&Path>, prompt: &str) -> Result<Vec<u8>, CommandError> {
    match path {
        Some(path) => read_file(path),
        None if std::io::stdin().is_terminal() => ask(prompt),
        None => {
            let mut content = Vec::new();
            std::io::stdin().lock().read_to_end(&mut content)?;
            Ok(content)
        }
    }
}

/// A file that has to be there.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, CommandError> {
    match fs_err::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            Err(CommandError::new(format!(
                "secret file \"{}\" not found",
                shown.display()
            )))
        }
        read => Ok(read?),
    }
}

/// One line from the terminal, without its end.
fn ask(prompt: &str) -> Result<Vec<u8>, CommandError> {
    ui::prompt(prompt)?;
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).map_err(std::io::Error::from)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    silent.local_flags.insert(LocalFlags::ECHONL);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent).map_err(std::io::Error::from)?;
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &before).map_err(std::io::Error::from)?;
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).as_bytes().to_vec())
}

/// Writes a file whole or not at all. One that is there keeps its mode, a new one is for its owner alone.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    // A link stays, what it leads to is replaced.
    let path = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mode = fs_err::metadata(&path).map_or(0o600, |found| found.permissions().mode() & 0o777);
    let mut file = tempfile::Builder::new()
        .prefix(".kiel-secret-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(|error| CommandError::new(format!("cannot write `{}`: {error}", path.display())))?;
    file.write_all(content)?;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.persist(&path)
        .map_err(|error| CommandError::new(format!("cannot write `{}`: {}", path.display(), error.error)))?;
    Ok(())
}

/// Bytes on standard output.
pub(super) fn print_bytes(content: &[u8]) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    out.write_all(content)?;
    out.flush()?;
    Ok(())
}
