//! The chart repositories that a user has added, in Helm's own file and layout: both programs read and write it.
//!
//! The file may hold passwords: it is replaced as a whole and only its owner can read it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ChartsError;
use super::urls;

/// Where Helm keeps what belongs to a user.
#[derive(Debug, Clone, Default)]
pub struct HelmFiles {
    /// The file of repositories (`HELM_REPOSITORY_CONFIG`).
    pub repository_config: PathBuf,
    /// The folder of cached indexes and archives (`HELM_REPOSITORY_CACHE`).
    pub repository_cache: PathBuf,
    /// The file of registries' credentials (`HELM_REGISTRY_CONFIG`).
    pub registry_config: PathBuf,
}

impl HelmFiles {
    /// The cached index of a repository.
    #[must_use]
    pub fn index(&self, name: &str) -> PathBuf {
        self.repository_cache.join(format!("{name}-index.yaml"))
    }

    /// The cached list of a repository's charts, which shells complete from.
    #[must_use]
    pub fn chart_names(&self, name: &str) -> PathBuf {
        self.repository_cache.join(format!("{name}-charts.txt"))
    }
}

/// A repository with how it is reached.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepositoryEntry {
    /// The name it goes by.
    pub name: String,
    /// Where it is; `index.yaml` lies below it.
    pub url: String,
    /// The user's name there.
    pub username: String,
    /// The user's password there.
    pub password: String,
    /// File of the certificate by which the user is known.
    #[serde(rename = "certFile")]
    pub cert_file: String,
    /// File of the certificate's key.
    #[serde(rename = "keyFile")]
    pub key_file: String,
    /// File of the authorities that are trusted.
    #[serde(rename = "caFile")]
    pub ca_file: String,
    /// Take any certificate.
    pub insecure_skip_tls_verify: bool,
    /// Send user and password to whatever host the index names.
    pub pass_credentials_all: bool,
}

impl std::fmt::Debug for RepositoryEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepositoryEntry")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The file of repositories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repositories {
    /// Empty in the files that Helm writes.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// When it was made; Helm never says so.
    pub generated: String,
    /// The repositories, in the order in which they were added.
    pub repositories: Vec<RepositoryEntry>,
}

impl Repositories {
    /// Reads the file; nothing if there is none.
    ///
    /// # Errors
    /// It can't be read, or is none.
    pub fn load(path: &Path) -> Result<Option<Self>, ChartsError> {
        let text = match fs_err::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ChartsError::file("read", path, error)),
        };
        let failed = |reason: String| ChartsError::Repositories {
            path: path.to_owned(),
            reason,
        };
        let text = String::from_utf8(text).map_err(|_| failed("it is not UTF-8".to_owned()))?;
        let mut json = kiel_template::yaml::to_json(&text).map_err(|error| failed(error.to_string()))?;
        drop_nulls(&mut json);
        if json.is_null() {
            return Ok(Some(Self::default()));
        }
        // serde's own words would show the value that is wrong; it may be a password.
        let file = serde_json::from_value(json);
        file.map(Some)
            .map_err(|_| failed("a field has a value of the wrong type".to_owned()))
    }

    /// Writes the file, as Helm writes it.
    ///
    /// # Errors
    /// It can't be written.
    pub fn save(&self, path: &Path) -> Result<(), ChartsError> {
        let mut file = self.clone();
        if file.generated.is_empty() {
            "0001-01-01T00:00:00Z".clone_into(&mut file.generated);
        }
        let json = serde_json::to_value(&file).unwrap_or_default();
        let value = kiel_template::Value::from_json(&json);
        let text = kiel_template::yaml::to_string(&value)
            .map_err(|error| ChartsError::text(format!("cannot write `{}`: {error}", path.display())))?;
        super::cache::replace(path, text.as_bytes(), true)
            .map_err(|error| ChartsError::file("write", path, error))
    }

    /// The repository of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RepositoryEntry> {
        self.repositories.iter().find(|entry| entry.name == name)
    }

    /// The repository at this URL.
    #[must_use]
    pub fn at(&self, url: &str) -> Option<&RepositoryEntry> {
        self.repositories
            .iter()
            .find(|entry| urls::are_equal(&entry.url, url))
    }

    /// The repository that `@name` or `alias:name` means; nothing for what is no alias, or of nobody.
    #[must_use]
    pub fn aliased(&self, text: &str) -> Option<&RepositoryEntry> {
        self.get(alias(text)?)
    }

    /// Puts a repository in the place of that of its name, or behind the others.
    pub fn set(&mut self, entry: RepositoryEntry) {
        match self
            .repositories
            .iter_mut()
            .find(|other| other.name == entry.name)
        {
            Some(place) => *place = entry,
            None => self.repositories.push(entry),
        }
    }

    /// Takes a repository out, if it is there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.repositories.len();
        self.repositories.retain(|entry| entry.name != name);
        self.repositories.len() < before
    }
}

/// The name in `@name` and `alias:name`.
pub(super) fn alias(text: &str) -> Option<&str> {
    text.strip_prefix('@').or_else(|| text.strip_prefix("alias:"))
}

/// Go: null leaves a field as it is.
fn drop_nulls(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => {
            items.retain(|value| !value.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

/// The right to change the file of repositories, which one process has at a time; Helm takes the same.
#[derive(Debug)]
pub struct RepositoriesLock(#[expect(dead_code, reason = "it is held")] nix::fcntl::Flock<std::fs::File>);

impl RepositoriesLock {
    /// Waits for it; blocks.
    ///
    /// # Errors
    /// The lock's file can't be made.
    pub fn take(config: &Path) -> Result<Self, ChartsError> {
        // Go: the extension is replaced.
        let path = config.with_extension("lock");
        let failed = |error| ChartsError::file("lock", &path, error);
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder).map_err(failed)?;
        }
        let file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        let (file, _path) = file.into_parts();
        let lock = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive);
        lock.map(Self).map_err(|(_, error)| failed(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_helms() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/repositories.yaml");
        assert!(Repositories::load(&path).unwrap().is_none());
        let mut file = Repositories::default();
        file.set(RepositoryEntry {
            name: "one".to_owned(),
            url: "https://example.com/charts".to_owned(),
            username: "u".to_owned(),
            password: "p".to_owned(),
            ..RepositoryEntry::default()
        });
        file.save(&path).unwrap();
        // As Helm 3.21.4 has written it.
        assert_eq!(
            fs_err::read_to_string(&path).unwrap(),
            "apiVersion: \"\"
generated: \"0001-01-01T00:00:00Z\"
repositories:
- caFile: \"\"
  certFile: \"\"
  insecure_skip_tls_verify: false
  keyFile: \"\"
  name: one
  pass_credentials_all: false
  password: p
  url: https://example.com/charts
  username: u
"
        );
        let read = Repositories::load(&path).unwrap().unwrap();
        assert_eq!(read.repositories, file.repositories);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn repositories_are_found_by_name_alias_and_place() {
        let mut file = Repositories::default();
        for (name, url) in [
            ("one", "https://example.com/charts/"),
            ("two", "http://127.0.0.1:80/"),
        ] {
            file.set(RepositoryEntry {
                name: name.to_owned(),
                url: url.to_owned(),
                ..RepositoryEntry::default()
            });
        }
        let name = |entry: Option<&RepositoryEntry>| entry.map(|entry| entry.name.clone());
        assert_eq!(
            name(file.at("https://example.com/charts")).as_deref(),
            Some("one")
        );
        assert_eq!(name(file.at("https://example.com/other")), None);
        assert_eq!(name(file.aliased("@two")).as_deref(), Some("two"));
        assert_eq!(name(file.aliased("alias:one")).as_deref(), Some("one"));
        assert_eq!(name(file.aliased("one")), None);
        assert!(file.remove("one") && !file.remove("one"));
    }

    #[test]
    fn a_broken_file_shows_no_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("repositories.yaml");
        fs_err::write(&path, "repositories:\n- name: a\n  password: [s3cret]\n").unwrap();
        let error = Repositories::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("repositories.yaml") && !error.contains("s3cret"),
            "{error}"
        );
        fs_err::write(&path, "repositories:\n- null\n- name: a\n  username: null\n").unwrap();
        assert_eq!(Repositories::load(&path).unwrap().unwrap().repositories.len(), 1);
    }
}
