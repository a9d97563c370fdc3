//! The config of an image as one pure function of its base's config, its layers and the directives of werf.yaml.
//!
//! Used after every build, with an engine or without one. Equal arguments give equal bytes: keys are sorted, the time
//! is one constant, and nothing of who built it, or where, is in it. Fields that it does not know are kept.

use std::collections::BTreeMap;

use kiel_stapel::spec::{Command, DockerConfig, Healthcheck, ImageSpec};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::git::layer;
use crate::registry::{Digest, Platform};

/// The time of everything that is built, as seconds since 1970.
pub(crate) const EPOCH: u64 = layer::TIME;
/// The same, as configs have it.
pub(crate) const CREATED: &str = "1980-01-02T00:00:00Z";

/// What werf.yaml says about an image's config.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Directives<'a> {
    /// Variables that `dependencies` set.
    pub(crate) env: &'a [(String, String)],
    /// `docker:`
    pub(crate) docker: Option<&'a DockerConfig>,
    /// `imageSpec`
    pub(crate) spec: Option<&'a ImageSpec>,
}

/// A layer as a config tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerHistory {
    /// Digest of its uncompressed bytes.
    pub(crate) diff_id: Digest,
    /// Its entry in the history.
    pub(crate) history: Value,
}

/// A regular expression of `remove…` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use `{pattern}` of imageSpec: {reason}")]
pub struct RemovePatternError {
    pattern: String,
    reason: String,
}

/// An entry of the history for a layer that we made.
pub(crate) fn history_entry(created_by: &str) -> Value {
    json!({ "created": CREATED, "created_by": created_by })
}

/// The config of an empty image.
pub(crate) fn scratch(platform: &Platform) -> Value {
    let mut config = json!({ "architecture": platform.architecture, "os": platform.os, "config": {} });
    if let Some(variant) = &platform.variant {
        config["variant"] = variant.clone().into();
    }
    config
}

/// The base's layers with one history entry each, and all its entries, those of empty layers too. A base whose
/// history does not fit its layers gets one that does.
pub(crate) fn layers_of(config: &Value) -> (Vec<LayerHistory>, Vec<Value>) {
    let diff_ids: Vec<Digest> = texts(&config["rootfs"]["diff_ids"])
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let mut history: Vec<Value> = config["history"].as_array().cloned().unwrap_or_default();
    let fills = |entry: &&Value| entry["empty_layer"].as_bool() != Some(true);
    if history.iter().filter(fills).count() != diff_ids.len() {
        history = diff_ids.iter().map(|_| history_entry("base image")).collect();
    }
    let entries: Vec<Value> = history.iter().filter(fills).cloned().collect();
    let layers = diff_ids
        .into_iter()
        .zip(entries)
        .map(|(diff_id, history)| LayerHistory { diff_id, history });
    (layers.collect(), history)
}

/// A config with these layers and this history.
pub(crate) fn with_layers(base: &Value, diff_ids: &[Digest], history: &[Value]) -> Value {
    let mut config = base.clone();
    config["created"] = CREATED.into();
    config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
    config["history"] = history.to_vec().into();
    // What the engine or docker noted about how the base was made.
    if let Some(fields) = config.as_object_mut() {
        for name in [
            "container",
            "container_config",
            "docker_version",
            "moby.buildkit.cache.v0",
            "moby.buildkit.buildinfo.v1",
        ] {
            fields.remove(name);
        }
    }
    config
}

/// Applies the directives.
pub(crate) fn apply(config: &mut Value, directives: Directives<'_>) -> Result<(), RemovePatternError> {
    if !config["config"].is_object() {
        config["config"] = json!({});
    }
    if let Some(spec) = directives.spec {
        if let Some(author) = &spec.author {
            config["author"] = author.clone().into();
        }
        if spec.clear_history {
            let empty = |_| json!({ "created": CREATED });
            let count = config["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len);
            config["history"] = (0..count).map(empty).collect::<Vec<_>>().into();
        }
    }
    let Some(fields) = config["config"].as_object_mut() else {
        return Ok(());
    };
    set_env(
        fields,
        directives
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    if let Some(docker) = directives.docker {
        apply_docker(fields, docker);
    }
    directives.spec.map_or(Ok(()), |spec| apply_spec(fields, spec))
}

/// The bytes of a config.
pub(crate) fn to_bytes(config: &Value) -> Vec<u8> {
    let sorted: BTreeMap<&String, &Value> = config.as_object().into_iter().flatten().collect();
    serde_json::to_vec(&sorted).expect("strings, numbers and maps are always serializable")
}

/// The variables of a config, in order.
pub(crate) fn env_of(config: &Value) -> Vec<(String, String)> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    texts(&config["config"]["Env"]).iter().map(pair).collect()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn apply_docker(fields: &mut Map<String, Value>, docker: &DockerConfig) {
    set_env(
        fields,
        docker
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    add_keys(fields, "Volumes", docker.volume.iter().cloned());
    add_keys(
        fields,
        "ExposedPorts",
        docker.expose.iter().map(|port| with_protocol(port)),
    );
    set_labels(fields, &docker.label);
    set_commands(
        fields,
        docker.entrypoint.as_ref().map(Command::words),
        docker.cmd.as_ref().map(Command::words),
    );
    set_text(fields, "WorkingDir", docker.workdir.as_deref());
    set_text(fields, "User", docker.user.as_deref());
    if let Some(check) = &docker.healthcheck {
        fields.insert("Healthcheck".into(), docker_healthcheck(check));
    }
}

/// `NONE`, or `[--interval=… …] CMD command`, the command as text or as JSON list.
fn docker_healthcheck(text: &str) -> Value {
    let mut check = Map::new();
    let mut rest = text.trim();
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "interval" => check.insert("Interval".into(), nanoseconds(value).into()),
            "timeout" => check.insert("Timeout".into(), nanoseconds(value).into()),
            "start-period" => check.insert("StartPeriod".into(), nanoseconds(value).into()),
            "retries" => check.insert("Retries".into(), value.parse::<u64>().unwrap_or_default().into()),
            _ => None,
        };
        rest = after.trim_start();
    }
    let command = rest.strip_prefix("CMD").map(str::trim);
    let test: Vec<String> = match command {
        None => vec!["NONE".into()],
        Some(command) => match serde_json::from_str::<Vec<String>>(command) {
            Ok(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
            Err(_) => vec!["CMD-SHELL".into(), command.to_owned()],
        },
    };
    let mut ordered = Map::from_iter([("Test".to_owned(), Value::from(test))]);
    ordered.extend(check);
    Value::Object(ordered)
}

/// Go's durations as far as health checks have them: `1m30s`, `500ms`.
fn nanoseconds(text: &str) -> u64 {
    let mut total = 0;
    let mut number = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            'h' => 3_600_000_000_000,
            'm' if chars.peek() == Some(&'s') => {
                chars.next();
                1_000_000
            }
            'm' => 60_000_000_000,
            's' => 1_000_000_000,
            _ => 0,
        };
        total += number.parse::<u64>().unwrap_or_default() * unit;
        number.clear();
    }
    total
}

fn apply_spec(fields: &mut Map<String, Value>, spec: &ImageSpec) -> Result<(), RemovePatternError> {
    let removed_env = matcher(&spec.remove_env)?;
    let kept: Vec<String> = texts(fields.get("Env").unwrap_or(&Value::Null))
        .into_iter()
        .filter(|text| !removed_env(text.split_once('=').map_or(text.as_str(), |(name, _)| name)))
        .collect();
    fields.insert("Env".into(), kept.into());
    for (name, patterns) in [("Labels", &spec.remove_labels), ("Volumes", &spec.remove_volumes)] {
        let removed = matcher(patterns)?;
        if let Some(Value::Object(entries)) = fields.get_mut(name) {
            entries.retain(|key, _| !removed(key));
        }
    }
    for (clear, name) in [
        (spec.clear_cmd, "Cmd"),
        (spec.clear_entrypoint, "Entrypoint"),
        (spec.clear_user, "User"),
        (spec.clear_working_dir, "WorkingDir"),
    ] {
        if clear {
            fields.remove(name);
        }
    }
    set_env(
        fields,
        spec.env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    set_labels(fields, &spec.labels);
    add_keys(
        fields,
        "ExposedPorts",
        spec.expose.iter().map(|port| with_protocol(port)),
    );
    add_keys(fields, "Volumes", spec.volumes.iter().cloned());
    set_commands(fields, spec.entrypoint.clone(), spec.cmd.clone());
    set_text(fields, "User", spec.user.as_deref());
    set_text(fields, "WorkingDir", spec.working_dir.as_deref());
    set_text(fields, "StopSignal", spec.stop_signal.as_deref());
    if let Some(check) = &spec.healthcheck {
        fields.insert("Healthcheck".into(), healthcheck(check));
    }
    Ok(())
}

fn healthcheck(check: &Healthcheck) -> Value {
    let mut fields = Map::from_iter([("Test".to_owned(), Value::from(check.test.clone()))]);
    let seconds = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
    ];
    for (name, value) in seconds {
        fields.extend(value.map(|value| (name.to_owned(), Value::from(value * 1_000_000_000))));
    }
    fields.extend(
        check
            .retries
            .map(|retries| ("Retries".to_owned(), retries.into())),
    );
    Value::Object(fields)
}

/// Exact names and `/RE/`.
fn matcher(patterns: &[String]) -> Result<impl Fn(&str) -> bool, RemovePatternError> {
    let mut names = Vec::new();
    let mut expressions = Vec::new();
    for pattern in patterns {
        match pattern
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
            .filter(|_| pattern.len() > 1)
        {
            Some(expression) => {
                expressions.push(Regex::new(expression).map_err(|error| RemovePatternError {
                    pattern: pattern.clone(),
                    reason: error.to_string(),
                })?);
            }
            None => names.push(pattern.clone()),
        }
    }
    Ok(move |text: &str| {
        names.iter().any(|name| name == text)
            || expressions.iter().any(|expression| expression.is_match(text))
    })
}

/// Sets variables in place or adds them; `${NAME}` and `$NAME` stand for what the config had.
fn set_env<'a>(fields: &mut Map<String, Value>, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    let before = texts(fields.get("Env").unwrap_or(&Value::Null));
    let value_before = |name: &str| {
        before.iter().find_map(|text| {
            text.split_once('=')
                .filter(|(known, _)| *known == name)
                .map(|(_, value)| value)
        })
    };
    let mut after = before.clone();
    for (name, value) in pairs {
        let text = format!("{name}={}", expand(value, &value_before));
        match after
            .iter()
            .position(|entry| entry.split_once('=').is_some_and(|(known, _)| known == name))
        {
            Some(index) => after[index] = text,
            None => after.push(text),
        }
    }
    if !after.is_empty() {
        fields.insert("Env".into(), after.into());
    }
}

/// Replaces variables that are known; others stay as they are.
fn expand<'a>(text: &str, lookup: &dyn Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let plain = after
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(after.len());
        let (name, next) = braced.unwrap_or((&after[..plain], &after[plain..]));
        match lookup(name) {
            Some(value) => {
                out.push_str(value);
                rest = next;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

fn set_labels(fields: &mut Map<String, Value>, labels: &BTreeMap<String, String>) {
    if labels.is_empty() {
        return;
    }
    let known = fields.entry("Labels").or_insert_with(|| json!({}));
    if !known.is_object() {
        *known = json!({});
    }
    if let Some(known) = known.as_object_mut() {
        known.extend(
            labels
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into())),
        );
        known.sort_keys();
    }
}

fn add_keys(fields: &mut Map<String, Value>, name: &str, keys: impl Iterator<Item = String>) {
    let mut keys = keys.peekable();
    if keys.peek().is_none() {
        return;
    }
    let known = fields.entry(name).or_insert_with(|| json!({}));
    if !known.is_object() {
        *known = json!({});
    }
    if let Some(known) = known.as_object_mut() {
        known.extend(keys.map(|key| (key, json!({}))));
        known.sort_keys();
    }
}

fn with_protocol(port: &str) -> String {
    if port.contains('/') {
        port.to_owned()
    } else {
        format!("{port}/tcp")
    }
}

/// A new entrypoint without a new command resets the command, as in a Dockerfile.
fn set_commands(fields: &mut Map<String, Value>, entrypoint: Option<Vec<String>>, cmd: Option<Vec<String>>) {
    if let Some(words) = entrypoint {
        fields.insert("Entrypoint".into(), words.into());
        fields.remove("Cmd");
    }
    if let Some(words) = cmd {
        fields.insert("Cmd".into(), words.into());
    }
}

fn set_text(fields: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        fields.insert(name.into(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Value {
        json!({
            "os": "linux", "architecture": "amd64", "created": "2026-01-01T00:00:00Z", "x-unknown": 1,
            "config": {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "Entrypoint": ["/old"], "Labels": {"b": "1", "drop.me": "x"}, "User": "app", "Volumes": {"/v": {}}},
        })
    }

    fn applied(docker: Option<&DockerConfig>, spec: Option<&ImageSpec>) -> Value {
        let mut config = base();
        let env = [("DEP".to_owned(), "repo:tag".to_owned())];
        apply(
            &mut config,
            Directives {
                env: &env,
                docker,
                spec,
            },
        )
        .unwrap();
        config["config"].clone()
    }

    #[test]
    fn docker_directives() {
        let docker = DockerConfig {
            env: [
                ("A".to_owned(), "2".to_owned()),
                ("PATH".to_owned(), "${PATH}:/opt:$A:$NOPE".to_owned()),
            ]
            .into(),
            expose: vec!["80".into(), "53/udp".into()],
            entrypoint: Some(Command::Exec(vec!["/app".into()])),
            healthcheck: Some("--interval=1m30s --retries=2 CMD curl localhost".into()),
            workdir: Some("/srv".into()),
            ..DockerConfig::default()
        };
        assert_eq!(
            applied(Some(&docker), None),
            json!({"Env": ["PATH=/bin:/opt:1:$NOPE", "A=2", "DEP=repo:tag"], "Entrypoint": ["/app"], "Labels": {"b": "1", "drop.me": "x"}, "User": "app",
                   "Volumes": {"/v": {}}, "ExposedPorts": {"53/udp": {}, "80/tcp": {}}, "WorkingDir": "/srv",
                   "Healthcheck": {"Test": ["CMD-SHELL", "curl localhost"], "Interval": 90_000_000_000_u64, "Retries": 2}})
        );
    }

    #[test]
    fn image_spec_directives() {
        let spec = ImageSpec {
            remove_env: vec!["A".into()],
            remove_labels: vec!["/^drop/".into()],
            remove_volumes: vec!["/v".into()],
            labels: [("a".to_owned(), "2".to_owned())].into(),
            clear_user: true,
            cmd: Some(vec!["run".into()]),
            ..ImageSpec::default()
        };
        let config = applied(None, Some(&spec));
        assert_eq!(config["Env"], json!(["PATH=/bin", "DEP=repo:tag"]));
        assert_eq!(config["Labels"], json!({"a": "2", "b": "1"}));
        assert_eq!(config["Volumes"], json!({}));
        assert_eq!(
            (&config["Cmd"], &config["Entrypoint"], config.get("User")),
            (&json!(["run"]), &json!(["/old"]), None)
        );
        let bad = ImageSpec {
            remove_env: vec!["/(/".into()],
            ..ImageSpec::default()
        };
        assert!(
            apply(
                &mut base(),
                Directives {
                    spec: Some(&bad),
                    ..Directives::default()
                }
            )
            .is_err()
        );
    }

    #[test]
    fn equal_configs_have_equal_bytes_and_unknown_fields_stay() {
        let digest = Digest::of(b"x");
        let config = with_layers(&base(), &[digest], &[history_entry("x")]);
        let text = String::from_utf8(to_bytes(&config)).unwrap();
        assert!(
            text.starts_with(r#"{"architecture":"amd64","config":{"#),
            "{text}"
        );
        assert!(
            text.contains(r#""created":"1980-01-02T00:00:00Z""#) && text.ends_with(r#""x-unknown":1}"#),
            "{text}"
        );
    }

    #[test]
    fn a_history_that_does_not_fit_is_replaced() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let config = |history: Value| json!({"rootfs": {"diff_ids": [a, b]}, "history": history});
        let fits =
            json!([{"created_by": "1"}, {"created_by": "e", "empty_layer": true}, {"created_by": "2"}]);
        let (layers, history) = layers_of(&config(fits.clone()));
        assert_eq!(
            (layers.len(), history.len(), &layers[1].history),
            (2, 3, &fits[2])
        );
        assert_eq!(layers_of(&config(json!([{"created_by": "1"}]))).1.len(), 2);
    }
}
