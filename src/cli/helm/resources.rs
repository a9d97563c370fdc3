//! `kiel helm status --show-resources`: a release's objects as the cluster has them, by version and kind.
//!
//! As Helm: the objects of the manifest in its order, then the pods that a workload's selector takes. The server makes
//! the tables. Kinds stand in the order of their names, where Helm leaves it to chance. An object that is not there is
//! left out. Hooks are not looked at.

use std::collections::BTreeMap;

use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::HelmError;
use crate::deploy::{Cluster, Source, read_objects};
use crate::release::Release;
use crate::release::api::{self, ApiError, encode_part};

/// Tables where the server makes them.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Under which name pods stand that a workload has made.
const RELATED: &str = "v1/Pod(related)";

/// Kubernetes' layout of tables: how far apart columns stand, and how wide one is at least.
const PADDING: usize = 3;
const MIN_WIDTH: usize = 6;

/// What the server answers, by version and kind.
pub(super) type Live = BTreeMap<String, Vec<Value>>;

/// Asks for the objects of a release; as tables for people, else whole.
pub(super) async fn read(cluster: &Cluster, release: &Release, as_tables: bool) -> Result<Live, HelmError> {
    let source = Source {
        source: format!("revision {}", release.version),
        text: release.manifest.clone(),
    };
    let objects = read_objects(&source).map_err(HelmError)?;
    let kinds = cluster.kinds().await?;
    let mut live = Live::new();
    let mut selectors: Vec<Value> = Vec::new();
    for object in objects {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let namespace = Some(text("/metadata/namespace"))
            .filter(|namespace| !namespace.is_empty())
            .unwrap_or(&release.namespace);
        let Some(found) = kinds.find(api_version, kind) else {
            return Err(HelmError(format!(
                "resource mapping not found for name: \"{name}\" namespace: \"{}\" from \"\": no matches for kind \
                 \"{kind}\" in version \"{api_version}\"\nensure CRDs are installed first",
                text("/metadata/namespace")
            )));
        };
        let scope = found.namespaced.then_some(namespace);
        let answer = get(cluster, &found.path(scope, name), as_tables).await;
        let Some(answer) = present(answer)? else { continue };
        let version = api_version.rsplit('/').next().unwrap_or_default();
        live.entry(format!("{version}/{kind}")).or_default().push(answer);
        let Some(selector) = selector(&object).filter(|selector| !selectors.contains(selector)) else {
            continue;
        };
        let labels: Vec<_> = selector.as_object().into_iter().flatten().collect();
        let labels = labels
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(",");
        selectors.push(selector);
        let Some(pods) = kinds.find("v1", "Pod") else {
            continue;
        };
        let path = format!(
            "{}?labelSelector={}",
            pods.collection(Some(namespace)),
            encode_part(&labels)
        );
        if let Some(mut list) = present(get(cluster, &path, as_tables).await)? {
            if let Some(Value::Array(items)) = list.get_mut("items") {
                for item in items {
                    *item = pods.complete(item.take());
                }
            }
            live.entry(RELATED.to_owned()).or_default().push(list);
        }
    }
    Ok(live)
}

async fn get(cluster: &Cluster, path: &str, as_table: bool) -> Result<Value, ApiError> {
    let mut request = api::request(Method::GET, path);
    if as_table {
        request
            .headers_mut()
            .insert(header::ACCEPT, HeaderValue::from_static(TABLE));
    }
    api::send(cluster.client(), request).await
}

fn present(answer: Result<Value, ApiError>) -> Result<Option<Value>, HelmError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The labels by which a workload of the manifest takes its pods.
fn selector(object: &Value) -> Option<Value> {
    let selector = match object["kind"].as_str()? {
        "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
            &object["spec"]["selector"]["matchLabels"]
        }
        "ReplicationController" => &object["spec"]["selector"],
        _ => return None,
    };
    selector.is_object().then(|| selector.clone())
}

/// All tables as Helm prints them: a kind's first object brings the head, each has columns of its own width.
pub(super) fn to_text(live: &Live) -> String {
    let mut text = String::new();
    // Go: a head stands over what follows it with the same columns, and where no row is, no head is.
    let (mut last_columns, mut has_head) = (Value::Null, false);
    for (kind, answers) in live {
        text.push_str(&format!("==> {kind}\n"));
        for answer in answers {
            let table = as_table(answer);
            if table["columnDefinitions"] != last_columns {
                last_columns = table["columnDefinitions"].clone();
                has_head = false;
            }
            if table["rows"].as_array().is_some_and(|rows| !rows.is_empty()) {
                text.push_str(&aligned(&rows(&table, !has_head)));
                has_head = true;
            }
        }
        text.push('\n');
    }
    text
}

/// The answer as a table, of names where the server has made none.
fn as_table(answer: &Value) -> Value {
    if answer["kind"] == "Table" {
        return answer.clone();
    }
    let objects = match &answer["items"] {
        Value::Array(items) => items.as_slice(),
        _ => std::slice::from_ref(answer),
    };
    let rows: Vec<_> = objects
        .iter()
        .map(|object| json!({"cells": [object["metadata"]["name"]]}))
        .collect();
    json!({"columnDefinitions": [{"name": "Name", "priority": 0}], "rows": rows})
}

fn rows(table: &Value, with_head: bool) -> Vec<Vec<String>> {
    let list = |key: &str| table[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown: Vec<bool> = list("columnDefinitions")
        .iter()
        .map(|column| column["priority"].as_i64().unwrap_or_default() == 0)
        .collect();
    let mut rows = Vec::new();
    if with_head {
        let names = list("columnDefinitions").iter().zip(&shown);
        let names = names.filter(|(_, shown)| **shown);
        rows.push(
            names
                .map(|(column, _)| column["name"].as_str().unwrap_or_default().to_uppercase())
                .collect(),
        );
    }
    for row in list("rows") {
        let cells = row["cells"].as_array().map(Vec::as_slice).unwrap_or_default();
        let cells = cells.iter().zip(&shown).filter(|(_, shown)| **shown);
        rows.push(cells.map(|(cell, _)| cell_text(cell)).collect());
    }
    rows
}

/// Go: a cell ends with its first line.
fn cell_text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => match text.find(['\n', '\r', '\x0c']) {
            Some(end) => format!("{}...", &text[..end]),
            None => text.clone(),
        },
        other => other.to_string(),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
            (widest + PADDING).max(MIN_WIDTH)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(cell);
            if at + 1 < row.len() {
                text.push_str(&" ".repeat(width - cell.chars().count()));
            }
        }
        text.push('\n');
    }
    text
}

/// For JSON and YAML, where Go sorts what is no structure.
pub(super) fn to_json(live: &Live) -> Value {
    let sorted = |answers: &Vec<Value>| Value::Array(answers.iter().map(sorted).collect());
    Value::Object(
        live.iter()
            .map(|(kind, answers)| (kind.clone(), sorted(answers)))
            .collect(),
    )
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            Value::Object(
                members
                    .into_iter()
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
