//! Helm's hooks: manifests that run at certain points of a release instead of belonging to it.

use kiel_template::format::quote_str;

use crate::manifests::Document;

/// A point in the life of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HookEvent {
    /// Before anything of a new release is created.
    PreInstall,
    /// When all of a new release is there.
    PostInstall,
    /// Before a release is deleted.
    PreDelete,
    /// When all of a release is gone.
    PostDelete,
    /// Before anything of a release is changed.
    PreUpgrade,
    /// When all of a release is changed.
    PostUpgrade,
    /// Before anything goes back to an earlier revision.
    PreRollback,
    /// When all has gone back.
    PostRollback,
    /// When a user asks for the tests of a release.
    Test,
}

impl HookEvent {
    const ALL: [(Self, &'static str); 9] = [
        (Self::PreInstall, "pre-install"),
        (Self::PostInstall, "post-install"),
        (Self::PreDelete, "pre-delete"),
        (Self::PostDelete, "post-delete"),
        (Self::PreUpgrade, "pre-upgrade"),
        (Self::PostUpgrade, "post-upgrade"),
        (Self::PreRollback, "pre-rollback"),
        (Self::PostRollback, "post-rollback"),
        (Self::Test, "test"),
    ];

    /// As annotations and release records have it.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(event, _)| *event == self)
            .map_or("", |(_, name)| *name)
    }

    fn parse(text: &str) -> Option<Self> {
        // Helm 2's name of tests that have to succeed.
        let text = if text == "test-success" { "test" } else { text };
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(event, _)| *event)
    }
}

/// The `helm.sh/hook*` annotations of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Its place among the hooks of an event, from low to high.
    pub weight: i64,
    /// When it is deleted, as written but in lower case.
    pub delete_policies: Vec<String>,
    /// When its logs are shown, as written but in lower case.
    pub output_log_policies: Vec<String>,
}

/// An event that Helm doesn't know; it leaves the whole manifest out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown hook: {}", quote_str(.0.as_bytes()))]
pub(crate) struct UnknownHook(String);

impl Hook {
    /// The hook that a manifest is, if it is one.
    pub(crate) fn of(document: &Document) -> Option<Result<Self, UnknownHook>> {
        let annotations = &document.annotations;
        let written = annotations.get("helm.sh/hook")?;
        let events =
            list(written).map(|event| HookEvent::parse(&event).ok_or_else(|| UnknownHook(written.clone())));
        let policies = |name: &str| {
            annotations
                .get(name)
                .map(|text| list(text).collect())
                .unwrap_or_default()
        };
        let weight = annotations
            .get("helm.sh/hook-weight")
            .and_then(|text| text.parse().ok());
        Some(events.collect::<Result<Vec<_>, _>>().map(|events| Self {
            events,
            weight: weight.unwrap_or(0),
            delete_policies: policies("helm.sh/hook-delete-policy"),
            output_log_policies: policies("helm.sh/hook-output-log-policy"),
        }))
    }

    /// Whether it is a test of the release.
    pub fn is_test(&self) -> bool {
        self.events.contains(&HookEvent::Test)
    }
}

fn list(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(',').map(|item| item.trim().to_lowercase())
}
