//! Trees to values, by the way that Helm takes: YAML to Go values, those to JSON, JSON to Go values.
//!
//! The detour is observable: keys of other types become texts, infinities have no JSON, and of two equal keys
//! the last one counts.

use std::borrow::Cow;

use crate::number;
use crate::unicode::to_text;
use crate::value::{Entries, Map, Str, Value};

use super::error::YamlError;
use super::go_syntax;
use super::node::{NO_MERGE, Node, NodeKind};
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
    /// Of equal keys the last one counts, in the place of the first.
    fn map(entries: Vec<(Cow<'_, str>, Self)>) -> Self;
}

/// Decodes what stands at `node`. Of several mistakes the one is reported that Go meets first: it decodes
/// the whole tree before it looks at keys, and all keys before numbers that JSON lacks.
pub(super) fn decode<T: Target>(root: &Node<'_>) -> Result<T, YamlError> {
    decode_node(root).map_err(|error| first_error(root, error))
}

/// Decodes a mapping's wanted entries and checks the others, which become null; anything else is decoded as it is.
pub(super) fn decode_entries<T: Target>(
    root: &Node<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Result<T, YamlError> {
    if root.entries().is_none() {
        return decode(root);
    }
    let decoded = mapping(root, |name, value| {
        if wanted(name) {
            decode_node(value)
        } else {
            check_node(value).map(|()| T::null())
        }
    });
    decoded.map_err(|error| first_error(root, error))
}

/// The error that Go meets first, where decoding has met one.
fn first_error(root: &Node<'_>, error: YamlError) -> YamlError {
    first_unreadable(root)
        .or_else(|| first_nameless(root))
        .unwrap_or(error)
}

/// The first node that has no value, in Go's order: a mapping's entries one by one, key before value.
fn first_unreadable(node: &Node<'_>) -> Option<YamlError> {
    match &node.kind {
        NodeKind::Scalar { .. } => node.resolved().err(),
        NodeKind::Sequence(items) => items.iter().find_map(first_unreadable),
        NodeKind::Mapping(entries) => entries
            .iter()
            .find_map(|(key, value)| {
                if key.is_merge_key() {
                    return first_unmerged(value);
                }
                first_unreadable(key)
                    .or_else(|| collection_key(key))
                    .or_else(|| first_unreadable(value))
            })
            .or_else(|| node.merged_entries().err()),
    }
}

/// The first error of what a merge key takes in: the last mapping of a list is read first.
fn first_unmerged(value: &Node<'_>) -> Option<YamlError> {
    let mapping = |source: &Node<'_>| match &source.kind {
        NodeKind::Mapping(_) => first_unreadable(source),
        _ => Some(YamlError::meaning(NO_MERGE, source.line, source.column)),
    };
    match &value.kind {
        NodeKind::Sequence(sources) => sources.iter().rev().find_map(mapping),
        _ => mapping(value),
    }
}

/// The first key that has no text.
fn first_nameless(node: &Node<'_>) -> Option<YamlError> {
    match &node.kind {
        NodeKind::Scalar { .. } => None,
        NodeKind::Sequence(items) => items.iter().find_map(first_nameless),
        NodeKind::Mapping(entries) => entries.iter().find_map(|(key, value)| {
            let shown = last_of(node, key).unwrap_or(value);
            key_text(key, shown).err().or_else(|| first_nameless(value))
        }),
    }
}

fn collection_key(key: &Node<'_>) -> Option<YamlError> {
    if key.text().is_some() {
        return None;
    }
    let problem = format!("invalid map key: {}", go_syntax::node(key));
    Some(YamlError::meaning(problem, key.line, key.column))
}

fn decode_node<T: Target>(node: &Node<'_>) -> Result<T, YamlError> {
    match &node.kind {
        NodeKind::Scalar { .. } => scalar(node),
        NodeKind::Sequence(items) => Ok(T::list(items.iter().map(decode_node).collect::<Result<_, _>>()?)),
        NodeKind::Mapping(_) => mapping(node, |_, value| decode_node(value)),
    }
}

fn mapping<T: Target>(
    node: &Node<'_>,
    mut value_of: impl FnMut(&str, &Node<'_>) -> Result<T, YamlError>,
) -> Result<T, YamlError> {
    let mut entries: Vec<(Cow<'_, str>, T)> = Vec::with_capacity(node.entries().map_or(0, <[_]>::len));
    each_entry(node, |key, value| {
        let name = key_text(key, last_of(node, key).unwrap_or(value))?;
        let value = value_of(&name, value)?;
        entries.push((name, value));
        Ok(())
    })?;
    Ok(T::map(entries))
}

/// The last value of a key that Go cannot name, which is what its map holds when it says so.
fn last_of<'n, 's>(node: &'n Node<'s>, key: &Node<'_>) -> Option<&'n Node<'s>> {
    if !matches!(key.resolved(), Ok(Some(Resolved::Null))) {
        return None;
    }
    let twins = node.entries()?.iter().rev();
    let mut twins = twins.filter(|(twin, _)| matches!(twin.resolved(), Ok(Some(Resolved::Null))));
    twins.next().map(|(_, value)| value)
}

/// Meets the same errors as decoding, and makes nothing.
fn check_node(node: &Node<'_>) -> Result<(), YamlError> {
    match &node.kind {
        NodeKind::Scalar { .. } => match node.resolved()? {
            Some(Resolved::Float(value)) => finite(value).map(drop),
            _ => Ok(()),
        },
        NodeKind::Sequence(items) => items.iter().try_for_each(check_node),
        NodeKind::Mapping(_) => each_entry(node, |key, value| {
            key_text(key, last_of(node, key).unwrap_or(value))?;
            check_node(value)
        }),
    }
}

/// Goes through a mapping's entries, merge keys followed; keys are scalars.
fn each_entry<'n, 'a>(
    node: &'n Node<'a>,
    mut visit: impl FnMut(&'n Node<'a>, &'n Node<'a>) -> Result<(), YamlError>,
) -> Result<(), YamlError> {
    let mut checked = |key: &'n Node<'a>, value: &'n Node<'a>| match collection_key(key) {
        Some(error) => Err(error),
        None => visit(key, value),
    };
    let entries = node.entries().unwrap_or_default();
    if entries.iter().any(|(key, _)| key.is_merge_key()) {
        let merged = node.merged_entries()?;
        return merged
            .into_iter()
            .try_for_each(|(key, value)| checked(key, value));
    }
    entries.iter().try_for_each(|(key, value)| checked(key, value))
}

/// A number that JSON has.
fn finite(value: f64) -> Result<f64, YamlError> {
    match number::non_finite(value) {
        None => Ok(value),
        Some(name) => Err(YamlError::plain(format!("json: unsupported value: {name}"))),
    }
}

fn scalar<T: Target>(node: &Node<'_>) -> Result<T, YamlError> {
    Ok(match node.resolved()? {
        None | Some(Resolved::Null) => T::null(),
        Some(Resolved::Bool(value)) => T::boolean(value),
        Some(Resolved::Int(value)) => T::int(value),
        Some(Resolved::Uint(value)) => T::uint(value),
        Some(Resolved::Float(value)) => T::float(finite(value)?),
        Some(Resolved::Text(text)) => T::text(&text),
        Some(Resolved::Bytes(bytes)) => T::text(&to_text(&bytes)),
    })
}

/// A key as the text that it becomes in JSON.
fn key_text<'n>(key: &'n Node<'_>, value: &Node<'_>) -> Result<Cow<'n, str>, YamlError> {
    Ok(match key.resolved()? {
        Some(Resolved::Text(text)) => text,
        Some(Resolved::Bytes(bytes)) => to_text(&bytes).into_owned().into(),
        Some(Resolved::Bool(value)) => value.to_string().into(),
        Some(Resolved::Int(value)) => value.to_string().into(),
        Some(Resolved::Float(value)) => float_key(value).into(),
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

    fn map(entries: Vec<(Cow<'_, str>, Self)>) -> Self {
        let entries: Entries = entries
            .into_iter()
            .map(|(key, value)| (Str::from(&*key), value))
            .collect();
        Self::Map(Map::typed(&crate::value::ANY_MAP, entries))
    }
}

/// A value that was never JSON.
pub(super) struct Native(pub(super) Value);

impl Target for Native {
    fn null() -> Self {
        Self(Value::Nil)
    }

    fn boolean(value: bool) -> Self {
        Self(Value::Bool(value))
    }

    fn int(value: i64) -> Self {
        Self(Value::int(value))
    }

    fn uint(value: u64) -> Self {
        Self(Value::Uint(value, crate::value::UintKind::Uint64))
    }

    fn float(value: f64) -> Self {
        Self(Value::Float(value))
    }

    fn text(value: &str) -> Self {
        Self(Value::string(value))
    }

    fn list(items: Vec<Self>) -> Self {
        Self(Value::list(items.into_iter().map(|item| item.0).collect()))
    }

    fn map(entries: Vec<(Cow<'_, str>, Self)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key, value.0));
        Self(<Value as Target>::map(entries.collect()))
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

    fn map(entries: Vec<(Cow<'_, str>, Self)>) -> Self {
        Self::Object(
            entries
                .into_iter()
                .map(|(key, value)| (key.into_owned(), value))
                .collect(),
        )
    }
}
