//! What annotations change about waiting and failing.

use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::charts::{Release, annotated, config_map, deployment, job};
use crate::failures::settled;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("policies::nelm_track_failures_allowed_0", || failures_allowed(0)),
        trial("policies::nelm_track_failures_allowed_3", || failures_allowed(3)),
        trial("policies::nelm_track_job_backoff_2_allowed", job_failures_allowed),
        trial("policies::nelm_track_fail_mode_hope", hope_job),
        trial("policies::nelm_track_hope_deployment", hope_deployment),
        trial("policies::nelm_track_ignore_deployment", ignore),
        trial("policies::nelm_track_nonblocking", non_blocking),
        trial("policies::nelm_track_nonblocking_fails", non_blocking_fails),
        trial("policies::a_dependency_is_waited_for", dependency),
        trial("policies::weights_wait_for_each_other", weights),
        trial("policies::a_hook_that_fails_ends_the_run", hook),
        trial("policies::two_failures_at_once_are_both_told", both),
    ]
}

const FAIL_MODE: &str = "werf.io/fail-mode";
const ALLOWED: &str = "werf.io/failures-allowed-per-replica";

async fn failures_allowed(allowed: u64) {
    let release = Release::new(&format!("allowed-{allowed}")).await;
    let fate = "running 300ms exit=3 running 300ms exit=3 from back-off 1s exit=3 100ms again";
    let web = annotated(deployment("web", 1, fate), ALLOWED, &allowed.to_string());
    let message = release.down(if allowed == 0 { 2 } else { 5 }, &[web]).await;
    insta::assert_snapshot!(format!("failures_allowed_{allowed}"), message);
}

async fn job_failures_allowed() {
    let release = Release::new("job-allowed").await;
    let mut retrying = annotated(job("job", "exit=4 100ms exit=4 back-off 1s again"), ALLOWED, "2");
    retrying["spec"]["backoffLimit"] = json!(20);
    retrying["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    let message = release.down(4, &[retrying]).await;
    insta::assert_snapshot!("job_failures_allowed", message);
}

async fn hope_job() {
    let release = Release::new("hope-job").await;
    let hopeful = annotated(job("job", "fail=7"), FAIL_MODE, "HopeUntilEndOfDeployProcess");
    let (result, took) = release.deploy(&[hopeful, job("slow", "complete=4s")]).await;
    let message = result.expect_err("it fails in the end");
    insta::assert_snapshot!("fail_mode_hope", settled(&message));
    assert!(
        took > Duration::from_secs(4),
        "the other one is waited for: {took:?}"
    );
    assert_eq!(release.get("job/slow", "{.status.succeeded}"), "1");
}

async fn hope_deployment() {
    let release = Release::new("hope-deployment").await;
    let hopeful = annotated(
        deployment("web", 1, "crash-loop=3"),
        FAIL_MODE,
        "HopeUntilEndOfDeployProcess",
    );
    let (result, took) = release.deploy(&[hopeful, job("slow", "complete=4s")]).await;
    assert!(result.expect_err("it fails").contains("exit code 3"));
    assert!(took > Duration::from_secs(4), "{took:?}");
}

async fn ignore() {
    let mut release = Release::new("ignore").await;
    let ignored = annotated(
        deployment("web", 1, "crash-loop=3"),
        FAIL_MODE,
        "IgnoreAndContinueDeployProcess",
    );
    release.up(5, &[ignored, job("slow", "complete=1s")]).await;
    let warnings = release.warnings();
    let ignored =
        "Deployment/web failed and is ignored (werf.io/fail-mode): container main of pod web-HASH has ended";
    assert!(
        warnings.iter().any(|warning| warning.starts_with(ignored)),
        "{warnings:?}"
    );
}

fn non_blocking_mode(object: Value) -> Value {
    annotated(object, "werf.io/track-termination-mode", "NonBlocking")
}

async fn non_blocking() {
    let release = Release::new("non-blocking").await;
    let web = non_blocking_mode(deployment("web", 1, "ready-after=20s"));
    release.up(1, &[web, config_map("a")]).await;
}

async fn non_blocking_fails() {
    let release = Release::new("non-blocking-fails").await;
    let objects = [
        non_blocking_mode(deployment("web", 1, "crash-loop")),
        non_blocking_mode(job("job", "fail=1")),
        job("slow", "complete=3s"),
    ];
    release.up(6, &objects).await;
}

async fn dependency() {
    let release = Release::new("dependency").await;
    let web = annotated(
        deployment("web", 1, "ready"),
        "werf.io/deploy-dependency-db",
        "state=ready,kind=Job,name=job",
    );
    let outcome = release.up(5, &[web, job("job", "complete=1s")]).await;
    let place = |name: &str| {
        let mut done = outcome.operations.iter();
        done.position(|done| done.resource.name == name)
            .expect("it was done")
    };
    assert!(place("job") < place("web"));
    let started = release.get("deployment/web", "{.metadata.creationTimestamp}");
    let ended = release.get("job/job", "{.status.completionTime}");
    assert!(started >= ended, "{started} {ended}");
}

async fn weights() {
    let release = Release::new("weights").await;
    let late = annotated(deployment("late", 1, "ready"), "werf.io/weight", "5");
    let early = annotated(deployment("web", 1, "crash-loop=3"), "werf.io/weight", "-5");
    let message = release.down(4, &[late, early]).await;
    assert!(message.contains("Deployment/web"), "{message}");
    assert!(
        !release.exists("deployment/late"),
        "what comes later is not begun"
    );
}

async fn hook() {
    let release = Release::new("hook").await;
    let hook = annotated(job("job", "fail=4"), "helm.sh/hook", "pre-install");
    let message = release.down(3, &[hook, config_map("a")]).await;
    insta::assert_snapshot!("hook", settled(&message));
    assert!(!release.exists("configmap/a"));
}

async fn both() {
    let release = Release::new("both").await;
    let hope = "HopeUntilEndOfDeployProcess";
    let objects = [
        annotated(deployment("web", 1, "crash-loop=3"), FAIL_MODE, hope),
        annotated(job("job", "fail=7"), FAIL_MODE, hope),
    ];
    let message = release.down(4, &objects).await;
    assert!(message.contains("2 objects:"), "{message}");
}
