//! YAML as Go's libraries read and write it.
//!
//! The reader accepts what go-yaml v2 accepts (YAML 1.1: `yes` is true, `0777` octal, `<<` merges), with its
//! messages. [`parse_documents`] gives trees with places for who validates a file of their own;
//! [`from_str`] and [`to_json`] give what Helm and Kubernetes get out of a text by `sigs.k8s.io/yaml`.
//! [`to_string`] writes what `toYaml` writes.
//!
//! It does not keep comments, does not write anchors, and reads UTF-8 only.

mod decode;
mod emit;
mod emit_scalar;
mod error;
mod go_syntax;
mod key_order;
mod lines;
mod node;
mod parser;
mod quick;
mod resolve;
mod scan_property;
mod scan_scalar;
mod scanner;
mod token;

#[cfg(test)]
mod tests;

pub use emit::{EmitError, json_to_string, json_to_wide_string, to_string, to_string_pretty};

pub use error::YamlError;
pub use node::{Node, NodeKind};
pub use resolve::Resolved;
pub use token::ScalarStyle;

use crate::value::Value;
use parser::Parser;

/// All documents of a text as trees. Empty documents between `---` lines are null scalars; a text without
/// any document has none.
///
/// # Errors
/// The first place where the text is no YAML, or where aliases are unknown or multiply beyond Go's limits.
pub fn parse_documents(text: &str) -> Result<Vec<Node<'_>>, YamlError> {
    let mut parser = Parser::new(text)?;
    let mut documents = Vec::new();
    while let Some(document) = parser.document()? {
        documents.push(document);
    }
    Ok(documents)
}

/// The first document as a template value, all numbers `float64`; nil for a text without a document.
///
/// # Errors
/// As Go's `sigs.k8s.io/yaml.Unmarshal` into an `interface {}`, its texts included.
pub fn from_str(text: &str) -> Result<Value, YamlError> {
    decode_first(text)
}

/// The first document as a template value, integers as such; nil for a text without a document.
///
/// # Errors
/// As Go's `gopkg.in/yaml.v2`, but for what a key may be: keys become texts.
pub fn from_str_native(text: &str) -> Result<Value, YamlError> {
    let document = Parser::new(text).and_then(|mut parser| parser.document())?;
    match document {
        Some(node) => Ok(decode::decode::<decode::Native>(&node)?.0),
        None => Ok(Value::Nil),
    }
}

/// The first document as the JSON that Helm and kubectl would send: integers stay exact, floats without a
/// fraction become integers, keys become texts and keep their order.
///
/// # Errors
/// As Go's `sigs.k8s.io/yaml.YAMLToJSON`.
pub fn to_json(text: &str) -> Result<serde_json::Value, YamlError> {
    decode_first(text)
}

/// As [`to_json`], where only some entries of a mapping at the top are wanted: the others are null or left out. The
/// whole document is checked all the same.
///
/// # Errors
/// Those of [`to_json`].
pub fn to_json_entries(text: &str, wanted: impl Fn(&str) -> bool) -> Result<serde_json::Value, YamlError> {
    if let Some(entries) = lines::entries(text, &wanted) {
        return Ok(entries);
    }
    if let Ok(entries) = quick::entries(text, &wanted) {
        return Ok(entries);
    }
    let document = Parser::new(text)
        .and_then(|mut parser| parser.document())
        .map_err(convert_error)?;
    match document {
        Some(node) => decode::decode_entries(&node, wanted).map_err(convert_error),
        None => Ok(serde_json::Value::Null),
    }
}

/// What [`to_json`] makes of a text, for one document of [`parse_documents`].
///
/// # Errors
/// When a scalar does not fit its tag, a merge key's value is no mapping, or a key has no text.
pub fn node_to_json(node: &Node<'_>) -> Result<serde_json::Value, YamlError> {
    decode::decode(node).map_err(convert_error)
}

fn decode_first<T: decode::Target>(text: &str) -> Result<T, YamlError> {
    let document = Parser::new(text)
        .and_then(|mut parser| parser.document())
        .map_err(convert_error)?;
    match document {
        Some(node) => decode::decode(&node).map_err(convert_error),
        None => Ok(T::null()),
    }
}

fn convert_error(error: YamlError) -> YamlError {
    error.wrapped("error converting YAML to JSON: ")
}
