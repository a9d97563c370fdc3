//! Looking into the result of a solve: files, and folders that are links.
//!
//! A link is followed within the result only, as a process in the image would follow it; nothing is written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bollard_buildkit_proto::moby::buildkit::v1::frontend as bridge;
use bytes::Bytes;
use tonic::Status;

use super::gateway::Bridge;

/// As many links as Linux follows in one path.
const LINK_LIMIT: usize = 40;

/// Go's mode bits of a folder and of a symbolic link, as the engine sends them.
const IS_FOLDER: u32 = 1 << 31;
const IS_LINK: u32 = 1 << 27;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Folder,
    Link(String),
    File,
}

type Folder = BTreeMap<String, Entry>;

/// A result that is open in the engine. Each of its folders is listed once.
pub(super) struct Look<'a> {
    bridge: &'a mut Bridge,
    id: String,
    folders: BTreeMap<String, Folder>,
}

impl<'a> Look<'a> {
    pub(super) fn new(bridge: &'a mut Bridge, id: &str) -> Self {
        Self {
            bridge,
            id: id.to_owned(),
            folders: BTreeMap::new(),
        }
    }

    /// A file's content.
    pub(super) async fn read(&mut self, path: &str) -> Result<Bytes, Status> {
        let read = bridge::ReadFileRequest {
            r#ref: self.id.clone(),
            file_path: path.to_owned(),
            ..bridge::ReadFileRequest::default()
        };
        Ok(self.bridge.read_file(read).await?.into_inner().data.into())
    }

    /// The links to folders among what lies in `/`, in the given folders and in those above them, each with the
    /// folder that it leads to in the end. Paths are relative to the root, without slashes at their ends.
    pub(super) async fn links(
        &mut self,
        folders: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, Status> {
        let mut visited = BTreeSet::from([String::new()]);
        for folder in folders {
            visited.extend(folder.match_indices('/').map(|(end, _)| folder[..end].to_owned()));
            visited.insert(folder.clone());
        }
        let mut links = BTreeMap::new();
        for folder in visited {
            let Some(real) = self.resolve(&folder).await? else {
                continue;
            };
            let names: Vec<String> = self.list(&real).await?.iter().filter_map(link_name).collect();
            for name in names {
                let path = join(&folder, &name);
                if let Some(target) = self.resolve(&path).await? {
                    links.insert(path, target);
                }
            }
        }
        Ok(links)
    }

    /// The folder that a path leads to; nothing where it leads to none.
    async fn resolve(&mut self, path: &str) -> Result<Option<String>, Status> {
        let mut rest: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut real = String::new();
        let mut followed = 0;
        while let Some(name) = rest.pop_front() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    real.truncate(real.rfind('/').unwrap_or_default());
                    continue;
                }
                _ => {}
            }
            match self.list(&real).await?.get(&name) {
                Some(Entry::Folder) => real = join(&real, &name),
                Some(Entry::Link(target)) if followed < LINK_LIMIT => {
                    followed += 1;
                    let target = target.clone();
                    if target.starts_with('/') {
                        real.clear();
                    }
                    target
                        .split('/')
                        .rev()
                        .for_each(|part| rest.push_front(part.to_owned()));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(real))
    }

    /// What lies in a folder that is there.
    async fn list(&mut self, folder: &str) -> Result<&Folder, Status> {
        if !self.folders.contains_key(folder) {
            let request = bridge::ReadDirRequest {
                r#ref: self.id.clone(),
                dir_path: format!("/{folder}"),
                ..bridge::ReadDirRequest::default()
            };
            let entries = self.bridge.read_dir(request).await?.into_inner().entries;
            let entries = entries.into_iter().map(|entry| {
                let kind = if entry.mode & IS_FOLDER != 0 {
                    Entry::Folder
                } else if entry.mode & IS_LINK != 0 {
                    Entry::Link(entry.linkname)
                } else {
                    Entry::File
                };
                (entry.path, kind)
            });
            self.folders.insert(folder.to_owned(), entries.collect());
        }
        Ok(&self.folders[folder])
    }
}

fn link_name((name, entry): (&String, &Entry)) -> Option<String> {
    matches!(entry, Entry::Link(_)).then(|| name.clone())
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}
