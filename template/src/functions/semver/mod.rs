//! `semver` and `semverCompare`: versions and constraints as Masterminds/semver v3.5 reads them.

mod constraint;
mod version;

use std::rc::Rc;

use crate::value::{Function, Functions, Kind, Object, Str, Type, UintKind, Value};

use super::args::{STRING, boolean, fail, string, text};
pub use constraint::Constraints;
pub use version::Version;

const VERSION: Type = Type::Named("*semver.Version", Kind::Ptr);

pub(super) fn register(functions: &mut Functions) {
    functions.add("semver", &[STRING], |_, args| {
        match Version::parse(&String::from_utf8_lossy(text(args, 0))) {
            Ok(version) => Ok(Value::object(version)),
            Err(error) => fail(error.to_string()),
        }
    });
    functions.add("semverCompare", &[STRING, STRING], |_, args| {
        let constraints = match Constraints::parse(&String::from_utf8_lossy(text(args, 0))) {
            Ok(constraints) => constraints,
            Err(error) => return fail(error.to_string()),
        };
        match Version::parse(&String::from_utf8_lossy(text(args, 1))) {
            Ok(version) => boolean(constraints.allow(&version)),
            Err(error) => fail(error.to_string()),
        }
    });
}

/// Why a text is no version or no constraint; the texts are those of Masterminds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SemverError {
    /// A version or constraint is longer than any that is meant.
    #[error("{what} string is too long (max {limit} bytes)")]
    TooLong {
        /// `version` or `constraint`.
        what: &'static str,
        /// The most bytes that it may have.
        limit: usize,
    },
    /// It is no version.
    #[error("invalid semantic version")]
    Version,
    /// A number of the version is larger than 64 bits hold.
    #[error("error parsing version segment: strconv.ParseUint: parsing \"{0}\": value out of range")]
    Number(String),
    /// A number of the prerelease has a zero too many.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// There are more alternatives than are read.
    #[error("too many constraint groups (max {0})")]
    TooManyGroups(usize),
    /// It is no constraint.
    #[error("improper constraint: {}", crate::format::quote_str(.0.as_bytes()))]
    Constraint(String),
    /// A constraint's version is none.
    #[error("constraint parser error")]
    ConstraintVersion,
}

/// Whether `version` satisfies `constraint`, by Masterminds/semver's rules: `>=1.2.0-0 <2`, `~1.4 || ^3`.
///
/// # Errors
/// One of them is none.
pub fn satisfies(constraint: &str, version: &str) -> Result<bool, SemverError> {
    Ok(Constraints::parse(constraint)?.allow(&Version::parse(version)?))
}

impl Object for Version {
    fn type_name(&self) -> &'static str {
        "*semver.Version"
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn text(&self) -> Option<Str> {
        Some(self.to_string().into())
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("major", Value::Uint(self.major, UintKind::Uint64)),
            ("minor", Value::Uint(self.minor, UintKind::Uint64)),
            ("patch", Value::Uint(self.patch, UintKind::Uint64)),
            ("pre", Value::string(&self.prerelease)),
            ("metadata", Value::string(&self.metadata)),
            ("original", Value::string(&self.original)),
        ]
    }

    fn field(&self, _: &str) -> Option<Value> {
        // Go: none of them is exported.
        None
    }

    fn to_json(&self) -> serde_json::Value {
        self.to_string().into()
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        type Read = fn(&Version) -> Value;
        type Test = fn(std::cmp::Ordering) -> Value;
        let read: Option<Read> = match name {
            "Major" => Some(|version| Value::Uint(version.major, UintKind::Uint64)),
            "Minor" => Some(|version| Value::Uint(version.minor, UintKind::Uint64)),
            "Patch" => Some(|version| Value::Uint(version.patch, UintKind::Uint64)),
            "Prerelease" => Some(|version| Value::string(&version.prerelease)),
            "Metadata" => Some(|version| Value::string(&version.metadata)),
            "Original" => Some(|version| Value::string(&version.original)),
            "String" => Some(|version| Value::string(version.to_string())),
            "IncMajor" => Some(|version| Value::object(version.next_major())),
            "IncMinor" => Some(|version| Value::object(version.next_minor())),
            "IncPatch" => Some(|version| Value::object(version.next_patch())),
            _ => None,
        };
        if let Some(read) = read {
            return Some(Function::new(name, &[], move |_, _| Ok(read(&self))));
        }
        let test: Test = match name {
            "Compare" => |order| Value::int(order as i64),
            "Equal" => |order| Value::Bool(order.is_eq()),
            "LessThan" => |order| Value::Bool(order.is_lt()),
            "LessThanEqual" => |order| Value::Bool(order.is_le()),
            "GreaterThan" => |order| Value::Bool(order.is_gt()),
            "GreaterThanEqual" => |order| Value::Bool(order.is_ge()),
            _ => return None,
        };
        Some(Function::new(name, &[VERSION], move |_, args| {
            match args[0].downcast::<Version>() {
                Some(other) => Ok(test(self.compare(other))),
                None => string(""),
            }
        }))
    }
}
