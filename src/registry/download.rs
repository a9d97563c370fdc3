//! Files by HTTP and HTTPS that are no registry's: indexes of chart repositories and the charts they name.
//!
//! The transport is the registries' own: bounded bodies, repetition, certificates, proxies, counted requests, and the
//! same rules for redirects. Credentials go to the origin that they were given for, and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode, Url};

use super::error::{RegistryError, Subject, printable};
use super::http::name_of;
use super::transport::{Call, Host, Target};
use super::{Credentials, Registry};

/// What is wanted, and what goes along.
#[derive(Debug, Clone)]
pub struct Download {
    /// Where it lies.
    pub url: Url,
    /// Largest size that is taken, in bytes.
    pub limit: u64,
    /// Media types that will do.
    pub accept: Option<&'static str>,
    /// Credentials, and the URL whose origin they belong to.
    pub login: Option<(Credentials, Url)>,
}

/// Why a download failed. No variant holds a credential.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DownloadError {
    /// The server answers with an error; the text is Helm's.
    #[error("failed to fetch {url} : {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status, in numbers and words.
        status: StatusCode,
    },
    /// There is no answer, or none that may be taken.
    #[error("cannot fetch `{url}`: {reason}")]
    Failed {
        /// What was asked for.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The certificate is of nobody known.
    #[error(
        "cannot fetch `{url}`: no trusted TLS connection: {reason}; a CA of your own is named by --ca-file"
    )]
    Tls {
        /// What was asked for.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The client cannot be set up.
    #[error(transparent)]
    Setup(RegistryError),
}

impl Registry {
    /// Reads a file from the web. Only 200 is an answer.
    ///
    /// # Errors
    /// See [`DownloadError`].
    pub async fn download(&self, wanted: &Download) -> Result<Bytes, DownloadError> {
        let url = &wanted.url;
        let shown = shown(url);
        if !["http", "https"].contains(&url.scheme()) {
            return Err(DownloadError::Failed {
                url: shown,
                reason: "its scheme is neither http nor https".to_owned(),
            });
        }
        let subject = Subject {
            action: "fetch",
            name: shown.clone(),
            host: name_of(url),
        };
        let target = Target::Location(url.clone());
        let mut call = Call::new(subject, Method::GET, target, Vec::new(), wanted.limit);
        call.accept = wanted.accept;
        let owner = wanted.login.as_ref().map_or(url, |(_, owner)| owner);
        let host = Host::new(&name_of(owner), &name_of(owner), "", vec![scheme(owner)]);
        let authorization = wanted.login.as_ref().and_then(|(login, _)| basic(login));
        let answer = self.0.fetch(&host, call, url, authorization.as_ref()).await;
        let answer = answer.map_err(|error| failed(&shown, error))?;
        if answer.status != StatusCode::OK {
            return Err(DownloadError::Status {
                url: shown,
                status: answer.status,
            });
        }
        Ok(answer.body)
    }
}

fn scheme(url: &Url) -> &'static str {
    if url.scheme() == "http" { "http" } else { "https" }
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    let Credentials::Password { user, secret } = credentials else {
        return None;
    };
    let pair = STANDARD.encode(format!("{user}:{secret}"));
    HeaderValue::from_str(&format!("Basic {pair}")).ok()
}

/// A URL for messages, without a password and what else may be secret in it.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _no_host_no_password = url.set_password(None);
    let _no_host_no_user = url.set_username("");
    url.set_query(None);
    printable(url.as_str(), 500)
}

fn failed(url: &str, error: RegistryError) -> DownloadError {
    let url = url.to_owned();
    let reason = match error {
        RegistryError::Answer { status, .. } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return DownloadError::Status { url, status };
        }
        RegistryError::Tls { reason, .. } => return DownloadError::Tls { url, reason },
        RegistryError::Unreachable { reason, .. } | RegistryError::Content { reason, .. } => reason,
        RegistryError::Redirect { target, reason, .. } => {
            format!("it redirects to `{target}`, which is {reason}")
        }
        error => return DownloadError::Setup(error),
    };
    DownloadError::Failed { url, reason }
}
