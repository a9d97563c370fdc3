//! The layout that werf gives to files of secret values: two blanks for each level, no blank lines between values, no
//! comments behind scalars; comments on lines of their own, anchors, flow collections and quotes of keys stay.

use std::ops::Range;

use kiel_template::yaml::{Node, NodeKind, ScalarStyle};

use super::error::SecretError;
use super::leaves::Source;
use super::scalar::{Place, written};

/// Lays out a YAML text as werf does. A text with what this does not know, such as `? ` keys, stays as it is.
///
/// # Errors
/// It is no YAML.
pub fn tidy(text: &str, file: &str) -> Result<String, SecretError> {
    let source = Source::new(text);
    let documents = source.documents(file)?;
    if documents.is_empty() {
        return Ok(format!("{}null\n", comments_only(source.text)));
    }
    let mut out = String::new();
    let mut writer = Writer {
        comments: comments(&source, &documents),
        source: &source,
        out: &mut out,
        at: 0,
    };
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            writer.out.push_str("---\n");
        }
        if writer.document(document).is_none() {
            return Ok(source.text.to_owned());
        }
    }
    writer.flush_comments(usize::MAX, 0);
    Ok(out)
}

fn comments_only(text: &str) -> String {
    text.lines()
        .filter(|line| line.trim_start().starts_with('#'))
        .map(|line| format!("{}\n", line.trim()))
        .collect()
}

/// Lines that hold a comment alone, outside of scalars.
fn comments(source: &Source<'_>, documents: &[Node<'_>]) -> Vec<Range<usize>> {
    let mut scalars = Vec::new();
    documents
        .iter()
        .for_each(|node| collect_scalars(source, node, &mut scalars));
    let mut found = Vec::new();
    let mut at = 0;
    for line in source.text.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        if line.trim_start().starts_with('#') && !scalars.iter().any(|range| range.contains(&start)) {
            found.push(start..start + line.trim().len());
        }
    }
    found.reverse();
    found
}

fn collect_scalars(source: &Source<'_>, node: &Node<'_>, found: &mut Vec<Range<usize>>) {
    match &node.kind {
        NodeKind::Scalar { .. } => found.push(source.bytes(node)),
        NodeKind::Sequence(items) => items.iter().for_each(|item| collect_scalars(source, item, found)),
        NodeKind::Mapping(entries) => {
            for (key, value) in entries {
                collect_scalars(source, key, found);
                collect_scalars(source, value, found);
            }
        }
    }
}

struct Writer<'s, 't> {
    source: &'s Source<'t>,
    out: &'s mut String,
    /// Up to here everything has been written.
    at: usize,
    /// Those that have not been written, the last one first.
    comments: Vec<Range<usize>>,
}

/// `None` is what this does not know.
impl<'t> Writer<'_, 't> {
    fn document(&mut self, node: &Node<'_>) -> Option<()> {
        self.skip_blanks();
        if self.rest().starts_with("---") {
            self.at += 3;
        }
        match &node.kind {
            NodeKind::Mapping(entries) if !self.source.is_flow(node) => {
                self.properties();
                self.mapping(entries, 0, false)
            }
            NodeKind::Sequence(items) if !self.source.is_flow(node) => {
                self.properties();
                self.sequence(items, 0, false)
            }
            _ => {
                self.flush_comments(self.source.byte(node.start), 0);
                self.value(node, 0, false)?;
                Some(())
            }
        }
    }

    fn rest(&self) -> &'t str {
        &self.source.text[self.at..]
    }

    /// Over blanks, line breaks and comments.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    /// Comments that stand before a place.
    fn flush_comments(&mut self, before: usize, indent: usize) {
        while self.comments.last().is_some_and(|range| range.start < before) {
            let Some(range) = self.comments.pop() else { return };
            self.out.push_str(&" ".repeat(indent));
            self.out.push_str(&self.source.text[range.clone()]);
            self.out.push('\n');
            let behind = &self.source.text[range.end..];
            let follows_blank = behind
                .strip_prefix('\n')
                .is_some_and(|next| next.starts_with('\n'));
            if follows_blank && !behind.trim().is_empty() {
                self.out.push('\n');
            }
        }
    }

    fn mapping(&mut self, entries: &[(Node<'_>, Node<'_>)], indent: usize, inline: bool) -> Option<()> {
        for (index, (key, value)) in entries.iter().enumerate() {
            let range = self.source.bytes(key);
            self.skip_blanks();
            // An explicit key, an alias or properties as a key.
            if self.at != range.start {
                return None;
            }
            if index > 0 || !inline {
                self.flush_comments(range.start, indent);
                self.out.push_str(&" ".repeat(indent));
            }
            self.out.push_str(&self.source.text[range.clone()]);
            self.at = range.end;
            self.skip_blanks();
            if !self.rest().starts_with(':') {
                return None;
            }
            self.at += 1;
            self.out.push(':');
            self.value(value, indent, true)?;
        }
        Some(())
    }

    fn sequence(&mut self, items: &[Node<'_>], indent: usize, inline: bool) -> Option<()> {
        for (index, item) in items.iter().enumerate() {
            self.skip_blanks();
            if !self.rest().starts_with('-') {
                return None;
            }
            if index > 0 || !inline {
                self.flush_comments(self.at, indent);
                self.out.push_str(&" ".repeat(indent));
            }
            self.at += 1;
            self.out.push('-');
            self.value(item, indent, false)?;
        }
        Some(())
    }

    /// Behind `:`, `-` or at the beginning, up to the end of the line.
    fn value(&mut self, node: &Node<'_>, indent: usize, of_key: bool) -> Option<()> {
        let line_end = self.at + self.rest().find('\n').unwrap_or(self.rest().len());
        let is_empty_null = node.is_null() && node.start == node.end;
        let before = self.at;
        self.skip_blanks();
        if is_empty_null {
            self.at = before;
            return self.end_of_line(line_end, true);
        }
        if self.rest().starts_with('*') {
            let name = self
                .rest()
                .split(|c: char| c.is_whitespace() || ",]}".contains(c))
                .next()?;
            self.out.push(' ');
            self.out.push_str(name);
            self.at += name.len();
            return self.end_of_line(self.line_end(), true);
        }
        let names = self.properties();
        let has_names = !names.is_empty();
        if has_names {
            self.out.push(' ');
            self.out.push_str(&names);
        }
        let range = self.source.bytes(node);
        let flow = self.source.is_flow(node);
        match &node.kind {
            NodeKind::Mapping(entries) if !flow => {
                let inline = !of_key && !has_names;
                self.begin_block(inline, line_end);
                self.mapping(entries, indent + 2, inline)
            }
            NodeKind::Sequence(items) if !flow => {
                let inline = !of_key && !has_names;
                self.begin_block(inline, line_end);
                self.sequence(items, indent + 2, inline)
            }
            NodeKind::Scalar {
                text,
                style: ScalarStyle::Literal | ScalarStyle::Folded,
            } => {
                self.out.push(' ');
                self.out
                    .push_str(&written(text.as_bytes(), Place::Block(indent + 2)));
                self.at = range.end;
                self.end_of_line(self.line_end(), false)
            }
            _ => {
                if !self.out.is_empty() && !self.out.ends_with('\n') {
                    self.out.push(' ');
                }
                self.out.push_str(&self.source.text[range.clone()]);
                self.at = range.end;
                self.comments
                    .retain(|comment| comment.start >= range.end || comment.start < range.start);
                let keeps_comment = flow || node.is_null();
                self.end_of_line(self.line_end(), keeps_comment)
            }
        }
    }

    fn line_end(&self) -> usize {
        self.at + self.rest().find('\n').unwrap_or(self.rest().len())
    }

    /// What a block begins with: on the line of its dash, or on the next one, behind its key's comment.
    fn begin_block(&mut self, inline: bool, line_end: usize) {
        if inline {
            self.out.push(' ');
            return;
        }
        if self.at > line_end {
            let line = &self.source.text[..line_end];
            let line = &line[line.rfind('\n').map_or(0, |at| at + 1)..];
            if let Some(at) = line.rfind(" #") {
                self.out.push_str(&format!(" {}", line[at + 1..].trim_end()));
            }
        }
        self.out.push('\n');
    }

    fn end_of_line(&mut self, line_end: usize, keeps_comment: bool) -> Option<()> {
        let rest = self.source.text[self.at..line_end.max(self.at)].trim();
        if keeps_comment && rest.starts_with('#') {
            self.out.push(' ');
            self.out.push_str(rest);
        }
        self.out.push('\n');
        Some(())
    }

    /// Anchor and tag in front of a value.
    fn properties(&mut self) -> String {
        let mut names: Vec<String> = Vec::new();
        loop {
            self.skip_blanks();
            if !self.rest().starts_with(['&', '!']) {
                return names.join(" ");
            }
            let name = self
                .rest()
                .split(char::is_whitespace)
                .next()
                .unwrap_or_default()
                .to_owned();
            self.at += name.len();
            names.push(name);
        }
    }
}
