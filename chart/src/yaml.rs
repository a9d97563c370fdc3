//! YAML files of a chart as Helm's libraries read them.

use std::borrow::Cow;

use serde_json::Value;

/// Why a file is not the YAML that is wanted; the texts are Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum YamlError {
    /// The file is neither UTF-8 nor UTF-16.
    #[error("error converting YAML to JSON: yaml: {0}")]
    NotText(&'static str),
    /// The file is no YAML.
    #[error(transparent)]
    Syntax(#[from] kiel_template::yaml::YamlError),
    /// The file's first document is no table.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {0} into Go value of type map[string]interface {{}}"
    )]
    NotTable(&'static str),
}

/// The first document as JSON, integers kept; null for a file without any.
pub(crate) fn to_json(data: &[u8]) -> Result<Value, YamlError> {
    Ok(kiel_template::yaml::to_json(&decoded(data)?)?)
}

/// The text that the bytes are: UTF-16 where they begin with its mark, else UTF-8.
fn decoded(data: &[u8]) -> Result<Cow<'_, str>, YamlError> {
    match data {
        [0xff, 0xfe, rest @ ..] => decoded_utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => decoded_utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => check_text(data).map(|()| String::from_utf8_lossy(data)),
    }
}

/// Whether the bytes are UTF-8.
pub(crate) fn check_text(data: &[u8]) -> Result<(), YamlError> {
    std::str::from_utf8(data)
        .map(|_| ())
        .map_err(|error| YamlError::NotText(utf8_fault(&data[error.valid_up_to()..])))
}

fn decoded_utf16(data: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, YamlError> {
    let (units, rest) = data.as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(units.iter().map(|two| unit(*two))).collect();
    match text {
        Ok(_) if !rest.is_empty() => Err(YamlError::NotText("incomplete UTF-16 character")),
        Ok(text) => Ok(text),
        Err(error) if error.unpaired_surrogate() >= 0xdc00 => {
            Err(YamlError::NotText("unexpected low surrogate area"))
        }
        Err(_) => Err(YamlError::NotText("expected low surrogate area")),
    }
}

/// What Go says about bytes that begin with no UTF-8 character.
fn utf8_fault(bytes: &[u8]) -> &'static str {
    let width = match bytes.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    let Some(rest) = bytes.get(1..width) else {
        return "incomplete UTF-8 octet sequence";
    };
    if rest.iter().any(|byte| byte & 0xc0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    match bytes {
        [0xc0 | 0xc1, ..] | [0xe0, ..=0x9f, ..] | [0xf0, ..=0x8f, ..] => "invalid length of a UTF-8 sequence",
        _ => "invalid Unicode character",
    }
}

/// The first document as JSON, where only wanted entries of its top have a value.
pub(crate) fn to_json_entries(text: &str, wanted: impl Fn(&str) -> bool) -> Result<Value, YamlError> {
    Ok(kiel_template::yaml::to_json_entries(text, wanted)?)
}

/// The first document, which has to be a table or nothing.
pub(crate) fn to_table(data: &[u8]) -> Result<Value, YamlError> {
    match to_json(data)? {
        Value::Array(_) => Err(YamlError::NotTable("array")),
        Value::Bool(_) => Err(YamlError::NotTable("bool")),
        Value::Number(_) => Err(YamlError::NotTable("number")),
        Value::String(_) => Err(YamlError::NotTable("string")),
        table => Ok(table),
    }
}
