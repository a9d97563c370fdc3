//! Go's text/template with Go's value model, Sprig, and the YAML and JSON of Go's libraries.
//!
//! Pure: no IO, clock, randomness or environment; what a template may see comes in as an argument.

mod builtins;
mod error;
mod exec;
pub mod files;
mod number;
pub mod format;
mod lex;
mod parse;
mod set;
mod stack;
mod unicode;
pub mod value;
pub mod yaml;

pub use error::{Error, ErrorKind};
pub use set::{MissingKey, Options, TemplateSet};
pub use value::Value;
