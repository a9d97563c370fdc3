//! YAML nodes as Go's `%#v` prints the values they decode to, for messages.

use std::cmp::Ordering;

use super::node::{Node, NodeKind};
use super::resolve::Resolved;
use crate::number;

/// A node at the top of a message.
pub(super) fn top(node: &Node<'_>) -> String {
    match node.resolved() {
        Ok(Some(Resolved::Null)) => "<nil>".to_owned(),
        _ => self::node(node),
    }
}

/// The place of a key among others: by its kind, as Go's program lays them out, then by its number.
struct Rank(u8, f64);

impl Rank {
    fn total_cmp(&self, other: &Self) -> Ordering {
        self.0
            .cmp(&other.0)
            .then_with(|| match (self.1.is_nan(), other.1.is_nan()) {
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                _ => self.1.total_cmp(&other.1),
            })
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "numbers that look alike are told apart by their text"
)]
fn rank(key: &Node<'_>) -> Rank {
    match key.resolved() {
        Ok(Some(Resolved::Null)) => Rank(0, 0.0),
        Ok(Some(Resolved::Uint(number))) => Rank(2, number as f64),
        Ok(Some(Resolved::Int(number))) => Rank(3, number as f64),
        Ok(Some(Resolved::Float(number))) => Rank(4, number),
        Ok(Some(Resolved::Bool(_))) => Rank(5, 0.0),
        _ => Rank(1, 0.0),
    }
}

/// A node inside another one.
pub(super) fn node(node: &Node<'_>) -> String {
    match &node.kind {
        NodeKind::Sequence(items) => {
            let items: Vec<String> = items.iter().map(self::node).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        NodeKind::Mapping(entries) => {
            let merged = node
                .merged_entries()
                .unwrap_or_else(|_| entries.iter().map(|(key, value)| (key, value)).collect());
            // Go: a map has a key once, and is printed in the order of its keys.
            let mut found: Vec<(Rank, String, String)> = Vec::new();
            for (key, value) in merged {
                let (shown, value) = (self::node(key), self::node(value));
                match found.iter_mut().find(|(_, known, _)| *known == shown) {
                    Some((.., known)) => *known = value,
                    None => found.push((rank(key), shown, value)),
                }
            }
            found.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
            let entries = found.into_iter().map(|(_, key, value)| format!("{key}:{value}"));
            let entries: Vec<String> = entries.collect();
            format!("map[interface {{}}]interface {{}}{{{}}}", entries.join(", "))
        }
        NodeKind::Scalar { text, .. } => match node.resolved() {
            Ok(Some(Resolved::Null)) => "interface {}(nil)".to_owned(),
            Ok(Some(Resolved::Bool(value))) => value.to_string(),
            Ok(Some(Resolved::Int(value))) => value.to_string(),
            Ok(Some(Resolved::Uint(value))) => format!("{value:#x}"),
            Ok(Some(Resolved::Float(value))) => number::general(value),
            _ => crate::format::quote_str(text.as_bytes()),
        },
    }
}
