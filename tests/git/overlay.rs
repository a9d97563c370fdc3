//! The work tree as if it had been committed; the real git commits it for comparison.

use kiel::git::{GitError, Scope, SourceTree};
use proptest::prelude::*;

use super::sandbox::Sandbox;

/// The tree of everything that is not ignored, without touching the repository.
fn overlaid(sandbox: &Sandbox) -> Result<SourceTree, GitError> {
    let (repository, tree) = (sandbox.open(), sandbox.tree());
    let all = Scope {
        dir: "",
        filter: &|_: &str| true,
    };
    let paths = repository.uncommitted(&tree, &[all], &[])?;
    repository.overlay(&tree, &paths)
}

/// The overlay is the tree that git commits, and holds what that holds.
fn check(sandbox: &Sandbox) {
    let before = sandbox.git(&["status", "--porcelain"]);
    let tree = overlaid(sandbox).expect("a tree");
    assert_eq!(
        sandbox.git(&["status", "--porcelain"]),
        before,
        "the repository is as it was"
    );
    let listing = tree.listing("", |_: &str| true).expect("a listing");
    let contents: Vec<Vec<u8>> = listing
        .entries()
        .iter()
        .filter(|entry| entry.mode != kiel_stapel::listing::FileMode::Commit)
        .map(|entry| tree.blob(&entry.id).expect("a blob"))
        .collect();
    sandbox.commit();
    let committed = sandbox.tree();
    assert_eq!(
        tree.commit().tree,
        committed.commit().tree,
        "as git commits it: {:?}",
        listing.entries()
    );
    let want = committed.listing("", |_: &str| true).expect("a listing");
    assert_eq!(listing, want);
    let want: Vec<Vec<u8>> = want
        .entries()
        .iter()
        .filter(|entry| entry.mode != kiel_stapel::listing::FileMode::Commit)
        .map(|entry| committed.blob(&entry.id).expect("a blob"))
        .collect();
    assert_eq!(contents, want);
}

fn sample() -> Sandbox {
    let sandbox = Sandbox::new();
    for path in ["a", "app/main", "app/run", "app/lib/x", "app-1", "other/o"] {
        sandbox.write(path, format!("content of {path}\n"));
    }
    sandbox.chmod("app/run", 0o755);
    sandbox.link("app/link", "main");
    sandbox.write(".gitignore", "*.log\n");
    sandbox.commit();
    sandbox
}

#[test]
fn changes_of_every_kind_are_taken() {
    let sandbox = sample();
    sandbox.write("a", "changed\n");
    sandbox.write("new/deep/file", "new\n");
    sandbox.write("x.log", "ignored\n");
    sandbox.chmod("app/main", 0o755);
    sandbox.chmod("app/run", 0o644);
    fs_err::remove_file(sandbox.dir().join("other/o")).expect("it is there");
    fs_err::remove_file(sandbox.dir().join("app/link")).expect("it is there");
    sandbox.link("app/link", "lib");
    sandbox.write("staged", "1\n");
    sandbox.git(&["add", "staged"]);
    sandbox.write("staged", "2\n");
    check(&sandbox);
}

#[test]
fn files_and_folders_take_each_others_places() {
    let sandbox = sample();
    fs_err::remove_file(sandbox.dir().join("a")).expect("it is there");
    sandbox.write("a/b", "in a folder\n");
    fs_err::remove_dir_all(sandbox.dir().join("app")).expect("it is there");
    sandbox.write("app", "a file\n");
    fs_err::remove_dir_all(sandbox.dir().join("other")).expect("it is there");
    sandbox.link("other", "a");
    check(&sandbox);
}

#[test]
fn line_endings_are_those_that_git_stores() {
    let sandbox = sample();
    sandbox.write(".gitattributes", "*.txt text eol=crlf\n*.id ident\n");
    sandbox.write("one.txt", "a\r\nb\r\n");
    sandbox.write("two.id", "$Id: 0123 $\n");
    check(&sandbox);
}

#[test]
fn nothing_can_be_left() {
    let sandbox = sample();
    for path in ["a", "app-1", ".gitignore"] {
        fs_err::remove_file(sandbox.dir().join(path)).expect("it is there");
    }
    for path in ["app", "other"] {
        fs_err::remove_dir_all(sandbox.dir().join(path)).expect("it is there");
    }
    check(&sandbox);
}

#[test]
fn external_filters_are_refused() {
    let sandbox = sample();
    sandbox.git(&["config", "filter.lfs.clean", "touch ran; cat"]);
    sandbox.write(".gitattributes", "*.bin filter=lfs\n");
    sandbox.write("x.bin", "content");
    let error = overlaid(&sandbox).expect_err("it cannot be known");
    assert!(
        matches!(&error, GitError::ExternalFilter(path) if path == "x.bin"),
        "{error}"
    );
    assert!(!sandbox.dir().join("ran").exists(), "the filter has not run");
}

#[derive(Debug, Clone)]
enum Change {
    Write(String, String),
    Remove(String),
    Mode(String, u32),
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "a-b", "a.b", "c"]), 1..4)
        .prop_map(|parts| parts.join("/"))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (path(), "[a-c]{0,3}").prop_map(|(path, text)| Change::Write(path, text)),
        1 => path().prop_map(Change::Remove),
        1 => (path(), prop::sample::select(vec![0o644, 0o755])).prop_map(|(path, mode)| Change::Mode(path, mode)),
    ]
}

fn apply(sandbox: &Sandbox, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Write(path, text) => {
                let mut above = sandbox.dir().to_owned();
                let parts: Vec<&str> = path.split('/').collect();
                for (at, part) in parts.iter().enumerate() {
                    above.push(part);
                    if at + 1 < parts.len() && above.is_file() {
                        fs_err::remove_file(&above).expect("a file");
                    }
                }
                if above.is_dir() {
                    fs_err::remove_dir_all(&above).expect("a folder");
                }
                sandbox.write(path, text);
            }
            Change::Remove(path) => {
                let full = sandbox.dir().join(path);
                if full.is_dir() {
                    fs_err::remove_dir_all(full).expect("a folder");
                } else if full.exists() {
                    fs_err::remove_file(full).expect("a file");
                }
            }
            Change::Mode(path, mode) => {
                if sandbox.dir().join(path).is_file() {
                    sandbox.chmod(path, *mode);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_give_the_tree_of_their_commit(
        first in prop::collection::vec(change(), 1..12),
        second in prop::collection::vec(change(), 1..12),
    ) {
        let sandbox = Sandbox::new();
        sandbox.write("kept", "kept");
        apply(&sandbox, &first);
        sandbox.commit();
        apply(&sandbox, &second);
        sandbox.write("always", "new");
        check(&sandbox);
    }
}
