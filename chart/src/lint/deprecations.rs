//! Which kinds of Kubernetes are on their way out, since when, and what to use in their place.

use kiel_template::functions::semver::Version;

use crate::capabilities::KubeVersion;

/// A line per kind: `apiVersion kind deprecated-in removed-in replacement`, `-` where there is none. The release is of
/// the client library that Helm 3.21.4 is built with.
const TABLE: &str = include_str!("deprecated.txt");

/// What Helm says about a kind that the cluster's version deprecates.
pub(super) fn warning(api_version: &str, kind: &str, kube_version: &KubeVersion) -> Option<String> {
    let mut lines = TABLE.lines().map(|line| line.splitn(5, ' '));
    let mut columns = lines.find_map(|mut line| {
        (line.next() == Some(api_version) && line.next() == Some(kind)).then_some(line)
    })?;
    let (since, removed, replacement) = (columns.next()?, columns.next()?, columns.next()?);
    let found = Version::parse(&kube_version.version).ok()?;
    let wanted = Version::parse(since).ok()?;
    if (found.major, found.minor) < (wanted.major, wanted.minor) {
        return None;
    }
    let mut text = format!("{api_version} {kind} is deprecated in v{since}+");
    if removed != "-" {
        text.push_str(&format!(", unavailable in v{removed}+"));
    }
    if replacement != "-" {
        text.push_str(&format!("; use {replacement}"));
    }
    Some(text)
}
