//! Values from and to JSON trees.

use crate::format::format_float;

use super::{Entries, MAX_NESTING, Map, Str, Value, Visits};

impl Value {
    /// As Go decodes JSON into `interface {}`: every number is a `float64`.
    pub fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::Str(text.into()),
            serde_json::Value::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(entries) => Self::Map(Map::typed(
                &super::ANY_MAP,
                entries
                    .iter()
                    .map(|(key, value)| (Str::from(key), Self::from_json(value)))
                    .collect::<Entries>(),
            )),
        }
    }

    /// The tree that `encoding/json` would write: integral floats below 1e21 are integers where 64 bits hold
    /// them, bytes are base64, bytes that are not UTF-8 become U+FFFD, nil maps and slices are null. NaN,
    /// infinities, functions and what nests deeper than [`MAX_NESTING`] become null (Go refuses them).
    pub fn to_json(&self) -> serde_json::Value {
        to_json(self, 0, &Visits::new())
    }
}

fn to_json(value: &Value, depth: usize, visits: &Visits) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    if depth >= MAX_NESTING || !visits.allow() {
        return serde_json::Value::Null;
    }
    match value {
        Value::Nil | Value::Complex(..) | Value::Func(_) => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value, _) => (*value).into(),
        Value::Uint(value, _) => (*value).into(),
        Value::Float(value) => float_to_json(*value),
        Value::Str(text) => text.to_lossy().into(),
        Value::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Value::List(list) => match list.borrow() {
            Some(items) => serde_json::Value::Array(
                items
                    .iter()
                    .map(|item| to_json(item, depth + 1, visits))
                    .collect(),
            ),
            None => serde_json::Value::Null,
        },
        Value::Map(map) => match map.borrow() {
            Some(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.to_lossy().into_owned(), to_json(value, depth + 1, visits)))
                    .collect(),
            ),
            None => serde_json::Value::Null,
        },
        Value::Object(object) => object.to_json(),
    }
}

fn float_to_json(value: f64) -> serde_json::Value {
    // Go writes such a float without exponent, and with zeros after the digits that identify it.
    const LARGEST_PLAIN: f64 = 1e21;
    let negative_zero = value == 0.0 && value.is_sign_negative();
    if value.fract() == 0.0 && value.abs() < LARGEST_PLAIN && !negative_zero {
        let digits = format_float(value, b'f', None, 64);
        if let Ok(integer) = digits.parse::<i64>() {
            return integer.into();
        }
        if let Ok(integer) = digits.parse::<u64>() {
            return integer.into();
        }
    }
    serde_json::Number::from_f64(value).map_or(serde_json::Value::Null, serde_json::Value::Number)
}
