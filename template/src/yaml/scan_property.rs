//! Anchors, aliases, tags and directives.

use super::error::YamlError;
use super::scanner::{Scanned, Scanner};
use super::token::{Mark, Token, TokenKind};

impl<'a> Scanner<'a> {
    pub(super) fn scan_anchor(&mut self) -> Scanned<Token<'a>> {
        let start = self.mark;
        let is_alias = self.byte(0) == Some(b'*');
        self.skip();
        let name = self.read_word();
        let ends = self.is_blank_or_end(0)
            || matches!(
                self.byte(0),
                Some(b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`')
            );
        if name.is_empty() || !ends {
            return Err(self.error(start, "did not find expected alphabetic or numeric character"));
        }
        let kind = if is_alias {
            TokenKind::Alias(name)
        } else {
            TokenKind::Anchor(name)
        };
        Ok(Token {
            kind,
            start,
            end: self.mark,
        })
    }

    pub(super) fn scan_tag(&mut self) -> Scanned<Token<'a>> {
        let start = self.mark;
        let (handle, suffix) = if self.byte(1) == Some(b'<') {
            self.skip();
            self.skip();
            let suffix = self.scan_tag_uri("", start)?;
            if self.byte(0) != Some(b'>') {
                return Err(self.error(start, "did not find the expected '>'"));
            }
            self.skip();
            (String::new(), suffix)
        } else {
            let handle = self.scan_tag_handle(false, start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_tag_uri("", start)?;
                (handle, suffix)
            } else {
                let suffix = self.scan_tag_uri(&handle, start)?;
                // A lone `!` is the non-specific tag.
                if suffix.is_empty() {
                    (String::new(), "!".to_owned())
                } else {
                    ("!".to_owned(), suffix)
                }
            }
        };
        if !self.is_blank_or_end(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        Ok(Token {
            kind: TokenKind::Tag { handle, suffix },
            start,
            end: self.mark,
        })
    }

    pub(super) fn scan_directive(&mut self) -> Scanned<Token<'a>> {
        let start = self.mark;
        self.skip();
        let name = self.read_word();
        if name.is_empty() {
            return Err(self.error(start, "could not find expected directive name"));
        }
        if !self.is_blank_or_end(0) {
            return Err(self.error(start, "found unexpected non-alphabetical character"));
        }
        let kind = match name.as_str() {
            "YAML" => {
                self.skip_blanks();
                let major = self.scan_version_number(start)?;
                if self.byte(0) != Some(b'.') {
                    return Err(self.error(start, "did not find expected digit or '.' character"));
                }
                self.skip();
                TokenKind::VersionDirective {
                    major,
                    minor: self.scan_version_number(start)?,
                }
            }
            "TAG" => self.scan_tag_directive(start)?,
            _ => return Err(self.error(start, "found unknown directive name")),
        };
        let end = self.mark;
        self.skip_blanks();
        if self.byte(0) == Some(b'#') {
            self.skip_to_line_end();
        }
        if !self.is_break_or_end(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        if self.is_break(0) {
            self.skip_line();
        }
        Ok(Token { kind, start, end })
    }

    fn scan_version_number(&mut self, start: Mark) -> Scanned<u32> {
        let mut number = 0;
        let mut digits = 0;
        while let Some(digit @ b'0'..=b'9') = self.byte(0) {
            digits += 1;
            if digits > 2 {
                return Err(self.error(start, "found extremely long version number"));
            }
            number = number * 10 + u32::from(digit - b'0');
            self.skip();
        }
        if digits == 0 {
            return Err(self.error(start, "did not find expected version number"));
        }
        Ok(number)
    }

    fn scan_tag_directive(&mut self, start: Mark) -> Scanned<TokenKind<'a>> {
        self.skip_blanks();
        let handle = self.scan_tag_handle(true, start)?;
        if !self.is_blank(0) {
            return Err(self.error(start, "did not find expected whitespace"));
        }
        self.skip_blanks();
        let prefix = self.scan_tag_uri("", start)?;
        if !self.is_blank_or_end(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        Ok(TokenKind::TagDirective { handle, prefix })
    }

    fn scan_tag_handle(&mut self, directive: bool, start: Mark) -> Scanned<String> {
        if self.byte(0) != Some(b'!') {
            return Err(self.error(start, "did not find expected '!'"));
        }
        let mut handle = String::new();
        self.read(&mut handle);
        handle.push_str(&self.read_word());
        if self.byte(0) == Some(b'!') {
            self.read(&mut handle);
        } else if directive && handle != "!" {
            return Err(self.error(start, "did not find expected '!'"));
        }
        Ok(handle)
    }

    /// The rest of a tag; `head` is a handle that turned out to be the tag's beginning.
    fn scan_tag_uri(&mut self, head: &str, start: Mark) -> Scanned<String> {
        let mut uri = Vec::from(head.get(1..).unwrap_or_default());
        let mut any = !head.is_empty();
        while let Some(byte) = self.byte(0) {
            match byte {
                b'%' => uri.push(self.scan_uri_escape(start)?),
                byte if is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) => {
                    uri.push(byte);
                    self.skip();
                }
                _ => break,
            }
            any = true;
        }
        if !any {
            return Err(self.error(start, "did not find expected tag URI"));
        }
        Ok(String::from_utf8_lossy(&uri).into_owned())
    }

    fn scan_uri_escape(&mut self, start: Mark) -> Scanned<u8> {
        let digit = |ahead| self.byte(ahead).and_then(|byte| char::from(byte).to_digit(16));
        let octet = match (digit(1), digit(2)) {
            (Some(high), Some(low)) => u8::try_from(high << 4 | low).unwrap_or_default(),
            _ => return Err(self.error(start, "did not find URI escaped octet")),
        };
        for _ in 0..3 {
            self.skip();
        }
        Ok(octet)
    }

    fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip();
        }
    }

    fn read_word(&mut self) -> String {
        let from = self.position;
        while self.byte(0).is_some_and(is_word) {
            self.skip();
        }
        self.text[from..self.position].to_owned()
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// The error of a tag whose handle no `%TAG` line declares.
pub(super) fn undefined_handle(start: Mark, at: Mark) -> YamlError {
    YamlError::grammar("found undefined tag handle", Some(start), at)
}
