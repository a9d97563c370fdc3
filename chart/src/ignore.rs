//! `.helmignore`: which files of a chart's folder are not part of the chart.
//!
//! The rules are Helm 3's, which are not Git's: a rule without `/` is compared with the last part
//! of a path only, `**` is refused, and a negated rule ends the evaluation for what it does *not*
//! match.

use crate::path_match::Pattern;

/// Why a `.helmignore` can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IgnoreError {
    /// `**` has no meaning in these rules.
    #[error("double-star (**) syntax is not supported")]
    DoubleStar,
    /// The rule is no valid pattern.
    #[error("syntax error in pattern")]
    Pattern(String),
}

/// The rules of one `.helmignore`, in file order, then Helm's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct IgnoreRules(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    pattern: Pattern,
    negated: bool,
    folders_only: bool,
    scope: Scope,
}

/// What a rule's pattern is compared with.
#[derive(Debug, Clone, Copy)]
enum Scope {
    WholePath,
    LastPart,
}

impl IgnoreRules {
    /// Reads the text of a `.helmignore`.
    pub(crate) fn parse(text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Self::default();
        for line in text.lines() {
            rules.add(line)?;
        }
        Ok(rules)
    }

    /// Adds what Helm always leaves out: dot files directly in `templates/`.
    pub(crate) fn with_defaults(mut self) -> Self {
        self.0.push(Rule {
            pattern: Pattern::unchecked("templates/.?*"),
            negated: false,
            folders_only: false,
            scope: Scope::WholePath,
        });
        self
    }

    fn add(&mut self, line: &str) -> Result<(), IgnoreError> {
        let rule = line.trim();
        if rule.is_empty() || rule.starts_with('#') {
            return Ok(());
        }
        if rule.contains("**") {
            return Err(IgnoreError::DoubleStar);
        }
        let refused = |_| IgnoreError::Pattern(rule.to_owned());
        Pattern::parse(rule).map_err(refused)?;
        let (negated, rest) = rule.strip_prefix('!').map_or((false, rule), |rest| (true, rest));
        let (folders_only, rest) = rest.strip_suffix('/').map_or((false, rest), |rest| (true, rest));
        let (pattern, scope) = match rest.strip_prefix('/') {
            Some(anchored) => (anchored, Scope::WholePath),
            None if rest.contains('/') => (rest, Scope::WholePath),
            None => (rest, Scope::LastPart),
        };
        self.0.push(Rule {
            // Go: a part of a good pattern that is none by itself matches nothing.
            pattern: Pattern::parse(pattern).unwrap_or(Pattern::unchecked("[")),
            negated,
            folders_only,
            scope,
        });
        Ok(())
    }

    /// Those of the files that are not left out, by themselves or with a folder above them.
    pub(crate) fn kept<'p>(&self, paths: impl Iterator<Item = &'p str>) -> Vec<&'p str> {
        // Files of a folder mostly come one after another.
        let mut last = ("", false);
        let mut kept = Vec::new();
        for path in paths {
            let folder = path.rfind('/').map_or("", |end| &path[..=end]);
            if folder != last.0 {
                let mut parents = folder.match_indices('/');
                last = (folder, parents.any(|(end, _)| self.ignores(&path[..end], true)));
            }
            if !last.1 && !self.ignores(path, false) {
                kept.push(path);
            }
        }
        kept
    }

    /// Go: `ignore.Rules.Ignore`, its treatment of negated rules included.
    fn ignores(&self, path: &str, is_folder: bool) -> bool {
        for rule in &self.0 {
            let wrong_type = rule.folders_only && !is_folder;
            if rule.negated {
                if wrong_type || !rule.matches(path) {
                    return true;
                }
            } else if !wrong_type && rule.matches(path) {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        let subject = match self.scope {
            Scope::WholePath => path,
            Scope::LastPart => path.rsplit('/').next().unwrap_or(path),
        };
        self.pattern.matches(subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &str, path: &str, want: bool) {
        let rules = IgnoreRules::parse(rules).expect("valid rules").with_defaults();
        assert_eq!(rules.kept(std::iter::once(path)).is_empty(), want, "{path}");
    }

    #[test]
    fn rules() {
        check("helm.txt", "helm.txt", true);
        check("helm.*", "docs/helm.txt", true);
        check("*.txt", "docs/helm.txt", true);
        check("docs/*.txt", "docs/helm.txt", true);
        check("/helm.txt", "docs/helm.txt", false);
        check("/helm.txt", "helm.txt", true);
        check("docs/", "docs/helm.txt", true);
        check("docs/", "docs", false);
        check("cargo/a/b", "cargo/a/b/c.txt", true);
        check("# comment\n\n", "comment", false);
        check("", "templates/.dotfile", true);
        check("", "templates/sub/.dotfile", false);
        check("!helm.txt", "other.txt", true);
        check("!helm.txt", "helm.txt", false);
        check("!docs/", "docs", true);
    }

    #[test]
    fn folders_in_turn() {
        let rules = IgnoreRules::parse("docs/").expect("valid rules");
        let paths = ["a", "docs/a", "docs/b", "b/docs/c", "b/c", "docs/d", "c"];
        assert_eq!(rules.kept(paths.into_iter()), ["a", "b/c", "c"]);
    }

    #[test]
    fn refused() {
        assert_eq!(IgnoreRules::parse("a/**/b").err(), Some(IgnoreError::DoubleStar));
        assert_eq!(
            IgnoreRules::parse("a[").err(),
            Some(IgnoreError::Pattern("a[".to_owned()))
        );
    }
}
