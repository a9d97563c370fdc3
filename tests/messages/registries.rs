//! Registries that refuse, fail, lie, or are not whom they should be.

use anyhow::Result;

use super::fake::{Action, Fake, Place, http};
use super::harness::{Project, variable};
use super::registry::{Login, Server, program};
use super::{authority::Authority, fails, messages, project};

const TITLE_LOGIN: &str = "The registry refuses the password";

fn image() -> Project {
    project(
        "registry",
        "image: a\nfrom: busybox:1.36\ngit: [{to: /app}]\n",
        &[("file", "1")],
    )
}

/// Runs a build against the server, and keeps what it says in the end.
#[track_caller]
fn build_fails(named: (&str, &str), address: &str, more: &[&str], texts: &[&str]) {
    let project = image();
    let repo = format!("{address}/demo");
    let args = [&["build", "--repo", &repo], more].concat();
    messages::hide(address, "registry.example.com");
    fails(named, &project, &args, texts);
}

fn answering(
    status: u16,
    header: &'static str,
    body: &'static [u8],
) -> Result<(tokio::runtime::Runtime, Fake)> {
    let runtime = tokio::runtime::Runtime::new()?;
    let fake = runtime.block_on(Fake::start(move |_, _| http(status, &[header.to_owned()], body)))?;
    Ok((runtime, fake))
}

#[test]
fn wrong_password() -> Result<()> {
    let server = Server::start_with(
        &program("registry").expect("the environment has a registry"),
        &Login::Password,
        None,
    )?;
    let folder = server.docker_config("wrong")?;
    let folder = folder.path().display().to_string();
    messages::hide(&folder, "~/.docker");
    let more = ["--docker-config", &folder];
    build_fails(
        ("registry-login", TITLE_LOGIN),
        &server.address,
        &more,
        &["refused the credentials", "docker login"],
    );
    let title = "The registry wants a login";
    build_fails(
        ("registry-no-login", title),
        &server.address,
        &[],
        &["docker login"],
    );
    Ok(())
}

#[test]
fn overloaded() -> Result<()> {
    let (_runtime, fake) = answering(429, "retry-after: 0", b"")?;
    let title = "The registry has too many requests";
    build_fails(("registry-overloaded", title), &fake.address, &[], &["429"]);
    Ok(())
}

#[test]
fn broken() -> Result<()> {
    let (_runtime, fake) = answering(500, "retry-after: 0", b"<html>a proxy's page</html>")?;
    let title = "The registry fails";
    build_fails(("registry-broken", title), &fake.address, &[], &["500"]);
    Ok(())
}

#[test]
fn unknown_authority() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let authority = Authority::new()?;
    let place = Place {
        authority: Some(&authority),
        ..Place::default()
    };
    let answer = |_: &super::fake::Seen, _| Action::Answer(http(200, &[], b""));
    let fake = runtime.block_on(Fake::at(place, answer))?;
    let title = "The registry's certificate is signed by an unknown authority";
    let other = Authority::new()?;
    let other = other.ca().display().to_string();
    messages::hide(&other, "ca.pem");
    build_fails(
        ("registry-unknown-ca", title),
        &fake.address,
        &["--registry-ca", &other],
        &["certificate", "--registry-ca"],
    );
    Ok(())
}

#[test]
fn foreign_token_service() -> Result<()> {
    let challenge = "www-authenticate: Bearer realm=\"https://tokens.example.net/auth\",service=\"s\"";
    let (_runtime, fake) = answering(401, challenge, b"")?;
    let project = image();
    let host = fake.address.clone();
    let config =
        format!("{{\"auths\": {{\"{host}\": {{\"username\": \"u\", \"password\": \"correct-horse\"}}}}}}");
    project.commit(&[("docker/config.json", &config)]);
    let folder = project.path().join("docker").display().to_string();
    messages::hide(&folder, "~/.docker");
    messages::hide(&host, "registry.example.com");
    let repo = format!("{host}/demo");
    fails(
        (
            "registry-foreign-token-service",
            "The registry sends its users to another host for tokens",
        ),
        &project,
        &["build", "--repo", &repo, "--docker-config", &folder],
        &["tokens.example.net", "--registry-token-host"],
    );
    Ok(())
}

#[test]
fn push_denied() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let real = variable("KIEL_TEST_REGISTRY");
    let act = |seen: &super::fake::Seen, _| match seen.line.starts_with("POST ") {
        true => Action::Answer(http(
            403,
            &[],
            br#"{"errors":[{"code":"DENIED","message":"read only"}]}"#,
        )),
        false => Action::Forward,
    };
    let fake = runtime.block_on(Fake::before(&real, act))?;
    let title = "Pushing is denied";
    build_fails(
        ("registry-push-denied", title),
        &fake.address,
        &[],
        &["docker login", "read only"],
    );
    Ok(())
}

#[test]
fn lying_digest() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let digest = format!("docker-content-digest: sha256:{}", "0".repeat(64));
    let fake = runtime.block_on(Fake::start(move |_, _| {
        let headers = [
            "content-type: application/vnd.oci.image.manifest.v1+json".to_owned(),
            digest.clone(),
        ];
        http(200, &headers, br#"{"schemaVersion":2}"#)
    }))?;
    let base = format!("{}/base:1", fake.address);
    messages::hide(&fake.address, "other.example.com");
    let project = project("lying", &format!("image: a\nfrom: {base}\n"), &[]);
    let args = ["build", "--repo", &project.repo];
    fails(
        (
            "registry-wrong-content",
            "The registry gives another content than it announced",
        ),
        &project,
        &args,
        &["digest", &fake.address],
    );
    Ok(())
}
