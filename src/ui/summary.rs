//! What a run did, told once at its end.

use std::time::{Duration, Instant};

use anstyle::AnsiColor;
use serde_json::{Value, json};

use super::board::{Board, ImageRow};
use super::plain::{build_word, paint, resource_color};
use super::text::{cut_columns, time};
use crate::event::BuildState;

/// Columns of the states of images.
const WORD: usize = 10;
/// Columns of the reason why an image failed.
const REASON: usize = 80;

/// The summary's lines; none where neither images nor resources were touched.
pub(super) fn lines(board: &Board, now: Instant) -> Vec<String> {
    let mut lines = Vec::new();
    if !board.images.is_empty() {
        images(board, now, &mut lines);
    }
    if !board.resources.is_empty() {
        resources(board, now, &mut lines);
    }
    if !lines.is_empty() {
        lines.push(format!("total: {}", time(now.duration_since(board.started))));
    }
    lines
}

fn images(board: &Board, now: Instant, lines: &mut Vec<String>) {
    let count = |state| board.images.values().filter(|row| row.state == state).count();
    let counted = [
        BuildState::Built,
        BuildState::Assembled,
        BuildState::Reused,
        BuildState::Failed,
        BuildState::Skipped,
        BuildState::Building,
        BuildState::Waiting,
    ];
    let counts: Vec<String> = counted
        .into_iter()
        .map(|state| (ended_word(state), count(state)))
        .filter(|(word, count)| *count > 0 || matches!(*word, "built" | "reused"))
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let elapsed = board.images_ended.unwrap_or(now).duration_since(board.started);
    lines.push(format!("images: {}, in {}", counts.join(", "), time(elapsed)));
    let width = board
        .images
        .keys()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, row) in &board.images {
        if row.state != BuildState::Reused {
            lines.push(image(name, row, width));
        }
    }
    let reused = board
        .images
        .iter()
        .filter(|(_, row)| row.state == BuildState::Reused);
    let reused: Vec<&str> = reused.map(|(name, _)| name.as_str()).collect();
    if !reused.is_empty() {
        lines.push(format!(
            "  {} {}",
            paint(&format!("{:WORD$}", "reused"), AnsiColor::Green),
            reused.join(", ")
        ));
    }
}

/// An image that a run has left alone is not built.
fn ended_word(state: BuildState) -> &'static str {
    match state {
        BuildState::Waiting | BuildState::Skipped => "not built",
        BuildState::Building => "unfinished",
        state => build_word(state).0,
    }
}

fn image(name: &str, row: &ImageRow, width: usize) -> String {
    let color = build_word(row.state).1;
    let word = paint(&format!("{:WORD$}", ended_word(row.state)), color);
    let mut line = format!("  {word} {name}");
    let mut more = Vec::new();
    if let Some(elapsed) = row.elapsed {
        more.push(time(elapsed));
    }
    match row.state {
        BuildState::Failed | BuildState::Skipped => {
            more.push(
                row.detail
                    .trim_start_matches('(')
                    .trim_end_matches(')')
                    .to_owned(),
            );
        }
        _ => more.extend(row.reasons.iter().cloned()),
    }
    if !more.is_empty() {
        line.push_str(&" ".repeat(width.saturating_sub(name.chars().count()) + 2));
        line.push_str(&more.join("  "));
    }
    line
}

fn resources(board: &Board, now: Instant, lines: &mut Vec<String>) {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in board.resources.values() {
        let word = row.done.first().map_or(unfinished(&row.state), String::as_str);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let elapsed = now.duration_since(board.resources_started.unwrap_or(now));
    lines.push(format!("resources: {}, in {}", counts.join(", "), time(elapsed)));
    let width = board
        .resources
        .keys()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, row) in &board.resources {
        let states = if row.is_ended() && !row.done.is_empty() {
            row.done.join(", ")
        } else {
            [row.done.join(", "), unfinished(&row.state).to_owned()]
                .into_iter()
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let mut line = format!(
            "  {name}{} {}",
            " ".repeat(width.saturating_sub(name.chars().count()) + 1),
            paint(&states, resource_color(&row.state))
        );
        if let Some(elapsed) = row
            .elapsed
            .filter(|elapsed| *elapsed >= Duration::from_millis(100))
        {
            line.push_str(&format!(" in {}", time(elapsed)));
        }
        if !row.detail.is_empty() {
            let separator = if row.is_failed() { ": " } else { ", " };
            line.push_str(&format!("{separator}{}", row.detail));
        }
        lines.push(line);
    }
}

/// What is said at the end of a resource that was still awaited.
fn unfinished(state: &str) -> &str {
    match state {
        "pending" => "not touched",
        "waiting" => "not ready",
        other => other,
    }
}

/// The same for programs.
pub(super) fn to_json(board: &Board, now: Instant) -> Value {
    let seconds = |time: Duration| time.as_secs_f64();
    let images: Vec<Value> = board
        .images
        .iter()
        .map(|(name, row)| {
            json!({"image": name, "state": build_word(row.state).0, "seconds": row.elapsed.map(seconds),
                "reasons": row.reasons, "detail": row.detail})
        })
        .collect();
    let resources: Vec<Value> = board
        .resources
        .iter()
        .map(|(name, row)| {
            json!({"resource": name, "states": row.done, "state": row.state, "seconds": row.elapsed.map(seconds),
                "detail": row.detail})
        })
        .collect();
    json!({"images": images, "resources": resources, "seconds": seconds(now.duration_since(board.started))})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn board() -> (Board, Instant) {
        let start = Instant::now();
        let mut board = Board::new(start);
        let build = |image: &str, state, elapsed: Option<u64>, detail: &str| Event::Build {
            image: image.into(),
            stage: None,
            state,
            elapsed: elapsed.map(Duration::from_secs),
            detail: detail.into(),
        };
        let resource = |resource: &str, state: &str, detail: &str| Event::Resource {
            resource: resource.into(),
            state: state.into(),
            detail: detail.into(),
        };
        for event in [
            build("base", BuildState::Reused, None, "r:1"),
            build("tool", BuildState::Reused, None, "r:2"),
            build("application", BuildState::Waiting, None, "base"),
            build("application", BuildState::Built, Some(9), "r:3"),
            Event::Reason {
                image: "application".into(),
                reason: "install: the commands".into(),
            },
            build("web", BuildState::Failed, None, "(exit code 7)"),
            build("site", BuildState::Skipped, None, "needs `web`"),
            resource("ConfigMap/a", "pending", ""),
            resource("ConfigMap/a", "created", ""),
            resource("Deployment/web", "updated", ""),
            resource("Deployment/web", "waiting", "1 of 3 replicas"),
            resource("Deployment/web", "ready", "3 replicas"),
            resource("Job/late", "pending", ""),
        ] {
            board.apply(&event, start);
        }
        (board, start + Duration::from_secs(12))
    }

    #[test]
    fn every_image_and_resource_has_its_say() {
        let (board, now) = board();
        let text = lines(&board, now).join("\n");
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string(), @r"
        images: 1 built, 2 reused, 1 failed, 1 not built, in 0.0s
          built      application  9.0s  install: the commands
          failed     web          0.0s  exit code 7
          not built  site         needs `web`
          reused     base, tool
        resources: 1 created, 1 updated, 1 not touched, in 12.0s
          ConfigMap/a     created
          Deployment/web  updated, ready, 3 replicas
          Job/late        not touched
        total: 12.0s
        ");
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let now = Instant::now();
        assert!(lines(&Board::new(now), now).is_empty());
    }
}
