//! What a user can do about a chart that cannot be rendered: the place in the template, how the render came there, where
//! the values stand, and a hint for the common mistakes.
//!
//! It adds to Helm's text, which scripts look for, and never changes it. It does not guess: what cannot be found is left out.

mod hints;
mod origin;

use std::fmt::Write as _;

use crate::manifests::ManifestError;
use crate::model::Chart;
use crate::render::RenderError;
use crate::values::ValuesInput;

pub use origin::{find_value, find_values};

/// How many calls are named before the rest is counted.
const MAX_CALLS: usize = 6;

/// A place in a chart's file.
struct Place<'a> {
    file: String,
    line: usize,
    /// The line's text.
    text: &'a str,
    /// The bytes of the failing action in the line.
    span: std::ops::Range<usize>,
}

/// More about an error than Helm says, as lines of text without colours; nothing where there is nothing to add.
///
/// ```
/// use kiel_chart::{ValuesInput, explain};
/// # fn show(error: &kiel_chart::RenderError, chart: &kiel_chart::Chart, values: &ValuesInput) {
/// eprintln!("Error: {error}\n{}", explain(error, chart, values));
/// # }
/// ```
#[must_use]
pub fn explain(error: &RenderError, chart: &Chart, values: &ValuesInput) -> String {
    let mut out = String::new();
    match error {
        RenderError::Template { text, source } => explain_template(&mut out, text, source, chart, values),
        RenderError::Manifest(ManifestError::Yaml { path, source }) => {
            note(&mut out, "file", path);
            let template = file_text(chart, path).unwrap_or_default();
            if let Some(hint) = hints::of_manifest(&source.to_string(), &template) {
                note(&mut out, "hint", &hint);
            }
        }
        RenderError::Schema(text) => {
            for (path, problem) in hints::schema_problems(text) {
                if let Some(origin) = find_value(chart, values, &path) {
                    note(
                        &mut out,
                        "value",
                        &format!("`{}` is set in {origin}: {problem}", path.join(".")),
                    );
                }
            }
        }
        _ => {}
    }
    out
}

fn note(out: &mut String, title: &str, text: &str) {
    let _ = writeln!(out, "  = {title}: {text}");
}

fn explain_template(
    out: &mut String,
    text: &str,
    error: &kiel_template::Error,
    chart: &Chart,
    values: &ValuesInput,
) {
    let mut chain = vec![error];
    while let Some(cause) = chain[chain.len() - 1].cause() {
        chain.push(cause);
    }
    let innermost = chain[chain.len() - 1];
    let own = innermost.to_string();
    // A template that is missing has no place of its own.
    let shown = chain.iter().rposition(|error| error.line() > 0).unwrap_or(0);
    let at = chain[shown];
    let source = file_text(chart, at.template()).unwrap_or_default();
    if let Some(place) = place_of(at, &at.to_string(), &source) {
        snippet(out, &place);
    }
    name_callers(out, &chain[..shown]);
    let line = source.lines().nth(at.line().wrapping_sub(1)).unwrap_or_default();
    if let Some(mut path) = hints::value_path(&own, line) {
        let empty = own.contains("nil pointer evaluating");
        if empty || own.contains("can't evaluate field") {
            path.pop();
        }
        let mut full = owner(at.template());
        full.extend(path.iter().cloned());
        if let Some(origin) = find_value(chart, values, &full) {
            let how = if empty { "has no value" } else { "is set" };
            note(
                out,
                "value",
                &format!("`.Values.{}` {how} in {origin}", path.join(".")),
            );
        }
    }
    if let Some(hint) = hints::of_template(text, &own, chart) {
        note(out, "hint", &hint);
    }
}

/// The calls that lead to the place, the nearest first; one that repeats itself is named once.
fn name_callers(out: &mut String, callers: &[&kiel_template::Error]) {
    let mut named: Vec<String> = Vec::new();
    for caller in callers.iter().rev() {
        let column = caller
            .column()
            .map_or(String::new(), |column| format!(":{}", column + 1));
        let text = caller.to_string();
        let action = action_of(&text).unwrap_or_default();
        let place = format!("at {}:{}{column} by `{action}`", caller.template(), caller.line());
        if !named.contains(&place) {
            named.push(place);
        }
    }
    for place in named.iter().take(MAX_CALLS) {
        note(out, "called", place);
    }
    if named.len() > MAX_CALLS {
        note(out, "called", &format!("by {} more", named.len() - MAX_CALLS));
    }
}

/// The names of the subcharts from the top to a template: their values stand below these keys.
fn owner(template: &str) -> Vec<String> {
    let mut parts = template.split('/');
    let mut names = Vec::new();
    parts.next();
    while parts.next() == Some("charts") {
        match parts.next() {
            Some(name) => names.push(name.to_owned()),
            None => break,
        }
    }
    names
}

/// The text of a template by its full name: `app/charts/db/templates/x.yaml`.
fn file_text(chart: &Chart, template: &str) -> Option<String> {
    let (mut chart, mut rest) = (chart, template.split_once('/')?.1);
    loop {
        if let Some(file) = chart.templates.iter().find(|file| file.name == rest) {
            return Some(String::from_utf8_lossy(&file.data).into_owned());
        }
        let (name, inner) = rest.strip_prefix("charts/")?.split_once('/')?;
        chart = dependency_called(chart, name)?;
        rest = inner;
    }
}

/// A subchart by its alias or its name.
fn dependency_called<'a>(chart: &'a Chart, name: &str) -> Option<&'a Chart> {
    let mut wanted = chart.metadata.dependencies.iter();
    let wanted = wanted.find(|wanted| wanted.alias == name);
    let name = wanted.map_or(name, |wanted| &wanted.name);
    chart.dependencies.iter().find(|chart| chart.name() == name)
}

/// The action that a message names: what stands behind `at <`.
fn action_of(message: &str) -> Option<&str> {
    let start = message.find(" at <")? + 5;
    let end = message[start..].find(">: ")?;
    Some(&message[start..start + end])
}

fn place_of<'a>(error: &kiel_template::Error, message: &str, source: &'a str) -> Option<Place<'a>> {
    let text = source.lines().nth(error.line().checked_sub(1)?)?;
    let column = error.column().unwrap_or(0).min(text.len());
    let action = action_of(message).unwrap_or_default();
    let span = span_of(text, column, action);
    Some(Place {
        file: error.template().to_owned(),
        line: error.line(),
        text,
        span,
    })
}

/// The action in its line; Go's column is somewhere in it.
fn span_of(text: &str, column: usize, action: &str) -> std::ops::Range<usize> {
    let found = text
        .match_indices(action)
        .filter(|_| !action.is_empty())
        .min_by_key(|(at, _)| at.abs_diff(column));
    if let Some((at, _)) = found {
        return at..at + action.len();
    }
    let inside = text[..]
        .find("{{")
        .and_then(|open| Some((open, open + text[open..].find("}}")? + 2)));
    match inside {
        Some((open, close)) if action.is_empty() => open..close,
        _ => {
            let start = (0..=column)
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0);
            let length = text[start..]
                .find([' ', '|', ')', '}'])
                .unwrap_or(text.len() - start);
            start..start + length
        }
    }
}

fn snippet(out: &mut String, place: &Place<'_>) {
    let number = place.line.to_string();
    let gutter = " ".repeat(number.len());
    let width = |text: &str| text.chars().count();
    let before = width(&place.text[..place.span.start]);
    let marked = width(&place.text[place.span.clone()]).max(1);
    // A tab is one column here: what the terminal makes of it stays below.
    let pad: String = place
        .text
        .chars()
        .take(before)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let text: String = place
        .text
        .chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    let _ = writeln!(out, "{gutter}--> {}:{}:{}", place.file, place.line, before + 1);
    let _ = writeln!(out, "{gutter} |");
    let _ = writeln!(out, "{number} | {text}");
    let _ = writeln!(out, "{gutter} | {pad}{}", "^".repeat(marked));
}
