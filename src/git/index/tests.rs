//! Indexes that the real git wrote, of which parts are read; gix's reading of the whole is what they are held against.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use gix::bstr::ByteSlice as _;
use tempfile::TempDir;

use super::*;

fn git(dir: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {stderr}");
}

fn write(dir: &Path, path: &str) {
    let path = dir.join(path);
    fs_err::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs_err::write(&path, path.display().to_string()).expect("a file");
}

/// Folders before, behind and within each other, and more entries than are read at once.
fn sample(format: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    git(
        dir.path(),
        &["init", "-q", "-b", "main", &format!("--object-format={format}")],
    );
    for folder in [
        "a", "a-b", "a/b", "a/b/c", "a.b", "lib/one", "lib/two", "lib", "z/y/x",
    ] {
        for file in 0..90 {
            write(dir.path(), &format!("{folder}/file-{file}"));
        }
    }
    write(dir.path(), "top");
    write(
        dir.path(),
        &format!("long/{}/{}", "l".repeat(200), "n".repeat(200)),
    );
    git(dir.path(), &["add", "--all"]);
    git(dir.path(), &["commit", "-q", "-m", "first"]);
    git(dir.path(), &["update-index", "--skip-worktree", "a/b/file-1"]);
    git(dir.path(), &["update-index", "--assume-unchanged", "a/file-1"]);
    write(dir.path(), "lib/one/new");
    git(dir.path(), &["add", "--intent-to-add", "lib/one/new"]);
    dir
}

type Entries = BTreeMap<(String, u32), String>;

fn entries(index: &gix::index::File) -> Entries {
    let entry = |entry: &gix::index::Entry| {
        let path = entry.path(index).to_str_lossy().into_owned();
        let what = format!("{:?} {:?} {} {:?}", entry.mode, entry.flags, entry.id, entry.stat);
        ((path, entry.stage_raw()), what)
    };
    let found: Vec<_> = index.entries().iter().map(entry).collect();
    let sorted: Entries = found.iter().cloned().collect();
    assert!(
        found.iter().eq(sorted
            .clone()
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Vec<_>>()
            .iter()),
        "each once, in order"
    );
    sorted
}

/// A question: folders with what may count below them, and files.
struct Question<'a>(&'a [(&'a str, Counts)], &'a [&'a str]);

/// Whether something may count below a folder.
type Counts = fn(&str) -> bool;

struct Below(Counts);

impl crate::git::patterns::PathMatch for Below {
    fn matches(&self, path: &str) -> bool {
        self.may_match_below(path.rsplit_once('/').map_or("", |(folder, _)| folder))
    }

    fn may_match_below(&self, dir: &str) -> bool {
        dir.is_empty() || self.0(dir)
    }

    fn takes_all_below(&self, _: &str) -> bool {
        false
    }
}

fn ask(repository: &Repository, question: &Question<'_>) -> (Index, BTreeSet<String>) {
    let filters: Vec<(&str, Below)> = question.0.iter().map(|(dir, may)| (*dir, Below(*may))).collect();
    let scopes: Vec<Scope<'_>> = filters
        .iter()
        .map(|(dir, filter)| Scope { dir, filter })
        .collect();
    let scopes: Vec<&Scope<'_>> = scopes.iter().collect();
    let files: BTreeSet<String> = question.1.iter().map(|file| (*file).to_owned()).collect();
    let asked = Asked {
        scopes: &scopes,
        files: &files,
    };
    let whole = repository
        .inner
        .to_thread_local()
        .index_or_empty()
        .expect("an index");
    let counts = |path: &str| {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.into_iter().all(|folder| asked.counts_in(folder.into()))
    };
    let wanted = whole
        .entries()
        .iter()
        .map(|entry| entry.path(&whole).to_str_lossy().into_owned());
    let wanted = wanted.filter(|path| counts(path)).collect();
    (repository.index(asked).expect("an index"), wanted)
}

/// Asks one thing after the other; tells how many entries were read in the end.
fn check(dir: &Path, questions: &[Question<'_>]) -> usize {
    let repository = Repository::discover(dir).expect("a repository");
    let whole = repository.inner.to_thread_local().open_index().expect("an index");
    let all = entries(&whole);
    let (mut least, mut read) = (0, 0);
    for question in questions {
        let (index, wanted) = ask(&repository, question);
        assert!(matches!(index, Index::Part(_)), "it is read in parts");
        assert_eq!(index.timestamp(), whole.timestamp());
        assert_eq!(format!("{:?}", index.tree()), format!("{:?}", whole.tree()));
        let found = entries(&index);
        for (key, entry) in &found {
            assert_eq!(all.get(key), Some(entry), "{key:?}");
        }
        let want: Vec<_> = all.keys().filter(|(path, _)| wanted.contains(path)).collect();
        for key in want {
            assert!(found.contains_key(key), "{key:?} was asked for");
        }
        assert!(found.len() >= least, "what was read stays");
        (least, read) = (found.len(), found.len());
    }
    read
}

const ALL: Counts = |_| true;

fn questions(dir: &Path) {
    let total = check(dir, &[Question(&[("", ALL)], &[])]);
    let only = |dir: &str| dir == "b" || dir == "lib" || dir == "lib/two";
    // What stands directly in the root is read each time.
    let root = check(dir, &[Question(&[], &["nothing"])]);
    assert!(root < 10, "{root}");
    assert_eq!(check(dir, &[Question(&[("z", ALL)], &[])]), root + 90);
    assert_eq!(check(dir, &[Question(&[("a/b/c", ALL)], &[])]), root + 3 * 90);
    assert_eq!(check(dir, &[Question(&[("", only)], &[])]), root + 2 * 90);
    assert_eq!(
        check(dir, &[Question(&[], &["a.b/file-3", "a.b/none"])]),
        root + 90
    );
    let steps = [
        Question(&[], &["top"]),
        Question(&[("lib/two", ALL)], &[]),
        Question(&[("a", only)], &["a-b/file-1"]),
        Question(&[("lib", ALL), ("z/y", ALL)], &["lib/one/new"]),
        Question(&[("a/b/c/d", ALL)], &["long/x/y"]),
        Question(&[], &["top"]),
    ];
    check(dir, &steps);
    let back: Vec<Question<'_>> = steps
        .into_iter()
        .rev()
        .chain([Question(&[("", ALL)], &[])])
        .collect();
    assert_eq!(check(dir, &back), total);
}

#[test]
fn parts_are_what_the_whole_has() {
    for format in ["sha1", "sha256"] {
        let dir = sample(format);
        questions(dir.path());
        for version in ["4", "2"] {
            git(dir.path(), &["update-index", "--index-version", version]);
            questions(dir.path());
        }
        // Several blocks, each with a table of where entries begin.
        git(dir.path(), &["config", "index.threads", "2"]);
        git(dir.path(), &["config", "index.recordOffsetTable", "true"]);
        git(dir.path(), &["config", "core.untrackedCache", "true"]);
        git(
            dir.path(),
            &["update-index", "--index-version", "4", "--untracked-cache"],
        );
        git(dir.path(), &["status"]);
        questions(dir.path());
    }
}

#[test]
fn conflicts_are_there_with_all_their_sides() {
    let dir = sample("sha1");
    let blob = "5716ca5987cbf97d6bb54920bea6adde242d87e6";
    let lines: String = (1..=3)
        .map(|stage| format!("100644 {blob} {stage}\tlib/one/conflict\n"))
        .collect();
    fs_err::write(dir.path().join("lines"), lines).expect("a file");
    let script = "git update-index --index-info <lines";
    let done = Command::new("sh")
        .args(["-c", script])
        .current_dir(dir.path())
        .status();
    assert!(done.expect("a shell").success());
    questions(dir.path());
    let repository = Repository::discover(dir.path()).expect("a repository");
    let (index, _) = ask(&repository, &Question(&[], &["lib/one/conflict"]));
    let range = index.entry_range("lib/one/conflict".into()).expect("it is there");
    assert_eq!(range.len(), 3);
}

#[test]
fn an_index_that_is_split_or_sparse_is_read_whole() {
    let dir = sample("sha1");
    git(dir.path(), &["update-index", "--split-index"]);
    write(dir.path(), "lib/late");
    git(dir.path(), &["add", "lib/late"]);
    let whole = |want: usize| {
        let repository = Repository::discover(dir.path()).expect("a repository");
        for _ in 0..2 {
            let (index, _) = ask(&repository, &Question(&[], &["top"]));
            assert!(matches!(index, Index::Whole(_)));
            assert_eq!(index.entries().len(), want);
        }
    };
    whole(90 * 9 + 4);
    git(dir.path(), &["update-index", "--no-split-index"]);
    git(dir.path(), &["reset", "-q", "--hard"]);
    git(
        dir.path(),
        &["sparse-checkout", "set", "--cone", "--sparse-index", "lib"],
    );
    let repository = Repository::discover(dir.path()).expect("a repository");
    let (index, _) = ask(&repository, &Question(&[], &["top"]));
    assert!(matches!(index, Index::Whole(_)));
    assert!(index.entries().len() < 90 * 5, "folders are entries");
}

#[test]
fn what_is_damaged_is_told_and_what_is_replaced_is_read_anew() {
    let dir = sample("sha1");
    let file = dir.path().join(".git/index");
    let content = fs_err::read(&file).expect("an index");
    let repository = Repository::discover(dir.path()).expect("a repository");
    let top = Question(&[], &["top"]);
    let before = ask(&repository, &top).0.entries().len();
    write(dir.path(), "more");
    git(dir.path(), &["add", "more"]);
    assert_eq!(ask(&repository, &top).0.entries().len(), before + 1);
    for length in [0, 5, 11, 12, 40, 80, 4000, content.len() - 21, content.len() - 19] {
        let mut part = content.clone();
        part.truncate(length);
        fs_err::write(&file, part).expect("a file");
        let repository = Repository::discover(dir.path()).expect("a repository");
        let files = BTreeSet::new();
        let asked = Asked {
            scopes: &[],
            files: &files,
        };
        let got = repository.index(asked);
        assert!(
            !matches!(got, Ok(Index::Part(_))),
            "{length} of {} bytes",
            content.len()
        );
    }
    fs_err::remove_file(&file).expect("a file");
    let gone = ask(&repository, &top).0;
    assert!(gone.entries().is_empty() && matches!(gone, Index::Whole(_)));
}
