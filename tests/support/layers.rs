//! Layers unpacked onto a list of files as an engine does it: whiteouts, opaque folders, links on the way, and a folder
//! that is none is an error.

use std::collections::BTreeMap;
use std::io::Read as _;

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: tar::EntryType,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Target of a link, else empty.
    pub(crate) link: String,
    pub(crate) content: Vec<u8>,
}

impl Found {
    fn folder() -> Self {
        Self {
            kind: tar::EntryType::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            link: String::new(),
            content: Vec::new(),
        }
    }
}

/// The files of an image by path, without a leading slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Files(pub(crate) BTreeMap<String, Found>);

impl Files {
    /// Unpacks an uncompressed layer.
    pub(crate) fn apply(&mut self, layer: &[u8]) -> Result<(), String> {
        let error = |error: std::io::Error| error.to_string();
        // Opaque folders lose what lower layers have, wherever the marker stands in the layer.
        let mut ours: Vec<String> = Vec::new();
        for entry in tar::Archive::new(layer).entries().map_err(error)? {
            let mut entry = entry.map_err(error)?;
            let raw =
                String::from_utf8(entry.path_bytes().into_owned()).map_err(|error| error.to_string())?;
            let path = raw.trim_end_matches('/');
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let folder = self.folder(folder)?;
            let join = |name: &str| format!("{folder}/{name}").trim_start_matches('/').to_owned();
            if name == ".wh..wh..opq" {
                self.0
                    .retain(|path, _| !is_below(path, &folder) || ours.contains(path));
                continue;
            }
            if let Some(gone) = name.strip_prefix(".wh.") {
                self.remove(&join(gone));
                continue;
            }
            let header = entry.header();
            let mut found = Found {
                kind: header.entry_type(),
                mode: header.mode().map_err(error)?,
                uid: header.uid().map_err(error)?,
                gid: header.gid().map_err(error)?,
                link: String::new(),
                content: Vec::new(),
            };
            if let Some(link) = entry.link_name_bytes() {
                found.link = String::from_utf8(link.into_owned()).map_err(|error| error.to_string())?;
            }
            entry.read_to_end(&mut found.content).map_err(error)?;
            let path = join(name);
            let stays = found.kind.is_dir() && self.0.get(&path).is_some_and(|there| there.kind.is_dir());
            if !stays {
                self.remove(&path);
            }
            ours.push(path.clone());
            self.0.insert(path, found);
        }
        Ok(())
    }

    /// Removes a path and what is below it.
    pub(crate) fn remove(&mut self, path: &str) {
        self.0.retain(|other, _| other != path && !is_below(other, path));
    }

    /// Where a folder really lies; it is made where it is missing.
    fn folder(&mut self, path: &str) -> Result<String, String> {
        let mut open: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut here, mut links) = (Vec::<String>::new(), 0);
        while let Some(part) = open.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => drop(here.pop()),
                _ => {
                    here.push(part);
                    let at = here.join("/");
                    let there = self.0.entry(at.clone()).or_insert_with(Found::folder);
                    if there.kind.is_symlink() {
                        links += 1;
                        if links > 40 {
                            return Err(format!("`{path}` has too many links"));
                        }
                        here.pop();
                        if there.link.starts_with('/') {
                            here.clear();
                        }
                        open.extend(there.link.split('/').rev().map(str::to_owned));
                    } else if !there.kind.is_dir() {
                        return Err(format!("`{at}`, above an entry, is no folder"));
                    }
                }
            }
        }
        Ok(here.join("/"))
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}
