//! The engine of a run: asked for when the first solve needs it, one session for all solves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::Mutex;

use super::error::{BuildError, EngineError};
use crate::buildkit::{
    Build, Client, Exporter, NamedHosts, Session, SessionServices, SolveRequest, SolveResponse,
};
use crate::event::Events;
use crate::registry::{Layout, Registry, Repository};

/// Brings an engine: starts one, or connects to one that runs. Called once, and again where an engine is lost.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, Result<Client, EngineError>> + Send + Sync>;

/// How many broken snapshots of a killed engine one solve may meet.
const MENDS: usize = 32;

type Opened = (Client, Session);

/// The engine and its session.
pub(crate) struct Engine {
    connect: Connect,
    registry: Registry,
    hosts: BTreeSet<String>,
    secrets: BTreeMap<String, Bytes>,
    agents: BTreeMap<String, PathBuf>,
    layout: Layout,
    opened: Mutex<Option<Arc<Opened>>>,
}

impl Engine {
    /// `hosts` are the registries for which the engine may have credentials.
    pub(crate) fn new(
        connect: Connect,
        registry: Registry,
        hosts: BTreeSet<String>,
        secrets: BTreeMap<String, Bytes>,
        agents: BTreeMap<String, PathBuf>,
    ) -> Self {
        Self {
            connect,
            registry,
            hosts,
            secrets,
            agents,
            layout: Layout::new(),
            opened: Mutex::new(None),
        }
    }

    /// The content that the session serves.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    async fn opened(&self, image: &str) -> Result<Arc<Opened>, BuildError> {
        let mut opened = self.opened.lock().await;
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let error = |source| BuildError::Engine {
            image: image.to_owned(),
            source,
        };
        let client = (self.connect)().await.map_err(error)?;
        let new = match self.open(client).await {
            Ok(new) => new,
            // It answered a moment ago: it is lost, as in the middle of a solve.
            Err(_) => {
                let client = (self.connect)().await.map_err(error)?;
                self.open(client).await.map_err(error)?
            }
        };
        *opened = Some(new.clone());
        Ok(new)
    }

    async fn open(&self, client: Client) -> Result<Arc<Opened>, EngineError> {
        let authority = NamedHosts {
            registry: self.registry.clone(),
            hosts: self.hosts.clone(),
        };
        let services = SessionServices {
            content: Arc::new(self.layout.clone()),
            authority: Some(Arc::new(authority)),
            secrets: self.secrets.clone(),
            agents: self.agents.clone(),
        };
        let session = Session::open(&client, services).await?;
        Ok(Arc::new((client, session)))
    }

    /// The session's name, for sources that it serves.
    pub(crate) async fn session(&self, image: &str) -> Result<String, BuildError> {
        Ok(self.opened(image).await?.1.id().to_owned())
    }

    /// Solves and pushes by digest to `repository`; `attrs` are further attributes of the exporter.
    pub(crate) async fn solve(
        &self,
        image: &str,
        stage: Option<&str>,
        build: Build,
        repository: &Repository,
        attrs: BTreeMap<String, String>,
        events: &Events,
    ) -> Result<SolveResponse, BuildError> {
        let mut all = exporter_attrs(
            repository,
            self.registry.options().insecure.allows(repository.registry()),
        );
        all.extend(attrs);
        let exporter = Some(Exporter {
            kind: "image".to_owned(),
            attrs: all,
        });
        let request = SolveRequest {
            image: image.to_owned(),
            build,
            exporter,
            read_files: Vec::new(),
            links_in: None,
        };
        self.request(stage, request, events).await
    }

    /// Files of an image, by absolute path.
    pub(crate) async fn files(
        &self,
        image: &str,
        stage: &str,
        build: Build,
        paths: &[&str],
        events: &Events,
    ) -> Result<BTreeMap<String, Bytes>, BuildError> {
        let request = SolveRequest {
            image: image.to_owned(),
            build,
            exporter: None,
            read_files: paths.iter().map(|path| (*path).to_owned()).collect(),
            links_in: None,
        };
        Ok(self.request(Some(stage), request, events).await?.files)
    }

    /// The links to folders in an image, among what lies in `folders` and above them.
    pub(crate) async fn links(
        &self,
        image: &str,
        stage: &str,
        build: Build,
        folders: BTreeSet<String>,
        events: &Events,
    ) -> Result<BTreeMap<String, String>, BuildError> {
        let request = SolveRequest {
            image: image.to_owned(),
            build,
            exporter: None,
            read_files: Vec::new(),
            links_in: Some(folders),
        };
        Ok(self.request(Some(stage), request, events).await?.links)
    }

    async fn request(
        &self,
        stage: Option<&str>,
        request: SolveRequest,
        events: &Events,
    ) -> Result<SolveResponse, BuildError> {
        let image = request.image.clone();
        let opened = self.opened(&image).await?;
        let (client, session) = &*opened;
        let error = |failure| BuildError::Solve {
            image,
            stage: stage.map(str::to_owned),
            failure,
        };
        let mut result = client.solve(session, request.clone(), events).await;
        let mut mended = 0;
        while let Err(failure) = &result
            && mended < MENDS
            && failure.is_stale_snapshot()
        {
            mended += 1;
            result = client.solve(session, request.clone(), events).await;
        }
        if result.as_ref().is_err_and(|failure| failure.engine_lost) {
            // The next solve gets another engine; one that was brought in the meantime stays.
            let mut current = self.opened.lock().await;
            if current
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, &opened))
            {
                *current = None;
            }
        }
        result.map_err(error)
    }

    /// Ends the session.
    pub(crate) async fn close(self) {
        if let Some((_, session)) = self.opened.into_inner().and_then(Arc::into_inner) {
            session.close().await;
        }
    }
}

/// Reproducible layers, pushed without a tag. Never `force-compression`: it would make the base's layers anew.
fn exporter_attrs(repository: &Repository, insecure: bool) -> BTreeMap<String, String> {
    let epoch = super::image_config::EPOCH.to_string();
    let mut attrs: BTreeMap<String, String> = [
        ("name", repository.to_string()),
        ("push", "true".to_owned()),
        ("push-by-digest", "true".to_owned()),
        ("oci-mediatypes", "true".to_owned()),
        ("compression", "zstd".to_owned()),
        ("rewrite-timestamp", "true".to_owned()),
        ("source-date-epoch", epoch),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if insecure {
        attrs.insert("registry.insecure".to_owned(), "true".to_owned());
    }
    attrs
}
