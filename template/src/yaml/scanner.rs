//! YAML 1.1 text to tokens, with the acceptance, the positions and the messages of Go's YAML library.
//!
//! Go's library descends from libyaml, so which texts are YAML, and what is said about those that are not,
//! follows libyaml's rules: a key may be written without `?` only if its `:` comes on the same line within
//! 1024 characters, and tokens are produced only as far as the parser asks for them, so an error in a later
//! document is not seen by who reads the first one.

use std::collections::VecDeque;

use super::error::YamlError;
use super::token::{Mark, ScalarStyle, Token, TokenKind};

/// Longest distance between the start of a simple key and its `:`, in characters.
const SIMPLE_KEY_REACH: usize = 1024;

/// Deepest nesting of collections.
///
/// Go stops at 10000; what walks a tree here is recursive, so the limit leaves room on a thread's stack.
pub(super) const MAX_DEPTH: usize = 160;

/// A place where a key without `?` may have begun.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    /// Whether the parser has to wait for more tokens before it takes this one.
    awaited: bool,
    required: bool,
    token_number: usize,
    mark: Mark,
}

/// Produces tokens on demand.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) position: usize,
    pub(super) mark: Mark,
    pub(super) indent: isize,
    pub(super) flow_level: usize,
    pub(super) simple_key_allowed: bool,
    queue: VecDeque<Token<'a>>,
    tokens_taken: usize,
    head_ready: bool,
    indents: Vec<isize>,
    simple_keys: Vec<SimpleKey>,
}

pub(super) type Scanned<T> = Result<T, YamlError>;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Scanned<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !is_plain(text) && !text.chars().all(is_allowed_in_stream) {
            return Err(YamlError::plain("yaml: control characters are not allowed"));
        }
        Ok(Self {
            text,
            position: 0,
            mark: Mark::default(),
            indent: -1,
            flow_level: 0,
            simple_key_allowed: true,
            queue: VecDeque::new(),
            tokens_taken: 0,
            head_ready: false,
            indents: Vec::new(),
            simple_keys: vec![SimpleKey::default()],
        })
    }

    /// The next token, left in place.
    pub(super) fn peek(&mut self) -> Scanned<&Token<'a>> {
        if !self.head_ready {
            self.fetch_more()?;
            self.head_ready = true;
        }
        self.queue
            .front()
            .ok_or_else(|| YamlError::plain("yaml: read past the end of the stream"))
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> Scanned<Token<'a>> {
        self.peek()?;
        self.head_ready = false;
        self.tokens_taken += 1;
        self.queue
            .pop_front()
            .ok_or_else(|| YamlError::plain("yaml: read past the end of the stream"))
    }

    fn fetch_more(&mut self) -> Scanned<()> {
        loop {
            if !self.queue.is_empty() {
                let head = self.tokens_taken;
                let waiting = self
                    .simple_keys
                    .iter()
                    .position(|key| key.awaited && key.token_number == head);
                match waiting {
                    Some(level) if self.simple_key_is_valid(level)? => {}
                    _ => return Ok(()),
                }
            }
            self.fetch_next()?;
        }
    }

    fn fetch_next(&mut self) -> Scanned<()> {
        self.skip_to_next_token();
        self.unroll_indent(self.mark.column as isize);
        let at_line_start = self.mark.column == 0;
        let next = self.byte(1);
        match self.byte(0) {
            None => self.fetch_stream_end(),
            Some(b'%') if at_line_start => self.fetch_directive(),
            Some(b'-') if at_line_start && self.at_document_marker() => {
                self.fetch_document_marker(TokenKind::DocumentStart)
            }
            Some(b'.') if at_line_start && self.at_document_marker() => {
                self.fetch_document_marker(TokenKind::DocumentEnd)
            }
            Some(b'[') => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            Some(b'{') => self.fetch_flow_start(TokenKind::FlowMappingStart),
            Some(b']') => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            Some(b'}') => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            Some(b',') => self.fetch_flow_entry(),
            Some(b'-') if self.is_blank_or_end(1) => self.fetch_block_entry(),
            Some(b'?') if self.flow_level > 0 || self.is_blank_or_end(1) => self.fetch_key(),
            Some(b':') if self.flow_level > 0 || self.is_blank_or_end(1) => self.fetch_value(),
            Some(b'*' | b'&') => self.fetch_anchor(),
            Some(b'!') => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let token = self.scan_tag()?;
                self.push(token);
                Ok(())
            }
            Some(b'|') if self.flow_level == 0 => self.fetch_block_scalar(ScalarStyle::Literal),
            Some(b'>') if self.flow_level == 0 => self.fetch_block_scalar(ScalarStyle::Folded),
            Some(b'\'') => self.fetch_quoted_scalar(ScalarStyle::SingleQuoted),
            Some(b'"') => self.fetch_quoted_scalar(ScalarStyle::DoubleQuoted),
            Some(b'-') if !matches!(next, Some(b' ' | b'\t')) => self.fetch_plain_scalar(),
            Some(b'?' | b':') if self.flow_level == 0 => self.fetch_plain_scalar(),
            Some(
                b'-' | b'?' | b':' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b' ' | b'\t' | b'\r' | b'\n',
            ) => Err(self.error(self.mark, "found character that cannot start any token")),
            Some(_) => self.fetch_plain_scalar(),
        }
    }

    // Keys without `?`.

    fn simple_key_is_valid(&mut self, level: usize) -> Scanned<bool> {
        let key = self.simple_keys[level];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.mark.line || key.mark.index + SIMPLE_KEY_REACH < self.mark.index {
            if key.required {
                return Err(self.error(key.mark, "could not find expected ':'"));
            }
            self.simple_keys[level].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_simple_key(&mut self) -> Scanned<()> {
        let required = self.flow_level == 0 && self.indent == self.mark.column as isize;
        if self.simple_key_allowed {
            self.remove_simple_key()?;
            let key = SimpleKey {
                possible: true,
                awaited: true,
                required,
                token_number: self.tokens_taken + self.queue.len(),
                mark: self.mark,
            };
            if let Some(last) = self.simple_keys.last_mut() {
                *last = key;
            }
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Scanned<()> {
        let Some(key) = self.simple_keys.last_mut() else {
            return Ok(());
        };
        if key.possible && key.required {
            let mark = key.mark;
            return Err(self.error(mark, "could not find expected ':'"));
        }
        key.possible = false;
        key.awaited = false;
        Ok(())
    }

    // Indentation.

    fn roll_indent(
        &mut self,
        column: usize,
        number: Option<usize>,
        kind: TokenKind<'a>,
        mark: Mark,
    ) -> Scanned<()> {
        if self.flow_level > 0 || self.indent >= column as isize {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column as isize;
        if self.indents.len() > MAX_DEPTH {
            return Err(self.error(mark, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        let token = Token {
            kind,
            start: mark,
            end: mark,
        };
        match number {
            Some(number) => self.insert(number, token),
            None => self.push(token),
        }
        Ok(())
    }

    fn unroll_indent(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(Token {
                kind: TokenKind::BlockEnd,
                start: self.mark,
                end: self.mark,
            });
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    // One function per kind of token.

    fn fetch_stream_end(&mut self) -> Scanned<()> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(Token {
            kind: TokenKind::StreamEnd,
            start: self.mark,
            end: self.mark,
        });
        Ok(())
    }

    fn fetch_directive(&mut self) -> Scanned<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_directive()?;
        self.push(token);
        Ok(())
    }

    fn fetch_document_marker(&mut self, kind: TokenKind<'a>) -> Scanned<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push_indicator(kind, 3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: TokenKind<'a>) -> Scanned<()> {
        self.save_simple_key()?;
        let token_number = self.tokens_taken + self.queue.len();
        self.simple_keys.push(SimpleKey {
            token_number,
            mark: self.mark,
            ..SimpleKey::default()
        });
        self.flow_level += 1;
        if self.flow_level > MAX_DEPTH {
            return Err(self.error(self.mark, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.simple_key_allowed = true;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind<'a>) -> Scanned<()> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(inner) = self.simple_keys.pop() {
                // Go: an empty collection stops being awaited, so `{}: x` is no entry.
                for key in self
                    .simple_keys
                    .iter_mut()
                    .filter(|key| key.token_number == inner.token_number)
                {
                    key.awaited = false;
                }
            }
        }
        self.simple_key_allowed = false;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Scanned<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::FlowEntry, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Scanned<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(
                    self.mark,
                    "block sequence entries are not allowed in this context",
                ));
            }
            self.roll_indent(self.mark.column, None, TokenKind::BlockSequenceStart, self.mark)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Scanned<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(self.mark, "mapping keys are not allowed in this context"));
            }
            self.roll_indent(self.mark.column, None, TokenKind::BlockMappingStart, self.mark)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_indicator(TokenKind::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Scanned<()> {
        let level = self.simple_keys.len() - 1;
        if self.simple_key_is_valid(level)? {
            let key = self.simple_keys[level];
            let token = Token {
                kind: TokenKind::Key,
                start: key.mark,
                end: key.mark,
            };
            self.insert(key.token_number, token);
            self.roll_indent(
                key.mark.column,
                Some(key.token_number),
                TokenKind::BlockMappingStart,
                key.mark,
            )?;
            self.simple_keys[level].possible = false;
            self.simple_keys[level].awaited = false;
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.error(self.mark, "mapping values are not allowed in this context"));
                }
                self.roll_indent(self.mark.column, None, TokenKind::BlockMappingStart, self.mark)?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_indicator(TokenKind::Value, 1);
        Ok(())
    }

    fn fetch_anchor(&mut self) -> Scanned<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_anchor()?;
        self.push(token);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, style: ScalarStyle) -> Scanned<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let token = self.scan_block_scalar(style)?;
        self.push(token);
        Ok(())
    }

    fn fetch_quoted_scalar(&mut self, style: ScalarStyle) -> Scanned<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_quoted_scalar(style)?;
        self.push(token);
        Ok(())
    }

    fn fetch_plain_scalar(&mut self) -> Scanned<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_plain_scalar()?;
        self.push(token);
        Ok(())
    }

    fn push(&mut self, token: Token<'a>) {
        self.queue.push_back(token);
    }

    /// Puts a token before the one that was counted as `number`. Go: behind all if that one is taken already.
    fn insert(&mut self, number: usize, token: Token<'a>) {
        match number.checked_sub(self.tokens_taken) {
            Some(place) if place <= self.queue.len() => self.queue.insert(place, token),
            _ => self.push(token),
        }
    }

    fn push_indicator(&mut self, kind: TokenKind<'a>, length: usize) {
        let start = self.mark;
        for _ in 0..length {
            self.skip();
        }
        self.push(Token {
            kind,
            start,
            end: self.mark,
        });
    }

    /// Skips blanks, comments and line breaks. Tabs count as blanks only where no simple key may start.
    fn skip_to_next_token(&mut self) {
        loop {
            self.skip_spaces();
            while match self.byte(0) {
                Some(b' ') => true,
                Some(b'\t') => self.flow_level > 0 || !self.simple_key_allowed,
                _ => false,
            } {
                self.skip();
            }
            if self.byte(0) == Some(b'#') {
                self.skip_to_line_end();
            }
            if !self.is_break(0) {
                return;
            }
            self.skip_line();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    // The reading head.

    pub(super) fn error(&self, context: Mark, problem: impl Into<String>) -> YamlError {
        YamlError::scanner(problem, context, self.mark)
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.position + ahead).copied()
    }

    pub(super) fn is_break(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            Some(b'\r' | b'\n') => true,
            Some(0xc2) => self.byte(ahead + 1) == Some(0x85),
            Some(0xe2) => {
                self.byte(ahead + 1) == Some(0x80) && matches!(self.byte(ahead + 2), Some(0xa8 | 0xa9))
            }
            _ => false,
        }
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), Some(b' ' | b'\t'))
    }

    pub(super) fn is_break_or_end(&self, ahead: usize) -> bool {
        self.byte(ahead).is_none() || self.is_break(ahead)
    }

    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// Whether `---` or `...` stands here, followed by a blank, a break or the end.
    pub(super) fn at_document_marker(&self) -> bool {
        let rest = &self.text.as_bytes()[self.position..];
        (rest.starts_with(b"---") || rest.starts_with(b"...")) && self.is_blank_or_end(3)
    }

    pub(super) fn skip(&mut self) {
        let width = match self.byte(0) {
            None => return,
            Some(0..0x80) => 1,
            Some(_) => self.rest().chars().next().map_or(1, char::len_utf8),
        };
        self.position += width;
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Moves to `end`, which is further on in the same line.
    pub(super) fn advance_to(&mut self, end: usize) {
        let passed = &self.text.as_bytes()[self.position..end];
        if passed.is_ascii() {
            self.pass_ascii(passed.len());
            return;
        }
        let characters = passed.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        self.position = end;
        self.mark.index += characters;
        self.mark.column += characters;
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text.as_bytes()[self.position..];
        let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
        self.pass_ascii(spaces);
    }

    /// Moves over so many characters of one byte each, none of them a line break.
    fn pass_ascii(&mut self, count: usize) {
        self.position += count;
        self.mark.index += count;
        self.mark.column += count;
    }

    pub(super) fn skip_to_line_end(&mut self) {
        let rest = &self.text.as_bytes()[self.position..];
        let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
        if is_plain_line(line) {
            self.pass_ascii(line.len());
            return;
        }
        let mut ahead = 0;
        while match self.byte(ahead) {
            None | Some(b'\r' | b'\n') => false,
            Some(0..0x80) => true,
            Some(_) => !self.is_break(ahead),
        } {
            ahead += 1;
        }
        self.advance_to(self.position + ahead);
    }

    pub(super) fn skip_line(&mut self) {
        let (width, characters) = match (self.byte(0), self.byte(1)) {
            (None, _) => (0, 0),
            (Some(b'\r'), Some(b'\n')) => (2, 2),
            (Some(0..0x80), _) => (1, 1),
            _ => (self.rest().chars().next().map_or(1, char::len_utf8), 1),
        };
        self.position += width;
        self.mark.index += characters;
        self.mark.column = 0;
        self.mark.line += 1;
    }

    /// Appends the character here to `into` and moves past it.
    pub(super) fn read(&mut self, into: &mut String) {
        let from = self.position;
        self.skip();
        into.push_str(&self.text[from..self.position]);
    }

    /// Appends the line break here to `into`, normalised, and moves past it.
    pub(super) fn read_line(&mut self, into: &mut String) {
        into.push_str(self.take_line());
    }

    /// The line break here, normalised; moves past it.
    pub(super) fn take_line(&mut self) -> &'static str {
        let line_break = match self.byte(0) {
            None => return "",
            Some(0xe2) if self.rest().starts_with('\u{2028}') => "\u{2028}",
            Some(0xe2) if self.rest().starts_with('\u{2029}') => "\u{2029}",
            Some(_) => "\n",
        };
        self.skip_line();
        line_break
    }
}

/// Whether there are only printable ASCII characters and line feeds. No loop ends early, so that many are looked at
/// at a time.
fn is_plain(text: &str) -> bool {
    let strange = |byte: &u8| byte.wrapping_sub(b' ') > b'~' - b' ' && *byte != b'\n';
    let mut chunks = text.as_bytes().chunks(256);
    chunks.all(|chunk| !chunk.iter().fold(false, |any, byte| any | strange(byte)))
}

/// Whether there are only ASCII characters and no carriage return.
fn is_plain_line(line: &[u8]) -> bool {
    !line
        .iter()
        .fold(false, |any, byte| any | (*byte == b'\r') | !byte.is_ascii())
}

/// The characters that a YAML 1.1 stream may hold as Go's reader sees it.
fn is_allowed_in_stream(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
        | '\u{10000}'..='\u{10ffff}')
}
