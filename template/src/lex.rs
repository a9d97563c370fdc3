//! Splits a template's text into tokens, as Go's lexer does: trim markers, comments and positions included.
//!
//! Whether a token makes sense (a number's syntax, a string's escapes) is the parser's business.

use crate::{
    format::quote_str,
    unicode::{decode_rune, is_digit, is_letter, is_print},
};

/// What a token is. The keywords come last, after [`Kind::Variable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Error,
    Bool,
    /// A printable ASCII character of no other kind, like a comma.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

/// A token: its text is `input[pos..end]`, except for an error, whose text the lexer keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) pos: usize,
    pub(crate) end: usize,
}

impl Token {
    /// As Go's messages show a token.
    pub(crate) fn describe(&self, lexer: &Lexer<'_>) -> String {
        let text = lexer.input.get(self.pos..self.end).unwrap_or_default();
        match self.kind {
            Kind::Error => lexer.error.clone().unwrap_or_default().into(),
            Kind::Eof => "EOF".into(),
            kind if kind > Kind::Variable => format!("<{}>", String::from_utf8_lossy(text)),
            _ if text.len() > 10 => {
                let mut cut = 0;
                for _ in 0..10 {
                    cut += decode_rune(&text[cut..]).1;
                }
                format!("{}...", quote_str(&text[..cut]))
            }
            _ => quote_str(text),
        }
    }
}

/// The lexer; [`Lexer::next`] gives one token after the other.
pub(crate) struct Lexer<'a> {
    pub(crate) input: &'a [u8],
    left: &'a [u8],
    /// Finds the left delimiter.
    next_left: memchr::memmem::Finder<'a>,
    right: &'a [u8],
    pos: usize,
    start: usize,
    paren_depth: usize,
    inside_action: bool,
    /// What ended the text before its end.
    error: Option<Box<str>>,
    /// Whether `break` and `continue` are keywords: not when functions have these names.
    pub(crate) break_keyword: bool,
    pub(crate) continue_keyword: bool,
}

const LEFT_COMMENT: &[u8] = b"/*";
const RIGHT_COMMENT: &[u8] = b"*/";
/// A trim marker is a minus and a space.
const MARKER: usize = 2;

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a [u8], left: &'a str, right: &'a str) -> Self {
        let left: &[u8] = if left.is_empty() { b"{{" } else { left.as_bytes() };
        Self {
            input,
            left,
            next_left: memchr::memmem::Finder::new(left),
            right: if right.is_empty() { b"}}" } else { right.as_bytes() },
            pos: 0,
            start: 0,
            paren_depth: 0,
            inside_action: false,
            error: None,
            break_keyword: true,
            continue_keyword: true,
        }
    }

    /// The next token; after an error or the end only [`Kind::Eof`].
    pub(crate) fn next(&mut self) -> Token {
        if self.error.is_some() {
            return Token {
                kind: Kind::Eof,
                pos: self.start,
                end: self.start,
            };
        }
        if self.inside_action {
            self.action()
        } else {
            self.text()
        }
    }

    /// The line (from 1) of a place.
    pub(crate) fn line(&self, pos: usize) -> usize {
        1 + memchr::memchr_iter(b'\n', &self.input[..pos]).count()
    }

    /// Where the next token begins.
    pub(crate) fn place(&self) -> usize {
        self.start
    }

    /// Whether `define` may be next, after a left delimiter.
    pub(crate) fn may_define(&self) -> bool {
        let rest = self.rest();
        rest[leading_space(rest)..].starts_with(b"define")
    }

    /// After a left delimiter: what stands before the right one, if it is short and on one line. Whether the action
    /// really ends there is for the caller to find out; the same text is always cut in the same way.
    pub(crate) fn action_text(&self) -> Option<&'a [u8]> {
        const LONGEST: usize = 300;
        let rest = self.rest();
        let rest = &rest[..rest.len().min(LONGEST)];
        let rest = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
        let first = *self.right.first()?;
        let mut at = 0;
        loop {
            at += memchr::memchr3(first, b'`', b'"', rest.get(at..)?)?;
            if rest[at..].starts_with(self.right) {
                return Some(&rest[..at]);
            }
            let quote = rest[at];
            at += 1;
            if quote != first {
                at = quoted_end(rest, at, quote)?;
            }
        }
    }

    /// Goes to the end of an action that is a raw string and nothing else: where its content is, and the right
    /// delimiter.
    pub(crate) fn raw_action(&mut self) -> Option<(std::ops::Range<usize>, Token)> {
        let rest = self.rest();
        let open = leading_space(rest);
        let content = rest.get(open..)?.strip_prefix(b"`")?;
        let content = &content[..memchr::memchr(b'`', content)?];
        // Go leaves carriage returns out.
        if content.contains(&b'\r') {
            return None;
        }
        let (begin, before) = (self.pos + open + 1, self.pos);
        let end = begin + content.len();
        self.pos = end + 1;
        let trims = self.seek_right_delim(before)?;
        Some((begin..end, self.right_delim(trims)))
    }

    /// Goes to the end of an action that [`Lexer::action_text`] has told, if it ends there.
    pub(crate) fn skip_action(&mut self, length: usize) -> Token {
        self.pos += length;
        let trims = length >= MARKER && has_right_marker(&self.input[self.pos - MARKER..]);
        self.pos -= if trims { MARKER } else { 0 };
        self.start = self.pos;
        self.right_delim(trims)
    }

    /// Goes to the end of an `end`, if that is next.
    pub(crate) fn end_action(&mut self) -> Option<Token> {
        let rest = self.rest();
        let begin = leading_space(rest);
        rest[begin..].strip_prefix(b"end")?;
        let before = self.pos;
        self.pos += begin + b"end".len();
        let trims = self.seek_right_delim(before)?;
        Some(self.right_delim(trims))
    }

    /// Goes over space to the right delimiter; where there is none, back to `before`. Whether it trims.
    fn seek_right_delim(&mut self, before: usize) -> Option<bool> {
        let mut trims = self.at_right_delim();
        if trims.is_none() {
            self.pos += leading_space(self.rest());
            trims = self.at_right_delim();
        }
        if trims.is_none() {
            self.pos = before;
        }
        self.start = self.pos;
        trims
    }

    fn rest(&self) -> &'a [u8] {
        &self.input[self.pos..]
    }

    fn peek_rune(&self) -> Option<(u32, usize)> {
        (self.pos < self.input.len()).then(|| decode_rune(self.rest()))
    }

    fn next_rune(&mut self) -> Option<u32> {
        let (rune, width) = self.peek_rune()?;
        self.pos += width;
        Some(rune)
    }

    fn accept(&mut self, valid: &[u8]) -> bool {
        let found = self.input.get(self.pos).is_some_and(|byte| valid.contains(byte));
        self.pos += usize::from(found);
        found
    }

    fn accept_run(&mut self, valid: &[u8]) {
        while self.accept(valid) {}
    }

    fn emit(&mut self, kind: Kind) -> Token {
        let token = Token {
            kind,
            pos: self.start,
            end: self.pos,
        };
        self.start = self.pos;
        token
    }

    /// Moves on without a token.
    fn skip(&mut self) {
        self.start = self.pos;
    }

    fn fail(&mut self, message: impl Into<Box<str>>) -> Token {
        self.error = Some(message.into());
        Token {
            kind: Kind::Error,
            pos: self.start,
            end: self.start,
        }
    }

    fn text(&mut self) -> Token {
        loop {
            let Some(offset) = self.next_left.find(self.rest()) else {
                self.pos = self.input.len();
                if self.pos > self.start {
                    return self.emit(Kind::Text);
                }
                return self.emit(Kind::Eof);
            };
            if offset > 0 {
                self.pos += offset;
                let trimmed = if has_left_marker(&self.input[self.pos + self.left.len()..]) {
                    trailing_space(&self.input[self.start..self.pos])
                } else {
                    0
                };
                self.pos -= trimmed;
                let token = self.emit(Kind::Text);
                self.pos += trimmed;
                self.skip();
                if token.end > token.pos {
                    return token;
                }
            }
            if let Some(token) = self.left_delim() {
                return token;
            }
        }
    }

    /// At a left delimiter; `None` after a comment.
    fn left_delim(&mut self) -> Option<Token> {
        self.pos += self.left.len();
        let marker = if has_left_marker(self.rest()) { MARKER } else { 0 };
        if self.input[self.pos + marker..].starts_with(LEFT_COMMENT) {
            self.pos += marker;
            self.skip();
            return self.comment();
        }
        let token = self.emit(Kind::LeftDelim);
        self.inside_action = true;
        self.pos += marker;
        self.skip();
        self.paren_depth = 0;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token> {
        self.pos += LEFT_COMMENT.len();
        let Some(offset) = find(self.rest(), RIGHT_COMMENT) else {
            return Some(self.fail("unclosed comment"));
        };
        self.pos += offset + RIGHT_COMMENT.len();
        let Some(trim) = self.at_right_delim() else {
            return Some(self.fail("comment ends before closing delimiter"));
        };
        self.pos += self.right.len();
        if trim {
            self.pos += MARKER;
            self.pos += leading_space(self.rest());
        }
        self.skip();
        None
    }

    /// Whether a right delimiter is next, and then whether it trims.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        // Most texts begin with neither.
        let first = rest.first()?;
        if *first != self.right[0] && !is_space_byte(*first) {
            return None;
        }
        if has_right_marker(rest) && rest[MARKER..].starts_with(self.right) {
            return Some(true);
        }
        rest.starts_with(self.right).then_some(false)
    }

    fn right_delim(&mut self, trim: bool) -> Token {
        if trim {
            self.pos += MARKER;
            self.skip();
        }
        self.pos += self.right.len();
        let token = self.emit(Kind::RightDelim);
        if trim {
            self.pos += leading_space(self.rest());
            self.skip();
        }
        self.inside_action = false;
        token
    }

    fn action(&mut self) -> Token {
        if let Some(trim) = self.at_right_delim() {
            if self.paren_depth == 0 {
                return self.right_delim(trim);
            }
            return self.fail("unclosed left paren");
        }
        match self.input.get(self.pos) {
            None => return self.fail("unclosed action"),
            Some(b' ' | b'\t' | b'\r' | b'\n') => return self.space(),
            Some(b'.')
                if self
                    .input
                    .get(self.pos + 1)
                    .is_some_and(|byte| !byte.is_ascii_digit()) =>
            {
                self.pos += 1;
                return self.field_or_variable(Kind::Field);
            }
            Some(b'.' | b'+' | b'-' | b'0'..=b'9') => return self.number(),
            Some(byte) if is_word_byte(*byte) => return self.identifier(),
            Some(_) => {}
        }
        let Some((rune, _)) = self.peek_rune() else {
            return self.fail("unclosed action");
        };
        if rune >= 0x80 && is_alphanumeric(rune) {
            return self.identifier();
        }
        self.next_rune();
        match u8::try_from(rune).unwrap_or(0) {
            b'=' => self.emit(Kind::Assign),
            b':' => {
                if self.next_rune() != Some(u32::from(b'=')) {
                    return self.fail("expected :=");
                }
                self.emit(Kind::Declare)
            }
            b'|' => self.emit(Kind::Pipe),
            b'"' => self.quoted(b'"', "unterminated quoted string", Kind::String),
            b'\'' => self.quoted(b'\'', "unterminated character constant", Kind::CharConstant),
            b'`' => self.raw_string(),
            b'$' => self.field_or_variable(Kind::Variable),
            b'(' => {
                self.paren_depth += 1;
                self.emit(Kind::LeftParen)
            }
            b')' => {
                if self.paren_depth == 0 {
                    return self.fail("unexpected right paren");
                }
                self.paren_depth -= 1;
                self.emit(Kind::RightParen)
            }
            _ if rune < 0x80 && is_print(rune) => self.emit(Kind::Char),
            _ => self.fail(format!(
                "unrecognized character in action: {}",
                describe_rune(rune)
            )),
        }
    }

    fn space(&mut self) -> Token {
        let first = self.pos;
        self.pos += leading_space(self.rest());
        // The last space may belong to a trimming delimiter.
        let last = self.pos - 1;
        if has_right_marker(&self.input[last..]) && self.input[last + MARKER..].starts_with(self.right) {
            self.pos = last;
            if last == first {
                return self.right_delim(true);
            }
        }
        self.emit(Kind::Space)
    }

    fn identifier(&mut self) -> Token {
        self.alphanumeric();
        if !self.at_terminator() {
            return self.bad_character();
        }
        let kind = match &self.input[self.start..self.pos] {
            b"block" => Kind::Block,
            b"break" if self.break_keyword => Kind::Break,
            b"continue" if self.continue_keyword => Kind::Continue,
            b"define" => Kind::Define,
            b"else" => Kind::Else,
            b"end" => Kind::End,
            b"if" => Kind::If,
            b"range" => Kind::Range,
            b"nil" => Kind::Nil,
            b"template" => Kind::Template,
            b"with" => Kind::With,
            b"true" | b"false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind)
    }

    fn alphanumeric(&mut self) {
        let is_word = |byte: &&u8| is_word_byte(**byte);
        self.pos += self.rest().iter().take_while(is_word).count();
        if self.input.get(self.pos).is_none_or(u8::is_ascii) {
            return;
        }
        while let Some((rune, width)) = self.peek_rune() {
            if !is_alphanumeric(rune) {
                break;
            }
            self.pos += width;
        }
    }

    /// After the `.` or `$`.
    fn field_or_variable(&mut self, kind: Kind) -> Token {
        if self.at_terminator() {
            return self.emit(if kind == Kind::Variable { kind } else { Kind::Dot });
        }
        self.alphanumeric();
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.emit(kind)
    }

    fn bad_character(&mut self) -> Token {
        let rune = self.peek_rune().map_or(0, |(rune, _)| rune);
        self.fail(format!("bad character {}", describe_rune(rune)))
    }

    /// Whether a word may end here.
    fn at_terminator(&self) -> bool {
        match self.input.get(self.pos) {
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(') => true,
            Some(byte) => *byte == self.right[0] && self.rest().starts_with(self.right),
        }
    }

    /// After the opening quote.
    fn quoted(&mut self, quote: u8, message: &str, kind: Kind) -> Token {
        loop {
            let Some(length) = memchr::memchr3(quote, b'\\', b'\n', self.rest()) else {
                self.pos = self.input.len();
                return self.fail(message);
            };
            self.pos += length + 1;
            match self.input[self.pos - 1] {
                b'\\' if !matches!(self.input.get(self.pos), None | Some(b'\n')) => self.pos += 1,
                byte if byte == quote => return self.emit(kind),
                _ => return self.fail(message),
            }
        }
    }

    fn raw_string(&mut self) -> Token {
        let length = memchr::memchr(b'`', self.rest());
        let end = length.map_or(self.input.len(), |length| self.pos + length + 1);
        self.pos = end;
        if length.is_none() {
            return self.fail("unterminated raw quoted string");
        }
        self.emit(Kind::RawString)
    }

    fn number(&mut self) -> Token {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.input.get(self.pos), Some(b'+' | b'-')) {
            if !self.scan_number() || self.input[self.pos - 1] != b'i' {
                return self.bad_number();
            }
            return self.emit(Kind::Complex);
        }
        self.emit(Kind::Number)
    }

    fn bad_number(&mut self) -> Token {
        let text = quote_str(&self.input[self.start..self.pos]);
        self.fail(format!("bad number syntax: {text}"))
    }

    fn scan_number(&mut self) -> bool {
        let decimal = b"0123456789_";
        self.accept(b"+-");
        let mut digits: &[u8] = decimal;
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = b"0123456789abcdefABCDEF_";
            } else if self.accept(b"oO") {
                digits = b"01234567_";
            } else if self.accept(b"bB") {
                digits = b"01_";
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        let exponent: &[u8] = match digits.len() {
            11 => b"eE",
            23 => b"pP",
            _ => b"",
        };
        if self.accept(exponent) {
            self.accept(b"+-");
            self.accept_run(decimal);
        }
        self.accept(b"i");
        if self.peek_rune().is_some_and(|(rune, _)| is_alphanumeric(rune)) {
            self.next_rune();
            return false;
        }
        true
    }
}

/// Go: `%#U`.
fn describe_rune(rune: u32) -> String {
    match char::from_u32(rune) {
        Some(letter) if is_print(rune) => format!("U+{rune:04X} '{letter}'"),
        _ => format!("U+{rune:04X}"),
    }
}

fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_alphanumeric(rune: u32) -> bool {
    rune == u32::from(b'_') || is_letter(rune) || is_digit(rune)
}

/// The place after the quote that ends the text which begins at `at`.
fn quoted_end(text: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    if quote == b'`' {
        return Some(at + memchr::memchr(quote, text.get(at..)?)? + 1);
    }
    loop {
        at += memchr::memchr2(quote, b'\\', text.get(at..)?)? + 1;
        if text[at - 1] == quote {
            return Some(at);
        }
        at += 1;
    }
}

fn has_left_marker(text: &[u8]) -> bool {
    matches!(text, [b'-', space, ..] if is_space_byte(*space))
}

fn has_right_marker(text: &[u8]) -> bool {
    matches!(text, [space, b'-', ..] if is_space_byte(*space))
}

fn leading_space(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| is_space_byte(byte)).count()
}

fn trailing_space(text: &[u8]) -> usize {
    text.iter().rev().take_while(|&&byte| is_space_byte(byte)).count()
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    memchr::memchr_iter(first, text).find(|at| text[*at..].starts_with(needle))
}
