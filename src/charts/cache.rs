//! Archives of charts and indexes of repositories, kept between runs.
//!
//! Archives lie under their sha256, which is checked whenever one is read: what was damaged or changed is as good as
//! absent. A *link* says which archive a version of a chart was: versions are taken as fixed. All files are written
//! elsewhere and renamed, so that runs side by side see whole ones. Nothing breaks when the folder is removed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::registry::Digest;

/// Largest archive that is kept or taken, in bytes; what it unpacks to has limits of its own.
pub(super) const MAX_ARCHIVE_SIZE: u64 = 64 << 20;

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Cache(PathBuf);

impl Cache {
    /// A cache in this folder, which need not exist.
    #[must_use]
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The archive with this digest.
    pub(super) fn archive(&self, digest: Digest) -> Option<Bytes> {
        let path = self.archive_path(digest);
        if fs_err::metadata(&path).ok()?.len() > MAX_ARCHIVE_SIZE {
            return None;
        }
        let content = fs_err::read(path).ok()?;
        (Digest::of(&content) == digest).then(|| content.into())
    }

    /// The archive that a version of a chart was, by the key of [`Cache::key`].
    pub(super) fn linked(&self, key: &str) -> Option<Bytes> {
        let digest = fs_err::read_to_string(self.link_path(key)).ok()?;
        self.archive(digest.trim().parse().ok()?)
    }

    /// Keeps an archive, and which version it is. A cache that can't be written costs time, nothing else.
    pub(super) fn keep(&self, key: Option<&str>, archive: &[u8]) {
        let digest = Digest::of(archive);
        let kept = if self.archive(digest).is_some() {
            Ok(())
        } else {
            replace(&self.archive_path(digest), archive, false)
        };
        let kept = kept.and_then(|()| match key {
            Some(key) => replace(&self.link_path(key), digest.to_string().as_bytes(), false),
            None => Ok(()),
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "cannot keep a chart in the cache");
        }
    }

    /// The index that was last read at this URL.
    pub(super) fn index(&self, url: &str) -> Option<Bytes> {
        let path = self.index_path(url);
        let is_small = fs_err::metadata(&path).ok()?.len() <= kiel_chart::MAX_INDEX_SIZE as u64;
        is_small
            .then(|| fs_err::read(path).ok())
            .flatten()
            .map(Bytes::from)
    }

    /// Keeps an index.
    pub(super) fn keep_index(&self, url: &str, index: &[u8]) {
        if let Err(error) = replace(&self.index_path(url), index, false) {
            tracing::warn!(%error, "cannot keep an index in the cache");
        }
    }

    /// The key of a version of a chart.
    pub(super) fn key(repository: &str, name: &str, version: &str) -> String {
        let text = format!("{}\0{name}\0{version}", repository.trim_end_matches('/'));
        Digest::of(text.as_bytes()).hex()
    }

    fn archive_path(&self, digest: Digest) -> PathBuf {
        self.0.join("archives").join(format!("{}.tgz", digest.hex()))
    }

    fn link_path(&self, key: &str) -> PathBuf {
        self.0.join("versions").join(key)
    }

    fn index_path(&self, url: &str) -> PathBuf {
        let name = Digest::of(url.trim_end_matches('/').as_bytes()).hex();
        self.0.join("indexes").join(format!("{name}.yaml"))
    }
}

/// Writes a file as a whole: whoever reads it meanwhile sees the old one or the new one.
pub(super) fn replace(path: &Path, content: &[u8], is_secret: bool) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // A link to a file that is managed elsewhere stays one.
    let path = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    let mode = if is_secret { 0o600 } else { 0o644 };
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.persist(&path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("charts"));
        let key = Cache::key("https://a/", "c", "1.0.0");
        assert_eq!(key, Cache::key("https://a", "c", "1.0.0"));
        assert_ne!(key, Cache::key("https://a", "c", "1.0.1"));
        assert_eq!(cache.linked(&key), None);
        cache.keep(Some(&key), b"archive");
        assert_eq!(cache.linked(&key).as_deref(), Some(&b"archive"[..]));
        let path = cache.archive_path(Digest::of(b"archive"));
        fs_err::write(&path, b"other").unwrap();
        assert_eq!(cache.linked(&key), None);
        cache.keep(Some(&key), b"archive");
        assert_eq!(
            cache.linked(&key).as_deref(),
            Some(&b"archive"[..]),
            "it is mended"
        );
        fs_err::write(cache.link_path(&key), b"../../etc/passwd").unwrap();
        assert_eq!(cache.linked(&key), None);
    }

    #[test]
    fn runs_side_by_side_see_whole_files() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        let key = Cache::key("https://a", "c", "1.0.0");
        let content = vec![7; 1 << 20];
        cache.keep(Some(&key), &content);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        cache.keep(Some(&key), &content);
                        cache.keep_index("https://a", &content);
                        assert_eq!(cache.linked(&key).as_deref(), Some(&content[..]));
                        assert_eq!(cache.index("https://a/").map(|index| index.len()), Some(1 << 20));
                    }
                });
            }
        });
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs_err::write(&file, "").unwrap();
        let cache = Cache::new(file.join("charts"));
        cache.keep(Some("k"), b"x");
        assert_eq!(cache.linked("k"), None);
    }
}
