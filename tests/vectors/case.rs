//! A recorded case: what is given to the program, and what it has to print. The format is told in `README.md` beside
//! this file.

use std::path::Path;

use anyhow::{Context, Result};
use indexmap::IndexMap;
use serde::Deserialize;

/// Files by their path; `None` removes one.
pub(crate) type Files = IndexMap<String, Option<Content>>;

/// One line of a file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) area: String,
    /// For a reader of a failure.
    pub(crate) what: String,
    #[serde(default)]
    pub(crate) note: Option<String>,
    #[serde(default)]
    pub(crate) no_git: bool,
    #[serde(default)]
    pub(crate) files: Option<Files>,
    #[serde(default)]
    pub(crate) commits: Vec<Files>,
    #[serde(default)]
    pub(crate) git: Vec<Vec<String>>,
    #[serde(default)]
    pub(crate) staged: Files,
    #[serde(default)]
    pub(crate) uncommitted: Files,
    #[serde(default)]
    pub(crate) extra: Files,
    #[serde(default)]
    pub(crate) extra_repos: Vec<Repository>,
    #[serde(default)]
    pub(crate) env: IndexMap<String, Option<String>>,
    #[serde(default)]
    pub(crate) stdin: String,
    /// Runs of the program before, which have to succeed.
    #[serde(default)]
    pub(crate) pre: Vec<Vec<String>>,
    pub(crate) args: Vec<String>,
    pub(crate) exit: i32,
    #[serde(default)]
    pub(crate) stdout: Option<String>,
    #[serde(default)]
    pub(crate) stdout_lines_any_order: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) stdout_contains: Vec<String>,
    #[serde(default)]
    pub(crate) stdout_not_contains: Vec<String>,
    #[serde(default)]
    pub(crate) stderr_contains: Vec<String>,
    #[serde(default)]
    pub(crate) out_files: IndexMap<String, Option<String>>,
    #[serde(default)]
    pub(crate) out_files_contain: IndexMap<String, Vec<String>>,
    /// What else has to run: a registry, an engine.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
}

/// A further Git repository beside the project.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repository {
    pub(crate) dir: String,
    pub(crate) files: Files,
    #[serde(default)]
    pub(crate) git: Vec<Vec<String>>,
}

/// What a file has.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Text(String),
    Bytes {
        base64: String,
        #[serde(default)]
        mode: Option<String>,
    },
    Link {
        symlink: String,
    },
    Moded {
        content: String,
        #[serde(default)]
        mode: Option<String>,
    },
}

/// All cases of the files `*.jsonl` in a folder, by the names of the files.
pub(crate) fn read(folder: &Path) -> Result<Vec<Case>> {
    let mut paths: Vec<_> = fs_err::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        for (index, line) in fs_err::read_to_string(&path)?.lines().enumerate() {
            let place = || format!("cannot read {}:{}", path.display(), index + 1);
            cases.push(serde_json::from_str(line).with_context(place)?);
        }
    }
    Ok(cases)
}
