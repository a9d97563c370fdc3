//! The `index.yaml` of a chart repository: which charts it has, at which versions, and where they lie.
//!
//! Entries are sorted as Helm sorts them, newest first; an entry whose metadata break a rule is left out and named in
//! [`Index::skipped`]. Unlike Helm, fields that it doesn't know are no mistake.

use std::collections::BTreeMap;

use kiel_template::functions::semver::{Constraints, SemverError, Version};
use serde_json::{Map, Value, json};

use crate::decode::{self, DecodeError, Place};
use crate::metadata::Metadata;
use crate::version;
use crate::yaml::YamlError;

mod slice;

use slice::Layout;

/// Largest index that is read, in bytes.
pub const MAX_INDEX_SIZE: usize = 64 << 20;
/// Largest index that is read whole where it is no plain list, in bytes.
const MAX_WHOLE_SIZE: usize = 32 << 20;

/// From this size on an index is read in parts, where it can be.
const LARGE: usize = 1 << 20;

/// Why a file is no index. The texts are Helm's where it has some.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// There is nothing in it.
    #[error("empty index.yaml file")]
    Empty,
    /// It is larger than indexes may be.
    #[error("the index has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// It is neither YAML nor JSON.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A field has a value of the wrong type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It does not say which form it has.
    #[error("no API version specified")]
    NoApiVersion,
}

/// Why an index has no chart for a name and a version; the texts are Helm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoEntry {
    /// There is no chart of this name.
    #[error("no chart name found")]
    Name,
    /// There is the name, but no version at all.
    #[error("no chart version found")]
    Version,
    /// The version that is wanted is no constraint.
    #[error(transparent)]
    Constraint(SemverError),
    /// No version will do.
    #[error("no chart version found for {name}-{version}")]
    NotFound {
        /// The chart.
        name: String,
        /// The version that is wanted.
        version: String,
    },
}

/// A repository's index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Index {
    /// When it was made, as in the file.
    pub generated: String,
    /// The versions of each chart, newest first.
    pub entries: BTreeMap<String, Vec<IndexEntry>>,
    /// Notes that Helm does not read.
    pub annotations: BTreeMap<String, String>,
    /// A sentence on each entry that was left out.
    pub skipped: Vec<String>,
}

/// One version of a chart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexEntry {
    /// What `Chart.yaml` says.
    pub metadata: Metadata,
    /// Where the archive lies; relative ones count from the repository's own URL.
    pub urls: Vec<String>,
    /// When it was added, as in the file.
    pub created: String,
    /// Whether it was taken back.
    pub removed: bool,
    /// The archive's sha256 in hex, if the repository says it.
    pub digest: String,
}

impl Index {
    /// Reads a whole index; `source` names it in [`Index::skipped`]. A large one that lists its charts plainly is read
    /// chart by chart, in a fraction of the memory; then [`Index::generated`] and [`Index::annotations`] are empty.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn parse(data: &[u8], source: &str) -> Result<Self, IndexError> {
        if data.len() > LARGE
            && let Some(index) = Self::parse_each(data, source)
        {
            return Ok(index);
        }
        Self::parse_whole(data, source)
    }

    /// Reads the versions of these charts only. An index that lists its charts plainly, as Helm and all repositories
    /// write it, is not read further: the largest take a fraction of the time and memory.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn parse_charts(data: &[u8], source: &str, names: &[&str]) -> Result<Self, IndexError> {
        if let Some(part) = Layout::of(data).and_then(|layout| layout.cut(names))
            && let Ok(index) = Self::parse_whole(part.as_bytes(), source)
        {
            return Ok(index);
        }
        let mut index = Self::parse(data, source)?;
        index.entries.retain(|name, _| names.contains(&name.as_str()));
        Ok(index)
    }

    /// The names of the charts, and a sentence on each entry that is left out. Of a large index the entries are not
    /// read.
    ///
    /// # Errors
    /// See [`IndexError`].
    pub fn chart_names(data: &[u8], source: &str) -> Result<(Vec<String>, Vec<String>), IndexError> {
        if data.len() > LARGE
            && data.len() <= MAX_INDEX_SIZE
            && let Some(layout) = Layout::of(data)
        {
            let mut names: Vec<String> = layout.names().map(str::to_owned).collect();
            names.sort();
            return Ok((names, Vec::new()));
        }
        let index = Self::parse(data, source)?;
        Ok((index.entries.into_keys().collect(), index.skipped))
    }

    fn parse_each(data: &[u8], source: &str) -> Option<Self> {
        let layout = Layout::of(data).filter(|_| data.len() <= MAX_INDEX_SIZE)?;
        let mut index = Self::default();
        for name in layout.names() {
            let part = Self::parse_whole(layout.cut(&[name])?.as_bytes(), source).ok()?;
            index.entries.extend(part.entries);
            index.skipped.extend(part.skipped);
        }
        Some(index)
    }

    fn parse_whole(data: &[u8], source: &str) -> Result<Self, IndexError> {
        let file = read(data)?;
        Self::from_json(&file, source)
    }

    fn from_json(file: &Value, source: &str) -> Result<Self, IndexError> {
        let mut index = Self::default();
        let place = Place::root("IndexFile");
        let Some(object) = decode::object(file, &place, "repo.IndexFile")? else {
            return Err(IndexError::NoApiVersion);
        };
        let mut api_version = String::new();
        decode::set_text(&mut api_version, object, "apiVersion", &place)?;
        decode::set_text(&mut index.generated, object, "generated", &place)?;
        if let Some(value) = decode::field(object, "annotations") {
            index.annotations = decode::text_map(value, &place.field("annotations"))?;
        }
        let entries = decode::field(object, "entries");
        let place = place.field("entries");
        if let Some(value) = entries
            && let Some(charts) = decode::object(value, &place, "map[string]repo.ChartVersions")?
        {
            for (name, versions) in charts {
                let versions = index.read_versions(name, versions, &place, source)?;
                index.entries.insert(name.clone(), versions);
            }
        }
        index.sort();
        if api_version.is_empty() {
            return Err(IndexError::NoApiVersion);
        }
        Ok(index)
    }

    fn read_versions(
        &mut self,
        name: &str,
        versions: &Value,
        place: &Place,
        source: &str,
    ) -> Result<Vec<IndexEntry>, IndexError> {
        let mut entries = Vec::new();
        let items = match versions {
            Value::Array(items) => items.as_slice(),
            Value::Null => &[],
            other => return Err(place.error(other, "repo.ChartVersions").into()),
        };
        for item in items {
            let mut skip = |version: &str, reason: &str| {
                let text = format!(
                    "skipping loading invalid entry for chart {name:?} {version:?} from {source}: {reason}"
                );
                self.skipped.push(text);
            };
            let Some(mut entry) = IndexEntry::read(item, place)? else {
                skip("", "empty entry");
                continue;
            };
            if entry.metadata.api_version.is_empty() {
                "v1".clone_into(&mut entry.metadata.api_version);
            }
            match entry.metadata.validate(&version::is_version) {
                // Go: some repositories strip aliases.
                Err(error)
                    if !error
                        .to_string()
                        .contains("more than one dependency with name or alias") =>
                {
                    skip(&entry.metadata.version, &error.to_string());
                }
                _ => entries.push(entry),
            }
        }
        Ok(entries)
    }

    /// The entry for a version or a constraint; without any, the newest that is no prerelease.
    ///
    /// # Errors
    /// See [`NoEntry`].
    pub fn get(&self, name: &str, version: &str) -> Result<&IndexEntry, NoEntry> {
        let versions = self.entries.get(name).ok_or(NoEntry::Name)?;
        if versions.is_empty() {
            return Err(NoEntry::Version);
        }
        let constraint = if version.is_empty() { "*" } else { version };
        let constraints = Constraints::parse(constraint).map_err(NoEntry::Constraint)?;
        let exact = versions
            .iter()
            .find(|entry| !version.is_empty() && entry.metadata.version == version);
        let fitting = || {
            versions.iter().find(|entry| {
                Version::parse(&entry.metadata.version).is_ok_and(|version| constraints.allow(&version))
            })
        };
        exact.or_else(fitting).ok_or_else(|| NoEntry::NotFound {
            name: name.to_owned(),
            version: version.to_owned(),
        })
    }

    /// The entry that a lock file means: one with a URL whose version is the same.
    #[must_use]
    pub fn find_exact(&self, name: &str, version: &str) -> Option<&IndexEntry> {
        let mut versions = self
            .entries
            .get(name)?
            .iter()
            .filter(|entry| !entry.urls.is_empty());
        versions.find(|entry| version.is_empty() || version::are_equal(version, &entry.metadata.version))
    }

    /// Adds the entries of `other` whose name and version are not there yet.
    pub fn merge(&mut self, other: Self) {
        for (_, versions) in other.entries {
            for entry in versions {
                if self.get(&entry.metadata.name, &entry.metadata.version).is_err() {
                    let name = entry.metadata.name.clone();
                    self.entries.entry(name).or_default().push(entry);
                }
            }
        }
    }

    /// Puts the newest version of each chart first, what is no version last.
    pub fn sort(&mut self) {
        for versions in self.entries.values_mut() {
            versions.sort_by_cached_key(|entry| std::cmp::Reverse(Order::of(&entry.metadata.version)));
        }
    }

    /// As Helm writes it as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("apiVersion".to_owned(), json!("v1"));
        object.insert("generated".to_owned(), json!(self.generated));
        let entries = self.entries.iter().map(|(name, versions)| {
            let versions = versions.iter().map(IndexEntry::to_json).collect();
            (name.clone(), Value::Array(versions))
        });
        object.insert("entries".to_owned(), entries.collect::<Map<_, _>>().into());
        if !self.annotations.is_empty() {
            object.insert("annotations".to_owned(), json!(self.annotations));
        }
        object.into()
    }

    /// As Helm writes the file as JSON.
    #[must_use]
    pub fn to_json_file(&self) -> String {
        let text = serde_json::to_string_pretty(&self.to_json()).unwrap_or_default();
        // Go: all of these can only stand in texts.
        text.replace('&', "\\u0026")
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
    }

    /// As Helm writes the file.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let value = kiel_template::Value::from_json(&self.to_json());
        kiel_template::yaml::to_string(&value).unwrap_or_default()
    }
}

impl IndexEntry {
    fn read(item: &Value, place: &Place) -> Result<Option<Self>, IndexError> {
        let Some(object) = decode::object(item, place, "repo.ChartVersion")? else {
            return Ok(None);
        };
        let mut entry = Self::default();
        entry.metadata.read(item)?;
        if let Some(value) = decode::field(object, "urls") {
            entry.urls = decode::texts(value, &place.field("urls"))?;
        }
        decode::set_text(&mut entry.created, object, "created", place)?;
        decode::set_text(&mut entry.digest, object, "digest", place)?;
        entry.removed = decode::field(object, "removed")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        Ok(Some(entry))
    }

    /// Go: the fields of the metadata are the entry's own.
    fn to_json(&self) -> Value {
        let fields = serde_json::from_str(&self.metadata.to_config());
        let mut object: Map<String, Value> = fields.unwrap_or_default();
        object.insert("urls".to_owned(), json!(self.urls));
        let created = if self.created.is_empty() {
            "0001-01-01T00:00:00Z"
        } else {
            &self.created
        };
        object.insert("created".to_owned(), json!(created));
        if self.removed {
            object.insert("removed".to_owned(), json!(true));
        }
        if !self.digest.is_empty() {
            object.insert("digest".to_owned(), json!(self.digest));
        }
        object.into()
    }
}

/// A version's place among others.
#[derive(PartialEq, Eq)]
struct Order(Option<Version>);

impl Order {
    fn of(text: &str) -> Self {
        Self(Version::parse(text).ok())
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => a.compare(b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }
}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn read(data: &[u8]) -> Result<Value, IndexError> {
    if data.is_empty() {
        return Err(IndexError::Empty);
    }
    if data.len() > MAX_WHOLE_SIZE {
        return Err(IndexError::TooLarge {
            size: data.len(),
            limit: MAX_WHOLE_SIZE,
        });
    }
    // Go: what is JSON is read as such.
    if data.trim_ascii_start().starts_with(b"{")
        && let Ok(value) = serde_json::from_slice(data)
    {
        return Ok(value);
    }
    Ok(crate::yaml::to_json(data)?)
}

#[cfg(test)]
mod tests;
