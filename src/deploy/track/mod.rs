//! Watching until objects are really up.
//!
//! Everything is driven by watches; an object that is ready when it is applied costs nothing. What can't become
//! ready by waiting ends the wait at once, with the reason and the last log lines of the container to blame.

mod follow;
mod logs;
mod pod;
pub(crate) mod status;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::annotations::Policy;
use super::cluster::Cluster;
use super::error::Failure;
use super::kinds::ApiKind;
use super::resources::ResourceId;
use crate::event::{Event, Events};

pub(crate) use watch::Watches;

/// How long is waited for what depends on somebody else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// A workload whose containers have no readiness probe must stay up for this long.
    pub(crate) settle: Duration,
    /// A ConfigMap, Secret or ServiceAccount that is missing may come within this time.
    pub(crate) reference: Duration,
}

/// One object to be watched.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) id: ResourceId,
    pub(crate) source: String,
    pub(crate) kind: ApiKind,
    pub(crate) policy: Policy,
    /// The object as the last apply, or the plan, has seen it.
    pub(crate) object: Value,
    /// This run has changed it: its pods are new.
    pub(crate) changed: bool,
}

/// Watches the objects of a run.
#[derive(Debug)]
pub(crate) struct Tracker {
    cluster: Cluster,
    watches: Arc<Watches>,
    events: Events,
    times: Times,
    /// What is waited for: what was told of it, and all that is known about why it isn't ready.
    waiting: Mutex<BTreeMap<String, (String, String)>>,
}

impl Tracker {
    pub(crate) fn new(cluster: &Cluster, events: &Events, times: Times) -> Self {
        Self {
            cluster: cluster.clone(),
            watches: Arc::new(Watches::new(cluster)),
            events: events.clone(),
            times,
            waiting: Mutex::default(),
        }
    }

    /// Begins the watches that the objects of these kinds will need, so that what was there before the run can be
    /// told from what the run brings.
    pub(crate) async fn prepare(&self, subjects: &[(ApiKind, Option<String>)]) {
        let mut wanted: Vec<(ApiKind, Option<String>)> = Vec::new();
        for (kind, namespace) in subjects {
            if kind.served && is_workload(kind) {
                wanted.push((kind.clone(), namespace.clone()));
                wanted.extend(
                    companions(kind)
                        .into_iter()
                        .map(|companion| (companion, namespace.clone())),
                );
            }
        }
        let all = wanted
            .iter()
            .map(|(kind, namespace)| self.watches.synced(kind, namespace.as_deref(), None));
        futures::future::join_all(all).await;
    }

    /// Waits until an object is ready; gives what is to be said about it.
    pub(crate) async fn until_ready(&self, subject: &Subject) -> Result<String, Failure> {
        if let Some(detail) = ready_at_once(subject) {
            return Ok(detail);
        }
        let result = follow::follow(self, subject).await;
        self.done(&subject.id);
        result
    }

    /// Waits until an object is there.
    pub(crate) async fn until_present(&self, kind: &ApiKind, namespace: &str, name: &str) {
        let mut changes = self.watches.subscribe();
        let shelf = self.watches.shelf(kind, Some(namespace), Some(name));
        while shelf.get(name).is_none() && shelf.denied().is_none() {
            if changes.changed().await.is_err() {
                break;
            }
        }
    }

    /// Waits until an object is gone.
    pub(crate) async fn until_gone(&self, kind: &ApiKind, id: &ResourceId, uid: &str) {
        let mut changes = self.watches.subscribe();
        // Workloads are watched as a whole anyway.
        let name = (!is_workload(kind)).then_some(id.name.as_str());
        let shelf = self.watches.shelf(kind, id.namespace.as_deref(), name);
        loop {
            if shelf.is_synced() {
                let found = shelf
                    .get(&id.name)
                    .filter(|object| object["metadata"]["uid"] == uid);
                let Some(object) = found else { break };
                let detail = deleting(&object);
                self.say_waiting(id, "deleting", &detail, detail.clone());
            }
            if changes.changed().await.is_err() {
                break;
            }
        }
        self.done(id);
    }

    /// What is waited for now, with the reasons.
    pub(crate) fn waiting(&self) -> Vec<(String, String)> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting
            .iter()
            .map(|(resource, (_, why))| (resource.clone(), why.clone()))
            .collect()
    }

    /// Nothing is known of it yet, and nothing is told.
    fn begin_waiting(&self, id: &ResourceId) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let why = "the server has told nothing about it since it was applied".to_owned();
        waiting.insert(id.to_string(), (String::new(), why));
    }

    /// Tells what is waited for where that has changed; `why` is kept for the case that time runs out.
    fn say_waiting(&self, id: &ResourceId, state: &str, detail: &str, why: String) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.insert(id.to_string(), (detail.to_owned(), why));
        if before.is_none_or(|(before, _)| before != detail) {
            self.events.send(Event::Resource {
                resource: id.to_string(),
                state: state.to_owned(),
                detail: detail.to_owned(),
            });
        }
    }

    fn done(&self, id: &ResourceId) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id.to_string());
    }
}

/// What is to be said about an object that needs no watch at all.
fn ready_at_once(subject: &Subject) -> Option<String> {
    match status::compute(&subject.object) {
        status::Status::Ready(detail) if !(subject.changed && is_workload(&subject.kind)) => Some(detail),
        _ => None,
    }
}

/// What the deletion of an object waits for.
fn deleting(object: &Value) -> String {
    let finalizers = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    let (own, others): (Vec<&str>, Vec<&str>) = finalizers
        .filter_map(Value::as_str)
        .partition(|name| *name == "foregroundDeletion");
    match (&own[..], &others[..]) {
        ([], []) => String::new(),
        (_, []) => "waiting for what belongs to it".to_owned(),
        _ => format!("waiting for whoever has set the finalizer {}", others.join(", ")),
    }
}

/// Kinds that have pods, or are one, and claims of volumes.
fn is_workload(kind: &ApiKind) -> bool {
    matches!(
        (kind.api_version.as_str(), kind.kind.as_str()),
        (
            "apps/v1",
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"
        ) | ("v1", "Pod" | "ReplicationController" | "PersistentVolumeClaim")
            | ("batch/v1", "Job")
    )
}

fn served(api_version: &str, kind: &str, plural: &str) -> ApiKind {
    ApiKind {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: true,
        served: true,
    }
}

/// What has to be watched beside an object of this kind.
fn companions(kind: &ApiKind) -> Vec<ApiKind> {
    let mut kinds = vec![served("v1", "Event", "events")];
    if kind.kind != "PersistentVolumeClaim" {
        kinds.push(served("v1", "Pod", "pods"));
    }
    if kind.kind == "Deployment" {
        kinds.push(served("apps/v1", "ReplicaSet", "replicasets"));
    }
    kinds
}
