//! Cases that builders of this kind are known to get wrong, each by its name: images that stay stale although an input
//! has changed, and images that are built again although none has.

use anyhow::{Context, Result, ensure};
use kiel::images::PlannedKind;

use super::forest::{Forest, Node, Tree, changed, git, head, images, keys};

/// A change and the keys that it changes.
type Case = (&'static str, fn(&mut Tree), &'static [&'static str]);

/// `web` and `site` have Dockerfiles; `app` is a Stapel image with two stages; `child` begins with it.
const WERF: &str = r#"project: p
configVersion: 1
---
image: web
dockerfile: Dockerfile
context: ctx
args: {V: "1", IGNORED: "1"}
---
image: site
dockerfile: Site
context: ctx
---
image: app
from: alpine:3
git:
- add: /app
  to: /app
  excludePaths: [tmp]
  stageDependencies: {install: [deps]}
shell:
  install: [make deps, make check]
  setup: [make]
imageSpec:
  config: {expose: ["80"], labels: {a: b}}
---
image: child
from: app
shell: {setup: [x]}
"#;

const DOCKERFILE: &str = "FROM golang:1 AS build\nARG V\nCOPY src /src\nRUN --mount=type=bind,source=uv.lock,target=/l make\n\
RUN --mount=type=bind,source=conf,target=/conf make\nRUN <<EOF\nfirst\nEOF\nCOPY <<EOF /made\nbody\nEOF\n\
COPY --from=busybox:1 /bin/busybox /b\nADD https://example.org/a.tar /a\n\
RUN --mount=type=secret,id=token make\nRUN --mount=type=bind,from=build,source=/src,target=/s make\n";

const SITE: &str = "FROM scratch\nCOPY static /\n";

fn project() -> Tree {
    Tree::of(&[
        ("werf.yaml", WERF),
        ("ctx/Dockerfile", DOCKERFILE),
        ("ctx/Site", SITE),
        ("ctx/src/a", "a"),
        ("ctx/src/b", "b"),
        ("ctx/uv.lock", "1"),
        ("ctx/conf/x", "x"),
        ("ctx/static/index", "i"),
        ("app/deps/list", "1"),
        ("app/deps/more", "2"),
        ("app/main", "m"),
        ("app/tmp/x", "x"),
        ("README", "r"),
    ])
}

const WEB: &[&str] = &["web"];
const ALL_OF_APP: &[&str] = &["app", "app/install", "app/setup", "child", "child/setup"];
const CONTENT: &[&str] = &["app", "child", "child/setup"];

/// What must change a key: digests that leave it out keep stale images.
const STALE: &[Case] = &[
    ("the_file_of_a_bind_mount", |t| t.file("ctx/uv.lock", "2"), WEB),
    (
        "a_file_in_the_folder_of_a_bind_mount",
        |t| t.file("ctx/conf/y", "y"),
        WEB,
    ),
    (
        "the_body_of_a_heredoc_of_run",
        |t| t.edit("ctx/Dockerfile", "first", "second"),
        WEB,
    ),
    (
        "the_body_of_a_heredoc_of_copy",
        |t| t.edit("ctx/Dockerfile", "body", "other"),
        WEB,
    ),
    (
        "a_renamed_file_of_copy",
        |t| t.rename("ctx/src/b", "ctx/src/c"),
        WEB,
    ),
    (
        "files_of_copy_that_swap_names",
        |t| {
            t.file("ctx/src/a", "b");
            t.file("ctx/src/b", "a");
        },
        WEB,
    ),
    (
        "a_moved_file_of_copy",
        |t| t.rename("ctx/src/b", "ctx/src/d/b"),
        WEB,
    ),
    (
        "the_mode_of_a_file_of_copy",
        |t| t.executable("ctx/src/a", "a"),
        WEB,
    ),
    (
        "a_file_of_copy_that_becomes_a_link",
        |t| t.link("ctx/src/a", "a"),
        WEB,
    ),
    (
        "the_target_of_a_link_of_copy",
        |t| {
            t.link("ctx/static/index", "other");
        },
        &["site"],
    ),
    (
        "the_tag_of_an_external_base",
        |t| t.edit("ctx/Dockerfile", "golang:1", "golang:2"),
        WEB,
    ),
    (
        "the_tag_of_an_external_image_of_copy",
        |t| t.edit("ctx/Dockerfile", "busybox:1", "busybox:2"),
        WEB,
    ),
    (
        "the_address_of_a_remote_add",
        |t| t.edit("ctx/Dockerfile", "a.tar", "b.tar"),
        WEB,
    ),
    (
        "the_id_of_a_secret_mount",
        |t| t.edit("ctx/Dockerfile", "id=token", "id=other"),
        WEB,
    ),
    (
        "a_declared_build_argument",
        |t| t.edit("werf.yaml", "{V: \"1\"", "{V: \"2\""),
        WEB,
    ),
    (
        "a_renamed_file_of_a_stage_dependency",
        |t| t.rename("app/deps/more", "app/deps/most"),
        ALL_OF_APP,
    ),
    (
        "the_mode_of_a_file_of_a_stage_dependency",
        |t| t.executable("app/deps/list", "1"),
        ALL_OF_APP,
    ),
    (
        "a_new_file_of_a_stage_dependency",
        |t| t.file("app/deps/new", ""),
        ALL_OF_APP,
    ),
    (
        "the_last_file_of_a_stage_dependency_goes",
        |t| {
            t.remove("app/deps/list");
            t.remove("app/deps/more");
        },
        ALL_OF_APP,
    ),
    (
        "a_renamed_file_of_a_mapping",
        |t| t.rename("app/main", "app/mein"),
        CONTENT,
    ),
    (
        "the_mode_of_a_file_of_a_mapping",
        |t| t.executable("app/main", "m"),
        CONTENT,
    ),
    (
        "the_commit_of_a_submodule_in_a_mapping",
        |t| {
            t.put(
                "app/module",
                Node::Module("2222222222222222222222222222222222222222"),
            );
        },
        CONTENT,
    ),
    (
        "commands_that_are_split_otherwise",
        |t| {
            t.edit("werf.yaml", "[make deps, make check]", "[make, deps make check]");
        },
        ALL_OF_APP,
    ),
    (
        "globs_that_are_split_otherwise",
        |t| {
            t.edit("werf.yaml", "excludePaths: [tmp]", "excludePaths: [t, mp]");
        },
        ALL_OF_APP,
    ),
    (
        "a_glob_that_moves_to_the_other_list",
        |t| {
            t.edit("werf.yaml", "excludePaths: [tmp]", "includePaths: [deps, main]");
        },
        ALL_OF_APP,
    ),
    (
        "fields_of_image_spec_that_swap_values",
        |t| {
            t.edit(
                "werf.yaml",
                "{expose: [\"80\"], labels: {a: b}}",
                "{volumes: [\"/80\"], labels: {a: b}}",
            );
        },
        CONTENT,
    ),
    (
        "the_owner_of_a_mapping",
        |t| t.edit("werf.yaml", "  to: /app\n", "  to: /app\n  owner: 7\n"),
        ALL_OF_APP,
    ),
];

/// What must not change a key: digests that take it in build everything again.
const NEEDLESS: &[Case] = &[
    ("a_file_that_nothing_takes", |t| t.file("README", "changed"), &[]),
    ("an_excluded_file", |t| t.file("app/tmp/x", "changed"), &[]),
    (
        "a_file_of_the_context_that_nothing_takes",
        |t| t.file("ctx/other", "x"),
        &[],
    ),
    (
        "a_build_argument_that_is_not_declared",
        |t| t.edit("werf.yaml", "IGNORED: \"1\"", "IGNORED: \"2\""),
        &[],
    ),
    (
        "a_comment_in_a_dockerfile",
        |t| t.edit("ctx/Site", "COPY", "# x\nCOPY"),
        &[],
    ),
    (
        "the_name_of_the_project",
        |t| t.edit("werf.yaml", "project: p", "project: q"),
        &[],
    ),
    (
        "a_cache_version_of_a_stage_without_commands",
        |t| {
            t.edit(
                "werf.yaml",
                "  setup: [make]\n",
                "  setup: [make]\n  beforeSetupCacheVersion: \"1\"\n",
            );
        },
        &[],
    ),
    (
        "a_stage_dependency_of_a_stage_without_commands",
        |t| {
            t.edit(
                "werf.yaml",
                "{install: [deps]}",
                "{install: [deps], beforeSetup: [deps]}",
            );
        },
        &[],
    ),
    (
        "images_in_another_order",
        |t| {
            let parts: Vec<&str> = WERF.split("---\n").collect();
            let text = [parts[0], parts[4], parts[2], parts[3], parts[1]].join("---\n");
            t.file("werf.yaml", &text);
        },
        &[],
    ),
    (
        "content_of_an_image_that_no_other_needs",
        |t| t.file("ctx/static/index", "new"),
        &["site"],
    ),
];

/// The names of all cases, with what each does.
pub(crate) fn all() -> impl Iterator<Item = (String, impl FnOnce() -> Result<()> + Send + 'static)> {
    let table = STALE.iter().map(|case| ("changes_a_key", case));
    let table = table.chain(NEEDLESS.iter().map(|case| ("changes_no_other_key", case)));
    table.map(|(what, case)| (format!("case_{what}::{}", case.0), move || check(case)))
}

fn check((_, change, want): &Case) -> Result<()> {
    let before = project();
    let mut after = before.clone();
    change(&mut after);
    let forest = Forest::new([&before, &after])?;
    let found = changed(&keys(&forest.tree(0)?)?, &keys(&forest.tree(1)?)?);
    ensure!(found == *want, "{found:?}");
    Ok(())
}

/// Back on a branch, and back to an older commit: the keys of then.
pub(crate) fn branch_switch() -> Result<()> {
    let (main, mut side) = (project(), project());
    side.file("app/main", "side");
    let forest = Forest::new([&main, &side])?;
    let dir = forest.path();
    let at = |branch: &str| {
        git(dir, &["checkout", "-qf", branch])?;
        keys(&head(dir)?)
    };
    let (first, other, again) = (at("t0")?, at("t1")?, at("t0")?);
    ensure!(first == again && changed(&first, &other) == CONTENT);
    git(dir, &["checkout", "-q", "t1"])?;
    git(dir, &["checkout", "-q", "t0", "--", "."])?;
    git(dir, &["commit", "-qm", "as before"])?;
    ensure!(keys(&head(dir)?)? == first);
    Ok(())
}

/// Keys need no registry and no engine, and no content: werf.yaml, the two Dockerfiles and their ignore files are read.
pub(crate) fn offline() -> Result<()> {
    let mut tree = project();
    for number in 0..200 {
        tree.file(&format!("app/many/{number}"), &number.to_string());
    }
    let forest = Forest::new([&tree])?;
    let tree = forest.tree(0)?;
    let images = images(&tree)?;
    ensure!(tree.reads().blobs <= 6, "{:?}", tree.reads());
    // What a key was made from can be shown.
    for image in &images {
        let inputs = serde_json::to_value(&image.keyed().inputs)?;
        ensure!(
            inputs["platform"] == "linux/amd64" && inputs["kind"].is_string(),
            "{inputs}"
        );
        ensure!(image.keyed().inputs.key() == image.key());
    }
    Ok(())
}

/// A submodule counts by its commit; its objects need not be there.
pub(crate) fn submodule() -> Result<()> {
    let mut tree = project();
    tree.put(
        "app/module",
        Node::Module("1111111111111111111111111111111111111111"),
    );
    let mut other = tree.clone();
    other.put(
        "app/module",
        Node::Module("2222222222222222222222222222222222222222"),
    );
    let forest = Forest::new([&tree, &other])?;
    ensure!(changed(&keys(&forest.tree(0)?)?, &keys(&forest.tree(1)?)?) == CONTENT);
    Ok(())
}

/// A mapping of the whole repository has its files and nothing of Git's own.
pub(crate) fn whole_repository() -> Result<()> {
    let mut tree = project();
    tree.file(
        "werf.yaml",
        "project: p\nconfigVersion: 1\n---\nimage: all\nfrom: alpine:3\ngit: [{to: /src}, {add: /, to: /}]\n",
    );
    let forest = Forest::new([&tree])?;
    git(forest.path(), &["checkout", "-q", "t0"])?;
    let images = images(&head(forest.path())?)?;
    let PlannedKind::Stapel(plan) = &images[0].kind else {
        anyhow::bail!("a Stapel image")
    };
    for content in &plan.content {
        let all = content.all.listing()?;
        let paths: Vec<&String> = all.entries().iter().map(|entry| &entry.path).collect();
        ensure!(
            paths.len() == tree.0.len() && paths.iter().all(|path| tree.0.contains_key(*path)),
            "{paths:?}"
        );
    }
    Ok(())
}

/// A mapping that takes no file is a mistake that is named, not an empty layer.
pub(crate) fn empty_mapping() -> Result<()> {
    let mut tree = project();
    tree.edit(
        "werf.yaml",
        "  to: /app\n",
        "  to: /app\n  includePaths: [nothing]\n",
    );
    let forest = Forest::new([&tree])?;
    let error = images(&forest.tree(0)?).expect_err("no files");
    let text = format!("{error:#}");
    ensure!(
        text.contains("cannot use git mapping `/app` to `/app`: no file of the commit matches it"),
        "{text}"
    );
    Ok(())
}

/// What would make an image depend on another commit than the one at hand is refused, with its line.
pub(crate) fn other_commits() -> Result<()> {
    for (key, want) in [
        ("branch: main", "`branch` of a mapping of this repository"),
        ("tag: v1", "`tag` of a mapping of this repository"),
        ("commit: abc", "`commit` of a mapping of this repository"),
    ] {
        let mut tree = project();
        tree.edit("werf.yaml", "  to: /app\n", &format!("  to: /app\n  {key}\n"));
        let forest = Forest::new([&tree])?;
        let error = images(&forest.tree(0)?).err().with_context(|| key.to_owned())?;
        let text = format!("{error:#}");
        ensure!(
            text.contains(want) && (text.contains("werf.yaml:18") || text.contains("line 18")),
            "{text}"
        );
    }
    Ok(())
}
