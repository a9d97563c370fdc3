//! Registries that want a password or a token, with or without TLS of an authority of their own: pushed to, read from,
//! looked into.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use kiel::registry::{
    BlobSource, Platform, Reference, Registry, RegistryError, RegistryOptions, Repository, validate,
};

use super::authority::Authority;
use super::fake::Place;
use super::support::{Login, Server};
use super::tokens::{self, Signer};
use super::{client, push_image, registry_program};

/// All that a build does with a registry.
async fn use_all(registry: &Registry, address: &str) -> Result<()> {
    let repository: Repository = format!("{address}/team/private").parse()?;
    let other: Repository = format!("{address}/team/other").parse()?;
    let reference = repository.tag("x")?;
    ensure!(registry.head(&reference).await?.is_none());
    let (digest, layer) = push_image(registry, &reference, b"private").await?;
    let found = registry.head(&reference).await?.context("it was pushed")?;
    ensure!(found.digest == digest);
    validate::image(registry, &reference, &Platform::host()).await?;
    ensure!(registry.tags(&repository).await?.contains("x"));
    let source = BlobSource::Repository(repository.clone());
    registry.push_blob(&other, layer.digest, &source, None).await?;
    ensure!(registry.has_blob(&other, layer.digest).await?);
    Ok(())
}

fn with_login(folder: &tempfile::TempDir, options: &RegistryOptions) -> Result<Registry> {
    Ok(Registry::new(RegistryOptions {
        docker_config: Some(folder.path().to_owned()),
        ..options.clone()
    })?)
}

/// Nobody, somebody with a wrong password, and the right one.
async fn check_logins(server: &Server, options: &RegistryOptions) -> Result<()> {
    let reference: Reference = format!("{}/team/private:x", server.address).parse()?;
    let nobody = Registry::new(options.clone())?;
    let error = nobody.head(&reference).await.expect_err("it wants credentials");
    let text = error.to_string();
    ensure!(matches!(error, RegistryError::NoCredentials { .. }), "{text}");
    ensure!(
        text.contains(&format!("docker login {}", server.address)),
        "{text}"
    );

    let wrong = server.docker_config("p-wrong")?;
    let error = with_login(&wrong, options)?
        .head(&reference)
        .await
        .expect_err("the password is wrong");
    ensure!(matches!(error, RegistryError::Refused { .. }), "{error}");
    ensure!(!format!("{error} {error:?}").contains("p-wrong"), "{error:?}");

    let right = server.docker_config("p-kiel")?;
    let registry = with_login(&right, options)?;
    use_all(&registry, &server.address).await?;
    ensure!(!format!("{registry:?}").contains("p-kiel"));
    Ok(())
}

pub(crate) async fn password() -> Result<()> {
    let server = Server::start_with(&registry_program()?, &Login::Password, None)?;
    check_logins(&server, &RegistryOptions::default()).await
}

pub(crate) async fn token() -> Result<()> {
    let signer = Signer::new()?;
    let service = signer.serve(Place::default(), 300).await?;
    let realm = format!("http://{}/auth", service.address);
    let login = Login::Other(tokens::config(&realm, &signer.certificate()));
    let server = Server::start_with(&registry_program()?, &login, None)?;
    check_logins(&server, &RegistryOptions::default()).await?;
    // One for each set of rights: nobody's and the wrong password's, reading, pushing, mounting.
    ensure!(service.seen().len() <= 6, "{:?}", service.seen());
    Ok(())
}

/// The authority is given once, by a file or by the folder where Docker looks.
fn trusts(authority: &Authority, server: &Server) -> Result<(tempfile::TempDir, [RegistryOptions; 2])> {
    let folder = tempfile::tempdir()?;
    authority.trust_in(folder.path(), &server.address)?;
    let by_file = RegistryOptions {
        ca_files: vec![authority.ca()],
        ..RegistryOptions::default()
    };
    let by_folder = RegistryOptions {
        certificate_folders: vec![folder.path().to_owned()],
        ..RegistryOptions::default()
    };
    Ok((folder, [by_file, by_folder]))
}

pub(crate) async fn password_over_tls() -> Result<()> {
    let authority = Authority::new()?;
    let program = registry_program()?;
    for which in [0, 1] {
        let server = Server::start_with(&program, &Login::Password, Some(&authority))?;
        let (_folder, options) = trusts(&authority, &server)?;
        check_logins(&server, &options[which]).await?;
    }
    Ok(())
}

pub(crate) async fn token_over_tls() -> Result<()> {
    let (authority, signer) = (Authority::new()?, Signer::new()?);
    let place = Place {
        authority: Some(&authority),
        ..Place::default()
    };
    let service = signer.serve(place, 300).await?;
    let realm = format!("https://{}/auth", service.address);
    let login = Login::Other(tokens::config(&realm, &signer.certificate()));
    let server = Server::start_with(&registry_program()?, &login, Some(&authority))?;
    let (_folder, [by_file, by_folder]) = trusts(&authority, &server)?;
    check_logins(&server, &by_file).await?;
    // What is trusted for the registry alone is not trusted for its token service.
    let right = server.docker_config("p-kiel")?;
    let reference: Reference = format!("{}/team/private:x", server.address).parse()?;
    let error = with_login(&right, &by_folder)?
        .head(&reference)
        .await
        .expect_err("nobody knows the service's certificate");
    ensure!(matches!(error, RegistryError::Tls { .. }), "{error}");
    Ok(())
}

/// Tokens that the registry refuses from some time on are fetched again, without anything failing.
pub(crate) async fn short_tokens() -> Result<()> {
    use super::fake::{Action, Fake, http};
    let signer = Signer::new()?;
    let service = signer.serve(Place::default(), 300).await?;
    let realm = format!("http://{}/auth", service.address);
    let login = Login::Other(tokens::config(&realm, &signer.certificate()));
    let server = Server::start_with(&registry_program()?, &login, None)?;
    let challenge = http(
        401,
        &[format!(
            "www-authenticate: Bearer realm=\"{realm}\",service=\"{}\",error=\"invalid_token\"",
            tokens::SERVICE
        )],
        b"",
    );
    // The first PUT of a blob comes too late for its token.
    let late = std::sync::atomic::AtomicBool::new(true);
    let front = Fake::before(&server.address, move |seen, _| {
        let is_late = seen.is("PUT", "/blobs/") && late.swap(false, std::sync::atomic::Ordering::SeqCst);
        if is_late {
            Action::Answer(challenge.clone())
        } else {
            Action::Forward
        }
    })
    .await?;
    let folder = tempfile::tempdir()?;
    let config = serde_json::json!({"auths": {&front.address: {"username": "kiel", "password": "p-kiel"}}});
    fs_err::write(folder.path().join("config.json"), config.to_string())?;
    let registry = with_login(&folder, &RegistryOptions::default())?;
    let reference: Reference = format!("{}/app:x", front.address).parse()?;
    push_image(&registry, &reference, b"late").await?;
    validate::image(&registry, &reference, &Platform::host()).await?;
    // Two blobs, and one of them twice.
    ensure!(front.count("PUT", "/blobs/") == 3, "{:?}", front.seen());
    ensure!(front.count("POST", "/blobs/uploads/") == 2, "{:?}", front.seen());
    Ok(())
}

pub(crate) async fn tls() -> Result<()> {
    let server = Server::start_with_tls(&registry_program()?)?;
    let reference: Reference = format!("{}/a:x", server.address).parse()?;
    let error = client()?
        .head(&reference)
        .await
        .expect_err("nobody knows this certificate");
    let text = error.to_string();
    ensure!(matches!(error, RegistryError::Tls { .. }), "{text}");
    for remedy in [
        "--registry-ca",
        "--skip-tls-verify-registry",
        &format!("/etc/docker/certs.d/{}/ca.crt", server.address),
    ] {
        ensure!(text.contains(remedy), "{text}");
    }
    let lenient = RegistryOptions {
        skip_tls_verify: true,
        ..RegistryOptions::default()
    };
    let (digest, _) = push_image(&Registry::new(lenient.clone())?, &reference, b"tls").await?;
    let found = Registry::new(lenient)?.head(&reference).await?;
    ensure!(found.context("it was pushed")?.digest == digest);
    Ok(())
}

pub(crate) async fn broken_authority() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let no_certificate = folder.path().join("ca.pem");
    fs_err::write(&no_certificate, "-----BEGIN NOTHING-----\n")?;
    let cases: [(PathBuf, &str); 2] = [
        (no_certificate, "it holds no certificate in PEM form"),
        (folder.path().join("absent.pem"), "entity not found"),
    ];
    for (path, reason) in cases {
        let options = RegistryOptions {
            ca_files: vec![path.clone()],
            ..RegistryOptions::default()
        };
        let error = Registry::new(options)
            .expect_err("the file is no authority")
            .to_string();
        let want = format!("cannot read certificate authority `{}`: {reason}", path.display());
        ensure!(error == want, "{error}");
    }
    Ok(())
}
