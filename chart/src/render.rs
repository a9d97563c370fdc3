//! A chart and its values to manifests: what `helm template` and `helm install` do before they talk to
//! a cluster.
//!
//! Templates share mutable values, and `include` nests deeply: a render runs on one thread, best on a
//! stack of its own ([`render_on_own_stack`]). Only text and JSON leave it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kiel_template::Value;
use kiel_template::value::{Functions, Map};

use crate::capabilities::Capabilities;
use crate::coalesce::{CoalesceError, Coalescer, Nulls};
use crate::context::Context;
use crate::functions::{self, Lookup};
use crate::manifests::{ManifestError, Manifests};
use crate::model::Chart;
use crate::tree::Tree;
use crate::values::{ValuesError, ValuesFile, ValuesInput};
use crate::version;

/// How much stack a render may use, in bytes. It is reserved, not taken.
const STACK_SIZE: usize = 1 << 30;

/// Why a chart can't be rendered.
#[derive(Debug, thiserror::Error)]
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

/// Everything that a render depends on.
#[derive(Clone)]
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
    /// What answers `lookup`; without it `lookup` finds nothing.
    pub lookup: Option<Arc<dyn Lookup + Send + Sync>>,
    /// Clock and entropy.
    pub environment: Arc<dyn kiel_template::functions::Environment + Send + Sync>,
    /// Adds functions to Helm's, or replaces them.
    pub extra_functions: Option<Arc<dyn Fn(&mut Functions) + Send + Sync>>,
}

/// Renders on a thread of its own, with room for everything that Helm could nest.
pub fn render_on_own_stack(input: RenderInput<'_>) -> Result<Manifests, RenderError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("render".to_owned())
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, || render(&input))?;
        thread.join().unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(RenderError::Panicked(text.unwrap_or_default()))
        })
    })
}

/// Renders on this thread; its stack bounds how deeply templates may nest.
pub fn render(input: &RenderInput<'_>) -> Result<Manifests, RenderError> {
    let chart = input.chart;
    check_installable(chart)?;
    let user = joined_values(input)?;
    let mut tree = Tree::new(chart);
    tree.process_dependencies(&user)?;

    let mut coalescer = Coalescer::new(&tree);
    let values = coalescer.values(tree.root(), &user, Nulls::Remove)?;
    let mut manifests = Manifests { warnings: coalescer.into_warnings(), ..Manifests::default() };
    manifests.warnings.extend(tree.take_warnings());
    add_warnings(chart, &mut manifests.warnings);
    check_kube_version(input)?;

    let mut rendered = render_files(input, &tree, &values)?;
    manifests.notes = take_notes(&mut rendered, tree.name(tree.root()));
    let rendered = rendered.into_iter().map(|(path, text)| (path, to_text(text)));
    manifests.add_rendered(&rendered.collect())?;
    add_crds(&tree, &mut manifests)?;
    manifests.chart = chart.release_json(&tree.metadata(tree.root()), tree.values_json(tree.root()));
    Ok(manifests)
}
