//! Builds that are killed at any time, race each other, or run again and again: the digests stay, nothing is left.
//!
//! `KIEL_TEST_ROUNDS` is the number of kills (a few without it), `KIEL_TEST_SEED` the seed of their times;
//! `cargo xtask campaign` sets both.

#[path = "../support/engine.rs"]
#[allow(dead_code, reason = "shared with the tests of the engine")]
mod engine;
#[path = "../harness/mod.rs"]
mod harness;
mod place;
mod project;

use std::collections::BTreeSet;
use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Completion, Trial};

use place::Place;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each measures how long an undisturbed build takes.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let trials = vec![
        test("a_build_may_be_killed_at_any_time", || killed(&Place::of_root()?)),
        test(
            "a_build_of_an_ordinary_user_may_be_killed_at_any_time",
            || match Place::of_user()? {
                Some(place) => killed(&place),
                None => Ok(Some("only root can make a user to test with")),
            },
        ),
        test("an_engine_may_be_killed_at_any_time", || {
            killed_engine(&Place::of_root()?)
        }),
        test("six_builds_of_one_commit_agree_on_one_engine", || {
            race(&Place::of_root()?, 6, false)
        }),
        test("two_builds_of_one_commit_agree_on_two_empty_engines", || {
            race(&Place::of_root()?, 2, true)
        }),
        test("runs_that_find_all_done_leave_no_growth", || {
            idle(&Place::of_root()?)
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn test(name: &str, body: fn() -> Result<Option<&'static str>>) -> Trial {
    Trial::ignorable_test(name, move || match body() {
        Ok(None) => Ok(Completion::Completed),
        Ok(Some(reason)) => Ok(Completion::ignored_with(reason)),
        Err(error) => Err(format!("{error:#}").into()),
    })
}

type Outcome = Result<Option<&'static str>>;

fn number(name: &str, otherwise: u64) -> Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}=`{text}`")),
        Err(_) => Ok(otherwise),
    }
}

/// Times from nothing to a bit more than a whole build takes, by SplitMix64.
struct Times {
    state: u64,
    whole: Duration,
}

impl Times {
    fn new(whole: Duration) -> Result<Self> {
        let state = number("KIEL_TEST_SEED", 4)?;
        Ok(Self { state, whole })
    }

    fn next(&mut self) -> Duration {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = u32::try_from((mixed ^ (mixed >> 31)) % 1100).unwrap_or_default();
        self.whole * part / 1000
    }
}

/// Waits, but no longer than for the end.
fn wait_at_most(child: &mut Child, limit: Duration) -> Result<bool> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(false)
}

/// The digests of an undisturbed build, and how long it takes.
fn undisturbed(place: &Place) -> Result<(place::Digests, Duration)> {
    place.build("first", "first")?;
    place.assert_nothing_left()?;
    // The engine's own state is as it will be in the rounds.
    let started = Instant::now();
    let digests = place.build("calm", "first")?;
    Ok((digests, started.elapsed()))
}

fn killed(place: &Place) -> Outcome {
    let (want, whole) = undisturbed(place)?;
    let mut times = Times::new(whole)?;
    let mut unfinished = 0;
    for round in 0..number("KIEL_TEST_ROUNDS", 4)? {
        let at = times.next();
        let repo = format!("round-{round}");
        // Every third on an engine that has nothing.
        let state = if round % 3 == 2 { repo.as_str() } else { "first" };
        let context = || format!("round {round}, killed after {at:?} of {whole:?}");
        let mut child = place.start(&repo, state)?;
        if !wait_at_most(&mut child, at)? {
            unfinished += 1;
            child.kill()?;
        }
        child.wait()?;
        place.assert_nothing_left().with_context(context)?;
        place.validate(&repo).with_context(context)?;
        let again = place.build(&repo, state).with_context(context)?;
        ensure!(again == want, "{}: {again:?} in place of {want:?}", context());
        place.validate(&repo).with_context(context)?;
    }
    ensure!(unfinished > 0, "no build was killed before its end");
    place.assert_nothing_left()?;
    Ok(None)
}

/// A lost engine is replaced once; where that is not enough, the next run goes on.
fn killed_engine(place: &Place) -> Outcome {
    let (want, whole) = undisturbed(place)?;
    let mut times = Times::new(whole)?;
    let mut kills = 0;
    for round in 0..number("KIEL_TEST_ROUNDS", 4)? {
        let at = times.next();
        let repo = format!("round-{round}");
        let context = || format!("round {round}, engine killed after {at:?} of {whole:?}");
        let mut child = place.start(&repo, "first")?;
        if !wait_at_most(&mut child, at)? {
            kills += u64::from(engine::kill_buildkitd(place.home.path())?);
        }
        let ended = child.wait()?;
        let again = place.build(&repo, "first").with_context(context)?;
        ensure!(again == want, "{}: {again:?} in place of {want:?}", context());
        ensure!(ended.success(), "{}: {ended}: {}", context(), place.output());
        place.validate(&repo).with_context(context)?;
        place.assert_nothing_left().with_context(context)?;
    }
    ensure!(kills > 0, "no engine was killed");
    Ok(None)
}

fn race(place: &Place, builders: usize, apart: bool) -> Outcome {
    for round in 0..number("KIEL_TEST_ROUNDS", 1)?.div_ceil(10) {
        let repo = format!("race-{round}");
        let states: Vec<String> = (0..builders)
            .map(|builder| {
                if apart {
                    format!("state-{round}-{builder}")
                } else {
                    format!("state-{round}")
                }
            })
            .collect();
        let children = states
            .iter()
            .enumerate()
            .map(|(builder, state)| place.start_reporting(&repo, state, &format!("report-{builder}")))
            .collect::<Result<Vec<Child>>>()?;
        for child in children {
            let output = child.wait_with_output()?;
            ensure!(
                output.status.success(),
                "round {round}: {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let reports = (0..builders)
            .map(|builder| place.report(&format!("report-{builder}")))
            .collect::<Result<BTreeSet<_>>>()?;
        ensure!(reports.len() == 1, "round {round}: {reports:?}");
        let tagged = place.validate(&repo)?;
        for (image, digest) in reports.iter().flatten() {
            ensure!(
                tagged.values().any(|found| found == digest),
                "{image}: {digest} has no tag: {tagged:?}"
            );
        }
    }
    place.assert_nothing_left()?;
    Ok(None)
}

fn idle(place: &Place) -> Outcome {
    let want = place.build("idle", "idle")?;
    place.build("idle", "idle")?;
    let before = (place.files("idle")?, place.validate("idle")?);
    for _ in 0..number("KIEL_TEST_ROUNDS", 20)? {
        ensure!(place.build("idle", "idle")? == want);
    }
    let after = (place.files("idle")?, place.validate("idle")?);
    ensure!(before == after, "before: {before:?}\nafter: {after:?}");
    place.assert_nothing_left()?;
    Ok(None)
}
