//! `values.schema.json`: which values a chart accepts.
//!
//! JSON Schema of the drafts 4 to 2020-12, by the rules and with the messages of the library that Helm uses: a schema is
//! held against the schema of its draft first, then its references are followed, then the values are judged. Nothing is
//! fetched: what a schema refers to on the web takes everything, with a warning, and files are not there. Work is bounded.

mod address;
mod draft;
mod failure;
mod formats;
mod library;
mod meta;
mod number;
mod validate;

use kiel_template::json;
use serde_json::Value;

use crate::warning::Warning;
use library::Library;

/// The address under which Helm knows every schema.
const URL: &str = "file:///values.schema.json";

/// What a schema says about values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// Why the values are refused, as Helm prints it.
    pub(crate) refused: Option<String>,
    /// What could not be checked.
    pub(crate) warnings: Vec<Warning>,
}

/// Judges `values` by the text of a schema.
pub(crate) fn judge(schema: &[u8], values: &Value) -> Judgement {
    let refused = |text: String| Judgement {
        refused: Some(text),
        warnings: Vec::new(),
    };
    let schema = match read(schema) {
        Ok(schema) => schema,
        Err(text) => return refused(text),
    };
    let mut library = Library::default();
    if let Err(text) = library.add(URL, &schema).and_then(|()| library.compile(URL)) {
        return refused(text);
    }
    let outcome = validate::check_values(&library, &schema, values);
    let mut warnings = std::mem::take(&mut library.warnings);
    match outcome {
        Ok(refused) => Judgement { refused, warnings },
        Err(reason) => {
            warnings.push(Warning::own(reason));
            Judgement {
                refused: None,
                warnings,
            }
        }
    }
}

/// The text as JSON; the errors are Go's.
fn read(text: &[u8]) -> Result<Value, String> {
    let (value, end) = json::from_prefix(text).map_err(|error| match error.to_string() {
        // Go: its reader says it otherwise.
        _ if text.trim_ascii().is_empty() => "EOF".to_owned(),
        end if end == "unexpected end of JSON input" => "unexpected EOF".to_owned(),
        text => text,
    })?;
    if !text[end..].trim_ascii().is_empty() {
        return Err("invalid character after top-level value".to_owned());
    }
    // Template values have one kind of numbers only.
    Ok(serde_json::from_slice(&text[..end]).unwrap_or_else(|_| value.to_json()))
}

#[cfg(test)]
mod tests;
