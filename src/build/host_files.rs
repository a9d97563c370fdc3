//! Files of the machine for `fromPath` mounts: a copy of a folder or file as one layer, which the session serves.
//!
//! The copy has the modes and times that the files have here, and root as owner; sockets, pipes and devices are not in
//! it, nor what cannot be read, which is told. Nothing is ever written back to the machine.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kiel_stapel::lower::HostPath;
use kiel_stapel::spec::{MountKind, StapelSpec};
use tar::{Builder, EntryType, Header};

use super::error::BuildError;
use super::run::ImageBuild;
use crate::git::layer::{Spool, Spooled};
use crate::registry::{Blob, BlobRead};

/// How many names of unreadable files are told.
const SHOWN: usize = 3;

/// The copies that one image's commands see, made when the first of its stages runs.
#[derive(Default)]
pub(crate) struct HostFiles(Option<Vec<(String, Copied)>>);

impl HostFiles {
    /// What the `fromPath` mounts of an image hold, by the path as written.
    pub(crate) async fn serve(
        &mut self,
        ctx: &ImageBuild<'_>,
        spec: &StapelSpec,
    ) -> Result<BTreeMap<String, HostPath>, BuildError> {
        let copies = match &mut self.0 {
            Some(copies) => copies,
            none => none.insert(copies(ctx, spec).await?),
        };
        let mut served = BTreeMap::new();
        for (written, copied) in copies {
            let Some(blob) = &copied.blob else { continue };
            let output = ctx
                .serve_output(std::slice::from_ref(blob), &format!("mount: {written}"))
                .await?;
            let host = match &copied.file {
                Some(name) => HostPath::File(output, name.clone()),
                None => HostPath::Folder(output),
            };
            served.insert(written.clone(), host);
        }
        Ok(served)
    }
}

async fn copies(ctx: &ImageBuild<'_>, spec: &StapelSpec) -> Result<Vec<(String, Copied)>, BuildError> {
    let mut copies: Vec<(String, Copied)> = Vec::new();
    for mount in &spec.mounts {
        let MountKind::FromPath(written) = &mount.kind else {
            continue;
        };
        if copies.iter().any(|(known, _)| known == written) {
            continue;
        }
        let path = ctx.host_path(written);
        let copied = tokio::task::spawn_blocking(move || copy(&path)).await;
        let copied = copied.map_err(|error| BuildError::Task {
            image: ctx.name.to_owned(),
            reason: error.to_string(),
        })?;
        let copied = copied.map_err(|source| BuildError::HostFiles {
            image: ctx.name.to_owned(),
            path: written.clone(),
            source,
        })?;
        ctx.events.info(format!(
            "image `{}`: {}",
            ctx.name,
            copied.told(written, &mount.to)
        ));
        copies.push((written.clone(), copied));
    }
    Ok(copies)
}

/// A copy of a folder or file.
#[derive(Default)]
struct Copied {
    /// Its layer; nothing where there are no files.
    blob: Option<Blob>,
    /// The file's name in the layer's root, where it is one file.
    file: Option<String>,
    files: usize,
    bytes: u64,
    unread: Vec<PathBuf>,
}

impl Copied {
    fn told(&self, written: &str, to: &str) -> String {
        let left_out = match self.unread.len() {
            0 => String::new(),
            count => {
                let names = self.unread[..count.min(SHOWN)]
                    .iter()
                    .map(|path| path.display().to_string());
                let more = if count > SHOWN { ", …" } else { "" };
                format!(
                    "; not in it, since they cannot be read: {}{more}",
                    names.collect::<Vec<_>>().join(", ")
                )
            }
        };
        let size = self.bytes as f64 / f64::from(1 << 20);
        match (&self.file, self.files) {
            (Some(_), _) => format!("commands see a copy of `{written}` at `{to}`, read-only"),
            (None, 0) => format!(
                "commands see an empty folder at `{to}`, as `{written}` has no files; what they write there stays with the engine{left_out}"
            ),
            (None, files) => format!(
                "commands see a copy of `{written}` at `{to}` ({files} file{}, {size:.1} MiB); what they write there \
                 stays with the engine, for as long as `{written}` stays as it is{left_out}",
                if files == 1 { "" } else { "s" }
            ),
        }
    }
}

/// Reads the files of a folder, or one file; a path that is not there is an empty folder, as it is for werf.
fn copy(path: &Path) -> io::Result<Copied> {
    let metadata = match fs_err::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Copied::default()),
        metadata => metadata?,
    };
    let mut copied = Copied::default();
    let mut tar = Builder::new(Spool::new());
    if metadata.is_file() {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        append_file(&mut tar, Path::new(&name), path, &metadata)?;
        copied.file = Some(name);
    } else {
        append_folder(&mut tar, path, Path::new(""), &mut copied)?;
    }
    if copied.files == 0 && copied.file.is_none() {
        return Ok(copied);
    }
    let spooled = tar.into_inner()?.finish()?;
    let digest = spooled.digest.parse().map_err(io::Error::other)?;
    let size = spooled.size;
    copied.blob = Some(Blob::from_reader(Arc::new(spooled), digest, size));
    Ok(copied)
}

/// Adds what lies in `root/inner`, in the order of names: equal folders make equal layers.
fn append_folder(tar: &mut Tar, root: &Path, inner: &Path, copied: &mut Copied) -> io::Result<()> {
    let folder = root.join(inner);
    let mut names = Vec::new();
    for entry in fs_err::read_dir(&folder)? {
        names.push(entry?.file_name());
    }
    names.sort();
    for name in names {
        let (inner, path) = (inner.join(&name), folder.join(&name));
        let added = fs_err::symlink_metadata(&path).and_then(|metadata| {
            if metadata.is_dir() {
                let mut header = header(EntryType::Directory, &metadata, 0);
                tar.append_data(&mut header, &inner, io::empty())?;
                append_folder(tar, root, &inner, copied)
            } else if metadata.is_symlink() {
                copied.files += 1;
                let mut header = header(EntryType::Symlink, &metadata, 0);
                tar.append_link(&mut header, &inner, fs_err::read_link(&path)?)
            } else if metadata.is_file() {
                append_file(tar, &inner, &path, &metadata)?;
                copied.files += 1;
                copied.bytes += metadata.len();
                Ok(())
            } else {
                Ok(())
            }
        });
        match added {
            Ok(()) => {}
            // Another program may remove files of a cache while they are read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => copied.unread.push(path),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A file that changes while it is read has the length that it had: a header can't be taken back.
fn append_file(tar: &mut Tar, inner: &Path, path: &Path, metadata: &Metadata) -> io::Result<()> {
    let file: File = fs_err::File::open(path)?.into_parts().0;
    let mut header = header(EntryType::Regular, metadata, metadata.len());
    let padded = file.chain(io::repeat(0)).take(metadata.len());
    tar.append_data(&mut header, inner, padded)
}

fn header(kind: EntryType, metadata: &Metadata, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or_default());
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header
}

type Tar = Builder<Spool>;

impl BlobRead for Spooled {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        Self::read_at(self, offset, length)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn entries(copied: &Copied) -> Vec<(String, u32, String)> {
        let blob = copied.blob.as_ref().expect("files");
        let crate::registry::BlobData::Reader(reader) = &blob.data else {
            panic!("it is read from its file")
        };
        let bytes = reader
            .read_at(0, usize::try_from(blob.size).expect("small"))
            .expect("bytes");
        let mut archive = tar::Archive::new(&bytes[..]);
        let entry = |entry: io::Result<tar::Entry<'_, _>>| {
            let mut entry: tar::Entry<'_, &[u8]> = entry.expect("an entry");
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("text");
            let path = entry.path().expect("a path").display().to_string();
            (path, entry.header().mode().expect("a mode"), text)
        };
        archive.entries().expect("entries").map(entry).collect()
    }

    #[test]
    fn a_folder_is_copied_with_modes_and_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs_err::create_dir(at("sub")).expect("a folder");
        fs_err::write(at("sub/b"), "b").expect("a file");
        fs_err::set_permissions(at("sub/b"), std::fs::Permissions::from_mode(0o750)).expect("a mode");
        fs_err::set_permissions(at("sub"), std::fs::Permissions::from_mode(0o700)).expect("a mode");
        symlink("sub/b", at("a")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        let copied = copy(folder.path()).expect("a copy");
        let got = entries(&copied);
        let got: Vec<_> = got
            .iter()
            .map(|(path, mode, text)| (path.as_str(), *mode, text.as_str()))
            .collect();
        assert_eq!(got, [("a", 0o777, ""), ("sub", 0o700, ""), ("sub/b", 0o750, "b")]);
        assert_eq!((copied.files, copied.bytes, copied.file), (2, 1, None));
        let again = copy(folder.path()).expect("a copy").blob.expect("files").digest;
        assert_eq!(again, copied.blob.expect("files").digest);
    }

    #[test]
    fn a_file_and_what_is_not_there() {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("conf"), "x").expect("a file");
        let copied = copy(&folder.path().join("conf")).expect("a copy");
        assert_eq!(copied.file.as_deref(), Some("conf"));
        assert_eq!(entries(&copied)[0].2, "x");
        let none = copy(&folder.path().join("none")).expect("a copy");
        assert!(none.blob.is_none() && none.file.is_none());
    }
}
