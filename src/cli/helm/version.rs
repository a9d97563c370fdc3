//! `kiel helm version` and `kiel helm env`: what scripts ask before they use Helm.

use std::path::Path;

use clap::Args;
use kiel_chart::{Capabilities, HelmVersion};
use kiel_template::{MissingKey, Options, TemplateSet, Value};

use super::{HelmError, HelmGlobals, HelmResult, go_files};
use crate::cli::env::Environment;
use crate::ui;

/// Print the version of Helm that kiel answers like
#[derive(Debug, Args)]
pub(crate) struct VersionCommand {
    /// Only the number
    #[arg(long)]
    short: bool,
    /// Go template for the output, with .Version, .GitCommit, .GitTreeState and .GoVersion
    #[arg(long, value_name = "TEMPLATE", default_value = "", hide_default_value = true)]
    template: String,
    #[arg(long, short = 'c', hide = true)]
    client: bool,
}

impl VersionCommand {
    pub(super) fn run(self) -> HelmResult {
        let HelmVersion {
            version,
            git_commit,
            git_tree_state,
            go_version,
        } = Capabilities::default().helm_version;
        let text = if !self.template.is_empty() {
            let fields = [
                ("Version", Value::from(version)),
                ("GitCommit", Value::from(git_commit)),
                ("GitTreeState", Value::from(git_tree_state)),
                ("GoVersion", Value::from(go_version)),
            ];
            execute(&self.template, &Value::map(fields))?
        } else if self.short {
            match git_commit.get(..7) {
                Some(commit) => format!("{version}+g{commit}\n"),
                None => format!("{version}\n"),
            }
        } else {
            format!(
                "version.BuildInfo{{Version:{version:?}, GitCommit:{git_commit:?}, GitTreeState:{git_tree_state:?}, GoVersion:{go_version:?}}}\n"
            )
        };
        ui::data(&text)?;
        Ok(())
    }
}

fn execute(template: &str, data: &Value) -> Result<String, HelmError> {
    let mut templates = TemplateSet::new(Options {
        name: "_".to_owned(),
        missing_key: MissingKey::Error,
        ..Options::default()
    });
    templates.parse("_", template.as_bytes())?;
    let output = templates.execute_bytes("_", data)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Print the folders, files and settings that Helm's commands use
#[derive(Debug, Args)]
pub(crate) struct EnvCommand {
    /// Only the value of this variable
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl EnvCommand {
    pub(super) fn run(self, globals: &HelmGlobals, env: &Environment) -> HelmResult {
        let variables = variables(globals, env);
        let text = match &self.name {
            None => {
                let lines = variables
                    .iter()
                    .map(|(name, value)| format!("{name}=\"{value}\"\n"));
                lines.collect()
            }
            Some(name) => {
                let found = variables.iter().find(|(known, _)| known == name);
                format!("{}\n", found.map(|(_, value)| value.as_str()).unwrap_or_default())
            }
        };
        ui::data(&text)?;
        Ok(())
    }
}

/// By name.
fn variables(globals: &HelmGlobals, env: &Environment) -> Vec<(&'static str, String)> {
    let text = |given: &Option<String>| given.clone().unwrap_or_default();
    let home = |kind: &str, below: &str, name: &str| home(env, kind, below, name);
    let cache = |name: &str| home("CACHE", ".cache", name);
    let config = |name: &str| home("CONFIG", ".config", name);
    let data = |name: &str| home("DATA", ".local/share", name);
    let or = |given: &Option<String>, default: String| given.clone().unwrap_or(default);
    let variable = |name: &str, default: String| env.get(name).map_or(default, ToOwned::to_owned);
    let mut found = vec![
        ("HELM_BIN", std::env::args().next().unwrap_or_default()),
        ("HELM_BURST_LIMIT", globals.burst_limit.unwrap_or(100).to_string()),
        ("HELM_CACHE_HOME", cache("")),
        ("HELM_CONFIG_HOME", config("")),
        ("HELM_DATA_HOME", data("")),
        ("HELM_DEBUG", globals.debug.to_string()),
        ("HELM_KUBEAPISERVER", text(&globals.kube_apiserver)),
        ("HELM_KUBEASGROUPS", globals.kube_as_group.join(",")),
        ("HELM_KUBEASUSER", text(&globals.kube_as_user)),
        ("HELM_KUBECAFILE", text(&globals.kube_ca_file)),
        ("HELM_KUBECONTEXT", text(&globals.kube_context)),
        (
            "HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
            globals.kube_insecure_skip_tls_verify.to_string(),
        ),
        ("HELM_KUBETLS_SERVER_NAME", text(&globals.kube_tls_server_name)),
        ("HELM_KUBETOKEN", text(&globals.kube_token)),
        ("HELM_MAX_HISTORY", variable("HELM_MAX_HISTORY", "10".to_owned())),
        ("HELM_NAMESPACE", globals.namespace(env)),
        ("HELM_PLUGINS", variable("HELM_PLUGINS", data("plugins"))),
        ("HELM_QPS", format!("{:.2}", globals.qps.unwrap_or_default())),
        (
            "HELM_REGISTRY_CONFIG",
            or(&globals.registry_config, config("registry/config.json")),
        ),
        (
            "HELM_REPOSITORY_CACHE",
            or(&globals.repository_cache, cache("repository")),
        ),
        (
            "HELM_REPOSITORY_CONFIG",
            or(&globals.repository_config, config("repositories.yaml")),
        ),
    ];
    if let Some(file) = globals.kubeconfig.as_ref().filter(|file| !file.is_empty()) {
        found.push(("KUBECONFIG", file.clone()));
    }
    found
}

/// Go: `helmpath`: Helm's own variable, else a `helm` folder in the base folder of the platform.
fn home(env: &Environment, kind: &str, below: &str, name: &str) -> String {
    if let Some(own) = env.get(&format!("HELM_{kind}_HOME")) {
        return go_files::join(own, name);
    }
    let base = match env.get(&format!("XDG_{kind}_HOME")) {
        Some(base) => base.to_owned(),
        None => {
            let home = env.home().unwrap_or_default();
            Path::new(&home).join(below).display().to_string()
        }
    };
    go_files::join(&go_files::join(&base, "helm"), name)
}
