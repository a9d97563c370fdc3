//! From keys to images: which are there, what has to be solved, what is published, and what is told about it.
//!
//! [`plan()`] asks the repository with one HEAD per image; [`run()`] builds what is missing and publishes every stage
//! as it succeeds. `docs/keys.md` section 10 is the table of what happens in which state. An engine is asked for only
//! when something has to run in it.
//!
//! Nothing here knows how an engine is started, where credentials come from or how progress looks; no lock is taken,
//! and no tag that exists is ever overwritten.

mod composition;
mod dockerfile;
mod engine;
mod error;
mod failure;
mod git_layers;
mod host_files;
mod image_config;
mod index;
mod links;
mod owners;
mod plan;
mod publish;
mod record;
mod report;
mod report_file;
mod run;
mod saw;
mod stapel;
mod traces;
mod why;

pub use engine::Connect;
pub use error::{BuildError, EngineError};
pub use image_config::RemovePatternError;
pub use plan::{BuildPlan, IndexState, PlannedState, plan};
pub use report::{BuildReport, ImageReport, StageReport};
pub use report_file::{ReportFileError, SavedImage, read_report};
pub use run::{BuildDeps, run};
