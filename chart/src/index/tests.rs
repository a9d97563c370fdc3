use super::*;

const INDEX: &str = r#"apiVersion: v1
entries:
  app:
  - apiVersion: v2
    appVersion: "1"
    created: "2024-01-02T03:04:05.678Z"
    description: |-
      text
        that goes on

      app:
    digest: aaaa
    name: app
    urls:
    - app-1.2.0.tgz
    version: 1.2.0
  - created: "2024-01-02T03:04:05.678Z"
    name: app
    urls:
    - https://other.example.com/app-1.10.0.tgz
    version: 1.10.0
  - name: app
    urls: []
    version: 2.0.0-rc.1
  - name: app
    urls: [x]
    version: not a version
  other:
  - name: other
    urls: [other-0.1.0.tgz]
    version: 0.1.0
generated: "2024-01-02T03:04:05.678Z"
"#;

fn versions(index: &Index, name: &str) -> Vec<String> {
    let entries = index.entries.get(name).into_iter().flatten();
    entries.map(|entry| entry.metadata.version.clone()).collect()
}

#[test]
fn entries_are_sorted_and_broken_ones_named() {
    let index = Index::parse(INDEX.as_bytes(), "here").unwrap();
    assert_eq!(versions(&index, "app"), ["2.0.0-rc.1", "1.10.0", "1.2.0"]);
    assert_eq!(
        index.skipped,
        [
            "skipping loading invalid entry for chart \"app\" \"not a version\" from here: validation: chart.metadata.version \"not a version\" is invalid"
        ]
    );
    assert_eq!(index.entries["app"][2].digest, "aaaa");
    assert_eq!(index.entries["app"][1].metadata.api_version, "v1");
}

#[test]
fn versions_are_found_as_helm_finds_them() {
    let index = Index::parse(INDEX.as_bytes(), "here").unwrap();
    let get = |name: &str, version: &str| match index.get(name, version) {
        Ok(entry) => entry.metadata.version.clone(),
        Err(error) => error.to_string(),
    };
    assert_eq!(get("app", ""), "1.10.0");
    assert_eq!(get("app", "1.2"), "1.2.0");
    assert_eq!(get("app", "~1.2"), "1.2.0");
    assert_eq!(get("app", ">0.0.0-0"), "2.0.0-rc.1");
    assert_eq!(get("app", "3"), "no chart version found for app-3");
    assert_eq!(get("app", "a b"), "improper constraint: \"a b\"");
    assert_eq!(get("none", ""), "no chart name found");
    let exact = |version: &str| {
        index
            .find_exact("app", version)
            .map(|entry| entry.metadata.version.as_str())
    };
    assert_eq!(exact("v1.2"), Some("1.2.0"));
    assert_eq!(exact("2.0.0-rc.1"), None, "it has no URL");
}

#[test]
fn a_part_says_the_same_as_the_whole() {
    let whole = Index::parse(INDEX.as_bytes(), "here").unwrap();
    for names in [&["app"][..], &["other"], &["other", "app"], &["none"]] {
        let layout = Layout::of(INDEX.as_bytes()).expect("it is laid out plainly");
        assert!(layout.names().eq(["app", "other"]));
        let part = layout.cut(names).expect("all of it stands in its place");
        assert_eq!(part.contains("not a version"), names.contains(&"app"));
        let part = Index::parse_charts(INDEX.as_bytes(), "here", names).unwrap();
        for name in ["app", "other"] {
            let want = names.contains(&name).then(|| &whole.entries[name]);
            assert_eq!(part.entries.get(name), want);
        }
    }
}

#[test]
fn a_large_index_is_read_in_parts() {
    let entries: String = (0..900)
        .map(|at| format!("  c{at}:\n  - {{apiVersion: v2, name: c{at}, version: 1.0.0, urls: [x]}}\n  - {{name: c{at}, version: x, urls: [x], description: {}}}\n", "y".repeat(1200)))
        .collect();
    let text = format!("apiVersion: v1\nentries:\n{entries}generated: x\n");
    assert!(text.len() > LARGE);
    let index = Index::parse(text.as_bytes(), "here").unwrap();
    assert_eq!((index.entries.len(), index.skipped.len()), (900, 900));
    assert_eq!(index, {
        let mut whole = Index::parse_whole(text.as_bytes(), "here").unwrap();
        whole.generated.clear();
        whole.skipped.clone_from(&index.skipped);
        whole
    });
    let (names, _) = Index::chart_names(text.as_bytes(), "here").unwrap();
    assert_eq!(names.len(), 900);
}

#[test]
fn other_layouts_are_read_whole() {
    for text in [
        "{\"apiVersion\": \"v1\", \"entries\": {\"app\": [{\"name\": \"app\", \"version\": \"1.0.0\"}]}}",
        "apiVersion: v1\nentries: {app: [{name: app, version: 1.0.0}]}",
        "apiVersion: v1\nentries:\n  app: &a\n  - {name: app, version: 1.0.0}\n  b: *a\n",
        "apiVersion: v1\nentries:\n  ? app\n  : - {name: app, version: 1.0.0}\n",
        "apiVersion: v1\nentries:\n  \"app\":\n  - {name: app, version: 1.0.0}\n",
        "apiVersion: v1\nx: |\n entries:\n  app:\nentries:\n  app:\n  - {name: app, version: 1.0.0}\n",
    ] {
        let part = Layout::of(text.as_bytes()).and_then(|layout| layout.cut(&["app"]));
        assert_eq!(part, None, "{text}");
        let index = Index::parse_charts(text.as_bytes(), "here", &["app"]).unwrap();
        assert_eq!(versions(&index, "app"), ["1.0.0"], "{text}");
    }
}

#[test]
fn what_is_no_index_is_told() {
    for (text, want) in [
        ("", "empty index.yaml file"),
        ("entries: {}", "no API version specified"),
        (
            "apiVersion: v1\nentries: []",
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go struct field IndexFile.entries of type map[string]repo.ChartVersions",
        ),
        (
            "<html>",
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type repo.IndexFile",
        ),
    ] {
        let error = Index::parse(text.as_bytes(), "here").unwrap_err();
        assert_eq!(error.to_string(), want);
    }
    let large = vec![b' '; MAX_WHOLE_SIZE + 1];
    assert!(matches!(
        Index::parse(&large, "here"),
        Err(IndexError::TooLarge { .. })
    ));
}

#[test]
fn merging_keeps_what_is_there() {
    let mut ours = Index::parse(INDEX.as_bytes(), "here").unwrap();
    let theirs = "apiVersion: v1\nentries:\n  app:\n  - {name: app, version: 1.2.0, urls: [theirs]}\n  - {name: app, version: 1.3.0, urls: [theirs]}\n";
    ours.merge(Index::parse(theirs.as_bytes(), "there").unwrap());
    ours.sort();
    assert_eq!(versions(&ours, "app"), ["2.0.0-rc.1", "1.10.0", "1.3.0", "1.2.0"]);
    assert_eq!(ours.entries["app"][3].urls, ["app-1.2.0.tgz"]);
}
