//! Which images are there: one HEAD per image, all at once.

use std::borrow::Cow;
use std::collections::BTreeSet;

use futures::future::try_join_all;
use kiel_stapel::ansible::TOOLCHAIN;
use kiel_stapel::spec::From;
use serde::Serialize;

use super::error::BuildError;
use crate::images::{PlannedImage, PlannedKind};
use crate::registry::{DOCKER_HUB, Digest, Reference, Registry, Repository};

/// Every image with its key, and whether the repository has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildPlan {
    /// Where the images belong.
    pub repository: Repository,
    /// The commit.
    pub commit: String,
    /// In an order in which they can be built.
    pub images: Vec<PlannedState>,
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

impl BuildPlan {
    /// The registries that the build reads from or writes to.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<String> {
        let mut names: Vec<&str> = Vec::new();
        let mut toolchains = Vec::new();
        for state in &self.images {
            match &state.image.kind {
                PlannedKind::Dockerfile(plan) => {
                    let read = plan.bases.iter().chain(&plan.images).chain(&plan.syntax);
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

    /// The images that have to be built: those that are missing and final, or needed by one that has to be built.
    #[must_use]
    pub fn missing(&self) -> Vec<&PlannedImage> {
        let mut wanted: Vec<&str> = Vec::new();
        // Needs stand before what needs them.
        for state in self.images.iter().rev().filter(|state| state.digest.is_none()) {
            let image = &state.image;
            if image.is_final || wanted.contains(&image.name.as_str()) {
                wanted.push(&image.name);
                wanted.extend(image.needs.iter().map(String::as_str));
            }
        }
        let missing = self.images.iter().filter(|state| state.digest.is_none());
        missing
            .map(|state| &state.image)
            .filter(|image| wanted.contains(&image.name.as_str()))
            .collect()
    }
}

/// Asks the repository for every image. One HEAD for each, and whatever a token needs.
///
/// # Errors
/// [`BuildError::Look`]: an answer other than yes and no.
pub async fn plan(
    images: Vec<PlannedImage>,
    registry: &Registry,
    repository: &Repository,
    commit: &str,
) -> Result<BuildPlan, BuildError> {
    let look = |image: PlannedImage| async move {
        let error = |source| BuildError::Look {
            image: image.name.clone(),
            source,
        };
        let reference = repository.tag(&image.key().to_string()).map_err(error)?;
        let found = registry.head(&reference).await.map_err(error)?;
        Ok::<_, BuildError>(PlannedState {
            digest: found.map(|found| found.digest),
            image,
        })
    };
    let images = try_join_all(images.into_iter().map(look)).await?;
    Ok(BuildPlan {
        repository: repository.clone(),
        commit: commit.to_owned(),
        images,
        stapel_image: None,
    })
}
