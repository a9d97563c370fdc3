//! Logging in to a registry and out of it: credentials are tried, then kept in a file of Docker's form.
//!
//! Where the file names a program that keeps credentials (`credsStore`, `credHelpers`), that program gets them. The file
//! is replaced as a whole and only its owner can read it; what else is in it stays.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde::Serialize as _;
use serde_json::{Map, Value, json};

use super::credentials::{DOCKER_HUB_KEY, call_helper, failed_helper};
use super::error::Subject;
use super::transport::{Call, Target};
use super::{Credentials, DOCKER_HUB, Registry, RegistryError};

const ANSWER_LIMIT: u64 = 1 << 20;

impl Registry {
    /// Asks a registry whether it takes the credentials that there are for it.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn try_login(&self, registry: &str) -> Result<(), RegistryError> {
        let host = self.0.host(registry);
        let subject = Subject {
            action: "log in to",
            name: registry.to_owned(),
            host: host.name.clone(),
        };
        let target = Target::Api("/v2/".to_owned());
        let call = Call::new(subject.clone(), Method::GET, target, Vec::new(), ANSWER_LIMIT);
        let answer = self.0.send(&host, call).await?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(self.failed(&host, &subject, answer).await)
        }
    }
}

/// Keeps credentials for a registry in this file, or with the program that it names.
///
/// # Errors
/// The file can't be read or written, or the program fails.
pub async fn keep_login(path: &Path, registry: &str, login: &Credentials) -> Result<(), RegistryError> {
    let mut config = read(path)?;
    let key = key(registry);
    let (user, secret) = match login {
        Credentials::Password { user, secret } => (user.as_str(), secret.as_str()),
        Credentials::Identity(token) => ("<token>", token.as_str()),
    };
    if let Some(helper) = helper(&config, key) {
        let input = json!({"ServerURL": key, "Username": user, "Secret": secret}).to_string();
        return finished(&helper, registry, "store", &input).await;
    }
    let entry = match login {
        Credentials::Password { user, secret } => {
            json!({"auth": STANDARD.encode(format!("{user}:{secret}"))})
        }
        Credentials::Identity(token) => json!({"identitytoken": token}),
    };
    let auths = config.entry("auths").or_insert_with(|| json!({}));
    match auths.as_object_mut() {
        Some(auths) => _ = auths.insert(key.to_owned(), entry),
        None => return Err(unusable(path, "`auths` is no table".to_owned())),
    }
    write(path, &config)
}

/// Forgets the credentials for a registry; none are no mistake.
///
/// # Errors
/// As [`keep_login`].
pub async fn forget_login(path: &Path, registry: &str) -> Result<(), RegistryError> {
    let mut config = read(path)?;
    let key = key(registry);
    if let Some(helper) = helper(&config, key) {
        return finished(&helper, registry, "erase", key).await;
    }
    let auths = config.get_mut("auths").and_then(Value::as_object_mut);
    if auths.is_some_and(|auths| auths.shift_remove(key).is_some()) {
        write(path, &config)?;
    }
    Ok(())
}

fn key(registry: &str) -> &str {
    if registry == DOCKER_HUB {
        DOCKER_HUB_KEY
    } else {
        registry
    }
}

fn helper(config: &Map<String, Value>, key: &str) -> Option<String> {
    let own = config.get("credHelpers").and_then(|helpers| helpers.get(key));
    let name = own.or_else(|| config.get("credsStore"))?.as_str()?;
    (!name.is_empty()).then(|| name.to_owned())
}

async fn finished(helper: &str, registry: &str, command: &str, input: &str) -> Result<(), RegistryError> {
    let output = call_helper(helper, command, input, registry).await?;
    if output.status.success() {
        return Ok(());
    }
    let reason = format!("`{command}` ended with {}", output.status);
    Err(failed_helper(helper, registry, reason))
}

fn unusable(path: &Path, reason: String) -> RegistryError {
    RegistryError::DockerConfig {
        path: path.to_owned(),
        reason,
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, RegistryError> {
    match fs_err::read(path) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(Map::new()),
        // serde's own words would show the value that is wrong; it may be a secret.
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            unusable(path, format!("not valid at line {line} column {column}"))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(unusable(path, error.kind().to_string())),
    }
}

fn write(path: &Path, config: &Map<String, Value>) -> Result<(), RegistryError> {
    let mut text = Vec::new();
    let layout = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, layout);
    let written = config.serialize(&mut serializer).map_err(std::io::Error::from);
    written
        .and_then(|()| replace(path, &text))
        .map_err(|error| unusable(path, error.kind().to_string()))
}

fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::DirBuilderExt as _;
    // A link to a file that is managed elsewhere stays one.
    let path = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // Only the owner can read it from its beginning.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.persist(&path)?;
    Ok(())
}
