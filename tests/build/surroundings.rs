//! What commands have around them: owners that the image knows, networks, hosts, SSH agents.

use std::os::unix::net::UnixListener;

use anyhow::{Context, Result, ensure};
use kiel::config::model::{ImageKind, SshAgent};
use kiel::event::{Event, Level};
use kiel_stapel::spec::{Network, StapelSpec};

use super::engine::Bench;
use super::file;
use super::project::{Project, busybox, dockerfile, mapping, stapel};

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
