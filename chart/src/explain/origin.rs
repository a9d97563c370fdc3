//! Where a value comes from: a flag, a line of a values file, a line of a chart's own values.

use kiel_template::yaml;

use crate::model::Chart;
use crate::values::ValuesInput;

/// Where the value at `path` was set last: `--set image.tag`, `prod.yaml:14`, `values.yaml:3`; `None` where it is not set.
///
/// `path` begins at the top chart's values; a subchart's values stand below its name.
#[must_use]
pub fn find_value(chart: &Chart, values: &ValuesInput, path: &[String]) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let flags = [
        ("--set-literal", &values.set_literal),
        ("--set-file", &values.set_file),
        ("--set-string", &values.set_string),
        ("--set", &values.set),
        ("--set-json", &values.set_json),
    ];
    for (flag, lines) in flags {
        for line in lines.iter().rev() {
            if let Some(part) = line.split(',').rev().find(|part| sets(part, path)) {
                // The value may be a secret.
                return Some(format!("{flag} {}", part.split('=').next().unwrap_or_default()));
            }
        }
    }
    for file in values.files.iter().rev() {
        if let Some(line) = line_of(&file.content, path) {
            return Some(format!("{}:{line}", file.name));
        }
    }
    in_chart(chart, path, "")
}

/// Whether `key=value` sets the value or something in or around it.
fn sets(part: &str, path: &[String]) -> bool {
    let key = part.split('=').next().unwrap_or_default();
    let wanted = path.join(".");
    let key = key.split('[').next().unwrap_or_default();
    !key.is_empty()
        && (wanted == key || wanted.starts_with(&format!("{key}.")) || key.starts_with(&format!("{wanted}.")))
}

fn in_chart(chart: &Chart, path: &[String], folder: &str) -> Option<String> {
    if let Some(line) = chart.values_text.as_deref().and_then(|text| line_of(text, path)) {
        return Some(format!("{folder}values.yaml:{line}"));
    }
    let (name, rest) = path.split_first()?;
    let child = chart
        .dependencies
        .iter()
        .find(|dependency| dependency.name() == name)?;
    in_chart(child, rest, &format!("{folder}charts/{name}/"))
}

/// The line of a path's last key.
fn line_of(text: &[u8], path: &[String]) -> Option<usize> {
    let documents = yaml::parse_documents(std::str::from_utf8(text).ok()?).ok()?;
    let mut node = documents.first()?;
    let mut line = None;
    for name in path {
        let (key, value) = node
            .entries()?
            .iter()
            .rev()
            .find(|(key, _)| key.text() == Some(name))?;
        line = Some(key.line);
        node = value;
    }
    line
}
