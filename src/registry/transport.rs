//! Requests to registries: how a host is reached, authorization, repetition, redirects, counting.
//!
//! The first request to a host runs alone; what it teaches (scheme, challenge) the others use. So no ping is
//! needed, and a run of many images asks a token service once.

mod body;
mod host;
mod patience;
mod tokens;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
};
use reqwest::{Method, Response, StatusCode, Url};

use body::Progress;
pub(super) use body::{Body, Pieces, pieces};
pub(super) use host::Host;
use host::locked;
use patience::{ATTEMPTS, CONNECT_ATTEMPTS};
pub(super) use patience::{Failure, Patience};

use super::credentials::{CredentialStore, Credentials};
use super::error::{RegistryError, Subject, describe, printable};
use super::http::{Clients, name_of};
use super::token::{Challenge, challenge};
use super::{DOCKER_HUB, RegistryOptions, redirect};

const MAX_REDIRECTS: u32 = 3;
const ERROR_BODY_LIMIT: u64 = 64 << 10;
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// For how long nothing may move on a connection.
const SILENCE: Duration = Duration::from_secs(60);

/// The HTTP side of a [`super::Registry`].
pub(crate) struct Transport {
    options: RegistryOptions,
    http: Clients,
    credentials: CredentialStore,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    requests: Mutex<BTreeMap<(String, String), u64>>,
}

/// Where a request goes.
#[derive(Clone)]
pub(super) enum Target {
    /// A path of the registry's API, from `/v2/` on.
    Api(String),
    /// A place that the registry itself has named.
    Location(Url),
}

/// How much of the answer is read before it is handed out.
#[derive(Clone, Copy)]
pub(super) enum Read {
    /// All of it, up to this many bytes.
    Whole(u64),
    /// Nothing: the caller streams it.
    Nothing,
}

/// A request with everything needed to repeat it.
pub(super) struct Call {
    pub(super) subject: Subject,
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) scopes: Vec<String>,
    pub(super) accept: Option<&'static str>,
    pub(super) content_type: Option<String>,
    pub(super) body: Body,
    pub(super) read: Read,
}

impl Call {
    /// A request without body whose answer is read up to `limit` bytes.
    pub(super) fn new(
        subject: Subject,
        method: Method,
        target: Target,
        scopes: Vec<String>,
        limit: u64,
    ) -> Self {
        let read = Read::Whole(limit);
        Self {
            subject,
            method,
            target,
            scopes,
            accept: None,
            content_type: None,
            body: Body::Empty,
            read,
        }
    }
}

/// An answer that is neither a 401 nor temporary.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) stream: Option<Response>,
    /// Where it came from in the end.
    pub(super) url: Url,
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer as an error.
    pub(super) fn into_error(self, subject: &Subject, has_credentials: bool) -> RegistryError {
        let reason = said(&self.body);
        match self.status {
            StatusCode::NOT_FOUND => subject.not_found(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => subject.refused(has_credentials, reason),
            status => subject.answer(status.as_u16(), reason),
        }
    }
}

impl Transport {
    pub(super) fn new(options: RegistryOptions) -> Self {
        Self {
            credentials: CredentialStore::new(&options),
            http: Clients::new(options.clone()),
            options,
            hosts: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    /// For how long nothing may move on a connection.
    pub(super) fn silence(&self) -> Duration {
        self.options.silence.unwrap_or(SILENCE)
    }

    pub(super) fn speaks_tls(&self, registry: &str) -> bool {
        self.host(registry).scheme() == Some("https")
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    pub(super) fn requests(&self) -> BTreeMap<(String, String), u64> {
        locked(&self.requests).clone()
    }

    pub(super) async fn credentials(&self, registry: &str) -> Result<Option<Credentials>, RegistryError> {
        self.credentials.get(registry).await
    }

    /// The registry of this name.
    pub(super) fn host(&self, registry: &str) -> Arc<Host> {
        let mut hosts = locked(&self.hosts);
        let make = || {
            let address = if registry == DOCKER_HUB {
                DOCKER_HUB_HOST
            } else {
                registry
            };
            let schemes = match (
                self.options.insecure.allows(registry),
                redirect::is_loopback_name(registry),
            ) {
                (true, _) => vec!["https", "http"],
                (false, true) => vec!["http", "https"],
                (false, false) => vec!["https"],
            };
            Arc::new(Host::new(registry, address, "", schemes))
        };
        hosts.entry(registry.to_owned()).or_insert_with(make).clone()
    }

    /// Where something of this registry is read: mirrors first.
    pub(super) fn sources(&self, registry: &str) -> Vec<Arc<Host>> {
        let mut sources = Vec::new();
        if registry == DOCKER_HUB {
            sources.extend(
                self.options
                    .mirrors
                    .iter()
                    .filter_map(|mirror| self.mirror(mirror)),
            );
        }
        sources.push(self.host(registry));
        sources
    }

    fn mirror(&self, url: &Url) -> Option<Arc<Host>> {
        let host = url.host_str()?;
        let name = url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let scheme = if url.scheme() == "http" { "http" } else { "https" };
        let make = || {
            Arc::new(Host::new(
                &name,
                &name,
                url.path().trim_end_matches('/'),
                vec![scheme],
            ))
        };
        Some(
            locked(&self.hosts)
                .entry(url.to_string())
                .or_insert_with(make)
                .clone(),
        )
    }

    /// Sends a request, as often as its budget allows.
    pub(super) async fn send(&self, host: &Host, mut call: Call) -> Result<Answer, RegistryError> {
        let _first = host.hold_first().await;
        let mut patience = Patience::default();
        loop {
            match self.attempt(host, &mut call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if call.body.is_spent() => return Err(failure.into_error()),
                Err(failure) => patience.wait(failure).await?,
            }
        }
    }

    /// Sends a request once, and once more where it has to be authorized first.
    pub(super) async fn send_once(&self, host: &Host, call: &mut Call) -> Result<Answer, Failure> {
        let _first = host.hold_first().await;
        self.attempt(host, call).await
    }

    /// Reads from anywhere, as often as its budget allows. The authorization goes to `host` alone.
    pub(super) async fn fetch(
        &self,
        host: &Host,
        mut call: Call,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let mut patience = Patience::default();
        loop {
            let answer = self.follow(host, &mut call, url.clone(), authorization.cloned());
            match answer.await {
                Ok(answer) => return Ok(answer),
                Err(failure) => patience.wait(failure).await?,
            }
        }
    }

    async fn attempt(&self, host: &Host, call: &mut Call) -> Result<Answer, Failure> {
        let mut renewed = false;
        loop {
            let authorization = self.authorization(host, &call.subject, &call.scopes).await?;
            let answer = self.exchange(host, call, authorization.clone()).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            if !host.is_own(&answer.url) {
                // A storage's challenge must not teach how to talk to the registry.
                let place = answer.url.origin().ascii_serialization();
                let reason = format!("; it came from `{place}`, where the registry points to");
                return Err(call.subject.answer(401, reason).into());
            }
            let challenge = challenge(&answer.headers);
            let is_news = authorization.is_none() || challenge.as_ref().is_some_and(Challenge::is_bearer);
            if renewed || !is_news || challenge.is_none() || call.body.is_spent() {
                let has_credentials = self.credentials(&host.name).await?.is_some();
                return Err(call.subject.refused(has_credentials, said(&answer.body)).into());
            }
            renewed = true;
            host.learn_challenge(challenge);
            host.tokens.lock().await.remove(&call.scopes);
        }
    }

    /// One request with its redirects; the scheme is found out on the way.
    async fn exchange(
        &self,
        host: &Host,
        call: &mut Call,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, Failure> {
        let schemes = host.schemes();
        let last = schemes.len() - 1;
        let mut preferred = None;
        for (index, scheme) in schemes.into_iter().enumerate() {
            let url = match &call.target {
                Target::Api(path) => host.url(scheme, path),
                Target::Location(url) => Some(url.clone()),
            };
            let Some(url) = url else {
                return Err(call
                    .subject
                    .unreachable("its name is not a host name".to_owned())
                    .into());
            };
            match self.follow(host, call, url, authorization.clone()).await {
                Ok(answer) if index < last && wants_tls(&answer) => {}
                Ok(answer) => {
                    host.learn_scheme(scheme);
                    return Ok(answer);
                }
                // A host that does not speak http may well speak TLS.
                Err(failure) if index < last && failure.is_no_http() => {
                    preferred = preferred.or(Some(failure));
                }
                // Without a connection over any scheme, the failure of the preferred one tells more.
                Err(
                    failure @ Failure::Temporary {
                        attempts: CONNECT_ATTEMPTS,
                        ..
                    },
                ) => {
                    // It does speak TLS then.
                    let tells_more = |first: &Failure| first.is_no_http() && failure.is_tls();
                    preferred = Some(preferred.filter(|first| !tells_more(first)).unwrap_or(failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(preferred.unwrap_or_else(|| {
            let reason = "it speaks neither https nor http".to_owned();
            Failure::Final(call.subject.unreachable(reason))
        }))
    }

    async fn follow(
        &self,
        host: &Host,
        call: &mut Call,
        mut url: Url,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, Failure> {
        let origin = url.origin();
        for _ in 0..=MAX_REDIRECTS {
            // A place that is not the registry itself gets no credentials.
            let own = host.is_own(&url);
            let response = self
                .request(call, &url, authorization.clone().filter(|_| own))
                .await?;
            let may_follow = [Method::GET, Method::HEAD].contains(&call.method);
            if !response.status().is_redirection() || !may_follow {
                // Over HTTP/2 the answer to a HEAD tells the length of a body that does not come.
                let read = if call.method == Method::HEAD {
                    Read::Nothing
                } else {
                    call.read
                };
                return self.read(&call.subject, read, response, url).await;
            }
            let location = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok());
            let Some(next) = location.and_then(|location| url.join(location).ok()) else {
                return Err(call.subject.content("it redirects to nowhere").into());
            };
            redirect::check(&url, &next)
                .await
                .map_err(|reason| call.subject.redirect(next.origin().ascii_serialization(), reason))?;
            url = next;
        }
        Err(call
            .subject
            .redirect(origin.ascii_serialization(), "a circle of redirects")
            .into())
    }

    async fn request(
        &self,
        call: &mut Call,
        url: &Url,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, Failure> {
        let mut request = self.http.of(url)?.request(call.method.clone(), url.clone());
        if let Some(accept) = call.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(content_type) = &call.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(mut value) = authorization {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let progress = Progress::default();
        let mut size = 0;
        request = match &mut call.body {
            Body::Empty if [Method::POST, Method::PUT].contains(&call.method) => {
                request.header(CONTENT_LENGTH, 0)
            }
            Body::Empty => request,
            Body::Bytes(bytes) => request.body(bytes.clone()),
            Body::Blob(data, length) => {
                size = *length;
                let opened = body::open(data, size).await;
                let opened = opened.map_err(|error| call.subject.unreadable(error.kind()))?;
                request.header(CONTENT_LENGTH, size).body(progress.watch(opened))
            }
            Body::Stream(stream, length) => {
                size = *length;
                let once = stream
                    .take()
                    .unwrap_or_else(|| Box::pin(futures::stream::empty()));
                request.header(CONTENT_LENGTH, size).body(progress.watch(once))
            }
        };
        self.count(&call.method, url);
        match progress.answer(size, self.silence(), request.send()).await {
            Some(answer) => answer.map_err(|error| temporary(&call.subject, error)),
            None => Err(self.silent(&call.subject)),
        }
    }

    /// A host that stands still is treated like one that resets the connection.
    fn silent(&self, subject: &Subject) -> Failure {
        broken_off(subject, body::silent(self.silence()))
    }

    fn count(&self, method: &Method, url: &Url) {
        *locked(&self.requests)
            .entry((method.to_string(), name_of(url)))
            .or_default() += 1;
    }

    async fn read(
        &self,
        subject: &Subject,
        read: Read,
        response: Response,
        url: Url,
    ) -> Result<Answer, Failure> {
        let (status, headers) = (response.status(), response.headers().clone());
        let silence = self.silence();
        let (body, stream) = match read {
            Read::Nothing if status.is_success() => (Bytes::new(), Some(response)),
            _ if !status.is_success() => {
                let body = read_bounded(response, ERROR_BODY_LIMIT, silence).await;
                (body.unwrap_or_default(), None)
            }
            Read::Whole(limit) => match read_bounded(response, limit, silence).await {
                Ok(body) => (body, None),
                Err(Unread::TooLong) => {
                    return Err(subject.content(format!("it is longer than {limit} bytes")).into());
                }
                Err(Unread::Broken(reason)) => return Err(broken_off(subject, reason)),
            },
            Read::Nothing => (Bytes::new(), None),
        };
        if patience::is_temporary(status) {
            return Err(Failure::Temporary {
                error: subject.answer(status.as_u16(), said(&body)),
                attempts: ATTEMPTS,
                after: patience::retry_after(&headers),
            });
        }
        Ok(Answer {
            status,
            headers,
            body,
            stream,
            url,
        })
    }
}

/// What the HTTP servers of Go and nginx say to a plain request on a TLS port; they say nothing more to a HEAD.
fn wants_tls(answer: &Answer) -> bool {
    let body = String::from_utf8_lossy(&answer.body);
    answer.status == StatusCode::BAD_REQUEST
        && answer.header("docker-distribution-api-version").is_none()
        && (body.is_empty()
            || body.starts_with("Client sent an HTTP request to an HTTPS")
            || body.contains("plain HTTP request was sent to HTTPS port"))
}

fn temporary(subject: &Subject, error: reqwest::Error) -> Failure {
    let is_connect = error.is_connect();
    match broken_off(subject, describe(error)) {
        // A certificate does not get better; the scheme may still be the wrong one.
        Failure::Temporary {
            error: error @ RegistryError::Tls { .. },
            ..
        } => Failure::Temporary {
            error,
            attempts: CONNECT_ATTEMPTS,
            after: Some(Duration::ZERO),
        },
        Failure::Temporary { error, after, .. } if is_connect => Failure::Temporary {
            error,
            attempts: CONNECT_ATTEMPTS,
            after,
        },
        failure => failure,
    }
}

/// A connection that ended too early.
pub(super) fn broken_off(subject: &Subject, reason: String) -> Failure {
    Failure::Temporary {
        error: subject.unreachable(reason),
        attempts: ATTEMPTS,
        after: None,
    }
}

/// The registry's own words from an error body, with a separator before them.
fn said(body: &[u8]) -> String {
    let Ok(envelope) = serde_json::from_slice::<oci_client::errors::OciEnvelope>(body) else {
        return String::new();
    };
    let messages: Vec<String> = envelope.errors.into_iter().map(|error| error.message).collect();
    let text = printable(&messages.join(", "), 300);
    if text.is_empty() {
        text
    } else {
        format!("; it says: {text}")
    }
}

enum Unread {
    TooLong,
    Broken(String),
}

async fn read_bounded(mut response: Response, limit: u64, silence: Duration) -> Result<Bytes, Unread> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(Unread::TooLong);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = body::chunk(&mut response, silence)
        .await
        .map_err(Unread::Broken)?
    {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Unread::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
