//! The commands: arguments, help, exit code.

pub(crate) mod args;
pub(crate) mod env;
