//! Flags that `helm template` takes because `helm install` has them: the names, and those without effect on what is
//! rendered, which scripts give nevertheless.

use std::rc::Rc;

use clap::Args;
use kiel_template::functions::{self, Environment};
use kiel_template::{Options, TemplateSet, Value};

use super::{HelmError, usage};
use crate::cli::clock::Clock;

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
    #[arg(long, hide = true, value_name = "TIME")]
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
    hide_secret: bool,
    #[arg(long, hide = true)]
    take_ownership: bool,
    #[arg(long, hide = true)]
    render_subchart_notes: bool,
}

impl InstallFlags {
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
        const TEMPLATE: &str = "name-template";
        let environment: Rc<dyn Environment> = Rc::new(Clock);
        let mut templates = TemplateSet::new(Options {
            name: TEMPLATE.to_owned(),
            functions: functions::sprig(&environment),
            ..Options::default()
        });
        templates.parse(TEMPLATE, self.name_template.as_bytes())?;
        let name = templates.execute_bytes(TEMPLATE, &Value::Nil)?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    }
}
