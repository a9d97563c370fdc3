//! What end-to-end tests share: the environment that `cargo xtask env up` left, projects in temporary Git repositories,
//! and runs of the kiel binary.
#![allow(
    clippy::print_stderr,
    reason = "a clean-up that fails is told and fails no test"
)]
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests read the variables of the test environment"
)]

pub(crate) mod messages;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A variable of the test environment.
///
/// # Panics
/// Without it: such a test must not pass by not running.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `cargo xtask test`"))
}

/// Where programs are looked for, with this folder before all others.
pub(crate) fn search_path(first: &Path) -> String {
    format!(
        "{}:{}",
        first.display(),
        std::env::var("PATH").unwrap_or_default()
    )
}

/// A name that no other test of this run or of one beside it uses: lower case, digits and dashes.
pub(crate) fn unique(stem: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!(
        "{stem}-{}-{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    )
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The run itself, if it ended with `code`.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Fails unless standard error has each of the texts.
    #[track_caller]
    pub(crate) fn expect_stderr(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "`{text}` is missing in stderr:\n{}",
                self.stderr
            );
        }
        self
    }
}

/// A project in a Git repository of its own; gone with the value.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    pub(crate) repo: String,
    pub(crate) namespace: String,
}

impl Project {
    /// An empty repository without a commit.
    pub(crate) fn empty(stem: &str) -> Self {
        let project = Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
            repo: String::new(),
            namespace: unique(stem),
        };
        project.git(&["init", "-q", "-b", "main"]);
        project
    }

    /// A repository with these files committed.
    pub(crate) fn with(stem: &str, files: &[(&str, &str)]) -> Self {
        let mut project = Self::empty(stem);
        project.repo = format!("{}/test/{}", variable("KIEL_TEST_REGISTRY"), project.namespace);
        project.commit(files);
        project
    }

    /// A copy of a folder, committed.
    pub(crate) fn copy_of(stem: &str, folder: &Path) -> Self {
        let mut project = Self::empty(stem);
        project.repo = format!("{}/test/{}", variable("KIEL_TEST_REGISTRY"), project.namespace);
        let status = Command::new("cp")
            .arg("-a")
            .arg(folder.join("."))
            .arg(project.path())
            .status();
        assert!(status.expect("cp runs").success());
        project.git(&["add", "-A"]);
        project.git(&["commit", "-q", "-m", "first"]);
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file without committing it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs_err::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
        fs_err::write(path, text).expect("the file can be written");
    }

    /// Writes files and commits everything.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.write(path, text);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "change"]);
    }

    /// Runs git in the project, with a configuration and times of its own.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(self.path())
            .envs([
                ("GIT_AUTHOR_NAME", "Test"),
                ("GIT_AUTHOR_EMAIL", "test@example.org"),
                ("GIT_COMMITTER_NAME", "Test"),
                ("GIT_COMMITTER_EMAIL", "test@example.org"),
                ("GIT_CONFIG_GLOBAL", "/dev/null"),
                ("GIT_CONFIG_NOSYSTEM", "1"),
            ])
            .output()
            .expect("git runs");
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Adds another project as a submodule, without a commit.
    pub(crate) fn add_submodule(&self, other: &Self, path: &str) {
        let url = other.path().to_string_lossy();
        let allowed = ["-c", "protocol.file.allow=always"];
        self.git(&[&allowed[..], &["submodule", "--quiet", "add", &url, path]].concat());
    }

    /// The kiel command in the project, on the test environment's engine, registry and cluster.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiel"));
        command.args(args).current_dir(self.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WERF_")) {
            command.env_remove(name);
        }
        let path = format!(
            "{}:{}",
            variable("KIEL_TEST_BIN"),
            std::env::var("PATH").unwrap_or_default()
        );
        command.env("PATH", path);
        command.env("KUBECONFIG", variable("KIEL_TEST_KUBECONFIG"));
        command.env(
            "KIEL_CONTAINER_REGISTRY_MIRROR_TEST",
            variable("KIEL_TEST_MIRROR"),
        );
        command.env("DOCKER_CONFIG", self.path().join("no-docker-config"));
        command
    }

    /// Runs kiel and waits for it.
    pub(crate) fn kiel(&self, args: &[&str]) -> Run {
        Run::of(&self.command(args).output().expect("kiel runs"))
    }

    /// Runs kiel with `--repo`, and `--namespace` where the command has one.
    pub(crate) fn kiel_in_repo(&self, args: &[&str]) -> Run {
        let mut all = args.to_vec();
        all.extend(["--repo", &self.repo]);
        if matches!(args.first(), Some(&("converge" | "plan" | "dismiss" | "render"))) {
            all.extend(["--namespace", &self.namespace]);
        }
        self.kiel(&all)
    }

    /// Runs kubectl in the project's namespace.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Run {
        let mut command = Command::new(variable("KIEL_TEST_KUBECTL"));
        command
            .args([
                "--kubeconfig",
                &variable("KIEL_TEST_KUBECONFIG"),
                "--namespace",
                &self.namespace,
            ])
            .args(args);
        Run::of(&command.output().expect("kubectl runs"))
    }

    /// Runs the real Helm in the project's namespace.
    pub(crate) fn helm(&self, args: &[&str]) -> Run {
        let mut command = Command::new(variable("KIEL_TEST_HELM"));
        command
            .args([
                "--kubeconfig",
                &variable("KIEL_TEST_KUBECONFIG"),
                "--namespace",
                &self.namespace,
            ])
            .args(args);
        Run::of(&command.current_dir(self.path()).output().expect("helm runs"))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let Ok(kubectl) = std::env::var("KIEL_TEST_KUBECTL") else {
            return;
        };
        let Ok(config) = std::env::var("KIEL_TEST_KUBECONFIG") else {
            return;
        };
        let mut command = Command::new(kubectl);
        command.args([
            "--kubeconfig",
            &config,
            "delete",
            "namespace",
            &self.namespace,
            "--ignore-not-found",
            "--wait=false",
        ]);
        if let Err(error) = command.output() {
            eprintln!("cannot remove namespace {}: {error}", self.namespace);
        }
    }
}

/// The folder of the checkout.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
