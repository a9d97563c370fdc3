//! Carries out a DAG: every operation begins when those before it have ended, all that can at the same time.

use std::collections::VecDeque;
use std::future::Future;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::plan::Operation;

/// How one operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End<E> {
    /// What comes after it may begin.
    Done,
    /// What comes after it must not begin; the rest goes on.
    Hopeless(E),
    /// Nothing else begins, and what goes on is dropped.
    Stop(E),
}

/// Runs all operations; gives the failures. Dropping the future ends everything that goes on.
pub(crate) async fn carry_out<'a, E, F>(
    operations: &'a [Operation],
    begin: impl Fn(&'a Operation) -> F,
) -> Vec<E>
where
    F: Future<Output = End<E>>,
{
    let mut left: Vec<usize> = operations.iter().map(|operation| operation.after.len()).collect();
    let mut next = vec![Vec::new(); operations.len()];
    for operation in operations {
        for before in &operation.after {
            next[*before].push(operation.id);
        }
    }
    let mut ready: VecDeque<usize> = (0..left.len()).filter(|id| left[*id] == 0).collect();
    let mut failures = Vec::new();
    let mut going = FuturesUnordered::new();
    loop {
        while let Some(id) = ready.pop_front() {
            let operation = &operations[id];
            let future = begin(operation);
            going.push(async move { (id, future.await) });
        }
        match going.next().await {
            None => return failures,
            Some((_, End::Stop(failure))) => {
                failures.insert(0, failure);
                return failures;
            }
            Some((_, End::Hopeless(failure))) => failures.push(failure),
            Some((id, End::Done)) => {
                for after in &next[id] {
                    left[*after] -= 1;
                    if left[*after] == 0 {
                        ready.push_back(*after);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn operation(id: usize, after: &[usize]) -> Operation {
        Operation {
            id,
            after: after.to_vec(),
            ..Operation::barrier()
        }
    }

    async fn run(operations: &[Operation], end: impl Fn(usize) -> End<usize>) -> (Vec<usize>, Vec<usize>) {
        let begun = Mutex::new(Vec::new());
        let failures = carry_out(operations, |operation| {
            begun.lock().expect("not poisoned").push(operation.id);
            let end = end(operation.id);
            async move { end }
        })
        .await;
        (begun.into_inner().expect("not poisoned"), failures)
    }

    #[tokio::test]
    async fn operations_wait_for_those_before() {
        let operations = [operation(0, &[2]), operation(1, &[0, 2]), operation(2, &[])];
        assert_eq!(run(&operations, |_| End::Done).await, (vec![2, 0, 1], vec![]));
    }

    #[tokio::test]
    async fn a_failure_keeps_back_what_comes_after_it() {
        let operations = [operation(0, &[]), operation(1, &[0]), operation(2, &[])];
        let end = |id: usize| if id == 0 { End::Hopeless(0) } else { End::Done };
        assert_eq!(run(&operations, end).await, (vec![0, 2], vec![0]));
        let stop = |id: usize| if id == 0 { End::Stop(0) } else { End::Done };
        let chain = [operation(0, &[]), operation(1, &[0]), operation(2, &[1])];
        assert_eq!(run(&chain, stop).await, (vec![0], vec![0]));
    }
}
