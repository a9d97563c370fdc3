//! Records as Secrets in the release's namespace.

use std::collections::BTreeSet;

use http::{HeaderValue, Method, header};
use kube::Client;
use serde_json::{Value, json};

use super::api::{self, ApiError, encode_part};
use super::record::{Release, Status, decode, encode};
use super::{Namespace, ReleaseError, ReleaseTarget};

/// The API server's limit for a Secret's data.
const SECRET_LIMIT: usize = 1 << 20;
/// Records per page of a LIST.
const PAGE: usize = 100;
/// Only an object's metadata: a record's body can take a megabyte.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// A revision of a release, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// From 1.
    pub number: u64,
    /// Its state.
    pub status: Status,
    /// When its record was made, RFC 3339.
    pub created: String,
}

fn secret_name(target: &ReleaseTarget, revision: u64) -> String {
    format!("sh.helm.release.v1.{}.v{revision}", target.name)
}

fn secrets_path(target: &ReleaseTarget) -> String {
    format!("/api/v1/namespaces/{}/secrets", target.namespace)
}

fn secret_path(target: &ReleaseTarget, revision: u64) -> String {
    format!("{}/{}", secrets_path(target), secret_name(target, revision))
}

/// All revisions, oldest first; one request, metadata only.
pub async fn history(client: &Client, target: &ReleaseTarget) -> Result<Vec<Revision>, ReleaseError> {
    let selector = format!("owner=helm,name={}", target.name);
    let list = list_metadata(client, &target.namespace, &selector)
        .await
        .map_err(|source| ReleaseError::Api {
            action: format!("list the records of release {target}"),
            source,
        })?;
    let mut revisions: Vec<Revision> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| {
            let labels = &item["metadata"]["labels"];
            Some(Revision {
                number: labels["version"].as_str()?.parse().ok()?,
                status: Status::parse(labels["status"].as_str().unwrap_or_default()),
                created: item["metadata"]["creationTimestamp"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            })
        })
        .collect();
    revisions.sort_by_key(|revision| revision.number);
    Ok(revisions)
}

/// The names of all releases in a namespace.
pub async fn names_in(client: &Client, namespace: &Namespace) -> Result<BTreeSet<String>, ReleaseError> {
    let list = list_metadata(client, namespace, "owner=helm")
        .await
        .map_err(|source| ReleaseError::Api {
            action: format!("list the releases in namespace `{namespace}`"),
            source,
        })?;
    let items = list["items"].as_array().into_iter().flatten();
    Ok(items
        .filter_map(|item| item["metadata"]["labels"]["name"].as_str().map(str::to_owned))
        .collect())
}

async fn list_metadata(client: &Client, namespace: &Namespace, selector: &str) -> Result<Value, ApiError> {
    let path = format!(
        "/api/v1/namespaces/{namespace}/secrets?labelSelector={}",
        encode_part(selector)
    );
    let mut request = api::request(Method::GET, &path);
    request
        .headers_mut()
        .insert(header::ACCEPT, HeaderValue::from_static(METADATA_ONLY));
    api::send(client, request).await
}

/// All records in a namespace, or in all of them, with their bodies; what is no record of Helm's is left out, as Helm
/// does.
pub async fn list(client: &Client, namespace: Option<&str>) -> Result<Vec<Release>, ReleaseError> {
    list_records(client, namespace, "owner=helm").await
}

/// The records of one release.
pub async fn list_named(client: &Client, namespace: &str, name: &str) -> Result<Vec<Release>, ReleaseError> {
    list_records(client, Some(namespace), &format!("owner=helm,name={name}")).await
}

async fn list_records(
    client: &Client,
    namespace: Option<&str>,
    selector: &str,
) -> Result<Vec<Release>, ReleaseError> {
    let folder = match namespace {
        Some(namespace) => format!("/api/v1/namespaces/{}/secrets", encode_part(namespace)),
        None => "/api/v1/secrets".to_owned(),
    };
    let first = format!("{folder}?limit={PAGE}&labelSelector={}", encode_part(selector));
    let mut found = Vec::new();
    let mut path = first.clone();
    loop {
        let page = api::send(client, api::request(Method::GET, &path))
            .await
            .map_err(|source| ReleaseError::Api {
                action: match namespace {
                    Some(namespace) => format!("list the release records in namespace `{namespace}`"),
                    None => "list the release records of all namespaces".to_owned(),
                },
                source,
            })?;
        let items = page["items"].as_array().into_iter().flatten();
        found.extend(items.filter_map(|item| decode_secret(item["metadata"]["name"].as_str()?, item).ok()));
        match page["metadata"]["continue"]
            .as_str()
            .filter(|next| !next.is_empty())
        {
            Some(next) => path = format!("{first}&continue={}", encode_part(next)),
            None => return Ok(found),
        }
    }
}

/// The newest revision with its body.
pub async fn latest(client: &Client, target: &ReleaseTarget) -> Result<Option<Release>, ReleaseError> {
    match history(client, target).await?.last() {
        Some(revision) => read(client, target, revision.number).await.map(Some),
        None => Ok(None),
    }
}

/// One revision with its body.
pub async fn read(client: &Client, target: &ReleaseTarget, revision: u64) -> Result<Release, ReleaseError> {
    let name = secret_name(target, revision);
    let secret = api::send(client, api::request(Method::GET, &secret_path(target, revision)))
        .await
        .map_err(|source| ReleaseError::Api {
            action: format!("read release record `{name}`"),
            source,
        })?;
    decode_secret(&name, &secret)
}

fn decode_secret(name: &str, secret: &Value) -> Result<Release, ReleaseError> {
    let corrupt = |why: &str| ReleaseError::Corrupt {
        record: name.to_owned(),
        why: why.to_owned(),
    };
    let outer = secret["data"]["release"]
        .as_str()
        .ok_or_else(|| corrupt("it has no key `release`"))?;
    let inner = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, outer)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| corrupt("its data is not base64"))?;
    let mut release = decode(name, &inner)?;
    let labels = secret["metadata"]["labels"].as_object().into_iter().flatten();
    let labels = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    release.labels = labels.collect();
    Ok(release)
}

/// Writes a new revision; `Exists` where another run was faster.
pub async fn create(client: &Client, target: &ReleaseTarget, release: &Release) -> Result<(), ReleaseError> {
    let mut body = secret(target, release)?;
    body["metadata"]["labels"]["createdAt"] = Value::from(unix_now());
    let request = api::request_json(Method::POST, &secrets_path(target), "application/json", &body);
    api::send(client, request).await.map(drop).map_err(|source| {
        if source.is_conflict() {
            ReleaseError::Exists {
                release: target.to_string(),
                revision: release.version,
            }
        } else {
            write_error(target, release.version, source)
        }
    })
}

/// Writes a revision again: state, description and hooks change during its life.
pub async fn update(client: &Client, target: &ReleaseTarget, release: &Release) -> Result<(), ReleaseError> {
    let mut body = secret(target, release)?;
    body["metadata"]["labels"]["modifiedAt"] = Value::from(unix_now());
    let path = secret_path(target, release.version);
    let request = api::request_json(Method::PATCH, &path, "application/merge-patch+json", &body);
    api::send(client, request)
        .await
        .map(drop)
        .map_err(|source| write_error(target, release.version, source))
}

/// Removes a revision; one that is gone already is no error.
pub async fn delete(client: &Client, target: &ReleaseTarget, revision: u64) -> Result<(), ReleaseError> {
    match api::send(
        client,
        api::request(Method::DELETE, &secret_path(target, revision)),
    )
    .await
    {
        Err(source) if !source.is_not_found() => Err(ReleaseError::Api {
            action: format!("delete release record `{}`", secret_name(target, revision)),
            source,
        }),
        _ => Ok(()),
    }
}

fn write_error(target: &ReleaseTarget, revision: u64, source: ApiError) -> ReleaseError {
    ReleaseError::Api {
        action: format!("write release record `{}`", secret_name(target, revision)),
        source,
    }
}

fn unix_now() -> String {
    jiff::Timestamp::now().as_second().to_string()
}

fn secret(target: &ReleaseTarget, release: &Release) -> Result<Value, ReleaseError> {
    let encoded = encode(release);
    if encoded.len() > SECRET_LIMIT {
        return Err(ReleaseError::TooLarge {
            release: target.to_string(),
            size: encoded.len(),
            limit: SECRET_LIMIT,
        });
    }
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &encoded);
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": secret_name(target, release.version),
            "namespace": target.namespace.as_str(),
            "labels": {
                "name": target.name.as_str(),
                "owner": "helm",
                "status": release.info.status.as_str(),
                "version": release.version.to_string(),
            },
        },
        "data": {"release": data},
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    #[test]
    fn a_record_too_large_says_so() {
        // Hex of a counter's hashes does not compress below half its size.
        let mut manifest = String::new();
        for n in 0..60_000_u32 {
            manifest.push_str(blake3::hash(&n.to_le_bytes()).to_hex().as_str());
        }
        let target = ReleaseTarget::parse("app", "x").expect("names");
        let release = Release {
            name: "app".into(),
            info: super::super::Info::default(),
            chart: Value::Null,
            config: Value::Null,
            manifest,
            hooks: Vec::new(),
            version: 1,
            namespace: "x".into(),
            labels: std::collections::BTreeMap::new(),
            extra: Map::new(),
        };
        let message = secret(&target, &release).expect_err("too large").to_string();
        assert!(
            message.contains("release `app` in namespace `x`") && message.contains("1048576"),
            "{message}"
        );
    }
}
