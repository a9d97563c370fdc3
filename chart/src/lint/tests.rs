use super::*;
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

/// The findings for a chart with these files, the notes behind them.
fn findings(files: &[(&str, &str)], profile: Profile) -> Vec<String> {
    let tree = TestTree::new("c", files);
    let chart = LintChart {
        files: &tree,
        dir: "c",
        shown_dir: "/charts/c".to_owned(),
        profile,
        loaded: None,
    };
    let options = LintOptions {
        values: &ValuesInput::default(),
        secret_values: &[],
        service_values: &serde_json::Value::Null,
        namespace: "default",
        kube_version: KubeVersion::parse("1.20").ok(),
        check_schemas: true,
        environment: Arc::new(Still),
        extra_functions: None,
    };
    let reports = lint_on_own_stack(&[chart], &options).expect("values that can be joined");
    let found = |report: &LintReport| {
        let findings = report.findings.iter().map(ToString::to_string);
        findings
            .chain(report.log.iter().map(ToString::to_string))
            .collect::<Vec<_>>()
    };
    reports.iter().flat_map(found).collect()
}

const CHART: &str = "apiVersion: v2\nname: c\nversion: 1.0.0\nicon: https://a.b/c.png\n";

#[test]
fn a_clean_chart_has_no_findings() {
    let files = [
        ("Chart.yaml", CHART),
        ("values.yaml", "a: x\n"),
        ("templates/a.yaml", "kind: A\nmetadata: {name: {{ .Values.a }}}\n"),
    ];
    assert_eq!(findings(&files, Profile::Helm), Vec::<String>::new());
}

#[test]
fn deprecations_follow_the_version() {
    let files = [
        ("Chart.yaml", CHART),
        ("values.yaml", ""),
        (
            "templates/a.yaml",
            "{kind: Ingress, apiVersion: networking.k8s.io/v1beta1, metadata: {name: a}}\n---\n{kind: CronJob, apiVersion: batch/v1beta1, metadata: {name: a}}\n",
        ),
    ];
    assert_eq!(
        findings(&files, Profile::Helm),
        [
            "[WARNING] templates/a.yaml: networking.k8s.io/v1beta1 Ingress is deprecated in v1.19+, unavailable in v1.22+; use networking.k8s.io/v1 Ingress"
        ]
    );
}

#[test]
fn a_projects_chart_needs_no_chart_file() {
    let profile = Profile::Werf {
        name: "project".to_owned(),
        version: None,
        app_version: None,
    };
    let files = [
        ("values.yaml", ""),
        (
            "templates/a.yaml",
            "kind: A\nmetadata: {name: {{ required \"need\" .Values.a | default \"B\" }}}\n",
        ),
    ];
    let found = findings(&files, profile);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("[WARNING] templates/a.yaml: object name does not conform"));
    assert_eq!(found[1], "engine.go:206: [INFO] Missing required value: need");
}
