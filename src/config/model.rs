//! werf.yaml after validation: what the other folders read.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use kiel_llb::Platform;
use kiel_stapel::spec::{From, ImageSpec, Import, NamePart, Network, StapelSpec};
use serde::Serialize;

use crate::diagnostic::Diagnostic;

/// A whole werf.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The document with `configVersion`.
    pub meta: Meta,
    /// One entry per image name, in the order of the file.
    pub images: Vec<Image>,
    /// What of it depends on more than the commit, in the order of the file.
    #[serde(skip)]
    pub external: Vec<External>,
    /// What works and is gone in werf v3, with what replaces it.
    #[serde(skip)]
    pub outdated: Vec<Diagnostic>,
}

/// The meta document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Meta {
    /// `project`: lower-case letters, digits and inner `-`, at most 50 characters.
    pub project: String,
    /// `deploy`, with its defaults filled in.
    pub deploy: Deploy,
}

/// `deploy` of the meta document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deploy {
    /// Template with `[[ ]]`; `None` is `[[ project ]]-[[ env ]]`, or `[[ project ]]` without an environment.
    pub helm_release: Option<String>,
    /// Whether the release's name is slugged to 53 characters.
    pub helm_release_slug: bool,
    /// Template as of `helm_release`.
    pub namespace: Option<String>,
    /// Whether the namespace is slugged to 63 characters.
    pub namespace_slug: bool,
    /// Folder of the chart, relative to the project.
    pub helm_chart_dir: String,
    /// `deploy.helmChartConfig.appVersion`
    pub app_version: Option<String>,
}

/// The name under which the image without a name goes.
pub const NAMELESS: &str = "~";

/// An image to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// `image`; unique. [`NAMELESS`] for the one image that has none.
    pub name: String,
    /// Whether the chart may name it.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// `cacheVersion`, else `build.cacheVersion`.
    pub cache_version: Option<String>,
    /// How it is built.
    pub kind: ImageKind,
    /// `imageSpec`: what is changed in the image's configuration in the end.
    pub image_spec: Option<ImageSpec>,
    /// The repositories of git mappings that are not of the project's own, by the mapping's index.
    #[serde(skip)]
    pub remotes: BTreeMap<usize, GitRemote>,
    /// What its commands may read and its key does not count.
    #[serde(skip)]
    pub secrets: Vec<Secret>,
    /// What it is to be built for; empty for what builds it.
    #[serde(skip)]
    pub platforms: Vec<Platform>,
    /// Its line in werf.yaml as rendered.
    #[serde(skip)]
    pub line: usize,
}

/// A secret of an image's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name in the build: `/run/secrets/<id>`.
    pub id: String,
    /// Where it comes from.
    pub source: SecretSource,
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable.
    Env(String),
    /// A file of the machine, relative to the project.
    File(String),
    /// It stands in werf.yaml.
    Value(String),
}

/// Where another repository is, and which of its commits counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GitRemote {
    /// Address or local path, as written; it may hold credentials.
    #[serde(skip)]
    pub url: String,
    /// Which commit.
    pub reference: GitReference,
    /// For servers that ask for a name and a password.
    #[serde(skip)]
    pub auth: Option<GitAuth>,
    /// Line in its file, from 1.
    #[serde(skip)]
    pub line: usize,
    /// Column, from 1.
    #[serde(skip)]
    pub column: usize,
}

/// Which commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GitReference {
    /// Where its HEAD is.
    Default,
    /// A branch's.
    Branch(String),
    /// A tag's.
    Tag(String),
    /// This one.
    Commit(String),
}

/// `basicAuth`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitAuth {
    /// The name.
    pub username: String,
    /// Where the password is.
    pub password: SecretSource,
}

/// Something of an image that depends on more than the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// What it is.
    pub what: ExternalKind,
    /// Line in werf.yaml as rendered, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// What depends on more than the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalKind {
    /// `fromLatest`
    FromLatest,
    /// A mapping of another repository without `tag` and `commit`.
    GitBranch,
    /// `mount` with `from: build_dir`
    MountBuildDir,
    /// `mount` with `fromPath`, as written.
    MountFromPath(String),
    /// A file of `contextAddFiles`, relative to the project.
    ContextAddFile(String),
    /// `secrets` with `env`
    SecretEnv(String),
    /// `secrets` with `src`, as written.
    SecretFile(String),
    /// `secrets` with `value`, by id.
    SecretValue(String),
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ImageKind {
    /// By a Dockerfile.
    Dockerfile(Box<DockerfileImage>),
    /// By Stapel stages.
    Stapel(Box<StapelSpec>),
}

/// The keys of an image with `dockerfile`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DockerfileImage {
    /// Path relative to the project, `context` included.
    pub dockerfile: String,
    /// Folder relative to the project, `""` for its root.
    pub context: String,
    /// Stage to build; the last one where absent.
    pub target: Option<String>,
    /// Build arguments.
    pub args: IndexMap<String, String>,
    /// Images whose names become build arguments.
    pub dependencies: Vec<ArgDependency>,
    /// `contextAddFiles`: files that the context has from the work tree, relative to the project.
    #[serde(skip)]
    pub context_add_files: Vec<String>,
    /// `addHost`: names and addresses that commands know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_hosts: Vec<(String, String)>,
    /// `network`: what commands have; the engine's own where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// `ssh`: agents by id.
    #[serde(skip)]
    pub ssh: Vec<SshAgent>,
}

/// An SSH agent that commands of a Dockerfile can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAgent {
    /// Its id in `RUN --mount=type=ssh,id=…`.
    pub id: String,
    /// Its socket; that of `SSH_AUTH_SOCK` where absent.
    pub socket: Option<String>,
}

/// Another image of the file whose name becomes build arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArgDependency {
    /// That image's name.
    pub image: String,
    /// Which parts of its name go where.
    pub imports: Vec<ArgImport>,
}

/// One build argument of an [`ArgDependency`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArgImport {
    /// Which part of the name.
    pub part: NamePart,
    /// The build argument.
    pub target_build_arg: String,
}

impl Config {
    /// The image of that name.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.name == name)
    }
}

impl Image {
    /// The image that it begins with, if that is one of the file.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        match &self.kind {
            ImageKind::Stapel(spec) => image_name(&spec.from),
            ImageKind::Dockerfile(_) => None,
        }
    }

    /// Images of the file that it imports files from, one entry per import.
    #[must_use]
    pub fn imports(&self) -> Vec<&str> {
        match &self.kind {
            ImageKind::Stapel(spec) => spec
                .imports
                .iter()
                .filter_map(|import| image_name(&import.from))
                .collect(),
            ImageKind::Dockerfile(_) => Vec::new(),
        }
    }

    /// Images whose names it reads, each once, in the order of the file.
    #[must_use]
    pub fn dependencies(&self) -> Vec<&str> {
        let mut names: Vec<&str> = match &self.kind {
            ImageKind::Stapel(spec) => spec
                .dependencies
                .iter()
                .map(|dependency| dependency.image.as_str())
                .collect(),
            ImageKind::Dockerfile(image) => image
                .dependencies
                .iter()
                .map(|dependency| dependency.image.as_str())
                .collect(),
        };
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(*name));
        names
    }

    /// Whether it imports files as a stage of that image left them.
    #[must_use]
    pub fn imports_stage_of(&self, name: &str) -> bool {
        let ImageKind::Stapel(spec) = &self.kind else {
            return false;
        };
        let is_it = |import: &Import| import.stage.is_some() && image_name(&import.from) == Some(name);
        spec.imports.iter().any(is_it)
    }

    /// Every image of the file that must exist before this one, each once.
    #[must_use]
    pub fn needs(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.base().into_iter().collect();
        names.extend(self.imports());
        names.extend(self.dependencies());
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(*name));
        names
    }
}

fn image_name(from: &From) -> Option<&str> {
    match from {
        From::Image(name) => Some(name),
        From::External(_) | From::Scratch => None,
    }
}
