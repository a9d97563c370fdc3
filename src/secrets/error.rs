//! Why something secret could not be read or written. No text here holds a plaintext or a key.

use std::path::PathBuf;

/// What went wrong with a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no key.
    #[error("cannot find the key for secrets: looked at {}", .0.join(", "))]
    NoKey(Vec<String>),
    /// A key's file is there and cannot be read.
    #[error("cannot read the key for secrets from `{path}`")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The command that prints the key fails; its own words went to standard error.
    #[error("cannot get the key for secrets from its command: {0}")]
    KeyCommand(String),
    /// The key is no hexadecimal number.
    #[error("cannot use the key from {0}: it is not written in hexadecimal digits, two for each byte")]
    KeyNotHex(String),
    /// The key is too short or too long.
    #[error("cannot use the key from {place}: it has {length} bytes, a key has 16, 24 or 32")]
    KeyLength {
        /// Where it comes from.
        place: String,
        /// Its bytes.
        length: usize,
    },
    /// The text is neither cipher's.
    #[error("it is not encrypted: expected hexadecimal digits, or a text that begins with `kiel1.`")]
    NotEncrypted,
    /// The text was cut.
    #[error("it is incomplete")]
    Incomplete,
    /// The padding is wrong.
    #[error("it was encrypted with another key, or is damaged")]
    WrongKey,
    /// The authentication fails.
    #[error("it does not authenticate: it was changed, or encrypted with another key")]
    NotAuthentic,
    /// A leaf is a number, a truth value or the like.
    #[error("it is not encrypted: expected a text, found {0}")]
    NotText(&'static str),
    /// One value of a file.
    #[error("cannot decrypt the value `{path}` in `{file}`, line {line}")]
    Value {
        /// The file's name.
        file: String,
        /// The value's place: keys and indexes, joined by dots.
        path: String,
        /// Its line.
        line: usize,
        /// Why.
        #[source]
        source: Box<SecretError>,
    },
    /// A file that is encrypted as a whole.
    #[error("cannot decrypt `{file}`")]
    File {
        /// Its name.
        file: String,
        /// Why.
        #[source]
        source: Box<SecretError>,
    },
    /// The file is no YAML. The parser's words may quote the text, so only the place is told.
    #[error("cannot read `{file}`: {problem}")]
    Yaml {
        /// The file's name.
        file: String,
        /// What and where.
        problem: String,
    },
    /// The editor could not be run, or says that it failed.
    #[error("cannot edit: {0}")]
    Editor(String),
    /// A temporary file, or the machine's entropy.
    #[error("cannot keep the plain text for the editor")]
    Temporary(#[source] std::io::Error),
    /// The machine gives no random numbers.
    #[error("cannot get random numbers: {0}")]
    Entropy(String),
}

impl SecretError {
    /// What would mend it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoKey(_) => Some(
                "set WERF_SECRET_KEY, or write the key to .werf_secret_key of the project; --ignore-secret-key goes on \
                 without secrets; `kiel secret generate-secret-key` makes a new key",
            ),
            Self::Value { source, .. } | Self::File { source, .. } => match source.as_ref() {
                Self::NotEncrypted | Self::NotText(_) => {
                    Some("encrypt it: `kiel secret values edit FILE`, or `kiel secret encrypt`")
                }
                Self::WrongKey | Self::NotAuthentic => Some(
                    "check which key is used: WERF_SECRET_KEY, .werf_secret_key, ~/.werf/global_secret_key",
                ),
                _ => None,
            },
            _ => None,
        }
    }
}
