//! One object: what has to be done that the cluster has it as the chart wants.
//!
//! Objects that certainly are as wanted cost no request; all others, and everything that is to be created, are
//! tried by a dry run, so that what the server refuses is known before anything changes.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::autoscale::Autoscaled;
use super::diff::{diff, significant};
use super::immutable::{self, is_immutable};
use super::{PlanOptions, Problem};
use crate::deploy::annotations::DeletePolicy;
use crate::deploy::cluster::{ApplyMode, Cluster};
use crate::deploy::fields;
use crate::deploy::kinds::{ApiKind, Kinds};
use crate::deploy::marks::{self, Owner};
use crate::deploy::resources::{ObjectKey, Resource, ResourceId};
use crate::deploy::track::status::{self, Status};
use crate::release::{ApiError, ReleaseTarget};

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Create,
    Update,
    /// Deleted, then created, for this reason.
    Recreate(String),
    /// Nothing; `false` where it isn't ready yet.
    Unchanged(bool),
}

/// The verdict with what is needed to carry it out.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    pub(crate) diff: String,
    /// The object to apply, with marks.
    pub(crate) object: Value,
    pub(crate) live: Option<Value>,
    /// Fields of former tools have to be taken over first.
    pub(crate) take_over: bool,
    /// Fields of others are overruled.
    pub(crate) force: bool,
    /// Why, where the chart alone does not say it.
    pub(crate) reason: String,
}

/// What all decisions of a plan share.
pub(crate) struct Context<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) kinds: &'a Kinds,
    pub(crate) target: &'a ReleaseTarget,
    pub(crate) options: &'a PlanOptions,
    /// Namespaces that the run will create.
    pub(crate) new_namespaces: BTreeSet<String>,
    /// Names of objects that the run will create and that admission looks up.
    pub(crate) new_names: BTreeSet<String>,
    /// Objects of the last records: ours even where marks are missing.
    pub(crate) recorded: HashMap<ObjectKey<'a>, &'a Value>,
    /// The last record is of a run that succeeded: the cluster was as it says.
    pub(crate) settled: bool,
    pub(crate) autoscaled: Autoscaled,
}

impl Context<'_> {
    fn kind(&self, resource: &Resource) -> Result<&ApiKind, Problem> {
        let id = &resource.id;
        self.kinds
            .find(&id.api_version, &id.kind)
            .ok_or_else(|| Problem::new(resource, format!("the cluster doesn't serve kind {}", id.kind)))
    }

    /// Decides about one object of the release.
    pub(crate) async fn decide(
        &self,
        resource: &Resource,
        live: Option<&Value>,
    ) -> Result<Decision, Problem> {
        let mut decision = self.decide_unstamped(resource, live).await?;
        // A definition is of all that use it.
        if resource.id.kind != "CustomResourceDefinition" {
            marks::stamp(
                &mut decision.object,
                &resource.object,
                &self.options.service_annotations,
            );
        }
        Ok(decision)
    }

    async fn decide_unstamped(&self, resource: &Resource, live: Option<&Value>) -> Result<Decision, Problem> {
        let kind = self.kind(resource)?;
        let mut object = resource.object.clone();
        if !resource.policy.anyone {
            marks::mark(&mut object, self.target);
        }
        let Some(live) = live else {
            return self.decide_create(resource, kind, object).await;
        };
        self.check_owner(resource, live)?;
        marks::keep_service(&mut object, live);
        keep_replicas(resource, &mut object, live);
        if self.autoscaled.holds(resource, live)
            && let Some(spec) = object["spec"].as_object_mut()
        {
            spec.remove("replicas");
        }
        if live["metadata"]["deletionTimestamp"].is_string() {
            let diff = diff(None, Some(&object), resource.policy.sensitive);
            return Ok(Decision::recreate(object, live, diff, "it is being deleted"));
        }
        if let Some(reason) = rerun_reason(resource, live) {
            let after = overlay(live, &object);
            let diff = diff(Some(live), Some(&after), resource.policy.sensitive);
            return Ok(Decision::recreate(object, live, diff, &reason));
        }
        if fields::is_applied(&object, live) {
            return Ok(unchanged(object, live, resource));
        }
        self.decide_update(resource, kind, object, live).await
    }

    async fn decide_create(
        &self,
        resource: &Resource,
        kind: &ApiKind,
        object: Value,
    ) -> Result<Decision, Problem> {
        let mut object = object;
        if let Some(replicas) = resource.policy.replicas_on_creation {
            object["spec"]["replicas"] = Value::from(replicas);
        }
        if kind.served {
            self.try_create(resource, kind, &object, false).await?;
        }
        let diff = diff(None, Some(&object), resource.policy.sensitive);
        let missing = self.settled && self.recorded.contains_key(&resource.id.key());
        let reason = if missing {
            "it was deleted in the cluster"
        } else {
            ""
        };
        Ok(Decision {
            verdict: Verdict::Create,
            diff,
            object,
            live: None,
            take_over: false,
            force: false,
            reason: reason.to_owned(),
        })
    }

    /// Tries a creation. A hook is deleted before it is made, so a field that can't change is no problem then.
    pub(crate) async fn try_create(
        &self,
        resource: &Resource,
        kind: &ApiKind,
        object: &Value,
        recreated: bool,
    ) -> Result<(), Problem> {
        let id = &resource.id;
        let mode = ApplyMode {
            dry_run: true,
            force: true,
        };
        let missing = id
            .namespace
            .as_deref()
            .is_some_and(|namespace| self.new_namespaces.contains(namespace));
        let answer = if missing {
            self.try_elsewhere(kind, id, object).await
        } else {
            self.cluster
                .apply(kind, id.namespace.as_deref(), &id.name, object, mode)
                .await
                .map(drop)
        };
        match answer {
            Ok(()) => Ok(()),
            Err(error) if recreated && is_immutable(&error) => Ok(()),
            Err(error) if self.comes_with_the_run(&error) => Ok(()),
            Err(error) => Err(Problem::rejected(resource, &error)),
        }
    }

    /// The object's namespace doesn't exist yet: the server can still judge the object by another one. Only its
    /// verdicts about the object itself count, rights and quotas of that namespace don't.
    async fn try_elsewhere(&self, kind: &ApiKind, id: &ResourceId, object: &Value) -> Result<(), ApiError> {
        let mode = ApplyMode {
            dry_run: true,
            force: true,
        };
        let mut object = object.clone();
        object["metadata"]["namespace"] = Value::from("default");
        // A field that the schema doesn't know comes as an internal error.
        let about_object = |error: &ApiError| {
            matches!(error.code, 400 | 422) || error.code == 500 && error.message.contains("typed patch")
        };
        let first = self
            .cluster
            .apply(kind, Some("default"), &id.name, &object, mode)
            .await;
        let Err(error) = first else { return Ok(()) };
        if !about_object(&error) {
            return Ok(());
        }
        // An object of that name may exist over there: only what is wrong under another name too is wrong.
        let other = format!("kiel-{}", &blake3::hash(id.name.as_bytes()).to_hex()[..12]);
        object["metadata"]["name"] = Value::from(other.as_str());
        match self
            .cluster
            .apply(kind, Some("default"), &other, &object, mode)
            .await
        {
            Err(other) if about_object(&other) => Err(error),
            _ if self.cluster.get(kind, Some("default"), &id.name).await.is_ok() => Ok(()),
            _ => Err(error),
        }
    }

    /// Whether the refusal is about something that the run creates first: a ServiceAccount, a PriorityClass …
    fn comes_with_the_run(&self, error: &ApiError) -> bool {
        error.code == 403
            && error.message.contains("not found")
            && self
                .new_names
                .iter()
                .any(|name| error.message.contains(name.as_str()))
    }

    fn check_owner(&self, resource: &Resource, live: &Value) -> Result<(), Problem> {
        if resource.policy.anyone || self.options.force_adoption {
            return Ok(());
        }
        match marks::owner(live, self.target) {
            Owner::Ours => Ok(()),
            Owner::Nobody if self.recorded.contains_key(&resource.id.key()) => Ok(()),
            Owner::Nobody => Err(Problem::new(
                resource,
                format!(
                    "it exists already and belongs to no release; {}",
                    marks::adoption_remedy(self.target)
                ),
            )),
            Owner::Other(name, namespace) => Err(Problem::new(
                resource,
                format!(
                    "it belongs to release `{name}` in namespace `{namespace}`; delete it there, give it another name, or, \
                     {}",
                    marks::adoption_remedy(self.target)
                ),
            )),
        }
    }

    async fn decide_update(
        &self,
        resource: &Resource,
        kind: &ApiKind,
        object: Value,
        live: &Value,
    ) -> Result<Decision, Problem> {
        let sensitive = resource.policy.sensitive;
        match self.dry_run(resource, kind, &object, live).await {
            Ok((after, _)) if significant(&after) == significant(live) => {
                Ok(unchanged(object, live, resource))
            }
            Ok((after, force)) => Ok(Decision {
                force,
                verdict: Verdict::Update,
                diff: diff(Some(live), Some(&after), sensitive),
                reason: self.drift(resource, live, &after),
                object,
                live: Some(live.clone()),
                take_over: fields::take_over(live).is_some(),
            }),
            Err(DryRunError::Conflicts(conflicts)) => Err(conflict_problem(resource, &conflicts)),
            Err(DryRunError::Api(error)) if is_immutable(&error) => {
                let policies = &resource.policy.delete;
                let recreate = policies.contains(&DeletePolicy::BeforeCreation)
                    || policies.contains(&DeletePolicy::BeforeCreationIfImmutable);
                if !recreate {
                    return Err(Problem::new(resource, immutable::explain(resource, live, &error)));
                }
                let diff = diff(Some(live), Some(&overlay(live, &object)), sensitive);
                let reason = "a field changes that can't be changed";
                Ok(Decision::recreate(object, live, diff, reason))
            }
            Err(DryRunError::Api(error)) => Err(Problem::rejected(resource, &error)),
        }
    }

    /// What was changed in the cluster and comes back.
    fn drift(&self, resource: &Resource, live: &Value, after: &Value) -> String {
        let by_hand: Vec<String> = fields::by_hand(live, after)
            .into_iter()
            .map(|(manager, paths)| format!("{manager}: {}", paths.join(", ")))
            .collect();
        if !by_hand.is_empty() {
            return format!("overrides what was changed by hand ({})", by_hand.join("; "));
        }
        let same = |recorded: &&Value| {
            super::as_deployed(recorded, self.target, self.kinds)
                .is_some_and(|object| object == resource.object)
        };
        let recorded = self.recorded.get(&resource.id.key()).filter(|_| self.settled);
        if recorded.is_some_and(same) {
            "it was changed in the cluster".to_owned()
        } else {
            String::new()
        }
    }

    async fn dry_run(
        &self,
        resource: &Resource,
        kind: &ApiKind,
        object: &Value,
        live: &Value,
    ) -> Result<(Value, bool), DryRunError> {
        let id = &resource.id;
        let namespace = id.namespace.as_deref();
        let mode = |force| ApplyMode { dry_run: true, force };
        let mut force = false;
        let first = self
            .cluster
            .apply(kind, namespace, &id.name, object, mode(false))
            .await;
        let mut answer = match first {
            Err(error) if error.is_conflict() => {
                let foreign = foreign_conflicts(&error, live);
                if !foreign.is_empty() && !self.options.force_conflicts {
                    return Err(DryRunError::Conflicts(foreign));
                }
                force = true;
                self.cluster
                    .apply(kind, namespace, &id.name, object, mode(true))
                    .await
            }
            other => other,
        };
        // List items of a former tool are still there in a dry run: both ports, both volumes, without names.
        if let Err(error) = &answer
            && error.code == 422
            && let Some(after) = fields::applied_after_take_over(object, live)
        {
            answer = self.cluster.try_replace(kind, namespace, &id.name, &after).await;
        }
        let mut after = answer?;
        if fields::drop_orphans(&mut after, live) {
            // The server fills defaults in again: only it knows what is really gone.
            if let Some(metadata) = after["metadata"].as_object_mut() {
                metadata.remove("managedFields");
                metadata.insert(
                    "resourceVersion".to_owned(),
                    live["metadata"]["resourceVersion"].clone(),
                );
            }
            let settled = self.cluster.try_replace(kind, namespace, &id.name, &after).await;
            after = settled.unwrap_or(after);
        }
        Ok((after, force))
    }
}

enum DryRunError {
    Api(ApiError),
    Conflicts(Vec<(String, String)>),
}

impl From<ApiError> for DryRunError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl Decision {
    fn recreate(object: Value, live: &Value, diff: String, reason: &str) -> Self {
        Self {
            verdict: Verdict::Recreate(reason.to_owned()),
            diff,
            object,
            live: Some(live.clone()),
            take_over: false,
            force: false,
            reason: String::new(),
        }
    }
}

fn unchanged(object: Value, live: &Value, resource: &Resource) -> Decision {
    let ready = resource.policy.non_blocking || matches!(status::compute(live), Status::Ready(_));
    Decision {
        verdict: Verdict::Unchanged(ready),
        diff: String::new(),
        object,
        live: Some(live.clone()),
        take_over: false,
        force: false,
        reason: String::new(),
    }
}

/// A Job that failed in an earlier run is run again: nothing else would ever make it succeed.
fn rerun_reason(resource: &Resource, live: &Value) -> Option<String> {
    let rerun = resource.id.kind == "Job" && resource.id.group() == "batch" && !resource.policy.non_blocking;
    match status::compute(live) {
        Status::Failed(_) if rerun => Some("it failed in an earlier run".to_owned()),
        _ => None,
    }
}

/// Where an autoscaler owns the replicas, the apply leaves them; as long as nobody else does, they stay as they are.
fn keep_replicas(resource: &Resource, object: &mut Value, live: &Value) {
    if resource.policy.replicas_on_creation.is_none() {
        return;
    }
    let owned = fields::own_fields(live).is_some_and(|fields| fields["f:spec"].get("f:replicas").is_some());
    if owned {
        object["spec"]["replicas"] = live["spec"]["replicas"].clone();
    } else if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("replicas");
    }
}

/// Fields that belong to somebody whose fields are not taken over: path and manager. What an autoscaler has set and
/// no autoscaler sets any more is nobody's; where one does, the chart's replicas have been left out.
fn foreign_conflicts(error: &ApiError, live: &Value) -> Vec<(String, String)> {
    let managers = || live["metadata"]["managedFields"].as_array().into_iter().flatten();
    error
        .causes
        .iter()
        .filter_map(|(field, message)| {
            let manager = message.split('"').nth(1).unwrap_or("somebody else");
            let mut named = managers()
                .filter(|entry| entry["manager"] == manager && !fields::is_own(entry))
                .peekable();
            let taken = named.peek().is_some()
                && named.all(|entry| {
                    marks::is_overruled(entry)
                        || marks::is_autoscaler(entry)
                        || entry["subresource"] == "status"
                });
            (!taken).then(|| (field.clone(), manager.to_owned()))
        })
        .collect()
}

fn conflict_problem(resource: &Resource, conflicts: &[(String, String)]) -> Problem {
    let fields: Vec<String> = conflicts
        .iter()
        .map(|(field, manager)| format!("{field} (set by {manager})"))
        .collect();
    let replicas = conflicts.iter().any(|(field, _)| field == ".spec.replicas");
    let hint = if replicas {
        "; for replicas that an autoscaler sets, use the annotation werf.io/replicas-on-creation"
    } else {
        ""
    };
    Problem::new(
        resource,
        format!(
            "these fields belong to somebody else: {}; take them out of the chart, or run with --force-conflicts{hint}",
            fields.join(", ")
        ),
    )
}

/// The live object with the chart's fields over it: what it will about be after a recreation.
fn overlay(live: &Value, object: &Value) -> Value {
    match (live, object) {
        (Value::Object(live), Value::Object(object)) => {
            let mut merged = live.clone();
            for (key, value) in object {
                let below = live
                    .get(key)
                    .map_or_else(|| value.clone(), |live| overlay(live, value));
                merged.insert(key.clone(), below);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(object)) if live.len() == object.len() => live
            .iter()
            .zip(object)
            .map(|(live, object)| overlay(live, object))
            .collect(),
        (_, object) => object.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conflicts_with_former_tools_are_no_conflicts() {
        let live = json!({"metadata": {"managedFields": [
            {"manager": "kubectl-edit", "operation": "Update"},
            {"manager": "helm", "operation": "Apply"}, {"manager": "helm", "operation": "Update"},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale"},
            {"manager": "operator", "operation": "Update"}]}});
        let mut error = ApiError::local("conflict");
        error.causes = vec![
            (".data.a".into(), "conflict with \"kubectl-edit\" using v1".into()),
            (".data.b".into(), "conflict with \"helm\" using v1".into()),
            (
                ".spec.replicas".into(),
                "conflict with \"kube-controller-manager\" with subresource \"scale\"".into(),
            ),
            (".data.c".into(), "conflict with \"operator\" using v1".into()),
        ];
        let foreign = foreign_conflicts(&error, &live);
        assert_eq!(foreign, [(".data.c".to_owned(), "operator".to_owned())]);
    }

    #[test]
    fn overlays_keep_what_the_server_filled_in() {
        let live = json!({"spec": {"a": 1, "list": [{"x": 1, "default": true}]}});
        let want = json!({"spec": {"a": 2, "list": [{"x": 2}]}});
        assert_eq!(
            overlay(&live, &want),
            json!({"spec": {"a": 2, "list": [{"x": 2, "default": true}]}})
        );
    }
}
