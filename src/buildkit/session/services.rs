//! The small services of a session: health, secrets, registry authority.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse, health_server,
};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{
    GetSecretRequest, GetSecretResponse, secrets_server,
};
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse, auth_server,
};
use bytes::Bytes;
use tonic::{Request, Response, Status};

use super::{RegistryAuthority, auth};
use crate::registry::{Credentials, RegistryError};

type Answer<T> = Result<Response<T>, Status>;

/// Engines ask every few seconds and close a session that does not answer.
pub(super) struct Health;

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Answer<HealthCheckResponse> {
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::Serving as i32,
        }))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Answer<HealthListResponse> {
        Err(Status::unimplemented("only Check is served here"))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Answer<Self::WatchStream> {
        Err(Status::unimplemented("only Check is served here"))
    }
}

/// Secrets by id.
pub(super) struct SecretStore(pub(super) BTreeMap<String, Bytes>);

#[tonic::async_trait]
impl secrets_server::Secrets for SecretStore {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Answer<GetSecretResponse> {
        let id = &request.get_ref().id;
        let found = self
            .0
            .get(id)
            .ok_or_else(|| Status::not_found(format!("secret {id} not found")))?;
        Ok(Response::new(GetSecretResponse { data: found.to_vec() }))
    }
}

/// Registry authority: tokens where the registry has a token service, credentials where it has none, and neither
/// for hosts that nobody named.
pub(super) struct Authority(Option<Arc<dyn RegistryAuthority>>);

impl Authority {
    pub(super) fn new(authority: Option<Arc<dyn RegistryAuthority>>) -> Self {
        Self(authority)
    }

    fn of(&self, host: &str) -> Option<&Arc<dyn RegistryAuthority>> {
        let found = self.0.as_ref().filter(|authority| authority.serves(host));
        if found.is_none() {
            tracing::debug!(
                host,
                "the engine asked for credentials of a host that was not named"
            );
        }
        found
    }

    fn named(&self, host: &str) -> Result<&Arc<dyn RegistryAuthority>, Status> {
        // Unavailable makes the engine go on by itself, without credentials.
        self.of(host)
            .ok_or_else(|| Status::unavailable("no authority for this host"))
    }
}

#[tonic::async_trait]
impl auth_server::Auth for Authority {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Answer<CredentialsResponse> {
        let host = &request.get_ref().host;
        let Some(authority) = self.of(host) else {
            return Ok(Response::new(CredentialsResponse::default()));
        };
        let found = authority
            .credentials(host)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(match found {
            Some(Credentials::Password {
                user: username,
                secret,
            }) => CredentialsResponse { username, secret },
            // An empty user tells the engine that this is a refresh token.
            Some(Credentials::Identity(secret)) => CredentialsResponse {
                username: String::new(),
                secret,
            },
            None => CredentialsResponse::default(),
        }))
    }

    async fn fetch_token(&self, request: Request<FetchTokenRequest>) -> Answer<FetchTokenResponse> {
        let FetchTokenRequest {
            host,
            realm,
            service,
            scopes,
            ..
        } = request.into_inner();
        let token = self.named(&host)?.token(&host, &realm, &service, &scopes).await;
        let token = token.map_err(|error| refusal(&error))?;
        let expires_in = i64::try_from(token.expires_in).unwrap_or(i64::MAX);
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let issued_at = i64::try_from(now.as_secs()).unwrap_or_default();
        Ok(Response::new(FetchTokenResponse {
            token: token.token,
            expires_in,
            issued_at,
        }))
    }

    async fn get_token_authority(
        &self,
        request: Request<GetTokenAuthorityRequest>,
    ) -> Answer<GetTokenAuthorityResponse> {
        let GetTokenAuthorityRequest { host, salt } = request.into_inner();
        self.named(&host)?;
        let key = auth::key(&host, &salt).ok_or_else(|| Status::unavailable("no key could be made"))?;
        Ok(Response::new(GetTokenAuthorityResponse {
            public_key: auth::public_key(&key),
        }))
    }

    async fn verify_token_authority(
        &self,
        request: Request<VerifyTokenAuthorityRequest>,
    ) -> Answer<VerifyTokenAuthorityResponse> {
        let VerifyTokenAuthorityRequest { host, payload, salt } = request.into_inner();
        self.named(&host)?;
        let key = auth::key(&host, &salt).ok_or_else(|| Status::unavailable("no key could be made"))?;
        Ok(Response::new(VerifyTokenAuthorityResponse {
            signed: auth::signed(&key, &payload),
        }))
    }
}

fn refusal(error: &RegistryError) -> Status {
    Status::unauthenticated(error.to_string())
}
