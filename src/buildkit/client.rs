//! A connection to an engine: addresses, connecting, and the calls that are not solves.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::{InfoRequest, PruneRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Endpoint};

use super::error::{ClientError, clean};

/// BuildKit's own limit for messages, both ways.
pub(super) const MESSAGE_LIMIT: usize = 16 << 20;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket file.
    Unix(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

impl FromStr for Address {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let invalid = || ClientError::Address {
            text: text.to_owned(),
        };
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp", host)) => {
                let port = host.rsplit_once(':').map(|(_, port)| port);
                let is_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
                if is_port {
                    Ok(Self::Tcp(host.to_owned()))
                } else {
                    Err(invalid())
                }
            }
            _ => Err(invalid()),
        }
    }
}

/// How much disk an engine's cache may take after a run. Bytes; 0 sets no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruneBudget {
    /// Never prune below this much.
    pub reserved: u64,
    /// Prune down to this much.
    pub max_used: u64,
    /// Prune until this much of the disk is free.
    pub min_free: u64,
}

/// A connection to an engine. Clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    address: Address,
    channel: Channel,
    version: String,
}

impl Client {
    /// Connects and makes sure that BuildKit is at the other end.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub async fn connect(address: &Address) -> Result<Self, ClientError> {
        let fail = |reason: String| ClientError::Connect {
            address: address.to_string(),
            reason,
        };
        // Flow control windows that let layers through at full speed.
        let endpoint = Endpoint::from_static("http://localhost")
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(16 << 20)
            .connect_timeout(CONNECT_LIMIT);
        let target = address.clone();
        let connector = tower::service_fn(move |_| connect(target.clone()));
        let channel = endpoint
            .connect_with_connector(connector)
            .await
            .map_err(|error| fail(chain(&error)))?;
        let mut client = Self {
            address: address.clone(),
            channel,
            version: String::new(),
        };
        let mut control = client.control();
        let info = match tokio::time::timeout(CONNECT_LIMIT, control.info(InfoRequest {})).await {
            Ok(info) => info.map_err(|status| fail(clean(status.message())))?,
            Err(_) => {
                return Err(fail(format!(
                    "it does not answer within {} s",
                    CONNECT_LIMIT.as_secs()
                )));
            }
        };
        client.version = info
            .into_inner()
            .buildkit_version
            .map(|found| found.version)
            .unwrap_or_default();
        Ok(client)
    }

    /// Where it is connected to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The engine's version, as `v0.32.2`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Removes what is unused and over the budget from the engine's cache, and tells how many bytes that freed.
    /// Short-lived engines never do it themselves.
    ///
    /// # Errors
    /// [`ClientError::Call`].
    pub async fn prune(&self, budget: PruneBudget) -> Result<u64, ClientError> {
        let fail = |status: tonic::Status| ClientError::Call {
            action: "prune the cache",
            address: self.address.to_string(),
            reason: clean(status.message()),
        };
        let bytes = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
        let request = PruneRequest {
            reserved_space: bytes(budget.reserved),
            max_used_space: bytes(budget.max_used),
            min_free_space: bytes(budget.min_free),
            ..PruneRequest::default()
        };
        let mut records = self.control().prune(request).await.map_err(fail)?.into_inner();
        let mut freed = 0;
        while let Some(record) = records.message().await.map_err(fail)? {
            freed += u64::try_from(record.size).unwrap_or_default();
        }
        Ok(freed)
    }

    pub(super) fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT)
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }
}

/// Both kinds of connection behind one type.
async fn connect(address: Address) -> std::io::Result<TokioIo<Box<dyn Connection>>> {
    let connection: Box<dyn Connection> = match address {
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Address::Tcp(host) => {
            let stream = TcpStream::connect(host).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
    };
    Ok(TokioIo::new(connection))
}

trait Connection: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Connection for T {}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    clean(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_unix_or_tcp() {
        assert_eq!(
            "unix:///run/b.sock".parse::<Address>().unwrap(),
            Address::Unix("/run/b.sock".into())
        );
        assert_eq!(
            "tcp://[::1]:1234".parse::<Address>().unwrap().to_string(),
            "tcp://[::1]:1234"
        );
        for bad in [
            "",
            "unix://relative",
            "/run/b.sock",
            "tcp://host",
            "tcp://host:x",
            "kube-pod://x",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named() {
        let error = Client::connect(&Address::Unix("/nonexistent/sock".into()))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`unix:///nonexistent/sock`: No such file"),
            "{error}"
        );
        let error = Client::connect(&Address::Tcp("127.0.0.1:1".into()))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("refused") && error.contains("BUILDKIT_HOST"),
            "{error}"
        );
    }
}
