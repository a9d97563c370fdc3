//! What the rows share: the release build of kiel, generated repositories, an engine, and commands that see no
//! configuration but the environment's.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cache::{Cache, variable};
use crate::env::Variables;
use crate::{cargo, say, shell};

/// Where everything of a benchmark is.
pub(super) struct Lab {
    folder: tempfile::TempDir,
    variables: Variables,
    kiel: PathBuf,
    percent: usize,
}

impl Lab {
    pub(super) fn new(
        cache: &Cache,
        variables: &Variables,
        kiel: Option<&Path>,
        percent: usize,
    ) -> Result<Self> {
        let kiel = match kiel {
            Some(kiel) => fs_err::canonicalize(kiel)?,
            None => {
                let begun = Instant::now();
                let status = cargo::command(cache, &["build", "--release", "--package", "kiel"])?
                    .status()
                    .context("cannot run cargo")?;
                ensure!(status.success(), "cannot build kiel");
                say::step("kiel", "release build", begun.elapsed());
                cargo::programs().with_file_name("release").join("kiel")
            }
        };
        Ok(Self {
            folder: tempfile::tempdir()?,
            variables: variables.clone(),
            kiel,
            percent,
        })
    }

    /// How many rounds are run where `usual` are usual.
    pub(super) fn rounds(&self, usual: usize) -> usize {
        (usual * self.percent / 100).max(1)
    }

    /// A path in the temporary folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One of the environment's variables.
    pub(super) fn variable(&self, name: &str) -> Result<&str> {
        let found = self.variables.iter().find(|(key, _)| *key == name);
        found
            .map(|(_, value)| value.as_str())
            .with_context(|| format!("the environment lacks {name}"))
    }

    /// A repository in the environment's registry that no other run uses.
    pub(super) fn repo(&self, name: &str) -> Result<String> {
        let registry = self.variable("KIEL_TEST_REGISTRY")?;
        Ok(format!("{registry}/bench-{}/{name}", std::process::id()))
    }

    /// A program of the environment, or of PATH.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf> {
        let own = Path::new(self.variable("KIEL_TEST_BIN")?).join(name);
        if own.exists() {
            return Ok(own);
        }
        shell::which(name).with_context(|| format!("cannot find the program `{name}`"))
    }

    /// A command in a folder, with nothing of the user's configuration.
    pub(super) fn command(&self, program: &Path, folder: &Path) -> Result<Command> {
        let mut command = Command::new(program);
        let path = variable("PATH").unwrap_or_default();
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .env(
                "PATH",
                format!("{}:{}", self.variable("KIEL_TEST_BIN")?, path.to_string_lossy()),
            )
            .env("KUBECONFIG", self.variable("KIEL_TEST_KUBECONFIG")?)
            .env("DOCKER_CONFIG", self.path("docker"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("BUILDKIT_HOST");
        for name in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{name}_NAME"), "Bench");
            command.env(format!("GIT_{name}_EMAIL"), "bench@example.invalid");
        }
        Ok(command)
    }

    /// kiel with the environment's registry as mirror.
    pub(super) fn kiel(&self, folder: &Path, arguments: &[&str]) -> Result<Command> {
        let mut command = self.command(&self.kiel, folder)?;
        command
            .args(arguments)
            .env(
                "KIEL_CONTAINER_REGISTRY_MIRROR_BENCH",
                self.variable("KIEL_TEST_MIRROR")?,
            )
            .env("KIEL_HOME", self.path("kiel-home"));
        Ok(command)
    }

    pub(super) fn git(&self, folder: &Path, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(&self.program("git")?, folder)?;
        shell::run(command.args(arguments)).map(drop)
    }

    /// Makes a repository of these files.
    pub(super) fn repository(
        &self,
        name: &str,
        files: impl Iterator<Item = (String, String)>,
    ) -> Result<PathBuf> {
        let folder = self.folder(name, files)?;
        self.git(&folder, &["init", "--quiet", "--initial-branch", "main"])?;
        self.git(&folder, &["add", "--all"])?;
        self.git(&folder, &["commit", "--quiet", "--message", "first"])?;
        Ok(folder)
    }

    /// Makes a folder of these files.
    pub(super) fn folder(
        &self,
        name: &str,
        files: impl Iterator<Item = (String, String)>,
    ) -> Result<PathBuf> {
        let begun = Instant::now();
        let folder = self.path(name);
        let (mut count, mut made) = (0, PathBuf::new());
        for (path, text) in files {
            let path = folder.join(path);
            if let Some(parent) = path.parent().filter(|parent| *parent != made) {
                fs_err::create_dir_all(parent)?;
                parent.clone_into(&mut made);
            }
            fs_err::write(path, text)?;
            count += 1;
        }
        say::step(
            &format!("folder {name}"),
            &format!("{count} files"),
            begun.elapsed(),
        );
        Ok(folder)
    }

    /// Writes a file and commits it.
    pub(super) fn change(&self, folder: &Path, path: &str, text: &str) -> Result<()> {
        fs_err::write(folder.join(path), text)?;
        self.git(folder, &["add", path])?;
        self.git(folder, &["commit", "--quiet", "--message", "change"])
    }

    /// buildctl's build of a folder with a Dockerfile, pushed as `image`.
    pub(super) fn buildctl(&self, engine: &str, context: &Path, image: &str) -> Result<Command> {
        let mut command = self.command(&self.program("buildctl")?, context)?;
        command.args(["--addr", engine]).args(build_arguments(image));
        Ok(command)
    }

    /// An engine of the bench's own, ended when this is dropped.
    pub(super) fn engine(&self, name: &str) -> Result<Engine> {
        let begun = Instant::now();
        let folder = self.path(name);
        fs_err::create_dir_all(&folder)?;
        let address = format!("unix://{}", folder.join("sock").display());
        let mut command = self.command(&self.program("buildkitd")?, &folder)?;
        command
            .args(self.engine_arguments(&folder)?)
            .stdout(Stdio::null())
            .stderr(fs_err::File::create(folder.join("log"))?.into_parts().0);
        let mut engine = Engine {
            address,
            process: command.spawn().context("cannot start buildkitd")?,
        };
        let workers = || -> Result<bool> {
            let mut command = self.command(&self.program("buildctl")?, &folder)?;
            Ok(shell::succeeds(command.args([
                "--addr",
                &engine.address,
                "debug",
                "workers",
            ])))
        };
        while !workers()? {
            ensure!(
                engine.process.try_wait()?.is_none() && begun.elapsed() < Duration::from_secs(30),
                "buildkitd does not become ready"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        say::step("buildkitd", "ready", begun.elapsed());
        Ok(engine)
    }

    /// Arguments of a buildkitd with its state in a folder.
    pub(super) fn engine_arguments(&self, folder: &Path) -> Result<Vec<String>> {
        let config = folder.join("buildkitd.toml");
        let registry = self.variable("KIEL_TEST_REGISTRY")?;
        fs_err::write(
            &config,
            format!(
                "[worker.oci]\nenabled = true\nsnapshotter = \"overlayfs\"\n[worker.containerd]\nenabled = false\n\
                 [registry.\"docker.io\"]\nmirrors = [\"{registry}\"]\n[registry.\"{registry}\"]\nhttp = true\n"
            ),
        )?;
        Ok(vec![
            format!("--config={}", config.display()),
            format!("--root={}", folder.join("root").display()),
            format!("--addr=unix://{}", folder.join("sock").display()),
        ])
    }
}

/// What follows `buildctl --addr …`.
pub(super) fn build_arguments(image: &str) -> Vec<String> {
    let output = format!("type=image,name={image},push=true,registry.insecure=true");
    [
        "build",
        "--progress=plain",
        "--frontend=dockerfile.v0",
        "--local=context=.",
        "--local=dockerfile=.",
        "--output",
        &output,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A buildkitd.
pub(super) struct Engine {
    pub(super) address: String,
    process: Child,
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SIGTERM, so that it unmounts what it has mounted.
        if let Ok(id) = i32::try_from(self.process.id()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM);
        }
        let _ = self.process.wait();
    }
}
