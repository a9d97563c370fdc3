//! What Helm adds to Sprig, as far as it needs no running engine: YAML, JSON, `required`, `fail`, `lookup`.
//!
//! `include` and `tpl` belong to whoever holds the templates; they are not here.

use std::rc::Rc;

use crate::json::{self, JsonError};
use crate::value::{Functions, Map, Value};
use crate::yaml;

use super::Environment;
use super::args::{ANY, Outcome, STRING, fail, string, text};

/// What stands before the text of `required` and `fail` in their errors. Helm looks for the two marks to
/// tell these from errors of the template, and prints only what is between them.
pub const MESSAGE_START: &str = "HELM_ERR_START";

/// What stands behind that text.
pub const MESSAGE_END: &str = "HELM_ERR_END";

pub(super) fn register(functions: &mut Functions, environment: &Rc<dyn Environment>) {
    register_json(functions);
    functions.add("toYaml", &[ANY], |_, args| yaml_text(yaml::to_string(&args[0])));
    functions.add("toYamlPretty", &[ANY], |_, args| {
        yaml_text(yaml::to_string_pretty(&args[0]))
    });
    functions.add("fromYaml", &[STRING], |_, args| match read_yaml(text(args, 0)) {
        Ok(value @ Value::Map(_)) => Ok(value),
        Ok(Value::Nil) => Ok(Value::Map(Map::new())),
        Ok(other) => error_map(&mismatch(&other, "map[string]interface {}", true)),
        Err(error) => error_map(&error),
    });
    functions.add("fromYamlArray", &[STRING], |_, args| {
        match read_yaml(text(args, 0)) {
            Ok(value @ Value::List(_)) => Ok(value),
            Ok(Value::Nil) => Ok(Value::list(Vec::new())),
            Ok(other) => Ok(Value::list(vec![Value::string(mismatch(
                &other,
                "[]interface {}",
                true,
            ))])),
            Err(error) => Ok(Value::list(vec![Value::string(error)])),
        }
    });
    functions.add("required", &[STRING, ANY], |_, args| match &args[1] {
        Value::Nil => marked(text(args, 0)),
        Value::Str(given) if given.is_empty() => marked(text(args, 0)),
        given => Ok(given.clone()),
    });
    functions.add("fail", &[STRING], |_, args| marked(text(args, 0)));
    let source = environment.clone();
    functions.add("lookup", &[STRING, STRING, STRING, STRING], move |_, args| {
        let part = |at| String::from_utf8_lossy(text(args, at)).into_owned();
        match source.lookup(&part(0), &part(1), &part(2), &part(3)) {
            Ok(object) => Ok(object),
            Err(message) => fail(message),
        }
    });
    let source = environment.clone();
    functions.add("getHostByName", &[STRING], move |_, args| {
        string(source.host_address(&String::from_utf8_lossy(text(args, 0))))
    });
}

/// Go: a value that has no YAML becomes an empty text.
fn yaml_text(written: Result<String, yaml::EmitError>) -> Outcome {
    let mut text = match written {
        Err(error @ (yaml::EmitError::TooLong | yaml::EmitError::Type(_))) => return fail(error.to_string()),
        written => written.unwrap_or_default(),
    };
    if text.ends_with('\n') {
        text.pop();
    }
    string(text)
}

fn register_json(functions: &mut Functions) {
    type Write = fn(&Value) -> Result<String, JsonError>;
    for (name, strict_name, write) in [
        ("toJson", "mustToJson", json::to_string as Write),
        ("toPrettyJson", "mustToPrettyJson", json::to_string_pretty),
    ] {
        functions.add(name, &[ANY], move |_, args| match write(&args[0]) {
            Err(error) if error.is_too_long() => fail(error.to_string()),
            written => string(written.unwrap_or_default()),
        });
        functions.add(strict_name, &[ANY], move |_, args| strict(write(&args[0])));
    }
    for name in ["toRawJson", "mustToRawJson"] {
        functions.add(name, &[ANY], |_, args| strict(json::to_string_raw(&args[0])));
    }
    functions.add("mustFromJson", &[STRING], |_, args| {
        match json::from_str(text(args, 0)) {
            Ok(value) => Ok(value),
            Err(error) => fail(error.to_string()),
        }
    });
    functions.add("fromJson", &[STRING], |_, args| {
        match json_with(text(args, 0), |value| matches!(value, Value::Map(_))) {
            Ok(value @ Value::Map(_)) => Ok(value),
            // Go: null makes the map nil.
            Ok(Value::Nil) => Ok(Value::Map(Map::nil(&crate::value::ANY_MAP))),
            Ok(other) => error_map(&mismatch(&other, "map[string]interface {}", false)),
            Err(error) => error_map(&error.to_string()),
        }
    });
    functions.add("fromJsonArray", &[STRING], |_, args| {
        match json_with(text(args, 0), |value| matches!(value, Value::List(_))) {
            Ok(value @ Value::List(_)) => Ok(value),
            Ok(Value::Nil) => super::args::nil_list(),
            Ok(other) => Ok(Value::list(vec![Value::string(mismatch(
                &other,
                "[]interface {}",
                false,
            ))])),
            Err(error) => Ok(Value::list(vec![Value::string(error.to_string())])),
        }
    });
}

/// Go: a number that is too large matters only where the text is of the wanted form.
fn json_with(text: &[u8], wanted: fn(&Value) -> bool) -> Result<Value, JsonError> {
    let (value, overflow) = json::read(text)?;
    match overflow {
        Some(error) if wanted(&value) => Err(error),
        Some(_) if value.is_nil() => Ok(Value::Float(f64::INFINITY)),
        _ => Ok(value),
    }
}

fn strict(written: Result<String, JsonError>) -> Outcome {
    match written {
        Ok(text) => string(text),
        Err(error) => fail(error.to_string()),
    }
}

fn read_yaml(bytes: &[u8]) -> Result<Value, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => yaml::from_str(text).map_err(|error| error.to_string()),
        Err(error) => {
            let problem = match (error.error_len(), bytes.get(error.valid_up_to())) {
                (None, _) => "incomplete UTF-8 octet sequence",
                (Some(1), Some(0xc0 | 0xc1 | 0xf5..)) | (_, Some(0x80..=0xbf)) => {
                    "invalid leading UTF-8 octet"
                }
                _ => "invalid trailing UTF-8 octet",
            };
            Err(format!("error converting YAML to JSON: yaml: {problem}"))
        }
    }
}

fn error_map(message: &str) -> Outcome {
    Ok(Value::map([("Error", Value::string(message))]))
}

fn mismatch(value: &Value, wanted: &str, from_yaml: bool) -> String {
    let found = match value {
        Value::Bool(_) => "bool",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    };
    let prefix = if from_yaml {
        "error unmarshaling JSON: while decoding JSON: "
    } else {
        ""
    };
    format!("{prefix}json: cannot unmarshal {found} into Go value of type {wanted}")
}

fn marked(message: &[u8]) -> Outcome {
    let message = String::from_utf8_lossy(message);
    fail(format!("{MESSAGE_START}{message}{MESSAGE_END}"))
}
