//! A fake server, for faults that a real registry does not have: alone, or before a real one.

#![allow(dead_code, reason = "each test file uses its part")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

use super::authority::{Authority, der};

/// A request as the fake server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method and path.
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    /// How long its body is said to be.
    pub(crate) length: usize,
    /// The whole head, as it came.
    pub(crate) head: String,
}

impl Seen {
    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.line.starts_with(&format!("{method} ")) && self.line.contains(part)
    }
}

/// What is done with a request.
pub(crate) enum Action {
    /// Takes its body and answers with these bytes; no bytes reset the connection.
    Answer(Vec<u8>),
    /// Does this, and answers with these bytes then.
    AnswerAfter(Pin<Box<dyn Future<Output = ()> + Send>>, Vec<u8>),
    /// Takes this much of its body and resets the connection.
    CutAfter(usize),
    /// Takes this much of its body, and then stands still until the other side gives up.
    StopAfter(usize),
    /// Answers with these bytes and stands still.
    Stall(Vec<u8>),
    /// Answers with these bytes in pieces of so many, with a pause before each.
    Trickle(Vec<u8>, usize, Duration),
    /// Hands it to the real registry.
    Forward,
    /// Does this, and hands it to the real registry then.
    ForwardAfter(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// Hands it to the real registry, and resets the connection after this much of the answer.
    ForwardCut(usize),
}

type Act = dyn Fn(&Seen, usize) -> Action + Send + Sync;
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// How a fake server listens.
#[derive(Default)]
pub(crate) struct Place<'a> {
    /// The address; without one 127.0.0.1.
    pub(crate) address: Option<&'static str>,
    /// Who has signed its certificate; without one it speaks plain http.
    pub(crate) authority: Option<&'a Authority>,
    /// The address of the real registry behind it, which speaks plain http.
    pub(crate) behind: Option<String>,
}

/// A server that answers by a function.
pub(crate) struct Fake {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Fake {
    /// Answers the n-th request with `answer(request, n)`; empty bytes reset the connection.
    pub(crate) async fn start(
        answer: impl Fn(&Seen, usize) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::at(Place::default(), move |seen, number| {
            Action::Answer(answer(seen, number))
        })
        .await
    }

    /// Stands before a real registry.
    pub(crate) async fn before(
        registry: &str,
        act: impl Fn(&Seen, usize) -> Action + Send + Sync + 'static,
    ) -> Result<Self> {
        let place = Place {
            behind: Some(registry.to_owned()),
            ..Place::default()
        };
        Self::at(place, act).await
    }

    /// Does with the n-th request what `act(request, n)` says.
    pub(crate) async fn at(
        place: Place<'_>,
        act: impl Fn(&Seen, usize) -> Action + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind((place.address.unwrap_or("127.0.0.1"), 0)).await?;
        let address = listener.local_addr()?.to_string();
        let tls = place.authority.map(acceptor).transpose()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let (act, behind): (Arc<Act>, _) = (Arc::new(act), place.behind);
        let task = tokio::spawn(async move {
            // Connections end with the server.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, act, behind, tls) = (log.clone(), act.clone(), behind.clone(), tls.clone());
                connections.spawn(async move {
                    let Some(tls) = tls else {
                        return drop(serve(stream, &log, &*act, behind.as_deref()).await);
                    };
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(serve(stream, &log, &*act, behind.as_deref()).await);
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, seen, task })
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics while holding it").clone()
    }

    /// How many requests were of this kind.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, part)).count()
    }

    /// What was sent as authorization, in the order of the requests.
    pub(crate) fn authorizations(&self) -> Vec<String> {
        self.seen()
            .into_iter()
            .filter_map(|seen| seen.authorization)
            .collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(authority: &Authority) -> Result<TlsAcceptor> {
    let key = rustls::pki_types::PrivateKeyDer::try_from(der(&authority.key())?)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let certificate = der(&authority.certificate())?.into();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(
    mut stream: impl Stream,
    log: &Mutex<Vec<Seen>>,
    act: &Act,
    behind: Option<&str>,
) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let seen = read_head(String::from_utf8(head)?)?;
    let number = {
        let mut log = log.lock().expect("no test panics while holding it");
        log.push(seen.clone());
        log.len()
    };
    let body = match act(&seen, number) {
        Action::Answer(bytes) => {
            take(&mut stream, seen.length).await?;
            bytes
        }
        Action::AnswerAfter(before, bytes) => {
            take(&mut stream, seen.length).await?;
            before.await;
            bytes
        }
        Action::CutAfter(length) => {
            take(&mut stream, length.min(seen.length)).await?;
            Vec::new()
        }
        Action::StopAfter(length) => {
            take(&mut stream, length.min(seen.length)).await?;
            return stand_still(stream).await;
        }
        Action::Stall(bytes) => {
            take(&mut stream, seen.length).await?;
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            return stand_still(stream).await;
        }
        Action::Trickle(bytes, size, pause) => {
            take(&mut stream, seen.length).await?;
            for piece in bytes.chunks(size) {
                tokio::time::sleep(pause).await;
                stream.write_all(piece).await?;
                stream.flush().await?;
            }
            return Ok(stream.shutdown().await?);
        }
        Action::Forward => return forward(stream, &seen, behind, None).await,
        Action::ForwardAfter(before) => {
            before.await;
            return forward(stream, &seen, behind, None).await;
        }
        Action::ForwardCut(length) => return forward(stream, &seen, behind, Some(length)).await,
    };
    if body.is_empty() {
        bail!("reset");
    }
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    Ok(())
}

fn read_head(head: String) -> Result<Seen> {
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let line = head
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches(" HTTP/1.1");
    Ok(Seen {
        line: line.to_owned(),
        authorization: header("authorization"),
        length: header("content-length").map_or(Ok(0), |text| text.parse())?,
        head,
    })
}

async fn take(stream: &mut impl Stream, length: usize) -> Result<()> {
    let taken = tokio::io::copy(&mut stream.take(length as u64), &mut tokio::io::sink()).await?;
    if taken < length as u64 {
        bail!("the other side ended early");
    }
    Ok(())
}

/// Reads nothing and says nothing until the other side has gone: a body may be on its way, so the end of what it sends
/// cannot be waited for. The server's end closes it at the latest.
async fn stand_still(stream: impl Stream) -> Result<()> {
    std::future::pending::<()>().await;
    drop(stream);
    Ok(())
}

async fn forward(
    mut stream: impl Stream,
    seen: &Seen,
    behind: Option<&str>,
    cut: Option<usize>,
) -> Result<()> {
    let behind = behind.context("there is no registry behind this server")?;
    let mut registry = TcpStream::connect(behind).await?;
    // One request for each connection: then the end of the answer is that of the connection.
    let head = seen.head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    registry.write_all(head.as_bytes()).await?;
    let Some(cut) = cut else {
        tokio::io::copy_bidirectional(&mut stream, &mut registry).await?;
        return Ok(());
    };
    let body = take_into(&mut stream, seen.length, &mut registry).await;
    let mut answer = (&mut registry).take(cut as u64);
    tokio::io::copy(&mut answer, &mut stream).await?;
    stream.flush().await?;
    body
}

async fn take_into(stream: &mut impl Stream, length: usize, registry: &mut TcpStream) -> Result<()> {
    tokio::io::copy(&mut stream.take(length as u64), registry).await?;
    Ok(())
}

/// An HTTP answer with these header lines.
pub(crate) fn http(status: u16, headers: &[String], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for header in headers {
        head += &format!("{header}\r\n");
    }
    head += "\r\n";
    [head.as_bytes(), body].concat()
}
