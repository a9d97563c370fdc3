//! No file has more than 800 lines, generated ones aside: they say so in their first line.

use anyhow::Result;

use super::{none, source};

const LINES: usize = 800;
const GENERATED: &str = "@generated";

pub(crate) fn check() -> Result<()> {
    let mut broken = Vec::new();
    for extension in ["rs", "go", "sh", "py", "proto"] {
        for file in source::files(".", extension)? {
            let text = source::read(&file)?;
            let lines = text.lines().count();
            if lines > LINES && !text.lines().next().unwrap_or_default().contains(GENERATED) {
                broken.push(format!("{} has {lines} lines", file.display()));
            }
        }
    }
    none("files are too long; split them", broken)
}
