//! Hashes of passwords, against those that libxcrypt 4.4 makes with the same salt.

use super::*;

fn check(template: &str, want: &str) {
    assert_eq!(render(template), want, "{template}");
}

#[test]
fn hashes_are_bcrypts() {
    check(
        r#"{{ bcrypt "secret" }}"#,
        "$2a$10$HSntjJlc.wfLanc62OWpS.MVfqVEx1TghSvL.32dZ3Ij6/0J8d/yW",
    );
    check(
        r#"{{ htpasswd "user" "" }}"#,
        "user:$2a$10$HSntjJlc.wfLanc62OWpS.grPZArT3ddyWEmesTLwx4J8WtcLchim",
    );
    check(
        r#"{{ htpasswd "" (repeat 72 "a") }}"#,
        ":$2a$10$HSntjJlc.wfLanc62OWpS.u.ucxqvaBPNXDp/dzQ6KmghVnag54Ea",
    );
}

#[test]
fn what_cannot_be_hashed_is_told_in_the_result() {
    check(r#"{{ htpasswd "u:x" "p" }}"#, "invalid username: u:x");
    check(
        r#"{{ htpasswd "u" (repeat 73 "a") }}"#,
        "u:failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes",
    );
}
