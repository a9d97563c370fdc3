//! Content that is known before any engine or registry has it: blobs by digest, and images put together from them.
//!
//! An engine reads it through the build session (`oci-layout://`), a registry gets it by push. Blobs are in memory
//! or in files; a store hands out descriptions, never copies.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::{Descriptor, Digest, MEDIA_OCI_CONFIG, MEDIA_OCI_MANIFEST, Manifest, Platform};

/// Content that is read piece by piece. It may block.
pub trait BlobRead: std::fmt::Debug + Send + Sync {
    /// Up to `length` bytes from `offset` on; fewer at the end.
    ///
    /// # Errors
    /// The content cannot be read.
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Bytes>;
}

/// Where a blob's bytes are.
#[derive(Debug, Clone)]
pub enum BlobData {
    /// In memory.
    Bytes(Bytes),
    /// In a file that nobody changes while the run lasts.
    File(PathBuf),
    /// Somewhere else; read when they are needed, piece by piece.
    Reader(Arc<dyn BlobRead>),
}

/// A blob whose digest and size are known.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes.
    pub data: BlobData,
}

impl Blob {
    /// A blob of bytes in memory.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
            data: BlobData::Bytes(bytes),
        }
    }

    /// A blob in a file, of a digest and size that the caller has computed.
    #[must_use]
    pub fn from_file(path: PathBuf, digest: Digest, size: u64) -> Self {
        Self {
            digest,
            size,
            data: BlobData::File(path),
        }
    }

    /// A blob that is read where it is, of a digest and size that the caller has computed.
    #[must_use]
    pub fn from_reader(reader: Arc<dyn BlobRead>, digest: Digest, size: u64) -> Self {
        Self {
            digest,
            size,
            data: BlobData::Reader(reader),
        }
    }
}

/// Blobs by digest, as the build session serves them.
pub trait ContentStore: Send + Sync {
    /// The blob of this digest.
    fn blob(&self, digest: &Digest) -> Option<Blob>;
}

/// A store of blobs and of images made of them. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Layout(Arc<RwLock<BTreeMap<Digest, Blob>>>);

impl Layout {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a blob and tells its digest.
    pub fn add(&self, blob: Blob) -> Digest {
        let digest = blob.digest;
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(digest, blob);
        digest
    }

    /// Adds config and manifest of an image of these layers (descriptor and diff id each; the blobs themselves may
    /// be added before or after) and tells the manifest's descriptor. Equal layers give equal bytes everywhere.
    pub fn add_image(&self, platform: &Platform, layers: &[(Descriptor, Digest)]) -> Descriptor {
        let diff_ids: Vec<Digest> = layers.iter().map(|(_, diff_id)| *diff_id).collect();
        let mut config = serde_json::json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        if let Some(variant) = &platform.variant {
            config["variant"] = variant.clone().into();
        }
        let config = Blob::from_bytes(config.to_string());
        let layers = layers.iter().map(|(descriptor, _)| descriptor.clone()).collect();
        let config_descriptor = Descriptor::new(MEDIA_OCI_CONFIG, config.digest, config.size);
        let manifest = Blob::from_bytes(Manifest::new(config_descriptor, layers).to_bytes());
        let descriptor = Descriptor::new(MEDIA_OCI_MANIFEST, manifest.digest, manifest.size);
        self.add(config);
        self.add(manifest);
        descriptor
    }
}

impl ContentStore for Layout {
    fn blob(&self, digest: &Digest) -> Option<Blob> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(digest)
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::MEDIA_OCI_LAYER;

    #[test]
    fn equal_layers_give_equal_images() {
        let layer = Blob::from_bytes("layer");
        let descriptor = Descriptor::new(MEDIA_OCI_LAYER, layer.digest, layer.size);
        let layout = Layout::new();
        layout.add(layer.clone());
        let image = layout.add_image(&Platform::host(), &[(descriptor.clone(), layer.digest)]);
        assert_eq!(
            image,
            Layout::new().add_image(&Platform::host(), &[(descriptor, layer.digest)])
        );
        let Some(BlobData::Bytes(bytes)) = layout.blob(&image.digest).map(|blob| blob.data) else {
            panic!("the manifest is in memory");
        };
        let manifest: Manifest = serde_json::from_slice(&bytes).unwrap();
        assert!(layout.blob(&manifest.config.digest).is_some() && layout.blob(&layer.digest).is_some());
    }
}
