//! What a run asks the server, counted.

use std::time::Duration;

use kiel::deploy::{Cluster, KubeOptions, plan, run};
use tokio_util::sync::CancellationToken;

use crate::gate::{Call, Gate};
use crate::support::{Bench, chart, config_map, deployment};

/// Two objects of each of five kinds, and one of a sixth.
fn documents() -> Vec<String> {
    let twice = |text: &str| ["one", "two"].map(|name| text.replace("NAME", name));
    let mut documents = vec!["apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: only}\n".to_owned()];
    documents.extend(["one", "two"].map(|name| config_map(name, "1")));
    documents.extend(
        ["one", "two"].map(|name| deployment(name, "true", "", "").replace("replicas: 1", "replicas: 0")),
    );
    documents.extend(twice(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: NAME}\nstringData: {a: b}\n",
    ));
    documents.extend(twice(
        "apiVersion: v1\nkind: Service\nmetadata: {name: NAME}\nspec: {ports: [{port: 80}]}\n",
    ));
    documents.extend(twice(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: NAME}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n",
    ));
    documents
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_changes_each_kind_is_listed_once_and_all_at_the_same_time() {
    let bench = Bench::new("requests").await;
    let documents = documents();
    let release = chart(&documents.iter().map(String::as_str).collect::<Vec<_>>());
    bench.converge(&release).await.expect("converges");
    let gate = Gate::open(bench.cluster.client().clone()).await;
    let options = KubeOptions {
        server: Some(gate.url.clone()),
        ..KubeOptions::default()
    };
    // Lists are answered only when all five are there: one after the other would never end.
    gate.answer_together(5);
    let converge = async {
        let cluster = Cluster::connect(&options).await.expect("connects");
        let plan = plan(&cluster, &bench.target, &release, &bench.options)
            .await
            .expect("plans");
        let cancel = CancellationToken::new();
        run(&cluster, plan, &bench.run_options, &bench.events, &cancel)
            .await
            .expect("converges")
    };
    let outcome = tokio::time::timeout(Duration::from_secs(30), converge)
        .await
        .expect("the lists come together");
    assert_eq!(outcome.revision, None);
    let calls = gate.calls();
    let lists = calls.iter().filter(|call| call.is_list()).count();
    assert_eq!(lists, 5, "{calls:#?}");
    assert!(calls.iter().all(|call| call.method == "GET"), "{calls:#?}");
    // Version, two of discovery, namespace, the records' list, one record, and the only object of its kind.
    assert_eq!(calls.len(), lists + 7, "{calls:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_differs_is_tried_and_written() {
    let bench = Bench::new("requests-one").await;
    let mut documents = documents();
    let release = |documents: &[String]| chart(&documents.iter().map(String::as_str).collect::<Vec<_>>());
    bench.converge(&release(&documents)).await.expect("converges");
    documents[1] = config_map("one", "2");
    let gate = Gate::open(bench.cluster.client().clone()).await;
    let options = KubeOptions {
        server: Some(gate.url.clone()),
        ..KubeOptions::default()
    };
    let cluster = Cluster::connect(&options).await.expect("connects");
    gate.let_pass();
    let plan = plan(&cluster, &bench.target, &release(&documents), &bench.options)
        .await
        .expect("plans");
    let tried = |call: &&Call| call.path.contains("dryRun");
    let calls = gate.calls();
    assert_eq!(calls.iter().filter(tried).count(), 1, "{calls:#?}");
    gate.let_pass();
    let cancel = CancellationToken::new();
    run(&cluster, plan, &bench.run_options, &bench.events, &cancel)
        .await
        .expect("converges");
    let writes: Vec<String> = gate
        .writes()
        .into_iter()
        .map(|call| {
            let path = call.path.split('?').next().unwrap_or_default();
            format!("{} {}", call.method, path.rsplit('/').next().unwrap_or_default())
        })
        .collect();
    let want = [
        "POST secrets",
        "POST secrets",
        "PATCH one",
        "PATCH sh.helm.release.v1.app.v2",
        "PATCH sh.helm.release.v1.app.v1",
        "DELETE kiel.release.app",
    ];
    assert_eq!(writes, want);
}
