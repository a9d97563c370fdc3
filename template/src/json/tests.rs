//! Expectations were written by Go 1.26.8's `encoding/json`.

use super::*;
use crate::value::{List, STRING_SLICE};

#[track_caller]
fn check(text: &str, want: &str) {
    let got = match from_str(text.as_bytes()) {
        Ok(value) => to_string(&value).expect("what was read can be written"),
        Err(error) => format!("! {error}"),
    };
    assert_eq!(got, want, "{text}");
}

#[test]
fn reading_and_writing() {
    for (text, want) in [
        (
            r#" {"b":[1,2.50,-0,1e3],"a":{"x":null,"y":true}} "#,
            r#"{"a":{"x":null,"y":true},"b":[1,2.5,-0,1000]}"#,
        ),
        (
            r#""<a>&\u00e9\u2028\ud83d\ude00\ud83dx\/""#,
            "\"\\u003ca\\u003e\\u0026é\\u2028😀\u{fffd}x/\"",
        ),
        (
            "[1e20,1e21,1e-7,123456789012]",
            "[100000000000000000000,1e+21,1e-7,123456789012]",
        ),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ("", "! unexpected end of JSON input"),
        ("[1,", "! unexpected end of JSON input"),
        ("x", "! invalid character 'x' looking for beginning of value"),
        (
            "{a:1}",
            "! invalid character 'a' looking for beginning of object key string",
        ),
        (r#"{"a" 1}"#, "! invalid character '1' after object key"),
        (
            r#"{"a":1 "b"}"#,
            "! invalid character '\"' after object key:value pair",
        ),
        ("[1 2]", "! invalid character '2' after array element"),
        ("1 2", "! invalid character '2' after top-level value"),
        ("01", "! invalid character '1' after top-level value"),
        ("[1,]", "! invalid character ']' looking for beginning of value"),
        ("-x", "! invalid character 'x' in numeric literal"),
        (
            "1.x",
            "! invalid character 'x' after decimal point in numeric literal",
        ),
        ("1ex", "! invalid character 'x' in exponent of numeric literal"),
        ("trux", "! invalid character 'x' in literal true (expecting 'e')"),
        ("\"a\nb\"", r"! invalid character '\n' in string literal"),
        (r#""\q""#, "! invalid character 'q' in string escape code"),
        (
            r#""\u12x""#,
            r"! invalid character 'x' in \u hexadecimal character escape",
        ),
        (
            "1e400",
            "! json: cannot unmarshal number 1e400 into Go value of type float64",
        ),
    ] {
        check(text, want);
    }
}

#[test]
fn layouts() {
    let value = from_str(br#"{"b":[],"a":{"x":[1,"<"]},"c":{}}"#).expect("it is JSON");
    assert_eq!(
        to_string_pretty(&value).expect("it has JSON"),
        "{\n  \"a\": {\n    \"x\": [\n      1,\n      \"\\u003c\"\n    ]\n  },\n  \"b\": [],\n  \"c\": {}\n}"
    );
    assert_eq!(
        to_string_raw(&value).expect("it has JSON"),
        r#"{"a":{"x":[1,"<"]},"b":[],"c":{}}"#
    );
}

#[test]
fn what_only_go_values_can_be() {
    assert_eq!(
        to_string(&Value::List(List::nil(&STRING_SLICE))).as_deref(),
        Ok("null")
    );
    assert_eq!(
        to_string(&Value::string(&b"a\xffb\x01"[..])).as_deref(),
        Ok(r#""a\ufffdb\u0001""#)
    );
    assert_eq!(
        to_string(&Value::Bytes((*b"hi").into())).as_deref(),
        Ok(r#""aGk=""#)
    );
    let error = to_string(&Value::Float(f64::INFINITY)).expect_err("JSON has no infinity");
    assert_eq!(error.to_string(), "json: unsupported value: +Inf");
    let cycle = crate::value::Map::new();
    cycle.insert("self", Value::Map(cycle.clone()));
    assert!(to_string(&Value::Map(cycle.clone())).is_err());
    cycle.remove("self");
}

#[test]
fn nesting_is_limited() {
    assert!(from_str("[".repeat(100_000).as_bytes()).is_err());
}
