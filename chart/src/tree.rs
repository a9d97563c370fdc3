//! A chart and the charts below it, while dependencies are switched on and off, renamed and merged.
//!
//! Helm works on charts that point to each other, and what two aliases of one chart share is
//! observable: requirements and their names, and subcharts that `Chart.yaml` doesn't list. So charts
//! and requirements are numbered here, and copies of a chart keep the numbers.

use kiel_template::Value;
use kiel_template::format::quote_str;
use kiel_template::value::Map;

use crate::coalesce::{CoalesceError, Coalescer, Nulls, find_table, leaf_at, table_at};
use crate::metadata::{Dependency, Metadata};
use crate::model::Chart;
use crate::version;
use crate::warning::Warning;

/// A chart's number in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(usize);

/// A requirement's number in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RequirementId(usize);

/// A chart as it takes part in a release.
#[derive(Debug, Clone)]
pub(crate) struct Node<'c> {
    /// The chart as loaded: its files; everything else may have changed since.
    pub(crate) chart: &'c Chart,
    /// Its metadata; `dependencies` is out of date, [`Tree::metadata`] completes it.
    metadata: Metadata,
    requirements: Vec<RequirementId>,
    values: Value,
    pub(crate) children: Vec<NodeId>,
    parent: Option<NodeId>,
}

/// A requirement, shared between the aliases of a chart.
#[derive(Debug)]
struct Requirement {
    dependency: Dependency,
    /// Helm rewrites a list of imports when it has handled it, and does not understand its own form.
    imports_done: bool,
}

impl Requirement {
    /// Go: leaves the paths of the imports in the metadata, in a form that it takes for none next time.
    fn rewrite_imports(&mut self) {
        let imports = std::mem::take(&mut self.dependency.import_values);
        if !self.imports_done {
            let paths = imports.iter().filter_map(import_paths);
            self.dependency.import_values = paths
                .map(|(child, parent)| serde_json::json!({"child": child, "parent": parent}))
                .collect();
        }
        self.imports_done = true;
    }
}

/// All charts of a release; the first one is its root.
#[derive(Debug)]
pub(crate) struct Tree<'c> {
    nodes: Vec<Node<'c>>,
    requirements: Vec<Requirement>,
    warnings: Vec<Warning>,
}

impl Node<'_> {
    /// A fresh copy of the chart's default values.
    pub(crate) fn default_values(&self) -> Map {
        match self.values.deep_copy() {
            Value::Map(map) => map,
            _ => Map::new(),
        }
    }
}

impl<'c> Tree<'c> {
    /// The charts as they were loaded.
    pub(crate) fn new(root: &'c Chart) -> Self {
        let mut tree = Self::without_charts();
        tree.add(root, None);
        tree
    }

    /// No charts at all, for joining tables that belong to none.
    pub(crate) fn without_charts() -> Self {
        Self {
            nodes: Vec::new(),
            requirements: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn add(&mut self, chart: &'c Chart, parent: Option<NodeId>) -> NodeId {
        let id = NodeId(self.nodes.len());
        let requirements = chart.metadata.dependencies.iter().map(|dependency| {
            self.requirements.push(Requirement {
                dependency: dependency.clone(),
                imports_done: false,
            });
            RequirementId(self.requirements.len() - 1)
        });
        self.nodes.push(Node {
            chart,
            metadata: chart.metadata.clone(),
            requirements: requirements.collect(),
            values: Value::from_json(&chart.values),
            children: Vec::new(),
            parent,
        });
        let children: Vec<_> = chart
            .dependencies
            .iter()
            .map(|child| self.add(child, Some(id)))
            .collect();
        self.nodes[id.0].children = children;
        id
    }

    /// The chart that is installed.
    pub(crate) fn root(&self) -> NodeId {
        NodeId(0)
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node<'c> {
        &self.nodes[id.0]
    }

    /// The chart's name, or its alias.
    pub(crate) fn name(&self, id: NodeId) -> &str {
        &self.nodes[id.0].metadata.name
    }

    pub(crate) fn is_root(&self, id: NodeId) -> bool {
        self.nodes[id.0].parent.is_none()
    }

    /// `parent/charts/child`, the prefix of the names of its files.
    pub(crate) fn full_path(&self, id: NodeId) -> String {
        match self.nodes[id.0].parent {
            Some(parent) => format!("{}/charts/{}", self.full_path(parent), self.name(id)),
            None => self.name(id).to_owned(),
        }
    }

    /// The metadata with the requirements that are in effect.
    pub(crate) fn metadata(&self, id: NodeId) -> Metadata {
        let node = &self.nodes[id.0];
        let mut metadata = node.metadata.clone();
        metadata.dependencies = node
            .requirements
            .iter()
            .map(|id| self.requirements[id.0].dependency.clone())
            .collect();
        metadata
    }

    /// The chart's default values, imports included.
    pub(crate) fn values_json(&self, id: NodeId) -> serde_json::Value {
        self.nodes[id.0].values.to_json()
    }

    pub(crate) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// Applies `Chart.yaml`'s dependencies: which charts take part, under which names, and which of
    /// their values their parents import.
    pub(crate) fn process_dependencies(&mut self, values: &Map) -> Result<(), CoalesceError> {
        self.switch(self.root(), values, "")?;
        self.import_values(self.root())
    }

    /// Go: `processDependencyEnabled`.
    fn switch(&mut self, id: NodeId, values: &Map, path: &str) -> Result<(), CoalesceError> {
        if !self.nodes[id.0].metadata.lists_dependencies {
            return Ok(());
        }
        self.rename(id);
        let requirements = self.nodes[id.0].requirements.clone();
        for requirement in &requirements {
            self.requirements[requirement.0].dependency.enabled = true;
        }
        let mut coalescer = Coalescer::new(self);
        let values = coalescer.values(id, values, Nulls::Remove)?;
        let warnings = coalescer.into_warnings();
        self.warnings.extend(warnings);
        for requirement in &requirements {
            self.apply_tags(*requirement, &values);
            self.apply_conditions(*requirement, &values, path);
        }

        let disabled: Vec<String> = requirements
            .iter()
            .map(|id| &self.requirements[id.0].dependency)
            .filter(|dependency| !dependency.enabled)
            .map(|dependency| dependency.name.clone())
            .collect();
        let is_enabled = |name: &str| !disabled.iter().any(|other| other == name);
        let children: Vec<_> = self.nodes[id.0]
            .children
            .iter()
            .copied()
            .filter(|child| is_enabled(self.name(*child)))
            .collect();
        let requirements = requirements
            .into_iter()
            .filter(|id| is_enabled(&self.requirements[id.0].dependency.name))
            .collect();
        for child in &children {
            let path = format!("{path}{}.", self.name(*child));
            self.switch(*child, &values, &path)?;
        }
        self.nodes[id.0].requirements = requirements;
        self.set_children(id, children);
        Ok(())
    }

    /// Puts the charts that `Chart.yaml` lists behind the others, in its order and under their aliases.
    fn rename(&mut self, id: NodeId) {
        let loaded = self.nodes[id.0].children.clone();
        let requirements = self.nodes[id.0].requirements.clone();
        let mut children: Vec<_> = loaded
            .iter()
            .copied()
            .filter(|child| {
                !requirements
                    .iter()
                    .any(|requirement| self.satisfies(*child, *requirement))
            })
            .collect();
        for requirement in requirements {
            let found = loaded
                .iter()
                .copied()
                .find(|child| self.satisfies(*child, requirement));
            let dependency = &mut self.requirements[requirement.0].dependency;
            if let Some(found) = found {
                let mut copy = self.nodes[found.0].clone();
                if !dependency.alias.is_empty() {
                    copy.metadata.name.clone_from(&dependency.alias);
                }
                children.push(NodeId(self.nodes.len()));
                self.nodes.push(copy);
            }
            if !dependency.alias.is_empty() {
                dependency.name.clone_from(&dependency.alias);
            }
        }
        self.set_children(id, children);
    }

    fn satisfies(&self, child: NodeId, requirement: RequirementId) -> bool {
        let metadata = &self.nodes[child.0].metadata;
        let dependency = &self.requirements[requirement.0].dependency;
        metadata.name == dependency.name && version::is_compatible(&dependency.version, &metadata.version)
    }

    fn set_children(&mut self, id: NodeId, children: Vec<NodeId>) {
        for child in &children {
            self.nodes[child.0].parent = Some(id);
        }
        self.nodes[id.0].children = children;
    }

    fn apply_tags(&mut self, requirement: RequirementId, values: &Map) {
        let Some(tags) = table_at(values, "tags") else {
            return;
        };
        let dependency = &mut self.requirements[requirement.0].dependency;
        let (mut any_true, mut any_false) = (false, false);
        for tag in &dependency.tags {
            match tags.get(tag) {
                Some(Value::Bool(true)) => any_true = true,
                Some(Value::Bool(false)) => any_false = true,
                Some(_) => self.warnings.push(Warning::logged(
                    "dependencies.go:95",
                    &format!(
                        "Warning: Tag '{tag}' for chart {} returned non-bool value",
                        dependency.name
                    ),
                )),
                None => {}
            }
        }
        dependency.enabled = any_true || !any_false;
    }

    /// The first path that holds a boolean decides.
    fn apply_conditions(&mut self, requirement: RequirementId, values: &Map, path: &str) {
        let dependency = &mut self.requirements[requirement.0].dependency;
        let conditions = dependency.condition.trim().to_owned();
        for condition in conditions.split(',').filter(|condition| !condition.is_empty()) {
            match leaf_at(values, &format!("{path}{condition}")) {
                Some(Value::Bool(enabled)) => {
                    dependency.enabled = enabled;
                    return;
                }
                Some(_) => self.warnings.push(Warning::logged(
                    "dependencies.go:64",
                    &format!(
                        "Warning: Condition path '{condition}' for chart {} returned non-bool value",
                        dependency.name
                    ),
                )),
                None => {}
            }
        }
    }

    /// Go: `processDependencyImportValues`, children first.
    fn import_values(&mut self, id: NodeId) -> Result<(), CoalesceError> {
        for child in self.nodes[id.0].children.clone() {
            self.import_values(child)?;
        }
        let requirements = self.nodes[id.0].requirements.clone();
        if requirements.is_empty() {
            return Ok(());
        }
        let mut coalescer = Coalescer::new(self);
        let values = coalescer.values(id, &Map::new(), Nulls::Keep)?;
        let imported = Map::new();
        for requirement in &requirements {
            let Requirement {
                dependency,
                imports_done,
            } = &self.requirements[requirement.0];
            if *imports_done {
                continue;
            }
            for import in &dependency.import_values {
                let Some((child, parent)) = import_paths(import) else {
                    continue;
                };
                match find_table(&values, &format!("{}.{child}", dependency.name)) {
                    Ok(table) => {
                        coalescer.tables(&imported, &nested(&parent, table), "", Nulls::Keep);
                    }
                    Err(name) => coalescer.add_warning(no_table(import, &dependency.name, name)),
                }
            }
        }
        let values = if imported.is_empty() {
            values
        } else {
            let Value::Map(values) = Value::Map(values).deep_copy() else {
                return Ok(());
            };
            coalescer.tables(&values, &imported, "", Nulls::Keep);
            values
        };
        let warnings = coalescer.into_warnings();
        for requirement in requirements {
            self.requirements[requirement.0].rewrite_imports();
        }
        self.warnings.extend(warnings);
        self.nodes[id.0].values = Value::Map(values);
        Ok(())
    }
}

/// That an import finds no table: `name` of its path is none.
fn no_table(import: &serde_json::Value, chart: &str, name: &str) -> Warning {
    let name = quote_str(name.as_bytes());
    if import.is_string() {
        let text = format!("Warning: ImportValues missing table: {name} is not a table");
        return Warning::logged("dependencies.go:287", &text);
    }
    let text = format!("Warning: ImportValues missing table from chart {chart}: {name} is not a table");
    Warning::logged("dependencies.go:270", &text)
}

/// The child's table and where it goes in the parent.
fn import_paths(import: &serde_json::Value) -> Option<(String, String)> {
    let text = |value: Option<&serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Null) | None => "<nil>".to_owned(),
        Some(other) => other.to_string(),
    };
    match import {
        serde_json::Value::String(name) => Some((format!("exports.{name}"), ".".to_owned())),
        serde_json::Value::Object(paths) => Some((text(paths.get("child")), text(paths.get("parent")))),
        _ => None,
    }
}

/// `table` below the tables that `path` names; `.` is no table at all.
fn nested(path: &str, table: Map) -> Map {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, name| {
        [(name, Value::Map(inner))].into_iter().collect()
    })
}

#[cfg(test)]
mod tests;
