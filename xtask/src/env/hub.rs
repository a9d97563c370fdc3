//! Docker Hub, or a mirror of it, read through a registry process that passes requests on: the process does
//! TLS and tokens for us.

use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::images::{blobs, file_name};
use super::oci::Local;
use super::process::Process;
use super::registry;
use crate::cache::variable_or;
use crate::{say, shell};

/// Docker Hub's registry; the variable `KIEL_ENV_HUB` names a mirror of it to use instead.
const HUB: &str = "https://registry-1.docker.io";
/// How long Docker Hub has to take a connection.
const HUB_PATIENCE: Duration = Duration::from_secs(2);

/// A registry process that stands before Docker Hub; it ends when this is dropped.
pub(crate) struct Hub {
    url: String,
    local: Local,
    process: Process,
    _folder: tempfile::TempDir,
}

impl Hub {
    /// `None`, said in one line, when it does not take a connection soon.
    pub(crate) fn connect(program: &Path) -> Result<Option<Self>> {
        let started = Instant::now();
        let hub = variable_or("KIEL_ENV_HUB", HUB)?;
        if let Err(error) = reachable(&hub) {
            say::step(
                "Docker Hub",
                &format!("{hub} cannot be reached: {error:#}"),
                started.elapsed(),
            );
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let config = folder.path().join("config.yml");
        fs_err::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
                 storage: {{filesystem: {{rootdirectory: {}}}}}\n\
                 http: {{addr: '127.0.0.1:{port}'}}\nproxy: {{remoteurl: '{hub}'}}\n",
                folder.path().join("data").display()
            ),
        )?;
        let mut command = shell::command(program, ["serve"]);
        command.arg(config).env("OTEL_TRACES_EXPORTER", "none");
        let log = folder.path().join("log");
        let process = Process::start(&command, &log, &folder.path().join("pid"))?;
        let hub = Self {
            url: hub,
            local: Local::new(port, Duration::from_secs(60)),
            process,
            _folder: folder,
        };
        registry::wait(hub.local, process, &log)?;
        Ok(Some(hub))
    }

    /// Where it reads from.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Fetches the blobs of an image for an architecture into a folder; gives its manifest.
    pub(crate) fn fetch(
        &self,
        repository: &str,
        tag: &str,
        architecture: &str,
        folder: &Path,
    ) -> Result<Vec<u8>> {
        let mut answer = self.local.manifest(repository, tag)?;
        let index: Value = serde_json::from_slice(&answer.body)?;
        if let Some(manifests) = index["manifests"].as_array() {
            let chosen = manifests
                .iter()
                .find(|entry| {
                    entry["platform"]["architecture"] == architecture && entry["platform"]["os"] == "linux"
                })
                .and_then(|entry| entry["digest"].as_str())
                .with_context(|| format!("{repository} has no {architecture} image"))?;
            answer = self.local.manifest(repository, chosen)?;
        }
        for digest in blobs(&serde_json::from_slice(&answer.body)?)? {
            let bytes = self.local.blob(repository, &digest)?;
            anyhow::ensure!(
                digest == format!("sha256:{}", hex::encode(Sha256::digest(&bytes))),
                "`{digest}` of {repository} arrived damaged"
            );
            fs_err::write(folder.join(file_name(&digest)), bytes)?;
        }
        Ok(answer.body)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Err(error) = self.process.end(Signal::SIGTERM) {
            say::note(&format!("{error:#}"));
        }
    }
}

/// Whether a URL's host takes a connection; name resolution counts against the patience too.
fn reachable(url: &str) -> Result<()> {
    let (host, default) = match url.split_once("://") {
        Some(("http", host)) => (host, 80),
        Some((_, host)) => (host, 443),
        None => anyhow::bail!("KIEL_ENV_HUB `{url}` is no URL"),
    };
    let host = host.trim_end_matches('/');
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (name.to_owned(), port.parse().context("a port is a number")?),
        None => (host.to_owned(), default),
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let result = (name, port)
            .to_socket_addrs()
            .map_err(anyhow::Error::from)
            .and_then(|mut addresses| {
                let address = addresses.next().context("the name has no address")?;
                Ok(TcpStream::connect_timeout(&address, HUB_PATIENCE).map(drop)?)
            });
        // The other side may have stopped waiting.
        let _ = sender.send(result);
    });
    receiver
        .recv_timeout(HUB_PATIENCE)
        .unwrap_or_else(|_| anyhow::bail!("no answer in {HUB_PATIENCE:?}"))
}
