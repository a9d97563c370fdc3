//! What is in the cluster now: a LIST per kind and namespace, all at once.

use std::collections::{BTreeMap, HashMap};

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;

use crate::deploy::DeployError;
use crate::deploy::cluster::Cluster;
use crate::deploy::kinds::{ApiKind, Kinds};
use crate::deploy::resources::ResourceId;
use crate::release::ApiError;

/// Requests at a time.
const PARALLEL: usize = 16;
/// Release records are Secrets of up to a megabyte each.
const NO_RECORDS: &str = "type!=helm.sh/release.v1";

/// Objects found, by what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Live {
    objects: HashMap<ResourceId, Value>,
}

impl Live {
    /// Reads the objects that exist among `ids`; kinds that are not served have none.
    pub(crate) async fn read(
        cluster: &Cluster,
        kinds: &Kinds,
        ids: Vec<ResourceId>,
    ) -> Result<Self, DeployError> {
        let mut groups: BTreeMap<(String, String, Option<String>), Vec<ResourceId>> = BTreeMap::new();
        for id in ids {
            let key = (id.api_version.clone(), id.kind.clone(), id.namespace.clone());
            groups.entry(key).or_default().push(id);
        }
        let found: Vec<Vec<(ResourceId, Value)>> = stream::iter(groups.into_values())
            .map(|group| async move {
                match kinds
                    .find(&group[0].api_version, &group[0].kind)
                    .filter(|kind| kind.served)
                {
                    Some(kind) => read_group(cluster, kind, group).await,
                    None => Ok(Vec::new()),
                }
            })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        Ok(Self {
            objects: found.into_iter().flatten().collect(),
        })
    }

    /// The object, if it exists.
    pub(crate) fn find(&self, id: &ResourceId) -> Option<&Value> {
        self.objects.get(id)
    }
}

async fn read_group(
    cluster: &Cluster,
    kind: &ApiKind,
    group: Vec<ResourceId>,
) -> Result<Vec<(ResourceId, Value)>, DeployError> {
    let namespace = group[0].namespace.clone();
    if group.len() > 1 {
        let selector = (kind.kind == "Secret" && kind.api_version == "v1").then_some(NO_RECORDS);
        match cluster.list(kind, namespace.as_deref(), selector).await {
            Ok(items) => return Ok(pick(&group, items)),
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            // Rights on single objects may do.
            Err(error) if error.is_forbidden() => {}
            Err(source) => return Err(DeployError::api(format!("list {} objects", kind.kind), source)),
        }
    }
    let single = |id: ResourceId| async move {
        match cluster.get(kind, id.namespace.as_deref(), &id.name).await {
            Ok(object) => Ok(Some((id, object))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(source) => Err(read_error(&id, source)),
        }
    };
    let found: Vec<Option<(ResourceId, Value)>> = stream::iter(group)
        .map(single)
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

fn read_error(id: &ResourceId, source: ApiError) -> DeployError {
    DeployError::api(format!("read {id}"), source)
}

fn pick(group: &[ResourceId], items: Vec<Value>) -> Vec<(ResourceId, Value)> {
    let wanted: HashMap<&str, &ResourceId> = group.iter().map(|id| (id.name.as_str(), id)).collect();
    items
        .into_iter()
        .filter_map(|item| {
            let id = *wanted.get(item["metadata"]["name"].as_str()?)?;
            Some((id.clone(), item))
        })
        .collect()
}
