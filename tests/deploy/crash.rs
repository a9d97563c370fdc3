//! Runs that end between any two of their writes: the next one comes to the same end as if nothing had happened.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use kiel::deploy::{Cluster, DismissOptions, KubeOptions, Rendered, dismiss, run};
use kiel::release::{self, Release, ReleaseTarget, Status};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::gate::Gate;
use crate::support::{Bench, chart, config_map};

/// Points that are tried at the same time.
const PARALLEL: usize = 12;

fn hook(name: &str, events: &str, policy: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations: {{helm.sh/hook: '{events}', \
         helm.sh/hook-delete-policy: '{policy}'}}\ndata: {{a: b}}\n"
    )
}

/// A Job that is complete without a pod.
fn job_hook(name: &str, events: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations: {{helm.sh/hook: '{events}', \
         helm.sh/hook-weight: '2'}}\nspec:\n  completions: 0\n  parallelism: 0\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers: [{{name: main, image: 'busybox:1.36'}}]\n"
    )
}

/// A chart with hooks, several kinds, weights, and what has to be made anew; `version` changes most of it.
fn release(version: u32) -> Rendered {
    let mut documents = vec![
        hook("before", "pre-install,pre-upgrade", "before-hook-creation"),
        hook("fleeting", "pre-install,pre-upgrade", "hook-succeeded"),
        job_hook("migrate", "pre-install,pre-upgrade"),
        hook(
            "after",
            "post-install,post-upgrade",
            "before-hook-creation,hook-succeeded",
        ),
        hook("farewell", "pre-delete", "before-hook-creation"),
        config_map("early", &format!("{version}")).replace(
            "  name: early\n",
            "  name: early\n  annotations: {werf.io/weight: '-1'}\n",
        ),
        config_map("same", "1"),
        config_map(&format!("only-in-{version}"), "1"),
        format!(
            "apiVersion: v1\nkind: ConfigMap\nimmutable: true\nmetadata:\n  name: fixed\n  annotations: \
             {{werf.io/delete-policy: before-creation-if-immutable}}\ndata: {{a: '{version}'}}\n"
        ),
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{a: '{version}'}}\n"),
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{selector: {{app: web}}, ports: \
             [{{port: {}}}]}}\n",
            80 + version
        ),
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: 0\n  selector: \
             {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}, annotations: {{v: \
             '{version}'}}}}\n    spec: {{containers: [{{name: main, image: 'busybox:1.36'}}]}}\n"
        ),
    ];
    if version == 2 {
        documents.push("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: new}\n".to_owned());
    }
    let parts: Vec<&str> = documents.iter().map(String::as_str).collect();
    let mut rendered = chart(&parts);
    rendered.notes = Some(format!("version {version}"));
    rendered.config = json!({"version": version});
    rendered
}

/// A definition with an object of it.
fn with_definition(group: &str) -> Rendered {
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: cats.{group}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Cat, plural: cats, singular: cat}}\n  versions:\n  - name: v1\n    \
         served: true\n    storage: true\n    schema: {{openAPIV3Schema: {{type: object, \
         x-kubernetes-preserve-unknown-fields: true}}}}\n"
    );
    let cat = format!("apiVersion: {group}/v1\nkind: Cat\nmetadata:\n  name: tom\nspec: {{legs: 4}}\n");
    chart(&[&cat, &crd, &config_map("a", "1")])
}

/// A namespace of its own, behind a gate of its own.
struct Place {
    bench: Bench,
    gate: Gate,
    gated: Cluster,
}

impl Place {
    async fn new(name: &str) -> Self {
        let bench = Bench::new(name).await;
        let gate = Gate::open(bench.cluster.client().clone()).await;
        let gated = behind(&gate).await;
        Self { bench, gate, gated }
    }

    /// The run, as far as the gate lets it. False where it came to its end.
    async fn try_converge(&self, rendered: &Rendered) -> bool {
        let work = async {
            let options = &self.bench.options;
            let plan = kiel::deploy::plan(&self.gated, &self.bench.target, rendered, options).await?;
            let cancel = CancellationToken::new();
            run(
                &self.gated,
                plan,
                &self.bench.run_options,
                &self.bench.events,
                &cancel,
            )
            .await
        };
        tokio::select! {
            () = self.gate.stopped() => true,
            result = work => {
                result.expect("converges");
                false
            }
        }
    }

    async fn try_dismiss(&self) -> bool {
        let cancel = CancellationToken::new();
        let options = DismissOptions {
            with_hooks: true,
            ..DismissOptions::default()
        };
        let (target, events) = (&self.bench.target, &self.bench.events);
        tokio::select! {
            () = self.gate.stopped() => true,
            result = dismiss(&self.gated, target, &options, events, &cancel) => {
                result.expect("dismisses");
                false
            }
        }
    }

    /// The test's own process lives on: the lock is made to name an earlier one with its number.
    async fn forget_the_holder(&self) {
        let path = format!(
            "/api/v1/namespaces/{}/secrets/kiel.release.app",
            self.bench.namespace()
        );
        let request = |method: &str, body: Vec<u8>| {
            http::Request::builder()
                .method(method)
                .uri(&path)
                .header("content-type", "application/merge-patch+json")
                .body(body)
                .expect("a request")
        };
        let client = self.bench.cluster.client();
        let Ok(lock) = client.request::<Value>(request("GET", Vec::new())).await else {
            return;
        };
        let process = lock["metadata"]["annotations"]["kiel.dev/process"]
            .as_str()
            .expect("a process");
        let mut process: Value = serde_json::from_str(process).expect("JSON");
        process[3] = Value::from("1");
        let patch = json!({"metadata": {"annotations": {"kiel.dev/process": process.to_string()}}});
        let body = patch.to_string().into_bytes();
        client
            .request::<Value>(request("PATCH", body))
            .await
            .expect("patched");
    }

    /// What belongs to the whole cluster does not go with the namespace.
    async fn leave(&self, all_in_namespace: bool) {
        if !all_in_namespace {
            let options = DismissOptions::default();
            self.bench.dismiss(&options).await.expect("dismisses");
        }
    }

    async fn state(&self, more: &[&str]) -> Value {
        state(&self.bench, more).await
    }
}

async fn behind(gate: &Gate) -> Cluster {
    let options = KubeOptions {
        server: Some(gate.url.clone()),
        ..KubeOptions::default()
    };
    Cluster::connect(&options).await.expect("the gate is open")
}

const COLLECTIONS: [&str; 6] = [
    "/api/v1/namespaces/NS/configmaps",
    "/api/v1/namespaces/NS/secrets",
    "/api/v1/namespaces/NS/services",
    "/api/v1/namespaces/NS/serviceaccounts",
    "/apis/apps/v1/namespaces/NS/deployments",
    "/apis/batch/v1/namespaces/NS/jobs",
];

/// Everything that a user could see of the release: objects with their owners of fields, and the record.
async fn state(bench: &Bench, more: &[&str]) -> Value {
    let namespace = bench.namespace();
    let client = bench.cluster.client();
    let mut objects = BTreeMap::new();
    for path in COLLECTIONS.iter().chain(more) {
        let request = http::Request::get(path.replace("NS", namespace)).body(Vec::new());
        let list: Value = client
            .request(request.expect("a request"))
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        for item in list["items"].as_array().into_iter().flatten() {
            // The lock of a run that was killed in its very last step is nobody's, and stays until the next change.
            let kind = item["type"].as_str().unwrap_or_default();
            if matches!(kind, "helm.sh/release.v1" | "kiel.dev/lock")
                || item["metadata"]["name"] == "kube-root-ca.crt"
            {
                continue;
            }
            let name = format!("{path} {}", item["metadata"]["name"]);
            objects.insert(name, plain(item.clone()));
        }
    }
    let record = release::latest(client, &bench.target).await.expect("readable");
    let history = release::history(client, &bench.target).await.expect("readable");
    let statuses: Vec<Status> = history.iter().map(|revision| revision.status).collect();
    let deployed = statuses
        .iter()
        .filter(|status| **status == Status::Deployed)
        .count();
    assert!(!statuses.iter().any(|status| status.is_pending()), "{statuses:?}");
    assert_eq!(deployed, usize::from(record.is_some()), "{statuses:?}");
    let text = json!({"objects": objects, "record": record.map(|record| essence(&record, &bench.target))})
        .to_string();
    serde_json::from_str(&text.replace(namespace, "NS")).expect("JSON")
}

/// An object without what differs from run to run.
fn plain(mut object: Value) -> Value {
    object.as_object_mut().expect("an object").remove("status");
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    for key in ["uid", "resourceVersion", "creationTimestamp"] {
        metadata.remove(key);
    }
    for key in ["controller-uid", "batch.kubernetes.io/controller-uid"] {
        metadata
            .get_mut("labels")
            .and_then(Value::as_object_mut)
            .map(|labels| labels.remove(key));
    }
    let managed = metadata.remove("managedFields").unwrap_or_default();
    // A rerun may count a change more.
    metadata.remove("generation");
    let mut managers: Vec<String> = managed
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["subresource"].is_null() && entry["manager"] != "kube-controller-manager")
        .map(|entry| {
            format!(
                "{} {} {}",
                entry["manager"], entry["operation"], entry["fieldsV1"]
            )
        })
        .collect();
    managers.sort();
    metadata.insert("managers".to_owned(), json!(managers));
    let spec = &mut object["spec"];
    for key in ["clusterIP", "clusterIPs"] {
        spec.as_object_mut().map(|spec| spec.remove(key));
    }
    // Labels and selectors of a Job are made from its uid.
    if object["kind"].is_null() && object["spec"]["completions"].is_number() {
        object["spec"] = Value::Null;
    }
    object
}

fn essence(record: &Release, target: &ReleaseTarget) -> Value {
    assert_eq!(record.name, target.name.as_str());
    let hooks: Vec<Value> = record
        .hooks
        .iter()
        .map(|hook| json!([hook.name, hook.manifest, hook.last_run.phase]))
        .collect();
    json!([
        record.info.status,
        record.info.notes,
        record.chart,
        record.config,
        record.manifest,
        hooks
    ])
}

fn assert_same(found: &Value, want: &Value, what: &str) {
    let text = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    let (want, found) = (text(want), text(found));
    let diff = similar::TextDiff::from_lines(&want, &found);
    assert!(want == found, "{what}:\n{}", diff.unified_diff());
}

/// Tries every point of a run: `prepare`, then the run up to there, then the run again.
async fn every_point(
    name: &str,
    chart: impl Fn(&str) -> Rendered,
    first: Option<&Rendered>,
    more: impl Fn(&str) -> Vec<String>,
) -> usize {
    let start = async |place: &Place| {
        if let Some(first) = first {
            place.bench.converge(first).await.expect("converges");
        }
    };
    let look = async |place: &Place, group: &str| {
        let more = more(group);
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let text = place.state(&more).await.to_string();
        serde_json::from_str::<Value>(&text.replace(group, "GROUP")).expect("JSON")
    };
    let group = |n: usize| format!("g{n}.{name}{}.kiel.test", std::process::id());
    let calm = Place::new(&format!("{name}-0")).await;
    start(&calm).await;
    calm.gate.let_pass();
    assert!(!calm.try_converge(&chart(&group(0))).await);
    let writes = calm.gate.writes();
    let want = look(&calm, &group(0)).await;

    let points = (1..=writes.len()).map(|n| {
        let (start, look, more, group) = (&start, &look, &more, group(n));
        let (chart, want, writes) = (&chart, &want, &writes);
        async move {
            let place = Place::new(&format!("{name}-{n}")).await;
            start(&place).await;
            place.gate.stop_before(n);
            let rendered = chart(&group);
            assert!(place.try_converge(&rendered).await, "stopped before write {n}");
            place.forget_the_holder().await;
            place.bench.converge(&rendered).await.unwrap_or_else(|error| {
                panic!("{name}, killed before write {n} ({:?}): {error}", writes[n - 1])
            });
            let found = look(&place, &group).await;
            assert_same(
                &found,
                want,
                &format!("{name}, killed before write {n} ({:?})", writes[n - 1]),
            );
            let again = place.bench.converge(&rendered).await.expect("converges");
            assert_eq!(
                again.revision, None,
                "{name}, killed before write {n}: nothing is left to do"
            );
            place.leave(more(&group).is_empty()).await;
        }
    });
    futures::stream::iter(points)
        .buffer_unordered(PARALLEL)
        .collect::<()>()
        .await;
    calm.leave(more(&group(0)).is_empty()).await;
    writes.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_run_killed_anywhere() {
    let points = every_point("first", |_| release(1), None, |_| Vec::new()).await;
    assert!(points > 15, "{points}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_killed_anywhere() {
    let before = release(1);
    let points = every_point("next", |_| release(2), Some(&before), |_| Vec::new()).await;
    assert!(points > 15, "{points}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_and_its_object_killed_anywhere() {
    let cats = |group: &str| vec![format!("/apis/{group}/v1/namespaces/NS/cats")];
    every_point("crd", with_definition, None, cats).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_killed_anywhere() {
    let first = release(1);
    let calm = Place::new("gone-0").await;
    calm.bench.converge(&first).await.expect("converges");
    calm.gate.let_pass();
    assert!(!calm.try_dismiss().await);
    let writes = calm.gate.writes();
    let want = calm.state(&[]).await;
    assert_eq!(want["record"], Value::Null);
    let points = (1..=writes.len()).map(|n| {
        let (first, want, writes) = (&first, &want, &writes);
        async move {
            let place = Place::new(&format!("gone-{n}")).await;
            place.bench.converge(first).await.expect("converges");
            place.gate.stop_before(n);
            assert!(place.try_dismiss().await, "stopped before write {n}");
            place.forget_the_holder().await;
            place.gate.let_pass();
            assert!(!place.try_dismiss().await);
            let what = format!("deletion killed before write {n} ({:?})", writes[n - 1]);
            assert_same(&place.state(&[]).await, want, &what);
        }
    });
    futures::stream::iter(points)
        .buffer_unordered(PARALLEL)
        .collect::<()>()
        .await;
}
