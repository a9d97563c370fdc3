use super::*;

#[test]
fn what_is_signed_is_the_chart_and_its_digest() {
    let metadata = Metadata {
        name: "c".to_owned(),
        version: "1.0.0".to_owned(),
        ..Metadata::default()
    };
    let file = SignedFile {
        name: "c-1.0.0.tgz",
        archive: b"abc",
    };
    let text = message(file, &metadata).unwrap();
    let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(
        text.starts_with("name: c\n") || text.contains("\nname: c\n"),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("\n\n...\nfiles:\n  c-1.0.0.tgz: {digest}\n")),
        "{text}"
    );
    assert_eq!(signed_digest(text.as_bytes(), "c-1.0.0.tgz").unwrap(), digest);
    let other = signed_digest(text.as_bytes(), "d.tgz").unwrap_err();
    assert_eq!(
        other.to_string(),
        "provenance does not contain a SHA for a file named \"d.tgz\""
    );
}

#[test]
fn keyrings_that_are_none_are_refused() {
    let check = |data: &[u8], want: Option<&str>| {
        let got = Keyring::parse(data).err().map(|error| error.to_string());
        assert_eq!(got.as_deref(), want);
    };
    check(b"", None);
    check(
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
        Some("openpgp: invalid data: tag byte does not have MSB set"),
    );
    // A packet of 100 bytes, of which one is there.
    check(&[0xc6, 100, 4], Some("unexpected EOF"));
    // A user's name without a key.
    check(
        &[0xcd, 1, b'a'],
        Some("openpgp: invalid data: first packet was not a public/private key"),
    );
}

#[test]
fn random_bytes_end_in_an_error() {
    let mut state = 7u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    let keyring = Keyring { keys: Vec::new() };
    for length in 0..2_000_usize {
        let mut data: Vec<u8> = (0..length % 97).map(|_| next()).collect();
        if let Some(first) = data.first_mut() {
            *first |= 0xc0;
        }
        let _read = Keyring::parse(&data);
        let armored = clear_text::encode("x\n...\ny", "SHA512", "-----BEGIN PGP SIGNATURE-----\n\n");
        let file = SignedFile {
            name: "c",
            archive: b"",
        };
        let text = format!(
            "{armored}\n{}\n-----END PGP SIGNATURE-----",
            data.iter()
                .map(|byte| char::from(byte % 64 + 48))
                .collect::<String>()
        );
        assert!(keyring.verify(file, text.as_bytes(), 0).is_err());
    }
}
