//! Registries that fail, lie or dawdle: what is tried again, how often, and what is said in the end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kiel::registry::{
    BlobSource, Descriptor, Digest, MEDIA_OCI_CONFIG, MEDIA_OCI_LAYER, Platform, Reference, Registry,
    RegistryError, RegistryOptions, Repository, validate,
};

use super::fake::{Action, Fake, Place, http};
use super::support::Server;
use super::{
    SECRET, always, basic_challenge, client, logged_in, manifest_answer, push_image, registry_program,
    some_manifest,
};

/// Shorter than any slow server's pauses would have to be.
const SILENCE: Duration = Duration::from_millis(400);

pub(crate) async fn temporary() -> Result<()> {
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

pub(crate) async fn overloaded() -> Result<()> {
    let body = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow \u001b[31mdown","detail":null}]}"#;
    let fake = Fake::start(move |_, _| http(429, &["retry-after: 0".to_owned()], body)).await?;
    let error = client()?
        .manifest(&format!("{}/a:x", fake.address).parse()?)
        .await
        .expect_err("overloaded");
    ensure!(
        error
            .to_string()
            .ends_with("answered 429 (too many requests: run again later); it says: slow  [31mdown"),
        "{error}"
    );
    ensure!(
        fake.seen().len() == 5,
        "a bounded number of times: {}",
        fake.seen().len()
    );
    Ok(())
}

pub(crate) async fn wrong_content() -> Result<()> {
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

pub(crate) async fn huge() -> Result<()> {
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

/// Seconds, or a date by the registry's own clock.
pub(crate) async fn retry_after() -> Result<()> {
    for headers in [
        vec!["retry-after: 1".to_owned()],
        vec![
            "date: Sun, 06 Nov 1994 08:49:37 GMT".to_owned(),
            "retry-after: Sun, 06 Nov 1994 08:49:38 GMT".to_owned(),
        ],
    ] {
        let fake = Fake::start(move |_, number| match number {
            1 => http(429, &headers, b""),
            _ => manifest_answer(&some_manifest()),
        })
        .await?;
        let started = Instant::now();
        let reference: Reference = format!("{}/a:x", fake.address).parse()?;
        ensure!(client()?.head(&reference).await?.is_some());
        // Without what the registry said it would be a quarter of it.
        ensure!(
            started.elapsed() >= Duration::from_secs(1),
            "{:?}",
            started.elapsed()
        );
        ensure!(fake.seen().len() == 2, "{:?}", fake.seen());
    }
    Ok(())
}

pub(crate) async fn long_wait() -> Result<()> {
    let fake = always(http(429, &["retry-after: 21600".to_owned()], b"")).await?;
    let reference: Reference = format!("{}/a:x", fake.address).parse()?;
    let error = client()?
        .head(&reference)
        .await
        .expect_err("overloaded")
        .to_string();
    let want = format!(
        "cannot read `{reference}`: registry `{}` answered 429 (too many requests: run again later); it wants no request for 21600 s",
        fake.address
    );
    ensure!(error == want, "{error}");
    ensure!(fake.seen().len() == 1, "{:?}", fake.seen());
    Ok(())
}

/// One request, one error with registry, repository and what to do.
pub(crate) async fn refusals() -> Result<()> {
    let denied = br#"{"errors":[{"code":"DENIED","message":"no push for you"}]}"#;
    let fake = Fake::start(|seen, _| match &seen.authorization {
        None => basic_challenge(),
        Some(_) => http(403, &[], denied),
    })
    .await?;
    let (registry, _folder) = logged_in(&fake.address)?;
    let reference: Reference = format!("{}/team/a:x", fake.address).parse()?;
    let host = &fake.address;
    let error = registry
        .manifest(&reference)
        .await
        .expect_err("refused")
        .to_string();
    let want = format!(
        "cannot read `{reference}`: registry `{host}` refused the credentials; run `docker login {host}` with an \
         account that may read there; it says: no push for you"
    );
    ensure!(error == want && !error.contains(SECRET), "{error}");
    // The challenge, and the one answer to it.
    ensure!(fake.seen().len() == 2, "{:?}", fake.seen());
    // A password that was refused is not tried twice.
    let fake = always(basic_challenge()).await?;
    let (registry, _folder) = logged_in(&fake.address)?;
    let reference: Reference = format!("{}/team/a:x", fake.address).parse()?;
    let error = registry.manifest(&reference).await.expect_err("refused");
    ensure!(matches!(error, RegistryError::Refused { .. }), "{error}");
    ensure!(fake.seen().len() == 2, "{:?}", fake.seen());
    // Without a challenge there is nothing to answer.
    let fake = always(http(401, &[], b"")).await?;
    let (registry, _folder) = logged_in(&fake.address)?;
    let reference: Reference = format!("{}/team/a:x", fake.address).parse()?;
    registry.manifest(&reference).await.expect_err("refused");
    ensure!(fake.seen().len() == 1 && fake.authorizations().is_empty());
    Ok(())
}

/// HEAD tells one digest, GET another, the content has a third; the type is not the content's.
pub(crate) async fn lying_digests() -> Result<()> {
    let announce = |digest: Digest, kind: &str, body: &[u8]| {
        let headers = [
            format!("content-type: {kind}"),
            format!("docker-content-digest: {digest}"),
        ];
        http(200, &headers, body)
    };
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let index = "application/vnd.oci.image.index.v1+json";
    let both = br#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#;
    for (answer, want) in [
        (
            announce(Digest::of(b"other"), manifest, &some_manifest()),
            "not the one announced",
        ),
        (announce(Digest::of(both), index, both), "manifest"),
        (
            announce(Digest::of(&some_manifest()), index, &some_manifest()),
            "index",
        ),
        (announce(Digest::of(b"{"), manifest, b"{"), "is not valid"),
        (announce(Digest::of(b"{}"), "text/html", b"{}"), "text/html"),
    ] {
        let fake = always(answer).await?;
        let reference: Reference = format!("{}/a:x", fake.address).parse()?;
        let error = client()?.manifest(&reference).await.expect_err(want);
        let text = error.to_string();
        ensure!(matches!(error, RegistryError::Content { .. }), "{text}");
        ensure!(
            text.contains(want) && text.contains(&fake.address),
            "{want}: {text}"
        );
        ensure!(fake.seen().len() == 1, "not asked again");
    }
    // What a HEAD told of a tag is not believed when the content comes.
    let fake = Fake::start(move |seen, _| {
        if seen.is("HEAD", "") {
            announce(Digest::of(b"promised"), manifest, b"")
        } else {
            manifest_answer(&some_manifest())
        }
    })
    .await?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    let registry = client()?;
    let promised = registry.head(&repository.tag("x")?).await?.context("a HEAD")?;
    let error = registry
        .image(&repository.digest(promised.digest), &Platform::host())
        .await
        .expect_err("it has another digest");
    ensure!(matches!(error, RegistryError::Content { .. }), "{error}");
    Ok(())
}

pub(crate) async fn endless_tags() -> Result<()> {
    let page = |link: String| http(200, &[link], br#"{"name":"a","tags":["x"]}"#);
    // The same page again and again.
    let fake = always(page(
        "link: </v2/a/tags/list?last=x&n=1000>; rel=\"next\"".to_owned(),
    ))
    .await?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    let error = client()?.tags(&repository).await.expect_err("no end").to_string();
    ensure!(error.contains("its list of tags does not end"), "{error}");
    ensure!(fake.seen().len() == 2, "{}", fake.seen().len());
    // Pages that always have another one.
    let fake =
        Fake::start(move |_, number| page(format!("link: </v2/a/tags/list?last={number}>; rel=\"next\"")))
            .await?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    let error = client()?.tags(&repository).await.expect_err("no end").to_string();
    ensure!(error.contains("its list of tags does not end"), "{error}");
    ensure!(
        fake.seen().len() == 4,
        "pages without a new tag: {}",
        fake.seen().len()
    );
    // A page of another host.
    let (other, target) = (always(page(String::new())).await?, "list?last=x>; rel=\"next\"");
    let link = format!("link: <http://{}/v2/a/tags/{target}", other.address);
    let fake = always(page(link)).await?;
    let (registry, _folder) = logged_in(&fake.address)?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    let error = registry.tags(&repository).await.expect_err("another host");
    ensure!(matches!(error, RegistryError::Redirect { .. }), "{error}");
    ensure!(other.seen().is_empty());
    Ok(())
}

/// In the middle of a blob the connection is reset, or the answer is shorter than it said.
pub(crate) async fn broken_blobs() -> Result<()> {
    let server = Server::start(&registry_program()?, false)?;
    let reference: Reference = format!("{}/a:x", server.address).parse()?;
    push_image(&client()?, &reference, &[7; 200_000]).await?;
    // Of two answers with a blob, one breaks off.
    let breaks = std::sync::atomic::AtomicBool::new(false);
    let front = Fake::before(&server.address, move |seen, _| {
        let is_blob = seen.is("GET", "/blobs/");
        if is_blob && !breaks.fetch_xor(true, std::sync::atomic::Ordering::SeqCst) {
            Action::ForwardCut(600)
        } else {
            Action::Forward
        }
    })
    .await?;
    let fronted: Repository = format!("{}/a", front.address).parse()?;
    let registry = client()?;
    let image = registry
        .image(&fronted.tag("x")?, &Platform::host())
        .await?
        .context("it is there")?;
    ensure!(image.manifest.layers.len() == 1);
    // Copying a layer that breaks off starts it anew.
    ensure!(front.count("GET", "/blobs/") == 2, "{:?}", front.seen());
    let other: Repository = format!("{}/copy", server.address).parse()?;
    let layer = &image.manifest.layers[0];
    registry
        .push_blob(&other, layer.digest, &BlobSource::Repository(fronted), None)
        .await?;
    ensure!(registry.has_blob(&other, layer.digest).await?);
    ensure!(front.count("GET", "/blobs/") == 4, "{:?}", front.seen());
    validate::image(&client()?, &reference, &Platform::host()).await?;
    Ok(())
}

/// Nothing for a while is a failure; a little now and then is not.
pub(crate) async fn silence() -> Result<()> {
    let impatient = || {
        Registry::new(RegistryOptions {
            silence: Some(SILENCE),
            ..RegistryOptions::default()
        })
    };
    let body = vec![7_u8; 4000];
    let blob = Descriptor::new(MEDIA_OCI_LAYER, Digest::of(&body), 4000);
    let answer = http(200, &[], &body);
    let half = answer[..2000].to_vec();
    for silent in [Vec::new(), half] {
        let fake = Fake::at(Place::default(), move |_, _| Action::Stall(silent.clone())).await?;
        let repository: Repository = format!("{}/a", fake.address).parse()?;
        let error = impatient()?.blob(&repository, &blob).await.expect_err("silence");
        let text = error.to_string();
        ensure!(matches!(error, RegistryError::Unreachable { .. }), "{text}");
        ensure!(text.contains("nothing moved for 0.4 s"), "{text}");
        ensure!(fake.seen().len() == 5, "{}", fake.seen().len());
    }
    // Twice the limit in all, and never more than a fifth of it at once.
    let slow = answer.clone();
    let fake = Fake::at(Place::default(), move |_, _| {
        Action::Trickle(slow.clone(), slow.len() / 10, SILENCE / 5)
    })
    .await?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    ensure!(impatient()?.blob(&repository, &blob).await? == body);
    ensure!(fake.seen().len() == 1, "{}", fake.seen().len());
    Ok(())
}
