//! The project that a command works on: its commit and its werf.yaml.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::tz::{Offset, TimeZone};
use kiel_llb::Platform;
use kiel_template::files::FileTree;

use super::Context;
use super::args::{ProjectArgs, ReleaseArgs};
use super::clock::Clock;
use super::env::Environment;
use super::error::CommandError;
use super::giterminism::{self, Guard, Mode, TemplateGuard};
use super::includes::Including;
use super::remotes::{hide_addresses, remotes};
use crate::config::{self, ConfigError, LoadOptions, model::Config};
use crate::git::patterns::Glob;
use crate::git::remote::Remotes;
use crate::git::{Commit, CommitFiles, Repository, SourceTree};

/// A commit's files, before the configuration is read.
pub(crate) struct Sources {
    pub(crate) args: ProjectArgs,
    pub(crate) repository: Repository,
    pub(crate) commit: Commit,
    /// The files of images.
    pub(crate) tree: SourceTree,
    /// What of them may be read.
    pub(crate) guard: Guard,
    /// The commit's files with those of the work tree that may be read.
    pub(crate) inputs: SourceTree,
    /// The names that the configuration may have.
    names: Vec<String>,
    pub(crate) remotes: Remotes,
}

impl Sources {
    /// Opens the repository and reads HEAD.
    pub(crate) fn open(args: &ProjectArgs, context: &Context) -> Result<Self, CommandError> {
        let repository = repository(args)?;
        let commit = repository.head()?;
        let mut tree = repository.source_tree(&commit);
        let mode = match (args.loose_giterminism, args.dev) {
            (true, _) => Mode::Loose,
            (_, true) => Mode::Dev,
            _ => Mode::Strict,
        };
        if args.dev {
            let taken = taken_from_work_tree(args, context)?;
            tree = repository.with_work_tree(&tree, &taken)?;
        } else {
            tree = repository.with_submodules(&tree)?;
        }
        let guard = Guard::new(&repository, &tree, args.giterminism_config.as_deref(), mode)?;
        let names = match &args.config {
            Some(file) => vec![giterminism::clean(file)],
            None => config::NAMES.map(str::to_owned).to_vec(),
        };
        let shown: Vec<&str> = names.iter().map(String::as_str).collect();
        let inputs = guard.inputs(&shown)?;
        Ok(Self {
            args: args.clone(),
            repository,
            commit,
            tree,
            guard,
            inputs,
            names,
            remotes: remotes(args, context)?,
        })
    }

    /// What brings files of other repositories to them.
    pub(crate) fn including<'a>(&'a self, context: &'a Context) -> Including<'a> {
        Including {
            args: &self.args,
            guard: &self.guard,
            inputs: &self.inputs,
            prefix: self.repository.prefix(),
            remotes: &self.remotes,
            context,
        }
    }
}

/// A commit's project.
pub(crate) struct Project {
    pub(crate) args: ProjectArgs,
    pub(crate) repository: Repository,
    pub(crate) commit: Commit,
    /// The files of images.
    pub(crate) tree: SourceTree,
    /// The project folder's files: what the configuration and the chart are read from.
    pub(crate) files: CommitFiles,
    /// The project folder.
    pub(crate) dir: PathBuf,
    /// What of them may be read.
    pub(crate) guard: Guard,
    /// The configuration's name for messages about what is below.
    pub(crate) shown: String,
    /// werf.yaml after its templates.
    pub(crate) rendered: String,
    pub(crate) config: Config,
    /// `--env`
    pub(crate) env: Option<String>,
    /// The commit's date as Go prints it.
    pub(crate) commit_date: String,
    /// Other repositories, for git mappings.
    pub(crate) remotes: Remotes,
}

impl Project {
    /// Opens the repository, reads HEAD and its werf.yaml.
    pub(crate) fn open(args: &ProjectArgs, context: &Context) -> Result<Self, CommandError> {
        let sources = Sources::open(args, context)?;
        let inputs = sources.including(context).overlay()?.tree;
        let Sources {
            repository,
            commit,
            tree,
            guard,
            names,
            remotes,
            ..
        } = sources;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        guard.check_config(&names, &inputs)?;
        guard.check_templates(&args.config_templates_dir)?;
        let files = inputs.files_at(repository.prefix());
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
                Ok(Box::new(giterminism::FileGlob(glob)))
            },
            inspector: Arc::new(TemplateGuard(guard.clone())),
            environment: Arc::new(Clock),
        };
        let loaded = config::load(&tree_files, &options).inspect_err(|error| {
            if let ConfigError::Invalid(mistakes) = error {
                hide_addresses(&mistakes.text, context);
            }
        })?;
        hide_addresses(&loaded.rendered, context);
        if let Some(path) = &args.config_render_path {
            let write = fs_err::write(path, &loaded.rendered);
            write.map_err(|error| open_error(path, &error))?;
        }
        guard.check_external(&loaded, &args.dir, &context.env)?;
        let mut config = loaded.config;
        let platforms = forced_platforms(args, &context.env)?;
        if !platforms.is_empty() {
            for image in &mut config.images {
                image.platforms.clone_from(&platforms);
            }
        }
        Ok(Self {
            args: args.clone(),
            repository,
            commit,
            tree,
            files,
            dir: args.dir.clone(),
            guard,
            shown: loaded.shown,
            rendered: loaded.rendered,
            config,
            env: args.env.clone(),
            commit_date,
            remotes,
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

/// The repository that the project is in.
pub(crate) fn repository(args: &ProjectArgs) -> Result<Repository, CommandError> {
    Ok(match &args.git_work_tree {
        Some(work_tree) => Repository::of_work_tree(work_tree, &args.dir)?,
        None => Repository::discover(&args.dir)?,
    })
}

/// What a run sees of a project: the commit, and with `--dev` the state of each file that is not as committed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inputs {
    commit: String,
    /// Size and time of the last change; none for a file that is gone.
    files: Vec<(String, Option<(u64, SystemTime)>)>,
    /// Commits of submodules; one that moves may have no file that differs from its commit.
    submodules: Vec<(String, String)>,
}

/// What the next run would see; `own` are files that runs write themselves, as absolute paths.
pub(crate) fn inputs(args: &ProjectArgs, own: &[PathBuf], context: &Context) -> Result<Inputs, CommandError> {
    let repository = repository(args)?;
    let commit = repository.head()?;
    let (mut files, mut submodules) = (Vec::new(), Vec::new());
    if args.dev
        && let Some(work_dir) = repository.work_dir()
    {
        let work_dir = fs_err::canonicalize(work_dir)?;
        let taken = taken_from_work_tree(args, context)?;
        for path in repository.work_tree_changes(&repository.source_tree(&commit), &taken)? {
            let full = work_dir.join(&path);
            if own.contains(&full) {
                continue;
            }
            let state = fs_err::symlink_metadata(&full).ok();
            let state = state.and_then(|found| Some((found.len(), found.modified().ok()?)));
            files.push((path, state));
        }
        submodules = repository.submodule_commits(&taken);
    }
    Ok(Inputs {
        commit: commit.id,
        files,
        submodules,
    })
}

/// Which files `--dev` takes from the work tree.
fn taken_from_work_tree(
    args: &ProjectArgs,
    context: &Context,
) -> Result<impl Fn(&str) -> bool, CommandError> {
    let mut ignored = context.env.family("dev-ignore");
    ignored.extend_from_slice(&args.dev_ignore);
    let ignored: Vec<Glob> = ignored
        .iter()
        .map(|pattern| Glob::new(pattern))
        .collect::<Result<_, _>>()?;
    Ok(move |path: &str| !ignored.iter().any(|glob| glob.matches(path)))
}

/// As Go says it.
/// What all images are built for, whatever werf.yaml says.
fn forced_platforms(args: &ProjectArgs, env: &Environment) -> Result<Vec<Platform>, CommandError> {
    let mut given = args.platform.clone();
    if given.is_empty() {
        given = env.family("platform");
    }
    if given.is_empty() {
        given.extend(env.get("DOCKER_DEFAULT_PLATFORM").map(str::to_owned));
    }
    let names = given.iter().flat_map(|list| list.split(',')).map(str::trim);
    let platforms = names.filter(|name| !name.is_empty()).map(|name| {
        name.parse().map_err(|_| {
            CommandError::new(format!("cannot build for `{name}`: it is no platform"))
                .hint("write os/architecture[/variant]: --platform linux/arm64")
        })
    });
    platforms.collect()
}

fn open_error(path: &Path, error: &std::io::Error) -> CommandError {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match error.kind() {
        std::io::ErrorKind::NotFound => CommandError::new(format!(
            "Error: open {}: no such file or directory",
            full.display()
        )),
        _ => CommandError::new(format!("cannot write the configuration: {error}")),
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
