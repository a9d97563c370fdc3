//! Annotations and labels that the user adds to every object, whatever the chart says.
//!
//! A text keeps its form: lines are put in where that says what was meant, which is judged by reading the text again.
//! Otherwise, as with flow style or a key that is there already, the object is written anew with sorted keys.

use kiel_template::yaml::{self, Node, NodeKind};
use serde_json::{Map, Value};

use crate::manifests::{Document, Manifests};
use crate::normalize::NormalizeError;

/// What is added to each object; of equal keys the last counts, and the chart's own never does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddedMetadata {
    /// Keys and values.
    pub annotations: Vec<(String, String)>,
    /// Keys and values.
    pub labels: Vec<(String, String)>,
}

impl AddedMetadata {
    /// Whether nothing is added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.annotations.is_empty() && self.labels.is_empty()
    }

    fn tables(&self) -> [(&'static str, Map<String, Value>); 2] {
        let table = |pairs: &[(String, String)]| -> Map<String, Value> {
            let pair = |(key, value): &(String, String)| (key.clone(), Value::from(value.as_str()));
            pairs.iter().map(pair).collect()
        };
        [
            ("annotations", table(&self.annotations)),
            ("labels", table(&self.labels)),
        ]
    }
}

impl Manifests {
    /// Adds annotations and labels to all documents and hooks; `crds/` stay as they are.
    ///
    /// # Errors
    /// When a document is no YAML, or its object cannot be written.
    pub fn add_metadata(&mut self, added: &AddedMetadata) -> Result<(), NormalizeError> {
        if added.is_empty() {
            return Ok(());
        }
        for document in self.documents.iter_mut().chain(&mut self.hooks) {
            add_to_document(document, added)?;
        }
        Ok(())
    }
}

fn add_to_document(document: &mut Document, added: &AddedMetadata) -> Result<(), NormalizeError> {
    let object = document.object()?;
    if document.kind.is_empty() || !object.is_object() {
        return Ok(());
    }
    let mut wanted = object.clone();
    add_to_object(&mut wanted, added);
    let edited = edited(&document.text, &object, added);
    let reads_as_wanted = |text: &String| yaml::to_json(text).is_ok_and(|object| object == wanted);
    document.text = match edited.filter(reads_as_wanted) {
        Some(text) => text,
        None => yaml::json_to_string(&wanted)
            .map_err(|source| NormalizeError::Emit {
                path: document.source.clone(),
                source,
            })?
            .trim_end()
            .to_owned(),
    };
    let pairs = added.annotations.iter().cloned();
    document.annotations.extend(pairs);
    Ok(())
}

fn add_to_object(object: &mut Value, added: &AddedMetadata) {
    let is_list = object
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    if is_list && let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(|item| add_to_object(item, added));
        return;
    }
    let Some(members) = object.as_object_mut() else {
        return;
    };
    let metadata = table_in(members, "metadata");
    for (name, pairs) in added.tables() {
        if !pairs.is_empty() {
            table_in(metadata, name).extend(pairs);
        }
    }
}

/// The table of that name, made where there is none.
fn table_in<'a>(members: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let member = members.entry(name).or_insert(Value::Null);
    if !member.is_object() {
        *member = Value::Object(Map::new());
    }
    member.as_object_mut().expect("it was made one")
}

/// The text with lines put in, where it may be so easy.
fn edited(text: &str, object: &Value, added: &AddedMetadata) -> Option<String> {
    let documents = yaml::parse_documents(text).ok()?;
    let [root] = documents.as_slice() else {
        return None;
    };
    let metadata = root.get("metadata")?;
    let first = first_key(metadata)?;
    let mut places: Vec<(usize, String)> = Vec::new();
    for (name, pairs) in added.tables() {
        let has_own = |key: &String| object["metadata"][name].get(key).is_some();
        if pairs.is_empty() {
            continue;
        }
        if pairs.keys().any(has_own) {
            return None;
        }
        let (key, indent, mut lines) = match metadata.get(name) {
            Some(table) => {
                let key = first_key(table)?;
                (key, key.column - 1, String::new())
            }
            None => {
                let head = format!("{}{name}:\n", " ".repeat(first.column - 1));
                (first, first.column + 1, head)
            }
        };
        for (name, value) in &pairs {
            // A JSON text is a YAML text too.
            let name = Value::from(name.as_str());
            lines.push_str(&format!("{}{name}: {value}\n", " ".repeat(indent)));
        }
        places.push((key.line, lines));
    }
    let mut edited = String::with_capacity(text.len() + 64);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        for (_, lines) in places.iter().filter(|(place, _)| *place == index + 1) {
            edited.push_str(lines);
        }
        edited.push_str(line);
    }
    Some(edited)
}

/// The first key of a table whose entries have lines of their own.
fn first_key<'a, 'n>(table: &'a Node<'n>) -> Option<&'a Node<'n>> {
    let NodeKind::Mapping(entries) = &table.kind else {
        return None;
    };
    let (first, _) = entries.first()?;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let added = AddedMetadata {
            annotations: vec![("a.b/c".into(), "1".into()), ("d".into(), "x: \"y\"".into())],
            labels: vec![("team".into(), "core".into())],
        };
        let mut document = Document {
            text: text.into(),
            kind: "ConfigMap".into(),
            ..Document::default()
        };
        add_to_document(&mut document, &added).unwrap();
        assert_eq!(document.text, want, "{text}");
    }

    #[test]
    fn texts_keep_their_form_where_they_can() {
        check(
            "kind: ConfigMap # why\nmetadata:\n    name: c\ndata:\n  k: v",
            "kind: ConfigMap # why\nmetadata:\n    annotations:\n      \"a.b/c\": \"1\"\n      \"d\": \"x: \\\"y\\\"\"\n    \
             labels:\n      \"team\": \"core\"\n    name: c\ndata:\n  k: v",
        );
        check(
            "kind: ConfigMap\nmetadata:\n  labels:\n    # own\n    own: x\n  name: c",
            "kind: ConfigMap\nmetadata:\n  annotations:\n    \"a.b/c\": \"1\"\n    \"d\": \"x: \\\"y\\\"\"\n  labels:\n    \
             # own\n    \"team\": \"core\"\n    own: x\n  name: c",
        );
    }

    #[test]
    fn other_texts_are_written_anew() {
        let metadata =
            "metadata:\n  annotations:\n    a.b/c: \"1\"\n    d: 'x: \"y\"'\n  labels:\n    team: core\n";
        let want = format!("kind: ConfigMap\n{metadata}  name: c");
        check("kind: ConfigMap\nmetadata: {name: c}", &want);
        check(
            "kind: ConfigMap\nmetadata:\n  name: c\n  labels: {team: other}",
            &want,
        );
        check(
            "kind: ConfigMap\nmetadata:\n  name: c\n  annotations:\n    d: 5",
            &want,
        );
        check(
            "kind: ConfigMap",
            &format!("kind: ConfigMap\n{}", metadata.trim_end()),
        );
        check(
            "{kind: ConfigMap, metadata: {name: c}}",
            &format!("kind: ConfigMap\n{metadata}  name: c"),
        );
        let item = "- kind: A\n  metadata:\n    annotations:\n      a.b/c: \"1\"\n      d: 'x: \"y\"'\n    labels:\n      \
                    team: core";
        check(
            "kind: List\nitems:\n- kind: A",
            &format!("items:\n{item}\nkind: List"),
        );
    }
}
