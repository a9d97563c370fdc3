//! Flags that all of Helm's commands take, and what follows from them: which namespace, how much is told.
//!
//! Flags about a cluster and about repositories are taken by every command, as by Helm's, whether it needs them or not.

use std::path::PathBuf;

use clap::Args;
use kube::config::Kubeconfig;

use super::HelmError;
use crate::cli::Context;
use crate::cli::env::Environment;
use crate::deploy::{Cluster, KubeOptions};
use crate::ui;

/// Helm's global flags.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Helm's global flags")]
pub(crate) struct HelmGlobals {
    /// Namespace [default: the kubeconfig context's, else default]
    #[arg(long, short = 'n', global = true, env = "HELM_NAMESPACE", value_name = "NAME")]
    pub(super) namespace: Option<String>,
    /// Tell more
    #[arg(long, global = true, env = "HELM_DEBUG")]
    pub(super) debug: bool,
    /// Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) kubeconfig: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, global = true, env = "HELM_KUBECONTEXT", value_name = "NAME")]
    pub(super) kube_context: Option<String>,
    /// Bearer token for the cluster
    #[arg(long, global = true, env = "HELM_KUBETOKEN", value_name = "TOKEN")]
    pub(super) kube_token: Option<String>,
    /// User to impersonate
    #[arg(long, global = true, env = "HELM_KUBEASUSER", value_name = "NAME")]
    pub(super) kube_as_user: Option<String>,
    /// Group to impersonate; may be repeated
    #[arg(
        long,
        global = true,
        env = "HELM_KUBEASGROUPS",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub(super) kube_as_group: Vec<String>,
    /// Address of the cluster
    #[arg(long, global = true, env = "HELM_KUBEAPISERVER", value_name = "URL")]
    pub(super) kube_apiserver: Option<String>,
    /// File with the certificate authority of the cluster
    #[arg(long, global = true, env = "HELM_KUBECAFILE", value_name = "PATH")]
    pub(super) kube_ca_file: Option<String>,
    /// Name that the cluster's certificate has to bear
    #[arg(long, global = true, env = "HELM_KUBETLS_SERVER_NAME", value_name = "NAME")]
    pub(super) kube_tls_server_name: Option<String>,
    /// Do not check the cluster's certificate
    #[arg(long, global = true, env = "HELM_KUBEINSECURE_SKIP_TLS_VERIFY")]
    pub(super) kube_insecure_skip_tls_verify: bool,
    /// File with the logins to registries
    #[arg(long, global = true, env = "HELM_REGISTRY_CONFIG", value_name = "PATH")]
    pub(super) registry_config: Option<String>,
    /// File with the names of repositories
    #[arg(long, global = true, env = "HELM_REPOSITORY_CONFIG", value_name = "PATH")]
    pub(super) repository_config: Option<String>,
    /// Folder with the repositories' indexes
    #[arg(long, global = true, env = "HELM_REPOSITORY_CACHE", value_name = "DIR")]
    pub(super) repository_cache: Option<String>,
    /// Taken without effect: kiel sends requests as the server's flow control lets it
    #[arg(long, global = true, env = "HELM_BURST_LIMIT", value_name = "COUNT")]
    pub(super) burst_limit: Option<i64>,
    /// Taken without effect, likewise
    #[arg(long, global = true, env = "HELM_QPS", value_name = "NUMBER")]
    pub(super) qps: Option<f32>,
}

impl HelmGlobals {
    /// Tells what Helm logs with `--debug` at that place of its source.
    pub(super) fn debug(&self, place: &str, text: &str) {
        if self.debug {
            let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S.%9f +0000 UTC");
            ui::print(&format!("{place}: {now} [debug] {text}"));
        }
    }

    /// The flag's namespace, else the one of the kubeconfig's context, else `default`.
    pub(super) fn namespace(&self, env: &Environment) -> String {
        let given = self.namespace.clone().filter(|name| !name.is_empty());
        given
            .or_else(|| self.context_namespace(env))
            .unwrap_or_else(|| "default".to_owned())
    }

    /// Connects to the cluster, which releases' records are read from.
    pub(super) async fn connect(&self, context: &Context) -> Result<Cluster, HelmError> {
        let env = &context.env;
        if self.kube_as_user.is_some() || !self.kube_as_group.is_empty() {
            let text = "--kube-as-user and --kube-as-group: kiel does not impersonate";
            return Err(HelmError(text.to_owned()));
        }
        match env.get("HELM_DRIVER") {
            None | Some("secret" | "secrets") => {}
            Some(driver) => {
                let text =
                    format!("HELM_DRIVER={driver}: kiel reads releases that are stored in Secrets only");
                return Err(HelmError(text));
            }
        }
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let options = KubeOptions {
            kubeconfigs: self.kubeconfig_files(env),
            context: given(&self.kube_context),
            server: given(&self.kube_apiserver),
            token: given(&self.kube_token),
            ca_file: given(&self.kube_ca_file).map(PathBuf::from),
            tls_server_name: given(&self.kube_tls_server_name),
            skip_tls_verify: self.kube_insecure_skip_tls_verify,
            on_secret: context.secret_sink(),
            ..KubeOptions::default()
        };
        Ok(Cluster::connect(&options).await?)
    }

    fn kubeconfig_files(&self, env: &Environment) -> Vec<PathBuf> {
        match (&self.kubeconfig, env.get("KUBECONFIG")) {
            (Some(file), _) => vec![file.into()],
            (None, Some(files)) => std::env::split_paths(files).collect(),
            (None, None) => env
                .home()
                .map(|home| home.join(".kube/config"))
                .into_iter()
                .collect(),
        }
    }

    fn context_namespace(&self, env: &Environment) -> Option<String> {
        let config = self.kubeconfig(env)?;
        let named = self.kube_context.clone().filter(|name| !name.is_empty());
        let context = named.or(config.current_context)?;
        let found = config.contexts.into_iter().find(|found| found.name == context)?;
        found.context?.namespace.filter(|name| !name.is_empty())
    }

    /// The kubeconfig, if there is one that can be read: commands that need no cluster need none.
    fn kubeconfig(&self, env: &Environment) -> Option<Kubeconfig> {
        let mut joined: Option<Kubeconfig> = None;
        for file in self.kubeconfig_files(env).iter().filter(|file| file.is_file()) {
            let next = Kubeconfig::read_from(file).ok()?;
            joined = Some(match joined {
                Some(before) => before.merge(next).ok()?,
                None => next,
            });
        }
        joined
    }
}
