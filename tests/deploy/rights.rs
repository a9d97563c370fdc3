//! Users who may do little: everything that can be done without a right is done without it.

use kiel::deploy::{Cluster, DismissOptions, KubeOptions};

use crate::support::{Bench, chart, config_map, deployment};

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

#[tokio::test]
async fn a_user_of_one_namespace() {
    let mut bench = Bench::new("rights").await;
    bench.kubectl(&["create", "namespace", bench.namespace()]);
    bench.kubectl(&["create", "serviceaccount", "deployer"]);
    let file = tempfile::NamedTempFile::new().expect("a temp file");
    fs_err::write(file.path(), RULES).expect("written");
    bench.kubectl(&["apply", "-f", &file.path().display().to_string()]);
    let account = format!("--serviceaccount={}:deployer", bench.namespace());
    bench.kubectl(&["create", "rolebinding", "deployer", "--role=deployer", &account]);
    let token = bench.kubectl(&["create", "token", "deployer"]);

    let (ca, server) = bench.authority();
    let options = KubeOptions {
        server: Some(server),
        ca: Some(ca),
        token: Some(token.trim().to_owned()),
        ..KubeOptions::default()
    };
    bench.cluster = Cluster::connect(&options).await.expect("connects");
    let web = deployment(
        "web",
        "exec sleep 9999",
        "readinessProbe: {exec: {command: [\"true\"]}}",
        "",
    );
    let rendered = chart(&[&config_map("a", "1"), &config_map("b", "1"), &web]);
    let outcome = bench.converge(&rendered).await.expect("converges");
    assert_eq!(outcome.revision, Some(1));
    assert!(!bench.plan(&rendered).await.expect("plans").has_changes());

    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: x}\n";
    let message = bench
        .plan(&chart(&[account]))
        .await
        .expect_err("no right")
        .to_string();
    assert!(
        message.contains("serviceaccounts") && message.contains("forbidden"),
        "{message}"
    );
    bench
        .dismiss(&DismissOptions::default())
        .await
        .expect("dismisses");
    assert!(!bench.exists("configmap/a") && !bench.exists("deployment/web"));
}
