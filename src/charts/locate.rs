//! What a user means by a chart: a path, a name in a repository, a URL, a reference in a registry; as Helm reads it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use kiel_chart::{Index, IndexEntry};

use super::cache::replace;
use super::error::ChartsError;
use super::manage::is_unmanaged;
use super::repositories::RepositoryEntry;
use super::source::{Charts, entry_digest, read_index};
use super::urls;
use crate::registry::Url;

/// Largest provenance file, in bytes: a `Chart.yaml`, a digest and a signature.
const MAX_PROVENANCE_SIZE: u64 = 5 << 20;

/// How a chart is named beside its reference.
#[derive(Debug, Clone, Default)]
pub struct ChartQuery {
    /// A version or constraint; the newest if empty.
    pub version: String,
    /// The user's flags about servers; its URL is that of `--repo`, or empty.
    pub access: RepositoryEntry,
    /// The provenance file is wanted too.
    pub with_provenance: bool,
}

/// A chart that was downloaded.
#[derive(Debug, Clone)]
pub struct Downloaded {
    /// The archive.
    pub archive: Bytes,
    /// Its file's name.
    pub file_name: String,
    /// The provenance file.
    pub provenance: Provenance,
    /// What Helm tells about it.
    pub notes: String,
}

/// The provenance file of a chart that was downloaded.
#[derive(Debug, Clone)]
pub enum Provenance {
    /// Nobody asked for it.
    Unwanted,
    /// What is in it.
    Found(Bytes),
    /// It can't be had.
    Missing {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
}

/// Where a chart is.
#[derive(Debug, Clone)]
pub enum Located {
    /// On this machine.
    Path(PathBuf),
    /// It was downloaded.
    Archive(Downloaded),
}

impl Charts {
    /// Go: `LocateChart`. What is there on this machine comes first.
    ///
    /// # Errors
    /// There is no such chart, or it can't be had.
    pub async fn locate(&self, name: &str, query: &ChartQuery) -> Result<Located, ChartsError> {
        let name = name.trim();
        let path = Path::new(name);
        if path.exists() {
            return Ok(Located::Path(path.to_owned()));
        }
        if path.is_absolute() || name.starts_with('.') {
            return Err(ChartsError::text(format!("path {name:?} not found")));
        }
        Ok(Located::Archive(self.get(name, query).await?))
    }

    /// Downloads a chart.
    ///
    /// # Errors
    /// There is no such chart, or it can't be had.
    pub async fn get(&self, name: &str, query: &ChartQuery) -> Result<Downloaded, ChartsError> {
        let version = query.version.trim();
        if !query.access.url.is_empty() {
            let (index_entry, found) = self.find_in_repository(&query.access, name, version).await?;
            let reference = found.urls.first().map(String::as_str).unwrap_or_default();
            let url = urls::resolve(&query.access.url, reference)
                .map_err(|error| ChartsError::text(format!("failed to make chart URL absolute: {error}")))?;
            return self.get_archive(&index_entry, &url, &found.digest, query).await;
        }
        if urls::is_oci(name) {
            let reference = self.choose_version(name, version).await?;
            return self.pull(&reference, query.with_provenance).await;
        }
        if let Ok(url) = Url::parse(name)
            && url.has_host()
            && url.path() != "/"
        {
            let owner = self.owner(name).await?;
            let entry = owner.map_or_else(
                || RepositoryEntry {
                    url: name.to_owned(),
                    ..query.access.clone()
                },
                |owner| joined(&owner, &query.access),
            );
            return self.get_archive(&entry, &url, "", query).await;
        }
        let Some((repository, chart)) = name.split_once('/') else {
            return Err(ChartsError::text(format!(
                "non-absolute URLs should be in form of repo_name/path_to_chart, got: {name}"
            )));
        };
        let repositories = self.repositories()?;
        let entry = repositories
            .get(repository)
            .ok_or_else(|| ChartsError::text(format!("repo {repository} not found")))?;
        if entry.url.is_empty() {
            return Err(ChartsError::text(format!(
                "no URL found for repository {repository}"
            )));
        }
        let index = self
            .cached_index(entry, Some(vec![chart.to_owned()]))
            .await
            .map_err(|error| error.wrapped("no cached repo found. (try 'helm repo update')"))?;
        let found = index.get(chart, version).map_err(|error| {
            ChartsError::text(format!(
                "chart {chart:?} matching {version} not found in {repository} index. (try 'helm repo update'): {error}"
            ))
        })?;
        let reference = found
            .urls
            .first()
            .ok_or_else(|| ChartsError::text(format!("chart {name:?} has no downloadable URLs")))?;
        let url = urls::resolve(&entry.url, reference)
            .map_err(|_| ChartsError::text(format!("invalid chart URL format: {name}")))?;
        self.get_archive(&joined(entry, &query.access), &url, &found.digest, query)
            .await
    }

    async fn get_archive(
        &self,
        entry: &RepositoryEntry,
        url: &Url,
        digest: &str,
        query: &ChartQuery,
    ) -> Result<Downloaded, ChartsError> {
        let file_name = urls::file_name(url).ok_or_else(|| {
            ChartsError::text(format!("`{}` leads to no file", crate::registry::shown_url(url)))
        })?;
        if url.scheme() == "oci" {
            let reference = self.choose_version(url.as_str(), "").await?;
            return self.pull(&reference, query.with_provenance).await;
        }
        let archive = self.archive(entry, url, entry_digest(digest)).await?;
        let provenance = match query.with_provenance {
            true => self.provenance(entry, url).await,
            false => Provenance::Unwanted,
        };
        Ok(Downloaded {
            archive,
            file_name,
            provenance,
            notes: String::new(),
        })
    }

    /// The file beside the archive at `url`.
    pub(super) async fn provenance(&self, entry: &RepositoryEntry, url: &Url) -> Provenance {
        let mut beside = url.clone();
        beside.set_path(&format!("{}.prov", url.path()));
        match self.download(entry, &beside, MAX_PROVENANCE_SIZE, None).await {
            Ok(content) => Provenance::Found(content),
            Err(error) => Provenance::Missing {
                url: crate::registry::shown_url(&beside),
                reason: error.to_string(),
            },
        }
    }

    /// Go: `FindChartInRepoURL`: a chart in a repository that need not be among the user's.
    pub(super) async fn find_in_repository(
        &self,
        access: &RepositoryEntry,
        name: &str,
        version: &str,
    ) -> Result<(RepositoryEntry, IndexEntry), ChartsError> {
        let place = &*urls::without_login(&access.url);
        let names = Some(vec![name.to_owned()]);
        let index = async { read_index(self.fetch_index(access).await?, place, names).await };
        let index = index.await.map_err(|error| {
            error.wrapped(format!(
                "looks like {place:?} is not a valid chart repository or cannot be reached"
            ))
        })?;
        let mut what = format!("chart {name:?}");
        if !version.is_empty() {
            what.push_str(&format!(" version {version:?}"));
        }
        let found = index
            .get(name, version)
            .map_err(|_| ChartsError::text(format!("{what} not found in {place} repository")))?;
        if found.urls.is_empty() {
            return Err(ChartsError::text(format!("{what} has no downloadable URLs")));
        }
        Ok((access.clone(), found.clone()))
    }

    /// The repository whose cached index names this URL (Go: `scanReposForURL`).
    async fn owner(&self, url: &str) -> Result<Option<RepositoryEntry>, ChartsError> {
        for entry in self.repositories()?.repositories {
            let index = self
                .cached_index(&entry, None)
                .await
                .map_err(|error| error.wrapped("no cached repo found. (try 'helm repo update')"))?;
            let mut all = index.entries.values().flatten().flat_map(|entry| &entry.urls);
            if all.any(|other| urls::are_equal(other, url)) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The index of a repository as it was last fetched by Helm or kiel.
    ///
    /// # Errors
    /// There is none, or it is broken.
    pub async fn cached_index(
        &self,
        entry: &RepositoryEntry,
        names: Option<Vec<String>>,
    ) -> Result<Index, ChartsError> {
        let path = self.files().index(&entry.name);
        let data = fs_err::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                ChartsError::text(format!("open {}: no such file or directory", path.display()))
            }
            _ => ChartsError::file("read", &path, error),
        })?;
        read_index(data.into(), &path.display().to_string(), names).await
    }

    /// Fetches the index of a repository and puts it where Helm looks for it.
    ///
    /// # Errors
    /// It can't be had, is no index, or can't be written.
    pub async fn update_repository(&self, entry: &RepositoryEntry) -> Result<Vec<String>, ChartsError> {
        let data = self.fetch_index(entry).await?;
        let (source, unread) = (entry.url.clone(), data.clone());
        let read = tokio::task::spawn_blocking(move || Index::chart_names(&unread, &source)).await;
        let read = read.map_err(|error| ChartsError::text(format!("cannot read an index: {error}")))?;
        let (names, skipped) = read?;
        let names: String = names.iter().map(|name| format!("{name}\n")).collect();
        for (path, content) in [
            (self.files().chart_names(&entry.name), names.as_bytes()),
            (self.files().index(&entry.name), &data[..]),
        ] {
            replace(&path, content, false).map_err(|error| ChartsError::file("write", &path, error))?;
        }
        Ok(skipped)
    }

    /// Fetches the indexes of several repositories at once, tells how each went, and which failed.
    pub async fn update_repositories(
        &self,
        entries: &[RepositoryEntry],
        say: &(dyn Fn(&str) + Sync),
    ) -> Vec<String> {
        let updates = entries.iter().map(|entry| self.update_repository(entry));
        let updates = futures::future::join_all(updates).await;
        let mut failed = Vec::new();
        for (entry, update) in entries.iter().zip(updates) {
            let RepositoryEntry { name, url, .. } = entry;
            let url = urls::without_login(url);
            let text = match (update, is_unmanaged(entry)) {
                (Ok(_), true) => format!("...Successfully got an update from the {url:?} chart repository\n"),
                (Ok(_), false) => {
                    format!("...Successfully got an update from the {name:?} chart repository\n")
                }
                (Err(error), hidden) => {
                    failed.push(url.to_string());
                    let shown = if hidden {
                        format!("{url:?} chart repository")
                    } else {
                        format!("{name:?} chart repository ({url})")
                    };
                    format!("...Unable to get an update from the {shown}:\n\t{error}\n")
                }
            };
            say(&text);
        }
        failed
    }
}

/// A repository with what the user's flags say beside it.
fn joined(entry: &RepositoryEntry, flags: &RepositoryEntry) -> RepositoryEntry {
    let mut joined = entry.clone();
    if joined.username.is_empty() || joined.password.is_empty() {
        joined.username.clone_from(&flags.username);
        joined.password.clone_from(&flags.password);
        joined.pass_credentials_all |= flags.pass_credentials_all;
    }
    if joined.cert_file.is_empty() && joined.key_file.is_empty() && joined.ca_file.is_empty() {
        joined.cert_file.clone_from(&flags.cert_file);
        joined.key_file.clone_from(&flags.key_file);
        joined.ca_file.clone_from(&flags.ca_file);
    }
    joined.insecure_skip_tls_verify |= flags.insecure_skip_tls_verify;
    joined
}
