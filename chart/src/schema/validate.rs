//! Holds values against schemas.
//!
//! The order of the checks is that of Helm's library, since the first few end a schema and the others stand in the message
//! one after another. Where it goes by the random order of Go's tables, names are sorted here.

mod parts;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use kiel_template::format::quote_str;
use kiel_template::functions::Pattern;
use serde_json::{Map, Value};

use super::draft::{Draft, escaped};
use super::failure::{Failure, counted, display, joined, localized_count, quoted};
use super::library::{Id, Library, id};
use super::{formats, meta, number};

/// Deepest nesting of schemas.
const MAX_DEPTH: usize = 2_000;

/// How many schemas may be held against values, those within each other counted each.
const MAX_STEPS: usize = 300_000;

/// Why values are refused, if they are; an error where that can't be said.
pub(super) fn check_values(
    library: &Library<'_>,
    schema: &Value,
    values: &Value,
) -> Result<Option<String>, String> {
    Validator::new(library).run(schema, values)
}

/// Why a schema is none of its draft, if so. `dialects` are the drafts of the schemas with an address of their own
/// within it, by the way there.
pub(super) fn check_schema(schema: &Value, draft: Draft, dialects: Vec<(String, Draft)>) -> Option<String> {
    let library = meta::library();
    let root = meta::document(draft.url())?;
    let mut validator = Validator::new(library);
    validator.asserts_formats = true;
    // As much work as the schema is long.
    validator.most_steps = usize::MAX;
    validator.dialects = dialects.into_iter().collect();
    validator.run(root, schema).unwrap_or(None)
}

struct Validator<'l, 'a> {
    library: &'l Library<'a>,
    /// Whether `format` counts in the newer drafts too.
    asserts_formats: bool,
    /// Where in the value, which is a schema then, which draft begins.
    dialects: HashMap<String, Draft>,
    steps: Cell<usize>,
    most_steps: usize,
    /// Why the values can't be judged.
    gave_up: Cell<Option<&'static str>>,
    patterns: RefCell<HashMap<String, Option<Rc<Pattern>>>>,
}

/// A schema that is held against a value, and how it came to that.
struct Frame<'f, 'a> {
    parent: Option<&'f Frame<'f, 'a>>,
    schema: &'a Value,
    /// The keyword of the reference that led here.
    keyword: Option<&'static str>,
    /// The part of the way to the value that is new here; none where it is the parent's value.
    name: Option<&'f str>,
    /// The schema that stands for "a schema" here.
    meta: Id,
    depth: usize,
}

/// What no keyword has looked at yet, where somebody wants to know.
#[derive(Default)]
struct Unseen {
    names: BTreeSet<String>,
    items: BTreeSet<usize>,
}

impl Unseen {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.items.is_empty()
    }

    /// Keeps what the other has not seen either.
    fn merge(&mut self, other: &Self) {
        self.names.retain(|name| other.names.contains(name));
        self.items.retain(|item| other.items.contains(item));
    }
}

type Outcome = Result<Unseen, Failure>;

/// A schema that is a table, with what is needed to judge by it.
struct Current<'c, 'f, 'a> {
    frame: &'c Frame<'f, 'a>,
    schema: &'a Map<String, Value>,
    draft: Draft,
    unseen: Unseen,
    failures: Vec<Failure>,
}

impl<'a> Current<'_, '_, 'a> {
    fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.schema.get(keyword)
    }

    fn since(&self, draft: Draft, keyword: &str) -> Option<&'a Value> {
        self.get(keyword).filter(|_| self.draft >= draft)
    }

    fn fail(&mut self, text: impl Into<String>) {
        let failure = self.frame.failure(text);
        self.failures.push(failure);
    }

    fn note<T>(&mut self, outcome: Result<T, Failure>) {
        self.failures.extend(outcome.err());
    }

    /// Notes a failure with those behind it.
    fn fail_because(&mut self, text: impl Into<String>, causes: Vec<Failure>) {
        let failure = self.frame.failure(text).because(causes);
        self.failures.push(failure);
    }
}

impl Frame<'_, '_> {
    fn path(&self) -> Vec<String> {
        let mut path = self.parent.map(Frame::path).unwrap_or_default();
        path.extend(self.name.map(str::to_owned));
        path
    }

    fn failure(&self, text: impl Into<String>) -> Failure {
        Failure::new(self.path(), text.into())
    }

    /// The frame of the same schema and value that led here without anything in between.
    fn cycle(&self) -> Option<&Self> {
        let mut frame = self;
        while frame.name.is_none() {
            frame = frame.parent?;
            if std::ptr::eq(frame.schema, self.schema) {
                return Some(frame);
            }
        }
        None
    }

    fn keywords(&self, library: &Library<'_>) -> String {
        let Some(parent) = self.parent else {
            return String::new();
        };
        let before = parent.keywords(library);
        match self.keyword {
            Some(keyword) => format!("{before}/{keyword}"),
            None => {
                let ((_, from), (_, to)) = (library.location(parent.schema), library.location(self.schema));
                format!("{before}{}", to.strip_prefix(&from).unwrap_or(&to))
            }
        }
    }
}

impl<'l, 'a> Validator<'l, 'a> {
    fn new(library: &'l Library<'a>) -> Self {
        Self {
            library,
            asserts_formats: false,
            dialects: HashMap::new(),
            steps: Cell::new(0),
            most_steps: MAX_STEPS,
            gave_up: Cell::new(None),
            patterns: RefCell::default(),
        }
    }

    fn run(&self, schema: &'a Value, value: &Value) -> Result<Option<String>, String> {
        let frame = Frame {
            parent: None,
            schema,
            keyword: None,
            name: None,
            meta: id(schema),
            depth: 0,
        };
        let outcome = self.validate(&frame, value, false);
        if let Some(reason) = self.gave_up.get() {
            return Err(reason.to_owned());
        }
        Ok(outcome.err().map(|failure| failure.to_text()))
    }

    /// Counts steps; after too many of them nothing is looked at any more.
    fn count(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_add(steps));
        let is_too_much = self.steps.get() > self.most_steps;
        if is_too_much {
            self.gave_up.set(Some("its schema takes too many steps"));
        }
        !is_too_much
    }

    fn below<'f>(
        &self,
        frame: &'f Frame<'f, 'a>,
        schema: &'a Value,
        keyword: Option<&'static str>,
        name: Option<&'f str>,
    ) -> Frame<'f, 'a> {
        let mut next = Frame {
            parent: Some(frame),
            schema,
            keyword,
            name,
            meta: frame.meta,
            depth: frame.depth + 1,
        };
        if self.dialects.len() > 1 && id(schema) == next.meta {
            let path = next.path();
            let path: String = path.iter().map(|part| format!("/{}", escaped(part))).collect();
            // The schemas of schemas live as long as the program.
            if let Some(other) = self
                .dialects
                .get(&path)
                .and_then(|draft| self.library.root(draft.url()))
            {
                next.schema = other;
                next.meta = id(other);
            }
        }
        next
    }

    /// Another schema for the same value.
    fn beside(
        &self,
        current: &mut Current<'_, '_, 'a>,
        schema: &'a Value,
        keyword: Option<&'static str>,
        value: &Value,
    ) -> Result<(), Failure> {
        let frame = self.below(current.frame, schema, keyword, None);
        let unseen = self.validate(&frame, value, !current.unseen.is_empty())?;
        current.unseen.merge(&unseen);
        Ok(())
    }

    /// A schema for a part of the value.
    fn within(
        &self,
        current: &Current<'_, '_, 'a>,
        schema: &'a Value,
        name: &str,
        part: &Value,
    ) -> Result<(), Failure> {
        let frame = self.below(current.frame, schema, None, Some(name));
        self.validate(&frame, part, false).map(|_| ())
    }

    fn validate(&self, frame: &Frame<'_, 'a>, value: &Value, wanted: bool) -> Outcome {
        let schema = match frame.schema {
            Value::Bool(false) => return Err(frame.failure("false schema")),
            Value::Object(schema) if !schema.is_empty() => schema,
            _ => return Ok(all_of(value, wanted)),
        };
        if frame.depth > MAX_DEPTH {
            self.gave_up.set(Some("its schema nests too deeply"));
        }
        self.count(1);
        if self.gave_up.get().is_some() {
            return Ok(Unseen::default());
        }
        if let Some(cycle) = frame.cycle() {
            let (url, pointer) = self.library.location(frame.schema);
            let (here, there) = (frame.keywords(self.library), cycle.keywords(self.library));
            let url = quote_str(format!("{url}{pointer}").as_bytes());
            return Err(frame.failure(format!(
                "both {here} and {there} resolve to {url} causing reference cycle"
            )));
        }
        let draft = self
            .library
            .resource(frame.schema)
            .map_or(Draft::LATEST, |resource| resource.draft);
        let mut current = Current {
            frame,
            schema,
            draft,
            unseen: unseen(schema, draft, value, wanted),
            failures: Vec::new(),
        };
        if draft < Draft::V2019
            && let Some(written @ Value::String(_)) = schema.get("$ref")
        {
            self.reference(&mut current, written, "$ref", value)?;
            return Ok(current.unseen);
        }
        self.check_whole(&current, value)?;
        if let Some(written @ Value::String(_)) = schema.get("$ref") {
            let outcome = self.reference(&mut current, written, "$ref", value);
            current.note(outcome);
        }
        match value {
            Value::Object(object) => self.check_object(&mut current, object, value),
            Value::Array(items) => self.check_array(&mut current, items),
            Value::String(text) => self.check_text(&mut current, text),
            Value::Number(number) => parts::check_number(&mut current, number),
            Value::Null | Value::Bool(_) => {}
        }
        self.check_newer_references(&mut current, value);
        self.check_combinations(&mut current, value);
        if draft >= Draft::V2019 {
            self.check_unseen(&mut current, value);
        }
        match current.failures.len() {
            0 => Ok(current.unseen),
            1 => current.failures.pop().map_or(Ok(current.unseen), Err),
            _ => Err(Failure::group(frame.path(), current.failures)),
        }
    }

    /// What ends the check of a schema when it fails.
    fn check_whole(&self, current: &Current<'_, '_, 'a>, value: &Value) -> Result<(), Failure> {
        if let Some(text) = wrong_type(current.schema, value) {
            return Err(current.frame.failure(text));
        }
        if let Some(wanted) = current.since(Draft::V6, "const")
            && !number::equal(value, wanted)
        {
            return Err(current.frame.failure(if is_compound(wanted) {
                "'const' failed".to_owned()
            } else {
                format!("value must be {}", display(wanted))
            }));
        }
        if let Some(Value::Array(wanted)) = current.get("enum")
            && !wanted.iter().any(|item| number::equal(value, item))
        {
            return Err(current.frame.failure(enum_text(wanted)));
        }
        if (current.draft < Draft::V2019 || self.asserts_formats)
            && let (Some(Value::String(format)), Value::String(text)) = (current.get("format"), value)
            && let Err(problem) = formats::check(format, text)
        {
            let text = format!("{} is not valid {format}: {problem}", quoted(text));
            return Err(current.frame.failure(text));
        }
        Ok(())
    }

    fn reference(
        &self,
        current: &mut Current<'_, '_, 'a>,
        written: &Value,
        keyword: &'static str,
        value: &Value,
    ) -> Result<(), Failure> {
        let Some(target) = self.library.target(written) else {
            return Ok(());
        };
        self.follow(current, target, keyword, value)
    }

    fn follow(
        &self,
        current: &mut Current<'_, '_, 'a>,
        target: &'a Value,
        keyword: &'static str,
        value: &Value,
    ) -> Result<(), Failure> {
        self.beside(current, target, Some(keyword), value)
            .map_err(Failure::behind_reference)
    }

    fn check_newer_references(&self, current: &mut Current<'_, '_, 'a>, value: &Value) {
        if let Some(written @ Value::String(_)) = current.since(Draft::V2019, "$recursiveRef")
            && let Some(mut target) = self.library.target(written)
        {
            let is_recursive = |schema: &Value| {
                let resource = self.library.resource(schema);
                resource.is_some_and(|resource| resource.is_recursive)
            };
            if target.get("$recursiveAnchor") == Some(&Value::Bool(true)) {
                let mut frame = Some(current.frame);
                while let Some(outer) = frame {
                    if is_recursive(outer.schema) {
                        target = outer.schema;
                    }
                    frame = outer.parent;
                }
            }
            let outcome = self.follow(current, target, "$recursiveRef", value);
            current.note(outcome);
        }
        if let Some(written @ Value::String(text)) = current.since(Draft::V2020, "$dynamicRef")
            && let Some(mut target) = self.library.target(written)
        {
            let name = text.split_once('#').map_or("", |(_, name)| name);
            let anchor = target.get("$dynamicAnchor").and_then(Value::as_str);
            if !name.is_empty() && !name.starts_with('/') && anchor == Some(name) {
                let mut frame = Some(current.frame);
                while let Some(outer) = frame {
                    if let Some(named) = self.library.dynamic_anchor(outer.schema, name) {
                        target = named;
                    }
                    frame = outer.parent;
                }
            }
            let outcome = self.follow(current, target, "$dynamicRef", value);
            current.note(outcome);
        }
    }

    fn check_combinations(&self, current: &mut Current<'_, '_, 'a>, value: &Value) {
        if let Some(not) = current.get("not")
            && self.beside(current, not, None, value).is_ok()
        {
            current.fail("'not' failed");
        }
        let list = |current: &Current<'_, '_, 'a>, keyword| {
            let list: Option<&'a Vec<Value>> = current.get(keyword).and_then(Value::as_array);
            list.filter(|list| !list.is_empty())
        };
        if let Some(all) = list(current, "allOf") {
            let outcomes = all.iter().map(|schema| self.beside(current, schema, None, value));
            let causes: Vec<_> = outcomes.filter_map(Result::err).collect();
            if !causes.is_empty() {
                current.fail_because("'allOf' failed", causes);
            }
        }
        if let Some(any) = list(current, "anyOf") {
            let (mut causes, mut matched) = (Vec::new(), false);
            for schema in any {
                match self.beside(current, schema, None, value) {
                    Err(failure) => causes.push(failure),
                    Ok(()) => {
                        matched = true;
                        if current.unseen.is_empty() {
                            break;
                        }
                    }
                }
            }
            if !matched {
                current.fail_because("'anyOf' failed", causes);
            }
        }
        if let Some(one) = list(current, "oneOf") {
            let (mut causes, mut matched) = (Vec::new(), None);
            for (at, schema) in one.iter().enumerate() {
                match (self.beside(current, schema, None, value), matched) {
                    (Err(failure), None) => causes.push(failure),
                    (Err(_), Some(_)) => {}
                    (Ok(()), None) => matched = Some(at),
                    (Ok(()), Some(first)) => {
                        let (first, second) = (localized_count(first), localized_count(at));
                        current.fail(format!("'oneOf' failed, subschemas {first}, {second} matched"));
                        break;
                    }
                }
            }
            if matched.is_none() {
                current.fail_because("'oneOf' failed, none matched", causes);
            }
        }
        if let Some(condition) = current.since(Draft::V7, "if") {
            let holds = self.beside(current, condition, None, value).is_ok();
            if let Some(branch) = current.get(if holds { "then" } else { "else" }) {
                let outcome = self.beside(current, branch, None, value);
                current.note(outcome);
            }
        }
    }

    fn check_unseen(&self, current: &mut Current<'_, '_, 'a>, value: &Value) {
        if let (Some(schema), Value::Object(object)) = (current.get("unevaluatedProperties"), value) {
            for name in std::mem::take(&mut current.unseen.names) {
                if let Some(value) = object.get(&name) {
                    let outcome = self.within(current, schema, &name, value);
                    current.note(outcome);
                }
            }
        }
        if let (Some(schema), Value::Array(items)) = (current.get("unevaluatedItems"), value) {
            for at in std::mem::take(&mut current.unseen.items) {
                if let Some(item) = items.get(at) {
                    let outcome = self.within(current, schema, &at.to_string(), item);
                    current.note(outcome);
                }
            }
        }
    }
}

/// What of a value a schema without keywords leaves unseen.
fn all_of(value: &Value, wanted: bool) -> Unseen {
    match value {
        Value::Object(object) if wanted => Unseen {
            names: object.keys().cloned().collect(),
            ..Unseen::default()
        },
        Value::Array(items) if wanted => Unseen {
            items: (0..items.len()).collect(),
            ..Unseen::default()
        },
        _ => Unseen::default(),
    }
}

/// Likewise before a schema is applied: what its own keywords take whole is not asked for.
fn unseen(schema: &Map<String, Value>, draft: Draft, value: &Value, wanted: bool) -> Unseen {
    let has = |keyword: &str| schema.contains_key(keyword);
    let own = |keyword: &str| draft >= Draft::V2019 && has(keyword);
    match value {
        Value::Object(_) if !has("additionalProperties") => {
            all_of(value, wanted || own("unevaluatedProperties"))
        }
        Value::Array(_) => {
            let list = if draft < Draft::V2020 {
                "items"
            } else {
                "prefixItems"
            };
            let first = schema.get(list).and_then(Value::as_array).map_or(0, Vec::len);
            let takes_all = if draft < Draft::V2020 {
                match schema.get("items") {
                    Some(Value::Array(_)) => has("additionalItems"),
                    items => items.is_some(),
                }
            } else {
                has("items")
            };
            let mut unseen = all_of(value, !takes_all && (wanted || own("unevaluatedItems")));
            unseen.items.retain(|at| *at >= first);
            unseen
        }
        _ => Unseen::default(),
    }
}

fn wrong_type(schema: &Map<String, Value>, value: &Value) -> Option<String> {
    const TYPES: [&str; 7] = [
        "null", "boolean", "number", "integer", "string", "array", "object",
    ];
    let wanted: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => TYPES.into_iter().filter(|known| name == known).collect(),
        Some(Value::Array(names)) => TYPES
            .into_iter()
            .filter(|known| names.iter().any(|name| name == known))
            .collect(),
        _ => return None,
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_integer = || value.as_f64().is_some_and(|number| number.fract() == 0.0);
    if wanted.is_empty() || wanted.contains(&found) || (wanted.contains(&"integer") && is_integer()) {
        return None;
    }
    Some(format!("got {found}, want {}", wanted.join(" or ")))
}

fn is_compound(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

fn enum_text(wanted: &[Value]) -> String {
    if wanted.iter().any(is_compound) {
        return "'enum' failed".to_owned();
    }
    let shown: Vec<_> = wanted.iter().map(display).collect();
    match shown.as_slice() {
        [one] => format!("value must be {one}"),
        _ => format!("value must be one of {}", shown.join(", ")),
    }
}
