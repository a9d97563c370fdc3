//! Cuts the text of a rendered file into its documents, as Helm 3 does.
//!
//! The cut is made on text, not on YAML: a `---` at the start of a line inside a block scalar cuts
//! too, and what follows `---` on its line stays with the next document.

/// The documents of `text` in order, without the white space around them.
///
/// A separator is `---` at the very beginning or after a line break, with all white space around
/// it. Documents of nothing at all are left out; documents of comments only are kept.
pub(crate) fn split_documents(text: &str) -> Vec<&str> {
    let text = text.trim();
    let mut documents = Vec::new();
    let mut start = 0;
    while let Some((from, to)) = next_separator(text, start) {
        push(&mut documents, &text[start..from]);
        start = to;
    }
    push(&mut documents, &text[start..]);
    documents
}

fn push<'a>(documents: &mut Vec<&'a str>, document: &'a str) {
    if !document.is_empty() {
        documents.push(document.trim());
    }
}

/// Go: the next match of `(?:^|\s*\n)---\s*` from `start`.
///
/// White space before a separator that another separator has swallowed already is not seen again:
/// `---\n---\na: 1` is the document `---\na: 1`.
fn next_separator(text: &str, start: usize) -> Option<(usize, usize)> {
    let mut at = start;
    loop {
        let dashes = at + memchr::memmem::find(&text.as_bytes()[at..], b"---")?;
        let from = if dashes == 0 {
            Some(0)
        } else {
            let before = &text[start..dashes];
            before
                .ends_with('\n')
                .then(|| start + before.trim_end_matches(is_space).len())
        };
        if let Some(from) = from {
            let rest = &text[dashes + 3..];
            return Some((from, text.len() - rest.trim_start_matches(is_space).len()));
        }
        at = dashes + 1;
    }
}

/// Go: `\s` of its regular expressions.
fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        assert_eq!(split_documents(text), want, "{text:?}");
    }

    #[test]
    fn documents() {
        check("", &[""; 0]);
        check("a: 1", &["a: 1"]);
        check("---\na: 1\n---\nb: 2\n", &["a: 1", "b: 2"]);
        check("a: 1\n\n  \n---   \n\n\nb: 2", &["a: 1", "b: 2"]);
        check("---apiVersion: v1", &["apiVersion: v1"]);
        check("---\n---\nkind: Zed", &["---\nkind: Zed"]);
        check("a: 1\n---\n---\n---\nb: 2", &["a: 1", "---", "b: 2"]);
        check(
            "a: 1\n---\n# only a comment\n---\nb: 2",
            &["a: 1", "# only a comment", "b: 2"],
        );
        check("a: |\n  x\n---\n  y", &["a: |\n  x", "y"]);
        check("a: |\n  x\n  ---\n  y", &["a: |\n  x\n  ---\n  y"]);
        check("--- # head\na: 1", &["# head\na: 1"]);
        check("a: 1\r\n---\r\nb: 2", &["a: 1", "b: 2"]);
        check("a: b---c\n----\nd: 1", &["a: b---c", "-\nd: 1"]);
    }
}
