//! A namespace per test, charts as plain documents, and Helm and kubectl beside us.

use std::process::Command;
use std::time::Duration;

use kiel::deploy::{
    Cluster, DeployError, DeployPlan, DismissOptions, KubeOptions, Outcome, PlanOptions, Rendered,
    RunOptions, Source, dismiss, plan, run,
};
use kiel::event::{Event, Events};
use kiel::release::ReleaseTarget;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests by `cargo xtask test`"))
}

/// A cluster, a release and a namespace that is deleted in the end.
pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) target: ReleaseTarget,
    pub(crate) events: Events,
    pub(crate) received: UnboundedReceiver<Event>,
    pub(crate) options: PlanOptions,
    pub(crate) run_options: RunOptions,
}

impl Bench {
    pub(crate) async fn new(name: &str) -> Self {
        let options = KubeOptions {
            kubeconfigs: vec![variable("KIEL_TEST_KUBECONFIG").into()],
            ..KubeOptions::default()
        };
        let cluster = Cluster::connect(&options)
            .await
            .expect("the test cluster answers");
        let namespace = format!("deploy-{name}-{}", std::process::id());
        let (events, received) = Events::channel();
        Self {
            cluster,
            target: ReleaseTarget::parse("app", &namespace).expect("names"),
            events,
            received,
            options: PlanOptions::default(),
            run_options: RunOptions {
                timeout: Some(Duration::from_secs(90)),
                settle: Duration::from_secs(3),
                ..RunOptions::default()
            },
        }
    }

    pub(crate) fn namespace(&self) -> &str {
        self.target.namespace.as_str()
    }

    pub(crate) async fn plan(&self, rendered: &Rendered) -> Result<DeployPlan, DeployError> {
        plan(&self.cluster, &self.target, rendered, &self.options).await
    }

    pub(crate) async fn converge(&self, rendered: &Rendered) -> Result<Outcome, DeployError> {
        let plan = self.plan(rendered).await?;
        run(
            &self.cluster,
            plan,
            &self.run_options,
            &self.events,
            &CancellationToken::new(),
        )
        .await
    }

    pub(crate) async fn dismiss(&self, options: &DismissOptions) -> Result<Outcome, DeployError> {
        dismiss(
            &self.cluster,
            &self.target,
            options,
            &self.events,
            &CancellationToken::new(),
        )
        .await
    }

    /// Everything that was told so far.
    pub(crate) fn told(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }

    /// kubectl's standard output; fails where kubectl does.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let (text, ok) = self.try_kubectl(arguments);
        assert!(ok, "kubectl {arguments:?}: {text}");
        text
    }

    /// kubectl's output and whether it succeeded.
    pub(crate) fn try_kubectl(&self, arguments: &[&str]) -> (String, bool) {
        call(
            &variable("KIEL_TEST_KUBECTL"),
            &["-n", self.namespace()],
            arguments,
        )
    }

    pub(crate) fn helm(&self, arguments: &[&str]) -> String {
        let (text, ok) = self.try_helm(arguments);
        assert!(ok, "helm {arguments:?}: {text}");
        text
    }

    /// Helm's output and whether it succeeded.
    pub(crate) fn try_helm(&self, arguments: &[&str]) -> (String, bool) {
        call(&variable("KIEL_TEST_HELM"), &["-n", self.namespace()], arguments)
    }

    /// The certificates of the cluster's authority (PEM), and its URL.
    pub(crate) fn authority(&self) -> (String, String) {
        let of = |path: &str| {
            self.kubectl(&[
                "config",
                "view",
                "--raw",
                "--flatten",
                "-o",
                &format!("jsonpath={path}"),
            ])
        };
        let encoded = of("{.clusters[0].cluster.certificate-authority-data}");
        let ca = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded.trim())
            .expect("base64");
        (
            String::from_utf8(ca).expect("PEM"),
            of("{.clusters[0].cluster.server}"),
        )
    }

    /// kubectl edit by a stream editor's script.
    pub(crate) fn kubectl_edit(&self, object: &str, script: &str) {
        let output = Command::new(variable("KIEL_TEST_KUBECTL"))
            .args(["-n", self.namespace(), "edit", object])
            .env("KUBECONFIG", variable("KIEL_TEST_KUBECONFIG"))
            .env("KUBE_EDITOR", format!("sed -i '{script}'"))
            .output()
            .expect("kubectl runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Creates objects of a text by kubectl.
    pub(crate) fn create(&self, text: &str) {
        let file = file_with(text);
        self.kubectl(&["create", "-f", &file.path().display().to_string()]);
    }

    /// A value of an object, by kubectl's JSON path.
    pub(crate) fn get(&self, object: &str, path: &str) -> String {
        self.kubectl(&["get", object, "-o", &format!("jsonpath={path}")])
    }

    pub(crate) fn exists(&self, object: &str) -> bool {
        self.try_kubectl(&["get", object]).1
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Not waited for: the namespace's name is never used again.
        self.try_kubectl(&[
            "delete",
            "namespace",
            self.namespace(),
            "--wait=false",
            "--ignore-not-found",
        ]);
    }
}

fn call(program: &str, first: &[&str], arguments: &[&str]) -> (String, bool) {
    let output = Command::new(program)
        .args(first)
        .args(arguments)
        .env("KUBECONFIG", variable("KIEL_TEST_KUBECONFIG"))
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    (text, output.status.success())
}

/// A file of its own with this text.
pub(crate) fn file_with(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temp file");
    fs_err::write(file.path(), text).expect("written");
    file
}

/// The same documents as a chart in a folder, for Helm.
pub(crate) fn chart_folder(documents: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temp folder");
    fs_err::create_dir(folder.path().join("templates")).expect("made");
    let metadata = "apiVersion: v2\nname: app\nversion: 1.0.0\n";
    fs_err::write(folder.path().join("Chart.yaml"), metadata).expect("written");
    for (n, text) in documents.iter().enumerate() {
        fs_err::write(folder.path().join(format!("templates/{n}.yaml")), text).expect("written");
    }
    folder
}

/// A rendered chart of these documents; those with a hook annotation become hooks.
pub(crate) fn chart(documents: &[&str]) -> Rendered {
    let mut rendered = Rendered {
        chart: json!({"metadata": {"name": "app", "version": "1.0.0", "apiVersion": "v2"}, "templates": [], "values": {}}),
        config: json!({}),
        ..Rendered::default()
    };
    for (n, text) in documents.iter().enumerate() {
        let source = Source {
            source: format!("app/templates/{n}.yaml"),
            text: unindent(text),
        };
        if ["helm.sh/hook:", "\"helm.sh/hook\":"]
            .iter()
            .any(|key| source.text.contains(key))
        {
            rendered.hooks.push(source);
        } else {
            rendered.manifest_text.push_str(&format!(
                "---\n# Source: {}\n{}\n",
                source.source,
                source.text.trim()
            ));
            rendered.documents.push(source);
        }
    }
    rendered
}

fn unindent(text: &str) -> String {
    let text = text.trim_start_matches('\n');
    let indent = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len());
    let indent = indent.min().unwrap_or(0);
    text.lines()
        .map(|line| format!("{}\n", line.get(indent..).unwrap_or_default()))
        .collect()
}

/// A ConfigMap with one value.
pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: {value:?}\n")
}

/// A Deployment of one busybox that runs a shell script; `more` goes into the container, `spec` into its pod.
pub(crate) fn deployment(name: &str, script: &str, more: &str, spec: &str) -> String {
    let nested = |text: &str, indent: usize| -> String {
        unindent(text)
            .lines()
            .map(|line| format!("{}{line}\n", " ".repeat(indent)))
            .collect()
    };
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: 1\n  selector:\n    \
         matchLabels: {{app: {name}}}\n  template:\n    metadata:\n      labels: {{app: {name}}}\n    spec:\n      \
         terminationGracePeriodSeconds: 0\n{}      containers:\n      - name: main\n        image: busybox:1.36\n        \
         command: [sh, -c, {script:?}]\n{}",
        nested(spec, 6),
        nested(more, 8),
    )
}

/// A Job of one busybox that runs a shell script; `annotations` is YAML of a map.
pub(crate) fn job(name: &str, script: &str, annotations: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations: {annotations}\nspec:\n  \
         backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      terminationGracePeriodSeconds: 0\n      \
         containers:\n      - name: main\n        image: busybox:1.36\n        command: [sh, -c, {script:?}]\n"
    )
}
