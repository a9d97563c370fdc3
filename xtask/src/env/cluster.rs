//! One real Kubernetes node in network, pid and mount namespaces of its own.
//!
//! Everything in it dies with one process. The host reaches pods, Services and the API server by routes over
//! one link; the namespace has no default route, so nothing in it can reach anything but this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::debian::Root;
use super::process::Process;
use super::settings::Settings;
use super::{certs, node};
use crate::{say, shell};

/// cgroup v1 controllers that the kubelet expects its root in.
const CONTROLLERS: [&str; 9] = [
    "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd",
];
/// The kubelet's fixed folder; the node mounts its own over it.
const KUBELET: &str = "/var/lib/kubelet";
/// How long the node may take to become ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether the node answers and is ready.
pub(crate) fn is_ready(settings: &Settings) -> bool {
    Process::recorded(&record(settings)).is_some() && node_ready(settings)
}

/// Whether a node that runs is ready, now or soon: on a busy machine one late answer is no reason to end it.
pub(crate) fn becomes_ready(settings: &Settings) -> bool {
    let Some(process) = Process::recorded(&record(settings)) else {
        return false;
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while process.alive() && Instant::now() < deadline {
        if node_ready(settings) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    false
}

/// Starts the node and waits until it is ready and names are resolved.
pub(crate) fn start(settings: &Settings, root: &Root) -> Result<()> {
    let started = Instant::now();
    stop(settings, root)?;
    let ip = Ip::find(root)?;
    ip.refuse_taken(settings)?;
    certs::prepare(settings, &tool(root, "openssl")?)?;
    make_cgroups(settings)?;
    ip.make_network(settings)?;
    node::write(settings, &root.path, &settings.programs.join("containerd"))?;
    let flag = settings.state.join("apiserver-ready");
    if flag.exists() {
        fs_err::remove_file(&flag)?;
    }
    fs_err::create_dir_all(KUBELET)?;
    let log = settings.state.join("log/node.log");
    let process = Process::start(&namespaces(settings, root)?, &log, &record(settings))?;
    let wait = |what: &str, done: &dyn Fn() -> bool| wait(settings, process, what, done);
    wait("API server", &|| flag.exists())?;
    wait("default service account", &|| {
        shell::succeeds(&mut kubectl(settings, &["get", "sa", "default"]))
    })?;
    wait("node", &|| node_ready(settings))?;
    wait("cluster DNS", &|| answers_names(settings))?;
    say::step(
        "Kubernetes 1.36.2",
        &format!("https://{}:6443", settings.node()),
        started.elapsed(),
    );
    Ok(())
}

/// Ends the node and removes its namespaces, link, routes and cgroups; what a killed run left, too.
pub(crate) fn stop(settings: &Settings, root: &Root) -> Result<()> {
    let started = Instant::now();
    let ip = Ip::find(root)?;
    let mut found = false;
    if let Some(process) = Process::recorded(&record(settings)) {
        found = true;
        let inner = first_child(process.id());
        process.end(Signal::SIGKILL)?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while inner.is_some_and(|id| Path::new(&format!("/proc/{id}")).exists()) {
            anyhow::ensure!(Instant::now() < deadline, "the node's processes do not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    for folder in cgroups(settings) {
        remove_cgroup(&folder);
    }
    if Path::new("/sys/class/net").join(settings.link()).exists() {
        found = true;
        ip.run(&format!("link delete {}", settings.link()))?;
    }
    if Path::new("/run/netns").join(&settings.name).exists() {
        found = true;
        ip.run(&format!("netns delete {}", settings.name))?;
    }
    if found {
        // Not empty where another kubelet lives: then it is not ours to remove.
        let _ = fs_err::remove_dir(KUBELET);
        say::step(
            "Kubernetes",
            "ended, namespaces and cgroups removed",
            started.elapsed(),
        );
    }
    Ok(())
}

/// `kubectl` as administrator.
pub(crate) fn kubectl(settings: &Settings, arguments: &[&str]) -> Command {
    let mut command = shell::command(
        settings.programs.join("kubectl"),
        ["--request-timeout=5s", "--kubeconfig"],
    );
    command.arg(settings.kubeconfig()).args(arguments);
    command
}

fn record(settings: &Settings) -> PathBuf {
    settings.state.join("node.pid")
}

fn node_ready(settings: &Settings) -> bool {
    let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
    shell::run(&mut kubectl(settings, &["get", "node", "node", "-o", path]))
        .is_ok_and(|status| status == "True")
}

/// CoreDNS listens inside the node's network only; its readiness is asked for there.
fn answers_names(settings: &Settings) -> bool {
    let script = "exec 3<>/dev/tcp/127.0.0.1/8181 && printf 'GET /ready HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '200 OK' <&3";
    shell::succeeds(&mut in_network(settings, &["bash", "-c", script]))
}

fn in_network(settings: &Settings, arguments: &[&str]) -> Command {
    let mut command = shell::command("nsenter", [format!("--net=/run/netns/{}", settings.name)]);
    command.args(arguments);
    command
}

/// `unshare` ends its child, and with it the pid namespace, when it is killed itself.
fn namespaces(settings: &Settings, root: &Root) -> Result<Command> {
    let unshare = [
        "unshare",
        "-m",
        "-p",
        "-f",
        "--kill-child",
        "--mount-proc",
        "--propagation",
        "private",
        "bash",
    ];
    let mut command = in_network(settings, &unshare);
    let etcd = shell::run(&mut shell::command(settings.programs.join("etcd"), ["--version"]))?;
    command
        .arg(settings.state.join("node.sh"))
        .env("STATE", &settings.state)
        .env("PROGRAMS", &settings.programs)
        .env("WRAPPERS", root.wrappers())
        .env("ROOT", &root.path)
        .env("PKI", &settings.pki)
        .env("NODE", settings.node())
        .env("POD_NET", &settings.pod_net)
        .env("SERVICE_NET", &settings.service_net)
        // etcd 3.4 does not know the flag.
        .env(
            "ETCD_FLAGS",
            if etcd.contains("Version: 3.4") {
                ""
            } else {
                "--unsafe-no-fsync"
            },
        );
    for proxy in [
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "no_proxy",
        "NO_PROXY",
    ] {
        command.env_remove(proxy);
    }
    Ok(command)
}

fn wait(settings: &Settings, process: Process, what: &str, done: &dyn Fn() -> bool) -> Result<()> {
    let started = Instant::now();
    while !done() {
        if !process.alive() || started.elapsed() > PATIENCE {
            bail!(
                "{what} does not become ready; the logs are in {}",
                settings.state.join("log").display()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    say::step(what, "ready", started.elapsed());
    Ok(())
}

fn first_child(id: i32) -> Option<i32> {
    let children = fs_err::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// A program of the host, or its unpacked copy.
fn tool(root: &Root, name: &str) -> Result<PathBuf> {
    let wrapper = root.wrappers().join(name);
    shell::which(name)
        .or_else(|| wrapper.exists().then_some(wrapper))
        .with_context(|| format!("cannot find the program `{name}`"))
}

/// The node's cgroup folders, in every hierarchy that exists.
fn cgroups(settings: &Settings) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut folders = vec![
        root.join(&settings.name),
        root.join("unified").join(&settings.name),
    ];
    folders.extend(
        CONTROLLERS
            .iter()
            .map(|controller| root.join(controller).join(&settings.name)),
    );
    folders
}

fn make_cgroups(settings: &Settings) -> Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        let folder = root.join(&settings.name);
        fs_err::create_dir_all(&folder)?;
        let controllers = fs_err::read_to_string(folder.join("cgroup.controllers"))?;
        for controller in controllers.split_whitespace() {
            fs_err::write(folder.join("cgroup.subtree_control"), format!("+{controller}"))?;
        }
        return Ok(());
    }
    for controller in CONTROLLERS
        .iter()
        .filter(|controller| root.join(controller).exists())
    {
        let parent = root.join(controller);
        let folder = parent.join(&settings.name);
        fs_err::create_dir_all(&folder)?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if folder.join(file).exists() {
                fs_err::write(folder.join(file), fs_err::read(parent.join(file))?)?;
            }
        }
    }
    Ok(())
}

/// cgroup folders are removed from the leaves up; they are empty once their processes are gone.
fn remove_cgroup(folder: &Path) {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    for _ in 0..100 {
        if fs_err::remove_dir(folder).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    say::note(&format!("cannot remove the cgroup {}", folder.display()));
}

/// The host's `ip`.
struct Ip {
    program: PathBuf,
}

impl Ip {
    fn find(root: &Root) -> Result<Self> {
        Ok(Self {
            program: tool(root, "ip")?,
        })
    }

    fn run(&self, arguments: &str) -> Result<String> {
        shell::run(&mut shell::command(&self.program, arguments.split_whitespace()))
    }

    /// Addresses that are routed elsewhere already are somebody else's.
    fn refuse_taken(&self, settings: &Settings) -> Result<()> {
        for (variable, net) in [
            ("KIEL_ENV_NET", format!("{}.0/30", settings.net)),
            ("KIEL_ENV_POD_NET", format!("{}.0/24", settings.pod_net)),
            ("KIEL_ENV_SERVICE_NET", format!("{}.0.0/16", settings.service_net)),
        ] {
            let routes = self.run(&format!("-4 route show root {net}"))?;
            if let Some(route) = routes.lines().next() {
                bail!(
                    "cannot use {net}: this machine has the route `{}`; choose another net with {variable}",
                    route.trim()
                );
            }
        }
        Ok(())
    }

    fn make_network(&self, settings: &Settings) -> Result<()> {
        let (name, link, host, node) = (&settings.name, settings.link(), settings.host(), settings.node());
        let (pods, services) = (
            format!("{}.0/24", settings.pod_net),
            format!("{}.0.0/16", settings.service_net),
        );
        self.run(&format!("netns add {name}"))?;
        self.run(&format!("link add {link} type veth peer name eth0 netns {name}"))?;
        self.run(&format!("addr add {host}/30 dev {link}"))?;
        self.run(&format!("link set {link} up"))?;
        self.run(&format!("-n {name} addr add {node}/30 dev eth0"))?;
        self.run(&format!("-n {name} link set eth0 up"))?;
        self.run(&format!("-n {name} link set lo up"))?;
        // kube-proxy redirects locally made packets only if they have a route to begin with.
        self.run(&format!("-n {name} route add {services} dev eth0"))?;
        self.run(&format!("route add {pods} via {node}"))?;
        self.run(&format!("route add {services} via {node}"))?;
        shell::run(&mut in_network(
            settings,
            &["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"],
        ))?;
        Ok(())
    }
}
