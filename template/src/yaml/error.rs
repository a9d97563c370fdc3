//! The one error of the YAML reader.
//!
//! Its text is what Go's YAML library prints, since that text reaches users through `fromYaml` and through
//! Helm's messages. Go's line numbers are off by one in places and missing on the first line; the true
//! position is kept beside the text for messages of our own.

use super::token::Mark;

/// Why a YAML text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct YamlError {
    text: String,
    problem: String,
    position: Option<(usize, usize)>,
}

impl YamlError {
    /// An error of the scanner: Go prints the line of the place where it stopped, except on the first line.
    pub(super) fn scanner(problem: impl Into<String>, context: Mark, at: Mark) -> Self {
        let line = if at.line != 0 { at.line + 1 } else { context.line };
        Self::at(problem.into(), line, at)
    }

    /// An error of the grammar: Go prints the line before the token at fault.
    pub(super) fn grammar(problem: impl Into<String>, context: Option<Mark>, at: Mark) -> Self {
        let line = match context {
            _ if at.line != 0 => at.line,
            Some(context) => context.line,
            None => 0,
        };
        Self::at(problem.into(), line, at)
    }

    /// An error about the meaning of a node that Go prints without a place.
    pub(super) fn meaning(problem: impl Into<String>, line: usize, column: usize) -> Self {
        let problem = problem.into();
        Self {
            text: format!("yaml: {problem}"),
            problem,
            position: Some((line, column)),
        }
    }

    /// An error with a text of its own, whose prefix the caller has chosen.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            problem: text.clone(),
            text,
            position: None,
        }
    }

    fn at(problem: String, line: usize, at: Mark) -> Self {
        let text = if line == 0 {
            format!("yaml: {problem}")
        } else {
            format!("yaml: line {line}: {problem}")
        };
        Self {
            text,
            problem,
            position: Some((at.line + 1, at.column + 1)),
        }
    }

    /// The same error with `prefix` before its text, as Go wraps errors.
    #[must_use]
    pub fn wrapped(mut self, prefix: &str) -> Self {
        self.text.insert_str(0, prefix);
        self
    }

    /// What is wrong, without place or prefix.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The true line, counted from 1, where it is known.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.position.map(|(line, _)| line)
    }

    /// The true column in characters, counted from 1, where it is known.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.position.map(|(_, column)| column)
    }
}
