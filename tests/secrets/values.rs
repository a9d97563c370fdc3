//! Which value wins, where it comes from, and how names and variables are read.

use std::process::Command;

use super::KEY;
use super::harness::{Project, Run};

const SHOWS: &str = "kind: A\nv: {{ .Values.v | quote }}\n";

fn kiel(project: &Project, args: &[&str], vars: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiel"));
    command.args(args).current_dir(project.path()).env_clear();
    command
        .env("HOME", project.path())
        .env("WERF_SECRET_KEY", KEY)
        .envs(vars.iter().copied());
    Run::of(&command.output().expect("kiel runs"))
}

fn project() -> Project {
    let project = Project::empty("values");
    project.commit(&[
        ("werf.yaml", "project: demo\nconfigVersion: 1\n"),
        (".helm/values.yaml", "v: chart\n"),
        (".helm/templates/a.yaml", SHOWS),
        ("one.yaml", "v: one\n"),
        ("two.yaml", "\nv: two\n"),
        ("file.txt", "file"),
    ]);
    project
}

fn encrypted(project: &Project, value: &str) -> String {
    project.write("plain.yaml", &format!("v: {value}\n"));
    kiel(project, &["secret", "values", "encrypt", "plain.yaml"], &[])
        .expect_code(0)
        .stdout
}

/// Each step is added to those before it and wins over them.
#[test]
fn of_two_values_the_one_wins_that_the_documentation_names() {
    let project = project();
    let mut args: Vec<&str> = Vec::new();
    let steps: &[(&[&str], &str, &str)] = &[
        (&[], "chart", ".helm/values.yaml:1"),
        (&["--values", "one.yaml"], "one", "one.yaml:1"),
        (&["--values", "two.yaml"], "two", "two.yaml:2"),
        (&["--set-json", "v=\"json\""], "json", "--set-json v"),
        (&["--set", "v=set"], "set", "--set v"),
        (&["--set-string", "v=string"], "string", "--set-string v"),
        (&["--set-file", "v=file.txt"], "file", "--set-file v"),
        (&["--set-literal", "v=literal"], "literal", "--set-literal v"),
        (&["--secret-values", "secret.yaml"], "secret", "secret.yaml:1"),
        (&["--secret-values", "later.yaml"], "later", "later.yaml:1"),
    ];
    let (secret, later) = (encrypted(&project, "secret"), encrypted(&project, "later"));
    project.commit(&[("secret.yaml", &secret), ("later.yaml", &later)]);
    let mut before: Vec<&str> = Vec::new();
    for (step, value, place) in steps {
        args.extend_from_slice(step);
        let rendered = kiel(&project, &[&["render"], &args[..]].concat(), &[])
            .expect_code(0)
            .stdout;
        assert!(
            rendered.contains(&format!("v: \"{value}\"")),
            "{args:?}: {rendered}"
        );
        let origin = kiel(
            &project,
            &[&["render", "--show-origin", "v"], &args[..]].concat(),
            &[],
        )
        .expect_code(0);
        let overrides: String = before
            .iter()
            .rev()
            .map(|place| format!("  overrides {place}\n"))
            .collect();
        assert_eq!(origin.stdout, format!("v: {place}\n{overrides}"));
        before.push(place);
    }
    // The chart's own file is the weakest of the secret ones.
    let of_chart = encrypted(&project, "own");
    project.commit(&[(".helm/secret-values.yaml", &of_chart)]);
    let with = |more: &[&str]| {
        kiel(&project, &[&["render", "--set", "v=set"], more].concat(), &[])
            .expect_code(0)
            .stdout
    };
    assert!(with(&[]).contains("v: \"own\""));
    assert!(with(&["--secret-values", "later.yaml"]).contains("v: \"later\""));
    assert!(with(&["--disable-default-secret-values"]).contains("v: \"set\""));
    assert!(with(&["--ignore-secret-key"]).contains("v: \"1000"));
    kiel(&project, &["render", "--show-origin", "nothing"], &[])
        .expect_code(1)
        .expect_stderr(&["nothing sets it"]);
    let none = kiel(
        &project,
        &[
            "render",
            "--disable-default-values",
            "--disable-default-secret-values",
        ],
        &[],
    );
    assert!(!none.expect_code(0).stdout.contains("v: \""));
}

#[test]
fn variables_come_before_flags_and_are_sorted_by_name() {
    let project = project();
    for (vars, args, want) in [
        (
            &[("WERF_VALUES_2", "two.yaml"), ("WERF_VALUES_10", "one.yaml")][..],
            &[][..],
            "two",
        ),
        (&[("WERF_VALUES_1", "two.yaml")], &["--values", "one.yaml"], "one"),
        (&[("WERF_SET_A", "v=a"), ("KIEL_SET_A", "v=k")], &[], "k"),
        (&[("WERF_SET_Z", "v=z")], &["--set", "v=flag"], "flag"),
        (&[("WERF_SET_LITERAL_A", "v=a,b")], &[], "a,b"),
        (
            &[("WERF_DISABLE_DEFAULT_VALUES", "1"), ("WERF_SET_A", "v=a")],
            &[],
            "a",
        ),
    ] {
        let rendered = kiel(&project, &[&["render"], args].concat(), vars).expect_code(0);
        assert!(
            rendered.stdout.contains(&format!("v: \"{want}\"")),
            "{vars:?}: {}",
            rendered.stdout
        );
        assert!(
            !rendered.stderr.contains("read by nothing"),
            "{}",
            rendered.stderr
        );
    }
    let hint = "the variable WERF_VALUE_1 is read by nothing; did you mean WERF_VALUES_1?";
    kiel(&project, &["render"], &[("WERF_VALUE_1", "one.yaml")])
        .expect_code(0)
        .expect_stderr(&[hint]);
}

#[test]
fn names_are_printed_as_converge_uses_them() {
    let project = project();
    for (args, want) in [
        (&["get-release", "--env", "Dev"][..], "demo-dev-"),
        (&["helm", "get-release"], "demo\n"),
        (&["helm", "get-namespace", "--namespace", "other"], "demo\n"),
        (&["get-namespace", "--env", "x"], "demo-x\n"),
        (
            &["slugify", "-f", "docker-tag", "feature/x"],
            "feature-x-8339ecf4\n",
        ),
        (&["slugify", "-f", "helm-release", "a.b"], "a.b\n"),
    ] {
        let run = kiel(&project, args, &[("WERF_RELEASE", "unread")]).expect_code(0);
        assert!(run.stdout.starts_with(want), "{args:?}: {}", run.stdout);
    }
    let values = kiel(&project, &["helm", "get-autogenerated-values", "--env", "e"], &[])
        .expect_code(0)
        .stdout;
    assert!(
        values.contains("global:\n  env: e\n") && values.contains("  namespace: demo-e\n"),
        "{values}"
    );
    kiel(&project, &["slugify", "x"], &[]).expect_code(1);
    kiel(&project, &["slugify", "-f", "nothing", "x"], &[]).expect_code(1);
}
