//! `helm template --validate`: whether the cluster knows what the manifests are about.
//!
//! As Helm with a server that checks fields itself: every document needs a kind that the server has. What the server would
//! say about its fields, and whether other releases own such objects, is asked when they are applied.

use kiel_chart::{Document, Manifests};

use super::{HelmError, HelmResult};
use crate::deploy::Cluster;

/// Checks the release's documents, and those of `crds/` if they are printed.
pub(super) async fn check(cluster: &Cluster, manifests: &Manifests, with_crds: bool) -> HelmResult {
    let kinds = cluster.kinds().await?;
    let crds = if with_crds { manifests.crds()? } else { Vec::new() };
    let mut problems = Vec::new();
    for document in crds.iter().chain(&manifests.documents) {
        if document.object()?.is_null() {
            continue;
        }
        if let Some(problem) = missing(document) {
            problems.push(problem);
        } else if kinds.find(&document.api_version, &document.kind).is_none() {
            problems.push(format!(
                "resource mapping not found for name: \"{}\" namespace: \"{}\" from \"\": no matches for kind \"{}\" in version \"{}\"\nensure CRDs are installed first",
                document.name,
                document.namespace.as_deref().unwrap_or_default(),
                document.kind,
                document.api_version
            ));
        }
    }
    let problems = match problems.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        all => format!("[{}]", all.join(", ")),
    };
    Err(HelmError(format!(
        "unable to build kubernetes objects from release manifest: {problems}"
    )))
}

/// What a document lacks to be an object.
fn missing(document: &Document) -> Option<String> {
    let what = match (document.api_version.is_empty(), document.kind.is_empty()) {
        (false, false) => return None,
        (true, false) => "apiVersion not set",
        (false, true) => "kind not set",
        (true, true) => "[apiVersion not set, kind not set]",
    };
    Some(format!("error validating \"\": error validating data: {what}"))
}
