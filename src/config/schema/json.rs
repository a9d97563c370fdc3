//! The JSON Schema of werf.yaml, for editors: one document of the file at a time, as they check them.
//!
//! It says which keys there are, what stands behind them and what they mean; what ties keys together is the reader's.

use serde_json::{Map, Value, json};

use super::{DOCKERFILE, Key, Kind, META, STAPEL};

/// The schema, in draft 7, which all editors know.
#[must_use]
pub fn json_schema() -> Value {
    let image = json!({
        "if": { "required": ["dockerfile"] },
        "then": object(DOCKERFILE, &["image"]),
        "else": object(STAPEL, &[]),
    });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "werf.yaml",
        "type": ["object", "null"],
        "if": { "anyOf": [{ "required": ["configVersion"] }, { "required": ["project"] }] },
        "then": object(META, &["project", "configVersion"]),
        "else": image,
    })
}

fn object(keys: &[Key], required: &[&str]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let mut schema =
        json!({ "type": ["object", "null"], "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

fn property(key: &Key) -> Value {
    let text = json!({ "type": ["string", "number", "boolean", "null"] });
    let string = json!({ "type": ["string", "null"] });
    let list = |item: Value| json!({ "anyOf": [item, { "type": "array", "items": item }] });
    let mut schema = match key.kind {
        Kind::Text => text,
        Kind::Words(words) => {
            let is_number = |word: &&str| word.parse::<u64>().is_ok();
            if let Some(number) = words.iter().copied().find(is_number) {
                json!({ "anyOf": [{ "const": number.parse::<u64>().unwrap_or_default() }, { "const": number }] })
            } else {
                json!({ "enum": words })
            }
        }
        Kind::Switch => json!({ "type": ["boolean", "null"] }),
        Kind::Number => json!({ "type": ["integer", "null"], "minimum": 0 }),
        Kind::Texts => list(text),
        Kind::Commands => list(string),
        Kind::TextMap => json!({ "type": ["object", "null"], "additionalProperties": text }),
        Kind::Map => object(key.keys, &[]),
        Kind::Maps => list(object(key.keys, &[])),
        Kind::Tasks => {
            json!({ "type": ["array", "null"], "items": { "type": "object", "minProperties": 1 } })
        }
        Kind::Any => json!({}),
    };
    let about = match key.same_as {
        Some(other) => format!("Same as `{other}`."),
        None => key.about.to_owned(),
    };
    schema["description"] = about.into();
    if key.same_as.is_some() {
        schema["deprecated"] = true.into();
    }
    schema
}
