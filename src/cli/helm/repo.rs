//! `kiel helm repo`: the user's chart repositories, in Helm's own files, and indexes of one's own.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use kiel_chart::{Index, IndexEntry};
use serde_json::json;

use super::globals::HelmGlobals;
use super::registry::{ask, read_input};
use super::remote::{TrustArgs, charts, files, note, say};
use super::table::table;
use super::{HelmError, HelmResult, usage};
use crate::charts::{
    self, ChartsError, Repositories, RepositoriesLock, RepositoryEntry, join_url, without_login,
};
use crate::cli::Context;
use crate::registry::Digest;
use crate::ui;

/// Repositories that are gone, and what took their place.
const GONE: [(&str, &str); 2] = [
    (
        "//kubernetes-charts.storage.googleapis.com",
        "https://charts.helm.sh/stable",
    ),
    (
        "//kubernetes-charts-incubator.storage.googleapis.com",
        "https://charts.helm.sh/incubator",
    ),
];

/// What is done with repositories.
#[derive(Debug, Subcommand)]
pub(crate) enum RepoCommands {
    /// Add a repository
    Add(Box<AddCommand>),
    /// Show the repositories
    #[command(visible_alias = "ls")]
    List(ListCommand),
    /// Fetch the repositories' indexes anew
    #[command(visible_alias = "up")]
    Update(UpdateCommand),
    /// Remove repositories
    #[command(visible_alias = "rm")]
    Remove(RemoveCommand),
    /// Write the index of a folder with archives
    Index(IndexCommand),
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputForm {
    Table,
    Json,
    Yaml,
}

/// Which repository.
#[derive(Debug, Args)]
pub(crate) struct AddCommand {
    /// The name it gets
    #[arg(value_name = "NAME")]
    name: String,
    /// Where it is
    #[arg(value_name = "URL")]
    url: String,
    /// User
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    username: String,
    /// Password
    #[arg(long, default_value = "", hide_default_value = true, value_name = "PASSWORD")]
    password: String,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Replace a repository of this name
    #[arg(long)]
    force_update: bool,
    /// Taken without effect
    #[arg(long)]
    no_update: bool,
    /// Take repositories that are known to be gone
    #[arg(long)]
    allow_deprecated_repos: bool,
    /// Send user and password to whatever host the repository names
    #[arg(long)]
    pass_credentials: bool,
    /// Do not check the certificate
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Taken without effect: as long as something moves it is waited for
    #[arg(long, value_name = "DURATION", value_parser = usage::duration)]
    timeout: Option<String>,
    #[command(flatten)]
    trust: TrustArgs,
}

/// How they are shown.
#[derive(Debug, Args)]
pub(crate) struct ListCommand {
    /// Form of the output
    #[arg(long, short = 'o', default_value = "table", value_name = "FORM")]
    output: OutputForm,
}

/// Which repositories.
#[derive(Debug, Args)]
pub(crate) struct UpdateCommand {
    /// Their names [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Fail where one of them fails
    #[arg(long)]
    fail_on_repo_update_fail: bool,
    /// Taken without effect: as long as something moves it is waited for
    #[arg(long, value_name = "DURATION", value_parser = usage::duration)]
    timeout: Option<String>,
}

/// Which repositories.
#[derive(Debug, Args)]
pub(crate) struct RemoveCommand {
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Of which folder.
#[derive(Debug, Args)]
pub(crate) struct IndexCommand {
    /// Folder with archives
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// URL under which the folder is served
    #[arg(long, default_value = "", hide_default_value = true, value_name = "URL")]
    url: String,
    /// Index whose entries are taken over
    #[arg(long, value_name = "PATH")]
    merge: Option<PathBuf>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

impl RepoCommands {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        match self {
            Self::Add(command) => command.run(globals, context).await,
            Self::List(command) => command.run(globals, context),
            Self::Update(command) => command.run(globals, context).await,
            Self::Remove(command) => command.run(globals, context),
            Self::Index(command) => command.run(),
        }
    }
}

impl AddCommand {
    async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let Self { name, url, .. } = &self;
        let gone = GONE.iter().find(|(old, _)| url.contains(old));
        if let Some((_, new)) = gone.filter(|_| !self.allow_deprecated_repos) {
            return Err(HelmError(format!(
                "repo {url:?} is no longer available; try {new:?} instead"
            )));
        }
        let config = files(globals, context).repository_config;
        let taken = config.clone();
        let lock = tokio::task::spawn_blocking(move || RepositoriesLock::take(&taken)).await??;
        let mut repositories = Repositories::load(&config)?.unwrap_or_default();
        let entry = self.entry()?;
        if name.contains('/') {
            return Err(HelmError(format!(
                "repository name ({name}) contains '/', please specify a different name without '/'"
            )));
        }
        if name.chars().any(char::is_control) || matches!(name.as_str(), "" | "." | "..") {
            return Err(HelmError(format!(
                "repository name ({name:?}) is none for a file"
            )));
        }
        if let Some(existing) = repositories.get(name).filter(|_| !self.force_update) {
            if *existing != entry {
                return Err(HelmError(format!(
                    "repository name ({name}) already exists, please specify a different name"
                )));
            }
            ui::data(&format!(
                "{name:?} already exists with the same configuration, skipping\n"
            ))?;
            return Ok(());
        }
        let charts = charts(globals, &RepositoryEntry::default(), false, &[], context);
        let skipped = charts.update_repository(&entry).await.map_err(|error| {
            let url = without_login(url);
            HelmError(format!(
                "looks like {url:?} is not a valid chart repository or cannot be reached: {error}"
            ))
        })?;
        skipped.iter().for_each(|text| note(text));
        repositories.set(entry);
        repositories.save(&config)?;
        drop(lock);
        ui::data(&format!("{name:?} has been added to your repositories\n"))?;
        Ok(())
    }

    fn entry(&self) -> Result<RepositoryEntry, HelmError> {
        let mut entry = RepositoryEntry {
            name: self.name.clone(),
            url: self.url.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            pass_credentials_all: self.pass_credentials,
            ..self.trust.entry(self.insecure_skip_tls_verify)
        };
        if !entry.username.is_empty() && entry.password.is_empty() {
            entry.password = if self.password_stdin {
                read_input()?
            } else {
                ask("Password: ", true)?
            };
        }
        Ok(entry)
    }
}

impl ListCommand {
    fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let config = files(globals, context).repository_config;
        let repositories = Repositories::load(&config)?.unwrap_or_default().repositories;
        if repositories.is_empty() && self.output == OutputForm::Table {
            return Err(HelmError("no repositories to show".to_owned()));
        }
        let rows = repositories
            .iter()
            .map(|entry| vec![entry.name.clone(), entry.url.clone()]);
        let objects = repositories
            .iter()
            .map(|entry| json!({"name": entry.name, "url": entry.url}));
        show(
            self.output,
            &["NAME", "URL"],
            rows.collect(),
            objects.collect(),
            0,
        )
    }
}

/// Shows a list in the form that is wanted.
pub(super) fn show(
    form: OutputForm,
    head: &[&str],
    mut rows: Vec<Vec<String>>,
    objects: Vec<serde_json::Value>,
    width: usize,
) -> HelmResult {
    let text = match form {
        OutputForm::Table => {
            rows.insert(0, head.iter().map(|name| (*name).to_owned()).collect());
            format!("{}\n", table(&rows, width))
        }
        OutputForm::Json => {
            let text = serde_json::to_string(&objects)?;
            let text = text
                .replace('&', "\\u0026")
                .replace('<', "\\u003c")
                .replace('>', "\\u003e");
            format!("{text}\n")
        }
        OutputForm::Yaml => {
            kiel_template::yaml::to_string(&kiel_template::Value::from_json(&objects.into()))?
        }
    };
    ui::data(&text)?;
    Ok(())
}

impl UpdateCommand {
    async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let config = files(globals, context).repository_config;
        let repositories = Repositories::load(&config)?.unwrap_or_default().repositories;
        if repositories.is_empty() {
            return Err(HelmError(
                "no repositories found. You must add one before updating".to_owned(),
            ));
        }
        let is_known = |name: &&String| repositories.iter().any(|entry| entry.name == **name);
        if let Some(unknown) = self.names.iter().find(|name| !is_known(name)) {
            return Err(HelmError(format!(
                "no repositories found matching '{unknown}'.  Nothing will be updated"
            )));
        }
        let wanted: Vec<RepositoryEntry> = repositories
            .iter()
            .filter(|entry| self.names.is_empty() || self.names.contains(&entry.name))
            .cloned()
            .collect();
        say("Hang tight while we grab the latest from your chart repositories...\n");
        let charts = charts(globals, &RepositoryEntry::default(), false, &[], context);
        let failed = charts.update_repositories(&wanted, &say).await;
        if !failed.is_empty() && self.fail_on_repo_update_fail {
            return Err(HelmError(format!(
                "Failed to update the following repositories: [{}]",
                failed.join(" ")
            )));
        }
        say("Update Complete. ⎈Happy Helming!⎈\n");
        Ok(())
    }
}

impl RemoveCommand {
    fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let files = files(globals, context);
        let config = &files.repository_config;
        let unknown = || HelmError("no repositories configured".to_owned());
        if !config.exists() {
            return Err(unknown());
        }
        let _lock = RepositoriesLock::take(config)?;
        let mut repositories = Repositories::load(config)?.unwrap_or_default();
        if repositories.repositories.is_empty() {
            return Err(unknown());
        }
        for name in &self.names {
            if !repositories.remove(name) {
                return Err(HelmError(format!("no repo named {name:?} found")));
            }
            repositories.save(config)?;
            for path in [files.chart_names(name), files.index(name)] {
                match fs_err::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
            ui::data(&format!("{name:?} has been removed from your repositories\n"))?;
        }
        Ok(())
    }
}

impl IndexCommand {
    fn run(self) -> HelmResult {
        let now = jiff::Timestamp::now().to_string();
        let mut index = Index {
            generated: now.clone(),
            ..Index::default()
        };
        for (folder, path) in archives(&self.dir)? {
            // Go: what is no chart is left out.
            let Ok(chart) = charts::load(&path) else { continue };
            let archive = fs_err::read(&path)?;
            let file = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let base = join_url(&self.url, &folder);
            let url = if base.is_empty() {
                file.to_owned()
            } else {
                join_url(&base, file)
            };
            let entry = IndexEntry {
                metadata: chart.metadata,
                urls: vec![url],
                created: jiff::Timestamp::now().to_string(),
                digest: Digest::of(&archive).hex(),
                ..IndexEntry::default()
            };
            let name = entry.metadata.name.clone();
            index.entries.entry(name).or_default().push(entry);
        }
        if let Some(path) = &self.merge {
            match fs_err::read(path) {
                Ok(data) => {
                    let other = Index::parse(&data, &path.display().to_string()).map_err(|error| {
                        HelmError(format!("merge failed: error loading {}: {error}", path.display()))
                    })?;
                    other.skipped.iter().for_each(|text| note(text));
                    index.merge(other);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let empty = Index {
                        generated: now,
                        ..Index::default()
                    };
                    fs_err::write(path, self.text(&empty))?;
                }
                Err(error) => return Err(HelmError(format!("merge failed: {error}"))),
            }
        }
        index.sort();
        let path = self.dir.join("index.yaml");
        fs_err::write(&path, self.text(&index)).map_err(|error| ChartsError::File {
            action: "write",
            path,
            source: error,
        })?;
        Ok(())
    }

    fn text(&self, index: &Index) -> String {
        if self.json {
            index.to_json_file()
        } else {
            index.to_yaml()
        }
    }
}

/// The archives of a folder, then those one folder below it, each with that folder's name.
fn archives(dir: &Path) -> Result<Vec<(String, PathBuf)>, HelmError> {
    let (mut found, mut below) = (Vec::new(), Vec::new());
    let mut paths: Vec<PathBuf> = fs_err::read_dir(dir)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let is_archive = |path: &Path| path.extension().is_some_and(|extension| extension == "tgz");
    for path in paths {
        if is_archive(&path) {
            found.push((String::new(), path.clone()));
        }
        if path.is_dir() {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let mut inner: Vec<PathBuf> = fs_err::read_dir(&path)?
                .flatten()
                .map(|entry| entry.path())
                .collect();
            inner.sort();
            let inner = inner.into_iter().filter(|path| is_archive(path));
            below.extend(inner.map(|path| (name.clone(), path)));
        }
    }
    found.extend(below);
    Ok(found)
}
