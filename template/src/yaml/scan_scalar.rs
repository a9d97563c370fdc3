//! Scalars: plain, quoted and block.

use std::borrow::Cow;
use std::ops::Range;

use super::scanner::{Scanned, Scanner};
use super::token::{Mark, ScalarStyle, Token, TokenKind};

/// White space met inside a flow scalar, kept until it is known whether text follows it.
#[derive(Default)]
struct Gap {
    /// Where the blanks of the first line are in the text.
    blanks: Range<usize>,
    first_break: &'static str,
    more_breaks: String,
    broken: bool,
}

impl Gap {
    /// Writes the gap as YAML folds it: blanks stay, one break becomes a space, further breaks stay.
    fn fold_into(&mut self, value: &mut String, text: &str) {
        if self.broken {
            if self.first_break == "\n" {
                if self.more_breaks.is_empty() {
                    value.push(' ');
                }
            } else {
                value.push_str(self.first_break);
            }
            value.push_str(&self.more_breaks);
        } else {
            value.push_str(&text[self.blanks.clone()]);
        }
        *self = Self::default();
    }
}

impl<'a> Scanner<'a> {
    /// A scalar without quotes, up to `: `, ` #`, a flow indicator in flow context, or a lesser indent.
    pub(super) fn scan_plain_scalar(&mut self) -> Scanned<Token<'a>> {
        let start = self.mark;
        let begin = self.position;
        let mut end = start;
        let indent = self.indent + 1;
        // A scalar on one line is a part of the text.
        let mut value = Cow::Borrowed("");
        let mut gap = Gap::default();
        loop {
            if (self.mark.column == 0 && self.at_document_marker()) || self.byte(0) == Some(b'#') {
                break;
            }
            let from = self.position;
            let to = self.plain_word_end();
            if to > from {
                match &mut value {
                    Cow::Borrowed(value) if !gap.broken => *value = &self.text[begin..to],
                    value => {
                        let value = value.to_mut();
                        gap.fold_into(value, self.text);
                        value.push_str(&self.text[from..to]);
                    }
                }
                gap = Gap::default();
                self.advance_to(to);
                end = self.mark;
            }
            if !(self.is_blank(0) || self.is_break(0)) {
                break;
            }
            self.skip_gap(&mut gap, Some((indent, start)))?;
            if self.flow_level == 0 && (self.mark.column as isize) < indent {
                break;
            }
        }
        if gap.broken {
            self.simple_key_allowed = true;
        }
        Ok(Token {
            kind: TokenKind::Scalar {
                value,
                style: ScalarStyle::Plain,
            },
            start,
            end,
        })
    }

    /// Where the characters end that belong to a plain scalar and are not blank.
    fn plain_word_end(&self) -> usize {
        let rest = &self.text.as_bytes()[self.position..];
        let is_letter = |byte: &&u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-'..=b'/');
        let mut ahead = rest.iter().take_while(is_letter).count();
        while match self.byte(ahead) {
            None | Some(b' ' | b'\t' | b'\r' | b'\n') => false,
            Some(b':') => !self.is_blank_or_end(ahead + 1),
            Some(b',' | b'?' | b'[' | b']' | b'{' | b'}') => self.flow_level == 0,
            Some(0..0x80) => true,
            Some(_) => !self.is_break(ahead),
        } {
            ahead += 1;
        }
        self.position + ahead
    }

    /// Collects blanks and breaks; in a plain scalar a tab must not stand in for indentation.
    fn skip_gap(&mut self, gap: &mut Gap, plain: Option<(isize, Mark)>) -> Scanned<()> {
        gap.blanks = self.position..self.position;
        while self.is_blank(0) || self.is_break(0) {
            if self.is_blank(0) {
                if let Some((indent, start)) = plain
                    && gap.broken
                    && (self.mark.column as isize) < indent
                    && self.byte(0) == Some(b'\t')
                {
                    return Err(self.error(start, "found a tab character that violates indentation"));
                }
                self.skip();
                if !gap.broken {
                    gap.blanks.end = self.position;
                }
            } else if gap.broken {
                self.read_line(&mut gap.more_breaks);
            } else {
                gap.first_break = self.take_line();
                gap.broken = true;
            }
        }
        Ok(())
    }

    /// A scalar in single or double quotes.
    pub(super) fn scan_quoted_scalar(&mut self, style: ScalarStyle) -> Scanned<Token<'a>> {
        let start = self.mark;
        let quote = if style == ScalarStyle::SingleQuoted {
            b'\''
        } else {
            b'"'
        };
        self.skip();
        let value = match self.simple_quoted(quote) {
            Some(value) => {
                self.advance_to(self.position + value.len());
                Cow::Borrowed(value)
            }
            None => Cow::Owned(self.folded_quoted(quote, start)?),
        };
        self.skip();
        Ok(Token {
            kind: TokenKind::Scalar { value, style },
            start,
            end: self.mark,
        })
    }

    /// What stands up to the closing quote, if it is ASCII on one line and nothing in it is escaped.
    fn simple_quoted(&self, quote: u8) -> Option<&'a str> {
        let rest = &self.text.as_bytes()[self.position..];
        let is_simple = |byte: &u8| {
            matches!(byte, b' '..=b'~' | b'\t') && *byte != quote && !(*byte == b'\\' && quote == b'"')
        };
        let length = rest.iter().take_while(|byte| is_simple(byte)).count();
        let closed =
            rest.get(length) == Some(&quote) && !(quote == b'\'' && rest.get(length + 1) == Some(&quote));
        closed.then(|| &self.text[self.position..self.position + length])
    }

    /// What stands up to the closing quote, with escapes read and lines folded.
    fn folded_quoted(&mut self, quote: u8, start: Mark) -> Scanned<String> {
        let mut value = String::new();
        loop {
            if self.mark.column == 0 && self.at_document_marker() {
                return Err(self.error(start, "found unexpected document indicator"));
            }
            if self.byte(0).is_none() {
                return Err(self.error(start, "found unexpected end of stream"));
            }
            let mut gap = Gap::default();
            while !self.is_blank_or_end(0) {
                match self.byte(0) {
                    Some(b'\'') if quote == b'\'' && self.byte(1) == Some(b'\'') => {
                        value.push('\'');
                        self.skip();
                        self.skip();
                    }
                    Some(byte) if byte == quote => break,
                    Some(b'\\') if quote == b'"' && self.is_break(1) => {
                        self.skip();
                        self.skip_line();
                        gap.broken = true;
                        break;
                    }
                    Some(b'\\') if quote == b'"' => self.scan_escape(start, &mut value)?,
                    _ => self.read(&mut value),
                }
            }
            if self.byte(0) == Some(quote) {
                return Ok(value);
            }
            self.skip_gap(&mut gap, None)?;
            gap.fold_into(&mut value, self.text);
        }
    }

    fn scan_escape(&mut self, start: Mark, value: &mut String) -> Scanned<()> {
        let simple = match self.byte(1) {
            Some(b'0') => '\0',
            Some(b'a') => '\x07',
            Some(b'b') => '\x08',
            Some(b't' | b'\t') => '\t',
            Some(b'n') => '\n',
            Some(b'v') => '\x0b',
            Some(b'f') => '\x0c',
            Some(b'r') => '\r',
            Some(b'e') => '\x1b',
            Some(byte @ (b' ' | b'"' | b'\'' | b'\\')) => char::from(byte),
            Some(b'N') => '\u{85}',
            Some(b'_') => '\u{a0}',
            Some(b'L') => '\u{2028}',
            Some(b'P') => '\u{2029}',
            Some(b'x') => return self.scan_hex_escape(start, 2, value),
            Some(b'u') => return self.scan_hex_escape(start, 4, value),
            Some(b'U') => return self.scan_hex_escape(start, 8, value),
            _ => return Err(self.error(start, "found unknown escape character")),
        };
        value.push(simple);
        self.skip();
        self.skip();
        Ok(())
    }

    fn scan_hex_escape(&mut self, start: Mark, digits: usize, value: &mut String) -> Scanned<()> {
        self.skip();
        self.skip();
        let mut code = 0u32;
        for ahead in 0..digits {
            let digit = self.byte(ahead).and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.error(start, "did not find expected hexdecimal number"));
            };
            code = code.wrapping_shl(4) | digit;
        }
        let Some(character) = char::from_u32(code) else {
            return Err(self.error(start, "found invalid Unicode character escape code"));
        };
        value.push(character);
        for _ in 0..digits {
            self.skip();
        }
        Ok(())
    }

    /// A `|` or `>` scalar.
    pub(super) fn scan_block_scalar(&mut self, style: ScalarStyle) -> Scanned<Token<'a>> {
        let start = self.mark;
        self.skip();
        let (chomping, increment) = self.scan_block_header(start)?;
        let mut indent = match increment {
            0 => 0,
            increment if self.indent >= 0 => self.indent as usize + increment,
            increment => increment,
        };
        let mut end = self.mark;
        let mut value = String::new();
        let mut leading_break = "";
        let mut trailing_breaks = String::new();
        let mut leading_blank = false;
        self.scan_block_breaks(&mut indent, &mut trailing_breaks, start, &mut end)?;
        while self.mark.column == indent && self.byte(0).is_some() {
            let trailing_blank = self.is_blank(0);
            if style == ScalarStyle::Folded && !leading_blank && !trailing_blank && leading_break == "\n" {
                if trailing_breaks.is_empty() {
                    value.push(' ');
                }
            } else {
                value.push_str(leading_break);
            }
            value.push_str(&trailing_breaks);
            trailing_breaks.clear();
            leading_blank = self.is_blank(0);
            let from = self.position;
            self.skip_to_line_end();
            value.push_str(&self.text[from..self.position]);
            leading_break = self.take_line();
            self.scan_block_breaks(&mut indent, &mut trailing_breaks, start, &mut end)?;
        }
        if chomping != Chomping::Strip {
            value.push_str(leading_break);
        }
        if chomping == Chomping::Keep {
            value.push_str(&trailing_breaks);
        }
        Ok(Token {
            kind: TokenKind::Scalar {
                value: Cow::Owned(value),
                style,
            },
            start,
            end,
        })
    }

    fn scan_block_header(&mut self, start: Mark) -> Scanned<(Chomping, usize)> {
        let mut chomping = None;
        let mut increment = 0;
        for _ in 0..2 {
            match self.byte(0) {
                Some(b'+') if chomping.is_none() => chomping = Some(Chomping::Keep),
                Some(b'-') if chomping.is_none() => chomping = Some(Chomping::Strip),
                Some(b'0') if increment == 0 => {
                    return Err(self.error(start, "found an indentation indicator equal to 0"));
                }
                Some(digit @ b'1'..=b'9') if increment == 0 => increment = usize::from(digit - b'0'),
                _ => break,
            }
            self.skip();
        }
        while self.is_blank(0) {
            self.skip();
        }
        if self.byte(0) == Some(b'#') {
            self.skip_to_line_end();
        }
        if !self.is_break_or_end(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        if self.is_break(0) {
            self.skip_line();
        }
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    /// Eats indentation and empty lines; finds the indent of the block when it is not known yet (0).
    fn scan_block_breaks(
        &mut self,
        indent: &mut usize,
        breaks: &mut String,
        start: Mark,
        end: &mut Mark,
    ) -> Scanned<()> {
        *end = self.mark;
        let mut widest = 0;
        loop {
            while (*indent == 0 || self.mark.column < *indent) && self.byte(0) == Some(b' ') {
                self.skip();
            }
            widest = widest.max(self.mark.column);
            if (*indent == 0 || self.mark.column < *indent) && self.byte(0) == Some(b'\t') {
                return Err(self.error(
                    start,
                    "found a tab character where an indentation space is expected",
                ));
            }
            if !self.is_break(0) {
                break;
            }
            self.read_line(breaks);
            *end = self.mark;
        }
        if *indent == 0 {
            let least = usize::try_from(self.indent + 1).unwrap_or(0).max(1);
            *indent = widest.max(least);
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Clip,
    Strip,
    Keep,
}
