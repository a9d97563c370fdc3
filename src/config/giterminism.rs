//! `werf-giterminism.yaml`: what of a project may come from elsewhere than its commit.
//!
//! One table has every key with its type and what it allows; reading, the reference and the checks use it. Unknown
//! keys are mistakes: a misspelled one would allow nothing, and nobody would know.

use std::collections::BTreeMap;

use kiel_template::yaml::{self, Node};
use regex::Regex;

use super::reader::{Reader, read_strict, scalar};
use super::schema::nearest_name;
use crate::diagnostic::{Diagnostic, Mistakes};

/// The file's name, in the project's folder.
pub const FILE: &str = "werf-giterminism.yaml";

const VERSION: &str = "giterminismConfigVersion";

/// What stands behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleType {
    /// `true` or `false`.
    Switch,
    /// A list of names, paths or globs.
    List,
}

/// A key of the file.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its names from the top, joined by dots.
    pub key: &'static str,
    /// What stands behind it.
    pub kind: RuleType,
    /// What it allows, for the reference.
    pub allows: &'static str,
}

const fn switch(key: &'static str, allows: &'static str) -> Rule {
    Rule {
        key,
        kind: RuleType::Switch,
        allows,
    }
}

const fn list(key: &'static str, allows: &'static str) -> Rule {
    Rule {
        key,
        kind: RuleType::List,
        allows,
    }
}

impl Rule {
    /// What it may look like in the file, on one line.
    #[must_use]
    pub fn example(&self) -> String {
        let value = match (self.kind, self.key) {
            (RuleType::Switch, _) => "true",
            (_, "config.goTemplateRendering.allowEnvVariables") => "[CI_COMMIT_REF_NAME, /APP_.+/]",
            (_, "config.secrets.allowEnvVariables") => "[TOKEN]",
            (_, "config.secrets.allowFiles") => "[~/.npmrc]",
            (_, "config.secrets.allowValueIds") => "[token]",
            (_, "config.stapel.mount.allowFromPaths") => "[~/.m2]",
            (_, "config.dockerfile.allowUncommitted") => "[Dockerfile]",
            (_, "config.dockerfile.allowUncommittedDockerignoreFiles") => "[.dockerignore]",
            (_, "helm.allowUncommittedFiles") => "[.helm/values-local.yaml]",
            _ => "[local/**]",
        };
        let mut parts = self.key.rsplit('.');
        let mut text = format!("{}: {value}", parts.next().unwrap_or_default());
        for part in parts {
            text = format!("{part}: {{{text}}}");
        }
        text
    }
}

/// Every key.
pub const RULES: &[Rule] = &[
    switch(
        "cli.allowCustomTags",
        "tags of the user's own, `--use-custom-tag`",
    ),
    switch("config.allowUncommitted", "werf.yaml as it is in the work tree"),
    list(
        "config.allowUncommittedTemplates",
        "templates of werf.yaml (`.werf/**/*.tmpl`) as they are in the work tree; paths, folders or globs",
    ),
    list(
        "config.goTemplateRendering.allowEnvVariables",
        "variables for `env` in the templates of werf.yaml; names, or `/expressions/` for the whole name",
    ),
    list(
        "config.goTemplateRendering.allowUncommittedFiles",
        "what `.Files` reads, as it is in the work tree; paths, folders or globs",
    ),
    list(
        "config.secrets.allowEnvVariables",
        "variables as secrets of a build; names",
    ),
    list(
        "config.secrets.allowFiles",
        "files of the machine as secrets of a build; paths or globs, `~` is the home folder",
    ),
    list(
        "config.secrets.allowValueIds",
        "secrets of a build that stand in werf.yaml; ids",
    ),
    switch("config.stapel.allowFromLatest", "`fromLatest`"),
    switch(
        "config.stapel.git.allowBranch",
        "mappings of other repositories by branch, or without one",
    ),
    switch("config.stapel.mount.allowBuildDir", "mounts `from: build_dir`"),
    list(
        "config.stapel.mount.allowFromPaths",
        "mounts with `fromPath`; paths or globs",
    ),
    list(
        "config.dockerfile.allowUncommitted",
        "Dockerfiles as they are in the work tree; paths, folders or globs",
    ),
    list(
        "config.dockerfile.allowUncommittedDockerignoreFiles",
        "`.dockerignore` files as they are in the work tree; paths, folders or globs",
    ),
    list(
        "config.dockerfile.allowContextAddFiles",
        "files named by `contextAddFiles`; paths, folders or globs",
    ),
    list(
        "helm.allowUncommittedFiles",
        "files of the chart and of values, as they are in the work tree; paths, folders or globs",
    ),
    switch("includes.allowIncludesUpdate", "`--allow-includes-update`"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    Switch(bool),
    List(Vec<String>),
}

/// A file that was read; without one, nothing is allowed.
#[derive(Debug, Clone, Default)]
pub struct Giterminism {
    settings: BTreeMap<&'static str, Setting>,
    variables: Vec<Variable>,
}

#[derive(Debug, Clone)]
enum Variable {
    Name(String),
    Expression(Regex),
}

impl Giterminism {
    /// Reads the file.
    ///
    /// # Errors
    /// All of its mistakes, with werf's words where werf has some.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        read_strict(FILE, text, |reader, node| {
            let mut read = Self::default();
            match node {
                Some(node) => read.document(reader, node),
                None => reader.mistakes.push(missing_version(1, 1)),
            }
            read
        })
    }

    fn document(&mut self, reader: &mut Reader, node: &Node<'_>) {
        let mut version = None;
        for (key, value) in reader.entries(node, "the file") {
            if key.text() == Some(VERSION) {
                version = Some(value);
            } else {
                self.entry(reader, key, value, "");
            }
        }
        match version.map(|value| (value, scalar(value))) {
            Some((_, Some("1"))) => {}
            Some((value, Some(_))) => reader.mistake(
                value,
                format!(
                    "\"{VERSION}\" must validate one and only one schema (oneOf). Found none valid\n{VERSION} in body \
                     should be one of [1]"
                ),
                Some(format!("write `{VERSION}: 1`")),
            ),
            _ => reader.mistakes.push(missing_version(node.line, node.column)),
        }
    }

    /// `above` is what stands before the key's name, with a dot at its end, or nothing.
    fn entry(&mut self, reader: &mut Reader, key: &Node<'_>, value: &Node<'_>, above: &str) {
        let path = format!("{above}{}", key.text().unwrap_or_default());
        if let Some(rule) = RULES.iter().find(|rule| rule.key == path) {
            if !value.is_null() {
                self.setting(reader, rule, value);
            }
            return;
        }
        let below = format!("{path}.");
        if RULES.iter().any(|rule| rule.key.starts_with(&below)) {
            if value.is_null() {
                return;
            }
            for (key, value) in reader.entries(value, &format!("`{path}`")) {
                self.entry(reader, key, value, &below);
            }
            return;
        }
        let siblings: Vec<&str> = RULES
            .iter()
            .filter_map(|rule| rule.key.strip_prefix(above)?.split('.').next())
            .chain(above.is_empty().then_some(VERSION))
            .collect();
        let hint = nearest_name(&siblings, key.text().unwrap_or_default())
            .map(|known| format!("did you mean `{known}`?"));
        reader.mistake(key, format!("unknown key `{path}`"), hint);
    }

    fn setting(&mut self, reader: &mut Reader, rule: &'static Rule, value: &Node<'_>) {
        let type_of = |node: &Node<'_>| {
            if node.items().is_some() {
                return "array";
            }
            match node.resolved() {
                Ok(Some(yaml::Resolved::Bool(_))) => "boolean",
                Ok(Some(yaml::Resolved::Int(_))) => "integer",
                _ if node.text().is_some() => "string",
                _ => "object",
            }
        };
        match rule.kind {
            RuleType::Switch => match value.resolved() {
                Ok(Some(yaml::Resolved::Bool(allowed))) => {
                    self.settings.insert(rule.key, Setting::Switch(allowed));
                }
                _ => reader.mistake(
                    value,
                    format!(
                        "{} in body must be of type boolean: \"{}\"",
                        rule.key,
                        type_of(value)
                    ),
                    Some("write true or false".to_owned()),
                ),
            },
            RuleType::List => {
                let Some(items) = value.items() else {
                    let text = format!(
                        "{} in body must be of type array: \"{}\"",
                        rule.key,
                        type_of(value)
                    );
                    reader.mistake(value, text, Some("write a list: [a, b]".to_owned()));
                    return;
                };
                let mut texts = Vec::new();
                for item in items {
                    match scalar(item) {
                        Some(text) => texts.push(text.to_owned()),
                        None => reader.mistake(item, format!("an item of {} must be text", rule.key), None),
                    }
                }
                if rule.key == "config.goTemplateRendering.allowEnvVariables" {
                    self.variables(reader, value, &texts);
                }
                self.settings.insert(rule.key, Setting::List(texts));
            }
        }
    }

    fn variables(&mut self, reader: &mut Reader, node: &Node<'_>, texts: &[String]) {
        for text in texts {
            let expression = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
            match expression.map(|expression| Regex::new(&format!("^(?:{expression})$"))) {
                None => self.variables.push(Variable::Name(text.clone())),
                Some(Ok(expression)) => self.variables.push(Variable::Expression(expression)),
                Some(Err(error)) => reader.mistake(node, format!("`{text}` is no expression: {error}"), None),
            }
        }
    }

    /// Whether a switch is on.
    #[must_use]
    pub fn allows(&self, key: &str) -> bool {
        self.settings.get(key) == Some(&Setting::Switch(true))
    }

    /// The items of a list.
    #[must_use]
    pub fn list(&self, key: &str) -> &[String] {
        match self.settings.get(key) {
            Some(Setting::List(items)) => items,
            _ => &[],
        }
    }

    /// Whether the templates of werf.yaml may read this variable.
    #[must_use]
    pub fn allows_variable(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| match variable {
            Variable::Name(allowed) => allowed == name,
            Variable::Expression(expression) => expression.is_match(name),
        })
    }
}

fn missing_version(line: usize, column: usize) -> Diagnostic {
    Diagnostic {
        line,
        column,
        message: format!(".{VERSION} in body is required"),
        hint: Some(format!("add `{VERSION}: 1`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let list = Giterminism::parse(text).expect_err("it has mistakes").list;
        list.into_iter().map(|mistake| mistake.message).collect()
    }

    #[test]
    fn the_page_has_every_rule() {
        let page = include_str!("../../docs/giterminism.md");
        for rule in RULES {
            let kind = match rule.kind {
                RuleType::Switch => "true or false",
                RuleType::List => "list",
            };
            let row = format!("| `{}` | {kind} | {} |", rule.key, rule.allows);
            assert!(
                page.lines().any(|line| line == row),
                "docs/giterminism.md lacks {row}"
            );
        }
    }

    #[test]
    fn rules_are_read() {
        let text = "giterminismConfigVersion: \"1\"\nconfig:\n  allowUncommitted: yes\n  goTemplateRendering:\n    \
                    allowEnvVariables: [FOO, /CI_.+/]\nhelm: {allowUncommittedFiles: [a, \"b/*\"]}\n";
        let read = Giterminism::parse(text).expect("it is right");
        assert!(read.allows("config.allowUncommitted") && !read.allows("cli.allowCustomTags"));
        assert_eq!(read.list("helm.allowUncommittedFiles"), ["a", "b/*"]);
        for (name, allowed) in [("FOO", true), ("CI_X", true), ("CI_", false), ("MY_CI_X", false)] {
            assert_eq!(read.allows_variable(name), allowed, "{name}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, want) in [
            ("config: {}\n", ".giterminismConfigVersion in body is required"),
            ("", ".giterminismConfigVersion in body is required"),
            (
                "giterminismConfigVersion: 1\nconfig: {allowUncommitted: \"yes\"}\n",
                "config.allowUncommitted in body must be of type boolean: \"string\"",
            ),
            (
                "giterminismConfigVersion: 1\nconfig: {allowUncommittedTemplates: a}\n",
                "config.allowUncommittedTemplates in body must be of type array: \"string\"",
            ),
            (
                "giterminismConfigVersion: 1\nconfig: {allowUncommited: true}\n",
                "unknown key `config.allowUncommited`",
            ),
        ] {
            assert_eq!(mistakes(text), [want], "{text}");
        }
        let list = Giterminism::parse("giterminismConfigVersion: 1\nconfig: {allowUncommited: true}\n")
            .expect_err("a mistake")
            .list;
        assert_eq!(list[0].hint.as_deref(), Some("did you mean `allowUncommitted`?"));
    }
}
