//! Random texts and numbers, out of the entropy that the environment gives.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::value::{Functions, Value};

use super::Environment;
use super::args::{INT, Outcome, STRING, fail, int, string, utf8};

/// The longest random text.
const MAX_COUNT: usize = 1 << 20;

pub(super) fn register(functions: &mut Functions, environment: &Rc<dyn Environment>) {
    let letters: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').collect();
    let digits: Vec<u8> = (b'0'..=b'9').collect();
    let both = [&digits[..], &letters[..]].concat();
    let printable: Vec<u8> = (b' '..=b'~').collect();
    for (name, alphabet) in [
        ("randAlphaNum", both),
        ("randAlpha", letters),
        ("randNumeric", digits),
        ("randAscii", printable),
    ] {
        let environment = environment.clone();
        functions.add(name, &[INT], move |_, args| {
            // Go: the error for a negative count is dropped.
            let count = usize::try_from(int(args, 0)).unwrap_or(0);
            if count > MAX_COUNT {
                return fail("runtime error: makeslice: len out of range");
            }
            let pick = |_| alphabet[below(&*environment, alphabet.len() as u64) as usize];
            string((0..count).map(pick).collect::<Vec<u8>>())
        });
    }
    let source = environment.clone();
    functions.add("randInt", &[INT, INT], move |_, args| {
        rand_int(&*source, int(args, 0), int(args, 1))
    });
    let source = environment.clone();
    functions.add("randBytes", &[INT], move |_, args| {
        let Some(count) = usize::try_from(int(args, 0))
            .ok()
            .filter(|count| *count <= MAX_COUNT)
        else {
            return fail("runtime error: makeslice: len out of range");
        };
        let mut bytes = vec![0; count];
        source.fill_random(&mut bytes);
        string(STANDARD.encode(bytes))
    });
    let source = environment.clone();
    functions.add("uuidv4", &[], move |_, _| {
        let mut bytes = [0; 16];
        source.fill_random(&mut bytes);
        string(uuid(bytes))
    });
    let source = environment.clone();
    functions.add("shuffle", &[STRING], move |_, args| {
        let mut characters: Vec<char> = utf8(args, 0).chars().collect();
        for at in (1..characters.len()).rev() {
            let other = below(&*source, at as u64 + 1) as usize;
            characters.swap(at, other);
        }
        string(characters.into_iter().collect::<String>())
    });
}

fn rand_int(environment: &dyn Environment, least: i64, limit: i64) -> Outcome {
    let span = limit.wrapping_sub(least);
    if span <= 0 {
        return fail("invalid argument to Intn");
    }
    Ok(Value::int(least.wrapping_add(
        below(environment, span.unsigned_abs()).cast_signed(),
    )))
}

/// A number below `limit`, each equally likely. `limit` is at least 1.
fn below(environment: &dyn Environment, limit: u64) -> u64 {
    let fair = u64::MAX - u64::MAX % limit;
    loop {
        let mut bytes = [0; 8];
        environment.fill_random(&mut bytes);
        let number = u64::from_le_bytes(bytes);
        if number < fair {
            return number % limit;
        }
    }
}

/// A version 4 UUID (RFC 9562) with these random bits.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(bytes);
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}
