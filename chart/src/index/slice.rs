//! The part of a large index that is about a few charts, cut out by its lines.
//!
//! Only for an index as programs write it: block style, `entries:` in the first column, the names of charts at one
//! depth below it. Whatever looks otherwise is not cut; who cuts reads the result, and the whole where that fails.

use std::fmt::Write as _;

/// An index of these charts alone; nothing if the text is not laid out plainly. A chart that is not there is none of
/// the result either.
pub(super) fn charts(data: &[u8], names: &[&str]) -> Option<String> {
    let text = std::str::from_utf8(data).ok()?;
    let mut lines = Lines { text, at: 0 };
    let mut cut = String::from("apiVersion: v1\nentries:\n");
    let mut found_entries = false;
    for line in lines.by_ref() {
        match line {
            "entries: {}" => return Some("apiVersion: v1\nentries: {}\n".to_owned()),
            "entries:" => {
                found_entries = true;
                break;
            }
            line if is_plain_top(line) => {}
            _ => return None,
        }
    }
    if !found_entries {
        return None;
    }
    let mut depth = None;
    let mut taking = false;
    let mut taken = false;
    for line in lines {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let rest = &line[indent..];
        if rest.is_empty() {
            take_line(&mut cut, taking, line);
            continue;
        }
        if indent == 0 && !rest.starts_with('-') {
            break;
        }
        let depth = *depth.get_or_insert(indent);
        if indent < depth || depth == 0 {
            return None;
        }
        // A list may stand as deep as its own name.
        if indent == depth && !rest.starts_with("- ") {
            let name = rest.strip_suffix(':')?;
            let is_plain = name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            if !is_plain {
                return None;
            }
            taking = names.contains(&name);
            taken |= taking;
        }
        take_line(&mut cut, taking, line);
    }
    if !taken {
        cut.truncate("apiVersion: v1\n".len());
        let _written = writeln!(cut, "entries: {{}}");
    }
    (!has_anchors(&cut)).then_some(cut)
}

fn take_line(cut: &mut String, taking: bool, line: &str) {
    if taking {
        cut.push_str(line);
        cut.push('\n');
    }
}

/// `name: value` of a single line, a line below one, or none at all: what stands before the entries.
fn is_plain_top(line: &str) -> bool {
    if line.is_empty() || line == "---" || line.starts_with("  ") || line.starts_with('#') {
        return true;
    }
    let Some((name, value)) = line.split_once(':') else {
        return false;
    };
    let value = value.trim();
    let is_plain = !value.starts_with(['|', '>', '{', '[', '&', '*', '!', '"', '\'']);
    name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && (is_plain || value == "{}" || is_quoted(value))
}

/// A text in quotes that ends in its line.
fn is_quoted(value: &str) -> bool {
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    inner.is_some_and(|inner| !inner.contains(['"', '\'', '\\']))
}

/// Whether a value begins like an anchor or an alias: those may lead out of the part.
fn has_anchors(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start().trim_start_matches("- ");
        let value = line.split_once(": ").map_or(line, |(_, value)| value);
        value.starts_with(['&', '*'])
    })
}

/// The lines of a text, without what ends them.
struct Lines<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Lines<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
        self.at += line.len() + 1;
        Some(line.trim_end_matches('\r'))
    }
}
