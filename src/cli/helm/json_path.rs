//! `show values --jsonpath`: parts of the values, by the templates of Kubernetes' tools.
//!
//! `{.a.b}`, `{['a.b']}`, `{.list[0]}`, `{.list[*].x}`, `{"text"}` and text around them. `range` and filters are refused.

use kiel_template::{Value as TemplateValue, format, json};
use serde_json::Value;

use super::HelmError;

/// What the template makes of the values; what is not found is left out, as Helm does.
pub(super) fn render(template: &str, values: &Value) -> Result<String, HelmError> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let end = end_of(after).ok_or_else(|| refuse(template, "unclosed action"))?;
        let action = after[..end].trim();
        rest = &after[end + 1..];
        match action.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) => out.push_str(&text.replace("\\n", "\n").replace("\\t", "\t")),
            None => {
                let found = select(template, action, values)?;
                // Go: where something is missing, nothing is printed.
                let Some(found) = found else {
                    return Ok(String::new());
                };
                let shown: Vec<_> = found.iter().map(|value| shown(value)).collect();
                out.push_str(&shown.join(" "));
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn refuse(template: &str, problem: &str) -> HelmError {
    HelmError(format!("error parsing jsonpath {template}: {problem}"))
}

/// Where the brace is that closes an action.
fn end_of(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}

/// A value in the output: texts as they are, tables and lists as JSON.
fn shown(value: &Value) -> String {
    let value = TemplateValue::from_json(value);
    match &value {
        TemplateValue::Map(_) | TemplateValue::List(_) | TemplateValue::Nil => {
            json::to_string(&value).unwrap_or_default()
        }
        other => String::from_utf8_lossy(&format::sprint(std::slice::from_ref(other))).into_owned(),
    }
}

/// The values at a path; none where something on the way is missing.
fn select<'v>(template: &str, path: &str, values: &'v Value) -> Result<Option<Vec<&'v Value>>, HelmError> {
    let mut found = vec![values];
    let mut rest = path.strip_prefix(['$', '@']).unwrap_or(path);
    if rest == "." {
        return Ok(None);
    }
    while !rest.is_empty() {
        let (step, after) = if let Some(inside) = rest.strip_prefix('[') {
            let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'));
            let (text, after) = match quote {
                Some(quote) => inside[1..].split_once(quote).and_then(|(name, after)| {
                    let after = after.strip_prefix(']')?;
                    Some((Step::Names(split_names(name)), after))
                }),
                None => inside
                    .split_once(']')
                    .and_then(|(text, after)| Some((Step::index(text)?, after))),
            }
            .ok_or_else(|| refuse(template, "kiel knows names, indexes and `*` in brackets"))?;
            (text, after)
        } else {
            let named = rest.strip_prefix('.').unwrap_or(rest);
            let (name, after) = name_of(named);
            if name.is_empty() && !after.is_empty() && !after.starts_with('[')
                || name.contains(char::is_whitespace)
            {
                return Err(refuse(template, "kiel knows paths of names and indexes"));
            }
            match name.as_str() {
                "" => {
                    rest = after;
                    continue;
                }
                "*" => (Step::All, after),
                _ => (Step::Names(vec![name]), after),
            }
        };
        let mut next = Vec::new();
        for value in found {
            match step.apply(value) {
                Some(values) => next.extend(values),
                None => return Ok(None),
            }
        }
        found = next;
        rest = after;
    }
    Ok(Some(found))
}

/// A name up to the next `.` or `[`; a backslash takes what follows as it is.
fn name_of(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => name.extend(characters.next().map(|(_, c)| c)),
            '.' | '[' => return (name, &text[at..]),
            c => name.push(c),
        }
    }
    (name, "")
}

/// Go: a name in brackets is a path of its own.
fn split_names(text: &str) -> Vec<String> {
    let (mut names, mut rest) = (Vec::new(), text);
    loop {
        let (name, after) = name_of(rest);
        names.push(name);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return names,
        }
    }
}

/// A step of a path.
enum Step {
    Names(Vec<String>),
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    All,
}

impl Step {
    fn index(text: &str) -> Option<Self> {
        match text.trim() {
            "*" => Some(Self::All),
            slice if slice.contains(':') => {
                let (from, to) = slice.split_once(':')?;
                let bound = |text: &str| match text {
                    "" => Some(None),
                    text => text.parse().ok().map(Some),
                };
                Some(Self::Slice(bound(from)?, bound(to)?))
            }
            number => number.parse().ok().map(Self::Index),
        }
    }

    fn apply<'v>(&self, value: &'v Value) -> Option<Vec<&'v Value>> {
        match (self, value) {
            (Self::Names(names), _) => {
                let found = names
                    .iter()
                    .try_fold(value, |value, name| value.as_object()?.get(name));
                found.map(|found| vec![found])
            }
            (Self::Slice(from, to), Value::Array(items)) => {
                let length = i64::try_from(items.len()).ok()?;
                let bound =
                    |at: i64| usize::try_from((if at < 0 { at + length } else { at }).clamp(0, length));
                let (from, to) = (bound(from.unwrap_or(0)).ok()?, bound(to.unwrap_or(length)).ok()?);
                Some(items.get(from..to.max(from))?.iter().collect())
            }
            (Self::Index(at), Value::Array(items)) => {
                let length = i64::try_from(items.len()).ok()?;
                let at = if *at < 0 { at + length } else { *at };
                items.get(usize::try_from(at).ok()?).map(|found| vec![found])
            }
            (Self::All, Value::Array(items)) => Some(items.iter().collect()),
            (Self::All, Value::Object(object)) => {
                let mut entries: Vec<_> = object.iter().collect();
                entries.sort_unstable_by_key(|(name, _)| *name);
                Some(entries.into_iter().map(|(_, value)| value).collect())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_values_are_shown() {
        let values = serde_json::json!({"a": {"b": "x", "c.d": 1, "l": [1, {"e": 2.5}, true]}, "n": null});
        for (template, want) in [
            ("{.a.b}", "x"),
            ("v: {.a['c\\.d']}!", "v: 1!"),
            ("{.a.c\\.d}", "1"),
            ("{.a.l[0]} {.a.l[-1]}", "1 true"),
            ("{.a.l[*]}", "1 {\"e\":2.5} true"),
            ("{.a.l}{\"\\n\"}", "[1,{\"e\":2.5},true]\n"),
            ("a{.nope}b", ""),
            ("{.a.l[0:2]}", "1 {\"e\":2.5}"),
            ("{.a['c.d']}", ""),
            ("{$.a.b}", "x"),
        ] {
            let got = render(template, &values).map_err(|HelmError(text)| text);
            assert_eq!(got.as_deref(), Ok(want), "{template}");
        }
        assert!(render("{range .a}", &values).is_err());
        assert!(render("{.a", &values).is_err());
    }
}
