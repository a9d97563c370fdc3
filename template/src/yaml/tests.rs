//! Expectations were written by sigs.k8s.io/yaml v1.6.0 with go.yaml.in/yaml/v2 v2.4.4 (Go 1.26.8).

use proptest::prelude::*;

use super::*;
use crate::value::Value;

#[track_caller]
fn check_read(text: &str, want: &str) {
    let got = match to_json(text) {
        Ok(value) => value.to_string(),
        Err(error) => error.to_string().replace("error converting YAML to JSON: ", "! "),
    };
    assert_eq!(got, want, "reading {text:?}");
}

#[track_caller]
fn check_write(json: &str, want: &str) {
    let value: serde_json::Value = serde_json::from_str(json).expect("the case is JSON");
    let got = to_string(&Value::from_json(&value)).unwrap_or_else(|error| format!("! {error}"));
    assert_eq!(got, want, "writing {json}");
    let from_json = json_to_string(&value).unwrap_or_else(|error| format!("! {error}"));
    assert_eq!(from_json, want, "writing {json} from JSON");
}

#[test]
fn scalars_resolve_by_yaml_1_1_as_go_reads_it() {
    for (text, want) in [
        ("[y, Y, yes, On, TRUE]", "[true,true,true,true,true]"),
        ("[n, No, off, FALSE]", "[false,false,false,false]"),
        ("[~, null, Null, '']", r#"[null,null,null,""]"#),
        ("", "null"),
        ("# only a comment\n", "null"),
        ("[0777, 0o17, 0x1F, 0b101, 1_000, -0o7]", "[511,15,31,5,1000,-7]"),
        ("[09, 08.5, 1_0.5, 12e03, +.5, .5]", "[9,8.5,10.5,12000,0.5,0.5]"),
        (
            "[0o9, 0x, 1e, .e1, _1, 190:20:30]",
            r#"["0o9","0x","1e",".e1","_1","190:20:30"]"#,
        ),
        (
            "[2024-01-02, 2024-01-02T03:04:05Z]",
            r#"["2024-01-02","2024-01-02T03:04:05Z"]"#,
        ),
        (
            "[18446744073709551615, 9223372036854775807]",
            "[18446744073709551615,9223372036854775807]",
        ),
        ("[1.0, -0.0, 1.5e3]", "[1,-0.0,1500]"),
        ("[!!str 5, !!int '5', !!float 3, !custom x]", r#"["5",5,3,"x"]"#),
        ("!!binary aGVsbG8=", r#""hello""#),
        ("!!int x", "! yaml: cannot decode !!str `x` as a !!int"),
        ("-.inf", "! json: unsupported value: -Inf"),
    ] {
        check_read(text, want);
    }
}

#[test]
fn keys_become_texts_and_the_last_one_counts() {
    for (text, want) in [
        ("{y: 1, n: 2}", r#"{"true":1,"false":2}"#),
        ("{1: a, 1.5: b, 1e10: c}", r#"{"1":"a","1.5":"b","1e+10":"c"}"#),
        ("a: 1\nb: 2\na: 3\n", r#"{"a":3,"b":2}"#),
        (
            "~: q",
            r#"! unsupported map key of type: %!s(<nil>), key: <nil>, value: "q""#,
        ),
        (
            "a: {{ x }}",
            r#"! yaml: invalid map key: map[interface {}]interface {}{"x":interface {}(nil)}"#,
        ),
        (
            "? {true: 1, 10: 1, 9: 1, b: 1, a: 1, 1.5: 1, ~: 1, 18446744073709551615: 1, -3: 1, 10: 3}\n: x",
            r#"! yaml: invalid map key: map[interface {}]interface {}{interface {}(nil):1, "a":1, "b":1, 0xffffffffffffffff:1, -3:1, 9:1, 10:3, 1.5:1, true:1}"#,
        ),
    ] {
        check_read(text, want);
    }
}

#[test]
fn merges_and_aliases() {
    for (text, want) in [
        (
            "a: &a {x: 1, z: 2}\nb:\n  <<: *a\n  z: 3\n",
            r#"{"a":{"x":1,"z":2},"b":{"x":1,"z":3}}"#,
        ),
        (
            "a: &a {x: 1}\nb:\n  x: 3\n  <<: *a\n",
            r#"{"a":{"x":1},"b":{"x":1}}"#,
        ),
        (
            "a: &a {x: 1}\nb: &b {x: 2}\nc:\n  <<: [*a, *b]\n",
            r#"{"a":{"x":1},"b":{"x":2},"c":{"x":1}}"#,
        ),
        ("'<<': 1", r#"{"<<":1}"#),
        (
            "<<: 1",
            "! yaml: map merge requires map or sequence of maps as the value",
        ),
        ("a: *x", "! yaml: unknown anchor 'x' referenced"),
        ("a: &x [*x]", "! yaml: anchor 'x' value contains itself"),
    ] {
        check_read(text, want);
    }
}

#[test]
fn aliases_cannot_multiply_without_limit() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        text.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            [before.as_str(); 9].join(", ")
        ));
    }
    check_read(&text, "! yaml: document contains excessive aliasing");
}

#[test]
fn blocks_fold_and_chomp() {
    for (text, want) in [
        (
            "a: |\n  x\n   y\n\nb: >-\n  f\n  g\n\n  h\n",
            r#"{"a":"x\n y\n","b":"f g\nh"}"#,
        ),
        ("a: |+\n  x\n\n", r#"{"a":"x\n\n"}"#),
        ("a: |2-\n   x\n", r#"{"a":" x"}"#),
        ("a: \"x\n  y\\\n  z\\u00e9\"\n", r#"{"a":"x yzé"}"#),
        (
            "a:\n- b\n-\n- c: d\n  e: f\n",
            r#"{"a":["b",null,{"c":"d","e":"f"}]}"#,
        ),
        ("? a\n: b\n", r#"{"a":"b"}"#),
        ("[a: b, c]", r#"[{"a":"b"},"c"]"#),
        ("a\r\n", r#""a""#),
    ] {
        check_read(text, want);
    }
}

#[test]
fn mistakes_have_gos_texts() {
    for (text, want) in [
        (
            "a: b: c",
            "! yaml: mapping values are not allowed in this context",
        ),
        (
            "a: 1\nb: c: d\n",
            "! yaml: line 2: mapping values are not allowed in this context",
        ),
        (
            "a: 1\n b: 2\n",
            "! yaml: line 2: mapping values are not allowed in this context",
        ),
        ("a:\n  b: 1\n c: 2\n", "! yaml: line 2: did not find expected key"),
        (
            "a: [1, 2\nb: 3\n",
            "! yaml: line 1: did not find expected ',' or ']'",
        ),
        ("a: 1\nb\nc: 2\n", "! yaml: line 3: could not find expected ':'"),
        ("a: @x", "! yaml: found character that cannot start any token"),
        (
            "a:\n\t- b\n",
            "! yaml: line 2: found character that cannot start any token",
        ),
        ("a: \"x\\q\"", "! yaml: found unknown escape character"),
        ("a: 'x", "! yaml: found unexpected end of stream"),
        ("a: \u{7}", "! yaml: control characters are not allowed"),
        (
            "- a\nb: 1\n",
            "! yaml: line 1: did not find expected '-' indicator",
        ),
        (
            "a: - b\n",
            "! yaml: block sequence entries are not allowed in this context",
        ),
        ("%YAML 1.2\n---\na\n", "! yaml: found incompatible YAML document"),
        ("{}: x", "{}"),
        ("- {}: x\n", "! yaml: did not find expected '-' indicator"),
        ("a: b\n---\nc: [", r#"{"a":"b"}"#),
    ] {
        check_read(text, want);
    }
}

#[test]
fn errors_know_the_true_place() {
    let error = parse_documents("a:\n  b: 1\n c: 2\n").expect_err("the indent is wrong");
    assert_eq!((error.line(), error.column()), (Some(3), Some(2)));
    assert_eq!(error.problem(), "did not find expected key");
}

#[test]
fn trees_keep_order_places_and_repeated_keys() {
    let documents = parse_documents("b: 1\na: [x, 'y']\nb: 2\n---\n- z\n").expect("it is YAML");
    assert_eq!(documents.len(), 2);
    let entries = documents[0].entries().expect("a mapping");
    let places: Vec<_> = entries
        .iter()
        .map(|(key, value)| (key.text(), key.line, value.line, value.column))
        .collect();
    assert_eq!(
        places,
        [(Some("b"), 1, 1, 4), (Some("a"), 2, 2, 4), (Some("b"), 3, 3, 4)]
    );
    let duplicates = documents[0].duplicate_keys();
    assert_eq!(duplicates.len(), 1);
    assert_eq!(duplicates[0].to_string(), "yaml: key \"b\" already set in map");
    assert_eq!((duplicates[0].line(), duplicates[0].column()), (Some(3), Some(1)));
    assert_eq!(documents[0].get("b").and_then(Node::text), Some("2"));
}

#[test]
fn values_are_floats() {
    let value = from_str("k: 5\nbig: 9007199254740993\n").expect("it is YAML");
    assert!(matches!(value.at(&["k"]), Some(Value::Float(5.0))));
    assert!(matches!(
        value.at(&["big"]),
        Some(Value::Float(9_007_199_254_740_992.0))
    ));
}

#[test]
fn layout_of_collections() {
    check_write(
        r#"{"b":[1,{"c":[],"d":{}},[2,[3]]],"a":null,"e":{"f":{"g":true}}}"#,
        "a: null\nb:\n- 1\n- c: []\n  d: {}\n- - 2\n  - - 3\ne:\n  f:\n    g: true\n",
    );
    check_write("[]", "[]\n");
    check_write(r#""x""#, "x\n");
}

#[test]
fn keys_are_in_natural_order() {
    check_write(
        r#"{"b":1,"a":2,"a10":3,"a9":4,"B":5,"_x":6,"1":7,"10":8,"9":9,"a-b":1,"a.b":2,"a_b":3}"#,
        "_x: 6\n\"1\": 7\n\"9\": 9\n\"10\": 8\nB: 5\na: 2\na-b: 1\na.b: 2\na_b: 3\na9: 4\na10: 3\nb: 1\n",
    );
}

#[test]
fn texts_are_quoted_where_they_would_read_as_something_else() {
    check_write(
        r#"["y","No","~","","null","1e5","0x1f","1_000","1.",".5","+1","12:30:45","2024-01-02"]"#,
        "- \"y\"\n- \"No\"\n- \"~\"\n- \"\"\n- \"null\"\n- \"1e5\"\n- \"0x1f\"\n- \"1_000\"\n- \"1.\"\n- \".5\"\n\
         - \"+1\"\n- \"12:30:45\"\n- \"2024-01-02\"\n",
    );
    check_write(
        r#"["- x","a: b","a #b","*x","%x","@x"," x","x ","-","=","<<","?x","it's","a:b","...","\t"]"#,
        "- '- x'\n- 'a: b'\n- 'a #b'\n- '*x'\n- '%x'\n- '@x'\n- ' x'\n- 'x '\n- '-'\n- =\n- <<\n- ?x\n- it's\n\
         - a:b\n- '...'\n- \"\\t\"\n",
    );
    check_write(
        r#"["é \u2028 😀 \u0085x","\ufeff","<a>&"]"#,
        "- \"é \\L \\U0001F600 x\"\n- \"\\uFEFF\"\n- <a>&\n",
    );
}

#[test]
fn lines_of_text_become_blocks() {
    check_write(
        r#"{"a":"x\ny\n","b":"x\ny","c":"x\n\n","d":"\n","e":"  x\ny"}"#,
        "a: |\n  x\n  y\nb: |-\n  x\n  y\nc: |+\n  x\n\nd: |2+\n\ne: |2-\n    x\n  y\n",
    );
    check_write(
        r#"{"a":"x \ny","b":"x\ty\nz","c\nd":1}"#,
        "a: \"x \\ny\"\nb: \"x\\ty\\nz\"\n? |-\n  c\n  d\n: 1\n",
    );
}

#[test]
fn long_lines_are_folded_after_column_80() {
    let words = "word ".repeat(20);
    check_write(
        &format!(r#"{{"a":"{}"}}"#, words.trim_end()),
        "a: word word word word word word word word word word word word word word word word\n  word word word word\n",
    );
}

#[test]
fn numbers_are_written_as_go_reads_its_own_json() {
    check_write(
        "[1000000,1e15,1e19,1e20,1000000.5,123456789.123,0.000001,-0.0,3.0]",
        "- 1000000\n- 1000000000000000\n- 10000000000000000000\n- 1e+20\n- 1.0000005e+06\n- 1.23456789123e+08\n\
         - 1e-06\n- 0\n- 3\n",
    );
}

#[test]
fn what_gos_detour_refuses_is_an_error() {
    check_write("\"a\u{7f}\"", "! yaml: control characters are not allowed");
    check_write(
        &format!(r#"{{"{}":1}}"#, "k".repeat(1023)),
        "! yaml: did not find expected ',' or '}'",
    );
    assert!(to_string(&Value::Float(f64::NAN)).is_err());
    let cycle = crate::value::Map::new();
    cycle.insert("self", Value::Map(cycle.clone()));
    assert!(to_string(&Value::Map(cycle.clone())).is_err());
    cycle.remove("self");
}

#[test]
fn nesting_is_limited() {
    assert!(to_json(&"[".repeat(100_000)).is_err());
    assert!(to_json(&"- ".repeat(100_000)).is_err());
    let deep = format!("{}x{}", "[".repeat(155), "]".repeat(155));
    assert!(to_json(&deep).is_ok());
}

/// Texts made of what matters to a scanner.
fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "? ",
        ": ",
        "\n",
        "\n  ",
        "  ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "'",
        "\"",
        "&a ",
        "*a",
        "|",
        ">-\n",
        "!!int ",
        "!t ",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "<<: ",
        "1",
        "\t",
        "\\x",
        "é",
        "\u{85}",
        "\u{2028}",
        "\r",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn json_tree() -> impl Strategy<Value = serde_json::Value> {
    let text = "[ -~\n\t\u{a0}-\u{ff}\u{2028}😀]{0,12}";
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        text.prop_map(serde_json::Value::from),
        "[a-z ]{60,200}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(text, inner, 0..4)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in yamlish()) {
        let _ = parse_documents(&text);
        let _ = to_json(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in any::<String>()) {
        let _ = parse_documents(&text);
    }

    #[test]
    fn what_is_written_reads_back(tree in json_tree()) {
        let Ok(text) = json_to_string(&tree) else { return Ok(()) };
        let mut tree = tree;
        tree.sort_all_objects();
        let mut back = to_json(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
        back.sort_all_objects();
        prop_assert_eq!(back, tree, "{}", text);
    }
}

/// The quick way and the whole one agree, and what is unusual is not gone through quickly.
#[test]
fn wanted_entries() {
    let check = |text: &str, is_quick: bool| {
        let wanted = |key: &str| key == "kind" || key == "metadata";
        let got = to_json_entries(text, wanted).map(|value| match value {
            serde_json::Value::Object(mut entries) => {
                entries.retain(|key, _| wanted(key));
                serde_json::Value::Object(entries)
            }
            other => other,
        });
        let want = to_json(text).map(|value| match value {
            serde_json::Value::Object(mut entries) => {
                entries.retain(|key, _| wanted(key));
                serde_json::Value::Object(entries)
            }
            other => other,
        });
        assert_eq!(got, want, "{text}");
        assert_eq!(quick::entries(text, wanted).is_ok(), is_quick, "{text}");
    };
    for text in [
        "kind: A\nmetadata:\n  name: x\n  labels: {a: 1, b: [c, d,], e: 'f'}\nspec:\n- a\n- - b\n  - c:\n    d: |\n      x\n",
        "kind:\nspec: {a: {b: []}}\nkind: B\n",
        "a:\nb: ~\n# c\nkind: !!str 1\n",
        "kind: A\n? b\n? c\n: d\n",
        "kind: A\n---\nkind: B\n",
        "kind: A\n--- [\n",
        "a:\n  - b: 1\n    c: 2.5\n  -\n  - \"x\\ty\"\nmetadata: 3\n",
    ] {
        check(text, true);
    }
    for text in [
        "",
        "# nothing",
        "{kind: A}",
        "- kind",
        "--- \nkind: A\n",
        "kind: &a A\nb: *a\n",
        "kind: A\nb: !!int 1\n",
        "kind: A\nb: !!int x\n",
        "kind: A\nb: .inf\n",
        "kind: A\nb: -1.5\n",
        "kind: A\n1: b\n",
        "kind: A\n~: b\n",
        "kind: A\n<<: {b: c}\n",
        "kind: A\nb: [c: d]\n",
        "kind: A\nb: {c}\n",
        "kind: A\nb: {c: }\n",
        "kind: A\nb: [c,,d]\n",
        "kind: A\nb: [c\n",
        "kind: A\n b: c\n",
        "kind: A\nb: c: d\n",
        "kind: A\nb: 'c\n",
        "kind: A\n[b]: c\n",
        "kind: A\nb: c\n\td: e\n",
    ] {
        check(text, false);
    }
}
