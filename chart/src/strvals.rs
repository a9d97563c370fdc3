//! The language of `--set` and its kin: `a.b[0].c=value,d={x,y}`.
//!
//! Lines change a table of values in place, as Helm 3 does it, down to what a half-written line leaves
//! behind. Whole numbers become `int64`, which templates can tell from the `float64` of a values file.

use kiel_template::Value;
use kiel_template::format::{quote_rune, quote_str};
use kiel_template::json;
use kiel_template::value::{List, Map};

/// Highest index that a list may be given.
const MAX_INDEX: usize = 65_536;
/// How many items all lists of the flags may get together because an index lies beyond their end.
const MAX_FILLED: usize = 2_000_000;
/// Deepest nesting of names.
const MAX_NESTED_NAMES: usize = 30;

/// Why a line can't be read; the texts are Helm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StrvalsError(String);

/// How the text behind `=` becomes a value.
pub(crate) enum Reading<'a> {
    /// `--set`: booleans, null and whole numbers are recognised.
    Typed,
    /// `--set-string`: always text.
    Text,
    /// `--set-file`: what the function makes of the text, which is a path.
    With(&'a mut dyn FnMut(&str) -> Result<Value, String>),
    /// `--set-json`: JSON.
    Json,
    /// `--set-literal`: the rest of the line, without any escapes.
    Literal,
}

/// Applies one line to `values`.
pub(crate) fn apply<'a>(line: &'a str, values: &Map, reading: Reading<'a>) -> Result<(), StrvalsError> {
    Flags::default().apply(line, values, reading)
}

/// The lines of one command, which share a limit.
#[derive(Default)]
pub(crate) struct Flags {
    filled: usize,
}

impl Flags {
    /// Applies one line to `values`.
    pub(crate) fn apply<'a>(
        &mut self,
        line: &'a str,
        values: &Map,
        reading: Reading<'a>,
    ) -> Result<(), StrvalsError> {
        let mut parser = Parser {
            line,
            at: 0,
            reading,
            filled: self.filled,
        };
        let stop = loop {
            if let Err(stop) = parser.key(values, 0) {
                break stop;
            }
        };
        self.filled = parser.filled;
        match stop {
            Stop::End => Ok(()),
            Stop::Error(text) => Err(StrvalsError(text)),
        }
    }
}

/// Why parsing of a part ends early.
enum Stop {
    /// The line ended.
    End,
    /// The line is wrong.
    Error(String),
}

fn error<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Error(text.into()))
}

fn quoted(text: &str) -> String {
    quote_str(text.as_bytes())
}

/// Go: `%q` of the runes.
fn quoted_runes(text: &str) -> String {
    let runes: Vec<_> = text.chars().map(|rune| quote_rune(u32::from(rune))).collect();
    format!("[{}]", runes.join(" "))
}

struct Parser<'a> {
    line: &'a str,
    at: usize,
    reading: Reading<'a>,
    /// Items that were made to fill lists up to an index.
    filled: usize,
}

/// Text up to a stop character, which is `None` at the end of the line.
struct Piece {
    text: String,
    stop: Option<char>,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.line[self.at..].chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.line[self.at..].chars().next()
    }

    fn is_literal(&self) -> bool {
        matches!(self.reading, Reading::Literal)
    }

    fn until(&mut self, stops: &[char]) -> Piece {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if stops.contains(&c) {
                return Piece { text, stop: Some(c) };
            }
            if c == '\\' && !self.is_literal() {
                match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => break,
                }
            } else {
                text.push(c);
            }
        }
        Piece { text, stop: None }
    }

    /// Reads one `key…=value` into `data`.
    fn key(&mut self, data: &Map, nesting: usize) -> Result<(), Stop> {
        let stops: &[char] = if self.is_literal() {
            &['=', '[', '.']
        } else {
            &['=', '[', ',', '.']
        };
        let Piece { text: key, stop } = self.until(stops);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => error(format!("key {} has no value", quoted(&key))),
            Some('[') => self.indexed(data, &key, nesting),
            Some('=') => self.assign(data, &key),
            Some(',') => {
                set(data, &key, Value::from(""));
                error(format!("key {} has no value (cannot end with ,)", quoted(&key)))
            }
            Some(_) => self.nested(data, &key, nesting),
        }
    }

    fn indexed(&mut self, data: &Map, key: &str, nesting: usize) -> Result<(), Stop> {
        let index = self.index()?;
        let mut list = match data.get(key) {
            Some(Value::List(list)) => list.to_vec(),
            Some(other) => return error(conversion(&other, "[]interface {}")),
            None => Vec::new(),
        };
        let outcome = self.list_item(&mut list, index, nesting);
        set(data, key, Value::list(list));
        outcome
    }

    fn assign(&mut self, data: &Map, key: &str) -> Result<(), Stop> {
        match self.reading {
            Reading::Json => {
                let value = self.json()?;
                set(data, key, value);
                self.skip_to_next();
                Ok(())
            }
            Reading::Literal => {
                let text = self.until(&[]).text;
                set(data, key, Value::from(text));
                Ok(())
            }
            _ if self.peek().is_none() => {
                set(data, key, Value::from(""));
                Err(Stop::End)
            }
            _ => {
                let value = self.list_or_scalar()?;
                set(data, key, value);
                Ok(())
            }
        }
    }

    fn nested(&mut self, data: &Map, key: &str, nesting: usize) -> Result<(), Stop> {
        if nesting + 1 > MAX_NESTED_NAMES {
            return error(format!(
                "value name nested level is greater than maximum supported nested level of {MAX_NESTED_NAMES}"
            ));
        }
        let inner = match data.get(key) {
            Some(Value::Map(map)) => map,
            Some(other) => return error(conversion(&other, "map[string]interface {}")),
            None => Map::new(),
        };
        let outcome = self.key(&inner, nesting + 1);
        if outcome.is_ok() && inner.is_empty() {
            return error(format!("key map {} has no value", quoted(key)));
        }
        if !inner.is_empty() {
            set(data, key, Value::Map(inner));
        }
        outcome
    }

    fn index(&mut self) -> Result<i64, Stop> {
        let Piece { text, stop } = self.until(&[']']);
        if stop.is_none() {
            return error("error parsing index: EOF");
        }
        let digits = text.strip_prefix('+').unwrap_or(&text);
        match digits.parse() {
            Ok(index) if !digits.starts_with('+') => Ok(index),
            _ => error(format!(
                "error parsing index: strconv.Atoi: parsing {}: invalid syntax",
                quoted(&text)
            )),
        }
    }

    fn list_item(&mut self, list: &mut Vec<Value>, index: i64, nesting: usize) -> Result<(), Stop> {
        let Ok(place) = usize::try_from(index) else {
            return error(format!("negative {index} index not allowed"));
        };
        let Piece { text, stop } = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            return error(format!(
                "unexpected data at end of array index: {}",
                quoted_runes(&text)
            ));
        }
        match stop {
            None => Err(Stop::End),
            Some('=') => {
                let value = match self.reading {
                    Reading::Json => self.json()?,
                    Reading::Literal => Value::from(self.until(&[]).text),
                    _ if self.peek().is_none() => Value::from(""),
                    _ => self.list_or_scalar()?,
                };
                self.set_index(list, place, value)?;
                if matches!(self.reading, Reading::Json) {
                    self.skip_to_next();
                }
                Ok(())
            }
            Some('[') => {
                let next = self.index()?;
                let mut inner = match list.get(place) {
                    Some(Value::List(inner)) => inner.to_vec(),
                    None | Some(Value::Nil) => Vec::new(),
                    Some(other) => return error(conversion(other, "[]interface {}")),
                };
                self.list_item(&mut inner, next, nesting)?;
                self.set_index(list, place, Value::list(inner))
            }
            Some(_) => {
                let inner = match list.get(place) {
                    Some(Value::Map(inner)) => inner.clone(),
                    _ => Map::new(),
                };
                if let Some(slot) = list.get_mut(place) {
                    *slot = Value::Map(inner.clone());
                }
                self.key(&inner, nesting)?;
                self.set_index(list, place, Value::Map(inner))
            }
        }
    }

    fn set_index(&mut self, list: &mut Vec<Value>, index: usize, value: Value) -> Result<(), Stop> {
        if index > MAX_INDEX {
            return error(format!(
                "index of {index} is greater than maximum supported index of {MAX_INDEX}"
            ));
        }
        if list.len() <= index {
            self.filled += index - list.len();
            if self.filled > MAX_FILLED {
                return error(format!(
                    "lists are filled up to their indices with more than the limit of {MAX_FILLED} items"
                ));
            }
            list.resize(index + 1, Value::Nil);
        }
        list[index] = value;
        Ok(())
    }

    fn list_or_scalar(&mut self) -> Result<Value, Stop> {
        if self.peek() != Some('{') {
            let text = self.until(&[',']).text;
            return self.value(&text);
        }
        self.next();
        let mut items = Vec::new();
        loop {
            let Piece { text, stop } = self.until(&[',', '}']);
            match stop {
                None => return error("list must terminate with '}'"),
                Some('}') => {
                    if self.peek() == Some(',') {
                        self.next();
                    }
                    items.push(self.value(&text)?);
                    return Ok(Value::List(List::new(items)));
                }
                Some(_) => items.push(self.value(&text)?),
            }
        }
    }

    fn value(&mut self, text: &str) -> Result<Value, Stop> {
        match &mut self.reading {
            Reading::Typed => Ok(typed(text)),
            Reading::With(read) => read(text).map_err(Stop::Error),
            Reading::Text | Reading::Json | Reading::Literal => Ok(Value::from(text)),
        }
    }

    /// A JSON value at the front of what is left; nothing before a comma or the end is null.
    fn json(&mut self) -> Result<Value, Stop> {
        let rest = self.line[self.at..].trim_start();
        if rest.is_empty() || rest.starts_with(',') {
            return Ok(Value::Nil);
        }
        match json::from_prefix(rest.as_bytes()) {
            Ok((value, length)) => {
                self.at = self.line.len() - rest.len() + length;
                Ok(value)
            }
            Err(cause) => error(cause.to_string()),
        }
    }

    /// Takes blanks and one comma.
    fn skip_to_next(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
        if self.peek() == Some(',') {
            self.next();
        }
    }
}

/// An empty key sets nothing.
fn set(data: &Map, key: &str, value: Value) {
    if !key.is_empty() {
        data.insert(key, value);
    }
}

/// Go's panic of a failed type assertion, as Helm words it.
fn conversion(found: &Value, wanted: &str) -> String {
    let found = if found.is_nil() { "nil" } else { found.type_name() };
    format!("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}")
}

fn typed(text: &str) -> Value {
    if text.eq_ignore_ascii_case("true") {
        Value::Bool(true)
    } else if text.eq_ignore_ascii_case("false") {
        Value::Bool(false)
    } else if text.eq_ignore_ascii_case("null") {
        Value::Nil
    } else if text == "0" {
        Value::int64(0)
    } else {
        match text.parse() {
            // A leading zero is more often a code than a number.
            Ok(number) if !text.starts_with('0') => Value::int64(number),
            _ => Value::from(text),
        }
    }
}

#[cfg(test)]
mod tests;
