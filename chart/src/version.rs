//! Semantic versions as charts use them: of charts, of dependencies, of Kubernetes.

use kiel_template::functions::semver::{self, Version};

/// Whether a text is a version; a leading `v` and missing parts are allowed.
pub(crate) fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}

/// Whether a version meets a constraint; what can't be read doesn't.
pub(crate) fn is_compatible(constraint: &str, version: &str) -> bool {
    semver::satisfies(constraint, version).unwrap_or(false)
}
