//! Where the charts of a large index stand, found by its lines: each can be read on its own.
//!
//! Only for an index as programs write it: block style, `entries:` in the first column, the names of charts at one
//! depth below it. Whatever looks otherwise has no such layout, and is read whole.

use std::ops::Range;

/// The charts of an index that is laid out plainly, and the lines of each.
pub(super) struct Layout<'t> {
    text: &'t str,
    charts: Vec<(&'t str, Range<usize>)>,
}

impl<'t> Layout<'t> {
    /// Nothing if the text is laid out otherwise.
    pub(super) fn of(data: &'t [u8]) -> Option<Self> {
        let text = std::str::from_utf8(data).ok()?;
        let mut lines = Lines { text, at: 0 };
        let mut has_version = false;
        let entries = lines.by_ref().find_map(|(line, _)| match line {
            "entries:" => Some(true),
            "entries: {}" => Some(false),
            line if is_plain_top(line) => {
                has_version |= line.starts_with("apiVersion:");
                None
            }
            _ => Some(false),
        });
        if entries != Some(true) || !has_version {
            return None;
        }
        let charts = charts(lines)?;
        Some(Self { text, charts })
    }

    /// The names of all charts.
    pub(super) fn names(&self) -> impl Iterator<Item = &'t str> {
        self.charts.iter().map(|(name, _)| *name)
    }

    /// An index of these charts alone, as text; nothing where parts of it may stand elsewhere.
    pub(super) fn cut(&self, names: &[&str]) -> Option<String> {
        let mut cut = String::from("apiVersion: v1\nentries:\n");
        let wanted = self.charts.iter().filter(|(name, _)| names.contains(name));
        for (_, lines) in wanted {
            cut.push_str(&self.text[lines.clone()]);
        }
        (!has_anchors(&cut)).then_some(cut)
    }
}

/// The names and lines of the charts that follow.
fn charts<'t>(lines: Lines<'t>) -> Option<Vec<(&'t str, Range<usize>)>> {
    let mut charts: Vec<(&str, Range<usize>)> = Vec::new();
    let mut depth = None;
    for (line, place) in lines {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let rest = &line[indent..];
        if rest.is_empty() {
            if let Some((_, lines)) = charts.last_mut() {
                lines.end = place.end;
            }
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
            charts.push((name, place));
        } else {
            charts.last_mut()?.1.end = place.end;
        }
    }
    Some(charts)
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

/// The lines of a text without what ends them, and where each stands with it.
struct Lines<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Lines<'t> {
    type Item = (&'t str, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let place = self.at..self.at + length;
        self.at += length;
        Some((rest[..length].trim_end_matches(['\n', '\r']), place))
    }
}
