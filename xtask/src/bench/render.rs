//! The rows about rendering: `kiel helm template` beside the real `helm template`.
//!
//! Public charts are not part of this repository: the rows that need them are measured where folders of charts are
//! given. The outputs are not compared here; `cargo xtask oracle charts` does that.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::charts::{self, GivenChart};
use super::lab::Lab;
use super::measure::{Sample, in_turn, milliseconds, sample};
use super::table::{Figure, Row};
use crate::{say, shell};

pub(super) const STACK: &str = "render-prometheus-stack";
pub(super) const MEMORY: &str = "render-memory";
pub(super) const UMBRELLA: &str = "render-umbrella";
pub(super) const TPL: &str = "render-tpl";
pub(super) const LOOP: &str = "render-loop";
pub(super) const ALL: &str = "render-charts";
pub(super) const START: &str = "start";

/// All rows of this file.
pub(super) const ROWS: [&str; 7] = [STACK, MEMORY, UMBRELLA, TPL, LOOP, ALL, START];

/// The chart whose rows have its name.
const STACK_CHART: &str = "kube-prometheus-stack";

const PEER: &str = "helm";

struct Renders<'l> {
    lab: &'l Lab,
    helm: PathBuf,
    folder: PathBuf,
}

/// The rows whose names are wanted; `dirs` are folders with charts.
pub(super) fn rows(lab: &Lab, wanted: &dyn Fn(&str) -> bool, dirs: &[PathBuf]) -> Result<Vec<Row>> {
    let renders = Renders {
        lab,
        helm: lab.program("helm")?,
        folder: lab.path("render"),
    };
    fs_err::create_dir_all(&renders.folder)?;
    let mut rows = Vec::new();
    if wanted(START) {
        rows.push(renders.start()?);
    }
    for (name, what, goal, files) in [
        (
            UMBRELLA,
            "an umbrella of 100 subcharts with 2,000 templates",
            15.0,
            charts::umbrella as fn() -> Vec<(String, String)>,
        ),
        (TPL, "2,000 calls of tpl in 400 templates", 40.0, charts::tpl),
        (LOOP, "a loop that writes 760 KB", 10.0, charts::long_loop),
    ] {
        if wanted(name) {
            let chart = lab.folder(name, files().into_iter())?;
            let (ours, theirs) = renders.beside_helm(&chart, lab.rounds(10))?;
            rows.push(row(name, what, ours, theirs, goal));
        }
    }
    if [STACK, MEMORY, ALL].into_iter().any(wanted) {
        rows.extend(renders.given(wanted, dirs)?);
    }
    Ok(rows)
}

fn row(name: &str, what: &str, ours: Vec<Sample>, theirs: Vec<Sample>, goal: f64) -> Row {
    Row {
        name: name.to_owned(),
        what: what.to_owned(),
        figure: Figure::Times {
            ours,
            theirs,
            peer: PEER.to_owned(),
        },
        goal: Some(goal),
    }
}

impl Renders<'_> {
    fn kiel(&self, chart: &Path) -> Result<Command> {
        let chart = chart.to_string_lossy();
        self.lab
            .kiel(&self.folder, &["helm", "template", "bench", &chart])
    }

    fn helm(&self, chart: &Path) -> Result<Command> {
        let mut command = self.lab.command(&self.helm, &self.folder)?;
        command
            .args(["template", "bench"])
            .arg(chart)
            .env("HELM_CACHE_HOME", self.lab.path("helm-cache"))
            .env("HELM_CONFIG_HOME", self.lab.path("helm-config"))
            .env("HELM_DATA_HOME", self.lab.path("helm-data"));
        Ok(command)
    }

    fn beside_helm(&self, chart: &Path, rounds: usize) -> Result<(Vec<Sample>, Vec<Sample>)> {
        let (kiel, helm) = (self.kiel(chart)?, self.helm(chart)?);
        in_turn(rounds, |_| sample(&kiel), |_| sample(&helm))
    }

    fn start(&self) -> Result<Row> {
        let command = self.lab.kiel(&self.folder, &["version"])?;
        let mut times = Vec::new();
        for round in 0..=self.lab.rounds(40) {
            let sample = sample(&command)?;
            if round > 0 {
                times.push(milliseconds(std::time::Duration::from_secs_f64(sample.seconds)));
            }
        }
        Ok(Row {
            name: START.to_owned(),
            what: "kiel version, from the start of the process to its end".to_owned(),
            figure: Figure::Milliseconds {
                all: times,
                part: 0.5,
            },
            goal: Some(5.0),
        })
    }

    /// The rows about charts in folders.
    fn given(&self, wanted: &dyn Fn(&str) -> bool, dirs: &[PathBuf]) -> Result<Vec<Row>> {
        if dirs.is_empty() {
            say::note("no folders of charts are given by --charts: rows about public charts are left out");
            return Ok(Vec::new());
        }
        let charts = charts::given(dirs, &self.helm, &self.lab.path("charts"))?;
        let mut rows = Vec::new();
        if wanted(STACK) || wanted(MEMORY) {
            let is_stack = |chart: &&GivenChart| chart.name.ends_with(&format!("/{STACK_CHART}"));
            match charts.iter().find(is_stack) {
                Some(chart) => rows.extend(self.stack(chart)?),
                None => say::note(&format!("no folder given by --charts has {STACK_CHART}")),
            }
            rows.retain(|row| wanted(&row.name));
        }
        if wanted(ALL) {
            rows.push(self.all(&charts)?);
        }
        Ok(rows)
    }

    fn stack(&self, chart: &GivenChart) -> Result<[Row; 2]> {
        let (ours, theirs) = self.beside_helm(&chart.folder, self.lab.rounds(20))?;
        let megabytes = |samples: &[Sample]| samples.iter().map(|sample| sample.megabytes).collect();
        let ours_memory: Vec<f64> = megabytes(&ours);
        let most = theirs.iter().map(|sample| sample.megabytes).fold(0.0, f64::max);
        let what = format!("{STACK_CHART} with its dependencies");
        Ok([
            row(STACK, &what, ours, theirs, 12.0),
            Row {
                name: MEMORY.to_owned(),
                what: format!("memory of the render of {what}"),
                figure: Figure::Megabytes {
                    ours: ours_memory,
                    others: vec![(PEER.to_owned(), most)],
                },
                goal: Some(40.0),
            },
        ])
    }

    /// Every chart that Helm renders, a few times each.
    fn all(&self, charts: &[GivenChart]) -> Result<Row> {
        let mut measured = Vec::new();
        for chart in charts {
            if !shell::succeeds(&mut self.helm(&chart.folder)?) {
                continue;
            }
            let (ours, theirs) = self
                .beside_helm(&chart.folder, self.lab.rounds(3))
                .with_context(|| chart.name.clone())?;
            measured.push((chart.name.clone(), ours, theirs));
        }
        ensure!(
            !measured.is_empty(),
            "Helm renders none of the charts that are given"
        );
        Ok(Row {
            name: ALL.to_owned(),
            what: format!("{} public charts with their default values", measured.len()),
            figure: Figure::Each {
                measured,
                peer: PEER.to_owned(),
            },
            goal: Some(10.0),
        })
    }
}
