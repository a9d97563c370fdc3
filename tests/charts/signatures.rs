//! Signed charts beside the real Helm: each verifies what the other has signed, and both refuse the same in the same words.

use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use kiel::charts::{Keyring, SignedFile};
use pgp::composed::{ArmorOptions, KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder};
use pgp::ser::Serialize as _;

use super::commands::Pair;
use super::fake::Fake;
use super::world::{Pages, Readers, archive, pages, serve};

/// The machine's entropy, for keys that are made here.
struct Entropy;

impl rand_core::RngCore for Entropy {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        getrandom::fill(dest).expect("a running system has entropy");
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl rand_core::CryptoRng for Entropy {}

fn key(name: &str, kind: KeyType, passphrase: Option<&str>) -> SignedSecretKey {
    let mut params = SecretKeyParamsBuilder::default();
    params
        .key_type(kind)
        .can_certify(true)
        .can_sign(true)
        .primary_user_id(name.to_owned())
        .passphrase(passphrase.map(str::to_owned));
    let params = params.build().expect("these belong together");
    params.generate(Entropy).expect("a key can be made")
}

/// Keys that all tests share: to make those of RSA takes a second.
struct Keys {
    /// Ann's, of RSA; Bo's, with the passphrase `secret`.
    secret: Vec<u8>,
    public: Vec<u8>,
    armored: Vec<u8>,
    /// Bo's alone.
    bo: Vec<u8>,
    /// Of somebody whose main key may not sign, but whose subkey may.
    subkey: Vec<u8>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let bytes = |key: &SignedSecretKey| key.to_bytes().expect("a key has bytes");
    let public = |key: &SignedSecretKey| key.to_public_key().to_bytes().expect("a key has bytes");
    let ann = key("Ann Signer <ann@example.org>", KeyType::Rsa(2048), None);
    let bo = key(
        "Bo Signer (b) <bo@example.org>",
        KeyType::Ed25519Legacy,
        Some("secret"),
    );
    let mut subkey = SubkeyParamsBuilder::default();
    subkey.key_type(KeyType::Ed25519Legacy).can_sign(true);
    let mut cy = SecretKeyParamsBuilder::default();
    cy.key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .primary_user_id("Cy".to_owned())
        .subkey(subkey.build().expect("these belong together"));
    let cy = cy.build().expect("these belong together").generate(Entropy);
    let armored = ann.to_public_key().to_armored_string(ArmorOptions::default());
    Keys {
        secret: [bytes(&ann), bytes(&bo)].concat(),
        public: [public(&ann), public(&bo)].concat(),
        armored: armored.expect("a key has text").into_bytes(),
        bo: public(&bo),
        subkey: bytes(&cy.expect("a key can be made")),
    }
});

fn pair() -> Result<Pair> {
    let pair = Pair::new()?;
    let keys = &*KEYS;
    for (path, content) in [
        ("sec.gpg", &keys.secret[..]),
        ("pub.gpg", &keys.public),
        ("pub.asc", &keys.armored),
        ("bo.gpg", &keys.bo),
        ("cy.gpg", &keys.subkey),
        ("cut.gpg", &keys.public[..200]),
        ("no.gpg", b"no keyring"),
        ("empty", b""),
        ("pass", b"secret\nmore"),
        ("wrong", b"Secret\n"),
        (
            "c/Chart.yaml",
            b"apiVersion: v2\nname: c\nversion: 1.0.0+b\ndescription: \"- a: 'b' \"\nkeywords: ['-x']\n",
        ),
        ("c/values.yaml", b"a: 1\n"),
        ("c/templates/t.yaml", b"kind: A\nmetadata: {name: a}\n"),
    ] {
        pair.write(path, content)?;
    }
    Ok(pair)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_are_signed_and_refused_as_by_helm() -> Result<()> {
    let pair = pair()?;
    for command in [
        "package c --sign",
        "package c --sign --key Ann --keyring none.gpg",
        "package c --sign --key Ann --keyring pub.asc",
        "package c --sign --key Ann --keyring pub.gpg",
        "package c --sign --key Ann --keyring empty",
        "package c --sign --key Signer --keyring sec.gpg",
        "package c --sign --key nobody --keyring sec.gpg",
        "package c --sign --key Bo --keyring sec.gpg",
        "package c --sign --key Bo --keyring sec.gpg --passphrase-file wrong",
        "package c --sign --key Bo --keyring sec.gpg --passphrase-file none",
        "package c --sign --key Bo --keyring sec.gpg --passphrase-file empty",
        "package c --sign --key Bo --keyring sec.gpg --passphrase-file pass",
    ] {
        pair.check(command).await?;
    }
    let package = "package c --sign --keyring sec.gpg --key";
    let bo = "Bo Signer (b) <bo@example.org>";
    let with_bo: Vec<&str> = package.split(' ').chain([bo, "--passphrase-file", "-"]).collect();
    let kiel = env!("CARGO_BIN_EXE_kiel");
    let with_kiel: Vec<&str> = ["helm"].into_iter().chain(with_bo.iter().copied()).collect();
    let signed = pair.ours.run(kiel, &with_kiel, Some("secret\n")).await?.ok()?;
    ensure!(signed.contains("c-1.0.0+b.tgz"), "{signed}");
    for (key, signer) in [("Ann", "ann"), ("Bo", "bo")] {
        let command = format!("{package} {key} --passphrase-file pass");
        pair.check(&command).await?;
        // Each verifies what the other has signed.
        for (from, dir) in [(&pair.ours, "kiel"), (&pair.theirs, "helm")] {
            for file in ["c-1.0.0+b.tgz", "c-1.0.0+b.tgz.prov"] {
                let content = fs_err::read(from.path("work").join(file))?;
                pair.write(&format!("{dir}/{file}"), content)?;
            }
            let run = pair
                .check(&format!("verify {dir}/c-1.0.0+b.tgz --keyring pub.gpg"))
                .await?;
            ensure!(run.stdout.contains(&format!("<{signer}@example.org>")), "{run:?}");
        }
        let about = |dir: &str| -> Result<String> {
            let text = pair.ours.read(&format!("{dir}/c-1.0.0+b.tgz.prov"))?;
            let (about, _) = text.split_once("sha256:").context("a digest")?;
            Ok(about.to_owned())
        };
        ensure!(about("kiel")? == about("helm")?, "{}", about("kiel")?);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_is_refused_as_by_helm() -> Result<()> {
    let pair = pair()?;
    let sign = "package c --sign --keyring sec.gpg --passphrase-file pass --key";
    let sign: Vec<&str> = sign.split(' ').collect();
    let path = "c-1.0.0+b.tgz";
    for (name, key) in [("ann", "Ann"), ("bo", "Bo")] {
        pair.theirs.helm(&[&sign[..], &[key]].concat()).await?.ok()?;
        let archive = fs_err::read(pair.theirs.path("work").join(path))?;
        let prov = pair.theirs.read(&format!("{path}.prov"))?;
        pair.write(&format!("{name}/{path}"), &archive)?;
        pair.write(&format!("{name}/{path}.prov"), &prov)?;
        pair.write(&format!("{name}/other.tgz"), &archive)?;
        pair.write(&format!("{name}/other.tgz.prov"), &prov)?;
        pair.write(&format!("{name}/longer/{path}"), [&archive[..], b"\n"].concat())?;
        pair.write(&format!("{name}/longer/{path}.prov"), &prov)?;
        for (dir, text) in [
            ("text", prov.replace("name: c", "name: d")),
            ("crlf", prov.replace('\n', "\r\n")),
            ("around", format!("before\n{prov}\nbehind\n")),
            ("hash", prov.replace("SHA512", "SHA256")),
            ("head", prov.replace("Hash: SHA512", "Hash: none")),
            ("cut", prov[..prov.len() - 40].to_owned()),
            ("none", "nothing".to_owned()),
        ] {
            pair.write(&format!("{name}/{dir}/{path}"), &archive)?;
            pair.write(&format!("{name}/{dir}/{path}.prov"), text)?;
        }
        for file in [
            &format!("{name}/{path}"),
            &format!("{name}/other.tgz"),
            &format!("{name}/longer/{path}"),
            &format!("{name}/text/{path}"),
            &format!("{name}/crlf/{path}"),
            &format!("{name}/around/{path}"),
            &format!("{name}/hash/{path}"),
            &format!("{name}/head/{path}"),
            &format!("{name}/cut/{path}"),
            &format!("{name}/none/{path}"),
        ] {
            pair.check(&format!("verify {file} --keyring pub.gpg")).await?;
        }
    }
    pair.write("alone.tgz", "no archive")?;
    pair.write("dir.tgz/x", "")?;
    pair.write("file.tar", "")?;
    pair.write("beside.tgz", "")?;
    pair.write("beside.tgz.prov/x", "")?;
    for command in [
        "verify",
        "verify none.tgz",
        "verify alone.tgz",
        "verify dir.tgz",
        "verify file.tar",
        "verify beside.tgz --keyring pub.gpg",
        &format!("verify ann/{path}"),
        &format!("verify ann/{path} --keyring none.gpg"),
        &format!("verify ann/{path} --keyring c"),
        &format!("verify ann/{path} --keyring pub.asc"),
        &format!("verify ann/{path} --keyring cut.gpg"),
        &format!("verify ann/{path} --keyring no.gpg"),
        &format!("verify ann/{path} --keyring empty"),
        &format!("verify ann/{path} --keyring bo.gpg"),
        &format!("verify ann/{path} --keyring cy.gpg"),
        &format!("verify ann/{path} --keyring sec.gpg"),
        &format!("template ann/{path} --verify --keyring pub.gpg"),
        &format!("template ann/{path} --verify --keyring bo.gpg"),
        &format!("show chart ann/{path} --verify"),
        "template c --verify",
    ] {
        pair.check(command).await?;
    }
    Ok(())
}

/// A repository with the signed chart `one`, the chart `two` without a signature, and `three` with a wrong one.
async fn repository() -> Result<Fake> {
    let charts = [("one", "1.0.0"), ("two", "1.0.0"), ("three", "1.0.0")];
    let mut pages: Pages = pages(&charts)?;
    let keyring = Keyring::parse(&KEYS.secret)?;
    for (name, path) in [("one", "/one-1.0.0.tgz"), ("three", "/three-1.0.0.tgz")] {
        let file = SignedFile {
            name: &path[1..],
            archive: &pages[path],
        };
        let metadata = kiel_chart::load_archive(file.archive)?.metadata;
        let now = u32::try_from(jiff::Timestamp::now().as_second())?;
        let prov = keyring.sign("Bo", b"secret", file, &metadata, now)?;
        let prov = if name == "three" {
            prov.replace("name: three", "name: tree")
        } else {
            prov
        };
        pages.insert(format!("{path}.prov"), prov.into_bytes());
    }
    let other = archive("one", "1.0.0")?;
    pages.insert("/other-1.0.0.tgz".to_owned(), other);
    serve(pages, Readers::All, None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_are_verified_as_by_helm() -> Result<()> {
    let pair = pair()?;
    let server = repository().await?;
    let url = format!("http://{}", server.address);
    pair.check(&format!("repo add r {url}")).await?;
    pair.write("there/x", "")?;
    for command in [
        "pull r/one --verify --keyring pub.gpg",
        "pull r/one --verify --keyring pub.gpg --untar",
        "pull r/one --verify --keyring empty --untar --untardir x",
        "pull r/one --verify",
        "pull r/one --prov -d there",
        "pull r/two --verify --keyring pub.gpg",
        "pull r/three --verify --keyring pub.gpg",
        &format!("pull one --repo {url} --verify --keyring bo.gpg"),
        &format!("pull {url}/other-1.0.0.tgz --verify --keyring bo.gpg"),
        "template r/one --verify --keyring pub.gpg",
        "template r/one --verify --keyring cy.gpg",
        "template r/two --verify --keyring pub.gpg",
        "show chart r/three --verify --keyring pub.gpg",
    ] {
        pair.check(command).await?;
    }
    // What is not what was signed is not left behind.
    let files = pair.ours.files(".")?;
    ensure!(files.contains(&"one-1.0.0.tgz.prov".to_owned()), "{files:?}");
    ensure!(!files.iter().any(|file| file.contains("three")), "{files:?}");
    for (name, is_signed) in [("one", true), ("two", false), ("three", false)] {
        pair.write(
            "c/Chart.yaml",
            format!(
                "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n- {{name: {name}, version: 1.0.0, repository: \"{url}\"}}\n"
            ),
        )?;
        for command in ["update", "build"] {
            let args = ["dep", command, "c", "--verify", "--keyring", "pub.gpg"];
            let (ours, theirs) = (pair.ours.kiel_helm(&args).await?, pair.theirs.helm(&args).await?);
            // Helm takes the provenance file for a chart that can't be read, and says so with a path of the moment.
            let told: Vec<&str> = theirs.stdout.split("Could not verify ").collect();
            let told = told
                .iter()
                .map(|text| text.split_once("(Skipping)").map_or(*text, |(_, rest)| rest));
            let told: String = told.collect();
            ensure!(
                ours.stdout == told && ours.stderr == theirs.stderr && ours.code == theirs.code,
                "{name} {command}\n{ours:?}\n{theirs:?}"
            );
            ensure!(
                (ours.code == 0) == (is_signed || (name, command) == ("two", "build")),
                "{ours:?}"
            );
            pair.check("dep update c").await?;
        }
    }
    Ok(())
}
