//! Templates against what Helm's engine makes of them.
//!
//! Every line of a table in `tests/golden/templates/` is a template with its values and Helm's answer, written by
//! `cargo xtask oracle templates`. The chart around it is the one of `xtask/tools/helm/batch`.

#[path = "support/question.rs"]
mod question;

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use question::{STACK, answer, same, show, wanted};

#[test]
fn tables() -> Result<()> {
    let thread = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(check_tables)?;
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn check_tables() -> Result<()> {
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
            let (want, got) = (show(&wanted(&case)?), show(&answer(&case, &folder)?));
            cases += 1;
            if !same(&want, &got) {
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
