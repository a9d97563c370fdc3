//! kiel-llb: an immutable graph of build operations for BuildKit, and its wire form.
//!
//! An [`Output`] is one result of one operation. It knows everything it is made from, so a graph needs no container
//! of its own: operations are made by functions over outputs, and [`Output::definition`] marshals what an output
//! reaches. An operation is marshalled when it is made, so equal operations have equal bytes and digests, and one
//! that is used twice is sent once.
//!
//! Marshalling is canonical: the same calls give the same bytes on every machine.
//! The crate does no IO and does not talk to an engine; a name given to an operation is for people only and not
//! part of its digest.

mod exec;
mod file;
mod source;
mod vertex;

pub use bollard_buildkit_proto::pb;
pub use exec::{Exec, Sharing};
pub use file::{CopyOptions, FileChain, Owner};
pub use source::{docker_image, git, http, oci_layout};
pub use vertex::{Output, Platform, diff, merge};
