//! Builds by the command, whose base and repository are on registries of every kind: kiel and the engine that it starts
//! get credentials and authorities by what the user has configured once.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use kiel::registry::{
    Blob, BlobSource, Descriptor, Digest, MEDIA_OCI_CONFIG, MEDIA_OCI_MANIFEST, Manifest, Platform,
    Reference, Registry, RegistryOptions, Repository, Url, validate,
};
use libtest_mimic::Trial;

use super::authority::Authority;
use super::engine::{self, User};
use super::fake::{Action, Fake, Place, http};
use super::support::{Login, Server};
use super::tokens::{self, Signer};
use super::{config_of, faulty, registry_program};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        faulty("a_build_uses_a_registry_with_a_password", password),
        faulty(
            "a_build_of_an_ordinary_user_uses_a_registry_with_a_password_over_tls",
            password_of_user,
        ),
        faulty("a_build_uses_a_registry_with_tokens_over_tls", tokens_by_flag),
        faulty("a_build_trusts_what_docker_trusts", password_by_folder),
        faulty("a_tag_that_appears_in_mid_build_is_honoured", tag_race),
        faulty("a_build_goes_on_when_its_registry_is_back", stopped),
    ]
}

/// The length of an image's tag, which is its key; the tags of all else are longer.
const IMAGE_TAG: usize = 56;

/// A project with an image that only an engine can build.
struct Build {
    folder: tempfile::TempDir,
    /// The registry as the build sees it.
    address: String,
    /// Who builds, where that is not root.
    account: Option<User>,
}

#[expect(clippy::disallowed_methods, reason = "a test's environment is its input")]
fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run cargo xtask test"))
}

impl Build {
    /// The base is copied into the registry, `registry` reaches it with all rights.
    async fn new(address: &str, registry: &Registry) -> Result<Self> {
        let base: Reference = format!("{address}/bases/busybox:1.36").parse()?;
        let from: Reference = "busybox:1.36".parse()?;
        let copied = validate::copy(registry, &from, &base, &Platform::host()).await?;
        ensure!(copied.is_some(), "the environment's mirror has no busybox");
        let build = Self {
            folder: tempfile::tempdir()?,
            address: address.to_owned(),
            account: None,
        };
        let dockerfile = format!("FROM {base}\nRUN echo built > /result\n");
        fs_err::create_dir(build.project())?;
        fs_err::write(build.project().join("Dockerfile"), dockerfile)?;
        let config = "project: test\nconfigVersion: 1\n---\nimage: app\ndockerfile: Dockerfile\n";
        fs_err::write(build.project().join("werf.yaml"), config)?;
        for args in [
            &["init", "-q"][..],
            &["add", "-A"],
            &["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"],
        ] {
            let output = Command::new("git")
                .arg("-C")
                .arg(build.project())
                .args(args)
                .output()?;
            ensure!(output.status.success(), "git {args:?}: {}", text(&output));
        }
        Ok(build)
    }

    fn project(&self) -> std::path::PathBuf {
        self.folder.path().join("project")
    }

    /// The user's home folder.
    fn home(&self) -> &Path {
        self.folder.path()
    }

    fn repository(&self) -> String {
        format!("{}/team/app", self.address)
    }

    async fn run(&self, docker_config: &Path, more: &[&str]) -> Result<Output> {
        let mut command = match &self.account {
            Some(account) => {
                let bin = self.home().join("bin");
                let mut command = Command::new(bin.join("kiel"));
                account.run_as(&mut command, self.home(), &bin);
                command
            }
            None => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_kiel"));
                let path = format!("{}:{}", variable("KIEL_TEST_BIN")?, variable("PATH")?);
                command.env_clear().env("PATH", path).env("HOME", self.home());
                command
            }
        };
        command
            .args(["build", "--repo", &self.repository()])
            .args(more)
            .current_dir(self.project())
            .env("DOCKER_CONFIG", docker_config);
        Ok(tokio::process::Command::from(command).output().await?)
    }

    /// The tag of the image.
    async fn tag(&self, registry: &Registry) -> Result<Option<Reference>> {
        let repository: Repository = self.repository().parse()?;
        let tags = registry.tags(&repository).await?;
        let tag = tags.iter().find(|tag| tag.len() == IMAGE_TAG);
        Ok(tag.map(|tag| repository.tag(tag)).transpose()?)
    }

    /// The image is there, keeps all rules, and holds what was built.
    async fn is_whole(&self, registry: &Registry) -> Result<Digest> {
        let tag = self.tag(registry).await?.context("there is no image")?;
        let valid = validate::image(registry, &tag, &Platform::host()).await?;
        ensure!(valid.files["result"].content == "built\n");
        Ok(valid.image.descriptor.digest)
    }

    /// Builds, looks at the image, and builds again: nothing is to be done then.
    async fn succeeds(&self, registry: &Registry, docker_config: &Path, more: &[&str]) -> Result<()> {
        let first = self.run(docker_config, more).await?;
        ensure!(first.status.success(), "{}", text(&first));
        ensure!(text(&first).contains("1 built, 0 reused"), "{}", text(&first));
        self.is_whole(registry).await?;
        let second = self.run(docker_config, more).await?;
        ensure!(text(&second).contains("0 built, 1 reused"), "{}", text(&second));
        ensure!(!text(&first).contains("p-kiel") && !text(&second).contains("p-kiel"));
        Ok(())
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn client(docker_config: &Path, options: RegistryOptions) -> Result<Registry> {
    Ok(Registry::new(RegistryOptions {
        docker_config: Some(docker_config.to_owned()),
        mirrors: vec![Url::parse(&variable("KIEL_TEST_MIRROR")?)?],
        ..options
    })?)
}

async fn password() -> Result<()> {
    let server = Server::start_with(&registry_program()?, &Login::Password, None)?;
    let (right, wrong) = (server.docker_config("p-kiel")?, server.docker_config("p-wrong")?);
    let registry = client(right.path(), RegistryOptions::default())?;
    let build = Build::new(&server.address, &registry).await?;
    let refused = build.run(wrong.path(), &[]).await?;
    ensure!(refused.status.code() == Some(1));
    let said = text(&refused);
    ensure!(
        said.contains("refused the credentials; run `docker login"),
        "{said}"
    );
    ensure!(!said.contains("p-wrong"), "{said}");
    build.succeeds(&registry, right.path(), &[]).await
}

async fn password_of_user() -> Result<()> {
    let Some(account) = engine::ordinary_user()? else {
        return Ok(());
    };
    let authority = Authority::new()?;
    let server = Server::start_with(&registry_program()?, &Login::Password, Some(&authority))?;
    let right = server.docker_config("p-kiel")?;
    let options = RegistryOptions {
        ca_files: vec![authority.ca()],
        ..RegistryOptions::default()
    };
    let registry = client(right.path(), options)?;
    let mut build = Build::new(&server.address, &registry).await?;
    authority.trust_in(&build.home().join(".config/docker/certs.d"), &build.address)?;
    User::programs(build.home())?;
    account.own_all(build.home())?;
    account.own_all(right.path())?;
    build.account = Some(account);
    build.succeeds(&registry, right.path(), &[]).await
}

async fn tokens_by_flag() -> Result<()> {
    let (authority, signer) = (Authority::new()?, Signer::new()?);
    let place = Place {
        address: Some("127.0.0.2"),
        authority: Some(&authority),
        behind: None,
    };
    let service = signer.serve(place, 300).await?;
    let realm = format!("https://{}/auth", service.address);
    let login = Login::Other(tokens::config(&realm, &signer.certificate()));
    let server = Server::start_with(&registry_program()?, &login, Some(&authority))?;
    let right = server.docker_config("p-kiel")?;
    let options = RegistryOptions {
        ca_files: vec![authority.ca()],
        token_hosts: vec!["127.0.0.2".to_owned()],
        ..RegistryOptions::default()
    };
    let registry = client(right.path(), options)?;
    let build = Build::new(&server.address, &registry).await?;
    let ca = authority.ca().display().to_string();
    let unknown = build
        .run(right.path(), &["--registry-token-host", "127.0.0.2"])
        .await?;
    ensure!(text(&unknown).contains("--registry-ca"), "{}", text(&unknown));
    let asked = service.seen().len();
    let foreign = build.run(right.path(), &["--registry-ca", &ca]).await?;
    let said = text(&foreign);
    ensure!(
        said.contains(&format!("add --registry-token-host {}", service.address)),
        "{said}"
    );
    ensure!(
        service.seen().len() == asked,
        "a service that is not named is not asked"
    );
    let flags = ["--registry-ca", &ca, "--registry-token-host", "127.0.0.2"];
    build.succeeds(&registry, right.path(), &flags).await
}

async fn password_by_folder() -> Result<()> {
    let authority = Authority::new()?;
    let server = Server::start_with(&registry_program()?, &Login::Password, Some(&authority))?;
    let right = server.docker_config("p-kiel")?;
    let options = RegistryOptions {
        ca_files: vec![authority.ca()],
        ..RegistryOptions::default()
    };
    let registry = client(right.path(), options)?;
    let build = Build::new(&server.address, &registry).await?;
    let folder = build.home().join(".config/docker/certs.d");
    authority.trust_in(&folder, &build.address)?;
    build.succeeds(&registry, right.path(), &[]).await
}

/// An image without layers, as another builder could have made it.
fn empty_manifest() -> bytes::Bytes {
    let config = Blob::from_bytes(config_of(&[]).to_string());
    let descriptor = Descriptor::new(MEDIA_OCI_CONFIG, config.digest, config.size);
    Manifest::new(descriptor, Vec::new()).to_bytes()
}

async fn push_empty(registry: &Registry, reference: &Reference) -> Result<()> {
    let config = Blob::from_bytes(config_of(&[]).to_string());
    let source = BlobSource::Blob(config.clone());
    registry
        .push_blob(reference.repository(), config.digest, &source, None)
        .await?;
    registry
        .push_manifest(reference, MEDIA_OCI_MANIFEST, empty_manifest())
        .await?;
    Ok(())
}

/// When another builder sets the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Between our look and our PUT, where tags can be changed: ours is the last one.
    BeforePut,
    /// The same where they cannot.
    BeforeRefusedPut,
    /// Between our PUT and our look at what is there.
    AfterPut,
    /// When we have looked.
    AfterLook,
}

/// Another builder sets the tag. What is reported is what is there in the end.
async fn tag_race() -> Result<()> {
    let nobody = tempfile::tempdir()?;
    let registry = client(nobody.path(), RegistryOptions::default())?;
    for moment in [
        Moment::BeforePut,
        Moment::BeforeRefusedPut,
        Moment::AfterPut,
        Moment::AfterLook,
    ] {
        // Each has a registry of its own: then there is one tag of an image in it.
        let server = Server::start(&registry_program()?, false)?;
        let front = beside_another_builder(&server, &registry, moment).await?;
        let build = Build::new(&front.address, &registry).await?;
        let report = ["--save-build-report", "--build-report-path", "report.json"];
        let output = build.run(nobody.path(), &report).await?;
        ensure!(output.status.success(), "{}", text(&output));
        let tag = build.tag(&registry).await?.context("the tag is set")?;
        let there = registry.head(&tag).await?.context("the tag is set")?.digest;
        let theirs = Digest::of(&empty_manifest());
        ensure!(
            (there == theirs) == (moment != Moment::BeforePut),
            "{moment:?}: {there}"
        );
        let reported = fs_err::read_to_string(build.project().join("report.json"))?;
        ensure!(
            reported.contains(&there.to_string()),
            "{moment:?}: {there} not in {reported}"
        );
    }
    Ok(())
}

/// A registry in which another builder sets the tag of the image that is built, once.
async fn beside_another_builder(server: &Server, registry: &Registry, moment: Moment) -> Result<Fake> {
    let (direct, other) = (server.address.clone(), registry.clone());
    let (is_put, is_seen, is_done) = (AtomicBool::new(false), Mutex::new(None), AtomicBool::new(false));
    Fake::before(&server.address, move |seen, _| {
        let tag = seen.line.rsplit('/').next().unwrap_or_default();
        let is_image = seen.line.contains("/team/app/manifests/") && tag.len() == IMAGE_TAG;
        let (puts, looks) = (is_image && seen.is("PUT", ""), is_image && seen.is("HEAD", ""));
        let has_put = is_put.fetch_or(puts, Ordering::SeqCst);
        let mut looked = is_seen.lock().expect("no panic");
        let target = match moment {
            Moment::BeforePut | Moment::BeforeRefusedPut => puts.then(|| tag.to_owned()),
            Moment::AfterPut => (looks && has_put).then(|| tag.to_owned()),
            Moment::AfterLook => looked.clone(),
        };
        if looks && has_put {
            *looked = Some(tag.to_owned());
        }
        let Some(tag) = target.filter(|_| !is_done.swap(true, Ordering::SeqCst)) else {
            return Action::Forward;
        };
        let (reference, other) = (format!("{direct}/team/app:{tag}"), other.clone());
        let theirs = Box::pin(async move {
            let reference: Reference = reference.parse().expect("a reference");
            push_empty(&other, &reference).await.expect("it can be pushed");
        });
        if moment == Moment::BeforeRefusedPut {
            let refused =
                br#"{"errors":[{"code":"TAG_INVALID","message":"the tag exists and is immutable"}]}"#;
            return Action::AnswerAfter(theirs, http(400, &[], refused));
        }
        Action::ForwardAfter(theirs)
    })
    .await
}

/// The registry is killed while the engine pushes, and is back for the next run.
async fn stopped() -> Result<()> {
    let server = Arc::new(Mutex::new(Server::start(&registry_program()?, false)?));
    let address = server.lock().expect("no panic").address.clone();
    let nobody = tempfile::tempdir()?;
    let registry = client(nobody.path(), RegistryOptions::default())?;
    let (victim, is_armed) = (server.clone(), Arc::new(AtomicBool::new(false)));
    let armed = is_armed.clone();
    let front = Fake::before(&address, move |seen, _| {
        if seen.is("PUT", "/blobs/") && armed.swap(false, Ordering::SeqCst) {
            victim.lock().expect("no panic").kill().expect("it can be killed");
            return Action::CutAfter(0);
        }
        Action::Forward
    })
    .await?;
    let build = Build::new(&front.address, &registry).await?;
    is_armed.store(true, Ordering::SeqCst);
    let output = build.run(nobody.path(), &[]).await?;
    ensure!(output.status.code() == Some(1), "{}", text(&output));
    server.lock().expect("no panic").restart()?;
    ensure!(build.tag(&registry).await?.is_none(), "no tag without an image");
    build.succeeds(&registry, nobody.path(), &[]).await
}
