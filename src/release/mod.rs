//! Helm-compatible release records: what `helm list`, `helm history`, `helm get` and `helm rollback` read.
//!
//! A record is a Secret `sh.helm.release.v1.<release>.v<revision>` that holds the gzipped JSON of the release.
//! Histories are read as metadata only; a record's body is fetched when it is needed.
//!
//! This module doesn't decide when a record is written, nor what its status becomes: `deploy` does.

pub(crate) mod api;
mod names;
mod record;
mod store;

pub use api::ApiError;
pub use names::{NameError, Namespace, ReleaseName, ReleaseTarget};
pub use record::{HookRecord, HookRun, Info, Release, Status, decode, encode};
pub use store::{Revision, create, delete, history, latest, list, list_named, names_in, read, update};

/// Why a release record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The API server refused, or could not be reached.
    #[error("cannot {action}: {source}")]
    Api {
        /// What was tried, with the record's name.
        action: String,
        /// The server's answer.
        source: ApiError,
    },
    /// The record is not what Helm writes.
    #[error("cannot decode release record `{record}`: {why}")]
    Corrupt {
        /// The Secret's name.
        record: String,
        /// What is wrong with it.
        why: String,
    },
    /// Kubernetes stores at most 1 MiB in a Secret.
    #[error(
        "cannot store the record of release {release}: it takes {size} bytes and a Secret holds at most {limit}; \
         make the chart smaller (files outside templates/ that it does not need, .helmignore) or split it"
    )]
    TooLarge {
        /// The release.
        release: String,
        /// The encoded record's size in bytes.
        size: usize,
        /// What a Secret holds, in bytes.
        limit: usize,
    },
    /// Somebody else made this revision in the meantime.
    #[error(
        "cannot create revision {revision} of release {release}: another run has just created it; run again"
    )]
    Exists {
        /// The release.
        release: String,
        /// The revision.
        revision: u64,
    },
}
