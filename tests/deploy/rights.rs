//! Users who may do little: everything that can be done without a right is done without it.

use std::time::{Duration, Instant};

use kiel::deploy::{Cluster, DismissOptions, KubeOptions};

use crate::support::{Bench, chart, config_map, deployment, file_with};

/// Only what a small release needs: no namespaces, leases, events or logs.
const RULES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer}
rules:
- {apiGroups: [''], resources: [configmaps, secrets], verbs: ['*']}
- {apiGroups: [''], resources: [pods], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments], verbs: ['*']}
- {apiGroups: [apps], resources: [replicasets], verbs: [get, list, watch]}
";

/// A bench whose cluster is seen by a ServiceAccount without rights of its own.
async fn as_account(name: &str) -> Bench {
    let mut bench = Bench::new(name).await;
    bench.kubectl(&["create", "namespace", bench.namespace()]);
    bench.kubectl(&["create", "serviceaccount", "deployer"]);
    let token = bench.kubectl(&["create", "token", "deployer"]);
    let (ca, server) = bench.authority();
    let options = KubeOptions {
        server: Some(server),
        ca: Some(ca),
        token: Some(token.trim().to_owned()),
        ..KubeOptions::default()
    };
    bench.cluster = Cluster::connect(&options).await.expect("connects");
    bench
}

/// The API server learns of roles a moment after they were stored.
fn wait_until_granted(bench: &Bench) {
    let account = format!("system:serviceaccount:{}:deployer", bench.namespace());
    let limit = Instant::now() + Duration::from_secs(30);
    while !bench
        .try_kubectl(&["auth", "can-i", "list", "secrets", "--as", &account])
        .1
    {
        assert!(Instant::now() < limit, "the roles are not honoured");
    }
}

#[tokio::test]
async fn a_user_of_one_namespace() {
    let mut bench = as_account("rights").await;
    let file = file_with(RULES);
    bench.kubectl(&["apply", "-f", &file.path().display().to_string()]);
    let account = format!("--serviceaccount={}:deployer", bench.namespace());
    bench.kubectl(&["create", "rolebinding", "deployer", "--role=deployer", &account]);
    wait_until_granted(&bench);
    let probe = "readinessProbe: {exec: {command: [\"true\"]}}";
    let web = deployment("web", "exec sleep 9999", probe, "");
    let rendered = chart(&[&config_map("a", "1"), &config_map("b", "1"), &web]);
    let outcome = bench.converge(&rendered).await.expect("converges");
    assert_eq!(outcome.revision, Some(1));
    let told = format!("{:?}", bench.told());
    assert!(!told.contains("Warning"), "{told}");
    assert!(!bench.plan(&rendered).await.expect("plans").has_changes());
    // Two at once wait for each other, whatever else they may not do.
    let second = chart(&[&config_map("a", "2"), &config_map("b", "1"), &web]);
    let (one, two) = tokio::join!(bench.converge(&second), bench.converge(&second));
    let mut revisions = [one.expect("converges").revision, two.expect("converges").revision];
    revisions.sort_unstable();
    assert_eq!(revisions, [None, Some(2)]);
    bench
        .dismiss(&DismissOptions::default())
        .await
        .expect("dismisses");
    assert!(!bench.exists("configmap/a") && !bench.exists("deployment/web"));
}

#[tokio::test]
async fn all_missing_rights_are_named_at_once_and_the_hint_grants_them() {
    let bench = as_account("no-rights").await;
    let hook = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: h, annotations: {helm.sh/hook: pre-install, \
                helm.sh/hook-delete-policy: hook-succeeded}}\n";
    let web = deployment("web", "true", "", "").replace("replicas: 1", "replicas: 0");
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: x}\n";
    let rendered = chart(&[&config_map("a", "1"), hook, &web, account]);
    let error = bench.plan(&rendered).await.expect_err("no right");
    let message = error.to_string();
    let namespace = bench.namespace();
    for text in [
        format!("`system:serviceaccount:{namespace}:deployer` lacks these rights"),
        format!("create, delete, get, patch configmaps in namespace `{namespace}`"),
        format!("create, delete, get, list, patch secrets in namespace `{namespace}`"),
        format!("create, get, patch serviceaccounts in namespace `{namespace}`"),
        format!("create, get, patch deployments.apps in namespace `{namespace}`"),
    ] {
        assert!(message.contains(&text), "{text:?} is not in: {message}");
    }
    let hint = error.hint().expect("a hint");
    let (_, roles) = hint.split_once('\n').expect("roles");
    let file = file_with(roles);
    bench.kubectl(&["apply", "-f", &file.path().display().to_string()]);
    wait_until_granted(&bench);
    bench
        .converge(&rendered)
        .await
        .expect("converges with exactly these rights");

    // A deletion is no dry run: the right is asked for before anything changes.
    let fewer = chart(&[&config_map("a", "2"), hook, &web]);
    let message = bench.plan(&fewer).await.expect_err("no right").to_string();
    let last = format!("lacks these rights:\n  delete serviceaccounts in namespace `{namespace}`");
    assert!(message.ends_with(&last), "{message}");
    assert_eq!(bench.get("configmap/a", "{.data.key}"), "1");
}
