//! A chart's dependencies, completed in memory from its lock file: nothing is written next to the chart.
//!
//! A chart in `charts/` that will do is taken as it is. Of the others the lock file says the version; it has to fit what
//! `Chart.yaml` wants. `file://` is read from where the chart comes from, which for a project is its commit. All that
//! is missing is downloaded side by side, once each; what was downloaded before is not asked for again.

use futures::{StreamExt as _, TryStreamExt as _};
use kiel_chart::{Chart, Dependency, Lock, LockError};

use super::cache::Cache;
use super::error::ChartsError;
use super::oci::ChartReference;
use super::repositories::{Repositories, RepositoryEntry, alias};
use super::source::{Charts, entry_digest, read_index};
use super::urls;
use crate::registry::Digest;

/// How many charts are downloaded at once.
const AT_ONCE: usize = 8;
/// How deeply local charts may depend on each other: a circle ends here.
const MAX_DEPTH: usize = 20;

/// Loads the chart in a folder of the tree that the chart comes from, by its path there.
pub type LoadLocal<'l> = dyn Fn(&str) -> Result<Chart, ChartsError> + Sync + 'l;

/// A dependency that has to be downloaded.
struct Gap {
    /// The chart that wants it: positions from the root down.
    at: Vec<usize>,
    /// As it was locked.
    locked: Dependency,
}

/// Finds what is missing, and adds what is local.
struct Finder<'f> {
    repositories: &'f Repositories,
    local: &'f LoadLocal<'f>,
    gaps: Vec<Gap>,
}

impl Charts {
    /// Adds the missing dependencies of the chart that lies in the folder `dir` of its tree.
    ///
    /// # Errors
    /// There is no lock file, it is out of date, or a chart can't be had.
    pub async fn complete(
        &self,
        mut chart: Chart,
        dir: &str,
        local: &LoadLocal<'_>,
    ) -> Result<Chart, ChartsError> {
        let is_complete = |chart: &Chart| {
            let wanted = &chart.metadata.dependencies;
            wanted.iter().all(|one| chart.find_dependency(one).is_some())
        };
        if is_complete(&chart) {
            return Ok(chart);
        }
        let repositories = self.repositories()?;
        let mut finder = Finder {
            repositories: &repositories,
            local,
            gaps: Vec::new(),
        };
        finder.look(&mut chart, dir, &mut Vec::new())?;
        let gaps = finder.gaps;
        let fetch = |gap: &Gap| {
            let locked = gap.locked.clone();
            let repositories = &repositories;
            async move { self.fetch_locked(&locked, repositories).await }
        };
        let tasks: Vec<_> = gaps.iter().map(fetch).collect();
        let found: Vec<Chart> = futures::stream::iter(tasks)
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (gap, dependency) in gaps.iter().zip(found) {
            let parent = gap
                .at
                .iter()
                .fold(&mut chart, |chart, at| &mut chart.dependencies[*at]);
            parent.dependencies.push(dependency);
        }
        Ok(chart)
    }

    /// The chart that a lock file's entry means.
    async fn fetch_locked(
        &self,
        locked: &Dependency,
        repositories: &Repositories,
    ) -> Result<Chart, ChartsError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = locked;
        let key = Cache::key(repository, name, version);
        let cell = self.once(&key);
        let archive = cell.get_or_try_init(async || {
            if let Some(archive) = self.cache.as_ref().and_then(|cache| cache.linked(&key)) {
                return Ok(archive);
            }
            let archive = if urls::is_oci(repository) {
                let text = format!("{}/{name}:{version}", repository.trim_end_matches('/'));
                self.pull(&ChartReference::parse(&text)?, false).await?.archive
            } else {
                let entry = repositories
                    .at(repository)
                    .cloned()
                    .unwrap_or_else(|| RepositoryEntry {
                        url: repository.clone(),
                        ..RepositoryEntry::default()
                    });
                self.fetch_indexed(&entry, name, version).await?
            };
            if let Some(cache) = &self.cache {
                cache.keep(Some(&key), &archive);
            }
            Ok::<_, ChartsError>(archive)
        });
        let failed = |error: ChartsError| error.wrapped(format!("cannot get dependency `{name}` {version}"));
        let archive = archive.await.map_err(failed)?.clone();
        let loaded = tokio::task::spawn_blocking(move || kiel_chart::load_archive(&archive)).await;
        let loaded = loaded.map_err(|error| ChartsError::text(format!("cannot load `{name}`: {error}")))?;
        let chart = loaded.map_err(|source| ChartsError::Dependency {
            name: name.clone(),
            place: urls::without_login(repository).into_owned(),
            source: Box::new(source),
        })?;
        if chart.name() != name {
            return Err(ChartsError::OtherChart {
                place: urls::without_login(repository).into_owned(),
                wanted: name.clone(),
                found: chart.name().to_owned(),
            });
        }
        Ok(chart)
    }

    /// A version from a repository with an index. A cached index that has the version is as good as a new one.
    async fn fetch_indexed(
        &self,
        entry: &RepositoryEntry,
        name: &str,
        version: &str,
    ) -> Result<bytes::Bytes, ChartsError> {
        let names = || Some(vec![name.to_owned()]);
        let cached = self.cache.as_ref().and_then(|cache| cache.index(&entry.url));
        let mut index = None;
        if let Some(cached) = cached
            && let Ok(read) = read_index(cached, &entry.url, names()).await
            && read.find_exact(name, version).is_some()
        {
            index = Some(read);
        }
        let index = match index {
            Some(index) => index,
            None if self.options.skip_refresh => {
                return Err(ChartsError::text(format!(
                    "no cached index of `{}` has it, and the repository is not to be asked",
                    urls::without_login(&entry.url)
                )));
            }
            None => read_index(self.fetch_index(entry).await?, &entry.url, names()).await?,
        };
        let found = index.find_exact(name, version).ok_or_else(|| {
            ChartsError::text(format!(
                "repository `{}` does not have it",
                urls::without_login(&entry.url)
            ))
        })?;
        let reference = found.urls.first().map(String::as_str).unwrap_or_default();
        let url = urls::resolve(&entry.url, reference).map_err(ChartsError::Text)?;
        let wanted = entry_digest(&found.digest);
        let archive = self.archive(entry, &url, wanted).await?;
        match wanted {
            Some(wanted) if Digest::of(&archive) != wanted => Err(ChartsError::Digest {
                name: crate::registry::shown_url(&url),
                found: Digest::of(&archive).hex(),
                wanted: wanted.hex(),
            }),
            _ => Ok(archive),
        }
    }
}

impl Finder<'_> {
    fn look(&mut self, chart: &mut Chart, dir: &str, at: &mut Vec<usize>) -> Result<(), ChartsError> {
        if at.len() > MAX_DEPTH {
            return Err(ChartsError::text(format!(
                "cannot build the dependencies of chart `{}`: local charts depend on each other more than {MAX_DEPTH} deep",
                chart.name()
            )));
        }
        let wanted = chart.metadata.dependencies.clone();
        let missing: Vec<_> = wanted
            .iter()
            .enumerate()
            .filter(|(_, one)| chart.find_dependency(one).is_none())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let Some(lock) = chart.lock.clone() else {
            // Go: of charts below the root Helm takes what is there.
            return if at.is_empty() {
                Err(no_lock(chart, &missing))
            } else {
                Ok(())
            };
        };
        let resolved: Vec<Dependency> = wanted
            .iter()
            .enumerate()
            .map(|(index, one)| self.resolved(one, &lock, index))
            .collect();
        chart.check_lock(&resolved)?;
        for (index, requirement) in missing {
            let Some(locked) = locked(&lock, requirement, index) else {
                return Err(out_of_sync(chart).into());
            };
            // A copy under another name may have brought it.
            if chart.find_dependency(requirement).is_some() || self.has(at, locked) {
                continue;
            }
            if let Some(path) = locked.repository.strip_prefix("file://") {
                self.add_local(chart, dir, path, requirement, at)?;
            } else if !locked.repository.is_empty() {
                self.gaps.push(Gap {
                    at: at.clone(),
                    locked: locked.clone(),
                });
            }
        }
        Ok(())
    }

    fn has(&self, at: &[usize], locked: &Dependency) -> bool {
        self.gaps.iter().any(|gap| gap.at == at && gap.locked == *locked)
    }

    fn add_local(
        &mut self,
        chart: &mut Chart,
        dir: &str,
        path: &str,
        requirement: &Dependency,
        at: &mut Vec<usize>,
    ) -> Result<(), ChartsError> {
        let path = inside(dir, path).ok_or_else(|| {
            ChartsError::text(format!(
                "cannot use `file://{path}` of dependency `{}`: it leads out of the project",
                requirement.name
            ))
        })?;
        let mut dependency = (self.local)(&path)?;
        if requirement.choose([dependency.version()])?.is_none() {
            let text = format!("can't get a valid version for dependency {}", requirement.name);
            return Err(ChartsError::Text(text));
        }
        at.push(chart.dependencies.len());
        self.look(&mut dependency, &path, at)?;
        at.pop();
        chart.dependencies.push(dependency);
        Ok(())
    }

    /// The dependency with what its alias stands for: the user's repository of that name, else what was locked.
    fn resolved(&self, requirement: &Dependency, lock: &Lock, index: usize) -> Dependency {
        let mut resolved = requirement.clone();
        if alias(&requirement.repository).is_some() {
            let own = self.repositories.aliased(&requirement.repository);
            let url = own.map(|entry| entry.url.clone());
            let url = url.or_else(|| Some(locked(lock, requirement, index)?.repository.clone()));
            resolved.repository = url.unwrap_or(resolved.repository);
        }
        resolved
    }
}

/// The lock file's entry for a requirement: in its place, else by its name.
fn locked<'l>(lock: &'l Lock, requirement: &Dependency, index: usize) -> Option<&'l Dependency> {
    let is_it = |locked: &&Dependency| locked.name == requirement.name;
    let in_place = lock.dependencies.get(index).filter(is_it);
    in_place.or_else(|| lock.dependencies.iter().find(is_it))
}

fn no_lock(chart: &Chart, missing: &[(usize, &Dependency)]) -> ChartsError {
    let names: Vec<&str> = missing.iter().map(|(_, one)| one.name.as_str()).collect();
    ChartsError::NoLock {
        chart: chart.name().to_owned(),
        lock: chart.lock_file(),
        names: names.join(", "),
    }
}

fn out_of_sync(chart: &Chart) -> LockError {
    let (lock, file) = match chart.lock_file() {
        "Chart.lock" => ("Chart.lock", "Chart.yaml"),
        lock => (lock, "requirements.yaml"),
    };
    LockError::OutOfSync { lock, file }
}

/// A path from a folder of the tree, as a path of the tree; nothing where it leads out of it.
fn inside(dir: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in dir.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_charts_lie_inside() {
        assert_eq!(inside(".helm", "../libs/a").as_deref(), Some("libs/a"));
        assert_eq!(inside("a/b", "./c/").as_deref(), Some("a/b/c"));
        for out in ["../../x", "/etc", "c/../../../x"] {
            assert_eq!(inside(".helm", out), None, "{out}");
        }
    }
}
