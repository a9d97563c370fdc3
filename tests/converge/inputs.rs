//! What a run takes from elsewhere: a cluster without a kubeconfig, a saved report in place of a build, the base that a
//! tag means now; and what it leaves in the cluster and the registry for others to read.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::harness::{Project, Run, variable};
use super::{WERF_YAML, stdout};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {v: one}\n";
const HOOK: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hook, annotations: {helm.sh/hook: post-install}}\n";
const MEDIA: &str = "application/vnd.oci.image.manifest.v1+json";

/// kiel in the project's namespace, with these variables and no kubeconfig.
fn without_kubeconfig(project: &Project, args: &[&str], variables: &[(&str, &str)]) -> Result<Run> {
    let place = ["--namespace", &project.namespace];
    let mut command: Command = project.command(&[args, &place].concat());
    command
        .env_remove("KUBECONFIG")
        .env("HOME", project.path().join("no-home"));
    command.envs(variables.iter().copied());
    Ok(Run::of(&command.output()?))
}

/// One path of the test environment's kubeconfig.
fn kubeconfig(project: &Project, path: &str) -> String {
    let template = format!("-ojsonpath={{{path}}}");
    stdout(project.kubectl(&["config", "view", "--raw", "--flatten", "--minify", &template]))
}

pub(crate) fn cluster_without_kubeconfig() -> Result<Option<&'static str>> {
    let project = Project::with(
        "no-config",
        &[("werf.yaml", WERF_YAML), (".helm/templates/a.yaml", MAP)],
    );
    for args in [
        &["create", "namespace", &project.namespace][..],
        &["create", "serviceaccount", "deployer"],
        &[
            "create",
            "rolebinding",
            "deployer",
            "--clusterrole=admin",
            &format!("--serviceaccount={}:deployer", project.namespace),
        ],
    ] {
        project.kubectl(args).expect_code(0);
    }
    let token = stdout(project.kubectl(&["create", "token", "deployer"]));
    let token = token.trim();
    let server = kubeconfig(&project, ".clusters[0].cluster.server");
    let ca = kubeconfig(&project, ".clusters[0].cluster.certificate-authority-data");
    let decode = format!("printf %s '{ca}' | base64 -d");
    let ca = Command::new("sh").args(["-c", &decode]).output()?.stdout;
    let ca = String::from_utf8(ca)?;
    let outside = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = outside.path().join(name);
        fs_err::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let (ca_file, token_file) = (file("ca", &ca)?, file("token", token)?);
    let whole = fs_err::read_to_string(variable("KIEL_TEST_KUBECONFIG"))?;
    let (config, other) = (
        file("config", &whole)?,
        file("other", "apiVersion: v1\nkind: Config\n")?,
    );
    let packed = Command::new("base64").args(["-w0", &config]).output()?.stdout;
    let packed = String::from_utf8(packed)?;

    let flags = [
        "converge",
        "--kube-api-server",
        &server,
        "--kube-ca-data",
        &ca,
        "--kube-token",
        token,
    ];
    let run = without_kubeconfig(&project, &flags, &[])?.expect_code(0);
    ensure!(!run.stderr.contains(token), "the token is shown");
    run.expect_stderr(&["is up, revision 1"]);
    let named: [(&str, &[(&str, &str)]); 6] = [
        (
            "werf's variables",
            &[
                ("WERF_KUBE_API_SERVER", &server),
                ("WERF_KUBE_CA_PATH", &ca_file),
                ("WERF_KUBE_TOKEN", token),
            ],
        ),
        (
            "kiel's variables, which win",
            &[
                ("KIEL_KUBE_API_SERVER", &server),
                ("WERF_KUBE_API_SERVER", "https://127.0.0.1:1"),
                ("KIEL_SKIP_TLS_VERIFY_KUBE", "1"),
                ("KIEL_KUBE_TOKEN_PATH", &token_file),
            ],
        ),
        ("a file", &[("WERF_KUBE_CONFIG", &config)]),
        (
            "a file by its other name",
            &[("WERF_KUBECONFIG", &config), ("KUBECONFIG", &other)],
        ),
        ("a text", &[("KIEL_KUBE_CONFIG_BASE64", &packed)]),
        ("a text by its other name", &[("WERF_KUBECONFIG_BASE64", &packed)]),
    ];
    for (what, variables) in named {
        let run = without_kubeconfig(&project, &["converge"], variables)?;
        ensure!(
            run.code == 0 && run.stderr.contains("nothing to do"),
            "{what}: {}",
            run.stderr
        );
    }
    let wrong: [(&[(&str, &str)], &str); 3] = [
        (
            &[("WERF_KUBE_API_SERVER", &server), ("WERF_KUBE_TOKEN", token)],
            "certificate",
        ),
        (
            &[
                ("WERF_KUBE_API_SERVER", &server),
                ("WERF_KUBE_CA_DATA", &ca),
                ("WERF_KUBE_TOKEN", "nobody"),
            ],
            "Unauthorized",
        ),
        (&[("WERF_KUBE_CONFIG_BASE64", "%")], "--kube-config-base64"),
    ];
    for (variables, want) in wrong {
        let run = without_kubeconfig(&project, &["converge"], variables)?;
        ensure!(
            run.code == 1 && run.stderr.contains(want),
            "{want}: {} {}",
            run.code,
            run.stderr
        );
    }
    Ok(None)
}

pub(crate) fn service_annotations() -> Result<Option<&'static str>> {
    let files = [
        ("werf.yaml", WERF_YAML),
        (".helm/templates/a.yaml", MAP),
        (".helm/templates/hook.yaml", HOOK),
    ];
    let project = Project::with("service", &files);
    let converge = |commit: &str| {
        let commit = format!("ci.werf.io/commit={commit}");
        let names = ["--release", "small", "--namespace", &project.namespace];
        let added = ["--add-annotation", &commit, "--add-annotation", "team=core"];
        project
            .kiel(&[&["converge", "--env", "dev"][..], &names, &added].concat())
            .expect_code(0)
    };
    let annotations = |name: &str| -> Result<Value> {
        let object = stdout(project.kubectl(&["get", "configmap", name, "-ojson"]));
        let object: Value = serde_json::from_str(&object)?;
        Ok(object["metadata"]["annotations"].clone())
    };
    converge("1").expect_stderr(&["is up, revision 1"]);
    for name in ["a", "hook"] {
        let found = annotations(name)?;
        let has = |key: &str, want: &str| found[key] == want;
        ensure!(
            has("project.werf.io/name", "small") && has("project.werf.io/env", "dev") && has("team", "core"),
            "{found}"
        );
        ensure!(
            has("ci.werf.io/commit", "1")
                && found["werf.io/version"]
                    .as_str()
                    .is_some_and(|by| by.starts_with("kiel ")),
            "{found}"
        );
    }
    let manifest = stdout(project.helm(&["get", "manifest", "small"]));
    ensure!(
        manifest.contains("team: core") && !manifest.contains("werf.io"),
        "{manifest}"
    );
    // Another commit of the pipeline is no reason to apply anything.
    converge("2").expect_stderr(&["nothing to do"]);
    ensure!(annotations("a")?["ci.werf.io/commit"] == "1");
    project.commit(&[(".helm/templates/a.yaml", &MAP.replace("one", "two"))]);
    converge("3").expect_stderr(&["is up, revision 2"]);
    let found = annotations("a")?;
    ensure!(
        found["ci.werf.io/commit"] == "3" && found["project.werf.io/name"] == "small",
        "{found}"
    );
    Ok(None)
}

pub(crate) fn saved_report() -> Result<Option<&'static str>> {
    let chart = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  image: {{ .Values.werf.image.app | quote }}\n  \
                 digest: {{ .Values.global.werf.images.app.digest | quote }}\n";
    let files = [
        (
            "werf.yaml",
            "project: small\nconfigVersion: 1\n---\nimage: app\ndockerfile: Dockerfile\n",
        ),
        ("Dockerfile", "FROM scratch\nCOPY file /\n"),
        ("file", "1"),
        (".helm/templates/a.yaml", chart),
    ];
    let project = Project::with("report", &files);
    let path = ".git/report.json";
    // Neither a registry nor an engine answers here.
    let converge = |more: &[&str]| {
        let nobody = [
            "--repo",
            "127.0.0.1:1/none",
            "--buildkit-host",
            "tcp://127.0.0.1:1",
        ];
        let place = [
            "--namespace",
            &project.namespace,
            "--use-build-report",
            "--build-report-path",
        ];
        project.kiel(&[&["converge"][..], &nobody, &place, more].concat())
    };
    converge(&[path]).expect_code(1).expect_stderr(&[path]);
    let build = ["build", "--save-build-report", "--build-report-path", path];
    project.kiel_in_repo(&build).expect_code(0);
    let report: Value = serde_json::from_slice(&fs_err::read(project.path().join(path))?)?;
    let image = &report["Images"]["app"];
    // The report counts, not what the commit would be built to by now.
    project.commit(&[("file", "2")]);
    converge(&[path])
        .expect_code(0)
        .expect_stderr(&["is up, revision 1"]);
    let object = stdout(project.kubectl(&["get", "configmap", "a", "-ojson"]));
    let object: Value = serde_json::from_str(&object)?;
    let name = object["data"]["image"].as_str().context("a name")?;
    ensure!(
        name.starts_with(image["DockerImageName"].as_str().context("a name")?),
        "{object} {report}"
    );
    ensure!(
        object["data"]["digest"] == image["DockerImageDigest"],
        "{object} {report}"
    );
    converge(&[path]).expect_code(0).expect_stderr(&["nothing to do"]);
    Ok(None)
}

pub(crate) fn deploy_report() -> Result<Option<&'static str>> {
    let project = Project::with(
        "deployed",
        &[("werf.yaml", WERF_YAML), (".helm/templates/a.yaml", MAP)],
    );
    let place = ["--release", "small", "--namespace", &project.namespace];
    let path = project.path().join(".werf-deploy-report.json");
    let converge = |more: &[&str]| -> Result<(i32, Value)> {
        let run = project.kiel(&[&["converge", "--save-deploy-report"][..], &place, more].concat());
        let text = fs_err::read(&path).with_context(|| run.stderr.clone())?;
        fs_err::remove_file(&path)?;
        Ok((run.code, serde_json::from_slice(&text)?))
    };
    let report = |revision: u64, status: &str, completed: &[&str]| {
        let mut report = json!({
            "version": 3, "release": "small", "namespace": project.namespace, "revision": revision, "status": status});
        let full = |text: &&str| match text.strip_prefix('!') {
            Some(text) => text.to_owned(),
            None => format!("{text} (namespace={})", project.namespace),
        };
        if !completed.is_empty() {
            report["completedOperations"] = completed.iter().map(full).collect();
        }
        report
    };
    let namespace = format!("!create: Namespace/{}", project.namespace);
    let first = report(1, "deployed", &["create: ConfigMap/a", &namespace]);
    ensure!(converge(&[])? == (0, first.clone()), "{first}");
    ensure!(converge(&[])? == (0, report(1, "skipped", &[])));
    // Also where a run fails. No node has this label: its pod never starts.
    let never = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: never}\nspec:\n  selector: {matchLabels: {a: b}}\n  \
                 template:\n    metadata: {labels: {a: b}}\n    spec:\n      nodeSelector: {no: node}\n      containers: [{name: a, image: a}]\n";
    project.commit(&[(".helm/templates/a.yaml", never)]);
    let (code, failed) = converge(&["--timeout", "2"])?;
    ensure!(
        code == 1 && failed["status"] == "failed" && failed["revision"] == 2,
        "{failed}"
    );
    let (created, deleted) = ("create: Deployment/never", "delete: ConfigMap/a");
    let has = |list: &str, text: &str| failed[list].to_string().contains(text);
    ensure!(
        has("completedOperations", created) && has("canceledOperations", deleted),
        "{failed}"
    );
    let wrong = [
        "converge",
        "--save-deploy-report",
        "--deploy-report-path",
        "report.yaml",
    ];
    project
        .kiel(&[&wrong[..], &place].concat())
        .expect_code(1)
        .expect_stderr(&["--deploy-report-path"]);
    Ok(None)
}

/// Asks the registry of the test environment about the project's repository.
fn registry(project: &Project, method: &str, path: &str, body: &str) -> Result<String> {
    let (host, name) = project.repo.split_once('/').context("a host")?;
    let mut connection = TcpStream::connect(host)?;
    let length = body.len();
    write!(
        connection,
        "{method} /v2/{name}/{path} HTTP/1.1\r\nHost: {host}\r\nAccept: {MEDIA}\r\nContent-Type: {MEDIA}\r\nContent-Length: \
         {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    ensure!(head.starts_with("HTTP/1.1 20"), "{method} {path}: {answer}");
    Ok(body.to_owned())
}

/// The images of a build by name.
fn build(project: &Project) -> Result<Value> {
    let path = ".git/report.json";
    let args = ["build", "--save-build-report", "--build-report-path", path];
    project.kiel_in_repo(&args).expect_code(0);
    let report: Value = serde_json::from_slice(&fs_err::read(project.path().join(path))?)?;
    Ok(report["Images"].clone())
}

fn config(project: &Project, image: &Value) -> Result<Value> {
    let digest = image["DockerImageDigest"].as_str().context("a digest")?;
    let manifest: Value =
        serde_json::from_str(&registry(project, "GET", &format!("manifests/{digest}"), "")?)?;
    let config = manifest["config"]["digest"].as_str().context("a config")?;
    Ok(serde_json::from_str(&registry(
        project,
        "GET",
        &format!("blobs/{config}"),
        "",
    )?)?)
}

pub(crate) fn latest_base() -> Result<Option<&'static str>> {
    let bases = "project: small\nconfigVersion: 1\n---\nimage: one\ndockerfile: Dockerfile\nargs: {NAME: one}\n---\nimage: two\n\
                 dockerfile: Dockerfile\nargs: {NAME: two}\n";
    let dockerfile = "FROM scratch\nARG NAME\nCOPY file /${NAME}\nLABEL base=${NAME}\n";
    let project = Project::with(
        "latest",
        &[("werf.yaml", bases), ("Dockerfile", dockerfile), ("file", "1")],
    );
    let built = build(&project)?;
    let point = |name: &str| -> Result<()> {
        let tag = built[name]["DockerTag"].as_str().context("a tag")?;
        let manifest = registry(&project, "GET", &format!("manifests/{tag}"), "")?;
        registry(&project, "PUT", "manifests/current", &manifest).map(drop)
    };
    point("one")?;
    let app = |more: &str| {
        format!(
            "project: small\nconfigVersion: 1\n---\nimage: app\nfrom: {}:current\n{more}git: [{{add: /file, to: /file}}]\n",
            project.repo
        )
    };
    project.commit(&[("werf.yaml", &app("fromLatest: true\n"))]);
    project.kiel_in_repo(&["build"]).expect_code(1).expect_stderr(&[
        "fromLatest directive not allowed by giterminism",
        "allowFromLatest: true",
    ]);
    let rules = "giterminismConfigVersion: 1\nconfig: {stapel: {allowFromLatest: true}}\n";
    project.commit(&[("werf-giterminism.yaml", rules)]);
    let label = |images: &Value| -> Result<Value> {
        Ok(config(&project, &images["app"])?["config"]["Labels"]["base"].clone())
    };
    let first = build(&project)?;
    ensure!(
        first["app"]["Rebuilt"] == true && label(&first)? == "one",
        "{first}"
    );
    let again = build(&project)?;
    ensure!(again["app"]["Rebuilt"] == false && again["app"]["DockerTag"] == first["app"]["DockerTag"]);
    point("two")?;
    let moved = build(&project)?;
    ensure!(
        moved["app"]["Rebuilt"] == true && label(&moved)? == "two",
        "{moved}"
    );
    ensure!(moved["app"]["DockerTag"] != first["app"]["DockerTag"]);
    // Without it, the base counts as written, wherever its tag goes.
    project.commit(&[("werf.yaml", &app(""))]);
    let written = build(&project)?;
    point("one")?;
    let later = build(&project)?;
    ensure!(later["app"]["Rebuilt"] == false && later["app"]["DockerTag"] == written["app"]["DockerTag"]);
    Ok(None)
}

pub(crate) fn cleared_history() -> Result<Option<&'static str>> {
    let image = |name: &str, more: &str| format!("---\nimage: {name}\ndockerfile: Dockerfile\n{more}");
    let werf_yaml = |meta: &str, more: &str| {
        let images = [
            image("plain", ""),
            image("cleared", "imageSpec: {clearHistory: true}\n"),
        ]
        .concat();
        format!("project: small\nconfigVersion: 1\n{meta}{images}{more}")
    };
    let stapel = "---\nimage: stages\nfrom: scratch\ngit: [{add: /file, to: /file}]\nimageSpec: {clearHistory: true}\n";
    let files = [
        ("Dockerfile", "FROM scratch\nCOPY file /\nLABEL secret=none\n"),
        ("file", "1"),
    ];
    let project = Project::with("history", &files);
    project.commit(&[("werf.yaml", &werf_yaml("", stapel))]);
    let created_by = |image: &Value| -> Result<(usize, Vec<String>)> {
        let config = config(&project, image)?;
        let history = config["history"].as_array().cloned().unwrap_or_default();
        let layers = config["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len);
        ensure!(history.len() >= layers && layers == 1, "{config}");
        let texts = history.iter().filter_map(|entry| entry["created_by"].as_str());
        Ok((history.len(), texts.map(str::to_owned).collect()))
    };
    let built = build(&project)?;
    let (_, plain) = created_by(&built["plain"])?;
    ensure!(plain.iter().any(|text| text.contains("COPY file /")), "{plain:?}");
    for name in ["cleared", "stages"] {
        ensure!(created_by(&built[name])? == (1, Vec::new()), "{name}");
    }
    ensure!(built["plain"]["DockerTag"] != built["cleared"]["DockerTag"]);
    // For all images.
    project.commit(&[(
        "werf.yaml",
        &werf_yaml("build: {imageSpec: {clearHistory: true}}\n", ""),
    )]);
    let all = build(&project)?;
    ensure!(created_by(&all["plain"])? == (1, Vec::new()));
    ensure!(all["plain"]["DockerTag"] == built["cleared"]["DockerTag"]);
    Ok(None)
}
