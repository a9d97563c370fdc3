//! Helm and kubectl beside kiel on one release: what they change is seen, told and brought back.

use kiel::deploy::{Action, DismissOptions};
use kiel::release;

use crate::support::{Bench, chart, chart_folder, config_map, deployment, file_with};

/// The managers of an object's fields, without those of its status.
fn managers(bench: &Bench, object: &str) -> String {
    let path = "{range .metadata.managedFields[*]}{.manager}/{.operation}/{.subresource} {end}";
    let text = bench.kubectl(&[
        "get",
        object,
        "--show-managed-fields",
        "-o",
        &format!("jsonpath={path}"),
    ]);
    let mut all: Vec<&str> = text
        .split_whitespace()
        .filter(|manager| !manager.ends_with("/status"))
        .collect();
    all.sort_unstable();
    all.join(" ")
}

fn service(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {spec}\n")
}

/// A Deployment without pods.
fn empty(annotation: &str) -> String {
    deployment("web", "true", "", "")
        .replace("replicas: 1", "replicas: 0")
        .replacen(
            "  name: web\n",
            &format!("  name: web\n  annotations: {{{annotation}}}\n"),
            1,
        )
}

const HOOK: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: farewell\n  annotations: {helm.sh/hook: pre-delete}\n";

#[tokio::test]
async fn helm_and_kiel_take_turns() {
    let bench = Bench::new("turns").await;
    let two = |more: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{key: '1'{more}}}\n")
    };
    let (first_map, plain_service) = (
        two(", first: x"),
        service("{selector: {app: web}, ports: [{port: 80}]}"),
    );
    let ours = [first_map.as_str(), &plain_service, &empty("v: '1'"), HOOK].map(str::to_owned);
    let ours = ours.each_ref().map(String::as_str);
    bench.converge(&chart(&ours)).await.expect("converges");

    let (second_map, port) = (
        two(", helms: x"),
        service("{selector: {app: web}, ports: [{port: 81}]}"),
    );
    let (second_web, helms) = (empty("v: '2', helms: x"), config_map("helms", "1"));
    let folder = chart_folder(&[&second_map, &port, &second_web, HOOK, &helms]);
    let path = folder.path().display().to_string();
    bench.helm(&["upgrade", "app", &path]);
    assert_eq!(bench.get("configmap/a", "{.data}"), r#"{"helms":"x","key":"1"}"#);

    // Ours again: nothing of Helm's revision stays, in the objects as in the fields' owners.
    let third_map = two("");
    let third = chart(&[&third_map, ours[1], ours[2], HOOK]);
    assert_eq!(bench.converge(&third).await.expect("converges").revision, Some(3));
    let check = || {
        assert_eq!(bench.get("configmap/a", "{.data}"), r#"{"key":"1"}"#);
        assert_eq!(bench.get("service/web", "{.spec.ports[*].port}"), "80");
        assert_eq!(bench.get("deployment/web", "{.metadata.annotations.v}"), "1");
        assert_eq!(bench.get("deployment/web", "{.metadata.annotations.helms}"), "");
        assert!(!bench.exists("configmap/helms"));
        for object in ["configmap/a", "service/web", "deployment/web"] {
            assert_eq!(managers(&bench, object), "helm/Apply/", "{object}");
        }
    };
    check();
    assert!(!bench.plan(&third).await.expect("plans").has_changes());

    bench.helm(&["rollback", "app", "2"]);
    assert_eq!(bench.get("configmap/a", "{.data}"), r#"{"helms":"x","key":"1"}"#);
    assert!(bench.exists("configmap/helms"));
    assert_eq!(bench.converge(&third).await.expect("converges").revision, Some(5));
    check();
    let history = bench.helm(&["history", "app"]);
    for text in ["Install complete", "Rollback to 2", "Upgrade complete"] {
        assert!(history.contains(text), "{history}");
    }
    assert_eq!(history.matches("deployed").count(), 1, "{history}");

    bench.helm(&["uninstall", "app"]);
    assert!(bench.exists("configmap/farewell"), "Helm runs our hook");
    for object in ["configmap/a", "service/web", "deployment/web"] {
        assert!(!bench.exists(object), "{object}");
    }
    assert_eq!(bench.converge(&third).await.expect("converges").revision, Some(1));
    bench.helm(&["uninstall", "app", "--keep-history"]);
    assert_eq!(bench.converge(&third).await.expect("converges").revision, Some(2));
    check();
    bench
        .dismiss(&DismissOptions::default())
        .await
        .expect("dismisses");
    let left = release::history(bench.cluster.client(), &bench.target)
        .await
        .expect("history");
    assert_eq!(left, []);
}

#[tokio::test]
async fn a_run_of_helms_that_failed_is_gone_on_from() {
    let bench = Bench::new("helm-failed").await;
    let bad = config_map("a", "1").replace("data:\n", "data: 5\nother:\n");
    let folder = chart_folder(&[&config_map("b", "1"), &bad]);
    let path = folder.path().display().to_string();
    bench.kubectl(&["create", "namespace", bench.namespace()]);
    let (text, ok) = bench.try_helm(&["install", "app", &path]);
    assert!(!ok, "{text}");
    let good = chart(&[&config_map("a", "1"), &config_map("b", "2")]);
    bench.converge(&good).await.expect("converges");
    assert_eq!(managers(&bench, "configmap/b"), "helm/Apply/");
    assert_eq!(bench.get("configmap/b", "{.data.key}"), "2");
}

#[tokio::test]
async fn what_people_change_by_hand_comes_back_and_is_told() {
    let mut bench = Bench::new("by-hand").await;
    let map = config_map("a", "1").replace("  name: a\n", "  name: a\n  annotations: {note: chart}\n");
    let web = deployment("web", "exec sleep 9999", "", "").replace("replicas: 1", "replicas: 0");
    let release = chart(&[&map, &config_map("b", "1"), &config_map("c", "1"), &web]);
    bench.converge(&release).await.expect("converges");
    bench.told();

    bench.kubectl_edit("configmap/a", "s/key: \"1\"/key: mine\\n  added: x/");
    bench.kubectl(&[
        "annotate",
        "--overwrite",
        "configmap",
        "a",
        "note=mine",
        "other=mine",
    ]);
    bench.kubectl(&["scale", "deployment", "web", "--replicas=1"]);
    bench.kubectl(&["set", "env", "deployment/web", "MINE=1"]);
    bench.kubectl(&["delete", "configmap", "b"]);
    bench.kubectl(&[
        "replace",
        "-f",
        &file_with(&config_map("c", "mine")).path().display().to_string(),
    ]);
    let plan = bench.plan(&release).await.expect("plans").to_string();
    bench.converge(&release).await.expect("converges");
    let told = format!("{:?}", bench.told());
    for text in [
        "kubectl-edit: .data.added, .data.key",
        "kubectl-annotate: .metadata.annotations.note",
        "kubectl-set: .spec.template.spec.containers[name=main].env",
        "kubectl: .spec.replicas",
        "it was deleted in the cluster",
        "kubectl-replace: .data.key",
    ] {
        assert!(plan.contains(text), "{text:?} is not in: {plan}");
        assert!(told.contains(text), "{text:?} is not in: {told}");
    }
    assert_eq!(bench.get("configmap/a", "{.data}"), r#"{"key":"1"}"#);
    let note = |name: &str| bench.get("configmap/a", &format!("{{.metadata.annotations.{name}}}"));
    assert_eq!((note("note").as_str(), note("other").as_str()), ("chart", "mine"));
    assert_eq!(bench.get("deployment/web", "{.spec.replicas}"), "0");
    assert_eq!(
        bench.get("deployment/web", "{.spec.template.spec.containers[0].env}"),
        ""
    );
    assert_eq!(
        bench.get("configmap/b", "{.data.key}") + &bench.get("configmap/c", "{.data.key}"),
        "11"
    );
    assert!(!bench.plan(&release).await.expect("plans").has_changes());
}

/// What a HorizontalPodAutoscaler does when it acts; waiting for a real one takes its 15 seconds.
async fn autoscale(bench: &Bench, replicas: u32) {
    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments/web/scale?fieldManager=kube-controller-manager",
        bench.namespace()
    );
    let body = format!("{{\"spec\": {{\"replicas\": {replicas}}}}}");
    let request = http::Request::patch(path)
        .header("content-type", "application/merge-patch+json")
        .body(body.into_bytes());
    let client = bench.cluster.client();
    client
        .request_text(request.expect("a request"))
        .await
        .expect("scaled");
}

#[tokio::test]
async fn an_autoscaler_wins_over_the_charts_replicas_while_it_is_there() {
    let bench = Bench::new("hpa").await;
    let probe = "readinessProbe: {exec: {command: [\"true\"]}, periodSeconds: 1}";
    let web = deployment("web", "exec sleep 9999", probe, "");
    let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {minReplicas: 1, \
                  maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n";
    let both = chart(&[&web, scaler]);
    bench.converge(&both).await.expect("converges");
    autoscale(&bench, 2).await;
    let plan = bench.plan(&both).await.expect("plans");
    assert!(!plan.has_changes(), "{plan}");
    let changed = web.replace("sleep 9999", "sleep 999");
    bench
        .converge(&chart(&[&changed, scaler]))
        .await
        .expect("converges");
    assert_eq!(bench.get("deployment/web", "{.spec.replicas}"), "2");
    assert_eq!(bench.get("deployment/web", "{.status.readyReplicas}"), "2");

    // Without it the chart counts again.
    let alone = chart(&[&changed]);
    bench.converge(&alone).await.expect("converges");
    assert!(!bench.exists("hpa/web"));
    assert_eq!(bench.get("deployment/web", "{.spec.replicas}"), "1");
    assert!(!bench.plan(&alone).await.expect("plans").has_changes());
}

const IMMUTABLE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, MARKS}
spec:
  replicas: 0
  selector: {matchLabels: {app: OLD}}
  template: {metadata: {labels: {app: OLD}}, spec: {containers: [{name: main, image: 'busybox:1.36'}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web, MARKS}
spec: {ADDRESS selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, MARKS}
spec:
  replicas: 0
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: main, image: 'busybox:1.36'}]}}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: SIZE}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, MARKS}
spec: {accessModes: [ReadWriteOnce], storageClassName: OLD, resources: {requests: {storage: 2Mi}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: who, MARKS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: OLD}
---
apiVersion: v1
kind: ConfigMap
immutable: true
metadata: {name: fixed, MARKS}
data: {a: OLD}
";

#[tokio::test]
async fn fields_that_cannot_change_are_named_all_at_once_with_what_to_do() {
    let bench = Bench::new("fixed").await;
    bench.kubectl(&["create", "namespace", bench.namespace()]);
    let marks = format!(
        "labels: {{app.kubernetes.io/managed-by: Helm}}, annotations: {{meta.helm.sh/release-name: app, \
         meta.helm.sh/release-namespace: {}}}",
        bench.namespace()
    );
    let old = IMMUTABLE
        .replace("MARKS", &marks)
        .replace("OLD", "old")
        .replace("SIZE", "1Mi")
        .replace("ADDRESS", "");
    bench.create(&old);
    let new = IMMUTABLE
        .replace(", MARKS", "")
        .replace("OLD", "new")
        .replace("SIZE", "2Mi")
        .replace("ADDRESS", "clusterIP: None,");
    let documents: Vec<&str> = new
        .split("---\n")
        .chain(["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: harmless}\n"])
        .collect();
    let message = bench
        .plan(&chart(&documents))
        .await
        .expect_err("refused")
        .to_string();
    for text in [
        "cannot deploy 6 objects",
        "Deployment/web (app/templates/0.yaml): spec.selector can't be changed; give it another name",
        "Service/web (app/templates/1.yaml): spec.clusterIP",
        "take the field out of the chart",
        "StatefulSet/db (app/templates/2.yaml): spec.volumeClaimTemplates can't be changed; run `kubectl delete statefulset db --cascade=orphan`",
        "PersistentVolumeClaim/data (app/templates/3.yaml): spec.storageClassName can't be changed; give the new one another name and move the data",
        "RoleBinding/who (app/templates/4.yaml): roleRef can't be changed; to have it deleted and made again, annotate it",
        "ConfigMap/fixed (app/templates/5.yaml): data can't be changed; give it another name",
    ] {
        assert!(message.contains(text), "{text:?} is not in: {message}");
    }
    assert!(
        message.len() < 3000,
        "the server's dumps of whole objects are left out: {message}"
    );
    assert!(!bench.exists("configmap/harmless"), "nothing has changed");
}

#[tokio::test]
async fn a_charts_own_namespace_is_made_once() {
    let mut bench = Bench::new("own-namespace").await;
    let own = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}, labels: {{team: a}}}}\n",
        bench.namespace()
    );
    let release = chart(&[&own, &config_map("a", "1")]);
    let plan = bench.plan(&release).await.expect("plans");
    assert!(plan.to_string().contains("2 to create"), "{plan}");
    let outcome = bench.converge(&release).await.expect("converges");
    let of_namespace = |outcome: &kiel::deploy::OperationOutcome| outcome.resource.kind == "Namespace";
    assert_eq!(
        outcome
            .operations
            .iter()
            .filter(|outcome| of_namespace(outcome))
            .count(),
        0,
        "{outcome:?}"
    );
    let told = format!("{:?}", bench.told());
    assert_eq!(told.matches("Namespace/").count(), 1, "{told}");
    let namespace = format!("namespace/{}", bench.namespace());
    assert_eq!(bench.get(&namespace, "{.metadata.labels.team}"), "a");
    assert_eq!(managers(&bench, &namespace), "helm/Apply/");
    let again = bench.plan(&release).await.expect("plans");
    assert!(!again.has_changes(), "{again}");
    let relabelled = chart(&[&own.replace("team: a", "team: b"), &config_map("a", "1")]);
    let plan = bench.plan(&relabelled).await.expect("plans");
    let updates = plan
        .operations
        .iter()
        .filter(|operation| operation.action == Action::Update);
    assert_eq!(updates.count(), 1, "{plan}");
}
