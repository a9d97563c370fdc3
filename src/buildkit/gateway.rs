//! Solves through an engine's gateway: solve, look, return the result to the exporter.
//!
//! Only a gateway solve tells which step failed in a way that can be looked into, and only there files of a result
//! can be read before it is exported. Dropping a running solve cancels it in the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard_buildkit_proto::google::rpc;
use bollard_buildkit_proto::moby::buildkit::v1 as control;
use bollard_buildkit_proto::moby::buildkit::v1::frontend as bridge;
use bollard_buildkit_proto::moby::buildkit::v1::frontend::llb_bridge_client::LlbBridgeClient;
use bollard_buildkit_proto::pb;
use bytes::Bytes;
use prost::Message as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::client::{Client, MESSAGE_LIMIT};
use super::error::{Details, SolveError, SourceLines, located};
use super::look::Look;
use super::progress::Progress;
use super::session::Session;
use crate::event::Events;

/// The Dockerfile frontend's attribute for the network of its commands.
pub(crate) const NETWORK_ATTR: &str = "force-network-mode";
/// The attribute of a frontend that says what it builds for.
pub(crate) const PLATFORM_ATTR: &str = "platform";

/// How long the end of the progress stream is waited for once the solve has ended.
const PROGRESS_LIMIT: Duration = Duration::from_secs(5);

/// What is solved.
#[derive(Debug, Clone)]
pub enum Build {
    /// A graph.
    Graph(pb::Definition),
    /// A frontend that makes the graph, as `dockerfile.v0`.
    Frontend {
        /// Its name.
        name: String,
        /// Its attributes, as `build-arg:X`, `target`, `filename`.
        attrs: BTreeMap<String, String>,
        /// Its inputs, as `context` and `dockerfile`.
        inputs: BTreeMap<String, pb::Definition>,
    },
}

/// Where the result goes.
#[derive(Debug, Clone)]
pub struct Exporter {
    /// `image`, `oci`, `local` …
    pub kind: String,
    /// Its attributes.
    pub attrs: BTreeMap<String, String>,
}

/// One solve.
#[derive(Debug, Clone)]
pub struct SolveRequest {
    /// The image's name, for events.
    pub image: String,
    /// What is solved.
    pub build: Build,
    /// Where the result goes; nowhere if it is only to be tried.
    pub exporter: Option<Exporter>,
    /// Files of the result to read, by absolute path.
    pub read_files: Vec<String>,
    /// Folders of the result in which, and above which, links to folders are looked for; relative to the root.
    pub links_in: Option<BTreeSet<String>>,
}

/// The result of a solve.
#[derive(Debug, Clone, Default)]
pub struct SolveResponse {
    /// What the exporter tells, as `containerimage.digest`.
    pub exporter: BTreeMap<String, String>,
    /// The files that were asked for.
    pub files: BTreeMap<String, Bytes>,
    /// The links that were asked for, each with the folder that it leads to in the end; both relative to the root.
    pub links: BTreeMap<String, String>,
}

pub(super) type Bridge = LlbBridgeClient<InterceptedService<Channel, BuildId>>;

/// Marks calls as belonging to a running build.
#[derive(Clone)]
pub(super) struct BuildId(MetadataValue<Ascii>);

impl tonic::service::Interceptor for BuildId {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("buildkit-controlapi-buildid", self.0.clone());
        Ok(request)
    }
}

impl Client {
    /// Solves, exports and waits for the end. Any number of solves may run on one session.
    ///
    /// # Errors
    /// [`SolveError`], with the step that failed and what it wrote last.
    pub async fn solve(
        &self,
        session: &Session,
        request: SolveRequest,
        events: &Events,
    ) -> Result<SolveResponse, Box<SolveError>> {
        let id = super::random_name()
            .map_err(|error| SolveError::new(format!("cannot make a name for the build: {error}")))?;
        let progress = Arc::new(Mutex::new(Progress::new(&request.image, events.clone())));
        // Tasks of a set end with it: a dropped solve leaves nothing behind.
        let mut watch = tokio::task::JoinSet::new();
        watch.spawn(watch_progress(
            self.clone(),
            id.clone(),
            progress.clone(),
            events.clone(),
        ));
        let mut run = tokio::task::JoinSet::new();
        run.spawn(run_build(
            self.clone(),
            id.clone(),
            session.id().to_owned(),
            request.exporter.clone(),
            entitlements(&request.build),
            match &request.build {
                Build::Frontend { attrs, .. } => attrs.get(PLATFORM_ATTR).cloned(),
                Build::Graph(_) => None,
            },
        ));
        let outcome = self.drive(&id, request, &mut run).await;
        // The stream ends with the build; an engine that hangs does not hold us.
        let told = || progress.lock().unwrap_or_else(PoisonError::into_inner).told();
        let mut before = told();
        while tokio::time::timeout(PROGRESS_LIMIT, watch.join_next())
            .await
            .is_err()
        {
            let now = told();
            if now == before {
                break;
            }
            before = now;
        }
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.finish();
        outcome.map_err(|(error, details)| Box::new(with_step(error, &details, &progress)))
    }

    async fn drive(
        &self,
        id: &str,
        request: SolveRequest,
        run: &mut tokio::task::JoinSet<Result<BTreeMap<String, String>, Status>>,
    ) -> Result<SolveResponse, (SolveError, Details)> {
        let mut bridge = self.bridge(id);
        let solved = tokio::select! {
            // The build ends before the gateway is open only when the engine refuses it.
            ended = run.join_next() => return Err(ended_early(ended)),
            solved = solve_in(&mut bridge, &request) => solved,
        };
        let (result, mut response) = match solved {
            Ok(solved) => solved,
            Err(status) => {
                let (mut error, details) = SolveError::from_status(&status);
                if error.source_lines.is_none() && !error.engine_lost {
                    error.source_lines = locate(&mut bridge, &request, details.step.as_deref()).await;
                }
                let reported = details.raw.clone().unwrap_or_else(|| rpc::Status {
                    code: status.code() as i32,
                    message: status.message().to_owned(),
                    details: Vec::new(),
                });
                // The engine may be gone already; the error at hand is the one that counts.
                let report = bridge::ReturnRequest {
                    result: None,
                    error: Some(reported),
                };
                if bridge.r#return(report).await.is_ok() {
                    drop(tokio::time::timeout(PROGRESS_LIMIT, run.join_next()).await);
                }
                return Err((error, details));
            }
        };
        let returned = bridge::ReturnRequest {
            result: Some(result),
            error: None,
        };
        if let Err(status) = bridge.r#return(returned).await {
            return Err(SolveError::from_status(&status));
        }
        match run.join_next().await {
            Some(Ok(Ok(exporter))) => {
                response.exporter = exporter;
                Ok(response)
            }
            ended => Err(ended_early(ended)),
        }
    }

    fn bridge(&self, id: &str) -> Bridge {
        let id = MetadataValue::try_from(id).expect("hex digits are valid metadata");
        LlbBridgeClient::with_interceptor(self.channel(), BuildId(id))
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT)
    }
}

type Ended = Option<Result<Result<BTreeMap<String, String>, Status>, tokio::task::JoinError>>;

fn ended_early(ended: Ended) -> (SolveError, Details) {
    match ended {
        Some(Ok(Err(status))) => SolveError::from_status(&status),
        _ => (
            SolveError::new("the engine ended the build without a result"),
            Details::default(),
        ),
    }
}

fn with_step(mut error: SolveError, details: &Details, progress: &Progress) -> SolveError {
    let Some((step, lines)) = progress.failed(details.vertex.as_deref()) else {
        return error;
    };
    error.step = Some(step);
    error.last_lines = lines;
    error
}

/// The outer build, which waits for the gateway's result and exports it.
async fn run_build(
    client: Client,
    id: String,
    session: String,
    exporter: Option<Exporter>,
    entitlements: Vec<String>,
    platform: Option<String>,
) -> Result<BTreeMap<String, String>, Status> {
    let exporters = exporter.into_iter().map(|exporter| control::Exporter {
        r#type: exporter.kind,
        attrs: exporter.attrs.into_iter().collect(),
    });
    let request = control::SolveRequest {
        r#ref: id,
        session,
        exporters: exporters.collect(),
        entitlements,
        // What the result is for: the engine holds it against its own platform otherwise.
        frontend_attrs: platform
            .map(|platform| (PLATFORM_ATTR.to_owned(), platform))
            .into_iter()
            .collect(),
        // Without a record the engine's history does not grow with every build.
        internal: true,
        ..control::SolveRequest::default()
    };
    let response = client.control().solve(request).await?;
    Ok(response.into_inner().exporter_response.into_iter().collect())
}

/// The rights that a build asks the engine for.
fn entitlements(build: &Build) -> Vec<String> {
    let is_host = |op: &Vec<u8>| match pb::Op::decode(&op[..]).map(|op| op.op) {
        Ok(Some(pb::op::Op::Exec(exec))) => exec.network() == pb::NetMode::Host,
        _ => false,
    };
    let wants_host = match build {
        Build::Graph(definition) => definition.def.iter().any(is_host),
        Build::Frontend { attrs, .. } => attrs.get(NETWORK_ATTR).is_some_and(|mode| mode == "host"),
    };
    wants_host
        .then(|| "network.host".to_owned())
        .into_iter()
        .collect()
}

async fn watch_progress(client: Client, id: String, progress: Arc<Mutex<Progress>>, events: Events) {
    let request = control::StatusRequest { r#ref: id };
    let Ok(stream) = client.control().status(request).await else {
        return;
    };
    let mut stream = stream.into_inner();
    while let Ok(Some(message)) = stream.message().await {
        progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(message);
        // The engine waits, not the memory grows, where nobody reads what steps write.
        events.room().await;
    }
}

/// The inner solve, and what is wanted from its result.
async fn solve_in(
    bridge: &mut Bridge,
    request: &SolveRequest,
) -> Result<(bridge::Result, SolveResponse), Status> {
    // It is answered as soon as the outer build has begun: the engine itself waits for that.
    bridge.ping(bridge::PingRequest {}).await?;
    let response = bridge
        .solve(inner_request(&request.build, true))
        .await?
        .into_inner();
    let result = response
        .result
        .ok_or_else(|| Status::internal("the engine solved without a result"))?;
    let mut response = SolveResponse::default();
    if !request.read_files.is_empty() || request.links_in.is_some() {
        let Some(bridge::result::Result::Ref(found)) = &result.result else {
            return Err(Status::internal("the result has no files of its own to read"));
        };
        let mut look = Look::new(bridge, &found.id);
        for path in &request.read_files {
            response.files.insert(path.clone(), look.read(path).await?);
        }
        if let Some(folders) = &request.links_in {
            response.links = look.links(folders).await?;
        }
    }
    Ok((result, response))
}

fn inner_request(build: &Build, evaluate: bool) -> bridge::SolveRequest {
    let mut solve = bridge::SolveRequest {
        allow_result_return: true,
        allow_result_array_ref: true,
        evaluate,
        ..bridge::SolveRequest::default()
    };
    match build.clone() {
        Build::Graph(definition) => solve.definition = Some(definition),
        Build::Frontend { name, attrs, inputs } => {
            solve.frontend = name;
            solve.frontend_opt = attrs.into_iter().collect();
            solve.frontend_inputs = inputs.into_iter().collect();
        }
    }
    solve
}

/// Where a failed step stands in a user's file, if the engine has not said it: the frontend makes its graph again,
/// which runs nothing, and the graph's source map tells.
async fn locate(bridge: &mut Bridge, request: &SolveRequest, step: Option<&str>) -> Option<SourceLines> {
    let (Build::Frontend { .. }, Some(step)) = (&request.build, step) else {
        return None;
    };
    let solved = bridge
        .solve(inner_request(&request.build, false))
        .await
        .ok()?
        .into_inner();
    let references: Vec<bridge::Ref> = match solved.result?.result? {
        bridge::result::Result::Ref(found) => vec![found],
        bridge::result::Result::Refs(found) => found.refs.into_values().collect(),
        _ => Vec::new(),
    };
    references
        .iter()
        .filter_map(|found| found.def.as_ref())
        .find_map(|graph| located(graph, step))
}
