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

/// Go: `semver.StrictNewVersion`, three numbers without a leading `v` or zero.
pub fn parse_strict(text: &str) -> Option<Version> {
    let numbers = text.split(['-', '+']).next()?;
    let is_number = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_digit()) && (part.len() == 1 || !part.starts_with('0'))
    };
    if numbers.split('.').count() != 3 || !numbers.split('.').all(is_number) {
        return None;
    }
    Version::parse(text).ok()
}

/// Whether two versions are the same; texts that are no versions have to be equal (Go: `versionEquals`).
pub(crate) fn are_equal(a: &str, b: &str) -> bool {
    match (Version::parse(a), Version::parse(b)) {
        (Ok(a), Ok(b)) => a.compare(&b).is_eq(),
        (Ok(_), Err(_)) => false,
        (Err(_), _) => a == b,
    }
}
