//! `bcrypt` and `htpasswd`: hashes of passwords with a salt out of the environment's entropy.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use crate::value::Functions;

use super::Environment;
use super::args::{STRING, string, text};

/// Go: `bcrypt.DefaultCost`.
const COST: u32 = 10;

/// Go: longer passwords are an error and not cut.
const LONGEST: usize = 72;

/// Base 64 with the digits that bcrypt has of old.
const DIGITS: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::BCRYPT, NO_PAD);

pub(super) fn register(functions: &mut Functions, environment: &Rc<dyn Environment>) {
    let source = environment.clone();
    functions.add("bcrypt", &[STRING], move |_, args| {
        string(hash(&*source, text(args, 0)))
    });
    let source = environment.clone();
    functions.add("htpasswd", &[STRING, STRING], move |_, args| {
        let user = text(args, 0);
        if user.contains(&b':') {
            return string([b"invalid username: ", user].concat());
        }
        let hash = hash(&*source, text(args, 1));
        string([user, b":", hash.as_bytes()].concat())
    });
}

/// Go: the error's text is the result.
fn hash(environment: &dyn Environment, password: &[u8]) -> String {
    if password.len() > LONGEST {
        return "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned();
    }
    let mut salt = [0; 16];
    environment.fill_random(&mut salt);
    // The NUL at a password's end counts, as far as there is room for it.
    let mut ended = [password, &[0]].concat();
    ended.truncate(LONGEST);
    let hash = bcrypt::bcrypt(COST, salt, &ended);
    // All implementations drop the last byte.
    format!(
        "$2a${COST}${}{}",
        DIGITS.encode(salt),
        DIGITS.encode(&hash[..hash.len() - 1])
    )
}
