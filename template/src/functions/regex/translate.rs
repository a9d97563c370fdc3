//! Go's regular expression syntax (RE2) to that of the `regex` crate.
//!
//! The two differ in what `\d`, `\w`, `\s` and `\b` mean beyond ASCII, in what is literal (`{`, `[` in a
//! class, `&&`), in escapes (`\Q…\E`, octal, `\<`), and in what is refused. What Go refuses is refused here
//! with Go's text; everything else is written so that the crate cannot read it differently.

use std::fmt::Write as _;

/// Highest count in `{n,m}`.
const MAX_REPEAT: u32 = 1000;

/// The pattern in the crate's syntax; the error is Go's, without `error parsing regexp: `.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        whole: pattern,
        rest: pattern,
        out: String::new(),
        open: Vec::new(),
        repeats: 0,
        item: 0,
        names: Vec::new(),
    };
    translator.run()?;
    Ok(translator.out)
}

pub(super) struct Translator<'a> {
    whole: &'a str,
    pub(super) rest: &'a str,
    pub(super) out: String,
    /// How often the items of the groups around repeat, and of the innermost one.
    open: Vec<u32>,
    /// How often what was read last in this group is repeated within itself, at most.
    repeats: u32,
    /// The same of the item at hand.
    item: u32,
    /// Names of groups. Go lets several have the same name, and the first one counts.
    names: Vec<&'a str>,
}

/// What stands before the current place, as far as repetition operators care.
#[derive(Clone, Copy, PartialEq)]
enum Before<'a> {
    Nothing,
    Item,
    /// A repetition that began here.
    Repeat(&'a str),
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<(), String> {
        let mut before = Before::Nothing;
        while let Some(first) = self.rest.chars().next() {
            if !matches!(first, '*' | '+' | '?' | '{' | ')') {
                self.end_item();
            }
            before = match first {
                '(' => self.group(before)?,
                ')' => {
                    let Some(around) = self.open.pop() else {
                        return Err(format!("unexpected ): `{}`", self.whole));
                    };
                    self.end_item();
                    self.item = std::mem::replace(&mut self.repeats, around);
                    self.copy(1);
                    Before::Item
                }
                '|' => {
                    self.copy(1);
                    Before::Nothing
                }
                '*' | '+' | '?' => self.repeat(1, before)?,
                '{' => match repetition(self.rest) {
                    Some((length, least, most)) => {
                        let too_large = least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT);
                        if too_large || most.is_some_and(|most| most < least) {
                            return Err(format!("invalid repeat count: `{}`", &self.rest[..length]));
                        }
                        let operator = &self.rest[..length];
                        let after = self.repeat(length, before)?;
                        // Go: counts within counts multiply.
                        let most = most.unwrap_or(least);
                        self.item = self.item.max(1).saturating_mul(most);
                        if (least >= 2 || most >= 2) && self.item > MAX_REPEAT {
                            return Err(format!("invalid repeat count: `{operator}`"));
                        }
                        after
                    }
                    None => self.literal_here(),
                },
                '[' => {
                    self.class()?;
                    Before::Item
                }
                '\\' => self.escape()?,
                '.' | '^' | '$' => {
                    self.copy(1);
                    Before::Item
                }
                _ => self.literal_here(),
            };
        }
        if self.open.is_empty() {
            Ok(())
        } else {
            Err(format!("missing closing ): `{}`", self.whole))
        }
    }

    fn end_item(&mut self) {
        self.repeats = self.repeats.max(self.item);
        self.item = 0;
    }

    fn open_group(&mut self) {
        self.end_item();
        self.open.push(self.repeats);
        self.repeats = 0;
    }

    fn copy(&mut self, length: usize) {
        self.out.push_str(&self.rest[..length]);
        self.rest = &self.rest[length..];
    }

    fn literal_here(&mut self) -> Before<'a> {
        if let Some(character) = self.rest.chars().next() {
            self.rest = &self.rest[character.len_utf8()..];
            self.literal(character);
        }
        Before::Item
    }

    /// Writes a character so that it means itself, in and outside of classes.
    pub(super) fn literal(&mut self, character: char) {
        if character.is_ascii_alphanumeric() || !character.is_ascii() {
            self.out.push(character);
        } else {
            let _ = write!(self.out, "\\x{{{:x}}}", u32::from(character));
        }
    }

    fn repeat(&mut self, length: usize, before: Before<'a>) -> Result<Before<'a>, String> {
        let operator = self.rest;
        let lazy = operator[length..].starts_with('?');
        let whole = length + usize::from(lazy);
        match before {
            Before::Nothing => {
                return Err(format!(
                    "missing argument to repetition operator: `{}`",
                    &operator[..whole]
                ));
            }
            Before::Repeat(earlier) => {
                let both = earlier.len() - (operator.len() - whole);
                return Err(format!(
                    "invalid nested repetition operator: `{}`",
                    &earlier[..both]
                ));
            }
            Before::Item => {}
        }
        self.copy(whole);
        Ok(Before::Repeat(operator))
    }

    fn group(&mut self, before: Before<'a>) -> Result<Before<'a>, String> {
        let Some(flags) = self.rest.strip_prefix("(?") else {
            self.copy(1);
            self.open_group();
            return Ok(Before::Nothing);
        };
        let named = flags.strip_prefix("P<").filter(|name| !name.is_empty());
        if let Some(name) = named.or_else(|| flags.strip_prefix('<').filter(|name| !name.is_empty())) {
            return self.named_group(name);
        }
        let (mut negative, mut seen) = (false, false);
        for (at, flag) in flags.char_indices() {
            match flag {
                'i' | 'm' | 's' | 'U' => seen = true,
                '-' if !negative => (negative, seen) = (true, false),
                ':' | ')' if seen || !negative => {
                    let length = 2 + at + 1;
                    if flag == ':' {
                        self.open_group();
                        self.copy(length);
                        return Ok(Before::Nothing);
                    }
                    return self.flags(length, before);
                }
                _ => {
                    let bad = &flags[..at + flag.len_utf8()];
                    return Err(format!("invalid or unsupported Perl syntax: `(?{bad}`"));
                }
            }
        }
        Err(format!("invalid or unsupported Perl syntax: `(?{flags}`"))
    }

    /// Flags alone. Go: what follows them may repeat what stands before them.
    fn flags(&mut self, length: usize, before: Before<'a>) -> Result<Before<'a>, String> {
        let flags = &self.rest[..length];
        self.rest = &self.rest[length..];
        let item = if before == Before::Nothing {
            before
        } else {
            Before::Item
        };
        let repeats = before != Before::Nothing && self.rest.starts_with(['*', '+', '?']);
        let after = if repeats { self.repeat(1, item)? } else { item };
        // The crate has no flags that are none.
        if flags != "(?)" {
            self.out.push_str(flags);
        }
        Ok(after)
    }

    fn named_group(&mut self, name: &'a str) -> Result<Before<'a>, String> {
        let Some(end) = name.find('>') else {
            return Err(format!("invalid named capture: `{}`", self.rest));
        };
        let text = &name[..end];
        let fits = !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !fits {
            let prefix = self.rest.len() - name.len();
            return Err(format!(
                "invalid named capture: `{}`",
                &self.rest[..=prefix + end]
            ));
        }
        // The crate wants a letter or `_` first, as Go's names mostly have.
        if self.names.contains(&text) || text.starts_with(|first: char| first.is_ascii_digit()) {
            self.out.push('(');
        } else {
            self.names.push(text);
            let _ = write!(self.out, "(?P<{text}>");
        }
        self.rest = &name[end + 1..];
        self.open_group();
        Ok(Before::Nothing)
    }

    fn escape(&mut self) -> Result<Before<'a>, String> {
        let after = &self.rest[1..];
        match after.chars().next() {
            Some('Q') => {
                let body = &after[1..];
                let (quoted, rest) = body.split_once("\\E").unwrap_or((body, ""));
                self.rest = rest;
                for character in quoted.chars() {
                    self.literal(character);
                }
                return Ok(Before::Item);
            }
            Some('A' | 'z') => self.copy(2),
            Some(boundary @ ('b' | 'B')) => {
                let _ = write!(self.out, "(?-u:\\{boundary})");
                self.rest = &after[1..];
            }
            Some('d' | 'D' | 's' | 'S' | 'w' | 'W') => {
                self.out.push('[');
                self.perl_class();
                self.out.push(']');
            }
            Some('p' | 'P') => self.unicode_class()?,
            _ => {
                let character = self.escaped_character()?;
                self.literal(character);
            }
        }
        Ok(Before::Item)
    }

    /// An escape for one character: `\n`, `\x41`, `\x{1F600}`, `\141`, `\.`.
    pub(super) fn escaped_character(&mut self) -> Result<char, String> {
        let start = self.rest;
        let mut rest = start[1..].chars();
        let Some(first) = rest.next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        let after = rest.as_str();
        let (character, rest) = match first {
            '1'..='7' if !after.starts_with(|next| ('0'..='7').contains(&next)) => (None, after),
            '0'..='7' => {
                let more = after
                    .bytes()
                    .take(2)
                    .take_while(|byte| (b'0'..=b'7').contains(byte))
                    .count();
                let code = u32::from_str_radix(&start[1..2 + more], 8).unwrap_or_default();
                (char::from_u32(code), &after[more..])
            }
            'x' => match after.strip_prefix('{') {
                Some(body) => {
                    let digits = body.bytes().take_while(u8::is_ascii_hexdigit).count();
                    let character = u32::from_str_radix(&body[..digits], 16)
                        .ok()
                        .and_then(char::from_u32);
                    let stop = body[digits..].chars().next();
                    match (character, stop) {
                        (Some(character), Some('}')) => (Some(character), &body[digits + 1..]),
                        // Go's message about a number too large stops before the brace.
                        (None, Some('}')) if digits > 0 => (None, &body[digits..]),
                        _ => (None, &body[digits + stop.map_or(0, char::len_utf8)..]),
                    }
                }
                None => match after.get(..2) {
                    Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => (
                        u32::from_str_radix(digits, 16).ok().and_then(char::from_u32),
                        &after[2..],
                    ),
                    _ => {
                        let shown = after.char_indices().nth(2).map_or(after.len(), |(at, _)| at);
                        (None, &after[shown..])
                    }
                },
            },
            'a' => (Some('\u{7}'), after),
            'f' => (Some('\u{c}'), after),
            'n' => (Some('\n'), after),
            'r' => (Some('\r'), after),
            't' => (Some('\t'), after),
            'v' => (Some('\u{b}'), after),
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => (Some(other), after),
            _ => (None, after),
        };
        let Some(character) = character else {
            let length = start.len() - rest.len();
            return Err(format!("invalid escape sequence: `{}`", &start[..length]));
        };
        self.rest = rest;
        Ok(character)
    }
}

/// `{n}`, `{n,}` or `{n,m}` at the start: its length and bounds. Anything else is literal.
fn repetition(text: &str) -> Option<(usize, u32, Option<u32>)> {
    let end = text.find('}')?;
    let body = &text[1..end];
    let number = |digits: &str| {
        let fits = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'));
        // Counts beyond all limits are refused by the caller.
        fits.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (least, most) = match body.split_once(',') {
        None => {
            let count = number(body)?;
            (count, Some(count))
        }
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some((end + 1, least, most))
}
