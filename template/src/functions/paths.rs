//! Slash-separated paths: Go's `path`, and `filepath` as it is on Unix.

use crate::value::Functions;

use super::args::{STRING, boolean, string, text};

pub(super) fn register(functions: &mut Functions) {
    for (name, os_name, cut) in [
        ("base", "osBase", base as fn(&[u8]) -> Vec<u8>),
        ("dir", "osDir", dir),
        ("clean", "osClean", clean),
        ("ext", "osExt", ext),
    ] {
        for name in [name, os_name] {
            functions.add(name, &[STRING], move |_, args| string(cut(text(args, 0))));
        }
    }
    for name in ["isAbs", "osIsAbs"] {
        functions.add(name, &[STRING], |_, args| {
            boolean(text(args, 0).starts_with(b"/"))
        });
    }
}

/// The last element; `.` of nothing, `/` of slashes alone.
fn base(path: &[u8]) -> Vec<u8> {
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    if end == 0 {
        return if path.is_empty() {
            b".".to_vec()
        } else {
            b"/".to_vec()
        };
    }
    let start = path[..end]
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    path[start..end].to_vec()
}

/// All but the last element, cleaned.
fn dir(path: &[u8]) -> Vec<u8> {
    clean(
        &path[..path
            .iter()
            .rposition(|byte| *byte == b'/')
            .map_or(0, |slash| slash + 1)],
    )
}

/// From the last dot of the last element on.
fn ext(path: &[u8]) -> Vec<u8> {
    let name = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    path[name..]
        .iter()
        .rposition(|byte| *byte == b'.')
        .map_or_else(Vec::new, |dot| path[name + dot..].to_vec())
}

/// The shortest equal path: without `.`, without what `..` takes back, without double slashes.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            _ => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", &joined[..]].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
