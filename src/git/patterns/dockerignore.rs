//! `.dockerignore` as BuildKit's frontend applies it: moby's ignore file and patternmatcher.
//!
//! The last pattern that matches a path or one of its folders decides; `!` takes back. `<Dockerfile>.dockerignore`
//! comes before `.dockerignore` in the context's root, and replaces it.

use kiel_template::files::{FileError, FileTree};
use regex::Regex;

use super::clean::clean;
use super::{PathMatch, PatternError};

/// Why the rules for a context could not be read.
#[derive(Debug, thiserror::Error)]
pub enum IgnoreFileError {
    /// The file is there and cannot be read.
    #[error("cannot read the ignore file `{path}`")]
    Read {
        /// Path of the ignore file.
        path: String,
        /// What the tree said.
        #[source]
        source: FileError,
    },
    /// One of its lines is no pattern.
    #[error("cannot use the ignore file `{path}`")]
    Pattern {
        /// Path of the ignore file.
        path: String,
        /// Which pattern, and why.
        #[source]
        source: PatternError,
    },
}

/// The patterns of one ignore file, in their order.
#[derive(Debug, Clone, Default)]
pub struct DockerIgnore {
    texts: Vec<String>,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    takes_back: bool,
    matcher: Matcher,
    /// How many names a path has that it can match; unknown with `**`.
    depth: Option<usize>,
}

#[derive(Debug, Clone)]
enum Matcher {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Regex(Regex),
}

impl DockerIgnore {
    /// The rules for a Dockerfile: `<dockerfile>.dockerignore`, else `.dockerignore` in `context`, else none.
    /// Both paths are relative to the tree's root; `context` is `""` for the root.
    ///
    /// # Errors
    /// The file that counts cannot be read or holds what is no pattern.
    pub fn load(files: &dyn FileTree, context: &str, dockerfile: &str) -> Result<Self, IgnoreFileError> {
        let in_context = if context.is_empty() {
            ".dockerignore".into()
        } else {
            format!("{context}/.dockerignore")
        };
        for path in [format!("{dockerfile}.dockerignore"), in_context] {
            let content = files.read(&path).map_err(|source| IgnoreFileError::Read {
                path: path.clone(),
                source,
            })?;
            if let Some(content) = content {
                return Self::parse(&content).map_err(|source| IgnoreFileError::Pattern { path, source });
            }
        }
        Ok(Self::default())
    }

    /// Reads an ignore file's content.
    ///
    /// # Errors
    /// A line that is no pattern.
    pub fn parse(content: &[u8]) -> Result<Self, PatternError> {
        let text = String::from_utf8_lossy(content);
        let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
        Self::new(lines.filter(|line| !line.starts_with('#')).filter_map(from_line))
    }

    /// Takes patterns as they stand in BuildKit's `ExcludePatterns`.
    ///
    /// # Errors
    /// A text that is no pattern.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, PatternError> {
        let texts: Vec<String> = patterns
            .into_iter()
            .map(|pattern| pattern.as_ref().trim().to_owned())
            .collect();
        let patterns = texts.iter().filter_map(|text| Pattern::new(text).transpose());
        Ok(Self {
            patterns: patterns.collect::<Result<_, _>>()?,
            texts,
        })
    }

    /// The patterns as written.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Whether there is no pattern.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether the file or folder at `path` (relative to the context, cleaned) is left out.
    #[must_use]
    pub fn is_ignored(&self, path: &str) -> bool {
        // Go: each folder on the way is judged first; a pattern that matched it matches all below.
        let mut above: Option<Vec<bool>> = None;
        let mut ignored = false;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for name in ends.map(|end| &path[..end]) {
            ignored = false;
            let mut here = vec![false; self.patterns.len()];
            for (i, pattern) in self.patterns.iter().enumerate() {
                let mut matched = above.as_ref().is_some_and(|above| above[i]);
                if !matched {
                    if pattern.takes_back != ignored {
                        continue;
                    }
                    matched = pattern.matcher.matches(name);
                }
                here[i] = matched;
                if matched {
                    ignored = !pattern.takes_back;
                }
            }
            above = Some(here);
        }
        ignored
    }
}

impl PathMatch for DockerIgnore {
    fn matches(&self, path: &str) -> bool {
        !self.is_ignored(path)
    }

    fn may_match_below(&self, dir: &str) -> bool {
        dir.is_empty() || self.patterns.iter().any(|pattern| pattern.takes_back) || !self.is_ignored(dir)
    }

    /// Where no pattern can match anew below a folder, all there is as the folder is.
    fn takes_all_below(&self, dir: &str) -> bool {
        !self.patterns.iter().any(|pattern| pattern.may_match_below(dir))
            && (dir.is_empty() || !self.is_ignored(dir))
    }
}

/// A line's pattern without blanks, cleaned, relative; nothing for an empty line.
fn from_line(line: &str) -> Option<String> {
    let line = line.trim();
    let (sign, pattern) = match line.strip_prefix('!') {
        Some(rest) => ("!", rest.trim()),
        None => ("", line),
    };
    if line.is_empty() {
        return None;
    }
    if pattern.is_empty() {
        return Some(sign.into());
    }
    let cleaned = clean(pattern);
    let relative = if cleaned.len() > 1 {
        cleaned.strip_prefix('/').unwrap_or(&cleaned)
    } else {
        &cleaned
    };
    Some(format!("{sign}{relative}"))
}

impl Pattern {
    fn new(text: &str) -> Result<Option<Self>, PatternError> {
        if text.is_empty() {
            return Ok(None);
        }
        let error = |reason| PatternError {
            pattern: text.into(),
            reason,
        };
        let cleaned = clean(text);
        let (takes_back, pattern) = match cleaned.strip_prefix('!') {
            Some("") => return Err(error("nothing stands behind `!`")),
            Some(rest) => (true, rest),
            None => (false, cleaned.as_str()),
        };
        check_syntax(pattern).map_err(error)?;
        Ok(Some(Self {
            takes_back,
            matcher: Matcher::new(pattern).map_err(error)?,
            depth: (!pattern.contains("**")).then(|| pattern.split('/').count()),
        }))
    }

    /// Whether it can match a path below the folder; `true` where that is not known.
    fn may_match_below(&self, dir: &str) -> bool {
        if dir.is_empty() {
            return true;
        }
        match (&self.matcher, self.depth) {
            (Matcher::Exact(text), _) => text.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')),
            (_, Some(depth)) => depth > dir.split('/').count(),
            (_, None) => true,
        }
    }
}

/// The rules of Go's `filepath.Match` for classes and escapes.
fn check_syntax(pattern: &str) -> Result<(), &'static str> {
    const OPEN: &str = "`[` has no `]`";
    const ESCAPE: &str = "a backslash stands at its end";
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                chars.next().ok_or(ESCAPE)?;
            }
            '[' => {
                chars.next_if_eq(&'^');
                let mut members = 0;
                while members == 0 || chars.next_if_eq(&']').is_none() {
                    members += 1;
                    class_member(&mut chars)?;
                    if chars.next_if_eq(&'-').is_some() {
                        class_member(&mut chars)?;
                    }
                    chars.peek().ok_or(OPEN)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn class_member(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<(), &'static str> {
    match chars.next() {
        None | Some('-' | ']') => Err("a class is not complete"),
        Some('\\') => chars.next().map(drop).ok_or("a class is not complete"),
        Some(_) => Ok(()),
    }
}

impl Matcher {
    // Go: patterns without special characters, and those with `**` only at one end, are compared as text, so
    // `**name` takes every path that ends in `name`.
    fn new(pattern: &str) -> Result<Self, &'static str> {
        let special = |text: &str| text.contains(['*', '?', '[', ']', '\\']);
        if !special(pattern) {
            return Ok(Self::Exact(pattern.into()));
        }
        if let Some(suffix) = pattern.strip_prefix("**")
            && !special(suffix)
        {
            return Ok(Self::Suffix(suffix.into()));
        }
        if let Some(prefix) = pattern.strip_suffix("**")
            && !special(prefix)
        {
            return Ok(Self::Prefix(prefix.into()));
        }
        Regex::new(&regex_text(pattern))
            .map(Self::Regex)
            .map_err(|_| "it is not a valid pattern")
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(text) => path == text,
            Self::Prefix(text) => path.starts_with(text),
            Self::Suffix(text) => {
                path.ends_with(text) || text.strip_prefix('/').is_some_and(|name| path == name)
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

fn regex_text(pattern: &str) -> String {
    let mut text = String::from("^");
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(char) = chars.next() {
        match char {
            ']' if in_class => {
                in_class = false;
                text.push(']');
            }
            '\\' => text.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            '^' | '-' if in_class => text.push(char),
            _ if in_class => text.push_str(&regex::escape(&char.to_string())),
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                text.push_str(if chars.peek().is_none() { ".*" } else { "(.*/)?" });
            }
            '*' => text.push_str("[^/]*"),
            '?' => text.push_str("[^/]"),
            '[' => {
                in_class = true;
                text.push('[');
            }
            _ => text.push_str(&regex::escape(&char.to_string())),
        }
    }
    text.push('$');
    text
}

#[cfg(test)]
#[path = "dockerignore_tests.rs"]
mod tests;
