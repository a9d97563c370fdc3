use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::deploy::KubeOptions;

fn object(name: &str, n: i64) -> Value {
    json!({"metadata": {"name": name, "resourceVersion": n.to_string()}, "n": n})
}

#[test]
fn a_shelf_knows_what_was_there_before_and_what_is_gone() {
    let shelf = Shelf::default();
    assert!(!shelf.is_synced());
    shelf.replace(vec![object("a", 1), object("b", 1)]);
    assert!(shelf.is_synced() && shelf.is_initial("a"));
    shelf.put(object("a", 2));
    assert!(!shelf.is_initial("a") && shelf.existed().contains("a"));
    shelf.remove(object("b", 3));
    assert_eq!(
        shelf.last_state("b").map(|object| object["n"].clone()),
        Some(json!(3))
    );
    // A LIST after an interruption: what is missing went meanwhile, what is new is not initial.
    shelf.replace(vec![object("c", 1)]);
    assert!(shelf.get("a").is_none() && shelf.last_state("a").is_some());
    assert!(!shelf.is_initial("c"));
}

/// A server that answers each kind of request by a script, one answer after the other, and notes what was asked.
struct Script {
    lists: Vec<(u16, Value)>,
    /// The lines of each watch; the connection is closed after them, or stays open where the flag is set.
    watches: Vec<(Vec<Value>, bool)>,
}

async fn serve(script: Script) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    tokio::spawn(async move {
        let (mut lists, mut watches) = (script.lists.into_iter(), script.watches.into_iter());
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 8192];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&head[..read]).into_owned();
            let target = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, body, open) = if target.starts_with("/version") {
                (200, json!({"gitVersion": "v1.36.2"}).to_string(), false)
            } else if target.contains("watch=true") {
                lock(&notes).push(target);
                let (lines, open) = watches.next().unwrap_or((Vec::new(), true));
                (200, lines.iter().map(|line| format!("{line}\n")).collect(), open)
            } else {
                lock(&notes).push(target);
                let (status, body) = lists.next().unwrap_or((500, json!({})));
                (status, body.to_string(), false)
            };
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).await.ok();
            if open {
                tokio::spawn(async move {
                    let _stays_open = stream;
                    std::future::pending::<()>().await;
                });
            }
        }
    });
    let options = KubeOptions {
        server: Some(format!("http://{address}")),
        ..KubeOptions::default()
    };
    (
        Cluster::connect(&options).await.expect("the script answers"),
        asked,
    )
}

fn list(version: &str, items: &[Value]) -> (u16, Value) {
    (
        200,
        json!({"kind": "List", "metadata": {"resourceVersion": version}, "items": items}),
    )
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "scripts read better without references"
)]
fn event(kind: &str, object: Value) -> Value {
    json!({"type": kind, "object": object})
}

fn maps() -> ApiKind {
    ApiKind {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
        namespaced: true,
        served: true,
    }
}

/// Waits until an object has a value.
async fn until(watches: &Watches, shelf: &Shelf, name: &str, n: i64) {
    let mut changes = watches.subscribe();
    let wait = async {
        while shelf.get(name).is_none_or(|object| object["n"] != n) {
            changes.changed().await.expect("the watches live");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap_or_else(|_| panic!("{name} never is {n}"));
}

#[tokio::test]
async fn a_closed_watch_goes_on_where_it_ended() {
    let bookmark = json!({"type": "BOOKMARK", "object": {"kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"resourceVersion": "9"}}});
    let (cluster, asked) = serve(Script {
        lists: vec![list("5", &[object("a", 1)])],
        watches: vec![
            (vec![event("MODIFIED", object("a", 7)), bookmark], false),
            (vec![event("MODIFIED", object("a", 12))], true),
        ],
    })
    .await;
    let watches = Watches::new(&cluster);
    let shelf = watches.synced(&maps(), Some("x"), None).await;
    until(&watches, &shelf, "a", 12).await;
    let asked = lock(&asked).clone();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(
        asked[1].contains("resourceVersion=5") && asked[2].contains("resourceVersion=9"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn an_expired_version_starts_over() {
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version"}});
    let (cluster, asked) = serve(Script {
        lists: vec![
            list("5", &[object("a", 1), object("b", 1)]),
            list("20", &[object("a", 20)]),
        ],
        watches: vec![(vec![gone], false), (vec![], true)],
    })
    .await;
    let watches = Watches::new(&cluster);
    let shelf = watches.synced(&maps(), Some("x"), None).await;
    until(&watches, &shelf, "a", 20).await;
    assert!(
        shelf.get("b").is_none() && shelf.last_state("b").is_some(),
        "it went in between"
    );
    assert!(
        lock(&asked)
            .iter()
            .filter(|target| !target.contains("watch=true"))
            .count()
            == 2
    );
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again() {
    let (cluster, _) = serve(Script {
        lists: vec![
            (500, json!({"kind": "Status", "code": 500, "message": "etcd"})),
            list("5", &[object("a", 1)]),
        ],
        watches: vec![(vec![json!("not an event")], false)],
    })
    .await;
    let watches = Watches::new(&cluster);
    let shelf = watches.synced(&maps(), Some("x"), None).await;
    assert!(shelf.get("a").is_some() && shelf.denied().is_none());
}

#[tokio::test]
async fn who_may_not_look_is_told_so() {
    let refusal = json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": "no right"});
    let (cluster, _) = serve(Script {
        lists: vec![(403, refusal)],
        watches: vec![],
    })
    .await;
    let watches = Watches::new(&cluster);
    let shelf = watches.synced(&maps(), Some("x"), None).await;
    assert_eq!(shelf.denied().as_deref(), Some("no right"));
}
