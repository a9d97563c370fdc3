//! `cargo xtask oracle templates`: Helm's own answers to the tables of `tests/golden/templates`.
//!
//! A table is a file of JSON lines: a template with its values and what Helm's engine makes of it. The answers are
//! written anew, so that a new case is a line with a question only.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::cache::checkout;
use crate::say;

/// What Helm says, and what kiel said, besides the question.
const ANSWERS: [&str; 4] = ["output", "base64", "error", "got"];

/// Asks the program `batch` and writes the answers into the tables.
pub(crate) fn write(batch: &Path) -> Result<()> {
    let folder = checkout().join("tests/golden/templates");
    for entry in fs_err::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let count = answer_table(batch, &folder, &path)?;
            say::line(&format!("{}: {count} answers", path.display()));
        }
    }
    Ok(())
}

fn answer_table(batch: &Path, folder: &Path, path: &Path) -> Result<usize> {
    let text = fs_err::read_to_string(path)?;
    let mut cases = Vec::new();
    for line in text.lines() {
        let Value::Object(mut case) = serde_json::from_str(line)? else {
            bail!("`{}` has a line that is no object", path.display());
        };
        case.retain(|key, _| !ANSWERS.contains(&key.as_str()));
        cases.push(case);
    }
    let questions = cases
        .iter()
        .map(|case| question(case, folder))
        .collect::<Result<Vec<_>>>()?;
    let answers = ask(batch, &questions)?;
    let mut output = String::new();
    for (mut case, answer) in cases.into_iter().zip(answers) {
        case.extend(answer);
        output.push_str(&Value::Object(case).to_string());
        output.push('\n');
    }
    fs_err::write(path, &output)?;
    Ok(questions.len())
}

/// The case with the files that it names in place.
fn question(case: &Map<String, Value>, folder: &Path) -> Result<Value> {
    let mut question = case.clone();
    for key in ["values", "helpers"] {
        if let Some(file) = case.get(&format!("{key}_file")).and_then(Value::as_str) {
            question.insert(key.to_owned(), fs_err::read_to_string(folder.join(file))?.into());
        }
    }
    Ok(json!(question))
}

/// The program's answers, in order.
pub(crate) fn ask(batch: &Path, questions: &[Value]) -> Result<Vec<Map<String, Value>>> {
    let mut child = Command::new(batch)
        .env_clear()
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{}`", batch.display()))?;
    let mut input = child.stdin.take().context("the program takes no input")?;
    let output = child.stdout.take().context("the program gives no output")?;
    let answers = std::thread::scope(|scope| -> Result<Vec<_>> {
        let writer = scope.spawn(move || {
            questions
                .iter()
                .try_for_each(|question| writeln!(input, "{question}"))
        });
        let answers = BufReader::new(output)
            .lines()
            .map(|line| Ok(serde_json::from_str(&line?)?))
            .collect();
        writer
            .join()
            .map_err(|_| anyhow::anyhow!("a thread panicked"))?
            .context("the program stopped reading")?;
        answers
    })?;
    child.wait()?;
    if answers.len() != questions.len() {
        bail!("{} answers to {} questions", answers.len(), questions.len());
    }
    Ok(answers)
}
