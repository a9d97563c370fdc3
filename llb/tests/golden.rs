//! The wire form of one graph that uses every operation, byte for byte.
//!
//! `golden/everything.llb` is what these calls gave when it was written; `golden/everything.json` is how the real
//! `buildctl debug dump-llb` (0.32.2) reads it. Written again by `cargo test -p kiel-llb -- --ignored`.

use kiel_llb::{
    CopyOptions, Exec, FileChain, Output, Owner, Platform, Sharing, diff, docker_image, git, http, merge,
    oci_layout, pb,
};
use prost::Message;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn platform() -> Platform {
    "linux/arm/v7".parse().expect("a platform")
}

fn everything() -> Output {
    let on = platform();
    let base = docker_image(&format!("docker.io/library/alpine@{DIGEST}"), &on, "base");
    let lower = oci_layout(DIGEST, "kiel", "session-1", &on, "lower");
    let upper = oci_layout(&DIGEST.replace('0', "f"), "kiel", "session-1", &on, "upper");
    let patched = merge(
        &[
            base.clone(),
            lower.clone(),
            diff(Some(&lower), Some(&upper), "patch"),
        ],
        "image so far",
    )
    .expect("three inputs");
    let tools = git("https://example.org/tools.git", &"a".repeat(40), "tools");
    let archive = http("https://example.org/a.tgz", DIGEST, "a.tgz", "archive");
    let options = CopyOptions {
        include: vec!["**/*.so".into()],
        exclude: vec!["doc".into()],
        owner: Some(Owner {
            user: Some("app".into()),
            group: Some("1000".into()),
        }),
    };
    let import = FileChain::new(None)
        .owners_of(&base)
        .copy(&tools, "/out", "/opt/tools", &options)
        .copy(&archive, "/a.tgz", "/opt/a.tgz", &CopyOptions::default())
        .mkdir("/opt/empty", 0o750)
        .mkfile("/opt/version", 0o644, b"1\n")
        .rm("/opt/tools/doc")
        .root(&on, "import");
    let root = merge(&[patched, import], "with import").expect("two inputs");
    Exec::new(Some(&root), &["/bin/sh", "-ec", "make"])
        .env("PATH", "/usr/bin:/bin")
        .cwd("/app")
        .user("app")
        .host("db", "10.0.0.1")
        .network(pb::NetMode::Host)
        .bind(&base, "/etc", "/base-etc")
        .cache("kiel/cache", None, Sharing::Locked, "/cache")
        .tmpfs("/tmp")
        .secret("token", "/run/secrets/token")
        .ssh("default", "/run/ssh.sock")
        .root(&on, "install")
}

#[test]
fn bytes_are_those_of_the_golden_file() {
    assert_eq!(
        hex::encode(everything().definition().encode_to_vec()),
        hex::encode(include_bytes!("golden/everything.llb"))
    );
}

#[test]
fn every_step_that_the_real_reader_sees_is_ours() {
    let dumped = include_str!("golden/everything.json");
    let definition = everything().definition();
    assert_eq!(dumped.lines().count(), definition.def.len());
    for digest in definition.metadata.keys() {
        assert!(
            dumped.contains(&format!("\"Digest\":\"{digest}\"")),
            "{digest} is missing in the dump"
        );
    }
}

#[test]
fn a_name_does_not_change_a_digest() {
    let named = |name| docker_image("a@b", &platform(), name);
    assert_eq!(named("x").digest(), named("y").digest());
}

#[test]
fn a_shared_step_is_sent_once() {
    let base = docker_image("a@b", &platform(), "");
    let left = Exec::new(Some(&base), &["left"]).root(&platform(), "");
    let right = Exec::new(Some(&docker_image("a@b", &platform(), "")), &["right"]).root(&platform(), "");
    let both = merge(&[left, right], "").expect("two inputs");
    // base, left, right, merge, and the operation that ends a definition
    assert_eq!(both.definition().def.len(), 5);
}

#[test]
fn an_input_comes_before_what_needs_it() {
    let definition = everything().definition();
    let mut known: Vec<String> = Vec::new();
    for bytes in &definition.def {
        let op = pb::Op::decode(bytes.as_slice()).expect("own bytes");
        assert!(op.inputs.iter().all(|input| known.contains(&input.digest)));
        known.push(
            definition
                .metadata
                .keys()
                .find(|digest| sha256(bytes) == **digest)
                .expect("metadata of every step")
                .clone(),
        );
    }
}

#[test]
fn merging_one_filesystem_is_that_filesystem() {
    let base = docker_image("a@b", &platform(), "");
    assert_eq!(
        merge(std::slice::from_ref(&base), "")
            .expect("one input")
            .digest(),
        base.digest()
    );
    assert!(merge(&[], "").is_none());
}

#[test]
fn platforms_are_checked() {
    for bad in ["", "linux", "linux/", "a/b/c/d", "linux/am d64"] {
        assert!(bad.parse::<Platform>().is_err(), "{bad}");
    }
    assert_eq!(platform().to_string(), "linux/arm/v7");
}

#[test]
fn a_platform_has_one_form() {
    for (written, form) in [
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("Linux/AMD64", "linux/amd64"),
        ("linux/x86_64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("arm64", "linux/arm64"),
        ("linux/riscv64", "linux/riscv64"),
    ] {
        let platform: Platform = written.parse().expect(written);
        assert_eq!(platform.to_string(), form);
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[test]
#[ignore = "writes the golden file"]
#[expect(
    clippy::disallowed_methods,
    reason = "this crate has no other use for a file library"
)]
fn write_golden() {
    std::fs::write(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/everything.llb"),
        everything().definition().encode_to_vec(),
    )
    .expect("write");
}
