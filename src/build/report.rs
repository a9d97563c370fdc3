//! What a build did, as a value, and as the file that pipelines read.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Value, json};

use kiel_stapel::key::Key;

use crate::registry::{Digest, Image, Repository};

/// The images of a build.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildReport {
    /// Where they are.
    pub repository: Repository,
    /// The commit that they were built from.
    pub commit: String,
    /// In the order in which they can be built; only those that were asked for or needed.
    pub images: Vec<ImageReport>,
    /// How long it took.
    #[serde(skip)]
    pub elapsed: Duration,
}

/// An image of a build.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    /// Its name in werf.yaml.
    pub name: String,
    /// Whether the chart may name it.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// `dockerfile` or `stapel`.
    pub kind: &'static str,
    /// What it is for; the platforms of an index, joined by commas.
    pub platform: String,
    /// Its key, which is its tag.
    pub key: Key,
    /// The manifest that the tag points to.
    pub digest: Digest,
    /// Its config, where this build has seen it.
    pub image_id: Option<Digest>,
    /// Size of config and layers in bytes, where this build has seen them.
    pub size: Option<u64>,
    /// Whether it was made now.
    pub rebuilt: bool,
    /// Whether that needed an engine.
    pub used_engine: bool,
    /// Its stages, where this build has looked at them.
    pub stages: Vec<StageReport>,
    /// The images for each platform, where it is an index of several and this build has looked at them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageReport>,
    /// How long it took.
    #[serde(skip)]
    pub elapsed: Duration,
}

/// A stage of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageReport {
    /// Its name.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// Its manifest.
    pub digest: Digest,
    /// Its config.
    pub image_id: Digest,
    /// Size of its layers in bytes.
    pub size: u64,
    /// Whether it was made now.
    pub rebuilt: bool,
    /// How long that took.
    #[serde(skip)]
    pub elapsed: Duration,
}

impl ImageReport {
    /// Whether it is an index of several images.
    #[must_use]
    pub fn is_index(&self) -> bool {
        self.platform.contains(',')
    }

    /// The images for one platform that this is.
    pub(crate) fn singles(&self) -> &[Self] {
        if self.is_index() {
            &self.images
        } else {
            std::slice::from_ref(self)
        }
    }

    /// As [`Self::singles`].
    pub(crate) fn singles_mut(&mut self) -> &mut [Self] {
        if self.is_index() {
            &mut self.images
        } else {
            std::slice::from_mut(self)
        }
    }

    /// Another builder's image stands under the key.
    pub(crate) fn replace(&mut self, found: &Image) {
        self.digest = found.descriptor.digest;
        self.image_id = Some(found.manifest.config.digest);
        self.size = Some(found.manifest.config.size + size_of_layers(found));
    }
}

impl StageReport {
    /// As in [`ImageReport::replace`].
    pub(crate) fn replace(&mut self, found: &Image) {
        self.digest = found.descriptor.digest;
        self.image_id = found.manifest.config.digest;
        self.size = size_of_layers(found);
    }
}

fn size_of_layers(image: &Image) -> u64 {
    image.manifest.layers.iter().map(|layer| layer.size).sum()
}

impl BuildReport {
    /// The image of that name.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&ImageReport> {
        self.images.iter().find(|image| image.name == name)
    }

    /// `REPO:TAG` of an image.
    #[must_use]
    pub fn reference(&self, image: &ImageReport) -> String {
        format!("{}:{}", self.repository, image.key)
    }

    /// The report file of `--save-build-report` with werf's names.
    #[must_use]
    pub fn to_werf_json(&self) -> Value {
        let repository = self.repository.to_string();
        let text = |digest: Option<Digest>| digest.map(|digest| digest.to_string()).unwrap_or_default();
        let stage = |stage: &StageReport| {
            json!({
                "Name": stage.name,
                "DockerImageName": format!("{repository}:{}", stage.tag),
                "DockerTag": stage.tag,
                "DockerImageID": stage.image_id,
                "DockerImageDigest": stage.digest,
                "CreatedAt": 0,
                "Size": stage.size,
                "SourceType": "repo",
                "BaseImagePulled": false,
                "Rebuilt": stage.rebuilt,
                "BuildTime": format!("{:.2}", stage.elapsed.as_secs_f64()),
            })
        };
        let whole = |image: &ImageReport| {
            json!({
                "Name": "dockerfile",
                "DockerImageName": self.reference(image),
                "DockerTag": image.key,
                "DockerImageID": text(image.image_id),
                "DockerImageDigest": image.digest,
                "CreatedAt": 0,
                "Size": image.size.unwrap_or_default(),
                "SourceType": "repo",
                "BaseImagePulled": false,
                "Rebuilt": image.rebuilt,
                "BuildTime": format!("{:.2}", image.elapsed.as_secs_f64()),
            })
        };
        let image = |image: &ImageReport| {
            // Of a Dockerfile, werf knows one stage; of several platforms, those of each, and neither kind nor platform.
            let stages_of = |image: &ImageReport| -> Vec<Value> {
                if image.kind == "dockerfile" {
                    vec![whole(image)]
                } else {
                    image.stages.iter().map(stage).collect()
                }
            };
            let named = |image: &ImageReport| {
                let mut stages = stages_of(image);
                for stage in &mut stages {
                    let name = stage["Name"].as_str().unwrap_or_default();
                    stage["Name"] = format!("{name} ({})", image.platform).into();
                }
                stages
            };
            let (kind, platform, stages) = if image.is_index() {
                ("", "", image.images.iter().flat_map(named).collect())
            } else {
                (image.kind, image.platform.as_str(), stages_of(image))
            };
            let fields = json!({
                "WerfImageName": image.name,
                "ConfigType": kind,
                "DockerRepo": repository,
                "DockerTag": image.key,
                "DockerImageID": text(image.image_id),
                "DockerImageDigest": image.digest,
                "DockerImageName": self.reference(image),
                "TargetPlatform": platform,
                "Rebuilt": image.rebuilt,
                "Final": image.is_final,
                "Size": image.size.unwrap_or_default(),
                "BuildTime": format!("{:.2}", image.elapsed.as_secs_f64()),
                "Commit": self.commit,
                "Stages": stages,
            });
            (image.name.clone(), fields)
        };
        let images: serde_json::Map<String, Value> = self.images.iter().map(image).collect();
        json!({ "Runtime": { "Backend": "buildkit", "InContainer": false }, "Images": images, "ImagesByPlatform": {} })
    }

    /// The same as text, as werf writes it: indented by tabs.
    ///
    /// # Errors
    /// Never for a report of a build: all of it is text and numbers.
    pub fn to_werf_text(&self) -> Result<String, serde_json::Error> {
        let mut text = Vec::new();
        let formatter = PrettyFormatter::with_indent(b"\t");
        self.to_werf_json()
            .serialize(&mut Serializer::with_formatter(&mut text, formatter))?;
        text.push(b'\n');
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The report as variables, `WERF_<IMAGE>_…`, in the order in which images are built.
    #[must_use]
    pub fn to_env(&self) -> String {
        let name = |name: &str| -> String {
            let letter = |c: char| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            };
            name.chars().map(letter).collect()
        };
        let mut text = String::new();
        for image in &self.images {
            let id = image.image_id.map(|id| id.to_string()).unwrap_or_default();
            for (key, value) in [
                ("DOCKER_IMAGE_NAME", self.reference(image)),
                ("DOCKER_IMAGE_ID", id),
                ("DOCKER_IMAGE_DIGEST", image.digest.to_string()),
                ("DOCKER_REPO", self.repository.to_string()),
                ("DOCKER_TAG", image.key.to_string()),
                ("WERF_IMAGE_NAME", image.name.clone()),
                ("FINAL", image.is_final.to_string()),
            ] {
                // Writing to a String cannot fail.
                _ = writeln!(text, "WERF_{}_{key}={value}", name(&image.name));
            }
        }
        text
    }
}
