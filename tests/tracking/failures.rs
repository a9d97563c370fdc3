//! What ends a run, how soon, and with which words.

use libtest_mimic::Trial;
use regex::Regex;
use serde_json::{Value, json};

use crate::charts::{Release, daemon_set, deployment, job, pod, stateful_set, with};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = cases()
        .into_iter()
        .map(|(name, seconds, objects)| {
            trial(&format!("failures::{name}"), move || {
                check(name, seconds, objects.clone())
            })
        })
        .collect();
    trials.push(trial(
        "failures::what_only_takes_long_is_told_at_the_timeout",
        timeouts,
    ));
    trials.push(trial(
        "failures::a_pull_that_is_slow_to_fail_gets_time",
        slow_pull,
    ));
    trials
}

/// Name, seconds until the end, objects; the message is a snapshot of that name.
fn cases() -> Vec<(&'static str, u64, Vec<Value>)> {
    let quick = json!({"spec": {"progressDeadlineSeconds": 8}});
    let init = |fate: &str| {
        let mut web = deployment("web", 1, fate);
        web["spec"]["template"]["spec"]["initContainers"] =
            json!([{"name": "migrate", "image": "registry.example/app:1"}]);
        web
    };
    let sidecar = || {
        let mut web = deployment("web", 1, "main:running proxy:exit=7 proxy:exit=7 proxy:back-off");
        web["spec"]["template"]["spec"]["initContainers"] =
            json!([{"name": "proxy", "image": "registry.example/proxy:1", "restartPolicy": "Always"}]);
        web
    };
    let never = json!({"spec": {"restartPolicy": "Never"}});
    let pull = |message: &str| format!("`image-pull-backoff={message}`");
    vec![
        ("crash_loop", 3, vec![deployment("web", 1, "crash-loop=3")]),
        (
            "nelm_track_crashloop_2_replicas",
            3,
            vec![deployment("web", 2, "crash-loop=3")],
        ),
        (
            "one_of_three_crashes",
            4,
            vec![deployment("web", 3, "crash-loop=3 | ready")],
        ),
        (
            "ends_with_success_but_should_stay",
            3,
            vec![deployment("web", 1, "crash-loop=0")],
        ),
        ("out_of_memory", 3, vec![deployment("web", 1, "oom")]),
        (
            "stateful_set_crashes",
            3,
            vec![stateful_set("db", 2, "crash-loop=3")],
        ),
        (
            "daemon_set_crashes",
            3,
            vec![daemon_set("daemon", "crash-loop=3")],
        ),
        ("init_container_fails", 4, vec![init("init-fail=5")]),
        ("sidecar_fails", 4, vec![sidecar()]),
        (
            "image_not_found",
            3,
            vec![deployment("web", 1, "image-pull-backoff")],
        ),
        (
            "image_access_denied",
            3,
            vec![deployment(
                "web",
                1,
                &pull("pull access denied, repository does not exist or may require authorization"),
            )],
        ),
        (
            "image_name_invalid",
            3,
            vec![deployment(
                "web",
                1,
                "`waiting=InvalidImageName/couldn't parse image name`",
            )],
        ),
        (
            "config_map_missing",
            8,
            vec![deployment(
                "web",
                1,
                "`config-error=configmap \"settings\" not found`",
            )],
        ),
        (
            "key_of_config_map_missing",
            8,
            vec![deployment("web", 1, "config-error")],
        ),
        (
            "command_not_found",
            8,
            vec![deployment(
                "web",
                1,
                "`waiting=RunContainerError/exec: \"/bin/no\": no such file or directory` 1s again",
            )],
        ),
        (
            "volume_missing",
            8,
            vec![deployment(
                "web",
                1,
                "`event=FailedMount/MountVolume.SetUp failed for volume \"v\" : secret \"absent\" not found`",
            )],
        ),
        (
            "progress_deadline",
            4,
            vec![with(deployment("web", 1, "readiness-fails"), quick.clone())],
        ),
        (
            "progress_deadline_silent",
            4,
            vec![with(deployment("web", 2, "never"), quick)],
        ),
        ("evicted_pod", 3, vec![with(pod("web", "evicted"), never.clone())]),
        ("bare_pod_crashes", 3, vec![pod("web", "crash-loop=3")]),
        (
            "nelm_track_job_fail_backoff_0",
            3,
            vec![job("job", "fail=7"), deployment("web", 1, "ready-after=9s")],
        ),
        (
            "job_deadline",
            5,
            vec![with(
                job("job", "running"),
                json!({"spec": {"activeDeadlineSeconds": 1}}),
            )],
        ),
        (
            "job_backoff_limit",
            14,
            vec![with(job("job", "fail=7"), json!({"spec": {"backoffLimit": 1}}))],
        ),
        (
            "job_pod_failure_policy",
            3,
            vec![with(
                job("job", "fail=42"),
                json!({"spec": {"backoffLimit": 6, "podFailurePolicy": {"rules": [
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}}}),
            )],
        ),
        ("job_image_not_found", 3, vec![job("job", "image-pull-backoff")]),
        (
            "service_account_missing",
            8,
            vec![with(
                deployment("web", 1, "ready"),
                json!({"spec": {"template": {"spec": {"serviceAccountName": "absent"}}}}),
            )],
        ),
        (
            "deleted_meanwhile",
            6,
            vec![with(pod("web", "running 1s lose-node slow-delete=1s"), never)],
        ),
    ]
}

async fn check(name: &str, seconds: u64, objects: Vec<Value>) {
    let release = Release::new(&name.replace('_', "-")).await;
    let message = release.down(seconds, &objects).await;
    if name == "job_backoff_limit" {
        assert!(message.contains("container main: exit code 7"), "{message}");
    }
    insta::assert_snapshot!(name, settled(&message));
}

/// How many of a workload's pods are known when it fails is a matter of luck, and whether a Job's last one is.
pub(crate) fn settled(message: &str) -> String {
    let last_end = Regex::new(r"; (pod|\d+ pods such as) job-HASH: container main: exit code \d+");
    let several = Regex::new(r"(pod|\d+ pods such as) ([a-z]+-HASH: )");
    let message = last_end.expect("a regular expression").replace_all(message, "");
    let several = several.expect("a regular expression");
    several.replace_all(&message, "pods such as $2").into_owned()
}

async fn timeouts() {
    let mut release = Release::new("timeouts").await;
    release.run_options.timeout = Some(std::time::Duration::from_secs(9));
    let nowhere = with(
        deployment("nowhere", 1, "ready"),
        json!({"spec": {"template": {"spec": {"nodeSelector": {"no": "where"}}}}}),
    );
    let gated = with(
        deployment("gated", 1, "ready"),
        json!({"spec": {"template": {"spec": {"schedulingGates": [{"name": "example.org/quota"}]}}}}),
    );
    let objects = [
        nowhere,
        gated,
        deployment("creating", 2, "never"),
        deployment("probing", 1, "readiness-fails"),
        stateful_set("db", 3, "never"),
        job("job", "running"),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec":
            {"accessModes": ["ReadWriteOnce"], "storageClassName": "",
             "resources": {"requests": {"storage": "1Gi"}}}}),
    ];
    let message = release.down(9, &objects).await;
    insta::assert_snapshot!("timeouts", settled(&message));
}

async fn slow_pull() {
    let mut release = Release::new("slow-pull").await;
    let refused = "starting `waiting=ErrImagePull/dial tcp 10.0.0.1:5000: connect: connection refused` 1s \
                   `waiting=ImagePullBackOff/Back-off pulling image` 2s ready";
    release.up(6, &[deployment("web", 1, refused)]).await;
    let warnings = release.warnings();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("connection refused")),
        "{warnings:?}"
    );
}
