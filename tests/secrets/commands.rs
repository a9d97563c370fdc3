//! `kiel secret …` on files: what is encrypted comes back, an editor changes what it changes, nothing is left behind.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::harness::{Project, Run, variable};
use super::{KEY, OTHER_KEY};

const WERF_YAML: (&str, &str) = ("werf.yaml", "project: demo\nconfigVersion: 1\n");

fn project(files: &[(&str, &str)]) -> Project {
    let project = Project::empty("secrets");
    project.commit(&[&[WERF_YAML][..], files].concat());
    project
}

fn command(project: &Project, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiel"));
    command.args(args).current_dir(project.path()).env_clear();
    command
        .env("PATH", variable("PATH"))
        .env("HOME", project.path())
        .env("WERF_SECRET_KEY", KEY);
    command
}

fn kiel(project: &Project, args: &[&str], vars: &[(&str, &str)]) -> Run {
    let mut command = command(project, args);
    command.envs(vars.iter().copied()).stdin(Stdio::null());
    Run::of(&command.output().expect("kiel runs"))
}

fn read(project: &Project, path: &str) -> String {
    fs_err::read_to_string(project.path().join(path)).expect("the file is there")
}

#[test]
fn files_and_values_come_back() {
    let project = project(&[
        ("plain.yaml", "# c\na: one\nb: [2, ~]\n"),
        ("plain.txt", "text\n"),
    ]);
    for cipher in ["werf", "authenticated"] {
        let with = |args: &[&str]| {
            kiel(&project, &[args, &["--secret-cipher", cipher]].concat(), &[]).expect_code(0)
        };
        with(&["secret", "values", "encrypt", "plain.yaml", "-o", "values.enc"]);
        let values = kiel(
            &project,
            &["helm", "secret", "values", "decrypt", "values.enc"],
            &[],
        )
        .expect_code(0);
        assert_eq!(values.stdout, "# c\na: one\nb: [\"2\", ~]\n");
        with(&["secret", "file", "encrypt", "plain.txt", "-o", "file.enc"]);
        let file = kiel(&project, &["secret", "file", "decrypt", "file.enc"], &[]).expect_code(0);
        assert_eq!(file.stdout, "text\n");
        assert_eq!(
            read(&project, "file.enc").starts_with("kiel1."),
            cipher == "authenticated"
        );
        let mode = fs_err::metadata(project.path().join("file.enc"))
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let other = kiel(
        &project,
        &["secret", "file", "decrypt", "file.enc"],
        &[("WERF_SECRET_KEY", OTHER_KEY)],
    );
    other
        .expect_code(1)
        .expect_stderr(&["cannot decrypt `file.enc`", "does not authenticate", "hint:"]);
}

#[test]
fn the_key_comes_from_the_first_place_that_has_one() {
    let project = project(&[]);
    project.write(".werf_secret_key", &format!(" {OTHER_KEY}\n"));
    project.write("key", &format!("{KEY}\n"));
    // One of 256 wrong keys gives werf's cipher a padding that is right.
    let encrypt = [
        "secret",
        "file",
        "encrypt",
        "werf.yaml",
        "--secret-cipher",
        "authenticated",
    ];
    let encrypted = kiel(&project, &encrypt, &[]).expect_code(0).stdout;
    project.write("enc", &encrypted);
    let decrypt = |vars: &[(&str, &str)], flags: &[&str]| {
        let mut command = command(&project, &[&["secret", "file", "decrypt", "enc"], flags].concat());
        command.env_remove("WERF_SECRET_KEY").envs(vars.iter().copied());
        Run::of(&command.output().expect("kiel runs"))
    };
    decrypt(&[], &[]).expect_code(1);
    decrypt(&[("KIEL_SECRET_KEY_FILE", "key")], &[]).expect_code(0);
    decrypt(&[], &["--secret-key-command", "cat key"]).expect_code(0);
    decrypt(&[("WERF_SECRET_KEY", KEY)], &["--secret-key-file", "/nowhere"]).expect_code(0);
    decrypt(&[], &["--secret-key-file", "/nowhere"])
        .expect_code(1)
        .expect_stderr(&["/nowhere"]);
    decrypt(&[], &["--secret-key-command", "exit 3"])
        .expect_code(1)
        .expect_stderr(&["exit status: 3"]);
    fs_err::remove_file(project.path().join(".werf_secret_key")).expect("it was there");
    decrypt(&[], &[]).expect_code(1).expect_stderr(&[
        "$WERF_SECRET_KEY",
        ".werf_secret_key",
        "global_secret_key",
    ]);
}

#[test]
fn an_editor_changes_what_it_changes() {
    let project = project(&[("plain.yaml", "# c\na: one # why\n\nb: &x\n    k: two\nc: *x\n")]);
    let mut encrypted = String::new();
    for line in read(&project, "plain.yaml").lines() {
        match line
            .split_once(": ")
            .filter(|(_, value)| value.starts_with(['o', 't']))
        {
            Some((key, value)) => {
                let plain = value.split(' ').next().unwrap_or_default();
                project.write("one", plain);
                let text = kiel(&project, &["secret", "file", "encrypt", "one"], &[])
                    .expect_code(0)
                    .stdout;
                encrypted
                    .push_str(&line.replace(&format!("{key}: {plain}"), &format!("{key}: {}", text.trim())));
            }
            None => encrypted.push_str(line),
        }
        encrypted.push('\n');
    }
    project.write("s.yaml", &encrypted);
    let editor = "sed -i 's/two/three/'";
    kiel(
        &project,
        &["secret", "values", "edit", "s.yaml"],
        &[("EDITOR", editor)],
    )
    .expect_code(0);
    let after = read(&project, "s.yaml");
    let differ: Vec<(&str, &str)> = encrypted
        .lines()
        .zip(after.lines())
        .filter(|(a, b)| a != b)
        .collect();
    assert_eq!(differ.len(), 1, "{after}");
    assert!(
        differ[0].0.starts_with("    k: 1000") && differ[0].1.starts_with("    k: 1000"),
        "{after}"
    );
    let shown = kiel(&project, &["secret", "values", "decrypt", "s.yaml"], &[])
        .expect_code(0)
        .stdout;
    assert_eq!(shown, "# c\na: one\nb: &x\n  k: three\nc: *x\n");
    // What is no YAML any more is not written.
    let broken = kiel(
        &project,
        &["secret", "values", "edit", "s.yaml"],
        &[("EDITOR", "sed -i 's/one/[/'")],
    );
    broken
        .expect_code(1)
        .expect_stderr(&["cannot read `s.yaml`: line"]);
    assert_eq!(read(&project, "s.yaml"), after);
}

fn names_below(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).expect("the folder can be read");
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

#[test]
fn nothing_is_left_of_what_was_edited() {
    let project = project(&[]);
    let runtime = tempfile::tempdir_in("/dev/shm").expect("memory");
    let folder = runtime.path().to_str().expect("a path");
    let run = |editor: &str| {
        kiel(
            &project,
            &["secret", "file", "edit", "new"],
            &[("EDITOR", editor), ("XDG_RUNTIME_DIR", folder)],
        )
    };
    let look = "echo hush > seen; stat -c '%a %n' \"$1\" \"${1%/*}\" >> seen; echo text > \"$1\"; true";
    run(&format!("f() {{ {look}; }}; f")).expect_code(0);
    let seen = read(&project, "seen");
    let lines: Vec<&str> = seen.lines().skip(1).collect();
    assert!(
        lines[0].starts_with("600 ") && lines[1].starts_with("700 "),
        "{seen}"
    );
    assert!(
        lines.iter().all(|line| line.contains(folder)),
        "not in memory: {seen}"
    );
    assert!(names_below(runtime.path()).is_empty());
    assert!(read(&project, "new").starts_with("1000"));
    let before = read(&project, "new");
    run("f() { echo other > \"$1\"; kill -9 $$; }; f")
        .expect_code(1)
        .expect_stderr(&["nothing was changed"]);
    run("f() { echo other > \"$1\"; exit 4; }; f").expect_code(1);
    assert_eq!(read(&project, "new"), before);
    assert!(names_below(runtime.path()).is_empty());
}

#[test]
fn a_run_that_is_told_to_end_leaves_nothing() {
    let project = project(&[]);
    let runtime = tempfile::tempdir_in("/dev/shm").expect("memory");
    let mut command = command(&project, &["secret", "file", "edit", "new"]);
    command
        .env("XDG_RUNTIME_DIR", runtime.path())
        // Tells that it runs, and then waits for nothing.
        .env("EDITOR", "f() { echo ready; exec sleep 1000; }; f")
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("kiel runs");
    let mut line = [0; 6];
    std::io::Read::read_exact(&mut child.stdout.take().expect("a pipe"), &mut line)
        .expect("the editor speaks");
    assert_eq!(names_below(runtime.path()).len(), 1);
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().expect("a process"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it can be told");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    assert!(names_below(runtime.path()).is_empty());
    assert!(!project.path().join("new").exists());
}

#[test]
fn a_key_is_rotated_as_a_whole_or_not_at_all() {
    let project = project(&[]);
    let encrypt = |plain: &str| {
        project.write("plain", plain);
        kiel(&project, &["secret", "file", "encrypt", "plain"], &[])
            .expect_code(0)
            .stdout
    };
    let values = format!("# c\na: {}\n", encrypt("one").trim());
    project.write(".helm/secret-values.yaml", &values);
    project.write(".helm/secret/d/f", &encrypt("two"));
    project.write("broken.yaml", "a: plain\n");
    let new = [("WERF_SECRET_KEY", OTHER_KEY), ("WERF_OLD_SECRET_KEY", KEY)];
    let refused = kiel(&project, &["secret", "rotate-secret-key", "broken.yaml"], &new).expect_code(1);
    refused.expect_stderr(&["cannot decrypt the value `a` in `broken.yaml`, line 1"]);
    assert_eq!(read(&project, ".helm/secret-values.yaml"), values);
    kiel(&project, &["secret", "rotate-secret-key"], &new).expect_code(0);
    for (args, want) in [
        (
            ["secret", "values", "decrypt", ".helm/secret-values.yaml"],
            "# c\na: one\n",
        ),
        (["secret", "file", "decrypt", ".helm/secret/d/f"], "two"),
    ] {
        assert_eq!(kiel(&project, &args, &new[..1]).expect_code(0).stdout, want);
        assert_ne!(
            kiel(&project, &args, &[]).stdout,
            want,
            "the old key is not the one"
        );
    }
    kiel(&project, &["secret", "rotate-secret-key"], &[])
        .expect_code(1)
        .expect_stderr(&["WERF_OLD_SECRET_KEY"]);
}
