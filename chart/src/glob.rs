//! The patterns of `.Files.Glob`.
//!
//! `*` and `?` stay within one folder, `**` goes through folders, `[abc]`, `[!abc]` and `[a-z]` are one
//! character (one range only, as in Go's library), `{a,b}` is a choice, `\` takes the next character as
//! it is. A pattern that can't be read matches every file: Helm does so instead of failing.

use regex::Regex;

/// A compiled pattern.
pub(crate) struct Glob(Option<Regex>);

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        Self(translate(pattern).and_then(|text| Regex::new(&text).ok()))
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(path))
    }
}

/// The pattern as a regular expression; `None` where it can't be read.
fn translate(pattern: &str) -> Option<String> {
    let mut out = String::from("(?s)^(?:");
    let mut depth = 0;
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => out.push_str(".*"),
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => out.push_str(&class(&mut rest)?),
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            ',' if depth > 0 => out.push('|'),
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            '\\' => push_literal(&mut out, rest.next()?),
            c => push_literal(&mut out, c),
        }
    }
    out.push_str(")$");
    (depth == 0).then_some(out)
}

fn push_literal(out: &mut String, c: char) {
    out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

/// What stands between brackets: one range, or a list of characters.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut out = String::from("[");
    if rest.next_if_eq(&'!').is_some() {
        out.push('^');
    }
    let first = rest.next()?;
    if rest.peek() == Some(&'-') {
        rest.next();
        let last = rest.next()?;
        if rest.next() != Some(']') || first > last {
            return None;
        }
        out.push_str(&format!(
            "\\x{{{:x}}}-\\x{{{:x}}}]",
            u32::from(first),
            u32::from(last)
        ));
        return Some(out);
    }
    let mut next = Some(first);
    loop {
        let c = match next? {
            ']' => break,
            '\\' => rest.next()?,
            c => c,
        };
        out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
        next = rest.next();
    }
    out.push(']');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, want: bool) {
        assert_eq!(Glob::new(pattern).matches(path), want, "{pattern} against {path}");
    }

    #[test]
    fn patterns() {
        check("*.txt", "a.txt", true);
        check("*.txt", "d/a.txt", false);
        check("d/**", "d/e/a.txt", true);
        check("**.txt", "d/e/a.txt", true);
        check("**/a.txt", "a.txt", false);
        check("d/?.txt", "d/a.txt", true);
        check("d/[ab].txt", "d/b.txt", true);
        check("d/[!ab].txt", "d/b.txt", false);
        check("d/[a-c].txt", "d/b.txt", true);
        check("{a,b*}.{txt,md}", "bcd.md", true);
        check("{a,b*}.{txt,md}", "c.md", false);
        check("a,b", "a,b", true);
        check("a\\*b", "a*b", true);
        check("a\\*b", "axb", false);
        check("a.b", "axb", false);
    }

    #[test]
    fn what_cannot_be_read_matches_everything() {
        check("[a-cx].txt", "anything/at/all", true);
        check("[ab", "x", true);
        check("a{b", "x", true);
    }
}
