//! Rollouts that succeed: when a run ends, and what it does not wait for.

use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::json;

use crate::charts::{Release, annotated, config_map, daemon_set, deployment, job, pod, stateful_set, with};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("rollouts::a_deployment", a_deployment),
        trial("rollouts::one_replica_after_another", one_after_another),
        trial("rollouts::old_pods_that_end_slowly_are_not_waited_for", slow_ends),
        trial("rollouts::old_pods_that_crash_are_not_blamed", old_crashes),
        trial("rollouts::a_crash_loop_is_replaced_by_what_works", replaced),
        trial("rollouts::nelm_track_upgrade_crash_not_ready", upgrade_crash),
        trial(
            "rollouts::back_to_the_old_state_after_a_deadline",
            back_after_deadline,
        ),
        trial(
            "rollouts::the_same_again_after_a_deadline_is_waited_for",
            again_after_deadline,
        ),
        trial(
            "rollouts::a_deadline_that_is_exceeded_again_ends_the_run",
            deadline_twice,
        ),
        trial("rollouts::nelm_track_replicas_0", no_replicas),
        trial("rollouts::a_restart_before_it_is_ready_is_forgiven", restart),
        trial("rollouts::flapping_ends_when_it_is_ready", flap),
        trial("rollouts::nelm_track_readiness_probe_fails_12s_b", late_readiness),
        trial("rollouts::without_a_probe_it_has_to_stay_up", settles),
        trial("rollouts::min_ready_seconds_are_waited_for", min_ready),
        trial("rollouts::init_containers_and_sidecars", init_and_sidecar),
        trial("rollouts::nelm_track_statefulset_daemonset", sets),
        trial("rollouts::a_stateful_set_goes_one_by_one", stateful_one_by_one),
        trial("rollouts::a_partition_holds_back_the_others", partition),
        trial("rollouts::on_delete_replaces_nothing", on_delete),
        trial("rollouts::a_daemon_set_is_updated", daemon_update),
        trial("rollouts::a_daemon_set_on_delete", daemon_on_delete),
        trial("rollouts::a_job_with_several_completions", completions),
        trial("rollouts::nelm_track_job_retry_then_ok", retry),
        trial("rollouts::a_job_that_restarts_its_container", job_restarts),
        trial("rollouts::an_indexed_job_that_forgives_an_index", indexed),
        trial("rollouts::nelm_track_bare_pod", bare_pods),
        trial("rollouts::a_cron_job_is_ready_at_once", cron_job),
        trial(
            "rollouts::a_change_of_labels_alone_waits_for_nobody",
            labels_alone,
        ),
        trial("rollouts::the_same_again_changes_nothing", nothing),
        trial("rollouts::a_hundred_deployments", hundred),
    ]
}

async fn a_deployment() {
    let release = Release::new("deployment").await;
    let outcome = release.up(3, &[deployment("web", 3, "ready-after=500ms")]).await;
    let tracked = outcome.operations.iter().find(|done| !done.detail.is_empty());
    assert_eq!(
        tracked.map(|done| done.detail.as_str()),
        Some("3 of 3 replicas available")
    );
    assert_eq!(release.get("deployment/web", "{.status.availableReplicas}"), "3");
}

async fn one_after_another() {
    let release = Release::new("surge").await;
    let strategy = json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}});
    let web = |fate: &str| with(deployment("web", 3, fate), strategy.clone());
    release.up(3, &[web("ready")]).await;
    release.up(5, &[web("ready-after=300ms")]).await;
    assert_eq!(release.get("deployment/web", "{.status.updatedReplicas}"), "3");
}

async fn slow_ends() {
    let release = Release::new("slow-ends").await;
    release
        .up(3, &[deployment("web", 2, "ready slow-delete=25s")])
        .await;
    release.up(4, &[deployment("web", 2, "ready-after=200ms")]).await;
    let pods = release.get("pods", "{.items[*].metadata.deletionTimestamp}");
    assert_eq!(
        pods.split_whitespace().count(),
        2,
        "the old ones are still on their way: {pods}"
    );
}

async fn old_crashes() {
    let release = Release::new("old-crashes").await;
    // The old pods crash for ever from the moment the new ones come.
    let old = deployment(
        "web",
        2,
        "ready 3s exit=1 exit=1 back-off 1s exit=1 back-off 1s again",
    );
    release.up(3, &[old]).await;
    release.up(8, &[deployment("web", 2, "ready-after=3s")]).await;
}

async fn replaced() {
    let release = Release::new("replaced").await;
    let message = release.down(4, &[deployment("web", 1, "crash-loop=3")]).await;
    assert!(message.contains("exit code 3"), "{message}");
    release.up(4, &[deployment("web", 1, "ready-after=1s")]).await;
}

async fn upgrade_crash() {
    let release = Release::new("upgrade-crash").await;
    release.up(3, &[deployment("web", 2, "ready")]).await;
    let message = release.down(6, &[deployment("web", 2, "crash-loop=4")]).await;
    insta::assert_snapshot!("upgrade_crash", message);
    assert_eq!(
        release.get("deployment/web", "{.status.availableReplicas}"),
        "2",
        "the old ones serve on"
    );
    release.up(4, &[deployment("web", 2, "ready-after=100ms")]).await;
}

async fn back_after_deadline() {
    let release = Release::new("back").await;
    let quick = json!({"spec": {"progressDeadlineSeconds": 8}});
    let web = |fate: &str| with(deployment("web", 1, fate), quick.clone());
    release.up(3, &[web("ready")]).await;
    let message = release.down(10, &[web("never")]).await;
    assert!(message.contains("progress deadline exceeded"), "{message}");
    // The deadline's condition stands until the controller sees progress.
    release.up(4, &[web("ready")]).await;
}

async fn again_after_deadline() {
    let release = Release::new("again").await;
    let deadline = json!({"spec": {"progressDeadlineSeconds": 8}});
    let slow = [with(deployment("web", 1, "ready-after=12s"), deadline)];
    let message = release.down(10, &slow).await;
    assert!(message.contains("progress deadline exceeded"), "{message}");
    release.up(6, &slow).await;
}

async fn deadline_twice() {
    let release = Release::new("twice").await;
    let never = [with(
        deployment("web", 1, "never"),
        json!({"spec": {"progressDeadlineSeconds": 5}}),
    )];
    release.down(7, &never).await;
    let (result, took) = release.deploy(&never).await;
    assert!(result.expect_err("it fails again").contains("deadline exceeded"));
    assert!(took >= Duration::from_secs(4), "it had its time again: {took:?}");
}

async fn no_replicas() {
    let release = Release::new("zero").await;
    release.up(1, &[deployment("web", 0, "ready")]).await;
    release
        .up(
            1,
            &[stateful_set("db", 0, "ready"), deployment("web", 0, "never")],
        )
        .await;
}

async fn restart() {
    let release = Release::new("restart").await;
    release.up(4, &[deployment("web", 2, "restart-then-ready")]).await;
}

async fn flap() {
    let release = Release::new("flap").await;
    let slow = json!({"spec": {"minReadySeconds": 2}});
    release.up(7, &[with(deployment("web", 1, "flap"), slow)]).await;
}

async fn late_readiness() {
    let mut release = Release::new("late").await;
    let fate = "running 200ms `unready=HTTP probe failed with statuscode: 500` 1s `unready=HTTP probe failed with \
                statuscode: 500` 1s ready";
    release.up(4, &[deployment("web", 2, fate)]).await;
    let warnings = release.warnings();
    assert_eq!(
        warnings,
        ["Deployment/web: Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500"],
        "once for all pods and tries"
    );
}

/// A Deployment whose container has no readiness probe.
fn without_probe(fate: &str) -> serde_json::Value {
    let mut web = deployment("web", 1, fate);
    web["spec"]["template"]["spec"]["containers"] =
        json!([{"name": "main", "image": "registry.example/app:1"}]);
    web
}

async fn settles() {
    let mut release = Release::new("settles").await;
    let (result, took) = release.deploy(&[without_probe("running")]).await;
    result.expect("it is up");
    assert!(took >= Duration::from_secs(2), "{took:?}");
    // Longer than a busy machine may be late with the exit.
    release.run_options.settle = Duration::from_secs(30);
    let fate = "running 1s exit=9 running 1s exit=9 back-off 1s again";
    let message = release.down(6, &[without_probe(fate)]).await;
    insta::assert_snapshot!("no_probe_and_a_crash_after_a_second", message);
}

async fn min_ready() {
    let release = Release::new("min-ready").await;
    let slow = json!({"spec": {"minReadySeconds": 3}});
    let (result, took) = release.deploy(&[with(deployment("web", 1, "ready"), slow)]).await;
    result.expect("it is up");
    assert!(took >= Duration::from_secs(2), "{took:?}");
    // Longer than a busy machine may be late with the exit.
    let slow = json!({"spec": {"minReadySeconds": 30}});
    let fate = "ready 1s exit=3 ready 1s exit=3 back-off 1s again";
    let crash = with(deployment("web", 1, fate), slow);
    let message = release.down(6, &[crash]).await;
    insta::assert_snapshot!("nelm_track_crashloop_min_ready", message);
}

async fn init_and_sidecar() {
    let release = Release::new("init").await;
    let mut web = deployment("web", 2, "migrate:running 300ms proxy:running 200ms ready");
    web["spec"]["template"]["spec"]["initContainers"] = json!([
        {"name": "migrate", "image": "registry.example/app:1"},
        {"name": "proxy", "image": "registry.example/proxy:1", "restartPolicy": "Always"}]);
    release.up(4, &[web]).await;
}

async fn sets() {
    let release = Release::new("sets").await;
    let objects = [
        stateful_set("db", 2, "ready-after=500ms"),
        daemon_set("daemon", "ready-after=500ms"),
    ];
    release.up(4, &objects).await;
    let names = release.get("pods", "{.items[*].metadata.name}");
    assert!(names.contains("db-0") && names.contains("db-1"), "{names}");
}

async fn stateful_one_by_one() {
    let release = Release::new("stateful").await;
    release.up(4, &[stateful_set("db", 3, "ready-after=200ms")]).await;
    release.up(5, &[stateful_set("db", 3, "ready-after=300ms")]).await;
    let revisions = release.get(
        "statefulset/db",
        "{.status.currentRevision} {.status.updateRevision}",
    );
    let (current, update) = revisions.split_once(' ').expect("two");
    assert_eq!(current, update, "every replica has been replaced");
}

async fn partition() {
    let release = Release::new("partition").await;
    let held = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}});
    let db = |fate: &str| with(stateful_set("db", 3, fate), held.clone());
    release.up(4, &[db("ready")]).await;
    release.up(4, &[db("ready-after=200ms")]).await;
    assert_eq!(
        release.get("statefulset/db", "{.status.updatedReplicas}"),
        "1",
        "only db-2 is new"
    );
}

async fn on_delete() {
    let release = Release::new("on-delete").await;
    let strategy = json!({"spec": {"updateStrategy": {"type": "OnDelete"}}});
    let db = |fate: &str| with(stateful_set("db", 2, fate), strategy.clone());
    release.up(4, &[db("ready")]).await;
    let before = release.get("pods", "{.items[*].metadata.uid}");
    release.up(2, &[db("never")]).await;
    assert_eq!(release.get("pods", "{.items[*].metadata.uid}"), before);
}

async fn daemon_update() {
    let release = Release::new("daemon").await;
    release.up(3, &[daemon_set("daemon", "ready")]).await;
    release.up(4, &[daemon_set("daemon", "ready-after=300ms")]).await;
    assert_eq!(
        release.get("daemonset/daemon", "{.status.updatedNumberScheduled}"),
        "1"
    );
}

async fn daemon_on_delete() {
    let release = Release::new("daemon-delete").await;
    let strategy = json!({"spec": {"updateStrategy": {"type": "OnDelete"}}});
    release
        .up(3, &[with(daemon_set("daemon", "ready"), strategy.clone())])
        .await;
    release
        .up(2, &[with(daemon_set("daemon", "never"), strategy)])
        .await;
}

async fn completions() {
    let release = Release::new("completions").await;
    let several = json!({"spec": {"completions": 4, "parallelism": 2}});
    release
        .up(8, &[with(job("job", "complete=200ms"), several)])
        .await;
    assert_eq!(release.get("job/job", "{.status.succeeded}"), "4");
}

async fn retry() {
    let release = Release::new("retry").await;
    let patient = json!({"spec": {"backoffLimit": 3}});
    // The Job's controller waits for 10 s before it makes the second pod.
    release
        .up(14, &[with(job("job", "fail=1 | complete"), patient)])
        .await;
    assert_eq!(release.get("job/job", "{.status.failed}"), "1");
}

async fn job_restarts() {
    let release = Release::new("job-restarts").await;
    let patient = json!({"spec": {"backoffLimit": 3, "template": {"spec": {"restartPolicy": "OnFailure"}}}});
    let fate = "running 100ms exit=1 running 100ms exit=1 back-off 1s running 100ms exit=0";
    release.up(6, &[with(job("job", fate), patient)]).await;
}

async fn indexed() {
    let release = Release::new("indexed").await;
    let forgiving = json!({"spec": {"completionMode": "Indexed", "completions": 4, "parallelism": 4, "backoffLimit": null,
        "backoffLimitPerIndex": 0, "maxFailedIndexes": 1, "successPolicy": {"rules": [{"succeededCount": 2}]}}});
    let mut one_fails = with(
        job("job", "fail=2 | complete=300ms | complete=600ms | running"),
        forgiving,
    );
    one_fails["spec"]
        .as_object_mut()
        .expect("a map")
        .remove("backoffLimit");
    release.up(8, &[one_fails]).await;
}

async fn bare_pods() {
    let release = Release::new("bare-pods").await;
    let done = with(
        pod("done", "complete=300ms"),
        json!({"spec": {"restartPolicy": "Never"}}),
    );
    release.up(3, &[done, pod("stays", "ready-after=300ms")]).await;
    let bad = with(pod("bad", "fail=3"), json!({"spec": {"restartPolicy": "Never"}}));
    let message = release.down(3, &[bad]).await;
    insta::assert_snapshot!("nelm_track_bare_pod", message);
}

async fn cron_job() {
    let release = Release::new("cron").await;
    let template = job("nightly", "never")["spec"].clone();
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 1 1 *", "jobTemplate": {"spec": template}}});
    release.up(1, &[cron]).await;
}

async fn labels_alone() {
    let mut release = Release::new("labels").await;
    release.up(3, &[without_probe("running")]).await;
    // Whatever were new would have to stay up for longer than is waited here.
    release.run_options.settle = Duration::from_secs(600);
    let marked = annotated(without_probe("running"), "example.org/note", "new");
    assert_eq!(release.up(1, &[marked]).await.revision, Some(2));
}

async fn nothing() {
    let release = Release::new("same").await;
    let objects = [
        deployment("web", 1, "ready"),
        config_map("a"),
        stateful_set("db", 1, "ready"),
    ];
    release.up(3, &objects).await;
    assert_eq!(release.up(1, &objects).await.revision, None);
}

async fn hundred() {
    let release = Release::new("hundred").await;
    let objects: Vec<_> = (0..100)
        .map(|n| deployment(&format!("web-{n}"), 1, "ready-after=200ms"))
        .collect();
    let outcome = release.up(20, &objects).await;
    let ready = outcome
        .operations
        .iter()
        .filter(|done| done.detail == "1 of 1 replicas available");
    assert_eq!(ready.count(), 100);
}
