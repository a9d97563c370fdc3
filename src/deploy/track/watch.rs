//! Watched collections: one LIST and one WATCH per kind and namespace, shared by everything that is tracked.
//!
//! A watch goes on after any interruption: a closed connection is resumed where it ended, an expired version
//! (410) or an error starts over with a LIST. A user without rights to watch gets an empty shelf that says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use http::Method;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::deploy::cluster::Cluster;
use crate::deploy::kinds::ApiKind;
use crate::release::api::{self, ApiError, encode_part};

/// The server ends a watch after this time; it is then resumed.
const WATCH_SECONDS: u64 = 290;
/// A watch that says nothing for longer than the server allows is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS + 30);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A watch that has gone on for this long was no failure, however it ended.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Contents {
    objects: BTreeMap<String, Arc<Value>>,
    /// The last state of objects that are gone.
    gone: HashMap<String, Arc<Value>>,
    /// Names that were there before the watch began.
    existed: BTreeSet<String>,
    /// Those of them that have not changed since.
    initial: BTreeSet<String>,
    synced: bool,
    denied: Option<String>,
}

/// One watched collection.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    contents: Mutex<Contents>,
}

impl Shelf {
    /// All objects.
    pub(crate) fn all(&self) -> Vec<Arc<Value>> {
        lock(&self.contents).objects.values().cloned().collect()
    }

    /// One object.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Value>> {
        lock(&self.contents).objects.get(name).cloned()
    }

    /// The last state of an object that is gone.
    pub(crate) fn last_state(&self, name: &str) -> Option<Arc<Value>> {
        lock(&self.contents).gone.get(name).cloned()
    }

    /// Whether an object was there before the watch began, and has not changed since.
    pub(crate) fn is_initial(&self, name: &str) -> bool {
        lock(&self.contents).initial.contains(name)
    }

    /// The names that were there before the watch began.
    pub(crate) fn existed(&self) -> BTreeSet<String> {
        lock(&self.contents).existed.clone()
    }

    /// The first LIST has been read, or was refused.
    pub(crate) fn is_synced(&self) -> bool {
        lock(&self.contents).synced
    }

    /// Why nothing can be seen here.
    pub(crate) fn denied(&self) -> Option<String> {
        lock(&self.contents).denied.clone()
    }

    fn replace(&self, items: Vec<Value>) {
        let mut contents = lock(&self.contents);
        let fresh: BTreeMap<String, Arc<Value>> = items
            .into_iter()
            .filter_map(|item| Some((name_of(&item)?, Arc::new(item))))
            .collect();
        let before = std::mem::replace(&mut contents.objects, fresh);
        if !contents.synced {
            contents.initial = contents.objects.keys().cloned().collect();
            contents.existed = contents.initial.clone();
        }
        for (name, object) in before {
            if !contents.objects.contains_key(&name) {
                contents.gone.insert(name, object);
            }
        }
        contents.synced = true;
    }

    fn put(&self, object: Value) {
        let Some(name) = name_of(&object) else { return };
        let mut contents = lock(&self.contents);
        contents.initial.remove(&name);
        contents.objects.insert(name, Arc::new(object));
    }

    fn remove(&self, object: Value) {
        let Some(name) = name_of(&object) else { return };
        let mut contents = lock(&self.contents);
        contents.initial.remove(&name);
        contents.objects.remove(&name);
        contents.gone.insert(name, Arc::new(object));
    }

    fn deny(&self, why: String) {
        let mut contents = lock(&self.contents);
        contents.denied = Some(why);
        contents.synced = true;
    }
}

fn name_of(object: &Value) -> Option<String> {
    object["metadata"]["name"].as_str().map(str::to_owned)
}

type Key = (String, String, Option<String>, Option<String>);

/// All watched collections of a run; dropping it ends the watches.
#[derive(Debug)]
pub(crate) struct Watches {
    cluster: Cluster,
    shelves: Mutex<HashMap<Key, Arc<Shelf>>>,
    tasks: Mutex<JoinSet<()>>,
    changes: watch::Sender<u64>,
}

impl Watches {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            shelves: Mutex::default(),
            tasks: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Tells of every change on any shelf.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The shelf of a collection; its watch begins with the first call. With `name`, of that object alone.
    pub(crate) fn shelf(&self, kind: &ApiKind, namespace: Option<&str>, name: Option<&str>) -> Arc<Shelf> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let key = (
            kind.api_version.clone(),
            kind.kind.clone(),
            owned(namespace),
            owned(name),
        );
        let mut shelves = lock(&self.shelves);
        if let Some(shelf) = shelves.get(&key) {
            return Arc::clone(shelf);
        }
        let shelf = Arc::new(Shelf::default());
        shelves.insert(key, Arc::clone(&shelf));
        let follow = Follow {
            cluster: self.cluster.clone(),
            kind: kind.clone(),
            path: kind.collection(namespace),
            selector: name
                .map(|name| format!("&fieldSelector={}", encode_part(&format!("metadata.name={name}")))),
            shelf: Arc::clone(&shelf),
            changes: self.changes.clone(),
        };
        lock(&self.tasks).spawn(follow.run());
        shelf
    }

    /// The shelf once its first LIST has been read.
    pub(crate) async fn synced(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Arc<Shelf> {
        let mut changes = self.subscribe();
        let shelf = self.shelf(kind, namespace, name);
        while !shelf.is_synced() {
            if changes.changed().await.is_err() {
                break;
            }
        }
        shelf
    }
}

struct Follow {
    cluster: Cluster,
    kind: ApiKind,
    path: String,
    selector: Option<String>,
    shelf: Arc<Shelf>,
    changes: watch::Sender<u64>,
}

impl Follow {
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.list().await {
                Ok(mut version) => {
                    self.tell();
                    let begun = Instant::now();
                    self.watch_on(&mut version).await;
                    if begun.elapsed() > LONG_ENOUGH {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(error) if matches!(error.code, 401 | 403 | 404 | 405) => {
                    self.shelf.deny(error.to_string());
                    self.tell();
                    return;
                }
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn tell(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn url(&self, query: &str) -> String {
        format!(
            "{}?{query}{}",
            self.path,
            self.selector.as_deref().unwrap_or_default()
        )
    }

    async fn list(&self) -> Result<String, ApiError> {
        let request = api::request(Method::GET, &self.url("limit=0"));
        let mut list = api::send(self.cluster.client(), request).await?;
        let version = list["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or("0")
            .to_owned();
        let items = match list["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        self.shelf.replace(
            items
                .into_iter()
                .map(|item| slim(self.kind.complete(item)))
                .collect(),
        );
        Ok(version)
    }

    /// Connection after connection, as long as each can be resumed.
    async fn watch_on(&self, version: &mut String) {
        loop {
            let begun = Instant::now();
            match self.watch(version).await {
                Err(()) => return,
                // Something between us and the server may end every answer at once; then only LISTs tell anything.
                Ok(told) if !told && begun.elapsed() < FIRST_PAUSE => return,
                Ok(_) => {}
            }
        }
    }

    /// One connection. `Ok` where it can be resumed from `version`, with whether it told anything.
    async fn watch(&self, version: &mut String) -> Result<bool, ()> {
        let query = format!(
            "watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}",
            encode_part(version)
        );
        let request = api::request(Method::GET, &self.url(&query));
        let stream = self
            .cluster
            .client()
            .request_events::<Value>(request)
            .await
            .map_err(drop)?;
        let mut stream = pin!(stream);
        let mut told = false;
        loop {
            let event = match tokio::time::timeout(SILENCE, stream.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(None) => return Ok(told),
                Ok(Some(Err(_))) | Err(_) => return Err(()),
            };
            told = true;
            let seen = |object: &Value| object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    *version = seen(&object).unwrap_or_default();
                    self.shelf.put(slim(object));
                }
                WatchEvent::Deleted(object) => {
                    *version = seen(&object).unwrap_or_default();
                    self.shelf.remove(slim(object));
                }
                WatchEvent::Bookmark(bookmark) => {
                    *version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(_) => return Err(()),
            }
            self.tell();
        }
    }
}

/// Managed fields can be most of an object, and nothing here reads them.
fn slim(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

#[cfg(test)]
mod tests;
