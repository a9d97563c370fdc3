//! Numbers as Go prints them.

use crate::format::format_float;

/// Go's `strconv.FormatFloat(value, 'g', -1, 64)` and `%v` of a `float64`: the shortest digits that read
/// back, in exponent form iff the decimal exponent is below -4 or at least 6.
pub(crate) fn general(value: f64) -> String {
    format_float(value, b'g', None, 64)
}

/// [`general`] of a `float32`.
pub(crate) fn general_single(value: f32) -> String {
    format_float(f64::from(value), b'g', None, 32)
}

/// A finite number as `encoding/json` writes it: exponent form only below 1e-6 and from 1e21 on.
pub(crate) fn json(value: f64) -> String {
    let text = layout(&format!("{value:e}"), -6, 21);
    // Go: `e-09` is cleaned up to `e-9`.
    match text.split_once("e-0") {
        Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
        None => text,
    }
}

/// Go's names of what is no number.
pub(crate) fn non_finite(value: f64) -> Option<&'static str> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some("NaN")
    } else if value > 0.0 {
        Some("+Inf")
    } else {
        Some("-Inf")
    }
}

/// Lays out the digits of `scientific` (Rust's `{:e}`, which are the shortest) without exponent if the
/// decimal exponent is in `least..limit`.
fn layout(scientific: &str, least: i32, limit: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    if exponent < least || exponent >= limit {
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{direction}{:02}", exponent.unsigned_abs());
    }
    let digits = mantissa.replace('.', "");
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    };
    if whole == 0 {
        format!("{sign}0.{digits}")
    } else if digits.len() <= whole {
        format!("{sign}{digits}{}", "0".repeat(whole - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
    }
}

/// Go's `strconv.ParseInt(text, 0, 64)`: a prefix chooses the base, underscores may separate digits.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(parse_uint(rest)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Go's `strconv.ParseUint(text, 0, 64)`.
pub(crate) fn parse_uint(text: &str) -> Option<u64> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'o' | b'O', ..] => (8, &text[2..]),
        [b'0', b'b' | b'B', ..] => (2, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => (10, text),
    };
    let mut after_digit = text.starts_with('0') && text.len() > 1;
    for byte in digits.bytes() {
        match byte {
            b'_' if after_digit => after_digit = false,
            byte if byte.is_ascii_alphanumeric() => after_digit = true,
            _ => return None,
        }
    }
    if digits.ends_with('_') {
        return None;
    }
    if digits.contains('_') {
        return u64::from_str_radix(&digits.replace('_', ""), radix).ok();
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Go's `strconv.Atoi`: decimal digits with an optional sign.
pub(crate) fn atoi(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// [`atoi`] whose error is ignored: a number that is too large becomes the largest one, anything else 0.
pub(crate) fn atoi_clamped(text: &[u8]) -> i64 {
    let digits = text
        .strip_prefix(b"-")
        .or(text.strip_prefix(b"+"))
        .unwrap_or(text);
    match atoi(text) {
        Some(number) => number,
        None if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) => 0,
        None if text.starts_with(b"-") => i64::MIN,
        None => i64::MAX,
    }
}

/// Go's `strconv.ParseFloat(text, 64)` for decimal texts and the names of infinity and NaN.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let names = ["inf", "infinity"];
    if names.iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
        return Some(if text.starts_with('-') {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if matches!(unsigned.get(..2), Some("0x" | "0X")) {
        let number = crate::parse::parse_hex_float(&unsigned[2..]).filter(|number| number.is_finite())?;
        return Some(if text.starts_with('-') { -number } else { number });
    }
    if text.contains('_') {
        let bytes = text.as_bytes();
        let between_digits = |at: usize| {
            at > 0 && bytes[at - 1].is_ascii_digit() && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
        };
        let fits = bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| *byte != b'_' || between_digits(at));
        return if fits {
            parse_float(&text.replace('_', ""))
        } else {
            None
        };
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_laid_out_as_go_does() {
        for (value, general_text, json_text) in [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (3.0, "3", "3"),
            (999_999.0, "999999", "999999"),
            (1_000_000.0, "1e+06", "1000000"),
            (123_456.7, "123456.7", "123456.7"),
            (1_234_567.5, "1.2345675e+06", "1234567.5"),
            (0.5, "0.5", "0.5"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "1e-05", "0.00001"),
            (1e-6, "1e-06", "0.000001"),
            (1e-7, "1e-07", "1e-7"),
            (1.5e-10, "1.5e-10", "1.5e-10"),
            (1e20, "1e+20", "100000000000000000000"),
            (1e21, "1e+21", "1e+21"),
        ] {
            assert_eq!(general(value), general_text);
            assert_eq!(json(value), json_text);
        }
        assert_eq!(general(f64::NEG_INFINITY), "-Inf");
        assert_eq!(general_single(0.1), "0.1");
    }

    #[test]
    fn integers_are_read_by_gos_prefixes() {
        for (text, want) in [
            ("0x1f", Some(31)),
            ("010", Some(8)),
            ("08", None),
            ("1_000", Some(1000)),
            ("1__0", None),
            ("_1", None),
            ("0_7", Some(7)),
            ("-0b11", Some(-3)),
            ("", None),
            ("+5", Some(5)),
            ("9223372036854775808", None),
        ] {
            assert_eq!(parse_int(text), want, "{text}");
        }
    }
}
