//! From the event that says that a rollout is done to the end of kiel.

use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::lab::Lab;
use super::measure::milliseconds;
use super::table::{Figure, Row};
use crate::api::Client;
use crate::{kubelet, say, shell};

pub(super) const ROW: &str = "converge-ready-to-exit";

const WERF_YAML: &str = "project: bench\nconfigVersion: 1\n";

fn chart() -> String {
    let mark = kubelet::MARK;
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata:
      labels: {{app: web}}
      annotations: {{fake.kiel.dev/fate: ready-after=300ms, round: {{{{ .Values.round | quote }}}}}}
    spec:
      nodeSelector: {{{mark}: 'true'}}
      tolerations: [{{key: {mark}, operator: Exists}}]
      containers:
      - name: main
        image: registry.example/app:1
        readinessProbe: {{httpGet: {{port: 80}}}}
"
    )
}

/// The generation of a Deployment whose rollout is done.
fn done(deployment: &Value) -> Option<u64> {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let (generation, status) = (
        number(&deployment["metadata"]["generation"]),
        &deployment["status"],
    );
    let ready = number(&status["observedGeneration"]) == generation
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|key| number(&status[*key]) == 1);
    ready.then_some(generation)
}

/// Sends the moment at which each generation's rollout was seen to be done.
fn watch(socket: &Path, namespace: &str) -> Result<Receiver<(u64, Instant)>> {
    // From any state: to watch from the newest one, a server may ask its store for longer than it waits.
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments?watch=true&resourceVersion=0");
    let events = Client::new(socket).watch(&path)?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut last = 0;
        for event in events {
            let now = Instant::now();
            let event = match event {
                Ok(event) => event,
                Err(error) => return say::error(&error),
            };
            if event["type"] == "ERROR" {
                return say::note(&format!(
                    "the watch of Deployments has ended: {}",
                    event["object"]
                ));
            }
            match done(&event["object"]) {
                Some(generation) if generation > last => {
                    last = generation;
                    if sender.send((generation, now)).is_err() {
                        return;
                    }
                }
                _ => {}
            }
        }
    });
    Ok(receiver)
}

/// Rollouts one after another; the first is not counted.
pub(super) fn row(lab: &Lab) -> Result<Row> {
    let files = [
        ("werf.yaml".to_owned(), WERF_YAML.to_owned()),
        (".helm/templates/web.yaml".to_owned(), chart()),
    ];
    let folder = lab.repository("ready", files.into_iter())?;
    let namespace = format!("bench-{}", std::process::id());
    let kubectl = |arguments: &[&str]| -> Result<String> {
        shell::run(lab.command(&lab.program("kubectl")?, &folder)?.args(arguments))
    };
    kubectl(&["create", "namespace", &namespace])?;
    let measured = rollouts(lab, &folder, &namespace);
    kubectl(&["delete", "namespace", &namespace, "--wait=false"])?;
    Ok(Row {
        name: ROW.to_owned(),
        what: "from the event that says that a rollout is done to the end of kiel converge".to_owned(),
        figure: Figure::Milliseconds {
            all: measured?,
            part: 0.99,
        },
        goal: Some(50.0),
    })
}

fn rollouts(lab: &Lab, folder: &Path, namespace: &str) -> Result<Vec<f64>> {
    let socket = Path::new(lab.variable("KIEL_TEST_API_SOCKET")?);
    let seen = watch(socket, namespace)?;
    let mut times = Vec::new();
    for round in 0..=lab.rounds(40) {
        let value = format!("round={round}");
        let arguments = [
            "converge",
            "--namespace",
            namespace,
            "--release",
            "bench",
            "--set",
            &value,
        ];
        let mut command = lab.kiel(folder, &arguments)?;
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run kiel")?;
        let output = child.wait_with_output()?;
        let end = Instant::now();
        ensure!(
            output.status.success(),
            "kiel converge failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let patience = Duration::from_secs(5);
        let (_, ready) = seen
            .recv_timeout(patience)
            .context("the rollout's end was not seen")?;
        if round > 0 {
            times.push(milliseconds(end.saturating_duration_since(ready)));
        }
    }
    Ok(times)
}
