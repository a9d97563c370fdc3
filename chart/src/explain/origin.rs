//! Where a value comes from: a flag, a line of a values file, a line of a chart's own values.

use kiel_template::yaml;

use super::dependency_called;
use crate::model::Chart;
use crate::values::ValuesInput;

/// Where the value at `path` was set last: `--set image.tag`, `prod.yaml:14`, `values.yaml:3`; `None` where it is not set.
///
/// `path` begins at the top chart's values; a subchart's values stand below its name.
#[must_use]
pub fn find_value(chart: &Chart, values: &ValuesInput, path: &[String]) -> Option<String> {
    find_values(chart, values, path).into_iter().next()
}

/// Every place that sets the value at `path`, the one that counts first.
#[must_use]
pub fn find_values(chart: &Chart, values: &ValuesInput, path: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    if path.is_empty() {
        return found;
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
            for part in line.split(',').rev().filter(|part| sets(part, path)) {
                // The value may be a secret.
                found.push(format!("{flag} {}", part.split('=').next().unwrap_or_default()));
            }
        }
    }
    for file in values.files.iter().rev() {
        if let Some(line) = line_of(&file.content, path) {
            found.push(format!("{}:{line}", file.name));
        }
    }
    in_chart(chart, path, "", &mut found);
    found
}

/// Whether `key=value` sets the value or something in or around it.
fn sets(part: &str, path: &[String]) -> bool {
    let key = part.split('=').next().unwrap_or_default();
    let wanted = path.join(".");
    let key = key.split('[').next().unwrap_or_default();
    !key.is_empty()
        && (wanted == key || wanted.starts_with(&format!("{key}.")) || key.starts_with(&format!("{wanted}.")))
}

fn in_chart(chart: &Chart, path: &[String], folder: &str, found: &mut Vec<String>) {
    if let Some(line) = chart.values_text.as_deref().and_then(|text| line_of(text, path)) {
        found.push(format!("{folder}values.yaml:{line}"));
    }
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let child = dependency_called(chart, name);
    if let Some(child) = child.filter(|_| !rest.is_empty()) {
        in_chart(child, rest, &format!("{folder}charts/{}/", child.name()), found);
    }
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
