//! `kiel helm …`: the commands of Helm that people script against, with Helm's flags, output and error texts.
//!
//! Adapters over the same pipeline functions that kiel's own commands use. Errors are printed as `Error: TEXT`, as Helm
//! does; what Helm only logs goes to standard error too.

mod args;
mod show;
mod template;

use std::process::ExitCode;

use clap::Subcommand;

use super::Context;
use super::error::{CommandResult, EXIT_FAILURE};
use crate::ui;

/// Helm's commands.
#[derive(Debug, Subcommand)]
pub(crate) enum HelmCommands {
    /// Show what a chart says about itself
    #[command(subcommand)]
    Show(show::ShowCommands),
    Template(Box<template::TemplateCommand>),
}

/// A failed command of Helm: its text, without `Error: `.
#[derive(Debug)]
pub(crate) struct HelmError(String);

impl<E: std::error::Error> From<E> for HelmError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// What a command of Helm prints.
type HelmResult = Result<(), HelmError>;

impl HelmCommands {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let result = match self {
            Self::Show(command) => command.run(),
            Self::Template(command) => command.run(context).await,
        };
        Ok(match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(HelmError(text)) => {
                ui::print(&context.mask.apply(&format!("Error: {text}")));
                ExitCode::from(EXIT_FAILURE)
            }
        })
    }
}
