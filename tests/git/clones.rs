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
    let [bring, bring_all] = commands(&error);
    run(&bring);
    assert_eq!(head(&sparse).1.blob(&id).expect("it was brought"), b"a\n");
    let (_, other) = tree.entry("top").expect("an entry").expect("a file");
    sandbox.git_in(&sparse, &["checkout", "-q", "--detach", "HEAD~1"]);
    let older = head(&sparse).1;
    let (_, older) = older.entry("docs/a").expect("an entry").expect("a file");
    assert_eq!((older, tree.blob(&other).is_ok()), (id, true));
    run(&bring_all);
    assert_eq!(contents(&head(&sparse).1).len(), want.len());
    assert_eq!(contents(&tree), want);
}

/// Of a partial clone: what brings one object, and what brings all.
#[track_caller]
fn commands(error: &str) -> [String; 2] {
    let (_, remedy) = error
        .split_once(": this partial clone has not got it; ")
        .expect(error);
    let parts: Vec<&str> = remedy.split('`').collect();
    let [_, one, _, all, _] = parts[..] else {
        panic!("{error}")
    };
    [one.to_owned(), all.to_owned()]
}

#[track_caller]
fn run(command: &str) {
    let done = std::process::Command::new("sh").args(["-c", command]).output();
    let done = done.expect("a shell");
    assert!(
        done.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn of_a_partial_submodule_the_commands_are_about_it() {
    let (lib, app) = (sample(&[]), Sandbox::new());
    lib.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", lib.dir().display());
    app.write("main", "1\n");
    app.commit();
    app.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        &url,
        "vendor/lib",
    ]);
    app.commit();
    let folder = clone(&app, "partial", &["--no-checkout"]);
    app.git_in(&folder, &["checkout", "-q"]);
    let allowed = ["-c", "protocol.file.allow=always"];
    let update = ["submodule", "--quiet", "update", "--init", "--filter=blob:none"];
    app.git_in(&folder, &[&allowed[..], &update].concat());
    // A file of the submodule that nothing has brought yet.
    lib.write("late", "late\n");
    lib.commit();
    app.git_in(&folder.join("vendor/lib"), &["fetch", "-q"]);
    app.git_in(&folder.join("vendor/lib"), &["update-ref", "HEAD", "FETCH_HEAD"]);
    app.git_in(&folder, &["commit", "-q", "-a", "-m", "on"]);
    let (repository, tree) = head(&folder);
    let tree = repository.with_submodules(&tree).expect("submodules");
    let read = |path: &str| kiel_template::files::FileTree::read(&tree.files_at(""), path);
    assert!(read("vendor/lib/top").expect("it is checked out").is_some());
    let error = read("vendor/lib/late").expect_err("it is not here").to_string();
    let [bring, bring_all] = commands(
        &error
            .split(": cannot")
            .next()
            .unwrap_or_default()
            .replace("\n", " "),
    );
    let place = format!("git -C {} ", folder.join("vendor/lib").display());
    assert!(
        bring.starts_with(&place) && bring_all.starts_with(&place),
        "{error}"
    );
    run(&bring);
    assert_eq!(
        &*read("vendor/lib/late").expect("it was brought").expect("a file"),
        b"late\n"
    );
    run(&bring_all);
}

#[test]
fn of_a_clone_without_trees_a_missing_one_is_named() {
    let sandbox = sample(&[]);
    let folder = clone(&sandbox, "without-trees", &["--filter=tree:0", "--no-checkout"]);
    let (_, tree) = head(&folder);
    let error = tree.listing("", all).expect_err("no tree is here").to_string();
    assert!(error.starts_with("cannot read the object `"), "{error}");
    let [_, bring_all] = commands(&error);
    run(&bring_all);
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
