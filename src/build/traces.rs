//! What commands did to the folders and files of Git content: `docs/keys.md` section 8.2.
//!
//! A patch is made without an engine, perhaps on another machine; what it must know of a stage stands in a label of the
//! stage's image. It is read off the stage's layer, once, when the stage is built.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read, Seek as _};

use kiel_stapel::listing::{FileMode, Listing};
use kiel_stapel::spec::GitMapping;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::SpooledTempFile;

use super::git_layers::{parents, target};
use super::links::Links;
use super::owners::Owners;
use crate::git::layer::folder_mode;
use crate::registry::{Descriptor, Extended, Frames, Registry, RegistryError, Repository};

/// The label of a stage's image.
const LABEL: &str = "dev.kiel.traces";
/// Larger layers are not read: then all folders stay.
const LAYER_LIMIT: u64 = 512 << 20;
const IN_MEMORY: usize = 8 << 20;
/// More than these are not noted.
const LIMIT: usize = 1000;

/// Paths in the image, relative to its root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Traces {
    /// Folders that hold something of the commands, or have got another owner or mode; `""`: all.
    kept: BTreeSet<String>,
    /// Folders and files that commands have removed or replaced by something else.
    gone: BTreeSet<String>,
}

/// What a layer says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// A folder with mode, owner and group.
    Folder(u32, u64, u64),
    Link,
    Other,
    Whiteout,
    /// What lower layers have in the folder is gone.
    Opaque,
}

/// Git's folders (with mode, owner and group as they were laid down) and files in an image.
#[derive(Debug, Default)]
pub(crate) struct Laid {
    folders: BTreeMap<String, (u32, u64, u64)>,
    files: BTreeSet<String>,
}

impl Laid {
    pub(crate) fn new(mappings: &[GitMapping], listings: &[Listing], links: &Links, owners: &Owners) -> Self {
        let mut laid = Self::default();
        for (mapping, listing) in mappings.iter().zip(listings) {
            let (owner, to) = (owners.of(mapping), mapping.to.trim_matches('/'));
            for file in listing.entries() {
                let path = target(mapping, file);
                let mut folders = parents(&path);
                if file.mode == FileMode::Commit {
                    folders.push(path);
                } else {
                    laid.files.insert(links.real_file(&path));
                }
                for folder in folders.into_iter().filter(|folder| folder.len() >= to.len()) {
                    let as_laid = (folder_mode(&folder), owner.user_id, owner.group_id);
                    laid.folders.insert(links.real_folder(&folder), as_laid);
                }
            }
        }
        laid
    }

    fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a String> {
        let all = self.folders.keys().chain(&self.files);
        all.filter(move |path| is_below(path, folder))
    }
}

impl Traces {
    /// What a stage's config says; where it says nothing, all folders are kept.
    pub(crate) fn read_label(config: &Value) -> Self {
        let label = config["config"]["Labels"][LABEL].as_str();
        let all = || Self {
            kept: [String::new()].into(),
            gone: BTreeSet::new(),
        };
        label
            .and_then(|label| serde_json::from_str(label).ok())
            .unwrap_or_else(all)
    }

    /// Notes them in a stage's config.
    pub(crate) fn write_label(traces: Option<&Self>, config: &mut Value) {
        let text = traces.and_then(|traces| serde_json::to_string(traces).ok());
        super::saw::set_label(config, LABEL, text);
    }

    /// Adds those of a stage's layer.
    pub(crate) async fn read_layer(
        mut self,
        laid: Laid,
        registry: &Registry,
        repository: &Repository,
        layer: &Descriptor,
    ) -> Result<Self, RegistryError> {
        if layer.size > LAYER_LIMIT {
            self.kept.insert(String::new());
            return Ok(self);
        }
        let mut file = SpooledTempFile::new(IN_MEMORY);
        registry.save_blob(repository, layer.digest, &mut file).await?;
        let (zstd, gzip) = (
            layer.media_type.ends_with("zstd"),
            layer.media_type.ends_with("gzip"),
        );
        let read = move || {
            file.rewind()?;
            match (zstd, gzip) {
                (true, _) => changes(Frames::new(BufReader::new(file))),
                (_, true) => changes(flate2::read::MultiGzDecoder::new(file)),
                _ => changes(file),
            }
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(changes)) => self.add(&laid, &changes),
            // Nothing is known of it: nothing is taken away.
            _ => drop(self.kept.insert(String::new())),
        }
        Ok(self)
    }

    /// Adds what changes do to Git's files and folders.
    pub(crate) fn add(&mut self, laid: &Laid, changes: &[(String, Change)]) {
        let there: BTreeSet<&String> = changes.iter().map(|(path, _)| path).collect();
        for (path, change) in changes {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let known = laid.folders.get(path);
            let is_ours = known.is_some() || laid.files.contains(path);
            match change {
                Change::Whiteout if is_ours => drop(self.gone.insert(path.clone())),
                Change::Opaque => {
                    let lost = laid.below(path).filter(|lost| !there.contains(lost));
                    self.gone.extend(lost.cloned());
                }
                Change::Folder(mode, user, group) if known.is_some() => {
                    if self.gone.remove(path) {
                        // Made again: what it held is still gone.
                        self.gone.extend(laid.below(path).cloned());
                        self.kept.insert(path.clone());
                    } else if known != Some(&(*mode, *user, *group)) {
                        self.kept.insert(path.clone());
                    }
                }
                Change::Other if known.is_some() => {
                    self.gone.insert(path.clone());
                    self.keep(laid, folder);
                }
                Change::Link if known.is_some() => {
                    self.kept.insert(path.clone());
                }
                Change::Other | Change::Link if is_ours => drop(self.gone.remove(path)),
                Change::Folder(..) | Change::Other | Change::Link => self.keep(laid, folder),
                Change::Whiteout => {}
            }
        }
        let gone = std::mem::take(&mut self.gone);
        for path in gone {
            if !self.hides(&path) {
                self.gone.insert(path);
            }
        }
        if self.kept.len() > LIMIT {
            self.kept = [String::new()].into();
        }
        if self.gone.len() > LIMIT {
            self.gone.clear();
        }
    }

    fn keep(&mut self, laid: &Laid, folder: &str) {
        if laid.folders.contains_key(folder) {
            self.kept.insert(folder.to_owned());
        }
    }

    /// Whether nothing of Git is to be seen at a path: commands have removed it, or a folder above it.
    pub(crate) fn hides(&self, path: &str) -> bool {
        self.gone.contains(path)
            || path
                .match_indices('/')
                .any(|(end, _)| self.gone.contains(&path[..end]))
    }

    /// Whether a folder of Git goes with its last file: commands have left nothing in it or below.
    pub(crate) fn lets_go(&self, folder: &str) -> bool {
        !self.kept.contains("")
            && !self.kept.contains(folder)
            && !self.kept.iter().any(|kept| is_below(kept, folder))
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// The changes of a layer.
fn changes(layer: impl Read) -> io::Result<Vec<(String, Change)>> {
    let (mut changes, mut extended) = (Vec::new(), Extended::default());
    for entry in tar::Archive::new(layer).entries()?.raw(true) {
        let mut entry = entry?;
        if extended.take(&mut entry)? {
            continue;
        }
        let extended = std::mem::take(&mut extended);
        let raw = extended.path(&entry);
        let path = raw.trim_start_matches("./").trim_matches('/');
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let header = entry.header();
        let number = |keyword: &str, plain: io::Result<u64>| extended.number(keyword).map_or(plain, Ok);
        let change = match (name.strip_prefix(".wh."), header.entry_type()) {
            (Some(".wh..opq"), _) => (folder.to_owned(), Change::Opaque),
            (Some(name), _) => {
                let path = format!("{folder}/{name}");
                (path.trim_start_matches('/').to_owned(), Change::Whiteout)
            }
            (None, tar::EntryType::Directory) => {
                let (user, group) = (number("uid", header.uid())?, number("gid", header.gid())?);
                (
                    path.to_owned(),
                    Change::Folder(header.mode()? & 0o7777, user, group),
                )
            }
            (None, tar::EntryType::Symlink) => (path.to_owned(), Change::Link),
            (None, _) => (path.to_owned(), Change::Other),
        };
        changes.push(change);
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiel_stapel::listing::FileEntry;
    use serde_json::json;

    fn laid() -> Laid {
        let mapping = GitMapping {
            to: "/app".into(),
            ..GitMapping::default()
        };
        let entry = |path: &&str| FileEntry {
            path: (*path).to_owned(),
            mode: FileMode::Regular,
            id: "0".repeat(40),
        };
        let listing = Listing::new(["a/b/x", "a/y", "c/z", "d"].iter().map(entry).collect());
        Laid::new(&[mapping], &[listing], &Links::default(), &Owners::default())
    }

    fn check(changes: &[(&str, Change)], kept: &[&str], gone: &[&str]) {
        let mut traces = Traces::default();
        let changes: Vec<_> = changes
            .iter()
            .map(|(path, change)| ((*path).to_owned(), *change))
            .collect();
        traces.add(&laid(), &changes);
        let set = |paths: &[&str]| {
            paths
                .iter()
                .map(|path| (*path).to_owned())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(
            (&traces.kept, &traces.gone),
            (&set(kept), &set(gone)),
            "{changes:?}"
        );
    }

    #[test]
    fn what_commands_did_is_told_by_their_layer() {
        use Change::{Folder, Link, Opaque, Other, Whiteout};
        let plain = Folder(0o755, 0, 0);
        check(&[("app", plain), ("app/a", plain), ("app/a/y", Other)], &[], &[]);
        check(&[("app/a", plain), ("app/a/own", Other)], &["app/a"], &[]);
        check(&[("app/a/own", plain)], &["app/a"], &[]);
        check(
            &[("app/a", Folder(0o700, 0, 0)), ("app/c", Folder(0o755, 5, 0))],
            &["app/a", "app/c"],
            &[],
        );
        check(
            &[("app/a", Whiteout), ("app/d", Whiteout), ("other", Whiteout)],
            &[],
            &["app/a", "app/d"],
        );
        check(&[("app/c", Other)], &["app"], &["app/c"]);
        check(&[("app/c", Link)], &["app/c"], &[]);
        check(
            &[("app/a", plain), ("app/a", Opaque), ("app/a/y", Other)],
            &[],
            &["app/a/b"],
        );
        check(&[("app/a", Whiteout), ("app/a/b", Whiteout)], &[], &["app/a"]);
    }

    #[test]
    fn a_folder_that_is_made_again_is_the_commands() {
        let mut traces = Traces::default();
        traces.add(&laid(), &[("app/a".into(), Change::Whiteout)]);
        assert!(traces.hides("app/a/b/new") && !traces.hides("app/ab"));
        traces.add(&laid(), &[("app/a".into(), Change::Folder(0o755, 0, 0))]);
        assert!(traces.hides("app/a/b/new") && traces.hides("app/a/y") && !traces.hides("app/a/new"));
        assert!(!traces.lets_go("app") && !traces.lets_go("app/a") && traces.lets_go("app/c"));
    }

    #[test]
    fn the_label_tells_them_and_none_means_all() {
        let mut config = json!({});
        assert!(!Traces::read_label(&config).lets_go("app"));
        let mut traces = Traces::default();
        traces.add(&laid(), &[("app/c".into(), Change::Other)]);
        Traces::write_label(Some(&traces), &mut config);
        assert_eq!(
            config["config"]["Labels"][LABEL],
            r#"{"kept":["app"],"gone":["app/c"]}"#
        );
        assert_eq!(Traces::read_label(&config), traces);
        let many: Vec<_> = (0..=LIMIT)
            .map(|number| (format!("app/{number}/x"), Change::Folder(0, 0, 0)))
            .collect();
        let mut laid = laid();
        laid.folders
            .extend((0..=LIMIT).map(|number| (format!("app/{number}"), (0o755, 0, 0))));
        traces.add(&laid, &many);
        assert!(!traces.lets_go("anything"));
    }

    #[test]
    fn layers_are_read_with_all_their_names() {
        let mut layer = tar::Builder::new(Vec::new());
        let mut add = |path: &str, kind, mode| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_uid(3);
            header.set_gid(4);
            header.set_size(0);
            layer
                .append_data(&mut header, path, io::empty())
                .expect("an entry");
        };
        let long = "n".repeat(120);
        add("./a/", tar::EntryType::Directory, 0o750);
        add("a/.wh.gone", tar::EntryType::Regular, 0);
        add("a/.wh..wh..opq", tar::EntryType::Regular, 0);
        add(&long, tar::EntryType::Regular, 0o644);
        add(".wh.top", tar::EntryType::Regular, 0);
        let bytes = layer.into_inner().expect("an archive");
        let want = [
            ("a".to_owned(), Change::Folder(0o750, 3, 4)),
            ("a/gone".to_owned(), Change::Whiteout),
            ("a".to_owned(), Change::Opaque),
            (long, Change::Other),
            ("top".to_owned(), Change::Whiteout),
        ];
        assert_eq!(changes(&bytes[..]).expect("a layer"), want);
    }
}
