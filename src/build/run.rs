//! A run: every missing image as soon as what it needs is there, independent ones side by side.
//!
//! A failed image stops only those that need it; the others are finished and published, then the run fails.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kiel_llb::{Output, Platform, docker_image, oci_layout};
use kiel_stapel::key::Key;
use kiel_stapel::spec::{ImageSpec, NamePart};
use kiel_stapel::stage::UserStage;
use tokio::task::JoinSet;

use super::composition::Composition;
use super::engine::{Connect, Engine};
use super::error::BuildError;
use super::git_layers::Made;
use super::plan::BuildPlan;
use super::publish::{Published, Publisher, of_image};
use super::report::{BuildReport, ImageReport, StageReport};
use super::{dockerfile, failure, index, record, stapel, why};
use crate::buildkit::SolveResponse;
use crate::config::model::Config;
use crate::event::{BuildState, Event, Events};
use crate::git::SourceTree;
use crate::git::layer::LayerError;
use crate::images::{PlannedImage, PlannedKind, StapelImagePlan};
use crate::registry::{self, Blob, Descriptor, Digest, Image, MEDIA_OCI_LAYER, Reference, Registry};

/// The name of the session's content store.
const STORE: &str = "kiel";
/// How many images are built at the same time.
const PARALLEL: usize = 8;

/// What a run needs beside its plan.
#[derive(Clone)]
pub struct BuildDeps {
    /// The client for all registries.
    pub registry: Registry,
    /// Brings an engine when the first solve needs it.
    pub connect: Connect,
    /// The commit's files.
    pub tree: SourceTree,
    /// The configuration that was planned.
    pub config: Arc<Config>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, Bytes>,
    /// Sockets of SSH agents by id.
    pub agents: BTreeMap<String, PathBuf>,
    /// Where the `fromPath` mounts are on this machine, by the path as written.
    pub host_paths: BTreeMap<String, PathBuf>,
    /// Where progress goes.
    pub events: Events,
}

/// An image that is there.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) platform: registry::Platform,
    pub(crate) tag: Reference,
    pub(crate) pinned: Reference,
    pub(crate) image_id: Option<Digest>,
    pub(crate) report: ImageReport,
}

/// What building one image works with.
pub(crate) struct ImageBuild<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: Key,
    pub(crate) project: &'a str,
    pub(crate) platform: &'a Platform,
    pub(crate) image_spec: Option<&'a ImageSpec>,
    pub(crate) publisher: Publisher,
    pub(crate) engine: &'a Engine,
    pub(crate) events: &'a Events,
    tree: SourceTree,
    host_paths: &'a BTreeMap<String, PathBuf>,
    plan: &'a BuildPlan,
    planned: &'a PlannedImage,
    needs: BTreeMap<String, Built>,
    started: Instant,
}

/// Builds what is missing of a plan, and tells where every image is.
///
/// # Errors
/// The error of the image that failed, or [`BuildError::Several`].
pub async fn run(plan: BuildPlan, deps: BuildDeps) -> Result<BuildReport, BuildError> {
    let started = Instant::now();
    let publisher = Publisher::new(deps.registry.clone(), plan.repository.clone());
    let hosts = plan.hosts();
    let engine = Arc::new(Engine::new(
        deps.connect.clone(),
        deps.registry.clone(),
        hosts,
        deps.secrets.clone(),
        deps.agents.clone(),
    ));
    let mut run = Run {
        plan: Arc::new(plan),
        deps,
        publisher,
        engine,
        done: BTreeMap::new(),
        failed: BTreeSet::new(),
        errors: Vec::new(),
    };
    run.take_present();
    let reasons = tell_reasons(&run);
    run.build_missing().await;
    let indexes = run.set_indexes().await;
    // Told beside the build, in most cases long before its end.
    drop(reasons.join_all().await);
    let Run {
        plan,
        deps,
        publisher,
        engine,
        mut done,
        errors,
        ..
    } = run;
    if let Some(engine) = Arc::into_inner(engine) {
        engine.close().await;
    }
    match one_error(errors) {
        Some(error) => return Err(error),
        None => tracing::debug!("all images are there"),
    }
    let mut images: Vec<ImageReport> = plan
        .images
        .iter()
        .filter_map(|state| done.remove(&id(&state.image)))
        .map(|built| built.report)
        .collect();
    images.extend(indexes);
    take_replaced(&mut images, &publisher).await?;
    let report = BuildReport {
        repository: plan.repository.clone(),
        commit: plan.commit.clone(),
        images,
        elapsed: started.elapsed(),
    };
    if report.images.iter().any(|image| image.rebuilt) {
        // Images are what counts: a record that cannot be written fails nothing.
        if let Err(error) = record::publish(&publisher, &deps.config.meta.project, &plan, &report).await {
            deps.events
                .warn(format!("the record of this build was not written: {error}"));
        }
    }
    Ok(report)
}

/// Reports what other builders have set since under the same keys, in place of our own.
async fn take_replaced(images: &mut [ImageReport], publisher: &Publisher) -> Result<(), BuildError> {
    let all = |source| of_image("all")(source);
    for (tag, digest) in publisher.replaced().await.map_err(all)? {
        let is_index = |image: &&mut ImageReport| image.is_index() && image.key.to_string() == tag;
        if let Some(index) = images.iter_mut().find(is_index) {
            (index.digest, index.image_id) = (digest, Some(digest));
            continue;
        }
        let of_tag = |image: &ImageReport| {
            image.key.to_string() == tag || image.stages.iter().any(|stage| stage.tag == tag)
        };
        let mut named = images.iter_mut().flat_map(ImageReport::singles_mut);
        let Some(image) = named.find(|image| of_tag(image)) else {
            continue;
        };
        let reference = publisher.repository.digest(digest);
        let Ok(platform) = image.platform.parse() else {
            continue;
        };
        let found = publisher
            .registry
            .image(&reference, &registry_platform(&platform))
            .await;
        let Some(found) = found.map_err(all)? else {
            continue;
        };
        for image in images.iter_mut().flat_map(ImageReport::singles_mut) {
            if image.key.to_string() == tag {
                image.replace(&found);
            }
            for stage in image.stages.iter_mut().filter(|stage| stage.tag == tag) {
                stage.replace(&found);
            }
        }
    }
    Ok(())
}

/// An image for one platform.
type Id = (String, Platform);

fn id(image: &PlannedImage) -> Id {
    (image.name.clone(), image.platform.clone())
}

/// What an image needs, for its platform.
fn needs_of(image: &PlannedImage) -> impl Iterator<Item = Id> {
    image
        .needs
        .iter()
        .map(|need| (need.clone(), image.platform.clone()))
}

/// Finds out why images are built, while they are.
fn tell_reasons(run: &Run) -> JoinSet<()> {
    let (plan, publisher) = (run.plan.clone(), run.publisher.clone());
    let (tree, events) = (run.deps.tree.clone(), run.deps.events.clone());
    let mut tasks = JoinSet::new();
    if !plan.missing().is_empty() {
        tasks.spawn(async move { why::tell(&plan, &publisher, &tree, &events).await });
    }
    tasks
}

fn one_error(mut errors: Vec<BuildError>) -> Option<BuildError> {
    match errors.len() {
        0 => None,
        1 => errors.pop(),
        _ => Some(BuildError::Several(errors)),
    }
}

struct Run {
    plan: Arc<BuildPlan>,
    deps: BuildDeps,
    publisher: Publisher,
    engine: Arc<Engine>,
    done: BTreeMap<Id, Built>,
    failed: BTreeSet<Id>,
    errors: Vec<BuildError>,
}

impl Run {
    fn take_present(&mut self) {
        for state in &self.plan.images {
            let Some(digest) = state.digest else { continue };
            let image = &state.image;
            let Ok(tag) = self.plan.repository.tag(&image.key().to_string()) else {
                continue;
            };
            // An index speaks for its images.
            if self
                .plan
                .index(&image.name)
                .is_none_or(|index| index.digest.is_none())
            {
                self.tell(&image.title, BuildState::Reused, tag.to_string());
            }
            let report = report_of(image, digest, None, Vec::new());
            let pinned = self.plan.repository.digest(digest);
            self.done.insert(
                id(image),
                Built {
                    platform: registry_platform(&image.platform),
                    tag,
                    pinned,
                    image_id: None,
                    report,
                },
            );
        }
    }

    fn tell(&self, image: &str, state: BuildState, detail: String) {
        self.deps.events.send(Event::Build {
            image: image.to_owned(),
            stage: None,
            state,
            elapsed: None,
            detail,
        });
    }

    async fn build_missing(&mut self) {
        let plan = self.plan.clone();
        let mut waiting: Vec<PlannedImage> = plan.missing().into_iter().cloned().collect();
        for image in &waiting {
            let needs = needs_of(image).filter(|need| !self.done.contains_key(need));
            let needs: Vec<String> = needs.map(|(name, _)| name).collect();
            self.tell(&image.title, BuildState::Waiting, needs.join(", "));
        }
        let mut running: JoinSet<(PlannedImage, Result<Built, BuildError>)> = JoinSet::new();
        loop {
            self.start_ready(&mut waiting, &mut running);
            let Some(ended) = running.join_next().await else {
                break;
            };
            match ended {
                Ok((image, Ok(built))) => drop(self.done.insert(id(&image), built)),
                Ok((image, Err(error))) => {
                    let short = failure::short(&image.title, &error);
                    self.tell(&image.title, BuildState::Failed, short);
                    self.failed.insert(id(&image));
                    self.errors.push(error);
                }
                Err(error) => {
                    self.errors.push(BuildError::Task {
                        image: "?".to_owned(),
                        reason: error.to_string(),
                    });
                    break;
                }
            }
        }
    }

    /// Sets the indexes that are missing and complete.
    async fn set_indexes(&mut self) -> Vec<ImageReport> {
        let plan = Arc::clone(&self.plan);
        let mut reports = Vec::new();
        for state in &plan.indexes {
            let name = &state.index.name;
            let of_name = plan.images.iter().filter(|planned| planned.image.name == *name);
            let parts: Vec<Built> = of_name
                .filter_map(|planned| self.done.remove(&id(&planned.image)))
                .collect();
            let digest = match state.digest {
                Some(digest) => Ok(digest),
                None if parts.len() < state.index.images.len() => {
                    let lacks = "needs its images for all platforms".to_owned();
                    self.tell(name, BuildState::Skipped, lacks);
                    continue;
                }
                None => index::publish(state, &parts, &self.publisher).await,
            };
            match digest {
                Ok(digest) => {
                    let end = match state.digest {
                        Some(_) => BuildState::Reused,
                        None => BuildState::Assembled,
                    };
                    let detail = format!("{}:{}", plan.repository, state.index.key);
                    self.tell(name, end, detail);
                    let images = parts.into_iter().map(|built| built.report).collect();
                    reports.push(index::report(state, digest, images));
                }
                Err(error) => {
                    self.tell(name, BuildState::Failed, failure::short(name, &error));
                    self.errors.push(error);
                }
            }
        }
        reports
    }

    fn start_ready(
        &mut self,
        waiting: &mut Vec<PlannedImage>,
        running: &mut JoinSet<(PlannedImage, Result<Built, BuildError>)>,
    ) {
        let mut later = Vec::new();
        for image in waiting.drain(..) {
            if let Some((need, _)) = needs_of(&image).find(|need| self.failed.contains(need)) {
                self.tell(&image.title, BuildState::Skipped, format!("needs `{need}`"));
                self.failed.insert(id(&image));
                continue;
            }
            let needs: BTreeMap<String, Built> = needs_of(&image)
                .filter_map(|need| self.done.get(&need).map(|built| (need.0, built.clone())))
                .collect();
            if needs.len() < image.needs.len() || running.len() >= PARALLEL {
                later.push(image);
                continue;
            }
            let (deps, publisher, engine) = (self.deps.clone(), self.publisher.clone(), self.engine.clone());
            let plan = self.plan.clone();
            running.spawn(async move {
                let built = build_image(plan, &image, needs, deps, publisher, engine).await;
                (image, built)
            });
        }
        *waiting = later;
    }
}

async fn build_image(
    plan: Arc<BuildPlan>,
    planned: &PlannedImage,
    mut needs: BTreeMap<String, Built>,
    deps: BuildDeps,
    publisher: Publisher,
    engine: Arc<Engine>,
) -> Result<Built, BuildError> {
    complete_ids(planned, &mut needs, &publisher).await?;
    let image = deps.config.image(&planned.name);
    let ctx = ImageBuild {
        name: &planned.title,
        key: planned.key(),
        project: &deps.config.meta.project,
        platform: &planned.platform,
        image_spec: image.and_then(|image| image.image_spec.as_ref()),
        publisher,
        engine: &engine,
        events: &deps.events,
        tree: deps.tree.clone(),
        host_paths: &deps.host_paths,
        plan: &plan,
        planned,
        needs,
        started: Instant::now(),
    };
    let built = match build_kind(&ctx).await {
        Err(BuildError::Solve { failure, .. }) if failure.engine_lost => {
            ctx.events.warn(format!(
                "image `{}`: the engine was lost, it is built again with another one",
                ctx.name
            ));
            build_kind(&ctx).await?
        }
        built => built?,
    };
    let state = if built.report.used_engine {
        BuildState::Built
    } else {
        BuildState::Assembled
    };
    ctx.image_event(state, Some(ctx.started.elapsed()), &built.tag.to_string());
    Ok(built)
}

async fn build_kind(ctx: &ImageBuild<'_>) -> Result<Built, BuildError> {
    match &ctx.planned.kind {
        PlannedKind::Dockerfile(plan) => dockerfile::build(ctx, plan).await,
        PlannedKind::Stapel(plan) => stapel::build(ctx, plan).await,
    }
}

/// An image that was found by HEAD alone has no known config: read it where its digest is asked for.
async fn complete_ids(
    planned: &PlannedImage,
    needs: &mut BTreeMap<String, Built>,
    publisher: &Publisher,
) -> Result<(), BuildError> {
    let wanted = |need: &str| {
        match &planned.kind {
        PlannedKind::Dockerfile(plan) => plan.args.iter().any(|(_, arg)| {
            matches!(arg, crate::images::BuildArg::Name { image, part: NamePart::ImageId } if image == need)
        }),
        PlannedKind::Stapel(plan) => plan.spec.dependencies.iter().any(|dependency| {
            dependency.image == need && dependency.imports.iter().any(|import| import.part == NamePart::ImageId)
        }),
    }
    };
    for (name, built) in needs
        .iter_mut()
        .filter(|(name, built)| built.image_id.is_none() && wanted(name))
    {
        let image = publisher
            .registry
            .image(&built.pinned, &built.platform)
            .await
            .map_err(of_image(name))?;
        built.image_id = image.map(|image| image.manifest.config.digest);
    }
    Ok(())
}

pub(crate) fn registry_platform(platform: &Platform) -> crate::registry::Platform {
    crate::registry::Platform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: platform.variant.clone(),
    }
}

fn report_of(
    image: &PlannedImage,
    digest: Digest,
    made: Option<(&Published, Duration, bool)>,
    stages: Vec<StageReport>,
) -> ImageReport {
    ImageReport {
        name: image.reported().to_owned(),
        is_final: image.is_final,
        kind: match image.kind {
            PlannedKind::Dockerfile(_) => "dockerfile",
            PlannedKind::Stapel(_) => "stapel",
        },
        platform: image.platform.to_string(),
        key: image.key(),
        digest,
        image_id: made.and_then(|(published, ..)| published.config),
        size: made.map(|(published, ..)| published.size),
        rebuilt: made.is_some(),
        used_engine: made.is_some_and(|(.., used_engine)| used_engine),
        stages,
        images: Vec::new(),
        elapsed: made.map(|(_, elapsed, _)| elapsed).unwrap_or_default(),
    }
}

impl ImageBuild<'_> {
    /// The stage that an image of the plan has, with the index of its part.
    pub(crate) fn planned_stage(
        &self,
        image: &str,
        stage: UserStage,
    ) -> Option<(&PlannedImage, &StapelImagePlan, usize)> {
        let mut images = self.plan.images.iter().map(|state| &state.image);
        let image = images.find(|planned| planned.is(image, self.platform))?;
        match &image.kind {
            PlannedKind::Stapel(plan) => Some((image, plan, plan.plan.stage(stage)?)),
            PlannedKind::Dockerfile(_) => None,
        }
    }

    /// For building a stage of another image, of which this one has all needs.
    pub(crate) async fn of<'b>(&'b self, image: &'b PlannedImage) -> Result<ImageBuild<'b>, BuildError> {
        let mut needs = self.needs.clone();
        complete_ids(image, &mut needs, &self.publisher).await?;
        Ok(ImageBuild {
            name: &image.title,
            key: image.key(),
            publisher: self.publisher.clone(),
            tree: self.tree.clone(),
            planned: image,
            needs,
            // Of the image itself, not of its stages.
            image_spec: None,
            ..*self
        })
    }

    /// Where an image that holds Ansible is pulled from.
    pub(crate) fn toolchain<'b>(&self, name: &'b str) -> Cow<'b, str> {
        self.plan.toolchain(name)
    }

    /// The platform as the registry has it.
    pub(crate) fn registry_platform(&self) -> crate::registry::Platform {
        registry_platform(self.platform)
    }

    /// An image of a registry; nothing where there is none.
    pub(crate) async fn read(&self, reference: &Reference) -> Result<Option<Image>, BuildError> {
        self.publisher
            .registry
            .image(reference, &self.registry_platform())
            .await
            .map_err(of_image(self.name))
    }

    /// An image of the repository.
    pub(crate) async fn find(&self, tag: &str) -> Result<Option<Image>, BuildError> {
        let reference = self.publisher.repository.tag(tag).map_err(of_image(self.name))?;
        self.read(&reference).await
    }

    /// What a solve has pushed.
    pub(crate) async fn exported(&self, response: &SolveResponse) -> Result<Image, BuildError> {
        let bad = |reason: &str| BuildError::Export {
            image: self.name.to_owned(),
            reason: reason.to_owned(),
        };
        let digest = response
            .exporter
            .get("containerimage.digest")
            .and_then(|text| text.parse::<Digest>().ok());
        let digest = digest.ok_or_else(|| bad("it did not tell the digest"))?;
        let reference = self.publisher.repository.digest(digest);
        self.read(&reference)
            .await?
            .ok_or_else(|| bad("it is not in the registry, although the engine has pushed it"))
    }

    /// The filesystem of an image so far, for an engine: an image of the repository with exactly its layers.
    pub(crate) async fn root(&self, composition: &mut Composition) -> Result<Option<Output>, BuildError> {
        if composition.image().is_none() && !composition.layers().is_empty() {
            self.push_layers(composition).await?;
            let (config, layers) = (composition.config_bytes(), composition.descriptors());
            let published = self
                .publisher
                .untagged(config, layers)
                .await
                .map_err(of_image(self.name))?;
            composition.is_published(published);
        }
        let source =
            |image: &Reference| docker_image(&image.to_string(), self.platform, &format!("from {image}"));
        Ok(composition.image().map(source))
    }

    /// Makes sure that the repository has all layers.
    pub(crate) async fn push_layers(&self, composition: &Composition) -> Result<(), BuildError> {
        let pushes = composition
            .layers()
            .iter()
            .map(|layer| self.publisher.push_layer(layer.descriptor.digest, &layer.source));
        futures::future::try_join_all(pushes)
            .await
            .map(drop)
            .map_err(of_image(self.name))
    }

    /// Serves an image of these layers (plain tars) to the engine, and tells its digest.
    fn serve(&self, layers: &[Blob]) -> Digest {
        let layout = self.engine.layout();
        let described: Vec<(Descriptor, Digest)> = layers
            .iter()
            .map(|blob| {
                (
                    Descriptor::new(MEDIA_OCI_LAYER, layout.add(blob.clone()), blob.size),
                    blob.digest,
                )
            })
            .collect();
        layout.add_image(&self.registry_platform(), &described).digest
    }

    /// The filesystem of these layers, as the session serves it.
    pub(crate) async fn serve_output(&self, layers: &[Blob], name: &str) -> Result<Output, BuildError> {
        let served = self.serve(layers).to_string();
        let session = self.engine.session(self.name).await?;
        Ok(oci_layout(&served, STORE, &session, self.platform, name))
    }

    /// Where the path of a `fromPath` mount is.
    pub(crate) fn host_path(&self, written: &str) -> PathBuf {
        let known = self.host_paths.get(written);
        known.cloned().unwrap_or_else(|| PathBuf::from(written))
    }

    /// A layer of Git content, with a warning about what it holds in place of files.
    pub(crate) fn take(&self, made: Made) -> Blob {
        const SHOWN: usize = 3;
        let pointers = &made.pointers;
        if !pointers.is_empty() {
            let shown = pointers[..pointers.len().min(SHOWN)].join(", ");
            let more = match pointers.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            self.events.warn(format!(
                "the image `{}` gets pointers of Git LFS in place of files: {shown}{more}; a commit holds no more of them: \
                 fetch the files in the build, or keep them out of LFS",
                self.name
            ));
        }
        made.blob
    }

    /// Runs work that reads the commit beside the async code.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SourceTree) -> Result<T, LayerError> + Send + 'static,
    ) -> Result<T, BuildError> {
        let tree = self.tree.clone();
        match tokio::task::spawn_blocking(move || work(&tree)).await {
            Ok(done) => done.map_err(|source| BuildError::Layer {
                image: self.name.to_owned(),
                source,
            }),
            Err(error) => Err(BuildError::Task {
                image: self.name.to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    /// An image that this one needs.
    pub(crate) fn built(&self, name: &str) -> Option<&Built> {
        self.needs.get(name)
    }

    /// Part of the name of an image that this one needs.
    pub(crate) fn name_part(&self, image: &str, part: NamePart) -> String {
        let Some(built) = self.needs.get(image) else {
            return String::new();
        };
        match part {
            NamePart::ImageName => built.tag.to_string(),
            NamePart::ImageRepo => built.tag.repository().to_string(),
            NamePart::ImageTag => built.tag.tag().unwrap_or_default().to_owned(),
            NamePart::ImageId => built.image_id.map(|id| id.to_string()).unwrap_or_default(),
            NamePart::ImageDigest => built
                .pinned
                .digest()
                .map(|digest| digest.to_string())
                .unwrap_or_default(),
        }
    }

    /// Tells of the image; returns the time.
    pub(crate) fn image_event(&self, state: BuildState, elapsed: Option<Duration>, detail: &str) -> Instant {
        self.event(None, state, elapsed, detail)
    }

    /// Tells of a stage; returns the time.
    pub(crate) fn stage_event(
        &self,
        stage: &str,
        state: BuildState,
        elapsed: Option<Duration>,
        detail: &str,
    ) -> Instant {
        self.event(Some(stage.to_owned()), state, elapsed, detail)
    }

    fn event(
        &self,
        stage: Option<String>,
        state: BuildState,
        elapsed: Option<Duration>,
        detail: &str,
    ) -> Instant {
        let image = self.name.to_owned();
        self.events.send(Event::Build {
            image,
            stage,
            state,
            elapsed,
            detail: detail.to_owned(),
        });
        Instant::now()
    }

    /// The image is published.
    pub(crate) fn finish(&self, published: Published, used_engine: bool, stages: Vec<StageReport>) -> Built {
        let repository = &self.publisher.repository;
        let pinned = repository.digest(published.digest);
        let made = Some((&published, self.started.elapsed(), used_engine));
        Built {
            platform: self.registry_platform(),
            tag: repository
                .tag(&self.key.to_string())
                .unwrap_or_else(|_| pinned.clone()),
            pinned,
            image_id: published.config,
            report: report_of(self.planned, published.digest, made, stages),
        }
    }
}
