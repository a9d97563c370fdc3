//! Go's text/template with Go's value model, Sprig, and the YAML and JSON of Go's libraries.
//!
//! Pure: no IO, clock, randomness or environment; what a template may see comes in as an argument.
//!
//! - [`value`]: what templates compute with, and how functions are declared;
//! - [`TemplateSet`]: templates by name, parsed and executed;
//! - [`format`]: Go's `fmt` and `strconv`, as far as templates show it;
//! - [`files`]: read access to a tree of files, given from outside.
//!
//! ```
//! use kiel_template::{Options, TemplateSet, Value, value::{Functions, Type}};
//!
//! let mut functions = Functions::new();
//! functions.add("upper", &[Type::String], |_, args| {
//!     Ok(args[0].as_str().unwrap_or_default().to_uppercase().into())
//! });
//! functions.add("include", &[Type::String, Type::Any], |call, args| {
//!     let name = args[0].as_string().cloned().unwrap_or_default();
//!     Ok(call.include(&name, &args[1])?.into())
//! });
//! let mut set = TemplateSet::new(Options { functions, ..Options::default() });
//! set.parse("_helpers.tpl", r#"{{ define "name" }}{{ .name | upper }}{{ end }}"#)?;
//! set.parse("t.yaml", r#"{{ include "name" . }}: {{ .count }}"#)?;
//!
//! let data = Value::map([("name", "web".into()), ("count", Value::int(2))]);
//! assert_eq!(set.execute("t.yaml", &data)?, "WEB: 2");
//!
//! let error = set.execute("t.yaml", &Value::map([("name", Value::Nil)])).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     r#"template: t.yaml:1:3: executing "t.yaml" at <include "name" .>: error calling include: "#.to_owned()
//!         + r#"template: _helpers.tpl:1:30: executing "name" at <upper>: invalid value; expected string"#,
//! );
//! # Ok::<(), kiel_template::Error>(())
//! ```
//!
//! Rendering recurses on the thread's stack: see [`Options::stack_budget`].

mod builtins;
mod error;
mod exec;
pub mod files;
pub mod format;
pub mod functions;
mod hash;
pub mod json;
mod lex;
mod number;
mod parse;
mod set;
mod stack;
mod unicode;
pub mod value;
pub mod yaml;

pub use error::{Error, ErrorKind};
pub use exec::without_no_value;
pub use set::{MissingKey, Options, TemplateSet};
pub use value::Value;
