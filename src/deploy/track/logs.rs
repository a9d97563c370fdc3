//! Logs of containers: followed while their pod starts, and the last lines of one that failed.
//!
//! Memory is bounded whatever a container prints: a long line comes in pieces, and is repeated without its end.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{AsyncBufRead, AsyncBufReadExt};
use http::Method;
use tokio::task::JoinSet;

use crate::deploy::annotations::LogPolicy;
use crate::deploy::cluster::Cluster;
use crate::event::{Event, Events};
use crate::release::api::{self, encode_part};

/// A longer line comes in pieces of this many bytes.
const LINE_LIMIT: usize = 16 << 10;
/// What an error repeats of a line, in bytes.
const TOLD_BYTES: usize = 2 << 10;
/// Lines of a failed container that are repeated in the error.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: usize = 64 << 10;

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
}

impl Place {
    fn path(&self, query: &str) -> String {
        format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&{query}",
            encode_part(&self.namespace),
            encode_part(&self.pod),
            encode_part(&self.container)
        )
    }
}

/// The logs of one resource's pods, followed until this is dropped.
#[derive(Debug)]
pub(crate) struct Logs {
    cluster: Cluster,
    events: Events,
    resource: String,
    policy: LogPolicy,
    begun: HashSet<(Place, u64)>,
    /// The last lines that were followed: a pod's own are gone with it.
    recent: Arc<Mutex<VecDeque<String>>>,
    tasks: JoinSet<()>,
}

impl Logs {
    pub(crate) fn new(cluster: &Cluster, events: &Events, resource: String, policy: LogPolicy) -> Self {
        Self {
            cluster: cluster.clone(),
            events: events.clone(),
            resource,
            policy,
            begun: HashSet::new(),
            recent: Arc::default(),
            tasks: JoinSet::new(),
        }
    }

    /// How many pods' logs are shown.
    pub(crate) fn replicas(&self) -> usize {
        if self.policy.skip { 0 } else { self.policy.replicas }
    }

    /// Follows a container's instance, if that is wanted and not done yet.
    pub(crate) fn follow(&mut self, place: &Place, instance: u64) {
        let policy = &self.policy;
        let wanted = !policy.skip
            && !policy.skip_containers.contains(&place.container)
            && (policy.only_containers.is_empty() || policy.only_containers.contains(&place.container));
        if !wanted || !self.begun.insert((place.clone(), instance)) {
            return;
        }
        let (cluster, events, policy) = (self.cluster.clone(), self.events.clone(), policy.clone());
        let source = format!("{}/{}", self.resource, place.container);
        let pod = place.pod.clone();
        let recent = Arc::clone(&self.recent);
        let request = api::request(Method::GET, &place.path("follow=true"));
        self.tasks.spawn(async move {
            let Ok(stream) = cluster.client().request_stream(request).await else {
                return;
            };
            let mut stream = pin!(stream);
            let mut shown = true;
            let mut begins = true;
            while let Some(piece) = next_piece(&mut stream).await {
                if begins {
                    shown = is_shown(&policy, &piece.text);
                    remember(&recent, &piece);
                }
                begins = piece.ends;
                events.room().await;
                events.send(Event::Log {
                    source: source.clone(),
                    part: pod.clone(),
                    line: piece.text,
                    ends: piece.ends,
                    hidden: !shown,
                });
            }
        });
    }

    /// The last lines that were followed.
    pub(crate) fn recent(&self) -> Vec<String> {
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// Waits until the streams of containers that have ended are read to their end.
    pub(crate) async fn drain(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

fn is_shown(policy: &LogPolicy, line: &str) -> bool {
    policy.only.as_ref().is_none_or(|only| only.is_match(line))
        && policy.except.as_ref().is_none_or(|except| !except.is_match(line))
}

fn remember(recent: &Mutex<VecDeque<String>>, piece: &Piece) {
    let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
    if recent.len() == TAIL_LINES {
        recent.pop_front();
    }
    recent.push_back(piece.cut());
}

/// A line without its end, or a part of a long one.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    /// Whether the line ends here.
    ends: bool,
}

impl Piece {
    /// The piece as a line, with a mark where more of the line was left out.
    fn cut(&self) -> String {
        let end = self.text.floor_char_boundary(TOLD_BYTES);
        let mark = if self.ends && end == self.text.len() {
            ""
        } else {
            " …"
        };
        format!("{}{mark}", &self.text[..end])
    }
}

/// The next piece; `None` at the end or at an error.
async fn next_piece<R: AsyncBufRead + Unpin>(stream: &mut R) -> Option<Piece> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let chunk = stream.fill_buf().await.ok()?;
        if chunk.is_empty() {
            return any.then(|| piece(&line, true));
        }
        any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let room = LINE_LIMIT - line.len();
        if room < part.len() {
            line.extend_from_slice(&part[..room]);
            stream.consume_unpin(room);
            return Some(piece(&line, false));
        }
        line.extend_from_slice(part);
        let used = end.map_or(chunk.len(), |end| end + 1);
        stream.consume_unpin(used);
        if end.is_some() {
            return Some(piece(&line, true));
        }
    }
}

/// One line of bounded length without its end; `None` at the end or at an error.
async fn next_line<R: AsyncBufRead + Unpin>(stream: &mut R) -> Option<String> {
    let first = next_piece(stream).await?;
    let mut ends = first.ends;
    while !ends {
        ends = next_piece(stream).await.is_none_or(|piece| piece.ends);
    }
    Some(first.cut())
}

fn piece(bytes: &[u8], ends: bool) -> Piece {
    Piece {
        text: text(bytes),
        ends,
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

/// The last lines of a container, `previous` for the instance before the one that runs. Empty where there are
/// none, or where they can't be read.
pub(crate) async fn tail(cluster: &Cluster, place: &Place, previous: bool) -> Vec<String> {
    let query = format!("tailLines={TAIL_LINES}&limitBytes={TAIL_BYTES}&previous={previous}");
    let request = api::request(Method::GET, &place.path(&query));
    let Ok(stream) = cluster.client().request_stream(request).await else {
        return Vec::new();
    };
    let mut stream = pin!(stream);
    let mut lines = Vec::new();
    while let Some(line) = next_line(&mut stream).await {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(bytes: &[u8]) -> Vec<String> {
        let mut reader = futures::io::BufReader::with_capacity(7, bytes);
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut reader).await {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn lines_are_bounded() {
        assert_eq!(lines(b"one\r\ntwo\n\nthree").await, ["one", "two", "", "three"]);
        let long = vec![b'x'; LINE_LIMIT * 3 + 5];
        let got = lines(&[&long[..], b"\nnext\n"].concat()).await;
        assert_eq!((got[0].len(), got[1].as_str()), (TOLD_BYTES + " …".len(), "next"));
        assert_eq!(lines(b"\xff\n").await, ["\u{fffd}"]);
    }
}
