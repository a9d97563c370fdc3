//! Certificates against those that Helm made, and against a verifier that others wrote.

use std::rc::Rc;
use std::sync::Arc;

use kiel_template::functions::{self, Environment};
use kiel_template::{MissingKey, Options, TemplateSet, Value};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;
use crate::cli::clock::Clock;

fn render(template: &str) -> Result<String, String> {
    let environment: Rc<dyn Environment> = Rc::new(Clock);
    let mut set = TemplateSet::new(Options {
        name: "t".to_owned(),
        missing_key: MissingKey::Zero,
        functions: functions::all(&environment),
        ..Options::default()
    });
    set.parse("t", template).map_err(|error| error.to_string())?;
    set.execute("t", &Value::Nil).map_err(|error| error.to_string())
}

fn der(text: &str) -> CertificateDer<'static> {
    pem::first(text.as_bytes())
        .expect("a block of PEM")
        .content
        .into()
}

/// Whether a client that trusts `authority` would talk to `name`, after `days`.
fn trusts(authority: &str, certificate: &str, name: &'static str, days: u64) -> bool {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(der(authority)).expect("an authority");
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .expect("a verifier");
    let name = ServerName::try_from(name).expect("a name");
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        jiff::Timestamp::now().as_second().unsigned_abs() + days * 86_400,
    ));
    verifier
        .verify_server_cert(&der(certificate), &[], &name, &[], time)
        .is_ok()
}

#[test]
fn clients_trust_what_a_generated_authority_signed() {
    for (authority, signed) in [
        (
            r#"genCA "ca" 10"#,
            r#"genSignedCert "svc" (list "10.0.0.1" "::1") (list "svc.example") 5 $ca"#,
        ),
        (
            r#"genCAWithKey "ca" 10 (genPrivateKey "ecdsa")"#,
            r#"genSignedCertWithKey "svc" (list "10.0.0.1" "::1") (list "svc.example") 5 $ca (genPrivateKey "ed25519")"#,
        ),
        (
            r#"genCAWithKey "ca" 10 (genPrivateKey "ed25519")"#,
            r#"genSignedCertWithKey "svc" (list "10.0.0.1" "::1") (list "svc.example") 5 (buildCustomCert ($ca.Cert | b64enc) ($ca.Key | b64enc)) (genPrivateKey "ecdsa")"#,
        ),
    ] {
        let output = render(&format!(
            "{{{{ $ca := {authority} }}}}{{{{ $c := {signed} }}}}{{{{ $ca.Cert }}}}|{{{{ $c.Cert }}}}|{{{{ (genCA \"ca\" 10).Cert }}}}"
        ))
        .expect("certificates");
        let parts: Vec<&str> = output.split('|').collect();
        let [authority, certificate, stranger] = parts[..] else {
            panic!("three certificates: {output}");
        };
        for name in ["svc.example", "10.0.0.1", "::1"] {
            assert!(trusts(authority, certificate, name, 0), "{signed}: {name}");
        }
        assert!(
            !trusts(authority, certificate, "svc", 0),
            "the common name is no name"
        );
        assert!(!trusts(authority, certificate, "svc.example", 6), "it ends");
        assert!(
            !trusts(stranger, certificate, "svc.example", 0),
            "another authority"
        );
    }
}

/// Signs with Helm's keys, serial and time what Helm signed; all other bytes are ours.
fn check(golden: &str, serial: u128, request: &CertificateRequest<'_>) {
    let key = PrivateKey::parse(request.key).expect("a key");
    let signer = request.signer.map(|signer| {
        let block = pem::first(signer.cert.as_bytes()).expect("a certificate");
        let key = PrivateKey::parse(signer.key.as_bytes()).expect("a key");
        (block, key)
    });
    let made = match &signer {
        Some((block, signing_key)) => {
            let authority = Authority::parse(&block.content).expect("a certificate");
            sign(request, &key, signing_key, Some(&authority), serial.to_be_bytes())
        }
        None => sign(request, &key, &key, None, serial.to_be_bytes()),
    };
    let made = pem::encode("CERTIFICATE", &made.expect("a certificate"));
    let (_, want) = golden.split_once('\n').expect("a line with the oracle's name");
    assert_eq!(made, want);
}

#[test]
fn certificates_are_helms_byte_for_byte() {
    let ca = include_str!("../../../tests/golden/certificates/ca.pem");
    let ca_key = include_str!("../../../tests/golden/certificates/ca.key");
    let leaf_key = include_str!("../../../tests/golden/certificates/leaf.key");
    let time = |text: &str| text.parse().expect("a time");
    let authority = Certificate {
        cert: ca.into(),
        key: ca_key.into(),
    };
    let self_signed = CertificateRequest {
        common_name: "Zürich *".as_bytes(),
        addresses: Vec::new(),
        dns_names: Vec::new(),
        not_before: time("2026-11-21T10:58:40Z"),
        not_after: time("2027-11-21T10:58:40Z"),
        authority: true,
        key: ca_key.as_bytes(),
        signer: None,
    };
    check(ca, 0xB05A_6783_B345_353D_386F_F8EA_64D9_F6A2, &self_signed);
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let leaf = CertificateRequest {
        common_name: b"svc.example",
        addresses: vec![address("10.0.0.1"), address("::1"), address("1.2.3.4")],
        dns_names: vec!["svc.example".into(), "*.svc.example".into()],
        not_after: time("2109-01-10T10:58:40Z"),
        authority: false,
        key: leaf_key.as_bytes(),
        signer: Some(&authority),
        ..self_signed.clone()
    };
    check(
        include_str!("../../../tests/golden/certificates/leaf.pem"),
        0xEE99_1973_0042_C2D0_60BF_D8BD_9D8A_9C0B,
        &leaf,
    );
    let nameless = CertificateRequest {
        common_name: b"",
        addresses: Vec::new(),
        dns_names: vec!["a".into()],
        not_after: time("2026-11-20T10:58:40Z"),
        signer: None,
        ..leaf.clone()
    };
    check(
        include_str!("../../../tests/golden/certificates/nameless.pem"),
        0x7851_4076_420C_6D21_1D0E_611B_F33E_8201,
        &nameless,
    );
}

#[test]
fn keys_have_the_forms_of_go_and_survive_reading() {
    for (kind, label) in [
        (KeyKind::Rsa2048, "RSA PRIVATE KEY"),
        (KeyKind::Ecdsa, "EC PRIVATE KEY"),
        (KeyKind::Ed25519, "PRIVATE KEY"),
    ] {
        let made = Issuer.generate_key(kind).expect("a key");
        assert!(made.starts_with(&format!("-----BEGIN {label}-----\n")), "{label}");
        let read = PrivateKey::parse(made.as_bytes()).expect("the key that was written");
        assert_eq!(read.to_pem().expect("PEM"), made);
    }
}

#[test]
fn mistakes_are_told_in_sprigs_words() {
    let fails = |template: &str, want: &str| {
        let error = render(template).expect_err(template);
        assert!(error.ends_with(&format!(": {want}")), "{template}: {error}");
    };
    let block = |label: &str| format!("\"-----BEGIN {label}-----\\nAAAA\\n-----END {label}-----\\n\"");
    fails(
        r#"{{ genCAWithKey "a" 1 "x" }}"#,
        "error calling genCAWithKey: parsing private key: no PEM data in input",
    );
    fails(
        &format!(r#"{{{{ genCAWithKey "a" 1 {} }}}}"#, block("X")),
        "parsing private key: no private key data in PEM block of type X",
    );
    fails(
        &format!(r#"{{{{ genCAWithKey "a" 1 {} }}}}"#, block("X PRIVATE KEY")),
        "parsing private key: invalid private key type X PRIVATE KEY",
    );
    fails(
        &format!(
            r#"{{{{ buildCustomCert ({} | b64enc) "AAAA" }}}}"#,
            block("CERTIFICATE")
        ),
        "error parsing certificate: decodedCert.Bytes: x509: malformed certificate",
    );
    fails(
        r#"{{ buildCustomCert "AAAA" "AAAA" }}"#,
        "error calling buildCustomCert: unable to decode certificate",
    );
    fails(
        r#"{{ buildCustomCert ((genCA "a" 1).Cert | b64enc) "AAAA" }}"#,
        "error parsing private key: no PEM data in input",
    );
    fails(
        r#"{{ $a := genCA "a" 1 }}{{ $b := genCA "b" 1 }}{{ genSignedCert "a" nil nil 1 (buildCustomCert ($a.Cert | b64enc) ($b.Key | b64enc)) }}"#,
        "error calling genSignedCert: error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey",
    );
    fails(
        r#"{{ genSelfSignedCert "a" nil (list "ü") 1 }}"#,
        "error creating certificate: x509: \"ü\" cannot be encoded as an IA5String",
    );
    fails(
        r#"{{ genCA (b64dec "/w==") 1 }}"#,
        "error creating certificate: asn1: string not valid UTF-8",
    );
}

#[test]
fn blocks_are_found_among_other_text() {
    let text =
        "bag\n-----BEGIN A-----\n!\n-----END A-----\n-----BEGIN B-----\nProc: 4\n\nAAEC\n-----END B-----\n";
    let found = pem::first(text.as_bytes()).expect("the well-formed block");
    assert_eq!((found.label.as_str(), &found.content[..]), ("B", &[0, 1, 2][..]));
    assert_eq!(pem::first(b"-----BEGIN B-----\nAAEC\n-----END A-----\n"), None);
}
