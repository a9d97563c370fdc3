//! What an image document changes in the image's configuration: `docker` and `imageSpec`.

use kiel_stapel::spec::{Command, DockerConfig, Healthcheck, ImageSpec};
use kiel_template::yaml::Node;

use super::reader::{Reader, is_string, scalar, value};

pub(super) fn read_docker(reader: &mut Reader, node: &Node<'_>) -> DockerConfig {
    DockerConfig {
        volume: reader.texts(node, "VOLUME").unwrap_or_default(),
        expose: reader.texts(node, "EXPOSE").unwrap_or_default(),
        env: reader.text_map(node, "ENV").into_iter().collect(),
        label: reader.text_map(node, "LABEL").into_iter().collect(),
        cmd: command(reader, node, "CMD"),
        entrypoint: command(reader, node, "ENTRYPOINT"),
        workdir: reader.text(node, "WORKDIR"),
        user: reader.text(node, "USER"),
        healthcheck: reader.text(node, "HEALTHCHECK"),
    }
}

fn command(reader: &mut Reader, node: &Node<'_>, key: &str) -> Option<Command> {
    let at = value(node, key)?;
    if let Some(text) = scalar(at).filter(|_| is_string(at)) {
        return Some(Command::Shell(text.to_owned()));
    }
    reader.strings(node, key).map(Command::Exec)
}

/// What the meta document says of all images wins.
pub(super) fn with_common(spec: Option<ImageSpec>, common: Option<&ImageSpec>) -> Option<ImageSpec> {
    let Some(common) = common else {
        return spec;
    };
    let mut spec = spec.unwrap_or_default();
    spec.author = common.author.clone().or(spec.author);
    spec.clear_history |= common.clear_history;
    spec.labels.extend(common.labels.clone());
    spec.remove_labels.extend(common.remove_labels.iter().cloned());
    Some(spec)
}

pub(super) fn read_image_spec(reader: &mut Reader, node: &Node<'_>) -> ImageSpec {
    let mut spec = ImageSpec {
        author: reader.text(node, "author"),
        clear_history: reader.boolean(node, "clearHistory").unwrap_or(false),
        ..ImageSpec::default()
    };
    let Some(config) = value(node, "config") else {
        return spec;
    };
    spec.cmd = reader.texts(config, "cmd");
    spec.entrypoint = reader.texts(config, "entrypoint");
    spec.env = reader.text_map(config, "env").into_iter().collect();
    spec.labels = reader.text_map(config, "labels").into_iter().collect();
    spec.expose = reader.texts(config, "expose").unwrap_or_default();
    spec.volumes = reader.texts(config, "volumes").unwrap_or_default();
    spec.user = reader.text(config, "user");
    spec.working_dir = reader.text(config, "workingDir");
    spec.stop_signal = reader.text(config, "stopSignal");
    spec.healthcheck = value(config, "healthcheck").map(|check| Healthcheck {
        test: reader.texts(check, "test").unwrap_or_default(),
        interval: reader.number(check, "interval"),
        timeout: reader.number(check, "timeout"),
        start_period: reader
            .number(check, "startPeriod")
            .or_else(|| reader.number(check, "startperiod")),
        retries: reader.number(check, "retries"),
    });
    spec.remove_env = reader.texts(config, "removeEnv").unwrap_or_default();
    spec.remove_labels = reader.texts(config, "removeLabels").unwrap_or_default();
    spec.remove_volumes = reader.texts(config, "removeVolumes").unwrap_or_default();
    spec.clear_cmd = reader.boolean(config, "clearCmd").unwrap_or(false);
    spec.clear_entrypoint = reader.boolean(config, "clearEntrypoint").unwrap_or(false);
    spec.clear_user = reader.boolean(config, "clearUser").unwrap_or(false);
    spec.clear_working_dir = reader.boolean(config, "clearWorkingDir").unwrap_or(false);
    spec
}
