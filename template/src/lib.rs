//! Go's text/template with Go's value model, Sprig's and Helm's functions, and the YAML and JSON of Go's libraries.
//!
//! For programs in Rust that have to render what was written for Go: charts, `werf.yaml`, label templates, reports. The
//! contract is Go's output byte for byte, and Go's error texts with Go's positions; differences from Go are defects.
//!
//! | | |
//! |---|---|
//! | [`TemplateSet`] | templates by name: parse, execute |
//! | [`Options`] | delimiters, functions, what missing keys are |
//! | [`Error`] | what went wrong and where: template, line, column, and the chain of `include` and `tpl` |
//! | [`value`] | what templates compute with: [`Value`], and how functions are declared |
//! | [`functions`] | Sprig's and Helm's functions; clock, entropy and the cluster come in from outside |
//! | [`yaml`], [`json`] | as Go's libraries read and write them |
//! | [`mod@format`] | Go's `fmt` and `strconv`, as far as templates show it |
//! | [`files`] | read access to a tree of files, given from outside |
//!
//! # Parse and execute
//!
//! ```
//! use kiel_template::{TemplateSet, Value};
//!
//! let mut set = TemplateSet::default();
//! set.parse("greet", "{{ range $i, $name := .names }}{{ if $i }}, {{ end }}{{ $name | printf \"%q\" }}{{ end }}")?;
//! let data = Value::map([("names", Value::strings(["Ann", "Bo"]))]);
//! assert_eq!(set.execute("greet", &data)?, r#""Ann", "Bo""#);
//! # Ok::<(), kiel_template::Error>(())
//! ```
//!
//! # Own delimiters and functions
//!
//! A function says what types it takes; arguments are converted, refused and reported as Go does it.
//! [`value::Call`] leads back into the set: `include` and `tpl` are functions like any other.
//!
//! ```
//! use kiel_template::value::{Functions, Type};
//! use kiel_template::{ErrorKind, Options, TemplateSet, Value};
//!
//! let mut functions = Functions::new();
//! functions.add("upper", &[Type::String], |_, args| {
//!     Ok(args[0].as_str().unwrap_or_default().to_uppercase().into())
//! });
//! functions.add("include", &[Type::String, Type::Any], |call, args| {
//!     let name = args[0].as_string().cloned().unwrap_or_default();
//!     Ok(call.include(&name, &args[1])?.into())
//! });
//! let mut set = TemplateSet::new(Options {
//!     left: "[[".into(),
//!     right: "]]".into(),
//!     functions,
//!     ..Options::default()
//! });
//! set.parse("_helpers.tpl", r#"[[ define "name" ]][[ .name | upper ]][[ end ]]"#)?;
//! set.parse("t.yaml", r#"[[ include "name" . ]]: [[ .count ]]"#)?;
//!
//! let data = Value::map([("name", "web".into()), ("count", Value::int(2))]);
//! assert_eq!(set.execute("t.yaml", &data)?, "WEB: 2");
//!
//! // Errors are Go's, and tell where they arose.
//! let error = set.execute("t.yaml", &Value::map([("name", Value::Nil)])).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     r#"template: t.yaml:1:3: executing "t.yaml" at <include "name" .>: error calling include: "#.to_owned()
//!         + r#"template: _helpers.tpl:1:30: executing "name" at <upper>: invalid value; expected string"#,
//! );
//! let cause = error.cause().expect("include has failed within");
//! assert_eq!((cause.kind(), cause.template(), cause.line()), (ErrorKind::Execute, "_helpers.tpl", 1));
//! # Ok::<(), kiel_template::Error>(())
//! ```
//!
//! # Sprig and Helm
//!
//! ```
//! use std::rc::Rc;
//! use kiel_template::functions::{self, Environment};
//! use kiel_template::{Options, TemplateSet, Value};
//!
//! /// A clock that stands still, and entropy that is none: every run gives the same.
//! struct Still;
//!
//! impl Environment for Still {
//!     fn now(&self) -> jiff::Timestamp {
//!         jiff::Timestamp::UNIX_EPOCH
//!     }
//!     fn fill_random(&self, bytes: &mut [u8]) {
//!         bytes.fill(7);
//!     }
//! }
//!
//! let environment: Rc<dyn Environment> = Rc::new(Still);
//! let mut set = TemplateSet::new(Options {
//!     functions: functions::all(&environment),
//!     ..Options::default()
//! });
//! set.parse("t", "at: {{ now | date \"2006-01-02\" }}\n{{ dict \"b\" (list 1 \"yes\") \"a\" nil | toYaml }}")?;
//! assert_eq!(set.execute("t", &Value::Nil)?, "at: 1970-01-01\na: null\nb:\n- 1\n- \"yes\"");
//! # Ok::<(), kiel_template::Error>(())
//! ```
//!
//! # Promises
//!
//! - **Pure**: no IO, clock, randomness, environment or threads. What a template may see comes in as an argument, so the same
//!   arguments give the same bytes. Where Go itself leaves something to chance (the order of `keys`), it is sorted.
//! - **No panic, no endless run** on any template, value, YAML or JSON: see *Limits*. There is no unsafe code.
//! - **Go's values**: typed numbers, both nils, maps and lists that are shared and can be changed by `set`; `%T`, `%v`,
//!   `kindOf` and comparison show Go's types.
//!
//! # Limits
//!
//! - An execution ends with an error after 20 million steps, at a text of more than 32 MiB or a list of more than 2 million
//!   items, at 200 `tpl` within each other, and where the stack given by [`Options::stack_budget`] is used up.
//! - Values and sets are for one thread ([`Rc`](std::rc::Rc)s inside); what leaves it is text or JSON.
//! - Channels and Go's own structs do not exist; a type of your own with fields and methods is a [`value::Object`].
//! - `text/template/parse` has no counterpart: trees are not public.

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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
