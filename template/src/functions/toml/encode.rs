//! Values as TOML: a table's plain keys first, then its tables, each sorted and indented by two spaces a level.

use crate::format::format_float;
use crate::value::{Kind, Object, Value};

const NIL_ELEMENT: &str = "toml: cannot encode array with nil element";
const NOT_A_TABLE: &str = "toml: top-level values must be Go maps or structs";

/// How deeply tables may nest.
const MAX_DEPTH: usize = 200;

const TOO_DEEP: &str = "toml: values nest too deeply";

/// The document for `value`; a value that is no table is written as it would stand behind a key.
pub(super) fn to_string(value: &Value) -> Result<String, &'static str> {
    let mut writer = Writer::default();
    match shape(value)? {
        Shape::Table(entries) => writer.table_body(&entries, &mut Vec::new())?,
        Shape::Tables(_) => return Err(NOT_A_TABLE),
        Shape::Plain if matches!(value, Value::Complex(..)) => {
            return Err("unsupported type for key '': complex128");
        }
        Shape::Plain => writer.plain(value, 0)?,
    }
    Ok(writer.out)
}

type Entries = Vec<(String, Value)>;

/// How a value is written.
enum Shape {
    Plain,
    Table(Entries),
    Tables(Vec<Entries>),
}

fn shape(value: &Value) -> Result<Shape, &'static str> {
    if let Some(entries) = entries(value) {
        return Ok(Shape::Table(entries));
    }
    let Value::List(list) = value else {
        return Ok(Shape::Plain);
    };
    let items = list.to_vec();
    if items.iter().any(Value::is_nil) {
        return Err(NIL_ELEMENT);
    }
    let tables: Option<Vec<_>> = items.iter().map(entries).collect();
    Ok(match tables {
        Some(tables) if !tables.is_empty() => Shape::Tables(tables),
        _ => Shape::Plain,
    })
}

/// The text as which a structure is written: that of a version or a time.
fn text_of(object: &dyn Object) -> Option<String> {
    match object.to_json() {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    }
}

/// The keys and values of a map or structure; nil ones are left out.
fn entries(value: &Value) -> Option<Entries> {
    let mut entries: Entries = match value {
        Value::Map(map) => map
            .to_vec()
            .into_iter()
            .map(|(key, value)| (key.to_lossy().into_owned(), value))
            .collect(),
        Value::Object(object) if text_of(&**object).is_none() && object.integer().is_none() => {
            let embeds = object.type_name().starts_with("struct {");
            let mut entries = Entries::new();
            for (name, value) in object.fields() {
                match &value {
                    // Go: the fields of an embedded structure are its holder's.
                    Value::Object(inner) if embeds && inner.kind() == Kind::Struct => {
                        let fields = inner.fields().into_iter();
                        entries.extend(fields.map(|(name, value)| (name.to_owned(), value)));
                    }
                    _ => entries.push((name.to_owned(), value)),
                }
            }
            entries
        }
        _ => return None,
    };
    entries.retain(|(_, value)| match value {
        Value::Nil => false,
        Value::List(list) => !list.is_nil(),
        Value::Map(map) => !map.is_nil(),
        _ => true,
    });
    Some(entries)
}

#[derive(Default)]
struct Writer {
    out: String,
}

impl Writer {
    /// A line break, once there is something before it.
    fn line_break(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn table_body(&mut self, entries: &Entries, path: &mut Vec<String>) -> Result<(), &'static str> {
        if path.len() > MAX_DEPTH || self.out.len() > crate::exec::MAX_TEXT {
            return Err(TOO_DEEP);
        }
        let indent = "  ".repeat(path.len().saturating_sub(usize::from(!path.is_empty())));
        let indent = if path.is_empty() {
            indent
        } else {
            format!("{indent}  ")
        };
        let mut tables = Vec::new();
        for (key, value) in entries {
            match shape(value)? {
                Shape::Plain => {
                    self.out.push_str(&format!("{indent}{} = ", quoted_key(key)));
                    self.plain(value, path.len())?;
                    self.out.push('\n');
                }
                table => tables.push((key, table)),
            }
        }
        for (key, table) in tables {
            path.push(quoted_key(key));
            self.table(table, path)?;
            path.pop();
        }
        Ok(())
    }

    fn table(&mut self, table: Shape, path: &mut Vec<String>) -> Result<(), &'static str> {
        let indent = "  ".repeat(path.len() - 1);
        match table {
            Shape::Table(entries) => {
                if path.len() == 1 {
                    self.line_break();
                }
                self.out.push_str(&format!("{indent}[{}]\n", path.join(".")));
                self.table_body(&entries, path)
            }
            Shape::Tables(tables) => tables.iter().try_for_each(|entries| {
                self.line_break();
                self.out.push_str(&format!("{indent}[[{}]]\n", path.join(".")));
                self.table_body(entries, path)
            }),
            Shape::Plain => Ok(()),
        }
    }

    /// A value on one line.
    fn plain(&mut self, value: &Value, depth: usize) -> Result<(), &'static str> {
        if depth > MAX_DEPTH || self.out.len() > crate::exec::MAX_TEXT {
            return Err(TOO_DEEP);
        }
        if let Some(entries) = entries(value) {
            return self.inline(value, &entries, depth);
        }
        match value {
            Value::Nil => return Err(NIL_ELEMENT),
            Value::Bool(value) => self.out.push_str(&value.to_string()),
            Value::Int(value, _) => self.out.push_str(&value.to_string()),
            Value::Uint(value, _) => self.out.push_str(&value.to_string()),
            Value::Float(value) => self.out.push_str(&float(*value)),
            Value::Str(text) => self.out.push_str(&quoted(&String::from_utf8_lossy(text))),
            Value::Bytes(bytes) => {
                let items: Vec<_> = bytes.iter().map(u8::to_string).collect();
                self.out.push_str(&format!("[{}]", items.join(", ")));
            }
            Value::List(list) => {
                return self.joined(('[', ']'), &list.to_vec(), |writer, item| {
                    writer.plain(item, depth + 1)
                });
            }
            Value::Object(object) => {
                let text = crate::functions::time::toml_text(value)
                    .or_else(|| text_of(&**object).map(|text| quoted(&text)))
                    .unwrap_or_else(|| object.to_json().to_string());
                self.out.push_str(&text);
            }
            Value::Complex(..) => return Err("unsupported type: complex128"),
            _ => return Err("toml: unsupported type"),
        }
        Ok(())
    }

    /// A table on one line. Go: plain values stand before tables, and a comma is left where nulls would have been.
    fn inline(&mut self, value: &Value, entries: &Entries, depth: usize) -> Result<(), &'static str> {
        let mut keys: Vec<(String, Option<&Value>)> = match value {
            Value::Map(map) => map
                .to_vec()
                .into_iter()
                .map(|(key, _)| (key.to_string(), None))
                .collect(),
            _ => entries.iter().map(|(key, _)| (key.clone(), None)).collect(),
        };
        for (key, value) in &mut keys {
            *value = entries
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value);
        }
        let is_table = |value: &Option<&Value>| {
            value.is_some_and(|value| !matches!(shape(value), Ok(Shape::Plain) | Err(_)))
        };
        keys.sort_by_key(|(_, value)| is_table(value));
        let last = keys.len().saturating_sub(1);
        self.out.push('{');
        for (at, (key, value)) in keys.iter().enumerate() {
            let Some(value) = value else { continue };
            self.out.push_str(&format!("{} = ", quoted_key(key)));
            self.plain(value, depth + 1)?;
            if at != last {
                self.out.push_str(", ");
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn joined<T>(
        &mut self,
        (open, close): (char, char),
        items: &[T],
        mut write: impl FnMut(&mut Self, &T) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        self.out.push(open);
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            write(self, item)?;
        }
        self.out.push(close);
        Ok(())
    }
}

/// Shortest digits, always with a point or an exponent.
fn float(value: f64) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let mut text = format_float(value, b'g', None, 64);
    if !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

fn quoted_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
