//! What a chart is in a registry: the media types, the config and the annotations of its manifest, as Helm writes them.

use std::collections::BTreeMap;

use kiel_template::{Value, json};

use crate::metadata::{Dependency, Metadata};

/// Media type of the config: `Chart.yaml` as JSON.
pub const MEDIA_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// Media type of the archive.
pub const MEDIA_ARCHIVE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// Media type of archives that Helm and werf have written in former times.
pub const MEDIA_OLD_ARCHIVE: &str = "application/tar+gzip";
/// Media type of the provenance file.
pub const MEDIA_PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

const FIELDS: [&str; 17] = [
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];

impl Metadata {
    /// The config of the chart's manifest (Go: `json.Marshal`).
    #[must_use]
    pub fn to_config(&self) -> String {
        let all = self.to_json();
        let fields = FIELDS.iter().filter_map(|name| {
            let value = all.get(*name)?;
            let text = match *name {
                "dependencies" => list(self.dependencies.iter().map(Dependency::to_go_json)),
                "maintainers" => list(self.maintainers.iter().map(|person| structure(&person.to_json()))),
                _ => marshalled(value),
            };
            Some(format!("\"{name}\":{text}"))
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }

    /// The annotations of the chart's manifest; `created` is a time by RFC 3339.
    #[must_use]
    pub fn to_annotations(&self, created: &str) -> BTreeMap<String, String> {
        let people: Vec<String> = self
            .maintainers
            .iter()
            .map(|person| match person.email.as_str() {
                "" => person.name.clone(),
                email => format!("{} ({email})", person.name),
            })
            .collect();
        let source = self.sources.first().map(String::as_str).unwrap_or_default();
        let people = people.join(", ");
        let known = [
            ("description", self.description.as_str()),
            ("title", &self.name),
            ("version", &self.version),
            ("url", &self.home),
            ("created", created),
            ("source", source),
            ("authors", &people),
        ];
        let mut annotations: BTreeMap<String, String> = known
            .into_iter()
            .filter(|(_, text)| !text.trim().is_empty())
            .map(|(name, text)| (format!("org.opencontainers.image.{name}"), text.to_owned()))
            .collect();
        for (name, text) in &self.annotations {
            let is_fixed = [
                "org.opencontainers.image.version",
                "org.opencontainers.image.title",
            ];
            if !is_fixed.contains(&name.as_str()) {
                annotations.insert(name.clone(), text.clone());
            }
        }
        annotations
    }
}

impl Dependency {
    /// Go: `json.Marshal`.
    pub(crate) fn to_go_json(&self) -> String {
        structure(&self.to_json())
    }
}

/// A list of what is JSON already.
pub(crate) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// The fields of a structure in their order; what they hold has sorted keys.
fn structure(value: &serde_json::Value) -> String {
    let fields = value.as_object().into_iter().flatten();
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("\"{name}\":{}", marshalled(value)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn marshalled(value: &serde_json::Value) -> String {
    json::to_string(&Value::from_json(value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Maintainer;

    #[test]
    fn the_config_has_gos_order() {
        let metadata = Metadata {
            name: "c".to_owned(),
            version: "1.0.0".to_owned(),
            api_version: "v2".to_owned(),
            description: "a <b> & c".to_owned(),
            deprecated: true,
            annotations: [("z".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())].into(),
            maintainers: vec![Maintainer {
                name: "n".to_owned(),
                url: "u".to_owned(),
                email: "e".to_owned(),
            }],
            dependencies: vec![Dependency {
                name: "d".to_owned(),
                version: "1".to_owned(),
                ..Dependency::default()
            }],
            ..Metadata::default()
        };
        assert_eq!(
            metadata.to_config(),
            r#"{"name":"c","version":"1.0.0","description":"a \u003cb\u003e \u0026 c","maintainers":[{"name":"n","email":"e","url":"u"}],"apiVersion":"v2","deprecated":true,"annotations":{"a":"2","z":"1"},"dependencies":[{"name":"d","version":"1","repository":""}]}"#
        );
    }
}
