//! Names of releases and namespaces, checked once when they are made.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that Kubernetes or Helm would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a release name of Helm's.
    #[error(
        "cannot use `{0}` as a release name: it must be at most 53 characters of a-z, 0-9, `-` and `.`, \
         beginning and ending with a letter or a digit"
    )]
    Release(String),
    /// Not a DNS label.
    #[error(
        "cannot use `{0}` as a namespace: it must be at most 63 characters of a-z, 0-9 and `-`, \
         beginning and ending with a letter or a digit"
    )]
    Namespace(String),
}

fn is_label(text: &str) -> bool {
    let alnum = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !text.is_empty()
        && text.chars().all(|c| alnum(c) || c == '-')
        && text.starts_with(alnum)
        && text.ends_with(alnum)
}

/// A release's name, valid for Helm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName(String);

impl ReleaseName {
    /// Checks Helm's rule: a DNS subdomain of at most 53 characters.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() <= 53 && text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Release(text.to_owned()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A namespace's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(String);

impl Namespace {
    /// Checks Kubernetes' rule: a DNS label of at most 63 characters.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() <= 63 && is_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Namespace(text.to_owned()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_like {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }
        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }
    };
}
text_like!(ReleaseName);
text_like!(Namespace);

/// Which release, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReleaseTarget {
    /// The release's name.
    pub name: ReleaseName,
    /// The namespace that holds its records, and its resources where they name no other.
    pub namespace: Namespace,
}

impl ReleaseTarget {
    /// Both names, checked.
    pub fn parse(name: &str, namespace: &str) -> Result<Self, NameError> {
        Ok(Self {
            name: ReleaseName::parse(name)?,
            namespace: Namespace::parse(namespace)?,
        })
    }
}

impl fmt::Display for ReleaseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in namespace `{}`", self.name, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_names() {
        for good in ["a", "a.b-c", "0", &"a".repeat(53)] {
            assert!(ReleaseName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a_", "-a", "a-", "a..b", ".a", &"a".repeat(54)] {
            assert!(ReleaseName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn namespaces() {
        for good in ["a", "a-b", "0", &"a".repeat(63)] {
            assert!(Namespace::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a.b", "A", "-", &"a".repeat(64)] {
            assert!(Namespace::parse(bad).is_err(), "{bad}");
        }
    }
}
