//! One run per release: a Secret `kiel.release.RELEASE` in the release's namespace, there while a run goes on.
//!
//! It says who has it (process, user, host, pipeline) and since when, and is renewed while the run goes on. A holder
//! that is gone blocks nobody for long: on this host it is seen at once, elsewhere its lock runs out after 15 seconds
//! without renewal, measured by our own clock. Every change compares the object's version first.
//!
//! A Secret, not a Lease: whoever deploys must be allowed to list, get, create, patch and delete Secrets, or could write
//! no release record; so the lock needs no further right, and users with different rights see the same one.
//!
//! It does not keep Helm from working on the release: Helm looks at the record's state alone.

mod process;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::process::Process;
use super::DeployError;
use super::cluster::Cluster;
use super::kinds::ApiKind;
use super::track::Watches;
use crate::event::Events;
use crate::release::{ApiError, ReleaseTarget};

/// A lock that nobody has renewed for this long is free.
const EXPIRY: Duration = Duration::from_secs(15);
/// How often a holder on this host is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often the lock is read where it may not be watched.
const POLL: Duration = Duration::from_secs(1);
const RENEWAL: Duration = Duration::from_secs(5);
/// Attempts to give the lock back while a renewal is under way.
const RELEASE_TRIES: u32 = 3;

const LOCK_TYPE: &str = "kiel.dev/lock";
const PROCESS: &str = "kiel.dev/process";
const HOLDER: &str = "kiel.dev/holder";
const SINCE: &str = "kiel.dev/since";
const RENEWED: &str = "kiel.dev/renewed";

/// Who runs kiel, beside the process: told to whoever waits.
#[derive(Debug, Clone, Default)]
pub struct Runner {
    /// The user, as the CI system or the host names them.
    pub user: Option<String>,
    /// The pipeline's URL.
    pub pipeline: Option<String>,
}

/// The lock, until it is released or dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    place: Place,
    owner: Owner,
    lost: Loss,
    renewal: JoinHandle<()>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Set when somebody else has the lock, with the reason.
#[derive(Debug, Clone, Default)]
struct Loss {
    token: CancellationToken,
    why: Arc<OnceLock<String>>,
}

/// Where the lock is.
#[derive(Debug, Clone)]
struct Place {
    cluster: Cluster,
    kind: ApiKind,
    namespace: String,
    name: String,
}

/// Tells our lock from that of any other run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    process: String,
    since: String,
}

impl Owner {
    fn of(lock: &Value) -> Self {
        Self {
            process: annotation(lock, PROCESS).to_owned(),
            since: annotation(lock, SINCE).to_owned(),
        }
    }
}

/// Takes the lock; waits while somebody else has it, and says for whom.
pub(crate) async fn acquire(
    cluster: &Cluster,
    target: &ReleaseTarget,
    runner: &Runner,
    events: &Events,
) -> Result<Lock, DeployError> {
    let place = Place {
        cluster: cluster.clone(),
        kind: secret_kind(),
        namespace: target.namespace.to_string(),
        name: format!("kiel.release.{}", target.name),
    };
    let me = Process::own();
    let wanted = annotations(&me, runner);
    let ours = Owner::of(&json!({"metadata": {"annotations": wanted}}));
    let mut waiter = Waiter::new(&place);
    loop {
        let answer = match place.read().await {
            Err(error) if error.is_not_found() => place.create(&wanted).await,
            // The answer to an attempt was lost on its way.
            Ok(found) if Owner::of(&found) == ours => return Ok(held(place, &found)),
            Ok(found) if !blocks(&me, &found) || waiter.has_expired(&found) => {
                events.info(format!(
                    "release {target}: {} is gone, its lock is taken over",
                    holder(&found)
                ));
                let version = found["metadata"]["resourceVersion"].clone();
                place.annotate(&version, &wanted).await
            }
            Ok(found) => {
                waiter.tell(&found, target, events);
                waiter.wait(&found, &me).await;
                continue;
            }
            Err(source) => {
                return Err(DeployError::api(
                    format!("read the lock of release {target}"),
                    source,
                ));
            }
        };
        match answer {
            Ok(lock) => return Ok(held(place, &lock)),
            // Somebody else was faster, or nobody knows.
            Err(error) if error.is_conflict() => {}
            Err(error) if (error.is_not_found() || error.is_connection()) && waiter.retry() => {}
            Err(source) => return Err(DeployError::api(format!("lock release {target}"), source)),
        }
    }
}

impl Lock {
    /// Ends when the lock is lost; gives the reason.
    pub(crate) async fn lost(&self) -> String {
        self.lost.token.cancelled().await;
        self.lost.why.get().cloned().unwrap_or_default()
    }

    /// Gives the lock back; others waiting for it go on at once. One that somebody else has by now stays theirs.
    pub(crate) async fn release(self) {
        self.renewal.abort();
        for _ in 0..RELEASE_TRIES {
            // A lock that can't be deleted runs out by itself.
            let Ok(found) = self.place.read().await else {
                return;
            };
            if Owner::of(&found) != self.owner {
                return;
            }
            match self.place.delete(&found).await {
                // A renewal that was under way came in between.
                Err(error) if error.is_conflict() => {}
                _ => return,
            }
        }
    }
}

fn secret_kind() -> ApiKind {
    ApiKind {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        plural: "secrets".to_owned(),
        namespaced: true,
        served: true,
    }
}

impl Place {
    async fn read(&self) -> Result<Value, ApiError> {
        self.cluster
            .get(&self.kind, Some(&self.namespace), &self.name)
            .await
    }

    async fn create(&self, annotations: &Value) -> Result<Value, ApiError> {
        let lock = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": LOCK_TYPE,
            "metadata": {"name": self.name, "namespace": self.namespace, "annotations": annotations},
        });
        self.cluster
            .create(&self.kind, Some(&self.namespace), &lock)
            .await
    }

    /// Changes annotations of exactly this version of the lock.
    async fn annotate(&self, version: &Value, annotations: &Value) -> Result<Value, ApiError> {
        let patch = json!({"metadata": {"resourceVersion": version, "annotations": annotations}});
        self.cluster
            .merge_patch(&self.kind, Some(&self.namespace), &self.name, &patch)
            .await
    }

    async fn delete(&self, found: &Value) -> Result<(), ApiError> {
        self.cluster
            .delete_version(&self.kind, Some(&self.namespace), &self.name, found)
            .await
    }
}

fn held(place: Place, lock: &Value) -> Lock {
    let lost = Loss::default();
    let owner = Owner::of(lock);
    let renewal = Renewal {
        place: place.clone(),
        owner: owner.clone(),
        version: lock["metadata"]["resourceVersion"].clone(),
        lost: lost.clone(),
    };
    Lock {
        place,
        owner,
        lost,
        renewal: tokio::spawn(renewal.run()),
    }
}

struct Renewal {
    place: Place,
    owner: Owner,
    version: Value,
    lost: Loss,
}

impl Renewal {
    async fn run(mut self) {
        let mut renewed = Instant::now();
        let mut timer = tokio::time::interval_at(renewed + RENEWAL, RENEWAL);
        let why = loop {
            timer.tick().await;
            match self.renew().await {
                Ok(None) => renewed = Instant::now(),
                Ok(Some(why)) => break why,
                // The server may be away for a moment; after the expiry others may think we are gone.
                Err(_) if renewed.elapsed() < EXPIRY => {}
                Err(error) => break format!("it could not be renewed for {} s: {error}", EXPIRY.as_secs()),
            }
        };
        // Set once: this task ends here.
        self.lost.why.set(why).ok();
        self.lost.token.cancel();
    }

    /// Gives the reason where the lock is lost.
    async fn renew(&mut self) -> Result<Option<String>, ApiError> {
        match self.place.annotate(&self.version, &json!({RENEWED: now()})).await {
            Ok(lock) => {
                self.version = lock["metadata"]["resourceVersion"].clone();
                Ok(None)
            }
            Err(error) if error.is_not_found() => Ok(Some("it was deleted".to_owned())),
            Err(error) if error.is_conflict() => match self.place.read().await {
                Ok(lock) if Owner::of(&lock) == self.owner => {
                    self.version = lock["metadata"]["resourceVersion"].clone();
                    Ok(None)
                }
                Ok(lock) => Ok(Some(format!("{} has it now", holder(&lock)))),
                Err(error) if error.is_not_found() => Ok(Some("it was deleted".to_owned())),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
        .to_string()
}

fn annotations(me: &Process, runner: &Runner) -> Value {
    let mut holder = format!("process {}", me.pid);
    if let Some(user) = &runner.user {
        holder.push_str(&format!(" of {user}"));
    }
    holder.push_str(&format!(" on {}", me.host));
    if let Some(pipeline) = &runner.pipeline {
        holder.push_str(&format!(" ({pipeline})"));
    }
    let now = now();
    json!({PROCESS: me.text(), HOLDER: holder, SINCE: now, RENEWED: now})
}

fn annotation<'a>(lock: &'a Value, name: &str) -> &'a str {
    lock["metadata"]["annotations"][name].as_str().unwrap_or_default()
}

fn holder(lock: &Value) -> &str {
    match annotation(lock, HOLDER) {
        "" => "somebody",
        holder => holder,
    }
}

/// Whether the lock's holder may still be at work, as far as can be seen from here.
fn blocks(me: &Process, lock: &Value) -> bool {
    Process::parse(annotation(lock, PROCESS)).is_none_or(|other| !me.knows_dead(&other))
}

/// Waits for a change of the lock, its expiry, or the end of a holder on this host.
struct Waiter {
    watches: Watches,
    place: Place,
    said_for: Option<Owner>,
    /// The lock's version, and when it was first seen.
    seen: Option<(Value, Instant)>,
    retries: u32,
}

impl Waiter {
    fn new(place: &Place) -> Self {
        Self {
            watches: Watches::new(&place.cluster),
            place: place.clone(),
            said_for: None,
            seen: None,
            retries: 0,
        }
    }

    fn retry(&mut self) -> bool {
        self.retries += 1;
        self.retries < 10
    }

    /// Says once for each holder who it is and since when.
    fn tell(&mut self, lock: &Value, target: &ReleaseTarget, events: &Events) {
        let owner = Owner::of(lock);
        if self.said_for.as_ref() == Some(&owner) {
            return;
        }
        let mut text = format!("waiting for release {target}: {} is deploying it", holder(lock));
        // The fraction of the second says nothing to a reader.
        let since = owner.since.split('.').next().unwrap_or_default();
        if !since.is_empty() {
            text.push_str(&format!(", since {since}Z"));
        }
        events.info(text);
        self.said_for = Some(owner);
    }

    /// Clocks of two machines differ: only time that passed here counts.
    fn has_expired(&mut self, lock: &Value) -> bool {
        let version = &lock["metadata"]["resourceVersion"];
        match &self.seen {
            Some((seen, since)) if seen == version => since.elapsed() >= EXPIRY,
            _ => {
                self.seen = Some((version.clone(), Instant::now()));
                false
            }
        }
    }

    async fn wait(&self, lock: &Value, me: &Process) {
        let mut changes = self.watches.subscribe();
        let shelf = self
            .watches
            .synced(
                &self.place.kind,
                Some(&self.place.namespace),
                Some(&self.place.name),
            )
            .await;
        let version = &lock["metadata"]["resourceVersion"];
        let due = self
            .seen
            .as_ref()
            .map_or_else(Instant::now, |(_, since)| *since + EXPIRY);
        if shelf.denied().is_some() {
            tokio::time::sleep_until(due.min(Instant::now() + POLL)).await;
            return;
        }
        loop {
            let current = shelf.get(&self.place.name);
            if current.is_none_or(|current| current["metadata"]["resourceVersion"] != *version) {
                return;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(due) => return,
                // Nothing tells that a process of this host was killed.
                () = tokio::time::sleep(LOOK) => if !blocks(me, lock) { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_named_and_seen() {
        let me = Process::own();
        let runner = Runner {
            user: Some("alice".into()),
            pipeline: Some("pipeline 7".into()),
        };
        let mut lock = json!({"metadata": {"annotations": annotations(&me, &runner)}});
        let text = holder(&lock);
        assert_eq!(
            text,
            format!("process {} of alice on {} (pipeline 7)", me.pid, me.host)
        );
        assert!(blocks(&me, &lock));
        let gone = Process {
            pid: u32::MAX,
            ..me.clone()
        };
        lock["metadata"]["annotations"][PROCESS] = Value::from(gone.text());
        assert!(!blocks(&me, &lock));
        assert!(blocks(&me, &json!({"metadata": {}})), "made by somebody else");
    }
}
