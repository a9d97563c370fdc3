//! What a chart's user should know although nothing is wrong enough to stop.
//!
//! Helm logs such things with the line of its own source in front; scripts that read its standard error see that.
//! People are told the plain text, in which no values stand: they may be secret.

use std::fmt;

use kiel_template::{Value, format};

/// A warning. Its `Display` is the line that Helm prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    line: String,
    text: String,
}

impl Warning {
    /// One that Helm has not.
    pub(crate) fn own(text: String) -> Self {
        Self {
            line: text.clone(),
            text,
        }
    }

    /// One that Helm logs; `place` is where, such as `coalesce.go:237`.
    pub fn logged(place: &str, text: &str) -> Self {
        Self {
            line: format!("{place}: {text}"),
            text: text.to_owned(),
        }
    }

    /// Likewise; Helm shows the value too.
    pub(crate) fn logged_with(place: &str, text: &str, value: &Value) -> Self {
        let mut warning = Self::logged(place, text);
        let shown = format::sprintf(b" (%v)", std::slice::from_ref(value));
        warning.line.push_str(&String::from_utf8_lossy(&shown));
        warning
    }

    /// One that kiel has better words for than Helm's line.
    pub(crate) fn logged_as(line: &str, text: String) -> Self {
        Self {
            line: line.to_owned(),
            text,
        }
    }

    /// One that Helm prints without a place.
    pub(crate) fn printed(text: &str) -> Self {
        Self {
            line: format!("WARNING: {text}"),
            text: text.to_owned(),
        }
    }

    /// As said about what the values of a chart are checked by.
    pub(crate) fn about(&self, chart: &str) -> Self {
        if self.line != self.text {
            return self.clone();
        }
        Self::own(format!(
            "chart `{chart}`: its values are not checked by all of values.schema.json: {}",
            self.text
        ))
    }

    /// The plain text, without values.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}
