//! Globs in the dialect of Go's doublestar v4, with `/` as separator.
//!
//! `*` and `?` stay within a part of the path, `**` as a whole part takes any number of parts, `[…]` is a class,
//! `{a,b}` are alternatives (with separators too), a backslash takes the next character as it is. A pattern is read
//! once; matching is linear in the name's length for any pattern.

use super::PatternError;

/// Alternatives multiply; more of them than this is a mistake or an attack.
const MAX_ALTERNATIVES: usize = 1024;

/// A glob that was read without errors.
#[derive(Debug, Clone)]
pub struct Glob {
    alternatives: Vec<Alternative>,
}

#[derive(Debug, Clone)]
struct Alternative {
    tokens: Vec<Token>,
    /// What stands behind `**/`, where that is all: such globs are common, and looked for without tokens.
    anywhere: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    AnyChar,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Star,
    /// `**/` at the start of a part: nothing, or anything that ends in a separator.
    Parts,
    /// `**` as the last part: everything.
    Rest,
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// An unclosed or empty class, alternatives without their other brace, a backslash at the end, or too many alternatives.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let error = |reason| PatternError {
            pattern: pattern.into(),
            reason,
        };
        let mut alternatives = Vec::new();
        for expanded in expand(pattern).map_err(error)? {
            alternatives.push(Alternative::new(tokenize(&expanded).map_err(error)?));
        }
        Ok(Self { alternatives })
    }

    /// Whether the whole of `name` matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.alternatives
            .iter()
            .any(|alternative| alternative.matches(name))
    }

    /// Whether the whole of `path` matches, or a folder that it is in.
    #[must_use]
    pub fn matches_with_folders(&self, path: &str) -> bool {
        let matches = |alternative: &Alternative| alternative.matches_with_folders(path);
        self.alternatives.iter().any(matches)
    }

    /// Whether a name below the folder `dir` can match.
    #[must_use]
    pub fn may_match_below(&self, dir: &str) -> bool {
        let below = |Alternative { tokens, .. }: &Alternative| {
            follow(tokens, &format!("{dir}/"), |_| false).is_none_or(|States { at, within }| {
                at[..tokens.len()].contains(&true) || within.contains(&true)
            })
        };
        dir.is_empty() || self.alternatives.iter().any(below)
    }
}

impl Alternative {
    fn new(tokens: Vec<Token>) -> Self {
        let text = |tokens: &[Token]| {
            let literal = |token: &Token| match token {
                Token::Literal(char) => Some(*char),
                _ => None,
            };
            tokens.iter().map(literal).collect::<Option<String>>()
        };
        let anywhere = match tokens.split_first() {
            Some((Token::Parts, rest)) if !rest.is_empty() => text(rest),
            _ => None,
        };
        Self { tokens, anywhere }
    }

    fn matches(&self, name: &str) -> bool {
        match &self.anywhere {
            Some(text) => is_end(name, text),
            None => matches_tokens(&self.tokens, name),
        }
    }

    fn matches_with_folders(&self, path: &str) -> bool {
        match &self.anywhere {
            Some(text) => {
                let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
                is_end(path, text) || folders.any(|folder| is_end(folder, text))
            }
            None => follow(&self.tokens, path, |states| accepts(&self.tokens, states))
                .is_none_or(|end| accepts(&self.tokens, &end)),
        }
    }
}

/// Whether these are the last parts of the path.
fn is_end(path: &str, parts: &str) -> bool {
    let before = path.strip_suffix(parts);
    before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// The position behind a backslash's character, or behind a class; `at` is where it begins.
fn skip_unit(chars: &[char], at: usize) -> usize {
    match chars[at] {
        '\\' => at + 2,
        '[' => {
            let mut end = at + 1;
            while end < chars.len() && chars[end] != ']' {
                end += if chars[end] == '\\' { 2 } else { 1 };
            }
            end + 1
        }
        _ => at + 1,
    }
}

/// The pattern for each combination of its alternatives.
fn expand(pattern: &str) -> Result<Vec<String>, &'static str> {
    let mut done = Vec::new();
    let mut open: Vec<Vec<char>> = vec![pattern.chars().collect()];
    while let Some(chars) = open.pop() {
        let Some((start, separators, end)) = first_alternatives(&chars)? else {
            done.push(chars.into_iter().collect());
            continue;
        };
        let mut from = start + 1;
        for to in separators.into_iter().chain([end]) {
            let mut one = chars[..start].to_vec();
            one.extend_from_slice(&chars[from..to]);
            one.extend_from_slice(&chars[end + 1..]);
            open.push(one);
            from = to + 1;
        }
        if open.len() + done.len() > MAX_ALTERNATIVES {
            return Err("it has too many alternatives");
        }
    }
    Ok(done)
}

type Alternatives = (usize, Vec<usize>, usize);

/// Where the first `{…}` begins, its commas, and where it ends.
fn first_alternatives(chars: &[char]) -> Result<Option<Alternatives>, &'static str> {
    let mut start = 0;
    while start < chars.len() && chars[start] != '{' {
        if chars[start] == '}' {
            return Err("`}` has no `{`");
        }
        start = skip_unit(chars, start);
    }
    if start >= chars.len() {
        return Ok(None);
    }
    let (mut at, mut depth, mut separators) = (start + 1, 0, Vec::new());
    while at < chars.len() {
        match chars[at] {
            '{' => depth += 1,
            '}' if depth == 0 => return Ok(Some((start, separators, at))),
            '}' => depth -= 1,
            ',' if depth == 0 => separators.push(at),
            _ => {}
        }
        at = skip_unit(chars, at);
    }
    Err("`{` has no `}`")
}

fn tokenize(pattern: &str) -> Result<Vec<Token>, &'static str> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut part_starts) = (0, true);
    while at < chars.len() {
        let starts = std::mem::replace(&mut part_starts, false);
        let char = chars[at];
        at += 1;
        match char {
            '*' if chars.get(at) == Some(&'*') => {
                at += 1;
                match chars.get(at) {
                    None if starts => tokens.push(Token::Rest),
                    Some('/') if starts => {
                        at += 1;
                        part_starts = true;
                        tokens.push(Token::Parts);
                    }
                    _ => tokens.push(Token::Star),
                }
            }
            '*' => tokens.push(Token::Star),
            '?' => tokens.push(Token::AnyChar),
            '[' => tokens.push(class(&chars, &mut at)?),
            '\\' => {
                tokens.push(Token::Literal(
                    *chars.get(at).ok_or("a backslash stands at its end")?,
                ));
                at += 1;
            }
            literal => {
                part_starts = literal == '/';
                tokens.push(Token::Literal(literal));
            }
        }
    }
    Ok(tokens)
}

/// Reads a class; `at` stands behind its `[` and is moved behind its `]`.
fn class(chars: &[char], at: &mut usize) -> Result<Token, &'static str> {
    const OPEN: &str = "`[` has no `]`";
    let negated = matches!(chars.get(*at), Some('!' | '^'));
    *at += usize::from(negated);
    if chars.get(*at) == Some(&']') {
        return Err("`[]` is empty");
    }
    let mut ranges = Vec::new();
    // Go: a character counts by itself before a range begins with it, also where the range is empty.
    let mut low = None;
    loop {
        let char = *chars.get(*at).ok_or(OPEN)?;
        *at += 1;
        if char == ']' {
            return Ok(Token::Class { negated, ranges });
        }
        let starts_range = char == '-' && chars.get(*at).is_some_and(|next| *next != ']');
        if let (Some(low_end), true) = (low, starts_range) {
            let high = escaped(chars, at).ok_or(OPEN)?;
            ranges.push((low_end, high));
            low = None;
            continue;
        }
        let member = if char == '\\' {
            let member = *chars.get(*at).ok_or(OPEN)?;
            *at += 1;
            member
        } else {
            char
        };
        ranges.push((member, member));
        low = Some(member);
    }
}

fn escaped(chars: &[char], at: &mut usize) -> Option<char> {
    if chars.get(*at) == Some(&'\\') {
        *at += 1;
    }
    let char = *chars.get(*at)?;
    *at += 1;
    Some(char)
}

/// Where the ways through the tokens are behind some characters.
struct States {
    /// The next character meets this token.
    at: Vec<bool>,
    /// It may still belong to the star or parts here.
    within: Vec<bool>,
}

/// Follows every way through the tokens at once; nothing where whatever comes matches, or `is_enough` says so before a
/// separator.
fn follow(tokens: &[Token], name: &str, is_enough: impl Fn(&States) -> bool) -> Option<States> {
    let count = tokens.len();
    let empty = || States {
        at: vec![false; count + 1],
        within: vec![false; count],
    };
    let (mut now, mut next) = (empty(), empty());
    now.at[0] = true;
    // All ways stand between these two; none goes back.
    let (mut low, mut high) = (0, 0);
    for char in name.chars() {
        if char == '/' && is_enough(&now) {
            return None;
        }
        let mut i = low;
        while i <= high && i < count {
            match tokens[i] {
                Token::Rest if now.at[i] => return None,
                Token::Star => {
                    now.within[i] |= now.at[i];
                    now.at[i + 1] |= now.within[i];
                }
                Token::Parts if now.at[i] => {
                    now.within[i] = true;
                    now.at[i + 1] = true;
                }
                _ => {}
            }
            high = high.max(if now.at[i + 1] { i + 1 } else { i });
            i += 1;
        }
        let end = (high + 1).min(count);
        next.at[low..=end].fill(false);
        next.within[low..end].fill(false);
        for (i, token) in tokens.iter().enumerate().take(end).skip(low) {
            match token {
                Token::Star => next.within[i] = now.within[i] && char != '/',
                Token::Parts => {
                    next.within[i] = now.within[i];
                    next.at[i + 1] |= now.within[i] && char == '/';
                }
                Token::Rest => {}
                single => next.at[i + 1] |= now.at[i] && takes(single, char),
            }
        }
        // What is behind in the other two is out of every way's reach, and stays as it was made.
        now.at[low..=end].fill(false);
        now.within[low..end].fill(false);
        std::mem::swap(&mut now, &mut next);
        let is_alive = |i: &usize| now.at[*i] || *i < count && now.within[*i];
        match (low..=end).find(is_alive) {
            Some(first) => low = first,
            None => break,
        }
        high = (low..=end).rev().find(is_alive).unwrap_or(low);
    }
    Some(now)
}

fn matches_tokens(tokens: &[Token], name: &str) -> bool {
    follow(tokens, name, |_| false).is_none_or(|end| accepts(tokens, &end))
}

/// Whether a way is through with the tokens.
fn accepts(tokens: &[Token], States { at, within }: &States) -> bool {
    (0..=tokens.len()).any(|i| {
        let after_star = i > 0 && within[i - 1] && tokens[i - 1] == Token::Star;
        (at[i] || after_star) && takes_nothing(&tokens[i..])
    })
}

fn takes(token: &Token, char: char) -> bool {
    match token {
        Token::Literal(literal) => *literal == char,
        Token::AnyChar => char != '/',
        // Go: a class may take a separator.
        Token::Class { negated, ranges } => {
            ranges.iter().any(|(low, high)| (*low..=*high).contains(&char)) != *negated
        }
        Token::Star | Token::Parts | Token::Rest => false,
    }
}

// Go: only these rests match nothing; `*/**` behind a name, for one, does not.
fn takes_nothing(rest: &[Token]) -> bool {
    matches!(
        rest,
        [] | [Token::Star | Token::Rest | Token::Parts] | [Token::Literal('/'), Token::Rest | Token::Parts]
    )
}

#[cfg(test)]
#[path = "doublestar_tests.rs"]
mod tests;
