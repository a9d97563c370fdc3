//! One question to Helm's engine and kiel's answer to it: a template in a chart with fixed metadata and files.
//!
//! The chart is the one of `xtask/tools/helm/batch`, which gives the real Helm's answer.

#[path = "fixed.rs"]
mod fixed;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use base64::Engine as _;
use kiel_chart::{
    Capabilities, HelmVersion, Profile, Release, RenderInput, ValuesFile, ValuesInput, load, render_texts,
};
use kiel_template::files::{FileError, FileTree};
use serde_json::Value;

/// The stack of a thread that answers.
pub(crate) const STACK: usize = 64 << 20;

struct Files(Vec<(&'static str, Vec<u8>)>);

impl FileTree for Files {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, FileError> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        Ok(found.map(|(_, data)| Arc::from(data.as_slice())))
    }

    fn list(&self, _: &str) -> Result<Vec<String>, FileError> {
        Ok(self.0.iter().map(|(name, _)| (*name).to_owned()).collect())
    }

    fn is_dir(&self, _: &str) -> Result<bool, FileError> {
        Ok(true)
    }
}

fn texts(case: &Value, key: &str) -> Vec<String> {
    let items = case[key].as_array().cloned().unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// The case's text, or that of the file that it names.
fn text_of(case: &Value, key: &str, folder: &Path) -> Result<String> {
    match case[format!("{key}_file")].as_str() {
        Some(file) => Ok(fs_err::read_to_string(folder.join(file))?),
        None => Ok(case[key].as_str().unwrap_or_default().to_owned()),
    }
}

/// kiel's answer. The thread that calls it has a stack of [`STACK`] bytes.
pub(crate) fn answer(case: &Value, folder: &Path) -> Result<Result<Vec<u8>, String>> {
    let metadata = "apiVersion: v2\nname: c\nversion: 1.2.3\nappVersion: \"9.9\"\n";
    let files = Files(vec![
        ("Chart.yaml", metadata.into()),
        ("a.txt", b"x\ny\n".to_vec()),
        ("cfg/b.yaml", b"k: v".to_vec()),
        ("cfg/bin", vec![0xff, 0xfe]),
        ("templates/_h.tpl", text_of(case, "helpers", folder)?.into()),
        (
            "templates/t.yaml",
            case["template"].as_str().unwrap_or_default().into(),
        ),
    ]);
    let chart = load(&files, "", &Profile::Helm)?;
    let values = ValuesInput {
        files: vec![ValuesFile {
            name: "values.yaml".to_owned(),
            content: text_of(case, "values", folder)?.into(),
        }],
        set: texts(case, "set"),
        set_string: texts(case, "setString"),
        set_json: texts(case, "setJson"),
        set_literal: texts(case, "setLiteral"),
        ..ValuesInput::default()
    };
    let capabilities = Capabilities {
        helm_version: HelmVersion {
            git_tree_state: String::new(),
            ..Capabilities::default().helm_version
        },
        ..Capabilities::default()
    };
    let release = Release::new("r", "ns");
    let mut input = RenderInput::new(&chart, &values, release, Arc::new(fixed::Fixed));
    input.capabilities = capabilities;
    input.stack_size = STACK;
    Ok(render_texts(&input)
        .map(|mut files| files.remove("c/templates/t.yaml").unwrap_or_default())
        .map_err(|error| error.to_string()))
}

/// Helm's answer, or the text of its error without the flag that was read.
pub(crate) fn wanted(case: &Value) -> Result<Result<Vec<u8>, String>> {
    if let Some(error) = case["error"].as_str() {
        return Ok(Err(error.to_owned()));
    }
    if let Some(encoded) = case["base64"].as_str() {
        return Ok(Ok(base64::engine::general_purpose::STANDARD.decode(encoded)?));
    }
    Ok(Ok(case["output"].as_str().unwrap_or_default().into()))
}

/// Addresses differ from run to run in Go.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_hexdigit).count();
        out.push_str("0x");
        out.push_str(if digits < 8 { part } else { &part[digits..] });
    }
    out
}

/// An answer as one text.
pub(crate) fn show(outcome: &Result<Vec<u8>, String>) -> String {
    match outcome {
        Ok(text) => without_addresses(&String::from_utf8_lossy(text)),
        Err(error) => without_addresses(&format!("error: {error}")),
    }
}

/// Whether two shown answers are equal. The batch program reads flags and values by itself and does not name them.
pub(crate) fn same(want: &str, got: &str) -> bool {
    let want = &want.replace(
        "Go value of type chartutil.Values",
        "Go value of type map[string]interface {}",
    );
    // What is wrong with a TOML file is told in other words, at another place maybe.
    // Which address is wrong how is told in other words; templates nest less deeply.
    let both = |part: &str| want.contains(part) && got.contains(part);
    let toml = |text: &str| text.contains("toml: line ");
    want == got
        || (toml(want) && toml(got))
        || (both("invalid host: ParseAddr(") && both("error calling"))
        || both("rendering template has a nested reference name")
        || want.strip_prefix("error: ").is_some_and(|want| {
            (got.starts_with("error: failed parsing --set")
                || got.starts_with("error: failed to parse values.yaml"))
                && got.ends_with(want)
        })
        || (want.starts_with("error: ") && got.starts_with("error: failed parsing --set-json data"))
}
