//! What the pipelines tell while they run. Nobody below `cli` prints: they send events, `ui` shows them.

use std::time::Duration;

use tokio::sync::mpsc;

/// What happened to an image or a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildState {
    /// Its key is in the registry already.
    Reused,
    /// Put together from published stages, without an engine.
    Assembled,
    /// A solve runs.
    Building,
    /// A solve has ended and its result is published.
    Built,
    /// It failed; the reason follows as the run's error.
    Failed,
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
    },
    /// Output of a build step or a container.
    Log {
        /// `image` for builds, `kind/name/container` for pods.
        source: String,
        /// One line, without its end.
        line: String,
    },
    /// A resource changed its state while it is deployed.
    Resource {
        /// `Kind/name`.
        resource: String,
        /// Created, updated, waiting, ready, deleted, failed …
        state: String,
        /// What it waits for, or why it failed.
        detail: String,
    },
}

/// The sending end; cloned into every task. Sending never waits and never fails: a closed receiver drops events.
#[derive(Debug, Clone)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// A sender with its receiver.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// A handle that does not keep the channel open.
    #[must_use]
    pub fn downgrade(self) -> WeakEvents {
        WeakEvents(self.0.downgrade())
    }

    /// Sends one event.
    pub fn send(&self, event: Event) {
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
pub struct WeakEvents(mpsc::WeakUnboundedSender<Event>);

impl WeakEvents {
    /// The sender, while another one is alive.
    #[must_use]
    pub fn upgrade(&self) -> Option<Events> {
        self.0.upgrade().map(Events)
    }
}
