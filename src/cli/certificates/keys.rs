//! Private keys: made, read and written as PEM, signing.

use aws_lc_rs::encoding::{AsBigEndian, AsDer};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use kiel_template::functions::KeyKind;

use super::der::{INTEGER, NULL, OBJECT_ID, OCTET_STRING, Reader, SEQUENCE, bits, context, tlv};
use super::pem;

/// A private key that certificates may have.
pub(super) enum PrivateKey {
    Rsa(RsaKey),
    Ec(&'static Curve, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A curve of ECDSA with the hash that Go signs with over it.
pub(super) struct Curve {
    signing: &'static EcdsaSigningAlgorithm,
    id: &'static [u8],
    signature: &'static [u8],
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

static CURVES: [Curve; 3] = [
    Curve {
        signing: &ECDSA_P256_SHA256_ASN1_SIGNING,
        id: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
        signature: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
    },
    Curve {
        signing: &ECDSA_P384_SHA384_ASN1_SIGNING,
        id: &[0x2b, 0x81, 4, 0, 34],
        signature: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
    },
    Curve {
        signing: &ECDSA_P521_SHA512_ASN1_SIGNING,
        id: &[0x2b, 0x81, 4, 0, 35],
        signature: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
    },
];

const UNUSABLE: &str = "the private key cannot be used";

impl PrivateKey {
    /// A new key.
    pub(super) fn generate(kind: KeyKind) -> Result<Self, String> {
        let rsa = |size| RsaKey::generate(size).map(Self::Rsa);
        match kind {
            KeyKind::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyKind::Rsa4096 => rsa(KeySize::Rsa4096),
            KeyKind::Ecdsa => EcdsaKeyPair::generate(CURVES[0].signing).map(|key| Self::Ec(&CURVES[0], key)),
            KeyKind::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
            KeyKind::Dsa => return Err(UNUSABLE.to_owned()),
        }
        .map_err(|error| error.to_string())
    }

    /// The key in the first block of `text`; the errors are Sprig's.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let block = pem::first(text).ok_or("no PEM data in input")?;
        let content = &block.content[..];
        if block.label == "PRIVATE KEY" {
            return from_pkcs8(content).ok_or_else(|| format!("decoding PEM as PKCS#8: {UNUSABLE}"));
        }
        let Some(kind) = block.label.strip_suffix(" PRIVATE KEY") else {
            return Err(format!(
                "no private key data in PEM block of type {}",
                block.label
            ));
        };
        let key = match kind {
            "RSA" => RsaKey::from_der(content).ok().map(Self::Rsa),
            "EC" => elliptic(content),
            "DSA" => None,
            _ => return Err(format!("invalid private key type {}", block.label)),
        };
        key.ok_or_else(|| format!("parsing {kind} private key from PEM: {UNUSABLE}"))
    }

    /// PKCS#1 for RSA, SEC 1 for ECDSA, PKCS#8 for the rest.
    pub(super) fn to_pem(&self) -> Result<String, String> {
        match self {
            Self::Rsa(key) => {
                let wrapped = AsDer::as_der(key).map_err(|_| UNUSABLE)?;
                let key = unwrapped(wrapped.as_ref()).ok_or(UNUSABLE)?;
                Ok(pem::encode("RSA PRIVATE KEY", key))
            }
            Self::Ec(curve, key) => {
                let number = key.private_key().as_be_bytes().map_err(|_| UNUSABLE)?;
                // RFC 5915, with the optional parts that Go writes.
                let parts = [
                    tlv(INTEGER, &[1]),
                    tlv(OCTET_STRING, number.as_ref()),
                    tlv(context(0), &tlv(OBJECT_ID, curve.id)),
                    tlv(context(1), &bits(&self.public_key(), 0)),
                ];
                Ok(pem::encode("EC PRIVATE KEY", &tlv(SEQUENCE, &parts.concat())))
            }
            Self::Ed25519(key) => {
                let wrapped = key.to_pkcs8v1().map_err(|_| UNUSABLE)?;
                Ok(pem::encode("PRIVATE KEY", wrapped.as_ref()))
            }
        }
    }

    /// The bits of the public key: `RSAPublicKey` in DER, a point, or a point's 32 bytes.
    pub(super) fn public_key(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.public_key().as_ref().to_vec(),
            Self::Ec(_, key) => key.public_key().as_ref().to_vec(),
            Self::Ed25519(key) => key.public_key().as_ref().to_vec(),
        }
    }

    /// `SubjectPublicKeyInfo` in DER.
    pub(super) fn public_key_info(&self) -> Vec<u8> {
        let algorithm = match self {
            Self::Rsa(_) => [tlv(OBJECT_ID, RSA), tlv(NULL, &[])].concat(),
            Self::Ec(curve, _) => [tlv(OBJECT_ID, EC), tlv(OBJECT_ID, curve.id)].concat(),
            Self::Ed25519(_) => tlv(OBJECT_ID, ED25519),
        };
        let parts = [tlv(SEQUENCE, &algorithm), bits(&self.public_key(), 0)];
        tlv(SEQUENCE, &parts.concat())
    }

    /// `AlgorithmIdentifier` in DER of what [`Self::sign`] makes.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        let algorithm = match self {
            Self::Rsa(_) => [tlv(OBJECT_ID, RSA_SHA256), tlv(NULL, &[])].concat(),
            Self::Ec(curve, _) => tlv(OBJECT_ID, curve.signature),
            Self::Ed25519(_) => tlv(OBJECT_ID, ED25519),
        };
        tlv(SEQUENCE, &algorithm)
    }

    /// The signature of `message`.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|error| error.to_string())?;
                Ok(signature)
            }
            Self::Ec(_, key) => match key.sign(&random, message) {
                Ok(signature) => Ok(signature.as_ref().to_vec()),
                Err(error) => Err(error.to_string()),
            },
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

fn from_pkcs8(content: &[u8]) -> Option<PrivateKey> {
    if let Ok(key) = RsaKey::from_pkcs8(content) {
        return Some(PrivateKey::Rsa(key));
    }
    if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(content) {
        return Some(PrivateKey::Ed25519(key));
    }
    elliptic(content)
}

fn elliptic(content: &[u8]) -> Option<PrivateKey> {
    CURVES.iter().find_map(|curve| {
        let key = EcdsaKeyPair::from_private_key_der(curve.signing, content).ok()?;
        Some(PrivateKey::Ec(curve, key))
    })
}

/// The key within PKCS#8 (RFC 5208, section 5).
fn unwrapped(pkcs8: &[u8]) -> Option<&[u8]> {
    let mut parts = Reader(Reader(pkcs8).expect(SEQUENCE)?.content);
    parts.expect(INTEGER)?;
    parts.expect(SEQUENCE)?;
    Some(parts.expect(OCTET_STRING)?.content)
}
