//! Fields that can't be changed: which, and what a user can do instead.

use serde_json::Value;

use crate::deploy::resources::Resource;
use crate::release::ApiError;

/// The server refuses because a field can't be changed.
pub(super) fn is_immutable(error: &ApiError) -> bool {
    let words = [
        "immutable",
        "may not be changed",
        "may not change",
        "updates to statefulset spec",
        "cannot be changed",
        "cannot change",
        "can not be less than",
    ];
    error.code == 422 && words.iter().any(|word| error.message.contains(word))
}

/// The fields, and what to do, in one sentence.
pub(super) fn explain(resource: &Resource, live: &Value, error: &ApiError) -> String {
    format!(
        "{} can't be changed; {}",
        fields(resource, live, error),
        remedy(resource)
    )
}

fn fields(resource: &Resource, live: &Value, error: &ApiError) -> String {
    let mut names: Vec<String> = Vec::new();
    for (field, _) in &error.causes {
        let found = match field.as_str() {
            // The server names no field below: those that it does not allow are looked for.
            "spec" => differing(&resource.object["spec"], &live["spec"], &error.message),
            field => vec![field.to_owned()],
        };
        names.extend(found.into_iter().filter(|name| !name.is_empty()));
    }
    names.dedup();
    if names.is_empty() {
        // The rest of the message can be a whole pod.
        return error.message.chars().take(300).collect();
    }
    names.join(", ")
}

/// The chart's fields of a spec that differ from the live ones and that the message does not name as free.
fn differing(wanted: &Value, live: &Value, message: &str) -> Vec<String> {
    let free = |name: &str| message.contains(&format!("'{name}'")) || message.contains(&format!("{name}."));
    let fields = wanted.as_object().into_iter().flatten();
    let found: Vec<String> = fields
        .filter(|(name, value)| !free(name) && !contains(&live[name.as_str()], value))
        .map(|(name, _)| format!("spec.{name}"))
        .collect();
    if found.is_empty() {
        vec!["spec".to_owned()]
    } else {
        found
    }
}

/// Whether the live value has everything that is wanted; what the server filled in doesn't count.
fn contains(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| live.get(key).is_some_and(|live| contains(live, value))),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live
                    .iter()
                    .zip(wanted)
                    .all(|(live, wanted)| contains(live, wanted))
        }
        _ => live == wanted,
    }
}

fn remedy(resource: &Resource) -> String {
    let name = &resource.id.name;
    let again = "annotate it with werf.io/delete-policy: before-creation-if-immutable";
    match resource.id.kind.as_str() {
        "Deployment" | "DaemonSet" | "ReplicaSet" => format!(
            "give it another name: the new one is then up before this one goes; or, to have it deleted and made again, \
             {again}"
        ),
        "StatefulSet" => format!(
            "run `kubectl delete statefulset {name} --cascade=orphan` and converge again: its pods and claims stay; or, \
             to have it deleted with its pods and made again, {again}"
        ),
        "Service" => format!(
            "take the field out of the chart to keep what the cluster has; or, to have it deleted and made again with \
             another address, {again}"
        ),
        "PersistentVolumeClaim" | "PersistentVolume" => {
            "give the new one another name and move the data: with the old one the data would be deleted"
                .to_owned()
        }
        "ConfigMap" | "Secret" => format!(
            "give it another name, such as one with a hash of its content; or, to have it deleted and made again, {again}"
        ),
        _ => format!("to have it deleted and made again, {again}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_found_where_the_server_names_none() {
        let message =
            "updates to statefulset spec for fields other than 'replicas', 'template' are forbidden";
        let live = json!({"replicas": 1, "template": {"a": 1}, "volumeClaimTemplates": [{"size": 1, "mode": "x"}], "serviceName": "a"});
        let wanted = json!({"replicas": 2, "template": {"a": 2}, "volumeClaimTemplates": [{"size": 2}], "serviceName": "a"});
        assert_eq!(differing(&wanted, &live, message), ["spec.volumeClaimTemplates"]);
        assert_eq!(differing(&live, &live, message), ["spec"]);
        let message = "spec is immutable after creation except resources.requests for bound claims";
        let wanted = json!({"resources": {"requests": 1}, "volumeName": "b"});
        assert_eq!(differing(&wanted, &json!({}), message), ["spec.volumeName"]);
    }
}
