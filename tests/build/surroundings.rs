//! What commands have around them: owners that the image knows, networks, hosts, SSH agents.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;

use anyhow::{Context, Result, ensure};
use kiel::config::model::{ImageKind, SshAgent};
use kiel::event::{Event, Level};
use kiel_stapel::spec::{From, Import, Mount, MountKind, Network, Position, StapelSpec};
use kiel_stapel::stage::UserStage;

use super::engine::Bench;
use super::file;
use super::project::{Project, busybox, dockerfile, import, mapping, stapel};

pub(crate) async fn owners(bench: Bench) -> Result<()> {
    let mut app = StapelSpec {
        from: busybox(),
        git: vec![mapping("/src", "/app")],
        ..StapelSpec::default()
    };
    app.git[0].owner = Some("app".into());
    app.git[0].group = Some("web".into());
    app.git[0].stage_dependencies.install = vec!["deps".into()];
    app.shell.before_install = vec![
        "echo app:x:1234:1235::/:/bin/sh >> /etc/passwd".into(),
        "echo web:x:77: >> /etc/group".into(),
    ];
    app.shell.install = vec!["stat -c %u:%g /app/deps > /owner".into()];
    let mut plain = StapelSpec {
        from: busybox(),
        git: vec![mapping("/src", "/app")],
        ..StapelSpec::default()
    };
    plain.git[0].owner = Some("nobody-here".into());
    let mut project = Project::new(bench, vec![stapel("app", app)])?;
    project.commit(&[("src/deps", Some("1\n")), ("src/main", Some("1\n"))])?;
    let report = project.build().await?;
    ensure!(file(&project.image(&report, "app").await?, "owner")?.trim() == "1234:77");
    ensure!(project.engines() > 0);
    // The numbers go on with the stage: a patch needs no engine.
    project.commit(&[("src/main", Some("2\n"))])?;
    let report = project.build().await?;
    ensure!(project.engines() == 0, "a patch asked for an engine");
    let image = project.image(&report, "app").await?;
    let main = image.files.get("app/main").context("app/main")?;
    ensure!(
        (main.uid, main.gid) == (1234, 77),
        "app/main is of {}:{}",
        main.uid,
        main.gid
    );
    let labels = String::from_utf8_lossy(&image.image.config).into_owned();
    ensure!(
        !labels.contains("dev.kiel.owners"),
        "the label of stages is in the image"
    );

    project.images = vec![stapel("plain", plain)];
    let error = project.try_build().await?.expect_err("nobody").to_string();
    ensure!(
        error.contains("`nobody-here` of a git mapping is not in `/etc/passwd` of the image"),
        "{error}"
    );
    Ok(())
}

pub(crate) async fn network(bench: Bench) -> Result<()> {
    let socket = bench.folder.path().join("agent.sock");
    let agent = UnixListener::bind(&socket)?;
    let mut web = dockerfile("web", "Dockerfile");
    let ImageKind::Dockerfile(docker) = &mut web.kind else {
        unreachable!("it is one with a Dockerfile")
    };
    docker.add_hosts = vec![("db".into(), "10.1.2.3".into())];
    docker.network = Some(Network::None);
    docker.ssh = vec![SshAgent {
        id: "default".into(),
        socket: None,
    }];
    let shell = |network| {
        let mut spec = StapelSpec {
            from: busybox(),
            network,
            ..StapelSpec::default()
        };
        spec.shell.install = vec!["grep -c : /proc/net/dev > /devices || true".into()];
        spec
    };
    let images = vec![
        web,
        stapel("alone", shell(Some(Network::None))),
        stapel("host", shell(Some(Network::Host))),
    ];
    let mut project = Project::new(bench, images)?;
    project.agents.insert("default".into(), socket);
    let text = "FROM busybox:1.36\nRUN grep 10.1.2.3 /etc/hosts > /hosts\nRUN grep -c : /proc/net/dev > /devices\n\
                RUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo yes > /agent\n";
    project.commit(&[("Dockerfile", Some(text))])?;
    let report = project.build().await?;
    let web = project.image(&report, "web").await?;
    let hosts = file(&web, "hosts")?;
    let words: Vec<&str> = hosts.split_whitespace().collect();
    ensure!(words == ["10.1.2.3", "db"], "{hosts}");
    ensure!(file(&web, "agent")? == "yes\n");
    ensure!(file(&web, "devices")?.trim() == "1");
    let alone = project.image(&report, "alone").await?;
    ensure!(file(&alone, "devices")?.trim() == "1");
    let host = project.image(&report, "host").await?;
    let devices: u32 = file(&host, "devices")?.trim().parse()?;
    ensure!(devices > 1, "{devices}");
    drop(agent);
    Ok(())
}

/// Pointers of Git LFS are told: a commit has no more.
pub(crate) async fn import_stage(bench: Bench) -> Result<()> {
    let from_install = |to: &str| Import {
        stage: Some(UserStage::Install),
        ..import("builder", "/out", to, Position::AfterInstall)
    };
    let mut base = StapelSpec {
        from: busybox(),
        ..StapelSpec::default()
    };
    base.shell.install = vec!["echo base > /base".into()];
    let mut builder = StapelSpec {
        from: From::Image("base".into()),
        git: vec![mapping("/src", "/src")],
        ..StapelSpec::default()
    };
    builder.git[0].stage_dependencies.install = vec!["deps".into()];
    builder.shell.install = vec!["cat /base /src/deps > /out".into()];
    builder.shell.setup = vec!["echo end > /out".into()];
    let app = StapelSpec {
        from: busybox(),
        // One is a layer of its own, the other is copied onto the image.
        imports: vec![from_install("/opt/out"), from_install("/a/b/out")],
        ..StapelSpec::default()
    };
    let mut whole = StapelSpec {
        from: busybox(),
        imports: vec![import("builder", "/out", "/opt/out", Position::AfterInstall)],
        ..StapelSpec::default()
    };
    // The builder has no commands of this stage.
    whole.imports[0].stage = Some(UserStage::BeforeSetup);
    let images = vec![
        stapel("base", base),
        stapel("builder", builder),
        stapel("app", app),
        stapel("whole", whole),
    ];
    let mut project = Project::new(bench, images)?;
    project.commit(&[("src/deps", Some("deps\n")), ("src/main", Some("1\n"))])?;
    let report = project.build().await?;
    let built = project.image(&report, "app").await?;
    for path in ["opt/out", "a/b/out"] {
        ensure!(
            file(&built, path)? == "base\ndeps\n",
            "{path}: {}",
            file(&built, path)?
        );
    }
    ensure!(file(&project.image(&report, "whole").await?, "opt/out")? == "end\n");
    // What the builder does later is no concern of the one that takes a stage.
    spec_of(&mut project, 1).shell.setup = vec!["echo other > /out".into()];
    let again = project.build().await?;
    ensure!(!again.images[2].rebuilt && again.images[3].rebuilt);
    ensure!(file(&project.image(&again, "whole").await?, "opt/out")? == "other\n");
    // Where only that stage is gone, it is made again.
    let stages = &report.images[1].stages;
    let install = stages
        .iter()
        .find(|stage| stage.name == "install")
        .context("install")?;
    delete_tag(&project, &install.tag)?;
    spec_of(&mut project, 2).imports[0].to = "/opt/other".into();
    spec_of(&mut project, 2).imports.truncate(1);
    let report = project.build().await?;
    ensure!(!report.images[1].rebuilt, "the builder was there");
    let built = project.image(&report, "app").await?;
    ensure!(file(&built, "opt/other")? == "base\ndeps\n");
    let tag = project.repository.tag(&install.tag)?;
    ensure!(
        project.registry.head(&tag).await?.is_some(),
        "the stage is not published"
    );
    Ok(())
}

fn spec_of(project: &mut Project, image: usize) -> &mut StapelSpec {
    match &mut project.images[image].kind {
        ImageKind::Stapel(spec) => spec,
        ImageKind::Dockerfile(_) => unreachable!("it is one of stages"),
    }
}

/// As a user would, who cleans up by hand.
fn delete_tag(project: &Project, tag: &str) -> Result<()> {
    let repository = project.repository.to_string();
    let (host, path) = repository.split_once('/').context("a host")?;
    let mut connection = TcpStream::connect(host)?;
    let request =
        format!("DELETE /v2/{path}/manifests/{tag} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    Ok(())
}

pub(crate) async fn host_folders(bench: Bench) -> Result<()> {
    let folder = bench.folder.path().join("host");
    fs_err::create_dir(&folder)?;
    fs_err::write(folder.join("jar"), "one\n")?;
    fs_err::write(bench.folder.path().join("conf"), "settings\n")?;
    let mount = |name: &str, to: &str| Mount {
        kind: MountKind::FromPath(bench.folder.path().join(name).display().to_string()),
        to: to.into(),
    };
    let mut spec = StapelSpec {
        from: busybox(),
        mounts: vec![
            mount("host", "/m2"),
            mount("conf", "/etc/conf"),
            mount("none", "/none"),
        ],
        ..StapelSpec::default()
    };
    spec.shell.install = vec![
        "cat /m2/jar /etc/conf > /seen; ls -A /none >> /seen; ls /m2 >> /seen".into(),
        "echo made > /m2/made; echo x > /none/x".into(),
    ];
    spec.shell.setup = vec!["cat /m2/made > /made".into()];
    let mut project = Project::new(bench, vec![stapel("app", spec)])?;
    project.commit(&[("x", Some("x"))])?;
    let report = project.build().await?;
    let app = project.image(&report, "app").await?;
    let seen = file(&app, "seen")?;
    ensure!(seen == "one\nsettings\njar\n", "{seen:?}");
    ensure!(file(&app, "made")? == "made\n");
    let is_left = |path: &&String| ["m2", "etc/conf", "none"].iter().any(|to| path.starts_with(to));
    let left = app.files.keys().find(is_left);
    ensure!(left.is_none(), "{left:?}");
    ensure!(!folder.join("made").exists(), "a build wrote to the machine");
    let told = project.infos();
    for want in [
        "at `/m2` (1 file, 0.0 MiB); what they write there stays",
        "at `/etc/conf`, read-only",
    ] {
        ensure!(told.iter().any(|text| text.contains(want)), "{told:?}");
    }
    ensure!(project.engines() > 0);
    // What is in the folder is in no key.
    fs_err::write(folder.join("jar"), "two\n")?;
    let again = project.build().await?;
    ensure!(project.engines() == 0 && again.images[0].digest == report.images[0].digest);
    // Where a stage runs anew, it sees the folder as it is now, and nothing of the copy before.
    spec_of(&mut project, 0).from_cache_version = Some("2".into());
    spec_of(&mut project, 0).shell.setup = vec!["test ! -e /nothing".into()];
    let report = project.build().await?;
    let app = project.image(&report, "app").await?;
    let seen = file(&app, "seen")?;
    ensure!(seen == "two\nsettings\nx\njar\n", "{seen:?}");
    Ok(())
}

pub(crate) async fn pointers(bench: Bench) -> Result<()> {
    let app = StapelSpec {
        from: busybox(),
        git: vec![mapping("/src", "/app")],
        ..StapelSpec::default()
    };
    let mut project = Project::new(bench, vec![stapel("app", app)])?;
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    project.commit(&[("src/a.bin", Some(pointer)), ("src/main", Some("1\n"))])?;
    project.build().await?;
    let warnings: Vec<&str> = project
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Message {
                level: Level::Warning,
                text,
            } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let wanted = "the image `app` gets pointers of Git LFS in place of files: app/a.bin; a commit holds no more of them";
    ensure!(
        warnings.iter().any(|text| text.starts_with(wanted)),
        "{warnings:?}"
    );
    Ok(())
}
