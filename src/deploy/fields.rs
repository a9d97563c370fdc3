//! Managed fields: which fields of a live object the release owns, whether they are as the chart wants them,
//! and what an apply would do after fields of former tools have been taken over.
//!
//! Works on the server's `FieldsV1` trees: `f:NAME` is a field, `k:{…}` a list item by its keys, `v:…` an item
//! of a set, `.` the node itself, an empty tree a leaf. A verdict of "as wanted" is certain; "not as wanted" may
//! be a false alarm (defaults, other spellings of quantities), which a dry run settles.

use serde_json::{Map, Value, json};

use super::marks::{self, FIELD_MANAGER};

fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
}

/// The entry of what the release itself has applied.
pub(crate) fn is_own(entry: &Value) -> bool {
    entry["manager"] == FIELD_MANAGER
        && entry["operation"] == "Apply"
        && entry["subresource"].as_str().is_none_or(str::is_empty)
}

/// The fields that the release has applied.
pub(crate) fn own_fields(object: &Value) -> Option<&Value> {
    entries(object)
        .find(|entry| is_own(entry))
        .map(|entry| &entry["fieldsV1"])
}

/// Whether applying `desired` would certainly change nothing in `live`.
pub(crate) fn is_applied(desired: &Value, live: &Value) -> bool {
    let Some(entry) = entries(live).find(|entry| is_own(entry)) else {
        return false;
    };
    if entry["apiVersion"] != desired["apiVersion"] || entries(live).any(marks::is_taken_over) {
        return false;
    }
    let mut desired = desired.clone();
    if let Some(map) = desired.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
    }
    if let Some(metadata) = desired["metadata"].as_object_mut() {
        metadata.remove("name");
        metadata.remove("namespace");
        if metadata.is_empty() {
            desired.as_object_mut().map(|map| map.remove("metadata"));
        }
    }
    matches(&desired, live, &entry["fieldsV1"])
}

fn matches(desired: &Value, live: &Value, fields: &Value) -> bool {
    let Some(fields) = fields.as_object() else {
        return false;
    };
    if fields.keys().all(|key| key == ".") {
        return desired == live;
    }
    match desired {
        Value::Object(map) => {
            let owned = fields.keys().filter(|key| *key != ".").count();
            owned == map.len()
                && map.iter().all(|(key, value)| {
                    let field = fields.get(&format!("f:{key}"));
                    field.is_some_and(|field| live.get(key).is_some_and(|live| matches(value, live, field)))
                })
        }
        Value::Array(items) => matches_list(items, live, fields),
        _ => false,
    }
}

/// Items by key or by value; their order must be the live one.
fn matches_list(items: &[Value], live: &Value, fields: &Map<String, Value>) -> bool {
    let Some(live) = live.as_array() else { return false };
    let keys: Vec<(&String, &Value)> = fields.iter().filter(|(key, _)| *key != ".").collect();
    if keys.len() != items.len() {
        return false;
    }
    let mut last = None;
    for item in items {
        let fitting: Vec<&(&String, &Value)> = keys
            .iter()
            .filter(|(key, _)| item_has_key(item, key, true))
            .collect();
        let [(key, tree)] = fitting[..] else { return false };
        let Some(place) = live
            .iter()
            .position(|candidate| item_has_key(candidate, key, false))
        else {
            return false;
        };
        if last.is_some_and(|last| place <= last) || !matches_item(item, &live[place], tree) {
            return false;
        }
        last = Some(place);
    }
    true
}

fn matches_item(item: &Value, live: &Value, tree: &Value) -> bool {
    if item.is_object() {
        matches(item, live, tree)
    } else {
        item == live
    }
}

/// Whether a list item is the one that `k:{…}` or `v:…` names; a key that the chart leaves out is a default.
fn item_has_key(item: &Value, key: &str, defaults: bool) -> bool {
    if let Some(text) = key.strip_prefix("k:") {
        let Ok(Value::Object(keys)) = serde_json::from_str(text) else {
            return false;
        };
        return keys.iter().all(|(name, value)| match item.get(name) {
            Some(found) => found == value,
            None => defaults,
        });
    }
    match key.strip_prefix("v:").map(serde_json::from_str::<Value>) {
        Some(Ok(value)) => *item == value,
        _ => false,
    }
}

/// The managed fields after fields of former tools became the release's; `None` where there are none.
pub(crate) fn take_over(live: &Value) -> Option<Value> {
    if !entries(live).any(marks::is_taken_over) {
        return None;
    }
    let own = entries(live).find(|entry| is_own(entry));
    let newest = entries(live)
        .filter(|entry| marks::is_taken_over(entry))
        .max_by_key(|entry| entry["time"].as_str());
    let mut merged = own.or(newest)?.clone();
    merged["manager"] = json!(FIELD_MANAGER);
    merged["operation"] = json!("Apply");
    if let Some(map) = merged.as_object_mut() {
        map.remove("subresource");
    }
    for entry in entries(live).filter(|entry| marks::is_taken_over(entry)) {
        if entry["apiVersion"] == merged["apiVersion"] {
            union(&mut merged["fieldsV1"], &entry["fieldsV1"]);
        }
    }
    if let Some(fields) = merged["fieldsV1"].as_object_mut() {
        fields.remove("f:status");
    }
    let others = entries(live)
        .filter(|entry| !is_own(entry) && !marks::is_taken_over(entry))
        .cloned();
    Some(std::iter::once(merged).chain(others).collect())
}

fn union(into: &mut Value, from: &Value) {
    let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) else {
        return;
    };
    for (key, tree) in from {
        union(into.entry(key.clone()).or_insert_with(|| json!({})), tree);
    }
}

/// Takes from `after` (the result of a dry run on `live`) the fields that only former tools own: once they are
/// taken over, applying a chart without them removes them. True where something was taken.
pub(crate) fn drop_orphans(after: &mut Value, live: &Value) -> bool {
    let mut orphans = json!({});
    for entry in entries(live).filter(|entry| marks::is_taken_over(entry)) {
        union(&mut orphans, &entry["fieldsV1"]);
    }
    let mut kept = json!({});
    for entry in entries(after).filter(|entry| !marks::is_taken_over(entry)) {
        union(&mut kept, &entry["fieldsV1"]);
    }
    if let Some(map) = orphans.as_object_mut() {
        map.remove("f:status");
    }
    let orphans = subtract(&orphans, &kept);
    let found = orphans.as_object().is_some_and(|map| !map.is_empty());
    if found {
        remove(after, &orphans);
    }
    found
}

/// The fields that somebody set by kubectl and that `after` has otherwise: by manager, as paths.
pub(crate) fn by_hand(live: &Value, after: &Value) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for entry in entries(live).filter(|entry| marks::is_by_hand(entry)) {
        let mut paths = Vec::new();
        differing(&entry["fieldsV1"], Some(live), Some(after), "", &mut paths);
        if !paths.is_empty() {
            let manager = entry["manager"].as_str().unwrap_or_default();
            found.push((manager.to_owned(), paths));
        }
    }
    found
}

fn differing(tree: &Value, live: Option<&Value>, after: Option<&Value>, path: &str, paths: &mut Vec<String>) {
    let below = tree
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != ".");
    for (key, tree) in below {
        let (name, live, after) = (step_name(key), step(live, key), step(after, key));
        let path = format!("{path}{name}");
        let inner = tree
            .as_object()
            .is_some_and(|tree| tree.keys().any(|key| key != "."));
        if live == after {
            continue;
        }
        if inner && live.is_some() && after.is_some() {
            differing(tree, live, after, &path, paths);
        } else {
            paths.push(path);
        }
    }
}

/// The value below a step of a field tree.
fn step<'a>(value: Option<&'a Value>, key: &str) -> Option<&'a Value> {
    match key.strip_prefix("f:") {
        Some(name) => value?.get(name),
        None => value?
            .as_array()?
            .iter()
            .find(|item| item_has_key(item, key, false)),
    }
}

/// A step of a field tree as people write it: `.name`, `["a.b/c"]`, `[name=main]`.
fn step_name(key: &str) -> String {
    if let Some(name) = key.strip_prefix("f:") {
        let plain = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        return if plain {
            format!(".{name}")
        } else {
            format!("[{name:?}]")
        };
    }
    let text = key.split_once(':').map_or(key, |(_, text)| text);
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(keys)) => {
            let keys: Vec<String> = keys
                .iter()
                .map(|(name, value)| {
                    format!(
                        "{name}={}",
                        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                    )
                })
                .collect();
            format!("[{}]", keys.join(","))
        }
        _ => format!("[{text}]"),
    }
}

/// Whether an autoscaler owns `spec.replicas`.
pub(crate) fn is_autoscaled(live: &Value) -> bool {
    entries(live)
        .any(|entry| marks::is_autoscaler(entry) && entry["fieldsV1"]["f:spec"].get("f:replicas").is_some())
}

/// What applying `desired` makes of `live` once the fields of former tools have been taken over, as far as field trees
/// tell: a dry run can't take over and apply at once.
pub(crate) fn applied_after_take_over(desired: &Value, live: &Value) -> Option<Value> {
    let managed = take_over(live)?;
    let mut others = json!({});
    let entries = managed.as_array().into_iter().flatten();
    for entry in entries.filter(|entry| !is_own(entry)) {
        union(&mut others, &entry["fieldsV1"]);
    }
    let mut after = merge(desired, live, &managed[0]["fieldsV1"], &others);
    for key in ["apiVersion", "kind"] {
        after[key] = desired[key].clone();
    }
    if let Some(metadata) = after["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    Some(after)
}

/// `live` with `desired` over it, without what `own` names and neither `desired` nor `others` have.
fn merge(desired: &Value, live: &Value, own: &Value, others: &Value) -> Value {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            let mut after = live.clone();
            after.retain(|key, _| {
                let field = format!("f:{key}");
                desired.contains_key(key) || own.get(&field).is_none() || others.get(&field).is_some()
            });
            for (key, value) in desired {
                let field = format!("f:{key}");
                let below = match live.get(key) {
                    Some(live) => merge(value, live, &own[&field], &others[&field]),
                    None => value.clone(),
                };
                after.insert(key.clone(), below);
            }
            Value::Object(after)
        }
        (Value::Array(desired), Value::Array(live)) => merge_items(desired, live, own, others),
        _ => desired.clone(),
    }
}

fn merge_items(desired: &[Value], live: &[Value], own: &Value, others: &Value) -> Value {
    let keys: Vec<(&String, &Value)> = own
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != ".")
        .collect();
    // A list that is owned as a whole.
    if keys.is_empty() {
        return Value::from(desired.to_vec());
    }
    let key_of =
        |item: &Value, defaults: bool| keys.iter().find(|(key, _)| item_has_key(item, key, defaults));
    let mut after: Vec<Value> = Vec::new();
    for item in desired {
        let merged = key_of(item, true).and_then(|(key, tree)| {
            let found = live.iter().find(|live| item_has_key(live, key, false))?;
            Some(merge(item, found, tree, &others[key.as_str()]))
        });
        after.push(merged.unwrap_or_else(|| item.clone()));
    }
    let wanted = |key: &str| desired.iter().any(|item| item_has_key(item, key, true));
    let stays = |item: &&Value| match key_of(item, false) {
        Some((key, _)) => !wanted(key) && others.get(key.as_str()).is_some(),
        None => true,
    };
    after.extend(live.iter().filter(stays).cloned());
    Value::Array(after)
}

fn is_leaf(tree: &Value) -> bool {
    tree.as_object().is_none_or(Map::is_empty)
}

/// The leaves of `a` that `b` doesn't have.
fn subtract(a: &Value, b: &Value) -> Value {
    let mut rest = Map::new();
    for (key, tree) in a.as_object().into_iter().flatten() {
        match b.get(key) {
            None => {
                rest.insert(key.clone(), tree.clone());
            }
            Some(other) if !is_leaf(tree) && !is_leaf(other) => {
                let below = subtract(tree, other);
                if !is_leaf(&below) {
                    rest.insert(key.clone(), below);
                }
            }
            Some(_) => {}
        }
    }
    Value::Object(rest)
}

fn remove(value: &mut Value, tree: &Value) {
    for (key, below) in tree.as_object().into_iter().flatten() {
        if let (Some(name), Some(map)) = (key.strip_prefix("f:"), value.as_object_mut()) {
            let whole = is_leaf(below);
            if let Some(child) = map.get_mut(name).filter(|_| !whole) {
                remove(child, below);
                let empty = child.as_object().is_some_and(Map::is_empty)
                    || child.as_array().is_some_and(Vec::is_empty);
                if empty && below.get(".").is_some() {
                    map.remove(name);
                }
            } else if whole {
                map.remove(name);
            }
        } else if let Some(items) = value.as_array_mut()
            && let Some(place) = items.iter().position(|item| item_has_key(item, key, false))
        {
            if is_leaf(below) || below.get(".").is_some() {
                items.remove(place);
            } else {
                remove(&mut items[place], below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(fields: &Value, rest: Value) -> Value {
        let mut object = rest;
        object["metadata"]["managedFields"] =
            json!([{"manager": "helm", "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields}]);
        object
    }

    fn check(desired: Value, fields: &Value, rest: Value, want: bool) {
        let mut desired = desired;
        desired["apiVersion"] = json!("v1");
        desired["kind"] = json!("K");
        desired["metadata"]["name"] = json!("n");
        let live = live(fields, rest);
        assert_eq!(is_applied(&desired, &live), want, "{desired} {live}");
    }

    #[test]
    fn equal_objects_need_no_request() {
        let fields = json!({"f:data": {"f:a": {}}});
        check(
            json!({"data": {"a": "1"}}),
            &fields,
            json!({"data": {"a": "1", "other": "2"}}),
            true,
        );
        check(
            json!({"data": {"a": "2"}}),
            &fields,
            json!({"data": {"a": "1"}}),
            false,
        );
        check(
            json!({"data": {"a": "1", "b": "1"}}),
            &fields,
            json!({"data": {"a": "1", "b": "1"}}),
            false,
        );
        check(json!({"data": {}}), &fields, json!({"data": {"a": "1"}}), false);
    }

    #[test]
    fn list_items_are_found_by_their_keys() {
        let fields = json!({"f:spec": {"f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}},
            "k:{\"port\":81,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}}}}});
        let spec = |ports: Value| json!({"spec": {"ports": ports}});
        let stored = spec(json!([{"port": 80, "protocol": "TCP", "targetPort": 80},
            {"port": 81, "name": "b", "protocol": "TCP"}]));
        check(
            spec(json!([{"port": 80}, {"port": 81, "name": "b"}])),
            &fields,
            stored.clone(),
            true,
        );
        check(
            spec(json!([{"port": 81, "name": "b"}, {"port": 80}])),
            &fields,
            stored.clone(),
            false,
        );
        check(
            spec(json!([{"port": 80}, {"port": 81, "name": "c"}])),
            &fields,
            stored.clone(),
            false,
        );
        check(spec(json!([{"port": 80}])), &fields, stored, false);
    }

    #[test]
    fn atomic_and_set_lists() {
        let atomic = json!({"f:rules": {}});
        check(
            json!({"rules": [{"a": 1}]}),
            &atomic,
            json!({"rules": [{"a": 1}]}),
            true,
        );
        check(
            json!({"rules": [{"a": 1}]}),
            &atomic,
            json!({"rules": [{"a": 1, "b": 2}]}),
            false,
        );
        let set = json!({"f:metadata": {"f:finalizers": {".": {}, "v:\"x\"": {}}}});
        check(
            json!({"metadata": {"finalizers": ["x"]}}),
            &set,
            json!({"metadata": {"finalizers": ["y", "x"]}}),
            true,
        );
    }

    #[test]
    fn a_former_tool_makes_a_request_necessary_and_is_merged() {
        let mut object = live(
            &json!({"f:data": {"f:a": {}}}),
            json!({"data": {"a": "1", "b": "2"}}),
        );
        let edit = json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1",
            "fieldsV1": {"f:data": {"f:b": {}}}});
        let foreign =
            json!({"manager": "operator", "operation": "Update", "apiVersion": "v1", "fieldsV1": {}});
        let managed = object["metadata"]["managedFields"].as_array_mut().expect("array");
        managed.extend([edit, foreign]);
        assert!(!is_applied(
            &json!({"apiVersion": "v1", "data": {"a": "1"}}),
            &object
        ));
        let merged = take_over(&object).expect("there is a former tool");
        assert_eq!(merged.as_array().map(Vec::len), Some(2));
        assert_eq!(merged[0]["fieldsV1"], json!({"f:data": {"f:a": {}, "f:b": {}}}));
        assert_eq!(merged[1]["manager"], "operator");
    }

    #[test]
    fn what_was_set_by_hand_is_named() {
        let mut object = live(
            &json!({}),
            json!({"data": {"a": "1", "b.c": "2"}, "spec": {"env": [{"name": "A", "value": "x"}], "replicas": 3}}),
        );
        let edit = json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "fieldsV1": {
            "f:data": {"f:a": {}, "f:b.c": {}}, "f:spec": {"f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}}}});
        let scale = json!({"manager": "kubectl", "operation": "Update", "subresource": "scale",
            "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        let managed = object["metadata"]["managedFields"].as_array_mut().expect("array");
        managed.extend([edit, scale]);
        let mut after = object.clone();
        after["data"] = json!({"a": "1"});
        after["spec"] = json!({"env": [{"name": "A", "value": "y"}], "replicas": 1});
        let want = [
            ("kubectl-edit", vec![".data[\"b.c\"]", ".spec.env[name=A].value"]),
            ("kubectl", vec![".spec.replicas"]),
        ]
        .map(|(manager, paths)| {
            let paths: Vec<String> = paths.into_iter().map(str::to_owned).collect();
            (manager.to_owned(), paths)
        });
        assert_eq!(by_hand(&object, &after), want);
        assert_eq!(by_hand(&object, &object), []);
        assert!(!is_autoscaled(&object));
    }

    #[test]
    fn orphans_leave_the_predicted_object() {
        let mut object = live(
            &json!({"f:data": {"f:a": {}}}),
            json!({"data": {"a": "1", "b": "2", "c": "3"}}),
        );
        let edit = json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1",
            "fieldsV1": {"f:data": {"f:b": {}, "f:a": {}}}});
        object["metadata"]["managedFields"]
            .as_array_mut()
            .expect("array")
            .push(edit);
        let mut after = object.clone();
        assert!(drop_orphans(&mut after, &object));
        assert_eq!(after["data"], json!({"a": "1", "c": "3"}));
    }

    #[test]
    fn an_apply_after_a_take_over_is_predicted() {
        let ports = json!({"k:{\"port\":81,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}});
        let object = json!({
            "metadata": {"name": "a", "labels": {"x": "1", "theirs": "1"}, "managedFields": [
                {"manager": "helm", "operation": "Update", "apiVersion": "v1",
                 "fieldsV1": {"f:metadata": {"f:labels": {"f:x": {}}}, "f:spec": {"f:ports": ports, "f:type": {}}}},
                {"manager": "operator", "operation": "Update", "apiVersion": "v1",
                 "fieldsV1": {"f:metadata": {"f:labels": {"f:theirs": {}}}}}]},
            "spec": {"ports": [{"port": 81, "protocol": "TCP"}], "type": "ClusterIP", "filledIn": 1},
        });
        let desired = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": {"y": "2"}},
            "spec": {"ports": [{"port": 80}]}});
        let after = applied_after_take_over(&desired, &object).expect("there is a former tool");
        assert_eq!(
            after["metadata"],
            json!({"name": "a", "labels": {"theirs": "1", "y": "2"}})
        );
        assert_eq!(after["spec"], json!({"ports": [{"port": 80}], "filledIn": 1}));
        assert_eq!(
            applied_after_take_over(&desired, &live(&json!({}), json!({}))),
            None
        );
    }

    #[test]
    fn orphaned_list_items_are_removed_whole() {
        let mut value = json!({"spec": {"env": [{"name": "A", "value": "1"}, {"name": "B"}]}});
        let item = json!({".": {}, "f:name": {}, "f:value": {}});
        remove(
            &mut value,
            &json!({"f:spec": {"f:env": {"k:{\"name\":\"A\"}": item}}}),
        );
        assert_eq!(value, json!({"spec": {"env": [{"name": "B"}]}}));
    }
}
