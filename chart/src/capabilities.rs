//! What templates learn about the cluster: its version and its kinds.

use std::any::Any;
use std::rc::Rc;

use kiel_template::Value;
use kiel_template::value::{Function, Kind, List, Object, SliceType, Str, Type};

/// The groups and versions that Helm assumes where it asks no cluster, in its order.
const DEFAULT_API_VERSIONS: [&str; 55] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha2",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

/// The Kubernetes version that Helm 3.21.4 assumes where it asks no cluster.
const DEFAULT_KUBE_VERSION: &str = "v1.36.0";

/// Why a Kubernetes version can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read Kubernetes version `{0}`: want major.minor or major.minor.patch")]
pub struct KubeVersionError(String);

/// A cluster's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// As the cluster says it: `v1.36.2`.
    pub version: String,
    /// `1`.
    pub major: String,
    /// `36`.
    pub minor: String,
}

impl KubeVersion {
    /// Reads a version that a user gives: `1.36`, `v1.36.2`; what follows the numbers is cut off.
    pub fn parse(text: &str) -> Result<Self, KubeVersionError> {
        let refused = || KubeVersionError(text.to_owned());
        let bare = text.trim().trim_start_matches('v');
        let end = bare
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(bare.len());
        let numbers = bare[..end].trim_end_matches('.');
        let parts: Vec<&str> = numbers.split('.').collect();
        if parts.len() < 2 {
            return Err(refused());
        }
        for part in &parts {
            let leading_zero = part.len() > 1 && part.starts_with('0');
            if part.parse::<u32>().is_err() || leading_zero {
                return Err(refused());
            }
        }
        let version = format!("v{numbers}");
        Ok(Self {
            version,
            major: parts[0].to_owned(),
            minor: parts[1].to_owned(),
        })
    }
}

/// Helm's own build, as `.Capabilities.HelmVersion` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmVersion {
    /// `v3.21.4`.
    pub version: String,
    /// The commit, if known.
    pub git_commit: String,
    /// `clean` or `dirty`.
    pub git_tree_state: String,
    /// The Go version it was built with.
    pub go_version: String,
}

/// `.Capabilities`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The cluster's version.
    pub kube_version: KubeVersion,
    /// Groups with versions (`apps/v1`) and, from a live cluster, kinds (`apps/v1/Deployment`).
    pub api_versions: Vec<String>,
    /// The Helm version to show.
    pub helm_version: HelmVersion,
}

impl Default for Capabilities {
    /// What `helm template` of Helm 3.21.4 uses.
    fn default() -> Self {
        Self {
            kube_version: KubeVersion {
                version: DEFAULT_KUBE_VERSION.to_owned(),
                major: "1".to_owned(),
                minor: "36".to_owned(),
            },
            api_versions: DEFAULT_API_VERSIONS
                .iter()
                .map(|text| (*text).to_owned())
                .collect(),
            helm_version: HelmVersion {
                version: "v3.21.4".to_owned(),
                git_commit: String::new(),
                git_tree_state: String::new(),
                go_version: "go1.26.8".to_owned(),
            },
        }
    }
}

impl Capabilities {
    /// The value that templates see.
    pub(crate) fn to_value(&self) -> Value {
        let versions = self.api_versions.iter().map(|text| Value::from(text.as_str()));
        Value::object(CapabilitiesObject([
            (
                "KubeVersion",
                Value::object(KubeVersionObject {
                    version: self.kube_version.clone(),
                    in_place: true,
                }),
            ),
            (
                "APIVersions",
                Value::List(List::typed(&VERSION_SET, versions.collect())),
            ),
            (
                "HelmVersion",
                Value::object(HelmVersionObject(self.helm_version.clone())),
            ),
        ]))
    }
}

/// Go: `chartutil.VersionSet`.
static VERSION_SET: SliceType = SliceType {
    name: "chartutil.VersionSet",
    defined: true,
    elem: Type::String,
    method: |set, name| {
        if name != "Has" {
            return None;
        }
        let set = set.as_list()?.clone();
        Some(Function::new("Has", &[Type::String], move |_, args| {
            let wanted = args[0].as_bytes();
            let has = |known: &Value| known.as_bytes() == wanted;
            Ok(Value::Bool(set.borrow().is_some_and(|set| set.iter().any(has))))
        }))
    },
};

struct CapabilitiesObject([(&'static str, Value); 3]);

/// Go: its methods are those of a pointer, so that the copy which functions get has none.
struct KubeVersionObject {
    version: KubeVersion,
    in_place: bool,
}

struct HelmVersionObject(HelmVersion);

impl Object for CapabilitiesObject {
    fn type_name(&self) -> &'static str {
        "*chartutil.Capabilities"
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, _: &str) -> Option<Function> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.0.to_vec()
    }

    fn field(&self, name: &str) -> Option<Value> {
        let found = self.0.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.clone())
    }
}

impl Object for KubeVersionObject {
    fn type_name(&self) -> &'static str {
        "chartutil.KubeVersion"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, name: &str) -> Option<Function> {
        if !self.in_place {
            return None;
        }
        ["String", "GitVersion"]
            .iter()
            .find(|known| **known == name)
            .map(|known| {
                Function::new(known, &[], move |_, _| {
                    Ok(Value::from(self.version.version.as_str()))
                })
            })
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", Value::from(self.version.version.as_str())),
            ("Major", Value::from(self.version.major.as_str())),
            ("Minor", Value::from(self.version.minor.as_str())),
        ]
    }

    fn text_in_place(&self) -> Option<Str> {
        self.in_place.then(|| Str::from(&self.version.version))
    }

    fn passed(&self) -> Option<Value> {
        self.in_place.then(|| {
            Value::object(Self {
                version: self.version.clone(),
                in_place: false,
            })
        })
    }
}

impl Object for HelmVersionObject {
    fn type_name(&self) -> &'static str {
        "version.BuildInfo"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(self: Rc<Self>, _: &str) -> Option<Function> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", Value::from(self.0.version.as_str())),
            ("GitCommit", Value::from(self.0.git_commit.as_str())),
            ("GitTreeState", Value::from(self.0.git_tree_state.as_str())),
            ("GoVersion", Value::from(self.0.go_version.as_str())),
        ]
    }

    fn to_json(&self) -> serde_json::Value {
        let names = ["version", "git_commit", "git_tree_state", "go_version"];
        let fields = names
            .iter()
            .zip(self.fields())
            .filter(|(_, (_, value))| value.truth());
        serde_json::Value::Object(
            fields
                .map(|(name, (_, value))| ((*name).to_owned(), value.to_json()))
                .collect(),
        )
    }
}
