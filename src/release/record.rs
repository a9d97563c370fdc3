//! The record's JSON as Helm 3 and 4 write it, and its encoding.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ReleaseError;

/// A decoded record is never allowed to grow beyond this.
const DECODED_LIMIT: u64 = 256 << 20;

/// A release's state; the words are Helm's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Not known.
    #[default]
    Unknown,
    /// The release that is in the cluster.
    Deployed,
    /// Deleted, its record kept.
    Uninstalled,
    /// Was deployed; a later one has replaced it.
    Superseded,
    /// Its run did not succeed.
    Failed,
    /// Being deleted.
    Uninstalling,
    /// The first run goes on, or was killed.
    PendingInstall,
    /// A later run goes on, or was killed.
    PendingUpgrade,
    /// A rollback goes on, or was killed.
    PendingRollback,
}

impl Status {
    /// Helm's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }

    /// Helm's word back; anything else is `Unknown`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        serde_json::from_value(Value::from(text)).unwrap_or_default()
    }

    /// A run goes on or was killed.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback | Self::Uninstalling
        )
    }
}

/// One revision of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// Times, state and notes.
    #[serde(default)]
    pub info: Info,
    /// The chart: `metadata`, `lock`, `templates`, `values`, `schema`, `files`, as Helm stores it.
    #[serde(default)]
    pub chart: Value,
    /// The user's values.
    #[serde(default)]
    pub config: Value,
    /// The rendered manifests without hooks.
    #[serde(default)]
    pub manifest: String,
    /// The hooks.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub hooks: Vec<HookRecord>,
    /// The revision, from 1.
    pub version: u64,
    /// The namespace.
    #[serde(default)]
    pub namespace: String,
    /// The labels of the Secret that it was read from.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// What a newer Helm adds.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Times, state and notes of a revision. Times are RFC 3339, empty for "never".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Info {
    /// When the first revision was deployed.
    #[serde(default)]
    pub first_deployed: String,
    /// When this revision was deployed.
    #[serde(default)]
    pub last_deployed: String,
    /// When it was deleted.
    #[serde(default)]
    pub deleted: String,
    /// What happened, for people.
    #[serde(default)]
    pub description: String,
    /// The state.
    #[serde(default)]
    pub status: Status,
    /// NOTES.txt, rendered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// What a newer Helm adds.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A hook of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct HookRecord {
    /// Its object's name.
    #[serde(default)]
    pub name: String,
    /// Its object's kind.
    #[serde(default)]
    pub kind: String,
    /// The template it came from.
    #[serde(default)]
    pub path: String,
    /// Its manifest.
    #[serde(default)]
    pub manifest: String,
    /// When it runs (`pre-install`, …).
    #[serde(default, deserialize_with = "null_is_default")]
    pub events: Vec<String>,
    /// Its last run.
    #[serde(default)]
    pub last_run: HookRun,
    /// Its place among the hooks of one event.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: i64,
    /// When its object is deleted.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub delete_policies: Vec<String>,
    /// What a newer Helm adds.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// When a hook ran last, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct HookRun {
    /// RFC 3339, empty for "never".
    #[serde(default)]
    pub started_at: String,
    /// RFC 3339, empty for "never".
    #[serde(default)]
    pub completed_at: String,
    /// `Unknown`, `Running`, `Succeeded`, `Failed`; empty before the first run.
    #[serde(default)]
    pub phase: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(weight: &i64) -> bool {
    *weight == 0
}

fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The text that Helm keeps in the Secret's `release` key (before the Secret's own base64).
#[must_use]
pub fn encode(release: &Release) -> String {
    let json = serde_json::to_vec(release).expect("a record has only string keys");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&json).expect("memory takes every write");
    BASE64.encode(gzip.finish().expect("memory takes every write"))
}

/// Reads what [`encode`] or Helm wrote; `record` names it in errors. Very old records are not compressed.
pub fn decode(record: &str, text: &str) -> Result<Release, ReleaseError> {
    let corrupt = |why: String| ReleaseError::Corrupt {
        record: record.to_owned(),
        why,
    };
    let bytes = BASE64
        .decode(text.trim())
        .map_err(|error| corrupt(format!("it is not base64: {error}")))?;
    let json = if bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        let mut json = Vec::new();
        GzDecoder::new(&bytes[..])
            .take(DECODED_LIMIT)
            .read_to_end(&mut json)
            .map_err(|error| corrupt(format!("it is not a whole gzip stream: {error}")))?;
        json
    } else {
        bytes
    };
    serde_json::from_slice(&json).map_err(|error| corrupt(format!("it is not a release: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Release {
        serde_json::from_value(json!({
            "name": "app", "version": 3, "namespace": "x", "manifest": "---\nkind: A\n", "config": {"a": 1},
            "chart": {"metadata": {"name": "app"}}, "hooks": null, "apply_method": "ssa",
            "info": {"first_deployed": "2026-01-02T03:04:05Z", "last_deployed": "2026-01-02T03:04:05Z",
                     "deleted": "", "status": "pending-upgrade", "description": "Preparing"}
        }))
        .expect("a release")
    }

    #[test]
    fn round_trip_keeps_what_it_does_not_know() {
        let release = sample();
        assert_eq!(release.info.status, Status::PendingUpgrade);
        let back = decode("r", &encode(&release)).expect("decodes");
        assert_eq!(back, release);
        assert_eq!(back.extra["apply_method"], "ssa");
    }

    #[test]
    fn uncompressed_records_are_read() {
        let text = BASE64.encode(serde_json::to_vec(&sample()).expect("json"));
        assert_eq!(decode("r", &text).expect("decodes").version, 3);
    }

    #[test]
    fn broken_records_are_named() {
        let whole = encode(&sample());
        let cut = BASE64.encode(&BASE64.decode(&whole).expect("base64")[..40]);
        for (text, want) in [("%", "base64"), (cut.as_str(), "gzip"), ("e30=", "not a release")] {
            let message = decode("sh.helm.release.v1.a.v1", text)
                .expect_err("broken")
                .to_string();
            assert!(
                message.contains("sh.helm.release.v1.a.v1") && message.contains(want),
                "{message}"
            );
        }
    }

    #[test]
    fn statuses_have_helms_words() {
        for status in [
            Status::Deployed,
            Status::PendingInstall,
            Status::Uninstalling,
            Status::Superseded,
        ] {
            assert_eq!(Status::parse(status.as_str()), status);
        }
        assert_eq!(Status::parse("odd"), Status::Unknown);
    }
}
