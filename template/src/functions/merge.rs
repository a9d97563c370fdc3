//! Deep merging of maps as `mergo` does it.

use crate::value::{MAX_NESTING, Map, Value, Visits};

use super::cast::is_empty;

/// Merges `source` into `target`, which all holders of `target` see; nested maps are taken by reference.
///
/// Without `overwrite`, only what is missing or empty in the target (nil, `""`, 0, false, no elements) is
/// taken. With it, the source wins even where it is empty or nil; only an empty map never replaces a map.
pub(super) fn merge(target: &Map, source: &Map, overwrite: bool) {
    merge_nested(target, source, overwrite, 0, &Visits::new());
}

fn merge_nested(target: &Map, source: &Map, overwrite: bool, depth: usize, visits: &Visits) {
    if target.same(source) || depth >= MAX_NESTING || !visits.allow() {
        return;
    }
    for (key, from) in source.to_vec() {
        let into = target.get(&key);
        if from.is_nil() {
            if overwrite {
                target.insert(key, from);
            }
            continue;
        }
        if let (Some(Value::Map(into)), Value::Map(from)) = (&into, &from) {
            merge_nested(into, from, overwrite, depth + 1, visits);
        }
        let keeps = match (&into, &from) {
            (None, _) => false,
            (Some(into @ Value::Map(_)), Value::Map(_)) => !is_empty(into),
            (Some(into), _) => !overwrite && !is_empty(into),
        };
        if !keeps {
            target.insert(key, from);
        }
    }
}
