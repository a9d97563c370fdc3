//! Base 64, base 32 and checksums.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

use crate::value::{Functions, Value};

use super::args::{STRING, string, text};

pub(super) fn register(functions: &mut Functions) {
    functions.add("b64enc", &[STRING], |_, args| {
        string(STANDARD.encode(text(args, 0)))
    });
    functions.add("b64dec", &[STRING], |_, args| {
        // Go: the error's text is the result.
        string(
            decode_base64(text(args, 0))
                .unwrap_or_else(|at| format!("illegal base64 data at input byte {at}").into_bytes()),
        )
    });
    functions.add("b32enc", &[STRING], |_, args| {
        string(encode_base32(text(args, 0)))
    });
    functions.add("b32dec", &[STRING], |_, args| {
        string(
            decode_base32(text(args, 0))
                .unwrap_or_else(|at| format!("illegal base32 data at input byte {at}").into_bytes()),
        )
    });
    functions.add("sha256sum", &[STRING], |_, args| {
        string(hex::encode(Sha256::digest(text(args, 0))))
    });
    functions.add("sha512sum", &[STRING], |_, args| {
        string(hex::encode(Sha512::digest(text(args, 0))))
    });
    functions.add("sha1sum", &[STRING], |_, args| {
        string(hex::encode(super::sha1::digest(text(args, 0))))
    });
    functions.add("adler32sum", &[STRING], |_, args| {
        Ok(Value::string(adler32(text(args, 0)).to_string()))
    });
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % MODULUS;
        (a, (b + a) % MODULUS)
    });
    b << 16 | a
}

/// Go: `base64.StdEncoding.DecodeString`, whose error names the byte: line breaks are skipped, padding is
/// required, bits behind the last byte are ignored.
pub(super) fn decode_base64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = [0u8; 4];
    let mut filled = 0;
    let mut at = 0;
    let is_break = |at: usize| matches!(text.get(at), Some(b'\n' | b'\r'));
    while let Some(&byte) = text.get(at) {
        at += 1;
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\n' | b'\r' => continue,
            b'=' if filled >= 2 => {
                if filled == 2 {
                    while is_break(at) {
                        at += 1;
                    }
                    match text.get(at) {
                        None => return Err(text.len()),
                        Some(b'=') => at += 1,
                        Some(_) => return Err(at - 1),
                    }
                }
                while is_break(at) {
                    at += 1;
                }
                if at < text.len() {
                    return Err(at);
                }
                group[filled..].fill(0);
                out.extend_from_slice(&bytes_of(group)[..filled - 1]);
                return Ok(out);
            }
            _ => return Err(at - 1),
        };
        group[filled] = digit;
        filled += 1;
        if filled == 4 {
            out.extend_from_slice(&bytes_of(group));
            filled = 0;
        }
    }
    if filled == 0 { Ok(out) } else { Err(at - filled) }
}

fn bytes_of(group: [u8; 4]) -> [u8; 3] {
    [
        group[0] << 2 | group[1] >> 4,
        group[1] << 4 | group[2] >> 2,
        group[2] << 6 | group[3],
    ]
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn encode_base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut padded = [0u8; 8];
        padded[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(padded);
        let digits = (chunk.len() * 8).div_ceil(5);
        for place in 0..8 {
            let digit = (bits >> (35 - 5 * place) & 31) as usize;
            out.push(if place < digits {
                char::from(BASE32[digit])
            } else {
                '='
            });
        }
    }
    out
}

/// Go: `base32.StdEncoding.DecodeString`, whose error names a byte.
fn decode_base32(text: &[u8]) -> Result<Vec<u8>, usize> {
    let dense: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    let mut out = Vec::new();
    let mut at = 0;
    let mut end = false;
    while at < dense.len() && !end {
        let mut bits = 0u64;
        let mut length = 0;
        while length < 8 {
            let Some(&byte) = dense.get(at) else {
                return Err(dense.len() - length);
            };
            at += 1;
            let rest = &dense[at..];
            if byte == b'=' && length >= 2 && rest.len() < 8 {
                if rest.len() + length < 7 {
                    return Err(dense.len());
                }
                let padding = rest.iter().take(7 - length);
                if let Some(wrong) = padding.into_iter().position(|byte| *byte != b'=') {
                    return Err((at + wrong).saturating_sub(1));
                }
                if matches!(length, 3 | 6) {
                    return Err(at - 1);
                }
                end = true;
                break;
            }
            let Some(digit) = BASE32.iter().position(|digit| *digit == byte) else {
                return Err(at - 1);
            };
            bits |= (digit as u64) << (35 - 5 * length);
            length += 1;
        }
        out.extend_from_slice(&bits.to_be_bytes()[3..3 + length * 5 / 8]);
    }
    Ok(out)
}
