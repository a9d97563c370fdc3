//! Builds on a real engine and a real registry: what is published, what is reused, what a failure leaves.

mod ansible;
mod broken;
mod dockerfiles;
#[path = "../support/engine.rs"]
#[allow(dead_code, reason = "shared with the tests of the engine")]
mod engine;
mod links;
mod platforms;
#[path = "../support/project.rs"]
mod project;
mod surroundings;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use engine::Bench;
use kiel::build::BuildError;
use kiel::config::model::{ArgDependency, ArgImport, ImageKind};
use kiel_stapel::spec::{
    Command, DockerConfig, EnvDependency, EnvImport, From, ImageSpec, Mount, MountKind, NamePart, Position,
    StapelSpec,
};
use libtest_mimic::{Arguments, Completion, Trial};
use project::{Project, busybox, dockerfile, git, import, mapping, stapel};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each has an engine of its own; more at once only wait for each other.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let trials = vec![
        test(
            "stapel_and_dockerfile_images_are_built_and_nothing_is_done_twice",
            whole,
        ),
        test("a_change_in_git_alone_needs_no_engine", patch_only),
        test("a_stage_runs_again_when_its_files_change", stage_dependencies),
        test("a_patch_leaves_folders_as_commands_made_them", folders),
        test("another_machine_goes_on_from_published_stages", other_machine),
        test("equal_commits_give_equal_digests_on_any_engine", reproducible),
        test("a_failed_step_keeps_what_succeeded", failed_step),
        test("an_engine_that_is_lost_is_replaced_once", lost_engine),
        test("an_engine_with_broken_snapshots_is_mended", broken::snapshots),
        test("two_builders_report_the_same_digest", race),
        test("imports_go_through_links_of_the_image", links::import),
        test("git_content_goes_through_links_of_the_image", links::mappings),
        test(
            "git_content_reaches_linked_folders_without_commands",
            links::no_commands,
        ),
        test("names_and_configs_of_images_are_passed_on", dependencies),
        test("dockerfiles_see_only_what_their_key_counts", dockerfiles::context),
        test("a_base_that_reads_the_context_is_refused", dockerfiles::onbuild),
        test("a_missing_base_is_named", dockerfiles::missing_base),
        test("secrets_and_mounts_are_there_and_stay_out", secrets_and_mounts),
        test("tasks_of_ansible_make_stages", ansible::stages),
        test("a_task_that_fails_is_named", ansible::failure),
        test("owners_by_name_are_those_of_the_image", surroundings::owners),
        test("pointers_of_lfs_are_told", surroundings::pointers),
        test(
            "commands_have_the_network_hosts_and_agents_they_are_given",
            surroundings::network,
        ),
        test(
            "imports_take_files_as_a_stage_left_them",
            surroundings::import_stage,
        ),
        test(
            "folders_of_the_machine_are_copied_for_commands_and_never_written",
            surroundings::host_folders,
        ),
        test_unless(
            engine::cannot_emulate,
            "several_platforms_are_an_index_of_images",
            platforms::indexes,
        ),
        test_unless(
            engine::cannot_emulate,
            "an_index_is_set_when_all_its_images_are_there",
            platforms::failures,
        ),
        test_unless(
            || {
                let emulates = engine::machine_emulates();
                emulates.then_some("the machine runs programs of the other architecture itself")
            },
            "a_program_that_the_machine_cannot_run_has_a_remedy",
            platforms::without_emulator,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn test<F>(name: &str, body: fn(Bench) -> F) -> Trial
where
    F: Future<Output = Result<()>> + 'static,
{
    test_unless(|| None, name, body)
}

/// A test that some machines cannot run: they tell why.
fn test_unless<F>(reason: fn() -> Option<&'static str>, name: &str, body: fn(Bench) -> F) -> Trial
where
    F: Future<Output = Result<()>> + 'static,
{
    Trial::ignorable_test(name, move || {
        if let Some(reason) = reason() {
            return Ok(Completion::ignored_with(reason));
        }
        let run = || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            runtime.block_on(body(Bench::new()?))
        };
        run().map_err(|error: anyhow::Error| format!("{error:#}"))?;
        Ok(Completion::Completed)
    })
}

/// A builder, an application that imports from it, and a web image with two stages.
fn images() -> Vec<kiel::config::model::Image> {
    let mut builder = StapelSpec {
        from: busybox(),
        ..StapelSpec::default()
    };
    builder.shell.before_install = vec!["mkdir -p /out/bin".into(), "echo tool > /out/bin/tool".into()];
    let mut app = StapelSpec {
        from: busybox(),
        git: vec![mapping("/src", "/app")],
        ..StapelSpec::default()
    };
    app.git[0].stage_dependencies.install = vec!["deps".into()];
    app.shell.install = vec![
        "cp /app/deps /installed".into(),
        "echo generated > /app/generated".into(),
    ];
    app.shell.setup = vec![
        "cat /opt/tool/bin/tool > /seen".into(),
        "ls /app > /listing".into(),
    ];
    app.imports = vec![import("builder", "/out", "/opt/tool", Position::BeforeSetup)];
    app.docker = Some(DockerConfig {
        cmd: Some(Command::Exec(vec!["/bin/app".into()])),
        ..DockerConfig::default()
    });
    vec![
        stapel("app", app),
        stapel("builder", builder),
        dockerfile("web", "web/Dockerfile"),
    ]
}

const FILES: [(&str, Option<&str>); 6] = [
    ("src/deps", Some("one\n")),
    ("src/main", Some("main 1\n")),
    ("src/old/gone", Some("gone\n")),
    (
        "web/Dockerfile",
        Some(
            "FROM busybox:1.36 AS make\nCOPY in/ /in/\nRUN cat /in/* > /page\n\nFROM busybox:1.36\nCOPY --from=make /page /page\nENV WEB=1\n",
        ),
    ),
    ("web/in/a", Some("a\n")),
    ("web/other", Some("not sent\n")),
];

async fn project(bench: Bench) -> Result<Project> {
    let project = Project::new(bench, images())?;
    project.commit(&FILES)?;
    Ok(project)
}

fn file<'a>(image: &'a kiel::registry::validate::Validated, path: &str) -> Result<&'a str> {
    let found = image
        .files
        .get(path)
        .with_context(|| format!("no file `{path}`"))?;
    Ok(std::str::from_utf8(&found.content)?)
}

async fn whole(bench: Bench) -> Result<()> {
    let mut project = project(bench).await?;
    let report = project.build().await?;
    ensure!(report.images.iter().all(|image| image.rebuilt), "{report:?}");
    ensure!(project.engines() == 1, "one engine for all");
    let app = project.image(&report, "app").await?;
    ensure!(
        file(&app, "app/main")? == "main 1\n"
            && file(&app, "installed")? == "one\n"
            && file(&app, "seen")? == "tool\n"
    );
    ensure!(
        file(&app, "app/generated")? == "generated\n" && !app.files.contains_key(".kiel"),
        "{:?}",
        app.files.keys()
    );
    let config: serde_json::Value = serde_json::from_slice(&app.image.config)?;
    ensure!(
        config["config"]["Cmd"] == serde_json::json!(["/bin/app"]),
        "{config}"
    );
    ensure!(
        config["config"]
            .get("Labels")
            .is_none_or(|labels| labels.get("dev.kiel.saw").is_none()),
        "{config}"
    );
    let web = project.image(&report, "web").await?;
    ensure!(file(&web, "page")? == "a\n");
    // A second look: one HEAD for each image, nothing else; no engine, and no blob of the commit is read.
    project.registry = project::registry()?;
    let again = project.build().await?;
    ensure!(again.images.iter().all(|image| !image.rebuilt));
    let digests = |report: &kiel::build::BuildReport| {
        report.images.iter().map(|image| image.digest).collect::<Vec<_>>()
    };
    ensure!(digests(&again) == digests(&report));
    ensure!(project.engines() == 0);
    let requests = project.registry.requests();
    let heads = BTreeMap::from([(("HEAD".to_owned(), project.repository.registry().to_owned()), 3)]);
    ensure!(requests == heads, "{requests:?}");
    let tags = project.registry.tags(&project.repository).await?;
    let count = |prefix: &str| tags.iter().filter(|tag| tag.starts_with(prefix)).count();
    // beforeInstall of the builder, install and setup of the application; both of these saw the same files.
    ensure!(
        (
            count("stage-"),
            count("import-"),
            count("listing-"),
            count("record-")
        ) == (3, 1, 1, 1),
        "{tags:?}"
    );
    ensure!(tags.len() == 9, "{tags:?}");
    Ok(())
}

async fn patch_only(bench: Bench) -> Result<()> {
    let mut project = project(bench).await?;
    let first = project.build().await?;
    project.engines();
    project.commit(&[
        ("src/main", Some("main 2\n")),
        ("src/old/gone", None),
        ("src/new/file", Some("new\n")),
    ])?;
    let second = project.build().await?;
    ensure!(project.engines() == 0, "{:?}", project.events);
    let rebuilt: Vec<&str> = second
        .images
        .iter()
        .filter(|image| image.rebuilt)
        .map(|image| image.name.as_str())
        .collect();
    ensure!(rebuilt == ["app"]);
    let app = project.image(&second, "app").await?;
    ensure!(file(&app, "app/main")? == "main 2\n" && file(&app, "app/new/file")? == "new\n");
    ensure!(!app.files.contains_key("app/old/gone"), "{:?}", app.files.keys());
    ensure!(
        file(&app, "app/generated")? == "generated\n",
        "what a stage made stays"
    );
    let before = project.image(&first, "app").await?;
    let count = app.image.manifest.layers.len();
    ensure!(count == before.image.manifest.layers.len() + 1, "one small layer");
    ensure!(app.image.manifest.layers[..count - 1] == before.image.manifest.layers);
    // Back to the first commit: nothing to do.
    git(&project.dir(), &["checkout", "-q", "HEAD~1"])?;
    let third = project.build().await?;
    ensure!(third.image("app").context("app")?.digest == first.image("app").context("app")?.digest);
    // Patches don't pile up: each is computed from what the stage saw.
    git(&project.dir(), &["checkout", "-q", "main"])?;
    project.commit(&[("src/main", Some("main 3\n"))])?;
    let fourth = project.build().await?;
    let app = project.image(&fourth, "app").await?;
    ensure!(app.image.manifest.layers.len() == count && file(&app, "app/main")? == "main 3\n");
    ensure!(!app.files.contains_key("app/old/gone"));
    Ok(())
}

async fn stage_dependencies(bench: Bench) -> Result<()> {
    let mut project = project(bench).await?;
    let first = project.build().await?;
    project.commit(&[("src/deps", Some("two\n")), ("src/old/gone", None)])?;
    let second = project.build().await?;
    let app = project.image(&second, "app").await?;
    ensure!(file(&app, "installed")? == "two\n");
    ensure!(
        !file(&app, "listing")?.contains("old"),
        "the stage saw the commit at hand"
    );
    ensure!(second.image("web").context("web")?.digest == first.image("web").context("web")?.digest);
    let stages: Vec<(&str, bool)> = second
        .image("app")
        .context("app")?
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.rebuilt))
        .collect();
    ensure!(
        stages
            == [
                ("install", true),
                ("import: builder /out → /opt/tool", false),
                ("setup", true)
            ],
        "{stages:?}"
    );
    // Only setup's command changes: its patch deletes in the engine what install still saw.
    project.commit(&[("src/deps", Some("two\n")), ("src/main", None)])?;
    let ImageKind::Stapel(spec) = &mut project.images[0].kind else {
        unreachable!("a Stapel image")
    };
    spec.shell.setup = vec!["ls -R /app > /listing".into()];
    let third = project.build().await?;
    let app = project.image(&third, "app").await?;
    let listing = file(&app, "listing")?;
    ensure!(
        !listing.contains("main") && listing.contains("generated"),
        "{listing}"
    );
    ensure!(!app.files.contains_key("app/main"));
    Ok(())
}

async fn folders(bench: Bench) -> Result<()> {
    let mut project = project(bench).await?;
    let ImageKind::Stapel(spec) = &mut project.images[0].kind else {
        unreachable!("a Stapel image")
    };
    spec.git[0].owner = Some("7".into());
    spec.git.push(mapping("/src", "/home/app/src"));
    spec.shell.before_install =
        vec!["mkdir -p /home/app/src; chown -R 5:5 /home/app; chmod 711 /home/app /home/app/src".into()];
    spec.shell
        .install
        .push("chown 1000:1000 /app && chmod 700 /app /app/old".into());
    project.build().await?;
    let check = |image: &kiel::registry::validate::Validated| {
        let of = |path: &str| image.files.get(path).map(|file| (file.uid, file.mode & 0o777));
        let found = [
            "app",
            "app/old",
            "app/new",
            "app/main",
            "home/app",
            "home/app/src",
        ]
        .map(of);
        let want = [
            Some((1000, 0o700)),
            Some((7, 0o700)),
            Some((7, 0o755)),
            Some((7, 0o644)),
            Some((5, 0o711)),
            Some((5, 0o711)),
        ];
        ensure!(found == want, "{found:?}");
        Ok(())
    };
    project.commit(&[
        ("src/main", Some("main 2\n")),
        ("src/old/gone", None),
        ("src/new/file", Some("new\n")),
    ])?;
    let patched = project.build().await?;
    ensure!(project.engines() == 1);
    check(&project.image(&patched, "app").await?)?;
    let ImageKind::Stapel(spec) = &mut project.images[0].kind else {
        unreachable!("a Stapel image")
    };
    spec.shell.setup = vec![
        "stat -c '%n %u %a' /app /app/old /app/new /app/main /home/app/src > /stat; touch /home/app/src/x"
            .into(),
    ];
    let solved = project.build().await?;
    let image = project.image(&solved, "app").await?;
    check(&image)?;
    let stat = file(&image, "stat")?;
    ensure!(
        stat == "/app 1000 700\n/app/old 7 700\n/app/new 7 755\n/app/main 7 644\n/home/app/src 5 711\n",
        "{stat}"
    );
    Ok(())
}

async fn other_machine(bench: Bench) -> Result<()> {
    let mut project = project(bench).await?;
    let first = project.build().await?;
    project.commit(&[("src/main", Some("main 2\n")), ("src/old/gone", None)])?;
    // An empty engine state and a clone without the first commit.
    project.bench.state = project.bench.folder.path().join("other-state");
    let clone = project.bench.folder.path().join("clone");
    let (from, to) = (
        format!("file://{}", project.dir().display()),
        clone.display().to_string(),
    );
    git(
        project.bench.folder.path(),
        &["clone", "-q", "--depth", "1", &from, &to],
    )?;
    let ImageKind::Stapel(spec) = &mut project.images[0].kind else {
        unreachable!("a Stapel image")
    };
    spec.shell.setup.push("test ! -e /app/old/gone".into());
    let second = project.build_from(&clone).await??;
    ensure!(project.engines() == 2, "one for each machine");
    let (before, after) = (
        project.image(&first, "app").await?,
        project.image(&second, "app").await?,
    );
    ensure!(file(&after, "app/main")? == "main 2\n" && !after.files.contains_key("app/old/gone"));
    let stages: Vec<(&str, bool)> = second
        .image("app")
        .context("app")?
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.rebuilt))
        .collect();
    ensure!(
        stages
            == [
                ("install", false),
                ("import: builder /out → /opt/tool", false),
                ("setup", true)
            ],
        "{stages:?}"
    );
    // base, archive and install are the layers of the other machine.
    let shared = before
        .image
        .manifest
        .layers
        .iter()
        .zip(&after.image.manifest.layers)
        .take_while(|(a, b)| a == b)
        .count();
    ensure!(shared >= 3, "{shared} layers are shared");
    Ok(())
}

async fn reproducible(bench: Bench) -> Result<()> {
    let mut project = project(bench).await?;
    let first = project.build().await?;
    // A second apart: equal times would hide what depends on them.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    project.bench.state = project.bench.folder.path().join("other-state");
    project.repository = project.bench.repository("other")?;
    let second = project.build().await?;
    for (a, b) in first.images.iter().zip(&second.images) {
        ensure!(a.digest == b.digest && a.key == b.key, "{} differs", a.name);
    }
    Ok(())
}

async fn failed_step(bench: Bench) -> Result<()> {
    let mut project = project(bench).await?;
    let ImageKind::Stapel(spec) = &mut project.images[0].kind else {
        unreachable!("a Stapel image")
    };
    spec.shell.setup = vec!["echo the last words; exit 7".into()];
    let error = project.try_build().await?.expect_err("setup fails");
    let BuildError::Solve {
        image,
        stage,
        failure: source,
    } = &error
    else {
        panic!("{error:?}")
    };
    ensure!(
        (image.as_str(), stage.as_deref(), source.exit_code) == ("app", Some("setup"), Some(7)),
        "{source:?}"
    );
    ensure!(
        source.last_lines.iter().any(|line| line == "the last words"),
        "{:?}",
        source.last_lines
    );
    let (plan, _) = project.plan(&project.dir()).await?;
    let there = |name: &str| {
        plan.images
            .iter()
            .any(|state| state.image.name == name && state.digest.is_some())
    };
    ensure!(
        !there("app") && there("web") && there("builder"),
        "the others are finished"
    );
    let tags = project.registry.tags(&project.repository).await?;
    ensure!(
        tags.iter().filter(|tag| tag.starts_with("stage-")).count() == 2,
        "install stays: {tags:?}"
    );
    // Mended, only setup runs.
    let ImageKind::Stapel(spec) = &mut project.images[0].kind else {
        unreachable!("a Stapel image")
    };
    spec.shell.setup = vec!["true".into()];
    let report = project.build().await?;
    let rebuilt: Vec<&str> = report
        .image("app")
        .context("app")?
        .stages
        .iter()
        .filter(|stage| stage.rebuilt)
        .map(|stage| stage.name.as_str())
        .collect();
    ensure!(rebuilt == ["setup"], "{rebuilt:?}");
    Ok(())
}

async fn lost_engine(bench: Bench) -> Result<()> {
    let marker = bench.marker(1);
    let mut spec = StapelSpec {
        from: busybox(),
        ..StapelSpec::default()
    };
    spec.shell.before_install = vec!["echo first > /first".into()];
    spec.shell.setup = vec![format!("sleep {marker} || true")];
    let mut project = Project::new(bench, vec![stapel("app", spec)])?;
    project.commit(&[("x", Some("x"))])?;
    let (state, folder) = (
        project.bench.state.clone(),
        project.bench.folder.path().to_owned(),
    );
    // The first time the engine is killed, the second time only what the step waits for.
    let killer = tokio::task::spawn_blocking(move || -> Result<()> {
        let sleep = format!("sleep\0{marker}");
        let new = |known: &[u32]| -> Result<Vec<u32>> {
            loop {
                ensure!(folder.exists(), "the test has ended");
                let mut found = engine::found(&sleep)?;
                found.retain(|pid| !known.contains(pid));
                if !found.is_empty() {
                    return Ok(found);
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        };
        let first = new(&[])?;
        ensure!(engine::kill_buildkitd(&state)?, "there is an engine");
        for pid in new(&first)? {
            let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL)?;
        }
        Ok(())
    });
    let report = project.build().await?;
    killer.await??;
    ensure!(project.engines() == 2);
    let stages: Vec<(&str, bool)> = report
        .image("app")
        .context("app")?
        .stages
        .iter()
        .map(|stage| (stage.name.as_str(), stage.rebuilt))
        .collect();
    ensure!(stages.last() == Some(&("setup", true)), "{stages:?}");
    let found = project.image(&report, "app").await?;
    ensure!(file(&found, "first")? == "first\n");
    Ok(())
}

async fn race(bench: Bench) -> Result<()> {
    let mut first = project(bench).await?;
    let mut second = project(Bench::new()?).await?;
    // Steps whose results differ each time they run.
    for project in [&mut first, &mut second] {
        let ImageKind::Stapel(spec) = &mut project.images[0].kind else {
            unreachable!("a Stapel image")
        };
        spec.shell.setup = vec!["head -c 16 /dev/urandom | od -x > /random".into()];
    }
    second.repository = first.repository.clone();
    let (a, b) = tokio::join!(first.build(), second.build());
    let (a, b) = (a?, b?);
    for (a, b) in a.images.iter().zip(&b.images) {
        ensure!(a.digest == b.digest, "{}: {} and {}", a.name, a.digest, b.digest);
    }
    first.image(&b, "app").await?;
    Ok(())
}

async fn dependencies(bench: Bench) -> Result<()> {
    let mut images = images();
    images.truncate(2);
    let parts = [
        ("NAME", NamePart::ImageName),
        ("TAG", NamePart::ImageTag),
        ("DIGEST", NamePart::ImageDigest),
        ("ID", NamePart::ImageId),
    ];
    let mut app = StapelSpec {
        from: From::Image("builder".into()),
        ..StapelSpec::default()
    };
    app.shell.setup = vec!["echo $NAME > /name".into(), "echo $LATE > /late".into()];
    let env = |position, imports: &[(&str, NamePart)]| EnvDependency {
        image: "builder".into(),
        position,
        imports: imports
            .iter()
            .map(|(name, part)| EnvImport {
                part: *part,
                target_env: (*name).into(),
            })
            .collect(),
    };
    app.dependencies = vec![
        env(Position::BeforeSetup, &parts),
        env(Position::AfterSetup, &[("LATE", NamePart::ImageRepo)]),
    ];
    images[0] = stapel("app", app);
    let mut web = dockerfile("web", "Dockerfile");
    let ImageKind::Dockerfile(spec) = &mut web.kind else {
        unreachable!("a Dockerfile image")
    };
    let import = ArgImport {
        part: NamePart::ImageName,
        target_build_arg: "BASE".into(),
    };
    spec.dependencies = vec![ArgDependency {
        image: "builder".into(),
        imports: vec![import],
    }];
    spec.args.insert("WORD".into(), "hello".into());
    web.image_spec = Some(ImageSpec {
        labels: [("a".to_owned(), "b".to_owned())].into(),
        ..ImageSpec::default()
    });
    images.push(web);
    let mut project = Project::new(bench, images)?;
    project.commit(&[(
        "Dockerfile",
        Some("ARG BASE\nFROM $BASE\nARG WORD\nRUN echo $WORD > /word\n"),
    )])?;
    let report = project.build().await?;
    let builder = report.image("builder").context("builder")?;
    let app = project.image(&report, "app").await?;
    let name = report.reference(builder);
    ensure!(file(&app, "name")?.trim() == name && file(&app, "late")?.trim().is_empty());
    let config: serde_json::Value = serde_json::from_slice(&app.image.config)?;
    let env = config["config"]["Env"].to_string();
    let id = builder.image_id.context("it was built now")?;
    for want in [
        format!("NAME={name}"),
        format!("TAG={}", builder.key),
        format!("DIGEST={}", builder.digest),
        format!("ID={id}"),
        format!("LATE={}", project.repository),
    ] {
        ensure!(env.contains(&want), "{want} is not in {env}");
    }
    let web = project.image(&report, "web").await?;
    ensure!(file(&web, "word")? == "hello\n" && file(&web, "out/bin/tool")? == "tool\n");
    let config: serde_json::Value = serde_json::from_slice(&web.image.config)?;
    ensure!(config["config"]["Labels"]["a"] == "b", "{config}");
    // The builder was found, not built: its id is read where it is asked for.
    project.images[0].cache_version = Some("2".into());
    let again = project.build().await?;
    let config = project.image(&again, "app").await?.image.config;
    ensure!(String::from_utf8_lossy(&config).contains(&format!("ID={id}")));
    Ok(())
}

async fn secrets_and_mounts(bench: Bench) -> Result<()> {
    let mut spec = StapelSpec {
        from: busybox(),
        secrets: vec!["token".into()],
        ..StapelSpec::default()
    };
    spec.mounts = vec![
        Mount {
            kind: MountKind::BuildDir,
            to: "/cache".into(),
        },
        Mount {
            kind: MountKind::TmpDir,
            to: "/scratch".into(),
        },
    ];
    spec.shell.install = vec![
        "wc -c < /run/secrets/token > /size".into(),
        "echo kept > /cache/x; echo lost > /scratch/x".into(),
    ];
    spec.shell.setup = vec!["cat /cache/x > /from-cache".into(), "test ! -e /scratch/x".into()];
    let mut project = Project::new(bench, vec![stapel("app", spec)])?;
    project.commit(&[("x", Some("x"))])?;
    let report = project.build().await?;
    let app = project.image(&report, "app").await?;
    ensure!(file(&app, "size")?.trim() == "6" && file(&app, "from-cache")? == "kept\n");
    for path in app.files.keys() {
        ensure!(
            !["cache", "scratch", "run/secrets"]
                .iter()
                .any(|left| path == left || path.starts_with(&format!("{left}/"))),
            "{path} is left"
        );
    }
    ensure!(project.logs().contains("$ cat /cache/x"), "{}", project.logs());
    ensure!(!format!("{:?}", project.events).contains("s3cret"));
    Ok(())
}
