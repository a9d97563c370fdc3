//! The functions that a render adds to the language's: those that know the chart, the release or a
//! cluster.

use std::sync::Arc;

use kiel_template::Value;
use kiel_template::value::{CallError, Functions, Type};

/// Marks the beginning of a message that a chart's author wrote; Helm shows only that.
const MESSAGE_START: &str = "HELM_ERR_START";
/// Marks its end.
const MESSAGE_END: &str = "HELM_ERR_END";

/// Answers `lookup` out of a cluster or a file.
pub trait Lookup {
    /// The object as JSON, or the list of all objects where `name` is empty; an empty table where there
    /// are none. An empty `namespace` is all namespaces, or none for kinds without one.
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<serde_json::Value, String>;
}

/// Adds Helm's functions that are not Sprig's.
pub(crate) fn add(functions: &mut Functions, lookup: Option<Arc<dyn Lookup + Send + Sync>>) {
    functions.add("required", &[Type::String, Type::Any], |_, args| {
        let is_missing = match &args[1] {
            Value::Nil => true,
            Value::Str(text) => text.is_empty(),
            _ => false,
        };
        if is_missing { Err(message(&args[0])) } else { Ok(args[1].clone()) }
    });
    functions.add("fail", &[Type::String], |_, args| Err(message(&args[0])));
    let text = |value: &Value| value.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
    functions.add("lookup", &[Type::String; 4], move |_, args| {
        let Some(lookup) = &lookup else { return Ok(Value::map::<&str>([])) };
        let found = lookup.lookup(&text(&args[0]), &text(&args[1]), &text(&args[2]), &text(&args[3]));
        found.map(|object| Value::from_json(&object)).map_err(CallError::new)
    });
}

fn message(text: &Value) -> CallError {
    let text = String::from_utf8_lossy(text.as_bytes().unwrap_or_default()).into_owned();
    CallError::new(format!("{MESSAGE_START}{text}{MESSAGE_END}"))
}

/// Go: `cleanupParseError`: the place and the last part of the chain.
pub(crate) fn parse_error_text(file: &str, error: &str) -> String {
    let parts: Vec<&str> = error.split(": ").collect();
    match parts.as_slice() {
        [_, place, .., last] => format!("parse error at ({place}): {last}"),
        [_, last] => format!("parse error at ({last}): {last}"),
        _ => format!("parse error in ({file}): {error}"),
    }
}

/// Go: `cleanupExecError`: of an author's message only the outermost place and the message.
pub(crate) fn execute_error_text(file: &str, error: &str) -> String {
    let mut parts = error.splitn(3, ": ");
    let (Some(_), Some(place), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return format!("execution error in ({file}): {error}");
    };
    match (rest.find(MESSAGE_START), rest.rfind(MESSAGE_END)) {
        (Some(start), Some(end)) if start + MESSAGE_START.len() <= end => {
            format!("execution error at ({place}): {}", &rest[start + MESSAGE_START.len()..end])
        }
        _ => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn author_messages_stand_alone() {
        assert_eq!(
            execute_error_text(
                "c/templates/a.yaml",
                "template: c/templates/a.yaml:1:4: executing \"x\" at <fail>: error calling fail: HELM_ERR_STARTno: wayHELM_ERR_END",
            ),
            "execution error at (c/templates/a.yaml:1:4): no: way"
        );
        assert_eq!(execute_error_text("f", "template: f:1: other"), "template: f:1: other");
        assert_eq!(execute_error_text("f", "other"), "execution error in (f): other");
    }

    #[test]
    fn parse_errors_keep_the_place_and_the_reason() {
        assert_eq!(
            parse_error_text("f", "template: c/t.yaml:3: function \"x\" not defined"),
            "parse error at (c/t.yaml:3): function \"x\" not defined"
        );
    }
}
