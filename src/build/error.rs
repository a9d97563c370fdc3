//! Why a build ends without its images.

use crate::buildkit::{ClientError, SolveError};
use crate::git::GitError;
use crate::git::layer::LayerError;
use crate::registry::RegistryError;

use super::failure;
use super::image_config::RemovePatternError;

/// Why a build ends without its images.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A registry did not do what it was asked.
    #[error("cannot build image `{image}`")]
    Registry {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: RegistryError,
    },
    /// It is not known which images are there.
    #[error("cannot look for image `{image}` in the registry")]
    Look {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: RegistryError,
    },
    /// There is no engine.
    #[error("cannot build image `{image}`: no BuildKit engine")]
    Engine {
        /// The image that needs it.
        image: String,
        /// Why.
        #[source]
        source: EngineError,
    },
    /// A base image or an image that is imported from does not exist.
    #[error(
        "cannot build image `{image}`: there is no image `{base}` for {platform}; check the name, and that you may read it"
    )]
    NoBase {
        /// The image.
        image: String,
        /// The missing one, as written.
        base: String,
        /// What was asked for.
        platform: String,
    },
    /// The image that holds Ansible is not there.
    #[error(
        "cannot build image `{image}`: there is no image `{toolchain}` for {platform}, which holds Ansible for its tasks; name \
         one in `ansible.toolchain`"
    )]
    NoToolchain {
        /// The image.
        image: String,
        /// The missing one, as written.
        toolchain: String,
        /// What was asked for.
        platform: String,
    },
    /// The owner of a git mapping is not known to the image.
    #[error(
        "cannot build image `{image}`: `{name}` of a git mapping is not in `{file}` of the image; make it in \
         `beforeInstall`, or give the owner as a number"
    )]
    UnknownOwner {
        /// The image.
        image: String,
        /// The user or group.
        name: String,
        /// Where it was looked for.
        file: &'static str,
    },
    /// Triggers of a base image read the context, which a key cannot know.
    #[error(
        "cannot build image `{image}`: its base `{base}` has ONBUILD instructions that read the context; write them \
         into the Dockerfile, behind its FROM:\n{lines}"
    )]
    Onbuild {
        /// The image.
        image: String,
        /// The base, as written.
        base: String,
        /// The lines to write.
        lines: String,
    },
    /// A step failed.
    #[error("{}", failure::step_failed(.image, .stage.as_deref(), .failure))]
    Solve {
        /// The image.
        image: String,
        /// The stage, for Stapel images.
        stage: Option<String>,
        /// What the engine tells; its words are part of the message.
        failure: Box<SolveError>,
    },
    /// An engine exported something else than was solved.
    #[error("cannot use what the engine made of image `{image}`: {reason}")]
    Export {
        /// The image.
        image: String,
        /// What is wrong.
        reason: String,
    },
    /// A layer of Git content could not be made.
    #[error("cannot make a layer for image `{image}`")]
    Layer {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: LayerError,
    },
    /// Files of the machine could not be read for a mount.
    #[error("cannot mount `{path}` of this machine for image `{image}`")]
    HostFiles {
        /// The image.
        image: String,
        /// `fromPath`, as written.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A pattern of `imageSpec` is none.
    #[error("cannot write the config of image `{image}`")]
    Config {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: RemovePatternError,
    },
    /// The commit could not be read.
    #[error("cannot read the commit")]
    Git(#[from] GitError),
    /// A background task broke off.
    #[error("cannot finish image `{image}`: a task ended early: {reason}")]
    Task {
        /// The image.
        image: String,
        /// What happened.
        reason: String,
    },
    /// Several images failed.
    #[error("{}", failure::several(.0))]
    Several(Vec<BuildError>),
}

impl BuildError {
    /// The remedy, where one is known that the message does not name.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        failure::hint(self)
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It could not be reached, or a session not be opened.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It could not be started.
    #[error(transparent)]
    Start(Box<dyn std::error::Error + Send + Sync>),
}
