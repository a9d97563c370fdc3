//! What is not committed, compared with `git status`.

use kiel::git::Scope;
use kiel::git::patterns::{PathFilter, PathMatch};

use super::sandbox::Sandbox;

fn all(_: &str) -> bool {
    true
}

fn changed(sandbox: &Sandbox, dir: &str, filter: &dyn PathMatch, files: &[&str]) -> Vec<String> {
    let tree = sandbox.tree();
    sandbox
        .open()
        .uncommitted(&tree, &[Scope { dir, filter }], files)
        .expect("a state")
}

/// The paths of `git status`.
fn by_git(sandbox: &Sandbox) -> Vec<String> {
    let status = sandbox.git(&[
        "status",
        "--porcelain",
        "-z",
        "--untracked-files=all",
        "--no-renames",
    ]);
    let mut paths: Vec<_> = status
        .split_terminator('\0')
        .map(|line| line[3..].trim_end_matches('/').to_owned())
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

fn check_all(sandbox: &Sandbox, want: &[&str]) {
    let got = changed(sandbox, "", &all, &[]);
    assert_eq!(got, want);
    assert_eq!(got, by_git(sandbox), "as git says");
}

fn sample() -> Sandbox {
    let sandbox = Sandbox::new();
    for path in ["a", "app/main", "app/run", "app/lib/x", "docs/read.me", "other/o"] {
        sandbox.write(path, format!("content of {path}\n"));
    }
    sandbox.chmod("app/run", 0o755);
    sandbox.link("app/link", "main");
    sandbox.write(".gitignore", "*.log\n/build/\n");
    sandbox.commit();
    sandbox
}

#[test]
fn a_clean_work_tree_is_clean_and_reads_no_blob() {
    let sandbox = sample();
    check_all(&sandbox, &[]);
    let tree = sandbox.tree();
    let scope = Scope {
        dir: "app",
        filter: &all,
    };
    sandbox
        .open()
        .uncommitted(&tree, &[scope], &["docs/read.me"])
        .expect("a state");
    assert_eq!(tree.reads().blobs, 0);
}

#[test]
fn every_kind_of_change_is_seen() {
    type Change = fn(&Sandbox);
    let cases: [(&str, Change, &[&str]); 15] = [
        ("content", |s| s.write("app/main", "other"), &["app/main"]),
        ("same size", |s| s.write("a", "CONTENT of a\n"), &["a"]),
        ("mode", |s| s.chmod("app/main", 0o755), &["app/main"]),
        (
            "deleted",
            |s| fs_err::remove_file(s.dir().join("a")).expect("gone"),
            &["a"],
        ),
        (
            "folder deleted",
            |s| fs_err::remove_dir_all(s.dir().join("app/lib")).expect("gone"),
            &["app/lib/x"],
        ),
        ("new", |s| s.write("app/new", ""), &["app/new"]),
        ("new folder", |s| s.write("n/e/w", ""), &["n/e/w"]),
        (
            "staged",
            |s| {
                s.write("a", "2");
                drop(s.git(&["add", "a"]));
            },
            &["a"],
        ),
        (
            "staged and taken back",
            |s| {
                s.write("a", "2");
                s.git(&["add", "a"]);
                s.write("a", "content of a\n");
            },
            &["a"],
        ),
        (
            "staged new",
            |s| {
                s.write("b", "2");
                drop(s.git(&["add", "b"]));
            },
            &["b"],
        ),
        (
            "removed from the index",
            |s| drop(s.git(&["rm", "-q", "--cached", "a"])),
            &["a"],
        ),
        (
            "intent to add",
            |s| {
                s.write("b", "2");
                drop(s.git(&["add", "-N", "b"]));
            },
            &["b"],
        ),
        (
            "link",
            |s| {
                fs_err::remove_file(s.dir().join("app/link")).expect("gone");
                s.link("app/link", "run");
            },
            &["app/link"],
        ),
        (
            "link becomes file",
            |s| {
                fs_err::remove_file(s.dir().join("app/link")).expect("gone");
                s.write("app/link", "main");
            },
            &["app/link"],
        ),
        (
            "file becomes folder",
            |s| {
                fs_err::remove_file(s.dir().join("a")).expect("gone");
                s.write("a/b", "");
            },
            &["a", "a/b"],
        ),
    ];
    for (name, change, want) in cases {
        let sandbox = sample();
        change(&sandbox);
        let got = changed(&sandbox, "", &all, &[]);
        assert_eq!(got, want, "{name}");
        assert_eq!(got, by_git(&sandbox), "{name}: as git says");
    }
}

#[test]
fn touched_files_are_compared_by_content() {
    let sandbox = sample();
    sandbox.write("app/main", "content of app/main\n");
    let late = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    fs_err::OpenOptions::new()
        .write(true)
        .open(sandbox.dir().join("a"))
        .expect("a file")
        .set_modified(late)
        .expect("a time");
    check_all(&sandbox, &[]);
}

#[test]
fn only_the_scope_and_what_its_filter_takes_counts() {
    let sandbox = sample();
    for path in [
        "app/main",
        "app/lib/x",
        "app/lib/new",
        "docs/read.me",
        "other/new",
        "a",
    ] {
        sandbox.write(path, "changed");
    }
    assert_eq!(
        changed(&sandbox, "app", &all, &[]),
        ["app/lib/new", "app/lib/x", "app/main"]
    );
    let filter = PathFilter::new(&["lib"], &["**/new"]).expect("globs");
    assert_eq!(
        changed(&sandbox, "app", &&filter, &["a", "docs/read.me"]),
        ["a", "app/lib/x", "docs/read.me"]
    );
    assert_eq!(
        changed(&sandbox, "app/main", &all, &[]),
        ["app/main"],
        "a scope may be one file"
    );
    assert_eq!(changed(&sandbox, "none", &all, &["none/too"]), [""; 0]);
}

#[test]
fn ignored_files_count_only_by_name() {
    let sandbox = sample();
    sandbox.write("app/x.log", "");
    sandbox.write("build/out", "");
    sandbox.write(".git/info/exclude", "*.tmp\n");
    sandbox.write("app/x.tmp", "");
    sandbox.write("docs/.gitignore", "!*.log\n");
    sandbox.write("docs/y.log", "");
    check_all(&sandbox, &["docs/.gitignore", "docs/y.log"]);
    assert_eq!(changed(&sandbox, "app", &all, &["build/out"]), ["build/out"]);
}

#[test]
fn links_on_the_way_to_a_file_count_too() {
    let sandbox = Sandbox::new();
    sandbox.write("conf/werf.yaml", "1");
    sandbox.link("werf.yaml", "conf/werf.yaml");
    sandbox.commit();
    sandbox.write("conf/werf.yaml", "2");
    assert_eq!(
        changed(&sandbox, "none", &all, &["werf.yaml"]),
        ["conf/werf.yaml"]
    );
    fs_err::remove_file(sandbox.dir().join("werf.yaml")).expect("gone");
    sandbox.write("werf.yaml", "3");
    assert_eq!(
        changed(&sandbox, "none", &all, &["werf.yaml"]),
        ["conf/werf.yaml", "werf.yaml"]
    );
}

#[test]
fn folders_that_became_links_are_not_looked_into() {
    let sandbox = sample();
    let outside = sandbox.outside().join("elsewhere");
    fs_err::rename(sandbox.dir().join("app"), &outside).expect("moved");
    sandbox.link("app", "../elsewhere");
    check_all(&sandbox, &["app", "app/lib/x", "app/link", "app/main", "app/run"]);
}

#[test]
fn line_endings_and_attributes_are_those_of_git_add() {
    let sandbox = Sandbox::new();
    sandbox.write(
        ".gitattributes",
        "*.txt text\n*.id ident\n*.u16 text working-tree-encoding=UTF-16LE eol=lf\n*.bin -text\n",
    );
    sandbox.write("a.txt", "1\n2\n");
    sandbox.write("b.bin", "1\r\n2\n");
    sandbox.write("c.id", "$Id$\n");
    sandbox.write("d.u16", "h\0i\0\n\0");
    sandbox.write("e", "1\n2\n");
    sandbox.commit();
    check_all(&sandbox, &[]);
    sandbox.write("a.txt", "1\r\n2\r\n");
    sandbox.write("c.id", "$Id: 0123 $\n");
    sandbox.write("e", "1\r\n2\r\n");
    sandbox.write("b.bin", "1\n2\n");
    let without_autocrlf = changed(&sandbox, "", &all, &[]);
    assert_eq!(without_autocrlf, ["b.bin", "e"]);
    sandbox.git(&["config", "core.autocrlf", "true"]);
    assert_eq!(changed(&sandbox, "", &all, &[]), ["b.bin"]);
    sandbox.write("d.u16", "h\0o\0\n\0");
    assert_eq!(changed(&sandbox, "", &all, &[]), ["b.bin", "d.u16"]);
    let staged = sandbox.git(&["add", "--all", "--dry-run"]);
    assert!(!staged.is_empty());
    sandbox.git(&["add", "--all"]);
    assert_eq!(
        sandbox.git(&["diff", "--cached", "--name-only"]),
        "b.bin\nd.u16\n",
        "as git says"
    );
}

#[test]
fn nothing_of_the_repositorys_configuration_is_run() {
    let sandbox = Sandbox::new();
    sandbox.write(".gitattributes", "*.x filter=evil\n");
    sandbox.write("a.x", "1");
    sandbox.write("b.x", "1");
    sandbox.commit();
    let marker = sandbox.outside().join("marker");
    let command = format!("touch {}; cat", marker.display());
    for key in [
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "core.fsmonitor",
        "diff.external",
    ] {
        sandbox.git(&["config", key, &command]);
    }
    for hook in ["post-index-change", "fsmonitor-watchman", "pre-commit"] {
        sandbox.write(&format!(".git/hooks/{hook}"), format!("#!/bin/sh\n{command}\n"));
        sandbox.chmod(&format!(".git/hooks/{hook}"), 0o755);
    }
    sandbox.write("a.x", "1");
    let late = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    let file = fs_err::OpenOptions::new()
        .write(true)
        .open(sandbox.dir().join("a.x"))
        .expect("a file");
    file.set_modified(late).expect("a time");
    assert_eq!(
        changed(&sandbox, "", &all, &["a.x"]),
        ["a.x"],
        "only the filter could tell"
    );
    assert!(!marker.exists(), "a command of the repository was run");
}

#[test]
fn the_index_is_neither_needed_nor_written() {
    let sandbox = sample();
    let index = sandbox.dir().join(".git/index");
    let before = fs_err::read(&index).expect("the index");
    sandbox.write("a", "changed");
    fs_err::write(sandbox.dir().join(".git/index.lock"), "").expect("a lock");
    assert_eq!(changed(&sandbox, "", &all, &[]), ["a"]);
    assert_eq!(fs_err::read(&index).expect("the index"), before);
}

#[test]
fn submodules_and_other_repositories_inside() {
    let sandbox = sample();
    let url = sandbox.dir().display().to_string();
    sandbox.git(&["submodule", "--quiet", "add", &url, "vendor/self"]);
    sandbox.commit();
    check_all(&sandbox, &[]);
    let module = sandbox.dir().join("vendor/self");
    sandbox.git_in(&module, &["commit", "-q", "--allow-empty", "-m", "on"]);
    check_all(&sandbox, &["vendor/self"]);
    sandbox.git(&["init", "-q", "nested"]);
    sandbox.write("nested/x", "");
    check_all(&sandbox, &["nested", "vendor/self"]);
}

#[test]
fn a_conflict_counts_as_changed() {
    let sandbox = sample();
    sandbox.git(&["checkout", "-q", "-b", "other"]);
    sandbox.write("a", "theirs");
    sandbox.commit();
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("a", "ours");
    sandbox.commit();
    sandbox.git(&[
        "-c",
        "merge.conflictStyle=merge",
        "merge",
        "-q",
        "-s",
        "ours",
        "other",
    ]);
    sandbox.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let merge = std::process::Command::new("git")
        .args([
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.com",
            "merge",
            "-q",
            "other",
        ])
        .current_dir(sandbox.dir())
        .output()
        .expect("git runs");
    assert!(!merge.status.success(), "a conflict");
    check_all(&sandbox, &["a"]);
}

#[test]
fn sparse_and_assumed_files_are_as_committed() {
    let sandbox = sample();
    sandbox.git(&["update-index", "--skip-worktree", "app/main"]);
    fs_err::remove_file(sandbox.dir().join("app/main")).expect("gone");
    sandbox.git(&["update-index", "--assume-unchanged", "a"]);
    sandbox.write("a", "changed");
    check_all(&sandbox, &[]);
}

#[test]
fn a_bare_repository_has_no_uncommitted_files() {
    let sandbox = sample();
    let bare = sandbox.outside().join("bare");
    sandbox.git(&["clone", "-q", "--bare", ".", &bare.display().to_string()]);
    let repository = kiel::git::Repository::discover(&bare).expect("a repository");
    let tree = repository.source_tree(&repository.head().expect("a commit"));
    let scope = Scope {
        dir: "",
        filter: &all,
    };
    assert_eq!(
        repository.uncommitted(&tree, &[scope], &["a"]).expect("a state"),
        [""; 0]
    );
}

/// What was read of the index for one question serves the next, and none sees too little.
#[test]
fn part_after_part_is_judged_by_one_repository() {
    let sandbox = sample();
    sandbox.write("app/lib/.gitignore", "*.tmp\n");
    sandbox.write("app/lib/deep/y", "y\n");
    sandbox.write(".gitattributes", "*.txt text\n");
    sandbox.write("docs/a.txt", "a\n");
    sandbox.commit();
    for version in ["2", "4"] {
        sandbox.git(&["update-index", "--index-version", version]);
        let repository = sandbox.open();
        let tree = sandbox.tree();
        let ask = |dir: &str, files: &[&str]| {
            let scope = Scope { dir, filter: &all };
            repository.uncommitted(&tree, &[scope], files).expect("a state")
        };
        assert_eq!(ask("app/lib", &["a"]), [""; 0]);
        sandbox.write("app/lib/x", "changed\n");
        sandbox.write("app/lib/deep/new", "new\n");
        sandbox.write("app/lib/deep/new.tmp", "ignored\n");
        sandbox.write("docs/a.txt", "b\r\n");
        sandbox.write("other/staged", "1\n");
        fs_err::remove_file(sandbox.dir().join("other/o")).expect("it is there");
        let under = |dir: &str| {
            let all = by_git(&sandbox);
            let below = |path: &String| dir.is_empty() || path.starts_with(&format!("{dir}/"));
            all.into_iter().filter(below).collect::<Vec<_>>()
        };
        for dir in ["app/lib/deep", "app/lib", "docs", "other", "app", "", "docs"] {
            assert_eq!(ask(dir, &[]), under(dir), "{dir}");
        }
        assert_eq!(
            ask("docs", &["other/o", "app/lib/deep/new.tmp"]),
            ["app/lib/deep/new.tmp", "docs/a.txt", "other/o"]
        );
        // A new index is a new state.
        sandbox.git(&["add", "other"]);
        sandbox.git(&["update-index", "--assume-unchanged", "app/lib/x"]);
        assert_eq!(ask("other", &[]), ["other/o", "other/staged"]);
        assert_eq!(ask("app", &[]), ["app/lib/deep/new"]);
        sandbox.git(&["update-index", "--no-assume-unchanged", "app/lib/x"]);
        sandbox.git(&["reset", "-q", "--hard"]);
        sandbox.git(&["clean", "-q", "-f", "-d", "-x"]);
        assert_eq!(ask("", &[]), [""; 0]);
    }
}
