//! The whole way, by the program itself: the example from a commit to an answering Service, changed, taken back,
//! removed; its chart against the real Helm; and the same as an ordinary user.

#[path = "support/engine.rs"]
#[allow(dead_code, reason = "shared with the tests of the engine")]
mod engine;
#[path = "support/gate.rs"]
mod gate;
mod harness;
#[path = "converge/inputs.rs"]
mod inputs;
#[path = "converge/platforms.rs"]
mod platforms;

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Project, Run, root, variable};
use libtest_mimic::{Arguments, Completion, Trial};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Where git does not see it.
const REPORT: &str = ".git/build-report.json";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = vec![
        test("the_example_comes_up_changes_goes_back_and_is_removed", whole_way),
        test("the_example_is_rendered_as_helm_does", rendered),
        test("an_ordinary_user_gets_the_same_digests", ordinary_user),
        test("an_interrupted_run_ends_in_order", interrupted),
        test("a_signal_ends_a_run_with_its_own_code", signalled),
        test("a_process_killed_between_two_writes_is_gone_on_from", killed),
        test("a_plan_tells_what_converge_does", planned),
        test(
            "a_cluster_needs_no_kubeconfig",
            inputs::cluster_without_kubeconfig,
        ),
        test(
            "objects_say_who_deployed_them_and_change_for_nothing_of_it",
            inputs::service_annotations,
        ),
        test("a_saved_report_takes_the_place_of_a_build", inputs::saved_report),
        test(
            "a_report_tells_what_was_done_also_where_it_fails",
            inputs::deploy_report,
        ),
        test(
            "a_base_is_what_its_tag_means_now_where_that_is_wanted",
            inputs::latest_base,
        ),
        test(
            "an_image_forgets_its_history_where_that_is_wanted",
            inputs::cleared_history,
        ),
        test(
            "an_image_for_several_platforms_goes_its_whole_way",
            platforms::deployed,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn test(name: &str, body: fn() -> Result<Option<&'static str>>) -> Trial {
    Trial::ignorable_test(name, move || match body() {
        Ok(None) => Ok(Completion::Completed),
        Ok(Some(reason)) => Ok(Completion::ignored_with(reason)),
        Err(error) => Err(format!("{error:#}").into()),
    })
}

fn example(stem: &str) -> Project {
    Project::copy_of(stem, &root().join("examples/guestbook"))
}

const BUILD_REPORT: [&str; 3] = ["--save-build-report", "--build-report-path", REPORT];
const TIMEOUT: [&str; 2] = ["--timeout", "3m"];

fn converge(project: &Project) -> Run {
    let arguments = [&["converge"][..], &BUILD_REPORT, &TIMEOUT].concat();
    project.kiel_in_repo(&arguments).expect_code(0)
}

fn report(project: &Project) -> Result<Value> {
    Ok(serde_json::from_slice(&fs_err::read(
        project.path().join(REPORT),
    )?)?)
}

/// Digests by image, of the last converge.
fn digests(report: &Value) -> Vec<(String, String)> {
    let images = report["Images"].as_object().into_iter().flatten();
    let mut digests: Vec<_> = images
        .map(|(name, image)| (name.clone(), image["DockerImageDigest"].to_string()))
        .collect();
    digests.sort();
    digests
}

fn rebuilt(report: &Value) -> Vec<&str> {
    let images = report["Images"].as_object().into_iter().flatten();
    images
        .filter(|(_, image)| image["Rebuilt"] == true)
        .map(|(name, _)| name.as_str())
        .collect()
}

fn stdout(run: Run) -> String {
    run.expect_code(0).stdout
}

/// ReplicaSets with their uids and images: equal where nothing of a Deployment has rolled.
fn replica_sets(project: &Project, name: &str) -> Vec<String> {
    let label = format!("app.kubernetes.io/name={name}");
    let path =
        r#"jsonpath={range .items[*]}{.metadata.uid} {.spec.template.spec.containers[0].image}{"\n"}{end}"#;
    let text = stdout(project.kubectl(&["get", "replicasets", "-l", &label, "-o", path]));
    let mut sets: Vec<String> = text.lines().map(str::to_owned).collect();
    sets.sort();
    sets
}

fn image_of(project: &Project, name: &str) -> String {
    let path = "jsonpath={.spec.template.spec.containers[0].image}";
    stdout(project.kubectl(&["get", "deployment", name, "-o", path]))
}

/// How long a node may take to send to a pod what its Service gets, after the pod is ready.
const PROXY: Duration = Duration::from_secs(20);

/// What the front end's Service answers on a path, over the API server, once it says this.
fn answer(project: &Project, path: &str, want: &str) -> String {
    let namespace = &project.namespace;
    let url = format!("/api/v1/namespaces/{namespace}/services/frontend:http/proxy{path}");
    let until = Instant::now() + PROXY;
    loop {
        let run = project.kubectl(&["get", "--raw", &url]);
        if run.stdout.contains(want) || Instant::now() > until {
            return stdout(run);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn revisions(project: &Project) -> Result<Value> {
    let text = stdout(project.helm(&["history", "guestbook", "-o", "json"]));
    Ok(serde_json::from_str(&text)?)
}

fn whole_way() -> Result<Option<&'static str>> {
    let project = example("guestbook");
    let run = converge(&project).expect_stderr(&["is up, revision 1", "port-forward service/frontend"]);
    ensure!(run.stderr.contains("Job/check"), "the hook ran: {}", run.stderr);
    let first = report(&project)?;
    ensure!(rebuilt(&first).len() == 3, "{first}");
    let status: Value = serde_json::from_str(&answer(&project, "/status", "backend"))?;
    ensure!(
        status["frontend"] == "1.0" && status["backend"] == "1.0",
        "{status}"
    );
    ensure!(answer(&project, "/", "Ahoy, write something!").contains("Ahoy, write something!"));
    // An entry goes to the back end and comes back on the page.
    let pod = stdout(project.kubectl(&[
        "exec",
        "deployment/backend",
        "--",
        "python3",
        "-c",
        "import urllib.request as u; u.urlopen('http://backend:8080/entries', data=b'from the test').read()",
    ]));
    ensure!(
        answer(&project, "/", "from the test").contains("from the test"),
        "{pod}"
    );
    agrees_with_helm(&project)?;

    let backend = replica_sets(&project, "backend");
    let frontend = image_of(&project, "frontend");
    converge(&project).expect_stderr(&["nothing to do"]);
    let again = report(&project)?;
    ensure!(rebuilt(&again).is_empty() && digests(&again) == digests(&first));
    ensure!(revisions(&project)?.as_array().is_some_and(|all| all.len() == 1));

    let server = fs_err::read_to_string(project.path().join("frontend/server.py"))?;
    project.commit(&[("frontend/server.py", &server.replace("\"1.0\"", "\"1.1\""))]);
    converge(&project).expect_stderr(&["is up, revision 2"]);
    let second = report(&project)?;
    ensure!(rebuilt(&second) == ["frontend"], "{second}");
    ensure!(
        replica_sets(&project, "backend") == backend,
        "the back end has rolled"
    );
    ensure!(replica_sets(&project, "frontend").len() == 2 && image_of(&project, "frontend") != frontend);
    ensure!(answer(&project, "/status", "1.1").contains("1.1"));
    agrees_with_helm(&project)?;

    project.git(&["checkout", "-q", "HEAD~1"]);
    converge(&project).expect_stderr(&["is up, revision 3"]);
    let third = report(&project)?;
    ensure!(rebuilt(&third).is_empty() && digests(&third) == digests(&first));
    ensure!(image_of(&project, "frontend") == frontend && replica_sets(&project, "backend") == backend);
    ensure!(
        replica_sets(&project, "frontend").len() == 2,
        "the first ReplicaSet serves again"
    );
    ensure!(answer(&project, "/status", "\"1.0\"").contains("\"1.0\""));

    let dismissed = project.kiel(&["dismiss", "--namespace", &project.namespace]);
    dismissed.expect_code(0);
    let left = stdout(project.kubectl(&["get", "all,secrets", "-o", "name"]));
    ensure!(left.trim().is_empty(), "dismiss left {left}");
    let config_maps = stdout(project.kubectl(&["get", "configmaps", "-o", "name"]));
    ensure!(
        config_maps.trim() == "configmap/kube-root-ca.crt",
        "{config_maps}"
    );
    ensure!(stdout(project.helm(&["list", "-a", "-o", "json"])).trim() == "[]");
    // Once more: there is nothing, and that is no error.
    project
        .kiel(&["dismiss", "--namespace", &project.namespace])
        .expect_code(0);
    Ok(None)
}

/// Helm lists the release, and has the manifests that `kiel render` prints.
fn agrees_with_helm(project: &Project) -> Result<()> {
    let list: Value = serde_json::from_str(&stdout(project.helm(&["list", "-o", "json"])))?;
    let release = &list[0];
    ensure!(
        release["name"] == "guestbook"
            && release["status"] == "deployed"
            && release["chart"] == "guestbook-1.0.0",
        "{list}"
    );
    let history = revisions(project)?;
    let last = history
        .as_array()
        .and_then(|all| all.last())
        .context("a release has revisions")?;
    ensure!(
        last["status"] == "deployed"
            && Some(last["revision"].to_string().as_str()) == release["revision"].as_str(),
        "{history}"
    );
    let rendered = stdout(project.kiel_in_repo(&["render"]));
    let manifest = stdout(project.helm(&["get", "manifest", "guestbook"]));
    let hooks = stdout(project.helm(&["get", "hooks", "guestbook"]));
    let recorded = [manifest.as_str(), hooks.as_str()].concat();
    let recorded = documents(&recorded);
    ensure!(
        documents(&rendered) == recorded,
        "kiel render:\n{rendered}\nhelm get manifest:\n{manifest}\nhelm get hooks:\n{hooks}"
    );
    Ok(())
}

/// Documents without the blank lines around them, in an order that doesn't depend on which are hooks.
fn documents(text: &str) -> Vec<&str> {
    let mut documents: Vec<&str> = text
        .split("---\n")
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    documents.sort_unstable();
    documents
}

fn rendered() -> Result<Option<&'static str>> {
    let project = example("rendered");
    project.write(
        "more.yaml",
        "greeting: \"Ahoi: \\u00fc\"\nimagePullSecrets: [one, two]\n",
    );
    let set = [
        "-f",
        "more.yaml",
        "--set",
        "frontend.replicas=3,backend.resources.limits.cpu=1",
        "--set-string",
        "backend.maxLength=0010",
    ];
    project.git(&["add", "-A"]);
    project.git(&["commit", "-q", "-m", "more"]);
    let graph = stdout(project.kiel_in_repo(&["render"]));
    let image = |name: &str| -> Result<String> {
        let found = graph
            .lines()
            .skip_while(|line| line.trim() != format!("- name: {name}"))
            .find_map(|line| line.trim().strip_prefix("image: "));
        Ok(found.context("a Deployment has an image")?.to_owned())
    };
    let service = serde_json::json!({ "werf": { "image": {
        "frontend": image("frontend")?, "backend": image("backend")?,
    }}});
    ensure!(service.to_string().contains(&project.repo), "{service}");
    project.write("service.json", &service.to_string());
    for more in [&[][..], &set[..]] {
        let mut ours = vec!["render", "--release", "some-name"];
        ours.extend(more);
        let ours = stdout(project.kiel_in_repo(&ours));
        let mut theirs = vec!["template", "some-name", ".helm", "-f", "service.json"];
        theirs.extend(more);
        let theirs = stdout(project.helm(&theirs));
        ensure!(ours == theirs, "kiel:\n{ours}\nhelm:\n{theirs}");
    }
    Ok(None)
}

const WERF_YAML: &str = "project: small\nconfigVersion: 1\n";

/// A Deployment that is ready after some seconds.
fn slow(seconds: u32) -> String {
    format!(
        r#"apiVersion: apps/v1
kind: Deployment
metadata: {{name: slow}}
spec:
  selector: {{matchLabels: {{app: slow}}}}
  template:
    metadata: {{labels: {{app: slow}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: main
          image: busybox:1.36
          command: [sh, -c, "sleep {seconds}; touch /tmp/up; sleep 10000"]
          readinessProbe: {{exec: {{command: [cat, /tmp/up]}}, periodSeconds: 1}}
"#
    )
}

/// Converge in the background; standard error is read up to the first line with a text.
fn begin(project: &Project, until: &str) -> Result<(Child, BufReader<ChildStderr>)> {
    begin_by(project, &variable("KIEL_TEST_KUBECONFIG"), until)
}

fn begin_by(project: &Project, kubeconfig: &str, until: &str) -> Result<(Child, BufReader<ChildStderr>)> {
    let mut child = project
        .command(&["converge", "--namespace", &project.namespace])
        .env("KUBECONFIG", kubeconfig)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("it is piped")?);
    let mut seen = String::new();
    while !seen.contains(until) {
        ensure!(lines.read_line(&mut seen)? > 0, "no `{until}` in:\n{seen}");
    }
    Ok((child, lines))
}

fn signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = nix::unistd::Pid::from_raw(child.id().try_into()?);
    Ok(nix::sys::signal::kill(pid, signal)?)
}

/// A signal, then the exit code and the rest of standard error.
fn end((mut child, mut lines): (Child, BufReader<ChildStderr>), by: Signal) -> Result<(Option<i32>, String)> {
    signal(&child, by)?;
    let mut rest = String::new();
    lines.read_to_string(&mut rest)?;
    Ok((child.wait()?.code(), rest))
}

/// Ctrl-C, then the exit code and the rest of standard error.
fn interrupt(run: (Child, BufReader<ChildStderr>)) -> Result<(Option<i32>, String)> {
    end(run, Signal::SIGINT)
}

/// A gate before the cluster, with a kubeconfig that leads to it.
struct Gated {
    runtime: tokio::runtime::Runtime,
    gate: gate::Gate,
    kubeconfig: tempfile::NamedTempFile,
}

impl Gated {
    fn open() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let options = kiel::deploy::KubeOptions {
            kubeconfigs: vec![variable("KIEL_TEST_KUBECONFIG").into()],
            ..kiel::deploy::KubeOptions::default()
        };
        let gate = runtime.block_on(async {
            let cluster = kiel::deploy::Cluster::connect(&options).await?;
            anyhow::Ok(gate::Gate::open(cluster.client().clone()).await)
        })?;
        let kubeconfig = tempfile::NamedTempFile::new()?;
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: g, clusters: [{{name: g, cluster: {{server: '{}'}}}}], \
             contexts: [{{name: g, context: {{cluster: g}}}}]}}",
            gate.url
        );
        fs_err::write(kubeconfig.path(), text)?;
        Ok(Self {
            runtime,
            gate,
            kubeconfig,
        })
    }

    fn path(&self) -> String {
        self.kubeconfig.path().display().to_string()
    }

    fn until_stopped(&self) -> Result<()> {
        let limit = Duration::from_secs(60);
        let stopped = async { tokio::time::timeout(limit, self.gate.stopped()).await };
        self.runtime
            .block_on(stopped)
            .context("the run reaches the gate's end")
    }
}

fn signalled() -> Result<Option<&'static str>> {
    let chart = slow(600);
    let project = Project::with(
        "signalled",
        &[("werf.yaml", WERF_YAML), (".helm/templates/slow.yaml", &chart)],
    );
    let (code, rest) = end(begin(&project, "0 of 1 replicas available")?, Signal::SIGTERM)?;
    ensure!(
        code == Some(143) && rest.contains("was cancelled"),
        "{code:?} {rest}"
    );
    ensure!(statuses(&project)? == ["failed"]);
    // The first signal marks the record, which takes for ever here; the second does not wait for it.
    for (second, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let gated = Gated::open()?;
        let run = begin_by(&project, &gated.path(), "0 of 1 replicas available")?;
        gated.gate.stop_before(1);
        signal(&run.0, Signal::SIGINT)?;
        gated.until_stopped()?;
        let since = Instant::now();
        let (found, rest) = end(run, second)?;
        ensure!(
            found == Some(code) && rest.contains("once more ends at once"),
            "{found:?} {rest}"
        );
        ensure!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    }
    ensure!(statuses(&project)? == ["failed", "failed", "pending-install"]);
    project.commit(&[(".helm/templates/slow.yaml", &slow(0))]);
    let place = ["converge", "--namespace", &project.namespace];
    project
        .kiel(&place)
        .expect_code(0)
        .expect_stderr(&["is up, revision 4"]);
    ensure!(statuses(&project)? == ["failed", "failed", "failed", "deployed"]);
    Ok(None)
}

/// A chart without pods: what it has at `version`.
fn light(version: u32) -> Vec<(String, String)> {
    let map = |name: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{{more}}}}}\ndata: {{v: '{version}'}}\n"
        )
    };
    let hook =
        |events: &str| format!("helm.sh/hook: '{events}', helm.sh/hook-delete-policy: before-hook-creation");
    let templates = [
        ("before", map("before", &hook("pre-install,pre-upgrade"))),
        ("after", map("after", &hook("post-install,post-upgrade"))),
        ("early", map("early", "werf.io/weight: '-1'")),
        ("a", map("a", "")),
        (
            "version",
            if version == 1 {
                map("gone", "")
            } else {
                map("new", "")
            },
        ),
        ("NOTES", format!("version {version}\n")),
    ];
    let path = |name: &str| match name {
        "NOTES" => ".helm/templates/NOTES.txt".to_owned(),
        name => format!(".helm/templates/{name}.yaml"),
    };
    templates
        .into_iter()
        .map(|(name, text)| (path(name), text))
        .collect()
}

/// kill -9 of the real process at every other write; all are tried within a process (tests/deploy/crash.rs).
fn killed() -> Result<Option<&'static str>> {
    let project = Project::with("killed", &[("werf.yaml", WERF_YAML)]);
    let commit = |version: u32| {
        let files = light(version);
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        project.commit(&files);
    };
    let place = ["converge", "--namespace", &project.namespace];
    let state = || {
        let path = "jsonpath={range .items[*]}{.metadata.name}={.data.v} {end}";
        let notes = stdout(project.helm(&["get", "notes", "small"]));
        stdout(project.kubectl(&["get", "configmaps", "-o", path])) + &notes
    };
    let gated = Gated::open()?;
    commit(1);
    project.kiel(&place).expect_code(0);
    gated.gate.let_pass();
    commit(2);
    let output = project.command(&place).env("KUBECONFIG", gated.path()).output()?;
    Run::of(&output).expect_code(0);
    let (writes, want) = (gated.gate.writes(), state());
    ensure!(
        want.contains("a=2") && want.contains("new=2") && want.contains("version 2"),
        "{want}"
    );
    for n in (1..=writes.len()).step_by(2) {
        commit(1);
        project.kiel(&place).expect_code(0);
        commit(2);
        gated.gate.stop_before(n);
        let mut command = project.command(&place);
        let mut child = command
            .env("KUBECONFIG", gated.path())
            .stderr(Stdio::null())
            .spawn()?;
        gated.until_stopped()?;
        child.kill()?;
        child.wait()?;
        let since = Instant::now();
        let run = project.kiel(&place).expect_code(0);
        let place = format!("killed before write {n} ({:?})", writes[n - 1]);
        ensure!(state() == want, "{place}: {}\n{run:?}", state());
        ensure!(
            since.elapsed() < Duration::from_secs(12),
            "{place}: the dead process blocked: {run:?}"
        );
        let all = statuses(&project)?;
        ensure!(
            all.iter().filter(|status| *status == "deployed").count() == 1,
            "{place}: {all:?}"
        );
        ensure!(
            !all.iter().any(|status| status.starts_with("pending")),
            "{place}: {all:?}"
        );
    }
    Ok(None)
}

fn statuses(project: &Project) -> Result<Vec<String>> {
    let text = stdout(project.helm(&["history", "small", "-o", "json"]));
    let history: Vec<Value> = serde_json::from_str(&text)?;
    Ok(history
        .iter()
        .map(|revision| revision["status"].as_str().unwrap_or_default().to_owned())
        .collect())
}

fn interrupted() -> Result<Option<&'static str>> {
    let chart = slow(600);
    let project = Project::with(
        "interrupted",
        &[("werf.yaml", WERF_YAML), (".helm/templates/slow.yaml", &chart)],
    );
    let first = begin(&project, "0 of 1 replicas available")?;
    // A second run waits for the first, says so, and can be given up without a trace.
    let (code, rest) = interrupt(begin(&project, "is deploying it")?)?;
    ensure!(
        code == Some(130) && rest.contains("was cancelled"),
        "{code:?} {rest}"
    );
    let (code, rest) = interrupt(first)?;
    ensure!(
        code == Some(130) && rest.contains("was cancelled"),
        "{code:?} {rest}"
    );
    ensure!(statuses(&project)? == ["failed"]);
    let lock = project.kubectl(&[
        "get",
        "secret",
        "kiel.release.small",
        "--ignore-not-found",
        "-o",
        "name",
    ]);
    ensure!(stdout(lock).is_empty(), "the lock is free");
    // Who waits for a run that is killed takes over at once, without waiting for the lock to run out.
    let (mut killed, _unread) = begin(&project, "0 of 1 replicas available")?;
    project.commit(&[(".helm/templates/slow.yaml", &slow(0))]);
    let (mut heir, mut lines) = begin(&project, "is deploying it")?;
    killed.kill()?;
    killed.wait()?;
    let since = Instant::now();
    let mut rest = String::new();
    while !rest.contains("updated") {
        ensure!(lines.read_line(&mut rest)? > 0, "{rest}");
    }
    ensure!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    lines.read_to_string(&mut rest)?;
    ensure!(
        heir.wait()?.success() && rest.contains("is up, revision 3"),
        "{rest}"
    );
    ensure!(statuses(&project)? == ["failed", "failed", "deployed"]);
    Ok(None)
}

fn planned() -> Result<Option<&'static str>> {
    let secret = |value: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {value}}}\n")
    };
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1', b: '2'}\n";
    let project = Project::with(
        "planned",
        &[
            ("werf.yaml", WERF_YAML),
            (".helm/templates/s.yaml", &secret("hunter-two")),
            (".helm/templates/c.yaml", map),
        ],
    );
    let kiel = |arguments: &[&str]| project.kiel(&[arguments, &["--namespace", &project.namespace]].concat());
    let hidden = |run: &Run, text: &str| {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        [&run.stdout, &run.stderr]
            .iter()
            .all(|out| !out.contains(text) && !out.contains(&encoded))
    };
    let plan = kiel(&["plan", "--exit-code"]).expect_code(2);
    ensure!(plan.stdout.contains("install, revision 1: 3 to create") && hidden(&plan, "hunter-two"));
    let run = kiel(&["converge"]).expect_code(0);
    ensure!(hidden(&run, "hunter-two"), "{run:?}");
    kiel(&["plan", "--exit-code"]).expect_code(0);

    // Changed by hand: planned, and put back.
    project
        .kubectl(&[
            "patch",
            "configmap",
            "c",
            "--type=merge",
            "-p",
            r#"{"data":{"a":"by hand"}}"#,
        ])
        .expect_code(0);
    project.commit(&[(".helm/templates/s.yaml", &secret("hunter-three"))]);
    let plan = kiel(&["plan", "--exit-code"]).expect_code(2);
    ensure!(
        plan.stdout.contains("-  a: by hand") && plan.stdout.contains("+  a: \"1\""),
        "{plan:?}"
    );
    ensure!(
        plan.stdout.contains("<hidden, changed>") && hidden(&plan, "hunter-three"),
        "{plan:?}"
    );
    let json = kiel(&["plan", "--output", "json"]).expect_code(0);
    let value: Value = serde_json::from_str(&json.stdout)?;
    ensure!(
        value["revision"] == 2 && hidden(&json, "hunter-three") && hidden(&json, "hunter-two"),
        "{json:?}"
    );
    kiel(&["converge"]).expect_code(0).expect_stderr(&["revision 2"]);
    ensure!(stdout(project.kubectl(&["get", "configmap", "c", "-o", "jsonpath={.data.a}"])) == "1");

    // What a pipeline adds is on the object; what says where it comes from is in no record.
    let adding = [
        "--add-annotation",
        "ci.werf.io/commit=c0ffee",
        "--add-label",
        "team=core",
    ];
    kiel(&[&["converge"][..], &adding].concat()).expect_code(0);
    let added = "jsonpath={.metadata.annotations.ci\\.werf\\.io/commit} {.metadata.labels.team}";
    ensure!(stdout(project.kubectl(&["get", "configmap", "c", "-o", added])) == "c0ffee core");
    let manifest = stdout(project.helm(&["get", "manifest", "small"]));
    ensure!(
        manifest.contains("team: core") && !manifest.contains("ci.werf.io"),
        "{manifest}"
    );
    kiel(&[&["plan", "--exit-code"][..], &adding].concat()).expect_code(0);

    // Another program owns a field now: nothing is overwritten without being told to.
    let theirs = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {b: robot}\n";
    project.write("theirs.yaml", theirs);
    let file = project.path().join("theirs.yaml");
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=robot",
        "-f",
    ];
    project
        .kubectl(&[&apply[..], &[&file.to_string_lossy()]].concat())
        .expect_code(0);
    let refused = kiel(&["converge"]).expect_code(1);
    refused.expect_stderr(&["ConfigMap/c", ".data.b", "robot", "--force-conflicts"]);
    kiel(&["converge", "--force-conflicts"]).expect_code(0);
    ensure!(stdout(project.kubectl(&["get", "configmap", "c", "-o", "jsonpath={.data.b}"])) == "2");
    kiel(&["converge"])
        .expect_code(0)
        .expect_stderr(&["nothing to do"]);
    for (flag, name) in [("--release", "Bad_Name"), ("--namespace", "Bad_Name")] {
        for command in ["render", "plan", "converge", "dismiss"] {
            project
                .kiel(&[command, flag, name])
                .expect_code(1)
                .expect_stderr(&["`Bad_Name`"]);
        }
    }
    Ok(None)
}

fn ordinary_user() -> Result<Option<&'static str>> {
    let Some(account) = engine::ordinary_user()? else {
        return Ok(Some("only root can make a user to test with"));
    };
    let ours = example("as-root");
    // With an engine of its own: nothing of another build is reused.
    let arguments = [&["build", "--repo", &ours.repo][..], &BUILD_REPORT].concat();
    let built = ours
        .command(&arguments)
        .env("KIEL_HOME", ours.path().join(".git/kiel"))
        .output()?;
    Run::of(&built).expect_code(0);
    let project = example("as-user");
    let home = tempfile::tempdir()?;
    let copy = |from: &Path, name: &str| fs_err::copy(from, home.path().join(name));
    fs_err::create_dir(home.path().join("bin"))?;
    copy(Path::new(env!("CARGO_BIN_EXE_kiel")), "bin/kiel")?;
    for tool in ["buildkitd", "runc"] {
        copy(
            &Path::new(&variable("KIEL_TEST_BIN")).join(tool),
            &format!("bin/{tool}"),
        )?;
    }
    copy(Path::new(&variable("KIEL_TEST_KUBECONFIG")), "kubeconfig")?;
    let user = nix::unistd::User::from_name(&account.name)?.context("it was just made")?;
    let owner = format!("{}:{}", user.uid, user.gid);
    let status = Command::new("chown")
        .args(["-R", &owner])
        .args([home.path(), project.path()])
        .status()?;
    ensure!(status.success(), "chown: {status}");
    let place = ["--repo", &project.repo, "--namespace", &project.namespace];
    let arguments = [&["converge"][..], &BUILD_REPORT, &TIMEOUT, &place].concat();
    let mut command = Command::new(home.path().join("bin/kiel"));
    let system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let output = command
        .args(&arguments)
        .current_dir(project.path())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", format!("{}:{system}", home.path().join("bin").display()))
        .env("KUBECONFIG", home.path().join("kubeconfig"))
        .env(
            "KIEL_CONTAINER_REGISTRY_MIRROR_TEST",
            variable("KIEL_TEST_MIRROR"),
        )
        .uid(user.uid.as_raw())
        .gid(user.gid.as_raw())
        .output()?;
    let run = Run::of(&output).expect_code(0);
    run.expect_stderr(&["is up, revision 1"]);
    let theirs = report(&project)?;
    ensure!(rebuilt(&theirs).len() == 3, "{theirs}");
    let (theirs, ours) = (digests(&theirs), digests(&report(&ours)?));
    ensure!(theirs == ours, "as the user: {theirs:?}\nas root: {ours:?}");
    let status: Value = serde_json::from_str(&answer(&project, "/status", "backend"))?;
    ensure!(status["backend"] == "1.0", "{status}");
    Ok(None)
}
