//! werf.yaml: rendered by the template engine, parsed with the whole list of keys, validated into [`model::Config`].
//!
//! Collects every mistake before it fails, each with its line. Reads files only through `FileTree`, so only what is
//! committed counts. Does not know Git, registries or clusters.

pub mod model;
pub(crate) mod schema;
pub mod slug;
