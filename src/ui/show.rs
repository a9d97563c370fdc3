//! Takes events and shows them, in one of the forms, on a thread of its own: a terminal that stands still holds nobody
//! but this thread.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use terminal_size::{Height, Width, terminal_size_of};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::board::Board;
use super::logs::{LogFiles, LogWriter};
use super::plain::Plain;
use super::terminal::Region;
use super::{Mask, Verbosity, json, summary, tree};
use crate::event::{Event, Level, LogRoom};

/// A terminal is drawn at most this often.
const FRAME: Duration = Duration::from_millis(100);
/// Events that are taken in before something is drawn.
const BATCH: usize = 256;
/// On a smaller terminal a tree is of no use.
const SMALLEST: (usize, usize) = (20, 6);

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As a tree, drawn in place.
    Tree,
    /// As lines.
    Plain,
    /// As JSON, one object a line.
    Json,
}

/// What is shown, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// How.
    pub form: Form,
    /// How much.
    pub verbosity: Verbosity,
    /// Columns of the terminal, where it is not to be asked.
    pub width: Option<usize>,
    /// Lines begin with the time.
    pub times: bool,
    /// The folder for the logs of all runs; without it none are written.
    pub logs: Option<PathBuf>,
}

/// What is shown until the last sender is gone.
#[derive(Debug)]
pub struct Shown(JoinHandle<LogFiles>);

impl Shown {
    /// Waits until all is shown, and tells where the logs are.
    pub async fn ended(self) -> LogFiles {
        self.0.await.unwrap_or_default()
    }
}

/// Shows events until the last sender is gone.
#[must_use]
pub fn show(events: UnboundedReceiver<Event>, room: LogRoom, options: Options, mask: Mask) -> Shown {
    Shown(tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut show = Show::new(options, mask, room);
        match runtime {
            Ok(runtime) => runtime.block_on(show.run(events)),
            Err(error) => super::print(&format!("cannot show what happens: {error}")),
        }
        show.finish()
    }))
}

/// Now, for a line.
pub(super) fn time_now() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

struct Show {
    options: Options,
    mask: Mask,
    room: LogRoom,
    board: Board,
    plain: Plain,
    logs: LogWriter,
    /// The tree's place, where there is a tree.
    region: Option<Region<std::io::Stderr>>,
    /// Lines that are to be printed above the tree.
    above: Vec<String>,
}

impl Show {
    fn new(options: Options, mask: Mask, room: LogRoom) -> Self {
        let is_colored = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        let region = (options.form == Form::Tree).then(|| Region::new(std::io::stderr(), is_colored));
        let run_name = format!(
            "{}-{}",
            jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.%3fZ"),
            std::process::id()
        );
        Self {
            board: Board::new(Instant::now()),
            plain: Plain::new(options.verbosity),
            logs: LogWriter::new(options.logs.clone(), run_name),
            options,
            mask,
            room,
            region,
            above: Vec::new(),
        }
    }

    async fn run(&mut self, mut events: UnboundedReceiver<Event>) {
        let mut resizes = self.signal(SignalKind::window_change());
        let mut stops = self.signal(SignalKind::from_raw(Signal::SIGTSTP as i32));
        let mut frames = tokio::time::interval(FRAME);
        frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                count = events.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    for event in batch.drain(..) {
                        self.room.free(&event);
                        self.take(event);
                    }
                }
                () = received(&mut stops) => self.stop(),
                () = received(&mut resizes) => {
                    if let Some(region) = &mut self.region {
                        region.resized();
                    }
                    self.draw();
                }
                _ = frames.tick() => {
                    self.draw();
                    self.logs.flush();
                }
            }
        }
    }

    /// Signals that matter only where a tree is drawn.
    fn signal(&self, kind: SignalKind) -> Option<tokio::signal::unix::Signal> {
        self.region.as_ref().and_then(|_| signal(kind).ok())
    }

    /// Ctrl-Z: the shell gets its terminal as it was; when the run goes on, the tree is drawn anew.
    fn stop(&mut self) {
        if let Some(region) = &mut self.region {
            region.clear();
        }
        // The process can't be stopped where it may not signal itself: then it goes on.
        _ = nix::sys::signal::raise(Signal::SIGSTOP);
    }

    fn take(&mut self, event: Event) {
        let event = masked(event, &self.mask);
        if let Event::Log {
            source,
            part,
            line,
            ends,
            ..
        } = &event
        {
            // Masked as a whole by the log itself: a secret may stand in two pieces.
            let written = self.logs.add(&self.mask, (source, part), line, *ends);
            if let Err(error) = written {
                self.take(Event::Message {
                    level: Level::Warning,
                    text: format!("cannot write the logs of this run: {error}"),
                });
            }
        }
        self.board.apply(&event, Instant::now());
        match (&event, self.options.form) {
            (Event::Summary, _) => self.summarize(),
            (_, Form::Json) => {
                if let Some(line) = json::line(&event, &time_now()) {
                    super::print_masked(&line);
                }
            }
            (Event::Message { level, text }, Form::Tree) => {
                let line = super::plain::message(*level, text, self.options.verbosity);
                self.say(line);
            }
            (_, Form::Tree) => {}
            (_, Form::Plain) => {
                let line = self.plain.line(&event);
                self.say(line);
            }
        }
    }

    /// Prints for good.
    fn say(&mut self, line: Option<String>) {
        let Some(mut line) = line else { return };
        if self.options.times {
            line = format!("{} {line}", time_now());
        }
        if self.region.is_some() {
            self.above.extend(line.lines().map(str::to_owned));
        } else {
            super::print_masked(&line);
        }
    }

    fn draw(&mut self) {
        let Some(region) = &mut self.region else { return };
        let (columns, rows) = size(self.options.width);
        let lines = if self.board.is_summarized {
            Vec::new()
        } else {
            tree::lines(
                &self.board,
                Instant::now(),
                columns.saturating_sub(1),
                rows.saturating_sub(2),
            )
        };
        region.draw(&std::mem::take(&mut self.above), lines);
    }

    fn summarize(&mut self) {
        if self.board.is_empty() || std::mem::replace(&mut self.board.is_summarized, true) {
            return;
        }
        let now = Instant::now();
        if self.options.form == Form::Json {
            super::print_masked(&json::summary(&self.board, now, &time_now()));
        } else if self.options.verbosity != Verbosity::Quiet {
            for line in summary::lines(&self.board, now) {
                self.say(Some(line));
            }
        }
    }

    fn finish(mut self) -> LogFiles {
        self.summarize();
        self.board.is_summarized = true;
        self.draw();
        if let Some(region) = &mut self.region {
            region.clear();
        }
        self.logs.finish(&self.mask)
    }
}

async fn received(signals: &mut Option<tokio::signal::unix::Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    }
}

/// Columns and lines of the terminal.
fn size(width: Option<usize>) -> (usize, usize) {
    let (Width(columns), Height(rows)) =
        terminal_size_of(std::io::stderr()).unwrap_or((Width(80), Height(24)));
    (width.unwrap_or(columns.into()), rows.into())
}

/// Whether standard error is a terminal on which a tree can be drawn.
#[must_use]
pub(crate) fn is_terminal() -> bool {
    let (columns, rows) = size(None);
    std::io::stderr().is_terminal() && columns >= SMALLEST.0 && rows >= SMALLEST.1
}

/// The event without secrets. Also masked where control characters stand within a secret.
fn masked(event: Event, mask: &Mask) -> Event {
    let hide = |text: String| mask.apply(&super::plain_text(&mask.apply(&text)));
    match event {
        Event::Message { level, text } => Event::Message {
            level,
            text: hide(text),
        },
        Event::Build {
            image,
            stage,
            state,
            elapsed,
            detail,
        } => Event::Build {
            image,
            stage,
            state,
            elapsed,
            detail: hide(detail),
        },
        Event::Step {
            image,
            name,
            cached,
            elapsed,
            failed,
        } => Event::Step {
            image,
            name: hide(name),
            cached,
            elapsed,
            failed,
        },
        Event::Reason { image, reason } => Event::Reason {
            image,
            reason: hide(reason),
        },
        Event::Log {
            source,
            part,
            line,
            ends,
            hidden,
        } => Event::Log {
            source,
            part,
            line: hide(line),
            ends,
            hidden,
        },
        Event::Resource {
            resource,
            state,
            detail,
        } => Event::Resource {
            resource: mask.apply(&resource),
            state,
            detail: hide(detail),
        },
        Event::Summary => Event::Summary,
    }
}
