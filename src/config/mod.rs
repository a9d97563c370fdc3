//! werf.yaml: rendered by the template engine, parsed with the whole list of keys, validated into [`model::Config`].
//!
//! Collects every mistake before it fails, each with its line. Reads files only through `FileTree`, so only what is
//! committed counts. Does not know Git, registries or clusters.

mod ansible;
mod document;
pub mod giterminism;
mod image;
pub mod includes;
mod load;
pub mod model;
mod names;
mod options;
mod parse;
mod reader;
mod render;
mod schema;
mod select;
mod settings;
pub mod slug;

pub use self::load::{ConfigError, Loaded, NAMES, load};
pub use self::names::{NameError, namespace_name, release_name};
pub use self::options::{
    Everything, GlobMaker, Inspector, LoadOptions, PathGlob, SharedEnvironment, Variables,
};
pub use self::parse::{documents_as_json, documents_of};
pub(crate) use self::render::clean;
pub use self::schema::{giterminism_page, json_schema, page};
pub use self::select::{SelectError, select};
