//! Clones that lack a part of their repository, and repositories of other kinds: the same files and the same state,
//! or a message that says what is missing and how it comes.

use std::path::{Path, PathBuf};

use kiel::git::patterns::PathFilter;
use kiel::git::{Repository, Scope, SourceTree};

use super::sandbox::Sandbox;

fn all(_: &str) -> bool {
    true
}

fn sample(arguments: &[&str]) -> Sandbox {
    let sandbox = Sandbox::with_arguments(arguments);
    for (path, text) in [
        ("app/main", "main\n"),
        ("app/deep/x", "x\n"),
        ("docs/a", "a\n"),
        ("top", "1\n"),
    ] {
        sandbox.write(path, text);
    }
    sandbox.commit();
    sandbox.write("top", "2\n");
    sandbox.commit();
    sandbox
}

fn clone(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> PathBuf {
    let folder = sandbox.outside().join(name);
    let url = format!("file://{}", sandbox.dir().display());
    sandbox.git(&["config", "uploadpack.allowFilter", "true"]);
    let target = folder.display().to_string();
    sandbox.git(&[&["clone", "-q"], arguments, &[&url, &target]].concat());
    folder
}

fn head(folder: &Path) -> (Repository, SourceTree) {
    let repository = Repository::discover(folder).expect("a repository");
    let tree = repository.source_tree(&repository.head().expect("a commit"));
    (repository, tree)
}

fn contents(tree: &SourceTree) -> Vec<(String, Vec<u8>)> {
    let listing = tree.listing("", all).expect("a listing");
    let files = listing.entries().iter();
    files
        .map(|file| (file.path.clone(), tree.blob(&file.id).expect("a blob")))
        .collect()
}

fn uncommitted(folder: &Path) -> Vec<String> {
    let (repository, tree) = head(folder);
    let scope = Scope {
        dir: "",
        filter: &all,
    };
    repository.uncommitted(&tree, &[scope], &[]).expect("a state")
}

#[test]
fn a_shallow_clone_has_all_of_its_commit() {
    let sandbox = sample(&[]);
    let folder = clone(&sandbox, "shallow", &["--depth=1"]);
    let (repository, tree) = head(&folder);
    assert_eq!(contents(&tree), contents(&sandbox.tree()));
    assert_eq!(uncommitted(&folder), [""; 0]);
    fs_err::write(folder.join("top"), "3\n").expect("a file");
    assert_eq!(uncommitted(&folder), ["top"]);
    assert_eq!(tree.line_of_commits(10).len(), 1, "what is before is not here");
    let error = repository
        .commit("HEAD~1")
        .expect_err("it is not here")
        .to_string();
    assert_eq!(
        error,
        "cannot find the commit `HEAD~1`; `git rev-parse HEAD~1` should print it, `git fetch` may bring it"
    );
    sandbox.git_in(&folder, &["fetch", "-q", "--unshallow"]);
    assert_eq!(head(&folder).1.line_of_commits(10).len(), 2);
}

#[test]
fn of_a_partial_clone_only_what_is_read_must_be_there() {
    let sandbox = sample(&[]);
    let want = contents(&sandbox.tree());
    // A checkout fetches what it writes.
    let folder = clone(&sandbox, "without-blobs", &["--filter=blob:none"]);
    assert_eq!(contents(&head(&folder).1), want);
    assert_eq!(uncommitted(&folder), [""; 0]);
    let sparse = clone(&sandbox, "sparse", &["--filter=blob:none", "--sparse"]);
    sandbox.git_in(&sparse, &["sparse-checkout", "set", "app"]);
    assert_eq!(
        uncommitted(&sparse),
        [""; 0],
        "as git: {}",
        sandbox.git_in(&sparse, &["status", "--short"])
    );
    let tree = head(&sparse).1;
    // Names and ids are in the trees, which are all there.
    let listing = tree.listing("", all).expect("a listing");
    assert_eq!(listing, sandbox.tree().listing("", all).expect("a listing"));
    let app = PathFilter::new(&["app".to_owned()], &[]).expect("a filter");
    for file in tree.listing("", app).expect("a listing").entries() {
        tree.blob(&file.id).expect("it is checked out");
    }
    let (_, id) = tree.entry("docs/a").expect("an entry").expect("a file");
    let error = tree
        .files_at("")
        .tree()
        .blob(&id)
        .expect_err("it is not here")
        .to_string();
    assert!(
        error.contains("if this clone is a partial one, `git checkout` or `git fetch --refetch`"),
        "{error}"
    );
    // What the message says helps.
    sandbox.git_in(&sparse, &["fetch", "-q", "--refetch", "--filter=blob:limit=1g"]);
    assert_eq!(contents(&head(&sparse).1), want);
}

#[test]
fn of_a_clone_without_trees_a_missing_one_is_named() {
    let sandbox = sample(&[]);
    let folder = clone(&sandbox, "without-trees", &["--filter=tree:0", "--no-checkout"]);
    let (_, tree) = head(&folder);
    let error = tree.listing("", all).expect_err("no tree is here").to_string();
    assert!(error.starts_with("cannot read the object `"), "{error}");
    assert!(error.contains("partial one"), "{error}");
    sandbox.git_in(&folder, &["checkout", "-q", "HEAD"]);
    assert_eq!(contents(&head(&folder).1), contents(&sandbox.tree()));
}

/// Work trees of both kinds of ids, the first and a linked one, with an index of each version.
#[test]
fn the_state_is_the_same_in_every_kind_of_repository() {
    for format in ["sha1", "sha256"] {
        let sandbox = sample(&[&format!("--object-format={format}")]);
        let linked = sandbox.outside().join("linked");
        sandbox.git(&[
            "worktree",
            "add",
            "-q",
            "--detach",
            &linked.display().to_string(),
            "HEAD",
        ]);
        let copy = clone(&sandbox, "separate", &["--separate-git-dir", "../separate.git"]);
        for folder in [sandbox.dir(), &linked, &copy] {
            for version in ["2", "4"] {
                sandbox.git_in(folder, &["update-index", "--index-version", version]);
                assert_eq!(uncommitted(folder), [""; 0]);
                fs_err::write(folder.join("app/main"), format!("{version}\n")).expect("a file");
                fs_err::write(folder.join("app/new"), "new\n").expect("a file");
                fs_err::remove_file(folder.join("docs/a")).expect("it is there");
                fs_err::write(folder.join("staged"), "1\n").expect("a file");
                sandbox.git_in(folder, &["add", "staged"]);
                assert_eq!(uncommitted(folder), ["app/main", "app/new", "docs/a", "staged"]);
                let (repository, tree) = head(folder);
                let taken = repository.with_work_tree(&tree, &all).expect("a tree");
                sandbox.git_in(folder, &["add", "--all"]);
                let want = sandbox.git_in(folder, &["write-tree"]);
                assert_eq!(taken.commit().tree, want.trim(), "{format}");
                sandbox.git_in(folder, &["reset", "-q", "--hard"]);
            }
        }
        let bare = clone(&sandbox, "bare", &["--bare"]);
        let (repository, tree) = head(&bare);
        assert_eq!(uncommitted(&bare), [""; 0]);
        let same = repository.with_work_tree(&tree, &all).expect("a tree");
        assert_eq!(contents(&same), contents(&sandbox.tree()));
    }
}
