//! `kiel helm list`, `history`, `status` and `get`: what the release records say, as Helm prints it.
//!
//! Only reads. Records are Secrets; Helm's other storage drivers are refused by name.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kiel_chart::check_release_name;
use kiel_template::functions::Pattern;
use kiel_template::{Value, json, yaml};
use serde_json::json;

use super::release_template;
use super::resources;
use super::selector::Selector;
use super::table::table;
use super::{HelmError, HelmGlobals, HelmResult};
use crate::cli::Context;
use crate::release::{self, Release, Status};
use crate::ui;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    Yaml,
}

impl Format {
    /// Data as JSON or YAML; the table is the caller's.
    fn write(self, data: &serde_json::Value, table: impl FnOnce() -> String) -> HelmResult {
        let text = match self {
            Self::Table => table(),
            Self::Json => format!("{}\n", json::to_string(&Value::from_json(data))?),
            Self::Yaml => yaml::to_string(&Value::from_json(data))?,
        };
        ui::data(&text)?;
        Ok(())
    }
}

/// List releases
#[derive(Debug, Args)]
pub(crate) struct ListCommand {
    /// table, json or yaml
    #[arg(long, short = 'o', default_value = "table", value_name = "FORMAT")]
    output: Format,
    /// Only names
    #[arg(long, short = 'q')]
    short: bool,
    /// Leave out the head of the table
    #[arg(long)]
    no_headers: bool,
    /// In all namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// In every state
    #[arg(long, short = 'a')]
    all: bool,
    /// Releases that are deployed
    #[arg(long)]
    deployed: bool,
    /// Releases that failed
    #[arg(long)]
    failed: bool,
    /// Releases with a run that goes on or was killed
    #[arg(long)]
    pending: bool,
    /// Releases that were replaced
    #[arg(long)]
    superseded: bool,
    /// Releases that were uninstalled and kept
    #[arg(long)]
    uninstalled: bool,
    /// Releases that are being uninstalled
    #[arg(long)]
    uninstalling: bool,
    /// Only releases whose names match this expression
    #[arg(
        long,
        short = 'f',
        value_name = "REGEX",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
    /// Only releases whose records have these labels, such as a=b,c!=d
    #[arg(
        long,
        short = 'l',
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    selector: String,
    /// Go layout of the times, such as 2006-01-02
    #[arg(long, value_name = "LAYOUT", default_value = "", hide_default_value = true)]
    time_format: String,
    /// By date
    #[arg(long, short = 'd')]
    date: bool,
    /// In reverse order
    #[arg(long, short = 'r')]
    reverse: bool,
    /// At most so many, 0 for all
    #[arg(long, short = 'm', default_value_t = 256, value_name = "COUNT")]
    max: usize,
    /// Without the first ones
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    offset: usize,
}

impl ListCommand {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let filter = Pattern::new(&self.filter).map_err(HelmError)?;
        let cluster = globals.connect(context).await?;
        let namespace = globals.namespace(&context.env);
        let namespace = (!self.all_namespaces).then_some(namespace.as_str());
        let mut found = release::list(cluster.client(), namespace).await?;
        found.retain(|release| filter.is_match(&release.name));
        let mut found = self.select(found);
        let selector = Selector::parse(&self.selector)?;
        found.retain(|release| selector.takes(&release.labels));
        self.sort(&mut found);
        let rest = found.into_iter().skip(self.offset);
        let found: Vec<Release> = match self.max {
            0 => rest.collect(),
            most => rest.take(most).collect(),
        };
        self.show(&found)
    }

    fn select(&self, found: Vec<Release>) -> Vec<Release> {
        let only_superseded = self.superseded
            && !(self.all
                || self.deployed
                || self.failed
                || self.pending
                || self.uninstalled
                || self.uninstalling);
        let latest = if only_superseded {
            found
        } else {
            let mut latest: BTreeMap<(String, String), Release> = BTreeMap::new();
            for release in found {
                let key = (release.namespace.clone(), release.name.clone());
                let is_older = latest
                    .get(&key)
                    .is_some_and(|other| other.version > release.version);
                if !is_older {
                    latest.insert(key, release);
                }
            }
            latest.into_values().collect()
        };
        let wanted = |release: &Release| self.wants(release.info.status);
        latest.into_iter().filter(wanted).collect()
    }

    fn wants(&self, status: Status) -> bool {
        let none = !(self.deployed
            || self.failed
            || self.pending
            || self.superseded
            || self.uninstalled
            || self.uninstalling);
        self.all
            || match status {
                Status::Deployed => self.deployed || none,
                Status::Failed => self.failed || none,
                Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback => self.pending,
                Status::Superseded => self.superseded,
                Status::Uninstalled => self.uninstalled,
                Status::Uninstalling => self.uninstalling,
                Status::Unknown => false,
            }
    }

    fn sort(&self, found: &mut [Release]) {
        if self.date {
            found.sort_by_key(|release| parse_time(&release.info.last_deployed));
        } else {
            found.sort_by(|a, b| a.name.cmp(&b.name));
        }
        if self.reverse {
            found.reverse();
        }
    }

    fn show(&self, found: &[Release]) -> HelmResult {
        if self.short {
            let names: Vec<&str> = found.iter().map(|release| release.name.as_str()).collect();
            let lines = || names.iter().map(|name| format!("{name}\n")).collect();
            return self.output.write(&json!(names), lines);
        }
        let rows = found.iter().map(|release| list_row(release, &self.time_format));
        let rows: Vec<[(&str, String); 7]> = rows.collect::<Result<_, _>>()?;
        let objects: Vec<serde_json::Map<String, serde_json::Value>> = rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|(key, value)| ((*key).to_owned(), json!(value)))
                    .collect()
            })
            .collect();
        // Go: a struct keeps the order of its fields.
        if self.output == Format::Json {
            ui::data(&format!("{}\n", go_struct_json(&json!(objects))))?;
            return Ok(());
        }
        self.output.write(&json!(objects), || {
            let head = [
                "NAME",
                "NAMESPACE",
                "REVISION",
                "UPDATED",
                "STATUS",
                "CHART",
                "APP VERSION",
            ];
            let mut lines: Vec<Vec<String>> = Vec::new();
            if !self.no_headers {
                lines.push(head.map(str::to_owned).to_vec());
            }
            lines.extend(
                rows.iter()
                    .map(|row| row.iter().map(|(_, value)| value.clone()).collect()),
            );
            format!("{}\n", table(&lines, 0))
        })
    }
}

fn list_row(release: &Release, layout: &str) -> Result<[(&'static str, String); 7], HelmError> {
    let updated = if layout.is_empty() || release.info.last_deployed.is_empty() {
        go_time(&release.info.last_deployed)
    } else {
        release_template::time(&release.info.last_deployed, layout)?
    };
    Ok([
        ("name", release.name.clone()),
        ("namespace", release.namespace.clone()),
        ("revision", release.version.to_string()),
        ("updated", updated),
        ("status", release.info.status.as_str().to_owned()),
        ("chart", chart_name(release)),
        ("app_version", chart_text(release, "appVersion")),
    ])
}

/// Show the revisions of a release
#[derive(Debug, Args)]
pub(crate) struct HistoryCommand {
    /// Release
    #[arg(value_name = "RELEASE_NAME", required = true)]
    name: String,
    /// table, json or yaml
    #[arg(long, short = 'o', default_value = "table", value_name = "FORMAT")]
    output: Format,
    /// At most so many of the newest
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    max: usize,
}

impl HistoryCommand {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        if check_release_name(&self.name).is_err() {
            return Err(HelmError(format!("release name is invalid: {}", self.name)));
        }
        let mut found = records(&self.name, globals, context).await?;
        let skip = found.len().saturating_sub(self.max);
        found.drain(..skip);
        let rows: Vec<serde_json::Value> = found
            .iter()
            .map(|release| {
                json!({
                    "revision": release.version,
                    "updated": release.info.last_deployed,
                    "status": release.info.status.as_str(),
                    "chart": chart_name(release),
                    "app_version": chart_text(release, "appVersion"),
                    "description": release.info.description,
                })
            })
            .collect();
        if self.output == Format::Json {
            ui::data(&format!("{}\n", go_struct_json(&json!(rows))))?;
            return Ok(());
        }
        self.output.write(&json!(rows), || {
            let head = [
                "REVISION",
                "UPDATED",
                "STATUS",
                "CHART",
                "APP VERSION",
                "DESCRIPTION",
            ];
            let mut lines = vec![head.map(str::to_owned).to_vec()];
            lines.extend(found.iter().map(|release| {
                vec![
                    release.version.to_string(),
                    ansi_time(&release.info.last_deployed),
                    release.info.status.as_str().to_owned(),
                    chart_name(release),
                    chart_text(release, "appVersion"),
                    release.info.description.clone(),
                ]
            }));
            format!("{}\n", table(&lines, 0))
        })
    }
}

/// Which revision of which release.
#[derive(Debug, Args)]
pub(crate) struct RevisionArgs {
    /// Release
    #[arg(value_name = "RELEASE_NAME", required = true)]
    name: String,
    /// Revision, 0 for the newest
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    revision: u64,
}

impl RevisionArgs {
    async fn read(&self, globals: &HelmGlobals, context: &Context) -> Result<Release, HelmError> {
        if check_release_name(&self.name).is_err() {
            let name = &self.name;
            return Err(HelmError(format!(
                "releaseContent: Release name is invalid: {name}"
            )));
        }
        let found = records(&self.name, globals, context).await?;
        let mut wanted = found
            .into_iter()
            .filter(|release| self.revision == 0 || release.version == self.revision);
        wanted.next_back().ok_or_else(not_found)
    }
}

/// Show the state of a release
#[derive(Debug, Args)]
pub(crate) struct StatusCommand {
    #[command(flatten)]
    release: RevisionArgs,
    /// table, json or yaml
    #[arg(long, short = 'o', default_value = "table", value_name = "FORMAT")]
    output: Format,
    /// With what was last done
    #[arg(long)]
    show_desc: bool,
    /// With the objects as the cluster has them
    #[arg(long)]
    show_resources: bool,
}

impl StatusCommand {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let mut release = self.release.read(globals, context).await?;
        release.chart = serde_json::Value::Null;
        let mut live = resources::Live::new();
        if self.show_resources {
            let cluster = globals.connect(context).await?;
            live = resources::read(&cluster, &release, self.output == Format::Table).await?;
        }
        let mut data = serde_json::to_value(&release)?;
        if let Some(members) = data.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        if !live.is_empty() {
            data["info"]["resources"] = resources::to_json(&live);
        }
        if self.output == Format::Json {
            ui::data(&format!("{}\n", go_struct_json(&data)))?;
            return Ok(());
        }
        self.output.write(&data, || {
            let shown = Shown {
                description: self.show_desc,
                resources: resources::to_text(&live),
                ..Shown::default()
            };
            status_text(&release, &shown)
        })
    }
}

/// What is got of a release.
#[derive(Debug, Subcommand)]
pub(crate) enum GetCommands {
    /// Everything
    All(GetAll),
    /// Hooks
    Hooks(RevisionArgs),
    /// Manifests
    Manifest(RevisionArgs),
    /// Names, versions and state
    Metadata(GetMetadata),
    /// NOTES.txt
    Notes(RevisionArgs),
    /// The user's values
    Values(GetValues),
}

/// `get all`
#[derive(Debug, Args)]
pub(crate) struct GetAll {
    #[command(flatten)]
    release: RevisionArgs,
    /// Go template of the output, with the release as .Release
    #[arg(long, value_name = "TEMPLATE", default_value = "", hide_default_value = true)]
    template: String,
}

/// `get metadata`
#[derive(Debug, Args)]
pub(crate) struct GetMetadata {
    #[command(flatten)]
    release: RevisionArgs,
    /// table, json or yaml
    #[arg(long, short = 'o', default_value = "table", value_name = "FORMAT")]
    output: Format,
}

/// `get values`
#[derive(Debug, Args)]
pub(crate) struct GetValues {
    #[command(flatten)]
    release: RevisionArgs,
    /// table, json or yaml
    #[arg(long, short = 'o', default_value = "table", value_name = "FORMAT")]
    output: Format,
    /// With the chart's defaults
    #[arg(long, short = 'a')]
    all: bool,
}

impl GetCommands {
    pub(super) async fn run(self, globals: &HelmGlobals, context: &Context) -> HelmResult {
        let text = match self {
            Self::All(command) => {
                let release = command.release.read(globals, context).await?;
                if !command.template.is_empty() {
                    ui::data(&release_template::render(&command.template, &release)?)?;
                    return Ok(());
                }
                let shown = Shown {
                    everything: true,
                    metadata: true,
                    ..Shown::default()
                };
                status_text(&release, &shown)
            }
            Self::Hooks(args) => hooks_text(&args.read(globals, context).await?),
            Self::Manifest(args) => format!("{}\n", args.read(globals, context).await?.manifest),
            Self::Notes(args) => match args.read(globals, context).await?.info.notes {
                notes if notes.is_empty() => String::new(),
                notes => format!("NOTES:\n{notes}\n"),
            },
            Self::Metadata(command) => {
                let release = command.release.read(globals, context).await?;
                return show_metadata(&release, command.output);
            }
            Self::Values(command) => {
                let release = command.release.read(globals, context).await?;
                let (title, values) = if command.all {
                    ("COMPUTED VALUES:", computed_values(&release))
                } else {
                    ("USER-SUPPLIED VALUES:", release.config.clone())
                };
                return command.output.write(&values, || {
                    format!(
                        "{title}\n{}",
                        yaml::to_string(&Value::from_json(&values)).unwrap_or_default()
                    )
                });
            }
        };
        ui::data(&text)?;
        Ok(())
    }
}

fn show_metadata(release: &Release, output: Format) -> HelmResult {
    let metadata = &release.chart["metadata"];
    let mut data = json!({
        "name": release.name,
        "chart": chart_text(release, "name"),
        "version": chart_text(release, "version"),
        "appVersion": chart_text(release, "appVersion"),
    });
    for key in ["annotations", "dependencies"] {
        if let Some(found) = metadata.get(key).filter(|found| !found.is_null()) {
            data[key] = found.clone();
        }
    }
    data["namespace"] = json!(release.namespace);
    data["revision"] = json!(release.version);
    data["status"] = json!(release.info.status.as_str());
    data["deployedAt"] = json!(rfc_time(&release.info.last_deployed));
    if output == Format::Json {
        ui::data(&format!("{}\n", go_struct_json(&data)))?;
        return Ok(());
    }
    output.write(&data, || {
        let annotations: BTreeMap<&str, &str> = metadata["annotations"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
            .collect();
        let annotations: Vec<_> = annotations
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let mut names: Vec<&str> = metadata["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|dependency| dependency["name"].as_str())
            .collect();
        names.sort_unstable();
        let lines = [
            ("NAME", release.name.clone()),
            ("CHART", chart_text(release, "name")),
            ("VERSION", chart_text(release, "version")),
            ("APP_VERSION", chart_text(release, "appVersion")),
            ("ANNOTATIONS", annotations.join(",")),
            ("DEPENDENCIES", names.join(",")),
            ("NAMESPACE", release.namespace.clone()),
            ("REVISION", release.version.to_string()),
            ("STATUS", release.info.status.as_str().to_owned()),
            ("DEPLOYED_AT", rfc_time(&release.info.last_deployed)),
        ];
        lines.map(|(name, value)| format!("{name}: {value}\n")).concat()
    })
}

/// The user's values over those of the chart; Helm keeps no subcharts in its records.
fn computed_values(release: &Release) -> serde_json::Value {
    kiel_chart::joined_defaults(
        chart_text(release, "name").as_str(),
        &release.chart["values"],
        &release.config,
    )
}

/// What a release's text shows beside the usual.
#[derive(Debug, Clone, Default)]
struct Shown {
    description: bool,
    /// Tables of objects.
    resources: String,
    metadata: bool,
    everything: bool,
}

fn status_text(release: &Release, shown: &Shown) -> String {
    let mut text = format!("NAME: {}\n", release.name);
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name}: {value}\n"));
    if !release.info.last_deployed.is_empty() {
        line("LAST DEPLOYED", &ansi_time(&release.info.last_deployed));
    }
    line("NAMESPACE", &release.namespace);
    line("STATUS", release.info.status.as_str());
    line("REVISION", &release.version.to_string());
    if shown.metadata {
        line("CHART", &chart_text(release, "name"));
        line("VERSION", &chart_text(release, "version"));
        line("APP_VERSION", &chart_text(release, "appVersion"));
    }
    if shown.description {
        line("DESCRIPTION", &release.info.description);
    }
    if !shown.resources.is_empty() {
        text.push_str(&format!("RESOURCES:\n{}\n", shown.resources));
    }
    text.push_str(&tests_text(release));
    if shown.everything {
        let write = |value: &serde_json::Value| yaml::to_string(&Value::from_json(value)).unwrap_or_default();
        text.push_str(&format!("USER-SUPPLIED VALUES:\n{}\n", write(&release.config)));
        text.push_str(&format!(
            "COMPUTED VALUES:\n{}\n",
            write(&computed_values(release))
        ));
    }
    if shown.everything || release.info.description.eq_ignore_ascii_case("Dry run complete") {
        text.push_str(&format!(
            "HOOKS:\n{}MANIFEST:\n{}\n",
            hooks_text(release),
            release.manifest
        ));
    }
    if !release.info.notes.is_empty() {
        text.push_str(&format!("NOTES:\n{}\n", release.info.notes.trim()));
    }
    text
}

fn tests_text(release: &Release) -> String {
    let tests: Vec<_> = release
        .hooks
        .iter()
        .filter(|hook| hook.events.iter().any(|event| event == "test"))
        .collect();
    if tests.is_empty() {
        return "TEST SUITE: None\n".to_owned();
    }
    let started = tests.iter().filter(|hook| !hook.last_run.started_at.is_empty());
    started
        .map(|hook| {
            format!(
                "TEST SUITE:     {}\nLast Started:   {}\nLast Completed: {}\nPhase:          {}\n",
                hook.name,
                ansi_time(&hook.last_run.started_at),
                ansi_time(&hook.last_run.completed_at),
                hook.last_run.phase
            )
        })
        .collect()
}

fn hooks_text(release: &Release) -> String {
    let hooks = release.hooks.iter();
    hooks
        .map(|hook| format!("---\n# Source: {}\n{}\n", hook.path, hook.manifest))
        .collect()
}

/// A release's revisions, oldest first.
async fn records(name: &str, globals: &HelmGlobals, context: &Context) -> Result<Vec<Release>, HelmError> {
    let cluster = globals.connect(context).await?;
    let namespace = globals.namespace(&context.env);
    let mut found = release::list_named(cluster.client(), &namespace, name).await?;
    if found.is_empty() {
        return Err(not_found());
    }
    found.sort_by_key(|release| release.version);
    Ok(found)
}

fn not_found() -> HelmError {
    HelmError("release: not found".to_owned())
}

fn chart_text(release: &Release, key: &str) -> String {
    let text = release.chart["metadata"][key].as_str();
    text.unwrap_or_default().to_owned()
}

fn chart_name(release: &Release) -> String {
    if release.chart["metadata"].is_null() {
        return "MISSING".to_owned();
    }
    format!(
        "{}-{}",
        chart_text(release, "name"),
        chart_text(release, "version")
    )
}

/// Go: a struct keeps the order of its fields, maps are sorted, HTML is escaped.
fn go_struct_json(value: &serde_json::Value) -> String {
    let text = |value: &str| json::to_string(&Value::from(value)).unwrap_or_default();
    match value {
        serde_json::Value::Object(members) => {
            let members: Vec<_> = members
                .iter()
                .map(|(key, value)| {
                    let value = match key.as_str() {
                        "config" | "annotations" | "resources" => {
                            json::to_string(&Value::from_json(value)).unwrap_or_default()
                        }
                        _ => go_struct_json(value),
                    };
                    format!("{}:{value}", text(key))
                })
                .collect();
            format!("{{{}}}", members.join(","))
        }
        serde_json::Value::Array(items) => {
            let items: Vec<_> = items.iter().map(go_struct_json).collect();
            format!("[{}]", items.join(","))
        }
        serde_json::Value::String(value) => text(value),
        other => other.to_string(),
    }
}

fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// The zone that Go gives a time: the machine's where the offset is the machine's, else the offset alone.
fn zoned(text: &str) -> Option<(jiff::Zoned, bool)> {
    let time = parse_time(text)?;
    if text.ends_with('Z') {
        return Some((time.to_zoned(TimeZone::UTC), true));
    }
    let local = time.to_zoned(TimeZone::system());
    let parsed = jiff::fmt::temporal::Pieces::parse(text).ok()?;
    let offset = match parsed.offset()? {
        jiff::fmt::temporal::PiecesOffset::Numeric(numeric) => numeric.offset(),
        _ => jiff::tz::Offset::UTC,
    };
    if local.offset() == offset {
        return Some((local, true));
    }
    Some((time.to_zoned(offset.to_time_zone()), false))
}

/// Go: `time.Time.String`.
fn go_time(text: &str) -> String {
    let Some((time, named)) = zoned(text) else {
        return "-".to_owned();
    };
    let fraction = match time.subsec_nanosecond() {
        0 => String::new(),
        nanos => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
    };
    let zone = if named { "%Z" } else { "%z" };
    time.strftime(&format!("%Y-%m-%d %H:%M:%S{fraction} %z {zone}"))
        .to_string()
}

/// Go: `time.ANSIC`.
fn ansi_time(text: &str) -> String {
    let time = zoned(text).map(|(time, _)| time.strftime("%a %b %e %H:%M:%S %Y").to_string());
    time.unwrap_or_else(|| "Mon Jan  1 00:00:00 0001".to_owned())
}

/// Go: `time.RFC3339`.
fn rfc_time(text: &str) -> String {
    let Some((time, _)) = zoned(text) else {
        return "0001-01-01T00:00:00Z".to_owned();
    };
    if time.offset().is_zero() {
        time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    } else {
        time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_by_go() {
        let text = "2024-01-02T03:04:05.670800Z";
        assert_eq!(go_time(text), "2024-01-02 03:04:05.6708 +0000 UTC");
        assert_eq!(ansi_time(text), "Tue Jan  2 03:04:05 2024");
        assert_eq!(rfc_time(text), "2024-01-02T03:04:05Z");
        assert_eq!(
            rfc_time("2024-01-02T03:04:05.5+05:45"),
            "2024-01-02T03:04:05+05:45"
        );
        assert_eq!(
            go_time("2024-01-02T03:04:05+05:45"),
            "2024-01-02 03:04:05 +0545 +0545"
        );
        assert_eq!(go_time(""), "-");
    }

    #[test]
    fn structs_keep_the_order_of_their_fields() {
        let value = json!({"b": "<&>", "a": [1, {"config": {"z": 1, "a": 2.5}}]});
        assert_eq!(
            go_struct_json(&value),
            r#"{"b":"\u003c\u0026\u003e","a":[1,{"config":{"a":2.5,"z":1}}]}"#
        );
    }
}
