//! Waiting until releases are up, on a node whose pods do what their annotations say (`cargo xtask env` starts it).
//!
//! Everything but the kubelet is real: API server, controllers, scheduler, and kiel's whole way from a chart to a
//! release record. Each test has a namespace of its own. Most of their time is waiting, so many run at once.
#![allow(
    clippy::disallowed_methods,
    reason = "tests read the environment's variables themselves"
)]

mod charts;
mod failures;
mod gaps;
mod policies;
mod rollouts;
#[path = "../deploy/support.rs"]
#[allow(dead_code, reason = "the tests of deploying use the rest")]
mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

/// Tests at a time, where the command line doesn't say: they wait for the cluster, not for a processor.
const PARALLEL: usize = 24;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime can be made"));

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    // kiel's own futures say where a test has failed; the thread's name would not.
    let mut trials = rollouts::trials();
    trials.extend(failures::trials());
    trials.extend(policies::trials());
    trials.extend(gaps::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test; a panic in it is its failure.
fn trial<F, T>(name: &str, test: F) -> Trial
where
    F: Fn() -> T + Send + 'static,
    T: Future<Output = ()>,
{
    Trial::test(name, move || {
        catch_unwind(AssertUnwindSafe(|| RUNTIME.block_on(test()))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied());
            Failed::from(text.unwrap_or("a panic without words").to_owned())
        })
    })
}
