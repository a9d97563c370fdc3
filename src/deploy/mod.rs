//! Rendered charts → a plan → a cluster that has them running, watched until it is really up.

mod annotations;
mod cluster;
mod error;
mod fields;
mod input;
mod kinds;
mod marks;
mod plan;
mod resources;
mod track;

pub use annotations::{DeletePolicy, Dependency, FailMode, LogPolicy, Policy};
pub use cluster::{Cluster, ClusterError, KubeOptions};
pub use error::{DeployError, Failure, Problem};
pub use input::{Rendered, Source};
pub use plan::{Action, DeployKind, DeployPlan, Operation, PlanOptions, plan};
pub use resources::{Hook, HookEvent, Resource, ResourceError, ResourceId, Resources};
