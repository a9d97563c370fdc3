#![expect(
    clippy::needless_pass_by_value,
    reason = "tables read better without references"
)]

use serde_json::json;

use super::*;

/// `want`: `+` ready, `.` progressing, `!` failed, followed by a part of the text.
fn check(object: Value, want: &str) {
    let status = compute(&object);
    let (mark, text) = match &status {
        Status::Ready(text) => ('+', text),
        Status::Progressing(text) => ('.', text),
        Status::Failed(text) => ('!', text),
    };
    let (want_mark, want_text) = want.split_at(1);
    assert!(
        want_mark.starts_with(mark) && text.contains(want_text),
        "{status:?}, not {want}: {object}"
    );
}

fn workload(kind: &str, spec: Value, status: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": status})
}

#[test]
fn deployments() {
    let check =
        |status: Value, want: &str| check(workload("Deployment", json!({"replicas": 2}), status), want);
    check(json!({}), ".has not seen it");
    check(
        json!({"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2}),
        ".has not seen the change",
    );
    check(json!({"observedGeneration": 2}), ".0 of 2 replicas updated");
    check(
        json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}),
        ".1 of the old replicas",
    );
    check(
        json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}),
        ".1 of 2",
    );
    check(
        json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
        "+2 of 2",
    );
    let late = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "m"});
    check(
        json!({"observedGeneration": 2, "conditions": [late]}),
        "!progress deadline exceeded: m",
    );
}

#[test]
fn deployments_that_want_nothing_or_wait() {
    let status = json!({"observedGeneration": 2});
    check(
        workload("Deployment", json!({"replicas": 0}), status.clone()),
        "+0 of 0",
    );
    check(workload("Deployment", json!({"paused": true}), status), "+paused");
}

#[test]
fn stateful_sets() {
    let spec = json!({"replicas": 3});
    let at = |updated: i64, ready: i64, current: &str| {
        json!({"observedGeneration": 2, "updatedReplicas": updated, "readyReplicas": ready,
            "currentRevision": current, "updateRevision": "b"})
    };
    check(
        workload("StatefulSet", spec.clone(), at(1, 3, "a")),
        ".1 of 3 replicas updated",
    );
    check(
        workload("StatefulSet", spec.clone(), at(3, 2, "a")),
        ".2 of 3 replicas ready",
    );
    check(workload("StatefulSet", spec, at(3, 3, "b")), "+3 of 3");
    let partition = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}});
    check(workload("StatefulSet", partition, at(1, 3, "a")), "+3 of 3");
    let on_delete = json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}});
    check(
        workload("StatefulSet", on_delete, at(0, 3, "a")),
        "+when the old are deleted",
    );
}

#[test]
fn daemon_sets() {
    let at = |want: i64, updated: i64, available: i64| {
        workload(
            "DaemonSet",
            json!({}),
            json!({"observedGeneration": 2, "desiredNumberScheduled": want,
            "updatedNumberScheduled": updated, "numberAvailable": available}),
        )
    };
    check(at(2, 1, 2), ".1 of 2 nodes updated");
    check(at(2, 2, 1), ".available on 1 of 2");
    check(at(0, 0, 0), "+available on 0 of 0");
}

#[test]
fn jobs() {
    let job = |spec: Value, status: Value| json!({"apiVersion": "batch/v1", "kind": "Job", "spec": spec, "status": status});
    let condition =
        |kind: &str| json!({"conditions": [{"type": kind, "status": "True", "reason": "R", "message": "m"}]});
    check(job(json!({}), json!({})), ".0 of 1");
    check(
        job(json!({"completions": 2}), json!({"succeeded": 1, "failed": 1})),
        ".1 of 2 completions, 1 failed",
    );
    check(job(json!({}), condition("Complete")), "+complete");
    check(job(json!({}), condition("Failed")), "!R: m");
    check(job(json!({"suspend": true}), json!({})), "!suspended");
}

#[test]
fn pods() {
    let pod = |policy: &str, status: Value| json!({"apiVersion": "v1", "kind": "Pod", "spec": {"restartPolicy": policy}, "status": status});
    let ready =
        |status: &str| json!({"phase": "Running", "conditions": [{"type": "Ready", "status": status}]});
    check(pod("Always", ready("True")), "+");
    check(pod("Always", ready("False")), ".");
    check(pod("Never", ready("True")), ".running");
    check(pod("Never", json!({"phase": "Succeeded"})), "+succeeded");
    check(
        pod("Never", json!({"phase": "Failed", "reason": "Evicted"})),
        "!Evicted",
    );
    let unscheduled = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/1 nodes"}]});
    check(pod("Always", unscheduled), ".Unschedulable: 0/1 nodes");
}

#[test]
fn everything_else() {
    let custom =
        |status: Value| json!({"apiVersion": "e.org/v1", "kind": "Cat", "metadata": {}, "status": status});
    let with = |kind: &str, status: &str| {
        custom(json!({"conditions": [{"type": kind, "status": status, "reason": "R"}]}))
    };
    check(custom(Value::Null), "+");
    check(with("Ready", "True"), "+");
    check(with("Ready", "False"), ".R");
    check(with("Ready", "Unknown"), ".R");
    check(with("Stalled", "True"), "!R");
    check(with("Odd", "False"), "+");
    check(custom(json!({"phase": "Pending"})), ".pending");
    check(custom(json!({"phase": "Failed"})), "!Failed");
    check(json!({"apiVersion": "v1", "kind": "ConfigMap"}), "+");
    check(
        json!({"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer"}}),
        "+no external address",
    );
    check(
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}}),
        ".volume",
    );
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "status": {"conditions": [{"type": "ScalingActive", "status": "False"}]}});
    check(scaler, "+");
}
