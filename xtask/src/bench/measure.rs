//! One run of a program: time, and the memory of the largest process in it.
//!
//! A process can only ask for the memory of all its children together, so each run gets a small process of its own
//! (this program again, as `measure`), which asks when its only child has ended.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// How many lines of a failed program's output an error repeats.
const LAST_LINES: usize = 12;

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    /// Seconds of all processors together.
    pub(crate) cpu_seconds: f64,
    /// Megabytes of the largest process.
    pub(crate) megabytes: f64,
}

/// What to run, and where to write the result.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    to: PathBuf,
    #[arg(last = true)]
    command: Vec<String>,
}

/// The small process: runs the command and writes what it took.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (program, arguments) = args.command.split_first().context("no command")?;
    let begun = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    let seconds = begun.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = (usage.user_time() + usage.system_time()).num_microseconds();
    fs_err::write(&args.to, format!("{seconds} {cpu} {}", usage.max_rss()))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a command to its end and measures it; its output is shown only if it fails.
pub(super) fn sample(command: &Command) -> Result<Sample> {
    let file = tempfile::NamedTempFile::new()?;
    let mut wrapped = Command::new(crate::shell::this_program());
    wrapped
        .arg("measure")
        .arg("--to")
        .arg(file.path())
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    let output = wrapped.output()?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        bail!("`{}` failed:\n  {last}", command.get_program().to_string_lossy());
    }
    let text = fs_err::read_to_string(file.path())?;
    let [seconds, microseconds, kilobytes] = text.split(' ').collect::<Vec<_>>()[..] else {
        bail!("the measurement is empty");
    };
    Ok(Sample {
        seconds: seconds.parse()?,
        cpu_seconds: microseconds.parse::<f64>()? / 1e6,
        megabytes: kilobytes.parse::<f64>()? / 1024.0,
    })
}

/// Runs two sides in turn, the order changing from round to round; the first round of each is not counted.
pub(super) fn in_turn(
    rounds: usize,
    mut one: impl FnMut(usize) -> Result<Sample>,
    mut other: impl FnMut(usize) -> Result<Sample>,
) -> Result<(Vec<Sample>, Vec<Sample>)> {
    ensure!(rounds > 0, "cannot measure in no rounds");
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (first, second) = if round % 2 == 0 {
            let first = one(round)?;
            (first, other(round)?)
        } else {
            let second = other(round)?;
            (one(round)?, second)
        };
        if round > 0 {
            ones.push(first);
            others.push(second);
        }
    }
    Ok((ones, others))
}

/// How long something took that runs in this process.
pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
