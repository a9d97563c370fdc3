//! `show values --jsonpath`: parts of the values, by the templates of Kubernetes' tools.
//!
//! The language is client-go's, errors included: paths, slices, unions, filters, `..`, `range`. What a map holds is taken in
//! the order of its keys, where client-go takes any. A template that meets nothing prints nothing at all, as in Helm.

mod parse;

use std::cmp::Ordering;

use kiel_template::{Value as TemplateValue, format, json};
use parse::{End, Filter, Node, Slice};
use serde_json::Value;

use super::HelmError;

/// What the template makes of the values.
pub(super) fn render(template: &str, values: &Value) -> Result<String, HelmError> {
    let nodes = parse::parse(template)
        .map_err(|problem| HelmError(format!("error parsing jsonpath {template}: {problem}")))?;
    let mut run = Run {
        nodes: &nodes,
        begun: false,
        depth: 0,
        ended: false,
        last_end: None,
        written: String::new(),
    };
    // Helm drops what a template says that fails.
    Ok(match run.run(0, Found::Json(values)) {
        Some(()) => run.written,
        None => String::new(),
    })
}

/// A value on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Found<'v> {
    Json(&'v Value),
    Text(&'v str),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// Go's invalid value: what a range over nothing goes over.
    Nothing,
}

impl Found<'_> {
    /// In the output: texts as they are, tables and lists as JSON.
    fn shown(self) -> String {
        let value = match self {
            Self::Json(value @ (Value::Object(_) | Value::Array(_) | Value::Null)) => {
                return json::to_string(&TemplateValue::from_json(value)).unwrap_or_default();
            }
            // Helm's values have floats only.
            Self::Json(Value::Number(number)) => TemplateValue::Float(number.as_f64().unwrap_or_default()),
            Self::Json(value) => TemplateValue::from_json(value),
            Self::Text(text) => text.into(),
            Self::Int(number) => TemplateValue::int(number),
            Self::Float(number) => TemplateValue::Float(number),
            Self::Bool(value) => TemplateValue::Bool(value),
            Self::Nothing => TemplateValue::Nil,
        };
        String::from_utf8_lossy(&format::sprint(std::slice::from_ref(&value))).into_owned()
    }

    /// The values of a table, the items of a list, the bytes of a text.
    fn children(self) -> Vec<Self> {
        match self {
            Self::Json(Value::Object(table)) => {
                let mut entries: Vec<_> = table.iter().collect();
                entries.sort_unstable_by_key(|(name, _)| *name);
                entries.into_iter().map(|(_, value)| Self::Json(value)).collect()
            }
            Self::Json(Value::Array(items)) => items.iter().map(Self::Json).collect(),
            Self::Json(Value::String(text)) => text.bytes().map(|byte| Self::Int(byte.into())).collect(),
            _ => Vec::new(),
        }
    }

    /// Go: whether the comparison holds; none where the two cannot be compared.
    fn compare(self, operator: &str, other: Self) -> Option<bool> {
        let order = match (self.basic(), other.basic()) {
            (Basic::Text(a), Basic::Text(b)) => Some(a.cmp(b)),
            (Basic::Int(a), Basic::Int(b)) => Some(a.cmp(&b)),
            (Basic::Float(a), Basic::Float(b)) => a.partial_cmp(&b),
            (Basic::Bool(a), Basic::Bool(b)) if matches!(operator, "==" | "!=") => Some(a.cmp(&b)),
            _ => return None,
        };
        let holds = match operator {
            "==" => Ordering::is_eq,
            "<" => Ordering::is_lt,
            "<=" => Ordering::is_le,
            ">" => Ordering::is_gt,
            ">=" => Ordering::is_ge,
            "!=" => return Some(order.is_none_or(Ordering::is_ne)),
            _ => return None,
        };
        Some(order.is_some_and(holds))
    }
}

/// What comparisons know.
enum Basic<'v> {
    Text(&'v str),
    Int(i64),
    Float(f64),
    Bool(bool),
    Other,
}

impl<'v> Found<'v> {
    fn basic(self) -> Basic<'v> {
        match self {
            Self::Text(text) => Basic::Text(text),
            Self::Int(number) => Basic::Int(number),
            Self::Float(number) => Basic::Float(number),
            Self::Bool(value) => Basic::Bool(value),
            Self::Json(Value::String(text)) => Basic::Text(text),
            Self::Json(Value::Number(number)) => Basic::Float(number.as_f64().unwrap_or_default()),
            Self::Json(Value::Bool(value)) => Basic::Bool(*value),
            Self::Json(_) | Self::Nothing => Basic::Other,
        }
    }
}

/// A run over a template's parts. Functions give none where client-go has an error.
struct Run<'v> {
    nodes: &'v [Node],
    /// A `range` was met that has not gone round yet.
    begun: bool,
    depth: usize,
    /// An `end` was met.
    ended: bool,
    last_end: Option<usize>,
    written: String,
}

impl<'v> Run<'v> {
    fn run(&mut self, from: usize, root: Found<'v>) -> Option<()> {
        let mut at = from;
        while at < self.nodes.len() {
            let found = self.walk(&self.nodes[at], vec![root])?;
            if self.ended {
                self.ended = false;
                self.last_end = Some(at);
                return Some(());
            }
            if std::mem::take(&mut self.begun) {
                self.depth += 1;
                let length = self.written.len();
                if found.is_empty() {
                    // Only to find the end.
                    self.run(at + 1, Found::Nothing)?;
                    self.written.truncate(length);
                }
                for value in found {
                    self.run(at + 1, value)?;
                }
                self.depth -= 1;
                at = self.last_end.filter(|end| *end > at).unwrap_or(at);
            } else {
                let shown: Vec<_> = found.into_iter().map(Found::shown).collect();
                self.written.push_str(&shown.join(" "));
            }
            at += 1;
        }
        Some(())
    }

    fn walk_all(&mut self, steps: &'v [Node], input: Vec<Found<'v>>) -> Option<Vec<Found<'v>>> {
        steps.iter().try_fold(input, |input, step| self.walk(step, input))
    }

    fn walk(&mut self, node: &'v Node, input: Vec<Found<'v>>) -> Option<Vec<Found<'v>>> {
        let same = |value| Some(vec![value; input.len()]);
        match node {
            Node::Text(text) => Some(vec![Found::Text(text)]),
            Node::Action(steps) => self.walk_all(steps, input),
            Node::Int(number) => same(Found::Int(*number)),
            Node::Float(number) => same(Found::Float(*number)),
            Node::Bool(value) => same(Found::Bool(*value)),
            Node::Field(name) => fields(name, &input),
            Node::Wildcard => Some(input.into_iter().flat_map(Found::children).collect()),
            Node::Recursive => {
                let mut found = Vec::new();
                descend(input, &mut found);
                Some(found)
            }
            Node::Slice(slice) => slices(*slice, &input),
            Node::Union(parts) => {
                let parts = parts.iter().map(|steps| self.walk_all(steps, input.clone()));
                Some(parts.collect::<Option<Vec<_>>>()?.concat())
            }
            Node::Filter(filter) => self.filter(filter, &input),
            Node::Word(word) if word == "range" => {
                self.begun = true;
                Some(input)
            }
            Node::Word(word) if word == "end" && self.depth > 0 => {
                self.ended = true;
                Some(Vec::new())
            }
            Node::Word(_) => None,
        }
    }

    fn filter(&mut self, filter: &'v Filter, input: &[Found<'v>]) -> Option<Vec<Found<'v>>> {
        let mut kept = Vec::new();
        for value in input {
            let Found::Json(Value::Array(items)) = value else {
                return None;
            };
            for item in items.iter().map(Found::Json) {
                let left = self.walk_all(&filter.left, vec![item]);
                let Some((operator, right)) = &filter.compare else {
                    kept.extend(left.filter(|left| !left.is_empty()).map(|_| item));
                    continue;
                };
                let right = |run: &mut Self| run.walk_all(right, vec![item]);
                let holds = match left?[..] {
                    [] => false,
                    [left] => match right(self)?[..] {
                        [] => false,
                        [right] => left.compare(operator, right)?,
                        _ => return None,
                    },
                    _ => return None,
                };
                kept.extend(holds.then_some(item));
            }
        }
        Some(kept)
    }
}

fn fields<'v>(name: &str, input: &[Found<'v>]) -> Option<Vec<Found<'v>>> {
    let found: Vec<_> = input
        .iter()
        .filter_map(|value| match value {
            Found::Json(value) => value.as_object()?.get(name).map(Found::Json),
            _ => None,
        })
        .collect();
    (input.is_empty() || !found.is_empty()).then_some(found)
}

/// All values that hold others, and texts, each before what it holds.
fn descend<'v>(input: Vec<Found<'v>>, found: &mut Vec<Found<'v>>) {
    for value in input {
        let children = value.children();
        if !children.is_empty() {
            found.push(value);
            descend(children, found);
        }
    }
}

fn slices<'v>(slice: Slice, input: &[Found<'v>]) -> Option<Vec<Found<'v>>> {
    let mut found = Vec::new();
    for value in input {
        let items = match value {
            Found::Json(Value::Null) => continue,
            Found::Json(Value::Array(items)) => items,
            _ => return None,
        };
        let length = i64::try_from(items.len()).ok()?;
        let given = slice.from.unwrap_or(0);
        let from = if given < 0 { given + length } else { given };
        let to = match slice.to {
            End::Open => length,
            End::One if given.checked_add(1)? <= 0 => given + 1 + length,
            End::One => given + 1,
            End::At(at) if at < 0 => at + length,
            End::At(at) => at,
        };
        if from == to {
            return Some(found);
        }
        let part = items.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)?;
        let step = slice.step.unwrap_or(1);
        let step = usize::try_from(step).ok().filter(|step| *step > 0)?;
        found.extend(part.iter().step_by(step).map(Found::Json));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real Helm prints.
    #[test]
    fn parts_of_values_are_shown() {
        let values = serde_json::json!({
            "a": {"b": "x", "c.d": 1, "l": [1, {"e": 2.5}, true]},
            "users": [
                {"name": "ann", "age": 30, "tags": ["p", "q"], "mail": {"x": 1}},
                {"name": "bob", "age": 25},
                {"name": "eve", "age": 41, "mail": {"x": 2}},
            ],
            "big": 12_345_678_901_u64,
            "empty": [],
            "s": "t<ext>",
        });
        for line in include_str!("cases.txt").lines() {
            let (template, want) = line.split_once(" => ").expect("a template and its output");
            let got = render(template, &values).unwrap_or_else(|HelmError(text)| text);
            assert_eq!(format!("{got:?}"), want, "{template}");
        }
    }
}
