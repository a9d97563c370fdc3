//! The same commit gives the same result: the same keys whatever came before, the same files as a build from scratch,
//! the same digests on every engine.

#[path = "../support/engine.rs"]
#[allow(dead_code, reason = "shared with the tests of the engine")]
mod engine;
#[path = "../support/project.rs"]
#[allow(dead_code, reason = "shared with the tests of builds")]
mod project;

mod cases;
mod engines;
mod forest;
mod keys;

use std::process::ExitCode;

use anyhow::Result;
use engine::Bench;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let mut trials = vec![
        pure("files_change_the_keys_that_they_are_for", keys::files),
        pure(
            "the_configuration_changes_the_keys_that_it_is_for",
            keys::configuration,
        ),
        pure("the_order_of_images_changes_no_key", keys::order),
        pure("the_way_of_a_commit_changes_no_key", keys::history),
        pure("case::branch_switch", cases::branch_switch),
        pure("case::keys_without_registry_engine_and_content", cases::offline),
        pure("case::submodule", cases::submodule),
        pure("case::mapping_of_the_whole_repository", cases::whole_repository),
        pure("case::mapping_without_files", cases::empty_mapping),
        pure("case::mapping_of_another_commit", cases::other_commits),
        built(
            "equal_commits_give_equal_digests_in_one_go_and_continued",
            engines::continued,
        ),
        built(
            "a_hermetic_image_has_one_digest_by_any_history",
            engines::hermetic,
        ),
        built(
            "patched_images_have_the_files_of_a_build_from_scratch",
            engines::patched,
        ),
    ];
    trials.extend(cases::all().map(|(name, body)| pure(&name, body)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn pure(name: &str, body: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || body().map_err(told))
}

fn built<F>(name: &str, body: fn(Bench) -> F) -> Trial
where
    F: Future<Output = Result<()>> + 'static,
{
    Trial::test(name, move || {
        let run = || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            runtime.block_on(body(Bench::new()?))
        };
        run().map_err(told)
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn told(error: anyhow::Error) -> Failed {
    format!("{error:#}").into()
}
