//! Texts: cutting, joining, quoting, indenting.
//!
//! Lengths and positions are bytes, as in Go, so a cut may leave invalid UTF-8.

use crate::exec::MAX_TEXT;
use crate::format;
use crate::unicode::is_letter;
use crate::value::{Call, CallError, Functions, Map, STRING_MAP, Str, Value};

use super::args::{ANY, INT, Outcome, STRING, boolean, fail, int, rest, string, text, utf8};
use super::cast::{printed, strval};
use super::letters::{to_lower, to_title, to_upper};

pub(super) fn register(functions: &mut Functions) {
    register_trims(functions);
    register_tests(functions);
    register_quotes(functions);
    register_splits(functions);
    functions.add("upper", &[STRING], |_, args| string(to_upper(&utf8(args, 0))));
    functions.add("lower", &[STRING], |_, args| string(to_lower(&utf8(args, 0))));
    functions.add("title", &[STRING], |_, args| string(title(&utf8(args, 0))));
    functions.add("replace", &[STRING, STRING, STRING], |call, args| {
        string(replace(call, text(args, 2), text(args, 0), text(args, 1))?)
    });
    functions.add("repeat", &[INT, STRING], |_, args| {
        string(repeat(text(args, 1), int(args, 0))?)
    });
    functions.add("indent", &[INT, STRING], |_, args| {
        string(indent(int(args, 0), text(args, 1), false)?)
    });
    functions.add("nindent", &[INT, STRING], |_, args| {
        string(indent(int(args, 0), text(args, 1), true)?)
    });
    functions.add("trunc", &[INT, STRING], |_, args| {
        string(trunc(int(args, 0), text(args, 1)))
    });
    functions.add("substr", &[INT, INT, STRING], |_, args| {
        substr(int(args, 0), int(args, 1), text(args, 2))
    });
    functions.add("toString", &[ANY], |_, args| Ok(Value::Str(strval(&args[0]))));
    functions.add("plural", &[STRING, STRING, INT], |_, args| {
        Ok(args[usize::from(int(args, 2) != 1)].clone())
    });
    functions.add("hello", &[], |_, _| string("Hello!"));
}

fn register_trims(functions: &mut Functions) {
    functions.add("trim", &[STRING], |_, args| string(trim_space(text(args, 0))));
    for name in ["trimAll", "trimall"] {
        functions.add(name, &[STRING, STRING], |_, args| {
            let (cut, whole) = (utf8(args, 0).into_owned(), utf8(args, 1).into_owned());
            if !whole.chars().next().is_some_and(|first| cut.contains(first))
                && !whole.chars().next_back().is_some_and(|last| cut.contains(last))
            {
                return string(text(args, 1));
            }
            string(whole.trim_matches(|character| cut.contains(character)))
        });
    }
    functions.add("trimSuffix", &[STRING, STRING], |_, args| {
        let whole = text(args, 1);
        string(whole.strip_suffix(text(args, 0)).unwrap_or(whole))
    });
    functions.add("trimPrefix", &[STRING, STRING], |_, args| {
        let whole = text(args, 1);
        string(whole.strip_prefix(text(args, 0)).unwrap_or(whole))
    });
    functions.add("nospace", &[STRING], |_, args| {
        // Go: every byte is taken for a character of its own, unless there is no space at all.
        let characters = text(args, 0).iter().copied().map(char::from);
        if !characters.clone().any(is_space) {
            return Ok(args[0].clone());
        }
        string(
            characters
                .filter(|character| !is_space(*character))
                .collect::<String>(),
        )
    });
}

fn register_tests(functions: &mut Functions) {
    functions.add("contains", &[STRING, STRING], |_, args| {
        boolean(find(text(args, 1), text(args, 0)).is_some())
    });
    functions.add("hasPrefix", &[STRING, STRING], |_, args| {
        boolean(text(args, 1).starts_with(text(args, 0)))
    });
    functions.add("hasSuffix", &[STRING, STRING], |_, args| {
        boolean(text(args, 1).ends_with(text(args, 0)))
    });
}

fn register_quotes(functions: &mut Functions) {
    functions.add_variadic("quote", &[], ANY, |_, args| {
        let quoted = given(args).map(|value| format::quote(&strval(value)));
        string(quoted.collect::<Vec<_>>().join(&b' '))
    });
    functions.add_variadic("squote", &[], ANY, |_, args| {
        let quoted = given(args).map(|value| [b"'", &printed(value)[..], b"'"].concat());
        string(quoted.collect::<Vec<_>>().join(&b' '))
    });
    functions.add_variadic("cat", &[], ANY, |_, args| {
        let printed: Vec<Str> = given(args).map(printed).collect();
        string(printed.join(&b' '))
    });
}

fn given(args: &[Value]) -> impl Iterator<Item = &Value> {
    rest(args, 0).iter().filter(|value| !value.is_nil())
}

fn register_splits(functions: &mut Functions) {
    functions.add("splitList", &[STRING, STRING], |call, args| {
        let parts = split(text(args, 1), text(args, 0), None);
        call.count(parts.len() as u64 * STEPS_OF_A_PART)?;
        Ok(Value::strings(parts))
    });
    functions.add("split", &[STRING, STRING], |call, args| {
        numbered(call, &split(text(args, 1), text(args, 0), None))
    });
    functions.add("splitn", &[STRING, INT, STRING], |call, args| {
        let parts = match usize::try_from(int(args, 1)) {
            Ok(0) => Vec::new(),
            limit => split(text(args, 2), text(args, 0), limit.ok()),
        };
        numbered(call, &parts)
    });
}

/// What a part counts that becomes a text of its own.
const STEPS_OF_A_PART: u64 = 6;

/// What an entry of a map that a call makes counts: it takes some 200 bytes.
const STEPS_OF_AN_ENTRY: u64 = 24;

/// `_0`, `_1` and so on, as a `map[string]string`.
fn numbered(call: &mut Call<'_>, parts: &[&[u8]]) -> Outcome {
    call.count(parts.len() as u64 * STEPS_OF_AN_ENTRY)?;
    let entries = parts
        .iter()
        .enumerate()
        .map(|(at, part)| (Str::from(format!("_{at}")), Value::string(*part)));
    Ok(Value::Map(Map::typed(&STRING_MAP, entries.collect())))
}

/// Go: `strings.SplitN`: an empty separator splits between characters.
fn split<'a>(whole: &'a [u8], separator: &[u8], limit: Option<usize>) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = whole;
    while limit.is_none_or(|limit| parts.len() + 1 < limit) {
        if separator.is_empty() {
            let width = rune_width(rest);
            if width >= rest.len() {
                break;
            }
            parts.push(&rest[..width]);
            rest = &rest[width..];
        } else {
            let Some(at) = find(rest, separator) else { break };
            parts.push(&rest[..at]);
            rest = &rest[at + separator.len()..];
        }
    }
    if !(separator.is_empty() && whole.is_empty()) {
        parts.push(rest);
    }
    parts
}

fn rune_width(bytes: &[u8]) -> usize {
    crate::unicode::decode_rune(bytes).1
}

/// The first place of `needle`.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    memchr::memmem::find(haystack, needle)
}

/// What a place counts where a text is cut or replaced.
const STEPS_OF_A_PLACE: u64 = 2;

/// Go: `strings.ReplaceAll`: an empty `old` matches between characters.
fn replace(call: &mut Call<'_>, whole: &[u8], old: &[u8], new: &[u8]) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(whole.len());
    let mut rest = whole;
    if old.is_empty() {
        call.count(whole.len() as u64)?;
        while !rest.is_empty() {
            let width = rune_width(rest);
            fits(out.len() + new.len())?;
            out.extend_from_slice(new);
            out.extend_from_slice(&rest[..width]);
            rest = &rest[width..];
        }
        out.extend_from_slice(new);
        return Ok(out);
    }
    let (mut copied, mut replaced) = (0, 0_u64);
    for at in memchr::memmem::find_iter(whole, old) {
        replaced += 1;
        if replaced % 4_096 == 0 {
            call.count(4_096 * STEPS_OF_A_PLACE)?;
        }
        fits(out.len() + at - copied + new.len())?;
        out.extend_from_slice(&whole[copied..at]);
        out.extend_from_slice(new);
        copied = at + old.len();
    }
    out.extend_from_slice(&whole[copied..]);
    Ok(out)
}

/// Texts have a limit; it is looked at before a text is made that could be much longer than what it is made of.
fn fits(length: usize) -> Result<(), CallError> {
    if length <= MAX_TEXT {
        return Ok(());
    }
    fail(format!("text of {length} is longer than the limit of {MAX_TEXT}"))
}

fn repeat(text: &[u8], count: i64) -> Result<Vec<u8>, CallError> {
    let Ok(count) = usize::try_from(count) else {
        return fail("strings: negative Repeat count");
    };
    match text.len().checked_mul(count) {
        Some(length) if length <= MAX_TEXT => Ok(text.repeat(count)),
        _ => fail("strings: Repeat output length overflow"),
    }
}

/// Every line gets the indentation, empty ones too.
fn indent(spaces: i64, text: &[u8], on_new_line: bool) -> Result<Vec<u8>, CallError> {
    let pad = repeat(b" ", spaces)?;
    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    let length = lines.saturating_mul(pad.len()).saturating_add(text.len() + 1);
    fits(length)?;
    let mut out = Vec::with_capacity(length);
    if on_new_line {
        out.push(b'\n');
    }
    out.extend_from_slice(&pad);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(line);
        if line.ends_with(b"\n") {
            out.extend_from_slice(&pad);
        }
    }
    Ok(out)
}

fn trunc(count: i64, text: &[u8]) -> &[u8] {
    let length = text.len() as i64;
    if count < 0 && length.saturating_add(count) > 0 {
        &text[usize::try_from(length + count).unwrap_or_default()..]
    } else if count >= 0 && length > count {
        &text[..usize::try_from(count).unwrap_or_default()]
    } else {
        text
    }
}

fn substr(start: i64, end: i64, text: &[u8]) -> Outcome {
    let length = text.len() as i64;
    let at = |place: i64| usize::try_from(place).unwrap_or_default();
    let bounds = |range: String| fail(format!("runtime error: slice bounds out of range {range}"));
    if start < 0 {
        return match end {
            end if end < 0 => bounds(format!("[:{end}]")),
            end if end > length => bounds(format!("[:{end}] with length {length}")),
            end => string(&text[..at(end)]),
        };
    }
    let end = if end < 0 || end > length { length } else { end };
    if start > end {
        return bounds(format!("[{start}:{end}]"));
    }
    string(&text[at(start)..at(end)])
}

/// Go: `strings.TrimSpace`.
fn trim_space(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim_matches(is_space).as_bytes(),
        Err(_) => text.trim_ascii(),
    }
}

/// Go: `unicode.IsSpace`, which is Unicode's White_Space.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace()
}

/// Go: `strings.Title`: a letter after a separator becomes title case.
fn title(text: &str) -> String {
    let mut previous = ' ';
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        out.push(if is_separator(previous) {
            to_title(character)
        } else {
            character
        });
        previous = character;
    }
    out
}

fn is_separator(character: char) -> bool {
    if character.is_ascii() {
        return !(character.is_ascii_alphanumeric() || character == '_');
    }
    let rune = u32::from(character);
    !is_letter(rune) && !crate::unicode::is_digit(rune) && is_space(character)
}
