//! A gate before the test cluster's API server: it counts requests, and can stop a run between any two of its writes.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A request as the gate saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
}

impl Call {
    /// Changes something that lasts. Renewals of a lock come by the clock and don't count.
    pub(crate) fn is_write(&self) -> bool {
        let renewal = self.method == "PATCH" && self.path.contains("/secrets/kiel.release.");
        self.method != "GET" && !self.path.contains("dryRun") && !self.path.contains("reviews") && !renewal
    }

    /// Reads a whole collection of objects once; records are listed by their labels.
    pub(crate) fn is_list(&self) -> bool {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let collection = path.split('/').count() % 2 == if path.starts_with("/apis/") { 1 } else { 0 };
        self.method == "GET"
            && collection
            && path.matches('/').count() > 3
            && !query.contains("watch=")
            && !query.contains("labelSelector=")
    }
}

/// What the gate does with requests.
#[derive(Debug, Clone, Copy, Default)]
enum Rule {
    #[default]
    Open,
    /// Before the n-th write everything stops, for ever.
    StopBefore(usize),
    /// The n-th read of a collection and those before it are answered together.
    Together(usize),
}

#[derive(Debug, Default)]
struct State {
    rule: Rule,
    calls: Vec<Call>,
    writes: usize,
    lists: usize,
    stopped: bool,
}

/// The gate; closed when dropped.
pub(crate) struct Gate {
    pub(crate) url: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    client: kube::Client,
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while holding it")
    }
}

impl Gate {
    /// A gate before the cluster that this client talks to, with its rights.
    pub(crate) async fn open(client: kube::Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let shared = Arc::new(Shared {
            client,
            state: Mutex::default(),
            changes: watch::Sender::new(()),
        });
        let state = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&state)));
            }
        });
        Self { url, shared, task }
    }

    fn set(&self, rule: Rule) {
        *self.shared.state() = State {
            rule,
            ..State::default()
        };
        self.shared.changes.send_replace(());
    }

    /// Counts from nought, and stops everything before the n-th write.
    pub(crate) fn stop_before(&self, n: usize) {
        self.set(Rule::StopBefore(n));
    }

    /// Counts from nought, and answers the first n reads of collections only when all of them have come.
    pub(crate) fn answer_together(&self, n: usize) {
        self.set(Rule::Together(n));
    }

    /// Counts from nought, and lets everything pass.
    pub(crate) fn let_pass(&self) {
        self.set(Rule::Open);
    }

    /// Ends when the gate has stopped.
    pub(crate) async fn stopped(&self) {
        let mut changes = self.shared.changes.subscribe();
        while !self.shared.state().stopped {
            changes.changed().await.expect("the gate is open");
        }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    pub(crate) fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_write).collect()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| pass(request, Arc::clone(&shared)));
    // A client that goes away is the end of its connection, nothing more.
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

async fn pass(
    request: http::Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<http::Response<Body>, Infallible> {
    let call = Call {
        method: request.method().to_string(),
        path: request.uri().to_string(),
    };
    if !enter(&shared, &call) {
        return std::future::pending().await;
    }
    let together = match shared.state().rule {
        Rule::Together(n) if call.is_list() => n,
        _ => 0,
    };
    let mut changes = shared.changes.subscribe();
    while shared.state().lists < together {
        changes.changed().await.expect("the gate is open");
    }
    let (mut head, body) = request.into_parts();
    for name in ["host", "connection", "content-length", "accept-encoding"] {
        head.headers.remove(name);
    }
    let bytes = http_body_util::BodyExt::collect(body)
        .await
        .map(http_body_util::Collected::to_bytes);
    let forwarded = http::Request::from_parts(head, Body::from(bytes.unwrap_or_default()));
    Ok(match shared.client.send(forwarded).await {
        Ok(response) => response,
        Err(error) => http::Response::builder()
            .status(502)
            .body(Body::from(error.to_string().into_bytes()))
            .expect("a plain answer"),
    })
}

/// Notes the request; false where it must not pass.
fn enter(shared: &Shared, call: &Call) -> bool {
    let mut state = shared.state();
    state.calls.push(call.clone());
    state.writes += usize::from(call.is_write());
    state.lists += usize::from(call.is_list());
    if let Rule::StopBefore(n) = state.rule {
        state.stopped |= state.writes >= n;
    }
    let passes = !state.stopped;
    drop(state);
    shared.changes.send_replace(());
    passes
}
