//! The image graph and the keys of its images: `docs/keys.md` sections 4 and 5.
//!
//! From the configuration and a commit's files to a key for every image, each with the record that it was made from.
//! Reads trees, Dockerfiles, ignore files and links of the commit; never a blob of a context or mapping, never a
//! registry, never an engine. What has to be built is not known here: that is the registry's answer to the keys.

pub(crate) mod changes;
mod dockerfile;
mod dockerfile_image;
mod graph;
mod platforms;
mod stapel_image;

use std::collections::BTreeMap;

use kiel_llb::Platform;
use kiel_stapel::key::Key;
use kiel_stapel::spec::From;
use kiel_stapel::stage::{Keyed, PlanError};
use kiel_template::files::FileTree;
use serde::Serialize;

use crate::config::model::{Config, Image, ImageKind};
use crate::git::patterns::{IgnoreFileError, PatternError};
use crate::git::{CommitFiles, GitError, SourceTree};

pub(crate) use dockerfile::context_triggers;
pub use dockerfile::{BasePlatform, DockerfileError};
use dockerfile_image::Contexts;
pub use dockerfile_image::{BaseImage, BuildArg, DockerfilePlan};
pub use graph::{Edge, EdgeKind, GraphError, ImageGraph, Node, graph};
pub use platforms::PlannedIndex;
use stapel_image::KnownKeys;
pub use stapel_image::{MappingSelection, StapelImagePlan};

/// The files of other repositories, by image and the git mapping's index.
pub type RemoteTrees = BTreeMap<(String, usize), SourceTree>;

/// Where the files of images are.
#[derive(Clone, Copy)]
pub struct ImageFiles<'a> {
    /// The files of contexts and mappings.
    pub sources: &'a CommitFiles,
    /// Contexts that have more than that, by their images.
    pub of_images: &'a BTreeMap<String, CommitFiles>,
    /// What git mappings of other repositories take.
    pub remotes: &'a RemoteTrees,
    /// Where Dockerfiles and ignore files are read.
    pub inputs: &'a dyn FileTree,
}

impl<'a> ImageFiles<'a> {
    /// The files of an image's context and mappings.
    fn sources_of(self, image: &str) -> &'a CommitFiles {
        self.of_images.get(image).unwrap_or(self.sources)
    }

    /// All at one place.
    #[must_use]
    pub fn at(files: &'a CommitFiles) -> Self {
        static NONE: BTreeMap<String, CommitFiles> = BTreeMap::new();
        static NO_REMOTES: RemoteTrees = BTreeMap::new();
        Self {
            sources: files,
            of_images: &NONE,
            remotes: &NO_REMOTES,
            inputs: files,
        }
    }
}

/// Why an image has no key.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The graph is not sound.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Git content cannot be read.
    #[error("cannot read the sources of image `{image}`")]
    Git {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: GitError,
    },
    /// The files of another repository were not given.
    #[error("cannot plan image `{image}`: the repository of its git mapping to `{to}` is not there")]
    Remote {
        /// The image.
        image: String,
        /// The mapping.
        to: String,
    },
    /// A glob of a mapping is none.
    #[error("cannot use a path of image `{image}`")]
    Pattern {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: PatternError,
    },
    /// The ignore file cannot be used.
    #[error("cannot filter the context of image `{image}`")]
    Ignore {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: IgnoreFileError,
    },
    /// There is no Dockerfile.
    #[error(
        "cannot find Dockerfile `{path}` of image `{image}` in the commit; commit the file, or correct `dockerfile` and `context`"
    )]
    NoDockerfile {
        /// The image.
        image: String,
        /// Relative to the project.
        path: String,
    },
    /// The Dockerfile cannot be read.
    #[error("cannot read Dockerfile `{path}` of image `{image}`: {reason}")]
    ReadDockerfile {
        /// The image.
        image: String,
        /// Relative to the project.
        path: String,
        /// Why.
        reason: String,
    },
    /// The Dockerfile is not valid.
    #[error("cannot use Dockerfile `{path}` of image `{image}`")]
    Dockerfile {
        /// The image.
        image: String,
        /// Relative to the project.
        path: String,
        /// Why.
        #[source]
        source: DockerfileError,
    },
    /// A Stapel image has no plan.
    #[error("cannot plan image `{image}`")]
    Stapel {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: PlanError,
    },
    /// It needs an image that is built for other platforms.
    #[error(
        "cannot plan image `{image}` for {platform}: image `{needed}`, which it needs, is not built for that; add {platform} to `platform` of `{needed}`"
    )]
    Platform {
        /// The image.
        image: String,
        /// What it is to be built for.
        platform: String,
        /// The image that it needs.
        needed: String,
    },
    /// The base of `fromLatest` has not been looked up.
    #[error(
        "cannot plan image `{image}`: `fromLatest` needs the registry of its base, and this command asks none"
    )]
    Latest {
        /// The image.
        image: String,
    },
}

/// A folder of the project as the repository has it; empty for its root.
fn folder_of(files: &CommitFiles, folder: &str) -> String {
    let path = format!("{}/{folder}", files.root());
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    parts.join("/")
}

/// All images that were asked for, and what they need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlannedImages {
    /// One for each image and platform, in an order in which they can be built.
    pub images: Vec<PlannedImage>,
    /// What is over those of several platforms.
    pub indexes: Vec<PlannedIndex>,
}

/// An image for one platform, with its key and everything that has to be known to build it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedImage {
    /// Its name in werf.yaml.
    pub name: String,
    /// Its name for people: with the platform, where there is one for another platform.
    #[serde(skip)]
    pub title: String,
    /// Whether the chart may name it. What is in an index is not named itself.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// What it is built for.
    #[serde(serialize_with = "as_text")]
    pub platform: Platform,
    /// Names of the images that must exist for its platform before it.
    pub needs: Vec<String>,
    /// How it is built.
    #[serde(flatten)]
    pub kind: PlannedKind,
}

pub(crate) fn as_text<S: serde::Serializer>(platform: &Platform, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(platform)
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PlannedKind {
    /// By a Dockerfile.
    Dockerfile(Box<DockerfilePlan>),
    /// By Stapel stages.
    Stapel(Box<StapelImagePlan>),
}

impl PlannedImage {
    /// Its key with what the key was made from.
    #[must_use]
    pub fn keyed(&self) -> &Keyed {
        match &self.kind {
            PlannedKind::Dockerfile(plan) => &plan.image,
            PlannedKind::Stapel(plan) => &plan.plan.image,
        }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Key {
        self.keyed().key
    }

    /// Its name in reports: what the chart may name has its own, whatever else is built of it.
    #[must_use]
    pub fn reported(&self) -> &str {
        if self.is_final { &self.name } else { &self.title }
    }

    /// Whether it is the image of that name for that platform.
    #[must_use]
    pub fn is(&self, name: &str, platform: &Platform) -> bool {
        self.name == name && self.platform == *platform
    }
}

/// Computes the keys of `names` (all images where it is empty) and of what they need, in an order in which they can be
/// built; `host` is what images without a platform are built for. Reads from disk: not for async code.
///
/// # Errors
/// See [`ImagesError`]; the first mistake in the order of the graph.
pub fn plan_images(
    config: &Config,
    names: &[String],
    files: ImageFiles<'_>,
    host: &Platform,
) -> Result<PlannedImages, ImagesError> {
    let order = graph(config)?.order(names)?;
    let targets = platforms::targets(config, &order, host)?;
    let mut keys: BTreeMap<&Platform, KnownKeys> = BTreeMap::new();
    let mut contexts = Contexts::default();
    let mut planned = PlannedImages::default();
    for image in order.iter().filter_map(|name| config.image(name)) {
        check_plannable(image)?;
        let is_index = platforms::is_index(image);
        let platforms = targets.get(image.name.as_str()).map_or(&[][..], Vec::as_slice);
        let content = stapel_image::content(image, files)?;
        for platform in platforms {
            let keys = keys.entry(platform).or_default();
            let image = PlannedImage {
                name: image.name.clone(),
                title: match platforms.len() {
                    1 => image.name.clone(),
                    _ => format!("{} ({platform})", image.name),
                },
                is_final: image.is_final && !is_index && is_own(image, platform, host),
                platform: platform.clone(),
                needs: needs(image, &planned.images),
                kind: match &image.kind {
                    ImageKind::Dockerfile(spec) => PlannedKind::Dockerfile(Box::new(dockerfile_image::plan(
                        image,
                        spec,
                        files,
                        platform,
                        &keys.images,
                        &mut contexts,
                    )?)),
                    ImageKind::Stapel(spec) => PlannedKind::Stapel(Box::new(stapel_image::plan(
                        image, spec, &content, platform, keys,
                    )?)),
                },
            };
            keys.add(&image);
            planned.images.push(image);
        }
        if is_index {
            planned
                .indexes
                .push(platforms::index(&image.name, &planned.images));
        }
    }
    Ok(planned)
}

/// Whether the image itself is asked for on this platform, and not only those that need it.
fn is_own(image: &Image, platform: &Platform, host: &Platform) -> bool {
    image.platforms.contains(platform) || (image.platforms.is_empty() && platform == host)
}

/// What must exist before an image: also what a stage that it imports from is made of, since it may have to be made
/// again.
fn needs(image: &Image, planned: &[PlannedImage]) -> Vec<String> {
    let mut needs: Vec<String> = image.needs().into_iter().map(str::to_owned).collect();
    let sources = planned
        .iter()
        .filter(|source| image.imports_stage_of(&source.name));
    for need in sources.flat_map(|source| &source.needs) {
        if !needs.contains(need) {
            needs.push(need.clone());
        }
    }
    needs
}

fn check_plannable(image: &Image) -> Result<(), ImagesError> {
    match &image.kind {
        ImageKind::Stapel(spec) if spec.from_latest && matches!(spec.from, From::External(_)) => {
            Err(ImagesError::Latest {
                image: image.name.clone(),
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
