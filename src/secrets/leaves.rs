//! The scalars of a YAML text with their places, so that each can be replaced and all else stays as it is.

use std::collections::HashSet;
use std::ops::Range;

use kiel_template::yaml::{self, Node, NodeKind, ScalarStyle};

use super::error::SecretError;
use super::scalar::Place;

/// A YAML text whose places can be found by the parser's counting.
pub(super) struct Source<'t> {
    pub(super) text: &'t str,
    /// Where each character begins, and the end.
    starts: Vec<usize>,
}

/// A value's scalar: not a key, not null, and not what an alias repeats.
pub(super) struct Found<'n, 't> {
    pub(super) node: &'n Node<'t>,
    /// Keys and indexes, joined by dots.
    pub(super) path: String,
    pub(super) bytes: Range<usize>,
    pub(super) place: Place,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        Self {
            text,
            starts: starts.collect(),
        }
    }

    pub(super) fn documents(&self, file: &str) -> Result<Vec<Node<'t>>, SecretError> {
        yaml::parse_documents(self.text).map_err(|error| {
            // The parser's own words may quote what stands there.
            let problem = match error.line() {
                None => "it is no YAML".to_owned(),
                Some(line) => format!("line {line} is no YAML"),
            };
            SecretError::Yaml {
                file: file.to_owned(),
                problem,
            }
        })
    }

    pub(super) fn byte(&self, character: usize) -> usize {
        self.starts.get(character).copied().unwrap_or(self.text.len())
    }

    /// A node's content, without the line breaks that a block scalar ends with.
    pub(super) fn bytes(&self, node: &Node<'_>) -> Range<usize> {
        let range = self.byte(node.start)..self.byte(node.end);
        let is_block = matches!(
            node.kind,
            NodeKind::Scalar {
                style: ScalarStyle::Literal | ScalarStyle::Folded,
                ..
            } | NodeKind::Mapping(_)
                | NodeKind::Sequence(_)
        );
        if is_block {
            let length = self.text[range.clone()].trim_end().len();
            range.start..range.start + length
        } else {
            range
        }
    }

    pub(super) fn is_flow(&self, node: &Node<'_>) -> bool {
        matches!(node.kind, NodeKind::Sequence(_) | NodeKind::Mapping(_))
            && self.text[self.byte(node.start)..].starts_with(['[', '{'])
    }

    /// What follows on the line.
    fn rest_of_line(&self, at: usize) -> &'t str {
        self.text[at..].lines().next().unwrap_or_default()
    }

    /// The text with some ranges replaced, which do not overlap.
    pub(super) fn replace(&self, mut edits: Vec<(Range<usize>, String)>) -> String {
        edits.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(self.text.len());
        let mut at = 0;
        for (range, new) in edits {
            out.push_str(&self.text[at..range.start]);
            out.push_str(&new);
            at = range.end;
        }
        out.push_str(&self.text[at..]);
        out
    }

    pub(super) fn leaves<'n>(&self, documents: &'n [Node<'t>]) -> Vec<Found<'n, 't>> {
        let mut walk = Walk {
            source: self,
            seen: HashSet::new(),
            found: Vec::new(),
        };
        for (index, document) in documents.iter().enumerate() {
            let root = if index == 0 {
                String::new()
            } else {
                format!("document {index}")
            };
            walk.node(document, root, 0, false);
        }
        walk.found
    }
}

struct Walk<'s, 'n, 't> {
    source: &'s Source<'t>,
    seen: HashSet<usize>,
    found: Vec<Found<'n, 't>>,
}

impl<'n, 't> Walk<'_, 'n, 't> {
    /// `indent` is the column of what the node belongs to: its key or its dash.
    fn node(&mut self, node: &'n Node<'t>, path: String, indent: usize, flow: bool) {
        let flow = flow || self.source.is_flow(node);
        let below = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        match &node.kind {
            NodeKind::Scalar { .. } => self.scalar(node, path, indent, flow),
            NodeKind::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(item, below(&index.to_string()), node.column - 1, flow);
                }
            }
            NodeKind::Mapping(entries) => {
                for (key, value) in entries {
                    self.node(value, below(key.text().unwrap_or("?")), key.column - 1, flow);
                }
            }
        }
    }

    fn scalar(&mut self, node: &'n Node<'t>, path: String, indent: usize, flow: bool) {
        if node.is_null() || !self.seen.insert(node.start) {
            return;
        }
        let bytes = self.source.bytes(node);
        let place = if flow {
            Place::Flow
        } else if self.source.rest_of_line(bytes.end).trim().is_empty() {
            Place::Block(indent + 2)
        } else {
            Place::Line
        };
        self.found.push(Found {
            node,
            path,
            bytes,
            place,
        });
    }
}
