//! The certificate functions with a maker that only tells what it was asked for.

use super::*;

struct Maker;

impl Certificates for Maker {
    fn generate_key(&self, kind: KeyKind) -> Result<String, String> {
        match kind {
            KeyKind::Dsa => Err("no".to_owned()),
            kind => Ok(format!("{kind:?}")),
        }
    }

    fn check_key(&self, key: &[u8]) -> Result<(), String> {
        if key == b"bad" {
            Err("bad key".to_owned())
        } else {
            Ok(())
        }
    }

    fn check_certificate(&self, certificate: &[u8], place: &str) -> Result<(), String> {
        if certificate == b"bad" {
            Err(format!("{place} is bad"))
        } else {
            Ok(())
        }
    }

    fn issue(&self, request: &CertificateRequest<'_>) -> Result<Certificate, String> {
        let seconds = request.not_after.as_second() - request.not_before.as_second();
        Ok(Certificate {
            cert: format!(
                "{} {:?} {:?} {seconds} {} {:?}",
                String::from_utf8_lossy(request.common_name),
                request.addresses,
                request.dns_names,
                request.authority,
                request.signer.map(|signer| &signer.key),
            )
            .into(),
            key: request.key.into(),
        })
    }
}

struct WithMaker(Fixed);

impl Environment for WithMaker {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.0.fill_random(bytes);
    }

    fn certificates(&self) -> Option<&dyn Certificates> {
        Some(&Maker)
    }
}

/// The output, or the error's text.
fn check(template: &str, want: &str) {
    let environment: Rc<dyn Environment> = Rc::new(WithMaker(Fixed::default()));
    let mut set = TemplateSet::new(Options {
        name: "t".to_owned(),
        functions: all(&environment),
        ..Options::default()
    });
    set.parse("t", template).expect("the template parses");
    let got = set.execute("t", &Value::Nil);
    assert_eq!(got.unwrap_or_else(|error| error.to_string()), want, "{template}");
}

#[test]
fn requests_say_what_the_arguments_say() {
    check(r#"{{ genCA "ca" 2 }}"#, "{ca [] [] 172800 true None Rsa2048}");
    check(r#"{{ (genCAWithKey "ca" 2 "mine").Key }}"#, "mine");
    check(
        r#"{{ (genSelfSignedCert "s" (list "10.0.0.1" "::ffff:1.2.3.4" "::1") (list "a" "b") 1).Cert }}"#,
        r#"s [10.0.0.1, 1.2.3.4, ::1] ["a", "b"] 86400 false None"#,
    );
    check(
        r#"{{ (genSelfSignedCertWithKey "s" nil nil 1 "mine").Key }}"#,
        "mine",
    );
    check(
        r#"{{ $c := genSignedCertWithKey "s" nil (list) 1 (genCA "ca" 1) "mine" }}{{ $c.Cert }} {{ $c.Key }}"#,
        r#"s [] [] 86400 false Some("Rsa2048") mine"#,
    );
    check(
        r#"{{ $c := buildCustomCert "YQ==" "Yg==" }}{{ printf "%T" $c }} {{ kindOf $c }} {{ $c.Cert }} {{ $c.Key }}"#,
        "sprig.certificate struct a b",
    );
    check(
        r#"{{ genPrivateKey "" }} {{ genPrivateKey "rsa" }} {{ genPrivateKey "ecdsa" }} {{ genPrivateKey "ed25519" }} {{ genPrivateKey "x" }}"#,
        "Rsa4096 Rsa4096 Ecdsa Ed25519 Unknown type x",
    );
}

/// Helm v3.21.4 says these; the first part of each error is the engine's.
#[test]
fn mistakes_are_told_in_gos_words() {
    let fails = |call: &str, want: &str| {
        let (name, _) = call.split_once(' ').expect("a call");
        check(
            &format!("{{{{ {call} }}}}"),
            &format!("template: t:1:3: executing \"t\" at <{call}>: error calling {name}: {want}"),
        );
    };
    let selfish = |ips: &str, names: &str| format!("genSelfSignedCert \"a\" {ips} {names} 1");
    fails(&selfish("(list 1)", "nil"), "error parsing ip: 1 is not a string");
    fails(
        &selfish("(list nil)", "nil"),
        "error parsing ip: <nil> is not a string",
    );
    fails(&selfish("(list \"x\")", "nil"), "error parsing ip: x");
    fails(
        &selfish("nil", "(list 1.5)"),
        "error processing alternate dns name: 1.5 is not a string",
    );
    fails("genCAWithKey \"a\" 1 \"bad\"", "parsing private key: bad key");
    fails("genPrivateKey \"dsa\"", "failed to generate private key: no");
    fails(
        "buildCustomCert \"!\" \"!\"",
        "unable to decode base64 certificate",
    );
    fails(
        "buildCustomCert \"AAAA\" \"!\"",
        "unable to decode base64 private key",
    );
    fails("buildCustomCert \"YmFk\" \"YmFk\"", "decodedCert.Bytes is bad");
    fails(
        "buildCustomCert \"AAAA\" \"YmFk\"",
        "error parsing private key: bad key",
    );
    check(
        r#"{{ genCA "a" }}"#,
        r#"template: t:1:3: executing "t" at <genCA>: wrong number of args for genCA: want 2 got 1"#,
    );
    check(
        r#"{{ genSignedCert "a" nil nil 1 (dict "Cert" "x") }}"#,
        r#"template: t:1:44: executing "t" at <"x">: wrong type for value; expected sprig.certificate; got map[string]interface {}"#,
    );
    check(
        r#"{{ genSignedCert "a" nil nil 1 nil }}"#,
        r#"template: t:1:31: executing "t" at <nil>: cannot assign nil to sprig.certificate"#,
    );
    check(
        r#"{{ $a := genCA "a" 1 }}{{ $a.Nope }}"#,
        r#"template: t:1:28: executing "t" at <$a.Nope>: can't evaluate field Nope in type sprig.certificate"#,
    );
}

#[test]
fn without_a_maker_the_functions_fail() {
    assert!(render(r#"{{ genCA "a" 1 }}"#).ends_with("keys and certificates are not available here"));
}
