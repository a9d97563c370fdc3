//! The wait for one object: its status, its pods, its events, until it is ready or can't get ready any more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::logs::{self, Logs, Place};
use super::pod::{self, Patience, PodReport, Trouble};
use super::status::{self, Status};
use super::watch::Shelf;
use super::{Subject, Tracker, companions, is_workload};
use crate::deploy::error::Failure;
use crate::release::api;

/// Failures of each replica that are forgiven where no annotation says otherwise.
const FAILURES_ALLOWED: u64 = 1;
/// Reasons of pods that a message repeats.
const PODS_EXPLAINED: usize = 3;
/// The last lines of a Job's container are waited for this long.
const DRAIN: Duration = Duration::from_secs(2);

/// A pod of the object.
struct OwnPod {
    name: String,
    namespace: String,
    /// It was there before the run.
    old: bool,
    report: PodReport,
}

/// What the shelves say at one moment.
struct View {
    status: Status,
    pods: Vec<OwnPod>,
    troubles: Vec<(Option<Place>, Trouble)>,
    /// Ends of containers of pods that are not ready, without those before the run.
    ends: u64,
    /// Those of the pod that has the most.
    most_ends: u64,
    wanted: u64,
}

struct Follower<'a> {
    tracker: &'a Tracker,
    subject: &'a Subject,
    own: Arc<Shelf>,
    pods: Option<Arc<Shelf>>,
    sets: Option<Arc<Shelf>>,
    events: Option<Arc<Shelf>>,
    /// Pods that were there when the watch began, with the ends of their containers until then.
    old_pods: HashMap<String, u64>,
    old_known: bool,
    first_seen: BTreeMap<String, Instant>,
    shown_events: BTreeSet<String>,
    /// The last failure of a probe, by pod.
    probes: HashMap<String, String>,
    up_since: Option<(Instant, u64)>,
    begun: Instant,
    logs: Logs,
}

pub(super) async fn follow(tracker: &Tracker, subject: &Subject) -> Result<String, Failure> {
    let mut changes = tracker.watches.subscribe();
    let mut follower = Follower::new(tracker, subject);
    tracker.begin_waiting(&subject.id);
    loop {
        // Marked as seen before looking: a change during the look wakes the wait below.
        changes.borrow_and_update();
        let mut wake = None;
        if follower.is_synced() {
            match follower.look(&mut wake).await {
                Some(Ok(detail)) => {
                    if subject.kind.kind == "Job" || subject.kind.kind == "Pod" {
                        tokio::time::timeout(DRAIN, follower.logs.drain()).await.ok();
                    }
                    return Ok(detail);
                }
                Some(Err(failure)) => return Err(failure),
                None => {}
            }
        }
        let alarm = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { std::future::pending::<()>().await },
            () = alarm => {}
        }
    }
}

impl<'a> Follower<'a> {
    fn new(tracker: &'a Tracker, subject: &'a Subject) -> Self {
        let namespace = subject.id.namespace.as_deref();
        let workload = is_workload(&subject.kind);
        let name = (!workload).then_some(subject.id.name.as_str());
        let own = tracker.watches.shelf(&subject.kind, namespace, name);
        let (mut pods, mut sets, mut events) = (None, None, None);
        if workload {
            for kind in companions(&subject.kind) {
                let shelf = Some(tracker.watches.shelf(&kind, namespace, None));
                match kind.kind.as_str() {
                    "Pod" => pods = shelf,
                    "ReplicaSet" => sets = shelf,
                    _ => events = shelf,
                }
            }
        }
        let logs = Logs::new(
            &tracker.cluster,
            &tracker.events,
            subject.id.to_string(),
            subject.policy.logs.clone(),
        );
        Self {
            tracker,
            subject,
            own,
            pods,
            sets,
            events,
            old_pods: HashMap::new(),
            old_known: false,
            first_seen: BTreeMap::new(),
            shown_events: BTreeSet::new(),
            probes: HashMap::new(),
            up_since: None,
            begun: Instant::now(),
            logs,
        }
    }

    fn is_synced(&self) -> bool {
        let others = [&self.pods, &self.sets, &self.events];
        self.own.is_synced() && others.into_iter().flatten().all(|shelf| shelf.is_synced())
    }

    /// One look: an end, or nothing yet; `wake` is when time alone could change the verdict.
    async fn look(&mut self, wake: &mut Option<Instant>) -> Option<Result<String, Failure>> {
        if let Some(why) = self.own.denied() {
            let id = &self.subject.id;
            self.tracker
                .events
                .warn(format!("cannot watch {id}, so it is not waited for: {why}"));
            return Some(Ok("not watched".to_owned()));
        }
        let object = match self.current() {
            Ok(object) => object,
            Err(end) => return end,
        };
        let object = self.without_old_deadline(object, wake);
        let view = self.view(&object);
        self.show(&view);
        self.follow_logs(&view);
        if let Status::Failed(why) = &view.status {
            let why = self.explained(why, &view);
            return Some(Err(self.failure(why, self.to_blame(&view)).await));
        }
        if let Some(failure) = self.check_ends(&view).await {
            return Some(Err(failure));
        }
        if let Status::Ready(detail) = &view.status {
            return self.settled(&view, &object, wake).then(|| Ok(detail.clone()));
        }
        self.up_since = None;
        self.check_troubles(&view, wake).await.map(Err)
    }

    /// The object as it is now; older states than the one that was applied don't count.
    fn current(&self) -> Result<Arc<Value>, Option<Result<String, Failure>>> {
        let applied = &self.subject.object["metadata"];
        let name = &self.subject.id.name;
        let Some(object) = self.own.get(name) else {
            let last = self
                .own
                .last_state(name)
                .filter(|last| last["metadata"]["uid"] == applied["uid"]);
            return Err(last.map(|last| match status::compute(&last) {
                Status::Ready(detail) => Ok(detail),
                Status::Failed(why) => Err(self.plain_failure(why)),
                Status::Progressing(_) => Err(self.plain_failure(deleted(&last))),
            }));
        };
        let generation = |metadata: &Value| metadata["generation"].as_i64().unwrap_or(0);
        let stale = object["metadata"]["uid"] != applied["uid"]
            || generation(&object["metadata"]) < generation(applied);
        if stale { Err(None) } else { Ok(object) }
    }

    /// A deadline that was exceeded before this run says nothing about it: its controller takes it back only when a
    /// replica gets ready. It counts when this run has waited for as long.
    fn without_old_deadline(&self, object: Arc<Value>, wake: &mut Option<Instant>) -> Arc<Value> {
        let Some(time) = deadline_exceeded(&object) else {
            return object;
        };
        let seconds = object["spec"]["progressDeadlineSeconds"].as_u64().unwrap_or(600);
        let due = self.begun + Duration::from_secs(seconds);
        if deadline_exceeded(&self.subject.object) != Some(time) || due <= Instant::now() {
            return object;
        }
        *wake = Some(wake.map_or(due, |wake| wake.min(due)));
        let mut object = Arc::unwrap_or_clone(object);
        if let Some(conditions) = object["status"]["conditions"].as_array_mut() {
            conditions.retain(|condition| condition["type"] != "Progressing");
        }
        Arc::new(object)
    }

    fn view(&mut self, object: &Value) -> View {
        let owners = self.owners(object);
        let pods = self.own_pods(object, &owners);
        let alive: Vec<&OwnPod> = pods.iter().filter(|pod| !pod.report.terminating).collect();
        let wanted = match self.subject.kind.kind.as_str() {
            "DaemonSet" => object["status"]["desiredNumberScheduled"].as_u64().unwrap_or(1),
            "Job" => object["spec"]["parallelism"].as_u64().unwrap_or(1),
            _ => object["spec"]["replicas"].as_u64().unwrap_or(1),
        };
        let mut troubles = Vec::new();
        let (mut ends, mut most_ends) = (0, 0);
        for pod in alive.iter().filter(|pod| !pod.report.ready) {
            let before = self.old_pods.get(&pod.name).copied().unwrap_or(0);
            let new = pod.report.ends().saturating_sub(before);
            ends += new;
            most_ends = new.max(most_ends);
            for trouble in &pod.report.troubles {
                let place = trouble.container.as_ref().map(|container| place(pod, container));
                troubles.push((place, trouble.clone()));
            }
        }
        let lacks = (alive.len() as u64) < wanted;
        troubles.extend(self.event_troubles(&owners, &pods, lacks));
        let mut status = status::compute(object);
        if self.subject.kind.kind == "PersistentVolumeClaim" && self.waits_for_consumer(object) {
            status = Status::Ready("waits for its first consumer".to_owned());
        }
        View {
            status,
            pods,
            troubles,
            ends,
            most_ends,
            wanted,
        }
    }

    /// The uids whose pods are this object's new ones.
    fn owners(&self, object: &Value) -> BTreeSet<String> {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let mut owners = BTreeSet::from([uid.to_owned()]);
        if let Some(sets) = &self.sets {
            let key = "/metadata/annotations/deployment.kubernetes.io~1revision";
            let revision = object.pointer(key);
            let seen =
                object["status"]["observedGeneration"].as_i64() >= object["metadata"]["generation"].as_i64();
            let current = sets.all().into_iter().filter(|set| {
                seen && revision.is_some() && set.pointer(key) == revision && owner_uid(set) == Some(uid)
            });
            owners.extend(current.filter_map(|set| Some(set["metadata"]["uid"].as_str()?.to_owned())));
        }
        owners
    }

    fn own_pods(&mut self, object: &Value, owners: &BTreeSet<String>) -> Vec<OwnPod> {
        let Some(shelf) = self.pods.clone() else {
            return Vec::new();
        };
        if !self.old_known {
            self.old_known = true;
            let initial = shelf.existed();
            let all = shelf.all();
            let old = all.iter().filter(|pod| initial.contains(text(pod, "name")));
            self.old_pods = old
                .map(|pod| (text(pod, "name").to_owned(), pod::examine(pod).ends()))
                .collect();
        }
        let own_uid = object["metadata"]["uid"].as_str();
        let mine = |pod: &Value| match owner_uid(pod) {
            Some(owner) => owners.contains(owner),
            None => pod["metadata"]["uid"].as_str() == own_uid,
        };
        let all = shelf.all();
        all.iter()
            .filter(|pod| mine(pod))
            .map(|pod| OwnPod {
                name: text(pod, "name").to_owned(),
                namespace: text(pod, "namespace").to_owned(),
                old: self.old_pods.contains_key(text(pod, "name")),
                report: pod::examine(pod),
            })
            .collect()
    }

    /// New warnings about the object and its pods: shown once each, and what they say is wrong.
    fn event_troubles(
        &mut self,
        owners: &BTreeSet<String>,
        pods: &[OwnPod],
        lacks: bool,
    ) -> Vec<(Option<Place>, Trouble)> {
        let Some(shelf) = self.events.clone() else {
            return Vec::new();
        };
        let mut troubles = Vec::new();
        for event in shelf.all() {
            let name = text(&event, "name");
            // That a claim finds no volume is no warning to its controller.
            let tells = event["type"] == "Warning" || event["reason"] == "FailedBinding";
            if !tells || shelf.is_initial(name) {
                continue;
            }
            let about = &event["involvedObject"];
            let pod = pods
                .iter()
                .find(|pod| about["kind"] == "Pod" && about["name"] == pod.name.as_str());
            if pod.is_none() && !about["uid"].as_str().is_some_and(|uid| owners.contains(uid)) {
                continue;
            }
            let message = event["message"].as_str().unwrap_or_default();
            let reason = event["reason"].as_str().unwrap_or_default();
            if let (Some(pod), "Unhealthy") = (pod, reason) {
                self.probes
                    .insert(pod.name.clone(), first_line(message).to_owned());
            }
            // Restarts and waits repeat their events; the words are shown once. A probe's begin with its kind, and go
            // on with what differs from pod to pod.
            let words = match reason {
                "Unhealthy" => message.split_once(':').map_or(message, |(kind, _)| kind),
                _ => message,
            };
            if self.shown_events.insert(format!("{reason} {words}")) {
                let id = &self.subject.id;
                self.tracker
                    .events
                    .warn(format!("{id}: {reason}: {}", first_line(message)));
            }
            let not_begun = pod.is_some_and(|pod| pod.report.not_begun && !pod.report.terminating);
            troubles.extend(pod::event_trouble(&event, lacks, not_begun).map(|trouble| (None, trouble)));
        }
        troubles
    }

    fn waits_for_consumer(&self, object: &Value) -> bool {
        let Some(shelf) = &self.events else { return false };
        shelf.all().iter().any(|event| {
            event["reason"] == "WaitForFirstConsumer"
                && event["involvedObject"]["uid"] == object["metadata"]["uid"]
        })
    }

    /// Says what is waited for: what the object itself counts, and of its pods what is not the usual way up.
    fn show(&self, view: &View) {
        let Status::Progressing(detail) = &view.status else {
            return;
        };
        let mut details = vec![detail.as_str()];
        details.extend(view.troubles.iter().map(|(_, trouble)| first_line(&trouble.text)));
        if view.troubles.is_empty() {
            let pods = view
                .pods
                .iter()
                .filter(|pod| !pod.report.ready && !pod.report.terminating && !pod.report.detail.is_empty());
            details.extend(pods.map(|pod| pod.report.detail.as_str()));
        }
        let mut told = BTreeSet::new();
        details.retain(|detail| told.insert(*detail));
        let detail = details.join("; ");
        let why = self.explained(&detail, view);
        self.tracker
            .say_waiting(&self.subject.id, "waiting", &detail, why);
    }

    /// A reason with what its pods have to say, as far as it isn't said yet.
    fn explained(&self, why: &str, view: &View) -> String {
        let mut all: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for pod in view
            .pods
            .iter()
            .filter(|pod| !pod.report.ready && !pod.report.terminating)
        {
            let end = pod.report.containers.iter().find_map(|container| {
                let end = container.last_end.as_ref()?;
                Some(format!("container {}: {end}", container.name))
            });
            let probe = self.probes.get(&pod.name).cloned();
            let text = end.or(probe).unwrap_or_else(|| pod.report.standing.clone());
            let detail = &pod.report.detail;
            let told = why.contains(&text) || !detail.is_empty() && why.contains(detail);
            if !text.is_empty() && !told {
                all.entry(text).or_default().push(&pod.name);
            }
        }
        let mut explained = why.to_owned();
        if !all.is_empty() && explained.ends_with('.') {
            explained.pop();
        }
        for (text, pods) in all.into_iter().take(PODS_EXPLAINED) {
            match &pods[..] {
                [only] if *only == self.subject.id.name => explained.push_str(&format!("; {text}")),
                [only] => explained.push_str(&format!("; pod {only}: {text}")),
                [first, ..] => explained.push_str(&format!("; {} pods such as {first}: {text}", pods.len())),
                [] => {}
            }
        }
        explained
    }

    fn follow_logs(&mut self, view: &View) {
        let first = self.logs.replicas();
        let candidates = view.pods.iter().filter(|pod| !pod.old && !pod.report.terminating);
        for (n, pod) in candidates.enumerate() {
            for container in &pod.report.containers {
                let failing = container.last_end.is_some();
                if container.has_logs && (n < first || failing && first > 0) {
                    self.logs.follow(&place(pod, &container.name), container.restarts);
                }
            }
        }
    }

    /// The container whose end is to blame: the one that has ended most often, in the newest pod.
    fn to_blame(&self, view: &View) -> Option<(Place, bool)> {
        let containers = view
            .pods
            .iter()
            .flat_map(|pod| pod.report.containers.iter().map(move |one| (pod, one)));
        let (pod, container) = containers
            .filter(|(_, one)| one.last_end.is_some())
            .max_by_key(|(pod, one)| (one.ends, !pod.old))?;
        Some((place(pod, &container.name), container.running))
    }

    async fn check_ends(&self, view: &View) -> Option<Failure> {
        let kind = self.subject.kind.kind.as_str();
        let allowed = match (self.subject.policy.failures_allowed, kind) {
            (Some(allowed), _) => allowed,
            // How often a Job may fail is its own to say.
            (None, "Job") => return None,
            (None, _) => FAILURES_ALLOWED,
        };
        let too_many = view.ends > allowed.saturating_mul(view.wanted.max(1));
        if !too_many && view.most_ends <= allowed {
            return None;
        }
        let blamed = self.to_blame(view)?;
        let container = view
            .pods
            .iter()
            .filter(|pod| pod.name == blamed.0.pod)
            .flat_map(|pod| &pod.report.containers)
            .find(|container| container.name == blamed.0.container)?;
        let end = container.last_end.clone().unwrap_or_default();
        let often = match container.ends {
            1 => "has ended".to_owned(),
            ends => format!("has ended {ends} times"),
        };
        let mut why = format!(
            "container {} of pod {} {often} ({end})",
            container.name, blamed.0.pod
        );
        // A container that a probe has ended looks like one that was told to end.
        let killers = ["Liveness", "Startup"];
        if let Some(probe) = self
            .probes
            .get(&blamed.0.pod)
            .filter(|text| killers.iter().any(|kind| text.starts_with(kind)))
        {
            why.push_str(&format!("; {probe}"));
        }
        Some(self.failure(why, Some(blamed)).await)
    }

    async fn check_troubles(&mut self, view: &View, wake: &mut Option<Instant>) -> Option<Failure> {
        let now = Instant::now();
        let current: BTreeSet<&str> = view
            .troubles
            .iter()
            .map(|(_, trouble)| trouble.text.as_str())
            .collect();
        self.first_seen.retain(|text, _| current.contains(text.as_str()));
        for (place, trouble) in &view.troubles {
            let since = *self.first_seen.entry(trouble.text.clone()).or_insert(now);
            let patience = match trouble.patience {
                Patience::None => Duration::ZERO,
                Patience::For(time) => time,
                Patience::Reference => self.tracker.times.reference,
                Patience::Forever => continue,
            };
            let due = since + patience;
            if due > now {
                *wake = Some(wake.map_or(due, |wake| wake.min(due)));
            } else if trouble.patience == Patience::Reference && self.has_come(&trouble.text).await {
                // Its user tries again by itself, at intervals that grow.
                self.first_seen.insert(trouble.text.clone(), now);
                *wake = Some(wake.map_or(now + patience, |wake| wake.min(now + patience)));
            } else {
                let blamed = place.clone().map(|place| (place, false));
                return Some(self.failure(trouble.text.clone(), blamed).await);
            }
        }
        None
    }

    /// Whether what a message calls missing is there by now.
    async fn has_come(&self, message: &str) -> bool {
        let (Some((plural, name)), Some(namespace)) =
            (pod::missing_reference(message), &self.subject.id.namespace)
        else {
            return false;
        };
        let path = format!(
            "/api/v1/namespaces/{}/{plural}/{}",
            api::encode_part(namespace),
            api::encode_part(&name)
        );
        api::send(
            self.tracker.cluster.client(),
            api::request(http::Method::GET, &path),
        )
        .await
        .is_ok()
    }

    /// Whether a ready object has stayed up for long enough. Readiness probes vouch for their containers; without
    /// them "ready" only means that the process was begun.
    fn settled(&mut self, view: &View, object: &Value, wake: &mut Option<Instant>) -> bool {
        if !self.subject.changed || !needs_settling(&self.subject.kind.kind, object) || view.wanted == 0 {
            return true;
        }
        let ends: u64 = view.pods.iter().map(|pod| pod.report.ends()).sum();
        let now = Instant::now();
        let since = match self.up_since {
            Some((since, before)) if before == ends => since,
            _ => now,
        };
        self.up_since = Some((since, ends));
        let due = since + self.tracker.times.settle;
        if due > now {
            *wake = Some(due);
            let seconds = self.tracker.times.settle.as_secs();
            let detail = format!("up; without a readiness probe it has to stay so for {seconds} s");
            let why = detail.clone();
            self.tracker
                .say_waiting(&self.subject.id, "waiting", &detail, why);
        }
        due <= now
    }

    fn plain_failure(&self, why: String) -> Failure {
        Failure {
            resource: self.subject.id.to_string(),
            source: self.subject.source.clone(),
            why,
            log: Vec::new(),
        }
    }

    async fn failure(&self, why: String, blamed: Option<(Place, bool)>) -> Failure {
        let mut failure = self.plain_failure(why);
        if let Some((place, running)) = &blamed {
            failure.log = logs::tail(&self.tracker.cluster, place, *running).await;
        } else if self.subject.kind.kind == "Job" {
            // It deletes the pods that it has given up.
            failure.log = self.logs.recent();
        }
        failure
    }
}

/// Since when a Deployment's deadline has been exceeded.
fn deadline_exceeded(object: &Value) -> Option<&str> {
    match status::condition(object, "Progressing") {
        Some(("False", "ProgressDeadlineExceeded", _)) => status::transition_time(object, "Progressing"),
        _ => None,
    }
}

/// What is said about an object that is gone before it was ready.
fn deleted(last: &Value) -> String {
    match status::condition(last, "DisruptionTarget") {
        Some(("True", reason, message)) => format!("it was deleted: {reason}: {message}"),
        _ => "somebody deleted it while it was waited for".to_owned(),
    }
}

fn needs_settling(kind: &str, object: &Value) -> bool {
    let template = match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => &object["spec"]["template"]["spec"],
        "Pod" if object["spec"]["restartPolicy"] == "Always" => &object["spec"],
        _ => return false,
    };
    template["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|container| container["readinessProbe"].is_null())
}

fn place(pod: &OwnPod, container: &str) -> Place {
    Place {
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
        container: container.to_owned(),
    }
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

fn owner_uid(object: &Value) -> Option<&str> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_containers_without_probes_have_to_settle() {
        let object = |probe: Value| {
            json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "readinessProbe": {}},
                {"name": "b", "readinessProbe": probe}]}}}})
        };
        assert!(needs_settling("Deployment", &object(Value::Null)));
        assert!(!needs_settling("Deployment", &object(json!({"exec": {}}))));
        assert!(!needs_settling("Job", &object(Value::Null)));
    }
}
