use serde_json::json;

use super::*;
use crate::load::{Profile, load};
use crate::test_tree::TestTree;

struct Still;

impl Environment for Still {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

struct OneSecret;

impl Lookup for OneSecret {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<serde_json::Value, String> {
        match (api_version, kind, namespace, name) {
            ("v1", "Secret", "ns", "known") => Ok(json!({"data": {"k": "dg=="}})),
            ("v1", "Secret", ..) => Ok(json!({})),
            _ => Err("the server could not find the requested resource".to_owned()),
        }
    }
}

/// A project's chart with these files, rendered as werf does it.
fn rendered(
    files: &[(&str, &str)],
    change: impl FnOnce(&mut RenderInput<'_>),
) -> Result<Manifests, RenderError> {
    let profile = Profile::Werf {
        name: "project".to_owned(),
        version: None,
        app_version: None,
    };
    let chart = load(&TestTree::new(".helm", files), ".helm", &profile).expect("a chart");
    let values = ValuesInput::default();
    let release = Release {
        revision: 3,
        is_upgrade: true,
        ..Release::new("r", "ns")
    };
    let mut input = RenderInput::new(&chart, &values, release, Arc::new(Still));
    change(&mut input);
    render_on_own_stack(input)
}

/// The text of the only document, without its first line.
#[track_caller]
fn check(template: &str, change: impl FnOnce(&mut RenderInput<'_>), want: &str) {
    let template = format!("kind: Test\n{template}");
    let got = match rendered(
        &[
            ("templates/t.yaml", &template),
            ("values.yaml", "own: chart\nall: chart\n"),
        ],
        change,
    ) {
        Ok(manifests) => manifests.documents[0]
            .text
            .strip_prefix("kind: Test\n")
            .unwrap_or_default()
            .to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(got, want);
}

fn file(content: &str) -> ValuesFile {
    ValuesFile {
        name: "v.yaml".to_owned(),
        content: content.as_bytes().to_vec(),
    }
}

#[test]
fn service_values_win_over_secret_ones_and_those_over_the_users() {
    let values = ValuesInput {
        files: vec![file("user: user\nsecret: user\nall: user\n")],
        set: vec!["secret=flag,werf.x=flag".to_owned()],
        ..ValuesInput::default()
    };
    let secret = [file("secret: first\nall: secret\n"), file("secret: second\n")];
    let service = json!({"all": "service", "werf": {"x": "service"}});
    check(
        "values: {{ toJson .Values }}",
        |input| {
            input.values = Box::leak(Box::new(values));
            input.secret_values = Box::leak(Box::new(secret));
            input.service_values = Box::leak(Box::new(service));
        },
        r#"values: {"all":"service","own":"chart","secret":"second","user":"user","werf":{"x":"service"}}"#,
    );
}

#[test]
fn the_release_and_the_project_are_known() {
    check(
        "r: {{ .Release.Name }} {{ .Release.Namespace }} {{ .Release.Revision }} {{ .Release.IsUpgrade }} {{ .Chart.Name }} {{ .Chart.Version }}",
        |_| {},
        "r: r ns 3 true project 1.0.0",
    );
}

#[test]
fn lookups_ask_the_cluster() {
    let ask = |input: &mut RenderInput<'_>| input.lookup = Some(Arc::new(OneSecret));
    check(
        r#"found: {{ (lookup "v1" "Secret" "ns" "known").data.k }} {{ lookup "v1" "Secret" "ns" "other" }}"#,
        ask,
        "found: dg== map[]",
    );
    check(
        r#"found: {{ lookup "v1" "Secret" "ns" "known" }}"#,
        |_| {},
        "found: map[]",
    );
    check(
        r#"{{ lookup "x/v1" "Y" "ns" "n" }}"#,
        ask,
        r#"template: project/templates/t.yaml:2:3: executing "project/templates/t.yaml" at <lookup "x/v1" "Y" "ns" "n">: error calling lookup: the server could not find the requested resource"#,
    );
}

#[test]
fn functions_can_be_added() {
    check(
        r#"secret: {{ werf_secret_file "a" }}"#,
        |input| {
            input.extra_functions = Some(Arc::new(|functions| {
                functions.add(
                    "werf_secret_file",
                    &[kiel_template::value::Type::String],
                    |_, args| {
                        Ok(Value::from(format!(
                            "content of {}",
                            args[0].as_str().unwrap_or_default()
                        )))
                    },
                );
            }));
        },
        "secret: content of a",
    );
}

#[test]
fn endless_recursion_is_an_error() {
    let files = [
        (
            "templates/_r.tpl",
            r#"{{ define "r" }}{{ template "r" . }}{{ end }}"#,
        ),
        ("templates/t.yaml", r#"{{ template "r" . }}"#),
    ];
    let error = rendered(&files, |_| {}).expect_err("an error");
    assert!(
        error.to_string().contains("exceeded maximum template depth"),
        "{error}"
    );
}

#[test]
fn endless_recursion_that_keeps_what_it_makes_is_an_error() {
    let text = r#"{{ define "r" }}{{ template "r" list . (repeat 100 "x") | toString | dict "k" }}{{ end }}{{ template "r" . }}"#;
    let error = rendered(&[("templates/t.yaml", text)], |_| {}).expect_err("an error");
    assert!(
        error.to_string().contains("held at the same time"),
        "{:.300}",
        error.to_string()
    );
}

#[test]
fn notes_crds_and_the_record() {
    let files = [
        ("templates/NOTES.txt", "Hello {{ .Release.Name }}\n"),
        ("templates/t.yaml", "kind: A\n"),
        ("crds/x.yaml", "kind: X\n"),
        ("values.yaml", "a: 1\n"),
    ];
    let manifests = rendered(&files, |_| {}).expect("manifests");
    assert_eq!(manifests.notes.as_deref(), Some("Hello r\n"));
    assert_eq!(manifests.crds().expect("crds")[0].kind, "X");
    assert_eq!(
        manifests.to_release_manifest(),
        "---\n# Source: project/templates/t.yaml\nkind: A\n"
    );
    let chart = manifests.chart_json();
    let names: Vec<_> = chart["templates"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|file| file["name"].as_str())
        .collect();
    assert_eq!(names, ["templates/NOTES.txt", "templates/t.yaml"]);
    assert_eq!(chart["values"], json!({"a": 1}));
    assert_eq!(chart["schema"], json!(null));
}
