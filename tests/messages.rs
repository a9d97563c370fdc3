//! Bad input: every case ends with exit code 1 and one message that names the thing and the remedy. `docs/messages.md` is
//! made of what they say.

#[path = "support/authority.rs"]
mod authority;
#[path = "messages/deploys.rs"]
mod deploys;
#[path = "support/fake.rs"]
mod fake;
mod harness;
#[path = "messages/registries.rs"]
mod registries;
#[path = "support/registry.rs"]
mod registry;

use harness::{Project, Run, messages, variable};

const META: &str = "project: demo\nconfigVersion: 1\n";

/// A project with this werf.yaml behind the meta document.
fn project(stem: &str, images: &str, more: &[(&str, &str)]) -> Project {
    let text = format!("{META}---\n{images}");
    let mut files = vec![("werf.yaml", text.as_str())];
    files.extend_from_slice(more);
    Project::with(stem, &files)
}

/// The run fails, says these things in one message, and prints nothing as data.
#[track_caller]
fn fails((name, title): (&str, &str), project: &Project, args: &[&str], texts: &[&str]) {
    check((name, title), project, args, project.kiel(args), texts);
}

/// The same with a repository, and a namespace where the command has one.
#[track_caller]
fn fails_in_repo((name, title): (&str, &str), project: &Project, args: &[&str], texts: &[&str]) {
    check((name, title), project, args, project.kiel_in_repo(args), texts);
}

#[track_caller]
fn check((name, title): (&str, &str), project: &Project, args: &[&str], run: Run, texts: &[&str]) {
    let run = run.expect_code(1).expect_stderr(texts);
    assert_eq!(run.stdout, "");
    let errors = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("error:") || line.starts_with("Error:"))
        .count();
    assert_eq!(errors, 1, "one error:\n{}", run.stderr);
    messages::check(name, title, project, args, &run);
}

/// `docs/messages.md` is what the tests say.
#[test]
fn the_page_is_up_to_date() {
    let page = fs_err::read_to_string(harness::root().join("docs/messages.md")).expect("the page is there");
    assert!(
        page == messages::page() || messages::are_updated(),
        "docs/messages.md is out of date; run `KIEL_UPDATE_MESSAGES=1 cargo xtask test messages`"
    );
}

#[test]
fn no_repository() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let project = Project::empty("no-repository");
    let dir = folder.path().to_str().expect("a path in UTF-8");
    fails(
        ("git-no-repository", "No Git repository"),
        &project,
        &["build", "--dir", dir, "--repo", "127.0.0.1:1/x"],
        &["Git repository", dir],
    );
}

#[test]
fn no_commit() {
    let project = Project::empty("no-commit");
    fails(
        ("git-no-commit", "A repository without a commit"),
        &project,
        &["config", "list"],
        &["commit"],
    );
}

#[test]
fn no_werf_yaml() {
    let project = Project::with("no-werf-yaml", &[("a", "")]);
    let list = ["config", "list"];
    fails(("config-none", "No werf.yaml"), &project, &list, &["werf.yaml"]);
    project.write("werf.yaml", META);
    let title = "werf.yaml is not committed";
    fails(
        ("config-uncommitted", title),
        &project,
        &list,
        &["werf.yaml", "commit"],
    );
}

#[test]
fn broken_yaml() {
    let project = project("broken-yaml", "image: [a\n", &[]);
    fails(
        ("config-broken-yaml", "werf.yaml is no YAML"),
        &project,
        &["config", "list"],
        &["werf.yaml:", "no YAML"],
    );
}

#[test]
fn template_error() {
    let project = project("template-error", "image: {{ fail \"enough\" }}\n", &[]);
    fails(
        ("config-template", "A template of werf.yaml fails"),
        &project,
        &["config", "list"],
        &["werf.yaml:4:", "enough"],
    );
}

#[test]
fn unknown_key_with_its_neighbour() {
    let project = project("unknown-key", "image: a\ndockerfil: Dockerfile\nfrom: b\n", &[]);
    fails(
        ("config-unknown-key", "An unknown key"),
        &project,
        &["config", "list"],
        &["werf.yaml:5:1", "unknown key `dockerfil`", "did you mean"],
    );
}

#[test]
fn a_task_of_ansible_with_an_unknown_module() {
    let images = "image: a\nfrom: alpine:3.20\nansible:\n  install:\n  - name: sources\n    git: {repo: b}\n";
    let project = project("ansible-module", images, &[]);
    fails(
        (
            "config-ansible-module",
            "A task of Ansible with a module that is not in the list",
        ),
        &project,
        &["config", "list"],
        &["werf.yaml:9:5", "unsupported ansible task"],
    );
}

#[test]
fn uncommitted_files() {
    let images = "image: a\ndockerfile: Dockerfile\n";
    let project = project(
        "dirty",
        images,
        &[("Dockerfile", "FROM scratch\nCOPY src /\n"), ("src/a", "1")],
    );
    project.write("src/a", "2");
    project.write("src/b", "2");
    fails_in_repo(
        ("giterminism-context", "New files of a context"),
        &project,
        &["build"],
        &["the untracked file \"src/b\" must be committed", "git add src/b"],
    );
    project.write(".helm/templates/a.yaml", "kind: A\n");
    fails_in_repo(
        ("giterminism-chart", "A file of the chart is not committed"),
        &project,
        &["render"],
        &["must be committed", "allowUncommittedFiles"],
    );
    project.write("werf.yaml", META);
    fails(
        ("giterminism-config", "werf.yaml is changed"),
        &project,
        &["config", "list"],
        &[
            "the file \"werf.yaml\" must be committed",
            "allowUncommitted: true",
        ],
    );
}

#[test]
fn what_giterminism_does_not_allow() {
    let images = "image: a\nfrom: {{ env \"BASE\" }}\n";
    fails(
        ("giterminism-variable", "A variable in werf.yaml"),
        &project("variable", images, &[]),
        &["config", "list"],
        &["env name \"BASE\" not allowed by giterminism"],
    );
    let images = "image: a\nfrom: b\nsecrets:\n- env: TOKEN\n";
    fails(
        ("giterminism-external", "More than the commit"),
        &project("external", images, &[]),
        &["config", "list"],
        &["not allowed by giterminism", "allowEnvVariables: [TOKEN]"],
    );
    let rules = "giterminismConfigVersion: 1\nconfig:\n  allowUncommited: true\n";
    fails(
        ("giterminism-rules", "A misspelled rule"),
        &project(
            "rules",
            "image: a\nfrom: b\n",
            &[("werf-giterminism.yaml", rules)],
        ),
        &["config", "list"],
        &["werf-giterminism.yaml:3:3", "did you mean `allowUncommitted`?"],
    );
}

#[test]
fn import_cycle() {
    let images = "image: a\nfrom: b\n---\nimage: b\nfrom: a\n";
    let project = project("cycle", images, &[]);
    fails(
        ("config-cycle", "Images that need each other"),
        &project,
        &["config", "list"],
        &["a → b → a"],
    );
}

#[test]
fn missing_dockerfile() {
    let project = project("no-dockerfile", "image: a\ndockerfile: docker/Dockerfile\n", &[]);
    fails_in_repo(
        ("build-no-dockerfile", "The Dockerfile is missing"),
        &project,
        &["build"],
        &["docker/Dockerfile"],
    );
}

#[test]
fn missing_base_image() {
    let base = format!("{}/nowhere/nothing:1", variable("KIEL_TEST_REGISTRY"));
    let images = format!("image: a\nfrom: {base}\nshell: {{install: 'true'}}\n");
    let project = project("no-base", &images, &[]);
    let title = "The base image is missing";
    fails_in_repo(("build-no-base", title), &project, &["build"], &[&base]);
}

#[test]
fn failing_command_of_a_dockerfile() {
    let dockerfile = "FROM busybox:1.36\nRUN echo almost there && exit 7\n";
    let project = project(
        "run-fails",
        "image: a\ndockerfile: Dockerfile\n",
        &[("Dockerfile", dockerfile)],
    );
    fails_in_repo(
        ("build-run-fails", "A command of a Dockerfile fails"),
        &project,
        &["build"],
        &["Dockerfile:2", "almost there", "7"],
    );
}

#[test]
fn failing_command_of_a_stage() {
    let images = "image: a\nfrom: busybox:1.36\nshell:\n  install: echo almost there && exit 7\n";
    let project = project("stage-fails", images, &[]);
    fails_in_repo(
        ("build-stage-fails", "A command of a stage fails"),
        &project,
        &["build"],
        &["install", "almost there", "7"],
    );
}

#[test]
fn registry_down() {
    let project = project("registry-down", "image: a\nfrom: busybox:1.36\n", &[]);
    fails(
        ("registry-down", "The registry does not answer"),
        &project,
        &["build", "--repo", "127.0.0.1:1/x"],
        &["127.0.0.1:1"],
    );
}

#[test]
fn no_repo_for_images() {
    let project = project("no-repo", "image: a\nfrom: busybox:1.36\n", &[]);
    fails(
        ("registry-no-repo", "No repository is given"),
        &project,
        &["build"],
        &["--repo"],
    );
}

#[test]
fn no_cluster() {
    let project = project("no-cluster", "", &[(".helm/templates/a.yaml", "")]);
    let config = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n\
                  contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\ncurrent-context: c\n";
    project.write("kubeconfig", config);
    let path = project.path().join("kubeconfig");
    let path = path.to_str().expect("a path in UTF-8");
    let title = "The cluster does not answer";
    let args = ["converge", "--kube-config", path];
    fails(("deploy-no-cluster", title), &project, &args, &["127.0.0.1:1"]);
    let title = "The kubeconfig is missing";
    let args = ["converge", "--kube-config", "/nonexistent/config"];
    fails(
        ("deploy-no-kubeconfig", title),
        &project,
        &args,
        &["/nonexistent/config"],
    );
}

#[test]
fn rejected_object() {
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}\n";
    let project = project("rejected", "", &[(".helm/templates/bad.yaml", manifest)]);
    fails_in_repo(
        ("deploy-rejected", "The cluster rejects an object"),
        &project,
        &["converge"],
        &["Not_A_Name", "bad.yaml"],
    );
    assert_eq!(project.helm(&["list", "-aq"]).stdout, "");
}

#[test]
fn crash_looping_pod() {
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: crash}\nspec:\n  selector: {matchLabels: {a: b}}\n  \
                    template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n      - name: main\n        \
                    image: 127.0.0.1:5050/library/busybox:1.36\n        command: [sh, -c, 'echo last words; exit 3']\n";
    let manifest = manifest.replace("127.0.0.1:5050", &variable("KIEL_TEST_REGISTRY"));
    let project = project("crash", "", &[(".helm/templates/crash.yaml", manifest.as_str())]);
    fails_in_repo(
        ("deploy-crash-loop", "A container does not stay up"),
        &project,
        &["converge"],
        &["crash", "last words", "3"],
    );
    let listed = project.helm(&["list", "-a", "-o", "json"]).stdout;
    assert!(listed.contains("\"failed\""), "{listed}");
}

#[test]
fn a_password_is_never_printed() {
    let project = project("password", "image: a\nfrom: busybox:1.36\n", &[]);
    // user "robot", password "correct-horse"
    let auth = "cm9ib3Q6Y29ycmVjdC1ob3JzZQ==";
    project.write(
        "docker/config.json",
        &format!("{{\"auths\": {{\"127.0.0.1:1\": {{\"auth\": \"{auth}\"}}}}}}"),
    );
    let config = project.path().join("docker");
    let run = project.kiel(&[
        "build",
        "--log-verbose",
        "--repo",
        "127.0.0.1:1/x",
        "--docker-config",
        config.to_str().expect("a path in UTF-8"),
    ]);
    let run = run.expect_code(1);
    for secret in ["correct-horse", auth] {
        assert!(
            !run.stderr.contains(secret) && !run.stdout.contains(secret),
            "{}",
            run.stderr
        );
    }
}
