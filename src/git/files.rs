//! A commit's files as `config` and `chart` read them: by path, links followed inside the tree.

use std::sync::Arc;

use gix::objs::tree::EntryKind;
use kiel_stapel::listing::FileMode;
use kiel_template::files::{FileError, FileTree};

use super::patterns::PathMatch;
use super::tree::Entry;
use super::{GitError, SourceTree};

/// As many links as Linux follows for one path.
const MAX_LINKS: usize = 40;

/// The files of a folder of a commit. Links are followed as long as they stay in the repository; one that leads out
/// of it is an error when it is read. A link into nothing is nothing, and so is a path that leads out by itself.
#[derive(Debug, Clone)]
pub struct CommitFiles {
    tree: SourceTree,
    /// Without slashes at its ends.
    root: String,
}

/// Links to folders can multiply without a loop; nobody has so many.
const MAX_FOLDER_LINKS: usize = 10_000;

struct ListWalk<'a> {
    /// Where the folders lie that are being listed.
    above: Vec<String>,
    followed: usize,
    found: Vec<String>,
    wanted: Wanted<'a>,
}

/// Which files a list has, and in which folders some may be.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    matches: &'a dyn Fn(&str) -> bool,
    enters: &'a dyn Fn(&str) -> bool,
}

/// What counts of a folder that has another name in the list: a link may lead to a folder.
struct Named<'a> {
    prefix: &'a str,
    wanted: Wanted<'a>,
}

impl Named<'_> {
    fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix).trim_matches('/').to_owned()
    }
}

impl PathMatch for Named<'_> {
    fn matches(&self, path: &str) -> bool {
        let name = self.name(path);
        (self.wanted.matches)(&name) || (self.wanted.enters)(&name)
    }

    fn may_match_below(&self, dir: &str) -> bool {
        (self.wanted.enters)(&self.name(dir))
    }
}

impl SourceTree {
    /// The files below `dir`, with paths relative to it.
    #[must_use]
    pub fn files_at(&self, dir: &str) -> CommitFiles {
        CommitFiles {
            tree: self.clone(),
            root: dir.trim_matches('/').into(),
        }
    }

    /// Where `path` leads when all links in it are followed; nothing where a link leads into nothing.
    ///
    /// # Errors
    /// A link leaves the repository, or there are too many of them.
    pub fn resolve(&self, path: &str) -> Result<Option<String>, GitError> {
        Ok(self.follow(path)?.map(|(path, _)| path))
    }

    /// The links that lie on the way to `path`, in the order in which they are met.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub(super) fn links(&self, path: &str) -> Result<Vec<String>, GitError> {
        let mut links = Vec::new();
        self.follow_with(path, &mut |link| links.push(link.to_owned()))?;
        Ok(links)
    }

    fn follow(&self, path: &str) -> Result<Option<(String, Entry)>, GitError> {
        self.follow_with(path, &mut |_| {})
    }

    fn follow_with(
        &self,
        path: &str,
        on_link: &mut dyn FnMut(&str),
    ) -> Result<Option<(String, Entry)>, GitError> {
        let mut open: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut done, mut links): (Vec<String>, usize) = (Vec::new(), 0);
        let mut last_link = (path.to_owned(), String::new());
        while let Some(part) = open.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." if done.pop().is_some() => continue,
                ".." if links == 0 => return Ok(None),
                ".." => {
                    return Err(GitError::LinkLeaves {
                        path: last_link.0,
                        target: last_link.1,
                    });
                }
                _ => done.push(part),
            }
            let here = done.join("/");
            let Some(entry) = self.find(&here)? else {
                return Ok(None);
            };
            if entry.kind != EntryKind::Link {
                continue;
            }
            on_link(&here);
            links += 1;
            if links > MAX_LINKS {
                return Err(GitError::LinkLoop(path.into()));
            }
            let target = String::from_utf8(self.read_blob(entry.id, &here)?)
                .map_err(|_| GitError::Name(here.clone()))?;
            if target.starts_with('/') {
                return Err(GitError::LinkLeaves { path: here, target });
            }
            done.pop();
            open.extend(target.split('/').rev().map(str::to_owned));
            last_link = (here, target);
        }
        let path = done.join("/");
        Ok(self.find(&path)?.map(|entry| (path, entry)))
    }
}

impl CommitFiles {
    /// The folder, relative to the repository's root.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The tree that it is part of.
    #[must_use]
    pub fn tree(&self) -> &SourceTree {
        &self.tree
    }

    fn absolute(&self, path: &str) -> String {
        format!("{}/{path}", self.root).trim_matches('/').into()
    }

    /// Lists the folder at `real` under the name `prefix`.
    fn collect(&self, prefix: &str, real: &str, walk: &mut ListWalk<'_>) -> Result<(), GitError> {
        if walk.above.iter().any(|folder| folder == real) {
            return Ok(());
        }
        walk.followed += 1;
        if walk.followed > MAX_FOLDER_LINKS {
            return Err(GitError::LinkLoop(prefix.into()));
        }
        walk.above.push(real.to_owned());
        let wanted = walk.wanted;
        let listing = self
            .tree
            .listing(real, &Named { prefix, wanted } as &dyn PathMatch)?;
        for file in listing.entries() {
            let path = format!("{prefix}/{}", file.path).trim_matches('/').to_owned();
            match file.mode {
                FileMode::Regular | FileMode::Executable => walk.add(path),
                FileMode::Commit => {}
                FileMode::Link => match self.tree.follow(&format!("{real}/{}", file.path)) {
                    Ok(Some((
                        target,
                        Entry {
                            kind: EntryKind::Tree,
                            ..
                        },
                    ))) => {
                        self.collect(&path, &target, walk)?;
                    }
                    Ok(
                        Some((
                            _,
                            Entry {
                                kind: EntryKind::Commit,
                                ..
                            },
                        ))
                        | None,
                    ) => {}
                    // A link that cannot be followed is an error for who reads it, not for who lists its folder.
                    Ok(Some(_)) | Err(GitError::LinkLeaves { .. } | GitError::LinkLoop(_)) => {
                        walk.add(path);
                    }
                    Err(error) => return Err(error),
                },
            }
        }
        walk.above.pop();
        Ok(())
    }

    fn try_read(&self, path: &str) -> Result<Option<Arc<[u8]>>, GitError> {
        match self.tree.follow(&self.absolute(path))? {
            Some((
                path,
                Entry {
                    kind: EntryKind::Blob | EntryKind::BlobExecutable,
                    id,
                },
            )) => Ok(Some(self.tree.read_blob(id, &path)?.into())),
            _ => Ok(None),
        }
    }

    fn try_list(&self, dir: &str, wanted: Wanted<'_>) -> Result<Vec<String>, GitError> {
        let mut walk = ListWalk {
            above: Vec::new(),
            followed: 0,
            found: Vec::new(),
            wanted,
        };
        if let Some((
            real,
            Entry {
                kind: EntryKind::Tree,
                ..
            },
        )) = self.tree.follow(&self.absolute(dir))?
        {
            self.collect(dir.trim_matches('/'), &real, &mut walk)?;
        }
        walk.found.sort();
        Ok(walk.found)
    }
}

impl ListWalk<'_> {
    fn add(&mut self, path: String) {
        if (self.wanted.matches)(&path) {
            self.found.push(path);
        }
    }
}

impl FileTree for CommitFiles {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        self.try_read(path).map_err(|error| file_error(&error))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, FileError> {
        self.list_some(dir, &|_| true, &|_| true)
    }

    fn list_some(
        &self,
        dir: &str,
        matches: &dyn Fn(&str) -> bool,
        enters: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<String>, FileError> {
        let found = self.try_list(dir, Wanted { matches, enters });
        found.map_err(|error| file_error(&error))
    }

    fn is_dir(&self, path: &str) -> Result<bool, FileError> {
        let found = self
            .tree
            .follow(&self.absolute(path))
            .map_err(|error| file_error(&error))?;
        Ok(found.is_some_and(|(_, entry)| entry.kind == EntryKind::Tree))
    }
}

impl FileTree for SourceTree {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        self.files_at("").read(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, FileError> {
        self.files_at("").list(dir)
    }

    fn is_dir(&self, path: &str) -> Result<bool, FileError> {
        self.files_at("").is_dir(path)
    }
}

/// The message with its causes, since a [`FileError`] is text.
fn file_error(error: &GitError) -> FileError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    FileError(text)
}
