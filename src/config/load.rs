//! Finds, renders and parses werf.yaml.

use std::sync::Arc;

use kiel_template::files::{FileError, FileTree};
use kiel_template::functions::{MESSAGE_END, MESSAGE_START};

use super::model::Config;
use super::options::LoadOptions;
use super::parse::parse;
use super::render::{TEMPLATE, not_found, render};
use crate::diagnostic::{Diagnostic, Mistakes};

/// The names that are looked for, in their order.
pub const NAMES: [&str; 2] = ["werf.yaml", "werf.yml"];

/// A configuration with the text that it was read from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file's name, relative to the project.
    pub file: String,
    /// The same for messages about what is below.
    pub shown: String,
    /// Its text after the templates.
    pub rendered: String,
    /// What it says.
    pub config: Config,
}

/// Why there is no configuration.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConfigError {
    /// No such file in the commit.
    #[error("Error: unable to render werf config: unable to read werf config: {}", not_found(&.names[0], *.is_loose))]
    Missing {
        /// The names that were looked for.
        names: Vec<String>,
        /// Whether the work tree was looked at.
        is_loose: bool,
    },
    /// It cannot be read.
    #[error("cannot read `{file}`")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: FileError,
    },
    /// It is no text.
    #[error("cannot read `{0}`: it is not UTF-8")]
    NotText(String),
    /// Its templates fail; the text is the template engine's, which names file and line.
    #[error("{}", .0.to_string().replacen("error: ", "Error: unable to render werf config: ", 1))]
    Template(Mistakes),
    /// A template of its folder fails.
    #[error("Error: unable to render werf config: {0}")]
    TemplateFile(String),
    /// It has mistakes.
    #[error("{0}")]
    Invalid(Mistakes),
}

/// Finds werf.yaml in the project's files, renders it and validates it.
pub fn load(
    files: &Arc<dyn FileTree + Send + Sync>,
    options: &LoadOptions<'_>,
) -> Result<Loaded, ConfigError> {
    let names: Vec<String> = match options.file {
        Some(file) => vec![file.trim_start_matches("./").to_owned()],
        None => NAMES.map(ToOwned::to_owned).to_vec(),
    };
    let mut found = None;
    for name in &names {
        let content = files.read(name).map_err(|source| ConfigError::Read {
            file: name.clone(),
            source,
        })?;
        if let Some(content) = content {
            found = Some((name.clone(), content));
            break;
        }
    }
    let Some((file, content)) = found else {
        return Err(ConfigError::Missing {
            names,
            is_loose: options.inspector.is_loose(),
        });
    };
    let text = std::str::from_utf8(&content).map_err(|_| ConfigError::NotText(file.clone()))?;
    let rendered = render(files, text, options).map_err(|error| {
        let own = || Source {
            file: file.clone(),
            text: text.to_owned(),
        };
        template_error(own, files, options.templates_dir, &error)
    })?;
    let shown = if rendered == text {
        file.clone()
    } else {
        format!("{file} (as `kiel config render` prints it)")
    };
    let mut config = parse(&shown, &rendered).map_err(ConfigError::Invalid)?;
    if let Some(project) = options.project {
        project.clone_into(&mut config.meta.project);
    }
    Ok(Loaded {
        file,
        shown,
        rendered,
        config,
    })
}

/// A file with a template.
struct Source {
    file: String,
    text: String,
}

/// Shows the line of the innermost template that is in a file: werf.yaml itself, one of the templates folder, or a file
/// that was given to `tpl`.
fn template_error(
    own: impl Fn() -> Source,
    files: &Arc<dyn FileTree + Send + Sync>,
    templates_dir: &str,
    error: &kiel_template::Error,
) -> ConfigError {
    let message = error
        .to_string()
        .replace(MESSAGE_START, "")
        .replace(MESSAGE_END, "");
    let in_folder = |name: &str| format!("{}/{name}", templates_dir.trim_matches('/'));
    let read = |file: &str| {
        let content = files.read(file).ok().flatten()?;
        let text = std::str::from_utf8(&content).ok()?.to_owned();
        let file = file.to_owned();
        Some(Source { file, text })
    };
    let (mut place, mut next) = (None, Some(error));
    while let Some(error) = next.filter(|error| error.line() > 0) {
        let name = error.template();
        let found = match name {
            TEMPLATE => Some(own()),
            name => read(&in_folder(name)).or_else(|| read(name)),
        };
        place = found.map(|source| (source, error)).or(place);
        next = error.cause();
    }
    let Some((source, error)) = place else {
        return ConfigError::TemplateFile(message);
    };
    ConfigError::Template(Mistakes {
        file: source.file,
        text: source.text,
        list: vec![Diagnostic {
            line: error.line(),
            column: error.column().unwrap_or(0) + 1,
            hint: variable_hint(&message),
            message,
        }],
    })
}

/// What to write for a variable that is not allowed.
fn variable_hint(message: &str) -> Option<String> {
    let before = message.strip_suffix("\" not allowed by giterminism")?;
    let (_, name) = before.rsplit_once("env name \"")?;
    Some(format!(
        "to allow it, add to werf-giterminism.yaml:\n  config:\n    goTemplateRendering:\n      allowEnvVariables: [{name}]"
    ))
}
