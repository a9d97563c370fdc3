//! An image that is being put together: its layers so far, and how an engine gets at its filesystem.

use kiel_llb::{Output, Platform as LlbPlatform, docker_image, merge, oci_layout};
use kiel_stapel::lower::lower_patch;
use serde_json::Value;

use super::image_config::{self, LayerHistory};
use super::publish::LayerSource;
use crate::registry::{Blob, Descriptor, Digest, Image, MEDIA_OCI_LAYER, Reference, Repository};

/// The name of the session's content store.
pub(crate) const STORE: &str = "kiel";

/// A layer of an image.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: Digest,
    pub(crate) source: LayerSource,
}

/// How a layer is put on top of what is below it, in an engine.
#[derive(Debug, Clone)]
enum Top {
    /// An image of one layer that the session serves.
    Served(Digest),
    /// An image of one layer in a registry.
    Pulled(Reference),
    /// A layer with removals: images without and with it.
    Patch { shadow: Digest, shadowed: Digest },
}

/// An image so far.
#[derive(Debug, Clone)]
pub(crate) struct Composition {
    /// Config of the base: everything but layers and history.
    base: Value,
    layers: Vec<Layer>,
    history: Vec<Value>,
    /// What an engine begins with; nothing for scratch.
    bottom: Option<Reference>,
    /// What was put on it since.
    tops: Vec<Top>,
}

impl Composition {
    /// Begins with the empty image.
    pub(crate) fn scratch(config: Value) -> Self {
        Self {
            base: config,
            layers: Vec::new(),
            history: Vec::new(),
            bottom: None,
            tops: Vec::new(),
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
            bottom: Some(image.reference.clone()),
            tops: Vec::new(),
        })
    }

    /// Puts a layer of Git content on top, which the session serves as the image `served`.
    pub(crate) fn add_archive(&mut self, blob: Blob, served: Digest, created_by: &str) {
        self.tops.push(Top::Served(served));
        self.add_blob(blob, created_by);
    }

    /// Puts a layer with removals on top.
    pub(crate) fn add_patch(&mut self, blob: Blob, shadow: Digest, shadowed: Digest, created_by: &str) {
        self.tops.push(Top::Patch { shadow, shadowed });
        self.add_blob(blob, created_by);
    }

    fn add_blob(&mut self, blob: Blob, created_by: &str) {
        let descriptor = Descriptor::new(MEDIA_OCI_LAYER, blob.digest, blob.size);
        // A plain tar: its digest is its diff id.
        self.layers.push(Layer {
            descriptor,
            diff_id: blob.digest,
            source: LayerSource::Blob(blob),
        });
        self.history.push(image_config::history_entry(created_by));
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
        self.tops.push(Top::Pulled(import.reference.clone()));
        self.layers.push(Layer {
            descriptor: descriptor.clone(),
            diff_id: *diff_id,
            source: LayerSource::Here,
        });
        self.history.push(image_config::history_entry(created_by));
        Ok(())
    }

    /// The filesystem in an engine whose session serves the Git layers.
    pub(crate) fn root(&self, session: &str, platform: &LlbPlatform) -> Option<Output> {
        let serve =
            |digest: &Digest, name: &str| oci_layout(&digest.to_string(), STORE, session, platform, name);
        let mut root = self
            .bottom
            .as_ref()
            .map(|image| docker_image(&image.to_string(), platform, &format!("from {image}")));
        for top in &self.tops {
            let layer = match top {
                Top::Served(digest) => serve(digest, "git archive"),
                Top::Pulled(reference) => docker_image(&reference.to_string(), platform, "import"),
                Top::Patch { shadow, shadowed } => {
                    let (shadow, shadowed) = (serve(shadow, "git patch"), serve(shadowed, "git patch"));
                    root = Some(match &root {
                        Some(root) => lower_patch(root, &shadow, &shadowed),
                        None => shadowed,
                    });
                    continue;
                }
            };
            root = match root {
                Some(below) => merge(&[below, layer], "image so far"),
                None => Some(layer),
            };
        }
        root
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
