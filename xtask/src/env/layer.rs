//! A deterministic image layer out of Debian packages and a few files of our own.
//!
//! Equal packages give equal bytes: entries are sorted, times are fixed, documentation is left out. Nothing
//! is unpacked on disk and no maintainer script runs; what such scripts would make is added by `add_*`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use crate::shell;

/// Folders of the old layout that Debian merged into `/usr`.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];
/// What a container has no use for.
const LEFT_OUT: [&str; 6] = [
    "usr/share/doc/",
    "usr/share/man/",
    "usr/share/locale/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/lib/udev/",
];
/// Time of every entry: 2026-01-01.
const TIME: u64 = 1_767_225_600;

/// The contents of a layer by path, without a leading slash.
#[derive(Default)]
pub(crate) struct Layer {
    entries: BTreeMap<PathBuf, Entry>,
}

struct Entry {
    kind: EntryType,
    mode: u32,
    owner: (u64, u64),
    target: PathBuf,
    content: Vec<u8>,
}

/// A layer's bytes as a registry stores them.
pub(crate) struct Packed {
    /// The gzipped tar.
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of the tar before compression, in hex.
    pub(crate) diff_id: String,
}

impl Layer {
    /// An empty layer with the folders that every root file system has.
    pub(crate) fn root() -> Self {
        let mut layer = Self::default();
        for folder in [
            "dev",
            "etc",
            "proc",
            "root",
            "run",
            "sys",
            "usr",
            "usr/bin",
            "usr/sbin",
            "usr/lib",
            "usr/lib64",
            "var",
        ] {
            layer.add_folder(folder, 0o755);
        }
        layer.add_folder("tmp", 0o1777);
        layer.add_folder("var/tmp", 0o1777);
        for folder in MERGED {
            layer.add_link(folder, &format!("usr/{folder}"));
        }
        layer
    }

    /// Adds the files of a package; what `below` holds already is left out.
    pub(crate) fn add_package(&mut self, archive: &Path, below: Option<&Self>) -> Result<()> {
        let mut child = shell::command("dpkg-deb", ["--fsys-tarfile"])
            .arg(archive)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run `dpkg-deb`")?;
        let output = child.stdout.take().expect("stdout is piped");
        let mut tar = tar::Archive::new(output);
        for entry in tar.entries()? {
            self.add_entry(&mut entry?, below)?;
        }
        // The tar reader stops at the end marker; the program must not fail on what follows it.
        let mut rest = tar.into_inner();
        std::io::copy(&mut rest, &mut std::io::sink())?;
        if !child.wait()?.success() {
            bail!("cannot read the Debian package {}", archive.display());
        }
        Ok(())
    }

    fn add_entry(&mut self, entry: &mut tar::Entry<'_, impl Read>, below: Option<&Self>) -> Result<()> {
        let path = merged(&entry.path()?);
        let text = path.to_string_lossy();
        let kind = entry.header().entry_type();
        if path.as_os_str().is_empty()
            || LEFT_OUT
                .iter()
                .any(|folder| format!("{text}/").starts_with(folder))
        {
            return Ok(());
        }
        let known = |layer: &Self| layer.entries.contains_key(&path);
        if kind.is_dir() && (known(self) || below.is_some_and(known)) {
            return Ok(());
        }
        let mut target = entry
            .link_name()?
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default();
        if kind == EntryType::Link {
            target = merged(&target);
        }
        let header = entry.header();
        let (mode, owner) = (header.mode()?, (header.uid()?, header.gid()?));
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        self.entries.insert(
            path,
            Entry {
                kind,
                mode,
                owner,
                target,
                content,
            },
        );
        Ok(())
    }

    /// Adds a folder.
    pub(crate) fn add_folder(&mut self, path: &str, mode: u32) {
        self.add(path, EntryType::Directory, mode, "", Vec::new());
    }

    /// Adds a symbolic link.
    pub(crate) fn add_link(&mut self, path: &str, target: &str) {
        self.add(path, EntryType::Symlink, 0o777, target, Vec::new());
    }

    /// Adds a file.
    pub(crate) fn add_file(&mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) {
        self.add(path, EntryType::Regular, mode, "", content.into());
    }

    fn add(&mut self, path: &str, kind: EntryType, mode: u32, target: &str, content: Vec<u8>) {
        self.entries.insert(
            PathBuf::from(path),
            Entry {
                kind,
                mode,
                owner: (0, 0),
                target: target.into(),
                content,
            },
        );
    }

    /// What lies below a folder, moved to another one, of the paths relative to it that `wanted` takes. Links that are
    /// absolute or lead out of the folder go wrong.
    pub(crate) fn moved(self, from: &str, to: &str, wanted: impl Fn(&Path) -> bool) -> Self {
        let moved = |path: &Path| {
            let below = path.strip_prefix(from).ok()?;
            wanted(below).then(|| Path::new(to).join(below))
        };
        let entries = self.entries.into_iter().filter_map(|(path, mut entry)| {
            if entry.kind == EntryType::Link {
                entry.target = moved(&entry.target)?;
            }
            Some((moved(&path)?, entry))
        });
        Self {
            entries: entries.collect(),
        }
    }

    /// Names of what lies directly in a folder.
    pub(crate) fn names_in(&self, folder: &str) -> Vec<String> {
        let inside = self
            .entries
            .keys()
            .filter(|path| path.parent() == Some(Path::new(folder)));
        let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        inside.filter_map(name).collect()
    }

    /// The content of a file in the layer.
    pub(crate) fn file(&self, path: &str) -> Option<&[u8]> {
        self.entries
            .get(Path::new(path))
            .map(|entry| entry.content.as_slice())
    }

    /// Files below a folder, with their contents.
    pub(crate) fn files_below(&self, folder: &str) -> Vec<&[u8]> {
        let below = self
            .entries
            .iter()
            .filter(|(path, entry)| path.starts_with(folder) && entry.kind.is_file());
        below.map(|(_, entry)| entry.content.as_slice()).collect()
    }

    /// Writes the layer as a gzipped tar.
    pub(crate) fn pack(&self) -> Result<Packed> {
        let mut archive = tar::Builder::new(Tee::new());
        archive.mode(tar::HeaderMode::Deterministic);
        for (path, entry) in &self.entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(entry.kind);
            header.set_mode(entry.mode);
            header.set_uid(entry.owner.0);
            header.set_gid(entry.owner.1);
            header.set_mtime(TIME);
            header.set_size(entry.content.len() as u64);
            match entry.kind {
                EntryType::Symlink | EntryType::Link => {
                    archive.append_link(&mut header, path, &entry.target)?;
                }
                _ => archive.append_data(&mut header, path, entry.content.as_slice())?,
            }
        }
        archive.into_inner()?.finish()
    }
}

/// The path after the merge of `/bin`, `/sbin` and `/lib` into `/usr`, without a leading `./`.
fn merged(path: &Path) -> PathBuf {
    let path = path.strip_prefix(".").unwrap_or(path);
    let path = path.strip_prefix("/").unwrap_or(path);
    if MERGED.iter().any(|folder| path.starts_with(folder)) {
        return Path::new("usr").join(path);
    }
    path.to_path_buf()
}

/// Compresses what is written to it and hashes it uncompressed.
struct Tee {
    gzip: GzEncoder<Vec<u8>>,
    hash: Sha256,
}

impl Tee {
    fn new() -> Self {
        Self {
            gzip: GzEncoder::new(Vec::new(), Compression::new(3)),
            hash: Sha256::new(),
        }
    }

    fn finish(self) -> Result<Packed> {
        Ok(Packed {
            bytes: self.gzip.finish()?,
            diff_id: hex::encode(self.hash.finalize()),
        })
    }
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hash.update(bytes);
        self.gzip.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Layer, merged};

    fn layer(names: [&str; 2]) -> Layer {
        let mut layer = Layer::root();
        for name in names {
            layer.add_file(name, 0o644, name);
        }
        layer
    }

    #[test]
    fn equal_contents_give_equal_bytes() -> anyhow::Result<()> {
        let first = layer(["etc/a", "etc/b"]).pack()?;
        let second = layer(["etc/b", "etc/a"]).pack()?;
        assert_eq!(first.diff_id, second.diff_id);
        assert_eq!(first.bytes, second.bytes);
        assert_ne!(first.diff_id, layer(["etc/a", "etc/c"]).pack()?.diff_id);
        Ok(())
    }

    #[test]
    fn old_folders_lead_into_usr() {
        for (path, want) in [
            ("./bin/sh", "usr/bin/sh"),
            (
                "./lib/x86_64-linux-gnu/libc.so.6",
                "usr/lib/x86_64-linux-gnu/libc.so.6",
            ),
            ("./libexec/x", "libexec/x"),
            ("./etc/passwd", "etc/passwd"),
            ("./", ""),
        ] {
            assert_eq!(merged(Path::new(path)), PathBuf::from(want), "{path}");
        }
    }
}
