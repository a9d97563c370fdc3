//! The tree of one YAML document, with its places, as it was written.

use std::borrow::Cow;

use super::error::YamlError;
use super::resolve::{Resolved, resolve};
use super::token::ScalarStyle;

/// What is wrong with a merge key's value.
pub(super) const NO_MERGE: &str = "map merge requires map or sequence of maps as the value";

/// A node: a scalar, a sequence or a mapping. Aliases have been replaced by what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<'a> {
    /// What the node is.
    pub kind: NodeKind<'a>,
    /// The tag as written, `tag:yaml.org,2002:` shortened to `!!`.
    pub tag: Option<String>,
    /// Line of the first character, counted from 1.
    pub line: usize,
    /// Column of the first character, in characters, counted from 1.
    pub column: usize,
    /// Line of the first character behind the node, counted from 1.
    pub end_line: usize,
    /// Column of the first character behind the node, counted from 1.
    pub end_column: usize,
    /// Index of the first character of the content, behind anchor and tag, in characters from 0. A byte order mark
    /// at the text's beginning does not count.
    pub start: usize,
    /// Index of the first character behind the content, likewise. A block scalar's ends with its last line break.
    pub end: usize,
}

/// The three kinds of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind<'a> {
    /// A scalar: its text after unquoting and folding, and how it was written.
    Scalar {
        /// The text.
        text: Cow<'a, str>,
        /// The style; a missing value is an empty plain scalar.
        style: ScalarStyle,
    },
    /// A sequence.
    Sequence(Vec<Node<'a>>),
    /// A mapping, in the order of the text, repeated keys and merge keys included.
    Mapping(Vec<(Node<'a>, Node<'a>)>),
}

impl<'t> Node<'t> {
    /// The scalar's value by YAML 1.1 as Go reads it; `None` if the node is no scalar.
    ///
    /// # Errors
    /// When a standard tag does not fit the text, as in `!!int x`.
    pub fn resolved(&self) -> Result<Option<Resolved<'_>>, YamlError> {
        match &self.kind {
            NodeKind::Scalar { text, style } => {
                let value = resolve(self.tag.as_deref(), text, *style == ScalarStyle::Plain)
                    .map_err(|problem| YamlError::meaning(problem, self.line, self.column))?;
                Ok(Some(value))
            }
            _ => Ok(None),
        }
    }

    /// The scalar's text whatever it resolves to; `None` if the node is no scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether the node is a scalar that means null: `~`, `null` or nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.resolved(), Ok(Some(Resolved::Null)))
    }

    /// The elements of a sequence.
    #[must_use]
    pub fn items(&self) -> Option<&[Node<'t>]> {
        match &self.kind {
            NodeKind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping as written; see [`Node::merged_entries`] for what they mean.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Node<'t>, Node<'t>)]> {
        match &self.kind {
            NodeKind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of the last entry of a mapping whose key is the text `key`. Merge keys are not followed.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node<'t>> {
        self.entries()?
            .iter()
            .rev()
            .find(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
    }

    /// What the node is, in a word for messages.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Scalar { .. } => "scalar",
            NodeKind::Sequence(_) => "sequence",
            NodeKind::Mapping(_) => "mapping",
        }
    }

    /// Whether this node, as a key, means "merge the value into this mapping".
    #[must_use]
    pub fn is_merge_key(&self) -> bool {
        match &self.kind {
            NodeKind::Scalar { text, style } => {
                text == "<<"
                    && match self.tag.as_deref() {
                        None => *style == ScalarStyle::Plain,
                        Some(tag) => tag == "!" || tag == "!!merge",
                    }
            }
            _ => false,
        }
    }

    /// The entries of a mapping with merge keys (`<<`) followed, in the order in which Go assigns them: of
    /// two entries with the same key the later one counts. A merge key overrides what stands before it.
    ///
    /// # Errors
    /// When a merge key's value is neither a mapping nor a sequence of mappings.
    pub fn merged_entries(&self) -> Result<Vec<(&Node<'t>, &Node<'t>)>, YamlError> {
        let mut merged = Vec::new();
        self.merge_into(&mut merged)?;
        Ok(merged)
    }

    fn merge_into<'a>(&'a self, merged: &mut Vec<(&'a Node<'t>, &'a Node<'t>)>) -> Result<(), YamlError> {
        let refusal = |at: &Node<'_>| YamlError::meaning(NO_MERGE, at.line, at.column);
        let NodeKind::Mapping(entries) = &self.kind else {
            return Err(refusal(self));
        };
        for (key, value) in entries {
            if !key.is_merge_key() {
                merged.push((key, value));
                continue;
            }
            match &value.kind {
                NodeKind::Mapping(_) => value.merge_into(merged)?,
                // Earlier mappings of the list take precedence, so they are assigned last.
                NodeKind::Sequence(sources) => {
                    for source in sources.iter().rev() {
                        source.merge_into(merged)?;
                    }
                }
                NodeKind::Scalar { .. } => return Err(refusal(value)),
            }
        }
        Ok(())
    }

    /// Keys that a mapping at or below this node has twice, with Go's strict text and the place of the
    /// second one. Only plain equality of the keys' texts counts; merged keys don't.
    #[must_use]
    pub fn duplicate_keys(&self) -> Vec<YamlError> {
        let mut found = Vec::new();
        self.collect_duplicates(&mut found);
        found
    }

    fn collect_duplicates(&self, found: &mut Vec<YamlError>) {
        match &self.kind {
            NodeKind::Scalar { .. } => {}
            NodeKind::Sequence(items) => items.iter().for_each(|item| item.collect_duplicates(found)),
            NodeKind::Mapping(entries) => {
                let mut seen = std::collections::HashSet::new();
                for (key, value) in entries {
                    if let Some(text) = key.text()
                        && !key.is_merge_key()
                        && !seen.insert(text)
                    {
                        let problem = format!("key {text:?} already set in map");
                        found.push(YamlError::meaning(problem, key.line, key.column));
                    }
                    value.collect_duplicates(found);
                }
            }
        }
    }

    /// Number of nodes in this tree.
    pub(super) fn size(&self) -> usize {
        1 + match &self.kind {
            NodeKind::Scalar { .. } => 0,
            NodeKind::Sequence(items) => items.iter().map(Node::size).sum(),
            NodeKind::Mapping(entries) => entries.iter().map(|(key, value)| key.size() + value.size()).sum(),
        }
    }
}
