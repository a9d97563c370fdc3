//! One run per release: a Lease in the release's namespace.
//!
//! It holds who has it (host, process, pipeline) and is renewed while the run goes on. A holder that is gone
//! blocks nobody for long: on this host it is seen at once, elsewhere its lease runs out after 15 seconds without
//! renewal, measured by our own clock. Without rights on Leases a run goes on unlocked with a warning: the
//! release record, which only one run can create, still keeps two runs from writing the same revision.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::DeployError;
use super::cluster::Cluster;
use super::kinds::ApiKind;
use super::track::Watches;
use crate::event::Events;
use crate::release::{ApiError, ReleaseTarget};

/// A lease that nobody has renewed for this long is free.
const EXPIRY: Duration = Duration::from_secs(15);
/// How often a holder on this host is looked at.
const LOOK: Duration = Duration::from_millis(500);
const RENEWAL: Duration = Duration::from_secs(5);
/// Where the process lives and what it is: two runs in different containers of one host are told apart.
const PROCESS: &str = "kiel.dev/process";

/// The lock, until it is released or dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    held: Option<Held>,
    /// Cancelled when somebody else has taken the lock.
    pub(crate) lost: CancellationToken,
}

#[derive(Debug)]
struct Held {
    cluster: Cluster,
    kind: ApiKind,
    namespace: String,
    name: String,
    uid: String,
    renewal: JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

fn lease_kind() -> ApiKind {
    ApiKind {
        api_version: "coordination.k8s.io/v1".to_owned(),
        kind: "Lease".to_owned(),
        plural: "leases".to_owned(),
        namespaced: true,
        served: true,
    }
}

/// Takes the lock; waits while somebody else has it, and says for whom.
pub(crate) async fn acquire(
    cluster: &Cluster,
    target: &ReleaseTarget,
    pipeline: Option<&str>,
    events: &Events,
) -> Result<Lock, DeployError> {
    let kind = lease_kind();
    let (namespace, name) = (target.namespace.as_str(), format!("kiel.release.{}", target.name));
    let me = Process::own();
    let mut waiter = Waiter::new(cluster, &kind, namespace, &name);
    loop {
        let wanted = lease(target, &name, &me, pipeline);
        let answer = match cluster.get(&kind, Some(namespace), &name).await {
            Err(error) if error.is_not_found() => cluster.create(&kind, Some(namespace), &wanted).await,
            Ok(found) if !me.blocks(&found) || waiter.has_expired(&found) => {
                let mut wanted = wanted;
                wanted["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"].clone();
                cluster.replace(&kind, Some(namespace), &name, &wanted).await
            }
            Ok(found) => {
                if waiter.said_for != holder(&found) {
                    waiter.said_for = holder(&found);
                    events.info(format!(
                        "waiting for release {target}: {} is deploying it",
                        waiter.said_for
                    ));
                }
                waiter.wait(&found, &me).await;
                continue;
            }
            Err(error) => Err(error),
        };
        match answer {
            Ok(lease) => return Ok(held(cluster, &kind, namespace, &name, &lease)),
            // Somebody else was faster.
            Err(error) if error.is_conflict() || error.is_not_found() && waiter.retry() => {}
            Err(error) if error.is_forbidden() => {
                events.warn(format!(
                    "release {target} is deployed without a lock: {error}; grant get, create, update and delete on leases"
                ));
                return Ok(Lock {
                    held: None,
                    lost: CancellationToken::new(),
                });
            }
            Err(source) => return Err(DeployError::api(format!("lock release {target}"), source)),
        }
    }
}

impl Lock {
    /// Gives the lock back; others waiting for it go on at once.
    pub(crate) async fn release(mut self) {
        if let Some(held) = self.held.take() {
            held.renewal.abort();
            // A lease that can't be deleted runs out by itself.
            let uid = Some(held.uid.as_str());
            held.cluster
                .delete(&held.kind, Some(&held.namespace), &held.name, "Background", uid)
                .await
                .ok();
        }
    }
}

fn held(cluster: &Cluster, kind: &ApiKind, namespace: &str, name: &str, lease: &Value) -> Lock {
    let lost = CancellationToken::new();
    let renewal = Renewal {
        cluster: cluster.clone(),
        kind: kind.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: lease["metadata"]["uid"].clone(),
        holder: lease["spec"]["holderIdentity"].clone(),
        lost: lost.clone(),
    };
    let held = Held {
        cluster: cluster.clone(),
        kind: kind.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: lease["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
        renewal: tokio::spawn(renewal.run()),
    };
    Lock {
        held: Some(held),
        lost,
    }
}

struct Renewal {
    cluster: Cluster,
    kind: ApiKind,
    namespace: String,
    name: String,
    uid: Value,
    holder: Value,
    lost: CancellationToken,
}

impl Renewal {
    async fn run(self) {
        let mut renewed = Instant::now();
        let mut timer = tokio::time::interval_at(renewed + RENEWAL, RENEWAL);
        loop {
            timer.tick().await;
            match self.renew().await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => break,
                // The server may be away for a moment; after the expiry others may think we are gone.
                Err(_) if renewed.elapsed() < EXPIRY => {}
                Err(_) => break,
            }
        }
        self.lost.cancel();
    }

    async fn renew(&self) -> Result<bool, ApiError> {
        // The uid makes the patch fail where the lease is another one by now; the holder is looked at in the answer.
        let patch = json!({"metadata": {"uid": self.uid}, "spec": {"renewTime": now()}});
        match self
            .cluster
            .merge_patch(&self.kind, Some(&self.namespace), &self.name, &patch)
            .await
        {
            Ok(lease) => Ok(lease["spec"]["holderIdentity"] == self.holder),
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn now() -> String {
    // Kubernetes' MicroTime: exactly six decimals.
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
        .to_string()
}

fn lease(target: &ReleaseTarget, name: &str, me: &Process, pipeline: Option<&str>) -> Value {
    let mut holder = format!("process {} on {}", me.pid, me.host);
    if let Some(pipeline) = pipeline {
        holder.push_str(&format!(" ({pipeline})"));
    }
    let now = now();
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": target.namespace.as_str(),
            "annotations": {PROCESS: me.text()},
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": EXPIRY.as_secs(),
            "acquireTime": now,
            "renewTime": now,
        },
    })
}

fn holder(lease: &Value) -> String {
    lease["spec"]["holderIdentity"]
        .as_str()
        .unwrap_or("somebody")
        .to_owned()
}

/// Waits for a change of the lease, its expiry, or the end of a holder on this host.
struct Waiter {
    watches: Watches,
    kind: ApiKind,
    namespace: String,
    name: String,
    said_for: String,
    /// The lease's version, and when it was first seen.
    seen: Option<(Value, Instant)>,
    retries: u32,
}

impl Waiter {
    fn new(cluster: &Cluster, kind: &ApiKind, namespace: &str, name: &str) -> Self {
        Self {
            watches: Watches::new(cluster),
            kind: kind.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            said_for: String::new(),
            seen: None,
            retries: 0,
        }
    }

    fn retry(&mut self) -> bool {
        self.retries += 1;
        self.retries < 10
    }

    /// Clocks of two machines differ: only time that passed here counts.
    fn has_expired(&mut self, lease: &Value) -> bool {
        let version = &lease["metadata"]["resourceVersion"];
        match &self.seen {
            Some((seen, since)) if seen == version => since.elapsed() >= EXPIRY,
            _ => {
                self.seen = Some((version.clone(), Instant::now()));
                false
            }
        }
    }

    async fn wait(&self, lease: &Value, me: &Process) {
        let mut changes = self.watches.subscribe();
        let shelf = self
            .watches
            .synced(&self.kind, Some(&self.namespace), Some(&self.name))
            .await;
        let version = &lease["metadata"]["resourceVersion"];
        let due = self
            .seen
            .as_ref()
            .map_or_else(Instant::now, |(_, since)| *since + EXPIRY);
        let blind = shelf.denied().is_some();
        loop {
            let current = shelf.get(&self.name);
            if !blind && current.is_none_or(|current| current["metadata"]["resourceVersion"] != *version) {
                return;
            }
            tokio::select! {
                changed = changes.changed(), if !blind => if changed.is_err() { return },
                () = tokio::time::sleep_until(due) => return,
                // Nothing tells that a process of this host was killed.
                () = tokio::time::sleep(LOOK) => if !me.blocks(lease) { return },
            }
        }
    }
}

/// A process, recognisable from inside its own host and process namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    host: String,
    /// The kernel's boot id and the process namespace: the same process id means something else in another one.
    space: String,
    pid: u32,
    started: String,
}

impl Process {
    fn own() -> Self {
        let read = |path: &str| fs_err::read_to_string(path).unwrap_or_default().trim().to_owned();
        let namespace = fs_err::read_link("/proc/self/ns/pid").map(|path| path.display().to_string());
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            space: format!(
                "{} {}",
                read("/proc/sys/kernel/random/boot_id"),
                namespace.unwrap_or_default()
            ),
            pid,
            started: start_time(pid).unwrap_or_default(),
        }
    }

    fn text(&self) -> String {
        json!([self.host, self.space, self.pid, self.started]).to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        let (host, space, pid, started) = serde_json::from_str(text).ok()?;
        Some(Self {
            host,
            space,
            pid,
            started,
        })
    }

    /// Whether the lease's holder may still be at work, as far as can be seen from here.
    fn blocks(&self, lease: &Value) -> bool {
        if lease["spec"]["holderIdentity"].as_str().is_none_or(str::is_empty) {
            return false;
        }
        let Some(other) = lease["metadata"]["annotations"][PROCESS]
            .as_str()
            .and_then(Self::parse)
        else {
            return true;
        };
        let visible = other.host == self.host && other.space == self.space && !self.space.trim().is_empty();
        !visible || start_time(other.pid).is_some_and(|started| started == other.started)
    }
}

/// When a process began, in the kernel's ticks: tells a process from a later one with the same id.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name that may hold anything, in parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let dead = matches!(fields.first(), Some(&("Z" | "X")));
    if dead {
        None
    } else {
        fields.get(19).map(|ticks| (*ticks).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(process: &Process) -> Value {
        let target = ReleaseTarget::parse("app", "x").expect("names");
        lease(&target, "kiel.release.app", process, Some("pipeline 7"))
    }

    #[test]
    fn a_dead_holder_on_this_host_blocks_nobody() {
        let me = Process::own();
        assert!(me.blocks(&held_by(&me)));
        let reused = Process {
            started: "1".into(),
            ..me.clone()
        };
        assert!(!me.blocks(&held_by(&reused)));
        let gone = Process {
            pid: u32::MAX,
            ..me.clone()
        };
        assert!(!me.blocks(&held_by(&gone)));
        let elsewhere = Process {
            host: "other".into(),
            pid: u32::MAX,
            ..me.clone()
        };
        assert!(me.blocks(&held_by(&elsewhere)));
        assert!(me.blocks(&json!({"spec": {"holderIdentity": "somebody"}})));
        assert!(!me.blocks(&json!({"spec": {"holderIdentity": ""}})));
    }

    #[test]
    fn the_holder_is_named() {
        let me = Process::own();
        let text = holder(&held_by(&me));
        assert!(
            text.contains(&me.pid.to_string()) && text.contains("pipeline 7"),
            "{text}"
        );
    }
}
