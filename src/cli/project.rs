//! The project that a command works on: its commit and its werf.yaml.

use std::sync::Arc;

use jiff::tz::{Offset, TimeZone};
use kiel_template::files::FileTree;

use super::Context;
use super::args::{ProjectArgs, ReleaseArgs};
use super::clock::Clock;
use super::error::CommandError;
use crate::config::{self, ConfigError, LoadOptions, model::Config};
use crate::git::patterns::Glob;
use crate::git::{Commit, CommitFiles, Repository, SourceTree};

/// A commit's project.
pub(crate) struct Project {
    pub(crate) repository: Repository,
    pub(crate) commit: Commit,
    pub(crate) tree: SourceTree,
    /// The project folder's files.
    pub(crate) files: CommitFiles,
    /// Name of the configuration file, relative to the project folder.
    pub(crate) config_file: String,
    /// Folder of its templates, likewise.
    pub(crate) templates_dir: String,
    /// werf.yaml after its templates.
    pub(crate) rendered: String,
    pub(crate) config: Config,
    /// `--env`
    pub(crate) env: Option<String>,
    /// The commit's date as Go prints it.
    pub(crate) commit_date: String,
}

impl Project {
    /// Opens the repository, reads HEAD and its werf.yaml.
    pub(crate) fn open(args: &ProjectArgs, context: &Context) -> Result<Self, CommandError> {
        let repository = Repository::discover(&args.dir)?;
        let commit = repository.head()?;
        let tree = repository.source_tree(&commit);
        let files = tree.files_at(repository.prefix());
        let commit_date = go_time(commit.time, commit.offset);
        let tree_files: Arc<dyn FileTree + Send + Sync> = Arc::new(files.clone());
        let variables = context.env.clone();
        let options = LoadOptions {
            file: args.config.as_deref(),
            templates_dir: &args.config_templates_dir,
            env: args.env.as_deref(),
            commit_id: &commit.id,
            commit_date: &commit_date,
            commit_time: commit.time,
            project: context
                .env
                .get("KIEL_PROJECT_NAME")
                .or_else(|| context.env.get("WERF_PROJECT_NAME")),
            variables: Arc::new(move |name| variables.get_raw(name).map(ToOwned::to_owned)),
            glob: |pattern| {
                let glob = Glob::new(pattern).map_err(|error| error.to_string())?;
                Ok(Box::new(move |path| glob.matches(path)))
            },
            environment: Arc::new(Clock),
        };
        let loaded = config::load(&tree_files, &options)
            .map_err(|error| with_uncommitted_hint(error, args, &repository))?;
        Ok(Self {
            repository,
            commit,
            tree,
            files,
            config_file: loaded.file,
            templates_dir: args.config_templates_dir.clone(),
            rendered: loaded.rendered,
            config: loaded.config,
            env: args.env.clone(),
            commit_date,
        })
    }

    /// The namespace's name as werf.yaml has it.
    pub(crate) fn namespace_name(&self) -> Result<String, CommandError> {
        let clock: config::SharedEnvironment = Arc::new(Clock);
        Ok(config::namespace_name(&self.config, self.env.as_deref(), &clock)?)
    }

    /// The release's and the namespace's name: from flags as they are, else from werf.yaml.
    pub(crate) fn release_names(&self, args: &ReleaseArgs) -> Result<(String, String), CommandError> {
        let env = self.env.as_deref();
        let clock: config::SharedEnvironment = Arc::new(Clock);
        let namespace = match &args.namespace {
            Some(namespace) => namespace.clone(),
            None => self.namespace_name()?,
        };
        let release = match &args.release {
            Some(release) => release.clone(),
            None => config::release_name(&self.config, env, &namespace, &clock)?,
        };
        Ok((release, namespace))
    }
}

/// A configuration that is there but not committed wants other words than one that is not there.
fn with_uncommitted_hint(error: ConfigError, args: &ProjectArgs, repository: &Repository) -> CommandError {
    let ConfigError::Missing { names } = &error else {
        return error.into();
    };
    let there = names.iter().find(|name| args.dir.join(name).is_file());
    match there.filter(|_| repository.work_dir().is_some()) {
        Some(name) => CommandError::new(format!(
            "cannot use `{name}`: it is not committed, and kiel works on commits"
        ))
        .hint(format!("git add {name} && git commit")),
        None => error.into(),
    }
}

/// Go: `time.String` of a time with an offset and no zone name.
fn go_time(seconds: i64, offset: i32) -> String {
    let zone = Offset::from_seconds(offset).map_or(TimeZone::UTC, TimeZone::fixed);
    jiff::Timestamp::from_second(seconds)
        .map(|time| {
            time.to_zoned(zone)
                .strftime("%Y-%m-%d %H:%M:%S %z %z")
                .to_string()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_printed_as_by_go() {
        assert_eq!(go_time(1_704_164_645, 0), "2024-01-02 03:04:05 +0000 +0000");
        assert_eq!(go_time(1_704_164_645, -5400), "2024-01-02 01:34:05 -0130 -0130");
    }
}
