//! Why a value breaks a schema, and how it is told.

use kiel_template::format::quote_str;
use serde_json::Value;

use super::draft::escaped;

/// A reason, with the reasons behind it.
#[derive(Debug)]
pub(super) struct Failure {
    path: Vec<String>,
    text: String,
    kind: Kind,
    causes: Vec<Failure>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Several reasons about one value.
    Group,
    /// A reason found in another part of the schema.
    Reference,
}

impl Failure {
    pub(super) fn new(path: Vec<String>, text: String) -> Self {
        Self {
            path,
            text,
            kind: Kind::Plain,
            causes: Vec::new(),
        }
    }

    pub(super) fn group(path: Vec<String>, causes: Vec<Self>) -> Self {
        Self {
            path,
            text: "validation failed".to_owned(),
            kind: Kind::Group,
            causes,
        }
    }

    pub(super) fn because(mut self, causes: Vec<Self>) -> Self {
        self.causes = causes;
        self
    }

    /// The reasons, each on its own.
    pub(super) fn into_causes(self) -> Vec<Self> {
        if self.kind == Kind::Group {
            self.causes
        } else {
            vec![self]
        }
    }

    /// The reason as seen from where the schema refers to the part that failed.
    pub(super) fn behind_reference(self) -> Self {
        Self {
            path: self.path.clone(),
            text: "validation failed".to_owned(),
            kind: Kind::Reference,
            causes: self.into_causes(),
        }
    }

    /// One line for each reason, reasons behind it indented.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        if self.kind == Kind::Group {
            for cause in &self.causes {
                cause.write(&mut text, 0);
            }
        } else {
            self.write(&mut text, 0);
        }
        text
    }

    fn write(&self, out: &mut String, indent: usize) {
        let is_shown = self.kind != Kind::Reference || self.causes.len() != 1;
        if is_shown {
            let path: String = self
                .path
                .iter()
                .map(|part| format!("/{}", escaped(part)))
                .collect();
            out.push_str(&"  ".repeat(indent));
            out.push_str(&format!("- at {}: {}\n", quoted(&path), self.text));
        }
        for cause in &self.causes {
            cause.write(out, indent + usize::from(is_shown));
        }
    }
}

/// In single quotes.
pub(super) fn quoted(text: &str) -> String {
    let quoted = quote_str(text.as_bytes())
        .replace("\\\"", "\"")
        .replace('\'', "\\'");
    format!("'{}'", &quoted[1..quoted.len() - 1])
}

/// All in single quotes.
pub(super) fn joined(names: &[String]) -> String {
    names
        .iter()
        .map(|name| quoted(name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A value as it stands in a message.
pub(super) fn display(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => "value".to_owned(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

/// What is said about a number of things.
pub(super) fn counted(name: &str, got: usize, want: usize) -> String {
    format!(
        "{name}: got {}, want {}",
        localized_count(got),
        localized_count(want)
    )
}

/// `65,535`.
pub(super) fn localized_count(count: usize) -> String {
    grouped(&count.to_string())
}

/// `2.5`, `65,535`, `1×10⁰⁶`: large and small numbers by powers of ten.
pub(super) fn localized(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let power: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&power) {
        let plain = format!("{number}");
        return match plain.split_once('.') {
            Some((whole, fraction)) => format!("{}.{fraction}", grouped(whole)),
            None => grouped(&plain),
        };
    }
    let sign = if power < 0 { "⁻" } else { "" };
    let digits: String = format!("{:02}", power.abs())
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .filter_map(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize))
        .collect();
    format!("{mantissa}×10{sign}{digits}")
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
