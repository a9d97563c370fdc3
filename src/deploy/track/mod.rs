//! Watching until objects are really up.

pub(crate) mod status;
