//! Helm 3's charts: loading, values, dependencies, rendering, hooks, lint, packages, indexes and lock files.
//!
//! For programs in Rust that have to do what Helm does before it talks to a cluster: deploy tools, linters, CI checks,
//! registries, editors. The contract is byte equality with Helm 3.21, error texts included; differences are defects.
//!
//! | to | use |
//! |---|---|
//! | load a chart | [`load`] from a [`FileTree`](kiel_template::files::FileTree), [`load_archive`] from a package |
//! | say what a user wants | [`ValuesInput`]: files, `--set` and its kin |
//! | render it | [`RenderInput`], [`render_on_own_stack`] |
//! | read the result | [`Manifests`]: [documents](Manifests::documents), [hooks](Manifests::hooks), [notes](Manifests::notes), [CRDs](Manifests::crds) |
//! | tell a user what went wrong | [`RenderError`], [`explain()`] |
//! | answer `.Capabilities` and `lookup` | [`Capabilities`], [`Lookup`], [`KnownObjects`] |
//! | judge a chart | [`lint`] |
//! | package it, compute `Chart.lock`, read an index | [`package()`], [`Lock`], [`Index`] |
//!
//! # Render a chart from memory
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//! use kiel_chart::{HookEvent, HookOutput, Profile, Release, RenderInput, ValuesInput, load, render_on_own_stack};
//! use kiel_template::functions::Environment;
//!
//! /// Clock and entropy, for `now` and `randAlphaNum`: a real program takes the machine's.
//! struct Still;
//!
//! impl Environment for Still {
//!     fn now(&self) -> jiff::Timestamp {
//!         jiff::Timestamp::UNIX_EPOCH
//!     }
//!     fn fill_random(&self, bytes: &mut [u8]) {
//!         bytes.fill(7);
//!     }
//! }
//!
//! let files = BTreeMap::from([
//!     ("app/Chart.yaml", "{apiVersion: v2, name: app, version: 1.0.0}"),
//!     ("app/values.yaml", "port: 80"),
//!     ("app/templates/a.yaml", "kind: Service\nmetadata: {name: {{ .Release.Name }}}\nport: {{ .Values.port }}\n"),
//!     (
//!         "app/templates/b.yaml",
//!         "kind: Job\nmetadata:\n  name: migrate\n  annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: '-5'}\n",
//!     ),
//!     ("app/templates/NOTES.txt", "{{ .Release.Name }} is on port {{ .Values.port }}."),
//! ]);
//! let chart = load(&files, "app", &Profile::Helm)?;
//! let values = ValuesInput { set: vec!["port=8080".into()], ..ValuesInput::default() };
//! let input = RenderInput::new(&chart, &values, Release::new("shop", "default"), Arc::new(Still));
//! let manifests = render_on_own_stack(input)?;
//!
//! let service = &manifests.documents[0];
//! assert_eq!((service.kind.as_str(), service.name.as_str()), ("Service", "shop"));
//! assert_eq!(service.object()?["port"], 8080);
//! let hook = manifests.hooks[0].hook.as_ref().expect("a hook says when it runs");
//! assert_eq!((&hook.events[..], hook.weight), (&[HookEvent::PreInstall][..], -5));
//! assert_eq!(manifests.notes.as_deref(), Some("shop is on port 8080."));
//! // What `helm template` prints:
//! assert!(manifests.to_template_output(false, HookOutput::All).starts_with("---\n# Source: app/templates/a.yaml\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! Every error prints as Helm prints it. [`RenderError::Template`] carries the engine's error with template, line, column and
//! the chain of `include`s; [`explain()`] makes of it what a person wants to read.
//!
//! ```
//! # use std::{collections::BTreeMap, sync::Arc};
//! # use kiel_chart::{Profile, Release, RenderError, RenderInput, ValuesInput, explain, load, render_on_own_stack};
//! # struct Still;
//! # impl kiel_template::functions::Environment for Still {
//! #     fn now(&self) -> jiff::Timestamp { jiff::Timestamp::UNIX_EPOCH }
//! #     fn fill_random(&self, bytes: &mut [u8]) { bytes.fill(7); }
//! # }
//! let files = BTreeMap::from([
//!     ("Chart.yaml", "{apiVersion: v2, name: app, version: 1.0.0}"),
//!     ("templates/a.yaml", "kind: A\nport: {{ .Values.web.port }}\n"),
//! ]);
//! let chart = load(&files, "", &Profile::Helm)?;
//! let values = ValuesInput::default();
//! let input = RenderInput::new(&chart, &values, Release::new("r", "default"), Arc::new(Still));
//! let error = render_on_own_stack(input).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "template: app/templates/a.yaml:2:16: executing \"app/templates/a.yaml\" at <.Values.web.port>: \
//!      nil pointer evaluating interface {}.port",
//! );
//! let RenderError::Template { source, .. } = &error else { panic!("{error}") };
//! assert_eq!((source.template(), source.line()), ("app/templates/a.yaml", 2));
//! assert!(explain(&error, &chart, &values).contains("2 | port: {{ .Values.web.port }}"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Packages
//!
//! ```
//! # use std::collections::BTreeMap;
//! use kiel_chart::{DEFAULT_TIME, Profile, load, load_archive, package};
//!
//! let files = BTreeMap::from([("c/Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}")]);
//! let chart = load(&files, "c", &Profile::Helm)?;
//! // The bytes depend on the chart and the given time only.
//! let archive = package(&chart, DEFAULT_TIME)?;
//! assert_eq!(archive, package(&chart, DEFAULT_TIME)?);
//! assert_eq!(load_archive(&archive)?.version(), "1.0.0");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Promises
//!
//! - **Pure**: no IO, clock, randomness or environment. Files come in through
//!   [`FileTree`](kiel_template::files::FileTree), clock and entropy through
//!   [`Environment`](kiel_template::functions::Environment), what a cluster would say through [`Lookup`]. Two renders of the
//!   same input are equal.
//! - **No panic, no endless run**, whatever a chart holds: archives, YAML, schemas and templates are bounded, and archives
//!   lead nowhere outside themselves.
//! - [`Chart`] and [`Manifests`] are plain data that can go from thread to thread.
//! - Enums that will grow are `#[non_exhaustive]`.
//!
//! # Limits
//!
//! - A file of a chart has at most 5 MiB; an archive unpacks to at most 100 MiB. Templates have the limits of
//!   [`kiel_template`].
//! - `values.schema.json` may refer to itself only: nothing is fetched, and values of other schemas are not judged; a warning
//!   says so.
//! - Nothing is downloaded: who wants dependencies puts them below `charts/`, or into [`Chart::dependencies`].
//! - Nothing is sent to a cluster, and releases are not stored; [`Manifests::chart_json`] and
//!   [`Manifests::to_release_manifest`] give what a release's record holds.

mod added;
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
mod known;
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

pub use added::AddedMetadata;
pub use archive::{ArchiveError, unpack};
pub use capabilities::{Capabilities, HelmVersion, KubeVersion, KubeVersionError};
pub use coalesce::{CoalesceError, joined_defaults};
pub use decode::DecodeError;
pub use explain::{explain, find_value, find_values};
pub use functions::Lookup;
pub use hook::{Hook, HookEvent};
pub use ignore::IgnoreError;
pub use index::{Index, IndexEntry, IndexError, MAX_INDEX_SIZE, NoEntry};
pub use known::{KnownObjects, KnownObjectsError};
pub use load::{ChartError, Profile, load, load_archive};
pub use lock::LockError;
pub use manifests::{Document, HookOutput, ManifestError, Manifests};
pub use metadata::{Dependency, Lock, Maintainer, Metadata, ValidationError};
pub use model::{Chart, File};
pub use normalize::NormalizeError;
pub use oci::{MEDIA_ARCHIVE, MEDIA_CONFIG, MEDIA_OLD_ARCHIVE, MEDIA_PROVENANCE};
pub use order::install_rank;
pub use package::{DEFAULT_TIME, PackageError, chart_file, package};
pub use render::{
    AddFunctions, Release, ReleaseNameError, RenderError, RenderInput, SoFar, check_release_name, render,
    render_before_exit, render_on_own_stack, render_texts,
};
pub use show_only::{ShowOnlyError, show_only};
pub use strvals::StrvalsError;
pub use values::{ValuesError, ValuesFile, ValuesInput};
pub use version::parse_strict;
pub use warning::Warning;
pub use yaml::YamlError;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
