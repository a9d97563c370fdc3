//! Charts from repositories, registries and folders: dependencies of projects, and Helm's commands for them, beside the
//! real Helm on the same files.

#[path = "../support/authority.rs"]
mod authority;
mod automatic;
mod commands;
#[path = "../support/fake.rs"]
mod fake;
mod hostile;
mod registries;
mod signatures;
#[path = "../support/registry.rs"]
mod support;
mod world;
