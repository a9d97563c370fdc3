//! Paths and the failures of files in the words of Go's `os` and `path/filepath`, which scripts around Helm read.

use std::io::{self, ErrorKind};

use super::HelmError;

/// Go: `filepath.Clean`.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Go: `filepath.Join` of two parts.
pub(super) fn join(dir: &str, name: &str) -> String {
    match (dir.is_empty(), name.is_empty()) {
        (true, true) => String::new(),
        (true, false) => clean(name),
        (false, true) => clean(dir),
        (false, false) => clean(&format!("{dir}/{name}")),
    }
}

/// Go: `filepath.Abs`.
pub(super) fn absolute(path: &str) -> io::Result<String> {
    if path.starts_with('/') {
        return Ok(clean(path));
    }
    let here = std::env::current_dir()?;
    Ok(join(&here.display().to_string(), path))
}

/// Go: `filepath.Base`.
pub(super) fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match (path.is_empty(), trimmed.is_empty()) {
        (true, _) => ".",
        (false, true) => "/",
        (false, false) => trimmed.rsplit('/').next().unwrap_or(trimmed),
    }
}

/// Go: `filepath.Dir`.
pub(super) fn parent(path: &str) -> String {
    clean(
        path.rsplit_once('/')
            .map_or("", |(dir, _)| if dir.is_empty() { "/" } else { dir }),
    )
}

/// Go: an `os.PathError`.
pub(super) fn failure(what: &str, path: &str, error: &io::Error) -> HelmError {
    let reason = match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        ErrorKind::NotADirectory => "not a directory".to_owned(),
        ErrorKind::AlreadyExists => "file exists".to_owned(),
        _ => error.to_string(),
    };
    let what = match error.kind() {
        // A folder can be opened, but not read.
        ErrorKind::IsADirectory if what == "open" => "read",
        _ => what,
    };
    HelmError(format!("{what} {path}: {reason}"))
}

/// Go: `os.Stat`, links followed.
#[allow(clippy::disallowed_methods, reason = "the error is told in Go's words")]
pub(super) fn stat(path: &str) -> Result<std::fs::Metadata, HelmError> {
    std::fs::metadata(path).map_err(|error| failure("stat", path, &error))
}

/// Go: `os.ReadFile`.
#[allow(clippy::disallowed_methods, reason = "the error is told in Go's words")]
pub(super) fn read(path: &str) -> Result<Vec<u8>, HelmError> {
    std::fs::read(path).map_err(|error| failure("open", path, &error))
}

/// Go: `os.WriteFile`.
#[allow(clippy::disallowed_methods, reason = "the error is told in Go's words")]
pub(super) fn write(path: &str, data: &[u8]) -> Result<(), HelmError> {
    std::fs::write(path, data).map_err(|error| failure("open", path, &error))
}

/// Go: `os.MkdirAll`.
#[allow(clippy::disallowed_methods, reason = "the error is told in Go's words")]
pub(super) fn make_folders(path: &str) -> Result<(), HelmError> {
    std::fs::create_dir_all(path).map_err(|error| failure("mkdir", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_by_go() {
        for (path, want) in [
            ("", "."),
            ("./a//b/", "a/b"),
            ("a/../..", ".."),
            ("/..", "/"),
            ("../a", "../a"),
            ("/", "/"),
        ] {
            assert_eq!(clean(path), want, "{path}");
        }
        assert_eq!(join(".", "Chart.yaml"), "Chart.yaml");
        assert_eq!((base("a/b/"), base("/"), base("")), ("b", "/", "."));
        assert_eq!(
            (parent("a/b"), parent("b"), parent("/b")),
            ("a".into(), ".".into(), "/".into())
        );
    }
}
