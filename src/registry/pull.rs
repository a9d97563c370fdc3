//! Reading: manifests, images, blobs, tags. What is handed out has the digest it was asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use futures::StreamExt as _;
use reqwest::{Method, StatusCode, Url};
use sha2::Digest as _;

use super::error::{RegistryError, Subject};
use super::manifest::{self, Document};
use super::transport::{Answer, Call, Host, Patience, Pieces, Read, Target, broken_off, pieces};
use super::{Descriptor, Digest, Image, Platform, Reference, Registry, Repository};

/// Manifests are at most 4 MiB by the distribution specification.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// Configs and records; layers are streamed, not read.
const BLOB_LIMIT: u64 = 64 << 20;
const TAG_PAGES: usize = 10_000;
/// A registry that filters may have a page without a tag, not one after the other.
const EMPTY_PAGES: usize = 3;
const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// An open blob: the answer that streams it, and its length.
pub(super) struct OpenBlob {
    pub(super) body: Pieces,
    pub(super) size: u64,
}

impl Registry {
    /// The descriptor of what a reference points to, by one HEAD; `None` when there is nothing.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn head(&self, reference: &Reference) -> Result<Option<Descriptor>, RegistryError> {
        let Some((host, answer)) = self.ask(reference, Method::HEAD).await? else {
            return Ok(None);
        };
        let digest = answer
            .header("docker-content-digest")
            .and_then(|text| text.parse().ok());
        let size = answer.header("content-length").and_then(|text| text.parse().ok());
        // Old registries leave out the digest: then the content itself tells it.
        let (Some(digest), Some(size)) = (digest, size) else {
            return Ok(self.manifest(reference).await?.map(|(descriptor, _)| descriptor));
        };
        check_digest(&subject("find", reference, &host), reference, digest)?;
        Ok(Some(Descriptor::new(&content_type(&answer), digest, size)))
    }

    /// The manifest or index of a reference with its verified descriptor; `None` when there is nothing.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn manifest(
        &self,
        reference: &Reference,
    ) -> Result<Option<(Descriptor, Bytes)>, RegistryError> {
        Ok(self
            .document(reference)
            .await?
            .map(|(descriptor, bytes, _)| (descriptor, bytes)))
    }

    /// The image of a reference for one platform, with manifest and config; an index is resolved. `None` when there
    /// is nothing under that name.
    ///
    /// # Errors
    /// See [`RegistryError`]; [`RegistryError::Platform`] where there is none for that platform.
    pub async fn image(
        &self,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Option<Image>, RegistryError> {
        let Some((mut descriptor, _, mut document)) = self.document(reference).await? else {
            return Ok(None);
        };
        let host = self.0.host(reference.registry());
        let subject = subject("read", reference, &host);
        if let Document::Index(index) = &document {
            let Some(entry) = index.find(platform) else {
                let offered = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
                return Err(subject.platform(platform, offered));
            };
            let pinned = reference.repository().digest(entry.digest);
            let Some((inner, _, inner_document)) = self.document(&pinned).await? else {
                return Err(subject.content(format!("its index names {}, which is missing", entry.digest)));
            };
            (descriptor, document) = (inner, inner_document);
        }
        let Document::Image(manifest) = document else {
            return Err(subject.content("its index names another index"));
        };
        let config = self.blob(reference.repository(), &manifest.config).await?;
        if let Some(own) = Platform::of_config(&config)
            && !platform.accepts(&own)
        {
            return Err(subject.platform(platform, std::iter::once(&own)));
        }
        let reference = reference.with_digest(descriptor.digest);
        Ok(Some(Image {
            reference,
            descriptor,
            manifest,
            config,
        }))
    }

    /// A small blob (config, record), verified.
    ///
    /// # Errors
    /// See [`RegistryError`]; a blob over 64 MiB is refused.
    pub async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Bytes, RegistryError> {
        let name = format!("{repository}@{}", descriptor.digest);
        let mut last = None;
        for host in self.0.sources(repository.registry()) {
            let subject = Subject {
                action: "read",
                name: name.clone(),
                host: host.name.clone(),
            };
            if descriptor.size > BLOB_LIMIT {
                return Err(subject.content(format!("it is longer than {BLOB_LIMIT} bytes")));
            }
            let answer = self
                .ask_blob(&host, repository, descriptor.digest, Read::Whole(descriptor.size))
                .await;
            let checked = answer.and_then(|answer| check_blob(&subject, descriptor, answer));
            match checked {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("a registry has at least one source"))
    }

    /// Whether a repository has a blob.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn has_blob(&self, repository: &Repository, digest: Digest) -> Result<bool, RegistryError> {
        let host = self.0.host(repository.registry());
        let name = format!("{repository}@{digest}");
        let subject = Subject {
            action: "find",
            name,
            host: host.name.clone(),
        };
        let target = Target::Api(format!("/v2/{}/blobs/{digest}", repository.path()));
        let call = Call::new(subject.clone(), Method::HEAD, target, pull_scopes(repository), 0);
        let answer = self.0.send(&host, call).await?;
        match answer.status {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.failed(&host, &subject, answer).await),
        }
    }

    /// All tags of a repository; none for a repository that does not exist.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn tags(&self, repository: &Repository) -> Result<BTreeSet<String>, RegistryError> {
        #[derive(serde::Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let host = self.0.host(repository.registry());
        let subject = Subject {
            action: "list the tags of",
            name: repository.to_string(),
            host: host.name.clone(),
        };
        let mut target = Target::Api(format!("/v2/{}/tags/list?n=1000", repository.path()));
        let mut tags = BTreeSet::new();
        let endless = || subject.content("its list of tags does not end");
        let mut without_news = 0;
        for _ in 0..TAG_PAGES {
            let call = Call::new(
                subject.clone(),
                Method::GET,
                target,
                pull_scopes(repository),
                BLOB_LIMIT,
            );
            let answer = self.0.send(&host, call).await?;
            match answer.status {
                StatusCode::NOT_FOUND => return Ok(tags),
                status if !status.is_success() => return Err(self.failed(&host, &subject, answer).await),
                _ => {}
            }
            let page: Page = serde_json::from_slice(&answer.body)
                .map_err(|_| subject.content("its list of tags is not valid JSON"))?;
            let known = tags.len();
            tags.extend(page.tags.unwrap_or_default());
            without_news = if tags.len() > known { 0 } else { without_news + 1 };
            match next_page(&answer) {
                None => return Ok(tags),
                // A link to elsewhere would take the credentials along.
                Some(next) if !host.is_own(&next) => {
                    let target = next.origin().ascii_serialization();
                    return Err(subject.redirect(target, "another host"));
                }
                Some(next) if next == answer.url || without_news >= EMPTY_PAGES => return Err(endless()),
                Some(next) => target = Target::Location(next),
            }
        }
        Err(endless())
    }

    /// Writes a blob of any size to `to`. What breaks off is read again, and goes on where it was; the digest is
    /// checked at the end, when all is written.
    ///
    /// # Errors
    /// See [`RegistryError`]; also when nothing can be written.
    pub(crate) async fn save_blob(
        &self,
        repository: &Repository,
        digest: Digest,
        to: &mut (dyn std::io::Write + Send),
    ) -> Result<(), RegistryError> {
        let subject = Subject {
            action: "read",
            name: format!("{repository}@{digest}"),
            host: self.0.host(repository.registry()).name.clone(),
        };
        let (mut hash, mut written) = (sha2::Sha256::new(), 0);
        let mut patience = Patience::default();
        loop {
            let OpenBlob { mut body, .. } = self.open_blob(repository, digest).await?;
            let mut skipped = 0;
            let broken = loop {
                let mut piece = match body.next().await {
                    Some(Ok(piece)) => piece,
                    Some(Err(error)) => break Some(error),
                    None => break None,
                };
                let again = piece.len().min(written - skipped);
                skipped += again;
                piece.advance(again);
                hash.update(&piece);
                written += piece.len();
                to.write_all(&piece)
                    .map_err(|error| subject.content(error.to_string()))?;
                // What skipping counts is all that was written, the new pieces too.
                skipped += piece.len();
            };
            match broken {
                Some(error) => patience.wait(broken_off(&subject, error.to_string())).await?,
                None => break,
            }
        }
        let found = Digest::from_sha256(hash.finalize().into());
        if found == digest {
            Ok(())
        } else {
            Err(subject.content(format!("its content has digest {found}")))
        }
    }

    /// A blob opened for streaming, from the first source that has it.
    pub(super) async fn open_blob(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<OpenBlob, RegistryError> {
        let mut last = None;
        for host in self.0.sources(repository.registry()) {
            let opened = self
                .ask_blob(&host, repository, digest, Read::Nothing)
                .await
                .and_then(|answer| {
                    let name = format!("{repository}@{digest}");
                    let subject = Subject {
                        action: "read",
                        name,
                        host: host.name.clone(),
                    };
                    let response = answer
                        .stream
                        .ok_or_else(|| subject.content("it came without a body"))?;
                    let size = response
                        .content_length()
                        .ok_or_else(|| subject.content("its length is unknown"))?;
                    Ok(OpenBlob {
                        body: pieces(response, self.0.silence()),
                        size,
                    })
                });
            match opened {
                Ok(opened) => return Ok(opened),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("a registry has at least one source"))
    }

    async fn ask_blob(
        &self,
        host: &Arc<Host>,
        repository: &Repository,
        digest: Digest,
        read: Read,
    ) -> Result<Answer, RegistryError> {
        let subject = Subject {
            action: "read",
            name: format!("{repository}@{digest}"),
            host: host.name.clone(),
        };
        let target = Target::Api(format!("/v2/{}/blobs/{digest}", repository.path()));
        let mut call = Call::new(subject.clone(), Method::GET, target, pull_scopes(repository), 0);
        call.read = read;
        let answer = self.0.send(host, call).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(self.failed(host, &subject, answer).await)
        }
    }

    async fn document(
        &self,
        reference: &Reference,
    ) -> Result<Option<(Descriptor, Bytes, Document)>, RegistryError> {
        let Some((host, answer)) = self.ask(reference, Method::GET).await? else {
            return Ok(None);
        };
        let subject = subject("read", reference, &host);
        let digest = Digest::of(&answer.body);
        check_digest(&subject, reference, digest)?;
        let announced = answer
            .header("docker-content-digest")
            .and_then(|text| text.parse::<Digest>().ok());
        if announced.is_some_and(|announced| announced != digest) {
            return Err(subject.content(format!("its content has digest {digest}, not the one announced")));
        }
        let content_type = content_type(&answer);
        let document =
            manifest::parse(&content_type, &answer.body).map_err(|reason| subject.content(reason))?;
        let media_type = match &document {
            Document::Image(manifest) if !manifest.media_type.is_empty() => manifest.media_type.clone(),
            Document::Index(index) if !index.media_type.is_empty() => index.media_type.clone(),
            _ => content_type,
        };
        let descriptor = Descriptor::new(&media_type, digest, answer.body.len() as u64);
        Ok(Some((descriptor, answer.body, document)))
    }

    /// Asks each source for a manifest until one has it. A mirror that fails is as good as one that has nothing.
    async fn ask(
        &self,
        reference: &Reference,
        method: Method,
    ) -> Result<Option<(Arc<Host>, Answer)>, RegistryError> {
        let repository = reference.repository();
        let sources = self.0.sources(repository.registry());
        let last = sources.len() - 1;
        for (index, host) in sources.into_iter().enumerate() {
            let subject = subject("read", reference, &host);
            let path = format!("/v2/{}/manifests/{}", repository.path(), reference.target());
            let mut call = Call::new(
                subject.clone(),
                method.clone(),
                Target::Api(path),
                pull_scopes(repository),
                MANIFEST_LIMIT,
            );
            call.accept = Some(MANIFEST_TYPES);
            match self.0.send(&host, call).await {
                Ok(answer) if answer.status.is_success() => return Ok(Some((host, answer))),
                Ok(answer) if answer.status == StatusCode::NOT_FOUND => {}
                Ok(answer) if index == last => return Err(self.failed(&host, &subject, answer).await),
                Err(error) if index == last => return Err(error),
                Ok(answer) => tracing::warn!(mirror = host.name, status = %answer.status, "a mirror failed"),
                Err(error) => tracing::warn!(mirror = host.name, %error, "a mirror failed"),
            }
        }
        Ok(None)
    }

    /// An answer as an error, told apart by whether there were credentials.
    pub(super) async fn failed(&self, host: &Host, subject: &Subject, answer: Answer) -> RegistryError {
        match self.0.credentials(&host.name).await {
            Ok(found) => answer.into_error(subject, found.is_some()),
            Err(error) => error,
        }
    }
}

pub(super) fn pull_scopes(repository: &Repository) -> Vec<String> {
    vec![format!("repository:{}:pull", repository.path())]
}

fn subject(action: &'static str, reference: &Reference, host: &Host) -> Subject {
    Subject {
        action,
        name: reference.to_string(),
        host: host.name.clone(),
    }
}

fn content_type(answer: &Answer) -> String {
    let text = answer.header("content-type").unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_owned()
}

fn check_digest(subject: &Subject, reference: &Reference, found: Digest) -> Result<(), RegistryError> {
    match reference.digest() {
        Some(wanted) if wanted != found => Err(subject.content(format!("its content has digest {found}"))),
        _ => Ok(()),
    }
}

fn check_blob(subject: &Subject, wanted: &Descriptor, answer: Answer) -> Result<Bytes, RegistryError> {
    let (size, digest) = (answer.body.len() as u64, Digest::of(&answer.body));
    if size != wanted.size || digest != wanted.digest {
        let Descriptor {
            size: wanted_size, ..
        } = wanted;
        return Err(subject.content(format!(
            "it has {size} bytes of {digest} in place of {wanted_size} bytes"
        )));
    }
    Ok(answer.body)
}

/// The target of a `Link: <…>; rel="next"`.
fn next_page(answer: &Answer) -> Option<Url> {
    let link = answer.header("link")?;
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    parameters
        .contains("next")
        .then(|| answer.url.join(target).ok())?
}
