//! Images for several platforms: an index is set when the images of all its platforms are there.

use super::error::BuildError;
use super::plan::IndexState;
use super::publish::{Publisher, of_image};
use super::report::ImageReport;
use super::run::Built;
use crate::registry::Digest;

/// Sets the index over these images, one for each of its platforms, and tells the digest that its tag has afterwards.
pub(super) async fn publish(
    state: &IndexState,
    parts: &[Built],
    publisher: &Publisher,
) -> Result<Digest, BuildError> {
    let name = &state.index.name;
    let mut manifests = Vec::new();
    for part in parts {
        let found = publisher.registry.head(&part.pinned).await;
        let Some(mut found) = found.map_err(of_image(name))? else {
            return Err(BuildError::Export {
                image: name.clone(),
                reason: format!("the image for {} is gone from the registry", part.report.platform),
            });
        };
        found.platform = Some(part.platform.clone());
        manifests.push(found);
    }
    publisher
        .index(&state.index.key.to_string(), manifests)
        .await
        .map_err(of_image(name))
}

/// What is told about an index and the images in it, as far as this build has looked at them.
pub(super) fn report(state: &IndexState, digest: Digest, images: Vec<ImageReport>) -> ImageReport {
    let platforms: Vec<&str> = state
        .index
        .images
        .iter()
        .map(|(platform, _)| platform.as_str())
        .collect();
    ImageReport {
        name: state.index.name.clone(),
        is_final: true,
        kind: images.first().map_or("", |image| image.kind),
        platform: platforms.join(","),
        key: state.index.key,
        digest,
        image_id: Some(digest),
        size: images.iter().map(|image| image.size).sum(),
        rebuilt: state.digest.is_none(),
        used_engine: images.iter().any(|image| image.used_engine),
        stages: Vec::new(),
        elapsed: images.iter().map(|image| image.elapsed).max().unwrap_or_default(),
        images,
    }
}
