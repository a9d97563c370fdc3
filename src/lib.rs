//! kiel: from a Git commit to running pods. `docs/ARCHITECTURE.md` tells which folder does what.

pub mod build;
pub mod buildkit;
pub mod charts;
pub mod cli;
pub mod config;
pub mod deploy;
pub mod diagnostic;
pub mod event;
pub mod git;
pub mod images;
pub mod registry;
pub mod release;
pub mod secrets;
pub mod ui;
