//! The test environment: `cargo xtask env up | down | status`.
//!
//! `up` makes whatever is missing and is safe to call again and from several checkouts at a time: a lock
//! lets one make it, the others find it up. What a killed run left behind is cleared by the next `up`.
//! Only what the environment itself made is ever ended or removed.

mod certs;
mod cluster;
mod debian;
mod go;
mod hub;
mod images;
mod kubelet;
mod layer;
mod node;
mod oci;
mod process;
mod programs;
mod registry;
mod settings;
mod toolchain;
mod wheel;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::Subcommand;

use crate::cache::Cache;
use crate::say;
pub(crate) use programs::helm_batch;
pub(crate) use settings::Settings;

/// What to do with the environment.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Bring it up; fetches and builds what the cache lacks
    Up,
    /// End it and clear its state; the cache stays
    Down,
    /// Show what is up, and where each program comes from
    Status,
}

/// Runs an `env` command.
pub(crate) fn run(action: &Action) -> Result<()> {
    let cache = Cache::open()?;
    match action {
        Action::Up => up(&cache).map(drop),
        Action::Down => down(&cache),
        Action::Status => status(&cache),
    }
}

/// Variables that tell tests where the environment's parts are.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// Brings the environment up and gives the variables for tests.
pub(crate) fn up(cache: &Cache) -> Result<Variables> {
    say::start_clock();
    anyhow::ensure!(
        nix::unistd::geteuid().is_root(),
        "cannot bring the environment up: it needs root"
    );
    let settings = Settings::read(cache)?;
    let _lock = lock(cache)?;
    settings.claim_name()?;
    fs_err::create_dir_all(settings.state.join("log"))?;
    let root = prepare(cache, &settings)?;
    let program = |name: &str| settings.programs.join(name);
    registry::start(&settings, &program("registry"))?;
    images::push(cache, registry::client(&settings))?;
    images::push_pause(registry::client(&settings), &program("pause"))?;
    let made_of = format!("{settings:?}\n{:?}\n", programs::sources(&settings)?);
    let stamp = settings.state.join("made-of");
    let same = fs_err::read_to_string(&stamp).is_ok_and(|found| found == made_of);
    if same && cluster::becomes_ready(&settings) {
        say::note("Kubernetes is up already");
    } else {
        kubelet::stop(&settings)?;
        cluster::start(&settings, &root)?;
        fs_err::write(stamp, made_of)?;
    }
    kubelet::ensure_up(&settings)?;
    let variables = variables(&settings);
    write_variables(cache, &variables)?;
    Ok(variables)
}

/// The variables of an environment that is up already, where the caller's own environment has all of them.
pub(crate) fn given(cache: &Cache) -> Result<Option<Variables>> {
    let names = variables(&Settings::read(cache)?);
    let found = names
        .into_iter()
        .map(|(name, _)| Some((name, crate::cache::variable(name)?.into_string().ok()?)));
    Ok(found.collect())
}

/// Makes only the programs, for those who bring a registry and a cluster of their own.
pub(crate) fn programs(cache: &Cache) -> Result<Variables> {
    say::start_clock();
    let settings = Settings::read(cache)?;
    let _lock = lock(cache)?;
    prepare_programs(cache, &settings)?;
    Ok(variables(&settings))
}

fn prepare(cache: &Cache, settings: &Settings) -> Result<debian::Root> {
    let root = prepare_programs(cache, settings)?;
    std::thread::scope(|scope| {
        let cleared = scope.spawn(|| go::clear_caches(cache));
        images::prepare(cache, &settings.programs.join("registry"))?;
        cleared
            .join()
            .map_err(|_| anyhow!("the thread that deletes Go's caches panicked"))?
    })?;
    Ok(root)
}

/// Compiles on one thread, downloads on the other.
fn prepare_programs(cache: &Cache, settings: &Settings) -> Result<debian::Root> {
    std::thread::scope(|scope| {
        let packages = scope.spawn(|| -> Result<debian::Root> {
            let root = debian::Root::prepare(cache)?;
            programs::link_debian(settings, &root)?;
            debian::install_uidmap()?;
            programs::prepare_cargo_deny(cache, settings)?;
            programs::prepare_emulator(cache, settings)?;
            Ok(root)
        });
        let compiled = programs::prepare(cache, settings);
        let root = packages
            .join()
            .map_err(|_| anyhow!("the thread that unpacks packages panicked"))??;
        compiled.map(|()| root)
    })
}

fn down(cache: &Cache) -> Result<()> {
    say::start_clock();
    let settings = Settings::read(cache)?;
    let _lock = lock(cache)?;
    settings.claim_name()?;
    kubelet::stop(&settings)?;
    cluster::stop(&settings, &debian::Root::cached(cache))?;
    registry::stop(&settings)?;
    let started = Instant::now();
    if settings.state.exists() {
        fs_err::remove_dir_all(&settings.state)?;
    }
    settings.release_name()?;
    say::step("state", "removed", started.elapsed());
    Ok(())
}

fn status(cache: &Cache) -> Result<()> {
    let settings = Settings::read(cache)?;
    let up = |is_up: bool| if is_up { "up" } else { "down" };
    say::line(&format!("cache     {}", cache.root().display()));
    say::line(&format!(
        "registry  {} 127.0.0.1:{}",
        up(registry::client(&settings).answers()),
        settings.registry_port
    ));
    say::line(&format!(
        "cluster   {} https://{}:6443",
        up(cluster::is_ready(&settings)),
        settings.node()
    ));
    say::line(&format!("fake      {}", kubelet::status(&settings)));
    for (name, source) in images::sources(cache) {
        say::line(&format!("image     {name}  {source}"));
    }
    if settings.programs.exists() {
        for (name, file) in programs::sources(&settings)? {
            say::line(&format!("program   {name}  {}", file.display()));
        }
    }
    Ok(())
}

/// Waits for other `up`s and `down`s; the lock is released when the file is dropped or the process dies.
fn lock(cache: &Cache) -> Result<std::fs::File> {
    let path = cache.folder("env")?.join("lock");
    let file = fs_err::File::create(&path)?.into_file();
    if file.try_lock().is_err() {
        say::note("waiting for another `cargo xtask` to finish with the environment");
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

fn variables(settings: &Settings) -> Variables {
    let program = |name: &str| settings.programs.join(name).display().to_string();
    let port = settings.registry_port;
    vec![
        ("KIEL_TEST_BIN", settings.programs.display().to_string()),
        ("KIEL_TEST_REGISTRY", format!("127.0.0.1:{port}")),
        ("KIEL_TEST_MIRROR", format!("http://127.0.0.1:{port}")),
        (
            "KIEL_TEST_KUBECONFIG",
            settings.kubeconfig().display().to_string(),
        ),
        ("KIEL_TEST_FAKE_NODE", kubelet::NODE.to_owned()),
        (
            "KIEL_TEST_API_SOCKET",
            kubelet::socket(settings).display().to_string(),
        ),
        ("KIEL_TEST_BUILDKITD", program("buildkitd")),
        ("KIEL_TEST_HELM", program("helm")),
        ("KIEL_TEST_HELM_BATCH", program("helm-batch")),
        ("KIEL_TEST_KUBECTL", program("kubectl")),
    ]
}

/// Writes the variables as shell assignments for people and scripts.
fn write_variables(cache: &Cache, variables: &Variables) -> Result<()> {
    let text: String = variables
        .iter()
        .map(|(name, value)| format!("{name}='{value}'\n"))
        .collect();
    let path: PathBuf = cache.path("env/vars");
    fs_err::write(&path, text)?;
    say::note(&format!("variables are in {}", path.display()));
    Ok(())
}
