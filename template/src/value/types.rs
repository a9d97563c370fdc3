//! Go types, as far as templates can observe them.

use std::fmt;

use super::{Function, Value};

/// A signed integer type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum IntKind {
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
}

/// An unsigned integer type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum UintKind {
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
}

/// `reflect.Kind`; [`fmt::Display`] gives Go's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    Invalid,
    Bool,
    Int(IntKind),
    Uint(UintKind),
    Float64,
    Complex128,
    String,
    Slice,
    Map,
    Struct,
    Ptr,
    Func,
    Interface,
}

/// A slice type. Make one as a `static`; types are compared by name.
#[derive(Debug)]
pub struct SliceType {
    /// As `%T` prints it.
    pub name: &'static str,
    /// Whether it is a defined type (`chartutil.VersionSet`) and not a type literal (`[]string`).
    pub defined: bool,
    /// The elements' static type.
    pub elem: Type,
    /// The method of that name, bound to the value; `None` when the type has no such method.
    pub method: fn(&Value, &str) -> Option<Function>,
}

/// A map type with string keys. Make one as a `static`; types are compared by name.
#[derive(Debug)]
pub struct MapType {
    /// As `%T` prints it.
    pub name: &'static str,
    /// Whether it is a defined type (`chartutil.Values`) and not a type literal.
    pub defined: bool,
    /// The values' static type.
    pub elem: Type,
    /// The method of that name, bound to the value; `None` when the type has no such method.
    pub method: fn(&Value, &str) -> Option<Function>,
}

/// A Go type: of a value, of a slice's elements, of a function's parameter.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// The type of the nil interface, printed as `<nil>`.
    Nil,
    /// `interface {}`.
    Any,
    /// `bool`.
    Bool,
    /// `int` and its sized kin.
    Int(IntKind),
    /// `uint` and its sized kin.
    Uint(UintKind),
    /// `float64`.
    Float64,
    /// `complex128`.
    Complex128,
    /// `string`.
    String,
    /// A slice.
    Slice(&'static SliceType),
    /// A map.
    Map(&'static MapType),
    /// The type of an [`super::Object`], by its `%T` name.
    Named(&'static str, Kind),
    /// A function.
    Func,
}

impl Type {
    /// `int`, the commonest parameter type.
    pub const INT: Self = Self::Int(IntKind::Int);
    /// `map[string]interface {}`.
    pub const ANY_MAP: Self = Self::Map(&ANY_MAP);
    /// `[]interface {}`.
    pub const ANY_SLICE: Self = Self::Slice(&ANY_SLICE);

    /// As `%T` and Go's messages print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int(kind) => kind.name(),
            Self::Uint(kind) => kind.name(),
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Slice(slice) => slice.name,
            Self::Map(map) => map.name,
            Self::Named(name, _) => name,
            Self::Func => "func",
        }
    }

    /// The type's kind.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Any => Kind::Interface,
            Self::Bool => Kind::Bool,
            Self::Int(kind) => Kind::Int(kind),
            Self::Uint(kind) => Kind::Uint(kind),
            Self::Float64 => Kind::Float64,
            Self::Complex128 => Kind::Complex128,
            Self::String => Kind::String,
            Self::Slice(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Named(_, kind) => kind,
            Self::Func => Kind::Func,
        }
    }

    /// Whether nil can be assigned to it.
    pub const fn can_be_nil(self) -> bool {
        matches!(
            self.kind(),
            Kind::Interface | Kind::Map | Kind::Slice | Kind::Ptr | Kind::Func
        )
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Slice(a), Self::Slice(b)) => std::ptr::eq(*a, *b) || a.name == b.name,
            (Self::Map(a), Self::Map(b)) => std::ptr::eq(*a, *b) || a.name == b.name,
            (Self::Named(a, _), Self::Named(b, _)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Uint(a), Self::Uint(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl IntKind {
    /// Go's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
        }
    }
}

impl fmt::Display for IntKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl UintKind {
    /// Go's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
        }
    }
}

impl fmt::Display for UintKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int(kind) => kind.name(),
            Self::Uint(kind) => kind.name(),
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Slice => "slice",
            Self::Map => "map",
            Self::Struct => "struct",
            Self::Ptr => "ptr",
            Self::Func => "func",
            Self::Interface => "interface",
        })
    }
}

fn no_method(_: &Value, _: &str) -> Option<Function> {
    None
}

macro_rules! slice_type {
    ($name:ident, $text:literal, $elem:expr) => {
        #[doc = concat!("`", $text, "`.")]
        pub static $name: SliceType = SliceType {
            name: $text,
            defined: false,
            elem: $elem,
            method: no_method,
        };
    };
}

macro_rules! map_type {
    ($name:ident, $text:literal, $elem:expr) => {
        #[doc = concat!("`", $text, "`.")]
        pub static $name: MapType = MapType {
            name: $text,
            defined: false,
            elem: $elem,
            method: no_method,
        };
    };
}

slice_type!(ANY_SLICE, "[]interface {}", Type::Any);
slice_type!(ANY_SLICES, "[][]interface {}", Type::Slice(&ANY_SLICE));
slice_type!(STRING_SLICE, "[]string", Type::String);
slice_type!(INT_SLICE, "[]int", Type::Int(IntKind::Int));
slice_type!(BYTE_SLICE, "[]uint8", Type::Uint(UintKind::Uint8));
map_type!(ANY_MAP, "map[string]interface {}", Type::Any);
map_type!(STRING_MAP, "map[string]string", Type::String);
