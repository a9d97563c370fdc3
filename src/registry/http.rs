//! The HTTP clients: which proxies and which certificate authorities count for a host. Each is made when a request
//! first needs it: reading a machine's authorities costs more than all requests of a build that has nothing to do.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Identity, Url};

use super::error::describe;
use super::redirect::is_loopback_name;
use super::{RegistryError, RegistryOptions};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// What tells clients apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    /// As with Go's programs, a proxy is never asked for loopback addresses.
    is_direct: bool,
    /// No authority is needed: plain http without a proxy, or nothing is verified.
    is_unverified: bool,
    ca_files: Vec<PathBuf>,
}

/// All clients of a run.
pub(super) struct Clients {
    options: RegistryOptions,
    made: Mutex<HashMap<Kind, Client>>,
}

impl Clients {
    pub(super) fn new(options: RegistryOptions) -> Self {
        Self {
            options,
            made: Mutex::default(),
        }
    }

    /// The client for a URL.
    pub(super) fn of(&self, url: &Url) -> Result<Client, RegistryError> {
        let is_direct = url.host_str().is_some_and(is_loopback_name);
        let is_unverified = is_direct && url.scheme() == "http" || self.options.skip_tls_verify;
        let ca_files = if is_unverified {
            Vec::new()
        } else {
            self.options.ca_files_of(&name_of(url))
        };
        let kind = Kind {
            is_direct,
            is_unverified,
            ca_files,
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&kind) {
            return Ok(client.clone());
        }
        let client = self.make(&kind)?;
        made.insert(kind, client.clone());
        Ok(client)
    }

    fn make(&self, kind: &Kind) -> Result<Client, RegistryError> {
        let mut certificates = Vec::new();
        for path in &kind.ca_files {
            certificates.extend(read_certificates(path)?);
        }
        let identity = self
            .options
            .client_certificate
            .as_ref()
            .map(read_identity)
            .transpose()?;
        let builder = || {
            let builder = match &identity {
                Some(identity) => Client::builder().identity(identity.clone()),
                None => Client::builder(),
            };
            let builder = builder
                .user_agent(concat!("kiel/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_LIMIT)
                .tls_danger_accept_invalid_certs(self.options.skip_tls_verify);
            if kind.is_direct {
                builder.no_proxy()
            } else {
                builder
            }
        };
        let failed = |error| RegistryError::Setup {
            reason: describe(error),
        };
        if kind.is_unverified {
            return builder().tls_certs_only([]).build().map_err(failed);
        }
        with_authorities(builder, certificates).map_err(failed)
    }
}

/// The machine's authorities and these. A machine without any can still use registries over plain http, or with an
/// authority that the user names: then nothing else is trusted, and each TLS connection says so.
fn with_authorities(
    builder: impl Fn() -> ClientBuilder,
    certificates: Vec<Certificate>,
) -> reqwest::Result<Client> {
    let built = builder().tls_certs_merge(certificates.clone()).build();
    built.or_else(|error| {
        tracing::warn!(
            error = describe(error),
            "no certificate authorities are installed on this machine"
        );
        builder().tls_certs_only(certificates).build()
    })
}

/// Reads files of authorities, for their mistakes only.
pub(super) fn check_authorities(files: &[PathBuf]) -> Result<(), RegistryError> {
    files
        .iter()
        .try_for_each(|path| read_certificates(path).map(drop))
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate>, RegistryError> {
    let failed = |reason: &str| RegistryError::CaFile {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let bytes = fs_err::read(path).map_err(|error| failed(&error.kind().to_string()))?;
    match Certificate::from_pem_bundle(&bytes) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(failed("it holds no certificate in PEM form")),
    }
}

fn read_identity((certificate, key): &(PathBuf, PathBuf)) -> Result<Identity, RegistryError> {
    let mut pem = Vec::new();
    for path in [certificate, key] {
        let content = fs_err::read(path).map_err(|error| RegistryError::CaFile {
            path: path.clone(),
            reason: error.kind().to_string(),
        })?;
        pem.extend(content);
        pem.push(b'\n');
    }
    Identity::from_pem(&pem).map_err(|error| RegistryError::CaFile {
        path: certificate.clone(),
        reason: describe(error),
    })
}

/// A URL's host as it stands in references: with its port, unless that is the scheme's own.
pub(super) fn name_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl RegistryOptions {
    /// The files of the authorities that the user trusts for a host (`name` or `name:port`), beside the machine's.
    #[must_use]
    pub fn ca_files_of(&self, host: &str) -> Vec<PathBuf> {
        let mut files = self.ca_files.clone();
        if host.contains(['/', '\\']) || host.starts_with('.') {
            return files;
        }
        for folder in &self.certificate_folders {
            let entries = fs_err::read_dir(folder.join(host))
                .into_iter()
                .flatten()
                .flatten();
            let mut found: Vec<PathBuf> = entries
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "crt"))
                .collect();
            found.sort();
            files.extend(found);
        }
        files
    }

    /// The hosts that have authorities of their own in [`RegistryOptions::certificate_folders`].
    #[must_use]
    pub fn hosts_with_authorities(&self) -> BTreeSet<String> {
        let folders = self.certificate_folders.iter();
        let entries = folders.filter_map(|folder| fs_err::read_dir(folder).ok());
        entries
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|host| self.ca_files_of(host).len() > self.ca_files.len())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_its_own_authorities() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "r.example.com/ca.crt",
            "r.example.com/a.crt",
            "r.example.com/client.cert",
            "r.example.com:5000/ca.crt",
        ] {
            let path = folder.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "").unwrap();
        }
        let options = RegistryOptions {
            ca_files: vec!["/ca.pem".into()],
            certificate_folders: vec!["/nonexistent".into(), folder.path().into()],
            ..RegistryOptions::default()
        };
        let files = |host: &str| {
            let names = options.ca_files_of(host).into_iter();
            let names = names.map(|path| {
                path.to_string_lossy()
                    .replace(&*folder.path().to_string_lossy(), "")
            });
            names.collect::<Vec<_>>()
        };
        assert_eq!(
            files("r.example.com"),
            ["/ca.pem", "/r.example.com/a.crt", "/r.example.com/ca.crt"]
        );
        assert_eq!(
            files("r.example.com:5000"),
            ["/ca.pem", "/r.example.com:5000/ca.crt"]
        );
        assert_eq!(files("other"), ["/ca.pem"]);
        assert_eq!(files(".."), ["/ca.pem"]);
    }

    #[test]
    fn plain_http_on_this_machine_reads_no_authority() {
        let clients = Clients::new(RegistryOptions {
            ca_files: vec!["/nonexistent/ca.pem".into()],
            ..RegistryOptions::default()
        });
        let of = |url: &str| clients.of(&Url::parse(url).unwrap());
        of("http://127.0.0.1:5000/v2/").unwrap();
        let error = of("https://127.0.0.1:5000/v2/").unwrap_err().to_string();
        assert!(error.contains("/nonexistent/ca.pem"), "{error}");
    }
}
