//! The key of an image with a Dockerfile.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kiel_llb::Platform;
use kiel_stapel::key::{Key, Record, Value};
use kiel_stapel::spec::{NamePart, Network};
use kiel_stapel::spec_record;
use kiel_stapel::stage::Keyed;
use serde::Serialize;

use super::dockerfile::{BasePlatform, Dockerfile, Sources, Stage};
use super::{ImageFiles, ImagesError};
use crate::config::model::{DockerfileImage, Image, SshAgent};
use crate::git::Selection;
use crate::git::patterns::{DockerIgnore, PathMatch};

/// A Dockerfile image with its key, and what goes to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DockerfilePlan {
    /// Its key.
    #[serde(flatten)]
    pub image: Keyed,
    /// The Dockerfile's path, relative to the project.
    pub path: String,
    /// The context's folder, relative to the project.
    pub context: String,
    /// The stage to build, the last where absent.
    pub target: Option<String>,
    /// Build arguments in the order of their names.
    pub args: Vec<(String, BuildArg)>,
    /// The image of another frontend, as `# syntax=` names it.
    pub syntax: Option<String>,
    /// External base images of the stages that are built.
    pub bases: Vec<BaseImage>,
    /// Images that these stages take files from.
    pub images: Vec<String>,
    /// Names and addresses that commands know.
    #[serde(skip)]
    pub hosts: Vec<(String, String)>,
    /// What network commands have, where it is not the engine's own.
    #[serde(skip)]
    pub network: Option<Network>,
    /// The SSH agents that commands can use.
    #[serde(skip)]
    pub ssh: Vec<SshAgent>,
    /// The Dockerfile.
    #[serde(skip)]
    pub dockerfile: Arc<[u8]>,
    /// The files of the context that are sent, relative to it.
    #[serde(skip)]
    pub files: Selection,
    /// The context's folder in the repository.
    #[serde(skip)]
    pub root: String,
}

/// A base that a registry has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseImage {
    /// Its name, arguments resolved.
    pub name: String,
    /// For what.
    pub platform: BasePlatform,
}

/// The value of a build argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BuildArg {
    /// As given.
    Text(String),
    /// Part of the name of another image, known when that is built.
    Name {
        /// The image.
        image: String,
        /// Which part.
        part: NamePart,
    },
}

/// The files that count of contexts that were asked about: many images have one context.
#[derive(Default)]
pub(super) struct Contexts(HashMap<Context, Selection>);

/// What the files depend on: the folder, what is left out, what is taken; and whose they are, where an image has added to
/// its own.
#[derive(PartialEq, Eq, Hash)]
struct Context {
    dir: String,
    ignored: Vec<String>,
    sources: Sources,
    owner: Option<String>,
}

/// Makes the plan; `keys` holds the keys of all images that this one needs.
pub(super) fn plan(
    image: &Image,
    spec: &DockerfileImage,
    files: ImageFiles<'_>,
    platform: &Platform,
    keys: &BTreeMap<String, Key>,
    contexts: &mut Contexts,
) -> Result<DockerfilePlan, ImagesError> {
    let inputs = files.inputs;
    let read = inputs
        .read(&spec.dockerfile)
        .map_err(|error| ImagesError::ReadDockerfile {
            image: image.name.clone(),
            path: spec.dockerfile.clone(),
            reason: error.to_string(),
        })?;
    let no_dockerfile = || ImagesError::NoDockerfile {
        image: image.name.clone(),
        path: spec.dockerfile.clone(),
    };
    let content = read.ok_or_else(no_dockerfile)?;
    let args = arguments(spec);
    let stand_ins = args
        .iter()
        .map(|(name, arg)| (name.clone(), stand_in(arg, keys)))
        .collect();
    let dockerfile =
        Dockerfile::read(&content, spec.target.as_deref(), &stand_ins, platform).map_err(|source| {
            ImagesError::Dockerfile {
                image: image.name.clone(),
                path: spec.dockerfile.clone(),
                source,
            }
        })?;
    let listing = context(image, spec, files, &dockerfile, contexts)?;
    let record = record((image, spec), &dockerfile, &args, &listing, platform, keys);
    let internal: Vec<&String> = args
        .iter()
        .filter(|(_, arg)| matches!(arg, BuildArg::Name { .. }))
        .filter_map(|(name, _)| stand_ins.get(name))
        .collect();
    let external = |base: &str| !internal.iter().any(|name| base.contains(name.as_str()));
    Ok(DockerfilePlan {
        image: Keyed::new(record),
        path: spec.dockerfile.clone(),
        context: spec.context.clone(),
        target: spec.target.clone(),
        args,
        syntax: dockerfile.syntax.clone(),
        bases: dockerfile
            .bases()
            .into_iter()
            .filter(|(name, _)| external(name))
            .map(|(name, platform)| BaseImage {
                name: name.to_owned(),
                platform: platform.clone(),
            })
            .collect(),
        images: dockerfile.images().into_iter().map(str::to_owned).collect(),
        hosts: spec.add_hosts.clone(),
        network: spec.network,
        ssh: spec.ssh.clone(),
        dockerfile: content,
        files: listing,
        root: super::folder_of(files.sources_of(&image.name), &spec.context),
    })
}

fn arguments(spec: &DockerfileImage) -> Vec<(String, BuildArg)> {
    let texts = spec
        .args
        .iter()
        .map(|(name, value)| (name.clone(), BuildArg::Text(value.clone())));
    let names = spec.dependencies.iter().flat_map(|dependency| {
        dependency.imports.iter().map(|import| {
            let arg = BuildArg::Name {
                image: dependency.image.clone(),
                part: import.part,
            };
            (import.target_build_arg.clone(), arg)
        })
    });
    texts
        .chain(names)
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect()
}

/// What stands for an argument's value in a key.
fn stand_in(arg: &BuildArg, keys: &BTreeMap<String, Key>) -> String {
    match arg {
        BuildArg::Text(text) => text.clone(),
        BuildArg::Name { image, part } => {
            let key = keys.get(image).map(ToString::to_string).unwrap_or_default();
            format!("{{{} {key}}}", part.name())
        }
    }
}

/// What counts in a context.
struct ContextFilter {
    ignore: DockerIgnore,
    sources: Sources,
}

impl PathMatch for ContextFilter {
    fn matches(&self, path: &str) -> bool {
        self.sources.matches(path) && self.ignore.matches(path)
    }

    fn may_match_below(&self, dir: &str) -> bool {
        self.sources.may_match_below(dir) && self.ignore.may_match_below(dir)
    }

    fn takes_all_below(&self, dir: &str) -> bool {
        self.sources.takes_all_below(dir) && self.ignore.takes_all_below(dir)
    }
}

/// Paths that sources lead through.
struct OnTheWay<'a>(&'a ContextFilter);

impl PathMatch for OnTheWay<'_> {
    fn matches(&self, path: &str) -> bool {
        self.0.sources.lead_through(path) && self.0.ignore.matches(path)
    }

    fn may_match_below(&self, dir: &str) -> bool {
        self.0.sources.lead_through(dir) && self.0.ignore.may_match_below(dir)
    }
}

/// The files of the context that count. A source that is a link, or leads through one, takes all.
fn context(
    image: &Image,
    spec: &DockerfileImage,
    files: ImageFiles<'_>,
    dockerfile: &Dockerfile,
    contexts: &mut Contexts,
) -> Result<Selection, ImagesError> {
    let ignore = DockerIgnore::load(files.inputs, &spec.context, &spec.dockerfile).map_err(|source| {
        ImagesError::Ignore {
            image: image.name.clone(),
            source,
        }
    })?;
    let error = |source| ImagesError::Git {
        image: image.name.clone(),
        source,
    };
    let owner = files.of_images.contains_key(&image.name);
    let key = Context {
        dir: spec.context.clone(),
        ignored: ignore.texts().to_vec(),
        sources: dockerfile.sources.clone(),
        owner: owner.then(|| image.name.clone()),
    };
    if let Some(known) = contexts.0.get(&key) {
        return Ok(known.clone());
    }
    let files = files.sources_of(&image.name);
    let dir = format!("{}/{}", files.root(), spec.context);
    let dir = dir.trim_matches('/');
    let mut filter = ContextFilter {
        ignore,
        sources: dockerfile.sources.clone(),
    };
    if filter.sources != Sources::Whole && files.tree().has_link(dir, &OnTheWay(&filter)).map_err(error)? {
        filter.sources = Sources::Whole;
    }
    let found = files.tree().select(dir, filter).map_err(error)?;
    contexts.0.insert(key, found.clone());
    Ok(found)
}

fn record(
    (image, spec): (&Image, &DockerfileImage),
    dockerfile: &Dockerfile,
    args: &[(String, BuildArg)],
    files: &Selection,
    platform: &Platform,
    keys: &BTreeMap<String, Key>,
) -> Record {
    let counts = |name: &str| dockerfile.declared.contains(name) || name.starts_with("BUILDKIT_");
    let counting = || args.iter().filter(|(name, _)| counts(name));
    let texts = counting().filter_map(|(name, arg)| match arg {
        BuildArg::Text(text) => Some((name, text)),
        BuildArg::Name { .. } => None,
    });
    let names = counting().filter_map(|(name, arg)| match arg {
        BuildArg::Text(_) => None,
        BuildArg::Name { image, part } => {
            let key = keys.get(image)?;
            Some(Value::List(vec![name.into(), part.name().into(), (*key).into()]))
        }
    });
    Record::of("kiel image 1")
        .with("kind", "dockerfile")
        .with("platform", &platform.to_string())
        .maybe("cacheVersion", image.cache_version.as_deref())
        .maybe("syntax", dockerfile.syntax.as_deref())
        .maybe(
            "escape",
            (dockerfile.escape != '\\')
                .then(|| dockerfile.escape.to_string())
                .as_deref(),
        )
        .list("globals", &dockerfile.globals)
        .list("stages", dockerfile.stages.iter().map(stage_record))
        .map("args", texts)
        .list("dependencies", names)
        .with("files", files.files().key())
        .maybe("spec", image.image_spec.as_ref().map(spec_record))
        .map(
            "hosts",
            spec.add_hosts.iter().map(|(name, address)| (name, address)),
        )
        .maybe("network", spec.network.map(Network::name))
}

fn stage_record(stage: &Stage) -> Record {
    let texts: Vec<String> = stage
        .instructions
        .iter()
        .map(super::dockerfile::Instruction::text)
        .collect();
    Record::default()
        .with("index", Value::Number(stage.index as u64))
        .with("from", &stage.from)
        .list("instructions", &texts)
}
