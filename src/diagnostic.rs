//! Mistakes in a user's file: where they stand, which rule they break, and what would mend them.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, lower case, without a final period.
    pub message: String,
    /// What would mend it.
    pub hint: Option<String>,
}

/// All mistakes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// The file, as the user knows it.
    pub file: String,
    /// Its text, or what a template made of it.
    pub text: String,
    /// The mistakes, in the order of the file.
    pub list: Vec<Diagnostic>,
}

/// One block a mistake: the message, the file with line and column, the line itself, the hint.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.list.iter().enumerate() {
            if index > 0 {
                write!(f, "\n\n")?;
            }
            let span = self.span(mistake);
            let snippet = Snippet::source(&self.text)
                .path(&self.file)
                .annotation(AnnotationKind::Primary.span(span));
            let mut group = Level::ERROR.primary_title(&mistake.message).element(snippet);
            if let Some(hint) = &mistake.hint {
                group = group.element(Level::HELP.with_name("hint").message(hint));
            }
            write!(f, "{}", Renderer::plain().render(&[group]))?;
        }
        Ok(())
    }
}

impl Mistakes {
    /// The bytes from the mistake's place to the end of its word.
    fn span(&self, mistake: &Diagnostic) -> std::ops::Range<usize> {
        let mut start = 0;
        for line in self
            .text
            .split_inclusive('\n')
            .take(mistake.line.saturating_sub(1))
        {
            start += line.len();
        }
        let line = self.text[start..].lines().next().unwrap_or_default();
        let skipped = line
            .char_indices()
            .nth(mistake.column.saturating_sub(1))
            .map_or(line.len(), |(at, _)| at);
        let word = line[skipped..]
            .find([' ', ':', ',', ']', '}'])
            .unwrap_or(line.len() - skipped);
        start + skipped..start + skipped + word.max(usize::from(skipped < line.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_line_and_the_hint() {
        let mistakes = Mistakes {
            file: "werf.yaml".into(),
            text: "project: demo\nimge: app\n".into(),
            list: vec![Diagnostic {
                line: 2,
                column: 1,
                message: "unknown key `imge`".into(),
                hint: Some("did you mean `image`?".into()),
            }],
        };
        insta::assert_snapshot!(mistakes.to_string(), @r"
        error: unknown key `imge`
         --> werf.yaml:2:1
          |
        2 | imge: app
          | ^^^^
          |
          = hint: did you mean `image`?
        ");
    }
}
