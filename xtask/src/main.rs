//! `cargo xtask`: the commands of kiel's developers.
//!
//! `env` brings up real components for tests and demos (BuildKit, a registry, one Kubernetes node, Helm),
//! `test` runs every test against them, `campaign` kills builds at hundreds of times, `oracle` compares kiel with real
//! programs, `bench` measures it beside them, `demo` shows kiel at work. Everything that a fresh Debian-like machine
//! lacks is fetched or built once into one cache folder outside the tree (see [`cache`]).
//! Nothing here is part of kiel itself.

mod api;
mod bench;
mod cache;
mod campaign;
mod cargo;
mod demo;
mod env;
mod kubelet;
mod oracle;
mod say;
mod shell;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of kiel's developers")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The test environment: BuildKit, a registry, one Kubernetes node, Helm
    Env {
        #[command(subcommand)]
        action: env::Action,
    },
    /// Bring the environment up and run every test of every crate
    Test(test::Args),
    /// Kill builds at hundreds of times; too long for every test run
    Campaign(campaign::Args),
    /// kiel beside the real programs that it stands for
    Oracle {
        #[command(subcommand)]
        action: oracle::Action,
    },
    /// Feed random inputs to everything that the renderer reads
    Fuzz(oracle::PanicArgs),
    /// Show kiel at work: from a commit to running pods, a change, the way back
    Demo(demo::Args),
    /// Measure kiel beside its peers, in ratios
    Bench(bench::Args),
    /// Run one command and write what it took
    #[command(hide = true)]
    Measure(bench::MeasureArgs),
    /// The environment's second node, whose pods do what their annotations say
    #[command(hide = true)]
    FakeKubelet(kubelet::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Env { action } => env::run(&action).map(|()| ExitCode::SUCCESS),
        Command::Test(args) => test::run(&args),
        Command::Campaign(args) => campaign::run(&args),
        Command::Oracle { action } => oracle::run(&action),
        Command::Fuzz(args) => oracle::panics(&args),
        Command::Demo(args) => demo::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => bench::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Measure(args) => bench::measure(&args),
        Command::FakeKubelet(args) => kubelet::run(&args).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        say::error(&error);
        ExitCode::FAILURE
    })
}
