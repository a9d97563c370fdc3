//! The keys that change an image's configuration: `imageSpec`, and `docker` as in werf v2.

use super::Kind::{Commands, Number, Switch, Text, TextMap, Texts};
use super::{Key, alias, key, map, no_effect};

pub(super) const DOCKER: &[Key] = &[
    key("VOLUME", Texts, "", "Volumes added", "{VOLUME: [/data]}"),
    key("EXPOSE", Texts, "", "Ports added", "{EXPOSE: [\"80\", 53/udp]}"),
    key(
        "ENV",
        TextMap,
        "",
        "Variables set; `$NAME` is the base's value",
        "{ENV: {PATH: \"$PATH:/opt/bin\"}}",
    ),
    key("LABEL", TextMap, "", "Labels set", "{LABEL: {team: web}}"),
    key(
        "CMD",
        Commands,
        "",
        "Command: a list, or a text for the shell",
        "{CMD: [\"/app\", \"run\"]}",
    ),
    key(
        "ENTRYPOINT",
        Commands,
        "",
        "Entrypoint: a list, or a text for the shell; clears the base's `CMD`",
        "{ENTRYPOINT: [\"/app\"]}",
    ),
    key("WORKDIR", Text, "", "Working directory", "{WORKDIR: /app}"),
    key("USER", Text, "", "User", "{USER: app}"),
    key(
        "HEALTHCHECK",
        Text,
        "",
        "As in a Dockerfile",
        "{HEALTHCHECK: \"--interval=30s CMD curl localhost\"}",
    ),
    no_effect(
        "exactValues",
        Switch,
        "Values always count as they are written",
        "{USER: app, exactValues: true}",
    ),
];

pub(super) const IMAGE_SPEC: Key =
    image_spec("{image: app, dockerfile: Dockerfile, imageSpec: {author: Ada}}");
pub(super) const IMAGE_SPEC_OF_STAPEL: Key =
    image_spec("{image: app, from: \"alpine:3.20\", imageSpec: {author: Ada}}");

const fn image_spec(example: &'static str) -> Key {
    map(
        "imageSpec",
        super::Kind::Map,
        "Changes of the image's configuration in the end",
        example,
        IMAGE_SPEC_KEYS,
    )
}

const IMAGE_SPEC_KEYS: &[Key] = &[
    AUTHOR,
    CLEAR_HISTORY,
    map(
        "config",
        super::Kind::Map,
        "What containers run with",
        "{config: {user: app}}",
        &[
            key("cmd", Texts, "", "Command", "{cmd: [/app, run]}"),
            key(
                "entrypoint",
                Texts,
                "",
                "Entrypoint; clears the base's command",
                "{entrypoint: [/app]}",
            ),
            key(
                "env",
                TextMap,
                "",
                "Variables set; `${NAME}` is the base's value",
                "{env: {MODE: production}}",
            ),
            LABELS,
            key("expose", Texts, "", "Ports added", "{expose: [\"80\", 53/udp]}"),
            key("volumes", Texts, "", "Volumes added", "{volumes: [/data]}"),
            key("user", Text, "", "User", "{user: \"1000:1000\"}"),
            key("workingDir", Text, "", "Working directory", "{workingDir: /app}"),
            key(
                "stopSignal",
                Text,
                "",
                "Signal that ends a container",
                "{stopSignal: SIGTERM}",
            ),
            map(
                "healthcheck",
                super::Kind::Map,
                "Health check",
                "{healthcheck: {test: [CMD, /app, check]}}",
                &[
                    key(
                        "test",
                        Texts,
                        "",
                        "`[NONE]`, `[CMD, …]` or `[CMD-SHELL, TEXT]`",
                        "{test: [CMD-SHELL, curl localhost]}",
                    ),
                    key(
                        "interval",
                        Number,
                        "",
                        "Seconds between two checks",
                        "{test: [CMD, a], interval: 30}",
                    ),
                    key(
                        "timeout",
                        Number,
                        "",
                        "Seconds that one may take",
                        "{test: [CMD, a], timeout: 3}",
                    ),
                    key(
                        "startPeriod",
                        Number,
                        "",
                        "Seconds before failures count",
                        "{test: [CMD, a], startPeriod: 10}",
                    ),
                    alias(
                        "startperiod",
                        Number,
                        "startPeriod",
                        "{test: [CMD, a], startperiod: 10}",
                    ),
                    key(
                        "retries",
                        Number,
                        "",
                        "Failures until it counts as unhealthy",
                        "{test: [CMD, a], retries: 3}",
                    ),
                ],
            ),
            key(
                "removeEnv",
                Texts,
                "",
                "Variables removed: names or `/expressions/`",
                "{removeEnv: [DEBUG, /^TMP_/]}",
            ),
            REMOVE_LABELS,
            key(
                "removeVolumes",
                Texts,
                "",
                "Volumes removed: paths or `/expressions/`",
                "{removeVolumes: [/data]}",
            ),
            KEEP_LABELS,
            CLEAR_LABELS,
            key(
                "clearCmd",
                Switch,
                "`false`",
                "Forget the base's command",
                "{clearCmd: true}",
            ),
            key(
                "clearEntrypoint",
                Switch,
                "`false`",
                "Forget the base's entrypoint",
                "{clearEntrypoint: true}",
            ),
            key(
                "clearUser",
                Switch,
                "`false`",
                "Forget the base's user",
                "{clearUser: true}",
            ),
            key(
                "clearWorkingDir",
                Switch,
                "`false`",
                "Forget the base's working directory",
                "{clearWorkingDir: true}",
            ),
        ],
    ),
];

const AUTHOR: Key = key("author", Text, "", "Author of the image", "{author: Ada}");
const CLEAR_HISTORY: Key = key(
    "clearHistory",
    Switch,
    "`false`",
    "Forget how the layers were made",
    "{clearHistory: true}",
);
const LABELS: Key = key("labels", TextMap, "", "Labels set", "{labels: {team: web}}");
const REMOVE_LABELS: Key = key(
    "removeLabels",
    Texts,
    "",
    "Labels removed: names or `/expressions/`",
    "{removeLabels: [/^org/]}",
);
const KEEP_LABELS: Key = no_effect(
    "keepEssentialWerfLabels",
    Switch,
    "kiel sets no labels of werf's",
    "{keepEssentialWerfLabels: true}",
);
const CLEAR_LABELS: Key = no_effect(
    "clearWerfLabels",
    Switch,
    "kiel sets no labels of werf's",
    "{clearWerfLabels: true}",
);

/// What the meta document says of all images.
pub(super) const COMMON_IMAGE_SPEC: Key = map(
    "imageSpec",
    super::Kind::Map,
    "Changes of every image's configuration; they win over those of the image",
    "{imageSpec: {author: Ada}}",
    &[
        AUTHOR,
        CLEAR_HISTORY,
        map(
            "config",
            super::Kind::Map,
            "What containers run with",
            "{config: {labels: {team: web}}}",
            &[LABELS, REMOVE_LABELS, KEEP_LABELS, CLEAR_LABELS],
        ),
    ],
);
