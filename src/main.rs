//! The kiel command.
fn main() {}
