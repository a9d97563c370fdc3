//! Rendered documents → resources: objects with identity, policy and source.
//!
//! Lists are taken apart, namespaces filled in, nulls dropped (they mean "not set" in a chart, but an apply
//! would read them as values). The text stays as it was: it is the record's.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kiel_template::yaml;
use serde::Serialize;
use serde_json::Value;

use super::annotations::{Policy, annotations};
use super::input::{Rendered, Source};
use super::kinds::Kinds;
use crate::release::{HookRecord, ReleaseTarget};

/// Why a document can't be deployed. All mistakes of a chart are collected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use a document of `{origin}`: {why}")]
pub struct ResourceError {
    /// The template.
    pub origin: String,
    /// What is wrong with the document.
    pub why: String,
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ResourceId {
    /// `group/version`, or `version` for the core group.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, none for cluster-wide kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ResourceId {
    /// The API group, empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The object, whatever version it is written in.
    pub(crate) fn key(&self) -> ObjectKey<'_> {
        (self.group(), &self.kind, self.namespace.as_deref(), &self.name)
    }
}

/// Group, kind, namespace and name.
pub(crate) type ObjectKey<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// An object of the release.
#[derive(Debug, Clone, Serialize)]
pub struct Resource {
    /// Which object.
    pub id: ResourceId,
    /// The template it came from.
    pub source: String,
    /// The object, without release marks.
    #[serde(skip)]
    pub object: Value,
    /// What its annotations say.
    pub policy: Policy,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// Before the first revision's resources.
    PreInstall,
    /// After them.
    PostInstall,
    /// Before a later revision's resources.
    PreUpgrade,
    /// After them.
    PostUpgrade,
    /// Before the release is deleted.
    PreDelete,
    /// After it is deleted.
    PostDelete,
    /// Before a rollback.
    PreRollback,
    /// After a rollback.
    PostRollback,
    /// When somebody tests the release.
    Test,
}

impl HookEvent {
    /// Helm's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
            Self::Test => "test",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::PreInstall,
            Self::PostInstall,
            Self::PreUpgrade,
            Self::PostUpgrade,
            Self::PreDelete,
            Self::PostDelete,
            Self::PreRollback,
            Self::PostRollback,
            Self::Test,
        ];
        let text = text.trim().to_ascii_lowercase();
        all.into_iter()
            .find(|event| event.as_str() == text || (text == "test-success" && *event == Self::Test))
    }
}

/// A hook: an object that is made at an event, not part of the release's manifest.
#[derive(Debug, Clone, Serialize)]
pub struct Hook {
    /// Its object.
    pub resource: Resource,
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Its document, for the record.
    pub text: String,
}

impl Hook {
    /// As the record lists it.
    pub(crate) fn record(&self) -> HookRecord {
        HookRecord {
            name: self.resource.id.name.clone(),
            kind: self.resource.id.kind.clone(),
            path: self.resource.source.clone(),
            manifest: self.text.clone(),
            events: self
                .events
                .iter()
                .map(|event| event.as_str().to_owned())
                .collect(),
            weight: self.resource.policy.weight,
            delete_policies: annotations(&self.resource.object)
                .get("helm.sh/hook-delete-policy")
                .map(|text| text.split(',').map(|part| part.trim().to_owned()).collect())
                .unwrap_or_default(),
            ..HookRecord::default()
        }
    }
}

/// All objects of a rendered chart.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// Of `crds/`.
    pub crds: Vec<Resource>,
    /// Ordinary ones.
    pub main: Vec<Resource>,
    /// Hooks, in Helm's order: by weight, then by name.
    pub hooks: Vec<Hook>,
}

impl Resources {
    /// Takes a rendered chart apart; `kinds` grows by the kinds that its CRDs bring.
    pub(crate) fn read(
        rendered: &Rendered,
        target: &ReleaseTarget,
        kinds: &mut Kinds,
    ) -> Result<Self, Vec<ResourceError>> {
        let mut errors = Vec::new();
        let mut objects = |sources: &[Source]| {
            let mut found = Vec::new();
            for source in sources {
                match read_objects(source) {
                    Ok(list) => found.extend(list.into_iter().map(|object| (source.clone(), object))),
                    Err(why) => errors.push(ResourceError {
                        origin: source.source.clone(),
                        why,
                    }),
                }
            }
            found
        };
        let (crds, main, hooks) = (
            objects(&rendered.crds),
            objects(&rendered.documents),
            objects(&rendered.hooks),
        );
        for (_, object) in crds
            .iter()
            .chain(&main)
            .filter(|(_, object)| object["kind"] == "CustomResourceDefinition")
        {
            kinds.add_crd(object);
        }
        let mut resource = |(source, object): (Source, Value), hook: bool| {
            let made = make_resource(&source, object, hook, target, kinds);
            made.map_err(|why| {
                errors.push(ResourceError {
                    origin: source.source.clone(),
                    why,
                });
            })
            .ok()
        };
        let mut resources = Self::default();
        resources
            .crds
            .extend(crds.into_iter().filter_map(|item| resource(item, false)));
        resources
            .main
            .extend(main.into_iter().filter_map(|item| resource(item, false)));
        for (source, object) in hooks {
            let events = hook_events(&object);
            let text = source.text.clone();
            // Go: Helm drops a hook with an event that it doesn't know.
            if let Some(events) = events
                && let Some(resource) = resource((source, object), true)
            {
                resources.hooks.push(Hook {
                    resource,
                    events,
                    text,
                });
            }
        }
        resources.hooks.sort_by(|a, b| {
            let key = |hook: &Hook| (hook.resource.policy.weight, hook.resource.id.name.clone());
            key(a).cmp(&key(b))
        });
        errors.extend(duplicates(&resources.main));
        if errors.is_empty() {
            Ok(resources)
        } else {
            Err(errors)
        }
    }
}

/// One hook of a release record; `None` where it can't be used any more.
pub(crate) fn read_hook(source: &Source, target: &ReleaseTarget, kinds: &Kinds) -> Option<Hook> {
    let object = read_objects(source).ok()?.into_iter().next()?;
    let events = hook_events(&object)?;
    let resource = make_resource(source, object, true, target, kinds).ok()?;
    Some(Hook {
        resource,
        events,
        text: source.text.clone(),
    })
}

fn hook_events(object: &Value) -> Option<Vec<HookEvent>> {
    annotations(object)
        .get("helm.sh/hook")?
        .split(',')
        .map(HookEvent::parse)
        .collect()
}

fn duplicates(main: &[Resource]) -> Vec<ResourceError> {
    let mut errors = Vec::new();
    let mut seen: HashMap<ObjectKey<'_>, &Resource> = HashMap::new();
    for resource in main {
        if let Some(first) = seen.insert(resource.id.key(), resource) {
            errors.push(ResourceError {
                origin: resource.source.clone(),
                why: format!(
                    "{} is in the chart twice; the first one is in `{}`",
                    resource.id, first.source
                ),
            });
        }
    }
    errors
}

/// The objects of a text: none for an empty one, several for a List, or for several documents (files of `crds/`
/// come whole).
pub(crate) fn read_objects(source: &Source) -> Result<Vec<Value>, String> {
    let text = |error: yaml::YamlError| error.to_string();
    let mut objects = Vec::new();
    for document in yaml::parse_documents(&source.text).map_err(text)? {
        flatten(yaml::node_to_json(&document).map_err(text)?, &mut objects)?;
    }
    Ok(objects)
}

fn flatten(value: Value, out: &mut Vec<Value>) -> Result<(), String> {
    match value {
        Value::Null => Ok(()),
        Value::Object(mut map) => {
            let is_list = map
                .get("kind")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.ends_with("List"))
                && map.get("items").is_some_and(Value::is_array);
            if is_list {
                if let Some(Value::Array(items)) = map.remove("items") {
                    for item in items {
                        flatten(item, out)?;
                    }
                }
                return Ok(());
            }
            let mut object = Value::Object(map);
            drop_nulls(&mut object);
            out.push(object);
            Ok(())
        }
        _ => Err("it is not an object".to_owned()),
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn make_resource(
    source: &Source,
    object: Value,
    hook: bool,
    target: &ReleaseTarget,
    kinds: &Kinds,
) -> Result<Resource, String> {
    let id = identify(&object, target, kinds)?;
    let object = as_applied(object, &id);
    let mut policy = Policy::read(&object, hook).map_err(|why| format!("{id}: {why}"))?;
    // It holds the release's own records, and may hold others'.
    policy.anyone |= id.kind == "Namespace" && id.name == target.namespace.as_str();
    Ok(Resource {
        id,
        source: source.source.clone(),
        object,
        policy,
    })
}

/// A document's object as it is applied.
pub(crate) fn as_applied(mut object: Value, id: &ResourceId) -> Value {
    if let Some(namespace) = &id.namespace {
        object["metadata"]["namespace"] = Value::from(namespace.as_str());
    }
    stringify_metadata(&mut object);
    encode_string_data(&mut object);
    object
}

/// Annotations and labels are texts; YAML makes numbers and booleans of unquoted ones.
fn stringify_metadata(object: &mut Value) {
    for key in ["annotations", "labels"] {
        if let Some(map) = object["metadata"].get_mut(key).and_then(Value::as_object_mut) {
            for value in map
                .values_mut()
                .filter(|value| value.is_number() || value.is_boolean())
            {
                *value = Value::from(value.to_string());
            }
        }
    }
}

/// The server turns a Secret's `stringData` into `data` and then knows no owner of it: a key that leaves the chart
/// would stay for ever.
fn encode_string_data(object: &mut Value) {
    if object["kind"] != "Secret" || object["apiVersion"] != "v1" {
        return;
    }
    let Some(Value::Object(texts)) = object.as_object_mut().and_then(|map| map.remove("stringData")) else {
        return;
    };
    for (key, text) in texts {
        // What is no text stays where it is, for the server to refuse it in its own words.
        match text.as_str() {
            Some(text) => object["data"][key] = Value::from(BASE64.encode(text)),
            None => object["stringData"][key] = text,
        }
    }
}

/// The identity of an object as the chart has it.
pub(crate) fn identify(object: &Value, target: &ReleaseTarget, kinds: &Kinds) -> Result<ResourceId, String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let api_version = text(&object["apiVersion"]).ok_or("apiVersion is missing")?;
    let kind = text(&object["kind"]).ok_or("kind is missing")?;
    let name = match &object["metadata"]["name"] {
        Value::String(name) if !name.is_empty() => name.clone(),
        Value::Bool(_) | Value::Number(_) => {
            return Err(format!(
                "{kind}: metadata.name is {}, not text; put it into quotes",
                object["metadata"]["name"]
            ));
        }
        _ if object["metadata"]["generateName"].is_string() => {
            return Err(format!(
                "{kind}: generateName gives another object at each run; set metadata.name"
            ));
        }
        _ => return Err(format!("{kind}: metadata.name is missing")),
    };
    let Some(found) = kinds.find(&api_version, &kind) else {
        return Err(format!(
            "{kind}/{name}: the cluster doesn't serve kind {kind} of {api_version}, and no CRD of the chart defines it"
        ));
    };
    let namespace = found
        .namespaced
        .then(|| text(&object["metadata"]["namespace"]).unwrap_or_else(|| target.namespace.to_string()));
    Ok(ResourceId {
        api_version,
        kind,
        namespace,
        name,
    })
}

#[cfg(test)]
mod tests;
