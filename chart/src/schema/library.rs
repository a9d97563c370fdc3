//! The documents that a schema is made of, and what refers to what in them.
//!
//! A schema within a document is known by where it lies in memory. Nothing is read from outside: a reference to the web is
//! noted and means a schema that takes everything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use kiel_template::format::quote_str;
use kiel_template::functions::Pattern;
use serde_json::{Map, Value};

use super::address::{decoded, encoded, resolve, scheme_of};
use super::draft::Draft;
use super::meta;
use crate::warning::Warning;

/// Where a schema lies, which is what it is known by.
pub(super) type Id = usize;

/// What `value` is known by.
pub(super) fn id(value: &Value) -> Id {
    std::ptr::from_ref(value) as usize
}

/// A schema with an address, to which the schemas within it belong.
#[derive(Debug)]
pub(super) struct Resource<'a> {
    pub(super) draft: Draft,
    document: usize,
    url: String,
    pointer: String,
    anchors: BTreeMap<String, (&'a Value, String)>,
    dynamic: BTreeSet<String>,
    /// Whether it says `$recursiveAnchor`.
    pub(super) is_recursive: bool,
    /// The schema itself.
    pub(super) schema: &'a Value,
}

/// A schema that was met.
#[derive(Debug)]
struct Known {
    resource: usize,
    pointer: String,
}

/// The schemas.
#[derive(Debug, Default)]
pub(super) struct Library<'a> {
    documents: Vec<(String, &'a Value)>,
    resources: Vec<Resource<'a>>,
    known: HashMap<Id, Known>,
    /// What references lead to, by the value of the keyword.
    targets: HashMap<Id, &'a Value>,
    /// What could not be looked into.
    pub(super) warnings: Vec<Warning>,
}

/// What stands for schemas that are elsewhere.
static ANYTHING: Value = Value::Bool(true);

impl<'a> Library<'a> {
    /// Adds a document.
    pub(super) fn add(&mut self, url: &str, document: &'a Value) -> Result<(), String> {
        let at = self.documents.len();
        self.documents.push((url.to_owned(), document));
        self.collect(at, document, None, String::new(), Draft::LATEST)?;
        if url.contains("//json-schema.org/") {
            return Ok(());
        }
        let dialects = self.resources.iter().filter(|resource| resource.document == at);
        let dialects = dialects.map(|resource| (resource.pointer.clone(), resource.draft));
        self.check(document, "", url, dialects.collect())
    }

    /// The schema that a document is.
    pub(super) fn root(&self, url: &str) -> Option<&'a Value> {
        let found = self.documents.iter().find(|(known, _)| known == url);
        found.map(|(_, document)| *document)
    }

    /// The resource that a schema belongs to.
    pub(super) fn resource(&self, schema: &Value) -> Option<&Resource<'a>> {
        let known = self.known.get(&id(schema))?;
        self.resources.get(known.resource)
    }

    /// Where a schema is: its document's address and the way within.
    pub(super) fn location(&self, schema: &Value) -> (String, String) {
        let Some(known) = self.known.get(&id(schema)) else {
            return (String::new(), String::new());
        };
        let document = self.resources[known.resource].document;
        (
            format!("{}#", self.documents[document].0),
            encoded(&known.pointer),
        )
    }

    /// What a reference leads to; `written` is its text in the schema.
    pub(super) fn target(&self, written: &Value) -> Option<&'a Value> {
        self.targets.get(&id(written)).copied()
    }

    /// The schema that a resource names so for `$dynamicRef`.
    pub(super) fn dynamic_anchor(&self, schema: &Value, name: &str) -> Option<&'a Value> {
        let resource = self.resource(schema)?;
        if !resource.dynamic.contains(name) {
            return None;
        }
        resource.anchors.get(name).map(|(value, _)| *value)
    }

    /// Follows all references from a document on, and reads all patterns.
    pub(super) fn compile(&mut self, url: &str) -> Result<(), String> {
        let document = self.document(url)?;
        let Some(root) = document.map(|at| self.documents[at].1) else {
            return Ok(());
        };
        let mut reached = HashSet::from([id(root)]);
        let mut queue = VecDeque::from([root]);
        while let Some(schema) = queue.pop_front() {
            for next in self.references_of(schema)? {
                if reached.insert(id(next)) {
                    queue.push_back(next);
                }
            }
        }
        Ok(())
    }

    /// The schemas that a schema is made of or refers to.
    fn references_of(&mut self, schema: &'a Value) -> Result<Vec<&'a Value>, String> {
        let (Value::Object(object), Some(resource)) = (schema, self.known.get(&id(schema))) else {
            return Ok(Vec::new());
        };
        let (at, pointer) = (resource.resource, resource.pointer.clone());
        let draft = self.resources[at].draft;
        let mut found = Vec::new();
        let keywords = ["$ref", "$recursiveRef", "$dynamicRef"];
        let count = match draft {
            Draft::V2020 => 3,
            Draft::V2019 => 2,
            _ => 1,
        };
        for keyword in &keywords[..count] {
            let Some(written @ Value::String(text)) = object.get(*keyword) else {
                continue;
            };
            let target = self.resolve(at, text)?;
            self.targets.insert(id(written), target);
            found.push(target);
            if draft < Draft::V2019 {
                return Ok(found);
            }
        }
        self.check_patterns(at, &pointer, object)?;
        let within = draft.subschemas(object, false);
        found.extend(within.into_iter().map(|(_, schema)| schema));
        // What other schemas refer to by a name that depends on the way there.
        let resource = &self.resources[at];
        let dynamic = resource
            .dynamic
            .iter()
            .filter_map(|name| resource.anchors.get(name));
        found.extend(dynamic.map(|(schema, _)| *schema));
        found.push(resource.schema);
        Ok(found)
    }

    fn check_patterns(
        &self,
        resource: usize,
        pointer: &str,
        schema: &Map<String, Value>,
    ) -> Result<(), String> {
        let url = &self.documents[self.resources[resource].document].0;
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let patterns = patterns.into_iter().flat_map(Map::keys);
        let patterns = patterns.map(|text| ("patternProperties", text.as_str()));
        let own = schema.get("pattern").and_then(Value::as_str);
        for (keyword, text) in patterns.chain(own.map(|text| ("pattern", text))) {
            if let Err(problem) = Pattern::check(text) {
                let place = format!("{url}#{}/{keyword}", encoded(pointer));
                let (text, place) = (quote_str(text.as_bytes()), quote_str(place.as_bytes()));
                return Err(format!("invalid regex {text} at {place}: {problem}"));
            }
        }
        Ok(())
    }

    /// The document at an address, which may have to be added; nothing for one that is not looked into.
    fn document(&mut self, url: &str) -> Result<Option<usize>, String> {
        if let Some(at) = self.documents.iter().position(|(known, _)| known == url) {
            return Ok(Some(at));
        }
        if let Some(document) = meta::document(url) {
            self.add(url, document)?;
            return Ok(self.documents.iter().position(|(known, _)| known == url));
        }
        let quoted = quote_str(url.as_bytes());
        match scheme_of(url) {
            Some(("http" | "https", _)) => {
                let text = format!("it refers to {url}, which is not read: what is there takes everything");
                self.warn(Warning::own(text));
                Ok(None)
            }
            Some(("urn", _)) => {
                let text =
                    format!("WARNING: unresolved URN reference ignored; using permissive schema: {url}");
                self.warn(Warning::logged("jsonschema.go:192", &text));
                Ok(None)
            }
            // Go would read it; nothing outside of a chart is any of its business.
            Some(("file", rest)) => {
                // What stands before the path would be a host.
                let path = match rest.strip_prefix("//") {
                    Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
                    None if rest.starts_with('/') => rest,
                    None => "",
                };
                Err(format!(
                    "failing loading {quoted}: open {path}: no such file or directory"
                ))
            }
            _ => Err(format!(
                "failing loading {quoted}: no URLLoader registered for {quoted}"
            )),
        }
    }

    fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn resolve(&mut self, resource: usize, reference: &str) -> Result<&'a Value, String> {
        let (address, fragment) = split(reference)?;
        let from = &self.resources[resource];
        let url = resolve(&from.url, address);
        let document = from.document;
        let within = if url == self.documents[document].0 {
            self.root_of(document)
        } else {
            let all = self.resources.iter();
            all.clone()
                .position(|resource| resource.document == document && resource.url == url)
        };
        let resource = match within {
            Some(at) => at,
            None => match self.document(&url)? {
                Some(document) => match self.root_of(document) {
                    Some(at) => at,
                    None => return Ok(&ANYTHING),
                },
                None => return Ok(&ANYTHING),
            },
        };
        self.resolve_within(resource, &fragment)
    }

    fn root_of(&self, document: usize) -> Option<usize> {
        let mut all = self.resources.iter();
        all.position(|resource| resource.document == document && resource.pointer.is_empty())
    }

    fn resolve_within(&mut self, resource: usize, fragment: &str) -> Result<&'a Value, String> {
        let Resource {
            document,
            url,
            pointer,
            anchors,
            ..
        } = &self.resources[resource];
        let (document_url, root) = &self.documents[*document];
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return anchors.get(fragment).map(|(value, _)| *value).ok_or_else(|| {
                format!(
                    "anchor in {} not found in schema {}",
                    quote_str(format!("{url}#{}", encoded(fragment)).as_bytes()),
                    quote_str(document_url.as_bytes())
                )
            });
        }
        let pointer = format!("{pointer}{fragment}");
        let place = || quote_str(format!("{document_url}#{}", encoded(&pointer)).as_bytes());
        let mut value: &'a Value = root;
        for part in pointer.split('/').skip(1) {
            let Some(name) = unescaped(part) else {
                return Err(format!("invalid json-pointer {}", place()));
            };
            let next = match value {
                Value::Object(object) => object.get(&name),
                Value::Array(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
                _ => None,
            };
            let Some(next) = next else {
                return Err(format!("json-pointer in {} not found", place()));
            };
            value = next;
        }
        self.ensure(resource, value, &pointer)?;
        Ok(value)
    }

    /// Makes a schema known that lies where no keyword has schemas.
    fn ensure(&mut self, near: usize, schema: &'a Value, pointer: &str) -> Result<(), String> {
        if self.known.contains_key(&id(schema)) {
            return Ok(());
        }
        let Resource { document, draft, .. } = self.resources[near];
        let url = self.documents[document].0.clone();
        self.collect(document, schema, Some(near), pointer.to_owned(), draft)?;
        self.check(schema, pointer, &url, vec![(String::new(), draft)])
    }

    /// Holds a schema against the schema of its draft. `dialects` are the drafts by the way to who uses them.
    fn check(
        &self,
        schema: &Value,
        pointer: &str,
        url: &str,
        dialects: Vec<(String, Draft)>,
    ) -> Result<(), String> {
        let draft = dialects
            .iter()
            .find(|(pointer, _)| pointer.is_empty())
            .map_or(Draft::LATEST, |(_, draft)| *draft);
        let Some(refused) = super::validate::check_schema(schema, draft, dialects) else {
            return Ok(());
        };
        let place = quote_str(format!("{url}#{}", encoded(pointer)).as_bytes());
        Err(format!(
            "{place} is not valid against metaschema: jsonschema validation failed with '{}#'\n{}",
            draft.url(),
            refused.trim_end()
        ))
    }

    /// Notes a schema and all within it.
    fn collect(
        &mut self,
        document: usize,
        schema: &'a Value,
        within: Option<usize>,
        pointer: String,
        fallback: Draft,
    ) -> Result<(), String> {
        if self.known.contains_key(&id(schema)) {
            return Ok(());
        }
        let Value::Object(object) = schema else {
            let resource = match within {
                Some(at) => at,
                None => self.add_resource(document, schema, String::new(), &pointer, fallback)?,
            };
            self.known.insert(id(schema), Known { resource, pointer });
            return Ok(());
        };
        let mut draft = self.draft_of(document, object, &pointer, fallback)?;
        let mut own = draft.id_of(object);
        if own.is_none() && !pointer.is_empty() {
            draft = fallback;
            own = draft.id_of(object);
        }
        let resource = match (own, within) {
            (None, Some(at)) => at,
            (own, _) => {
                let base = within.map(|at| self.resources[at].url.clone());
                let base = base.unwrap_or_else(|| self.documents[document].0.clone());
                let url = own.map_or(base.clone(), |own| resolve(&base, own));
                self.add_resource(document, schema, url, &pointer, draft)?
            }
        };
        self.add_anchors(resource, schema, &pointer)?;
        let known = Known {
            resource,
            pointer: pointer.clone(),
        };
        self.known.insert(id(schema), known);
        let draft = self.resources[resource].draft;
        for (way, within) in draft.subschemas(object, true) {
            self.collect(document, within, Some(resource), format!("{pointer}{way}"), draft)?;
        }
        Ok(())
    }

    /// The draft that `$schema` names.
    fn draft_of(
        &mut self,
        document: usize,
        schema: &Map<String, Value>,
        pointer: &str,
        fallback: Draft,
    ) -> Result<Draft, String> {
        let Some(Value::String(named)) = schema.get("$schema") else {
            return Ok(fallback);
        };
        if let Some(draft) = Draft::named(named) {
            return Ok(draft);
        }
        let url = named.split('#').next().unwrap_or_default();
        if pointer.is_empty() && url == self.documents[document].0 {
            let url = quote_str(url.as_bytes());
            return Err(format!("draft {url} is not supported"));
        }
        // A schema of schemas elsewhere: its rules are not known.
        self.document(url).map(|_| fallback)
    }

    fn add_resource(
        &mut self,
        document: usize,
        schema: &'a Value,
        url: String,
        pointer: &str,
        draft: Draft,
    ) -> Result<usize, String> {
        let mut all = self.resources.iter();
        if let Some(twin) = all.position(|other| other.document == document && other.url == url) {
            if self.resources[twin].pointer == pointer {
                return Ok(twin);
            }
            let quoted = |text: &str| quote_str(text.as_bytes());
            return Err(format!(
                "duplicate id {} in {} at {} and {}",
                quoted(&url),
                quoted(&self.documents[document].0),
                quoted(pointer),
                quoted(&self.resources[twin].pointer)
            ));
        }
        self.resources.push(Resource {
            draft,
            document,
            url,
            pointer: pointer.to_owned(),
            anchors: BTreeMap::new(),
            dynamic: BTreeSet::new(),
            is_recursive: draft == Draft::V2019 && schema.get("$recursiveAnchor") == Some(&Value::Bool(true)),
            schema,
        });
        Ok(self.resources.len() - 1)
    }

    fn add_anchors(&mut self, resource: usize, schema: &'a Value, pointer: &str) -> Result<(), String> {
        let draft = self.resources[resource].draft;
        let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str);
        let mut names = Vec::new();
        if draft < Draft::V2019 {
            if schema.get("$ref").is_none()
                && let Some((_, fragment)) = text(draft.id_keyword()).and_then(|id| id.split_once('#'))
                && !fragment.is_empty()
                && !fragment.starts_with('/')
            {
                names.push((decoded(fragment)?, false));
            }
        } else {
            names.extend(text("$anchor").map(|name| (name.to_owned(), false)));
            if draft >= Draft::V2020 {
                names.extend(text("$dynamicAnchor").map(|name| (name.to_owned(), true)));
            }
        }
        for (name, is_dynamic) in names {
            let found = &mut self.resources[resource];
            if let Some((_, twin)) = found.anchors.get(&name)
                && twin != pointer
            {
                let quoted = |text: &str| quote_str(text.as_bytes());
                return Err(format!(
                    "duplicate anchor {} in {} at {} and {}",
                    quoted(&name),
                    quoted(&self.documents[found.document].0),
                    quoted(twin),
                    quoted(pointer)
                ));
            }
            found.anchors.insert(name.clone(), (schema, pointer.to_owned()));
            if is_dynamic {
                found.dynamic.insert(name);
            }
        }
        Ok(())
    }
}

/// A reference's address and fragment.
fn split(reference: &str) -> Result<(&str, String), String> {
    let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
    let fragment = decoded(fragment).map_err(|problem| {
        let reference = quote_str(reference.as_bytes());
        format!("error in parsing {reference}: {problem}")
    })?;
    Ok((address, fragment))
}

fn unescaped(part: &str) -> Option<String> {
    let mut pieces = part.split('~');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (mark, rest) = (piece.chars().next()?, piece.get(1..)?);
        out.push(match mark {
            '0' => '~',
            '1' => '/',
            _ => return None,
        });
        out.push_str(rest);
    }
    Some(out)
}
