//! Which images a command line means: names, globs as of Go's `filepath.Match`, and exclusions with `!`.

use regex::Regex;

use super::model::{Config, Image};

/// Why a selection means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No image fits the name or glob.
    #[error("cannot find an image `{pattern}` in werf.yaml; it has {known}")]
    Unknown {
        /// As given.
        pattern: String,
        /// The images of the file.
        known: String,
    },
    /// The glob is none.
    #[error("cannot use `{0}` as a glob for images")]
    BadPattern(String),
}

/// The images that the patterns mean, in the order of the file; all without patterns. An image that is included by name
/// or glob stays even where an exclusion fits too; exclusions alone take everything else.
pub fn select<'a>(config: &'a Config, patterns: &[String]) -> Result<Vec<&'a Image>, SelectError> {
    let (mut included, mut excluded) = (Vec::new(), Vec::new());
    for pattern in patterns {
        let (glob, list) = match pattern.strip_prefix('!') {
            Some(rest) => (rest, &mut excluded),
            None => (pattern.as_str(), &mut included),
        };
        let matcher = to_regex(glob).ok_or_else(|| SelectError::BadPattern(pattern.clone()))?;
        if !config.images.iter().any(|image| matcher.is_match(&image.name)) {
            let names: Vec<_> = config
                .images
                .iter()
                .map(|image| format!("`{}`", image.name))
                .collect();
            let known = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(SelectError::Unknown {
                pattern: glob.to_owned(),
                known,
            });
        }
        list.push(matcher);
    }
    let fits = |list: &[Regex], image: &Image| list.iter().any(|matcher| matcher.is_match(&image.name));
    let chosen = |image: &&Image| match (included.is_empty(), excluded.is_empty()) {
        (true, true) => true,
        (false, _) => fits(&included, image),
        (true, false) => !fits(&excluded, image),
    };
    Ok(config.images.iter().filter(chosen).collect())
}

/// Go: `*` and `?` stop at a slash, `[…]` is a class with `^` for its complement, `\` takes the next as it is.
fn to_regex(glob: &str) -> Option<Regex> {
    let mut text = String::from("^");
    let mut chars = glob.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => text.push_str("[^/]*"),
            '?' => text.push_str("[^/]"),
            '[' => {
                text.push('[');
                loop {
                    match chars.next()? {
                        ']' => break,
                        '\\' => text.push_str(&regex::escape(&chars.next()?.to_string())),
                        c @ ('[' | '&' | '~') => text.extend(['\\', c]),
                        c => text.push(c),
                    }
                }
                text.push(']');
            }
            '\\' => text.push_str(&regex::escape(&chars.next()?.to_string())),
            c => text.push_str(&regex::escape(&c.to_string())),
        }
    }
    text.push('$');
    Regex::new(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stop_at_slashes() {
        for (glob, name, want) in [
            ("b*", "base", true),
            ("b*", "back/api", false),
            ("back/*", "back/api", true),
            ("[^a]x", "bx", true),
            ("a.b", "axb", false),
        ] {
            assert_eq!(
                to_regex(glob).expect("a glob").is_match(name),
                want,
                "{glob} {name}"
            );
        }
        assert!(to_regex("[a").is_none());
    }
}
