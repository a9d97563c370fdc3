//! Trees to values, by the way that Helm takes: YAML to Go values, those to JSON, JSON to Go values.
//!
//! The detour is observable: keys of other types become texts, infinities have no JSON, and of two equal keys
//! the last one counts.

use std::collections::HashMap;

use crate::number;
use crate::value::{Entries, Map, Str, Value};

use super::error::YamlError;
use super::go_syntax;
use super::node::{Node, NodeKind};
use super::resolve::Resolved;

/// What a tree is decoded to.
pub(super) trait Target: Sized {
    fn null() -> Self;
    fn boolean(value: bool) -> Self;
    fn int(value: i64) -> Self;
    fn uint(value: u64) -> Self;
    /// `value` is finite.
    fn float(value: f64) -> Self;
    fn text(value: &str) -> Self;
    fn list(items: Vec<Self>) -> Self;
    /// Keys are distinct.
    fn map(entries: Vec<(String, Self)>) -> Self;
}

/// Decodes what stands at `node`. Of several mistakes the one is reported that Go meets first: it decodes
/// the whole tree before it looks at keys, and all keys before numbers that JSON lacks.
pub(super) fn decode<T: Target>(root: &Node) -> Result<T, YamlError> {
    decode_node(root).map_err(|error| {
        first_unreadable(root)
            .or_else(|| first_nameless(root))
            .unwrap_or(error)
    })
}

/// The first node that has no value, in Go's order: a mapping's entries one by one, key before value.
fn first_unreadable(node: &Node) -> Option<YamlError> {
    match &node.kind {
        NodeKind::Scalar { .. } => node.resolved().err(),
        NodeKind::Sequence(items) => items.iter().find_map(first_unreadable),
        NodeKind::Mapping(entries) => entries
            .iter()
            .find_map(|(key, value)| {
                first_unreadable(key)
                    .or_else(|| collection_key(key))
                    .or_else(|| first_unreadable(value))
            })
            .or_else(|| node.merged_entries().err()),
    }
}

/// The first key that has no text.
fn first_nameless(node: &Node) -> Option<YamlError> {
    match &node.kind {
        NodeKind::Scalar { .. } => None,
        NodeKind::Sequence(items) => items.iter().find_map(first_nameless),
        NodeKind::Mapping(entries) => entries
            .iter()
            .find_map(|(key, value)| key_text(key, value).err().or_else(|| first_nameless(value))),
    }
}

fn collection_key(key: &Node) -> Option<YamlError> {
    if key.text().is_some() {
        return None;
    }
    let problem = format!("invalid map key: {}", go_syntax::node(key));
    Some(YamlError::meaning(problem, key.line, key.column))
}

fn decode_node<T: Target>(node: &Node) -> Result<T, YamlError> {
    match &node.kind {
        NodeKind::Scalar { .. } => scalar(node),
        NodeKind::Sequence(items) => Ok(T::list(items.iter().map(decode_node).collect::<Result<_, _>>()?)),
        NodeKind::Mapping(_) => {
            let merged = node.merged_entries()?;
            let mut entries: Vec<(String, T)> = Vec::with_capacity(merged.len());
            let mut places: HashMap<String, usize> = HashMap::with_capacity(merged.len());
            for (key, value) in merged {
                if let Some(error) = collection_key(key) {
                    return Err(error);
                }
                let name = key_text(key, value)?;
                let value = decode_node(value)?;
                match places.get(&name) {
                    Some(&place) => entries[place].1 = value,
                    None => {
                        places.insert(name.clone(), entries.len());
                        entries.push((name, value));
                    }
                }
            }
            Ok(T::map(entries))
        }
    }
}

fn scalar<T: Target>(node: &Node) -> Result<T, YamlError> {
    Ok(match node.resolved()? {
        None | Some(Resolved::Null) => T::null(),
        Some(Resolved::Bool(value)) => T::boolean(value),
        Some(Resolved::Int(value)) => T::int(value),
        Some(Resolved::Uint(value)) => T::uint(value),
        Some(Resolved::Float(value)) if value.is_finite() => T::float(value),
        Some(Resolved::Float(value)) => {
            let name = number::non_finite(value).unwrap_or_default();
            return Err(YamlError::plain(format!("json: unsupported value: {name}")));
        }
        Some(Resolved::Text(text)) => T::text(&text),
        Some(Resolved::Bytes(bytes)) => T::text(&String::from_utf8_lossy(&bytes)),
    })
}

/// A key as the text that it becomes in JSON.
fn key_text(key: &Node, value: &Node) -> Result<String, YamlError> {
    Ok(match key.resolved()? {
        Some(Resolved::Text(text)) => text.into_owned(),
        Some(Resolved::Bytes(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Some(Resolved::Bool(value)) => value.to_string(),
        Some(Resolved::Int(value)) => value.to_string(),
        Some(Resolved::Float(value)) => float_key(value),
        kind @ (None | Some(Resolved::Null | Resolved::Uint(_))) => {
            let kind = if matches!(kind, Some(Resolved::Uint(_))) {
                "uint64"
            } else {
                "%!s(<nil>)"
            };
            return Err(YamlError::plain(format!(
                "unsupported map key of type: {kind}, key: {}, value: {}",
                go_syntax::top(key),
                go_syntax::top(value)
            )));
        }
    })
}

/// Go: `FormatFloat(key, 'g', -1, 32)` with YAML's names for what is not finite.
#[allow(
    clippy::cast_possible_truncation,
    reason = "Go formats such keys with 32 bits"
)]
fn float_key(key: f64) -> String {
    match number::general_single(key as f32) {
        name if name == "NaN" => ".nan".to_owned(),
        name if name == "+Inf" => ".inf".to_owned(),
        name if name == "-Inf" => "-.inf".to_owned(),
        text => text,
    }
}

impl Target for Value {
    fn null() -> Self {
        Self::Nil
    }

    fn boolean(value: bool) -> Self {
        Self::Bool(value)
    }

    fn int(value: i64) -> Self {
        Self::Float(value as f64)
    }

    fn uint(value: u64) -> Self {
        Self::Float(value as f64)
    }

    fn float(value: f64) -> Self {
        Self::Float(value)
    }

    fn text(value: &str) -> Self {
        Self::string(value)
    }

    fn list(items: Vec<Self>) -> Self {
        Self::list(items)
    }

    fn map(entries: Vec<(String, Self)>) -> Self {
        let entries: Entries = entries
            .into_iter()
            .map(|(key, value)| (Str::from(key), value))
            .collect();
        Self::Map(Map::typed(&crate::value::ANY_MAP, entries))
    }
}

impl Target for serde_json::Value {
    fn null() -> Self {
        Self::Null
    }

    fn boolean(value: bool) -> Self {
        Self::Bool(value)
    }

    fn int(value: i64) -> Self {
        value.into()
    }

    fn uint(value: u64) -> Self {
        value.into()
    }

    /// Go writes `1.0` as `1`, which is then read as an integer.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the ranges are checked before the casts"
    )]
    fn float(value: f64) -> Self {
        const INT_LIMIT: f64 = 9_223_372_036_854_775_808.0;
        let negative_zero = value == 0.0 && value.is_sign_negative();
        if negative_zero {
            return serde_json::Number::from_f64(value).map_or(Self::Null, Self::Number);
        }
        if value.fract() == 0.0 && (-INT_LIMIT..INT_LIMIT).contains(&value) {
            return (value as i64).into();
        }
        if value.fract() == 0.0 && (0.0..INT_LIMIT * 2.0).contains(&value) {
            return (value as u64).into();
        }
        serde_json::Number::from_f64(value).map_or(Self::Null, Self::Number)
    }

    fn text(value: &str) -> Self {
        value.into()
    }

    fn list(items: Vec<Self>) -> Self {
        Self::Array(items)
    }

    fn map(entries: Vec<(String, Self)>) -> Self {
        Self::Object(entries.into_iter().collect())
    }
}
