//! `kiel config render | list | graph | schema`: what werf.yaml says, after its templates.

use std::fmt::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::args::ProjectArgs;
use super::error::{CommandError, CommandResult};
use super::project::Project;
use super::{Context, print};
use crate::config::model::{Image, ImageKind, NAMELESS};
use crate::config::{self, ConfigError};

/// The commands below `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommands {
    /// Print werf.yaml after its templates, or the documents of some images
    Render(ConfigCommand<TextFormat>),
    /// Print the names of the images
    List(ConfigCommand<TextFormat>),
    /// Print which image needs which
    Graph(ConfigCommand<GraphFormat>),
    /// Print the JSON Schema of werf.yaml, for editors
    Schema,
}

/// Which project and which of its images.
#[derive(Debug, Args)]
pub(crate) struct ConfigCommand<F: ValueEnum + Send + Sync + 'static> {
    /// Names or globs of images, `!` before one excludes [default: all]
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    /// Only images that the chart may name
    #[arg(long)]
    final_images_only: bool,
    /// How to print it [default: as werf does]
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    output: Option<F>,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Beside werf's own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextFormat {
    /// JSON
    Json,
}

/// Beside werf's own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// JSON
    Json,
    /// A flowchart for Mermaid
    Mermaid,
    /// A graph for Graphviz
    Dot,
}

impl<F: ValueEnum + Send + Sync + 'static> ConfigCommand<F> {
    fn open(&self, context: &Context) -> Result<Project, CommandError> {
        Project::open(&self.project, context)
    }

    fn images<'p>(&self, project: &'p Project) -> Result<Vec<&'p Image>, CommandError> {
        let mut images = config::select(&project.config, &self.images)?;
        images.retain(|image| image.is_final || !self.final_images_only);
        Ok(images)
    }
}

impl ConfigCommands {
    pub(crate) fn run(self, context: &Context) -> CommandResult {
        let text = match &self {
            Self::Schema => json_text(&config::json_schema())?,
            Self::Render(command) => render(command, context)?,
            Self::List(command) => {
                let project = command.open(context)?;
                let images = command.images(&project)?;
                match command.output {
                    None => images.iter().map(|image| format!("{}\n", image.name)).collect(),
                    Some(TextFormat::Json) => {
                        json_text(&images.iter().map(|image| summary(image)).collect::<Value>())?
                    }
                }
            }
            Self::Graph(command) => {
                let project = command.open(context)?;
                let images = command.images(&project)?;
                match command.output {
                    None => images.iter().map(|image| graph(image)).collect(),
                    Some(GraphFormat::Json) => {
                        json_text(&images.iter().map(|image| node(image)).collect::<Value>())?
                    }
                    Some(GraphFormat::Mermaid) => mermaid(&images),
                    Some(GraphFormat::Dot) => dot(&images),
                }
            }
        };
        print(&text)
    }
}

fn render(command: &ConfigCommand<TextFormat>, context: &Context) -> Result<String, CommandError> {
    let project = command.open(context)?;
    let images = command.images(&project)?;
    let text = if command.images.is_empty() {
        project.rendered.clone()
    } else {
        config::documents_of(&project.rendered, &images)
    };
    match command.output {
        None => Ok(text),
        Some(TextFormat::Json) => {
            let documents = config::documents_as_json(&text).map_err(ConfigError::Invalid)?;
            json_text(&documents.into())
        }
    }
}

fn json_text(value: &Value) -> Result<String, CommandError> {
    let text = serde_json::to_string_pretty(value);
    Ok(text.map_err(|error| CommandError::new(format!("cannot print it as JSON: {error}")))? + "\n")
}

fn summary(image: &Image) -> Value {
    let kind = match image.kind {
        ImageKind::Dockerfile(_) => "dockerfile",
        ImageKind::Stapel(_) => "stapel",
    };
    json!({ "image": image.name, "final": image.is_final, "kind": kind, "line": image.line })
}

fn node(image: &Image) -> Value {
    let mut needs = json!({});
    if let Some(base) = image.base() {
        needs["from"] = base.into();
    }
    for (kind, names) in [
        ("import", image.imports()),
        ("dependencies", image.dependencies()),
    ] {
        if !names.is_empty() {
            needs[kind] = names.into();
        }
    }
    json!({ "image": image.name, "final": image.is_final, "dependsOn": needs })
}

/// One image as werf prints it.
fn graph(image: &Image) -> String {
    if image.name == NAMELESS {
        return "- {}\n".to_owned();
    }
    let mut text = format!("- image: {}\n", image.name);
    if image.needs().is_empty() {
        return text;
    }
    text.push_str("  dependsOn:\n");
    if let Some(base) = image.base() {
        // Writing to a String cannot fail.
        _ = writeln!(text, "    from: {base}");
    }
    for (kind, names) in [
        ("import", image.imports()),
        ("dependencies", image.dependencies()),
    ] {
        if !names.is_empty() {
            _ = writeln!(text, "    {kind}:");
            for name in names {
                _ = writeln!(text, "    - {name}");
            }
        }
    }
    text
}

/// What an image needs, with the way in which it does; each pair once.
fn edges<'i>(images: &[&'i Image]) -> Vec<(&'i str, &'i str, &'static str)> {
    let mut edges = Vec::new();
    for image in images {
        let base = image.base().into_iter().map(|name| (name, "from"));
        let imports = image.imports().into_iter().map(|name| (name, "import"));
        let dependencies = image
            .dependencies()
            .into_iter()
            .map(|name| (name, "dependencies"));
        for (name, kind) in base.chain(imports).chain(dependencies) {
            let edge = (image.name.as_str(), name, kind);
            if !edges.contains(&edge) {
                edges.push(edge);
            }
        }
    }
    edges
}

/// Images by number: names may have what Mermaid takes for its own.
fn mermaid(images: &[&Image]) -> String {
    let mut names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
    let edges = edges(images);
    for (_, needed, _) in &edges {
        if !names.contains(needed) {
            names.push(needed);
        }
    }
    let number = |name: &str| names.iter().position(|known| *known == name).unwrap_or_default();
    let mut text = "flowchart LR\n".to_owned();
    for (index, name) in names.iter().enumerate() {
        _ = writeln!(text, "  i{index}[\"{name}\"]");
    }
    for (image, needed, kind) in &edges {
        _ = writeln!(text, "  i{} -->|{kind}| i{}", number(image), number(needed));
    }
    text
}

fn dot(images: &[&Image]) -> String {
    let mut text = "digraph images {\n  rankdir=LR;\n".to_owned();
    for image in images {
        _ = writeln!(text, "  \"{}\";", image.name);
    }
    for (image, needed, kind) in edges(images) {
        _ = writeln!(text, "  \"{image}\" -> \"{needed}\" [label=\"{kind}\"];");
    }
    text.push_str("}\n");
    text
}
