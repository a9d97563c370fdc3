//! Git over HTTP: one GET for what the server offers, one POST for each question.
//!
//! Answers go to a file as they come, never beyond their bound. Redirects are followed for the GET alone, never from
//! https to http; credentials go to the host that they were given for, and to no other.

use std::io::{self, BufReader, Read, Seek as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};

use super::address::Credentials;
use super::{RemoteError, Shared, Transport};

const CONNECT_LIMIT: Duration = Duration::from_secs(20);
const SILENCE_LIMIT: Duration = Duration::from_secs(90);
const MOST_REDIRECTS: usize = 5;

/// Answers up to this size stay in memory.
const IN_MEMORY: usize = 1 << 20;

/// A server that answered once.
pub(super) struct Http {
    shared: Shared,
    client: Client,
    /// The repository, where redirects have led.
    base: Url,
    credentials: Option<HeaderValue>,
}

impl Http {
    pub(super) fn new(
        shared: Shared,
        url: &Url,
        credentials: Option<&Credentials>,
    ) -> Result<Self, RemoteError> {
        let host = url.host_str().unwrap_or_default();
        let is_loopback = host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let builder = Client::builder()
            // Some servers know what they speak by this name only.
            .user_agent(concat!("git/2.0 (kiel/", env!("CARGO_PKG_VERSION"), ")"))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(SILENCE_LIMIT);
        let builder = if is_loopback { builder.no_proxy() } else { builder };
        // Reading a machine's authorities takes time, and it may have none.
        let builder = if is_loopback && url.scheme() == "http" {
            builder.tls_certs_only([])
        } else {
            builder
        };
        let failed = |source| RemoteError::Http {
            url: url.to_string(),
            source,
        };
        let credentials = credentials.map(|credentials| {
            let text = base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                format!("{}:{}", credentials.username, credentials.password),
            );
            HeaderValue::from_str(&format!("Basic {text}")).map(|mut value| {
                value.set_sensitive(true);
                value
            })
        });
        Ok(Self {
            shared,
            client: builder.build().map_err(failed)?,
            base: url.clone(),
            credentials: credentials.and_then(Result::ok),
        })
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self
            .client
            .request(method, url.clone())
            .header("Git-Protocol", "version=2");
        match &self.credentials {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    /// Sends a request and takes the answer, whatever its status.
    fn send(&self, request: RequestBuilder) -> Result<Response, RemoteError> {
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let failed = |error: reqwest::Error| RemoteError::Http {
            url: self.base.to_string(),
            source: error.without_url(),
        };
        self.shared.wait(|| request.send())?.map_err(failed)
    }

    /// The answer's body; what is no success is an error.
    fn body(&self, mut response: Response, limit: u64) -> Result<Box<dyn Read>, RemoteError> {
        let url = self.base.to_string();
        match response.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(RemoteError::Denied {
                    url,
                    is_known: self.credentials.is_some(),
                });
            }
            StatusCode::NOT_FOUND => return Err(RemoteError::NotFound { url }),
            status => {
                return Err(RemoteError::Status {
                    url,
                    status: status.as_u16(),
                });
            }
        }
        let broken = |source| RemoteError::Protocol {
            url: self.base.to_string(),
            source,
        };
        let mut file = tempfile::SpooledTempFile::new(IN_MEMORY);
        let mut left = limit;
        loop {
            let chunk = self.shared.wait(|| response.chunk())?;
            let chunk = chunk.map_err(|error| RemoteError::Http {
                url: self.base.to_string(),
                source: error.without_url(),
            })?;
            let Some(chunk) = chunk else { break };
            left = left
                .checked_sub(chunk.len() as u64)
                .ok_or_else(|| broken(too_long(limit)))?;
            file.write_all(&chunk).map_err(broken)?;
        }
        file.rewind().map_err(broken)?;
        Ok(Box::new(BufReader::new(file)))
    }
}

pub(super) fn too_long(limit: u64) -> io::Error {
    io::Error::other(format!("the server's answer is longer than {} MiB", limit >> 20))
}

impl Transport for Http {
    fn offer(&mut self, limit: u64) -> Result<Box<dyn Read + '_>, RemoteError> {
        let mut base = self.base.to_string();
        for _ in 0..=MOST_REDIRECTS {
            let wrong = |url: &str| RemoteError::Redirect { url: url.to_owned() };
            let full = format!("{}/info/refs?service=git-upload-pack", base.trim_end_matches('/'));
            let url = Url::parse(&full).map_err(|_| wrong(&base))?;
            let response = self.send(self.request(Method::GET, &url))?;
            if !response.status().is_redirection() {
                return self.body(response, limit);
            }
            let location = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok());
            let mut to = location
                .and_then(|location| url.join(location).ok())
                .ok_or_else(|| wrong(&base))?;
            let is_weaker = url.scheme() == "https" && to.scheme() != "https";
            let path = to.path().strip_suffix("/info/refs").map(str::to_owned);
            let Some(path) = path.filter(|_| !is_weaker && matches!(to.scheme(), "http" | "https")) else {
                return Err(wrong(&base));
            };
            to.set_path(&path);
            to.set_query(None);
            let is_same = (to.scheme(), to.host(), to.port_or_known_default())
                == (url.scheme(), url.host(), url.port_or_known_default());
            if !is_same {
                self.credentials = None;
            }
            base = to.to_string();
            self.base = to;
        }
        Err(RemoteError::Redirect { url: base })
    }

    fn ask(&mut self, question: &[u8], limit: u64) -> Result<Box<dyn Read + '_>, RemoteError> {
        let full = format!("{}/git-upload-pack", self.base.as_str().trim_end_matches('/'));
        let url = Url::parse(&full).map_err(|_| RemoteError::Redirect {
            url: self.base.to_string(),
        })?;
        let request = self
            .request(Method::POST, &url)
            .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
            .body(question.to_vec());
        let response = self.send(request)?;
        self.body(response, limit)
    }
}
