//! Credentials from docker's `config.json`: `auths`, `credHelpers`, `credsStore`.
//!
//! Each registry gets its own entry and nothing else. Helpers run with a time limit and their output never reaches
//! a message. The process environment is not read here: the folder is given.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Mutex, OnceCell};

use super::{DOCKER_HUB, RegistryError, RegistryOptions};
use crate::event::SecretSink;

const HELPER_LIMIT: Duration = Duration::from_secs(30);
/// The key under which docker itself keeps the credentials for Docker Hub.
pub(super) const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// How to log in to one registry. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// User and password.
    Password {
        /// The user.
        user: String,
        /// The password or access token.
        secret: String,
    },
    /// An identity (refresh) token, traded for access tokens at the token service.
    Identity(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password {{ user: {user:?}, secret: … }}"),
            Self::Identity(_) => f.write_str("Identity(…)"),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, AuthEntry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: String,
}

#[derive(Deserialize, Default)]
struct AuthEntry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

type Found = Arc<OnceCell<Option<Credentials>>>;

/// What the user has named, Helm's and Docker's configuration, each read once, and what they said about each registry.
#[derive(Default)]
pub(super) struct CredentialStore {
    given: BTreeMap<String, Credentials>,
    files: Vec<ConfigFile>,
    on_secret: SecretSink,
    found: Mutex<HashMap<String, Found>>,
}

#[derive(Default)]
struct ConfigFile {
    path: PathBuf,
    config: OnceCell<DockerConfig>,
}

impl CredentialStore {
    pub(super) fn new(options: &RegistryOptions) -> Self {
        let docker = options
            .docker_config
            .iter()
            .map(|folder| folder.join("config.json"));
        let paths = options.credential_files.iter().cloned().chain(docker);
        let file = |path| ConfigFile {
            path,
            ..ConfigFile::default()
        };
        Self {
            given: options.logins.clone(),
            files: paths.map(file).collect(),
            on_secret: options.on_secret.clone(),
            ..Self::default()
        }
    }

    /// The credentials for a registry; asked for once per registry, concurrent callers wait for the one answer.
    pub(super) async fn get(&self, registry: &str) -> Result<Option<Credentials>, RegistryError> {
        let cell = self
            .found
            .lock()
            .await
            .entry(registry.to_owned())
            .or_default()
            .clone();
        let found = async {
            let found = self.look_up(registry).await?;
            if let Some(credentials) = &found {
                self.hide(credentials);
            }
            Ok(found)
        };
        cell.get_or_try_init(|| found).await.cloned()
    }

    /// The secret, and the form that it has in a request's head.
    fn hide(&self, credentials: &Credentials) {
        match credentials {
            Credentials::Password { user, secret } => {
                self.on_secret.hide(secret);
                let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"));
                self.on_secret.hide(&basic);
            }
            Credentials::Identity(token) => self.on_secret.hide(token),
        }
    }

    async fn look_up(&self, registry: &str) -> Result<Option<Credentials>, RegistryError> {
        if let Some(given) = self.given.get(registry) {
            return Ok(Some(given.clone()));
        }
        for file in &self.files {
            if let Some(found) = file.look_up(registry).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl ConfigFile {
    async fn look_up(&self, registry: &str) -> Result<Option<Credentials>, RegistryError> {
        let config = self
            .config
            .get_or_try_init(|| async { read_config(&self.path) })
            .await?;
        let key = if registry == DOCKER_HUB {
            DOCKER_HUB_KEY
        } else {
            registry
        };
        let helper = config
            .cred_helpers
            .iter()
            .find(|(name, _)| names_registry(name, registry));
        if let Some((name, helper)) = helper {
            return run_helper(helper, name, registry).await;
        }
        let entry = config
            .auths
            .iter()
            .find(|(name, _)| names_registry(name, registry));
        if let Some((_, entry)) = entry
            && let Some(found) = entry.credentials(&self.path, registry)?
        {
            return Ok(Some(found));
        }
        if config.creds_store.is_empty() {
            Ok(None)
        } else {
            run_helper(&config.creds_store, key, registry).await
        }
    }
}

impl AuthEntry {
    fn credentials(&self, path: &Path, registry: &str) -> Result<Option<Credentials>, RegistryError> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::Identity(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            let Self {
                username: user,
                password: secret,
                ..
            } = self;
            return Ok((!user.is_empty()).then(|| Credentials::Password {
                user: user.clone(),
                secret: secret.clone(),
            }));
        }
        let engine = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let decoded = engine
            .decode(self.auth.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        // Docker pads the password with NUL bytes.
        let pair = decoded
            .as_deref()
            .and_then(|text| text.trim_end_matches('\0').split_once(':'));
        match pair {
            Some((user, secret)) => Ok(Some(Credentials::Password {
                user: user.to_owned(),
                secret: secret.to_owned(),
            })),
            None => Err(RegistryError::DockerConfig {
                path: path.to_owned(),
                reason: format!("`auth` of `{registry}` is not base64 of `user:password`"),
            }),
        }
    }
}

fn read_config(path: &Path) -> Result<DockerConfig, RegistryError> {
    let fail = |reason: String| RegistryError::DockerConfig {
        path: path.to_owned(),
        reason,
    };
    match fs_err::read(path) {
        // serde's own words would show the value that is wrong; it may be a secret.
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            fail(format!(
                "not valid at line {} column {}",
                error.line(),
                error.column()
            ))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(DockerConfig::default()),
        Err(error) => Err(fail(error.kind().to_string())),
    }
}

/// Whether a key of docker's configuration (`host`, `https://host`, `https://host/v1/`) means this registry.
fn names_registry(key: &str, registry: &str) -> bool {
    let key = key.trim_start_matches("https://").trim_start_matches("http://");
    let host = key.split('/').next().unwrap_or_default();
    if registry == DOCKER_HUB {
        return ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&host);
    }
    host == registry
}

async fn run_helper(name: &str, key: &str, registry: &str) -> Result<Option<Credentials>, RegistryError> {
    let output = call_helper(name, "get", key, registry).await?;
    let fail = |reason: String| failed_helper(name, registry, reason);
    if !output.status.success() {
        // The words of docker's helper protocol for "no entry".
        if String::from_utf8_lossy(&output.stdout).contains("credentials not found") {
            return Ok(None);
        }
        return Err(fail(format!("it ended with {}", output.status)));
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
        .map_err(|_| fail("its answer is not valid JSON".to_owned()))?;
    Ok(match answer {
        HelperAnswer { username, secret } if username.is_empty() && secret.is_empty() => None,
        HelperAnswer { username, secret } if username == "<token>" => Some(Credentials::Identity(secret)),
        HelperAnswer {
            username: user,
            secret,
        } => Some(Credentials::Password { user, secret }),
    })
}

pub(super) fn failed_helper(name: &str, registry: &str, reason: String) -> RegistryError {
    RegistryError::Helper {
        host: registry.to_owned(),
        helper: format!("docker-credential-{name}"),
        reason,
    }
}

/// Runs a credential helper's command on this input.
pub(super) async fn call_helper(
    name: &str,
    command: &str,
    input: &str,
    registry: &str,
) -> Result<std::process::Output, RegistryError> {
    let fail = |reason: String| failed_helper(name, registry, reason);
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        return Err(fail("its name is not a program's name".to_owned()));
    }
    let mut child = tokio::process::Command::new(format!("docker-credential-{name}"))
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| fail(format!("it cannot be started: {}", error.kind())))?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let talk = async {
        // A helper may answer without reading its input.
        let _unread = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await
    };
    match tokio::time::timeout(HELPER_LIMIT, talk).await {
        Ok(output) => output.map_err(|error| fail(error.kind().to_string())),
        Err(_) => Err(fail(format!(
            "it did not answer within {} s",
            HELPER_LIMIT.as_secs()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn look_up(config: &str, registry: &str) -> Result<Option<Credentials>, RegistryError> {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("config.json"), config).unwrap();
        store(Some(folder.path())).get(registry).await
    }

    fn store(folder: Option<&Path>) -> CredentialStore {
        CredentialStore::new(&RegistryOptions {
            docker_config: folder.map(Path::to_owned),
            ..RegistryOptions::default()
        })
    }

    fn password(user: &str, secret: &str) -> Option<Credentials> {
        Some(Credentials::Password {
            user: user.to_owned(),
            secret: secret.to_owned(),
        })
    }

    #[tokio::test]
    async fn credentials_are_told_before_they_are_used() {
        let folder = tempfile::tempdir().unwrap();
        let config = r#"{"auths":{"r.example.com":{"auth":"dTpwYXNzd29yZA=="}}}"#;
        fs_err::write(folder.path().join("config.json"), config).unwrap();
        let told: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
        let ears = Arc::clone(&told);
        let store = CredentialStore::new(&RegistryOptions {
            docker_config: Some(folder.path().to_owned()),
            on_secret: SecretSink::new(move |secret| ears.lock().unwrap().push(secret.to_owned())),
            ..RegistryOptions::default()
        });
        store.get("r.example.com").await.unwrap();
        assert_eq!(*told.lock().unwrap(), ["password", "dTpwYXNzd29yZA=="]);
    }

    #[tokio::test]
    async fn each_registry_gets_its_own_entry_and_nothing_else() {
        let config = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"aHViOnB3"},
            "r.example.com":{"auth":"dTpwOnc="},
            "https://r.example.com:5000":{"username":"a","password":"b"},
            "id.example.com":{"identitytoken":"t"},
            "empty.example.com":{}}}"#;
        assert_eq!(look_up(config, "docker.io").await.unwrap(), password("hub", "pw"));
        assert_eq!(
            look_up(config, "r.example.com").await.unwrap(),
            password("u", "p:w")
        );
        assert_eq!(
            look_up(config, "r.example.com:5000").await.unwrap(),
            password("a", "b")
        );
        assert_eq!(
            look_up(config, "id.example.com").await.unwrap(),
            Some(Credentials::Identity("t".to_owned()))
        );
        for none in [
            "empty.example.com",
            "example.com",
            "evil-r.example.com",
            "r.example.com.evil",
        ] {
            assert_eq!(look_up(config, none).await.unwrap(), None, "{none}");
        }
    }

    #[tokio::test]
    async fn mistakes_are_named_without_their_text() {
        let error = look_up(r#"{"auths":{"r":{"auth":"!s3cret"}}}"#, "r")
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("config.json") && !error.contains("s3cret"),
            "{error}"
        );
        let error = look_up(r#"{"auths":"s3cret"}"#, "r")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 1") && !error.contains("s3cret"), "{error}");
        let error = look_up(r#"{"credsStore":"kiel-absent"}"#, "r")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("docker-credential-kiel-absent"), "{error}");
        let shown = format!("{:?}", password("u", "s3cret"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[tokio::test]
    async fn without_a_configuration_there_are_no_credentials() {
        assert_eq!(store(None).get("r").await.unwrap(), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(store(Some(folder.path())).get("r").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_the_user_names_comes_first_and_dockers_last() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, user: &str, hosts: &[&str]| {
            let auths: serde_json::Map<_, _> = hosts
                .iter()
                .map(|host| {
                    (
                        (*host).to_owned(),
                        serde_json::json!({"username": user, "password": "p"}),
                    )
                })
                .collect();
            let path = folder.path().join(name);
            fs_err::write(&path, serde_json::json!({"auths": auths}).to_string()).unwrap();
            path
        };
        write("config.json", "docker", &["a", "b", "c"]);
        let helm = write("helm.json", "helm", &["a", "b"]);
        let store = CredentialStore::new(&RegistryOptions {
            docker_config: Some(folder.path().to_owned()),
            credential_files: vec![folder.path().join("none.json"), helm],
            logins: BTreeMap::from([("a".to_owned(), password("given", "p").unwrap())]),
            ..RegistryOptions::default()
        });
        for (registry, user) in [("a", "given"), ("b", "helm"), ("c", "docker")] {
            assert_eq!(store.get(registry).await.unwrap(), password(user, "p"));
        }
        assert_eq!(store.get("d").await.unwrap(), None);
    }
}
