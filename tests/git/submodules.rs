//! Submodules: their files count as if they were the repository's own; what is not here is told.

use kiel::git::{Difference, Repository, Scope, SourceTree};

use super::sandbox::Sandbox;

/// A repository with the submodule `vendor/lib`, which has one of its own, `deep`, and its file `lib.txt`.
fn sample() -> (Sandbox, Sandbox, Sandbox) {
    let deep = Sandbox::new();
    deep.write("d.txt", "deep\n");
    deep.commit();
    let lib = Sandbox::new();
    lib.write("lib.txt", "lib\n");
    lib.write("bin/run", "#!/bin/sh\n");
    lib.chmod("bin/run", 0o755);
    lib.git(&[
        "submodule",
        "--quiet",
        "add",
        &deep.dir().display().to_string(),
        "deep",
    ]);
    lib.commit();
    let app = Sandbox::new();
    app.write("main.txt", "main\n");
    app.commit();
    app.git(&[
        "submodule",
        "--quiet",
        "add",
        &lib.dir().display().to_string(),
        "vendor/lib",
    ]);
    app.git(&["submodule", "--quiet", "update", "--init", "--recursive"]);
    app.commit();
    (app, lib, deep)
}

fn tree(repository: &Repository) -> SourceTree {
    let head = repository.head().expect("a commit");
    let plain = repository.source_tree(&head);
    repository.with_submodules(&plain).expect("a tree")
}

fn files(tree: &SourceTree) -> Vec<String> {
    let listing = tree.listing("", |_: &str| true).expect("a listing");
    let entries = listing.entries().iter();
    entries
        .map(|file| format!("{} {} {}", file.mode.as_octal(), file.path, file.id))
        .collect()
}

/// The same files committed into one repository: what git makes of them is the oracle.
fn flat(app: &Sandbox) -> String {
    let copy = Sandbox::new();
    let script = format!(
        "cd '{}' && git ls-files -s --recurse-submodules | cut -f2 | tar -cf - -T - | tar -xf - -C '{}'",
        app.dir().display(),
        copy.dir().display()
    );
    let done = std::process::Command::new("sh")
        .args(["-c", &script])
        .status()
        .expect("a shell");
    assert!(done.success());
    copy.git(&["add", "--all", "--force"]);
    copy.git(&["write-tree"]).trim().to_owned()
}

#[test]
fn their_files_are_those_of_the_recorded_commits() {
    let (app, ..) = sample();
    let found = tree(&app.open());
    assert_eq!(found.tree_id("").expect("a tree"), Some(flat(&app)));
    let names: Vec<String> = files(&found)
        .iter()
        .map(|line| line.split(' ').nth(1).expect("a path").to_owned())
        .collect();
    assert_eq!(
        names,
        [
            ".gitmodules",
            "main.txt",
            "vendor/lib/.gitmodules",
            "vendor/lib/bin/run",
            "vendor/lib/deep/d.txt",
            "vendor/lib/lib.txt"
        ]
    );
    let (_, id) = found
        .entry("vendor/lib/deep/d.txt")
        .expect("an entry")
        .expect("a file");
    assert_eq!(found.blob(&id).expect("a blob"), b"deep\n");
    // What is checked out doesn't matter, nor whether anything is.
    let before = files(&found);
    let module = app.dir().join("vendor/lib");
    app.git_in(&module, &["commit", "-q", "--allow-empty", "-m", "on"]);
    assert_eq!(files(&tree(&app.open())), before);
    fs_err::remove_dir_all(&module).expect("it goes");
    assert_eq!(files(&tree(&app.open())), before, "from .git/modules");
    let linked = app.outside().join("linked");
    app.git(&["worktree", "add", "-q", &linked.display().to_string(), "HEAD"]);
    let linked = Repository::discover(&linked).expect("a repository");
    assert_eq!(files(&tree(&linked)), before, "in a linked work tree");
}

#[test]
fn what_is_not_here_is_told_where_it_counts() {
    let (app, lib, _) = sample();
    let clone = app.outside().join("clone");
    app.git(&[
        "clone",
        "-q",
        &app.dir().display().to_string(),
        &clone.display().to_string(),
    ]);
    let repository = Repository::discover(&clone).expect("a repository");
    let found = tree(&repository);
    let error = |found: &SourceTree| {
        let error = found.select("", |_: &str| true).expect_err("it is not here");
        assert_eq!(
            found
                .listing("", |_: &str| true)
                .expect_err("as well")
                .to_string(),
            error.to_string()
        );
        error.to_string()
    };
    assert!(
        error(&found).ends_with("run `git submodule update --init --recursive vendor/lib`"),
        "{}",
        error(&found)
    );
    let elsewhere = kiel::git::patterns::PathFilter::new(&["main.txt".to_owned()], &[]).expect("a filter");
    assert!(found.listing("", elsewhere).is_ok(), "nothing of it counts");
    assert!(found.entry("vendor/lib/lib.txt").is_err());
    // A clone of it that has not the commit.
    lib.write("new", "");
    lib.commit();
    let module = app.dir().join("vendor/lib");
    let new = lib.git(&["rev-parse", "HEAD"]).trim().to_owned();
    app.git(&["update-index", "--cacheinfo", &format!("160000,{new},vendor/lib")]);
    app.git(&["commit", "-q", "-m", "ahead"]);
    let found = tree(&app.open());
    assert!(
        error(&found).contains(&format!("has no commit {new}")),
        "{}",
        error(&found)
    );
    app.git_in(&module, &["fetch", "-q", "origin"]);
    assert!(tree(&app.open()).listing("", |_: &str| true).is_ok());
}

#[test]
fn a_name_that_leads_elsewhere_is_not_followed() {
    let (app, ..) = sample();
    fs_err::remove_dir_all(app.dir().join("vendor/lib")).expect("it goes");
    let text = "[submodule \"../modules/vendor/lib\"]\n\tpath = vendor/lib\n\turl = x\n";
    app.write(".gitmodules", text);
    app.git(&["add", ".gitmodules"]);
    app.git(&["commit", "-q", "-m", "evil"]);
    assert!(tree(&app.open()).listing("", |_: &str| true).is_err());
}

#[test]
fn their_state_is_that_of_git_status() {
    let (app, ..) = sample();
    let module = app.dir().join("vendor/lib");
    let state = || {
        let repository = app.open();
        let all = |_: &str| true;
        let scope = Scope {
            dir: "",
            filter: &all,
        };
        let found = repository.differences(&tree(&repository), &[scope], &[]);
        let found = found.expect("a state");
        found.into_iter().collect::<Vec<_>>()
    };
    let told = |kind| vec![("vendor/lib".to_owned(), kind)];
    assert_eq!(state(), []);
    app.write("vendor/lib/new", "x");
    assert_eq!(state(), told(Difference::SubmoduleUntracked));
    let outside = |_: &str| true;
    let scope = Scope {
        dir: "vendor/lib/bin",
        filter: &outside,
    };
    let repository = app.open();
    let found = repository.differences(&tree(&repository), &[scope], &["vendor/lib/lib.txt"]);
    assert!(
        found.expect("a state").is_empty(),
        "what is new is not in the scope"
    );
    fs_err::remove_file(module.join("new")).expect("it goes");
    app.write("vendor/lib/deep/d.txt", "other\n");
    assert_eq!(state(), told(Difference::SubmoduleChanged));
    app.git_in(&module.join("deep"), &["checkout", "-q", "."]);
    app.git_in(&module, &["commit", "-q", "--allow-empty", "-m", "on"]);
    assert_eq!(state(), told(Difference::SubmoduleMoved));
    app.git(&["submodule", "--quiet", "update"]);
    assert_eq!(state(), []);
    fs_err::remove_dir_all(&module).expect("it goes");
    assert_eq!(state(), told(Difference::SubmoduleDeleted));
    fs_err::create_dir(&module).expect("an empty folder, as before `--init`");
    assert_eq!(state(), []);
    assert_eq!(app.git(&["status", "--porcelain"]), "");
}
