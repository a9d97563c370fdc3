//! `cargo xtask oracle fuzz` and `cargo xtask fuzz`: the random tests of the renderer with as many rounds as one likes.
//!
//! They are the test programs `differential` and `panics` of the crate `kiel-chart`, built with the profile `fuzz`: as fast
//! as a release, and arithmetic that overflows is a panic. The same seed asks the same questions again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::{cargo, say};

/// What to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Questions of each kind
    #[arg(long, default_value_t = 10_000)]
    cases: u64,
    /// Seed of the questions
    #[arg(long, default_value_t = 5)]
    seed: u64,
    /// File that gets the differences, as lines for a table of tests/golden/templates
    #[arg(long)]
    differences: Option<PathBuf>,
    /// Only kinds whose name holds this text
    filter: Option<String>,
}

/// What to feed to the readers.
#[derive(Debug, clap::Args)]
pub(crate) struct PanicArgs {
    /// Inputs of each kind
    #[arg(long, default_value_t = 100_000)]
    rounds: u64,
    /// Seed of the inputs
    #[arg(long, default_value_t = 5)]
    seed: u64,
    /// Only kinds whose name holds this text
    filter: Option<String>,
}

/// Compares kiel with Helm.
pub(crate) fn compare(args: &Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let batch = crate::env::helm_batch(&cache)?;
    let mut variables = vec![("KIEL_TEST_HELM_BATCH", batch.into_os_string())];
    if let Some(path) = &args.differences {
        variables.push((
            "KIEL_TEST_DIFFERENCES",
            std::path::absolute(path)?.into_os_string(),
        ));
    }
    run(
        &cache,
        "differential",
        args.cases,
        args.seed,
        args.filter.as_deref(),
        variables,
    )
}

/// Looks for inputs that make the renderer panic.
pub(crate) fn panics(args: &PanicArgs) -> Result<ExitCode> {
    let cache = Cache::open()?;
    run(
        &cache,
        "panics",
        args.rounds,
        args.seed,
        args.filter.as_deref(),
        Vec::new(),
    )
}

fn run(
    cache: &Cache,
    test: &str,
    rounds: u64,
    seed: u64,
    filter: Option<&str>,
    variables: Vec<(&str, std::ffi::OsString)>,
) -> Result<ExitCode> {
    let started = Instant::now();
    let arguments = [
        "test",
        "--profile",
        "fuzz",
        "--package",
        "kiel-chart",
        "--test",
        test,
        "--",
    ];
    let status = cargo::command(cache, &arguments)?
        .args(filter)
        .envs(variables)
        .env("KIEL_TEST_ROUNDS", rounds.to_string())
        .env("KIEL_TEST_SEED", seed.to_string())
        .status()
        .context("cannot run `cargo test`")?;
    let what = format!("{rounds} of each kind, seed {seed}: {status}");
    say::step(test, &what, started.elapsed());
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
