//! Conversions between kinds: `cast` v1.7.0 for numbers, Sprig's `strval` for texts, emptiness.

use crate::format;
use crate::number;
use crate::value::{Str, Value};

use super::args::elements;

/// Go: `cast.ToInt64`: what cannot be converted is 0.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Int(number, _) => *number,
        Value::Uint(number, _) => number.cast_signed(),
        Value::Float(number) => float_to_int(*number),
        Value::Bool(value) => i64::from(*value),
        Value::Str(text) => text.to_str().and_then(text_to_int).unwrap_or(0),
        Value::Object(object) => object
            .integer()
            .filter(|_| is_calendar(object.type_name()))
            .unwrap_or(0),
        _ => 0,
    }
}

/// Go: `cast.ToFloat64`.
pub(super) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Int(number, _) => *number as f64,
        Value::Uint(number, _) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Str(text) => text.to_str().and_then(number::parse_float).unwrap_or(0.0),
        Value::Object(_) => to_int64(value) as f64,
        _ => 0.0,
    }
}

fn is_calendar(type_name: &str) -> bool {
    matches!(type_name, "time.Month" | "time.Weekday")
}

/// Go on amd64: what does not fit becomes the least integer.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the range is checked before the cast"
)]
fn float_to_int(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// `strconv.ParseInt(text, 0, 0)` after a fraction of zeros has been cut off.
fn text_to_int(text: &str) -> Option<i64> {
    let whole = match text.trim_end_matches('0').strip_suffix('.') {
        Some(whole) if text.ends_with('0') => whole,
        _ => text,
    };
    number::parse_int(whole)
}

/// Sprig's `strval`: texts and bytes as they are, errors and stringers by their method, the rest by `%v`.
pub(super) fn strval(value: &Value) -> Str {
    match value {
        Value::Str(text) => text.clone(),
        Value::Bytes(bytes) => Str::from(&bytes[..]),
        Value::Object(object) => match object.text() {
            Some(text) => text,
            None => printed(value),
        },
        _ => printed(value),
    }
}

/// A value as `%v` prints it.
pub(super) fn printed(value: &Value) -> Str {
    let mut out = Vec::new();
    format::print(&mut out, value);
    out.into()
}

/// Sprig's `strslice`: the texts of a list's elements without nils; of anything else its own text.
pub(super) fn strslice(value: &Value) -> Vec<Str> {
    match elements(value) {
        Some(items) => items.iter().filter(|item| !item.is_nil()).map(strval).collect(),
        None if value.is_nil() => Vec::new(),
        None => vec![strval(value)],
    }
}

/// Sprig's `empty`: the zero value of its kind; structs never are.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.truth()
}
