//! What is known of the run so far: images with their stages and steps, resources, and the last lines that each wrote.
//!
//! A value without a clock and without a terminal: [`super::tree`] draws it while the run goes on, [`super::summary`]
//! tells it at the end. Bounded: of what programs print only the last lines are kept, of steps only the last ones.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::text::{cut_bytes, plain_line};
use crate::event::{BuildState, Event};

/// Lines of a program's output that can be shown below it.
const TAIL_LINES: usize = 10;
/// More of a line does not fit on any screen.
const TAIL_BYTES: usize = 1000;
/// Steps of an image that can be shown.
const STEPS: usize = 20;

/// The state of a run.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) started: Instant,
    /// When the last image had its end.
    pub(super) images_ended: Option<Instant>,
    pub(super) resources_started: Option<Instant>,
    pub(super) images: IndexMap<String, ImageRow>,
    pub(super) resources: IndexMap<String, ResourceRow>,
    /// The summary was told.
    pub(super) is_summarized: bool,
}

/// An image.
#[derive(Debug)]
pub(super) struct ImageRow {
    pub(super) state: BuildState,
    pub(super) detail: String,
    pub(super) since: Instant,
    pub(super) elapsed: Option<Duration>,
    pub(super) stages: IndexMap<String, StageRow>,
    pub(super) steps: IndexMap<String, StepRow>,
    pub(super) reasons: Vec<String>,
    pub(super) tail: Tail,
}

/// A stage of an image.
#[derive(Debug)]
pub(super) struct StageRow {
    pub(super) state: BuildState,
    pub(super) since: Instant,
    pub(super) elapsed: Option<Duration>,
}

/// A step of a solve.
#[derive(Debug)]
pub(super) struct StepRow {
    pub(super) since: Instant,
    pub(super) end: StepEnd,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepEnd {
    Running,
    Cached,
    Done(Duration),
    Failed,
}

/// A resource.
#[derive(Debug)]
pub(super) struct ResourceRow {
    /// All states that it had, in order, without those in between.
    pub(super) done: Vec<String>,
    pub(super) state: String,
    pub(super) detail: String,
    pub(super) since: Instant,
    pub(super) elapsed: Option<Duration>,
    pub(super) tail: Tail,
}

/// The last lines of a program's output.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) lines: VecDeque<String>,
    /// The line goes on.
    is_open: bool,
}

impl Tail {
    fn add(&mut self, line: &str, ends: bool) {
        if !self.is_open {
            if self.lines.len() == TAIL_LINES {
                self.lines.pop_front();
            }
            self.lines
                .push_back(plain_line(cut_bytes(line, TAIL_BYTES).0).into_owned());
        }
        self.is_open = !ends;
    }
}

impl ImageRow {
    fn new(now: Instant) -> Self {
        Self {
            state: BuildState::Waiting,
            detail: String::new(),
            since: now,
            elapsed: None,
            stages: IndexMap::new(),
            steps: IndexMap::new(),
            reasons: Vec::new(),
            tail: Tail::default(),
        }
    }

    /// Whether it has come to its end.
    pub(super) fn is_ended(&self) -> bool {
        !matches!(self.state, BuildState::Waiting | BuildState::Building)
    }
}

impl ResourceRow {
    /// Whether nothing more is awaited of it.
    pub(super) fn is_ended(&self) -> bool {
        !is_passing(&self.state)
    }

    pub(super) fn is_failed(&self) -> bool {
        self.state == "failed"
    }
}

/// States that another one follows.
fn is_passing(state: &str) -> bool {
    matches!(state, "pending" | "waiting" | "running" | "deleting")
}

impl Board {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            images_ended: None,
            resources_started: None,
            images: IndexMap::new(),
            resources: IndexMap::new(),
            is_summarized: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.images.is_empty() && self.resources.is_empty()
    }

    /// Takes an event in; its texts are masked already.
    pub(super) fn apply(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Build {
                image,
                stage,
                state,
                elapsed,
                detail,
            } => self.build(image, stage.as_deref(), *state, *elapsed, detail, now),
            Event::Step {
                image,
                name,
                cached,
                elapsed,
                failed,
            } => {
                let end = match (cached, failed, elapsed) {
                    (true, ..) => StepEnd::Cached,
                    (_, true, Some(_)) => StepEnd::Failed,
                    (_, _, Some(elapsed)) => StepEnd::Done(*elapsed),
                    (.., None) => StepEnd::Running,
                };
                self.step(image, name, end, now);
            }
            Event::Reason { image, reason } => {
                let row = self.image(image, now);
                row.reasons.push(plain_line(reason).into_owned());
            }
            Event::Log {
                source,
                line,
                ends,
                hidden: false,
                ..
            } => self.log(source, line, *ends),
            Event::Resource {
                resource,
                state,
                detail,
            } => self.resource(resource, state, detail, now),
            Event::Log { .. } | Event::Message { .. } | Event::Summary => {}
        }
    }

    fn image(&mut self, name: &str, now: Instant) -> &mut ImageRow {
        let name = plain_line(name).into_owned();
        self.images.entry(name).or_insert_with(|| ImageRow::new(now))
    }

    fn build(
        &mut self,
        image: &str,
        stage: Option<&str>,
        state: BuildState,
        elapsed: Option<Duration>,
        detail: &str,
        now: Instant,
    ) {
        let row = self.image(image, now);
        let begins = state == BuildState::Building || stage.is_some();
        if begins && row.state == BuildState::Waiting {
            row.state = BuildState::Building;
            row.detail.clear();
            row.since = now;
        }
        let Some(stage) = stage else {
            row.state = state;
            row.elapsed = elapsed;
            row.detail = plain_line(detail).into_owned();
            if row.is_ended() {
                if state == BuildState::Failed {
                    row.elapsed = elapsed.or_else(|| Some(now.duration_since(row.since)));
                    row.fail_running(now);
                }
                row.steps.clear();
                self.images_ended = Some(now);
            }
            return;
        };
        let new = StageRow {
            state,
            since: now,
            elapsed,
        };
        row.stages.insert(stage.to_owned(), new);
        if state == BuildState::Built {
            row.steps.clear();
            row.tail = Tail::default();
        }
    }

    fn step(&mut self, image: &str, name: &str, end: StepEnd, now: Instant) {
        let row = self.image(image, now);
        let name = plain_line(name).into_owned();
        let since = row.steps.get(&name).map_or(now, |step| step.since);
        row.steps.insert(name, StepRow { since, end });
        if row.steps.len() > STEPS {
            let ended = row
                .steps
                .values()
                .position(|step| step.end != StepEnd::Running)
                .unwrap_or(0);
            row.steps.shift_remove_index(ended);
        }
    }

    fn log(&mut self, source: &str, line: &str, ends: bool) {
        if let Some(row) = self.images.get_mut(source) {
            row.tail.add(line, ends);
            return;
        }
        let resource = source.rsplit_once('/').map_or(source, |(resource, _)| resource);
        if let Some(row) = self.resources.get_mut(resource) {
            row.tail.add(line, ends);
        }
    }

    fn resource(&mut self, resource: &str, state: &str, detail: &str, now: Instant) {
        self.resources_started.get_or_insert(now);
        let name = plain_line(resource).into_owned();
        let row = self.resources.entry(name).or_insert_with(|| ResourceRow {
            done: Vec::new(),
            state: String::new(),
            detail: String::new(),
            since: now,
            elapsed: None,
            tail: Tail::default(),
        });
        if row.state == "pending" {
            row.since = now;
        }
        row.state = plain_line(state).into_owned();
        row.detail = plain_line(detail).into_owned();
        if !is_passing(state) {
            row.elapsed = Some(now.duration_since(row.since));
            if !row.done.contains(&row.state) {
                row.done.push(row.state.clone());
            }
        }
    }
}

impl ImageRow {
    /// A stage that was being built when its image failed has failed.
    fn fail_running(&mut self, now: Instant) {
        for stage in self.stages.values_mut() {
            if stage.state == BuildState::Building {
                stage.state = BuildState::Failed;
                stage.elapsed = Some(now.duration_since(stage.since));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_print_is_bounded() {
        let now = Instant::now();
        let mut board = Board::new(now);
        board.apply(&build("app", None, BuildState::Building), now);
        for number in 0..100_000 {
            let log = Event::Log {
                source: "app".into(),
                part: format!("step {number}"),
                line: "x".repeat(TAIL_BYTES * 2),
                ends: number % 2 == 1,
                hidden: false,
            };
            board.apply(&log, now);
            let step = Event::Step {
                image: "app".into(),
                name: format!("step {number}"),
                cached: false,
                elapsed: None,
                failed: false,
            };
            board.apply(&step, now);
        }
        let row = &board.images["app"];
        assert_eq!(row.tail.lines.len(), TAIL_LINES);
        assert!(row.tail.lines.iter().all(|line| line.len() == TAIL_BYTES));
        assert_eq!(row.steps.len(), STEPS);
    }

    fn build(image: &str, stage: Option<&str>, state: BuildState) -> Event {
        Event::Build {
            image: image.into(),
            stage: stage.map(Into::into),
            state,
            elapsed: None,
            detail: String::new(),
        }
    }

    #[test]
    fn a_stage_that_was_being_built_fails_with_its_image() {
        let now = Instant::now();
        let mut board = Board::new(now);
        for event in [
            build("app", None, BuildState::Waiting),
            build("app", Some("install"), BuildState::Building),
        ] {
            board.apply(&event, now);
        }
        assert_eq!(board.images["app"].state, BuildState::Building);
        board.apply(&build("app", None, BuildState::Failed), now);
        assert_eq!(board.images["app"].stages["install"].state, BuildState::Failed);
    }
}
