//! A pod's containers as a kubelet sees them: what the steps of a script do to them, and the status and events that
//! a real kubelet writes about it. Pure; times are texts that come in.

use serde_json::{Value, json};

use super::script::Act;

/// A container that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    code: i64,
    reason: String,
    started: String,
    finished: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting { reason: String, message: String },
    Running { since: String },
    Ended(End),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Init,
    /// An init container that goes on beside the others.
    Sidecar,
    Main,
}

#[derive(Debug, Clone)]
struct Container {
    name: String,
    image: String,
    kind: Kind,
    probed: bool,
    ready: bool,
    state: State,
    last: Option<End>,
    restarts: u64,
}

/// A warning about the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Warning {
    pub(super) container: Option<String>,
    pub(super) reason: String,
    pub(super) message: String,
}

/// A pod that is played.
#[derive(Debug, Clone)]
pub(super) struct Play {
    name: String,
    namespace: String,
    uid: String,
    restart_policy: String,
    started: String,
    address: String,
    containers: Vec<Container>,
    /// Phase, reason and message that nothing changes any more.
    verdict: Option<(String, String, String)>,
    /// Its node tells nothing any more.
    pub(super) lost: bool,
}

impl Play {
    /// A pod that has just been seen.
    pub(super) fn new(pod: &Value, now: &str, address: &str) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut containers = Vec::new();
        for (list, init) in [("initContainers", true), ("containers", false)] {
            for spec in pod["spec"][list].as_array().into_iter().flatten() {
                let kind = match (init, &spec["restartPolicy"]) {
                    (false, _) => Kind::Main,
                    (true, policy) if policy == "Always" => Kind::Sidecar,
                    _ => Kind::Init,
                };
                containers.push(Container {
                    name: text(&spec["name"]),
                    image: text(&spec["image"]),
                    kind,
                    probed: !spec["readinessProbe"].is_null(),
                    ready: false,
                    state: State::Waiting {
                        reason: "PodInitializing".to_owned(),
                        message: String::new(),
                    },
                    last: None,
                    restarts: 0,
                });
            }
        }
        let first_only = containers.iter().all(|container| container.kind == Kind::Main);
        for (n, container) in containers.iter_mut().enumerate() {
            if first_only || n == 0 {
                container.wait("ContainerCreating", "");
            }
        }
        Self {
            name: text(&pod["metadata"]["name"]),
            namespace: text(&pod["metadata"]["namespace"]),
            uid: text(&pod["metadata"]["uid"]),
            restart_policy: text(&pod["spec"]["restartPolicy"]),
            started: now.to_owned(),
            address: address.to_owned(),
            containers,
            verdict: None,
            lost: false,
        }
    }

    /// One step; gives the warnings that a kubelet sends with it.
    pub(super) fn act(&mut self, only: Option<&str>, act: &Act, now: &str) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |container: Option<&str>, reason: &str, message: String| {
            warnings.push(Warning {
                container: container.map(str::to_owned),
                reason: reason.to_owned(),
                message,
            });
        };
        match act {
            Act::Event { reason, message } => {
                warn(only, reason, message.clone());
                return warnings;
            }
            Act::Evict(message) => {
                warn(None, "Evicted", message.clone());
                self.verdict = Some(("Failed".to_owned(), "Evicted".to_owned(), message.clone()));
                self.end_all(137, "Error", now);
                return warnings;
            }
            Act::LoseNode => {
                self.lost = true;
                self.containers
                    .iter_mut()
                    .for_each(|container| container.ready = false);
                return warnings;
            }
            _ => {}
        }
        let begins = matches!(
            act,
            Act::Running | Act::Ready | Act::Unready(_) | Act::Exit { .. }
        );
        if begins && only.is_none_or(|name| self.is_main(name)) {
            self.finish_init(now);
        }
        let pod = format!("{}_{}({})", self.name, self.namespace, self.uid);
        for container in &mut self.containers {
            if only.map_or(container.kind != Kind::Main, |name| container.name != name) {
                continue;
            }
            let name = container.name.clone();
            match act {
                Act::Starting(message) => container.wait("ContainerCreating", message),
                Act::Running => container.run(now),
                Act::Ready => {
                    container.run(now);
                    container.ready = true;
                }
                Act::Unready(message) => {
                    container.run(now);
                    container.ready = false;
                    warn(
                        Some(&name),
                        "Unhealthy",
                        format!("Readiness probe failed: {message}"),
                    );
                }
                Act::Exit { code, reason } => container.end(*code, reason, now),
                Act::BackOff => {
                    let text = format!("Back-off restarting failed container {name} in pod {pod}");
                    warn(Some(&name), "BackOff", text);
                    let text = format!("back-off 10s restarting failed container={name} pod={pod}");
                    container.wait("CrashLoopBackOff", &text);
                }
                Act::Waiting { reason, message } => {
                    let text = if reason.ends_with("ImagePull") {
                        format!("Failed to pull image \"{}\": {message}", container.image)
                    } else {
                        format!("Error: {message}")
                    };
                    warn(Some(&name), "Failed", text);
                    container.wait(reason, message);
                }
                Act::Event { .. } | Act::Evict(_) | Act::LoseNode => {}
            }
        }
        warnings
    }

    fn is_main(&self, name: &str) -> bool {
        let found = self.containers.iter().find(|container| container.name == name);
        found.is_some_and(|container| container.kind == Kind::Main)
    }

    /// Ordinary containers begin when the init containers are done and the sidecars run.
    fn finish_init(&mut self, now: &str) {
        for container in &mut self.containers {
            match (container.kind, &container.state) {
                (Kind::Init, State::Ended(end)) if end.code == 0 => {}
                (Kind::Init, _) => {
                    container.end(0, "Completed", now);
                    container.ready = true;
                }
                (Kind::Sidecar, State::Waiting { .. }) if container.last.is_none() => container.run(now),
                _ => {}
            }
        }
    }

    /// What its containers' ends look like when it is deleted.
    pub(super) fn end_all(&mut self, code: i64, reason: &str, now: &str) {
        for container in &mut self.containers {
            if matches!(container.state, State::Running { .. }) {
                container.end(code, reason, now);
            }
        }
    }

    /// Nothing that a script says can happen any more.
    pub(super) fn is_over(&self) -> bool {
        self.verdict.is_some() || matches!(self.phase(), "Succeeded" | "Failed")
    }

    fn phase(&self) -> &'static str {
        if self.verdict.is_some() {
            return "Failed";
        }
        let of = |kind: Kind| {
            self.containers
                .iter()
                .filter(move |container| container.kind == kind)
        };
        let failed = |container: &&Container| matches!(&container.state, State::Ended(end) if end.code != 0);
        if of(Kind::Init).any(|container| failed(&container)) && self.restart_policy == "Never" {
            return "Failed";
        }
        if !self.initialized() {
            return "Pending";
        }
        if of(Kind::Main).any(Container::never_ran) {
            return "Pending";
        }
        let ended = of(Kind::Main).all(|container| matches!(container.state, State::Ended(_)));
        match (ended, self.restart_policy.as_str()) {
            (false, _) | (true, "Always" | "") => "Running",
            (true, _) if !of(Kind::Main).any(|container| failed(&container)) => "Succeeded",
            (true, "Never") => "Failed",
            (true, _) => "Running",
        }
    }

    fn initialized(&self) -> bool {
        self.containers.iter().all(|container| match container.kind {
            Kind::Init => matches!(&container.state, State::Ended(end) if end.code == 0),
            Kind::Sidecar => !container.never_ran(),
            Kind::Main => true,
        })
    }

    /// The status; `before` is the one that the server has, whose times stand where nothing changes.
    pub(super) fn status(&self, before: &Value, now: &str) -> Value {
        let phase = self.phase();
        let statuses = |init: bool| -> Vec<Value> {
            let wanted = self
                .containers
                .iter()
                .filter(|container| (container.kind != Kind::Main) == init);
            wanted.map(|container| container.status(&self.uid)).collect()
        };
        let address = if phase == "Pending" {
            None
        } else {
            Some(&self.address)
        };
        let mut status = json!({
            "phase": phase,
            "startTime": self.started,
            "hostIP": "10.9.255.1",
            "hostIPs": [{"ip": "10.9.255.1"}],
            "podIP": address,
            "podIPs": address.map(|ip| json!([{"ip": ip}])),
            "qosClass": before["qosClass"].as_str().unwrap_or("BestEffort"),
            "conditions": self.conditions(phase, before, now),
            "containerStatuses": statuses(false),
        });
        let init = statuses(true);
        if !init.is_empty() {
            status["initContainerStatuses"] = json!(init);
        }
        if let Some((_, reason, message)) = &self.verdict {
            status["reason"] = json!(reason);
            status["message"] = json!(message);
        }
        status
    }

    fn conditions(&self, phase: &str, before: &Value, now: &str) -> Value {
        let unready = |init: bool| -> Vec<&str> {
            let wanted = self.containers.iter().filter(|container| match container.kind {
                Kind::Main => !init,
                Kind::Sidecar => true,
                Kind::Init => init,
            });
            wanted
                .filter(|container| !container.ready)
                .map(|container| container.name.as_str())
                .collect()
        };
        let listed = |names: &[&str]| format!("[{}]", names.join(" "));
        let readiness = match phase {
            "Succeeded" => ("False", "PodCompleted", String::new()),
            "Failed" => ("False", "PodFailed", String::new()),
            _ if self.lost => ("False", "NodeNotReady", String::new()),
            _ => match (self.initialized(), unready(false)) {
                (true, names) if names.is_empty() => ("True", "", String::new()),
                (_, names) => (
                    "False",
                    "ContainersNotReady",
                    format!("containers with unready status: {}", listed(&names)),
                ),
            },
        };
        let initialized = if self.initialized() {
            ("True", "", String::new())
        } else {
            (
                "False",
                "ContainersNotInitialized",
                format!("containers with incomplete status: {}", listed(&unready(true))),
            )
        };
        let gates_open = ("True", "", String::new());
        let own = [
            ("PodReadyToStartContainers", gates_open),
            ("Initialized", initialized),
            ("Ready", readiness.clone()),
            ("ContainersReady", readiness),
        ];
        let old = before["conditions"].as_array().map_or(&[][..], Vec::as_slice);
        let find = |kind: &str| old.iter().find(|condition| condition["type"] == kind);
        let mut conditions: Vec<Value> = own
            .iter()
            .map(|(kind, (status, reason, message))| {
                let since = find(kind)
                    .filter(|condition| condition["status"] == *status)
                    .map_or(json!(now), |condition| condition["lastTransitionTime"].clone());
                let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": since});
                if !reason.is_empty() {
                    condition["reason"] = json!(reason);
                }
                if !message.is_empty() {
                    condition["message"] = json!(message);
                }
                condition
            })
            .collect();
        // Others' conditions stay as they are.
        let theirs = old
            .iter()
            .filter(|condition| !own.iter().any(|(kind, _)| condition["type"] == *kind));
        conditions.extend(theirs.cloned());
        if self.lost && find("DisruptionTarget").is_none() {
            conditions.push(json!({"type": "DisruptionTarget", "status": "True", "lastTransitionTime": now,
                "reason": "DeletionByTaintManager", "message": "Taint manager: deleting due to NoExecute taint"}));
        }
        json!(conditions)
    }
}

impl Container {
    fn never_ran(&self) -> bool {
        matches!(self.state, State::Waiting { .. }) && self.last.is_none()
    }

    fn keep_end(&mut self) {
        if let State::Ended(end) = &self.state {
            self.last = Some(end.clone());
        }
    }

    fn wait(&mut self, reason: &str, message: &str) {
        self.keep_end();
        self.ready = false;
        self.state = State::Waiting {
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
    }

    fn run(&mut self, now: &str) {
        if matches!(self.state, State::Running { .. }) {
            return;
        }
        self.keep_end();
        if self.last.is_some() {
            self.restarts += 1;
        }
        self.ready = !self.probed;
        self.state = State::Running {
            since: now.to_owned(),
        };
    }

    fn end(&mut self, code: i64, reason: &str, now: &str) {
        self.run(now);
        let started = match &self.state {
            State::Running { since } => since.clone(),
            _ => now.to_owned(),
        };
        self.ready = false;
        self.state = State::Ended(End {
            code,
            reason: reason.to_owned(),
            started,
            finished: now.to_owned(),
        });
    }

    fn status(&self, uid: &str) -> Value {
        let id = |instance: u64| format!("fake://{uid}/{}/{instance}", self.name);
        let ended = |end: &End, instance: u64| {
            json!({"terminated": {"exitCode": end.code, "reason": end.reason, "startedAt": end.started,
                "finishedAt": end.finished, "containerID": id(instance)}})
        };
        let state = match &self.state {
            State::Waiting { reason, message } if message.is_empty() => {
                json!({"waiting": {"reason": reason}})
            }
            State::Waiting { reason, message } => json!({"waiting": {"reason": reason, "message": message}}),
            State::Running { since } => json!({"running": {"startedAt": since}}),
            State::Ended(end) => ended(end, self.restarts),
        };
        let last = match (&self.last, &self.state) {
            (None, _) => json!({}),
            (Some(end), State::Waiting { .. }) => ended(end, self.restarts),
            (Some(end), _) => ended(end, self.restarts.saturating_sub(1)),
        };
        let mut status = json!({
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": self.ready,
            "started": matches!(self.state, State::Running { .. }),
            "restartCount": self.restarts,
            "state": state,
            "lastState": last,
        });
        if !self.never_ran() {
            status["containerID"] = json!(id(self.restarts));
        }
        status
    }
}

/// The moment as Kubernetes writes it; `micro` for the times of Leases.
pub(super) fn time_text(since_epoch: std::time::Duration, micro: bool) -> String {
    let seconds = since_epoch.as_secs();
    let (day, of_day) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut left) = (1970, day);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    let fraction = if micro {
        format!(".{:06}", since_epoch.subsec_micros())
    } else {
        String::new()
    };
    format!(
        "{year}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}Z",
        month + 1,
        left + 1,
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pod(policy: &str, init: &Value) -> Value {
        json!({"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"restartPolicy": policy,
            "initContainers": init, "containers": [{"name": "main", "image": "i", "readinessProbe": {}}]}})
    }

    fn exit(code: i64) -> Act {
        Act::Exit {
            code,
            reason: "Error".to_owned(),
        }
    }

    fn after(policy: &str, init: &Value, acts: &[(Option<&str>, Act)]) -> (Value, Vec<Warning>) {
        let mut play = Play::new(&pod(policy, init), "t0", "10.0.0.1");
        let mut warnings = Vec::new();
        for (only, act) in acts {
            warnings.extend(play.act(*only, act, "t1"));
        }
        (play.status(&Value::Null, "t2"), warnings)
    }

    fn ready(status: &Value) -> &str {
        let conditions = status["conditions"].as_array().expect("a list");
        let found = conditions.iter().find(|condition| condition["type"] == "Ready");
        found.expect("it is there")["status"].as_str().expect("text")
    }

    #[test]
    fn on_its_way_up() {
        let (status, _) = after("Always", &json!([]), &[]);
        assert_eq!(
            (status["phase"].as_str(), ready(&status)),
            (Some("Pending"), "False")
        );
        assert_eq!(
            status["containerStatuses"][0]["state"]["waiting"]["reason"],
            "ContainerCreating"
        );
        let (status, _) = after("Always", &json!([]), &[(None, Act::Running)]);
        assert_eq!(
            (status["phase"].as_str(), ready(&status)),
            (Some("Running"), "False")
        );
        let (status, _) = after("Always", &json!([]), &[(None, Act::Ready)]);
        assert_eq!(ready(&status), "True");
    }

    #[test]
    fn restarts_are_counted_when_they_happen() {
        let mut acts = vec![(None, exit(3)), (None, exit(3)), (None, Act::BackOff)];
        let (status, warnings) = after("Always", &json!([]), &acts);
        let container = &status["containerStatuses"][0];
        assert_eq!(container["restartCount"], 1);
        assert_eq!(container["state"]["waiting"]["reason"], "CrashLoopBackOff");
        assert_eq!(container["lastState"]["terminated"]["exitCode"], 3);
        assert_eq!(status["phase"], "Running");
        assert_eq!(warnings[0].reason, "BackOff");
        acts.push((None, Act::Ready));
        let (status, _) = after("Always", &json!([]), &acts);
        assert_eq!(status["containerStatuses"][0]["restartCount"], 2);
    }

    #[test]
    fn ends_make_the_phase() {
        for (policy, code, want) in [
            ("Never", 0, "Succeeded"),
            ("Never", 1, "Failed"),
            ("OnFailure", 0, "Succeeded"),
            ("OnFailure", 1, "Running"),
            ("Always", 0, "Running"),
        ] {
            let (status, _) = after(policy, &json!([]), &[(None, exit(code))]);
            assert_eq!(status["phase"], want, "{policy} {code}");
        }
    }

    #[test]
    fn init_containers_come_first() {
        let init = json!([{"name": "first", "image": "i"}, {"name": "side", "image": "i", "restartPolicy": "Always"}]);
        let (status, _) = after("Always", &init, &[(Some("first"), exit(1))]);
        assert_eq!(status["phase"], "Pending");
        assert_eq!(
            status["containerStatuses"][0]["state"]["waiting"]["reason"],
            "PodInitializing"
        );
        let (status, _) = after("Never", &init, &[(Some("first"), exit(1))]);
        assert_eq!(status["phase"], "Failed");
        let (status, _) = after("Always", &init, &[(None, Act::Ready)]);
        assert_eq!(
            (status["phase"].as_str(), ready(&status)),
            (Some("Running"), "True")
        );
        let states = &status["initContainerStatuses"];
        assert_eq!(states[0]["state"]["terminated"]["reason"], "Completed");
        assert!(states[1]["state"]["running"].is_object());
        let (status, _) = after("Always", &init, &[(None, Act::Ready), (Some("side"), exit(2))]);
        assert_eq!(ready(&status), "False");
    }

    #[test]
    fn times() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (1_735_603_200, "2024-12-31T00:00:00Z"),
        ] {
            assert_eq!(time_text(Duration::from_secs(seconds), false), want);
        }
        let micro = time_text(Duration::from_micros(1_000_042), true);
        assert_eq!(micro, "1970-01-01T00:00:01.000042Z");
    }
}
