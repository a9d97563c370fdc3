//! Writing one object: server-side apply, deletion, and taking over the fields of former tools.
//!
//! Every function here can be repeated after a kill at any point and comes to the same end.

use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{ApplyMode, Cluster};
use super::fields;
use super::kinds::ApiKind;
use super::plan::Payload;
use super::resources::ResourceId;
use super::track::Tracker;
use crate::release::ApiError;

/// A definition that is established is served some moments later; nothing tells when.
const SERVED_TRIES: u32 = 40;
const SERVED_PAUSE: Duration = Duration::from_millis(250);
/// Attempts to change an object that others change at the same time.
const CONFLICT_TRIES: u32 = 5;

/// The kind as it is served now; waits a little for the kind of a definition that has just been applied.
pub(crate) async fn served_kind(
    cluster: &Cluster,
    id: &ResourceId,
    known: &ApiKind,
) -> Result<ApiKind, ApiError> {
    if known.served {
        return Ok(known.clone());
    }
    for attempt in 0..SERVED_TRIES {
        let kinds = if attempt == 0 {
            cluster.kinds().await?
        } else {
            cluster.refresh_kinds().await?
        };
        if let Some(kind) = kinds.find(&id.api_version, &id.kind).filter(|kind| kind.served) {
            return Ok(kind.clone());
        }
        tokio::time::sleep(SERVED_PAUSE).await;
    }
    Err(ApiError::local(format!(
        "kind {} of {} is not served, although its definition is there",
        id.kind, id.api_version
    )))
}

/// Applies an object; gives it as it is stored.
pub(crate) async fn apply(
    cluster: &Cluster,
    id: &ResourceId,
    kind: &ApiKind,
    payload: &Payload,
) -> Result<Value, ApiError> {
    let namespace = id.namespace.as_deref();
    if payload.take_over {
        take_over(cluster, id, kind).await?;
    }
    let mode = ApplyMode {
        dry_run: false,
        force: payload.force,
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        match cluster
            .apply(kind, namespace, &id.name, &payload.object, mode)
            .await
        {
            // The path of a kind that was added a moment ago, or a race of two writers.
            Err(error) if attempt < CONFLICT_TRIES && is_passing(&error) => {
                tokio::time::sleep(SERVED_PAUSE * attempt).await;
            }
            other => return other.map(|object| kind.complete(object)),
        }
    }
}

/// A refusal that another attempt can end: a kind that is just coming up, or a write in between.
fn is_passing(error: &ApiError) -> bool {
    let starting = error.code == 404 && error.message.contains("could not find the requested resource");
    let race = error.code == 409 && error.causes.is_empty();
    let webhook = error.code == 500 && error.message.contains("failed calling webhook");
    starting || race || webhook
}

/// Makes fields of former tools the release's own, so that the apply can change and remove them.
async fn take_over(cluster: &Cluster, id: &ResourceId, kind: &ApiKind) -> Result<(), ApiError> {
    let namespace = id.namespace.as_deref();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let live = match cluster.get(kind, namespace, &id.name).await {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other?,
        };
        let Some(managed) = fields::take_over(&live) else {
            return Ok(());
        };
        let patch = json!({"metadata": {
            "resourceVersion": live["metadata"]["resourceVersion"],
            "managedFields": managed,
        }});
        match cluster.merge_patch(kind, namespace, &id.name, &patch).await {
            Err(error) if error.is_conflict() && attempt < CONFLICT_TRIES => {}
            other => return other.map(drop),
        }
    }
}

/// Deletes an object and waits until it is gone.
pub(crate) async fn delete(
    cluster: &Cluster,
    tracker: &Tracker,
    id: &ResourceId,
    kind: &ApiKind,
    live: &Value,
    propagation: Option<&str>,
) -> Result<(), ApiError> {
    let namespace = id.namespace.as_deref();
    let uid = live["metadata"]["uid"].as_str().unwrap_or_default();
    let propagation = propagation.unwrap_or(default_propagation(live));
    cluster
        .delete(kind, namespace, &id.name, propagation, Some(uid))
        .await?;
    // Most objects are gone with the answer: a watch only for those that are not.
    match cluster.get(kind, namespace, &id.name).await {
        Err(error) if error.is_not_found() => Ok(()),
        Ok(found) if found["metadata"]["uid"] != uid => Ok(()),
        Ok(_) => {
            tracker.until_gone(kind, id, uid).await;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Objects that have others below them are gone when those are. For the rest that would only take time: the collector
/// learns of new kinds every half minute, and owners of what custom objects bring have finalizers of their own.
fn default_propagation(live: &Value) -> &'static str {
    let owners = [
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
        "CronJob",
        "APIService",
        "CustomResourceDefinition",
    ];
    if live["kind"].as_str().is_some_and(|kind| owners.contains(&kind)) {
        "Foreground"
    } else {
        "Background"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_that_can_pass_are_tried_again() {
        let error = |code: u16, message: &str, field: Option<&str>| {
            let mut error = ApiError::local(message);
            error.code = code;
            error.causes = field
                .map(|field| (field.to_owned(), String::new()))
                .into_iter()
                .collect();
            error
        };
        assert!(is_passing(&error(409, "the object has been modified", None)));
        assert!(!is_passing(&error(
            409,
            "Apply failed with 1 conflict",
            Some(".spec.replicas")
        )));
        assert!(is_passing(&error(
            404,
            "the server could not find the requested resource",
            None
        )));
        assert!(!is_passing(&error(404, "namespaces \"x\" not found", None)));
        assert!(!is_passing(&error(422, "invalid", None)));
    }
}
