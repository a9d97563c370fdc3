//! Character classes.

use super::translate::Translator;

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

impl Translator<'_> {
    /// `[…]`. Inside, everything that is not one of Go's constructs is literal, `[` and `&` too.
    pub(super) fn class(&mut self) -> Result<(), String> {
        let start = self.rest;
        self.rest = &self.rest[1..];
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.out.push('^');
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            if self.rest.is_empty() {
                return Err(format!("missing closing ]: `{start}`"));
            }
            first = false;
            if self.rest.starts_with("[:") && self.posix_class()? {
                continue;
            }
            match self.rest.as_bytes() {
                [b'\\', b'd' | b'D' | b's' | b'S' | b'w' | b'W', ..] => {
                    self.perl_class();
                    continue;
                }
                [b'\\', b'p' | b'P', ..] => {
                    self.unicode_class()?;
                    continue;
                }
                _ => {}
            }
            self.range(start)?;
        }
        self.rest = &self.rest[1..];
        self.out.push(']');
        Ok(())
    }

    fn range(&mut self, class: &str) -> Result<(), String> {
        let start = self.rest;
        let low = self.class_character(class)?;
        let mut high = low;
        if self.rest.starts_with('-') && self.rest.len() > 1 && !self.rest.starts_with("-]") {
            self.rest = &self.rest[1..];
            high = self.class_character(class)?;
            if high < low {
                let text = &start[..start.len() - self.rest.len()];
                return Err(format!("invalid character class range: `{text}`"));
            }
        }
        self.literal(low);
        if high != low {
            self.out.push('-');
            self.literal(high);
        }
        Ok(())
    }

    fn class_character(&mut self, class: &str) -> Result<char, String> {
        match self.rest.chars().next() {
            None => Err(format!("missing closing ]: `{class}`")),
            Some('\\') => self.escaped_character(),
            Some(character) => {
                self.rest = &self.rest[character.len_utf8()..];
                Ok(character)
            }
        }
    }

    /// `[:alpha:]`; false if there is no `:]`, and the bracket is literal.
    fn posix_class(&mut self) -> Result<bool, String> {
        let Some(end) = self.rest[2..].find(":]") else {
            return Ok(false);
        };
        let whole = &self.rest[..2 + end + 2];
        let name = &self.rest[2..2 + end];
        if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("invalid character class range: `{whole}`"));
        }
        self.out.push_str(whole);
        self.rest = &self.rest[whole.len()..];
        Ok(true)
    }

    /// `\d` and its kin, which mean ASCII in Go; written for the inside of a class.
    pub(super) fn perl_class(&mut self) {
        self.out.push_str(match self.rest.as_bytes().get(1) {
            Some(b'd') => "0-9",
            Some(b'D') => "[^0-9]",
            Some(b's') => r"\t\n\x0c\r\x20",
            Some(b'S') => r"[^\t\n\x0c\r\x20]",
            Some(b'w') => "0-9A-Za-z_",
            _ => "[^0-9A-Za-z_]",
        });
        self.rest = &self.rest[2..];
    }

    /// `\pL` or `\p{Greek}`.
    pub(super) fn unicode_class(&mut self) -> Result<(), String> {
        let start = self.rest;
        let body = &start[2..];
        let length = match body.chars().next() {
            Some('{') => match body.find('}') {
                Some(end) => end + 1,
                None => return Err(format!("invalid character class range: `{start}`")),
            },
            Some(letter) => letter.len_utf8(),
            None => return Err(format!("invalid character class range: `{start}`")),
        };
        let whole = &start[..2 + length];
        let written = match whole[2..].strip_prefix("{^") {
            Some(name) if whole.starts_with("\\p") => format!("\\P{{{name}"),
            Some(name) => format!("\\p{{{name}"),
            None => whole.to_owned(),
        };
        if regex::Regex::new(&written).is_err() {
            return Err(format!("invalid character class range: `{whole}`"));
        }
        self.out.push_str(&written);
        self.rest = &start[whole.len()..];
        Ok(())
    }
}
