//! What is written to a folder that is a link in the image goes behind the link, as a command would write it.

use anyhow::{Result, ensure};
use kiel_stapel::spec::{From, Position, StapelSpec};

use super::engine::Bench;
use super::file;
use super::project::{self, Project, busybox, mapping, stapel};

pub(crate) async fn import(bench: Bench) -> Result<()> {
    let mut images = super::images();
    images.truncate(2);
    let mut base = StapelSpec {
        from: busybox(),
        ..StapelSpec::default()
    };
    base.shell.before_install = vec!["mkdir -p /usr/links".into(), "ln -s usr/links /lib-linked".into()];
    let mut app = StapelSpec {
        from: From::Image("base".into()),
        ..StapelSpec::default()
    };
    app.imports = vec![project::import(
        "builder",
        "/out/bin/tool",
        "/lib-linked/tool",
        Position::AfterInstall,
    )];
    images[0] = stapel("app", app);
    images.push(stapel("base", base));
    let mut project = Project::new(bench, images)?;
    project.commit(&[("x", Some("x"))])?;
    let report = project.build().await?;
    let app = project.image(&report, "app").await?;
    ensure!(
        file(&app, "usr/links/tool")? == "tool\n",
        "{:?}",
        app.files.keys()
    );
    Ok(())
}

/// Links of all kinds in a base.
fn linked_base() -> StapelSpec {
    let mut base = StapelSpec {
        from: busybox(),
        ..StapelSpec::default()
    };
    base.shell.before_install = vec![
        "mkdir -p /srv/behind /opt/deep; chmod 711 /srv/behind".into(),
        "ln -s srv/behind /linked; ln -s /linked /twice; ln -s ../../../opt/deep /opt/up; ln -s nowhere /dangling".into(),
        "echo kept > /srv/behind/kept".into(),
    ];
    base
}

pub(crate) async fn mappings(bench: Bench) -> Result<()> {
    let mut app = StapelSpec {
        from: From::Image("base".into()),
        git: vec![mapping("/files", "/"), mapping("/one", "/twice/one")],
        ..StapelSpec::default()
    };
    app.shell.install = vec!["cat /linked/a /twice/b /opt/up/c /linked/one > /seen".into()];
    let mut project = Project::new(bench, vec![stapel("app", app), stapel("base", linked_base())])?;
    project.commit(&[
        ("files/linked/a", Some("a\n")),
        ("files/twice/b", Some("b\n")),
        ("files/opt/up/c", Some("c\n")),
        ("files/dangling/d", Some("d\n")),
        ("one", Some("one\n")),
    ])?;
    let report = project.build().await?;
    let app = project.image(&report, "app").await?;
    let links = |app: &kiel::registry::validate::Validated| {
        ["linked", "twice", "opt/up"].map(|path| app.files[path].link.clone())
    };
    let want = ["srv/behind", "/linked", "../../../opt/deep"].map(str::to_owned);
    ensure!(links(&app) == want, "{:?}", links(&app));
    ensure!(file(&app, "seen")? == "a\nb\nc\none\n");
    ensure!(file(&app, "srv/behind/kept")? == "kept\n" && file(&app, "srv/behind/b")? == "b\n");
    ensure!(
        app.files["srv/behind"].mode & 0o777 == 0o711,
        "a folder behind a link stays as it is"
    );
    ensure!(
        file(&app, "dangling/d")? == "d\n",
        "a link to nothing gives way to a folder"
    );
    // A patch follows the same links, without an engine: into known folders and into new ones.
    project.engines();
    project.commit(&[
        ("files/linked/a", Some("a 2\n")),
        ("files/twice/b", None),
        ("files/linked/new/x", Some("x\n")),
        ("one", Some("one 2\n")),
    ])?;
    let report = project.build().await?;
    ensure!(project.engines() == 0, "{:?}", project.events);
    let app = project.image(&report, "app").await?;
    ensure!(links(&app) == want, "{:?}", links(&app));
    ensure!(file(&app, "srv/behind/a")? == "a 2\n" && file(&app, "srv/behind/new/x")? == "x\n");
    ensure!(file(&app, "srv/behind/one")? == "one 2\n" && !app.files.contains_key("srv/behind/b"));
    let config = String::from_utf8_lossy(&app.image.config);
    ensure!(!config.contains("dev.kiel"), "{config}");
    Ok(())
}

pub(crate) async fn no_commands(bench: Bench) -> Result<()> {
    let app = StapelSpec {
        from: From::External("debian:bookworm-slim".into()),
        git: vec![
            mapping("/entrypoint", "/bin/entrypoint"),
            mapping("/files", "/files"),
        ],
        ..StapelSpec::default()
    };
    let plain = StapelSpec {
        from: From::External("debian:bookworm-slim".into()),
        git: vec![mapping("/files", "/files")],
        ..StapelSpec::default()
    };
    let mut run = StapelSpec {
        from: From::Image("app".into()),
        ..StapelSpec::default()
    };
    run.shell.install = vec!["entrypoint > /ran".into()];
    let mut project = Project::new(bench, vec![stapel("app", app), stapel("run", run)])?;
    project.commit(&[
        ("entrypoint", Some("#!/bin/sh\necho started\n")),
        ("files/a", Some("a\n")),
    ])?;
    project::git(&project.dir(), &["update-index", "--chmod=+x", "entrypoint"])?;
    project::git(&project.dir(), &["commit", "-qm", "executable"])?;
    let report = project.build().await?;
    let image = project.image(&report, "run").await?;
    ensure!(file(&image, "ran")? == "started\n" && image.files["bin"].link == "usr/bin");
    // An engine looks for folders that are often links, for nothing else.
    project.engines();
    project.images = vec![stapel("plain", plain)];
    let report = project.build().await?;
    ensure!(project.engines() == 0, "{:?}", project.events);
    ensure!(file(&project.image(&report, "plain").await?, "files/a")? == "a\n");
    Ok(())
}
