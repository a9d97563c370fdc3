//! `charts/` and the lock file of a chart in a folder, brought up to date as `helm dependency build` and `update` do.
//!
//! What is told on the way is Helm's, word for word; downloads run side by side all the same.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::StreamExt as _;
use kiel_chart::{Chart, Dependency, Index, Lock};
use kiel_template::functions::semver::Version;

use super::cache::replace;
use super::error::ChartsError;
use super::locate::Provenance;
use super::oci::ChartReference;
use super::provenance::{Keyring, SignedFile};
use super::repositories::{Repositories, RepositoryEntry, alias};
use super::source::{Charts, entry_digest, read_index};
use super::{load, urls};
use crate::registry::Digest;

const AT_ONCE: usize = 8;
/// Go: the names of indexes of repositories that the user has not added.
const UNMANAGED: &str = "helm-manager-";

/// A chart's folder, and how its dependencies are got.
pub struct Manager<'m> {
    /// The way to charts.
    pub charts: &'m Charts,
    /// The chart's folder.
    pub folder: PathBuf,
    /// Take cached indexes as they are.
    pub skip_refresh: bool,
    /// How charts from repositories and registries have to be signed, if they have to.
    pub verification: Option<&'m Verification>,
    /// The time that a lock file gets, by RFC 3339.
    pub now: String,
    /// What is told, line by line as it happens.
    pub say: &'m (dyn Fn(&str) + Sync),
    /// What is only a note, as of a pull from a registry.
    pub note: &'m (dyn Fn(&str) + Sync),
}

/// How charts have to be signed.
#[derive(Debug)]
pub struct Verification {
    /// Who is trusted; why that can't be said, if it can't: that matters with the first signature.
    pub keyring: Result<Keyring, String>,
    /// Whether a chart without a provenance file is refused, and not only told of.
    pub is_required: bool,
    /// The time, in seconds since 1970.
    pub now: u32,
}

/// What a dependency becomes in `charts/`.
struct Saved {
    file_name: String,
    archive: Bytes,
    /// What is told about it.
    warning: String,
}

/// How a dependency is got.
enum Way {
    /// It lies in `charts/`.
    Vendored,
    Local,
    /// Another one brings the same archive.
    Again,
    Web(RepositoryEntry, crate::registry::Url, Option<Digest>),
    Registry(ChartReference),
}

impl Saved {
    fn new(file_name: String, archive: Bytes) -> Self {
        Self {
            file_name,
            archive,
            warning: String::new(),
        }
    }
}

impl Manager<'_> {
    /// Brings `charts/` to what the lock file says; without one it is made.
    ///
    /// # Errors
    /// The lock file is out of date, a repository is unknown, or a chart can't be had.
    pub async fn build(&self) -> Result<(), ChartsError> {
        let chart = self.load()?;
        let Some(lock) = chart.lock.clone() else {
            return self.update().await;
        };
        let repositories = self.charts.repositories()?;
        let mut wanted = chart.metadata.dependencies.clone();
        self.resolve_names(&mut wanted, &repositories)?;
        chart.check_lock(&wanted)?;
        let is_known = |one: &&Dependency| {
            let place = &one.repository;
            place.is_empty()
                || place.starts_with("file://")
                || urls::is_oci(place)
                || repositories.at(place).is_some()
        };
        let missing: Vec<&str> = lock
            .dependencies
            .iter()
            .filter(|one| !is_known(one))
            .map(|one| one.repository.as_str())
            .collect();
        if !missing.is_empty() {
            let text = format!(
                "no repository definition for {}. Please add the missing repos via 'helm repo add'",
                missing.join(", ")
            );
            return Err(ChartsError::Text(text));
        }
        if !self.skip_refresh {
            self.refresh(&repositories).await?;
        }
        let mut locked = lock.dependencies;
        self.download_all(&mut locked, &repositories).await
    }

    /// Chooses versions anew, fills `charts/` and writes the lock file.
    ///
    /// # Errors
    /// No version will do, a repository is unknown, or a chart can't be had.
    pub async fn update(&self) -> Result<(), ChartsError> {
        let chart = self.load()?;
        if !chart.metadata.lists_dependencies {
            return Ok(());
        }
        let repositories = self.charts.repositories()?;
        let mut wanted = chart.metadata.dependencies.clone();
        self.resolve_names(&mut wanted, &repositories)?;
        self.refresh_unmanaged(&wanted, &repositories).await?;
        if !self.skip_refresh {
            self.refresh(&repositories).await?;
        }
        let mut locked = self.choose(&wanted, &repositories).await?;
        self.download_all(&mut locked, &repositories).await?;
        let lock = Lock::new(&wanted, locked, self.now.clone());
        if chart.lock.as_ref().is_some_and(|old| old.digest == lock.digest) {
            return Ok(());
        }
        self.write_lock(&chart, &lock)
    }

    fn load(&self) -> Result<Chart, ChartsError> {
        let folder = &self.folder;
        let kind = fs_err::metadata(folder).map_err(|_| {
            let path = folder.display();
            ChartsError::text(format!(
                "could not find {path}: stat {path}: no such file or directory"
            ))
        })?;
        if !kind.is_dir() {
            return Err(ChartsError::text("only unpacked charts can be updated"));
        }
        Ok(load(folder)?)
    }

    /// Go: `resolveRepoNames`: aliases become what they stand for, others have to be URLs.
    fn resolve_names(
        &self,
        wanted: &mut [Dependency],
        repositories: &Repositories,
    ) -> Result<(), ChartsError> {
        let mut missing = Vec::new();
        for one in wanted {
            let place = one.repository.clone();
            if place.is_empty() || urls::is_oci(&place) {
                continue;
            }
            if place.starts_with("file://") {
                self.local_path(&place)?;
            } else if let Some(entry) = repositories.aliased(&place) {
                one.repository.clone_from(&entry.url);
            } else if crate::registry::Url::parse(&place).is_err() || alias(&place).is_some() {
                missing.push(place);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let mut text = format!(
            "no repository definition for {}. Please add them via 'helm repo add'",
            missing.join(", ")
        );
        if missing
            .iter()
            .any(|place| !place.contains("//") && alias(place).is_none())
        {
            text.push_str(
                "\nNote that repositories must be URLs or aliases. For example, to refer to the \"example\"
repository, use \"https://charts.example.com/\" or \"@example\" instead of
\"example\". Don't forget to add the repo, too ('helm repo add').",
            );
        }
        Err(ChartsError::Text(text))
    }

    fn local_path(&self, place: &str) -> Result<PathBuf, ChartsError> {
        let path = self.folder.join(place.trim_start_matches("file://"));
        if fs_err::metadata(&path).is_ok() {
            return Ok(path);
        }
        let shown = super::folder::cleaned(&path);
        Err(ChartsError::text(format!(
            "directory {} not found",
            shown.display()
        )))
    }

    /// The index of a repository that is in no file, under the name that Helm gives it.
    async fn refresh_unmanaged(
        &self,
        wanted: &[Dependency],
        repositories: &Repositories,
    ) -> Result<(), ChartsError> {
        let mut entries: Vec<RepositoryEntry> = Vec::new();
        for place in wanted.iter().map(|one| &one.repository) {
            let is_web = !place.is_empty() && !place.starts_with("file://") && !urls::is_oci(place);
            let is_new = entries.iter().all(|entry| entry.url != *place);
            if is_web && is_new && repositories.at(place).is_none() {
                entries.push(unmanaged(place));
            }
        }
        if entries.is_empty() || self.skip_refresh {
            return Ok(());
        }
        (self.say)("Getting updates for unmanaged Helm repositories...\n");
        self.charts.update_repositories(&entries, self.say).await;
        Ok(())
    }

    async fn refresh(&self, repositories: &Repositories) -> Result<(), ChartsError> {
        let entries = &repositories.repositories;
        if !entries.is_empty() {
            (self.say)("Hang tight while we grab the latest from your chart repositories...\n");
            self.charts.update_repositories(entries, self.say).await;
            (self.say)("Update Complete. ⎈Happy Helming!⎈\n");
        }
        Ok(())
    }

    /// Go: `Resolver.Resolve`.
    async fn choose(
        &self,
        wanted: &[Dependency],
        repositories: &Repositories,
    ) -> Result<Vec<Dependency>, ChartsError> {
        let mut locked = Vec::new();
        let mut missing = Vec::new();
        for one in wanted {
            one.constraints()?;
            let place = &one.repository;
            let version = if place.is_empty() {
                self.local_path(&format!("charts/{}", one.name))?;
                Some(one.version.clone())
            } else if place.starts_with("file://") {
                let chart = load(&self.local_path(place)?)?;
                one.choose([chart.version()])?.map(str::to_owned)
            } else if urls::is_oci(place) {
                self.choose_tag(one).await?
            } else {
                let entry = repositories
                    .at(place)
                    .cloned()
                    .unwrap_or_else(|| unmanaged(place));
                let index = self.index(&entry, &one.name).await?;
                let versions = index.entries.get(&one.name).ok_or_else(|| {
                    ChartsError::text(format!("{} chart not found in repo {place}", one.name))
                })?;
                let there = versions.iter().filter(|entry| !entry.urls.is_empty());
                let versions = there.map(|entry| entry.metadata.version.as_str());
                one.choose(versions)?.map(str::to_owned)
            };
            match version {
                Some(version) => locked.push(one.locked_at(&version)),
                None => missing.push(format!(
                    "{:?} (repository {place:?}, version {:?})",
                    one.name, one.version
                )),
            }
        }
        if missing.is_empty() {
            return Ok(locked);
        }
        Err(ChartsError::text(format!(
            "can't get a valid version for {} subchart(s): {}. Make sure a matching chart version exists in the repo, or change the version constraint in Chart.yaml",
            missing.len(),
            missing.join(", ")
        )))
    }

    async fn choose_tag(&self, one: &Dependency) -> Result<Option<String>, ChartsError> {
        if Version::parse(&one.version).is_ok() {
            return Ok(Some(one.version.clone()));
        }
        let place = one.repository.trim_end_matches('/');
        let reference = ChartReference::parse(&format!("{place}/{}", one.name))?;
        let versions = self.charts.versions(&reference).await.map_err(|error| {
            error.wrapped(format!(
                "could not retrieve list of tags for repository {}",
                one.repository
            ))
        })?;
        let chosen = one.choose(versions.iter().map(String::as_str))?;
        Ok(chosen.map(str::to_owned))
    }

    /// The cached index of a repository, read for one chart.
    async fn index(&self, entry: &RepositoryEntry, name: &str) -> Result<Index, ChartsError> {
        let path = self.charts.files().index(&entry.name);
        let data = fs_err::read(&path).map_err(|_| {
            let shown = path.display();
            ChartsError::text(format!(
                "no cached repository for {} found. (try 'helm repo update'): open {shown}: no such file or directory",
                entry.name
            ))
        })?;
        read_index(data.into(), &entry.url, Some(vec![name.to_owned()])).await
    }

    /// Go: `downloadAll` and `safeMoveDeps`. A local dependency is locked at the version that it has.
    async fn download_all(
        &self,
        locked: &mut [Dependency],
        repositories: &Repositories,
    ) -> Result<(), ChartsError> {
        let folder = self.folder.join("charts");
        if folder.exists() && !folder.is_dir() {
            return Err(ChartsError::text(format!(
                "{:?} is not a directory",
                folder.display().to_string()
            )));
        }
        fs_err::create_dir_all(&folder).map_err(|error| ChartsError::file("make", &folder, error))?;
        (self.say)(&format!("Saving {} charts\n", locked.len()));
        let saved = self.get_all(locked, repositories, &folder).await?;
        self.put(&saved, locked, &folder)
    }

    async fn get_all(
        &self,
        locked: &mut [Dependency],
        repositories: &Repositories,
        folder: &Path,
    ) -> Result<Vec<Saved>, ChartsError> {
        let mut ways: Vec<Result<Way, ChartsError>> = Vec::new();
        for (index, one) in locked.iter().enumerate() {
            let way = match locked[..index].iter().any(|other| is_same(other, one)) {
                true => Ok(Way::Again),
                false => self.way(one, repositories).await,
            };
            ways.push(way);
        }
        let downloads: Vec<_> = ways.iter().map(|way| self.download(way)).collect();
        let mut downloads = futures::stream::iter(downloads).buffered(AT_ONCE);
        let mut saved = Vec::new();
        let mut local = Vec::new();
        for (index, way) in ways.iter().enumerate() {
            let one = &locked[index];
            let downloaded = downloads.next().await;
            match way {
                Ok(Way::Vendored) => self.check_vendored(one, folder)?,
                Ok(Way::Local) => {
                    let (version, archive) = self.archive_local(one).map_err(|error| self.told(error))?;
                    local.push((index, version));
                    saved.push(archive);
                }
                Ok(Way::Again) => {
                    let place = urls::without_login(&one.repository);
                    (self.say)(&format!("Already downloaded {} from repo {place}\n", one.name));
                }
                Ok(_) => {
                    let place = urls::without_login(&one.repository);
                    (self.say)(&format!("Downloading {} from repo {place}\n", one.name));
                    if let Some(result) = downloaded {
                        let found = result.map_err(|error| self.told(error))?;
                        (self.say)(found.as_ref().map_or("", |found| &found.warning));
                        saved.extend(found);
                    }
                }
                Err(error) => return Err(self.told(ChartsError::text(format!("could not find : {error}")))),
            }
        }
        for (index, version) in local {
            locked[index].version = version;
        }
        Ok(saved)
    }

    /// An error that Helm tells twice.
    fn told(&self, error: ChartsError) -> ChartsError {
        (self.say)(&format!("Save error occurred:  {error}\n"));
        error
    }

    async fn way(&self, one: &Dependency, repositories: &Repositories) -> Result<Way, ChartsError> {
        let place = &one.repository;
        if place.is_empty() {
            return Ok(Way::Vendored);
        }
        if place.starts_with("file://") {
            return Ok(Way::Local);
        }
        if urls::is_oci(place) {
            let text = format!("{}/{}:{}", place.trim_end_matches('/'), one.name, one.version);
            return Ok(Way::Registry(ChartReference::parse(&text)?));
        }
        let (entry, found) = match repositories.at(place) {
            Some(entry) => {
                let index = self.index(entry, &one.name).await?;
                if !index.entries.contains_key(&one.name) {
                    return Err(ChartsError::text("entry not found"));
                }
                let found = index.find_exact(&one.name, &one.version).cloned();
                (
                    entry.clone(),
                    found.ok_or_else(|| ChartsError::text("no matching version"))?,
                )
            }
            None => {
                let entry = unmanaged(place);
                let (_, found) = self
                    .charts
                    .find_in_repository(&entry, &one.name, &one.version)
                    .await?;
                (entry, found)
            }
        };
        let reference = found.urls.first().map(String::as_str).unwrap_or_default();
        let url = urls::resolve(&entry.url, reference).map_err(ChartsError::Text)?;
        Ok(Way::Web(entry, url, entry_digest(&found.digest)))
    }

    async fn download(&self, way: &Result<Way, ChartsError>) -> Result<Option<Saved>, ChartsError> {
        match way {
            Ok(Way::Web(entry, url, digest)) => {
                let failed = |error: ChartsError| {
                    let shown = crate::registry::shown_url(url);
                    error.wrapped(format!("could not download {shown}"))
                };
                let archive = self.charts.archive(entry, url, *digest).await.map_err(failed)?;
                let file_name = urls::file_name(url)
                    .ok_or_else(|| ChartsError::text(format!("`{url}` leads to no file")))?;
                let mut saved = Saved::new(file_name, archive);
                if self.verification.is_some() {
                    let provenance = self.charts.provenance(entry, url).await;
                    let name = crate::registry::shown_url(url);
                    saved.warning = self.verify(&saved, &provenance, &name).map_err(failed)?;
                }
                Ok(Some(saved))
            }
            Ok(Way::Registry(reference)) => {
                let pulled = self.charts.pull(reference, self.verification.is_some()).await?;
                (self.note)(&pulled.notes);
                let mut saved = Saved::new(pulled.file_name, pulled.archive);
                let name = reference.location();
                let failed = |error: ChartsError| error.wrapped(format!("could not download {name}"));
                saved.warning = self.verify(&saved, &pulled.provenance, &name).map_err(failed)?;
                Ok(Some(saved))
            }
            _ => Ok(None),
        }
    }

    /// Go: `DownloadTo`: what is downloaded has to be signed, or at least not signed wrongly. Gives a warning.
    fn verify(&self, saved: &Saved, provenance: &Provenance, name: &str) -> Result<String, ChartsError> {
        let Some(verification) = self.verification else {
            return Ok(String::new());
        };
        let content = match provenance {
            Provenance::Found(content) => content,
            Provenance::Missing { url, .. } if verification.is_required => {
                return Err(ChartsError::text(format!("failed to fetch provenance {url:?}")));
            }
            Provenance::Missing { reason, .. } => {
                return Ok(format!("WARNING: Verification not found for {name}: {reason}\n"));
            }
            Provenance::Unwanted => return Err(ChartsError::text(format!("no provenance of {name}"))),
        };
        let keyring = verification.keyring.as_ref().map_err(ChartsError::text)?;
        let file = SignedFile {
            name: &saved.file_name,
            archive: &saved.archive,
        };
        keyring.verify(file, content, verification.now)?;
        Ok(String::new())
    }

    fn check_vendored(&self, one: &Dependency, folder: &Path) -> Result<(), ChartsError> {
        let Dependency { name, version, .. } = one;
        (self.say)(&format!(
            "Dependency {name} did not declare a repository. Assuming it exists in the charts directory\n"
        ));
        let path = folder.join(name);
        let failed =
            |error: String| ChartsError::text(format!("unable to load chart '{}': {error}", path.display()));
        if !path.is_dir() {
            return Err(failed("Chart.yaml file is missing".to_owned()));
        }
        let chart = load(&path).map_err(|error| failed(error.to_string()))?;
        if one.choose([chart.version()])?.is_none() {
            return Err(self.told(ChartsError::text(format!(
                "dependency {name} at version {} does not satisfy the constraint {version}",
                chart.version()
            ))));
        }
        Ok(())
    }

    /// Go: `tarFromLocalDir`.
    fn archive_local(&self, one: &Dependency) -> Result<(String, Saved), ChartsError> {
        let chart = load(&self.local_path(&one.repository)?)?;
        if one.choose([chart.version()])?.is_none() {
            let text = format!("can't get a valid version for dependency {}", one.name);
            return Err(ChartsError::Text(text));
        }
        let archive = super::pack(&chart, &self.now)?;
        let version = chart.version().to_owned();
        let file_name = format!("{}-{version}.tgz", chart.name());
        Ok((version, Saved::new(file_name, archive)))
    }

    /// Writes the archives, and removes those that no dependency wants any more.
    fn put(&self, saved: &[Saved], locked: &[Dependency], folder: &Path) -> Result<(), ChartsError> {
        let listed = fs_err::read_dir(folder).map_err(|error| ChartsError::file("read", folder, error))?;
        let before: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
        for one in saved {
            let path = folder.join(&one.file_name);
            let written = kiel_chart::load_archive(&one.archive)
                .map_err(|error| error.to_string())
                .and_then(|_| replace(&path, &one.archive, false).map_err(|error| error.to_string()));
            if let Err(error) = written {
                let path = path.display();
                (self.say)(&format!("Could not verify {path} for moving: {error} (Skipping)"));
            }
        }
        (self.say)("Deleting outdated charts\n");
        let is_new = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str());
            saved.iter().any(|one| Some(one.file_name.as_str()) == name)
        };
        for path in before.iter().filter(|path| !path.is_dir() && !is_new(path)) {
            let shown = path.display();
            let chart = match load(path) {
                Ok(chart) => chart,
                Err(error) => {
                    (self.say)(&format!(
                        "Could not verify {shown} for deletion: {error} (Skipping)\n"
                    ));
                    continue;
                }
            };
            let is_vendored = |one: &Dependency| one.repository.is_empty() && one.name == chart.name();
            if !locked.iter().any(is_vendored)
                && let Err(error) = fs_err::remove_file(path)
            {
                (self.say)(&format!("Could not delete {shown}: {error} (Skipping)"));
            }
        }
        Ok(())
    }

    fn write_lock(&self, chart: &Chart, lock: &Lock) -> Result<(), ChartsError> {
        let name = chart.lock_file();
        let path = self.folder.join(name);
        if let Ok(target) = fs_err::read_link(&path) {
            let target = target.display().to_string();
            return Err(ChartsError::text(format!(
                "the {name} file is a symlink to {target:?}"
            )));
        }
        replace(&path, lock.to_yaml().as_bytes(), false)
            .map_err(|error| ChartsError::file("write", &path, error))
    }
}

/// Whether two entries are one archive of a web server or registry.
fn is_same(a: &Dependency, b: &Dependency) -> bool {
    let is_remote = !a.repository.is_empty() && !a.repository.starts_with("file://");
    is_remote && a.name == b.name && a.version == b.version && urls::are_equal(&a.repository, &b.repository)
}

fn unmanaged(place: &str) -> RepositoryEntry {
    RepositoryEntry {
        name: format!("{UNMANAGED}{}", Digest::of(place.as_bytes()).hex()),
        url: place.to_owned(),
        ..RepositoryEntry::default()
    }
}

/// Whether a repository is one that the user has not added.
pub(super) fn is_unmanaged(entry: &RepositoryEntry) -> bool {
    entry.name.starts_with(UNMANAGED)
}
