//! `encryptAES` and `decryptAES`: AES-256-CBC, the password cut or filled with zeros to a key, in base 64 behind its
//! random start.

use std::rc::Rc;

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::value::Functions;

use super::Environment;
use super::args::{Outcome, STRING, fail, string, text};
use super::encoding::decode_base64;

const BLOCK: usize = 16;

pub(super) fn register(functions: &mut Functions, environment: &Rc<dyn Environment>) {
    let source = environment.clone();
    functions.add("encryptAES", &[STRING, STRING], move |_, args| {
        let plain = text(args, 1);
        if plain.is_empty() {
            return string("");
        }
        let mut start = [0; BLOCK];
        source.fill_random(&mut start);
        string(STANDARD.encode(encrypt(&cipher(text(args, 0)), start, plain)))
    });
    functions.add("decryptAES", &[STRING, STRING], |_, args| {
        let encoded = text(args, 1);
        if encoded.is_empty() {
            return string("");
        }
        match decode_base64(encoded) {
            Ok(data) => decrypt(&cipher(text(args, 0)), &data, encoded.len()),
            Err(at) => fail(format!("illegal base64 data at input byte {at}")),
        }
    });
}

fn cipher(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    for (place, byte) in key.iter_mut().zip(password) {
        *place = *byte;
    }
    Aes256::new(&key.into())
}

fn encrypt(cipher: &Aes256, start: [u8; BLOCK], plain: &[u8]) -> Vec<u8> {
    let padding = BLOCK - plain.len() % BLOCK;
    let mut padded = plain.to_vec();
    padded.resize(plain.len() + padding, u8::try_from(padding).unwrap_or_default());
    let mut out = start.to_vec();
    let mut last = start;
    for block in padded.chunks_exact(BLOCK) {
        for (mixed, byte) in last.iter_mut().zip(block) {
            *mixed ^= byte;
        }
        let mut block = last.into();
        cipher.encrypt_block(&mut block);
        last = block.into();
        out.extend_from_slice(&last);
    }
    out
}

fn decrypt(cipher: &Aes256, data: &[u8], encoded: usize) -> Outcome {
    let Some((start, blocks)) = data.split_at_checked(BLOCK) else {
        // Go: the room that was made for the bytes before they were decoded.
        let capacity = encoded / 4 * 3;
        return fail(format!(
            "runtime error: slice bounds out of range [:{BLOCK}] with capacity {capacity}"
        ));
    };
    if blocks.len() % BLOCK != 0 {
        return fail("crypto/cipher: input not full blocks");
    }
    let mut plain = Vec::with_capacity(blocks.len());
    let mut last = start;
    for block in blocks.chunks_exact(BLOCK) {
        let mut bytes = [0; BLOCK];
        bytes.copy_from_slice(block);
        let mut bytes = bytes.into();
        cipher.decrypt_block(&mut bytes);
        plain.extend(bytes.iter().zip(last).map(|(byte, mask)| byte ^ mask));
        last = block;
    }
    let Some(padding) = plain.last().copied().map(usize::from) else {
        return fail("runtime error: index out of range [-1]");
    };
    match plain.len().checked_sub(padding) {
        Some(length) => {
            plain.truncate(length);
            string(plain)
        }
        None => fail(format!(
            "runtime error: slice bounds out of range [:-{}]",
            padding - plain.len()
        )),
    }
}
