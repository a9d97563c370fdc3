//! What a user says about values: files and `--set` flags, joined into one table.

use std::collections::BTreeMap;

use kiel_template::Value;
use kiel_template::value::Map;

use crate::strvals::{self, Flags, Reading, StrvalsError};
use crate::yaml::{self, YamlError};

/// Why values can't be joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValuesError {
    /// A values file is no YAML table.
    #[error("failed to parse {name}: {source}")]
    File {
        /// The file's name as the user wrote it.
        name: String,
        /// Why.
        source: YamlError,
    },
    /// A `--set` flag can't be read.
    #[error("failed parsing --{flag} data: {source}")]
    Set {
        /// The flag's name.
        flag: &'static str,
        /// Why.
        source: StrvalsError,
    },
    /// A `--set-json` flag can't be read.
    #[error("failed parsing --set-json data {0}")]
    SetJson(String),
}

/// A values file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuesFile {
    /// Its name, for messages.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// All that users give as values. Later ones win over earlier ones, and the fields over those above
/// them, whatever their order on the command line was: Helm reads its flags by kind.
#[derive(Debug, Clone, Default)]
pub struct ValuesInput {
    /// Values to start from, as of an earlier release.
    pub base: Option<serde_json::Value>,
    /// `--values`.
    pub files: Vec<ValuesFile>,
    /// `--set-json`.
    pub set_json: Vec<String>,
    /// `--set`.
    pub set: Vec<String>,
    /// `--set-string`.
    pub set_string: Vec<String>,
    /// `--set-file`: `key=path,key2=path2`.
    pub set_file: Vec<String>,
    /// The content of the files that [`ValuesInput::set_file_paths`] names.
    pub set_file_contents: BTreeMap<String, Vec<u8>>,
    /// `--set-literal`.
    pub set_literal: Vec<String>,
    /// `--set-root-json`: beside `.Values`, `.Release` and what else templates see, which stay as they are.
    pub set_root_json: Vec<String>,
    /// `--set-runtime-json`: below `.Runtime`.
    pub set_runtime_json: Vec<String>,
}

impl ValuesInput {
    /// Joins everything. Nulls stay: what they remove is known only beside a chart's defaults.
    ///
    /// Numbers of files and of `--set-json` are `float64`, those of `--set` are `int64`.
    pub fn merge(&self) -> Result<Map, ValuesError> {
        let mut merged = match self.base.as_ref().map(Value::from_json) {
            Some(Value::Map(base)) => base,
            _ => Map::new(),
        };
        for file in &self.files {
            let table = yaml::to_table(&file.content).map_err(|source| ValuesError::File {
                name: file.name.clone(),
                source,
            })?;
            if let Value::Map(table) = Value::from_json(&table) {
                merged = joined(&merged, &table);
            }
        }
        let mut flags = Flags::default();
        for line in &self.set_json {
            flags
                .apply(line, &merged, Reading::Json)
                .map_err(|_| ValuesError::SetJson(line.clone()))?;
        }
        for line in &self.set {
            let outcome = flags.apply(line, &merged, Reading::Typed);
            outcome.map_err(|source| ValuesError::Set { flag: "set", source })?;
        }
        for line in &self.set_string {
            let outcome = flags.apply(line, &merged, Reading::Text);
            outcome.map_err(|source| ValuesError::Set {
                flag: "set-string",
                source,
            })?;
        }
        for line in &self.set_file {
            let mut read = |path: &str| match self.set_file_contents.get(path) {
                Some(content) => Ok(Value::from(content.clone())),
                None => Err(format!("open {path}: no such file or directory")),
            };
            let outcome = flags.apply(line, &merged, Reading::With(&mut read));
            outcome.map_err(|source| ValuesError::Set {
                flag: "set-file",
                source,
            })?;
        }
        for line in &self.set_literal {
            let outcome = flags.apply(line, &merged, Reading::Literal);
            outcome.map_err(|source| ValuesError::Set {
                flag: "set-literal",
                source,
            })?;
        }
        Ok(merged)
    }

    /// What the user adds to the root of templates' data.
    ///
    /// # Errors
    /// When a line is wrong.
    pub(crate) fn root(&self) -> Result<Map, ValuesError> {
        let root = Map::new();
        let runtime = Map::new();
        for (flag, lines, table) in [
            ("set-root-json", &self.set_root_json, &root),
            ("set-runtime-json", &self.set_runtime_json, &runtime),
        ] {
            for line in lines {
                let outcome = strvals::apply(line, table, Reading::Json);
                outcome.map_err(|source| ValuesError::Set { flag, source })?;
            }
        }
        if !self.set_runtime_json.is_empty() {
            root.insert("Runtime", Value::Map(runtime));
        }
        Ok(root)
    }

    /// The joined values as JSON: the `config` member of a release record.
    pub fn merge_json(&self) -> Result<serde_json::Value, ValuesError> {
        Ok(Value::Map(self.merge()?).to_json())
    }

    /// The paths whose content `--set-file` wants, in order.
    pub fn set_file_paths(&self) -> Result<Vec<String>, ValuesError> {
        let mut paths = Vec::new();
        for line in &self.set_file {
            let mut collect = |path: &str| {
                paths.push(path.to_owned());
                Ok(Value::Nil)
            };
            strvals::apply(line, &Map::new(), Reading::With(&mut collect)).map_err(|source| {
                ValuesError::Set {
                    flag: "set-file",
                    source,
                }
            })?;
        }
        Ok(paths)
    }
}

/// `base` with `over` on top: tables are joined, everything else is replaced.
fn joined(base: &Map, over: &Map) -> Map {
    let result = base.shallow_copy();
    for (key, value) in over.to_vec() {
        let value = match (&value, result.get(&key)) {
            (Value::Map(over), Some(Value::Map(base))) => Value::Map(joined(&base, over)),
            _ => value,
        };
        result.insert(key, value);
    }
    result
}

#[cfg(test)]
mod tests;
