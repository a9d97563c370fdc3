//! Secrets, values and names by the program itself: files through the commands, no secret in anything that is shown,
//! which value wins.

#[path = "../harness/mod.rs"]
mod harness;

mod commands;
mod masking;
mod panics;
mod values;

/// A key, and another one.
pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f";
pub(crate) const OTHER_KEY: &str = "f0e0d0c0b0a090807060504030201000f0e0d0c0b0a09080";
