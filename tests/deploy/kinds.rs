//! Readiness of the kinds that have no test of their own: each is waited for, and is what the cluster says it is.

use crate::support::{Bench, chart, deployment};

/// A pod that is ready a moment after it has begun.
const POD: &str = "containers:\n- name: main\n  image: busybox:1.36\n  command: [sh, -c, 'sleep 1; touch /tmp/up; exec sleep 9999']\n  \
                   readinessProbe: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1}\n";

/// `POD` at this depth.
fn pod_at(indent: usize) -> String {
    let blanks = " ".repeat(indent);
    POD.lines().map(|line| format!("{blanks}{line}\n")).collect()
}

/// A workload of `kind` with these fields beside selector and template.
fn workload(kind: &str, name: &str, fields: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  {fields}\n  selector: {{matchLabels: {{app: {name}}}}}\n  \
         template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      terminationGracePeriodSeconds: 0\n{}",
        pod_at(6)
    )
}

#[tokio::test]
async fn sets_and_pods_are_waited_for() {
    let bench = Bench::new("kinds").await;
    let stateful = workload("StatefulSet", "db", "serviceName: db\n  replicas: 2");
    let daemon = workload("DaemonSet", "agent", "minReadySeconds: 0");
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: lone}}\nspec:\n  terminationGracePeriodSeconds: 0\n{}",
        pod_at(2)
    );
    let release = chart(&[&stateful, &daemon, &pod]);
    let outcome = bench.converge(&release).await.expect("converges");
    assert_eq!(outcome.revision, Some(1));
    assert_eq!(bench.get("statefulset/db", "{.status.readyReplicas}"), "2");
    assert_eq!(bench.get("daemonset/agent", "{.status.numberReady}"), "1");
    let ready = "{.status.conditions[?(@.type==\"Ready\")].status}";
    assert_eq!(bench.get("pod/lone", ready), "True");
    assert_eq!(bench.converge(&release).await.expect("converges").revision, None);

    // A rolling update is over when every replica is new.
    let stateful = stateful.replace("sleep 1; touch", "sleep 2; touch");
    let release = chart(&[&stateful, &daemon, &pod]);
    assert_eq!(
        bench.converge(&release).await.expect("converges").revision,
        Some(2)
    );
    assert_eq!(bench.get("statefulset/db", "{.status.updatedReplicas}"), "2");
    assert_eq!(bench.get("statefulset/db", "{.status.readyReplicas}"), "2");
}

#[tokio::test]
async fn a_claim_is_waited_for() {
    let bench = Bench::new("claims").await;
    let name = bench.namespace().to_owned();
    let volume = format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec:\n  capacity: {{storage: 1Mi}}\n  \
         accessModes: [ReadWriteOnce]\n  storageClassName: ''\n  hostPath: {{path: /tmp}}\n  claimRef: {{namespace: {name}, name: data}}\n"
    );
    let claim = format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec:\n  accessModes: [ReadWriteOnce]\n  \
         storageClassName: ''\n  volumeName: {name}\n  resources: {{requests: {{storage: 1Mi}}}}\n"
    );
    let user = deployment("user", "exec sleep 9999", "", "");
    bench
        .converge(&chart(&[&volume, &claim, &user]))
        .await
        .expect("converges");
    assert_eq!(bench.get("pvc/data", "{.status.phase}"), "Bound");
    bench.dismiss(&Default::default()).await.expect("dismisses");
    assert!(!bench.exists(&format!("pv/{name}")) && !bench.exists("pvc/data"));
}
