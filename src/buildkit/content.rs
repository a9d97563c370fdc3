//! The two calls of containerd's content service (`containerd.services.content.v1`) that an engine makes on a
//! session: `Info` and `Read`. Messages and service are written by hand after the published field numbers; all
//! other calls answer "unimplemented".

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, BoxFuture, StdError, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};

use crate::registry::{Blob, BlobData, BlobRead, ContentStore, Digest};

const CHUNK: usize = 1 << 20;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct InfoRequest {
    #[prost(string, tag = "1")]
    digest: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Info {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(int64, tag = "2")]
    size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    info: Option<Info>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReadRequest {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(int64, tag = "2")]
    offset: i64,
    #[prost(int64, tag = "3")]
    size: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReadResponse {
    #[prost(int64, tag = "1")]
    offset: i64,
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
}

/// Serves a store. Clones share it.
#[derive(Clone)]
pub(super) struct ContentServer(pub(super) Arc<dyn ContentStore>);

impl ContentServer {
    fn find(&self, digest: &str) -> Result<Blob, Status> {
        let missing = || Status::not_found(format!("content {digest} is not served here"));
        let parsed: Digest = digest.parse().map_err(|_| missing())?;
        self.0.blob(&parsed).ok_or_else(missing)
    }
}

impl NamedService for ContentServer {
    const NAME: &'static str = "containerd.services.content.v1.Content";
}

impl<B> tower::Service<http::Request<B>> for ContentServer
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let server = self.clone();
        let method = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        Box::pin(async move {
            Ok(match method.as_str() {
                "Info" => {
                    Grpc::new(tonic_prost::ProstCodec::default())
                        .unary(InfoCall(server), request)
                        .await
                }
                "Read" => {
                    let mut grpc = Grpc::new(tonic_prost::ProstCodec::default());
                    grpc.server_streaming(ReadCall(server), request).await
                }
                _ => Status::unimplemented("only Info and Read are served here").into_http(),
            })
        })
    }
}

struct InfoCall(ContentServer);

impl UnaryService<InfoRequest> for InfoCall {
    type Response = InfoResponse;
    type Future = BoxFuture<Response<InfoResponse>, Status>;

    fn call(&mut self, request: Request<InfoRequest>) -> Self::Future {
        let found = self.0.find(&request.get_ref().digest).map(|blob| {
            let info = Info {
                digest: blob.digest.to_string(),
                size: size_of(&blob),
            };
            Response::new(InfoResponse { info: Some(info) })
        });
        Box::pin(async move { found })
    }
}

struct ReadCall(ContentServer);

type Chunks = Pin<Box<dyn tokio_stream::Stream<Item = Result<ReadResponse, Status>> + Send>>;

impl ServerStreamingService<ReadRequest> for ReadCall {
    type Response = ReadResponse;
    type ResponseStream = Chunks;
    type Future = BoxFuture<Response<Chunks>, Status>;

    fn call(&mut self, request: Request<ReadRequest>) -> Self::Future {
        let ReadRequest { digest, offset, size } = request.into_inner();
        let found = self.0.find(&digest);
        Box::pin(async move {
            let blob = found?;
            let whole = size_of(&blob);
            if offset < 0 || offset > whole {
                return Err(Status::out_of_range(format!(
                    "content {digest} has {whole} bytes"
                )));
            }
            let end = if size > 0 {
                whole.min(offset.saturating_add(size))
            } else {
                whole
            };
            let chunks: Chunks = match blob.data {
                BlobData::Bytes(bytes) => Box::pin(tokio_stream::iter(slices(&bytes, offset, end))),
                BlobData::Reader(reader) => Box::pin(read(reader, offset, end)),
                BlobData::File(path) => {
                    let (sender, receiver) = mpsc::channel(2);
                    tokio::spawn(async move {
                        if let Err(error) = read_file(&path, offset, end, &sender).await {
                            let text = format!("cannot read `{}`: {error}", path.display());
                            // A receiver that is gone wants nothing any more.
                            drop(sender.send(Err(Status::internal(text))).await);
                        }
                    });
                    Box::pin(ReceiverStream::new(receiver))
                }
            };
            Ok(Response::new(chunks))
        })
    }
}

fn size_of(blob: &Blob) -> i64 {
    i64::try_from(blob.size).unwrap_or(i64::MAX)
}

/// `bytes[offset..end]` in messages below the limit. Both are within the content, which is in memory.
fn slices(bytes: &Bytes, offset: i64, end: i64) -> Vec<Result<ReadResponse, Status>> {
    let index = |at: i64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    let part = bytes.slice(index(offset)..index(end));
    let starts = (0..part.len()).step_by(CHUNK);
    let slice = |start: usize| ReadResponse {
        offset: offset + i64::try_from(start).unwrap_or_default(),
        data: part.slice(start..part.len().min(start + CHUNK)),
    };
    starts.map(|start| Ok(slice(start))).collect()
}

/// The same of content that is somewhere else, with one message of it in memory.
fn read(
    reader: Arc<dyn BlobRead>,
    offset: i64,
    end: i64,
) -> impl tokio_stream::Stream<Item = Result<ReadResponse, Status>> + Send {
    futures::stream::try_unfold(offset, move |offset| {
        let reader = reader.clone();
        async move {
            if offset >= end {
                return Ok(None);
            }
            let length = usize::try_from(end - offset).unwrap_or(CHUNK).min(CHUNK);
            let read =
                tokio::task::spawn_blocking(move || reader.read_at(offset.unsigned_abs(), length)).await;
            let data = read
                .map_err(std::io::Error::other)
                .flatten()
                .map_err(|error| Status::internal(format!("cannot read a layer: {error}")))?;
            if data.is_empty() {
                return Err(Status::internal("cannot read a layer: it is shorter than it was"));
            }
            let next = offset + i64::try_from(data.len()).unwrap_or_default();
            Ok(Some((ReadResponse { offset, data }, next)))
        }
    })
}

async fn read_file(
    path: &std::path::Path,
    mut offset: i64,
    end: i64,
    sender: &mpsc::Sender<Result<ReadResponse, Status>>,
) -> std::io::Result<()> {
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(std::io::SeekFrom::Start(offset.unsigned_abs())).await?;
    while offset < end {
        let length = usize::try_from(end - offset).unwrap_or(CHUNK).min(CHUNK);
        let mut data = vec![0; length];
        file.read_exact(&mut data).await?;
        if sender
            .send(Ok(ReadResponse {
                offset,
                data: data.into(),
            }))
            .await
            .is_err()
        {
            return Ok(());
        }
        offset += i64::try_from(length).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_cut_at_the_bounds_that_were_asked_for() {
        let bytes = Bytes::from(vec![1; CHUNK + 10]);
        let sizes = |offset, end| -> Vec<usize> {
            slices(&bytes, offset, end)
                .into_iter()
                .map(|part| part.unwrap().data.len())
                .collect()
        };
        assert_eq!(sizes(0, (CHUNK + 10) as i64), [CHUNK, 10]);
        assert_eq!(sizes(5, 9), [4]);
        assert_eq!(sizes(9, 9), [0; 0]);
    }
}
