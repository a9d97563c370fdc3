//! The keys of images.

use super::Kind::{Commands, Maps, Switch, Tasks, Text, TextMap, Texts, Words};
use super::image_spec::{DOCKER, IMAGE_SPEC, IMAGE_SPEC_OF_STAPEL};
use super::{Key, alias, key, map, no_effect};

const FROM_VARIABLE: Key = key(
    "env",
    Text,
    "",
    "Variable that holds it; giterminism has to allow it",
    "{env: TOKEN}",
);

const STAGES: &[&str] = &["install", "setup"];
const PARTS: &[&str] = &["ImageName", "ImageRepo", "ImageTag", "ImageID", "ImageDigest"];

/// An image with `dockerfile`.
pub(crate) const DOCKERFILE: &[Key] = &[
    key(
        "image",
        Texts,
        "",
        "Name of the image; a list makes one image under each name",
        "{image: app, dockerfile: Dockerfile}",
    ),
    key(
        "dockerfile",
        Text,
        "",
        "Path of the Dockerfile, relative to `context`; makes the image one with a Dockerfile",
        "{image: app, dockerfile: docker/Dockerfile}",
    ),
    key(
        "context",
        Text,
        "the project",
        "Folder whose files `COPY` and `ADD` take, relative to the project",
        "{image: app, dockerfile: Dockerfile, context: app}",
    ),
    key(
        "target",
        Text,
        "the last stage",
        "Stage to build",
        "{image: app, dockerfile: Dockerfile, target: production}",
    ),
    key(
        "args",
        TextMap,
        "",
        "Build arguments",
        "{image: app, dockerfile: Dockerfile, args: {VERSION: \"1.2\"}}",
    ),
    FINAL,
    CACHE_VERSION,
    key(
        "contextAddFiles",
        Texts,
        "",
        "Files of the work tree that the context has beside those of the commit, relative to `context`; giterminism has to allow them",
        "{image: app, dockerfile: Dockerfile, contextAddFiles: [build/app.jar]}",
    ),
    alias(
        "contextAddFile",
        Texts,
        "contextAddFiles",
        "{image: app, dockerfile: Dockerfile, contextAddFile: build/app.jar}",
    ),
    key(
        "addHost",
        Texts,
        "",
        "Names and addresses that commands know: `NAME:ADDRESS`",
        "{image: app, dockerfile: Dockerfile, addHost: [\"db:10.0.0.1\"]}",
    ),
    key(
        "network",
        Words(&["default", "bridge", "host", "none"]),
        "`default`",
        "Network of commands: the engine's own, that of its machine, or none",
        "{image: app, dockerfile: Dockerfile, network: none}",
    ),
    key(
        "ssh",
        Text,
        "",
        "SSH agents for `RUN --mount=type=ssh`: `default` (that of `SSH_AUTH_SOCK`), `ID=SOCKET`, several with commas",
        "{image: app, dockerfile: Dockerfile, ssh: default}",
    ),
    map(
        "dependencies",
        Maps,
        "Images that are built before, and whose names become build arguments",
        "{image: app, dockerfile: Dockerfile, dependencies: [{from: other, imports: [{type: ImageName, targetBuildArg: BASE}]}]}",
        &[
            key("from", Text, "", "Name of the other image", "{from: other}"),
            alias("image", Text, "from", "{image: other}"),
            map(
                "imports",
                Maps,
                "Which parts of its name go where",
                "{from: other, imports: [{type: ImageTag, targetBuildArg: TAG}]}",
                &[
                    key(
                        "type",
                        Words(PARTS),
                        "",
                        "Part of the name",
                        "{type: ImageRepo, targetBuildArg: REPO}",
                    ),
                    key(
                        "targetBuildArg",
                        Text,
                        "",
                        "The build argument",
                        "{type: ImageDigest, targetBuildArg: DIGEST}",
                    ),
                ],
            ),
        ],
    ),
    SECRETS_OF_DOCKERFILE,
    IMAGE_SPEC,
    PLATFORM,
    no_effect(
        "staged",
        Switch,
        "The engine keeps every instruction by itself",
        "{image: app, dockerfile: Dockerfile, staged: true}",
    ),
    no_effect(
        "tagging",
        Text,
        "Tags are keys, whatever this says",
        "{image: app, dockerfile: Dockerfile, tagging: content}",
    ),
];

const FINAL: Key = key(
    "final",
    Switch,
    "`true`; `false` for an artifact",
    "Whether the chart may name the image",
    "{image: app, dockerfile: Dockerfile, final: false}",
);
const CACHE_VERSION: Key = key(
    "cacheVersion",
    Text,
    "`build.cacheVersion`",
    "Any text; another one builds the image anew",
    "{image: app, dockerfile: Dockerfile, cacheVersion: \"2\"}",
);
const PLATFORM: Key = key(
    "platform",
    Texts,
    "`build.platform`, else this machine's",
    "What the image is built for: `os/architecture[/variant]`; of several, an index is published",
    "{image: app, dockerfile: Dockerfile, platform: [linux/amd64, linux/arm64]}",
);

const SECRET_KEYS: &[Key] = &[
    key(
        "id",
        Text,
        "the variable's or file's name",
        "Its name: the file is `/run/secrets/ID`",
        "{id: token, env: TOKEN}",
    ),
    FROM_VARIABLE,
    key(
        "src",
        Text,
        "",
        "File that holds it; giterminism has to allow it",
        "{id: npmrc, src: ~/.npmrc}",
    ),
    key(
        "value",
        Text,
        "",
        "The secret itself; giterminism has to allow its `id`",
        "{id: token, value: abc}",
    ),
];

const SECRETS_OF_DOCKERFILE: Key = map(
    "secrets",
    Maps,
    "Secrets for `RUN --mount=type=secret`; they are no part of keys and images",
    "{image: app, dockerfile: Dockerfile, secrets: [{env: TOKEN}]}",
    SECRET_KEYS,
);

/// An image without `dockerfile`.
pub(crate) const STAPEL: &[Key] = &[
    key(
        "image",
        Texts,
        "",
        "Name of the image; a list makes one image under each name, nothing (`image:`) the one image without a name",
        "{image: app, from: \"alpine:3.20\"}",
    ),
    key(
        "from",
        Text,
        "",
        "What the image begins with: an image of this file, one of a registry, or `scratch`",
        "{image: app, from: \"alpine:3.20\"}",
    ),
    alias("fromImage", Text, "from", "{image: app, fromImage: other}"),
    key(
        "fromLatest",
        Switch,
        "`false`",
        "Look up what the base's tag means now, and build anew when that changes; giterminism has to allow it",
        "{image: app, from: \"alpine:3.20\", fromLatest: true}",
    ),
    key(
        "fromCacheVersion",
        Text,
        "",
        "Any text; another one builds the image anew",
        "{image: app, from: \"alpine:3.20\", fromCacheVersion: \"2\"}",
    ),
    key(
        "final",
        Switch,
        "`true`; `false` for an artifact",
        "Whether the chart may name the image",
        "{image: app, from: \"alpine:3.20\", final: false}",
    ),
    key(
        "cacheVersion",
        Text,
        "`build.cacheVersion`",
        "Any text; another one builds the image anew",
        "{image: app, from: \"alpine:3.20\", cacheVersion: \"2\"}",
    ),
    map(
        "git",
        Maps,
        "Files of Git that go into the image",
        "{image: app, from: \"alpine:3.20\", git: [{add: /src, to: /app}]}",
        GIT,
    ),
    map(
        "shell",
        super::Kind::Map,
        "Commands of the four stages",
        "{image: app, from: \"alpine:3.20\", shell: {install: [make deps], setup: [make]}}",
        SHELL,
    ),
    map(
        "import",
        Maps,
        "Files of other images",
        "{image: app, from: \"alpine:3.20\", import: [{from: other, add: /out, to: /opt/app, after: install}]}",
        IMPORT,
    ),
    map(
        "dependencies",
        Maps,
        "Images that are built before, and whose names become variables",
        "{image: app, from: \"alpine:3.20\", dependencies: [{from: other, before: setup, imports: [{type: ImageName, targetEnv: OTHER}]}]}",
        &[
            key(
                "from",
                Text,
                "",
                "Name of the other image",
                "{from: other, before: install}",
            ),
            alias("image", Text, "from", "{image: other, before: install}"),
            key(
                "before",
                Words(STAGES),
                "",
                "The variables are there from before this stage on",
                "{from: other, before: setup}",
            ),
            key(
                "after",
                Words(STAGES),
                "",
                "The variables are there from after this stage on",
                "{from: other, after: install}",
            ),
            map(
                "imports",
                Maps,
                "Which parts of its name go where",
                "{from: other, before: setup, imports: [{type: ImageTag, targetEnv: TAG}]}",
                &[
                    key(
                        "type",
                        Words(PARTS),
                        "",
                        "Part of the name",
                        "{type: ImageRepo, targetEnv: REPO}",
                    ),
                    key(
                        "targetEnv",
                        Text,
                        "",
                        "The variable",
                        "{type: ImageID, targetEnv: ID}",
                    ),
                ],
            ),
        ],
    ),
    map(
        "mount",
        Maps,
        "Folders that are there while commands run, and no part of the image",
        "{image: app, from: \"alpine:3.20\", mount: [{from: tmp_dir, to: /tmp/work}]}",
        &[
            key(
                "from",
                Words(&["tmp_dir", "build_dir"]),
                "",
                "`tmp_dir`: empty at first; `build_dir`: kept by the engine between builds, giterminism has to allow it",
                "{from: build_dir, to: /root/.cache}",
            ),
            key(
                "to",
                Text,
                "",
                "Absolute path in the image",
                "{from: tmp_dir, to: /tmp/work}",
            ),
            key(
                "fromPath",
                Text,
                "",
                "A folder or file of this machine, absolute, below `~` or relative to the project; giterminism has to allow it. Commands see a copy; what they write into a folder is kept by the engine until the folder here is another, and never written back",
                "{fromPath: ~/.m2, to: /root/.m2}",
            ),
        ],
    ),
    map(
        "secrets",
        Maps,
        "Secrets that commands read as files; they are no part of keys and images",
        "{image: app, from: \"alpine:3.20\", secrets: [{env: TOKEN}]}",
        SECRET_KEYS,
    ),
    key(
        "network",
        Words(&["default", "bridge", "host", "none"]),
        "`default`",
        "Network of commands: the engine's own, that of its machine, or none",
        "{image: app, from: \"alpine:3.20\", network: none}",
    ),
    IMAGE_SPEC_OF_STAPEL,
    key(
        "platform",
        Texts,
        "`build.platform`, else this machine's",
        "What the image is built for: `os/architecture[/variant]`; of several, an index is published",
        "{image: app, from: \"alpine:3.20\", platform: linux/arm64}",
    ),
    map(
        "docker",
        super::Kind::Map,
        "Changes of the image's configuration, as in werf v2; `imageSpec` replaces it",
        "{image: app, from: \"alpine:3.20\", docker: {USER: app}}",
        DOCKER,
    ),
    key(
        "artifact",
        Text,
        "",
        "As `image`, with `final: false`; gone in werf v3",
        "{artifact: built, from: \"alpine:3.20\"}",
    ),
    alias("fromArtifact", Text, "from", "{image: app, fromArtifact: other}"),
    key(
        "disableGitAfterPatch",
        Switch,
        "`false`",
        "Git content stays as the last stage saw it; gone in werf v3, name what commands need in `stageDependencies`",
        "{image: app, from: \"alpine:3.20\", git: [{to: /app}], disableGitAfterPatch: true}",
    ),
    map(
        "ansible",
        super::Kind::Map,
        "Tasks of the four stages, in place of `shell`; gone in werf v3",
        "{image: app, from: \"alpine:3.20\", ansible: {install: [{name: configure, copy: {content: x, dest: /etc/x}}]}}",
        ANSIBLE,
    ),
    key(
        "fromExternal",
        Switch,
        "`false`",
        "`from` is an image of a registry, also where an image of this file has that name (kiel's own key)",
        "{image: app, from: \"alpine:3.20\", fromExternal: true}",
    ),
];

const GIT: &[Key] = &[
    key(
        "add",
        Text,
        "`/`",
        "Folder or file of the repository",
        "{add: /src, to: /app}",
    ),
    key("to", Text, "", "Absolute path in the image", "{to: /app}"),
    key(
        "owner",
        Text,
        "root",
        "User that the files belong to: a number, or a name of the image",
        "{to: /app, owner: app}",
    ),
    key(
        "group",
        Text,
        "root",
        "Group that the files belong to: a number, or a name of the image",
        "{to: /app, group: \"1000\"}",
    ),
    key(
        "includePaths",
        Texts,
        "everything",
        "Globs relative to `add`",
        "{to: /app, includePaths: [src, \"**/*.go\"]}",
    ),
    key(
        "excludePaths",
        Texts,
        "",
        "Globs relative to `add`",
        "{to: /app, excludePaths: [\"**/*_test.go\"]}",
    ),
    map(
        "stageDependencies",
        super::Kind::Map,
        "Globs of files whose changes run a stage again",
        "{to: /app, stageDependencies: {install: [go.mod]}}",
        &[
            key("install", Texts, "", "For `install`", "{install: package.json}"),
            key(
                "beforeSetup",
                Texts,
                "",
                "For `beforeSetup`",
                "{beforeSetup: [src]}",
            ),
            key("setup", Texts, "", "For `setup`", "{setup: [\"**/*\"]}"),
        ],
    ),
    key(
        "hermetic",
        Switch,
        "`false`",
        "A stage sees only the files that `stageDependencies` name (kiel's own key)",
        "{to: /app, hermetic: true}",
    ),
    key(
        "url",
        Text,
        "",
        "Another repository, over HTTP or SSH; this one without it",
        "{url: \"https://example.com/a/b.git\", tag: v1.0, to: /app}",
    ),
    key(
        "branch",
        Text,
        "the other repository's HEAD",
        "Branch of the other repository; giterminism has to allow it",
        "{url: \"https://example.com/a/b.git\", branch: main, to: /app}",
    ),
    key(
        "tag",
        Text,
        "",
        "Tag of the other repository",
        "{url: \"https://example.com/a/b.git\", tag: v1.0, to: /app}",
    ),
    key(
        "commit",
        Text,
        "",
        "Commit of the other repository",
        "{url: \"https://example.com/a/b.git\", commit: 0123456789abcdef0123456789abcdef01234567, to: /app}",
    ),
    map(
        "basicAuth",
        super::Kind::Map,
        "Credentials for the other repository",
        "{url: \"https://example.com/a/b.git\", tag: v1.0, to: /app, basicAuth: {username: a, password: {env: TOKEN}}}",
        &[
            key(
                "username",
                Text,
                "",
                "The name",
                "{username: a, password: {env: TOKEN}}",
            ),
            map(
                "password",
                super::Kind::Map,
                "Where the password is",
                "{username: a, password: {src: ~/.token}}",
                &[
                    FROM_VARIABLE,
                    key(
                        "src",
                        Text,
                        "",
                        "File that holds it; giterminism has to allow it",
                        "{src: ~/.token}",
                    ),
                    key("value", Text, "", "The password itself", "{value: abc}"),
                ],
            ),
        ],
    ),
    no_effect(
        "name",
        Text,
        "Repositories are told by their addresses",
        "{name: other, url: \"https://example.com/a/b.git\", tag: v1.0, to: /app}",
    ),
];

const BEFORE_INSTALL_CACHE_VERSION: Key = key(
    "beforeInstallCacheVersion",
    Text,
    "",
    "Any text; another one runs the stage and those after it again",
    "{beforeInstallCacheVersion: \"2\"}",
);
const INSTALL_CACHE_VERSION: Key = key(
    "installCacheVersion",
    Text,
    "",
    "The same for `install`",
    "{installCacheVersion: \"2\"}",
);
const BEFORE_SETUP_CACHE_VERSION: Key = key(
    "beforeSetupCacheVersion",
    Text,
    "",
    "The same for `beforeSetup`",
    "{beforeSetupCacheVersion: \"2\"}",
);
const SETUP_CACHE_VERSION: Key = key(
    "setupCacheVersion",
    Text,
    "",
    "The same for `setup`",
    "{setupCacheVersion: \"2\"}",
);

const SHELL: &[Key] = &[
    key(
        "beforeInstall",
        Commands,
        "",
        "Commands before Git content is there",
        "{beforeInstall: [apk add make]}",
    ),
    key(
        "install",
        Commands,
        "",
        "Commands after Git content is there",
        "{install: [make deps]}",
    ),
    key(
        "beforeSetup",
        Commands,
        "",
        "Commands after `install`",
        "{beforeSetup: [make assets]}",
    ),
    key("setup", Commands, "", "Commands at the end", "{setup: make}"),
    key(
        "cacheVersion",
        Text,
        "",
        "Any text; another one runs all stages again",
        "{install: make, cacheVersion: \"2\"}",
    ),
    BEFORE_INSTALL_CACHE_VERSION,
    INSTALL_CACHE_VERSION,
    BEFORE_SETUP_CACHE_VERSION,
    SETUP_CACHE_VERSION,
];

const ANSIBLE: &[Key] = &[
    key(
        "beforeInstall",
        Tasks,
        "",
        "Tasks before Git content is there",
        "{beforeInstall: [{apk: {name: [curl, make]}}]}",
    ),
    key(
        "install",
        Tasks,
        "",
        "Tasks after Git content is there",
        "{install: [{name: dependencies, command: make deps, args: {chdir: /app}}]}",
    ),
    key(
        "beforeSetup",
        Tasks,
        "",
        "Tasks after `install`",
        "{beforeSetup: [{block: [{shell: make assets}], rescue: [{debug: {msg: without}}]}]}",
    ),
    key(
        "setup",
        Tasks,
        "",
        "Tasks at the end",
        "{setup: [{lineinfile: {path: /etc/hosts.allow, line: ALL, create: true}}]}",
    ),
    key(
        "cacheVersion",
        Text,
        "",
        "Any text; another one runs all stages again",
        "{install: [{command: make}], cacheVersion: \"2\"}",
    ),
    BEFORE_INSTALL_CACHE_VERSION,
    INSTALL_CACHE_VERSION,
    BEFORE_SETUP_CACHE_VERSION,
    SETUP_CACHE_VERSION,
    key(
        "toolchain",
        Text,
        "`registry.werf.io/werf/stapel:0.6.2`",
        "Image that holds Ansible and Python (kiel's own key)",
        "{toolchain: \"registry.example.com/ansible:2.16\", install: [{command: make}]}",
    ),
];

const IMPORT: &[Key] = &[
    key(
        "from",
        Text,
        "",
        "Image of this file, or one of a registry with its tag or digest",
        "{from: \"busybox:1.36\", add: /bin/busybox, to: /bin/busybox, before: install}",
    ),
    alias("image", Text, "from", "{image: other, add: /out, after: install}"),
    alias(
        "artifact",
        Text,
        "from",
        "{artifact: other, add: /out, after: install}",
    ),
    key(
        "stage",
        Words(&["beforeInstall", "install", "beforeSetup", "setup"]),
        "the image's end",
        "Take the files as this stage of the image left them; where the image has no commands of it, as they are in the end. Gone in werf v3: make an image that ends there",
        "{from: other, stage: install, add: /out, after: install}",
    ),
    key(
        "before",
        Words(STAGES),
        "",
        "The files are there before this stage",
        "{from: other, add: /out, before: setup}",
    ),
    key(
        "after",
        Words(STAGES),
        "",
        "The files are there after this stage",
        "{from: other, add: /out, after: setup}",
    ),
    key(
        "add",
        Text,
        "",
        "Absolute path in the other image",
        "{from: other, add: /out, after: install}",
    ),
    key(
        "to",
        Text,
        "`add`",
        "Absolute path in this image",
        "{from: other, add: /out, to: /opt/app, after: install}",
    ),
    key(
        "owner",
        Text,
        "as it is there",
        "User that the files belong to",
        "{from: other, add: /out, owner: \"1000\", after: install}",
    ),
    key(
        "group",
        Text,
        "as it is there",
        "Group that the files belong to",
        "{from: other, add: /out, group: app, after: install}",
    ),
    key(
        "includePaths",
        Texts,
        "everything",
        "Globs relative to `add`; needed for `add: /`",
        "{from: other, add: /, includePaths: [etc], to: /x, after: install}",
    ),
    key(
        "excludePaths",
        Texts,
        "",
        "Globs relative to `add`",
        "{from: other, add: /out, excludePaths: [\"*.a\"], after: install}",
    ),
];
