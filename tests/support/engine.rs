//! A place for engines under test, clients that can be killed, and an ordinary user.

#![allow(clippy::print_stdout, reason = "a client tells its state on its output")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kiel::buildkit::engine::{Emulator, Engine, EngineOptions, find_program};
use kiel::buildkit::{Build, Client, Session, SessionServices, SolveRequest};
use kiel::event::{Event, Events};
use kiel::registry::{Platform, RegistryOptions, Repository, Url};
use kiel_llb::{Exec, Output, docker_image};
use serde::{Deserialize, Serialize};

/// The argument that makes this program a client.
pub(crate) const CLIENT: &str = "__client";
const HINT: &str = "run cargo xtask test";

#[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: {HINT}"))
}

/// The programs of an engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tools {
    kiel: PathBuf,
    client: PathBuf,
    buildkitd: PathBuf,
    runc: PathBuf,
    /// What runs programs of another architecture.
    pub(crate) emulator: Option<Emulator>,
}

/// A folder for the states of a test's engines; they are gone before it goes.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) state: PathBuf,
    pub(crate) tools: Tools,
    /// Where clients look for programs, if not on PATH.
    pub(crate) search_path: Option<PathBuf>,
}

impl Bench {
    pub(crate) fn new() -> Result<Self> {
        let bin = PathBuf::from(variable("KIEL_TEST_BIN")?);
        let tool = |name: &str| fs_err::canonicalize(bin.join(name)).with_context(|| HINT);
        let folder = tempfile::tempdir()?;
        Ok(Self {
            state: folder.path().join("state"),
            folder,
            tools: Tools {
                kiel: env!("CARGO_BIN_EXE_kiel").into(),
                client: std::env::current_exe()?,
                buildkitd: tool("buildkitd")?,
                runc: tool("runc")?,
                emulator: None,
            },
            search_path: None,
        })
    }

    /// A repository of the environment's registry for this test alone.
    pub(crate) fn repository(&self, name: &str) -> Result<Repository> {
        let unique = self
            .folder
            .path()
            .file_name()
            .context("it has a name")?
            .to_string_lossy()
            .to_lowercase();
        let unique: String = unique.chars().filter(char::is_ascii_alphanumeric).collect();
        Ok(format!("{}/engine-test/{unique}/{name}", variable("KIEL_TEST_REGISTRY")?).parse()?)
    }

    /// A number of seconds to sleep that nobody else sleeps.
    pub(crate) fn marker(&self, round: u32) -> String {
        format!("9{}{round}", std::process::id())
    }

    /// Waits until the engine has ended. Its pid 1 keeps the lock to the last, but may get it after us.
    pub(crate) fn wait_for_end(&self) -> Result<()> {
        for entry in fs_err::read_dir(&self.state)? {
            let folder = entry?.path();
            loop {
                let lock = OpenOptions::new().append(true).open(folder.join("use.lock"))?;
                lock.lock()?;
                if UnixStream::connect(folder.join("sock")).is_err() {
                    break;
                }
                drop(lock);
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    /// No process, no mount and no socket of the engine is left.
    pub(crate) fn assert_nothing_left(&self, marker: Option<&str>) -> Result<()> {
        let path = self.folder.path().to_string_lossy().into_owned();
        ensure!(processes(&path)? == 0, "processes are left: {:?}", found(&path)?);
        if let Some(marker) = marker {
            ensure!(processes(marker)? == 0, "the step is left");
        }
        let mounts = fs_err::read_to_string("/proc/self/mounts")?;
        ensure!(!mounts.contains(&path), "mounts are left: {mounts}");
        Ok(())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // The folder can be removed when nothing writes into it any more.
        drop(self.wait_for_end());
    }
}

/// Kills the buildkitd whose state is below this folder, and tells whether there was one. A child that it is just about
/// to start has its command line for a moment, and goes with it.
pub(crate) fn kill_buildkitd(state: &Path) -> Result<bool> {
    let found = found(&format!("--addr\0unix://{}", state.display()))?;
    for pid in &found {
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        match nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(!found.is_empty())
}

/// Waits until a step's shell has started the command of this text: what it printed before says only that it is about to.
pub(crate) fn wait_for_step(marker: &str) -> Result<()> {
    let limit = Instant::now() + Duration::from_secs(30);
    while processes(marker)? < 2 {
        ensure!(Instant::now() < limit, "the step does not run");
        std::thread::yield_now();
    }
    Ok(())
}

/// How many processes have this text in their command line (arguments are separated by NUL).
pub(crate) fn processes(text: &str) -> Result<usize> {
    Ok(found(text)?.len())
}

pub(crate) fn found(text: &str) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs_err::read_dir("/proc")? {
        let entry = entry?;
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        // It may end while it is looked at.
        let line = fs_err::read(entry.path().join("cmdline")).unwrap_or_default();
        if pid != std::process::id() && String::from_utf8_lossy(&line).contains(text) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// Options of the engine whose state is in this folder.
pub(crate) fn options(state: &Path, tools: &Tools) -> Result<EngineOptions> {
    let mirrors = vec![Url::parse(&variable("KIEL_TEST_MIRROR")?)?];
    let environment = BTreeMap::from([(OsString::from("PATH"), OsString::from(variable("PATH")?))]);
    Ok(EngineOptions {
        emulators: tools.emulator.iter().cloned().collect(),
        state_home: state.to_owned(),
        buildkitd: tools.buildkitd.clone(),
        runc: tools.runc.clone(),
        registry: RegistryOptions {
            mirrors,
            ..RegistryOptions::default()
        },
        registry_hosts: std::collections::BTreeSet::new(),
        tls_hosts: std::collections::BTreeSet::new(),
        environment,
        kiel: Some(tools.kiel.clone()),
    })
}

fn platform() -> kiel_llb::Platform {
    Platform::host()
        .to_string()
        .parse()
        .expect("the host's platform is one")
}

/// The architecture that the environment has a busybox and QEMU for beside this machine's own.
pub(crate) fn foreign() -> kiel_llb::Platform {
    let name = match Platform::host().architecture.as_str() {
        "arm64" => "linux/amd64",
        _ => "linux/arm64",
    };
    name.parse().expect("a platform")
}

/// Whether the machine itself runs programs of [`foreign`].
pub(crate) fn machine_emulates() -> bool {
    let qemu = match foreign().architecture.as_str() {
        "arm64" => "qemu-aarch64",
        _ => "qemu-x86_64",
    };
    Path::new("/proc/sys/fs/binfmt_misc").join(qemu).exists()
}

/// Why programs of [`foreign`] cannot run here, if so.
pub(crate) fn cannot_emulate() -> Option<&'static str> {
    let release = fs_err::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(|char: char| !char.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next(), numbers.next());
    (version < (Some(6), Some(7)) && !machine_emulates())
        .then_some("Linux before 6.7 registers QEMU for the whole machine only")
}

/// The environment's QEMU for [`foreign`]; none where the machine has its own.
pub(crate) fn emulator() -> Result<Option<Emulator>> {
    let folder = variable("KIEL_TEST_BIN")?;
    let found = kiel::buildkit::engine::emulators([foreign().architecture.as_str()], folder.as_ref());
    let found = found.into_iter().next();
    ensure!(found.is_some() || machine_emulates(), "no QEMU: {HINT}");
    Ok(found)
}

/// The environment's busybox.
pub(crate) fn busybox() -> Output {
    docker_image("docker.io/library/busybox:1.36", &platform(), "busybox")
}

/// A step that runs a script.
pub(crate) fn sh(root: &Output, script: &str, name: &str) -> Output {
    Exec::new(Some(root), &["sh", "-c", script])
        .env("PATH", "/bin:/usr/bin")
        .root(&platform(), name)
}

/// A client in a process of its own, running one step.
pub(crate) struct ClientProcess {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Whether it has started the engine.
    pub(crate) started: bool,
}

/// Who runs a client.
#[derive(Clone, Copy)]
pub(crate) enum Account<'a> {
    /// Whoever runs the test.
    Own,
    /// An ordinary user.
    User(&'a User),
}

impl ClientProcess {
    /// Starts it and waits until it has an engine; its error is the error.
    pub(crate) fn start(bench: &Bench, account: Account<'_>, script: &str) -> Result<Self> {
        let mut command = Command::new(&bench.tools.client);
        command
            .arg(CLIENT)
            .arg(&bench.state)
            .arg(serde_json::to_string(&bench.tools)?)
            .arg(script);
        if let Account::User(user) = account {
            command.uid(user.id).gid(user.id).current_dir("/");
        }
        if let Some(path) = &bench.search_path {
            command.env("PATH", path);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let mut client = Self {
            child,
            lines,
            started: false,
        };
        let first = client.lines.next().context("the client said nothing")??;
        match first.as_str() {
            "started" => client.started = true,
            "joined" => {}
            error => {
                client.child.wait()?;
                bail!("{error}");
            }
        }
        Ok(client)
    }

    /// Reads until this line comes.
    pub(crate) fn wait_for(&mut self, wanted: &str) -> Result<()> {
        let mut seen = Vec::new();
        for line in self.lines.by_ref() {
            let line = line?;
            if line == wanted {
                return Ok(());
            }
            seen.push(line);
        }
        bail!("the client ended without `{wanted}`: {seen:?}")
    }

    /// Kills it as nothing else can.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Result<()> {
        ensure!(self.child.wait()?.success());
        Ok(())
    }
}

impl Drop for ClientProcess {
    fn drop(&mut self) {
        // A test that fails leaves no client behind, and so no engine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// This program as a client: tells whether it started the engine, then each line of its step.
pub(crate) fn client_mode() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != CLIENT {
        return None;
    }
    let (state, tools, script) = (arguments.next()?, arguments.next()?, arguments.next()?);
    let run = || -> Result<()> {
        let tools: Tools = serde_json::from_str(&tools)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run_client(&options(Path::new(&state), &tools)?, &script))
    };
    Some(match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    })
}

async fn run_client(options: &EngineOptions, script: &str) -> Result<()> {
    let engine = Engine::ensure(options).await?;
    println!("{}", if engine.started { "started" } else { "joined" });
    let client = Client::connect(engine.address()).await?;
    let session = Session::open(&client, SessionServices::default()).await?;
    let (events, mut receiver) = Events::channel();
    let printer = tokio::spawn(async move {
        while let Some(event) = receiver.recv().await {
            if let Event::Log { line, .. } = event {
                println!("{line}");
            }
        }
    });
    let step = if options.emulators.is_empty() {
        sh(&busybox(), script, "step")
    } else {
        let busybox = docker_image("docker.io/library/busybox:1.37", &foreign(), "busybox");
        Exec::new(Some(&busybox), &["sh", "-c", script])
            .env("PATH", "/bin:/usr/bin")
            .root(&foreign(), "step")
    };
    let request = SolveRequest {
        image: "app".to_owned(),
        build: Build::Graph(step.definition()),
        exporter: None,
        read_files: Vec::new(),
        links_in: None,
    };
    client.solve(&session, request, &events).await?;
    drop(events);
    printer.await?;
    println!("solved");
    Ok(())
}

/// Copies of the programs that everybody may read.
pub(crate) fn copied_tools(bench: &Bench) -> Result<Tools> {
    let bin = bench.folder.path().join("bin");
    fs_err::create_dir(&bin)?;
    let copy = |from: &Path, name: &str| -> Result<PathBuf> {
        let to = bin.join(name);
        fs_err::copy(from, &to)?;
        Ok(to)
    };
    let Tools {
        kiel,
        client,
        buildkitd,
        runc,
        emulator,
    } = &bench.tools;
    let copy_emulator = |emulator: &Emulator| -> Result<Emulator> {
        Ok(Emulator {
            architecture: emulator.architecture.clone(),
            interpreter: copy(&emulator.interpreter, "qemu-static")?,
        })
    };
    Ok(Tools {
        kiel: copy(kiel, "kiel")?,
        client: copy(client, "client")?,
        buildkitd: copy(buildkitd, "buildkitd")?,
        runc: copy(runc, "runc")?,
        emulator: emulator.as_ref().map(copy_emulator).transpose()?,
    })
}

/// An account made for tests.
pub(crate) struct User {
    pub(crate) name: String,
    id: u32,
}

/// Makes an account with subordinate ids; none when we are not root.
pub(crate) fn ordinary_user() -> Result<Option<User>> {
    if !nix::unistd::getuid().is_root() {
        return Ok(None);
    }
    let path = variable("PATH")?;
    for tool in ["newuidmap", "useradd"] {
        find_program(tool, path.as_ref()).with_context(|| format!("no {tool}: {HINT}"))?;
    }
    let name = format!("kiel-test-{}", std::process::id());
    if nix::unistd::User::from_name(&name)?.is_none() {
        run(
            "useradd",
            &[
                "--no-create-home",
                "--user-group",
                "--shell",
                "/usr/sbin/nologin",
                &name,
            ],
        )?;
    }
    let found = nix::unistd::User::from_name(&name)?.context("it was just made")?;
    let user = User {
        name,
        id: found.uid.as_raw(),
    };
    user.grant()?;
    Ok(Some(user))
}

impl User {
    fn grant(&self) -> Result<()> {
        for (file, option) in [("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")] {
            if !fs_err::read_to_string(file)?.contains(&format!("{}:", self.name)) {
                run("usermod", &[option, "2000000-2065535", &self.name])?;
            }
        }
        Ok(())
    }

    /// Gives a folder to the account.
    pub(crate) fn own(&self, folder: &Path) -> Result<()> {
        Ok(std::os::unix::fs::chown(folder, Some(self.id), Some(self.id))?)
    }

    /// Gives a folder with all that is in it to the account.
    pub(crate) fn own_all(&self, folder: &Path) -> Result<()> {
        let owner = format!("{0}:{0}", self.name);
        let status = Command::new("chown").args(["-R", &owner]).arg(folder).status()?;
        ensure!(status.success(), "chown: {status}");
        Ok(())
    }

    /// Puts the programs of a build where the account may run them, in a new folder below `home`.
    pub(crate) fn programs(home: &Path) -> Result<PathBuf> {
        let bin = home.join("bin");
        fs_err::create_dir(&bin)?;
        fs_err::copy(env!("CARGO_BIN_EXE_kiel"), bin.join("kiel"))?;
        for tool in ["buildkitd", "runc"] {
            fs_err::copy(Path::new(&variable("KIEL_TEST_BIN")?).join(tool), bin.join(tool))?;
        }
        Ok(bin)
    }

    /// Makes a command one of the account, with programs of its own before the system's.
    pub(crate) fn run_as(&self, command: &mut Command, home: &Path, bin: &Path) {
        let system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        command
            .env_clear()
            .env("HOME", home)
            .env("PATH", format!("{}:{system}", bin.display()))
            .uid(self.id)
            .gid(self.id);
    }

    /// Runs something while the account has no subordinate ids.
    pub(crate) fn without_subordinate_ids(&self, body: impl FnOnce() -> Result<()>) -> Result<()> {
        for (file, option) in [("/etc/subuid", "--del-subuids"), ("/etc/subgid", "--del-subgids")] {
            for line in fs_err::read_to_string(file)?.lines() {
                if let Some(range) = line.strip_prefix(&format!("{}:", self.name)) {
                    let (first, count) = range.split_once(':').context("a range has a first and a count")?;
                    let (first, count): (u64, u64) = (first.parse()?, count.parse()?);
                    run(
                        "usermod",
                        &[option, &format!("{first}-{}", first + count - 1), &self.name],
                    )?;
                }
            }
        }
        let result = body();
        self.grant()?;
        result
    }
}

impl Drop for User {
    fn drop(&mut self) {
        drop(run("userdel", &[&self.name]));
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output()?;
    ensure!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
