//! The local registry: a process on the host's loopback over a folder of the environment.
//!
//! The cluster's network namespace runs a second process over the same folder (see [`super::cluster`]), so
//! one image name, `127.0.0.1:PORT/…`, is valid on both sides.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use super::oci::Local;
use super::process::Process;
use super::settings::Settings;
use crate::{say, shell};

/// How long a request to the local registry may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long the port of a killed registry may stay taken.
const LINGER: Duration = Duration::from_secs(5);

/// The running registry.
pub(crate) fn client(settings: &Settings) -> Local {
    Local::new(settings.registry_port, TIMEOUT)
}

/// Whether the port can be had: the sockets of a killed process outlive its entry in the process table for a moment.
fn becomes_free(port: u16) -> bool {
    let started = Instant::now();
    loop {
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return true;
        }
        if started.elapsed() > LINGER {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts the registry unless it runs already.
pub(crate) fn start(settings: &Settings, program: &Path) -> Result<()> {
    let started = Instant::now();
    let registry = client(settings);
    let port = settings.registry_port;
    if Process::recorded(&record(settings)).is_some() && registry.answers() {
        say::step(
            "registry",
            &format!("127.0.0.1:{port}, was up"),
            started.elapsed(),
        );
        return Ok(());
    }
    if !becomes_free(port) {
        bail!(
            "cannot start the registry: port {port} is in use by a process that is not the environment's; \
             choose another with KIEL_ENV_REGISTRY_PORT"
        );
    }
    write_config(settings)?;
    let mut command = shell::command(program, ["serve"]);
    command.arg(config(settings)).env("OTEL_TRACES_EXPORTER", "none");
    let process = Process::start(
        &command,
        &settings.state.join("log/registry.log"),
        &record(settings),
    )?;
    wait(registry, process, &settings.state.join("log/registry.log"))?;
    say::step("registry", &format!("127.0.0.1:{port}"), started.elapsed());
    Ok(())
}

/// Waits until a registry process answers.
pub(crate) fn wait(registry: Local, process: Process, log: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !registry.answers() {
        if !process.alive() || Instant::now() > deadline {
            bail!(
                "cannot start a registry\n{}",
                fs_err::read_to_string(log).unwrap_or_default()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Ends the registry on the host.
pub(crate) fn stop(settings: &Settings) -> Result<()> {
    if let Some(process) = Process::recorded(&record(settings)) {
        process.end(Signal::SIGTERM)?;
    }
    Ok(())
}

/// Its configuration file, which the process in the cluster's namespace shares.
pub(crate) fn config(settings: &Settings) -> PathBuf {
    settings.state.join("registry.yml")
}

fn record(settings: &Settings) -> PathBuf {
    settings.state.join("registry.pid")
}

fn write_config(settings: &Settings) -> Result<()> {
    let folder = settings.state.join("registry");
    fs_err::create_dir_all(&folder)?;
    let text = format!(
        "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
         http: {{addr: '127.0.0.1:{}'}}\n",
        folder.display(),
        settings.registry_port
    );
    fs_err::write(config(settings), text)?;
    Ok(())
}
