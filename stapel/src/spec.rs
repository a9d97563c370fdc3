//! What a Stapel image is made of, as `werf.yaml` says it after validation.
//!
//! Plain values without behaviour: the config module fills them, keys and lowering read them. Paths are cleaned by
//! the maker: absolute where an image's path is meant, without a final `/`, `.` or `..`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ansible::{Ansible, Task};
use crate::stage::UserStage;

/// A Stapel image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StapelSpec {
    /// What it begins with.
    pub from: From,
    /// `fromCacheVersion`.
    pub from_cache_version: Option<String>,
    /// Git mappings in the order of the file.
    pub git: Vec<GitMapping>,
    /// Commands.
    pub shell: Shell,
    /// Tasks, in place of commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ansible: Option<Ansible>,
    /// Imports in the order of the file.
    pub imports: Vec<Import>,
    /// `dependencies`: names of other images as environment variables.
    pub dependencies: Vec<EnvDependency>,
    /// `mount`.
    pub mounts: Vec<Mount>,
    /// `docker:` (the older form); applied before `image_spec`.
    pub docker: Option<DockerConfig>,
    /// `secrets`: ids, mounted at `/run/secrets/<id>` while commands run.
    pub secrets: Vec<String>,
    /// `network`: what commands have; the engine's own where absent.
    #[serde(default)]
    pub network: Option<Network>,
    /// `fromLatest`: the base is to be looked up before the image has a key.
    #[serde(default)]
    pub from_latest: bool,
    /// `disableGitAfterPatch`: Git content stays as the last stage saw it.
    #[serde(default)]
    pub disable_git_after_patch: bool,
}

/// What a user stage runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions<'a> {
    /// Commands of `shell`.
    Commands(&'a [String]),
    /// Tasks of `ansible`, with the image that holds Ansible.
    Tasks(&'a [Task], &'a str),
}

impl StapelSpec {
    /// What a stage runs.
    #[must_use]
    pub fn instructions(&self, stage: UserStage) -> Instructions<'_> {
        match &self.ansible {
            Some(ansible) => Instructions::Tasks(ansible.tasks(stage), ansible.toolchain()),
            None => Instructions::Commands(self.shell.commands(stage)),
        }
    }

    /// The image that holds Ansible, where a stage has tasks.
    #[must_use]
    pub fn toolchain(&self) -> Option<&str> {
        let ansible = self.ansible.as_ref()?;
        let has_tasks = |stage: &UserStage| !ansible.tasks(*stage).is_empty();
        UserStage::ALL.iter().any(has_tasks).then(|| ansible.toolchain())
    }

    /// The cache versions of all stages and of this one.
    pub(crate) fn cache_versions(&self, stage: UserStage) -> [Option<&str>; 2] {
        let [all, own] = match (&self.ansible, stage) {
            (Some(ansible), UserStage::BeforeInstall) => {
                [&ansible.cache_version, &ansible.before_install_cache_version]
            }
            (Some(ansible), UserStage::Install) => [&ansible.cache_version, &ansible.install_cache_version],
            (Some(ansible), UserStage::BeforeSetup) => {
                [&ansible.cache_version, &ansible.before_setup_cache_version]
            }
            (Some(ansible), UserStage::Setup) => [&ansible.cache_version, &ansible.setup_cache_version],
            (None, UserStage::BeforeInstall) => [
                &self.shell.cache_version,
                &self.shell.before_install_cache_version,
            ],
            (None, UserStage::Install) => [&self.shell.cache_version, &self.shell.install_cache_version],
            (None, UserStage::BeforeSetup) => {
                [&self.shell.cache_version, &self.shell.before_setup_cache_version]
            }
            (None, UserStage::Setup) => [&self.shell.cache_version, &self.shell.setup_cache_version],
        };
        [all.as_deref(), own.as_deref()]
    }
}

impl Instructions<'_> {
    /// Whether there is nothing to run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Commands(commands) => commands.is_empty(),
            Self::Tasks(tasks, _) => tasks.is_empty(),
        }
    }
}

/// For an image's history.
impl std::fmt::Display for Instructions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Commands(commands) => f.write_str(&commands.join(" && ")),
            Self::Tasks(tasks, _) => {
                let names: Vec<&str> = tasks.iter().map(Task::name).collect();
                write!(f, "ansible: {}", names.join(", "))
            }
        }
    }
}

/// The network of commands, where it is not the engine's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Network {
    /// That of the machine where the engine runs.
    Host,
    /// None.
    None,
}

impl Network {
    /// As werf.yaml has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::None => "none",
        }
    }
}

/// The base of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum From {
    /// `from: scratch`.
    #[default]
    Scratch,
    /// An image of a registry, as written.
    External(String),
    /// Another image of the same file.
    Image(String),
}

/// A folder or file of the project's repository that goes into the image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GitMapping {
    /// Path in the repository, `/` for its root.
    pub add: String,
    /// Absolute path in the image.
    pub to: String,
    /// Owner, as name or number; root where absent.
    pub owner: Option<String>,
    /// Group, as name or number; root where absent.
    pub group: Option<String>,
    /// Globs relative to `add`; none: everything.
    pub include_paths: Vec<String>,
    /// Globs relative to `add`.
    pub exclude_paths: Vec<String>,
    /// Which files a stage depends on.
    pub stage_dependencies: StageDependencies,
    /// Whether a stage sees only the files that `stageDependencies` name.
    #[serde(default)]
    pub hermetic: bool,
}

/// Globs relative to a mapping's `add`, for each stage that can depend on files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StageDependencies {
    /// For `install`.
    pub install: Vec<String>,
    /// For `beforeSetup`.
    pub before_setup: Vec<String>,
    /// For `setup`.
    pub setup: Vec<String>,
}

/// `shell:`, the commands of the four user stages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shell {
    /// Commands before Git content is there.
    pub before_install: Vec<String>,
    /// Commands of `install`.
    pub install: Vec<String>,
    /// Commands of `beforeSetup`.
    pub before_setup: Vec<String>,
    /// Commands of `setup`.
    pub setup: Vec<String>,
    /// `cacheVersion`, for all four stages.
    pub cache_version: Option<String>,
    /// `beforeInstallCacheVersion`.
    pub before_install_cache_version: Option<String>,
    /// `installCacheVersion`.
    pub install_cache_version: Option<String>,
    /// `beforeSetupCacheVersion`.
    pub before_setup_cache_version: Option<String>,
    /// `setupCacheVersion`.
    pub setup_cache_version: Option<String>,
}

impl Shell {
    /// The commands of a stage.
    #[must_use]
    pub fn commands(&self, stage: UserStage) -> &[String] {
        match stage {
            UserStage::BeforeInstall => &self.before_install,
            UserStage::Install => &self.install,
            UserStage::BeforeSetup => &self.before_setup,
            UserStage::Setup => &self.setup,
        }
    }
}

/// Where among the stages an import or dependency stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Position {
    /// `before: install`
    BeforeInstall,
    /// `after: install`
    AfterInstall,
    /// `before: setup`
    BeforeSetup,
    /// `after: setup`
    AfterSetup,
}

/// Files taken from another image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Where they come from.
    pub from: From,
    /// `stage`: as this stage of that image left them; of an image without commands of it, as they are in the end.
    #[serde(default)]
    pub stage: Option<UserStage>,
    /// Absolute path in that image.
    pub add: String,
    /// Absolute path in this image.
    pub to: String,
    /// Owner, as name or number; kept where absent.
    pub owner: Option<String>,
    /// Group, as name or number; kept where absent.
    pub group: Option<String>,
    /// Globs relative to `add`; none: everything.
    pub include_paths: Vec<String>,
    /// Globs relative to `add`.
    pub exclude_paths: Vec<String>,
    /// When.
    pub position: Position,
}

/// Another image of the file whose name becomes an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvDependency {
    /// That image's name in the file.
    pub image: String,
    /// When; the variable is there from this stage on.
    pub position: Position,
    /// Which parts of its name go where.
    pub imports: Vec<EnvImport>,
}

/// One variable of an [`EnvDependency`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvImport {
    /// Which part of the name.
    pub part: NamePart,
    /// The variable.
    pub target_env: String,
}

/// A part of an image's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NamePart {
    /// `REPO:TAG`
    ImageName,
    /// `REPO`
    ImageRepo,
    /// `TAG`
    ImageTag,
    /// Digest of its config.
    #[serde(rename = "imageID")]
    ImageId,
    /// Digest of its manifest.
    ImageDigest,
}

/// `mount`: a folder that is there while commands run and never part of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Which kind.
    pub kind: MountKind,
    /// Absolute path in the image.
    pub to: String,
}

/// Where a mount's content lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// `tmp_dir`: shared by the stages of one image's build.
    TmpDir,
    /// `build_dir`: kept by the engine between builds of the project.
    BuildDir,
    /// `fromPath`: a copy of this folder or file of the machine, as written.
    FromPath(String),
}

/// `docker:`, as in werf up to version 2.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DockerConfig {
    /// `VOLUME`
    pub volume: Vec<String>,
    /// `EXPOSE`
    pub expose: Vec<String>,
    /// `ENV`
    pub env: BTreeMap<String, String>,
    /// `LABEL`
    pub label: BTreeMap<String, String>,
    /// `CMD`
    pub cmd: Option<Command>,
    /// `ENTRYPOINT`; without `CMD` it resets the base's `CMD`.
    pub entrypoint: Option<Command>,
    /// `WORKDIR`
    pub workdir: Option<String>,
    /// `USER`
    pub user: Option<String>,
    /// `HEALTHCHECK`, the text after the word as a Dockerfile has it.
    pub healthcheck: Option<String>,
}

/// A command of an image's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Command {
    /// Run by `/bin/sh -c`.
    Shell(String),
    /// Run as it is.
    Exec(Vec<String>),
}

/// `imageSpec`, for Stapel and Dockerfile images alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageSpec {
    /// Author of the image.
    pub author: Option<String>,
    /// Forget how the layers were made.
    pub clear_history: bool,
    /// Replaces CMD.
    pub cmd: Option<Vec<String>>,
    /// Replaces ENTRYPOINT; without `cmd` it resets CMD.
    pub entrypoint: Option<Vec<String>>,
    /// Variables set or replaced; `${NAME}` stands for the variable's value in the base.
    pub env: BTreeMap<String, String>,
    /// Labels set or replaced.
    pub labels: BTreeMap<String, String>,
    /// Ports added, `80` or `80/tcp`.
    pub expose: Vec<String>,
    /// Volumes added.
    pub volumes: Vec<String>,
    /// User.
    pub user: Option<String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// Signal that ends it.
    pub stop_signal: Option<String>,
    /// Health check.
    pub healthcheck: Option<Healthcheck>,
    /// Variables removed: exact name or `/RE/`.
    pub remove_env: Vec<String>,
    /// Labels removed: exact name or `/RE/`.
    pub remove_labels: Vec<String>,
    /// Volumes removed: exact path or `/RE/`.
    pub remove_volumes: Vec<String>,
    /// `clearCmd`
    pub clear_cmd: bool,
    /// `clearEntrypoint`
    pub clear_entrypoint: bool,
    /// `clearUser`
    pub clear_user: bool,
    /// `clearWorkingDir`
    pub clear_working_dir: bool,
}

/// A health check; times in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    pub test: Vec<String>,
    /// Time between two checks.
    pub interval: Option<u64>,
    /// Time that one may take.
    pub timeout: Option<u64>,
    /// Time before failures count.
    pub start_period: Option<u64>,
    /// Failures until it counts as unhealthy.
    pub retries: Option<u64>,
}

impl NamePart {
    /// As `type` of werf.yaml has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageName => "ImageName",
            Self::ImageRepo => "ImageRepo",
            Self::ImageTag => "ImageTag",
            Self::ImageId => "ImageID",
            Self::ImageDigest => "ImageDigest",
        }
    }
}
