//! Events as plain lines: stable prefixes, one line a fact, good for pipes and CI logs.

use std::collections::HashSet;

use anstyle::{AnsiColor, Style};

use super::Verbosity;
use super::text::{cut_bytes, plain_line, plain_text};
use crate::event::{BuildState, Event, Level};

/// Longest line of a program's output that is shown whole, in bytes.
const LINE_LIMIT: usize = 4 << 10;
/// What stands at the end of a line that is not shown whole.
const CUT: &str = " … (cut; the log file has all of it)";

/// Makes lines of events.
#[derive(Debug)]
pub(super) struct Plain {
    verbosity: Verbosity,
    /// Programs whose last line goes on: its other pieces are not shown.
    open: HashSet<(String, String)>,
}

impl Plain {
    pub(super) fn new(verbosity: Verbosity) -> Self {
        Self {
            verbosity,
            open: HashSet::new(),
        }
    }

    /// The line of a masked event; none where it is not to be shown.
    pub(super) fn line(&mut self, event: &Event) -> Option<String> {
        if let Event::Message { level, text } = event {
            return message(*level, text, self.verbosity);
        }
        if self.verbosity == Verbosity::Quiet {
            return None;
        }
        match event {
            Event::Build {
                state: BuildState::Waiting,
                ..
            } => None,
            Event::Build {
                image,
                stage,
                state,
                elapsed,
                detail,
            } => {
                let subject = match stage {
                    Some(stage) => format!("{image}/{stage}"),
                    None => image.clone(),
                };
                let (word, color) = build_word(*state);
                let elapsed = elapsed
                    .map(|time| format!(" in {:.1}s", time.as_secs_f64()))
                    .unwrap_or_default();
                Some(join(
                    &subject,
                    &format!("{}{elapsed}", paint(word, color)),
                    detail,
                ))
            }
            Event::Step {
                image,
                name,
                cached,
                elapsed,
                failed,
            } => {
                if self.verbosity != Verbosity::Verbose {
                    return None;
                }
                let state = match (cached, elapsed) {
                    (true, _) => "cached".to_owned(),
                    (false, Some(time)) if *failed => format!("failed after {:.1}s", time.as_secs_f64()),
                    (false, Some(time)) => format!("done in {:.1}s", time.as_secs_f64()),
                    (false, None) => "started".to_owned(),
                };
                Some(join(image, &state, name))
            }
            Event::Log {
                source,
                part,
                line,
                ends,
                hidden: false,
            } => self.log(source, part, line, *ends),
            Event::Resource {
                resource,
                state,
                detail,
            } => resource_line(resource, state, detail),
            // Told in the summary.
            Event::Reason { image, reason } => {
                (self.verbosity == Verbosity::Verbose).then(|| join(image, "differs:", reason))
            }
            Event::Log { .. } | Event::Message { .. } | Event::Summary => None,
        }
    }

    fn log(&mut self, source: &str, part: &str, line: &str, ends: bool) -> Option<String> {
        let key = (source.to_owned(), part.to_owned());
        let goes_on = self.open.contains(&key);
        if ends {
            self.open.remove(&key);
        } else if !goes_on {
            self.open.insert(key);
        }
        if goes_on {
            return None;
        }
        let (shown, left_out) = cut_bytes(line, LINE_LIMIT);
        let mark = if left_out > 0 || !ends { CUT } else { "" };
        let prefix = paint(&format!("{} |", plain_line(source)), AnsiColor::BrightBlack);
        Some(format!("{prefix} {}{mark}", plain_line(shown)))
    }
}

/// A message for the user.
pub(super) fn message(level: Level, text: &str, verbosity: Verbosity) -> Option<String> {
    let text = plain_text(text);
    match level {
        Level::Warning => Some(format!("{} {text}", paint("warning:", AnsiColor::Yellow))),
        Level::Info => (verbosity != Verbosity::Quiet).then(|| text.into_owned()),
    }
}

/// How a state is called, and its colour.
pub(super) fn build_word(state: BuildState) -> (&'static str, AnsiColor) {
    match state {
        BuildState::Reused => ("reused", AnsiColor::Green),
        BuildState::Assembled => ("assembled", AnsiColor::Green),
        BuildState::Waiting => ("waiting", AnsiColor::BrightBlack),
        BuildState::Building => ("building", AnsiColor::Cyan),
        BuildState::Built => ("built", AnsiColor::Green),
        BuildState::Failed => ("failed", AnsiColor::Red),
        BuildState::Skipped => ("skipped", AnsiColor::Yellow),
    }
}

/// The colour of a resource's state.
pub(super) fn resource_color(state: &str) -> AnsiColor {
    match state {
        "failed" => AnsiColor::Red,
        "pending" => AnsiColor::BrightBlack,
        "waiting" | "running" | "deleting" => AnsiColor::Cyan,
        _ => AnsiColor::Green,
    }
}

fn resource_line(resource: &str, state: &str, detail: &str) -> Option<String> {
    if state == "pending" {
        return None;
    }
    let separator = if state == "failed" { ": " } else { ", " };
    let state = paint(&plain_line(state), resource_color(state));
    let mut text = format!("{}: {state}", plain_line(resource));
    if !detail.is_empty() {
        text.push_str(separator);
        text.push_str(&plain_line(detail));
    }
    Some(text)
}

fn join(subject: &str, state: &str, detail: &str) -> String {
    let (subject, detail) = (plain_line(subject), plain_line(detail));
    if detail.is_empty() {
        format!("{subject}: {state}")
    } else {
        format!("{subject}: {state} {detail}")
    }
}

pub(super) fn paint(text: &str, color: AnsiColor) -> String {
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(line: &str, ends: bool) -> Event {
        Event::Log {
            source: "app".into(),
            part: "step".into(),
            line: line.into(),
            ends,
            hidden: false,
        }
    }

    fn shown(plain: &mut Plain, event: &Event) -> Option<String> {
        let line = plain.line(event)?;
        Some(anstream::adapter::strip_str(&line).to_string())
    }

    #[test]
    fn a_long_line_is_shown_once_and_marked() {
        let mut plain = Plain::new(Verbosity::Normal);
        let long = "x".repeat(2 * LINE_LIMIT);
        let first = shown(&mut plain, &log(&long, false)).unwrap();
        assert_eq!(first, format!("app | {}{CUT}", "x".repeat(LINE_LIMIT)));
        assert_eq!(shown(&mut plain, &log(&long, false)), None);
        assert_eq!(shown(&mut plain, &log("end", true)), None);
        assert_eq!(
            shown(&mut plain, &log("n\u{1b}[2Jext", true)).unwrap(),
            "app | next"
        );
    }

    #[test]
    fn quiet_keeps_warnings() {
        let warning = Event::Message {
            level: Level::Warning,
            text: "w\u{7}".into(),
        };
        let mut plain = Plain::new(Verbosity::Quiet);
        assert_eq!(shown(&mut plain, &warning).unwrap(), "warning: w");
        assert_eq!(shown(&mut plain, &log("b", true)), None);
    }
}
