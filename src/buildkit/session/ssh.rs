//! SSH agents of this machine for commands that mount them (`RUN --mount=type=ssh`).
//!
//! Bytes go to the agent's socket and back; keys never leave the agent. Only agents that werf.yaml names are reached.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;

use bollard_buildkit_proto::moby::sshforward::v1::{
    BytesMessage, CheckAgentRequest, CheckAgentResponse, ssh_server,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The header by which an engine says which agent it wants.
const ID: &str = "buildkit.ssh.id";
/// The agent that is meant without it.
const DEFAULT: &str = "default";
const CHUNK: usize = 32 << 10;

/// Sockets of agents by id.
pub(super) struct Agents(pub(super) BTreeMap<String, PathBuf>);

impl Agents {
    fn socket(&self, id: &str) -> Result<&PathBuf, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        self.0
            .get(id)
            .ok_or_else(|| Status::not_found(format!("no SSH agent `{id}`: add `ssh: {id}` to the image")))
    }
}

#[tonic::async_trait]
impl ssh_server::Ssh for Agents {
    type ForwardAgentStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.socket(&request.get_ref().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get(ID).and_then(|id| id.to_str().ok());
        let path = self.socket(id.unwrap_or_default())?;
        let agent = UnixStream::connect(path)
            .await
            .map_err(|error| Status::unavailable(format!("no SSH agent at `{}`: {error}", path.display())))?;
        let (sender, receiver) = mpsc::channel(8);
        // It ends with the command's connection, which the session's end closes too.
        tokio::spawn(forward(agent, request.into_inner(), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

async fn forward(
    mut agent: UnixStream,
    mut asked: Streaming<BytesMessage>,
    answers: mpsc::Sender<Result<BytesMessage, Status>>,
) {
    let mut buffer = vec![0; CHUNK];
    loop {
        tokio::select! {
            read = agent.read(&mut buffer) => {
                let length = match read {
                    Ok(0) | Err(_) => return,
                    Ok(length) => length,
                };
                let message = BytesMessage { data: buffer[..length].to_vec() };
                if answers.send(Ok(message)).await.is_err() {
                    return;
                }
            }
            message = asked.message() => {
                let Ok(Some(message)) = message else { return };
                if agent.write_all(&message.data).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard_buildkit_proto::moby::sshforward::v1::ssh_client::SshClient;
    use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
    use hyper_util::rt::TokioIo;
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn bytes_go_to_the_agent_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        let agent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 4];
            stream.read_exact(&mut asked).await.unwrap();
            asked.reverse();
            stream.write_all(&asked).await.unwrap();
        });
        let (near, far) = tokio::io::duplex(1 << 16);
        let agents = Agents(BTreeMap::from([("default".to_owned(), path)]));
        let incoming = tokio_stream::once(Ok::<_, std::io::Error>(near));
        let server = tonic::transport::Server::builder().add_service(SshServer::new(agents));
        let server = tokio::spawn(server.serve_with_incoming(incoming));
        let mut far = Some(TokioIo::new(far));
        let connector = tower::service_fn(move |_| {
            let far = far.take().ok_or(std::io::ErrorKind::NotConnected);
            async move { far.map_err(std::io::Error::from) }
        });
        let channel = tonic::transport::Endpoint::from_static("http://localhost")
            .connect_with_connector(connector)
            .await
            .unwrap();
        let mut client = SshClient::new(channel);
        let check = |id: &str| CheckAgentRequest { id: id.to_owned() };
        client.check_agent(check("")).await.unwrap();
        let refused = client.check_agent(check("other")).await.unwrap_err();
        assert!(refused.message().contains("`ssh: other`"), "{refused}");
        let (sender, receiver) = mpsc::channel(1);
        sender
            .send(BytesMessage {
                data: b"abcd".to_vec(),
            })
            .await
            .unwrap();
        let mut answers = client
            .forward_agent(ReceiverStream::new(receiver))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answers.message().await.unwrap().unwrap().data, b"dcba");
        agent.await.unwrap();
        server.abort();
    }
}
