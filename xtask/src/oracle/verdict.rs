//! What a program said to a case, and how two answers compare.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::charts::Case;

/// A render takes much less; what takes longer is a defect.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Standard output.
    Text(String),
    /// The text behind `Error: `.
    Error(String),
    /// It ended in another way: a crash, no end.
    Broken(String),
}

impl Outcome {
    pub(crate) fn of(program: &Path, words: &[&str], case: &Case) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command.args(words).arg("release-name").arg(&case.chart);
        if let Some(values) = &case.values {
            command.arg("-f").arg(values);
        }
        command
            .args(&case.flags)
            .env_clear()
            .env("HOME", home.path())
            .env("TZ", "UTC")
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let started = Instant::now();
        std::thread::scope(|scope| -> Result<()> {
            scope.spawn(|| out.as_mut().map(|pipe| pipe.read_to_end(&mut stdout)));
            scope.spawn(|| err.as_mut().map(|pipe| pipe.read_to_end(&mut stderr)));
            while child.try_wait()?.is_none() && started.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(3));
            }
            if child.try_wait()?.is_none() {
                child.kill()?;
            }
            Ok(())
        })?;
        let status = child.wait()?;
        if status.success() {
            return Ok(Self::Text(String::from_utf8_lossy(&stdout).into_owned()));
        }
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        match stderr.split_once("Error: ") {
            Some((_, error)) if status.code() == Some(1) => Ok(Self::Error(error.trim_end().to_owned())),
            _ => Ok(Self::Broken(format!("{status}: {stderr}"))),
        }
    }
}

/// How kiel's answer compares with Helm's.
#[derive(Debug)]
pub(crate) enum Verdict {
    Equal,
    EqualError,
    /// All that differs changes from run to run in Helm too.
    EqualButRandom,
    Different(String),
    DifferentError(String),
    HelmFails(String),
    KielFails(String),
    KielBreaks(String),
}

impl Verdict {
    /// `again` is Helm's answer to the same question once more.
    pub(crate) fn between(helm: &Outcome, kiel: &Outcome, again: Option<&Outcome>) -> Self {
        match (helm, kiel) {
            (_, Outcome::Broken(text)) => Self::KielBreaks(text.clone()),
            (Outcome::Text(want), Outcome::Text(got)) => {
                if want == got {
                    Self::Equal
                } else if let Some(Outcome::Text(again)) = again
                    && differ_alike(want, again, got)
                {
                    Self::EqualButRandom
                } else {
                    let again = match again {
                        Some(Outcome::Text(again)) => again,
                        _ => want,
                    };
                    Self::Different(first_difference(want, got, again))
                }
            }
            (Outcome::Error(want) | Outcome::Broken(want), Outcome::Error(got)) => {
                if want == got {
                    Self::EqualError
                } else if words(want) == words(got) {
                    Self::EqualButRandom
                } else {
                    Self::DifferentError(format!("  helm: {want}\n  kiel: {got}"))
                }
            }
            (Outcome::Error(error) | Outcome::Broken(error), Outcome::Text(_)) => {
                Self::HelmFails(error.clone())
            }
            (Outcome::Text(_), Outcome::Error(error)) => Self::KielFails(error.clone()),
        }
    }

    pub(crate) fn is_difference(&self) -> bool {
        !matches!(self, Self::Equal | Self::EqualError | Self::EqualButRandom)
    }

    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::EqualError => "equal errors",
            Self::EqualButRandom => "equal but for Helm's randomness",
            Self::Different(_) => "different",
            Self::DifferentError(_) => "different errors",
            Self::HelmFails(_) => "only Helm fails",
            Self::KielFails(_) => "only kiel fails",
            Self::KielBreaks(_) => "kiel breaks",
        }
    }

    pub(crate) fn detail(&self) -> &str {
        match self {
            Self::Equal | Self::EqualError | Self::EqualButRandom => "",
            Self::Different(text)
            | Self::DifferentError(text)
            | Self::HelmFails(text)
            | Self::KielFails(text)
            | Self::KielBreaks(text) => text,
        }
    }
}

/// The words of an error, in an order of their own: Helm lists properties as its maps give them.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<_> = text
        .split([' ', ',', '\n'])
        .filter(|word| !word.is_empty())
        .collect();
    words.sort_unstable();
    words
}

/// Whether every line that differs from Helm's differs between Helm's two runs too.
fn differ_alike(first: &str, second: &str, ours: &str) -> bool {
    let counts = [first, second, ours].map(|text| text.lines().count());
    counts[0] == counts[1]
        && counts[0] == counts[2]
        && first
            .lines()
            .zip(second.lines())
            .zip(ours.lines())
            .all(|((first, second), ours)| first == ours || first != second)
}

fn first_difference(want: &str, got: &str, again: &str) -> String {
    let random: Vec<_> = again.lines().collect();
    let (wanted, found): (Vec<_>, Vec<_>) = (want.lines().collect(), got.lines().collect());
    let at = wanted
        .iter()
        .zip(&found)
        .zip(random.iter().map(Some).chain(std::iter::repeat(None)))
        .position(|((a, b), again)| a != b && again.is_none_or(|again| a == again))
        .unwrap_or(wanted.len().min(found.len()));
    let source = wanted[..at.min(wanted.len())]
        .iter()
        .rev()
        .find(|line| line.starts_with("# Source: "))
        .copied()
        .unwrap_or_default();
    let show = |lines: &[&str]| {
        let lines: Vec<_> = lines
            .iter()
            .skip(at)
            .take(4)
            .map(|line| format!("    {line}"))
            .collect();
        lines.join("\n")
    };
    format!(
        "  line {} {source}\n  helm:\n{}\n  kiel:\n{}",
        at + 1,
        show(&wanted),
        show(&found)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_helm_changes_too_do_not_count() {
        let text = |text: &str| Outcome::Text(text.to_owned());
        let verdict = |ours: &str| {
            let (first, second) = (text("a: 1\nb: x\n"), text("a: 1\nb: y\n"));
            Verdict::between(&first, &text(ours), Some(&second)).title()
        };
        assert_eq!(verdict("a: 1\nb: z\n"), "equal but for Helm's randomness");
        assert_eq!(verdict("a: 2\nb: z\n"), "different");
        assert_eq!(verdict("a: 1\nb: z\nc: 1\n"), "different");
        let error = Verdict::between(&text("a"), &Outcome::Error("x".to_owned()), None);
        assert_eq!(error.title(), "only kiel fails");
    }
}
