use super::*;
use crate::hook::HookEvent;

fn rendered(files: &[(&str, &str)]) -> Result<Manifests, ManifestError> {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    let mut manifests = Manifests::default();
    manifests.add_rendered(files, None).map(|()| manifests)
}

fn manifest(kind: &str, name: &str) -> String {
    format!("kind: {kind}\nmetadata:\n  name: {name}")
}

fn names(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(|document| document.name.as_str()).collect()
}

fn kinds(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(|document| document.kind.as_str()).collect()
}

#[test]
fn documents_are_sorted_by_kind_and_stay_in_file_order() {
    let first = [
        manifest("Deployment", "a"),
        manifest("Widget", "w"),
        manifest("Service", "s"),
    ]
    .join("\n---\n");
    let second = [manifest("Namespace", "ns"), manifest("Deployment", "b")].join("\n---\n");
    let manifests =
        rendered(&[("c/templates/1.yaml", &first), ("c/templates/2.yaml", &second)]).expect("manifests");
    assert_eq!(names(&manifests.documents), ["ns", "s", "a", "b", "w"]);
}

#[test]
fn hooks_stand_apart() {
    let hook = |name: &str, event: &str| {
        format!(
            "kind: Job\nmetadata:\n  name: {name}\n  annotations:\n    helm.sh/hook: {event}\n    helm.sh/hook-weight: \"-5\"\n    helm.sh/hook-delete-policy: Hook-Succeeded, before-hook-creation"
        )
    };
    let text = [
        hook("pre", "pre-install, Pre-Upgrade"),
        hook("t", "test-success"),
        hook("u", "sometimes"),
    ]
    .join("\n---\n");
    let manifests = rendered(&[("c/templates/hooks.yaml", &text)]).expect("manifests");
    assert_eq!(names(&manifests.hooks), ["pre", "t"]);
    let found = manifests.hooks[0].hook.as_ref().expect("a hook");
    assert_eq!(found.events, [HookEvent::PreInstall, HookEvent::PreUpgrade]);
    assert_eq!(found.weight, -5);
    assert_eq!(found.delete_policies, ["hook-succeeded", "before-hook-creation"]);
    assert_eq!(
        manifests.warnings[0].text(),
        r#"c/templates/hooks.yaml: skipping Job `u`: unknown hook: "sometimes""#
    );
    let output = manifests.to_template_output(false, HookOutput::WithoutTests);
    assert!(
        output.contains("name: pre") && !output.contains("name: t\n"),
        "{output}"
    );
    assert_eq!(manifests.to_template_output(false, HookOutput::None), "\n");
}

#[test]
fn outputs() {
    let mut manifests = rendered(&[(
        "c/templates/a.yaml",
        "\n---\n# note\nkind: A\n\n---\n# only a comment\n",
    )])
    .expect("manifests");
    let crds = |data: &[u8]| CrdFile {
        source: "c/crds/x.yaml".to_owned(),
        data: data.into(),
    };
    manifests
        .crd_files
        .push(crds(b"kind: X\n---\nkind: Z\n---\n# nothing\n"));
    assert_eq!(
        manifests.to_template_output(true, HookOutput::All),
        "---\n# Source: c/crds/x.yaml\nkind: X\n---\nkind: Z\n---\n# nothing\n\n---\n# Source: c/templates/a.yaml\n# only a comment\n---\n# Source: c/templates/a.yaml\n# note\nkind: A\n"
    );
    assert_eq!(kinds(&manifests.crds().expect("manifests")), ["X", "Z"]);

    manifests.crd_files.push(crds(b"a: b: c"));
    assert!(
        manifests
            .to_template_output(true, HookOutput::All)
            .contains("a: b: c")
    );
    assert!(matches!(manifests.crds(), Err(ManifestError::Yaml { .. })));
}

#[test]
fn wrong_manifests() {
    let check = |text: &str, want: &str| {
        let error = rendered(&[("c/templates/a.yaml", text)]).expect_err("an error");
        assert_eq!(error.to_string(), want);
    };
    check(
        "a: b: c",
        "YAML parse error on c/templates/a.yaml: error converting YAML to JSON: yaml: mapping values are not allowed in this context",
    );
    check(
        "just text",
        "YAML parse error on c/templates/a.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type releaseutil.SimpleHead",
    );
    check(
        "kind: [a]",
        "YAML parse error on c/templates/a.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go struct field SimpleHead.kind of type string",
    );
}
