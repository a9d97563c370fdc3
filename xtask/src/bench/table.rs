//! Rows and how they are printed: medians, quartiles, goals.

use super::measure::Sample;
use crate::say;

/// What is compared with a goal.
#[derive(Debug, Clone)]
pub(super) enum Figure {
    /// Ratios of pairs, ours through theirs.
    Ratio {
        ours: Vec<Sample>,
        theirs: Vec<Sample>,
        peer: String,
    },
    /// Ratios of pairs of processor time, theirs through ours: how many times as fast we are.
    Times {
        ours: Vec<Sample>,
        theirs: Vec<Sample>,
        peer: String,
    },
    /// The same for many things, each with a name; the goal is for the geometric mean.
    Each {
        measured: Vec<(String, Vec<Sample>, Vec<Sample>)>,
        peer: String,
    },
    /// Milliseconds; the goal is for what this part of them does not exceed.
    Milliseconds { all: Vec<f64>, part: f64 },
    /// Megabytes; the goal is for the worst.
    Megabytes {
        ours: Vec<f64>,
        others: Vec<(String, f64)>,
    },
}

/// One line of the result.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) what: String,
    pub(super) figure: Figure,
    pub(super) goal: Option<f64>,
}

impl Row {
    /// The figure that the goal is for.
    fn verdict(&self) -> f64 {
        match &self.figure {
            Figure::Ratio { ours, theirs, .. } => quantile(&ratios(ours, theirs), 0.5),
            Figure::Times { ours, theirs, .. } => times(ours, theirs, cpu),
            Figure::Each { measured, .. } => geometric_mean(measured, cpu),
            Figure::Milliseconds { all, part } => quantile(all, *part),
            Figure::Megabytes { ours, .. } => quantile(ours, 1.0),
        }
    }

    /// Whether more is better.
    fn is_speed(&self) -> bool {
        matches!(self.figure, Figure::Times { .. } | Figure::Each { .. })
    }

    fn met(&self) -> Option<bool> {
        let verdict = self.verdict();
        self.goal.map(|goal| {
            if self.is_speed() {
                verdict >= goal
            } else {
                verdict <= goal
            }
        })
    }

    fn lines(&self) -> Vec<String> {
        let goal = match (self.goal, self.met()) {
            (Some(goal), Some(met)) => {
                let bound = if self.is_speed() { "least" } else { "most" };
                format!("goal at {bound} {goal}: {}", if met { "met" } else { "MISSED" })
            }
            _ => "no goal".to_owned(),
        };
        let figures = match &self.figure {
            Figure::Ratio { ours, theirs, peer } => {
                let ratios = ratios(ours, theirs);
                let side = |samples: &[Sample]| {
                    let seconds: Vec<f64> = samples.iter().map(|sample| sample.seconds).collect();
                    let memory: Vec<f64> = samples.iter().map(|sample| sample.megabytes).collect();
                    format!(
                        "{:.3} s, {:.0} MB",
                        quantile(&seconds, 0.5),
                        quantile(&memory, 1.0)
                    )
                };
                format!(
                    "{:.2} of {peer} ({:.2} to {:.2}, {} pairs): kiel {}; {peer} {}",
                    quantile(&ratios, 0.5),
                    quantile(&ratios, 0.25),
                    quantile(&ratios, 0.75),
                    ratios.len(),
                    side(ours),
                    side(theirs)
                )
            }
            Figure::Times { ours, theirs, peer } => {
                let ratios = speeds(ours, theirs, cpu);
                format!(
                    "{:.1} times as fast as {peer} in processor time ({:.1} to {:.1}, {} pairs), {:.1} times by the clock: \
                     kiel {}; {peer} {}",
                    quantile(&ratios, 0.5),
                    quantile(&ratios, 0.25),
                    quantile(&ratios, 0.75),
                    ratios.len(),
                    times(ours, theirs, clock),
                    both_times(ours),
                    both_times(theirs)
                )
            }
            Figure::Each { measured, peer } => {
                let mut each: Vec<(f64, &str)> = measured
                    .iter()
                    .map(|(name, ours, theirs)| (times(ours, theirs, cpu), name.as_str()))
                    .collect();
                each.sort_by(|a, b| a.0.total_cmp(&b.0));
                let all: Vec<f64> = each.iter().map(|(ratio, _)| *ratio).collect();
                let slowest: Vec<String> = each
                    .iter()
                    .take(5)
                    .map(|(ratio, name)| format!("{name} {ratio:.1}"))
                    .collect();
                format!(
                    "{:.1} times as fast as {peer} in processor time (geometric mean; a tenth below {:.1}, half below \
                     {:.1}), {:.1} times by the clock; least: {}",
                    geometric_mean(measured, cpu),
                    quantile(&all, 0.1),
                    quantile(&all, 0.5),
                    geometric_mean(measured, clock),
                    slowest.join(", ")
                )
            }
            Figure::Milliseconds { all, .. } => format!(
                "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms ({} runs)",
                quantile(all, 0.5),
                quantile(all, 0.9),
                quantile(all, 0.99),
                all.len()
            ),
            Figure::Megabytes { ours, others } => {
                let others: String = others
                    .iter()
                    .map(|(name, value)| format!("; {name} {value:.0} MB"))
                    .collect();
                format!(
                    "kiel {:.1} MB at most, {:.1} MB mostly{others}",
                    quantile(ours, 1.0),
                    quantile(ours, 0.5)
                )
            }
        };
        vec![
            format!("{}  {}", self.name, self.what),
            format!("    {figures}"),
            format!("    {goal}"),
        ]
    }
}

/// Prints all rows, and how many goals are met.
pub(super) fn print(rows: &[Row]) {
    for row in rows {
        row.lines().iter().for_each(|line| say::line(line));
    }
    let verdicts: Vec<bool> = rows.iter().filter_map(Row::met).collect();
    let met = verdicts.iter().filter(|met| **met).count();
    say::line(&format!("{met} of {} goals met", verdicts.len()));
}

fn ratios(ours: &[Sample], theirs: &[Sample]) -> Vec<f64> {
    let pairs = ours.iter().zip(theirs);
    pairs
        .map(|(ours, theirs)| ours.seconds / theirs.seconds)
        .collect()
}

fn cpu(sample: &Sample) -> f64 {
    sample.cpu_seconds
}

fn clock(sample: &Sample) -> f64 {
    sample.seconds
}

/// How many times as fast we were in each pair.
fn speeds(ours: &[Sample], theirs: &[Sample], of: fn(&Sample) -> f64) -> Vec<f64> {
    // A process that is over within the clock's resolution took that much.
    const RESOLUTION: f64 = 1e-4;
    let pairs = ours.iter().zip(theirs);
    pairs
        .map(|(ours, theirs)| of(theirs) / of(ours).max(RESOLUTION))
        .collect()
}

fn times(ours: &[Sample], theirs: &[Sample], of: fn(&Sample) -> f64) -> f64 {
    quantile(&speeds(ours, theirs, of), 0.5)
}

fn geometric_mean(measured: &[(String, Vec<Sample>, Vec<Sample>)], of: fn(&Sample) -> f64) -> f64 {
    let logarithms = measured
        .iter()
        .map(|(_, ours, theirs)| times(ours, theirs, of).ln());
    (logarithms.sum::<f64>() / measured.len() as f64).exp()
}

/// Medians of both times, and the memory of the largest run.
fn both_times(samples: &[Sample]) -> String {
    let median = |of: fn(&Sample) -> f64| quantile(&samples.iter().map(of).collect::<Vec<_>>(), 0.5) * 1000.0;
    let megabytes: Vec<f64> = samples.iter().map(|sample| sample.megabytes).collect();
    format!(
        "{:.0} ms of a processor, {:.0} ms, {:.0} MB",
        median(cpu),
        median(clock),
        quantile(&megabytes, 1.0)
    )
}

/// The value that this part of the values does not exceed; the next greater one where it lies between two.
pub(super) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut place = 0;
    while place + 1 < sorted.len() && ((place + 1) as f64) < part * sorted.len() as f64 {
        place += 1;
    }
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        for (part, want) in [(0.0, 1.0), (0.25, 2.0), (0.5, 3.0), (0.99, 5.0), (1.0, 5.0)] {
            assert!((quantile(&values, part) - want).abs() < 1e-9, "{part}");
        }
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_missed_goal_is_shown() {
        let sample = |seconds| Sample {
            seconds,
            cpu_seconds: seconds,
            megabytes: 1.0,
        };
        let row = |seconds| Row {
            name: "x".to_owned(),
            what: String::new(),
            figure: Figure::Ratio {
                ours: vec![sample(seconds); 3],
                theirs: vec![sample(1.0); 3],
                peer: "peer".to_owned(),
            },
            goal: Some(0.5),
        };
        assert_eq!((row(0.4).met(), row(0.6).met()), (Some(true), Some(false)));
        assert!(row(0.6).lines().concat().contains("MISSED"));
    }

    #[test]
    fn more_speed_is_better() {
        let samples = |seconds: f64| {
            vec![
                Sample {
                    seconds: 1.0,
                    cpu_seconds: seconds,
                    megabytes: 1.0,
                };
                3
            ]
        };
        let row = |figure| Row {
            name: "x".to_owned(),
            what: String::new(),
            figure,
            goal: Some(3.5),
        };
        let pair = |ratio: f64| Figure::Times {
            ours: samples(1.0),
            theirs: samples(ratio),
            peer: "peer".to_owned(),
        };
        assert_eq!(
            (row(pair(4.0)).met(), row(pair(3.0)).met()),
            (Some(true), Some(false))
        );
        let each = |name: &str, ratio: f64| (name.to_owned(), samples(1.0), samples(ratio));
        let all = row(Figure::Each {
            measured: vec![each("quick", 8.0), each("slow", 2.0)],
            peer: "peer".to_owned(),
        });
        assert!((all.verdict() - 4.0).abs() < 1e-9);
        assert!(all.lines().concat().contains("least: slow 2.0, quick 8.0"));
    }
}
