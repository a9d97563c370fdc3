//! The release's record while a run goes on: pending, then deployed or failed, old ones superseded and pruned.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::cluster::Cluster;
use super::error::DeployError;
use super::plan::{DeployKind, DeployPlan};
use super::resources::ResourceId;
use crate::release::{self, HookRun, Info, Release, ReleaseError, ReleaseTarget, Revision, Status};

/// The revision that a run writes.
#[derive(Debug)]
pub(crate) struct Journal {
    cluster: Cluster,
    target: ReleaseTarget,
    record: Release,
    kind: DeployKind,
    history: Vec<Revision>,
}

impl Journal {
    /// Writes the pending record; revisions that a killed run left pending become failed.
    pub(crate) async fn begin(cluster: &Cluster, plan: &DeployPlan) -> Result<Self, DeployError> {
        let now = Timestamp::now().to_string();
        let first = if plan.base.first_deployed.is_empty() {
            now.clone()
        } else {
            plan.base.first_deployed.clone()
        };
        let status = match plan.kind {
            DeployKind::Install => Status::PendingInstall,
            DeployKind::Upgrade => Status::PendingUpgrade,
        };
        let description = match plan.kind {
            DeployKind::Install => "Initial install underway",
            DeployKind::Upgrade => "Preparing upgrade",
        };
        let record = Release {
            name: plan.target.name.to_string(),
            info: Info {
                first_deployed: first,
                last_deployed: now,
                description: description.to_owned(),
                status,
                notes: plan.rendered.notes.clone().unwrap_or_default(),
                ..Info::default()
            },
            chart: plan.rendered.chart.clone(),
            config: plan.rendered.config.clone(),
            manifest: plan.rendered.manifest_text.clone(),
            hooks: plan
                .resources
                .hooks
                .iter()
                .map(super::resources::Hook::record)
                .collect(),
            version: plan.revision,
            namespace: plan.target.namespace.to_string(),
            labels: std::collections::BTreeMap::new(),
            extra: serde_json::Map::new(),
        };
        let journal = Self {
            cluster: cluster.clone(),
            target: plan.target.clone(),
            record,
            kind: plan.kind,
            history: plan.base.history.clone(),
        };
        for revision in journal
            .history
            .iter()
            .filter(|revision| revision.status.is_pending())
        {
            journal
                .mark(revision.number, Status::Failed, "The run was interrupted")
                .await?;
        }
        release::create(cluster.client(), &plan.target, &journal.record).await?;
        Ok(journal)
    }

    /// The revision's number.
    pub(crate) fn revision(&self) -> u64 {
        self.record.version
    }

    /// Notes when a hook began and ended.
    pub(crate) fn note_hooks(&mut self, runs: &BTreeMap<ResourceId, HookRun>) {
        for (id, run) in runs {
            for hook in self
                .record
                .hooks
                .iter_mut()
                .filter(|hook| hook.name == id.name && hook.kind == id.kind)
            {
                hook.last_run = run.clone();
            }
        }
    }

    /// The run has succeeded. The new revision is marked first: at no time is there none that is deployed.
    pub(crate) async fn succeed(&mut self, keep: usize) -> Result<(), DeployError> {
        self.record.info.status = Status::Deployed;
        self.record.info.description = match self.kind {
            DeployKind::Install => "Install complete",
            DeployKind::Upgrade => "Upgrade complete",
        }
        .to_owned();
        self.record.info.last_deployed = Timestamp::now().to_string();
        release::update(self.cluster.client(), &self.target, &self.record).await?;
        for revision in self
            .history
            .iter()
            .filter(|revision| revision.status == Status::Deployed)
        {
            self.mark(revision.number, Status::Superseded, "").await?;
        }
        self.prune(keep, Some(self.record.version)).await
    }

    /// The run has not succeeded.
    pub(crate) async fn fail(&mut self, why: &str, keep: usize) -> Result<(), DeployError> {
        let what = match self.kind {
            DeployKind::Install => "Release",
            DeployKind::Upgrade => "Upgrade",
        };
        let first: String = why.chars().take(1000).collect();
        self.record.info.status = Status::Failed;
        self.record.info.description = format!("{what} \"{}\" failed: {first}", self.record.name);
        release::update(self.cluster.client(), &self.target, &self.record).await?;
        let deployed = self
            .history
            .iter()
            .rev()
            .find(|revision| revision.status == Status::Deployed);
        self.prune(keep, deployed.map(|revision| revision.number)).await
    }

    async fn mark(&self, number: u64, status: Status, description: &str) -> Result<(), DeployError> {
        mark(&self.cluster, &self.target, number, status, description).await
    }

    /// Removes the oldest revisions beyond `keep`, never the deployed one. 0 keeps all.
    async fn prune(&self, keep: usize, deployed: Option<u64>) -> Result<(), DeployError> {
        let own = self.record.version;
        let numbers: Vec<u64> = numbers(&self.history).chain([own]).collect();
        for number in surplus(&numbers, keep, deployed) {
            release::delete(self.cluster.client(), &self.target, number).await?;
        }
        Ok(())
    }
}

/// Whether the last run has come to its end: one revision is deployed, and none is left that was to go.
pub(crate) fn is_tidy(history: &[Revision], keep: usize) -> bool {
    let all: Vec<u64> = numbers(history).collect();
    let last = deployed(history).last();
    deployed(history).count() < 2 && surplus(&all, keep, last).is_empty()
}

/// Does what a run that was killed after its success has left undone.
pub(crate) async fn tidy(
    cluster: &Cluster,
    target: &ReleaseTarget,
    history: &[Revision],
    keep: usize,
) -> Result<(), DeployError> {
    let last = deployed(history).last();
    for number in deployed(history).filter(|number| Some(*number) != last) {
        mark(cluster, target, number, Status::Superseded, "").await?;
    }
    let all: Vec<u64> = numbers(history).collect();
    for number in surplus(&all, keep, last) {
        release::delete(cluster.client(), target, number).await?;
    }
    Ok(())
}

fn numbers(history: &[Revision]) -> impl Iterator<Item = u64> {
    history.iter().map(|revision| revision.number)
}

fn deployed(history: &[Revision]) -> impl Iterator<Item = u64> {
    history
        .iter()
        .filter(|revision| revision.status == Status::Deployed)
        .map(|revision| revision.number)
}

async fn mark(
    cluster: &Cluster,
    target: &ReleaseTarget,
    number: u64,
    status: Status,
    description: &str,
) -> Result<(), DeployError> {
    let mut record = match release::read(cluster.client(), target, number).await {
        Ok(record) => record,
        // What can't be read can't be marked, and must not stop the run.
        Err(ReleaseError::Corrupt { .. }) => return Ok(()),
        Err(ReleaseError::Api { source, .. }) if source.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    record.info.status = status;
    if !description.is_empty() {
        description.clone_into(&mut record.info.description);
    }
    Ok(release::update(cluster.client(), target, &record).await?)
}

fn surplus(numbers: &[u64], keep: usize, deployed: Option<u64>) -> Vec<u64> {
    if keep == 0 || numbers.len() <= keep {
        return Vec::new();
    }
    let old = &numbers[..numbers.len() - keep];
    old.iter()
        .copied()
        .filter(|number| Some(*number) != deployed)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_but_never_the_deployed_one() {
        assert_eq!(surplus(&[1, 2, 3, 4], 2, Some(4)), [1, 2]);
        assert_eq!(surplus(&[1, 2, 3, 4], 2, Some(1)), [2]);
        assert_eq!(surplus(&[1, 2], 2, Some(2)), [0_u64; 0]);
        assert_eq!(surplus(&[1, 2, 3], 0, None), [0_u64; 0]);
    }

    #[test]
    fn what_a_killed_run_left_is_seen() {
        let history = |states: &[Status]| -> Vec<Revision> {
            let revision = |(n, status): (usize, &Status)| Revision {
                number: n as u64 + 1,
                status: *status,
                created: String::new(),
            };
            states.iter().enumerate().map(revision).collect()
        };
        use Status::{Deployed, Failed, Superseded};
        assert!(is_tidy(&history(&[]), 2));
        assert!(is_tidy(&history(&[Superseded, Deployed]), 2));
        assert!(is_tidy(&history(&[Superseded, Failed, Deployed]), 0));
        assert!(!is_tidy(&history(&[Superseded, Failed, Deployed]), 2));
        assert!(!is_tidy(&history(&[Deployed, Deployed]), 2));
    }
}
