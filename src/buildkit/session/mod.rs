//! The build session: a gRPC server of ours inside a stream that we opened to the engine.
//!
//! The engine speaks HTTP/2 to us within the messages of `Control.Session`, so a tonic server runs on one end of
//! a pipe in memory and the other end is pumped to and from the engine. It serves content by digest, registry
//! authority, secrets, SSH agents and health, and nothing of this machine's file system. It ends when it is dropped.

mod auth;
mod services;
mod ssh;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bollard_buildkit_proto::health::health_server::HealthServer;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard_buildkit_proto::moby::buildkit::v1::BytesMessage;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

use super::client::Client;
use super::content::ContentServer;
use super::error::{ClientError, clean};
use crate::registry::{AccessToken, ContentStore, Credentials, DOCKER_HUB, Layout, Registry, RegistryError};
use services::{Authority, Health, SecretStore};

/// The calls that an engine may make; it asks for no others.
const METHODS: [&str; 8] = [
    "/grpc.health.v1.Health/Check",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.filesync.v1.Auth/FetchToken",
    "/moby.filesync.v1.Auth/GetTokenAuthority",
    "/moby.filesync.v1.Auth/VerifyTokenAuthority",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/containerd.services.content.v1.Content/Info",
    "/containerd.services.content.v1.Content/Read",
];
/// Those that it may make where there are SSH agents.
const SSH_METHODS: [&str; 2] = [
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
];
const PIPE: usize = 1 << 20;
const PUMP: usize = 256 << 10;

/// Who speaks for us to registries on behalf of an engine.
#[tonic::async_trait]
pub trait RegistryAuthority: Send + Sync {
    /// Whether it speaks for this host. An engine that asks for another one is answered as if there were no
    /// credentials.
    fn serves(&self, host: &str) -> bool;

    /// The credentials themselves, for registries without a token service.
    async fn credentials(&self, host: &str) -> Result<Option<Credentials>, RegistryError>;

    /// A token, so that the credentials stay here.
    async fn token(
        &self,
        host: &str,
        realm: &str,
        service: &str,
        scopes: &[String],
    ) -> Result<AccessToken, RegistryError>;
}

/// The run's registry client, for exactly the hosts that were named.
#[derive(Debug, Clone)]
pub struct NamedHosts {
    /// The client.
    pub registry: Registry,
    /// The hosts, as they stand in references.
    pub hosts: BTreeSet<String>,
}

impl NamedHosts {
    /// The name in references of a host that an engine asks for.
    fn name(host: &str) -> &str {
        if ["registry-1.docker.io", "index.docker.io"].contains(&host) {
            DOCKER_HUB
        } else {
            host
        }
    }
}

#[tonic::async_trait]
impl RegistryAuthority for NamedHosts {
    fn serves(&self, host: &str) -> bool {
        self.hosts.contains(Self::name(host))
    }

    async fn credentials(&self, host: &str) -> Result<Option<Credentials>, RegistryError> {
        self.registry.credentials(Self::name(host)).await
    }

    async fn token(
        &self,
        host: &str,
        realm: &str,
        service: &str,
        scopes: &[String],
    ) -> Result<AccessToken, RegistryError> {
        self.registry
            .token(Self::name(host), realm, service, scopes)
            .await
    }
}

/// What a session serves.
#[derive(Clone)]
pub struct SessionServices {
    /// Content by digest, as `oci-layout://` sources with this session name it.
    pub content: Arc<dyn ContentStore>,
    /// Authority for registries; none if no host was named.
    pub authority: Option<Arc<dyn RegistryAuthority>>,
    /// Secrets by id.
    pub secrets: BTreeMap<String, Bytes>,
    /// Sockets of SSH agents by id.
    pub agents: BTreeMap<String, PathBuf>,
}

impl Default for SessionServices {
    fn default() -> Self {
        Self {
            content: Arc::new(Layout::new()),
            authority: None,
            secrets: BTreeMap::new(),
            agents: BTreeMap::new(),
        }
    }
}

/// An open session.
#[derive(Debug)]
pub struct Session {
    id: String,
    tasks: JoinSet<()>,
}

impl Session {
    /// Opens a session at an engine.
    ///
    /// # Errors
    /// [`ClientError::Call`].
    pub async fn open(client: &Client, services: SessionServices) -> Result<Self, ClientError> {
        let fail = |reason: String| ClientError::Call {
            action: "open a session",
            address: client.address().to_string(),
            reason,
        };
        let id = super::random_name().map_err(|error| fail(error.to_string()))?;
        let (near, far) = tokio::io::duplex(PIPE);
        let (sender, receiver) = mpsc::channel(32);
        let mut request = Request::new(ReceiverStream::new(receiver));
        let metadata = request.metadata_mut();
        let text = |value: &str| {
            value
                .parse()
                .map_err(|_| fail("its name is not valid metadata".to_owned()))
        };
        metadata.insert("x-docker-expose-session-uuid", text(&id)?);
        metadata.insert("x-docker-expose-session-name", text("kiel")?);
        let ssh: &[&str] = if services.agents.is_empty() {
            &[]
        } else {
            &SSH_METHODS
        };
        for method in METHODS.iter().chain(ssh) {
            metadata.append("x-docker-expose-session-grpc-method", text(method)?);
        }
        let mut tasks = JoinSet::new();
        // The server comes first: its greeting is then the first thing that the engine reads.
        tasks.spawn(serve(near, services));
        let mut control = client.control();
        let opened = control.session(request).await;
        let incoming = opened
            .map_err(|status| fail(clean(status.message())))?
            .into_inner();
        tasks.spawn(pump(far, incoming, sender));
        Ok(Self { id, tasks })
    }

    /// Its name, for `oci.session` attributes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends it and waits until it has ended.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn serve(pipe: DuplexStream, services: SessionServices) {
    let server = tonic::transport::Server::builder()
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(16 << 20)
        .max_frame_size(1 << 20)
        .add_service(HealthServer::new(Health))
        .add_service(AuthServer::new(Authority::new(services.authority)))
        .add_service(SecretsServer::new(SecretStore(services.secrets)))
        .add_service(SshServer::new(ssh::Agents(services.agents)))
        .add_service(ContentServer(services.content));
    let incoming = tokio_stream::once(Ok::<_, std::io::Error>(pipe));
    if let Err(error) = server.serve_with_incoming(incoming).await {
        tracing::debug!(%error, "the session's server ended");
    }
}

async fn pump(
    mut pipe: DuplexStream,
    mut incoming: Streaming<BytesMessage>,
    outgoing: mpsc::Sender<BytesMessage>,
) {
    let mut buffer = vec![0; PUMP];
    loop {
        tokio::select! {
            read = pipe.read(&mut buffer) => {
                let length = match read {
                    Ok(0) | Err(_) => return,
                    Ok(length) => length,
                };
                if outgoing.send(BytesMessage { data: buffer[..length].to_vec() }).await.is_err() {
                    return;
                }
            }
            message = incoming.message() => {
                let Ok(Some(message)) = message else { return };
                if pipe.write_all(&message.data).await.is_err() {
                    return;
                }
            }
        }
    }
}
