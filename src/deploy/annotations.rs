//! What annotations say about deploying an object, read once: `werf.io/*` and `helm.sh/*`.
//!
//! A value that can't be understood is an error that names the annotation: ignoring it would deploy
//! something else than what the chart's author meant.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Serialize;
use serde_json::Value;

/// When an object is deleted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletePolicy {
    /// Before it is made again.
    BeforeCreation,
    /// Before it is made again, if a field changes that can't be changed.
    BeforeCreationIfImmutable,
    /// When it has succeeded.
    Succeeded,
    /// When it has failed.
    Failed,
}

/// What happens when an object doesn't get ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum FailMode {
    /// The run ends at once.
    #[default]
    FailWholeDeployProcessImmediately,
    /// The run goes on as long as others are not ready, then fails.
    HopeUntilEndOfDeployProcess,
    /// The run goes on and doesn't fail.
    IgnoreAndContinueDeployProcess,
}

/// Another object of the release that has to be there first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Dependency {
    /// Whether it must be ready, or only present.
    pub ready: bool,
    /// Kind, any where `None`.
    pub kind: Option<String>,
    /// Name, any where `None`.
    pub name: Option<String>,
    /// Namespace, any where `None`.
    pub namespace: Option<String>,
    /// API group, any where `None`.
    pub group: Option<String>,
    /// API version without its group, any where `None`.
    pub version: Option<String>,
}

/// Which log lines of an object's pods are shown.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LogPolicy {
    /// None at all.
    pub skip: bool,
    /// Containers whose logs are not shown.
    pub skip_containers: Vec<String>,
    /// If not empty: the only containers whose logs are shown.
    pub only_containers: Vec<String>,
    /// How many pods' logs are shown.
    pub replicas: usize,
    /// Only lines that match.
    #[serde(skip)]
    pub only: Option<Regex>,
    /// No lines that match.
    #[serde(skip)]
    pub except: Option<Regex>,
}

/// Everything that annotations say about one object.
#[derive(Debug, Clone, Serialize)]
pub struct Policy {
    /// Place in the order; lower is earlier.
    pub weight: i64,
    /// Stays when it leaves the chart, and when the release is deleted.
    pub keep: bool,
    /// Not owned by the release: not checked, not deleted with it.
    pub anyone: bool,
    /// When it is deleted by itself.
    pub delete: Vec<DeletePolicy>,
    /// `Foreground`, `Background` or `Orphan`, where it is set.
    pub propagation: Option<String>,
    /// Replicas for the creation alone: an autoscaler owns the field afterwards.
    pub replicas_on_creation: Option<i64>,
    /// Not waited for.
    pub non_blocking: bool,
    /// What a failure means.
    pub fail_mode: FailMode,
    /// Failures that are forgiven for each replica.
    pub failures_allowed: Option<u64>,
    /// Values of the object are secret.
    pub sensitive: Option<bool>,
    /// Objects that come first.
    pub dependencies: Vec<Dependency>,
    /// Logs.
    pub logs: LogPolicy,
}

type Annotations = BTreeMap<String, String>;

/// The annotations of an object. Values that are no strings are what YAML made of unquoted numbers and
/// booleans: they count as their text.
pub(crate) fn annotations(object: &Value) -> Annotations {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let map = object["metadata"]["annotations"].as_object();
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), text(value)?)))
        .collect()
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn parse<T>(
    annotations: &Annotations,
    key: &str,
    want: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, String> {
    annotations
        .get(key)
        .map(|text| read(text.trim()).ok_or_else(|| format!("annotation {key}: `{text}` is not {want}")))
        .transpose()
}

fn boolean(annotations: &Annotations, key: &str) -> Result<Option<bool>, String> {
    parse(annotations, key, "true or false", |text| match text {
        "true" | "True" | "1" => Some(true),
        "false" | "False" | "0" => Some(false),
        _ => None,
    })
}

impl Policy {
    /// The policy of an object without annotations.
    pub(crate) fn none() -> Self {
        Self::read(&Value::Null, false).expect("no annotation can be misunderstood")
    }

    /// Reads the annotations of an object of the given kind; `hook` objects have Helm's defaults for hooks.
    pub(crate) fn read(object: &Value, hook: bool) -> Result<Self, String> {
        let found = annotations(object);
        let weight_key = if hook && !found.contains_key("werf.io/weight") {
            "helm.sh/hook-weight"
        } else {
            "werf.io/weight"
        };
        let weight = if hook {
            // Go: Helm takes 0 for a weight that is no number.
            found
                .get(weight_key)
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0)
        } else {
            parse(&found, weight_key, "a whole number", |text| text.parse().ok())?.unwrap_or(0)
        };
        let keep = ["helm.sh/resource-policy", "werf.io/resource-policy"]
            .iter()
            .any(|key| {
                found.get(*key).is_some_and(|text| {
                    list(text)
                        .iter()
                        .any(|policy| policy == "keep" || policy == "skip-delete")
                })
            });
        let anyone = parse(
            &found,
            "werf.io/ownership",
            "`release` or `anyone`",
            |text| match text {
                "anyone" => Some(true),
                "release" => Some(false),
                _ => None,
            },
        )?;
        Ok(Self {
            weight,
            keep,
            anyone: anyone.unwrap_or(hook),
            delete: delete_policies(&found, hook, object["kind"] == "Job")?,
            propagation: parse(
                &found,
                "werf.io/delete-propagation",
                "Foreground, Background or Orphan",
                |text| {
                    ["Foreground", "Background", "Orphan"]
                        .contains(&text)
                        .then(|| text.to_owned())
                },
            )?,
            replicas_on_creation: parse(&found, "werf.io/replicas-on-creation", "a whole number", |text| {
                text.parse().ok().filter(|n| *n >= 0)
            })?,
            non_blocking: parse(
                &found,
                "werf.io/track-termination-mode",
                "WaitUntilResourceReady or NonBlocking",
                |text| match text {
                    "NonBlocking" => Some(true),
                    "WaitUntilResourceReady" => Some(false),
                    _ => None,
                },
            )?
            .unwrap_or(false),
            fail_mode: parse(&found, "werf.io/fail-mode", "a fail mode", |text| match text {
                "FailWholeDeployProcessImmediately" => Some(FailMode::FailWholeDeployProcessImmediately),
                "HopeUntilEndOfDeployProcess" => Some(FailMode::HopeUntilEndOfDeployProcess),
                "IgnoreAndContinueDeployProcess" => Some(FailMode::IgnoreAndContinueDeployProcess),
                _ => None,
            })?
            .unwrap_or_default(),
            failures_allowed: parse(
                &found,
                "werf.io/failures-allowed-per-replica",
                "a whole number",
                |text| text.parse().ok(),
            )?,
            sensitive: boolean(&found, "werf.io/sensitive")?,
            dependencies: dependencies(&found)?,
            logs: log_policy(&found)?,
        })
    }
}

fn delete_policies(found: &Annotations, hook: bool, job: bool) -> Result<Vec<DeletePolicy>, String> {
    let key = if found.contains_key("werf.io/delete-policy") {
        "werf.io/delete-policy"
    } else {
        "helm.sh/hook-delete-policy"
    };
    let Some(text) = found.get(key).filter(|_| hook || key.starts_with("werf.io/")) else {
        return Ok(match (hook, job) {
            (true, _) => vec![DeletePolicy::BeforeCreation],
            (false, true) => vec![DeletePolicy::BeforeCreationIfImmutable],
            (false, false) => Vec::new(),
        });
    };
    let mut policies = Vec::new();
    for policy in list(text) {
        policies.push(match policy.as_str() {
            "before-creation" | "before-hook-creation" => DeletePolicy::BeforeCreation,
            "before-creation-if-immutable" => DeletePolicy::BeforeCreationIfImmutable,
            "succeeded" | "hook-succeeded" => DeletePolicy::Succeeded,
            "failed" | "hook-failed" => DeletePolicy::Failed,
            _ => return Err(format!("annotation {key}: `{policy}` is not a delete policy")),
        });
    }
    Ok(policies)
}

fn dependencies(found: &Annotations) -> Result<Vec<Dependency>, String> {
    let mut dependencies = Vec::new();
    for (key, text) in found {
        let wanted = key.starts_with("werf.io/deploy-dependency-") || key.ends_with(".dependency.werf.io");
        if !wanted {
            continue;
        }
        let mut dependency = Dependency::default();
        let mut state = None;
        for part in list(text) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("annotation {key}: `{part}` is not of the form name=value"))?;
            let value = Some(value.to_owned());
            match name {
                "state" => state = value,
                "kind" => dependency.kind = value,
                "name" => dependency.name = value,
                "namespace" => dependency.namespace = value,
                "group" => dependency.group = value,
                "version" => dependency.version = value,
                _ => return Err(format!("annotation {key}: `{name}` is not known")),
            }
        }
        dependency.ready = match state.as_deref() {
            Some("ready") => true,
            Some("present") => false,
            _ => return Err(format!("annotation {key}: it needs state=ready or state=present")),
        };
        dependencies.push(dependency);
    }
    Ok(dependencies)
}

fn log_policy(found: &Annotations) -> Result<LogPolicy, String> {
    let regex = |key: &str| parse(found, key, "a regular expression", |text| Regex::new(text).ok());
    let names = |key: &str| found.get(key).map(|text| list(text)).unwrap_or_default();
    Ok(LogPolicy {
        skip: boolean(found, "werf.io/skip-logs")?.unwrap_or(false),
        skip_containers: names("werf.io/skip-logs-for-containers"),
        only_containers: names("werf.io/show-logs-only-for-containers"),
        replicas: parse(
            found,
            "werf.io/show-logs-only-for-number-of-replicas",
            "a whole number",
            |text| text.parse().ok(),
        )?
        .unwrap_or(1),
        only: regex("werf.io/log-regex")?,
        except: regex("werf.io/log-regex-skip")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(annotations: &Value, hook: bool) -> Result<Policy, String> {
        Policy::read(
            &json!({"kind": "Job", "metadata": {"annotations": annotations}}),
            hook,
        )
    }

    #[test]
    fn defaults_differ_for_hooks() {
        let plain = read(&json!({}), false).expect("reads");
        assert_eq!((plain.weight, plain.anyone), (0, false));
        assert_eq!(plain.delete, [DeletePolicy::BeforeCreationIfImmutable]);
        let hook = read(&json!({"helm.sh/hook-weight": "-5"}), true).expect("reads");
        assert_eq!((hook.weight, hook.anyone), (-5, true));
        assert_eq!(hook.delete, [DeletePolicy::BeforeCreation]);
    }

    #[test]
    fn unquoted_numbers_count_as_their_text() {
        assert_eq!(
            read(&json!({"werf.io/weight": 5}), false).expect("reads").weight,
            5
        );
        assert_eq!(
            read(&json!({"werf.io/sensitive": true}), false)
                .expect("reads")
                .sensitive,
            Some(true)
        );
    }

    #[test]
    fn values_that_are_not_understood_are_errors() {
        for (key, value) in [
            ("werf.io/weight", "first"),
            ("werf.io/ownership", "me"),
            ("werf.io/fail-mode", "Never"),
            ("werf.io/delete-policy", "sometimes"),
            ("werf.io/deploy-dependency-db", "kind=Job"),
            ("werf.io/deploy-dependency-db", "state=ready,colour=red"),
            ("werf.io/log-regex", "("),
        ] {
            let message = read(&json!({key: value}), false).expect_err(key);
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn dependencies_are_read() {
        let policy = read(
            &json!({"werf.io/deploy-dependency-db": "state=ready,kind=Job,name=db"}),
            false,
        )
        .expect("reads");
        let dependency = &policy.dependencies[0];
        assert!(dependency.ready);
        assert_eq!(
            (dependency.kind.as_deref(), dependency.name.as_deref()),
            (Some("Job"), Some("db"))
        );
    }
}
