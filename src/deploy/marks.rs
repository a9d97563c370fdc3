//! Who owns an object: the release marks on it, and the field managers in it.

use serde_json::{Value, json};

use crate::release::ReleaseTarget;

/// The field manager of everything that kiel applies; releases of Helm 4 have it already.
pub(crate) const FIELD_MANAGER: &str = "helm";

const NAME: &str = "meta.helm.sh/release-name";
const NAMESPACE: &str = "meta.helm.sh/release-namespace";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Who an object in the cluster belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This release.
    Ours,
    /// Another release: its name and namespace.
    Other(String, String),
    /// No release.
    Nobody,
}

/// Reads the marks.
pub(crate) fn owner(live: &Value, target: &ReleaseTarget) -> Owner {
    let annotations = &live["metadata"]["annotations"];
    match (annotations[NAME].as_str(), annotations[NAMESPACE].as_str()) {
        (None, None) => Owner::Nobody,
        (name, namespace) => {
            let (name, namespace) = (name.unwrap_or_default(), namespace.unwrap_or_default());
            if name == target.name.as_str() && namespace == target.namespace.as_str() {
                Owner::Ours
            } else {
                Owner::Other(name.to_owned(), namespace.to_owned())
            }
        }
    }
}

/// Adds the marks to an object that is about to be applied.
pub(crate) fn mark(object: &mut Value, target: &ReleaseTarget) {
    set(object, "annotations", NAME, target.name.as_str());
    set(object, "annotations", NAMESPACE, target.namespace.as_str());
    set(object, "labels", MANAGED_BY, "Helm");
}

/// The annotation that says which program deployed an object.
pub const VERSION_ANNOTATION: &str = "werf.io/version";

/// Whether an annotation tells who deployed an object, and from where: such a one is set whenever the object is applied,
/// and never a reason to apply it. With every commit of a pipeline it is another.
#[must_use]
pub fn is_service_annotation(key: &str) -> bool {
    key.starts_with("project.werf.io/")
        || key.contains("ci.werf.io/")
        || matches!(key, VERSION_ANNOTATION | "werf.io/release-channel")
}

/// Gives an object the service annotations that the live one has, so that they make no difference.
pub(crate) fn keep_service(object: &mut Value, live: &Value) {
    let annotations = live["metadata"]["annotations"].as_object();
    for (key, value) in annotations.into_iter().flatten() {
        let is_given = object["metadata"]["annotations"].get(key).is_some();
        if let Some(value) = value.as_str().filter(|_| is_service_annotation(key) && !is_given) {
            set(object, "annotations", key, value);
        }
    }
}

/// Gives an object these service annotations in place of others; those that the chart's object has stay.
pub(crate) fn stamp(object: &mut Value, of_chart: &Value, service: &[(String, String)]) {
    let of_chart = &of_chart["metadata"]["annotations"];
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        annotations.retain(|key, _| !is_service_annotation(key) || of_chart.get(key).is_some());
    }
    for (key, value) in service.iter().filter(|(key, _)| of_chart.get(key).is_none()) {
        set(object, "annotations", key, value);
    }
}

/// Sets one annotation or label.
pub(crate) fn set(object: &mut Value, map: &str, key: &str, value: &str) {
    let metadata = &mut object["metadata"];
    if !metadata[map].is_object() {
        metadata[map] = json!({});
    }
    metadata[map][key] = Value::from(value);
}

/// What a user can do about an object that is not ours.
pub(crate) fn adoption_remedy(target: &ReleaseTarget) -> String {
    format!(
        "to let this release take it over, annotate it with {NAME}={} and {NAMESPACE}={}, or run with --force-adoption",
        target.name, target.namespace
    )
}

/// Whether the fields of this manager's entry become the release's own before an apply: former tools of the
/// same release (Helm's client-side apply, werf), and people's manual changes by kubectl, which the chart
/// overrides. `kubectl rollout restart`, `annotate` and `label` add fields next to the chart's and keep them.
pub(crate) fn is_taken_over(entry: &Value) -> bool {
    let manager = entry["manager"].as_str().unwrap_or_default();
    if entry["operation"] != "Update" || entry["subresource"].as_str().is_some_and(|name| !name.is_empty()) {
        return false;
    }
    if let Some(verb) = manager.strip_prefix("kubectl") {
        return !matches!(verb, "-rollout" | "-annotate" | "-label");
    }
    manager == FIELD_MANAGER || manager == "Helm" || manager == "werf" || manager.starts_with("werf-")
}

/// Whether the chart's values win over this manager's: fields that are taken over, and all that somebody set by
/// kubectl, replicas by `kubectl scale` too. What the chart says nothing about stays as it is.
pub(crate) fn is_overruled(entry: &Value) -> bool {
    is_taken_over(entry) || is_by_hand(entry)
}

/// Whether somebody set these fields by a kubectl command; `kubectl apply --server-side` is a program's way of owning.
pub(crate) fn is_by_hand(entry: &Value) -> bool {
    let by_kubectl = entry["manager"]
        .as_str()
        .is_some_and(|manager| manager.starts_with("kubectl"));
    let place = entry["subresource"].as_str().unwrap_or_default();
    by_kubectl && entry["operation"] == "Update" && matches!(place, "" | "scale")
}

/// Whether an autoscaler set these fields: a HorizontalPodAutoscaler acts as the controller manager.
pub(crate) fn is_autoscaler(entry: &Value) -> bool {
    entry["manager"] == "kube-controller-manager" && entry["subresource"] == "scale"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> ReleaseTarget {
        ReleaseTarget::parse("app", "x").expect("names")
    }

    #[test]
    fn marks_are_read_back() {
        let mut object = json!({"metadata": {"name": "a"}});
        assert_eq!(owner(&object, &target()), Owner::Nobody);
        mark(&mut object, &target());
        assert_eq!(owner(&object, &target()), Owner::Ours);
        let other = ReleaseTarget::parse("two", "x").expect("names");
        assert_eq!(owner(&object, &other), Owner::Other("app".into(), "x".into()));
        assert_eq!(object["metadata"]["labels"][MANAGED_BY], "Helm");
    }

    #[test]
    fn service_annotations_are_those_of_this_run_and_make_no_difference() {
        let chart =
            json!({"metadata": {"name": "a", "annotations": {"a": "1", "project.werf.io/env": "mine"}}});
        let live = json!({"metadata": {"annotations": {
            "a": "0", "b": "0", "ci.werf.io/commit": "old", "gitlab.ci.werf.io/job-url": "old", "project.werf.io/env": "x"}}});
        let mut object = chart.clone();
        keep_service(&mut object, &live);
        assert_eq!(
            object["metadata"]["annotations"],
            json!({"a": "1", "project.werf.io/env": "mine", "ci.werf.io/commit": "old", "gitlab.ci.werf.io/job-url": "old"})
        );
        let service = [
            ("ci.werf.io/commit", "new"),
            ("project.werf.io/env", "dev"),
            (VERSION_ANNOTATION, "1"),
        ];
        let service = service.map(|(key, value)| (key.to_owned(), value.to_owned()));
        stamp(&mut object, &chart, &service);
        assert_eq!(
            object["metadata"]["annotations"],
            json!({"a": "1", "project.werf.io/env": "mine", "ci.werf.io/commit": "new", "werf.io/version": "1"})
        );
        let mut plain = json!({"metadata": {"name": "a"}});
        keep_service(&mut plain, &json!({"metadata": {}}));
        assert_eq!(plain, json!({"metadata": {"name": "a"}}));
    }

    #[test]
    fn managers_that_are_taken_over() {
        for (manager, operation, subresource, want) in [
            ("helm", "Update", "", true),
            ("helm", "Apply", "", false),
            ("kubectl-client-side-apply", "Update", "", true),
            ("kubectl-edit", "Update", "", true),
            ("kubectl", "Update", "scale", false),
            ("kubectl", "Apply", "", false),
            ("kubectl-rollout", "Update", "", false),
            ("werf", "Update", "", true),
            ("kube-controller-manager", "Update", "status", false),
            ("kube-controller-manager", "Update", "scale", false),
        ] {
            let entry = json!({"manager": manager, "operation": operation, "subresource": subresource});
            assert_eq!(is_taken_over(&entry), want, "{entry}");
        }
    }

    #[test]
    fn managers_that_the_chart_overrules() {
        for (manager, operation, subresource, want) in [
            ("kubectl", "Update", "scale", true),
            ("kubectl-annotate", "Update", "", true),
            ("kubectl-edit", "Update", "status", false),
            ("kubectl", "Apply", "", false),
            ("helm", "Update", "", true),
            ("kube-controller-manager", "Update", "scale", false),
            ("operator", "Update", "", false),
        ] {
            let entry = json!({"manager": manager, "operation": operation, "subresource": subresource});
            assert_eq!(is_overruled(&entry), want, "{entry}");
        }
    }
}
