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
    /// Milliseconds; the goal is for the worst of a hundred.
    Milliseconds(Vec<f64>),
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
            Figure::Milliseconds(all) => quantile(all, 0.99),
            Figure::Megabytes { ours, .. } => quantile(ours, 1.0),
        }
    }

    fn met(&self) -> Option<bool> {
        self.goal.map(|goal| self.verdict() <= goal)
    }

    fn lines(&self) -> Vec<String> {
        let goal = match (self.goal, self.met()) {
            (Some(goal), Some(met)) => {
                format!("goal at most {goal}: {}", if met { "met" } else { "MISSED" })
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
            Figure::Milliseconds(all) => format!(
                "p50 {:.0} ms, p90 {:.0} ms, p99 {:.0} ms ({} runs)",
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
}
