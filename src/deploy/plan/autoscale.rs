//! Replicas that a HorizontalPodAutoscaler sets: they stay, whatever the chart says.
//!
//! The chart's number counts when the object is made, and again when no autoscaler is there any more. Autoscalers are
//! looked up only where an object's managed fields say that one has acted.

use std::collections::{BTreeMap, BTreeSet};

use futures::future;
use serde_json::Value;

use super::Live;
use crate::deploy::DeployError;
use crate::deploy::cluster::Cluster;
use crate::deploy::fields;
use crate::deploy::kinds::Kinds;
use crate::deploy::resources::{Resource, ResourceId, Resources};

const KIND: &str = "HorizontalPodAutoscaler";
const API_VERSION: &str = "autoscaling/v2";

/// A namespace's autoscalers: kind and name of what they scale; `None` where the user may not look.
type Targets = Option<BTreeSet<(String, String)>>;

/// What autoscalers scale.
#[derive(Debug, Default)]
pub(super) struct Autoscaled {
    by_namespace: BTreeMap<String, Targets>,
}

impl Autoscaled {
    /// Looks where it matters; `gone` are objects that this run deletes.
    pub(super) async fn read(
        cluster: &Cluster,
        kinds: &Kinds,
        resources: &Resources,
        live: &Live,
        gone: &[(ResourceId, Value)],
    ) -> Result<Self, DeployError> {
        let namespaces: BTreeSet<&str> = resources
            .main
            .iter()
            .filter(|resource| resource.object["spec"]["replicas"].is_number())
            .filter(|resource| live.find(&resource.id).is_some_and(fields::is_autoscaled))
            .filter_map(|resource| resource.id.namespace.as_deref())
            .collect();
        let Some(kind) = kinds.find(API_VERSION, KIND) else {
            return Ok(Self::default());
        };
        let all = namespaces.into_iter().map(|namespace| async move {
            let found = match cluster.list(kind, Some(namespace), None).await {
                Ok(list) => list,
                Err(error) if error.is_forbidden() => return Ok((namespace.to_owned(), None)),
                Err(source) => return Err(DeployError::api(format!("list {KIND} objects"), source)),
            };
            let leaves = |object: &Value| {
                gone.iter().any(|(id, _)| {
                    id.kind == KIND
                        && id.namespace.as_deref() == Some(namespace)
                        && object["metadata"]["name"] == id.name.as_str()
                })
            };
            let targets = found
                .iter()
                .filter(|object| !leaves(object))
                .map(target)
                .collect();
            Ok((namespace.to_owned(), Some(targets)))
        });
        let by_namespace = future::try_join_all(all).await?.into_iter().collect();
        Ok(Self { by_namespace })
    }

    /// Whether an autoscaler sets this object's replicas.
    pub(super) fn holds(&self, resource: &Resource, live: &Value) -> bool {
        let id = &resource.id;
        let Some(targets) = id
            .namespace
            .as_ref()
            .and_then(|namespace| self.by_namespace.get(namespace))
        else {
            return false;
        };
        fields::is_autoscaled(live)
            && targets
                .as_ref()
                .is_none_or(|targets| targets.contains(&(id.kind.clone(), id.name.clone())))
    }
}

fn target(object: &Value) -> (String, String) {
    let target = &object["spec"]["scaleTargetRef"];
    let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
    (text("kind"), text("name"))
}
