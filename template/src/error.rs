//! Errors of parsing and executing templates, in Go's words.

use std::fmt;

/// A template that could not be parsed or executed. [`fmt::Display`] is Go's text, byte for byte:
/// `template: chart/templates/x.yaml:12:14: executing "…" at <.Values.a.b>: nil pointer evaluating …`.
#[derive(Debug, Clone)]
pub struct Error {
    pub(crate) text: String,
    pub(crate) kind: ErrorKind,
    pub(crate) template: String,
    pub(crate) line: usize,
    pub(crate) column: Option<usize>,
    pub(crate) cause: Option<Box<Error>>,
}

/// What went wrong, as far as callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is no template.
    Parse,
    /// The template failed while it was executed.
    Execute,
    /// There is no such template.
    Missing,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The name of the template whose text the error points into.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The line in that text, from 1; 0 when no place is known.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in bytes from 0, as Go counts; parse errors have none.
    pub fn column(&self) -> Option<usize> {
        self.column
    }

    /// The error of the template that this one called with `include` or `tpl`.
    pub fn cause(&self) -> Option<&Error> {
        self.cause.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
