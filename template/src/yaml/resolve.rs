//! What a scalar means: YAML 1.1 as Go's library reads it.
//!
//! `yes`, `on` and their like are booleans, `0777` is octal, `1_000` is 1000; base 60 and timestamps stay
//! texts. Go: timestamps are recognised but handed on as they were written.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::number::{parse_float, parse_int, parse_uint};

/// A scalar's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved<'a> {
    /// `~`, `null` or nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer above the signed range.
    Uint(u64),
    /// A floating point number, infinities and NaN included.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// What `!!binary` holds.
    Bytes(Vec<u8>),
}

/// Resolves `text`; `plain` says that it had no quotes. The error is Go's, without prefix.
pub(super) fn resolve<'a>(tag: Option<&str>, text: &'a str, plain: bool) -> Result<Resolved<'a>, String> {
    let as_text = || Resolved::Text(Cow::Borrowed(text));
    match tag {
        None if plain => Ok(implicit(text)),
        None | Some("!!str") => Ok(as_text()),
        Some("!!binary") => {
            let dense: Vec<u8> = text
                .bytes()
                .filter(|byte| !matches!(byte, b'\n' | b'\r'))
                .collect();
            match STANDARD.decode(dense) {
                Ok(bytes) => Ok(Resolved::Bytes(bytes)),
                Err(_) => Err("!!binary value contains invalid base64 data".to_owned()),
            }
        }
        Some(tag @ ("!!bool" | "!!int" | "!!float" | "!!null" | "!!timestamp")) => {
            let value = implicit(text);
            let found = match &value {
                Resolved::Null => "!!null",
                Resolved::Bool(_) => "!!bool",
                Resolved::Int(_) | Resolved::Uint(_) => "!!int",
                Resolved::Float(_) => "!!float",
                Resolved::Text(_) | Resolved::Bytes(_) if tag == "!!timestamp" && is_timestamp(text) => tag,
                Resolved::Text(_) | Resolved::Bytes(_) => "!!str",
            };
            match value {
                Resolved::Int(number) if tag == "!!float" => Ok(Resolved::Float(number as f64)),
                value if found == tag => Ok(value),
                _ => Err(format!("cannot decode {found} `{text}` as a {tag}")),
            }
        }
        Some(_) => Ok(as_text()),
    }
}

/// The meaning of a plain scalar without a tag.
pub(super) fn implicit(text: &str) -> Resolved<'_> {
    let as_text = Resolved::Text(Cow::Borrowed(text));
    match text.as_bytes().first() {
        None => Resolved::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                Resolved::Bool(true)
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
                Resolved::Bool(false)
            }
            "~" | "null" | "Null" | "NULL" => Resolved::Null,
            _ => as_text,
        },
        Some(b'.' | b'+' | b'-' | b'0'..=b'9') => number(text).unwrap_or(as_text),
        Some(_) => as_text,
    }
}

fn number(text: &str) -> Option<Resolved<'_>> {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Some(Resolved::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Some(Resolved::Float(f64::INFINITY));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Some(Resolved::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    if text.starts_with('.') {
        return parse_float(text).map(Resolved::Float);
    }
    if is_timestamp(text) {
        return None;
    }
    let dense: Cow<'_, str> = if text.contains('_') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    };
    if let Some(number) = parse_int(&dense) {
        return Some(Resolved::Int(number));
    }
    if let Some(number) = parse_uint(&dense) {
        return Some(Resolved::Uint(number));
    }
    if let Some(number) = float(&dense) {
        return Some(Resolved::Float(number));
    }
    // Go takes a sign behind the prefix: `0b-1` is -1.
    let digits = dense.strip_prefix("0b")?.strip_prefix('-')?;
    let magnitude = u64::from_str_radix(digits.strip_prefix('+').map_or(digits, |_| "x"), 2).ok()?;
    i64::try_from(-i128::from(magnitude)).ok().map(Resolved::Int)
}

/// A decimal number as `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, in the range of `f64`.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits =
        all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    if !mantissa_fits || !exponent_fits {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Whether a text looks like a timestamp to Go's library: a date, or a date with a time.
pub(super) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    let mut rest = &text[5..];
    let Some(month) = short_number(&mut rest).filter(|month| (1..=12).contains(month)) else {
        return false;
    };
    if !eat(&mut rest, '-') {
        return false;
    }
    let Some(day) = short_number(&mut rest) else {
        return false;
    };
    let year: i32 = text[..4].parse().unwrap_or_default();
    if day < 1 || day > days_in_month(year, month) {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let zoned = if eat(&mut rest, 'T') || eat(&mut rest, 't') {
        true
    } else if rest.starts_with(' ') {
        // Go's layouts match any number of spaces where they have one.
        rest = rest.trim_start_matches(' ');
        false
    } else {
        return false;
    };
    is_clock(&mut rest) && if zoned { is_zone(rest) } else { rest.is_empty() }
}

fn is_clock(rest: &mut &str) -> bool {
    let below = |rest: &mut &str, limit: u32| short_number(rest).is_some_and(|number| number < limit);
    if !(below(rest, 24) && eat(rest, ':') && below(rest, 60) && eat(rest, ':') && below(rest, 60)) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            *rest = &fraction[digits..];
        }
    }
    true
}

fn is_zone(zone: &str) -> bool {
    match zone.as_bytes() {
        b"Z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            let pair = |high: &u8, low: &u8| {
                (high.is_ascii_digit() && low.is_ascii_digit())
                    .then(|| u32::from(high - b'0') * 10 + u32::from(low - b'0'))
            };
            pair(h1, h2).is_some_and(|hours| hours <= 24) && pair(m1, m2).is_some_and(|minutes| minutes < 60)
        }
        _ => false,
    }
}

/// One or two digits.
fn short_number(rest: &mut &str) -> Option<u32> {
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let number = rest[..digits].parse().ok()?;
    *rest = &rest[digits..];
    Some(number)
}

fn eat(rest: &mut &str, expected: char) -> bool {
    match rest.strip_prefix(expected) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
