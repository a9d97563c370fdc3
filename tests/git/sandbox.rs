//! A repository in a temporary folder, made by the real git.

use std::path::{Path, PathBuf};
use std::process::Command;

use kiel::git::{Repository, SourceTree};
use tempfile::TempDir;

pub(crate) struct Sandbox {
    root: TempDir,
    repo: PathBuf,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::with_arguments(&[])
    }

    pub(crate) fn with_arguments(arguments: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let repo = root.path().join("repo");
        fs_err::create_dir_all(&repo).expect("a folder");
        let sandbox = Self { root, repo };
        sandbox.git(&[&["init", "-q", "-b", "main"], arguments].concat());
        sandbox
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.repo
    }

    /// Where things beside the repository can lie.
    pub(crate) fn outside(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.repo, arguments)
    }

    pub(crate) fn git_in(&self, dir: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "protocol.file.allow=always", "-c", "core.quotePath=false"])
            .args(arguments)
            .current_dir(dir)
            .env("HOME", self.root.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("GIT_DIR")
            .envs(["AUTHOR", "COMMITTER"].into_iter().flat_map(|who| {
                [
                    ("NAME", "Ada"),
                    ("EMAIL", "ada@example.com"),
                    ("DATE", "1700000000 +0100"),
                ]
                .map(|(what, value)| (format!("GIT_{who}_{what}"), value))
            }))
            .output()
            .expect("git runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).expect("text")
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.repo.join(path);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs_err::write(path, content).expect("a file");
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.repo.join(path);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs_err::os::unix::fs::symlink(target, path).expect("a link");
    }

    pub(crate) fn chmod(&self, path: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(self.repo.join(path), mode).expect("a mode");
    }

    pub(crate) fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "-m", "a commit"]);
    }

    pub(crate) fn open(&self) -> Repository {
        Repository::discover(&self.repo).expect("a repository")
    }

    pub(crate) fn tree(&self) -> SourceTree {
        let repository = self.open();
        let head = repository.head().expect("a commit");
        repository.source_tree(&head)
    }
}
