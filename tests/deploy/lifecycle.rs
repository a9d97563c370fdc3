//! From the first revision to the last: install, no change, upgrade, deletion, Helm beside us.

use std::time::{Duration, Instant};

use kiel::deploy::{Action, DismissOptions};
use kiel::event::Event;
use kiel::release::{self, Status};

use crate::support::{Bench, chart, config_map, deployment, job};

const PROBE: &str = "readinessProbe: {exec: {command: [\"true\"]}, periodSeconds: 1}";

#[tokio::test]
async fn install_then_nothing_then_upgrade_then_dismiss() {
    let bench = Bench::new("lifecycle").await;
    let web = deployment("web", "echo up; exec sleep 9999", PROBE, "");
    let first = chart(&[&config_map("a", "1"), &config_map("b", "1"), &web]);

    let plan = bench.plan(&first).await.expect("plans");
    assert!(plan.has_changes());
    assert!(!bench.exists("configmap/a"), "a plan changes nothing");
    let outcome = bench.converge(&first).await.expect("converges");
    assert_eq!(outcome.revision, Some(1));
    assert_eq!(bench.get("deployment/web", "{.status.availableReplicas}"), "1");
    let mark = "{.metadata.annotations.meta\\.helm\\.sh/release-name}";
    assert_eq!(bench.get("configmap/a", mark), "app");

    let again = bench.plan(&first).await.expect("plans");
    assert!(!again.has_changes(), "{again}");
    assert_eq!(bench.converge(&first).await.expect("converges").revision, None);

    // One changed, one gone, one new.
    let second = chart(&[&config_map("a", "2"), &config_map("c", "1"), &web]);
    let plan = bench.plan(&second).await.expect("plans");
    let text = plan.to_string();
    assert!(
        text.contains("-  key: \"1\"\n") && text.contains("+  key: \"2\"\n"),
        "{text}"
    );
    assert!(text.contains("1 to create, 1 to update, 1 to delete"), "{text}");
    let outcome = bench.converge(&second).await.expect("converges");
    assert_eq!(outcome.revision, Some(2));
    assert!(!bench.exists("configmap/b"));
    assert_eq!(bench.get("configmap/a", "{.data.key}"), "2");

    let history = release::history(bench.cluster.client(), &bench.target)
        .await
        .expect("history");
    let statuses: Vec<Status> = history.iter().map(|revision| revision.status).collect();
    assert_eq!(statuses, [Status::Superseded, Status::Deployed]);

    bench
        .dismiss(&DismissOptions::default())
        .await
        .expect("dismisses");
    assert!(!bench.exists("configmap/a") && !bench.exists("deployment/web"));
    assert!(
        release::history(bench.cluster.client(), &bench.target)
            .await
            .expect("history")
            .is_empty()
    );
    bench
        .dismiss(&DismissOptions::default())
        .await
        .expect("nothing is left to do");
}

#[tokio::test]
async fn helm_reads_our_release() {
    let bench = Bench::new("helm").await;
    let rendered = chart(&[&config_map("a", "1")]);
    bench.converge(&rendered).await.expect("converges");
    bench
        .converge(&chart(&[&config_map("a", "2")]))
        .await
        .expect("converges");
    let list = bench.helm(&["list"]);
    assert!(
        list.contains("app") && list.contains("deployed") && list.contains("app-1.0.0"),
        "{list}"
    );
    let history = bench.helm(&["history", "app"]);
    assert!(
        history.contains("Install complete") && history.contains("Upgrade complete"),
        "{history}"
    );
    assert_eq!(
        bench.helm(&["get", "manifest", "app", "--revision", "1"]).trim(),
        rendered.manifest_text.trim()
    );
    bench.helm(&["rollback", "app", "1"]);
    assert_eq!(bench.get("configmap/a", "{.data.key}"), "1");

    // What Helm wrote is taken over again, without conflicts.
    let outcome = bench
        .converge(&chart(&[&config_map("a", "2")]))
        .await
        .expect("converges");
    assert_eq!(
        (outcome.revision, bench.get("configmap/a", "{.data.key}").as_str()),
        (Some(4), "2")
    );
    bench.helm(&["uninstall", "app"]);
    assert!(!bench.exists("configmap/a"));
}

#[tokio::test]
async fn a_release_of_helms_is_taken_over() {
    let bench = Bench::new("takeover").await;
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  selector: {app: web}\n  ports:\n  - port: 80\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData: {password: hunter2}\n";
    let web = deployment("web", "exec sleep 9999", PROBE, "");
    let documents = [config_map("a", "1"), service.to_owned(), secret.to_owned(), web];
    let folder = tempfile::tempdir().expect("a temp folder");
    fs_err::create_dir(folder.path().join("templates")).expect("made");
    fs_err::write(
        folder.path().join("Chart.yaml"),
        "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    )
    .expect("written");
    for (n, text) in documents.iter().enumerate() {
        fs_err::write(folder.path().join(format!("templates/{n}.yaml")), text).expect("written");
    }
    let path = folder.path().display().to_string();
    bench.helm(&["install", "app", &path, "--create-namespace", "--wait"]);

    let parts: Vec<&str> = documents.iter().map(String::as_str).collect();
    let plan = bench.plan(&chart(&parts)).await.expect("plans");
    assert!(
        !plan
            .operations
            .iter()
            .any(|operation| operation.action.is_change()),
        "{plan}"
    );
    // A field less, in an object that Helm's client-side apply owns whole.
    let less = documents[1].replace("  selector: {app: web}\n", "");
    let fewer = chart(&[parts[0], &less, parts[2], parts[3]]);
    let plan = bench.plan(&fewer).await.expect("plans").to_string();
    assert!(plan.contains("-  selector:\n"), "{plan}");
    assert!(plan.contains("1 to update"), "{plan}");
    bench.converge(&fewer).await.expect("converges");
    assert_eq!(bench.get("service/web", "{.spec.selector}"), "");
    assert!(!bench.plan(&fewer).await.expect("plans").has_changes());
}

#[tokio::test]
async fn an_autoscaler_keeps_its_replicas() {
    let bench = Bench::new("scale").await;
    let web = deployment("web", "exec sleep 9999", PROBE, "");
    let scaled = web.replace("  replicas: 1\n", "").replace(
        "  name: web\n",
        "  name: web\n  annotations: {werf.io/replicas-on-creation: \"2\"}\n",
    );
    bench.converge(&chart(&[&scaled])).await.expect("converges");
    assert_eq!(bench.get("deployment/web", "{.spec.replicas}"), "2");
    assert!(!bench.plan(&chart(&[&scaled])).await.expect("plans").has_changes());
    bench.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
    let changed = scaled.replace("sleep 9999", "sleep 999");
    bench.converge(&chart(&[&changed])).await.expect("converges");
    assert_eq!(bench.get("deployment/web", "{.spec.replicas}"), "3");
}

#[tokio::test]
async fn fields_that_cannot_change() {
    let bench = Bench::new("immutable").await;
    let web = deployment("web", "exec sleep 9999", PROBE, "");
    bench.converge(&chart(&[&web])).await.expect("converges");
    let other = web.replace("{app: web}", "{app: other}");
    let message = bench
        .plan(&chart(&[&other]))
        .await
        .expect_err("immutable")
        .to_string();
    assert!(
        message.contains("immutable") && message.contains("werf.io/delete-policy"),
        "{message}"
    );
    let annotated = other.replacen(
        "  name: web\n",
        "  name: web\n  annotations: {werf.io/delete-policy: before-creation-if-immutable}\n",
        1,
    );
    let plan = bench
        .plan(&chart(&[&annotated]))
        .await
        .expect("plans")
        .to_string();
    assert!(
        plan.contains("Recreate Deployment/web") && plan.contains("+        app: other\n"),
        "{plan}"
    );
    bench.converge(&chart(&[&annotated])).await.expect("converges");
    assert_eq!(
        bench.get("deployment/web", "{.spec.selector.matchLabels.app}"),
        "other"
    );
}

#[tokio::test]
async fn manual_changes_come_back() {
    let bench = Bench::new("manual").await;
    let rendered = chart(&[&config_map("a", "1")]);
    bench.converge(&rendered).await.expect("converges");
    bench.kubectl(&[
        "patch",
        "configmap",
        "a",
        "-p",
        r#"{"data":{"key":"mine","added":"x"}}"#,
    ]);
    let plan = bench.plan(&rendered).await.expect("plans");
    let text = plan.to_string();
    assert!(
        text.contains("-  added: x\n") && text.contains("-  key: mine\n"),
        "{text}"
    );
    bench.converge(&rendered).await.expect("converges");
    assert_eq!(bench.get("configmap/a", "{.data}"), r#"{"key":"1"}"#);
    assert!(!bench.plan(&rendered).await.expect("plans").has_changes());
}

#[tokio::test]
async fn fields_of_others_are_named() {
    let mut bench = Bench::new("conflict").await;
    bench
        .converge(&chart(&[&config_map("a", "1")]))
        .await
        .expect("converges");
    let patch = config_map("a", "theirs");
    let file = tempfile_with(&patch);
    let path = file.path().display().to_string();
    bench.kubectl(&[
        "apply",
        "--server-side",
        "--field-manager=operator",
        "--force-conflicts",
        "-f",
        &path,
    ]);
    let message = bench
        .plan(&chart(&[&config_map("a", "2")]))
        .await
        .expect_err("conflicts")
        .to_string();
    assert!(
        message.contains(".data.key (set by operator)") && message.contains("--force-conflicts"),
        "{message}"
    );
    assert!(message.contains("app/templates/0.yaml"), "{message}");
    bench.options.force_conflicts = true;
    bench
        .converge(&chart(&[&config_map("a", "2")]))
        .await
        .expect("converges");
    assert_eq!(bench.get("configmap/a", "{.data.key}"), "2");
}

fn tempfile_with(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temp file");
    fs_err::write(file.path(), text).expect("written");
    file
}

#[tokio::test]
async fn foreign_objects_are_not_touched() {
    let mut bench = Bench::new("foreign").await;
    bench
        .converge(&chart(&[&config_map("own", "1")]))
        .await
        .expect("converges");
    bench.kubectl(&["create", "configmap", "a", "--from-literal=key=theirs"]);
    let wanted = chart(&[&config_map("own", "2"), &config_map("a", "1")]);
    let message = bench.converge(&wanted).await.expect_err("foreign").to_string();
    assert!(
        message.contains("belongs to no release") && message.contains("--force-adoption"),
        "{message}"
    );
    assert_eq!(
        bench.get("configmap/own", "{.data.key}"),
        "1",
        "nothing has changed"
    );
    bench.options.force_adoption = true;
    bench.converge(&wanted).await.expect("adopts");
    assert_eq!(bench.get("configmap/a", "{.data.key}"), "1");

    // Another release takes it; deleting this one leaves it.
    bench.kubectl(&[
        "annotate",
        "--overwrite",
        "configmap",
        "a",
        "meta.helm.sh/release-name=other",
    ]);
    bench
        .dismiss(&DismissOptions::default())
        .await
        .expect("dismisses");
    assert!(bench.exists("configmap/a") && !bench.exists("configmap/own"));
}

#[tokio::test]
async fn kept_objects_stay() {
    let bench = Bench::new("keep").await;
    let kept = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kept\n  annotations: {helm.sh/resource-policy: keep}\n";
    bench
        .converge(&chart(&[kept, &config_map("a", "1")]))
        .await
        .expect("converges");
    bench
        .converge(&chart(&[&config_map("a", "1")]))
        .await
        .expect("converges");
    assert!(bench.exists("configmap/kept"));
    bench
        .converge(&chart(&[kept, &config_map("a", "1")]))
        .await
        .expect("takes it back");
    bench
        .dismiss(&DismissOptions::default())
        .await
        .expect("dismisses");
    assert!(bench.exists("configmap/kept") && !bench.exists("configmap/a"));
}

#[tokio::test]
async fn hooks_run_in_order_and_are_deleted_by_policy() {
    let mut bench = Bench::new("hooks").await;
    let hook = |name: &str, script: &str, event: &str, weight: &str, policy: &str| {
        let annotations = format!(
            "{{helm.sh/hook: \"{event}\", helm.sh/hook-weight: \"{weight}\", helm.sh/hook-delete-policy: \"{policy}\"}}"
        );
        job(name, script, &annotations)
    };
    let rendered = chart(&[
        &hook(
            "b-second",
            "echo two",
            "pre-install,pre-upgrade",
            "1",
            "before-hook-creation",
        ),
        &hook("first", "echo one", "pre-install", "-1", "hook-succeeded"),
        &hook("after", "echo three", "post-install", "0", "before-hook-creation"),
        &config_map("a", "1"),
    ]);
    bench.converge(&rendered).await.expect("converges");
    let lines: Vec<String> = bench
        .told()
        .into_iter()
        .filter_map(|event| {
            if let Event::Log { line, .. } = event {
                Some(line)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(lines, ["one", "two", "three"]);
    assert!(!bench.exists("job/first") && bench.exists("job/b-second") && bench.exists("job/after"));
    assert!(
        !bench.plan(&rendered).await.expect("plans").has_changes(),
        "hooks alone are no change"
    );
    let record = release::latest(bench.cluster.client(), &bench.target)
        .await
        .expect("read")
        .expect("is there");
    assert!(
        record.hooks.iter().all(|hook| hook.last_run.phase == "Succeeded"),
        "{:?}",
        record.hooks
    );

    let changed = chart(&[
        &hook(
            "b-second",
            "echo two",
            "pre-install,pre-upgrade",
            "1",
            "before-hook-creation",
        ),
        &hook("first", "echo one", "pre-install", "-1", "hook-succeeded"),
        &hook("after", "echo three", "post-install", "0", "before-hook-creation"),
        &config_map("a", "2"),
    ]);
    let uid = bench.get("job/b-second", "{.metadata.uid}");
    bench.converge(&changed).await.expect("converges");
    assert_ne!(
        bench.get("job/b-second", "{.metadata.uid}"),
        uid,
        "the hook ran again"
    );
    bench
        .dismiss(&DismissOptions {
            with_hooks: true,
            ..DismissOptions::default()
        })
        .await
        .expect("dismisses");
    assert!(!bench.exists("job/b-second") && !bench.exists("job/after"));
}

#[tokio::test]
async fn what_left_the_chart_goes_after_its_successor_is_up() {
    let bench = Bench::new("rename").await;
    bench
        .converge(&chart(&[&deployment("old", "exec sleep 9999", PROBE, "")]))
        .await
        .expect("converges");
    let crash = deployment("new", "echo broken; exit 1", PROBE, "");
    bench.converge(&chart(&[&crash])).await.expect_err("crashes");
    assert_eq!(
        bench.get("deployment/old", "{.status.availableReplicas}"),
        "1",
        "the old one still serves"
    );
    bench
        .converge(&chart(&[&deployment("new", "exec sleep 9999", PROBE, "")]))
        .await
        .expect("converges");
    assert!(!bench.exists("deployment/old"));
    assert_eq!(bench.get("deployment/new", "{.status.availableReplicas}"), "1");
}

#[tokio::test]
async fn a_definition_and_its_objects_in_one_chart() {
    let bench = Bench::new("crd").await;
    let group = format!("g{}.kiel.test", std::process::id());
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: cats.{group}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Cat, plural: cats, singular: cat}}\n  versions:\n  - name: v1\n    \
         served: true\n    storage: true\n    schema: {{openAPIV3Schema: {{type: object, \
         x-kubernetes-preserve-unknown-fields: true}}}}\n"
    );
    let cat = format!("apiVersion: {group}/v1\nkind: Cat\nmetadata:\n  name: tom\nspec: {{legs: 4}}\n");
    let rendered = chart(&[&cat, &crd]);
    bench.converge(&rendered).await.expect("converges");
    assert_eq!(bench.get(&format!("cats.{group}/tom"), "{.spec.legs}"), "4");
    assert!(!bench.plan(&rendered).await.expect("plans").has_changes());
    bench
        .dismiss(&DismissOptions::default())
        .await
        .expect("dismisses");
    assert!(!bench.exists(&format!("crd/cats.{group}")));
}

#[tokio::test]
async fn many_objects_cost_little() {
    let bench = Bench::new("many").await;
    let documents: Vec<String> = (0..200).map(|n| config_map(&format!("map-{n}"), "1")).collect();
    let rendered = chart(&documents.iter().map(String::as_str).collect::<Vec<_>>());
    let begun = Instant::now();
    bench.converge(&rendered).await.expect("converges");
    let install = begun.elapsed();
    let begun = Instant::now();
    let plan = bench.plan(&rendered).await.expect("plans");
    let unchanged = begun.elapsed();
    assert!(!plan.has_changes());
    assert!(
        plan.operations
            .iter()
            .all(|operation| operation.action == Action::Barrier)
    );
    println!("200 ConfigMaps: install {install:?}, plan without changes {unchanged:?}");
    assert!(unchanged < Duration::from_secs(5), "{unchanged:?}");
}
