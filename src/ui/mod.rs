//! Shows events as plain lines on standard error: stable prefixes, one line a fact, good for pipes and CI logs.
//!
//! Promises that a registered secret never appears, and that what programs print is not interpreted: control
//! characters are dropped and long lines cut. Does not know what the events are about.

mod mask;

use anstyle::{AnsiColor, Style};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

pub use self::mask::Mask;
use crate::event::{BuildState, Event, Level};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings only.
    Quiet,
    /// What happens to images and resources, and the output of what runs.
    Normal,
    /// Also each step of a build.
    Verbose,
}

/// Longest line of a program's output that is shown whole, in bytes.
const LINE_LIMIT: usize = 16 * 1024;

/// Shows events until the last sender is gone.
pub fn show(mut events: UnboundedReceiver<Event>, verbosity: Verbosity, mask: Mask) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Some(line) = line(&event, verbosity) {
                print(&mask.apply(&line));
            }
        }
    })
}

/// One line on standard error. A reader that went away must not end the run.
pub fn print(line: &str) {
    use std::io::Write as _;
    drop(writeln!(anstream::stderr().lock(), "{line}"));
}

/// Text on standard output: data, not messages. A reader that went away is no error.
pub fn data(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn line(event: &Event, verbosity: Verbosity) -> Option<String> {
    if verbosity == Verbosity::Quiet
        && !matches!(
            event,
            Event::Message {
                level: Level::Warning,
                ..
            }
        )
    {
        return None;
    }
    Some(match event {
        Event::Message {
            level: Level::Info,
            text,
        } => text.clone(),
        Event::Message {
            level: Level::Warning,
            text,
        } => format!("{} {text}", paint("warning:", AnsiColor::Yellow)),
        Event::Build {
            image,
            stage,
            state,
            elapsed,
            detail,
        } => {
            let subject = stage
                .as_ref()
                .map_or_else(|| image.clone(), |stage| format!("{image}/{stage}"));
            let (word, color) = match state {
                BuildState::Reused => ("reused", AnsiColor::Green),
                BuildState::Assembled => ("assembled", AnsiColor::Green),
                BuildState::Building => ("building", AnsiColor::Cyan),
                BuildState::Built => ("built", AnsiColor::Green),
                BuildState::Failed => ("failed", AnsiColor::Red),
            };
            let elapsed = elapsed
                .map(|time| format!(" in {:.1}s", time.as_secs_f64()))
                .unwrap_or_default();
            join(&subject, &format!("{}{elapsed}", paint(word, color)), detail)
        }
        Event::Step {
            image,
            name,
            cached,
            elapsed,
        } => {
            if verbosity != Verbosity::Verbose {
                return None;
            }
            let state = match (cached, elapsed) {
                (true, _) => "cached".to_owned(),
                (false, Some(time)) => format!("done in {:.1}s", time.as_secs_f64()),
                (false, None) => "started".to_owned(),
            };
            join(image, &state, name)
        }
        Event::Log { source, line } => format!(
            "{} {}",
            paint(&format!("{source} |"), AnsiColor::BrightBlack),
            printable(line)
        ),
        Event::Resource {
            resource,
            state,
            detail,
        } => {
            let color = match state.as_str() {
                "failed" => AnsiColor::Red,
                "waiting" | "running" | "deleting" => AnsiColor::Cyan,
                _ => AnsiColor::Green,
            };
            let separator = if state == "failed" { ": " } else { ", " };
            let mut text = format!("{resource}: {}", paint(state, color));
            if !detail.is_empty() {
                text.push_str(&format!("{separator}{detail}"));
            }
            text
        }
    })
}

fn join(subject: &str, state: &str, detail: &str) -> String {
    if detail.is_empty() {
        format!("{subject}: {state}")
    } else {
        format!("{subject}: {state} {detail}")
    }
}

fn paint(text: &str, color: AnsiColor) -> String {
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{text}{style:#}")
}

/// What a program printed, without escape sequences and control characters (tabs stay), and of bounded length.
fn printable(line: &str) -> String {
    let mut end = line.len().min(LINE_LIMIT);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let mut text: String = anstream::adapter::strip_str(&line[..end])
        .to_string()
        .chars()
        .filter(|c| *c == '\t' || !c.is_control())
        .collect();
    if end < line.len() {
        text.push_str(&format!(" … ({} bytes more)", line.len() - end));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_output_is_not_interpreted() {
        assert_eq!(printable("a\u{1b}[31mred\u{7}\tb"), "ared\tb");
        let long = "x".repeat(LINE_LIMIT + 5);
        assert!(printable(&long).ends_with(" … (5 bytes more)"));
    }

    #[test]
    fn quiet_keeps_warnings() {
        let (events, _receiver) = crate::event::Events::channel();
        drop(events);
        let warning = Event::Message {
            level: Level::Warning,
            text: "w".into(),
        };
        assert!(line(&warning, Verbosity::Quiet).is_some());
        assert!(
            line(
                &Event::Log {
                    source: "a".into(),
                    line: "b".into()
                },
                Verbosity::Quiet
            )
            .is_none()
        );
    }
}
