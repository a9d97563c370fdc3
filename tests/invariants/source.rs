//! A light look at Rust source: files of the repository, their text without comments, strings and tests,
//! and the paths that they name. No parser: enough for the checks, and fast.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files that Git knows or would add, below a folder, with an extension; relative to the root.
pub(crate) fn files(below: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
            below,
        ])
        .current_dir(root())
        .output()
        .context("cannot run `git ls-files`")?;
    anyhow::ensure!(
        output.status.success(),
        "cannot list the files of the repository with git"
    );
    let text = String::from_utf8(output.stdout)?;
    let mut files: Vec<PathBuf> = text
        .lines()
        .map(PathBuf::from)
        .filter(|path| path.extension().is_some_and(|found| found == extension) && root().join(path).exists())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// A file's text.
pub(crate) fn read(path: &Path) -> Result<String> {
    Ok(fs_err::read_to_string(root().join(path))?)
}

/// The text without comments, without the contents of strings, and without inline test modules.
pub(crate) fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if next == '"' {
            string(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(1, |end| end + 2)
        } else if next.is_alphanumeric() || next == '_' {
            // A whole word, so that an `r` at its end does not begin a raw string.
            let word = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            code.push_str(&rest[..word]);
            word
        } else {
            code.push(next);
            next.len_utf8()
        };
        rest = &rest[taken..];
    }
    match code.find("#[cfg(test)]\nmod ") {
        // What follows `mod tests;` is code again, what follows `mod tests {` is the tests.
        Some(at) if code[at..].lines().nth(1).is_some_and(|line| line.contains('{')) => code[..at].to_owned(),
        _ => code,
    }
}

fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if !rest[hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - rest.len() + hashes + 1;
    Some(
        text[start..]
            .find(&end)
            .map_or(text.len(), |at| start + at + end.len()),
    )
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Paths below `root::` that the code names, `a::b` for `root::{a::{b, c}, d}`: all of them, without `root`.
pub(crate) fn paths(code: &str, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    let start = format!("{root}::");
    for (at, _) in code.match_indices(&start) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        tree(&code[at + start.len()..], "", &mut found);
    }
    found
}

/// Reads one `use` tree and gives what is left after it.
fn tree<'a>(text: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(end) = rest.strip_prefix('}') {
                return end;
            }
            let after = tree(rest, prefix, found).trim_start();
            let after = after
                .strip_prefix("as ")
                .map_or(after, |alias| word(alias.trim_start()).1.trim_start());
            rest = match after.strip_prefix(',') {
                Some(next) => next,
                None if after.starts_with('}') => after,
                None => return after,
            };
        }
    }
    let (name, rest) = word(text);
    let path = if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}::{name}")
    };
    match rest.strip_prefix("::") {
        Some(below) => tree(below, &path, found),
        None => {
            found.push(path);
            rest
        }
    }
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(text.len()),
    )
}

pub(crate) mod tests {
    use anyhow::{Result, ensure};

    use super::{code, paths};

    pub(crate) fn paths_and_groups() -> Result<()> {
        let text = "use crate::{a::{b, c as d}, e}; fn f() { crate::g::h(); mycrate::x(); other::crate::y }";
        let found = paths(text, "crate");
        ensure!(found == ["a::b", "a::c", "e", "g::h"], "{found:?}");
        let found = paths("use std::{fmt, fs::{self, File}};", "std");
        ensure!(found == ["fmt", "fs::self", "fs::File"], "{found:?}");
        Ok(())
    }

    pub(crate) fn skips() -> Result<()> {
        let text = "// crate::a\n\"crate::b \\\" crate::c\" r#\"crate::d \" crate::e\"# '\"' crate::f /* crate::g */\n\
                    #[cfg(test)]\nmod tests {\n use crate::h;\n}\n";
        let found = paths(&code(text), "crate");
        ensure!(found == ["f"], "{found:?}");
        let found = paths(&code("#[cfg(test)]\nmod tests;\nuse crate::a;"), "crate");
        ensure!(found == ["a"], "{found:?}");
        Ok(())
    }
}
