//! Layers of Git content for an image: archives of its mappings, and patches from what a stage saw.

use std::collections::BTreeMap;

use kiel_stapel::listing::{FileEntry, FileMode, Listing};
use kiel_stapel::spec::GitMapping;

use crate::git::SourceTree;
use crate::git::layer::{Content, LayerEntry, LayerError, Owner, mapping_entries, write_layer};
use crate::registry::Blob;

/// A patch as a layer, and the image below which an engine needs to see its removals.
#[derive(Debug)]
pub(crate) struct Patch {
    pub(crate) layer: Blob,
    pub(crate) shadow: Blob,
}

/// The files of one mapping. Reads blobs: not for async code.
pub(crate) fn archive(mapping: &GitMapping, files: &Listing, tree: &SourceTree) -> Result<Blob, LayerError> {
    write(mapping_entries(files, &mapping.to, &owner(mapping)), tree)
}

/// The files of a folder as an image's root.
pub(crate) fn context(files: &Listing, tree: &SourceTree) -> Result<Blob, LayerError> {
    write(mapping_entries(files, "", &Owner::default()), tree)
}

/// What turns `before` into `after`, one listing for each mapping; nothing where they are equal.
pub(crate) fn patch(
    mappings: &[GitMapping],
    before: &[Listing],
    after: &[Listing],
    tree: &SourceTree,
) -> Result<Option<Patch>, LayerError> {
    if before == after {
        return Ok(None);
    }
    let mut there: BTreeMap<String, ()> = BTreeMap::new();
    for (mapping, listing) in mappings.iter().zip(after) {
        there.extend(listing.entries().iter().map(|entry| (target(mapping, entry), ())));
    }
    let (mut entries, mut gone) = (Vec::new(), Vec::new());
    for ((mapping, before), after) in mappings.iter().zip(before).zip(after) {
        let old: BTreeMap<&str, &FileEntry> = before
            .entries()
            .iter()
            .map(|entry| (entry.path.as_str(), entry))
            .collect();
        let changed = after
            .entries()
            .iter()
            .filter(|entry| old.get(entry.path.as_str()).copied() != Some(*entry));
        entries.extend(mapping_entries(
            &Listing::new(changed.cloned().collect()),
            &mapping.to,
            &owner(mapping),
        ));
        gone.extend(
            before
                .entries()
                .iter()
                .map(|entry| target(mapping, entry))
                .filter(|path| is_gone(path, &there)),
        );
    }
    let mut whiteouts = entries;
    whiteouts.extend(gone.iter().map(|path| entry(path, Content::Whiteout)));
    let shadow = gone
        .iter()
        .map(|path| entry(path, Content::Bytes(FileMode::Regular, Vec::new())));
    Ok(Some(Patch {
        layer: write(whiteouts, tree)?,
        shadow: write(shadow.collect(), tree)?,
    }))
}

/// Whether a file of before has to be removed: not where it, something below it, or a file in place of one of its
/// folders is there now, which replaces it.
fn is_gone(path: &str, there: &BTreeMap<String, ()>) -> bool {
    let below = format!("{path}/");
    let replaced = there
        .range(below.clone()..)
        .next()
        .is_some_and(|(next, ())| next.starts_with(&below));
    let above = path
        .match_indices('/')
        .any(|(end, _)| there.contains_key(&path[..end]));
    !there.contains_key(path) && !replaced && !above
}

fn target(mapping: &GitMapping, entry: &FileEntry) -> String {
    format!("{}/{}", mapping.to.trim_matches('/'), entry.path)
        .trim_matches('/')
        .to_owned()
}

fn entry(path: &str, content: Content) -> LayerEntry {
    LayerEntry {
        path: path.to_owned(),
        content,
        owner: Owner::default(),
    }
}

fn owner(mapping: &GitMapping) -> Owner {
    let number = |owner: &Option<String>| {
        owner
            .as_ref()
            .and_then(|owner| owner.parse().ok())
            .unwrap_or_default()
    };
    Owner {
        user_id: number(&mapping.owner),
        group_id: number(&mapping.group),
        ..Owner::default()
    }
}

fn write(entries: Vec<LayerEntry>, tree: &SourceTree) -> Result<Blob, LayerError> {
    let layer = write_layer(entries, tree)?;
    layer.bytes().map(Blob::from_bytes).map_err(LayerError::Write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nothing_replaces_is_removed() {
        let there = ["a/b/c", "d", "e-f"].map(|path| (path.to_owned(), ())).into();
        for (path, gone) in [
            ("x", true),
            ("a/b/x", true),
            ("a/b", false),
            ("a", false),
            ("d/x", false),
            ("e", true),
            ("d", false),
        ] {
            assert_eq!(is_gone(path, &there), gone, "{path}");
        }
    }
}
