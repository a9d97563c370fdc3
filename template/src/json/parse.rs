//! Reading JSON with Go's messages.

use crate::number;
use crate::value::{Entries, Map, Str, Value};

use super::JsonError;

/// Deepest nesting that is read. Go stops at 10000; this reader is recursive.
const MAX_DEPTH: usize = 1_000;

/// Go: `json.Unmarshal` into an `interface {}`: all numbers are `float64`, of equal keys the last one counts.
///
/// # Errors
/// Go's texts: `unexpected end of JSON input`, `invalid character 'x' looking for beginning of value`.
pub fn from_str(text: &[u8]) -> Result<Value, JsonError> {
    let (value, overflow) = read(text)?;
    overflow.map_or(Ok(value), Err)
}

/// The value, null for numbers that no `float64` holds, and the error about the first of those. Go checks the syntax
/// of the whole text before it looks at numbers.
pub(crate) fn read(text: &[u8]) -> Result<(Value, Option<JsonError>), JsonError> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        overflow: None,
    };
    reader.skip_blanks();
    let value = reader.value()?;
    reader.skip_blanks();
    if reader.at < text.len() {
        return Err(reader.unexpected("after top-level value"));
    }
    Ok((value, reader.overflow))
}

/// The value at the start of a text, and how many bytes it takes.
///
/// # Errors
/// As [`from_str`]; a number that no `float64` holds is an error too.
pub fn from_prefix(text: &[u8]) -> Result<(Value, usize), JsonError> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        overflow: None,
    };
    reader.skip_blanks();
    let value = reader.value()?;
    match reader.overflow {
        Some(error) => Err(error),
        None => Ok((value, reader.at)),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    overflow: Option<JsonError>,
}

type Read<T> = Result<T, JsonError>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The error about the byte here, between values.
    fn unexpected(&self, context: &str) -> JsonError {
        if self.peek().is_none() {
            return JsonError("unexpected end of JSON input".to_owned());
        }
        self.unexpected_within(context)
    }

    /// The error about the byte here, within a value. Go: the end is a blank there.
    fn unexpected_within(&self, context: &str) -> JsonError {
        let byte = self.peek().unwrap_or(b' ');
        let quoted = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            byte => {
                // Go quotes the byte as if it were a character of its own.
                let text = crate::format::quote_str(char::from(byte).to_string().as_bytes());
                format!("'{}'", &text[1..text.len() - 1])
            }
        };
        JsonError(format!("invalid character {quoted} {context}"))
    }

    fn value(&mut self) -> Read<Value> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Value::Str(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Nil),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Value>) -> Read<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(JsonError("exceeded max depth".to_owned()));
        }
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Read<Value> {
        let mut entries = Entries::new();
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(Map::typed(&crate::value::ANY_MAP, entries)));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.skip_blanks();
            let value = self.value()?;
            entries.insert(key, value);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
        self.at += 1;
        Ok(Value::Map(Map::typed(&crate::value::ANY_MAP, entries)))
    }

    fn array(&mut self) -> Read<Value> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::list(items));
        }
        loop {
            self.skip_blanks();
            items.push(self.value()?);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("after array element")),
            }
        }
        self.at += 1;
        Ok(Value::list(items))
    }

    fn word(&mut self, word: &str, value: Value) -> Read<Value> {
        for expected in word.chars() {
            if self.peek().map(char::from) != Some(expected) {
                return Err(self.unexpected_within(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected_within("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected_within("after decimal point in numeric literal"));
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected_within("in exponent of numeric literal"));
            }
            self.digits();
        }
        let literal = String::from_utf8_lossy(&self.text[start..self.at]);
        if let Some(value) = number::parse_float(&literal) {
            return Ok(Value::Float(value));
        }
        let error = format!("json: cannot unmarshal number {literal} into Go value of type float64");
        self.overflow.get_or_insert(JsonError(error));
        Ok(Value::Nil)
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Read<Str> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..0x20)) {
                self.at += 1;
            }
            for chunk in self.text[start..self.at].utf8_chunks() {
                out.push_str(chunk.valid());
                out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut out)?,
                _ => return Err(self.unexpected("in string literal")),
            }
        }
        self.at += 1;
        Ok(out.into())
    }

    fn escape(&mut self, out: &mut String) -> Read<()> {
        self.at += 1;
        let character = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(out),
            _ => return Err(self.unexpected_within("in string escape code")),
        };
        self.at += 1;
        out.push(character);
        Ok(())
    }

    fn unicode_escape(&mut self, out: &mut String) -> Read<()> {
        self.at += 1;
        let first = self.hex_digits()?;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.hex_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                code = 0x10000 + ((first - 0xd800) << 10 | (second - 0xdc00));
            } else {
                // Go: only the first half is replaced, the second escape is read on its own.
                self.at = before;
            }
        }
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    fn hex_digits(&mut self) -> Read<u32> {
        let mut code = 0;
        for _ in 0..4 {
            match self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => code = code << 4 | digit,
                None => return Err(self.unexpected_within("in \\u hexadecimal character escape")),
            }
            self.at += 1;
        }
        Ok(code)
    }
}
