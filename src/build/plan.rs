//! Which images are there: one HEAD per image and platform, and one per index, all at once.

use std::borrow::Cow;
use std::collections::BTreeSet;

use futures::future::{try_join, try_join_all};
use kiel_llb::Platform;
use kiel_stapel::ansible::TOOLCHAIN;
use kiel_stapel::key::Key;
use kiel_stapel::spec::From;
use serde::Serialize;

use super::error::BuildError;
use crate::images::{PlannedImage, PlannedImages, PlannedIndex, PlannedKind};
use crate::registry::{DOCKER_HUB, Digest, Reference, Registry, Repository};

/// Every image with its key, and whether the repository has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildPlan {
    /// Where the images belong.
    pub repository: Repository,
    /// The commit.
    pub commit: String,
    /// In an order in which they can be built, one for each platform.
    pub images: Vec<PlannedState>,
    /// What is over those of several platforms.
    pub indexes: Vec<IndexState>,
    /// Where werf's image of Ansible is, without its tag, if not in its own registry.
    #[serde(skip)]
    pub stapel_image: Option<String>,
}

/// An image and its state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedState {
    /// The image.
    #[serde(flatten)]
    pub image: PlannedImage,
    /// Its manifest, if it is there.
    pub digest: Option<Digest>,
}

/// An image for several platforms and its state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexState {
    /// The index.
    #[serde(flatten)]
    pub index: PlannedIndex,
    /// Its manifest, if it is there.
    pub digest: Option<Digest>,
}

impl BuildPlan {
    /// The registries that the build reads from or writes to.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<String> {
        let mut names: Vec<&str> = Vec::new();
        let mut toolchains = Vec::new();
        for state in &self.images {
            match &state.image.kind {
                PlannedKind::Dockerfile(plan) => {
                    let bases = plan.bases.iter().map(|base| &base.name);
                    let read = bases.chain(&plan.images).chain(&plan.syntax);
                    names.extend(read.map(String::as_str));
                }
                PlannedKind::Stapel(plan) => {
                    let from = std::iter::once(&plan.spec.from)
                        .chain(plan.spec.imports.iter().map(|import| &import.from));
                    names.extend(from.filter_map(|from| match from {
                        From::External(name) => Some(name.as_str()),
                        From::Image(_) | From::Scratch => None,
                    }));
                    toolchains.extend(plan.spec.toolchain().map(|name| self.toolchain(name)));
                }
            }
        }
        let parsed = names
            .into_iter()
            .chain(toolchains.iter().map(|name| &**name))
            .filter_map(|name| name.parse::<Reference>().ok());
        let mut hosts: BTreeSet<String> = parsed.map(|reference| reference.registry().to_owned()).collect();
        hosts.insert(self.repository.registry().to_owned());
        hosts.insert(DOCKER_HUB.to_owned());
        hosts
    }

    /// Where an image that holds Ansible is pulled from.
    pub(crate) fn toolchain<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.stapel_image {
            Some(copy) if name == TOOLCHAIN => {
                let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
                Cow::Owned(format!("{copy}:{tag}"))
            }
            _ => Cow::Borrowed(name),
        }
    }

    /// The images that have to be built: those that are missing and final, or needed by one that has to be built, or
    /// by an index that is missing.
    #[must_use]
    pub fn missing(&self) -> Vec<&PlannedImage> {
        let mut wanted: BTreeSet<(&str, &Platform)> = BTreeSet::new();
        // Needs stand before what needs them.
        for state in self.images.iter().rev().filter(|state| state.digest.is_none()) {
            let image = &state.image;
            let of_index = self
                .index(&image.name)
                .is_some_and(|index| index.digest.is_none());
            if image.is_final || of_index || wanted.contains(&(image.name.as_str(), &image.platform)) {
                wanted.insert((&image.name, &image.platform));
                wanted.extend(image.needs.iter().map(|need| (need.as_str(), &image.platform)));
            }
        }
        let missing = self.images.iter().filter(|state| state.digest.is_none());
        missing
            .map(|state| &state.image)
            .filter(|image| wanted.contains(&(image.name.as_str(), &image.platform)))
            .collect()
    }

    /// What is over the images of this name.
    pub(crate) fn index(&self, name: &str) -> Option<&IndexState> {
        self.indexes.iter().find(|state| state.index.name == name)
    }
}

/// Asks the repository for every image. One HEAD for each, and whatever a token needs.
///
/// # Errors
/// [`BuildError::Look`]: an answer other than yes and no.
pub async fn plan(
    planned: PlannedImages,
    registry: &Registry,
    repository: &Repository,
    commit: &str,
) -> Result<BuildPlan, BuildError> {
    let look = async |name: &str, key: Key| {
        let error = |source| BuildError::Look {
            image: name.to_owned(),
            source,
        };
        let reference = repository.tag(&key.to_string()).map_err(error)?;
        let found = registry.head(&reference).await.map_err(error)?;
        Ok::<_, BuildError>(found.map(|found| found.digest))
    };
    let images = planned.images.into_iter().map(async |image| {
        let digest = look(&image.title, image.key()).await?;
        Ok::<_, BuildError>(PlannedState { image, digest })
    });
    let indexes = planned.indexes.into_iter().map(async |index| {
        let digest = look(&index.name, index.key).await?;
        Ok::<_, BuildError>(IndexState { index, digest })
    });
    let (images, indexes) = try_join(try_join_all(images), try_join_all(indexes)).await?;
    Ok(BuildPlan {
        repository: repository.clone(),
        commit: commit.to_owned(),
        images,
        indexes,
        stapel_image: None,
    })
}
