//! `lookup` without a cluster: answered from objects that a user wrote down.
//!
//! The format is that of `kubectl get -o yaml`: documents, each an object or a list of objects. What a document has, it has
//! as written; nothing is defaulted and no kind needs to exist anywhere.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::functions::Lookup;
use crate::split::split_documents;
use crate::yaml::{self, YamlError};

/// Objects that `lookup` finds.
///
/// An object without `metadata.namespace` is found in every namespace, as one of a kind without namespaces is; one with
/// a namespace in that one, and in lists of all of them.
///
/// ```
/// # use kiel_chart::{KnownObjects, Lookup as _};
/// let mut known = KnownObjects::default();
/// known.add("cluster.yaml", "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}, data: {a: Yg==}}")?;
/// assert_eq!(known.lookup("v1", "Secret", "shop", "s").unwrap()["data"]["a"], "Yg==");
/// assert_eq!(known.lookup("v1", "Secret", "", "").unwrap()["items"].as_array().map(Vec::len), Some(1));
/// assert_eq!(known.lookup("v1", "Secret", "other", "s").unwrap(), serde_json::json!({}));
/// # Ok::<(), kiel_chart::KnownObjectsError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct KnownObjects {
    /// By apiVersion and kind, then by namespace and name.
    kinds: BTreeMap<(String, String), BTreeMap<(String, String), Value>>,
}

/// Why a file of known objects is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KnownObjectsError {
    /// A document is no YAML.
    #[error("document {number} of {file}: {source}")]
    Yaml {
        /// The file.
        file: String,
        /// The document, from 1.
        number: usize,
        /// What is wrong with it.
        source: YamlError,
    },
    /// An object does not say what it is.
    #[error("document {number} of {file}: an object without {key}")]
    Incomplete {
        /// The file.
        file: String,
        /// The document, from 1.
        number: usize,
        /// What is missing.
        key: &'static str,
    },
    /// An object is there twice.
    #[error("document {number} of {file}: {kind} {name} is there twice; keep one of them")]
    Twice {
        /// The file.
        file: String,
        /// The document, from 1.
        number: usize,
        /// Its kind.
        kind: String,
        /// `NAMESPACE/NAME`, or its name alone.
        name: String,
    },
}

impl KnownObjects {
    /// Adds the objects of a file; `file` is its name in errors.
    ///
    /// # Errors
    /// When a document is no YAML, an object lacks apiVersion, kind or name, or is known already.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), KnownObjectsError> {
        for (number, document) in (1..).zip(split_documents(text)) {
            let object = yaml::to_json(document.as_bytes()).map_err(|source| KnownObjectsError::Yaml {
                file: file.to_owned(),
                number,
                source,
            })?;
            self.add_object(file, number, object)?;
        }
        Ok(())
    }

    fn add_object(&mut self, file: &str, number: usize, mut object: Value) -> Result<(), KnownObjectsError> {
        if object.is_null() {
            return Ok(());
        }
        let is_list = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        if let (true, Some(Value::Array(items))) = (is_list, object.get_mut("items").map(Value::take)) {
            return items
                .into_iter()
                .try_for_each(|item| self.add_object(file, number, item));
        }
        let text = |value: &Value, key| match value.as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(KnownObjectsError::Incomplete {
                file: file.to_owned(),
                number,
                key,
            }),
        };
        let api_version = text(&object["apiVersion"], "apiVersion")?;
        let kind = text(&object["kind"], "kind")?;
        let name = text(&object["metadata"]["name"], "metadata.name")?;
        let namespace = match &object["metadata"]["namespace"] {
            Value::Null => String::new(),
            namespace => text(namespace, "a text as metadata.namespace")?,
        };
        let place = (namespace, name);
        let objects = self.kinds.entry((api_version, kind.clone())).or_default();
        if objects.contains_key(&place) {
            let (namespace, name) = place;
            return Err(KnownObjectsError::Twice {
                file: file.to_owned(),
                number,
                kind,
                name: if namespace.is_empty() {
                    name
                } else {
                    format!("{namespace}/{name}")
                },
            });
        }
        objects.insert(place, object);
        Ok(())
    }
}

impl Lookup for KnownObjects {
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, String> {
        let Some(objects) = self.kinds.get(&(api_version.to_owned(), kind.to_owned())) else {
            return Ok(json!({}));
        };
        if name.is_empty() {
            let items = objects
                .iter()
                .filter(|((place, _), _)| namespace.is_empty() || place.is_empty() || place == namespace)
                .map(|(_, object)| object.clone());
            return Ok(json!({
                "apiVersion": api_version,
                "items": items.collect::<Vec<_>>(),
                "kind": format!("{kind}List"),
                "metadata": {"resourceVersion": ""},
            }));
        }
        let at = |namespace: &str| objects.get(&(namespace.to_owned(), name.to_owned()));
        Ok(at(namespace)
            .or_else(|| at(""))
            .cloned()
            .unwrap_or_else(|| json!({})))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: b, namespace: w}}
- {apiVersion: v1, kind: Secret, metadata: {name: a, namespace: x}}
---
# nothing
---
{apiVersion: v1, kind: Namespace, metadata: {name: x}}
---
{apiVersion: apps/v1, kind: DeploymentList, items: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}]}
";

    fn names(list: &Value) -> Vec<&str> {
        let items = list["items"].as_array().into_iter().flatten();
        items
            .filter_map(|item| item["metadata"]["name"].as_str())
            .collect()
    }

    #[test]
    fn objects_are_found_where_they_are() {
        let mut known = KnownObjects::default();
        known.add("f.yaml", FILE).unwrap();
        let find = |kind, namespace, name| known.lookup("v1", kind, namespace, name).unwrap();
        assert_eq!(find("Secret", "x", "a")["metadata"]["namespace"], "x");
        for (namespace, name) in [("w", "a"), ("", "a"), ("x", "c")] {
            assert_eq!(find("Secret", namespace, name), json!({}), "{namespace}/{name}");
        }
        assert_eq!(names(&find("Secret", "", "")), ["b", "a"]);
        assert_eq!(names(&find("Secret", "w", "")), ["b"]);
        assert_eq!(find("Secret", "z", "")["items"], json!([]));
        assert_eq!(find("Namespace", "", "x")["metadata"]["name"], "x");
        assert_eq!(find("Pod", "", ""), json!({}));
        assert_eq!(
            names(&known.lookup("apps/v1", "Deployment", "n", "").unwrap()),
            ["d"]
        );
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        let cases = [
            (
                "kind: Pod\nmetadata: {name: p}",
                "document 1 of f.yaml: an object without apiVersion",
            ),
            ("a: 1", "document 1 of f.yaml: an object without apiVersion"),
            (
                "apiVersion: v1\nkind: Pod",
                "document 1 of f.yaml: an object without metadata.name",
            ),
            ("[]", "document 1 of f.yaml: an object without apiVersion"),
            (
                "a: [",
                "document 1 of f.yaml: error converting YAML to JSON: yaml: line 1: did not find expected node content",
            ),
            (
                "{apiVersion: v1, kind: Namespace, metadata: {name: x}}",
                "document 1 of f.yaml: Namespace x is there twice; keep one of them",
            ),
            (
                "---\n{}\n---\n{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: x}}",
                "document 1 of f.yaml: an object without apiVersion",
            ),
        ];
        for (text, want) in cases {
            let mut known = KnownObjects::default();
            known.add("f.yaml", FILE).unwrap();
            assert_eq!(known.add("f.yaml", text).unwrap_err().to_string(), want, "{text}");
        }
    }
}
