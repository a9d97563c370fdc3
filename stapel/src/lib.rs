//! Stapel: the stage model, stage keys, and the lowering of a stage to LLB.
//!
//! Pure: what Git knows comes in as listings, what the registry knows is asked by the caller with the keys that this
//! crate computes. `docs/keys.md` is the specification of those keys.

pub mod ansible;
mod config_record;
pub mod key;
pub mod listing;
pub mod lower;
pub mod spec;
pub mod stage;

pub use config_record::{docker_record, spec_record};
