//! Between the chart and the cluster: the connection, what templates see of it, the plan.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiel_chart::{Capabilities, Chart, KubeVersion, Lookup, Release, ValuesInput};
use tokio::runtime::Handle;

use super::Context;
use super::args::{DeployArgs, DeployReportArgs, KubeArgs, ReleaseArgs};
use super::chart::{Added, ChartInput, render_chart, to_rendered};
use super::env::Environment;
use super::error::CommandError;
use super::project::Project;
use super::secrets::Secrets;
use super::service_values::ImageName;
use crate::deploy::{self, Cluster, DeployKind, DeployPlan, DeployReport, KubeOptions, PlanOptions, Runner};
use crate::release::{self, ReleaseError, ReleaseTarget, Revision};

/// Connects to the cluster that the flags, `KUBECONFIG` or the home folder name.
pub(crate) async fn connect(args: &KubeArgs, context: &Context) -> Result<Cluster, CommandError> {
    let env = &context.env;
    let kubeconfigs: Vec<PathBuf> = match &args.kube_config {
        Some(path) => vec![path.clone()],
        None => match env.get("KUBECONFIG") {
            Some(list) => std::env::split_paths(list).collect(),
            None => env
                .home()
                .map(|home| home.join(".kube/config"))
                .into_iter()
                .collect(),
        },
    };
    let options = KubeOptions {
        kubeconfigs,
        kubeconfig_text: args.kube_config_base64.as_deref().map(decoded).transpose()?,
        context: args.kube_context.clone(),
        cluster: args.kube_context_cluster.clone(),
        user: args.kube_context_user.clone(),
        server: args.kube_api_server.clone(),
        token: args.kube_token.clone(),
        token_file: args.kube_token_path.clone(),
        ca: args.kube_ca_data.clone(),
        ca_file: args.kube_ca_path.clone(),
        tls_server_name: args.kube_tls_server.clone(),
        proxy_url: args.kube_proxy_url.clone(),
        skip_tls_verify: args.skip_tls_verify_kube,
        on_secret: context.secret_sink(),
    };
    Ok(Cluster::connect(&options).await?)
}

/// The kubeconfig of `--kube-config-base64`; its text is in no message.
fn decoded(text: &str) -> Result<String, CommandError> {
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = STANDARD.decode(packed).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| CommandError::new("cannot use --kube-config-base64: it is not the base64 of a text"))
}

/// `.Capabilities` as the cluster has them.
pub(crate) async fn capabilities(cluster: &Cluster) -> Result<Capabilities, CommandError> {
    let (major, minor) = cluster.kube_major_minor();
    let version = cluster.kube_version().to_owned();
    let api_versions = cluster.api_versions().await?;
    Ok(Capabilities {
        kube_version: KubeVersion {
            version,
            major,
            minor,
        },
        api_versions,
        ..Capabilities::default()
    })
}

/// `.Release`: the next revision, and whether there is one to upgrade.
fn next_release(target: &ReleaseTarget, history: &[Revision]) -> Release {
    let last = history.last().map_or(0, |revision| revision.number);
    Release {
        name: target.name.as_str().to_owned(),
        namespace: target.namespace.as_str().to_owned(),
        revision: i64::try_from(last + 1).unwrap_or(i64::MAX),
        is_upgrade: deploy::deploy_kind(history) == DeployKind::Upgrade,
    }
}

/// Answers `lookup` from the cluster; called on the thread that renders.
pub(crate) struct ClusterLookup {
    pub(crate) cluster: Cluster,
    pub(crate) runtime: Handle,
}

impl ClusterLookup {
    /// A lookup for a render that this task starts.
    pub(crate) fn shared(cluster: &Cluster) -> Arc<dyn Lookup + Send + Sync> {
        Arc::new(Self {
            cluster: cluster.clone(),
            runtime: Handle::current(),
        })
    }
}

impl Lookup for ClusterLookup {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<serde_json::Value, String> {
        self.runtime
            .block_on(self.cluster.lookup(api_version, kind, namespace, name))
            .map_err(|error| error.to_string())
    }
}

/// What is rendered.
pub(crate) struct ChartSource<'a> {
    pub(crate) chart: &'a Chart,
    pub(crate) project: &'a Project,
    pub(crate) values: &'a ValuesInput,
    pub(crate) secrets: &'a Secrets,
    pub(crate) repo: Option<&'a str>,
    pub(crate) names: Vec<ImageName>,
    pub(crate) added: &'a Added,
}

/// Renders the chart for the cluster and plans what has to be done.
pub(crate) async fn plan(
    cluster: &Cluster,
    target: &ReleaseTarget,
    chart: ChartSource<'_>,
    deploy_args: &DeployArgs,
    context: &Context,
) -> Result<DeployPlan, CommandError> {
    let history = async {
        match release::history(cluster.client(), target).await {
            Ok(history) => Ok(Some(history)),
            // The plan is refused the same, and then names every right that the release needs.
            Err(ReleaseError::Api { source, .. }) if source.is_forbidden() => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let (history, capabilities) = tokio::try_join!(history, capabilities(cluster))?;
    let input = ChartInput {
        chart: chart.chart,
        values: chart.values,
        secrets: chart.secrets,
        release: next_release(target, history.as_deref().unwrap_or_default()),
        repo: chart.repo,
        images: chart.names,
        capabilities,
        lookup: Some(ClusterLookup::shared(cluster)),
        added: &chart.added.metadata,
    };
    let manifests = tokio::task::block_in_place(|| render_chart(chart.project, input))?;
    for warning in &manifests.warnings {
        context.events.warn(warning.text().to_owned());
    }
    let rendered = to_rendered(&manifests, chart.values.merge_json()?)?;
    let options = PlanOptions {
        force_adoption: deploy_args.force_adoption,
        force_conflicts: deploy_args.force_conflicts,
        history,
        service_annotations: service_annotations(chart.project, chart.added),
        ..PlanOptions::default()
    };
    let plan = tokio::select! {
        plan = deploy::plan(cluster, target, &rendered, &options) => plan?,
        () = context.cancel.cancelled() => return Err(CommandError::interrupted()),
    };
    Ok(plan)
}

/// Who deploys, and from where; what was given says nothing else about the project itself.
fn service_annotations(project: &Project, added: &Added) -> Vec<(String, String)> {
    let env = project.env.as_deref().unwrap_or_default();
    let own = [
        (
            deploy::VERSION_ANNOTATION,
            concat!("kiel ", env!("CARGO_PKG_VERSION")),
        ),
        ("project.werf.io/name", &project.config.meta.project),
        ("project.werf.io/env", env),
    ];
    let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
    added.service.iter().cloned().chain(own).collect()
}

/// Where a report is written, if it is.
pub(crate) fn report_path(args: &DeployReportArgs) -> Result<Option<PathBuf>, CommandError> {
    if !args.save_deploy_report {
        return Ok(None);
    }
    let path = &args.deploy_report_path;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Ok(Some(path.clone())),
        None => Ok(Some(path.with_extension("json"))),
        Some(_) => Err(CommandError::new(format!(
            "cannot use --deploy-report-path {:?}: its extension must be .json, or none, which is the same",
            path.display().to_string()
        ))),
    }
}

/// Writes a report.
pub(crate) fn save_report(report: &DeployReport, path: &Path) -> Result<(), CommandError> {
    let mut text = serde_json::to_string_pretty(report).expect("a report is plain data");
    text.push('\n');
    Ok(fs_err::write(path, text)?)
}

/// The release and its namespace.
pub(crate) fn target(project: &Project, args: &ReleaseArgs) -> Result<ReleaseTarget, CommandError> {
    let (release, namespace) = project.release_names(args)?;
    Ok(ReleaseTarget::parse(&release, &namespace)?)
}

/// Who runs kiel, for whoever waits for its lock.
pub(crate) fn runner(env: &Environment) -> Runner {
    let names = ["GITLAB_USER_LOGIN", "GITHUB_ACTOR", "USER", "LOGNAME"];
    Runner {
        user: names.iter().find_map(|name| env.get(name)).map(str::to_owned),
        pipeline: pipeline(env),
    }
}

fn pipeline(env: &Environment) -> Option<String> {
    if let Some(url) = env.get("CI_JOB_URL") {
        return Some(url.to_owned());
    }
    let (server, repository, run) = (
        env.get("GITHUB_SERVER_URL")?,
        env.get("GITHUB_REPOSITORY")?,
        env.get("GITHUB_RUN_ID")?,
    );
    Some(format!("{server}/{repository}/actions/runs/{run}"))
}
