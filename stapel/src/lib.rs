//! Stapel: the stage model, stage keys, and the lowering of a stage to LLB. Pure.

pub mod listing;
pub mod spec;
