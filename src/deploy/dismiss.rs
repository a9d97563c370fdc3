//! Deleting a release: its hooks, its objects in reverse order, its records, and its namespace if wanted.
//!
//! Only objects that carry this release's marks are deleted. A kind that the cluster doesn't know any more, or a
//! document that can't be read, is a warning: a release can always be dismissed.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::annotations::Policy;
use super::cluster::Cluster;
use super::error::{DeployError, Failure};
use super::graph::{End, carry_out};
use super::input::Source;
use super::kinds::Kinds;
use super::lock::{self, Runner};
use super::marks::{self, Owner};
use super::operate::Operator;
use super::plan::{
    Action, Graph, Live, Operation, Payload, hook_operation, kind_rank, namespace_kind, recorded_objects,
};
use super::resources::{Hook, HookEvent, ResourceId, read_hook};
use super::run::{Outcome, REFERENCE};
use super::track::{Times, Tracker};
use crate::event::Events;
use crate::release::{self, Release, ReleaseTarget, Status};

/// How a release is deleted.
#[derive(Debug, Clone, Default)]
pub struct DismissOptions {
    /// Delete the namespace too; refused where it holds other releases.
    pub with_namespace: bool,
    /// Delete the objects of hooks too.
    pub with_hooks: bool,
    /// The whole run may take this long; no limit where `None`.
    pub timeout: Option<Duration>,
    /// Who runs kiel, named to whoever waits for the lock.
    pub runner: Runner,
}

/// Deletes a release. One that doesn't exist is nothing to do.
pub async fn dismiss(
    cluster: &Cluster,
    target: &ReleaseTarget,
    options: &DismissOptions,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Outcome, DeployError> {
    let outcome = Outcome {
        target: target.clone(),
        revision: None,
        operations: Vec::new(),
        notes: None,
    };
    if options.with_namespace {
        refuse_shared(cluster, target).await?;
    }
    let exists = !release::history(cluster.client(), target).await?.is_empty();
    if !exists {
        events.info(format!("there is no release {target}"));
        if !options.with_namespace {
            return Ok(outcome);
        }
    }
    let times = Times {
        settle: Duration::ZERO,
        reference: REFERENCE,
    };
    let tracker = Tracker::new(cluster, events, times);
    let operator = Operator::new(cluster, &tracker, events);
    let mut stopped = std::pin::pin!(stopped(target, options.timeout, cancel, &tracker));
    if exists {
        let lock = tokio::select! {
            lock = lock::acquire(cluster, target, &options.runner, events) => lock?,
            error = &mut stopped => return Err(error),
        };
        let work = Box::pin(delete_release(
            cluster, target, options, events, &tracker, &operator,
        ));
        let result = tokio::select! {
            result = work => result,
            error = &mut stopped => Err(error),
            why = lock.lost() => Err(DeployError::LockLost { release: target.clone(), why }),
        };
        // Also after a failure: nobody shall wait until the lock runs out.
        lock.release().await;
        result?;
        events.info(format!("release {target} is gone"));
    }
    if options.with_namespace {
        tokio::select! {
            result = Box::pin(delete_namespace(cluster, target, &operator)) => result?,
            error = &mut stopped => return Err(error),
        }
    }
    Ok(Outcome {
        operations: operator.outcomes(),
        ..outcome
    })
}

/// Ends when the user, or the time given, ends the run.
async fn stopped(
    target: &ReleaseTarget,
    timeout: Option<Duration>,
    cancel: &CancellationToken,
    tracker: &Tracker,
) -> DeployError {
    let limit = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = limit => DeployError::TimedOut {
            verb: "dismiss",
            release: target.clone(),
            seconds: timeout.map_or(0, |timeout| timeout.as_secs()),
            waiting: tracker.waiting(),
        },
        () = cancel.cancelled() => DeployError::Cancelled { release: target.clone() },
    }
}

async fn refuse_shared(cluster: &Cluster, target: &ReleaseTarget) -> Result<(), DeployError> {
    let names = release::names_in(cluster.client(), &target.namespace).await?;
    let others: Vec<String> = names
        .into_iter()
        .filter(|name| name != target.name.as_str())
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(DeployError::NamespaceShared {
        namespace: target.namespace.to_string(),
        others: others.join(", "),
    })
}

async fn delete_release(
    cluster: &Cluster,
    target: &ReleaseTarget,
    options: &DismissOptions,
    events: &Events,
    tracker: &Tracker,
    operator: &Operator<'_>,
) -> Result<(), DeployError> {
    let history = release::history(cluster.client(), target).await?;
    let mut records = Vec::new();
    for revision in &history {
        match release::read(cluster.client(), target, revision.number).await {
            Ok(record) => records.push(record),
            Err(error) => events.warn(format!("{error}; what only it knows of is left alone")),
        }
    }
    let kinds = cluster
        .kinds()
        .await
        .map_err(|source| DeployError::api("ask the cluster which kinds it serves", source))?;
    if let Some(last) = records.last_mut() {
        last.info.status = Status::Uninstalling;
        "Deletion in progress".clone_into(&mut last.info.description);
        release::update(cluster.client(), target, last).await?;
    }
    let mut warnings = Vec::new();
    let objects = recorded_objects(&records, target, &kinds, &mut warnings);
    warnings.iter().for_each(|warning| events.warn(warning.clone()));
    let hooks = records
        .last()
        .map(|last| recorded_hooks(last, target, &kinds))
        .unwrap_or_default();

    let ids: Vec<ResourceId> = objects.into_iter().map(|(id, _)| id).collect();
    let live = Live::read(cluster, &kinds, ids.clone()).await?;
    let mut graph = Graph::default();
    add_hooks(&mut graph, &hooks, &kinds, HookEvent::PreDelete);
    let mut stages: BTreeMap<u8, Vec<Operation>> = BTreeMap::new();
    for id in ids {
        stages
            .entry(delete_stage(&id.kind))
            .or_default()
            .extend(delete_operation(&live, &kinds, id, target, events));
    }
    for operations in stages.into_values() {
        for operation in operations {
            graph.add(operation, &[]);
        }
        graph.close_stage();
    }
    add_hooks(&mut graph, &hooks, &kinds, HookEvent::PostDelete);
    let watched: Vec<_> = graph
        .operations
        .iter()
        .filter(|operation| operation.action == Action::Hook)
        .filter_map(|operation| {
            Some((
                operation.payload.as_ref()?.kind.clone(),
                operation.resource.as_ref()?.namespace.clone(),
            ))
        })
        .collect();
    tracker.prepare(&watched).await;
    fail_on(
        target,
        carry_out(&graph.operations, |operation| operator.operate(operation)).await,
    )?;
    if options.with_hooks {
        delete_hooks(cluster, &hooks, &kinds, target, operator).await?;
    }
    for revision in &history {
        release::delete(cluster.client(), target, revision.number).await?;
    }
    Ok(())
}

/// Custom objects and webhooks go while what serves them is there; then what runs, then what it uses, then
/// definitions and namespaces. Within a stage all go at once.
fn delete_stage(kind: &str) -> u8 {
    let rank = kind_rank(kind);
    if matches!(kind, "Namespace" | "PriorityClass") {
        4
    } else if kind == "CustomResourceDefinition" {
        3
    } else if rank < kind_rank("Service") {
        2
    } else if rank <= kind_rank("APIService") {
        1
    } else {
        0
    }
}

fn fail_on(target: &ReleaseTarget, failures: Vec<Failure>) -> Result<(), DeployError> {
    if failures.is_empty() {
        Ok(())
    } else {
        Err(DeployError::Failed {
            verb: "dismiss",
            release: target.clone(),
            failures,
        })
    }
}

fn recorded_hooks(record: &Release, target: &ReleaseTarget, kinds: &Kinds) -> Vec<Hook> {
    let source = |path: &str, text: &str| Source {
        source: path.to_owned(),
        text: text.to_owned(),
    };
    record
        .hooks
        .iter()
        .filter_map(|hook| read_hook(&source(&hook.path, &hook.manifest), target, kinds))
        .collect()
}

fn add_hooks(graph: &mut Graph, hooks: &[Hook], kinds: &Kinds, event: HookEvent) {
    for hook in hooks.iter().filter(|hook| hook.events.contains(&event)) {
        if let Some(operation) = hook_operation(hook, kinds, event, &[]) {
            graph.add(operation, &[]);
            graph.close_stage();
        }
    }
}

fn delete_operation(
    live: &Live,
    kinds: &Kinds,
    id: ResourceId,
    target: &ReleaseTarget,
    events: &Events,
) -> Option<Operation> {
    let (found, kind) = (live.find(&id)?, kinds.find(&id.api_version, &id.kind)?);
    let policy = Policy::read(found, false).ok();
    let why = match (marks::owner(found, target), &policy) {
        (Owner::Other(name, namespace), _) => Some(format!(
            "it belongs to release `{name}` in namespace `{namespace}`"
        )),
        (Owner::Nobody, _) => Some("it has no release marks".to_owned()),
        (Owner::Ours, Some(policy)) if policy.keep || policy.anyone => {
            Some("its annotations say so".to_owned())
        }
        (Owner::Ours, None) => Some("its annotations can't be understood".to_owned()),
        (Owner::Ours, Some(_)) => None,
    };
    if let Some(why) = why {
        events.info(format!("{id} stays: {why}"));
        return None;
    }
    Some(Operation {
        action: Action::Delete,
        payload: Some(Box::new(Payload {
            kind: kind.clone(),
            object: found.clone(),
            live: Some(found.clone()),
            policy: policy?,
            take_over: false,
            force: false,
            changed: true,
        })),
        resource: Some(id),
        ..Operation::barrier()
    })
}

async fn delete_hooks(
    cluster: &Cluster,
    hooks: &[Hook],
    kinds: &Kinds,
    target: &ReleaseTarget,
    operator: &Operator<'_>,
) -> Result<(), DeployError> {
    let ids: Vec<ResourceId> = hooks.iter().map(|hook| hook.resource.id.clone()).collect();
    let live = Live::read(cluster, kinds, ids).await?;
    let mut graph = Graph::default();
    for hook in hooks {
        let id = &hook.resource.id;
        let (Some(found), Some(kind)) = (live.find(id), kinds.find(&id.api_version, &id.kind)) else {
            continue;
        };
        let payload = Payload {
            kind: kind.clone(),
            object: found.clone(),
            live: Some(found.clone()),
            policy: hook.resource.policy.clone(),
            take_over: false,
            force: false,
            changed: true,
        };
        let operation = Operation {
            action: Action::Delete,
            resource: Some(id.clone()),
            payload: Some(Box::new(payload)),
            ..Operation::barrier()
        };
        graph.add(operation, &[]);
    }
    fail_on(
        target,
        carry_out(&graph.operations, |operation| operator.operate(operation)).await,
    )
}

async fn delete_namespace(
    cluster: &Cluster,
    target: &ReleaseTarget,
    operator: &Operator<'_>,
) -> Result<(), DeployError> {
    let kind = namespace_kind();
    let name = target.namespace.as_str();
    let found = match cluster.get(&kind, None, name).await {
        Err(error) if error.is_not_found() => return Ok(()),
        Err(source) => return Err(DeployError::api(format!("read namespace `{name}`"), source)),
        Ok(found) => kind.complete(found),
    };
    let policy = Policy::read(&found, true).unwrap_or_else(|_| Policy::none());
    let operation = Operation {
        action: Action::Delete,
        resource: Some(ResourceId {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: name.to_owned(),
        }),
        payload: Some(Box::new(Payload {
            kind,
            object: found.clone(),
            live: Some(found),
            policy,
            take_over: false,
            force: false,
            changed: true,
        })),
        ..Operation::barrier()
    };
    match operator.operate(&operation).await {
        End::Done => Ok(()),
        End::Hopeless(failure) | End::Stop(failure) => fail_on(target, vec![failure]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_goes_last() {
        let kinds = [
            "Cat",
            "Deployment",
            "ConfigMap",
            "CustomResourceDefinition",
            "Namespace",
        ];
        assert_eq!(kinds.map(delete_stage), [0, 1, 2, 3, 4]);
        assert_eq!(delete_stage("ValidatingWebhookConfiguration"), 0);
    }
}
