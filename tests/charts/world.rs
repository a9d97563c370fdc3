//! A user of their own with their folders, chart repositories on a fake server, and runs of kiel and of the real Helm.

#![allow(
    clippy::disallowed_methods,
    reason = "tests read the variables of the test environment"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use kiel::registry::Digest;
use kiel_chart::{Chart, Index, IndexEntry};
use tokio::io::AsyncWriteExt as _;

use super::authority::Authority;
use super::fake::{Action, Fake, Place, http};

/// `u` with `s3cret`, as it is sent.
pub(crate) const SENT: &str = "Basic dTpzM2NyZXQ=";

/// What a run printed, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output of a run that went well.
    pub(crate) fn ok(self) -> Result<String> {
        ensure!(
            self.code == 0,
            "exit code {}:\n{}\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self.stdout)
    }

    /// Standard error of a run that failed.
    pub(crate) fn failed(self) -> Result<String> {
        ensure!(
            self.code == 1,
            "exit code {}:\n{}\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self.stderr)
    }
}

/// A user's folders.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        let world = Self {
            folder: tempfile::tempdir()?,
        };
        fs_err::create_dir(world.path("work"))?;
        Ok(world)
    }

    /// A path below the world's own folder; `work` is where commands run.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file where commands run.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> Result<()> {
        let path = self.path("work").join(path);
        fs_err::create_dir_all(path.parent().context("a file has a folder")?)?;
        Ok(fs_err::write(path, text)?)
    }

    /// Reads a file from where commands run.
    pub(crate) fn read(&self, path: &str) -> Result<String> {
        Ok(fs_err::read_to_string(self.path("work").join(path))?)
    }

    /// Paths of all files below a folder of where commands run.
    pub(crate) fn files(&self, dir: &str) -> Result<Vec<String>> {
        let root = self.path("work").join(dir);
        let mut found = Vec::new();
        walk(&root, &root, &mut found)?;
        found.sort();
        Ok(found)
    }

    /// Makes a repository of where commands run, with all its files committed.
    pub(crate) async fn commit(&self) -> Result<()> {
        for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "x"]] {
            self.run("git", args, None).await?.ok()?;
        }
        Ok(())
    }

    pub(crate) async fn kiel(&self, args: &[&str]) -> Result<Run> {
        self.run(env!("CARGO_BIN_EXE_kiel"), args, None).await
    }

    /// `kiel helm …`.
    pub(crate) async fn kiel_helm(&self, args: &[&str]) -> Result<Run> {
        self.kiel(&[&["helm"], args].concat()).await
    }

    /// The real Helm.
    pub(crate) async fn helm(&self, args: &[&str]) -> Result<Run> {
        let helm =
            std::env::var("KIEL_TEST_HELM").context("KIEL_TEST_HELM is not set: run cargo xtask test")?;
        self.run(&helm, args, None).await
    }

    /// Runs a program with this user's environment and input.
    pub(crate) async fn run(&self, program: &str, args: &[&str], input: Option<&str>) -> Result<Run> {
        let mut command = tokio::process::Command::new(program);
        command
            .args(args)
            .current_dir(self.path("work"))
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("TZ", "UTC")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Test");
            command.env(format!("GIT_{role}_EMAIL"), "test@example.org");
        }
        let mut child = command.spawn().with_context(|| format!("cannot run {program}"))?;
        let mut stdin = child.stdin.take().context("stdin is piped")?;
        // A program that reads nothing may have ended.
        let _unread = stdin.write_all(input.unwrap_or_default().as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await?;
        Ok(Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(root, &path, found)?;
        } else {
            found.push(path.strip_prefix(root)?.display().to_string());
        }
    }
    Ok(())
}

/// An archive of a chart with one template, which shows the chart's name and version.
pub(crate) fn archive(name: &str, version: &str) -> Result<Vec<u8>> {
    let mut chart: Chart = kiel_chart::load_archive(&minimal(&format!(
        "apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: \"9\"\ndescription: chart {name}\n"
    ))?)?;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Chart.Name }}\n  labels: {v: {{ .Chart.Version | quote }}}\n";
    chart.templates.push(kiel_chart::File {
        name: "templates/t.yaml".to_owned(),
        data: text.as_bytes().into(),
    });
    Ok(kiel_chart::package(&chart, 1_700_000_000)?)
}

/// An archive with `c/Chart.yaml` alone.
pub(crate) fn minimal(chart_file: &str) -> Result<Vec<u8>> {
    tar_of(&[("c/Chart.yaml", chart_file.as_bytes())])
}

/// A compressed archive of these files.
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let zipper = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(zipper);
    for (path, data) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *data)?;
    }
    Ok(tar.into_inner()?.finish()?)
}

/// What a repository serves: paths with their content.
pub(crate) type Pages = BTreeMap<String, Vec<u8>>;

/// A repository's pages with these versions of charts; the index has their digests.
pub(crate) fn pages(charts: &[(&str, &str)]) -> Result<Pages> {
    let mut pages = Pages::new();
    let mut index = Index {
        generated: "2024-01-02T03:04:05Z".to_owned(),
        ..Index::default()
    };
    for (name, version) in charts {
        let archive = archive(name, version)?;
        let file = format!("{name}-{version}.tgz");
        let entry = IndexEntry {
            metadata: kiel_chart::load_archive(&archive)?.metadata,
            urls: vec![file.clone()],
            created: "2024-01-02T03:04:05Z".to_owned(),
            digest: Digest::of(&archive).hex(),
            ..IndexEntry::default()
        };
        index.entries.entry((*name).to_owned()).or_default().push(entry);
        pages.insert(format!("/{file}"), archive);
    }
    index.sort();
    pages.insert("/index.yaml".to_owned(), index.to_yaml().into_bytes());
    Ok(pages)
}

/// Who may read a repository.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    All,
    /// `u` with `s3cret`.
    One,
}

fn not_found() -> Vec<u8> {
    let answer = http(404, &[], b"nothing here");
    let rest = answer.strip_prefix(b"HTTP/1.1 404 X").unwrap_or(&answer);
    [b"HTTP/1.1 404 Not Found", rest].concat()
}

/// Serves these pages.
pub(crate) async fn serve(pages: Pages, readers: Readers, authority: Option<&Authority>) -> Result<Fake> {
    let pages = Arc::new(pages);
    let place = Place {
        authority,
        ..Place::default()
    };
    Fake::at(place, move |seen, _| {
        if readers == Readers::One && seen.authorization.as_deref() != Some(SENT) {
            let challenge = "www-authenticate: Basic realm=\"x\"".to_owned();
            return Action::Answer(http(401, &[challenge], b"who are you?"));
        }
        let path = seen.line.split(' ').nth(1).unwrap_or_default();
        Action::Answer(match pages.get(path) {
            Some(page) => http(200, &[], page),
            None => not_found(),
        })
    })
    .await
}
