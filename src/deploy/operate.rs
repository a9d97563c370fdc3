//! Carrying out one operation of a plan.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::annotations::{DeletePolicy, FailMode};
use super::apply;
use super::cluster::Cluster;
use super::error::Failure;
use super::graph::End;
use super::kinds::ApiKind;
use super::plan::{Action, Operation, Payload};
use super::resources::ResourceId;
use super::run::OperationOutcome;
use super::track::{Subject, Tracker};
use crate::event::{Event, Events};
use crate::release::{ApiError, HookRun};

/// Writes at a time; the server's own flow control does the rest.
const PARALLEL: usize = 32;
/// The default ServiceAccount of a new namespace comes within moments, where a controller manager runs.
const SERVICE_ACCOUNT_WAIT: Duration = Duration::from_secs(10);

/// Carries out operations and remembers what they did.
#[derive(Debug)]
pub(crate) struct Operator<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) tracker: &'a Tracker,
    pub(crate) events: &'a Events,
    writes: Semaphore,
    /// Objects as they were stored by this run.
    applied: Mutex<BTreeMap<ResourceId, Value>>,
    outcomes: Mutex<Vec<OperationOutcome>>,
    hooks: Mutex<BTreeMap<ResourceId, HookRun>>,
}

impl<'a> Operator<'a> {
    pub(crate) fn new(cluster: &'a Cluster, tracker: &'a Tracker, events: &'a Events) -> Self {
        Self {
            cluster,
            tracker,
            events,
            writes: Semaphore::new(PARALLEL),
            applied: Mutex::default(),
            outcomes: Mutex::default(),
            hooks: Mutex::default(),
        }
    }

    /// What has been done so far.
    pub(crate) fn outcomes(&self) -> Vec<OperationOutcome> {
        self.outcomes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// When hooks ran.
    pub(crate) fn hook_runs(&self) -> BTreeMap<ResourceId, HookRun> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Carries out one operation.
    pub(crate) async fn operate(&self, operation: &Operation) -> End<Failure> {
        let (Some(id), Some(payload)) = (&operation.resource, operation.payload.as_deref()) else {
            return End::Done;
        };
        let begun = Instant::now();
        let result = match operation.action {
            Action::CreateNamespace => self.create_namespace(operation, id, payload).await,
            Action::Create | Action::Update => self.apply(operation, id, payload).await,
            Action::Recreate => self.recreate(operation, id, payload).await,
            Action::Track => self.track(operation, id, payload).await,
            Action::Hook => self.hook(operation, id, payload).await,
            Action::Delete => self.delete(operation, id, payload).await,
            Action::Barrier => return End::Done,
        };
        let (state, detail) = match &result {
            Ok(detail) => (done_word(operation.action), detail.clone()),
            Err(failure) => ("failed", failure.why.clone()),
        };
        // What needed no waiting has been told of when it was applied.
        if operation.action != Action::Track || !detail.is_empty() {
            self.events.send(Event::Resource {
                resource: id.to_string(),
                state: state.to_owned(),
                detail: detail.clone(),
            });
        }
        self.outcomes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(OperationOutcome {
                action: operation.action,
                resource: id.clone(),
                succeeded: result.is_ok(),
                detail,
                elapsed: begun.elapsed(),
            });
        match (result, payload.policy.fail_mode) {
            (Ok(_), _) => End::Done,
            (Err(failure), FailMode::IgnoreAndContinueDeployProcess) if operation.action == Action::Track => {
                self.events.warn(format!(
                    "{id} failed and is ignored (werf.io/fail-mode): {}",
                    failure.why
                ));
                End::Done
            }
            (Err(failure), FailMode::HopeUntilEndOfDeployProcess) => End::Hopeless(failure),
            (Err(failure), _) => End::Stop(failure),
        }
    }

    async fn create_namespace(
        &self,
        operation: &Operation,
        id: &ResourceId,
        payload: &Payload,
    ) -> Result<String, Failure> {
        if operation.source.is_empty() {
            match self.cluster.create(&payload.kind, None, &payload.object).await {
                Ok(_) => {}
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(refused(id, "", &error)),
            }
        } else {
            // The chart's own: its labels may decide what may run in it.
            self.apply(operation, id, payload).await?;
        }
        let account = ApiKind {
            kind: "ServiceAccount".to_owned(),
            plural: "serviceaccounts".to_owned(),
            namespaced: true,
            ..payload.kind.clone()
        };
        let wait = self.tracker.until_present(&account, &id.name, "default");
        tokio::time::timeout(SERVICE_ACCOUNT_WAIT, wait).await.ok();
        Ok(String::new())
    }

    async fn apply(
        &self,
        operation: &Operation,
        id: &ResourceId,
        payload: &Payload,
    ) -> Result<String, Failure> {
        let refused = |error: ApiError| refused(id, &operation.source, &error);
        // Never closed: an error would only mean that nobody limits any more.
        let _permit = self.writes.acquire().await.ok();
        let kind = apply::served_kind(self.cluster, id, &payload.kind)
            .await
            .map_err(refused)?;
        let stored = apply::apply(self.cluster, id, &kind, payload)
            .await
            .map_err(refused)?;
        self.remember(id, stored);
        Ok(operation.reason.clone())
    }

    fn remember(&self, id: &ResourceId, stored: Value) {
        self.applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), stored);
    }

    async fn recreate(
        &self,
        operation: &Operation,
        id: &ResourceId,
        payload: &Payload,
    ) -> Result<String, Failure> {
        if let Some(live) = &payload.live {
            self.remove(operation, id, payload, live).await?;
        }
        self.apply(operation, id, payload).await?;
        Ok(operation.reason.clone())
    }

    async fn remove(
        &self,
        operation: &Operation,
        id: &ResourceId,
        payload: &Payload,
        live: &Value,
    ) -> Result<(), Failure> {
        let propagation = payload.policy.propagation.as_deref();
        apply::delete(self.cluster, self.tracker, id, &payload.kind, live, propagation)
            .await
            .map_err(|error| refused(id, &operation.source, &error))
    }

    async fn delete(
        &self,
        operation: &Operation,
        id: &ResourceId,
        payload: &Payload,
    ) -> Result<String, Failure> {
        if let Some(live) = &payload.live {
            self.remove(operation, id, payload, live).await?;
        }
        Ok(operation.reason.clone())
    }

    async fn track(
        &self,
        operation: &Operation,
        id: &ResourceId,
        payload: &Payload,
    ) -> Result<String, Failure> {
        let stored = self
            .applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned();
        let object = stored
            .or_else(|| payload.live.clone())
            .unwrap_or_else(|| payload.object.clone());
        let mut subject = subject(operation, id, payload, object);
        // A change of labels alone makes no new pods; a Deployment's generation grows with its annotations too.
        if let Some(live) = &payload.live {
            subject.changed &= live["metadata"]["uid"] != subject.object["metadata"]["uid"]
                || live["spec"] != subject.object["spec"];
        }
        self.tracker.until_ready(&subject).await
    }

    async fn hook(
        &self,
        operation: &Operation,
        id: &ResourceId,
        payload: &Payload,
    ) -> Result<String, Failure> {
        let started_at = Timestamp::now().to_string();
        let note = |phase: &str, completed_at: String| {
            let run = HookRun {
                started_at: started_at.clone(),
                completed_at,
                phase: phase.to_owned(),
            };
            self.hooks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id.clone(), run);
        };
        note("Running", String::new());
        self.events.send(Event::Resource {
            resource: id.to_string(),
            state: "running".to_owned(),
            detail: format!("{} hook", operation.reason),
        });
        let result = self.run_hook(operation, id, payload).await;
        let policies = &payload.policy.delete;
        let (phase, policy) = match result {
            Ok(_) => ("Succeeded", DeletePolicy::Succeeded),
            Err(_) => ("Failed", DeletePolicy::Failed),
        };
        note(phase, Timestamp::now().to_string());
        if policies.contains(&policy) {
            self.remove_hook(operation, id, payload).await?;
        }
        let reason = &operation.reason;
        result
            .map(|_| format!("{reason} hook"))
            .map_err(|failure| Failure {
                why: format!("the {reason} hook failed: {}", failure.why),
                ..failure
            })
    }

    async fn run_hook(
        &self,
        operation: &Operation,
        id: &ResourceId,
        payload: &Payload,
    ) -> Result<String, Failure> {
        // A Job or Pod that is there already has run for somebody else; only a new one runs.
        let runs = matches!(id.kind.as_str(), "Job" | "Pod");
        if runs || payload.policy.delete.contains(&DeletePolicy::BeforeCreation) {
            self.remove_hook(operation, id, payload).await?;
        }
        self.apply(operation, id, payload).await?;
        self.track(operation, id, payload).await
    }

    async fn remove_hook(
        &self,
        operation: &Operation,
        id: &ResourceId,
        payload: &Payload,
    ) -> Result<(), Failure> {
        if !payload.kind.served {
            return Ok(());
        }
        match self
            .cluster
            .get(&payload.kind, id.namespace.as_deref(), &id.name)
            .await
        {
            Ok(live) => {
                self.remove(operation, id, payload, &payload.kind.complete(live))
                    .await
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(refused(id, &operation.source, &error)),
        }
    }
}

fn subject(operation: &Operation, id: &ResourceId, payload: &Payload, object: Value) -> Subject {
    Subject {
        id: id.clone(),
        source: operation.source.clone(),
        kind: payload.kind.clone(),
        policy: payload.policy.clone(),
        object,
        changed: payload.changed,
    }
}

fn refused(id: &ResourceId, source: &str, error: &ApiError) -> Failure {
    let mut why = if error.is_connection() {
        format!("the API server can't be reached: {error}")
    } else {
        format!("the server refuses it: {error}")
    };
    if error.is_conflict() {
        for (field, message) in &error.causes {
            why.push_str(&format!("; {field}: {message}"));
        }
    }
    Failure {
        resource: id.to_string(),
        source: source.to_owned(),
        why,
        log: Vec::new(),
    }
}

fn done_word(action: Action) -> &'static str {
    match action {
        Action::CreateNamespace | Action::Create => "created",
        Action::Update => "updated",
        Action::Recreate => "recreated",
        Action::Hook => "succeeded",
        Action::Track => "ready",
        Action::Delete => "deleted",
        Action::Barrier => "done",
    }
}
