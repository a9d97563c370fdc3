//! Lists.

use crate::value::{ANY_SLICES, Functions, List, Value};

use super::args::{
    ANY, INT, NIL_POINTER, Outcome, boolean, elements, elements_or, fail, int, list, nil_list, rest, string,
};
use super::cast::{is_empty, strslice, strval, to_int64};

pub(super) fn register(functions: &mut Functions) {
    for name in ["list", "tuple"] {
        functions.add_variadic(name, &[], ANY, |_, args| list(args.to_vec()));
    }
    for name in ["append", "push", "mustAppend", "mustPush"] {
        functions.add(name, &[ANY, ANY], |_, args| {
            let mut items = elements_or(&args[0], "Cannot push on type")?;
            items.push(args[1].clone());
            list(items)
        });
    }
    for name in ["prepend", "mustPrepend"] {
        functions.add(name, &[ANY, ANY], |_, args| {
            let mut items = elements_or(&args[0], "Cannot prepend on type")?;
            items.insert(0, args[1].clone());
            list(items)
        });
    }
    register_ends(functions);
    register_filters(functions);
    register_parts(functions);
}

/// Functions that take one list and look at its ends or its order.
fn register_ends(functions: &mut Functions) {
    for name in ["first", "mustFirst"] {
        functions.add(name, &[ANY], |_, args| {
            let items = elements_or(&args[0], "Cannot find first on type")?;
            Ok(items.into_iter().next().unwrap_or_default())
        });
    }
    for name in ["last", "mustLast"] {
        functions.add(name, &[ANY], |_, args| {
            let items = elements_or(&args[0], "Cannot find last on type")?;
            Ok(items.into_iter().next_back().unwrap_or_default())
        });
    }
    for name in ["rest", "mustRest"] {
        functions.add(name, &[ANY], |_, args| {
            let mut items = elements_or(&args[0], "Cannot find rest on type")?;
            if items.is_empty() {
                return nil_list();
            }
            items.remove(0);
            list(items)
        });
    }
    for name in ["initial", "mustInitial"] {
        functions.add(name, &[ANY], |_, args| {
            let mut items = elements_or(&args[0], "Cannot find initial on type")?;
            match items.pop() {
                Some(_) => list(items),
                None => nil_list(),
            }
        });
    }
    for name in ["reverse", "mustReverse"] {
        functions.add(name, &[ANY], |_, args| {
            let mut items = elements_or(&args[0], "Cannot find reverse on type")?;
            items.reverse();
            list(items)
        });
    }
    functions.add("sortAlpha", &[ANY], |_, args| sort_alpha(&args[0]));
    functions.add("toStrings", &[ANY], |_, args| {
        Ok(Value::strings(strslice(&args[0])))
    });
    functions.add("join", &[super::args::STRING, ANY], |_, args| {
        let parts = strslice(&args[1]);
        string(parts.join(super::args::text(args, 0)))
    });
}

/// Functions that compare elements, by deep equality with types.
fn register_filters(functions: &mut Functions) {
    for name in ["compact", "mustCompact"] {
        functions.add(name, &[ANY], |_, args| {
            let mut items = elements_or(&args[0], "Cannot compact on type")?;
            items.retain(|item| !is_empty(item));
            list(items)
        });
    }
    for name in ["uniq", "mustUniq"] {
        functions.add(name, &[ANY], |_, args| {
            let mut unique: Vec<Value> = Vec::new();
            for item in elements_or(&args[0], "Cannot find uniq on type")? {
                if !holds(&unique, &item) {
                    unique.push(item);
                }
            }
            list(unique)
        });
    }
    for name in ["without", "mustWithout"] {
        functions.add_variadic(name, &[ANY], ANY, |_, args| {
            let mut items = elements_or(&args[0], "Cannot find without on type")?;
            items.retain(|item| !holds(rest(args, 1), item));
            list(items)
        });
    }
    for name in ["has", "mustHas"] {
        functions.add(name, &[ANY, ANY], |_, args| {
            if args[1].is_nil() {
                return boolean(false);
            }
            boolean(holds(
                &elements_or(&args[1], "Cannot find has on type")?,
                &args[0],
            ))
        });
    }
}

/// Functions that cut lists up and put them together.
fn register_parts(functions: &mut Functions) {
    for name in ["slice", "mustSlice"] {
        functions.add_variadic(name, &[ANY], ANY, |_, args| slice(args));
    }
    functions.add_variadic("concat", &[], ANY, |_, args| {
        let mut joined = Vec::new();
        for part in args {
            match elements(part) {
                Some(items) => joined.extend(items),
                None if part.is_nil() => return fail(NIL_POINTER),
                None => return fail(format!("Cannot concat type {} as list", part.kind())),
            }
        }
        if joined.is_empty() {
            nil_list()
        } else {
            list(joined)
        }
    });
    for name in ["chunk", "mustChunk"] {
        functions.add(name, &[INT, ANY], |_, args| chunk(args));
    }
}

fn holds(items: &[Value], wanted: &Value) -> bool {
    items.iter().any(|item| wanted.deep_equal(item))
}

/// Go: a `[]string` is sorted in place, for all who hold it.
fn sort_alpha(value: &Value) -> Outcome {
    match value {
        Value::List(items) if items.slice_type().name == "[]string" => {
            if let Some(mut items) = items.borrow_mut() {
                items.sort_by(|a, b| a.as_bytes().cmp(&b.as_bytes()));
            }
            Ok(value.clone())
        }
        Value::List(_) | Value::Bytes(_) => {
            let mut texts = strslice(value);
            texts.sort();
            Ok(Value::strings(texts))
        }
        other => Ok(Value::strings([strval(other)])),
    }
}

fn slice(args: &[Value]) -> Outcome {
    let items = elements_or(&args[0], "list should be type of slice or array but")?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int64);
    let end = args.get(2).map_or(items.len() as i64, to_int64);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let part = range.and_then(|(start, end)| match &args[0] {
        Value::List(whole) => whole.slice(start..end, whole.capacity()).map(Value::List),
        Value::Bytes(bytes) => bytes.get(start..end).map(|part| Value::Bytes(part.into())),
        _ => items.get(start..end).map(|part| Value::list(part.to_vec())),
    });
    match part {
        Some(part) => Ok(part),
        None => fail("reflect.Value.Slice: slice index out of bounds"),
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "Go computes the number of chunks so"
)]
fn chunk(args: &[Value]) -> Outcome {
    const NO_LENGTH: &str = "runtime error: makeslice: len out of range";
    let items = elements_or(&args[1], "Cannot chunk type")?;
    let (size, length) = (int(args, 0), items.len() as i64);
    let count = ((length - 1) as f64 / size as f64).floor() + 1.0;
    if !(0.0..=length as f64).contains(&count) {
        return fail(NO_LENGTH);
    }
    let count = count as i64;
    let mut chunks = Vec::new();
    for at in 0..count {
        let rest = if at == count - 1 { length % size } else { size };
        let wanted = if rest == 0 { size } else { rest };
        let start = at * size;
        let part = usize::try_from(wanted).ok().and_then(|wanted| {
            let start = usize::try_from(start).ok()?;
            items.get(start..start + wanted)
        });
        match part {
            Some(part) => chunks.push(Value::list(part.to_vec())),
            None => return fail(NO_LENGTH),
        }
    }
    Ok(Value::List(List::typed(&ANY_SLICES, chunks)))
}
