//! Tokens to trees, one document at a time.
//!
//! Follows the grammar of libyaml with its messages. Aliases are replaced by copies of what they name; how
//! much of a document may come from aliases is limited as in Go, so that a small text cannot grow into a
//! huge tree.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::YamlError;
use super::node::{Node, NodeKind};
use super::scan_property::undefined_handle;
use super::scanner::{MAX_DEPTH, Scanned, Scanner};
use super::token::{Mark, ScalarStyle, Token, TokenKind};

const LONG_TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// Reads documents one after the other.
pub(super) struct Parser<'a> {
    pub(super) scanner: Scanner<'a>,
    first: bool,
    handles: Vec<(String, String)>,
    pub(super) anchors: HashMap<String, Anchor<'a>>,
    depth: usize,
    nodes: usize,
    nodes_from_aliases: usize,
    /// The first alias in the document that stands inside what it names.
    contains_itself: Option<YamlError>,
}

pub(super) enum Anchor<'a> {
    /// The node is still being read: an alias to it would contain itself.
    Open,
    Done {
        node: Node<'a>,
        size: usize,
    },
}

/// Anchor and tag of a node, and where the node starts.
struct Properties {
    anchor: Option<String>,
    tag: Option<String>,
    start: Mark,
    any: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Scanned<Self> {
        Ok(Self {
            scanner: Scanner::new(text)?,
            first: true,
            handles: Vec::new(),
            anchors: HashMap::new(),
            depth: 0,
            nodes: 0,
            nodes_from_aliases: 0,
            contains_itself: None,
        })
    }

    /// The next document's root; `None` at the end. Reads one token past the document, as Go does.
    pub(super) fn document(&mut self) -> Scanned<Option<Node<'a>>> {
        if !self.first {
            while self.scanner.peek()?.kind == TokenKind::DocumentEnd {
                self.scanner.take()?;
            }
        }
        let may_be_bare = std::mem::replace(&mut self.first, false);
        self.anchors.clear();
        self.nodes = 1;
        self.nodes_from_aliases = 0;
        let root = match self.scanner.peek()?.kind {
            TokenKind::StreamEnd => return Ok(None),
            TokenKind::VersionDirective { .. }
            | TokenKind::TagDirective { .. }
            | TokenKind::DocumentStart => self.explicit_document()?,
            _ if may_be_bare => {
                self.read_directives()?;
                self.node(true, false)?
            }
            _ => {
                self.read_directives()?;
                return Err(self.unexpected(None, "did not find expected <document start>"));
            }
        };
        if self.scanner.peek()?.kind == TokenKind::DocumentEnd {
            self.scanner.take()?;
        }
        match self.contains_itself.take() {
            Some(error) => Err(error),
            None => Ok(Some(root)),
        }
    }

    /// Begins a document without `---`, as [`Parser::document`] does, at the content's first token.
    pub(super) fn begin_bare_document(&mut self) -> Scanned<()> {
        self.first = false;
        self.nodes = 1;
        self.depth = 1;
        self.read_directives()
    }

    fn explicit_document(&mut self) -> Scanned<Node<'a>> {
        self.read_directives()?;
        if self.scanner.peek()?.kind != TokenKind::DocumentStart {
            return Err(self.unexpected(None, "did not find expected <document start>"));
        }
        self.scanner.take()?;
        let token = self.scanner.peek()?;
        match token.kind {
            TokenKind::VersionDirective { .. }
            | TokenKind::TagDirective { .. }
            | TokenKind::DocumentStart
            | TokenKind::DocumentEnd
            | TokenKind::StreamEnd => {
                let mark = token.start;
                Ok(self.empty(mark))
            }
            _ => self.node(true, false),
        }
    }

    fn read_directives(&mut self) -> Scanned<()> {
        self.handles.clear();
        let mut version_seen = false;
        loop {
            match &self.scanner.peek()?.kind {
                TokenKind::VersionDirective { .. } if version_seen => {
                    return Err(self.unexpected(None, "found duplicate %YAML directive"));
                }
                TokenKind::VersionDirective { major: 1, minor: 1 } => version_seen = true,
                TokenKind::VersionDirective { .. } => {
                    return Err(self.unexpected(None, "found incompatible YAML document"));
                }
                TokenKind::TagDirective { handle, prefix } => {
                    if self.handles.iter().any(|(known, _)| known == handle) {
                        return Err(self.unexpected(None, "found duplicate %TAG directive"));
                    }
                    self.handles.push((handle.clone(), prefix.clone()));
                }
                _ => break,
            }
            self.scanner.take()?;
        }
        Ok(())
    }

    /// A node. `block` says whether block collections may stand here, `indentless` whether a sequence may
    /// start at the indent of the mapping around it.
    pub(super) fn node(&mut self, block: bool, indentless: bool) -> Scanned<Node<'a>> {
        if let TokenKind::Alias(_) = self.scanner.peek()?.kind {
            return self.alias();
        }
        let properties = self.properties()?;
        if let Some(anchor) = &properties.anchor {
            self.anchors.insert(anchor.clone(), Anchor::Open);
        }
        self.count_node()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unexpected(None, &format!("exceeded max depth of {MAX_DEPTH}")));
        }
        let node = self.content(&properties, block, indentless)?;
        self.depth -= 1;
        if let Some(anchor) = properties.anchor {
            let size = node.size();
            self.anchors.insert(
                anchor,
                Anchor::Done {
                    node: node.clone(),
                    size,
                },
            );
        }
        Ok(node)
    }

    fn content(&mut self, properties: &Properties, block: bool, indentless: bool) -> Scanned<Node<'a>> {
        let token = self.scanner.peek()?;
        let at = token.start;
        let (kind, end) = match &token.kind {
            TokenKind::BlockEntry if indentless => self.indentless_sequence()?,
            TokenKind::Scalar { .. } => {
                let token = self.scanner.take()?;
                match token.kind {
                    TokenKind::Scalar { value, style } => {
                        (NodeKind::Scalar { text: value, style }, token.end)
                    }
                    _ => unreachable!("the token was a scalar when it was looked at"),
                }
            }
            TokenKind::FlowSequenceStart => self.flow_sequence()?,
            TokenKind::FlowMappingStart => self.flow_mapping()?,
            TokenKind::BlockSequenceStart if block => self.block_sequence()?,
            TokenKind::BlockMappingStart if block => self.block_mapping()?,
            _ if properties.any => (
                NodeKind::Scalar {
                    text: Cow::Borrowed(""),
                    style: ScalarStyle::Plain,
                },
                properties.start,
            ),
            _ => {
                return Err(YamlError::grammar(
                    "did not find expected node content",
                    Some(properties.start),
                    at,
                ));
            }
        };
        // An empty node behind an anchor or a tag has the place of its properties.
        let start = at.index.min(end.index);
        let node = placed(kind, properties.tag.clone(), properties.start, end);
        Ok(Node { start, ..node })
    }

    fn properties(&mut self) -> Scanned<Properties> {
        let start = self.scanner.peek()?.start;
        let mut properties = Properties {
            anchor: None,
            tag: None,
            start,
            any: false,
        };
        let mut tag = None;
        for _ in 0..2 {
            match &self.scanner.peek()?.kind {
                TokenKind::Anchor(_) if properties.anchor.is_none() => {
                    if let TokenKind::Anchor(name) = self.scanner.take()?.kind {
                        properties.anchor = Some(name);
                    }
                }
                TokenKind::Tag { .. } if tag.is_none() => tag = Some(self.scanner.take()?),
                _ => break,
            }
            properties.any = true;
        }
        if let Some(token) = tag {
            // Go: what follows is read before the tag is understood.
            self.scanner.peek()?;
            properties.tag = self.full_tag(token, start)?;
        }
        Ok(properties)
    }

    fn full_tag(&self, token: Token<'a>, node_start: Mark) -> Scanned<Option<String>> {
        let TokenKind::Tag { handle, suffix } = token.kind else {
            return Ok(None);
        };
        let tag = if handle.is_empty() {
            suffix
        } else {
            let declared = self.handles.iter().find(|(known, _)| *known == handle);
            let prefix = match (declared, handle.as_str()) {
                (Some((_, prefix)), _) => prefix,
                (None, "!") => "!",
                (None, "!!") => LONG_TAG_PREFIX,
                (None, _) => return Err(undefined_handle(node_start, token.start)),
            };
            format!("{prefix}{suffix}")
        };
        Ok(Some(match tag.strip_prefix(LONG_TAG_PREFIX) {
            Some(short) => format!("!!{short}"),
            None => tag,
        }))
    }

    fn alias(&mut self) -> Scanned<Node<'a>> {
        let token = self.scanner.take()?;
        let TokenKind::Alias(name) = token.kind else {
            return Err(YamlError::grammar(
                "did not find expected alias",
                None,
                token.start,
            ));
        };
        let (line, column) = (token.start.line + 1, token.start.column + 1);
        let size = match self.anchors.get(&name) {
            None => {
                let problem = format!("unknown anchor '{name}' referenced");
                return Err(YamlError::meaning(problem, line, column));
            }
            Some(Anchor::Open) => {
                // Go: found only once the whole document has been read.
                let problem = format!("anchor '{name}' value contains itself");
                self.contains_itself
                    .get_or_insert(YamlError::meaning(problem, line, column));
                return Ok(placed(
                    NodeKind::Sequence(Vec::new()),
                    None,
                    token.start,
                    token.end,
                ));
            }
            Some(Anchor::Done { size, .. }) => *size,
        };
        self.nodes += size + 1;
        self.nodes_from_aliases += size;
        if self.aliases_too_much() {
            return Err(YamlError::meaning(
                "document contains excessive aliasing",
                line,
                column,
            ));
        }
        match self.anchors.get(&name) {
            Some(Anchor::Done { node, .. }) => Ok(node.clone()),
            _ => unreachable!("the anchor was there when its size was read"),
        }
    }

    fn count_node(&mut self) -> Scanned<()> {
        self.nodes += 1;
        if self.nodes.is_multiple_of(4096) && self.aliases_too_much() {
            return Err(YamlError::plain("yaml: document contains excessive aliasing"));
        }
        Ok(())
    }

    /// Go: 99 % of a small document may come from aliases, 10 % of a large one, a line between the two.
    fn aliases_too_much(&self) -> bool {
        const SMALL: f64 = 400_000.0;
        const LARGE: f64 = 4_000_000.0;
        if self.nodes_from_aliases <= 100 || self.nodes <= 1000 {
            return false;
        }
        let nodes = self.nodes as f64;
        let allowed = if nodes <= SMALL {
            0.99
        } else if nodes >= LARGE {
            0.10
        } else {
            0.99 - 0.89 * ((nodes - SMALL) / (LARGE - SMALL))
        };
        self.nodes_from_aliases as f64 / nodes > allowed
    }

    fn block_sequence(&mut self) -> Scanned<(NodeKind<'a>, Mark)> {
        let context = self.scanner.take()?.start;
        let mut items = Vec::new();
        loop {
            match self.scanner.peek()?.kind {
                TokenKind::BlockEntry => {
                    let mark = self.scanner.take()?.end;
                    items.push(match self.scanner.peek()?.kind {
                        TokenKind::BlockEntry | TokenKind::BlockEnd => self.empty(mark),
                        _ => self.node(true, false)?,
                    });
                }
                TokenKind::BlockEnd => {
                    let end = self.scanner.take()?.end;
                    return Ok((NodeKind::Sequence(items), end));
                }
                _ => return Err(self.unexpected(Some(context), "did not find expected '-' indicator")),
            }
        }
    }

    fn indentless_sequence(&mut self) -> Scanned<(NodeKind<'a>, Mark)> {
        let mut items = Vec::new();
        loop {
            let token = self.scanner.peek()?;
            if token.kind != TokenKind::BlockEntry {
                let end = token.start;
                return Ok((NodeKind::Sequence(items), end));
            }
            let mark = self.scanner.take()?.end;
            items.push(match self.scanner.peek()?.kind {
                TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                    self.empty(mark)
                }
                _ => self.node(true, false)?,
            });
        }
    }

    fn block_mapping(&mut self) -> Scanned<(NodeKind<'a>, Mark)> {
        let context = self.scanner.take()?.start;
        let mut entries = Vec::new();
        loop {
            let token = self.scanner.peek()?;
            let key = match token.kind {
                TokenKind::Key => {
                    let mark = self.scanner.take()?.end;
                    self.block_mapping_part(mark)?
                }
                TokenKind::BlockEnd => {
                    let end = self.scanner.take()?.end;
                    return Ok((NodeKind::Mapping(entries), end));
                }
                _ => return Err(self.unexpected(Some(context), "did not find expected key")),
            };
            let token = self.scanner.peek()?;
            let value = if token.kind == TokenKind::Value {
                let mark = self.scanner.take()?.end;
                self.block_mapping_part(mark)?
            } else {
                let mark = token.start;
                self.empty(mark)
            };
            entries.push((key, value));
        }
    }

    fn block_mapping_part(&mut self, mark: Mark) -> Scanned<Node<'a>> {
        match self.scanner.peek()?.kind {
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => Ok(self.empty(mark)),
            _ => self.node(true, true),
        }
    }

    fn flow_sequence(&mut self) -> Scanned<(NodeKind<'a>, Mark)> {
        let context = self.scanner.take()?.start;
        let mut items = Vec::new();
        loop {
            if self.scanner.peek()?.kind != TokenKind::FlowSequenceEnd && !items.is_empty() {
                if self.scanner.peek()?.kind != TokenKind::FlowEntry {
                    return Err(self.unexpected(Some(context), "did not find expected ',' or ']'"));
                }
                self.scanner.take()?;
            }
            match self.scanner.peek()?.kind {
                TokenKind::FlowSequenceEnd => {
                    let end = self.scanner.take()?.end;
                    return Ok((NodeKind::Sequence(items), end));
                }
                TokenKind::Key => items.push(self.flow_pair()?),
                _ => items.push(self.node(false, false)?),
            }
        }
    }

    /// `[a: b]`: a mapping of one entry without braces.
    fn flow_pair(&mut self) -> Scanned<Node<'a>> {
        let key_token = self.scanner.take()?;
        self.count_node()?;
        let token = self.scanner.peek()?;
        let key = match token.kind {
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd => {
                // Go: the token is dropped here, so `[? : a]` is not what it seems.
                let mark = self.scanner.take()?.end;
                self.empty(mark)
            }
            _ => self.node(false, false)?,
        };
        let token = self.scanner.peek()?;
        let mark = token.start;
        let value = if token.kind == TokenKind::Value {
            self.scanner.take()?;
            match self.scanner.peek()?.kind {
                TokenKind::FlowEntry | TokenKind::FlowSequenceEnd => self.empty(mark),
                _ => self.node(false, false)?,
            }
        } else {
            self.empty(mark)
        };
        let end = self.scanner.peek()?.start;
        Ok(placed(
            NodeKind::Mapping(vec![(key, value)]),
            None,
            key_token.start,
            end,
        ))
    }

    fn flow_mapping(&mut self) -> Scanned<(NodeKind<'a>, Mark)> {
        let context = self.scanner.take()?.start;
        let mut entries = Vec::new();
        loop {
            if self.scanner.peek()?.kind != TokenKind::FlowMappingEnd && !entries.is_empty() {
                if self.scanner.peek()?.kind != TokenKind::FlowEntry {
                    return Err(self.unexpected(Some(context), "did not find expected ',' or '}'"));
                }
                self.scanner.take()?;
            }
            match self.scanner.peek()?.kind {
                TokenKind::FlowMappingEnd => {
                    let end = self.scanner.take()?.end;
                    return Ok((NodeKind::Mapping(entries), end));
                }
                TokenKind::Key => {
                    self.scanner.take()?;
                    let token = self.scanner.peek()?;
                    let mark = token.start;
                    let key = match token.kind {
                        TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd => {
                            self.empty(mark)
                        }
                        _ => self.node(false, false)?,
                    };
                    let value = self.flow_mapping_value()?;
                    entries.push((key, value));
                }
                _ => {
                    let key = self.node(false, false)?;
                    let mark = self.scanner.peek()?.start;
                    let value = self.empty(mark);
                    entries.push((key, value));
                }
            }
        }
    }

    fn flow_mapping_value(&mut self) -> Scanned<Node<'a>> {
        if self.scanner.peek()?.kind == TokenKind::Value {
            self.scanner.take()?;
            let token = self.scanner.peek()?;
            if !matches!(token.kind, TokenKind::FlowEntry | TokenKind::FlowMappingEnd) {
                return self.node(false, false);
            }
        }
        let mark = self.scanner.peek()?.start;
        Ok(self.empty(mark))
    }

    /// A missing node.
    fn empty(&mut self, mark: Mark) -> Node<'a> {
        self.nodes += 1;
        placed(
            NodeKind::Scalar {
                text: Cow::Borrowed(""),
                style: ScalarStyle::Plain,
            },
            None,
            mark,
            mark,
        )
    }

    fn unexpected(&mut self, context: Option<Mark>, problem: &str) -> YamlError {
        match self.scanner.peek() {
            Ok(token) => YamlError::grammar(problem, context, token.start),
            Err(error) => error,
        }
    }
}

fn placed(kind: NodeKind<'_>, tag: Option<String>, start: Mark, end: Mark) -> Node<'_> {
    Node {
        kind,
        tag,
        line: start.line + 1,
        column: start.column + 1,
        end_line: end.line + 1,
        end_column: end.column + 1,
        start: start.index,
        end: end.index,
    }
}
