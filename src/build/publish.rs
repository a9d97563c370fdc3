//! Writing images, stages and artifacts to the repository.
//!
//! A tag is set only where none is, and what is reported is what is there afterwards: registries have no conditional
//! PUT, and equal keys mean equal content, so whoever is there first stays. Two builders that look and set at the same
//! moment both set it; the last one stays, and each finds it when it looks once more at the end of its run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::error::BuildError;
use super::image_config;
use crate::registry::{
    Blob, BlobSource, Descriptor, Digest, Index, MEDIA_OCI_CONFIG, MEDIA_OCI_INDEX, MEDIA_OCI_MANIFEST,
    Manifest, Reference, Registry, RegistryError, Repository,
};

/// The media type of an artifact without a config, and that config.
const MEDIA_EMPTY: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";

/// Where a layer is.
#[derive(Debug, Clone)]
pub(crate) enum LayerSource {
    /// In the repository that is built for.
    Here,
    /// In another one.
    Repository(Repository),
    /// At hand.
    Blob(Blob),
}

/// How many times as long as our own look and PUT another builder may take between the two.
const SLOWER: u32 = 4;
/// The most that is waited for such a builder.
const LONGEST: Duration = Duration::from_secs(2);
/// How many tags are looked at side by side.
const LOOKS: usize = 16;

/// The tags of images and stages that a run has published.
#[derive(Debug, Default)]
struct Tags {
    digests: BTreeMap<String, Digest>,
    /// When the last one was set.
    last: Option<Instant>,
    /// The longest time between looking for a tag and having set it.
    window: Duration,
}

/// The repository of a run.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    pub(crate) registry: Registry,
    pub(crate) repository: Repository,
    tags: Arc<Mutex<Tags>>,
}

impl Publisher {
    pub(crate) fn new(registry: Registry, repository: Repository) -> Self {
        Self {
            registry,
            repository,
            tags: Arc::default(),
        }
    }

    /// Looks once more at all images and stages of this run, and tells those that another builder has replaced since.
    ///
    /// A builder that found no tag may set it until the time between its look and its PUT is over; that much is waited
    /// after our last PUT, measured by our own.
    pub(crate) async fn replaced(&self) -> Result<BTreeMap<String, Digest>, RegistryError> {
        let tags = std::mem::take(&mut *self.tags.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(last) = tags.last {
            tokio::time::sleep_until((last + (tags.window * SLOWER).min(LONGEST)).into()).await;
        }
        let look = async |(tag, ours): (String, Digest)| {
            let found = self.registry.head(&self.repository.tag(&tag)?).await?;
            let other = found.map(|found| found.digest).filter(|digest| *digest != ours);
            Ok(other.map(|digest| (tag, digest)))
        };
        let replaced: Vec<_> = stream::iter(tags.digests.into_iter().map(look))
            .buffer_unordered(LOOKS)
            .try_collect()
            .await?;
        Ok(replaced.into_iter().flatten().collect())
    }

    /// Makes sure that the repository has a layer.
    pub(crate) async fn push_layer(&self, digest: Digest, source: &LayerSource) -> Result<(), RegistryError> {
        match source {
            LayerSource::Here => Ok(()),
            LayerSource::Repository(from) => {
                let source = BlobSource::Repository(from.clone());
                self.registry
                    .push_blob(&self.repository, digest, &source, None)
                    .await
            }
            LayerSource::Blob(blob) => {
                self.registry
                    .push_blob(&self.repository, digest, &BlobSource::Blob(blob.clone()), None)
                    .await
            }
        }
    }

    async fn push_bytes(
        &self,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<Descriptor, RegistryError> {
        let blob = Blob::from_bytes(bytes);
        let descriptor = Descriptor::new(media_type, blob.digest, blob.size);
        self.registry
            .push_blob(&self.repository, descriptor.digest, &BlobSource::Blob(blob), None)
            .await?;
        Ok(descriptor)
    }

    /// Publishes an image whose layers are there, and tells the digest that the tag has afterwards.
    pub(crate) async fn image(
        &self,
        tag: &str,
        config: &Value,
        layers: Vec<Descriptor>,
    ) -> Result<Published, RegistryError> {
        self.image_bytes(tag, image_config::to_bytes(config), layers)
            .await
    }

    /// As [`Self::image`], with the config's bytes.
    pub(crate) async fn image_bytes(
        &self,
        tag: &str,
        config: Vec<u8>,
        layers: Vec<Descriptor>,
    ) -> Result<Published, RegistryError> {
        let config = self.push_bytes(MEDIA_OCI_CONFIG, config).await?;
        let config_digest = config.digest;
        let size = config.size + layers.iter().map(|layer| layer.size).sum::<u64>();
        let layers = layers.iter().map(plain).collect();
        let bytes = Manifest::new(config, layers).to_bytes();
        let ours = Digest::of(&bytes);
        let started = Instant::now();
        let digest = self.tag(tag, MEDIA_OCI_MANIFEST, bytes).await?;
        self.remember(tag, digest, started.elapsed());
        Ok(Published {
            digest,
            config: (digest == ours).then_some(config_digest),
            size,
        })
    }

    /// Publishes an image whose layers are there without a tag, for an engine to begin with.
    pub(crate) async fn untagged(
        &self,
        config: Bytes,
        layers: Vec<Descriptor>,
    ) -> Result<Reference, RegistryError> {
        let config = self.push_bytes(MEDIA_OCI_CONFIG, config).await?;
        let manifest = Manifest::new(config, layers.iter().map(plain).collect()).to_bytes();
        let reference = self.repository.digest(Digest::of(&manifest));
        self.registry
            .push_manifest(&reference, MEDIA_OCI_MANIFEST, manifest)
            .await?;
        Ok(reference)
    }

    /// Publishes an index over images that are there, and tells the digest that the tag has afterwards.
    pub(crate) async fn index(&self, tag: &str, manifests: Vec<Descriptor>) -> Result<Digest, RegistryError> {
        let started = Instant::now();
        let bytes = Index::new(manifests).to_bytes();
        let digest = self.tag(tag, MEDIA_OCI_INDEX, bytes).await?;
        self.remember(tag, digest, started.elapsed());
        Ok(digest)
    }

    /// Publishes content under a tag, as an artifact of this type.
    pub(crate) async fn artifact(
        &self,
        tag: &str,
        kind: &str,
        content: Vec<u8>,
    ) -> Result<Digest, RegistryError> {
        let config = self.push_bytes(MEDIA_EMPTY, EMPTY.to_vec()).await?;
        let layer = self.push_bytes(kind, content).await?;
        let mut manifest = Manifest::new(config, vec![layer]);
        manifest.artifact_type = Some(kind.to_owned());
        self.tag(tag, MEDIA_OCI_MANIFEST, manifest.to_bytes()).await
    }

    /// The content of an artifact; nothing where there is none.
    pub(crate) async fn read_artifact(&self, tag: &str) -> Result<Option<Bytes>, RegistryError> {
        let reference = self.repository.tag(tag)?;
        let Some((_, bytes)) = self.registry.manifest(&reference).await? else {
            return Ok(None);
        };
        let manifest: Option<Manifest> = serde_json::from_slice(&bytes).ok();
        match manifest.as_ref().and_then(|manifest| manifest.layers.first()) {
            Some(layer) => self.registry.blob(&self.repository, layer).await.map(Some),
            None => Ok(None),
        }
    }

    fn remember(&self, tag: &str, digest: Digest, took: Duration) {
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        tags.digests.insert(tag.to_owned(), digest);
        tags.last = Some(Instant::now());
        tags.window = tags.window.max(took);
    }

    async fn tag(&self, tag: &str, media_type: &str, manifest: Bytes) -> Result<Digest, RegistryError> {
        let reference: Reference = self.repository.tag(tag)?;
        if let Some(found) = self.registry.head(&reference).await? {
            return Ok(found.digest);
        }
        let pushed = self
            .registry
            .push_manifest(&reference, media_type, manifest)
            .await;
        match (pushed, self.registry.head(&reference).await) {
            (Ok(_), Ok(Some(found))) => Ok(found.digest),
            (Ok(ours), Ok(None)) => Ok(ours),
            (Ok(_), Err(error)) => Err(error),
            // It was set in between where tags cannot be changed, or ours was set and only the answer got lost.
            (Err(_), Ok(Some(found))) => Ok(found.digest),
            (Err(error), _) => Err(error),
        }
    }
}

/// What a tag points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    /// Its manifest.
    pub(crate) digest: Digest,
    /// Its config, if the image is the one that we made.
    pub(crate) config: Option<Digest>,
    /// Size of config and layers in bytes.
    pub(crate) size: u64,
}

/// A layer as it stands in our manifests: OCI types, no annotations (the engine's say how it came to be).
fn plain(layer: &Descriptor) -> Descriptor {
    let media_type = match layer.media_type.as_str() {
        "application/vnd.docker.image.rootfs.diff.tar.gzip"
        | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => {
            "application/vnd.oci.image.layer.v1.tar+gzip"
        }
        "application/vnd.docker.image.rootfs.diff.tar" => "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar.zstd" => "application/vnd.oci.image.layer.v1.tar+zstd",
        other => other,
    };
    Descriptor::new(media_type, layer.digest, layer.size)
}

/// Names the image in an error of the registry.
pub(crate) fn of_image(image: &str) -> impl Fn(RegistryError) -> BuildError + '_ {
    move |source| BuildError::Registry {
        image: image.to_owned(),
        source,
    }
}
