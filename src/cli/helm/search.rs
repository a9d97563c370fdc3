//! `kiel helm search repo`: charts in the indexes of the user's repositories, ranked as Helm ranks them.

use clap::{Args, Subcommand};
use kiel_chart::{Index, IndexEntry};
use kiel_template::functions::Pattern;
use kiel_template::functions::semver::{Constraints, Version};
use regex::Regex;
use serde_json::json;

use super::globals::HelmGlobals;
use super::remote::{charts, note};
use super::repo::{OutputForm, show};
use super::{HelmError, HelmResult};
use crate::charts::RepositoryEntry;
use crate::cli::Context;
use crate::ui;

/// What separates the parts of a chart's line.
const SEPARATOR: char = '\u{b}';

/// Where is looked.
#[derive(Debug, Subcommand)]
pub(crate) enum SearchCommands {
    /// In the repositories that were added
    Repo(Box<SearchCommand>),
}

/// For what.
#[derive(Debug, Args)]
pub(crate) struct SearchCommand {
    /// Words to find [default: all charts]
    #[arg(value_name = "KEYWORD")]
    words: Vec<String>,
    /// The words are a regular expression
    #[arg(long, short = 'r')]
    regexp: bool,
    /// Every version of a chart
    #[arg(long, short = 'l')]
    versions: bool,
    /// Prereleases too
    #[arg(long)]
    devel: bool,
    /// Version or constraint
    #[arg(long, default_value = "", hide_default_value = true, value_name = "VERSION")]
    version: String,
    /// Widest column
    #[arg(long, default_value_t = 50, value_name = "COLUMNS")]
    max_col_width: usize,
    /// Fail where nothing is found
    #[arg(long)]
    fail_on_no_result: bool,
    /// Form of the output
    #[arg(long, short = 'o', default_value = "table", value_name = "FORM")]
    output: OutputForm,
}

/// A version of a chart that was found.
struct Found {
    name: String,
    score: usize,
    entry: IndexEntry,
}

impl SearchCommands {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        match self {
            Self::Repo(command) => command.run(globals, context).await,
        }
    }
}

impl SearchCommand {
    async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let charts = charts(globals, &RepositoryEntry::default(), false, &[], context);
        let repositories = charts.repositories()?.repositories;
        if repositories.is_empty() {
            return Err(HelmError("no repositories configured".to_owned()));
        }
        let matcher = Matcher::new(&self.words.join(" "), self.regexp)?;
        let mut found = Vec::new();
        for entry in &repositories {
            match charts.cached_index(entry, None).await {
                Ok(index) => collect(&entry.name, index, &matcher, &mut found),
                Err(error) => {
                    note(&format!(
                        "WARNING: Repo {:?} is corrupt or missing. Try 'helm repo update'.",
                        entry.name
                    ));
                    note(&format!("WARNING: {error}"));
                }
            }
        }
        found.sort_by(|a, b| {
            let names = (a.score, &a.name).cmp(&(b.score, &b.name));
            names.then_with(|| match (version(b), version(a)) {
                (Some(b), Some(a)) => b.compare(&a),
                (b, a) => b.is_some().cmp(&a.is_some()),
            })
        });
        self.show(&self.narrowed(found)?)
    }

    /// Go: `applyConstraint`.
    fn narrowed(&self, found: Vec<Found>) -> Result<Vec<Found>, HelmError> {
        let wanted = match self.version.as_str() {
            "" if self.devel => ">0.0.0-0",
            "" => ">0.0.0",
            version => version,
        };
        let constraints = Constraints::parse(wanted)
            .map_err(|error| HelmError(format!("an invalid version/constraint format: {error}")))?;
        let mut kept: Vec<Found> = Vec::new();
        for one in found {
            let is_there = !self.versions && kept.iter().any(|other| other.name == one.name);
            if !is_there && version(&one).is_some_and(|version| constraints.allow(&version)) {
                kept.push(one);
            }
        }
        Ok(kept)
    }

    fn show(&self, found: &[Found]) -> HelmResult {
        if found.is_empty() && self.fail_on_no_result {
            return Err(HelmError("no results found".to_owned()));
        }
        if found.is_empty() && self.output == OutputForm::Table {
            ui::data("No results found\n")?;
            return Ok(());
        }
        let rows = found.iter().map(|one| {
            let metadata = &one.entry.metadata;
            vec![
                one.name.clone(),
                metadata.version.clone(),
                metadata.app_version.clone(),
                metadata.description.clone(),
            ]
        });
        let objects = found.iter().map(|one| {
            let metadata = &one.entry.metadata;
            json!({
                "name": one.name,
                "version": metadata.version,
                "app_version": metadata.app_version,
                "description": metadata.description,
            })
        });
        let head = ["NAME", "CHART VERSION", "APP VERSION", "DESCRIPTION"];
        show(
            self.output,
            &head,
            rows.collect(),
            objects.collect(),
            self.max_col_width,
        )
    }
}

fn version(one: &Found) -> Option<Version> {
    Version::parse(&one.entry.metadata.version).ok()
}

/// What a chart's line has to hold.
enum Matcher {
    All,
    Text(String),
    Pattern(Regex),
}

impl Matcher {
    fn new(text: &str, is_pattern: bool) -> Result<Self, HelmError> {
        Ok(match (text, is_pattern) {
            ("", _) => Self::All,
            (text, false) => Self::Text(text.to_lowercase()),
            (text, true) => {
                // The error is Go's.
                Pattern::new(text).map_err(HelmError)?;
                Self::Pattern(Regex::new(text)?)
            }
        })
    }

    /// How many parts of the line stand before the place that was found.
    fn score(&self, line: &str) -> Option<usize> {
        let (line, at) = match self {
            Self::All => return Some(0),
            Self::Text(text) => {
                let line = line.to_lowercase();
                let at = line.find(text)?;
                (line, at)
            }
            Self::Pattern(pattern) => (line.to_owned(), pattern.find(line)?.start()),
        };
        Some(line[..at].matches(SEPARATOR).count())
    }
}

/// Go: all versions are looked through; the constraint leaves the newest that will do.
fn collect(repository: &str, index: Index, matcher: &Matcher, found: &mut Vec<Found>) {
    for (name, versions) in index.entries {
        for entry in versions {
            let metadata = &entry.metadata;
            let parts = [
                metadata.name.clone(),
                format!("{repository}/{}", metadata.name),
                metadata.description.clone(),
                metadata.keywords.join(" "),
            ];
            let line = parts.join(&SEPARATOR.to_string());
            if let Some(score) = matcher.score(&line) {
                found.push(Found {
                    name: format!("{repository}/{name}"),
                    score,
                    entry,
                });
            }
        }
    }
}
