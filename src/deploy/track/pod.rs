//! What is wrong with a pod: pure functions of pods and events as the server has them.

use std::time::Duration;

use serde_json::Value;

use super::status::condition;

/// Registries that don't answer get this time; "no such image" gets none.
const PULL_PATIENCE: Duration = Duration::from_secs(20);
/// The server publishes this one in every namespace, some moments after the namespace is made.
const ROOT_CA: &str = "kube-root-ca.crt";

/// How long a trouble may last before it ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It ends the run at once.
    None,
    /// It ends the run after this time.
    For(Duration),
    /// Something that the pod refers to is missing: somebody may be about to make it.
    Reference,
    /// It is only shown.
    Forever,
}

/// Something that keeps a pod from being up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The container, where it is about one.
    pub(crate) container: Option<String>,
    pub(crate) text: String,
    pub(crate) patience: Patience,
}

/// A container's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) name: String,
    /// How often it has ended so far.
    pub(crate) ends: u64,
    /// How it ended last, if it did not succeed or should not end at all.
    pub(crate) last_end: Option<String>,
    /// It runs now, or has run: there are logs.
    pub(crate) has_logs: bool,
    pub(crate) running: bool,
    /// Its instance, to tell restarts apart.
    pub(crate) restarts: u64,
}

/// A pod's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodReport {
    pub(crate) ready: bool,
    pub(crate) terminating: bool,
    /// No container has begun yet.
    pub(crate) not_begun: bool,
    /// What it does that pods on their way up don't, in a few words; mostly nothing.
    pub(crate) detail: String,
    /// How far it is, also on its usual way up: for those who have waited for too long.
    pub(crate) standing: String,
    pub(crate) containers: Vec<Container>,
    pub(crate) troubles: Vec<Trouble>,
}

impl PodReport {
    /// How often containers have ended that should not have.
    pub(crate) fn ends(&self) -> u64 {
        self.containers
            .iter()
            .filter(|container| container.last_end.is_some())
            .map(|container| container.ends)
            .sum()
    }
}

/// Looks a pod over.
pub(crate) fn examine(pod: &Value) -> PodReport {
    let mut troubles = Vec::new();
    let mut containers = Vec::new();
    let mut detail = String::new();
    let mut standing = String::new();
    let mut begun = false;
    let always = pod["spec"]["restartPolicy"].as_str().unwrap_or("Always") == "Always";
    for (list, init) in [("initContainerStatuses", true), ("containerStatuses", false)] {
        for status in pod["status"][list].as_array().into_iter().flatten() {
            let name = status["name"].as_str().unwrap_or_default();
            let must_stay = !init && always || init && is_sidecar(pod, name);
            let container = container(status, must_stay);
            begun |= container.has_logs;
            if standing.is_empty() {
                standing = stands_at(name, status, init, always);
            }
            if let Some(waiting) = waiting(status) {
                if detail.is_empty() && !matches!(waiting.0, "ContainerCreating" | "PodInitializing") {
                    detail = format!("container {name}: {}", waiting.0);
                }
                troubles.extend(waiting_trouble(name, waiting));
            }
            containers.push(container);
        }
    }
    let unscheduled = match condition(pod, "PodScheduled") {
        Some(("False", "Unschedulable", message)) => Some(format!("cannot be scheduled: {message}")),
        Some(("False", "SchedulingGated", _)) => {
            Some(format!("waits for its scheduling gates: {}", gates(pod)))
        }
        _ => None,
    };
    if let Some(text) = unscheduled {
        detail = text;
        troubles.push(Trouble {
            container: None,
            text: detail.clone(),
            patience: Patience::Forever,
        });
    }
    let ready = matches!(condition(pod, "Ready"), Some(("True", _, _)));
    PodReport {
        ready,
        terminating: pod["metadata"]["deletionTimestamp"].is_string(),
        not_begun: !begun,
        detail,
        standing,
        containers,
        troubles,
    }
}

fn gates(pod: &Value) -> String {
    let gates = pod["spec"]["schedulingGates"].as_array().into_iter().flatten();
    let names: Vec<&str> = gates.filter_map(|gate| gate["name"].as_str()).collect();
    names.join(", ")
}

/// What a container that is not ready is at; nothing for one that is ready or has done its work.
fn stands_at(name: &str, status: &Value, init: bool, always: bool) -> String {
    let state = &status["state"];
    if let Some(reason) = state["waiting"]["reason"].as_str() {
        return format!("container {name} waits: {reason}");
    }
    if status["ready"] == true || (init || !always) && state["terminated"]["exitCode"] == 0 {
        return String::new();
    }
    if state["running"].is_null() {
        return format!("container {name} has ended");
    }
    match init {
        true => format!("container {name} is still running"),
        false => format!("container {name} is running, but not ready"),
    }
}

fn is_sidecar(pod: &Value, name: &str) -> bool {
    let all = pod["spec"]["initContainers"].as_array().into_iter().flatten();
    all.into_iter()
        .any(|container| container["name"] == name && container["restartPolicy"] == "Always")
}

fn container(status: &Value, must_stay: bool) -> Container {
    let state = &status["state"];
    let restarts = status["restartCount"].as_u64().unwrap_or(0);
    let ended = !state["terminated"].is_null();
    let backing_off = state["waiting"]["reason"] == "CrashLoopBackOff";
    let last = if ended {
        &state["terminated"]
    } else {
        &status["lastState"]["terminated"]
    };
    let bad = !last.is_null() && (must_stay || last["exitCode"].as_i64().unwrap_or(0) != 0);
    Container {
        name: status["name"].as_str().unwrap_or_default().to_owned(),
        ends: restarts + u64::from(ended || backing_off),
        last_end: bad.then(|| end_text(last, must_stay)),
        has_logs: ended || !state["running"].is_null() || restarts > 0,
        running: !state["running"].is_null(),
        restarts,
    }
}

/// Exit code, the kubelet's and the container's own words, and what they mean where that is not plain.
fn end_text(end: &Value, must_stay: bool) -> String {
    let code = end["exitCode"].as_i64().unwrap_or(0);
    let reason = end["reason"].as_str().unwrap_or_default();
    let message = end["message"].as_str().unwrap_or_default().trim();
    let mut text = format!("exit code {code}");
    if !matches!(reason, "" | "Error" | "Completed") {
        text.push_str(&format!(", {reason}"));
    }
    if !message.is_empty() {
        text.push_str(&format!(": {}", message.chars().take(500).collect::<String>()));
    }
    if reason == "OOMKilled" {
        text.push_str("; it needs more memory than resources.limits.memory allows");
    } else if code == 0 && must_stay {
        text.push_str("; it should go on running");
    }
    text
}

fn waiting(status: &Value) -> Option<(&str, &str)> {
    let waiting = &status["state"]["waiting"];
    Some((
        waiting["reason"].as_str()?,
        waiting["message"].as_str().unwrap_or_default(),
    ))
}

fn waiting_trouble(name: &str, (reason, message): (&str, &str)) -> Option<Trouble> {
    // Between tries the kubelet repeats what the last one said: it is the same trouble.
    let message = match reason {
        "ImagePullBackOff" => message
            .split_once("ErrImagePull: ")
            .map_or(message, |(_, cause)| cause),
        _ => message,
    };
    let patience = match reason {
        "InvalidImageName" | "ErrImageNeverPull" => Patience::None,
        "ErrImagePull" | "ImagePullBackOff" | "ImageInspectError" | "RegistryUnavailable" => {
            if is_final(message) {
                Patience::None
            } else {
                Patience::For(PULL_PATIENCE)
            }
        }
        "CreateContainerConfigError" => Patience::Reference,
        "CreateContainerError" | "RunContainerError" | "PostStartHookError" => Patience::Reference,
        _ => return None,
    };
    let text = match reason {
        "InvalidImageName"
        | "ErrImageNeverPull"
        | "ErrImagePull"
        | "ImagePullBackOff"
        | "ImageInspectError"
        | "RegistryUnavailable" => {
            format!(
                "the image of container {name} cannot be pulled: {message}{}",
                pull_hint(message)
            )
        }
        _ => format!(
            "container {name} cannot be started: {message}{}",
            reference_hint(message)
        ),
    };
    Some(Trouble {
        container: Some(name.to_owned()),
        text,
        patience,
    })
}

/// What may mend a pull, where the registry's words tell it.
fn pull_hint(message: &str) -> &'static str {
    let message = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if message.contains("lookup") {
        ""
    } else if has(&["denied", "unauthorized", "forbidden", "authentication required"]) {
        "; check the image's name, and the imagePullSecrets of the pod or of its service account"
    } else if has(&["not found", "manifest unknown", "name unknown"]) {
        "; check the image's name and tag"
    } else {
        ""
    }
}

/// Whether a registry's answer won't be another one the next time.
fn is_final(message: &str) -> bool {
    let message = message.to_lowercase();
    let words = [
        "not found",
        "manifest unknown",
        "name unknown",
        "denied",
        "unauthorized",
        "forbidden",
        "authentication required",
        "no match for platform",
        "does not exist",
        "invalid reference",
    ];
    // A name server that doesn't know the host may just not be reached.
    !message.contains("lookup") && words.iter().any(|word| message.contains(word))
}

/// A trouble that only an event tells of; `owner_lacks_pods` and `not_begun` say whether it still can matter.
pub(crate) fn event_trouble(event: &Value, owner_lacks_pods: bool, not_begun: bool) -> Option<Trouble> {
    let message = event["message"].as_str().unwrap_or_default();
    let trouble = |text: String, patience| {
        Some(Trouble {
            container: None,
            text,
            patience,
        })
    };
    match event["reason"].as_str()? {
        "FailedCreate" if owner_lacks_pods => {
            let text = format!("its pods cannot be created: {message}{}", reference_hint(message));
            // Quota gets free when old pods go.
            let patience = if message.contains("exceeded quota") {
                Patience::Forever
            } else {
                Patience::Reference
            };
            trouble(text, patience)
        }
        "FailedMount" | "FailedAttachVolume" if not_begun && !message.contains(ROOT_CA) => {
            let patience = if missing_reference(message).is_some() || message.contains("non-existent") {
                Patience::Reference
            } else {
                Patience::Forever
            };
            let hint = reference_hint(message);
            trouble(format!("a volume cannot be mounted: {message}{hint}"), patience)
        }
        "ProvisioningFailed" | "FailedBinding" => trouble(message.to_owned(), Patience::Forever),
        _ => None,
    }
}

fn reference_hint(message: &str) -> &'static str {
    if missing_reference(message).is_some() {
        "; create it first, or put it into the chart"
    } else {
        ""
    }
}

/// The ConfigMap, Secret or ServiceAccount that a message says is missing: plural and name.
pub(crate) fn missing_reference(message: &str) -> Option<(&'static str, String)> {
    for (word, plural) in [
        ("configmap", "configmaps"),
        ("secret", "secrets"),
        ("serviceaccount", "serviceaccounts"),
    ] {
        for (at, _) in message.match_indices(&format!("{word} \"")) {
            let rest = &message[at + word.len() + 2..];
            if let Some((name, after)) = rest.split_once('"')
                && after.trim_start().starts_with("not found")
            {
                return Some((plural, name.rsplit('/').next().unwrap_or(name).to_owned()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "tables read better without references"
    )]
    fn pod(state: Value, restarts: u64, last: Value) -> Value {
        json!({"spec": {"restartPolicy": "Always"}, "status": {"phase": "Running", "containerStatuses": [
            {"name": "app", "state": state, "restartCount": restarts, "lastState": last}]}})
    }

    #[test]
    fn ends_are_counted() {
        let end = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
        let back_off = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "m"}});
        for (pod, want) in [
            (pod(json!({"running": {}}), 0, json!({})), 0),
            (pod(end.clone(), 0, json!({})), 1),
            (pod(json!({"running": {}}), 1, end.clone()), 1),
            (pod(end.clone(), 1, end.clone()), 2),
            (pod(back_off, 1, end), 2),
        ] {
            assert_eq!(examine(&pod).ends(), want, "{pod}");
        }
    }

    #[test]
    fn an_end_with_success_counts_only_where_it_should_run_on() {
        let done = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        assert_eq!(examine(&pod(done.clone(), 0, json!({}))).ends(), 1);
        let mut job = pod(done.clone(), 0, json!({}));
        job["spec"]["restartPolicy"] = json!("Never");
        assert_eq!(examine(&job).ends(), 0);
        let init =
            json!({"status": {"initContainerStatuses": [{"name": "i", "state": done, "restartCount": 0}]}});
        assert_eq!(examine(&init).ends(), 0);
    }

    #[test]
    fn waiting_containers() {
        let check = |reason: &str, message: &str, want: Option<Patience>| {
            let pod = pod(
                json!({"waiting": {"reason": reason, "message": message}}),
                0,
                json!({}),
            );
            let report = examine(&pod);
            assert_eq!(
                report.troubles.first().map(|trouble| trouble.patience),
                want,
                "{reason} {message}"
            );
        };
        check("ContainerCreating", "", None);
        check("ErrImagePull", "reg/x:1: not found", Some(Patience::None));
        check("ImagePullBackOff", "pull access denied", Some(Patience::None));
        check(
            "ErrImagePull",
            "dial tcp 10.0.0.1: connection refused",
            Some(Patience::For(PULL_PATIENCE)),
        );
        check(
            "ErrImagePull",
            "lookup reg: host not found",
            Some(Patience::For(PULL_PATIENCE)),
        );
        check("InvalidImageName", "couldn't parse", Some(Patience::None));
        check(
            "CreateContainerConfigError",
            "configmap \"a\" not found",
            Some(Patience::Reference),
        );
    }

    #[test]
    fn a_pause_between_pulls_is_the_same_trouble() {
        let text = |reason: &str, message: &str| {
            let state = json!({"waiting": {"reason": reason, "message": message}});
            let report = examine(&pod(state, 0, json!({})));
            report.troubles.first().map(|trouble| trouble.text.clone())
        };
        let cause = "dial tcp 10.0.0.1: connection refused";
        let pause = format!("Back-off pulling image \"reg/x:1\": ErrImagePull: {cause}");
        assert_eq!(text("ImagePullBackOff", &pause), text("ErrImagePull", cause));
    }

    #[test]
    fn ends_are_explained() {
        let text = |end: Value| {
            let report = examine(&pod(json!({"terminated": end}), 0, json!({})));
            report.containers[0].last_end.clone().expect("it has ended")
        };
        assert_eq!(
            text(json!({"exitCode": 3, "reason": "Error", "message": "no disk\n"})),
            "exit code 3: no disk"
        );
        assert_eq!(
            text(json!({"exitCode": 0, "reason": "Completed"})),
            "exit code 0; it should go on running"
        );
        assert!(text(json!({"exitCode": 137, "reason": "OOMKilled"})).contains("resources.limits.memory"));
    }

    #[test]
    fn gates_hold_a_pod_back() {
        let pod = json!({"spec": {"schedulingGates": [{"name": "a/b"}, {"name": "c"}]}, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}});
        assert_eq!(examine(&pod).detail, "waits for its scheduling gates: a/b, c");
    }

    #[test]
    fn events() {
        let event = |reason: &str, message: &str| json!({"reason": reason, "message": message});
        let mount = event(
            "FailedMount",
            "MountVolume.SetUp failed for volume \"v\" : secret \"nope\" not found",
        );
        assert_eq!(
            event_trouble(&mount, false, true).map(|t| t.patience),
            Some(Patience::Reference)
        );
        assert_eq!(event_trouble(&mount, false, false), None);
        let root = event("FailedMount", "configmap \"kube-root-ca.crt\" not found");
        assert_eq!(event_trouble(&root, false, true), None);
        let quota = event("FailedCreate", "pods \"a\" is forbidden: exceeded quota: q");
        assert_eq!(
            event_trouble(&quota, true, false).map(|t| t.patience),
            Some(Patience::Forever)
        );
    }

    #[test]
    fn missing_references() {
        let found = |message: &str| missing_reference(message);
        assert_eq!(
            found("x: configmap \"a\" not found"),
            Some(("configmaps", "a".to_owned()))
        );
        assert_eq!(
            found("error looking up service account n/s: serviceaccount \"s\" not found"),
            Some(("serviceaccounts", "s".to_owned()))
        );
        assert_eq!(found("secret \"a\" is odd"), None);
    }
}
