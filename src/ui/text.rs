//! Texts of others as a terminal may show them: without escape sequences and control characters, and of bounded
//! width.
//!
//! Colours are dropped too: whoever may set a colour may hide what follows.

use std::borrow::Cow;
use std::time::Duration;

use unicode_width::UnicodeWidthChar;

/// Longest control string (a window's title, a link) that is dropped as one; of a longer one only its beginning is.
const CONTROL_LIMIT: usize = 4096;

/// What a program printed, as one line: escape sequences, control characters and marks that turn the direction of
/// text are dropped; tabs stay.
#[must_use]
pub fn plain_line(text: &str) -> Cow<'_, str> {
    plain(text, false)
}

/// The same for texts of several lines.
#[must_use]
pub fn plain_text(text: &str) -> Cow<'_, str> {
    plain(text, true)
}

fn plain(text: &str, lines: bool) -> Cow<'_, str> {
    let is_shown = |c: char| c == '\t' || (c == '\n' && lines) || !(c.is_control() || turns(c));
    if text.chars().all(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest = text[text.len() - rest.as_str().len() + escape(rest.as_str())..].chars();
        } else if is_shown(c) {
            shown.push(c);
        } else if c == '\n' {
            shown.push(' ');
        }
    }
    Cow::Owned(shown)
}

/// Marks that let later text be read in another order than it was written.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

/// How many bytes after an ESC belong to its sequence (ECMA-48).
fn escape(rest: &str) -> usize {
    let Some(first) = rest.chars().next() else {
        return 0;
    };
    let body = &rest[first.len_utf8()..];
    match first {
        '[' => {
            let is_inner = |c: char| (' '..='?').contains(&c);
            let inner = body.find(|c: char| !is_inner(c)).unwrap_or(body.len());
            match body[inner..].chars().next() {
                Some('@'..='~') => 1 + inner + 1,
                _ => 1 + inner,
            }
        }
        ']' | 'P' | 'X' | '^' | '_' => {
            let seen = &body[..body.floor_char_boundary(CONTROL_LIMIT)];
            let ends = [("\u{7}", 1), ("\u{1b}\\", 2), ("\u{9c}", 2)];
            let end = ends
                .iter()
                .filter_map(|(end, length)| Some(seen.find(end)? + length))
                .min();
            1 + end.unwrap_or(0)
        }
        ' '..='/' => {
            let inner = body
                .find(|c: char| !(' '..='/').contains(&c))
                .unwrap_or(body.len());
            let last = body[inner..].chars().next().filter(char::is_ascii_graphic);
            1 + inner + last.map_or(0, char::len_utf8)
        }
        '0'..='~' => 1,
        _ => 0,
    }
}

/// The text up to `limit` bytes, and how many were cut off.
#[must_use]
pub(super) fn cut_bytes(text: &str, limit: usize) -> (&str, usize) {
    let end = text.floor_char_boundary(limit.min(text.len()));
    (&text[..end], text.len() - end)
}

/// The text in at most `width` columns, with `…` where it was cut. Tabs become blanks.
#[must_use]
pub(super) fn cut_columns(text: &str, width: usize) -> (String, usize) {
    let mut shown = String::new();
    let mut columns = 0;
    let mut before_last = (0, 0);
    for c in text.chars() {
        let c = if c == '\t' { ' ' } else { c };
        let wide = c.width().unwrap_or(0);
        if columns < width {
            before_last = (shown.len(), columns);
        }
        if columns + wide > width {
            shown.truncate(before_last.0);
            columns = before_last.1;
            if width > 0 {
                shown.push('…');
                columns += 1;
            }
            return (shown, columns);
        }
        columns += wide;
        shown.push(c);
    }
    (shown, columns)
}

/// `9.2s`, `1m05s`, `2h03m`.
#[must_use]
pub(super) fn time(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1}s", time.as_secs_f64().min(59.9)),
        seconds @ 60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_interpreted() {
        for (text, shown) in [
            ("a\u{1b}[31mred\u{1b}[0m\u{7}\tb", "ared\tb"),
            ("\u{1b}]0;title\u{7}x", "x"),
            ("\u{1b}]8;;http://a\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]no end", "no end"),
            ("\u{1b}P1$q\u{1b}\\y", "y"),
            ("\u{1b}(0lqk\u{1b}c", "lqk"),
            ("\u{1b}[2J\u{1b}[?25l\u{1b}[999", ""),
            ("\u{1b}[é", "é"),
            ("\u{1b}", ""),
            ("\u{9b}2Jx\u{0}\u{8}", "2Jx"),
            ("abc\u{202e}def", "abcdef"),
            ("one\ntwo", "one two"),
        ] {
            assert_eq!(plain_line(text), shown, "{text:?}");
        }
        assert_eq!(plain_text("one\ntwo\u{1b}[1A"), "one\ntwo");
    }

    #[test]
    fn columns_are_counted_as_a_terminal_does() {
        assert_eq!(cut_columns("abc", 3), ("abc".into(), 3));
        assert_eq!(cut_columns("abcd", 3), ("ab…".into(), 3));
        assert_eq!(cut_columns("日本語", 6), ("日本語".into(), 6));
        assert_eq!(cut_columns("日本語", 5), ("日本…".into(), 5));
        assert_eq!(cut_columns("日本語", 4), ("日…".into(), 3));
        assert_eq!(cut_columns("a\tb", 9), ("a b".into(), 3));
        assert_eq!(cut_columns("x", 0), (String::new(), 0));
    }

    #[test]
    fn times_are_short() {
        let told = |millis| time(Duration::from_millis(millis));
        assert_eq!(
            [told(940), told(59_990), told(65_000), told(7_380_000)],
            ["0.9s", "59.9s", "1m05s", "2h03m"]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_control_character_ever_stays(text in "[\u{0}-\u{a0}\u{1b}\\[\\]0-9;mé日]{0,60}") {
            proptest::prop_assert!(plain_line(&text).chars().all(|c| c == '\t' || !c.is_control()));
            let (shown, columns) = cut_columns(&plain_line(&text), 10);
            proptest::prop_assert!(columns <= 10);
            proptest::prop_assert!(shown.len() <= text.len() + 3);
        }
    }
}
