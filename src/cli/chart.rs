//! From the project's chart, values and image names to manifests.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use kiel_chart::{
    AddFunctions, AddedMetadata, Capabilities, Chart, KubeVersion, Lookup, Manifests, Profile, Release,
    RenderError, RenderInput, ValuesFile, ValuesInput,
};
use kiel_template::files::FileTree;
use kiel_template::value::{Functions, Type};
use serde_json::Value;

use super::args::{AddArgs, ProjectArgs, RegistryArgs, ReleaseArgs, ValuesArgs};
use super::clock::Clock;
use super::dependencies::DependencyArgs;
use super::env::Environment;
use super::error::CommandError;
use super::giterminism;
use super::project::Project;
use super::secrets::{SecretArgs, Secrets};
use super::service_values::{ImageName, ServiceValues, service_values};
use crate::deploy::{Rendered, Source, is_service_annotation};
use crate::ui;

/// A project's chart, and what it is rendered with.
#[derive(Debug, Args)]
pub(crate) struct ChartArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) release: ReleaseArgs,
    #[command(flatten)]
    pub(crate) values: ValuesArgs,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    #[command(flatten)]
    pub(crate) dependencies: DependencyArgs,
    #[command(flatten)]
    pub(crate) add: AddArgs,
}

/// What a render needs beside the project.
pub(crate) struct ChartInput<'a> {
    /// The chart with its dependencies.
    pub(crate) chart: &'a Chart,
    pub(crate) values: &'a ValuesInput,
    pub(crate) secrets: &'a Secrets,
    pub(crate) release: Release,
    pub(crate) repo: Option<&'a str>,
    pub(crate) images: Vec<ImageName>,
    pub(crate) capabilities: Capabilities,
    pub(crate) lookup: Option<Arc<dyn Lookup + Send + Sync>>,
    pub(crate) added: &'a AddedMetadata,
}

/// What objects get beside what the chart gives them.
pub(crate) struct Added {
    /// Part of the manifests.
    pub(crate) metadata: AddedMetadata,
    /// Annotations that only objects in the cluster have, in the order in which they were given.
    pub(crate) service: Vec<(String, String)>,
}

impl AddArgs {
    /// Variables first, then flags.
    pub(crate) fn read(&self, env: &Environment) -> Result<Added, CommandError> {
        let pairs = |flag: &str, given: &[String]| -> Result<Vec<(String, String)>, CommandError> {
            let pair = |text: String| match text.split_once('=') {
                Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
                _ => Err(CommandError::new(format!(
                    "cannot use `{text}` as --{flag}: it is not KEY=VALUE"
                ))),
            };
            with_family(env, flag, given).into_iter().map(pair).collect()
        };
        let annotations = pairs("add-annotation", &self.add_annotation)?;
        let (service, annotations) = annotations
            .into_iter()
            .partition(|(key, _)| is_service_annotation(key));
        Ok(Added {
            metadata: AddedMetadata {
                annotations,
                labels: pairs("add-label", &self.add_label)?,
            },
            service,
        })
    }
}

/// Whose rules the project's chart follows.
pub(crate) fn chart_profile(project: &Project) -> Profile {
    let meta = &project.config.meta;
    Profile::Werf {
        name: meta.project.clone(),
        version: None,
        app_version: meta.deploy.app_version.clone(),
    }
}

/// What a project adds to its chart.
pub(crate) struct ChartParts {
    pub(crate) profile: Profile,
    /// `.Values.werf` and `.Values.global.werf`.
    pub(crate) service_values: Value,
    /// werf's functions.
    pub(crate) functions: AddFunctions,
}

/// What the project says about its images and itself.
pub(crate) fn service_values_of(
    project: &Project,
    namespace: &str,
    repo: Option<&str>,
    images: Vec<ImageName>,
) -> Value {
    let meta = &project.config.meta;
    service_values(&ServiceValues {
        project: &meta.project,
        env: project.env.as_deref(),
        namespace,
        repo,
        commit_id: &project.commit.id,
        commit_date: &project.commit_date,
        commit_time: project.commit.time,
        images,
    })
}

/// What the project says about its chart.
pub(crate) fn chart_parts(
    project: &Project,
    namespace: &str,
    repo: Option<&str>,
    images: Vec<ImageName>,
    secrets: &Secrets,
) -> ChartParts {
    let mut service_values = service_values_of(project, namespace, repo, images);
    if let Some(config) = &secrets.docker_config {
        service_values["dockerconfigjson"] = config.as_str().into();
    }
    let image_names = service_values["werf"]["image"].clone();
    let secrets = secrets.clone();
    ChartParts {
        profile: chart_profile(project),
        service_values,
        functions: Arc::new(move |functions| {
            add_werf_image(functions, image_names.clone());
            secrets.add_function(functions);
            add_debug_functions(functions);
        }),
    }
}

/// Renders the project's chart; blocks.
pub(crate) fn render_chart(project: &Project, input: ChartInput<'_>) -> Result<Manifests, CommandError> {
    let namespace = &input.release.namespace;
    let parts = chart_parts(project, namespace, input.repo, input.images, input.secrets);
    let mut render = RenderInput::new(input.chart, input.values, input.release, Arc::new(Clock));
    render.secret_values = &input.secrets.values;
    render.service_values = &parts.service_values;
    render.capabilities = input.capabilities;
    render.lookup = input.lookup;
    render.extra_functions = Some(parts.functions);
    let rendered = kiel_chart::render_on_own_stack(render).map_err(|error| {
        let more = kiel_chart::explain(&error, input.chart, input.values);
        if more.is_empty() || !ui::is_terminal() {
            return error.into();
        }
        CommandError::new(format!("{error}\n{}", more.trim_end()))
    });
    let mut manifests = rendered?;
    manifests.add_metadata(input.added)?;
    Ok(manifests)
}

/// werf's functions for people who look for a mistake: they print nothing here, and give what those give that they are
/// named after.
fn add_debug_functions(functions: &mut Functions) {
    for name in ["printf_debug", "dump_debug"] {
        functions.add_variadic(name, &[Type::Any], Type::Any, |_, _| Ok("".into()));
    }
    for (name, of) in [("include_debug", "include"), ("tpl_debug", "tpl")] {
        if let Some(function) = functions.get(of).cloned() {
            functions.insert(name, function);
        }
    }
}

/// `werf_image`, as in charts of werf 1.x: `{{ werf_image "app" }}` and `{{ tuple "app" . | werf_image }}` are the name
/// that `.Values.werf.image.app` has.
fn add_werf_image(functions: &mut Functions, names: Value) {
    functions.add_variadic("werf_image", &[Type::Any], Type::Any, move |_, args| {
        let first = args[0]
            .as_list()
            .and_then(|list| list.to_vec().into_iter().next());
        let name = first.unwrap_or_else(|| args[0].clone());
        let Some(name) = name.as_str() else {
            return Err("werf_image takes the name of an image of werf.yaml".into());
        };
        match names.get(name).and_then(Value::as_str) {
            Some(image) => Ok(image.into()),
            None => Err(format!("werf.yaml has no final image {name:?}").into()),
        }
    });
}

/// The chart as `--disable-default-values` wants it.
pub(crate) fn with_defaults(mut chart: Chart, args: &ValuesArgs) -> Chart {
    if args.disable_default_values {
        chart.values = Value::Null;
        chart.values_text = None;
    }
    chart
}

/// The values of a flag that may be repeated: those of its variables, then those of the command line.
pub(crate) fn with_family(env: &Environment, flag: &str, given: &[String]) -> Vec<String> {
    let mut values = env.family(flag);
    values.extend_from_slice(given);
    values
}

/// The user's values: variables first, then flags. Files come from the commit.
pub(crate) fn read_values(
    args: &ValuesArgs,
    project: &Project,
    env: &Environment,
) -> Result<ValuesInput, CommandError> {
    let with_family = |flag: &str, given: &[String]| with_family(env, flag, given);
    let mut input = ValuesInput {
        set: with_family("set", &args.set),
        set_string: with_family("set-string", &args.set_string),
        set_file: with_family("set-file", &args.set_file),
        set_json: with_family("set-json", &args.set_json),
        set_literal: with_family("set-literal", &args.set_literal),
        set_root_json: with_family("set-root-json", &args.set_root_json),
        set_runtime_json: with_family("set-runtime-json", &args.set_runtime_json),
        ..ValuesInput::default()
    };
    for name in with_family("values", &args.values) {
        let content = read_project_file(project, &name)?;
        input.files.push(ValuesFile { name, content });
    }
    let mut contents = BTreeMap::new();
    for path in input.set_file_paths()? {
        let content = read_project_file(project, &path)?;
        contents.insert(path, content);
    }
    input.set_file_contents = contents;
    Ok(input)
}

/// A file of values: of the project, wherever the path begins.
pub(crate) fn read_project_file(project: &Project, path: &str) -> Result<Vec<u8>, CommandError> {
    let dir = std::path::absolute(&project.dir)?;
    let full = format!("/{}", giterminism::clean(&dir.join(path).to_string_lossy()));
    let inside = relative(&full, &format!("/{}", giterminism::clean(&dir.to_string_lossy())));
    let before = format!(
        "chart render: render chart: merge override values for chart at {:?}: unable to read chart file {full:?}: unable \
         to read chart file {inside:?}: ",
        project.config.meta.deploy.helm_chart_dir
    );
    let refusal = project.guard.file(&inside, Some("helm.allowUncommittedFiles"))?;
    if let Some(refusal) = refusal.filter(|refusal| !refusal.is_ignored()) {
        return Err(refusal.error(&before));
    }
    if let Some(content) = project.files.read(&inside)? {
        return Ok(content.to_vec());
    }
    if let Some(content) = project.guard.ignored_file(&inside) {
        return Ok(content);
    }
    Err(CommandError::new(format!(
        "Error: {before}the file {inside:?} not found in the project git repository"
    ))
    .hint("values are read from the commit: add the file to the project and commit it"))
}

/// `path` as seen from `dir`; both are absolute and clean.
fn relative(path: &str, dir: &str) -> String {
    let (path, dir): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), dir.split('/').collect());
    let common = path.iter().zip(&dir).take_while(|(a, b)| a == b).count();
    let up = "../".repeat(dir.len() - common);
    format!("{up}{}", path[common..].join("/"))
}

/// Every place that sets a value, the one that counts first.
pub(crate) fn origins(
    project: &Project,
    chart: &Chart,
    values: &ValuesInput,
    secrets: &Secrets,
    key: &str,
) -> Result<String, CommandError> {
    let path: Vec<String> = key
        .trim_start_matches(".Values.")
        .split('.')
        .map(str::to_owned)
        .collect();
    let mut found = Vec::new();
    let is_own = matches!(path.first().map(String::as_str), Some("werf"))
        || matches!(path.get(..2), Some([first, second]) if first == "global" && second == "werf")
        || (project.env.is_some() && key == "global.env");
    if is_own {
        found.push("kiel itself: `kiel get-autogenerated-values` prints it".to_owned());
    }
    let encrypted = ValuesInput {
        files: secrets.values.clone(),
        ..ValuesInput::default()
    };
    let of_chart = kiel_chart::find_values(chart, &ValuesInput::default(), &path).len();
    let mut of_secrets = kiel_chart::find_values(chart, &encrypted, &path);
    of_secrets.truncate(of_secrets.len() - of_chart);
    found.extend(of_secrets);
    let dir = &project.config.meta.deploy.helm_chart_dir;
    for place in kiel_chart::find_values(chart, values, &path) {
        let is_of_chart = place.starts_with("values.yaml:") || place.starts_with("charts/");
        found.push(if is_of_chart {
            format!("{dir}/{place}")
        } else {
            place
        });
    }
    let Some((first, others)) = found.split_first() else {
        return Err(CommandError::new(format!(
            "cannot find the value `{key}`: nothing sets it"
        )));
    };
    let others: String = others
        .iter()
        .map(|place| format!("  overrides {place}\n"))
        .collect();
    Ok(format!("{key}: {first}\n{others}"))
}

/// What deploy is given.
pub(crate) fn to_rendered(manifests: &Manifests, user_values: Value) -> Result<Rendered, CommandError> {
    let sources = |documents: &[kiel_chart::Document]| {
        documents
            .iter()
            .map(|document| Source {
                source: document.source.clone(),
                text: document.text.clone(),
            })
            .collect()
    };
    Ok(Rendered {
        documents: sources(&manifests.documents),
        hooks: sources(&manifests.hooks),
        crds: sources(&manifests.crds().map_err(RenderError::from)?),
        notes: manifests.notes.clone(),
        chart: manifests.chart_json(),
        config: user_values,
        manifest_text: manifests.to_release_manifest(),
    })
}

/// `.Capabilities` without a cluster: Helm's defaults with the user's changes.
pub(crate) fn static_capabilities(
    kube_version: Option<&str>,
    extra: &[String],
) -> Result<Capabilities, CommandError> {
    let mut capabilities = Capabilities::default();
    if let Some(version) = kube_version {
        capabilities.kube_version = KubeVersion::parse(version)?;
    }
    capabilities.api_versions.extend_from_slice(extra);
    Ok(capabilities)
}
