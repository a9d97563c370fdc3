//! Where the key comes from.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::cipher::{Key, fill_random};
use super::error::SecretError;

/// Every place that may have the key, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub struct KeySources {
    /// The key itself, as the variable has it, with the variable's name.
    pub given: Option<(String, String)>,
    /// The variable that is named where there is none.
    pub variable: String,
    /// A file that the user names: it has to be there.
    pub file: Option<PathBuf>,
    /// A command for the shell that prints the key.
    pub command: Option<String>,
    /// Files that may be there: the project's, the home folder's.
    pub defaults: Vec<PathBuf>,
}

/// The first key that there is. Keys from files and commands may have blanks around them.
///
/// # Errors
/// There is none, or the first one cannot be read or used.
pub fn find_key(sources: &KeySources) -> Result<Key, SecretError> {
    if let Some((name, text)) = &sources.given {
        return Key::parse(text, &format!("${name}"));
    }
    if let Some(path) = &sources.file {
        let text = fs_err::read_to_string(path).map_err(|source| SecretError::KeyFile {
            path: path.clone(),
            source,
        })?;
        return Key::parse(text.trim(), &format!("`{}`", path.display()));
    }
    if let Some(command) = &sources.command {
        return Key::parse(ask(command)?.trim(), "the command of --secret-key-command");
    }
    for path in &sources.defaults {
        match fs_err::read_to_string(path) {
            Ok(text) => return Key::parse(text.trim(), &format!("`{}`", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(SecretError::KeyFile {
                    path: path.clone(),
                    source,
                });
            }
        }
    }
    let mut looked = vec![format!("${}", sources.variable)];
    looked.extend(
        sources
            .defaults
            .iter()
            .map(|path| format!("`{}`", path.display())),
    );
    Err(SecretError::NoKey(looked))
}

fn ask(command: &str) -> Result<String, SecretError> {
    let output = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| SecretError::KeyCommand(error.to_string()))?;
    if !output.status.success() {
        return Err(SecretError::KeyCommand(output.status.to_string()));
    }
    String::from_utf8(output.stdout).map_err(|_| SecretError::KeyCommand("it prints no text".to_owned()))
}

/// A new key of 128 bits, as werf makes it, or of 256.
///
/// # Errors
/// The machine gives no random numbers.
pub fn generate_key(bytes: usize) -> Result<String, SecretError> {
    let mut key = vec![0; bytes];
    fill_random(&mut key)?;
    Ok(hex::encode(key))
}
