//! Releases on a real cluster: planned, applied, watched, recorded. Each test has a namespace of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read the environment's variables themselves"
)]

mod failures;
mod kinds;
mod lifecycle;
mod rights;
mod support;
