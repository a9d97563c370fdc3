//! `list`, `history`, `status` and `get` on releases that the real Helm has made.

use crate::harness::Project;
use crate::shown;

const CHART: &str =
    "apiVersion: v2\nname: c\nversion: 1.2.3\nappVersion: '9'\nannotations: {z: '1', a: '<2>'}\n";
const TEMPLATES: &str = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {a: '{{ .Values.a }}'}\n---\nkind: ConfigMap\napiVersion: v1\nmetadata:\n  name: '{{ .Release.Name }}-hook'\n  annotations: {helm.sh/hook: 'post-install,post-upgrade'}\n---\nkind: ConfigMap\napiVersion: v1\nmetadata:\n  name: '{{ .Release.Name }}-test'\n  annotations: {helm.sh/hook: test}\n";

/// What both print for the same words.
#[track_caller]
fn check(project: &Project, args: &[&str]) {
    let words = [&["helm", "--namespace", &project.namespace], args].concat();
    let (got, want) = (project.kiel(&words), project.helm(args));
    assert_eq!(shown(&got), shown(&want), "{args:?}\n{}", got.stderr);
}

fn releases() -> Project {
    let project = Project::with(
        "releases",
        &[
            ("c/Chart.yaml", CHART),
            ("c/values.yaml", "a: 1\nt: {x: 1, y: [1, 2.5]}\nunset: keep\n"),
            ("c/templates/a.yaml", TEMPLATES),
            ("c/templates/NOTES.txt", "Installed {{ .Release.Name }} <ok>\n\n"),
            ("d/Chart.yaml", "apiVersion: v2\nname: d\nversion: 0.1.0\n"),
            (
                "d/templates/a.yaml",
                "kind: ConfigMap\napiVersion: v1\nmetadata: {name: UPPER}\n",
            ),
        ],
    );
    let install = [
        "install",
        "r",
        "c",
        "--create-namespace",
        "--set",
        "a=2,t.x=null,unset=null",
    ];
    project.helm(&install).expect_code(0);
    project
        .helm(&[
            "upgrade",
            "r",
            "c",
            "--set",
            "a=3,big=12345678901,f=0.5",
            "--description",
            "second <one>",
        ])
        .expect_code(0);
    project
        .helm(&["install", "b-release", "c", "--labels", "team=a"])
        .expect_code(0);
    project.helm(&["install", "failed", "d"]).expect_code(1);
    project.helm(&["test", "r"]).expect_code(0);
    project
}

#[test]
fn releases_are_told_as_by_helm() {
    let project = releases();
    for args in [
        &["list"][..],
        &["ls", "-q"],
        &["list", "-o", "json"],
        &["list", "-o", "yaml"],
        &["list", "-q", "-o", "json"],
        &["list", "--all", "--no-headers"],
        &["list", "--failed"],
        &["list", "--superseded"],
        &["list", "--deployed", "-r"],
        &["list", "-m", "1", "--offset", "1"],
        &["list", "--offset", "9"],
        &["list", "-f", "^b"],
        &["list", "-l", "team=a"],
        &["list", "--selector", "team!=a,name in (r,b-release)", "-q"],
        &["list", "--selector", "!team", "-q", "-o", "json"],
        &["list", "--time-format", "2006-01-02 Mon Z0700"],
        &["list", "more"],
        &["history", "r"],
        &["hist", "r", "-o", "json"],
        &["history", "r", "-o", "yaml", "--max", "1"],
        &["history", "none"],
        &["history", "A_b"],
        &["history"],
        &["status", "r"],
        &["status", "r", "-o", "json"],
        &["status", "failed", "-o", "yaml"],
        &["status", "b-release", "--show-desc"],
        &["status", "r", "--revision", "1"],
        &["status", "r", "--revision", "7"],
        &["status", "r", "--show-resources", "-o", "json"],
        &["status", "r", "--show-resources", "-o", "yaml"],
        &["get", "all", "r"],
        &["get", "all", "b-release"],
        &[
            "get",
            "all",
            "r",
            "--template",
            "{{ .Release.Name }} {{ .Release.Version }} {{ .Release.Info.Status }} {{ .Release.Namespace | len }} {{ .Release.Chart.Metadata.Name }}-{{ .Release.Chart.Metadata.Version }} {{ .Release.Chart.Metadata.AppVersion }} {{ range .Release.Hooks }}{{ .Name }} {{ end }}{{ .Release.Config.a }}\n{{ .Release.Manifest }}",
        ],
        &["get", "hooks", "r"],
        &["get", "manifest", "r", "--revision", "1"],
        &["get", "notes", "r"],
        &["get", "notes", "failed"],
        &["get", "values", "r"],
        &["get", "values", "r", "-o", "json"],
        &["get", "values", "b-release"],
        &["get", "values", "b-release", "-o", "json"],
        &["get", "values", "r", "--all"],
        &["get", "values", "r", "--all", "--revision", "1", "-o", "yaml"],
        &["get", "metadata", "r"],
        &["get", "metadata", "r", "-o", "json"],
        &["get", "metadata", "b-release", "-o", "yaml"],
        &["get", "values", "none"],
        &["get", "manifest"],
    ] {
        check(&project, args);
    }
    // Helm knows the second only, and these were made in one.
    let by_date = |flags: &str| {
        let run = project
            .kiel(&["helm", "list", flags, "-n", &project.namespace])
            .expect_code(0);
        run.stdout.lines().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(by_date("-qda"), ["r", "b-release", "failed"]);
    assert_eq!(by_date("-qdra"), ["failed", "b-release", "r"]);
    let empty = project
        .kiel(&["helm", "list", "-n", "nothing-is-here"])
        .expect_code(0);
    assert_eq!(
        empty.stdout,
        project.helm(&["list", "-n", "nothing-is-here"]).stdout
    );
}

const OBJECTS: &str = "kind: ConfigMap
apiVersion: v1
metadata: {name: b}
data: {a: x}
---
kind: ConfigMap
apiVersion: v1
metadata: {name: a-much-longer-name}
---
kind: Secret
apiVersion: v1
metadata: {name: gone}
---
kind: Service
apiVersion: v1
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, name: web}, {port: 443, name: tls}]}
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: none}
spec:
  replicas: 0
  selector: {matchLabels: {app: none}}
  template: {metadata: {labels: {app: none}}, spec: {containers: [{name: c, image: registry.invalid/none}]}}
";

/// The text with its tables in order: Helm leaves that to chance, and ages change.
fn in_order(text: &str) -> (String, Vec<String>) {
    let (head, rest) = text.split_once("==> ").expect("it has tables");
    let (tables, tail) = rest.split_once("\n\n\n").expect("tables end with an empty line");
    let mut tables: Vec<String> = tables
        .split("==> ")
        .map(|table| {
            let lines = table.lines().map(|line| match line.rsplit_once(' ') {
                Some((line, age)) if age.starts_with(|first: char| first.is_ascii_digit()) => line,
                _ => line,
            });
            lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
        })
        .collect();
    tables.sort();
    (format!("{head}|{tail}"), tables)
}

#[test]
fn a_status_shows_the_objects_as_helm_does() {
    let project = Project::with(
        "status-resources",
        &[("c/Chart.yaml", CHART), ("c/templates/a.yaml", OBJECTS)],
    );
    project
        .helm(&["install", "r", "c", "--create-namespace"])
        .expect_code(0);
    project.kubectl(&["delete", "secret", "gone"]).expect_code(0);
    let args = ["status", "r", "--show-resources"];
    let want = project.helm(&args).expect_code(0);
    let got = project.kiel(&[&["helm", "-n", &project.namespace], &args[..]].concat());
    assert_eq!(
        in_order(&got.expect_code(0).stdout),
        in_order(&want.stdout),
        "{}",
        want.stdout
    );
}
