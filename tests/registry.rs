//! The registry client against a real registry, and against a fake one for faults.

#![allow(clippy::print_stderr, reason = "this program as a client answers there")]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/registry.rs"]
mod support;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use fake::{Fake, http};
use kiel::registry::{
    Blob, BlobSource, Descriptor, Digest, Insecure, MEDIA_OCI_CONFIG, MEDIA_OCI_LAYER, MEDIA_OCI_MANIFEST,
    Manifest, Platform, Reference, Registry, RegistryError, RegistryOptions, Repository, Url, validate,
};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use support::Server;

fn main() -> std::process::ExitCode {
    if let Some(code) = credentials_mode() {
        return code;
    }
    let arguments = Arguments::from_args();
    let trials = vec![
        real("an_image_that_was_pushed_keeps_all_rules", |server| {
            Box::pin(push_and_read(server))
        }),
        real(
            "blobs_are_mounted_within_a_registry_and_copied_between_two",
            |server| Box::pin(mount_and_copy(server)),
        ),
        real("what_is_not_there_is_none", |server| Box::pin(absent(server))),
        real("parallel_reads_need_one_request_each", |server| {
            Box::pin(parallel(server))
        }),
        real("oci_client_reads_what_was_pushed", |server| {
            Box::pin(second_reader(server))
        }),
        real("a_mirror_serves_docker_hub", |server| Box::pin(mirror(server))),
        real("files_are_streamed", |server| Box::pin(file_blob(server))),
        Trial::ignorable_test("credentials_are_asked_for_and_checked", || {
            run_real(true, |server| Box::pin(password(server)))
        }),
        real(
            "proxies_and_missing_authorities_do_not_disturb_loopback",
            |server| Box::pin(loopback(server)),
        ),
        Trial::test("an_unknown_certificate_is_refused_unless_told_otherwise", || {
            finished(tls())
        }),
        Trial::test("credential_helpers_are_asked_and_kept_quiet", || {
            finished(helpers())
        }),
        faulty("a_registry_that_is_down_is_named", down),
        faulty("tokens_are_fetched_once_per_scope", token_flow),
        faulty("foreign_realms_get_no_credentials", foreign_realm),
        faulty("redirects_carry_no_credentials", redirect_without_credentials),
        faulty("redirects_into_nearer_networks_are_refused", redirect_inwards),
        faulty("temporary_failures_are_repeated", temporary),
        faulty("an_overloaded_registry_is_given_up_on", overloaded),
        faulty("wrong_content_is_refused", wrong_content),
        faulty("huge_manifests_are_refused", huge),
        faulty("uploads_start_anew", upload_again),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Future<'a> = std::pin::Pin<Box<dyn Future0 + 'a>>;
trait Future0: std::future::Future<Output = Result<()>> {}
impl<T: std::future::Future<Output = Result<()>>> Future0 for T {}

fn real(name: &str, test: for<'a> fn(&'a Server) -> Future<'a>) -> Trial {
    Trial::ignorable_test(name, move || run_real(false, test))
}

fn run_real(password: bool, test: for<'a> fn(&'a Server) -> Future<'a>) -> Result<Completion, Failed> {
    let Some(program) = support::program("registry") else {
        return Err("no `registry` in KIEL_TEST_BIN: run cargo xtask test".into());
    };
    let result = Server::start(&program, password).and_then(|server| runtime()?.block_on(test(&server)));
    result
        .map(|()| Completion::Completed)
        .map_err(|error| format!("{error:#}").into())
}

fn faulty<F>(name: &str, test: fn() -> F) -> Trial
where
    F: std::future::Future<Output = Result<()>> + 'static,
{
    Trial::test(name, move || {
        runtime()
            .and_then(|runtime| runtime.block_on(test()))
            .map_err(|error| format!("{error:#}").into())
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

fn finished(result: Result<()>) -> Result<(), Failed> {
    result.map_err(|error| format!("{error:#}").into())
}

fn client() -> Result<Registry> {
    Ok(Registry::new(RegistryOptions::default())?)
}

fn tar_of(path: &str, content: &[u8]) -> Result<Bytes> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    builder.append_data(&mut header, path, content)?;
    Ok(builder.into_inner()?.into())
}

/// Pushes an image of one layer with one file.
async fn push_image(registry: &Registry, reference: &Reference, content: &[u8]) -> Result<(Digest, Blob)> {
    let layer = Blob::from_bytes(tar_of("app/file", content)?);
    let platform = Platform::host();
    let config = Blob::from_bytes(
        serde_json::json!({
            "architecture": platform.architecture, "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "test"}],
        })
        .to_string(),
    );
    for blob in [&layer, &config] {
        let source = BlobSource::Blob(blob.clone());
        registry
            .push_blob(reference.repository(), blob.digest, &source, None)
            .await?;
    }
    let manifest = Manifest::new(
        Descriptor::new(MEDIA_OCI_CONFIG, config.digest, config.size),
        vec![Descriptor::new(MEDIA_OCI_LAYER, layer.digest, layer.size)],
    );
    let digest = registry
        .push_manifest(reference, MEDIA_OCI_MANIFEST, manifest.to_bytes())
        .await?;
    Ok((digest, layer))
}

async fn push_and_read(server: &Server) -> Result<()> {
    let registry = client()?;
    let repository: Repository = format!("{}/team/app", server.address).parse()?;
    let (digest, _) = push_image(&registry, &repository.tag("v1")?, b"hello").await?;
    for reference in [repository.tag("v1")?, repository.digest(digest)] {
        ensure!(registry.head(&reference).await?.context("HEAD finds it")?.digest == digest);
        let valid = validate::image(&registry, &reference, &Platform::host()).await?;
        ensure!(valid.files["app/file"].content == "hello");
    }
    ensure!(push_image(&registry, &repository.tag("v2")?, b"hello").await?.0 == digest);
    ensure!(registry.tags(&repository).await?.into_iter().eq(["v1", "v2"]));
    // A digest that is asked for is the digest that comes.
    let wrong = repository.digest(Digest::of(b"other"));
    ensure!(registry.head(&wrong).await?.is_none());
    Ok(())
}

async fn mount_and_copy(server: &Server) -> Result<()> {
    let registry = client()?;
    let first: Repository = format!("{}/a", server.address).parse()?;
    let (_, layer) = push_image(&registry, &first.tag("x")?, b"mounted").await?;
    let second: Repository = format!("{}/b", server.address).parse()?;
    let before = registry.requests();
    let source = BlobSource::Repository(first.clone());
    registry.push_blob(&second, layer.digest, &source, None).await?;
    ensure!(registry.has_blob(&second, layer.digest).await?);
    let sent = |method: &str| {
        let key = (method.to_owned(), server.address.clone());
        registry.requests().get(&key).unwrap_or(&0) - before.get(&key).unwrap_or(&0)
    };
    ensure!(
        (sent("POST"), sent("PUT"), sent("GET")) == (1, 0, 0),
        "a mount is one POST: {registry:?}"
    );

    let program = support::program("registry").context("it ran before")?;
    let other = Server::start(&program, false)?;
    let third: Repository = format!("{}/c", other.address).parse()?;
    let copied = validate::copy(&registry, &first.tag("x")?, &third.tag("y")?, &Platform::host()).await?;
    let valid = validate::image(&registry, &third.tag("y")?, &Platform::host()).await?;
    ensure!(Some(valid.image.descriptor.digest) == copied && valid.files["app/file"].content == "mounted");
    Ok(())
}

async fn absent(server: &Server) -> Result<()> {
    let registry = client()?;
    let repository: Repository = format!("{}/nothing", server.address).parse()?;
    ensure!(registry.head(&repository.tag("x")?).await?.is_none());
    ensure!(registry.manifest(&repository.tag("x")?).await?.is_none());
    ensure!(!registry.has_blob(&repository, Digest::of(b"x")).await?);
    ensure!(registry.tags(&repository).await?.is_empty());
    let descriptor = Descriptor::new(MEDIA_OCI_CONFIG, Digest::of(b"x"), 1);
    let error = registry
        .blob(&repository, &descriptor)
        .await
        .expect_err("there is no such blob");
    ensure!(matches!(error, RegistryError::NotFound { .. }), "{error}");
    Ok(())
}

async fn parallel(server: &Server) -> Result<()> {
    let repository: Repository = format!("{}/many", server.address).parse()?;
    push_image(&client()?, &repository.tag("x")?, b"one").await?;
    let registry = client()?;
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (registry, reference) = (registry.clone(), repository.tag("x")?);
        reads.spawn(async move { registry.head(&reference).await });
    }
    while let Some(read) = reads.join_next().await {
        ensure!(read??.is_some());
    }
    let sent = registry.requests();
    ensure!(
        sent.values().sum::<u64>() == 20,
        "no ping, no request twice: {sent:?}"
    );
    Ok(())
}

async fn second_reader(server: &Server) -> Result<()> {
    let repository: Repository = format!("{}/second", server.address).parse()?;
    let (digest, layer) = push_image(&client()?, &repository.tag("x")?, b"seen").await?;
    let config = oci_client::client::ClientConfig {
        protocol: oci_client::client::ClientProtocol::Http,
        ..Default::default()
    };
    let other = oci_client::Client::new(config);
    let reference: oci_client::Reference = repository.tag("x")?.to_string().parse()?;
    let anonymous = oci_client::secrets::RegistryAuth::Anonymous;
    let (manifest, found) = other.pull_image_manifest(&reference, &anonymous).await?;
    ensure!(found == digest.to_string() && manifest.layers[0].digest == layer.digest.to_string());
    Ok(())
}

async fn mirror(server: &Server) -> Result<()> {
    let repository: Repository = format!("{}/library/busybox", server.address).parse()?;
    let (digest, _) = push_image(&client()?, &repository.tag("1")?, b"mirrored").await?;
    let nobody = Url::parse("http://127.0.0.1:1")?;
    let mirrors = vec![nobody, Url::parse(&format!("http://{}", server.address))?];
    let registry = Registry::new(RegistryOptions {
        mirrors,
        ..RegistryOptions::default()
    })?;
    let reference: Reference = "busybox:1".parse()?;
    ensure!(
        registry
            .head(&reference)
            .await?
            .context("the mirror has it")?
            .digest
            == digest
    );
    let image = registry
        .image(&reference, &Platform::host())
        .await?
        .context("the mirror has it")?;
    ensure!(image.reference.to_string() == format!("docker.io/library/busybox:1@{digest}"));
    let hosts: Vec<String> = registry.requests().into_keys().map(|(_, host)| host).collect();
    ensure!(
        hosts.iter().all(|host| host.starts_with("127.0.0.1:")),
        "{hosts:?}"
    );
    Ok(())
}

async fn file_blob(server: &Server) -> Result<()> {
    let registry = client()?;
    let repository: Repository = format!("{}/file", server.address).parse()?;
    let folder = tempfile::tempdir()?;
    let bytes = vec![7; 3 << 20];
    let path = folder.path().join("layer");
    fs_err::write(&path, &bytes)?;
    let digest = Digest::of(&bytes);
    let source = BlobSource::Blob(Blob::from_file(path.clone(), digest, bytes.len() as u64));
    registry.push_blob(&repository, digest, &source, None).await?;
    let read = registry
        .blob(
            &repository,
            &Descriptor::new(MEDIA_OCI_LAYER, digest, bytes.len() as u64),
        )
        .await?;
    ensure!(read == bytes);
    // A file that was changed is found out by the registry.
    fs_err::write(&path, vec![8; 3 << 20])?;
    let other: Repository = format!("{}/changed", server.address).parse()?;
    let error = registry
        .push_blob(&other, digest, &source, None)
        .await
        .expect_err("its digest is wrong");
    ensure!(
        matches!(error, RegistryError::Answer { status: 400, .. }),
        "{error}"
    );
    Ok(())
}

/// The argument that makes this program ask for credentials: for what depends on the environment.
const CREDENTIALS: &str = "__credentials";

fn credentials_mode() -> Option<std::process::ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != CREDENTIALS {
        return None;
    }
    let (folder, host) = (arguments.next()?, arguments.next()?);
    let ask = || -> Result<Registry> {
        let docker_config = Some(PathBuf::from(folder));
        Ok(Registry::new(RegistryOptions {
            docker_config,
            ..RegistryOptions::default()
        })?)
    };
    let found = ask().and_then(|registry| Ok(runtime()?.block_on(registry.credentials(&host))?));
    eprintln!(
        "{found:?} {}",
        found.as_ref().err().map(ToString::to_string).unwrap_or_default()
    );
    Some(std::process::ExitCode::SUCCESS)
}

fn helpers() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let helper = |name: &str, script: &str| -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(format!("docker-credential-{name}"));
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        Ok(fs_err::set_permissions(
            path,
            std::fs::Permissions::from_mode(0o755),
        )?)
    };
    helper(
        "good",
        r#"read host; echo "{\"ServerURL\":\"$host\",\"Username\":\"$host\",\"Secret\":\"s3cret\"}""#,
    )?;
    helper("none", "echo credentials not found in native keychain; exit 1")?;
    helper("fails", "echo s3cret; echo s3cret >&2; exit 3")?;
    helper("junk", "echo s3cret")?;
    let config = serde_json::json!({"credsStore": "none", "credHelpers":
        {"good.test": "good", "fails.test": "fails", "junk.test": "junk", "path.test": "../good"}});
    fs_err::write(folder.path().join("config.json"), config.to_string())?;
    for (host, want) in [
        ("good.test", "user: \"good.test\""),
        ("other.test", "Ok(None)"),
        (
            "fails.test",
            "from `docker-credential-fails`: it ended with exit status: 3",
        ),
        ("junk.test", "its answer is not valid JSON"),
        ("path.test", "its name is not a program's name"),
    ] {
        let output = std::process::Command::new(std::env::current_exe()?)
            .args([CREDENTIALS, &folder.path().to_string_lossy(), host])
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
            .output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(text.contains(want) && !text.contains("s3cret"), "{host}: {text}");
    }
    Ok(())
}

/// This program again, on the first test, with an environment that would lead elsewhere.
async fn loopback(_: &Server) -> Result<()> {
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "an_image_that_was_pushed_keeps_all_rules"])
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(())
}

fn tls() -> Result<()> {
    let program =
        support::program("registry").context("no `registry` in KIEL_TEST_BIN: run cargo xtask test")?;
    let server = Server::start_with_tls(&program)?;
    let reference: Reference = format!("{}/a:x", server.address).parse()?;
    runtime()?.block_on(async {
        let error = client()?
            .head(&reference)
            .await
            .expect_err("nobody knows this certificate");
        ensure!(matches!(error, RegistryError::Tls { .. }), "{error}");
        ensure!(
            error.to_string().contains("--skip-tls-verify-registry"),
            "{error}"
        );
        let lenient = RegistryOptions {
            skip_tls_verify: true,
            ..RegistryOptions::default()
        };
        let (digest, _) = push_image(&Registry::new(lenient.clone())?, &reference, b"tls").await?;
        let found = Registry::new(lenient)?
            .head(&reference)
            .await?
            .context("it was pushed")?;
        ensure!(found.digest == digest);
        Ok(())
    })
}

async fn password(server: &Server) -> Result<()> {
    let repository: Repository = format!("{}/private", server.address).parse()?;
    let reference = repository.tag("x")?;
    let error = client()?
        .head(&reference)
        .await
        .expect_err("it wants credentials");
    ensure!(matches!(error, RegistryError::NoCredentials { .. }), "{error}");
    ensure!(
        error
            .to_string()
            .contains(&format!("docker login {}", server.address)),
        "{error}"
    );

    let with = |folder: PathBuf| {
        Registry::new(RegistryOptions {
            docker_config: Some(folder),
            ..RegistryOptions::default()
        })
    };
    let wrong = server.docker_config("p-wrong")?;
    let error = with(wrong.path().to_owned())?
        .head(&reference)
        .await
        .expect_err("the password is wrong");
    ensure!(matches!(error, RegistryError::Refused { .. }), "{error}");
    ensure!(!format!("{error} {error:?}").contains("p-wrong"), "{error:?}");

    let right = server.docker_config("p-kiel")?;
    let registry = with(right.path().to_owned())?;
    push_image(&registry, &reference, b"secret").await?;
    validate::image(&registry, &reference, &Platform::host()).await?;
    ensure!(!format!("{registry:?}").contains("p-kiel"));
    Ok(())
}

async fn down() -> Result<()> {
    let error = client()?
        .head(&"127.0.0.1:1/a:x".parse()?)
        .await
        .expect_err("nobody listens");
    let text = error.to_string();
    ensure!(matches!(error, RegistryError::Unreachable { .. }), "{text}");
    ensure!(text.contains("registry `127.0.0.1:1` does not answer"), "{text}");
    let insecure = RegistryOptions {
        insecure: Insecure::All,
        ..RegistryOptions::default()
    };
    let error = Registry::new(insecure)?
        .head(&"127.0.0.1:1/a:x".parse()?)
        .await
        .expect_err("nobody listens");
    ensure!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    Ok(())
}

fn manifest_answer(body: &[u8]) -> Vec<u8> {
    let headers = [
        format!("content-type: {MEDIA_OCI_MANIFEST}"),
        format!("docker-content-digest: {}", Digest::of(body)),
    ];
    http(200, &headers, body)
}

fn some_manifest() -> Bytes {
    Manifest::new(Descriptor::new(MEDIA_OCI_CONFIG, Digest::of(b"c"), 1), Vec::new()).to_bytes()
}

fn login(address: &str) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let config = serde_json::json!({"auths": {address: {"username": "u", "password": "s3cret"}}});
    fs_err::write(folder.path().join("config.json"), config.to_string())?;
    Ok(folder)
}

async fn token_flow() -> Result<()> {
    let service = Fake::start(|_, _| http(200, &[], br#"{"token":"t0ken","expires_in":300}"#)).await?;
    let realm = format!("http://{}/auth", service.address);
    let fake = Fake::start(move |seen, _| match seen.authorization.as_deref() {
        Some("Bearer t0ken") => manifest_answer(&some_manifest()),
        _ => http(
            401,
            &[format!(
                "www-authenticate: Bearer realm=\"{realm}\",service=\"s\""
            )],
            b"",
        ),
    })
    .await?;
    let folder = login(&fake.address)?;
    let docker_config = Some(folder.path().to_owned());
    let registry = Registry::new(RegistryOptions {
        docker_config,
        ..RegistryOptions::default()
    })?;
    for tag in ["x", "y", "z"] {
        ensure!(
            registry
                .manifest(&format!("{}/a/b:{tag}", fake.address).parse()?)
                .await?
                .is_some()
        );
    }
    let asked = service.seen();
    ensure!(asked.len() == 1, "{asked:?}");
    ensure!(
        asked[0].line == "GET /auth?service=s&account=u&scope=repository%3Aa%2Fb%3Apull",
        "{asked:?}"
    );
    ensure!(asked[0].authorization.as_deref() == Some("Basic dTpzM2NyZXQ="));
    ensure!(
        fake.seen()
            .iter()
            .all(|seen| seen.authorization.as_deref() != Some("Basic dTpzM2NyZXQ="))
    );
    let scopes = ["repository:a/b:pull".to_owned()];
    let token = registry
        .token(
            &fake.address,
            &format!("http://{}/auth", service.address),
            "s",
            &scopes,
        )
        .await?;
    ensure!(token.token == "t0ken" && token.expires_in == 300);
    Ok(())
}

async fn foreign_realm() -> Result<()> {
    for realm in [
        "http://127.0.0.2:9/token",
        "https://evil.test/token",
        "http://169.254.169.254/",
        "file:///etc",
    ] {
        let header = format!("www-authenticate: Bearer realm=\"{realm}\",service=\"s\"");
        let fake = Fake::start(move |_, _| http(401, std::slice::from_ref(&header), b"")).await?;
        let folder = login(&fake.address)?;
        let docker_config = Some(folder.path().to_owned());
        let registry = Registry::new(RegistryOptions {
            docker_config,
            ..RegistryOptions::default()
        })?;
        let error = registry
            .head(&format!("{}/a:x", fake.address).parse()?)
            .await
            .expect_err("a foreign realm");
        ensure!(matches!(&error, RegistryError::Realm { .. }), "{realm}: {error}");
        ensure!(
            error.to_string().contains(realm) && !error.to_string().contains("s3cret"),
            "{error}"
        );
        ensure!(fake.seen().iter().all(|seen| seen.authorization.is_none()));
    }
    Ok(())
}

async fn redirect_without_credentials() -> Result<()> {
    let storage = Fake::start(|_, _| http(200, &[], b"content")).await?;
    let target = format!("location: http://{}/bucket?signed=1", storage.address);
    let fake = Fake::start(move |seen, _| match &seen.authorization {
        None => http(401, &["www-authenticate: Basic realm=\"x\"".to_owned()], b""),
        Some(_) => http(307, std::slice::from_ref(&target), b""),
    })
    .await?;
    let folder = login(&fake.address)?;
    let docker_config = Some(folder.path().to_owned());
    let registry = Registry::new(RegistryOptions {
        docker_config,
        ..RegistryOptions::default()
    })?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    let descriptor = Descriptor::new(MEDIA_OCI_CONFIG, Digest::of(b"content"), 7);
    ensure!(registry.blob(&repository, &descriptor).await? == "content");
    ensure!(
        storage.seen().len() == 1 && storage.seen()[0].authorization.is_none(),
        "{:?}",
        storage.seen()
    );
    Ok(())
}

async fn redirect_inwards() -> Result<()> {
    for target in ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd"] {
        let fake = Fake::start(move |_, _| http(307, &[format!("location: {target}")], b"")).await?;
        let repository: Repository = format!("{}/a", fake.address).parse()?;
        let descriptor = Descriptor::new(MEDIA_OCI_CONFIG, Digest::of(b"content"), 7);
        let error = client()?
            .blob(&repository, &descriptor)
            .await
            .expect_err("a redirect inwards");
        ensure!(
            matches!(error, RegistryError::Redirect { .. }),
            "{target}: {error}"
        );
    }
    Ok(())
}

async fn temporary() -> Result<()> {
    let body = some_manifest();
    let fake = Fake::start(move |_, number| match number {
        1 => http(429, &["retry-after: 0".to_owned()], b""),
        2 => http(503, &[], b"<html>overloaded"),
        3 => Vec::new(),
        4 => {
            let whole = manifest_answer(&body);
            whole[..whole.len() - 9].to_vec()
        }
        _ => manifest_answer(&body),
    })
    .await?;
    let found = client()?
        .manifest(&format!("{}/a:x", fake.address).parse()?)
        .await?;
    ensure!(found.context("the fifth answer is good")?.1 == some_manifest());
    ensure!(fake.seen().len() == 5, "{:?}", fake.seen());
    Ok(())
}

async fn overloaded() -> Result<()> {
    let body = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow \u001b[31mdown","detail":null}]}"#;
    let fake = Fake::start(move |_, _| http(429, &["retry-after: 0".to_owned()], body)).await?;
    let error = client()?
        .manifest(&format!("{}/a:x", fake.address).parse()?)
        .await
        .expect_err("overloaded");
    ensure!(
        error
            .to_string()
            .ends_with("answered 429; it says: slow  [31mdown"),
        "{error}"
    );
    ensure!(
        fake.seen().len() == 5,
        "a bounded number of times: {}",
        fake.seen().len()
    );
    Ok(())
}

async fn wrong_content() -> Result<()> {
    let fake = Fake::start(|seen, _| match seen.line.contains("/blobs/") {
        true => http(200, &[], b"c0ntent"),
        false => manifest_answer(&some_manifest()),
    })
    .await?;
    let registry = client()?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    for size in [6, 7, 8] {
        let descriptor = Descriptor::new(MEDIA_OCI_CONFIG, Digest::of(b"content"), size);
        let error = registry
            .blob(&repository, &descriptor)
            .await
            .expect_err("wrong content");
        ensure!(matches!(error, RegistryError::Content { .. }), "{size}: {error}");
    }
    let other = repository.digest(Digest::of(b"other"));
    for error in [
        registry.manifest(&other).await.expect_err("another digest"),
        registry.head(&other).await.expect_err("another digest"),
    ] {
        ensure!(matches!(error, RegistryError::Content { .. }), "{error}");
    }
    Ok(())
}

async fn huge() -> Result<()> {
    let fake = Fake::start(|_, _| {
        let length = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1000000000\r\n\r\n{";
        length.as_bytes().to_vec()
    })
    .await?;
    let error = client()?
        .manifest(&format!("{}/a:x", fake.address).parse()?)
        .await
        .expect_err("too long");
    ensure!(error.to_string().contains("longer than 4194304 bytes"), "{error}");
    Ok(())
}

async fn upload_again() -> Result<()> {
    let fake = Fake::start(
        |seen, _| match (seen.line.split(' ').next(), seen.line.contains("first")) {
            (Some("HEAD"), _) => http(404, &[], b""),
            (Some("PUT"), true) => http(404, &[], b""),
            (Some("PUT"), false) => http(201, &[], b""),
            _ => http(202, &["location: ../../up?state=again".to_owned()], b""),
        },
    )
    .await?;
    let first = std::sync::atomic::AtomicBool::new(true);
    let second = fake.address.clone();
    let front = Fake::start(move |seen, _| match seen.line.split(' ').next() {
        Some("HEAD") => http(404, &[], b""),
        Some("PUT") if seen.line.contains("state=first") => http(404, &[], b""),
        Some("PUT") => http(201, &[], b""),
        _ if first.swap(false, std::sync::atomic::Ordering::SeqCst) => {
            http(202, &["location: /up?state=first".to_owned()], b"")
        }
        _ => http(202, &[format!("location: http://{second}/up?state=other")], b""),
    })
    .await?;
    let folder = login(&front.address)?;
    let docker_config = Some(folder.path().to_owned());
    let registry = Registry::new(RegistryOptions {
        docker_config,
        ..RegistryOptions::default()
    })?;
    let blob = Blob::from_bytes("content");
    let repository: Repository = format!("{}/a", front.address).parse()?;
    registry
        .push_blob(&repository, blob.digest, &BlobSource::Blob(blob.clone()), None)
        .await?;
    // The second upload goes on at another host, without credentials.
    let lines: Vec<String> = fake.seen().into_iter().map(|seen| seen.line).collect();
    ensure!(
        lines == [format!("PUT /up?state=other&digest={}", blob.digest).replace(':', "%3A")],
        "{lines:?}"
    );
    ensure!(fake.seen()[0].authorization.is_none());
    Ok(())
}
