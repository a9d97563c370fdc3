//! Giterminism: what counts is in the commit, or `werf-giterminism.yaml` allows it to be elsewhere.
//!
//! Refusals are werf's sentences, which scripts look for; each is followed by what to run and what to write. With
//! `--loose-giterminism` nothing is refused and the configuration is read from the work tree; with `--dev` the work
//! tree counts as if it had been committed.

mod config;
mod covered;
mod project;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use kiel_template::files::FileTree as _;

pub(crate) use self::config::{FileGlob, TemplateGuard, machine_path};
use self::covered::{Covered, is_covered};
use super::error::CommandError;
pub(crate) use crate::config::clean;
use crate::config::giterminism::{FILE, Giterminism, RULES, RuleType};
use crate::git::patterns::PathMatch;
use crate::git::{Difference, GitError, Repository, Scope, SourceTree};

/// How many files a warning or a remedy names.
const SHOWN: usize = 10;

/// As many links as Linux follows for one path.
const MAX_LINKS: usize = 40;

/// What the work tree counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing, but for what the rules allow.
    Strict,
    /// The configuration is read from it.
    Loose,
    /// All of it counts.
    Dev,
}

/// Knows what may be read.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    repository: Repository,
    commit: SourceTree,
    rules: Giterminism,
    /// Where the rules are, relative to the project.
    file: Arc<str>,
    mode: Mode,
}

/// Files that may not be read as they are.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// werf's words.
    pub(crate) sentence: String,
    /// Relative to the project.
    paths: Vec<String>,
    /// The key that would allow them.
    rule: Option<&'static str>,
    kind: Difference,
    /// Where the key would stand.
    file: Arc<str>,
}

impl Refusal {
    /// The sentence with what stands before it, and the remedy.
    pub(crate) fn error(&self, before: &str) -> CommandError {
        CommandError::new(format!("Error: {before}{}", self.sentence)).hint(self.remedy())
    }

    fn remedy(&self) -> String {
        let quoted = |path: &String| {
            if path.chars().all(|c| c.is_alphanumeric() || "/._-+@".contains(c)) {
                path.clone()
            } else {
                format!("'{}'", path.replace('\'', "'\\''"))
            }
        };
        let first = self.paths.first().map(quoted).unwrap_or_default();
        match self.kind {
            Difference::SubmoduleMoved => {
                return format!(
                    "git add {first} && git commit, or back to the recorded commit: git submodule update {first}"
                );
            }
            Difference::SubmoduleDeleted => {
                return format!(
                    "git submodule update --init {first}, or remove it: git rm {first} && git commit"
                );
            }
            Difference::SubmoduleUntracked | Difference::SubmoduleChanged => {
                return format!(
                    "git -C {first} add --all && git -C {first} commit && git add {first} && git commit"
                );
            }
            _ => {}
        }
        let names = if self.paths.len() > SHOWN {
            "--all".to_owned()
        } else {
            self.paths.iter().map(quoted).collect::<Vec<_>>().join(" ")
        };
        let mut text = format!("git add {names} && git commit, or try it with --dev before");
        if let Some(rule) = self.rule {
            text = format!("{text}\n{}", to_allow(&self.file, rule, &self.paths));
        }
        text
    }
}

/// What to write to allow something.
fn to_allow(file: &str, rule: &str, items: &[String]) -> String {
    let mut text = format!("to allow it, add to {file}:");
    for (depth, part) in rule.split('.').enumerate() {
        let indent = "  ".repeat(depth + 1);
        // Writing to a String cannot fail.
        _ = write!(text, "\n{indent}{part}:");
    }
    let is_list = RULES
        .iter()
        .any(|known| known.key == rule && known.kind == RuleType::List);
    if !is_list {
        text.push_str(" true");
    } else {
        _ = write!(text, " [{}]", items.join(", "));
    }
    text
}

impl Guard {
    /// Reads the rules; `dir` is the project's folder in the repository.
    /// The rules stand in `file`, else where they usually do.
    pub(crate) fn new(
        repository: &Repository,
        commit: &SourceTree,
        file: Option<&str>,
        mode: Mode,
    ) -> Result<Self, CommandError> {
        let named = file.map(clean);
        let file: Arc<str> = named.as_deref().unwrap_or(FILE).into();
        let mut guard = Self {
            repository: repository.clone(),
            commit: commit.clone(),
            rules: Giterminism::default(),
            file: Arc::clone(&file),
            mode,
        };
        if mode == Mode::Loose {
            return Ok(guard);
        }
        if let Some(refusal) = guard.own_file(&file)? {
            return Err(refusal.error("unable to read werf giterminism config: "));
        }
        let Some(content) = commit.files_at(repository.prefix()).read(&file)? else {
            return match named {
                None => Ok(guard),
                Some(_) => Err(CommandError::new(format!(
                    "cannot read the giterminism configuration `{file}`: the commit has no such file"
                ))),
            };
        };
        guard.rules = Giterminism::parse(&String::from_utf8_lossy(&content)).map_err(|mut mistakes| {
            mistakes.file = file.to_string();
            let text = mistakes.to_string();
            let before = "Error: the giterminism config validation failed: ";
            CommandError::new(text.replacen("error: ", before, 1))
        })?;
        Ok(guard)
    }

    /// The commit with those files of the work tree in place of its own that may be read: for everything but the
    /// files of images.
    pub(crate) fn inputs(&self, config: &[&str]) -> Result<SourceTree, CommandError> {
        let mut paths = Vec::new();
        match self.mode {
            Mode::Loose => {
                let config: Vec<String> = config.iter().map(|path| self.in_repository(path)).collect();
                let config: Vec<&str> = config.iter().map(String::as_str).collect();
                let all = Scope {
                    dir: self.repository.prefix(),
                    filter: &|_: &str| true,
                };
                paths = self.repository.uncommitted(&self.commit, &[all], &config)?;
            }
            Mode::Strict | Mode::Dev => {
                if self.mode == Mode::Strict && self.rules.allows("config.allowUncommitted") {
                    let config: Vec<String> = config.iter().map(|path| self.in_repository(path)).collect();
                    let config: Vec<&str> = config.iter().map(String::as_str).collect();
                    paths.extend(self.repository.uncommitted(&self.commit, &[], &config)?);
                }
                let lists = RULES.iter().filter(|rule| rule.key.contains("llowUncommitted"));
                let allowed = Covered::new(lists.flat_map(|rule| self.rules.list(rule.key)));
                if !allowed.is_empty() {
                    // What is allowed is often ignored as well: files that a job has made or brought.
                    let scope = Scope {
                        dir: self.repository.prefix(),
                        filter: &allowed,
                    };
                    paths.extend(self.repository.uncommitted_or_ignored(&self.commit, scope)?);
                }
            }
        }
        Ok(self.repository.overlay(&self.commit, &paths)?)
    }

    /// Why the file at `path` may not be read, if it may not; `rule` is the list or switch that allows it.
    pub(crate) fn file(&self, path: &str, rule: Option<&'static str>) -> Result<Option<Refusal>, GitError> {
        if self.mode != Mode::Strict {
            return Ok(None);
        }
        let full = self.in_repository(path);
        if full == ".." || full.starts_with("../") {
            return Ok(None);
        }
        let path = &*self.in_project(&full);
        let found = self.repository.differences(&self.commit, &[], &[&full])?;
        let found: BTreeMap<String, Difference> = found
            .into_iter()
            .map(|(path, kind)| (self.in_project(&path), kind))
            .collect();
        let refused = |path: &String| rule.is_none_or(|rule| !self.accepts(rule, path));
        if let Some((other, _)) = found.iter().find(|(other, _)| *other != path && refused(other)) {
            // The file itself is as committed, or allowed; what its links lead to is not.
            let sentence = if refused(&path.to_owned()) || rule.is_none() {
                format!(
                    "symlink {path:?} check failed: {}",
                    sentence(std::slice::from_ref(other), found[other])
                )
            } else {
                format!(
                    "accepted file {path:?} check failed: the link target {other:?} should be also accepted by \
                     giterminism config"
                )
            };
            if !found.contains_key(path) {
                return Ok(Some(Refusal {
                    sentence,
                    paths: vec![other.clone()],
                    rule,
                    kind: found[other],
                    file: Arc::clone(&self.file),
                }));
            }
        }
        let refused_here = found.get(path).filter(|_| refused(&path.to_owned()));
        match (refused_here, rule) {
            (Some(kind), _) => Ok(Some(self.refusal(vec![path.to_owned()], *kind, rule))),
            (None, Some(rule)) if found.contains_key(path) => self.accepted_link(path, rule),
            _ => Ok(None),
        }
    }

    /// Why a file that is accepted as the work tree has it may not be read: as a link it leads to one that differs, is not
    /// accepted itself, and would be read as it is committed.
    fn accepted_link(&self, path: &str, rule: &'static str) -> Result<Option<Refusal>, GitError> {
        let targets = self.targets(&self.in_repository(path));
        if targets.is_empty() {
            return Ok(None);
        }
        let wanted: Vec<&str> = targets.iter().map(String::as_str).collect();
        let found = self.repository.differences(&self.commit, &[], &wanted)?;
        let mut found = found
            .into_iter()
            .map(|(other, kind)| (self.in_project(&other), kind));
        let refused = found.find(|(other, _)| other != path && !self.accepts(rule, other));
        Ok(refused.map(|(other, kind)| Refusal {
            sentence: format!(
                "accepted file {path:?} check failed: the link target {other:?} should be also accepted by giterminism \
                 config"
            ),
            paths: vec![other],
            rule: Some(rule),
            kind,
            file: Arc::clone(&self.file),
        }))
    }

    /// Where a link of the work tree leads, link by link, as far as that is in the repository.
    fn targets(&self, path: &str) -> Vec<String> {
        let (mut targets, mut at) = (Vec::new(), path.to_owned());
        let Some(work_dir) = self.repository.work_dir() else {
            return targets;
        };
        while targets.len() < MAX_LINKS
            && let Ok(target) = fs_err::read_link(work_dir.join(&at))
            && let Some(target) = target.to_str().filter(|target| !target.starts_with('/'))
        {
            let folder = at.rsplit_once('/').map_or("", |(folder, _)| folder);
            at = clean(&format!("{folder}/{target}"));
            if at.starts_with("..") {
                break;
            }
            targets.push(at.clone());
        }
        targets
    }

    /// With `--loose-giterminism`, a file that Git ignores: it counts where it is named.
    pub(crate) fn ignored_file(&self, path: &str) -> Option<Vec<u8>> {
        if self.mode != Mode::Loose {
            return None;
        }
        let full = self.in_repository(path);
        let tree = self.repository.overlay(&self.commit, std::slice::from_ref(&full));
        let content = tree.ok()?.files_at("").read(&full).ok()??;
        Some(content.to_vec())
    }

    /// As [`Self::file`], of a file that only a commit may change.
    pub(crate) fn own_file(&self, path: &str) -> Result<Option<Refusal>, GitError> {
        Ok(self.file(path, None)?.filter(|refusal| !refusal.is_ignored()))
    }

    /// Why the files below `dir` that `filter` takes may not be read, if they may not.
    pub(crate) fn folder(
        &self,
        dir: &str,
        filter: &dyn PathMatch,
        rule: &'static str,
    ) -> Result<Option<Refusal>, GitError> {
        if self.mode != Mode::Strict {
            return Ok(None);
        }
        // The folder may be a link.
        let full = self.in_repository(dir);
        if full == ".." || full.starts_with("../") {
            return Ok(None);
        }
        let full = self.commit.resolve(&full)?.unwrap_or(full);
        let scope = Scope { dir: &full, filter };
        let found = self.repository.differences(&self.commit, &[scope], &[])?;
        let in_project = found
            .into_iter()
            .map(|(path, kind)| (self.in_project(&path), kind));
        let (accepted, refused): (Vec<_>, Vec<_>) =
            in_project.partition(|(path, _)| self.accepts(rule, path));
        if let Some(refusal) = self.judge(refused.into_iter(), Some(rule)) {
            return Ok(Some(refusal));
        }
        for (path, _) in accepted {
            if let Some(refusal) = self.accepted_link(&path, rule)? {
                return Ok(Some(refusal));
            }
        }
        Ok(None)
    }

    /// New files are told before changed ones, and alone.
    fn judge(
        &self,
        found: impl Iterator<Item = (String, Difference)>,
        rule: Option<&'static str>,
    ) -> Option<Refusal> {
        let (mut untracked, mut changed, mut submodule) = (Vec::new(), Vec::new(), None);
        for (path, kind) in found {
            match kind {
                Difference::Changed => changed.push(path),
                Difference::Untracked | Difference::Ignored => untracked.push(path),
                _ => _ = submodule.get_or_insert((path, kind)),
            }
        }
        if !untracked.is_empty() {
            return Some(self.refusal(untracked, Difference::Untracked, rule));
        }
        if !changed.is_empty() {
            return Some(self.refusal(changed, Difference::Changed, rule));
        }
        submodule.map(|(path, kind)| self.refusal(vec![path], kind, None))
    }

    fn refusal(&self, paths: Vec<String>, kind: Difference, rule: Option<&'static str>) -> Refusal {
        Refusal {
            sentence: sentence(&paths, kind),
            paths,
            rule,
            kind,
            file: Arc::clone(&self.file),
        }
    }

    fn accepts(&self, rule: &str, path: &str) -> bool {
        self.rules.allows(rule)
            || self
                .rules
                .list(rule)
                .iter()
                .any(|pattern| is_covered(pattern, path))
    }

    /// A path of the project as one of the repository; what lies outside of that begins with `../`.
    fn in_repository(&self, path: &str) -> String {
        clean(&format!("{}/{path}", self.repository.prefix()))
    }

    /// The other way round; what lies outside of the project begins with `../`.
    fn in_project(&self, path: &str) -> String {
        let (mut folders, mut rest) = (self.repository.prefix(), path);
        while let Some((folder, below)) = rest.split_once('/')
            && let Some(deeper) = folders.strip_prefix(folder)
            && (deeper.is_empty() || deeper.starts_with('/'))
            && !folders.is_empty()
        {
            (folders, rest) = (deeper.trim_start_matches('/'), below);
        }
        let above = folders.split('/').filter(|folder| !folder.is_empty()).count();
        format!("{}{rest}", "../".repeat(above))
    }
}

impl Refusal {
    /// A file that Git does not see is as good as none.
    pub(crate) fn is_ignored(&self) -> bool {
        self.sentence.is_empty()
    }
}

/// werf's words; nothing for a file that is ignored, which is as good as none.
fn sentence(paths: &[String], kind: Difference) -> String {
    let push = "(do not forget to push new changes to the submodule remote)";
    let name = paths.first().map(String::as_str).unwrap_or_default();
    let word = match kind {
        Difference::Changed => "",
        Difference::Untracked => "untracked ",
        Difference::Ignored => return String::new(),
        Difference::SubmoduleAdded => return format!("the added submodule {name:?} must be committed"),
        Difference::SubmoduleDeleted => return format!("the deleted submodule {name:?} must be committed"),
        Difference::SubmoduleMoved => {
            return format!(
                "the submodule {name:?} is not clean and must be committed. Do not forget to push the current commit to \
                 the submodule remote if this commit exists only locally"
            );
        }
        Difference::SubmoduleUntracked => {
            return format!(
                "the submodule {name:?} has untracked changes that must be discarded or committed {push}"
            );
        }
        Difference::SubmoduleChanged => {
            return format!(
                "the submodule {name:?} has uncommitted changes that must be discarded or committed {push}"
            );
        }
    };
    match paths {
        [path] => format!("the {word}file {path:?} must be committed"),
        paths => {
            let lines: String = paths.iter().map(|path| format!(" - {path}\n")).collect();
            format!("the following {word}files must be committed:\n\n{lines}")
        }
    }
}
