//! Every function against what Go's Sprig printed: see `sprig.golden` for the oracle.

mod certificates;
mod passwords;

use std::rc::Rc;

use super::*;
use crate::{MissingKey, Options, TemplateSet};

/// A fixed time, and entropy that only counts up.
#[derive(Default)]
struct Fixed(std::cell::Cell<u8>);

impl Environment for Fixed {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::constant(1_704_164_645, 0)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0.set(self.0.get().wrapping_add(37));
            *byte = self.0.get();
        }
    }
}

fn execute(template: &str, values: &Value) -> Result<Vec<u8>, crate::Error> {
    let environment: Rc<dyn Environment> = Rc::new(Fixed::default());
    let mut set = TemplateSet::new(Options {
        name: "t".to_owned(),
        missing_key: MissingKey::Zero,
        functions: all(&environment),
        ..Options::default()
    });
    set.parse("t", template)?;
    set.execute_bytes("t", values)
}

fn render(template: &str) -> String {
    let output = execute(template, &Value::Nil).unwrap_or_else(|error| format!("! {error}").into_bytes());
    String::from_utf8_lossy(&output).into_owned()
}

#[test]
fn functions_do_what_gos_do() {
    let mut failures = Vec::new();
    let mut cases = 0;
    let mut lines = include_str!("sprig.golden")
        .lines()
        .filter(|line| !line.is_empty());
    let mut template = lines.by_ref().find(|line| !line.starts_with('#'));
    while let (Some(case), Some(want)) = (template, lines.next()) {
        let values = crate::yaml::from_str(include_str!("values.yaml")).expect("the values are YAML");
        let got = match execute(case, &values) {
            Ok(output) => format!("= {}", crate::format::quote_str(&output)),
            Err(error) => format!("! {error}"),
        };
        cases += 1;
        if got != want {
            failures.push(format!("{case}\n want {want}\n got  {got}"));
        }
        template = lines.next();
    }
    assert!(cases > 100, "the goldens were read");
    assert!(
        failures.is_empty(),
        "{} of {cases}:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn random_texts_have_the_shape_that_was_asked_for() {
    for (template, length, fits) in [
        (
            "{{ randAlphaNum 40 }}",
            40,
            char::is_alphanumeric as fn(char) -> bool,
        ),
        ("{{ randAlpha 40 }}", 40, char::is_alphabetic),
        ("{{ randNumeric 40 }}", 40, char::is_numeric),
        ("{{ randAscii 40 }}", 40, |character| {
            (' '..='~').contains(&character)
        }),
        ("{{ randAlphaNum 0 }}{{ randAlpha -1 }}", 0, char::is_alphabetic),
    ] {
        let text = render(template);
        assert_eq!(text.chars().count(), length, "{template}: {text}");
        assert!(text.chars().all(fits), "{template}: {text}");
    }
    assert_ne!(
        render("{{ randAlphaNum 20 }}"),
        render("{{ $_ := randAlpha 1 }}{{ randAlphaNum 20 }}")
    );
    assert_eq!(render("{{ randInt 5 6 }}"), "5");
    assert_eq!(render("{{ randBytes 6 | b64dec | len }}"), "6");
    assert_eq!(
        render(r#"{{ shuffle "abc" | splitList "" | sortAlpha | join "" }}"#),
        "abc"
    );
    let uuid = render("{{ uuidv4 }}");
    assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
    assert!(render("{{ randInt 5 5 }}").ends_with("error calling randInt: invalid argument to Intn"));
}

#[test]
fn lookup_asks_the_environment() {
    assert_eq!(render(r#"{{ lookup "v1" "Secret" "ns" "x" | toJson }}"#), "{}");
    assert_eq!(render(r#"[{{ getHostByName "example.com" }}]"#), "[]");
}
