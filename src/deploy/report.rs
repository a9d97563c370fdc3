//! What a run did to a release, as a value that is saved for others to read: werf's deploy report, version 3.
//!
//! It is made whether the run succeeds or not. Operations that only wait are in it where they failed.

use serde::Serialize;

use super::plan::{Action, DeployPlan, Operation};
use super::resources::ResourceId;
use super::run::OperationOutcome;

/// The form that is written.
const VERSION: u32 = 3;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportStatus {
    /// The release is as the chart wants it.
    Deployed,
    /// It was so before.
    Skipped,
    /// It is not.
    Failed,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployReport {
    version: u32,
    release: String,
    namespace: String,
    /// The one that was written; where nothing had to be done, the last.
    revision: u64,
    pub(crate) status: ReportStatus,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    completed_operations: Vec<String>,
    /// Not begun, or not ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    canceled_operations: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_operations: Vec<String>,
}

impl DeployReport {
    /// Of a run that has done nothing of its plan yet.
    pub(crate) fn planned(plan: &DeployPlan) -> Self {
        let planned = plan
            .operations
            .iter()
            .filter(|operation| is_told(operation.action));
        Self {
            version: VERSION,
            release: plan.target.name.as_str().to_owned(),
            namespace: plan.target.namespace.as_str().to_owned(),
            revision: plan.revision,
            status: ReportStatus::Failed,
            completed_operations: Vec::new(),
            canceled_operations: sorted(planned.filter_map(of_operation).collect()),
            failed_operations: Vec::new(),
        }
    }

    /// Of a run that has come so far with its plan.
    pub(crate) fn carried_out(
        plan: &DeployPlan,
        outcomes: &[OperationOutcome],
        status: ReportStatus,
    ) -> Self {
        let mut canceled = Self::planned(plan).canceled_operations;
        let (mut completed, mut failed) = (Vec::new(), Vec::new());
        for operation in plan
            .operations
            .iter()
            .filter(|one| one.action == Action::CreateNamespace)
        {
            // Done before everything else, or there is no run.
            completed.extend(of_operation(operation));
        }
        for outcome in outcomes {
            let text = told(outcome.action, &outcome.resource);
            match outcome.succeeded {
                true if is_told(outcome.action) => completed.push(text),
                true => {}
                false => failed.push(text),
            }
        }
        for ended in completed.iter().chain(&failed) {
            if let Some(at) = canceled.iter().position(|text| text == ended) {
                canceled.remove(at);
            }
        }
        Self {
            status,
            completed_operations: sorted(completed),
            canceled_operations: canceled,
            failed_operations: sorted(failed),
            ..Self::planned(plan)
        }
    }

    /// Of a run that had nothing to change.
    pub(crate) fn unchanged(plan: &DeployPlan, outcomes: &[OperationOutcome], status: ReportStatus) -> Self {
        Self {
            revision: plan.base.history.last().map_or(0, |revision| revision.number),
            ..Self::carried_out(plan, outcomes, status)
        }
    }
}

fn is_told(action: Action) -> bool {
    !matches!(action, Action::Track | Action::Barrier)
}

fn of_operation(operation: &Operation) -> Option<String> {
    let resource = operation.resource.as_ref()?;
    Some(told(operation.action, resource))
}

fn told(action: Action, resource: &ResourceId) -> String {
    let word = match action {
        Action::CreateNamespace | Action::Create | Action::Hook => "create",
        Action::Update => "update",
        Action::Recreate => "recreate",
        Action::Delete => "delete",
        Action::Track => "track readiness",
        Action::Barrier => "noop",
    };
    let namespace = resource
        .namespace
        .as_deref()
        .map(|name| format!(" (namespace={name})"));
    format!("{word}: {resource}{}", namespace.unwrap_or_default())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}
