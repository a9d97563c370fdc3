//! Where a case runs: a fresh repository and the folders beside it, gone with the value.
//!
//! An empty repository is copied instead of made by `git init`; the first commit takes two runs of git.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::case::{Case, Content, Files};

/// Author and time of every commit of a case: they are part of what is printed.
const GIT_ENVIRONMENT: [(&str, &str); 9] = [
    ("GIT_AUTHOR_NAME", "Vec"),
    ("GIT_AUTHOR_EMAIL", "vec@example.org"),
    ("GIT_AUTHOR_DATE", "2024-01-02T03:04:05Z"),
    ("GIT_COMMITTER_NAME", "Vec"),
    ("GIT_COMMITTER_EMAIL", "vec@example.org"),
    ("GIT_COMMITTER_DATE", "2024-01-02T03:04:05Z"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
];

/// The folders of one case.
pub(crate) struct Fixture {
    folder: tempfile::TempDir,
    registry: String,
}

/// How a run ended, and what it left.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Fixture {
    /// Makes the files, commits and changes of a case.
    pub(crate) fn of(case: &Case) -> Result<Self> {
        let fixture = Self {
            folder: tempfile::Builder::new().prefix("vec").tempdir()?,
            registry: registry()?,
        };
        for name in ["home", "dockercfg", "t", "project"] {
            fs_err::create_dir(fixture.folder.path().join(name))?;
        }
        fixture.put(fixture.folder.path(), &case.extra)?;
        for repository in &case.extra_repos {
            let dir = fixture.folder.path().join(&repository.dir);
            fs_err::create_dir_all(&dir)?;
            new_repository(&dir)?;
            fixture.commit(&dir, &repository.files, "initial")?;
            for args in &repository.git {
                git(&dir, args)?;
            }
        }
        fixture.make_project(case)?;
        Ok(fixture)
    }

    fn make_project(&self, case: &Case) -> Result<()> {
        let dir = self.project();
        if case.no_git {
            return self.put(&dir, case.files.as_ref().unwrap_or(&Files::new()));
        }
        new_repository(&dir)?;
        if let Some(files) = &case.files {
            self.commit(&dir, files, "initial")?;
        }
        for (index, files) in case.commits.iter().enumerate() {
            self.commit(&dir, files, &format!("commit {}", index + 2))?;
        }
        for args in &case.git {
            let args: Vec<String> = args.iter().map(|arg| self.substitute(arg)).collect();
            git(&dir, &args)?;
        }
        self.put(&dir, &case.staged)?;
        for path in case.staged.keys() {
            git(&dir, &["add", "-A", "-f", path])?;
        }
        self.put(&dir, &case.uncommitted)
    }

    /// The work tree.
    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// A text with the places of this run in it.
    pub(crate) fn substitute(&self, text: &str) -> String {
        let folder = self.folder.path().to_string_lossy();
        text.replace("@DIR@", &format!("{folder}/project"))
            .replace("@TMP@", &folder)
            .replace("@REGISTRY@", &self.registry)
    }

    /// A file below the work tree as it is now, if it is there.
    pub(crate) fn read(&self, path: &str) -> Result<Option<String>> {
        match fs_err::read(self.project().join(self.substitute(path))) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn commit(&self, dir: &Path, files: &Files, message: &str) -> Result<()> {
        self.put(dir, files)?;
        git(dir, &["add", "-A", "-f"])?;
        git(dir, &["commit", "-q", "--allow-empty", "-m", message])
    }

    fn put(&self, root: &Path, files: &Files) -> Result<()> {
        for (path, content) in files {
            let path = root.join(path);
            remove(&path)?;
            if let Some(content) = content {
                fs_err::create_dir_all(path.parent().context("a file has a folder")?)?;
                self.write(&path, content)?;
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, content: &Content) -> Result<()> {
        let (bytes, mode) = match content {
            Content::Link { symlink } => {
                return Ok(fs_err::os::unix::fs::symlink(self.substitute(symlink), path)?);
            }
            Content::Text(text) => (self.substitute(text).into_bytes(), None),
            Content::Bytes { base64, mode } => (STANDARD.decode(base64)?, mode.as_deref()),
            Content::Moded { content, mode } => (self.substitute(content).into_bytes(), mode.as_deref()),
        };
        fs_err::write(path, bytes)?;
        if let Some(mode) = mode {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = u32::from_str_radix(mode, 8)?;
            fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Runs kiel in the project, with the variables of a case and hardly any others.
    pub(crate) fn run(&self, case: &Case, args: &[String], stdin: &str) -> Result<Outcome> {
        let home = self.folder.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiel"));
        command
            .args(args.iter().map(|arg| self.substitute(arg)))
            .current_dir(self.project())
            .env_clear()
            .env("PATH", search_path())
            .env("HOME", home.join("home"))
            .env("LANG", "C.UTF-8")
            .env("WERF_INSECURE_REGISTRY", "1")
            .env("WERF_HOME", home.join("werfhome"))
            .env("WERF_LOG_PRETTY", "0")
            .env("WERF_LOG_COLOR_MODE", "off")
            .env("DOCKER_CONFIG", home.join("dockercfg"))
            .env("TMPDIR", home.join("t"));
        for (name, value) in &case.env {
            match value {
                Some(value) => command.env(name, self.substitute(value)),
                None => command.env_remove(name),
            };
        }
        let input = home.join("stdin");
        fs_err::write(&input, self.substitute(stdin))?;
        command.stdin(fs_err::File::open(&input)?.into_parts().0);
        Ok(Outcome::of(&command.output().context("cannot run kiel")?))
    }
}

impl Outcome {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs_err::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(fs_err::remove_dir_all(path)?),
        Ok(_) => Ok(fs_err::remove_file(path)?),
        Err(_) => Ok(()),
    }
}

/// An empty repository, as `git init` makes it.
fn new_repository(dir: &Path) -> Result<()> {
    static MODEL: OnceLock<Result<tempfile::TempDir, String>> = OnceLock::new();
    let make = || -> Result<tempfile::TempDir> {
        let folder = tempfile::tempdir()?;
        git(folder.path(), &["init", "-q", "-b", "main", "--template="])?;
        Ok(folder)
    };
    match MODEL.get_or_init(|| make().map_err(|error| format!("{error:#}"))) {
        Ok(model) => copy(&model.path().join(".git"), &dir.join(".git")),
        Err(error) => bail!("{error}"),
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs_err::create_dir(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs_err::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn git(dir: &Path, args: &[impl AsRef<str>]) -> Result<()> {
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    let output = Command::new("git")
        .args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0"])
        .args(&args)
        .current_dir(dir)
        .envs(GIT_ENVIRONMENT)
        .stdin(Stdio::null())
        .output()
        .context("cannot run git")?;
    ensure!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
fn registry() -> Result<String> {
    std::env::var("KIEL_TEST_REGISTRY").context("KIEL_TEST_REGISTRY is not set: run cargo xtask test")
}

/// The tools of the test environment before those of the machine.
#[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
fn search_path() -> String {
    let of = |name| std::env::var(name).unwrap_or_default();
    format!("{}:{}", of("KIEL_TEST_BIN"), of("PATH"))
}
