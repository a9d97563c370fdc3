//! The key by which an engine knows a session's authority again: Ed25519, derived from a secret of this process.
//!
//! An engine that shares a step between clients asks a second client to sign with the key of the first before it
//! uses its tokens. Keys differ between processes, so that question is always answered by another key, and each
//! client's credentials serve its own steps only.

use std::sync::OnceLock;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

/// The key of this process for a host, salted by the engine.
pub(super) fn key(host: &str, salt: &[u8]) -> Option<Ed25519KeyPair> {
    static SECRET: OnceLock<Option<[u8; 32]>> = OnceLock::new();
    let secret = (*SECRET.get_or_init(|| {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).ok()?;
        Some(secret)
    }))?;
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &secret));
    context.update(&(salt.len() as u64).to_be_bytes());
    context.update(salt);
    context.update(host.as_bytes());
    Ed25519KeyPair::from_seed_unchecked(context.sign().as_ref()).ok()
}

/// The 32 bytes of its public half.
pub(super) fn public_key(key: &Ed25519KeyPair) -> Vec<u8> {
    key.public_key().as_ref().to_vec()
}

/// Signature and message in one, as NaCl's `sign` writes them.
pub(super) fn signed(key: &Ed25519KeyPair, payload: &[u8]) -> Vec<u8> {
    [key.sign(payload).as_ref(), payload].concat()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn keys_belong_to_host_and_salt() {
        let key_a = key("a", b"salt").unwrap();
        assert_eq!(public_key(&key_a), public_key(&key("a", b"salt").unwrap()));
        assert_ne!(public_key(&key_a), public_key(&key("b", b"salt").unwrap()));
        assert_ne!(public_key(&key_a), public_key(&key("a", b"pepper").unwrap()));
        assert_eq!(public_key(&key_a).len(), 32);
        let signed = signed(&key_a, b"payload");
        let (signature, payload) = signed.split_at(64);
        UnparsedPublicKey::new(&ED25519, public_key(&key_a))
            .verify(payload, signature)
            .unwrap();
    }
}
