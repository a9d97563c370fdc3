//! Manifests and indexes, as far as kiel reads and writes them: strict in, canonical out.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Digest, Reference};

/// OCI image manifest.
pub const MEDIA_OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const MEDIA_OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image config.
pub const MEDIA_OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI layer, a plain tar.
pub const MEDIA_OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// OCI layer, gzip.
pub const MEDIA_OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// OCI layer, zstd.
pub const MEDIA_OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Docker's image manifest, schema 2.
pub const MEDIA_DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const MEDIA_DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's image config.
pub const MEDIA_DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Docker's layer, gzip.
pub const MEDIA_DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Something in a registry, by digest, with its type and size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its annotations.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The platform, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// A descriptor without annotations and platform.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            annotations: BTreeMap::new(),
            platform: None,
        }
    }

    /// Whether it is of an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        [MEDIA_OCI_INDEX, MEDIA_DOCKER_INDEX].contains(&self.media_type.as_str())
    }
}

/// Operating system, architecture and variant, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// As `amd64`.
    pub architecture: String,
    /// As `linux`.
    pub os: String,
    /// As `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// The platform that kiel itself runs on.
    #[must_use]
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "arm" => ("arm", Some("v7".to_owned())),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant,
        }
    }

    /// Whether an image of platform `offered` runs here. `arm64` and `arm64/v8` are the same; an earlier variant runs too.
    #[must_use]
    pub fn accepts(&self, offered: &Self) -> bool {
        self.fit(offered).is_some()
    }

    /// How well an image of platform `offered` fits here; nothing where it does not run.
    fn fit(&self, offered: &Self) -> Option<u32> {
        if (&self.os, &self.architecture) != (&offered.os, &offered.architecture) {
            return None;
        }
        match (self.level(), offered.level()) {
            (Some(here), Some(offered)) => (offered <= here).then_some(offered),
            _ => (self.variant == offered.variant).then_some(0),
        }
    }

    /// The number of the variant, where it has one.
    fn level(&self) -> Option<u32> {
        let common = match self.architecture.as_str() {
            "amd64" => "v1",
            "arm" => "v7",
            "arm64" => "v8",
            _ => return None,
        };
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        variant.unwrap_or(common).strip_prefix('v')?.parse().ok()
    }

    /// What the config of an image says that it is for; nothing where it does not say it.
    pub(super) fn of_config(config: &[u8]) -> Option<Self> {
        let config: Self = serde_json::from_slice(config).ok()?;
        (!config.architecture.is_empty() && !config.os.is_empty()).then_some(config)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// An image manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own media type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// What kind of artifact it is, where it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The image's config.
    pub config: Descriptor,
    /// The layers, base first; engines write null where there is none.
    #[serde(deserialize_with = "null_is_empty")]
    pub layers: Vec<Descriptor>,
    /// The manifest's annotations.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub annotations: BTreeMap<String, String>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Descriptor>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Manifest {
    /// An OCI image manifest.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: MEDIA_OCI_MANIFEST.to_owned(),
            artifact_type: None,
            config,
            layers,
            annotations: BTreeMap::new(),
        }
    }

    /// The bytes that are published: two spaces of indent, no final newline, as BuildKit writes them.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        pretty(self)
    }
}

fn pretty(document: &impl Serialize) -> Bytes {
    serde_json::to_vec_pretty(document)
        .expect("strings, numbers and maps are always serializable")
        .into()
}

/// An index: one manifest for each platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own media type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// The index's annotations.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: MEDIA_OCI_INDEX.to_owned(),
            manifests,
            annotations: BTreeMap::new(),
        }
    }

    /// The bytes that are published, in the form of [`Manifest::to_bytes`].
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        pretty(self)
    }

    /// The manifest for a platform. An entry that names no platform serves any, if nothing fits better.
    #[must_use]
    pub fn find(&self, platform: &Platform) -> Option<&Descriptor> {
        let fit = |entry: &&Descriptor| platform.fit(entry.platform.as_ref()?);
        let unnamed = |entry: &&Descriptor| entry.platform.is_none();
        let fitting = self.manifests.iter().filter(|entry| fit(entry).is_some());
        // Of equal ones the first.
        fitting
            .rev()
            .max_by_key(fit)
            .or_else(|| self.manifests.iter().find(unnamed))
    }
}

/// An image of one platform, as a registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name, pinned to the manifest's digest.
    pub reference: Reference,
    /// The manifest's descriptor.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
    /// The bytes of its config.
    pub config: Bytes,
}

/// What a manifest's bytes are: an image or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Document {
    Image(Manifest),
    Index(Index),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    config: Option<serde::de::IgnoredAny>,
}

/// Parses a manifest that was served as `content_type`. A document that could be read both ways is refused
/// (distribution-spec's advisory on confusing manifests with indexes).
pub(super) fn parse(content_type: &str, bytes: &[u8]) -> Result<Document, String> {
    let invalid = |error: serde_json::Error| {
        format!(
            "its manifest is not valid at line {} column {}",
            error.line(),
            error.column()
        )
    };
    let shape: Shape = serde_json::from_slice(bytes).map_err(invalid)?;
    let is_index = shape.manifests.is_some();
    if is_index && (shape.layers.is_some() || shape.config.is_some()) {
        return Err("its manifest claims to be an image and an index at once".to_owned());
    }
    let kind = if shape.media_type.is_empty() {
        content_type
    } else {
        &shape.media_type
    };
    if !shape.media_type.is_empty() && !content_type.is_empty() && shape.media_type != content_type {
        return Err(format!(
            "it is served as `{content_type}` and calls itself `{}`",
            shape.media_type
        ));
    }
    match (kind, is_index) {
        (MEDIA_OCI_INDEX | MEDIA_DOCKER_INDEX, true) => serde_json::from_slice(bytes)
            .map(Document::Index)
            .map_err(invalid),
        (MEDIA_OCI_MANIFEST | MEDIA_DOCKER_MANIFEST, false) => serde_json::from_slice(bytes)
            .map(Document::Image)
            .map_err(invalid),
        (kind, _) => Err(format!(
            "its media type `{kind}` is not supported or does not fit its content"
        )),
    }
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor::new(MEDIA_OCI_LAYER, Digest::of(b"x"), 1)
    }

    #[test]
    fn manifests_are_written_as_buildkit_writes_them() {
        let bytes = Manifest::new(descriptor(), vec![descriptor()]).to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(
            text.starts_with("{\n  \"schemaVersion\": 2,\n  \"mediaType\": \"application/vnd.oci"),
            "{text}"
        );
        assert!(text.ends_with("\n  ]\n}"), "{text}");
        assert!(matches!(
            parse(MEDIA_OCI_MANIFEST, &bytes),
            Ok(Document::Image(_))
        ));
    }

    #[test]
    fn images_without_layers_are_some() {
        let item = format!(
            r#"{{"mediaType":"{MEDIA_OCI_LAYER}","digest":"{}","size":1}}"#,
            Digest::of(b"x")
        );
        let body = format!(r#"{{"schemaVersion":2,"config":{item},"layers":null}}"#);
        let Ok(Document::Image(manifest)) = parse(MEDIA_OCI_MANIFEST, body.as_bytes()) else {
            panic!("an image")
        };
        assert!(manifest.layers.is_empty());
        assert!(
            parse(
                MEDIA_OCI_MANIFEST,
                format!(r#"{{"schemaVersion":2,"config":{item}}}"#).as_bytes()
            )
            .is_err()
        );
    }

    #[test]
    fn ambiguous_and_mislabelled_manifests_are_refused() {
        let digest = Digest::of(b"x");
        let item = format!(r#"{{"mediaType":"{MEDIA_OCI_LAYER}","digest":"{digest}","size":1}}"#);
        let check = |content_type: &str, body: String, want: &str| {
            let error = parse(content_type, body.as_bytes()).unwrap_err();
            assert!(error.contains(want), "{error}");
        };
        check(
            MEDIA_OCI_INDEX,
            format!(r#"{{"schemaVersion":2,"manifests":[],"layers":[],"config":{item}}}"#),
            "at once",
        );
        check(
            MEDIA_OCI_MANIFEST,
            format!(r#"{{"schemaVersion":2,"mediaType":"{MEDIA_OCI_INDEX}","manifests":[]}}"#),
            "calls itself",
        );
        check(
            MEDIA_OCI_INDEX,
            format!(r#"{{"schemaVersion":2,"layers":[],"config":{item}}}"#),
            "does not fit",
        );
        check("text/html", "{}".to_owned(), "not supported");
        check(MEDIA_OCI_MANIFEST, "<html>".to_owned(), "line 1");
    }

    #[test]
    fn platforms_match_with_their_variants() {
        let platform = |architecture: &str, variant: Option<&str>| Platform {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant: variant.map(str::to_owned),
        };
        assert!(platform("arm64", None).accepts(&platform("arm64", Some("v8"))));
        assert!(platform("arm", Some("v7")).accepts(&platform("arm", None)));
        assert!(platform("arm", Some("v7")).accepts(&platform("arm", Some("v6"))));
        assert!(!platform("arm", Some("v6")).accepts(&platform("arm", None)));
        assert!(platform("amd64", Some("v3")).accepts(&platform("amd64", None)));
        assert!(!platform("amd64", None).accepts(&platform("amd64", Some("v2"))));
        assert!(!platform("mips", Some("a")).accepts(&platform("mips", Some("b"))));
        assert!(!platform("amd64", None).accepts(&platform("arm64", None)));
        let entry = |number: u8, variant| {
            let mut entry = Descriptor::new(MEDIA_OCI_MANIFEST, Digest::of(&[number]), 1);
            entry.platform = Some(platform("arm", variant));
            entry
        };
        let entries = [(1, Some("v5")), (2, Some("v6")), (3, None), (4, Some("v7"))];
        let index = Index::new(entries.map(|(number, variant)| entry(number, variant)).into());
        let found = |variant| index.find(&platform("arm", variant)).map(|entry| entry.digest);
        assert_eq!(found(Some("v6")), Some(Digest::of(&[2])));
        assert_eq!(found(Some("v8")), Some(Digest::of(&[3])));
        assert_eq!(index.find(&platform("arm64", None)), None);
    }
}
