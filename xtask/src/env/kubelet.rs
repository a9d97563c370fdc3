//! The second node: `kubectl proxy` and a [fake kubelet](crate::kubelet) behind it, both on the host.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use sha2::{Digest, Sha256};

use super::process::Process;
use super::settings::Settings;
use crate::{kubelet, say, shell};

/// The node's name.
pub(crate) const NODE: &str = "fake";
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts it, unless it runs already and is the same one.
pub(crate) fn ensure_up(settings: &Settings) -> Result<()> {
    let made_of = made_of();
    let same = fs_err::read_to_string(stamp(settings)).is_ok_and(|found| found == made_of);
    if same && is_up(settings) {
        return Ok(());
    }
    let started = Instant::now();
    stop(settings)?;
    fs_err::create_dir_all(settings.state.join("run"))?;
    let socket = socket(settings);
    let mut proxy = shell::command(settings.programs.join("kubectl"), ["--kubeconfig"]);
    proxy
        .arg(settings.kubeconfig())
        .arg("proxy")
        .arg(format!("--unix-socket={}", socket.display()));
    let log = |name: &str| settings.state.join("log").join(name);
    let proxy = Process::start(&proxy, &log("fake-proxy.log"), &record(settings, "fake-proxy"))?;
    wait(settings, proxy, "the proxy of the fake kubelet", || {
        socket.exists()
    })?;
    let ready = ready(settings);
    let mut program = shell::command(shell::this_program(), ["fake-kubelet", "--node", NODE]);
    program.arg("--socket").arg(&socket).arg("--ready").arg(&ready);
    let record = record(settings, "fake-kubelet");
    let process = Process::start(&program, &log("fake-kubelet.log"), &record)?;
    wait(settings, process, "the fake kubelet", || ready.exists())?;
    fs_err::write(stamp(settings), made_of)?;
    say::step("fake kubelet", &format!("node {NODE}"), started.elapsed());
    Ok(())
}

/// Ends it; what a killed one left, too.
pub(crate) fn stop(settings: &Settings) -> Result<()> {
    for name in ["fake-kubelet", "fake-proxy"] {
        if let Some(process) = Process::recorded(&record(settings, name)) {
            process.end(Signal::SIGKILL)?;
        }
    }
    for file in [socket(settings), ready(settings), stamp(settings)] {
        if file.exists() {
            fs_err::remove_file(file)?;
        }
    }
    Ok(())
}

/// Whether both processes live.
pub(crate) fn is_up(settings: &Settings) -> bool {
    ["fake-kubelet", "fake-proxy"]
        .iter()
        .all(|name| Process::recorded(&record(settings, name)).is_some())
}

/// One line for `env status`.
pub(crate) fn status(settings: &Settings) -> String {
    if !is_up(settings) {
        return "down".to_owned();
    }
    match kubelet::count(&socket(settings), NODE) {
        Ok(count) => format!("up node {NODE}, {count} pods"),
        Err(error) => format!("up, but {error:#}"),
    }
}

/// Where the API server can be asked without certificates.
pub(crate) fn socket(settings: &Settings) -> PathBuf {
    settings.state.join("run/api.sock")
}

fn ready(settings: &Settings) -> PathBuf {
    settings.state.join("run/fake-kubelet-ready")
}

fn stamp(settings: &Settings) -> PathBuf {
    settings.state.join("run/fake-kubelet-made-of")
}

fn record(settings: &Settings, name: &str) -> PathBuf {
    settings.state.join(format!("{name}.pid"))
}

fn made_of() -> String {
    let mut hash = Sha256::new();
    kubelet::SOURCE.iter().for_each(|text| hash.update(text));
    hex::encode(hash.finalize())
}

fn wait(settings: &Settings, process: Process, what: &str, done: impl Fn() -> bool) -> Result<()> {
    let started = Instant::now();
    while !done() {
        ensure!(
            process.alive() && started.elapsed() < PATIENCE,
            "{what} does not become ready; the logs are in {}",
            settings.state.join("log").display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
