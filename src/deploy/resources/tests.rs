use serde_json::json;

use super::*;

fn kinds() -> Kinds {
    let mut kinds = Kinds::default();
    for (api_version, kind, plural, namespaced) in [
        ("v1", "ConfigMap", "configmaps", true),
        ("v1", "Secret", "secrets", true),
        ("v1", "Namespace", "namespaces", false),
        ("batch/v1", "Job", "jobs", true),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            false,
        ),
    ] {
        kinds.add_for_test(api_version, kind, plural, namespaced);
    }
    kinds
}

fn read(documents: &[Value], hooks: &[Value]) -> Result<Resources, Vec<ResourceError>> {
    let sources = |values: &[Value]| {
        let source = |value: &Value| Source {
            source: "app/templates/a.yaml".into(),
            text: value.to_string(),
        };
        values.iter().map(source).collect()
    };
    let rendered = Rendered {
        documents: sources(documents),
        hooks: sources(hooks),
        ..Rendered::default()
    };
    Resources::read(
        &rendered,
        &ReleaseTarget::parse("app", "x").expect("names"),
        &mut kinds(),
    )
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[test]
fn lists_are_taken_apart_and_nulls_dropped() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [map("a"), map("b")]});
    let mut with_null = map("c");
    with_null["data"] = json!({"x": null, "y": "1"});
    let resources = read(&[list, json!(null), with_null], &[]).expect("reads");
    let names: Vec<&str> = resources
        .main
        .iter()
        .map(|resource| resource.id.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(resources.main[2].object["data"], json!({"y": "1"}));
    assert_eq!(resources.main[0].object["metadata"]["namespace"], "x");
}

#[test]
fn cluster_wide_kinds_have_no_namespace() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    assert_eq!(read(&[namespace], &[]).expect("reads").main[0].id.namespace, None);
}

#[test]
fn mistakes_are_collected_and_named() {
    let wrong = [
        (
            json!({"kind": "ConfigMap", "metadata": {"name": "a"}}),
            "apiVersion is missing",
        ),
        (
            json!({"apiVersion": "v1", "metadata": {"name": "a"}}),
            "kind is missing",
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap"}),
            "metadata.name is missing",
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": false}}),
            "put it into quotes",
        ),
        (
            json!({"apiVersion": "e.org/v1", "kind": "Cat", "metadata": {"name": "c"}}),
            "doesn't serve kind Cat of e.org/v1",
        ),
        (json!("text"), "not an object"),
    ];
    let documents: Vec<Value> = wrong.iter().map(|(document, _)| document.clone()).collect();
    let errors = read(&documents, &[]).expect_err("mistakes");
    assert_eq!(errors.len(), wrong.len());
    for (_, want) in &wrong {
        assert!(
            errors.iter().any(|error| error.to_string().contains(want)),
            "{want}: {errors:?}"
        );
    }
}

#[test]
fn an_object_twice_is_an_error() {
    let errors = read(&[map("a"), map("a")], &[]).expect_err("twice");
    assert!(
        errors[0]
            .to_string()
            .contains("ConfigMap/a is in the chart twice"),
        "{}",
        errors[0]
    );
}

#[test]
fn crds_of_the_chart_bring_their_kinds() {
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "cats.e.org"}, "spec": {"group": "e.org", "scope": "Namespaced",
        "names": {"kind": "Cat", "plural": "cats"}, "versions": [{"name": "v1"}]}});
    let cat = json!({"apiVersion": "e.org/v1", "kind": "Cat", "metadata": {"name": "c"}});
    let resources = read(&[cat, crd], &[]).expect("reads");
    assert_eq!(resources.main[0].id.namespace.as_deref(), Some("x"));
}

#[test]
fn hooks_run_by_weight_then_name() {
    let hook = |name: &str, weight: &str, events: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name,
            "annotations": {"helm.sh/hook": events, "helm.sh/hook-weight": weight}}})
    };
    let hooks = [
        hook("b", "1", "pre-install, pre-upgrade"),
        hook("a", "1", "post-install"),
        hook("z", "-1", "Pre-Install"),
        hook("dropped", "0", "pre-install,odd"),
    ];
    let resources = read(&[], &hooks).expect("reads");
    let names: Vec<&str> = resources
        .hooks
        .iter()
        .map(|hook| hook.resource.id.name.as_str())
        .collect();
    assert_eq!(names, ["z", "a", "b"]);
    assert_eq!(
        resources.hooks[2].events,
        [HookEvent::PreInstall, HookEvent::PreUpgrade]
    );
    assert_eq!(resources.hooks[2].record().weight, 1);
}

#[test]
fn string_data_becomes_data() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"a": "MQ==", "b": "MQ=="}, "stringData": {"b": "2", "c": 3}});
    let object = &read(&[secret], &[]).expect("reads").main[0].object;
    assert_eq!(object["data"], json!({"a": "MQ==", "b": "Mg=="}));
    assert_eq!(object["stringData"], json!({"c": 3}));
}

#[test]
fn a_file_may_hold_several_documents() {
    let text = "---\n# a comment\n---\nkind: A\n---\nkind: B\nlist: [yes, 010]\n".to_owned();
    let source = Source {
        source: "crds/all.yaml".into(),
        text,
    };
    assert_eq!(
        read_objects(&source),
        Ok(vec![
            json!({"kind": "A"}),
            json!({"kind": "B", "list": [true, 8]})
        ])
    );
    let broken = Source {
        source: "a.yaml".into(),
        text: "a: [".into(),
    };
    assert!(read_objects(&broken).is_err());
}
