//! `cargo xtask demo`: kiel takes an example from a Git commit to running pods, changes it, goes back, and
//! removes it.
//!
//! Each step prints the command that a user would type, and its time. What a step promises is checked: a demo
//! that does not do what it says fails. With `--repo` and `--kubeconfig` it uses a registry and a cluster that
//! exist already.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cache::{Cache, checkout, variable};
use crate::{cargo, env, say, shell};

/// The example: a folder of `examples/`.
const EXAMPLE: &str = "guestbook";
/// The environment's name, and the namespace that it and the project's name lead to.
const ENVIRONMENT: &str = "demo";
const NAMESPACE: &str = "guestbook-demo";
/// The change between the two commits, in one file of the frontend.
const CHANGED: (&str, &str, &str) = ("frontend/server.py", "VERSION = \"1.0\"", "VERSION = \"1.1\"");
/// Where the front end's Service tells what runs.
const ANSWER: &str = "/api/v1/namespaces/guestbook-demo/services/frontend:http/proxy/status";
/// How long a node may take to send to a pod what its Service gets, after the pod is ready.
const PROXY: Duration = Duration::from_secs(20);

/// Where to show it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Kubeconfig of a cluster to use in place of the environment's own
    #[arg(long, requires = "repo")]
    kubeconfig: Option<PathBuf>,
    /// Repository for images that this machine can push to and that cluster can pull from
    #[arg(long, requires = "kubeconfig")]
    repo: Option<String>,
}

/// What runs in the cluster, as far as the demo can tell one state from another.
#[derive(Debug, PartialEq, Eq)]
struct State {
    frontend: String,
    backend: String,
    revisions: usize,
}

/// A shell in the example's repository, so to speak.
struct Demo {
    folder: PathBuf,
    repo: String,
    variables: Vec<(&'static str, String)>,
}

/// Runs the demo.
pub(crate) fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    let cache = Cache::open()?;
    let foreign = args.repo.clone().zip(args.kubeconfig.clone());
    let environment = if foreign.is_some() {
        env::programs(&cache)?
    } else {
        env::up(&cache)?
    };
    let find = |name: &str| {
        let found = environment.iter().find(|(key, _)| *key == name);
        found
            .map(|(_, value)| value.clone())
            .with_context(|| format!("the environment lacks {name}"))
    };
    let built = Instant::now();
    build_kiel(&cache)?;
    say::step("kiel", "built", built.elapsed());
    let temporary = tempfile::tempdir()?;
    let path = variable("PATH").unwrap_or_default();
    let path = format!(
        "{}:{}:{}",
        cargo::programs().display(),
        find("KIEL_TEST_BIN")?,
        path.to_string_lossy()
    );
    let mut variables = vec![("PATH", path)];
    let repo = match foreign {
        Some((repo, kubeconfig)) => {
            variables.push((
                "KUBECONFIG",
                fs_err::canonicalize(kubeconfig)?.display().to_string(),
            ));
            repo
        }
        None => {
            variables.push(("KUBECONFIG", find("KIEL_TEST_KUBECONFIG")?));
            variables.push(("KIEL_CONTAINER_REGISTRY_MIRROR_1", find("KIEL_TEST_MIRROR")?));
            // Another one each time: what an earlier demo built would be found and not built again.
            format!(
                "{}/demo-{}/{EXAMPLE}",
                find("KIEL_TEST_REGISTRY")?,
                std::process::id()
            )
        }
    };
    let demo = Demo {
        folder: temporary.path().join(EXAMPLE),
        repo,
        variables,
    };
    demo.make_room(args.repo.is_none())?;
    let result = demo.show();
    if result.is_err() {
        // What is left of a demo that failed would stand in the way of the next.
        let removed = demo.delete_namespace();
        if let Err(error) = removed {
            say::note(&format!("{error:#}"));
        }
    }
    result?;
    say::line(&format!(
        "\nThe demo took {:.1} s.",
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn build_kiel(cache: &Cache) -> Result<()> {
    let status = cargo::command(cache, &["build", "--package", "kiel"])?
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "cannot build kiel");
    Ok(())
}

impl Demo {
    fn show(&self) -> Result<()> {
        say::line("\nWhat the commands below find in their environment:");
        for (name, value) in self.variables.iter().filter(|(name, _)| *name != "PATH") {
            say::line(&format!("  export {name}={value}"));
        }
        self.make_repository()?;

        self.converge("Build, push, deploy, and wait until it is up")?;
        let first = self.state()?;
        self.call("1.0")?;

        self.change()?;
        self.converge("Only the frontend is built, from its stage setup on; only its Deployment rolls")?;
        let second = self.state()?;
        self.call("1.1")?;
        ensure!(
            second.frontend != first.frontend,
            "the changed frontend was not deployed"
        );
        ensure!(
            second.backend == first.backend,
            "the backend was deployed again though nothing of it changed"
        );

        self.converge("The same commit again: nothing to do")?;
        let third = self.state()?;
        ensure!(
            third == second,
            "a converge without a change changed something: {second:?}, then {third:?}"
        );

        self.run(
            "Back to the first commit",
            "git",
            &["checkout", "--quiet", "HEAD~1"],
        )?;
        self.converge("Its images exist: nothing is built, the old state is back")?;
        let fourth = self.state()?;
        self.call("1.0")?;
        ensure!(
            (&fourth.frontend, &fourth.backend) == (&first.frontend, &first.backend),
            "the first commit's images are not back"
        );

        let dismiss = ["dismiss", "--env", ENVIRONMENT, "--with-namespace"];
        self.run("Remove the release and its namespace", "kiel", &dismiss)?;
        let arguments = ["get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"];
        let left = shell::run(self.command("kubectl").args(arguments))?;
        ensure!(left.is_empty(), "dismiss left {}", left.trim());
        Ok(())
    }

    /// Whatever a killed demo left in the environment's own cluster goes; in a user's cluster nothing does.
    fn make_room(&self, own: bool) -> Result<()> {
        let arguments = ["get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"];
        let found = shell::run(self.command("kubectl").args(arguments))?;
        if found.is_empty() {
            return Ok(());
        }
        ensure!(
            own,
            "cannot show the demo: the cluster has a namespace `{NAMESPACE}` already"
        );
        say::note("removing what an earlier demo left");
        self.delete_namespace()
    }

    fn delete_namespace(&self) -> Result<()> {
        let arguments = ["delete", "namespace", NAMESPACE, "--ignore-not-found"];
        shell::run(self.command("kubectl").args(arguments)).map(drop)
    }

    /// A Git repository out of the example, as a user would begin.
    fn make_repository(&self) -> Result<()> {
        let example = checkout().join("examples").join(EXAMPLE);
        let mut copy = shell::command("cp", ["-a"]);
        shell::run(copy.arg(&example).arg(&self.folder))
            .with_context(|| format!("cannot copy the example {}", example.display()))?;
        say::line(&format!("\n# A Git repository out of examples/{EXAMPLE}"));
        self.git(&["init", "--quiet", "--initial-branch", "main"])?;
        self.git(&["add", "."])?;
        self.commit("Sign the guestbook")
    }

    fn change(&self) -> Result<()> {
        let (file, old, new) = CHANGED;
        let path = self.folder.join(file);
        let text = fs_err::read_to_string(&path)?;
        ensure!(text.contains(old), "{file} holds no `{old}`");
        say::line(&format!("\n# A change: in {file}, `{old}` becomes `{new}`"));
        fs_err::write(&path, text.replace(old, new))?;
        self.git(&["add", file])?;
        self.commit("Release 1.1 of the frontend")
    }

    fn commit(&self, message: &str) -> Result<()> {
        let identity = ["-c", "user.name=Demo", "-c", "user.email=demo@example.invalid"];
        let rest = ["-c", "commit.gpgsign=false", "commit", "--quiet", "-m", message];
        say::line(&format!("$ git commit -m '{message}'"));
        shell::run(self.command("git").args(identity).args(rest)).map(drop)
    }

    fn git(&self, arguments: &[&str]) -> Result<()> {
        say::line(&format!("$ git {}", arguments.join(" ")));
        shell::run(self.command("git").args(arguments)).map(drop)
    }

    fn converge(&self, why: &str) -> Result<()> {
        self.run(
            why,
            "kiel",
            &["converge", "--env", ENVIRONMENT, "--repo", &self.repo],
        )
    }

    /// Shows a command, runs it with its output where the demo's goes, and tells how long it took.
    fn run(&self, why: &str, program: &str, arguments: &[&str]) -> Result<()> {
        say::line(&format!("\n# {why}\n$ {program} {}", arguments.join(" ")));
        let started = Instant::now();
        let status = self
            .command(program)
            .args(arguments)
            .status()
            .with_context(|| format!("cannot run {program}"))?;
        if !status.success() {
            bail!("`{program} {}` ended with {status}", arguments.join(" "));
        }
        say::line(&format!("# {:.2} s", started.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Calls the application through its Service, over the API server, and checks the version that answers.
    fn call(&self, version: &str) -> Result<()> {
        say::line(&format!(
            "\n# Call it through its Service\n$ kubectl get --raw {ANSWER}"
        ));
        // The node sends to a new pod only some time after the pod is ready.
        let until = Instant::now() + PROXY;
        let answer = loop {
            match shell::run(self.command("kubectl").args(["get", "--raw", ANSWER])) {
                Ok(answer) => break answer,
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        };
        say::line(answer.trim_end());
        let value: Value = serde_json::from_str(&answer).context("the application's answer is no JSON")?;
        ensure!(
            value["frontend"] == version,
            "the frontend answers as {}, not {version}",
            value["frontend"]
        );
        Ok(())
    }

    fn state(&self) -> Result<State> {
        let image = |name: &str| {
            let path = "jsonpath={.spec.template.spec.containers[0].image}";
            let arguments = ["--namespace", NAMESPACE, "get", "deployment", name, "-o", path];
            shell::run(self.command("kubectl").args(arguments))
        };
        let records = self.get("secrets")?;
        Ok(State {
            frontend: image("frontend")?,
            backend: image("backend")?,
            revisions: records
                .lines()
                .filter(|name| name.contains("sh.helm.release.v1"))
                .count(),
        })
    }

    /// Names of the namespace's objects of some kinds.
    fn get(&self, kinds: &str) -> Result<String> {
        shell::run(
            self.command("kubectl")
                .args(["--namespace", NAMESPACE, "get", kinds, "-o", "name"]),
        )
    }

    /// The example's repository, once it is there.
    fn place(&self) -> &Path {
        if self.folder.exists() {
            &self.folder
        } else {
            checkout()
        }
    }

    fn command(&self, program: &str) -> Command {
        // Found on the demo's own PATH, as in a shell.
        let path = self
            .variables
            .iter()
            .find(|(name, _)| *name == "PATH")
            .map(|(_, path)| path.as_str());
        let found = std::env::split_paths(path.unwrap_or_default())
            .map(|folder| folder.join(program))
            .find(|file| file.exists())
            .unwrap_or_else(|| Path::new(program).to_path_buf());
        let mut command = Command::new(found);
        command.current_dir(self.place()).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}
