//! Joins values: the user's over a chart's defaults, a parent's over its subcharts', globals downwards.
//!
//! Everything here works on shared tables in place, as Helm 3 does: the table that a parent keeps for
//! a subchart *is* the subchart's values, so what a template sets in one is seen in the other.

use kiel_template::Value;
use kiel_template::format::quote_str;
use kiel_template::value::Map;

use crate::model::Chart;
use crate::tree::{NodeId, Tree};
use crate::warning::Warning;

/// The key of the values that all charts of a release see.
pub(crate) const GLOBAL: &str = "global";

/// Values that can't be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("type mismatch on {chart}: {found}")]
pub struct CoalesceError {
    chart: String,
    found: String,
}

/// What happens to a null of the side that wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// It removes the default of the other side and vanishes with it.
    Remove,
    /// It stays, because values will be joined again later.
    Keep,
}

/// Joins values over the charts of a tree and collects warnings.
pub(crate) struct Coalescer<'t, 'c> {
    tree: &'t Tree<'c>,
    warnings: Vec<Warning>,
}

impl<'t, 'c> Coalescer<'t, 'c> {
    pub(crate) fn new(tree: &'t Tree<'c>) -> Self {
        Self {
            tree,
            warnings: Vec::new(),
        }
    }

    /// A copy of `values`, completed with the defaults of the chart and all charts below it.
    pub(crate) fn values(&mut self, chart: NodeId, values: &Map, nulls: Nulls) -> Result<Map, CoalesceError> {
        let copy = match Value::Map(values.clone()).deep_copy() {
            Value::Map(copy) if !copy.is_nil() => copy,
            _ => Map::new(),
        };
        self.chart(chart, &copy, "", nulls)?;
        Ok(copy)
    }

    pub(crate) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }

    pub(crate) fn add_warning(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    /// Notes what Helm logs at that place of its `coalesce.go`.
    fn warn(&mut self, line: u32, text: &str) {
        self.warnings
            .push(Warning::logged(&format!("coalesce.go:{line}"), text));
    }

    /// Likewise, with the value that is passed over.
    fn warn_of(&mut self, line: u32, text: &str, value: &Value) {
        self.warnings
            .push(Warning::logged_with(&format!("coalesce.go:{line}"), text, value));
    }

    fn chart(&mut self, chart: NodeId, dest: &Map, prefix: &str, nulls: Nulls) -> Result<(), CoalesceError> {
        self.defaults(chart, dest, prefix, nulls);
        for child in self.tree.node(chart).children.clone() {
            let name = self.tree.name(child);
            let table = match dest.get(name) {
                None => {
                    let table = Map::new();
                    dest.insert(name, Value::Map(table.clone()));
                    table
                }
                Some(Value::Map(table)) => table,
                Some(other) => {
                    return Err(CoalesceError {
                        chart: name.to_owned(),
                        found: as_bool_verb(&other),
                    });
                }
            };
            let prefix = joined(prefix, self.tree.name(chart));
            self.globals(&table, dest, &prefix);
            self.chart(child, &table, &prefix, nulls)?;
        }
        Ok(())
    }

    /// Adds the chart's own defaults to `dest`.
    fn defaults(&mut self, chart: NodeId, dest: &Map, prefix: &str, nulls: Nulls) {
        let prefix = joined(prefix, self.tree.name(chart));
        for (key, default) in self.tree.node(chart).default_values().to_vec() {
            let Some(value) = dest.get(&key) else {
                dest.insert(key, default);
                continue;
            };
            match (&value, &default) {
                (Value::Nil, _) if nulls == Nulls::Remove => {
                    dest.remove(&key);
                }
                (Value::Map(table), Value::Map(defaults)) => {
                    let is_chart = self
                        .tree
                        .node(chart)
                        .children
                        .iter()
                        .any(|c| key == self.tree.name(*c));
                    let nulls = if is_chart { Nulls::Keep } else { nulls };
                    self.tables(table, defaults, &joined(&prefix, &key.to_lossy()), nulls);
                }
                (Value::Map(_), Value::Nil) => {}
                (Value::Map(_), _) => {
                    self.warn(
                        237,
                        &format!("warning: skipped value for {prefix}.{key}: Not a table."),
                    );
                }
                _ => {}
            }
        }
    }

    /// Hands `source`'s globals down to `dest`; the parent's win.
    fn globals(&mut self, dest: &Map, source: &Map, prefix: &str) {
        let ours = match dest.get(GLOBAL) {
            None => Map::new(),
            Some(Value::Map(table)) => table,
            Some(_) => {
                let text = format!("warning: skipping globals because destination {GLOBAL} is not a table.");
                return self.warn(138, &text);
            }
        };
        let theirs = match source.get(GLOBAL) {
            None => Map::new(),
            Some(Value::Map(table)) => table,
            Some(_) => {
                let text = format!("warning: skipping globals because source {GLOBAL} is not a table.");
                return self.warn(145, &text);
            }
        };
        for (key, value) in theirs.to_vec() {
            match (&value, ours.get(&key)) {
                (Value::Map(table), None) => {
                    ours.insert(key, Value::Map(table.shallow_copy()));
                }
                (Value::Map(table), Some(Value::Map(below))) => {
                    let table = table.shallow_copy();
                    self.tables(&table, &below, &joined(prefix, &key.to_lossy()), Nulls::Keep);
                    ours.insert(key, Value::Map(table));
                }
                (Value::Map(_), Some(_)) => {
                    let text = format!(
                        "Conflict: cannot merge map onto non-map for {}. Skipping.",
                        quote_str(key.as_bytes())
                    );
                    self.warn(161, &text);
                }
                (_, Some(Value::Map(_))) => {
                    self.warn(175, &format!("key {key} is table. Skipping"));
                }
                _ => {
                    ours.insert(key, value);
                }
            }
        }
        dest.insert(GLOBAL, Value::Map(ours));
    }

    /// Adds to `dest` what only `source` has, table by table.
    pub(crate) fn tables(&mut self, dest: &Map, source: &Map, prefix: &str, nulls: Nulls) {
        let set_in_source: Vec<_> = source
            .to_vec()
            .into_iter()
            .filter(|(_, value)| !value.is_nil())
            .map(|(key, _)| key)
            .collect();
        for (key, value) in dest.to_vec() {
            if value.is_nil() {
                // Go writes these into the source too, where others who hold the table see them.
                source.insert(key, Value::Nil);
            }
        }
        for (key, value) in source.to_vec() {
            let Some(present) = dest.get(&key) else {
                dest.insert(key, value);
                continue;
            };
            match (&present, &value) {
                (Value::Nil, _) if nulls == Nulls::Remove && set_in_source.contains(&key) => {
                    dest.remove(&key);
                }
                (Value::Map(present), Value::Map(value)) => {
                    self.tables(present, value, &joined(prefix, &key.to_lossy()), nulls);
                }
                (_, Value::Map(_)) => {
                    let key = joined(prefix, &key.to_lossy());
                    let text = format!("warning: cannot overwrite table with non table for {key}");
                    self.warn_of(316, &text, &value);
                }
                (Value::Map(_), value) if !value.is_nil() => {
                    let key = joined(prefix, &key.to_lossy());
                    let text = format!("warning: destination for {key} is a table. Ignoring non-table value");
                    self.warn_of(319, &text, value);
                }
                _ => {}
            }
        }
    }
}

/// The user's values over the defaults of a chart without subcharts: what `helm get values --all` computes.
pub fn joined_defaults(
    name: &str,
    defaults: &serde_json::Value,
    user: &serde_json::Value,
) -> serde_json::Value {
    let chart = Chart::of_values(name, defaults);
    let tree = Tree::new(&chart);
    let user = match Value::from_json(user) {
        Value::Map(user) => user,
        _ => Map::new(),
    };
    let joined = Coalescer::new(&tree).values(tree.root(), &user, Nulls::Remove);
    // Only subcharts could be at odds with the values.
    joined.map_or(serde_json::Value::Null, |joined| Value::Map(joined).to_json())
}

/// `a.b`, or `b` where there is no `a`.
fn joined(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

/// Go: `%t`, which fits booleans only and says so for anything else.
fn as_bool_verb(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Nil => "%!t(<nil>)".to_owned(),
        Value::Str(text) => format!("%!t(string={text})"),
        Value::List(items) => {
            let items: Vec<_> = items.to_vec().iter().map(as_bool_verb).collect();
            format!("[{}]", items.join(" "))
        }
        other => format!("%!t({}={})", other.type_name(), other.to_json()),
    }
}

/// The table at a path of names, as far as tables go.
pub(crate) fn table_at(values: &Map, path: &str) -> Option<Map> {
    find_table(values, path).ok()
}

/// Likewise, or the name that is no table.
pub(crate) fn find_table<'p>(values: &Map, path: &'p str) -> Result<Map, &'p str> {
    path.split('.')
        .try_fold(values.clone(), |table, name| match table.get(name) {
            Some(Value::Map(next)) => Ok(next),
            _ => Err(name),
        })
}

/// The value at a path of names that is not a table.
pub(crate) fn leaf_at(values: &Map, path: &str) -> Option<Value> {
    let (table, name) = match path.rsplit_once('.') {
        Some((parents, name)) => (table_at(values, parents)?, name),
        None => (values.clone(), path),
    };
    table.get(name).filter(|value| !matches!(value, Value::Map(_)))
}
