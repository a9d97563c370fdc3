//! The keys of the meta document.

use super::Kind::{Any, Map, Maps, Number, Switch, Text, Texts, Words};
use super::image_spec::COMMON_IMAGE_SPEC;
use super::{Key, key, map, no_effect};

/// The document with `configVersion`.
pub(crate) const META: &[Key] = &[
    key(
        "project",
        Text,
        "",
        "Name of the project: at most 50 lower-case letters, digits and inner dashes",
        "{project: demo, configVersion: 1}",
    ),
    key(
        "configVersion",
        Words(&["1"]),
        "",
        "Version of the format: `1`",
        "{project: demo, configVersion: 1}",
    ),
    map(
        "build",
        Map,
        "What holds for all images",
        "{project: demo, configVersion: 1, build: {cacheVersion: \"1\"}}",
        &[
            key(
                "cacheVersion",
                Text,
                "",
                "`cacheVersion` of images without one",
                "{cacheVersion: \"1\"}",
            ),
            key(
                "platform",
                Texts,
                "this machine's",
                "`platform` of images without one",
                "{platform: [linux/amd64, linux/arm64]}",
            ),
            no_effect(
                "staged",
                Switch,
                "The engine keeps every instruction by itself",
                "{staged: true}",
            ),
            COMMON_IMAGE_SPEC,
        ],
    ),
    map(
        "deploy",
        Map,
        "The chart, the release, the namespace",
        "{project: demo, configVersion: 1, deploy: {namespace: \"[[ project ]]\"}}",
        &[
            key(
                "helmChartDir",
                Text,
                "`.helm`",
                "Folder of the chart, relative to the project",
                "{helmChartDir: chart}",
            ),
            map(
                "helmChartConfig",
                Map,
                "What takes the place of fields of Chart.yaml",
                "{helmChartConfig: {appVersion: \"1.2\"}}",
                &[key(
                    "appVersion",
                    Text,
                    "that of the chart",
                    "`appVersion` of the chart",
                    "{appVersion: \"1.2\"}",
                )],
            ),
            key(
                "helmRelease",
                Text,
                "`[[ project ]]-[[ env ]]`, without an environment `[[ project ]]`",
                "Name of the release: a template with `project`, `env`, `namespace` and Sprig",
                "{helmRelease: \"[[ project ]]-[[ env ]]\"}",
            ),
            key(
                "helmReleaseSlug",
                Switch,
                "`true`",
                "Whether the name is made one of at most 53 characters",
                "{helmReleaseSlug: false}",
            ),
            key(
                "namespace",
                Text,
                "`[[ project ]]-[[ env ]]`, without an environment `[[ project ]]`",
                "Namespace: a template with `project`, `env` and Sprig",
                "{namespace: \"[[ env ]]\"}",
            ),
            key(
                "namespaceSlug",
                Switch,
                "`true`",
                "Whether the name is made one of at most 63 characters",
                "{namespaceSlug: false}",
            ),
        ],
    ),
    map(
        "cleanup",
        Map,
        "What `cleanup` keeps; checked, and not used by this version",
        "{project: demo, configVersion: 1, cleanup: {keepImagesBuiltWithinLastNHours: 24}}",
        &[
            no_effect("disable", Switch, "Remove nothing", "{disable: true}"),
            no_effect(
                "disableCleanup",
                Switch,
                "Remove nothing",
                "{disableCleanup: true}",
            ),
            no_effect(
                "disableKubernetesBasedPolicy",
                Switch,
                "Remove what the cluster runs, too",
                "{disableKubernetesBasedPolicy: true}",
            ),
            no_effect(
                "disableGitHistoryBasedPolicy",
                Switch,
                "Do not look at the history",
                "{disableGitHistoryBasedPolicy: true}",
            ),
            no_effect(
                "disableBuiltWithinLastNHoursPolicy",
                Switch,
                "Do not keep what is new",
                "{disableBuiltWithinLastNHoursPolicy: true}",
            ),
            no_effect(
                "keepImagesBuiltWithinLastNHours",
                Number,
                "Keep what was built in these hours",
                "{keepImagesBuiltWithinLastNHours: 2}",
            ),
            map(
                "keepPolicies",
                Maps,
                "Which images are kept for which references",
                "{keepPolicies: [{references: {branch: /.+/}}]}",
                &[
                    map(
                        "references",
                        Map,
                        "Branches or tags, and how many of them",
                        "{references: {tag: /v.+/, limit: {last: 10}}}",
                        &[
                            no_effect("branch", Text, "A name or an `/expression/`", "{branch: main}"),
                            no_effect("tag", Text, "A name or an `/expression/`", "{tag: /v.+/}"),
                            map(
                                "limit",
                                Map,
                                "The newest of them",
                                "{branch: main, limit: {last: 10, in: 168h, operator: And}}",
                                LIMIT,
                            ),
                        ],
                    ),
                    no_effect(
                        "imagesPerReference",
                        Any,
                        "How many images of each: `last`, `in`, `operator`",
                        "{references: {branch: main}, imagesPerReference: {last: 2}}",
                    ),
                ],
            ),
        ],
    ),
    map(
        "gitWorktree",
        Map,
        "What may be done to the clone",
        "{project: demo, configVersion: 1, gitWorktree: {allowUnshallow: false}}",
        &[
            no_effect(
                "forceShallowClone",
                Switch,
                "A shallow clone is as good as any: no history is read",
                "{forceShallowClone: true}",
            ),
            no_effect(
                "allowUnshallow",
                Switch,
                "Nothing is fetched",
                "{allowUnshallow: false}",
            ),
            no_effect(
                "allowFetchOriginBranchesAndTags",
                Switch,
                "Nothing is fetched",
                "{allowFetchOriginBranchesAndTags: false}",
            ),
        ],
    ),
];

const LIMIT: &[Key] = &[
    no_effect("last", Number, "How many", "{last: 10}"),
    no_effect("in", Text, "How old: hours, minutes, seconds", "{in: 168h}"),
    no_effect(
        "operator",
        Words(&["And", "Or"]),
        "Whether both have to hold",
        "{last: 1, in: 1h, operator: Or}",
    ),
];
