//! Uploads that break, and a registry that stops in the middle of one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kiel::registry::{
    Blob, BlobData, BlobRead, BlobSource, Digest, Platform, Reference, Registry, RegistryError,
    RegistryOptions, Repository, validate,
};

use super::fake::{Action, Fake, Place, http};
use super::support::Server;
use super::{SECRET, basic_challenge, client, logged_in, push_image, registry_program};

const SILENCE: Duration = Duration::from_millis(400);

/// What a registry says that takes uploads.
fn take_upload(seen: &super::fake::Seen) -> Vec<u8> {
    match seen.line.split(' ').next() {
        Some("HEAD") => http(404, &[], b""),
        Some("PUT") => http(201, &[], b""),
        _ => http(202, &["location: /up?state=1".to_owned()], b""),
    }
}

fn large() -> Blob {
    Blob::from_bytes(vec![7; 4 << 20])
}

async fn push(registry: &Registry, repository: &Repository, blob: &Blob) -> Result<(), RegistryError> {
    let source = BlobSource::Blob(blob.clone());
    registry.push_blob(repository, blob.digest, &source, None).await
}

pub(crate) async fn upload_again() -> Result<()> {
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
    let (registry, _folder) = logged_in(&front.address)?;
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

/// In mid-upload the connection is reset, or the registry answers that it is overloaded.
pub(crate) async fn broken_uploads() -> Result<()> {
    let server = Server::start(&registry_program()?, false)?;
    let faults: [fn() -> Action; 4] = [
        || Action::CutAfter(1 << 20),
        || Action::CutAfter(0),
        || Action::Answer(http(503, &["retry-after: 0".to_owned()], b"")),
        || Action::ForwardCut(1),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let first = AtomicBool::new(true);
        let front = Fake::before(&server.address, move |seen, _| {
            if seen.is("PUT", "/blobs/") && first.swap(false, Ordering::SeqCst) {
                fault()
            } else {
                Action::Forward
            }
        })
        .await?;
        let repository: Repository = format!("{}/broken/{number}", front.address).parse()?;
        let blob = large();
        push(&client()?, &repository, &blob).await?;
        ensure!(client()?.has_blob(&repository, blob.digest).await?);
        // The second attempt is an upload of its own.
        let (posts, puts) = (front.count("POST", "/blobs/"), front.count("PUT", "/blobs/"));
        ensure!((posts, puts) == (2, 2), "{number}: {:?}", front.seen());
    }
    // One that always breaks is given up on, and the error names it.
    let front = Fake::before(&server.address, |seen, _| {
        if seen.is("PUT", "/blobs/") {
            Action::CutAfter(1 << 20)
        } else {
            Action::Forward
        }
    })
    .await?;
    let repository: Repository = format!("{}/broken/always", front.address).parse()?;
    let error = push(&client()?, &repository, &large())
        .await
        .expect_err("it always breaks");
    let want = format!(
        "cannot push `{repository}@{}`: registry `{}`",
        large().digest,
        front.address
    );
    ensure!(error.to_string().starts_with(&want), "{error}");
    ensure!(front.count("PUT", "/blobs/") == 5, "{:?}", front.seen());
    Ok(())
}

fn impatient() -> Result<Registry> {
    Ok(Registry::new(RegistryOptions {
        silence: Some(SILENCE),
        ..RegistryOptions::default()
    })?)
}

/// The registry takes a part of the blob, and nothing more.
pub(crate) async fn stalled() -> Result<()> {
    let fake = Fake::at(Place::default(), |seen, _| {
        if seen.is("PUT", "") {
            Action::StopAfter(1 << 20)
        } else {
            Action::Answer(take_upload(seen))
        }
    })
    .await?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    // More than what fits into the buffers of a connection.
    let blob = Blob::from_bytes(vec![7; 32 << 20]);
    let error = push(&impatient()?, &repository, &blob)
        .await
        .expect_err("it stands still");
    ensure!(error.to_string().contains("nothing moved for 0.4 s"), "{error}");
    ensure!(fake.count("PUT", "") == 5, "{:?}", fake.seen());
    Ok(())
}

/// Content that comes slowly: in all longer than the silence that is borne.
#[derive(Debug)]
struct Slow(AtomicUsize);

impl BlobRead for Slow {
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<bytes::Bytes> {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(SILENCE / 4);
        let left = usize::try_from(SLOW_SIZE - offset).unwrap_or_default();
        Ok(vec![7; length.min(left)].into())
    }
}

const SLOW_SIZE: u64 = 3 << 20;

/// What moves is not given up on, however long it takes.
pub(crate) async fn slow() -> Result<()> {
    let server = Server::start(&registry_program()?, false)?;
    let repository: Repository = format!("{}/slow", server.address).parse()?;
    let reader = Arc::new(Slow(AtomicUsize::new(0)));
    let digest = Digest::of(&vec![7; usize::try_from(SLOW_SIZE)?]);
    let blob = Blob {
        digest,
        size: SLOW_SIZE,
        data: BlobData::Reader(reader.clone()),
    };
    let registry = impatient()?;
    push(&registry, &repository, &blob).await?;
    ensure!(registry.has_blob(&repository, digest).await?);
    ensure!(reader.0.load(Ordering::SeqCst) > 8, "it was read piece by piece");
    let puts = registry
        .requests()
        .into_iter()
        .filter(|((method, _), _)| method == "PUT");
    ensure!(puts.map(|(_, count)| count).sum::<u64>() == 1);
    Ok(())
}

pub(crate) async fn no_location() -> Result<()> {
    for (headers, want) in [
        (vec![], "opens an upload without telling where"),
        (
            vec!["location: file:///tmp/x".to_owned()],
            "neither https nor http",
        ),
        (
            vec!["location: http://169.254.169.254/x".to_owned()],
            "a link-local address",
        ),
        (
            vec!["location: http://a:b@127.0.0.2/x".to_owned()],
            "a URL with credentials in it",
        ),
    ] {
        let fake = Fake::start(move |seen, _| match (&seen.authorization, seen.is("HEAD", "")) {
            (None, _) => basic_challenge(),
            (_, true) => http(404, &[], b""),
            _ => http(202, &headers, b""),
        })
        .await?;
        let (registry, _folder) = logged_in(&fake.address)?;
        let repository: Repository = format!("{}/a", fake.address).parse()?;
        let error = push(&registry, &repository, &Blob::from_bytes("content")).await;
        let text = error.expect_err("nowhere to go").to_string();
        ensure!(text.contains(want) && !text.contains(SECRET), "{text}");
        ensure!(
            fake.count("POST", "") == 1 && fake.count("PUT", "") == 0,
            "{:?}",
            fake.seen()
        );
    }
    Ok(())
}

/// Quota, rights, read-only: the registry's words, once.
pub(crate) async fn refused() -> Result<()> {
    let body = br#"{"errors":[{"code":"DENIED","message":"quota exceeded"}]}"#;
    for (status, want) in [
        (
            403,
            "with an account that may push there; it says: quota exceeded",
        ),
        (405, "answered 405; it says: quota exceeded"),
        (413, "answered 413; it says: quota exceeded"),
    ] {
        let fake = Fake::start(move |seen, _| match &seen.authorization {
            None => basic_challenge(),
            _ if seen.is("PUT", "") => http(status, &[], body),
            _ => take_upload(seen),
        })
        .await?;
        let (registry, _folder) = logged_in(&fake.address)?;
        let repository: Repository = format!("{}/team/a", fake.address).parse()?;
        let blob = Blob::from_bytes("content");
        let text = push(&registry, &repository, &blob)
            .await
            .expect_err("refused")
            .to_string();
        ensure!(
            text.ends_with(want) && text.contains(&format!("`{repository}@")),
            "{text}"
        );
        ensure!(fake.count("PUT", "") == 1, "{:?}", fake.seen());
    }
    Ok(())
}

/// The registry is killed in the middle of a layer. What it had stays, the next run goes on, and at no time is there a
/// tag of something that is not whole.
pub(crate) async fn stopped_registry() -> Result<()> {
    let server = Arc::new(Mutex::new(Server::start(&registry_program()?, false)?));
    let address = server.lock().expect("no panic").address.clone();
    let (victim, once) = (server.clone(), AtomicBool::new(true));
    let front = Fake::before(&address, move |seen, _| {
        if seen.is("PUT", "/blobs/") && once.swap(false, Ordering::SeqCst) {
            victim.lock().expect("no panic").kill().expect("it can be killed");
            return Action::CutAfter(1 << 20);
        }
        Action::Forward
    })
    .await?;
    let reference: Reference = format!("{}/stopped:x", front.address).parse()?;
    let content = vec![7; 4 << 20];
    let error = push_image(&client()?, &reference, &content)
        .await
        .expect_err("it is gone");
    ensure!(error.to_string().contains("does not answer"), "{error}");
    ensure!(front.count("PUT", "/manifests/") == 0, "{:?}", front.seen());

    server.lock().expect("no panic").restart()?;
    ensure!(
        client()?.head(&reference).await?.is_none(),
        "no tag without an image"
    );
    let (digest, _) = push_image(&client()?, &reference, &content).await?;
    let valid = validate::image(&client()?, &reference, &Platform::host()).await?;
    ensure!(valid.image.descriptor.digest == digest && valid.files["app/file"].content == content);
    let found = client()?.head(&reference).await?.context("it was pushed")?;
    ensure!(found.digest == digest);
    Ok(())
}
