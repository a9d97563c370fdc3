//! Shell patterns as Go's `filepath.Match` understands them on Unix.
//!
//! `*` and `?` never match `/`; `[a-z]` and `[^a-z]` are classes; `\` takes the next character as it
//! is. The whole name must match. There is no `**` and there are no braces.

/// Why a pattern can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(crate) struct BadPattern;

/// A pattern that is used more than once.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// A pattern without special characters.
    Text(String),
    /// `*` and a text.
    End(String),
    /// Any other.
    Any {
        /// What it begins with, up to the first special character.
        start: String,
        /// All of it.
        pattern: Vec<char>,
    },
}

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(pattern: &str) -> Result<Self, BadPattern> {
        let is_special = |c: char| matches!(c, '*' | '?' | '[' | '\\');
        if !pattern.contains(is_special) {
            return Ok(Self::Text(pattern.to_owned()));
        }
        match pattern.strip_prefix('*') {
            Some(end) if !end.contains(is_special) => Ok(Self::End(end.to_owned())),
            _ => {
                let other = Self::unchecked(pattern);
                if let Self::Any { pattern, .. } = &other {
                    check_syntax(pattern)?;
                }
                Ok(other)
            }
        }
    }

    /// A pattern that is known to be one, or else matches nothing.
    pub(crate) fn unchecked(pattern: &str) -> Self {
        let start = pattern.split(['*', '?', '[', '\\']).next();
        Self::Any {
            start: start.unwrap_or_default().to_owned(),
            pattern: pattern.chars().collect(),
        }
    }

    /// Whether `name` as a whole matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Text(text) => text == name,
            Self::End(end) => name
                .strip_suffix(end.as_str())
                .is_some_and(|start| !start.contains('/')),
            Self::Any { start, pattern } => {
                name.starts_with(start.as_str()) && match_here(pattern, &name.chars().collect::<Vec<_>>())
            }
        }
    }
}

/// Whether `name` as a whole matches `pattern`.
///
/// As in Go, a malformed pattern is an error even where the name has differed before.
pub(crate) fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    Ok(Pattern::parse(pattern)?.matches(name))
}

/// Fails for a class that doesn't end and for a `\` at the end.
fn check_syntax(pattern: &[char]) -> Result<(), BadPattern> {
    let mut i = 0;
    while i < pattern.len() {
        match pattern[i] {
            '\\' if i + 1 >= pattern.len() => return Err(BadPattern),
            '\\' => i += 2,
            '[' => i = class_end(pattern, i)?,
            _ => i += 1,
        }
    }
    Ok(())
}

/// The index behind the class that begins at `start`.
fn class_end(pattern: &[char], start: usize) -> Result<usize, BadPattern> {
    let mut i = start + 1;
    if pattern.get(i) == Some(&'^') {
        i += 1;
    }
    let mut ranges = 0;
    loop {
        if pattern.get(i) == Some(&']') && ranges > 0 {
            return Ok(i + 1);
        }
        i = class_char(pattern, i)?.1;
        if pattern.get(i) == Some(&'-') {
            i = class_char(pattern, i + 1)?.1;
        }
        ranges += 1;
    }
}

/// One character of a class and the index behind it.
fn class_char(pattern: &[char], at: usize) -> Result<(char, usize), BadPattern> {
    match pattern.get(at) {
        None | Some('-' | ']') => Err(BadPattern),
        Some('\\') => pattern.get(at + 1).map(|c| (*c, at + 2)).ok_or(BadPattern),
        Some(c) => Ok((*c, at + 1)),
    }
    .and_then(|(c, next)| {
        if next >= pattern.len() {
            Err(BadPattern)
        } else {
            Ok((c, next))
        }
    })
}

/// Goes back to the last `*` only: what stands between two of them is best matched as early as it can be, and none
/// of them passes a `/`.
fn match_here(mut pattern: &[char], mut name: &[char]) -> bool {
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix(&['*']) {
            retry = Some((rest, name));
            pattern = rest;
            continue;
        }
        if let Some(taken) = match_one(pattern, name) {
            pattern = &pattern[taken..];
            name = &name[1..];
            continue;
        }
        if pattern.is_empty() && name.is_empty() {
            return true;
        }
        match retry {
            Some((rest, [c, after @ ..])) if *c != '/' => {
                retry = Some((rest, after));
                (pattern, name) = (rest, after);
            }
            _ => return false,
        }
    }
}

/// How much of the pattern the name's first character takes, if it matches.
fn match_one(pattern: &[char], name: &[char]) -> Option<usize> {
    let (first, c) = (pattern.first()?, name.first()?);
    let (matched, taken) = match first {
        '?' => (*c != '/', 1),
        '[' => {
            let end = class_end(pattern, 0).ok()?;
            (in_class(&pattern[1..end - 1], *c), end)
        }
        '\\' => (pattern.get(1) == Some(c), 2),
        first => (first == c, 1),
    };
    matched.then_some(taken)
}

/// Whether `c` is in the class whose text between the brackets is `class`.
fn in_class(class: &[char], c: char) -> bool {
    let (negated, mut rest) = match class.first() {
        Some('^') => (true, &class[1..]),
        _ => (false, class),
    };
    let mut found = false;
    while !rest.is_empty() {
        let low = take_char(&mut rest);
        let high = if rest.first() == Some(&'-') {
            rest = &rest[1..];
            take_char(&mut rest)
        } else {
            low
        };
        found |= low <= c && c <= high;
    }
    found != negated
}

fn take_char(rest: &mut &[char]) -> char {
    let escaped = usize::from(rest.first() == Some(&'\\') && rest.len() > 1);
    let c = rest.get(escaped).copied().unwrap_or('\0');
    *rest = rest.get(escaped + 1..).unwrap_or(&[]);
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, want: Result<bool, BadPattern>) {
        assert_eq!(matches(pattern, name), want, "{pattern} against {name}");
    }

    #[test]
    fn patterns() {
        check("abc", "abc", Ok(true));
        check("*", "abc", Ok(true));
        check("*c", "abc", Ok(true));
        check("*c", "a/c", Ok(false));
        check("*b/c", "ab/c", Ok(true));
        check("*b/c", "b/b/c", Ok(false));
        check("a*", "ab/c", Ok(false));
        check("a*/b", "abc/b", Ok(true));
        check("a*/b", "a/c/b", Ok(false));
        check("a*b*c*d*e*/f", "axbxcxdxexxx/f", Ok(true));
        check("a*b?c*x", "abxbbxdbxebxczzx", Ok(true));
        check("ab[c]", "abc", Ok(true));
        check("ab[b-d]", "abc", Ok(true));
        check("ab[e-g]", "abc", Ok(false));
        check("ab[^c]", "abc", Ok(false));
        check("ab[^e-g]", "abc", Ok(true));
        check("a\\*b", "a*b", Ok(true));
        check("a\\*b", "ab", Ok(false));
        check("a?b", "a☺b", Ok(true));
        check("a[^a]b", "a☺b", Ok(true));
        check("[a-ζ]*", "α", Ok(true));
        check("a?b", "a/b", Ok(false));
        check("a*b", "a/b", Ok(false));
        check("[\\]a]", "]", Ok(true));
        check("[\\-x]", "-", Ok(true));
        check("[]a]", "]", Err(BadPattern));
        check("[-]", "-", Err(BadPattern));
        check("[x-]", "x", Err(BadPattern));
        check("[", "a", Err(BadPattern));
        check("[^bc", "a", Err(BadPattern));
        check("a[", "ab", Err(BadPattern));
        check("a\\", "a", Err(BadPattern));
        check("templates/.?*", "templates/.dot", Ok(true));
    }
}
