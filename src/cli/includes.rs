//! Includes: files of other repositories beside the project's own, and `kiel includes update | ls-files | get-file`.
//!
//! They stand where the project has nothing, in what the configuration and the chart are read from; never in contexts
//! and git mappings, never as rules of giterminism or as includes themselves. `docs/includes.md` has the rules.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use kiel_template::files::FileTree as _;

use super::args::ProjectArgs;
use super::error::{CommandError, CommandResult};
use super::giterminism::{Guard, clean};
use super::project::Sources;
use super::remotes::{Source, at_line, hide_addresses, remote_error, source};
use super::{Context, print};
use crate::config::includes::{
    FILE, Include, Includes, LOCK, Locked, is_id, lock_text, parse_lock, without_credentials,
};
use crate::config::model::GitReference;
use crate::diagnostic::Mistakes;
use crate::git::patterns::{PathFilter, PathMatch as _};
use crate::git::remote::Remotes;
use crate::git::{Included, SourceTree};

/// The name of a project's own files among sources.
const LOCAL: &str = "local";

/// What counts beside the project's files.
pub(crate) struct Overlay {
    /// The project's files with the included ones.
    pub(crate) tree: SourceTree,
    /// Where each included file is from, relative to the project; the project's own may hide it.
    sources: BTreeMap<String, String>,
}

/// Everything that including needs.
pub(crate) struct Including<'a> {
    pub(crate) args: &'a ProjectArgs,
    pub(crate) guard: &'a Guard,
    /// The project's own files.
    pub(crate) inputs: &'a SourceTree,
    /// The project's folder in them.
    pub(crate) prefix: &'a str,
    pub(crate) remotes: &'a Remotes,
    pub(crate) context: &'a Context,
}

const UPDATE: &str = "run `kiel includes update`, and commit werf-includes.lock";

impl Including<'_> {
    /// The files with those that are included.
    pub(crate) fn overlay(&self) -> Result<Overlay, CommandError> {
        if self.args.allow_includes_update {
            self.guard.check_includes_update()?;
        }
        let none = || Overlay {
            tree: self.inputs.clone(),
            sources: BTreeMap::new(),
        };
        let Some((text, includes)) = self.read()? else {
            return Ok(none());
        };
        if includes.is_empty() {
            return Ok(none());
        }
        let lock = self.lock(&includes)?;
        let (mut files, mut sources) = (Vec::new(), BTreeMap::new());
        for include in &includes {
            let found = self.files(include, &lock).map_err(|error| {
                if error.is_interruption() {
                    return error;
                }
                let hint = error.hint_text();
                let place = at_line(FILE, &text, &include.remote, &error, hint);
                in_werfs_words(&place, "unable to get includes: ")
            })?;
            let prefix = self.prefix;
            for (path, file, name) in found {
                sources.insert(path.clone(), name);
                files.push(Included {
                    to: format!("{prefix}/{path}").trim_start_matches('/').to_owned(),
                    ..file
                });
            }
        }
        Ok(Overlay {
            tree: self.inputs.with_included(&files)?,
            sources,
        })
    }

    /// The file with its text; nothing where there is none.
    fn read(&self) -> Result<Option<(String, Vec<Include>)>, CommandError> {
        let before = "unable to initialize includes: unable to read werf includes config: ";
        if let Some(refusal) = self.guard.own_file(FILE)? {
            return Err(refusal.error(before));
        }
        let Some(content) = self.inputs.files_at(self.prefix).read(FILE)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&content).into_owned();
        hide_addresses(&text, self.context);
        let words = "unable to initialize includes: includes config validation failed: ";
        let read = Includes::parse(&text).map_err(|mistakes| in_werfs_words(&mistakes, words))?;
        for warning in read.warnings {
            self.context.events.warn(warning);
        }
        Ok(Some((text, read.list)))
    }

    /// The commits that count.
    fn lock(&self, includes: &[Include]) -> Result<Vec<Locked>, CommandError> {
        if self.args.allow_includes_update {
            return self.newest(includes);
        }
        let pinned =
            |include: &Include| matches!(&include.remote.reference, GitReference::Commit(id) if is_id(id));
        if includes.iter().all(pinned) {
            return Ok(Vec::new());
        }
        let before = "unable to read werf includes lock file: ";
        if let Some(refusal) = self.guard.own_file(LOCK)? {
            return Err(refusal.error(before));
        }
        let Some(content) = self.inputs.files_at(self.prefix).read(LOCK)? else {
            let text = format!("Error: {before}the file {LOCK:?} not found in the project git repository");
            return Err(CommandError::new(text).hint(UPDATE));
        };
        parse_lock(&String::from_utf8_lossy(&content)).map_err(|mistakes| in_werfs_words(&mistakes, before))
    }

    /// Where the references lead now; each once.
    fn newest(&self, includes: &[Include]) -> Result<Vec<Locked>, CommandError> {
        let mut locked: Vec<Locked> = Vec::new();
        for Include { remote, .. } in includes {
            let is_known = |known: &Locked| known.git == remote.url && known.reference == remote.reference;
            if locked.iter().any(is_known) {
                continue;
            }
            let Source { address, credentials } = source(remote, self.args, self.context)?;
            let commit = self
                .remotes
                .pin(&address, credentials.as_ref(), &remote.reference)
                .map_err(remote_error)?;
            locked.push(Locked {
                git: remote.url.clone(),
                reference: remote.reference.clone(),
                commit,
            });
        }
        Ok(locked)
    }

    /// The files of an include: path in the project, what it is, and the name of its source.
    fn files(
        &self,
        include: &Include,
        lock: &[Locked],
    ) -> Result<Vec<(String, Included, String)>, CommandError> {
        let remote = &include.remote;
        let locked = lock
            .iter()
            .find(|locked| locked.git == remote.url && locked.reference == remote.reference);
        let commit = match (locked, &remote.reference) {
            (Some(locked), _) => &locked.commit,
            (None, GitReference::Commit(id)) if is_id(id) => id,
            _ => {
                let text = format!(
                    "unable to get commit from lock info: lock config not found for {}",
                    without_credentials(&remote.url)
                );
                return Err(CommandError::new(text).hint(UPDATE));
            }
        };
        let Source { address, credentials } = source(remote, self.args, self.context)?;
        let tree = self
            .remotes
            .tree(&address, credentials.as_ref(), commit)
            .map_err(remote_error)?;
        let name = address.to_string();
        let found = self.select(include, &tree)?;
        if found.is_empty() {
            let text = format!(
                "no files matched for include {name} with ref {}",
                remote.reference.name()
            );
            let hint = match include.add.trim_matches('/') {
                "" => {
                    "correct `includePaths` and `excludePaths`, which are relative to the repository's root"
                }
                _ if include.include_paths.is_empty() => {
                    "`add` must be a folder of that repository with files in it"
                }
                _ => {
                    "`includePaths` match nothing where `add` is not `/`, as in werf: write `add: /` with \
                     `includePaths`, or `add` without them"
                }
            };
            return Err(CommandError::new(text).hint(hint));
        }
        let place = |path: String| {
            let below = path.strip_prefix(include.add.trim_matches('/')).unwrap_or(&path);
            let to = clean(&format!("{}/{below}", include.to));
            let file = Included {
                to: String::new(),
                from: tree.clone(),
                path,
            };
            (to, file, name.clone())
        };
        // Who includes files of these names could allow themselves anything.
        let own = |to: &str| [FILE, LOCK, crate::config::giterminism::FILE].contains(&to);
        Ok(found.into_iter().map(place).filter(|(to, ..)| !own(to)).collect())
    }

    /// Paths of the files that count, in their repository.
    fn select(&self, include: &Include, tree: &SourceTree) -> Result<Vec<String>, CommandError> {
        let add = include.add.trim_matches('/');
        let is_root = add.is_empty();
        let (mut excluded, mut idle) = (Vec::new(), Vec::new());
        for glob in &include.exclude_paths {
            if is_root || glob.starts_with("**/") {
                excluded.push(glob.clone());
            } else {
                idle.push(glob.as_str());
            }
        }
        if !idle.is_empty() {
            let line = include.remote.line;
            self.context.events.warn(format!(
                "{FILE}:{line}: these `excludePaths` have no effect, as in werf, since `add` is not `/`: {}; write `**/NAME`, \
                 or `add: /`",
                idle.join(", ")
            ));
        }
        if !is_root && !include.include_paths.is_empty() {
            return Ok(Vec::new());
        }
        let filter = PathFilter::new(&include.include_paths, &excluded)?;
        let listing = tree.listing(add, |_: &str| true)?;
        let paths = listing
            .entries()
            .iter()
            .filter(|file| !file.path.is_empty() && file.mode != kiel_stapel::listing::FileMode::Commit);
        let full = |path: &str| {
            if is_root {
                path.to_owned()
            } else {
                format!("{add}/{path}")
            }
        };
        let paths = paths.map(|file| full(&file.path));
        Ok(paths.filter(|path| filter.matches(path)).collect())
    }
}

fn in_werfs_words(mistakes: &Mistakes, words: &str) -> CommandError {
    let text = mistakes.to_string();
    CommandError::new(text.replacen("error: ", &format!("Error: {words}"), 1))
}

/// The commands below `includes`.
#[derive(Debug, Subcommand)]
pub(crate) enum IncludesCommands {
    /// Write werf-includes.lock: the commits that branches and tags of werf-includes.yaml are at now
    Update(UpdateCommand),
    /// List the project's files and the included ones, each with its source
    LsFiles(LsFilesCommand),
    /// Print a file, of the project or included
    GetFile(GetFileCommand),
}

/// Which project.
#[derive(Debug, Args)]
pub(crate) struct UpdateCommand {
    #[command(flatten)]
    project: ProjectArgs,
}

/// Which files of which project.
#[derive(Debug, Args)]
pub(crate) struct LsFilesCommand {
    /// Files, folders or globs, relative to the project folder [default: all]
    #[arg(value_name = "GLOB")]
    globs: Vec<String>,
    /// Only files of these sources: source=NAME[,NAME…]; `local` is the project itself, of others a part of their address
    /// is enough
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Which file of which project.
#[derive(Debug, Args)]
pub(crate) struct GetFileCommand {
    /// The file, relative to the project folder
    #[arg(value_name = "FILE_NAME")]
    file: String,
    #[command(flatten)]
    project: ProjectArgs,
}

impl IncludesCommands {
    pub(crate) fn run(self, context: &Context) -> CommandResult {
        match self {
            Self::Update(command) => command.run(context),
            Self::LsFiles(command) => command.run(context),
            Self::GetFile(command) => command.run(context),
        }
    }
}

impl UpdateCommand {
    fn run(self, context: &Context) -> CommandResult {
        let sources = Sources::open(&self.project, context)?;
        let including = sources.including(context);
        let Some((text, includes)) = including.read()? else {
            return Err(CommandError::new(format!(
                "Error: unable to initialize includes: includes config file {FILE:?} not found"
            ))
            .hint("create it: docs/includes.md shows how; and commit it"));
        };
        let mut locked = Vec::new();
        for include in &includes {
            let newest = including.newest(std::slice::from_ref(include)).map_err(|error| {
                if error.is_interruption() {
                    return error;
                }
                let words = "create or update werf-includes.lock: error create includes lock file: create lock config: \
                             unable to update lock config: get commit: ";
                in_werfs_words(&at_line(FILE, &text, &include.remote, &error, None), words)
            })?;
            locked.extend(
                newest
                    .into_iter()
                    .filter(|new| !locked.contains(new))
                    .collect::<Vec<_>>(),
            );
        }
        let path = self.project.dir.join(LOCK);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new()
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                .tempfile_in(folder.unwrap_or(std::path::Path::new(".")))?;
            std::io::Write::write_all(&mut file, lock_text(&locked).as_bytes())?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| CommandError::new(format!("cannot write `{}`: {error}", path.display())))?;
        print("Includes updated successfully\n")
    }
}

impl LsFilesCommand {
    fn run(self, context: &Context) -> CommandResult {
        let sources = match self.filter.as_deref() {
            None | Some("") => Vec::new(),
            Some(filter) => match filter.strip_prefix("source=") {
                Some(names) => names.split(',').map(|name| name.trim().to_owned()).collect(),
                None => {
                    return Err(CommandError::new(
                        "Error: unable to parse filter: invalid filter format: must be 'source=...'",
                    ));
                }
            },
        };
        let project = Sources::open(&self.project, context)?;
        let overlay = project.including(context).overlay()?;
        let globs: Vec<String> = self.globs.iter().map(|glob| clean(glob.trim())).collect();
        let filter = PathFilter::new(&globs, &[])?;
        let prefix = project.repository.prefix();
        let own = project
            .inputs
            .listing(prefix, |path: &str| filter.matches(path))?;
        let own = own
            .entries()
            .iter()
            .map(|file| (file.path.clone(), LOCAL.to_owned()));
        let mut files: BTreeMap<String, String> = own.collect();
        let all = overlay.tree.listing(prefix, |path: &str| filter.matches(path))?;
        for file in all.entries() {
            if let Some(source) = overlay
                .sources
                .get(&file.path)
                .filter(|_| !files.contains_key(&file.path))
            {
                files.insert(file.path.clone(), source.clone());
            }
        }
        let wanted = |source: &str| {
            sources.is_empty()
                || sources
                    .iter()
                    .any(|name| source == name || source != LOCAL && source.contains(name.as_str()))
        };
        files.retain(|_, source| wanted(source));
        let width = files.keys().map(|path| path.chars().count()).max().unwrap_or(0);
        let width = width.max("PATH".len()) + 2;
        let mut text = format!("{:width$}SOURCE\n", "PATH");
        for (path, source) in files {
            text.push_str(&format!("{path:width$}{source}\n"));
        }
        print(&text)
    }
}

impl GetFileCommand {
    fn run(self, context: &Context) -> CommandResult {
        let project = Sources::open(&self.project, context)?;
        let overlay = project.including(context).overlay()?;
        let path = clean(&self.file);
        if let Some(refusal) = project.guard.template_file(&path)? {
            return Err(refusal.error("unable to get file: "));
        }
        let files = overlay.tree.files_at(project.repository.prefix());
        let Some(content) = files.read(&path)? else {
            return Err(CommandError::new(format!(
                "Error: unable to get file: the file {path:?} not found in the project git repository"
            ))
            .hint("`kiel includes ls-files` lists what is there"));
        };
        crate::ui::bytes(&content)?;
        Ok(std::process::ExitCode::SUCCESS)
    }
}
