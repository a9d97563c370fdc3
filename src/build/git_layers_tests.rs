//! Random histories: an archive, what a stage does, and a patch give the files that an archive of the last commit and
//! the same stage give.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use kiel_stapel::listing::Listing;
use kiel_stapel::spec::GitMapping;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{Links, archive, patch};
use crate::git::patterns::PathFilter;
use crate::git::{Repository, SourceTree};

#[path = "../../tests/support/layers.rs"]
mod layers;

use layers::{Files, Found};

/// A path's mode and content.
type Tree = BTreeMap<String, (&'static str, String)>;

/// One root commit for each tree.
fn commits(dir: &Path, trees: &[Tree]) -> Vec<SourceTree> {
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(args).current_dir(dir);
        command
    };
    assert!(git(&["init", "-q"]).status().expect("git runs").success());
    let mut stream = String::new();
    for (number, tree) in trees.iter().enumerate() {
        stream += &format!("commit refs/heads/t{number}\ncommitter t <t@t> 0 +0000\ndata 0\n");
        for (path, (mode, content)) in tree {
            // A submodule has an id in place of content.
            stream += &match *mode {
                "160000" => format!("M 160000 {content} {path}\n"),
                _ => format!("M {mode} inline {path}\ndata {}\n{content}\n", content.len()),
            };
        }
    }
    let mut import = git(&["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("git runs");
    import
        .stdin
        .take()
        .expect("it is piped")
        .write_all(stream.as_bytes())
        .expect("git reads");
    assert!(import.wait().expect("git ends").success());
    let repository = Repository::discover(dir).expect("a repository");
    let tree = |number: usize| {
        let commit = repository.commit(&format!("t{number}")).expect("a commit");
        repository.source_tree(&commit)
    };
    (0..trees.len()).map(tree).collect()
}

/// No path below another one; the later stays.
fn tree(files: Vec<(String, (&'static str, String))>) -> Tree {
    let below = |path: &str, folder: &str| path.starts_with(&format!("{folder}/"));
    let mut tree = Tree::new();
    for (path, content) in files {
        tree.retain(|other, _| !below(other, &path) && !below(&path, other));
        tree.insert(path, content);
    }
    // Mappings are never empty.
    tree.insert("keep".into(), ("100644", "k".into()));
    tree.insert("in/keep".into(), ("100644", "k".into()));
    tree
}

fn trees() -> impl Strategy<Value = Tree> {
    let path = "(in/)?[a-c](/[a-c](/[a-c])?)?";
    let node = prop_oneof![
        4 => "[12]".prop_map(|text| ("100644", text)),
        1 => "[12]".prop_map(|text| ("100755", text)),
        2 => "(nothing|[a-c])".prop_map(|text| ("120000", text)),
        1 => "[12]".prop_map(|digit| ("160000", digit.repeat(40))),
    ];
    proptest::collection::vec((path, node), 0..12).prop_map(tree)
}

fn mappings(owner: bool, nested: bool) -> Vec<GitMapping> {
    let mapping = |add: &str, to: &str| GitMapping {
        add: add.into(),
        to: to.into(),
        owner: owner.then(|| "7".to_owned()),
        ..GitMapping::default()
    };
    let whole = GitMapping {
        exclude_paths: vec!["in".into()],
        ..mapping("/", "/srv/app")
    };
    let inner = mapping("/in", if nested { "/srv/app/in" } else { "/opt" });
    vec![whole, inner]
}

fn listings(mappings: &[GitMapping], tree: &SourceTree) -> Vec<Listing> {
    let listing = |mapping: &GitMapping| {
        let filter = PathFilter::new(&mapping.include_paths, &mapping.exclude_paths).expect("globs");
        tree.listing(mapping.add.trim_matches('/'), &filter)
            .expect("a listing")
    };
    mappings.iter().map(listing).collect()
}

fn bytes(blob: &crate::registry::Blob) -> Vec<u8> {
    match &blob.data {
        crate::registry::BlobData::Bytes(bytes) => bytes.to_vec(),
        crate::registry::BlobData::File(_) => panic!("layers of tests are in memory"),
    }
}

/// An image with the mappings of a commit, and the listings that it saw.
fn scratch(mappings: &[GitMapping], tree: &SourceTree) -> (Files, Vec<Listing>) {
    let mut files = Files::default();
    let listings = listings(mappings, tree);
    for (mapping, listing) in mappings.iter().zip(&listings) {
        let layer = archive(mapping, listing, &Links::default(), tree).expect("an archive");
        files.apply(&bytes(&layer)).expect("it can be unpacked");
    }
    (files, listings)
}

/// What a stage leaves that knows only the mapping's own folder and its own files.
fn stage(files: &mut Files) {
    let file = |mode: u32, kind| Found {
        kind,
        mode,
        uid: 5,
        gid: 5,
        link: String::new(),
        content: b"made".to_vec(),
    };
    files
        .0
        .insert("srv/app/made".into(), file(0o640, tar::EntryType::Regular));
    files
        .0
        .insert("srv/made".into(), file(0o640, tar::EntryType::Regular));
    let folder = files.0.get_mut("srv/app").expect("the mapping's folder");
    (folder.mode, folder.uid) = (0o700, 9);
}

/// Everything but folders that hold nothing of Git: those stay, for a stage may have put something there.
fn without_emptied(files: &Files, want: &Files) -> Files {
    let left = |(path, found): &(&String, &Found)| !found.kind.is_dir() || want.0.contains_key(*path);
    Files(
        files
            .0
            .iter()
            .filter(left)
            .map(|(path, found)| (path.clone(), found.clone()))
            .collect(),
    )
}

/// Random histories, the same in every run; all in one repository, since git takes longer to start than the rest.
#[test]
fn patches_give_the_files_of_a_build_from_scratch() {
    const CASES: usize = 150;
    let mut runner = TestRunner::deterministic();
    let strategy = (
        proptest::collection::vec(trees(), 2..5),
        any::<bool>(),
        any::<bool>(),
    );
    let cases: Vec<(Vec<Tree>, bool, bool)> = (0..CASES)
        .map(|_| strategy.new_tree(&mut runner).expect("a case").current())
        .collect();
    let dir = tempfile::tempdir().expect("a folder");
    let all: Vec<Tree> = cases.iter().flat_map(|(history, ..)| history.clone()).collect();
    let mut commits = commits(dir.path(), &all).into_iter();
    for (history, owner, nested) in &cases {
        let trees: Vec<SourceTree> = commits.by_ref().take(history.len()).collect();
        let mappings = mappings(*owner, *nested);
        let (mut built, mut saw) = scratch(&mappings, &trees[0]);
        stage(&mut built);
        for tree in &trees[1..] {
            let after = listings(&mappings, tree);
            let layer = patch(&mappings, &saw, &after, &Links::default(), tree);
            if let Some(layer) = layer.unwrap_or_else(|error| panic!("{error}: {history:?}")) {
                built
                    .apply(&bytes(&layer))
                    .unwrap_or_else(|error| panic!("{error}: {history:?}"));
            }
            let (mut want, _) = scratch(&mappings, tree);
            stage(&mut want);
            assert_eq!(
                without_emptied(&built, &want),
                want,
                "{history:?} {owner} {nested}"
            );
            saw = after;
        }
    }
}
