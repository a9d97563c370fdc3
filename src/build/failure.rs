//! How a failed step is told: where it stands, its exit code, and what it wrote last.

use std::fmt::Write as _;

use crate::buildkit::SolveError;

use super::error::BuildError;

/// How many of a step's last lines are told.
const LINES: usize = 20;
/// How a Stapel stage announces a command.
const ANNOUNCED: &str = "$ ";

/// The message of a failed solve.
pub(super) fn step_failed(image: &str, stage: Option<&str>, error: &SolveError) -> String {
    let mut text = format!("cannot build image `{image}`");
    match (stage, error.exit_code) {
        (Some(stage), Some(code)) => add(
            &mut text,
            format_args!(": stage `{stage}` failed with exit code {code}"),
        ),
        (None, Some(code)) => add(
            &mut text,
            format_args!(": a command failed with exit code {code}"),
        ),
        (Some(stage), None) => add(
            &mut text,
            format_args!(": stage `{stage}`: {}", error.message.trim_end()),
        ),
        (None, None) => add(&mut text, format_args!(": {}", error.message.trim_end())),
    }
    if let Some(lines) = &error.source_lines {
        add(&mut text, format_args!("\n  --> {}:{}", lines.file, lines.first));
        for (number, line) in (lines.first..).zip(lines.text.lines()) {
            add(&mut text, format_args!("\n{number:>4} | {line}"));
        }
    } else if let Some(command) = error
        .last_lines
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix(ANNOUNCED))
    {
        add(&mut text, format_args!("\n  --> {command}"));
    }
    // What the command itself wrote: not what came before it.
    let since = error
        .last_lines
        .iter()
        .rposition(|line| line.starts_with(ANNOUNCED) && stage.is_some());
    let lines = &error.last_lines[since.map_or(0, |at| at + 1)..];
    let lines = &lines[lines.len().saturating_sub(LINES)..];
    if !lines.is_empty() {
        text.push_str("\n  it wrote last:");
        lines
            .iter()
            .for_each(|line| add(&mut text, format_args!("\n     | {line}")));
    }
    text
}

/// The remedy, where a program could not be run for its architecture.
pub(super) fn hint(error: &BuildError) -> Option<String> {
    match error {
        BuildError::Solve { failure, .. } => {
            let last = failure.last_lines.last()?;
            (last.starts_with("exec ") && last.ends_with("exec format error")).then(|| {
                "the program is of another architecture than the engine's machine, or a script without `#!`: with the \
                 package qemu-user-static installed (Linux 6.7 and later), or QEMU registered on the machine, other \
                 architectures run; else set BUILDKIT_HOST to an engine on such a machine"
                    .to_owned()
            })
        }
        BuildError::Several(errors) => errors.iter().find_map(hint),
        _ => None,
    }
}

/// The reason in a line, for the moment of the failure: the whole message stands at the end of the run.
pub(super) fn short(image: &str, error: &BuildError) -> String {
    let text = match error {
        BuildError::Registry { source, .. } => source.to_string(),
        BuildError::Engine { source, .. } => source.to_string(),
        BuildError::Layer { source, .. } => source.to_string(),
        error => error.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    let reason = line
        .strip_prefix(&format!("cannot build image `{image}`"))
        .map_or(line, |rest| rest.trim_start_matches(": "));
    format!("({reason})")
}

/// The messages of several images that failed, each with its causes.
pub(super) fn several(errors: &[BuildError]) -> String {
    let mut text = format!("cannot build {} images", errors.len());
    for error in errors {
        add(&mut text, format_args!("\n- {error}"));
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            add(&mut text, format_args!("\n  caused by: {cause}"));
            source = cause.source();
        }
    }
    text
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a text does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buildkit::SourceLines;

    fn error(lines: &[&str]) -> SolveError {
        SolveError {
            message: "process did not complete successfully: exit code: 7".into(),
            step: None,
            source_lines: None,
            exit_code: Some(7),
            last_lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            engine_lost: false,
        }
    }

    #[test]
    fn a_stage_names_its_command() {
        let told = step_failed(
            "app",
            Some("setup"),
            &error(&["$ true", "x", "$ make all", "no rule"]),
        );
        assert_eq!(
            told,
            "cannot build image `app`: stage `setup` failed with exit code 7\n  --> make all\n  it wrote last:\n     | no rule"
        );
    }

    #[test]
    fn a_program_of_another_architecture_has_a_remedy() {
        let failed = |lines| BuildError::Solve {
            image: "app".into(),
            stage: None,
            failure: Box::new(error(lines)),
        };
        let foreign = failed(&["exec /bin/sh: exec format error"]);
        assert!(hint(&foreign).is_some_and(|hint| hint.contains("qemu-user-static")));
        assert!(hint(&BuildError::Several(vec![failed(&["no"]), foreign])).is_some());
        assert_eq!(hint(&failed(&["no rule"])), None);
    }

    #[test]
    fn the_short_reason_names_no_image_and_is_one_line() {
        let failed = BuildError::Solve {
            image: "app".into(),
            stage: Some("setup".into()),
            failure: Box::new(error(&["$ make all", "no rule"])),
        };
        assert_eq!(short("app", &failed), "(stage `setup` failed with exit code 7)");
        let missing = BuildError::NoBase {
            image: "app".into(),
            base: "b:1".into(),
            platform: "linux/amd64".into(),
        };
        assert!(short("app", &missing).starts_with("(there is no image `b:1` for linux/amd64"));
    }

    #[test]
    fn a_dockerfile_names_its_lines() {
        let lines = SourceLines {
            file: "web/Dockerfile".into(),
            first: 3,
            last: 4,
            text: "RUN a \\\n  b".into(),
        };
        let told = step_failed(
            "web",
            None,
            &SolveError {
                source_lines: Some(lines),
                ..error(&["oops"])
            },
        );
        assert_eq!(
            told,
            "cannot build image `web`: a command failed with exit code 7\n  --> web/Dockerfile:3\n   3 | RUN a \\\n   4 |   b\n  it wrote last:\n     | oops"
        );
    }
}
