//! Image layers out of Git content, byte for byte the same on every machine.
//!
//! `docs/keys.md` section 8 is the specification: an uncompressed tar (no compressor's version is in the digest),
//! entries sorted by the bytes of their paths, folders before what they hold, all parents of an entry in it, one
//! constant time, whiteouts for what is gone. A layer is kept in memory while it is small, else in an anonymous file.

mod spool;
mod tar;

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use kiel_stapel::listing::{FileMode, Listing};

use super::{GitError, SourceTree};
pub(crate) use spool::{Spool, Spooled};
use tar::{Header, Kind, TarWriter};

/// The media type that goes with the one encoding there is.
pub const MEDIA_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// 1980-01-02T00:00:00Z: late enough for ZIP archives in every time zone.
pub const TIME: u64 = 315_619_200;

const WHITEOUT: &str = ".wh.";

/// Folders whose mode is known everywhere; a layer that holds them must not change it.
const FOLDER_MODES: [(&str, u32); 3] = [("root", 0o700), ("tmp", 0o1777), ("var/tmp", 0o1777)];

/// Why a layer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The files cannot be listed.
    #[error(transparent)]
    Files(#[from] GitError),
    /// A path that no layer can hold.
    #[error("cannot put `{path}` into a layer: {reason}")]
    Path {
        /// As it was given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A blob could not be read.
    #[error("cannot read `{path}` for a layer")]
    Content {
        /// Where it should go in the image.
        path: String,
        /// What Git says.
        #[source]
        source: GitError,
    },
    /// The layer could not be stored.
    #[error("cannot write a layer to a temporary file")]
    Write(#[source] io::Error),
}

/// How pointers of Git LFS begin, in all versions of their format, and how long they can be.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
const LONGEST_POINTER: usize = 1024;

/// To whom a layer's files belong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// Numeric user.
    pub user_id: u64,
    /// Numeric group.
    pub group_id: u64,
    /// User's name; only recorded, nothing resolves it.
    pub user: String,
    /// Group's name; only recorded, nothing resolves it.
    pub group: String,
}

/// What lies at a path of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file or, with [`FileMode::Link`], a link's target. A [`FileMode::Commit`] becomes an empty folder.
    Bytes(FileMode, Vec<u8>),
    /// The same, read from the repository when it is written.
    Blob(FileMode, String),
    /// A folder, with this owner instead of root.
    Folder,
    /// A folder that the layers below have: it stays as it is there, and the layer does not hold it.
    Kept,
    /// What a layer below has at the path is gone.
    Whiteout,
}

/// One path of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerEntry {
    /// In the image; slashes at its ends don't matter.
    pub path: String,
    /// What lies there.
    pub content: Content,
    /// To whom it belongs.
    pub owner: Owner,
}

/// A layer that is written.
#[derive(Debug, Clone)]
pub struct Layer {
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// `sha256:…` of its uncompressed bytes.
    pub diff_id: String,
    /// Length in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: &'static str,
    /// Paths of files that are pointers of Git LFS: what they point to is no part of the repository.
    pub pointers: Vec<String>,
    bytes: Spooled,
}

impl Layer {
    /// Up to `length` bytes from `offset` on; fewer at the end. Callers share the layer and don't disturb each other.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        self.bytes.read_at(offset, length)
    }

    /// All bytes.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn bytes(&self) -> io::Result<Bytes> {
        self.read_at(0, usize::try_from(self.size).unwrap_or(usize::MAX))
    }
}

/// The entries of a mapping: `files` below the folder `to` of the image (with that folder and all below it owned by
/// `owner`), or the file at `to` where the listing is of a single file.
#[must_use]
pub fn mapping_entries(files: &Listing, to: &str, owner: &Owner) -> Vec<LayerEntry> {
    let files = files
        .entries()
        .iter()
        .map(|file| (file.path.as_str(), Content::Blob(file.mode, file.id.clone())));
    below(files, to, owner)
}

/// Whiteouts for files of a mapping (relative to its `add`) that are gone; their folders stay `owner`'s.
#[must_use]
pub fn removal_entries<'a>(
    paths: impl IntoIterator<Item = &'a str>,
    to: &str,
    owner: &Owner,
) -> Vec<LayerEntry> {
    below(paths.into_iter().map(|path| (path, Content::Whiteout)), to, owner)
}

fn below<'a>(contents: impl Iterator<Item = (&'a str, Content)>, to: &str, owner: &Owner) -> Vec<LayerEntry> {
    let to = to.trim_matches('/');
    let mut entries = BTreeMap::new();
    let folder = |path: &str| LayerEntry {
        path: path.into(),
        content: Content::Folder,
        owner: owner.clone(),
    };
    for (relative, content) in contents {
        if !relative.is_empty() && !to.is_empty() {
            entries.entry(to.to_owned()).or_insert_with(|| folder(to));
        }
        let path = format!("{to}/{relative}").trim_matches('/').to_owned();
        for (end, _) in path.match_indices('/').filter(|(end, _)| *end > to.len()) {
            entries
                .entry(path[..end].to_owned())
                .or_insert_with(|| folder(&path[..end]));
        }
        entries.insert(
            path.clone(),
            LayerEntry {
                path,
                content,
                owner: owner.clone(),
            },
        );
    }
    entries.into_values().collect()
}

/// Writes a layer. Of entries with one path the last stays; `tree` is where blobs are read.
///
/// # Errors
/// A path leaves the image or means something else in a layer, a path is below a file, a blob cannot be read, or
/// there is no room for the layer.
pub fn write_layer(
    entries: impl IntoIterator<Item = LayerEntry>,
    tree: &SourceTree,
) -> Result<Layer, LayerError> {
    let entries = with_parents(entries)?;
    let mut tar = TarWriter::new(Spool::new());
    let mut pointers = Vec::new();
    for (path, (content, owner)) in entries {
        if write_entry(&mut tar, &path, content, &owner, tree)? {
            pointers.push(path);
        }
    }
    let spool = tar.finish().map_err(LayerError::Write)?;
    let bytes = spool.finish().map_err(LayerError::Write)?;
    Ok(Layer {
        diff_id: bytes.digest.clone(),
        digest: bytes.digest.clone(),
        size: bytes.size,
        media_type: MEDIA_TYPE,
        pointers,
        bytes,
    })
}

type Entries = BTreeMap<String, (Content, Owner)>;

/// Adds the folders that are not among the entries; a parent always sorts before what it holds.
fn with_parents(entries: impl IntoIterator<Item = LayerEntry>) -> Result<Entries, LayerError> {
    let mut all = Entries::new();
    for LayerEntry { path, content, owner } in entries {
        let path = checked_path(&path)?;
        all.insert(path, (content, owner));
    }
    let mut parents = Entries::new();
    for path in all.keys() {
        for (end, _) in path.match_indices('/') {
            match all.get(&path[..end]) {
                None => {
                    parents.insert(path[..end].to_owned(), (Content::Folder, Owner::default()));
                }
                Some((Content::Folder | Content::Kept, _)) => {}
                // A submodule is an empty folder, which another mapping may fill.
                Some((Content::Blob(FileMode::Commit, _) | Content::Bytes(FileMode::Commit, _), _)) => {}
                Some(_) => {
                    let reason = "a path above it is no folder in the same layer";
                    return Err(LayerError::Path {
                        path: path.clone(),
                        reason,
                    });
                }
            }
        }
    }
    all.append(&mut parents);
    Ok(all)
}

fn checked_path(path: &str) -> Result<String, LayerError> {
    let error = |reason| LayerError::Path {
        path: path.into(),
        reason,
    };
    let trimmed = path.trim_matches('/');
    for part in trimmed.split('/') {
        match part {
            "" => return Err(error("a part of the path is empty")),
            "." | ".." => return Err(error("it holds `.` or `..`")),
            _ if part.starts_with(WHITEOUT) => {
                return Err(error("names that begin with `.wh.` mean deleted files in layers"));
            }
            _ if part.contains('\0') => return Err(error("it holds a NUL character")),
            _ => {}
        }
    }
    Ok(trimmed.into())
}

/// Whether what was written is a pointer of Git LFS.
fn write_entry<W: Write>(
    tar: &mut TarWriter<W>,
    path: &str,
    content: Content,
    owner: &Owner,
    tree: &SourceTree,
) -> Result<bool, LayerError> {
    let append = |tar: &mut TarWriter<W>, header: &Header, bytes: &[u8]| {
        tar.append(header, bytes).map_err(LayerError::Write)
    };
    let (mode, bytes) = match content {
        Content::Kept => return Ok(false),
        Content::Folder => (FileMode::Commit, Vec::new()),
        Content::Whiteout => {
            let (folder, name) = path
                .rsplit_once('/')
                .map_or(("", path), |(folder, name)| (folder, name));
            let name = format!("{folder}/{WHITEOUT}{name}");
            let header = Header::new(name.trim_start_matches('/'), Kind::File, 0o644, 0, owner);
            return append(tar, &header, &[]).map(|()| false);
        }
        Content::Bytes(mode, bytes) => (mode, bytes),
        Content::Blob(FileMode::Commit, _) => (FileMode::Commit, Vec::new()),
        Content::Blob(mode, id) => {
            let blob = tree.blob(&id).map_err(|source| LayerError::Content {
                path: path.into(),
                source,
            })?;
            (mode, blob)
        }
    };
    let size = bytes.len() as u64;
    let header = match mode {
        FileMode::Regular => Header::new(path, Kind::File, 0o644, size, owner),
        FileMode::Executable => Header::new(path, Kind::File, 0o755, size, owner),
        FileMode::Commit => Header::new(&format!("{path}/"), Kind::Folder, folder_mode(path), 0, owner),
        FileMode::Link => {
            let target = String::from_utf8(bytes).map_err(|_| LayerError::Path {
                path: path.into(),
                reason: "the link's target is not UTF-8",
            })?;
            let header = Header::new(path, Kind::Link(target), 0o777, 0, owner);
            return append(tar, &header, &[]).map(|()| false);
        }
    };
    append(tar, &header, &bytes)?;
    Ok(bytes.len() <= LONGEST_POINTER && bytes.starts_with(POINTER))
}

/// The mode of a folder in a layer.
pub(crate) fn folder_mode(path: &str) -> u32 {
    FOLDER_MODES
        .iter()
        .find(|(folder, _)| *folder == path)
        .map_or(0o755, |(_, mode)| *mode)
}
