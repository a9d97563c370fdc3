//! `values.schema.json`: which values a chart accepts.
//!
//! JSON Schema of the drafts 4 to 2020-12 with the messages of the library that Helm uses. A schema may
//! refer to its own parts only: nothing is fetched here, so a schema that refers to other documents is
//! reported as unusable. `format`, `content*` and `$dynamicRef` are not checked, and a schema is not
//! checked against its own specification.

mod failure;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use failure::{Failure, display, joined, localized, localized_count, quoted};

/// What a schema says about values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The values are accepted.
    Accepted,
    /// The values are refused, with the list of reasons.
    Refused(String),
    /// The schema can't be used, and why.
    Unusable(String),
}

/// Judges `values` by the text of a schema.
pub(crate) fn judge(schema: &[u8], values: &Value) -> Verdict {
    let schema: Value = match serde_json::from_slice(schema) {
        Ok(schema) => schema,
        Err(error) => return Verdict::Refused(format!("{error}\n")),
    };
    let validator = Validator {
        draft: Draft::of(&schema),
        root: &schema,
        unusable: RefCell::new(None),
        steps: Cell::new(0),
        regexes: RefCell::default(),
    };
    let scope = Scope {
        path: Vec::new(),
        depth: 0,
    };
    let outcome = validator.validate(&schema, values, &scope);
    if let Some(reason) = validator.unusable.take() {
        return Verdict::Unusable(reason);
    }
    match outcome {
        Ok(()) => Verdict::Accepted,
        Err(failure) => Verdict::Refused(failure.to_text()),
    }
}

/// The drafts that differ in what is checked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Draft {
    V4,
    V6,
    V7,
    V2019,
    V2020,
}

impl Draft {
    fn of(schema: &Value) -> Self {
        let name = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
        [
            ("draft-04", Self::V4),
            ("draft-06", Self::V6),
            ("draft-07", Self::V7),
            ("2019-09", Self::V2019),
        ]
        .into_iter()
        .find(|(part, _)| name.contains(part))
        .map_or(Self::V2020, |(_, draft)| draft)
    }
}

/// Deepest nesting of schemas; a schema that refers to itself without end stops there.
const MAX_DEPTH: usize = 200;

/// How many schemas may be held against values, those within each other counted each.
const MAX_STEPS: usize = 300_000;

struct Validator<'a> {
    draft: Draft,
    root: &'a Value,
    /// Why the schema can't be used, found on the way.
    unusable: RefCell<Option<String>>,
    /// How many schemas were held against values.
    steps: Cell<usize>,
    /// The patterns met so far; none for what is no regular expression.
    regexes: RefCell<HashMap<String, Option<Regex>>>,
}

/// Where in the values we are.
struct Scope {
    path: Vec<String>,
    depth: usize,
}

impl Scope {
    fn same(&self) -> Self {
        Self {
            path: self.path.clone(),
            depth: self.depth + 1,
        }
    }

    fn below(&self, name: &str) -> Self {
        let mut scope = self.same();
        scope.path.push(name.to_owned());
        scope
    }

    fn failure(&self, text: impl Into<String>) -> Failure {
        Failure::new(self.path.clone(), text.into())
    }
}

type Judgement = Result<(), Failure>;

impl Validator<'_> {
    fn validate(&self, schema: &Value, value: &Value, scope: &Scope) -> Judgement {
        let schema = match schema {
            Value::Bool(false) => return Err(scope.failure("false schema")),
            Value::Object(schema) => schema,
            _ => return Ok(()),
        };
        if scope.depth > MAX_DEPTH {
            self.give_up("it refers to itself without end");
        }
        self.count(1);
        if self.unusable.borrow().is_some() {
            return Ok(());
        }
        self.check_type(schema, value, scope)?;
        if let Some(wanted) = schema.get("const").filter(|_| self.draft >= Draft::V6)
            && !equal(value, wanted)
        {
            let text = if is_compound(wanted) {
                "'const' failed".to_owned()
            } else {
                format!("value must be {}", display(wanted))
            };
            return Err(scope.failure(text));
        }
        if let Some(Value::Array(wanted)) = schema.get("enum")
            && !wanted.iter().any(|item| equal(value, item))
        {
            return Err(scope.failure(enum_text(wanted)));
        }

        let mut failures = Vec::new();
        if let Some(Value::String(reference)) = schema.get("$ref") {
            let outcome = self.reference(reference, value, scope);
            if self.draft < Draft::V2019 {
                return outcome;
            }
            failures.extend(outcome.err());
        }
        match value {
            Value::Object(object) => self.check_object(schema, object, scope, &mut failures),
            Value::Array(items) => self.check_array(schema, items, scope, &mut failures),
            Value::String(text) => self.check_text(schema, text, scope, &mut failures),
            Value::Number(number) => {
                check_number(
                    schema,
                    number.as_f64().unwrap_or_default(),
                    self.draft,
                    scope,
                    &mut failures,
                );
            }
            Value::Null | Value::Bool(_) => {}
        }
        self.check_combinations(schema, value, scope, &mut failures);
        match failures.len() {
            0 => Ok(()),
            1 => failures.pop().map_or(Ok(()), Err),
            _ => Err(Failure::group(scope.path.clone(), failures)),
        }
    }

    fn give_up(&self, reason: impl Into<String>) {
        self.unusable.borrow_mut().get_or_insert(reason.into());
    }

    fn check_type(&self, schema: &Map<String, Value>, value: &Value, scope: &Scope) -> Judgement {
        const TYPES: [&str; 7] = [
            "null", "boolean", "number", "integer", "string", "array", "object",
        ];
        let wanted: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => TYPES
                .into_iter()
                .filter(|known| names.iter().any(|name| name == known))
                .collect(),
            _ => return Ok(()),
        };
        let found = type_name(value);
        let is_integer = value.as_f64().is_some_and(|number| number.fract() == 0.0);
        if wanted.contains(&found) || (wanted.contains(&"integer") && is_integer) {
            return Ok(());
        }
        Err(scope.failure(format!("got {found}, want {}", wanted.join(" or "))))
    }

    fn reference(&self, reference: &str, value: &Value, scope: &Scope) -> Judgement {
        let Some(target) = self.resolve(reference) else {
            self.give_up(format!("it refers to `{reference}`, which is not part of it"));
            return Ok(());
        };
        self.validate(target, value, &scope.same())
            .map_err(Failure::behind_reference)
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        let own = self.root.get("$id").and_then(Value::as_str).unwrap_or("#");
        let fragment = match reference.split_once('#') {
            Some((document, fragment)) if document.is_empty() || own.trim_end_matches('#') == document => {
                fragment
            }
            None if own.trim_end_matches('#') == reference => "",
            _ => return None,
        };
        if fragment.is_empty() {
            return Some(self.root);
        }
        if fragment.starts_with('/') {
            return self
                .root
                .pointer(&fragment.replace("%25", "%").replace("%20", " "));
        }
        find_anchor(self.root, fragment)
    }

    fn check_object(
        &self,
        schema: &Map<String, Value>,
        object: &Map<String, Value>,
        scope: &Scope,
        failures: &mut Vec<Failure>,
    ) {
        let count = object.len();
        if let Some(want) = number_of(schema, "minProperties").filter(|want| count < *want) {
            failures.push(scope.failure(counted("minProperties", count, want)));
        }
        if let Some(want) = number_of(schema, "maxProperties").filter(|want| count > *want) {
            failures.push(scope.failure(counted("maxProperties", count, want)));
        }
        let missing = missing(object, schema.get("required"));
        match missing.as_slice() {
            [] => {}
            [one] => failures.push(scope.failure(format!("missing property {}", quoted(one)))),
            _ => failures.push(scope.failure(format!("missing properties {}", joined(&missing)))),
        }
        self.check_properties(schema, object, scope, failures);
        if self.draft >= Draft::V6
            && let Some(names) = schema.get("propertyNames")
        {
            for name in sorted_keys(object) {
                let text = format!("invalid propertyName {}", quoted(name));
                if let Err(failure) = self.validate(
                    names,
                    &Value::String(name.clone()),
                    &Scope {
                        path: Vec::new(),
                        depth: scope.depth + 1,
                    },
                ) {
                    failures.push(scope.failure(text).because(failure));
                }
            }
        }
        for keyword in ["dependencies", "dependentSchemas", "dependentRequired"] {
            let Some(Value::Object(dependents)) = schema.get(keyword) else {
                continue;
            };
            for (name, dependent) in dependents.iter().filter(|(name, _)| object.contains_key(*name)) {
                if dependent.is_array() {
                    let missing = self::missing(object, Some(dependent));
                    if !missing.is_empty() {
                        let text = format!(
                            "properties {} required, if {} exists",
                            joined(&missing),
                            quoted(name)
                        );
                        failures.push(scope.failure(text));
                    }
                } else {
                    let value = Value::Object(object.clone());
                    failures.extend(self.validate(dependent, &value, &scope.same()).err());
                }
            }
        }
    }

    fn check_properties(
        &self,
        schema: &Map<String, Value>,
        object: &Map<String, Value>,
        scope: &Scope,
        failures: &mut Vec<Failure>,
    ) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let patterns: Vec<(Regex, &Value)> = schema
            .get("patternProperties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(pattern, schema)| Some((self.regex(pattern)?, schema)))
            .collect();
        let mut unexpected = Vec::new();
        for name in sorted_keys(object) {
            let Some(value) = object.get(name) else { continue };
            self.count(patterns.len() / 8);
            let own = properties.and_then(|properties| properties.get(name));
            let matching = patterns
                .iter()
                .filter(|(pattern, _)| pattern.is_match(name))
                .map(|(_, schema)| *schema);
            let schemas: Vec<&Value> = own.into_iter().chain(matching).collect();
            for schema in &schemas {
                failures.extend(self.validate(schema, value, &scope.below(name)).err());
            }
            match schema.get("additionalProperties") {
                Some(Value::Bool(false)) if schemas.is_empty() => unexpected.push(name.clone()),
                Some(additional) if schemas.is_empty() => {
                    failures.extend(self.validate(additional, value, &scope.below(name)).err());
                }
                _ => {}
            }
        }
        if !unexpected.is_empty() {
            failures.push(scope.failure(format!(
                "additional properties {} not allowed",
                joined(&unexpected)
            )));
        }
    }

    fn check_array(
        &self,
        schema: &Map<String, Value>,
        items: &[Value],
        scope: &Scope,
        failures: &mut Vec<Failure>,
    ) {
        let count = items.len();
        if let Some(want) = number_of(schema, "minItems").filter(|want| count < *want) {
            failures.push(scope.failure(counted("minItems", count, want)));
        }
        if let Some(want) = number_of(schema, "maxItems").filter(|want| count > *want) {
            failures.push(scope.failure(counted("maxItems", count, want)));
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true))
            && self.count(items.len().saturating_mul(items.len()) / 256)
            && let Some((first, second)) = duplicates(items)
        {
            failures.push(scope.failure(format!("items at {first} and {second} are equal")));
        }
        let (first, rest) = if self.draft < Draft::V2020 {
            match schema.get("items") {
                Some(Value::Array(first)) => (first.as_slice(), schema.get("additionalItems")),
                other => (&[][..], other),
            }
        } else {
            let first = schema.get("prefixItems").and_then(Value::as_array);
            (first.map_or(&[][..], Vec::as_slice), schema.get("items"))
        };
        for (index, item) in items.iter().enumerate() {
            let below = scope.below(&index.to_string());
            match (first.get(index), rest) {
                (Some(schema), _) => failures.extend(self.validate(schema, item, &below).err()),
                (None, Some(Value::Bool(false))) if self.draft < Draft::V2020 => {
                    failures
                        .push(scope.failure(format!("last {} additionalItem(s) not allowed", count - index)));
                    break;
                }
                (None, Some(schema)) => failures.extend(self.validate(schema, item, &below).err()),
                (None, None) => {}
            }
        }
        self.check_contains(schema, items, scope, failures);
    }

    fn check_contains(
        &self,
        schema: &Map<String, Value>,
        items: &[Value],
        scope: &Scope,
        failures: &mut Vec<Failure>,
    ) {
        let Some(contains) = schema.get("contains").filter(|_| self.draft >= Draft::V6) else {
            return;
        };
        let mut causes = Vec::new();
        let mut matched = 0;
        for (index, item) in items.iter().enumerate() {
            match self.validate(contains, item, &scope.below(&index.to_string())) {
                Ok(()) => matched += 1,
                Err(failure) => causes.push(failure),
            }
        }
        let minimum = number_of(schema, "minContains").filter(|_| self.draft >= Draft::V2019);
        let text = match minimum {
            None if matched == 0 => "no items match contains schema".to_owned(),
            Some(want) if matched < want => {
                format!("min {want} items required to match contains schema, but matched {matched} items")
            }
            _ => return,
        };
        failures.push(causes.into_iter().fold(scope.failure(text), Failure::because));
    }

    fn check_text(
        &self,
        schema: &Map<String, Value>,
        text: &str,
        scope: &Scope,
        failures: &mut Vec<Failure>,
    ) {
        let length = text.chars().count();
        if let Some(want) = number_of(schema, "minLength").filter(|want| length < *want) {
            failures.push(scope.failure(counted("minLength", length, want)));
        }
        if let Some(want) = number_of(schema, "maxLength").filter(|want| length > *want) {
            failures.push(scope.failure(counted("maxLength", length, want)));
        }
        if let Some(Value::String(pattern)) = schema.get("pattern")
            && let Some(regex) = self.regex(pattern)
            && !regex.is_match(text)
        {
            let text = format!("{} does not match pattern {}", quoted(text), quoted(pattern));
            failures.push(scope.failure(text));
        }
    }

    /// Counts steps; after too many of them nothing is looked at any more.
    fn count(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_add(steps));
        let is_too_much = self.steps.get() > MAX_STEPS;
        if is_too_much {
            self.give_up("it takes too many steps");
        }
        !is_too_much
    }

    fn regex(&self, pattern: &str) -> Option<Regex> {
        if let Some(known) = self.regexes.borrow().get(pattern) {
            return known.clone();
        }
        // To make one ready takes as long as a few hundred schemas.
        if !self.count(300) {
            return None;
        }
        let regex = Regex::new(pattern).ok();
        if regex.is_none() {
            self.give_up(format!("`{pattern}` is no regular expression"));
        }
        self.regexes
            .borrow_mut()
            .insert(pattern.to_owned(), regex.clone());
        regex
    }

    fn check_combinations(
        &self,
        schema: &Map<String, Value>,
        value: &Value,
        scope: &Scope,
        failures: &mut Vec<Failure>,
    ) {
        let judge = |schema: &Value| self.validate(schema, value, &scope.same());
        if schema.get("not").is_some_and(|not| judge(not).is_ok()) {
            failures.push(scope.failure("'not' failed"));
        }
        let all = |name: &str| {
            schema
                .get(name)
                .and_then(Value::as_array)
                .filter(|list| !list.is_empty())
        };
        if let Some(all) = all("allOf") {
            let causes: Vec<_> = all.iter().filter_map(|schema| judge(schema).err()).collect();
            if !causes.is_empty() {
                failures.push(
                    causes
                        .into_iter()
                        .fold(scope.failure("'allOf' failed"), Failure::because),
                );
            }
        }
        if let Some(any) = all("anyOf") {
            let causes: Vec<_> = any.iter().map_while(|schema| judge(schema).err()).collect();
            if causes.len() == any.len() {
                failures.push(
                    causes
                        .into_iter()
                        .fold(scope.failure("'anyOf' failed"), Failure::because),
                );
            }
        }
        if let Some(one) = all("oneOf") {
            let outcomes: Vec<_> = one.iter().map(judge).collect();
            let matched: Vec<_> = (0..outcomes.len())
                .filter(|index| outcomes[*index].is_ok())
                .collect();
            if let [first, second, ..] = matched.as_slice() {
                failures.push(scope.failure(format!("'oneOf' failed, subschemas {first}, {second} matched")));
            } else if matched.is_empty() {
                let failure = scope.failure("'oneOf' failed, none matched");
                failures.push(
                    outcomes
                        .into_iter()
                        .filter_map(Result::err)
                        .fold(failure, Failure::because),
                );
            }
        }
        if self.draft >= Draft::V7
            && let Some(condition) = schema.get("if")
        {
            let branch = if judge(condition).is_ok() { "then" } else { "else" };
            failures.extend(schema.get(branch).and_then(|schema| judge(schema).err()));
        }
    }
}

fn check_number(
    schema: &Map<String, Value>,
    number: f64,
    draft: Draft,
    scope: &Scope,
    failures: &mut Vec<Failure>,
) {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let is_exclusive = |name: &str| draft == Draft::V4 && schema.get(name) == Some(&Value::Bool(true));
    let mut fail = |name: &str, want: f64| {
        failures.push(scope.failure(format!(
            "{name}: got {}, want {}",
            localized(number),
            localized(want)
        )));
    };
    let (minimum, maximum) = (limit("minimum"), limit("maximum"));
    match minimum {
        Some(want) if is_exclusive("exclusiveMinimum") && number <= want => fail("exclusiveMinimum", want),
        Some(want) if number < want => fail("minimum", want),
        _ => {}
    }
    match maximum {
        Some(want) if is_exclusive("exclusiveMaximum") && number >= want => fail("exclusiveMaximum", want),
        Some(want) if number > want => fail("maximum", want),
        _ => {}
    }
    if let Some(want) = limit("exclusiveMinimum").filter(|want| number <= *want) {
        fail("exclusiveMinimum", want);
    }
    if let Some(want) = limit("exclusiveMaximum").filter(|want| number >= *want) {
        fail("exclusiveMaximum", want);
    }
    if let Some(want) = limit("multipleOf").filter(|want| *want != 0.0 && (number / want).fract() != 0.0) {
        fail("multipleOf", want);
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_compound(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

fn enum_text(wanted: &[Value]) -> String {
    if wanted.iter().any(is_compound) {
        return "'enum' failed".to_owned();
    }
    let texts: Vec<_> = wanted.iter().map(display).collect();
    match texts.as_slice() {
        [one] => format!("value must be {one}"),
        _ => format!("value must be one of {}", texts.join(", ")),
    }
}

/// Numbers are equal by value, whatever their form.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn duplicates(items: &[Value]) -> Option<(usize, usize)> {
    (1..items.len()).find_map(|second| {
        let first = (0..second).find(|first| equal(&items[*first], &items[second]))?;
        Some((first, second))
    })
}

fn missing(object: &Map<String, Value>, wanted: Option<&Value>) -> Vec<String> {
    let names = wanted
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    names
        .filter(|name| !object.contains_key(*name))
        .map(str::to_owned)
        .collect()
}

fn sorted_keys(object: &Map<String, Value>) -> Vec<&String> {
    let mut keys: Vec<_> = object.keys().collect();
    keys.sort();
    keys
}

fn number_of(schema: &Map<String, Value>, name: &str) -> Option<usize> {
    schema
        .get(name)
        .and_then(Value::as_u64)
        .and_then(|number| usize::try_from(number).ok())
}

fn counted(name: &str, got: usize, want: usize) -> String {
    format!(
        "{name}: got {}, want {}",
        localized_count(got),
        localized_count(want)
    )
}

fn find_anchor<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    match schema {
        Value::Object(object) => {
            let is_named = object.get("$anchor").and_then(Value::as_str) == Some(name)
                || object
                    .get("$id")
                    .and_then(Value::as_str)
                    .and_then(|id| id.strip_prefix('#'))
                    == Some(name);
            if is_named {
                Some(schema)
            } else {
                object.values().find_map(|value| find_anchor(value, name))
            }
        }
        Value::Array(items) => items.iter().find_map(|item| find_anchor(item, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
