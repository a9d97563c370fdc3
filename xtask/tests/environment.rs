//! `env up` and `env down` on an environment of their own: what a kill left is cleared, and nothing else.
//!
//! It shares programs and images with the environment that the tests run in, under another name, other nets
//! and another port.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

const NAME: &str = "kieltest";
const NET: &str = "10.213.77";

struct Environment {
    cache: tempfile::TempDir,
    port: u16,
}

impl Environment {
    /// A cache folder with the real one's programs, packages and images.
    fn new() -> Result<Self> {
        let programs = variable("KIEL_TEST_BIN")?;
        let shared = programs
            .ancestors()
            .nth(2)
            .context("KIEL_TEST_BIN lies in the cache folder")?;
        let cache = tempfile::tempdir()?;
        for below in ["bin", "root", "images"] {
            fs_err::os::unix::fs::symlink(shared.join(below), cache.path().join(below))?;
        }
        let port = free_port()?;
        Ok(Self { cache, port })
    }

    fn env(&self, action: &str) -> Result<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["env", action])
            .env("KIEL_CACHE", self.cache.path())
            .env("KIEL_ENV_NAME", NAME)
            .env("KIEL_ENV_NET", NET)
            .env("KIEL_ENV_POD_NET", "10.213.78")
            .env("KIEL_ENV_SERVICE_NET", "10.214")
            .env("KIEL_ENV_REGISTRY_PORT", self.port.to_string())
            .output()?;
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "env {action} failed:\n{text}");
        Ok(text)
    }

    /// Kills a process of the environment as nobody should, and waits until it is gone.
    fn kill(&self, record: &str) -> Result<()> {
        let text = fs_err::read_to_string(self.cache.path().join("env/state").join(record))?;
        let id = text.split(' ').next().unwrap_or_default().to_owned();
        ensure!(
            Command::new("kill").args(["-9", &id]).status()?.success(),
            "cannot kill {record}"
        );
        let runs = || {
            let state = fs_err::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            state
                .rsplit_once(") ")
                .is_some_and(|(_, rest)| !rest.starts_with('Z'))
        };
        for _ in 0..500 {
            if !runs() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        anyhow::bail!("{record} survives SIGKILL")
    }

    /// Processes whose command line names the environment's state.
    fn processes(&self) -> Result<Vec<String>> {
        let state = self.cache.path().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in fs_err::read_dir("/proc")? {
            let file = entry?.path().join("cmdline");
            let line = fs_err::read(&file).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&state) {
                found.push(line);
            }
        }
        Ok(found)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // Also after a failure: nothing is to be left.
        let _ = self.env("down");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests learn from variables where the environment is"
)]
fn variable(name: &str) -> Result<PathBuf> {
    let value = std::env::var_os(name).context("the test environment is missing: run `cargo xtask test`")?;
    Ok(PathBuf::from(value))
}

/// A port that no connection is given by chance between this moment and its use: below those that the kernel deals.
fn free_port() -> Result<u16> {
    let range = fs_err::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let first: u16 = range.split_whitespace().next().context("a range")?.parse()?;
    (first / 2..first)
        .rev()
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no port is free")
}

fn traces() -> Result<Vec<String>> {
    let mut found = Vec::new();
    let routes = Command::new("ip").args(["-4", "route"]).output()?.stdout;
    let routes = String::from_utf8_lossy(&routes).into_owned();
    found.extend(
        routes
            .lines()
            .filter(|line| line.contains(NET))
            .map(str::to_owned),
    );
    for path in [
        format!("/run/netns/{NAME}"),
        format!("/run/{NAME}-environment"),
        format!("/sys/class/net/{NAME}-h"),
        format!("/sys/fs/cgroup/{NAME}"),
        format!("/sys/fs/cgroup/memory/{NAME}"),
        format!("/sys/fs/cgroup/systemd/{NAME}"),
    ] {
        if Path::new(&path).exists() {
            found.push(path);
        }
    }
    Ok(found)
}

#[test]
fn what_a_kill_left_is_cleared_and_nothing_else() -> Result<()> {
    let environment = Environment::new()?;
    let main = variable("KIEL_TEST_KUBECONFIG")?;
    environment.env("up")?;
    ensure!(
        !traces()?.is_empty(),
        "the test does not see what an environment leaves"
    );
    environment.kill("fake-kubelet.pid")?;
    let text = environment.env("up")?;
    ensure!(
        text.contains("is up already") && text.contains("fake kubelet"),
        "the killed fake kubelet alone was not started again:\n{text}"
    );
    let text = environment.env("status")?;
    ensure!(text.contains("up node fake, 0 pods"), "the status is {text}");
    environment.kill("node.pid")?;
    environment.kill("registry.pid")?;

    let text = environment.env("up")?;
    ensure!(
        text.contains("namespaces and cgroups removed"),
        "the killed node was not cleared:\n{text}"
    );
    let again = environment.env("up")?;
    ensure!(
        again.contains("is up already"),
        "a second `up` did not find the node:\n{again}"
    );

    environment.env("down")?;
    let (left, running) = (traces()?, environment.processes()?);
    ensure!(left.is_empty(), "`env down` left {left:?}");
    ensure!(running.is_empty(), "`env down` left {running:?}");
    let kubectl = variable("KIEL_TEST_KUBECTL")?;
    let status = Command::new(kubectl)
        .arg("--kubeconfig")
        .arg(main)
        .args(["get", "nodes"])
        .status()?;
    ensure!(status.success(), "the environment beside it was touched");
    Ok(())
}
