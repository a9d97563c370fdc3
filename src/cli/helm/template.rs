//! `kiel helm template`: a chart's manifests, as Helm prints them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use kiel_chart::{
    Capabilities, HookOutput, KubeVersion, Manifests, Release, RenderError, RenderInput, check_release_name,
};
use serde_json::Value;

use super::args::HelmValuesArgs;
use super::{HelmError, HelmResult};
use crate::charts;
use crate::cli::Context;
use crate::cli::clock::Clock;
use crate::ui;

/// Render a chart's templates locally and print them
#[derive(Debug, Args)]
pub(crate) struct TemplateCommand {
    /// Release and chart, or the chart alone
    #[arg(value_name = "NAME] [CHART", num_args = 1..=2, required = true)]
    names: Vec<String>,
    #[command(flatten)]
    values: HelmValuesArgs,
    /// Namespace of the release
    #[arg(
        long,
        short = 'n',
        env = "HELM_NAMESPACE",
        default_value = "default",
        value_name = "NAME"
    )]
    namespace: String,
    /// Kubernetes version that the chart sees, such as 1.34
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// API version that the chart sees beside the usual ones; may be repeated
    #[arg(long, short = 'a', value_name = "GROUP/VERSION", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Print the files of crds/ too
    #[arg(long)]
    include_crds: bool,
    /// Leave out the files of crds/, whatever else is said
    #[arg(long)]
    skip_crds: bool,
    /// Leave out the tests among the hooks
    #[arg(long)]
    skip_tests: bool,
    /// Leave out all hooks
    #[arg(long)]
    no_hooks: bool,
    /// Set .Release.IsUpgrade in place of .Release.IsInstall
    #[arg(long)]
    is_upgrade: bool,
    /// Do not check the values by values.schema.json
    #[arg(long)]
    skip_schema_validation: bool,
    /// Only manifests of this template; may be repeated
    #[arg(long, short = 's', value_name = "PATTERN", value_delimiter = ',')]
    show_only: Vec<String>,
    /// Write the manifests to files in this folder
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// The release's name is part of the folder's
    #[arg(long)]
    release_name: bool,
    /// Print what could not be read as manifests too
    #[arg(long, env = "HELM_DEBUG")]
    debug: bool,
}

impl TemplateCommand {
    pub(super) async fn run(self, _context: &Context) -> HelmResult {
        let (name, chart) = match self.names.as_slice() {
            [name, chart] => (name.clone(), chart.clone()),
            [chart] => ("release-name".to_owned(), chart.clone()),
            _ => {
                return Err(HelmError(
                    "\"helm template\" requires at least 1 argument".to_owned(),
                ));
            }
        };
        let manifests = self.render(&name, &chart)?;
        for warning in &manifests.warnings {
            ui::print(warning);
        }
        self.show(&name, &manifests)
    }

    fn render(&self, name: &str, chart: &str) -> Result<Manifests, HelmError> {
        let mut capabilities = Capabilities::default();
        if let Some(version) = &self.kube_version {
            capabilities.kube_version = KubeVersion::parse(version).map_err(|_| {
                HelmError(format!(
                    "invalid kube version '{version}': could not parse \"{version}\" as version"
                ))
            })?;
        }
        capabilities.api_versions.extend_from_slice(&self.api_versions);
        let values = self.values.read()?;
        let chart = charts::load(Path::new(chart))?;
        check_release_name(name).map_err(HelmError)?;
        let outcome = kiel_chart::render_before_exit(RenderInput {
            chart: &chart,
            values: &values,
            secret_values: &[],
            service_values: &Value::Null,
            release: Release {
                name: name.to_owned(),
                namespace: self.namespace.clone(),
                revision: 1,
                is_upgrade: self.is_upgrade,
            },
            capabilities,
            environment: Arc::new(Clock),
            lookup: None,
            check_schemas: !self.skip_schema_validation,
            extra_functions: None,
            stack_size: 0,
        });
        outcome.map_err(|error| {
            let advice = if self.debug || !has_release(&error) {
                ""
            } else {
                "\n\nUse --debug flag to render out invalid YAML"
            };
            HelmError(format!("{error}{advice}"))
        })
    }

    fn show(&self, name: &str, manifests: &Manifests) -> HelmResult {
        let hooks = match (self.no_hooks, self.skip_tests) {
            (true, _) => HookOutput::None,
            (false, true) => HookOutput::WithoutTests,
            (false, false) => HookOutput::All,
        };
        let include_crds = self.include_crds && !self.skip_crds;
        if let Some(dir) = &self.output_dir {
            let dir = if self.release_name {
                dir.join(name)
            } else {
                dir.clone()
            };
            return write_files(&dir, &manifests.to_template_files(include_crds, hooks));
        }
        let mut text = manifests.to_template_output(include_crds, hooks);
        if !self.show_only.is_empty() {
            text = kiel_chart::show_only(&text, &self.show_only).map_err(HelmError)?;
        }
        ui::data(&text)?;
        Ok(())
    }
}

/// Go: from here on an error comes with what was rendered.
fn has_release(error: &RenderError) -> bool {
    matches!(
        error,
        RenderError::KubeVersion { .. }
            | RenderError::Template { .. }
            | RenderError::Manifest(_)
            | RenderError::Panicked(_)
    )
}

/// Writes the parts one after another and names the file of each.
fn write_files(dir: &Path, parts: &[(String, String)]) -> HelmResult {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for (name, text) in parts {
        let path = dir.join(name);
        ui::data(&format!("wrote {}\n", path.display()))?;
        files.entry(path).or_default().push_str(text);
    }
    for (path, text) in &files {
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(path, text)?;
    }
    ui::data("\n")?;
    Ok(())
}
