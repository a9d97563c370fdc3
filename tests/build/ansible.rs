//! Stages by tasks of Ansible: a real one, which is mounted while they run and leaves nothing in the image.

use anyhow::{Context as _, Result, ensure};
use kiel::build::BuildReport;
use kiel::config::model::ImageKind;
use kiel::images::PlannedKind;
use kiel::registry::Platform;
use kiel::registry::validate::{self, Validated};
use kiel_stapel::ansible::{Ansible, Task};
use kiel_stapel::key::Key;
use kiel_stapel::spec::{EnvDependency, EnvImport, From, NamePart, Position, StapelSpec};
use kiel_stapel::stage::Part;
use serde_json::{Value, json};

use super::engine::Bench;
use super::file;
use super::project::{Project, busybox, import, mapping, stapel};

fn tasks(tasks: Value) -> Vec<Task> {
    serde_json::from_value(tasks).expect("a list of tasks")
}

/// An image with tasks in all places, beside an import, a secret and a name of another image.
fn project(bench: Bench) -> Result<Project> {
    let mut builder = StapelSpec {
        from: busybox(),
        ..StapelSpec::default()
    };
    builder.shell.install = vec!["echo built > /out".into()];
    let mut app = StapelSpec {
        // Its C library is not that of the toolchain, for all that this knows.
        from: From::External("busybox:1.36".into()),
        git: vec![mapping("/src", "/app")],
        imports: vec![import("builder", "/out", "/opt/out", Position::BeforeSetup)],
        dependencies: vec![EnvDependency {
            image: "builder".into(),
            position: Position::BeforeSetup,
            imports: vec![EnvImport {
                part: NamePart::ImageTag,
                target_env: "BUILDER_TAG".into(),
            }],
        }],
        secrets: vec!["token".into()],
        ..StapelSpec::default()
    };
    app.git[0].stage_dependencies.install = vec!["deps".into()];
    app.ansible = Some(Ansible {
        before_install: tasks(json!([
            {"name": "folder", "file": {"path": "/data", "state": "directory", "mode": 0o750, "owner": "1000"}},
            {"name": "no such file", "command": "cat /app/deps", "register": "none", "ignore_errors": true},
        ])),
        install: tasks(json!([
            {"name": "configure", "copy": {"content": "größe=1\nport=80\n", "dest": "/etc/app.conf", "mode": 0o644}},
            {"name": "line", "lineinfile": {"path": "/etc/app.conf", "regexp": "^port=", "line": "port=8080"}},
            {"name": "read it", "command": "cat /app/deps /run/secrets/token", "register": "read"},
            {"name": "write it", "shell": "echo '{{ read.stdout_lines | join(\"+\") }}' > /read", "when": "read is changed"},
            {"name": "not that", "shell": "touch /never", "when": false},
            {"name": "say", "debug": {"msg": "said {{ read.stdout_lines | length }} lines"}},
        ])),
        setup: tasks(json!([
            {"block": [
                {"name": "fails", "command": "false"},
                {"name": "not reached", "file": {"path": "/never", "state": "touch"}}
             ],
             "rescue": [{"name": "rescue", "shell": "echo rescued $BUILDER_TAG > /rescued"}],
             "always": [{"name": "turns", "shell": "echo {{ item }} >> /turns", "with_items": ["a", "b"]}]},
            {"script": "/app/run.sh"},
        ])),
        ..Ansible::default()
    });
    Project::new(bench, vec![stapel("builder", builder), stapel("app", app)])
}

fn commit(project: &Project) -> Result<()> {
    project.commit(&[
        ("src/deps", Some("deps\n")),
        ("src/main", Some("1\n")),
        ("src/run.sh", Some("#!/bin/sh\ncat /opt/out > /scripted\n")),
    ])
}

/// Names of the stages that were made.
fn made(report: &BuildReport) -> Result<Vec<&str>> {
    let stages = &report.image("app").context("app")?.stages;
    let made = stages.iter().filter(|stage| stage.rebuilt);
    Ok(made.map(|stage| stage.name.as_str()).collect())
}

/// The keys of the stages, and the image's.
async fn keys(project: &Project) -> Result<Vec<Key>> {
    let (plan, _) = project.plan(&project.dir()).await?;
    let app = plan.images.iter().find(|state| state.image.name == "app");
    match &app.context("app")?.image.kind {
        PlannedKind::Stapel(plan) => {
            let stages = plan.plan.parts.iter().filter_map(Part::stage_key);
            Ok(stages.chain([plan.plan.image.key]).collect())
        }
        PlannedKind::Dockerfile(_) => unreachable!("a Stapel image"),
    }
}

fn tasks_of(project: &mut Project) -> &mut Ansible {
    match &mut project.images[1].kind {
        ImageKind::Stapel(spec) => spec.ansible.as_mut().expect("it has tasks"),
        ImageKind::Dockerfile(_) => unreachable!("a Stapel image"),
    }
}

/// What the image has beyond its base.
async fn beyond_base(project: &Project, image: &Validated) -> Result<Vec<String>> {
    let base = "busybox:1.36".parse()?;
    let base = validate::image(&project.registry, &base, &Platform::host()).await?;
    let new = image.files.iter().filter(|(path, found)| {
        let there = base.files.get(*path);
        there.is_none_or(|there| (there.kind, &there.content) != (found.kind, &found.content))
    });
    Ok(new.map(|(path, _)| path.clone()).collect())
}

pub(crate) async fn stages(bench: Bench) -> Result<()> {
    let mut project = project(bench)?;
    commit(&project)?;
    let report = project.build().await?;
    ensure!(made(&report)?.len() == 4, "{:?}", made(&report)?);
    let image = project.image(&report, "app").await?;
    ensure!(file(&image, "etc/app.conf")? == "größe=1\nport=8080\n");
    ensure!(file(&image, "read")? == "deps+s3cret\n");
    let tag = report.image("builder").context("builder")?.key.to_string();
    ensure!(file(&image, "rescued")? == format!("rescued {tag}\n"));
    ensure!(file(&image, "turns")? == "a\nb\n");
    ensure!(file(&image, "scripted")? == "built\n");
    let data = image.files.get("data").context("/data")?;
    ensure!((data.mode & 0o777, data.uid) == (0o750, 1000), "{data:?}");
    ensure!(!image.files.contains_key("never"));
    let beyond = beyond_base(&project, &image).await?;
    let ours = [
        "app/deps",
        "app/main",
        "app/run.sh",
        "data",
        "etc/app.conf",
        "opt",
        "opt/out",
        "read",
        "rescued",
        "scripted",
        "turns",
    ];
    ensure!(beyond == ours, "{beyond:?}");
    let config = String::from_utf8_lossy(&image.image.config).into_owned();
    for word in ["ANSIBLE", "LD_LIBRARY_PATH", ".werf", "s3cret"] {
        ensure!(!config.contains(word), "the config has {word}");
    }
    let logs = project.logs();
    for line in [
        "$ TASK [configure] (copy)\nchanged",
        "$ TASK [write it] (shell)\nchanged",
        "$ TASK [not that] (shell)\nskipped",
        "$ TASK [say] (debug)\nsaid 2 lines\nok",
        "failed, ignored: non-zero return code",
        "changed (a)\nchanged (b)",
    ] {
        ensure!(logs.contains(line), "the log lacks {line:?}:\n{logs}");
    }
    ensure!(!logs.contains('\u{1b}'), "the log has colours:\n{logs}");

    // Nothing is done twice.
    project.engines();
    let again = project.build().await?;
    ensure!(made(&again)?.is_empty() && project.engines() == 0);

    let before = keys(&project).await?;
    // Another task: its stage, and those after it.
    tasks_of(&mut project).setup = tasks(json!([{"name": "other", "shell": "echo 2 > /other"}]));
    let other = project.build().await?;
    ensure!(made(&other)? == ["setup"], "{:?}", made(&other)?);
    let image = project.image(&other, "app").await?;
    ensure!(file(&image, "other")? == "2\n" && !image.files.contains_key("rescued"));
    let after = keys(&project).await?;
    ensure!(after.len() == 4, "three stages and the image: {after:?}");
    ensure!(after[..2] == before[..2] && after[2] != before[2] && after[3] != before[3]);

    // A file that a stage names runs it again.
    project.commit(&[("src/deps", Some("other\n"))])?;
    let changed = project.build().await?;
    ensure!(made(&changed)?.starts_with(&["install"]), "{:?}", made(&changed)?);
    let image = project.image(&changed, "app").await?;
    ensure!(file(&image, "read")? == "other+s3cret\n");
    Ok(())
}

pub(crate) async fn failure(bench: Bench) -> Result<()> {
    let mut project = project(bench)?;
    commit(&project)?;
    let ansible = tasks_of(&mut project);
    ansible.before_install = tasks(json!([{"command": "true"}]));
    ansible.setup = Vec::new();
    ansible.install = tasks(json!([
        {"name": "goes well", "command": "echo well"},
        {"name": "asks for more", "shell": "echo the last words; echo to nobody >&2; exit 7"},
    ]));
    let told = project.try_build().await?.expect_err("a task fails").to_string();
    for line in [
        "cannot build image `app`: stage `install` failed with exit code 2",
        "\n  --> TASK [asks for more] (shell)\n",
        "| the last words\n",
        "| to nobody\n",
        "| failed: non-zero return code",
    ] {
        ensure!(told.contains(line), "the message lacks {line:?}:\n{told}");
    }
    ensure!(!told.contains("well"), "{told}");

    // What Ansible itself has to say.
    tasks_of(&mut project).install = tasks(json!([{"name": "x", "file": {"path": "/x", "sate": "touch"}}]));
    let told = project
        .try_build()
        .await?
        .expect_err("a task is wrong")
        .to_string();
    ensure!(
        told.contains("--> TASK [x] (file)") && told.contains("failed: ") && told.contains("sate"),
        "{told}"
    );

    tasks_of(&mut project).toolchain = Some("busybox:0.1".into());
    let told = project.try_build().await?.expect_err("no toolchain").to_string();
    ensure!(
        told.contains("there is no image `busybox:0.1`") && told.contains("`ansible.toolchain`"),
        "{told}"
    );
    Ok(())
}
