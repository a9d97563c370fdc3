//! Images for several platforms on their whole way: the flag, the report, the name in the chart, the node that runs them.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::engine::cannot_emulate;
use super::harness::Project;
use super::stdout;

const WERF_YAML: &str = "project: small\nconfigVersion: 1\nbuild: {platform: [linux/arm64, linux/amd64]}\n---\n\
                         image: app\ndockerfile: Dockerfile\n";
const DOCKERFILE: &str = "FROM busybox:1.37\nRUN uname -m > /machine\n";
const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec:\n  backoffLimit: 0\n  template:\n    spec:\n      \
                   restartPolicy: Never\n      containers:\n      - name: a\n        image: {{ .Values.werf.image.app }}\n        \
                   command: [sh, -c, 'cat /machine; test $(cat /machine) = $(uname -m)']\n";
const REPORT: &str = ".git/report.json";

fn build(project: &Project, more: &[&str]) -> Result<Value> {
    let args = ["build", "--save-build-report", "--build-report-path", REPORT];
    project.kiel_in_repo(&[&args, more].concat()).expect_code(0);
    let report: Value = serde_json::from_slice(&fs_err::read(project.path().join(REPORT))?)?;
    Ok(report["Images"]["app"].clone())
}

pub(crate) fn deployed() -> Result<Option<&'static str>> {
    if let Some(reason) = cannot_emulate() {
        return Ok(Some(reason));
    }
    let files = [
        ("werf.yaml", WERF_YAML),
        ("Dockerfile", DOCKERFILE),
        (".helm/templates/a.yaml", JOB),
    ];
    let project = Project::with("platforms", &files);
    // A name needs neither registry nor engine, and is that of the build.
    let rendered = stdout(project.kiel_in_repo(&["render"]));
    project
        .kiel_in_repo(&["converge", "--timeout", "2m"])
        .expect_code(0)
        .expect_stderr(&["app (linux/amd64)", "app (linux/arm64)", "is up, revision 1"]);
    let log = stdout(project.kubectl(&["logs", "job/a"]));
    ensure!(log.trim() == std::env::consts::ARCH, "{log}");
    let index = build(&project, &[])?;
    let name = index["DockerImageName"].as_str().context("a name")?;
    ensure!(rendered.contains(name), "{name}\n{rendered}");
    ensure!(index["Rebuilt"] == false && index["TargetPlatform"] == "" && index["ConfigType"] == "");
    let deployed = [
        "-ojsonpath={.spec.template.spec.containers[0].image}",
        "get",
        "job",
        "a",
    ];
    ensure!(stdout(project.kubectl(&deployed)).starts_with(name));

    // The flag wins over the file; one of the index's images is what it asks for.
    let one = build(&project, &["--platform", "linux/arm64/v8"])?;
    ensure!(
        one["Rebuilt"] == false && one["TargetPlatform"] == "linux/arm64",
        "{one}"
    );
    ensure!(one["DockerTag"] != index["DockerTag"]);
    let both = build(&project, &["--platform", "linux/amd64,linux/arm64"])?;
    ensure!(
        both["DockerTag"] == index["DockerTag"] && both["DockerImageDigest"] == index["DockerImageDigest"]
    );
    let forced = project
        .command(&["render", "--repo", &project.repo])
        .env("WERF_PLATFORM", "linux/arm64")
        .output()?;
    let tag = one["DockerTag"].as_str().context("a tag")?;
    ensure!(String::from_utf8_lossy(&forced.stdout).contains(tag));

    project
        .kiel_in_repo(&["build", "--platform", "linux/arm/v7"])
        .expect_code(1)
        .expect_stderr(&[
            "busybox:1.37",
            "for linux/arm/v7: it is for linux/amd64, linux/arm64",
        ]);
    project
        .kiel_in_repo(&["build", "--platform", "arm 64"])
        .expect_code(1)
        .expect_stderr(&["`arm 64`", "--platform linux/arm64"]);
    Ok(None)
}
