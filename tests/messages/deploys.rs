//! Clusters that refuse, and releases that are not as they should be.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::harness::{Project, Run, variable};
use super::{fails_in_repo, messages, project};

const OURS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: '1'}\n";

fn chart(stem: &str, manifests: &str) -> Project {
    project(stem, "", &[(".helm/templates/all.yaml", manifests)])
}

fn done(run: Run) -> String {
    run.expect_code(0).stdout
}

/// A kubeconfig of an account of the project's namespace that may do nothing.
fn account(project: &Project) -> String {
    let own = ["create", "namespace", &project.namespace];
    done(project.kubectl(&own));
    done(project.kubectl(&["create", "serviceaccount", "ci"]));
    let token = done(project.kubectl(&["create", "token", "ci"]));
    let view = |path: &str| {
        let path = format!("jsonpath={{.clusters[0].cluster.{path}}}");
        done(project.kubectl(&["config", "view", "--raw", "--flatten", "-o", &path]))
    };
    let (server, ca) = (view("server"), view("certificate-authority-data"));
    let config = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: '{server}', \
         certificate-authority-data: {ca}}}}}]\ncontexts: [{{name: ci, context: {{cluster: c, user: ci}}}}]\n\
         current-context: ci\nusers: [{{name: ci, user: {{token: {}}}}}]\n",
        token.trim()
    );
    project.write("kubeconfig", &config);
    project.path().join("kubeconfig").display().to_string()
}

#[test]
fn no_rights() {
    let project = chart("rights", OURS);
    let config = account(&project);
    fails_in_repo(
        ("deploy-no-rights", "Rights are missing"),
        &project,
        &["converge", "--kube-config", &config],
        &["lacks these rights", "configmaps", "kind: Role"],
    );
}

#[test]
fn immutable_field() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 0\n  \
                      selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
                      spec: {containers: [{name: main, image: busybox}]}\n";
    let project = chart("immutable", deployment);
    done(project.kiel_in_repo(&["converge"]));
    project.commit(&[(
        ".helm/templates/all.yaml",
        &deployment.replace("app: web", "app: other"),
    )]);
    fails_in_repo(
        ("deploy-immutable-field", "A field cannot be changed"),
        &project,
        &["converge"],
        &["web", "selector"],
    );
}

#[test]
fn foreign_object() {
    let project = chart("foreign", OURS);
    done(project.kubectl(&["create", "namespace", &project.namespace]));
    let owner = "meta.helm.sh/release-name=other";
    done(project.kubectl(&["create", "configmap", "a"]));
    done(project.kubectl(&[
        "annotate",
        "configmap",
        "a",
        owner,
        "meta.helm.sh/release-namespace=elsewhere",
    ]));
    done(project.kubectl(&["label", "configmap", "a", "app.kubernetes.io/managed-by=Helm"]));
    fails_in_repo(
        ("deploy-foreign-object", "An object belongs to another release"),
        &project,
        &["converge"],
        &["other", "elsewhere"],
    );
}

#[test]
fn failing_hook() {
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {helm.sh/hook: pre-install}}\n\
                spec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      \
                - {name: main, image: 'REGISTRY/library/busybox:1.36', command: [sh, -c, 'echo no database; exit 4']}\n";
    let hook = hook.replace("REGISTRY", &variable("KIEL_TEST_REGISTRY"));
    let project = chart("hook", &hook);
    fails_in_repo(
        ("deploy-hook-fails", "A hook fails"),
        &project,
        &["converge"],
        &["migrate", "no database", "4"],
    );
}

#[test]
fn somebody_else_has_the_lock() {
    let project = chart("lock", OURS);
    done(project.kubectl(&["create", "namespace", &project.namespace]));
    let text = "metadata:\n  name: kiel.release.demo\n  annotations:\n    kiel.dev/process: elsewhere\n    \
                kiel.dev/holder: process 4711 of ci on runner-3 (https://ci.example.com/jobs/81)\n    \
                kiel.dev/since: '2026-01-02T03:04:05.678'\n";
    project.write(
        "lock.yaml",
        &format!("apiVersion: v1\nkind: Secret\ntype: kiel.dev/lock\n{text}"),
    );
    done(project.kubectl(&[
        "apply",
        "-f",
        &project.path().join("lock.yaml").display().to_string(),
    ]));
    let mut child = project
        .command(&["converge", "--namespace", &project.namespace])
        .stderr(Stdio::piped())
        .spawn()
        .expect("kiel runs");
    let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let told = lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("waiting for release"))
        .expect("it tells whom it waits for");
    // It would wait until the lock runs out.
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert!(told.contains("process 4711 of ci on runner-3") && told.contains("since 2026-01-02T03:04:05Z"));
    messages::keep(
        "deploy-locked",
        "Somebody else is at the release",
        &project,
        &["converge"],
        &told,
    );
}
