//! `cargo xtask bench`: kiel beside its peers, as ratios of one run.
//!
//! Each row runs both sides in turn, so that what else happens on the machine meets both alike, and gives the median
//! of the pairs' ratios with the quartiles. Peers run as they come, on the same registry and the same kind of engine.
//! A goal that is missed is shown as missed; the exit code is a failure only where something could not be measured.
//! An environment whose variables are set already is used as it is, else it is brought up.
//! Everything that is generated lies in a temporary folder; images stay in the environment's registry.

mod builds;
mod charts;
mod git;
mod lab;
mod measure;
mod ready;
mod render;
mod table;

use anyhow::{Result, ensure};

use crate::cache::Cache;
use crate::{env, say};

pub(crate) use measure::{Args as MeasureArgs, run as measure};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only rows whose name holds this text, such as `build`, `ready` or `render`
    filter: Option<String>,
    /// How often each pair is run, in percent of what is usual
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    /// A kiel that is measured in place of one that is built here
    #[arg(long)]
    kiel: Option<std::path::PathBuf>,
    /// Folders with public charts, at any depth, for the rows about them
    #[arg(long, num_args = 1.., value_name = "DIR")]
    charts: Vec<std::path::PathBuf>,
}

/// Names of the rows, in their order.
const ROWS: [&str; 18] = [
    builds::NOOP,
    builds::MEMORY,
    builds::ONE_OF_MANY,
    builds::COLD,
    builds::CYCLE,
    ready::ROW,
    render::START,
    render::UMBRELLA,
    render::TPL,
    render::LOOP,
    render::STACK,
    render::MEMORY,
    render::ALL,
    git::CLEAN,
    git::DIRTY,
    git::MILLION,
    git::LIST,
    git::LIST_MEMORY,
];

/// Runs the benchmark.
pub(crate) fn run(args: &Args) -> Result<()> {
    say::start_clock();
    let filter = args.filter.as_deref().unwrap_or_default();
    let wanted = |name: &str| name.contains(filter);
    ensure!(
        ROWS.iter().any(|name| wanted(name)),
        "no row's name holds `{filter}`; there are {}",
        ROWS.join(", ")
    );
    let cache = Cache::open()?;
    let variables = match env::given(&cache)? {
        Some(variables) => variables,
        None => env::up(&cache)?,
    };
    let lab = lab::Lab::new(&cache, &variables, args.kiel.as_deref(), args.rounds)?;
    let mut rows = Vec::new();
    if wanted(builds::NOOP) || wanted(builds::MEMORY) || wanted(builds::ONE_OF_MANY) {
        rows.extend(builds::many(&lab, &wanted)?);
    }
    if wanted(builds::COLD) {
        rows.push(builds::cold(&lab)?);
    }
    if wanted(builds::CYCLE) {
        rows.push(builds::cycle(&lab)?);
    }
    if wanted(ready::ROW) {
        rows.push(ready::row(&lab)?);
    }
    if render::ROWS.into_iter().any(wanted) {
        rows.extend(render::rows(&lab, &wanted, &args.charts)?);
    }
    if git::ROWS.into_iter().any(wanted) {
        rows.extend(git::rows(&lab, &wanted)?);
    }
    table::print(&rows);
    Ok(())
}
