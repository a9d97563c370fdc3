//! Regular expressions with Go's syntax, matching rules and messages.

mod class;
mod translate;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::format;
use crate::unicode::decode_rune;
use crate::value::{CallError, Functions, List, STRING_SLICE, Str, Value};

use super::args::{INT, Outcome, STRING, boolean, fail, int, string, text};

/// Compiled patterns are kept up to this many: charts use a handful.
const MAX_CACHED: usize = 256;

type Compiled = Result<Rc<Regex>, String>;

/// The patterns of one set of functions.
#[derive(Clone, Default)]
struct Cache(Rc<RefCell<HashMap<Str, Compiled>>>);

impl Cache {
    fn get(&self, pattern: &[u8]) -> Compiled {
        if let Some(compiled) = self.0.borrow().get(pattern) {
            return compiled.clone();
        }
        let compiled = compile(pattern).map(Rc::new);
        let mut cache = self.0.borrow_mut();
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(pattern.into(), compiled.clone());
        compiled
    }
}

fn compile(pattern: &[u8]) -> Result<Regex, String> {
    let wrong = |problem: String| format!("error parsing regexp: {problem}");
    let pattern = std::str::from_utf8(pattern)
        .map_err(|_| wrong(format!("invalid UTF-8: `{}`", String::from_utf8_lossy(pattern))))?;
    let translated = translate::translate(pattern).map_err(wrong)?;
    RegexBuilder::new(&translated)
        .size_limit(64 << 20)
        .build()
        .map_err(|_| wrong(format!("expression not supported: `{pattern}`")))
}

/// A regular expression by Go's rules, for use outside of templates.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Go's text: `error parsing regexp: …`.
    pub fn new(pattern: &str) -> Result<Self, String> {
        compile(pattern.as_bytes()).map(Self)
    }

    /// Whether a text is a pattern, without making it ready for use, which takes long.
    ///
    /// # Errors
    /// As of [`Pattern::new`].
    pub fn check(pattern: &str) -> Result<(), String> {
        match translate::translate(pattern) {
            Ok(_) => Ok(()),
            Err(problem) => Err(format!("error parsing regexp: {problem}")),
        }
    }

    /// Whether it is found anywhere in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

/// Whether a bad pattern fails with the parser's text alone or with that of Go's `MustCompile`.
#[derive(Clone, Copy, PartialEq)]
enum Failure {
    Error,
    Panic,
}

type Body = fn(&Regex, &[Value]) -> Outcome;

pub(super) fn register(functions: &mut Functions) {
    let cache = Cache::default();
    let patterns = cache.clone();
    functions.add("regexMatch", &[STRING, STRING], move |_, args| {
        // Go: a bad pattern matches nothing.
        boolean(
            patterns
                .get(text(args, 0))
                .is_ok_and(|pattern| pattern.is_match(text(args, 1))),
        )
    });
    let patterns = cache.clone();
    functions.add("mustRegexMatch", &[STRING, STRING], move |_, args| {
        boolean(pattern(&patterns, args, Failure::Error)?.is_match(text(args, 1)))
    });
    let find: Body = |pattern, args| {
        string(
            pattern
                .find(text(args, 1))
                .map(|found| found.as_bytes())
                .unwrap_or_default(),
        )
    };
    let find_all: Body = |pattern, args| {
        let (whole, limit) = (text(args, 1), int(args, 2));
        let found: Vec<_> = matches(pattern, whole, limit)
            .iter()
            .map(|found| whole_match(found))
            .collect();
        if found.is_empty() {
            return Ok(Value::List(List::nil(&STRING_SLICE)));
        }
        Ok(Value::strings(found))
    };
    let replace: Body = |pattern, args| {
        string(replace_all(pattern, text(args, 1), |found, out| {
            expand(found, pattern, text(args, 2), out);
        }))
    };
    let replace_literal: Body = |pattern, args| {
        string(replace_all(pattern, text(args, 1), |_, out| {
            out.extend_from_slice(text(args, 2));
        }))
    };
    let split: Body = |pattern, args| split(pattern, text(args, 0), text(args, 1), int(args, 2));
    for (name, strict, params, body) in [
        ("regexFind", "mustRegexFind", &[STRING, STRING][..], find),
        (
            "regexFindAll",
            "mustRegexFindAll",
            &[STRING, STRING, INT],
            find_all,
        ),
        (
            "regexReplaceAll",
            "mustRegexReplaceAll",
            &[STRING, STRING, STRING],
            replace,
        ),
        (
            "regexReplaceAllLiteral",
            "mustRegexReplaceAllLiteral",
            &[STRING, STRING, STRING],
            replace_literal,
        ),
        ("regexSplit", "mustRegexSplit", &[STRING, STRING, INT], split),
    ] {
        for (name, failure) in [(name, Failure::Panic), (strict, Failure::Error)] {
            let patterns = cache.clone();
            functions.add(name, params, move |_, args| {
                body(&*pattern(&patterns, args, failure)?, args)
            });
        }
    }
    functions.add("regexQuoteMeta", &[STRING], |_, args| {
        let mut out = Vec::new();
        for byte in text(args, 0) {
            if br"\.+*?()|[]{}^$".contains(byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        string(out)
    });
}

fn pattern(cache: &Cache, args: &[Value], failure: Failure) -> Result<Rc<Regex>, CallError> {
    match cache.get(text(args, 0)) {
        Ok(pattern) => Ok(pattern),
        Err(error) if failure == Failure::Error => fail(error),
        Err(error) => {
            let pattern = text(args, 0);
            let plain = !pattern.iter().any(|byte| matches!(byte, b'`' | 0..0x20 | 0x7f));
            let quoted = match std::str::from_utf8(pattern) {
                Ok(pattern) if plain => format!("`{pattern}`"),
                _ => format::quote_str(pattern),
            };
            fail(format!("regexp: Compile({quoted}): {error}"))
        }
    }
}

/// Go: `FindAll`: up to `limit` matches (all if negative); an empty match right behind another is none, and
/// empty matches stand between characters, never inside one.
fn matches<'a>(pattern: &Regex, text: &'a [u8], limit: i64) -> Vec<Captures<'a>> {
    let mut found = Vec::new();
    let mut position = 0;
    let mut previous_end = None;
    while position <= text.len() && (limit < 0 || (found.len() as i64) < limit) {
        let Some(captures) = pattern.captures_at(text, position) else {
            break;
        };
        let Some(whole) = captures.get(0) else { break };
        let (start, end) = (whole.start(), whole.end());
        if start == end && text.get(start).is_some_and(|byte| *byte & 0xc0 == 0x80) {
            position = start + 1;
            continue;
        }
        let empty_behind_match = end == position && Some(start) == previous_end;
        position = if end == position {
            end + decode_rune(&text[end..]).1.max(1)
        } else {
            end
        };
        previous_end = Some(end);
        if !empty_behind_match {
            found.push(captures);
        }
    }
    found
}

fn whole_match<'a>(captures: &Captures<'a>) -> &'a [u8] {
    captures.get(0).map(|found| found.as_bytes()).unwrap_or_default()
}

fn replace_all(pattern: &Regex, text: &[u8], mut write: impl FnMut(&Captures<'_>, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut copied = 0;
    for captures in matches(pattern, text, -1) {
        let Some(whole) = captures.get(0) else { continue };
        out.extend_from_slice(&text[copied..whole.start()]);
        write(&captures, &mut out);
        copied = whole.end();
    }
    out.extend_from_slice(&text[copied..]);
    out
}

/// Go: `Expand`: `$name`, `${name}`, `$1`, `$$`. A name without braces is as long as possible, so `$1W` is
/// the group `1W`, which is nothing; a `$` that starts no name stays.
fn expand(captures: &Captures<'_>, pattern: &Regex, template: &[u8], out: &mut Vec<u8>) {
    let mut rest = template;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
            continue;
        }
        let (braced, body) = match rest.strip_prefix(b"{") {
            Some(body) => (true, body),
            None => (false, rest),
        };
        let length = body
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        let closed = !braced || body.get(length) == Some(&b'}');
        if length == 0 || !closed {
            out.push(b'$');
            continue;
        }
        let name = String::from_utf8_lossy(&body[..length]);
        rest = &body[length + usize::from(braced)..];
        let group = if name.bytes().all(|byte| byte.is_ascii_digit()) {
            name.parse().ok().and_then(|number: usize| captures.get(number))
        } else {
            pattern
                .capture_names()
                .flatten()
                .find(|known| *known == name)
                .and_then(|name| captures.name(name))
        };
        out.extend_from_slice(group.map(|group| group.as_bytes()).unwrap_or_default());
    }
    out.extend_from_slice(rest);
}

/// Go: `Split`.
fn split(pattern: &Regex, source: &[u8], text: &[u8], limit: i64) -> Outcome {
    if limit == 0 {
        return Ok(Value::List(List::nil(&STRING_SLICE)));
    }
    if !source.is_empty() && text.is_empty() {
        return Ok(Value::strings([""]));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for captures in matches(pattern, text, limit) {
        if limit > 0 && parts.len() as i64 == limit - 1 {
            break;
        }
        let Some(whole) = captures.get(0) else { continue };
        end = whole.start();
        if whole.end() != 0 {
            parts.push(&text[begin..end]);
        }
        begin = whole.end();
    }
    if end != text.len() {
        parts.push(&text[begin..]);
    }
    Ok(Value::strings(parts))
}
