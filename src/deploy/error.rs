//! Why a plan could not be made, or a run did not succeed.

use crate::release::{ApiError, ReleaseError, ReleaseTarget};

use super::resources::ResourceError;
use super::rights::MissingRights;

/// One object that can't be deployed as the chart has it, known before anything has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `Kind/name`.
    pub resource: String,
    /// The template it came from.
    pub source: String,
    /// What is wrong, in the server's words where it said so, and what to do.
    pub why: String,
    /// The server says that the user may not do it.
    pub forbidden: bool,
}

/// An object that did not get ready, or could not be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `Kind/name`.
    pub resource: String,
    /// The template it came from.
    pub source: String,
    /// Why.
    pub why: String,
    /// The last log lines of the container that is to blame.
    pub log: Vec<String>,
}

/// Why a plan could not be made, or a run did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Documents that can't be deployed.
    #[error("{}", lines(.0))]
    Documents(Vec<ResourceError>),
    /// What the server, or another release's ownership, does not allow; nothing has been changed.
    #[error("cannot deploy {}", problem_lines(.0))]
    Rejected(Vec<Problem>),
    /// Dependencies between objects go in a circle.
    #[error("cannot order the operations: the deploy dependencies of {0} go in a circle")]
    Cycle(String),
    /// A request failed.
    #[error("cannot {action}: {source}")]
    Api {
        /// What was tried.
        action: String,
        /// The server's answer.
        source: ApiError,
    },
    /// A release record could not be read or written.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The run was ended because of these objects.
    #[error("cannot {verb} release {release}: {}", failure_lines(.failures))]
    Failed {
        /// What was to be done with it.
        verb: &'static str,
        /// The release.
        release: ReleaseTarget,
        /// The reasons.
        failures: Vec<Failure>,
    },
    /// The time given was not enough.
    #[error("cannot {verb} release {release} within {seconds} s: {}", waiting_lines(.waiting))]
    TimedOut {
        /// What was to be done with it.
        verb: &'static str,
        /// The release.
        release: ReleaseTarget,
        /// The time given.
        seconds: u64,
        /// What was waited for: object and why it was not ready.
        waiting: Vec<(String, String)>,
    },
    /// The lock was taken by somebody else while the run went on.
    #[error("cannot go on with release {release}: its lock was lost ({why})")]
    LockLost {
        /// The release.
        release: ReleaseTarget,
        /// How.
        why: String,
    },
    /// The user ended the run.
    #[error("the run was cancelled before release {release} was done; the next one goes on from here")]
    Cancelled {
        /// The release.
        release: ReleaseTarget,
    },
    /// The user may not do what the release needs; nothing has been changed.
    #[error("cannot deploy release {release}: {} these rights:{}", lacks(.missing), .missing.lines())]
    MissingRights {
        /// The release.
        release: ReleaseTarget,
        /// What is missing.
        missing: Box<MissingRights>,
    },
    /// The namespace holds other releases too.
    #[error("cannot delete namespace `{namespace}`: it holds other releases too: {others}")]
    NamespaceShared {
        /// The namespace.
        namespace: String,
        /// Their names.
        others: String,
    },
}

impl DeployError {
    pub(crate) fn api(action: impl Into<String>, source: ApiError) -> Self {
        Self::Api {
            action: action.into(),
            source,
        }
    }

    /// Whether a right was missing.
    pub(crate) fn is_forbidden(&self) -> bool {
        match self {
            Self::Api { source, .. } | Self::Release(ReleaseError::Api { source, .. }) => {
                source.is_forbidden()
            }
            Self::Rejected(problems) => problems.iter().any(|problem| problem.forbidden),
            _ => false,
        }
    }

    /// What a user can do about it, where that is more than a word.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingRights { missing, .. } => Some(format!(
                "this grants them (kubectl apply -f - as somebody who may):\n{}",
                missing.roles().trim_end()
            )),
            _ => None,
        }
    }
}

fn lacks(missing: &MissingRights) -> String {
    if missing.user.is_empty() {
        "the user lacks".to_owned()
    } else {
        format!("`{}` lacks", missing.user)
    }
}

/// One stays in the sentence, several are counted and get a line each.
fn join(what: &str, lines: Vec<String>) -> String {
    if lines.len() == 1 {
        return lines.into_iter().collect();
    }
    let list: String = lines.iter().map(|line| format!("\n  {line}")).collect();
    format!("{} {what}:{list}", lines.len())
}

fn lines(errors: &[ResourceError]) -> String {
    if let [only] = errors {
        return only.to_string();
    }
    let list = join("documents", errors.iter().map(ToString::to_string).collect());
    format!("cannot use {list}")
}

fn problem_lines(problems: &[Problem]) -> String {
    join(
        "objects",
        problems
            .iter()
            .map(|problem| format!("{} ({}): {}", problem.resource, problem.source, problem.why))
            .collect(),
    )
}

fn failure_lines(failures: &[Failure]) -> String {
    let text = |failure: &Failure| {
        let mut text = failure.resource.clone();
        if !failure.source.is_empty() {
            text.push_str(&format!(" ({})", failure.source));
        }
        text.push_str(&format!(": {}", failure.why));
        if !failure.log.is_empty() {
            text.push_str("\n  last log lines:");
            for line in &failure.log {
                text.push_str(&format!("\n    {line}"));
            }
        }
        text
    };
    join("objects", failures.iter().map(text).collect())
}

fn waiting_lines(waiting: &[(String, String)]) -> String {
    if waiting.is_empty() {
        return "its requests to the API server were not done".to_owned();
    }
    join(
        "objects",
        waiting
            .iter()
            .map(|(resource, why)| format!("{resource} is not ready: {why}"))
            .collect(),
    )
}
