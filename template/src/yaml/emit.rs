//! Values to YAML as Helm's `toYaml` writes them.
//!
//! Helm encodes to JSON, reads that as YAML and writes it with go-yaml v2. The result is written here in one
//! go; what the detour changes or loses (characters that a YAML stream must not hold, long keys, `-0`) is
//! reproduced. Layout: indent 2, sequences in mappings not indented, lines folded after column 80.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::number;
use crate::value::{MAX_NESTING, Object, Value, Visits};

use super::emit_scalar::{Analysis, Style, fold_next_lines};
use super::key_order;

/// Why a value has no YAML. Helm's `toYaml` gives an empty text then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// There are too many values, or the text is longer than any chart's.
    #[error("the YAML is longer than the limit of {} bytes", crate::exec::MAX_TEXT)]
    TooLong,
    /// JSON has no such number or type.
    #[error("json: unsupported value: {0}")]
    Unsupported(String),
    /// go-yaml v3 writes no such type.
    #[error("cannot marshal type: {0}")]
    Type(String),
    /// Go's reader refuses the JSON on the way.
    #[error("yaml: {0}")]
    Refused(&'static str),
}

/// `toYaml` without its final line break trimmed off: block style, indent 2, keys in natural order.
///
/// # Errors
/// Where Helm's `toYaml` gives an empty text: NaN and infinities, functions, strings with control characters
/// that YAML must not hold, keys of more than 1024 characters, deep or cyclic nesting.
pub fn to_string(value: &Value) -> Result<String, EmitError> {
    emit_document(value)
}

/// As [`to_string`], for a JSON value.
///
/// # Errors
/// As [`to_string`].
pub fn json_to_string(value: &serde_json::Value) -> Result<String, EmitError> {
    emit_document(value)
}

/// As [`json_to_string`], with lines as long as their texts: for people and for diffs.
///
/// # Errors
/// As [`to_string`].
pub fn json_to_wide_string(value: &serde_json::Value) -> Result<String, EmitError> {
    finish(
        value,
        Emitter {
            wide: true,
            ..Emitter::default()
        },
    )
}

/// `toYamlPretty`, by go-yaml v3: sequences in mappings are indented, lines are not folded, values are
/// written without the way through JSON.
///
/// # Errors
/// Functions and cyclic nesting.
pub fn to_string_pretty(value: &Value) -> Result<String, EmitError> {
    emit_with(value, true)
}

fn emit_document(value: &impl Emit) -> Result<String, EmitError> {
    emit_with(value, false)
}

fn emit_with(value: &impl Emit, pretty: bool) -> Result<String, EmitError> {
    finish(
        value,
        Emitter {
            pretty,
            ..Emitter::default()
        },
    )
}

fn finish(value: &impl Emit, mut emitter: Emitter) -> Result<String, EmitError> {
    value.emit(&mut emitter, Place::Root)?;
    emitter.write_indent();
    Ok(emitter.out)
}

/// Where a node stands, which decides about layout.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Item,
    Key { simple: bool },
    MapValue,
}

/// What can be written.
trait Emit {
    fn emit(&self, emitter: &mut Emitter, place: Place) -> Result<(), EmitError>;
}

impl Emit for Value {
    fn emit(&self, emitter: &mut Emitter, place: Place) -> Result<(), EmitError> {
        match self {
            Value::List(list) => match list.borrow() {
                None if emitter.pretty => emitter.literal("[]"),
                None => emitter.literal("null"),
                Some(items) => emitter.sequence(items.iter(), place)?,
            },
            Value::Map(map) => match map.borrow() {
                None if emitter.pretty => emitter.literal("{}"),
                None => emitter.literal("null"),
                Some(entries) => {
                    let entries = entries
                        .iter()
                        .map(|(key, value)| (key.to_lossy(), value))
                        .collect();
                    emitter.mapping(entries, place)?;
                }
            },
            other => return emit_leaf(other, emitter, place),
        }
        Ok(())
    }
}

/// Everything that holds no other values; apart from the walk, whose frames are many.
#[inline(never)]
fn emit_leaf(value: &Value, emitter: &mut Emitter, place: Place) -> Result<(), EmitError> {
    match value {
        Value::Str(_) | Value::Bytes(_) | Value::Object(_) | Value::Complex(..) if emitter.pretty => {
            return emit_pretty(value, emitter, place);
        }
        Value::Bool(value) => emitter.literal(if *value { "true" } else { "false" }),
        Value::Int(value, _) => emitter.literal(&value.to_string()),
        Value::Uint(value, _) => emitter.literal(&value.to_string()),
        Value::Float(value) => emitter.float(*value)?,
        Value::Str(text) => emitter.text(&text.to_lossy(), place)?,
        Value::Bytes(_) | Value::Object(_) => value.to_json().emit(emitter, place)?,
        Value::Complex(..) | Value::Func(_) => {
            return Err(EmitError::Unsupported(value.type_name().to_owned()));
        }
        _ => emitter.literal("null"),
    }
    Ok(())
}

/// What yaml.v3 writes in its own way.
fn emit_pretty(value: &Value, emitter: &mut Emitter, place: Place) -> Result<(), EmitError> {
    match value {
        Value::Str(text) if std::str::from_utf8(text).is_err() => {
            emitter.literal(&format!("!!binary {}", STANDARD.encode(text.as_bytes())));
            Ok(())
        }
        Value::Str(text) => emitter.text(&text.to_lossy(), place),
        Value::Bytes(bytes) => {
            let items: Vec<_> = bytes.iter().map(|byte| Value::int(i64::from(*byte))).collect();
            emitter.sequence(items.iter(), place)
        }
        Value::Object(object) => emit_object(&**object, emitter, place),
        _ => Err(EmitError::Type(value.type_name().to_owned())),
    }
}

/// As yaml.v3 writes structures: fields by their names in lower case, times as they are.
#[inline(never)]
fn emit_object(object: &dyn Object, emitter: &mut Emitter, place: Place) -> Result<(), EmitError> {
    if object.type_name() == "time.Time" {
        emitter.literal(object.to_json().as_str().unwrap_or_default());
        return Ok(());
    }
    if object.text().is_some() || object.integer().is_some() {
        return object.to_json().emit(emitter, place);
    }
    let fields = object.fields();
    let entries = fields
        .iter()
        .map(|(name, value)| (name.to_lowercase().into(), value));
    emitter.entries(entries.collect())
}

impl Emit for serde_json::Value {
    fn emit(&self, emitter: &mut Emitter, place: Place) -> Result<(), EmitError> {
        match self {
            Self::Null => emitter.literal("null"),
            Self::Bool(value) => emitter.literal(if *value { "true" } else { "false" }),
            Self::Number(number) if number.is_f64() => {
                emitter.float(number.as_f64().unwrap_or_default())?;
            }
            Self::Number(number) => emitter.literal(&number.to_string()),
            Self::String(text) => emitter.text(text, place)?,
            Self::Array(items) => emitter.sequence(items.iter(), place)?,
            Self::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.into(), value)).collect();
                emitter.mapping(entries, place)?;
            }
        }
        Ok(())
    }
}

/// The writing head, with the state that libyaml's emitter keeps.
#[derive(Default)]
pub(super) struct Emitter {
    pub(super) out: String,
    /// In characters.
    pub(super) column: usize,
    /// Indent of the collection around; `None` at the root.
    indent: Option<usize>,
    /// Whether the last thing written was white space (an indicator that counts as such included).
    pub(super) whitespace: bool,
    /// Whether only indentation and indicators stand on this line.
    pub(super) indention: bool,
    depth: usize,
    started: bool,
    /// Whether to write as go-yaml v3 does.
    pub(super) pretty: bool,
    /// Long lines are not folded.
    wide: bool,
    visits: Visits,
}

impl Emitter {
    fn sequence<'a, T: Emit + 'a>(
        &mut self,
        items: impl ExactSizeIterator<Item = &'a T>,
        place: Place,
    ) -> Result<(), EmitError> {
        if items.len() == 0 {
            self.literal("[]");
            return Ok(());
        }
        let indentless = place == Place::MapValue && !self.indention && !self.pretty;
        let outer = self.enter(indentless)?;
        for item in items {
            self.write_indent();
            self.indicator("-", true, false, true);
            item.emit(self, Place::Item)?;
        }
        self.leave(outer);
        Ok(())
    }

    fn mapping<T: Emit>(
        &mut self,
        mut entries: Vec<(std::borrow::Cow<'_, str>, &T)>,
        _place: Place,
    ) -> Result<(), EmitError> {
        key_order::sort(&mut entries, self.pretty);
        self.entries(entries)
    }

    /// Entries in their order.
    fn entries<T: Emit>(&mut self, entries: Vec<(std::borrow::Cow<'_, str>, &T)>) -> Result<(), EmitError> {
        if entries.is_empty() {
            self.literal("{}");
            return Ok(());
        }
        let outer = self.enter(false)?;
        for (key, value) in entries {
            let simple = self.key(&key)?;
            if simple {
                self.indicator(":", false, false, false);
            } else {
                self.write_indent();
                self.indicator(":", true, false, true);
            }
            value.emit(self, Place::MapValue)?;
        }
        self.leave(outer);
        Ok(())
    }

    /// Writes a key; true if it is a simple one, which its `:` may follow on the line.
    fn key(&mut self, key: &str) -> Result<bool, EmitError> {
        let key = if self.pretty { key } else { through_json(key)? };
        if !self.pretty && (key.contains('\u{85}') || json_length(key) > 1024) {
            return Err(EmitError::Refused("did not find expected ',' or '}'"));
        }
        self.write_indent();
        let analysis = Analysis::of(key, self.pretty);
        let simple = !analysis.multiline && key.len() <= 128;
        if !simple {
            self.indicator("?", true, false, true);
        }
        self.scalar(key, analysis, Place::Key { simple });
        Ok(simple)
    }

    fn text(&mut self, text: &str, place: Place) -> Result<(), EmitError> {
        if self.pretty {
            self.scalar(text, Analysis::of(text, true), place);
            return Ok(());
        }
        let text = through_json(text)?;
        let text = fold_next_lines(text).ok_or(EmitError::Refused("found unexpected document indicator"))?;
        let analysis = Analysis::of(&text, self.pretty);
        self.scalar(&text, analysis, place);
        Ok(())
    }

    fn scalar(&mut self, text: &str, analysis: Analysis, place: Place) {
        let simple_key = place == Place::Key { simple: true };
        let may_fold = !simple_key && !self.pretty && !self.wide;
        let style = Style::choose(text, analysis, simple_key);
        let outer = self.indent;
        self.indent = Some(outer.map_or(2, |indent| indent + 2));
        self.start();
        match style {
            Style::Plain => self.write_plain(text, may_fold),
            Style::SingleQuoted => self.write_single_quoted(text, may_fold),
            Style::DoubleQuoted => self.write_double_quoted(text, may_fold),
            Style::Literal => self.write_literal(text),
        }
        self.indent = outer;
    }

    /// A scalar that is written as it is.
    fn literal(&mut self, text: &str) {
        self.start();
        if !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention = false;
    }

    /// Go writes the JSON number and reads it again: what looks like an integer of 64 bits stays one.
    fn float(&mut self, value: f64) -> Result<(), EmitError> {
        if self.pretty {
            let text = match number::non_finite(value) {
                Some("NaN") => ".nan".to_owned(),
                Some("+Inf") => ".inf".to_owned(),
                Some(_) => "-.inf".to_owned(),
                None => number::general(value),
            };
            self.literal(&text);
            return Ok(());
        }
        if let Some(name) = number::non_finite(value) {
            return Err(EmitError::Unsupported(name.to_owned()));
        }
        let json = number::json(value);
        if json == "-0" {
            self.literal("0");
        } else if json.parse::<i64>().is_ok() || json.parse::<u64>().is_ok() {
            self.literal(&json);
        } else {
            self.literal(&number::general(value));
        }
        Ok(())
    }

    fn enter(&mut self, indentless: bool) -> Result<Option<usize>, EmitError> {
        self.start();
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(EmitError::Refused("exceeded max depth"));
        }
        if self.out.len() > crate::exec::MAX_TEXT || !self.visits.allow() {
            return Err(EmitError::TooLong);
        }
        let outer = self.indent;
        self.indent = Some(match outer {
            None => 0,
            Some(indent) if indentless => indent,
            Some(indent) => indent + 2,
        });
        Ok(outer)
    }

    fn leave(&mut self, outer: Option<usize>) {
        self.indent = outer;
        self.depth -= 1;
    }

    fn start(&mut self) {
        if !self.started {
            self.started = true;
            self.whitespace = true;
            self.indention = true;
        }
    }

    pub(super) fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.break_line();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    pub(super) fn indicator(&mut self, text: &str, spaced: bool, is_whitespace: bool, is_indention: bool) {
        if spaced && !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = is_whitespace;
        self.indention = self.indention && is_indention;
    }

    pub(super) fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    pub(super) fn break_line(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }
}

/// What a text is after Go wrote it as JSON and read that as YAML.
fn through_json(text: &str) -> Result<&str, EmitError> {
    let refused = |character: char| {
        matches!(character,
            '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
    };
    if text.bytes().any(|byte| byte >= 0x7f) && text.chars().any(refused) {
        return Err(EmitError::Refused("control characters are not allowed"));
    }
    Ok(text)
}

/// Length of the JSON string, quotes included, in characters.
fn json_length(text: &str) -> usize {
    let length = |character: char| match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1,
    };
    2 + text.chars().map(length).sum::<usize>()
}
