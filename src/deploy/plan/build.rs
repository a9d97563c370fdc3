//! Decisions → operations with their order.
//!
//! Namespace, definitions of `crds/`, pre hooks; then the chart's objects by weight and Helm's order of kinds,
//! each weight waiting until the one before is ready; then, and only then, what left the chart is deleted, so
//! that nothing goes before its successor is up; post hooks last.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::diff::diff;
use super::order::{Graph, kind_rank};
use super::{Action, Decided, Decision, DeployPlan, Live, Operation, Payload, Verdict};
use crate::deploy::annotations::{Dependency, Policy};
use crate::deploy::error::DeployError;
use crate::deploy::kinds::{ApiKind, Kinds};
use crate::deploy::marks::{self, Owner};
use crate::deploy::resources::{Hook, HookEvent, Resource, ResourceId};

pub(super) struct Parts<'a> {
    pub(super) crds: Decided,
    pub(super) main: Decided,
    pub(super) gone: Vec<(ResourceId, Value)>,
    pub(super) live: &'a Live,
    pub(super) namespace_exists: bool,
}

pub(crate) fn namespace_kind() -> ApiKind {
    ApiKind {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        plural: "namespaces".to_owned(),
        namespaced: false,
        served: true,
    }
}

pub(super) fn build(plan: &mut DeployPlan, kinds: &Kinds, parts: Parts<'_>) -> Result<(), DeployError> {
    let deletes: Vec<Operation> = parts
        .gone
        .iter()
        .filter_map(|(id, recorded)| delete_operation(plan, kinds, id.clone(), recorded, parts.live))
        .collect();
    let writes = |decided: &Decided| {
        decided
            .iter()
            .any(|(_, decision)| !matches!(decision.verdict, Verdict::Unchanged(_)))
    };
    let changed =
        !deletes.is_empty() || writes(&parts.crds) || writes(&parts.main) || !plan.release_changes.is_empty();
    let (pre, post) = plan.hook_events();

    let mut graph = Graph::default();
    let mut parts = parts;
    if !parts.namespace_exists {
        graph.add(create_namespace(plan, &mut parts.main), &[]);
        graph.close_stage();
    }
    for (resource, decision) in parts.crds {
        add_resource(&mut graph, plan, kinds, &resource, decision, &[]);
    }
    graph.close_stage();
    // Hooks look after changes: where nothing changes they have nothing to do.
    if changed {
        add_hooks(&mut graph, plan, kinds, pre);
    }
    add_main(&mut graph, plan, kinds, parts.main);
    for operation in deletes {
        graph.add(operation, &[]);
    }
    graph.close_stage();
    if changed {
        add_hooks(&mut graph, plan, kinds, post);
    }
    if let Some(stuck) = graph.find_cycle() {
        return Err(DeployError::Cycle(stuck.join(", ")));
    }
    plan.operations = graph.operations;
    Ok(())
}

/// The hooks of an event run one after the other.
fn add_hooks(graph: &mut Graph, plan: &DeployPlan, kinds: &Kinds, event: HookEvent) {
    for hook in plan
        .resources
        .hooks
        .iter()
        .filter(|hook| hook.events.contains(&event))
    {
        if let Some(operation) = hook_operation(hook, kinds, event, &plan.options.service_annotations) {
            graph.add(operation, &[]);
            graph.close_stage();
        }
    }
}

/// The release's namespace: as the chart has it, where the chart has it.
fn create_namespace(plan: &DeployPlan, main: &mut Decided) -> Operation {
    let name = plan.target.namespace.as_str();
    let own = main
        .iter()
        .position(|(resource, _)| resource.id.kind == "Namespace" && resource.id.name == name)
        .map(|place| main.remove(place));
    let bare = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let (object, diff, source) = match own {
        Some((resource, decision)) => (decision.object, decision.diff, resource.source),
        None => (bare, String::new(), String::new()),
    };
    Operation {
        action: Action::CreateNamespace,
        resource: Some(ResourceId {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: name.to_owned(),
        }),
        diff,
        source,
        payload: Some(Box::new(Payload {
            kind: namespace_kind(),
            object,
            live: None,
            policy: Policy::none(),
            take_over: false,
            force: false,
            changed: true,
        })),
        ..Operation::barrier()
    }
}

/// The operations of one object: those that say "it is there" and "it is ready".
#[derive(Debug, Clone, Copy, Default)]
struct Added {
    apply: Option<usize>,
    track: Option<usize>,
}

impl Added {
    fn done(self) -> Option<usize> {
        self.track.or(self.apply)
    }
}

fn add_resource(
    graph: &mut Graph,
    plan: &mut DeployPlan,
    kinds: &Kinds,
    resource: &Resource,
    decision: Decision,
    after: &[usize],
) -> Added {
    let Some(kind) = kinds.find(&resource.id.api_version, &resource.id.kind) else {
        return Added::default();
    };
    let (action, reason) = match &decision.verdict {
        Verdict::Create => (Some(Action::Create), decision.reason.clone()),
        Verdict::Update => (Some(Action::Update), decision.reason.clone()),
        Verdict::Recreate(reason) => (Some(Action::Recreate), reason.clone()),
        Verdict::Unchanged(ready) => {
            plan.unchanged.push(resource.id.clone());
            if *ready {
                return Added::default();
            }
            (None, String::new())
        }
    };
    let operation = Operation {
        resource: Some(resource.id.clone()),
        source: resource.source.clone(),
        payload: Some(Box::new(Payload {
            kind: kind.clone(),
            object: decision.object,
            live: decision.live,
            policy: resource.policy.clone(),
            take_over: decision.take_over,
            force: decision.force,
            changed: action.is_some(),
        })),
        ..Operation::barrier()
    };
    let mut added = Added::default();
    if let Some(action) = action {
        let apply = Operation {
            action,
            diff: decision.diff,
            reason,
            ..operation.clone()
        };
        added.apply = Some(graph.add(apply, after));
    }
    if !resource.policy.non_blocking {
        let after: Vec<usize> = added.apply.map_or_else(|| after.to_vec(), |apply| vec![apply]);
        added.track = Some(graph.add(
            Operation {
                action: Action::Track,
                ..operation
            },
            &after,
        ));
    }
    added
}

fn add_main(graph: &mut Graph, plan: &mut DeployPlan, kinds: &Kinds, main: Decided) {
    let mut by_weight: BTreeMap<i64, Decided> = BTreeMap::new();
    let mut dependent = Vec::new();
    for (resource, decision) in main {
        // As in werf: who names its dependencies has no place by weight.
        if resource.policy.dependencies.is_empty() {
            by_weight
                .entry(resource.policy.weight)
                .or_default()
                .push((resource, decision));
        } else {
            dependent.push((resource, decision));
        }
    }
    let mut added: Vec<(ResourceId, Added)> = Vec::new();
    let dependents: Vec<(Resource, Added)> = dependent
        .into_iter()
        .map(|(resource, decision)| {
            let ops = add_resource(graph, plan, kinds, &resource, decision, &[]);
            added.push((resource.id.clone(), ops));
            (resource, ops)
        })
        .collect();
    let mut before: Vec<usize> = Vec::new();
    for group in by_weight.into_values() {
        before = add_weight(graph, plan, kinds, group, before, &mut added);
    }
    for (resource, ops) in dependents {
        let Some(first) = ops.apply.or(ops.track) else {
            continue;
        };
        for dependency in &resource.policy.dependencies {
            let wanted = added
                .iter()
                .filter(|(id, _)| fits(dependency, id) && *id != resource.id);
            let edges = wanted.filter_map(|(_, ops)| if dependency.ready { ops.done() } else { ops.apply });
            graph.operations[first].after.extend(edges);
        }
    }
    graph.close_stage();
}

/// One weight: kind after kind is applied, then all of it gets ready. Gives what the next weight waits for.
fn add_weight(
    graph: &mut Graph,
    plan: &mut DeployPlan,
    kinds: &Kinds,
    mut group: Decided,
    before: Vec<usize>,
    added: &mut Vec<(ResourceId, Added)>,
) -> Vec<usize> {
    let start: Vec<usize> = graph.barrier(before).into_iter().collect();
    group.sort_by_key(|(resource, _)| kind_rank(&resource.id.kind));
    let mut all: Vec<usize> = start.clone();
    let mut batch_start = start;
    let mut rank = None;
    let mut batch: Vec<usize> = Vec::new();
    for (resource, decision) in group {
        let this = kind_rank(&resource.id.kind);
        if rank != Some(this) && !batch.is_empty() {
            batch_start = graph.barrier(std::mem::take(&mut batch)).into_iter().collect();
        }
        rank = Some(this);
        let ops = add_resource(graph, plan, kinds, &resource, decision, &batch_start);
        all.extend(ops.done());
        // Objects of a kind need its definition served, not only stored; a namespace takes objects at once.
        let gate = if resource.id.kind == "CustomResourceDefinition" {
            ops.done()
        } else {
            ops.apply
        };
        batch.extend(gate);
        added.push((resource.id, ops));
    }
    all
}

fn fits(dependency: &Dependency, id: &ResourceId) -> bool {
    let same = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|want| want == have);
    let version = id.api_version.rsplit('/').next().unwrap_or_default();
    same(&dependency.kind, &id.kind)
        && same(&dependency.name, &id.name)
        && same(&dependency.group, id.group())
        && same(&dependency.version, version)
        && (dependency.namespace.is_none() || dependency.namespace == id.namespace)
}

/// Deletes an object that left the chart, if it is still ours and nothing says that it stays.
fn delete_operation(
    plan: &mut DeployPlan,
    kinds: &Kinds,
    id: ResourceId,
    recorded: &Value,
    live: &Live,
) -> Option<Operation> {
    let (found, kind) = (live.find(&id)?, kinds.find(&id.api_version, &id.kind)?);
    match marks::owner(found, &plan.target) {
        Owner::Ours => {}
        Owner::Other(..) => return None,
        Owner::Nobody => {
            plan.warnings.push(format!(
                "{id} left the chart and has no release marks: it is left alone"
            ));
            return None;
        }
    }
    let policies = [Policy::read(found, false), Policy::read(recorded, false)];
    if policies
        .iter()
        .flatten()
        .any(|policy| policy.keep || policy.anyone)
    {
        plan.warnings
            .push(format!("{id} left the chart and stays: its annotations say so"));
        return None;
    }
    let [Ok(policy), _] = policies else {
        plan.warnings.push(format!(
            "{id} left the chart and is left alone: its annotations can't be understood"
        ));
        return None;
    };
    let sensitive = policy.sensitive;
    Some(Operation {
        action: Action::Delete,
        diff: diff(Some(recorded), None, sensitive),
        reason: "it left the chart".to_owned(),
        payload: Some(Box::new(Payload {
            kind: kind.clone(),
            object: recorded.clone(),
            live: Some(found.clone()),
            policy,
            take_over: false,
            force: false,
            changed: true,
        })),
        resource: Some(id),
        ..Operation::barrier()
    })
}

pub(crate) fn hook_operation(
    hook: &Hook,
    kinds: &Kinds,
    event: HookEvent,
    service: &[(String, String)],
) -> Option<Operation> {
    let resource = &hook.resource;
    let mut object = resource.object.clone();
    marks::stamp(&mut object, &resource.object, service);
    let kind = kinds.find(&resource.id.api_version, &resource.id.kind)?;
    Some(Operation {
        action: Action::Hook,
        resource: Some(resource.id.clone()),
        source: resource.source.clone(),
        reason: event.as_str().to_owned(),
        payload: Some(Box::new(Payload {
            kind: kind.clone(),
            object,
            live: None,
            policy: resource.policy.clone(),
            take_over: false,
            force: false,
            changed: true,
        })),
        ..Operation::barrier()
    })
}
