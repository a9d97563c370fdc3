//! Which image needs which.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::model::Config;

/// Why the graph is not sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A name that no image has.
    #[error("cannot find image `{image}`{by}; werf.yaml has: {known}", by = by_whom(.needed_by.as_deref()))]
    Unknown {
        /// The name.
        image: String,
        /// The image that names it; none for an argument of the command.
        needed_by: Option<String>,
        /// The names that there are.
        known: String,
    },
    /// Images that need each other.
    #[error("cannot order the images: {} need each other", .0.join(" → "))]
    Cycle(Vec<String>),
}

fn by_whom(name: Option<&str>) -> String {
    name.map(|name| format!(", which image `{name}` needs"))
        .unwrap_or_default()
}

/// Why an image needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EdgeKind {
    /// It begins with it.
    From,
    /// It imports files from it.
    Import,
    /// It reads its name.
    Dependency,
}

/// A need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Why.
    pub kind: EdgeKind,
    /// Which image.
    pub image: String,
}

/// An image with its needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name.
    pub image: String,
    /// Its needs, each once for each reason.
    pub needs: Vec<Edge>,
}

/// All images in the order of werf.yaml. Every need is one of them, and there is no cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ImageGraph(Vec<Node>);

/// Makes the graph.
///
/// # Errors
/// An unknown name, or a cycle.
pub fn graph(config: &Config) -> Result<ImageGraph, GraphError> {
    let nodes = config.images.iter().map(|image| {
        let edges = |kind: EdgeKind, names: Vec<&str>| -> Vec<Edge> {
            names
                .into_iter()
                .map(|name| Edge {
                    kind,
                    image: name.to_owned(),
                })
                .collect()
        };
        let mut needs = edges(EdgeKind::From, image.base().into_iter().collect());
        needs.extend(edges(EdgeKind::Import, image.imports()));
        needs.extend(edges(EdgeKind::Dependency, image.dependencies()));
        let mut unique: Vec<Edge> = Vec::new();
        for edge in needs {
            if !unique.contains(&edge) {
                unique.push(edge);
            }
        }
        Node {
            image: image.name.clone(),
            needs: unique,
        }
    });
    let graph = ImageGraph(nodes.collect());
    graph.order(&[])?;
    Ok(graph)
}

impl ImageGraph {
    /// The images.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.0
    }

    /// The named images (all where none is named) and what they need, each after its needs; else as in werf.yaml.
    ///
    /// # Errors
    /// A name that no image has, or a cycle.
    pub fn order(&self, names: &[String]) -> Result<Vec<String>, GraphError> {
        let index: BTreeMap<&str, &Node> = self.0.iter().map(|node| (node.image.as_str(), node)).collect();
        let mut visit = Visit {
            index,
            known: self,
            order: Vec::new(),
            path: Vec::new(),
        };
        if names.is_empty() {
            self.0
                .iter()
                .try_for_each(|node| visit.image(&node.image, None))?;
        }
        names.iter().try_for_each(|name| visit.image(name, None))?;
        Ok(visit.order)
    }
}

struct Visit<'a> {
    index: BTreeMap<&'a str, &'a Node>,
    known: &'a ImageGraph,
    order: Vec<String>,
    path: Vec<String>,
}

impl Visit<'_> {
    fn image(&mut self, name: &str, needed_by: Option<&str>) -> Result<(), GraphError> {
        if self.order.iter().any(|done| done == name) {
            return Ok(());
        }
        if let Some(start) = self.path.iter().position(|open| open == name) {
            let mut cycle = self.path[start..].to_vec();
            cycle.push(name.to_owned());
            return Err(GraphError::Cycle(cycle));
        }
        let Some(node) = self.index.get(name).copied() else {
            let known: Vec<&str> = self.known.0.iter().map(|node| node.image.as_str()).collect();
            return Err(GraphError::Unknown {
                image: name.to_owned(),
                needed_by: needed_by.map(str::to_owned),
                known: known.join(", "),
            });
        };
        self.path.push(name.to_owned());
        node.needs
            .iter()
            .try_for_each(|edge| self.image(&edge.image, Some(name)))?;
        self.path.pop();
        self.order.push(name.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph_of(edges: &[(&str, &[&str])]) -> ImageGraph {
        let node = |(image, needs): &(&str, &[&str])| Node {
            image: (*image).into(),
            needs: needs
                .iter()
                .map(|name| Edge {
                    kind: EdgeKind::Import,
                    image: (*name).into(),
                })
                .collect(),
        };
        ImageGraph(edges.iter().map(node).collect())
    }

    #[test]
    fn needs_come_first_and_the_rest_as_written() {
        let graph = graph_of(&[("c", &["a"]), ("b", &[]), ("a", &["d"]), ("d", &[])]);
        assert_eq!(graph.order(&[]).unwrap(), ["d", "a", "c", "b"]);
        assert_eq!(graph.order(&["a".into()]).unwrap(), ["d", "a"]);
    }

    #[test]
    fn a_cycle_and_an_unknown_name_are_told() {
        let cycle = graph_of(&[("x", &["a"]), ("a", &["b"]), ("b", &["a"])])
            .order(&[])
            .unwrap_err();
        assert_eq!(
            cycle.to_string(),
            "cannot order the images: a → b → a need each other"
        );
        let unknown = graph_of(&[("a", &["b"])]).order(&[]).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "cannot find image `b`, which image `a` needs; werf.yaml has: a"
        );
    }
}
