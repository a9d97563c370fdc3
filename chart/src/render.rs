//! A chart and its values to manifests: what `helm template` and `helm install` do before they talk to
//! a cluster.
//!
//! Templates share mutable values, and `include` nests deeply: a render runs on one thread, best on a
//! stack of its own ([`render_on_own_stack`]). Only text and JSON leave it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiel_template::functions::Environment;
use kiel_template::value::{Functions, Map};
use kiel_template::{MissingKey, Options, TemplateSet, Value, without_no_value};

use crate::capabilities::Capabilities;
use crate::coalesce::{CoalesceError, Coalescer, Nulls};
use crate::context::{Context, is_partial};
use crate::functions::{self, Lookup};
use crate::manifests::{CrdFile, ManifestError, Manifests};
use crate::model::Chart;
use crate::schema;
use crate::tree::{NodeId, Tree};
use crate::values::{ValuesError, ValuesFile, ValuesInput};
use crate::version;
use crate::warning::Warning;
use crate::yaml;

/// How much stack a render may use, in bytes. It is reserved, not taken.
pub(crate) const STACK_SIZE: usize = 160 << 20;
/// What is left of a stack for all but the templates.
const STACK_MARGIN: usize = 1 << 19;

/// Why a chart can't be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// What the user said about values can't be joined.
    #[error(transparent)]
    Values(#[from] ValuesError),
    /// The values don't fit the charts.
    #[error(transparent)]
    Coalesce(#[from] CoalesceError),
    /// The chart is for use by other charts only.
    #[error("{0} charts are not installable")]
    NotInstallable(String),
    /// `Chart.yaml` lists charts that `charts/` does not have.
    #[error(
        "An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
        .0.join(", ")
    )]
    MissingDependencies(Vec<String>),
    /// The chart is for other versions of Kubernetes.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion {
        /// The chart's constraint.
        wanted: String,
        /// The cluster's version.
        found: String,
    },
    /// The values break a `values.schema.json`.
    #[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
    Schema(String),
    /// A template can't be parsed or failed.
    #[error("{text}")]
    Template {
        /// Helm's text.
        text: String,
        /// The engine's error, with its place.
        source: kiel_template::Error,
    },
    /// What a template wrote is no manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The thread for the render could not be started.
    #[error("cannot start a thread to render in: {0}")]
    Thread(#[from] std::io::Error),
    /// The render ended in a defect of its own.
    #[error("rendering template failed: {0}")]
    Panicked(String),
}

/// `.Release`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its revision, from 1.
    pub revision: i64,
    /// Whether an earlier revision is upgraded; otherwise the chart is installed.
    pub is_upgrade: bool,
}

/// A release may not have this name; the text is Helm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "release name {0:?}: invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
)]
pub struct ReleaseNameError(String);

/// Whether a release may have this name.
///
/// # Errors
/// It may not.
pub fn check_release_name(name: &str) -> Result<(), ReleaseNameError> {
    let label = |part: &str| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || c == '-')
    };
    if name.len() <= 53 && name.split('.').all(label) {
        return Ok(());
    }
    Err(ReleaseNameError(name.to_owned()))
}

impl Release {
    /// The first revision of a release that is installed.
    #[must_use]
    pub fn new(name: &str, namespace: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            revision: 1,
            is_upgrade: false,
        }
    }
}

/// Everything that a render depends on: begin with [`RenderInput::new`] and set what differs.
#[derive(Clone)]
#[non_exhaustive]
pub struct RenderInput<'a> {
    /// The chart.
    pub chart: &'a Chart,
    /// What the user says about values.
    pub values: &'a ValuesInput,
    /// Decrypted secret values; they win over the user's, the later files over the earlier ones.
    pub secret_values: &'a [ValuesFile],
    /// Values that win over all others; null for none.
    pub service_values: &'a serde_json::Value,
    /// `.Release`.
    pub release: Release,
    /// `.Capabilities`.
    pub capabilities: Capabilities,
    /// Clock and entropy.
    pub environment: Arc<dyn Environment + Send + Sync>,
    /// What answers `lookup`; without it the environment does, which mostly finds nothing.
    pub lookup: Option<Arc<dyn Lookup + Send + Sync>>,
    /// Whether values must meet the charts' `values.schema.json`.
    pub check_schemas: bool,
    /// Adds functions to Helm's, or replaces them.
    pub extra_functions: Option<AddFunctions>,
    /// How many bytes of stack the thread has that renders.
    pub stack_size: usize,
}

/// What stands for no service values.
static NO_VALUES: serde_json::Value = serde_json::Value::Null;

impl<'a> RenderInput<'a> {
    /// What `helm template` assumes beside these: no cluster, schemas are checked. For [`render`] the thread is taken to
    /// have 1 MiB of stack; [`render_on_own_stack`] brings its own.
    #[must_use]
    pub fn new(
        chart: &'a Chart,
        values: &'a ValuesInput,
        release: Release,
        environment: Arc<dyn Environment + Send + Sync>,
    ) -> Self {
        Self {
            chart,
            values,
            secret_values: &[],
            service_values: &NO_VALUES,
            release,
            capabilities: Capabilities::default(),
            environment,
            lookup: None,
            check_schemas: true,
            extra_functions: None,
            stack_size: 1 << 20,
        }
    }
}

/// Adds functions to those that templates can call.
pub type AddFunctions = Arc<dyn Fn(&mut Functions) + Send + Sync>;

/// What a render has to tell even where it fails.
#[derive(Debug, Clone, Default)]
pub struct SoFar {
    /// Whether [`SoFar::text`] is wanted; it holds all that was rendered once more.
    pub wants_text: bool,
    /// The warnings, in the order in which Helm prints them.
    pub warnings: Vec<Warning>,
    /// The files' texts where one of them is no manifest: what `helm template --debug` prints then.
    pub text: String,
}

/// What is made of a render, and what becomes of its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Everything.
    Release,
    /// No more than what is printed, by a program that ends then: memory is not given back.
    Print,
}

/// Renders on a thread of its own, with room for everything that Helm could nest.
pub fn render_on_own_stack(input: RenderInput<'_>) -> Result<Manifests, RenderError> {
    spawn(input, Purpose::Release, &mut SoFar::default())
}

/// As [`render_on_own_stack`], for a program that prints the result and ends: what the templates took of memory is not
/// given back, and [`Manifests::chart_json`] is null. `so_far` gets what there is to tell, whether it fails or not.
pub fn render_before_exit(input: RenderInput<'_>, so_far: &mut SoFar) -> Result<Manifests, RenderError> {
    spawn(input, Purpose::Print, so_far)
}

fn spawn(mut input: RenderInput<'_>, purpose: Purpose, so_far: &mut SoFar) -> Result<Manifests, RenderError> {
    input.stack_size = STACK_SIZE;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("render".to_owned())
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, || render_for(&input, purpose, so_far))?;
        thread.join().unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(RenderError::Panicked(text.unwrap_or_default()))
        })
    })
}

/// What each file's template wrote, by the file's name, before it is cut into documents: partials left out, `NOTES.txt`
/// and what is no YAML included. On this thread, as [`render`].
pub fn render_texts(input: &RenderInput<'_>) -> Result<BTreeMap<String, Vec<u8>>, RenderError> {
    Ok(prepare(input, Purpose::Release, &mut SoFar::default())?.rendered)
}

/// Renders on this thread; its stack bounds how deeply templates may nest.
pub fn render(input: &RenderInput<'_>) -> Result<Manifests, RenderError> {
    render_for(input, Purpose::Release, &mut SoFar::default())
}

fn render_for(
    input: &RenderInput<'_>,
    purpose: Purpose,
    so_far: &mut SoFar,
) -> Result<Manifests, RenderError> {
    let Prepared { tree, mut rendered } = prepare(input, purpose, so_far)?;
    let mut manifests = Manifests {
        notes: take_notes(&mut rendered, tree.name(tree.root())),
        ..Manifests::default()
    };
    let not_text = rendered.iter().find_map(|(path, text)| {
        let fault = yaml::check_text(text).err()?;
        Some((path.clone(), fault))
    });
    let rendered = rendered.into_iter().map(|(path, text)| (path, to_text(text)));
    let rendered: BTreeMap<String, String> = rendered.collect();
    if so_far.wants_text {
        so_far.text = unsorted(&rendered);
    }
    let sorted = manifests.add_rendered(rendered, not_text);
    so_far.warnings.append(&mut manifests.warnings);
    sorted?;
    so_far.text.clear();
    manifests.warnings.clone_from(&so_far.warnings);
    add_crds(&tree, &mut manifests);
    match purpose {
        Purpose::Release => {
            let metadata = tree.metadata(tree.root());
            manifests.chart = Some(input.chart.alone(metadata, tree.values_json(tree.root())));
        }
        Purpose::Print => std::mem::forget(tree),
    }
    Ok(manifests)
}

/// A release before its text is looked at.
struct Prepared<'c> {
    tree: Tree<'c>,
    rendered: BTreeMap<String, Vec<u8>>,
}

fn prepare<'c>(
    input: &RenderInput<'c>,
    purpose: Purpose,
    so_far: &mut SoFar,
) -> Result<Prepared<'c>, RenderError> {
    let chart = input.chart;
    add_warnings(chart, &mut so_far.warnings);
    check_installable(chart)?;
    if chart.metadata.deprecated {
        so_far.warnings.push(Warning::printed("This chart is deprecated"));
    }
    check_dependencies(chart)?;
    let user = joined_values(input.values, input.secret_values, input.service_values)?;
    let mut tree = Tree::new(chart);
    tree.process_dependencies(&user)?;

    let mut coalescer = Coalescer::new(&tree);
    let values = coalescer.values(tree.root(), &user, Nulls::Remove)?;
    let joining = coalescer.into_warnings();
    so_far.warnings.extend(tree.take_warnings());
    so_far.warnings.extend(joining);
    if input.check_schemas {
        let mut refused = String::new();
        check_schemas(&tree, tree.root(), &values, &mut refused, &mut so_far.warnings);
        if !refused.is_empty() {
            return Err(RenderError::Schema(refused));
        }
    }
    check_kube_version(input)?;

    let rendered = render_files(input, &tree, &values, purpose)?;
    if purpose == Purpose::Print {
        std::mem::forget(values);
    }
    Ok(Prepared { tree, rendered })
}

fn check_installable(chart: &Chart) -> Result<(), RenderError> {
    if !matches!(chart.metadata.chart_type.as_str(), "" | "application") {
        return Err(RenderError::NotInstallable(chart.metadata.chart_type.clone()));
    }
    Ok(())
}

fn check_dependencies(chart: &Chart) -> Result<(), RenderError> {
    let is_there = |name: &str| {
        chart
            .dependencies
            .iter()
            .any(|dependency| dependency.name() == name)
    };
    let missing: Vec<String> = chart
        .metadata
        .dependencies
        .iter()
        .map(|dependency| dependency.name.clone())
        .filter(|name| !is_there(name))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(RenderError::MissingDependencies(missing))
    }
}

fn check_kube_version(input: &RenderInput<'_>) -> Result<(), RenderError> {
    let wanted = &input.chart.metadata.kube_version;
    let found = &input.capabilities.kube_version.version;
    if wanted.is_empty() || version::is_compatible(wanted, found) {
        return Ok(());
    }
    Err(RenderError::KubeVersion {
        wanted: wanted.clone(),
        found: found.clone(),
    })
}

/// Service values over secret values over the user's.
pub(crate) fn joined_values(
    user: &ValuesInput,
    secret: &[ValuesFile],
    service: &serde_json::Value,
) -> Result<Map, RenderError> {
    let user = user.merge()?;
    let secret = ValuesInput {
        files: secret.to_vec(),
        ..ValuesInput::default()
    }
    .merge()?;
    let service = match with_integers(service) {
        Value::Map(service) => service,
        _ => Map::new(),
    };
    if secret.is_empty() && service.is_empty() {
        return Ok(user);
    }
    let empty = Tree::without_charts();
    let mut coalescer = Coalescer::new(&empty);
    coalescer.tables(&service, &secret, "", Nulls::Remove);
    coalescer.tables(&service, &user, "", Nulls::Remove);
    Ok(service)
}

/// Service values are made by a program and not read from a file: their whole numbers are `int64`.
fn with_integers(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::int64(whole),
            None => Value::from_json(json),
        },
        serde_json::Value::Array(items) => Value::list(items.iter().map(with_integers).collect()),
        serde_json::Value::Object(entries) => {
            let entries = entries.iter();
            Value::Map(
                entries
                    .map(|(key, value)| (key.as_str(), with_integers(value)))
                    .collect(),
            )
        }
        _ => Value::from_json(json),
    }
}

/// All files one after another, as they come out of the templates.
fn unsorted(rendered: &BTreeMap<String, String>) -> String {
    let written = rendered.iter().filter(|(_, text)| !text.trim().is_empty());
    written
        .map(|(path, text)| format!("---\n# Source: {path}\n{text}\n"))
        .collect()
}

/// What was found when the charts were loaded.
pub(crate) fn add_warnings(chart: &Chart, warnings: &mut Vec<Warning>) {
    let mut pending = vec![chart];
    while let Some(chart) = pending.pop() {
        warnings.extend(chart.warnings.iter().cloned());
        pending.extend(chart.dependencies.iter().rev());
    }
}

/// Judges the values of a chart and of the charts below it by their schemas.
pub(crate) fn check_schemas(
    tree: &Tree<'_>,
    id: NodeId,
    values: &Map,
    refused: &mut String,
    warnings: &mut Vec<Warning>,
) {
    let name = tree.name(id);
    if let Some(schema) = &tree.node(id).chart.schema {
        let judgement = schema::judge(schema, &Value::Map(values.clone()).to_json());
        warnings.extend(judgement.warnings.iter().map(|warning| warning.about(name)));
        if let Some(reasons) = judgement.refused {
            refused.push_str(&format!("{name}:\n{reasons}"));
        }
    }
    for child in &tree.node(id).children {
        let name = tree.name(*child);
        match values.get(name) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(values)) => check_schemas(tree, *child, &values, refused, warnings),
            Some(other) => refused.push_str(&format!(
                "{name}:\ninvalid type for values: expected object (map), got {}\n",
                other.type_name()
            )),
        }
    }
}

/// All files that are executed, by name.
pub(crate) fn render_files(
    input: &RenderInput<'_>,
    tree: &Tree<'_>,
    values: &Map,
    purpose: Purpose,
) -> Result<BTreeMap<String, Vec<u8>>, RenderError> {
    let context = Context::new(tree, input, values, &input.values.root()?);
    let mut templates = TemplateSet::new(options(input));
    for name in context.names() {
        templates
            .parse_shared(name, &context.templates[name].text)
            .map_err(|source| RenderError::Template {
                text: functions::parse_error_text(name, &source.to_string()),
                source,
            })?;
    }
    let mut rendered = BTreeMap::new();
    let mut output = Vec::new();
    for name in context.names().into_iter().filter(|name| !is_partial(name)) {
        let data = context.templates[name].data(name);
        templates
            .execute_into(&mut output, name, &data)
            .map_err(|source| RenderError::Template {
                text: functions::execute_error_text(name, &source.to_string()),
                source,
            })?;
        rendered.insert(name.to_owned(), without_no_value(&output).into_owned());
    }
    if purpose == Purpose::Print {
        std::mem::forget((templates, context));
    }
    Ok(rendered)
}

fn options(input: &RenderInput<'_>) -> Options {
    let mut functions = functions::all(Arc::clone(&input.environment), input.lookup.clone());
    if let Some(extra) = &input.extra_functions {
        extra(&mut functions);
    }
    Options {
        name: "gotpl".to_owned(),
        missing_key: MissingKey::Zero,
        functions,
        stack_budget: input.stack_size.saturating_sub(STACK_MARGIN),
        ..Options::default()
    }
}

/// Takes all `NOTES.txt` out of the files and gives the main chart's text.
fn take_notes(rendered: &mut BTreeMap<String, Vec<u8>>, chart: &str) -> Option<String> {
    let main = format!("{chart}/templates/NOTES.txt");
    let notes = rendered
        .get(&main)
        .map(|text| String::from_utf8_lossy(text).into_owned());
    rendered.retain(|name, _| !name.ends_with("NOTES.txt"));
    notes
}

fn to_text(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn add_crds(tree: &Tree<'_>, manifests: &mut Manifests) {
    let mut pending = vec![tree.root()];
    while let Some(id) = pending.pop() {
        let node = tree.node(id);
        let path = tree.full_path(id);
        manifests
            .crd_files
            .extend(node.chart.crd_files().map(|file| CrdFile {
                source: format!("{path}/{}", file.name),
                data: file.data.clone(),
            }));
        pending.extend(node.children.iter().rev());
    }
}

#[cfg(test)]
mod tests;
