//! Random commits and random changes: exactly the keys change that the changed files are for, and no way in which the
//! same files came into a repository changes any.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::forest::{Dice, Forest, Node, Tree, changed, git, head, keys};

/// One image of each kind. `app` and `sealed` differ in `hermetic`; `child` begins with `app`, `user` imports from
/// `tool` and knows `web`'s name.
const WERF: &str = r#"project: p
configVersion: 1
---
image: app
from: alpine:3
git:
- add: /a
  to: /app
  excludePaths: [skip]
  stageDependencies: {install: [deps], setup: ["*.conf", conf]}
shell: {beforeInstall: [x], install: [i], beforeSetup: [b], setup: [s]}
---
image: sealed
from: alpine:3
git:
- add: /a
  to: /app
  excludePaths: [skip]
  hermetic: true
  stageDependencies: {install: [deps], setup: ["*.conf", conf]}
shell: {install: [i], setup: [s]}
---
image: child
from: app
shell: {setup: [s]}
---
image: tool
from: alpine:3
git: [{add: /b, to: /b, includePaths: ["**/*.c", keep]}]
---
image: user
from: alpine:3
import: [{image: tool, add: /b, to: /opt/b, after: install}]
dependencies:
- image: web
  before: setup
  imports: [{type: ImageName, targetEnv: WEB}]
shell: {install: [i], setup: [s]}
---
image: web
dockerfile: Dockerfile
context: ctx
args: {V: "1", UNUSED: "1"}
"#;

const DOCKERFILE: &str = "ARG V=3\nFROM golang AS unused\nCOPY other /o\nFROM alpine:$V\nARG V\nCOPY src /src\nCOPY *.c /c/\n\
RUN --mount=type=bind,source=lock,target=/l <<EOF\necho $V\nEOF\n";

const KEEP: [&str; 10] = [
    "a/deps/keep",
    "a/conf/keep",
    "a/keep",
    "a/skip/keep",
    "b/keep",
    "ctx/src/keep",
    "ctx/lock/keep",
    "ctx/other/keep",
    "ctx/keep.c",
    "docs/keep",
];

/// Folders that mean something, and one that doesn't.
const FOLDERS: [&str; 10] = [
    "a/deps",
    "a/conf",
    "a",
    "a/skip",
    "b",
    "ctx/src",
    "ctx/lock",
    "ctx/other",
    "ctx",
    "docs",
];
const INNER: [&str; 5] = ["", "", "d/", "d/e f/", "é/"];

fn name(dice: &mut Dice) -> String {
    let long = "n".repeat(240);
    let stems = [
        "x",
        "x.c",
        "y.c",
        "z.log",
        "w.conf",
        "-dash",
        "-n.c",
        "new\nline",
        "q\"uote'",
        "ü",
        "e\u{301}",
        "sp ace.c",
        "[b]",
        "*",
        "\\back",
        ".hidden",
        ".whx",
        "$HOME",
        "%s",
        &long,
    ];
    let folder = *dice.pick(&INNER);
    format!("{folder}{}", dice.pick(&stems))
}

fn node(dice: &mut Dice, path: &str) -> Node {
    let contents = ["", "1", "2\n", "3\r\n", "text ü\n", "\0binary\x01"];
    match dice.roll(6) {
        // A source of COPY that is a link takes the whole context: it would say nothing about the rest.
        0 | 1 if !path.starts_with("ctx/") => {
            Node::Link((*dice.pick(&["x", "../y", "/etc", "nothing here"])).into())
        }
        2 => Node::Executable((*dice.pick(&contents)).into()),
        _ => Node::File((*dice.pick(&contents)).into()),
    }
}

fn random_path(dice: &mut Dice) -> String {
    format!("{}/{}", dice.pick(&FOLDERS), name(dice))
}

fn random_tree(dice: &mut Dice) -> Tree {
    let mut tree = Tree::default();
    for _ in 0..dice.roll(30) {
        let path = random_path(dice);
        let node = node(dice, &path);
        tree.put(&path, node);
    }
    with_fixed(&mut tree);
    tree
}

/// No mapping may be empty, and the configuration stays.
fn with_fixed(tree: &mut Tree) {
    for path in KEEP {
        tree.file(path, "kept");
    }
    tree.file("werf.yaml", WERF);
    tree.file("ctx/Dockerfile", DOCKERFILE);
    tree.file("ctx/.dockerignore", "**/*.log\n");
}

fn change(dice: &mut Dice, tree: &mut Tree) {
    let paths: Vec<String> = tree.0.keys().cloned().collect();
    let path = dice.pick(&paths).clone();
    let there = tree.0[&path].clone();
    match dice.roll(8) {
        0 => drop(tree.remove(&path)),
        1 => {
            let to = random_path(dice);
            tree.remove(&path);
            // What may be a link elsewhere may not be one in a context.
            let node = match there {
                Node::Link(target) if to.starts_with("ctx/") => Node::File(target),
                other => other,
            };
            tree.put(&to, node);
        }
        2 => {
            // The same file under another name beside it.
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            tree.remove(&path);
            tree.put(format!("{folder}/renamed").trim_start_matches('/'), there);
        }
        3 => match there {
            Node::File(content) => tree.executable(&path, &content),
            Node::Executable(content) => tree.file(&path, &content),
            Node::Link(target) => tree.file(&path, &target),
            Node::Module(_) => {}
        },
        4 => {
            // A file becomes a folder.
            let node = node(dice, &path);
            tree.put(&format!("{path}/inner"), node);
        }
        5 => {
            let other = dice.pick(&paths).clone();
            let (a, b) = (there, tree.0[&other].clone());
            if !matches!((&a, &b), (Node::Link(_), _) | (_, Node::Link(_))) {
                tree.put(&path, b);
                tree.put(&other, a);
            }
        }
        6 => {
            let node = node(dice, &path);
            tree.put(&path, node);
        }
        _ => {
            let path = random_path(dice);
            let node = node(dice, &path);
            tree.put(&path, node);
        }
    }
    with_fixed(tree);
}

/// The keys that a file is for, told by another reading of the configuration than kiel's.
fn concerns(path: &str) -> &'static [&'static str] {
    const INSTALL: &[&str] = &[
        "app",
        "app/beforeSetup",
        "app/install",
        "app/setup",
        "child",
        "child/setup",
        "sealed",
        "sealed/install",
        "sealed/setup",
    ];
    const SETUP: &[&str] = &[
        "app",
        "app/setup",
        "child",
        "child/setup",
        "sealed",
        "sealed/setup",
    ];
    const CONTENT: &[&str] = &["app", "child", "child/setup", "sealed"];
    const TOOL: &[&str] = &["tool", "user", "user/import0", "user/setup"];
    const WEB: &[&str] = &["user", "user/setup", "web"];
    let in_folder = |folder: &str| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    if in_folder("a/skip").is_some() {
        &[]
    } else if in_folder("a/deps").is_some() {
        INSTALL
    } else if in_folder("a/conf").is_some() {
        SETUP
    } else if let Some(rest) = in_folder("a") {
        // A pattern takes what lies below a folder of such a name, too.
        let first = rest.split('/').next().unwrap_or_default();
        if first.ends_with(".conf") { SETUP } else { CONTENT }
    } else if let Some(rest) = in_folder("b") {
        let is_c = rest.split('/').any(|part| part.ends_with(".c"));
        if is_c || rest == "keep" { TOOL } else { &[] }
    } else if let Some(rest) = in_folder("ctx") {
        let first = rest.split('/').next().unwrap_or_default();
        let is_taken = first == "src" || first == "lock" || first.ends_with(".c");
        let is_ignored = rest.split('/').any(|part| part.ends_with(".log"));
        if is_taken && !is_ignored { WEB } else { &[] }
    } else {
        &[]
    }
}

/// What changes a key, and what does not.
pub(crate) fn files() -> Result<()> {
    const CASES: usize = 240;
    let mut trees = Vec::new();
    for case in 0..CASES {
        let mut dice = Dice::new(case as u64 + 1);
        let before = random_tree(&mut dice);
        let mut after = before.clone();
        for _ in 0..=dice.roll(3) {
            change(&mut dice, &mut after);
        }
        trees.extend([before, after]);
    }
    let forest = Forest::new(&trees)?;
    let (mut some, mut none) = (0, 0);
    for case in 0..CASES {
        let (before, after) = (&trees[2 * case], &trees[2 * case + 1]);
        let paths = before.changed(after);
        let want: BTreeSet<&str> = paths.iter().flat_map(|path| concerns(path)).copied().collect();
        let keys_of = |number| keys(&forest.tree(number)?).with_context(|| format!("case {case}"));
        let found = changed(&keys_of(2 * case)?, &keys_of(2 * case + 1)?);
        ensure!(
            found.iter().map(String::as_str).eq(want.iter().copied()),
            "case {case}: {paths:?} changed {found:?}, not {want:?}"
        );
        if want.is_empty() { none += 1 } else { some += 1 }
    }
    ensure!(
        some > CASES / 3 && none > CASES / 10,
        "{some} and {none} cases say something"
    );
    Ok(())
}

/// What a change of the configuration changes: (file, from, to, keys).
const EDITS: &[(&str, &str, &str, &[&str])] = &[
    (
        "ctx/Dockerfile",
        "echo $V\n",
        "echo $V \n",
        &["user", "user/setup", "web"],
    ),
    (
        "ctx/Dockerfile",
        "source=lock",
        "source=src",
        &["user", "user/setup", "web"],
    ),
    (
        "ctx/Dockerfile",
        "FROM alpine:$V",
        "FROM debian:$V",
        &["user", "user/setup", "web"],
    ),
    (
        "ctx/Dockerfile",
        "COPY src /src",
        "COPY src /Src",
        &["user", "user/setup", "web"],
    ),
    ("ctx/Dockerfile", "COPY other /o", "COPY other /p", &[]),
    (
        "ctx/Dockerfile",
        "COPY src /src",
        "# a comment\n\ncopy src /src  ",
        &[],
    ),
    (
        "werf.yaml",
        "V: \"1\", UNUSED",
        "V: \"2\", UNUSED",
        &["user", "user/setup", "web"],
    ),
    ("werf.yaml", "UNUSED: \"1\"", "UNUSED: \"2\"", &[]),
    ("werf.yaml", "project: p", "project: other", &[]),
    (
        "werf.yaml",
        "image: app\nfrom: alpine:3",
        "image: app\nfrom: alpine:4",
        &[
            "app",
            "app/beforeInstall",
            "app/beforeSetup",
            "app/install",
            "app/setup",
            "child",
            "child/setup",
        ],
    ),
    (
        "werf.yaml",
        "beforeInstall: [x]",
        "beforeInstall: [yy]",
        &[
            "app",
            "app/beforeInstall",
            "app/beforeSetup",
            "app/install",
            "app/setup",
            "child",
            "child/setup",
        ],
    ),
    (
        "werf.yaml",
        "beforeSetup: [b]",
        "beforeSetup: [b, b]",
        &["app", "app/beforeSetup", "app/setup", "child", "child/setup"],
    ),
    (
        "werf.yaml",
        "  hermetic: true\n",
        "",
        &["sealed", "sealed/install", "sealed/setup"],
    ),
    (
        "werf.yaml",
        "  hermetic: true\n",
        "  hermetic: false\n",
        &["sealed", "sealed/install", "sealed/setup"],
    ),
    (
        "werf.yaml",
        "add: /b, to: /opt/b",
        "add: /b, to: /opt/c",
        &["user", "user/import0", "user/setup"],
    ),
    (
        "werf.yaml",
        "targetEnv: WEB",
        "targetEnv: SITE",
        &["user", "user/setup"],
    ),
    (
        "werf.yaml",
        "type: ImageName",
        "type: ImageTag",
        &["user", "user/setup"],
    ),
    (
        "werf.yaml",
        "add: /b, to: /b,",
        "add: /b, to: /c,",
        &["tool", "user", "user/import0", "user/setup"],
    ),
    (
        "werf.yaml",
        "[{add: /b, to: /b,",
        "[{owner: 7, add: /b, to: /b,",
        &["tool", "user", "user/import0", "user/setup"],
    ),
    (
        "werf.yaml",
        "from: app\nshell: {setup: [s]}",
        "from: app\nshell: {setup: [s], setupCacheVersion: 2}",
        &["child", "child/setup"],
    ),
    (
        "werf.yaml",
        "from: app\nshell",
        "from: app\ncacheVersion: 2\nshell",
        &["child", "child/setup"],
    ),
    (
        "werf.yaml",
        "from: app\nshell",
        "from: app\nimageSpec: {author: me}\nshell",
        &["child"],
    ),
    (
        "werf.yaml",
        "from: app\nshell",
        "from: app\nfinal: false\nshell",
        &[],
    ),
    (
        "werf.yaml",
        "from: app\nshell",
        "# a comment\nfrom: {{ \"app\" }}\nshell",
        &[],
    ),
];

/// What a change of the configuration changes, on a random commit each.
pub(crate) fn configuration() -> Result<()> {
    let mut trees = Vec::new();
    for (number, (file, from, to, _)) in EDITS.iter().enumerate() {
        let before = random_tree(&mut Dice::new(1000 + number as u64));
        let mut after = before.clone();
        after.edit(file, from, to);
        trees.extend([before, after]);
    }
    let forest = Forest::new(&trees)?;
    for (number, (file, from, to, want)) in EDITS.iter().enumerate() {
        let found = changed(
            &keys(&forest.tree(2 * number)?)?,
            &keys(&forest.tree(2 * number + 1)?)?,
        );
        ensure!(
            found == *want,
            "{file}: `{from}` → `{to}` changed {found:?}, not {want:?}"
        );
    }
    Ok(())
}

/// Images in another order have the same keys.
pub(crate) fn order() -> Result<()> {
    let documents: Vec<&str> = WERF.split("---\n").collect();
    let mut trees = vec![random_tree(&mut Dice::new(7))];
    for seed in 0..8 {
        let (mut dice, mut images) = (Dice::new(seed + 50), documents[1..].to_vec());
        for index in (1..images.len()).rev() {
            images.swap(index, dice.roll(index + 1));
        }
        let mut tree = trees[0].clone();
        tree.file(
            "werf.yaml",
            &format!("{}---\n{}", documents[0], images.join("---\n")),
        );
        trees.push(tree);
    }
    let forest = Forest::new(&trees)?;
    let want = keys(&forest.tree(0)?)?;
    for number in 1..trees.len() {
        let found = changed(&want, &keys(&forest.tree(number)?)?);
        ensure!(found.is_empty(), "{found:?}");
    }
    Ok(())
}

/// The same files, however they came: (what, how).
type Way = (&'static str, fn(&Path, &Path) -> Result<std::path::PathBuf>);

const WAYS: &[Way] = &[
    ("amended", |repo, _| {
        git(
            repo,
            &[
                "commit",
                "-q",
                "--amend",
                "--date=2001-01-01T00:00:00Z",
                "--author=a <a@a>",
                "-m",
                "other words",
            ],
        )?;
        Ok(repo.to_owned())
    }),
    ("an empty commit on top", |repo, _| {
        git(repo, &["commit", "-q", "--allow-empty", "-m", "empty"])?;
        Ok(repo.to_owned())
    }),
    ("changed and changed back", |repo, _| {
        fs_err::write(repo.join("a/keep"), "changed")?;
        git(repo, &["commit", "-qam", "changed"])?;
        git(repo, &["revert", "--no-edit", "HEAD"])?;
        Ok(repo.to_owned())
    }),
    ("rebased onto other history", |repo, _| {
        let branch = git(repo, &["branch", "--show-current"])?;
        git(repo, &["checkout", "-q", "--orphan", "onto"])?;
        git(repo, &["rm", "-rqf", "."])?;
        fs_err::create_dir_all(repo.join("elsewhere"))?;
        fs_err::write(repo.join("elsewhere/file"), "unrelated")?;
        git(repo, &["add", "-A"])?;
        git(repo, &["commit", "-qm", "another root"])?;
        git(repo, &["checkout", "-q", &branch])?;
        git(repo, &["rebase", "-q", "--root", "--onto", "onto"])?;
        Ok(repo.to_owned())
    }),
    ("merged", |repo, _| {
        git(repo, &["checkout", "-qb", "side"])?;
        fs_err::write(repo.join("docs/side"), "side")?;
        git(repo, &["add", "-A"])?;
        git(repo, &["commit", "-qm", "side"])?;
        git(repo, &["checkout", "-q", "-"])?;
        git(repo, &["merge", "-q", "--no-ff", "-m", "merge", "side"])?;
        Ok(repo.to_owned())
    }),
    ("squashed and force-pushed", |repo, outside| {
        let remote = outside.join("remote");
        git(outside, &["init", "-q", "--bare", &remote.display().to_string()])?;
        let url = remote.display().to_string();
        fs_err::write(repo.join("docs/more"), "more")?;
        git(repo, &["add", "-A"])?;
        git(repo, &["commit", "-qm", "more"])?;
        git(repo, &["push", "-q", &url, "HEAD:main"])?;
        git(repo, &["reset", "-q", "--soft", "HEAD~1"])?;
        git(repo, &["commit", "-q", "--amend", "-m", "squashed"])?;
        git(repo, &["push", "-qf", &url, "HEAD:main"])?;
        let clone = outside.join("clone");
        git(
            outside,
            &["clone", "-q", "-b", "main", &url, &clone.display().to_string()],
        )?;
        Ok(clone)
    }),
    ("a clone", |repo, outside| clone(repo, outside, &[])),
    ("a shallow clone", |repo, outside| {
        clone(repo, outside, &["--depth", "1"])
    }),
    ("a bare clone", |repo, outside| clone(repo, outside, &["--bare"])),
    ("a clone with other line endings", |repo, outside| {
        clone(
            repo,
            outside,
            &[
                "-c",
                "core.autocrlf=true",
                "-c",
                "core.eol=crlf",
                "-c",
                "core.fileMode=false",
            ],
        )
    }),
    ("a linked work tree", |repo, outside| {
        let linked = outside.join("linked");
        git(
            repo,
            &["worktree", "add", "-q", "--detach", &linked.display().to_string()],
        )?;
        Ok(linked)
    }),
    ("packed", |repo, _| {
        git(repo, &["gc", "-q", "--aggressive", "--prune=now"])?;
        Ok(repo.to_owned())
    }),
    ("other times and dirt in the work tree", |repo, _| {
        for path in ["a/keep", "werf.yaml", "ctx/Dockerfile"] {
            let text = fs_err::read_to_string(repo.join(path))?;
            fs_err::write(repo.join(path), format!("{text}\n# not committed\n"))?;
        }
        fs_err::write(repo.join("ctx/src/untracked"), "untracked")?;
        fs_err::remove_file(repo.join("a/deps/keep"))?;
        fs_err::write(repo.join(".gitattributes"), "* text eol=crlf\n")?;
        Ok(repo.to_owned())
    }),
    ("staged but not committed", |repo, _| {
        fs_err::write(repo.join("a/keep"), "staged")?;
        git(repo, &["add", "-A"])?;
        Ok(repo.to_owned())
    }),
];

fn clone(repo: &Path, outside: &Path, options: &[&str]) -> Result<std::path::PathBuf> {
    let to = outside.join("clone");
    let (from, target) = (format!("file://{}", repo.display()), to.display().to_string());
    git(outside, &[&["clone", "-q"], options, &[&from, &target]].concat())?;
    Ok(to)
}

/// The same files have the same keys, however they came into the repository.
pub(crate) fn history() -> Result<()> {
    for (number, (what, way)) in WAYS.iter().enumerate() {
        let tree = random_tree(&mut Dice::new(500 + number as u64));
        let forest = Forest::new([&tree])?;
        let outside = tempfile::tempdir()?;
        git(forest.path(), &["checkout", "-q", "t0"])?;
        let before = keys(&forest.tree(0)?)?;
        let dir = way(forest.path(), outside.path()).with_context(|| (*what).to_owned())?;
        let after = keys(&head(&dir)?).with_context(|| (*what).to_owned())?;
        let found = changed(&before, &after);
        ensure!(found.is_empty(), "{what}: {found:?} changed");
    }
    Ok(())
}
