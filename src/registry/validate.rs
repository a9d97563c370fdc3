//! Every invariant of a published image, checked against the registry: what tests ask after each build.
//!
//! It reads the whole image: manifest and config through `oci-spec` (a reader that is not ours), every layer byte
//! by byte. It tells all that is wrong, not the first thing, and what files the image has in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use bytes::Bytes;
use futures::StreamExt as _;
use oci_spec::image::{ImageConfiguration, ImageManifest};

use super::entries::Extended;
use super::pull::OpenBlob;
use super::transport::Pieces;
use super::zstd::Frames;
use super::{
    BlobSource, Descriptor, Digest, Image, MEDIA_DOCKER_CONFIG, MEDIA_DOCKER_LAYER_GZIP,
    MEDIA_DOCKER_MANIFEST, MEDIA_OCI_CONFIG, MEDIA_OCI_LAYER, MEDIA_OCI_LAYER_GZIP, MEDIA_OCI_LAYER_ZSTD,
    MEDIA_OCI_MANIFEST, Platform, Reference, Registry, RegistryError,
};

/// A file of an image, as the last layer that has it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What it is.
    pub kind: tar::EntryType,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Target of a link, else empty.
    pub link: String,
    /// Content of a regular file, else empty.
    pub content: Bytes,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Bytes>,
    /// The number of the layer that it came with, base first.
    pub layer: usize,
}

/// An image that keeps all the rules.
#[derive(Debug, Clone)]
pub struct Validated {
    /// The image.
    pub image: Image,
    /// Its diff ids.
    pub diff_ids: Vec<Digest>,
    /// All files after all layers, by path without a leading slash.
    pub files: BTreeMap<String, File>,
}

/// What is wrong with an image.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// It cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no such image.
    #[error("there is no image `{0}`")]
    Missing(String),
    /// It breaks rules; all of them are listed.
    #[error("image `{name}` breaks rules:\n{}", .faults.join("\n"))]
    Faults {
        /// The image.
        name: String,
        /// One sentence each.
        faults: Vec<String>,
    },
}

/// Checks the image of this name for this platform.
///
/// # Errors
/// See [`Invalid`].
pub async fn image(
    registry: &Registry,
    reference: &Reference,
    platform: &Platform,
) -> Result<Validated, Invalid> {
    let missing = || Invalid::Missing(reference.to_string());
    let head = registry.head(reference).await?.ok_or_else(missing)?;
    let (descriptor, _) = registry.manifest(reference).await?.ok_or_else(missing)?;
    let image = registry.image(reference, platform).await?.ok_or_else(missing)?;
    let (_, bytes) = registry.manifest(&image.reference).await?.ok_or_else(missing)?;
    let mut faults = Faults::default();
    faults.check(head == descriptor, || {
        format!("HEAD tells {head:?}, GET {descriptor:?}")
    });
    check_manifest(&mut faults, &image, &bytes);
    let diff_ids = check_config(&mut faults, &image);
    let mut files = BTreeMap::new();
    for (number, layer) in image.manifest.layers.iter().enumerate() {
        let OpenBlob { body, size } = registry
            .open_blob(image.reference.repository(), layer.digest)
            .await?;
        faults.check(size == layer.size, || {
            format!("layer {number} has {size} bytes, not {}", layer.size)
        });
        let bytes = collect(body).await.map_err(|reason| Invalid::Faults {
            name: reference.to_string(),
            faults: vec![format!("layer {number} breaks off: {reason}")],
        })?;
        check_layer(
            &mut faults,
            number,
            layer,
            diff_ids.get(number),
            &bytes,
            &mut files,
        );
    }
    check_files(&mut faults, &files);
    if faults.0.is_empty() {
        return Ok(Validated {
            image,
            diff_ids,
            files,
        });
    }
    Err(Invalid::Faults {
        name: reference.to_string(),
        faults: faults.0,
    })
}

/// Copies a whole image to another repository, blobs first.
///
/// # Errors
/// See [`RegistryError`].
pub async fn copy(
    registry: &Registry,
    from: &Reference,
    to: &Reference,
    platform: &Platform,
) -> Result<Option<Digest>, RegistryError> {
    let Some(image) = registry.image(from, platform).await? else {
        return Ok(None);
    };
    let source = BlobSource::Repository(from.repository().clone());
    for blob in std::iter::once(&image.manifest.config).chain(&image.manifest.layers) {
        registry
            .push_blob(to.repository(), blob.digest, &source, None)
            .await?;
    }
    let Some((descriptor, bytes)) = registry.manifest(&image.reference).await? else {
        return Ok(None);
    };
    registry
        .push_manifest(to, &descriptor.media_type, bytes)
        .await
        .map(Some)
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn check(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }
}

async fn collect(mut body: Pieces) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| error.to_string())?);
    }
    Ok(bytes)
}

fn check_manifest(faults: &mut Faults, image: &Image, bytes: &[u8]) {
    let manifest = &image.manifest;
    faults.check(image.descriptor.digest == Digest::of(bytes), || {
        "the manifest's digest is wrong".to_owned()
    });
    faults.check(image.descriptor.size == bytes.len() as u64, || {
        "the manifest's size is wrong".to_owned()
    });
    faults.check(manifest.schema_version == 2, || {
        format!("schema version {}", manifest.schema_version)
    });
    if let Err(error) = ImageManifest::from_reader(bytes) {
        faults
            .0
            .push(format!("the manifest is not one for oci-spec: {error}"));
    }
    let (kind, config) = (
        image.descriptor.media_type.as_str(),
        manifest.config.media_type.as_str(),
    );
    let fits = matches!(
        (kind, config),
        (MEDIA_OCI_MANIFEST, MEDIA_OCI_CONFIG) | (MEDIA_DOCKER_MANIFEST, MEDIA_DOCKER_CONFIG)
    );
    faults.check(fits, || {
        format!("a manifest of type `{kind}` with a config of type `{config}`")
    });
    for (number, layer) in manifest.layers.iter().enumerate() {
        let own = layer.annotations.keys().find(|key| key.starts_with("buildkit/"));
        faults.check(own.is_none(), || {
            format!("layer {number} carries notes of the engine")
        });
        let is_docker = layer.media_type == MEDIA_DOCKER_LAYER_GZIP;
        faults.check(is_docker == (kind == MEDIA_DOCKER_MANIFEST), || {
            format!(
                "layer {number} has type `{}` in a manifest of type `{kind}`",
                layer.media_type
            )
        });
    }
}

/// Tells the diff ids.
fn check_config(faults: &mut Faults, image: &Image) -> Vec<Digest> {
    faults.check(image.config.len() as u64 == image.manifest.config.size, || {
        "the config's size is wrong".to_owned()
    });
    let config = match ImageConfiguration::from_reader(&*image.config) {
        Ok(config) => config,
        Err(error) => {
            faults
                .0
                .push(format!("the config is not one for oci-spec: {error}"));
            return Vec::new();
        }
    };
    faults.check(config.rootfs().typ() == "layers", || {
        "rootfs is not of type layers".to_owned()
    });
    let diff_ids: Vec<Digest> = config
        .rootfs()
        .diff_ids()
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let layers = image.manifest.layers.len();
    faults.check(diff_ids.len() == layers, || {
        format!("{} diff ids for {layers} layers", diff_ids.len())
    });
    let history = config.history().as_deref().unwrap_or_default();
    let told = history
        .iter()
        .filter(|entry| entry.empty_layer() != Some(true))
        .count();
    faults.check(told == layers, || {
        format!("{told} entries of history for {layers} layers")
    });
    diff_ids
}

fn check_layer(
    faults: &mut Faults,
    number: usize,
    layer: &Descriptor,
    diff_id: Option<&Digest>,
    bytes: &[u8],
    files: &mut BTreeMap<String, File>,
) {
    let digest = Digest::of(bytes);
    faults.check(digest == layer.digest, || {
        format!("layer {number} has digest {digest}")
    });
    faults.check(bytes.len() as u64 == layer.size, || {
        format!("layer {number} is {} bytes long, not {}", bytes.len(), layer.size)
    });
    let tar = match decompress(&layer.media_type, bytes) {
        Ok(tar) => tar,
        Err(reason) => {
            faults
                .0
                .push(format!("layer {number} ({}): {reason}", layer.media_type));
            return;
        }
    };
    let own = Digest::of(&tar);
    faults.check(diff_id == Some(&own), || {
        format!("layer {number} has diff id {own}, not {diff_id:?}")
    });
    if let Err(error) = apply(faults, number, &tar, files) {
        faults.0.push(format!("layer {number} is not a tar: {error}"));
    }
    let ended = tar.len().is_multiple_of(512) && tar.ends_with(&[0; 1024]);
    faults.check(ended, || format!("layer {number} is a tar without an end"));
}

/// What only the whole image tells: hard links lead to files, and nothing lies below what is no folder.
fn check_files(faults: &mut Faults, files: &BTreeMap<String, File>) {
    for (path, file) in files {
        let target = file.link.trim_start_matches("./").trim_start_matches('/');
        let leads = file.kind != tar::EntryType::Link || files.contains_key(target);
        faults.check(leads, || {
            format!("`{path}` is a hard link to `{target}`, which is not there")
        });
        let above = path
            .match_indices('/')
            .find_map(|(end, _)| files.get_key_value(&path[..end]));
        if let Some((above, folder)) = above {
            faults.check(
                folder.kind == tar::EntryType::Directory || folder.kind == tar::EntryType::Symlink,
                || format!("`{path}` lies below `{above}`, which is no folder"),
            );
        }
    }
}

fn decompress(media_type: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut tar = Vec::new();
    let read = match media_type {
        MEDIA_OCI_LAYER => return Ok(bytes.to_vec()),
        MEDIA_OCI_LAYER_GZIP | MEDIA_DOCKER_LAYER_GZIP => {
            flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut tar)
        }
        MEDIA_OCI_LAYER_ZSTD => Frames::new(bytes).read_to_end(&mut tar),
        _ => return Err("its media type is unknown".to_owned()),
    };
    read.map(|_| tar).map_err(|error| error.to_string())
}

/// Unpacks a layer over the files so far, whiteouts included.
fn apply(
    faults: &mut Faults,
    number: usize,
    bytes: &[u8],
    files: &mut BTreeMap<String, File>,
) -> std::io::Result<()> {
    let mut seen = BTreeSet::new();
    let mut extended = Extended::default();
    for entry in tar::Archive::new(bytes).entries()?.raw(true) {
        let mut entry = entry?;
        if extended.take(&mut entry)? {
            continue;
        }
        let extended = std::mem::take(&mut extended);
        let raw = extended.path(&entry);
        let path = raw.trim_start_matches("./").trim_end_matches('/').to_owned();
        let is_plain = !raw.starts_with('/') && path.split('/').all(|part| part != "..");
        faults.check(is_plain, || format!("layer {number} has the path `{raw}`"));
        faults.check(seen.insert(path.clone()), || {
            format!("layer {number} has `{path}` twice")
        });
        if path.is_empty() || path == "." {
            continue;
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == ".wh..wh..opq" {
            files.retain(|other, file| !is_under(other, folder) || file.layer == number);
        } else if let Some(gone) = name.strip_prefix(".wh.") {
            let gone = if folder.is_empty() {
                gone.to_owned()
            } else {
                format!("{folder}/{gone}")
            };
            files.retain(|other, _| *other != gone && !is_under(other, &gone));
        } else {
            let file = read_entry(&mut entry, &extended, number)?;
            if file.kind != tar::EntryType::Directory {
                files.retain(|other, _| !is_under(other, &path));
            }
            files.insert(path, file);
        }
    }
    Ok(())
}

fn is_under(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

fn read_entry(entry: &mut tar::Entry<'_, &[u8]>, extended: &Extended, layer: usize) -> std::io::Result<File> {
    let header = entry.header();
    let (kind, mode) = (header.entry_type(), header.mode()?);
    let number = |keyword: &str, plain: std::io::Result<u64>| extended.number(keyword).map_or(plain, Ok);
    let (uid, gid, mtime) = (
        number("uid", header.uid())?,
        number("gid", header.gid())?,
        number("mtime", header.mtime())?,
    );
    let link = extended
        .value("linkpath")
        .or_else(|| entry.link_name_bytes().map(std::borrow::Cow::into_owned))
        .map(|name| String::from_utf8_lossy(&name).into_owned());
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    let link = link.unwrap_or_default();
    Ok(File {
        kind,
        mode,
        uid,
        gid,
        mtime,
        link,
        content: content.into(),
        xattrs: extended.xattrs(),
        layer,
    })
}
