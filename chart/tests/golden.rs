//! Charts rendered by this crate and by the real Helm.
//!
//! Every folder of `tests/golden/render/` is a case: a `chart`, maybe `args` (one a line), and what
//! Helm said: `expected.yaml` or `expected.error`. With `KIEL_TEST_HELM` (the binary) the expectations
//! themselves are checked against Helm; with `KIEL_TEST_WRITE_GOLDEN` too, they are written anew.

#![allow(
    clippy::disallowed_methods,
    reason = "tests read the variables that the environment sets"
)]

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/render");
    let helm = std::env::var_os("KIEL_TEST_HELM").map(PathBuf::from);
    let mut cases = Vec::new();
    for entry in fs_err::read_dir(&root)? {
        let path = entry?.path();
        if path.is_dir() {
            cases.push(path);
        }
    }
    cases.sort();
    if let Some(helm) = helm
        .as_deref()
        .filter(|_| std::env::var_os("KIEL_TEST_WRITE_GOLDEN").is_some())
    {
        for case in &cases {
            write(helm, case)?;
        }
        let version = Command::new(helm)
            .args(["version", "--template", "{{ .Version }}"])
            .output()?;
        fs_err::write(
            root.join("written-by"),
            format!("Helm {}\n", String::from_utf8(version.stdout)?),
        )?;
    }
    let mut trials = Vec::new();
    for case in cases {
        let name = case
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let (folder, binary) = (case.clone(), helm.clone());
        trials.push(Trial::test(format!("render::{name}"), move || {
            check(&case).map_err(|error| failed(&error))
        }));
        trials.push(Trial::ignorable_test(
            format!("oracle::{name}"),
            move || match &binary {
                Some(helm) => check_oracle(helm, &folder)
                    .map(|()| Completion::Completed)
                    .map_err(|error| failed(&error)),
                None => Ok(Completion::ignored_with("KIEL_TEST_HELM does not name a Helm")),
            },
        ));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}

fn failed(error: &anyhow::Error) -> Failed {
    Failed::from(format!("{error:#}"))
}

fn arguments(case: &Path) -> Result<Vec<String>> {
    let path = case.join("args");
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(fs_err::read_to_string(path)?.lines().map(str::to_owned).collect())
}

/// The expectation: output or error.
fn expected(case: &Path) -> Result<Result<String, String>> {
    let error = case.join("expected.error");
    if error.exists() {
        return Ok(Err(fs_err::read_to_string(error)?
            .trim_end_matches('\n')
            .to_owned()));
    }
    Ok(Ok(fs_err::read_to_string(case.join("expected.yaml"))?))
}

fn check(case: &Path) -> Result<()> {
    let got = support::Arguments::parse(case, &arguments(case)?)?.template(case, "chart");
    let got = got.map_err(|text| text.trim_end().to_owned());
    compare(&got, &expected(case)?)
}

fn check_oracle(helm: &Path, case: &Path) -> Result<()> {
    compare(&run(helm, case)?, &expected(case)?)
}

fn compare(got: &Result<String, String>, want: &Result<String, String>) -> Result<()> {
    if got == want {
        return Ok(());
    }
    let show = |text: &Result<String, String>| match text {
        Ok(text) => text.clone(),
        Err(text) => format!("error: {text}"),
    };
    anyhow::bail!("got:\n{}\nwant:\n{}", show(got), show(want))
}

/// What Helm says: standard output, or its error without prefix, warnings and advice.
fn run(helm: &Path, case: &Path) -> Result<Result<String, String>> {
    let home = tempfile::tempdir()?;
    let output = Command::new(helm)
        .args(["template", "release-name", "chart"])
        .args(arguments(case)?)
        .current_dir(case)
        .env_clear()
        .env("HOME", home.path())
        .env("TZ", "UTC")
        .output()
        .with_context(|| format!("cannot run `{}`", helm.display()))?;
    if output.status.success() {
        return Ok(Ok(String::from_utf8(output.stdout)?));
    }
    let text = String::from_utf8(output.stderr)?;
    let error = text.split_once("Error: ").map_or("", |(_, error)| error);
    let error = error
        .trim_end()
        .trim_end_matches("Use --debug flag to render out invalid YAML");
    Ok(Err(error.trim_end().to_owned()))
}

fn write(helm: &Path, case: &Path) -> Result<()> {
    let outcome = run(helm, case)?;
    let (name, other, text) = match &outcome {
        Ok(text) => ("expected.yaml", "expected.error", text.clone()),
        Err(text) => ("expected.error", "expected.yaml", format!("{text}\n")),
    };
    fs_err::write(case.join(name), text)?;
    if case.join(other).exists() {
        fs_err::remove_file(case.join(other))?;
    }
    Ok(())
}
