//! The whole way, by the program itself: the example from a commit to an answering Service, changed, taken back,
//! removed; its chart against the real Helm; and the same as an ordinary user.

#[path = "support/engine.rs"]
#[allow(dead_code, reason = "shared with the tests of the engine")]
mod engine;
mod harness;

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use harness::{Project, Run, root, variable};
use libtest_mimic::{Arguments, Completion, Trial};
use serde_json::Value;

const REPORT: &str = ".werf-build-report.json";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = vec![
        test("the_example_comes_up_changes_goes_back_and_is_removed", whole_way),
        test("the_example_is_rendered_as_helm_does", rendered),
        test("an_ordinary_user_gets_the_same_digests", ordinary_user),
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

const CONVERGE: [&str; 4] = ["converge", "--save-build-report", "--timeout", "3m"];

fn converge(project: &Project) -> Run {
    let run = project.kiel_in_repo(&CONVERGE).expect_code(0);
    eprintln!("{}", run.stderr);
    run
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

/// What the front end's Service answers on a path, over the API server.
fn answer(project: &Project, path: &str) -> String {
    let namespace = &project.namespace;
    let url = format!("/api/v1/namespaces/{namespace}/services/frontend:http/proxy{path}");
    stdout(project.kubectl(&["get", "--raw", &url]))
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
    let status: Value = serde_json::from_str(&answer(&project, "/status"))?;
    ensure!(
        status["frontend"] == "1.0" && status["backend"] == "1.0",
        "{status}"
    );
    ensure!(answer(&project, "/").contains("Ahoy, write something!"));
    // An entry goes to the back end and comes back on the page.
    let pod = stdout(project.kubectl(&[
        "exec",
        "deployment/backend",
        "--",
        "python3",
        "-c",
        "import urllib.request as u; u.urlopen('http://backend:8080/entries', data=b'from the test').read()",
    ]));
    ensure!(answer(&project, "/").contains("from the test"), "{pod}");
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
    ensure!(answer(&project, "/status").contains("1.1"));
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
    ensure!(answer(&project, "/status").contains("\"1.0\""));

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
            && last["revision"].to_string() == release["revision"].as_str().unwrap_or(""),
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

fn ordinary_user() -> Result<Option<&'static str>> {
    let Some(account) = engine::ordinary_user()? else {
        return Ok(Some("only root can make a user to test with"));
    };
    let ours = example("as-root");
    ours.kiel_in_repo(&["build", "--save-build-report"])
        .expect_code(0);
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
    let mut arguments = CONVERGE.to_vec();
    arguments.extend(["--repo", &project.repo, "--namespace", &project.namespace]);
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
    let run = Run::of(output).expect_code(0);
    run.expect_stderr(&["is up, revision 1"]);
    let theirs = report(&project)?;
    ensure!(rebuilt(&theirs).len() == 3, "{theirs}");
    ensure!(digests(&theirs) == digests(&report(&ours)?), "{theirs}");
    let status: Value = serde_json::from_str(&answer(&project, "/status"))?;
    ensure!(status["backend"] == "1.0", "{status}");
    Ok(None)
}
