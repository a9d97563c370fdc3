//! Which names Kubernetes takes for objects of a kind, and its words where it takes one not.

use std::sync::LazyLock;

use kiel_template::format::quote_str;
use regex::Regex;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const OLD_LABEL: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
/// Longest label, in bytes.
const LABEL_LENGTH: usize = 63;
/// Longest name made of labels, in bytes.
const SUBDOMAIN_LENGTH: usize = 253;

#[expect(
    clippy::expect_used,
    reason = "the expressions are constants that the tests compile"
)]
static PATTERNS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [LABEL.to_owned(), OLD_LABEL.to_owned(), subdomain()]
        .map(|pattern| Regex::new(&format!("^{pattern}$")).expect("a constant expression"))
});

fn subdomain() -> String {
    format!(r"{LABEL}(\.{LABEL})*")
}

/// Why an object of the kind may not have the name.
pub(super) fn check(kind: &str, name: &str) -> Result<(), String> {
    let problems = match kind.to_lowercase().as_str() {
        "service" => old_label(name),
        "namespace" => label(name),
        "certificatesigningrequest" => Vec::new(),
        "role" | "clusterrole" | "rolebinding" | "clusterrolebinding" => path_segment(name),
        _ => dns_name(name),
    };
    if problems.is_empty() {
        return Ok(());
    }
    let quoted = quote_str(name.as_bytes());
    let problems: Vec<_> = problems
        .iter()
        .map(|problem| format!("metadata.name: Invalid value: {quoted}: {problem}"))
        .collect();
    let problems = match problems.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    Err(format!(
        "object name does not conform to Kubernetes naming requirements: {quoted}: {problems}"
    ))
}

fn too_long(name: &str, most: usize) -> Option<String> {
    (name.len() > most).then(|| format!("must be no more than {most} characters"))
}

fn unlike(rule: &str, examples: &[&str], pattern: &str) -> String {
    let examples: Vec<_> = examples.iter().map(|example| format!("'{example}', ")).collect();
    let examples = examples.join(" or ");
    format!("{rule} (e.g. {examples}regex used for validation is '{pattern}')")
}

fn dns_name(name: &str) -> Vec<String> {
    let mut problems: Vec<_> = too_long(name, SUBDOMAIN_LENGTH).into_iter().collect();
    if !PATTERNS[2].is_match(name) {
        problems.push(unlike(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            &["example.com"],
            &subdomain(),
        ));
    }
    problems
}

fn label(name: &str) -> Vec<String> {
    let mut problems: Vec<_> = too_long(name, LABEL_LENGTH).into_iter().collect();
    if !PATTERNS[0].is_match(name) {
        problems.push(if PATTERNS[2].is_match(name) {
            "must not contain dots".to_owned()
        } else {
            unlike(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                &["my-name", "123-abc"],
                LABEL,
            )
        });
    }
    problems
}

fn old_label(name: &str) -> Vec<String> {
    let mut problems: Vec<_> = too_long(name, LABEL_LENGTH).into_iter().collect();
    if !PATTERNS[1].is_match(name) {
        problems.push(unlike(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            &["my-name", "abc-123"],
            OLD_LABEL,
        ));
    }
    problems
}

fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"]
        .into_iter()
        .filter(|sign| name.contains(sign))
        .map(|sign| format!("may not contain '{sign}'"))
        .collect()
}
