//! `kiel helm template`: a chart's manifests, as Helm prints them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use kiel_chart::{
    Capabilities, Chart, HookOutput, KubeVersion, Manifests, Release, RenderError, RenderInput, SoFar,
    ValuesInput, check_release_name,
};
use kiel_template::functions::Environment;

use super::args::HelmValuesArgs;
use super::install_flags::InstallFlags;
use super::post_render::{PostRenderer, PostRendererArgs};
use super::remote::{ChartPathArgs, open_late};
use super::{HelmError, HelmGlobals, HelmResult, dependency, go_files, slices, validate};
use crate::charts::Located;
use crate::cli::Context;
use crate::cli::clock::{Clock, ClockAndNames};
use crate::cli::deploy::{self, ClusterLookup};
use crate::deploy::Cluster;
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
    #[arg(long, short = 'a', value_name = "GROUP/VERSION")]
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
    #[arg(long, short = 's', value_name = "PATTERN")]
    show_only: Vec<String>,
    /// Write the manifests to files in this folder
    #[arg(long, value_name = "DIR")]
    output_dir: Option<String>,
    /// The release's name is part of the folder's
    #[arg(long)]
    release_name: bool,
    /// Check the manifests by the cluster, and render for its version and APIs
    #[arg(long)]
    validate: bool,
    /// Let templates look up hosts' addresses
    #[arg(long)]
    enable_dns: bool,
    #[command(flatten)]
    post_renderer: PostRendererArgs,
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
        let asks_nobody = !self.validate && !self.install.asks_server() && !self.post_renderer.is_given();
        asks_nobody
            && !self.dependency_update
            && self.names.last().is_some_and(is_here)
            && !self.values.is_fetched()
    }

    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        self.install.check()?;
        let capabilities = self.capabilities()?;
        let post_renderer = self.post_renderer.find(&context.env)?;
        globals.debug(
            "install.go:225",
            &format!("Original chart version: {:?}", self.path.version),
        );
        let (name, chart) = self.install.name_and_chart(&self.names)?;
        let located = self.path.locate(&chart, globals, context).await?;
        if let Located::Path(path) = &located {
            let path = go_files::absolute(&path.to_string_lossy())?;
            globals.debug("install.go:242", &format!("CHART PATH: {path}\n"));
        }
        let values = self.values.read()?;
        let chart = self.load(&located, globals, context).await?;
        let remote = self.connect(globals, context).await?;
        check_release_name(&name)?;
        let capabilities = match remote.as_ref().filter(|_| self.validate) {
            Some(cluster) => deploy::capabilities(cluster)
                .await
                .map_err(|error| HelmError(error.to_string()))?,
            None => capabilities,
        };
        let mut so_far = SoFar {
            wants_text: globals.debug,
            ..SoFar::default()
        };
        let mut release = Release::new(&name, &globals.namespace(&context.env));
        release.is_upgrade = self.is_upgrade;
        let environment: Arc<dyn Environment + Send + Sync> = if self.enable_dns {
            Arc::new(ClockAndNames)
        } else {
            Arc::new(Clock)
        };
        let mut input = RenderInput::new(&chart, &values, release, environment);
        input.capabilities = capabilities;
        input.check_schemas = !self.skip_schema_validation;
        input.lookup = remote
            .as_ref()
            .filter(|_| self.install.asks_server())
            .map(ClusterLookup::shared);
        let rendered = kiel_chart::render_before_exit(input, &mut so_far);
        check_read(&chart)?;
        for warning in &so_far.warnings {
            ui::print(&warning.to_string());
        }
        match rendered {
            Ok(manifests) => {
                if let Some(cluster) = remote.as_ref().filter(|_| self.validate) {
                    validate::check(cluster, &manifests, self.include_crds && !self.skip_crds).await?;
                }
                self.show(&name, &chart, &manifests, post_renderer.as_ref(), globals)
                    .await
            }
            Err(error) => {
                if globals.debug && has_release(&error) {
                    self.print(format!("{}\n", so_far.text.trim()))?;
                }
                Err(described(&error, &chart, &values, globals))
            }
        }
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
                let access = self.path.access();
                dependency::update(path, false, access, globals, context).await?;
                open_late(located)
            }
            _ => Ok(chart),
        }
    }

    fn capabilities(&self) -> Result<Capabilities, HelmError> {
        let mut capabilities = Capabilities::default();
        if let Some(version) = &self.kube_version {
            capabilities.kube_version = KubeVersion::parse(version).map_err(|_| {
                HelmError(format!(
                    "invalid kube version '{version}': could not parse \"{version}\" as version"
                ))
            })?;
        }
        let added = slices::split_all("-a, --api-versions", &self.api_versions)?;
        capabilities.api_versions.extend(added);
        Ok(capabilities)
    }

    /// The cluster, where something is asked of it.
    async fn connect(&self, globals: &HelmGlobals, context: &Context) -> Result<Option<Cluster>, HelmError> {
        if !self.validate && !self.install.asks_server() {
            return Ok(None);
        }
        globals
            .connect(context)
            .await
            .map(Some)
            .map_err(|HelmError(text)| HelmError(format!("Kubernetes cluster unreachable: {text}")))
    }

    async fn show(
        &self,
        name: &str,
        chart: &Chart,
        manifests: &Manifests,
        post_renderer: Option<&PostRenderer>,
        globals: &HelmGlobals,
    ) -> HelmResult {
        let hooks = match (self.no_hooks, self.skip_tests) {
            (true, _) => HookOutput::None,
            (false, true) => HookOutput::WithoutTests,
            (false, false) => HookOutput::All,
        };
        let include_crds = self.include_crds && !self.skip_crds;
        if let Some(dir) = self.output_dir.as_ref().filter(|dir| !dir.is_empty()) {
            // Go: the files of crds/ know nothing of the release's name.
            let (crds, files) = (
                manifests.crd_files(include_crds),
                manifests.to_template_files(false, hooks),
            );
            let release_dir = if self.release_name {
                go_files::join(dir, name)
            } else {
                dir.clone()
            };
            check_read(chart)?;
            write_files(dir, &crds)?;
            write_files(&release_dir, &files)?;
            let rest = match post_renderer {
                Some(program) => program.run("").await?,
                None => String::new(),
            };
            return self.print(format!("{}\n", rest.trim()));
        }
        let text = match post_renderer {
            Some(program) => {
                let changed = program.run(&manifests.to_post_renderer(include_crds)).await;
                let changed = changed.map_err(|HelmError(text)| {
                    if globals.debug {
                        drop(self.print(manifests.to_output_of("", hooks)));
                        return HelmError(text);
                    }
                    HelmError(format!("{text}{ADVICE}"))
                })?;
                manifests.to_output_of(&changed, hooks)
            }
            None => manifests.to_template_output(include_crds, hooks),
        };
        check_read(chart)?;
        self.print(text)
    }

    /// Prints manifests, or those of them that are wanted.
    fn print(&self, mut text: String) -> HelmResult {
        if !self.show_only.is_empty() {
            text = kiel_chart::show_only(&text, &self.show_only)?;
        }
        ui::data(&text)?;
        Ok(())
    }
}

/// What Helm says behind errors that come with something rendered.
const ADVICE: &str = "\n\nUse --debug flag to render out invalid YAML";

/// Helm's text of what went wrong, on a terminal with more about it.
fn described(error: &RenderError, chart: &Chart, values: &ValuesInput, globals: &HelmGlobals) -> HelmError {
    let advice = if globals.debug || !has_release(error) {
        ""
    } else {
        ADVICE
    };
    let more = if ui::is_terminal() {
        kiel_chart::explain(error, chart, values)
    } else {
        String::new()
    };
    let space = if more.is_empty() { "" } else { "\n\n" };
    HelmError(format!("{error}{advice}{space}{}", more.trim_end()))
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
