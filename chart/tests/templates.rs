//! Templates against what Helm's engine makes of them.
//!
//! Every line of a table in `tests/golden/templates/` is a template with its values and Helm's answer, written by
//! `cargo xtask oracle templates`. The chart around it is the one of `xtask/tools/helm/batch`.

#[path = "support/fixed.rs"]
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

fn render(case: &Value, folder: &Path) -> Result<Result<Vec<u8>, String>> {
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
    let input = RenderInput {
        chart: &chart,
        values: &values,
        secret_values: &[],
        service_values: &Value::Null,
        release: Release {
            name: "r".to_owned(),
            namespace: "ns".to_owned(),
            revision: 1,
            is_upgrade: false,
        },
        capabilities,
        environment: Arc::new(fixed::Fixed),
        lookup: None,
        check_schemas: true,
        extra_functions: None,
        stack_size: 64 << 20,
    };
    let outcome = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(64 << 20)
            .spawn_scoped(scope, || render_texts(&input))
            .map(std::thread::ScopedJoinHandle::join)
    })?;
    let outcome = outcome.unwrap_or_else(|_| panic!("panicked at {case}"));
    Ok(outcome
        .map(|mut files| files.remove("c/templates/t.yaml").unwrap_or_default())
        .map_err(|error| error.to_string()))
}

/// Helm's answer, or the text of its error without the flag that was read.
fn wanted(case: &Value) -> Result<Result<Vec<u8>, String>> {
    if let Some(error) = case["error"].as_str() {
        return Ok(Err(error.to_owned()));
    }
    if let Some(encoded) = case["base64"].as_str() {
        return Ok(Ok(base64::engine::general_purpose::STANDARD.decode(encoded)?));
    }
    Ok(Ok(case["output"].as_str().unwrap_or_default().into()))
}

fn show(outcome: &Result<Vec<u8>, String>) -> String {
    match outcome {
        Ok(text) => without_addresses(&String::from_utf8_lossy(text)),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn tables() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/templates");
    let (mut cases, mut failures) = (0, Vec::new());
    for entry in fs_err::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let table = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for (number, line) in fs_err::read_to_string(&path)?.lines().enumerate() {
            let case: Value = serde_json::from_str(line)?;
            let (want, got) = (show(&wanted(&case)?), show(&render(&case, &folder)?));
            cases += 1;
            // The batch program reads flags by itself and does not name them.
            let same = want == got
                || want.strip_prefix("error: ").is_some_and(|want| {
                    got.starts_with("error: failed parsing --set") && got.ends_with(want)
                });
            if !same {
                failures.push(format!(
                    "{table}:{}: {}\n want {want}\n got  {got}",
                    number + 1,
                    case["template"]
                ));
            }
        }
    }
    assert!(cases > 190, "the tables were read");
    assert!(
        failures.is_empty(),
        "{} of {cases}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}
