//! The engine of our own and solves on it, on a real buildkitd and a real registry, as root and as an ordinary user.
//!
//! Clients that are to be killed are this program again, started with [`engine::CLIENT`].

#[path = "support/authority.rs"]
mod authority;
#[path = "support/engine.rs"]
#[allow(dead_code, reason = "shared with tests of builds")]
mod engine;
#[path = "engine/rootless.rs"]
mod rootless;
#[path = "support/registry.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use engine::{Account, Bench, ClientProcess, busybox, options, sh};
use kiel::buildkit::engine::{Engine, EngineError, EngineOptions};
use kiel::buildkit::{
    Build, Client, Exporter, NamedHosts, PruneBudget, Session, SessionServices, SolveError, SolveRequest,
    SolveResponse,
};
use kiel::event::{Event, Events};
use kiel::registry::{
    Blob, Descriptor, Layout, MEDIA_OCI_LAYER, Platform, Registry, RegistryOptions, Repository, validate,
};
use kiel_llb::{Output, diff, merge, oci_layout};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use support::Server;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let mode = kiel::buildkit::engine::hidden_mode(&arguments).or_else(engine::client_mode);
    if let Some(code) = mode {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Engines are killed here, and times are looked at.
    arguments.test_threads = Some(1);
    let trials = vec![
        test(
            "an_engine_starts_is_joined_and_ends_with_its_last_client",
            start_join_end,
        ),
        test("a_graph_is_solved_pushed_and_told", solve_and_push),
        test("content_is_served_and_kept_byte_for_byte", content),
        test("a_failed_step_tells_its_last_lines_and_exit_code", failed_step),
        test("a_dockerfile_is_built_from_inputs", dockerfile),
        test(
            "a_failed_dockerfile_step_tells_its_source_lines",
            failed_dockerfile,
        ),
        test("secrets_come_from_the_session", secrets),
        test("credentials_go_only_to_named_hosts", authority),
        test("rules_for_registries_hold_for_the_engine_too", unverified),
        test("independent_solves_share_steps_on_one_session", shared_steps),
        test("a_killed_client_leaves_nothing", killed_client),
        test("an_engine_outlives_the_client_that_started_it", second_client),
        test("of_six_clients_at_once_one_starts", six_at_once),
        test("a_killed_engine_is_told_and_started_again", killed_engine),
        test("the_cache_is_pruned_to_its_budget", prune),
        test("what_is_missing_is_named", missing_programs),
        Trial::ignorable_test("an_ordinary_user_builds_and_leaves_nothing", || {
            finished(rootless::builds())
        }),
        Trial::ignorable_test("programs_of_another_architecture_run_for_an_engine_alone", || {
            finished(rootless::foreign_programs())
        }),
        Trial::ignorable_test("lacks_of_a_rootless_engine_are_named_with_their_remedy", || {
            finished(rootless::lacks())
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn test<F>(name: &str, body: fn(Bench) -> F) -> Trial
where
    F: Future<Output = Result<()>> + 'static,
{
    Trial::test(name, move || {
        let run = || {
            let bench = Bench::new()?;
            runtime()?.block_on(body(bench))
        };
        run().map_err(|error: anyhow::Error| format!("{error:#}").into())
    })
}

fn finished(result: Result<Option<String>>) -> Result<Completion, Failed> {
    match result {
        Ok(None) => Ok(Completion::Completed),
        Ok(Some(reason)) => Ok(Completion::ignored_with(reason)),
        Err(error) => Err(format!("{error:#}").into()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

fn platform() -> kiel_llb::Platform {
    Platform::host()
        .to_string()
        .parse()
        .expect("the host's platform is one")
}

fn graph(output: &Output) -> SolveRequest {
    SolveRequest {
        image: "app".to_owned(),
        build: Build::Graph(output.definition()),
        exporter: None,
        read_files: Vec::new(),
        links_in: None,
    }
}

fn push(request: SolveRequest, repository: &Repository) -> SolveRequest {
    let attrs = [
        ("name", repository.to_string()),
        ("push", "true".into()),
        ("push-by-digest", "true".into()),
    ];
    let attrs = attrs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    SolveRequest {
        exporter: Some(Exporter {
            kind: "image".to_owned(),
            attrs,
        }),
        ..request
    }
}

struct Connected {
    client: Client,
    session: Session,
    _engine: Engine,
}

impl Connected {
    async fn new(bench: &Bench, services: SessionServices) -> Result<Self> {
        let engine = Engine::ensure(&options(&bench.state, &bench.tools)?).await?;
        let client = Client::connect(engine.address()).await?;
        let session = Session::open(&client, services).await?;
        Ok(Self {
            client,
            session,
            _engine: engine,
        })
    }

    async fn solve(&self, request: SolveRequest) -> Result<SolveResponse, Box<SolveError>> {
        let (events, _receiver) = Events::channel();
        self.client.solve(&self.session, request, &events).await
    }
}

async fn start_join_end(bench: Bench) -> Result<()> {
    let options = options(&bench.state, &bench.tools)?;
    let began = Instant::now();
    let first = Engine::ensure(&options).await?;
    let elapsed = began.elapsed();
    ensure!(first.started, "nobody else has started it");
    ensure!(elapsed < Duration::from_secs(10), "it took {elapsed:?}");
    let second = Engine::ensure(&options).await?;
    ensure!(!second.started && second.address() == first.address());
    let client = Client::connect(first.address()).await?;
    ensure!(client.version().contains("0.32"), "{}", client.version());
    drop(first);
    Client::connect(second.address()).await?;
    drop(second);
    bench.wait_for_end()?;
    bench.assert_nothing_left(None)?;
    // The same state serves again, and in no other place does anything lie around.
    // Without a program of its own the engine's pid 1 is this one.
    let again = Engine::ensure(&EngineOptions {
        kiel: None,
        ..options
    })
    .await?;
    ensure!(again.started);
    drop(again);
    bench.wait_for_end()
}

async fn solve_and_push(bench: Bench) -> Result<()> {
    let connected = Connected::new(&bench, SessionServices::default()).await?;
    let repository = bench.repository("solved")?;
    let output = sh(
        &busybox(),
        "echo seen by the user; echo hello > /greeting",
        "greet",
    );
    let mut request = push(graph(&output), &repository);
    request.read_files = vec!["/greeting".to_owned()];
    let (events, mut receiver) = Events::channel();
    let response = connected
        .client
        .solve(&connected.session, request.clone(), &events)
        .await?;
    ensure!(response.files["/greeting"] == "hello\n");
    let digest = response.exporter["containerimage.digest"].parse()?;
    let registry = Registry::new(RegistryOptions::default())?;
    let image = registry
        .image(&repository.digest(digest), &Platform::host())
        .await?
        .context("it was pushed")?;
    ensure!(image.manifest.layers.len() > 1);
    let told: Vec<Event> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
    let is_log = |event: &Event| matches!(event, Event::Log { source, line, .. } if source == "app" && line == "seen by the user");
    ensure!(told.iter().any(is_log), "{told:?}");
    let ended =
        |event: &Event| matches!(event, Event::Step { name, elapsed: Some(_), .. } if name == "greet");
    ensure!(told.iter().any(ended), "{told:?}");

    let began = Instant::now();
    connected
        .client
        .solve(&connected.session, request, &events)
        .await?;
    let elapsed = began.elapsed();
    let told: Vec<Event> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
    let cached = |event: &Event| matches!(event, Event::Step { name, cached: true, .. } if name == "greet");
    ensure!(told.iter().any(cached), "after {elapsed:?}: {told:?}");
    connected.session.close().await;
    Ok(())
}

fn layer(files: &[(&str, &str)]) -> Result<(Blob, Descriptor)> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_data(&mut header, path, content.as_bytes())?;
    }
    let blob = Blob::from_bytes(builder.into_inner()?);
    let descriptor = Descriptor::new(MEDIA_OCI_LAYER, blob.digest, blob.size);
    Ok((blob, descriptor))
}

/// A layout that serves this layer as an image; the image's digest.
fn layout_of(layout: &Layout, layers: &[(Blob, Descriptor)]) -> String {
    for (blob, _) in layers {
        layout.add(blob.clone());
    }
    let layers: Vec<_> = layers
        .iter()
        .map(|(blob, found)| (found.clone(), blob.digest))
        .collect();
    layout.add_image(&Platform::host(), &layers).digest.to_string()
}

async fn content(bench: Bench) -> Result<()> {
    let layout = Layout::new();
    let first = layer(&[("app/a", "a1"), ("app/b", "b1")])?;
    let patch = layer(&[("app/.wh.a", ""), ("app/b", "b2")])?;
    let (old, new) = (
        layout_of(&layout, std::slice::from_ref(&first)),
        layout_of(&layout, &[first.clone(), patch.clone()]),
    );
    let services = SessionServices {
        content: Arc::new(layout),
        ..SessionServices::default()
    };
    let connected = Connected::new(&bench, services).await?;
    let source = |digest: &str| oci_layout(digest, "kiel", connected.session.id(), &platform(), "git");
    let base = merge(&[busybox(), source(&old)], "merge").context("two inputs")?;
    let installed = sh(&base, "ls /app > /installed", "install");
    let changed = diff(Some(&source(&old)), Some(&source(&new)), "patch");
    let output = merge(&[installed, changed], "merge patch").context("two inputs")?;
    let look = sh(&output, "cat /installed /app/b; ls /app", "look");
    let repository = bench.repository("content")?;
    let mut request = push(graph(&output), &repository);
    let config = serde_json::json!({"architecture": Platform::host().architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": []}});
    request
        .exporter
        .as_mut()
        .context("it is pushed")?
        .attrs
        .insert("containerimage.config".into(), config.to_string());
    let response = connected.solve(request).await?;
    let registry = Registry::new(RegistryOptions::default())?;
    let reference = repository.digest(response.exporter["containerimage.digest"].parse()?);
    let valid = validate::image(&registry, &reference, &Platform::host()).await?;
    let digests: Vec<_> = valid
        .image
        .manifest
        .layers
        .iter()
        .map(|layer| layer.digest)
        .collect();
    ensure!(
        digests.contains(&first.1.digest) && digests.last() == Some(&patch.1.digest),
        "{digests:?}"
    );
    ensure!(valid.files["installed"].content == "a\nb\n" && valid.files["app/b"].content == "b2");
    ensure!(!valid.files.contains_key("app/a"));
    let (events, mut receiver) = Events::channel();
    connected
        .client
        .solve(&connected.session, graph(&look), &events)
        .await?;
    let lines: Vec<String> = std::iter::from_fn(|| receiver.try_recv().ok())
        .filter_map(|event| {
            if let Event::Log { line, .. } = event {
                Some(line)
            } else {
                None
            }
        })
        .collect();
    ensure!(lines == ["a", "b", "b2b"], "{lines:?}");

    let wrong = oci_layout(
        &kiel::registry::Digest::of(b"?").to_string(),
        "kiel",
        connected.session.id(),
        &platform(),
        "?",
    );
    let error = connected
        .solve(graph(&wrong))
        .await
        .expect_err("that content is not served");
    ensure!(error.message.contains("not served here"), "{error}");
    Ok(())
}

async fn failed_step(bench: Bench) -> Result<()> {
    let connected = Connected::new(&bench, SessionServices::default()).await?;
    let output = sh(
        &busybox(),
        "for i in $(seq 100); do echo line $i; done; echo last words >&2; exit 7",
        "compile",
    );
    let error = connected
        .solve(graph(&output))
        .await
        .expect_err("it exits with 7");
    ensure!(
        error.step.as_deref() == Some("compile") && error.exit_code == Some(7),
        "{error:?}"
    );
    ensure!(
        error.last_lines.len() == 41 && error.last_lines.contains(&"last words".to_owned()),
        "{error:?}"
    );
    ensure!(
        error.message.contains("exit code: 7") && !error.engine_lost,
        "{error:?}"
    );
    // The session and the engine are as good as before.
    connected.solve(graph(&sh(&busybox(), "true", "fine"))).await?;
    let missing = kiel_llb::docker_image("docker.io/library/absent:1", &platform(), "base");
    let error = connected
        .solve(graph(&missing))
        .await
        .expect_err("there is no such image");
    ensure!(
        error.message.contains("absent:1") && error.message.contains("not found"),
        "{error:?}"
    );
    Ok(())
}

fn dockerfile_request(session: &Session, digest: &str) -> SolveRequest {
    let input = oci_layout(digest, "kiel", session.id(), &platform(), "context").definition();
    let attrs = [("cmdline", ""), ("filename", "Dockerfile")];
    SolveRequest {
        image: "app".to_owned(),
        build: Build::Frontend {
            name: "dockerfile.v0".to_owned(),
            attrs: attrs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            inputs: BTreeMap::from([
                ("context".to_owned(), input.clone()),
                ("dockerfile".to_owned(), input),
            ]),
        },
        exporter: None,
        read_files: Vec::new(),
        links_in: None,
    }
}

async fn dockerfile(bench: Bench) -> Result<()> {
    let layout = Layout::new();
    let text = "FROM busybox:1.36\nCOPY data /data\nRUN cat /data > /copy\nCMD [\"cat\", \"/copy\"]\n";
    let digest = layout_of(&layout, &[layer(&[("Dockerfile", text), ("data", "content\n")])?]);
    let services = SessionServices {
        content: Arc::new(layout),
        ..SessionServices::default()
    };
    let connected = Connected::new(&bench, services).await?;
    let repository = bench.repository("dockerfile")?;
    let mut request = push(dockerfile_request(&connected.session, &digest), &repository);
    request.read_files = vec!["/copy".to_owned()];
    let response = connected.solve(request).await?;
    ensure!(response.files["/copy"] == "content\n");
    let registry = Registry::new(RegistryOptions::default())?;
    let reference = repository.digest(response.exporter["containerimage.digest"].parse()?);
    let valid = validate::image(&registry, &reference, &Platform::host()).await?;
    ensure!(valid.files["copy"].content == "content\n");
    let config: serde_json::Value = serde_json::from_slice(&valid.image.config)?;
    ensure!(
        config["config"]["Cmd"] == serde_json::json!(["cat", "/copy"]),
        "{config}"
    );
    Ok(())
}

async fn failed_dockerfile(bench: Bench) -> Result<()> {
    let layout = Layout::new();
    let failing = "FROM busybox:1.36\nRUN echo fine\nRUN echo broken \\\n  && exit 4\n";
    let wrong = "FROM busybox:1.36\nCOPY absent /\n";
    let unknown = "FROM busybox:1.36\nRUNN x\n";
    let digests: Vec<String> = [failing, wrong, unknown]
        .iter()
        .map(|text| Ok(layout_of(&layout, &[layer(&[("Dockerfile", text)])?])))
        .collect::<Result<_>>()?;
    let services = SessionServices {
        content: Arc::new(layout),
        ..SessionServices::default()
    };
    let connected = Connected::new(&bench, services).await?;
    let mut errors = Vec::new();
    for digest in &digests {
        errors.push(
            connected
                .solve(dockerfile_request(&connected.session, digest))
                .await
                .expect_err("it is wrong"),
        );
    }
    let source = errors[0]
        .source_lines
        .as_ref()
        .context("a failed RUN has its lines")?;
    ensure!(
        (source.file.as_str(), source.first, source.last) == ("Dockerfile", 3, 4),
        "{source:?}"
    );
    ensure!(source.text == "RUN echo broken \\\n  && exit 4", "{source:?}");
    ensure!(
        errors[0].exit_code == Some(4) && errors[0].last_lines == ["broken"],
        "{:?}",
        errors[0]
    );
    for (error, line) in [(&errors[1], 2), (&errors[2], 2)] {
        ensure!(
            error
                .source_lines
                .as_ref()
                .is_some_and(|source| source.first == line),
            "{error:?}"
        );
    }
    Ok(())
}

async fn secrets(bench: Bench) -> Result<()> {
    let secrets = BTreeMap::from([("token".to_owned(), "s3cret".into())]);
    let connected = Connected::new(
        &bench,
        SessionServices {
            secrets,
            ..SessionServices::default()
        },
    )
    .await?;
    let read = |id: &str| {
        let script = "[ $(cat /run/secrets/it) = s3cret ] && echo ok > /result";
        kiel_llb::Exec::new(Some(&busybox()), &["sh", "-c", script])
            .env("PATH", "/bin:/usr/bin")
            .secret(id, "/run/secrets/it")
            .root(&platform(), "use a secret")
    };
    let mut request = graph(&read("token"));
    request.read_files = vec!["/result".to_owned()];
    ensure!(connected.solve(request).await?.files["/result"] == "ok\n");
    let error = connected
        .solve(graph(&read("other")))
        .await
        .expect_err("there is no such secret");
    ensure!(
        error.message.contains("other") && !format!("{error:?}").contains("s3cret"),
        "{error:?}"
    );
    Ok(())
}

async fn authority(bench: Bench) -> Result<()> {
    let program = support::program("registry").context("run cargo xtask test")?;
    let server = Server::start(&program, true)?;
    let login = server.docker_config("p-kiel")?;
    let docker_config = Some(login.path().to_owned());
    let registry = Registry::new(RegistryOptions {
        docker_config,
        ..RegistryOptions::default()
    })?;
    let named = |hosts: &[&str]| SessionServices {
        authority: Some(Arc::new(NamedHosts {
            registry: registry.clone(),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect::<BTreeSet<_>>(),
        })),
        ..SessionServices::default()
    };
    let repository: Repository = format!("{}/private", server.address).parse()?;
    let output = sh(&busybox(), "echo pushed > /f", "make");

    let connected = Connected::new(&bench, named(&["other.example.com"])).await?;
    let error = connected
        .solve(push(graph(&output), &repository))
        .await
        .expect_err("nobody speaks for this host");
    ensure!(
        error.message.contains("401") || error.message.contains("authoriz"),
        "{error:?}"
    );
    ensure!(!format!("{error:?}").contains("p-kiel"), "{error:?}");

    let connected = Connected::new(&bench, named(&[&server.address])).await?;
    let response = connected.solve(push(graph(&output), &repository)).await?;
    let reference = repository.digest(response.exporter["containerimage.digest"].parse()?);
    ensure!(registry.head(&reference).await?.is_some());
    let pulled = kiel_llb::docker_image(&reference.to_string(), &platform(), "private base");
    let mut request = graph(&sh(&pulled, "cat /f > /g", "look"));
    request.read_files = vec!["/g".to_owned()];
    ensure!(connected.solve(request).await?.files["/g"] == "pushed\n");
    Ok(())
}

async fn unverified(bench: Bench) -> Result<()> {
    let program = support::program("registry").context("run cargo xtask test")?;
    let server = Server::start_with_tls(&program)?;
    let repository: Repository = format!("{}/tls", server.address).parse()?;
    let output = sh(&busybox(), "echo pushed > /f", "make");
    let strict = Connected::new(&bench, SessionServices::default()).await?;
    let error = strict
        .solve(push(graph(&output), &repository))
        .await
        .expect_err("an engine uses plain http on loopback");
    ensure!(error.message.contains("400 Bad Request"), "{error:?}");

    let mut options = options(&bench.state, &bench.tools)?;
    options.registry.skip_tls_verify = true;
    options.registry_hosts.insert(server.address.clone());
    let engine = Engine::ensure(&options).await?;
    ensure!(engine.started, "other rules need another engine");
    let client = Client::connect(engine.address()).await?;
    let session = Session::open(&client, SessionServices::default()).await?;
    let (events, _receiver) = Events::channel();
    let response = client
        .solve(&session, push(graph(&output), &repository), &events)
        .await?;
    let reference = repository.digest(response.exporter["containerimage.digest"].parse()?);
    ensure!(Registry::new(options.registry)?.head(&reference).await?.is_some());
    Ok(())
}

async fn shared_steps(bench: Bench) -> Result<()> {
    let connected = Arc::new(Connected::new(&bench, SessionServices::default()).await?);
    let common = sh(
        &busybox(),
        "sleep 1; head -c 8 /dev/urandom | md5sum > /common",
        "common",
    );
    let mut solves = tokio::task::JoinSet::new();
    for number in 0..4 {
        let mut request = graph(&sh(&common, &format!("echo {number} > /own"), "own"));
        request.read_files = vec!["/common".to_owned(), "/own".to_owned()];
        let connected = connected.clone();
        solves.spawn(async move { connected.solve(request).await });
    }
    let mut seen = BTreeSet::new();
    while let Some(solved) = solves.join_next().await {
        seen.insert(solved??.files["/common"].clone());
    }
    ensure!(seen.len() == 1, "the common step ran {} times", seen.len());
    Ok(())
}

async fn killed_client(bench: Bench) -> Result<()> {
    for round in 0..3 {
        let marker = bench.marker(round);
        let mut client =
            ClientProcess::start(&bench, Account::Own, &format!("echo running; sleep {marker}"))?;
        client.wait_for("running")?;
        engine::wait_for_step(&marker)?;
        client.kill()?;
        bench.wait_for_end()?;
        bench.assert_nothing_left(Some(&marker))?;
        ensure!(
            engine_log(&bench)?.contains("stopping server"),
            "the engine ended in order: killed, it may leave a state on which every build fails"
        );
    }
    // The state is sound.
    let connected = Connected::new(&bench, SessionServices::default()).await?;
    connected.solve(graph(&sh(&busybox(), "true", "fine"))).await?;
    Ok(())
}

/// What the one engine of a bench has logged.
fn engine_log(bench: &Bench) -> Result<String> {
    for entry in fs_err::read_dir(&bench.state)? {
        let log = entry?.path().join("log");
        if log.is_file() {
            return Ok(fs_err::read_to_string(log)?);
        }
    }
    anyhow::bail!("no engine has a log in `{}`", bench.state.display())
}

async fn second_client(bench: Bench) -> Result<()> {
    let marker = bench.marker(0);
    let mut first = ClientProcess::start(&bench, Account::Own, &format!("echo running; sleep {marker}"))?;
    first.wait_for("running")?;
    ensure!(first.started);
    let mut second = ClientProcess::start(&bench, Account::Own, "echo begun; sleep 2; echo survived")?;
    second.wait_for("begun")?;
    ensure!(!second.started, "it joins the engine of the first");
    first.kill()?;
    second.wait_for("survived")?;
    second.wait_for("solved")?;
    second.finish()?;
    bench.wait_for_end()?;
    bench.assert_nothing_left(Some(&marker))
}

async fn six_at_once(bench: Bench) -> Result<()> {
    let clients: Vec<_> = (0..6)
        .map(|number| ClientProcess::start(&bench, Account::Own, &format!("echo {number}; sleep 1")))
        .collect::<Result<_>>()?;
    let mut started = 0;
    for mut client in clients {
        client.wait_for("solved")?;
        started += u32::from(client.started);
        client.finish()?;
    }
    ensure!(started == 1, "{started} have started an engine");
    bench.wait_for_end()?;
    bench.assert_nothing_left(None)
}

async fn killed_engine(bench: Bench) -> Result<()> {
    let connected = Connected::new(&bench, SessionServices::default()).await?;
    let done = sh(&busybox(), "head -c 8 /dev/urandom | md5sum > /once", "expensive");
    let mut request = graph(&done);
    request.read_files = vec!["/once".to_owned()];
    let before = connected.solve(request.clone()).await?.files["/once"].clone();
    let marker = bench.marker(0);
    let (events, mut receiver) = Events::channel();
    let running = graph(&sh(&done, &format!("echo running; sleep {marker}"), "long"));
    let solve = connected.client.solve(&connected.session, running, &events);
    let kill = async {
        while let Some(event) = receiver.recv().await {
            if matches!(&event, Event::Log { line, .. } if line == "running") {
                break;
            }
        }
        ensure!(engine::kill_buildkitd(&bench.state)?, "it runs");
        Ok(())
    };
    let (solved, killed) = tokio::join!(solve, kill);
    killed?;
    let error = solved.expect_err("the engine was killed");
    ensure!(error.engine_lost, "{error:?}");
    let again = Connected::new(&bench, SessionServices::default()).await?;
    ensure!(again._engine.started, "it was started again");
    ensure!(engine::processes(&marker)? == 0, "its step went with it");
    ensure!(
        again.solve(request).await?.files["/once"] == before,
        "what was built stays"
    );
    Ok(())
}

async fn prune(bench: Bench) -> Result<()> {
    let connected = Connected::new(&bench, SessionServices::default()).await?;
    let output = sh(&busybox(), "dd if=/dev/urandom of=/big bs=1M count=8", "big");
    connected.solve(graph(&output)).await?;
    let large = PruneBudget {
        max_used: 1 << 40,
        ..PruneBudget::default()
    };
    ensure!(
        connected.client.prune(large).await? == 0,
        "nothing is over this budget"
    );
    let small = PruneBudget {
        max_used: 1,
        ..PruneBudget::default()
    };
    let freed = connected.client.prune(small).await?;
    ensure!(freed >= 8 << 20, "{freed} bytes were freed");
    Ok(())
}

async fn missing_programs(bench: Bench) -> Result<()> {
    let good = options(&bench.state, &bench.tools)?;
    let mut absent = good.clone();
    absent.buildkitd = "/nonexistent/buildkitd".into();
    let error = Engine::ensure(&absent).await.expect_err("there is none");
    ensure!(matches!(error, EngineError::Program { .. }), "{error}");
    ensure!(
        error.to_string().contains("BuildKit 0.32.2") && error.to_string().contains("BUILDKIT_HOST"),
        "{error}"
    );
    let mut broken = good.clone();
    broken.buildkitd = "/bin/false".into();
    let error = Engine::ensure(&broken)
        .await
        .expect_err("it ends at once")
        .to_string();
    ensure!(error.contains("buildkitd ended with exit status: 1"), "{error}");
    let mut unreadable = good.clone();
    unreadable.registry_hosts = BTreeSet::from(["r.example.com".to_owned()]);
    unreadable.registry.ca_files = vec!["/nonexistent/ca.pem".into()];
    unreadable.buildkitd = "/etc/passwd".into();
    let error = Engine::ensure(&unreadable)
        .await
        .expect_err("it is no program")
        .to_string();
    ensure!(error.contains("cannot run `/etc/passwd`"), "{error}");
    let mut long = good;
    long.state_home = bench.state.join("x".repeat(100));
    let error = Engine::ensure(&long)
        .await
        .expect_err("its socket's path is too long")
        .to_string();
    ensure!(error.contains("longer than 107 bytes"), "{error}");
    Ok(())
}
