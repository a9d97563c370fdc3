//! Ciphers by fixed examples, files by tables.

use super::cipher::{Cipher, Key};
use super::values::{Leaf, decrypt_values, encrypt_values, merge_edited, readable_values, rotate_values};
use super::{SecretError, tidy};

fn key() -> Key {
    Key::parse("000102030405060708090a0b0c0d0e0f", "a test").expect("a key")
}

fn other_key() -> Key {
    Key::parse(&"0f".repeat(32), "a test").expect("a key")
}

fn encrypted(text: &str) -> String {
    encrypt_values(text, "f", &key(), Cipher::Werf).expect("encrypts")
}

fn readable(text: &str) -> (String, Vec<Leaf>) {
    readable_values(text, "f", &key()).expect("decrypts")
}

#[test]
fn both_ciphers_give_back_what_they_were_given() {
    for key in [
        key(),
        Key::parse(&"a1".repeat(24), "a test").expect("a key"),
        other_key(),
    ] {
        for cipher in [Cipher::Werf, Cipher::Authenticated] {
            for length in [0, 1, 15, 16, 17, 4096] {
                let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
                let text = key.encrypt(cipher, &plain).expect("encrypts");
                assert_eq!(Cipher::of(&text), cipher);
                assert_eq!(key.decrypt(&text).expect("decrypts"), plain);
            }
        }
    }
}

// The examples of docs/secrets.md, made with another implementation (Python's cryptography).
#[test]
fn the_specification_s_examples_decrypt() {
    for text in [
        "1000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac616b9473335cc3872203fcceb365bd4",
        "kiel1.u7u7u7u7u7u7u7u7NQetBr5XsrsacRghGWtAyceTcps",
    ] {
        assert_eq!(key().decrypt(text).expect("decrypts"), b"kiel");
    }
}

#[test]
fn every_change_of_an_authenticated_text_is_noticed() {
    let text = key()
        .encrypt(Cipher::Authenticated, b"hush-hush")
        .expect("encrypts");
    for at in "kiel1.".len()..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("text");
        let error = key().decrypt(&changed).expect_err("a change");
        assert!(matches!(error, SecretError::NotAuthentic), "{at}: {error}");
    }
    for length in "kiel1.".len()..text.len() {
        assert!(key().decrypt(&text[..length]).is_err(), "cut at {length}");
    }
    assert!(other_key().decrypt(&text).is_err());
}

#[test]
fn what_is_no_ciphertext_is_refused_without_a_word_of_it() {
    let good = key().encrypt(Cipher::Werf, b"hush").expect("encrypts");
    for (text, want) in [
        ("plain", "not encrypted"),
        ("1000zz", "not encrypted"),
        ("100", "incomplete"),
        ("1000", "incomplete"),
        (&good[..good.len() - 2], "incomplete"),
        ("kiel1.", "incomplete"),
    ] {
        let error = key().decrypt(text).expect_err(text).to_string();
        assert!(error.contains(want), "{text}: {error}");
        assert!(text.len() < 5 || !error.contains(text), "{error}");
    }
    for (text, want) in [
        ("0g", "hexadecimal"),
        ("00 ", "hexadecimal"),
        ("00", "1 bytes"),
        ("", "0 bytes"),
    ] {
        let error = Key::parse(text, "x").expect_err(text).to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn a_file_keeps_all_but_its_values() {
    let plain = "# head\na: one # why\n\nb:\n    - 2\n    - \"x: y\"\n    - ~\nc: &n {d: three, e: []}\nf: *n\ng: |\n    l1\n    l2\n# end\n";
    let text = encrypted(plain);
    for kept in [
        "# head\na: 1000",
        " # why\n\nb:\n    - 1000",
        "    - ~\nc: &n {d: 1000",
        ", e: []}\nf: *n\ng: 1000",
        "\n# end\n",
    ] {
        assert!(text.contains(kept), "{kept:?} in {text}");
    }
    let (shown, leaves) = readable(&text);
    assert_eq!(
        shown,
        "# head\na: one # why\n\nb:\n    - \"2\"\n    - 'x: y'\n    - ~\nc: &n {d: three, e: []}\nf: *n\ng: |\n  l1\n  l2\n# end\n"
    );
    let paths: Vec<&str> = leaves.iter().map(|leaf| leaf.path.as_str()).collect();
    assert_eq!(paths, ["a", "b.0", "b.1", "c.d", "g"]);
    let (joined, _) = decrypt_values(&text, "f", &key()).expect("decrypts");
    assert!(joined.contains("g: \"l1\\nl2\\n\"\n# end"), "{joined}");
}

#[test]
fn scalars_are_encrypted_as_go_prints_them() {
    for (scalar, want) in [
        ("text", "text"),
        ("'quoted'", "quoted"),
        ("\"tab\\t\"", "tab\t"),
        ("10", "10"),
        ("1.50", "1.5"),
        ("1000000.0", "1e+06"),
        ("0755", "493"),
        ("\"0755\"", "0755"),
        ("true", "true"),
        ("True", "true"),
        ("yes", "yes"),
        ("2024-01-02", "2024-01-02 00:00:00 +0000 UTC"),
        ("2024-01-02 03:04:05", "2024-01-02 03:04:05 +0000 UTC"),
        ("!!str 10", "10"),
        ("!!binary aGk=", "hi"),
        ("\"\"", ""),
    ] {
        let (_, leaves) = readable(&encrypted(&format!("a: {scalar}\n")));
        let plain: Vec<String> = leaves
            .iter()
            .map(|leaf| String::from_utf8_lossy(&leaf.plain).into())
            .collect();
        assert_eq!(plain, [want], "{scalar}");
    }
}

#[test]
fn plain_texts_are_read_back_as_they_were() {
    for plain in [
        "",
        " ",
        "x\n",
        "\n",
        "a\n b",
        "  lead\n",
        "trail \nx",
        "é\u{1f600}\u{0}\u{7f}\u{85}",
        "# no",
        "- x",
        "{",
        "a: b",
        "null",
        "1e3",
        "'",
        "\"",
        "a\tb",
        "a\r\nb",
        "x\n\n\n",
    ] {
        for shape in [
            "a: X\nz: ~\n",
            "a: X # c\n",
            "a: X\n\n\nb: ~\n",
            "a: [X, null]\n",
            "- X\n- ~\n",
            "X\n",
            "a:\n  - b: X\n",
        ] {
            let cipher = key().encrypt(Cipher::Werf, plain.as_bytes()).expect("encrypts");
            let (shown, _) = readable(&shape.replace('X', &cipher));
            let (again, leaves) = readable(&encrypted(&shown));
            assert_eq!(
                leaves[0].plain,
                plain.as_bytes(),
                "{plain:?} in {shape:?}: {shown}"
            );
            assert_eq!(again, shown);
        }
    }
}

#[test]
fn what_was_not_edited_keeps_its_ciphertext() {
    let before = encrypted("a: one\nb: two\nl: [p, q, r]\nd: old\n");
    let (_, leaves) = readable(&before);
    let text = |path: &str| &leaves.iter().find(|leaf| leaf.path == path).expect("a leaf").text;
    let edited = "# new\na: one\nc: two\nl: [o, p, q, r]\nd: new\n";
    let after = merge_edited(edited, &leaves, "f", &key(), Cipher::Werf).expect("encrypts");
    assert!(
        after.starts_with(&format!("# new\na: {}\nc: {}\n", text("a"), text("b"))),
        "{after}"
    );
    for kept in ["l.0", "l.1", "l.2"] {
        assert!(after.contains(text(kept).as_str()), "{kept}");
    }
    assert!(!after.contains(text("d").as_str()));
    let (shown, _) = readable(&after);
    assert_eq!(shown, edited);
}

#[test]
fn a_new_key_changes_values_alone() {
    let before = format!(
        "# c\na: {} # d\ne: \"\"\nb: {}\n",
        key().encrypt(Cipher::Werf, b"one").expect("encrypts"),
        key().encrypt(Cipher::Authenticated, b"two").expect("encrypts")
    );
    let after = rotate_values(&before, "f", &key(), &other_key(), None).expect("rotates");
    assert!(
        after.starts_with("# c\na: 1000") && after.contains(" # d\ne: \"\"\nb: kiel1."),
        "{after}"
    );
    let (shown, _) = readable_values(&after, "f", &other_key()).expect("decrypts");
    assert_eq!(shown, "# c\na: one # d\ne: \"\"\nb: two\n");
    let all = rotate_values(&after, "f", &other_key(), &key(), Some(Cipher::Authenticated)).expect("rotates");
    assert_eq!(all.matches("kiel1.").count(), 2);
}

#[test]
fn a_value_that_cannot_be_decrypted_is_named_and_not_shown() {
    let good = key().encrypt(Cipher::Werf, b"x").expect("encrypts");
    let text = format!("a: {good}\nb:\n  c: hush-hush\n");
    let error = decrypt_values(&text, "s.yaml", &key()).err().expect("an error");
    assert_eq!(
        error.to_string(),
        "cannot decrypt the value `b.c` in `s.yaml`, line 3"
    );
    let error = decrypt_values("a: 5\n", "s.yaml", &key())
        .err()
        .expect("an error");
    assert!(format!("{error:?}").contains("NotText"));
    let error = decrypt_values("a: [hush-hush\n", "s.yaml", &key())
        .err()
        .expect("an error");
    assert!(!error.to_string().contains("hush"), "{error}");
}

#[test]
fn files_are_laid_out_as_by_werf() {
    for (text, want) in [
        ("", "null\n"),
        ("a: 1\n\n\nb: 2 # c\n", "a: 1\nb: 2\n"),
        ("# h\n\na: 1\n", "# h\n\na: 1\n"),
        ("a:\n- 1\n-   - 2\n    - 3\n", "a:\n  - 1\n  - - 2\n    - 3\n"),
        (
            "a:\n      b: 1\n      c:\n          - d: x\n            e: y\n",
            "a:\n  b: 1\n  c:\n    - d: x\n      e: y\n",
        ),
        (
            "a: &x\n    k: v\nb: *x\nc:\n    - *x\n    - &y z\n",
            "a: &x\n  k: v\nb: *x\nc:\n  - *x\n  - &y z\n",
        ),
        (
            "a: ~ # n\nb: # m\nc: {x: 1} # f\n",
            "a: ~ # n\nb: # m\nc: {x: 1} # f\n",
        ),
        (
            "a:\n    # in\n    b: |\n        x\n        # no\n# out\nc: 1\n# end\n",
            "a:\n  # in\n  b: |\n    x\n    # no\n# out\nc: 1\n# end\n",
        ),
        ("? a\n: b\n", "? a\n: b\n"),
    ] {
        assert_eq!(tidy(text, "f").expect("YAML"), want, "{text:?}");
    }
}
