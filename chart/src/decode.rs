//! Typed reading of YAML heads and metadata by the rules of Helm's YAML and JSON libraries.
//!
//! Field names match without regard to case, the exact name wins over others. Where text is wanted,
//! numbers and booleans are taken too: `appVersion: 1.10` reads as `1.1`, since it is a number first.

use serde_json::{Map, Value};

/// A value of another type than the field wants; the text is Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go {target} of type {wanted}"
)]
pub struct DecodeError {
    found: &'static str,
    target: String,
    wanted: &'static str,
}

/// Where a value stands, for messages: Go names the structure and the keys below it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'p> {
    Root(&'p str),
    Field(&'p Place<'p>, &'p str),
    /// A structure of that name within another.
    Structure(&'p Place<'p>, &'p str),
}

impl<'p> Place<'p> {
    pub(crate) fn root(structure: &'p str) -> Self {
        Self::Root(structure)
    }

    pub(crate) fn field(&'p self, name: &'p str) -> Self {
        Self::Field(self, name)
    }

    pub(crate) fn structure(&'p self, name: &'p str) -> Self {
        Self::Structure(self, name)
    }

    pub(crate) fn error(&self, found: &Value, wanted: &'static str) -> DecodeError {
        let fields = self.fields();
        let target = if fields.is_empty() {
            "value".to_owned()
        } else {
            format!("struct field {}{fields}", self.innermost())
        };
        DecodeError {
            found: type_name(found),
            target,
            wanted,
        }
    }

    fn innermost(&self) -> &str {
        match self {
            Self::Root(structure) | Self::Structure(_, structure) => structure,
            Self::Field(parent, _) => parent.innermost(),
        }
    }

    fn fields(&self) -> String {
        match self {
            Self::Root(_) => String::new(),
            Self::Structure(parent, _) => parent.fields(),
            Self::Field(parent, name) => format!("{}.{name}", parent.fields()),
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The values of `object` whose keys are `name`, in Go's order of assignment: the last one counts.
pub(crate) fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut named = object.iter().filter(|(key, _)| is_named(key, name));
    let first = named.next()?;
    let mut found = vec![first];
    found.extend(named);
    if let [(_, value)] = found.as_slice() {
        return (!value.is_null()).then_some(*value);
    }
    found.sort_by(|a, b| a.0.cmp(b.0));
    found
        .iter()
        .rev()
        .map(|(_, value)| *value)
        .find(|value| !value.is_null())
}

/// Whether a key is the field of that name, whatever its case.
pub(crate) fn is_named(key: &str, name: &str) -> bool {
    if key.is_ascii() {
        key.eq_ignore_ascii_case(name)
    } else {
        key.to_lowercase() == name.to_lowercase()
    }
}

/// The object that `value` is; nothing for null.
pub(crate) fn object<'a>(
    value: &'a Value,
    place: &Place<'_>,
    wanted: &'static str,
) -> Result<Option<&'a Map<String, Value>>, DecodeError> {
    match value {
        Value::Null => Ok(None),
        Value::Object(object) => Ok(Some(object)),
        other => Err(place.error(other, wanted)),
    }
}

/// Text, or a number or boolean in its YAML library's words.
pub(crate) fn text(value: &Value, place: &Place<'_>) -> Result<String, DecodeError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) if number.is_f64() => Ok(short_float(number.as_f64().unwrap_or_default())),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(place.error(other, "string")),
    }
}

/// Sets `target` where `object` has the field.
pub(crate) fn set_text(
    target: &mut String,
    object: &Map<String, Value>,
    name: &str,
    place: &Place<'_>,
) -> Result<(), DecodeError> {
    if let Some(value) = field(object, name) {
        *target = text(value, &place.field(name))?;
    }
    Ok(())
}

/// A list of texts.
pub(crate) fn texts(value: &Value, place: &Place<'_>) -> Result<Vec<String>, DecodeError> {
    match value {
        Value::Array(items) => items.iter().map(|item| text(item, place)).collect(),
        other => Err(place.error(other, "[]string")),
    }
}

/// A table of texts; null values read as empty text.
pub(crate) fn text_map(
    value: &Value,
    place: &Place<'_>,
) -> Result<std::collections::BTreeMap<String, String>, DecodeError> {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| Ok((key.clone(), text(value, place)?)))
            .collect(),
        other => Err(place.error(other, "map[string]string")),
    }
}

/// Go: `strconv.FormatFloat(value, 'g', -1, 32)`.
fn short_float(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the precision of 32 bits is the rule to match"
    )]
    let value = value as f32;
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(value: &Value, want: &str) {
        let metadata = Place::root("Metadata");
        let place = metadata.field("version");
        let got = text(value, &place).unwrap_or_else(|error| error.to_string());
        assert_eq!(got, want);
    }

    #[test]
    fn texts_from_scalars() {
        check(&json!("1.10"), "1.10");
        check(&json!(1.10), "1.1");
        check(&json!(20_230_101), "20230101");
        check(&json!(1_234_567.5), "1.2345675e+06");
        check(&json!(0.00001), "1e-05");
        check(&json!(true), "true");
        check(&json!(null), "");
        check(
            &json!([]),
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go struct field Metadata.version of type string",
        );
    }

    #[test]
    fn names_match_without_case_and_the_last_in_byte_order_counts() {
        let object = json!({"name": "exact", "Name": "other", "KIND": "k"});
        let object = object.as_object().expect("an object");
        assert_eq!(field(object, "name"), Some(&json!("exact")));
        assert_eq!(field(object, "kind"), Some(&json!("k")));
        assert_eq!(field(object, "missing"), None);
    }
}
