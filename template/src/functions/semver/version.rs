//! Versions: loose in their parts (`v1`, `1.2`), strict about prereleases.

use std::cmp::Ordering;
use std::fmt;

use super::SemverError;

/// Longest text that is read as a version.
const MAX_LENGTH: usize = 256;

/// A semantic version with the text that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// First number.
    pub major: u64,
    /// Second number; 0 if not given.
    pub minor: u64,
    /// Third number; 0 if not given.
    pub patch: u64,
    /// What stands behind `-`, or nothing.
    pub prerelease: String,
    /// What stands behind `+`, or nothing.
    pub metadata: String,
    /// The text as given.
    pub original: String,
}

impl Version {
    /// Reads `[v]N[.N[.N]][-prerelease][+metadata]`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.len() > MAX_LENGTH {
            return Err(SemverError::TooLong {
                what: "version",
                limit: MAX_LENGTH,
            });
        }
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (rest, metadata) = match rest.split_once('+') {
            Some((rest, metadata)) => (rest, Some(metadata)),
            None => (rest, None),
        };
        let (numbers, prerelease) = match rest.split_once('-') {
            Some((numbers, prerelease)) => (numbers, Some(prerelease)),
            None => (rest, None),
        };
        let numbers: Vec<&str> = numbers.split('.').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if numbers.len() > 3
            || !numbers.iter().all(is_number)
            || !prerelease.is_none_or(are_identifiers)
            || !metadata.is_none_or(are_identifiers)
        {
            return Err(SemverError::Version);
        }
        let number = |at: usize| {
            let Some(text) = numbers.get(at) else { return Ok(0) };
            text.parse::<u64>()
                .map_err(|_| SemverError::Number((*text).to_owned()))
        };
        let prerelease = prerelease.unwrap_or_default();
        let version = Self {
            major: number(0)?,
            minor: number(1)?,
            patch: number(2)?,
            prerelease: prerelease.to_owned(),
            metadata: metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        if prerelease.split('.').any(has_leading_zero) {
            return Err(SemverError::LeadingZero);
        }
        Ok(version)
    }

    /// By precedence: metadata and the original text don't count.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| match (self.prerelease.as_str(), other.prerelease.as_str()) {
                ("", "") => Ordering::Equal,
                ("", _) => Ordering::Greater,
                (_, "") => Ordering::Less,
                (a, b) => compare_prereleases(a, b),
            })
    }

    /// The next major version.
    #[must_use]
    pub fn next_major(&self) -> Self {
        self.bumped(self.major.saturating_add(1), 0, 0)
    }

    /// The next minor version.
    #[must_use]
    pub fn next_minor(&self) -> Self {
        self.bumped(self.major, self.minor.saturating_add(1), 0)
    }

    /// The next patch version; of a prerelease, its release.
    #[must_use]
    pub fn next_patch(&self) -> Self {
        let step = u64::from(self.prerelease.is_empty());
        self.bumped(self.major, self.minor, self.patch.saturating_add(step))
    }

    /// The same with another prerelease; the error is Masterminds'.
    pub(super) fn with_prerelease(&self, prerelease: &str) -> Result<Self, String> {
        if !prerelease.is_empty() && !are_identifiers(prerelease) {
            return Err("invalid prerelease string".to_owned());
        }
        if prerelease.split('.').any(has_leading_zero) {
            return Err(SemverError::LeadingZero.to_string());
        }
        Ok(self.renamed(prerelease, &self.metadata))
    }

    /// The same with other metadata; the error is Masterminds'.
    pub(super) fn with_metadata(&self, metadata: &str) -> Result<Self, String> {
        if !metadata.is_empty() && !are_identifiers(metadata) {
            return Err("invalid metadata string".to_owned());
        }
        Ok(self.renamed(&self.prerelease, metadata))
    }

    fn renamed(&self, prerelease: &str, metadata: &str) -> Self {
        let mut version = Self {
            prerelease: prerelease.to_owned(),
            metadata: metadata.to_owned(),
            ..self.clone()
        };
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        version.original = format!("{prefix}{version}");
        version
    }

    fn bumped(&self, major: u64, minor: u64, patch: u64) -> Self {
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        Self {
            major,
            minor,
            patch,
            prerelease: String::new(),
            metadata: String::new(),
            original: format!("{prefix}{major}.{minor}.{patch}"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// Part by part: numbers before words, a missing part first.
pub(super) fn compare_prereleases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => compare_parts(a.unwrap_or_default(), b.unwrap_or_default()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (a.parse::<u64>(), b.parse::<u64>()) {
        _ if a.is_empty() => Ordering::Less,
        _ if b.is_empty() => Ordering::Greater,
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

fn has_leading_zero(part: &str) -> bool {
    part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
}

fn are_identifiers(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}
