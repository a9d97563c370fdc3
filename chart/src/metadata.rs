//! `Chart.yaml` and the lock file: their models, how they are read and what makes them valid.

use std::collections::BTreeMap;

use kiel_template::format::{self, quote_str};
use serde_json::{Map, Value, json};

use crate::decode::{self, DecodeError, Place};

/// What is wrong with the content of a `Chart.yaml` that could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("validation: {0}")]
pub struct ValidationError(String);

/// `Chart.yaml`, with what `requirements.yaml` adds to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// The chart's name.
    pub name: String,
    /// The project's page.
    pub home: String,
    /// Where the sources are.
    pub sources: Vec<String>,
    /// The chart's version, by semantic versioning.
    pub version: String,
    /// One sentence on the chart.
    pub description: String,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// Who maintains it.
    pub maintainers: Vec<Maintainer>,
    /// URL of an image.
    pub icon: String,
    /// `v1` or `v2`.
    pub api_version: String,
    /// Kept for old charts; without effect.
    pub condition: String,
    /// Kept for old charts; without effect.
    pub tags: String,
    /// The version of the application in the chart.
    pub app_version: String,
    /// Whether the chart should not be used any more.
    pub deprecated: bool,
    /// Free annotations.
    pub annotations: BTreeMap<String, String>,
    /// The Kubernetes versions that the chart works on, as a constraint.
    pub kube_version: String,
    /// The charts that this one depends on, in file order.
    pub dependencies: Vec<Dependency>,
    /// `application` (or empty) or `library`.
    pub chart_type: String,
    /// Whether the file has a list of dependencies, if only an empty one: without it Helm leaves the
    /// charts in `charts/` as they are.
    pub lists_dependencies: bool,
    /// The first list of the file that has a null in it.
    pub null_nodes: Option<&'static str>,
}

/// A maintainer of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintainer {
    /// Name of a person or organisation.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Their page.
    pub url: String,
}

/// A chart that another chart depends on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dependency {
    /// The chart's name; after aliases are applied, the alias.
    pub name: String,
    /// The versions that will do, as a constraint.
    pub version: String,
    /// Where the chart comes from.
    pub repository: String,
    /// Paths of values, separated by commas, the first boolean one of which enables the chart.
    pub condition: String,
    /// Names under `tags` in the values that enable or disable the chart.
    pub tags: Vec<String>,
    /// Whether the chart takes part in the release.
    pub enabled: bool,
    /// Values that the parent takes over from the chart: texts or `{child, parent}`.
    pub import_values: Vec<Value>,
    /// The name under which the chart is used.
    pub alias: String,
}

/// `Chart.lock` (or `requirements.lock`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// When the file was written, as in the file.
    pub generated: String,
    /// A hash over the dependencies as required and as locked.
    pub digest: String,
    /// The dependencies at the versions that were chosen.
    pub dependencies: Vec<Dependency>,
}

impl Metadata {
    /// Takes over what the parsed YAML file says; fields that it does not have stay as they are.
    pub(crate) fn read(&mut self, file: &Value) -> Result<(), DecodeError> {
        let place = Place::root("Metadata");
        let Some(object) = decode::object(file, &place, "chart.Metadata")? else {
            return Ok(());
        };
        for (target, name) in [
            (&mut self.name, "name"),
            (&mut self.home, "home"),
            (&mut self.version, "version"),
            (&mut self.description, "description"),
            (&mut self.icon, "icon"),
            (&mut self.api_version, "apiVersion"),
            (&mut self.condition, "condition"),
            (&mut self.tags, "tags"),
            (&mut self.app_version, "appVersion"),
            (&mut self.kube_version, "kubeVersion"),
            (&mut self.chart_type, "type"),
        ] {
            decode::set_text(target, object, name, &place)?;
        }
        for (target, name) in [(&mut self.sources, "sources"), (&mut self.keywords, "keywords")] {
            if let Some(value) = decode::field(object, name) {
                *target = decode::texts(value, &place.field(name))?;
            }
        }
        if let Some(value) = decode::field(object, "deprecated") {
            self.deprecated = read_bool(value, &place.field("deprecated"))?;
        }
        if let Some(value) = decode::field(object, "annotations") {
            self.annotations = decode::text_map(value, &place.field("annotations"))?;
        }
        if let Some(value) = decode::field(object, "maintainers") {
            self.note_nulls("maintainers", value);
            self.maintainers = read_list(
                value,
                &place.field("maintainers"),
                "[]*chart.Maintainer",
                read_maintainer,
            )?;
        }
        if let Some(value) = decode::field(object, "dependencies") {
            self.lists_dependencies = true;
            self.note_nulls("dependencies", value);
            self.dependencies = read_list(
                value,
                &place.field("dependencies"),
                "[]*chart.Dependency",
                read_dependency,
            )?;
        }
        Ok(())
    }

    fn note_nulls(&mut self, list: &'static str, value: &Value) {
        let mut items = value.as_array().into_iter().flatten();
        if items.any(Value::is_null) {
            self.null_nodes.get_or_insert(list);
        }
    }

    /// Cleans all texts of what can't be printed and checks the rules for a chart's metadata.
    pub(crate) fn validate(&mut self, is_version: &dyn Fn(&str) -> bool) -> Result<(), ValidationError> {
        self.sanitize();
        let fail = |text: String| Err(ValidationError(text));
        let name = &self.name;
        if self.api_version.is_empty() {
            return fail("chart.metadata.apiVersion is required".to_owned());
        }
        if name.is_empty() {
            return fail("chart.metadata.name is required".to_owned());
        }
        if name == "." || name == ".." {
            return fail(format!("chart.metadata.name {} is not allowed", quoted(name)));
        }
        if name.contains('/') {
            return fail(format!("chart.metadata.name {} is invalid", quoted(name)));
        }
        if self.version.is_empty() {
            return fail("chart.metadata.version is required".to_owned());
        }
        if !is_version(&self.version) {
            return fail(format!(
                "chart.metadata.version {} is invalid",
                quoted(&self.version)
            ));
        }
        if !matches!(self.chart_type.as_str(), "" | "application" | "library") {
            return fail("chart.metadata.type must be application or library".to_owned());
        }
        if let Some(list) = self.null_nodes {
            return fail(format!("{list} must not contain empty or null nodes"));
        }
        self.validate_dependencies()
    }

    fn validate_dependencies(&self) -> Result<(), ValidationError> {
        let mut seen = Vec::new();
        for dependency in &self.dependencies {
            let alias_is_valid = dependency
                .alias
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            if !alias_is_valid {
                return Err(ValidationError(format!(
                    "dependency {} has disallowed characters in the alias",
                    quoted(&dependency.name)
                )));
            }
            let key = if dependency.alias.is_empty() {
                &dependency.name
            } else {
                &dependency.alias
            };
            if seen.contains(&key) {
                return Err(ValidationError(format!(
                    "more than one dependency with name or alias {}",
                    quoted(key)
                )));
            }
            seen.push(key);
        }
        Ok(())
    }

    fn sanitize(&mut self) {
        let Self {
            name,
            home,
            description,
            icon,
            condition,
            tags,
            app_version,
            kube_version,
            ..
        } = self;
        for text in [
            name,
            home,
            description,
            icon,
            condition,
            tags,
            app_version,
            kube_version,
        ] {
            *text = sanitized(text);
        }
        for text in self.sources.iter_mut().chain(&mut self.keywords) {
            *text = sanitized(text);
        }
        for person in &mut self.maintainers {
            for text in [&mut person.name, &mut person.email, &mut person.url] {
                *text = sanitized(text);
            }
        }
        for dependency in &mut self.dependencies {
            let Dependency {
                name,
                version,
                repository,
                condition,
                ..
            } = dependency;
            for text in [name, version, repository, condition]
                .into_iter()
                .chain(&mut dependency.tags)
            {
                *text = sanitized(text);
            }
        }
    }

    /// Whether only the chart's named templates are for use, by other charts.
    pub fn is_library(&self) -> bool {
        self.chart_type.eq_ignore_ascii_case("library")
    }

    /// As Helm writes it as JSON: empty fields are left out.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        for (name, text) in [
            ("name", &self.name),
            ("home", &self.home),
            ("version", &self.version),
            ("description", &self.description),
            ("icon", &self.icon),
            ("apiVersion", &self.api_version),
            ("condition", &self.condition),
            ("tags", &self.tags),
            ("appVersion", &self.app_version),
            ("kubeVersion", &self.kube_version),
            ("type", &self.chart_type),
        ] {
            put_text(&mut object, name, text);
        }
        if self.deprecated {
            object.insert("deprecated".to_owned(), Value::Bool(true));
        }
        for (name, list) in [
            ("sources", json!(self.sources)),
            ("keywords", json!(self.keywords)),
            (
                "maintainers",
                self.maintainers.iter().map(Maintainer::to_json).collect(),
            ),
            (
                "dependencies",
                self.dependencies.iter().map(Dependency::to_json).collect(),
            ),
        ] {
            if list.as_array().is_some_and(|items| !items.is_empty()) {
                object.insert(name.to_owned(), list);
            }
        }
        if !self.annotations.is_empty() {
            object.insert("annotations".to_owned(), json!(self.annotations));
        }
        Value::Object(object)
    }
}

impl Maintainer {
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        for (name, text) in [("name", &self.name), ("email", &self.email), ("url", &self.url)] {
            put_text(&mut object, name, text);
        }
        Value::Object(object)
    }
}

impl Dependency {
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(self.name));
        put_text(&mut object, "version", &self.version);
        object.insert("repository".to_owned(), json!(self.repository));
        put_text(&mut object, "condition", &self.condition);
        if !self.tags.is_empty() {
            object.insert("tags".to_owned(), json!(self.tags));
        }
        if self.enabled {
            object.insert("enabled".to_owned(), Value::Bool(true));
        }
        if !self.import_values.is_empty() {
            object.insert(
                "import-values".to_owned(),
                Value::Array(self.import_values.clone()),
            );
        }
        put_text(&mut object, "alias", &self.alias);
        Value::Object(object)
    }
}

impl Lock {
    pub(crate) fn read(file: &Value) -> Result<Option<Self>, DecodeError> {
        let place = Place::root("Lock");
        let Some(object) = decode::object(file, &place, "chart.Lock")? else {
            return Ok(None);
        };
        let mut lock = Self::default();
        decode::set_text(&mut lock.generated, object, "generated", &place)?;
        decode::set_text(&mut lock.digest, object, "digest", &place)?;
        if let Some(value) = decode::field(object, "dependencies") {
            lock.dependencies = read_list(
                value,
                &place.field("dependencies"),
                "[]*chart.Dependency",
                read_dependency,
            )?;
        }
        Ok(Some(lock))
    }

    pub(crate) fn to_json(&self) -> Value {
        let generated = if self.generated.is_empty() {
            "0001-01-01T00:00:00Z"
        } else {
            &self.generated
        };
        json!({
            "generated": generated,
            "digest": self.digest,
            "dependencies": self.dependencies.iter().map(Dependency::to_json).collect::<Vec<_>>(),
        })
    }
}

fn put_text(object: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        object.insert(name.to_owned(), Value::String(text.to_owned()));
    }
}

fn read_bool(value: &Value, place: &Place) -> Result<bool, DecodeError> {
    value.as_bool().ok_or_else(|| place.error(value, "bool"))
}

fn read_list<T>(
    value: &Value,
    place: &Place,
    wanted: &'static str,
    read: fn(&Value, &Place) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    match value {
        Value::Array(items) => items.iter().map(|item| read(item, place)).collect(),
        other => Err(place.error(other, wanted)),
    }
}

fn read_maintainer(value: &Value, place: &Place) -> Result<Maintainer, DecodeError> {
    let mut person = Maintainer::default();
    if let Some(object) = decode::object(value, place, "chart.Maintainer")? {
        let place = &place.structure("Maintainer");
        decode::set_text(&mut person.name, object, "name", place)?;
        decode::set_text(&mut person.email, object, "email", place)?;
        decode::set_text(&mut person.url, object, "url", place)?;
    }
    Ok(person)
}

fn read_dependency(value: &Value, place: &Place) -> Result<Dependency, DecodeError> {
    let mut dependency = Dependency::default();
    let Some(object) = decode::object(value, place, "chart.Dependency")? else {
        return Ok(dependency);
    };
    let place = &place.structure("Dependency");
    for (target, name) in [
        (&mut dependency.name, "name"),
        (&mut dependency.version, "version"),
        (&mut dependency.repository, "repository"),
        (&mut dependency.condition, "condition"),
        (&mut dependency.alias, "alias"),
    ] {
        decode::set_text(target, object, name, place)?;
    }
    if let Some(value) = decode::field(object, "tags") {
        dependency.tags = decode::texts(value, &place.field("tags"))?;
    }
    if let Some(value) = decode::field(object, "enabled") {
        dependency.enabled = read_bool(value, &place.field("enabled"))?;
    }
    if let Some(value) = decode::field(object, "import-values") {
        let items = value
            .as_array()
            .ok_or_else(|| place.field("import-values").error(value, "[]interface {}"))?;
        dependency.import_values.clone_from(items);
    }
    Ok(dependency)
}

fn quoted(text: &str) -> String {
    quote_str(text.as_bytes())
}

/// White space becomes a blank, what can't be printed goes.
fn sanitized(text: &str) -> String {
    text.chars()
        .filter_map(|c| {
            if c.is_whitespace() {
                Some(' ')
            } else {
                format::is_printable(c).then_some(c)
            }
        })
        .collect()
}
