//! Dockerfiles: what they see, and the bases that they may have.

use anyhow::{Context as _, Result, ensure};
use kiel::build::BuildError;
use kiel::registry::{
    Blob, BlobSource, Descriptor, MEDIA_OCI_CONFIG, MEDIA_OCI_MANIFEST, Manifest, Platform, Repository,
};
use kiel_stapel::spec::{From, StapelSpec};

use super::engine::Bench;
use super::file;
use super::project::{Project, dockerfile, mapping, stapel};

pub(crate) async fn context(bench: Bench) -> Result<()> {
    let mut images = vec![
        dockerfile("whole", "whole/Dockerfile"),
        dockerfile("none", "none/Dockerfile"),
        dockerfile("bind", "bind/Dockerfile"),
    ];
    images[2].name = "bind".into();
    let mut project = Project::new(bench, images)?;
    project.commit(&[
        (
            "whole/Dockerfile",
            Some("FROM busybox:1.36\nCOPY . /all/\nRUN test ! -e /all/x.log\n"),
        ),
        ("whole/.dockerignore", Some("**/*.log\n")),
        ("whole/x.log", Some("x")),
        ("whole/deep/y", Some("y\n")),
        (
            "none/Dockerfile",
            Some("# syntax=docker/dockerfile:1\nFROM busybox:1.36\nRUN <<EOF\necho heredoc > /made\nEOF\n"),
        ),
        (
            "bind/Dockerfile",
            Some("FROM busybox:1.36\nRUN --mount=type=bind,source=lock,target=/l cat /l > /locked\n"),
        ),
        ("bind/lock", Some("1\n")),
        ("bind/other", Some("1\n")),
    ])?;
    let first = project.build().await?;
    let whole = project.image(&first, "whole").await?;
    ensure!(
        file(&whole, "all/deep/y")? == "y\n" && whole.files.contains_key("all/Dockerfile"),
        "{:?}",
        whole.files.keys()
    );
    ensure!(file(&project.image(&first, "none").await?, "made")? == "heredoc\n");
    project.commit(&[("bind/lock", Some("2\n")), ("bind/other", Some("2\n"))])?;
    let second = project.build().await?;
    ensure!(file(&project.image(&second, "bind").await?, "locked")? == "2\n");
    let rebuilt: Vec<&str> = second
        .images
        .iter()
        .filter(|image| image.rebuilt)
        .map(|image| image.name.as_str())
        .collect();
    ensure!(rebuilt == ["bind"], "{rebuilt:?}");
    Ok(())
}

/// Publishes busybox with other triggers.
async fn push_onbuild(project: &Project, to: &Repository, triggers: &[&str]) -> Result<()> {
    let busybox = project
        .registry
        .image(&"busybox:1.36".parse()?, &Platform::host())
        .await?
        .context("busybox")?;
    let mut config: serde_json::Value = serde_json::from_slice(&busybox.config)?;
    config["config"]["OnBuild"] = triggers.into();
    let blob = Blob::from_bytes(config.to_string());
    let descriptor = Descriptor::new(MEDIA_OCI_CONFIG, blob.digest, blob.size);
    for layer in &busybox.manifest.layers {
        let source = BlobSource::Repository(busybox.reference.repository().clone());
        project
            .registry
            .push_blob(to, layer.digest, &source, None)
            .await?;
    }
    project
        .registry
        .push_blob(to, blob.digest, &BlobSource::Blob(blob), None)
        .await?;
    let manifest = Manifest::new(descriptor, busybox.manifest.layers).to_bytes();
    project
        .registry
        .push_manifest(&to.tag("1")?, MEDIA_OCI_MANIFEST, manifest)
        .await?;
    Ok(())
}

pub(crate) async fn onbuild(bench: Bench) -> Result<()> {
    let mut project = Project::new(bench, vec![dockerfile("web", "Dockerfile")])?;
    let (reading, harmless) = (
        project.bench.repository("reading")?,
        project.bench.repository("harmless")?,
    );
    push_onbuild(&project, &reading, &["COPY . /app", "RUN make"]).await?;
    push_onbuild(&project, &harmless, &["RUN echo trigger > /trigger"]).await?;
    project.commit(&[("Dockerfile", Some(&format!("FROM {reading}:1\nRUN true\n")))])?;
    let error = project.try_build().await?.expect_err("it reads the context");
    ensure!(error.to_string().ends_with("\nCOPY . /app"), "{error}");
    ensure!(project.engines() == 0);
    project.commit(&[("Dockerfile", Some(&format!("FROM {harmless}:1\nRUN true\n")))])?;
    let report = project.build().await?;
    ensure!(file(&project.image(&report, "web").await?, "trigger")? == "trigger\n");
    Ok(())
}

pub(crate) async fn missing_base(bench: Bench) -> Result<()> {
    let missing = bench.repository("nothing-here")?;
    let spec = StapelSpec {
        from: From::External(format!("{missing}:1")),
        git: vec![mapping("/", "/app")],
        ..StapelSpec::default()
    };
    let mut project = Project::new(bench, vec![stapel("app", spec), dockerfile("web", "Dockerfile")])?;
    project.commit(&[("Dockerfile", Some(&format!("FROM {missing}:2\nRUN true\n")))])?;
    let error = project.try_build().await?.expect_err("no base");
    let BuildError::Several(errors) = &error else {
        panic!("{error:?}")
    };
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    for (image, tag) in [("app", 1), ("web", 2)] {
        let want = format!("cannot build image `{image}`: there is no image `{missing}:{tag}` for ");
        ensure!(texts.iter().any(|text| text.starts_with(&want)), "{texts:?}");
    }
    ensure!(project.engines() == 0 && project.registry.tags(&project.repository).await?.is_empty());
    Ok(())
}
