//! The quick way through a document of which only a few entries are wanted.
//!
//! Most manifests are plain: block collections, scalars, no anchors, no tags. Such a document is checked without being
//! built. Whatever is unusual, mistakes included, ends the quick way, and the document is read again as a whole: so
//! what is said about it is always what the whole way says.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::decode;
use super::error::YamlError;
use super::parser::Parser;
use super::resolve::{Resolved, implicit};
use super::scanner::MAX_DEPTH;
use super::token::{ScalarStyle, TokenKind};

/// Something that the quick way does not go through.
pub(super) struct Unusual;

impl From<YamlError> for Unusual {
    fn from(_: YamlError) -> Self {
        Self
    }
}

type Quick<T> = Result<T, Unusual>;

/// A scalar as the scanner reads it.
type Scalar<'a> = (Cow<'a, str>, ScalarStyle);

/// The wanted entries of the mapping that is the text's first document.
pub(super) fn entries(text: &str, wanted: impl Fn(&str) -> bool) -> Quick<Value> {
    let mut parser = Parser::new(text)?;
    let mut found = Map::new();
    if parser.scanner.peek()?.kind != TokenKind::BlockMappingStart {
        return Err(Unusual);
    }
    parser.begin_bare_document()?;
    parser.scanner.take()?;
    while parser.scanner.peek()?.kind != TokenKind::BlockEnd {
        let name = parser.pass_key(1)?;
        let mut is_there = parser.scanner.peek()?.kind == TokenKind::Value;
        if is_there {
            parser.scanner.take()?;
            is_there = !matches!(
                parser.scanner.peek()?.kind,
                TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
            );
        }
        if !is_there {
            // Of equal keys the last one counts, nothing included.
            if wanted(&name) {
                found.insert(name.into_owned(), Value::Null);
            }
            continue;
        }
        if wanted(&name) {
            let node = parser.node(true, true)?;
            if !parser.anchors.is_empty() {
                return Err(Unusual);
            }
            found.insert(name.into_owned(), decode::decode(&node)?);
        } else {
            parser.pass_value(1, true, true)?;
        }
    }
    parser.scanner.take()?;
    parser.scanner.peek()?;
    Ok(Value::Object(found))
}

impl<'a> Parser<'a> {
    /// A key with its `?` or without, which is a text and no merge key.
    fn pass_key(&mut self, depth: usize) -> Quick<Cow<'a, str>> {
        if self.scanner.peek()?.kind != TokenKind::Key {
            return Err(Unusual);
        }
        self.scanner.take()?;
        let Some((text, style)) = self.pass(depth, false, false)? else {
            return Err(Unusual);
        };
        let is_text = match style {
            ScalarStyle::Plain => text != "<<" && matches!(implicit(&text), Resolved::Text(_)),
            _ => true,
        };
        if is_text { Ok(text) } else { Err(Unusual) }
    }

    /// A value, which has to be one that JSON has.
    fn pass_value(&mut self, depth: usize, block: bool, indentless: bool) -> Quick<()> {
        if let Some((text, ScalarStyle::Plain)) = self.pass(depth, block, indentless)?
            && text.starts_with(['.', '+', '-'])
            && matches!(implicit(&text), Resolved::Float(_))
        {
            return Err(Unusual);
        }
        Ok(())
    }

    /// A node; the scalar, if it is one.
    fn pass(&mut self, depth: usize, block: bool, indentless: bool) -> Quick<Option<Scalar<'a>>> {
        if depth >= MAX_DEPTH {
            return Err(Unusual);
        }
        match &self.scanner.peek()?.kind {
            TokenKind::Scalar { .. } => match self.scanner.take()?.kind {
                TokenKind::Scalar { value, style } => return Ok(Some((value, style))),
                _ => return Err(Unusual),
            },
            TokenKind::BlockEntry if indentless => self.pass_indentless(depth + 1)?,
            TokenKind::BlockSequenceStart if block => self.pass_block_sequence(depth + 1)?,
            TokenKind::BlockMappingStart if block => self.pass_block_mapping(depth + 1)?,
            TokenKind::FlowSequenceStart => self.pass_flow_sequence(depth + 1)?,
            TokenKind::FlowMappingStart => self.pass_flow_mapping(depth + 1)?,
            _ => return Err(Unusual),
        }
        Ok(None)
    }

    fn pass_indentless(&mut self, depth: usize) -> Quick<()> {
        while self.scanner.peek()?.kind == TokenKind::BlockEntry {
            self.scanner.take()?;
            match self.scanner.peek()?.kind {
                TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {}
                _ => self.pass_value(depth, true, false)?,
            }
        }
        Ok(())
    }

    fn pass_block_sequence(&mut self, depth: usize) -> Quick<()> {
        self.scanner.take()?;
        while self.scanner.peek()?.kind == TokenKind::BlockEntry {
            self.scanner.take()?;
            match self.scanner.peek()?.kind {
                TokenKind::BlockEntry | TokenKind::BlockEnd => {}
                _ => self.pass_value(depth, true, false)?,
            }
        }
        self.pass_end(&TokenKind::BlockEnd)
    }

    fn pass_block_mapping(&mut self, depth: usize) -> Quick<()> {
        self.scanner.take()?;
        while self.scanner.peek()?.kind != TokenKind::BlockEnd {
            self.pass_key(depth)?;
            if self.scanner.peek()?.kind != TokenKind::Value {
                continue;
            }
            self.scanner.take()?;
            match self.scanner.peek()?.kind {
                TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {}
                _ => self.pass_value(depth, true, true)?,
            }
        }
        self.pass_end(&TokenKind::BlockEnd)
    }

    /// `[a, b]` without pairs in it.
    fn pass_flow_sequence(&mut self, depth: usize) -> Quick<()> {
        self.scanner.take()?;
        while self.scanner.peek()?.kind != TokenKind::FlowSequenceEnd {
            self.pass_value(depth, false, false)?;
            self.pass_comma(&TokenKind::FlowSequenceEnd)?;
        }
        self.pass_end(&TokenKind::FlowSequenceEnd)
    }

    /// `{a: b}` where every key has a value.
    fn pass_flow_mapping(&mut self, depth: usize) -> Quick<()> {
        self.scanner.take()?;
        while self.scanner.peek()?.kind != TokenKind::FlowMappingEnd {
            self.pass_key(depth)?;
            self.pass_end(&TokenKind::Value)?;
            self.pass_value(depth, false, false)?;
            self.pass_comma(&TokenKind::FlowMappingEnd)?;
        }
        self.pass_end(&TokenKind::FlowMappingEnd)
    }

    /// What stands between two entries, or the end, which is left in place.
    fn pass_comma(&mut self, end: &TokenKind<'_>) -> Quick<()> {
        if self.scanner.peek()?.kind == *end {
            return Ok(());
        }
        self.pass_end(&TokenKind::FlowEntry)
    }

    fn pass_end(&mut self, kind: &TokenKind<'_>) -> Quick<()> {
        if self.scanner.take()?.kind == *kind {
            Ok(())
        } else {
            Err(Unusual)
        }
    }
}
