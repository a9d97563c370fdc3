//! A saved build report, read again: where images are, without asking the registry.
//!
//! Both forms of `--save-build-report` are read, those that werf writes too. What a chart needs of an image has to be
//! there; its config's digest (`DockerImageID`) does not, as a build that only found the image does not know it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// An image of a saved report.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SavedImage {
    /// Its name in werf.yaml.
    #[serde(rename = "WerfImageName", default)]
    pub name: String,
    /// `REPO:TAG`
    #[serde(rename = "DockerImageName", default)]
    pub reference: String,
    /// Where it is.
    #[serde(rename = "DockerRepo", default)]
    pub repository: String,
    /// Its tag there.
    #[serde(rename = "DockerTag", default)]
    pub tag: String,
    /// Its manifest's; may be empty.
    #[serde(rename = "DockerImageDigest", default)]
    pub digest: String,
    /// Whether the chart may name it.
    #[serde(rename = "Final", default = "yes")]
    pub is_final: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    #[serde(default)]
    images: BTreeMap<String, SavedImage>,
}

/// Why a report is not used.
#[derive(Debug, thiserror::Error)]
pub enum ReportFileError {
    /// No such file, or one that can't be read.
    #[error("Error: unable to load build report: unable to read build report file {path:?}: open {path}: {reason}", path = .path.display().to_string())]
    Read {
        /// The report.
        path: PathBuf,
        /// As Go says it.
        reason: String,
    },
    /// Neither JSON nor variables.
    #[error("Error: unable to load build report: unable to parse build report file {:?}: {reason}", .path.display().to_string())]
    Parse {
        /// The report.
        path: PathBuf,
        /// What is wrong, without the file's text.
        reason: String,
    },
    /// Something is missing in it.
    #[error("Error: unable to load build report: invalid build report file {:?}: {reason}", .path.display().to_string())]
    Invalid {
        /// The report.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
}

/// Reads a report: variables where its name ends with `.env`, else JSON.
///
/// # Errors
/// See [`ReportFileError`].
pub fn read_report(path: &Path) -> Result<Vec<SavedImage>, ReportFileError> {
    let text = fs_err::read_to_string(path).map_err(|error| ReportFileError::Read {
        path: path.to_owned(),
        reason: match error.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            other => other.to_string(),
        },
    })?;
    let is_env = path.extension().is_some_and(|extension| extension == "env");
    parse(&text, is_env).map_err(|error| match error {
        Wrong::Form(reason) => ReportFileError::Parse {
            path: path.to_owned(),
            reason,
        },
        Wrong::Missing(reason) => ReportFileError::Invalid {
            path: path.to_owned(),
            reason,
        },
    })
}

#[derive(Debug)]
enum Wrong {
    Form(String),
    Missing(String),
}

fn parse(text: &str, is_env: bool) -> Result<Vec<SavedImage>, Wrong> {
    let images = if is_env {
        from_variables(text)?
    } else {
        let file: File = serde_json::from_str(text).map_err(|error| {
            Wrong::Form(format!(
                "not valid at line {} column {}",
                error.line(),
                error.column()
            ))
        })?;
        file.images
    };
    if images.is_empty() {
        return Err(Wrong::Missing("build report contains no images".to_owned()));
    }
    for (key, image) in &images {
        for (value, field) in [
            (&image.name, "WerfImageName"),
            (&image.reference, "DockerImageName"),
            (&image.repository, "DockerRepo"),
            (&image.tag, "DockerTag"),
        ] {
            if value.is_empty() {
                return Err(Wrong::Missing(format!("image {key:?} has empty {field}")));
            }
        }
    }
    Ok(images.into_values().collect())
}

/// `WERF_<IMAGE>_<FIELD>=VALUE`; an image's variables are found by that with its name.
fn from_variables(text: &str) -> Result<BTreeMap<String, SavedImage>, Wrong> {
    let mut variables = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(Wrong::Form(format!("malformed env line {}: {line:?}", index + 1)));
        };
        variables.insert(name.trim(), value);
    }
    let mut images = BTreeMap::new();
    for (variable, name) in &variables {
        let Some(prefix) = variable.strip_suffix("_WERF_IMAGE_NAME") else {
            continue;
        };
        let field = |field: &str| -> String {
            let value = variables.get(format!("{prefix}_{field}").as_str());
            value.copied().unwrap_or_default().to_owned()
        };
        let image = SavedImage {
            name: (*name).to_owned(),
            reference: field("DOCKER_IMAGE_NAME"),
            repository: field("DOCKER_REPO"),
            tag: field("DOCKER_TAG"),
            digest: field("DOCKER_IMAGE_DIGEST"),
            is_final: field("FINAL") != "false",
        };
        images.insert((*name).to_owned(), image);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let json = r#"{"Images": {"a/b": {"WerfImageName": "a/b", "DockerImageName": "r/x:t", "DockerRepo": "r/x",
            "DockerTag": "t", "DockerImageDigest": "sha256:1", "Final": false, "Stages": []}}}"#;
        let env = "# x\nWERF_A_B_DOCKER_IMAGE_NAME=r/x:t\nWERF_A_B_DOCKER_REPO=r/x\nWERF_A_B_DOCKER_TAG=t\n\
            WERF_A_B_DOCKER_IMAGE_DIGEST=sha256:1\nWERF_A_B_FINAL=false\nWERF_A_B_WERF_IMAGE_NAME=a/b\n";
        let want = SavedImage {
            name: "a/b".into(),
            reference: "r/x:t".into(),
            repository: "r/x".into(),
            tag: "t".into(),
            digest: "sha256:1".into(),
            is_final: false,
        };
        for (text, is_env) in [(json, false), (env, true)] {
            assert_eq!(parse(text, is_env).unwrap(), std::slice::from_ref(&want));
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_text() {
        let told = |text: &str, is_env| match parse(text, is_env).unwrap_err() {
            Wrong::Form(reason) | Wrong::Missing(reason) => reason,
        };
        assert_eq!(told("{\"Images\": 5", false), "not valid at line 1 column 12");
        assert_eq!(told("{}", false), "build report contains no images");
        assert_eq!(told("A=1\nfoo", true), "malformed env line 2: \"foo\"");
        let image = r#"{"Images": {"a": {"WerfImageName": "a"}}}"#;
        assert_eq!(told(image, false), "image \"a\" has empty DockerImageName");
    }
}
