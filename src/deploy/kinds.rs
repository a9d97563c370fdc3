//! What an API server serves: which kinds, where, and whether they live in namespaces.

use std::collections::BTreeMap;

use http::{HeaderValue, Method, header};
use serde_json::Value;

use crate::release::api::{self, ApiError, encode_part};

/// Discovery in one answer per root (Kubernetes 1.27 and newer).
const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// One kind of one version of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiKind {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
    /// False for a kind that a CRD of this very release will bring.
    pub(crate) served: bool,
}

impl ApiKind {
    fn root(&self) -> String {
        if self.api_version.contains('/') {
            format!("/apis/{}", self.api_version)
        } else {
            format!("/api/{}", self.api_version)
        }
    }

    /// The collection's path; all namespaces where `namespace` is `None`.
    pub(crate) fn collection(&self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) if self.namespaced => {
                format!(
                    "{}/namespaces/{}/{}",
                    self.root(),
                    encode_part(namespace),
                    self.plural
                )
            }
            _ => format!("{}/{}", self.root(), self.plural),
        }
    }

    /// An object's path.
    pub(crate) fn path(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), encode_part(name))
    }

    /// Adds what the items of a list lack.
    pub(crate) fn complete(&self, mut item: Value) -> Value {
        if let Some(map) = item.as_object_mut() {
            map.insert("apiVersion".to_owned(), Value::from(self.api_version.as_str()));
            map.insert("kind".to_owned(), Value::from(self.kind.as_str()));
        }
        item
    }
}

/// All kinds, by apiVersion and kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kinds {
    by_name: BTreeMap<(String, String), ApiKind>,
    /// Kinds of subresources too, which Helm counts.
    listed: Vec<String>,
}

impl Kinds {
    /// Asks the server.
    pub(crate) async fn discover(client: &kube::Client) -> Result<Self, ApiError> {
        let ask = async |path: &str| {
            let mut request = api::request(Method::GET, path);
            request
                .headers_mut()
                .insert(header::ACCEPT, HeaderValue::from_static(AGGREGATED));
            api::send(client, request).await
        };
        let (core, groups) = tokio::try_join!(ask("/api"), ask("/apis"))?;
        let mut kinds = Self::default();
        if core["kind"] == "APIGroupDiscoveryList" {
            kinds.add_aggregated(&core);
            kinds.add_aggregated(&groups);
            return Ok(kinds);
        }
        let mut versions = vec!["v1".to_owned()];
        for group in groups["groups"].as_array().into_iter().flatten() {
            let all = group["versions"].as_array().into_iter().flatten();
            versions.extend(all.filter_map(|version| Some(version["groupVersion"].as_str()?.to_owned())));
        }
        for version in versions {
            let root = if version.contains('/') { "/apis" } else { "/api" };
            // A group whose aggregated server is down must not stop everything else.
            if let Ok(list) = ask(&format!("{root}/{version}")).await {
                kinds.add_plain(&version, &list);
            }
        }
        Ok(kinds)
    }

    fn insert(&mut self, kind: ApiKind) {
        self.by_name
            .insert((kind.api_version.clone(), kind.kind.clone()), kind);
    }

    fn add_aggregated(&mut self, list: &Value) {
        for group in array(list, "items") {
            let name = group["metadata"]["name"].as_str().unwrap_or_default();
            for version in array(group, "versions") {
                let version_name = version["version"].as_str().unwrap_or_default();
                let api_version = if name.is_empty() {
                    version_name.to_owned()
                } else {
                    format!("{name}/{version_name}")
                };
                self.listed.push(api_version.clone());
                for resource in array(version, "resources") {
                    let kind = resource["responseKind"]["kind"].as_str().unwrap_or_default();
                    self.listed.push(format!("{api_version}/{kind}"));
                    for sub in array(resource, "subresources") {
                        if let Some(kind) = sub["responseKind"]["kind"].as_str() {
                            self.listed.push(format!("{api_version}/{kind}"));
                        }
                    }
                    self.insert(ApiKind {
                        api_version: api_version.clone(),
                        kind: kind.to_owned(),
                        plural: resource["resource"].as_str().unwrap_or_default().to_owned(),
                        namespaced: resource["scope"] == "Namespaced",
                        served: true,
                    });
                }
            }
        }
    }

    fn add_plain(&mut self, api_version: &str, list: &Value) {
        self.listed.push(api_version.to_owned());
        for resource in array(list, "resources") {
            let (Some(plural), Some(kind)) = (resource["name"].as_str(), resource["kind"].as_str()) else {
                continue;
            };
            self.listed.push(format!("{api_version}/{kind}"));
            if !plural.contains('/') {
                self.insert(ApiKind {
                    api_version: api_version.to_owned(),
                    kind: kind.to_owned(),
                    plural: plural.to_owned(),
                    namespaced: resource["namespaced"] == true,
                    served: true,
                });
            }
        }
    }

    /// Adds the kinds that a CRD object defines and the server doesn't serve yet.
    pub(crate) fn add_crd(&mut self, crd: &Value) {
        let spec = &crd["spec"];
        let (Some(group), Some(kind), Some(plural)) = (
            spec["group"].as_str(),
            spec["names"]["kind"].as_str(),
            spec["names"]["plural"].as_str(),
        ) else {
            return;
        };
        for version in array(spec, "versions").filter_map(|version| version["name"].as_str()) {
            let api_version = format!("{group}/{version}");
            if self.find(&api_version, kind).is_none() {
                self.insert(ApiKind {
                    api_version,
                    kind: kind.to_owned(),
                    plural: plural.to_owned(),
                    namespaced: spec["scope"] != "Cluster",
                    served: false,
                });
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn add_for_test(&mut self, api_version: &str, kind: &str, plural: &str, namespaced: bool) {
        self.insert(ApiKind {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced,
            served: true,
        });
    }

    /// The kind, if it is served or will be.
    pub(crate) fn find(&self, api_version: &str, kind: &str) -> Option<&ApiKind> {
        self.by_name.get(&(api_version.to_owned(), kind.to_owned()))
    }

    /// The same kind in any version: a recorded apiVersion may be gone by now.
    pub(crate) fn find_any_version(&self, api_version: &str, kind: &str) -> Option<&ApiKind> {
        self.find(api_version, kind).or_else(|| {
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            self.by_name.values().find(|known| {
                known.kind == kind
                    && known.api_version.split_once('/').map_or("", |(group, _)| group) == group
            })
        })
    }

    /// As `.Capabilities.APIVersions` lists them: sorted, each once.
    pub(crate) fn api_versions(&self) -> Vec<String> {
        let mut versions = self.listed.clone();
        versions.sort();
        versions.dedup();
        versions
    }
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn aggregated_discovery_gives_kinds_and_versions() {
        let mut kinds = Kinds::default();
        kinds.add_aggregated(&json!({"items": [{"metadata": {"name": "apps"}, "versions": [{"version": "v1",
            "resources": [{"resource": "deployments", "scope": "Namespaced", "responseKind": {"kind": "Deployment"},
            "subresources": [{"subresource": "scale", "responseKind": {"kind": "Scale"}}]}]}]}]}));
        let found = kinds.find("apps/v1", "Deployment").expect("found");
        assert_eq!(
            found.path(Some("x"), "a:b"),
            "/apis/apps/v1/namespaces/x/deployments/a%3Ab"
        );
        assert_eq!(
            kinds.api_versions(),
            ["apps/v1", "apps/v1/Deployment", "apps/v1/Scale"]
        );
        assert!(kinds.find_any_version("apps/v1beta1", "Deployment").is_some());
        assert!(kinds.find_any_version("other/v1", "Deployment").is_none());
    }

    #[test]
    fn plain_discovery_skips_subresources() {
        let mut kinds = Kinds::default();
        kinds.add_plain(
            "v1",
            &json!({"resources": [{"name": "nodes", "kind": "Node", "namespaced": false},
            {"name": "nodes/status", "kind": "Node", "namespaced": false}]}),
        );
        assert_eq!(
            kinds.find("v1", "Node").expect("found").path(None, "n"),
            "/api/v1/nodes/n"
        );
    }

    #[test]
    fn crds_bring_kinds_that_are_not_served_yet() {
        let mut kinds = Kinds::default();
        kinds.add_crd(&json!({"spec": {"group": "e.org", "scope": "Namespaced",
            "names": {"kind": "Cat", "plural": "cats"}, "versions": [{"name": "v1"}, {"name": "v2"}]}}));
        assert!(!kinds.find("e.org/v2", "Cat").expect("found").served);
    }
}
