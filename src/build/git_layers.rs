//! Layers of Git content for an image: archives of its mappings, and patches from what a stage saw.
//!
//! They hold what the mapping says and nothing more: folders that the image has keep their owner and mode.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kiel_stapel::listing::{FileEntry, Listing};
use kiel_stapel::spec::GitMapping;

use crate::git::SourceTree;
use crate::git::layer::{Content, Layer, LayerEntry, LayerError, Owner, mapping_entries, write_layer};
use crate::registry::{Blob, BlobRead};

/// The files of one mapping; the folders above it are the image's own. Reads blobs: not for async code.
pub(crate) fn archive(mapping: &GitMapping, files: &Listing, tree: &SourceTree) -> Result<Blob, LayerError> {
    let mut entries = mapping_entries(files, &mapping.to, &owner(mapping));
    let to = mapping.to.trim_matches('/');
    let mut kept = parents(to);
    // Without an owner of its own the mapping's folder stays as it is, too.
    let is_file = files.entries().iter().any(|file| file.path.is_empty());
    if mapping.owner.is_none() && mapping.group.is_none() && !is_file && !to.is_empty() {
        kept.push(to.to_owned());
    }
    entries.extend(kept.iter().map(|path| entry(path, Content::Kept)));
    write(entries, tree)
}

/// What is a link to a folder in many images.
const LINKS: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "var/run", "var/lock"];

/// The first file of a mapping that lies below a folder which is a link in many images, and that folder: where it is
/// one, the layer puts a folder in its place.
pub(crate) fn below_link(mapping: &GitMapping, files: &Listing) -> Option<(String, &'static str)> {
    files.entries().iter().find_map(|file| {
        let path = target(mapping, file);
        let below = |link: &&&str| {
            path.strip_prefix(**link)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let link = LINKS.iter().find(below)?;
        Some((path, *link))
    })
}

/// The files of a folder as an image's root.
pub(crate) fn context(files: &Listing, tree: &SourceTree) -> Result<Blob, LayerError> {
    write(mapping_entries(files, "", &Owner::default()), tree)
}

/// What turns `before` into `after`, one listing for each mapping; nothing where they are equal.
///
/// Folders that are there already are in no patch: commands may have changed their owner or mode.
pub(crate) fn patch(
    mappings: &[GitMapping],
    before: &[Listing],
    after: &[Listing],
    tree: &SourceTree,
) -> Result<Option<Blob>, LayerError> {
    if before == after {
        return Ok(None);
    }
    let there: BTreeSet<String> = targets(mappings, after).collect();
    let gone: Vec<String> = targets(mappings, before)
        .filter(|path| is_gone(path, &there))
        .collect();
    let mut folders: BTreeSet<String> = targets(mappings, before)
        .flat_map(|path| parents(&path))
        .collect();
    folders.extend(
        mappings
            .iter()
            .flat_map(|mapping| parents(mapping.to.trim_matches('/'))),
    );
    let mut entries = Vec::new();
    for ((mapping, before), after) in mappings.iter().zip(before).zip(after) {
        let old: BTreeMap<&str, &FileEntry> = before
            .entries()
            .iter()
            .map(|entry| (entry.path.as_str(), entry))
            .collect();
        let changed = after
            .entries()
            .iter()
            .filter(|entry| old.get(entry.path.as_str()) != Some(entry));
        entries.extend(mapping_entries(
            &Listing::new(changed.cloned().collect()),
            &mapping.to,
            &owner(mapping),
        ));
    }
    entries.extend(gone.iter().map(|path| entry(path, Content::Whiteout)));
    let needed: BTreeSet<String> = entries.iter().flat_map(|entry| parents(&entry.path)).collect();
    let kept: Vec<&String> = needed
        .intersection(&folders)
        .filter(|folder| !there.contains(*folder))
        .collect();
    entries.extend(kept.iter().map(|path| entry(path, Content::Kept)));
    write(entries, tree).map(Some)
}

fn targets<'a>(mappings: &'a [GitMapping], listings: &'a [Listing]) -> impl Iterator<Item = String> + 'a {
    let pairs = mappings.iter().zip(listings);
    pairs.flat_map(|(mapping, listing)| listing.entries().iter().map(|entry| target(mapping, entry)))
}

/// The folders above a path.
fn parents(path: &str) -> Vec<String> {
    path.match_indices('/')
        .map(|(end, _)| path[..end].to_owned())
        .collect()
}

/// Whether a file of before has to be removed: not where it, something below it, or a file in place of one of its
/// folders is there now, which replaces it.
fn is_gone(path: &str, there: &BTreeSet<String>) -> bool {
    let below = format!("{path}/");
    let replaced = there
        .range(below.clone()..)
        .next()
        .is_some_and(|next| next.starts_with(&below));
    let above = path
        .match_indices('/')
        .any(|(end, _)| there.contains(&path[..end]));
    !there.contains(path) && !replaced && !above
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

impl BlobRead for Layer {
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Bytes> {
        Layer::read_at(self, offset, length)
    }
}

/// A large layer stays in its file: pushing it and serving it to an engine read it piece by piece.
fn write(entries: Vec<LayerEntry>, tree: &SourceTree) -> Result<Blob, LayerError> {
    let layer = write_layer(entries, tree)?;
    let digest = layer.digest.parse().expect("a layer's digest is one");
    let size = layer.size;
    Ok(Blob::from_reader(Arc::new(layer), digest, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_below_links_of_many_images_are_found() {
        let mapping = |to: &str| GitMapping {
            to: to.into(),
            ..GitMapping::default()
        };
        let files = |paths: &[&str]| {
            let entry = |path: &&str| FileEntry {
                path: (*path).to_owned(),
                mode: kiel_stapel::listing::FileMode::Regular,
                id: "0".repeat(40),
            };
            Listing::new(paths.iter().map(entry).collect())
        };
        let found = below_link(&mapping("/"), &files(&["a", "bin/x"]));
        assert_eq!(found, Some(("bin/x".to_owned(), "bin")));
        let found = below_link(&mapping("/lib/x.so"), &files(&[""]));
        assert_eq!(found, Some(("lib/x.so".to_owned(), "lib")));
        for (to, path) in [
            ("/", "binary/x"),
            ("/bin", ""),
            ("/usr/bin", "x"),
            ("/app", "lib/x"),
        ] {
            assert_eq!(below_link(&mapping(to), &files(&[path])), None, "{to} {path}");
        }
    }

    #[test]
    fn only_what_nothing_replaces_is_removed() {
        let there = ["a/b/c", "d", "e-f"].map(str::to_owned).into();
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
