//! What an operation would change, as a unified diff of YAML that people read.
//!
//! Values of Secrets, and of objects marked `werf.io/sensitive`, never get into a diff.

use serde_json::{Map, Value};
use similar::TextDiff;

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// What stands for a value that must not be shown.
const HIDDEN: &str = "<hidden>";
const HIDDEN_CHANGED: &str = "<hidden, changed>";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object without what the server keeps for itself.
pub(crate) fn significant(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in [
            "managedFields",
            "resourceVersion",
            "generation",
            "uid",
            "creationTimestamp",
            "selfLink",
        ] {
            metadata.remove(key);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
        for key in ["annotations", "labels"] {
            if metadata
                .get(key)
                .and_then(Value::as_object)
                .is_some_and(Map::is_empty)
            {
                metadata.remove(key);
            }
        }
    }
    object
}

/// A unified diff; empty where nothing that is shown differs.
pub(crate) fn diff(before: Option<&Value>, after: Option<&Value>, sensitive: Option<bool>) -> String {
    let (mut before, mut after) = (before.map(significant), after.map(significant));
    hide(before.as_mut(), after.as_mut(), sensitive);
    let text = |value: Option<&Value>| value.map(yaml).unwrap_or_default();
    let (before, after) = (text(before.as_ref()), text(after.as_ref()));
    let diff = TextDiff::from_lines(&before, &after);
    let mut out = String::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        out.push_str(&hunk.to_string());
    }
    out
}

fn hide(before: Option<&mut Value>, after: Option<&mut Value>, sensitive: Option<bool>) {
    let any = before
        .as_deref()
        .or(after.as_deref())
        .cloned()
        .unwrap_or_default();
    let is_secret = any["kind"] == "Secret" && any["apiVersion"] == "v1";
    if !sensitive.unwrap_or(is_secret) {
        return;
    }
    let keep = |key: &str| ["apiVersion", "kind", "metadata", "type", "immutable"].contains(&key);
    let keys: Vec<String> = [before.as_deref(), after.as_deref()]
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(Map::keys)
        .filter(|key| !keep(key))
        .cloned()
        .collect();
    let mut nothing = (Value::Null, Value::Null);
    let before = before.unwrap_or(&mut nothing.0);
    let after = after.unwrap_or(&mut nothing.1);
    for key in keys {
        hide_below(before.get_mut(&key), after.get_mut(&key));
    }
}

fn hide_below(before: Option<&mut Value>, after: Option<&mut Value>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let keys: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
            for key in keys {
                hide_below(before.get_mut(&key), after.get_mut(&key));
            }
        }
        (Some(before), Some(after)) => {
            if is_hidden(before) && is_hidden(after) {
                return;
            }
            let changed = before != after;
            *before = Value::from(HIDDEN);
            *after = Value::from(if changed { HIDDEN_CHANGED } else { HIDDEN });
        }
        (Some(only), None) | (None, Some(only)) => hide_all(only),
        (None, None) => {}
    }
}

fn is_hidden(value: &Value) -> bool {
    value == HIDDEN || value == HIDDEN_CHANGED
}

fn hide_all(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(hide_all),
        other => *other = Value::from(HIDDEN),
    }
}

/// YAML with its keys in order of name, as Go's libraries write it.
fn yaml(value: &Value) -> String {
    // A folded line would hide a change of a word, and show a secret in two parts.
    // Only numbers that YAML can't hold are refused; JSON can't hold them either.
    kiel_template::yaml::json_to_wide_string(value).unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_changes_is_shown() {
        let before =
            json!({"data": {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6"}, "status": {"x": 1}});
        let mut after = before.clone();
        after["data"]["f"] = json!("7");
        after["status"] = json!({"x": 2});
        insta::assert_snapshot!(diff(Some(&before), Some(&after), None));
    }

    #[test]
    fn values_of_secrets_stay_hidden() {
        let secret = |data: Value| {
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data,
            "stringData": {"t": "hunter2"}})
        };
        let before = secret(json!({"same": "c2FtZQ==", "changed": "b2xk", "gone": "Z29uZQ=="}));
        let after = secret(json!({"same": "c2FtZQ==", "changed": "bmV3", "added": "YWRkZWQ="}));
        let text = diff(Some(&before), Some(&after), None);
        insta::assert_snapshot!(text);
        for (old, new) in [(None, Some(&after)), (Some(&before), None)] {
            let text = diff(old, new, None);
            for value in ["c2FtZQ", "bmV3", "b2xk", "hunter2"] {
                assert!(!text.contains(value), "{text}");
            }
        }
    }
}
