//! Flags of werf that kiel has no use for, or has not got: what scripts that come from werf pass is not "unexpected".
//!
//! A flag that changes nothing here is taken in silence, one whose effect is missing is told, and one without which the
//! run would do something else is refused with what to do instead. Variables of the last two are told, never refused:
//! pipelines set them for many commands at once. A flag that a command has itself is left alone.

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::env::Environment;
use super::error::CommandError;

/// What becomes of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// There is nothing here that it could change.
    Taken,
    /// It changes nothing, and why.
    Told(&'static str),
    /// The run would not be what was asked for; what to do instead.
    Refused(&'static str),
}

use Answer::{Refused, Taken, Told};

/// Flags of commands of one kind: those that have the flag `beside` too.
struct Group {
    beside: &'static str,
    switches: &'static [(&'static str, Answer)],
    values: &'static [(&'static str, Answer)],
}

const PROJECT: Group = Group {
    beside: "dir",
    switches: &[
        (
            "debug-templates",
            Told("templates' debug functions print nothing"),
        ),
        ("log-debug", Taken),
        ("log-project-dir", Taken),
    ],
    values: &[
        ("dev-branch", Taken),
        ("docker-config", Taken),
        ("home-dir", Taken),
        ("hooks-status-progress-period", Taken),
        ("kube-config", Taken),
        ("kube-config-base64", Taken),
        ("kube-context", Taken),
        ("status-progress-period", Taken),
        ("tmp-dir", Taken),
    ],
};

const NO_INTROSPECTION: &str = "a failed step's log is kept, see --log-dir";
const NO_CUSTOM_TAGS: &str = "an image has one tag, its key";
const OTHER_REGISTRY: &str =
    "charts come from registries as images do: --insecure-registry, --skip-tls-verify-registry";

const IMAGES: Group = Group {
    beside: "repo",
    switches: &[
        (
            "check-built-images",
            Told("--require-built-images ends a run whose images are not built"),
        ),
        ("disable-auto-host-cleanup", Taken),
        ("final-images-only", Taken),
        ("insecure-helm-dependencies", Told(OTHER_REGISTRY)),
        ("introspect-before-error", Refused(NO_INTROSPECTION)),
        ("introspect-error", Refused(NO_INTROSPECTION)),
        ("parallel", Taken),
        ("require-built-images", Refused("build and converge have it")),
        ("save-build-report", Told("only build and converge make a report")),
        ("skip-tls-verify-helm-dependencies", Told(OTHER_REGISTRY)),
        ("stub-tags", Refused("render and lint have it")),
        ("virtual-merge", Taken),
        ("without-images", Refused("render and lint have it")),
    ],
    values: &[
        ("add-custom-tag", Refused(NO_CUSTOM_TAGS)),
        ("allowed-backend-storage-volume-usage", Taken),
        ("allowed-backend-storage-volume-usage-margin", Taken),
        ("allowed-docker-storage-volume-usage", Taken),
        ("allowed-docker-storage-volume-usage-margin", Taken),
        ("allowed-local-cache-volume-usage", Taken),
        ("allowed-local-cache-volume-usage-margin", Taken),
        (
            "backend-network",
            Refused("set `network` of the image in werf.yaml"),
        ),
        ("backend-storage-path", Taken),
        ("cache-repo", Told("what was built is looked for in --repo alone")),
        ("docker-server-storage-path", Taken),
        ("final-repo", Refused("images are in --repo alone")),
        ("final-repo-container-registry", Taken),
        ("final-repo-docker-hub-password", Taken),
        ("final-repo-docker-hub-token", Taken),
        ("final-repo-docker-hub-username", Taken),
        ("final-repo-github-token", Taken),
        ("final-repo-harbor-password", Taken),
        ("final-repo-harbor-username", Taken),
        ("final-repo-quay-token", Taken),
        ("introspect-stage", Refused(NO_INTROSPECTION)),
        ("parallel-tasks-limit", Taken),
        ("repo-container-registry", Taken),
        ("repo-docker-hub-password", Taken),
        ("repo-docker-hub-token", Taken),
        ("repo-docker-hub-username", Taken),
        ("repo-github-token", Taken),
        ("repo-harbor-password", Taken),
        ("repo-harbor-username", Taken),
        ("repo-quay-token", Taken),
        (
            "secondary-repo",
            Told("what was built is looked for in --repo alone"),
        ),
        ("synchronization", Taken),
        ("use-custom-tag", Refused(NO_CUSTOM_TAGS)),
    ],
};

const NO_ROLLBACK: &str =
    "a failed release stays as it is, `kiel helm rollback` goes back to an earlier revision";
const NO_REPORT: &str = "`kiel converge` writes a report";
const NO_GRAPH: &str = "no graph is written; `kiel plan` shows the operations in their order";
const NO_SAVED_PLAN: &str = "a plan is made when it is carried out";
const IN_KUBECONFIG: &str = "write it into a kubeconfig, and name that with --kube-config";
const WHOLE_DIFFS: &str = "differences are shown as they are";

const RELEASE: Group = Group {
    beside: "release",
    switches: &[
        ("atomic", Refused(NO_ROLLBACK)),
        ("auto-rollback", Refused(NO_ROLLBACK)),
        ("follow", Refused("build, converge and render have it")),
        ("force-adoption", Taken),
        ("ignore-bundle-js", Taken),
        (
            "no-create-namespace",
            Refused("a namespace that is missing is made"),
        ),
        (
            "no-final-tracking",
            Refused("a run ends when everything is ready"),
        ),
        (
            "no-install-crds",
            Refused("what is in crds/ is installed; move it out of the chart"),
        ),
        ("no-notes", Told("notes stand at the end of the output")),
        (
            "no-pod-logs",
            Told("logs of pods are shown; --log-quiet shows none"),
        ),
        ("no-remove-manual-changes", Refused("what the chart says counts")),
        (
            "render-subchart-notes",
            Told("only the chart's own notes are shown"),
        ),
        ("save-deploy-report", Refused(NO_REPORT)),
        ("show-insignificant-diffs", Told(WHOLE_DIFFS)),
        ("show-sensitive-diffs", Refused("secrets are never shown")),
        ("show-verbose-crd-diffs", Told(WHOLE_DIFFS)),
        ("show-verbose-diffs", Told(WHOLE_DIFFS)),
        ("templates-allow-dns", Refused("templates ask no name server")),
        (
            "use-deploy-report",
            Refused("the release's record says what it has"),
        ),
        ("validate", Refused("`kiel plan` asks the cluster")),
    ],
    values: &[
        (
            "delete-propagation",
            Refused("objects are deleted with what depends on them"),
        ),
        ("deno-binary-path", Taken),
        ("deploy-graph-path", Refused(NO_GRAPH)),
        ("deploy-report-path", Refused(NO_REPORT)),
        ("diff-context-lines", Told(WHOLE_DIFFS)),
        ("extra-apiversions", Refused("render has it")),
        ("kube-auth-password", Refused(IN_KUBECONFIG)),
        ("kube-auth-provider", Refused(IN_KUBECONFIG)),
        ("kube-auth-provider-config", Refused(IN_KUBECONFIG)),
        ("kube-auth-username", Refused(IN_KUBECONFIG)),
        ("kube-burst-limit", Taken),
        ("kube-cert", Refused(IN_KUBECONFIG)),
        ("kube-cert-data", Refused(IN_KUBECONFIG)),
        ("kube-impersonate-group", Refused(IN_KUBECONFIG)),
        ("kube-impersonate-uid", Refused(IN_KUBECONFIG)),
        ("kube-impersonate-user", Refused(IN_KUBECONFIG)),
        ("kube-key", Refused(IN_KUBECONFIG)),
        ("kube-key-data", Refused(IN_KUBECONFIG)),
        ("kube-qps-limit", Taken),
        (
            "kube-request-timeout",
            Told("a request has its own limit of time"),
        ),
        ("lookup-resources", Refused("render has it")),
        ("network-parallelism", Taken),
        ("plan-lifetime", Taken),
        (
            "provenance-keyring",
            Refused("`kiel helm dependency update --verify` checks signatures"),
        ),
        (
            "provenance-strategy",
            Refused("`kiel helm dependency update --verify` checks signatures"),
        ),
        (
            "release-info-annotations",
            Refused("the record has the form that Helm reads"),
        ),
        (
            "release-label",
            Refused("the record has the labels that Helm looks for"),
        ),
        ("release-storage", Refused("releases are kept in Secrets")),
        (
            "release-storage-sql-connection",
            Refused("releases are kept in Secrets"),
        ),
        ("releases-history-max", Taken),
        ("rollback-graph-path", Refused(NO_GRAPH)),
        (
            "runtime-annotations",
            Refused("--add-annotation adds them to every object"),
        ),
        ("runtime-labels", Refused("--add-label adds them to every object")),
        ("save-plan", Refused(NO_SAVED_PLAN)),
        ("show-plan", Refused(NO_SAVED_PLAN)),
        ("uninstall-graph-path", Refused(NO_GRAPH)),
        ("use-plan", Refused(NO_SAVED_PLAN)),
    ],
};

/// One-letter names that scripts use.
const SHORTS: [(&str, char); 3] = [
    ("parallel", 'p'),
    ("synchronization", 'S'),
    ("auto-rollback", 'R'),
];

/// Adds the flags to commands that may get them; none is shown in help.
pub(super) fn add(command: Command) -> Command {
    if command.get_name() == "helm" {
        return command;
    }
    let mut command = command.mut_subcommands(add);
    for group in [PROJECT, IMAGES, RELEASE] {
        if !has(&command, group.beside) {
            continue;
        }
        for (flag, _) in group.switches {
            command = with(command, flag, |arg| {
                arg.num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
            });
        }
        for (flag, _) in group.values {
            command = with(command, flag, |arg| arg.num_args(1));
        }
    }
    command
}

fn has(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|arg| {
        arg.get_long() == Some(flag)
            || arg
                .get_all_aliases()
                .is_some_and(|aliases| aliases.contains(&flag))
    })
}

fn with(command: Command, flag: &'static str, form: impl FnOnce(Arg) -> Arg) -> Command {
    if has(&command, flag) {
        return command;
    }
    let arg = Arg::new(id(flag)).long(flag).hide(true).action(ArgAction::Append);
    let mut arg = form(arg);
    let short = SHORTS.iter().find(|(long, _)| *long == flag);
    if let Some((_, short)) = short
        && command.get_arguments().all(|arg| arg.get_short() != Some(*short))
    {
        arg = arg.short(*short);
    }
    command.arg(arg)
}

/// The flags as Markdown, each once.
pub(super) fn reference() -> String {
    let mut rows = std::collections::BTreeMap::new();
    for group in [PROJECT, IMAGES, RELEASE] {
        for (flag, answer) in group.switches.iter().chain(group.values) {
            rows.insert(*flag, *answer);
        }
    }
    let mut text = String::from(
        "\n## Flags of werf\n\nWhere kiel's command has no such flag, these are taken, without effect or not at all. A variable of one \
         that is refused is told.\n\n| flag | |\n|---|---|\n",
    );
    for (flag, answer) in rows {
        let answer = match answer {
            Taken => "taken: it changes nothing here".to_owned(),
            Told(why) => format!("without effect, which is told: {why}"),
            Refused(why) => format!("refused: {why}"),
        };
        text.push_str(&format!("| `--{flag}` | {answer} |\n"));
    }
    text
}

/// Not a name that a command's own argument has.
fn id(flag: &str) -> String {
    format!("foreign-{flag}")
}

/// What is told about the flags and variables of a run.
///
/// # Errors
/// A flag is refused.
pub(super) fn check(matches: &ArgMatches, env: &Environment) -> Result<Vec<String>, CommandError> {
    let mut leaf = matches;
    while let Some((_, below)) = leaf.subcommand() {
        leaf = below;
    }
    let mut told = Vec::new();
    for group in [PROJECT, IMAGES, RELEASE] {
        let knows = |id: &str| leaf.try_contains_id(id).is_ok();
        if !knows(group.beside) {
            continue;
        }
        let switches = group.switches.iter().map(|entry| (entry, true));
        let values = group.values.iter().map(|entry| (entry, false));
        for ((flag, answer), is_switch) in switches.chain(values) {
            if knows(&flag.replace('-', "_")) {
                continue;
            }
            // Flags are there only where the command line was not understood without them.
            let given = leaf.try_get_many::<String>(&id(flag)).ok().flatten();
            let given: Vec<&str> = given.into_iter().flatten().map(String::as_str).collect();
            let asks = |value: &str| asks(flag, value, is_switch);
            match answer {
                Taken => {}
                Told(why) if given.iter().any(|value| asks(value)) => {
                    told.push(format!("--{flag} has no effect: {why}"));
                }
                Refused(why) if given.iter().any(|value| asks(value)) => {
                    let text = format!("cannot use --{flag}: kiel has not got it");
                    return Err(CommandError::new(text).hint(*why));
                }
                Told(why) | Refused(why) => {
                    if let Some(name) = variable(flag, env, asks) {
                        told.push(format!("the variable {name} has no effect: {why}"));
                    }
                }
            }
        }
    }
    Ok(told)
}

/// The variable that asks for what a flag does.
fn variable(flag: &str, env: &Environment, asks: impl Fn(&str) -> bool) -> Option<String> {
    let stem = flag.to_uppercase().replace('-', "_");
    let names = [format!("WERF_{stem}"), format!("KIEL_{stem}")];
    let plain = names.into_iter().find(|name| env.get(name).is_some_and(&asks));
    plain.or_else(|| (!env.family(flag).is_empty()).then(|| format!("WERF_{stem}_…")))
}

/// Whether a value asks for something that kiel does not do anyway.
fn asks(flag: &str, value: &str, is_switch: bool) -> bool {
    match flag {
        _ if is_switch => !matches!(
            value.to_lowercase().as_str(),
            "" | "0" | "f" | "false" | "n" | "no" | "off"
        ),
        "release-storage" => !matches!(value, "" | "secret" | "secrets"),
        "kube-request-timeout" => !matches!(value, "0" | "0s"),
        _ => !value.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(args: &[&str], variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let env = Environment::of(variables);
        let mut command = add(env.connect(crate::cli::command()));
        let all = [&["kiel"], args].concat();
        let matches = command
            .try_get_matches_from_mut(all)
            .map_err(|error| error.kind().to_string())?;
        check(&matches, &env).map_err(|error| anstream::adapter::strip_str(&error.message()).to_string())
    }

    #[test]
    fn flags_of_werf_are_taken_told_or_refused() {
        let taken = [
            "converge",
            "--parallel",
            "--parallel-tasks-limit=5",
            "-S",
            ":local",
            "--auto-rollback=false",
            "--release-storage",
            "secrets",
            "--kube-qps-limit",
            "30",
        ];
        assert_eq!(told(&taken, &[]), Ok(vec![]));
        assert_eq!(
            told(&["config", "list", "--log-debug", "--home-dir", "/x"], &[]),
            Ok(vec![])
        );
        let cache = "--cache-repo has no effect: what was built is looked for in --repo alone";
        assert_eq!(
            told(&["build", "--cache-repo", "r/x"], &[]),
            Ok(vec![cache.to_owned()])
        );
        let refused = "error: cannot use --auto-rollback: kiel has not got it";
        assert_eq!(told(&["converge", "-R"], &[]), Err(refused.to_owned()));
        // A command of another kind knows nothing of it.
        assert!(
            told(&["config", "list", "--auto-rollback"], &[]).is_err_and(|text| text.contains("unexpected"))
        );
    }

    #[test]
    fn variables_are_told() {
        let want = format!("the variable WERF_AUTO_ROLLBACK has no effect: {NO_ROLLBACK}");
        assert_eq!(
            told(&["converge"], &[("WERF_AUTO_ROLLBACK", "1")]),
            Ok(vec![want])
        );
        assert_eq!(told(&["converge"], &[("WERF_AUTO_ROLLBACK", "0")]), Ok(vec![]));
        assert_eq!(told(&["build"], &[("WERF_AUTO_ROLLBACK", "1")]), Ok(vec![]));
        assert_eq!(told(&["build"], &[("WERF_LOG_DEBUG", "whatever")]), Ok(vec![]));
        let want = format!("the variable WERF_ADD_CUSTOM_TAG_… has no effect: {NO_CUSTOM_TAGS}");
        assert_eq!(
            told(&["build"], &[("WERF_ADD_CUSTOM_TAG_1", "x")]),
            Ok(vec![want])
        );
    }
}
