//! Requests to registries: how a host is reached, authorization, repetition, redirects, counting.
//!
//! The first request to a host runs alone; what it teaches (scheme, challenge) the others use. So no ping is
//! needed, and a run of many images asks a token service once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Method, Response, StatusCode, Url};

use super::credentials::{CredentialStore, Credentials};
use super::error::{RegistryError, Subject, describe, printable};
use super::http::Clients;
use super::token::{AccessToken, Challenge, challenge, check_realm, read_answer};
use super::{DOCKER_HUB, RegistryOptions, redirect};

const ATTEMPTS: u32 = 5;
const CONNECT_ATTEMPTS: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: u32 = 3;
const ERROR_BODY_LIMIT: u64 = 64 << 10;
const TOKEN_LIMIT: u64 = 1 << 20;
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// The HTTP side of a [`super::Registry`].
pub(crate) struct Transport {
    options: RegistryOptions,
    http: Clients,
    credentials: CredentialStore,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    requests: Mutex<BTreeMap<(String, String), u64>>,
}

/// One registry or mirror, and what is known about it.
pub(super) struct Host {
    /// As it stands in references; credentials belong to this name.
    pub(super) name: String,
    address: String,
    prefix: String,
    schemes: Vec<&'static str>,
    learned: Mutex<Learned>,
    first: tokio::sync::Mutex<()>,
    tokens: tokio::sync::Mutex<HashMap<Vec<String>, AccessToken>>,
}

#[derive(Default, Clone)]
struct Learned {
    scheme: Option<&'static str>,
    challenge: Option<Challenge>,
}

/// Where a request goes.
#[derive(Clone)]
pub(super) enum Target {
    /// A path of the registry's API, from `/v2/` on.
    Api(String),
    /// A place that the registry itself has named.
    Location(Url),
}

/// What a request carries.
pub(super) enum Body {
    Empty,
    Bytes(Bytes),
    /// Can be sent once.
    Stream(Option<reqwest::Body>, u64),
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

/// Why an attempt failed, and whether another one makes sense.
enum Failure {
    Final(RegistryError),
    Temporary {
        error: RegistryError,
        attempts: u32,
        after: Option<Duration>,
    },
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Final(error)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps behind these locks are valid after every single statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Transport {
    pub(super) fn new(options: RegistryOptions) -> Result<Self, RegistryError> {
        let http = Clients::new(&options)?;
        Ok(Self {
            credentials: CredentialStore::new(options.docker_config.clone()),
            options,
            http,
            hosts: Mutex::default(),
            requests: Mutex::default(),
        })
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
        let mut attempt = 1;
        loop {
            let (error, attempts, after) = match self.attempt(host, &mut call).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Temporary {
                    error,
                    attempts,
                    after,
                }) => (error, attempts, after),
            };
            if attempt >= attempts || matches!(call.body, Body::Stream(None, _)) {
                return Err(error);
            }
            let delay = after
                .unwrap_or(FIRST_DELAY * 2u32.pow(attempt - 1))
                .min(LONGEST_DELAY);
            tracing::debug!(%error, ?delay, "repeating a registry request");
            tokio::time::sleep(delay).await;
            attempt += 1;
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
            let challenge = challenge(&answer.headers);
            let is_news = authorization.is_none() || matches!(challenge, Some(Challenge::Bearer { .. }));
            if renewed || !is_news || challenge.is_none() || matches!(call.body, Body::Stream(None, _)) {
                let has_credentials = self.credentials(&host.name).await?.is_some();
                return Err(call.subject.refused(has_credentials, said(&answer.body)).into());
            }
            renewed = true;
            locked(&host.learned).challenge = challenge;
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
                    locked(&host.learned).scheme = Some(scheme);
                    return Ok(answer);
                }
                // Without a connection over any scheme, the failure of the preferred one tells more.
                Err(
                    failure @ Failure::Temporary {
                        attempts: CONNECT_ATTEMPTS,
                        ..
                    },
                ) => preferred = preferred.or(Some(failure)),
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
                return self.read(call, response, url).await;
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
        let mut request = self.http.of(url).request(call.method.clone(), url.clone());
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
        request = match &mut call.body {
            Body::Empty if [Method::POST, Method::PUT].contains(&call.method) => {
                request.header(CONTENT_LENGTH, 0)
            }
            Body::Empty => request,
            Body::Bytes(bytes) => request.body(bytes.clone()),
            Body::Stream(stream, size) => {
                let request = request.header(CONTENT_LENGTH, *size);
                request.body(stream.take().unwrap_or_default())
            }
        };
        self.count(&call.method, url);
        request
            .send()
            .await
            .map_err(|error| temporary(&call.subject, error))
    }

    fn count(&self, method: &Method, url: &Url) {
        let host = url.host_str().unwrap_or_default();
        let host = url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        *locked(&self.requests)
            .entry((method.to_string(), host))
            .or_default() += 1;
    }

    async fn read(&self, call: &Call, response: Response, url: Url) -> Result<Answer, Failure> {
        let (status, headers) = (response.status(), response.headers().clone());
        let (body, stream) = match call.read {
            Read::Nothing if status.is_success() => (Bytes::new(), Some(response)),
            _ if !status.is_success() => (
                read_bounded(response, ERROR_BODY_LIMIT).await.unwrap_or_default(),
                None,
            ),
            Read::Whole(limit) => match read_bounded(response, limit).await {
                Ok(body) => (body, None),
                Err(Unread::TooLong) => {
                    return Err(call
                        .subject
                        .content(format!("it is longer than {limit} bytes"))
                        .into());
                }
                Err(Unread::Broken(error)) => return Err(temporary(&call.subject, error)),
            },
            Read::Nothing => (Bytes::new(), None),
        };
        if is_temporary(status) {
            let error = call.subject.answer(status.as_u16(), said(&body));
            let after = headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            let after = after.map(Duration::from_secs);
            return Err(Failure::Temporary {
                error,
                attempts: ATTEMPTS,
                after,
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

    /// What to send as authorization; nothing until the host has asked for it.
    async fn authorization(
        &self,
        host: &Host,
        subject: &Subject,
        scopes: &[String],
    ) -> Result<Option<HeaderValue>, Failure> {
        let challenge = locked(&host.learned).challenge.clone();
        let text = match challenge {
            None => return Ok(None),
            Some(Challenge::Basic) => match self.credentials(&host.name).await? {
                Some(Credentials::Password { user, secret }) => basic(&user, &secret),
                _ => return Ok(None),
            },
            Some(Challenge::Bearer { realm, service }) => {
                // One caller fetches a token, the others of the same scope wait for it.
                let mut tokens = host.tokens.lock().await;
                let cached = tokens.get(scopes).filter(|token| token.stale_at > Instant::now());
                let token = match cached {
                    Some(token) => token.clone(),
                    None => {
                        let token = self.fetch_token(host, subject, &realm, &service, scopes).await?;
                        tokens.insert(scopes.to_vec(), token.clone());
                        token
                    }
                };
                format!("Bearer {}", token.token)
            }
        };
        let value = HeaderValue::from_str(&text);
        value
            .map(Some)
            .map_err(|_| subject.content("its token cannot be sent in a header").into())
    }

    /// A token for an engine; see [`super::Registry::token`].
    pub(super) async fn token_for(
        &self,
        registry: &str,
        realm: &str,
        service: &str,
        scopes: &[String],
    ) -> Result<AccessToken, RegistryError> {
        let host = self.host(registry);
        let subject = Subject {
            action: "get a token for",
            name: scopes.join(" "),
            host: registry.to_owned(),
        };
        let mut attempt = 1;
        loop {
            match self.fetch_token(&host, &subject, realm, service, scopes).await {
                Ok(token) => return Ok(token),
                Err(Failure::Temporary { attempts, after, .. }) if attempt < attempts => {
                    let delay = after
                        .unwrap_or(FIRST_DELAY * 2u32.pow(attempt - 1))
                        .min(LONGEST_DELAY);
                    tokio::time::sleep(delay).await;
                    attempt += 1;
                }
                Err(Failure::Final(error) | Failure::Temporary { error, .. }) => return Err(error),
            }
        }
    }

    async fn fetch_token(
        &self,
        host: &Host,
        subject: &Subject,
        realm: &str,
        service: &str,
        scopes: &[String],
    ) -> Result<AccessToken, Failure> {
        let refuse = |reason| RegistryError::Realm {
            host: host.name.clone(),
            realm: printable(realm, 100),
            reason,
        };
        let mut url = Url::parse(realm).map_err(|_| refuse("not a URL"))?;
        let plain = locked(&host.learned).scheme.unwrap_or(host.schemes[0]) == "http";
        check_realm(&host.address, plain, &url, &self.options.token_hosts).map_err(refuse)?;
        let credentials = self.credentials(&host.name).await?;
        let fields = token_fields(service, scopes, credentials.as_ref());
        let request = match &credentials {
            Some(Credentials::Identity(_)) => {
                self.count(&Method::POST, &url);
                let form = reqwest::Url::parse_with_params("http://form", &fields);
                let form = form
                    .ok()
                    .and_then(|url| url.query().map(str::to_owned))
                    .unwrap_or_default();
                self.http
                    .of(&url)
                    .post(url)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form)
            }
            Some(Credentials::Password { user, secret }) => {
                url.query_pairs_mut().extend_pairs(&fields);
                self.count(&Method::GET, &url);
                self.http.of(&url).get(url).basic_auth(user, Some(secret))
            }
            None => {
                url.query_pairs_mut().extend_pairs(&fields);
                self.count(&Method::GET, &url);
                self.http.of(&url).get(url)
            }
        };
        let response = request.send().await.map_err(|error| temporary(subject, error))?;
        let status = response.status();
        let body = read_bounded(response, TOKEN_LIMIT).await.unwrap_or_default();
        if is_temporary(status) {
            let error = subject.answer(status.as_u16(), "; its token service is overloaded".to_owned());
            return Err(Failure::Temporary {
                error,
                attempts: ATTEMPTS,
                after: None,
            });
        }
        if !status.is_success() {
            return Err(subject.refused(credentials.is_some(), said(&body)).into());
        }
        read_answer(&body).ok_or_else(|| {
            subject
                .content("its token service answered without a token")
                .into()
        })
    }
}

fn token_fields(
    service: &str,
    scopes: &[String],
    credentials: Option<&Credentials>,
) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if !service.is_empty() {
        fields.push(("service", service.to_owned()));
    }
    match credentials {
        Some(Credentials::Identity(token)) => {
            fields.push(("grant_type", "refresh_token".to_owned()));
            fields.push(("refresh_token", token.clone()));
            fields.push(("client_id", "kiel".to_owned()));
            fields.push(("scope", scopes.join(" ")));
        }
        Some(Credentials::Password { user, .. }) => {
            fields.push(("account", user.clone()));
            fields.extend(scopes.iter().map(|scope| ("scope", scope.clone())));
        }
        None => fields.extend(scopes.iter().map(|scope| ("scope", scope.clone()))),
    }
    fields
}

impl Host {
    fn new(name: &str, address: &str, prefix: &str, schemes: Vec<&'static str>) -> Self {
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            prefix: prefix.to_owned(),
            schemes,
            learned: Mutex::default(),
            first: tokio::sync::Mutex::default(),
            tokens: tokio::sync::Mutex::default(),
        }
    }

    fn schemes(&self) -> Vec<&'static str> {
        locked(&self.learned)
            .scheme
            .map_or_else(|| self.schemes.clone(), |scheme| vec![scheme])
    }

    fn url(&self, scheme: &str, path: &str) -> Option<Url> {
        Url::parse(&format!("{scheme}://{}{}{path}", self.address, self.prefix)).ok()
    }

    /// Whether a URL leads to this host, so that its credentials may go along.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        let allowed = self.schemes();
        allowed.contains(&url.scheme())
            && self
                .url(url.scheme(), "/")
                .is_some_and(|own| own.origin() == url.origin())
    }

    /// Waits for the first request to this host; the guard makes the caller the first.
    async fn hold_first(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let is_known = || locked(&self.learned).scheme.is_some();
        if is_known() {
            return None;
        }
        let guard = self.first.lock().await;
        (!is_known()).then_some(guard)
    }
}

/// What Go's HTTP server says to a plain request on a TLS port; it says nothing more to a HEAD.
fn wants_tls(answer: &Answer) -> bool {
    answer.status == StatusCode::BAD_REQUEST
        && answer.header("docker-distribution-api-version").is_none()
        && (answer.body.is_empty()
            || answer
                .body
                .starts_with(b"Client sent an HTTP request to an HTTPS"))
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

fn temporary(subject: &Subject, error: reqwest::Error) -> Failure {
    let attempts = if error.is_connect() {
        CONNECT_ATTEMPTS
    } else {
        ATTEMPTS
    };
    match subject.unreachable(describe(error)) {
        // A certificate does not get better; the scheme may still be the wrong one.
        error @ RegistryError::Tls { .. } => Failure::Temporary {
            error,
            attempts: CONNECT_ATTEMPTS,
            after: Some(Duration::ZERO),
        },
        error => Failure::Temporary {
            error,
            attempts,
            after: None,
        },
    }
}

fn basic(user: &str, secret: &str) -> String {
    use base64::Engine as _;
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"))
    )
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
    Broken(reqwest::Error),
}

async fn read_bounded(mut response: Response, limit: u64) -> Result<Bytes, Unread> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(Unread::TooLong);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(Unread::Broken)? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Unread::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
