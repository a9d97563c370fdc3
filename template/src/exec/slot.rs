//! What an expression evaluates to: a value and what Go calls its static type.

use crate::{format::static_type_name, value::Value};

/// Go: a `reflect.Value`. The two nothings of Go differ here: [`Slot::Invalid`] is no value at all, a
/// [`Slot::Interface`] of nil is a slot of type `interface {}` that holds nothing.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// No value.
    Invalid,
    /// A value whose static type is its own; never nil.
    Value(Value),
    /// A value out of a slot of type `interface {}`: a map's value, a slice's element.
    Interface(Value),
}

impl Slot {
    /// Go: `reflect.ValueOf(x)`.
    pub(crate) fn of(value: Value) -> Self {
        if value.is_nil() {
            Self::Invalid
        } else {
            Self::Value(value)
        }
    }

    /// The result of a function: nil has the static type `interface {}`.
    pub(crate) fn result(value: Value) -> Self {
        if value.is_nil() {
            Self::Interface(value)
        } else {
            Self::Value(value)
        }
    }

    /// Out of the interface: the static type is forgotten.
    pub(crate) fn unwrapped(self) -> Self {
        match self {
            Self::Interface(value) => Self::of(value),
            other => other,
        }
    }

    /// The value inside; nil for no value.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Invalid => Value::Nil,
            Self::Value(value) | Self::Interface(value) => value,
        }
    }

    /// The value inside; `None` for no value and for nil.
    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Self::Invalid | Self::Interface(Value::Nil) => None,
            Self::Value(value) | Self::Interface(value) => Some(value),
        }
    }

    pub(crate) fn truth(&self) -> bool {
        self.value().is_some_and(Value::truth)
    }

    /// The static type as Go's messages name it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Invalid => "<nil>",
            Self::Value(value) => static_type_name(false, value),
            Self::Interface(value) => static_type_name(true, value),
        }
    }
}
