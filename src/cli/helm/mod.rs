//! `kiel helm …`: the commands of Helm that people script against, with Helm's flags, output and error texts.
//!
//! Adapters over the same pipeline functions that kiel's own commands use. Errors are printed as `Error: TEXT`, as Helm
//! does; what Helm only logs goes to standard error too.

mod args;
mod create;
mod dependency;
mod globals;
mod go_files;
mod install_flags;
mod json_path;
mod lint;
mod package;
mod post_render;
mod pull;
mod push;
mod registry;
mod release_template;
mod releases;
mod remote;
mod repo;
mod search;
mod selector;
mod show;
mod signing;
mod slices;
mod table;
mod template;
mod usage;
mod validate;
mod verify;
mod version;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(super) use self::args::HelmValuesArgs;
use self::globals::HelmGlobals;
pub(super) use self::lint::{LintFlags, lint_paths, print_results};
pub(super) use self::template::write_files;
pub(super) use self::usage::{under_own_name, usage};
use super::Context;
use super::error::{CommandError, CommandResult, EXIT_FAILURE};
use crate::ui;

/// Helm's commands, with Helm's flags and output
#[derive(Debug, Args)]
pub(crate) struct HelmCommand {
    #[command(flatten)]
    globals: HelmGlobals,
    #[command(subcommand)]
    command: HelmCommands,
}

/// Helm's commands.
#[derive(Debug, Subcommand)]
enum HelmCommands {
    Create(create::CreateCommand),
    /// The charts that a chart depends on
    #[command(subcommand, visible_aliases = ["dep", "dependencies"])]
    Dependency(dependency::DependencyCommands),
    Env(version::EnvCommand),
    /// Show what a release's record holds
    #[command(subcommand)]
    Get(releases::GetCommands),
    #[command(visible_alias = "hist")]
    History(releases::HistoryCommand),
    Lint(lint::LintCommand),
    #[command(visible_alias = "ls")]
    List(Box<releases::ListCommand>),
    Package(package::PackageCommand),
    #[command(visible_alias = "fetch")]
    Pull(Box<pull::PullCommand>),
    Push(Box<push::PushCommand>),
    /// Logins to registries
    #[command(subcommand)]
    Registry(registry::RegistryCommands),
    /// Chart repositories
    #[command(subcommand)]
    Repo(repo::RepoCommands),
    /// Find charts
    #[command(subcommand)]
    Search(search::SearchCommands),
    /// Show what a chart says about itself
    #[command(subcommand, visible_alias = "inspect")]
    Show(show::ShowCommands),
    Status(releases::StatusCommand),
    Template(Box<template::TemplateCommand>),
    Verify(verify::VerifyCommand),
    Version(version::VersionCommand),
}

/// A failed command of Helm: its text, without `Error: `.
#[derive(Debug)]
pub(crate) struct HelmError(String);

impl From<HelmError> for CommandError {
    fn from(error: HelmError) -> Self {
        Self::new(error.0)
    }
}

impl<E: std::error::Error> From<E> for HelmError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// What a command of Helm prints.
type HelmResult = Result<(), HelmError>;

impl HelmCommand {
    /// Whether it may wait for anything but this machine's files.
    pub(crate) fn waits(&self) -> bool {
        match &self.command {
            HelmCommands::Template(command) => !command.is_local(),
            HelmCommands::Create(_)
            | HelmCommands::Env(_)
            | HelmCommands::Verify(_)
            | HelmCommands::Version(_) => false,
            _ => true,
        }
    }

    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let globals = &self.globals;
        let result = match self.command {
            HelmCommands::Create(command) => command.run(&context.env),
            HelmCommands::Env(command) => command.run(globals, &context.env),
            HelmCommands::Get(command) => command.run(globals, context).await,
            HelmCommands::History(command) => command.run(globals, context).await,
            HelmCommands::List(command) => command.run(globals, context).await,
            HelmCommands::Status(command) => command.run(globals, context).await,
            HelmCommands::Package(command) => command.run(globals, context).await,
            HelmCommands::Verify(command) => command.run(context),
            HelmCommands::Version(command) => command.run(),
            HelmCommands::Lint(command) => command.run(globals, &context.env),
            HelmCommands::Dependency(command) => command.run(globals, context).await,
            HelmCommands::Pull(command) => command.run(globals, context).await,
            HelmCommands::Push(command) => command.run(globals, context).await,
            HelmCommands::Registry(command) => command.run(globals, context).await,
            HelmCommands::Repo(command) => command.run(globals, context).await,
            HelmCommands::Search(command) => command.run(globals, context).await,
            HelmCommands::Show(command) => command.run(globals, context).await,
            HelmCommands::Template(command) => command.run(globals, context).await,
        };
        Ok(match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(HelmError(text)) => {
                let text = context.mask.apply(&text);
                ui::print(&format!("Error: {text}"));
                globals.debug("helm.go:92", &text);
                ExitCode::from(EXIT_FAILURE)
            }
        })
    }
}
