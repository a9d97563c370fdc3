//! `cargo xtask campaign`: builds that are killed hundreds of times, at times that a seed tells; too long for every
//! test run.
//!
//! It is the test program `kill` with more rounds. A failure names its round and time; the same seed kills at the same
//! parts of a build again.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::{cargo, env, say};

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Kills of each kind
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// Seed of their times
    #[arg(long, default_value_t = 4)]
    seed: u64,
    /// Only tests whose name holds this text
    filter: Option<String>,
}

/// Runs the campaign; the exit code is that of the tests.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let variables = env::up(&cache)?;
    let started = Instant::now();
    let mut cargo = cargo::command(&cache, &["test", "--package", "kiel", "--test", "kill", "--"])?;
    let status = cargo
        .args(args.filter.as_deref())
        .envs(variables)
        .env("KIEL_TEST_ROUNDS", args.rounds.to_string())
        .env("KIEL_TEST_SEED", args.seed.to_string())
        .status()
        .context("cannot run `cargo test`")?;
    let what = format!(
        "{} rounds of each kind, seed {}: {status}",
        args.rounds, args.seed
    );
    say::step("campaign", &what, started.elapsed());
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
