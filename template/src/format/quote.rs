//! Go's string literals: `strconv.Quote`, `Unquote` and their kin.

use crate::unicode::{REPLACEMENT, append_rune, decode_rune, is_print};

/// Go: `strconv.Quote`.
pub fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    append_quoted(&mut out, text, false);
    out
}

/// Go: `%q` in messages; lossy where the quoted text is (it never is: bad bytes are escaped).
pub fn quote_str(text: &[u8]) -> String {
    String::from_utf8_lossy(&quote(text)).into_owned()
}

pub(super) fn append_quoted(out: &mut Vec<u8>, text: &[u8], ascii_only: bool) {
    out.push(b'"');
    let mut rest = text;
    while !rest.is_empty() {
        let (rune, width) = decode_rune(rest);
        if width == 1 && rune == REPLACEMENT {
            out.extend_from_slice(format!("\\x{:02x}", rest[0]).as_bytes());
        } else {
            append_escaped(out, rune, b'"', ascii_only);
        }
        rest = &rest[width..];
    }
    out.push(b'"');
}

/// Go: `strconv.QuoteRune`.
pub fn quote_rune(rune: u32) -> String {
    let mut out = Vec::new();
    append_quoted_rune(&mut out, rune, false);
    String::from_utf8(out).unwrap_or_default()
}

pub(super) fn append_quoted_rune(out: &mut Vec<u8>, rune: u32, ascii_only: bool) {
    let rune = if char::from_u32(rune).is_some() {
        rune
    } else {
        REPLACEMENT
    };
    out.push(b'\'');
    append_escaped(out, rune, b'\'', ascii_only);
    out.push(b'\'');
}

fn append_escaped(out: &mut Vec<u8>, rune: u32, quote: u8, ascii_only: bool) {
    if rune == u32::from(quote) || rune == u32::from(b'\\') {
        out.push(b'\\');
        append_rune(out, rune);
        return;
    }
    if is_print(rune) && (!ascii_only || rune < 0x80) {
        append_rune(out, rune);
        return;
    }
    let escape = match rune {
        0x07 => "\\a".to_owned(),
        0x08 => "\\b".to_owned(),
        0x0C => "\\f".to_owned(),
        0x0A => "\\n".to_owned(),
        0x0D => "\\r".to_owned(),
        0x09 => "\\t".to_owned(),
        0x0B => "\\v".to_owned(),
        0..0x20 | 0x7F => format!("\\x{rune:02x}"),
        0..0x10000 => format!("\\u{rune:04x}"),
        _ => format!("\\U{rune:08x}"),
    };
    out.extend_from_slice(escape.as_bytes());
}

/// Go: `strconv.CanBackquote`: whether the text can stand between backquotes unchanged.
pub(super) fn can_backquote(text: &[u8]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let (rune, width) = decode_rune(rest);
        rest = &rest[width..];
        if width > 1 {
            if rune == 0xFEFF {
                return false;
            }
            continue;
        }
        if rune == REPLACEMENT || (rune < 0x20 && rune != 0x09) || rune == 0x60 || rune == 0x7F {
            return false;
        }
    }
    true
}

/// Go: `strconv.Unquote` of a double-quoted or raw literal; `None` for a syntax error.
pub(crate) fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = literal.split_first()?;
    let (&last, inner) = rest.split_last()?;
    if last != quote {
        return None;
    }
    if quote == b'`' {
        return (!inner.contains(&b'`'))
            .then(|| inner.iter().copied().filter(|&byte| byte != b'\r').collect());
    }
    (quote == b'"').then(|| unquote_text(literal))?
}

/// As Go's `strconv.Unquote`, of a text in double or in single quotes; `None` for a syntax error.
#[must_use]
pub fn unquote_text(literal: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = literal.split_first()?;
    let (&last, inner) = rest.split_last()?;
    if last != quote || !matches!(quote, b'"' | b'\'') {
        return None;
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(&byte) = rest.first() {
        if byte == b'\n' || byte == quote {
            return None;
        }
        let (value, is_byte, width) = unquote_char(rest, quote)?;
        if is_byte {
            // A byte of at most 0xFF, by an escape or a bad byte of the source.
            out.push(u8::try_from(value).unwrap_or(b'?'));
        } else {
            append_rune(&mut out, value);
        }
        rest = &rest[width..];
    }
    Some(out)
}

/// Go: `strconv.UnquoteChar`: the value, whether it stands for one byte, and the width of its text.
pub(crate) fn unquote_char(text: &[u8], quote: u8) -> Option<(u32, bool, usize)> {
    let first = *text.first()?;
    if first == quote {
        return None;
    }
    if first >= 0x80 {
        let (rune, width) = decode_rune(text);
        return Some((rune, false, width));
    }
    if first != b'\\' {
        return Some((u32::from(first), true, 1));
    }
    let simple = |value: u8| Some((u32::from(value), true, 2));
    match *text.get(1)? {
        b'a' => simple(7),
        b'b' => simple(8),
        b'f' => simple(12),
        b'n' => simple(10),
        b'r' => simple(13),
        b't' => simple(9),
        b'v' => simple(11),
        b'\\' => simple(b'\\'),
        escaped @ (b'\'' | b'"') if escaped == quote => simple(escaped),
        b'x' => Some((number(text.get(2..4)?, 16)?, true, 4)),
        b'u' => Some((rune(text.get(2..6)?)?, false, 6)),
        b'U' => Some((rune(text.get(2..10)?)?, false, 10)),
        b'0'..=b'7' => {
            let value = number(text.get(1..4)?, 8)?;
            (value <= 0xFF).then_some((value, true, 4))
        }
        _ => None,
    }
}

fn rune(digits: &[u8]) -> Option<u32> {
    number(digits, 16).filter(|&value| char::from_u32(value).is_some())
}

fn number(digits: &[u8], base: u32) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, &digit| {
        Some(value.checked_mul(base)? + char::from(digit).to_digit(base)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_escapes_what_is_not_printable() {
        for (text, want) in [
            (&b"a\"b\\"[..], r#""a\"b\\""#),
            (b"\x07\n\t\x01\x7f", r#""\a\n\t\x01\x7f""#),
            (b"\xff\xe2\x82", r#""\xff\xe2\x82""#),
            ("é\u{a0}\u{2028}😀".as_bytes(), "\"é\\u00a0\\u2028😀\""),
            ("\u{e0001}".as_bytes(), "\"\\U000e0001\""),
        ] {
            assert_eq!(quote_str(text), want);
        }
    }

    #[test]
    fn unquoting_reads_gos_literals() {
        for (literal, want) in [
            (r#""a\tb""#, Some(&b"a\tb"[..])),
            (r#""\xff\101\u00e9""#, Some(b"\xffA\xc3\xa9")),
            ("`raw\\n\r`", Some(b"raw\\n")),
            (r#""\400""#, None),
            (r#""\ud800""#, None),
            (r#""\'""#, None),
            ("\"a\nb\"", None),
            ("\"", None),
        ] {
            assert_eq!(unquote(literal.as_bytes()).as_deref(), want, "{literal}");
        }
    }
}
