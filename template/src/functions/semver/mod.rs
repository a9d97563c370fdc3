//! `semver` and `semverCompare`: versions and constraints as Masterminds/semver v3.5 reads them.

mod constraint;
mod version;

use std::rc::Rc;

use crate::value::{Function, Functions, Kind, Object, Str, Type, UintKind, Value};

use super::args::{NIL_POINTER, STRING, boolean, fail, text};
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

    fn copied(&self) -> Option<Value> {
        // Go: no field can be set from outside.
        Some(Value::object(Self {
            major: 0,
            minor: 0,
            patch: 0,
            prerelease: String::new(),
            metadata: String::new(),
            original: String::new(),
        }))
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        type Test = fn(std::cmp::Ordering) -> Value;
        if name == "Original" {
            return Some(Function::new(name, &[], move |_, _| {
                Ok(Value::string(&self.original))
            }));
        }
        let test: Test = match name {
            "Compare" => |order| Value::int(order as i64),
            "Equal" => |order| Value::Bool(order.is_eq()),
            "LessThan" => |order| Value::Bool(order.is_lt()),
            "LessThanEqual" => |order| Value::Bool(order.is_le()),
            "GreaterThan" => |order| Value::Bool(order.is_gt()),
            "GreaterThanEqual" => |order| Value::Bool(order.is_ge()),
            _ => return value_method(&self, name),
        };
        Some(Function::new(name, &[VERSION], move |_, args| {
            match args[0].downcast::<Version>() {
                Some(other) => Ok(test(self.compare(other))),
                None => fail(NIL_POINTER),
            }
        }))
    }
}

/// The methods that a version has which no pointer points to, too.
fn value_method(version: &Version, name: &str) -> Option<Function> {
    let plain = |version: Version| Value::object(PlainVersion(version));
    let value = match name {
        "Major" => Value::Uint(version.major, UintKind::Uint64),
        "Minor" => Value::Uint(version.minor, UintKind::Uint64),
        "Patch" => Value::Uint(version.patch, UintKind::Uint64),
        "Prerelease" => Value::string(&version.prerelease),
        "Metadata" => Value::string(&version.metadata),
        "String" | "Value" => Value::string(version.to_string()),
        "MarshalText" => Value::from_bytes(version.to_string().as_bytes()),
        "MarshalJSON" => Value::from_bytes(format!("\"{version}\"").as_bytes()),
        "IncMajor" => plain(version.next_major()),
        "IncMinor" => plain(version.next_minor()),
        "IncPatch" => plain(version.next_patch()),
        "SetPrerelease" | "SetMetadata" => {
            let (version, of_prerelease) = (version.clone(), name == "SetPrerelease");
            return Some(Function::new(name, &[STRING], move |_, args| {
                let part = String::from_utf8_lossy(text(args, 0));
                match if of_prerelease {
                    version.with_prerelease(&part)
                } else {
                    version.with_metadata(&part)
                } {
                    Ok(version) => Ok(plain(version)),
                    Err(problem) => fail(problem),
                }
            }));
        }
        _ => return None,
    };
    Some(Function::new(name, &[], move |_, _| Ok(value.clone())))
}

/// A `semver.Version` that is no pointer: what the methods give that change one.
#[derive(Debug, Clone, PartialEq)]
struct PlainVersion(Version);

impl Object for PlainVersion {
    fn type_name(&self) -> &'static str {
        "semver.Version"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn text(&self) -> Option<Str> {
        self.0.text()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.0.fields()
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn to_json(&self) -> serde_json::Value {
        self.0.to_json()
    }

    fn copied(&self) -> Option<Value> {
        let copied = self.0.copied()?;
        Some(Value::object(Self(copied.downcast::<Version>()?.clone())))
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        value_method(&self.0, name)
    }
}
