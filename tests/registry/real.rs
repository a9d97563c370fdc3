//! What a registry is for: pushing, reading, mounting, mirroring, on a real one.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use kiel::registry::{
    Blob, BlobSource, Descriptor, Digest, Insecure, MEDIA_DOCKER_LAYER_GZIP, MEDIA_OCI_CONFIG,
    MEDIA_OCI_LAYER, MEDIA_OCI_MANIFEST, Manifest, Platform, Reference, Registry, RegistryError,
    RegistryOptions, Repository, Url, validate,
};

use super::support::{self, Server};
use super::{client, config_of, push_image, tar_of};

pub(crate) async fn push_and_read(server: &Server) -> Result<()> {
    let registry = client()?;
    let repository: Repository = format!("{}/team/app", server.address).parse()?;
    let (digest, _) = push_image(&registry, &repository.tag("v1")?, b"hello").await?;
    for reference in [repository.tag("v1")?, repository.digest(digest)] {
        ensure!(registry.head(&reference).await?.context("HEAD finds it")?.digest == digest);
        let valid = validate::image(&registry, &reference, &Platform::host()).await?;
        ensure!(valid.files["app/file"].content == "hello");
    }
    ensure!(push_image(&registry, &repository.tag("v2")?, b"hello").await?.0 == digest);
    ensure!(registry.tags(&repository).await?.into_iter().eq(["v1", "v2"]));
    // A digest that is asked for is the digest that comes.
    let wrong = repository.digest(Digest::of(b"other"));
    ensure!(registry.head(&wrong).await?.is_none());
    Ok(())
}

pub(crate) async fn mount_and_copy(server: &Server) -> Result<()> {
    let registry = client()?;
    let first: Repository = format!("{}/a", server.address).parse()?;
    let (_, layer) = push_image(&registry, &first.tag("x")?, b"mounted").await?;
    let second: Repository = format!("{}/b", server.address).parse()?;
    let before = registry.requests();
    let source = BlobSource::Repository(first.clone());
    registry.push_blob(&second, layer.digest, &source, None).await?;
    ensure!(registry.has_blob(&second, layer.digest).await?);
    let sent = |method: &str| {
        let key = (method.to_owned(), server.address.clone());
        registry.requests().get(&key).unwrap_or(&0) - before.get(&key).unwrap_or(&0)
    };
    ensure!(
        (sent("POST"), sent("PUT"), sent("GET")) == (1, 0, 0),
        "a mount is one POST: {registry:?}"
    );

    let program = support::program("registry").context("it ran before")?;
    let other = Server::start(&program, false)?;
    let third: Repository = format!("{}/c", other.address).parse()?;
    let copied = validate::copy(&registry, &first.tag("x")?, &third.tag("y")?, &Platform::host()).await?;
    let valid = validate::image(&registry, &third.tag("y")?, &Platform::host()).await?;
    ensure!(Some(valid.image.descriptor.digest) == copied && valid.files["app/file"].content == "mounted");
    Ok(())
}

pub(crate) async fn absent(server: &Server) -> Result<()> {
    let registry = client()?;
    let repository: Repository = format!("{}/nothing", server.address).parse()?;
    ensure!(registry.head(&repository.tag("x")?).await?.is_none());
    ensure!(registry.manifest(&repository.tag("x")?).await?.is_none());
    ensure!(!registry.has_blob(&repository, Digest::of(b"x")).await?);
    ensure!(registry.tags(&repository).await?.is_empty());
    let descriptor = Descriptor::new(MEDIA_OCI_CONFIG, Digest::of(b"x"), 1);
    let error = registry
        .blob(&repository, &descriptor)
        .await
        .expect_err("there is no such blob");
    ensure!(matches!(error, RegistryError::NotFound { .. }), "{error}");
    Ok(())
}

pub(crate) async fn parallel(server: &Server) -> Result<()> {
    let repository: Repository = format!("{}/many", server.address).parse()?;
    push_image(&client()?, &repository.tag("x")?, b"one").await?;
    let registry = client()?;
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (registry, reference) = (registry.clone(), repository.tag("x")?);
        reads.spawn(async move { registry.head(&reference).await });
    }
    while let Some(read) = reads.join_next().await {
        ensure!(read??.is_some());
    }
    let sent = registry.requests();
    ensure!(
        sent.values().sum::<u64>() == 20,
        "no ping, no request twice: {sent:?}"
    );
    Ok(())
}

pub(crate) async fn second_reader(server: &Server) -> Result<()> {
    let repository: Repository = format!("{}/second", server.address).parse()?;
    let (digest, layer) = push_image(&client()?, &repository.tag("x")?, b"seen").await?;
    let config = oci_client::client::ClientConfig {
        protocol: oci_client::client::ClientProtocol::Http,
        ..Default::default()
    };
    let other = oci_client::Client::new(config);
    let reference: oci_client::Reference = repository.tag("x")?.to_string().parse()?;
    let anonymous = oci_client::secrets::RegistryAuth::Anonymous;
    let (manifest, found) = other.pull_image_manifest(&reference, &anonymous).await?;
    ensure!(found == digest.to_string() && manifest.layers[0].digest == layer.digest.to_string());
    Ok(())
}

pub(crate) async fn mirror(server: &Server) -> Result<()> {
    let repository: Repository = format!("{}/library/busybox", server.address).parse()?;
    let (digest, _) = push_image(&client()?, &repository.tag("1")?, b"mirrored").await?;
    let nobody = Url::parse("http://127.0.0.1:1")?;
    let mirrors = vec![nobody, Url::parse(&format!("http://{}", server.address))?];
    let registry = Registry::new(RegistryOptions {
        mirrors,
        ..RegistryOptions::default()
    })?;
    let reference: Reference = "busybox:1".parse()?;
    ensure!(
        registry
            .head(&reference)
            .await?
            .context("the mirror has it")?
            .digest
            == digest
    );
    let image = registry
        .image(&reference, &Platform::host())
        .await?
        .context("the mirror has it")?;
    ensure!(image.reference.to_string() == format!("docker.io/library/busybox:1@{digest}"));
    let hosts: Vec<String> = registry.requests().into_keys().map(|(_, host)| host).collect();
    ensure!(
        hosts.iter().all(|host| host.starts_with("127.0.0.1:")),
        "{hosts:?}"
    );
    Ok(())
}

pub(crate) async fn file_blob(server: &Server) -> Result<()> {
    let registry = client()?;
    let repository: Repository = format!("{}/file", server.address).parse()?;
    let folder = tempfile::tempdir()?;
    let bytes = vec![7; 3 << 20];
    let path = folder.path().join("layer");
    fs_err::write(&path, &bytes)?;
    let digest = Digest::of(&bytes);
    let source = BlobSource::Blob(Blob::from_file(path.clone(), digest, bytes.len() as u64));
    registry.push_blob(&repository, digest, &source, None).await?;
    let read = registry
        .blob(
            &repository,
            &Descriptor::new(MEDIA_OCI_LAYER, digest, bytes.len() as u64),
        )
        .await?;
    ensure!(read == bytes);
    // A file that was changed is found out by the registry.
    fs_err::write(&path, vec![8; 3 << 20])?;
    let other: Repository = format!("{}/changed", server.address).parse()?;
    let error = registry
        .push_blob(&other, digest, &source, None)
        .await
        .expect_err("its digest is wrong");
    ensure!(
        matches!(error, RegistryError::Answer { status: 400, .. }),
        "{error}"
    );
    Ok(())
}

/// This program again, on the first test, with an environment that would lead elsewhere.
pub(crate) async fn loopback(_: &Server) -> Result<()> {
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "an_image_that_was_pushed_keeps_all_rules"])
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(())
}

pub(crate) async fn down() -> Result<()> {
    let error = client()?
        .head(&"127.0.0.1:1/a:x".parse()?)
        .await
        .expect_err("nobody listens");
    let text = error.to_string();
    ensure!(matches!(error, RegistryError::Unreachable { .. }), "{text}");
    ensure!(text.contains("registry `127.0.0.1:1` does not answer"), "{text}");
    let insecure = RegistryOptions {
        insecure: Insecure::All,
        ..RegistryOptions::default()
    };
    let error = Registry::new(insecure)?
        .head(&"127.0.0.1:1/a:x".parse()?)
        .await
        .expect_err("nobody listens");
    ensure!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    Ok(())
}

/// Each rule is broken once, and named.
pub(crate) async fn broken_images(server: &Server) -> Result<()> {
    let tar = |path: &str| tar_of(path, b"content");
    let good = tar("app/file")?;
    let header = |kind: tar::EntryType| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header
    };
    let mut builder = tar::Builder::new(Vec::new());
    for _ in 0..2 {
        builder.append_data(&mut header(tar::EntryType::Regular), "same", &b""[..])?;
    }
    let twice = Bytes::from(builder.into_inner()?);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_link(&mut header(tar::EntryType::Link), "link", "gone")?;
    let dangling = Bytes::from(builder.into_inner()?);
    let endless = good.slice(..good.len() - 1024);
    let truncated = good.slice(..700);
    let one = |layer: &Bytes| config_of(&[Digest::of(layer)]);
    let with = |key: &str, value: serde_json::Value| {
        let mut config = one(&good);
        config[key] = value;
        config
    };
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    let cases = [
        (&good, one(&Bytes::new()), MEDIA_OCI_LAYER, "has diff id"),
        (&good, config_of(&[]), MEDIA_OCI_LAYER, "0 diff ids for 1 layers"),
        (
            &good,
            with("history", serde_json::json!([])),
            MEDIA_OCI_LAYER,
            "0 entries of history for 1 layers",
        ),
        (
            &good,
            with("os", "plan9".into()),
            MEDIA_OCI_LAYER,
            "it is for plan9/",
        ),
        (
            &good,
            serde_json::json!([]),
            MEDIA_OCI_LAYER,
            "the config is not one for oci-spec",
        ),
        (
            &good,
            one(&good),
            zstd,
            "layer 0 (application/vnd.oci.image.layer.v1.tar+zstd)",
        ),
        (&good, one(&good), "text/plain", "its media type is unknown"),
        (
            &good,
            one(&good),
            MEDIA_DOCKER_LAYER_GZIP,
            "in a manifest of type",
        ),
        (&twice, one(&twice), MEDIA_OCI_LAYER, "layer 0 has `same` twice"),
        (
            &dangling,
            one(&dangling),
            MEDIA_OCI_LAYER,
            "a hard link to `gone`, which is not there",
        ),
        (&endless, one(&endless), MEDIA_OCI_LAYER, "a tar without an end"),
        (&truncated, one(&truncated), MEDIA_OCI_LAYER, "is not a tar"),
    ];
    let registry = client()?;
    let repository: Repository = format!("{}/broken", server.address).parse()?;
    for (number, (layer, config, kind, want)) in cases.into_iter().enumerate() {
        let (layer, config) = (
            Blob::from_bytes(layer.clone()),
            Blob::from_bytes(config.to_string()),
        );
        for blob in [&layer, &config] {
            let source = BlobSource::Blob(blob.clone());
            registry
                .push_blob(&repository, blob.digest, &source, None)
                .await?;
        }
        let manifest = Manifest::new(
            Descriptor::new(MEDIA_OCI_CONFIG, config.digest, config.size),
            vec![Descriptor::new(kind, layer.digest, layer.size)],
        );
        let reference = repository.tag(&format!("case-{number}"))?;
        registry
            .push_manifest(&reference, MEDIA_OCI_MANIFEST, manifest.to_bytes())
            .await?;
        let error = validate::image(&registry, &reference, &Platform::host()).await;
        let text = error
            .err()
            .with_context(|| format!("`{want}` was not found"))?
            .to_string();
        ensure!(text.contains(want), "{want}: {text}");
    }
    Ok(())
}
