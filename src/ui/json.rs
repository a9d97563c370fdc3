//! Events as JSON, one a line, for programs. `docs/reference/events.md` lists the fields, which stay as they are.

use serde_json::{Map, Value, json};

use super::board::Board;
use super::plain::build_word;
use super::summary;
use super::text::plain_text;
use crate::event::{Event, Level};

/// The line of a masked event; none for what no program needs to know.
pub(super) fn line(event: &Event, time: &str) -> Option<String> {
    let (kind, fields) = match event {
        Event::Message { level, text } => {
            let level = match level {
                Level::Info => "info",
                Level::Warning => "warning",
            };
            ("message", json!({"level": level, "text": text}))
        }
        Event::Build {
            image,
            stage,
            state,
            elapsed,
            detail,
        } => (
            "image",
            json!({"image": image, "stage": stage, "state": build_word(*state).0,
                "seconds": elapsed.map(|time| time.as_secs_f64()), "detail": detail}),
        ),
        Event::Step {
            image,
            name,
            cached,
            elapsed,
            failed,
        } => (
            "step",
            json!({"image": image, "name": name, "cached": cached, "failed": failed,
                "seconds": elapsed.map(|time| time.as_secs_f64())}),
        ),
        Event::Reason { image, reason } => ("reason", json!({"image": image, "reason": reason})),
        Event::Log {
            source,
            part,
            line,
            ends,
            hidden: false,
        } => (
            "log",
            json!({"source": source, "part": part, "line": line, "ends": ends}),
        ),
        Event::Resource {
            resource,
            state,
            detail,
        } => (
            "resource",
            json!({"resource": resource, "state": state, "detail": detail}),
        ),
        Event::Log { .. } | Event::Summary => return None,
    };
    Some(finished(kind, time, fields))
}

/// What happened, at the end.
pub(super) fn summary(board: &Board, now: std::time::Instant, time: &str) -> String {
    finished("summary", time, summary::to_json(board, now))
}

/// The error that a run ended with.
pub(super) fn error(message: &str, hint: Option<&str>, logs: &[String], time: &str) -> String {
    finished(
        "error",
        time,
        json!({"message": message, "hint": hint, "logs": logs}),
    )
}

/// The object with its type and time first, without what is absent, and without control characters.
fn finished(kind: &str, time: &str, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("type".to_owned(), kind.into());
    object.insert("time".to_owned(), time.into());
    if let Value::Object(fields) = clean(fields) {
        object.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Value::Object(object).to_string()
}

fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => plain_text(&text).into_owned().into(),
        Value::Array(list) => list.into_iter().map(clean).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, clean(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object_without_control_characters() {
        let event = Event::Log {
            source: "app".into(),
            part: "[1/1] RUN x".into(),
            line: "a\u{1b}[31mb\"\u{9b}".into(),
            ends: true,
            hidden: false,
        };
        assert_eq!(
            line(&event, "T").unwrap(),
            r#"{"type":"log","time":"T","source":"app","part":"[1/1] RUN x","line":"ab\"","ends":true}"#
        );
        let event = Event::Message {
            level: Level::Warning,
            text: "w".into(),
        };
        assert_eq!(
            line(&event, "T").unwrap(),
            r#"{"type":"message","time":"T","level":"warning","text":"w"}"#
        );
    }
}
