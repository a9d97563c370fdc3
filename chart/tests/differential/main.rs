//! Random questions to the real Helm's engine and to kiel; the answers, output or text of the error, are compared.
//!
//! `KIEL_TEST_HELM_BATCH` names the program that asks Helm (`xtask/tools/helm/batch`). `KIEL_TEST_ROUNDS` is the number of
//! questions of each kind (a few without it), `KIEL_TEST_SEED` their seed, `KIEL_TEST_DIFFERENCES` a file that gets all
//! differences as lines for a table of `tests/golden/templates`; `cargo xtask oracle fuzz` sets them. The same seed asks the
//! same questions.
//!
//! Left out are functions whose results change from run to run, what is inside of times, and the words about wrong TOML.

mod calls;
mod flags;
mod grammar;
mod literals;
mod oracle;
#[path = "../support/question.rs"]
mod question;
mod random;
mod values;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Completion, Trial};
use serde_json::Value;

use calls::Calls;
use oracle::Oracle;
use random::{Random, number, variable};

/// Questions of a kind where nobody says how many.
const ROUNDS: u64 = 500;
/// Questions that are under way at a time.
const BATCH: u64 = 500;
/// How often Helm is asked again what it answered otherwise.
const AGAIN: usize = 12;
/// Differences that are shown.
const SHOWN: usize = 12;

type Make = fn(&mut Random, &Calls) -> Value;

const KINDS: &[(&str, Make)] = &[
    ("writers", |random, _| calls::emitted(random)),
    ("readers", |random, _| calls::read(random)),
    ("printf", |random, _| calls::printf(random)),
    ("flags", |random, _| flags::question(random)),
    ("functions", |random, calls| calls.question(random, None)),
    ("regex", |random, calls| calls.question(random, Some(&["re"]))),
    ("semver", |random, calls| {
        calls.question(random, Some(&["ver", "con"]))
    }),
    ("dates", |random, calls| {
        calls.question(random, Some(&["lay", "dur", "time", "zone", "date"]))
    }),
    ("urls_and_paths", |random, calls| {
        calls.question(random, Some(&["url", "urlmap", "path", "b64"]))
    }),
    ("numbers", |random, calls| {
        calls.question(random, Some(&["num", "small", "int", "any*"]))
    }),
    ("templates", |random, calls| grammar::question(random, calls)),
    ("tokens", |random, _| grammar::tokens(random)),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let trials = KINDS.iter().enumerate().map(|(at, (name, make))| {
        Trial::ignorable_test(format!("equal::{name}"), move || {
            match variable("KIEL_TEST_HELM_BATCH") {
                None => Ok(Completion::ignored_with(
                    "KIEL_TEST_HELM_BATCH does not name a program",
                )),
                Some(program) => match compare(Path::new(&program), name, at as u64, *make) {
                    Ok(()) => Ok(Completion::Completed),
                    Err(error) => Err(format!("{error:#}").into()),
                },
            }
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn compare(program: &Path, name: &'static str, kind: u64, make: Make) -> Result<()> {
    let program = PathBuf::from(program);
    // Helm nests as deeply as its memory allows.
    let thread = std::thread::Builder::new()
        .stack_size(question::STACK)
        .spawn(move || compare_here(&program, name, kind, make))?;
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn compare_here(program: &Path, name: &str, kind: u64, make: Make) -> Result<()> {
    let (rounds, seed) = (number("KIEL_TEST_ROUNDS", ROUNDS)?, number("KIEL_TEST_SEED", 5)?);
    let calls = Calls::new();
    let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(kind));
    let mut oracle = Oracle::start(program)?;
    let (mut done, mut outputs, mut differences) = (0, 0, Vec::new());
    while done < rounds {
        let count = BATCH.min(rounds - done);
        let questions: Vec<Value> = (0..count).map(|_| make(&mut random, &calls)).collect();
        let (answers, ours) = oracle.ask(&questions, || {
            questions
                .iter()
                .map(|case| Ok(question::show(&question::answer(case, Path::new(""))?)))
                .collect::<Result<Vec<_>>>()
        })?;
        for ((mut case, theirs), got) in questions.into_iter().zip(answers).zip(ours?) {
            // Charts lose a byte order mark when they are loaded.
            if case["template"]
                .as_str()
                .is_some_and(|text| text.starts_with('\u{feff}'))
            {
                continue;
            }
            let Some(theirs) = theirs else { continue };
            let answer = question::wanted(&theirs)?;
            outputs += u64::from(answer.is_ok());
            let want = question::show(&answer);
            if !question::same(&want, &got)
                && !is_internal(&want)
                && !are_endless(&want, &got)
                && !is_chance(&mut oracle, &case, &want, &got)?
            {
                if let (Some(case), Value::Object(theirs)) = (case.as_object_mut(), theirs) {
                    case.extend(theirs);
                }
                differences.push((case, want, got));
            }
        }
        done += count;
    }
    oracle.end()?;
    ensure!(
        rounds < 100 || outputs * 20 > rounds,
        "of {rounds} {name} only {outputs} gave an output"
    );
    report(name, rounds, &differences)
}

/// Whether Helm's answer shows what is inside a Go `time.Time`.
fn is_internal(answer: &str) -> bool {
    answer.contains("time.Date(") || answer.contains("time.Location") || answer.contains("time.Time{")
}

/// Whether both have given up a template that calls itself without end; where, the depth of the stack says.
fn are_endless(want: &str, got: &str) -> bool {
    [want, got]
        .iter()
        .all(|answer| answer.contains("exceeded maximum template depth"))
}

/// Whether Helm itself says now this, now that: keys that its YAML library sorts in circles come out by chance.
fn is_chance(oracle: &mut Oracle, case: &Value, want: &str, got: &str) -> Result<bool> {
    let again = vec![case.clone(); AGAIN];
    let (answers, ()) = oracle.ask(&again, || ())?;
    for answer in answers.into_iter().flatten() {
        let answer = question::show(&question::wanted(&answer)?);
        if question::same(&answer, got) || !question::same(&answer, want) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn report(name: &str, rounds: u64, differences: &[(Value, String, String)]) -> Result<()> {
    if let Some(path) = variable("KIEL_TEST_DIFFERENCES") {
        let mut file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
        for (case, _, got) in differences {
            let mut case = case.clone();
            case["got"] = got.clone().into();
            writeln!(file, "{case}")?;
        }
    }
    let mut shown: Vec<_> = differences.iter().collect();
    shown.sort_by_key(|(case, ..)| {
        case["template"].as_str().map_or(0, str::len) + case["values"].as_str().map_or(0, str::len)
    });
    let shown: Vec<_> = shown
        .iter()
        .take(SHOWN)
        .map(|(case, want, got)| {
            let rest = case
                .as_object()
                .map(|case| case.iter().filter(|(key, _)| *key != "template"));
            let rest = rest
                .into_iter()
                .flatten()
                .map(|(key, value)| format!("{key}: {value}"));
            let rest: String = rest.collect::<Vec<_>>().join(", ").chars().take(300).collect();
            format!("{} {rest}\n want {want:?}\n got  {got:?}", case["template"])
        })
        .collect();
    ensure!(
        differences.is_empty(),
        "{} of {rounds} {name} differ:\n{}",
        differences.len(),
        shown.join("\n")
    );
    Ok(())
}
