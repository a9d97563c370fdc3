//! Watches that end: the API server behind a proxy that cuts, refuses and forgets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kiel::deploy::{Cluster, KubeOptions};
use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::charts::{Release, deployment, job};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("gaps::watches_that_are_cut_go_on", cut),
        trial("gaps::an_expired_version_starts_over", expired),
        trial("gaps::an_expired_version_before_the_first_event", expired_at_once),
        trial(
            "gaps::watches_that_end_at_once_are_not_begun_in_a_circle",
            ended_at_once,
        ),
        trial("gaps::a_failing_list_is_repeated", failing_lists),
        trial("gaps::a_server_that_is_away_is_waited_for", away),
        trial("gaps::a_failure_in_a_gap_is_seen", crash_in_a_gap),
    ]
}

/// What the proxy does with a request.
enum Rule {
    Pass,
    /// The answer is cut off after this time.
    Cut(Duration),
    /// This status and body.
    Answer(&'static str, String),
    /// The connection is closed without a word.
    Close,
}

struct Proxy {
    address: String,
    watches: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// `rule` gets the request's line, whether it is a watch, and how many such there were before.
    async fn start(rule: impl Fn(&str, bool, usize) -> Rule + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let socket = std::env::var("KIEL_TEST_API_SOCKET").expect("run these tests by `cargo xtask test`");
        let watches = Arc::new(AtomicUsize::new(0));
        let (rule, counted) = (Arc::new(rule), Arc::clone(&watches));
        let task = tokio::spawn(async move {
            let others = Arc::new(AtomicUsize::new(0));
            while let Ok((client, _)) = listener.accept().await {
                let (rule, socket) = (Arc::clone(&rule), socket.clone());
                let counters = (Arc::clone(&counted), Arc::clone(&others));
                tokio::spawn(async move {
                    let decide = |line: &str| {
                        let watch = line.contains("watch=true");
                        let counter = if watch { &counters.0 } else { &counters.1 };
                        rule(line, watch, counter.fetch_add(1, Ordering::SeqCst))
                    };
                    drop(serve(client, &socket, decide).await);
                });
            }
        });
        Self {
            address,
            watches,
            task,
        }
    }

    async fn release(&self, name: &str) -> Release {
        let mut release = Release::new(name).await;
        let options = KubeOptions {
            server: Some(self.address.clone()),
            ..KubeOptions::default()
        };
        release.cluster = Cluster::connect(&options).await.expect("the proxy answers");
        release
    }
}

/// One request for each connection, so that each can be dealt with on its own.
async fn serve(mut client: TcpStream, socket: &str, rule: impl FnOnce(&str) -> Rule) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let line = text.lines().next().unwrap_or_default();
    let length = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, size)| size.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    client.read_exact(&mut body).await?;
    let limit = match rule(line) {
        Rule::Pass => Duration::from_secs(600),
        Rule::Cut(after) => after,
        Rule::Close => return Ok(()),
        Rule::Answer(status, text) => {
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            return client.write_all(answer.as_bytes()).await;
        }
    };
    let mut server = UnixStream::connect(socket).await?;
    let head = text.trim_end();
    let hop = ["connection", "host"];
    let kept = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        !hop.contains(&name.as_str())
    });
    let head: String = kept.map(|line| format!("{line}\r\n")).collect();
    server
        .write_all(format!("{head}Host: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .await?;
    server.write_all(&body).await?;
    let copy = tokio::io::copy(&mut server, &mut client);
    drop(tokio::time::timeout(limit, copy).await);
    Ok(())
}

/// What the server says about a version that it has forgotten.
fn gone() -> String {
    r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}"#.to_owned()
}

async fn cut() {
    let proxy = Proxy::start(|_, watch, _| {
        if watch {
            Rule::Cut(Duration::from_millis(600))
        } else {
            Rule::Pass
        }
    })
    .await;
    let release = proxy.release("cut").await;
    release.up(7, &[deployment("web", 2, "ready-after=4s")]).await;
    release.up(4, &[job("job", "complete=2s")]).await;
}

async fn expired() {
    let proxy = Proxy::start(|_, watch, n| match (watch, n) {
        // Every watch is told once, in the middle.
        (true, 0..8) => Rule::Answer(
            "200 OK",
            format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", gone()),
        ),
        _ => Rule::Pass,
    })
    .await;
    let release = proxy.release("expired").await;
    release.up(5, &[deployment("web", 2, "ready-after=2s")]).await;
    assert!(proxy.watches.load(Ordering::SeqCst) > 8);
}

async fn expired_at_once() {
    let proxy = Proxy::start(|_, watch, n| match (watch, n) {
        (true, 0..8) => Rule::Answer("410 Gone", gone()),
        _ => Rule::Pass,
    })
    .await;
    let release = proxy.release("gone").await;
    release.up(5, &[deployment("web", 2, "ready-after=2s")]).await;
}

async fn ended_at_once() {
    let proxy = Proxy::start(|_, watch, _| {
        if watch {
            Rule::Answer("200 OK", String::new())
        } else {
            Rule::Pass
        }
    })
    .await;
    let release = proxy.release("ended").await;
    release.up(5, &[deployment("web", 1, "ready-after=2s")]).await;
    let watches = proxy.watches.load(Ordering::SeqCst);
    assert!(watches < 200, "{watches} watches in a few seconds");
}

async fn failing_lists() {
    let proxy = Proxy::start(|line, watch, _| {
        static FAILED: AtomicUsize = AtomicUsize::new(0);
        let pods = line.starts_with("GET") && line.contains("/pods?") && !watch;
        if pods && FAILED.fetch_add(1, Ordering::SeqCst) < 3 {
            let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcdserver: leader changed","code":500}"#;
            return Rule::Answer("500 Internal Server Error", status.to_owned());
        }
        Rule::Pass
    })
    .await;
    let release = proxy.release("lists").await;
    release.up(6, &[deployment("web", 1, "ready-after=500ms")]).await;
}

async fn away() {
    let begun = OnceLock::new();
    let proxy = Proxy::start(move |line, watch, _| {
        // It goes away when the Deployment has been applied, for three seconds; older watches then end, too.
        let applies = line.starts_with("PATCH") && line.contains("/deployments/") && !line.contains("dryRun");
        let since = match (begun.get(), applies) {
            (None, false) if watch => return Rule::Cut(Duration::from_secs(3)),
            (None, false) => return Rule::Pass,
            _ => begun.get_or_init(Instant::now).elapsed().as_millis(),
        };
        match (since, watch) {
            (500..3500, _) => Rule::Close,
            (..500, true) => Rule::Cut(Duration::from_millis(
                500_u64.saturating_sub(u64::try_from(since).unwrap_or(0)),
            )),
            _ => Rule::Pass,
        }
    })
    .await;
    let release = proxy.release("away").await;
    release.up(9, &[deployment("web", 2, "ready-after=3s")]).await;
}

async fn crash_in_a_gap() {
    let proxy = Proxy::start(|_, watch, _| {
        if watch {
            Rule::Cut(Duration::from_millis(300))
        } else {
            Rule::Pass
        }
    })
    .await;
    let release = proxy.release("crash-gap").await;
    let message = release.down(6, &[deployment("web", 1, "crash-loop=3")]).await;
    assert!(message.contains("exit code 3"), "{message}");
}
