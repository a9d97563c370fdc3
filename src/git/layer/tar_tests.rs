use sha2::{Digest, Sha256};

use super::*;

fn nobody() -> Owner {
    Owner::default()
}

/// SHA-256 of the same entries written by `archive/tar` of Go 1.26.8.
const GO: &str = "1eddab7ba415d519339cbcc0c1c8420cb7ce28b93e0de329fdb373836b6d056b";

#[test]
fn writes_what_go_writes() {
    let long = format!("{}/{}", "d".repeat(90), "n".repeat(60));
    let longer = format!("{}/{}", "p".repeat(120), "q".repeat(120));
    let link = || Kind::Link(longer.clone());
    let www = Owner {
        user_id: 1000,
        group_id: 33,
        user: "www".into(),
        group: "data".into(),
    };
    let big = Owner {
        user_id: 4_000_000_000,
        group_id: 3_000_000,
        user: "jörg".into(),
        group: "g".repeat(33),
    };
    let z = "z".repeat(512);
    let deep = format!("{}/{}/xyz", "é".repeat(40), "a".repeat(95));
    let entries: Vec<(String, Kind, u32, &str, Owner)> = vec![
        ("app/".into(), Kind::Folder, 0o755, "", nobody()),
        ("app/empty".into(), Kind::File, 0o644, "", nobody()),
        ("app/run".into(), Kind::File, 0o755, "#!/bin/sh\n", nobody()),
        (
            "app/link".into(),
            Kind::Link("../run".into()),
            0o777,
            "",
            nobody(),
        ),
        ("app/grüße".into(), Kind::File, 0o644, "ä", nobody()),
        (format!("app/{long}"), Kind::File, 0o644, "split", nobody()),
        (
            format!("app/{}", "x".repeat(130)),
            Kind::File,
            0o644,
            "one part",
            nobody(),
        ),
        (longer.clone(), Kind::File, 0o644, "no split", nobody()),
        (format!("app/folder-{long}/"), Kind::Folder, 0o755, "", nobody()),
        ("app/far".into(), link(), 0o777, "", nobody()),
        (format!("app/{long}far"), link(), 0o777, "", nobody()),
        ("app/owned".into(), Kind::File, 0o644, &z, www),
        ("app/big-owner".into(), Kind::File, 0o644, "", big),
        (
            "app/with\nnewline \"quote\"".into(),
            Kind::File,
            0o644,
            "",
            nobody(),
        ),
        (deep, Kind::File, 0o644, "", nobody()),
    ];
    let mut tar = TarWriter::new(Vec::new());
    for (path, kind, mode, content, owner) in entries {
        let header = Header::new(&path, kind, mode, content.len() as u64, &owner);
        tar.append(&header, content.as_bytes()).expect("memory");
    }
    let bytes = tar.finish().expect("memory");
    assert_eq!(hex::encode(Sha256::digest(&bytes)), GO);
}

#[test]
fn another_reader_reads_it() {
    let path = format!("{}/{}", "ü".repeat(60), "n".repeat(140));
    let mut tar = TarWriter::new(Vec::new());
    let header = Header::new(&path, Kind::File, 0o755, 5, &nobody());
    tar.append(&header, b"hello").expect("memory");
    let bytes = tar.finish().expect("memory");
    let mut archive = ::tar::Archive::new(bytes.as_slice());
    let mut entries = archive.entries().expect("an archive");
    let mut entry = entries.next().expect("an entry").expect("a header");
    assert_eq!(entry.path().expect("a path").to_str(), Some(path.as_str()));
    assert_eq!(
        (entry.header().mode().ok(), entry.header().mtime().ok()),
        (Some(0o755), Some(TIME))
    );
    let mut content = String::new();
    std::io::Read::read_to_string(&mut entry, &mut content).expect("its content");
    assert_eq!(content, "hello");
    assert!(entries.next().is_none());
}

#[test]
fn record_lengths_count_themselves() {
    assert_eq!(record("path", "a"), "9 path=a\n");
    assert_eq!(record("path", &"a".repeat(89)).len(), 98);
    assert_eq!(
        record("path", &"a".repeat(90)),
        format!("99 path={}\n", "a".repeat(90))
    );
    assert_eq!(
        record("path", &"a".repeat(91)),
        format!("101 path={}\n", "a".repeat(91))
    );
}
