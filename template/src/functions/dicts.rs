//! Maps.

use crate::exec::MAX_TEXT;
use crate::value::{CallError, Entries, Functions, List, Map, STRING_SLICE, Str, Value};

use super::args::{ANY, MAP, Outcome, STRING, boolean, fail, list, map, rest, text};
use super::cast::strval;
use super::merge;

pub(super) fn register(functions: &mut Functions) {
    functions.add_variadic("dict", &[], ANY, |_, args| {
        let mut entries = Entries::new();
        for pair in args.chunks(2) {
            let value = pair.get(1).cloned().unwrap_or_else(|| Value::string(""));
            let key = strval(&pair[0]);
            // What prints a value stops there; such a key would hold the half of it, at each level that nests.
            if key.len() > MAX_TEXT {
                return fail(format!(
                    "key of {} is longer than the limit of {MAX_TEXT}",
                    key.len()
                ));
            }
            entries.insert(key, value);
        }
        Ok(Value::Map(Map::typed(&crate::value::ANY_MAP, entries)))
    });
    functions.add("get", &[MAP, STRING], |_, args| {
        Ok(map(args, 0)
            .get(text(args, 1))
            .unwrap_or_else(|| Value::string("")))
    });
    functions.add("set", &[MAP, STRING, ANY], |_, args| {
        let target = map(args, 0);
        if !target.insert(text(args, 1), args[2].clone()) {
            return fail("assignment to entry in nil map");
        }
        Ok(plain(&target))
    });
    functions.add("unset", &[MAP, STRING], |_, args| {
        let target = map(args, 0);
        target.remove(text(args, 1));
        Ok(plain(&target))
    });
    functions.add("hasKey", &[MAP, STRING], |_, args| {
        boolean(map(args, 0).contains_key(text(args, 1)))
    });
    functions.add_variadic("pluck", &[STRING], MAP, |_, args| {
        let key = text(args, 0);
        list(
            rest(args, 1)
                .iter()
                .filter_map(|each| each.as_map()?.get(key))
                .collect(),
        )
    });
    functions.add_variadic("keys", &[], MAP, |_, args| {
        // Go gives no order; ours is the sorted one.
        let keys = args
            .iter()
            .filter_map(Value::as_map)
            .flat_map(Map::keys)
            .map(Value::Str)
            .collect();
        Ok(Value::List(List::typed(&STRING_SLICE, keys)))
    });
    functions.add("values", &[MAP], |_, args| {
        list(
            map(args, 0)
                .to_vec()
                .into_iter()
                .map(|(_, value)| value)
                .collect(),
        )
    });
    functions.add_variadic("pick", &[MAP], STRING, |_, args| {
        let source = map(args, 0);
        let names = rest(args, 1).iter().filter_map(Value::as_bytes);
        Ok(Value::map(
            names.filter_map(|name| Some((Str::from(name), source.get(name)?))),
        ))
    });
    functions.add_variadic("omit", &[MAP], STRING, |_, args| {
        let kept = map(args, 0).to_vec();
        let dropped = |name: &Str| {
            rest(args, 1)
                .iter()
                .any(|each| each.as_bytes() == Some(name.as_bytes()))
        };
        Ok(Value::map(kept.into_iter().filter(|(name, _)| !dropped(name))))
    });
    functions.add_variadic("dig", &[], ANY, |_, args| dig(args));
    for (name, overwrite) in [
        ("merge", false),
        ("mustMerge", false),
        ("mergeOverwrite", true),
        ("mustMergeOverwrite", true),
    ] {
        functions.add_variadic(name, &[MAP], MAP, move |_, args| {
            let mut target = map(args, 0);
            if target.is_nil() && args.len() > 1 {
                target = Map::new();
            }
            for source in rest(args, 1) {
                if let Value::Map(source) = source {
                    merge::merge(&target, source, overwrite);
                }
            }
            Ok(plain(&target))
        });
    }
}

/// Go: what passes through a `map[string]interface {}` parameter has that type afterwards.
fn plain(map: &Map) -> Value {
    Value::Map(map.with_type(&crate::value::ANY_MAP))
}

fn dig(args: &[Value]) -> Outcome {
    let [path @ .., default, dict] = args else {
        return fail("dig needs at least three arguments");
    };
    if path.is_empty() {
        return fail("dig needs at least three arguments");
    }
    let mut current = plain_map(dict)?;
    let mut keys = Vec::with_capacity(path.len());
    for key in path {
        match key {
            Value::Str(key) => keys.push(key),
            other => return fail(conversion(other, "string")),
        }
    }
    let last = keys.len() - 1;
    for (depth, key) in keys.into_iter().enumerate() {
        let Some(step) = current.get(key) else {
            return Ok(default.clone());
        };
        if depth == last {
            return Ok(step);
        }
        current = plain_map(&step)?;
    }
    Ok(default.clone())
}

/// Go: a type assertion to exactly `map[string]interface {}`, which named map types don't pass.
fn plain_map(value: &Value) -> Result<Map, CallError> {
    match value {
        Value::Map(map) if map.map_type().name == crate::value::ANY_MAP.name => Ok(map.clone()),
        other => fail(conversion(other, "map[string]interface {}")),
    }
}

fn conversion(value: &Value, wanted: &str) -> String {
    let found = if value.is_nil() { "nil" } else { value.type_name() };
    format!("interface conversion: interface {{}} is {found}, not {wanted}")
}
