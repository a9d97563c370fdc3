//! `cargo xtask oracle`: kiel's renderer beside the real Helm.
//!
//! `fuzz` asks both random questions, `templates` writes Helm's answers into tables that tests read. `charts DIR…` renders all charts below folders with both.
//! Every chart is rendered with its default values and with each values file in its `ci/`, `examples/` and `tests/`
//! and each `*values*.yaml` in its root. Dependencies that a chart lacks are taken from the other charts below the
//! folders. Where Helm's own output changes from run to run, the lines that changed are left out of the comparison.

mod charts;
mod fuzz;
mod templates;
mod verdict;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result};

use self::charts::Case;
pub(crate) use self::charts::find_cases;
use self::verdict::{Outcome, Verdict};
use crate::say;

/// What to compare.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Render all charts below the folders with the real Helm and with kiel, and show where they differ
    Charts(ChartArgs),
    /// Write Helm's answers into the tables of tests/golden/templates
    Templates,
    /// Ask Helm's engine and kiel the same random questions
    Fuzz(fuzz::Args),
}

/// Which charts, which programs.
#[derive(Debug, clap::Args)]
pub(crate) struct ChartArgs {
    /// Folders with charts, at any depth
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// The real Helm [default: the test environment's]
    #[arg(long)]
    helm: Option<PathBuf>,
    /// kiel [default: the one that stands beside this program]
    #[arg(long)]
    kiel: Option<PathBuf>,
    /// Only cases whose name holds this text
    #[arg(long)]
    filter: Option<String>,
    /// Flags for both programs, such as -- --include-crds --kube-version 1.30
    #[arg(last = true)]
    flags: Vec<String>,
    /// Runs at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

pub(crate) use fuzz::{PanicArgs, panics};

/// Runs an action; the exit code is a failure if anything differed.
pub(crate) fn run(action: &Action) -> Result<ExitCode> {
    match action {
        Action::Charts(args) => compare_charts(args),
        Action::Fuzz(args) => fuzz::compare(args),
        Action::Templates => {
            let batch = crate::env::helm_batch(&crate::cache::Cache::open()?)?;
            templates::write(&batch)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn compare_charts(args: &ChartArgs) -> Result<ExitCode> {
    let helm = match &args.helm {
        Some(path) => path.clone(),
        None => crate::cache::Cache::open()?.path("env/bin/helm"),
    };
    let kiel = match &args.kiel {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("kiel"),
    };
    let started = Instant::now();
    let stage = tempfile::tempdir()?;
    let mut cases = find_cases(&args.dirs, &args.flags, &helm, stage.path())?;
    if let Some(filter) = &args.filter {
        cases.retain(|case| case.name.contains(filter.as_str()));
    }
    say::step(
        "charts found",
        &format!("{} renders", cases.len()),
        started.elapsed(),
    );
    let queue = Mutex::new(cases.into_iter().collect::<VecDeque<_>>());
    let verdicts = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.pop_front());
            let Some(case) = next else { return Ok(()) };
            let verdict = judge(&case, &helm, &kiel)?;
            if let Ok(mut verdicts) = verdicts.lock() {
                verdicts.push((case.name, verdict));
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| anyhow::bail!("a thread panicked"))
        })
    })?;
    let mut verdicts = verdicts.into_inner().unwrap_or_default();
    verdicts.sort_by(|a, b| a.0.cmp(&b.0));
    say::step(
        "charts rendered",
        &format!("{} renders", verdicts.len()),
        started.elapsed(),
    );
    Ok(report(&verdicts))
}

fn judge(case: &Case, helm: &Path, kiel: &Path) -> Result<Verdict> {
    let ours = Outcome::of(kiel, &["helm", "template"], case)?;
    let theirs = Outcome::of(helm, &["template"], case).context("cannot run Helm")?;
    let verdict = Verdict::between(&theirs, &ours, None);
    if !verdict.is_difference() {
        return Ok(verdict);
    }
    // Helm may differ from itself, as by the second that it is run in.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let again = Outcome::of(helm, &["template"], case)?;
    Ok(Verdict::between(&theirs, &ours, Some(&again)))
}

fn report(verdicts: &[(String, Verdict)]) -> ExitCode {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut differs = false;
    for (name, verdict) in verdicts {
        *counts.entry(verdict.title()).or_default() += 1;
        if verdict.is_difference() {
            differs = true;
            say::line(&format!("{name}: {}\n{}", verdict.title(), verdict.detail()));
        }
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(title, count)| format!("{count} {title}"))
        .collect();
    say::line(&counts.join(", "));
    if differs {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
