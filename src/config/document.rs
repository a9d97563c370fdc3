//! The rendered werf.yaml cut into its documents.

/// One document of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Document<'a> {
    /// Its text, without the separator line before it.
    pub(crate) text: &'a str,
    /// Lines of the file before it.
    pub(crate) lines_before: usize,
}

/// Cuts at lines of `---` and nothing else but blanks and a comment. Documents of blanks and comments are left out.
pub(crate) fn split(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut at, mut lines_before, mut line) = (0, 0, 0, 0);
    for part in text.split_inclusive('\n') {
        line += 1;
        if is_separator(part) {
            documents.push(Document {
                text: &text[start..at],
                lines_before,
            });
            start = at + part.len();
            lines_before = line;
        }
        at += part.len();
    }
    documents.push(Document {
        text: &text[start..],
        lines_before,
    });
    documents.retain(|document| {
        document
            .text
            .lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    documents
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| {
        let rest = rest.trim_end();
        rest.is_empty() || (rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_may_have_blanks_and_a_comment() {
        let text = "---\n# only a comment\n---\na: 1\n---   # b\nb: 2\n--- \t\nc: 3\n---\n";
        let cut: Vec<_> = split(text)
            .into_iter()
            .map(|document| (document.text, document.lines_before))
            .collect();
        assert_eq!(cut, [("a: 1\n", 3), ("b: 2\n", 5), ("c: 3\n", 7)]);
    }

    #[test]
    fn a_separator_with_content_is_none() {
        assert_eq!(split("a: |\n  x\n---b\n").len(), 1);
    }
}
