//! `kiel helm template`: a chart's manifests, as Helm prints them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use kiel_chart::{
    Capabilities, Chart, HookOutput, KubeVersion, Manifests, Release, RenderError, RenderInput, ValuesInput,
    check_release_name,
};

use super::args::HelmValuesArgs;
use super::install_flags::InstallFlags;
use super::remote::{ChartPathArgs, open_late};
use super::{HelmError, HelmGlobals, HelmResult, dependency, go_files};
use crate::charts::Located;
use crate::cli::Context;
use crate::cli::clock::Clock;
use crate::ui;

/// Render a chart's templates locally and print them
#[derive(Debug, Args)]
pub(crate) struct TemplateCommand {
    /// Release and chart, or the chart alone
    #[arg(value_name = "NAME] [CHART", num_args = 0..)]
    names: Vec<String>,
    #[command(flatten)]
    install: InstallFlags,
    #[command(flatten)]
    values: HelmValuesArgs,
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
    output_dir: Option<String>,
    /// The release's name is part of the folder's
    #[arg(long)]
    release_name: bool,
    /// Get missing dependencies first, where the chart is a folder
    #[arg(long)]
    dependency_update: bool,
    #[command(flatten)]
    path: ChartPathArgs,
}

impl TemplateCommand {
    /// Whether all that it needs is on this machine.
    pub(super) fn is_local(&self) -> bool {
        let is_here = |chart: &String| Path::new(chart.trim()).exists();
        !self.dependency_update && self.names.last().is_some_and(is_here) && !self.values.is_fetched()
    }

    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let (name, chart) = self.install.name_and_chart(&self.names)?;
        let located = self.path.locate(&chart, globals, context).await?;
        let values = self.values.read()?;
        let chart = self.load(&located, globals, context).await?;
        let manifests = self.render(&name, &chart, &values, globals, context);
        check_read(&chart)?;
        let manifests = manifests?;
        for warning in &manifests.warnings {
            ui::print(warning);
        }
        self.show(&name, &chart, &manifests)
    }

    async fn load(
        &self,
        located: &Located,
        globals: &HelmGlobals,
        context: &Context,
    ) -> Result<Chart, HelmError> {
        let chart = open_late(located)?;
        let wanted = &chart.metadata.dependencies;
        let is_complete = wanted
            .iter()
            .all(|one| chart.dependencies.iter().any(|there| there.name() == one.name));
        match located {
            Located::Path(path) if self.dependency_update && !is_complete => {
                dependency::update(path, false, globals, context).await?;
                open_late(located)
            }
            _ => Ok(chart),
        }
    }

    fn render(
        &self,
        name: &str,
        chart: &Chart,
        values: &ValuesInput,
        globals: &HelmGlobals,
        context: &Context,
    ) -> Result<Manifests, HelmError> {
        let mut capabilities = Capabilities::default();
        if let Some(version) = &self.kube_version {
            capabilities.kube_version = KubeVersion::parse(version).map_err(|_| {
                HelmError(format!(
                    "invalid kube version '{version}': could not parse \"{version}\" as version"
                ))
            })?;
        }
        capabilities.api_versions.extend_from_slice(&self.api_versions);
        check_release_name(name)?;
        let mut release = Release::new(name, &globals.namespace(&context.env));
        release.is_upgrade = self.is_upgrade;
        let mut input = RenderInput::new(chart, values, release, Arc::new(Clock));
        input.capabilities = capabilities;
        input.check_schemas = !self.skip_schema_validation;
        kiel_chart::render_before_exit(input).map_err(|error| {
            let advice = if globals.debug || !has_release(&error) {
                ""
            } else {
                "\n\nUse --debug flag to render out invalid YAML"
            };
            let more = if ui::is_terminal() {
                kiel_chart::explain(&error, chart, values)
            } else {
                String::new()
            };
            let space = if more.is_empty() { "" } else { "\n\n" };
            HelmError(format!("{error}{advice}{space}{}", more.trim_end()))
        })
    }

    fn show(&self, name: &str, chart: &Chart, manifests: &Manifests) -> HelmResult {
        let hooks = match (self.no_hooks, self.skip_tests) {
            (true, _) => HookOutput::None,
            (false, true) => HookOutput::WithoutTests,
            (false, false) => HookOutput::All,
        };
        let include_crds = self.include_crds && !self.skip_crds;
        if let Some(dir) = self.output_dir.as_ref().filter(|dir| !dir.is_empty()) {
            let dir = if self.release_name {
                go_files::join(dir, name)
            } else {
                dir.clone()
            };
            let files = manifests.to_template_files(include_crds, hooks);
            check_read(chart)?;
            write_files(&dir, &files)?;
            ui::data("\n")?;
            return Ok(());
        }
        let mut text = manifests.to_template_output(include_crds, hooks);
        check_read(chart)?;
        if !self.show_only.is_empty() {
            text = kiel_chart::show_only(&text, &self.show_only)?;
        }
        ui::data(&text)?;
        Ok(())
    }
}

/// Whether everything could be read that was looked at.
fn check_read(chart: &Chart) -> HelmResult {
    match chart.unreadable() {
        Some(error) => Err(HelmError(error.to_string())),
        None => Ok(()),
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

/// Writes the parts one after another, those of a file behind each other, and names the file of each.
pub(in crate::cli) fn write_files(dir: &str, parts: &[(String, String)]) -> HelmResult {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut named = String::new();
    for (name, text) in parts {
        let path = format!("{dir}/{name}");
        named.push_str(&format!("wrote {path}\n"));
        files.entry(path).or_default().push_str(text);
    }
    for (path, text) in &files {
        go_files::make_folders(&go_files::parent(path))?;
        go_files::write(path, text.as_bytes())?;
    }
    ui::data(&named)?;
    Ok(())
}
