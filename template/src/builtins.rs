//! The functions that Go's templates have without being told: comparison, indexing, escaping, printing.
//!
//! `and` and `or` are part of the evaluator, since they don't evaluate all their arguments; so is `call`.

use std::{cmp::Ordering, rc::Rc};

use crate::{
    exec::Slot,
    format::{self, display_with},
    unicode::{decode_rune, is_print},
    value::{Kind, Type, UintKind, Value},
};

/// A builtin function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Call,
    Eq,
    Ge,
    Gt,
    Html,
    Index,
    Js,
    Le,
    Len,
    Lt,
    Ne,
    Not,
    Or,
    Print,
    Printf,
    Println,
    Slice,
    UrlQuery,
}

/// What a builtin's parameter takes.
pub(crate) enum Param {
    /// Anything, with its static type.
    Raw,
    /// A value of that type.
    Typed(Type),
}

/// In the order of the variants.
const ALL: [(Builtin, &str); 19] = [
    (Builtin::And, "and"),
    (Builtin::Call, "call"),
    (Builtin::Eq, "eq"),
    (Builtin::Ge, "ge"),
    (Builtin::Gt, "gt"),
    (Builtin::Html, "html"),
    (Builtin::Index, "index"),
    (Builtin::Js, "js"),
    (Builtin::Le, "le"),
    (Builtin::Len, "len"),
    (Builtin::Lt, "lt"),
    (Builtin::Ne, "ne"),
    (Builtin::Not, "not"),
    (Builtin::Or, "or"),
    (Builtin::Print, "print"),
    (Builtin::Printf, "printf"),
    (Builtin::Println, "println"),
    (Builtin::Slice, "slice"),
    (Builtin::UrlQuery, "urlquery"),
];

impl Builtin {
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.iter()
            .find(|(_, known)| *known == name)
            .map(|(builtin, _)| *builtin)
    }

    pub(crate) fn name(self) -> &'static str {
        ALL.iter()
            .find(|(known, _)| *known == self)
            .map_or("", |(_, name)| name)
    }

    /// The number of fixed parameters, and whether more may follow.
    pub(crate) fn arity(self) -> (usize, bool) {
        match self {
            Self::And | Self::Or | Self::Call | Self::Eq | Self::Index | Self::Slice | Self::Printf => {
                (1, true)
            }
            Self::Html | Self::Js | Self::UrlQuery | Self::Print | Self::Println => (0, true),
            Self::Len | Self::Not => (1, false),
            Self::Ge | Self::Gt | Self::Le | Self::Lt | Self::Ne => (2, false),
        }
    }

    pub(crate) fn param(self, index: usize) -> Param {
        match self {
            Self::Printf if index == 0 => Param::Typed(Type::String),
            Self::Html | Self::Js | Self::UrlQuery | Self::Print | Self::Println | Self::Printf => {
                Param::Typed(Type::Any)
            }
            _ => Param::Raw,
        }
    }
}

/// Runs a builtin other than `and`, `or` and `call` on arguments that fit its arity.
pub(crate) fn run(builtin: Builtin, args: Vec<Slot>) -> Result<Slot, String> {
    let text = |bytes: Vec<u8>| Ok(Slot::Value(Value::from(bytes)));
    let truth = |result: bool| Ok(Slot::Value(Value::Bool(result)));
    let pair = || (args[0].value(), args[1].value());
    match builtin {
        Builtin::Not => truth(!args[0].truth()),
        Builtin::Eq => truth(equal_to_any(&args)?),
        Builtin::Ne => truth(!equal_to_any(&args)?),
        Builtin::Lt => truth(less(pair().0, pair().1)?),
        Builtin::Ge => truth(!less(pair().0, pair().1)?),
        Builtin::Le => truth(less_or_equal(&args)?),
        Builtin::Gt => truth(!less_or_equal(&args)?),
        Builtin::Len => length(&args[0]).map(|length| Slot::Value(Value::int(length as i64))),
        Builtin::Index => index(args),
        Builtin::Slice => slice(&args),
        Builtin::Print => text(format::sprint(&values(args))),
        Builtin::Println => text(format::sprintln(&values(args))),
        Builtin::Printf => {
            let args = values(args);
            let format = args[0].as_bytes().unwrap_or_default();
            text(format::sprintf(format, &args[1..]))
        }
        Builtin::Html => text(escape_html(&joined(args))),
        Builtin::Js => text(escape_js(&joined(args))),
        Builtin::UrlQuery => text(escape_query(&joined(args))),
        Builtin::And | Builtin::Or | Builtin::Call => Err(format!("{} is no plain function", builtin.name())),
    }
}

fn values(args: Vec<Slot>) -> Vec<Value> {
    args.into_iter().map(Slot::into_value).collect()
}

/// The arguments as text, as an action would print them.
fn joined(args: Vec<Slot>) -> Vec<u8> {
    let args: Vec<Value> = args
        .into_iter()
        .map(|slot| match slot.into_value() {
            Value::Nil => Value::from("<no value>"),
            value => value,
        })
        .collect();
    format::sprint(&args)
}

// Comparison

/// The basic kinds that comparison knows.
enum Basic<'a> {
    Bool(bool),
    Complex(f64, f64),
    Int(i64),
    Float(f64),
    Str(&'a [u8]),
    Uint(u64),
    Other,
}

fn basic(value: Option<&Value>) -> Basic<'_> {
    match value {
        Some(Value::Bool(value)) => Basic::Bool(*value),
        Some(Value::Complex(real, imaginary)) => Basic::Complex(*real, *imaginary),
        Some(Value::Int(value, _)) => Basic::Int(*value),
        Some(Value::Uint(value, _)) => Basic::Uint(*value),
        Some(Value::Float(value)) => Basic::Float(*value),
        Some(Value::Str(text)) => Basic::Str(text.as_bytes()),
        Some(Value::Object(object)) => object.integer().map_or(Basic::Other, Basic::Int),
        _ => Basic::Other,
    }
}

fn compare_int_uint(int: i64, uint: u64) -> Ordering {
    u64::try_from(int).map_or(Ordering::Less, |int| int.cmp(&uint))
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    )
}

fn equal_to_any(args: &[Slot]) -> Result<bool, String> {
    let (first, others) = args.split_first().ok_or("missing argument for comparison")?;
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first.value(), other.value())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: Option<&Value>, b: Option<&Value>) -> Result<bool, String> {
    Ok(match (basic(a), basic(b)) {
        (Basic::Bool(a), Basic::Bool(b)) => a == b,
        (Basic::Complex(ar, ai), Basic::Complex(br, bi)) => ar == br && ai == bi,
        (Basic::Float(a), Basic::Float(b)) => a == b,
        (Basic::Int(a), Basic::Int(b)) => a == b,
        (Basic::Uint(a), Basic::Uint(b)) => a == b,
        (Basic::Str(a), Basic::Str(b)) => a == b,
        (Basic::Int(int), Basic::Uint(uint)) | (Basic::Uint(uint), Basic::Int(int)) => {
            compare_int_uint(int, uint).is_eq()
        }
        (Basic::Other, Basic::Other) => return equal_other(a, b),
        _ => match (a, b) {
            (Some(a), Some(b)) => return Err(incompatible(a, b)),
            _ => false,
        },
    })
}

/// Nothing, maps, slices, structs: comparable only with nil, except for structs and pointers.
fn equal_other(a: Option<&Value>, b: Option<&Value>) -> Result<bool, String> {
    if let (Some(a), Some(b)) = (a, b) {
        if a.kind() != b.kind() {
            return Err(format!(
                "non-comparable types {}: {}, {}: {}",
                display_with(a, 's'),
                a.type_name(),
                b.type_name(),
                format::display(b)
            ));
        }
        if !is_nil(a) && !is_nil(b) {
            return match (a, b) {
                (Value::Object(a), Value::Object(b)) if a.kind() == Kind::Ptr => Ok(Rc::ptr_eq(a, b)),
                (Value::Object(a), Value::Object(b)) => Ok(a.equals(&**b)),
                _ => Err(format!(
                    "non-comparable type {}: {}",
                    display_with(b, 's'),
                    b.type_name()
                )),
            };
        }
    }
    Ok(a.is_none_or(is_nil) == b.is_none_or(is_nil))
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::Map(map) => map.is_nil(),
        Value::List(list) => list.is_nil(),
        _ => false,
    }
}

fn less(a: Option<&Value>, b: Option<&Value>) -> Result<bool, String> {
    const BAD: &str = "invalid type for comparison";
    let (left, right) = (basic(a), basic(b));
    let (Some(a), Some(b)) = (a, b) else {
        return Err(BAD.into());
    };
    Ok(match (left, right) {
        (Basic::Other, _) | (_, Basic::Other) => return Err(BAD.into()),
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => return Err(BAD.into()),
        (Basic::Float(a), Basic::Float(b)) => a < b,
        (Basic::Int(a), Basic::Int(b)) => a < b,
        (Basic::Uint(a), Basic::Uint(b)) => a < b,
        (Basic::Str(a), Basic::Str(b)) => a < b,
        (Basic::Int(int), Basic::Uint(uint)) => compare_int_uint(int, uint).is_lt(),
        (Basic::Uint(uint), Basic::Int(int)) => compare_int_uint(int, uint).is_gt(),
        _ => return Err(incompatible(a, b)),
    })
}

fn less_or_equal(args: &[Slot]) -> Result<bool, String> {
    Ok(less(args[0].value(), args[1].value())? || equal(args[0].value(), args[1].value())?)
}

// Indexing

fn length(item: &Slot) -> Result<usize, String> {
    match item {
        Slot::Invalid => Err("reflect: call of reflect.Value.Type on zero Value".into()),
        Slot::Interface(Value::Nil) => Err("len of nil pointer".into()),
        Slot::Value(value) | Slot::Interface(value) => {
            element_count(value).ok_or_else(|| format!("len of type {}", pointed_type(value)))
        }
    }
}

/// The type behind a pointer.
fn pointed_type(value: &Value) -> &'static str {
    value.type_name().trim_start_matches('*')
}

fn element_count(value: &Value) -> Option<usize> {
    match value {
        Value::Str(text) => Some(text.len()),
        Value::Bytes(bytes) => Some(bytes.len()),
        Value::List(list) => Some(list.len()),
        Value::Map(map) => Some(map.len()),
        _ => None,
    }
}

/// An argument as a position of at most `limit`.
fn position(index: &Slot, limit: usize) -> Result<usize, String> {
    let number = match index.value() {
        None => return Err("cannot index slice/array with nil".into()),
        Some(value) => match basic(Some(value)) {
            Basic::Int(number) => i128::from(number),
            Basic::Uint(number) => i128::from(number),
            _ => {
                return Err(format!(
                    "cannot index slice/array with type {}",
                    value.type_name()
                ));
            }
        },
    };
    usize::try_from(number)
        .ok()
        .filter(|&position| position <= limit)
        .ok_or_else(|| format!("index out of range: {number}"))
}

fn index(args: Vec<Slot>) -> Result<Slot, String> {
    let mut args = args.into_iter();
    let mut item = args.next().unwrap_or(Slot::Invalid).unwrapped();
    if item.value().is_none() {
        return Err("index of untyped nil".into());
    }
    for index in args {
        let Some(container) = item.value() else {
            return Err("index of nil pointer".into());
        };
        item = index_one(container, &index)?;
    }
    Ok(item)
}

fn index_one(container: &Value, index: &Slot) -> Result<Slot, String> {
    const RANGE: &str = "reflect: slice index out of range";
    match container {
        Value::Str(text) => {
            let at = position(index, text.len())?;
            let byte = *text.get(at).ok_or("reflect: string index out of range")?;
            Ok(Slot::Value(Value::Uint(u64::from(byte), UintKind::Uint8)))
        }
        Value::Bytes(bytes) => {
            let at = position(index, bytes.len())?;
            let byte = *bytes.get(at).ok_or(RANGE)?;
            Ok(Slot::Value(Value::Uint(u64::from(byte), UintKind::Uint8)))
        }
        Value::List(list) => {
            let at = position(index, list.len())?;
            let found = list.get(at).ok_or(RANGE)?;
            Ok(slot_of(list.slice_type().elem, found))
        }
        Value::Map(map) => {
            let key = match index.value() {
                Some(Value::Str(key)) => key,
                Some(other) => return Err(format!("value has type {}; should be string", other.type_name())),
                None => return Err("value is nil; should be of type string".into()),
            };
            let elem = map.map_type().elem;
            Ok(slot_of(
                elem,
                map.get(key).unwrap_or_else(|| crate::exec::zero(elem)),
            ))
        }
        other => Err(format!("can't index item of type {}", pointed_type(other))),
    }
}

fn slot_of(elem: Type, value: Value) -> Slot {
    if elem == Type::Any {
        Slot::Interface(value)
    } else {
        Slot::result(value)
    }
}

fn slice(args: &[Slot]) -> Result<Slot, String> {
    let (item, indexes) = args.split_first().ok_or("slice of untyped nil")?;
    let item = item.value().ok_or("slice of untyped nil")?;
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let length = match item {
        Value::Str(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Str(_) | Value::Bytes(_) | Value::List(_) => element_count(item).unwrap_or(0),
        other => return Err(format!("can't slice item of type {}", pointed_type(other))),
    };
    let capacity = match item {
        Value::List(list) => list.capacity(),
        _ => length,
    };
    let mut bounds = [0, length, capacity];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        // Go: unlike `index`, this one does not look into interfaces.
        if let Slot::Interface(_) = index {
            return Err(format!("cannot index slice/array with type {}", Type::Any));
        }
        *bound = position(index, capacity)?;
    }
    let [low, high, most] = bounds;
    if low > high {
        return Err(format!("invalid slice index: {low} > {high}"));
    }
    if indexes.len() == 3 && high > most {
        return Err(format!("invalid slice index: {high} > {most}"));
    }
    Ok(Slot::Value(match item {
        Value::Str(text) => Value::from(text[low..high].to_vec()),
        Value::Bytes(bytes) => Value::from_bytes(&bytes[low..high]),
        Value::List(list) => list.slice(low..high, most).map_or(Value::Nil, Value::List),
        other => other.clone(),
    }))
}

// Escaping

/// Go: `template.HTMLEscape`.
fn escape_html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            0 => out.extend_from_slice("\u{FFFD}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(byte),
        }
    }
    out
}

/// Go: `template.JSEscape`.
fn escape_js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let (rune, width) = decode_rune(rest);
        match byte {
            b'\\' | b'\'' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'<' | b'>' | b'&' | b'=' | 0..0x20 => out.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
            0x20..0x80 => out.push(byte),
            _ if is_print(rune) => out.extend_from_slice(&rest[..width]),
            _ => out.extend_from_slice(format!("\\u{rune:04X}").as_bytes()),
        }
        rest = &rest[width..];
    }
    out
}

/// Go: `url.QueryEscape`.
fn escape_query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_order_of_the_variants() {
        for (builtin, name) in ALL {
            assert_eq!(builtin.name(), name);
            assert_eq!(Builtin::named(name), Some(builtin));
        }
    }
}
