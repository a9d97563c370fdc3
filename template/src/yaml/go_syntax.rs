//! YAML nodes as Go's `%#v` prints the values they decode to, for messages.

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
            let mut entries: Vec<String> = merged
                .into_iter()
                .map(|(key, value)| format!("{}:{}", self::node(key), self::node(value)))
                .collect();
            entries.sort();
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
