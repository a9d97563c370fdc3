//! Projects under test: a repository with files and a configuration, built into a repository of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use futures::FutureExt as _;
use indexmap::IndexMap;
use kiel::build::{BuildDeps, BuildError, BuildPlan, BuildReport, Connect, EngineError};
use kiel::buildkit::Client;
use kiel::buildkit::engine::Engine;
use kiel::config::model::{Config, Deploy, DockerfileImage, Image, ImageKind, Meta};
use kiel::event::{Event, Events, Level};
use kiel::git::{Repository as GitRepository, SourceTree};
use kiel::images::{ImageFiles, plan_images};
use kiel::registry::validate::{self, Validated};
use kiel::registry::{Platform, Registry, RegistryOptions, Repository, Url};
use kiel_stapel::spec::{From, GitMapping, Import, Position, StapelSpec};

use super::engine::{Bench, options};

/// A project with its engine and repository.
pub(crate) struct Project {
    pub(crate) bench: Bench,
    pub(crate) repository: Repository,
    pub(crate) images: Vec<Image>,
    /// How often an engine was asked for.
    pub(crate) connects: Arc<AtomicUsize>,
    /// What was told while the last build ran.
    pub(crate) events: Vec<Event>,
    pub(crate) registry: Registry,
    /// Sockets of SSH agents by id.
    pub(crate) agents: BTreeMap<String, PathBuf>,
}

impl Project {
    /// An empty project.
    pub(crate) fn new(bench: Bench, images: Vec<Image>) -> Result<Self> {
        let project = Self {
            repository: bench.repository("app")?,
            bench,
            images,
            connects: Arc::default(),
            events: Vec::new(),
            registry: registry()?,
            agents: BTreeMap::new(),
        };
        fs_err::create_dir(project.dir())?;
        git(&project.dir(), &["init", "-q"])?;
        Ok(project)
    }

    pub(crate) fn dir(&self) -> std::path::PathBuf {
        self.bench.folder.path().join("project")
    }

    /// Writes files (`None` removes one) and commits.
    pub(crate) fn commit(&self, files: &[(&str, Option<&str>)]) -> Result<()> {
        for (path, content) in files {
            let path = self.dir().join(path);
            match content {
                Some(content) => {
                    fs_err::create_dir_all(path.parent().context("a parent")?)?;
                    fs_err::write(path, content)?;
                }
                None => fs_err::remove_file(path)?,
            }
        }
        git(&self.dir(), &["add", "-A"])?;
        git(&self.dir(), &["commit", "-qm", "x"])
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        let deploy = Deploy {
            helm_release: None,
            helm_release_slug: true,
            namespace: None,
            namespace_slug: true,
            helm_chart_dir: ".helm".into(),
            app_version: None,
        };
        Arc::new(Config {
            meta: Meta {
                project: "test".into(),
                deploy,
            },
            images: self.images.clone(),
            external: Vec::new(),
            outdated: Vec::new(),
        })
    }

    /// Looks which images are there.
    pub(crate) async fn plan(&self, dir: &Path) -> Result<(BuildPlan, SourceTree)> {
        let git = GitRepository::discover(dir)?;
        let head = git.head()?;
        let tree = git.source_tree(&head);
        let planned = plan_images(
            &self.config(),
            &[],
            ImageFiles::at(&tree.files_at("")),
            &platform(),
        )?;
        Ok((
            kiel::build::plan(planned, &self.registry, &self.repository, &head.id).await?,
            tree,
        ))
    }

    /// Builds, with the bench's engine.
    pub(crate) async fn build(&mut self) -> Result<BuildReport> {
        Ok(self.try_build().await??)
    }

    pub(crate) async fn try_build(&mut self) -> Result<Result<BuildReport, BuildError>> {
        let dir = self.dir();
        self.build_from(&dir).await
    }

    pub(crate) async fn build_from(&mut self, dir: &Path) -> Result<Result<BuildReport, BuildError>> {
        let (mut plan, tree) = self.plan(dir).await?;
        plan.stapel_image = Some(format!("{}/werf/stapel", self.repository.registry()));
        let (events, mut receiver) = Events::channel();
        let deps = BuildDeps {
            registry: self.registry.clone(),
            connect: self.connect(),
            tree,
            config: self.config(),
            secrets: BTreeMap::from([("token".to_owned(), "s3cret".into())]),
            agents: self.agents.clone(),
            host_paths: BTreeMap::new(),
            events,
        };
        let result = kiel::build::run(plan, deps).await;
        self.events.clear();
        while let Ok(event) = receiver.try_recv() {
            self.events.push(event);
        }
        Ok(result)
    }

    fn connect(&self) -> Connect {
        let options = options(&self.bench.state, &self.bench.tools);
        let options = options.map_err(|error| error.to_string());
        let connects = self.connects.clone();
        // Kept as long as the function is: then the engine ends with the run.
        let kept = Arc::new(tokio::sync::Mutex::new(None));
        Arc::new(move || {
            connects.fetch_add(1, Ordering::SeqCst);
            let (options, kept) = (options.clone(), kept.clone());
            async move {
                let options = options.map_err(|error| EngineError::Start(error.into()))?;
                let engine = Engine::ensure(&options)
                    .await
                    .map_err(|error| EngineError::Start(error.into()))?;
                let client = Client::connect(engine.address()).await?;
                *kept.lock().await = Some(engine);
                Ok(client)
            }
            .boxed()
        })
    }

    /// How often an engine was asked for since the last question.
    pub(crate) fn engines(&self) -> usize {
        self.connects.swap(0, Ordering::SeqCst)
    }

    /// An image as the registry has it, with all its files.
    pub(crate) async fn image(&self, report: &BuildReport, name: &str) -> Result<Validated> {
        let image = report
            .image(name)
            .with_context(|| format!("no image `{name}` in {report:?}"))?;
        let reference = report.reference(image).parse()?;
        let found = validate::image(&self.registry, &reference, &Platform::host()).await?;
        ensure!(
            found.image.descriptor.digest == image.digest,
            "the report tells another digest"
        );
        Ok(found)
    }

    /// What the last build told.
    pub(crate) fn infos(&self) -> Vec<&str> {
        let told = self.events.iter().filter_map(|event| match event {
            Event::Message {
                level: Level::Info,
                text,
            } => Some(text.as_str()),
            _ => None,
        });
        told.collect()
    }

    pub(crate) fn logs(&self) -> String {
        let lines = self.events.iter().filter_map(|event| match event {
            Event::Log { line, .. } => Some(line.as_str()),
            _ => None,
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn registry() -> Result<Registry> {
    #[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
    let mirror =
        std::env::var("KIEL_TEST_MIRROR").context("KIEL_TEST_MIRROR is not set: run cargo xtask test")?;
    Ok(Registry::new(RegistryOptions {
        mirrors: vec![Url::parse(&mirror)?],
        ..RegistryOptions::default()
    })?)
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> Result<()> {
    let identity = [
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@t",
        "-c",
        "init.defaultBranch=main",
    ];
    let output = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(identity)
        .args(args)
        .output()?;
    ensure!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

pub(crate) fn platform() -> kiel_llb::Platform {
    Platform::host()
        .to_string()
        .parse()
        .expect("the host's platform is one")
}

pub(crate) fn image(name: &str, kind: ImageKind) -> Image {
    Image {
        name: name.into(),
        is_final: true,
        cache_version: None,
        kind,
        image_spec: None,
        secrets: Vec::new(),
        remotes: BTreeMap::new(),
        platforms: Vec::new(),
        line: 1,
    }
}

pub(crate) fn stapel(name: &str, spec: StapelSpec) -> Image {
    image(name, ImageKind::Stapel(Box::new(spec)))
}

pub(crate) fn dockerfile(name: &str, path: &str) -> Image {
    let kind = DockerfileImage {
        dockerfile: path.into(),
        context: path
            .rsplit_once('/')
            .map(|(folder, _)| folder.to_owned())
            .unwrap_or_default(),
        target: None,
        args: IndexMap::new(),
        dependencies: vec![],
        context_add_files: Vec::new(),
        ..DockerfileImage::default()
    };
    image(name, ImageKind::Dockerfile(Box::new(kind)))
}

pub(crate) fn busybox() -> From {
    From::External("busybox:1.36".into())
}

pub(crate) fn mapping(add: &str, to: &str) -> GitMapping {
    GitMapping {
        add: add.into(),
        to: to.into(),
        ..GitMapping::default()
    }
}

pub(crate) fn import(from: &str, add: &str, to: &str, position: Position) -> Import {
    Import {
        stage: None,
        from: From::Image(from.into()),
        add: add.into(),
        to: to.into(),
        owner: None,
        group: None,
        include_paths: vec![],
        exclude_paths: vec![],
        position,
    }
}
