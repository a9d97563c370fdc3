//! Provenance files: who has packaged a chart, signed with OpenPGP, as Helm writes and checks them.
//!
//! A provenance file is a clear-signed text: the chart's `Chart.yaml` and the SHA-256 of its archive. It promises that a
//! chart which is called verified was signed by a key of the keyring that may sign and is in force, and that archive and
//! file name are those that were signed. Texts of failures are Helm's: scripts match on them.
//!
//! It reads no file, no clock and no terminal; it deliberately has no web of trust: a keyring is a list of who is trusted.

mod clear_text;
mod keyring;
#[cfg(test)]
mod tests;

use kiel_chart::Metadata;
use kiel_template::{Value, yaml};
use pgp::armor::Dearmor;
use pgp::composed::{ArmorOptions, DetachedSignature};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    Packet, PacketParser, SecretKey, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::types::{KeyDetails, Password, Timestamp};

pub use self::keyring::Keyring;
use self::keyring::issuer;
use crate::registry::Digest;

/// What stands between the two parts of a provenance file. `---` can't: it means something else in a clear-signed text.
const BETWEEN: &str = "\n...\n";

/// Why a chart can't be signed, or is not what was signed. The texts are those of Helm.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Keys or signatures can't be read.
    #[error("openpgp: invalid data: {0}")]
    Invalid(String),
    /// The end is missing.
    #[error("unexpected EOF")]
    Cut,
    /// Keys or signatures are of a kind that is not known.
    #[error("openpgp: unsupported feature: {0}")]
    Unsupported(String),
    /// Several keys have names like that.
    #[error("more than one key contain the id {0:?}")]
    Ambiguous(String),
    /// No key has a name like that.
    #[error("private key not found")]
    NoKey,
    /// The key can only verify.
    #[error("provided key is not a private key. Try providing a keyring with secret keys")]
    Public,
    /// The passphrase is wrong.
    #[error("openpgp: invalid data: private key checksum failure")]
    Passphrase,
    /// The key can't sign.
    #[error("cannot sign `{file}`: {reason}")]
    Sign {
        /// The archive.
        file: String,
        /// Why.
        reason: String,
    },
    /// The file is not clear-signed.
    #[error("failed to decode signature: signature block not found")]
    NotSigned,
    /// No key of the keyring has made the signature.
    #[error("openpgp: signature made by unknown entity")]
    Unknown,
    /// The text is not what was signed.
    #[error("openpgp: invalid signature: {} verification failure", named(*.0))]
    Refused(PublicKeyAlgorithm),
    /// The signature rests on something that is not understood.
    #[error("openpgp: invalid signature: unknown critical notation: {0}")]
    Critical(String),
    /// The key was revoked.
    #[error("openpgp: signature made by revoked key")]
    Revoked,
    /// The key's time is over, or has not begun.
    #[error("openpgp: key expired")]
    KeyExpired,
    /// The signature's time is over, or has not begun.
    #[error("openpgp: signature expired")]
    Expired,
    /// The signed text is no provenance.
    #[error("message block must have at least two parts")]
    NoParts,
    /// The signed text is no YAML.
    #[error(transparent)]
    Yaml(#[from] yaml::YamlError),
    /// The signed text is about other files.
    #[error("provenance does not contain a SHA for a file named {0:?}")]
    OtherFile(String),
    /// The archive is not what was signed.
    #[error("sha256 sum does not match for {file}: {wanted:?} != {found:?}")]
    OtherDigest {
        /// The archive.
        file: String,
        /// What was signed.
        wanted: String,
        /// What is there.
        found: String,
    },
}

/// Go: how the verification of an algorithm fails.
fn named(algorithm: PublicKeyAlgorithm) -> &'static str {
    match algorithm {
        PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::RSASign => "RSA",
        PublicKeyAlgorithm::DSA => "DSA",
        PublicKeyAlgorithm::ECDSA => "ECDSA",
        PublicKeyAlgorithm::EdDSALegacy => "EdDSA",
        PublicKeyAlgorithm::Ed25519 => "Ed25519",
        PublicKeyAlgorithm::Ed448 => "ed448",
        _ => "key",
    }
}

/// A chart that is what its provenance file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The names of the key that has signed it.
    pub names: Vec<String>,
    /// The fingerprint of its primary key.
    pub fingerprint: String,
    /// The archive's digest.
    pub digest: String,
}

impl std::fmt::Display for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for name in &self.names {
            writeln!(f, "Signed by: {name}")?;
        }
        writeln!(f, "Using Key With Fingerprint: {}", self.fingerprint)?;
        writeln!(f, "Chart Hash Verified: {}", self.digest)
    }
}

/// An archive and its name, which is signed too.
#[derive(Debug, Clone, Copy)]
pub struct SignedFile<'a> {
    /// The file's name, without folders.
    pub name: &'a str,
    /// The archive.
    pub archive: &'a [u8],
}

impl SignedFile<'_> {
    fn digest(&self) -> String {
        Digest::of(self.archive).to_string()
    }
}

impl Keyring {
    /// Checks an archive by its provenance file; `now` is in seconds since 1970.
    ///
    /// # Errors
    /// See [`SignatureError`]; the archive must not be used then.
    pub fn verify(
        &self,
        file: SignedFile<'_>,
        provenance: &[u8],
        now: u32,
    ) -> Result<Verified, SignatureError> {
        let clear = clear_text::decode(provenance).ok_or(SignatureError::NotSigned)?;
        let key = self.signer(clear.signature, &clear.signed, now)?;
        let found = file.digest();
        let wanted = signed_digest(&clear.text, file.name)?;
        if wanted != found {
            return Err(SignatureError::OtherDigest {
                file: file.name.to_owned(),
                wanted,
                found,
            });
        }
        Ok(Verified {
            names: key.names.iter().map(|name| name.text.clone()).collect(),
            fingerprint: format!("{:X}", key.public.fingerprint()),
            digest: found,
        })
    }

    /// Go: `CheckDetachedSignature`: the key that has made the first signature of a known key.
    fn signer(&self, armored: &[u8], signed: &[u8], now: u32) -> Result<&keyring::Key, SignatureError> {
        for packet in PacketParser::new(std::io::BufReader::new(Dearmor::new(armored))) {
            let signature = match packet {
                Ok(Packet::Signature(signature)) => signature,
                Ok(Packet::Marker(_)) => continue,
                Ok(_) => return Err(SignatureError::Invalid("non signature packet found".to_owned())),
                Err(error) => return Err(SignatureError::Invalid(error.to_string())),
            };
            let id = issuer(&signature)
                .ok_or_else(|| SignatureError::Invalid("signature doesn't have an issuer".to_owned()))?;
            let candidates = self.signers(&id);
            let Some(last) = candidates.last() else {
                continue;
            };
            check_kind(&signature)?;
            let found = candidates
                .iter()
                .find(|one| one.verify(&signature, signed).is_ok());
            let Some(found) = found else {
                last.verify(&signature, signed)?;
                return Err(SignatureError::Unknown);
            };
            found.check(&signature, now)?;
            return Ok(found.key);
        }
        Err(SignatureError::Unknown)
    }

    /// Whether the key of that name needs a passphrase; then the name by which to ask for it.
    ///
    /// # Errors
    /// There is no such key, or it can't sign.
    pub fn locked_name(&self, key: &str) -> Result<Option<&str>, SignatureError> {
        let (found, secret) = self.secret(key)?;
        let name = found.names.first().map_or("Unknown", |name| name.text.as_str());
        Ok(secret.secret_params().is_encrypted().then_some(name))
    }

    /// The provenance file of an archive; `now` is in seconds since 1970.
    ///
    /// # Errors
    /// There is no such key, or the passphrase is wrong.
    pub fn sign(
        &self,
        key: &str,
        passphrase: &[u8],
        file: SignedFile<'_>,
        metadata: &Metadata,
        now: u32,
    ) -> Result<String, SignatureError> {
        let (_, secret) = self.secret(key)?;
        let password = Password::from(passphrase);
        if secret.unlock(&password, |_, _| Ok(())).is_err() {
            return Err(SignatureError::Passphrase);
        }
        let failed = |error: &dyn std::fmt::Display| SignatureError::Sign {
            file: file.name.to_owned(),
            reason: error.to_string(),
        };
        let text = message(file, metadata).map_err(|error| failed(&error))?;
        let armored = signature(secret, &password, &clear_text::to_sign(&text), now);
        let armored = armored.map_err(|error| failed(&error))?;
        Ok(clear_text::encode(&text, "SHA512", &armored))
    }

    fn secret(&self, name: &str) -> Result<(&keyring::Key, &SecretKey), SignatureError> {
        let key = self.named(name)?.ok_or(SignatureError::NoKey)?;
        Ok((key, key.secret.as_ref().ok_or(SignatureError::Public)?))
    }
}

fn signature(
    key: &SecretKey,
    password: &Password,
    signed: &str,
    now: u32,
) -> Result<String, pgp::errors::Error> {
    let mut config = SignatureConfig::v4(SignatureType::Text, key.algorithm(), HashAlgorithm::Sha512);
    config.hashed_subpackets = vec![
        Subpacket::critical(SubpacketData::SignatureCreationTime(Timestamp::from_secs(now)))?,
        Subpacket::critical(SubpacketData::IssuerKeyId(key.legacy_key_id()))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
    ];
    let signature = config.sign(key, password, signed.as_bytes())?;
    let options = ArmorOptions {
        include_checksum: false,
        ..ArmorOptions::default()
    };
    DetachedSignature::new(signature).to_armored_string(options)
}

/// Go: `messageBlock`: what is signed.
fn message(file: SignedFile<'_>, metadata: &Metadata) -> Result<String, yaml::EmitError> {
    let about = yaml::to_string(&Value::from_json(&metadata.to_json()))?;
    let files = Value::map([(file.name, Value::from(file.digest()))]);
    let sums = yaml::to_string(&Value::map([("files", files)]))?;
    Ok(format!("{about}{BETWEEN}{sums}"))
}

/// Go: `parseMessageBlock`: the digest that was signed for a file.
fn signed_digest(text: &[u8], file: &str) -> Result<String, SignatureError> {
    let text = String::from_utf8_lossy(text);
    let mut parts = text.split(BETWEEN);
    let (Some(about), Some(sums)) = (parts.next(), parts.next()) else {
        return Err(SignatureError::NoParts);
    };
    yaml::to_json(about)?;
    let sums = yaml::to_json(sums)?;
    let digest = sums["files"][file].as_str();
    digest
        .map(str::to_owned)
        .ok_or_else(|| SignatureError::OtherFile(file.to_owned()))
}

/// Signatures about texts or bytes, by digests that can still be relied on.
fn check_kind(signature: &Signature) -> Result<(), SignatureError> {
    let digest = signature.hash_alg().unwrap_or(HashAlgorithm::None);
    if matches!(
        digest,
        HashAlgorithm::None | HashAlgorithm::Md5 | HashAlgorithm::Ripemd160 | HashAlgorithm::Other(_)
    ) {
        let number = u8::from(digest);
        return Err(SignatureError::Unsupported(format!("hash function {number}")));
    }
    match signature.typ() {
        Some(SignatureType::Text | SignatureType::Binary) => check_critical(signature),
        _ => Err(SignatureError::Unsupported("signature type".to_owned())),
    }
}

/// What the signer says must be understood has to be.
fn check_critical(signature: &Signature) -> Result<(), SignatureError> {
    let Some(config) = signature.config() else {
        return Err(SignatureError::Unsupported("signature version".to_owned()));
    };
    for part in config.hashed_subpackets().filter(|part| part.is_critical) {
        match &part.data {
            SubpacketData::Notation(notation) => {
                let name = String::from_utf8_lossy(&notation.name).into_owned();
                return Err(SignatureError::Critical(name));
            }
            SubpacketData::Experimental(kind, _) | SubpacketData::Other(kind, _) => {
                let text = format!("unknown critical signature subpacket type {kind}");
                return Err(SignatureError::Unsupported(text));
            }
            _ => {}
        }
    }
    Ok(())
}
