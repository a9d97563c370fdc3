//! Values with a type of their own.

use std::{any::Any, rc::Rc};

use super::{Function, Kind, Str, Value};

/// A value of a named Go type that is neither a map nor a slice: a struct, a pointer to one, a `time.Time`, a
/// `time.Duration`, an error. Templates see its type name, its methods, its fields and its text.
pub trait Object {
    /// As `%T` prints it: `*semver.Version`, `time.Time`.
    fn type_name(&self) -> &'static str;

    /// The kind of the type.
    fn kind(&self) -> Kind {
        Kind::Struct
    }

    /// For downcasts by functions that take this type.
    fn as_any(&self) -> &dyn Any;

    /// An exported method, bound to the value.
    fn method(self: Rc<Self>, name: &str) -> Option<Function>;

    /// The fields in declaration order; printed as `{a b}`.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// An exported field by name.
    fn field(&self, name: &str) -> Option<Value> {
        self.fields()
            .into_iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// The text of its `String` or `Error` method, where it has one: `fmt` prints that.
    fn text(&self) -> Option<Str> {
        None
    }

    /// The text of a `String` method that only pointers have: an action prints a place by it, functions don't.
    fn text_in_place(&self) -> Option<Str> {
        None
    }

    /// Go: what functions get, where the place of a value has methods that its copy lacks.
    fn passed(&self) -> Option<Value> {
        None
    }

    /// Go: what `deepCopy` makes of it where that cannot see all fields.
    fn copied(&self) -> Option<Value> {
        None
    }

    /// The number below a type of an integer kind.
    fn integer(&self) -> Option<i64> {
        None
    }

    /// Go: `template.IsTrue`; structs and non-nil pointers are true.
    fn truth(&self) -> bool {
        self.integer() != Some(0)
    }

    /// What `encoding/json` would see. By default an object of the fields.
    fn to_json(&self) -> serde_json::Value {
        if let Some(number) = self.integer() {
            return number.into();
        }
        serde_json::Value::Object(
            self.fields()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_json()))
                .collect(),
        )
    }

    /// Equality by content for `deepEqual`; by default of type and fields.
    fn equals(&self, other: &dyn Object) -> bool {
        self.type_name() == other.type_name()
            && self.integer() == other.integer()
            && self.text() == other.text()
            && self
                .fields()
                .iter()
                .zip(other.fields())
                .all(|(a, b)| a.1.deep_equal(&b.1))
    }
}

/// A Go `error` as a value.
#[derive(Debug, Clone)]
pub struct ErrorValue(pub Str);

impl Object for ErrorValue {
    fn type_name(&self) -> &'static str {
        "*errors.errorString"
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        (name == "Error").then(|| Function::new("Error", &[], move |_, _| Ok(Value::Str(self.0.clone()))))
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("s", Value::Str(self.0.clone()))]
    }

    fn field(&self, _: &str) -> Option<Value> {
        // Go: the field is not exported.
        None
    }

    fn text(&self) -> Option<Str> {
        Some(self.0.clone())
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::Value::Object(serde_json::Map::new())
    }
}
