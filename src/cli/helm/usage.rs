//! Wrong command lines in Helm's words, and kiel under the name `helm`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::error::EXIT_FAILURE;
use crate::ui;

/// What commands take beside flags: their words, what Helm says where they get something else, and how they are used.
const ARGUMENTS: &[(&[&str], &str, &str)] = &[
    (
        &["dependency list", "dependency build", "dependency update"],
        "accepts at most 1 argument",
        "CHART [flags]",
    ),
    (
        &["pull"],
        "requires at least 1 argument",
        "[chart URL | repo/chartname] [...] [flags]",
    ),
    (
        &["push"],
        "requires at least 2 arguments",
        "[chart] [remote] [flags]",
    ),
    (
        &["registry login", "registry logout"],
        "requires at least 1 argument",
        "[host] [flags]",
    ),
    (&["repo add"], "requires 2 arguments", "[NAME] [URL] [flags]"),
    (&["repo index"], "requires 1 argument", "[DIR] [flags]"),
    (
        &["repo list", "list", "version"],
        "accepts no arguments",
        "[flags]",
    ),
    (
        &["repo remove"],
        "requires at least 1 argument",
        "[REPO1 [REPO2 ...]] [flags]",
    ),
    (
        &["template"],
        "requires at least 1 argument",
        "[NAME] [CHART] [flags]",
    ),
    (&["create"], "requires 1 argument", "NAME [flags]"),
    (&["verify"], "requires 1 argument", "PATH [flags]"),
    (
        &[
            "history",
            "status",
            "get all",
            "get hooks",
            "get manifest",
            "get metadata",
            "get notes",
            "get values",
        ],
        "requires 1 argument",
        "RELEASE_NAME [flags]",
    ),
    (&["env"], "accepts at most 1 argument", "[flags]"),
    (
        &[
            "show all",
            "show chart",
            "show values",
            "show readme",
            "show crds",
        ],
        "requires 1 argument",
        "[CHART] [flags]",
    ),
];

/// The command line, with `helm` as its first word where the program is called so.
pub(in crate::cli) fn under_own_name(mut args: Vec<OsString>) -> Vec<OsString> {
    let name = args.first().and_then(|program| Path::new(program).file_name());
    if name.is_some_and(|name| name == "helm") {
        args.insert(1, "helm".into());
    }
    args
}

/// Says what is wrong with the command line, if it is one of Helm's commands and Helm has words for it.
pub(in crate::cli) fn usage(
    args: &[OsString],
    command: &clap::Command,
    error: &clap::Error,
) -> Option<ExitCode> {
    if args.get(1).is_none_or(|first| first != "helm") {
        return None;
    }
    let path = path(args, command);
    let mut group = command.find_subcommand("helm")?.clone();
    for name in path.split_whitespace() {
        group = group.find_subcommand(name)?.clone();
    }
    if asks_for_help(&path, error) {
        // Go: a group of commands tells which there are.
        let name = format!("helm {path}");
        let help = group.bin_name(name.trim_end()).render_long_help();
        return ui::data(&help.to_string()).ok().map(|()| ExitCode::SUCCESS);
    }
    let text = text(&path, &group, error)?;
    ui::print(&format!("Error: {text}"));
    Some(ExitCode::from(EXIT_FAILURE))
}

fn asks_for_help(path: &str, error: &clap::Error) -> bool {
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => true,
        ErrorKind::InvalidSubcommand => !path.is_empty(),
        _ => false,
    }
}

/// The names of the commands below `helm` that the words name.
fn path(args: &[OsString], command: &clap::Command) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut command = command.find_subcommand("helm");
    for word in args.iter().skip(2).filter_map(|word| word.to_str()) {
        if let Some(next) = command.and_then(|command| command.find_subcommand(word)) {
            names.push(next.get_name());
            command = Some(next);
        }
    }
    names.join(" ")
}

fn text(path: &str, command: &clap::Command, error: &clap::Error) -> Option<String> {
    let get = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let arg = get(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => Some(unknown(path, arg?)),
        ErrorKind::InvalidSubcommand => Some(format!(
            "unknown command \"{}\" for \"helm\"\nRun 'helm --help' for usage.",
            get(ContextKind::InvalidSubcommand)?
        )),
        ErrorKind::MissingRequiredArgument | ErrorKind::TooManyValues => arguments(path),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            // As in `--namespace <NAME>` and `-n, --namespace <NAME>`.
            let flag = arg?.split_whitespace().find(|word| word.starts_with("--"))?;
            let flag = flag.split(['=', '[']).next().unwrap_or(flag);
            let value = get(ContextKind::InvalidValue)?;
            if value.is_empty() && error.kind() == ErrorKind::InvalidValue {
                return Some(format!("flag needs an argument: {flag}"));
            }
            let mut known = command.get_arguments();
            let known = known.find(|known| known.get_long() == flag.strip_prefix("--"));
            let short = known.and_then(clap::Arg::get_short);
            let values = known.map(clap::Arg::get_possible_values).unwrap_or_default();
            let is_switch = values.iter().any(|value| value.get_name() == "true");
            let problem = match known {
                Some(_) if !values.is_empty() && !is_switch => "invalid format type".to_owned(),
                Some(known) if values.is_empty() && known.get_action().takes_values() => {
                    format!("strconv.ParseInt: parsing \"{value}\": invalid syntax")
                }
                _ => format!("strconv.ParseBool: parsing \"{value}\": invalid syntax"),
            };
            let short = short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
            Some(format!(
                "invalid argument \"{value}\" for \"{short}{flag}\" flag: {problem}"
            ))
        }
        _ => None,
    }
}

fn unknown(path: &str, arg: &str) -> String {
    if let Some(long) = arg.strip_prefix("--") {
        let name = long.split('=').next().unwrap_or(long);
        return format!("unknown flag: --{name}");
    }
    if let Some(letter) = arg.strip_prefix('-').and_then(|letters| letters.chars().next()) {
        return format!("unknown shorthand flag: '{letter}' in {arg}");
    }
    arguments(path).unwrap_or_else(|| format!("unexpected argument {arg:?}"))
}

/// What Helm says where a command gets other arguments than it takes.
pub(super) fn arguments(path: &str) -> Option<String> {
    let (_, rule, usage) = ARGUMENTS.iter().find(|(names, ..)| names.contains(&path))?;
    Some(format!("\"helm {path}\" {rule}\n\nUsage:  helm {path} {usage}"))
}
