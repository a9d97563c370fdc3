use super::*;
use crate::test_tree::TestTree;

/// Loads the files as the chart `c`, and shows what `look` says about it, or the error.
#[track_caller]
fn check(files: &[(&str, &str)], profile: &Profile, look: fn(&Chart) -> String, want: &str) {
    let tree = TestTree::new("c", files);
    let got = match load(&tree, "c", profile) {
        Ok(chart) => look(&chart),
        Err(error) => error.to_string(),
    };
    assert_eq!(got, want);
}

fn names(files: &[File]) -> String {
    files
        .iter()
        .map(|file| file.name.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

const CHART: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");

fn werf() -> Profile {
    Profile::Werf {
        name: "project".to_owned(),
        version: None,
        app_version: None,
    }
}

#[test]
fn files_have_roles() {
    let files = [
        CHART,
        (".helmignore", "*.bak\n"),
        ("templates/b.yaml", ""),
        ("templates/a/x.yaml", ""),
        ("templates/a-b.yaml", ""),
        ("templates/.hidden", ""),
        ("templates/old.bak", ""),
        ("crds/x.yaml", ""),
        ("README.md", ""),
        ("values.yaml", "a: 1\n"),
        ("values.schema.json", "{}"),
        (
            "charts/sub/Chart.yaml",
            "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
        ),
        ("charts/sub/values.yaml", "b: 2\n"),
        ("charts/_skipped/x", ""),
    ];
    check(
        &files,
        &Profile::Helm,
        |chart| names(&chart.templates),
        "templates/a/x.yaml templates/a-b.yaml templates/b.yaml",
    );
    check(
        &files,
        &Profile::Helm,
        |chart| names(&chart.files),
        ".helmignore README.md crds/x.yaml",
    );
    check(
        &files,
        &Profile::Helm,
        |chart| chart.dependencies[0].values.to_string(),
        r#"{"b":2}"#,
    );
    check(
        &files,
        &werf(),
        |chart| names(&chart.templates),
        "templates/a/x.yaml templates/a-b.yaml templates/b.yaml templates/old.bak",
    );
}

#[test]
fn werf_needs_no_chart_file() {
    let files = [("templates/a.yaml", "")];
    let show = |chart: &Chart| chart.metadata.to_json().to_string();
    check(
        &files,
        &werf(),
        show,
        r#"{"name":"project","version":"1.0.0","apiVersion":"v2"}"#,
    );
    check(&files, &Profile::Helm, show, "Chart.yaml file is missing");
    let partial = [("Chart.yaml", "apiVersion: v2\nappVersion: old\n")];
    let profile = Profile::Werf {
        name: "project".to_owned(),
        version: Some("2.0.0".to_owned()),
        app_version: Some("new".to_owned()),
    };
    check(
        &partial,
        &profile,
        show,
        r#"{"name":"project","version":"2.0.0","apiVersion":"v2","appVersion":"new"}"#,
    );
}

#[test]
fn wrong_charts() {
    let check_chart = |text: &str, want: &str| {
        check(
            &[("Chart.yaml", text)],
            &Profile::Helm,
            |_| "loaded".to_owned(),
            want,
        );
    };
    check_chart(
        "apiVersion: v2\nname: c\n",
        "validation: chart.metadata.version is required",
    );
    check_chart(
        "apiVersion: v2\nname: c\nversion: x\n",
        r#"validation: chart.metadata.version "x" is invalid"#,
    );
    check_chart(
        "apiVersion: v2\nversion: 1.0.0\n",
        "validation: chart.metadata.name is required",
    );
    check_chart(
        "apiVersion: v2\nname: a/b\nversion: 1.0.0\n",
        r#"validation: chart.metadata.name "a/b" is invalid"#,
    );
    check_chart(
        "apiVersion: v2\nname: c\nversion: 1.0.0\ntype: other\n",
        "validation: chart.metadata.type must be application or library",
    );
    check_chart(
        "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: a}, {name: b, alias: a}]\n",
        r#"validation: more than one dependency with name or alias "a""#,
    );
    check_chart(
        "a: b: c\n",
        "cannot load Chart.yaml: error converting YAML to JSON: yaml: mapping values are not allowed in this context",
    );
    check_chart(
        "name: [x]\n",
        "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go struct field Metadata.name of type string",
    );
    check(
        &[CHART, ("charts/file", "")],
        &Profile::Helm,
        |_| "loaded".to_owned(),
        "error unpacking subchart file in c: Chart.yaml file is missing",
    );
    check(
        &[CHART, ("values.yaml", "- a\n")],
        &Profile::Helm,
        |_| "loaded".to_owned(),
        "cannot load values.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
    );
}

#[test]
fn metadata_reads_as_helm_reads_it() {
    let text =
        "NAME: c\nversion: 1.10.0\nappVersion: 1.10\nannotations: {num: 5, t: true}\nkeywords: [a, 1]\n";
    check(
        &[("Chart.yaml", text)],
        &Profile::Helm,
        |chart| chart.metadata.to_json().to_string(),
        r#"{"name":"c","version":"1.10.0","apiVersion":"v1","appVersion":"1.1","keywords":["a","1"],"annotations":{"num":"5","t":"true"}}"#,
    );
}

#[test]
fn archives_are_charts_too() {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (path, text) in [
        ("sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 0.1.0\n"),
        ("sub/values.yaml", "\u{feff}b: 2\n"),
        ("sub/templates/t.yaml", "x: y\n"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder
            .append_data(&mut header, path, text.as_bytes())
            .expect("an entry");
    }
    let data = builder
        .into_inner()
        .expect("a tar file")
        .finish()
        .expect("a gzip file");
    let chart = load_archive(&data).expect("a chart");
    assert_eq!(
        (chart.name(), chart.values.to_string()),
        ("sub", r#"{"b":2}"#.to_owned())
    );

    let mut tree = TestTree::new("c", &[CHART]);
    tree.add("c/charts/sub-0.1.0.tgz", &data);
    let chart = load(&tree, "c", &Profile::Helm).expect("a chart");
    assert_eq!(chart.dependencies[0].name(), "sub");

    assert!(load_archive(b"no archive").is_err());
}
