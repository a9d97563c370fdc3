//! Tells why images are built: compares their keys' inputs with the record of the build before.
//!
//! Runs beside the build and never holds it up or fails it: without a record, or without the history to find one,
//! nothing is told. Costs a list of tags and a record; nothing where all images are there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::plan::BuildPlan;
use super::publish::Publisher;
use crate::event::{Event, Events};
use crate::git::SourceTree;
use crate::images::{PlannedImage, changes};
use crate::registry::RegistryError;

/// How many commits back a record is looked for.
const COMMITS: usize = 100;
/// Records that are read: one names the images of its own build only.
const RECORDS: usize = 3;
/// Longer nobody waits for a reason.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Record {
    images: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    key: String,
    platform: String,
    inputs: Value,
}

/// Tells the reasons for the images that the plan misses.
pub(crate) async fn tell(plan: &BuildPlan, publisher: &Publisher, tree: &SourceTree, events: &Events) {
    match tokio::time::timeout(LIMIT, find(plan, publisher, tree, events)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "no record was read"),
        Err(_) => tracing::debug!("no record was found in time"),
    }
}

async fn find(
    plan: &BuildPlan,
    publisher: &Publisher,
    tree: &SourceTree,
    events: &Events,
) -> Result<(), RegistryError> {
    let mut missing = plan.missing();
    if missing.is_empty() {
        return Ok(());
    }
    let records = records(publisher).await?;
    if records.is_empty() {
        return Ok(());
    }
    let tree = tree.clone();
    let commits = tokio::task::spawn_blocking(move || tree.line_of_commits(COMMITS)).await;
    let with_record = commits
        .unwrap_or_default()
        .into_iter()
        .filter_map(|tree| Some((records.get(&tree.commit().id)?.clone(), tree)));
    let tags = with_record.flat_map(|(tags, tree)| tags.into_iter().map(move |tag| (tag, tree.clone())));
    for (tag, tree) in tags.take(RECORDS) {
        let Some(content) = publisher.read_artifact(&tag).await? else {
            continue;
        };
        let Ok(record) = serde_json::from_slice::<Record>(&content) else {
            continue;
        };
        missing.retain(|image| !compare(image, &record, &tree, events));
        if missing.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Records by the commit that they are of.
async fn records(publisher: &Publisher) -> Result<BTreeMap<String, Vec<String>>, RegistryError> {
    let mut records: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for tag in publisher.registry.tags(&publisher.repository).await? {
        let Some((commit, _)) = tag.strip_prefix("record-").and_then(|rest| rest.split_once('-')) else {
            continue;
        };
        records.entry(commit.to_owned()).or_default().push(tag);
    }
    Ok(records)
}

/// Whether the record knows the image.
fn compare(image: &PlannedImage, record: &Record, tree: &SourceTree, events: &Events) -> bool {
    let same = |entry: &&Entry| entry.name == image.name && entry.platform == image.platform.to_string();
    let Some(entry) = record.images.iter().find(same) else {
        return false;
    };
    let reasons = if entry.key == image.key().to_string() {
        vec!["it is gone from the registry".to_owned()]
    } else {
        changes::changes(image, &entry.inputs, &|path, entry| {
            let before = tree.entry(path).ok().flatten();
            before.is_none_or(|(mode, id)| mode != entry.mode || id != entry.id)
        })
    };
    for reason in reasons {
        events.send(Event::Reason {
            image: image.title.clone(),
            reason,
        });
    }
    true
}
