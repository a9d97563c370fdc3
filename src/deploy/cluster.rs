//! A connection to a Kubernetes cluster: where it is, what it serves, and requests for objects as JSON.
//!
//! Reads are LISTs; nothing limits the rate here, the server's own flow control answers 429 where it must
//! and the client obeys it. Nothing is cached but discovery.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use http::Method;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::kinds::{ApiKind, Kinds};
use crate::event::SecretSink;
use crate::release::api::{self, ApiError, encode_part};

/// Objects per page of a LIST.
const PAGE: usize = 500;
/// A server that doesn't take the connection in this time counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a cluster could not be reached or asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No configuration says where the cluster is.
    #[error(
        "cannot find a Kubernetes cluster: no kubeconfig at {looked}, and not running in a pod; \
         set KUBECONFIG or give --kube-config"
    )]
    NoConfig {
        /// The paths that were looked at.
        looked: String,
    },
    /// The configuration can't be used.
    #[error("cannot use kubeconfig {files}: {why}")]
    BadConfig {
        /// The files it was made of.
        files: String,
        /// What is wrong.
        why: String,
    },
    /// No answer.
    #[error(
        "cannot reach the Kubernetes API server at {server}: {source}; \
         is the cluster up, and is this the right kubeconfig and context?"
    )]
    Unreachable {
        /// The server's URL.
        server: String,
        /// Why.
        source: ApiError,
    },
    /// It answered, but refuses.
    #[error(
        "cannot use the Kubernetes API server at {server}: {source}; check the credentials of the kubeconfig's user"
    )]
    Refused {
        /// The server's URL.
        server: String,
        /// Its answer.
        source: ApiError,
    },
}

/// Where the cluster is and who asks. Values left out come from the kubeconfig, or from the pod kiel runs in.
#[derive(Debug, Clone, Default)]
pub struct KubeOptions {
    /// Kubeconfig files, merged in this order; those that don't exist are skipped, as kubectl does.
    pub kubeconfigs: Vec<PathBuf>,
    /// A whole kubeconfig as text, used instead of files.
    pub kubeconfig_text: Option<String>,
    /// Name of the context.
    pub context: Option<String>,
    /// Name of the cluster entry.
    pub cluster: Option<String>,
    /// Name of the user entry.
    pub user: Option<String>,
    /// The API server's URL.
    pub server: Option<String>,
    /// A bearer token.
    pub token: Option<String>,
    /// A file that holds a bearer token.
    pub token_file: Option<PathBuf>,
    /// Certificates of the server's authority, PEM.
    pub ca: Option<String>,
    /// A file with them.
    pub ca_file: Option<PathBuf>,
    /// The name that the server's certificate has.
    pub tls_server_name: Option<String>,
    /// A proxy's URL.
    pub proxy_url: Option<String>,
    /// Don't check the server's certificate.
    pub skip_tls_verify: bool,
    /// Is told the credentials that are used, but for those that a program of the kubeconfig gives.
    pub on_secret: SecretSink,
}

/// A cluster that has answered.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    server: String,
    version: Value,
    default_namespace: String,
    kinds: Arc<RwLock<Option<Arc<Kinds>>>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Which fields an apply may take, and whether it is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ApplyMode {
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
}

impl Cluster {
    /// Connects and asks for the server's version; one request.
    pub async fn connect(options: &KubeOptions) -> Result<Self, ClusterError> {
        let config = load_config(options).await?;
        hide_credentials(&config, &options.on_secret);
        let server = config.cluster_url.to_string();
        let default_namespace = config.default_namespace.clone();
        let bad = |why: String| ClusterError::BadConfig {
            files: files_text(options),
            why,
        };
        let client = kube::Client::try_from(config).map_err(|error| bad(ApiError::from(error).message))?;
        let version = api::send(&client, api::request(Method::GET, "/version"))
            .await
            .map_err(|source| {
                if source.is_connection() {
                    ClusterError::Unreachable {
                        server: server.clone(),
                        source,
                    }
                } else {
                    ClusterError::Refused {
                        server: server.clone(),
                        source,
                    }
                }
            })?;
        Ok(Self {
            client,
            server,
            version,
            default_namespace,
            kinds: Arc::default(),
        })
    }

    /// The client, for the release records.
    #[must_use]
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    /// The server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace of the kubeconfig's context.
    #[must_use]
    pub fn default_namespace(&self) -> &str {
        &self.default_namespace
    }

    /// The server's version as charts see it (`v1.36.2`).
    #[must_use]
    pub fn kube_version(&self) -> &str {
        self.version["gitVersion"].as_str().unwrap_or("v0.0.0")
    }

    /// The server's major and minor version as charts see them.
    #[must_use]
    pub fn kube_major_minor(&self) -> (String, String) {
        let part = |key: &str| self.version[key].as_str().unwrap_or("0").to_owned();
        (part("major"), part("minor"))
    }

    /// `.Capabilities.APIVersions` as Helm fills it: every `group/version` and `group/version/Kind`.
    pub async fn api_versions(&self) -> Result<Vec<String>, ApiError> {
        Ok(self.kinds().await?.api_versions())
    }

    /// What templates' `lookup` gives: the object, the list where `name` is empty, or an empty map.
    pub async fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Value, ApiError> {
        let kinds = self.kinds().await?;
        let Some(found) = kinds.find(api_version, kind) else {
            return Ok(json!({}));
        };
        let scope = (!namespace.is_empty() && found.namespaced).then_some(namespace);
        let answer = if name.is_empty() {
            api::send(&self.client, api::request(Method::GET, &found.collection(scope))).await
        } else {
            self.get(found, scope, name).await
        };
        match answer {
            Err(error) if error.is_not_found() => Ok(json!({})),
            other => other,
        }
    }

    /// The kinds that the server serves; asked for once, two requests.
    pub(crate) async fn kinds(&self) -> Result<Arc<Kinds>, ApiError> {
        let known = self.kinds.read().ok().and_then(|kinds| kinds.clone());
        match known {
            Some(kinds) => Ok(kinds),
            None => self.refresh_kinds().await,
        }
    }

    /// Asks again: after CRDs have been applied.
    pub(crate) async fn refresh_kinds(&self) -> Result<Arc<Kinds>, ApiError> {
        let kinds = Arc::new(Kinds::discover(&self.client).await?);
        if let Ok(mut slot) = self.kinds.write() {
            *slot = Some(Arc::clone(&kinds));
        }
        Ok(kinds)
    }

    /// One object.
    pub(crate) async fn get(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Value, ApiError> {
        api::send(
            &self.client,
            api::request(Method::GET, &kind.path(namespace, name)),
        )
        .await
    }

    /// All objects of a kind, page by page; items carry apiVersion and kind, which the server leaves out.
    pub(crate) async fn list(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        field_selector: Option<&str>,
    ) -> Result<Vec<Value>, ApiError> {
        let mut path = format!("{}?limit={PAGE}", kind.collection(namespace));
        if let Some(selector) = field_selector {
            path.push_str(&format!("&fieldSelector={}", encode_part(selector)));
        }
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let page = if next.is_empty() {
                path.clone()
            } else {
                format!("{path}&continue={}", encode_part(&next))
            };
            let mut list = api::send(&self.client, api::request(Method::GET, &page)).await?;
            if let Value::Array(page) = list["items"].take() {
                items.extend(page.into_iter().map(|item| kind.complete(item)));
            }
            match list["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() => token.clone_into(&mut next),
                _ => return Ok(items),
            }
        }
    }

    /// Server-side apply as field manager `helm`.
    pub(crate) async fn apply(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
        mode: ApplyMode,
    ) -> Result<Value, ApiError> {
        let mut path = format!(
            "{}?fieldManager={}&fieldValidation=Strict&force={}",
            kind.path(namespace, name),
            super::marks::FIELD_MANAGER,
            mode.force
        );
        if mode.dry_run {
            path.push_str("&dryRun=All");
        }
        let request = api::request_json(Method::PATCH, &path, "application/apply-patch+yaml", object);
        api::send(&self.client, request).await
    }

    /// A JSON merge patch; the way to change managed fields.
    pub(crate) async fn merge_patch(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ApiError> {
        let path = kind.path(namespace, name);
        let request = api::request_json(Method::PATCH, &path, "application/merge-patch+json", patch);
        api::send(&self.client, request).await
    }

    /// Creates an object by POST: it fails where it exists already.
    pub(crate) async fn create(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        object: &Value,
    ) -> Result<Value, ApiError> {
        let path = format!(
            "{}?fieldManager={}",
            kind.collection(namespace),
            super::marks::FIELD_MANAGER
        );
        api::send(
            &self.client,
            api::request_json(Method::POST, &path, "application/json", object),
        )
        .await
    }

    /// Tries a replacement: the object as it would be stored.
    pub(crate) async fn try_replace(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
    ) -> Result<Value, ApiError> {
        let path = format!(
            "{}?dryRun=All&fieldManager={}",
            kind.path(namespace, name),
            super::marks::FIELD_MANAGER
        );
        api::send(
            &self.client,
            api::request_json(Method::PUT, &path, "application/json", object),
        )
        .await
    }

    /// Asks for deletion of exactly the object with this uid; gone already is no error.
    pub(crate) async fn delete(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        name: &str,
        propagation: &str,
        uid: Option<&str>,
    ) -> Result<(), ApiError> {
        let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation});
        if let Some(uid) = uid {
            body["preconditions"] = json!({"uid": uid});
        }
        let request = api::request_json(
            Method::DELETE,
            &kind.path(namespace, name),
            "application/json",
            &body,
        );
        match api::send(&self.client, request).await {
            // Another uid means that the object meant is gone.
            Err(error) if error.is_not_found() || (error.is_conflict() && uid.is_some()) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Deletes exactly this version of an object; a conflict where it is another one by now.
    pub(crate) async fn delete_version(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        name: &str,
        found: &Value,
    ) -> Result<(), ApiError> {
        let metadata = &found["metadata"];
        let body = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
        });
        let path = kind.path(namespace, name);
        let request = api::request_json(Method::DELETE, &path, "application/json", &body);
        api::send(&self.client, request).await.map(drop)
    }
}

fn files_text(options: &KubeOptions) -> String {
    if options.kubeconfig_text.is_some() {
        return "given as text".to_owned();
    }
    let names: Vec<String> = options
        .kubeconfigs
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if names.is_empty() {
        "no path".to_owned()
    } else {
        names.join(", ")
    }
}

fn read_kubeconfig(options: &KubeOptions) -> Result<Option<Kubeconfig>, ClusterError> {
    let bad = |files: String, why: String| ClusterError::BadConfig { files, why };
    if let Some(text) = &options.kubeconfig_text {
        let config =
            Kubeconfig::from_yaml(text).map_err(|error| bad(files_text(options), error.to_string()))?;
        return Ok(Some(config));
    }
    let mut merged: Option<Kubeconfig> = None;
    for path in options.kubeconfigs.iter().filter(|path| path.exists()) {
        let file = format!("`{}`", path.display());
        let next = Kubeconfig::read_from(path).map_err(|error| bad(file.clone(), error.to_string()))?;
        merged = Some(match merged {
            Some(before) => before.merge(next).map_err(|error| bad(file, error.to_string()))?,
            None => next,
        });
    }
    Ok(merged)
}

/// Tells of tokens, passwords and keys.
fn hide_credentials(config: &kube::Config, on_secret: &SecretSink) {
    // Their own type shows them to nobody but a serializer.
    let Ok(user) = serde_json::to_value(&config.auth_info) else {
        return;
    };
    for name in ["token", "password", "client-key-data"] {
        if let Some(secret) = user[name].as_str() {
            on_secret.hide(secret);
        }
    }
    if let Some(path) = user["tokenFile"].as_str()
        && let Ok(token) = fs_err::read_to_string(path)
    {
        on_secret.hide(token.trim());
    }
}

async fn load_config(options: &KubeOptions) -> Result<kube::Config, ClusterError> {
    let bad = |why: String| ClusterError::BadConfig {
        files: files_text(options),
        why,
    };
    let mut config = match read_kubeconfig(options)? {
        Some(kubeconfig) => {
            let choice = KubeConfigOptions {
                context: options.context.clone(),
                cluster: options.cluster.clone(),
                user: options.user.clone(),
            };
            kube::Config::from_custom_kubeconfig(kubeconfig, &choice)
                .await
                .map_err(|error| bad(config_error(&error, options)))?
        }
        None => match (&options.server, kube::Config::incluster()) {
            (_, Ok(config)) => config,
            (Some(server), Err(_)) => {
                let url = server
                    .parse()
                    .map_err(|error| bad(format!("the API server's URL `{server}`: {error}")))?;
                kube::Config::new(url)
            }
            (None, Err(_)) => {
                return Err(ClusterError::NoConfig {
                    looked: files_text(options),
                });
            }
        },
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    override_config(&mut config, options).map_err(bad)?;
    Ok(config)
}

fn config_error(error: &kube::config::KubeconfigError, options: &KubeOptions) -> String {
    use kube::config::KubeconfigError as E;
    match error {
        E::LoadContext(_) | E::CurrentContextNotSet => match &options.context {
            Some(context) => format!("it has no context `{context}`"),
            None => "it names no current context; give --kube-context".to_owned(),
        },
        other => other.to_string(),
    }
}

fn override_config(config: &mut kube::Config, options: &KubeOptions) -> Result<(), String> {
    if let Some(server) = &options.server {
        config.cluster_url = server
            .parse()
            .map_err(|error| format!("the API server's URL `{server}`: {error}"))?;
    }
    if let Some(token) = &options.token {
        // Made from JSON: the type of the secret is not exported.
        let auth: kube::config::AuthInfo =
            serde_json::from_value(json!({"token": token})).map_err(|error| error.to_string())?;
        config.auth_info.token = auth.token;
        config.auth_info.token_file = None;
    }
    if let Some(file) = &options.token_file {
        config.auth_info.token = None;
        config.auth_info.token_file = Some(file.to_string_lossy().into_owned());
    }
    if let Some(ca) = &options.ca {
        config.root_cert = Some(pem_certificates(ca)?);
    }
    if let Some(file) = &options.ca_file {
        let text = fs_err::read_to_string(file).map_err(|error| error.to_string())?;
        config.root_cert = Some(pem_certificates(&text)?);
    }
    if let Some(name) = &options.tls_server_name {
        config.tls_server_name = Some(name.clone());
    }
    if let Some(proxy) = &options.proxy_url {
        config.proxy_url = Some(
            proxy
                .parse()
                .map_err(|error| format!("the proxy's URL `{proxy}`: {error}"))?,
        );
    }
    if options.skip_tls_verify {
        config.accept_invalid_certs = true;
    }
    Ok(())
}

/// The DER of each certificate in a PEM text.
fn pem_certificates(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut certificates = Vec::new();
    for block in text.split("-----BEGIN CERTIFICATE-----").skip(1) {
        let body: String = block
            .split("-----END CERTIFICATE-----")
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body)
            .map_err(|error| format!("the certificate authority's PEM: {error}"))?;
        certificates.push(der);
    }
    if certificates.is_empty() {
        return Err("the certificate authority's PEM holds no certificate".to_owned());
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn credentials_are_told() {
        let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             contexts: [{name: c, context: {cluster: c, user: u}}]\n\
             clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
             users: [{name: u, user: {token: canary-token, password: canary-password, username: u}}]\n";
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let ears = Arc::clone(&told);
        let options = KubeOptions {
            kubeconfig_text: Some(kubeconfig.to_owned()),
            ..KubeOptions::default()
        };
        let config = load_config(&options).await.unwrap();
        let sink = SecretSink::new(move |secret| ears.lock().unwrap().push(secret.to_owned()));
        hide_credentials(&config, &sink);
        assert_eq!(*told.lock().unwrap(), ["canary-token", "canary-password"]);
    }
}
