//! Go values as templates see them.
//!
//! A [`Value`] is what `reflect.Value` holds in Go: a dynamic type and its content. The type is observable
//! (`%T`, `typeOf`, `kindOf`, comparison rules, argument errors), so integers keep their size, slices and maps
//! their element type, and named types their name and methods.
//!
//! Maps and slices are references, as in Go: [`Value::clone`] is cheap and shares them, a change through one
//! holder is seen by all. [`Value::deep_copy`] breaks the sharing. Strings are byte strings and may be invalid
//! UTF-8. Values belong to one thread; only text leaves a render.
//!
//! What Go calls a static type (a map slot of type `interface {}` that holds a string) is not part of a value:
//! the evaluator keeps it beside the value while it walks an expression.

mod entries;
mod equal;
mod function;
mod held;
mod json;
mod list;
mod map;
mod object;
mod string;
mod types;

use std::rc::Rc;

use crate::files::Content;

pub use entries::{Entries, Iter as EntriesIter};
pub use function::{Body, Call, CallError, Function, Functions, Renderer, Signature};
pub(crate) use held::held;
pub use list::List;
pub use map::Map;
pub use object::{ErrorValue, Object};
pub use string::Str;
pub use types::{
    ANY_MAP, ANY_SLICE, ANY_SLICES, BYTE_SLICE, INT_SLICE, IntKind, Kind, MapType, STRING_MAP, STRING_SLICE,
    SliceType, Type, UintKind,
};

/// How deep values may nest before a walk over them stops: cycles exist (`set $d "self" $d`), and Go would
/// overflow its stack on them.
pub const MAX_NESTING: usize = 1_000;

/// How many values a walk may visit: what holds itself twice has 2^1000 places within [`MAX_NESTING`].
const MAX_VISITS: u32 = 500_000;

/// Counts the values that a walk visits.
#[derive(Debug)]
pub(crate) struct Visits(std::cell::Cell<u32>);

impl Default for Visits {
    fn default() -> Self {
        Self::new()
    }
}

impl Visits {
    pub(crate) fn new() -> Self {
        Self(std::cell::Cell::new(MAX_VISITS))
    }

    /// Whether one more value may be visited.
    pub(crate) fn allow(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

/// A Go value with its dynamic type.
#[derive(Clone, Default)]
pub enum Value {
    /// A nil interface: JSON null, a missing key, the literal `nil`.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`, `int8` … `int64`.
    Int(i64, IntKind),
    /// `uint`, `uint8` … `uint64`.
    Uint(u64, UintKind),
    /// `float64`: every number that comes from YAML or JSON.
    Float(f64),
    /// `complex128` as (real, imaginary): only ever made by a literal like `1i`.
    Complex(f64, f64),
    /// `string`: any bytes.
    Str(Str),
    /// `[]uint8`.
    Bytes(Content),
    /// A slice of anything but bytes.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A value with a type of its own: time, version, chart, file set, error.
    Object(Rc<dyn Object>),
    /// A function value, for the builtin `call`.
    Func(Function),
}

impl Value {
    /// A Go `int`.
    pub const fn int(value: i64) -> Self {
        Self::Int(value, IntKind::Int)
    }

    /// A Go `int64`.
    pub const fn int64(value: i64) -> Self {
        Self::Int(value, IntKind::Int64)
    }

    /// A Go `string`.
    pub fn string(text: impl Into<Str>) -> Self {
        Self::Str(text.into())
    }

    /// A `[]interface {}`.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(items))
    }

    /// A `[]string`.
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::List(List::typed(
            &STRING_SLICE,
            items.into_iter().map(|item| Self::Str(item.into())).collect(),
        ))
    }

    /// A `[]int`.
    pub fn ints(items: impl IntoIterator<Item = i64>) -> Self {
        Self::List(List::typed(
            &INT_SLICE,
            items.into_iter().map(Self::int).collect(),
        ))
    }

    /// A `map[string]interface {}`.
    pub fn map<K: Into<Str>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(entries.into_iter().collect())
    }

    /// A `[]uint8`.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::Bytes(Content::from(bytes))
    }

    /// A value of a type of its own.
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Rc::new(object))
    }

    /// The bytes of a `string`.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Str(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The `string`, to be shared.
    pub fn as_string(&self) -> Option<&Str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A `string`'s text if it is valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => text.to_str(),
            _ => None,
        }
    }

    /// The map, whatever its named type is.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The slice, unless it is a `[]uint8`.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The `bool`.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Any signed integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value, _) => Some(*value),
            _ => None,
        }
    }

    /// The object if it is a `T`.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Object(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Whether this is the nil interface (not a nil map or slice).
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The value at a path of map keys, or `None` where the path leaves the maps or a key is missing.
    pub fn at(&self, path: &[&str]) -> Option<Self> {
        let mut current = self.clone();
        for key in path {
            current = current.as_map()?.get(key.as_bytes())?;
        }
        Some(current)
    }

    /// Go: `template.IsTrue`: not the zero value of its kind; structs are always true.
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value, _) => *value != 0,
            Self::Uint(value, _) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(object) => object.truth(),
            Self::Func(_) => true,
        }
    }

    /// The dynamic type; [`Type::Nil`] for the nil interface.
    pub fn type_of(&self) -> Type {
        match self {
            Self::Nil => Type::Nil,
            Self::Bool(_) => Type::Bool,
            Self::Int(_, kind) => Type::Int(*kind),
            Self::Uint(_, kind) => Type::Uint(*kind),
            Self::Float(_) => Type::Float64,
            Self::Complex(..) => Type::Complex128,
            Self::Str(_) => Type::String,
            Self::Bytes(_) => Type::Slice(&BYTE_SLICE),
            Self::List(list) => Type::Slice(list.slice_type()),
            Self::Map(map) => Type::Map(map.map_type()),
            Self::Object(object) => Type::Named(object.type_name(), object.kind()),
            Self::Func(_) => Type::Func,
        }
    }

    /// The dynamic type as `%T` prints it: `float64`, `map[string]interface {}`, `<nil>`.
    pub fn type_name(&self) -> &'static str {
        self.type_of().name()
    }

    /// The kind as `kindOf` names it.
    pub fn kind(&self) -> Kind {
        self.type_of().kind()
    }

    /// A copy that shares no map and no slice with the original; types stay. Objects are shared: they don't
    /// change. Cycles are cut at [`MAX_NESTING`].
    #[must_use]
    pub fn deep_copy(&self) -> Self {
        self.copy_nested(0, &Visits::new())
    }

    fn copy_nested(&self, depth: usize, visits: &Visits) -> Self {
        if depth >= MAX_NESTING || !visits.allow() {
            return Self::Nil;
        }
        match self {
            Self::List(list) => Self::List(list.map_items(|item| item.copy_nested(depth + 1, visits))),
            Self::Map(map) => Self::Map(map.map_values(|value| value.copy_nested(depth + 1, visits))),
            Self::Object(object) => object.copied().unwrap_or_else(|| self.clone()),
            other => other.clone(),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<Vec<u8>> for Value {
    fn from(text: Vec<u8>) -> Self {
        Self::Str(text.into())
    }
}

impl From<Str> for Value {
    fn from(text: Str) -> Self {
        Self::Str(text)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value, kind) => write!(f, "{kind}({value})"),
            Self::Uint(value, kind) => write!(f, "{kind}({value})"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Complex(re, im) => write!(f, "({re:?}+{im:?}i)"),
            Self::Str(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "bytes({bytes:?})"),
            Self::List(list) => write!(f, "{}{:?}", list.slice_type().name, list.to_vec()),
            Self::Map(map) => write!(f, "{}{:?}", map.map_type().name, map.to_vec()),
            Self::Object(object) => write!(f, "<{}>", object.type_name()),
            Self::Func(_) => f.write_str("<func>"),
        }
    }
}

#[cfg(test)]
mod tests;
