//! The order of operations: Helm's order of kinds, weights, and the edges between operations.

use kiel_chart::install_rank;

use super::{Action, Operation};

/// A kind's place in Helm's install order; lower is earlier, kinds that are not in it come last and webhooks after all:
/// they would judge what is still to come.
pub(crate) fn kind_rank(kind: &str) -> usize {
    let (rank, unknown) = install_rank(kind);
    match unknown {
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => rank + 1,
        _ => rank,
    }
}

/// Operations with edges, under construction.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) operations: Vec<Operation>,
    /// What every following operation waits for.
    gate: Vec<usize>,
    /// Everything added since the gate.
    since: Vec<usize>,
}

impl Graph {
    /// Adds an operation after the gate and `after`.
    pub(crate) fn add(&mut self, mut operation: Operation, after: &[usize]) -> usize {
        let id = self.operations.len();
        operation.id = id;
        operation.after.extend(&self.gate);
        operation.after.extend(after);
        operation.after.sort_unstable();
        operation.after.dedup();
        self.operations.push(operation);
        self.since.push(id);
        id
    }

    /// Everything added later waits for everything added so far.
    pub(crate) fn close_stage(&mut self) {
        if self.since.is_empty() {
            return;
        }
        // One barrier keeps the number of edges linear.
        if self.since.len() > 1 {
            let mut barrier = Operation::barrier();
            barrier.id = self.operations.len();
            barrier.after = std::mem::take(&mut self.since);
            self.gate = vec![barrier.id];
            self.operations.push(barrier);
        } else {
            self.gate = std::mem::take(&mut self.since);
        }
    }

    /// Adds a barrier after exactly these, outside the gate.
    pub(crate) fn barrier(&mut self, after: Vec<usize>) -> Option<usize> {
        if after.len() < 2 {
            return after.first().copied();
        }
        let mut barrier = Operation::barrier();
        barrier.after = after;
        barrier.id = self.operations.len();
        let id = barrier.id;
        self.operations.push(barrier);
        self.since.push(id);
        Some(id)
    }

    /// A cycle's resources, if there is one.
    pub(crate) fn find_cycle(&self) -> Option<Vec<String>> {
        let mut left: Vec<usize> = self
            .operations
            .iter()
            .map(|operation| operation.after.len())
            .collect();
        let mut free: Vec<usize> = (0..left.len()).filter(|id| left[*id] == 0).collect();
        let mut next = vec![Vec::new(); left.len()];
        for operation in &self.operations {
            for before in &operation.after {
                next[*before].push(operation.id);
            }
        }
        while let Some(id) = free.pop() {
            for after in &next[id] {
                left[*after] -= 1;
                if left[*after] == 0 {
                    free.push(*after);
                }
            }
        }
        let mut stuck: Vec<String> = self
            .operations
            .iter()
            .filter(|operation| left[operation.id] > 0 && operation.action.is_apply())
            .filter_map(|operation| operation.resource.as_ref().map(ToString::to_string))
            .collect();
        stuck.dedup();
        left.iter().any(|count| *count > 0).then_some(stuck)
    }
}

impl Action {
    /// Writes an object of the chart.
    pub(crate) fn is_apply(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Recreate)
    }

    /// Changes the cluster.
    #[must_use]
    pub fn is_change(self) -> bool {
        self.is_apply() || matches!(self, Self::CreateNamespace | Self::Delete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_ordered_as_helm_does() {
        let ranks: Vec<usize> = [
            "Namespace",
            "Secret",
            "Service",
            "Deployment",
            "Ingress",
            "Cat",
            "ValidatingWebhookConfiguration",
        ]
        .into_iter()
        .map(kind_rank)
        .collect();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }

    #[test]
    fn stages_wait_for_each_other() {
        let mut graph = Graph::default();
        let first = [
            graph.add(Operation::barrier(), &[]),
            graph.add(Operation::barrier(), &[]),
        ];
        graph.close_stage();
        let second = graph.add(Operation::barrier(), &[]);
        assert_eq!(graph.operations[second].after, [2]);
        assert_eq!(graph.operations[2].after, first);
        assert_eq!(graph.find_cycle(), None);
        graph.operations[first[0]].after.push(second);
        assert!(graph.find_cycle().is_some());
    }
}
