//! The record of a build: one small artifact that lists image → key → digest and what the keys were made from.
//!
//! Written only when something was built: a run that finds every image writes nothing.

use kiel_stapel::key::Key;
use serde::Serialize;
use serde_json::Value;

use super::plan::BuildPlan;
use super::publish::Publisher;
use super::report::{BuildReport, ImageReport};
use crate::registry::{Digest, RegistryError};

const MEDIA_TYPE: &str = "application/vnd.kiel.record.v1+json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: u32,
    project: &'a str,
    commit: &'a str,
    images: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    name: &'a str,
    #[serde(rename = "final")]
    is_final: bool,
    platform: String,
    key: Key,
    digest: Digest,
    inputs: Value,
}

/// Publishes the record.
pub(crate) async fn publish(
    publisher: &Publisher,
    project: &str,
    plan: &BuildPlan,
    report: &BuildReport,
) -> Result<(), RegistryError> {
    let entry = |name, image: &ImageReport, inputs| Entry {
        name,
        is_final: image.is_final,
        platform: image.platform.clone(),
        key: image.key,
        digest: image.digest,
        inputs,
    };
    let singles = report
        .images
        .iter()
        .flat_map(ImageReport::singles)
        .filter_map(|image| {
            let mut images = plan.images.iter().map(|planned| &planned.image);
            let planned = images.find(|planned| planned.reported() == image.name)?;
            // The whole plan: a Stapel image's stages with their inputs are part of it.
            let inputs = serde_json::to_value(&planned.kind).ok()?;
            Some(entry(planned.name.as_str(), image, inputs))
        });
    let indexes = report
        .images
        .iter()
        .filter(|image| image.is_index())
        .filter_map(|image| {
            let index = &plan.index(&image.name)?.index;
            let inputs = serde_json::json!({ "index": index.images });
            Some(entry(index.name.as_str(), image, inputs))
        });
    let record = Record {
        version: 1,
        project,
        commit: &plan.commit,
        images: singles.chain(indexes).collect(),
    };
    let content = serde_json::to_vec(&record).expect("strings and numbers are always serializable");
    let end = blake3::hash(&content).to_hex();
    publisher
        .artifact(
            &format!("record-{}-{}", plan.commit, &end[..16]),
            MEDIA_TYPE,
            content,
        )
        .await
        .map(drop)
}
