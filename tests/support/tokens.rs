//! A token service as registries trust it: passwords in, signed tokens out.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::authority::der;
use super::fake::{Action, Fake, Place, http};

/// `kiel` with `p-kiel`, as it is sent.
pub(crate) const LOGIN: &str = "Basic a2llbDpwLWtpZWw=";
/// The name that registry and service know each other by.
pub(crate) const SERVICE: &str = "kiel-test";

/// The key that tokens are signed with.
pub(crate) struct Signer {
    folder: tempfile::TempDir,
}

impl Signer {
    pub(crate) fn new() -> Result<Self> {
        let signer = Self {
            folder: tempfile::tempdir()?,
        };
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-subj",
                "/CN=tokens",
                "-days",
                "2",
                "-newkey",
                "ec",
            ])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"])
            .arg(signer.key())
            .arg("-out")
            .arg(signer.certificate())
            .output()?;
        ensure!(
            output.status.success(),
            "openssl: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(signer)
    }

    /// What the registry trusts.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// A service that gives `kiel` with `p-kiel` every right it asks for, and nobody else any. A token lives `life`
    /// seconds by its own word.
    pub(crate) async fn serve(&self, place: Place<'_>, life: u64) -> Result<Fake> {
        let (key, certificate) = (der(&self.key())?, der(&self.certificate())?);
        Fake::at(place, move |seen, _| {
            let answer = if seen.authorization.as_deref() == Some(LOGIN) {
                let token = token(&key, &certificate, &scopes(&seen.line)).expect("a token can be made");
                http(
                    200,
                    &[],
                    json!({"token": token, "expires_in": life}).to_string().as_bytes(),
                )
            } else {
                http(
                    401,
                    &[],
                    br#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#,
                )
            };
            Action::Answer(answer)
        })
        .await
    }
}

/// The part of a registry's configuration that trusts such a service.
pub(crate) fn config(realm: &str, certificate: &Path) -> String {
    format!(
        "auth:\n  token: {{realm: '{realm}', service: {SERVICE}, issuer: {SERVICE}, rootcertbundle: {}}}\n",
        certificate.display()
    )
}

fn scopes(line: &str) -> Vec<String> {
    let path = line.split(' ').nth(1).unwrap_or_default();
    let url = kiel::registry::Url::parse(&format!("http://service{path}"));
    let pairs = url.map(|url| url.query_pairs().into_owned().collect::<Vec<_>>());
    let scopes = pairs.into_iter().flatten().filter(|(name, _)| name == "scope");
    scopes.map(|(_, scope)| scope).collect()
}

fn token(key: &[u8], certificate: &[u8], scopes: &[String]) -> Result<String> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    let access: Vec<_> = scopes
        .iter()
        .filter_map(|scope| {
            let (kind, rest) = scope.split_once(':')?;
            let (name, actions) = rest.rsplit_once(':')?;
            Some(json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}))
        })
        .collect();
    let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(certificate)]});
    let claims = json!({
        "iss": SERVICE, "sub": "kiel", "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now, "jti": "1",
        "access": access,
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key)?;
    let signature = key.sign(&SystemRandom::new(), text.as_bytes())?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
}
