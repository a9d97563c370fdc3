//! BuildKit: the client for any engine, and the engine of our own.
//!
//! - [`Client`] connects to an engine and runs solves through its gateway; [`progress`](Progress) turns what the
//!   engine tells into events; a failed solve is a [`SolveError`] with the step, its source lines and last output.
//! - [`Session`] serves the engine while solves run: content known before any solve, registry tokens for hosts
//!   that we named, secrets, health. Nothing else is served: no files of this machine.
//! - [`engine`] starts an ephemeral buildkitd and shares it between concurrent runs; nothing of it survives them.
//!
//! It knows neither images nor stages: a solve is a graph or a frontend with inputs. Exported images are pushed by
//! the engine; what is written to a registry after that is not its business.

mod client;
mod content;
pub mod engine;
mod error;
mod gateway;
mod look;
mod progress;
mod session;

pub use client::{Address, Client, PruneBudget};
pub use error::{ClientError, SolveError, SourceLines};
pub use gateway::{Build, Exporter, SolveRequest, SolveResponse};
pub(crate) use gateway::{NETWORK_ATTR, PLATFORM_ATTR};
pub use progress::Progress;
pub use session::{NamedHosts, RegistryAuthority, Session, SessionServices};

/// A random name of 24 hex digits: sessions and builds are told apart by it.
fn random_name() -> std::io::Result<String> {
    use std::io::Read as _;
    let mut bytes = [0; 12];
    fs_err::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}
