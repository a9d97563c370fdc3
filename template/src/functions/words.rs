//! Texts as words: their case, their initials, abbreviating and wrapping.

use std::sync::LazyLock;

use ::regex::Regex;

use crate::unicode::is_letter;
use crate::value::Functions;

use super::args::{INT, STRING, int, string, text, utf8};
use super::letters::{lower, to_title, upper};
use super::strings::{find, is_space};

static PUNCTUATION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\p{P}").expect("the pattern is constant"));

pub(super) fn register(functions: &mut Functions) {
    functions.add("untitle", &[STRING], |_, args| string(untitle(&utf8(args, 0))));
    functions.add("initials", &[STRING], |_, args| string(initials(text(args, 0))));
    functions.add("swapcase", &[STRING], |_, args| string(swap_case(&utf8(args, 0))));
    functions.add("snakecase", &[STRING], |_, args| {
        string(separated(&String::from_utf8_lossy(text(args, 0)), '_'))
    });
    functions.add("kebabcase", &[STRING], |_, args| {
        string(separated(&String::from_utf8_lossy(text(args, 0)), '-'))
    });
    functions.add("camelcase", &[STRING], |_, args| {
        string(pascal_case(&utf8(args, 0)))
    });
    functions.add("abbrev", &[INT, STRING], |_, args| {
        string(if int(args, 0) < 4 {
            text(args, 1).to_vec()
        } else {
            abbreviate(text(args, 1), 0, int(args, 0))
        })
    });
    functions.add("abbrevboth", &[INT, INT, STRING], |_, args| {
        let (left, right) = (int(args, 0), int(args, 1));
        string(if right < 4 || left > 0 && right < 7 {
            text(args, 2).to_vec()
        } else {
            abbreviate(text(args, 2), left, right)
        })
    });
    functions.add("wrap", &[INT, STRING], |_, args| {
        string(wrap(text(args, 1), int(args, 0), b"\n", false))
    });
    functions.add("wrapWith", &[INT, STRING, STRING], |_, args| {
        let separator = if text(args, 1).is_empty() {
            b"\n"
        } else {
            text(args, 1)
        };
        string(wrap(text(args, 2), int(args, 0), separator, true))
    });
}

/// The first letter of each word in lower case.
fn untitle(text: &str) -> String {
    let mut at_start = true;
    let change = |character: char| {
        let changed = if at_start && !is_space(character) {
            lower(character)
        } else {
            character
        };
        at_start = is_space(character);
        changed
    };
    text.chars().map(change).collect()
}

/// Go: every byte is taken for a character of its own.
fn initials(text: &[u8]) -> String {
    let mut after_space = true;
    let mut out = String::new();
    for character in text.iter().copied().map(char::from) {
        let space = is_space(character);
        if after_space && !space {
            out.push(character);
        }
        after_space = space;
    }
    out
}

fn swap_case(text: &str) -> String {
    let mut after_space = true;
    let change = |character: char| {
        if character.is_uppercase() || matches!(character, '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}') {
            after_space = false;
            lower(character)
        } else if character.is_lowercase() {
            let changed = if after_space {
                to_title(character)
            } else {
                upper(character)
            };
            after_space = false;
            changed
        } else {
            after_space = is_space(character);
            character
        }
    };
    text.chars().map(change).collect()
}

/// `text[offset..]` cut to `width` bytes with `...` where something was left out.
fn abbreviate(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = text.len() as i64;
    let part = |from: i64, to: i64| {
        let place = |at: i64| usize::try_from(at).unwrap_or(0).min(text.len());
        text.get(place(from)..place(to)).unwrap_or_default()
    };
    if text.is_empty() || width < 4 {
        return Vec::new();
    }
    if length <= width {
        return text.to_vec();
    }
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [part(0, width - 3), b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < length {
        return [b"...", &abbreviate(part(offset, length), 0, width - 3)[..]].concat();
    }
    [b"...", part(length - (width - 3), length)].concat()
}

/// Breaks lines at spaces after at most `width` bytes; longer words stay whole unless `break_words`.
fn wrap(text: &[u8], width: i64, separator: &[u8], break_words: bool) -> Vec<u8> {
    let width = usize::try_from(width).unwrap_or(0).max(1);
    let mut out = Vec::new();
    let mut rest = text;
    while rest.len() > width {
        if let Some(after) = rest.strip_prefix(b" ") {
            rest = after;
            continue;
        }
        let line = match rest[..=width].iter().rposition(|byte| *byte == b' ') {
            Some(space) => space,
            None if break_words => {
                out.extend_from_slice(&rest[..width]);
                out.extend_from_slice(separator);
                rest = &rest[width..];
                continue;
            }
            None => match find(&rest[width..], b" ") {
                Some(space) => width + space,
                None => break,
            },
        };
        out.extend_from_slice(&rest[..line]);
        out.extend_from_slice(separator);
        rest = &rest[line + 1..];
    }
    out.extend_from_slice(rest);
    out
}

/// xstrings' `ToPascalCase`.
fn pascal_case(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    let mut current = None;
    let mut was_upper = false;
    for character in characters.by_ref() {
        if !is_connector(character) {
            was_upper = character.is_uppercase();
            current = Some(upper(character));
            break;
        }
        out.push(character);
    }
    let Some(mut current) = current else {
        // Go writes the last connector of a text of connectors twice.
        out.extend(text.chars().next_back());
        return out;
    };
    if characters.as_str().is_empty() {
        out.push(current);
        return out;
    }
    for character in characters {
        let previous = std::mem::replace(&mut current, character);
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            was_upper = current.is_uppercase();
            current = upper(current);
        } else {
            if was_upper {
                if current.is_uppercase() {
                    current = lower(current);
                } else {
                    was_upper = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq)]
enum Word {
    Nothing,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

/// xstrings' `ToSnakeCase` and `ToKebabCase`: words in lower case, joined by `connector`; a number sticks to
/// the letters that follow it.
fn separated(text: &str, connector: char) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.is_empty() {
        return String::new();
    }
    let mut words = Words {
        rest: &characters,
        out: String::new(),
        connector,
    };
    let mut current = words.next();
    while !words.rest.is_empty() {
        if current.0 != Word::Connector {
            words.write(current);
        }
        let previous = current;
        current = words.next();
        match previous.0 {
            Word::Number => current = words.write_run(current),
            Word::Connector => words.write(previous),
            Word::Punctuation => {}
            _ if current.0 != Word::Number => words.connect(current.0),
            _ if words.rest.is_empty() => {}
            _ => {
                let number = current;
                current = words.next();
                if current.0 == Word::Letters {
                    words.out.push(connector);
                    words.write(number);
                    current = words.write_run(current);
                } else {
                    words.write(number);
                    words.connect(current.0);
                }
            }
        }
    }
    words.write(current);
    words.out
}

struct Words<'a> {
    rest: &'a [char],
    out: String,
    connector: char,
}

impl<'a> Words<'a> {
    /// Writes letters and numbers as long as they follow each other; gives what comes next.
    fn write_run(&mut self, mut current: (Word, &'a [char])) -> (Word, &'a [char]) {
        while matches!(current.0, Word::Letters | Word::Number) {
            self.write(current);
            current = self.next();
        }
        if current.0 != Word::Nothing {
            self.connect(current.0);
        }
        current
    }

    fn connect(&mut self, next: Word) {
        if !matches!(next, Word::Connector | Word::Punctuation) {
            self.out.push(self.connector);
        }
    }

    fn write(&mut self, (kind, characters): (Word, &[char])) {
        let plain = !matches!(kind, Word::Upper | Word::Connector);
        self.out
            .extend(characters.iter().map(|&character| match character {
                _ if plain => character,
                _ if is_connector(character) => self.connector,
                _ => lower(character),
            }));
    }

    fn next(&mut self) -> (Word, &'a [char]) {
        let (kind, length) = word(self.rest);
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        (kind, taken)
    }
}

/// The kind and length of the word at the start.
fn word(characters: &[char]) -> (Word, usize) {
    let Some(&first) = characters.first() else {
        return (Word::Nothing, 0);
    };
    let run = |fits: &dyn Fn(char) -> bool| {
        1 + characters[1..]
            .iter()
            .take_while(|&&character| fits(character))
            .count()
    };
    let is_small = |character: char| is_alphabet(character) && !character.is_uppercase();
    if is_connector(first) {
        (Word::Connector, run(&is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(&is_punctuation))
    } else if first.is_uppercase() {
        let length = match characters.get(1) {
            Some(second) if second.is_uppercase() => {
                let length = run(&char::is_uppercase);
                // The last of several capitals begins the next word.
                let starts_word = characters.get(length).is_some_and(|next| is_alphabet(*next));
                length - usize::from(starts_word)
            }
            Some(second) if is_alphabet(*second) => run(&is_small),
            _ => 1,
        };
        (Word::Upper, length)
    } else if is_alphabet(first) {
        (Word::Letters, run(&is_small))
    } else if first.is_numeric() {
        (Word::Number, run(&char::is_numeric))
    } else {
        let is_other = |character: char| {
            !(is_connector(character)
                || is_alphabet(character)
                || character.is_numeric()
                || is_punctuation(character))
        };
        (Word::Other, run(&is_other))
    }
}

fn is_connector(character: char) -> bool {
    matches!(character, '-' | '_') || is_space(character)
}

/// A letter of an alphabet: Chinese, Japanese and Korean characters are words of their own.
fn is_alphabet(character: char) -> bool {
    is_letter(u32::from(character))
        && !matches!(character, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2fa1f}')
}

fn is_punctuation(character: char) -> bool {
    PUNCTUATION.is_match(character.encode_utf8(&mut [0; 4]))
}
