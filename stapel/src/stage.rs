//! The stages of a Stapel image and their keys: `docs/keys.md` section 5.
//!
//! [`plan`] turns a spec and what Git knows of its mappings into the ordered parts of the image, each with its key
//! and the record that the key was made from. Nothing is looked up; whether a stage exists is the caller's question.

use std::fmt;

use kiel_llb::Platform;
use serde::{Deserialize, Serialize};

use crate::ansible::Task;
use crate::config_record::{docker_record, spec_record};
use crate::key::{Files, Key, Record, Value};
use crate::listing::Listing;
use crate::spec::{
    EnvDependency, From, GitMapping, ImageSpec, Import, Instructions, MountKind, Position, StapelSpec,
};

/// What Git knows of one mapping at the commit at hand; paths are relative to the mapping's `add`.
///
/// A mapping of a single file is a listing of one entry with an empty path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MappingContent {
    /// All files of the mapping.
    pub all: Listing,
    /// The files that `stageDependencies.install` names.
    pub install: Listing,
    /// The files that `stageDependencies.beforeSetup` names.
    pub before_setup: Listing,
    /// The files that `stageDependencies.setup` names.
    pub setup: Listing,
}

/// The files of one mapping, as far as keys go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingFiles {
    /// All files of the mapping.
    pub all: Files,
    /// The files that `stageDependencies.install` names.
    pub install: Files,
    /// The files that `stageDependencies.beforeSetup` names.
    pub before_setup: Files,
    /// The files that `stageDependencies.setup` names.
    pub setup: Files,
}

impl std::convert::From<&MappingContent> for MappingFiles {
    fn from(content: &MappingContent) -> Self {
        Self {
            all: (&content.all).into(),
            install: (&content.install).into(),
            before_setup: (&content.before_setup).into(),
            setup: (&content.setup).into(),
        }
    }
}

impl MappingFiles {
    fn named(&self, stage: UserStage) -> Option<&Files> {
        match stage {
            UserStage::BeforeInstall => None,
            UserStage::Install => Some(&self.install),
            UserStage::BeforeSetup => Some(&self.before_setup),
            UserStage::Setup => Some(&self.setup),
        }
    }
}

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// The image.
    pub spec: &'a StapelSpec,
    /// `imageSpec`.
    pub image_spec: Option<&'a ImageSpec>,
    /// `cacheVersion` of the image or the file.
    pub cache_version: Option<&'a str>,
    /// What it is built for.
    pub platform: &'a Platform,
    /// One entry per mapping of the spec.
    pub content: &'a [MappingFiles],
}

impl MappingContent {
    /// The files that `stageDependencies` name for a stage.
    #[must_use]
    pub fn named(&self, stage: UserStage) -> Option<&Listing> {
        match stage {
            UserStage::BeforeInstall => None,
            UserStage::Install => Some(&self.install),
            UserStage::BeforeSetup => Some(&self.before_setup),
            UserStage::Setup => Some(&self.setup),
        }
    }
}

/// What an image holds of each mapping once these parts of it are there and their stages have begun: all files, or,
/// of a hermetic mapping, those that are named for the stages among them.
#[must_use]
pub fn seen(mappings: &[GitMapping], content: &[MappingContent], parts: &[Part]) -> Vec<Listing> {
    let stages = || {
        parts.iter().filter_map(|part| match part {
            Part::Stage { stage, .. } => Some(*stage),
            Part::CopiedImport { .. } | Part::Import { .. } | Part::Archive => None,
        })
    };
    let of_mapping = |(mapping, content): (&GitMapping, &MappingContent)| {
        if !mapping.hermetic {
            return content.all.clone();
        }
        let named = stages().filter_map(|stage| content.named(stage));
        Listing::new(named.flat_map(Listing::entries).cloned().collect())
    };
    mappings.iter().zip(content).map(of_mapping).collect()
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The key of an image that this one needs is not known.
    #[error("cannot compute the key: image `{0}` has no key yet")]
    MissingImage(String),
    /// A mapping takes no file.
    #[error("cannot use git mapping `{add}` to `{to}`: no file of the commit matches it")]
    EmptyMapping {
        /// The mapping's `add`.
        add: String,
        /// The mapping's `to`.
        to: String,
    },
}

/// A user stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UserStage {
    /// Before Git content is there.
    BeforeInstall,
    /// The first with Git content.
    Install,
    /// After `install`.
    BeforeSetup,
    /// The last.
    Setup,
}

impl UserStage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::BeforeInstall, Self::Install, Self::BeforeSetup, Self::Setup];

    /// The stage that werf.yaml calls so.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.to_string() == name)
    }
}

impl fmt::Display for UserStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeInstall => "beforeInstall",
            Self::Install => "install",
            Self::BeforeSetup => "beforeSetup",
            Self::Setup => "setup",
        })
    }
}

/// A key with what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keyed {
    /// The key.
    pub key: Key,
    /// What it was made from.
    pub inputs: Record,
}

impl Keyed {
    /// The key of a record.
    #[must_use]
    pub fn new(inputs: Record) -> Self {
        Self {
            key: inputs.key(),
            inputs,
        }
    }
}

/// One part of an image, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// Commands.
    Stage {
        /// Which.
        stage: UserStage,
        /// Its key.
        #[serde(flatten)]
        keyed: Keyed,
    },
    /// An import that is copied onto the image, as a stage.
    CopiedImport {
        /// Index into the spec's imports.
        import: usize,
        /// Its stage key.
        #[serde(flatten)]
        keyed: Keyed,
    },
    /// An import that is a layer of its own.
    Import {
        /// Index into the spec's imports.
        import: usize,
        /// Its import key.
        #[serde(flatten)]
        keyed: Keyed,
    },
    /// The layers of the git mappings.
    Archive,
}

impl Part {
    /// The key of a part that an engine must make.
    #[must_use]
    pub fn stage_key(&self) -> Option<Key> {
        match self {
            Self::Stage { keyed, .. } | Self::CopiedImport { keyed, .. } => Some(keyed.key),
            Self::Import { .. } | Self::Archive => None,
        }
    }
}

/// A Stapel image as a list of parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StapelPlan {
    /// The image's key.
    #[serde(flatten)]
    pub image: Keyed,
    /// Key of what the first stage is built on.
    pub from: Keyed,
    /// The parts after the base.
    pub parts: Vec<Part>,
    /// Key of the listings of all mappings: what a stage that is built now sees.
    pub saw: Option<Key>,
}

impl StapelPlan {
    /// The index of the part that is this stage's commands.
    #[must_use]
    pub fn stage(&self, wanted: UserStage) -> Option<usize> {
        let is_it = |part: &Part| matches!(part, Part::Stage { stage, .. } if *stage == wanted);
        self.parts.iter().position(is_it)
    }
}

/// The keys of the images that an image needs.
pub trait Keys {
    /// Of an image.
    fn image(&self, name: &str) -> Option<Key>;
    /// Of a stage of an image; nothing where the image has no commands of it.
    fn stage(&self, name: &str, stage: UserStage) -> Option<Key>;
}

/// Makes the plan; `keys` has those of the images that this one needs.
///
/// # Errors
/// When a needed key is missing, or a mapping takes no file.
pub fn plan(input: PlanInput<'_>, keys: &dyn Keys) -> Result<StapelPlan, PlanError> {
    let spec = input.spec;
    let from = Keyed::new(from_record(&input, keys)?);
    let mut maker = Maker {
        input,
        keys,
        parent: from.key,
        pending: Vec::new(),
        env: Vec::new(),
        parts: Vec::new(),
    };
    maker.user_stage(UserStage::BeforeInstall)?;
    maker.imports(Position::BeforeInstall)?;
    if !spec.git.is_empty() {
        maker.pending.push(archive_record(&spec.git).key());
        maker.parts.push(Part::Archive);
    }
    maker.user_stage(UserStage::Install)?;
    maker.imports(Position::AfterInstall)?;
    maker.user_stage(UserStage::BeforeSetup)?;
    maker.imports(Position::BeforeSetup)?;
    maker.user_stage(UserStage::Setup)?;
    maker.imports(Position::AfterSetup)?;
    maker.finish(from)
}

/// Folders that are links in no image and belong to root with mode 0755 in all of them.
const PLAIN_FOLDERS: [&str; 12] = [
    "",
    "/etc",
    "/opt",
    "/srv",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/local/share",
    "/usr/share",
];
/// What is a link in many images.
const LINKS: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Whether an import is copied onto the image instead of being a layer of its own. A layer holds the folders above its
/// files: one could replace a link of the image, or change the owner of a folder. Names of users are looked up in
/// the image as well.
#[must_use]
pub fn is_copied(import: &Import) -> bool {
    let named = |owner: &Option<String>| owner.as_ref().is_some_and(|name| name.parse::<u32>().is_err());
    let plain = import
        .to
        .rsplit_once('/')
        .is_some_and(|(folder, name)| PLAIN_FOLDERS.contains(&folder) && !name.is_empty());
    !plain || LINKS.contains(&import.to.as_str()) || named(&import.owner) || named(&import.group)
}

struct Maker<'a> {
    input: PlanInput<'a>,
    keys: &'a dyn Keys,
    parent: Key,
    // Keys of what was put on the image since the last stage.
    pending: Vec<Key>,
    // Variables of dependencies that no stage has counted yet.
    env: Vec<Value>,
    parts: Vec<Part>,
}

impl Maker<'_> {
    fn needed(&self, name: &str) -> Result<Key, PlanError> {
        needed(self.keys, name)
    }

    fn user_stage(&mut self, stage: UserStage) -> Result<(), PlanError> {
        let spec = self.input.spec;
        let instructions = spec.instructions(stage);
        // Without commands there is nothing that a cache version could have done again.
        if instructions.is_empty() {
            return Ok(());
        }
        let record = self.stage_record(&stage.to_string());
        let record = match instructions {
            Instructions::Commands(commands) => record.list("commands", commands),
            Instructions::Tasks(tasks, toolchain) => {
                let texts: Vec<String> = tasks.iter().map(Task::text).collect();
                record.list("tasks", &texts).with("toolchain", toolchain)
            }
        };
        let [all, own] = spec.cache_versions(stage);
        let record = record
            .maybe("cacheVersion", all)
            .maybe("stageCacheVersion", own)
            .list("files", self.stage_files(stage));
        let keyed = self.end_stage(record);
        self.parts.push(Part::Stage { stage, keyed });
        Ok(())
    }

    fn stage_files(&self, stage: UserStage) -> Vec<Value> {
        let mappings = self.input.spec.git.iter().zip(self.input.content).enumerate();
        mappings
            .filter_map(|(index, (mapping, content))| {
                let globs = match stage {
                    UserStage::BeforeInstall => return None,
                    UserStage::Install => &mapping.stage_dependencies.install,
                    UserStage::BeforeSetup => &mapping.stage_dependencies.before_setup,
                    UserStage::Setup => &mapping.stage_dependencies.setup,
                };
                let files = content.named(stage)?;
                let index = Value::Number(index as u64);
                (!globs.is_empty()).then(|| Value::List(vec![index, files.key().into()]))
            })
            .collect()
    }

    fn imports(&mut self, position: Position) -> Result<(), PlanError> {
        for dependency in self
            .input
            .spec
            .dependencies
            .iter()
            .filter(|dependency| dependency.position == position)
        {
            let key = self.needed(&dependency.image)?;
            self.env.extend(env_values(dependency, key));
        }
        for (index, import) in self
            .input
            .spec
            .imports
            .iter()
            .enumerate()
            .filter(|(_, import)| import.position == position)
        {
            let record = self.import_record(import)?;
            if is_copied(import) {
                let record = self.stage_record("import").with("import", record);
                let keyed = self.end_stage(record);
                self.parts.push(Part::CopiedImport { import: index, keyed });
            } else {
                let keyed = Keyed::new(record);
                self.pending.push(keyed.key);
                self.parts.push(Part::Import { import: index, keyed });
            }
        }
        Ok(())
    }

    fn import_record(&self, import: &Import) -> Result<Record, PlanError> {
        let record = Record::of("kiel import 1").with("platform", &self.input.platform.to_string());
        let state = match (&import.from, import.stage) {
            (From::Image(name), Some(stage)) => self.keys.stage(name, stage),
            _ => None,
        };
        let record = match state {
            Some(key) => record.with("stage", key),
            None => base_fields(record, &import.from, self.keys)?,
        };
        Ok(record
            .with("add", &import.add)
            .with("to", &import.to)
            .maybe("owner", import.owner.as_deref())
            .maybe("group", import.group.as_deref())
            .list("include", &import.include_paths)
            .list("exclude", &import.exclude_paths))
    }

    fn stage_record(&mut self, stage: &str) -> Record {
        Record::of("kiel stage 1")
            .with("stage", stage)
            .with("platform", &self.input.platform.to_string())
            .with("parent", self.parent)
            .list("parts", std::mem::take(&mut self.pending))
            .list("env", std::mem::take(&mut self.env))
    }

    fn end_stage(&mut self, record: Record) -> Keyed {
        let keyed = Keyed::new(record);
        self.parent = keyed.key;
        keyed
    }

    fn finish(self, from: Keyed) -> Result<StapelPlan, PlanError> {
        let PlanInput {
            spec,
            image_spec,
            platform,
            content,
            ..
        } = self.input;
        if let Some((mapping, _)) = spec
            .git
            .iter()
            .zip(content)
            .find(|(_, content)| content.all == Files::Nothing)
        {
            return Err(PlanError::EmptyMapping {
                add: mapping.add.clone(),
                to: mapping.to.clone(),
            });
        }
        let saw: Vec<Key> = content.iter().map(|content| content.all.key()).collect();
        let is_frozen = is_frozen(spec, &self.parts);
        let counted: &[Key] = if is_frozen { &[] } else { &saw };
        let record = Record::of("kiel image 1")
            .with("kind", "stapel")
            .with("platform", &platform.to_string())
            .with("stage", self.parent)
            .list("parts", self.pending)
            .list("content", counted.iter().copied())
            .list("env", self.env)
            .maybe("docker", spec.docker.as_ref().map(docker_record))
            .maybe("spec", image_spec.map(spec_record))
            .with("disableGitAfterPatch", Value::Flag(is_frozen));
        let saw = (!spec.git.is_empty()).then(|| saw_key(&saw));
        Ok(StapelPlan {
            image: Keyed::new(record),
            from,
            parts: self.parts,
            saw,
        })
    }
}

/// Whether Git content stays as the last stage saw it. Without a stage that has seen it, there would be no more than
/// what happened to be there at the first build: then it counts as ever.
#[must_use]
pub fn is_frozen(spec: &StapelSpec, parts: &[Part]) -> bool {
    let archive = parts.iter().position(|part| *part == Part::Archive);
    let is_stage = |part: &Part| matches!(part, Part::Stage { .. });
    spec.disable_git_after_patch && archive.is_some_and(|archive| parts[archive..].iter().any(is_stage))
}

/// The key of what a stage saw: section 9.
#[must_use]
pub fn saw_key(listings: &[Key]) -> Key {
    Record::of("kiel saw 1")
        .list("mappings", listings.iter().copied())
        .key()
}

fn from_record(input: &PlanInput<'_>, keys: &dyn Keys) -> Result<Record, PlanError> {
    let record = Record::of("kiel from 1")
        .with("platform", &input.platform.to_string())
        .maybe("cacheVersion", input.cache_version)
        .maybe("fromCacheVersion", input.spec.from_cache_version.as_deref());
    let mounts = input.spec.mounts.iter().map(|mount| {
        let (kind, path) = match &mount.kind {
            MountKind::TmpDir => ("tmp_dir", None),
            MountKind::BuildDir => ("build_dir", None),
            MountKind::FromPath(path) => ("from_path", Some(path)),
        };
        let fields = [Some(kind.into()), Some((&mount.to).into()), path.map(Value::from)];
        Value::List(fields.into_iter().flatten().collect())
    });
    Ok(base_fields(record, &input.spec.from, keys)?
        .list("mounts", mounts)
        .list("secrets", &input.spec.secrets)
        .maybe("network", input.spec.network.map(crate::spec::Network::name)))
}

fn needed(keys: &dyn Keys, name: &str) -> Result<Key, PlanError> {
    let key = keys.image(name);
    key.ok_or_else(|| PlanError::MissingImage(name.to_owned()))
}

fn base_fields(record: Record, from: &From, keys: &dyn Keys) -> Result<Record, PlanError> {
    Ok(match from {
        From::Scratch => record,
        From::External(name) => record.with("base", name),
        From::Image(name) => record.with("image", needed(keys, name)?),
    })
}

fn archive_record(mappings: &[GitMapping]) -> Record {
    let mappings = mappings.iter().map(|mapping| {
        Record::default()
            .with("add", &mapping.add)
            .with("to", &mapping.to)
            .maybe("owner", mapping.owner.as_deref())
            .maybe("group", mapping.group.as_deref())
            .list("include", &mapping.include_paths)
            .list("exclude", &mapping.exclude_paths)
            .with("hermetic", Value::Flag(mapping.hermetic))
    });
    Record::of("kiel archive 1").list("mappings", mappings)
}

fn env_values(dependency: &EnvDependency, key: Key) -> Vec<Value> {
    dependency
        .imports
        .iter()
        .map(|import| {
            Value::List(vec![
                (&import.target_env).into(),
                import.part.name().into(),
                key.into(),
            ])
        })
        .collect()
}
