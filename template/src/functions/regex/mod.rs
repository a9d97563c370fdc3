//! Regular expressions with Go's syntax, matching rules and messages.

mod class;
mod translate;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::exec::{MAX_ITEMS, MAX_TEXT};
use crate::format;
use crate::unicode::{decode_rune, is_digit, is_letter};
use crate::value::{Call, CallError, Functions, List, STRING_SLICE, Str, Value};

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

type Body = fn(&mut Call<'_>, &Regex, &[Value]) -> Outcome;

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
    let find: Body = |_, pattern, args| {
        string(
            pattern
                .find(text(args, 1))
                .map(|found| found.as_bytes())
                .unwrap_or_default(),
        )
    };
    let find_all: Body = |call, pattern, args| {
        let (whole, limit) = (text(args, 1), int(args, 2));
        let found = matches(call, pattern, whole, limit)?;
        let found: Vec<_> = found.into_iter().map(|range| &whole[range]).collect();
        if found.is_empty() {
            return Ok(Value::List(List::nil(&STRING_SLICE)));
        }
        Ok(Value::strings(found))
    };
    let replace: Body = |call, pattern, args| {
        let (whole, template) = (text(args, 1), text(args, 2));
        if !template.contains(&b'$') {
            return replace_by(call, pattern, whole, template);
        }
        let find = |at| pattern.captures_at(whole, at);
        let range = |found: &Captures<'_>| found.get(0).map_or(0..0, |whole| whole.range());
        let mut counter = Counter::new(call, STEPS_OF_GROUPS);
        replace_all(&mut counter, whole, find, range, |found, out| {
            expand(found, pattern, template, out);
        })
    };
    let replace_literal: Body = |call, pattern, args| replace_by(call, pattern, text(args, 1), text(args, 2));
    let split: Body = |call, pattern, args| split(call, pattern, text(args, 0), text(args, 1), int(args, 2));
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
            functions.add(name, params, move |call, args| {
                body(call, &*pattern(&patterns, args, failure)?, args)
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
fn matches(
    call: &mut Call<'_>,
    pattern: &Regex,
    text: &[u8],
    limit: i64,
) -> Result<Vec<Range<usize>>, CallError> {
    let mut counter = Counter::new(call, STEPS_OF_A_MATCH);
    let find = |at| pattern.find_at(text, at).map(|found| found.range());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut ranges = Vec::new();
    for found in Matches::new(text, find, Range::clone).take(limit) {
        counter.next()?;
        if ranges.len() >= MAX_ITEMS {
            return fail(format!("list is longer than the limit of {MAX_ITEMS}"));
        }
        ranges.push(found);
    }
    Ok(ranges)
}

/// Steps of a match of which only the place is looked for, and of one with its groups.
const STEPS_OF_A_MATCH: u64 = 3;
const STEPS_OF_GROUPS: u64 = 12;

/// Counts matches, many at a time.
struct Counter<'c, 'r> {
    call: &'c mut Call<'r>,
    steps: u64,
    open: u64,
}

impl<'c, 'r> Counter<'c, 'r> {
    fn new(call: &'c mut Call<'r>, steps: u64) -> Self {
        Self { call, steps, open: 0 }
    }

    fn next(&mut self) -> Result<(), CallError> {
        self.open += self.steps;
        if self.open < 10_000 {
            return Ok(());
        }
        self.call.count(std::mem::take(&mut self.open))
    }
}

/// Matches one after the other, each with what `find` knows of it.
struct Matches<'a, F, W> {
    text: &'a [u8],
    position: usize,
    previous_end: Option<usize>,
    find: F,
    whole: W,
}

impl<'a, F, W> Matches<'a, F, W> {
    fn new(text: &'a [u8], find: F, whole: W) -> Self {
        Self {
            text,
            position: 0,
            previous_end: None,
            find,
            whole,
        }
    }
}

impl<T, F: FnMut(usize) -> Option<T>, W: Fn(&T) -> Range<usize>> Iterator for Matches<'_, F, W> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while self.position <= self.text.len() {
            let found = (self.find)(self.position)?;
            let Range { start, end } = (self.whole)(&found);
            if start == end && self.text.get(start).is_some_and(|byte| *byte & 0xc0 == 0x80) {
                self.position = start + 1;
                continue;
            }
            let empty_behind_match = end == self.position && Some(start) == self.previous_end;
            self.position = if end == self.position {
                end + decode_rune(&self.text[end..]).1.max(1)
            } else {
                end
            };
            self.previous_end = Some(end);
            if !empty_behind_match {
                return Some(found);
            }
        }
        None
    }
}

/// Replaces every match by what `write` makes of it. It stops where the text becomes longer than any may be.
fn replace_all<T>(
    counter: &mut Counter<'_, '_>,
    text: &[u8],
    find: impl FnMut(usize) -> Option<T>,
    whole: impl Fn(&T) -> Range<usize> + Copy,
    mut write: impl FnMut(&T, &mut Vec<u8>),
) -> Outcome {
    let mut out = Vec::with_capacity(text.len());
    let mut copied = 0;
    for found in Matches::new(text, find, whole) {
        counter.next()?;
        let range = whole(&found);
        out.extend_from_slice(&text[copied..range.start]);
        write(&found, &mut out);
        if out.len() > MAX_TEXT {
            return fail(format!(
                "text of {} is longer than the limit of {MAX_TEXT}",
                out.len()
            ));
        }
        copied = range.end;
    }
    out.extend_from_slice(&text[copied..]);
    string(out)
}

/// [`replace_all`] by a text that names no group: which group is where need not be found out.
fn replace_by(call: &mut Call<'_>, pattern: &Regex, text: &[u8], replacement: &[u8]) -> Outcome {
    let find = |at| pattern.find_at(text, at).map(|found| found.range());
    let mut counter = Counter::new(call, STEPS_OF_A_MATCH);
    replace_all(&mut counter, text, find, Range::clone, |_, out| {
        out.extend_from_slice(replacement);
    })
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
        let length = name_length(body);
        let closed = !braced || body.get(length) == Some(&b'}');
        if length == 0 || !closed {
            out.push(b'$');
            continue;
        }
        let name = String::from_utf8_lossy(&body[..length]);
        rest = &body[length + usize::from(braced)..];
        // Go: digits behind a zero are a name.
        let is_number =
            name.bytes().all(|byte| byte.is_ascii_digit()) && (name.len() == 1 || !name.starts_with('0'));
        let group = if is_number {
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

/// How long the name at the start is: letters, digits and `_`.
fn name_length(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        let (rune, width) = decode_rune(&text[at..]);
        if rune != u32::from('_') && !is_letter(rune) && !is_digit(rune) {
            break;
        }
        at += width;
    }
    at
}

/// Go: `Split`.
fn split(call: &mut Call<'_>, pattern: &Regex, source: &[u8], text: &[u8], limit: i64) -> Outcome {
    if limit == 0 {
        return Ok(Value::List(List::nil(&STRING_SLICE)));
    }
    if !source.is_empty() && text.is_empty() {
        return Ok(Value::strings([""]));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for whole in matches(call, pattern, text, limit)? {
        if limit > 0 && parts.len() as i64 == limit - 1 {
            break;
        }
        end = whole.start;
        if whole.end != 0 {
            parts.push(&text[begin..end]);
        }
        begin = whole.end;
    }
    if end != text.len() {
        parts.push(&text[begin..]);
    }
    Ok(Value::strings(parts))
}
