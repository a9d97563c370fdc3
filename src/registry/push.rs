//! Writing: blobs (mounted, uploaded or copied from another registry), manifests, tags.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};

use super::error::{RegistryError, Subject};
use super::pull::pull_scopes;
use super::transport::{Answer, Body, Call, Failure, Host, Patience, Target};
use super::{Blob, Digest, Reference, Registry, Repository, redirect};

const ANSWER_LIMIT: u64 = 1 << 20;

/// Where an uploaded blob comes from.
#[derive(Debug, Clone)]
pub enum BlobSource {
    /// Content at hand.
    Blob(Blob),
    /// Another repository, of the same registry or of another; only what is missing is copied.
    Repository(Repository),
}

impl Registry {
    /// Makes sure that a repository has a blob. It is mounted from `mount_from` where that is a repository of the
    /// same registry that has it, else uploaded unless it is there. An upload that breaks starts anew, a bounded
    /// number of times.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn push_blob(
        &self,
        repository: &Repository,
        digest: Digest,
        source: &BlobSource,
        mount_from: Option<&Repository>,
    ) -> Result<(), RegistryError> {
        if mount_from == Some(repository)
            || matches!(source, BlobSource::Repository(from) if from == repository)
        {
            return Ok(());
        }
        let foreign = match source {
            BlobSource::Repository(from) => Some(from),
            BlobSource::Blob(_) => mount_from,
        };
        let mountable = foreign.filter(|from| from.registry() == repository.registry());
        if mountable.is_none() && self.has_blob(repository, digest).await? {
            return Ok(());
        }
        self.upload(repository, digest, source, mountable).await
    }

    /// Publishes a manifest or index under a tag or digest and tells its digest. What it names must be there.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, RegistryError> {
        let repository = reference.repository();
        let host = self.0.host(repository.registry());
        let subject = Subject {
            action: "push",
            name: reference.to_string(),
            host: host.name.clone(),
        };
        let digest = Digest::of(&bytes);
        if reference.digest().is_some_and(|wanted| wanted != digest) {
            return Err(subject.content(format!("the manifest has digest {digest}")));
        }
        let target = reference.tag().map_or_else(|| digest.to_string(), str::to_owned);
        let target = Target::Api(format!("/v2/{}/manifests/{target}", repository.path()));
        let mut call = Call::new(
            subject.clone(),
            Method::PUT,
            target,
            push_scopes(repository, None),
            ANSWER_LIMIT,
        );
        call.content_type = Some(media_type.to_owned());
        call.body = Body::Bytes(bytes);
        let answer = self.0.send(&host, call).await?;
        if !answer.status.is_success() {
            return Err(self.failed(&host, &subject, answer).await);
        }
        let stored = answer
            .header("docker-content-digest")
            .and_then(|text| text.parse::<Digest>().ok());
        match stored {
            Some(stored) if stored != digest => {
                Err(subject.content(format!("the registry stored {stored} in place of {digest}")))
            }
            _ => Ok(digest),
        }
    }

    async fn upload(
        &self,
        repository: &Repository,
        digest: Digest,
        source: &BlobSource,
        mount_from: Option<&Repository>,
    ) -> Result<(), RegistryError> {
        let host = self.0.host(repository.registry());
        let subject = Subject {
            action: "push",
            name: format!("{repository}@{digest}"),
            host: host.name.clone(),
        };
        let mut patience = Patience::default();
        loop {
            let answer = self
                .start(&host, &subject, repository, digest, mount_from)
                .await?;
            match answer.status {
                StatusCode::CREATED => return Ok(()),
                StatusCode::ACCEPTED => {}
                _ => return Err(self.failed(&host, &subject, answer).await),
            }
            let location = location(&host, &subject, &answer, digest).await?;
            let body = self.body(&subject, digest, source).await?;
            match self.finish(&host, &subject, repository, location, body).await {
                Ok(()) => return Ok(()),
                // What has arrived of a broken upload nobody knows: the next attempt opens another.
                Err(failure) => patience.wait(failure).await?,
            }
        }
    }

    /// Sends the blob to where its upload was opened.
    async fn finish(
        &self,
        host: &Host,
        subject: &Subject,
        repository: &Repository,
        location: Url,
        body: Body,
    ) -> Result<(), Failure> {
        let scopes = push_scopes(repository, None);
        let target = Target::Location(location);
        let mut call = Call::new(subject.clone(), Method::PUT, target, scopes, ANSWER_LIMIT);
        call.content_type = Some("application/octet-stream".to_owned());
        call.body = body;
        let answer = self.0.send_once(host, &mut call).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE => {
                let status = answer.status.as_u16();
                let error = subject.answer(status, "; the upload is gone".to_owned());
                Err(Failure::at_once(error))
            }
            _ => Err(self.failed(host, subject, answer).await.into()),
        }
    }

    /// Opens an upload, or mounts the blob; a registry that refuses the mount's rights is asked without it.
    async fn start(
        &self,
        host: &Arc<Host>,
        subject: &Subject,
        repository: &Repository,
        digest: Digest,
        mount_from: Option<&Repository>,
    ) -> Result<Answer, RegistryError> {
        let path = format!("/v2/{}/blobs/uploads/", repository.path());
        if let Some(from) = mount_from {
            let target = Target::Api(format!("{path}?mount={digest}&from={}", from.path()));
            let scopes = push_scopes(repository, Some(from));
            let call = Call::new(subject.clone(), Method::POST, target, scopes, ANSWER_LIMIT);
            match self.0.send(host, call).await {
                Ok(answer) if [StatusCode::CREATED, StatusCode::ACCEPTED].contains(&answer.status) => {
                    return Ok(answer);
                }
                Err(error @ (RegistryError::Unreachable { .. } | RegistryError::Tls { .. })) => {
                    return Err(error);
                }
                Ok(_) | Err(_) => {}
            }
        }
        let scopes = push_scopes(repository, None);
        let call = Call::new(
            subject.clone(),
            Method::POST,
            Target::Api(path),
            scopes,
            ANSWER_LIMIT,
        );
        self.0.send(host, call).await
    }

    async fn body(
        &self,
        subject: &Subject,
        digest: Digest,
        source: &BlobSource,
    ) -> Result<Body, RegistryError> {
        match source {
            BlobSource::Blob(blob) if blob.digest != digest => {
                Err(subject.content(format!("the content at hand has digest {}", blob.digest)))
            }
            BlobSource::Blob(blob) => Ok(Body::Blob(blob.data.clone(), blob.size)),
            BlobSource::Repository(from) => {
                let opened = self.open_blob(from, digest).await?;
                Ok(Body::Stream(Some(opened.body), opened.size))
            }
        }
    }
}

fn push_scopes(repository: &Repository, mount_from: Option<&Repository>) -> Vec<String> {
    let mut scopes = vec![format!("repository:{}:pull,push", repository.path())];
    scopes.extend(mount_from.map(pull_scopes).unwrap_or_default());
    scopes
}

/// Where an opened upload goes on, with the digest that ends it.
async fn location(
    host: &Host,
    subject: &Subject,
    answer: &Answer,
    digest: Digest,
) -> Result<Url, RegistryError> {
    let text = answer.header("location");
    let url = text.and_then(|text| answer.url.join(text).ok());
    let mut url = url.ok_or_else(|| subject.content("it opens an upload without telling where"))?;
    if !host.is_own(&url) {
        let target = url.origin().ascii_serialization();
        redirect::check(&answer.url, &url)
            .await
            .map_err(|reason| subject.redirect(target, reason))?;
    }
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    Ok(url)
}
