//! Layers out of commits.

use std::io::Read;
use std::process::Command;

use kiel::git::layer::{Content, Layer, LayerEntry, Owner, mapping_entries, removal_entries, write_layer};
use kiel_stapel::listing::FileMode;

use super::sandbox::Sandbox;

fn all(_: &str) -> bool {
    true
}

fn sample() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("app/main", "1");
    sandbox.write("app/lib/ä", "2");
    sandbox.write("app/lib-x", "3");
    sandbox.write("app/run", "#!/bin/sh\n");
    sandbox.chmod("app/run", 0o755);
    sandbox.link("app/link", "lib/ä");
    sandbox.write("one", "1");
    sandbox.commit();
    sandbox
}

fn layer_of(sandbox: &Sandbox, dir: &str, to: &str, owner: &Owner) -> Layer {
    let tree = sandbox.tree();
    let files = tree.listing(dir, all).expect("files");
    write_layer(mapping_entries(&files, to, owner), &tree).expect("a layer")
}

/// `mode owner/group path -> target` as GNU tar prints, without sizes and times.
fn printed(layer: &Layer) -> Vec<String> {
    let mut archive = tar::Archive::new(std::io::Cursor::new(layer.bytes().expect("bytes")));
    let line = |entry: tar::Entry<'_, _>| {
        let header = entry.header();
        let numbers = (
            header.mode().expect("a mode"),
            header.uid().expect("a user"),
            header.gid().expect("a group"),
        );
        let target = entry
            .link_name()
            .expect("a target")
            .map(|target| format!(" -> {}", target.display()));
        let path = entry.path().expect("a path").display().to_string();
        format!(
            "{:o} {}/{} {path}{}",
            numbers.0,
            numbers.1,
            numbers.2,
            target.unwrap_or_default()
        )
    };
    archive
        .entries()
        .expect("entries")
        .map(|entry| line(entry.expect("an entry")))
        .collect()
}

#[test]
fn a_mapping_becomes_a_layer() {
    let sandbox = sample();
    let layer = layer_of(
        &sandbox,
        "app",
        "/usr/src/app/",
        &Owner {
            user_id: 1000,
            group_id: 1000,
            ..Owner::default()
        },
    );
    let want = [
        "755 0/0 usr/",
        "755 0/0 usr/src/",
        "755 1000/1000 usr/src/app/",
        "755 1000/1000 usr/src/app/lib/",
        "644 1000/1000 usr/src/app/lib-x",
        "644 1000/1000 usr/src/app/lib/ä",
        "777 1000/1000 usr/src/app/link -> lib/ä",
        "644 1000/1000 usr/src/app/main",
        "755 1000/1000 usr/src/app/run",
    ];
    assert_eq!(printed(&layer), want);
    assert_eq!(
        (layer.media_type, &layer.digest),
        ("application/vnd.oci.image.layer.v1.tar", &layer.diff_id)
    );
    assert_eq!(layer.size, layer.bytes().expect("bytes").len() as u64);
    assert_eq!(
        layer.read_at(5, 3).expect("bytes"),
        layer.bytes().expect("bytes").slice(5..8)
    );
    assert!(
        layer
            .read_at(layer.size + 1, 3)
            .is_ok_and(|bytes| bytes.is_empty())
    );
}

#[test]
fn gnu_tar_unpacks_what_git_archive_packs() {
    let sandbox = sample();
    let (ours, theirs) = (sandbox.outside().join("ours"), sandbox.outside().join("theirs"));
    for (dir, archive) in [
        (
            &ours,
            layer_of(&sandbox, "", "", &Owner::default())
                .bytes()
                .expect("bytes")
                .to_vec(),
        ),
        (&theirs, archive_by_git(&sandbox)),
    ] {
        fs_err::create_dir_all(dir).expect("a folder");
        let file = sandbox.outside().join("archive.tar");
        fs_err::write(&file, archive).expect("a file");
        let status = Command::new("tar")
            .arg("-xf")
            .arg(&file)
            .arg("-C")
            .arg(dir)
            .status()
            .expect("tar runs");
        assert!(status.success());
    }
    let diff = Command::new("diff")
        .arg("-r")
        .arg(&ours)
        .arg(&theirs)
        .output()
        .expect("diff runs");
    assert!(diff.status.success(), "{}", String::from_utf8_lossy(&diff.stdout));
}

fn archive_by_git(sandbox: &Sandbox) -> Vec<u8> {
    let file = sandbox.outside().join("git.tar");
    sandbox.git(&["archive", "--output", &file.display().to_string(), "HEAD"]);
    fs_err::read(file).expect("an archive")
}

/// A commit's layer has this digest on every machine, for ever: what is published relies on it.
#[test]
fn the_digest_is_a_function_of_the_content() {
    let digest = "sha256:a5f6bd9cf4fcd15097c647c263a31a3101ebdb5a6ba416b9d12f761fa23ef527";
    let sandbox = sample();
    assert_eq!(
        layer_of(&sandbox, "app", "/app", &Owner::default()).digest,
        digest
    );
    let other = Sandbox::with_arguments(&["--object-format=sha256"]);
    for path in ["one", "app/run", "app/lib/ä", "app/lib-x", "app/main"] {
        other.write(path, fs_err::read(sandbox.dir().join(path)).expect("a file"));
    }
    other.chmod("app/run", 0o755);
    other.link("app/link", "lib/ä");
    other.commit();
    assert_eq!(
        layer_of(&other, "app", "/app", &Owner::default()).digest,
        digest,
        "ids are not in it"
    );
    other.chmod("app/main", 0o755);
    other.commit();
    assert_ne!(layer_of(&other, "app", "/app", &Owner::default()).digest, digest);
}

#[test]
fn a_single_file_goes_where_it_is_sent() {
    let sandbox = sample();
    assert_eq!(
        printed(&layer_of(&sandbox, "one", "/etc/one.conf", &Owner::default())),
        ["755 0/0 etc/", "644 0/0 etc/one.conf"]
    );
}

#[test]
fn patches_hold_whiteouts_and_known_folders_keep_their_modes() {
    let sandbox = sample();
    let entry = |path: &str, content| LayerEntry {
        path: path.into(),
        content,
        owner: Owner::default(),
    };
    let entries = [
        entry("/tmp/x", Content::Bytes(FileMode::Regular, b"1".to_vec())),
        entry("root/.profile", Content::Bytes(FileMode::Regular, Vec::new())),
        entry("app/old", Content::Whiteout),
        entry("gone", Content::Whiteout),
        entry("app/x", Content::Bytes(FileMode::Regular, b"first".to_vec())),
        entry("app/x", Content::Bytes(FileMode::Regular, b"last".to_vec())),
        entry("module", Content::Blob(FileMode::Commit, "0".repeat(40))),
    ];
    let layer = write_layer(entries, &sandbox.tree()).expect("a layer");
    let want = [
        "755 0/0 app/",
        "644 0/0 app/.wh.old",
        "644 0/0 app/x",
        "644 0/0 .wh.gone",
        "755 0/0 module/",
        "700 0/0 root/",
        "644 0/0 root/.profile",
        "1777 0/0 tmp/",
        "644 0/0 tmp/x",
    ];
    assert_eq!(printed(&layer), want);
    let mut archive = tar::Archive::new(std::io::Cursor::new(layer.bytes().expect("bytes")));
    let mut x = archive
        .entries()
        .expect("entries")
        .nth(2)
        .expect("an entry")
        .expect("an entry");
    let mut content = String::new();
    x.read_to_string(&mut content).expect("content");
    assert_eq!(content, "last");
}

#[test]
fn removals_leave_folders_to_their_owner() {
    let sandbox = sample();
    let owner = Owner {
        user_id: 1000,
        group_id: 33,
        ..Owner::default()
    };
    let entries = removal_entries(["x", "lib/y"], "/srv/app", &owner);
    let layer = write_layer(entries, &sandbox.tree()).expect("a layer");
    let want = [
        "755 0/0 srv/",
        "755 1000/33 srv/app/",
        "755 1000/33 srv/app/lib/",
        "644 1000/33 srv/app/lib/.wh.y",
        "644 1000/33 srv/app/.wh.x",
    ];
    assert_eq!(printed(&layer), want);
    let file = removal_entries([""], "/etc/one.conf", &Owner::default());
    assert_eq!(
        printed(&write_layer(file, &sandbox.tree()).expect("a layer")),
        ["755 0/0 etc/", "644 0/0 etc/.wh.one.conf"]
    );
}

#[test]
fn what_no_layer_can_hold_is_refused() {
    let sandbox = sample();
    let tree = sandbox.tree();
    let file = |path: &str| LayerEntry {
        path: path.into(),
        content: Content::Bytes(FileMode::Regular, Vec::new()),
        owner: Owner::default(),
    };
    for (paths, want) in [
        (
            &["a/../b"][..],
            "cannot put `a/../b` into a layer: it holds `.` or `..`",
        ),
        (&["/"], "cannot put `/` into a layer: a part of the path is empty"),
        (
            &["a/.wh.b"],
            "cannot put `a/.wh.b` into a layer: names that begin with `.wh.` mean deleted files in layers",
        ),
        (
            &["a", "a/b"],
            "cannot put `a/b` into a layer: a path above it is no folder in the same layer",
        ),
    ] {
        let error = write_layer(paths.iter().map(|path| file(path)), &tree).expect_err(want);
        assert_eq!(error.to_string(), want);
    }
    let missing = LayerEntry {
        content: Content::Blob(FileMode::Regular, "1".repeat(40)),
        ..file("a")
    };
    let error = write_layer([missing], &tree).expect_err("no blob").to_string();
    assert_eq!(error, "cannot read `a` for a layer");
}

#[test]
fn large_layers_go_through_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("big", vec![7; 9 << 20]);
    sandbox.commit();
    let layer = layer_of(&sandbox, "", "", &Owner::default());
    assert!(layer.size > 9 << 20);
    assert_eq!(
        &layer.read_at(layer.size - 1024 - 1, 2).expect("bytes")[..],
        [7, 0]
    );
    assert_eq!(&layer.read_at(4096, 2).expect("bytes")[..], [7, 7]);
}

#[test]
fn pointers_of_lfs_are_named() {
    let sandbox = Sandbox::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    sandbox.write("assets/a.bin", pointer);
    sandbox.write("assets/about.md", format!("A pointer: {pointer}"));
    sandbox.write("assets/long", format!("{pointer}{}", "x".repeat(1024)));
    sandbox.commit();
    let layer = layer_of(&sandbox, "", "/srv", &Owner::default());
    assert_eq!(layer.pointers, ["srv/assets/a.bin"]);
}
