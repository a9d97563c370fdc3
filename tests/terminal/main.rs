//! What a user sees: the program itself on a terminal (a pseudo-terminal, its screen kept by an emulator), in a pipe,
//! and its logs on disk.

#[path = "../harness/mod.rs"]
mod harness;
mod screen;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::Stdio;

use harness::{Project, variable};
use screen::Terminal;
use serde_json::Value;

const META: &str = "project: demo\nconfigVersion: 1\n";

/// A project with this werf.yaml behind the meta document, and a chart if there are templates.
fn project(stem: &str, images: &str, more: &[(&str, &str)]) -> Project {
    let text = format!("{META}---\n{images}");
    let mut files = vec![("werf.yaml", text.as_str())];
    files.extend_from_slice(more);
    Project::with(stem, &files)
}

/// A Stapel image whose command, which has its own key in each run, does this.
fn image(name: &str, command: &str) -> String {
    let command = format!(": {}; {command}", harness::unique("key"));
    format!(
        "image: {name}\nfrom: busybox:1.36\nshell:\n  beforeInstall: 'true'\n  install: {}\n",
        serde_json::to_string(&command).expect("a text is JSON")
    )
}

fn log_dir(project: &Project) -> PathBuf {
    project.path().join(".git/kiel-logs")
}

/// All logs of all runs.
fn logs(project: &Project) -> Vec<PathBuf> {
    let runs = fs_err::read_dir(log_dir(project)).expect("there are logs");
    let files = runs.flat_map(|run| fs_err::read_dir(run.expect("a run").path()).expect("a folder"));
    files.map(|file| file.expect("a file").path()).collect()
}

#[test]
fn a_build_is_a_tree_that_is_drawn_in_place_and_a_summary() {
    let images = format!(
        "{}---\n{}",
        image("app", "for i in 1 2 3 4 5; do echo line $i; sleep 1; done"),
        "image: web\nfromImage: app\nshell: {install: 'true'}\n"
    );
    let project = project("tree", &images, &[]);
    let mut terminal = Terminal::run(&project, &["build", "--repo", &project.repo], 24, 80);
    terminal.wait_for("the slow step with what it writes", |screen| {
        screen.contains("images 0/2")
            && screen.contains("● app  building")
            && screen.contains("● install  building")
            && screen.contains("| line 2")
            && screen.contains("· web  waiting for app")
    });
    assert!(terminal.is_cursor_hidden());
    let narrow = terminal.text();
    assert!(narrow.lines().count() < 24, "{narrow}");
    terminal.resize(50, 200);
    terminal.wait_for("the same after a resize", |screen| screen.contains("| line 4"));
    let wide = terminal.text();
    assert_eq!(wide.matches("images 0/2").count(), 1, "drawn once:\n{wide}");
    assert_eq!(terminal.wait(), 0, "{}", terminal.text());
    let screen = terminal.text();
    assert!(!terminal.is_cursor_hidden());
    assert!(screen.contains("images: 2 built, 0 reused, in "), "{screen}");
    assert!(
        screen.contains("built      app") && screen.contains("total: "),
        "{screen}"
    );
    assert!(!screen.contains('●'), "the tree is gone:\n{screen}");
    let frames = terminal.raw().matches("\u{1b}[?2026h").count();
    assert!(frames > 3, "{frames} frames");
}

#[test]
fn ctrl_c_once_and_twice_give_the_terminal_back() {
    for keys in ["\u{3}", "\u{3}\u{3}"] {
        let project = project("interrupt", &image("app", "echo begun; sleep 100"), &[]);
        let mut terminal = Terminal::run(&project, &["build", "--repo", &project.repo], 24, 80);
        terminal.wait_for("the step", |screen| screen.contains("| begun"));
        assert!(terminal.is_cursor_hidden());
        terminal.press(keys);
        assert_eq!(terminal.wait(), 130, "{}", terminal.text());
        assert!(!terminal.is_cursor_hidden(), "{}", terminal.text());
    }
}

#[test]
fn a_failure_comes_last_and_names_the_whole_log() {
    let project = project(
        "failure",
        &image(
            "app",
            "printf '\\033[2J\\033]0;title\\007\\033[31mred\\033[0m words\\n'; exit 7",
        ),
        &[],
    );
    let mut terminal = Terminal::run(&project, &["build", "--repo", &project.repo], 40, 200);
    assert_eq!(terminal.wait(), 1, "{}", terminal.text());
    let screen = terminal.text();
    assert!(!terminal.is_cursor_hidden());
    assert!(screen.contains("red words"), "{screen}");
    assert!(!terminal.raw().contains("\u{1b}[2J") && !terminal.raw().contains("\u{1b}]0"));
    let place = |text: &str| {
        screen
            .find(text)
            .unwrap_or_else(|| panic!("`{text}` is missing:\n{screen}"))
    };
    assert!(place("images: 0 built") < place("error: cannot build image `app`"));
    assert!(place("error: cannot build image `app`") < place("  log: "));
    let files = logs(&project);
    let file = files
        .iter()
        .find(|file| screen.contains(file.file_name().and_then(|name| name.to_str()).unwrap_or("?")))
        .expect("the error names a log");
    let text = fs_err::read_to_string(file).expect("a log");
    assert!(text.contains("red words\n") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_deploy_shows_resources_with_their_states_and_last_lines() {
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: slow}\nspec:\n  backoffLimit: 0\n  template:\n    spec:\n      \
               restartPolicy: Never\n      terminationGracePeriodSeconds: 0\n      containers:\n      - name: main\n        \
               image: REGISTRY/library/busybox:1.36\n        \
               command: [sh, -c, 'for i in 1 2 3 4; do echo step $i; sleep 1; done']\n";
    let job = job.replace("REGISTRY", &variable("KIEL_TEST_REGISTRY"));
    let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";
    let project = project(
        "resources",
        "",
        &[
            (".helm/templates/job.yaml", job.as_str()),
            (".helm/templates/settings.yaml", settings),
        ],
    );
    let arguments = ["converge", "--namespace", &project.namespace, "--timeout", "3m"];
    let mut terminal = Terminal::run(&project, &arguments, 24, 80);
    terminal.wait_for("the job with what it writes", |screen| {
        screen.contains("✔ ConfigMap/settings  created")
            && screen.contains("● Job/slow  waiting")
            && screen.contains("| step 2")
    });
    assert_eq!(terminal.wait(), 0, "{}", terminal.text());
    let screen = terminal.text();
    assert!(screen.contains("resources: 3 created, in "), "{screen}");
    assert!(
        screen.contains("Job/slow") && screen.contains("created, ready in "),
        "{screen}"
    );
    assert!(screen.contains("is up, revision 1, in "), "{screen}");
    let text: String = logs(&project)
        .iter()
        .map(|file| fs_err::read_to_string(file).expect("a log"))
        .collect();
    assert_eq!(text, "step 1\nstep 2\nstep 3\nstep 4\n");
}

/// Peak of the memory that a process has used, in bytes.
fn peak(process: u32) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() << 10
}

#[test]
fn giant_lines_and_logs_take_little_memory_and_are_whole_on_disk() {
    const LINE: usize = 50_000_000;
    const LINES: usize = 300_000;
    let words = "a line of words ".repeat(10);
    let words = words.trim_end();
    let command = format!(
        "head -c {LINE} /dev/zero | tr '\\0' x; echo; head -c 1000000 /dev/urandom; echo; \
         yes '{words}' | head -n {LINES}; printf 'the \\033[2Jend\\n'"
    );
    let project = project("giant", &image("app", &command), &[]);
    let mut build = project.command(&["build", "--repo", &project.repo]);
    build
        .env("KIEL_LOG_DIR", log_dir(&project))
        .stderr(Stdio::piped());
    let mut child = build.spawn().expect("kiel runs");
    let mut longest = 0;
    let mut most = 0;
    let mut shown = 0;
    let mut last = String::new();
    let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    for (number, line) in stderr.lines().enumerate() {
        let line = line.expect("lines are UTF-8");
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
        longest = longest.max(line.len());
        shown += usize::from(line.strip_prefix("app | ") == Some(words));
        if number % 10_000 == 0 {
            most = most.max(peak(child.id()));
        }
        if line == "app | the end" {
            most = most.max(peak(child.id()));
        }
        last = line;
    }
    let status = child.wait().expect("kiel ends");
    assert!(status.success(), "{last}");
    assert_eq!(shown, LINES);
    assert!(longest < 5000, "{longest}");
    assert!((1..150 << 20).contains(&most), "{most} bytes of memory");
    let files = logs(&project);
    let install = files
        .iter()
        .find(|file| fs_err::metadata(file).expect("a log").len() > LINE as u64);
    let mut reader = BufReader::new(fs_err::File::open(install.expect("the log")).expect("the log"));
    let mut line = String::new();
    while !line.starts_with("xxx") {
        line.clear();
        assert!(
            reader.read_line(&mut line).expect("a line") > 0,
            "the line is there"
        );
    }
    assert_eq!(line.len(), LINE + 1, "a line is whole on disk");
    let mut rest = String::new();
    reader.read_to_string(&mut rest).expect("a log");
    assert_eq!(rest.matches(&format!("{words}\n")).count(), LINES);
    assert!(rest.ends_with("the end\n"));
    assert!(!rest.chars().any(|c| c.is_control() && !"\t\n".contains(c)));
}

#[test]
fn json_is_one_event_a_line_and_ends_with_the_error() {
    let images = format!(
        "{}---\n{}",
        image("app", "echo hello; exit 3"),
        image("web", "true")
    );
    let project = project("json", &images, &[]);
    let run = project
        .kiel_in_repo(&["build", "--progress", "json"])
        .expect_code(1);
    let events: Vec<Value> = run
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let has = |wanted: &[(&str, &str)]| {
        events
            .iter()
            .any(|event| wanted.iter().all(|(field, value)| event[*field] == *value))
    };
    for wanted in [
        &[("type", "image"), ("image", "app"), ("state", "waiting")][..],
        &[("type", "image"), ("stage", "install"), ("state", "building")],
        &[("type", "log"), ("source", "app"), ("line", "hello")],
        &[("type", "step"), ("image", "app")],
        &[("type", "image"), ("image", "web"), ("state", "built")],
        &[("type", "image"), ("image", "app"), ("state", "failed")],
    ] {
        assert!(has(wanted), "{wanted:?} is missing:\n{}", run.stderr);
    }
    let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types[types.len() - 2..], ["summary", "error"]);
    let error = &events[events.len() - 1];
    let message = error["message"].as_str().expect("a message");
    assert!(
        message.starts_with("error: cannot build image `app`"),
        "{message}"
    );
    let log = error["logs"][0].as_str().expect("a log");
    let log = fs_err::read_to_string(log).expect("the log is there");
    assert!(log.contains("hello\n"), "{log}");
    // Every type and field is documented.
    let page = fs_err::read_to_string(harness::root().join("docs/reference/events.md")).expect("the page");
    for event in &events {
        for field in event.as_object().expect("an object").keys() {
            assert!(page.contains(&format!("`{field}`")), "{field} of {event}");
        }
    }
}

#[test]
fn quiet_and_coloured_output_are_chosen_by_flags_and_variables() {
    let project = project("flags", &image("app", "echo hello"), &[]);
    let quiet = project
        .kiel_in_repo(&["build", "--progress=quiet"])
        .expect_code(0);
    assert_eq!(quiet.stderr, "");
    let coloured = project
        .kiel_in_repo(&["build", "--log-color-mode=on"])
        .expect_code(0);
    assert!(
        coloured.stderr.contains("\u{1b}[32mreused\u{1b}[0m"),
        "{}",
        coloured.stderr
    );
    for variable in ["NO_COLOR", "WERF_LOG_QUIET", "KIEL_LOG_TIME"] {
        let mut command = project.command(&["build", "--repo", &project.repo]);
        let output = command.env(variable, "1").output().expect("kiel runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains('\u{1b}'), "{stderr}");
        match variable {
            "NO_COLOR" => assert!(stderr.contains("app: reused "), "{stderr}"),
            "WERF_LOG_QUIET" => assert_eq!(stderr, ""),
            _ => assert!(
                stderr
                    .lines()
                    .all(|line| line.starts_with("20") && line.contains("Z ")),
                "{stderr}"
            ),
        }
    }
}

#[test]
fn the_summary_says_which_input_changed() {
    let key = harness::unique("key");
    let images = |command: &str| {
        format!(
            "{META}---\nimage: file\ndockerfile: Dockerfile\n---\nimage: staged\nfrom: busybox:1.36\ngit:\n- add: /src\n  to: /src\n  \
             stageDependencies: {{install: ['*.lock']}}\nshell:\n  install: ': {key}; {command}'\n---\n\
             image: content\nfrom: busybox:1.36\ngit:\n- add: /src\n  to: /{key}\n"
        )
    };
    let dockerfile = format!("FROM busybox:1.36\nRUN : {key}\nCOPY src/a /a\n");
    let first = images("true");
    let project = Project::with(
        "why",
        &[
            ("werf.yaml", first.as_str()),
            ("Dockerfile", &dockerfile),
            ("src/a", "1"),
            ("src/x.lock", "1"),
        ],
    );
    let run = project.kiel_in_repo(&["build"]).expect_code(0);
    assert!(
        run.stderr.contains("images: 2 built, 1 assembled, 0 reused"),
        "{}",
        run.stderr
    );
    let told = |run: harness::Run, image: &str| -> String {
        let line = run
            .stderr
            .lines()
            .rev()
            .find(|line| line.starts_with("  ") && line.split_whitespace().nth(1) == Some(image));
        let line = line.unwrap_or_else(|| panic!("`{image}` is missing:\n{}", run.stderr));
        line.split_once("s  ")
            .map(|(_, told)| told.to_owned())
            .unwrap_or_default()
    };
    project.commit(&[("src/a", "2")]);
    let run = project.kiel_in_repo(&["build"]).expect_code(0);
    assert_eq!(told(run, "file"), "file src/a");
    project.commit(&[("src/x.lock", "2"), ("src/b", "1")]);
    let run = project.kiel_in_repo(&["build"]).expect_code(0);
    assert_eq!(told(run, "staged"), "install: file src/x.lock");
    let second = images("echo");
    let dockerfile = dockerfile.replace("RUN", "WORKDIR /w\nRUN");
    project.commit(&[
        ("werf.yaml", &second),
        ("Dockerfile", &dockerfile),
        ("src/b", "2"),
    ]);
    let run = project.kiel_in_repo(&["build", "file", "staged"]).expect_code(0);
    let (file, staged) = (told(copy(&run), "file"), told(run, "staged"));
    assert_eq!(file, "instruction `WORKDIR /w`");
    assert!(staged.starts_with("install: the commands"), "{staged}");
    let run = project.kiel_in_repo(&["build"]).expect_code(0);
    assert_eq!(told(run, "content"), "file src/b");
}

fn copy(run: &harness::Run) -> harness::Run {
    harness::Run {
        code: run.code,
        stdout: run.stdout.clone(),
        stderr: run.stderr.clone(),
    }
}
