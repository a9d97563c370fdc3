//! YAML files of a chart as Helm's libraries read them.

use serde_json::Value;

/// Why a file is not the YAML that is wanted; the texts are Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum YamlError {
    /// The file is not UTF-8.
    #[error("error converting YAML to JSON: yaml: invalid leading UTF-8 octet")]
    NotUtf8,
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
    let text = std::str::from_utf8(data).map_err(|_| YamlError::NotUtf8)?;
    Ok(kiel_template::yaml::to_json(text)?)
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
