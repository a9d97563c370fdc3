//! Keyrings: public and secret keys of OpenPGP in one file, as `gpg --export` writes it.
//!
//! Which key counts, and until when, is decided as Helm's library decides it: a key without a name that it has signed
//! itself is none, a subkey needs the primary key's signature and, to sign, gives its own. What can't be read is passed
//! over, together with the key it belongs to. Keys of version 4 only; armored files are none, as for Helm.

use pgp::errors::Error;
use pgp::packet::{
    Packet, PacketParser, PublicKey, PublicSubkey, RevocationCode, SecretKey, Signature, SignatureType,
    UserId,
};
use pgp::types::{Duration, KeyDetails, KeyId, KeyVersion, Tag, Timestamp};

use super::SignatureError;

/// Keys by which charts are signed or judged.
#[derive(Debug)]
pub struct Keyring {
    pub(super) keys: Vec<Key>,
}

/// A primary key with what belongs to it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) public: PublicKey,
    pub(super) secret: Option<SecretKey>,
    pub(super) names: Vec<Name>,
    subkeys: Vec<Subkey>,
    revocations: Vec<Signature>,
}

/// A name that the key has signed itself.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) text: String,
    /// The newest of its signatures.
    binding: Option<Signature>,
    revocations: Vec<Signature>,
}

#[derive(Debug)]
struct Subkey {
    key: PublicSubkey,
    /// The newest of the primary key's signatures.
    binding: Signature,
    revocations: Vec<Signature>,
}

/// A key that may have made a signature.
pub(super) struct Candidate<'k> {
    pub(super) key: &'k Key,
    subkey: Option<&'k Subkey>,
}

impl Keyring {
    /// Reads a keyring.
    ///
    /// # Errors
    /// It is none, or holds no key that can be read.
    pub fn parse(data: &[u8]) -> Result<Self, SignatureError> {
        if data.first().is_some_and(|byte| byte & 0x80 == 0) {
            return Err(SignatureError::Invalid(
                "tag byte does not have MSB set".to_owned(),
            ));
        }
        let mut keys = Vec::new();
        let mut failed = None;
        let mut packets = Vec::new();
        for packet in PacketParser::new(data) {
            if matches!(packet, Err(Error::IO { .. } | Error::PacketIncomplete { .. })) {
                return Err(SignatureError::Cut);
            }
            let begins = matches!(packet, Ok(Packet::PublicKey(_) | Packet::SecretKey(_)));
            if begins && !packets.is_empty() {
                collect(&mut keys, &mut failed, std::mem::take(&mut packets));
            }
            packets.push(packet);
        }
        if !packets.is_empty() {
            collect(&mut keys, &mut failed, packets);
        }
        match failed {
            Some(error) if keys.is_empty() => Err(error),
            _ => Ok(Self { keys }),
        }
    }

    /// The key whose name is, or else holds, this text.
    ///
    /// # Errors
    /// More than one name does.
    pub(super) fn named(&self, text: &str) -> Result<Option<&Key>, SignatureError> {
        let mut found = Vec::new();
        for key in &self.keys {
            if key.names.iter().any(|name| name.text == text) {
                return Ok(Some(key));
            }
            let names = key.names.iter().filter(|name| name.text.contains(text));
            found.extend(names.map(|_| key));
        }
        match found.as_slice() {
            [] => Ok(None),
            [key] => Ok(Some(key)),
            _ => Err(SignatureError::Ambiguous(text.to_owned())),
        }
    }

    /// The keys with this id that may sign.
    pub(super) fn signers(&self, id: &KeyId) -> Vec<Candidate<'_>> {
        let mut found = Vec::new();
        for key in &self.keys {
            if key.public.legacy_key_id() == *id {
                found.push(Candidate { key, subkey: None });
            }
            let subkeys = key.subkeys.iter();
            let subkeys = subkeys.filter(|subkey| subkey.key.legacy_key_id() == *id);
            found.extend(subkeys.map(|subkey| Candidate {
                key,
                subkey: Some(subkey),
            }));
        }
        found.retain(|one| one.binding().is_some_and(|binding| binding.key_flags().sign()));
        found
    }
}

/// Adds the key that these packets make.
fn collect(keys: &mut Vec<Key>, failed: &mut Option<SignatureError>, packets: Vec<Result<Packet, Error>>) {
    match Key::read(packets) {
        Ok(key) => keys.push(key),
        Err(error) => *failed = Some(error),
    }
}

/// The packets of a key behind the first, one by one.
type Packets = std::iter::Peekable<std::vec::IntoIter<Packet>>;

impl Key {
    /// Go: `ReadEntity`.
    fn read(packets: Vec<Result<Packet, Error>>) -> Result<Self, SignatureError> {
        let packets: Result<Vec<Packet>, _> = packets.into_iter().collect();
        let packets = packets.map_err(|error| SignatureError::Invalid(error.to_string()))?;
        let mut packets = packets.into_iter().peekable();
        let (public, secret) = match packets.next() {
            Some(Packet::PublicKey(key)) => (key, None),
            Some(Packet::SecretKey(key)) => (key.public_key().clone(), Some(key)),
            _ => return Err(invalid("first packet was not a public/private key")),
        };
        if public.version() != KeyVersion::V4 {
            return Err(SignatureError::Unsupported("key version".to_owned()));
        }
        if !public.algorithm().can_sign() {
            return Err(invalid("primary key cannot be used for signatures"));
        }
        let mut key = Self {
            public,
            secret,
            names: Vec::new(),
            subkeys: Vec::new(),
            revocations: Vec::new(),
        };
        while let Some(packet) = packets.next() {
            match packet {
                Packet::UserId(name) => key.add_name(&name, &mut packets)?,
                Packet::PublicSubkey(subkey) => key.add_subkey(subkey, &mut packets)?,
                Packet::SecretSubkey(subkey) => {
                    key.add_subkey(subkey.public_key().clone(), &mut packets)?;
                }
                Packet::Signature(signature) if signature.typ() == Some(SignatureType::KeyRevocation) => {
                    signature
                        .verify_key(&key.public)
                        .map_err(|_| invalid("revocation signature signed by alternate key"))?;
                    key.revocations.push(signature);
                }
                _ => {}
            }
        }
        if key.names.is_empty() {
            return Err(invalid("v4 entity without any identities"));
        }
        Ok(key)
    }

    fn add_name(&mut self, id: &UserId, packets: &mut Packets) -> Result<(), SignatureError> {
        let mut name = Name {
            text: String::from_utf8_lossy(id.id()).into_owned(),
            binding: None,
            revocations: Vec::new(),
        };
        let mut is_own = false;
        for signature in signatures(packets) {
            let is_revocation = signature.typ() == Some(SignatureType::CertRevocation);
            if !signature.is_certification() && !is_revocation {
                return Err(invalid("user ID signature with wrong type"));
            }
            // Others' signatures say nothing that counts here.
            if issuer(&signature) != Some(self.public.legacy_key_id()) {
                continue;
            }
            signature
                .verify_certification(&self.public, Tag::UserId, id)
                .map_err(|error| invalid(&format!("user ID self-signature invalid: {error}")))?;
            is_own = true;
            if is_revocation {
                name.revocations.push(signature);
            } else if name.binding.as_ref().is_none_or(|old| is_newer(&signature, old)) {
                name.binding = Some(signature);
            }
        }
        if is_own {
            self.names.retain(|old| old.text != name.text);
            self.names.push(name);
        }
        Ok(())
    }

    fn add_subkey(&mut self, key: PublicSubkey, packets: &mut Packets) -> Result<(), SignatureError> {
        let mut binding: Option<Signature> = None;
        let mut revocations = Vec::new();
        for signature in signatures(packets) {
            let failed =
                |error: &dyn std::fmt::Display| invalid(&format!("subkey signature invalid: {error}"));
            signature
                .verify_subkey_binding(&self.public, &key)
                .map_err(|error| failed(&error))?;
            if signature.key_flags().sign() {
                let own = signature.embedded_signature();
                let own = own.ok_or_else(|| invalid("signing subkey is missing cross-signature"))?;
                own.verify_primary_key_binding(&key, &self.public)
                    .map_err(|error| failed(&error))?;
            }
            if signature.typ() == Some(SignatureType::SubkeyRevocation) {
                revocations.push(signature);
            } else if binding.as_ref().is_none_or(|old| is_newer(&signature, old)) {
                binding = Some(signature);
            }
        }
        let binding = binding.ok_or_else(|| invalid("subkey packet not followed by signature"))?;
        self.subkeys.push(Subkey {
            key,
            binding,
            revocations,
        });
        Ok(())
    }

    /// The name whose signature says what the primary key is good for.
    fn main_name(&self) -> Option<&Name> {
        let rank = |name: &Name| {
            let binding = name.binding.as_ref();
            let is_primary = binding.is_some_and(Signature::is_primary);
            let created = binding.and_then(Signature::created).map(Timestamp::as_secs);
            (std::cmp::Reverse(name.revocations.len()), is_primary, created)
        };
        // Of equal ones the first counts.
        self.names.iter().rev().max_by_key(|name| rank(name))
    }
}

impl Candidate<'_> {
    /// Whether this key has made the signature.
    pub(super) fn verify(&self, signature: &Signature, signed: &[u8]) -> Result<(), SignatureError> {
        let (result, algorithm) = match self.subkey {
            None => (
                signature.verify(&self.key.public, signed),
                self.key.public.algorithm(),
            ),
            Some(subkey) => (signature.verify(&subkey.key, signed), subkey.key.algorithm()),
        };
        result.map_err(|_| SignatureError::Refused(algorithm))
    }

    fn binding(&self) -> Option<&Signature> {
        match self.subkey {
            Some(subkey) => Some(&subkey.binding),
            None => self.key.main_name()?.binding.as_ref(),
        }
    }

    /// Go: `checkMessageSignatureDetails`: whether key and signature are in force.
    pub(super) fn check(&self, signature: &Signature, now: u32) -> Result<(), SignatureError> {
        let key = self.key;
        let main = key.main_name();
        let mut all = vec![signature];
        all.extend(main.and_then(|name| name.binding.as_ref()));
        if let Some(subkey) = self.subkey {
            all.push(&subkey.binding);
            all.extend(subkey.binding.embedded_signature());
        }
        for signature in &all {
            super::check_critical(signature)?;
        }
        let subkey_revocations = self.subkey.map_or(&[][..], |subkey| &subkey.revocations);
        if is_revoked(&key.revocations, now)
            || is_revoked(subkey_revocations, now)
            || main.is_some_and(|name| is_revoked(&name.revocations, now))
        {
            return Err(SignatureError::Revoked);
        }
        let primary = main.and_then(|name| name.binding.as_ref());
        let created = key.public.created_at();
        if primary.is_some_and(|binding| is_key_expired(created, binding, now))
            || self
                .subkey
                .is_some_and(|subkey| is_key_expired(subkey.key.created_at(), &subkey.binding, now))
        {
            return Err(SignatureError::KeyExpired);
        }
        if all.iter().any(|signature| is_expired(signature, now)) {
            return Err(SignatureError::Expired);
        }
        Ok(())
    }
}

/// The key that says it has made the signature.
pub(super) fn issuer(signature: &Signature) -> Option<KeyId> {
    if let Some(id) = signature.issuer_key_id().first() {
        return Some(**id);
    }
    let fingerprint = *signature.issuer_fingerprint().first()?;
    let bytes: &[u8] = fingerprint.as_ref();
    let id: [u8; 8] = bytes.get(bytes.len().checked_sub(8)?..)?.try_into().ok()?;
    Some(KeyId::from(id))
}

/// The signatures that come next.
fn signatures(packets: &mut Packets) -> Vec<Signature> {
    let mut found = Vec::new();
    while let Some(Packet::Signature(signature)) =
        packets.next_if(|packet| matches!(packet, Packet::Signature(_)))
    {
        found.push(signature);
    }
    found
}

fn invalid(text: &str) -> SignatureError {
    SignatureError::Invalid(text.to_owned())
}

fn seconds(signature: &Signature) -> u32 {
    signature.created().map_or(0, Timestamp::as_secs)
}

fn is_newer(signature: &Signature, other: &Signature) -> bool {
    seconds(signature) > seconds(other)
}

fn is_revoked(revocations: &[Signature], now: u32) -> bool {
    let counts = |one: &Signature| {
        matches!(one.revocation_reason_code(), Some(RevocationCode::KeyCompromised)) || !is_expired(one, now)
    };
    revocations.iter().any(counts)
}

fn is_expired(signature: &Signature, now: u32) -> bool {
    let lifetime = signature.signature_expiration_time().map_or(0, Duration::as_secs);
    seconds(signature) > now || ends_before(seconds(signature), lifetime, now)
}

fn is_key_expired(created: Timestamp, binding: &Signature, now: u32) -> bool {
    let lifetime = binding.key_expiration_time().map_or(0, Duration::as_secs);
    created.as_secs() > now || ends_before(created.as_secs(), lifetime, now)
}

/// Whether a span of seconds is over; one of none never ends.
fn ends_before(start: u32, lifetime: u32, now: u32) -> bool {
    lifetime != 0 && u64::from(start) + u64::from(lifetime) < u64::from(now)
}
