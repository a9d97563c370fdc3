//! Talking to OCI registries: references, credentials, manifests, blobs, tags, and content that an engine reads.
//!
//! [`Registry`] is the one client of a run. It promises
//! - that everything it hands out was checked against its digest, and that bodies are bounded;
//! - that a credential goes only to the registry it belongs to and to that registry's token service, never to the
//!   target of a redirect, and never into a message (`docs/registries.md` has the rules);
//! - that requests that can be repeated are repeated on 429, 5xx and resets, a bounded number of times, when the
//!   registry wants them to be;
//! - that content is streamed: a layer of any size takes little memory;
//! - that the first request to a host needs no ping before it: how the host is reached and how it wants to be
//!   asked is learned from the first answer.
//!
//! `oci-client` gives the registry's error document, and the tests a second opinion. Its transport is not used:
//! it follows token realms and redirects wherever they point, and neither counts nor repeats requests. `oci-spec`
//! is the second opinion of [`validate`].
//!
//! It deliberately knows nothing about keys, stages or records: those are names and bytes here. It never fetches
//! the `urls` of foreign layers.

mod content;
mod credentials;
mod download;
mod entries;
mod error;
mod http;
mod logins;
mod manifest;
mod pull;
mod push;
mod realm;
mod redirect;
mod reference;
mod token;
mod transport;
pub mod validate;
mod zstd;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::event::SecretSink;
pub use content::{Blob, BlobData, BlobRead, ContentStore, Layout};
pub use credentials::Credentials;
pub(crate) use download::shown as shown_url;
pub use download::{Download, DownloadError};
pub(crate) use entries::Extended;
pub use error::RegistryError;
pub use logins::{forget_login, keep_login};
pub use manifest::{
    Descriptor, Image, Index, MEDIA_DOCKER_CONFIG, MEDIA_DOCKER_INDEX, MEDIA_DOCKER_LAYER_GZIP,
    MEDIA_DOCKER_MANIFEST, MEDIA_OCI_CONFIG, MEDIA_OCI_INDEX, MEDIA_OCI_LAYER, MEDIA_OCI_LAYER_GZIP,
    MEDIA_OCI_LAYER_ZSTD, MEDIA_OCI_MANIFEST, Manifest, Platform,
};
pub use push::BlobSource;
pub(crate) use redirect::is_loopback_name;
pub use reference::{DOCKER_HUB, Digest, Reference, Repository};
pub use reqwest::Url;
pub use token::AccessToken;
use transport::Transport;
pub(crate) use zstd::Frames;

/// For which registries plain http may be used where https doesn't answer. Loopback addresses never need it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Insecure {
    /// For none.
    #[default]
    Never,
    /// For every registry.
    All,
    /// For these hosts (`name` or `name:port`).
    Hosts(BTreeSet<String>),
}

impl Insecure {
    /// Whether `host` may be asked over plain http.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        match self {
            Self::Never => false,
            Self::All => true,
            Self::Hosts(hosts) => hosts.contains(host),
        }
    }
}

/// How registries are reached. Nothing here is read from the environment.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// Where plain http is allowed (`--insecure-registry`).
    pub insecure: Insecure,
    /// Accept any certificate (`--skip-tls-verify-registry`).
    pub skip_tls_verify: bool,
    /// Mirrors of Docker Hub, asked first when something is read (`--container-registry-mirror`).
    pub mirrors: Vec<Url>,
    /// The folder of docker's `config.json`; without it there are no credentials.
    pub docker_config: Option<PathBuf>,
    /// Files of the same form that are asked before it: Helm's own.
    pub credential_files: Vec<PathBuf>,
    /// Credentials for registries that the user has named beside them (`--username`, `--password`); they come first.
    pub logins: BTreeMap<String, Credentials>,
    /// Files of the certificate and the key, in PEM form, by which servers may know the user.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Hosts of token services that a registry may name beside those of its own domain (`--registry-token-host`).
    pub token_hosts: Vec<String>,
    /// Files of certificate authorities to trust beside the machine's own, for every registry (`--registry-ca`).
    pub ca_files: Vec<PathBuf>,
    /// Folders with a folder for each registry (`name` or `name:port`), whose `*.crt` are the authorities to trust for
    /// it: Docker's and Podman's `certs.d`.
    pub certificate_folders: Vec<PathBuf>,
    /// Is told the credentials that are used.
    pub on_secret: SecretSink,
    /// For how long nothing may move on a connection; a minute if nothing is said.
    pub silence: Option<Duration>,
}

/// The client for all registries of a run. Clones share connections, tokens and counters.
#[derive(Clone)]
pub struct Registry(pub(crate) Arc<Transport>);

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// A client with these options.
    ///
    /// # Errors
    /// A file of [`RegistryOptions::ca_files`] cannot be read.
    pub fn new(options: RegistryOptions) -> Result<Self, RegistryError> {
        http::check_authorities(&options.ca_files)?;
        Ok(Self(Arc::new(Transport::new(options))))
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &RegistryOptions {
        self.0.options()
    }

    /// Whether a registry was found to speak TLS. Nothing is asked: unknown is no.
    #[must_use]
    pub fn speaks_tls(&self, registry: &str) -> bool {
        self.0.speaks_tls(registry)
    }

    /// How many requests were sent so far, by method and host (token services included).
    #[must_use]
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        self.0.requests()
    }

    /// The credentials for a registry, `None` when docker's configuration has none.
    ///
    /// # Errors
    /// When docker's configuration cannot be read or its credential helper fails.
    pub async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, RegistryError> {
        self.0.credentials(registry).await
    }

    /// A token from a registry's token service for another program that talks to that registry (an engine), so
    /// that the credentials themselves stay here. `realm`, `service` and `scopes` are what the registry asked for.
    ///
    /// # Errors
    /// When the realm is not one that this registry may name, or the service refuses.
    pub async fn token(
        &self,
        registry: &str,
        realm: &str,
        service: &str,
        scopes: &[String],
    ) -> Result<AccessToken, RegistryError> {
        self.0.token_for(registry, realm, service, scopes).await
    }
}
