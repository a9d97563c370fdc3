//! The command reference as Markdown, made from the commands' own help; `docs/reference/cli.md` is its output.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

/// The whole page.
pub fn reference() -> String {
    let mut text = String::from(
        "# Commands\n\nMade by `kiel docs`; do not edit.\n\nEvery flag `--some-flag` also reads the variables `KIEL_SOME_FLAG` and `WERF_SOME_FLAG`; the command line\n\
         wins. Flags that may be repeated also read every variable that begins with their name (`KIEL_SET_1=a=b`).\n\n\
         Exit codes: 0 done, 1 failure (wrong usage too), 2 changes planned (`plan --exit-code`), 130 interrupted, 143 terminated.\n",
    );
    let command = super::command();
    text.push_str("\n## Flags of every command\n\n| flag | meaning |\n|---|---|\n");
    let output = command.get_arguments().filter(|arg| arg.is_global_set());
    output.for_each(|arg| row(&mut text, arg));
    section(&mut text, &command, "kiel");
    text.push_str(&super::foreign::reference());
    text
}

fn section(text: &mut String, command: &Command, name: &str) {
    for command in command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        let name = format!("{name} {}", command.get_name());
        if command.has_subcommands() {
            section(text, command, &name);
        } else {
            page(text, command, &name);
        }
    }
}

fn page(text: &mut String, command: &Command, name: &str) {
    let positional: String = command
        .get_positionals()
        .map(|arg| format!(" [{}]...", arg.get_id()))
        .collect();
    let about = command
        .get_long_about()
        .or_else(|| command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default();
    // Writing to a String cannot fail.
    _ = write!(
        text,
        "\n## {name}\n\n`{name}{} [FLAGS]`\n\n{}\n\n",
        positional.to_uppercase(),
        about.trim()
    );
    _ = writeln!(text, "| flag | meaning |\n|---|---|");
    for arg in command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !arg.is_global_set())
    {
        row(text, arg);
    }
}

fn row(text: &mut String, arg: &Arg) {
    let Some(long) = arg.get_long() else { return };
    if long == "help" {
        return;
    }
    let mut names: Vec<String> = arg
        .get_short()
        .map(|short| format!("-{short}"))
        .into_iter()
        .collect();
    names.push(format!("--{long}"));
    names.extend(
        arg.get_visible_aliases()
            .unwrap_or_default()
            .iter()
            .map(|alias| format!("--{alias}")),
    );
    let value = arg.get_value_names().unwrap_or_default().join(" ");
    // A switch, before or after it has learned to take `=false`.
    let is_switch = arg.is_require_equals_set() || matches!(arg.get_action(), ArgAction::SetTrue);
    let value = if is_switch {
        String::new()
    } else {
        format!(" {value}")
    };
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    let default = match defaults.as_slice() {
        [] => String::new(),
        [only] if only == "false" => String::new(),
        some => format!(" [default: {}]", some.join(", ")),
    };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    _ = writeln!(text, "| `{}{value}` | {help}{default} |", names.join("`, `"));
}
