//! `get all --template` and `list --time-format`: releases in the words of a Go template.
//!
//! `.Release` has the fields that Helm's has, by their names in Go, as tables; the methods of its times are there too.

use kiel_template::Value;
use serde_json::{Map, json};

use super::HelmError;
use super::install_flags::sprig_text;
use crate::release::Release;

/// What the template writes about a release.
pub(super) fn render(template: &str, release: &Release) -> Result<String, HelmError> {
    let info = &release.info;
    let hooks: Vec<_> = release
        .hooks
        .iter()
        .map(|hook| {
            json!({"Name": hook.name, "Kind": hook.kind, "Path": hook.path, "Manifest": hook.manifest,
               "Events": hook.events, "Weight": hook.weight})
        })
        .collect();
    let data = json!({"Release": {
        "Name": release.name, "Namespace": release.namespace, "Manifest": release.manifest,
        "Config": release.config, "Labels": release.labels, "Hooks": hooks,
        "Chart": {"Metadata": fields(&release.chart["metadata"]), "Values": release.chart["values"]},
        "Info": {"Description": info.description, "Status": info.status.as_str(), "Notes": info.notes,
                 "FirstDeployed": info.first_deployed, "LastDeployed": info.last_deployed, "Deleted": info.deleted},
    }});
    let data = Value::from_json(&data);
    if let Value::Map(data) = &data
        && let Some(Value::Map(shown)) = data.get("Release")
    {
        shown.insert(
            "Version",
            Value::int(i64::try_from(release.version).unwrap_or(i64::MAX)),
        );
    }
    sprig_text("gotpl", template, &data)
}

/// A time in a layout of Go.
pub(super) fn time(text: &str, layout: &str) -> Result<String, HelmError> {
    let data = Value::from_json(&json!({"time": text, "layout": layout}));
    let template = r#"{{ (toDate "2006-01-02T15:04:05Z07:00" .time).Format .layout }}"#;
    sprig_text("time-format", template, &data)
}

/// JSON's names of a structure as Go's: `appVersion` is `AppVersion`.
fn fields(metadata: &serde_json::Value) -> serde_json::Value {
    let entries = metadata.as_object().into_iter().flatten();
    let entries = entries.map(|(name, value)| {
        let mut letters = name.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        let name = match name.as_str() {
            "apiVersion" => "APIVersion".to_owned(),
            _ => first.into_iter().chain(letters).collect(),
        };
        (name, value.clone())
    });
    serde_json::Value::Object(entries.collect::<Map<_, _>>())
}
