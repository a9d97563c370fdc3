//! Documents for the fake node, and a release that is converged and looked at.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use kiel::deploy::Outcome;
use kiel::event::{Event, Level};
use regex::Regex;
use serde_json::{Value, json};

use crate::support::{Bench, chart};

/// How much longer than on an idle machine something may take: a busy one gets more.
fn slack() -> Duration {
    let load = fs_err::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load
        .split(' ')
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or(0.0);
    Duration::from_secs_f64(8.0 + 3.0 * load)
}

/// A pod template whose pods have this fate; its container has a readiness probe.
pub(crate) fn template(name: &str, fate: &str) -> Value {
    let mark = "fake.kiel.dev/node";
    json!({
        "metadata": {"labels": {"app": name}, "annotations": {"fake.kiel.dev/fate": fate}},
        "spec": {
            "nodeSelector": {mark: "true"},
            "tolerations": [{"key": mark, "operator": "Exists"}],
            "containers": [{"name": "main", "image": "registry.example/app:1", "readinessProbe": {"httpGet": {"port": 80}}}],
        },
    })
}

fn workload(api_version: &str, kind: &str, name: &str, spec: &Value, fate: &str) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "annotations": {}},
        "spec": {"template": template(name, fate)}});
    merge(&mut object["spec"], spec);
    object
}

pub(crate) fn deployment(name: &str, replicas: u32, fate: &str) -> Value {
    let spec = json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}}});
    workload("apps/v1", "Deployment", name, &spec, fate)
}

pub(crate) fn stateful_set(name: &str, replicas: u32, fate: &str) -> Value {
    let spec = json!({"replicas": replicas, "serviceName": name, "selector": {"matchLabels": {"app": name}}});
    workload("apps/v1", "StatefulSet", name, &spec, fate)
}

pub(crate) fn daemon_set(name: &str, fate: &str) -> Value {
    let spec = json!({"selector": {"matchLabels": {"app": name}}});
    workload("apps/v1", "DaemonSet", name, &spec, fate)
}

/// A Job of pods that are not restarted, none of which may fail.
pub(crate) fn job(name: &str, fate: &str) -> Value {
    let spec = json!({"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never"}}});
    let mut job = workload("batch/v1", "Job", name, &spec, fate);
    job["spec"]["template"]["spec"]["containers"] =
        json!([{"name": "main", "image": "registry.example/job:1"}]);
    job
}

pub(crate) fn pod(name: &str, fate: &str) -> Value {
    let mut pod = template(name, fate);
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!(name);
    pod
}

pub(crate) fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "value"}})
}

/// The object with fields of `change` laid over it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "tables read better without references"
)]
pub(crate) fn with(mut object: Value, change: Value) -> Value {
    merge(&mut object, &change);
    object
}

/// The object with one more annotation.
pub(crate) fn annotated(object: Value, key: &str, value: &str) -> Value {
    with(object, json!({"metadata": {"annotations": {key: value}}}))
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

/// A release under test.
pub(crate) struct Release(pub(crate) Bench);

impl Deref for Release {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.0
    }
}

impl DerefMut for Release {
    fn deref_mut(&mut self) -> &mut Bench {
        &mut self.0
    }
}

impl Release {
    pub(crate) async fn new(name: &str) -> Self {
        assert!(
            std::env::var("KIEL_TEST_FAKE_NODE").is_ok(),
            "KIEL_TEST_FAKE_NODE is not set: run these tests by `cargo xtask test`"
        );
        let mut bench = Bench::new(&format!("track-{name}")).await;
        bench.run_options.settle = Duration::from_secs(2);
        bench.run_options.timeout = Some(Duration::from_secs(90));
        Self(bench)
    }

    /// Converges to these objects: what came of it, with every message in one form, and the time it took.
    pub(crate) async fn deploy(&self, objects: &[Value]) -> (Result<Outcome, String>, Duration) {
        let texts: Vec<String> = objects.iter().map(ToString::to_string).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let begun = Instant::now();
        let result = self.converge(&chart(&texts)).await;
        let result = result.map_err(|error| self.plain(&error.to_string()));
        (result, begun.elapsed())
    }

    /// Converges within about this time.
    #[track_caller]
    pub(crate) fn up(&self, seconds: u64, objects: &[Value]) -> impl Future<Output = Outcome> {
        let place = std::panic::Location::caller();
        async move {
            let (result, took) = self.deploy(objects).await;
            let outcome = result.unwrap_or_else(|message| panic!("{place}: {message}"));
            let limit = Duration::from_secs(seconds) + slack();
            assert!(took < limit, "{place}: it took {took:?}, not {seconds} s");
            outcome
        }
    }

    /// Fails within about this time; the message, with what differs from run to run replaced.
    #[track_caller]
    pub(crate) fn down(&self, seconds: u64, objects: &[Value]) -> impl Future<Output = String> {
        let place = std::panic::Location::caller();
        async move {
            let (result, took) = self.deploy(objects).await;
            let limit = Duration::from_secs(seconds) + slack();
            let message = match result {
                Ok(outcome) => panic!("{place}: it did not fail: {outcome:?}"),
                Err(message) => message,
            };
            assert!(
                took < limit,
                "{place}: it took {took:?}, not {seconds} s: {message}"
            );
            message
        }
    }

    /// A text without names that differ from run to run.
    pub(crate) fn plain(&self, text: &str) -> String {
        let text = text.replace(self.namespace(), "NAMESPACE");
        let mut text = text.replace(&std::process::id().to_string(), "PID");
        for (pattern, with) in [
            (r"\b([a-z]+)-[a-f0-9]{6,10}-[a-z0-9]{5}\b", "$1-HASH"),
            (r"\b(job|web|daemon)-[a-z0-9]{5}\b", "$1-HASH"),
            (r"\([0-9a-f]{8}-[0-9a-f-]{27}\)", "(UID)"),
            (r#""([a-z]+)-[a-f0-9]{6,10}-?""#, "\"$1-HASH\""),
            // How many ends are seen at once is a matter of luck.
            (r"has ended( \d+ times)? \(", "has ended N times ("),
        ] {
            let regex = Regex::new(pattern).expect("a regular expression");
            text = regex.replace_all(&text, with).into_owned();
        }
        text
    }

    /// Warnings that were shown.
    pub(crate) fn warnings(&mut self) -> Vec<String> {
        let told = self.told();
        let warnings = told.into_iter().filter_map(|event| match event {
            Event::Message {
                level: Level::Warning,
                text,
            } => Some(text),
            _ => None,
        });
        warnings.map(|text| self.plain(&text)).collect()
    }
}
