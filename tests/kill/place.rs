//! Where builds are killed: a project, states of engines, temporary files and repositories of its own, for root or for
//! an ordinary user.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kiel::registry::validate;
use kiel::registry::{Platform, Registry, RegistryOptions, Repository};
use serde_json::Value;

use super::engine::{self, User};
use super::harness::{Project, Run, variable};
use super::project::files;

/// Digests by image.
pub(crate) type Digests = BTreeMap<String, String>;

/// How long the processes of a killed run may take to end.
const END_LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Place {
    project: Project,
    /// States, temporary files, reports and, for a user, programs.
    pub(crate) home: tempfile::TempDir,
    account: Option<User>,
}

impl Place {
    pub(crate) fn of_root() -> Result<Self> {
        let home = tempfile::tempdir()?;
        fs_err::create_dir(home.path().join("tmp"))?;
        Ok(Self {
            project: Project::with("killed", &files()),
            home,
            account: None,
        })
    }

    /// Nothing where we are not root.
    pub(crate) fn of_user() -> Result<Option<Self>> {
        let Some(account) = engine::ordinary_user()? else {
            return Ok(None);
        };
        let mut place = Self::of_root()?;
        User::programs(place.home.path())?;
        account.own_all(place.home.path())?;
        account.own_all(place.project.path())?;
        place.account = Some(account);
        Ok(Some(place))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn repo(&self, repo: &str) -> String {
        format!("{}/{repo}", self.project.repo)
    }

    fn command(&self, repo: &str, state: &str, report: &str) -> Result<Command> {
        let (repo, report) = (self.repo(repo), self.path(report));
        let report = report.to_str().context("a path of a test is a text")?;
        let arguments = [
            "build",
            "--repo",
            &repo,
            "--save-build-report",
            "--build-report-path",
            report,
        ];
        let mut command = self.project.command(&arguments);
        if let Some(account) = &self.account {
            let bin = self.path("bin");
            command = Command::new(bin.join("kiel"));
            account.run_as(&mut command, self.home.path(), &bin);
            command.args(arguments).current_dir(self.project.path()).env(
                "KIEL_CONTAINER_REGISTRY_MIRROR_TEST",
                variable("KIEL_TEST_MIRROR"),
            );
        }
        command
            .env("KIEL_HOME", self.path(state))
            .env("TMPDIR", self.path("tmp"));
        Ok(command)
    }

    /// Builds to the end.
    pub(crate) fn build(&self, repo: &str, state: &str) -> Result<Digests> {
        let run = Run::of(&self.command(repo, state, "report")?.output()?);
        ensure!(run.code == 0, "build: {}\n{}", run.code, run.stderr);
        self.report("report")
    }

    /// Starts a build whose output goes to a file.
    pub(crate) fn start(&self, repo: &str, state: &str) -> Result<Child> {
        let output = fs_err::File::create(self.path("output"))?.into_parts().0;
        let mut command = self.command(repo, state, "report")?;
        Ok(command.stdout(Stdio::null()).stderr(output).spawn()?)
    }

    /// What the build that was started last has told.
    pub(crate) fn output(&self) -> String {
        fs_err::read_to_string(self.path("output")).unwrap_or_default()
    }

    /// Starts a build with a report of its own.
    pub(crate) fn start_reporting(&self, repo: &str, state: &str, report: &str) -> Result<Child> {
        let mut command = self.command(repo, state, report)?;
        Ok(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?)
    }

    pub(crate) fn report(&self, name: &str) -> Result<Digests> {
        let report: Value = serde_json::from_slice(&fs_err::read(self.path(name))?)?;
        let images = report["Images"].as_object().context("images")?;
        let digest = |(name, image): (&String, &Value)| {
            let digest = image["DockerImageDigest"].as_str().context("a digest")?;
            Ok((name.clone(), digest.to_owned()))
        };
        images.iter().map(digest).collect()
    }

    /// No process, no mount and no temporary file of these builds is left, and nobody holds a lock.
    pub(crate) fn assert_nothing_left(&self) -> Result<()> {
        let path = self.home.path().to_string_lossy().into_owned();
        let until = Instant::now() + END_LIMIT;
        while engine::processes(&path)? > 0 {
            if Instant::now() > until {
                bail!("processes are left: {:?}", engine::found(&path)?);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let mounts = fs_err::read_to_string("/proc/self/mounts")?;
        ensure!(!mounts.contains(&path), "mounts are left: {mounts}");
        let left: Vec<_> = fs_err::read_dir(self.path("tmp"))?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<Result<_>>()?;
        ensure!(left.is_empty(), "temporary files are left: {left:?}");
        for state in fs_err::read_dir(self.home.path())? {
            for engine in fs_err::read_dir(state?.path().join("engine"))
                .into_iter()
                .flatten()
            {
                let engine = engine?.path();
                for lock in ["use.lock", "start.lock", "alive.lock"] {
                    // Killed before it was made.
                    let Ok(file) = fs_err::File::open(engine.join(lock)) else {
                        continue;
                    };
                    // The engine's pid 1 holds its locks to the last.
                    while file.try_lock().is_err() {
                        ensure!(Instant::now() < until, "{lock} is held");
                        std::thread::sleep(Duration::from_millis(10));
                    }
                }
            }
        }
        Ok(())
    }

    /// Sizes of the files of a state that are not the engine's own.
    pub(crate) fn files(&self, state: &str) -> Result<BTreeMap<PathBuf, u64>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path(state)];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder)? {
                let entry = entry?;
                let found = entry.metadata()?;
                if found.is_dir() {
                    folders.push(entry.path());
                } else {
                    files.insert(entry.path(), found.len());
                }
            }
        }
        Ok(files)
    }

    /// Every tag is a whole image, or a whole artifact; tells the digest of each.
    pub(crate) fn validate(&self, repo: &str) -> Result<BTreeMap<String, String>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let registry = Registry::new(RegistryOptions::default())?;
            let repository: Repository = self.repo(repo).parse()?;
            let mut digests = BTreeMap::new();
            for tag in registry.tags(&repository).await? {
                let reference = repository.tag(&tag)?;
                let digest = if tag.starts_with("listing-") || tag.starts_with("record-") {
                    let (descriptor, bytes) =
                        registry.manifest(&reference).await?.context("it was listed")?;
                    let manifest: kiel::registry::Manifest = serde_json::from_slice(&bytes)?;
                    for blob in manifest.layers.iter().chain([&manifest.config]) {
                        registry
                            .blob(&repository, blob)
                            .await
                            .with_context(|| tag.clone())?;
                    }
                    descriptor.digest
                } else {
                    let found = validate::image(&registry, &reference, &Platform::host()).await;
                    found
                        .with_context(|| format!("{reference}"))?
                        .image
                        .descriptor
                        .digest
                };
                digests.insert(tag, digest.to_string());
            }
            Ok(digests)
        })
    }
}
