//! The quickest way through a manifest of which only a few entries are wanted: line by line.
//!
//! Nearly all lines that templates write are `key: value`, `- value` or part of a block scalar. A text of nothing else is
//! known to be YAML without a token being made. Whatever is not certainly such a line ends this way; then the text is
//! read by its tokens, and only that way says what is wrong with it.

use serde_json::{Map, Value};

use super::quick;
use super::resolve::{Resolved, implicit};

/// Deeper texts are read by their tokens.
const MAX_LEVELS: usize = 64;

/// Longer keys are read by their tokens, which have a limit.
const MAX_KEY: usize = 200;

/// A block collection that is open.
#[derive(Clone, Copy, PartialEq)]
struct Level {
    column: usize,
    is_list: bool,
}

/// What was read up to a line.
struct Lines<'a> {
    text: &'a str,
    /// Where the next line begins.
    next: usize,
    levels: Vec<Level>,
    /// Whether the last key or dash has no value yet.
    pending: bool,
}

/// The wanted entries of the mapping that is the text's first document; nothing for a text that is not as plain as this.
pub(super) fn entries(text: &str, wanted: impl Fn(&str) -> bool) -> Option<Value> {
    if !text.bytes().all(|byte| byte == b'\n' || byte >= b' ')
        || !text.is_ascii() && !text.chars().all(is_plain)
    {
        return None;
    }
    let mut lines = Lines {
        text,
        next: 0,
        levels: Vec::new(),
        pending: true,
    };
    let mut found = Map::new();
    let mut begun: Option<usize> = None;
    loop {
        let start = lines.next;
        let Some(line) = lines.take() else { break };
        if !line.starts_with([' ', '#', '-']) && !line.is_empty() {
            if let Some(begun) = begun.take() {
                add(&mut found, &text[begun..start], &wanted)?;
            }
            let key = line.split(':').next().unwrap_or_default();
            begun = (line.starts_with(['"', '\'']) || wanted(key)).then_some(start);
        }
        lines.line(line)?;
    }
    if let Some(begun) = begun {
        add(&mut found, &text[begun..], &wanted)?;
    }
    (!lines.levels.is_empty()).then_some(Value::Object(found))
}

/// Adds what an entry holds, which is read by its tokens.
fn add(found: &mut Map<String, Value>, entry: &str, wanted: &impl Fn(&str) -> bool) -> Option<()> {
    match quick::entries(entry, wanted) {
        Ok(Value::Object(entries)) => found.extend(entries),
        _ => return None,
    }
    Some(())
}

/// Beside ASCII: what is neither a line break nor a mark to YAML.
fn is_plain(c: char) -> bool {
    c.is_ascii()
        || c >= '\u{a0}' && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

impl<'a> Lines<'a> {
    fn take(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest.as_bytes());
        self.next += end.map_or(rest.len(), |end| end + 1);
        Some(&rest[..end.unwrap_or(rest.len())])
    }

    /// Reads a line that is not within a block scalar.
    fn line(&mut self, line: &str) -> Option<()> {
        let mut content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            return Some(());
        }
        let mut column = line.len() - content.len();
        if column == 0 && (line.starts_with("---") || line.starts_with("...")) {
            return None;
        }
        while let Some(rest) = content.strip_prefix('-') {
            if !rest.is_empty() && !rest.starts_with(' ') {
                break;
            }
            self.open(column, true)?;
            self.pending = true;
            content = rest.trim_start_matches(' ');
            column = line.len() - content.len();
            if content.is_empty() {
                return Some(());
            }
            if content.starts_with('#') {
                return None;
            }
        }
        match key_length(content)? {
            Some(length) => {
                self.open(column, false)?;
                self.value(content[length + 1..].trim_matches(' '), column)
            }
            // A value on a line of its own belongs to a dash on the same line.
            None if self.pending && line.trim_start_matches(' ').len() != content.len() => {
                let list = self.levels.last()?.column;
                self.value(content.trim_end_matches(' '), list)
            }
            None if self.pending && content.starts_with(['[', '{', '"', '\'']) => {
                let last = self.levels.last().filter(|last| last.column < column)?;
                self.value(content.trim_end_matches(' '), last.column)
            }
            None => None,
        }
    }

    /// An entry of a collection at this column: one that is open, or a new one that is the value which is missing.
    fn open(&mut self, column: usize, is_list: bool) -> Option<()> {
        let wanted = Level { column, is_list };
        while let Some(last) = self.levels.last() {
            if *last == wanted {
                self.pending = false;
                return Some(());
            }
            // A list may stand in the column of the key whose value it is.
            let is_nested = last.column < column || last.column == column && is_list;
            if is_nested {
                break;
            }
            self.levels.pop();
            self.pending = false;
        }
        if !self.pending
            || self.levels.len() >= MAX_LEVELS
            || self.levels.is_empty() && (column > 0 || is_list)
        {
            return None;
        }
        self.levels.push(wanted);
        self.pending = false;
        Some(())
    }

    /// A value on the line of its key or dash, which belongs to a collection at `column`.
    fn value(&mut self, value: &str, column: usize) -> Option<()> {
        self.pending = value.is_empty();
        match value.as_bytes() {
            [] | b"[]" | b"{}" => Some(()),
            b"|" | b"|-" | b"|+" | b">" | b">-" | b">+" => self.block_scalar(column),
            [b'[', ..] => {
                let items = value.strip_prefix('[')?.strip_suffix(']')?;
                let fits = |item: &str| {
                    let item = item.trim_matches(' ');
                    is_word(item) || quoted(item) == Some(item.len())
                };
                items.split(',').all(fits).then_some(())
            }
            [b'"' | b'\'', ..] => (quoted(value)? == value.len()).then_some(()),
            bytes => is_plain_scalar(bytes).then_some(()),
        }
    }

    /// The lines of a block scalar, after its header.
    fn block_scalar(&mut self, column: usize) -> Option<()> {
        let mut indent = None;
        let mut widest = 0;
        loop {
            let start = self.next;
            let Some(line) = self.take() else { return Some(()) };
            let spaces = line.bytes().take_while(|byte| *byte == b' ').count();
            if spaces == line.len() {
                widest = widest.max(spaces);
                continue;
            }
            let indent = *indent.get_or_insert(spaces);
            if indent > column && widest > indent {
                // What this means depends on where the line stands.
                return None;
            }
            if spaces < indent || indent <= column {
                self.next = start;
                return (spaces <= column).then_some(());
            }
            widest = 0;
        }
    }
}

/// The length of the key at the beginning of a line, if there is one; `None` for what may be a key of another kind.
#[allow(clippy::option_option, reason = "no key is not the same as not to know")]
fn key_length(content: &str) -> Option<Option<usize>> {
    let bytes = content.as_bytes();
    let is_followed =
        |at: usize| bytes.get(at) == Some(&b':') && matches!(bytes.get(at + 1), None | Some(b' '));
    if matches!(bytes, [b'"' | b'\'', ..]) {
        let length = quoted(content)?;
        return Some((is_followed(length) && length <= MAX_KEY).then_some(length));
    }
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let length = bytes.iter().take_while(is_part).count();
    if !is_followed(length) {
        return Some(None);
    }
    let is_text = bytes[0].is_ascii_alphabetic() && matches!(implicit(&content[..length]), Resolved::Text(_));
    (is_text && length <= MAX_KEY).then_some(Some(length))
}

/// The length of the quoted text at the beginning, quotes included, if nothing in it needs a second look.
fn quoted(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = *bytes.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let mut at = 1;
    loop {
        at += memchr::memchr2(quote, b'\\', &bytes[at..])? + 1;
        match (quote, bytes[at - 1]) {
            // Two of these are one.
            (b'\'', b'\'') if bytes.get(at) == Some(&b'\'') => return None,
            (_, byte) if byte == quote => return Some(at),
            (b'"', _) if matches!(bytes.get(at), Some(b'"' | b'\\' | b'n' | b't')) => at += 1,
            (b'"', _) => return None,
            _ => {}
        }
    }
}

/// A word that is a text or a number wherever it stands.
fn is_word(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    text.bytes()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(is_part)
}

/// Whether a value without quotes is one that ends with its line.
fn is_plain_scalar(value: &[u8]) -> bool {
    let begins = match value {
        [b'-' | b':', b' ', ..] | [b'-' | b':'] => false,
        // These may be numbers that JSON has not.
        [b'-' | b'+' | b'.', ..] => {
            std::str::from_utf8(value).is_ok_and(|value| !matches!(implicit(value), Resolved::Float(_)))
        }
        [first, ..] => {
            first.is_ascii_alphanumeric()
                || matches!(first, b'/' | b'_' | b'$' | b'(' | b'=' | b'<' | b'^' | b':')
        }
        [] => false,
    };
    let mut marks = memchr::memchr2_iter(b':', b'#', value);
    begins
        && marks.all(|at| match value[at] {
            b':' => value.get(at + 1).is_some_and(|next| *next != b' '),
            _ => at > 0 && value[at - 1] != b' ',
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(key: &str) -> bool {
        matches!(key, "kind" | "metadata")
    }

    /// What the way by tokens finds; none where it fails.
    fn by_tokens(text: &str) -> Option<Value> {
        let all = super::super::to_json(text).ok()?;
        let entries = all.as_object()?.iter().filter(|(key, _)| wanted(key));
        Some(Value::Object(
            entries.map(|(key, value)| (key.clone(), value.clone())).collect(),
        ))
    }

    #[test]
    fn plain_manifests() {
        let text = "# Source: a\nkind: Service\nmetadata:\n  name: a-b\n  labels: {}\n  annotations:\n    \"a/b\": 'c'\n\
            spec:\n  ports:\n  - name: http\n    port: 80\n  -   name: x\n      args: [\"-a\", b.c, 'd']\n    # more\n\
            \x20 script: |-\n    if a: b\n      then\n\n    fi\n  rules:\n    - - a\n      - -1\n    - |\n      x: y\n\
            \x20   - k: >\n        é\n  last: http://a:80/#b\ndata:\n- a\n-\n  b: c\n";
        let got = entries(text, wanted);
        assert!(got.is_some());
        assert_eq!(got, by_tokens(text));
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_tokens() {
        for text in [
            "",
            "a",
            "- a",
            " a: b",
            "a: b: c",
            "a: b #c",
            "a: &b c",
            "a: *b",
            "a: !b c",
            "a: |2\n   b",
            "a:\n b\n",
            "a: b\n  c\n",
            "a: \"b\n  c\"",
            "a: [b,\n  c]",
            "---\na: b",
            "a: b\n---\nc: d",
            "yes: a",
            "1: a",
            "a: -",
            "a: ? b",
            "? a",
            "a:\n    b: c\n  d: e\n",
            "a: b\n- c\n",
            "a:\n  - b\n  c: d\n",
            "a: 'b''c'",
            "a: \"\\x41\"",
            "a: @b",
            "a: `b",
            "a: %b",
            "a: .inf",
            "a: {b: c}",
            "a: [b, *c]",
            "a:\tb",
            "a: b\r\n",
            "a: [b]c",
            "a: \"b\" c",
            "a: |\n    \n  b\n",
            "a: |\n    b\n   c\n",
            "- a: |\n b",
            "a:\u{2028}b: c",
            "<<: a",
            "a: [,]",
            "a: [b,]",
        ] {
            assert_eq!(entries(text, wanted), None, "{text:?}");
        }
    }

    /// What goes this way is what the tokens say, for texts put together at random.
    #[test]
    fn as_the_tokens_say() {
        const PARTS: [&str; 47] = [
            "kind: a",
            "metadata:",
            "a:",
            "b: c",
            "- ",
            "-",
            "- a",
            "- b: c",
            "- - d",
            "key: |",
            "- |",
            "k: >-",
            "\"q\": 'r'",
            "'s':",
            "x: \"y\"",
            "# note",
            "",
            "text",
            "a: b: c",
            "n: -1",
            "n: 0x1",
            "l: [a, \"b\"]",
            "l: []",
            "m: {}",
            "- []",
            "u: http://a:1/b#c",
            "e: é",
            "  deep: er",
            "v: a #b",
            "w: 'it''s'",
            "p: \"\\n\"",
            "y: yes",
            "null: a",
            "t: ~",
            "- k: |",
            "- --a=b",
            "w: .+;",
            "w: -.5",
            "- :c",
            "- -c",
            "  {}",
            "'t'",
            "- x: y",
            "...",
            "z: a:",
            "- 'a': b",
            "   ",
        ];
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let mut taken = 0;
        for _ in 0..60_000 {
            let mut text = String::new();
            let mut indent = 0;
            for _ in 0..=random(7) {
                indent = match random(4) {
                    0 => indent + 1 + random(3),
                    1 => random(indent + 1),
                    _ => indent,
                };
                text.push_str(&" ".repeat(indent));
                text.push_str(PARTS[random(PARTS.len())]);
                text.push('\n');
            }
            if let Some(got) = entries(&text, wanted) {
                assert_eq!(Some(got), by_tokens(&text), "{text}");
                taken += 1;
            }
        }
        assert!(taken > 3_000, "{taken}");
    }
}
