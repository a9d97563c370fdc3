//! What can go wrong between us and an engine, and how a failed solve is told.

use std::collections::BTreeMap;

use bollard_buildkit_proto::google::rpc;
use bollard_buildkit_proto::pb;
use prost::Message as _;
use serde::Deserialize;
use tonic::{Code, Status};

/// Under which a step's description holds its name.
const NAME_KEY: &str = "llb.customname";

/// Why an engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address.
    #[error(
        "cannot use BuildKit address `{text}`: want `unix:///path/to/buildkitd.sock` or `tcp://host:port`"
    )]
    Address {
        /// What was given.
        text: String,
    },
    /// Nobody answers there, or not in BuildKit's language.
    #[error(
        "cannot connect to BuildKit at `{address}`: {reason}; check that buildkitd runs there and that BUILDKIT_HOST is right"
    )]
    Connect {
        /// Where.
        address: String,
        /// The cause.
        reason: String,
    },
    /// A call failed.
    #[error("cannot {action} on BuildKit at `{address}`: {reason}")]
    Call {
        /// What was to be done.
        action: &'static str,
        /// Where.
        address: String,
        /// The cause.
        reason: String,
    },
}

/// The lines of a user's file that a failed step came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLines {
    /// The file's name, as the frontend knows it.
    pub file: String,
    /// First line, counted from 1.
    pub first: usize,
    /// Last line.
    pub last: usize,
    /// The text of these lines.
    pub text: String,
}

/// A solve that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SolveError {
    /// What the engine says.
    pub message: String,
    /// The step that failed, by its name.
    pub step: Option<String>,
    /// Where in a user's file it stands, if it comes from one.
    pub source_lines: Option<SourceLines>,
    /// The exit code of its process.
    pub exit_code: Option<i32>,
    /// The last lines that it wrote, oldest first.
    pub last_lines: Vec<String>,
    /// Whether the engine itself was lost: another one may do better.
    pub engine_lost: bool,
}

impl SolveError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            step: None,
            source_lines: None,
            exit_code: None,
            last_lines: Vec::new(),
            engine_lost: false,
        }
    }

    /// Whether the engine met the folder of a snapshot that its database does not know, as a kill leaves them. It
    /// removes that folder when it fails on it, so the solve can be tried again.
    #[must_use]
    pub fn is_stale_snapshot(&self) -> bool {
        self.message.contains("failed to rename: rename ")
            && self.message.contains("/snapshots/")
            && self.message.contains(": file exists")
    }

    /// Reads what an engine sends with a failed call.
    pub(super) fn from_status(status: &Status) -> (Self, Details) {
        let details = Details::read(status);
        let mut error = Self::new(told(&clean(status.message())));
        error.exit_code = details.exit_code;
        error.source_lines = details.source.clone();
        error.engine_lost = matches!(status.code(), Code::Unavailable)
            || status.code() == Code::Unknown && status.message().contains("transport error")
            // What our own side says of a connection that has ended; the engine's words are "context canceled".
            || status.message().contains("operation was canceled");
        (error, details)
    }
}

/// The typed details of a failed call, as far as they are shown.
#[derive(Debug, Default, Clone)]
pub(super) struct Details {
    pub(super) vertex: Option<String>,
    pub(super) step: Option<String>,
    pub(super) source: Option<SourceLines>,
    pub(super) exit_code: Option<i32>,
    pub(super) raw: Option<rpc::Status>,
}

#[derive(Deserialize)]
struct VertexDetail {
    digest: String,
}

#[derive(Deserialize)]
struct SolveDetail {
    #[serde(default)]
    description: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct SourceDetail {
    #[serde(default)]
    info: Option<InfoDetail>,
    #[serde(default)]
    ranges: Vec<RangeDetail>,
}

#[derive(Deserialize)]
struct InfoDetail {
    #[serde(default)]
    filename: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct RangeDetail {
    #[serde(default)]
    start: PositionDetail,
    #[serde(default)]
    end: PositionDetail,
}

#[derive(Deserialize, Default, Clone, Copy)]
struct PositionDetail {
    #[serde(default)]
    line: usize,
}

#[derive(Deserialize)]
struct ExitDetail {
    #[serde(alias = "ExitCode", alias = "Code", alias = "code")]
    exit_code: i64,
}

impl Details {
    fn read(status: &Status) -> Self {
        let Ok(raw) = rpc::Status::decode(status.details()) else {
            return Self::default();
        };
        let mut details = Self::default();
        for any in &raw.details {
            let kind = any.type_url.rsplit('/').next().unwrap_or_default();
            match kind {
                "errdefs.Vertex+json" => {
                    let vertex: Option<VertexDetail> = serde_json::from_slice(&any.value).ok();
                    details.vertex = vertex.map(|vertex| vertex.digest);
                }
                "errdefs.Solve+json" => {
                    let solve: Option<SolveDetail> = serde_json::from_slice(&any.value).ok();
                    details.step = solve
                        .and_then(|mut solve| solve.description.remove(NAME_KEY))
                        .or(details.step);
                }
                "errdefs.Source+json" if details.source.is_none() => {
                    details.source = serde_json::from_slice(&any.value).ok().and_then(source_lines);
                }
                kind if kind.contains("ExitMessage") || kind.contains("ExitError") => {
                    let exit: Option<ExitDetail> = serde_json::from_slice(&any.value).ok();
                    details.exit_code = exit.and_then(|exit| exit.exit_code.try_into().ok());
                }
                _ => {}
            }
            tracing::trace!(kind, value = %String::from_utf8_lossy(&any.value), "detail of a failed call");
        }
        if details.exit_code.is_none() {
            details.exit_code = exit_code_in(status.message());
        }
        details.raw = Some(raw);
        details
    }
}

fn source_lines(detail: SourceDetail) -> Option<SourceLines> {
    use base64::Engine as _;
    let info = detail.info?;
    let data = base64::engine::general_purpose::STANDARD.decode(info.data).ok()?;
    let ranges = detail
        .ranges
        .iter()
        .map(|range| (range.start.line, range.end.line));
    cut_lines(&info.filename, &data, ranges)
}

/// Where a step stands in a user's file, from the source map of the graph that a frontend made. It is found by its
/// name: the engine's digests of steps are not those of the graph.
pub(super) fn located(definition: &pb::Definition, step: &str) -> Option<SourceLines> {
    let source = definition.source.as_ref()?;
    let is_step = |found: &pb::OpMetadata| found.description.get(NAME_KEY).is_some_and(|name| name == step);
    let (digest, _) = definition.metadata.iter().find(|(_, found)| is_step(found))?;
    let location = source.locations.get(digest)?.locations.first()?;
    let info = source.infos.get(usize::try_from(location.source_index).ok()?)?;
    let line = |position: Option<&pb::Position>| {
        position
            .and_then(|position| usize::try_from(position.line).ok())
            .unwrap_or_default()
    };
    let ranges = location
        .ranges
        .iter()
        .map(|range| (line(range.start.as_ref()), line(range.end.as_ref())));
    cut_lines(&info.filename, &info.data, ranges)
}

fn cut_lines(file: &str, data: &[u8], ranges: impl Iterator<Item = (usize, usize)>) -> Option<SourceLines> {
    let ranges: Vec<(usize, usize)> = ranges.collect();
    let first = ranges
        .iter()
        .map(|(start, _)| *start)
        .min()
        .filter(|first| *first > 0)?;
    let last = ranges.iter().map(|(start, end)| *start.max(end)).max()?;
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().skip(first - 1).take(last + 1 - first).collect();
    Some(SourceLines {
        file: file.to_owned(),
        first,
        last,
        text: lines.join("\n"),
    })
}

/// The engine's words for a failed process end with its exit code.
fn exit_code_in(message: &str) -> Option<i32> {
    let (_, rest) = message.rsplit_once("exit code: ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The engine's words as a user can use them: without the queries of addresses, which are long and may hold
/// signatures, and without the names that an engine has for its own things.
fn told(message: &str) -> String {
    const CHECKSUM: &str = "failed to calculate checksum of ref ";
    if let Some((_, rest)) = message.split_once(CHECKSUM)
        && let Some((_, rest)) = rest.split_once(": ")
        && let Some(path) = rest.strip_suffix(": not found")
    {
        return format!(
            "{path} is not there to be copied: look whether it is committed, below the context, and not left out by \
             .dockerignore"
        );
    }
    let mut parts = message.split("://");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| c.is_whitespace() || c == '"')
            .unwrap_or(part.len());
        let address = &part[..end];
        text.push_str("://");
        text.push_str(address.split('?').next().unwrap_or_default());
        text.push_str(&part[end..]);
    }
    text
}

/// A message without control characters, of bounded length.
pub(super) fn clean(text: &str) -> String {
    const LIMIT: usize = 4000;
    let kept = |c: char| {
        if c.is_control() && c != '\n' && c != '\t' {
            ' '
        } else {
            c
        }
    };
    text.chars().map(kept).take(LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_hold_no_queries_and_no_inner_names() {
        assert_eq!(
            told("failed: Put \"https://r/v2/uploads/1?_state=abc%3D&digest=sha256%3A00\": refused"),
            "failed: Put \"https://r/v2/uploads/1\": refused"
        );
        assert_eq!(told("get http://a/b?c=d http://e/f"), "get http://a/b http://e/f");
        let missing = told(
            "failed to compute cache key: failed to calculate checksum of ref a1::b2: \"/nofile\": not found",
        );
        assert!(
            missing.starts_with("\"/nofile\" is not there to be copied"),
            "{missing}"
        );
        assert_eq!(
            told("dockerfile parse error on line 2"),
            "dockerfile parse error on line 2"
        );
    }

    #[test]
    fn exit_codes_are_found_in_messages() {
        assert_eq!(
            exit_code_in("process \"/bin/sh -c x\" did not complete successfully: exit code: 3"),
            Some(3)
        );
        assert_eq!(exit_code_in("exit code: 137: killed"), Some(137));
        assert_eq!(exit_code_in("failed to solve"), None);
    }

    #[test]
    fn source_lines_are_cut_out_of_the_file() {
        // "FROM a\nRUN x \\\n  y\n"
        let detail = r#"{"info":{"filename":"Dockerfile","data":"RlJPTSBhClJVTiB4IFwKICB5Cg=="},
            "ranges":[{"start":{"line":2},"end":{"line":2}},{"start":{"line":3}}]}"#;
        let lines = source_lines(serde_json::from_str(detail).unwrap()).unwrap();
        assert_eq!(
            (lines.first, lines.last, lines.text.as_str()),
            (2, 3, "RUN x \\\n  y")
        );
    }
}
