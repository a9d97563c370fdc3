//! The board as lines for a terminal of a given size: images with their stages and steps, then resources, and below
//! the slow ones what they wrote last.
//!
//! Pure: the same board, time and size give the same lines. Never more lines than asked for: what has ended goes first,
//! then what waits, then the output.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

use super::board::{Board, ImageRow, ResourceRow, StepEnd, Tail};
use super::plain::{build_word, resource_color};
use super::text::{cut_columns, time};
use crate::event::BuildState;

/// Lines of output below the step that has run longest, and below each other one.
const TAIL: usize = 8;
const SHORT_TAIL: usize = 3;
/// A step shows its output when it has run for this long.
const SLOW: Duration = Duration::from_millis(700);

/// A time that is not worth telling.
const BRIEF: Duration = Duration::from_millis(100);

/// A piece of a line in one colour.
type Span = (Option<AnsiColor>, String);

/// What is given up first, in rising order, where there is not enough room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Ended,
    Waiting,
    Output,
    Running,
    Header,
}

#[derive(Debug)]
struct Row {
    rank: Rank,
    spans: Vec<Span>,
}

/// The lines, each at most `width` columns wide, at most `height` of them.
pub(super) fn lines(board: &Board, now: Instant, width: usize, height: usize) -> Vec<String> {
    let mut rows = Vec::new();
    images(board, now, &mut rows);
    resources(board, now, &mut rows);
    fit(&mut rows, height);
    rows.iter().map(|row| line(&row.spans, width)).collect()
}

/// Gives up lines until the rest fits.
fn fit(rows: &mut Vec<Row>, height: usize) {
    for rank in [
        Rank::Ended,
        Rank::Waiting,
        Rank::Output,
        Rank::Running,
        Rank::Header,
    ] {
        while rows.len() > height {
            // Of output the oldest line, of what waits the last in line.
            let found = match rank {
                Rank::Waiting | Rank::Running | Rank::Header => rows.iter().rposition(|row| row.rank == rank),
                Rank::Ended | Rank::Output => rows.iter().position(|row| row.rank == rank),
            };
            match found {
                Some(index) => drop(rows.remove(index)),
                None => break,
            }
        }
    }
}

fn line(spans: &[Span], width: usize) -> String {
    let mut line = String::new();
    let mut left = width;
    for (color, text) in spans {
        let (shown, columns) = cut_columns(text, left);
        let is_cut = shown.ends_with('…') && !text.ends_with('…');
        match color {
            Some(color) => {
                let style = Style::new().fg_color(Some((*color).into()));
                line.push_str(&format!("{style}{shown}{style:#}"));
            }
            None => line.push_str(&shown),
        }
        left -= columns;
        if is_cut || left == 0 {
            break;
        }
    }
    line
}

fn row(rank: Rank, spans: impl IntoIterator<Item = Span>) -> Row {
    Row {
        rank,
        spans: spans.into_iter().collect(),
    }
}

fn plain(text: impl Into<String>) -> Span {
    (None, text.into())
}

fn dim(text: impl Into<String>) -> Span {
    (Some(AnsiColor::BrightBlack), text.into())
}

fn mark(state: BuildState) -> &'static str {
    match state {
        BuildState::Reused => "=",
        BuildState::Assembled => "+",
        BuildState::Built => "✔",
        BuildState::Building => "●",
        BuildState::Waiting => "·",
        BuildState::Failed => "✘",
        BuildState::Skipped => "-",
    }
}

fn images(board: &Board, now: Instant, rows: &mut Vec<Row>) {
    if board.images.is_empty() {
        return;
    }
    let ended = board.images.values().filter(|row| row.is_ended()).count();
    let all_ended = ended == board.images.len();
    let until = board.images_ended.filter(|_| all_ended).unwrap_or(now);
    rows.push(row(
        Rank::Header,
        [
            plain(format!("images {ended}/{}  ", board.images.len())),
            dim(time(until.duration_since(board.started))),
        ],
    ));
    let running = board
        .images
        .values()
        .filter(|image| image.state == BuildState::Building);
    let slowest = running.map(|image| image.since).min();
    for (name, image) in &board.images {
        image_rows(name, image, slowest == Some(image.since), now, rows);
    }
}

fn image_rows(name: &str, image: &ImageRow, is_slowest: bool, now: Instant, rows: &mut Vec<Row>) {
    let (word, color) = build_word(image.state);
    let rank = match image.state {
        BuildState::Building | BuildState::Failed => Rank::Running,
        BuildState::Waiting => Rank::Waiting,
        _ => Rank::Ended,
    };
    let mut spans = vec![
        (Some(color), format!(" {} ", mark(image.state))),
        plain(format!("{name}  ")),
        (Some(color), word.to_owned()),
    ];
    match image.state {
        BuildState::Waiting if !image.detail.is_empty() => spans.push(dim(format!(" for {}", image.detail))),
        BuildState::Failed | BuildState::Skipped => spans.push(plain(format!("  {}", image.detail))),
        _ => {}
    }
    let elapsed = match image.state {
        BuildState::Building => Some(now.duration_since(image.since)),
        _ => image.elapsed,
    };
    spans.extend(elapsed.map(|elapsed| dim(format!("  {}", time(elapsed)))));
    if let [first, ..] = image.reasons.as_slice() {
        spans.push(dim(format!("  {first}")));
    }
    rows.push(row(rank, spans));
    if !matches!(image.state, BuildState::Building | BuildState::Failed) {
        return;
    }
    for (stage, state) in &image.stages {
        let (word, color) = build_word(state.state);
        let (rank, elapsed) = match state.state {
            BuildState::Building => (Rank::Running, Some(now.duration_since(state.since))),
            BuildState::Failed => (Rank::Running, state.elapsed),
            _ => (Rank::Ended, state.elapsed),
        };
        let mut spans = vec![
            (Some(color), format!("   {} ", mark(state.state))),
            plain(format!("{stage}  ")),
            (Some(color), word.to_owned()),
        ];
        spans.extend(elapsed.map(|elapsed| dim(format!("  {}", time(elapsed)))));
        rows.push(row(rank, spans));
    }
    steps(name, image, now, rows);
    if image.state == BuildState::Building && now.duration_since(image.since) >= SLOW {
        tail(&image.tail, is_slowest, rows);
    }
}

fn steps(of: &str, image: &ImageRow, now: Instant, rows: &mut Vec<Row>) {
    // The one step of a stage has its line already.
    let is_stage = |name: &str| {
        let name = name
            .strip_prefix(of)
            .map_or(name, |name| name.trim_start_matches([':', ' ']));
        image.stages.contains_key(name)
    };
    for (name, step) in image.steps.iter().filter(|(name, _)| !is_stage(name)) {
        let (rank, mark, color, elapsed) = match step.end {
            StepEnd::Running => (
                Rank::Running,
                "●",
                AnsiColor::Cyan,
                Some(now.duration_since(step.since)),
            ),
            StepEnd::Cached => (Rank::Ended, "=", AnsiColor::Green, None),
            StepEnd::Done(elapsed) => (Rank::Ended, "✔", AnsiColor::Green, Some(elapsed)),
            StepEnd::Failed => (Rank::Running, "✘", AnsiColor::Red, None),
        };
        // A step of one instant, of which there are many, is not worth a line.
        if matches!(step.end, StepEnd::Done(elapsed) if elapsed < SLOW) {
            continue;
        }
        let mut spans = vec![(Some(color), format!("     {mark} ")), plain(name.as_str())];
        spans.extend(elapsed.map(|elapsed| dim(format!("  {}", time(elapsed)))));
        if step.end == StepEnd::Cached {
            spans.push(dim("  cached"));
        }
        rows.push(row(rank, spans));
    }
}

fn tail(tail: &Tail, is_long: bool, rows: &mut Vec<Row>) {
    let limit = if is_long { TAIL } else { SHORT_TAIL };
    let skipped = tail.lines.len().saturating_sub(limit);
    for text in tail.lines.iter().skip(skipped) {
        rows.push(row(Rank::Output, [dim("       | "), plain(text.as_str())]));
    }
}

fn resources(board: &Board, now: Instant, rows: &mut Vec<Row>) {
    if board.resources.is_empty() {
        return;
    }
    let ended = board.resources.values().filter(|row| row.is_ended()).count();
    rows.push(row(
        Rank::Header,
        [
            plain(format!("resources {ended}/{}  ", board.resources.len())),
            dim(time(now.duration_since(board.resources_started.unwrap_or(now)))),
        ],
    ));
    let waiting = board
        .resources
        .values()
        .filter(|row| !row.is_ended() && row.state != "pending");
    let slowest = waiting.map(|row| row.since).min();
    for (name, resource) in &board.resources {
        resource_rows(name, resource, slowest == Some(resource.since), now, rows);
    }
}

fn resource_rows(name: &str, resource: &ResourceRow, is_slowest: bool, now: Instant, rows: &mut Vec<Row>) {
    let is_pending = resource.state == "pending";
    let (rank, mark) = match (resource.is_ended(), resource.is_failed(), is_pending) {
        (_, true, _) => (Rank::Running, "✘"),
        (true, ..) => (Rank::Ended, "✔"),
        (_, _, true) => (Rank::Waiting, "·"),
        _ => (Rank::Running, "●"),
    };
    let color = resource_color(&resource.state);
    let brief = resource.elapsed.is_some_and(|elapsed| elapsed < BRIEF);
    let elapsed = match rank {
        Rank::Waiting => None,
        Rank::Ended if brief => None,
        _ => resource
            .elapsed
            .filter(|_| resource.is_ended())
            .or_else(|| Some(now.duration_since(resource.since))),
    };
    let mut spans = vec![
        (Some(color), format!(" {mark} ")),
        plain(format!("{name}  ")),
        (Some(color), resource.state.clone()),
    ];
    if !resource.detail.is_empty() {
        spans.push(plain(format!("  {}", resource.detail)));
    }
    spans.extend(elapsed.map(|elapsed| dim(format!("  {}", time(elapsed)))));
    rows.push(row(rank, spans));
    if rank == Rank::Running && !resource.is_ended() {
        tail(&resource.tail, is_slowest, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn board(now: Instant) -> Board {
        let mut board = Board::new(now);
        let build = |image: &str, stage: Option<&str>, state, detail: &str| Event::Build {
            image: image.into(),
            stage: stage.map(Into::into),
            state,
            elapsed: None,
            detail: detail.into(),
        };
        let resource = |resource: &str, state: &str, detail: &str| Event::Resource {
            resource: resource.into(),
            state: state.into(),
            detail: detail.into(),
        };
        let mut events = vec![
            build("base", None, BuildState::Reused, ""),
            build("app", None, BuildState::Waiting, ""),
            build("web", None, BuildState::Waiting, "app"),
            build("app", Some("beforeInstall"), BuildState::Reused, ""),
            build("app", Some("install"), BuildState::Building, ""),
            Event::Step {
                image: "app".into(),
                name: "app: install".into(),
                cached: false,
                elapsed: None,
                failed: false,
            },
        ];
        events.extend((1..=12).map(|number| Event::Log {
            source: "app".into(),
            part: "install".into(),
            line: format!("line {number} {}", "é".repeat(200)),
            ends: true,
            hidden: false,
        }));
        events.extend([
            resource("ConfigMap/a", "created", ""),
            resource("Deployment/app", "waiting", "1 of 3 replicas are up"),
            resource("Job/late", "pending", ""),
        ]);
        events.iter().for_each(|event| board.apply(event, now));
        board
    }

    fn drawn(board: &Board, now: Instant, width: usize, height: usize) -> Vec<String> {
        lines(board, now, width, height)
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect()
    }

    #[test]
    fn the_tree_shows_what_runs_and_what_it_writes() {
        let now = Instant::now();
        let board = board(now);
        let text = drawn(&board, now + Duration::from_secs(65), 40, 50).join("\n");
        insta::assert_snapshot!(text, @r"
        images 1/3  1m05s
         = base  reused
         ● app  building  1m05s
           = beforeInstall  reused
           ● install  building  1m05s
               | line 5 ééééééééééééééééééééééé…
               | line 6 ééééééééééééééééééééééé…
               | line 7 ééééééééééééééééééééééé…
               | line 8 ééééééééééééééééééééééé…
               | line 9 ééééééééééééééééééééééé…
               | line 10 éééééééééééééééééééééé…
               | line 11 éééééééééééééééééééééé…
               | line 12 éééééééééééééééééééééé…
         · web  waiting for app
        resources 1/3  1m05s
         ✔ ConfigMap/a  created
         ● Deployment/app  waiting  1 of 3 repl…
         · Job/late  pending
        ");
    }

    #[test]
    fn there_are_never_more_lines_or_columns_than_asked_for() {
        let now = Instant::now();
        let board = board(now);
        let later = now + Duration::from_secs(2);
        for height in 0..25 {
            for width in [1, 7, 20, 80, 200] {
                let lines = drawn(&board, later, width, height);
                assert!(lines.len() <= height);
                assert!(
                    lines.iter().all(|line| line.chars().count() <= width),
                    "{lines:?}"
                );
            }
        }
        let few = drawn(&board, later, 80, 6);
        assert!(few[0].starts_with("images 1/3"), "{few:?}");
        assert!(few.iter().any(|line| line.contains("install")), "{few:?}");
        assert!(few.iter().any(|line| line.contains("Deployment/app")), "{few:?}");
    }
}
