//! A plan carried out: locked, recorded, watched; ended early by a failure, the time given, or the user.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use super::error::{DeployError, Failure};
use super::graph::carry_out;
use super::journal::{self, Journal};
use super::lock::{self, Lock, Runner};
use super::operate::Operator;
use super::plan::{self, Action, DeployPlan, Operation};
use super::report::{DeployReport, ReportStatus};
use super::resources::ResourceId;
use super::track::{Times, Tracker};
use crate::event::{Event, Events};
use crate::release::{self, ReleaseTarget};

/// A missing ConfigMap, Secret or ServiceAccount is waited for this long.
pub(super) const REFERENCE: Duration = Duration::from_secs(5);
/// The same, where the release brings objects whose controllers may make it (certificates, secret stores).
const REFERENCE_BY_CONTROLLER: Duration = Duration::from_secs(60);

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The whole run may take this long; no limit where `None`.
    pub timeout: Option<Duration>,
    /// A workload without readiness probes must stay up for this long.
    pub settle: Duration,
    /// Revisions that are kept; 0 keeps all.
    pub history_max: usize,
    /// Who runs kiel, named to whoever waits for the lock.
    pub runner: Runner,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            timeout: None,
            settle: Duration::from_secs(5),
            history_max: 5,
            runner: Runner::default(),
        }
    }
}

/// What one operation did.
#[derive(Debug, Clone, Serialize)]
pub struct OperationOutcome {
    /// What it was.
    pub action: Action,
    /// The object.
    pub resource: ResourceId,
    /// Whether it came to its end.
    pub succeeded: bool,
    /// State or reason.
    pub detail: String,
    /// How long it took.
    pub elapsed: Duration,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The release.
    pub target: ReleaseTarget,
    /// The revision that was written; none where nothing had to be done.
    pub revision: Option<u64>,
    /// What was done.
    pub operations: Vec<OperationOutcome>,
    /// NOTES.txt.
    pub notes: Option<String>,
}

/// Carries out a plan. If another run has changed the release since the plan was made, a new plan is made first.
pub async fn run(
    cluster: &Cluster,
    plan: DeployPlan,
    options: &RunOptions,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Outcome, DeployError> {
    run_reported(cluster, plan, options, events, cancel).await.1
}

/// As [`run`], and tells how far it came, however it ended.
pub async fn run_reported(
    cluster: &Cluster,
    plan: DeployPlan,
    options: &RunOptions,
    events: &Events,
    cancel: &CancellationToken,
) -> (DeployReport, Result<Outcome, DeployError>) {
    for warning in &plan.warnings {
        events.warn(warning.clone());
    }
    let run = Run {
        cluster,
        options,
        events,
        tracker: new_tracker(cluster, &plan, options, events),
        report: Mutex::new(DeployReport::planned(&plan)),
    };
    let target = plan.target.clone();
    let limit = async {
        match options.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let stop = Stop {
        target: &target,
        timeout: options.timeout,
        cancel,
    };
    let result = run.locked(plan, &stop, limit).await;
    let mut report = run.report.into_inner().unwrap_or_else(PoisonError::into_inner);
    if result.is_err() {
        report.status = ReportStatus::Failed;
    }
    (report, result)
}

fn new_tracker(cluster: &Cluster, plan: &DeployPlan, options: &RunOptions, events: &Events) -> Tracker {
    let custom = plan.resources.main.iter().any(|resource| {
        let group = resource.id.group();
        group.contains('.') && !group.ends_with(".k8s.io")
    });
    let reference = if custom {
        REFERENCE_BY_CONTROLLER
    } else {
        REFERENCE
    };
    Tracker::new(
        cluster,
        events,
        Times {
            settle: options.settle,
            reference,
        },
    )
}

/// What ends a run from outside.
struct Stop<'a> {
    target: &'a ReleaseTarget,
    timeout: Option<Duration>,
    cancel: &'a CancellationToken,
}

impl Stop<'_> {
    fn timed_out(&self, waiting: Vec<(String, String)>) -> DeployError {
        let seconds = self.timeout.map_or(0, |timeout| timeout.as_secs());
        DeployError::TimedOut {
            verb: "deploy",
            release: self.target.clone(),
            seconds,
            waiting,
        }
    }

    fn cancelled(&self) -> DeployError {
        DeployError::Cancelled {
            release: self.target.clone(),
        }
    }
}

struct Run<'a> {
    cluster: &'a Cluster,
    options: &'a RunOptions,
    events: &'a Events,
    tracker: Tracker,
    report: Mutex<DeployReport>,
}

impl Run<'_> {
    async fn locked(
        &self,
        plan: DeployPlan,
        stop: &Stop<'_>,
        limit: impl Future<Output = ()>,
    ) -> Result<Outcome, DeployError> {
        let mut limit = std::pin::pin!(limit);
        if !plan.has_changes() && journal::is_tidy(&plan.base.history, self.options.history_max) {
            return self.only_track(&plan, stop, limit).await;
        }
        self.make_namespace(&plan).await?;
        let lock = tokio::select! {
            lock = lock::acquire(self.cluster, stop.target, &self.options.runner, self.events) => lock?,
            () = &mut limit => return Err(stop.timed_out(vec![(format!("release {}", stop.target), "somebody else deploys it".to_owned())])),
            () = stop.cancel.cancelled() => return Err(stop.cancelled()),
        };
        let result = self.recorded(plan, stop, limit, &lock).await;
        lock.release().await;
        result
    }

    /// The lock and the record live in the namespace, so it comes before everything else.
    async fn make_namespace(&self, plan: &DeployPlan) -> Result<(), DeployError> {
        let operator = Operator::new(self.cluster, &self.tracker, self.events);
        for operation in plan
            .operations
            .iter()
            .filter(|operation| operation.action == Action::CreateNamespace)
        {
            if let super::graph::End::Stop(failure) | super::graph::End::Hopeless(failure) =
                operator.operate(operation).await
            {
                return Err(DeployError::Failed {
                    verb: "deploy",
                    release: plan.target.clone(),
                    failures: vec![failure],
                });
            }
        }
        Ok(())
    }

    async fn recorded(
        &self,
        plan: DeployPlan,
        stop: &Stop<'_>,
        limit: std::pin::Pin<&mut impl Future<Output = ()>>,
        lock: &Lock,
    ) -> Result<Outcome, DeployError> {
        let mut limit = limit;
        let history = release::history(self.cluster.client(), stop.target).await?;
        let plan = if history == plan.base.history {
            plan
        } else {
            self.events.info(format!(
                "release `{}` has changed meanwhile: planning again",
                stop.target
            ));
            plan::plan(self.cluster, stop.target, &plan.rendered, &plan.options).await?
        };
        if !plan.has_changes() {
            journal::tidy(
                self.cluster,
                stop.target,
                &plan.base.history,
                self.options.history_max,
            )
            .await?;
            return self.only_track(&plan, stop, limit).await;
        }
        self.announce(&plan);
        self.prepare(&plan).await;
        let mut journal = Journal::begin(self.cluster, &plan).await?;
        let operator = Operator::new(self.cluster, &self.tracker, self.events);
        let end = tokio::select! {
            failures = carry_out(&plan.operations, |operation| self.step(&operator, operation)) => {
                failed(stop.target, failures)
            }
            () = &mut limit => Err(stop.timed_out(self.tracker.waiting())),
            () = stop.cancel.cancelled() => Err(stop.cancelled()),
            why = lock.lost() => Err(DeployError::LockLost { release: stop.target.clone(), why }),
        };
        journal.note_hooks(&operator.hook_runs());
        let outcomes = operator.outcomes();
        self.note(DeployReport::carried_out(
            &plan,
            &outcomes,
            ReportStatus::Deployed,
        ));
        match end {
            Ok(()) => {
                journal.succeed(self.options.history_max).await?;
                Ok(Outcome {
                    target: plan.target,
                    revision: Some(journal.revision()),
                    operations: outcomes,
                    notes: plan.rendered.notes,
                })
            }
            // Whoever has the lock now decides about the record.
            Err(error @ DeployError::LockLost { .. }) => Err(error),
            Err(error) => {
                if let Err(second) = journal.fail(&error.to_string(), self.options.history_max).await {
                    self.events
                        .warn(format!("the revision could not be marked as failed: {second}"));
                }
                Err(error)
            }
        }
    }

    fn note(&self, report: DeployReport) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    async fn step(&self, operator: &Operator<'_>, operation: &Operation) -> super::graph::End<Failure> {
        match operation.action {
            // Done before the lock was taken.
            Action::CreateNamespace => super::graph::End::Done,
            _ => operator.operate(operation).await,
        }
    }

    /// Lets whoever watches know what is going to be touched.
    fn announce(&self, plan: &DeployPlan) {
        for operation in &plan.operations {
            let Some(resource) = operation.resource.as_ref().map(ToString::to_string) else {
                continue;
            };
            // A namespace is there already; what is ready needs no waiting and says nothing.
            if !matches!(
                operation.action,
                Action::CreateNamespace | Action::Track | Action::Barrier
            ) {
                self.events.send(Event::Resource {
                    resource,
                    state: "pending".to_owned(),
                    detail: String::new(),
                });
            }
        }
    }

    async fn prepare(&self, plan: &DeployPlan) {
        let mut wanted: Vec<_> = plan
            .operations
            .iter()
            .filter(|operation| matches!(operation.action, Action::Track | Action::Hook))
            .filter_map(|operation| {
                Some((
                    operation.payload.as_ref()?.kind.clone(),
                    operation.resource.as_ref()?.namespace.clone(),
                ))
            })
            .collect();
        wanted.sort_by(|a, b| (&a.0.api_version, &a.0.kind, &a.1).cmp(&(&b.0.api_version, &b.0.kind, &b.1)));
        wanted.dedup();
        self.tracker.prepare(&wanted).await;
    }

    /// Nothing changes; what is not ready yet is waited for all the same.
    async fn only_track(
        &self,
        plan: &DeployPlan,
        stop: &Stop<'_>,
        mut limit: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Outcome, DeployError> {
        if plan
            .operations
            .iter()
            .any(|operation| operation.action == Action::Track)
        {
            self.prepare(plan).await;
        }
        let operator = Operator::new(self.cluster, &self.tracker, self.events);
        let end = tokio::select! {
            failures = carry_out(&plan.operations, |operation| operator.operate(operation)) => {
                failed(stop.target, failures)
            }
            () = &mut limit => Err(stop.timed_out(self.tracker.waiting())),
            () = stop.cancel.cancelled() => Err(stop.cancelled()),
        };
        let outcomes = operator.outcomes();
        self.note(DeployReport::unchanged(plan, &outcomes, ReportStatus::Skipped));
        end?;
        Ok(Outcome {
            target: plan.target.clone(),
            revision: None,
            operations: outcomes,
            notes: plan.rendered.notes.clone(),
        })
    }
}

fn failed(target: &ReleaseTarget, failures: Vec<Failure>) -> Result<(), DeployError> {
    if failures.is_empty() {
        Ok(())
    } else {
        Err(DeployError::Failed {
            verb: "deploy",
            release: target.clone(),
            failures,
        })
    }
}
