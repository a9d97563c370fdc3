//! Where charts come from in one run: repositories by HTTP and HTTPS, and registries.
//!
//! Nothing is downloaded twice in a run: whoever wants what is under way waits for it. What is downloaded goes to the
//! cache, if there is one. Credentials of a repository go to its own origin, unless it is added with
//! `--pass-credentials`; those of a registry are `crate::registry`'s matter.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use kiel_chart::{Index, IndexError};
use tokio::sync::OnceCell;

use super::cache::{Cache, MAX_ARCHIVE_SIZE};
use super::error::ChartsError;
use super::repositories::{HelmFiles, Repositories, RepositoryEntry};
use super::urls;
use crate::registry::{Credentials, Digest, Download, Registry, RegistryOptions, Url};

/// How charts are reached.
#[derive(Debug, Clone, Default)]
pub struct ChartsOptions {
    /// Registries, and what holds for all servers.
    pub registry: RegistryOptions,
    /// What the user's flags say about registries alone: trust and certificates.
    pub registry_access: RepositoryEntry,
    /// The user's repositories.
    pub files: HelmFiles,
    /// Folder of the cache; nothing is kept without one.
    pub cache: Option<PathBuf>,
    /// Take cached indexes as they are.
    pub skip_refresh: bool,
}

type Once = Mutex<HashMap<String, Arc<OnceCell<Bytes>>>>;

/// The way to charts.
pub struct Charts {
    pub(super) options: ChartsOptions,
    pub(super) cache: Option<Cache>,
    clients: Mutex<HashMap<Trust, Registry>>,
    archives: Once,
    indexes: Once,
}

/// What tells clients apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Trust {
    ca_file: String,
    certificate: Option<(PathBuf, PathBuf)>,
    takes_any: bool,
}

impl std::fmt::Debug for Charts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Charts").finish_non_exhaustive()
    }
}

impl Charts {
    /// A way with these options; nothing is asked or read yet.
    #[must_use]
    pub fn new(options: ChartsOptions) -> Self {
        Self {
            cache: options.cache.clone().map(Cache::new),
            options,
            clients: Mutex::default(),
            archives: Once::default(),
            indexes: Once::default(),
        }
    }

    /// The user's files.
    #[must_use]
    pub fn files(&self) -> &HelmFiles {
        &self.options.files
    }

    /// How many requests were sent so far, by method and host.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        let mut all = BTreeMap::new();
        for client in lock(&self.clients).values() {
            for (key, count) in client.requests() {
                *all.entry(key).or_default() += count;
            }
        }
        all
    }

    /// The user's repositories; none without a file.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn repositories(&self) -> Result<Repositories, ChartsError> {
        Ok(Repositories::load(&self.options.files.repository_config)?.unwrap_or_default())
    }

    /// The client for registries.
    pub(super) fn registry(&self) -> Result<Registry, ChartsError> {
        self.client(&self.options.registry_access)
    }

    fn client(&self, entry: &RepositoryEntry) -> Result<Registry, ChartsError> {
        let has_certificate = !entry.cert_file.is_empty() && !entry.key_file.is_empty();
        let trust = Trust {
            ca_file: entry.ca_file.clone(),
            certificate: has_certificate
                .then(|| (entry.cert_file.clone().into(), entry.key_file.clone().into())),
            takes_any: entry.insecure_skip_tls_verify,
        };
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&trust) {
            return Ok(client.clone());
        }
        let mut options = self.options.registry.clone();
        if !trust.ca_file.is_empty() {
            options.ca_files.push(trust.ca_file.clone().into());
        }
        if trust.certificate.is_some() {
            options.client_certificate.clone_from(&trust.certificate);
        }
        options.skip_tls_verify |= trust.takes_any;
        let client = Registry::new(options)?;
        clients.insert(trust, client.clone());
        Ok(client)
    }

    /// The file at a URL, with what the repository's entry says about getting there.
    ///
    /// # Errors
    /// It can't be had, or is larger than `limit`.
    pub async fn download(
        &self,
        entry: &RepositoryEntry,
        url: &Url,
        limit: u64,
        accept: Option<&'static str>,
    ) -> Result<Bytes, ChartsError> {
        let owner = if entry.pass_credentials_all {
            Some(url.clone())
        } else {
            Url::parse(&entry.url).ok()
        };
        let is_known = !entry.username.is_empty() && !entry.password.is_empty();
        self.options.registry.on_secret.hide(&entry.password);
        let login = owner.filter(|_| is_known).map(|owner| {
            let credentials = Credentials::Password {
                user: entry.username.clone(),
                secret: entry.password.clone(),
            };
            (credentials, owner)
        });
        let wanted = Download {
            url: url.clone(),
            limit,
            accept,
            login: login.filter(|(_, owner)| urls::have_one_origin(owner, url)),
        };
        Ok(self.client(entry)?.download(&wanted).await?)
    }

    /// A repository's index as it is now, unread.
    ///
    /// # Errors
    /// It can't be had.
    pub async fn fetch_index(&self, entry: &RepositoryEntry) -> Result<Bytes, ChartsError> {
        let url = urls::resolve(&entry.url, "index.yaml").map_err(ChartsError::Text)?;
        let cell = once(&self.indexes, url.as_str());
        let fetched = cell.get_or_try_init(async || {
            let limit = kiel_chart::MAX_INDEX_SIZE as u64;
            let index = self.download(entry, &url, limit, None).await?;
            if let Some(cache) = &self.cache {
                cache.keep_index(&entry.url, &index);
            }
            Ok::<_, ChartsError>(index)
        });
        Ok(fetched.await?.clone())
    }

    /// The archive at a URL. One with the digest that the index names is taken from the cache.
    ///
    /// # Errors
    /// It can't be had.
    pub async fn archive(
        &self,
        entry: &RepositoryEntry,
        url: &Url,
        digest: Option<Digest>,
    ) -> Result<Bytes, ChartsError> {
        let cell = once(&self.archives, url.as_str());
        let fetched = cell.get_or_try_init(async || {
            let cached = self.cache.as_ref().zip(digest);
            if let Some(archive) = cached.and_then(|(cache, digest)| cache.archive(digest)) {
                return Ok(archive);
            }
            let accept = Some("application/gzip,application/octet-stream");
            let archive = self.download(entry, url, MAX_ARCHIVE_SIZE, accept).await?;
            if let Some(cache) = &self.cache {
                cache.keep(None, &archive);
            }
            Ok::<_, ChartsError>(archive)
        });
        Ok(fetched.await?.clone())
    }

    /// What is got once under this name; others who want it wait.
    pub(super) fn once(&self, name: &str) -> Arc<OnceCell<Bytes>> {
        once(&self.archives, name)
    }
}

/// Reads the entries of these charts, or all, apart from the tasks that wait for the network.
///
/// # Errors
/// It is no index.
pub async fn read_index(data: Bytes, source: &str, names: Option<Vec<String>>) -> Result<Index, ChartsError> {
    let source = source.to_owned();
    let read = move || match names {
        Some(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Index::parse_charts(&data, &source, &names)
        }
        None => Index::parse(&data, &source),
    };
    let read: Result<Index, IndexError> = match tokio::task::spawn_blocking(read).await {
        Ok(read) => read,
        Err(error) => return Err(ChartsError::text(format!("cannot read an index: {error}"))),
    };
    Ok(read?)
}

/// The digest in an index's entry, where it is one.
pub(super) fn entry_digest(text: &str) -> Option<Digest> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    format!("sha256:{digits}").parse().ok()
}

fn once(cells: &Once, name: &str) -> Arc<OnceCell<Bytes>> {
    lock(cells).entry(name.to_owned()).or_default().clone()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The values behind these locks are valid after every single statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
