//! Checks that other programs make: rustfmt, clippy, cargo-deny, and kiel's own reference page.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::source;

pub(crate) fn check_format() -> Result<()> {
    run(
        cargo(&["fmt", "--all", "--check"]),
        "code is not formatted; run `cargo fmt --all`",
    )
}

pub(crate) fn check_clippy() -> Result<()> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--keep-going",
        "--",
        "-D",
        "warnings",
    ];
    run(cargo(&arguments), "clippy warns")
}

pub(crate) fn check_deny() -> Result<()> {
    let mut deny = cargo_deny()?;
    deny.args(["check", "licenses", "bans", "sources"]);
    run(deny, "cargo deny complains")
}

/// `Some(reason)` where the database of advisories cannot be reached.
pub(crate) fn check_advisories() -> Result<Option<String>> {
    let mut deny = cargo_deny()?;
    let output = deny
        .args(["check", "advisories"])
        .output()
        .context("cannot run `cargo deny`")?;
    if output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.contains("failed to fetch advisory database") {
        return Ok(Some("the database of advisories cannot be reached".to_owned()));
    }
    bail!("cargo deny complains:\n{}", last(&text));
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(source::root());
    command
}

/// The program that the test environment holds.
#[expect(
    clippy::disallowed_methods,
    reason = "tests learn from variables where the environment is"
)]
fn cargo_deny() -> Result<Command> {
    let folder = std::env::var_os("KIEL_TEST_BIN")
        .context("the test environment is missing: run `cargo xtask test`")?;
    let mut command = Command::new(Path::new(&folder).join("cargo-deny"));
    command
        .args(["--manifest-path", "Cargo.toml", "--all-features"])
        .current_dir(source::root());
    Ok(command)
}

fn run(mut command: Command, failure: &str) -> Result<()> {
    let output = command.output().context("cannot run cargo")?;
    if !output.status.success() {
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        bail!("{failure}:\n{}", last(&text));
    }
    Ok(())
}

/// The last lines: enough to see what is wrong and where.
fn last(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(80)..].join("\n")
}
