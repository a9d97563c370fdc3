//! Which rights a run needs and the user lacks: all at once, with the Role that would grant them.
//!
//! What the user may do is asked for where something is to be changed, or was refused: one review of rules per
//! namespace, and one question for each right that its answer does not show. A cluster that does not answer such
//! questions is taken at its word later.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use futures::stream::{self, StreamExt};
use http::Method;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::kinds::{ApiKind, Kinds};
use super::plan::{Action, Operation, namespace_kind};
use super::resources::Resources;
use crate::release::api;
use crate::release::{ApiError, ReleaseTarget};

/// Questions at a time.
const PARALLEL: usize = 16;

/// What is done to a collection, and where; no namespace for cluster-wide kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    namespace: Option<String>,
    group: String,
    resource: String,
}

/// The rights that something needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needed {
    verbs: BTreeMap<Place, BTreeSet<&'static str>>,
}

/// Rights that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRights {
    /// Who lacks them; empty where the cluster does not tell.
    pub user: String,
    release: String,
    places: Vec<(Place, Vec<&'static str>)>,
}

impl Needed {
    fn add(&mut self, kind: &ApiKind, namespace: Option<&str>, verbs: &[&'static str]) {
        let group = kind.api_version.split_once('/').map_or("", |(group, _)| group);
        let place = Place {
            namespace: namespace.filter(|_| kind.namespaced).map(str::to_owned),
            group: group.to_owned(),
            resource: kind.plural.clone(),
        };
        self.verbs.entry(place).or_default().extend(verbs);
    }

    /// Records and the lock.
    fn add_records(&mut self, target: &ReleaseTarget) {
        let secrets = ApiKind {
            kind: "Secret".to_owned(),
            plural: "secrets".to_owned(),
            namespaced: true,
            ..namespace_kind()
        };
        let verbs = ["list", "get", "create", "patch", "delete"];
        self.add(&secrets, Some(target.namespace.as_str()), &verbs);
    }

    /// What carrying out these operations needs.
    pub(crate) fn of_operations(operations: &[Operation], target: &ReleaseTarget) -> Self {
        let mut needed = Self::default();
        needed.add_records(target);
        for operation in operations {
            let (Some(id), Some(payload)) = (&operation.resource, &operation.payload) else {
                continue;
            };
            let runs = matches!(id.kind.as_str(), "Job" | "Pod");
            let verbs: &[&'static str] = match operation.action {
                Action::CreateNamespace => &["create"],
                Action::Create => &["create", "patch"],
                Action::Update if payload.take_over => &["get", "patch"],
                Action::Update => &["patch"],
                Action::Recreate => &["get", "create", "patch", "delete"],
                Action::Hook if runs || !payload.policy.delete.is_empty() => {
                    &["get", "create", "patch", "delete"]
                }
                Action::Hook => &["create", "patch"],
                Action::Delete => &["get", "delete"],
                Action::Track | Action::Barrier => &[],
            };
            if !verbs.is_empty() {
                needed.add(&payload.kind, id.namespace.as_deref(), verbs);
            }
        }
        needed
    }

    /// What deploying these resources may need, where no plan can be made.
    pub(crate) fn of_resources(resources: &Resources, kinds: &Kinds, target: &ReleaseTarget) -> Self {
        let mut needed = Self::default();
        needed.add_records(target);
        let hooks = resources.hooks.iter().map(|hook| &hook.resource);
        for resource in resources.crds.iter().chain(&resources.main).chain(hooks) {
            let id = &resource.id;
            let Some(kind) = kinds.find(&id.api_version, &id.kind) else {
                continue;
            };
            let mut verbs = vec!["get", "create", "patch"];
            if !resource.policy.delete.is_empty() {
                verbs.push("delete");
            }
            needed.add(kind, id.namespace.as_deref(), &verbs);
        }
        needed
    }

    /// Asks which of them the user lacks.
    pub(crate) async fn missing(self, cluster: &Cluster, target: &ReleaseTarget) -> Option<MissingRights> {
        let namespaces: BTreeSet<&str> = self
            .verbs
            .keys()
            .filter_map(|place| place.namespace.as_deref())
            .collect();
        let rules: BTreeMap<&str, Vec<Value>> = stream::iter(namespaces)
            .map(|namespace| async move { (namespace, rules(cluster, namespace).await) })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        let open = self.verbs.iter().flat_map(|(place, verbs)| {
            let known = place
                .namespace
                .as_deref()
                .and_then(|namespace| rules.get(namespace));
            let granted = move |verb: &str| {
                known.is_some_and(|rules| rules.iter().any(|rule| grants(rule, place, verb)))
            };
            verbs
                .iter()
                .filter(move |verb| !granted(verb))
                .map(move |verb| (place, *verb))
        });
        let open: Vec<(&Place, &'static str)> = open.collect();
        let refused: Vec<(&Place, &'static str, bool)> = stream::iter(open)
            .map(|(place, verb)| async move { (place, verb, is_refused(cluster, place, verb).await) })
            .buffered(PARALLEL)
            .collect()
            .await;
        let mut places: Vec<(Place, Vec<&'static str>)> = Vec::new();
        for (place, verb, _) in refused.into_iter().filter(|(_, _, refused)| *refused) {
            match places.last_mut().filter(|(last, _)| last == place) {
                Some((_, verbs)) => verbs.push(verb),
                None => places.push((place.clone(), vec![verb])),
            }
        }
        if places.is_empty() {
            return None;
        }
        Some(MissingRights {
            user: user(cluster).await.unwrap_or_default(),
            release: target.name.to_string(),
            places,
        })
    }
}

async fn post(cluster: &Cluster, path: &str, body: &Value) -> Result<Value, ApiError> {
    api::send(
        cluster.client(),
        api::request_json(Method::POST, path, "application/json", body),
    )
    .await
}

async fn rules(cluster: &Cluster, namespace: &str) -> Vec<Value> {
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    match post(cluster, path, &body).await {
        Ok(mut review) => match review["status"]["resourceRules"].take() {
            Value::Array(rules) => rules,
            _ => Vec::new(),
        },
        Err(_) => Vec::new(),
    }
}

fn grants(rule: &Value, place: &Place, verb: &str) -> bool {
    let has = |key: &str, wanted: &str| {
        let mut list = rule[key].as_array().into_iter().flatten();
        list.any(|item| item == wanted || item == "*")
    };
    let named = rule["resourceNames"]
        .as_array()
        .is_some_and(|names| !names.is_empty());
    !named && has("verbs", verb) && has("apiGroups", &place.group) && has("resources", &place.resource)
}

/// Whether the cluster says no; where it does not answer, the request itself will tell.
async fn is_refused(cluster: &Cluster, place: &Place, verb: &str) -> bool {
    let mut attributes = json!({"verb": verb, "group": place.group, "resource": place.resource});
    if let Some(namespace) = &place.namespace {
        attributes["namespace"] = Value::from(namespace.as_str());
    }
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    post(cluster, path, &body)
        .await
        .is_ok_and(|review| review["status"]["allowed"] == false)
}

async fn user(cluster: &Cluster) -> Option<String> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let review = post(
        cluster,
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        &body,
    )
    .await
    .ok()?;
    review["status"]["userInfo"]["username"]
        .as_str()
        .map(str::to_owned)
}

impl MissingRights {
    /// A line for each collection: where, what, on what.
    pub(crate) fn lines(&self) -> String {
        let mut text = String::new();
        for (place, verbs) in &self.places {
            let resource = if place.group.is_empty() {
                place.resource.clone()
            } else {
                format!("{}.{}", place.resource, place.group)
            };
            let place = match &place.namespace {
                Some(namespace) => format!("in namespace `{namespace}`"),
                None => "in the whole cluster".to_owned(),
            };
            // Writing into a String never fails.
            _ = write!(text, "\n  {} {resource} {place}", verbs.join(", "));
        }
        text
    }

    /// Roles with bindings that grant what is missing, as YAML.
    #[must_use]
    pub fn roles(&self) -> String {
        let mut namespaces: Vec<&Option<String>> =
            self.places.iter().map(|(place, _)| &place.namespace).collect();
        namespaces.dedup();
        namespaces
            .into_iter()
            .map(|namespace| self.role(namespace.as_deref()))
            .collect::<Vec<_>>()
            .join("---\n")
    }

    fn role(&self, namespace: Option<&str>) -> String {
        let name = format!("deploy-{}", self.release);
        let (kind, metadata) = match namespace {
            Some(namespace) => ("Role", format!("{{name: {name}, namespace: {namespace}}}")),
            None => ("ClusterRole", format!("{{name: {name}}}")),
        };
        let mut text =
            format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {metadata}\nrules:\n");
        let mut rules: BTreeMap<(&str, &[&str]), Vec<&str>> = BTreeMap::new();
        for (place, verbs) in self
            .places
            .iter()
            .filter(|(place, _)| place.namespace.as_deref() == namespace)
        {
            rules
                .entry((&place.group, verbs))
                .or_default()
                .push(&place.resource);
        }
        for ((group, verbs), resources) in rules {
            _ = writeln!(
                text,
                "- {{apiGroups: ['{group}'], resources: [{}], verbs: [{}]}}",
                resources.join(", "),
                verbs.join(", ")
            );
        }
        let account: Vec<&str> = self.user.split(':').collect();
        let subject = match account[..] {
            ["system", "serviceaccount", namespace, name] => {
                format!("{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}")
            }
            _ => format!(
                "{{kind: User, name: {:?}, apiGroup: rbac.authorization.k8s.io}}",
                self.user
            ),
        };
        _ = write!(
            text,
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata: {metadata}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name}}}\nsubjects: [{subject}]\n"
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(namespace: Option<&str>, group: &str, resource: &str) -> Place {
        Place {
            namespace: namespace.map(str::to_owned),
            group: group.to_owned(),
            resource: resource.to_owned(),
        }
    }

    #[test]
    fn rules_are_read() {
        let deployments = place(Some("x"), "apps", "deployments");
        let rule = |verbs: &[&str], groups: &[&str], names: &[&str]| {
            json!({"verbs": verbs, "apiGroups": groups,
            "resources": ["deployments"], "resourceNames": names})
        };
        assert!(grants(
            &rule(&["get", "patch"], &["apps"], &[]),
            &deployments,
            "patch"
        ));
        assert!(grants(&rule(&["*"], &["*"], &[]), &deployments, "delete"));
        assert!(!grants(&rule(&["get"], &["apps"], &[]), &deployments, "patch"));
        assert!(!grants(&rule(&["*"], &[""], &[]), &deployments, "get"));
        assert!(!grants(&rule(&["*"], &["apps"], &["web"]), &deployments, "get"));
    }

    #[test]
    fn what_is_missing_is_told_and_granted_in_one_piece() {
        let missing = MissingRights {
            user: "system:serviceaccount:ci:deployer".into(),
            release: "app".into(),
            places: vec![
                (place(None, "", "namespaces"), vec!["create"]),
                (place(Some("x"), "", "secrets"), vec!["create", "patch"]),
                (place(Some("x"), "", "services"), vec!["create", "patch"]),
                (place(Some("x"), "apps", "deployments"), vec!["delete"]),
            ],
        };
        let lines = "\n  create namespaces in the whole cluster\n  create, patch secrets in namespace `x`\n  create, patch \
                     services in namespace `x`\n  delete deployments.apps in namespace `x`";
        assert_eq!(missing.lines(), lines);
        let binding = |kind: &str, metadata: &str| {
            format!(
                "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata: {metadata}\nroleRef: \
                 {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: deploy-app}}\nsubjects: [{{kind: \
                 ServiceAccount, name: deployer, namespace: ci}}]\n"
            )
        };
        let roles = [
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: deploy-app}\nrules:\n\
             - {apiGroups: [''], resources: [namespaces], verbs: [create]}\n",
            &binding("ClusterRole", "{name: deploy-app}"),
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: deploy-app, namespace: x}\n\
             rules:\n- {apiGroups: [''], resources: [secrets, services], verbs: [create, patch]}\n\
             - {apiGroups: ['apps'], resources: [deployments], verbs: [delete]}\n",
            &binding("Role", "{name: deploy-app, namespace: x}"),
        ];
        assert_eq!(missing.roles(), roles.concat());
    }
}
