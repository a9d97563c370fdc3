//! `kiel ci-env` logs a job in to the registry of its system, and a login that fails ends the script.

use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};

use super::registry_program;
use super::support::{Login, Server};

fn run(server: &Server, home: &tempfile::TempDir) -> Result<Output> {
    let docker = home.path().join(".docker");
    fs_err::create_dir_all(&docker)?;
    fs_err::write(
        docker.join("config.json"),
        "{\"auths\": {\"other.example.org\": {}}}",
    )?;
    let output = Command::new(env!("CARGO_BIN_EXE_kiel"))
        .args(["ci-env", "gitlab"])
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .env("CI_REGISTRY", &server.address)
        .env("CI_REGISTRY_IMAGE", format!("{}/group/app", server.address))
        .env("CI_JOB_TOKEN", "t-0123456789")
        .output()?;
    Ok(output)
}

pub(crate) async fn login() -> Result<()> {
    let server = Server::start_with(&registry_program()?, &Login::None, None)?;
    let home = tempfile::tempdir()?;
    let output = run(&server, &home)?;
    let (script, told) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "{told}");
    let line = script.lines().nth(1).context("two lines")?;
    let folder = line.strip_prefix("export DOCKER_CONFIG=\"").context("a folder")?;
    let path = PathBuf::from(folder.trim_end_matches('"')).join("config.json");
    let config: serde_json::Value = serde_json::from_str(&fs_err::read_to_string(path)?)?;
    let auths = config["auths"].as_object().context("logins")?;
    ensure!(auths.contains_key("other.example.org"), "{config}");
    // `gitlab-ci-token:t-0123456789`
    ensure!(
        auths[&server.address]["auth"] == "Z2l0bGFiLWNpLXRva2VuOnQtMDEyMzQ1Njc4OQ==",
        "{config}"
    );
    let own = fs_err::read_to_string(home.path().join(".docker/config.json"))?;
    ensure!(
        !own.contains(&server.address),
        "Docker's own configuration is kept"
    );
    Ok(())
}

pub(crate) async fn refused_login() -> Result<()> {
    let server = Server::start_with(&registry_program()?, &Login::Password, None)?;
    let home = tempfile::tempdir()?;
    let output = run(&server, &home)?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{told}");
    ensure!(output.stdout == b"exit 1\n", "a shell that evaluates it ends too");
    ensure!(
        told.contains(&server.address) && !told.contains("t-0123456789"),
        "{told}"
    );
    Ok(())
}
