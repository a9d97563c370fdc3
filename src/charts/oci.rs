//! Charts in registries: which version, pulling, pushing; what Helm pushes is pulled here and the other way round.

use std::fmt::Write as _;

use bytes::Bytes;
use kiel_chart::{MEDIA_ARCHIVE, MEDIA_CONFIG, MEDIA_OLD_ARCHIVE, MEDIA_PROVENANCE, Metadata, parse_strict};
use kiel_template::functions::semver::{Constraints, Version};

use super::error::ChartsError;
use super::locate::{Downloaded, Provenance};
use super::source::Charts;
use crate::registry::{
    Blob, BlobSource, Descriptor, Digest, MEDIA_OCI_MANIFEST, Manifest, Platform, Reference, Repository,
};

/// What stands below what is pushed or pulled where the version has a plus sign.
const PLUS: &str = "
OCI artifact references (e.g. tags) do not support the plus sign (+). To support
storing semantic versions, Helm adopts the convention of changing plus (+) to
an underscore (_) in chart version tags when pushing to a registry and back to
a plus (+) when pulling from a registry.";

/// A reference without `oci://`, whose tag may have a plus sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartReference {
    repository: Repository,
    /// As it stands in the registry, with an underscore.
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ChartReference {
    /// Reads `oci://HOST/PATH[:TAG][@DIGEST]`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ChartsError> {
        let rest = text.strip_prefix("oci://").unwrap_or(text);
        let (rest, digest) = match rest.rsplit_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (rest, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag.replace('+', "_"))),
            _ => (rest, None),
        };
        Ok(Self {
            repository: rest.parse()?,
            tag,
            digest,
        })
    }

    /// The registry's name.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.repository.registry()
    }

    fn pinned(&self) -> Result<Reference, ChartsError> {
        Ok(match (self.digest, &self.tag) {
            (Some(digest), _) => self.repository.digest(digest),
            (None, Some(tag)) => self.repository.tag(tag)?,
            (None, None) => return Err(ChartsError::text("a chart in a registry needs a version")),
        })
    }

    /// As users write it, with the version's plus sign.
    pub(super) fn location(&self) -> String {
        format!("oci://{}", self.shown().replace('_', "+"))
    }

    fn shown(&self) -> String {
        match (&self.tag, self.digest) {
            (Some(tag), _) => format!("{}:{tag}", self.repository),
            (None, Some(digest)) => format!("{}@{digest}", self.repository),
            (None, None) => self.repository.to_string(),
        }
    }

    /// Go: the last part of the path, and the version behind the last colon of it.
    fn file_name(&self) -> String {
        let name = self.repository.path().rsplit('/').next().unwrap_or_default();
        let version = match (&self.tag, self.digest) {
            (Some(tag), _) => tag.replace('_', "+"),
            (None, Some(digest)) => digest.hex(),
            (None, None) => String::new(),
        };
        match self.tag {
            Some(_) => format!("{name}-{version}.tgz"),
            None => format!("{name}@sha256-{version}.tgz"),
        }
    }

    fn notes(&self, verb: &str, digest: Digest) -> String {
        let shown = self.shown();
        let mut notes = format!("{verb}: {shown}\nDigest: {digest}\n");
        if shown.contains('_') {
            let _written = writeln!(notes, "{shown} contains an underscore.\n{PLUS}");
        }
        notes
    }
}

impl Charts {
    /// The versions of a chart in a registry, newest first; tags that are no versions are none.
    ///
    /// # Errors
    /// The registry refuses or fails.
    pub async fn versions(&self, reference: &ChartReference) -> Result<Vec<String>, ChartsError> {
        let tags = self.registry()?.tags(&reference.repository).await?;
        let mut versions: Vec<Version> = tags
            .iter()
            .filter_map(|tag| parse_strict(&tag.replace('_', "+")))
            .collect();
        versions.sort_by(|a, b| b.compare(a));
        Ok(versions.iter().map(ToString::to_string).collect())
    }

    /// What a reference and a version or constraint mean (Go: `ValidateReference`).
    ///
    /// # Errors
    /// They contradict each other, or no version will do.
    pub async fn choose_version(&self, text: &str, version: &str) -> Result<ChartReference, ChartsError> {
        let mut reference = ChartReference::parse(text)?;
        let version = match (&reference.tag, version) {
            (Some(tag), "") => tag.clone(),
            (Some(tag), version) if tag != version && *tag != version.replace('+', "_") => {
                let text = format!("chart reference and version mismatch: {version} is not {tag}");
                return Err(ChartsError::Text(text));
            }
            (_, version) => version.to_owned(),
        };
        if let Some(digest) = reference.digest {
            if !version.is_empty() {
                let tagged = reference.repository.tag(&version.replace('+', "_"))?;
                let found = self.registry()?.head(&tagged).await?;
                if let Some(found) = found.filter(|found| found.digest != digest) {
                    let found = found.digest;
                    let text = format!("chart reference digest mismatch: {found} is not {digest}");
                    return Err(ChartsError::Text(text));
                }
            }
            return Ok(reference);
        }
        // Go: a tag that stands in the reference is one as it is, since its plus sign is gone already.
        let tag = if Version::parse(&version).is_ok() || reference.tag.is_some() {
            version
        } else {
            self.newest(text, &reference, &version).await?
        };
        reference.tag = Some(tag.replace('+', "_"));
        Ok(reference)
    }

    async fn newest(
        &self,
        text: &str,
        reference: &ChartReference,
        constraint: &str,
    ) -> Result<String, ChartsError> {
        let versions = self.versions(reference).await?;
        if versions.is_empty() {
            let text = format!("Unable to locate any tags in provided repository: {text}");
            return Err(ChartsError::Text(text));
        }
        let wanted = if constraint.is_empty() { "*" } else { constraint };
        let constraints = Constraints::parse(wanted).map_err(|error| ChartsError::text(error.to_string()))?;
        let allowed = |text: &&String| Version::parse(text).is_ok_and(|version| constraints.allow(&version));
        versions.iter().find(allowed).cloned().ok_or_else(|| {
            ChartsError::text(format!(
                "Could not locate a version matching provided version string {constraint}"
            ))
        })
    }

    /// Pulls a chart. Its archive comes from the cache where that has it; the manifest is always asked for.
    ///
    /// # Errors
    /// It is not there, is no chart, or can't be had.
    pub async fn pull(
        &self,
        reference: &ChartReference,
        with_provenance: bool,
    ) -> Result<Downloaded, ChartsError> {
        let registry = self.registry()?;
        let pinned = reference.pinned()?;
        let image = registry.image(&pinned, &Platform::host()).await?;
        let image = image.ok_or_else(|| {
            let shown = reference.shown();
            ChartsError::text(format!(
                "failed to perform \"FetchReference\" on source: {shown}: not found"
            ))
        })?;
        let config = &image.manifest.config.media_type;
        if config != MEDIA_CONFIG {
            let text = format!("could not load config with mediatype {MEDIA_CONFIG}");
            return Err(ChartsError::Text(text));
        }
        let layers = &image.manifest.layers;
        let find = |media_type: &str| layers.iter().find(|layer| layer.media_type == media_type);
        let mut notes = String::new();
        let layer = match (find(MEDIA_ARCHIVE), find(MEDIA_OLD_ARCHIVE)) {
            (Some(layer), _) => layer,
            (None, Some(layer)) => {
                let _written = writeln!(
                    notes,
                    "Warning: chart media type {MEDIA_OLD_ARCHIVE} is deprecated"
                );
                layer
            }
            (None, None) => {
                let text = format!("manifest does not contain a layer with mediatype {MEDIA_ARCHIVE}");
                return Err(ChartsError::Text(text));
            }
        };
        let archive = self.blob(reference, layer).await?;
        notes.push_str(&reference.notes("Pulled", image.descriptor.digest));
        let provenance = match (with_provenance, find(MEDIA_PROVENANCE)) {
            (false, _) => Ok(None),
            (true, Some(layer)) => registry
                .blob(&reference.repository, layer)
                .await
                .map(Some)
                .map_err(|error| error.to_string()),
            (true, None) => Err(format!(
                "manifest does not contain a layer with mediatype {MEDIA_PROVENANCE}"
            )),
        };
        let provenance = match provenance {
            Ok(None) => Provenance::Unwanted,
            Ok(Some(content)) => {
                // Go: a pull of its own, which tells the same once more.
                notes.push_str(&reference.notes("Pulled", image.descriptor.digest));
                Provenance::Found(content)
            }
            Err(reason) => Provenance::Missing {
                url: format!("{}.prov", reference.location()),
                reason,
            },
        };
        Ok(Downloaded {
            archive,
            provenance,
            file_name: reference.file_name(),
            notes,
        })
    }

    async fn blob(&self, reference: &ChartReference, layer: &Descriptor) -> Result<Bytes, ChartsError> {
        let cell = self.once(&layer.digest.to_string());
        let fetched = cell.get_or_try_init(async || {
            if let Some(archive) = self.cache.as_ref().and_then(|cache| cache.archive(layer.digest)) {
                return Ok(archive);
            }
            let archive = self.registry()?.blob(&reference.repository, layer).await?;
            if let Some(cache) = &self.cache {
                cache.keep(None, &archive);
            }
            Ok::<_, ChartsError>(archive)
        });
        Ok(fetched.await?.clone())
    }

    /// Pushes a chart below `remote` under its name and version, and tells what Helm tells. `created` is the time of the
    /// archive, by RFC 3339: the same archive has the same manifest.
    ///
    /// # Errors
    /// It is no chart, or the registry refuses.
    pub async fn push(
        &self,
        archive: Bytes,
        metadata: &Metadata,
        provenance: Option<Bytes>,
        remote: &str,
        created: &str,
    ) -> Result<String, ChartsError> {
        let Metadata { name, version, .. } = metadata;
        let remote = remote.trim_end_matches('/');
        let reference = ChartReference::parse(&format!("{remote}/{name}:{version}"))?;
        let registry = self.registry()?;
        let config = Blob::from_bytes(metadata.to_config());
        let mut blobs = vec![(MEDIA_ARCHIVE, Blob::from_bytes(archive))];
        blobs.extend(provenance.map(|file| (MEDIA_PROVENANCE, Blob::from_bytes(file))));
        blobs.sort_by_key(|(_, blob)| blob.digest);
        for blob in blobs.iter().map(|(_, blob)| blob).chain([&config]) {
            let source = BlobSource::Blob(blob.clone());
            registry
                .push_blob(&reference.repository, blob.digest, &source, None)
                .await?;
        }
        let layers = blobs
            .iter()
            .map(|(media_type, blob)| Descriptor::new(media_type, blob.digest, blob.size));
        let manifest = Manifest {
            media_type: String::new(),
            annotations: metadata.to_annotations(created),
            ..Manifest::new(
                Descriptor::new(MEDIA_CONFIG, config.digest, config.size),
                layers.collect(),
            )
        };
        let digest = registry
            .push_manifest(&reference.pinned()?, MEDIA_OCI_MANIFEST, as_go(&manifest))
            .await?;
        Ok(reference.notes("Pushed", digest))
    }
}

/// Go: `json.Marshal`, which escapes what HTML would take for its own; all of it can only stand in texts.
fn as_go(manifest: &Manifest) -> Bytes {
    let text = serde_json::to_string(manifest).unwrap_or_default();
    text.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_named_as_by_helm() {
        let check = |text: &str, shown: &str, file: &str| {
            let reference = ChartReference::parse(text).unwrap();
            assert_eq!(reference.shown(), shown);
            assert_eq!(reference.file_name(), file);
        };
        check(
            "oci://127.0.0.1:5050/a/sub:1.2.3+b1",
            "127.0.0.1:5050/a/sub:1.2.3_b1",
            "sub-1.2.3+b1.tgz",
        );
        check(
            "oci://r.example.com/sub:1.0.0",
            "r.example.com/sub:1.0.0",
            "sub-1.0.0.tgz",
        );
        assert_eq!(
            ChartReference::parse("oci://127.0.0.1:5050/a/sub").unwrap().tag,
            None
        );
        for bad in ["oci://", "oci://h/a@x", "oci://h/A B"] {
            assert!(ChartReference::parse(bad).is_err(), "{bad}");
        }
    }
}
