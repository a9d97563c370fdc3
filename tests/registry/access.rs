//! Who sees credentials: token services, redirects, uploads that go on elsewhere.

use anyhow::{Result, ensure};
use kiel::registry::{
    Descriptor, Digest, MEDIA_OCI_CONFIG, Reference, Registry, RegistryError, RegistryOptions, Repository,
};

use super::authority::Authority;
use super::fake::{Action, Fake, Place, http};
use super::{
    SECRET, SECRET_SENT, always, basic_challenge, bearer_challenge, client, logged_in, logged_in_with,
    manifest_answer, some_manifest,
};

const TOKEN: &[u8] = br#"{"token":"t0ken","expires_in":300}"#;

pub(crate) async fn token_flow() -> Result<()> {
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
    let (registry, _folder) = logged_in(&fake.address)?;
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

pub(crate) async fn redirect_without_credentials() -> Result<()> {
    let storage = Fake::start(|_, _| http(200, &[], b"content")).await?;
    let target = format!("location: http://{}/bucket?signed=1", storage.address);
    let fake = Fake::start(move |seen, _| match &seen.authorization {
        None => http(401, &["www-authenticate: Basic realm=\"x\"".to_owned()], b""),
        Some(_) => http(307, std::slice::from_ref(&target), b""),
    })
    .await?;
    let (registry, _folder) = logged_in(&fake.address)?;
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

pub(crate) async fn redirect_inwards() -> Result<()> {
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

/// A registry over TLS that wants tokens of this service, and who has signed for it.
async fn with_realm(authority: &Authority, realm: &str) -> Result<Fake> {
    let challenge = bearer_challenge(realm);
    let place = Place {
        authority: Some(authority),
        ..Place::default()
    };
    Fake::at(place, move |seen, _| {
        Action::Answer(match seen.authorization.as_deref() {
            Some("Bearer t0ken") => manifest_answer(&some_manifest()),
            _ => challenge.clone(),
        })
    })
    .await
}

pub(crate) async fn foreign_realm() -> Result<()> {
    for realm in [
        "http://127.0.0.2:9/token",
        "https://evil.test/token",
        "http://169.254.169.254/",
        "https://169.254.169.254/",
        "file:///etc",
        "http://u:p@127.0.0.1/token",
        "//nothing",
    ] {
        let fake = always(bearer_challenge(realm)).await?;
        let (registry, _folder) = logged_in(&fake.address)?;
        let reference: Reference = format!("{}/a:x", fake.address).parse()?;
        let error = registry.head(&reference).await.expect_err("a foreign realm");
        let text = error.to_string();
        ensure!(matches!(&error, RegistryError::Realm { .. }), "{realm}: {text}");
        ensure!(text.contains(realm) && !text.contains(SECRET), "{text}");
        ensure!(fake.seen().len() == 1, "not asked again: {:?}", fake.seen());
        ensure!(fake.authorizations().is_empty());
    }
    Ok(())
}

/// A token service on another host, both over TLS, as of a self-managed GitLab with a domain of its own.
pub(crate) async fn named_realm() -> Result<()> {
    let authority = Authority::new()?;
    let place = Place {
        address: Some("127.0.0.2"),
        authority: Some(&authority),
        ..Place::default()
    };
    let service = Fake::at(place, |_, _| Action::Answer(http(200, &[], TOKEN))).await?;
    let fake = with_realm(&authority, &format!("https://{}/auth", service.address)).await?;
    let reference: Reference = format!("{}/a:x", fake.address).parse()?;
    let options = RegistryOptions {
        ca_files: vec![authority.ca()],
        ..RegistryOptions::default()
    };
    let (registry, _folder) = logged_in_with(&fake.address, options.clone())?;
    let error = registry
        .head(&reference)
        .await
        .expect_err("another host")
        .to_string();
    let remedy = format!(
        "which is not in the registry's own domain; no credentials were sent; if that service may see the password \
         for `{}`, add --registry-token-host {}",
        fake.address, service.address
    );
    ensure!(error.ends_with(&remedy), "{error}");
    ensure!(service.seen().is_empty());

    for named in [service.address.clone(), "127.0.0.2".to_owned()] {
        let options = RegistryOptions {
            token_hosts: vec![named],
            ..options.clone()
        };
        let (registry, _folder) = logged_in_with(&fake.address, options)?;
        ensure!(registry.head(&reference).await?.is_some());
    }
    ensure!(service.authorizations() == [SECRET_SENT, SECRET_SENT]);
    // The registry itself gets the token only.
    ensure!(fake.authorizations() == ["Bearer t0ken", "Bearer t0ken"]);
    Ok(())
}

/// Public images need no flag wherever their token service is.
pub(crate) async fn anonymous_realm() -> Result<()> {
    let authority = Authority::new()?;
    let place = Place {
        address: Some("127.0.0.2"),
        authority: Some(&authority),
        ..Place::default()
    };
    let service = Fake::at(place, |_, _| Action::Answer(http(200, &[], TOKEN))).await?;
    let fake = with_realm(&authority, &format!("https://{}/auth", service.address)).await?;
    let reference: Reference = format!("{}/a:x", fake.address).parse()?;
    let registry = Registry::new(RegistryOptions {
        ca_files: vec![authority.ca()],
        ..RegistryOptions::default()
    })?;
    ensure!(registry.head(&reference).await?.is_some());
    ensure!(service.seen().len() == 1 && service.authorizations().is_empty());
    // Over plain http anybody could have named the service.
    let fake = always(bearer_challenge(&format!("http://{}/auth", service.address))).await?;
    let reference: Reference = format!("{}/a:x", fake.address).parse()?;
    let error = client()?.head(&reference).await.expect_err("plain http");
    ensure!(matches!(error, RegistryError::Realm { .. }), "{error}");
    ensure!(service.seen().len() == 1);
    Ok(())
}

pub(crate) async fn failing_service() -> Result<()> {
    let wrong = br#"{"errors":[{"code":"UNAUTHORIZED","message":"account locked"}]}"#;
    for (answer, requests, want) in [
        (
            http(401, &[], wrong),
            1,
            "refused the credentials; run `docker login",
        ),
        (http(403, &[], wrong), 1, "; it says: account locked"),
        (
            http(200, &[], b"<html>"),
            1,
            "its token service answered without a token",
        ),
        (
            http(302, &["location: http://127.0.0.2:9/".to_owned()], b""),
            1,
            "sends us elsewhere",
        ),
        (
            http(503, &["retry-after: 0".to_owned()], b""),
            5,
            "later it may do); that was its token service",
        ),
        (
            http(429, &["retry-after: 7200".to_owned()], b""),
            1,
            "it wants no request for 7200 s",
        ),
        (Vec::new(), 5, "does not answer"),
    ] {
        let service = always(answer).await?;
        let fake = always(bearer_challenge(&format!("http://{}/auth", service.address))).await?;
        let (registry, _folder) = logged_in(&fake.address)?;
        let reference: Reference = format!("{}/a:x", fake.address).parse()?;
        let error = registry.head(&reference).await.expect_err("no token").to_string();
        ensure!(error.contains(want) && !error.contains(SECRET), "{error}");
        ensure!(error.contains(&fake.address), "{error}");
        ensure!(
            service.seen().len() == requests,
            "{want}: {}",
            service.seen().len()
        );
        ensure!(fake.authorizations().is_empty());
    }
    Ok(())
}

fn content() -> Descriptor {
    Descriptor::new(MEDIA_OCI_CONFIG, Digest::of(b"content"), 7)
}

/// From TLS to plain http, even of the same host.
pub(crate) async fn downgrade() -> Result<()> {
    let authority = Authority::new()?;
    let storage = always(http(200, &[], b"content")).await?;
    let target = format!("location: http://{}/bucket", storage.address);
    let place = Place {
        authority: Some(&authority),
        ..Place::default()
    };
    let fake = Fake::at(place, move |_, _| {
        Action::Answer(http(307, std::slice::from_ref(&target), b""))
    })
    .await?;
    let registry = Registry::new(RegistryOptions {
        ca_files: vec![authority.ca()],
        ..RegistryOptions::default()
    })?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    let error = registry
        .blob(&repository, &content())
        .await
        .expect_err("plain http");
    let text = error.to_string();
    ensure!(matches!(error, RegistryError::Redirect { .. }), "{text}");
    ensure!(text.contains("plain http, though the registry is not"), "{text}");
    ensure!(storage.seen().is_empty());
    Ok(())
}

pub(crate) async fn redirect_circle() -> Result<()> {
    let fake = always(http(307, &["location: /again".to_owned()], b"")).await?;
    let (registry, _folder) = logged_in(&fake.address)?;
    let repository: Repository = format!("{}/a", fake.address).parse()?;
    let error = registry
        .blob(&repository, &content())
        .await
        .expect_err("a circle");
    ensure!(error.to_string().contains("a circle of redirects"), "{error}");
    ensure!(fake.seen().len() == 4, "{:?}", fake.seen());
    let nowhere = always(http(307, &[], b"")).await?;
    let repository: Repository = format!("{}/a", nowhere.address).parse()?;
    let error = client()?
        .blob(&repository, &content())
        .await
        .expect_err("nowhere");
    ensure!(error.to_string().contains("redirects to nowhere"), "{error}");
    Ok(())
}

/// A storage that answers a signed address with a 401 of its own learns nothing, and teaches nothing.
pub(crate) async fn storage_challenge() -> Result<()> {
    for challenge in [
        basic_challenge(),
        bearer_challenge("http://127.0.0.1:9/token"),
        bearer_challenge("https://evil.test/token"),
    ] {
        let storage = always(challenge).await?;
        let target = format!("location: http://{}/bucket?signature=1", storage.address);
        let fake = Fake::start(move |seen, _| match &seen.authorization {
            None => basic_challenge(),
            Some(_) => http(307, std::slice::from_ref(&target), b""),
        })
        .await?;
        let (registry, _folder) = logged_in(&fake.address)?;
        let repository: Repository = format!("{}/a", fake.address).parse()?;
        let error = registry.blob(&repository, &content()).await.expect_err("a 401");
        let text = error.to_string();
        ensure!(
            text.contains("answered 401") && text.contains(&storage.address),
            "{text}"
        );
        ensure!(!text.contains("signature"), "{text}");
        ensure!(storage.seen().len() == 1 && storage.authorizations().is_empty());
        ensure!(fake.authorizations() == [SECRET_SENT]);
    }
    Ok(())
}
