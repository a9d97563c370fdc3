//! Repositories, commits, trees, links.

use std::os::unix::ffi::OsStrExt;

use kiel::git::patterns::PathFilter;
use kiel::git::{Repository, SourceTree};
use kiel_stapel::listing::FileMode;
use kiel_template::files::FileTree;

use super::sandbox::Sandbox;

fn all(_: &str) -> bool {
    true
}

#[test]
fn no_repository_and_no_commit_say_what_to_do() {
    let empty = tempfile::tempdir().expect("a folder");
    let error = Repository::discover(empty.path())
        .expect_err("no repository")
        .to_string();
    let want = format!(
        "cannot find a Git repository in `{}` or above it; kiel builds from commits: run `git init`, add the files \
         and commit them",
        empty.path().display()
    );
    assert_eq!(error, want);
    let sandbox = Sandbox::new();
    let error = sandbox.open().head().expect_err("no commit").to_string();
    assert!(
        error.ends_with("the repository has no commit yet; run `git add --all && git commit`"),
        "{error}"
    );
}

#[test]
fn opens_every_kind_of_repository() {
    let sandbox = Sandbox::new();
    sandbox.write("app/a", "1");
    sandbox.commit();
    sandbox.write("app/b", "2");
    sandbox.commit();
    let want = sandbox.git(&["rev-parse", "HEAD"]);
    let head = |dir: &std::path::Path| {
        Repository::discover(dir)
            .and_then(|repo| repo.head())
            .expect("head")
    };

    let first = head(sandbox.dir());
    assert_eq!(
        (first.id.as_str(), first.time, first.message.as_str()),
        (want.trim(), 1_700_000_000, "a commit\n")
    );
    assert_eq!(first.tree, sandbox.git(&["rev-parse", "HEAD^{tree}"]).trim());

    let below = Repository::discover(&sandbox.dir().join("app")).expect("from a subfolder");
    assert_eq!(
        (below.prefix(), below.head().expect("head")),
        ("app", first.clone())
    );
    assert_eq!(sandbox.open().prefix(), "");

    sandbox.git(&["worktree", "add", "-q", "--detach", "../linked", "HEAD"]);
    let linked = Repository::discover(&sandbox.outside().join("linked/app")).expect("a linked work tree");
    assert_eq!(
        (linked.prefix(), linked.head().expect("head")),
        ("app", first.clone())
    );

    for arguments in [&["--bare"][..], &["--depth=1"], &["--depth=1", "--bare"]] {
        let clone = sandbox.outside().join(arguments.join("clone"));
        let (url, target) = (
            format!("file://{}", sandbox.dir().display()),
            clone.display().to_string(),
        );
        sandbox.git(&[&["clone", "-q"], arguments, &[&url, &target]].concat());
        let repository = Repository::discover(&clone).expect("a clone");
        let commit = repository.head().expect("head");
        assert_eq!(commit, first);
        let listing = repository.source_tree(&commit).listing("", all).expect("files");
        assert_eq!(listing.entries().len(), 2);
        assert_eq!(repository.work_dir().is_none(), arguments.contains(&"--bare"));
    }

    sandbox.git(&["checkout", "-q", "--detach", "HEAD~1"]);
    assert_eq!(
        head(sandbox.dir()),
        sandbox.open().commit("main~1").expect("a commit by name")
    );
    let error = sandbox
        .open()
        .commit("nowhere")
        .expect_err("no such name")
        .to_string();
    assert!(error.starts_with("cannot find the commit `nowhere`"), "{error}");
}

#[test]
fn sha256_repositories_have_the_same_view() {
    let sandbox = Sandbox::with_arguments(&["--object-format=sha256"]);
    sandbox.write("a/b", "1");
    sandbox.commit();
    let tree = sandbox.tree();
    assert_eq!(tree.commit().id.len(), 64);
    assert_eq!(
        as_git_prints(&tree),
        sandbox.git(&["ls-tree", "-r", "-z", "HEAD"])
    );
    assert_eq!(&*tree.read("a/b").expect("readable").expect("a file"), b"1");
    sandbox.write("a/b", "2");
    assert_eq!(changed(&sandbox), ["a/b"]);
}

fn changed(sandbox: &Sandbox) -> Vec<String> {
    let scope = kiel::git::Scope {
        dir: "",
        filter: &all,
    };
    sandbox
        .open()
        .uncommitted(&sandbox.tree(), &[scope], &[])
        .expect("a state")
}

/// As `git ls-tree -r -z`.
fn as_git_prints(tree: &SourceTree) -> String {
    let listing = tree.listing("", all).expect("files");
    let line = |file: &kiel_stapel::listing::FileEntry| {
        let kind = if file.mode == FileMode::Commit {
            "commit"
        } else {
            "blob"
        };
        format!("{} {kind} {}\t{}\0", file.mode.as_octal(), file.id, file.path)
    };
    listing.entries().iter().map(line).collect()
}

#[test]
fn listings_are_those_of_git() {
    let sandbox = Sandbox::new();
    for path in [
        "a",
        "a-b",
        "a.d/x",
        "dir/sub/z",
        "dir/sub.x",
        "dir/a",
        "ü/ß",
        "new\nline",
        "q\"uote",
        " b ",
    ] {
        sandbox.write(path, path);
    }
    sandbox.write("bin/run", "#!/bin/sh");
    sandbox.chmod("bin/run", 0o755);
    sandbox.link("bin/link", "../a");
    let url = sandbox.dir().display().to_string();
    sandbox.commit();
    sandbox.git(&["submodule", "--quiet", "add", &url, "vendor/self"]);
    sandbox.commit();
    let tree = sandbox.tree();
    let mut want: Vec<_> = sandbox
        .git(&["ls-tree", "-r", "-z", "HEAD"])
        .split_inclusive('\0')
        .map(str::to_owned)
        .collect();
    want.sort_by_key(|line| line.split('\t').nth(1).map(str::to_owned));
    assert_eq!(as_git_prints(&tree), want.concat());
    let object = |path: &str| {
        sandbox
            .git(&["rev-parse", &format!("HEAD:{path}")])
            .trim()
            .to_owned()
    };
    assert_eq!(
        tree.tree_id("dir/sub").expect("readable"),
        Some(object("dir/sub"))
    );
    assert_eq!(tree.tree_id("").expect("readable"), Some(object("")));
    assert_eq!(
        tree.entry("bin/run").expect("readable"),
        Some((FileMode::Executable, object("bin/run")))
    );
    assert_eq!(
        tree.entry("bin/link").expect("readable").map(|found| found.0),
        Some(FileMode::Link)
    );
    for missing in ["dir/none", "a/below", "bin/link/x", "vendor/self/a"] {
        assert_eq!(
            (
                tree.entry(missing).expect("readable"),
                tree.tree_id(missing).expect("readable")
            ),
            (None, None)
        );
    }
    assert_eq!(
        (
            tree.entry("dir").expect("readable"),
            tree.tree_id("a").expect("readable")
        ),
        (None, None)
    );
    assert_eq!(tree.reads().blobs, 0, "names and modes need no content");
}

#[test]
fn a_walk_reads_only_the_folders_that_can_count() {
    let sandbox = Sandbox::new();
    for folder in 0..20 {
        sandbox.write(&format!("service{folder}/src/main.c"), "1");
        sandbox.write(&format!("service{folder}/docs/read.me"), "2");
    }
    sandbox.commit();
    let tree = sandbox.tree();
    let filter = PathFilter::new(&["src", "Makefile"], &["**/*.o"]).expect("globs");
    let listing = tree.listing("service7", &filter).expect("files");
    assert_eq!(
        listing
            .entries()
            .iter()
            .map(|file| file.path.as_str())
            .collect::<Vec<_>>(),
        ["src/main.c"]
    );
    // The root on the way, the folder, and `src`.
    assert_eq!((tree.reads().trees, tree.reads().blobs), (3, 0));
    tree.clone().tree_id("service7").expect("readable");
    assert_eq!(tree.reads().trees, 3, "what was asked for once is kept");

    let file = tree.listing("service7/src/main.c", all).expect("a file");
    assert_eq!(
        file.entries()
            .iter()
            .map(|file| file.path.as_str())
            .collect::<Vec<_>>(),
        [""]
    );
    assert!(tree.listing("service99", all).expect("nothing").is_empty());
}

#[test]
fn links_are_followed_inside_the_tree() {
    let sandbox = Sandbox::new();
    sandbox.write("conf/real/werf.yaml", "project: a");
    sandbox.write("conf/real/sub/x", "x");
    sandbox.link("werf.yaml", "conf/link/werf.yaml");
    sandbox.link("conf/link", "real");
    sandbox.link("conf/real/up", "..");
    sandbox.link("out", "../../etc/passwd");
    sandbox.link("root", "/etc/passwd");
    sandbox.link("gone", "conf/none");
    sandbox.link("one", "two");
    sandbox.link("two", "one");
    sandbox.commit();
    let tree = sandbox.tree();
    let read = |path: &str| {
        tree.read(path)
            .map(|content| content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    assert_eq!(read("werf.yaml").expect("readable"), Some("project: a".into()));
    assert_eq!(
        read("conf/link/up/link/sub/x").expect("readable"),
        Some("x".into())
    );
    assert_eq!(
        tree.resolve("werf.yaml").expect("resolved"),
        Some("conf/real/werf.yaml".into())
    );
    assert_eq!(
        (
            read("gone").expect("nothing"),
            read("conf/real").expect("nothing")
        ),
        (None, None)
    );
    assert_eq!(
        (
            tree.is_dir("conf/link").expect("known"),
            tree.is_dir("werf.yaml").expect("known")
        ),
        (true, false)
    );
    for (path, want) in [
        (
            "out",
            "cannot follow the link `out`: its target `../../etc/passwd` is outside of the repository",
        ),
        (
            "root",
            "cannot follow the link `root`: its target `/etc/passwd` is outside of the repository",
        ),
        (
            "one",
            "cannot follow the link `one`: there are too many links behind it, it may lead back to itself",
        ),
    ] {
        assert_eq!(read(path).expect_err(path).to_string(), want);
    }
    let list = tree.list("conf").expect("a list");
    for path in [
        "conf/real/werf.yaml",
        "conf/link/werf.yaml",
        "conf/link/sub/x",
        "conf/real/sub/x",
    ] {
        assert!(list.iter().any(|listed| listed == path), "{path} in {list:?}");
    }
    assert!(
        tree.list("").expect("a list").iter().any(|path| path == "out"),
        "who reads it gets the error"
    );
    let below = tree.files_at("conf");
    assert_eq!(
        &*below.read("link/werf.yaml").expect("readable").expect("a file"),
        b"project: a"
    );
    assert_eq!(below.list("real/sub").expect("a list"), ["real/sub/x"]);
    assert!(
        below
            .read("../werf.yaml")
            .expect("inside of the repository")
            .is_some()
    );
}

#[test]
fn a_name_that_is_no_text_is_refused_where_it_counts() {
    let sandbox = Sandbox::new();
    let name = std::ffi::OsStr::from_bytes(b"app/caf\xe9");
    fs_err::create_dir_all(sandbox.dir().join("app")).expect("a folder");
    fs_err::write(sandbox.dir().join(name), "1").expect("a file");
    sandbox.write("lib/x", "1");
    sandbox.commit();
    let tree = sandbox.tree();
    let error = tree.listing("", all).expect_err("a name").to_string();
    assert_eq!(
        error,
        r"cannot use the file `app/caf\xe9`: its name is not UTF-8; rename it or exclude it"
    );
    let excluding = PathFilter::new(&[], &["app/caf*"]).expect("globs");
    assert_eq!(
        tree.listing("", &excluding).expect("the others").entries().len(),
        1
    );
    assert_eq!(
        tree.listing("lib", all).expect("another folder").entries().len(),
        1
    );
}

#[test]
fn replaced_objects_count_as_they_were_committed() {
    let sandbox = Sandbox::new();
    sandbox.write("a", "true");
    sandbox.commit();
    sandbox.write("b", "false");
    let blob = sandbox.git(&["hash-object", "-w", "b"]);
    let committed = sandbox.git(&["rev-parse", "HEAD:a"]);
    sandbox.git(&["replace", committed.trim(), blob.trim()]);
    assert_eq!(sandbox.git(&["show", "HEAD:a"]), "false", "git itself is fooled");
    assert_eq!(
        &*sandbox.tree().read("a").expect("readable").expect("a file"),
        b"true"
    );
}

#[test]
fn trees_are_shared_between_threads() {
    let sandbox = Sandbox::new();
    for file in 0..50 {
        sandbox.write(&format!("d{}/f{file}", file % 5), file.to_string());
    }
    sandbox.commit();
    let tree = sandbox.tree();
    let want = tree.listing("", all).expect("files");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let tree = tree.clone();
            std::thread::spawn(move || tree.listing("", all).expect("files"))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("a thread"), want);
    }
}

#[test]
fn a_missing_object_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("d/a", "1");
    sandbox.commit();
    let id = sandbox.git(&["rev-parse", "HEAD:d"]);
    let (folder, name) = id.trim().split_at(2);
    fs_err::remove_file(sandbox.dir().join(".git/objects").join(folder).join(name)).expect("an object");
    let error = sandbox.tree().listing("", all).expect_err("a hole").to_string();
    assert!(
        error.starts_with(&format!(
            "cannot read the object `{}` of `d`: the repository has not got it; `git -C ",
            id.trim()
        )),
        "{error}"
    );
}
