//! What requests are authorized with: passwords for a registry that asks for them, else tokens of its token service.

use std::time::Instant;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Url};

use super::body::Progress;
use super::host::Host;
use super::patience::{ATTEMPTS, Failure, Patience, is_temporary, retry_after};
use super::{Transport, read_bounded, said, temporary};
use crate::registry::RegistryError;
use crate::registry::credentials::Credentials;
use crate::registry::error::{Subject, printable};
use crate::registry::realm::{self, Asker};
use crate::registry::token::{AccessToken, Challenge, read_answer};

const TOKEN_LIMIT: u64 = 1 << 20;

impl Transport {
    /// What to send as authorization; nothing until the host has asked for it.
    pub(super) async fn authorization(
        &self,
        host: &Host,
        subject: &Subject,
        scopes: &[String],
    ) -> Result<Option<HeaderValue>, Failure> {
        let text = match host.challenge() {
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

    /// A token for an engine; see [`crate::registry::Registry::token`].
    pub(in crate::registry) async fn token_for(
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
        let mut patience = Patience::default();
        loop {
            match self.fetch_token(&host, &subject, realm, service, scopes).await {
                Ok(token) => return Ok(token),
                Err(failure) => patience.wait(failure).await?,
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
        let credentials = self.credentials(&host.name).await?;
        let url = self.checked_realm(host, realm, credentials.is_some()).await?;
        let request = self.token_request(url, service, scopes, credentials.as_ref())?;
        let sent = Progress::default()
            .answer(0, self.silence(), request.send())
            .await;
        let response = match sent {
            Some(response) => response.map_err(|error| temporary(subject, error))?,
            None => return Err(self.silent(subject)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_bounded(response, TOKEN_LIMIT, self.silence())
            .await
            .unwrap_or_default();
        if is_temporary(status) {
            let reason = format!(
                "; that was its token service `{}`{}",
                printable(realm, 100),
                said(&body)
            );
            return Err(Failure::Temporary {
                error: subject.answer(status.as_u16(), reason),
                attempts: ATTEMPTS,
                after: retry_after(&headers),
            });
        }
        if status.is_redirection() {
            let reason = format!("its token service `{}` sends us elsewhere", printable(realm, 100));
            return Err(subject.content(reason).into());
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

    /// The address of a token service that this registry may name.
    async fn checked_realm(
        &self,
        host: &Host,
        realm: &str,
        has_credentials: bool,
    ) -> Result<Url, RegistryError> {
        let refuse = |reason, remedy| RegistryError::Realm {
            host: host.name.clone(),
            realm: printable(realm, 100),
            reason,
            remedy,
        };
        let url = Url::parse(realm).map_err(|_| refuse("not a URL", String::new()))?;
        let asker = Asker {
            registry: &host.address,
            is_plain: host.is_plain(),
            has_credentials,
            named: &self.options.token_hosts,
        };
        match realm::check(&asker, &url).await {
            Ok(()) => Ok(url),
            Err(refusal) => {
                let remedy = refusal.host.map_or_else(String::new, |named| {
                    format!(
                        "; if that service may see the password for `{}`, add --registry-token-host {named}",
                        host.name
                    )
                });
                Err(refuse(refusal.reason, remedy))
            }
        }
    }

    fn token_request(
        &self,
        mut url: Url,
        service: &str,
        scopes: &[String],
        credentials: Option<&Credentials>,
    ) -> Result<RequestBuilder, RegistryError> {
        let fields = token_fields(service, scopes, credentials);
        let client = self.http.of(&url)?;
        if let Some(Credentials::Identity(_)) = credentials {
            self.count(&Method::POST, &url);
            let form = Url::parse_with_params("http://form", &fields).ok();
            let form = form.and_then(|url| url.query().map(str::to_owned));
            return Ok(client
                .post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.unwrap_or_default()));
        }
        url.query_pairs_mut().extend_pairs(&fields);
        self.count(&Method::GET, &url);
        let request = client.get(url);
        Ok(match credentials {
            Some(Credentials::Password { user, secret }) => request.basic_auth(user, Some(secret)),
            _ => request,
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

fn basic(user: &str, secret: &str) -> String {
    use base64::Engine as _;
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"))
    )
}
