//! An image that is being put together: its layers so far, and the image that an engine begins with.
//!
//! An engine never joins layers itself: its merge takes the owner and mode of every folder from the upper layer,
//! which an image's layers don't do, and a step would then carry that into its result. So what was put on top is
//! made an image of the repository first (without a tag), and a step runs on exactly the layers that are published.

use bytes::Bytes;
use serde_json::Value;

use super::image_config::{self, LayerHistory};
use super::publish::LayerSource;
use crate::registry::{Blob, Descriptor, Digest, Image, MEDIA_OCI_LAYER, Reference, Repository};

/// A layer of an image.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: Digest,
    pub(crate) source: LayerSource,
}

/// An image so far.
#[derive(Debug, Clone)]
pub(crate) struct Composition {
    /// Config of the base: everything but layers and history.
    base: Value,
    layers: Vec<Layer>,
    history: Vec<Value>,
    /// The image of a registry that has exactly these layers; nothing for scratch, and as long as layers were put
    /// on top of it.
    image: Option<Reference>,
}

impl Composition {
    /// Begins with the empty image.
    pub(crate) fn scratch(config: Value) -> Self {
        Self {
            base: config,
            layers: Vec::new(),
            history: Vec::new(),
            image: None,
        }
    }

    /// Begins with an image of a registry; `here` is the repository that is built for.
    pub(crate) fn from_image(image: &Image, here: &Repository) -> Result<Self, String> {
        let base: Value = serde_json::from_slice(&image.config)
            .map_err(|error| format!("its config is not valid: {error}"))?;
        let (known, history) = image_config::layers_of(&base);
        if known.len() != image.manifest.layers.len() {
            return Err(format!(
                "it has {} layers and {} diff ids",
                image.manifest.layers.len(),
                known.len()
            ));
        }
        let repository = image.reference.repository();
        let source = if repository == here {
            LayerSource::Here
        } else {
            LayerSource::Repository(repository.clone())
        };
        let layer = |(descriptor, LayerHistory { diff_id, .. }): (&Descriptor, LayerHistory)| Layer {
            descriptor: descriptor.clone(),
            diff_id,
            source: source.clone(),
        };
        let layers = image.manifest.layers.iter().zip(known).map(layer).collect();
        Ok(Self {
            base,
            layers,
            history,
            image: Some(image.reference.clone()),
        })
    }

    /// Puts a layer of Git content on top.
    pub(crate) fn add_blob(&mut self, blob: Blob, created_by: &str) {
        let descriptor = Descriptor::new(MEDIA_OCI_LAYER, blob.digest, blob.size);
        // A plain tar: its digest is its diff id.
        self.layers.push(Layer {
            descriptor,
            diff_id: blob.digest,
            source: LayerSource::Blob(blob),
        });
        self.history.push(image_config::history_entry(created_by));
        self.image = None;
    }

    /// Puts the one layer of a published import on top.
    pub(crate) fn add_import(&mut self, import: &Image, created_by: &str) -> Result<(), String> {
        let config: Value = serde_json::from_slice(&import.config)
            .map_err(|error| format!("its config is not valid: {error}"))?;
        let (known, _) = image_config::layers_of(&config);
        let (Some(LayerHistory { diff_id, .. }), [descriptor]) =
            (known.first(), import.manifest.layers.as_slice())
        else {
            return Err(format!(
                "it has {} layers in place of one",
                import.manifest.layers.len()
            ));
        };
        self.image = None;
        self.layers.push(Layer {
            descriptor: descriptor.clone(),
            diff_id: *diff_id,
            source: LayerSource::Here,
        });
        self.history.push(image_config::history_entry(created_by));
        Ok(())
    }

    /// The image that an engine begins with, if a registry has it.
    pub(crate) fn image(&self) -> Option<&Reference> {
        self.image.as_ref()
    }

    /// The repository that is built for has this image now.
    pub(crate) fn is_published(&mut self, image: Reference) {
        self.layers
            .iter_mut()
            .for_each(|layer| layer.source = LayerSource::Here);
        self.image = Some(image);
    }

    /// The bytes of the config of this image.
    pub(crate) fn config_bytes(&self) -> Bytes {
        image_config::to_bytes(&self.config()).into()
    }

    /// The layers, base first.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The layers' descriptors.
    pub(crate) fn descriptors(&self) -> Vec<Descriptor> {
        self.layers.iter().map(|layer| layer.descriptor.clone()).collect()
    }

    /// The base's config.
    pub(crate) fn base(&self) -> &Value {
        &self.base
    }

    /// The config of this image: the base's, with its layers and history.
    pub(crate) fn config(&self) -> Value {
        image_config::with_layers(&self.base, &self.diff_ids(), &self.history)
    }

    /// The config that an exporter gets for this image and one more layer of its own, with a whole history: the
    /// engine's would depend on what it built before.
    pub(crate) fn config_with(&self, created_by: &str) -> Value {
        let mut history = self.history.clone();
        history.push(image_config::history_entry(created_by));
        image_config::with_layers(&self.base, &[], &history)
    }

    fn diff_ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| layer.diff_id).collect()
    }
}
