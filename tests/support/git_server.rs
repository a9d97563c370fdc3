//! A Git server: the real `git http-backend` behind HTTP, with basic authentication, that notes every request.

#![allow(dead_code, reason = "each test file uses its part")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

use super::authority::{Authority, der};

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `GET info/refs`, `POST ls-refs`, `POST fetch`, or method and path.
    pub(crate) what: String,
    pub(crate) authorization: Option<String>,
}

type Answer = dyn Fn(&str) -> Option<Response<Full<Bytes>>> + Send + Sync;

/// Serves all repositories below a folder as long as it lives.
pub(crate) struct GitServer {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    is_old: Arc<AtomicBool>,
    _runtime: tokio::runtime::Runtime,
}

struct Served {
    root: PathBuf,
    /// `USER:PASSWORD`, in base64.
    wanted: Option<String>,
    seen: Arc<Mutex<Vec<Seen>>>,
    is_old: Arc<AtomicBool>,
    answer: Box<Answer>,
}

impl GitServer {
    /// `credentials` are `USER:PASSWORD`.
    pub(crate) fn start(root: &Path, credentials: Option<&str>) -> Self {
        Self::answering(root, credentials, |_| None)
    }

    /// Answers what `answer` has an answer for by itself; it gets method and path.
    pub(crate) fn answering(
        root: &Path,
        credentials: Option<&str>,
        answer: impl Fn(&str) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        Self::serving(root, credentials, Box::new(answer), None)
    }

    /// The same behind TLS.
    pub(crate) fn behind_tls(root: &Path, credentials: Option<&str>, authority: &Authority) -> Self {
        let key = der(&authority.key()).expect("it has a key");
        let key = rustls::pki_types::PrivateKeyDer::try_from(key).expect("it is one");
        let certificate = der(&authority.certificate())
            .expect("it has a certificate")
            .into();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("there are some")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("it is sound");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::serving(root, credentials, Box::new(|_| None), Some(acceptor))
    }

    fn serving(
        root: &Path,
        credentials: Option<&str>,
        answer: Box<Answer>,
        acceptor: Option<TlsAcceptor>,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let (seen, is_old): (Arc<Mutex<Vec<Seen>>>, Arc<AtomicBool>) = Default::default();
        let served = Arc::new(Served {
            root: root.to_owned(),
            wanted: credentials.map(|text| {
                use base64::Engine as _;
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
            }),
            seen: Arc::clone(&seen),
            is_old: Arc::clone(&is_old),
            answer,
        });
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (served, acceptor) = (Arc::clone(&served), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => connection(served, stream).await,
                        Some(acceptor) => {
                            // Who does not trust the certificate goes away.
                            if let Ok(stream) = acceptor.accept(stream).await {
                                connection(served, stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            scheme,
            seen,
            is_old,
            _runtime: runtime,
        }
    }

    /// From now on it does not know version 2 of the protocol.
    pub(crate) fn become_old(&self) {
        self.is_old.store(true, Ordering::Relaxed);
    }

    /// The address of a repository.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}/{path}", self.scheme, self.address)
    }

    /// The requests since the last call.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("nobody panics with it"))
    }

    /// What they were.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        self.take_seen().into_iter().map(|seen| seen.what).collect()
    }
}

async fn connection(served: Arc<Served>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(move |request| serve(Arc::clone(&served), request));
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client may go away in the middle.
    drop(serving.await);
}

async fn serve(served: Arc<Served>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let path = head.uri.path().to_owned();
    let what = match () {
        () if path.ends_with("/info/refs") => "GET info/refs".to_owned(),
        () if text.contains("command=ls-refs") => "POST ls-refs".to_owned(),
        () if text.contains("command=fetch") || text.contains("want ") => "POST fetch".to_owned(),
        () => format!("{} {path}", head.method),
    };
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let authorization = header("authorization");
    served.seen.lock().expect("nobody panics with it").push(Seen {
        what,
        authorization: authorization.clone(),
    });
    if let Some(answer) = (served.answer)(&format!("{} {path}", head.method)) {
        return Ok(answer);
    }
    let status = |code: u16| {
        Response::builder()
            .status(code)
            .body(Full::default())
            .expect("it is sound")
    };
    if served.wanted.is_some() && served.wanted != authorization {
        return Ok(status(401));
    }
    let is_old = served.is_old.load(Ordering::Relaxed);
    let protocol = header("git-protocol").filter(|_| !is_old).unwrap_or_default();
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &served.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("PATH_INFO", &path)
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", head.method.as_str())
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("GIT_PROTOCOL", protocol)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let output = tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        let mut child = command.spawn().expect("git runs");
        child
            .stdin
            .take()
            .expect("it is piped")
            .write_all(&body)
            .expect("git reads it");
        child.wait_with_output().expect("git ends")
    });
    let output = output.await.expect("nothing panics").stdout;
    Ok(of_cgi(&output))
}

/// A program's answer as HTTP has it.
fn of_cgi(output: &[u8]) -> Response<Full<Bytes>> {
    let end = output
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(0);
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().expect("a number")),
            _ => response.header(name, value),
        };
    }
    let body = Bytes::copy_from_slice(output.get(end + 4..).unwrap_or_default());
    response.body(Full::new(body)).expect("it is sound")
}
