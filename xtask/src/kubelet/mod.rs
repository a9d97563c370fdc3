//! A kubelet without containers: a second node whose pods do what their annotation says.
//!
//! It registers a node with a taint and a label, so that only pods that ask for it land there, keeps its Lease, and
//! plays every pod that is bound to it: it writes the statuses and warnings that a real kubelet writes and confirms
//! deletions. The annotation `fake.kiel.dev/fate` holds the [script]; without one, pods that may end (those of Jobs)
//! succeed at once and others are ready at once.
//!
//! What it does not do: logs, exec, probes, pulls, volumes, and the events of a normal start. When it is started
//! again, pods that it knew are at the end of their scripts, or in their last circle.
//!
//! One thread reads the watch, one keeps the node alive, a few write; the main one only decides.

mod play;
mod script;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::api::Client;
use crate::say;
use play::{Play, Warning, time_text};
use script::{Act, Script, Step};

/// Label and taint of the node; both with the value `true`.
pub(crate) const MARK: &str = "fake.kiel.dev/node";
const FATE: &str = "fake.kiel.dev/fate";
const WRITERS: usize = 6;
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Without an API server for this long, there is nothing to go on for.
const FORSAKEN: Duration = Duration::from_secs(300);
const MERGE: &str = "application/merge-patch+json";
/// What it is made of: another text is another kubelet.
pub(crate) const SOURCE: [&str; 4] = [
    include_str!("mod.rs"),
    include_str!("play.rs"),
    include_str!("script.rs"),
    include_str!("../api.rs"),
];

/// Where it gets its orders.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Socket of `kubectl proxy`
    #[arg(long)]
    socket: PathBuf,
    /// Name of the node
    #[arg(long, default_value = "fake")]
    node: String,
    /// File to make when the node is registered
    #[arg(long)]
    ready: Option<PathBuf>,
}

/// Plays pods until it is killed, or the API server is gone for good.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut client = Client::new(&args.socket);
    beat(&mut client, &args.node)?;
    if let Some(file) = &args.ready {
        fs_err::write(file, "")?;
    }
    let (sender, receiver) = channel();
    let (socket, node) = (args.socket.clone(), args.node.clone());
    let beats = sender.clone();
    std::thread::spawn(move || keep_alive(client, &node, &beats));
    let node = args.node.clone();
    std::thread::spawn(move || watch(&socket, &node, &sender));
    let writers = (0..WRITERS).map(|_| writer(&args.socket)).collect();
    Kubelet {
        writers,
        pods: HashMap::new(),
        turns: HashMap::new(),
        queue: BinaryHeap::new(),
        addresses: 0,
    }
    .play(&receiver)
}

fn now(micro: bool) -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    time_text(since.unwrap_or_default(), micro)
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

fn pod_path(pod: &Value) -> String {
    format!(
        "/api/v1/namespaces/{}/pods/{}",
        text(pod, "namespace"),
        text(pod, "name")
    )
}

/// Registers the node where it is missing, says that it is well, and renews its Lease.
fn beat(client: &mut Client, node: &str) -> Result<()> {
    let now = now(true);
    let resources = json!({"cpu": "64", "memory": "256Gi", "pods": "5000", "ephemeral-storage": "1Ti"});
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({"type": kind, "status": status, "reason": reason,
        "message": "", "lastHeartbeatTime": time_without_fraction(&now), "lastTransitionTime": time_without_fraction(&now)})
    };
    let info: serde_json::Map<String, Value> = [
        "machineID",
        "systemUUID",
        "bootID",
        "kernelVersion",
        "osImage",
        "containerRuntimeVersion",
        "kubeletVersion",
        "kubeProxyVersion",
    ]
    .iter()
    .map(|key| ((*key).to_owned(), json!("fake")))
    .chain([
        ("operatingSystem".to_owned(), json!("linux")),
        ("architecture".to_owned(), json!("amd64")),
    ])
    .collect();
    let status = json!({"status": {
        "capacity": resources, "allocatable": resources,
        "conditions": [condition("Ready", "True", "KubeletReady"), condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure"), condition("PIDPressure", "False", "KubeletHasSufficientPID")],
        "addresses": [{"type": "InternalIP", "address": "10.9.255.1"}, {"type": "Hostname", "address": node}],
        "nodeInfo": info,
    }});
    let path = format!("/api/v1/nodes/{node}/status?fieldManager=kubelet");
    let (mut code, mut answer) = client.send("PATCH", &path, Some((MERGE, &status)))?;
    if code == 404 {
        let object = json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": node, "labels": {"kubernetes.io/hostname": node, "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64", MARK: "true"}},
            "spec": {"taints": [{"key": MARK, "value": "true", "effect": "NoSchedule"}]}});
        client.send("POST", "/api/v1/nodes", Some(("application/json", &object)))?;
        (code, answer) = client.send("PATCH", &path, Some((MERGE, &status)))?;
    }
    if code != 200 {
        bail!("cannot register node {node}: {answer}");
    }
    let spec = json!({"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now});
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let (code, _) = client.send(
        "PATCH",
        &format!("{leases}/{node}"),
        Some((MERGE, &json!({"spec": spec}))),
    )?;
    if code == 404 {
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": node}, "spec": spec});
        client.send("POST", leases, Some(("application/json", &lease)))?;
    }
    Ok(())
}

fn time_without_fraction(time: &str) -> String {
    format!("{}Z", time.split('.').next().unwrap_or_default())
}

fn keep_alive(mut client: Client, node: &str, messages: &Sender<Message>) {
    let mut last = Instant::now();
    loop {
        match beat(&mut client, node) {
            Ok(()) => last = Instant::now(),
            Err(error) => say::error(&error),
        }
        if last.elapsed() > FORSAKEN && messages.send(Message::Forsaken).is_err() {
            return;
        }
        std::thread::sleep(HEARTBEAT);
    }
}

enum Message {
    /// All pods that there are.
    Listed(Vec<Value>),
    Changed(Value),
    Gone(String),
    Forsaken,
}

/// Lists and watches the node's pods for ever.
fn watch(socket: &Path, node: &str, messages: &Sender<Message>) {
    let mut client = Client::new(socket);
    loop {
        if let Err(error) = watch_once(&mut client, node, messages) {
            say::error(&error);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn watch_once(client: &mut Client, node: &str, messages: &Sender<Message>) -> Result<()> {
    let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
    let (code, mut list) = client.send("GET", &path, None)?;
    if code != 200 {
        bail!("cannot list pods: status {code}");
    }
    let version = text(&list, "resourceVersion").to_owned();
    let Value::Array(pods) = list["items"].take() else {
        bail!("cannot list pods: the answer has none");
    };
    messages.send(Message::Listed(pods))?;
    let path = format!("{path}&watch=true&allowWatchBookmarks=true&resourceVersion={version}");
    for event in client.watch(&path)? {
        let mut event = event?;
        let pod = event["object"].take();
        let message = match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => Message::Changed(pod),
            Some("DELETED") => Message::Gone(text(&pod, "uid").to_owned()),
            Some("BOOKMARK") => continue,
            _ => bail!("the watch of pods has ended: {pod}"),
        };
        messages.send(message)?;
    }
    Ok(())
}

/// A write; those for one pod go to one writer, in order.
enum Write {
    Status { pod: Value, status: Value, note: String },
    Warn { pod: Value, warning: Warning },
    Delete { pod: Value, grace: bool },
}

fn writer(socket: &Path) -> Sender<Write> {
    let (sender, receiver) = channel::<Write>();
    let mut client = Client::new(socket);
    std::thread::spawn(move || {
        let mut events = Events::default();
        for write in receiver {
            if let Err(error) = carry_out(&mut client, &mut events, &write) {
                say::error(&error);
            }
        }
    });
    sender
}

/// Name and count of each event, by pod, reason and message.
type Events = BTreeMap<(String, String, String), (String, u64)>;

fn carry_out(client: &mut Client, events: &mut Events, write: &Write) -> Result<()> {
    match write {
        Write::Status { pod, status, note } => {
            let uid = text(pod, "uid");
            let body = json!({"metadata": {"uid": uid}, "status": status});
            let path = format!("{}/status?fieldManager=kubelet", pod_path(pod));
            let (code, answer) = client.send("PATCH", &path, Some((MERGE, &body)))?;
            if !matches!(code, 200 | 404 | 409) {
                bail!("cannot write the status of {}: {answer}", pod_path(pod));
            }
            say::line(&format!(
                "{} {}/{} {note}",
                now(true),
                text(pod, "namespace"),
                text(pod, "name")
            ));
        }
        Write::Warn { pod, warning } => warn(client, events, pod, warning)?,
        Write::Delete { pod, grace } => {
            let mut options = json!({"preconditions": {"uid": text(pod, "uid")}});
            if !grace {
                options["gracePeriodSeconds"] = json!(0);
            }
            client.send("DELETE", &pod_path(pod), Some(("application/json", &options)))?;
            events.retain(|(uid, ..), _| uid != text(pod, "uid"));
        }
    }
    Ok(())
}

fn warn(client: &mut Client, events: &mut Events, pod: &Value, warning: &Warning) -> Result<()> {
    let (namespace, uid) = (text(pod, "namespace"), text(pod, "uid"));
    let key = (uid.to_owned(), warning.reason.clone(), warning.message.clone());
    let collection = format!("/api/v1/namespaces/{namespace}/events");
    let time = now(false);
    if let Some((name, count)) = events.get_mut(&key) {
        *count += 1;
        let change = json!({"count": count, "lastTimestamp": time});
        client.send("PATCH", &format!("{collection}/{name}"), Some((MERGE, &change)))?;
        return Ok(());
    }
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let name = format!("{}.{:x}", text(pod, "name"), since.as_nanos());
    let mut object = json!({"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": text(pod, "name"), "uid": uid});
    if let Some(container) = &warning.container {
        object["fieldPath"] = json!(format!("spec.containers{{{container}}}"));
    }
    let event = json!({"metadata": {"name": name, "namespace": namespace}, "involvedObject": object, "type": "Warning",
        "reason": warning.reason, "message": warning.message, "count": 1, "firstTimestamp": time, "lastTimestamp": time,
        "source": {"component": "kubelet", "host": pod["spec"]["nodeName"]}});
    client.send("POST", &collection, Some(("application/json", &event)))?;
    events.insert(key, (name, 1));
    Ok(())
}

struct Played {
    pod: Value,
    play: Play,
    script: Script,
    next: usize,
    written: Option<Value>,
    deleting: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Step,
    Deletion,
}

struct Kubelet {
    writers: Vec<Sender<Write>>,
    pods: HashMap<String, Played>,
    /// How many pods an owner has had.
    turns: HashMap<String, usize>,
    queue: BinaryHeap<Reverse<(Instant, Due, String)>>,
    addresses: u32,
}

impl Kubelet {
    fn play(mut self, messages: &Receiver<Message>) -> Result<()> {
        loop {
            let wait = self.queue.peek().map_or(HEARTBEAT, |Reverse((at, ..))| {
                at.saturating_duration_since(Instant::now())
            });
            match messages.recv_timeout(wait) {
                Ok(Message::Listed(mut pods)) => {
                    pods.sort_by_key(|pod| text(pod, "creationTimestamp").to_owned());
                    let there: Vec<&str> = pods.iter().map(|pod| text(pod, "uid")).collect();
                    self.pods.retain(|uid, _| there.contains(&uid.as_str()));
                    pods.into_iter().for_each(|pod| self.see(pod));
                }
                Ok(Message::Changed(pod)) => self.see(pod),
                Ok(Message::Gone(uid)) => drop(self.pods.remove(&uid)),
                Ok(Message::Forsaken) => bail!("the API server is gone"),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the watch has ended"),
            }
            while let Some(Reverse((at, ..))) = self.queue.peek()
                && *at <= Instant::now()
            {
                let Some(Reverse((_, due, uid))) = self.queue.pop() else {
                    break;
                };
                match due {
                    Due::Step => self.step(&uid),
                    Due::Deletion => self.delete(&uid),
                }
            }
        }
    }

    /// A pod as the server has it now.
    fn see(&mut self, pod: Value) {
        let uid = text(&pod, "uid").to_owned();
        let deleted = pod["metadata"]["deletionTimestamp"].is_string();
        if let Some(known) = self.pods.get_mut(&uid) {
            known.pod = pod;
        } else if let Some(played) = self.begin(pod) {
            self.pods.insert(uid.clone(), played);
            self.step(&uid);
        }
        if let Some(known) = self.pods.get_mut(&uid)
            && deleted
            && !known.deleting
        {
            known.deleting = true;
            let at = Instant::now() + known.script.deletion;
            self.queue.push(Reverse((at, Due::Deletion, uid)));
        }
    }

    fn begin(&mut self, pod: Value) -> Option<Played> {
        let owners = pod["metadata"]["ownerReferences"].as_array();
        let owner = owners.and_then(|owners| owners.iter().find(|owner| owner["controller"] == true));
        let turn = match owner.and_then(|owner| owner["uid"].as_str()) {
            Some(owner) => {
                let turn = self.turns.entry(owner.to_owned()).or_default();
                *turn += 1;
                *turn - 1
            }
            None => 0,
        };
        self.addresses += 1;
        let address = format!("10.9.{}.{}", self.addresses / 250 % 250, self.addresses % 250 + 1);
        let started = pod["status"]["startTime"]
            .as_str()
            .map_or_else(|| now(false), str::to_owned);
        let mut play = Play::new(&pod, &started, &address);
        let always = pod["spec"]["restartPolicy"].as_str().unwrap_or("Always") == "Always";
        let fate = pod["metadata"]["annotations"][FATE].as_str();
        let fate = fate.unwrap_or(if always { "ready" } else { "complete" });
        let init = pod["spec"]["initContainers"][0]["name"].as_str();
        let script = script::parse(fate, turn, init).unwrap_or_else(|error| {
            let message = format!("its annotation {FATE}: {error:#}");
            let act = Act::Evict(message);
            Script {
                steps: vec![Step::Act { container: None, act }],
                ..Script::default()
            }
        });
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let known = pod["status"]["startTime"].is_string();
        let mut next = 0;
        if known && !ended {
            for step in &script.steps {
                if let Step::Act { container, act } = step {
                    play.act(container.as_deref(), act, &started);
                }
            }
            next = script.steps.len();
        }
        let next = if ended { usize::MAX } else { next };
        Some(Played {
            pod,
            play,
            script,
            next,
            written: None,
            deleting: false,
        })
    }

    /// Goes on with a pod's script until it waits.
    fn step(&mut self, uid: &str) {
        let Some(played) = self.pods.get_mut(uid) else {
            return;
        };
        if played.next == usize::MAX || played.deleting && !played.play.lost {
            return;
        }
        let now = now(false);
        let mut warnings = Vec::new();
        let mut waits = None;
        while waits.is_none() && !played.play.is_over() {
            match played.script.steps.get(played.next) {
                Some(Step::Wait(time)) => waits = Some(*time),
                Some(Step::Act { container, act }) => {
                    warnings.extend(played.play.act(container.as_deref(), act, &now));
                }
                None => match played.script.again {
                    Some(again) => {
                        played.next = again;
                        continue;
                    }
                    None => break,
                },
            }
            played.next += 1;
        }
        if let Some(time) = waits {
            let entry = (Instant::now() + time, Due::Step, uid.to_owned());
            self.queue.push(Reverse(entry));
        }
        let pod = identity(&played.pod);
        let lost = played.play.lost && !played.deleting;
        let mut writes = Vec::new();
        writes.extend(played.write(&now));
        writes.extend(warnings.into_iter().map(|warning| Write::Warn {
            pod: pod.clone(),
            warning,
        }));
        if lost {
            writes.push(Write::Delete { pod, grace: true });
        }
        self.send(uid, writes);
    }

    /// The last word about a pod that is deleted.
    fn delete(&mut self, uid: &str) {
        let Some(played) = self.pods.get_mut(uid) else {
            return;
        };
        let now = now(false);
        let mut writes = Vec::new();
        if played.next != usize::MAX && !played.play.lost {
            played.play.end_all(143, "Error", &now);
            writes.extend(played.write(&now));
        }
        writes.push(Write::Delete {
            pod: identity(&played.pod),
            grace: false,
        });
        self.send(uid, writes);
    }

    fn send(&self, uid: &str, writes: Vec<Write>) {
        let mut hasher = DefaultHasher::new();
        uid.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % WRITERS as u64).unwrap_or(0);
        for write in writes {
            if self.writers[place].send(write).is_err() {
                say::note("a writer has ended");
            }
        }
    }
}

impl Played {
    /// The write of its status, if anything but times differs from what the server has.
    fn write(&mut self, now: &str) -> Option<Write> {
        let own = [
            "PodReadyToStartContainers",
            "Initialized",
            "Ready",
            "ContainersReady",
        ];
        let seen = &self.pod["status"];
        let before = match &self.written {
            None => seen.clone(),
            Some(written) => {
                let mut before = written.clone();
                let mine = written["conditions"].as_array().into_iter().flatten();
                let theirs = seen["conditions"].as_array().into_iter().flatten();
                let is_own = |condition: &&Value| own.iter().any(|kind| condition["type"] == *kind);
                let all: Vec<Value> = mine
                    .filter(is_own)
                    .chain(theirs.filter(|one| !is_own(one)))
                    .cloned()
                    .collect();
                before["conditions"] = json!(all);
                before
            }
        };
        let status = self.play.status(&before, now);
        if without_times(&status) == without_times(&before) {
            return None;
        }
        self.written = Some(status.clone());
        let ready = status["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        let phase = status["phase"].as_str().unwrap_or_default();
        let note = format!("{phase} {}", if ready { "ready" } else { "not ready" });
        Some(Write::Status {
            pod: identity(&self.pod),
            status,
            note,
        })
    }
}

/// What writes need of a pod.
fn identity(pod: &Value) -> Value {
    let metadata = &pod["metadata"];
    json!({"metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
        "spec": {"nodeName": pod["spec"]["nodeName"]}})
}

/// The value without what only tells when, and without what the server adds.
fn without_times(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, value)| {
                !key.ends_with("Time")
                    && !key.ends_with("At")
                    && *key != "observedGeneration"
                    && !value.is_null()
            })
            .map(|(key, value)| (key.clone(), without_times(value)))
            .collect(),
        Value::Array(list) => list.iter().map(without_times).collect(),
        other => other.clone(),
    }
}

/// Pods of the node that it would play; for `env status`.
pub(crate) fn count(socket: &Path, node: &str) -> Result<usize> {
    let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
    let (_, list) = Client::new(socket).send("GET", &path, None)?;
    Ok(list["items"]
        .as_array()
        .context("the API server gives no list")?
        .len())
}
