//! Helm 3's charts: loading, values, dependencies, rendering, splitting and ordering.
//!
//! Pure: no IO, clock, randomness or environment. Files come in through
//! [`FileTree`](kiel_template::files::FileTree), what a cluster would say through [`Lookup`]. The
//! contract is byte equality with `helm template` of Helm 3.21.

mod decode;
mod ignore;
mod metadata;
mod order;
mod path_match;
mod split;
mod strvals;
