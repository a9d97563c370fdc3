//! The commands: arguments, help, exit code. Joins the pipelines; nothing else knows clap.

mod args;
mod build;
mod certificates;
mod chart;
mod clock;
mod config;
mod converge;
mod dependencies;
mod deploy;
mod dismiss;
mod env;
mod error;
mod giterminism;
mod helm;
mod images;
mod lint;
mod plan;
mod project;
mod reference;
mod render;
mod service_values;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use self::args::LogArgs;
use self::env::Environment;
use self::error::{CommandError, CommandResult};
pub use self::error::{EXIT_CHANGES_PLANNED, EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_OK, EXIT_TERMINATED};
pub use self::reference::reference;
use crate::event::Events;
use crate::ui::{self, Form, LogFiles, Mask};

/// From a Git commit to running pods: builds images on BuildKit, renders the chart as Helm does, converges Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "kiel", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    Build(build::BuildCommand),
    Converge(converge::ConvergeCommand),
    Plan(plan::PlanCommand),
    Render(render::RenderCommand),
    Lint(lint::LintCommand),
    Dismiss(dismiss::DismissCommand),
    /// Show what werf.yaml says
    #[command(subcommand)]
    Config(config::ConfigCommands),
    Helm(Box<helm::HelmCommand>),
    /// Print the version
    Version,
    /// Print the command reference as Markdown
    #[command(hide = true)]
    Docs,
}

/// What every command gets.
pub(crate) struct Context {
    pub(crate) env: Environment,
    pub(crate) events: Events,
    pub(crate) mask: Mask,
    /// Cancelled by the first Ctrl-C; the second ends the process.
    pub(crate) cancel: CancellationToken,
}

/// Runs a command line; the first argument is the program's name.
#[must_use]
pub fn run(args: Vec<OsString>) -> ExitCode {
    let env = Environment::of_process();
    let args = helm::under_own_name(args);
    let mut command = env.connect(command());
    let matches = command.try_get_matches_from_mut(&args);
    let cli = match matches.and_then(|found| Cli::from_arg_matches(&found)) {
        Ok(cli) => cli,
        Err(error) => {
            // What was used to read a command line is no longer as it was made.
            let command = env.connect(self::command());
            return helm::usage(&args, &command, &error).unwrap_or_else(|| usage(&error));
        }
    };
    match cli.log.log_color_mode.as_str() {
        "on" => anstream::ColorChoice::Always.write_global(),
        "off" => anstream::ColorChoice::Never.write_global(),
        _ => {}
    }
    if !cli.command.waits() {
        return run_alone(cli, env);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(
                &CommandError::from(error),
                &Mask::default(),
                Form::Plain,
                &LogFiles::default(),
            );
        }
    };
    let code = runtime.block_on(run_command(cli, env));
    // Threads that wait for a terminal or a disk must not keep the process.
    runtime.shutdown_background();
    code
}

impl Commands {
    /// Whether the command may wait for anything but this machine's files. One that does not needs no runtime, no signals
    /// caught and nobody who shows events: starting these takes longer than such a command.
    fn waits(&self) -> bool {
        match self {
            Self::Version | Self::Docs => false,
            Self::Helm(command) => command.waits(),
            _ => true,
        }
    }
}

/// Runs a command that does not wait.
fn run_alone(cli: Cli, env: Environment) -> ExitCode {
    let form = cli.log.options(&env).form;
    let mask = Mask::default();
    let (events, ..) = Events::limited();
    let context = Context {
        env,
        events,
        mask: mask.clone(),
        cancel: CancellationToken::new(),
    };
    let result = match cli.command {
        Commands::Version => version(),
        Commands::Docs => print(&reference()),
        Commands::Helm(command) => futures::executor::block_on(command.run(&context)),
        _ => unreachable!("all other commands wait"),
    };
    result.unwrap_or_else(|error| fail(&error, &mask, form, &LogFiles::default()))
}

fn version() -> CommandResult {
    print(&format!("kiel {}\n", env!("CARGO_PKG_VERSION")))
}

async fn run_command(cli: Cli, env: Environment) -> ExitCode {
    let options = cli.log.options(&env);
    let form = options.form;
    let mask = Mask::default();
    let (events, receiver, room) = Events::limited();
    restore_terminal_in_panics();
    let shown = ui::show(receiver, room, options, mask.clone());
    let cancel = CancellationToken::new();
    let signal = Arc::new(AtomicU8::new(EXIT_INTERRUPTED));
    tokio::spawn(watch_interrupts(
        cancel.clone(),
        Arc::clone(&signal),
        events.clone().downgrade(),
    ));
    let context = Context {
        env,
        events,
        mask: mask.clone(),
        cancel: cancel.clone(),
    };
    let result = match cli.command {
        Commands::Build(command) => command.run(&context).await,
        Commands::Converge(command) => command.run(&context).await,
        Commands::Plan(command) => command.run(&context).await,
        Commands::Render(command) => command.run(&context).await,
        Commands::Lint(command) => command.run(&context).await,
        Commands::Dismiss(command) => command.run(&context).await,
        Commands::Config(command) => command.run(&context),
        Commands::Helm(command) => command.run(&context).await,
        Commands::Version => version(),
        Commands::Docs => print(&reference()),
    };
    drop(context);
    // Everything that was sent is shown before the result.
    let logs = shown.ended().await;
    match result {
        Ok(code) => code,
        Err(error) => {
            let code = fail(&error, &mask, form, &logs);
            if cancel.is_cancelled() {
                ExitCode::from(signal.load(Ordering::Relaxed))
            } else {
                code
            }
        }
    }
}

/// The first Ctrl-C or SIGTERM lets the command end in order, the second ends the process at once; the exit code is
/// that of the first signal in the one case and of the second in the other.
async fn watch_interrupts(cancel: CancellationToken, code: Arc<AtomicU8>, events: crate::event::WeakEvents) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        let this = tokio::select! {
            _ = interrupt.recv() => EXIT_INTERRUPTED,
            _ = terminate.recv() => EXIT_TERMINATED,
        };
        if cancel.is_cancelled() {
            abort(this);
        }
        if let Some(events) = events.upgrade() {
            events.warn("interrupted: ending in order; once more ends at once");
        }
        code.store(this, Ordering::Relaxed);
        cancel.cancel();
    }
}

#[allow(clippy::disallowed_methods, reason = "the user asked twice")]
fn abort(code: u8) -> ! {
    ui::restore_terminal_now();
    std::process::exit(code.into())
}

/// Data on standard output.
fn print(text: &str) -> CommandResult {
    ui::data(text)?;
    Ok(ExitCode::SUCCESS)
}

/// A panic ends one task or the program: in both cases its message needs the terminal as it was.
fn restore_terminal_in_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        ui::restore_terminal();
        before(panic);
    }));
}

/// Says what failed: the last thing that a run prints.
fn fail(error: &CommandError, mask: &Mask, form: Form, logs: &LogFiles) -> ExitCode {
    let paths = error.logs(logs);
    if form == Form::Json {
        let message = anstream::adapter::strip_str(&mask.apply(&error.message())).to_string();
        let hint = error.hint_text().map(|hint| mask.apply(&hint));
        ui::print_json_error(&message, hint.as_deref(), &paths);
    } else {
        let mut text = error.to_string();
        for path in paths {
            text.push_str(&format!("\n  log: {path}"));
        }
        ui::print(&mask.apply(&text));
    }
    error.exit_code()
}

/// Wrong usage exits with 1: clap's own 2 would read as "changes planned".
fn usage(error: &clap::Error) -> ExitCode {
    if error.print().is_err() {
        return ExitCode::from(EXIT_FAILURE);
    }
    if error.use_stderr() {
        ExitCode::from(EXIT_FAILURE)
    } else {
        ExitCode::SUCCESS
    }
}

fn command() -> clap::Command {
    Cli::command()
}
