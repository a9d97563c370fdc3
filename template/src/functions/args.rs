//! Reading checked arguments and making results.
//!
//! The engine has matched the arguments with the signature before a body runs, so these don't fail; what
//! could not happen reads as the zero value.

use crate::value::{CallError, List, Map, Str, Type, Value};

pub(super) type Outcome = Result<Value, CallError>;

pub(super) const STRING: Type = Type::String;
pub(super) const INT: Type = Type::INT;
pub(super) const ANY: Type = Type::Any;
pub(super) const MAP: Type = Type::ANY_MAP;

/// Go's text for reading through a nil pointer, which `reflect.TypeOf(nil).Kind()` does.
pub(super) const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

/// A `string` argument.
pub(super) fn text(args: &[Value], at: usize) -> &[u8] {
    args.get(at).and_then(Value::as_bytes).unwrap_or_default()
}

/// A `string` argument as valid UTF-8, invalid bytes replaced, as Go's rune loops see it.
pub(super) fn utf8(args: &[Value], at: usize) -> std::borrow::Cow<'_, str> {
    crate::unicode::to_text(text(args, at))
}

/// An `int` argument.
pub(super) fn int(args: &[Value], at: usize) -> i64 {
    args.get(at).and_then(Value::as_int).unwrap_or_default()
}

/// A `map[string]interface {}` argument.
pub(super) fn map(args: &[Value], at: usize) -> Map {
    match args.get(at) {
        Some(Value::Map(map)) => map.clone(),
        _ => Map::nil(&crate::value::ANY_MAP),
    }
}

/// The arguments from `at` on.
pub(super) fn rest(args: &[Value], at: usize) -> &[Value] {
    args.get(at..).unwrap_or_default()
}

pub(super) fn string(bytes: impl Into<Str>) -> Outcome {
    Ok(Value::string(bytes))
}

pub(super) fn boolean(value: bool) -> Outcome {
    Ok(Value::Bool(value))
}

pub(super) fn list(items: Vec<Value>) -> Outcome {
    Ok(Value::list(items))
}

pub(super) fn nil_list() -> Outcome {
    Ok(Value::List(List::nil(&crate::value::ANY_SLICE)))
}

pub(super) fn fail<T>(message: impl Into<String>) -> Result<T, CallError> {
    Err(CallError::new(message))
}

/// The elements of any slice, bytes included; `None` for anything else.
pub(super) fn elements(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::List(list) => Some(list.to_vec()),
        Value::Bytes(bytes) => Some(
            bytes
                .iter()
                .map(|byte| Value::Uint(u64::from(*byte), crate::value::UintKind::Uint8))
                .collect(),
        ),
        _ => None,
    }
}

/// The elements of a slice, or Go's error for `what` on anything else.
pub(super) fn elements_or(value: &Value, what: &str) -> Result<Vec<Value>, CallError> {
    match elements(value) {
        Some(items) => Ok(items),
        None if value.is_nil() => fail(NIL_POINTER),
        None => fail(format!("{what} {}", value.kind())),
    }
}
