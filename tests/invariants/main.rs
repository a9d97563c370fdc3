//! What holds for the repository itself: format, lints, direction of dependencies, purity, size, generated
//! pages, licences. Each check names every place that breaks it; the checks' own eyes are tested too.

mod compiled;
mod direction;
mod purity;
mod size;
mod source;
mod tools;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        check("every_test_file_is_compiled", compiled::check),
        check("folders_know_only_what_lies_below_them", direction::check_folders),
        check("crates_know_only_what_lies_below_them", direction::check_crates),
        check("only_their_folder_names_gix_and_clap", direction::check_owners),
        check("pure_crates_have_no_io_clock_or_environment", purity::check),
        check("files_have_at_most_800_lines", size::check),
        check("code_is_formatted", tools::check_format),
        check("cli_reference_is_up_to_date", tools::check_reference),
        check("config_reference_is_up_to_date", tools::check_config_reference),
        check("clippy_has_no_warning", tools::check_clippy),
        check("licences_bans_and_sources_are_allowed", tools::check_deny),
        Trial::ignorable_test("no_dependency_has_a_known_hole", || {
            outcome(tools::check_advisories())
        }),
    ];
    trials.extend([
        check(
            "the_scanner_sees_paths_and_groups",
            source::tests::paths_and_groups,
        ),
        check(
            "the_scanner_skips_comments_strings_and_tests",
            source::tests::skips,
        ),
        check("upward_and_circular_uses_are_seen", direction::tests::violations),
        check("forgotten_files_are_seen", compiled::tests::forgotten),
    ]);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn check(name: &str, run: fn() -> anyhow::Result<()>) -> Trial {
    Trial::test(name, move || run().map_err(failed))
}

fn outcome(result: anyhow::Result<Option<String>>) -> Result<Completion, Failed> {
    match result.map_err(failed)? {
        None => Ok(Completion::Completed),
        Some(reason) => Ok(Completion::ignored_with(reason)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn failed(error: anyhow::Error) -> Failed {
    Failed::from(format!("{error:#}"))
}

/// Fails with one line for each broken place.
fn none(what: &str, mut broken: Vec<String>) -> anyhow::Result<()> {
    broken.sort();
    broken.dedup();
    anyhow::ensure!(broken.is_empty(), "{what}:\n  {}", broken.join("\n  "));
    Ok(())
}
