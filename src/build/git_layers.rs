//! Layers of Git content for an image: archives of its mappings, and patches from what a stage saw.
//!
//! They hold what the mapping says and nothing more: folders that the image has keep their owner and mode.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kiel_stapel::listing::{FileEntry, FileMode, Listing};
use kiel_stapel::spec::GitMapping;

use super::links::Links;
use super::owners::Owners;
use super::traces::Traces;
use crate::git::SourceTree;
use crate::git::layer::{Content, Layer, LayerEntry, LayerError, Owner, mapping_entries, write_layer};
use crate::registry::{Blob, BlobRead};

/// The files of one mapping; the folders above it are the image's own. Reads blobs: not for async code.
pub(crate) fn archive(
    mapping: &GitMapping,
    files: &Listing,
    around: &Around,
    tree: &SourceTree,
) -> Result<Made, LayerError> {
    let mut entries = mapping_entries(files, &mapping.to, &around.owners.of(mapping));
    let kept = folders_of_the_image(mapping, files);
    entries.extend(kept.iter().map(|path| entry(path, Content::Kept)));
    around.links.follow(&mut entries);
    write(entries, tree)
}

/// The folders above a mapping and, without an owner of its own, its folder: they stay as the image has them.
fn folders_of_the_image(mapping: &GitMapping, files: &Listing) -> Vec<String> {
    let to = mapping.to.trim_matches('/');
    let mut kept = parents(to);
    let is_file = files.entries().iter().any(|file| file.path.is_empty());
    if mapping.owner.is_none() && mapping.group.is_none() && !is_file && !to.is_empty() {
        kept.push(to.to_owned());
    }
    kept
}

/// A layer of Git content.
pub(crate) struct Made {
    pub(crate) blob: Blob,
    /// Files that are pointers of Git LFS.
    pub(crate) pointers: Vec<String>,
}

/// The files of a folder as an image's root.
pub(crate) fn context(files: &Listing, tree: &SourceTree) -> Result<Made, LayerError> {
    write(mapping_entries(files, "", &Owner::default()), tree)
}

/// What commands have made of an image since its mappings were laid down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Around {
    pub(crate) links: Links,
    pub(crate) traces: Traces,
    pub(crate) owners: Owners,
}

/// What turns `before` into `after`, one listing for each mapping; nothing where they are equal.
///
/// Folders that are there already are in no patch: commands may have changed their owner or mode. One that has become
/// empty goes if commands have left nothing in it, and what commands have removed or replaced stays so.
pub(crate) fn patch(
    mappings: &[GitMapping],
    before: &[Listing],
    after: &[Listing],
    around: &Around,
    tree: &SourceTree,
) -> Result<Option<Made>, LayerError> {
    if before == after {
        return Ok(None);
    }
    let there: BTreeMap<String, FileMode> = targets(mappings, after).collect();
    let stays = |path: &str, mode| {
        // A submodule is a folder: commands may have put something there.
        mode == FileMode::Commit && !around.traces.lets_go(&around.links.real_folder(path))
    };
    let gone: Vec<String> = targets(mappings, before)
        .filter(|(path, mode)| is_gone(path, &there) && !stays(path, *mode))
        .map(|(path, _)| path)
        .collect();
    let mut folders: BTreeSet<String> = targets(mappings, before)
        .flat_map(|(path, _)| parents(&path))
        .collect();
    let emptied = emptied(&folders, &there, around);
    let pairs = mappings.iter().zip(after);
    folders.extend(pairs.flat_map(|(mapping, files)| folders_of_the_image(mapping, files)));
    let mut entries = Vec::new();
    for ((mapping, before), after) in mappings.iter().zip(before).zip(after) {
        let old: BTreeMap<&str, &FileEntry> = before
            .entries()
            .iter()
            .map(|entry| (entry.path.as_str(), entry))
            .collect();
        let same = |entry: &FileEntry| {
            old.get(entry.path.as_str()).is_some_and(|old| {
                // A submodule is an empty folder, whatever its commit.
                **old == *entry || old.mode == FileMode::Commit && entry.mode == FileMode::Commit
            })
        };
        let changed = after.entries().iter().filter(|entry| !same(entry));
        entries.extend(mapping_entries(
            &Listing::new(changed.cloned().collect()),
            &mapping.to,
            &around.owners.of(mapping),
        ));
    }
    let gone = gone.iter().filter(|path| !is_within(path, &emptied));
    let gone = gone.chain(&emptied);
    entries.extend(gone.map(|path| entry(path, Content::Whiteout)));
    let needed: BTreeSet<String> = entries.iter().flat_map(|entry| parents(&entry.path)).collect();
    let kept: Vec<&String> = needed
        .intersection(&folders)
        .filter(|folder| !there.contains_key(*folder))
        .collect();
    entries.extend(kept.iter().map(|path| entry(path, Content::Kept)));
    around.links.follow(&mut entries);
    entries.retain(|entry| !around.traces.hides(&entry.path));
    if entries.iter().all(|entry| entry.content == Content::Kept) {
        return Ok(None);
    }
    write(entries, tree).map(Some)
}

/// The folders of before in which nothing is any more; of nested ones the outermost.
fn emptied(
    folders: &BTreeSet<String>,
    there: &BTreeMap<String, FileMode>,
    Around { links, traces, .. }: &Around,
) -> BTreeSet<String> {
    let mut emptied = BTreeSet::new();
    for folder in folders {
        let goes = is_gone(folder, there)
            && !links.is_link(folder)
            && traces.lets_go(&links.real_folder(folder))
            && !is_within(folder, &emptied);
        if goes {
            emptied.insert(folder.clone());
        }
    }
    emptied
}

fn is_within(path: &str, folders: &BTreeSet<String>) -> bool {
    path.match_indices('/')
        .any(|(end, _)| folders.contains(&path[..end]))
}

fn targets<'a>(
    mappings: &'a [GitMapping],
    listings: &'a [Listing],
) -> impl Iterator<Item = (String, FileMode)> + 'a {
    let pairs = mappings.iter().zip(listings);
    pairs.flat_map(|(mapping, listing)| {
        let entries = listing.entries().iter();
        entries.map(|entry| (target(mapping, entry), entry.mode))
    })
}

/// The folders above a path.
pub(super) fn parents(path: &str) -> Vec<String> {
    path.match_indices('/')
        .map(|(end, _)| path[..end].to_owned())
        .collect()
}

/// Whether a file of before has to be removed: not where it, something below it, or a file in place of one of its
/// folders is there now, which replaces it. A submodule is a folder: it replaces nothing that lay in it.
fn is_gone(path: &str, there: &BTreeMap<String, FileMode>) -> bool {
    let below = format!("{path}/");
    let replaced = there
        .range(below.clone()..)
        .next()
        .is_some_and(|(next, _)| next.starts_with(&below));
    let above = path
        .match_indices('/')
        .filter_map(|(end, _)| there.get(&path[..end]))
        .any(|mode| *mode != FileMode::Commit);
    !there.contains_key(path) && !replaced && !above
}

/// Where a file of a mapping lies in the image.
pub(super) fn target(mapping: &GitMapping, entry: &FileEntry) -> String {
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

impl BlobRead for Layer {
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Bytes> {
        Layer::read_at(self, offset, length)
    }
}

/// A large layer stays in its file: pushing it and serving it to an engine read it piece by piece.
fn write(entries: Vec<LayerEntry>, tree: &SourceTree) -> Result<Made, LayerError> {
    let mut layer = write_layer(entries, tree)?;
    let digest = layer.digest.parse().expect("a layer's digest is one");
    let size = layer.size;
    Ok(Made {
        pointers: std::mem::take(&mut layer.pointers),
        blob: Blob::from_reader(Arc::new(layer), digest, size),
    })
}

#[cfg(test)]
#[path = "git_layers_tests.rs"]
mod random;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nothing_replaces_is_removed() {
        let mode = |path| match path {
            "m" => FileMode::Commit,
            _ => FileMode::Regular,
        };
        let there = ["a/b/c", "d", "e-f", "m"]
            .map(|path| (path.to_owned(), mode(path)))
            .into();
        for (path, gone) in [
            ("x", true),
            ("a/b/x", true),
            ("a/b", false),
            ("a", false),
            ("d/x", false),
            ("m/x", true),
            ("e", true),
            ("d", false),
        ] {
            assert_eq!(is_gone(path, &there), gone, "{path}");
        }
    }
}
