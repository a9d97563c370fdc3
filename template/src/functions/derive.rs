//! `derivePassword`: passwords by the Master Password algorithm, version 1.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::value::{Functions, Type, UintKind, Value};

use super::args::{STRING, fail, string, text, utf8};

/// What the algorithm mixes into every key.
const SCOPE: &[u8] = b"com.lyndir.masterpassword";

/// The forms of a kind of password: a letter stands for a class of characters.
fn forms(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn class(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

pub(super) fn register(functions: &mut Functions) {
    let counter = Type::Uint(UintKind::Uint32);
    let params = [counter, STRING, STRING, STRING, STRING];
    functions.add("derivePassword", &params, |_, args| {
        let kind = utf8(args, 1);
        let Some(forms) = forms(&kind) else {
            return string(format!("cannot find password template {kind}"));
        };
        let counter = match args.first() {
            // Go: the bits that fit.
            Some(Value::Uint(counter, _)) => (counter & u64::from(u32::MAX)) as u32,
            _ => 0,
        };
        match seed(counter, text(args, 2), text(args, 3), text(args, 4)) {
            Some(seed) => string(password(forms, &seed)),
            None => fail("failed to derive password"),
        }
    });
}

/// A text behind its length.
fn counted(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), text].concat()
}

fn seed(counter: u32, password: &[u8], user: &[u8], site: &[u8]) -> Option<Vec<u8>> {
    let salt = [SCOPE, &counted(user)].concat();
    let cost = scrypt::Params::new(15, 8, 2).ok()?;
    let mut key = [0; 64];
    scrypt::scrypt(password, &salt, &cost, &mut key).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(SCOPE);
    mac.update(&counted(site));
    mac.update(&counter.to_be_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

fn password(forms: &[&str], seed: &[u8]) -> Vec<u8> {
    let pick = |byte: &u8, count: usize| usize::from(*byte) % count;
    let (first, rest) = seed.split_first().unwrap_or((&0, &[]));
    let form = forms[pick(first, forms.len())];
    let letters = form.bytes().map(class).zip(rest);
    letters
        .map(|(class, byte)| class[pick(byte, class.len())])
        .collect()
}
