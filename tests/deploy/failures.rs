//! What must end a run, how soon, and with which words.

use std::time::{Duration, Instant};

use kiel::deploy::{Cluster, KubeOptions, run};
use kiel::release::{self, Status};
use tokio_util::sync::CancellationToken;

use crate::support::{Bench, chart, config_map, deployment, job};

/// Converges, and expects a message with all of these parts within some time; the revision is marked as failed.
async fn check(name: &str, documents: &[&str], seconds: u64, parts: &[&str]) {
    let bench = Bench::new(name).await;
    let begun = Instant::now();
    let message = bench
        .converge(&chart(documents))
        .await
        .expect_err("must fail")
        .to_string();
    let elapsed = begun.elapsed();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(elapsed < Duration::from_secs(seconds), "{elapsed:?}");
    let history = release::history(bench.cluster.client(), &bench.target)
        .await
        .expect("history");
    assert_eq!(
        history.last().map(|revision| revision.status),
        Some(Status::Failed)
    );
    assert!(!bench.exists("secret/kiel.release.app"), "the lock is free");
}

#[tokio::test]
async fn a_crash_loop() {
    let crash = deployment("web", "echo about to break; exit 3", "", "");
    let parts = [
        "Deployment/web (app/templates/0.yaml)",
        "exit code 3",
        "about to break",
    ];
    check("crash", &[&crash], 20, &parts).await;
}

#[tokio::test]
async fn a_crash_after_it_seemed_up() {
    let crash = deployment("web", "sleep 1; echo too late; exit 1", "", "");
    check("crash-late", &[&crash], 30, &["exit code 1", "too late"]).await;
}

#[tokio::test]
async fn an_image_that_is_not_there() {
    let absent = deployment("web", "true", "", "").replace("busybox:1.36", "127.0.0.1:5050/no/such:image");
    check(
        "image",
        &[&absent],
        20,
        &["the image of container main cannot be pulled", "no/such"],
    )
    .await;
}

#[tokio::test]
async fn a_config_map_that_is_not_there() {
    let missing = deployment("web", "true", "envFrom: [{configMapRef: {name: absent}}]", "");
    check("config", &[&missing], 30, &["configmap \"absent\" not found"]).await;
}

#[tokio::test]
async fn a_volume_from_a_secret_that_is_not_there() {
    let more = "volumeMounts: [{name: v, mountPath: /v}]";
    let missing = deployment(
        "web",
        "true",
        more,
        "volumes: [{name: v, secret: {secretName: absent}}]",
    );
    check("volume", &[&missing], 40, &["secret \"absent\" not found"]).await;
}

#[tokio::test]
async fn a_service_account_that_is_not_there() {
    let missing = deployment("web", "true", "", "serviceAccountName: absent");
    check(
        "account",
        &[&missing],
        30,
        &["serviceaccount \"absent\" not found"],
    )
    .await;
}

#[tokio::test]
async fn a_failed_job_is_run_again() {
    let bench = Bench::new("job").await;
    let script = "echo looking; test -e /etc/config/key";
    let failing = chart(&[&job("migrate", "echo no luck; exit 5", "{}")]);
    let message = bench.converge(&failing).await.expect_err("must fail").to_string();
    assert!(
        message.contains("Job/migrate") && message.contains("no luck"),
        "{message}"
    );
    let uid = bench.get("job/migrate", "{.metadata.uid}");
    bench.converge(&failing).await.expect_err("fails again");
    assert_ne!(
        bench.get("job/migrate", "{.metadata.uid}"),
        uid,
        "it was run again"
    );
    bench
        .converge(&chart(&[&job(
            "migrate",
            &script.replace("test -e /etc/config/key", "true"),
            "{}",
        )]))
        .await
        .expect("now it works");
}

#[tokio::test]
async fn a_suspended_job() {
    let suspended = job("later", "true", "{}").replace("backoffLimit: 0", "suspend: true");
    check("suspended", &[&suspended], 10, &["Job/later", "suspended"]).await;
}

#[tokio::test]
async fn a_failed_hook_keeps_back_the_rest() {
    let bench = Bench::new("hook-fails").await;
    let hook = job("check", "echo not today; exit 1", "{helm.sh/hook: pre-install}");
    let message = bench
        .converge(&chart(&[&hook, &config_map("a", "1")]))
        .await
        .expect_err("fails")
        .to_string();
    assert!(
        message.contains("the pre-install hook failed") && message.contains("not today"),
        "{message}"
    );
    assert!(!bench.exists("configmap/a"));
}

#[tokio::test]
async fn what_cannot_be_scheduled_is_told_and_waited_for() {
    let mut bench = Bench::new("schedule").await;
    bench.run_options.timeout = Some(Duration::from_secs(6));
    let nowhere = deployment("web", "true", "", "nodeSelector: {no: where}");
    let message = bench
        .converge(&chart(&[&nowhere]))
        .await
        .expect_err("times out")
        .to_string();
    assert!(
        message.contains("within 6 s") && message.contains("cannot be scheduled"),
        "{message}"
    );
}

#[tokio::test]
async fn refused_objects_are_known_before_anything_changes() {
    let bench = Bench::new("refused").await;
    let unknown = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: typo}\ndatta: {a: b}\n";
    let selector =
        deployment("web", "true", "", "").replace("matchLabels: {app: web}", "matchLabels: {app: other}");
    let message = bench
        .converge(&chart(&[&config_map("a", "1"), unknown, &selector]))
        .await
        .expect_err("refused")
        .to_string();
    for part in [
        "ConfigMap/typo (app/templates/1.yaml)",
        "datta",
        "Deployment/web (app/templates/2.yaml)",
        "selector",
    ] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!bench.exists("configmap/a") && !bench.exists(&format!("namespace/{}", bench.namespace())));
}

#[tokio::test]
async fn two_runs_of_one_release() {
    let bench = Bench::new("two").await;
    let slow = chart(&[&job("slow", "sleep 2", "{}")]);
    let (first, second) = tokio::join!(bench.converge(&slow), bench.converge(&slow));
    let mut revisions = [
        first.expect("converges").revision,
        second.expect("converges").revision,
    ];
    revisions.sort_unstable();
    assert_eq!(revisions, [None, Some(1)], "one waits, then has nothing to do");
}

#[tokio::test]
async fn a_cancelled_run_is_marked_and_blocks_nobody() {
    let bench = Bench::new("cancel").await;
    let slow = chart(&[&job("slow", "sleep 60", "{}")]);
    let plan = bench.plan(&slow).await.expect("plans");
    let cancel = CancellationToken::new();
    let soon = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(
        run(&bench.cluster, plan, &bench.run_options, &bench.events, &cancel),
        soon
    );
    let message = result.expect_err("cancelled").to_string();
    assert!(message.contains("cancelled"), "{message}");
    let history = release::history(bench.cluster.client(), &bench.target)
        .await
        .expect("history");
    assert_eq!(
        history.last().map(|revision| revision.status),
        Some(Status::Failed)
    );
    let other = chart(&[&config_map("a", "1")]);
    assert_eq!(bench.converge(&other).await.expect("converges").revision, Some(2));
    assert!(!bench.exists("job/slow"), "what the cancelled run made is gone");
}

#[tokio::test]
async fn a_killed_run_blocks_nobody() {
    let bench = Bench::new("killed").await;
    let plan = bench
        .plan(&chart(&[&job("slow", "sleep 60", "{}")]))
        .await
        .expect("plans");
    // Dropping the run is what a kill does: nothing is cleaned up but the renewal of the lock.
    let cancel = CancellationToken::new();
    let going = run(&bench.cluster, plan, &bench.run_options, &bench.events, &cancel);
    tokio::time::timeout(Duration::from_secs(2), going)
        .await
        .expect_err("still goes on");
    let pending = release::history(bench.cluster.client(), &bench.target)
        .await
        .expect("history");
    assert_eq!(
        pending.last().map(|revision| revision.status),
        Some(Status::PendingInstall)
    );
    assert!(bench.exists("secret/kiel.release.app"));
    // The test's own process lives on: the lock is made to name an earlier one with its number.
    let process = bench.get(
        "secret/kiel.release.app",
        "{.metadata.annotations.kiel\\.dev/process}",
    );
    let (here, _) = process.rsplit_once(',').expect("four parts");
    let annotation = format!("kiel.dev/process={here},\"1\"]");
    bench.kubectl(&[
        "annotate",
        "--overwrite",
        "secret",
        "kiel.release.app",
        &annotation,
    ]);
    let begun = Instant::now();
    let outcome = bench
        .converge(&chart(&[&config_map("a", "1")]))
        .await
        .expect("converges");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "a holder that is gone on this host blocks nobody"
    );
    assert_eq!(outcome.revision, Some(2));
    let history = release::history(bench.cluster.client(), &bench.target)
        .await
        .expect("history");
    assert_eq!(
        history.first().map(|revision| revision.status),
        Some(Status::Failed)
    );
    assert!(!bench.exists("job/slow"));
}

#[tokio::test]
async fn a_holder_elsewhere_blocks_until_its_lease_runs_out() {
    let mut bench = Bench::new("elsewhere").await;
    let lock = "apiVersion: v1\nkind: Secret\ntype: kiel.dev/lock\nmetadata:\n  name: kiel.release.app\n  annotations:\n    \
         kiel.dev/holder: process 7 of bob on far (pipeline 9)\n    kiel.dev/since: '2026-01-02T03:04:05.678901Z'\n";
    let file = tempfile::NamedTempFile::new().expect("a temp file");
    fs_err::write(file.path(), lock).expect("written");
    bench.kubectl(&["create", "namespace", bench.namespace()]);
    bench.kubectl(&["create", "-f", &file.path().display().to_string()]);
    let begun = Instant::now();
    bench
        .converge(&chart(&[&config_map("a", "1")]))
        .await
        .expect("converges");
    let elapsed = begun.elapsed();
    assert!(
        elapsed > Duration::from_secs(14) && elapsed < Duration::from_secs(20),
        "{elapsed:?}"
    );
    let told = format!("{:?}", bench.told());
    assert!(
        told.contains("process 7 of bob on far (pipeline 9) is deploying it, since 2026-01-02T03:04:05Z"),
        "{told}"
    );
}

/// A hook that never ends and needs no pod.
fn endless_hook(event: &str) -> String {
    job("endless", "true", &format!("{{helm.sh/hook: {event}}}")).replace("backoffLimit: 0", "parallelism: 0")
}

#[tokio::test]
async fn a_run_whose_lock_is_taken_ends_and_leaves_the_lock() {
    let bench = Bench::new("lost").await;
    let endless = chart(&[&endless_hook("pre-install"), &config_map("a", "1")]);
    let steal = async {
        while !bench.exists("job/endless") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let theirs = ["kiel.dev/process-", "kiel.dev/holder=process 7 on far"];
        bench.kubectl(
            &[
                &["annotate", "--overwrite", "secret", "kiel.release.app"][..],
                &theirs,
            ]
            .concat(),
        );
    };
    let (result, ()) = tokio::join!(bench.converge(&endless), steal);
    let message = result.expect_err("lost").to_string();
    assert!(
        message.contains("its lock was lost (process 7 on far has it now)"),
        "{message}"
    );
    assert!(bench.exists("secret/kiel.release.app"), "it is theirs");
}

#[tokio::test]
async fn a_deletion_whose_lock_is_gone_ends() {
    let bench = Bench::new("lost-dismiss").await;
    let release = chart(&[&endless_hook("pre-delete"), &config_map("a", "1")]);
    bench.converge(&release).await.expect("converges");
    let remove = async {
        while !bench.exists("job/endless") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bench.kubectl(&["delete", "secret", "kiel.release.app"]);
    };
    let options = kiel::deploy::DismissOptions::default();
    let (result, ()) = tokio::join!(bench.dismiss(&options), remove);
    let message = result.expect_err("lost").to_string();
    assert!(
        message.contains("its lock was lost (it was deleted)"),
        "{message}"
    );
    assert!(bench.exists("configmap/a"));
}

#[tokio::test]
async fn no_cluster() {
    let missing = KubeOptions {
        kubeconfigs: vec!["/no/such/kubeconfig".into()],
        ..KubeOptions::default()
    };
    let message = Cluster::connect(&missing)
        .await
        .expect_err("no kubeconfig")
        .to_string();
    assert!(
        message.contains("/no/such/kubeconfig") && message.contains("KUBECONFIG"),
        "{message}"
    );
    let closed = KubeOptions {
        server: Some("http://127.0.0.1:1".into()),
        ..KubeOptions::default()
    };
    let message = Cluster::connect(&closed).await.expect_err("closed").to_string();
    assert!(
        message.contains("http://127.0.0.1:1") && message.contains("refused"),
        "{message}"
    );
}
