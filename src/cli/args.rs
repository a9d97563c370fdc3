//! Arguments that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::env::Environment;
use crate::ui::{self, Form, Verbosity};

/// Where a build report goes: kiel's own file, not one of the project.
pub(crate) const DEFAULT_REPORT: &str = ".werf-build-report.json";
/// Where a deploy report is written without --deploy-report-path.
pub(crate) const DEFAULT_DEPLOY_REPORT: &str = ".werf-deploy-report.json";

/// Where the project is and how its werf.yaml is rendered.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Project")]
pub(crate) struct ProjectArgs {
    /// Project folder, inside a Git repository
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Work tree of the Git repository, where the project folder is in a nearer one too [default: the nearest]
    #[arg(long, value_name = "DIR")]
    pub(crate) git_work_tree: Option<PathBuf>,
    /// Configuration file, relative to the project folder [default: werf.yaml, else werf.yml]
    #[arg(long, value_name = "PATH")]
    pub(crate) config: Option<String>,
    /// File of the giterminism configuration, relative to the project folder [default: werf-giterminism.yaml]
    #[arg(long, value_name = "PATH")]
    pub(crate) giterminism_config: Option<String>,
    /// Folder of the configuration's templates, relative to the project folder
    #[arg(long, default_value = ".werf", value_name = "DIR")]
    pub(crate) config_templates_dir: String,
    /// Write werf.yaml after its templates to this file too
    #[arg(long, value_name = "PATH")]
    pub(crate) config_render_path: Option<PathBuf>,
    /// Environment: part of the default release and namespace, `.Env` in werf.yaml
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Take the work tree as if it had been committed: changed and new files, but for ignored ones
    #[arg(long)]
    pub(crate) dev: bool,
    /// Files that --dev leaves as they are in the commit: a glob, relative to the repository; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) dev_ignore: Vec<String>,
    /// Read the configuration, its templates and the chart from the work tree, and refuse nothing that depends on more
    /// than the commit
    #[arg(long)]
    pub(crate) loose_giterminism: bool,
    /// Include files from where branches and tags of werf-includes.yaml are now, whatever werf-includes.lock says
    #[arg(long)]
    pub(crate) allow_includes_update: bool,
    /// Build all images for this platform, whatever werf.yaml says: os/architecture[/variant], such as linux/arm64; may
    /// be repeated, or several with commas between them [default: $DOCKER_DEFAULT_PLATFORM]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Vec<String>,
    /// Private key for Git repositories behind SSH; may be repeated [default: what `ssh` and its agent have]
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_key: Vec<String>,
}

/// Whether the command goes on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Project")]
pub(crate) struct FollowArgs {
    /// Run again with each new commit, with --dev also when a file changes
    #[arg(long)]
    pub(crate) follow: bool,
}

/// Which registry, and how to reach it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct RegistryArgs {
    /// Repository for the project's images and stages, such as registry.example.com/group/app
    #[arg(long, visible_alias = "docker-repo", value_name = "REPOSITORY")]
    pub(crate) repo: Option<String>,
    /// Use plain HTTP for registries that are not on this host
    #[arg(long)]
    pub(crate) insecure_registry: bool,
    /// Do not check the registries' certificates
    #[arg(long)]
    pub(crate) skip_tls_verify_registry: bool,
    /// File with certificate authorities (PEM) to trust for registries beside this machine's own and those of
    /// /etc/docker/certs.d; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_ca: Vec<String>,
    /// Host of a token service outside of its registry's domain that may see the credentials for the registry; may be
    /// repeated
    #[arg(long, value_name = "HOST")]
    pub(crate) registry_token_host: Vec<String>,
    /// Mirror of Docker Hub, such as https://mirror.example.com; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) container_registry_mirror: Vec<String>,
    /// Folder with Docker's config.json [default: $DOCKER_CONFIG, else ~/.docker]
    #[arg(long, env = "DOCKER_CONFIG", value_name = "DIR")]
    pub(crate) docker_config: Option<PathBuf>,
}

/// Which engine builds, and what is reported.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Build")]
pub(crate) struct BuildArgs {
    /// Address of a running BuildKit, such as unix:///run/buildkit/buildkitd.sock or tcp://host:1234 [default: an
    /// engine that kiel starts itself]
    #[arg(long, env = "BUILDKIT_HOST", value_name = "ADDRESS")]
    pub(crate) buildkit_host: Option<String>,
    /// The buildkitd program for kiel's own engine [default: buildkitd from PATH]
    #[arg(long, value_name = "PATH")]
    pub(crate) buildkitd: Option<PathBuf>,
    /// Fail where an image would have to be built
    #[arg(long, short = 'Z')]
    pub(crate) require_built_images: bool,
    /// Write a report about the images
    #[arg(long)]
    pub(crate) save_build_report: bool,
    /// The report's file; one that ends with .env gets variables, any other JSON
    #[arg(long, default_value = DEFAULT_REPORT, value_name = "PATH")]
    pub(crate) build_report_path: PathBuf,
}

/// Values for the chart. Later ones win; of the kinds, in rising order: values, set-json, set, set-string, set-file,
/// set-literal.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Values")]
pub(crate) struct ValuesArgs {
    /// File with values, relative to the project folder; may be repeated
    #[arg(long, short = 'f', value_name = "PATH")]
    pub(crate) values: Vec<String>,
    /// Leave out the chart's own values.yaml; those of its dependencies stay
    #[arg(long)]
    pub(crate) disable_default_values: bool,
    /// Value, such as a.b[0]=c; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Value that stays text; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set_string: Vec<String>,
    /// Value that is a file's content, its path relative to the project folder; may be repeated
    #[arg(long, value_name = "KEY=PATH")]
    pub(crate) set_file: Vec<String>,
    /// Value as JSON; may be repeated
    #[arg(long, value_name = "KEY=JSON")]
    pub(crate) set_json: Vec<String>,
    /// Value taken as it is, commas and all; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set_literal: Vec<String>,
    /// JSON beside .Values and .Release in the data of templates; may be repeated
    #[arg(long, value_name = "KEY=JSON")]
    pub(crate) set_root_json: Vec<String>,
    /// JSON below .Runtime in the data of templates; may be repeated
    #[arg(long, value_name = "KEY=JSON")]
    pub(crate) set_runtime_json: Vec<String>,
}

/// What every object gets beside what the chart gives it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Deploy")]
pub(crate) struct AddArgs {
    /// Annotation for all objects but those of crds/; wins over the chart's; may be repeated. Those of pipelines
    /// (project.werf.io/…, …ci.werf.io/…, werf.io/release-channel) are set on what is applied, and are no reason to apply
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) add_annotation: Vec<String>,
    /// Label for all objects but those of crds/; wins over the chart's; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) add_label: Vec<String>,
}

/// What the chart sees of images.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Values")]
pub(crate) struct StubArgs {
    /// Names of images are stubs, whatever --repo says
    #[arg(long)]
    pub(crate) stub_tags: bool,
    /// The chart sees no images
    #[arg(long)]
    pub(crate) without_images: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// Which images were built before.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Build")]
pub(crate) struct ReportArgs {
    /// Take the names and digests of images from a saved build report; no registry is asked
    #[arg(long)]
    pub(crate) use_build_report: bool,
    /// The report's file; one that ends with .env has variables, any other JSON
    #[arg(long, default_value = DEFAULT_REPORT, value_name = "PATH")]
    pub(crate) build_report_path: PathBuf,
}

/// Which release.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Release")]
pub(crate) struct ReleaseArgs {
    /// Release [default: deploy.helmRelease of werf.yaml, else the project and the environment]
    #[arg(long, value_name = "NAME")]
    pub(crate) release: Option<String>,
    /// Namespace [default: deploy.namespace of werf.yaml, else the project and the environment]
    #[arg(long, short = 'n', value_name = "NAME")]
    pub(crate) namespace: Option<String>,
}

/// Which cluster.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct KubeArgs {
    /// Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config, else the pod's own account]
    #[arg(long, visible_alias = "kubeconfig", value_name = "PATH")]
    pub(crate) kube_config: Option<PathBuf>,
    /// A whole kubeconfig in base64, in place of files
    #[arg(long, visible_alias = "kubeconfig-base64", value_name = "BASE64")]
    pub(crate) kube_config_base64: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub(crate) kube_context: Option<String>,
    /// Cluster of the kubeconfig, in place of the context's
    #[arg(long, value_name = "NAME")]
    pub(crate) kube_context_cluster: Option<String>,
    /// User of the kubeconfig, in place of the context's
    #[arg(long, value_name = "NAME")]
    pub(crate) kube_context_user: Option<String>,
    /// Address of the API server
    #[arg(long, value_name = "URL")]
    pub(crate) kube_api_server: Option<String>,
    /// Bearer token
    #[arg(long, value_name = "TOKEN")]
    pub(crate) kube_token: Option<String>,
    /// File with a bearer token
    #[arg(long, value_name = "PATH")]
    pub(crate) kube_token_path: Option<PathBuf>,
    /// Certificates of the server's authority, PEM
    #[arg(long, value_name = "PEM", allow_hyphen_values = true)]
    pub(crate) kube_ca_data: Option<String>,
    /// File with the certificates of the server's authority, PEM
    #[arg(long, value_name = "PATH")]
    pub(crate) kube_ca_path: Option<PathBuf>,
    /// Name that the server's certificate has
    #[arg(long, value_name = "NAME")]
    pub(crate) kube_tls_server: Option<String>,
    /// Proxy to the API server
    #[arg(long, value_name = "URL")]
    pub(crate) kube_proxy_url: Option<String>,
    /// Do not check the API server's certificate
    #[arg(long)]
    pub(crate) skip_tls_verify_kube: bool,
}

/// How stubbornly.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Deploy")]
pub(crate) struct DeployArgs {
    /// Take over resources that belong to another release or to none
    #[arg(long)]
    pub(crate) force_adoption: bool,
    /// Overwrite fields that other programs have set
    #[arg(long)]
    pub(crate) force_conflicts: bool,
}

/// What is told of a deployment afterwards.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Deploy")]
pub(crate) struct DeployReportArgs {
    /// Write a report about what was done to the release, also where that fails
    #[arg(long)]
    pub(crate) save_deploy_report: bool,
    /// The report's file, JSON
    #[arg(long, default_value = DEFAULT_DEPLOY_REPORT, value_name = "PATH")]
    pub(crate) deploy_report_path: PathBuf,
}

/// How much is told, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct LogArgs {
    /// How progress is shown, on standard error: a tree on a terminal (tty), lines (plain), JSON lines (json), nothing
    /// but warnings and errors (quiet); auto is tty where standard error is a terminal and CI is not set, else plain
    #[arg(long, global = true, default_value = "auto", value_name = "FORM", value_parser = ["auto", "tty", "plain", "json", "quiet"])]
    pub(crate) progress: String,
    /// Only warnings and errors
    #[arg(long, global = true)]
    pub(crate) log_quiet: bool,
    /// Also every step of a build
    #[arg(long, global = true)]
    pub(crate) log_verbose: bool,
    /// Colours: auto, on or off
    #[arg(long, global = true, default_value = "auto", value_name = "MODE", value_parser = ["auto", "on", "off"])]
    pub(crate) log_color_mode: String,
    /// false shows lines instead of a tree where --progress is auto
    #[arg(long, global = true, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", action = clap::ArgAction::Set)]
    pub(crate) log_pretty: bool,
    /// Columns of the tree [default: the terminal's]
    #[arg(long, global = true, value_name = "COLUMNS", allow_hyphen_values = true)]
    pub(crate) log_terminal_width: Option<i32>,
    /// Begin every line with the time, as RFC 3339 in UTC
    #[arg(long, global = true)]
    pub(crate) log_time: bool,
    /// Taken for pipelines that use werf, without effect: times are always RFC 3339
    #[arg(long, global = true, value_name = "LAYOUT")]
    pub(crate) log_time_format: Option<String>,
    /// Folder for the whole logs of build steps and containers, one folder in it per run; the last 20 runs are kept
    /// [default: logs in $KIEL_HOME, else in ~/.cache/kiel]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
}

impl LogArgs {
    /// What is shown, and how.
    pub(crate) fn options(&self, env: &Environment) -> ui::Options {
        let verbosity = match (self.log_quiet || self.progress == "quiet", self.log_verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        };
        let wants_tree = self.log_pretty
            && env.get("CI").is_none()
            && env.get("TERM").is_some_and(|term| term != "dumb")
            && ui::is_terminal();
        let form = match self.progress.as_str() {
            "json" => Form::Json,
            _ if verbosity == Verbosity::Quiet => Form::Plain,
            "tty" => Form::Tree,
            "auto" if wants_tree => Form::Tree,
            _ => Form::Plain,
        };
        let width = self
            .log_terminal_width
            .and_then(|width| usize::try_from(width).ok());
        ui::Options {
            form,
            verbosity,
            width: width.filter(|width| *width > 0),
            times: self.log_time,
            logs: Some(
                self.log_dir
                    .clone()
                    .unwrap_or_else(|| env.state_home().join("logs")),
            ),
        }
    }
}

/// `90`, `90s`, `5m`, `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    if text.is_empty() {
        return Err(expected_duration(text));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |end| digits + end);
        let number: u64 = rest[..digits].parse().map_err(|_| expected_duration(text))?;
        let factor = match &rest[digits..unit] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(expected_duration(text)),
        };
        total += Duration::from_secs(
            number
                .checked_mul(factor)
                .ok_or_else(|| expected_duration(text))?,
        );
        rest = &rest[unit..];
    }
    Ok(total)
}

fn expected_duration(text: &str) -> String {
    format!("`{text}` is no duration; write seconds, or a number with h, m or s, such as 5m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_units() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m5s"), Ok(Duration::from_secs(5405)));
        for wrong in ["", "5x", "m", "-1"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
