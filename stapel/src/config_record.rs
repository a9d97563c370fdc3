//! `docker:` and `imageSpec` as records: `docs/keys.md` section 6.

use crate::key::{Record, Value};
use crate::spec::{Command, DockerConfig, Healthcheck, ImageSpec};

impl Command {
    /// The words that are run.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Shell(text) => vec!["/bin/sh".to_owned(), "-c".to_owned(), text.clone()],
            Self::Exec(words) => words.clone(),
        }
    }
}

/// `docker:` as a record.
#[must_use]
pub fn docker_record(docker: &DockerConfig) -> Record {
    Record::default()
        .list("volume", &docker.volume)
        .list("expose", &docker.expose)
        .map("env", &docker.env)
        .map("label", &docker.label)
        .maybe("cmd", docker.cmd.as_ref().map(command))
        .maybe("entrypoint", docker.entrypoint.as_ref().map(command))
        .maybe("workdir", docker.workdir.as_deref())
        .maybe("user", docker.user.as_deref())
        .maybe("healthcheck", docker.healthcheck.as_deref())
}

/// `imageSpec` as a record.
#[must_use]
pub fn spec_record(spec: &ImageSpec) -> Record {
    Record::default()
        .maybe("author", spec.author.as_deref())
        .with("clearHistory", Value::Flag(spec.clear_history))
        .maybe("cmd", spec.cmd.as_deref().map(words))
        .maybe("entrypoint", spec.entrypoint.as_deref().map(words))
        .map("env", &spec.env)
        .map("labels", &spec.labels)
        .list("expose", &spec.expose)
        .list("volumes", &spec.volumes)
        .maybe("user", spec.user.as_deref())
        .maybe("workingDir", spec.working_dir.as_deref())
        .maybe("stopSignal", spec.stop_signal.as_deref())
        .maybe("healthcheck", spec.healthcheck.as_ref().map(healthcheck))
        .list("removeEnv", &spec.remove_env)
        .list("removeLabels", &spec.remove_labels)
        .list("removeVolumes", &spec.remove_volumes)
        .with("clearCmd", Value::Flag(spec.clear_cmd))
        .with("clearEntrypoint", Value::Flag(spec.clear_entrypoint))
        .with("clearUser", Value::Flag(spec.clear_user))
        .with("clearWorkingDir", Value::Flag(spec.clear_working_dir))
}

fn command(command: &Command) -> Value {
    words(&command.words())
}

// A record of one field, so that an empty command (which clears the base's) differs from an absent one.
fn words(words: &[String]) -> Value {
    let count = Value::Number(words.len() as u64);
    Record::default().with("count", count).list("words", words).into()
}

fn healthcheck(check: &Healthcheck) -> Record {
    Record::default()
        .list("test", &check.test)
        .maybe("interval", check.interval.map(Value::Number))
        .maybe("timeout", check.timeout.map(Value::Number))
        .maybe("startPeriod", check.start_period.map(Value::Number))
        .maybe("retries", check.retries.map(Value::Number))
}
