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

use super::super::traces::{Change, Laid};
use super::{Around, archive, patch};
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
    let crate::registry::BlobData::Reader(layer) = &blob.data else {
        panic!("layers are read where they are");
    };
    let size = usize::try_from(blob.size).expect("it fits");
    layer.read_at(0, size).expect("it can be read").to_vec()
}

/// An image with the mappings of a commit, and the listings that it saw.
fn scratch(mappings: &[GitMapping], tree: &SourceTree) -> (Files, Vec<Listing>) {
    let mut files = Files::default();
    let listings = listings(mappings, tree);
    for (mapping, listing) in mappings.iter().zip(&listings) {
        let layer = archive(mapping, listing, &Around::default(), tree).expect("an archive");
        files.apply(&bytes(&layer.blob)).expect("it can be unpacked");
    }
    (files, listings)
}

/// What a stage does that reads nothing of Git, to a folder or file that was there when it ran first.
#[derive(Debug, Clone)]
enum Act {
    /// `mkdir -p PATH; echo > PATH/own`
    Fill(String),
    /// `rm -rf PATH`
    Remove(String),
    /// `rm -rf PATH; echo > PATH`
    Replace(String),
}

impl Act {
    fn random(dice: usize, paths: &[String]) -> Self {
        let path = paths[dice / 3 % paths.len()].clone();
        match dice % 3 {
            0 => Self::Fill(path),
            // A file of Git that is written without being named is Git's again when a commit changes it.
            2 if paths.iter().any(|other| other.starts_with(&format!("{path}/"))) => Self::Replace(path),
            _ => Self::Remove(path),
        }
    }

    /// Nothing where the command would fail; else what its layer says.
    fn run(&self, files: &mut Files) -> Option<Vec<(String, Change)>> {
        let (Self::Fill(path) | Self::Remove(path) | Self::Replace(path)) = self;
        let way: Vec<&str> = path.match_indices('/').map(|(end, _)| &path[..end]).collect();
        let is_folder = |files: &Files, path: &str| files.0.get(path).map(|found| found.kind.is_dir());
        let own = |mode, kind| Found {
            kind,
            mode,
            uid: 0,
            gid: 0,
            link: String::new(),
            content: Vec::new(),
        };
        let file = || own(0o644, tar::EntryType::Regular);
        let was_there = files.0.contains_key(path);
        let mut changes = Vec::new();
        match self {
            Self::Fill(path) => {
                for folder in way.iter().copied().chain([path.as_str()]) {
                    match is_folder(files, folder) {
                        Some(false) => return None,
                        Some(true) => {}
                        None => drop(
                            files
                                .0
                                .insert(folder.into(), own(0o755, tar::EntryType::Directory)),
                        ),
                    }
                    changes.push((folder.to_owned(), Change::Folder(0o755, 0, 0)));
                }
                files.0.insert(format!("{path}/own"), file());
                changes.push((format!("{path}/own"), Change::Other));
            }
            Self::Remove(_) if way.iter().any(|folder| is_folder(files, folder) == Some(false)) => {
                return None;
            }
            Self::Remove(path) => {
                files.remove(path);
                if was_there {
                    changes.push((path.clone(), Change::Whiteout));
                }
            }
            Self::Replace(_) if way.iter().any(|folder| is_folder(files, folder) != Some(true)) => {
                return None;
            }
            Self::Replace(path) => {
                files.remove(path);
                files.0.insert(path.clone(), file());
                changes.push((path.clone(), Change::Other));
            }
        }
        Some(changes)
    }
}

/// What a stage leaves in the mapping's own folder.
fn stage(files: &mut Files) {
    let made = Found {
        kind: tar::EntryType::Regular,
        mode: 0o640,
        uid: 5,
        gid: 5,
        link: String::new(),
        content: b"made".to_vec(),
    };
    files.0.insert("srv/app/made".into(), made);
    let folder = files.0.get_mut("srv/app").expect("the mapping's folder");
    (folder.mode, folder.uid) = (0o700, 9);
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
        any::<u16>(),
    );
    let cases: Vec<(Vec<Tree>, bool, bool, u16)> = (0..CASES)
        .map(|_| strategy.new_tree(&mut runner).expect("a case").current())
        .collect();
    let dir = tempfile::tempdir().expect("a folder");
    let all: Vec<Tree> = cases.iter().flat_map(|(history, ..)| history.clone()).collect();
    let mut commits = commits(dir.path(), &all).into_iter();
    let mut compared = 0;
    for (history, owner, nested, dice) in &cases {
        let trees: Vec<SourceTree> = commits.by_ref().take(history.len()).collect();
        let mappings = mappings(*owner, *nested);
        let (mut built, saw) = scratch(&mappings, &trees[0]);
        stage(&mut built);
        let below: Vec<String> = built
            .0
            .keys()
            .filter(|path| path.starts_with("srv/app/"))
            .cloned()
            .collect();
        let act = Act::random(usize::from(*dice), &below);
        let mut around = Around::default();
        // A folder that commands make again is theirs; with an owner of Git's they could not make the same.
        if !owner {
            let Some(changes) = act.run(&mut built) else {
                continue;
            };
            let laid = Laid::new(&mappings, &saw, &around.links, &around.owners);
            around.traces.add(&laid, &changes);
        }
        for tree in &trees[1..] {
            let told = || format!("{history:?} {owner} {nested} {act:?} {around:?}");
            let (mut want, after) = scratch(&mappings, tree);
            stage(&mut want);
            if !owner && act.run(&mut want).is_none() {
                continue;
            }
            let layer = patch(&mappings, &saw, &after, &around, tree)
                .unwrap_or_else(|error| panic!("{error}: {}", told()));
            let mut patched = built.clone();
            if let Some(layer) = layer {
                patched
                    .apply(&bytes(&layer.blob))
                    .unwrap_or_else(|error| panic!("{error}: {}", told()));
            }
            assert_eq!(patched, want, "{}", told());
            compared += 1;
        }
    }
    assert!(compared > CASES, "only {compared} commits were compared");
}
