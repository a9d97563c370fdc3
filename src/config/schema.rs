//! Every key that werf.yaml knows (werf v2 and v3), and which of them this version honours.
//!
//! An unknown key is a mistake with the nearest known one as hint; a known one that is not honoured yet is refused
//! too, with words of its own: silence would build something else than the file says.

/// What may stand below a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A scalar, a list of scalars or a map with free names: nothing below has names that could be wrong.
    Free,
    /// A map with these keys.
    Map(&'static [Key]),
    /// A list of maps with these keys, or one such map.
    Maps(&'static [Key]),
}

/// Whether a key is honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    /// It does what it says.
    Yes,
    /// It is known, and refused where an image is planned, until it works.
    NotYet,
    /// It may stand in the file: it says what kiel does anyway, or concerns a command that kiel does not have yet.
    NoEffect,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) support: Support,
    pub(crate) shape: Shape,
}

const fn yes(name: &'static str) -> Key {
    Key {
        name,
        support: Support::Yes,
        shape: Shape::Free,
    }
}

const fn map(name: &'static str, keys: &'static [Key]) -> Key {
    Key {
        name,
        support: Support::Yes,
        shape: Shape::Map(keys),
    }
}

const fn maps(name: &'static str, keys: &'static [Key]) -> Key {
    Key {
        name,
        support: Support::Yes,
        shape: Shape::Maps(keys),
    }
}

const fn not_yet(name: &'static str) -> Key {
    Key {
        name,
        support: Support::NotYet,
        shape: Shape::Free,
    }
}

const fn no_effect(name: &'static str) -> Key {
    Key {
        name,
        support: Support::NoEffect,
        shape: Shape::Free,
    }
}

/// The document with `configVersion`.
pub(crate) const META: &[Key] = &[
    yes("project"),
    yes("configVersion"),
    map(
        "build",
        &[
            yes("cacheVersion"),
            yes("platform"),
            no_effect("staged"),
            COMMON_IMAGE_SPEC,
        ],
    ),
    map(
        "deploy",
        &[
            yes("helmChartDir"),
            map("helmChartConfig", &[yes("appVersion")]),
            yes("helmRelease"),
            yes("helmReleaseSlug"),
            yes("namespace"),
            yes("namespaceSlug"),
        ],
    ),
    Key {
        name: "cleanup",
        support: Support::NoEffect,
        shape: Shape::Map(CLEANUP),
    },
    map(
        "gitWorktree",
        &[
            no_effect("forceShallowClone"),
            no_effect("allowUnshallow"),
            no_effect("allowFetchOriginBranchesAndTags"),
        ],
    ),
];

/// `cleanup` of the meta document.
const CLEANUP: &[Key] = &[
    no_effect("disable"),
    no_effect("disableCleanup"),
    no_effect("disableKubernetesBasedPolicy"),
    no_effect("disableGitHistoryBasedPolicy"),
    no_effect("disableBuiltWithinLastNHoursPolicy"),
    no_effect("keepImagesBuiltWithinLastNHours"),
    maps(
        "keepPolicies",
        &[
            map(
                "references",
                &[
                    no_effect("tag"),
                    no_effect("branch"),
                    map(
                        "limit",
                        &[no_effect("last"), no_effect("in"), no_effect("operator")],
                    ),
                ],
            ),
            no_effect("imagesPerReference"),
        ],
    ),
];

/// An image with `dockerfile`.
pub(crate) const DOCKERFILE: &[Key] = &[
    yes("image"),
    yes("final"),
    yes("dockerfile"),
    yes("context"),
    yes("target"),
    yes("args"),
    yes("cacheVersion"),
    maps(
        "dependencies",
        &[
            yes("image"),
            yes("from"),
            maps("imports", &[yes("type"), yes("targetBuildArg")]),
        ],
    ),
    IMAGE_SPEC,
    yes("contextAddFiles"),
    yes("contextAddFile"),
    yes("addHost"),
    yes("network"),
    yes("ssh"),
    SECRETS,
    no_effect("staged"),
    yes("platform"),
    no_effect("tagging"),
];

/// An image without `dockerfile`.
pub(crate) const STAPEL: &[Key] = &[
    yes("image"),
    yes("final"),
    yes("from"),
    yes("fromImage"),
    yes("fromCacheVersion"),
    yes("cacheVersion"),
    maps(
        "git",
        &[
            yes("add"),
            yes("to"),
            yes("owner"),
            yes("group"),
            yes("includePaths"),
            yes("excludePaths"),
            map(
                "stageDependencies",
                &[yes("install"), yes("beforeSetup"), yes("setup")],
            ),
            yes("hermetic"),
            not_yet("url"),
            not_yet("branch"),
            not_yet("tag"),
            not_yet("commit"),
            not_yet("basicAuth"),
            not_yet("name"),
        ],
    ),
    map(
        "shell",
        &[
            yes("beforeInstall"),
            yes("install"),
            yes("beforeSetup"),
            yes("setup"),
            yes("cacheVersion"),
            yes("beforeInstallCacheVersion"),
            yes("installCacheVersion"),
            yes("beforeSetupCacheVersion"),
            yes("setupCacheVersion"),
        ],
    ),
    maps(
        "import",
        &[
            yes("image"),
            yes("artifact"),
            yes("from"),
            not_yet("stage"),
            yes("before"),
            yes("after"),
            yes("add"),
            yes("to"),
            yes("owner"),
            yes("group"),
            yes("includePaths"),
            yes("excludePaths"),
        ],
    ),
    maps(
        "dependencies",
        &[
            yes("image"),
            yes("from"),
            yes("before"),
            yes("after"),
            maps("imports", &[yes("type"), yes("targetEnv")]),
        ],
    ),
    map(
        "docker",
        &[
            yes("VOLUME"),
            yes("EXPOSE"),
            yes("ENV"),
            yes("LABEL"),
            yes("CMD"),
            yes("ENTRYPOINT"),
            yes("WORKDIR"),
            yes("USER"),
            yes("HEALTHCHECK"),
            no_effect("exactValues"),
        ],
    ),
    IMAGE_SPEC,
    yes("artifact"),
    yes("fromArtifact"),
    yes("fromLatest"),
    not_yet("fromExternal"),
    yes("disableGitAfterPatch"),
    not_yet("ansible"),
    maps("mount", &[yes("from"), yes("to"), not_yet("fromPath")]),
    SECRETS,
    yes("network"),
    yes("platform"),
];

const SECRETS: Key = maps("secrets", &[yes("id"), yes("env"), yes("src"), yes("value")]);

const COMMON_IMAGE_SPEC: Key = map(
    "imageSpec",
    &[
        yes("author"),
        yes("clearHistory"),
        map(
            "config",
            &[
                yes("labels"),
                yes("removeLabels"),
                no_effect("keepEssentialWerfLabels"),
                no_effect("clearWerfLabels"),
            ],
        ),
    ],
);

const IMAGE_SPEC: Key = map(
    "imageSpec",
    &[
        yes("author"),
        yes("clearHistory"),
        map(
            "config",
            &[
                yes("cmd"),
                yes("entrypoint"),
                yes("env"),
                yes("labels"),
                yes("expose"),
                yes("volumes"),
                yes("user"),
                yes("workingDir"),
                yes("stopSignal"),
                map(
                    "healthcheck",
                    &[
                        yes("test"),
                        yes("interval"),
                        yes("timeout"),
                        yes("startPeriod"),
                        yes("startperiod"),
                        yes("retries"),
                    ],
                ),
                yes("removeEnv"),
                yes("removeLabels"),
                yes("removeVolumes"),
                no_effect("keepEssentialWerfLabels"),
                no_effect("clearWerfLabels"),
                yes("clearCmd"),
                yes("clearEntrypoint"),
                yes("clearUser"),
                yes("clearWorkingDir"),
            ],
        ),
    ],
);

/// The key of that name.
pub(crate) fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}

/// The known key that is nearest to a misspelled one, if one is near enough to be meant.
pub(crate) fn nearest(keys: &'static [Key], name: &str) -> Option<&'static str> {
    let names: Vec<&'static str> = keys.iter().map(|key| key.name).collect();
    nearest_name(&names, name)
}

/// As [`nearest`], among these names.
pub(crate) fn nearest_name<'a>(names: &[&'a str], name: &str) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    names
        .iter()
        .map(|known| (distance(&wanted, &known.to_lowercase()), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}

/// How many letters have to be changed, added, dropped or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_key_names_its_neighbour() {
        for (wrong, want) in [
            ("dockefile", Some("dockerfile")),
            ("Target", Some("target")),
            ("contxet", Some("context")),
            ("arg", Some("args")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(DOCKERFILE, wrong), want, "{wrong}");
        }
    }
}
