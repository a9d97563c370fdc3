//! Go's `fmt` for template values: `print`, `println`, `printf` and `{{ value }}`.
//!
//! Promises Go's bytes for every verb, flag and mistake (`%!d(string=x)`). Addresses (`%p`, nested pointers,
//! functions) are not reproducible in Go either; they print as a fixed address.

mod float;
mod number;
mod printf;
mod quote;

use std::io::Write as _;

use crate::{
    unicode::{count_runes, decode_rune},
    value::{Kind, List, MAX_NESTING, Map, Object, Type, Value, Visits},
};

pub use float::format_float;
pub use printf::sprintf;
pub use quote::{quote, quote_rune, quote_str, unquote_text};

/// Whether Go holds the character for one that can be printed.
pub fn is_printable(c: char) -> bool {
    crate::unicode::is_print(u32::from(c))
}
pub(crate) use quote::{unquote, unquote_char};

/// What pointers print as.
const ADDRESS: u64 = 0xc0_0000_0000;

/// Go: `fmt.Sprint(args...)`: a space between two operands when neither is a string.
pub fn sprint(args: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut previous_string = false;
    for (index, arg) in args.iter().enumerate() {
        let string = matches!(arg, Value::Str(_));
        if index > 0 && !string && !previous_string {
            out.push(b' ');
        }
        print(&mut out, arg);
        previous_string = string;
    }
    out
}

/// Go: `fmt.Sprintln(args...)`.
pub fn sprintln(args: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        print(&mut out, arg);
    }
    out.push(b'\n');
    out
}

/// Appends the value as `%v` prints it; nil is `<nil>`.
pub fn print(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        // Writing to a vector cannot fail.
        Value::Int(value, _) => drop(write!(out, "{value}")),
        Value::Uint(value, _) => drop(write!(out, "{value}")),
        Value::Float(value) => out.extend_from_slice(format_float(*value, b'g', None, 64).as_bytes()),
        other => Printer::new(out).print_arg(other, 'v'),
    }
}

/// Appends the value as an action prints it: what a pointer points to, without the `&`.
pub(crate) fn print_indirect(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Object(object) if let Some(text) = object.text_in_place() => {
            out.extend_from_slice(text.as_bytes());
        }
        Value::Object(object) if object.kind() == Kind::Ptr && object.text().is_none() => {
            Printer::new(out).fields(&**object, 'v', 0);
        }
        other => print(out, other),
    }
}

/// What a pointer points to, else the value, as text for a message.
pub(crate) fn display_pointed(value: &Value) -> String {
    let mut out = Vec::new();
    match value {
        Value::Object(object) if object.kind() == Kind::Ptr => {
            Printer::new(&mut out).fields(&**object, 'v', 0);
        }
        other => print(&mut out, other),
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The value as `%v` prints it, as text for a message.
pub(crate) fn display(value: &Value) -> String {
    let mut out = Vec::new();
    print(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

/// Go: `fmt` of a `reflect.Value` that holds `value`, which differs for verbs that don't fit.
pub(crate) fn display_with(value: &Value, verb: char) -> String {
    let mut out = Vec::new();
    Printer::new(&mut out).print_arg(value, verb);
    String::from_utf8_lossy(&out).into_owned()
}

/// Flags of one verb.
#[derive(Default, Clone)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
}

/// Prints values by one verb after the other.
struct Printer<'a> {
    out: &'a mut Vec<u8>,
    flags: Flags,
    /// A mistake is being reported: methods are not asked for the text.
    erroring: bool,
    visits: Visits,
}

impl<'a> Printer<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            flags: Flags::default(),
            erroring: false,
            visits: Visits::new(),
        }
    }

    fn write(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn padding(&mut self, count: usize) {
        let fill = if self.flags.zero && !self.flags.minus {
            b'0'
        } else {
            b' '
        };
        self.out.resize(self.out.len() + count, fill);
    }

    /// Appends the text padded to the width, counted in runes.
    fn pad(&mut self, text: &[u8]) {
        let width = self.flags.width.unwrap_or(0);
        if width == 0 {
            self.out.extend_from_slice(text);
            return;
        }
        let missing = width.saturating_sub(count_runes(text));
        if self.flags.minus {
            self.out.extend_from_slice(text);
            self.padding(missing);
        } else {
            self.padding(missing);
            self.out.extend_from_slice(text);
        }
    }

    /// An operand of the call, as opposed to an element of one.
    fn print_arg(&mut self, arg: &Value, verb: char) {
        match (arg, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil, _) => {
                self.write("%!");
                self.out
                    .extend_from_slice(verb.encode_utf8(&mut [0; 4]).as_bytes());
                self.write("(<nil>)");
            }
            (_, 'T') => {
                self.string(arg.type_name().as_bytes(), 's');
            }
            (_, 'p') => self.pointer(arg, 'p'),
            (Value::Bytes(bytes), _) => self.bytes(bytes, verb, "[]byte", arg),
            _ => self.print_value(arg, verb, 0),
        }
    }

    fn print_value(&mut self, value: &Value, verb: char, depth: usize) {
        if depth >= MAX_NESTING {
            self.write("...");
            return;
        }
        // A text that is too long is refused by whoever asked for it.
        if self.out.len() > crate::exec::MAX_TEXT || !self.visits.allow() {
            return;
        }
        match value {
            Value::Nil if self.flags.sharp_v => self.write("interface {}(nil)"),
            Value::Nil => self.write("<nil>"),
            Value::Bool(flag) => match verb {
                't' | 'v' => self.pad(if *flag { b"true" } else { b"false" }),
                _ => self.bad_verb(value, verb),
            },
            Value::Int(number, _) => {
                if !self.integer(number.unsigned_abs(), *number < 0, true, verb) {
                    self.bad_verb(value, verb);
                }
            }
            Value::Uint(number, _) => {
                if !self.integer(*number, false, false, verb) {
                    self.bad_verb(value, verb);
                }
            }
            Value::Float(number) => {
                if !self.float(*number, verb) {
                    self.bad_verb(value, verb);
                }
            }
            Value::Complex(real, imaginary) => self.complex(*real, *imaginary, verb, value),
            Value::Str(text) => {
                if !self.string(text.as_bytes(), verb) {
                    self.bad_verb(value, verb);
                }
            }
            Value::Bytes(bytes) => match verb {
                's' | 'q' | 'x' | 'X' => self.bytes(bytes, verb, "[]uint8", value),
                _ => self.byte_elements(bytes, verb, depth),
            },
            Value::List(_) | Value::Map(_) | Value::Object(_) if verb == 'w' && !self.erroring => {
                self.bad_verb(value, verb);
            }
            Value::List(list) => self.list(list, verb, depth),
            Value::Map(map) => self.map(map, verb, depth),
            Value::Object(object) => self.object(&**object, value, verb, depth),
            Value::Func(_) => self.pointer(value, verb),
        }
    }

    /// `%!d(string=x)`
    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.write("%!");
        self.out
            .extend_from_slice(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.write("(");
        if value.is_nil() {
            self.write("<nil>");
        } else {
            self.erroring = true;
            self.write(value.type_name());
            self.write("=");
            self.print_arg(value, 'v');
            self.erroring = false;
        }
        self.write(")");
    }

    fn separator(&mut self) {
        self.write(if self.flags.sharp_v { ", " } else { " " });
    }

    fn list(&mut self, list: &List, verb: char, depth: usize) {
        if self.flags.sharp_v {
            self.write(list.slice_type().name);
            if list.is_nil() {
                self.write("(nil)");
                return;
            }
        }
        self.write(if self.flags.sharp_v { "{" } else { "[" });
        if let Some(items) = list.borrow() {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    self.separator();
                }
                self.print_value(item, verb, depth + 1);
            }
        }
        self.write(if self.flags.sharp_v { "}" } else { "]" });
    }

    fn byte_elements(&mut self, bytes: &[u8], verb: char, depth: usize) {
        self.write(if self.flags.sharp_v { "[]uint8{" } else { "[" });
        for (index, byte) in bytes.iter().enumerate() {
            if index > 0 {
                self.separator();
            }
            self.print_value(&byte_value(*byte), verb, depth + 1);
        }
        self.write(if self.flags.sharp_v { "}" } else { "]" });
    }

    fn map(&mut self, map: &Map, verb: char, depth: usize) {
        if self.flags.sharp_v {
            self.write(map.map_type().name);
            if map.is_nil() {
                self.write("(nil)");
                return;
            }
        }
        self.write(if self.flags.sharp_v { "{" } else { "map[" });
        if let Some(entries) = map.borrow() {
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    self.separator();
                }
                self.print_value(&Value::Str(key.clone()), verb, depth + 1);
                self.write(":");
                self.print_value(value, verb, depth + 1);
            }
        }
        self.write(if self.flags.sharp_v { "}" } else { "]" });
    }

    fn object(&mut self, object: &dyn Object, value: &Value, verb: char, depth: usize) {
        if !self.erroring
            && !self.flags.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Some(text) = object.text()
        {
            self.string(text.as_bytes(), verb);
            return;
        }
        if let Some(number) = object.integer() {
            if !self.integer(number.unsigned_abs(), number < 0, true, verb) {
                self.bad_verb(value, verb);
            }
            return;
        }
        if object.kind() == Kind::Ptr {
            if depth > 0 {
                self.pointer(value, verb);
                return;
            }
            self.write("&");
        }
        if self.flags.sharp_v {
            self.write(object.type_name().trim_start_matches('*'));
        }
        self.fields(object, verb, depth);
    }

    fn fields(&mut self, object: &dyn Object, verb: char, depth: usize) {
        self.write("{");
        for (index, (name, field)) in object.fields().iter().enumerate() {
            if index > 0 {
                self.separator();
            }
            if self.flags.sharp_v || self.flags.plus_v {
                self.write(name);
                self.write(":");
            }
            self.print_value(field, verb, depth + 1);
        }
        self.write("}");
    }

    fn pointer(&mut self, value: &Value, verb: char) {
        let nil = match value {
            Value::Map(map) => map.is_nil(),
            Value::List(list) => list.is_nil(),
            Value::Bytes(_) | Value::Func(_) => false,
            Value::Object(object) if object.kind() == Kind::Ptr => false,
            _ => {
                self.bad_verb(value, verb);
                return;
            }
        };
        let address = if nil { 0 } else { ADDRESS };
        match verb {
            'v' if self.flags.sharp_v => {
                self.write(&format!("({})(0x{address:x})", value.type_name()));
            }
            'v' if nil => self.pad(b"<nil>"),
            'v' | 'p' => self.hex_address(address),
            'b' | 'o' | 'd' | 'x' | 'X' => {
                self.integer(address, false, false, verb);
            }
            _ => self.bad_verb(value, verb),
        }
    }

    fn hex_address(&mut self, address: u64) {
        let sharp = self.flags.sharp;
        self.flags.sharp = !sharp;
        self.integer(address, false, false, 'x');
        self.flags.sharp = sharp;
    }

    /// Text by a verb; false when the verb does not print text.
    fn string(&mut self, text: &[u8], verb: char) -> bool {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => {
                let text = self.truncated(text);
                self.pad(text);
            }
            'x' | 'X' => self.hex_bytes(text, verb == 'X'),
            'q' => self.quoted(text),
            _ => return false,
        }
        true
    }

    fn bytes(&mut self, bytes: &[u8], verb: char, type_name: &str, value: &Value) {
        match verb {
            'v' | 'd' if self.flags.sharp_v => {
                self.write(type_name);
                self.write("{");
                for (index, byte) in bytes.iter().enumerate() {
                    self.write(if index > 0 { ", " } else { "" });
                    self.integer(u64::from(*byte), false, false, 'v');
                }
                self.write("}");
            }
            'v' | 'd' => {
                self.write("[");
                for (index, byte) in bytes.iter().enumerate() {
                    self.write(if index > 0 { " " } else { "" });
                    self.integer(u64::from(*byte), false, false, 'd');
                }
                self.write("]");
            }
            's' | 'x' | 'X' | 'q' => {
                self.string(bytes, verb);
            }
            _ => self.print_value(value, verb, 0),
        }
    }

    /// The first runes that the precision allows.
    fn truncated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else {
            return text;
        };
        let mut end = 0;
        for _ in 0..precision {
            if end >= text.len() {
                break;
            }
            end += decode_rune(&text[end..]).1;
        }
        &text[..end]
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        let mut literal = Vec::with_capacity(text.len() + 2);
        if self.flags.sharp && quote::can_backquote(text) {
            literal.push(b'`');
            literal.extend_from_slice(text);
            literal.push(b'`');
        } else {
            quote::append_quoted(&mut literal, text, self.flags.plus);
        }
        self.pad(&literal);
    }

    fn hex_bytes(&mut self, text: &[u8], upper: bool) {
        let text = &text[..self.flags.precision.unwrap_or(text.len()).min(text.len())];
        let prefix = if upper { "0X" } else { "0x" };
        let mut digits = String::with_capacity(text.len() * 2);
        for (index, byte) in text.iter().enumerate() {
            if self.flags.space && index > 0 {
                digits.push(' ');
            }
            if self.flags.sharp && (index == 0 || self.flags.space) {
                digits.push_str(prefix);
            }
            digits.push_str(&if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            });
        }
        self.pad(digits.as_bytes());
    }
}

fn byte_value(byte: u8) -> Value {
    Value::Uint(u64::from(byte), crate::value::UintKind::Uint8)
}

/// The type as Go prints it where the static type of a slot is meant.
pub(crate) fn static_type_name(interface: bool, value: &Value) -> &'static str {
    if interface {
        Type::Any.name()
    } else {
        value.type_name()
    }
}

#[cfg(test)]
mod tests;
