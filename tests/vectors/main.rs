//! What the real werf printed in some five hundred small projects, held against kiel.
//!
//! `cases/` has the recorded facts by area, `README.md` tells their format, `contract.rs` what counts as equal.
//! `deviations.txt` lists the cases whose result is another one on purpose, with the reasons: a case on it that comes
//! out as recorded fails, so that the list can only tell the truth.

mod case;
mod contract;
mod deviations;
mod fixture;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::case::Case;
use crate::fixture::Fixture;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            let broken = Trial::test("cases_can_be_read", move || Err(failed(&error)));
            libtest_mimic::run(&arguments, vec![broken]).exit_code()
        }
    }
}

fn trials() -> Result<Vec<Trial>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let cases = case::read(&folder.join("cases"))?;
    let mut listed = deviations::read(&folder.join("deviations.txt"))?;
    let mut trials = vec![
        own("the_judge_tells_objects_apart", contract::tells_objects_apart),
        own("wrong_lists_are_refused", deviations::refuses_wrong_lists),
    ];
    for case in cases {
        let reason = listed.remove(&case.id);
        let name = case.id.clone();
        trials.push(Trial::test(name, move || {
            judge(&case, reason.as_deref()).map_err(|error| failed(&error))
        }));
    }
    ensure!(
        listed.is_empty(),
        "deviations.txt names cases that are not there: {:?}",
        listed.into_keys().collect::<Vec<_>>()
    );
    Ok(trials)
}

fn own(name: &str, run: fn() -> Result<()>) -> Trial {
    Trial::test(name, move || run().map_err(|error| failed(&error)))
}

fn failed(error: &anyhow::Error) -> Failed {
    Failed::from(format!("{error:#}"))
}

/// Runs a case; one with a reason to differ has to differ.
fn judge(case: &Case, reason: Option<&str>) -> Result<()> {
    let found = run(case).with_context(|| format!("cannot run the case: {}", case.what))?;
    match (found.is_empty(), reason) {
        (true, None) | (false, Some(_)) => Ok(()),
        (true, Some(reason)) => bail!("comes out as recorded; remove it from deviations.txt ({reason})"),
        (false, None) => {
            let note = case.note.as_deref().unwrap_or_default();
            bail!(
                "{} {note}\nneeds {:?}\nkiel {}\n{}",
                case.what,
                case.needs,
                case.args.join(" "),
                found.join("\n")
            )
        }
    }
}

fn run(case: &Case) -> Result<Vec<String>> {
    let fixture = Fixture::of(case)?;
    for args in &case.pre {
        let before = fixture.run(case, args, "")?;
        if before.code != Some(0) {
            return Ok(vec![format!(
                "kiel {} before it failed:\n{}",
                args.join(" "),
                before.stderr
            )]);
        }
    }
    let outcome = fixture.run(case, &case.args, &case.stdin)?;
    contract::differences(case, &fixture, &outcome)
}
