//! Which images are there: one HEAD per image, all at once.

use futures::future::try_join_all;
use serde::Serialize;

use super::error::BuildError;
use crate::images::PlannedImage;
use crate::registry::{Digest, Registry, Repository};

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
    })
}
