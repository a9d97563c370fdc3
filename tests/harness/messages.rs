//! Messages as a user sees them: each test of one keeps it in `tests/golden/messages/`, and `docs/messages.md` is made of
//! these files. `KIEL_UPDATE_MESSAGES=1` writes both anew.

use std::path::PathBuf;
use std::sync::Mutex;

use regex::Regex;

use super::{Project, Run, root, variable};

/// What is said before the messages.
const HEADER: &str = "# Messages

What kiel says when something is wrong: each message as a run has printed it, made from the tests' own snapshots. To make
this page anew: `KIEL_UPDATE_MESSAGES=1 cargo xtask test messages`.

Every message names what could not be done and to what, then its causes, and what to do about it, after `hint:` or in the
sentence itself. It is the last thing that a run prints; the exit code is 1.
";

/// Further texts that are others in each run, with what stands for them.
static HIDDEN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// From now on, `to` stands for `from` in messages.
pub(crate) fn hide(from: &str, to: &str) {
    let mut hidden = HIDDEN.lock().expect("no test panics with it");
    hidden.push((from.to_owned(), to.to_owned()));
}

/// Names, addresses and times that are others in each run.
fn stable(text: &str, project: &Project) -> String {
    let registry = variable("KIEL_TEST_REGISTRY");
    let folder = project.path().display().to_string();
    let mut text = text.to_owned();
    for (from, to) in HIDDEN.lock().expect("no test panics with it").iter() {
        text = text.replace(from, to);
    }
    for (from, to) in [
        (project.repo.as_str(), "registry.example.com/demo"),
        (project.namespace.as_str(), "demo"),
        (folder.as_str(), "/project"),
        (registry.as_str(), "registry.example.com"),
    ] {
        if !from.is_empty() {
            text = text.replace(from, to);
        }
    }
    for (pattern, to) in [
        (r"\S*/logs/\d{8}T\d{6}\.\d{3}Z-\d+/", "~/.cache/kiel/logs/RUN/"),
        (r"sha256:[0-9a-f]{64}", "sha256:…"),
        (r"\b[0-9a-f]{56}\b", "KEY"),
        (r"\b\d+(\.\d+)?s\b", "1.0s"),
        (r"/tmp/\.tmp\w+", "/folder"),
        (r"\bmigrate-[a-z0-9]{5}\b", "migrate-x2x4q"),
        (r"-[0-9a-f]{8,10}-[a-z0-9]{5}\b", "-5d8f7c9b6d-x2x4q"),
    ] {
        text = Regex::new(pattern)
            .expect("the pattern is one")
            .replace_all(&text, to)
            .into_owned();
    }
    text
}

fn folder() -> PathBuf {
    root().join("tests/golden/messages")
}

/// Whether this run writes the messages anew.
pub(crate) fn are_updated() -> bool {
    std::env::var_os("KIEL_UPDATE_MESSAGES").is_some()
}

/// The page, made of all messages in the order of their names.
pub(crate) fn page() -> String {
    let files = fs_err::read_dir(folder()).expect("the folder of messages is there");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let texts = files
        .iter()
        .map(|file| fs_err::read_to_string(file).expect("a message can be read"));
    texts.fold(HEADER.to_owned(), |page, text| format!("{page}\n{text}"))
}

/// Fails unless the run's message is the one that is kept under this name.
#[track_caller]
pub(crate) fn check(name: &str, title: &str, project: &Project, args: &[&str], run: &Run) {
    let starts = |word: &'static str| run.stderr.match_indices(word).map(|(at, _)| at);
    let from = starts("error:")
        .chain(starts("Error:"))
        .filter(|at| *at == 0 || run.stderr[..*at].ends_with('\n'))
        .min()
        .unwrap_or(run.stderr.len());
    keep(name, title, project, args, run.stderr[from..].trim_end());
}

/// Fails unless this is the message that is kept under this name.
#[track_caller]
pub(crate) fn keep(name: &str, title: &str, project: &Project, args: &[&str], message: &str) {
    static UPDATE: Mutex<()> = Mutex::new(());
    let message = stable(message, project);
    let command = stable(&args.join(" "), project);
    let text = format!("## {title}\n\n`kiel {command}`\n\n```text\n{message}\n```\n");
    let path = folder().join(format!("{name}.md"));
    if are_updated() {
        let _one = UPDATE.lock().expect("no test panics with it");
        fs_err::create_dir_all(folder()).expect("the folder can be made");
        fs_err::write(&path, &text).expect("the message can be written");
        fs_err::write(root().join("docs/messages.md"), page()).expect("the page can be written");
    }
    let kept = fs_err::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        kept,
        "another message than `{}` keeps; see docs/messages.md",
        path.display()
    );
}
