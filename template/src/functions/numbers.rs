//! Arithmetic.
//!
//! Whole numbers are `int64` and wrap; `addf` and its kin calculate in decimal, as Sprig does.

use crate::number;
use crate::value::{CallError, Functions, Type, Value};

use super::args::{ANY, INT, Outcome, STRING, fail, int, rest, string, text};
use super::cast::{printed, to_float64, to_int64};
use super::decimal::Decimal;

/// Longest list that `until` and its kin make.
const MAX_SEQUENCE: i64 = 2_000_000;

pub(super) fn register(functions: &mut Functions) {
    functions.add("int", &[ANY], |_, args| Ok(Value::int(to_int64(&args[0]))));
    functions.add("int64", &[ANY], |_, args| Ok(Value::int64(to_int64(&args[0]))));
    functions.add("float64", &[ANY], |_, args| {
        Ok(Value::Float(to_float64(&args[0])))
    });
    functions.add("atoi", &[STRING], |_, args| {
        Ok(Value::int(number::atoi_clamped(text(args, 0))))
    });
    functions.add("toDecimal", &[ANY], |_, args| {
        let octal = printed(&args[0]);
        let parsed = octal
            .to_str()
            .and_then(|octal| i64::from_str_radix(octal, 8).ok());
        Ok(Value::int64(parsed.unwrap_or(0)))
    });
    register_whole(functions);
    register_fractions(functions);
    register_sequences(functions);
}

fn register_whole(functions: &mut Functions) {
    functions.add("add1", &[ANY], |_, args| {
        Ok(Value::int64(to_int64(&args[0]).wrapping_add(1)))
    });
    functions.add_variadic("add", &[], ANY, |_, args| whole(0, args, i64::wrapping_add));
    functions.add("sub", &[ANY, ANY], |_, args| {
        whole(to_int64(&args[0]), rest(args, 1), i64::wrapping_sub)
    });
    functions.add_variadic("mul", &[ANY], ANY, |_, args| {
        whole(to_int64(&args[0]), rest(args, 1), i64::wrapping_mul)
    });
    functions.add("div", &[ANY, ANY], |_, args| divided(args, i64::wrapping_div));
    functions.add("mod", &[ANY, ANY], |_, args| divided(args, i64::wrapping_rem));
    for name in ["max", "biggest"] {
        functions.add_variadic(name, &[ANY], ANY, |_, args| {
            whole(to_int64(&args[0]), rest(args, 1), i64::max)
        });
    }
    functions.add_variadic("min", &[ANY], ANY, |_, args| {
        whole(to_int64(&args[0]), rest(args, 1), i64::min)
    });
}

fn whole(start: i64, operands: &[Value], apply: fn(i64, i64) -> i64) -> Outcome {
    Ok(Value::int64(operands.iter().map(to_int64).fold(start, apply)))
}

fn divided(args: &[Value], apply: fn(i64, i64) -> i64) -> Outcome {
    match to_int64(&args[1]) {
        0 => fail("runtime error: integer divide by zero"),
        divisor => Ok(Value::int64(apply(to_int64(&args[0]), divisor))),
    }
}

fn register_fractions(functions: &mut Functions) {
    functions.add_variadic("maxf", &[ANY], ANY, |_, args| {
        extreme(args, |a, b| a.total_cmp(&b).is_lt())
    });
    functions.add_variadic("minf", &[ANY], ANY, |_, args| {
        extreme(args, |a, b| a.total_cmp(&b).is_gt())
    });
    functions.add("floor", &[ANY], |_, args| {
        Ok(Value::Float(to_float64(&args[0]).floor()))
    });
    functions.add("ceil", &[ANY], |_, args| {
        Ok(Value::Float(to_float64(&args[0]).ceil()))
    });
    functions.add_variadic("round", &[ANY, INT], Type::Float64, |_, args| {
        let round_on = match args.get(2) {
            Some(Value::Float(round_on)) => *round_on,
            _ => 0.5,
        };
        Ok(Value::Float(round(to_float64(&args[0]), int(args, 1), round_on)))
    });
    functions.add("add1f", &[ANY], |_, args| {
        decimal(&args[0], &[Value::Float(1.0)], Decimal::add)
    });
    functions.add_variadic("addf", &[], ANY, |_, args| {
        decimal(&Value::Float(0.0), args, Decimal::add)
    });
    functions.add_variadic("subf", &[ANY], ANY, |_, args| {
        decimal(&args[0], rest(args, 1), Decimal::sub)
    });
    functions.add_variadic("mulf", &[ANY], ANY, |_, args| {
        decimal(&args[0], rest(args, 1), Decimal::mul)
    });
    functions.add_variadic("divf", &[ANY], ANY, |_, args| {
        decimal(&args[0], rest(args, 1), Decimal::div)
    });
}

/// Go: `math.Max` and `math.Min`: one NaN makes the result NaN.
fn extreme(args: &[Value], replaces: fn(f64, f64) -> bool) -> Outcome {
    let mut numbers = args.iter().map(to_float64);
    let first = numbers.next().unwrap_or_default();
    let result = numbers.fold(first, |best, next| {
        if best.is_nan() || next.is_nan() {
            f64::NAN
        } else if replaces(best, next) {
            next
        } else {
            best
        }
    });
    Ok(Value::Float(result))
}

/// Go: halves go up, and so does nothing below zero: `round -2.5 0` is -3.
fn round(value: f64, places: i64, round_on: f64) -> f64 {
    let power = 10f64.powi(i32::try_from(places).unwrap_or(if places < 0 { i32::MIN } else { i32::MAX }));
    let shifted = power * value;
    let rounded = if shifted.fract() >= round_on {
        shifted.ceil()
    } else {
        shifted.floor()
    };
    rounded / power
}

fn decimal(
    first: &Value,
    operands: &[Value],
    apply: fn(Decimal, &Decimal) -> Result<Decimal, &'static str>,
) -> Outcome {
    let parse = |value: &Value| {
        let float = to_float64(value);
        Decimal::from_float(float)
            .ok_or_else(|| CallError::new(format!("Cannot create a Decimal from {}", number::general(float))))
    };
    let mut result = parse(first)?;
    for operand in operands {
        result = apply(result, &parse(operand)?).map_err(CallError::new)?;
    }
    Ok(Value::Float(result.to_float()))
}

fn register_sequences(functions: &mut Functions) {
    functions.add("until", &[INT], |_, args| {
        let count = int(args, 0);
        Ok(Value::ints(sequence(0, count, if count < 0 { -1 } else { 1 })?))
    });
    functions.add("untilStep", &[INT, INT, INT], |_, args| {
        Ok(Value::ints(sequence(int(args, 0), int(args, 1), int(args, 2))?))
    });
    functions.add_variadic("seq", &[], INT, |_, args| {
        let number = |at| int(args, at);
        let numbers = match args.len() {
            1 => {
                let step = if number(0) < 1 { -1 } else { 1 };
                sequence(1, number(0).wrapping_add(step), step)?
            }
            2 => {
                let step = if number(1) < number(0) { -1 } else { 1 };
                sequence(number(0), number(1).wrapping_add(step), step)?
            }
            3 => {
                let (start, step, end) = (number(0), number(1), number(2));
                if end < start && step > 0 {
                    Vec::new()
                } else {
                    sequence(start, end.wrapping_add(if end < start { -1 } else { 1 }), step)?
                }
            }
            _ => Vec::new(),
        };
        string(numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))
    });
}

/// Go: `untilStep`: from `start` towards `stop`, which is not reached; a step in the wrong direction gives
/// nothing.
fn sequence(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, CallError> {
    let downwards = stop < start;
    if downwards && step >= 0 || !downwards && step <= 0 {
        return Ok(Vec::new());
    }
    if stop.abs_diff(start) / step.unsigned_abs() > MAX_SEQUENCE.unsigned_abs() {
        return fail("runtime error: makeslice: len out of range");
    }
    let mut numbers = Vec::new();
    let mut next = Some(start);
    while let Some(number) = next.filter(|number| if downwards { *number > stop } else { *number < stop }) {
        numbers.push(number);
        next = number.checked_add(step);
    }
    Ok(numbers)
}
