//! Chooses documents of a printed release by their templates, as `helm template --show-only` does.

use crate::path_match;
use crate::split::split_documents;

/// Why no documents can be chosen; the texts are Helm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShowOnlyError {
    /// A pattern can't be read.
    #[error("{0}")]
    Pattern(String),
    /// No template's document matches.
    #[error("could not find template {0} in chart")]
    NoTemplate(String),
}

/// The documents of `output` whose template, without the chart's name, matches one of the patterns: pattern by
/// pattern, so that a document that two patterns match comes twice.
///
/// # Errors
/// A pattern matches nothing, or can't be read.
pub fn show_only(output: &str, patterns: &[String]) -> Result<String, ShowOnlyError> {
    let documents: Vec<_> = split_documents(output)
        .into_iter()
        .filter_map(|text| Some((template_of(text)?, text)))
        .collect();
    let mut chosen = String::new();
    for pattern in patterns {
        let mut missing = true;
        for (template, text) in &documents {
            if path_match::matches(pattern, template)
                .map_err(|error| ShowOnlyError::Pattern(error.to_string()))?
            {
                missing = false;
                chosen.push_str("---\n");
                chosen.push_str(text);
                chosen.push('\n');
            }
        }
        if missing {
            return Err(ShowOnlyError::NoTemplate(pattern.clone()));
        }
    }
    Ok(chosen)
}

/// Go: the first match of `# Source: [^/]+/(.+)`.
fn template_of(document: &str) -> Option<&str> {
    const MARK: &str = "# Source: ";
    let mut rest = document;
    while let Some(at) = rest.find(MARK) {
        rest = &rest[at + MARK.len()..];
        let line = rest.lines().next().unwrap_or_default();
        if let Some((chart, path)) = rest.split_once('/')
            && !chart.is_empty()
            && let Some(path) = path.lines().next().filter(|path| !path.is_empty())
            && line.len() >= path.len()
        {
            return Some(path);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str =
        "---\n# Source: c/templates/a.yaml\nkind: A\n---\n# Source: c/templates/b.yaml\nkind: B\n";

    #[test]
    fn documents_are_chosen_pattern_by_pattern() {
        let chosen = show_only(OUTPUT, &["templates/b.yaml".to_owned(), "templates/*".to_owned()]);
        let [a, b] = [
            "---\n# Source: c/templates/a.yaml\nkind: A\n",
            "---\n# Source: c/templates/b.yaml\nkind: B\n",
        ];
        assert_eq!(chosen, Ok(format!("{b}{a}{b}")));
    }

    #[test]
    fn a_pattern_must_match() {
        let refused = show_only(OUTPUT, &["b.yaml".to_owned()]);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "could not find template b.yaml in chart"
        );
    }
}
