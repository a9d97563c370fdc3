//! Between the configuration and the registry: keys, the engine, the build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::FutureExt as _;
use kiel_llb::Platform;
use kiel_stapel::ansible::TOOLCHAIN;
use kiel_stapel::spec::{From, MountKind};

use super::Context;
use super::args::{BuildArgs, RegistryArgs, ReportArgs, StubArgs};
use super::error::CommandError;
use super::project::Project;
use super::secrets::hide_secret;
use super::service_values::ImageName;
use crate::build::{self, BuildDeps, BuildError, BuildPlan, BuildReport, Connect, EngineError};
use crate::buildkit::engine::{self, Engine, EngineOptions};
use crate::buildkit::{Address, Client, PruneBudget};
use crate::config;
use crate::config::model::{ImageKind, SecretSource};
use crate::git::SourceTree;
use crate::images::{self, ImageFiles, PlannedImage, PlannedImages, PlannedKind};
use crate::registry::{self, DOCKER_HUB, Insecure, Reference, Registry, RegistryOptions, Repository, Url};

/// What the engine's cache may take: a quarter of it is never pruned.
const CACHE_BUDGET: PruneBudget = PruneBudget {
    reserved: 5 << 30,
    max_used: 20 << 30,
    min_free: 5 << 30,
};

/// The images that the patterns mean, and what they need, with their keys. Reads the commit: blocks.
pub(crate) fn plan_images(
    project: &Project,
    patterns: &[String],
    context: &Context,
) -> Result<PlannedImages, CommandError> {
    let selected = config::select(&project.config, patterns)?;
    if selected.is_empty() {
        return Ok(PlannedImages::default());
    }
    let names: Vec<String> = selected.into_iter().map(|image| image.name.clone()).collect();
    project.check_dockerfiles(&names)?;
    let files = ImageFiles {
        sources: &project.tree.files_at(project.repository.prefix()),
        of_images: &project.added_files()?,
        remotes: &project.remote_trees(&names, context)?,
        inputs: &project.files,
    };
    Ok(images::plan_images(
        &project.config,
        &names,
        files,
        &host_platform(),
    )?)
}

/// The secrets of all images, by id.
fn build_secrets(project: &Project, context: &Context) -> Result<BTreeMap<String, Bytes>, CommandError> {
    let mut secrets: BTreeMap<String, (Bytes, &str)> = BTreeMap::new();
    for image in &project.config.images {
        for secret in &image.secrets {
            let refuse = |text: String| {
                CommandError::new(format!(
                    "cannot read the secret `{}` of image `{}`: {text}",
                    secret.id, image.name
                ))
            };
            let value = match &secret.source {
                SecretSource::Value(text) => text.clone().into_bytes(),
                SecretSource::Env(name) => match context.env.get_raw(name) {
                    Some(text) => text.to_owned().into_bytes(),
                    None => return Err(refuse(format!("the variable {name} is not set"))),
                },
                SecretSource::File(path) => {
                    let path = project.machine_path(path, &context.env);
                    fs_err::read(path).map_err(|error| refuse(error.to_string()))?
                }
            };
            hide_secret(&value, &context.mask);
            match secrets.get(&secret.id) {
                Some((other, first)) if *other != value => {
                    let text = format!("image `{first}` has another one of that id; give it another `id`");
                    return Err(refuse(text));
                }
                Some(_) => {}
                None => _ = secrets.insert(secret.id.clone(), (value.into(), &image.name)),
            }
        }
    }
    Ok(secrets.into_iter().map(|(id, (value, _))| (id, value)).collect())
}

/// Where the `fromPath` mounts of all images are on this machine.
fn host_paths(project: &Project, context: &Context) -> BTreeMap<String, PathBuf> {
    let mut paths = BTreeMap::new();
    for image in &project.config.images {
        let ImageKind::Stapel(spec) = &image.kind else {
            continue;
        };
        for mount in &spec.mounts {
            if let MountKind::FromPath(path) = &mount.kind {
                let full = project.machine_path(path, &context.env);
                paths.insert(path.clone(), PathBuf::from(full));
            }
        }
    }
    paths
}

/// The sockets of the SSH agents that Dockerfile images name, by id.
fn build_agents(project: &Project, context: &Context) -> Result<BTreeMap<String, PathBuf>, CommandError> {
    let mut agents = BTreeMap::new();
    for image in &project.config.images {
        let ImageKind::Dockerfile(docker) = &image.kind else {
            continue;
        };
        for agent in &docker.ssh {
            let socket = match &agent.socket {
                Some(socket) => socket.clone(),
                None => match context.env.get_raw("SSH_AUTH_SOCK") {
                    Some(socket) if !socket.is_empty() => socket.to_owned(),
                    _ => {
                        let text = format!(
                            "cannot reach an SSH agent for image `{}`: SSH_AUTH_SOCK is not set",
                            image.name
                        );
                        return Err(CommandError::new(text).hint("start one: eval $(ssh-agent) && ssh-add"));
                    }
                },
            };
            let socket = PathBuf::from(socket);
            if std::os::unix::net::UnixStream::connect(&socket).is_err() {
                return Err(CommandError::new(format!(
                    "cannot reach the SSH agent `{}` of image `{}`: nothing answers at `{}`",
                    agent.id,
                    image.name,
                    socket.display()
                ))
                .hint("name the socket of an agent, not a key: `ssh: default` takes SSH_AUTH_SOCK"));
            }
            agents.insert(agent.id.clone(), socket);
        }
    }
    Ok(agents)
}

impl Project {
    /// Looks up the bases of images with `fromLatest`: their digests count from here on, as if they were written.
    pub(crate) async fn look_up_latest(
        &mut self,
        args: &RegistryArgs,
        context: &Context,
    ) -> Result<(), CommandError> {
        let mut registry_of_run = None;
        for image in &mut self.config.images {
            let ImageKind::Stapel(spec) = &mut image.kind else {
                continue;
            };
            if !std::mem::take(&mut spec.from_latest) {
                continue;
            }
            let From::External(name) = &mut spec.from else {
                continue;
            };
            let registry = match &registry_of_run {
                Some(registry) => registry,
                None => registry_of_run.insert(registry(args, context)?),
            };
            let reference: Reference = name.parse()?;
            if reference.digest().is_some() {
                continue;
            }
            let Some(found) = registry.head(&reference).await? else {
                let text = format!("cannot find the base `{name}` of image `{}`", image.name);
                return Err(CommandError::new(text).hint("check the name, and that you may read it"));
            };
            *name = format!("{name}@{}", found.digest);
        }
        Ok(())
    }

    /// Says once what of the configuration is gone in werf v3.
    pub(crate) fn warn_outdated(&self, context: &Context) {
        let mut told = BTreeMap::new();
        for old in &self.config.outdated {
            told.entry(&old.message).or_insert_with(|| (old, 0)).1 += 1;
        }
        let mut told: Vec<_> = told.into_values().collect();
        told.sort_by_key(|(old, _)| (old.line, old.column));
        for (old, count) in told {
            let more = match count {
                1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            let instead = old.hint.as_deref().unwrap_or_default();
            context.events.warn(format!(
                "{}:{}: {}{more}: {instead}",
                self.shown, old.line, old.message
            ));
        }
    }
}

/// Where werf's image of Ansible is copied to, for machines that cannot reach its registry.
fn stapel_image(plan: &BuildPlan, context: &Context) -> Option<String> {
    let is_used = |image: &PlannedImage| match &image.kind {
        PlannedKind::Stapel(plan) => plan.spec.toolchain() == Some(TOOLCHAIN),
        PlannedKind::Dockerfile(_) => false,
    };
    if !plan.missing().into_iter().any(is_used) {
        return None;
    }
    let read = |name: &str| {
        let own = context.env.get(&format!("KIEL_{name}"));
        own.or_else(|| context.env.get(&format!("WERF_{name}")))
    };
    let version = read("STAPEL_IMAGE_VERSION");
    if let Some(version) = version.filter(|version| !TOOLCHAIN.ends_with(&format!(":{version}"))) {
        context.events.warn(format!(
            "WERF_STAPEL_IMAGE_VERSION `{version}` counts in no key, and is not used: write `toolchain: NAME:{version}` in `ansible`"
        ));
    }
    read("STAPEL_IMAGE_NAME").map(str::to_owned)
}

/// What is built for: what this machine runs.
fn host_platform() -> Platform {
    let host = registry::Platform::host();
    Platform {
        os: host.os,
        architecture: host.architecture,
        variant: host.variant,
    }
}

impl StubArgs {
    /// The repository that names are made with.
    pub(crate) fn repo<'a>(&self, registry: &'a RegistryArgs) -> Option<&'a str> {
        registry.repo.as_deref().filter(|_| !self.stub_tags)
    }

    /// The names of final images by their keys, or none.
    pub(crate) fn image_names(
        &self,
        project: &Project,
        context: &Context,
    ) -> Result<Vec<ImageName>, CommandError> {
        if self.without_images {
            return Ok(Vec::new());
        }
        if !self.stub_tags
            && let Some(names) = self.report.image_names(project, context)?
        {
            return Ok(names);
        }
        let planned = plan_images(project, &[], context)?;
        project.warn_images(&planned.images, context)?;
        Ok(names_by_key(&planned))
    }
}

impl ReportArgs {
    /// The names of final images as a saved report has them, if it is to be used.
    pub(crate) fn image_names(
        &self,
        project: &Project,
        context: &Context,
    ) -> Result<Option<Vec<ImageName>>, CommandError> {
        if !self.use_build_report {
            return Ok(None);
        }
        names_of_saved(&self.build_report_path, project, context).map(Some)
    }
}

/// The names of final images by a saved report. Images of werf.yaml that it lacks are told: the chart may miss them.
pub(crate) fn names_of_saved(
    path: &Path,
    project: &Project,
    context: &Context,
) -> Result<Vec<ImageName>, CommandError> {
    let saved = build::read_report(path)?;
    let lacks = |name: &str| saved.iter().all(|image| image.name != name);
    let finals = project.config.images.iter().filter(|image| image.is_final);
    for image in finals.filter(|image| lacks(&image.name)) {
        context.events.warn(format!(
            "the build report `{}` has no image `{}`",
            path.display(),
            image.name
        ));
    }
    let finals = saved.into_iter().filter(|image| image.is_final);
    Ok(finals
        .map(|image| ImageName {
            name: image.name,
            tag: image.tag,
            digest: Some(image.digest),
            repo: Some(image.repository),
        })
        .collect())
}

/// The names of final images, which their keys alone tell.
pub(crate) fn names_by_key(planned: &PlannedImages) -> Vec<ImageName> {
    let finals = planned.images.iter().filter(|image| image.is_final);
    let finals = finals.map(|image| (&image.name, image.key()));
    let indexes = planned.indexes.iter().map(|index| (&index.name, index.key));
    finals
        .chain(indexes)
        .map(|(name, key)| ImageName {
            name: name.clone(),
            tag: key.to_string(),
            digest: None,
            repo: None,
        })
        .collect()
}

/// The names of final images, with the digests of those that are there.
pub(crate) fn names_by_plan(plan: &BuildPlan) -> Vec<ImageName> {
    let finals = plan.images.iter().filter(|state| state.image.is_final);
    let finals = finals.map(|state| (&state.image.name, state.image.key(), state.digest));
    let indexes = plan.indexes.iter();
    let indexes = indexes.map(|state| (&state.index.name, state.index.key, state.digest));
    finals
        .chain(indexes)
        .map(|(name, key, digest)| ImageName {
            name: name.clone(),
            tag: key.to_string(),
            digest: digest.map(|digest| digest.to_string()),
            repo: None,
        })
        .collect()
}

/// The names of final images after a build.
pub(crate) fn names_by_report(report: &BuildReport) -> Vec<ImageName> {
    let finals = report.images.iter().filter(|image| image.is_final);
    let name = |image: &build::ImageReport| ImageName {
        name: image.name.clone(),
        tag: image.key.to_string(),
        digest: Some(image.digest.to_string()),
        repo: None,
    };
    finals.map(name).collect()
}

/// The client for all registries of the run.
pub(crate) fn registry(args: &RegistryArgs, context: &Context) -> Result<Registry, CommandError> {
    Ok(Registry::new(registry_options(args, context)?)?)
}

/// How registries are reached in this run.
pub(crate) fn registry_options(
    args: &RegistryArgs,
    context: &Context,
) -> Result<RegistryOptions, CommandError> {
    let mut mirrors = Vec::new();
    for mirror in &given(
        context,
        "container-registry-mirror",
        &args.container_registry_mirror,
    ) {
        let text = if mirror.contains("://") {
            mirror.clone()
        } else {
            format!("https://{mirror}")
        };
        let url = Url::parse(&text)
            .map_err(|error| CommandError::new(format!("cannot use `{mirror}` as a mirror: {error}")))?;
        mirrors.push(url);
    }
    let docker_config = args
        .docker_config
        .clone()
        .or_else(|| Some(context.env.home()?.join(".docker")));
    Ok(RegistryOptions {
        insecure: if args.insecure_registry {
            Insecure::All
        } else {
            Insecure::Never
        },
        skip_tls_verify: args.skip_tls_verify_registry,
        mirrors,
        docker_config,
        token_hosts: given(context, "registry-token-host", &args.registry_token_host),
        ca_files: given(context, "registry-ca", &args.registry_ca)
            .into_iter()
            // The engine reads them too, from a folder of its own.
            .map(|path| std::path::absolute(&path).unwrap_or_else(|_| path.into()))
            .collect(),
        certificate_folders: certificate_folders(context),
        on_secret: context.secret_sink(),
        ..RegistryOptions::default()
    })
}

/// The values of a flag that may be repeated: those of its variables, then those of the command line.
fn given(context: &Context, flag: &str, arguments: &[String]) -> Vec<String> {
    let mut values = context.env.family(flag);
    values.extend_from_slice(arguments);
    values
}

/// Where Docker and Podman look for a registry's certificate authority.
pub(crate) fn certificate_folders(context: &Context) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["/etc/docker/certs.d", "/etc/containers/certs.d"]
        .map(PathBuf::from)
        .into();
    if let Some(home) = context.env.home() {
        folders.push(home.join(".config/docker/certs.d"));
        folders.push(home.join(".config/containers/certs.d"));
    }
    folders
}

/// The repository of `--repo`.
pub(crate) fn repository(args: &RegistryArgs) -> Result<Repository, CommandError> {
    match &args.repo {
        Some(repo) => Ok(repo.parse()?),
        None => Err(
            CommandError::new("cannot place the project's images: no repository is given")
                .hint("add --repo REGISTRY/PATH, or set KIEL_REPO"),
        ),
    }
}

/// Builds what is missing of these images and tells where all of them are.
pub(crate) async fn build(
    project: &Project,
    planned: PlannedImages,
    args: &BuildArgs,
    registry_args: &RegistryArgs,
    context: &Context,
) -> Result<BuildReport, CommandError> {
    let extension = args
        .build_report_path
        .extension()
        .and_then(|extension| extension.to_str());
    if args.save_build_report && !matches!(extension, None | Some("json" | "env")) {
        return Err(CommandError::new(format!(
            "Error: getting build report path failed: invalid --build-report-path {:?}: extension must be either .json or \
             .env or unspecified",
            args.build_report_path.display().to_string()
        )));
    }
    let repository = repository(registry_args)?;
    let registry = registry(registry_args, context)?;
    let tree = project
        .tree
        .with_objects_of(mapping_trees(&planned.images).iter());
    let mut plan = build::plan(planned, &registry, &repository, &project.commit.id).await?;
    plan.stapel_image = stapel_image(&plan, context);
    let missing: Vec<&str> = plan
        .missing()
        .into_iter()
        .map(|image| image.title.as_str())
        .collect();
    if args.require_built_images && !missing.is_empty() {
        return Err(CommandError::new(format!(
            "cannot go on: images are not built: {}",
            missing.join(", ")
        ))
        .hint("build them with `kiel build`, or leave out --require-built-images"));
    }
    let running = Arc::new(Mutex::new(Running::default()));
    let options = engine_options(args, &registry, &plan, context);
    let deps = BuildDeps {
        registry: registry.clone(),
        connect: connect(args, options.clone(), Arc::clone(&running)),
        tree,
        config: Arc::new(project.config.clone()),
        secrets: build_secrets(project, context)?,
        agents: build_agents(project, context)?,
        host_paths: host_paths(project, context),
        events: context.events.clone(),
    };
    let result = tokio::select! {
        result = build::run(plan, deps) => result,
        () = context.cancel.cancelled() => return Err(CommandError::interrupted()),
    };
    prune(&running, context).await;
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            let unknown = args.buildkit_host.as_ref().filter(|_| is_of_engine(&error));
            let unknown = unknown.and_then(|host| unknown_to_engine(host, &options));
            let error = CommandError::from(error);
            return Err(match unknown {
                Some(unknown) => error.hint(unknown),
                None => error,
            });
        }
    };
    if args.save_build_report {
        save_report(&report, args)?;
    }
    Ok(report)
}

/// Where the files of git mappings are.
fn mapping_trees(images: &[PlannedImage]) -> Vec<SourceTree> {
    let contents = images.iter().filter_map(|image| match &image.kind {
        PlannedKind::Stapel(plan) => Some(&plan.content),
        PlannedKind::Dockerfile(_) => None,
    });
    contents
        .flatten()
        .map(|content| content.all.tree().clone())
        .collect()
}

/// The engine of our own that this run uses; it ends when its last user does.
#[derive(Default)]
struct Running {
    engine: Option<Engine>,
    client: Option<Client>,
}

fn connect(args: &BuildArgs, options: EngineOptions, running: Arc<Mutex<Running>>) -> Connect {
    if let Some(host) = args.buildkit_host.clone() {
        return Arc::new(move || {
            let host = host.clone();
            async move { Ok(Client::connect(&host.parse::<Address>()?).await?) }.boxed()
        });
    }
    Arc::new(move || {
        let (options, running) = (options.clone(), Arc::clone(&running));
        let start = async move {
            let (engine, client) = match start(&options).await {
                // It was ready, and is gone before the first call: lost as in the middle of a solve.
                Err(EngineError::Client(_)) => start(&options).await?,
                started => started?,
            };
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            *running = Running {
                engine: Some(engine),
                client: Some(client.clone()),
            };
            Ok(client)
        };
        start.boxed()
    })
}

async fn start(options: &EngineOptions) -> Result<(Engine, Client), EngineError> {
    let engine = Engine::ensure(options)
        .await
        .map_err(|error| EngineError::Start(Box::new(error)))?;
    let client = Client::connect(engine.address()).await?;
    Ok((engine, client))
}

/// Whether an engine failed with something else than a command of the user's.
fn is_of_engine(error: &BuildError) -> bool {
    match error {
        BuildError::Solve { failure, .. } => failure.exit_code.is_none(),
        BuildError::Several(errors) => errors.iter().any(is_of_engine),
        _ => false,
    }
}

/// What only the configuration of somebody else's engine can tell it about registries.
fn unknown_to_engine(host: &str, options: &EngineOptions) -> Option<String> {
    let registries = options.registries();
    let asked = &options.registry;
    let flags: Vec<&str> = [
        (!asked.mirrors.is_empty(), "--container-registry-mirror"),
        (asked.insecure == Insecure::All, "--insecure-registry"),
        (asked.skip_tls_verify, "--skip-tls-verify-registry"),
        (!asked.ca_files.is_empty(), "--registry-ca"),
    ]
    .into_iter()
    .filter_map(|(given, flag)| given.then_some(flag))
    .collect();
    (!flags.is_empty()).then(|| {
        format!(
            "the engine at `{host}` pulls by its own configuration; {} cannot change that, its buildkitd.toml can:\n  {}",
            flags.join(", "),
            registries.trim_end().replace('\n', "\n  ")
        )
    })
}

fn engine_options(
    args: &BuildArgs,
    registry: &Registry,
    plan: &BuildPlan,
    context: &Context,
) -> EngineOptions {
    let mut hosts = plan.hosts();
    let architectures = plan
        .images
        .iter()
        .map(|state| state.image.platform.architecture.as_str());
    // Docker Hub never wants plain HTTP, whatever --insecure-registry says of others.
    hosts.remove(DOCKER_HUB);
    let search = context.env.get("PATH").unwrap_or_default();
    let program = |name: &str| engine::find_program(name, search.as_ref());
    let named = |name: &str| PathBuf::from(name);
    EngineOptions {
        state_home: context.env.state_home().join("engine"),
        buildkitd: args
            .buildkitd
            .clone()
            .or_else(|| program("buildkitd"))
            .unwrap_or_else(|| named("buildkitd")),
        runc: program("buildkit-runc")
            .or_else(|| program("runc"))
            .unwrap_or_else(|| named("runc")),
        registry: registry.options().clone(),
        tls_hosts: hosts
            .iter()
            .filter(|host| registry.speaks_tls(host))
            .cloned()
            .collect(),
        registry_hosts: hosts,
        environment: engine::ENVIRONMENT
            .into_iter()
            .filter_map(|name| Some((name.into(), context.env.get(name)?.into())))
            .collect(),
        emulators: engine::emulators(architectures, search.as_ref()),
        kiel: None,
    }
}

/// Keeps the cache of an engine of our own within its budget: it lives too shortly to do so itself.
async fn prune(running: &Mutex<Running>, context: &Context) {
    let Running { engine, client } =
        std::mem::take(&mut *running.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(client) = client
        && let Err(error) = client.prune(CACHE_BUDGET).await
    {
        context
            .events
            .warn(format!("the engine's cache was not pruned: {error}"));
    }
    drop(engine);
}

fn save_report(report: &BuildReport, args: &BuildArgs) -> Result<(), CommandError> {
    let path = &args.build_report_path;
    let text = if path.extension().is_some_and(|extension| extension == "env") {
        report.to_env()
    } else {
        report.to_werf_text()?
    };
    fs_err::write(path, text)
        .map_err(|error| CommandError::new(format!("cannot write the build report: {error}")))
}

/// Nothing more to say.
pub(crate) const DONE: ExitCode = ExitCode::SUCCESS;
