//! Names that not every system or program takes: twins that differ in case alone, line breaks, bytes that are no text.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use kiel::git::patterns::{PathFilter, PathMatch};
use kiel::git::{GitError, Scope, SourceTree};
use kiel_template::files::FileTree as _;

use super::sandbox::Sandbox;

fn all(_: &str) -> bool {
    true
}

fn changed(sandbox: &Sandbox, filter: &dyn PathMatch, files: &[&str]) -> Vec<String> {
    let scope = Scope { dir: "", filter };
    let found = sandbox.open().uncommitted(&sandbox.tree(), &[scope], files);
    found.expect("a state")
}

fn read(tree: &SourceTree, path: &str) -> Option<String> {
    let content = tree.read(path).expect("readable")?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

#[test]
fn twins_that_differ_in_case_are_two_files() {
    let sandbox = Sandbox::new();
    for path in ["Readme", "README", "app/x", "App/x", "APP/Y"] {
        sandbox.write(path, path);
    }
    sandbox.commit();
    for ignore_case in ["false", "true"] {
        // A clone that was made on another system.
        sandbox.git(&["config", "core.ignoreCase", ignore_case]);
        let tree = sandbox.tree();
        for path in ["Readme", "README", "app/x", "App/x", "APP/Y"] {
            assert_eq!(read(&tree, path).as_deref(), Some(path));
        }
        assert_eq!(read(&tree, "readme"), None);
        assert_eq!(changed(&sandbox, &all, &["README"]), [""; 0]);
        sandbox.write("App/x", "changed");
        assert_eq!(changed(&sandbox, &all, &["App/x", "app/x"]), ["App/x"]);
        let lower = PathFilter::new(&["app".to_owned()], &[]).expect("a filter");
        assert_eq!(changed(&sandbox, &lower, &[]), [""; 0]);
        sandbox.git(&["checkout", "-q", "."]);
    }
    // Where a system keeps one of them, the other one is as the commit has it.
    let repository = sandbox.open();
    sandbox.write("README", "new");
    let taken = repository.with_work_tree(&sandbox.tree(), &all).expect("a tree");
    assert_eq!(read(&taken, "README").as_deref(), Some("new"));
    assert_eq!(read(&taken, "Readme").as_deref(), Some("Readme"));
}

const ODD: [&str; 6] = [
    "line\nbreak",
    "tab\tquote\"",
    " space ",
    "back\\slash",
    "$(x)`",
    "-dash",
];

#[test]
fn odd_names_are_names() {
    let sandbox = Sandbox::new();
    for name in ODD {
        sandbox.write(&format!("a/{name}/{name}"), name);
    }
    sandbox.commit();
    let tree = sandbox.tree();
    let listing = tree.listing("", all).expect("a listing");
    let by_git = sandbox.git(&["ls-files", "-z"]);
    let paths: Vec<&str> = listing.entries().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, by_git.split_terminator('\0').collect::<Vec<_>>());
    assert_eq!(changed(&sandbox, &all, &[]), [""; 0]);
    for name in ODD {
        let path = format!("a/{name}/{name}");
        assert_eq!(read(&tree, &path).as_deref(), Some(name));
        sandbox.write(&path, "changed");
        sandbox.write(&format!("{name}.new"), "");
        assert_eq!(changed(&sandbox, &|_: &str| false, &[&path]), [path]);
    }
    let mut want: Vec<String> = ODD
        .iter()
        .flat_map(|name| [format!("a/{name}/{name}"), format!("{name}.new")])
        .collect();
    want.sort();
    assert_eq!(changed(&sandbox, &all, &[]), want);
    let taken = sandbox.open().with_work_tree(&tree, &all).expect("a tree");
    sandbox.git(&["add", "--all"]);
    assert_eq!(taken.commit().tree, sandbox.git(&["write-tree"]).trim());
}

#[test]
fn names_that_are_no_text_are_told_where_they_count() {
    let sandbox = Sandbox::new();
    sandbox.write("lib/x", "1");
    let write = |path: &[u8], text: &str| {
        let path = sandbox.dir().join(OsStr::from_bytes(path));
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs_err::write(path, text).expect("a file");
    };
    write(b"app/caf\xe9", "1");
    write(b"app/d\xff/x", "1");
    sandbox.commit();
    let tree = sandbox.tree();
    let refused = |found: Result<_, GitError>| match found {
        Err(GitError::Name(name)) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(tree.listing("", all).map(|_| ())), r"app/caf\xe9");
    // They stand in no way of what does not take them, and are no change.
    let lib = || PathFilter::new(&["lib".to_owned()], &[]).expect("a filter");
    assert!(tree.listing("", lib()).is_ok() && tree.select("", lib()).is_ok());
    assert_eq!(changed(&sandbox, &all, &["lib/x"]), [""; 0]);
    sandbox.write("lib/x", "2");
    assert_eq!(changed(&sandbox, &all, &[]), ["lib/x"]);
    let taken = sandbox.open().with_work_tree(&tree, &all).expect("a tree");
    sandbox.git(&["add", "--all"]);
    assert_eq!(taken.commit().tree, sandbox.git(&["write-tree"]).trim());
    // Changed, such a file is not taken for another one.
    write(b"app/caf\xe9", "2");
    write(b"app/new\xe9", "2");
    write(b"n\xe9w/x", "2");
    let lossy = ["app/caf\u{fffd}", "app/new\u{fffd}", "lib/x", "n\u{fffd}w/x"];
    assert_eq!(changed(&sandbox, &all, &[]), lossy);
    let taken = sandbox.open().with_work_tree(&tree, &all).expect("a tree");
    sandbox.git(&["add", "--all"]);
    assert_eq!(taken.commit().tree, sandbox.git(&["write-tree"]).trim());
    assert_eq!(changed(&sandbox, &lib(), &[]), ["lib/x"]);
}
