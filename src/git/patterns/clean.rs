//! Lexical paths as Go's `path.Clean` makes them.

/// The shortest path that means the same, without looking at any file: no `.`, no empty part, `..` only at the
/// start of a relative path; `.` for nothing.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

/// The parts of a cleaned path, where a separator behind a backslash is none; nothing for the root.
pub(crate) fn split(path: &str) -> Vec<String> {
    let cleaned = clean(path);
    let relative = cleaned.strip_prefix('/').unwrap_or(&cleaned);
    if relative.is_empty() || relative == "." {
        return Vec::new();
    }
    let mut parts: Vec<String> = Vec::new();
    for part in relative.split('/') {
        match parts.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.push('/');
                last.push_str(part);
            }
            _ => parts.push(part.into()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_like_go() {
        for (path, want) in [
            ("", "."),
            (".", "."),
            ("/", "/"),
            ("a//b/", "a/b"),
            ("./a/./b", "a/b"),
            ("a/../b", "b"),
            ("a/..", "."),
            ("../a/../..", "../.."),
            ("/../a", "/a"),
            ("a/b/../../..", ".."),
        ] {
            assert_eq!(clean(path), want, "{path}");
        }
    }

    #[test]
    fn splits_and_keeps_escaped_separators() {
        assert_eq!(split("/a//b/"), ["a", "b"]);
        assert_eq!(split(r"a\/b/c"), [r"a\/b", "c"]);
        assert!(split("/").is_empty() && split("").is_empty());
    }
}
