//! What the pipelines tell while they run. Nobody below `cli` prints: they send events, `ui` shows them.
//!
//! Sending never waits. Whoever passes on the output of programs waits for [`Events::room`] before it reads more, so
//! that a reader that is slow, or a terminal that stands still, does not fill the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

/// Is told every secret that a module comes by, before it is used, so that nothing shows it.
#[derive(Clone, Default)]
pub struct SecretSink(Option<Arc<Hide>>);

type Hide = dyn Fn(&str) + Send + Sync;

impl SecretSink {
    /// Tells `hide`.
    pub fn new(hide: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hide)))
    }

    /// Tells of a secret.
    pub fn hide(&self, secret: &str) {
        if let Some(hide) = &self.0 {
            hide(secret);
        }
    }
}

impl std::fmt::Debug for SecretSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretSink")
    }
}

/// What happened to an image or a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildState {
    /// Its key is in the registry already.
    Reused,
    /// Put together from published stages, without an engine.
    Assembled,
    /// It is missing, and waits for other images.
    Waiting,
    /// A solve runs.
    Building,
    /// A solve has ended and its result is published.
    Built,
    /// It failed; the reason follows as the run's error.
    Failed,
    /// It was not tried, because an image that it needs failed.
    Skipped,
}

/// How grave a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What a user may want to know.
    Info,
    /// What a user should look at; the run goes on.
    Warning,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A sentence for the user.
    Message {
        /// How grave.
        level: Level,
        /// The sentence, lower case, without a final period.
        text: String,
    },
    /// An image or one of its stages changed its state.
    Build {
        /// The image's name in werf.yaml.
        image: String,
        /// The stage's name, where it is about one stage.
        stage: Option<String>,
        /// Its new state.
        state: BuildState,
        /// Time since its start, for ends.
        elapsed: Option<Duration>,
        /// Reference, digest or reason, as it applies.
        detail: String,
    },
    /// A step of a solve (an LLB vertex) began, was cached or ended.
    Step {
        /// The image's name in werf.yaml.
        image: String,
        /// The step's name.
        name: String,
        /// Whether the engine had its result.
        cached: bool,
        /// Set when it has ended.
        elapsed: Option<Duration>,
        /// Whether it ended with an error.
        failed: bool,
    },
    /// Why an image had to be made: what differs from the build before.
    Reason {
        /// The image's name in werf.yaml.
        image: String,
        /// Such as `install: the commands`.
        reason: String,
    },
    /// Output of a build step or a container.
    Log {
        /// `image` for builds, `kind/name/container` for pods.
        source: String,
        /// The name of the step, or of the pod.
        part: String,
        /// One line without its end, or a piece of a long one.
        line: String,
        /// Whether the line ends with this piece.
        ends: bool,
        /// It is wanted in the log's file only.
        hidden: bool,
    },
    /// A resource changed its state while it is deployed.
    Resource {
        /// `Kind/name`.
        resource: String,
        /// Pending, created, updated, waiting, ready, deleted, failed …
        state: String,
        /// What it waits for, or why it failed.
        detail: String,
    },
    /// All is done: what happened is to be told once more, in short.
    Summary,
}

/// How many bytes of output may be under way to whoever shows them.
const LOG_LIMIT: usize = 4 << 20;

/// The sending end; cloned into every task. Sending never waits and never fails: a closed receiver drops events.
#[derive(Debug, Clone)]
pub struct Events(mpsc::UnboundedSender<Event>, Option<LogRoom>);

/// How much output is under way. Whoever takes events out gives their room back.
#[derive(Debug, Clone, Default)]
pub struct LogRoom(Arc<Room>);

#[derive(Debug, Default)]
struct Room {
    taken: AtomicUsize,
    freed: Notify,
}

impl LogRoom {
    /// The event is shown, and its room free again.
    pub fn free(&self, event: &Event) {
        let size = size(event);
        if size > 0 {
            self.0.taken.fetch_sub(size, Ordering::Relaxed);
            self.0.freed.notify_waiters();
        }
    }

    /// Bytes that are under way.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }
}

/// What an event takes of the room: only the output of programs can be of any size.
fn size(event: &Event) -> usize {
    match event {
        Event::Log {
            source, part, line, ..
        } => size_of::<Event>() + source.len() + part.len() + line.len(),
        _ => 0,
    }
}

impl Events {
    /// A sender with its receiver; there is always room.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender, None), receiver)
    }

    /// A sender with its receiver and the room between them, which the receiving end has to free.
    #[must_use]
    pub fn limited() -> (Self, mpsc::UnboundedReceiver<Event>, LogRoom) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let room = LogRoom::default();
        (Self(sender, Some(room.clone())), receiver, room)
    }

    /// Waits until there is room for more output of programs.
    pub async fn room(&self) {
        let Some(LogRoom(room)) = &self.1 else { return };
        loop {
            let freed = room.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if room.taken.load(Ordering::Relaxed) < LOG_LIMIT || self.0.is_closed() {
                return;
            }
            tokio::select! {
                () = freed => {}
                () = self.0.closed() => {}
            }
        }
    }

    /// A handle that does not keep the channel open.
    #[must_use]
    pub fn downgrade(self) -> WeakEvents {
        WeakEvents(self.0.downgrade(), self.1)
    }

    /// Sends one event.
    pub fn send(&self, event: Event) {
        if let Some(LogRoom(room)) = &self.1 {
            room.taken.fetch_add(size(&event), Ordering::Relaxed);
        }
        // A closed receiver means that nobody looks any more.
        drop(self.0.send(event));
    }

    /// Sends a message of level info.
    pub fn info(&self, text: impl Into<String>) {
        self.send(Event::Message {
            level: Level::Info,
            text: text.into(),
        });
    }

    /// Sends a warning.
    pub fn warn(&self, text: impl Into<String>) {
        self.send(Event::Message {
            level: Level::Warning,
            text: text.into(),
        });
    }
}

/// A sending end that does not keep the channel open.
#[derive(Debug, Clone)]
pub struct WeakEvents(mpsc::WeakUnboundedSender<Event>, Option<LogRoom>);

impl WeakEvents {
    /// The sender, while another one is alive.
    #[must_use]
    pub fn upgrade(&self) -> Option<Events> {
        let sender = self.0.upgrade()?;
        Some(Events(sender, self.1.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(line: &str) -> Event {
        Event::Log {
            source: "app".into(),
            part: String::new(),
            line: line.into(),
            ends: true,
            hidden: false,
        }
    }

    #[tokio::test]
    async fn output_waits_for_room() {
        let (events, mut receiver, room) = Events::limited();
        let producer = tokio::spawn(async move {
            for _ in 0..1000 {
                events.room().await;
                events.send(log(&"x".repeat(64 << 10)));
            }
        });
        let mut most = 0;
        let mut seen = 0;
        while let Some(event) = receiver.recv().await {
            most = most.max(room.taken());
            room.free(&event);
            seen += 1;
            tokio::task::yield_now().await;
        }
        producer.await.unwrap();
        assert_eq!((seen, room.taken()), (1000, 0));
        assert!((1 << 20..LOG_LIMIT + (1 << 20)).contains(&most), "{most}");
    }

    #[tokio::test]
    async fn a_receiver_that_went_away_holds_nobody() {
        let (events, receiver, _room) = Events::limited();
        events.send(log(&"x".repeat(2 * LOG_LIMIT)));
        drop(receiver);
        events.room().await;
    }
}
