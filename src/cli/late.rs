//! Commands whose flags are defined when the command is the one that was called.
//!
//! kiel has some forty commands with twenty flags each: to define them all takes longer than a small chart's whole render.
//! Help, errors and the reference need every flag; for them all are defined at once.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};

use super::env::{self, Environment};

thread_local! {
    static DEFERS: Cell<bool> = const { Cell::new(false) };
    /// The words that may name commands, the last one first.
    static WORDS: RefCell<Vec<OsString>> = const { RefCell::new(Vec::new()) };
}

/// What `define` makes for these arguments, with flags that are defined late, and without what they do not call.
pub(crate) fn called(args: &[OsString], define: impl FnOnce() -> Command) -> Command {
    WORDS.replace(args.iter().skip(1).take(2).rev().cloned().collect());
    deferred(define)
}

/// What `define` makes, with flags that are defined late.
fn deferred(define: impl FnOnce() -> Command) -> Command {
    DEFERS.set(true);
    let command = define();
    DEFERS.set(false);
    command
}

/// The arguments of a command, or the commands of a group; `HELM` where it is one of Helm's, whose flags read no variables.
#[derive(Debug)]
pub(crate) struct Late<T, const HELM: bool = false>(pub(crate) T);

fn connect<const HELM: bool>(command: Command) -> Command {
    if HELM {
        env::connect_helm(command)
    } else {
        Environment::of_process().connect(command)
    }
}

impl<T: Args, const HELM: bool> Args for Late<T, HELM> {
    fn augment_args(command: Command) -> Command {
        if DEFERS.get() {
            command.defer(|command| connect::<HELM>(deferred(|| T::augment_args(command))))
        } else {
            T::augment_args(command)
        }
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: Subcommand, const HELM: bool> Subcommand for Late<T, HELM> {
    fn augment_subcommands(command: Command) -> Command {
        if DEFERS.get() {
            command.defer(|command| connect::<HELM>(deferred(|| T::augment_subcommands(command))))
        } else {
            T::augment_subcommands(command)
        }
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        T::augment_subcommands_for_update(command)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

impl<T: FromArgMatches, const HELM: bool> FromArgMatches for Late<T, HELM> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// The commands of a group: the called one alone where the next word names it, as each takes a copy of the flags that all
/// have.
#[derive(Debug)]
pub(crate) struct Called<T>(pub(crate) T);

impl<T: Subcommand> Subcommand for Called<T> {
    fn augment_subcommands(command: Command) -> Command {
        let word = DEFERS.get().then(|| WORDS.with_borrow_mut(Vec::pop)).flatten();
        let Some(word) = word else {
            return T::augment_subcommands(command);
        };
        let group = T::augment_subcommands(Command::new(""));
        if let Some(one) = group.find_subcommand(&word) {
            return command.subcommand(one.clone());
        }
        WORDS.take();
        T::augment_subcommands(command)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        T::augment_subcommands_for_update(command)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

impl<T: FromArgMatches> FromArgMatches for Called<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(command: &Command, path: &str, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        for arg in command.get_arguments() {
            found.push(format!(
                "{path}: {:?} {:?} {:?} {:?} {:?}",
                arg.get_id(),
                arg.get_long(),
                arg.get_env(),
                arg.get_action(),
                arg.get_default_values()
            ));
        }
        command
            .get_subcommands()
            .for_each(|below| flags(below, &path, found));
    }

    #[test]
    fn what_is_defined_late_is_the_same() {
        let env = Environment::of_process();
        let [late, at_once] = [deferred(crate::cli::command), crate::cli::command()].map(|command| {
            let mut found = Vec::new();
            let mut command = env.connect(command);
            let early = command
                .get_subcommands()
                .map(|below| below.get_arguments().count());
            let early: usize = early.sum();
            command.build();
            flags(&command, "", &mut found);
            // Flags of every command come before those that are defined late.
            found.sort_unstable();
            (early, found)
        });
        for (late, at_once) in late.1.iter().zip(&at_once.1) {
            assert_eq!(late, at_once);
        }
        assert_eq!(late.1.len(), at_once.1.len());
        assert!(
            late.0 * 3 < at_once.0,
            "{} of {} defined at once",
            late.0,
            at_once.0
        );
    }

    #[test]
    fn what_is_not_called_is_not_defined() {
        let names = |words: &[&str]| {
            let args: Vec<OsString> = words.iter().map(OsString::from).collect();
            let command = called(&args, crate::cli::command);
            command
                .get_subcommands()
                .map(|below| below.get_name().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&["kiel", "render", "--repo", "build"]), ["render"]);
        assert_eq!(names(&["kiel", "helm", "template"]), ["helm"]);
        for all in [
            &["kiel", "--log-verbose", "render"][..],
            &["kiel"],
            &["kiel", "rendre"],
        ] {
            assert!(names(all).len() > 10, "{all:?}");
        }
        let args = ["kiel", "helm", "dep", "list"].map(OsString::from);
        let mut command = called(&args, crate::cli::command);
        let found = command.try_get_matches_from_mut(&args).unwrap();
        let found = crate::cli::Cli::from_arg_matches(&found).unwrap();
        assert!(
            format!("{:?}", found.command).contains("Dependency(Late(List("),
            "{:?}",
            found.command
        );
    }
}
