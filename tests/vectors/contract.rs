//! What counts as equal, by area. werf's words are not the measure everywhere: where kiel says more, or says it better,
//! the verdict counts, or the objects that a text means.

use anyhow::Result;
use serde_json::Value;

use crate::case::Case;
use crate::fixture::{Fixture, Outcome};

/// How far a result has to be the recorded one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contract {
    /// Exit code, output and sentences.
    Exact,
    /// As exact, but of a refusal only that it is one.
    VerdictOnError,
    /// The exit code alone: the message is kiel's own.
    Verdict,
    /// The same Kubernetes objects, in any order; of a refusal only that it is one.
    Documents,
}

fn contract(case: &Case) -> Contract {
    let is_render = case.args.iter().take(2).any(|arg| arg == "render");
    match case.area.as_str() {
        // werf sorts and normalises what it prints, kiel keeps Helm's text.
        "names" | "build-report" | "giterminism" if is_render && case.exit == 0 => Contract::Documents,
        "config-errors" | "lint" => Contract::Verdict,
        "includes" | "export" | "build-report" | "names" | "secrets" | "slugify" => Contract::VerdictOnError,
        "bundle" | "render" => Contract::Documents,
        _ => Contract::Exact,
    }
}

/// Everything in which a result is not the recorded one.
pub(crate) fn differences(case: &Case, fixture: &Fixture, outcome: &Outcome) -> Result<Vec<String>> {
    let contract = contract(case);
    let mut found = Vec::new();
    if outcome.code != Some(case.exit) {
        found.push(format!(
            "exit: want {}, got {:?}; standard error:\n{}",
            case.exit, outcome.code, outcome.stderr
        ));
    }
    let is_error = case.exit != 0 && contract != Contract::Exact;
    if contract == Contract::Verdict || is_error {
        return Ok(found);
    }
    if let Some(want) = &case.stdout {
        let want = fixture.substitute(want);
        match contract {
            Contract::Documents => compare_documents(&want, &outcome.stdout, &mut found)?,
            _ => compare("standard output", &want, &outcome.stdout, &mut found),
        }
    }
    if let Some(want) = &case.stdout_lines_any_order {
        let mut want: Vec<String> = want.iter().map(|line| fixture.substitute(line)).collect();
        let mut got: Vec<&str> = outcome.stdout.lines().collect();
        want.sort();
        got.sort_unstable();
        compare(
            "lines of standard output",
            &want.join("\n"),
            &got.join("\n"),
            &mut found,
        );
    }
    for (name, text, wanted) in [
        ("standard output", &outcome.stdout, &case.stdout_contains),
        ("standard error", &outcome.stderr, &case.stderr_contains),
    ] {
        contains(name, text, wanted, fixture, &mut found);
    }
    for text in &case.stdout_not_contains {
        if outcome.stdout.contains(&fixture.substitute(text)) {
            found.push(format!("standard output has {text:?}"));
        }
    }
    compare_files(case, fixture, &mut found)?;
    Ok(found)
}

fn contains(name: &str, text: &str, wanted: &[String], fixture: &Fixture, found: &mut Vec<String>) {
    for want in wanted {
        if !text.contains(&fixture.substitute(want)) {
            found.push(format!("{name} lacks {want:?}, it is:\n{text}"));
        }
    }
}

fn compare(name: &str, want: &str, got: &str, found: &mut Vec<String>) {
    if want != got {
        found.push(format!("{name}: want\n{want}\ngot\n{got}"));
    }
}

fn compare_files(case: &Case, fixture: &Fixture, found: &mut Vec<String>) -> Result<()> {
    for (path, want) in &case.out_files {
        let want = want.as_ref().map(|text| fixture.substitute(text));
        let got = fixture.read(path)?;
        if got != want {
            found.push(format!("file {path}: want {want:?}, got {got:?}"));
        }
    }
    for (path, wanted) in &case.out_files_contain {
        let got = fixture.read(path)?.unwrap_or_default();
        contains(&format!("file {path}"), &got, wanted, fixture, found);
    }
    Ok(())
}

/// The objects of both texts, each as Kubernetes reads YAML; a list is its items. Empty annotations, labels or metadata are as none.
fn compare_documents(want: &str, got: &str, found: &mut Vec<String>) -> Result<()> {
    let want = documents(want)?;
    match documents(got) {
        Ok(got) => compare("objects", &want.join("\n"), &got.join("\n"), found),
        Err(error) => found.push(format!("standard output is no YAML: {error:#}:\n{got}")),
    }
    Ok(())
}

fn documents(text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for node in kiel_template::yaml::parse_documents(text)? {
        add_objects(kiel_template::yaml::node_to_json(&node)?, &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn add_objects(mut object: Value, found: &mut Vec<String>) -> Result<()> {
    if object["kind"] == "List"
        && let Some(Value::Array(items)) = object.get_mut("items").map(Value::take)
    {
        return items.into_iter().try_for_each(|item| add_objects(item, found));
    }
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        for key in ["annotations", "labels"] {
            let is_empty = metadata.get(key).is_some_and(|value| {
                value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
            });
            if is_empty {
                metadata.remove(key);
            }
        }
        if metadata.is_empty() {
            object.as_object_mut().map(|object| object.remove("metadata"));
        }
    }
    let is_empty = object.is_null() || object.as_object().is_some_and(serde_json::Map::is_empty);
    if !is_empty {
        object.sort_all_objects();
        found.push(serde_json::to_string(&object)?);
    }
    Ok(())
}

/// A judge that takes everything would be none.
pub(crate) fn tells_objects_apart() -> Result<()> {
    let differ = |want: &str, got: &str| -> Result<bool> {
        let mut found = Vec::new();
        compare_documents(want, got, &mut found)?;
        Ok(!found.is_empty())
    };
    anyhow::ensure!(!differ(
        "a: 1\n---\nb: {y: 2}\n",
        "# c\nb: {true: 2}\n---\na: 0x1\n"
    )?);
    anyhow::ensure!(!differ("a: 1\nmetadata: {labels: {}}", "a: 1")?);
    anyhow::ensure!(!differ("a: 1\n---\na: 2", "kind: List\nitems: [{a: 2}, {a: 1}]")?);
    anyhow::ensure!(differ("a: 1", "a: '1'")?);
    anyhow::ensure!(differ("a: 1", "a: 1\n---\na: 1\n")?);
    anyhow::ensure!(differ("a: 1", "a: [")?);
    Ok(())
}
