//! TOML read as Go's library reads it: `int64`, `float64`, `time.Time`, maps and slices, with its messages.
//!
//! Deviation: dates and times without an offset are in UTC and say so; Go's carry zones named `date-local`,
//! `datetime-local` and `time-local`.

use std::collections::HashSet;

use crate::value::{ANY_MAP, Function, IntKind, List, Map, SliceType, Type, Value};

/// How deeply values and dotted keys may nest.
const MAX_DEPTH: usize = 512;

static TABLES: SliceType = SliceType {
    name: "[]map[string]interface {}",
    defined: false,
    elem: Type::Map(&ANY_MAP),
    method: no_method,
};

fn no_method(_: &Value, _: &str) -> Option<Function> {
    None
}

/// The document as a table; the error is Go's text without its prefix.
pub(super) fn from_str(text: &str) -> Result<Map, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
        key: None,
        root: Map::new(),
        closed: HashSet::new(),
        dotted: HashSet::new(),
    };
    reader.document()?;
    Ok(reader.root)
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
    /// The key that messages name.
    key: Option<String>,
    root: Map,
    /// Paths of tables that have a header of their own.
    closed: HashSet<Vec<String>>,
    /// Paths of tables that points in keys have made.
    dotted: HashSet<Vec<String>>,
}

type Read<T> = Result<T, String>;

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn rest_starts(&self, text: &str) -> bool {
        let mut at = self.at;
        text.chars().all(|c| {
            at += 1;
            self.chars.get(at - 1) == Some(&c)
        })
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest_starts(text);
        if found {
            for _ in text.chars() {
                self.next();
            }
        }
        found
    }

    fn fail<T>(&self, message: impl Into<String>) -> Read<T> {
        let (line, message) = (self.line, message.into());
        Err(match &self.key {
            Some(key) => format!("line {line} (last key {key:?}): {message}"),
            None => format!("line {line}: {message}"),
        })
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.next();
        }
    }

    /// White space, line breaks and comments.
    fn skip_lines(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\n' | '\r') => _ = self.next(),
                Some('#') => {
                    while let Some(c) = self.peek().filter(|c| *c != '\n') {
                        if c == '\0' {
                            return;
                        }
                        self.next();
                    }
                }
                _ => return,
            }
        }
    }

    fn document(&mut self) -> Read<()> {
        let mut table = self.root.clone();
        let mut path = Vec::new();
        loop {
            self.skip_lines();
            match self.peek() {
                None => return Ok(()),
                Some('\0') => {
                    return self.fail(
                        "files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8",
                    );
                }
                Some('[') => (table, path) = self.header()?,
                Some(_) => self.pair(&table, &path)?,
            }
            self.skip_blanks();
            match self.peek() {
                None | Some('\n' | '#') => {}
                Some('\r') if self.rest_starts("\r\n") => {}
                Some(c) => {
                    self.key = (!path.is_empty()).then(|| path.join("."));
                    return self.fail(format!(
                        "expected a top-level item to end with a newline, comment, or EOF, but got {} instead",
                        shown(Some(c))
                    ));
                }
            }
        }
    }

    fn header(&mut self) -> Read<(Map, Vec<String>)> {
        self.key = None;
        let (line, is_list) = (self.line, self.take("[["));
        if !is_list {
            self.next();
        }
        self.skip_blanks();
        if self.peek() == Some(']') {
            return self.fail("unexpected end of table name (table names cannot be empty)");
        }
        let path = self.keys()?;
        if !self.take(if is_list { "]]" } else { "]" }) {
            return self.fail(format!(
                "expected '.' or ']' to end table name, but got {} instead",
                shown(self.peek())
            ));
        }
        let defined = |path: &[String]| {
            Err(format!(
                "line {line}: Key '{}' has already been defined.",
                path.join(".")
            ))
        };
        let (last, parents) = path.split_last().ok_or("no key")?;
        let mut table = self.root.clone();
        for (depth, name) in parents.iter().enumerate() {
            table = match inner(&table, name) {
                Some(table) => table,
                None => return defined(&path[..=depth]),
            };
        }
        if is_list {
            let item = Map::new();
            match table.get(last) {
                None => {
                    _ = table.insert(
                        last.as_str(),
                        Value::List(List::typed(&TABLES, vec![Value::Map(item.clone())])),
                    );
                }
                Some(Value::List(list)) if list.slice_type().name == TABLES.name => {
                    let mut items = list.to_vec();
                    items.push(Value::Map(item.clone()));
                    table.insert(last.as_str(), Value::List(List::typed(&TABLES, items)));
                }
                Some(_) => return defined(&path),
            }
            self.closed.retain(|other| !other.starts_with(&path));
            return Ok((item, path));
        }
        if matches!(table.get(last), Some(Value::List(_))) || !self.closed.insert(path.clone()) {
            return defined(&path);
        }
        match inner(&table, last) {
            Some(table) => Ok((table, path)),
            None => defined(&path),
        }
    }

    fn pair(&mut self, table: &Map, path: &[String]) -> Read<()> {
        if self.peek() == Some('=') {
            return self.fail("unexpected '=': key name appears blank");
        }
        let keys = self.keys()?;
        match self.peek() {
            Some('=') => _ = self.next(),
            None => return self.fail("unexpected EOF; expected key separator '='"),
            other => return self.fail(format!("expected '.' or '=', but got {} instead", shown(other))),
        }
        let full = path.iter().chain(&keys).cloned().collect::<Vec<_>>().join(".");
        self.key = Some(full.clone());
        self.skip_blanks();
        let value = self.value(0)?;
        let Some((last, parents)) = keys.split_last() else {
            return Ok(());
        };
        let target = parents
            .iter()
            .try_fold(table.clone(), |table, name| inner(&table, name));
        match target {
            Some(target) if target.get(last).is_none() => {
                target.insert(last.as_str(), value);
                // Go: a header may name again what points in one key have made, not in two.
                for depth in 1..=parents.len() {
                    let made: Vec<_> = path.iter().chain(&parents[..depth]).cloned().collect();
                    if !self.dotted.insert(made.clone()) {
                        self.closed.insert(made);
                    }
                }
                Ok(())
            }
            _ => {
                let path: Vec<_> = path.iter().chain(&keys).cloned().collect();
                // Go: such a table may be given a value once, which it does not take.
                if self.dotted.contains(&path) && self.closed.insert(path) {
                    return Ok(());
                }
                self.fail(format!("Key '{full}' has already been defined."))
            }
        }
    }

    /// Keys joined by points.
    fn keys(&mut self) -> Read<Vec<String>> {
        let mut keys = Vec::new();
        loop {
            self.skip_blanks();
            let key = match self.peek() {
                Some(quote @ ('"' | '\'')) => {
                    self.next();
                    self.string(quote, false)?
                }
                _ => {
                    let mut key = String::new();
                    while let Some(c) = self
                        .peek()
                        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
                    {
                        key.push(c);
                        self.next();
                    }
                    if key.is_empty() {
                        return self.fail(format!("bare keys cannot contain {}", shown(self.peek())));
                    }
                    key
                }
            };
            keys.push(key);
            self.skip_blanks();
            if keys.len() > MAX_DEPTH {
                return self.fail("keys nest too deeply");
            }
            if !self.take(".") {
                return Ok(keys);
            }
        }
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        if depth > MAX_DEPTH {
            return self.fail("values nest too deeply");
        }
        match self.peek() {
            None => self.fail("unexpected EOF; expected value"),
            Some('[') => self.array(depth),
            Some('{') => self.inline_table(depth),
            Some(quote @ ('"' | '\'')) => {
                let long: String = std::iter::repeat_n(quote, 3).collect();
                let is_long = self.take(&long);
                if is_long {
                    _ = self.take("\r\n") || self.take("\n");
                } else {
                    self.next();
                }
                Ok(Value::string(self.string(quote, is_long)?))
            }
            Some(_) => self.scalar(),
        }
    }

    fn array(&mut self, depth: usize) -> Read<Value> {
        self.next();
        let mut items = Vec::new();
        loop {
            self.skip_lines();
            if self.take("]") {
                return Ok(Value::list(items));
            }
            items.push(self.value(depth + 1)?);
            self.skip_lines();
            if !self.take(",") && self.peek() != Some(']') {
                return self.fail(format!(
                    "expected a comma (',') or array terminator (']'), but got {}",
                    shown(self.peek())
                ));
            }
        }
    }

    fn inline_table(&mut self, depth: usize) -> Read<Value> {
        self.next();
        let table = Map::new();
        loop {
            self.skip_lines();
            if self.take("}") {
                return Ok(Value::Map(table));
            }
            let keys = self.keys()?;
            if !self.take("=") {
                return self.fail(format!(
                    "expected '.' or '=', but got {} instead",
                    shown(self.peek())
                ));
            }
            self.skip_blanks();
            let value = self.value(depth + keys.len())?;
            let Some((last, parents)) = keys.split_last() else {
                continue;
            };
            let target = parents
                .iter()
                .try_fold(table.clone(), |table, name| inner(&table, name));
            match target {
                Some(target) if target.get(last).is_none() => _ = target.insert(last.as_str(), value),
                _ => return self.fail(format!("Key '{}' has already been defined.", keys.join("."))),
            }
            self.skip_lines();
            if !self.take(",") && self.peek() != Some('}') {
                return self.fail(format!(
                    "expected a comma or an inline table terminator '}}', but got {} instead",
                    shown(self.peek())
                ));
            }
        }
    }

    /// What stands behind an opening quote.
    fn string(&mut self, quote: char, long: bool) -> Read<String> {
        let end: String = std::iter::repeat_n(quote, if long { 3 } else { 1 }).collect();
        let mut out = String::new();
        loop {
            if self.take(&end) {
                // A quote or two may stand before the closing ones.
                while long && self.peek() == Some(quote) {
                    self.next();
                    out.push(quote);
                }
                return Ok(out);
            }
            match self.peek() {
                None => return self.fail(format!("unexpected EOF; expected {}", shown(Some(quote)))),
                Some('\n') if !long => return self.fail("strings cannot contain newlines"),
                Some('\\') if quote == '"' => {
                    self.next();
                    self.escape(long, &mut out)?;
                }
                Some(c) if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => {
                    return self.fail(format!(
                        "TOML files cannot contain control characters: '0x{:02x}'",
                        u32::from(c)
                    ));
                }
                Some(c) => {
                    self.next();
                    out.push(c);
                }
            }
        }
    }

    fn escape(&mut self, long: bool, out: &mut String) -> Read<()> {
        let digits = match self.next() {
            Some('b') => return push(out, '\u{8}'),
            Some('t') => return push(out, '\t'),
            Some('n') => return push(out, '\n'),
            Some('f') => return push(out, '\u{c}'),
            Some('r') => return push(out, '\r'),
            Some('e') => return push(out, '\u{1b}'),
            Some('"') => return push(out, '"'),
            Some('\\') => return push(out, '\\'),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some(' ' | '\t' | '\n' | '\r') if long => {
                while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
                    self.next();
                }
                return Ok(());
            }
            Some(c) => return self.fail(format!("invalid escape in string '\\{c}'")),
            None => return self.fail("unexpected EOF; expected '\"'"),
        };
        let hex: String = (0..digits).filter_map(|_| self.next()).collect();
        match u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32) {
            Some(c) => push(out, c),
            None => self.fail(format!("Escaped character '\\u{hex}' is not valid UTF-8.")),
        }
    }

    /// A boolean, number, date or time.
    fn scalar(&mut self) -> Read<Value> {
        let mut text = String::new();
        loop {
            match self.peek() {
                Some(c) if c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | ':') => {
                    text.push(c);
                }
                // A blank may stand between date and time.
                Some(' ')
                    if is_date(&text) && self.chars.get(self.at + 1).is_some_and(char::is_ascii_digit) =>
                {
                    text.push('T');
                }
                _ => break,
            }
            self.next();
        }
        match text.as_str() {
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            "inf" | "+inf" => return Ok(Value::Float(f64::INFINITY)),
            "-inf" => return Ok(Value::Float(f64::NEG_INFINITY)),
            "-nan" => return Ok(Value::Float(-f64::NAN)),
            "nan" | "+nan" => return Ok(Value::Float(f64::NAN)),
            "+" | "-" => {
                return self.fail(format!("expected a digit but got {}", shown(self.peek())));
            }
            _ => {}
        }
        if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')) {
            let found = if text.is_empty() {
                self.peek().map(String::from).unwrap_or_default()
            } else {
                text
            };
            return self.fail(format!("expected value but found {found:?} instead"));
        }
        let date_like = text.len() > 4 && text.as_bytes()[4] == b'-' || text.contains(':');
        if date_like && !text.contains("e-") {
            return super::super::time::toml_moment(&text)
                .map_or_else(|| self.fail(format!("invalid datetime: {text:?}")), Ok);
        }
        self.number(&text)
    }

    fn number(&self, text: &str) -> Read<Value> {
        let prefixed = text.starts_with("0x") || text.starts_with("0o") || text.starts_with("0b");
        let is_float = !prefixed && text.contains(['.', 'e', 'E']);
        if let Some(unsigned) = text.strip_prefix(['+', '-']) {
            if unsigned.starts_with('.') {
                return self.fail("floats must start with a digit, not '.'");
            }
            if ["0x", "0o", "0b"]
                .iter()
                .any(|prefix| unsigned.starts_with(prefix))
            {
                let sign = &text[..3];
                return self.fail(format!("cannot use sign with non-decimal numbers: '{sign}'"));
            }
        }
        let bytes = text.as_bytes();
        let surrounded = |at: usize| {
            let digit = |at: Option<usize>| {
                at.and_then(|at| bytes.get(at))
                    .is_some_and(|byte| byte.is_ascii_digit() || !is_float && byte.is_ascii_hexdigit())
            };
            digit(at.checked_sub(1)) && digit(Some(at + 1))
        };
        let apart = bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| *byte != b'_' || surrounded(at));
        let kind = if is_float { "float" } else { "integer" };
        if !apart {
            return self.fail(format!(
                "Invalid {kind} {text:?}: underscores must be surrounded by digits"
            ));
        }
        let plain = text.replace('_', "");
        let digits = plain.trim_start_matches(['+', '-']);
        if !prefixed && digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit() {
            return self.fail(format!("Invalid {kind} {text:?}: cannot have leading zeroes"));
        }
        if is_float {
            let bare = plain
                .split('.')
                .nth(1)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
            if bare {
                return self.fail(format!(
                    "Invalid float {text:?}: '.' must be followed by one or more digits"
                ));
            }
            return match plain.parse() {
                Ok(value) if f64::is_infinite(value) => {
                    self.fail(format!("{text} is out of range for float64"))
                }
                Ok(value) => Ok(Value::Float(value)),
                Err(_) => self.fail(format!("Invalid float value: {text:?}")),
            };
        }
        let parsed = match digits.get(..2) {
            Some("0x") => i64::from_str_radix(&digits[2..], 16),
            Some("0o") => i64::from_str_radix(&digits[2..], 8),
            Some("0b") => i64::from_str_radix(&digits[2..], 2),
            _ => plain.parse(),
        };
        match parsed {
            Ok(value) => Ok(Value::Int(value, IntKind::Int64)),
            Err(_) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.fail(format!("{text} is out of range for int64"))
            }
            Err(_) => self.fail(format!("Invalid integer value: {text:?}")),
        }
    }
}

fn push(out: &mut String, c: char) -> Read<()> {
    out.push(c);
    Ok(())
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-'
}

/// The table at a key of `table`, made where there is none; the last one of a list of tables.
fn inner(table: &Map, name: &str) -> Option<Map> {
    match table.get(name) {
        None => {
            let inner = Map::new();
            table.insert(name, Value::Map(inner.clone()));
            Some(inner)
        }
        Some(Value::Map(inner)) => Some(inner),
        Some(Value::List(list)) if list.slice_type().name == TABLES.name => match list.to_vec().pop() {
            Some(Value::Map(inner)) => Some(inner),
            _ => None,
        },
        Some(_) => None,
    }
}

/// As Go's messages show a character.
fn shown(c: Option<char>) -> String {
    match c {
        None => "'\\x00'".to_owned(),
        Some('\n') => "'\\n'".to_owned(),
        Some(c) => format!("'{c}'"),
    }
}
