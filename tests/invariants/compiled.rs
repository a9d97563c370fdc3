//! No Rust file is forgotten: each is a Cargo target or reached from one by `mod`, `#[path]` or `include!`.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use super::{none, source};

pub(crate) fn check() -> Result<()> {
    let files: BTreeSet<PathBuf> = source::files(".", "rs")?
        .into_iter()
        .filter(|file| is_ours(file))
        .collect();
    let broken = forgotten(&files, source::read)?;
    none(
        "files are never compiled; name them in a `mod` or delete them",
        broken,
    )
}

/// Examples are projects of their own; goldens are data.
fn is_ours(file: &Path) -> bool {
    !file.starts_with("examples") && !file.components().any(|part| part.as_os_str() == "golden")
}

fn forgotten(files: &BTreeSet<PathBuf>, read: impl Fn(&Path) -> Result<String>) -> Result<Vec<String>> {
    let mut open: Vec<PathBuf> = files.iter().filter(|file| is_target(file)).cloned().collect();
    let mut reached: BTreeSet<PathBuf> = open.iter().cloned().collect();
    while let Some(file) = open.pop() {
        for next in modules(&file, &read(&file)?) {
            if files.contains(&next) && reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    Ok(files
        .difference(&reached)
        .map(|file| file.display().to_string())
        .collect())
}

/// Whether Cargo finds a file by itself: `src/{lib,main}.rs`, `src/bin/*.rs`, `build.rs`, `tests/*.rs`,
/// `tests/*/main.rs` and the like, in the root or in a crate's folder.
fn is_target(file: &Path) -> bool {
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let folders = ["tests", "benches", "bin"];
    match parts.as_slice() {
        [.., "src", "lib.rs" | "main.rs"] | [.., "build.rs"] => true,
        [.., folder, _] if folders.contains(folder) && parts.len() <= 3 => true,
        [.., folder, _, "main.rs"] if folders.contains(folder) && parts.len() <= 4 => true,
        _ => false,
    }
}

/// Files that a file's `mod`, `#[path]` and `include!` lines name; each `mod` has two places it may be in.
fn modules(file: &Path, text: &str) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let own = matches!(name.as_str(), "mod.rs" | "lib.rs" | "main.rs") || is_target(file);
    let below = if own {
        folder.to_path_buf()
    } else {
        file.with_extension("")
    };
    let mut found = Vec::new();
    let mut path = None;
    // Inline modules that a line is in, with their indentation: formatted code ends them at the same one.
    let mut inline: Vec<(&str, usize)> = Vec::new();
    for full in text.lines() {
        let line = full.trim();
        let indentation = full.len() - full.trim_start().len();
        if line == "}" && inline.last().is_some_and(|(_, at)| *at == indentation) {
            inline.pop();
        } else if let Some(named) = quoted(line, "#[path = ") {
            path = Some(named);
        } else if let Some(named) = quoted(line, "include!(") {
            found.push(normal(&folder.join(named)));
        } else if let Some(opened) = module(line, " {") {
            inline.push((opened, indentation));
        } else if let Some(module) = module(line, ";") {
            let below = inline
                .iter()
                .fold(below.clone(), |path, (name, _)| path.join(name));
            match path.take() {
                Some(named) => found.push(normal(&folder.join(named))),
                None => found.extend([
                    below.join(format!("{module}.rs")),
                    below.join(module).join("mod.rs"),
                ]),
            }
        }
    }
    found
}

/// The name in a line such as `pub(crate) mod name;`, up to `end`.
fn module<'a>(line: &'a str, end: &str) -> Option<&'a str> {
    let rest = match line.strip_prefix("pub") {
        Some(rest) => rest
            .trim_start_matches("(crate)")
            .trim_start_matches("(super)")
            .trim_start(),
        None => line,
    };
    let name = rest.strip_prefix("mod ")?.strip_suffix(end)?;
    name.chars()
        .all(|c| c.is_alphanumeric() || c == '_')
        .then_some(name)
}

fn quoted<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(before)?;
    rest.strip_prefix('"')?.split('"').next()
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

pub(crate) mod tests {
    use anyhow::{Context, ensure};

    use super::*;

    pub(crate) fn forgotten() -> Result<()> {
        let tree = [
            ("src/lib.rs", "mod a;\n#[cfg(test)]\nmod tests;"),
            ("src/a.rs", "pub(crate) mod b;"),
            ("src/a/b.rs", ""),
            ("src/a/lost.rs", "// mod b;"),
            ("src/tests.rs", ""),
            ("tests/one.rs", "#[path = \"support/help.rs\"]\nmod help;"),
            ("tests/support/help.rs", ""),
            (
                "tests/two/main.rs",
                "mod part;\nmod inner {\n    mod deep;\n}\nmod after;",
            ),
            ("tests/two/inner/deep.rs", ""),
            ("tests/two/after.rs", ""),
            ("tests/two/part.rs", ""),
            ("tests/two/other.rs", ""),
        ];
        let files = tree.iter().map(|(name, _)| PathBuf::from(name)).collect();
        let read = |file: &Path| {
            let found = tree.iter().find(|(name, _)| Path::new(name) == file);
            Ok(found.context("no such file")?.1.to_owned())
        };
        let lost = super::forgotten(&files, read)?;
        ensure!(lost == ["src/a/lost.rs", "tests/two/other.rs"], "{lost:?}");
        Ok(())
    }
}
