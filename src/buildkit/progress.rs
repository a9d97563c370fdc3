//! What an engine tells while it solves, turned into events; the last lines of each step are kept for the error.
//!
//! Memory is bounded whatever a step writes: a long line is told in pieces, and kept for the error without its end.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};

use super::error::clean;
use crate::event::{Event, Events};

/// A longer line is told in pieces.
const LINE_LIMIT: usize = 16 << 10;
/// What an error repeats of a line, in bytes.
const KEPT_BYTES: usize = 2 << 10;
/// Lines that an error repeats of each output stream; their order among each other is not certain.
const KEPT_LINES: usize = 40;

#[derive(Default)]
struct Step {
    name: String,
    error: String,
    is_started: bool,
    is_ended: bool,
    last_lines: BTreeMap<i64, VecDeque<Kept>>,
}

/// A line for the error.
#[derive(Clone)]
struct Kept {
    number: u64,
    text: String,
    left_out: usize,
    is_open: bool,
}

impl Kept {
    fn add(&mut self, piece: &str) {
        let room = KEPT_BYTES.saturating_sub(self.text.len());
        let cut = if self.left_out > 0 {
            0
        } else {
            piece.floor_char_boundary(room)
        };
        self.text.push_str(&piece[..cut]);
        self.left_out += piece.len() - cut;
    }

    fn told(&self) -> String {
        match self.left_out {
            0 => self.text.clone(),
            left_out => format!("{} … ({left_out} bytes more)", self.text),
        }
    }
}

/// The state of one solve's steps.
pub struct Progress {
    image: String,
    events: Events,
    steps: HashMap<String, Step>,
    open_lines: HashMap<(String, i64), Vec<u8>>,
    line_count: u64,
}

impl Progress {
    /// Progress of the solve of an image, told to `events` under the image's name.
    #[must_use]
    pub fn new(image: &str, events: Events) -> Self {
        Self {
            image: image.to_owned(),
            events,
            steps: HashMap::new(),
            open_lines: HashMap::new(),
            line_count: 0,
        }
    }

    /// Takes one message in.
    pub fn apply(&mut self, status: StatusResponse) {
        for vertex in status.vertexes {
            self.apply_vertex(vertex);
        }
        for log in status.logs {
            self.apply_log(&log);
        }
        for warning in status.warnings {
            self.events.warn(format!(
                "{}: {}",
                self.image,
                clean(&String::from_utf8_lossy(&warning.short))
            ));
        }
    }

    /// Tells the lines that never got their end.
    pub fn finish(&mut self) {
        for ((vertex, stream), line) in std::mem::take(&mut self.open_lines) {
            self.line(&vertex, stream, &line, true);
        }
    }

    /// How many pieces of output were told: grows as long as the engine tells more.
    pub(super) fn told(&self) -> u64 {
        self.line_count
    }

    /// Name and last lines of a step: of this one, else of the one that failed.
    pub(super) fn failed(&self, digest: Option<&str>) -> Option<(String, Vec<String>)> {
        let told = digest
            .and_then(|digest| self.steps.get(digest))
            .filter(|step| !step.name.is_empty());
        let found = told.or_else(|| {
            let is_cause = |step: &&Step| !step.error.is_empty() && !step.error.contains("context canceled");
            self.steps.values().find(is_cause)
        });
        found.map(|step| {
            let mut lines: Vec<_> = step.last_lines.values().flatten().cloned().collect();
            lines.sort_by_key(|line| line.number);
            (step.name.clone(), lines.iter().map(Kept::told).collect())
        })
    }

    fn apply_vertex(&mut self, vertex: Vertex) {
        let step = self.steps.entry(vertex.digest).or_default();
        step.name = clean(&vertex.name);
        step.error = vertex.error;
        let event = |elapsed| Event::Step {
            image: self.image.clone(),
            name: step.name.clone(),
            cached: vertex.cached,
            elapsed,
            failed: !step.error.is_empty(),
        };
        if let (Some(started), Some(completed), false) = (&vertex.started, &vertex.completed, step.is_ended) {
            step.is_ended = true;
            step.is_started = true;
            self.events.send(event(Some(between(started, completed))));
        } else if vertex.started.is_some() && !step.is_started {
            step.is_started = true;
            self.events.send(event(None));
        }
    }

    fn apply_log(&mut self, log: &VertexLog) {
        let key = (log.vertex.clone(), log.stream);
        let mut open = self.open_lines.remove(&key).unwrap_or_default();
        for piece in log.msg.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(LINE_LIMIT) {
                open.extend_from_slice(part);
                if open.ends_with(b"\n") {
                    self.line(&log.vertex, log.stream, &open, true);
                    open.clear();
                } else if open.len() >= LINE_LIMIT {
                    let rest = open.split_off(whole_characters(&open));
                    self.line(&log.vertex, log.stream, &open, false);
                    open = rest;
                }
            }
        }
        // Also where nothing is left: the line may have been begun by a piece.
        if !open.is_empty() || self.is_open(&log.vertex, log.stream) {
            self.open_lines.insert(key, open);
        }
    }

    fn is_open(&self, vertex: &str, stream: i64) -> bool {
        let step = self.steps.get(vertex);
        let last = step
            .and_then(|step| step.last_lines.get(&stream))
            .and_then(VecDeque::back);
        last.is_some_and(|line| line.is_open)
    }

    fn line(&mut self, vertex: &str, stream: i64, bytes: &[u8], ends: bool) {
        let text = String::from_utf8_lossy(bytes);
        // A progress bar redraws its line: what it showed last counts.
        let text = text.trim_end_matches(['\n', '\r']);
        let text = text.rsplit('\r').next().unwrap_or_default().to_owned();
        let step = self.steps.entry(vertex.to_owned()).or_default();
        let kept = step.last_lines.entry(stream).or_default();
        self.line_count += 1;
        if !kept.back().is_some_and(|line| line.is_open) {
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(Kept {
                number: self.line_count,
                text: String::new(),
                left_out: 0,
                is_open: true,
            });
        }
        if let Some(line) = kept.back_mut() {
            line.add(&text);
            line.is_open = !ends;
        }
        self.events.send(Event::Log {
            source: self.image.clone(),
            part: step.name.clone(),
            line: text,
            ends,
            hidden: false,
        });
    }
}

/// Length of the bytes without a character that is cut at their end.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

fn between(start: &Timestamp, end: &Timestamp) -> Duration {
    let nanos = |at: &Timestamp| i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
    Duration::from_nanos((nanos(end) - nanos(start)).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(vertex: &str, msg: &[u8]) -> StatusResponse {
        let log = VertexLog {
            vertex: vertex.to_owned(),
            stream: 1,
            msg: msg.to_vec(),
            ..VertexLog::default()
        };
        StatusResponse {
            logs: vec![log],
            ..StatusResponse::default()
        }
    }

    fn lines(messages: &[&[u8]]) -> Vec<String> {
        let (events, mut receiver) = Events::channel();
        let mut progress = Progress::new("app", events);
        for message in messages {
            progress.apply(log("v", message));
        }
        progress.finish();
        drop(progress);
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|event| match event {
                Event::Log { line, .. } => line,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn lines_are_joined_and_split() {
        assert_eq!(lines(&[b"a\nb", b"c\n", b"d"]), ["a", "bc", "d"]);
        assert_eq!(lines(&[b"10%\r50%\r100%\r\ndone\n"]), ["100%", "done"]);
        assert_eq!(lines(&[b"\xff\n\n"]), ["\u{fffd}", ""]);
    }

    #[test]
    fn pieces_cut_no_characters_and_an_error_repeats_a_line_without_its_end() {
        let (events, mut receiver) = Events::channel();
        let mut progress = Progress::new("app", events);
        let text = "é".repeat(LINE_LIMIT);
        progress.apply(log("v", format!("x{text}\nshort\n").as_bytes()));
        let mut pieces = String::new();
        let mut ends = 0;
        while let Ok(Event::Log { line, ends: end, .. }) = receiver.try_recv() {
            pieces.push_str(&line);
            ends += usize::from(end);
        }
        assert_eq!((pieces, ends), (format!("x{text}short"), 2));
        let kept: Vec<String> = progress.steps["v"].last_lines[&1]
            .iter()
            .map(Kept::told)
            .collect();
        assert_eq!(kept[1], "short");
        assert!(
            kept[0].len() < KEPT_BYTES + 100 && kept[0].ends_with("bytes more)"),
            "{}",
            kept[0]
        );
    }

    #[test]
    fn memory_is_bounded_by_pieces_and_kept_lines() {
        let long = vec![b'x'; 50 * LINE_LIMIT];
        let shown = lines(&[&long]);
        assert_eq!(shown.len(), 51, "the pieces, and the line's end");
        assert!(shown.iter().all(|line| line.len() <= LINE_LIMIT));
        let (events, _receiver) = Events::channel();
        let mut progress = Progress::new("app", events);
        for number in 0..1000 {
            progress.apply(log("v", format!("{number}\n").as_bytes()));
        }
        let vertex = Vertex {
            digest: "v".into(),
            name: "step".into(),
            error: "exit".into(),
            ..Vertex::default()
        };
        progress.apply(StatusResponse {
            vertexes: vec![vertex],
            ..StatusResponse::default()
        });
        let (name, kept) = progress.failed(None).unwrap();
        assert_eq!(
            (name.as_str(), kept.len(), kept.last().unwrap().as_str()),
            ("step", KEPT_LINES, "999")
        );
    }
}
