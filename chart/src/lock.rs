//! Which versions a chart's dependencies are fixed at, and whether the lock file still says what the chart wants.
//!
//! The digest is Helm's byte for byte, so that a lock file that one of both tools has written is good for the other.
//! What versions there are is told by the caller; nothing is fetched here.

use kiel_template::Value;
use kiel_template::functions::semver::{Constraints, SemverError, Version};
use sha2::{Digest as _, Sha256};

use crate::Chart;
use crate::metadata::{Dependency, Lock};
use crate::{oci, version};

/// Why a lock file can't be used, or none can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The chart wants other dependencies than those that were locked; the text is Helm's.
    #[error(
        "the lock file ({lock}) is out of sync with the dependencies file ({file}). Please update the dependencies"
    )]
    OutOfSync {
        /// The lock file's name.
        lock: &'static str,
        /// The name of the file that lists the dependencies.
        file: &'static str,
    },
    /// The version of a dependency is no constraint; the text is Helm's.
    #[error("dependency {name:?} has an invalid version/constraint format: {reason}")]
    Constraint {
        /// The dependency.
        name: String,
        /// What is wrong.
        reason: SemverError,
    },
}

impl Chart {
    /// Whether the lock file was made for what the chart wants; `requirements` are its dependencies with the
    /// repositories that their aliases stand for. A chart without a lock file has none that is out of sync.
    ///
    /// # Errors
    /// [`LockError::OutOfSync`].
    pub fn check_lock(&self, requirements: &[Dependency]) -> Result<(), LockError> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let is_old = self.metadata.api_version == "v1";
        let wanted = self.metadata.lists_dependencies.then_some(requirements);
        if digest(wanted, &lock.dependencies) == lock.digest {
            return Ok(());
        }
        // Helm 2 hashed the requirements alone, as they are written.
        if is_old && old_digest(&self.metadata.dependencies) == lock.digest {
            return Ok(());
        }
        let (lock, file) = if is_old {
            ("requirements.lock", "requirements.yaml")
        } else {
            ("Chart.lock", "Chart.yaml")
        };
        Err(LockError::OutOfSync { lock, file })
    }

    /// Name of the file that a lock belongs in.
    #[must_use]
    pub fn lock_file(&self) -> &'static str {
        if self.metadata.api_version == "v1" {
            "requirements.lock"
        } else {
            "Chart.lock"
        }
    }

    /// The chart in `charts/` that a requirement means: its name, at a version that is wanted.
    #[must_use]
    pub fn find_dependency(&self, requirement: &Dependency) -> Option<&Chart> {
        self.dependencies.iter().find(|chart| {
            chart.name() == requirement.name
                && (requirement.version == chart.version()
                    || version::is_compatible(&requirement.version, chart.version()))
        })
    }
}

impl Lock {
    /// A lock of `requirements` at these versions; `generated` is the time, by RFC 3339.
    #[must_use]
    pub fn new(requirements: &[Dependency], dependencies: Vec<Dependency>, generated: String) -> Self {
        Self {
            generated,
            digest: digest(Some(requirements), &dependencies),
            dependencies,
        }
    }

    /// The file as Helm writes it.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let value = Value::from_json(&self.to_json());
        kiel_template::yaml::to_string(&value).unwrap_or_default()
    }
}

impl Dependency {
    /// What a lock file says of the dependency at this version.
    #[must_use]
    pub fn locked_at(&self, version: &str) -> Self {
        Self {
            name: self.name.clone(),
            repository: self.repository.clone(),
            version: version.to_owned(),
            ..Self::default()
        }
    }

    /// The first of these versions that will do.
    ///
    /// # Errors
    /// [`LockError::Constraint`].
    pub fn choose<'v>(
        &self,
        versions: impl IntoIterator<Item = &'v str>,
    ) -> Result<Option<&'v str>, LockError> {
        let constraints = self.constraints()?;
        let is_wanted = |text: &&str| Version::parse(text).is_ok_and(|version| constraints.allow(&version));
        Ok(versions.into_iter().find(is_wanted))
    }

    /// The versions that are wanted.
    ///
    /// # Errors
    /// [`LockError::Constraint`].
    pub fn constraints(&self) -> Result<Constraints, LockError> {
        Constraints::parse(&self.version).map_err(|reason| LockError::Constraint {
            name: self.name.clone(),
            reason,
        })
    }
}

/// Go: `resolver.HashReq`.
fn digest(requirements: Option<&[Dependency]>, locked: &[Dependency]) -> String {
    let requirements = requirements.map_or_else(|| "null".to_owned(), list);
    hashed(&format!("[{requirements},{}]", list(locked)))
}

/// Go: `resolver.HashV2Req`.
fn old_digest(requirements: &[Dependency]) -> String {
    hashed(&format!("{{\"dependencies\":{}}}", list(requirements)))
}

fn hashed(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn list(dependencies: &[Dependency]) -> String {
    oci::list(dependencies.iter().map(Dependency::to_go_json))
}

#[cfg(test)]
mod tests;
