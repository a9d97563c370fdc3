//! Manifests in werf's form: objects written anew, with sorted keys and without comments, in an order of their own.
//!
//! It is for comparing what two commits render to, and for scripts that come from werf. Hooks come first, then the rest by
//! kind, namespace and name. What is applied to a cluster is not made from it.

use kiel_template::yaml::{self, EmitError};
use serde_json::{Map, Value};

use crate::manifests::{Document, ManifestError, Manifests};

/// Why manifests have no normalised form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NormalizeError {
    /// A document that is no object with a kind.
    #[error("cannot normalise a document of {path}: it has no kind")]
    NoKind {
        /// The template that wrote it.
        path: String,
    },
    /// A document is no YAML.
    #[error(transparent)]
    Read(#[from] ManifestError),
    /// A value has no YAML.
    #[error("cannot write a document of {path}: {source}")]
    Emit {
        /// The template that wrote it.
        path: String,
        /// Why.
        source: EmitError,
    },
}

impl Manifests {
    /// The text that `werf render` prints for the manifests.
    ///
    /// # Errors
    /// When a document has no kind or no YAML.
    pub fn to_normalized_output(&self, include_crds: bool) -> Result<String, NormalizeError> {
        let mut output = String::new();
        for (source, text) in self.to_normalized_files(include_crds)? {
            output.push_str(&format!("---\n# Source: {source}\n{text}"));
        }
        Ok(output)
    }

    /// The same as texts with the names of the templates that wrote them.
    ///
    /// # Errors
    /// When a document has no kind or no YAML.
    pub fn to_normalized_files(&self, include_crds: bool) -> Result<Vec<(String, String)>, NormalizeError> {
        let crds = if include_crds { self.crds()? } else { Vec::new() };
        let mut files = Vec::new();
        for group in [&crds, &self.hooks, &self.documents] {
            let mut objects = Vec::new();
            for document in group {
                add_objects(document, &document.object()?, &mut objects)?;
            }
            objects.sort_by_key(|(_, object)| place(object));
            for (document, object) in objects {
                let path = &document.source;
                let text = yaml::json_to_string(&object).map_err(|source| NormalizeError::Emit {
                    path: path.clone(),
                    source,
                })?;
                files.push((path.clone(), text));
            }
        }
        Ok(files)
    }
}

/// Adds the object, or the objects of a list, completed.
fn add_objects<'d>(
    document: &'d Document,
    object: &Value,
    objects: &mut Vec<(&'d Document, Value)>,
) -> Result<(), NormalizeError> {
    if object.is_null() {
        return Ok(());
    }
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind.is_empty() {
        return Err(NormalizeError::NoKind {
            path: document.source.clone(),
        });
    }
    if kind.ends_with("List")
        && let Some(items) = object.get("items").and_then(Value::as_array)
    {
        return items
            .iter()
            .try_for_each(|item| add_objects(document, item, objects));
    }
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        let metadata = members
            .entry("metadata")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(metadata) = metadata.as_object_mut() {
            for name in ["annotations", "labels"] {
                let table = metadata.entry(name).or_insert(Value::Null);
                if table.is_null() {
                    *table = Value::Object(Map::new());
                }
            }
        }
    }
    objects.push((document, object));
    Ok(())
}

/// What objects are sorted by.
fn place(object: &Value) -> (String, String, String) {
    let text = |pointer: &str| {
        let text = object.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    (text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, want: &str) {
        let files = [("demo/templates/a.yaml".to_owned(), template.to_owned())].into();
        let mut manifests = Manifests::default();
        manifests.add_rendered(files, None).expect("manifests");
        let got = manifests.to_normalized_output(true);
        assert_eq!(got.unwrap_or_else(|error| error.to_string()), want);
    }

    #[test]
    fn keys_are_sorted_and_tables_completed() {
        check(
            "# head\nkind: ConfigMap # k\napiVersion: 'v1'\nmetadata:\n    name: \"c\"\ndata:\n    b: >\n      folded\n      text\n    n: 1\n",
            "---\n# Source: demo/templates/a.yaml\napiVersion: v1\ndata:\n  b: |\n    folded text\n  \"false\": 1\nkind: ConfigMap\nmetadata:\n  annotations: {}\n  labels: {}\n  name: c\n",
        );
    }

    #[test]
    fn lists_are_split_and_objects_sorted() {
        check(
            "kind: List\napiVersion: v1\nitems:\n- {kind: B, metadata: {name: b}}\n- {kind: B, metadata: {name: a, namespace: z}}\n- {kind: A, metadata: {name: c}}\n",
            "---\n# Source: demo/templates/a.yaml\nkind: A\nmetadata:\n  annotations: {}\n  labels: {}\n  name: c\n---\n# Source: demo/templates/a.yaml\nkind: B\nmetadata:\n  annotations: {}\n  labels: {}\n  name: b\n---\n# Source: demo/templates/a.yaml\nkind: B\nmetadata:\n  annotations: {}\n  labels: {}\n  name: a\n  namespace: z\n",
        );
    }

    #[test]
    fn a_document_without_kind_is_refused() {
        check(
            "a: b\n",
            "cannot normalise a document of demo/templates/a.yaml: it has no kind",
        );
    }
}
