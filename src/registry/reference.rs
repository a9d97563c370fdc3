//! Names of what registries hold: digests, repositories, references with Docker Hub's defaults.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::RegistryError;
use super::error::printable;

/// The name under which Docker Hub stands in references.
pub const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_LEGACY: &str = "index.docker.io";
const NAME_LIMIT: usize = 255;

/// A sha256 digest, written `sha256:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// A digest from the raw hash.
    #[must_use]
    pub fn from_sha256(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The hash as 64 lower-case hex digits, without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let parse = || {
            let digits = text.strip_prefix("sha256:")?;
            if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
                return None;
            }
            let mut hash = [0; 32];
            hex::decode_to_slice(digits, &mut hash).ok()?;
            Some(Self(hash))
        };
        parse().ok_or_else(|| RegistryError::InvalidDigest {
            text: text.to_owned(),
        })
    }
}

impl TryFrom<String> for Digest {
    type Error = RegistryError;

    fn try_from(text: String) -> Result<Self, RegistryError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// A repository of a registry: what stands before tag and digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// The registry's host, with its port where one was given; Docker Hub is [`DOCKER_HUB`].
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path within the registry, as `library/busybox`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The reference of a tag in this repository.
    ///
    /// # Errors
    /// When it is not a valid tag.
    pub fn tag(&self, tag: &str) -> Result<Reference, RegistryError> {
        format!("{self}:{tag}").parse()
    }

    /// The reference of a digest in this repository.
    #[must_use]
    pub fn digest(&self, digest: Digest) -> Reference {
        Reference {
            repository: self.clone(),
            tag: None,
            digest: Some(digest),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl FromStr for Repository {
    type Err = RegistryError;

    /// Parses a name without tag and digest.
    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let invalid = |reason: &str| RegistryError::InvalidReference {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        if text.contains('@') || text.rsplit('/').next().is_some_and(|last| last.contains(':')) {
            return Err(invalid("a repository has neither tag nor digest"));
        }
        Ok(text.parse::<Reference>()?.repository)
    }
}

impl TryFrom<String> for Repository {
    type Error = RegistryError;

    fn try_from(text: String) -> Result<Self, RegistryError> {
        text.parse()
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.to_string()
    }
}

/// An image's name: a repository with a tag, a digest, or both. Without either the tag is `latest`; a name without
/// a host belongs to Docker Hub, without a folder there to `library/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The repository it points into.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The registry's host.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.repository.registry()
    }

    /// The tag, if it has one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if it has one; it decides over the tag.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same image pinned to a digest; the tag stays for people to read.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// What a registry's API is asked for: the digest, else the tag.
    pub(crate) fn target(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let invalid = |reason: String| RegistryError::InvalidReference {
            text: text.to_owned(),
            reason,
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(read_digest(digest).map_err(invalid)?)),
            None => (text, None),
        };
        let name_end = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_end..].find(':') {
            Some(colon) => (&rest[..name_end + colon], Some(&rest[name_end + colon + 1..])),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid(
                "a tag is of letters, digits, `_`, `.` and `-`, 128 at most".to_owned(),
            ));
        }
        let repository = read_name(name).map_err(invalid)?;
        let default = || digest.is_none().then(|| "latest".to_owned());
        Ok(Self {
            repository,
            tag: tag.map(str::to_owned).or_else(default),
            digest,
        })
    }
}

fn read_digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|_| {
        if text.contains(':') && !text.starts_with("sha256:") {
            "only sha256 digests are supported".to_owned()
        } else {
            "its digest is not `sha256:` with 64 lower-case hex digits".to_owned()
        }
    })
}

/// The grammar of distribution's references, with Docker's rule for what is a host. Read by hand: building the
/// expression for it takes longer than a build that has nothing to do.
fn read_name(name: &str) -> Result<Repository, String> {
    let is_host = |first: &str| {
        first == "localhost"
            || first.contains(['.', ':'])
            || first.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if is_host(first) => (first, path),
        _ => (DOCKER_HUB, name),
    };
    if !is_registry(registry) {
        return Err(format!("`{}` is not a host", printable(registry, 100)));
    }
    let registry = if registry == DOCKER_HUB_LEGACY {
        DOCKER_HUB
    } else {
        registry
    };
    if let Some(part) = path.split('/').find(|part| !is_component(part)) {
        return Err(format!(
            "`{}` is not a part of a name: lower-case letters and digits, with `.`, `_`, `__` or `-` between them",
            printable(part, 100)
        ));
    }
    let path = if registry == DOCKER_HUB && !path.contains('/') {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    if registry.len() + path.len() >= NAME_LIMIT {
        return Err(format!("it is longer than {NAME_LIMIT} characters"));
    }
    Ok(Repository {
        registry: registry.to_owned(),
        path,
    })
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label),
    };
    is_host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut between = text
        .split(|c: char| c.is_ascii() && is_word(c as u8))
        .filter(|gap| !gap.is_empty());
    let ends = [text.bytes().next(), text.bytes().last()];
    ends.iter().all(|end| end.is_some_and(is_word))
        && between.all(|gap| matches!(gap, "." | "_" | "__") || gap.bytes().all(|byte| byte == b'-'))
}

fn is_tag(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(is_inner) && !text.starts_with(['.', '-'])
}

impl TryFrom<String> for Reference {
    type Error = RegistryError;

    fn try_from(text: String) -> Result<Self, RegistryError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_parsed_strictly() {
        assert_eq!(Digest::of(b"").to_string(), format!("sha256:{HEX}"));
        assert_eq!(
            format!("sha256:{HEX}").parse::<Digest>().unwrap(),
            Digest::of(b"")
        );
        for bad in [
            "",
            HEX,
            "sha256:",
            "sha256:zz",
            "sha512:00",
            &format!("sha256:{}", HEX.to_uppercase()),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn references_have_docker_hubs_defaults() {
        for (input, want) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("grafana/loki:3", "docker.io/grafana/loki:3"),
            (
                "index.docker.io/library/busybox",
                "docker.io/library/busybox:latest",
            ),
            ("localhost/a", "localhost/a:latest"),
            ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
            ("r.example.com/a", "r.example.com/a:latest"),
        ] {
            assert_eq!(input.parse::<Reference>().unwrap().to_string(), want);
        }
        let pinned = format!("r.example.com/a:1@sha256:{HEX}");
        assert_eq!(pinned.parse::<Reference>().unwrap().to_string(), pinned);
        for bad in [
            "",
            "UPPER",
            "a b",
            "a:b:c",
            "a@sha256:12",
            "-a",
            "a/../b",
            "a:",
            "a:ü",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "a___b",
            "a.-b",
            "r.example.com",
            "r.example.com:x/a",
            "r.example.com:/a",
            "-r.io/a",
            "r..io/a",
            "[::1/a",
            "a@b@c",
            "localhost",
            "a:.b",
        ] {
            let parsed = bad.parse::<Reference>();
            let is_name = matches!(bad, "r.example.com" | "localhost");
            assert_eq!(parsed.is_ok(), is_name, "{bad}");
        }
        assert_eq!(
            "[::1]:5000/a".parse::<Reference>().unwrap().registry(),
            "[::1]:5000"
        );
        assert_eq!(
            "a__b---c.d".parse::<Reference>().unwrap().repository().path(),
            "library/a__b---c.d"
        );
    }

    proptest::proptest! {
        /// What oci-client reads of ASCII, this reads in the same way, and nothing else; but a host has no underscore, which
        /// Docker's expression takes for a path first and for a host then.
        #[test]
        fn oci_client_agrees(text in "([a-z]{1,3}[.:/_-]{0,2}){1,4}(:[A-Za-z0-9_.-]{0,4})?") {
            let first = text.split_once('/').map_or("", |(first, _)| first);
            proptest::prop_assume!(!(first.contains('_') && first.contains(['.', ':'])));
            let other = oci_client::Reference::try_from(text.as_str());
            let other = other.map(|other| {
                format!("{}/{}:{}", other.registry(), other.repository(), other.tag().unwrap_or_default())
            });
            let own = text.parse::<Reference>().map(|own| own.to_string());
            proptest::prop_assert_eq!(own.ok(), other.ok(), "{}", text);
        }
    }

    #[test]
    fn repositories_carry_neither_tag_nor_digest() {
        assert_eq!(
            "localhost:5000/app".parse::<Repository>().unwrap().registry(),
            "localhost:5000"
        );
        for bad in ["localhost:5000/app:v1", &format!("app@sha256:{HEX}")] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }
}
