//! Helm 3's charts: loading, values, dependencies, rendering, splitting and ordering.
//!
//! Pure: no IO, clock, randomness or environment. Files come in through
//! [`FileTree`](kiel_template::files::FileTree), what a cluster would say through [`Lookup`]. The
//! contract is byte equality with `helm template` of Helm 3.21.

mod archive;
mod capabilities;
mod chart_object;
mod coalesce;
mod context;
mod decode;
mod explain;
mod files_object;
mod function_names;
mod functions;
mod glob;
mod hook;
mod ignore;
mod index;
pub mod lint;
mod load;
mod lock;
mod manifests;
mod metadata;
mod model;
mod normalize;
mod oci;
mod order;
mod package;
mod path_match;
mod render;
mod schema;
mod show_only;
mod split;
mod strvals;
#[cfg(test)]
mod test_tree;
mod tree;
mod values;
mod version;
mod warning;
mod yaml;

pub use archive::{ArchiveError, unpack};
pub use capabilities::{Capabilities, HelmVersion, KubeVersion, KubeVersionError};
pub use coalesce::{CoalesceError, joined_defaults};
pub use explain::{explain, find_value};
pub use functions::Lookup;
pub use hook::{Hook, HookEvent};
pub use ignore::IgnoreError;
pub use index::{Index, IndexEntry, IndexError, MAX_INDEX_SIZE, NoEntry};
pub use load::{ChartError, Profile, load, load_archive};
pub use lock::LockError;
pub use manifests::{Document, HookOutput, ManifestError, Manifests};
pub use metadata::{Dependency, Lock, Maintainer, Metadata};
pub use model::{Chart, File};
pub use normalize::NormalizeError;
pub use oci::{MEDIA_ARCHIVE, MEDIA_CONFIG, MEDIA_OLD_ARCHIVE, MEDIA_PROVENANCE};
pub use order::install_rank;

pub use package::{DEFAULT_TIME, PackageError, chart_file, package, package_files};
pub use render::{
    AddFunctions, Release, RenderError, RenderInput, SoFar, check_release_name, render, render_before_exit,
    render_on_own_stack, render_texts,
};
pub use show_only::show_only;
pub use values::{ValuesError, ValuesFile, ValuesInput};
pub use version::parse_strict;
pub use warning::Warning;
