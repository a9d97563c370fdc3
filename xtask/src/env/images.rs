//! Base images under their real names, served by the local registry as a mirror of Docker Hub.
//!
//! From Docker Hub when it answers; else stand-ins made of Debian packages: they hold the programs that the
//! real image is used for, in the versions of the machine's Debian release, and their source is printed.
//! Kept in the cache as manifest and blobs, pushed on every start.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::debian;
use super::hub::Hub;
use super::layer::{Layer, Packed};
use super::oci::{self, Local};
use super::toolchain;
use crate::cache::Cache;
use crate::{say, shell};

/// This machine's architecture in the words of images.
pub(crate) const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// The other architecture that tests build for.
pub(crate) const FOREIGN: &str = if cfg!(target_arch = "aarch64") {
    "amd64"
} else {
    "arm64"
};

/// The images that examples and tests may name.
const IMAGES: [Image; 5] = [
    Image {
        repository: "library/busybox",
        tag: "1.37",
        recipe: Recipe::BusyboxOfBoth,
    },
    Image {
        repository: "library/busybox",
        tag: "1.36",
        recipe: Recipe::Busybox,
    },
    Image {
        repository: "library/debian",
        tag: "bookworm-slim",
        recipe: Recipe::Debian,
    },
    Image {
        repository: "library/python",
        tag: "3.13-slim",
        recipe: Recipe::Python,
    },
    Image {
        repository: "werf/stapel",
        tag: "0.6.2",
        recipe: Recipe::Toolchain,
    },
];

/// What a Debian root file system without apt's services needs.
const DEBIAN: &[&str] = &[
    "base-files",
    "base-passwd",
    "bash",
    "ca-certificates",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "mawk",
    "ncurses-base",
    "sed",
    "tar",
    "util-linux",
];

struct Image {
    repository: &'static str,
    tag: &'static str,
    recipe: Recipe,
}

/// How a stand-in is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recipe {
    Busybox,
    /// An index of this machine's architecture and the other one.
    BusyboxOfBoth,
    Debian,
    Python,
    /// Of another registry: never fetched from Docker Hub.
    Toolchain,
}

/// Makes or fetches what the cache lacks. `registry_program` serves to read Docker Hub.
pub(crate) fn prepare(cache: &Cache, registry_program: &Path) -> Result<()> {
    let missing: Vec<&Image> = IMAGES
        .iter()
        .filter(|image| !image.folder(cache).exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    cache.folder("images")?;
    let hub = Hub::connect(registry_program)?;
    for image in missing {
        let started = Instant::now();
        let temporary = tempfile::tempdir_in(cache.path("images"))?;
        let hub = hub.as_ref().filter(|_| image.recipe != Recipe::Toolchain);
        let source = match hub.map(|hub| image.fetch(hub, temporary.path())) {
            Some(Ok(())) => format!("from {}", hub.map_or("", Hub::url)),
            Some(Err(error)) => {
                say::note(&format!("cannot get {} from Docker Hub: {error:#}", image.name()));
                image.make(temporary.path())?
            }
            None => image.make(temporary.path())?,
        };
        fs_err::write(temporary.path().join("source"), &source)?;
        fs_err::rename(temporary.keep(), image.folder(cache))?;
        say::step(&image.name(), &source, started.elapsed());
    }
    Ok(())
}

/// Pushes the cached images to the local registry.
pub(crate) fn push(cache: &Cache, registry: Local) -> Result<()> {
    for image in &IMAGES {
        let started = Instant::now();
        let folder = image.folder(cache);
        image.push(registry, &folder, image.tag, &folder.join("manifest.json"))?;
        let source = fs_err::read_to_string(folder.join("source"))?;
        say::step(&image.name(), &format!("pushed; {source}"), started.elapsed());
    }
    Ok(())
}

/// Pushes the image of the pods' sandboxes under `pause:1`.
pub(crate) fn push_pause(registry: Local, program: &Path) -> Result<()> {
    let mut layer = Layer::default();
    layer.add_file("pause", 0o755, fs_err::read(program)?);
    let folder = tempfile::tempdir()?;
    let manifest = assemble(
        folder.path(),
        ARCHITECTURE,
        &[layer.pack()?],
        json!({"Entrypoint": ["/pause"]}),
    )?;
    for digest in blobs(&manifest)? {
        registry.push_blob(
            "pause",
            &digest,
            &fs_err::read(folder.path().join(file_name(&digest)))?,
        )?;
    }
    registry.push_manifest("pause", "1", oci::MANIFEST, &serde_json::to_vec(&manifest)?)
}

/// Each image's name and where it came from.
pub(crate) fn sources(cache: &Cache) -> Vec<(String, String)> {
    let source = |image: &Image| fs_err::read_to_string(image.folder(cache).join("source")).ok();
    IMAGES
        .iter()
        .filter_map(|image| Some((image.name(), source(image)?)))
        .collect()
}

impl Image {
    fn name(&self) -> String {
        format!("{}:{}", self.repository.trim_start_matches("library/"), self.tag)
    }

    fn folder(&self, cache: &Cache) -> PathBuf {
        cache.path("images").join(self.name().replace([':', '/'], "-"))
    }

    fn fetch(&self, hub: &Hub, folder: &Path) -> Result<()> {
        let own = hub.fetch(self.repository, self.tag, ARCHITECTURE, folder)?;
        let document = match self.recipe {
            Recipe::BusyboxOfBoth => {
                let other = hub.fetch(self.repository, self.tag, FOREIGN, folder)?;
                index(folder, [(ARCHITECTURE, own), (FOREIGN, other)])?
            }
            _ => own,
        };
        Ok(fs_err::write(folder.join("manifest.json"), document)?)
    }

    /// Pushes an index with its images, or an image with its blobs.
    fn push(&self, registry: Local, folder: &Path, reference: &str, file: &Path) -> Result<()> {
        let document = fs_err::read(file)?;
        let parsed: Value = serde_json::from_slice(&document)?;
        for manifest in parsed["manifests"].as_array().into_iter().flatten() {
            let digest = manifest["digest"]
                .as_str()
                .context("a descriptor without digest")?;
            self.push(registry, folder, digest, &folder.join(file_name(digest)))?;
        }
        if parsed["manifests"].is_null() {
            for digest in blobs(&parsed)? {
                registry.push_blob(
                    self.repository,
                    &digest,
                    &fs_err::read(folder.join(file_name(&digest)))?,
                )?;
            }
        }
        let media_type = parsed["mediaType"].as_str().unwrap_or(oci::MANIFEST);
        registry.push_manifest(self.repository, reference, media_type, &document)
    }

    /// Makes the stand-in in `folder` and tells what it is.
    fn make(&self, folder: &Path) -> Result<String> {
        let work = tempfile::tempdir()?;
        let (layers, command) = match self.recipe {
            Recipe::BusyboxOfBoth => {
                let (own, other) = (work.path().join("own"), work.path().join("other"));
                fs_err::create_dir(&own)?;
                fs_err::create_dir(&other)?;
                let image = |architecture, layer| {
                    let manifest = assemble(folder, architecture, &[layer], configuration("sh"))?;
                    anyhow::Ok((architecture, serde_json::to_vec(&manifest)?))
                };
                let images = [
                    image(ARCHITECTURE, busybox(&own)?)?,
                    image(FOREIGN, foreign_busybox(&other)?)?,
                ];
                fs_err::write(folder.join("manifest.json"), index(folder, images)?)?;
                return Ok("stand-in made of Debian packages".to_owned());
            }
            Recipe::Busybox => (vec![busybox(work.path())?], "sh"),
            Recipe::Debian => (vec![debian_base(work.path())?.0], "bash"),
            Recipe::Python => (python(work.path())?, "python3"),
            Recipe::Toolchain => (vec![toolchain::layer(work.path())?], "none"),
        };
        let manifest = assemble(folder, ARCHITECTURE, &layers, configuration(command))?;
        fs_err::write(folder.join("manifest.json"), serde_json::to_vec(&manifest)?)?;
        Ok("stand-in made of Debian packages".to_owned())
    }
}

fn configuration(command: &str) -> Value {
    json!({
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": [command],
    })
}

/// Keeps these manifests in the folder by their digests, and gives an index of them.
fn index(folder: &Path, manifests: [(&str, Vec<u8>); 2]) -> Result<Vec<u8>> {
    let mut entries = Vec::new();
    for (architecture, bytes) in manifests {
        let parsed: Value = serde_json::from_slice(&bytes)?;
        let mut entry = store(
            folder,
            &bytes,
            parsed["mediaType"].as_str().unwrap_or(oci::MANIFEST),
        )?;
        entry["platform"] = json!({"architecture": architecture, "os": "linux"});
        entries.push(entry);
    }
    let index = json!({"schemaVersion": 2, "mediaType": oci::INDEX, "manifests": entries});
    Ok(serde_json::to_vec(&index)?)
}

/// Writes layers and configuration to a folder and gives the manifest.
#[expect(clippy::needless_pass_by_value, reason = "callers write it as a literal")]
fn assemble(folder: &Path, architecture: &str, layers: &[Packed], config: Value) -> Result<Value> {
    const TIME: &str = "2026-01-01T00:00:00Z";
    let mut descriptors = Vec::new();
    let (mut diff_ids, mut history) = (Vec::new(), Vec::new());
    for layer in layers {
        descriptors.push(store(
            folder,
            &layer.bytes,
            "application/vnd.oci.image.layer.v1.tar+gzip",
        )?);
        diff_ids.push(format!("sha256:{}", layer.diff_id));
        history.push(json!({"created": TIME, "created_by": "Debian packages"}));
    }
    let config = serde_json::to_vec(&json!({
        "architecture": architecture, "os": "linux", "created": TIME, "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
    }))?;
    Ok(json!({
        "schemaVersion": 2, "mediaType": oci::MANIFEST,
        "config": store(folder, &config, "application/vnd.oci.image.config.v1+json")?,
        "layers": descriptors,
    }))
}

fn store(folder: &Path, bytes: &[u8], media_type: &str) -> Result<Value> {
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
    fs_err::write(folder.join(file_name(&digest)), bytes)?;
    Ok(json!({"mediaType": media_type, "digest": digest, "size": bytes.len()}))
}

/// The file that a blob is kept in.
pub(crate) fn file_name(digest: &str) -> String {
    digest.replace(':', "-")
}

/// Digests of the blobs that a manifest names.
pub(crate) fn blobs(manifest: &Value) -> Result<Vec<String>> {
    let layers = manifest["layers"]
        .as_array()
        .context("a manifest without layers")?;
    std::iter::once(&manifest["config"])
        .chain(layers)
        .map(|descriptor| {
            Ok(descriptor["digest"]
                .as_str()
                .context("a descriptor without digest")?
                .to_owned())
        })
        .collect()
}

/// The dynamic busybox and the C library: the static one cannot resolve names.
fn busybox(work: &Path) -> Result<Packed> {
    let mut layer = Layer::root();
    for archive in debian::download(&["busybox"], work, debian::Missing::Everywhere)? {
        layer.add_package(&archive, None)?;
    }
    let file = work.join("busybox");
    fs_err::write(
        &file,
        layer
            .file("usr/bin/busybox")
            .context("the package busybox holds no program")?,
    )?;
    shell::run(shell::command("chmod", ["755"]).arg(&file))?;
    for applet in shell::run(&mut shell::command(&file, ["--list"]))?.lines() {
        if applet != "busybox" {
            layer.add_link(&format!("usr/bin/{applet}"), "busybox");
        }
    }
    add_users(&mut layer, "root:*:0:0:root:/root:/bin/sh\n", "root:*:0:\n");
    layer.pack()
}

/// As [`busybox`], for another architecture: it cannot be asked for its applets here, so it has those that tests call.
fn foreign_busybox(work: &Path) -> Result<Packed> {
    const APPLETS: [&str; 8] = ["cat", "cp", "ls", "mkdir", "mv", "rm", "sh", "uname"];
    let mut layer = Layer::root();
    for archive in debian::download(&["busybox"], work, debian::Missing::Foreign(FOREIGN))? {
        layer.add_package(&archive, None)?;
    }
    for applet in APPLETS {
        layer.add_link(&format!("usr/bin/{applet}"), "busybox");
    }
    add_users(&mut layer, "root:*:0:0:root:/root:/bin/sh\n", "root:*:0:\n");
    layer.pack()
}

/// A small Debian; the layer itself is needed again to leave its files out of what lies above.
fn debian_base(work: &Path) -> Result<(Packed, Layer)> {
    let mut layer = Layer::root();
    for archive in debian::download(DEBIAN, work, debian::Missing::Everywhere)? {
        layer.add_package(&archive, None)?;
    }
    let master = |layer: &Layer, name: &str| {
        let file = layer
            .file(&format!("usr/share/base-passwd/{name}.master"))
            .unwrap_or_default();
        String::from_utf8_lossy(file).into_owned()
    };
    let (users, groups) = (master(&layer, "passwd"), master(&layer, "group"));
    add_users(&mut layer, &users, &groups);
    layer.add_link("usr/bin/sh", "dash");
    layer.add_link("usr/bin/awk", "mawk");
    let certificates = layer.files_below("usr/share/ca-certificates").concat();
    layer.add_folder("etc/ssl", 0o755);
    layer.add_folder("etc/ssl/certs", 0o755);
    layer.add_file("etc/ssl/certs/ca-certificates.crt", 0o644, certificates);
    Ok((layer.pack()?, layer))
}

/// Debian's Python with its standard library on the small Debian, under the names of the language's image.
fn python(work: &Path) -> Result<Vec<Packed>> {
    let (packed, base) = debian_base(&work.join("base"))?;
    let mut packages = DEBIAN.to_vec();
    packages.push("python3");
    let mut layer = Layer::default();
    let known: Vec<_> = fs_err::read_dir(work.join("base/archives"))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<_>>()?;
    for archive in debian::download(&packages, &work.join("python"), debian::Missing::Everywhere)? {
        if !archive
            .file_name()
            .is_some_and(|name| known.iter().any(|other| other == name))
        {
            layer.add_package(&archive, Some(&base))?;
        }
    }
    for name in ["python", "python3"] {
        layer.add_link(&format!("usr/local/bin/{name}"), "/usr/bin/python3");
    }
    Ok(vec![packed, layer.pack()?])
}

fn add_users(layer: &mut Layer, users: &str, groups: &str) {
    layer.add_file("etc/passwd", 0o644, users);
    layer.add_file("etc/group", 0o644, groups);
    layer.add_file(
        "etc/nsswitch.conf",
        0o644,
        "passwd: files\ngroup: files\nhosts: files dns\n",
    );
}
