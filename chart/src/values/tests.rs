use super::*;

#[track_caller]
fn check(input: &ValuesInput, want: &str) {
    let got = match input.merge_json() {
        Ok(values) => values.to_string(),
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
fn later_files_win_table_by_table() {
    let files = vec![
        file("a: {b: 1, c: [1, 2]}\nd: 4\n"),
        file("a: {c: [3], e: null}\nd: {f: 1}\n"),
        file(""),
    ];
    check(
        &ValuesInput {
            files,
            ..ValuesInput::default()
        },
        r#"{"a":{"b":1,"c":[3],"e":null},"d":{"f":1}}"#,
    );
}

#[test]
fn flags_win_over_files_and_by_kind() {
    let lines = |line: &str| vec![line.to_owned()];
    let input = ValuesInput {
        base: Some(serde_json::json!({"old": true, "a": 0})),
        files: vec![file("a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\n")],
        set_json: lines("b=2,c=2,d=2,e=2,f=2"),
        set: lines("c=3,d=3,e=3,f=3"),
        set_string: lines("d=4,e=4,f=4"),
        set_file: lines("e=path,f=path"),
        set_file_contents: BTreeMap::from([("path".to_owned(), b"content".to_vec())]),
        set_literal: lines("f=x,y"),
        ..ValuesInput::default()
    };
    check(
        &input,
        r#"{"a":1,"b":2,"c":3,"d":"4","e":"content","f":"x,y","old":true}"#,
    );
    assert_eq!(input.set_file_paths().expect("valid lines"), ["path", "path"]);
}

#[test]
fn wrong_input_names_its_source() {
    check(
        &ValuesInput {
            files: vec![file("a: b: c")],
            ..ValuesInput::default()
        },
        "failed to parse v.yaml: error converting YAML to JSON: yaml: mapping values are not allowed in this context",
    );
    let set = vec!["a".to_owned()];
    check(
        &ValuesInput {
            set,
            ..ValuesInput::default()
        },
        r#"failed parsing --set data: key "a" has no value"#,
    );
    let set_json = vec!["a={".to_owned()];
    check(
        &ValuesInput {
            set_json,
            ..ValuesInput::default()
        },
        "failed parsing --set-json data a={",
    );
    let set_file = vec!["a=missing".to_owned()];
    check(
        &ValuesInput {
            set_file,
            ..ValuesInput::default()
        },
        "failed parsing --set-file data: open missing: no such file or directory",
    );
}
