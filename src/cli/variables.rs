//! Variables that look like a flag's and are read by nothing: a misspelt one would be missed in silence.

use std::collections::BTreeSet;

use clap::Command;

use super::env::{Environment, FAMILIES};

/// Variables of kiel's and werf's that belong to no flag of kiel's, or begin so.
const OTHERS: &[&str] = &[
    "ADD_CUSTOM_TAG",
    "CACHE_REPO",
    "COPY_FROM",
    "COPY_TO",
    "DEV_IGNORE",
    "EDITOR",
    "EXPORT_ADD_LABEL",
    "FINAL_REPO",
    "GIT",
    "HOME",
    "HOOKS_STATUS_PROGRESS_PERIOD",
    "KUBE_IMPERSONATE_GROUP",
    "LOG_DEBUG",
    "LOG_PROJECT_DIR",
    "OLD_SECRET_KEY",
    "PROJECT_NAME",
    "RELEASE_LABEL",
    "REPO_CONTAINER_REGISTRY",
    "REPORT_PATH",
    "RESOURCE_VALIDATION",
    "SECONDARY_REPO",
    "SET_DOCKER_CONFIG_JSON_VALUE",
    "SSH_KEY",
    "STAPEL_IMAGE_NAME",
    "STAPEL_IMAGE_VERSION",
    "STATUS_PROGRESS_PERIOD",
    "TELEMETRY",
    "TEST",
    "TIMEOUT",
    "TMP_DIR",
];

/// A line for each variable that is one or two letters away from one that is read.
pub(crate) fn misspelt(env: &Environment, command: impl FnOnce() -> Command) -> Vec<String> {
    let mut flags = BTreeSet::new();
    if env.names().any(|name| split(name).is_some()) {
        collect(&command(), &mut flags);
    }
    let mut hints = Vec::new();
    for name in env.names() {
        let Some((prefix, stem)) = split(name) else {
            continue;
        };
        if is_read(stem, &flags) {
            continue;
        }
        if let Some(wanted) = nearest(stem, &flags) {
            hints.push(format!(
                "the variable {name} is read by nothing; did you mean {prefix}{wanted}?"
            ));
        }
    }
    hints
}

fn split(name: &str) -> Option<(&str, &str)> {
    ["KIEL_", "WERF_"]
        .iter()
        .find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)))
}

fn stem_of(flag: &str) -> String {
    flag.to_uppercase().replace('-', "_")
}

/// The flags of a command and of those below it; Helm's own commands read Helm's variables.
fn collect(command: &Command, flags: &mut BTreeSet<String>) {
    if command.get_name() == "helm" {
        return;
    }
    for arg in command.get_arguments() {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        flags.extend(arg.get_long().into_iter().chain(aliases).map(stem_of));
    }
    command.get_subcommands().for_each(|below| collect(below, flags));
}

fn is_read(stem: &str, flags: &BTreeSet<String>) -> bool {
    let begins_with = |known: &str| {
        let rest = stem.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    flags.contains(stem)
        || OTHERS.iter().any(|known| begins_with(known))
        || FAMILIES.iter().any(|(flag, _)| begins_with(&stem_of(flag)))
        // Written by `build --build-report-path FILE.env`, for compose files.
        || stem.ends_with("_DOCKER_IMAGE_NAME")
}

fn nearest(stem: &str, flags: &BTreeSet<String>) -> Option<String> {
    let far = |known: &str| strsim::damerau_levenshtein(stem, known);
    if let Some(known) = flags.iter().find(|known| far(known) == 1) {
        return Some(known.clone());
    }
    // `VALUE_1` is meant for the family `VALUES`.
    if let Some((family, suffix)) = stem.rsplit_once('_') {
        let known = FAMILIES
            .iter()
            .map(|(flag, _)| stem_of(flag))
            .find(|known| strsim::damerau_levenshtein(family, known) == 1);
        if let Some(known) = known {
            return Some(format!("{known}_{suffix}"));
        }
    }
    // In a short name two letters are too many to guess.
    let close = flags.iter().find(|known| known.len() >= 6 && far(known) == 2);
    close.cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_variables_are_told_and_others_are_not() {
        let command = Command::new("kiel")
            .arg(clap::Arg::new("repo").long("repo"))
            .subcommand(Command::new("render").arg(clap::Arg::new("x").long("secret-values")))
            .subcommand(Command::new("helm").arg(clap::Arg::new("n").long("name-template")));
        for (name, want) in [
            ("WERF_REPO", None),
            ("WERF_REPOO", Some("WERF_REPO")),
            ("KIEL_RPEO", Some("KIEL_REPO")),
            ("KIEL_SECRET_VALUE", Some("KIEL_SECRET_VALUES")),
            ("WERF_SECRET_VALUES_1", None),
            ("WERF_VALUE_1", Some("WERF_VALUES_1")),
            ("WERF_SETT_A", Some("WERF_SET_A")),
            ("WERF_SET_A", None),
            ("WERF_ADD_LABEL_TEAM", None),
            ("WERF_APP_DOCKER_IMAGE_NAME", None),
            ("WERF_TELEMETRY", None),
            ("WERF_SOMETHING_ELSE", None),
            ("KIEL_NAME_TEMPLATES", None),
            ("REPOO", None),
        ] {
            let hints = misspelt(&Environment::of(&[(name, "x")]), || command.clone());
            let want =
                want.map(|want| format!("the variable {name} is read by nothing; did you mean {want}?"));
            assert_eq!(hints, Vec::from_iter(want), "{name}");
        }
    }
}
