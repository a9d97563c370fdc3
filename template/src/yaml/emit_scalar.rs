//! How a text is written as a YAML scalar: which style, and each style's layout.

use std::borrow::Cow;

use super::emit::Emitter;
use super::resolve::{Resolved, implicit, is_timestamp};

/// Columns after which a line is folded at the next single space.
const BEST_WIDTH: usize = 80;

/// What the characters of a text allow.
#[derive(Clone, Copy)]
pub(super) struct Analysis {
    /// Whether it holds a line break.
    pub(super) multiline: bool,
    plain: bool,
    single_quoted: bool,
    block: bool,
}

/// The styles that are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

impl Analysis {
    pub(super) fn of(text: &str, tabs_in_blocks: bool) -> Self {
        if text.is_empty() {
            return Self {
                multiline: false,
                plain: true,
                single_quoted: true,
                block: false,
            };
        }
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut breaks, mut special, mut tabs) = (false, false, false);
        let (mut break_space, mut space_break) = (false, false);
        let (mut after_space, mut after_break, mut after_white) = (false, false, true);
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let before_white = characters
                .peek()
                .is_none_or(|&(_, next)| next == ' ' || next == '\t');
            indicators |= match character {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
                | '`'
                    if at == 0 =>
                {
                    true
                }
                '?' | '-' => at == 0 && before_white,
                ':' => before_white,
                '#' => after_white,
                _ => false,
            };
            if tabs_in_blocks && character == '\t' {
                tabs = true;
            } else {
                special |= !is_printable(character);
            }
            if character == ' ' {
                break_space |= after_break;
                (after_space, after_break) = (true, false);
            } else if is_break(character) {
                breaks = true;
                space_break |= after_space;
                (after_space, after_break) = (false, true);
            } else {
                (after_space, after_break) = (false, false);
            }
            after_white = matches!(character, ' ' | '\t' | '\0') || is_break(character);
        }
        let leads = text.starts_with(|first| first == ' ' || is_break(first));
        let trails = text.ends_with(|last| last == ' ' || is_break(last));
        let refused = space_break || special || tabs;
        Self {
            multiline: breaks,
            plain: !(leads || trails || break_space || refused || breaks || indicators),
            single_quoted: !(break_space || refused),
            block: !(text.ends_with(' ') || space_break || special),
        }
    }
}

impl Style {
    /// The style for a text in block context.
    pub(super) fn choose(text: &str, analysis: Analysis, simple_key: bool) -> Self {
        let wanted = if text.contains('\n') {
            Self::Literal
        } else if reads_as_text(text) {
            Self::Plain
        } else {
            Self::DoubleQuoted
        };
        match wanted {
            Self::Literal if analysis.block && !simple_key => Self::Literal,
            Self::Plain if analysis.plain => Self::Plain,
            Self::Plain if analysis.single_quoted => Self::SingleQuoted,
            _ => Self::DoubleQuoted,
        }
    }
}

/// Whether a plain scalar with this text would be read as a text again.
fn reads_as_text(text: &str) -> bool {
    matches!(implicit(text), Resolved::Text(_)) && !is_timestamp(text) && !is_base_60(text)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: a number to other YAML 1.1 readers.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Some((first, rest)) = unsigned.split_once(':') else {
        return false;
    };
    let digits_or_underscores = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let (rest, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    first.starts_with(|first: char| first.is_ascii_digit())
        && digits_or_underscores(first)
        && digits_or_underscores(fraction)
        && rest
            .split(':')
            .all(|part| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
}

/// Go re-reads its own JSON, where a raw U+0085 inside quotes is a line break and is folded; `None` if what
/// follows it looks like the end of a document.
pub(super) fn fold_next_lines(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('\u{85}') {
        return Some(Cow::Borrowed(text));
    }
    // Tabs are escaped in JSON, so only spaces are blanks around the breaks.
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{85}') {
        folded.push_str(rest[..at].trim_end_matches(' '));
        let tail = rest[at..].trim_start_matches(['\u{85}', ' ']);
        let gap = &rest[at..rest.len() - tail.len()];
        match gap.matches('\u{85}').count() {
            1 => folded.push(' '),
            breaks => folded.push_str(&"\n".repeat(breaks - 1)),
        }
        let after_marker = tail.strip_prefix("---").or_else(|| tail.strip_prefix("..."));
        if gap.ends_with('\u{85}') && after_marker.is_some_and(|rest| rest.starts_with([' ', '\u{85}'])) {
            return None;
        }
        rest = tail;
    }
    folded.push_str(rest);
    Some(Cow::Owned(folded))
}

impl Emitter {
    pub(super) fn write_plain(&mut self, text: &str, may_fold: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        let mut after_space = false;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let foldable = character == ' '
                && may_fold
                && !after_space
                && self.column > BEST_WIDTH
                && characters.peek() != Some(&' ');
            if foldable {
                self.write_indent();
            } else {
                self.put(character);
                self.indention &= character == ' ';
            }
            after_space = character == ' ';
        }
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn write_single_quoted(&mut self, text: &str, may_fold: bool) {
        self.indicator("'", true, false, false);
        let (mut after_space, mut after_break) = (false, false);
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if character == ' ' {
                let inside = at > 0 && at + 1 < text.len();
                let next_is_space = characters.peek().is_some_and(|&(_, next)| next == ' ');
                if may_fold && !after_space && self.column > BEST_WIDTH && inside && !next_is_space {
                    self.write_indent();
                } else {
                    self.put(' ');
                }
                after_space = true;
            } else if is_break(character) {
                if !after_break && character == '\n' {
                    self.break_line();
                }
                self.write_break(character);
                self.indention = true;
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                if character == '\'' {
                    self.put('\'');
                }
                self.put(character);
                self.indention = false;
                (after_space, after_break) = (false, false);
            }
        }
        self.indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn write_double_quoted(&mut self, text: &str, may_fold: bool) {
        self.indicator("\"", true, false, false);
        // Go tests the beginning of the text, not the character at hand, for a byte order mark.
        let escape_all = text.starts_with('\u{feff}');
        let mut after_space = false;
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if escape_all
                || !is_printable(character)
                || is_break(character)
                || matches!(character, '"' | '\\')
            {
                self.write_escape(character);
                after_space = false;
            } else if character == ' ' {
                let inside = at > 0 && at + 1 < text.len();
                if may_fold && !after_space && self.column > BEST_WIDTH && inside {
                    self.write_indent();
                    if characters.peek().is_some_and(|&(_, next)| next == ' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                after_space = true;
            } else {
                self.put(character);
                after_space = false;
            }
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn write_escape(&mut self, character: char) {
        let simple = match character {
            '\0' => "0",
            '\u{7}' => "a",
            '\u{8}' => "b",
            '\t' => "t",
            '\n' => "n",
            '\u{b}' => "v",
            '\u{c}' => "f",
            '\r' => "r",
            '\u{1b}' => "e",
            '"' => "\"",
            '\\' => "\\",
            '\u{85}' => "N",
            '\u{a0}' => "_",
            '\u{2028}' => "L",
            '\u{2029}' => "P",
            _ => "",
        };
        self.put('\\');
        let code = u32::from(character);
        let escape = match code {
            _ if !simple.is_empty() => simple.to_owned(),
            0..=0xff => format!("x{code:02X}"),
            0x100..=0xffff => format!("u{code:04X}"),
            _ => format!("U{code:08X}"),
        };
        self.out.push_str(&escape);
        self.column += escape.len();
    }

    pub(super) fn write_literal(&mut self, text: &str) {
        self.indicator("|", true, false, false);
        if text.starts_with(|first| first == ' ' || is_break(first)) {
            self.indicator("2", false, false, false);
        }
        let mut backwards = text.chars().rev();
        match (backwards.next().is_some_and(is_break), backwards.next()) {
            (false, _) => self.indicator("-", false, false, false),
            (true, None) => self.indicator("+", false, false, false),
            (true, Some(before)) if is_break(before) => self.indicator("+", false, false, false),
            (true, Some(_)) => {}
        }
        self.break_line();
        self.indention = true;
        self.whitespace = true;
        let mut after_break = true;
        for character in text.chars() {
            if is_break(character) {
                self.write_break(character);
                self.indention = true;
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                self.put(character);
                self.indention = false;
                after_break = false;
            }
        }
    }

    fn write_break(&mut self, character: char) {
        self.out.push(character);
        self.column = 0;
    }
}

/// libyaml's notion of characters that may stand unescaped; Go's port leaves out all beyond 16 bits.
fn is_printable(character: char) -> bool {
    matches!(character,
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
