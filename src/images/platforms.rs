//! What images are built for, and the names of those that are built for several platforms: `docs/keys.md` section 7.

use std::collections::{BTreeMap, BTreeSet};

use kiel_llb::Platform;
use kiel_stapel::key::{Key, Record, Value};
use serde::Serialize;

use super::{ImagesError, PlannedImage};
use crate::config::model::{Config, Image};

/// An image that is built for several platforms, by its name in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedIndex {
    /// Its name in werf.yaml.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// The platforms, sorted, each with the key of its image.
    pub images: Vec<(String, Key)>,
}

/// What each image is built for, sorted: what werf.yaml says, and where that is nothing, this machine's platform and
/// what the images that need it are built for. `order` has needs first.
pub(super) fn targets<'a>(
    config: &'a Config,
    order: &'a [String],
    host: &Platform,
) -> Result<BTreeMap<&'a str, Vec<Platform>>, ImagesError> {
    let mut targets = BTreeMap::new();
    let mut wanted: BTreeMap<&str, BTreeMap<Platform, &str>> = BTreeMap::new();
    for image in order.iter().rev().filter_map(|name| config.image(name)) {
        let others = wanted.remove(image.name.as_str()).unwrap_or_default();
        let mut own: BTreeSet<Platform> = image.platforms.iter().cloned().collect();
        if own.is_empty() {
            if image.is_final || others.is_empty() {
                own.insert(host.clone());
            }
            own.extend(others.into_keys());
        } else if let Some((platform, needed_by)) =
            others.into_iter().find(|(platform, _)| !own.contains(platform))
        {
            return Err(ImagesError::Platform {
                image: needed_by.to_owned(),
                platform: platform.to_string(),
                needed: image.name.clone(),
            });
        }
        for need in image.needs() {
            let of_need = wanted.entry(need).or_default();
            of_need.extend(own.iter().map(|platform| (platform.clone(), image.name.as_str())));
        }
        targets.insert(image.name.as_str(), own.into_iter().collect());
    }
    Ok(targets)
}

/// Whether the image is an index of several images.
pub(super) fn is_index(image: &Image) -> bool {
    image.is_final && image.platforms.iter().collect::<BTreeSet<_>>().len() > 1
}

/// The index over the images of this name.
pub(super) fn index(name: &str, images: &[PlannedImage]) -> PlannedIndex {
    let of_name = images.iter().filter(|image| image.name == name);
    let mut images: Vec<(String, Key)> = of_name
        .map(|image| (image.platform.to_string(), image.key()))
        .collect();
    images.sort();
    PlannedIndex {
        name: name.to_owned(),
        key: index_key(&images),
        images,
    }
}

fn index_key(sorted: &[(String, Key)]) -> Key {
    let pair = |(platform, key): &(String, Key)| Value::List(vec![platform.into(), (*key).into()]);
    Record::of("kiel index 1")
        .list("images", sorted.iter().map(pair))
        .key()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_index_vectors_of_the_page_hold() {
        #[derive(serde::Deserialize)]
        struct Vector {
            images: BTreeMap<String, Key>,
            key: Key,
        }
        let page = include_str!("../../docs/keys.md");
        let blocks: Vec<&str> = page
            .split("\n```json index\n")
            .skip(1)
            .filter_map(|rest| rest.split("\n```").next())
            .collect();
        assert!(!blocks.is_empty());
        for block in blocks {
            let vector: Vector = serde_json::from_str(block).expect("a vector");
            let images: Vec<(String, Key)> = vector.images.into_iter().collect();
            assert_eq!(index_key(&images), vector.key);
        }
    }
}
