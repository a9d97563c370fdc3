//! Rendered charts → a plan → a cluster that has them running, watched until it is really up.

mod annotations;
mod apply;
mod cluster;
mod dismiss;
mod error;
mod fields;
mod graph;
mod input;
mod journal;
mod kinds;
mod lock;
mod marks;
mod operate;
mod plan;
mod report;
mod resources;
mod rights;
mod run;
mod track;

pub use annotations::{DeletePolicy, Dependency, FailMode, LogPolicy, Policy};
pub use cluster::{Cluster, ClusterError, KubeOptions};
pub use dismiss::{DismissOptions, dismiss};
pub use error::{DeployError, Failure, Problem};
pub use input::{Rendered, Source};
pub use lock::Runner;
pub use marks::{VERSION_ANNOTATION, is_service_annotation};
pub use plan::{Action, DeployKind, DeployPlan, Operation, PlanOptions, deploy_kind, plan};
pub use report::{DeployReport, ReportStatus};
pub(crate) use resources::read_objects;
pub use resources::{Hook, HookEvent, Resource, ResourceError, ResourceId, Resources};
pub use rights::MissingRights;
pub use run::{OperationOutcome, Outcome, RunOptions, run, run_reported};
