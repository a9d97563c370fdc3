//! Many commits in one repository, made by the real git in one go, and the keys that kiel gives them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use kiel::config::model::Config;
use kiel::config::{Everything, LoadOptions, load};
use kiel::git::patterns::Glob;
use kiel::git::{Repository, SourceTree};
use kiel::images::{ImageFiles, PlannedImage, PlannedKind, plan_images};
use kiel_stapel::stage::Part;
use kiel_template::files::FileTree;
use kiel_template::functions::Environment;

/// What lies at a path of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    File(String),
    Executable(String),
    Link(String),
    /// A submodule at this commit.
    Module(&'static str),
}

/// The files of a commit; no path lies below another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree(pub(crate) BTreeMap<String, Node>);

impl Tree {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, content) in files {
            tree.file(path, content);
        }
        tree
    }

    /// Puts something at a path; what was in its way is gone.
    pub(crate) fn put(&mut self, path: &str, node: Node) {
        self.0
            .retain(|other, _| !is_below(other, path) && !is_below(path, other));
        self.0.insert(path.to_owned(), node);
    }

    pub(crate) fn file(&mut self, path: &str, content: &str) {
        self.put(path, Node::File(content.to_owned()));
    }

    pub(crate) fn executable(&mut self, path: &str, content: &str) {
        self.put(path, Node::Executable(content.to_owned()));
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.put(path, Node::Link(target.to_owned()));
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Node> {
        self.0.remove(path)
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let node = self.remove(from).expect("it is there");
        self.put(to, node);
    }

    /// Replaces text in a file.
    pub(crate) fn edit(&mut self, path: &str, from: &str, to: &str) {
        let Some(Node::File(text)) = self.0.get_mut(path) else {
            panic!("`{path}` is no file")
        };
        assert!(text.contains(from), "`{from}` is not in `{path}`");
        *text = text.replace(from, to);
    }

    /// The paths that are not the same in both.
    pub(crate) fn changed<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let paths: std::collections::BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let differs = |path: &&String| self.0.get(*path) != other.0.get(*path);
        paths.into_iter().filter(differs).map(String::as_str).collect()
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// A repository with one root commit for each tree, on branches of their own.
pub(crate) struct Forest {
    folder: tempfile::TempDir,
}

impl Forest {
    pub(crate) fn new<'a>(trees: impl IntoIterator<Item = &'a Tree>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        git(folder.path(), &["init", "-q", "-b", "none"])?;
        let mut stream = Vec::new();
        for (number, tree) in trees.into_iter().enumerate() {
            write!(
                stream,
                "commit refs/heads/t{number}\ncommitter t <t@t> {} +0000\ndata 0\n",
                1_700_000_000 + number
            )?;
            for (path, node) in &tree.0 {
                let (mode, content) = match node {
                    Node::File(content) => ("100644", content),
                    Node::Executable(content) => ("100755", content),
                    Node::Link(target) => ("120000", target),
                    Node::Module(id) => {
                        writeln!(stream, "M 160000 {id} {}", quoted(path))?;
                        continue;
                    }
                };
                write!(
                    stream,
                    "M {mode} inline {}\ndata {}\n",
                    quoted(path),
                    content.len()
                )?;
                stream.extend_from_slice(content.as_bytes());
                stream.push(b'\n');
            }
        }
        let mut import = command(folder.path())
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        import.stdin.take().context("it is piped")?.write_all(&stream)?;
        ensure!(import.wait()?.success(), "git fast-import failed");
        Ok(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The files of the commit of tree `number`.
    pub(crate) fn tree(&self, number: usize) -> Result<SourceTree> {
        let repository = Repository::discover(self.path())?;
        let commit = repository.commit(&format!("t{number}"))?;
        Ok(repository.source_tree(&commit))
    }
}

/// As `git fast-import` reads a path, whatever is in it.
fn quoted(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    format!("\"{}\"", path.bytes().map(byte).collect::<String>())
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR");
    command
}

/// Runs git with an identity and no configuration but the repository's.
pub(crate) fn git(dir: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(dir)
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(arguments)
        .output()?;
    ensure!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The files of the commit that is checked out.
pub(crate) fn head(dir: &Path) -> Result<SourceTree> {
    let repository = Repository::discover(dir)?;
    let head = repository.head()?;
    Ok(repository.source_tree(&head))
}

struct NoClock;

impl Environment for NoClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// The configuration of a commit.
pub(crate) fn config(tree: &SourceTree) -> Result<Config> {
    let options = LoadOptions {
        file: None,
        templates_dir: ".werf",
        env: None,
        commit_id: &tree.commit().id,
        commit_date: "",
        commit_time: tree.commit().time,
        project: None,
        variables: Arc::new(|_| None),
        glob: |pattern| {
            let glob = Glob::new(pattern).map_err(|error| error.to_string())?;
            Ok(Box::new(move |path: &str| glob.matches(path)))
        },
        inspector: Arc::new(Everything),
        environment: Arc::new(NoClock),
    };
    let files: Arc<dyn FileTree + Send + Sync> = Arc::new(tree.files_at(""));
    Ok(load(&files, &options)?.config)
}

/// The images of a commit with their keys.
pub(crate) fn images(tree: &SourceTree) -> Result<Vec<PlannedImage>> {
    let platform = "linux/amd64".parse().expect("a platform");
    Ok(plan_images(&config(tree)?, &[], ImageFiles::at(&tree.files_at("")), &platform)?.images)
}

/// Keys by the image's name, and by `image/stage`.
pub(crate) type Keys = BTreeMap<String, String>;

/// The keys of a commit's images and stages.
pub(crate) fn keys(tree: &SourceTree) -> Result<Keys> {
    let mut keys = Keys::new();
    for image in images(tree)? {
        keys.insert(image.name.clone(), image.key().to_string());
        let PlannedKind::Stapel(plan) = &image.kind else {
            continue;
        };
        for part in &plan.plan.parts {
            let (name, keyed) = match part {
                Part::Stage { stage, keyed } => (stage.to_string(), keyed),
                Part::CopiedImport { import, keyed } | Part::Import { import, keyed } => {
                    (format!("import{import}"), keyed)
                }
                Part::Archive => continue,
            };
            keys.insert(format!("{}/{name}", image.name), keyed.key.to_string());
        }
    }
    Ok(keys)
}

/// The names of the keys that are not the same.
pub(crate) fn changed(before: &Keys, after: &Keys) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    names.into_iter().filter(differs).cloned().collect()
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}
