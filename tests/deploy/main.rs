//! Releases on a real cluster: planned, applied, watched, recorded. Each test has a namespace of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read the environment's variables themselves"
)]

mod crash;
mod failures;
#[path = "../support/gate.rs"]
mod gate;
mod interop;
mod kinds;
mod lifecycle;
mod requests;
mod rights;
mod support;
