//! `lint`: rule by rule, each chart judged by both programs.

use crate::harness::Project;
use crate::{Folder, check, helm, kiel, kiel_path, run, shown};

const CHART: &str = "apiVersion: v2\nname: c\nversion: 1.0.0\n";

/// A chart `c` with these files beside its `Chart.yaml` and an empty `values.yaml`.
fn chart(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new(&[("c/Chart.yaml", CHART), ("c/values.yaml", "")]);
    for (path, text) in files {
        folder.write(&format!("c/{path}"), text.as_bytes());
    }
    folder
}

/// Compares the findings for every one of the texts as the file.
#[track_caller]
fn check_each(path: &str, texts: &[&str]) {
    for text in texts {
        let folder = chart(&[(path, text)]);
        let (want, got) = (
            helm(&["lint", "c"], folder.path()),
            kiel(&["lint", "c"], folder.path()),
        );
        assert_eq!(shown(&got), shown(&want), "{path}:\n{text}");
    }
}

#[test]
fn chart_yaml() {
    check_each(
        "Chart.yaml",
        &[
            CHART,
            "",
            "[]",
            "a: [",
            "name: 5\nversion: []\n",
            "apiVersion: v3\nname: c\nversion: 1.0.0\n",
            "name: c\nversion: 1.0.0\n",
            "apiVersion: v2\nversion: 1.0.0\n",
            "apiVersion: v2\nname: a/b\nversion: 1.0.0\n",
            "apiVersion: v2\nname: ..\nversion: 1.0.0\n",
            "apiVersion: v2\nname: c\n",
            "apiVersion: v2\nname: c\nversion: 1.0\nappVersion: 2\n",
            "apiVersion: v2\nname: c\nversion: ~\nappVersion: [a]\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\nappVersion: {a: 1}\n",
            "apiVersion: v2\nname: c\nversion: true\nappVersion: ~\n",
            "apiVersion: v2\nname: c\nversion: one\n",
            "apiVersion: v2\nname: c\nversion: 0.0.0-0\n",
            "apiVersion: v2\nname: c\nversion: 0.0.0\n",
            "apiVersion: v2\nname: c\nversion: v1.2\n",
            "apiVersion: v1\nname: c\nversion: 1.0.0\ntype: application\ndependencies: [{name: d, version: 1.0.0}]\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\ntype: other\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\ntype: library\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\nicon: x\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\nicon: https://example.org/a.png\nunknown: 1\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\nsources: ['']\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\nsources: ['https://example.org', 'nowhere']\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\nsources: ['git+ssh://git@example.org/x', 'mailto:a', '/path', 'http://a b/', 'http://[::1', 'x://%zz']\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\nmaintainers: [{email: a@example.org}]\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: a, version: '1'}, {name: b, version: '1', alias: a}]\n",
            "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: a, version: '1', alias: 'a b'}]\n",
        ],
    );
}

#[test]
fn addresses() {
    let emails = [
        "a@example.org",
        "a.b+c@example.org",
        "a@localhost",
        "a",
        "@example.org",
        "a@b.c",
        "a@b.1",
        "a@-b.org",
        "a..b@c.org",
        "\\\"a b\\\"@c.org",
        "\\\"a\\\"@c.org",
        "\\\"(a\\\" b\\\"@c.org",
        "a@b_c.org",
        "ä@ö.org",
        "a@b.org.",
        "a@b..org",
        "a b@c.org",
        "a@b.o-g",
        "#!@c.org",
    ];
    let urls = [
        "https://example.org",
        "example.org",
        "example",
        "http://example",
        "localhost:80",
        "http://1.2.3.4:5/x?y#z",
        "http://300.1.1.1",
        "ftp://a.b",
        "x://a.b",
        "http://[::1]:80/",
        "http://a b.c",
        ".a.b",
        "a.b.",
        "http://",
        "a/b",
        "a.b/c",
        "http://user:pw@a.b",
        "http://a_b.c",
        "http://-a.b",
        "www.a.b",
        "http://a.b:123456",
        "http://ä.ö",
        "http://a--b.c",
        "ab",
        "http://a.b/%zz",
        "mailto:x@a.b",
        "http://.a.b",
        "1.2.3.4",
        "http://a..b",
    ];
    let person = |field: &str, value: &str| {
        format!(
            "apiVersion: v2\nname: c\nversion: 1.0.0\nmaintainers: [{{name: who, {field}: \"{value}\"}}]\n"
        )
    };
    let texts: Vec<String> = emails
        .iter()
        .map(|email| person("email", email))
        .chain(urls.iter().map(|url| person("url", url)))
        .collect();
    check_each(
        "Chart.yaml",
        &texts.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn values_and_their_schema() {
    check_each("values.yaml", &["", "a: [", "- 1", "text", "a: 1\n---\nb: 2\n"]);
    let schema = r#"{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}"#;
    let folder = chart(&[
        ("values.schema.json", schema),
        ("values.yaml", "a: one\nb: text\n"),
        ("templates/a.yaml", "kind: A\nmetadata: {name: a}\n"),
    ]);
    let schema_flags: [&[&str]; 5] = [
        &[],
        &["--set", "a=1,b=text"],
        &["--set", "a=null"],
        &["--skip-schema-validation"],
        &["--set", "a=1", "--set", "b=2", "--strict", "--quiet"],
    ];
    for flags in schema_flags {
        check(folder.path(), &[&["lint", "c"], flags].concat());
    }
    let folder = chart(&[("templates/a.yaml", "a: {{ .Values.a.b }}\n")]);
    fs_err::remove_file(folder.path().join("c/values.yaml")).expect("the file can be removed");
    check(folder.path(), &["lint", "c"]);
    check(folder.path(), &["lint", "c", "--set", "a.b=1"]);
}

#[test]
fn values_are_shared_between_charts_and_rules() {
    let folder = Folder::new(&[
        ("a/Chart.yaml", CHART),
        ("a/values.yaml", "t: {x: 1, y: 2}\ntop: 1\n"),
        (
            "a/templates/a.yaml",
            "kind: A\nmetadata: {name: \"X{{ .Values.t }}{{ .Values.top }}\"}\n",
        ),
        ("b/Chart.yaml", CHART),
        ("b/values.yaml", "t: {z: 3}\n"),
        (
            "b/templates/a.yaml",
            "kind: A\nmetadata: {name: \"X{{ .Values.t }}\"}\n",
        ),
    ]);
    for set in ["t.x=null", "top=null", "t.z=9", "t=1"] {
        check(folder.path(), &["lint", "a", "b", "--set", set]);
        check(folder.path(), &["lint", "b", "a", "--set", set]);
    }
}

#[test]
fn templates() {
    check_each(
        "templates/a.yaml",
        &[
            "",
            "# comment\n",
            "  kind: A\n",
            "\n\n\tkind: A\n",
            "kind: A\n",
            "kind: A\nmetadata: {name: ok}\n",
            "kind: A\nmetadata: {name: Not_ok}\n",
            "kind: Service\nmetadata: {name: 1a}\n",
            "kind: Service\nmetadata: {name: a.b}\n",
            "kind: Namespace\nmetadata: {name: a.b}\n",
            "kind: Namespace\nmetadata: {name: A}\n",
            "kind: Role\nmetadata: {name: 'a:b'}\n",
            "kind: ClusterRoleBinding\nmetadata: {name: 'a/b%c'}\n",
            "kind: RoleBinding\nmetadata: {name: ..}\n",
            "kind: CertificateSigningRequest\nmetadata: {name: 'A b'}\n",
            "kind: ServiceAccount\nmetadata: {name: a_b}\n",
            "kind: Pod\nmetadata: {name: {{ repeat 254 \"a\" }}}\n",
            "kind: Service\nmetadata: {name: {{ repeat 64 \"A\" }}}\n",
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: d}\n",
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: d}\nspec: {selector: {matchLabels: {a: b}}}\n",
            "kind: StatefulSet\napiVersion: apps/v1beta1\nmetadata: {name: d}\n",
            "kind: PodDisruptionBudget\napiVersion: policy/v1beta1\nmetadata: {name: d}\n---\nkind: CronJob\napiVersion: batch/v1beta1\nmetadata: {name: d}\n",
            "kind: Endpoints\napiVersion: v1\nmetadata: {name: d}\n---\nkind: RuntimeClass\napiVersion: node.k8s.io/v1beta1\nmetadata: {name: d}\n",
            "kind: Ingress\napiVersion: extensions/v1beta1\nmetadata: {name: d}\n",
            "kind: List\nitems: [{metadata: {annotations: {helm.sh/resource-policy: keep}}}]\nmetadata: {name: l}\n",
            "kind: List\nitems: [{metadata: {annotations: {other: keep}}}]\nmetadata: {name: l}\n",
            "kind: A\nmetadata: {name: a, annotations: {\"helm.sh/hook\": crd-install}}\n",
            "kind: A\nmetadata:\n  name: a\n  annotations:\n    \"helm.sh/hook\": crd-install\n",
            "kind: A # {{/* .Release.Time */}}\nmetadata: {name: a}\n",
            "kind: [\n",
            "kind: [a]\nmetadata: {name: a}\n",
            "kind: A\nmetadata: text\n",
            "kind: 5\nmetadata: {name: 7}\n",
            "- a\n- b\n",
            "text\n",
            "kind: A\nmetadata: {name: a}\n--- text\nkind: B\n",
            "---\n---\nkind: A\nmetadata: {name: A}\n--- # why\nkind: B\nmetadata: {name: B}\n---\n",
            "kind: A\r\nmetadata: {name: A}\r\n---\r\nkind: B\r\n",
            "{\"kind\": \"A\", \"metadata\": {\"name\": \"A\"}}\n",
            "{\"kind\": \"A\", \"metadata\": {\"name\": \"A\"}}\n{\"kind\": \"B\", \"metadata\": {\"name\": \"B\"}}\n",
            "{\"kind\": \"A\", \"metadata\": {\"name\": \"A\"}}\n---\nkind: B\nmetadata: {name: B}\n",
            "{kind: A, metadata: {name: A}}\n",
            "{{ .Values.a.b }}\n",
            "{{ required \"need it\" .Values.a }}{{ fail \"no\" }}kind: A\nmetadata: {name: a}\n",
            "{{ nope }}\n",
            "{{ if }}\n",
            "kind: A\nmetadata: {name: \"{{ .Release.IsInstall }}-{{ .Release.IsUpgrade }}-{{ .Release.Revision }}-{{ .Release.Name }}-{{ .Release.Namespace }}\"}\n",
            "{{ .Capabilities.KubeVersion }}x: [\n",
        ],
    );
}

#[test]
fn names_of_template_files() {
    let text = "kind: A\nmetadata: {name: A}\n";
    let folder = chart(&[
        ("templates/a.yml", text),
        ("templates/b.json", text),
        ("templates/_c.tpl", "{{ define \"x\" }}{{ end }}"),
        ("templates/NOTES.txt", "hello"),
        ("templates/README.md", "hello"),
        ("templates/sub/d.yaml", text),
        ("templates/sub-a.yaml", text),
        ("templates/noext", text),
        ("templates/z.YAML", text),
        (".helmignore", "*.md\n"),
    ]);
    check(folder.path(), &["lint", "c"]);
    let folder = chart(&[("templates", "a file")]);
    check(folder.path(), &["lint", "c"]);
}

#[test]
fn dependencies() {
    let requires = "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: d, version: 1.0.0}, {name: e, version: 1.0.0}]\n";
    let below = "apiVersion: v2\nname: d\nversion: 1.0.0\n";
    let bad = "kind: A\nmetadata: {name: A_B}\n";
    let folder = chart(&[
        ("Chart.yaml", requires),
        ("charts/d/Chart.yaml", below),
        ("charts/d/templates/a.yaml", bad),
    ]);
    check(folder.path(), &["lint", "c"]);
    check(folder.path(), &["lint", "c", "--strict"]);
    check(folder.path(), &["lint", "c", "--with-subcharts"]);
    check(folder.path(), &["lint", "c", "--with-subcharts", "--quiet"]);
    let folder = chart(&[("charts/d/Chart.yaml", below)]);
    check(folder.path(), &["lint", "c"]);
    let folder = chart(&[("charts/README.md", "no chart")]);
    check(folder.path(), &["lint", "c"]);
}

#[test]
fn several_charts_flags_and_failures() {
    let folder = chart(&[("templates/a.yaml", "kind: A\nmetadata: {name: 'A'}\n")]);
    folder.write(
        "d/Chart.yaml",
        b"apiVersion: v2\nname: d\nversion: 1.0.0\nicon: https://a.b/c\n",
    );
    folder.write("file", b"");
    folder.write("broken.tgz", b"no archive");
    for args in [
        &["lint", "c", "d"][..],
        &["lint", "c", "d", "--quiet"],
        &["lint", "d", "--quiet"],
        &["lint", "c", "d", "--strict"],
        &["lint", "d", "none", "c"],
        &["lint", "./c/", "file", "none.tgz", "broken.tgz"],
        &["lint"],
        &["lint", "c", "--kube-version", "1.20"],
        &["lint", "c", "--kube-version", "one"],
        &["lint", "c", "-f", "none.yaml"],
        &["lint", "c", "--set", "a"],
        &["lint", "c", "-n", "space", "--debug=false"],
        &["lint", "c", "--wrong"],
    ] {
        check(folder.path(), args);
    }
    check(&folder.path().join("d"), &["lint"]);
}

#[test]
fn archives() {
    let folder = chart(&[("templates/a.yaml", "kind: A\nmetadata: {name: 'A'}\n")]);
    let packaged = helm(&["package", "c"], folder.path());
    assert_eq!(packaged.code, 0, "{}", packaged.stderr);
    check(folder.path(), &["lint", "c-1.0.0.tgz"]);
}

#[test]
fn what_fail_and_required_say_is_logged() {
    let folder = chart(&[(
        "templates/a.yaml",
        "{{ fail \"no way\" }}{{ required \"need a\" .Values.a }}",
    )]);
    let run = kiel(&["lint", "c"], folder.path());
    run.expect_code(0)
        .expect_stderr(&["[INFO] Fail: no way", "[INFO] Missing required value: need a"]);
}

#[test]
fn kiel_lint_is_the_same() {
    let folder = chart(&[(
        "templates/a.yaml",
        "kind: A\nmetadata: {name: '{{ .Values.n }}'}\n",
    )]);
    let want = helm(&["lint", "c", "--strict", "--set", "n=A"], folder.path());
    let got = run(
        &kiel_path(),
        &["lint"],
        &["c", "--strict", "--set", "n=A"],
        folder.path(),
        &[],
    );
    assert_eq!(
        (got.code, &got.stdout),
        (want.code, &want.stdout),
        "{}",
        got.stderr
    );
    let got = run(
        &kiel_path(),
        &["lint"],
        &["--strict", "--set", "n=A"],
        &folder.path().join("c"),
        &[],
    );
    assert_eq!(
        got.stdout,
        want.stdout.replace("==> Linting c\n", "==> Linting .\n")
    );
}

#[test]
fn kiel_lint_judges_the_projects_commit() {
    let project = Project::with(
        "lint",
        &[
            ("werf.yaml", "project: demo\nconfigVersion: 1\n"),
            (".helm/values.yaml", "name: fine\n"),
            (
                ".helm/templates/a.yaml",
                "kind: A\nmetadata: {name: '{{ .Values.name }}-{{ .Values.werf.env }}'}\n",
            ),
        ],
    );
    let clean = project.kiel(&["lint", "--env", "dev"]).expect_code(0);
    assert_eq!(
        clean.stdout,
        "==> Linting .helm\n\n1 chart(s) linted, 0 chart(s) failed\n"
    );
    let broken = project
        .kiel(&["lint", "--strict", "--env", "dev", "--set", "name=A"])
        .expect_code(1);
    assert!(
        broken
            .stdout
            .contains("[WARNING] templates/a.yaml: object name does not conform"),
        "{}",
        broken.stdout
    );
    assert!(
        broken
            .stderr
            .contains("error: 1 chart(s) linted, 1 chart(s) failed"),
        "{}",
        broken.stderr
    );
}
