//! The HTTP clients: one that goes by the environment's proxies, one for this machine itself, which never does.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url};

use super::error::describe;
use super::redirect::is_loopback_name;
use super::{RegistryError, RegistryOptions};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Clients {
    proxied: Client,
    direct: Client,
}

impl Clients {
    pub(super) fn new(options: &RegistryOptions) -> Result<Self, RegistryError> {
        let builder = || {
            Client::builder()
                .user_agent(concat!("kiel/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_LIMIT)
                .read_timeout(SILENCE_LIMIT)
                .tls_danger_accept_invalid_certs(options.skip_tls_verify)
        };
        Ok(Self {
            proxied: build(builder)?,
            direct: build(|| builder().no_proxy())?,
        })
    }

    /// The client for a URL. As with Go's programs, a proxy is never asked for loopback addresses.
    pub(super) fn of(&self, url: &Url) -> &Client {
        if url.host_str().is_some_and(is_loopback_name) {
            &self.direct
        } else {
            &self.proxied
        }
    }
}

/// A machine without any certificate authority can still use registries over plain http: then nothing is trusted,
/// and each TLS connection says so.
fn build(builder: impl Fn() -> ClientBuilder) -> Result<Client, RegistryError> {
    builder().build().or_else(|error| {
        tracing::warn!(
            error = describe(error),
            "no certificate authorities are installed on this machine"
        );
        let built = builder().tls_certs_only([]).build();
        built.map_err(|error| RegistryError::Setup {
            reason: describe(error),
        })
    })
}
