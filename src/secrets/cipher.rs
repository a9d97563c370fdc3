//! The two ciphers: werf's AES-CBC and kiel's AES-256-GCM (`docs/secrets.md`).

use std::fmt;

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit, consts::U16};
use aes::{Aes128, Aes192, Aes256};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::SecretError;

const BLOCK: usize = 16;
/// werf: the length of the start vector as two bytes, the lower one first.
const WERF_HEAD: [u8; 2] = [16, 0];
/// How an authenticated text begins.
const PREFIX: &str = "kiel1.";
/// Bound to every authenticated text, and to the key made for it.
const DOMAIN: &[u8] = b"kiel secret 1";
const TAG: usize = 16;

/// Which cipher writes; both are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cipher {
    /// AES-CBC without authentication, which werf reads.
    #[default]
    Werf,
    /// AES-256-GCM, which werf does not read.
    Authenticated,
}

impl Cipher {
    /// The cipher that a ciphertext is of.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.starts_with(PREFIX) {
            Self::Authenticated
        } else {
            Self::Werf
        }
    }
}

/// A key of 16, 24 or 32 bytes.
#[derive(Clone)]
pub struct Key(Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Key {
    /// Reads hexadecimal digits; `place` is for the message.
    ///
    /// # Errors
    /// Other characters, or another length.
    pub fn parse(text: &str, place: &str) -> Result<Self, SecretError> {
        let bytes = hex::decode(text).map_err(|_| SecretError::KeyNotHex(place.to_owned()))?;
        match bytes.len() {
            16 | 24 | 32 => Ok(Self(bytes)),
            length => Err(SecretError::KeyLength {
                place: place.to_owned(),
                length,
            }),
        }
    }

    /// The hexadecimal digits, for who hides them.
    #[must_use]
    pub fn to_text(&self) -> String {
        hex::encode(&self.0)
    }

    /// Encrypts; an empty plaintext too.
    ///
    /// # Errors
    /// The machine gives no random numbers.
    pub fn encrypt(&self, cipher: Cipher, plain: &[u8]) -> Result<String, SecretError> {
        match cipher {
            Cipher::Werf => {
                let mut start = [0; BLOCK];
                fill_random(&mut start)?;
                Ok(self.encrypt_cbc(start, plain))
            }
            Cipher::Authenticated => {
                let mut nonce = [0; NONCE_LEN];
                fill_random(&mut nonce)?;
                self.encrypt_gcm(nonce, plain)
            }
        }
    }

    /// Decrypts either cipher's text. An empty text is an empty plaintext, as with werf.
    ///
    /// # Errors
    /// The text is no ciphertext, was made with another key, or was changed.
    pub fn decrypt(&self, text: &str) -> Result<Vec<u8>, SecretError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        match text.strip_prefix(PREFIX) {
            Some(rest) => self.decrypt_gcm(rest),
            None => self.decrypt_cbc(text),
        }
    }

    fn encrypt_cbc(&self, start: [u8; BLOCK], plain: &[u8]) -> String {
        let padding = BLOCK - plain.len() % BLOCK;
        let mut data = plain.to_vec();
        data.resize(plain.len() + padding, u8::try_from(padding).unwrap_or_default());
        let mut out = Vec::with_capacity(WERF_HEAD.len() + BLOCK + data.len());
        out.extend_from_slice(&WERF_HEAD);
        out.extend_from_slice(&start);
        match self.0.len() {
            16 => cbc_encrypt(&Aes128::new_from_slice(&self.0), start, &data, &mut out),
            24 => cbc_encrypt(&Aes192::new_from_slice(&self.0), start, &data, &mut out),
            _ => cbc_encrypt(&Aes256::new_from_slice(&self.0), start, &data, &mut out),
        }
        hex::encode(out)
    }

    fn decrypt_cbc(&self, text: &str) -> Result<Vec<u8>, SecretError> {
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(SecretError::NotEncrypted);
        }
        let data = hex::decode(text).map_err(|_| SecretError::Incomplete)?;
        // werf: the length in front is not looked at.
        let blocks = data.get(WERF_HEAD.len()..).ok_or(SecretError::Incomplete)?;
        if blocks.len() < 2 * BLOCK || blocks.len() % BLOCK != 0 {
            return Err(SecretError::Incomplete);
        }
        let mut plain = match self.0.len() {
            16 => cbc_decrypt(&Aes128::new_from_slice(&self.0), blocks),
            24 => cbc_decrypt(&Aes192::new_from_slice(&self.0), blocks),
            _ => cbc_decrypt(&Aes256::new_from_slice(&self.0), blocks),
        };
        let padding = plain.last().copied().unwrap_or_default();
        let length = usize::from(padding);
        let is_padded = (1..=BLOCK).contains(&length) && plain.ends_with(&vec![padding; length]);
        if !is_padded {
            return Err(SecretError::WrongKey);
        }
        plain.truncate(plain.len() - length);
        Ok(plain)
    }

    fn encrypt_gcm(&self, nonce: [u8; NONCE_LEN], plain: &[u8]) -> Result<String, SecretError> {
        let mut data = plain.to_vec();
        self.authenticated_key()
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(DOMAIN), &mut data)
            .map_err(|_| SecretError::Entropy("the plaintext is too long for AES-GCM".to_owned()))?;
        let mut out = nonce.to_vec();
        out.append(&mut data);
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(out)))
    }

    fn decrypt_gcm(&self, text: &str) -> Result<Vec<u8>, SecretError> {
        let data = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| SecretError::NotAuthentic)?;
        let (nonce, sealed) = data
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SecretError::Incomplete)?;
        if sealed.len() < TAG {
            return Err(SecretError::Incomplete);
        }
        let mut sealed = sealed.to_vec();
        let plain = self
            .authenticated_key()
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(DOMAIN),
                &mut sealed,
            )
            .map_err(|_| SecretError::NotAuthentic)?;
        Ok(plain.to_vec())
    }

    /// Keys of every length give one of 256 bits that nothing else uses.
    fn authenticated_key(&self) -> LessSafeKey {
        let secret = Salt::new(HKDF_SHA256, &[]).extract(&self.0);
        let key: Option<UnboundKey> = secret.expand(&[DOMAIN], &AES_256_GCM).ok().map(UnboundKey::from);
        LessSafeKey::new(key.expect("HKDF gives 32 bytes"))
    }
}

pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), SecretError> {
    getrandom::fill(bytes).map_err(|error| SecretError::Entropy(error.to_string()))
}

type Made<T> = Result<T, aes::cipher::InvalidLength>;

fn cbc_encrypt<C>(cipher: &Made<C>, start: [u8; BLOCK], data: &[u8], out: &mut Vec<u8>)
where
    C: BlockCipherEncrypt + aes::cipher::BlockSizeUser<BlockSize = U16>,
{
    let cipher = cipher.as_ref().expect("the key's length was checked");
    let mut last = start;
    for block in data.chunks_exact(BLOCK) {
        for (mixed, byte) in last.iter_mut().zip(block) {
            *mixed ^= byte;
        }
        let mut block: Array<u8, U16> = last.into();
        cipher.encrypt_block(&mut block);
        last = block.into();
        out.extend_from_slice(&last);
    }
}

/// The start vector and then the data, which is not empty.
fn cbc_decrypt<C>(cipher: &Made<C>, blocks: &[u8]) -> Vec<u8>
where
    C: BlockCipherDecrypt + aes::cipher::BlockSizeUser<BlockSize = U16>,
{
    let cipher = cipher.as_ref().expect("the key's length was checked");
    let (mut last, data) = blocks.split_at(BLOCK);
    let mut plain = Vec::with_capacity(data.len());
    for block in data.chunks_exact(BLOCK) {
        let mut bytes = [0; BLOCK];
        bytes.copy_from_slice(block);
        let mut bytes: Array<u8, U16> = bytes.into();
        cipher.decrypt_block(&mut bytes);
        plain.extend(bytes.iter().zip(last).map(|(byte, mask)| byte ^ mask));
        last = block;
    }
    plain
}
