//! The list of cases whose recorded result is not kiel's, each with its reason.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Why a case may differ: one of these words stands before each reason.
const KINDS: [&str; 3] = ["bug", "later", "better"];

/// Reads the list: lines `CASE: KIND: REASON`, empty ones and those that begin with `#`.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    parse(&fs_err::read_to_string(path)?).with_context(|| format!("cannot read {}", path.display()))
}

fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((id, reason)) = line.split_once(": ") else {
            bail!("no reason in `{line}`");
        };
        let (kind, why) = reason.split_once(": ").unwrap_or_default();
        ensure!(KINDS.contains(&kind), "`{line}` has none of the kinds {KINDS:?}");
        ensure!(why.len() > 10, "`{line}` gives no reason");
        let twice = found.insert(id.to_owned(), reason.to_owned());
        ensure!(twice.is_none(), "`{id}` stands there twice");
    }
    Ok(found)
}

/// What is wrong with a list is told.
pub(crate) fn refuses_wrong_lists() -> Result<()> {
    for wrong in [
        "area/case",
        "area/case: because",
        "area/case: whim: it is the fashion",
        "area/case: bug: no",
        "a/b: bug: werf prints it twice\na/b: later: there is no command yet",
    ] {
        ensure!(parse(wrong).is_err(), "`{wrong}` is taken");
    }
    ensure!(parse("# note\n\na/b: bug: werf prints it twice\n")?.len() == 1);
    Ok(())
}
