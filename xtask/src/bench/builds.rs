//! The rows about builds.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::lab::{Lab, build_arguments};
use super::measure::{Sample, in_turn, sample};
use super::table::{Figure, Row, quantile};
use crate::{say, shell};

pub(super) const NOOP: &str = "build-noop";
pub(super) const MEMORY: &str = "build-noop-memory";
pub(super) const ONE_OF_MANY: &str = "build-one-of-20";
pub(super) const COLD: &str = "build-cold-context";
pub(super) const CYCLE: &str = "build-whole-cycle";

const IMAGES: usize = 20;
const FILES_PER_IMAGE: usize = 2500;
const COLD_FILES: usize = 10_000;
const CYCLE_FILES: usize = 200;
/// A buildkitd for one build, ended after it; the loop waits as BuildKit's own script for this does.
const DAEMONLESS: &str = r#"
buildkitd "$@" >"$LOG" 2>&1 &
id=$!
trap 'kill $id; wait $id' EXIT
try=0
until buildctl --addr "$ADDRESS" debug workers >/dev/null 2>&1; do
  [ $try -gt 50 ] && exit 1
  sleep $(awk "BEGIN{print (100 + $try * 20) * 0.001}")
  try=$((try + 1))
done
buildctl --addr "$ADDRESS" $BUILD
"#;

/// Some hundred bytes that no other file has.
fn content(path: &str, salt: usize) -> String {
    let line = format!("{path} {salt} the quick brown fox jumps over the lazy dog\n");
    line.repeat(5 + path.len() % 7)
}

fn files(folder: String, count: usize) -> impl Iterator<Item = (String, String)> {
    (0..count).map(move |n| {
        let path = format!("{folder}d{:03}/f{:03}.txt", n / 50, n % 50);
        let text = content(&path, 0);
        (path, text)
    })
}

fn name(n: usize) -> String {
    format!("service-{n:02}")
}

/// A werf.yaml with these images, each in the folder of its name.
fn werf_yaml(images: &[String]) -> String {
    let mut text = "project: bench\nconfigVersion: 1\n".to_owned();
    for image in images {
        text.push_str(&format!(
            "---\nimage: {image}\ndockerfile: Dockerfile\ncontext: {image}\n"
        ));
    }
    text
}

const WITH_RUN: &str = "FROM busybox:1.36\nCOPY . /srv\nRUN find /srv -type f | wc -l >/count\n";
const COPY_ALONE: &str = "FROM busybox:1.36\nCOPY . /srv\n";

fn seconds(samples: &[Sample]) -> f64 {
    let seconds: Vec<f64> = samples.iter().map(|sample| sample.seconds).collect();
    quantile(&seconds, 0.5)
}

fn most_memory(samples: &[Sample]) -> f64 {
    samples.iter().map(|sample| sample.megabytes).fold(0.0, f64::max)
}

/// The rows on a repository of 20 images and 50,000 files.
pub(super) fn many(lab: &Lab, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Row>> {
    let images: Vec<String> = (0..IMAGES).map(name).collect();
    let files = images
        .iter()
        .flat_map(|image| {
            let dockerfile = (format!("{image}/Dockerfile"), WITH_RUN.to_owned());
            files(format!("{image}/"), FILES_PER_IMAGE).chain([dockerfile])
        })
        .chain([("werf.yaml".to_owned(), werf_yaml(&images))]);
    let folder = lab.repository("many", files)?;
    let engine = lab.engine("engine")?;
    let repo = lab.repo("many")?;
    let build = || {
        lab.kiel(
            &folder,
            &["build", "--repo", &repo, "--buildkit-host", &engine.address],
        )
    };
    let first = sample(&build()?)?;
    say::line(&format!(
        "first build of {IMAGES} images: {:.1} s, {:.0} MB",
        first.seconds, first.megabytes
    ));
    let mut rows = Vec::new();
    if wanted(NOOP) || wanted(MEMORY) {
        rows.extend(noop(lab, &folder, &engine.address, &build)?);
        rows.retain(|row| wanted(&row.name));
    }
    if wanted(ONE_OF_MANY) {
        let peer = lab.repo("one-peer")?;
        let change = |side: &str, round: usize| {
            let path = format!("{}/d000/f000.txt", name(round % IMAGES));
            lab.change(&folder, &path, &format!("{side} {round}\n"))
        };
        let (ours, theirs) = in_turn(
            lab.rounds(10),
            |round| {
                change("kiel", round)?;
                sample(&build()?)
            },
            |round| {
                change("buildctl", round)?;
                let image = name(round % IMAGES);
                let target = format!("{peer}:{image}-{round}");
                sample(&lab.buildctl(&engine.address, &folder.join(image), &target)?)
            },
        )?;
        rows.push(Row {
            name: ONE_OF_MANY.to_owned(),
            what: format!("one of {IMAGES} images has changed (COPY of 2,500 files, RUN, push), against buildctl for that image alone"),
            figure: Figure::Ratio {
                ours,
                theirs,
                peer: "buildctl".to_owned(),
            },
            goal: Some(1.1),
        });
    }
    Ok(rows)
}

fn noop(lab: &Lab, folder: &Path, engine: &str, build: &dyn Fn() -> Result<Command>) -> Result<Vec<Row>> {
    let git = lab.program("git")?;
    let status = || -> Result<Command> {
        let mut command = lab.command(&git, folder)?;
        command.args(["status", "--porcelain"]);
        Ok(command)
    };
    let rounds = lab.rounds(20);
    let (ours, git_status) = in_turn(rounds, |_| sample(&build()?), |_| sample(&status()?))?;
    let image = format!("{}:noop", lab.repo("noop-peer")?);
    let buildctl = || lab.buildctl(engine, &folder.join(name(0)), &image);
    let (second, buildctl_noop) = in_turn(rounds / 2 + 1, |_| sample(&build()?), |_| sample(&buildctl()?))?;
    let what = format!("no-op build of {IMAGES} images in a repository of 50,000 files");
    let mut memory = vec![
        ("git status".to_owned(), most_memory(&git_status)),
        ("buildctl".to_owned(), most_memory(&buildctl_noop)),
    ];
    let all: Vec<f64> = ours
        .iter()
        .chain(&second)
        .map(|sample| sample.megabytes)
        .collect();
    let row = |what: String, ours, theirs, peer: &str, goal| Row {
        name: NOOP.to_owned(),
        what,
        figure: Figure::Ratio {
            ours,
            theirs,
            peer: peer.to_owned(),
        },
        goal,
    };
    let mut rows = vec![
        row(what.clone(), ours, git_status, "git status", Some(0.35)),
        row(
            format!("{what}, against buildctl's of one of them"),
            second,
            buildctl_noop,
            "buildctl",
            None,
        ),
    ];
    if let Some(werf) = shell::which("werf") {
        match werf_noop(lab, folder, &werf, build) {
            Ok((ours, theirs)) => {
                memory.push(("werf".to_owned(), most_memory(&theirs)));
                rows.push(row(what.clone(), ours, theirs, "werf", None));
            }
            Err(error) => say::note(&format!("werf could not be measured: {error:#}")),
        }
    }
    rows.push(Row {
        name: MEMORY.to_owned(),
        what: format!("memory of the {what}"),
        figure: Figure::Megabytes {
            ours: all,
            others: memory,
        },
        goal: Some(25.0),
    });
    Ok(rows)
}

/// werf as it is on PATH, without what it does beside the build.
fn werf_noop(
    lab: &Lab,
    folder: &Path,
    werf: &Path,
    build: &dyn Fn() -> Result<Command>,
) -> Result<(Vec<Sample>, Vec<Sample>)> {
    let repo = lab.repo("werf")?;
    let command = || -> Result<Command> {
        let mut command = lab.command(werf, folder)?;
        command
            .args([
                "build",
                "--repo",
                &repo,
                "--synchronization=:local",
                "--insecure-registry",
            ])
            .env("WERF_TELEMETRY", "0")
            .env("WERF_DISABLE_AUTO_HOST_CLEANUP", "1")
            .env("WERF_HOME", lab.path("werf-home"))
            .env(
                "WERF_CONTAINER_REGISTRY_MIRROR_1",
                lab.variable("KIEL_TEST_MIRROR")?,
            );
        Ok(command)
    };
    sample(&command()?)?;
    in_turn(lab.rounds(5), |_| sample(&build()?), |_| sample(&command()?))
}

/// A context that the engine has never seen.
pub(super) fn cold(lab: &Lab) -> Result<Row> {
    let all = files("app/".to_owned(), COLD_FILES).chain([
        ("app/Dockerfile".to_owned(), COPY_ALONE.to_owned()),
        ("werf.yaml".to_owned(), werf_yaml(&["app".to_owned()])),
    ]);
    let folder = lab.repository("cold", all)?;
    let engine = lab.engine("engine-cold")?;
    let forget = || -> Result<()> {
        let mut prune = lab.command(&lab.program("buildctl")?, &folder)?;
        prune.args(["--addr", &engine.address, "prune", "--all"]);
        shell::run(&mut prune).map(drop)
    };
    let (ours, theirs) = in_turn(
        lab.rounds(6),
        |round| {
            forget()?;
            let repo = lab.repo(&format!("cold-{round}"))?;
            let arguments = ["build", "--repo", &repo, "--buildkit-host", &engine.address];
            sample(&lab.kiel(&folder, &arguments)?)
        },
        |round| {
            forget()?;
            let image = format!("{}:app", lab.repo(&format!("cold-peer-{round}"))?);
            sample(&lab.buildctl(&engine.address, &folder.join("app"), &image)?)
        },
    )?;
    say::note(&format!(
        "cold: kiel {:.2} s, buildctl {:.2} s",
        seconds(&ours),
        seconds(&theirs)
    ));
    Ok(Row {
        name: COLD.to_owned(),
        what: format!(
            "COPY of a context of {COLD_FILES} files that the engine has not seen, against buildctl --local"
        ),
        figure: Figure::Ratio {
            ours,
            theirs,
            peer: "buildctl".to_owned(),
        },
        goal: Some(0.5),
    })
}

/// From nothing to a pushed image, engine and all.
pub(super) fn cycle(lab: &Lab) -> Result<Row> {
    let all = files("app/".to_owned(), CYCLE_FILES).chain([
        ("app/Dockerfile".to_owned(), WITH_RUN.to_owned()),
        ("werf.yaml".to_owned(), werf_yaml(&["app".to_owned()])),
    ]);
    let folder = lab.repository("cycle", all)?;
    let (ours, theirs) = in_turn(
        lab.rounds(8),
        |round| {
            let repo = lab.repo(&format!("cycle-{round}"))?;
            let mut command = lab.kiel(&folder, &["build", "--repo", &repo])?;
            command.env("KIEL_HOME", lab.path(&format!("cycle-home-{round}")));
            sample(&command)
        },
        |round| {
            let state = lab.path(&format!("cycle-engine-{round}"));
            fs_err::create_dir_all(&state)?;
            let image = format!("{}:app", lab.repo(&format!("cycle-peer-{round}"))?);
            let mut command = lab.command(Path::new("sh"), &folder.join("app"))?;
            command
                .args(["-c", DAEMONLESS, "daemonless"])
                .args(lab.engine_arguments(&state)?)
                .env("LOG", state.join("log"))
                .env("ADDRESS", format!("unix://{}", state.join("sock").display()))
                .env("BUILD", build_arguments(&image).join(" "));
            sample(&command)
        },
    )?;
    Ok(Row {
        name: CYCLE.to_owned(),
        what:
            "start of an engine without state, build of one image, push, end, against buildkitd started and \
               ended around buildctl"
                .to_owned(),
        figure: Figure::Ratio {
            ours,
            theirs,
            peer: "daemonless buildctl".to_owned(),
        },
        goal: Some(0.7),
    })
}
