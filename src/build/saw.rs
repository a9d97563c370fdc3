//! What a stage saw of the git mappings: `docs/keys.md` section 9.
//!
//! A label of the stage's image names it, an artifact of the repository holds it. With it another machine, or a
//! shallow clone, goes on from the stage without the commit that it was built from.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kiel_stapel::key::{Files, Key};
use kiel_stapel::listing::Listing;
use kiel_stapel::stage::saw_key;
use serde_json::{Value, json};

use super::publish::Publisher;
use crate::registry::RegistryError;

/// The label of a stage's image.
const LABEL: &str = "dev.kiel.saw";
const MEDIA_TYPE: &str = "application/vnd.kiel.listing.v1+json+gzip";
/// Listings of a million files are about 100 MB.
const LIMIT: u64 = 1 << 30;

/// The key in a stage's config.
pub(crate) fn read_label(config: &Value) -> Option<Key> {
    config["config"]["Labels"][LABEL].as_str()?.parse().ok()
}

/// Notes the key in a stage's config; without one, takes out the key of the stage before.
pub(crate) fn write_label(config: &mut Value, saw: Option<Key>) {
    set_label(config, LABEL, saw.map(|key| key.to_string()));
}

/// Sets a label of a stage's config, or takes it out.
pub(super) fn set_label(config: &mut Value, label: &str, value: Option<String>) {
    if let Some(value) = value {
        if !config["config"].is_object() {
            config["config"] = json!({});
        }
        if !config["config"]["Labels"].is_object() {
            config["config"]["Labels"] = json!({});
        }
        config["config"]["Labels"][label] = value.into();
    } else if let Some(fields) = config["config"].as_object_mut()
        && let Some(Value::Object(labels)) = fields.get_mut("Labels")
    {
        labels.remove(label);
        if labels.is_empty() {
            fields.remove("Labels");
        }
    }
}

/// The key of listings.
pub(crate) fn key_of(listings: &[Listing]) -> Key {
    saw_key(
        &listings
            .iter()
            .map(|listing| Files::from(listing).key())
            .collect::<Vec<_>>(),
    )
}

/// Publishes listings under their key.
pub(crate) async fn publish(
    publisher: &Publisher,
    saw: Key,
    listings: &[Listing],
) -> Result<(), RegistryError> {
    publisher
        .artifact(&tag(saw), MEDIA_TYPE, pack(listings))
        .await
        .map(drop)
}

/// The listings of a key; nothing where they are gone or don't fit the key.
pub(crate) async fn fetch(publisher: &Publisher, saw: Key) -> Result<Option<Vec<Listing>>, RegistryError> {
    let Some(content) = publisher.read_artifact(&tag(saw)).await? else {
        return Ok(None);
    };
    Ok(unpack(&content).filter(|listings| key_of(listings) == saw))
}

fn tag(saw: Key) -> String {
    format!("listing-{saw}")
}

fn pack(listings: &[Listing]) -> Vec<u8> {
    let json = serde_json::to_vec(listings).expect("strings are always serializable");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(&json)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

fn unpack(content: &[u8]) -> Option<Vec<Listing>> {
    let mut json = Vec::new();
    GzDecoder::new(content).take(LIMIT).read_to_end(&mut json).ok()?;
    let listings: Vec<Vec<kiel_stapel::listing::FileEntry>> = serde_json::from_slice(&json).ok()?;
    Some(listings.into_iter().map(Listing::new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiel_stapel::listing::{FileEntry, FileMode};

    #[test]
    fn listings_survive_packing() {
        let entry = FileEntry {
            path: "a/ü\n".into(),
            mode: FileMode::Link,
            id: "0".repeat(40),
        };
        let listings = vec![Listing::new(vec![entry]), Listing::default()];
        assert_eq!(unpack(&pack(&listings)), Some(listings));
        assert_eq!(unpack(b"junk"), None);
    }

    #[test]
    fn the_label_comes_and_goes_without_a_trace() {
        let config = json!({"config": {"Env": []}});
        let mut labelled = config.clone();
        write_label(&mut labelled, Some(saw_key(&[])));
        assert_eq!(read_label(&labelled), Some(saw_key(&[])));
        write_label(&mut labelled, None);
        assert_eq!(labelled, config);
    }
}
