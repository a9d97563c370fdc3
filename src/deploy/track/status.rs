//! Is an object ready? Pure functions of the object as the server has it.
//!
//! Workloads have rules of their own; everything else follows the common convention of conditions, generations
//! and phases. An object that says nothing about itself is ready.

use serde::Serialize;
use serde_json::Value;

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Status {
    /// It is as it should be; the text adds detail, often nothing.
    Ready(String),
    /// Not yet; the text says what is missing.
    Progressing(String),
    /// It won't get ready by waiting; the text says why.
    Failed(String),
}

impl Status {
    fn ready() -> Self {
        Self::Ready(String::new())
    }
}

/// The status of any object.
pub(crate) fn compute(object: &Value) -> Status {
    let group = object["apiVersion"]
        .as_str()
        .and_then(|text| text.split_once('/'))
        .map_or("", |(group, _)| group);
    let kind = object["kind"].as_str().unwrap_or_default();
    if let Some(status) = lags_behind(object) {
        return status;
    }
    match (group, kind) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => replica_set(object),
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("", "Namespace") => phase(object, "Active"),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        // Their conditions tell about what they look after, not about themselves.
        ("autoscaling", _) | ("policy", "PodDisruptionBudget") | ("", "PersistentVolume" | "Node") => {
            Status::ready()
        }
        _ => generic(object),
    }
}

/// A controller that reports what it has seen has not yet seen the newest generation.
fn lags_behind(object: &Value) -> Option<Status> {
    let generation = object["metadata"]["generation"].as_i64()?;
    let observed = object["status"]["observedGeneration"].as_i64()?;
    (observed < generation)
        .then(|| Status::Progressing("its controller has not seen the change yet".to_owned()))
}

fn count(object: &Value, path: &str) -> i64 {
    object.pointer(path).and_then(Value::as_i64).unwrap_or(0)
}

fn replicas(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

/// The condition of a type: its status, reason and message.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let all = object["status"]["conditions"].as_array()?;
    let found = all.iter().find(|condition| condition["type"] == kind)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    Some((text("status"), text("reason"), text("message")))
}

/// When the condition of a type has got its status.
pub(crate) fn transition_time<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let all = object["status"]["conditions"].as_array()?;
    let found = all.iter().find(|condition| condition["type"] == kind)?;
    found["lastTransitionTime"].as_str()
}

fn reason_text(reason: &str, message: &str) -> String {
    match (reason.is_empty(), message.is_empty()) {
        (false, false) => format!("{reason}: {message}"),
        (true, false) => message.to_owned(),
        _ => reason.to_owned(),
    }
}

fn deployment(object: &Value) -> Status {
    if object["status"]["observedGeneration"].is_null() {
        return Status::Progressing("its controller has not seen it yet".to_owned());
    }
    let want = replicas(object);
    if object["spec"]["paused"] == true {
        return Status::Ready("paused".to_owned());
    }
    if let Some((status, "ProgressDeadlineExceeded", message)) = condition(object, "Progressing")
        && status == "False"
    {
        return Status::Failed(format!("progress deadline exceeded: {message}"));
    }
    let updated = count(object, "/status/updatedReplicas");
    let total = count(object, "/status/replicas");
    let available = count(object, "/status/availableReplicas");
    if updated < want {
        Status::Progressing(format!("{updated} of {want} replicas updated"))
    } else if available < want {
        Status::Progressing(format!("{available} of {want} replicas available"))
    } else if total > updated {
        Status::Progressing(format!("{} of the old replicas still there", total - updated))
    } else {
        Status::Ready(format!("{want} of {want} replicas available"))
    }
}

fn stateful_set(object: &Value) -> Status {
    if object["status"]["observedGeneration"].is_null() {
        return Status::Progressing("its controller has not seen it yet".to_owned());
    }
    let want = replicas(object);
    let ready = count(object, "/status/readyReplicas");
    if object["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return if ready < want {
            Status::Progressing(format!("{ready} of {want} replicas ready"))
        } else {
            Status::Ready(format!(
                "{want} of {want} replicas ready, new ones when the old are deleted"
            ))
        };
    }
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition").min(want);
    let updated = count(object, "/status/updatedReplicas");
    let current = object["status"]["currentRevision"] == object["status"]["updateRevision"];
    if !current && updated < want - partition {
        Status::Progressing(format!("{updated} of {} replicas updated", want - partition))
    } else if ready < want {
        Status::Progressing(format!("{ready} of {want} replicas ready"))
    } else if !current && partition == 0 {
        Status::Progressing("the last replicas are being replaced".to_owned())
    } else {
        Status::Ready(format!("{want} of {want} replicas ready"))
    }
}

fn daemon_set(object: &Value) -> Status {
    if object["status"]["observedGeneration"].is_null() {
        return Status::Progressing("its controller has not seen it yet".to_owned());
    }
    let want = count(object, "/status/desiredNumberScheduled");
    let updated = count(object, "/status/updatedNumberScheduled");
    let available = count(object, "/status/numberAvailable");
    let on_delete = object["spec"]["updateStrategy"]["type"] == "OnDelete";
    if !on_delete && updated < want {
        Status::Progressing(format!("{updated} of {want} nodes updated"))
    } else if available < want {
        Status::Progressing(format!("available on {available} of {want} nodes"))
    } else {
        Status::Ready(format!("available on {want} of {want} nodes"))
    }
}

fn replica_set(object: &Value) -> Status {
    let want = replicas(object);
    let available = count(object, "/status/availableReplicas");
    if available < want {
        Status::Progressing(format!("{available} of {want} replicas available"))
    } else {
        Status::Ready(format!("{want} of {want} replicas available"))
    }
}

fn job(object: &Value) -> Status {
    for kind in ["Failed", "FailureTarget"] {
        if let Some(("True", reason, message)) = condition(object, kind) {
            return Status::Failed(reason_text(reason, message));
        }
    }
    if let Some(("True", _, _)) = condition(object, "Complete") {
        return Status::Ready("complete".to_owned());
    }
    if object["spec"]["suspend"] == true {
        return Status::Failed("it is suspended (spec.suspend: true) and will not run".to_owned());
    }
    let want = object["spec"]["completions"].as_i64().unwrap_or(1);
    let succeeded = count(object, "/status/succeeded");
    let failed = count(object, "/status/failed");
    let failures = if failed > 0 {
        format!(", {failed} failed")
    } else {
        String::new()
    };
    Status::Progressing(format!("{succeeded} of {want} completions{failures}"))
}

fn pod(object: &Value) -> Status {
    let reason = || {
        let text = |key: &str| object["status"][key].as_str().unwrap_or_default();
        reason_text(text("reason"), text("message"))
    };
    match object["status"]["phase"].as_str() {
        Some("Succeeded") => Status::Ready("succeeded".to_owned()),
        Some("Failed") => Status::Failed(match reason() {
            text if text.is_empty() => "it failed".to_owned(),
            text => text,
        }),
        Some("Running") => match condition(object, "Ready") {
            // Those that run to an end are ready when they have come to it.
            _ if object["spec"]["restartPolicy"] != "Always" => Status::Progressing("running".to_owned()),
            Some(("True", _, _)) => Status::ready(),
            Some((_, reason, message)) => Status::Progressing(reason_text(reason, message)),
            None => Status::Progressing("starting".to_owned()),
        },
        _ => match condition(object, "PodScheduled") {
            Some(("False", reason, message)) => Status::Progressing(reason_text(reason, message)),
            _ => Status::Progressing("starting".to_owned()),
        },
    }
}

fn claim(object: &Value) -> Status {
    match object["status"]["phase"].as_str() {
        Some("Bound") => Status::Ready("bound".to_owned()),
        Some("Lost") => Status::Failed("its volume is lost".to_owned()),
        _ => Status::Progressing("waits for a volume".to_owned()),
    }
}

/// Clusters without a provider of load balancers never give an address, and releases on them must still end.
fn service(object: &Value) -> Status {
    let pending = object["spec"]["type"] == "LoadBalancer"
        && object["status"]["loadBalancer"]["ingress"]
            .as_array()
            .is_none_or(Vec::is_empty);
    if pending {
        Status::Ready("no external address yet".to_owned())
    } else {
        Status::ready()
    }
}

fn phase(object: &Value, want: &str) -> Status {
    match object["status"]["phase"].as_str() {
        Some(phase) if phase != want => Status::Progressing(phase.to_lowercase()),
        _ => Status::ready(),
    }
}

fn definition(object: &Value) -> Status {
    if let Some(("False", reason, message)) = condition(object, "NamesAccepted")
        && reason != "NotAccepted"
    {
        return Status::Failed(reason_text(reason, message));
    }
    match condition(object, "Established") {
        Some(("True", _, _)) => Status::Ready("established".to_owned()),
        _ => Status::Progressing("not established yet".to_owned()),
    }
}

fn generic(object: &Value) -> Status {
    if let Some(("True", reason, message)) = condition(object, "Stalled") {
        return Status::Failed(reason_text(reason, message));
    }
    if let Some(("True", reason, message)) = condition(object, "Reconciling") {
        return Status::Progressing(reason_text(reason, message));
    }
    for kind in ["Ready", "Available", "Established", "Synced", "Succeeded"] {
        match condition(object, kind) {
            Some(("True", _, _)) => return Status::ready(),
            Some((_, reason, message)) => {
                let text = reason_text(reason, message);
                let text = if text.is_empty() {
                    format!("not {} yet", kind.to_lowercase())
                } else {
                    text
                };
                return Status::Progressing(text);
            }
            None => {}
        }
    }
    let phases = ["phase", "state", "status"]
        .iter()
        .filter_map(|key| object["status"][*key].as_str());
    for phase in phases {
        let lower = phase.to_lowercase();
        match lower.as_str() {
            "pending" | "progressing" | "creating" | "provisioning" | "initializing" | "updating"
            | "waiting" => {
                return Status::Progressing(lower);
            }
            "failed" | "error" | "degraded" => return Status::Failed(format!("its {phase} state")),
            _ => {}
        }
    }
    Status::ready()
}

#[cfg(test)]
mod tests;
