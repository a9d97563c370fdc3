//! What the keywords of tables, lists, texts and numbers ask for.

use std::cmp::Ordering::{self, Equal, Greater, Less};
use std::collections::HashMap;
use std::rc::Rc;

use kiel_template::functions::Pattern;
use serde_json::{Map, Value};

use super::{Current, Draft, Frame, Validator, counted, joined, localized_count, number, quoted};
use crate::schema::failure::Failure;

impl<'a> Validator<'_, 'a> {
    pub(super) fn check_object(
        &self,
        current: &mut Current<'_, '_, 'a>,
        object: &Map<String, Value>,
        value: &Value,
    ) {
        let count = object.len();
        if let Some(want) = number::count(current.get("minProperties")).filter(|want| count < *want) {
            current.fail(counted("minProperties", count, want));
        }
        if let Some(want) = number::count(current.get("maxProperties")).filter(|want| count > *want) {
            current.fail(counted("maxProperties", count, want));
        }
        let missing = missing(object, current.get("required"));
        match missing.as_slice() {
            [] => {}
            [one] => current.fail(format!("missing property {}", quoted(one))),
            _ => current.fail(format!("missing properties {}", joined(&missing))),
        }
        self.check_dependents(current, "dependencies", object, value);
        self.check_properties(current, object);
        if let Some(names) = current.since(Draft::V6, "propertyNames") {
            for name in sorted_keys(object) {
                // Go: a check of its own, which knows no way to where it stands.
                let frame = Frame {
                    parent: None,
                    schema: names,
                    keyword: None,
                    name: None,
                    meta: current.frame.meta,
                    depth: current.frame.depth + 1,
                };
                if let Err(failure) = self.validate(&frame, &Value::String(name.clone()), false) {
                    let text = format!("invalid propertyName {}", quoted(name));
                    let failure = Failure::new(Vec::new(), text).because(failure.into_causes());
                    current.failures.push(failure);
                }
            }
        }
        if current.draft >= Draft::V2019 {
            self.check_dependents(current, "dependentSchemas", object, value);
            self.check_dependents(current, "dependentRequired", object, value);
        }
    }

    fn check_dependents(
        &self,
        current: &mut Current<'_, '_, 'a>,
        keyword: &str,
        object: &Map<String, Value>,
        value: &Value,
    ) {
        let Some(Value::Object(dependents)) = current.get(keyword) else {
            return;
        };
        for (name, dependent) in dependents.iter().filter(|(name, _)| object.contains_key(*name)) {
            if !dependent.is_array() {
                if keyword != "dependentRequired" {
                    let outcome = self.beside(current, dependent, None, value);
                    current.note(outcome);
                }
                continue;
            }
            let missing = self::missing(object, Some(dependent));
            if !missing.is_empty() && keyword != "dependentSchemas" {
                current.fail(format!(
                    "properties {} required, if {} exists",
                    joined(&missing),
                    quoted(name)
                ));
            }
        }
    }

    fn check_properties(&self, current: &mut Current<'_, '_, 'a>, object: &Map<String, Value>) {
        let properties = current.get("properties").and_then(Value::as_object);
        let patterns = current.get("patternProperties").and_then(Value::as_object);
        let patterns: Vec<(Rc<Pattern>, &'a Value)> = patterns
            .into_iter()
            .flatten()
            .filter_map(|(pattern, schema)| Some((self.pattern(pattern)?, schema)))
            .collect();
        let additional = current.get("additionalProperties");
        if properties.is_none() && patterns.is_empty() && additional.is_none() {
            return;
        }
        let mut unexpected = Vec::new();
        for name in sorted_keys(object) {
            let Some(value) = object.get(name) else { continue };
            self.count(patterns.len() / 8);
            let own = properties.and_then(|properties| properties.get(name));
            let matching = patterns.iter().filter(|(pattern, _)| pattern.is_match(name));
            let matching = matching.map(|(_, schema)| *schema);
            let schemas: Vec<&'a Value> = own.into_iter().chain(matching).collect();
            for schema in &schemas {
                let outcome = self.within(current, schema, name, value);
                current.note(outcome);
            }
            if schemas.is_empty() {
                match additional {
                    None => continue,
                    Some(Value::Bool(true)) => {}
                    Some(Value::Bool(false)) => unexpected.push(name.clone()),
                    Some(schema) => {
                        let outcome = self.within(current, schema, name, value);
                        current.note(outcome);
                    }
                }
            }
            current.unseen.names.remove(name);
        }
        if !unexpected.is_empty() {
            current.fail(format!(
                "additional properties {} not allowed",
                joined(&unexpected)
            ));
        }
    }

    pub(super) fn check_array(&self, current: &mut Current<'_, '_, 'a>, items: &[Value]) {
        let count = items.len();
        if let Some(want) = number::count(current.get("minItems")).filter(|want| count < *want) {
            current.fail(counted("minItems", count, want));
        }
        if let Some(want) = number::count(current.get("maxItems")).filter(|want| count > *want) {
            current.fail(counted("maxItems", count, want));
        }
        if current.get("uniqueItems") == Some(&Value::Bool(true))
            && let Some((first, second)) = duplicates(items)
        {
            let (first, second) = (localized_count(first), localized_count(second));
            current.fail(format!("items at {first} and {second} are equal"));
        }
        let (first, rest) = if current.draft < Draft::V2020 {
            match current.get("items") {
                Some(Value::Array(first)) => (first.as_slice(), current.get("additionalItems")),
                other => (&[][..], other),
            }
        } else {
            let first = current.get("prefixItems").and_then(Value::as_array);
            (first.map_or(&[][..], Vec::as_slice), current.get("items"))
        };
        let is_old_list = current.draft < Draft::V2020 && current.get("items").is_some_and(Value::is_array);
        for (at, item) in items.iter().enumerate() {
            match (first.get(at), rest) {
                (None, Some(Value::Bool(false))) if is_old_list => {
                    let left = localized_count(count - at);
                    current.fail(format!("last {left} additionalItem(s) not allowed"));
                    break;
                }
                (Some(schema), _) => {
                    let outcome = self.within(current, schema, &at.to_string(), item);
                    current.note(outcome);
                }
                (None, Some(schema)) => {
                    // Go: the rest is counted from its own beginning.
                    let outcome = self.within(current, schema, &(at - first.len()).to_string(), item);
                    current.note(outcome);
                }
                (None, None) => break,
            }
        }
        self.check_contains(current, items);
    }

    fn check_contains(&self, current: &mut Current<'_, '_, 'a>, items: &[Value]) {
        let Some(contains) = current.since(Draft::V6, "contains") else {
            return;
        };
        let (mut causes, mut matched) = (Vec::new(), Vec::new());
        for (at, item) in items.iter().enumerate() {
            match self.within(current, contains, &at.to_string(), item) {
                Ok(()) => {
                    matched.push(at.to_string());
                    if current.draft >= Draft::V2020 {
                        current.unseen.items.remove(&at);
                    }
                }
                Err(failure) => causes.push(failure),
            }
        }
        let found = || {
            format!(
                "{} items at {}",
                localized_count(matched.len()),
                matched.join(" ")
            )
        };
        match number::count(current.since(Draft::V2019, "minContains")) {
            None if matched.is_empty() => current.fail_because("no items match contains schema", causes),
            Some(want) if matched.len() < want => {
                let matched = if matched.is_empty() {
                    "none matched".to_owned()
                } else {
                    format!("matched {}", found())
                };
                let want = localized_count(want);
                current.fail_because(
                    format!("min {want} items required to match contains schema, but {matched}"),
                    causes,
                );
            }
            _ => {}
        }
        if let Some(want) = number::count(current.since(Draft::V2019, "maxContains"))
            && matched.len() > want
        {
            let want = localized_count(want);
            let text = format!(
                "max {want} items required to match contains schema, but matched {}",
                found()
            );
            current.fail(text);
        }
    }

    pub(super) fn check_text(&self, current: &mut Current<'_, '_, 'a>, text: &str) {
        let count = || text.chars().count();
        if let Some(want) = number::count(current.get("minLength")).filter(|want| count() < *want) {
            current.fail(counted("minLength", count(), want));
        }
        if let Some(want) = number::count(current.get("maxLength")).filter(|want| count() > *want) {
            current.fail(counted("maxLength", count(), want));
        }
        if let Some(Value::String(pattern)) = current.get("pattern")
            && self.pattern(pattern).is_some_and(|found| !found.is_match(text))
        {
            current.fail(format!(
                "{} does not match pattern {}",
                quoted(text),
                quoted(pattern)
            ));
        }
    }

    fn pattern(&self, text: &str) -> Option<Rc<Pattern>> {
        if let Some(known) = self.patterns.borrow().get(text) {
            return known.clone();
        }
        // To make one ready takes as long as a few hundred schemas.
        if !self.count(300) {
            return None;
        }
        let pattern = Pattern::new(text).ok().map(Rc::new);
        self.patterns
            .borrow_mut()
            .insert(text.to_owned(), pattern.clone());
        pattern
    }
}

pub(super) fn check_number(current: &mut Current<'_, '_, '_>, value: &serde_json::Number) {
    let limit = |keyword: &str| current.get(keyword).filter(|limit| limit.is_number());
    let is_exclusive = |keyword: &str| current.get(keyword) == Some(&Value::Bool(true));
    let value = Value::Number(value.clone());
    let mut wrong = Vec::new();
    let (minimum, maximum) = (limit("minimum"), limit("maximum"));
    let (low, high) = (is_exclusive("exclusiveMinimum"), is_exclusive("exclusiveMaximum"));
    let checks: [(&str, Option<&Value>, &[Ordering]); 4] = [
        ("minimum", minimum.filter(|_| !low), &[Less]),
        ("maximum", maximum.filter(|_| !high), &[Greater]),
        (
            "exclusiveMinimum",
            if low { minimum } else { limit("exclusiveMinimum") },
            &[Less, Equal],
        ),
        (
            "exclusiveMaximum",
            if high { maximum } else { limit("exclusiveMaximum") },
            &[Greater, Equal],
        ),
    ];
    for (keyword, want, refused) in checks {
        if let Some(want) = want.filter(|want| refused.contains(&number::compare(&value, want))) {
            wrong.push(number::limit_text(keyword, &value, want));
        }
    }
    if let Some(want) = limit("multipleOf").filter(|want| !number::is_multiple(&value, want)) {
        wrong.push(number::limit_text("multipleOf", &value, want));
    }
    for text in wrong {
        current.fail(text);
    }
}

fn duplicates(items: &[Value]) -> Option<(usize, usize)> {
    let mut alike: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let alike = alike.entry(number::likeness(item)).or_default();
        if let Some(first) = alike.iter().find(|first| number::equal(&items[**first], item)) {
            return Some((*first, at));
        }
        alike.push(at);
    }
    None
}

fn missing(object: &Map<String, Value>, wanted: Option<&Value>) -> Vec<String> {
    let names = wanted.and_then(Value::as_array).into_iter().flatten();
    let names = names
        .filter_map(Value::as_str)
        .filter(|name| !object.contains_key(*name));
    names.map(str::to_owned).collect()
}

fn sorted_keys(object: &Map<String, Value>) -> Vec<&String> {
    let mut keys: Vec<_> = object.keys().collect();
    keys.sort_unstable();
    keys
}
