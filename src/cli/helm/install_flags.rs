//! Flags that `helm template` takes because `helm install` has them: the names, and those without effect on what is
//! rendered, which scripts give nevertheless.

use std::rc::Rc;

use clap::Args;
use kiel_template::format::quote_str;
use kiel_template::functions::{self, Environment};
use kiel_template::{Options, TemplateSet, Value};

use super::{HelmError, usage};
use crate::cli::clock::Clock;

/// Labels that Helm sets on its records itself.
const SYSTEM_LABELS: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];

/// The flags.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct InstallFlags {
    /// Taken for scripts: `template` has a name where none is given
    #[arg(long, short = 'g', hide = true)]
    generate_name: bool,
    /// Go template, with Sprig's functions, for the release's name
    #[arg(long, value_name = "TEMPLATE", default_value = "", hide_default_value = true)]
    name_template: String,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "client", value_name = "HOW")]
    dry_run: Option<String>,
    #[arg(long, hide = true, value_name = "TEXT")]
    description: Option<String>,
    #[arg(long, hide = true, value_name = "DURATION", value_parser = usage::duration)]
    timeout: Option<String>,
    #[arg(long, short = 'l', hide = true, value_name = "LABELS")]
    labels: Vec<String>,
    #[arg(long, hide = true)]
    wait: bool,
    #[arg(long, hide = true)]
    wait_for_jobs: bool,
    #[arg(long, hide = true)]
    atomic: bool,
    #[arg(long, hide = true)]
    create_namespace: bool,
    #[arg(long, hide = true)]
    force: bool,
    #[arg(long, hide = true)]
    replace: bool,
    #[arg(long, hide = true)]
    disable_openapi_validation: bool,
    #[arg(long, hide = true)]
    hide_notes: bool,
    #[arg(long, hide = true)]
    take_ownership: bool,
    #[arg(long, hide = true)]
    render_subchart_notes: bool,
}

impl InstallFlags {
    /// Whether `lookup` asks the cluster.
    pub(super) fn asks_server(&self) -> bool {
        matches!(self.dry_run.as_deref(), Some("server" | "none" | "false"))
    }

    /// Refuses what `install` could not use either.
    pub(super) fn check(&self) -> Result<(), HelmError> {
        for label in &self.labels {
            let Some((key, _)) = label.split_once('=') else {
                let quoted = quote_str(label.as_bytes());
                return Err(HelmError(format!(
                    "invalid argument {quoted} for \"-l, --labels\" flag: {label} must be formatted as key=value"
                )));
            };
            if SYSTEM_LABELS.contains(&key) {
                return Err(HelmError(format!(
                    "user supplied labels contains system reserved label name. System labels: [{}]",
                    SYSTEM_LABELS.join(" ")
                )));
            }
        }
        let known = ["false", "true", "none", "client", "server", ""];
        if self.dry_run.as_deref().is_some_and(|how| !known.contains(&how)) {
            let text =
                "Invalid dry-run flag. Flag must one of the following: false, true, none, client, server";
            return Err(HelmError(text.to_owned()));
        }
        Ok(())
    }

    /// The release's name and the chart out of a command's arguments.
    pub(super) fn name_and_chart(&self, words: &[String]) -> Result<(String, String), HelmError> {
        let conflict = |flag: &str| Err(HelmError(format!("cannot set --{flag} and also specify a name")));
        match words {
            [] => Err(HelmError(usage::arguments("template").unwrap_or_default())),
            [chart] if self.name_template.is_empty() => Ok(("release-name".to_owned(), chart.clone())),
            [chart] => Ok((self.name()?, chart.clone())),
            [_, _] if self.generate_name => conflict("generate-name"),
            [_, _] if !self.name_template.is_empty() => conflict("name-template"),
            [name, chart] => Ok((name.clone(), chart.clone())),
            [_, _, rest @ ..] => Err(HelmError(format!(
                "expected at most two arguments, unexpected arguments: {}",
                rest.join(", ")
            ))),
        }
    }

    fn name(&self) -> Result<String, HelmError> {
        sprig_text("name-template", &self.name_template, &Value::Nil)
    }
}

/// What a template with Sprig's functions writes.
pub(super) fn sprig_text(name: &str, template: &str, data: &Value) -> Result<String, HelmError> {
    let environment: Rc<dyn Environment> = Rc::new(Clock);
    let mut templates = TemplateSet::new(Options {
        name: name.to_owned(),
        functions: functions::sprig(&environment),
        ..Options::default()
    });
    templates.parse(name, template.as_bytes())?;
    let text = templates.execute_bytes(name, data)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
