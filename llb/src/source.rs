//! Sources: where a filesystem comes from.
//!
//! There is no `local://`: its cache trusts size and time, which are constant for Git content.

use std::collections::BTreeMap;

use crate::pb;
use crate::vertex::{Output, Platform};

fn source(identifier: String, attrs: &[(&str, &str)], platform: Option<&Platform>, name: &str) -> Output {
    let attrs: BTreeMap<String, String> = attrs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Output::make(
        pb::op::Op::Source(pb::SourceOp { identifier, attrs }),
        Vec::new(),
        platform,
        name,
    )
}

/// An image of a registry; `reference` is complete (`host/name@sha256:…`), so that nothing is guessed or looked up.
#[must_use]
pub fn docker_image(reference: &str, platform: &Platform, name: &str) -> Output {
    source(format!("docker-image://{reference}"), &[], Some(platform), name)
}

/// An image that the client's session serves: the manifest `digest` in the content store `store` of session `session`.
#[must_use]
pub fn oci_layout(digest: &str, store: &str, session: &str, platform: &Platform, name: &str) -> Output {
    let attrs = [("oci.session", session), ("oci.store", store)];
    source(
        format!("oci-layout://kiel.local/{store}@{digest}"),
        &attrs,
        Some(platform),
        name,
    )
}

/// A commit of a remote repository.
#[must_use]
pub fn git(url: &str, commit: &str, name: &str) -> Output {
    let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
    source(
        format!("git://{bare}#{commit}"),
        &[("git.fullurl", url)],
        None,
        name,
    )
}

/// A file by URL, named `filename`; `checksum` is `sha256:…`.
#[must_use]
pub fn http(url: &str, checksum: &str, filename: &str, name: &str) -> Output {
    source(
        url.to_owned(),
        &[("http.checksum", checksum), ("http.filename", filename)],
        None,
        name,
    )
}
