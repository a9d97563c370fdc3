//! `genCA`, `genSignedCert` and their kin: the arguments, the results and the order of errors.
//!
//! Arguments are checked here, in Sprig's order and with its texts. Keys and certificates come from
//! [`Certificates`], so that this crate needs neither entropy nor cryptography of its own.

use core::net::IpAddr;
use std::rc::Rc;

use crate::format::display;
use crate::value::{CallError, Function, Functions, Kind, Object, Str, Type, Value};

use super::Environment;
use super::args::{INT, Outcome, STRING, fail, int, string, text};
use super::encoding::decode_base64;

/// Makes keys and certificates, as Go's `crypto/x509` would. Errors are the texts of the call's error,
/// Sprig's where it has one.
pub trait Certificates {
    /// A new private key as PEM, in the form that Sprig gives keys of that kind.
    ///
    /// # Errors
    /// When the kind is not supported.
    fn generate_key(&self, kind: KeyKind) -> Result<String, String>;

    /// Whether `key` is PEM with a private key.
    ///
    /// # Errors
    /// Says what is wrong with it.
    fn check_key(&self, key: &[u8]) -> Result<(), String>;

    /// Whether `certificate` is PEM with a certificate; a chain counts by its first.
    ///
    /// # Errors
    /// Says what is wrong with it; a malformed certificate is named as `place`.
    fn check_certificate(&self, certificate: &[u8], place: &str) -> Result<(), String>;

    /// A certificate for the request, with its key, both as PEM.
    ///
    /// # Errors
    /// When the key, the signer or a name cannot be used.
    fn issue(&self, request: &CertificateRequest<'_>) -> Result<Certificate, String>;
}

/// What a new private key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits, which certificates get.
    Rsa2048,
    /// RSA with 4096 bits, which `genPrivateKey` makes.
    Rsa4096,
    /// DSA with 2048 bits.
    Dsa,
    /// ECDSA over P-256.
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

/// What a certificate shall say.
#[derive(Debug, Clone)]
pub struct CertificateRequest<'a> {
    /// The common name; empty for none.
    pub common_name: &'a [u8],
    /// IP addresses among the alternative names.
    pub addresses: Vec<IpAddr>,
    /// DNS names among the alternative names.
    pub dns_names: Vec<Str>,
    /// From when it holds.
    pub not_before: jiff::Timestamp,
    /// Until when it holds.
    pub not_after: jiff::Timestamp,
    /// Whether it may sign others.
    pub authority: bool,
    /// Its private key as PEM, already checked.
    pub key: &'a [u8],
    /// The authority that signs; it signs itself without one.
    pub signer: Option<&'a Certificate>,
}

/// Sprig's `certificate`: a certificate and its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, `CERTIFICATE` in PEM.
    pub cert: Str,
    /// Its private key in PEM.
    pub key: Str,
}

impl Object for Certificate {
    fn type_name(&self) -> &'static str {
        CERTIFICATE.name()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn method(self: Rc<Self>, _: &str) -> Option<Function> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Cert", Value::Str(self.cert.clone())),
            ("Key", Value::Str(self.key.clone())),
        ]
    }
}

const CERTIFICATE: Type = Type::Named("sprig.certificate", Kind::Struct);

/// What distinguishes the six functions that issue certificates.
#[derive(Clone, Copy)]
struct Form {
    name: &'static str,
    authority: bool,
    signed: bool,
    with_key: bool,
}

const FORMS: [Form; 6] = [
    form("genCA", true, false, false),
    form("genCAWithKey", true, false, true),
    form("genSelfSignedCert", false, false, false),
    form("genSelfSignedCertWithKey", false, false, true),
    form("genSignedCert", false, true, false),
    form("genSignedCertWithKey", false, true, true),
];

const fn form(name: &'static str, authority: bool, signed: bool, with_key: bool) -> Form {
    Form {
        name,
        authority,
        signed,
        with_key,
    }
}

pub(super) fn register(functions: &mut Functions, environment: &Rc<dyn Environment>) {
    for form in FORMS {
        let mut params = vec![STRING];
        if !form.authority {
            params.extend([Type::ANY_SLICE, Type::ANY_SLICE]);
        }
        params.push(INT);
        if form.signed {
            params.push(CERTIFICATE);
        }
        if form.with_key {
            params.push(STRING);
        }
        let source = environment.clone();
        functions.add(form.name, &params, move |_, args| issue(&*source, form, args));
    }
    let source = environment.clone();
    functions.add("genPrivateKey", &[STRING], move |_, args| {
        generate_key(&*source, text(args, 0))
    });
    let source = environment.clone();
    functions.add("buildCustomCert", &[STRING, STRING], move |_, args| {
        custom(&*source, text(args, 0), text(args, 1))
    });
}

fn maker(environment: &dyn Environment) -> Result<&dyn Certificates, CallError> {
    environment
        .certificates()
        .ok_or_else(|| "keys and certificates are not available here".into())
}

fn issue(environment: &dyn Environment, form: Form, args: &[Value]) -> Outcome {
    let maker = maker(environment)?;
    let days_at = if form.authority { 1 } else { 3 };
    let generated;
    let key = if form.with_key {
        let key = text(args, args.len() - 1);
        maker
            .check_key(key)
            .map_err(|error| format!("parsing private key: {error}"))?;
        key
    } else {
        generated = maker
            .generate_key(KeyKind::Rsa2048)
            .map_err(|error| format!("error generating rsa key: {error}"))?;
        generated.as_bytes()
    };
    let signer = match args.get(days_at + 1) {
        Some(signer) if form.signed => signer.downcast::<Certificate>(),
        _ => None,
    };
    if let Some(signer) = signer {
        maker.check_certificate(signer.cert.as_bytes(), "decodedSignerCert.Bytes")?;
        maker
            .check_key(signer.key.as_bytes())
            .map_err(|error| format!("error parsing private key: {error}"))?;
    }
    let (addresses, dns_names) = if form.authority {
        (Vec::new(), Vec::new())
    } else {
        (addresses(&args[1])?, dns_names(&args[2])?)
    };
    let now = environment.now();
    let request = CertificateRequest {
        common_name: text(args, 0),
        addresses,
        dns_names,
        not_before: now,
        not_after: after_days(now, int(args, days_at)),
        authority: form.authority,
        key,
        signer,
    };
    Ok(Value::object(maker.issue(&request)?))
}

/// Go: durations are nanoseconds in 64 bits, and more than 292 years wrap around.
fn after_days(now: jiff::Timestamp, days: i64) -> jiff::Timestamp {
    const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;
    now.saturating_add(jiff::SignedDuration::from_nanos(DAY.wrapping_mul(days)))
        .unwrap_or(jiff::Timestamp::MAX)
}

fn items(value: &Value) -> Vec<Value> {
    value
        .as_list()
        .map(crate::value::List::to_vec)
        .unwrap_or_default()
}

fn addresses(value: &Value) -> Result<Vec<IpAddr>, CallError> {
    let parse = |item: Value| {
        let Some(text) = item.as_string() else {
            return fail(format!("error parsing ip: {} is not a string", display(&item)));
        };
        let address = text.to_str().and_then(|text| text.parse::<IpAddr>().ok());
        match address {
            // Go: the IPv4 addresses within IPv6 are IPv4 addresses.
            Some(address) => Ok(address.to_canonical()),
            None => fail(format!("error parsing ip: {}", display(&item))),
        }
    };
    items(value).into_iter().map(parse).collect()
}

fn dns_names(value: &Value) -> Result<Vec<Str>, CallError> {
    let parse = |item: Value| match item.as_string() {
        Some(name) => Ok(name.clone()),
        None => fail(format!(
            "error processing alternate dns name: {} is not a string",
            display(&item)
        )),
    };
    items(value).into_iter().map(parse).collect()
}

fn generate_key(environment: &dyn Environment, kind: &[u8]) -> Outcome {
    let kind = match kind {
        b"" | b"rsa" => KeyKind::Rsa4096,
        b"dsa" => KeyKind::Dsa,
        b"ecdsa" => KeyKind::Ecdsa,
        b"ed25519" => KeyKind::Ed25519,
        // Go: the error's text is the result.
        other => return string([b"Unknown type ", other].concat()),
    };
    match maker(environment)?.generate_key(kind) {
        Ok(key) => string(key),
        Err(error) => fail(format!("failed to generate private key: {error}")),
    }
}

fn custom(environment: &dyn Environment, certificate: &[u8], key: &[u8]) -> Outcome {
    let maker = maker(environment)?;
    let certificate = decode_base64(certificate).map_err(|_| "unable to decode base64 certificate")?;
    let key = decode_base64(key).map_err(|_| "unable to decode base64 private key")?;
    maker.check_certificate(&certificate, "decodedCert.Bytes")?;
    maker
        .check_key(&key)
        .map_err(|error| format!("error parsing private key: {error}"))?;
    Ok(Value::object(Certificate {
        cert: certificate.into(),
        key: key.into(),
    }))
}
