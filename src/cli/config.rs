//! `kiel config render | list | graph`: what werf.yaml says, after its templates.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::args::ProjectArgs;
use super::error::CommandResult;
use super::project::Project;
use super::{Context, print};
use crate::config::{self, model::Image, model::NAMELESS};

/// The commands below `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommands {
    /// Print werf.yaml after its templates, or the documents of some images
    Render(ConfigCommand),
    /// Print the names of the images
    List(ConfigCommand),
    /// Print which image needs which
    Graph(ConfigCommand),
}

/// Which project and which of its images.
#[derive(Debug, Args)]
pub(crate) struct ConfigCommand {
    /// Names or globs of images, `!` before one excludes [default: all]
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    /// Only images that the chart may name
    #[arg(long)]
    final_images_only: bool,
    #[command(flatten)]
    project: ProjectArgs,
}

impl ConfigCommands {
    pub(crate) fn run(self, context: &Context) -> CommandResult {
        let (Self::Render(command) | Self::List(command) | Self::Graph(command)) = &self;
        let project = Project::open(&command.project, context)?;
        let mut images = config::select(&project.config, &command.images)?;
        images.retain(|image| image.is_final || !command.final_images_only);
        let text = match &self {
            Self::Render(_) if command.images.is_empty() => project.rendered.clone(),
            Self::Render(_) => config::documents_of(&project.rendered, &images),
            Self::List(_) => images.iter().map(|image| format!("{}\n", image.name)).collect(),
            Self::Graph(_) => images.iter().map(|image| graph(image)).collect(),
        };
        print(&text)
    }
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
