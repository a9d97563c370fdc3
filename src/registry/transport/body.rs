//! What requests carry, and who watches that it moves.
//!
//! An upload may take as long as it takes; only one that stands still is given up. So there is no time limit for a
//! request, but one for silence: between two pieces of what is sent, before the answer, between two pieces of it.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use reqwest::Response;

use super::super::content::{BlobData, BlobRead};

const CHUNK: usize = 256 << 10;
/// How much longer than between two pieces a registry may think about a whole blob: it checks, and perhaps copies it.
const COMMIT_FACTOR: u32 = 5;

/// What a request carries.
pub(in crate::registry) enum Body {
    Empty,
    Bytes(Bytes),
    /// Opened anew for every attempt.
    Blob(BlobData, u64),
    /// Can be sent once.
    Stream(Option<Pieces>, u64),
}

/// Content on its way, piece by piece.
pub(in crate::registry) type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl Body {
    /// Whether it cannot be sent again.
    pub(super) fn is_spent(&self) -> bool {
        matches!(self, Self::Stream(None, _))
    }
}

/// How far a body has been taken away.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Counts what passes through.
    pub(super) fn watch(&self, pieces: Pieces) -> reqwest::Body {
        let taken = self.0.clone();
        reqwest::Body::wrap_stream(pieces.inspect(move |piece| {
            let length = piece.as_ref().map_or(0, Bytes::len) as u64;
            taken.fetch_add(length, Ordering::Relaxed);
        }))
    }

    /// Waits for an answer as long as something moves; nothing when all stood still for too long.
    pub(super) async fn answer<T>(
        &self,
        size: u64,
        silence: Duration,
        answer: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::pin!(answer);
        let mut seen = 0;
        loop {
            let limit = if seen >= size && size > 0 {
                silence * COMMIT_FACTOR
            } else {
                silence
            };
            if let Ok(answer) = tokio::time::timeout(limit, &mut answer).await {
                return Some(answer);
            }
            let now = self.0.load(Ordering::Relaxed);
            if now == seen {
                return None;
            }
            seen = now;
        }
    }
}

/// A blob from its beginning.
pub(super) async fn open(data: &BlobData, size: u64) -> io::Result<Pieces> {
    Ok(match data {
        BlobData::Bytes(bytes) => {
            let bytes = bytes.clone();
            let starts = (0..bytes.len()).step_by(CHUNK);
            let pieces: Vec<_> = starts
                .map(|start| Ok(bytes.slice(start..bytes.len().min(start + CHUNK))))
                .collect();
            Box::pin(futures::stream::iter(pieces))
        }
        BlobData::File(path) => Box::pin(file(path).await?),
        BlobData::Reader(reader) => Box::pin(read(reader.clone(), size)),
    })
}

async fn file(path: &Path) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
    let file = tokio::fs::File::open(path).await?;
    Ok(tokio_util::io::ReaderStream::with_capacity(file, CHUNK))
}

/// What a reader has, with one piece of it in memory.
fn read(reader: Arc<dyn BlobRead>, size: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    futures::stream::try_unfold(0, move |offset| {
        let reader = reader.clone();
        async move {
            if offset >= size {
                return Ok(None);
            }
            let piece = tokio::task::spawn_blocking(move || reader.read_at(offset, CHUNK)).await;
            let piece = piece.map_err(io::Error::other)??;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let next = offset + piece.len() as u64;
            Ok(Some((piece, next)))
        }
    })
}

/// An answer's content; an error when nothing comes for too long.
pub(in crate::registry) fn pieces(response: Response, silence: Duration) -> Pieces {
    Box::pin(futures::stream::try_unfold(
        response,
        move |mut response| async move {
            match chunk(&mut response, silence).await {
                Ok(Some(piece)) => Ok(Some((piece, response))),
                Ok(None) => Ok(None),
                Err(reason) => Err(io::Error::other(reason)),
            }
        },
    ))
}

/// The next piece of an answer's content, or in words why it does not come.
pub(super) async fn chunk(response: &mut Response, silence: Duration) -> Result<Option<Bytes>, String> {
    match tokio::time::timeout(silence, response.chunk()).await {
        Ok(piece) => piece.map_err(super::super::error::describe),
        Err(_) => Err(silent(silence)),
    }
}

/// How a silent host is described.
pub(super) fn silent(silence: Duration) -> String {
    format!("nothing moved for {} s", silence.as_secs_f32())
}
