//! What the configuration may be: its file, its templates, what they read, and what it depends on beside the commit.

use std::path::Path;

use kiel_template::files::{FileError, FileTree as _};

use super::{Guard, Mode, Refusal, clean, to_allow};
use crate::cli::env::Environment;
use crate::cli::error::CommandError;
use crate::config::model::ExternalKind;
use crate::config::{ConfigError, Inspector, Loaded, PathGlob};
use crate::diagnostic::{Diagnostic, Mistakes};
use crate::git::patterns::{Glob, PathMatch};
use crate::git::{GitError, SourceTree};

const RENDER: &str = "unable to render werf config: ";

impl Guard {
    /// Which of the names is the configuration, and whether it may be read.
    pub(crate) fn check_config(&self, names: &[&str], inputs: &SourceTree) -> Result<(), CommandError> {
        let before = format!("{RENDER}unable to read werf config: ");
        let files = inputs.files_at(self.repository.prefix());
        for name in names {
            let refusal = self.file(name, Some("config.allowUncommitted"))?;
            match refusal {
                Some(refusal) if !refusal.is_ignored() => return Err(refusal.error(&before)),
                Some(_) => {}
                None => match files.read(name) {
                    Ok(None) => {}
                    Ok(Some(_)) => return Ok(()),
                    Err(error) => return Err(self.unreadable(name, inputs, &before, &error)),
                },
            }
        }
        let missing = ConfigError::Missing {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            is_loose: self.mode == Mode::Loose,
        };
        Err(CommandError::from(missing)
            .hint("create it with `project: NAME` and `configVersion: 1`, and commit it"))
    }

    /// A link of the commit that leaves the repository, in werf's words; one of the work tree is no file.
    fn unreadable(&self, name: &str, inputs: &SourceTree, before: &str, error: &FileError) -> CommandError {
        let full = self.in_repository(name);
        match (self.commit.resolve(&full), inputs.resolve(&full)) {
            (Err(GitError::LinkLeaves { target, .. }), _) => CommandError::new(format!(
                "Error: {before}symlink {name:?} check failed: commit tree entry {target:?} not found in the repository"
            )),
            (_, Err(GitError::LinkLeaves { .. })) => CommandError::from(ConfigError::Missing {
                names: vec![name.to_owned()],
                is_loose: self.mode == Mode::Loose,
            }),
            (Err(error), _) | (_, Err(error)) => error.into(),
            _ => CommandError::new(format!("Error: {before}{error}")),
        }
    }

    /// The templates of the configuration.
    pub(crate) fn check_templates(&self, dir: &str) -> Result<(), CommandError> {
        let filter = |path: &str| path.ends_with(".tmpl");
        let refusal = self.folder(dir, &filter, "config.allowUncommittedTemplates")?;
        let again = "unable to read werf config templates: ".repeat(3);
        refusal.map_or(Ok(()), |refusal| Err(refusal.error(&format!("{RENDER}{again}"))))
    }
}

impl Guard {
    /// Whether includes may be newer than their lock.
    pub(crate) fn check_includes_update(&self) -> Result<(), CommandError> {
        let rule = "includes.allowIncludesUpdate";
        if self.mode == Mode::Loose || self.rules.allows(rule) {
            return Ok(());
        }
        let text = "Error: the configuration with potential external dependency found in the werf config: using \
                    --allow-includes-update option is not allowed by giterminism.";
        Err(CommandError::new(text).hint(to_allow(&self.file, rule, &[])))
    }

    /// Why a file may not be read by templates, if it may not.
    pub(crate) fn template_file(&self, path: &str) -> Result<Option<Refusal>, GitError> {
        let refusal = self.file(path, Some(TEMPLATE_FILES))?;
        Ok(refusal.filter(|refusal| !refusal.is_ignored()))
    }

    /// What of the configuration depends on more than the commit.
    pub(crate) fn check_external(
        &self,
        loaded: &Loaded,
        dir: &Path,
        env: &Environment,
    ) -> Result<(), CommandError> {
        if self.mode == Mode::Loose {
            return Ok(());
        }
        let mut list = Vec::new();
        for external in &loaded.config.external {
            let (rule, item, words) = match &external.what {
                ExternalKind::FromLatest => (
                    "config.stapel.allowFromLatest",
                    None,
                    "fromLatest directive not allowed by giterminism".to_owned(),
                ),
                ExternalKind::GitBranch => (
                    "config.stapel.git.allowBranch",
                    None,
                    "git branch directive not allowed by giterminism".to_owned(),
                ),
                ExternalKind::MountBuildDir => (
                    "config.stapel.mount.allowBuildDir",
                    None,
                    "\"mount { from: build_dir, ... }\" not allowed by giterminism".to_owned(),
                ),
                ExternalKind::MountFromPath(path) => (
                    "config.stapel.mount.allowFromPaths",
                    Some(path),
                    format!("\"mount {{ fromPath: {path}, ... }}\" not allowed by giterminism"),
                ),
                ExternalKind::ContextAddFile(path) => (
                    "config.dockerfile.allowContextAddFiles",
                    Some(path),
                    format!("contextAddFile {path:?} not allowed by giterminism"),
                ),
                ExternalKind::SecretEnv(name) => (
                    "config.secrets.allowEnvVariables",
                    Some(name),
                    format!("secret {name:?} is not allowed by giterminism"),
                ),
                ExternalKind::SecretFile(path) => (
                    "config.secrets.allowFiles",
                    Some(path),
                    format!("secret {path:?} is not allowed by giterminism"),
                ),
                ExternalKind::SecretValue(id) => (
                    "config.secrets.allowValueIds",
                    Some(id),
                    format!("secret {id:?} is not allowed by giterminism"),
                ),
            };
            let is_allowed = match (&external.what, item) {
                (_, None) => self.rules.allows(rule),
                (ExternalKind::ContextAddFile(_), Some(path)) => self.accepts(rule, path),
                (ExternalKind::MountFromPath(_) | ExternalKind::SecretFile(_), Some(path)) => {
                    let absolute = |path: &str| machine_path(dir, path, env);
                    let wanted = absolute(path);
                    self.rules.list(rule).iter().any(|allowed| {
                        let allowed = absolute(allowed);
                        allowed == wanted || Glob::new(&allowed).is_ok_and(|glob| glob.matches(&wanted))
                    })
                }
                (_, Some(name)) => self.rules.list(rule).contains(name),
            };
            if !is_allowed {
                list.push(Diagnostic {
                    line: external.line,
                    column: external.column,
                    message: words,
                    hint: Some(to_allow(&self.file, rule, item.map_or(&[], std::slice::from_ref))),
                });
            }
        }
        if list.is_empty() {
            return Ok(());
        }
        let mistakes = Mistakes {
            file: loaded.shown.clone(),
            text: loaded.rendered.clone(),
            list,
        };
        let before = "Error: the configuration with potential external dependency found in the werf config: ";
        Err(CommandError::new(
            mistakes.to_string().replacen("error: ", before, 1),
        ))
    }
}

/// A path of the machine: absolute, below the home folder, or relative to the project.
pub(crate) fn machine_path(dir: &Path, path: &str, env: &Environment) -> String {
    let full = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            env.home().unwrap_or_default().join(rest.trim_start_matches('/'))
        }
        _ => std::path::absolute(dir).unwrap_or_default().join(path),
    };
    format!("/{}", clean(&full.to_string_lossy()))
}

/// A glob of `.Files.Glob`.
pub(crate) struct FileGlob(pub(crate) Glob);

impl PathGlob for FileGlob {
    fn matches(&self, path: &str) -> bool {
        self.0.matches(path)
    }

    fn may_match_below(&self, dir: &str) -> bool {
        self.0.may_match_below(dir)
    }
}

/// The same in a folder.
struct Below<'a> {
    dir: &'a str,
    glob: &'a dyn PathGlob,
}

impl Below<'_> {
    fn full(&self, path: &str) -> String {
        let slash = if self.dir.is_empty() { "" } else { "/" };
        format!("{}{slash}{path}", self.dir)
    }
}

impl PathMatch for Below<'_> {
    fn matches(&self, path: &str) -> bool {
        self.glob.matches(&self.full(path))
    }

    fn may_match_below(&self, dir: &str) -> bool {
        dir.is_empty() || self.glob.may_match_below(&self.full(dir))
    }
}

/// What the templates of the configuration may read.
pub(crate) struct TemplateGuard(pub(crate) Guard);

const TEMPLATE_FILES: &str = "config.goTemplateRendering.allowUncommittedFiles";

impl Inspector for TemplateGuard {
    fn file(&self, path: &str) -> Result<(), String> {
        let full = self.0.in_repository(path);
        if let Err(GitError::LinkLeaves { target, .. }) = self.0.commit.resolve(&full) {
            return Err(format!(
                "symlink {path:?} check failed: commit tree entry {target:?} not found in the repository"
            ));
        }
        match self.0.file(path, Some(TEMPLATE_FILES)) {
            Ok(Some(refusal)) if !refusal.is_ignored() => Err(refusal.sentence),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn files(&self, dir: &str, glob: &dyn PathGlob) -> Result<(), String> {
        match self.0.folder(dir, &Below { dir, glob }, TEMPLATE_FILES) {
            Ok(Some(refusal)) => Err(refusal.sentence),
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn ignored_file(&self, path: &str) -> Option<Vec<u8>> {
        self.0.ignored_file(path)
    }

    fn allows_variable(&self, name: &str) -> bool {
        self.is_loose() || self.0.rules.allows_variable(name)
    }

    fn is_loose(&self) -> bool {
        self.0.mode == Mode::Loose
    }
}
