//! Release + cluster → [`DeployPlan`]: a DAG of operations, each with the diff it would make.
//!
//! Making a plan changes nothing. Everything that the server would refuse is found here: objects that are to be
//! created or changed are tried by dry runs.

mod autoscale;
mod build;
mod decide;
mod diff;
mod immutable;
mod live;
mod order;
mod show;

use std::collections::{BTreeSet, HashSet};

use futures::stream::{self, StreamExt};
use serde::Serialize;
use serde_json::Value;

use super::annotations::Policy;
use super::cluster::Cluster;
use super::error::{DeployError, Problem};
use super::input::{Rendered, Source};
use super::kinds::{ApiKind, Kinds};
use super::resources::{
    HookEvent, ObjectKey, Resource, ResourceId, Resources, as_applied, identify, read_objects,
};
use super::rights::Needed;
use crate::release::{self, ApiError, Release, ReleaseError, ReleaseTarget, Revision, Status};

use self::autoscale::Autoscaled;
pub(crate) use build::{hook_operation, namespace_kind};
pub(crate) use decide::{Decision, Verdict};
pub(crate) use live::Live;
pub(crate) use order::{Graph, kind_rank};

/// Dry runs at a time.
const PARALLEL: usize = 16;

/// How a plan is made.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Take over objects that belong to nobody or to another release.
    pub force_adoption: bool,
    /// Take fields that belong to other field managers.
    pub force_conflicts: bool,
    /// Apply the documents of `crds/`.
    pub install_crds: bool,
    /// The release's revisions, where the caller has just listed them.
    pub history: Option<Vec<Revision>>,
    /// Annotations of whatever is applied, which are no reason to apply it ([`is_service_annotation`]).
    ///
    /// [`is_service_annotation`]: super::marks::is_service_annotation
    pub service_annotations: Vec<(String, String)>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            force_adoption: false,
            force_conflicts: false,
            install_crds: true,
            history: None,
            service_annotations: Vec::new(),
        }
    }
}

/// Whether the release was ever deployed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeployKind {
    /// No revision has succeeded yet.
    Install,
    /// There is one that has.
    Upgrade,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Makes the release's namespace.
    CreateNamespace,
    /// Makes an object.
    Create,
    /// Changes an object.
    Update,
    /// Deletes an object and makes it again.
    Recreate,
    /// Makes a hook's object and waits for it.
    Hook,
    /// Waits until an object is ready.
    Track,
    /// Deletes an object that left the chart.
    Delete,
    /// Waits for everything before it.
    Barrier,
}

/// One step of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct Operation {
    /// Its number in the plan.
    pub id: usize,
    /// What it does.
    pub action: Action,
    /// The object; none for barriers.
    pub resource: Option<ResourceId>,
    /// The template the object came from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Operations that must have ended before.
    pub after: Vec<usize>,
    /// What would change, as a unified diff without secret values.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub diff: String,
    /// Why, where it isn't obvious.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip)]
    pub(crate) payload: Option<Box<Payload>>,
}

/// What carrying out an operation needs; never shown, as it holds secret values.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) kind: ApiKind,
    pub(crate) object: Value,
    pub(crate) live: Option<Value>,
    pub(crate) policy: Policy,
    pub(crate) take_over: bool,
    pub(crate) force: bool,
    /// The object is new, or its pods are.
    pub(crate) changed: bool,
}

impl Operation {
    pub(crate) fn barrier() -> Self {
        Self {
            id: 0,
            action: Action::Barrier,
            resource: None,
            source: String::new(),
            after: Vec::new(),
            diff: String::new(),
            reason: String::new(),
            payload: None,
        }
    }
}

/// Everything a run will do, in which order, and what it will change.
#[derive(Debug, Clone, Serialize)]
pub struct DeployPlan {
    /// Which release.
    pub target: ReleaseTarget,
    /// Whether it is the first deployment.
    pub kind: DeployKind,
    /// The revision that a run will write.
    pub revision: u64,
    /// The operations; those that change nothing are left out.
    pub operations: Vec<Operation>,
    /// Objects that are as the chart wants them.
    pub unchanged: Vec<ResourceId>,
    /// Changes of the release that no object shows: values, chart version, hooks, an earlier run that failed.
    pub release_changes: Vec<String>,
    /// What a user should know.
    pub warnings: Vec<String>,
    #[serde(skip)]
    pub(crate) base: Base,
    #[serde(skip)]
    pub(crate) rendered: Rendered,
    #[serde(skip)]
    pub(crate) resources: Resources,
    #[serde(skip)]
    pub(crate) options: PlanOptions,
}

/// The release as the plan found it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Base {
    pub(crate) history: Vec<Revision>,
    pub(crate) deployed: Option<Release>,
    pub(crate) first_deployed: String,
}

impl DeployPlan {
    /// Whether a run would change the cluster or write a revision.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.release_changes.is_empty()
            || self
                .operations
                .iter()
                .any(|operation| operation.action.is_change())
    }

    pub(crate) fn hook_events(&self) -> (HookEvent, HookEvent) {
        match self.kind {
            DeployKind::Install => (HookEvent::PreInstall, HookEvent::PostInstall),
            DeployKind::Upgrade => (HookEvent::PreUpgrade, HookEvent::PostUpgrade),
        }
    }
}

/// What has to be done to have the cluster as the chart wants it. Rights that are missing are found here, all of them.
pub async fn plan(
    cluster: &Cluster,
    target: &ReleaseTarget,
    rendered: &Rendered,
    options: &PlanOptions,
) -> Result<DeployPlan, DeployError> {
    let (needed, result) = match make_plan(cluster, target, rendered, options).await {
        Ok(plan) if plan.has_changes() => (Needed::of_operations(&plan.operations, target), Ok(plan)),
        Ok(plan) => return Ok(plan),
        Err(error) if error.is_forbidden() => {
            let mut kinds = (*read_kinds(cluster).await?).clone();
            let resources = Resources::read(rendered, target, &mut kinds).map_err(DeployError::Documents)?;
            (Needed::of_resources(&resources, &kinds, target), Err(error))
        }
        Err(error) => return Err(error),
    };
    match needed.missing(cluster, target).await {
        Some(missing) => Err(DeployError::MissingRights {
            release: target.clone(),
            missing: Box::new(missing),
        }),
        None => result,
    }
}

async fn make_plan(
    cluster: &Cluster,
    target: &ReleaseTarget,
    rendered: &Rendered,
    options: &PlanOptions,
) -> Result<DeployPlan, DeployError> {
    let (known, past, namespace_exists) = tokio::try_join!(
        read_kinds(cluster),
        read_past(cluster, target, options.history.clone()),
        has_namespace(cluster, target)
    )?;
    let mut kinds = (*known).clone();
    let resources = Resources::read(rendered, target, &mut kinds).map_err(DeployError::Documents)?;
    let mut warnings = past.warnings;
    let recorded = recorded_objects(&past.records, target, &kinds, &mut warnings);
    let present: HashSet<ObjectKey<'_>> = resources.main.iter().map(|resource| resource.id.key()).collect();
    let gone: Vec<(ResourceId, Value)> = recorded
        .iter()
        .filter(|(id, _)| !present.contains(&id.key()))
        .cloned()
        .collect();

    let wanted = resources
        .crds
        .iter()
        .chain(&resources.main)
        .map(|resource| resource.id.clone());
    let ids: BTreeSet<ResourceId> = wanted.chain(gone.iter().map(|(id, _)| id.clone())).collect();
    let live = Live::read(cluster, &kinds, ids.into_iter().collect()).await?;

    let context = decide::Context {
        cluster,
        kinds: &kinds,
        target,
        options,
        new_namespaces: new_namespaces(&resources, &live, target, namespace_exists),
        new_names: new_names(&resources, &live),
        recorded: recorded.iter().map(|(id, object)| (id.key(), object)).collect(),
        settled: past
            .base
            .history
            .last()
            .is_some_and(|last| last.status == Status::Deployed),
        autoscaled: Autoscaled::read(cluster, &kinds, &resources, &live, &gone).await?,
    };
    let crds = if options.install_crds {
        &resources.crds[..]
    } else {
        &[]
    };
    let (crds, main) = decide_all(&context, crds, &resources, &live).await?;
    let kind = deploy_kind(&past.base.history);
    let mut plan = DeployPlan {
        target: target.clone(),
        kind,
        revision: past.base.history.last().map_or(0, |revision| revision.number) + 1,
        operations: Vec::new(),
        unchanged: Vec::new(),
        release_changes: Vec::new(),
        warnings,
        base: past.base,
        rendered: rendered.clone(),
        resources,
        // Whoever plans again looks again.
        options: PlanOptions {
            history: None,
            ..options.clone()
        },
    };
    plan.release_changes = release_changes(&plan);
    build::build(
        &mut plan,
        &kinds,
        build::Parts {
            crds,
            main,
            gone,
            live: &live,
            namespace_exists,
        },
    )?;
    Ok(plan)
}

/// An upgrade needs a revision that has succeeded, and was not deleted with its record kept.
#[must_use]
pub fn deploy_kind(history: &[Revision]) -> DeployKind {
    let deleted = history
        .last()
        .is_some_and(|last| last.status == Status::Uninstalled);
    let succeeded = |revision: &Revision| matches!(revision.status, Status::Deployed | Status::Superseded);
    if !deleted && history.iter().any(succeeded) {
        DeployKind::Upgrade
    } else {
        DeployKind::Install
    }
}

async fn read_kinds(cluster: &Cluster) -> Result<std::sync::Arc<Kinds>, DeployError> {
    cluster
        .kinds()
        .await
        .map_err(|source| DeployError::api("ask the cluster which kinds it serves", source))
}

async fn has_namespace(cluster: &Cluster, target: &ReleaseTarget) -> Result<bool, DeployError> {
    let kind = build::namespace_kind();
    match cluster.get(&kind, None, target.namespace.as_str()).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        // Who may not look at namespaces can't make one either.
        Err(error) if error.is_forbidden() => Ok(true),
        Err(source) => Err(DeployError::api(
            format!("read namespace `{}`", target.namespace),
            source,
        )),
    }
}

/// The last revision that succeeded and everything after it.
struct Past {
    base: Base,
    records: Vec<Release>,
    warnings: Vec<String>,
}

async fn read_past(
    cluster: &Cluster,
    target: &ReleaseTarget,
    history: Option<Vec<Revision>>,
) -> Result<Past, DeployError> {
    let history = match history {
        Some(history) => history,
        None => release::history(cluster.client(), target).await?,
    };
    let last_good = history
        .iter()
        .rev()
        .find(|revision| revision.status == Status::Deployed);
    let since = last_good.map_or(0, |revision| revision.number);
    let mut past = Past {
        base: Base::default(),
        records: Vec::new(),
        warnings: Vec::new(),
    };
    for revision in history.iter().filter(|revision| revision.number >= since) {
        match release::read(cluster.client(), target, revision.number).await {
            Ok(record) => past.records.push(record),
            // A record that nothing can be learnt from must not stop every later run.
            Err(error @ ReleaseError::Corrupt { .. }) => {
                past.warnings.push(format!("{error}; it is ignored"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let first = past
        .records
        .iter()
        .map(|record| &record.info.first_deployed)
        .find(|time| !time.is_empty());
    past.base.first_deployed = first.cloned().unwrap_or_default();
    past.base.deployed = past
        .records
        .iter()
        .find(|record| record.info.status == Status::Deployed)
        .cloned();
    past.base.history = history;
    Ok(past)
}

/// Objects of these records, newest description first; what can't be read is a warning.
pub(crate) fn recorded_objects(
    records: &[Release],
    target: &ReleaseTarget,
    kinds: &Kinds,
    warnings: &mut Vec<String>,
) -> Vec<(ResourceId, Value)> {
    let mut found: Vec<(ResourceId, Value)> = Vec::new();
    let mut known: HashSet<ResourceId> = HashSet::new();
    for record in records.iter().rev() {
        for document in split_manifest(&record.manifest) {
            let source = Source {
                source: format!("revision {}", record.version),
                text: document,
            };
            let objects = match read_objects(&source) {
                Ok(objects) => objects,
                Err(why) => {
                    warnings.push(format!(
                        "a document of revision {} can't be read: {why}",
                        record.version
                    ));
                    continue;
                }
            };
            for mut object in objects {
                use_served_version(&mut object, kinds);
                match identify(&object, target, kinds) {
                    Ok(id) if !known.insert(id.clone()) => {}
                    Ok(id) => found.push((id, object)),
                    Err(why) => warnings.push(format!(
                        "an object of revision {} is left alone: {why}",
                        record.version
                    )),
                }
            }
        }
    }
    found
}

/// A recorded object as a chart's document would be applied.
fn as_deployed(recorded: &Value, target: &ReleaseTarget, kinds: &Kinds) -> Option<Value> {
    let id = identify(recorded, target, kinds).ok()?;
    Some(as_applied(recorded.clone(), &id))
}

/// A recorded apiVersion may be gone from the cluster; the object is then found under another one.
fn use_served_version(object: &mut Value, kinds: &Kinds) {
    let (Some(api_version), Some(kind)) = (object["apiVersion"].as_str(), object["kind"].as_str()) else {
        return;
    };
    if let Some(found) = kinds.find_any_version(api_version, kind) {
        object["apiVersion"] = Value::from(found.api_version.clone());
    }
}

/// The documents of a record's manifest.
fn split_manifest(manifest: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in manifest.lines() {
        if line.starts_with("---") {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    documents.retain(|document| !document.trim().is_empty());
    documents
}

fn new_namespaces(
    resources: &Resources,
    live: &Live,
    target: &ReleaseTarget,
    namespace_exists: bool,
) -> BTreeSet<String> {
    let made = resources
        .main
        .iter()
        .filter(|resource| resource.id.kind == "Namespace");
    let made = made
        .filter(|resource| live.find(&resource.id).is_none())
        .map(|resource| resource.id.name.clone());
    made.chain((!namespace_exists).then(|| target.namespace.to_string()))
        .collect()
}

/// Names of new objects of kinds that admission looks up when other objects are created.
fn new_names(resources: &Resources, live: &Live) -> BTreeSet<String> {
    let looked_up = [
        "ServiceAccount",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "IngressClass",
        "Namespace",
    ];
    let new = resources.main.iter().filter(|resource| {
        looked_up.contains(&resource.id.kind.as_str()) && live.find(&resource.id).is_none()
    });
    new.map(|resource| resource.id.name.clone()).collect()
}

type Decided = Vec<(Resource, Decision)>;

async fn decide_all(
    context: &decide::Context<'_>,
    crds: &[Resource],
    resources: &Resources,
    live: &Live,
) -> Result<(Decided, Decided), DeployError> {
    let all = crds
        .iter()
        .map(|resource| (true, resource))
        .chain(resources.main.iter().map(|resource| (false, resource)));
    let decided: Vec<(bool, &Resource, Result<Decision, Problem>)> = stream::iter(all)
        .map(|(is_crd, resource)| async move {
            let mut resource_policy = resource.clone();
            // Definitions serve other releases too: they are not marked, and stay.
            resource_policy.policy.anyone |= is_crd;
            (
                is_crd,
                resource,
                context.decide(&resource_policy, live.find(&resource.id)).await,
            )
        })
        .buffered(PARALLEL)
        .collect()
        .await;
    let hooks: Vec<Option<Problem>> = stream::iter(&resources.hooks)
        .map(|hook| async move {
            let resource = &hook.resource;
            let kind = context.kinds.find(&resource.id.api_version, &resource.id.kind)?;
            if !kind.served {
                return None;
            }
            context
                .try_create(resource, kind, &resource.object, true)
                .await
                .err()
        })
        .buffered(PARALLEL)
        .collect()
        .await;
    let mut problems: Vec<Problem> = hooks.into_iter().flatten().collect();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (is_crd, resource, decision) in decided {
        match decision {
            Ok(decision) => if is_crd { &mut first } else { &mut second }.push((resource.clone(), decision)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok((first, second))
    } else {
        Err(DeployError::Rejected(problems))
    }
}

/// What makes a new revision necessary although every object may be as it should.
fn release_changes(plan: &DeployPlan) -> Vec<String> {
    let Some(last) = plan.base.history.last() else {
        return vec!["first revision".to_owned()];
    };
    if last.status != Status::Deployed {
        return vec![format!("revision {} is {}", last.number, last.status.as_str())];
    }
    let Some(deployed) = &plan.base.deployed else {
        return vec!["the deployed revision can't be read".to_owned()];
    };
    let rendered = &plan.rendered;
    let mut changes = Vec::new();
    let mut check = |changed: bool, what: &str| {
        if changed {
            changes.push(what.to_owned());
        }
    };
    check(
        deployed.manifest.trim() != rendered.manifest_text.trim(),
        "the manifests' text",
    );
    let mut before: Vec<&str> = deployed.hooks.iter().map(|hook| hook.manifest.trim()).collect();
    let mut now: Vec<&str> = plan.resources.hooks.iter().map(|hook| hook.text.trim()).collect();
    before.sort_unstable();
    now.sort_unstable();
    check(before != now, "the hooks");
    check(
        deployed.chart["metadata"] != rendered.chart["metadata"],
        "the chart's metadata",
    );
    let values = |value: &Value| {
        if value.is_null() {
            Value::Object(serde_json::Map::new())
        } else {
            value.clone()
        }
    };
    check(values(&deployed.config) != values(&rendered.config), "the values");
    changes
}

/// A refusal without the server's own vocabulary: it names its types, and the namespace of the trial.
fn plain(message: &str) -> String {
    let mut text = message.to_owned();
    if let Some(rest) = text.strip_prefix("failed to create typed patch object (")
        && let Some((_, rest)) = rest.split_once("): ")
    {
        text = rest.to_owned();
    }
    let wrapper = "&value.valueUnstructured{Value:";
    if let Some((before, value)) = text.split_once(wrapper)
        && let Some(value) = value.strip_suffix('}')
    {
        let hint = if before.contains("expected string") {
            "; put it in quotes"
        } else {
            ""
        };
        text = format!("{before}{value}{hint}");
    }
    text
}

impl Problem {
    pub(crate) fn new(resource: &Resource, why: String) -> Self {
        Self {
            resource: resource.id.to_string(),
            source: resource.source.clone(),
            why,
            forbidden: false,
        }
    }

    pub(crate) fn rejected(resource: &Resource, error: &ApiError) -> Self {
        Self {
            forbidden: error.is_forbidden(),
            ..Self::new(
                resource,
                format!("the server refuses it: {}", plain(&error.to_string())),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn refusals_are_told_in_a_users_words() {
        let message = "failed to create typed patch object (default/c; /v1, Kind=ConfigMap): .data.x: expected \
                       string, got &value.valueUnstructured{Value:1}";
        assert_eq!(
            plain(message),
            ".data.x: expected string, got 1; put it in quotes"
        );
        assert_eq!(
            plain(
                "failed to create typed patch object (a/b; /v1, Kind=C): .spec: field not declared in schema"
            ),
            ".spec: field not declared in schema"
        );
        assert_eq!(
            plain("metadata.name: Required value"),
            "metadata.name: Required value"
        );
    }
}
