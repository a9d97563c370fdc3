//! Numeric constants: Go's integer, float, imaginary and character literals.

use super::node::Number;
use crate::{
    format::{quote_str, unquote_char},
    lex::Kind,
};

/// The constant that a token's text spells.
pub(crate) fn parse_number(text: &[u8], kind: Kind) -> Result<Number, String> {
    let shown = String::from_utf8_lossy(text);
    let mut number = Number {
        text: shown.clone().into(),
        ..Number::default()
    };
    match kind {
        Kind::CharConstant => {
            let body = &text[1..];
            let (rune, _, width) = unquote_char(body, b'\'').ok_or("invalid syntax")?;
            if &body[width..] != b"'" {
                return Err(format!("malformed character constant: {shown}"));
            }
            number.int = Some(i64::from(rune));
            number.uint = Some(u64::from(rune));
            number.float = Some(f64::from(rune));
            return Ok(number);
        }
        Kind::Complex => {
            number.complex = Some(parse_complex(&shown)?);
            simplify(&mut number);
            return Ok(number);
        }
        _ => {}
    }
    if let Some(value) = shown.strip_suffix('i').and_then(parse_float) {
        number.complex = Some((0.0, value));
        simplify(&mut number);
        return Ok(number);
    }
    number.uint = parse_uint(&shown);
    number.int = parse_int(&shown);
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    #[allow(clippy::cast_precision_loss, reason = "Go's conversion to float64")]
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Some(value) = parse_float(&shown) {
        if !shown.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quote_str(text)));
        }
        number.float = Some(value);
        number.int = exact_int(value);
        number.uint = exact_uint(value);
    } else {
        return Err(format!("illegal number syntax: {}", quote_str(text)));
    }
    Ok(number)
}

/// A complex constant without imaginary part is any other number too.
fn simplify(number: &mut Number) {
    if let Some((real, 0.0)) = number.complex {
        number.float = Some(real);
        number.int = exact_int(real);
        number.uint = exact_uint(real);
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the range is checked"
)]
fn exact_int(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    ((-LIMIT..LIMIT).contains(&value) && value.fract() == 0.0).then_some(value as i64)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked"
)]
fn exact_uint(value: f64) -> Option<u64> {
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    ((0.0..LIMIT).contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// Go: `strconv.ParseUint(text, 0, 64)`.
fn parse_uint(text: &str) -> Option<u64> {
    if text.starts_with(['+', '-']) || !underscores_fit(text) {
        return None;
    }
    let (digits, base) = split_base(text);
    let digits = digits.replace('_', "");
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&digits, base).ok()
}

/// Go: `strconv.ParseInt(text, 0, 64)`.
fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = split_sign(text);
    let magnitude = i128::from(parse_uint(digits)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn split_base(text: &str) -> (&str, u32) {
    let prefix = text.get(..2).unwrap_or_default();
    match prefix {
        "0x" | "0X" => (&text[2..], 16),
        "0b" | "0B" => (&text[2..], 2),
        "0o" | "0O" => (&text[2..], 8),
        _ if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        _ => (text, 10),
    }
}

/// Go: underscores may only separate digits, or stand between a base prefix and a digit.
fn underscores_fit(text: &str) -> bool {
    let (_, text) = split_sign(text);
    let prefixed = matches!(text.get(..2), Some("0x" | "0X" | "0b" | "0B" | "0o" | "0O"));
    let hex = matches!(text.get(..2), Some("0x" | "0X"));
    let (body, mut previous) = if prefixed { (&text[2..], '0') } else { (text, '^') };
    for letter in body.chars() {
        let digit = letter.is_ascii_digit() || hex && letter.is_ascii_hexdigit();
        previous = match letter {
            _ if digit => '0',
            '_' if previous != '0' => return false,
            '_' => '_',
            _ if previous == '_' => return false,
            _ => '!',
        };
    }
    previous != '_'
}

/// Go: `strconv.ParseFloat(text, 64)` for what the lexer takes for a number; infinite results are errors.
fn parse_float(text: &str) -> Option<f64> {
    let (negative, magnitude) = split_sign(text);
    if magnitude.starts_with(['+', '-']) || !underscores_fit(magnitude) {
        return None;
    }
    let digits = magnitude.replace('_', "");
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => parse_hex_float(hex)?,
        None if digits.bytes().any(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        None => return None,
    };
    value.is_finite().then_some(if negative { -value } else { value })
}

/// Hexadecimal digits with a binary exponent, without `0x`.
pub(crate) fn parse_hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut bits: u64 = 0;
    let mut scale: i32 = 0;
    let mut any = false;
    for (index, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(digit.to_digit(16)?);
        any = true;
        let is_fraction = index >= whole.len();
        if bits >> 58 == 0 {
            bits = bits << 4 | digit;
            scale -= if is_fraction { 4 } else { 0 };
        } else {
            // Digits beyond 62 bits only decide the rounding.
            bits |= u64::from(digit != 0);
            scale += if is_fraction { 0 } else { 4 };
        }
    }
    if !any {
        return None;
    }
    #[allow(clippy::cast_precision_loss, reason = "this is the one rounding")]
    let value = bits as f64;
    let power = exponent.clamp(-5000, 5000) + scale;
    // In two steps, since the power alone may leave the range that the product stays in.
    Some(value * 2_f64.powi(power / 2) * 2_f64.powi(power - power / 2))
}

fn parse_complex(text: &str) -> Result<(f64, f64), String> {
    let malformed = "syntax error scanning complex number";
    let body = text.strip_suffix('i').ok_or(malformed)?;
    let bytes = body.as_bytes();
    let is_sign = |index: &usize| {
        matches!(bytes[*index], b'+' | b'-') && !matches!(bytes[index - 1], b'e' | b'E' | b'p' | b'P')
    };
    let split = (1..bytes.len()).rev().find(is_sign).ok_or(malformed)?;
    let part = |text: &str| {
        parse_float(text).ok_or_else(|| {
            format!(
                "strconv.ParseFloat: parsing {}: invalid syntax",
                quote_str(text.as_bytes())
            )
        })
    };
    Ok((part(&body[..split])?, part(&body[split..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, int: Option<i64>, uint: Option<u64>, float: Option<f64>) {
        let kind = if text.starts_with('\'') {
            Kind::CharConstant
        } else {
            Kind::Number
        };
        let number = parse_number(text.as_bytes(), kind).unwrap();
        assert_eq!(
            (number.int, number.uint, number.float),
            (int, uint, float),
            "{text}"
        );
    }

    #[test]
    fn constants_take_every_form_their_text_allows() {
        check("0", Some(0), Some(0), Some(0.0));
        check("-0", Some(0), Some(0), Some(0.0));
        check("010", Some(8), Some(8), Some(8.0));
        check("0o17", Some(15), Some(15), Some(15.0));
        check("0b101", Some(5), Some(5), Some(5.0));
        check("0x_1F", Some(31), Some(31), Some(31.0));
        check("1_000", Some(1000), Some(1000), Some(1000.0));
        check("-7", Some(-7), None, Some(-7.0));
        check("+7", Some(7), None, Some(7.0));
        check("1e3", Some(1000), Some(1000), Some(1000.0));
        check("1.5", None, None, Some(1.5));
        check("0x1p-2", None, None, Some(0.25));
        check("0x1.8p1", Some(3), Some(3), Some(3.0));
        check(
            "18446744073709551615",
            None,
            Some(u64::MAX),
            Some(18_446_744_073_709_551_615.0),
        );
        check("1e19", None, Some(10_000_000_000_000_000_000), Some(1e19));
        check("'a'", Some(97), Some(97), Some(97.0));
        check("'\\n'", Some(10), Some(10), Some(10.0));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (text, want) in [
            ("08", "integer overflow: \"08\""),
            ("0x", "illegal number syntax: \"0x\""),
            ("1__0", "illegal number syntax: \"1__0\""),
            (
                "99999999999999999999",
                "integer overflow: \"99999999999999999999\"",
            ),
            ("1e999", "illegal number syntax: \"1e999\""),
            (".", "illegal number syntax: \".\""),
        ] {
            assert_eq!(parse_number(text.as_bytes(), Kind::Number).unwrap_err(), want);
        }
    }
}
