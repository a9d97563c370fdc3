//! Go's text/template with Go's value model, Sprig, and the YAML and JSON of Go's libraries.
//!
//! Pure: no IO, clock, randomness or environment; what a template may see comes in as an argument.

mod error;
pub mod files;
mod number;
pub mod value;
pub mod yaml;

pub use error::{Error, ErrorKind};
pub use value::Value;
