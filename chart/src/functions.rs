//! The functions that a render adds to the language's: those that know the chart, the release or a
//! cluster.

use std::rc::Rc;
use std::sync::Arc;

use kiel_template::Value;
use kiel_template::functions::{self, Certificates, Environment, MESSAGE_END, MESSAGE_START};
use kiel_template::value::{Functions, Type};

use crate::function_names::HELM_FUNCTIONS;

/// Answers `lookup` out of a cluster or a file.
pub trait Lookup {
    /// The object as JSON, or the list of all objects where `name` is empty; an empty table where there
    /// are none. An empty `namespace` is all namespaces, or none for kinds without one.
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<serde_json::Value, String>;
}

/// Clock and entropy as given, with a cluster to ask beside them.
struct WithLookup {
    environment: Arc<dyn Environment + Send + Sync>,
    lookup: Option<Arc<dyn Lookup + Send + Sync>>,
}

impl Environment for WithLookup {
    fn now(&self) -> jiff::Timestamp {
        self.environment.now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.environment.fill_random(bytes);
    }

    fn time_zone(&self) -> String {
        self.environment.time_zone()
    }

    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, String> {
        match &self.lookup {
            Some(lookup) => Ok(Value::from_json(&lookup.lookup(
                api_version,
                kind,
                namespace,
                name,
            )?)),
            None => self.environment.lookup(api_version, kind, namespace, name),
        }
    }

    fn host_address(&self, name: &str) -> String {
        self.environment.host_address(name)
    }

    fn certificates(&self) -> Option<&dyn Certificates> {
        self.environment.certificates()
    }
}

/// All functions that templates of charts can call.
pub(crate) fn all(
    environment: Arc<dyn Environment + Send + Sync>,
    lookup: Option<Arc<dyn Lookup + Send + Sync>>,
) -> Functions {
    let environment: Rc<dyn Environment> = Rc::new(WithLookup { environment, lookup });
    let mut all = functions::all(&environment);
    all.add("include", &[Type::String, Type::Any], |call, args| {
        match &args[0] {
            Value::Str(name) => call.include(name, &args[1]).map(Value::Str),
            _ => Ok(Value::Nil),
        }
    });
    all.add("tpl", &[Type::String, Type::Any], |call, args| match &args[0] {
        Value::Str(text) => call.tpl(text, &args[1]).map(Value::Str),
        _ => Ok(Value::Nil),
    });
    for name in HELM_FUNCTIONS {
        if all.get(name).is_none() {
            all.add_variadic(name, &[], Type::Any, move |_, _| {
                Err("the function is not supported yet".into())
            });
        }
    }
    all
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
            format!(
                "execution error at ({place}): {}",
                &rest[start + MESSAGE_START.len()..end]
            )
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
        assert_eq!(
            execute_error_text("f", "template: f:1: other"),
            "template: f:1: other"
        );
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
