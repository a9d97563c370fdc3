//! The registry client: against real registries of every kind, and against fake ones for faults. No fault may send a
//! credential anywhere else, and each is tried a counted number of times.

#![allow(clippy::print_stderr, reason = "this program as a client answers there")]

mod access;
#[path = "../support/authority.rs"]
mod authority;
mod builds;
mod ci_env;
#[path = "../support/engine.rs"]
#[allow(dead_code, reason = "shared with the tests of the engine")]
mod engine;
#[path = "../support/fake.rs"]
mod fake;
mod faults;
mod helpers;
mod logins;
mod real;
#[path = "../support/registry.rs"]
mod support;
#[path = "../support/tokens.rs"]
mod tokens;
mod uploads;

use anyhow::{Context, Result};
use bytes::Bytes;
use fake::{Action, Fake, http};
use kiel::registry::{
    Blob, BlobSource, Descriptor, Digest, MEDIA_OCI_CONFIG, MEDIA_OCI_LAYER, MEDIA_OCI_MANIFEST, Manifest,
    Platform, Reference, Registry, RegistryOptions,
};
use libtest_mimic::{Arguments, Trial};
use support::Server;

fn main() -> std::process::ExitCode {
    if let Some(code) = helpers::credentials_mode() {
        return code;
    }
    let arguments = Arguments::from_args();
    let trials = [
        real_trials(),
        login_trials(),
        access_trials(),
        fault_trials(),
        upload_trials(),
        builds::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

fn real_trials() -> Vec<Trial> {
    vec![
        real("an_image_that_was_pushed_keeps_all_rules", |server| {
            Box::pin(real::push_and_read(server))
        }),
        real(
            "blobs_are_mounted_within_a_registry_and_copied_between_two",
            |server| Box::pin(real::mount_and_copy(server)),
        ),
        real("what_is_not_there_is_none", |server| {
            Box::pin(real::absent(server))
        }),
        real("parallel_reads_need_one_request_each", |server| {
            Box::pin(real::parallel(server))
        }),
        real("oci_client_reads_what_was_pushed", |server| {
            Box::pin(real::second_reader(server))
        }),
        real("a_mirror_serves_docker_hub", |server| {
            Box::pin(real::mirror(server))
        }),
        real("files_are_streamed", |server| Box::pin(real::file_blob(server))),
        real(
            "proxies_and_missing_authorities_do_not_disturb_loopback",
            |server| Box::pin(real::loopback(server)),
        ),
        real("broken_images_are_told_from_whole_ones", |server| {
            Box::pin(real::broken_images(server))
        }),
        faulty("a_registry_that_is_down_is_named", real::down),
        Trial::test("credential_helpers_are_asked_and_kept_quiet", || {
            finished(helpers::helpers())
        }),
    ]
}

fn login_trials() -> Vec<Trial> {
    vec![
        faulty("a_password_is_asked_for_and_checked", logins::password),
        faulty("a_token_is_asked_for_and_checked", logins::token),
        faulty(
            "a_password_goes_through_tls_of_an_own_authority",
            logins::password_over_tls,
        ),
        faulty(
            "a_token_goes_through_tls_of_an_own_authority",
            logins::token_over_tls,
        ),
        faulty(
            "a_token_that_ran_out_is_renewed_in_mid_push",
            logins::short_tokens,
        ),
        faulty(
            "an_unknown_certificate_is_refused_unless_told_otherwise",
            logins::tls,
        ),
        faulty("a_broken_authority_is_named", logins::broken_authority),
        faulty("a_job_is_logged_in_by_ci_env", ci_env::login),
        faulty("a_job_whose_login_fails_ends", ci_env::refused_login),
    ]
}

fn access_trials() -> Vec<Trial> {
    vec![
        faulty("tokens_are_fetched_once_per_scope", access::token_flow),
        faulty("foreign_realms_get_no_credentials", access::foreign_realm),
        faulty("a_foreign_realm_can_be_named", access::named_realm),
        faulty(
            "a_foreign_realm_is_asked_without_credentials",
            access::anonymous_realm,
        ),
        faulty("token_services_that_fail_are_told", access::failing_service),
        faulty(
            "redirects_carry_no_credentials",
            access::redirect_without_credentials,
        ),
        faulty(
            "redirects_into_nearer_networks_are_refused",
            access::redirect_inwards,
        ),
        faulty("redirects_never_leave_tls", access::downgrade),
        faulty("redirects_end", access::redirect_circle),
        faulty("a_storage_cannot_ask_for_credentials", access::storage_challenge),
    ]
}

fn fault_trials() -> Vec<Trial> {
    vec![
        faulty("temporary_failures_are_repeated", faults::temporary),
        faulty("an_overloaded_registry_is_given_up_on", faults::overloaded),
        faulty("a_registry_tells_when_to_come_back", faults::retry_after),
        faulty("a_registry_that_wants_hours_is_not_waited_for", faults::long_wait),
        faulty("refusals_are_final", faults::refusals),
        faulty("wrong_content_is_refused", faults::wrong_content),
        faulty("lying_digests_are_found_out", faults::lying_digests),
        faulty("huge_manifests_are_refused", faults::huge),
        faulty("tags_that_never_end_are_given_up_on", faults::endless_tags),
        faulty("blobs_that_break_off_are_read_again", faults::broken_blobs),
        faulty("silence_is_noticed_and_slowness_borne", faults::silence),
    ]
}

fn upload_trials() -> Vec<Trial> {
    vec![
        faulty("uploads_start_anew", uploads::upload_again),
        faulty("uploads_that_break_are_repeated", uploads::broken_uploads),
        faulty("uploads_that_stand_still_are_given_up_on", uploads::stalled),
        faulty("slow_uploads_are_borne", uploads::slow),
        faulty("an_upload_without_a_place_is_refused", uploads::no_location),
        faulty("a_refused_upload_is_final", uploads::refused),
        faulty(
            "a_registry_that_stops_in_mid_push_loses_nothing",
            uploads::stopped_registry,
        ),
    ]
}

type Future<'a> = std::pin::Pin<Box<dyn Future0 + 'a>>;
trait Future0: std::future::Future<Output = Result<()>> {}
impl<T: std::future::Future<Output = Result<()>>> Future0 for T {}

/// A test on a registry of its own that wants no credentials.
fn real(name: &str, test: for<'a> fn(&'a Server) -> Future<'a>) -> Trial {
    Trial::test(name, move || {
        let server = registry_program().and_then(|program| Server::start(&program, false));
        finished(server.and_then(|server| runtime()?.block_on(test(&server))))
    })
}

fn faulty<F>(name: &str, test: fn() -> F) -> Trial
where
    F: std::future::Future<Output = Result<()>> + 'static,
{
    Trial::test(name, move || {
        finished(runtime().and_then(|runtime| runtime.block_on(test())))
    })
}

fn registry_program() -> Result<std::path::PathBuf> {
    support::program("registry").context("no `registry` in KIEL_TEST_BIN: run cargo xtask test")
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

fn finished(result: Result<()>) -> Result<(), libtest_mimic::Failed> {
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

/// A config for one layer with this diff id.
fn config_of(diff_ids: &[Digest]) -> serde_json::Value {
    let platform = Platform::host();
    let history: Vec<_> = diff_ids
        .iter()
        .map(|_| serde_json::json!({"created": "1970-01-01T00:00:00Z", "created_by": "test"}))
        .collect();
    serde_json::json!({
        "architecture": platform.architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    })
}

/// Pushes an image of one layer with one file.
async fn push_image(registry: &Registry, reference: &Reference, content: &[u8]) -> Result<(Digest, Blob)> {
    let layer = Blob::from_bytes(tar_of("app/file", content)?);
    let config = Blob::from_bytes(config_of(&[layer.digest]).to_string());
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

/// A 401 that asks for a password.
fn basic_challenge() -> Vec<u8> {
    http(401, &["www-authenticate: Basic realm=\"x\"".to_owned()], b"")
}

/// A 401 that asks for a token of this service.
fn bearer_challenge(realm: &str) -> Vec<u8> {
    let header = format!("www-authenticate: Bearer realm=\"{realm}\",service=\"s\"");
    http(401, &[header], b"")
}

/// The password that no message and no other host may see.
const SECRET: &str = "s3cret";
/// `u` with it, as it is sent.
const SECRET_SENT: &str = "Basic dTpzM2NyZXQ=";

/// A docker configuration with `u`/`s3cret` for this registry.
fn login(address: &str) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let config = serde_json::json!({"auths": {address: {"username": "u", "password": SECRET}}});
    fs_err::write(folder.path().join("config.json"), config.to_string())?;
    Ok(folder)
}

/// A client that is logged in to this registry.
fn logged_in(address: &str) -> Result<(Registry, tempfile::TempDir)> {
    logged_in_with(address, RegistryOptions::default())
}

fn logged_in_with(address: &str, options: RegistryOptions) -> Result<(Registry, tempfile::TempDir)> {
    let folder = login(address)?;
    let registry = Registry::new(RegistryOptions {
        docker_config: Some(folder.path().to_owned()),
        ..options
    })?;
    Ok((registry, folder))
}

/// A server that answers all with the same.
async fn always(answer: Vec<u8>) -> Result<Fake> {
    Fake::at(fake::Place::default(), move |_, _| Action::Answer(answer.clone())).await
}
