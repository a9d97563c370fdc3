//! `cargo xtask test`: the environment up, then every test of every crate, documentation tests too.
//!
//! Output is passed on as it comes. The end names each skipped test with its reason and closes with one line,
//! `N passed, N failed, N skipped`. No test running counts as a failure.

use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::{cargo, env, say};

/// What to test.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose name holds this text
    filter: Option<String>,
}

/// Sums over all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Name and reason of each skipped test.
    skips: Vec<String>,
    /// Names of failed tests.
    failures: Vec<String>,
}

/// Runs the tests; the exit code is a failure if one of them failed.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    // Side by side: on a machine with nothing set up, both take minutes.
    let mut build = cargo::command(&cache, &["test", "--workspace", "--no-run"])?;
    let mut build = build.spawn().context("cannot run `cargo test`")?;
    let up = env::up(&cache);
    let built = build.wait()?;
    let variables = up?;
    if !built.success() {
        bail!("cannot build the tests");
    }
    let started = Instant::now();
    let mut cargo = cargo::command(&cache, &["test", "--workspace", "--no-fail-fast"])?;
    cargo
        .args(args.filter.as_deref())
        .envs(variables)
        .stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cannot run `cargo test`")?;
    let output = child.stdout.take().context("cargo's output is not there")?;
    let mut summary = Summary::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        say::line(&line);
        summary.add(&line);
    }
    let status = child.wait()?;
    say::step("cargo test", &status.to_string(), started.elapsed());
    if summary.passed + summary.failed == 0 {
        bail!("no test ran: no test's name holds the filter");
    }
    if !status.success() && summary.failed == 0 {
        summary.failed = 1;
        summary
            .failures
            .push("a test program that ended without a result, see above".to_owned());
    }
    for skip in &summary.skips {
        say::line(&format!("skipped: {skip}"));
    }
    for failure in &summary.failures {
        say::line(&format!("failed: {failure}"));
    }
    say::line(&format!(
        "{} passed, {} failed, {} skipped",
        summary.passed, summary.failed, summary.skipped
    ));
    Ok(if summary.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Summary {
    /// Takes in one line of a test program's output.
    fn add(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            let count = |word: &str| {
                let before = result.split(word).next().unwrap_or_default();
                before
                    .split_whitespace()
                    .next_back()
                    .and_then(|number| number.parse().ok())
                    .unwrap_or(0)
            };
            self.passed += count(" passed");
            self.failed += count(" failed");
            self.skipped += count(" ignored");
        } else if let Some(test) = line.strip_prefix("test ") {
            let Some((name, outcome)) = test.rsplit_once(" ... ") else {
                return;
            };
            let name = name.trim();
            if let Some(reason) = outcome.strip_prefix("ignored") {
                // libtest writes `ignored, WHY`, libtest-mimic `ignored (WHY)`.
                let own = reason
                    .strip_prefix(" (")
                    .and_then(|reason| reason.strip_suffix(')'));
                let reason = own.unwrap_or_else(|| reason.trim_start_matches([',', ' ']));
                let reason = if reason.is_empty() {
                    "no reason given"
                } else {
                    reason
                };
                self.skips.push(format!("{name}: {reason}"));
            } else if outcome.starts_with("FAILED") {
                self.failures.push(name.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn results_of_all_programs_are_summed_up() {
        let mut summary = Summary::default();
        for line in [
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test a::d ... ignored, needs a second node",
            "test doc (line 3) ... ignored",
            "test e       ... ignored (no database (yet))",
            "test result: FAILED. 1 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.1s",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.1s",
            "test results are printed here",
        ] {
            summary.add(line);
        }
        let want = Summary {
            passed: 13,
            failed: 1,
            skipped: 3,
            skips: vec![
                "a::d: needs a second node".into(),
                "doc (line 3): no reason given".into(),
                "e: no database (yet)".into(),
            ],
            failures: vec!["a::c".into()],
        };
        assert_eq!(summary, want);
    }
}
