//! `--follow`: a command runs again with the next commit, with `--dev` when a file changes, and not for what it writes.
//!
//! No test waits for a time: each run is told by what it prints.

mod harness;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use harness::Project;
use nix::sys::signal::Signal;

/// A run of `kiel render --follow`, and the lines that it prints.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Following {
    fn start(project: &Project, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiel"));
        command
            .args([&["render", "--follow"], flags].concat())
            .current_dir(project.path())
            .env("HOME", project.path().join(".git/home"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("kiel runs");
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, lines }
    }

    /// Reads until a line says that.
    #[track_caller]
    fn expect(&mut self, wanted: &str) {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let length = self.lines.read_line(&mut line).expect("kiel prints text");
            assert!(length > 0, "kiel ended before `{wanted}`; it printed\n{seen}");
            if line.trim() == wanted {
                return;
            }
            seen.push_str(&line);
        }
    }

    /// Ends it as Ctrl-C does; what it printed to the end, and what it told.
    fn end(mut self) -> (String, String) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process has a number"));
        nix::sys::signal::kill(id, Signal::SIGINT).expect("it runs");
        let (mut rest, mut told) = (String::new(), String::new());
        self.lines.read_to_string(&mut rest).expect("kiel prints text");
        let mut errors = self.child.stderr.take().expect("it is piped");
        errors.read_to_string(&mut told).expect("kiel prints text");
        assert_eq!(self.child.wait().expect("it ends").code(), Some(130), "{told}");
        (rest, told)
    }
}

fn project() -> Project {
    let project = Project::empty("follow");
    project.commit(&[
        ("werf.yaml", "project: demo\nconfigVersion: 1\n"),
        (".helm/templates/a.yaml", &map(1)),
        (".gitignore", "ignored/\n"),
    ]);
    project
}

fn map(version: u32) -> String {
    format!("kind: ConfigMap\napiVersion: v1\nmetadata: {{name: c}}\ndata:\n  v: \"{version}\"\n")
}

#[test]
fn commits_are_followed_and_mistakes_outlived() {
    let project = project();
    let mut following = Following::start(&project, &[]);
    following.expect("v: \"1\"");
    project.commit(&[(".helm/templates/a.yaml", &map(2))]);
    following.expect("v: \"2\"");
    // A run that fails waits for the next commit, in a linked work tree's branch or in packed refs too.
    project.commit(&[(".helm/templates/a.yaml", "{{ fail \"broken\" }}")]);
    project.git(&["pack-refs", "--all"]);
    project.git(&["checkout", "-q", "-b", "feature/other"]);
    project.commit(&[(".helm/templates/a.yaml", &map(3))]);
    following.expect("v: \"3\"");
    // Without --dev the work tree is another matter.
    project.write("new.txt", "x");
    let (rest, told) = following.end();
    assert!(!rest.contains("v:"), "{rest}");
    assert!(told.contains("waiting for a commit"), "{told}");
}

#[test]
fn files_are_followed_in_development() {
    let project = project();
    let flags = [
        "--dev",
        "--config-render-path",
        "rendered.yaml",
        "--dev-ignore",
        "noise/**",
    ];
    let mut following = Following::start(&project, &flags);
    following.expect("v: \"1\"");
    project.write(".helm/templates/a.yaml", &map(2));
    following.expect("v: \"2\"");
    // In folders that were not there when it began.
    project.write(".helm/templates/deep/er/b.yaml", &map(3));
    following.expect("v: \"3\"");
    project.write(".helm/templates/deep/er/b.yaml", &map(4));
    following.expect("v: \"4\"");
    // What does not count, and what the run writes itself, starts nothing.
    project.write("ignored/x", "x");
    project.write("noise/x", "x");
    project.write(".helm/templates/deep/er/b.yaml", &map(5));
    following.expect("v: \"5\"");
    let (rest, told) = following.end();
    assert!(!rest.contains("v:"), "{rest}");
    let runs = told.matches("waiting for a commit or a change").count();
    assert!(runs <= 5, "{runs} runs:\n{told}");
}

#[test]
fn files_of_submodules_are_followed_in_development() {
    let chart = Project::empty("chart");
    chart.commit(&[("a.yaml", &map(1))]);
    let project = Project::empty("follow");
    project.add_submodule(&chart, ".helm/templates");
    project.commit(&[("werf.yaml", "project: demo\nconfigVersion: 1\n")]);
    let mut following = Following::start(&project, &["--dev"]);
    following.expect("v: \"1\"");
    project.write(".helm/templates/a.yaml", &map(2));
    following.expect("v: \"2\"");
    project.write(".helm/templates/deep/b.yaml", &map(3));
    following.expect("v: \"3\"");
    let (rest, _) = following.end();
    assert!(!rest.contains("v:"), "{rest}");
}

#[test]
fn a_submodule_that_moves_is_followed_in_development() {
    let chart = Project::with("chart", &[("deep/map.yaml", &map(1))]);
    for version in [2, 3] {
        chart.commit(&[("deep/map.yaml", &map(version))]);
    }
    let project = Project::empty("follow");
    project.commit(&[("werf.yaml", "project: demo\nconfigVersion: 1\n")]);
    project.add_submodule(&chart, ".helm/templates");
    project.commit(&[]);
    let go_to = |commit: &str| project.git(&["-C", ".helm/templates", "checkout", "-q", commit]);
    // Nothing but a file below a folder of the submodule is another one from here on.
    go_to("HEAD~2");
    let mut following = Following::start(&project, &["--dev"]);
    following.expect("v: \"1\"");
    go_to("HEAD@{1}~1");
    following.expect("v: \"2\"");
    following.end();
}
