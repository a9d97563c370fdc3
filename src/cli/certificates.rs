//! Keys and certificates for `genCA`, `genSignedCert` and their kin, byte for byte as Go's `crypto/x509`
//! (1.26) lays them out: names, order of extensions, key identifiers, forms of PEM.
//!
//! Deliberately not here: certificates of DSA keys, RSA below 2048 bits, P-224; verifying what others signed.

mod der;
mod dsa;
mod keys;
mod pem;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use kiel_template::functions::{Certificate, CertificateRequest, Certificates, KeyKind};

use self::der::{BIT_STRING, BOOLEAN, Element, INTEGER, OBJECT_ID, OCTET_STRING, Reader, SEQUENCE, SET, tlv};
use self::keys::PrivateKey;

/// Makes keys and certificates with the machine's entropy.
pub(crate) struct Issuer;

impl Certificates for Issuer {
    fn generate_key(&self, kind: KeyKind) -> Result<String, String> {
        match kind {
            KeyKind::Dsa => Ok(dsa::generate()),
            kind => PrivateKey::generate(kind)?.to_pem(),
        }
    }

    fn check_key(&self, key: &[u8]) -> Result<(), String> {
        PrivateKey::parse(key).map(drop)
    }

    fn check_certificate(&self, certificate: &[u8], place: &str) -> Result<(), String> {
        let block = pem::first(certificate).ok_or("unable to decode certificate")?;
        Authority::parse(&block.content)
            .map(drop)
            .ok_or_else(|| format!("error parsing certificate: {place}: x509: malformed certificate"))
    }

    fn issue(&self, request: &CertificateRequest<'_>) -> Result<Certificate, String> {
        let key = PrivateKey::parse(request.key)?;
        let certificate = match request.signer {
            Some(signer) => {
                let block = pem::first(signer.cert.as_bytes()).ok_or("unable to decode certificate")?;
                let authority = Authority::parse(&block.content).ok_or("x509: malformed certificate")?;
                let signing_key = PrivateKey::parse(signer.key.as_bytes())?;
                if signing_key.public_key_info() != authority.public_key_info {
                    return Err(
                        "error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey"
                            .to_owned(),
                    );
                }
                sign(request, &key, &signing_key, Some(&authority), serial()?)
            }
            None => sign(request, &key, &key, None, serial()?),
        };
        let certificate = certificate.map_err(|error| format!("error creating certificate: {error}"))?;
        Ok(Certificate {
            cert: pem::encode("CERTIFICATE", &certificate).into(),
            key: key.to_pem()?.into(),
        })
    }
}

/// What a new certificate takes over from the one that signs it.
struct Authority<'a> {
    subject: &'a [u8],
    public_key_info: &'a [u8],
    key_id: Option<&'a [u8]>,
}

impl<'a> Authority<'a> {
    /// Reads a certificate (RFC 5280, section 4.1) as far as that needs.
    fn parse(certificate: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(certificate);
        let mut parts = Reader(outer.expect(SEQUENCE)?.content);
        outer.end()?;
        let mut body = Reader(parts.expect(SEQUENCE)?.content);
        parts.expect(SEQUENCE)?;
        parts.expect(BIT_STRING)?;
        parts.end()?;

        body.optional(der::context(0));
        body.expect(INTEGER)?;
        body.expect(SEQUENCE)?;
        body.expect(SEQUENCE)?;
        body.expect(SEQUENCE)?;
        let subject = body.expect(SEQUENCE)?.whole;
        let public_key_info = body.expect(SEQUENCE)?.whole;
        body.optional(der::context_primitive(1));
        body.optional(der::context_primitive(2));
        let key_id = match body.optional(der::context(3)) {
            Some(extensions) => key_id(extensions)?,
            None => None,
        };
        body.end()?;
        Some(Self {
            subject,
            public_key_info,
            key_id,
        })
    }
}

/// The subject's key identifier among the extensions; the outer `None` is for what is malformed.
#[expect(clippy::option_option, reason = "malformed and missing are different")]
fn key_id(extensions: Element<'_>) -> Option<Option<&[u8]>> {
    let mut list = Reader(Reader(extensions.content).expect(SEQUENCE)?.content);
    let mut found = None;
    while !list.0.is_empty() {
        let mut extension = Reader(list.expect(SEQUENCE)?.content);
        let id = extension.expect(OBJECT_ID)?.content;
        extension.optional(BOOLEAN);
        let value = extension.expect(OCTET_STRING)?.content;
        if id == SUBJECT_KEY_ID {
            found = Some(Reader(value).expect(OCTET_STRING)?.content);
        }
    }
    Some(found)
}

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// The certificate in DER.
fn sign(
    request: &CertificateRequest<'_>,
    key: &PrivateKey,
    signing_key: &PrivateKey,
    authority: Option<&Authority<'_>>,
    serial: [u8; 16],
) -> Result<Vec<u8>, String> {
    let subject = name(request.common_name)?;
    let issuer = authority.map_or(&subject[..], |authority| authority.subject);
    let algorithm = signing_key.signature_algorithm();
    let validity = [der::time(request.not_before)?, der::time(request.not_after)?];
    // Go: an issuer of the same name counts as the certificate itself.
    let authority_key_id = authority
        .filter(|_| issuer != subject)
        .and_then(|authority| authority.key_id);
    let extensions = extensions(request, key, authority_key_id)?;
    let body = tlv(
        SEQUENCE,
        &[
            tlv(der::context(0), &tlv(INTEGER, &[2])),
            der::unsigned(&serial),
            algorithm.clone(),
            issuer.to_vec(),
            tlv(SEQUENCE, &validity.concat()),
            subject,
            key.public_key_info(),
            tlv(der::context(3), &tlv(SEQUENCE, &extensions)),
        ]
        .concat(),
    );
    let signature = signing_key.sign(&body)?;
    Ok(tlv(
        SEQUENCE,
        &[body, algorithm, der::bits(&signature, 0)].concat(),
    ))
}

fn serial() -> Result<[u8; 16], String> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|error| error.to_string())?;
    Ok(serial)
}

/// A name of nothing but a common name, or of nothing at all.
fn name(common_name: &[u8]) -> Result<Vec<u8>, String> {
    if common_name.is_empty() {
        return Ok(tlv(SEQUENCE, &[]));
    }
    let text = std::str::from_utf8(common_name).map_err(|_| "asn1: string not valid UTF-8")?;
    let tag = if text.bytes().all(is_printable) {
        der::PRINTABLE_STRING
    } else {
        der::UTF8_STRING
    };
    let attribute = [tlv(OBJECT_ID, COMMON_NAME), tlv(tag, common_name)].concat();
    Ok(tlv(SEQUENCE, &tlv(SET, &tlv(SEQUENCE, &attribute))))
}

/// The characters of a `PrintableString` (X.680, section 41.4).
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

fn extensions(
    request: &CertificateRequest<'_>,
    key: &PrivateKey,
    authority_key_id: Option<&[u8]>,
) -> Result<Vec<u8>, String> {
    // Digital signature, key encipherment; an authority also signs certificates.
    let usage = if request.authority {
        der::bits(&[0b1010_0100], 2)
    } else {
        der::bits(&[0b1010_0000], 5)
    };
    let purposes = [tlv(OBJECT_ID, SERVER_AUTH), tlv(OBJECT_ID, CLIENT_AUTH)].concat();
    let constraints = if request.authority {
        tlv(BOOLEAN, &[0xff])
    } else {
        Vec::new()
    };
    let mut out = [
        extension(KEY_USAGE, true, &usage),
        extension(EXTENDED_KEY_USAGE, false, &tlv(SEQUENCE, &purposes)),
        extension(BASIC_CONSTRAINTS, true, &tlv(SEQUENCE, &constraints)),
    ]
    .concat();
    if request.authority {
        // Go ≥ 1.25: RFC 7093, section 2, method 1.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.public_key());
        let id = tlv(OCTET_STRING, &digest.as_ref()[..20]);
        out.extend(extension(SUBJECT_KEY_ID, false, &id));
    }
    if let Some(id) = authority_key_id {
        let id = tlv(SEQUENCE, &tlv(der::context_primitive(0), id));
        out.extend(extension(AUTHORITY_KEY_ID, false, &id));
    }
    let names = alternative_names(request)?;
    if !names.is_empty() {
        let critical = request.common_name.is_empty();
        out.extend(extension(ALTERNATIVE_NAMES, critical, &tlv(SEQUENCE, &names)));
    }
    Ok(out)
}

fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical {
        tlv(BOOLEAN, &[0xff])
    } else {
        Vec::new()
    };
    let parts = [tlv(OBJECT_ID, id), critical, tlv(OCTET_STRING, value)];
    tlv(SEQUENCE, &parts.concat())
}

fn alternative_names(request: &CertificateRequest<'_>) -> Result<Vec<u8>, String> {
    let mut names = Vec::new();
    for name in &request.dns_names {
        if !name.as_bytes().is_ascii() {
            return Err(format!(
                "x509: {} cannot be encoded as an IA5String",
                kiel_template::format::quote_str(name.as_bytes())
            ));
        }
        names.extend(tlv(der::context_primitive(2), name.as_bytes()));
    }
    for address in &request.addresses {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        names.extend(tlv(der::context_primitive(7), &octets));
    }
    Ok(names)
}
