//! What can go wrong with a registry, in words that name the registry and the remedy.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::Platform;

/// Why a registry operation failed. No variant ever holds a credential, a token or a signed URL.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// Not a digest.
    #[error("cannot read digest `{text}`: want `sha256:` and 64 lower-case hex digits")]
    InvalidDigest {
        /// What was given.
        text: String,
    },
    /// Not a reference.
    #[error("cannot read image reference `{text}`: {reason}")]
    InvalidReference {
        /// What was given.
        text: String,
        /// The rule that was broken.
        reason: String,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up the registry client: {reason}")]
    Setup {
        /// The cause.
        reason: String,
    },
    /// No connection.
    #[error(
        "cannot {action} `{name}`: registry `{host}` does not answer: {reason}; check that it runs and that its name and port are right"
    )]
    Unreachable {
        /// What was to be done.
        action: &'static str,
        /// With what.
        name: String,
        /// The registry's host.
        host: String,
        /// The cause.
        reason: String,
    },
    /// TLS failed.
    #[error(
        "cannot {action} `{name}`: no trusted TLS connection to `{host}`: {reason}; if its certificate is of a CA of your own, name the CA's file by --registry-ca or put it into /etc/docker/certs.d/{host}/ca.crt; --insecure-registry uses plain http, --skip-tls-verify-registry trusts everybody"
    )]
    Tls {
        /// What was to be done.
        action: &'static str,
        /// With what.
        name: String,
        /// The registry's host.
        host: String,
        /// The cause.
        reason: String,
    },
    /// The registry wants credentials and docker's configuration has none.
    #[error(
        "cannot {action} `{name}`: registry `{host}` wants credentials and there are none for it; run `docker login {host}`{reason}"
    )]
    NoCredentials {
        /// What was to be done.
        action: &'static str,
        /// With what.
        name: String,
        /// The registry's host.
        host: String,
        /// What the registry said, with a separator before it, or nothing.
        reason: String,
    },
    /// The registry refuses the credentials.
    #[error(
        "cannot {action} `{name}`: registry `{host}` refused the credentials; run `docker login {host}` with an account that may {action} there{reason}"
    )]
    Refused {
        /// What was to be done.
        action: &'static str,
        /// With what.
        name: String,
        /// The registry's host.
        host: String,
        /// What the registry said, with a separator before it, or nothing.
        reason: String,
    },
    /// The registry names a token service that it may not name.
    #[error(
        "cannot ask for a token for registry `{host}`: it names the token service `{realm}`, which is {reason}; no credentials were sent{remedy}"
    )]
    Realm {
        /// The registry's host.
        host: String,
        /// The token service.
        realm: String,
        /// The rule that was broken.
        reason: &'static str,
        /// What allows it, with a separator before it, or nothing.
        remedy: String,
    },
    /// The file of a certificate authority cannot be used.
    #[error("cannot read certificate authority `{path}`: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry sends us to a place where it may not send us.
    #[error("cannot {action} `{name}`: registry `{host}` points to `{target}`, which is {reason}")]
    Redirect {
        /// What was to be done.
        action: &'static str,
        /// With what.
        name: String,
        /// The registry's host.
        host: String,
        /// Scheme and host of the target.
        target: String,
        /// The rule that was broken.
        reason: &'static str,
    },
    /// A thing that has to be there is not.
    #[error("cannot {action} `{name}`: not found in registry `{host}`")]
    NotFound {
        /// What was to be done.
        action: &'static str,
        /// With what.
        name: String,
        /// The registry's host.
        host: String,
    },
    /// An answer that is an error, or not what the protocol wants.
    #[error("cannot {action} `{name}`: registry `{host}` answered {status}{}{reason}", remedy(*status))]
    Answer {
        /// What was to be done.
        action: &'static str,
        /// With what.
        name: String,
        /// The registry's host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What the registry said, with a separator before it, or nothing.
        reason: String,
    },
    /// Content that is not what it is said to be.
    #[error("cannot trust `{name}` from registry `{host}`: {reason}")]
    Content {
        /// The thing.
        name: String,
        /// The registry's host.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no image for the platform under that name.
    #[error("cannot use `{name}` from registry `{host}` for {platform}: it is for {offered}")]
    Platform {
        /// The image.
        name: String,
        /// The registry's host.
        host: String,
        /// What was asked for.
        platform: String,
        /// What there is.
        offered: String,
    },
    /// Docker's configuration cannot be used.
    #[error("cannot read docker configuration `{path}`: {reason}")]
    DockerConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A credential helper failed. Its output is not shown: it may hold secrets.
    #[error(
        "cannot get credentials for `{host}` from `{helper}`: {reason}; try `{helper} get` yourself, or run `docker login {host}`"
    )]
    Helper {
        /// The registry's host.
        host: String,
        /// The helper's program.
        helper: String,
        /// The cause.
        reason: String,
    },
    /// Local content that was to be uploaded cannot be read.
    #[error("cannot push `{name}`: its content on this machine cannot be read: {reason}")]
    File {
        /// What was to be pushed.
        name: String,
        /// The cause.
        reason: String,
    },
}

/// What to do about an answer that was the last of several.
fn remedy(status: u16) -> &'static str {
    match status {
        429 => " (too many requests: run again later)",
        500.. => " (the fault is on its side, where its log tells more; later it may do)",
        _ => "",
    }
}

impl RegistryError {
    /// With how long the registry wants to be left alone.
    pub(super) fn with_wait(self, wait: Duration) -> Self {
        match self {
            Self::Answer {
                action,
                name,
                host,
                status,
                reason,
            } => Self::Answer {
                action,
                name,
                host,
                status,
                reason: format!("{reason}; it wants no request for {} s", wait.as_secs()),
            },
            error => error,
        }
    }
}

/// What was being done, for messages; every request carries one.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) action: &'static str,
    pub(super) name: String,
    pub(super) host: String,
}

impl Subject {
    pub(super) fn unreachable(&self, reason: String) -> RegistryError {
        let Self { action, name, host } = self.clone();
        let tls = ["certificate", "tls", "TLS", "handshake", "InvalidContentType"];
        if tls.iter().any(|word| reason.contains(word)) {
            return RegistryError::Tls {
                action,
                name,
                host,
                reason,
            };
        }
        RegistryError::Unreachable {
            action,
            name,
            host,
            reason,
        }
    }

    pub(super) fn refused(&self, has_credentials: bool, reason: String) -> RegistryError {
        let Self { action, name, host } = self.clone();
        if has_credentials {
            RegistryError::Refused {
                action,
                name,
                host,
                reason,
            }
        } else {
            RegistryError::NoCredentials {
                action,
                name,
                host,
                reason,
            }
        }
    }

    pub(super) fn redirect(&self, target: String, reason: &'static str) -> RegistryError {
        let Self { action, name, host } = self.clone();
        RegistryError::Redirect {
            action,
            name,
            host,
            target,
            reason,
        }
    }

    pub(super) fn not_found(&self) -> RegistryError {
        let Self { action, name, host } = self.clone();
        RegistryError::NotFound { action, name, host }
    }

    pub(super) fn answer(&self, status: u16, reason: String) -> RegistryError {
        let Self { action, name, host } = self.clone();
        RegistryError::Answer {
            action,
            name,
            host,
            status,
            reason,
        }
    }

    pub(super) fn unreadable(&self, kind: std::io::ErrorKind) -> RegistryError {
        RegistryError::File {
            name: self.name.clone(),
            reason: kind.to_string(),
        }
    }

    pub(super) fn platform<'a>(
        &self,
        wanted: &Platform,
        offered: impl Iterator<Item = &'a Platform>,
    ) -> RegistryError {
        let offered: BTreeSet<String> = offered
            .map(|platform| printable(&platform.to_string(), 40))
            .collect();
        let offered: Vec<String> = offered.into_iter().take(20).collect();
        RegistryError::Platform {
            name: self.name.clone(),
            host: self.host.clone(),
            platform: wanted.to_string(),
            offered: if offered.is_empty() {
                "none".to_owned()
            } else {
                offered.join(", ")
            },
        }
    }

    pub(super) fn content(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Content {
            name: self.name.clone(),
            host: self.host.clone(),
            reason: reason.into(),
        }
    }
}

/// The whole chain of an HTTP client's error in one line. Its URL is left out: it may be signed.
pub(super) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    printable(&text, 300)
}

/// Text from outside without control characters and of bounded length.
pub(super) fn printable(text: &str, limit: usize) -> String {
    let mut out: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(limit)
        .collect();
    if text.chars().count() > limit {
        out.push('…');
    }
    out
}
