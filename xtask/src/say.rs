//! What the developer sees: one line per step with its time, and errors with their causes.
//!
//! The only place of this crate that prints. Steps go to stderr, so that stdout stays the output of the
//! programs that are run (tests, the demo).
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Since when the times at the start of each line count.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Starts the clock that [`step`] and [`note`] show.
pub(crate) fn start_clock() {
    start();
}

/// Time since [`start_clock`].
pub(crate) fn elapsed() -> Duration {
    start().elapsed()
}

/// One finished step: what, how or from where, and how long it took.
pub(crate) fn step(what: &str, how: &str, took: Duration) {
    eprintln!(
        "{:7.2} s  {what:<34} {how} ({:.2} s)",
        elapsed().as_secs_f64(),
        took.as_secs_f64()
    );
}

/// A remark that belongs to no step: a source that cannot be reached, a choice that was made.
pub(crate) fn note(text: &str) {
    eprintln!("{:7.2} s  {text}", elapsed().as_secs_f64());
}

/// A line of the command's own output.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// The error and its causes, one a line.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("caused by: {cause}");
    }
}
