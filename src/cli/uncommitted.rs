//! The one warning about files that matter and are not committed: kiel works on the commit, and says so.

use super::Context;
use super::args::DEFAULT_REPORT;
use super::error::CommandError;
use super::project::Project;
use crate::config::model::ImageKind;
use crate::git::Scope;
use crate::git::patterns::{DockerIgnore, PathFilter, PathMatch};

/// How many files a warning names.
const SHOWN: usize = 10;

impl Project {
    /// Warns once about files of the work tree that differ from the commit and would change its result.
    pub(crate) fn warn_uncommitted(&self, context: &Context) -> Result<(), CommandError> {
        let mut files = self.uncommitted()?;
        let own = self.in_repository(DEFAULT_REPORT);
        files.retain(|file| *file != own);
        if files.is_empty() {
            return Ok(());
        }
        let shown: Vec<&str> = files.iter().take(SHOWN).map(String::as_str).collect();
        let more = match files.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        context.events.warn(format!(
            "these files differ from the commit and are not used as they are: {}{more}; commit them to use them",
            shown.join(", ")
        ));
        Ok(())
    }

    fn uncommitted(&self) -> Result<Vec<String>, CommandError> {
        let mut folders: Vec<(String, Box<dyn PathMatch>)> = Vec::new();
        folders.push((
            self.config.meta.deploy.helm_chart_dir.clone(),
            Box::new(|_: &str| true),
        ));
        folders.push((
            self.templates_dir.clone(),
            Box::new(|path: &str| path.ends_with(".tmpl")),
        ));
        let mut files = vec![self.in_repository(&self.config_file)];
        for image in &self.config.images {
            match &image.kind {
                ImageKind::Dockerfile(docker) => {
                    let ignore = DockerIgnore::load(&self.files, &docker.context, &docker.dockerfile)?;
                    files.push(self.in_repository(&docker.dockerfile));
                    folders.push((
                        docker.context.clone(),
                        Box::new(move |path: &str| !ignore.is_ignored(path)),
                    ));
                }
                ImageKind::Stapel(spec) => {
                    for mapping in &spec.git {
                        let filter = PathFilter::new(&mapping.include_paths, &mapping.exclude_paths)?;
                        folders.push((mapping.add.trim_matches('/').to_owned(), Box::new(filter)));
                    }
                }
            }
        }
        let folders: Vec<(String, Box<dyn PathMatch>)> = folders
            .into_iter()
            .map(|(folder, filter)| (self.in_repository(&folder), filter))
            .collect();
        let scopes: Vec<Scope<'_>> = folders
            .iter()
            .map(|(dir, filter)| Scope {
                dir,
                filter: filter.as_ref(),
            })
            .collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        Ok(self.repository.uncommitted(&self.tree, &scopes, &files)?)
    }

    /// A path of the project as one of the repository.
    fn in_repository(&self, path: &str) -> String {
        match (self.repository.prefix(), path) {
            ("", path) => path.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}/{path}"),
        }
    }
}
