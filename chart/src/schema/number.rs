//! Numbers of schemas and values: compared by value, whatever their form.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::failure::localized;

/// Most decimal places that are told apart; beyond, numbers are what floating point makes of them.
const MAX_PLACES: u32 = 30;

/// Whether values are equal.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => compare(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

/// A text that equal values have in common, and few others.
pub(super) fn likeness(value: &Value) -> String {
    match value {
        Value::Number(number) => format!("{:?}", number.as_f64()),
        Value::Array(items) => items.iter().map(likeness).collect::<Vec<_>>().join(","),
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entries = entries.into_iter();
            entries
                .map(|(key, value)| format!("{key}:{};", likeness(value)))
                .collect()
        }
        other => other.to_string(),
    }
}

/// Which of two numbers is larger.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    let whole = |value: &Value| {
        value
            .as_i64()
            .map(i128::from)
            .or_else(|| value.as_u64().map(i128::from))
    };
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return a.cmp(&b);
    }
    let float = |value: &Value| value.as_f64().unwrap_or_default();
    float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal)
}

/// The count that a keyword gives, if it is a whole number.
pub(super) fn count(value: Option<&Value>) -> Option<usize> {
    let value = value?;
    if let Some(whole) = value.as_u64() {
        return usize::try_from(whole).ok();
    }
    let float = value
        .as_f64()
        .filter(|float| float.fract() == 0.0 && *float >= 0.0)?;
    format!("{float:.0}").parse().ok()
}

/// Whether `value` is a whole number of times `of`.
pub(super) fn is_multiple(value: &Value, of: &Value) -> bool {
    let (Value::Number(a), Value::Number(b)) = (value, of) else {
        return true;
    };
    if let (Some((a, a_places)), Some((b, b_places))) = (decimal(a), decimal(b)) {
        let places = a_places.max(b_places);
        let scaled = |digits: i128, own: u32| digits.checked_mul(10_i128.checked_pow(places - own)?);
        if let (Some(a), Some(b)) = (scaled(a, a_places), scaled(b, b_places))
            && b != 0
        {
            return a % b == 0;
        }
    }
    let quotient = a.as_f64().unwrap_or_default() / b.as_f64().unwrap_or_default();
    quotient.fract() == 0.0
}

/// The digits of a number, and how many of them stand behind the point.
fn decimal(number: &Number) -> Option<(i128, u32)> {
    let text = number.to_string();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    if places >= 0 {
        let places = places.unsigned_abs();
        return (places <= MAX_PLACES).then_some((digits, places));
    }
    let zeros = 10_i128.checked_pow(places.unsigned_abs())?;
    Some((digits.checked_mul(zeros)?, 0))
}

/// What is said about a number beyond a limit.
pub(super) fn limit_text(keyword: &str, got: &Value, want: &Value) -> String {
    let shown = |value: &Value| localized(value.as_f64().unwrap_or_default());
    format!("{keyword}: got {}, want {}", shown(got), shown(want))
}
