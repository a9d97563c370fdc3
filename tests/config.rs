//! `kiel config`: what it prints, for a configuration that has every key; and its JSON Schema, judged by Helm's validator.

mod harness;

use std::collections::BTreeSet;
use std::path::Path;

use harness::Project;
use serde_json::{Value, json};

const CORPUS: &str = include_str!("golden/config/werf.yaml");
const RULES: &str = "giterminismConfigVersion: 1\nconfig:\n  secrets: {allowEnvVariables: [TOKEN], allowFiles: [~/.npmrc], \
                     allowValueIds: [inline]}\n  stapel: {mount: {allowBuildDir: true, allowFromPaths: [~/.m2]}, git: {allowBranch: true}}\n  dockerfile: \
                     {allowContextAddFiles: [\"**\"]}\n";

fn project() -> Project {
    Project::with(
        "config",
        &[("werf.yaml", CORPUS), ("werf-giterminism.yaml", RULES)],
    )
}

/// What a command prints is what the file has; `KIEL_UPDATE_MESSAGES=1` writes it.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
fn check(args: &[&str], file: &str) {
    let printed = project()
        .kiel(&[&["config"], args].concat())
        .expect_code(0)
        .stdout;
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/config")
        .join(file);
    if std::env::var_os("KIEL_UPDATE_MESSAGES").is_some() {
        fs_err::write(&path, &printed).expect("the golden is written");
    }
    assert_eq!(
        printed,
        fs_err::read_to_string(&path).expect("the golden"),
        "{file}"
    );
}

#[test]
fn lists_and_graphs() {
    check(&["list"], "list.txt");
    check(&["list", "--final-images-only", "-o", "json"], "list.json");
    check(&["graph"], "graph.yaml");
    check(&["graph", "-o", "json"], "graph.json");
    check(&["graph", "-o", "mermaid"], "graph.mmd");
    check(&["graph", "tools", "-o", "dot"], "graph.dot");
}

#[test]
fn documents() {
    let project = project();
    let all = project.kiel(&["config", "render"]).expect_code(0);
    assert_eq!(all.stdout, CORPUS);
    let json = project
        .kiel(&["config", "render", "late", "-o", "json"])
        .expect_code(0);
    let documents: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(documents, json!([{ "image": "late", "fromArtifact": "built" }]));
}

/// Paths of all keys that the schema names.
fn keys(schema: &Value, above: &str, found: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{above}{name}");
        let below = property["anyOf"].get(0).unwrap_or(property);
        keys(below, &format!("{path}."), found);
        found.insert(path);
    }
}

fn keys_of(value: &Value, above: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{above}{name}");
                keys_of(value, &format!("{path}."), found);
                found.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys_of(item, above, found)),
        _ => {}
    }
}

#[test]
fn the_corpus_has_every_key() {
    let schema = kiel::config::json_schema();
    let documents: Vec<Value> = kiel::config::documents_as_json(CORPUS).expect("YAML");
    let (meta, images) = documents.split_first().expect("documents");
    let mut got = BTreeSet::new();
    keys_of(meta, "", &mut got);
    let mut known = BTreeSet::new();
    keys(&schema["then"], "", &mut known);
    let missing: Vec<&String> = known.difference(&got).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (part, has_dockerfile) in [("then", true), ("else", false)] {
        let (mut got, mut known) = (BTreeSet::new(), BTreeSet::new());
        for image in images
            .iter()
            .filter(|image| image.get("dockerfile").is_some() == has_dockerfile)
        {
            keys_of(image, "", &mut got);
        }
        keys(&schema["else"][part], "", &mut known);
        // Two tables share the keys of an image's configuration: the Dockerfile image has them all.
        let is_shared = |key: &str| !has_dockerfile && key.starts_with("imageSpec.");
        let secret = |key: &str| !has_dockerfile && key.starts_with("secrets.");
        let missing: Vec<&String> = known
            .difference(&got)
            .filter(|key| !is_shared(key) && !secret(key))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

/// Whether Helm takes these documents as values of a chart whose schema wants a list of ours.
fn helm_takes(documents: &[Value]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let chart = folder.path().join("chart");
    fs_err::create_dir_all(chart.join("templates")).expect("folders");
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": { "documents": { "type": "array", "items": kiel::config::json_schema() } },
    });
    let write = |name: &str, text: &str| fs_err::write(folder.path().join(name), text).expect("a file");
    write("chart/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
    write("chart/values.schema.json", &schema.to_string());
    write("values.json", &json!({ "documents": documents }).to_string());
    let output = std::process::Command::new(Path::new(&harness::variable("KIEL_TEST_BIN")).join("helm"))
        .args(["template", "c", "chart", "-f", "values.json"])
        .current_dir(folder.path())
        .output()
        .expect("helm runs: it is part of the test environment");
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn the_schema_takes_what_is_right_and_refuses_what_is_wrong() {
    let mut documents = kiel::config::documents_as_json(CORPUS).expect("YAML");
    let example = include_str!("../examples/guestbook/werf.yaml");
    documents.extend(kiel::config::documents_as_json(example).expect("YAML"));
    helm_takes(&documents).expect("all of it is right");
    for wrong in [
        json!({ "project": "a", "configVersion": 1, "deplo": {} }),
        json!({ "project": "a", "configVersion": 2 }),
        json!({ "configVersion": 1 }),
        json!({ "image": "a", "dockerfile": "D", "contxt": "c" }),
        json!({ "image": "a", "dockerfile": "D", "network": "bridge0" }),
        json!({ "image": "a", "from": "b", "final": "no" }),
        json!({ "image": "a", "from": "b", "git": [{ "to": "/a", "adds": "/" }] }),
        json!({ "image": "a", "from": "b", "shell": { "install": [1] } }),
        json!({ "image": "a", "from": "b", "import": [{ "from": "b", "add": "/a", "after": "instal" }] }),
        json!({ "image": "a", "from": "b", "imageSpec": { "config": { "healthcheck": { "interval": -1 } } } }),
        json!("text"),
    ] {
        helm_takes(std::slice::from_ref(&wrong)).expect_err(&wrong.to_string());
    }
}

#[test]
fn the_command_prints_the_schema_without_a_project() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_kiel"))
        .args(["config", "schema"])
        .current_dir(folder.path())
        .output()
        .expect("kiel runs");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(printed, kiel::config::json_schema());
}

#[test]
fn the_image_without_a_name() {
    let text = "project: demo\nconfigVersion: 1\n---\nimage: ~\nfrom: alpine:3.20\n";
    let project = Project::with("config", &[("werf.yaml", text)]);
    let run = |args: &[&str]| project.kiel(args).expect_code(0).stdout;
    assert_eq!(run(&["config", "graph"]), "- {}\n");
    assert_eq!(run(&["config", "list"]), "~\n");
    assert!(run(&["get-autogenerated-values"]).contains("nameless_image: REPO:TAG"));
}

#[track_caller]
fn renders(images: &str, files: &[(&str, &str)], want: &str) {
    let config = format!("project: demo\nconfigVersion: 1\n---\n{images}");
    let project = Project::with("config", &[&[("werf.yaml", config.as_str())], files].concat());
    let run = project.kiel(&["config", "render"]).expect_code(0);
    let (_, rendered) = run.stdout.split_once("---\n").expect("two documents");
    assert_eq!(rendered, want);
}

#[test]
fn templates_have_the_functions_of_werf_where_those_of_helm_differ() {
    let parts = "{{ define \"base\" }}alpine:{{ . }}{{ end }}";
    renders(
        "{{ tpl (.Files.Get \"parts.yaml\") . }}image: a\nfrom: {{ include \"base\" \"3\" }}\n",
        &[("parts.yaml", parts)],
        "image: a\nfrom: alpine:3\n",
    );
    renders(
        "{{ $v := fromYaml \"a: 16\\nb: {c: 010}\\n\" }}# {{ printf \"%d %d\" $v.a $v.b.c }} {{ fromJson \"[1]\" }} \
         {{ tpl \"{{ .no }}\" dict }} {{ printf \"%s\" .Commit.Date.Unix | len }} {{ include_debug \"x\" 1 }}{{ tpl_debug \"y\" 1 }}\n\
         {{- define \"x\" }}x{{ end }}\nimage: a\nfrom: b\n",
        &[],
        "# 16 8 [1] <no value> 10 xy\nimage: a\nfrom: b\n",
    );
    renders(
        "image: libstdc++\nfromImage: alpine:3\ngit: [{add: //src, to: /src}]\n",
        &[("src/a", "1")],
        "image: libstdc++\nfromImage: alpine:3\ngit: [{add: //src, to: /src}]\n",
    );
}

#[test]
fn mistakes_of_templates_show_the_innermost_file() {
    let config = "project: demo\nconfigVersion: 1\n---\n{{ tpl (.Files.Get \"parts.yaml\") . }}\n{{ include \"lib\" . }}\n";
    let refused = |files: &[(&str, &str)], want: &str| {
        let project = Project::with("config", &[&[("werf.yaml", config)], files].concat());
        project
            .kiel(&["config", "render"])
            .expect_code(1)
            .expect_stderr(&[want]);
    };
    refused(
        &[("parts.yaml", "image: a\nfrom: {{ required \"no base\" .base }}\n")],
        "no base\n --> parts.yaml:2:10\n  |\n2 | from: {{ required",
    );
    refused(
        &[
            ("parts.yaml", ""),
            (
                ".werf/lib.tmpl",
                "{{ define \"lib\" }}\n{{ fail \"x\" }}{{ end }}",
            ),
        ],
        " --> .werf/lib.tmpl:2:4\n  |\n2 | {{ fail \"x\" }}",
    );
    refused(
        &[("parts.yaml", "{{ fromYaml \"a: [\" }}")],
        "error calling fromYaml: yaml:",
    );
    refused(&[("parts.yaml", "{{ if }}")], " --> parts.yaml:1:1\n");
}
