//! Building a Stapel image: from the deepest stage that is published, part by part, to the image.
//!
//! Each stage that an engine makes is published before the next one begins. An image whose stages and imports are
//! published is put together here, without an engine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kiel_llb::{Output, docker_image};
use kiel_stapel::listing::Listing;
use kiel_stapel::lower::{Surroundings, lower_import, lower_stage};
use kiel_stapel::spec::{From, Import, Instructions, Position};
use kiel_stapel::stage::{Keyed, MappingContent, Part, UserStage, is_frozen, seen};
use serde_json::Value;

use super::composition::Composition;
use super::error::BuildError;
use super::git_layers::{self, Around};
use super::host_files::HostFiles;
use super::image_config::{self, Directives};
use super::links::{self, Links};
use super::owners::{self, Names, Owners};
use super::publish::of_image;
use super::report::StageReport;
use super::run::{Built, ImageBuild};
use super::saw;
use super::traces::{Laid, Traces};
use crate::buildkit::Build;
use crate::event::BuildState;
use crate::git::SourceTree;
use crate::images::{MappingSelection, StapelImagePlan};
use crate::registry::{Image, Reference};

/// Variables of a shell where the base sets none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Builds what is missing of an image and publishes it.
pub(crate) async fn build(ctx: &ImageBuild<'_>, plan: &StapelImagePlan) -> Result<Built, BuildError> {
    let mut builder = Builder::new(ctx, plan).await?;
    let mut composition = builder.parts(plan.plan.parts.len()).await?;
    if !is_frozen(&plan.spec, &plan.plan.parts) {
        let contents = builder.content.iter();
        let all = contents.map(|content| content.all.clone()).collect();
        builder.patch(&mut composition, all).await?;
    }
    builder.publish(composition).await
}

/// A stage of an image that is there, or was: published, or made again.
async fn build_stage(
    ctx: &ImageBuild<'_>,
    plan: &StapelImagePlan,
    index: usize,
) -> Result<Image, BuildError> {
    let mut builder = Builder::new(ctx, plan).await?;
    builder.parts(index + 1).await?;
    let part = &plan.plan.parts[index];
    let found = builder.find_stage(part).await?;
    found.ok_or_else(|| {
        builder.bad(format!(
            "stage `{}` vanished from the registry",
            builder.stage_name(part)
        ))
    })
}

struct Builder<'a> {
    ctx: &'a ImageBuild<'a>,
    plan: &'a StapelImagePlan,
    /// The files of each mapping.
    content: Vec<MappingContent>,
    /// What the image so far has of the mappings; nothing before the archive.
    saw: Option<Vec<Listing>>,
    /// Links of the image that lead the mappings elsewhere, and what commands did to the mappings.
    around: Around,
    /// What `fromPath` mounts hold.
    host_files: HostFiles,
    /// The image that holds Ansible, by digest, once a stage has needed it.
    toolchain: Option<Reference>,
    stages: Vec<StageReport>,
    used_engine: bool,
}

impl<'a> Builder<'a> {
    async fn new(ctx: &'a ImageBuild<'a>, plan: &'a StapelImagePlan) -> Result<Self, BuildError> {
        let selections = plan.content.clone();
        let content = ctx
            .blocking(move |_| {
                let content = selections.iter().map(MappingSelection::content);
                Ok(content.collect::<Result<Vec<_>, _>>()?)
            })
            .await?;
        Ok(Self {
            ctx,
            plan,
            content,
            saw: None,
            around: Around::default(),
            host_files: HostFiles::default(),
            toolchain: None,
            stages: Vec::new(),
            used_engine: false,
        })
    }

    /// The image after so many parts.
    async fn parts(&mut self, end: usize) -> Result<Composition, BuildError> {
        let (mut composition, next) = self.begin(end).await?;
        for index in next..end {
            composition = self.part(composition, index).await?;
        }
        Ok(composition)
    }

    fn stage_name(&self, part: &Part) -> String {
        match part {
            Part::Stage { stage, .. } => stage.to_string(),
            Part::CopiedImport { import, .. } | Part::Import { import, .. } => {
                describe_import(&self.plan.spec.imports[*import])
            }
            Part::Archive => "gitArchive".to_owned(),
        }
    }

    /// What the image holds of each mapping when the part of this number is made.
    fn seen(&self, part: usize) -> Vec<Listing> {
        seen(&self.plan.spec.git, &self.content, &self.plan.plan.parts[..=part])
    }

    fn bad(&self, reason: String) -> BuildError {
        BuildError::Export {
            image: self.ctx.name.to_owned(),
            reason,
        }
    }

    /// The deepest published stage of so many parts, or the base, and the index of the part that follows.
    async fn begin(&mut self, end: usize) -> Result<(Composition, usize), BuildError> {
        let stages = self.plan.plan.parts[..end].iter().enumerate().rev();
        for (index, part) in stages.filter(|(_, part)| part.stage_key().is_some()) {
            if let Some(image) = self.find_stage(part).await? {
                let composition = self.take_stage(&image, index).await?;
                self.note(part, &image, None);
                return Ok((composition, index + 1));
            }
        }
        let composition = match &self.plan.spec.from {
            From::Scratch => Composition::scratch(image_config::scratch(&self.ctx.registry_platform())),
            from => {
                let image = self.image(from).await?;
                Composition::from_image(&image, &self.ctx.publisher.repository)
                    .map_err(|reason| self.bad(reason))?
            }
        };
        Ok((composition, 0))
    }

    async fn find_stage(&self, part: &Part) -> Result<Option<Image>, BuildError> {
        let Some(key) = part.stage_key() else {
            return Ok(None);
        };
        self.ctx.find(&format!("stage-{key}")).await
    }

    /// Goes on from the published stage of the part of this number.
    async fn take_stage(&mut self, image: &Image, index: usize) -> Result<Composition, BuildError> {
        let config: Value = serde_json::from_slice(&image.config).unwrap_or_default();
        if let Some(key) = saw::read_label(&config) {
            self.around = Around {
                links: Links::read_label(&config),
                traces: Traces::read_label(&config),
                owners: Owners::read_label(&config),
            };
            let here = self.seen(index);
            self.saw = Some(if key == saw::key_of(&here) {
                here
            } else {
                let found = saw::fetch(&self.ctx.publisher, key)
                    .await
                    .map_err(of_image(self.ctx.name))?;
                found
                    .filter(|listings| listings.len() == self.content.len())
                    .unwrap_or_else(|| self.unknown_content())
            });
        }
        Composition::from_image(image, &self.ctx.publisher.repository).map_err(|reason| self.bad(reason))
    }

    /// As if the stage had seen nothing: everything is laid over it.
    fn unknown_content(&self) -> Vec<Listing> {
        self.ctx.events.warn(format!(
            "image `{}`: the repository no longer tells what a published stage saw; its files are laid over whole, \
             and files that were removed since stay",
            self.ctx.name
        ));
        vec![Listing::default(); self.content.len()]
    }

    async fn part(&mut self, mut composition: Composition, index: usize) -> Result<Composition, BuildError> {
        let part = &self.plan.plan.parts[index];
        match part {
            Part::Archive => self.archive(&mut composition, index).await?,
            Part::Import { import, keyed } => {
                let import = &self.plan.spec.imports[*import];
                let image = self.import(import, keyed).await?;
                let created_by = describe_import(import);
                composition
                    .add_import(&image, &created_by)
                    .map_err(|reason| self.bad(reason))?;
            }
            Part::CopiedImport { import, .. } => {
                self.patch(&mut composition, self.seen(index)).await?;
                let import = &self.plan.spec.imports[*import];
                let source = self.source(import).await?;
                let source = docker_image(
                    &source.reference.to_string(),
                    self.ctx.platform,
                    &format!("from {}", source.reference),
                );
                let root = self.ctx.root(&mut composition).await?;
                let name = describe_import(import);
                let output = lower_import(import, &source, root.as_ref(), self.ctx.platform, &name);
                composition = self
                    .solve_stage(index, composition, Build::Graph(output.definition()), &name)
                    .await?;
            }
            Part::Stage { stage, .. } => {
                self.patch(&mut composition, self.seen(index)).await?;
                let root = self.ctx.root(&mut composition).await?;
                let env = self.env(&composition, *stage);
                let host = self.host_files.serve(self.ctx, &self.plan.spec).await?;
                let instructions = self.plan.spec.instructions(*stage);
                let toolchain = match instructions {
                    Instructions::Tasks(_, name) => Some(self.toolchain(name).await?),
                    Instructions::Commands(_) => None,
                };
                let around = Surroundings {
                    env: &env,
                    project: self.ctx.project,
                    platform: self.ctx.platform,
                    host: &host,
                    toolchain: toolchain.as_ref(),
                };
                let name = format!("{}: {stage}", self.ctx.name);
                let output = lower_stage(&self.plan.spec, *stage, root.as_ref(), around, &name);
                let created_by = format!("{stage}: {instructions}");
                composition = self
                    .solve_stage(index, composition, Build::Graph(output.definition()), &created_by)
                    .await?;
            }
        }
        Ok(composition)
    }

    /// The filesystem of the image that holds Ansible.
    async fn toolchain(&mut self, name: &str) -> Result<Output, BuildError> {
        if self.toolchain.is_none() {
            let name = self.ctx.toolchain(name);
            let reference: Reference = name.parse().map_err(of_image(self.ctx.name))?;
            let found = self.ctx.read(&reference).await?;
            let missing = || BuildError::NoToolchain {
                image: self.ctx.name.to_owned(),
                toolchain: name.into_owned(),
                platform: self.ctx.platform.to_string(),
            };
            self.toolchain = Some(found.ok_or_else(missing)?.reference);
        }
        let reference = self.toolchain.as_ref().map(ToString::to_string);
        let reference = reference.unwrap_or_default();
        Ok(docker_image(
            &reference,
            self.ctx.platform,
            &format!("Ansible from {reference}"),
        ))
    }

    /// The base's variables and those of the dependencies that stand before a stage.
    fn env(&self, composition: &Composition, stage: UserStage) -> Vec<(String, String)> {
        let mut env = image_config::env_of(composition.base());
        if !env.iter().any(|(name, _)| name == "PATH") {
            env.insert(0, ("PATH".to_owned(), PATH.to_owned()));
        }
        let before = |position: Position| match stage {
            UserStage::BeforeInstall => false,
            UserStage::Install => position == Position::BeforeInstall,
            UserStage::BeforeSetup => matches!(position, Position::BeforeInstall | Position::AfterInstall),
            UserStage::Setup => position != Position::AfterSetup,
        };
        for (name, value) in self.dependency_env(before) {
            env.retain(|(known, _)| *known != name);
            env.push((name, value));
        }
        env
    }

    fn dependency_env(&self, takes: impl Fn(Position) -> bool) -> Vec<(String, String)> {
        let dependencies = self
            .plan
            .spec
            .dependencies
            .iter()
            .filter(|dependency| takes(dependency.position));
        dependencies
            .flat_map(|dependency| {
                dependency.imports.iter().map(|import| {
                    (
                        import.target_env.clone(),
                        self.ctx.name_part(&dependency.image, import.part),
                    )
                })
            })
            .collect()
    }

    /// Lays down the mappings; of hermetic ones nothing yet.
    async fn archive(&mut self, composition: &mut Composition, index: usize) -> Result<(), BuildError> {
        self.around = Around {
            links: self.find_links(composition, index).await?,
            traces: Traces::default(),
            owners: self.find_owners(composition).await?,
        };
        let seen = self.seen(index);
        let pairs = self.plan.spec.git.iter().zip(seen.clone());
        for (mapping, files) in pairs.filter(|(mapping, _)| !mapping.hermetic) {
            let mapping_here = mapping.clone();
            let around = self.around.clone();
            let archive = move |tree: &SourceTree| git_layers::archive(&mapping_here, &files, &around, tree);
            let blob = self.ctx.take(self.ctx.blocking(archive).await?);
            composition.add_blob(blob, &format!("git archive: {} → {}", mapping.add, mapping.to));
        }
        self.saw = Some(seen);
        Ok(())
    }

    /// The numbers of owners that are names, from the image that the mappings are laid onto.
    async fn find_owners(&mut self, composition: &mut Composition) -> Result<Owners, BuildError> {
        let names = Names::of(&self.plan.spec.git);
        if names.is_empty() {
            return Ok(Owners::default());
        }
        let unknown = |name: String, file: &'static str| BuildError::UnknownOwner {
            image: self.ctx.name.to_owned(),
            name,
            file,
        };
        let root = self.ctx.root(composition).await?;
        let texts = match root {
            None => BTreeMap::new(),
            Some(root) => {
                self.used_engine = true;
                let build = Build::Graph(root.definition());
                let files = [owners::USERS, owners::GROUPS];
                let engine = self.ctx.engine;
                let found = engine.files(self.ctx.name, "gitArchive", build, &files, self.ctx.events);
                found.await?
            }
        };
        let text = |file| {
            let bytes = texts.get(file).map(|bytes| &bytes[..]).unwrap_or_default();
            String::from_utf8_lossy(bytes)
        };
        Owners::find(&names, &text(owners::USERS), &text(owners::GROUPS))
            .map_err(|(name, file)| unknown(name, file))
    }

    /// Looks for links in the image below the mappings. Where no stage follows, an image would need an engine for
    /// nothing else: then only for folders that are links in many images.
    async fn find_links(
        &mut self,
        composition: &mut Composition,
        archive: usize,
    ) -> Result<Links, BuildError> {
        let mappings = self.plan.spec.git.iter().zip(&self.content);
        let stage_follows = self.plan.plan.parts[archive..]
            .iter()
            .any(|part| part.stage_key().is_some());
        let folders: BTreeSet<String> = mappings
            .flat_map(|(mapping, content)| {
                // What a stage carries on must not depend on files that it does not see.
                if mapping.hermetic && stage_follows {
                    links::often(mapping)
                } else {
                    links::folders(mapping, &content.all)
                }
            })
            .collect();
        if folders.is_empty() || !(stage_follows || links::are_suspect(&folders)) {
            return Ok(Links::default());
        }
        let Some(root) = self.ctx.root(composition).await? else {
            return Ok(Links::default());
        };
        self.used_engine = true;
        let engine = self.ctx.engine;
        let build = Build::Graph(root.definition());
        let found = engine
            .links(self.ctx.name, "gitArchive", build, folders, self.ctx.events)
            .await?;
        Ok(Links::new(found))
    }

    /// Brings the mappings to what the image is to hold of them next; nothing before the archive.
    async fn patch(&mut self, composition: &mut Composition, after: Vec<Listing>) -> Result<(), BuildError> {
        let Some(saw) = &mut self.saw else {
            return Ok(());
        };
        let before = std::mem::replace(saw, after.clone());
        if before != after && !self.around.owners.know(&Names::of(&self.plan.spec.git)) {
            // The label is gone.
            self.around.owners = self.find_owners(composition).await?;
        }
        let mappings = self.plan.spec.git.clone();
        let around = self.around.clone();
        let made = self
            .ctx
            .blocking(move |tree| git_layers::patch(&mappings, &before, &after, &around, tree))
            .await?;
        if let Some(layer) = made {
            composition.add_blob(self.ctx.take(layer), "git patch");
        }
        Ok(())
    }

    /// The layer of an import: published, or made now.
    async fn import(&mut self, import: &Import, keyed: &Keyed) -> Result<Image, BuildError> {
        let tag = format!("import-{}", keyed.key);
        let name = describe_import(import);
        if let Some(image) = self.ctx.find(&tag).await? {
            self.report(&name, &tag, &image, None);
            return Ok(image);
        }
        let started = Instant::now();
        let source = self.source(import).await?;
        let source = docker_image(
            &source.reference.to_string(),
            self.ctx.platform,
            &format!("from {}", source.reference),
        );
        let output = lower_import(import, &source, None, self.ctx.platform, &name);
        let empty = Composition::scratch(image_config::scratch(&self.ctx.registry_platform()));
        let image = self
            .solve(&tag, &name, empty, Build::Graph(output.definition()), &name, None)
            .await?;
        self.report(&name, &tag, &image, Some(started.elapsed()));
        Ok(image)
    }

    async fn solve_stage(
        &mut self,
        index: usize,
        below: Composition,
        build: Build,
        created_by: &str,
    ) -> Result<Composition, BuildError> {
        let part = &self.plan.plan.parts[index];
        let Some(key) = part.stage_key() else {
            return Ok(below);
        };
        let started = Instant::now();
        let name = self.stage_name(part);
        let image = self
            .solve(
                &format!("stage-{key}"),
                &name,
                below,
                build,
                created_by,
                self.saw.clone(),
            )
            .await?;
        self.note(part, &image, Some(started.elapsed()));
        self.take_stage(&image, index).await
    }

    /// Solves one more layer on `below`, publishes the result under a tag, and tells the image that the tag has then.
    async fn solve(
        &mut self,
        tag: &str,
        stage: &str,
        below: Composition,
        build: Build,
        created_by: &str,
        saw: Option<Vec<Listing>>,
    ) -> Result<Image, BuildError> {
        self.used_engine = true;
        let started = self.ctx.stage_event(stage, BuildState::Building, None, "");
        let base: Value = below.config();
        let attrs = BTreeMap::from([
            ("containerimage.base.config".to_owned(), base.to_string()),
            (
                "containerimage.config".to_owned(),
                below.config_with(created_by).to_string(),
            ),
        ]);
        let repository = &self.ctx.publisher.repository;
        let response = self
            .ctx
            .engine
            .solve(
                self.ctx.name,
                Some(stage),
                build,
                repository,
                attrs,
                self.ctx.events,
            )
            .await?;
        let exported = self.ctx.exported(&response).await?;
        let count = exported.manifest.layers.len();
        if count != below.layers().len() + 1 {
            return Err(self.bad(format!(
                "stage `{stage}` has {count} layers in place of {}",
                below.layers().len() + 1
            )));
        }
        let made: Value =
            serde_json::from_slice(&exported.config).map_err(|error| self.bad(error.to_string()))?;
        let (known, _) = image_config::layers_of(&made);
        let diff_ids: Vec<_> = known.iter().map(|layer| layer.diff_id).collect();
        let history = below.config_with(created_by)["history"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut config = image_config::with_layers(below.base(), &diff_ids, &history);
        let saw = saw.map(|listings| (saw::key_of(&listings), listings));
        saw::write_label(&mut config, saw.as_ref().map(|(key, _)| *key));
        let links = saw
            .as_ref()
            .map_or_else(Links::default, |_| self.around.links.clone());
        links.write_label(&mut config);
        let owners = saw
            .as_ref()
            .map_or_else(Owners::default, |_| self.around.owners.clone());
        owners.write_label(&mut config);
        let traces = self.traces_of(saw.as_ref().map(|(_, listings)| &listings[..]), &exported);
        Traces::write_label(traces.await?.as_ref(), &mut config);
        if let Some((key, listings)) = saw {
            saw::publish(&self.ctx.publisher, key, &listings)
                .await
                .map_err(of_image(self.ctx.name))?;
        }
        let layers = exported.manifest.layers;
        let published = self
            .ctx
            .publisher
            .image(tag, &config, layers)
            .await
            .map_err(of_image(self.ctx.name))?;
        let elapsed = started.elapsed();
        self.ctx.stage_event(
            stage,
            BuildState::Built,
            Some(elapsed),
            &published.digest.to_string(),
        );
        let reference = repository.digest(published.digest);
        let image = self.ctx.read(&reference).await?;
        image.ok_or_else(|| self.bad(format!("stage `{stage}` vanished from the registry")))
    }

    /// What the last layer of a stage did to the mappings, with the stages before.
    async fn traces_of(&self, saw: Option<&[Listing]>, stage: &Image) -> Result<Option<Traces>, BuildError> {
        let (Some(saw), Some(layer)) = (saw, stage.manifest.layers.last()) else {
            return Ok(None);
        };
        let Around { links, owners, .. } = &self.around;
        let laid = Laid::new(&self.plan.spec.git, saw, links, owners);
        let publisher = &self.ctx.publisher;
        let traces = self.around.traces.clone();
        traces
            .read_layer(laid, &publisher.registry, &publisher.repository, layer)
            .await
            .map(Some)
            .map_err(of_image(self.ctx.name))
    }

    /// What an import takes its files from.
    async fn source(&self, import: &Import) -> Result<Image, BuildError> {
        let source = match (&import.from, import.stage) {
            (From::Image(name), Some(stage)) => self.ctx.planned_stage(name, stage),
            _ => None,
        };
        let Some((source, plan, index)) = source else {
            return self.image(&import.from).await;
        };
        if let Some(image) = self.find_stage(&plan.plan.parts[index]).await? {
            return Ok(image);
        }
        let ctx = self.ctx.of(source).await?;
        Box::pin(build_stage(&ctx, plan, index)).await
    }

    /// An image to begin with or to import from, pinned to its digest.
    async fn image(&self, from: &From) -> Result<Image, BuildError> {
        let (reference, written): (Reference, &str) = match from {
            From::Scratch => return Err(self.bad("`scratch` has no files to import".to_owned())),
            From::External(name) => (name.parse().map_err(of_image(self.ctx.name))?, name),
            From::Image(name) => {
                let built = self
                    .ctx
                    .built(name)
                    .ok_or_else(|| self.bad(format!("image `{name}` is not built")))?;
                (built.pinned.clone(), name)
            }
        };
        let no_base = || BuildError::NoBase {
            image: self.ctx.name.to_owned(),
            base: written.to_owned(),
            platform: self.ctx.platform.to_string(),
        };
        self.ctx.read(&reference).await?.ok_or_else(no_base)
    }

    /// Writes the final config and publishes the image under its key.
    async fn publish(self, composition: Composition) -> Result<Built, BuildError> {
        let ctx = self.ctx;
        let mut config = composition.config();
        saw::write_label(&mut config, None);
        Links::default().write_label(&mut config);
        Owners::default().write_label(&mut config);
        Traces::write_label(None, &mut config);
        let env = self.dependency_env(|_| true);
        let directives = Directives {
            env: &env,
            docker: self.plan.spec.docker.as_ref(),
            spec: ctx.image_spec,
        };
        image_config::apply(&mut config, directives).map_err(|source| BuildError::Config {
            image: ctx.name.to_owned(),
            source,
        })?;
        ctx.push_layers(&composition).await?;
        let published = ctx
            .publisher
            .image(&ctx.key.to_string(), &config, composition.descriptors())
            .await;
        let published = published.map_err(of_image(ctx.name))?;
        Ok(ctx.finish(published, self.used_engine, self.stages))
    }

    fn note(&mut self, part: &Part, image: &Image, made: Option<Duration>) {
        if let Some(key) = part.stage_key() {
            self.report(&self.stage_name(part), &format!("stage-{key}"), image, made);
        }
    }

    /// `made` is how long it took, where it was made now.
    fn report(&mut self, name: &str, tag: &str, image: &Image, made: Option<Duration>) {
        if made.is_none() {
            self.ctx.stage_event(
                name,
                BuildState::Reused,
                None,
                &image.descriptor.digest.to_string(),
            );
        }
        self.stages.push(StageReport {
            name: name.to_owned(),
            tag: tag.to_owned(),
            digest: image.descriptor.digest,
            image_id: image.manifest.config.digest,
            size: image.manifest.layers.iter().map(|layer| layer.size).sum(),
            rebuilt: made.is_some(),
            elapsed: made.unwrap_or_default(),
        });
    }
}

fn describe_import(import: &Import) -> String {
    let from = match &import.from {
        From::Scratch => "scratch",
        From::External(name) | From::Image(name) => name,
    };
    let stage = import
        .stage
        .map(|stage| format!(" ({stage})"))
        .unwrap_or_default();
    format!("import: {from}{stage} {} → {}", import.add, import.to)
}
