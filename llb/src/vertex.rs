//! Operations as values: marshalled bytes, digest, inputs; and the walk that makes a definition of them.
//!
//! Promises: bytes depend on the operation and the digests of its inputs alone. Does not check that an engine can
//! run the graph.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};

use crate::pb;

/// What an operation runs on, `os/architecture[/variant]`, in the one form that it has: `arm64/v8` is `arm64`, `arm`
/// is `arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// As Go names it: `linux`.
    pub os: String,
    /// As Go names it: `amd64`, `arm64`.
    pub architecture: String,
    /// `v7` of `linux/arm/v7`.
    pub variant: Option<String>,
}

/// A platform's text that is not `os/architecture[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read platform `{0}`: it has the form os/architecture[/variant]")]
pub struct PlatformError(String);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
        };
        let lower = text.to_ascii_lowercase();
        let mut parts: Vec<&str> = lower.split('/').collect();
        if ARCHITECTURES.contains(&lower.as_str()) {
            parts.insert(0, "linux");
        }
        match parts.as_slice() {
            [os, architecture, rest @ ..] if rest.len() < 2 && parts.iter().all(|part| word(part)) => {
                let (architecture, variant) = one_form(architecture, rest.first().copied());
                Ok(Self {
                    os: (*os).to_owned(),
                    architecture: architecture.to_owned(),
                    variant: variant.map(str::to_owned),
                })
            }
            _ => Err(PlatformError(text.to_owned())),
        }
    }
}

/// The architectures that may stand alone, for Linux.
const ARCHITECTURES: [&str; 14] = [
    "386", "aarch64", "amd64", "arm", "arm64", "armel", "armhf", "i386", "loong64", "mips64le", "ppc64le",
    "riscv64", "s390x", "x86_64",
];

/// The form in which an architecture and its variant are written, of those that are in use.
fn one_form<'a>(architecture: &'a str, variant: Option<&'a str>) -> (&'a str, Option<&'a str>) {
    match (architecture, variant) {
        ("amd64" | "x86_64", None | Some("v1")) => ("amd64", None),
        ("x86_64", variant) => ("amd64", variant),
        ("arm64" | "aarch64", None | Some("v8" | "8")) => ("arm64", None),
        ("aarch64", variant) => ("arm64", variant),
        ("arm" | "armhf", None | Some("7")) => ("arm", Some("v7")),
        ("armel", None) | ("arm", Some("6")) => ("arm", Some("v6")),
        ("arm", Some("5")) => ("arm", Some("v5")),
        ("arm", Some("8")) => ("arm", Some("v8")),
        ("i386", variant) => ("386", variant),
        other => other,
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .iter()
            .try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl Platform {
    fn message(&self) -> pb::Platform {
        pb::Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().unwrap_or_default(),
            ..pb::Platform::default()
        }
    }
}

#[derive(Debug)]
struct Vertex {
    bytes: Vec<u8>,
    digest: String,
    name: String,
    inputs: Vec<Output>,
}

/// One result of one operation; cheap to clone.
#[derive(Debug, Clone)]
pub struct Output {
    vertex: Arc<Vertex>,
    index: i64,
}

impl Output {
    /// Makes an operation. Equal inputs must have been joined already: an operation's fields refer to them by index.
    pub(crate) fn make(op: pb::op::Op, inputs: Vec<Output>, platform: Option<&Platform>, name: &str) -> Self {
        let message = pb::Op {
            inputs: inputs.iter().map(Self::input).collect(),
            platform: platform.map(Platform::message),
            constraints: Some(pb::WorkerConstraints::default()),
            op: Some(op),
        };
        let bytes = message.encode_to_vec();
        let digest = digest_of(&bytes);
        Self {
            vertex: Arc::new(Vertex {
                bytes,
                digest,
                name: name.to_owned(),
                inputs,
            }),
            index: 0,
        }
    }

    /// Digest of the operation that makes it: the engine's name for that step.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.vertex.digest
    }

    /// The marshalled graph of everything that this output needs, in the order in which it can be made.
    #[must_use]
    pub fn definition(&self) -> pb::Definition {
        let mut definition = pb::Definition::default();
        let mut seen = HashSet::new();
        self.collect(&mut definition, &mut seen);
        let last = pb::Op {
            inputs: vec![self.input()],
            ..pb::Op::default()
        }
        .encode_to_vec();
        definition
            .metadata
            .insert(digest_of(&last), pb::OpMetadata::default());
        definition.def.push(last);
        definition
    }

    fn collect<'a>(&'a self, definition: &mut pb::Definition, seen: &mut HashSet<&'a str>) {
        if !seen.insert(self.digest()) {
            return;
        }
        for input in &self.vertex.inputs {
            input.collect(definition, seen);
        }
        let mut metadata = pb::OpMetadata::default();
        if !self.vertex.name.is_empty() {
            metadata.description = BTreeMap::from([("llb.customname".to_owned(), self.vertex.name.clone())]);
        }
        definition.metadata.insert(self.vertex.digest.clone(), metadata);
        definition.def.push(self.vertex.bytes.clone());
    }

    fn input(&self) -> pb::Input {
        pb::Input {
            digest: self.vertex.digest.clone(),
            index: self.index,
        }
    }

    fn same(&self, other: &Self) -> bool {
        self.index == other.index && self.digest() == other.digest()
    }
}

/// The inputs of an operation under construction, each output once.
#[derive(Debug, Default)]
pub(crate) struct Inputs(Vec<Output>);

impl Inputs {
    /// The index of an input; `None` is the empty filesystem.
    pub(crate) fn index(&mut self, output: Option<&Output>) -> i64 {
        let Some(output) = output else { return -1 };
        let at = self
            .0
            .iter()
            .position(|known| known.same(output))
            .unwrap_or_else(|| {
                self.0.push(output.clone());
                self.0.len() - 1
            });
        i64::try_from(at).unwrap_or(i64::MAX)
    }

    pub(crate) fn into_outputs(self) -> Vec<Output> {
        self.0
    }
}

/// Lays filesystems over each other, the last on top: each input's layers follow those of the one before.
///
/// `None` where there is none; a single input is returned as it is.
#[must_use]
pub fn merge(outputs: &[Output], name: &str) -> Option<Output> {
    if let [] | [_] = outputs {
        return outputs.first().cloned();
    }
    let inputs = (0..outputs.len())
        .filter_map(|at| i64::try_from(at).ok())
        .map(|input| pb::MergeInput { input })
        .collect();
    Some(Output::make(
        pb::op::Op::Merge(pb::MergeOp { inputs }),
        outputs.to_vec(),
        None,
        name,
    ))
}

/// What turns `lower` into `upper`, deletions included; `None` is the empty filesystem.
#[must_use]
pub fn diff(lower: Option<&Output>, upper: Option<&Output>, name: &str) -> Output {
    // Two inputs of one operation are never joined here: lower and upper keep their own index.
    let mut inputs = Vec::new();
    let mut index = |output: Option<&Output>| {
        output.map_or(-1, |output| {
            inputs.push(output.clone());
            i64::try_from(inputs.len()).unwrap_or(i64::MAX) - 1
        })
    };
    let op = pb::DiffOp {
        lower: Some(pb::LowerDiffInput { input: index(lower) }),
        upper: Some(pb::UpperDiffInput { input: index(upper) }),
    };
    Output::make(pb::op::Op::Diff(op), inputs, None, name)
}

fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
