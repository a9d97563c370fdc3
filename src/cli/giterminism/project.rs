//! What a project's chart, Dockerfiles and the files of its images may be.

use std::collections::BTreeMap;

use kiel_template::files::FileTree as _;

use super::config::machine_path;
use super::{Mode, Refusal, SHOWN};
use crate::cli::Context;
use crate::cli::args::{DEFAULT_DEPLOY_REPORT, DEFAULT_REPORT};
use crate::cli::env::Environment;
use crate::cli::error::CommandError;
use crate::cli::project::Project;
use crate::config::model::ImageKind;
use crate::git::{CommitFiles, GitError, Scope};
use crate::images::{PlannedImage, PlannedKind};

impl Project {
    /// The chart's folder.
    pub(crate) fn check_chart(&self, dir: &str) -> Result<(), CommandError> {
        let refusal = self
            .guard
            .folder(dir, &|_: &str| true, "helm.allowUncommittedFiles")?;
        let before = format!(
            "chart render: render chart: load chart at {dir:?}: load chart dir: unable to load chart directory: unable to \
             load chart directory: "
        );
        refusal.map_or(Ok(()), |refusal| Err(refusal.error(&before)))
    }

    /// The Dockerfiles and ignore files of these images.
    pub(crate) fn check_dockerfiles(&self, names: &[String]) -> Result<(), CommandError> {
        for image in self
            .config
            .images
            .iter()
            .filter(|image| names.contains(&image.name))
        {
            let ImageKind::Dockerfile(docker) = &image.kind else {
                continue;
            };
            let path = &docker.dockerfile;
            let all = "unable to calculate images tree: unable to map dockerfile to images sets: ";
            let before =
                format!("{all}unable to read dockerfile {path}: unable to read dockerfile {path:?}: ");
            let is_gone = self.dir.join(path).symlink_metadata().is_err() && self.guard.mode == Mode::Strict;
            let refusal = self
                .guard
                .file(path, Some("config.dockerfile.allowUncommitted"))?;
            match refusal.filter(|refusal| !refusal.is_ignored()) {
                Some(refusal) if !is_gone => return Err(refusal.error(&before)),
                None if self.files.read(path)?.is_some() => {}
                _ => {
                    let hint = "commit the file, or correct `dockerfile` and `context`";
                    return Err(CommandError::new(format!("Error: {before}file not found")).hint(hint));
                }
            }
            let of_context = if docker.context.is_empty() {
                ".dockerignore".to_owned()
            } else {
                format!("{}/.dockerignore", docker.context)
            };
            for path in [format!("{path}.dockerignore"), of_context] {
                let rule = "config.dockerfile.allowUncommittedDockerignoreFiles";
                let refusal = self.guard.file(&path, Some(rule))?;
                if let Some(refusal) = refusal.filter(|refusal| !refusal.is_ignored()) {
                    let again = format!("unable to read dockerignore file {path:?}: ").repeat(2);
                    let before = format!("{all}unable to create dockerignore path matcher: {again}");
                    return Err(refusal.error(&before));
                }
            }
        }
        Ok(())
    }

    /// Refuses to build from files that differ from the commit.
    pub(crate) fn check_images(&self, images: &[PlannedImage]) -> Result<(), CommandError> {
        if self.guard.mode != Mode::Strict {
            return Ok(());
        }
        let mut first: Option<(String, Refusal)> = None;
        for image in images {
            let Some(refusal) = self.of_image(image)? else {
                continue;
            };
            match &mut first {
                Some((_, first)) => {
                    first.paths.extend(refusal.paths);
                    first.paths.sort();
                    first.paths.dedup();
                }
                None => {
                    let stage = match image.kind {
                        PlannedKind::Dockerfile(_) => "dockerfile",
                        PlannedKind::Stapel(_) => "gitArchive",
                    };
                    let name = &image.name;
                    let before = format!(
                        "unable to process images: unable to process image {name:?}: phase build on image {name} stage \
                         {stage} handler failed: "
                    );
                    first = Some((before, refusal));
                }
            }
        }
        first.map_or(Ok(()), |(before, refusal)| Err(refusal.error(&before)))
    }

    /// Warns once about files of images that differ from the commit: their names are those of the commit.
    pub(crate) fn warn_images(&self, images: &[PlannedImage], context: &Context) -> Result<(), CommandError> {
        let mut files = Vec::new();
        if self.guard.mode != Mode::Dev {
            for image in images {
                files.extend(
                    self.of_image(image)?
                        .map(|refusal| refusal.paths)
                        .unwrap_or_default(),
                );
            }
        }
        files.sort();
        files.dedup();
        if files.is_empty() {
            return Ok(());
        }
        let more = match files.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        files.truncate(SHOWN);
        context.events.warn(format!(
            "these files differ from the commit and are not used as they are: {}{more}; commit them to use them",
            files.join(", ")
        ));
        Ok(())
    }

    fn of_image(&self, image: &PlannedImage) -> Result<Option<Refusal>, GitError> {
        let selections: Vec<_> = match &image.kind {
            PlannedKind::Dockerfile(plan) => vec![&plan.files],
            PlannedKind::Stapel(plan) => {
                // Other repositories are taken at a commit: they have no work tree.
                let remotes = self.config.image(&image.name).map(|image| &image.remotes);
                let is_own = |index: &usize| remotes.is_none_or(|remotes| !remotes.contains_key(index));
                let contents = plan.content.iter().enumerate();
                let own = contents.filter(|(index, _)| is_own(index));
                own.map(|(_, content)| &content.all).collect()
            }
        };
        let scopes: Vec<Scope<'_>> = selections
            .into_iter()
            .map(|selection| Scope {
                dir: selection.dir(),
                filter: selection.filter(),
            })
            .collect();
        let guard = &self.guard;
        let added = match self.config.image(&image.name).map(|image| &image.kind) {
            Some(ImageKind::Dockerfile(docker)) => &docker.context_add_files[..],
            _ => &[],
        };
        let found = guard.repository.differences(&guard.commit, &scopes, &[])?;
        let found = found
            .into_iter()
            .map(|(path, kind)| (guard.in_project(&path), kind))
            // kiel's own files, not some of the project.
            .filter(|(path, _)| {
                let is_added = |added: &String| {
                    path.strip_prefix(added.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                path != DEFAULT_REPORT && path != DEFAULT_DEPLOY_REPORT && !added.iter().any(is_added)
            });
        Ok(guard.judge(found, None))
    }
}

impl Project {
    /// As the function of that name, for this project.
    pub(crate) fn machine_path(&self, path: &str, env: &Environment) -> String {
        machine_path(&self.dir, path, env)
    }

    /// The files of images whose contexts have files of the work tree.
    pub(crate) fn added_files(&self) -> Result<BTreeMap<String, CommitFiles>, CommandError> {
        let mut of_images = BTreeMap::new();
        for image in &self.config.images {
            let ImageKind::Dockerfile(docker) = &image.kind else {
                continue;
            };
            if docker.context_add_files.is_empty() {
                continue;
            }
            let mut paths = Vec::new();
            for path in &docker.context_add_files {
                let found = self.added_paths(&self.guard.in_repository(path));
                if found.is_empty() {
                    return Err(CommandError::new(format!(
                        "cannot add `{path}` to the context of image `{}`: the work tree has no such file",
                        image.name
                    )));
                }
                paths.extend(found);
            }
            let tree = self.repository.overlay(&self.tree, &paths)?;
            of_images.insert(image.name.clone(), tree.files_at(self.repository.prefix()));
        }
        Ok(of_images)
    }

    /// A file or link of the work tree, or all of them in a folder. Names that are no text are left out.
    fn added_paths(&self, path: &str) -> Vec<String> {
        let Some(work_dir) = self.repository.work_dir() else {
            return Vec::new();
        };
        let (mut found, mut left) = (Vec::new(), vec![path.to_owned()]);
        while let Some(path) = left.pop() {
            let full = work_dir.join(&path);
            let Ok(kind) = full.symlink_metadata().map(|found| found.file_type()) else {
                continue;
            };
            if !kind.is_dir() {
                found.push(path);
                continue;
            }
            let entries = fs_err::read_dir(&full).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            left.extend(names.map(|name| format!("{path}/{name}")));
        }
        found
    }
}
