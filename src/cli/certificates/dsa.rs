//! Keys of DSA, for `genPrivateKey "dsa"` alone: no certificate can be made with them, in Go neither.

use dsa::{Components, KeySize, SigningKey};

use super::der::{INTEGER, SEQUENCE, tlv};
use super::pem;

/// The machine's entropy.
struct Entropy;

impl rand_core::RngCore for Entropy {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("a running system has entropy");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core::CryptoRng for Entropy {}

/// A new key with parameters of its own (2048 and 256 bits), as Sprig writes it: version 0, p, q, g, y, x.
pub(super) fn generate() -> String {
    let components = Components::generate(&mut Entropy, KeySize::DSA_2048_256);
    let key = SigningKey::generate(&mut Entropy, components);
    let public = key.verifying_key();
    let components = public.components();
    let numbers = [
        components.p(),
        components.q(),
        components.g(),
        public.y(),
        key.x(),
    ];
    let mut content = tlv(INTEGER, &[0]);
    for number in numbers {
        content.extend(tlv(INTEGER, &positive(number.to_bytes_be())));
    }
    pem::encode("DSA PRIVATE KEY", &tlv(SEQUENCE, &content))
}

/// A number whose first bit does not make it a negative one.
fn positive(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.first().is_none_or(|byte| byte & 0x80 != 0) {
        bytes.insert(0, 0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use dsa::BigUint;

    use super::super::der::Reader;
    use super::*;

    #[test]
    fn keys_hold_what_dsa_wants() {
        let text = generate();
        let block = pem::first(text.as_bytes()).unwrap();
        assert_eq!(block.label, "DSA PRIVATE KEY");
        let mut parts = Reader(Reader(&block.content).expect(SEQUENCE).unwrap().content);
        let mut number = || BigUint::from_bytes_be(parts.expect(INTEGER).unwrap().content);
        let (version, p, q, g, y, x) = (number(), number(), number(), number(), number(), number());
        assert!(parts.end().is_some());
        assert_eq!(version, BigUint::from(0u8));
        assert_eq!((p.bits(), q.bits()), (2048, 256));
        let one = BigUint::from(1u8);
        assert_eq!((&p - &one) % &q, BigUint::from(0u8));
        assert_eq!(g.modpow(&q, &p), one);
        assert_eq!(g.modpow(&x, &p), y);
        assert!(x < q && g > one);
    }
}
