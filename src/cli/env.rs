//! The one place that reads the process's environment.
//!
//! Every flag `--some-flag` also reads `KIEL_SOME_FLAG` and, for those who come from werf, `WERF_SOME_FLAG`; the first
//! that is set counts, the command line beats both. Repeatable flags of [`FAMILIES`] also read every variable that
//! begins with their name (`KIEL_SET_1`, `WERF_SET_1`): sorted by name, before the command line's own.
#![allow(clippy::disallowed_methods, reason = "this is where the environment is read")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{BoolishValueParser, ValueParser};
use clap::{Arg, ArgAction, Command};

/// Flags that take one value per variable of their family, and prefixes that belong to another family.
pub(crate) const FAMILIES: &[(&str, &[&str])] = &[
    ("values", &[]),
    (
        "set",
        &[
            "STRING_",
            "FILE_",
            "JSON_",
            "LITERAL_",
            "ROOT_JSON_",
            "RUNTIME_JSON_",
            "DOCKER_CONFIG_",
        ],
    ),
    ("secret-values", &[]),
    ("set-string", &[]),
    ("set-file", &[]),
    ("set-json", &[]),
    ("set-literal", &[]),
    ("set-root-json", &[]),
    ("set-runtime-json", &[]),
    ("add-annotation", &[]),
    ("add-label", &[]),
    ("container-registry-mirror", &[]),
    ("extra-apiversions", &[]),
    ("registry-ca", &[]),
    ("registry-token-host", &[]),
    ("dev-ignore", &[]),
    ("lookup-resources", &[]),
    ("ssh-key", &[]),
];

/// What the process was started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's environment; variables that are not UTF-8 are left out.
    pub(crate) fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// A variable, empty ones as if absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable as it is set, for templates that tell empty from absent.
    pub(crate) fn get_raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The values of a family's variables, in the order of their names, `WERF_` before `KIEL_`.
    pub(crate) fn family(&self, flag: &str) -> Vec<String> {
        let foreign = FAMILIES
            .iter()
            .find(|(name, _)| *name == flag)
            .map_or(&[][..], |(_, foreign)| foreign);
        let stem = flag.to_uppercase().replace('-', "_");
        let mut values = Vec::new();
        for prefix in [format!("WERF_{stem}_"), format!("KIEL_{stem}_")] {
            for (name, value) in self.0.range(prefix.clone()..) {
                let Some(rest) = name.strip_prefix(&prefix) else {
                    break;
                };
                if !foreign.iter().any(|other| rest.starts_with(other)) {
                    values.push(value.clone());
                }
            }
        }
        values
    }

    /// The names of all variables.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// These variables and no others.
    #[cfg(test)]
    pub(crate) fn of(vars: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(vars.iter().map(own).collect())
    }

    /// The user's home folder.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// Folder for state that may be lost: `KIEL_HOME`, else `$XDG_CACHE_HOME/kiel`, else `~/.cache/kiel`.
    pub(crate) fn state_home(&self) -> PathBuf {
        if let Some(home) = self.get("KIEL_HOME") {
            return home.into();
        }
        let base = self
            .get("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(self.home()?.join(".cache")));
        base.unwrap_or_else(std::env::temp_dir).join("kiel")
    }

    /// Lets every flag of a command and of those below it read its variables, and take `--flag=false` where it is a
    /// switch, as Go's flags do.
    /// Helm's flags read Helm's own variables only.
    pub(crate) fn connect(&self, command: Command) -> Command {
        let is_helm = command.get_name() == "helm";
        if is_helm {
            return connect_helm(command);
        }
        command
            .mut_args(|arg| self.connect_arg(arg))
            .mut_subcommands(|command| self.connect(command))
    }

    fn connect_arg(&self, arg: Arg) -> Arg {
        let Some(long) = arg.get_long().map(ToOwned::to_owned) else {
            return arg;
        };
        if matches!(long.as_str(), "help" | "version") {
            return arg;
        }
        let stem = |flag: &str| flag.to_uppercase().replace('-', "_");
        let kiel = format!("KIEL_{}", stem(&long));
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let own = arg.get_env().and_then(|name| name.to_str());
        let mut names = std::iter::once(long.as_str())
            .chain(aliases)
            .flat_map(|flag| ["KIEL_", "WERF_"].map(|prefix| format!("{prefix}{}", stem(flag))))
            .chain(own.map(str::to_owned));
        let name = names.find(|name| self.get(name).is_some()).unwrap_or(kiel);
        as_switch(arg.env(OsString::from(name)).hide_env(true))
    }
}

/// The same for a command of Helm: only switches change.
pub(super) fn connect_helm(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_long() {
            None | Some("help") => arg,
            Some(_) => as_switch(arg.hide_env(true)),
        })
        .mut_subcommands(connect_helm)
}

/// Lets a switch take `=false`.
fn as_switch(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        // Go reads 0 and 1 as booleans too, which variables of pipelines use.
        let is_bool = arg.get_value_parser().type_id() == ValueParser::bool().type_id();
        return if is_bool {
            arg.value_parser(BoolishValueParser::new())
                .hide_possible_values(true)
        } else {
            arg
        };
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .value_name("BOOL")
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .hide_possible_values(true)
        .value_parser(BoolishValueParser::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_sorted_and_do_not_take_each_others_variables() {
        let env = Environment::of(&[
            ("WERF_SET_B", "b=1"),
            ("WERF_SET_A", "a=1"),
            ("WERF_SET_STRING_A", "s=1"),
            ("KIEL_SET_A", "k=1"),
            ("WERF_SETTING", "x"),
        ]);
        assert_eq!(env.family("set"), ["a=1", "b=1", "k=1"]);
        assert_eq!(env.family("set-string"), ["s=1"]);
    }
}
