//! Images for several platforms: one for each, an index over them, and commands of another architecture.

use anyhow::{Context, Result, ensure};
use kiel::build::BuildReport;
use kiel::config::model::Image;
use kiel::registry::validate::{self, Validated};
use kiel::registry::{Index, Platform};
use kiel_stapel::spec::{From, Position, StapelSpec};

use super::engine::{Bench, emulator, foreign};
use super::file;
use super::project::{Project, dockerfile, import, mapping, platform, stapel};

fn of_registry(platform: &kiel_llb::Platform) -> Platform {
    Platform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: platform.variant.clone(),
    }
}

/// A tool without a platform of its own, an application that imports it, and a web image of a Dockerfile.
fn images() -> Vec<Image> {
    let busybox = || From::External("busybox:1.37".into());
    let mut tool = StapelSpec {
        from: busybox(),
        ..StapelSpec::default()
    };
    tool.shell.install = vec!["mkdir -p /out; uname -m > /out/machine".into()];
    let mut app = StapelSpec {
        from: busybox(),
        git: vec![mapping("/src", "/app")],
        ..StapelSpec::default()
    };
    app.git[0].stage_dependencies.install = vec!["deps".into()];
    app.shell.install = vec!["cp /app/deps /installed; uname -m > /machine".into()];
    app.imports = vec![import("tool", "/out", "/opt/tool", Position::AfterInstall)];
    let mut images = vec![
        stapel("tool", tool),
        stapel("app", app),
        dockerfile("web", "Dockerfile"),
    ];
    for image in &mut images[1..] {
        image.platforms = vec![foreign(), platform()];
    }
    images
}

const DOCKERFILE: &str = "FROM --platform=$BUILDPLATFORM busybox:1.37 AS build\nARG TARGETARCH\n\
                          RUN echo $TARGETARCH > /target; uname -m > /builder\n\
                          FROM busybox:1.37\nCOPY --from=build /target /builder /\nCOPY src/deps /\nRUN uname -m > /machine\n";

async fn new_project(mut bench: Bench) -> Result<Project> {
    bench.tools.emulator = emulator()?;
    let project = Project::new(bench, images())?;
    project.commit(&[
        ("Dockerfile", Some(DOCKERFILE)),
        ("src/deps", Some("1\n")),
        ("src/main", Some("1\n")),
    ])?;
    Ok(project)
}

/// The image for a platform that an index of the report leads to.
async fn image_for(
    project: &Project,
    report: &BuildReport,
    name: &str,
    platform: &kiel_llb::Platform,
) -> Result<Validated> {
    let image = report.image(name).with_context(|| format!("no `{name}`"))?;
    let reference = report.reference(image).parse()?;
    let (descriptor, bytes) = project.registry.manifest(&reference).await?.context("an index")?;
    ensure!(descriptor.is_index() && descriptor.digest == image.digest);
    let index: Index = serde_json::from_slice(&bytes)?;
    let listed: Vec<String> = index
        .manifests
        .iter()
        .filter_map(|manifest| Some(manifest.platform.as_ref()?.to_string()))
        .collect();
    ensure!(listed == ["linux/amd64", "linux/arm64"], "{listed:?}");
    let found = index.find(&of_registry(platform)).context("listed")?.digest;
    let one = project.repository.digest(found);
    Ok(validate::image(&project.registry, &one, &of_registry(platform)).await?)
}

fn machine(platform: &kiel_llb::Platform) -> &'static str {
    match platform.architecture.as_str() {
        "arm64" => "aarch64",
        _ => "x86_64",
    }
}

pub(crate) async fn indexes(bench: Bench) -> Result<()> {
    let mut project = new_project(bench).await?;
    let report = project.build().await?;
    ensure!(project.engines() == 1);
    // Built for both, as the application needs it, and by its own name for this machine alone.
    let tool = report.image("tool").context("tool")?;
    ensure!(
        tool.is_final && tool.platform == platform().to_string(),
        "{tool:?}"
    );
    for platform in [platform(), foreign()] {
        let app = image_for(&project, &report, "app", &platform).await?;
        for path in ["machine", "opt/tool/machine"] {
            let found = file(&app, path)?;
            ensure!(found.trim() == machine(&platform), "{path}: {found}");
        }
        let web = image_for(&project, &report, "web", &platform).await?;
        ensure!(file(&web, "machine")?.trim() == machine(&platform));
        ensure!(file(&web, "target")?.trim() == platform.architecture);
        // The stage that compiles runs on this machine, whatever it compiles for.
        ensure!(file(&web, "builder")?.trim() == std::env::consts::ARCH);
    }
    let warned = project
        .events
        .iter()
        .any(|event| format!("{event:?}").contains("does not match"));
    ensure!(!warned, "the engine takes the platform for a mistake");

    // Nothing is done twice, and the order of platforms is none.
    for image in &mut project.images {
        image.platforms.reverse();
    }
    let again = project.build().await?;
    ensure!(project.engines() == 0, "nothing to build");
    for name in ["app", "web"] {
        let digest = |report: &BuildReport| report.image(name).map(|image| (image.key, image.digest));
        ensure!(digest(&again) == digest(&report), "{name}");
    }

    // What only lays files down needs no engine, whatever the platform.
    project.commit(&[("src/main", Some("2\n"))])?;
    let patched = project.build().await?;
    ensure!(project.engines() == 0, "a patch needs none");
    for platform in [platform(), foreign()] {
        let app = image_for(&project, &patched, "app", &platform).await?;
        ensure!(file(&app, "app/main")?.trim() == "2");
    }

    // With one platform an image is no index, and nothing new: it has the name that it has in the index.
    for image in &mut project.images {
        image.platforms = vec![foreign()];
    }
    let single = project.build().await?;
    ensure!(project.engines() == 0, "it is there");
    let part = |image: &kiel::build::ImageReport| {
        let mut images = image.images.iter();
        images
            .find(|one| one.platform == foreign().to_string())
            .map(|one| (one.key, one.digest))
    };
    let app = single.image("app").context("app")?;
    ensure!(patched.image("app").and_then(part) == Some((app.key, app.digest)));
    Ok(())
}

pub(crate) async fn failures(bench: Bench) -> Result<()> {
    let mut project = new_project(bench).await?;
    let here = std::env::consts::ARCH;
    let failing = format!("FROM busybox:1.37\nRUN test $(uname -m) = {here}\n");
    project.commit(&[("Dockerfile", Some(&failing))])?;
    let error = project
        .try_build()
        .await?
        .expect_err("one platform fails")
        .to_string();
    ensure!(
        error.starts_with(&format!("cannot build image `web ({})`", foreign())),
        "{error}"
    );
    let (plan, _) = project.plan(&project.dir()).await?;
    let there: Vec<&str> = plan
        .images
        .iter()
        .filter(|state| state.digest.is_some())
        .map(|state| state.image.title.as_str())
        .collect();
    let own = format!("web ({})", platform());
    ensure!(there.contains(&own.as_str()) && there.len() == 5, "{there:?}");
    let indexes: Vec<(&str, bool)> = plan
        .indexes
        .iter()
        .map(|state| (state.index.name.as_str(), state.digest.is_some()))
        .collect();
    ensure!(indexes == [("app", true), ("web", false)], "{indexes:?}");
    Ok(())
}

pub(crate) async fn without_emulator(bench: Bench) -> Result<()> {
    let mut project = new_project(bench).await?;
    project.bench.tools.emulator = None;
    let error = project.try_build().await?.expect_err("no program runs");
    let hint = error.hint().with_context(|| error.to_string())?;
    ensure!(hint.contains("qemu-user-static"), "{hint}");
    Ok(())
}
