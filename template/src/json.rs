//! JSON as Go's `encoding/json` writes and reads it.
//!
//! Keys are sorted, `<`, `>` and `&` are escaped unless the raw form is asked for, numbers are laid out as Go
//! does, and the messages about bad JSON are Go's.

mod parse;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::number;
use crate::value::{MAX_NESTING, Value, Visits};

pub(crate) use parse::read;
pub use parse::{from_prefix, from_str};

/// Why something is not, or cannot be, JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(pub(crate) String);

const TOO_LONG: &str = "the JSON is longer than the limit of 33554432 bytes";

impl JsonError {
    fn too_long() -> Self {
        Self(TOO_LONG.to_owned())
    }

    /// Whether there were too many values, or the text was longer than any chart's.
    pub(crate) fn is_too_long(&self) -> bool {
        self.0 == TOO_LONG
    }
}

/// Go: `json.Marshal`.
///
/// # Errors
/// NaN, infinities, functions, complex numbers and cycles have no JSON.
pub fn to_string(value: &Value) -> Result<String, JsonError> {
    write(
        value,
        Format {
            escape_html: true,
            indent: None,
        },
    )
}

/// Go: `json.MarshalIndent(value, "", "  ")`.
///
/// # Errors
/// As [`to_string`].
pub fn to_string_pretty(value: &Value) -> Result<String, JsonError> {
    write(
        value,
        Format {
            escape_html: true,
            indent: Some("  "),
        },
    )
}

/// Go: an encoder with `SetEscapeHTML(false)`, without its final line break.
///
/// # Errors
/// As [`to_string`].
pub fn to_string_raw(value: &Value) -> Result<String, JsonError> {
    write(
        value,
        Format {
            escape_html: false,
            indent: None,
        },
    )
}

#[derive(Clone, Copy)]
struct Format {
    escape_html: bool,
    indent: Option<&'static str>,
}

fn write(value: &Value, format: Format) -> Result<String, JsonError> {
    let mut writer = Writer {
        out: String::new(),
        format,
        depth: 0,
        visits: Visits::new(),
    };
    writer.value(value)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    format: Format,
    depth: usize,
    visits: Visits,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), JsonError> {
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Int(value, _) => self.out.push_str(&value.to_string()),
            Value::Uint(value, _) => self.out.push_str(&value.to_string()),
            Value::Float(value) => self.float(*value)?,
            Value::Str(text) => self.text(text.as_bytes()),
            Value::Bytes(bytes) => self.text(STANDARD.encode(bytes).as_bytes()),
            Value::Complex(..) | Value::Func(_) => {
                return Err(JsonError(format!(
                    "json: unsupported type: {}",
                    value.type_name()
                )));
            }
            Value::Object(object) => self.json(&object.to_json())?,
            Value::List(list) => match list.borrow() {
                None => self.out.push_str("null"),
                Some(items) => {
                    self.enter('[', value.type_name())?;
                    for (at, item) in items.iter().enumerate() {
                        self.separate(at);
                        self.value(item)?;
                    }
                    self.leave(']', items.is_empty());
                }
            },
            Value::Map(map) => match map.borrow() {
                None => self.out.push_str("null"),
                Some(entries) => {
                    self.enter('{', value.type_name())?;
                    for (at, (key, value)) in entries.iter().enumerate() {
                        self.separate(at);
                        self.text(key.as_bytes());
                        self.colon();
                        self.value(value)?;
                    }
                    self.leave('}', entries.is_empty());
                }
            },
        }
        Ok(())
    }

    /// What an object of its own type says it is; the order of its fields is kept.
    fn json(&mut self, value: &serde_json::Value) -> Result<(), JsonError> {
        match value {
            serde_json::Value::Null => self.out.push_str("null"),
            serde_json::Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            serde_json::Value::Number(number) => match number.as_f64() {
                Some(value) if number.is_f64() => self.float(value)?,
                _ => self.out.push_str(&number.to_string()),
            },
            serde_json::Value::String(text) => self.text(text.as_bytes()),
            serde_json::Value::Array(items) => {
                self.enter('[', "[]interface {}")?;
                for (at, item) in items.iter().enumerate() {
                    self.separate(at);
                    self.json(item)?;
                }
                self.leave(']', items.is_empty());
            }
            serde_json::Value::Object(entries) => {
                self.enter('{', "map[string]interface {}")?;
                for (at, (key, value)) in entries.iter().enumerate() {
                    self.separate(at);
                    self.text(key.as_bytes());
                    self.colon();
                    self.json(value)?;
                }
                self.leave('}', entries.is_empty());
            }
        }
        Ok(())
    }

    fn float(&mut self, value: f64) -> Result<(), JsonError> {
        if let Some(name) = number::non_finite(value) {
            return Err(JsonError(format!("json: unsupported value: {name}")));
        }
        self.out.push_str(&number::json(value));
        Ok(())
    }

    fn text(&mut self, bytes: &[u8]) {
        self.out.push('"');
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                self.character(character);
            }
            // Go: each byte that is not UTF-8 becomes one replacement, written as an escape.
            for _ in chunk.invalid() {
                self.out.push_str("\\ufffd");
            }
        }
        self.out.push('"');
    }

    fn character(&mut self, character: char) {
        match character {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            '\u{8}' => self.out.push_str("\\b"),
            '\u{c}' => self.out.push_str("\\f"),
            '<' | '>' | '&' if !self.format.escape_html => self.out.push(character),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                self.out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => self.out.push(character),
        }
    }

    fn enter(&mut self, bracket: char, type_name: &str) -> Result<(), JsonError> {
        self.depth += 1;
        if self.out.len() > crate::exec::MAX_TEXT || !self.visits.allow() {
            return Err(JsonError::too_long());
        }
        if self.depth > MAX_NESTING {
            return Err(JsonError(format!(
                "json: unsupported value: encountered a cycle via {type_name}"
            )));
        }
        self.out.push(bracket);
        Ok(())
    }

    fn leave(&mut self, bracket: char, empty: bool) {
        self.depth -= 1;
        if !empty {
            self.new_line();
        }
        self.out.push(bracket);
    }

    fn separate(&mut self, at: usize) {
        if at > 0 {
            self.out.push(',');
        }
        self.new_line();
    }

    fn colon(&mut self) {
        self.out
            .push_str(if self.format.indent.is_some() { ": " } else { ":" });
    }

    fn new_line(&mut self) {
        if let Some(indent) = self.format.indent {
            self.out.push('\n');
            for _ in 0..self.depth {
                self.out.push_str(indent);
            }
        }
    }
}

#[cfg(test)]
mod tests;
