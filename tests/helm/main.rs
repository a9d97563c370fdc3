//! Helm's commands by kiel beside the real Helm: what they print, how they end, what they write.

#[path = "../harness/mod.rs"]
mod harness;

mod commands;
mod lint;
mod package;
mod releases;

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Run, variable};

/// A folder of files; gone with the value.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder can be made"));
        for (path, text) in files {
            folder.write(path, text.as_bytes());
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, data: &[u8]) {
        let path = self.path().join(path);
        fs_err::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
        fs_err::write(path, data).expect("the file can be written");
    }

    /// The files below the folder with their contents.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut pending = vec![self.path().to_owned()];
        while let Some(dir) = pending.pop() {
            for entry in fs_err::read_dir(dir).expect("the folder can be read") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    let name = path.strip_prefix(self.path()).expect("a path below").display();
                    let text = fs_err::read(&path).expect("the file can be read");
                    found.push((name.to_string(), String::from_utf8_lossy(&text).into_owned()));
                }
            }
        }
        found.sort();
        found
    }
}

/// A program in a folder, with a home of its own and no environment of the user's.
pub(crate) fn run(program: &Path, words: &[&str], args: &[&str], dir: &Path, vars: &[(&str, &str)]) -> Run {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let mut command = Command::new(program);
    command.args(words).args(args).current_dir(dir).env_clear();
    command
        .env("HOME", home.path())
        .env("TZ", "UTC")
        .envs(vars.iter().copied());
    Run::of(&command.output().expect("the program runs"))
}

pub(crate) fn kiel_path() -> PathBuf {
    env!("CARGO_BIN_EXE_kiel").into()
}

pub(crate) fn helm_path() -> PathBuf {
    variable("KIEL_TEST_HELM").into()
}

pub(crate) fn kiel(args: &[&str], dir: &Path) -> Run {
    run(&kiel_path(), &["helm"], args, dir, &[])
}

pub(crate) fn helm(args: &[&str], dir: &Path) -> Run {
    run(&helm_path(), &[], args, dir, &[])
}

/// What a run shows to scripts: exit code, standard output and the error, which comes last.
pub(crate) fn shown(run: &Run) -> (i32, String, String) {
    let error = run.stderr.find("Error: ").map_or("", |at| &run.stderr[at..]);
    (run.code, run.stdout.clone(), error.to_owned())
}

/// Runs both in the folder and compares what they show.
#[track_caller]
pub(crate) fn check(dir: &Path, args: &[&str]) {
    let (want, got) = (helm(args, dir), kiel(args, dir));
    assert_eq!(
        shown(&got),
        shown(&want),
        "{args:?}\nkiel's stderr: {}\nHelm's stderr: {}",
        got.stderr,
        want.stderr
    );
}
