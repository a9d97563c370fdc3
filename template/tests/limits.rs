//! Recursion and hostile texts end in errors, on whatever stack the caller has.

use std::rc::Rc;

use kiel_template::{
    Options, TemplateSet, Value,
    functions::{self, Environment},
    value::{Functions, Type},
};
use proptest::prelude::*;

fn include_and_tpl() -> Functions {
    let mut set = Functions::new();
    set.add("include", &[Type::String, Type::Any], |call, args| {
        let name = args[0].as_bytes().unwrap_or_default().into();
        Ok(call.include(&name, &args[1])?.into())
    });
    set.add("tpl", &[Type::String, Type::Any], |call, args| {
        let text = args[0].as_bytes().unwrap_or_default().into();
        Ok(call.tpl(&text, &args[1])?.into())
    });
    set
}

/// Renders on this thread, whose stack is a test's 2 MiB.
fn render(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut set = TemplateSet::new(Options {
        name: "gotpl".into(),
        functions: include_and_tpl(),
        ..Options::default()
    });
    set.parse("t", text).map_err(|error| error.to_string())?;
    set.execute_bytes("t", &Value::map([("a", Value::from("{{tpl .a .}}"))]))
        .map_err(|error| error.to_string())
}

fn check(text: &str, message: &str) {
    let error = render(text.as_bytes()).expect_err("it recurses without end");
    assert!(error.contains(message), "{error:.300}");
}

#[test]
fn templates_that_call_themselves_end() {
    check(
        r#"{{define "r"}}{{template "r" .}}{{end}}{{template "r" .}}"#,
        "exceeded maximum template depth (100000)",
    );
    check(
        r#"{{define "r"}}{{include "r" .}}{{end}}{{include "r" .}}"#,
        "rendering template has a nested reference name: r: unable to execute template",
    );
    check("{{tpl .a .}}", "nested too deeply");
}

#[test]
fn nested_expressions_and_blocks_end() {
    let depth = 200_000;
    check(
        &format!("{{{{{}1", "(".repeat(depth)),
        "max expression depth exceeded",
    );
    check(&"{{if 1}}".repeat(depth), "max expression depth exceeded");
    check(
        &"{{if 1}}{{else if 1}}".repeat(depth),
        "max expression depth exceeded",
    );
    check(
        &format!("{{{{if 1}}}}{}", "{{else if 1}}".repeat(depth)),
        "max expression depth exceeded",
    );
}

struct Nothing;

impl Environment for Nothing {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

#[test]
fn values_that_hold_themselves_twice_end() {
    let environment: Rc<dyn Environment> = Rc::new(Nothing);
    let start = r#"{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ $_ := set $d "b" $d }}"#;
    for end in [
        "{{ print $d | trunc 5 }}",
        "{{ toYaml $d | trunc 5 }}",
        "{{ toJson $d | trunc 5 }}",
        "{{ $e := deepCopy $d }}{{ deepEqual $d $e }}",
        "{{ $e := merge (dict) (dict \"x\" (deepCopy $d)) (dict \"x\" $d) }}",
    ] {
        let mut set = TemplateSet::new(Options {
            functions: functions::all(&environment),
            ..Options::default()
        });
        set.parse("t", format!("{start}{end}")).expect("it is a template");
        // The error or a text that was cut: both are an end.
        let got = set
            .execute("t", &Value::Nil)
            .unwrap_or_else(|error| error.to_string());
        assert!(got.len() < 1 << 20, "{end}: {} bytes", got.len());
    }
}

/// Texts that once were, or are likely to be, trouble.
const CORPUS: [&[u8]; 16] = [
    b"{{",
    b"{{-",
    b"{{- ",
    b"{{/*",
    b"{{/**/",
    b"{{'\\",
    b"{{\"\\",
    b"{{`",
    b"{{$x, $y",
    b"{{range $a, $b := $c",
    b"{{.\xff\xfe}}",
    b"\xff{{1}}\xff",
    b"{{0x1p-9999999999}}",
    b"{{printf \"%[99999999999999999999]*d\" 1}}",
    b"{{printf \"%.999999f%999999d\" 1.5 2}}",
    b"{{define `x`}}{{template `x` .}}",
];

#[test]
fn the_corpus_does_not_panic() {
    for text in CORPUS {
        let _ = render(text);
        for cut in 0..text.len() {
            let _ = render(&text[..cut]);
        }
    }
}

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{{"),
        Just("}}"),
        Just("{{- "),
        Just(" -}}"),
        Just("if "),
        Just("else "),
        Just("end"),
        Just("range "),
        Just("with "),
        Just("define "),
        Just("template "),
        Just("block "),
        Just("break"),
        Just("continue"),
        Just("\"x\""),
        Just("`x`"),
        Just("'c'"),
        Just("$"),
        Just("$x"),
        Just(" := "),
        Just(" = "),
        Just(", "),
        Just("."),
        Just(".a"),
        Just("("),
        Just(")"),
        Just(" | "),
        Just("print "),
        Just("printf "),
        Just("\"%v %[2]d\" "),
        Just("index "),
        Just("slice "),
        Just("eq "),
        Just("and "),
        Just("len "),
        Just("nil"),
        Just("true "),
        Just("1"),
        Just("-0x1F"),
        Just("1.5e3"),
        Just("2i"),
        Just(" "),
        Just("\n"),
        Just("/*"),
        Just("*/"),
        Just("é"),
    ]
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_rendered_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = render(&text);
    }

    #[test]
    fn any_tokens_are_rendered_or_refused(parts in prop::collection::vec(fragment(), 0..40)) {
        let _ = render(parts.concat().as_bytes());
    }

    #[test]
    fn any_action_is_rendered_or_refused(parts in prop::collection::vec(fragment(), 0..12)) {
        let _ = render(format!("{{{{{}}}}}", parts.join(" ")).as_bytes());
    }
}
