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

fn all(_: &str) -> bool {
    true
}

/// The files under `--dev`; afterwards everything is committed, in the submodules first, and is the same.
fn check_taken(app: &Sandbox, modules: &[&str]) -> SourceTree {
    let status = || app.git(&["status", "--porcelain", "--ignored"]);
    let before = status();
    let repository = app.open();
    let plain = repository.source_tree(&repository.head().expect("a commit"));
    let taken = repository.with_work_tree(&plain, &all).expect("a tree");
    let contents = |tree: &SourceTree| -> Vec<Vec<u8>> {
        let listing = tree.listing("", all).expect("a listing");
        let files = listing.entries().iter();
        files.map(|file| tree.blob(&file.id).expect("a blob")).collect()
    };
    let (found, read) = (files(&taken), contents(&taken));
    assert_eq!(status(), before, "nothing is written");
    for module in modules.iter().chain([&""]) {
        let folder = app.dir().join(module);
        app.git_in(&folder, &["add", "--all"]);
        app.git_in(&folder, &["commit", "-q", "--allow-empty", "-m", "all of it"]);
    }
    let committed = tree(&app.open());
    assert_eq!(found, files(&committed));
    assert_eq!(read, contents(&committed));
    assert_eq!(
        taken.tree_id("").expect("a tree"),
        committed.tree_id("").expect("a tree")
    );
    assert_eq!(
        committed.tree_id("").expect("a tree"),
        Some(flat(app)),
        "as git has it"
    );
    taken
}

#[test]
fn under_dev_their_changes_count_as_if_they_were_committed() {
    let (app, lib, _deep) = sample();
    let modules = ["vendor/lib/deep", "vendor/lib"];
    check_taken(&app, &modules);
    app.write("vendor/lib/lib.txt", "changed\n");
    app.write("vendor/lib/.gitignore", "*.log\n");
    app.write("vendor/lib/x.log", "ignored\n");
    app.write("vendor/lib/deep/folder/new.txt", "new\n");
    app.write("main.txt", "changed\n");
    fs_err::remove_file(app.dir().join("vendor/lib/bin/run")).expect("it goes");
    let repository = app.open();
    let plain = repository.source_tree(&repository.head().expect("a commit"));
    let mut changes = repository.work_tree_changes(&plain, &all).expect("a state");
    changes.sort();
    assert_eq!(
        changes,
        [
            "main.txt",
            "vendor/lib/.gitignore",
            "vendor/lib/bin/run",
            "vendor/lib/deep/folder/new.txt",
            "vendor/lib/lib.txt"
        ]
    );
    // What is added to it afterwards leaves them as they are.
    app.write("vendor/lib/deep/d.txt", "changed as well\n");
    let taken = check_taken(&app, &modules);
    app.write("late", "");
    let more = app.open().overlay(&taken, &["late".to_owned()]).expect("a tree");
    let entry = |tree: &SourceTree, path: &str| tree.entry(path).expect("an entry");
    for path in ["vendor/lib/lib.txt", "vendor/lib/deep/d.txt"] {
        assert_eq!(entry(&more, path), entry(&taken, path));
    }
    assert!(entry(&more, "late").is_some());
    fs_err::remove_file(app.dir().join("late")).expect("it goes");
    // Another commit is checked out, and that is changed too.
    let module = app.dir().join("vendor/lib");
    app.write("vendor/lib/on", "committed there\n");
    app.git_in(&module, &["add", "--all"]);
    app.git_in(&module, &["commit", "-q", "-m", "on"]);
    app.write("vendor/lib/on", "and changed\n");
    check_taken(&app, &modules);
    // One that is new.
    let url = lib.dir().display().to_string();
    app.git(&["submodule", "--quiet", "add", &url, "second"]);
    app.write("second/lib.txt", "mine\n");
    app.git(&[
        "submodule",
        "--quiet",
        "update",
        "--init",
        "--recursive",
        "second",
    ]);
    app.write("second/deep/d.txt", "mine as well\n");
    check_taken(&app, &["second/deep", "second", modules[0], modules[1]]);
    // One that goes.
    app.git(&["rm", "-q", "-f", "second"]);
    check_taken(&app, &modules);
}

#[test]
fn under_dev_what_is_left_out_is_left_out_in_them_too() {
    let (app, ..) = sample();
    let before = files(&tree(&app.open()));
    for path in [
        "vendor/lib/lib.txt",
        "vendor/lib/deep/d.txt",
        "vendor/lib/deep/new",
    ] {
        app.write(path, "changed\n");
    }
    let taken = |filter: &dyn kiel::git::patterns::PathMatch| {
        let repository = app.open();
        let plain = repository.source_tree(&repository.head().expect("a commit"));
        let found = repository.with_work_tree(&plain, filter).expect("a tree");
        let changes = repository.work_tree_changes(&plain, filter).expect("a state");
        (files(&found), changes)
    };
    let not_there = |path: &str| !path.starts_with("vendor/lib/");
    assert_eq!(taken(&not_there), (before.clone(), vec![]));
    let not_that = |path: &str| path != "vendor/lib";
    assert_eq!(taken(&not_that), (before.clone(), vec![]));
    let one = |path: &str| path != "vendor/lib/lib.txt" && path != "vendor/lib/deep/d.txt";
    let (found, changes) = taken(&one);
    assert_eq!(changes, ["vendor/lib/deep/new"]);
    let names = |lines: &[String]| -> Vec<String> {
        let names = lines.iter().map(|line| line.split(' ').nth(1).expect("a path"));
        names.map(str::to_owned).collect()
    };
    assert_eq!(found.len(), before.len() + 1, "{:?}", names(&found));
    // One that is not initialised has nothing that could be taken, and one that cannot be taken is named as it lies.
    app.git(&[
        "config",
        "--file",
        ".git/modules/vendor/lib/config",
        "filter.x.clean",
        "false",
    ]);
    app.write("vendor/lib/.gitattributes", "*.bin filter=x\n");
    app.write("vendor/lib/a.bin", "x");
    let repository = app.open();
    let plain = repository.source_tree(&repository.head().expect("a commit"));
    let error = repository.with_work_tree(&plain, &all).expect_err("a filter");
    assert!(error.to_string().contains("`vendor/lib/a.bin`"), "{error}");
    app.git(&["submodule", "--quiet", "deinit", "--force", "vendor/lib"]);
    let taken = repository.with_work_tree(&plain, &all).expect("a tree");
    assert_eq!(files(&taken), before);
}

#[test]
fn under_dev_what_they_have_is_watched() {
    let (app, ..) = sample();
    fs_err::create_dir(app.dir().join("vendor/lib/deep/late")).expect("a folder");
    let watched = app.open().work_tree_folders().expect("folders");
    for folder in [
        "",
        "vendor",
        "vendor/lib",
        "vendor/lib/bin",
        "vendor/lib/deep",
        "vendor/lib/deep/late",
    ] {
        let folder = app.dir().join(folder);
        let is_there = |found: &std::path::PathBuf| found.components().eq(folder.components());
        assert!(watched.iter().any(is_there), "{}: {watched:?}", folder.display());
    }
    let heads = [".git/modules/vendor/lib", ".git/modules/vendor/lib/modules/deep"];
    for folder in heads {
        let folder = fs_err::canonicalize(app.dir().join(folder)).expect("a folder");
        let same =
            |found: &std::path::PathBuf| fs_err::canonicalize(found).is_ok_and(|found| found == folder);
        assert!(watched.iter().any(same), "{}: {watched:?}", folder.display());
    }
}
